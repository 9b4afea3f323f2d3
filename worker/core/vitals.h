/* vitals: does the worker live, is it ready, and what do its gauges say: GET /livez, /readyz, /metrics.
 *
 * All three are for everybody who reaches the admin server. None of them waits for the broker or for a loop. */
#ifndef RXP_CORE_VITALS_H
#define RXP_CORE_VITALS_H

#include "core/standing.h"
#include "core/worker.h"
#include "ops/admin.h"
#include "ops/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vitals;

/* All that it points to outlives it, but the worker. */
struct vitals_config {
    const struct worker_config *worker_config;
    struct metrics *metrics;
    struct standing *standing;
    const char *curl_version;
};

/* NULL for want of memory. */
struct vitals *vitals_new(const struct vitals_config *config);
void vitals_free(struct vitals *vitals);

/* The admin server starts before the worker is made and serves until it is gone. NULL: takes it away; returns once nobody looks
 * at it. */
void vitals_use_worker(struct vitals *vitals, struct worker *worker);

/* For admin_start; opaque: the vitals. */
const struct admin_route *vitals_routes(size_t *n);

/* Takes it messages, or would it if there were any? False with a sentence why not. It is a member of its group, with or without
 * partitions, does not drain, and a broker answered within the session timeout (after which the group would give its
 * partitions to others; 15 s at least, since brokers are asked every few seconds). */
#define VITALS_WHY_BYTES 512
bool vitals_ready(struct standing *standing, const struct worker_config *config, int64_t now_mono_ms,
                  char why[VITALS_WHY_BYTES]);

#endif
