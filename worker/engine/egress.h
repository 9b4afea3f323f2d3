/* egress: where a request may go. A message names the URL, so the worker decides.
 *
 * Immutable after egress_make: any thread. The name is checked before a request, every resolved address before
 * connecting (curl_transport's open-socket callback), redirects hop by hop. */
#ifndef RXP_ENGINE_EGRESS_H
#define RXP_ENGINE_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct egress;

struct egress_config {
    const char *allow;     /* comma list: `*`, host patterns (`*.example.com`), host:port, addresses, CIDRs */
    const char *deny;      /* the same; wins */
    bool loopback_allowed; /* exec, demo; in run only what `allow` names itself */
};

#define EGRESS_WHY_BYTES 256

/* NULL with a sentence in why[EGRESS_WHY_BYTES] that names the entry that cannot be understood. */
struct egress *egress_make(const struct egress_config *config, char *why);
void egress_free(struct egress *egress);

/* May a request name this host (a name or address literal, without brackets) and port? Refusals say which option would
 * allow it. A name that only its address could allow passes here and is decided by egress_check_address. */
bool egress_check_host(const struct egress *egress, const char *host, int port, char *why);

/* May a connection for `host` go to this address? IPv4-mapped, -compatible, NAT64, 6to4 and Teredo forms are unwrapped. */
bool egress_check_address(const struct egress *egress, const char *host, int port, const struct sockaddr *address,
                          char *why);

#endif
