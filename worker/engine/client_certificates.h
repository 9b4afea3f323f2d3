/* client_certificates: which certificate of its own the worker shows to which host (mutual TLS).
 *
 * Immutable after client_certificates_parse: any thread. */
#ifndef RXP_ENGINE_CLIENT_CERTIFICATES_H
#define RXP_ENGINE_CLIENT_CERTIFICATES_H

#include <stddef.h>

struct client_certificate {
    char *text; /* the entry, taken apart in place; the others point into it */
    const char *host; /* without brackets and trailing dot */
    int port;         /* 0: any */
    const char *certificate; /* PEM file, the chain behind it */
    const char *key;         /* PEM file; the same one where only one is given */
};

struct client_certificates {
    struct client_certificate *entry;
    size_t n;
};

/* Reads "host[:port]=CERTIFICATE[:KEY],…" and looks whether the files can be read and hold what they should. 0, or -1 with a
 * sentence in why[why_bytes]; client_certificates_deinit in both cases. */
int client_certificates_parse(struct client_certificates *out, const char *text, char *why, size_t why_bytes);
void client_certificates_deinit(struct client_certificates *certificates);

/* The one for this host (without brackets) and port: an entry with the port goes before one without. NULL: none. */
const struct client_certificate *client_certificates_find(const struct client_certificates *certificates,
                                                          const char *host, int port);

#endif
