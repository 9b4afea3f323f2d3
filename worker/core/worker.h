/* worker: the whole of `run`: consumer, pool and publisher joined, from start to an orderly end.
 *
 *   RUNNING ──stop──> DRAINING ──no jobs left, or the time is up──> LEAVING ──left──> ERASING ──> ENDED
 *      └──fatal error────────────────────────────────────────────────┘
 *
 * DRAINING: nothing is begun. With checkpoints a run need not end: it comes home once its request is answered and its
 * checkpoint acknowledged, for others to go on with. ERASING: the checkpoints of what the last commit covered.
 *
 * worker_run occupies the calling thread (the Kafka thread); worker_stop and worker_read_counts are for any other. */
#ifndef RXP_CORE_WORKER_H
#define RXP_CORE_WORKER_H

#include "core/flight.h"
#include "core/settle.h"
#include "engine/pool.h"
#include "kafka/client_conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancels;
struct history;
struct metrics;
struct standing;
struct worker;

/* All that it points to must outlive the worker. */
struct worker_config {
    struct kafka_settings kafka;
    const char *const *topics;
    size_t n_topics;
    struct settle_config settle;
    struct pool_config pool;
    const char *checkpoints_topic; /* NULL: off */
    bool at_most_once;             /* kickoffs; wants checkpoints_topic */
    bool exactly_once;             /* results */
    int64_t transaction_ms;        /* the same: between the beginnings of two transactions */
    enum lanes_mode ordering;
    size_t max_in_flight;
    size_t max_in_flight_bytes; /* of what they hold, and of checkpoints; besides, a quarter of it for runs of partitions
                                 * that were taken away */
    size_t max_message_bytes;
    struct profiles *profiles; /* NULL: none */
    enum log_runs log_runs;
    int64_t commit_interval_ms;
    int64_t drain_ms;
    const char *progress_topic; /* NULL: off */
    const char *control_topic;  /* the same */
    /* For whoever watches; NULL: nobody. Also the pool's metrics. */
    struct metrics *metrics;
    struct standing *standing;
    struct history *history;
    struct cancels *cancels; /* also without a control topic: the admin server's */
};

#define WORKER_WHY_BYTES 1024

/* NULL with a sentence in why. Neither waits for the broker nor takes messages yet. */
struct worker *worker_new(const struct worker_config *config, char why[WORKER_WHY_BYTES]);
/* Until it was stopped (0) or had to end (-1, the reason in why). */
int worker_run(struct worker *worker, char why[WORKER_WHY_BYTES]);
/* What worker_run does over and over, without the wait in between: for a caller that has a clock of its own. False once it is
 * over. *next_ms: when it wants to be called at the latest. */
bool worker_turn(struct worker *worker, int64_t now_ms, int64_t *next_ms);
void worker_free(struct worker *worker);

/* Begins the drain. Any thread, signal handlers included. Again: harmless. */
void worker_stop(struct worker *worker);

/* For pool_query, pool_ask and pool_read_counts. Holds until worker_free. */
struct pool *worker_pool(struct worker *worker);

struct worker_counts {
    struct flight_counts flight;
    bool joined; /* a member of the group */
};
/* Any thread; a snapshot. */
void worker_read_counts(const struct worker *worker, struct worker_counts *out);

#endif
