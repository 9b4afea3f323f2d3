/* worker_inside: what worker.c (the loop and its phases) and worker_hooks.c (what consumer and flight tell each other) and
 * worker_watch.c (what whoever watches is told) share.
 * Nobody else includes it. */
#ifndef RXP_CORE_WORKER_INSIDE_H
#define RXP_CORE_WORKER_INSIDE_H

#include "core/batcher.h"
#include "core/control.h"
#include "core/progress.h"
#include "core/standing.h"
#include "core/worker.h"
#include "kafka/consumer.h"
#include "kafka/ends.h"

#include <stdatomic.h>

enum phase { PHASE_RUNNING, PHASE_DRAINING, PHASE_LEAVING, PHASE_ERASING, PHASE_ENDED };

struct worker {
    struct worker_config config;
    int event_fd; /* wakes the Kafka thread: the Kafka queues, the mailboxes, worker_stop */
    struct consumer *consumer;
    struct flight *flight;
    struct batcher *batcher; /* NULL: results at least once */
    struct control *control; /* NULL: there is no control topic */
    struct progress *progress; /* NULL: there is no progress topic */
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
    struct { /* worker_watch.c */
        struct ends *ends;           /* NULL: nobody watches */
        struct metrics_shard *shard; /* the Kafka thread's; NULL: nothing is counted */
        int64_t next_ms;
        int64_t soonest_ms;
        uint64_t changes; /* of the consumer's assignments, and */
        enum phase phase; /* the worker's, when standing was last renewed */
    } watch;
    atomic_bool stop_asked;
    atomic_bool joined; /* for worker_read_counts */
};

/* ---- worker.c ---- */

/* The first reason stays. */
void worker_fail(struct worker *worker, const char *reason);
void worker_serve_back_pressure(struct worker *worker);

/* ---- worker_streams.c: 0 also where none is wanted; -1 with why ---- */

int streams_open_progress(struct worker *worker, char why[WORKER_WHY_BYTES]);
int streams_open_control(struct worker *worker, char why[WORKER_WHY_BYTES]);

/* ---- worker_watch.c: what standing and metrics are told ---- */

/* 0, or -1 with a sentence in why. */
int watch_open(struct worker *worker, char why[WORKER_WHY_BYTES]);
void watch_close(struct worker *worker);
/* Each turn. *next_ms is brought forward to when it wants to be called at the latest. */
void watch_serve(struct worker *worker, const struct consumer_counts *counts, int64_t now_ms, int64_t *next_ms);

/* ---- worker_hooks.c ---- */

struct consumer_hooks worker_consumer_hooks(struct worker *worker);
struct flight_hooks worker_flight_hooks(struct worker *worker);

#endif
