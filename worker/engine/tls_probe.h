/* tls_probe: can libcurl use this certificate with this key? It would say so only once it connects, each time anew.
 *
 * Any thread; blocks for milliseconds. */
#ifndef RXP_ENGINE_TLS_PROBE_H
#define RXP_ENGINE_TLS_PROBE_H

#include <stddef.h>

/* Begins a handshake with nobody: certificate and key are read, and must belong together, before its first byte is sent.
 * 0, or -1 with a phrase in why[why_bytes]. */
int tls_probe(const char *certificate, const char *key, char *why, size_t why_bytes);

#endif
