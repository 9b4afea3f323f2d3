#include "base/clock.h"
#include "engine/cycle.h"
#include "support/check_main.h"

/* A run is told as rows: an event at a time, and what the cycle wants then. Times are milliseconds; the deadline is
 * 10,000 after the first request began, the interval 2,000, the stretch a tenth, and two failures are survived. */

static const struct cycle_config usual = {
    .timeout_ms = 10000,
    .poll_timeout_ms = 500,
    .start_before_ms = CLOCK_NEVER,
    .poll_interval_ms = 2000,
    .poll_backoff_factor = 1,
    .poll_jitter = 0.1,
    .poll_max_failures = 2,
    .polls = true,
};

#define N CLOCK_NEVER

/* Short names keep a row on a line. */
enum {
    START = CYCLE_EVENT_START,
    RESUME = CYCLE_EVENT_RESUME,
    BEGUN = CYCLE_EVENT_BEGUN,
    ACCEPTED = CYCLE_EVENT_ACCEPTED,
    PENDING = CYCLE_EVENT_PENDING,
    TRANSIENT = CYCLE_EVENT_TRANSIENT,
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
};

static int64_t old_deadline_ms; /* that RESUME brings along */

static enum want want_of(struct cycle_action action)
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

static struct cycle play(const struct cycle_config *config, const struct row *row, size_t n)
{
    struct cycle cycle;
    cycle_init(&cycle);
    for (size_t i = 0; i < n; i++) {
        struct cycle_event event = {.kind = (enum cycle_event_kind)row[i].event,
                                    .jitter = row[i].jitter,
                                    .deadline_ms = old_deadline_ms};
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

START_TEST(polls_at_once_and_then_after_each_interval)
{
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {110, BEGUN, 0, WAIT, 10100, CYCLE_POLL},
        {200, PENDING, 0, WAIT, 2200, CYCLE_REST},
        {2200, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {2300, PENDING, 0, WAIT, 4300, CYCLE_REST},
        {4300, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {4400, ENDED, 0, VERDICT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert_int_eq(cycle.polls, 3);
    ck_assert(cycle.accepted);
}
END_TEST

START_TEST(a_kickoff_that_settles_the_run_needs_no_poll)
{
    static const struct row rows[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {5, BEGUN, 0, WAIT, 10005, CYCLE_KICKOFF},
        {900, ENDED, 0, VERDICT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert_int_eq(cycle.polls, 0);
    ck_assert(!cycle.accepted);
}
END_TEST

START_TEST(a_run_without_polls_ends_with_its_kickoff)
{
    struct cycle_config config = usual;
    config.polls = false;
    static const struct row rows[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {0, BEGUN, 0, WAIT, 10000, CYCLE_KICKOFF},
        {10, ENDED, 0, VERDICT, N, CYCLE_DONE},
    };
    PLAY(&config, rows);
}
END_TEST

START_TEST(queueing_does_not_count_against_the_deadline)
{
    static const struct row rows[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {50000, TIMER, 0, WAIT, N, CYCLE_KICKOFF},
        {60000, BEGUN, 0, WAIT, 70000, CYCLE_KICKOFF},
        {69999, TIMER, 0, WAIT, 70000, CYCLE_KICKOFF},
        {70000, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert(!cycle.accepted);
}
END_TEST

START_TEST(only_the_first_request_starts_the_deadline)
{
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {5000, BEGUN, 0, WAIT, 10100, CYCLE_POLL},
        {10100, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert(cycle.accepted);
    ck_assert_int_eq(cycle.polls, 1);
}
END_TEST

START_TEST(the_deadline_cuts_through_a_wait)
{
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {9000, PENDING, 0, WAIT, 10100, CYCLE_REST},
        {10099, TIMER, 0, WAIT, 10100, CYCLE_REST},
        {10100, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert_int_eq(cycle.polls, 1);
}
END_TEST

START_TEST(a_rest_that_ends_at_the_deadline_is_out)
{
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {8100, PENDING, 0, WAIT, 10100, CYCLE_REST},
        {10100, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    PLAY(&usual, rows);
}
END_TEST

START_TEST(an_answer_at_the_deadline_that_ends_nothing_is_out)
{
    static const struct row pending[] = {TO_FIRST_POLL, {10100, PENDING, 0, TIMEOUT, N, CYCLE_DONE}};
    static const struct row transient[] = {TO_FIRST_POLL, {10100, TRANSIENT, 0, TIMEOUT, N, CYCLE_DONE}};
    static const struct row accepted[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {0, BEGUN, 0, WAIT, 10000, CYCLE_KICKOFF},
        {10000, ACCEPTED, 0, TIMEOUT, N, CYCLE_DONE},
    };
    PLAY(&usual, pending);
    PLAY(&usual, transient);
    struct cycle cycle = PLAY(&usual, accepted);
    ck_assert(cycle.accepted);
    ck_assert_int_eq(cycle.polls, 0);
}
END_TEST

START_TEST(an_answer_that_ends_the_run_counts_though_it_was_read_late)
{
    static const struct row rows[] = {TO_FIRST_POLL, {10150, ENDED, 0, VERDICT, N, CYCLE_DONE}};
    PLAY(&usual, rows);
}
END_TEST

START_TEST(a_timer_too_early_waits_on)
{
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, PENDING, 0, WAIT, 2200, CYCLE_REST},
        {2199, TIMER, 0, WAIT, 2200, CYCLE_REST},
        {2200, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {2300, TIMER, 0, WAIT, 10100, CYCLE_POLL},
    };
    PLAY(&usual, rows);
}
END_TEST

START_TEST(the_stretch_lengthens_the_interval_and_never_shortens_it)
{
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, PENDING, 0.5, WAIT, 2300, CYCLE_REST},
        {2300, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {2400, PENDING, 0.9999, WAIT, 4599, CYCLE_REST},
    };
    PLAY(&usual, rows);
}
END_TEST

START_TEST(an_interval_of_zero_polls_again_at_once)
{
    struct cycle_config config = usual;
    config.poll_interval_ms = 0;
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, PENDING, 0.5, WAIT, 200, CYCLE_REST},
        {200, TIMER, 0, POLL, 10100, CYCLE_POLL},
    };
    PLAY(&config, rows);
}
END_TEST

START_TEST(an_interval_beyond_all_time_waits_for_the_deadline)
{
    struct cycle_config config = usual;
    config.poll_interval_ms = INT64_MAX;
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, PENDING, 0.5, WAIT, 10100, CYCLE_REST},
        {10100, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    PLAY(&config, rows);
}
END_TEST

START_TEST(failures_within_the_budget_are_survived)
{
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, TRANSIENT, 0, WAIT, 2200, CYCLE_REST},
        {2200, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {2300, TRANSIENT, 0, WAIT, 4300, CYCLE_REST},
        {4300, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {4400, ENDED, 0, VERDICT, N, CYCLE_DONE},
    };
    PLAY(&usual, rows);
}
END_TEST

START_TEST(one_failure_beyond_the_budget_ends_the_run)
{
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, TRANSIENT, 0, WAIT, 2200, CYCLE_REST},
        {2200, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {2300, TRANSIENT, 0, WAIT, 4300, CYCLE_REST},
        {4300, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {4400, TRANSIENT, 0, VERDICT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert_int_eq(cycle.failures, 3);
    ck_assert_int_eq(cycle.polls, 3);
}
END_TEST

START_TEST(an_empty_budget_survives_none)
{
    struct cycle_config config = usual;
    config.poll_max_failures = 0;
    static const struct row rows[] = {TO_FIRST_POLL, {200, TRANSIENT, 0, VERDICT, N, CYCLE_DONE}};
    PLAY(&config, rows);
}
END_TEST

START_TEST(a_pending_answer_forgives_the_failures_before)
{
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, TRANSIENT, 0, WAIT, 2200, CYCLE_REST},
        {2200, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {2200, TRANSIENT, 0, WAIT, 4200, CYCLE_REST},
        {4200, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {4200, PENDING, 0, WAIT, 6200, CYCLE_REST},
        {6200, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {6200, TRANSIENT, 0, WAIT, 8200, CYCLE_REST},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert_int_eq(cycle.failures, 1);
}
END_TEST

/* The ceiling of the n-th consecutive failure, seen by a jitter of a half. */
static const int64_t half_backoff_ms[] = {250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000};

START_TEST(failures_back_off_to_half_a_minute)
{
    struct cycle_config config = {
        .timeout_ms = 1000000, .start_before_ms = CLOCK_NEVER, .poll_interval_ms = 0, .poll_backoff_factor = 1,
        .poll_jitter = 0.1, .poll_max_failures = 100, .polls = true};
    struct cycle cycle;
    cycle_init(&cycle);
    cycle_step(&cycle, &config, (struct cycle_event){.kind = CYCLE_EVENT_START}, 0);
    cycle_step(&cycle, &config, (struct cycle_event){.kind = CYCLE_EVENT_BEGUN}, 0);
    cycle_step(&cycle, &config, (struct cycle_event){.kind = CYCLE_EVENT_ACCEPTED}, 0);
    int64_t now_ms = 0;
    for (size_t i = 0; i < sizeof half_backoff_ms / sizeof half_backoff_ms[0]; i++) {
        struct cycle_event failed = {.kind = CYCLE_EVENT_TRANSIENT, .jitter = 0.5};
        struct cycle_action action = cycle_step(&cycle, &config, failed, now_ms);
        ck_assert_int_eq(action.kind, CYCLE_WAIT);
        ck_assert_int_eq(action.wake_at_ms, now_ms + half_backoff_ms[i]);
        now_ms = action.wake_at_ms;
        action = cycle_step(&cycle, &config, (struct cycle_event){.kind = CYCLE_EVENT_TIMER}, now_ms);
        ck_assert_int_eq(action.kind, CYCLE_SEND_POLL);
    }
}
END_TEST

START_TEST(backing_off_is_never_shorter_than_the_stretched_interval)
{
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, TRANSIENT, 0.5, WAIT, 2300, CYCLE_REST},
    };
    PLAY(&usual, rows);
    struct cycle_config config = usual;
    config.poll_interval_ms = 300;
    static const struct row longer[] = {
        TO_FIRST_POLL,
        {200, TRANSIENT, 0.75, WAIT, 575, CYCLE_REST},
    };
    PLAY(&config, longer);
}
END_TEST

START_TEST(a_cancel_ends_a_run_in_any_state)
{
    static const struct row before[] = {{0, CANCEL, 0, CANCELLED, N, CYCLE_DONE}};
    static const struct row kickoff[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {0, CANCEL, 0, CANCELLED, N, CYCLE_DONE},
    };
    static const struct row polling[] = {TO_FIRST_POLL, {200, CANCEL, 0, CANCELLED, N, CYCLE_DONE}};
    static const struct row resting[] = {
        TO_FIRST_POLL,
        {200, PENDING, 0, WAIT, 2200, CYCLE_REST},
        {300, CANCEL, 0, CANCELLED, N, CYCLE_DONE},
    };
    static const struct row late[] = {TO_FIRST_POLL, {20000, CANCEL, 0, CANCELLED, N, CYCLE_DONE}};
    PLAY(&usual, before);
    PLAY(&usual, kickoff);
    PLAY(&usual, polling);
    PLAY(&usual, resting);
    PLAY(&usual, late);
}
END_TEST

START_TEST(late_events_do_nothing_to_a_run_that_is_done)
{
    static const int events[] = {START, RESUME, BEGUN, ACCEPTED, PENDING, TRANSIENT, ENDED, TIMER, CANCEL};
    struct row rows[] = {TO_FIRST_POLL,
                         {200, CANCEL, 0, CANCELLED, N, CYCLE_DONE},
                         {300, events[_i], 0.5, WAIT, N, CYCLE_DONE},
                         {20000, events[_i], 0.5, WAIT, N, CYCLE_DONE}};
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert_int_eq(cycle.polls, 1);
    ck_assert_int_eq(cycle.failures, 0);
}
END_TEST

START_TEST(a_second_start_starts_nothing)
{
    static const struct row rows[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {1, START, 0, WAIT, N, CYCLE_KICKOFF},
        {2, BEGUN, 0, WAIT, 10002, CYCLE_KICKOFF},
        {3, START, 0, WAIT, 10002, CYCLE_KICKOFF},
    };
    PLAY(&usual, rows);
}
END_TEST

START_TEST(a_resumed_run_polls_at_once_and_keeps_its_deadline)
{
    static const struct row rows[] = {
        {1000, RESUME, 0, POLL, N, CYCLE_POLL},
        {1100, BEGUN, 0, WAIT, 7000, CYCLE_POLL},
        {1200, PENDING, 0, WAIT, 3200, CYCLE_REST},
        {3200, TIMER, 0, POLL, 7000, CYCLE_POLL},
        {3300, BEGUN, 0, WAIT, 7000, CYCLE_POLL},
        {6500, PENDING, 0, WAIT, 7000, CYCLE_REST},
        {7000, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    old_deadline_ms = 7000;
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert(cycle.accepted);
    ck_assert_int_eq(cycle.polls, 2);
}
END_TEST

/* Its deadline was an age ago, has just come, or comes while it is asked. */
static const struct {
    int64_t deadline_ms;
    int64_t pending_at_ms; /* and then it is over */
} last_looks[] = {{-100000, 1001}, {1000, 1001}, {1200, 1200}};

START_TEST(a_run_whose_deadline_has_passed_is_asked_once_more)
{
    const struct row start = {1000, RESUME, 0, POLL, N, CYCLE_POLL};
    const struct row begun = {1000, BEGUN, 0, WAIT, 1500, CYCLE_POLL};
    const int64_t at_ms = last_looks[_i].pending_at_ms;
    const struct row ends[] = {start, begun, {1400, ENDED, 0, VERDICT, N, CYCLE_DONE}};
    const struct row pends[] = {start, begun, {at_ms, PENDING, 0, TIMEOUT, N, CYCLE_DONE}};
    const struct row fails[] = {start, begun, {at_ms, TRANSIENT, 0, TIMEOUT, N, CYCLE_DONE}};
    const struct row cannot_begin[] = {start, {at_ms, TRANSIENT, 0, TIMEOUT, N, CYCLE_DONE}};
    const struct row says_nothing[] = {
        start, begun, {1499, TIMER, 0, WAIT, 1500, CYCLE_POLL}, {1500, TIMER, 0, TIMEOUT, N, CYCLE_DONE}};
    const struct row waits_for_its_turn[] = {start,
                                             {900000, TIMER, 0, WAIT, N, CYCLE_POLL},
                                             {900000, BEGUN, 0, WAIT, 900500, CYCLE_POLL},
                                             {900400, ENDED, 0, VERDICT, N, CYCLE_DONE}};
    const struct row waits_in_vain[] = {start,
                                        {900000, BEGUN, 0, WAIT, 900500, CYCLE_POLL},
                                        {900300, BEGUN, 0, WAIT, 900500, CYCLE_POLL},
                                        {900500, TIMER, 0, TIMEOUT, N, CYCLE_DONE}};
    old_deadline_ms = last_looks[_i].deadline_ms;
    PLAY(&usual, ends);
    PLAY(&usual, pends);
    PLAY(&usual, fails);
    PLAY(&usual, cannot_begin);
    PLAY(&usual, says_nothing);
    PLAY(&usual, waits_for_its_turn);
    PLAY(&usual, waits_in_vain);
}
END_TEST

START_TEST(a_last_look_takes_no_time_from_a_run_that_has_some_left)
{
    static const struct row rows[] = {
        {1000, RESUME, 0, POLL, N, CYCLE_POLL},
        {1050, BEGUN, 0, WAIT, 1550, CYCLE_POLL},
        {1100, TRANSIENT, 0, WAIT, 1400, CYCLE_REST},
        {1400, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    old_deadline_ms = 1400;
    PLAY(&usual, rows);
}
END_TEST

START_TEST(only_a_run_that_has_not_started_may_be_resumed)
{
    static const struct row rows[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {1, RESUME, 0, KICKOFF, N, CYCLE_KICKOFF},
    };
    PLAY(&usual, rows);
}
END_TEST

START_TEST(an_answer_that_nobody_asked_for_is_a_bug)
{
    struct cycle cycle;
    cycle_init(&cycle);
    cycle_step(&cycle, &usual, (struct cycle_event){.kind = (enum cycle_event_kind)_i}, 0);
}
END_TEST

START_TEST(states_have_names)
{
    ck_assert_str_eq(cycle_state_name(CYCLE_START), "start");
    ck_assert_str_eq(cycle_state_name(CYCLE_KICKOFF), "kickoff");
    ck_assert_str_eq(cycle_state_name(CYCLE_REST), "rest");
    ck_assert_str_eq(cycle_state_name(CYCLE_POLL), "poll");
    ck_assert_str_eq(cycle_state_name(CYCLE_DONE), "done");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("cycle");
    TCase *tcase = tcase_create("cycle");
    tcase_add_test(tcase, polls_at_once_and_then_after_each_interval);
    tcase_add_test(tcase, a_kickoff_that_settles_the_run_needs_no_poll);
    tcase_add_test(tcase, a_run_without_polls_ends_with_its_kickoff);
    tcase_add_test(tcase, queueing_does_not_count_against_the_deadline);
    tcase_add_test(tcase, only_the_first_request_starts_the_deadline);
    tcase_add_test(tcase, the_deadline_cuts_through_a_wait);
    tcase_add_test(tcase, a_rest_that_ends_at_the_deadline_is_out);
    tcase_add_test(tcase, an_answer_at_the_deadline_that_ends_nothing_is_out);
    tcase_add_test(tcase, an_answer_that_ends_the_run_counts_though_it_was_read_late);
    tcase_add_test(tcase, a_timer_too_early_waits_on);
    tcase_add_test(tcase, the_stretch_lengthens_the_interval_and_never_shortens_it);
    tcase_add_test(tcase, an_interval_of_zero_polls_again_at_once);
    tcase_add_test(tcase, an_interval_beyond_all_time_waits_for_the_deadline);
    tcase_add_test(tcase, failures_within_the_budget_are_survived);
    tcase_add_test(tcase, one_failure_beyond_the_budget_ends_the_run);
    tcase_add_test(tcase, an_empty_budget_survives_none);
    tcase_add_test(tcase, a_pending_answer_forgives_the_failures_before);
    tcase_add_test(tcase, failures_back_off_to_half_a_minute);
    tcase_add_test(tcase, backing_off_is_never_shorter_than_the_stretched_interval);
    tcase_add_test(tcase, a_cancel_ends_a_run_in_any_state);
    tcase_add_loop_test(tcase, late_events_do_nothing_to_a_run_that_is_done, 0, 9);
    tcase_add_test(tcase, a_second_start_starts_nothing);
    tcase_add_test(tcase, a_resumed_run_polls_at_once_and_keeps_its_deadline);
    tcase_add_loop_test(tcase, a_run_whose_deadline_has_passed_is_asked_once_more, 0,
                        (int)(sizeof last_looks / sizeof last_looks[0]));
    tcase_add_test(tcase, a_last_look_takes_no_time_from_a_run_that_has_some_left);
    tcase_add_test_raise_signal(tcase, only_a_run_that_has_not_started_may_be_resumed, 6);
    tcase_add_loop_test_raise_signal(tcase, an_answer_that_nobody_asked_for_is_a_bug, 6, CYCLE_EVENT_BEGUN,
                                     CYCLE_EVENT_TIMER);
    tcase_add_test(tcase, states_have_names);
    suite_add_tcase(suite, tcase);
    return suite;
}
