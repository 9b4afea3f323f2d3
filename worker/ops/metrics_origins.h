/* metrics_origins: the origins that have a label of their own, and which of them a URL has. For metrics.c alone.
 *
 * Const once made. */
#ifndef RXP_OPS_METRICS_ORIGINS_H
#define RXP_OPS_METRICS_ORIGINS_H

#include <stddef.h>

/* The parts of "https://api.example:8443/path", pointing into it. */
struct origin_parts {
    const char *scheme; /* NULL: none */
    const char *host;
    const char *port; /* NULL: none */
    size_t scheme_bytes;
    size_t host_bytes;
    size_t port_bytes;
};

struct metrics_origins {
    char **words; /* as they were given */
    struct origin_parts *parts; /* of each */
    size_t n;
};

/* Doubles, and what is no origin, are left out; at most `max` are kept. 0, or -1 for want of memory (then nothing is to be
 * freed). */
int metrics_origins_init(struct metrics_origins *origins, const char *const *words, size_t n, size_t max);
void metrics_origins_deinit(struct metrics_origins *origins);

/* n where it has none of them. A word's scheme and port need not be there: it then stands for any; the word that says most
 * wins. */
size_t metrics_origins_find(const struct metrics_origins *origins, const char *url);

#endif
