/* pool: N event-loop threads that between them carry every run's cycle.
 *
 * Each loop has its own epoll, timers and curl multi handle; a run stays on the loop that it was given to. A run
 * that rests between polls sleeps (nap.h): it is a struct, a timer, and a small block.
 *
 * What the tenure of a run says, as soon as its loop has seen it (at the next request, or at the next pool_sweep):
 *   HELD    it goes on.
 *   ENDING  a kickoff that has not begun ends abandoned. One that has, and every request under way, gets its answer.
 *           Where the pool is resumable, the run then ends abandoned as soon as it has no request under way; otherwise
 *           it goes on polling.
 *   OVER    it ends abandoned where it stands.
 * What an answer ends, ends with it: such a run is not abandoned. */
#ifndef RXP_ENGINE_POOL_H
#define RXP_ENGINE_POOL_H

#include "engine/egress.h"
#include "engine/outlet.h"
#include "engine/gate.h"
#include "engine/run.h"
#include "engine/secrets.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;
struct metrics;
struct metrics_shard;
struct query;
struct query_row;
struct trace;
struct trace_context;

struct pool_config {
    int threads; /* >= 1 */
    int64_t max_run_ms;
    int64_t connect_timeout_ms;
    int64_t poll_timeout_ms;
    int64_t poll_min_interval_ms;
    double poll_jitter;
    int poll_max_failures;
    int kickoff_max_retries;
    size_t max_response_bytes;
    size_t max_result_bytes;
    int origin_max_connections; /* per process and origin: shared out among the loops, at least one each */
    double origin_kickoffs_per_second; /* of each origin; 0: no limit */
    double origin_requests_per_second; /* the same */
    int origin_breaker_failures;       /* in a row, then kickoffs wait (gate.h); 0: no breaker */
    int64_t kickoff_max_wait_ms;       /* of one whose origin makes no progress; 0: no limit */
    size_t crowd_above;  /* so many runs may wait to be kicked off at one origin before hooks.crowded is told; 0: any number */
    struct gates *gates; /* outlive the pool. NULL: it has its own */
    const struct egress *egress; /* outlives the pool */
    const struct outlet *outlet; /* the same; NULL: see outlet.h */
    struct secrets *secrets;     /* the same; NULL: none */
    struct metrics *metrics;     /* the same; NULL: nothing is counted */
    int64_t nap_least_ms; /* a run that rests so long before a poll sleeps (nap.h); INT64_MAX: none does */
    size_t line_seats; /* so many polls of a loop to one origin may wait there for a place: runs that are due then do not wake
                        * for it (line.h); 0: any number */
    bool resumable;              /* somebody keeps what run_note says of accepted runs, and will go on with them */
};

enum pool_prepared {
    POOL_REFUSED = -1,
    POOL_PREPARED = 0,
    POOL_NOT_NOW = 1, /* memory is short: nothing was filled, and it is asked again after a rest */
};

