/* listener: a listening TCP socket from an address as people write it.
 *
 * Any thread; the caller owns the descriptor. */
#ifndef RXP_OPS_LISTENER_H
#define RXP_OPS_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

/* "127.0.0.1:9464", "[::1]:0", "localhost:8080", ":8080" (every address of the machine, IPv6 and IPv4). Returns a
 * non-blocking descriptor with *port set to the port in use, or -1 with a sentence in why that names the address. */
int listener_open(const char *address, int *port, char *why, size_t why_bytes);

/* Is the socket's address a loopback one, which no other machine reaches? */
bool listener_is_local(int fd);

#endif
