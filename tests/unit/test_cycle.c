#include "support/cycle_rows.h"

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
    static const struct row fetching[] = {
        TO_FIRST_POLL,
        {200, TO_FETCH, 0, FETCH, 10100, CYCLE_FETCH},
        {300, CANCEL, 0, CANCELLED, N, CYCLE_DONE},
    };
    static const struct row late[] = {TO_FIRST_POLL, {20000, CANCEL, 0, CANCELLED, N, CYCLE_DONE}};
    struct cycle_config preparing = usual;
    preparing.prepares = true;
    static const struct row prepare[] = {
        {0, START, 0, PREPARE, N, CYCLE_PREPARE},
        {0, CANCEL, 0, CANCELLED, N, CYCLE_DONE},
    };
    PLAY(&preparing, prepare);
    PLAY(&usual, fetching);
    PLAY(&usual, before);
    PLAY(&usual, kickoff);
    PLAY(&usual, polling);
    PLAY(&usual, resting);
    PLAY(&usual, late);
}
END_TEST

START_TEST(late_events_do_nothing_to_a_run_that_is_done)
{
    static const int events[] = {START,   RESUME,    BEGUN,    PREPARED, ACCEPTED, RETRY,
                                 PENDING, TRANSIENT, TO_FETCH, ENDED,    TIMER,    CANCEL};
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
    ck_assert_str_eq(cycle_state_name(CYCLE_PREPARE), "prepare");
    ck_assert_str_eq(cycle_state_name(CYCLE_KICKOFF), "kickoff");
    ck_assert_str_eq(cycle_state_name(CYCLE_REST), "rest");
    ck_assert_str_eq(cycle_state_name(CYCLE_POLL), "poll");
    ck_assert_str_eq(cycle_state_name(CYCLE_FETCH), "fetch");
    ck_assert_str_eq(cycle_state_name(CYCLE_DONE), "done");
    ck_assert_str_eq(cycle_call_name(CYCLE_PREPARE), "prepare");
    ck_assert_str_eq(cycle_call_name(CYCLE_KICKOFF), "kickoff");
    ck_assert_str_eq(cycle_call_name(CYCLE_POLL), "poll");
    ck_assert_str_eq(cycle_call_name(CYCLE_FETCH), "result fetch");
    ck_assert_ptr_null(cycle_call_name(CYCLE_REST));
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
    tcase_add_test(tcase, failures_within_the_budget_are_survived);
    tcase_add_test(tcase, one_failure_beyond_the_budget_ends_the_run);
    tcase_add_test(tcase, an_empty_budget_survives_none);
    tcase_add_test(tcase, a_pending_answer_forgives_the_failures_before);
    tcase_add_test(tcase, a_cancel_ends_a_run_in_any_state);
    tcase_add_loop_test(tcase, late_events_do_nothing_to_a_run_that_is_done, 0, 12);
    tcase_add_test(tcase, a_second_start_starts_nothing);
    tcase_add_loop_test_raise_signal(tcase, an_answer_that_nobody_asked_for_is_a_bug, 6, CYCLE_EVENT_BEGUN,
                                     CYCLE_EVENT_TIMER);
    tcase_add_test(tcase, states_have_names);
    suite_add_tcase(suite, tcase);
    return suite;
}