struct pool_hooks {
    /* On the loop thread, first: PREPARED, with invocation, plan and, to resume it (only one whose plan polls), resume of its
     * awake filled; or REFUSED, with started_at_ms and the awake's outcome (a rejection). */
    enum pool_prepared (*prepare)(struct run *run, void *opaque);
    /* On the loop thread: there is a place for the kickoff at its origin and it could go now. False: it waits for
     * pool_permit, without a limit, and polls may have the place meanwhile, but no other kickoff: so no more wait than
     * could go. Asked once a kickoff. The run may end before it was permitted, or in spite of
     * it: run_was_begun says whether it left. NULL: always. */
    bool (*permit)(struct run *run, void *opaque);
    /* On the loop thread: the run waits to be kicked off at this gate's origin, as more than crowd_above do. Once for each that
     * begins to wait. To look at the gate later it must be held. NULL: not wanted. */
    void (*crowded)(struct run *run, struct gate *gate, void *opaque);
    /* On the loop thread: its first kickoff leaves now; not of one that is resumed. NULL: not wanted. */
    void (*begun)(struct run *run, void *opaque);
    /* On the loop thread: the kickoff was accepted and its answer does not end the run; run_note holds from now on.
     * What only the kickoff needed may be freed. Called also where the run is abandoned right after. Not of a run that
     * is resumed. NULL: not wanted. */
    void (*accepted)(struct run *run, void *opaque);
    /* On the loop thread: what run_note says of an accepted run has changed: it is polled elsewhere, or its id came to
     * light. Not oftener than every five seconds, but for a run that is abandoned right after. NULL: not wanted. */
    void (*noted)(struct run *run, void *opaque);
    /* On the loop thread: the backend's last word has changed (its awake's state), or, of a run that was accepted just now, there is
     * something to tell of it at all. Right after `accepted`, and then for each change. False: not now; it is called again with the
     * next answer, whatever that says. NULL: not wanted. */
    bool (*progressed)(struct run *run, void *opaque);
    /* On the loop thread: the profile's defaults that its plan was made with, which it is made with once more whenever the run has
     * slept. NULL: there are none. */
    const struct rxp_defaults *(*defaults)(struct run *run, void *opaque);
    /* On the loop thread: its trace, which is read once more whenever the run has slept; the run's to free. 0, or -1 for want of
     * memory. NULL: there is none. */
    int (*find_trace)(struct run *run, struct trace_context **out, void *opaque);
    /* On the loop thread, once: it will sleep between polls from now on. What it resumed from is not looked at any more, and what
     * only the plan of its kickoff needed may be freed. NULL: not wanted. */
    void (*slept)(struct run *run, void *opaque);
    /* On the loop thread: the engine's memory for this run, struct run not counted, has grown by so many bytes, which are to be
     * taken off when the run is freed. Of run NULL: for runs in turn; where one ends with its awake, awake_bytes of it are the
     * run's then. NULL: not wanted. */
    void (*resized)(struct run *run, ptrdiff_t bytes, void *opaque);
    /* On the loop thread, of each run there, after pool_ask; and of each that was just prepared, a resumed one among them. True:
     * it is cancelled. NULL: never. */
    bool (*is_cancelled)(struct run *run, void *opaque);
    /* On the loop thread: fills what the owner alone knows of it: key.topic, key.partition, key.offset, input_ms, and phase
     * PUBLISH never. The strings hold until it returns to the loop. NULL: nothing is known. */
    void (*describe)(struct run *run, struct query_row *row, void *opaque);
    /* On the loop thread: an exchange of the run, or (run NULL) one after its end, goes on (trace.h). NULL: not wanted. */
    void (*trace)(struct run *run, const struct trace *trace, void *opaque);
    /* On the loop thread, last: the run is the owner's again and may be freed, by another thread too, before this
     * returns. The loop has unlinked it and does not look at it again. */
    void (*ended)(struct run *run, void *opaque);
    /* On the loop thread: none of its errands is left (pool_counts), for now. Not within pool_free. NULL: not wanted. */
    void (*errands_over)(void *opaque);
    void *opaque;
};

/* NULL with a sentence in why[why_bytes]. */
struct pool *pool_new(const struct pool_config *config, const struct pool_hooks *hooks, char *why, size_t why_bytes);
/* Stops and joins the threads. Runs still there end abandoned first; errands end where they stand. */
void pool_free(struct pool *pool);

/* Any thread. Takes the run until hooks.ended. */
void pool_submit(struct pool *pool, struct run *run);

/* On the loop thread, within the hooks: what it counts into. NULL: nothing is counted, or the run is not prepared yet. */
struct metrics_shard *pool_shard(const struct run *run);

/* Any thread. Every run is asked for its tenure, since one of them has changed. A run is also asked before prepare and
 * whenever a request of it leaves the queue, so that none can slip past. */
void pool_sweep(struct pool *pool);
/* Any thread. From now on every run, later ones too, is treated as if its tenure were ENDING at least. */
void pool_park(struct pool *pool);

/* The thread that frees runs. The kickoff that hooks.permit held back may go; it goes after the next
 * pool_permits_given. Harmless for a run that has ended and is not freed yet. */
void pool_permit(struct pool *pool, struct run *run);
/* Any thread. After any number of pool_permit. */
void pool_permits_given(struct pool *pool);

/* Any thread. Every run submitted before it ends: cancelled (a result is due; of one that is not prepared yet, prepare
 * is asked first), or abandoned. */
void pool_cancel_all(struct pool *pool);
void pool_abandon_all(struct pool *pool);

/* Any thread. Every run is asked for hooks.is_cancelled. */
void pool_ask(struct pool *pool);
/* Any thread. Each loop answers for its own runs (query.h); returns at once. Takes no hold of the caller's. */
void pool_query(struct pool *pool, struct query *query);
/* Any thread. CPU time that the i-th loop has used, and of how many: for a busy fraction. -1 beyond the last. */
int64_t pool_loop_cpu_us(struct pool *pool, size_t i);

/* Any thread. Those of its config, or its own; they live as long as the pool. */
struct gates *pool_gates(struct pool *pool);

struct pool_counts {
    size_t in_flight;   /* submitted and not ended */
    size_t in_requests; /* of these, with a request queued or under way */
    size_t n_errands;   /* cancel and after calls of runs that have ended (errand.h): counted before hooks.ended */
    int64_t oldest_turn_mono_ms; /* the heartbeat of the slowest loop */
};
/* Any thread; a snapshot of atomics. */
void pool_read_counts(struct pool *pool, struct pool_counts *out);

#endif
