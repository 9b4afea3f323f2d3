/* cycle: the state machine of one run. Pure: plain values, time as an argument, calls nobody.
 *
 * START -> KICKOFF -> (POLL <-> REST) -> DONE, or START -> POLL for a run that was accepted before; cycle.c has the
 * picture. Each step takes one event and returns the one action that the runner must carry out. Owned by the loop that
 * has the run.
 *
 * Deadline: timeout_ms after the first BEGUN, or the one that RESUME brings along. From that very millisecond on, only
 * an answer that ends the run (ENDED) is still heard; everything else finishes with a timeout. But the first poll after
 * a RESUME waits for its BEGUN without a limit, and has poll_timeout_ms from there in any case: the run may have ended
 * while nobody asked, and where many are resumed at once, each is asked.
 * Waits: after PENDING the interval, stretched by the jitter; after TRANSIENT the same or, where that is longer, a
 * random part of 0.5 s, 1 s, 2 s .. 30 s (full jitter). Both count from the answer. */
#ifndef RXP_ENGINE_CYCLE_H
#define RXP_ENGINE_CYCLE_H

#include <stdbool.h>
#include <stdint.h>

enum cycle_state { CYCLE_START, CYCLE_KICKOFF, CYCLE_REST, CYCLE_POLL, CYCLE_DONE };

enum cycle_event_kind {
    CYCLE_EVENT_START,     /* go */
    CYCLE_EVENT_RESUME,    /* go on: it was accepted before; the event bears the deadline */
    CYCLE_EVENT_BEGUN,     /* a request left the transport's queue: the deadline counts from the first, or the time of
                            * the first poll after a RESUME */
    CYCLE_EVENT_ACCEPTED,  /* the kickoff was accepted */
    CYCLE_EVENT_PENDING,   /* a poll says: not yet */
    CYCLE_EVENT_TRANSIENT, /* a poll failed in a way that may pass */
    CYCLE_EVENT_ENDED,     /* terminal or broken: the answer settles it */
    CYCLE_EVENT_TIMER,     /* the time that the last action named has come; too early is harmless */
    CYCLE_EVENT_CANCEL,    /* in any state */
};

struct cycle_event {
    enum cycle_event_kind kind;
    double jitter; /* random in [0,1), drawn by the caller: PENDING stretches by it, TRANSIENT backs off by it */
    int64_t deadline_ms; /* of RESUME: the old one, on this clock; it may have passed */
};

enum cycle_action_kind {
    CYCLE_SEND_KICKOFF,
    CYCLE_SEND_POLL,
    CYCLE_WAIT,   /* for an answer or the time; in DONE for nothing */
    CYCLE_FINISH, /* `finish` says how */
};

enum cycle_finish {
    CYCLE_FINISH_VERDICT,    /* as the last answer says: it ended the run, or was one transient failure too many */
    CYCLE_FINISH_TIMEOUT,    /* the deadline ran out; cycle.accepted tells poll_timeout from kickoff_timeout */
    CYCLE_FINISH_CANCELLED,
};

struct cycle_action {
    enum cycle_action_kind kind;
    int64_t wake_at_ms; /* SEND and WAIT: when to come back with TIMER, whatever is under way; CLOCK_NEVER: not */
    enum cycle_finish finish;
};

struct cycle_config {
    int64_t timeout_ms; /* > 0 */
    int64_t poll_timeout_ms; /* of the first poll after a RESUME */
    int64_t poll_interval_ms;
    double poll_jitter; /* 0.1: stretch by up to a tenth */
    int poll_max_failures; /* consecutive ones survived: 0 ends the run at the first */
    bool polls; /* false: the kickoff's answer ends the run */
};

struct cycle {
    enum cycle_state state;
    int64_t deadline_ms; /* CLOCK_NEVER until the first kickoff has begun, or it was resumed */
    int64_t look_until_ms; /* of the first poll after a RESUME, until its answer (CLOCK_NEVER: it has not begun); else
                            * INT64_MIN */
    int64_t rest_until_ms;
    int polls;           /* sent, before a RESUME too: its caller sets them */
    int failures;        /* consecutive, transient */
    bool accepted;
};

void cycle_init(struct cycle *cycle);
/* An answer in a state that asked for none is the caller's mistake (assert), save in DONE, where every event is
 * harmless: it returns CYCLE_WAIT for ever. */
struct cycle_action cycle_step(struct cycle *cycle, const struct cycle_config *config, struct cycle_event event,
                               int64_t now_ms);
/* When the request under way, or else the rest, is cut short. CLOCK_NEVER: the kickoff has not begun, or
 * the first poll after a RESUME. */
int64_t cycle_until_ms(const struct cycle *cycle);
const char *cycle_state_name(enum cycle_state state);

#endif
