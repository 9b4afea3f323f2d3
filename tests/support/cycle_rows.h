/* cycle_rows: a run as the tests of the cycle tell it. */
#ifndef RXP_TESTS_CYCLE_ROWS_H
#define RXP_TESTS_CYCLE_ROWS_H

#include "base/clock.h"
#include "engine/cycle.h"
#include "support/check_main.h"

/* Most rows end before the fields that few of them need. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* A run is told as rows: an event at a time, and what the cycle wants then. Times are milliseconds; the deadline is
 * 10,000 after the first kickoff began, the interval 2,000, the stretch a tenth; two failures of polls are survived, and
 * three of a kickoff or prepare call. */
static const struct cycle_config usual = {
    .timeout_ms = 10000,
    .start_before_ms = CLOCK_NEVER,
    .poll_timeout_ms = 500,
    .poll_interval_ms = 2000,
    .poll_backoff_factor = 1,
    .poll_max_interval_ms = 60000,
    .poll_jitter = 0.1,
    .poll_max_failures = 2,
    .kickoff_max_retries = 3,
    .polls = true,
};

#define N CLOCK_NEVER

/* Short names keep a row on a line. */
enum {
    START = CYCLE_EVENT_START,
    RESUME = CYCLE_EVENT_RESUME,
    BEGUN = CYCLE_EVENT_BEGUN,
    PREPARED = CYCLE_EVENT_PREPARED,
    ACCEPTED = CYCLE_EVENT_ACCEPTED,
    RETRY = CYCLE_EVENT_RETRY,
    PENDING = CYCLE_EVENT_PENDING,
    TRANSIENT = CYCLE_EVENT_TRANSIENT,
    TO_FETCH = CYCLE_EVENT_FETCH,
    ENDED = CYCLE_EVENT_ENDED,
    TIMER = CYCLE_EVENT_TIMER,
    CANCEL = CYCLE_EVENT_CANCEL,
};

enum want { PREPARE, KICKOFF, POLL, FETCH, WAIT, VERDICT, TIMEOUT, EXPIRED, CANCELLED };

struct row {
    int64_t now_ms;
    int event;
    double jitter;
    enum want want;
    int64_t wake_at_ms;
    enum cycle_state state;
    int64_t deadline_ms;    /* of RESUME */
    int64_t retry_after_ms; /* of answers */
    bool is_free;           /* of RETRY and TRANSIENT */
};

static inline enum want want_of(struct cycle_action action)
{
    switch (action.kind) {
    case CYCLE_SEND_PREPARE:
        return PREPARE;
    case CYCLE_SEND_FETCH:
        return FETCH;
    case CYCLE_SEND_KICKOFF:
        return KICKOFF;
    case CYCLE_SEND_POLL:
        return POLL;
    case CYCLE_WAIT:
        return WAIT;
    case CYCLE_FINISH:
        break;
    }
    switch (action.finish) {
    case CYCLE_FINISH_VERDICT:
        return VERDICT;
    case CYCLE_FINISH_TIMEOUT:
        return TIMEOUT;
    case CYCLE_FINISH_EXPIRED:
        return EXPIRED;
    case CYCLE_FINISH_CANCELLED:
        return CANCELLED;
    }
    return CANCELLED;
}

static inline struct cycle play(const struct cycle_config *config, const struct row *row, size_t n)
{
    struct cycle cycle;
    cycle_init(&cycle);
    for (size_t i = 0; i < n; i++) {
        struct cycle_event event = {.kind = (enum cycle_event_kind)row[i].event,
                                    .jitter = row[i].jitter,
                                    .deadline_ms = row[i].deadline_ms,
                                    .retry_after_ms = row[i].retry_after_ms,
                                    .is_free = row[i].is_free};
        struct cycle_action action = cycle_step(&cycle, config, event, row[i].now_ms);
        ck_assert_msg(want_of(action) == row[i].want, "row %zu: action %d, not %d", i, want_of(action), row[i].want);
        ck_assert_msg(action.wake_at_ms == row[i].wake_at_ms, "row %zu: wakes at %lld, not %lld", i,
                      (long long)action.wake_at_ms, (long long)row[i].wake_at_ms);
        ck_assert_msg(cycle.state == row[i].state, "row %zu: state %s, not %s", i, cycle_state_name(cycle.state),
                      cycle_state_name(row[i].state));
    }
    return cycle;
}

#define PLAY(config, rows) play(config, rows, sizeof(rows) / sizeof(rows)[0])

/* Accepted at 100, with the deadline at 10,100 and the first poll under way. */
#define TO_FIRST_POLL                                                                                                  \
    {50, START, 0, KICKOFF, N, CYCLE_KICKOFF}, {100, BEGUN, 0, WAIT, 10100, CYCLE_KICKOFF},                            \
    {                                                                                                                  \
        100, ACCEPTED, 0, POLL, 10100, CYCLE_POLL                                                                      \
    }

#endif
