/* awake: what a run has beside struct run while it is prepared, asks, or may ask: the invocation and its plan, what was
 * answered, and the outcome.
 *
 * The runner gives a run its awake before it is prepared; in the backlog it has none, nor while it sleeps (nap.h): whoever looks
 * at it there finds NULL. The loop thread's until hooks.ended, and then the run's owner's with the run. */
#ifndef RXP_ENGINE_AWAKE_H
#define RXP_ENGINE_AWAKE_H

#include "base/list.h"
#include "engine/run.h"
#include "protocol/http_plan.h"
#include "protocol/invocation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gate;
struct nap;
struct pool_hooks;
struct sending;
struct trace_context;
struct transfer;

/* What a run that wakes needs for its plan, as a rule: an invocation of 8 pairs and the words of its plan take 400 bytes. */
#define AWAKE_PAIRS 16
#define AWAKE_ROOM_BYTES 512
struct awake_bed {
    struct rxp_pair pairs[AWAKE_PAIRS];
    char room[AWAKE_ROOM_BYTES];
    char poll_url[RUN_POLL_URL_BYTES]; /* where the nap has it as its template */
};

struct awake {
    struct run *run; /* whose it is; NULL while it is a runner's own */
    /* Set by prepare: what they point to is the owner's, and outlives the run, or `parsed` and `made` below. */
    const struct rxp_invocation *invocation; /* NULL: a refused message, of which nothing could be read */
    const struct rxp_http_plan *plan;        /* NULL: refused */
    const struct run_resume *resume; /* the owner's. NULL: it begins with a kickoff. Else it was accepted before: it is polled */
    /* Where the owner leaves them to the run: freed with this. */
    struct rxp_invocation *parsed;
    struct rxp_http_plan made;
    struct trace_context *trace; /* the trace that it is a part of; NULL: none. The same */
    /* Where it has slept: nap.c's. */
    struct nap *nap;       /* owned: texts below may lie in it */
    struct awake_bed *bed; /* NULL: it has not slept yet */
    struct rxp_pair *pairs;
    struct rxp_invocation unpacked;
    bool never_sleeps; /* it would take too much asleep, or to wake */
    /* The engine's. */
    struct list held_node; /* in the runner's `held` while its kickoff waits for its permit, or in its `wanting` while a request
                            * waits for a token, without a transfer; else a ring of one */
    int64_t slot_due_ms; /* until then: while its prepare call or kickoff rests until that slot comes; else 0 */
    int wanted_s;        /* monotonic: since when its request waits for a token; 0: it does not */
    struct gate *gate;   /* it counts in the crowd there; NULL: nowhere */
    const char *prepared_id; /* NULL: none known; like the other const texts changed by awake_put alone */
    struct transfer *transfer; /* NULL between requests */
    struct sending *sending;   /* what that takes along; NULL: nothing */
    const char *poll_url;
    /* For the result. */
    const char *run_id; /* NULL: none known */
    const char *state;  /* the backend's last word, or NULL; at most RUN_STATE_MAX_BYTES of it are kept */
    char *result; /* JSON text, or NULL */
    struct outcome outcome;
};

/* Of a run that has none. NULL for want of memory. */
struct awake *awake_new(struct run *run);
/* NULL is harmless. */
void awake_free(struct awake *awake);
size_t awake_bytes(const struct awake *awake);
/* Takes the text, or NULL, in the place of what is there. */
void awake_put(struct awake *awake, const char **at, char *text);

/* ---- the runner's, and nap.c's ---- */

/* Those of one runner that were given back: what wakes and sleeps all the time need not be allocated each time. */
#define AWAKES_KEPT 128
struct awakes {
    const struct pool_hooks *hooks;
    struct awake *kept[AWAKES_KEPT]; /* each with a bed */
    size_t n;
};

void awakes_init(struct awakes *awakes, const struct pool_hooks *hooks);
void awakes_deinit(struct awakes *awakes);
/* Of a run that has none, to be prepared. NULL for want of memory. */
struct awake *awakes_take(struct awakes *awakes, struct run *run);
/* With a bed, nobody's yet. The same. */
struct awake *awakes_try(struct awakes *awakes);
void awake_give(struct awake *awake, struct run *run);
/* The nap, where it is the one that the awake has, is not its any more. */
void awake_leave(struct awake *awake, struct nap *nap);
/* Frees what it holds, and takes it from its run. NULL is harmless. */
void awakes_give(struct awakes *awakes, struct awake *awake);
/* So many runs are left: no more are kept than they can want. */
void awakes_trim(struct awakes *awakes, size_t n_runs);

#endif
