/* worker_inside: what worker.c (the loop and its phases) and worker_hooks.c (what consumer and flight tell each other) share.
 * Nobody else includes it. */
#ifndef RXP_CORE_WORKER_INSIDE_H
#define RXP_CORE_WORKER_INSIDE_H

#include "core/batcher.h"
#include "core/worker.h"
#include "kafka/consumer.h"

#include <stdatomic.h>

enum phase { PHASE_RUNNING, PHASE_DRAINING, PHASE_LEAVING, PHASE_ERASING, PHASE_ENDED };

struct worker {
    struct worker_config config;
    int event_fd; /* wakes the Kafka thread: the Kafka queues, the mailboxes, worker_stop */
    struct consumer *consumer;
    struct flight *flight;
    struct batcher *batcher; /* NULL: results at least once */
    enum phase phase;
    int64_t phase_ends_ms; /* the latest end of the phase; CLOCK_NEVER while running */
    int64_t drain_ends_ms; /* the latest end of everything */
    bool held;
    int64_t wanted_ms; /* when messages were last asked for */
    size_t most_jobs;     /* under way since memory was given back */
    int64_t few_since_ms; /* they are much fewer since then; CLOCK_NEVER: they are not */
    bool runs_abandoned;
    bool failed;
    char reason[WORKER_WHY_BYTES];
    atomic_bool stop_asked;
    atomic_bool joined; /* for worker_read_counts */
};

/* ---- worker.c ---- */

/* The first reason stays. */
void worker_fail(struct worker *worker, const char *reason);
void worker_serve_back_pressure(struct worker *worker);

/* ---- worker_hooks.c ---- */

struct consumer_hooks worker_consumer_hooks(struct worker *worker);
struct flight_hooks worker_flight_hooks(struct worker *worker);

#endif
