/* runs_filter: what somebody wants to see of the runs under way, from the parameters of GET /runs; and the cursor by which
 * the next page is asked for.
 *
 * Pure and thread-safe. */
#ifndef RXP_CORE_RUNS_FILTER_H
#define RXP_CORE_RUNS_FILTER_H

#include "engine/query.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUNS_LIMIT_DEFAULT 100
/* Of a topic's name (Kafka's own limit) and three numbers. */
#define RUNS_CURSOR_BYTES 320
#define RUNS_WHY_BYTES 512

struct runs_filter {
    struct query_filter query; /* its strings are the parameters', or point into this */
    char after_topic[RUNS_CURSOR_BYTES];
};

/* All runs, the oldest first. */
void runs_filter_init(struct runs_filter *filter);
/* One parameter as it stands in the URL, decoded (value NULL: without '='). 0, or -1 with a sentence in why that names it
 * and what may stand there. now_ms: Unix time. An empty value is no filter. */
int runs_filter_take(struct runs_filter *filter, const char *name, const char *value, int64_t now_ms,
                     char why[RUNS_WHY_BYTES]);

/* What `after` says to go on behind this row. Of characters that need no escape in a URL. False for a topic that is longer than
 * Kafka has them. */
bool runs_cursor_write(const struct query_key *key, char out[RUNS_CURSOR_BYTES]);

#endif
