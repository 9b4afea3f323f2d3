/* target: where a request goes: a parsed URL of scheme http or https, and its origin.
 *
 * Owned by one thread. */
#ifndef RXP_ENGINE_TARGET_H
#define RXP_ENGINE_TARGET_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#define TARGET_URL_MAX_BYTES ((size_t)64 * 1024)

struct aim;

struct target {
    CURLU *url;       /* whole, or its origin alone: then text and path are the rest */
    char *origin;     /* "https://host:port", lower case, port always given; one block with host */
    const char *host; /* without the brackets of an IPv6 address */
    int port;
    struct aim *aim;  /* whose url, origin and host these are (aim.h); NULL: its own */
    const char *text; /* with an aim: the URL; it outlives the target */
    const char *path; /* with an aim: path and query in it, as they go on the wire */
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
