/* cycle: the state machine of one run. Pure: plain values, time as an argument, calls nobody.
 *
 * START -> (PREPARE ->) KICKOFF -> POLL (-> FETCH) -> DONE, with REST wherever it waits, or START -> POLL for a run that was
 * accepted before; cycle.c has the picture. Each step takes one event and returns the one action that the runner must
 * carry out. Owned by the loop that has the run.
 *
 * Deadline: timeout_ms after the first BEGUN of a kickoff, or the one that RESUME brings along. From that very millisecond on, only
 * an answer that ends the run (ENDED) is still heard; everything else finishes with a timeout. But the first poll after
 * a RESUME waits for its BEGUN without a limit, and has poll_timeout_ms from there in any case: the run may have ended
 * while nobody asked, and where many are resumed at once, each is asked.
 * Before that a prepare call is sent again for as long at most, from its own first BEGUN on.
 * start_before_ms: as long as no kickoff is under way or accepted, the run is not started from then on.
 * Waits: after PENDING the interval, which grows by a factor up to a ceiling, stretched by the jitter; after TRANSIENT the
 * first interval or, where that is longer, a random part of 0.5 s, 1 s, 2 s .. 30 s (full jitter); after RETRY such a
 * part alone. Retry-After lengthens any of them. All count from the answer. */
#ifndef RXP_ENGINE_CYCLE_H
#define RXP_ENGINE_CYCLE_H

#include <stdbool.h>
#include <stdint.h>

enum cycle_state {
    CYCLE_START,
    CYCLE_PREPARE,
    CYCLE_KICKOFF,
    CYCLE_REST,
    CYCLE_POLL,
    CYCLE_FETCH, /* the result, of a run that has ended */
    CYCLE_DONE,
};

enum cycle_event_kind {
    CYCLE_EVENT_START,     /* go */
    CYCLE_EVENT_RESUME,    /* go on: it was accepted before; the event bears the deadline */
    CYCLE_EVENT_BEGUN,     /* a request left the transport's queue: the deadline counts from the first kickoff's, and the
                            * time of the first poll after a RESUME */
    CYCLE_EVENT_PREPARED,  /* the prepare call did what it should */
    CYCLE_EVENT_ACCEPTED,  /* the kickoff was accepted */
    CYCLE_EVENT_RETRY,     /* prepare or kickoff: nothing was started, and it may be sent again */
    CYCLE_EVENT_PENDING,   /* a poll says: not yet */
    CYCLE_EVENT_TRANSIENT, /* a poll or a fetch failed in a way that may pass */
    CYCLE_EVENT_FETCH,     /* kickoff or poll: terminal, and its result is to be fetched */
    CYCLE_EVENT_ENDED,     /* terminal or broken: the answer settles it */
    CYCLE_EVENT_TIMER,     /* the time that the last action named has come; too early is harmless */
    CYCLE_EVENT_CANCEL,    /* in any state */
};

struct cycle_event {
    enum cycle_event_kind kind;
    double jitter; /* random in [0,1), drawn by the caller: PENDING stretches by it, TRANSIENT and RETRY back off by it */
    int64_t deadline_ms; /* of RESUME: the old one, on this clock; it may have passed */
    int64_t retry_after_ms; /* of an answer: wait so long at least; 0: it does not say */
    bool is_free; /* RETRY, TRANSIENT: the fault is this process's own. It costs nothing of the budget, and has a wait of its own */
};

enum cycle_action_kind {
    CYCLE_SEND_PREPARE,
    CYCLE_SEND_KICKOFF,
    CYCLE_SEND_POLL,
    CYCLE_SEND_FETCH,
    CYCLE_WAIT,   /* for an answer or the time; in DONE for nothing */
    CYCLE_FINISH, /* `finish` says how */
};

enum cycle_finish {
    CYCLE_FINISH_VERDICT, /* as the last answer says: it ended the run, or was one failure too many */
    CYCLE_FINISH_TIMEOUT, /* the deadline ran out in cycle.ended_in */
    CYCLE_FINISH_EXPIRED, /* start_before_ms came before a kickoff */
    CYCLE_FINISH_CANCELLED,
};

struct cycle_action {
    enum cycle_action_kind kind;
    int64_t wake_at_ms; /* SEND and WAIT: when to come back with TIMER, whatever is under way; CLOCK_NEVER: not */
    enum cycle_finish finish;
};

struct cycle_config {
    int64_t timeout_ms; /* > 0 */
    int64_t start_before_ms; /* CLOCK_NEVER: none */
    int64_t poll_timeout_ms; /* of the first poll after a RESUME */
    int64_t poll_interval_ms;
    double poll_backoff_factor; /* >= 1: each wait is the last one times this */
    int64_t poll_max_interval_ms; /* ceiling of that; one below the interval does not shorten it */
    double poll_jitter; /* 0.1: stretch by up to a tenth */
    int poll_max_failures; /* consecutive ones survived, of polls and again of fetches: 0 ends the run at the first */
    int kickoff_max_retries; /* of the prepare call, and again of the kickoff */
    bool prepares; /* there is a prepare call */
    bool polls; /* false: the kickoff's answer ends the run */
};

struct cycle {
    enum cycle_state state : 8;
    enum cycle_state next : 8; /* in REST: what comes after it */
    enum cycle_state ended_in : 8; /* in DONE: the state before; of REST its next */
    bool kicked_off; /* a kickoff is under way, or was answered otherwise than by RETRY */
    bool accepted;
    int64_t deadline_ms; /* CLOCK_NEVER until the first kickoff has begun, or it was resumed */
    int64_t look_until_ms; /* of the first poll after a RESUME, until its answer (CLOCK_NEVER: it has not begun); else
                            * INT64_MIN */
    int64_t rest_until_ms;
    union {
        int64_t prepare_until_ms; /* until it is PREPARED: sent again until then at most; 0: none has begun */
        double wait_ms; /* from then on: the last one between polls, before it was stretched; 0: none yet */
    };
    int polls;           /* sent, before a RESUME too: its caller sets them */
    int failures;        /* consecutive; of the kickoff its retries */
};

void cycle_init(struct cycle *cycle);
/* An answer in a state that asked for none is the caller's mistake (assert), save in DONE, where every event is
 * harmless: it returns CYCLE_WAIT for ever. */
struct cycle_action cycle_step(struct cycle *cycle, const struct cycle_config *config, struct cycle_event event,
                               int64_t now_ms);
/* When the request under way, or else the rest, is cut short. CLOCK_NEVER: nothing has begun, or the first poll after a
 * RESUME has not. */
int64_t cycle_until_ms(const struct cycle *cycle);
/* Is it too late for a kickoff? Then a queued one must not go: TIMER finishes the run. */
bool cycle_is_expired(const struct cycle *cycle, const struct cycle_config *config, int64_t now_ms);
const char *cycle_state_name(enum cycle_state state);
/* What the request that it stands for is called where people read it; NULL: it stands for none. */
const char *cycle_call_name(enum cycle_state state);

#endif
