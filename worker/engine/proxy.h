/* proxy: through which HTTP proxy a request goes, if through any.
 *
 * Immutable after proxy_make: any thread. Never printed: it may hold a password. */
#ifndef RXP_ENGINE_PROXY_H
#define RXP_ENGINE_PROXY_H

#include <stddef.h>

struct proxy;

/* `text` is a URL (http or https, with a port), or the word `environment`: then http_proxy, https_proxy, all_proxy and no_proxy
 * of the environment, read now, say it (https_proxy, all_proxy and no_proxy in capitals as well; HTTP_PROXY not, since a web
 * server hands it to programs from a request). Returns 0 with *out, NULL where there is none; or -1 with a sentence in
 * why[why_bytes], which never holds the value. */
int proxy_make(const char *text, struct proxy **out, char *why, size_t why_bytes);
void proxy_free(struct proxy *proxy);

/* The proxy's URL for a request to this host (without brackets), NULL: none, it goes there itself. So it does to this machine's
 * loopback (127.0.0.0/8, ::1, localhost and the names below it, RFC 6761), which to the proxy would be its own. proxy NULL:
 * none. */
const char *proxy_find(const struct proxy *proxy, const char *scheme, const char *host, int port);

#endif
