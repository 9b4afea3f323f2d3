/* run: one invocation on its way through the engine. Embedded in its owner's struct (core's job, exec's own).
 *
 * Owned by the loop from pool_submit to the ended callback. Only `tenure` and `permitted` are looked at by two threads.
 * What outlives its requests is here, and all else in its awake (awake.h), which it gets before it is prepared, or, between
 * polls, in few bytes in its nap (nap.h). */
#ifndef RXP_ENGINE_RUN_H
#define RXP_ENGINE_RUN_H

#include "base/heap.h"
#include "base/list.h"
#include "base/tenure.h"
#include "engine/cycle.h"
#include "ops/metrics.h"
#include "protocol/http_plan.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What must be known of a run to go on with it elsewhere, without a second kickoff. */
struct run_resume {
    const char *run_id; /* NULL: none is known */
    const char *prepared_id; /* the same */
    const char *poll_url;
    int64_t started_at_ms;  /* Unix time, not negative */
    int64_t deadline_at_ms; /* the same */
    int polls;              /* sent so far */
};

/* How a run ended; filled by the engine, or by the owner's prepare callback for a rejection. When it began stands in the run. */
struct outcome {
    bool has_exit_code;
    enum rxp_status status : 8;
    enum rxp_error error : 8;
    int exit_code;
    char *summary;          /* NULL on success; freed with the awake */
    int64_t finished_at_ms; /* Unix time; never before the run's started_at_ms */
};

/* A backend chooses its status words: a waiting run, and its result, must not grow with them. They are compared whole. */
#define RUN_STATE_MAX_BYTES 512

struct awake;
struct nap;

struct run {
    struct list node; /* mailbox, then one of the runner's lists */
    /* Set by the owner before pool_submit. */
    const atomic_int *tenure; /* pool.h says what its steps mean for the run; NULL: always held */
    /* The engine's. */
    struct runner *runner; /* NULL until it is taken from the queue and ready to begin */
    struct awake *awake;   /* NULL: it is in the backlog, or sleeps */
    struct nap *nap;       /* while it sleeps; else NULL */
    atomic_bool permitted; /* by pool_permit */
    bool permit_asked : 1;
    bool asking : 1;       /* its request has left the queue, and its answer is not there yet */
    bool resumed : 1; /* it went on from a run_resume */
    bool result_truncated : 1;
    bool has_polled : 1; /* a poll was answered with 200 */
    bool has_news : 1;   /* of what run_note says: a poll URL or run id that its owner was not told of, or could not
                          * keep: it may say so here within the hooks accepted and noted */
    bool prepares : 1;   /* `gate` is that of its prepare call */
    bool has_slot : 1;   /* of its profile's rate */
    bool prepared : 1;   /* prepare said so */
    bool cancelled : 1;  /* as soon as it is prepared, or woken, which took more memory than there was */
    bool late_id_fault : 1; /* the next one is of an answer to a poll, not of the kickoff's */
    bool untold : 1;        /* hooks.progressed put it off */
    /* It ended, and no result is due: its assignment is gone or on its way out, or the process is. run_was_begun and
     * cycle.accepted say how far it came. */
    bool abandoned : 1;
    unsigned phase : 4;     /* enum metric_phase, as it is counted; METRIC_PHASE_N: it is not. The driver's (driver_metrics.c); but an owner that
                             * counts it before pool_submit says so here, and one that frees it takes away what it finds */
    bool is_seated : 1; /* in its line: its poll may go. Else it waits there */
    enum rxp_id_fault run_id_fault : 8; /* why the last run id that was named did not serve */
    uint16_t line; /* the number of the one that it is in; 0: none (line.h) */
    int noted_s;   /* monotonic: when its owner was told last; 0: never */
    uint32_t slot; /* its place in the roll */
    struct timer timer;
    struct cycle cycle;
    int64_t begun_mono_ms; /* the moment of started_at_ms: submitted, then first kicked off. Of one that is
                            * resumed maybe before this machine's clock began */
    int64_t started_at_ms; /* Unix time */
};

/* What is told of a run, whatever form it has. */
struct run_peek {
    const char *invocation_id; /* NULL: not parsed yet, or not to be read */
    const char *runtime_name;  /* the same */
    const char *kickoff_url;   /* the same; also where it was refused */
    const char *run_id;        /* NULL: none known */
    const char *prepared_id;   /* the same */
    const char *state;         /* the backend's last word; NULL: none */
};

void run_init(struct run *run);
/* Frees its awake, or what it sleeps in. */
void run_deinit(struct run *run);

/* Did its kickoff, here or before a resume, leave the queue? If not, the backend knows nothing of it. */
bool run_was_begun(const struct run *run);
/* A sleeping run has its poll URL put together there, where it is no longer than that and its template with the run id. */
#define RUN_POLL_URL_BYTES 256
/* NULL: none known. In the run, or in `room`. */
const char *run_poll_url(const struct run *run, char room[RUN_POLL_URL_BYTES]);
/* Points into the run, and holds until that is changed or freed. */
void run_look(const struct run *run, struct run_peek *out);
/* What a resume of an accepted run needs: valid from hooks.accepted on, also after the end. It points into the run or
 * `room`, and holds until they are changed or freed. poll_url is NULL where there was no memory for it. */
void run_note(const struct run *run, char room[RUN_POLL_URL_BYTES], struct run_resume *out);

#endif
