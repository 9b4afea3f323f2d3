/* awake: what a run has beside struct run while it is prepared, asks, or may ask: the invocation and its plan, what was
 * answered, and the outcome.
 *
 * The runner gives a run its awake before it is prepared; in the backlog it has none. The loop thread's until
 * hooks.ended, and then the run's owner's with the run. A runner keeps some that were given back. */
#ifndef RXP_ENGINE_AWAKE_H
#define RXP_ENGINE_AWAKE_H

#include "base/list.h"
#include "engine/run.h"
#include "protocol/http_plan.h"
#include "protocol/invocation.h"

#include <stddef.h>
#include <stdint.h>

struct gate;
struct sending;
struct transfer;

struct awake {
    struct run *run; /* whose it is */
    /* Set by prepare: what they point to is the owner's, and outlives the run, or `parsed` and `made` below. */
    const struct rxp_invocation *invocation; /* NULL: a refused message, of which nothing could be read */
    const struct rxp_http_plan *plan;        /* NULL: refused */
    const struct run_resume *resume; /* the owner's. NULL: it begins with a kickoff. Else it was accepted before: it is polled */
    /* Where the owner leaves them to the run: freed with this. */
    struct rxp_invocation *parsed;
    struct rxp_http_plan made;
    /* The engine's. */
    struct list held_node; /* in the runner's `held` while its kickoff waits for its permit, or in its `wanting` while a request
                            * waits for a token, without a transfer; else a ring of one */
    int64_t slot_due_ms; /* until then: while its prepare call or kickoff rests until that slot comes; else 0 */
    int wanted_s;        /* monotonic: since when its request waits for a token; 0: it does not */
    struct gate *gate;   /* it counts in the crowd there; NULL: nowhere */
    char *prepared_id;   /* NULL: none known */
    struct transfer *transfer; /* NULL between requests */
    struct sending *sending;   /* what that takes along; NULL: nothing */
    char *poll_url;
    /* For the result. */
    char *run_id; /* NULL: none known */
    char *state;  /* the backend's last word, or NULL; at most RUN_STATE_MAX_BYTES of it are kept */
    char *result; /* JSON text, or NULL */
    struct outcome outcome;
};

/* Of a run that has none. NULL for want of memory. */
struct awake *awake_new(struct run *run);
/* NULL is harmless. */
void awake_free(struct awake *awake);

/* Those of one runner that were given back: what wakes and sleeps all the time need not be allocated each time. */
struct awakes {
    struct awake *kept[64];
    size_t n;
};

void awakes_init(struct awakes *awakes);
void awakes_deinit(struct awakes *awakes);
/* The run has none. NULL for want of memory. */
struct awake *awakes_take(struct awakes *awakes, struct run *run);
/* Frees what it holds. NULL is harmless. */
void awakes_give(struct awakes *awakes, struct awake *awake);

#endif
