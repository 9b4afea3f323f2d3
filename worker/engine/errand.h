/* errand: what is still to be done at a backend for a run whose outcome stands: one request, best effort, that the result does
 * not wait for and that changes nothing of it.
 *
 *   cancel   the run timed out or was cancelled, its kickoff had begun, and the backend had not said that it has ended. Where the
 *            call wants a run id that is not known, and one may be found, a last poll looks for it first (the look)
 *   after    the backend said that the run has ended, in one of the states that the plan names
 *
 *   made ──> (look ──>) call ──> over
 *
 * An errand lives for ten seconds at most, and has copies of all that it needs: the run is freed meanwhile. Its headers are made
 * and filled as those of runs are. Errands are the runner's, and the loop thread's; the count may be read by any. */
#ifndef RXP_ENGINE_ERRAND_H
#define RXP_ENGINE_ERRAND_H

#include "base/list.h"
#include "engine/pool.h"
#include "engine/run.h"
#include "engine/transport.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ERRAND_MS 10000
/* Of one runner. What is beyond is left undone, with a line in the log. */
#define ERRANDS_MAX 4096
#define ERRANDS_MAX_BYTES ((size_t)64 * 1024 * 1024)

struct errands {
    const struct pool_config *config; /* outlives them, like the hooks and the transport */
    const struct pool_hooks *hooks;
    struct transport *transport;
    struct metrics_shard *shard; /* NULL: nothing is counted */
    struct list all;     /* by age */
    struct list due;     /* to be sent in the next turn; by their due_node */
    struct list wanting; /* a token; the same */
    size_t bytes;
    int64_t told_ms; /* of the last line in the log; 0: none */
    size_t untold;
    atomic_size_t n;
};

void errands_init(struct errands *errands, const struct pool_config *config, const struct pool_hooks *hooks,
                  struct transport *transport, struct metrics_shard *shard);
/* What is left ends where it stands, uncounted. */
void errands_deinit(struct errands *errands);

/* The run's outcome stands, and it is not abandoned. is_terminal: the backend said that it has ended. Nothing is sent before the
 * next turn: so it may be called within any callback of the transport. */
void errands_make(struct errands *errands, const struct run *run, bool is_terminal, int64_t now_ms);
/* Sends what is due, and ends what is late. */
void errands_turn(struct errands *errands, int64_t now_ms);
int64_t errands_next_ms(const struct errands *errands);
/* A token that some wait for came, or did not. */
void errands_wake(struct errands *errands);

#endif
