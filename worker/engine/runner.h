/* runner: has the runs of one loop: whose turn it is, and who is told what. What becomes of the one whose turn it is,
 * the driver sees to.
 *
 * Owned by one loop thread (its counts may be read by any); knows neither curl nor epoll. Time is an argument, so that
 * tests have their own. A run is in one of four lists, or a line:
 *
 *   runner_add ──> backlog ── taken: prepared, started ──> runs ── ended ──> its owner's again
 *                     ^ └── no memory ──> resting ─┐
 *                     └──────── a while later ─────┘
 *
 * and all of these pass through the fourth, `walk`, when a command concerns every run. A started one may stand in a line
 * instead (line.h). Beside that, those whose kickoff waits for its permit are in `held`, and those whose request waits for a
 * token in `wanting`. Long work (backlog, due timers, lines, walk) is done in slices, so that ten thousand runs at once do not
 * spoil the deadlines of others. What is still to be done at backends for runs that have ended are its
 * errands. */
#ifndef RXP_ENGINE_RUNNER_H
#define RXP_ENGINE_RUNNER_H

#include "base/heap.h"
#include "base/list.h"
#include "engine/aim.h"
#include "engine/awake.h"
#include "engine/errand.h"
#include "engine/line.h"
#include "engine/pool.h"
#include "engine/roll.h"
#include "engine/transport.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the runs are told; bits. */
enum runner_command {
    RUNNER_SWEEP = 1,
    RUNNER_CANCEL = 2,
    RUNNER_ABANDON = 4,
    RUNNER_PARK = 8, /* and for ever */
    RUNNER_PERMIT = 16,
    RUNNER_ASK = 64,    /* whether it is cancelled: hooks.is_cancelled */
    RUNNER_TOKENS = 32, /* a token that some wait for came, or did not */
};

struct query_part;

#define RUNNER_QUERIES_MAX 4

struct runner {
    const struct pool_config *config; /* outlives the runner, like the hooks and the transport */
    const struct pool_hooks *hooks;
    struct transport *transport;
    struct heap timers; /* room for one of each run, always */
    struct list backlog;
    struct list resting;
    int64_t rest_until_ms; /* where one rests */
    int64_t rest_ms;       /* the last one; 0: since then there was memory */
    int64_t rest_told_ms;
    size_t rests_untold;
    struct list runs;
    struct list walk;
    struct list held; /* by the held_node of their awakes */
    struct list wanting; /* the same */
    struct errands errands;
    struct awakes awakes;
    struct slabs *naps; /* NULL: none has slept yet */
    struct aims aims; /* of departures and lines: nothing is sent there */
    struct lines *lines; /* NULL: none was needed yet */
    size_t n_runs; /* in all of them */
    struct roll roll; /* all of them, but one that there was no memory for before it is prepared */
    enum runner_walk { RUNNER_WALKS_NOT, RUNNER_WALKS_TO_ASK, RUNNER_WALKS_FOR_QUERY } walks;
    bool is_asked;      /* another walk to ask is due */
    bool walked_to_ask; /* the last one */
    struct list queries; /* of query_part, by their node; the first is being answered where it walks for one */
    size_t n_queries;
    struct metrics_shard *shard; /* the loop's; NULL: nothing is counted */
    unsigned walk_commands;
    bool is_parked;
    size_t n_requests;
    uint64_t random;
    /* For pool_read_counts. */
    atomic_size_t in_flight; /* counted up by whoever submits */
    atomic_size_t in_requests;
};

/* seed: for the jitter; any number. */
void runner_init(struct runner *runner, const struct pool_config *config, const struct pool_hooks *hooks,
                 struct transport *transport, uint64_t seed);
/* No run may be left. Errands end where they stand. */
void runner_deinit(struct runner *runner);

/* Memory is short: what it was for is tried again so much later. Logged, but not too often. */
void runner_tell_short(struct runner *runner, int64_t again_ms, int64_t now_ms);

/* 64 random bits, not for secrets. */
uint64_t runner_draw(struct runner *runner);

/* To be called as a run is submitted, by any thread, before the runner gets it: sets the stamps of one that never
 * begins and counts it. */
void runner_announce(struct runner *runner, struct run *run, int64_t now_ms, int64_t wall_ms);
/* Takes a list of runs into the backlog. */
void runner_add(struct runner *runner, struct list *submitted);
/* Begins to tell every run that is here now (added before it, that is); runner_turn goes on with it. PERMIT and
 * TOKENS concern the held and the wanting ones only, and are done at once. ASK goes by the roll, in slices of its own. */
void runner_command(struct runner *runner, unsigned commands, int64_t now_ms);

/* Takes the part, and ends it: after a walk, or as unanswered where there are many already. */
void runner_query(struct runner *runner, struct query_part *part);

/* Due timers, then who is next in the lines, then commands, then the backlog, each for about slice_ms; then a walk along the
 * roll, for 1 ms at most; then errands. True where one of them has more to do now. */
bool runner_turn(struct runner *runner, int64_t now_ms, int64_t slice_ms);
/* When the earliest timer, or an errand, is due; INT64_MIN: somebody is next in a line. */
int64_t runner_next_ms(const struct runner *runner);

#endif
