/* target: where a request goes: a parsed URL of scheme http or https, and its origin.
 *
 * Owned by one thread. */
#ifndef RXP_ENGINE_TARGET_H
#define RXP_ENGINE_TARGET_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

struct target {
    CURLU *url;
    char *origin;     /* "https://host:port", lower case, port always given; one block with host */
    const char *host; /* without the brackets of an IPv6 address */
    int port;
};

enum target_error { TARGET_OK, TARGET_MALFORMED, TARGET_NOT_HTTP, TARGET_MEMORY };

/* Parses an absolute URL. On any error *out is empty (deinit is harmless) and why[why_bytes] is a phrase. */
enum target_error target_parse(struct target *out, const char *url, char *why, size_t why_bytes);
/* Resolves a Location against the URL that answered with it (RFC 9110, 10.2.2). `from` stays as it is. */
enum target_error target_follow(struct target *out, const struct target *from, const char *location, char *why,
                                size_t why_bytes);
bool target_same_origin(const struct target *a, const struct target *b);
/* A user name or a password stands before its host. */
bool target_has_credentials(const struct target *target);
void target_deinit(struct target *target);

#endif
