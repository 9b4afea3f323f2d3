#include "support/cycle_rows.h"

/* A run that has ended, and whose result is still to be fetched. */

#define TO_FETCHING                                                                                                    \
    TO_FIRST_POLL,                                                                                                     \
    {                                                                                                                  \
        200, TO_FETCH, 0, FETCH, 10100, CYCLE_FETCH                                                                    \
    }

START_TEST(a_result_is_fetched_at_once)
{
    static const struct row rows[] = {
        TO_FETCHING,
        {210, BEGUN, 0, WAIT, 10100, CYCLE_FETCH},
        {300, ENDED, 0, VERDICT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert_int_eq(cycle.polls, 1);
    ck_assert_int_eq(cycle.ended_in, CYCLE_FETCH);
}
END_TEST

START_TEST(a_kickoff_may_lead_to_a_fetch)
{
    static const struct row rows[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {100, BEGUN, 0, WAIT, 10100, CYCLE_KICKOFF},
        {200, TO_FETCH, 0, FETCH, 10100, CYCLE_FETCH},
        {300, ENDED, 0, VERDICT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert_int_eq(cycle.polls, 0);
    ck_assert(cycle.accepted);
}
END_TEST

/* Two failures were survived by the polls before: the fetch survives two of its own. */
START_TEST(a_fetch_has_a_budget_of_its_own)
{
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, TRANSIENT, 0, WAIT, 2200, CYCLE_REST},
        {2200, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {2200, TRANSIENT, 0, WAIT, 4200, CYCLE_REST},
        {4200, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {4200, TO_FETCH, 0, FETCH, 10100, CYCLE_FETCH},
        {4200, TRANSIENT, 0, WAIT, 6200, CYCLE_REST},
        {6200, TIMER, 0, FETCH, 10100, CYCLE_FETCH},
        {6200, TRANSIENT, 0, WAIT, 8200, CYCLE_REST},
        {8200, TIMER, 0, FETCH, 10100, CYCLE_FETCH},
        {8200, TRANSIENT, 0, VERDICT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert_int_eq(cycle.failures, 3);
    ck_assert_int_eq(cycle.polls, 3);
}
END_TEST

START_TEST(retry_after_lengthens_the_wait_for_another_fetch)
{
    static const struct row rows[] = {
        TO_FETCHING,
        {300, TRANSIENT, 0, WAIT, 5300, CYCLE_REST, .retry_after_ms = 5000},
        {5300, TIMER, 0, FETCH, 10100, CYCLE_FETCH},
    };
    PLAY(&usual, rows);
}
END_TEST

START_TEST(the_deadline_cuts_through_a_fetch_and_its_waits)
{
    static const struct row fetching[] = {TO_FETCHING, {10100, TIMER, 0, TIMEOUT, N, CYCLE_DONE}};
    static const struct row failing[] = {TO_FETCHING, {10100, TRANSIENT, 0, TIMEOUT, N, CYCLE_DONE}};
    static const struct row resting[] = {
        TO_FETCHING,
        {9000, TRANSIENT, 0, WAIT, 10100, CYCLE_REST},
        {10100, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    static const struct row late[] = {TO_FIRST_POLL, {10100, TO_FETCH, 0, TIMEOUT, N, CYCLE_DONE}};
    static const struct row in_time[] = {TO_FETCHING, {10150, ENDED, 0, VERDICT, N, CYCLE_DONE}};
    struct cycle cycle = PLAY(&usual, fetching);
    ck_assert_int_eq(cycle.ended_in, CYCLE_FETCH);
    PLAY(&usual, failing);
    cycle = PLAY(&usual, resting);
    ck_assert_int_eq(cycle.ended_in, CYCLE_FETCH);
    cycle = PLAY(&usual, late);
    ck_assert(cycle.accepted);
    PLAY(&usual, in_time);
}
END_TEST

/* A fetch knows no "not yet", and no other kickoff. */
START_TEST(an_answer_of_another_request_is_a_bug)
{
    static const int events[] = {PREPARED, ACCEPTED, RETRY, PENDING, TO_FETCH};
    const struct row rows[] = {TO_FETCHING, {300, events[_i], 0, WAIT, N, CYCLE_FETCH}};
    PLAY(&usual, rows);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("cycle_fetch");
    TCase *tcase = tcase_create("cycle_fetch");
    tcase_add_test(tcase, a_result_is_fetched_at_once);
    tcase_add_test(tcase, a_kickoff_may_lead_to_a_fetch);
    tcase_add_test(tcase, a_fetch_has_a_budget_of_its_own);
    tcase_add_test(tcase, retry_after_lengthens_the_wait_for_another_fetch);
    tcase_add_test(tcase, the_deadline_cuts_through_a_fetch_and_its_waits);
    tcase_add_loop_test_raise_signal(tcase, an_answer_of_another_request_is_a_bug, 6, 0, 5);
    suite_add_tcase(suite, tcase);
    return suite;
}
