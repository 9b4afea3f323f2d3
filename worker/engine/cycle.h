/* cycle: the state machine of one run. Pure: plain values, time as an argument, calls nobody.
 *
 *            START              SENT/ANSWER            TIMER
 *   CYCLE_START ──> CYCLE_KICKOFF ──> CYCLE_POLL <──────────── CYCLE_REST
 *                         │              │  │ pending, transient    ^
 *                         │              │  └───────────────────────┘
 *                         └──────────────┴──> CYCLE_DONE   (done, broken, deadline, cancelled, abandoned)
 *
 * Each step takes one event and returns the one action that the runner must carry out. */
#ifndef RXP_ENGINE_CYCLE_H
#define RXP_ENGINE_CYCLE_H

#include "protocol/vocab.h"

#include <stdbool.h>
#include <stdint.h>

enum cycle_state { CYCLE_START, CYCLE_KICKOFF, CYCLE_REST, CYCLE_POLL, CYCLE_DONE };

enum cycle_event_kind {
    CYCLE_EVENT_START,     /* go */
    CYCLE_EVENT_BEGUN,     /* the request left the transport's queue: of the first kickoff, the deadline counts from here */
    CYCLE_EVENT_ACCEPTED,  /* the kickoff was accepted */
    CYCLE_EVENT_PENDING,   /* a poll says: not yet */
    CYCLE_EVENT_TRANSIENT, /* a poll failed in a way that may pass */
    CYCLE_EVENT_ENDED,     /* terminal or broken: the answer settles it */
    CYCLE_EVENT_TIMER,     /* the time that the last action named has come */
    CYCLE_EVENT_CANCEL,
};

struct cycle_event {
    enum cycle_event_kind kind;
    double jitter; /* random in [0,1), drawn by the caller: PENDING stretches by it, TRANSIENT backs off by it */
};

enum cycle_action_kind {
    CYCLE_SEND_KICKOFF,
    CYCLE_SEND_POLL,
    CYCLE_WAIT,   /* for an answer or the time */
    CYCLE_FINISH, /* `finish` says how */
};

enum cycle_finish {
    CYCLE_FINISH_VERDICT,    /* as the last answer says */
    CYCLE_FINISH_TIMEOUT,    /* the deadline ran out; before_accept tells kickoff_timeout from poll_timeout */
    CYCLE_FINISH_CANCELLED,
};

struct cycle_action {
    enum cycle_action_kind kind;
    int64_t wake_at_ms; /* SEND and WAIT: when to come back with TIMER, whatever is under way; CLOCK_NEVER: not */
    enum cycle_finish finish;
};

struct cycle_config {
    int64_t timeout_ms; /* > 0 */
    int64_t poll_interval_ms;
    double poll_jitter; /* 0.1: stretch by up to a tenth */
    int poll_max_failures;
    bool polls; /* false: the kickoff's answer ends the run */
};

struct cycle {
    enum cycle_state state;
    int64_t deadline_ms; /* CLOCK_NEVER until the first kickoff has begun */
    int64_t rest_until_ms;
    int polls;           /* sent */
    int failures;        /* consecutive, transient */
    bool accepted;
};

void cycle_init(struct cycle *cycle);
struct cycle_action cycle_step(struct cycle *cycle, const struct cycle_config *config, struct cycle_event event,
                               int64_t now_ms);
const char *cycle_state_name(enum cycle_state state);

#endif
