/* Runs that wait for memory, where it is short for longer: none fails for that, none is tried without a rest, and each can end. */
#include "support/runner_stage.h"

#include "ops/log.h"

/* One that cannot be prepared so many times. */
static struct subject *submit_short(int not_nows)
{
    struct subject *subject = subject_new();
    subject->not_nows = not_nows;
    log_set_level(LOG_ERROR);
    submit(subject);
    turn();
    return subject;
}

START_TEST(a_run_without_memory_rests_longer_and_longer)
{
    static const int64_t rests_ms[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct subject *subject = submit_short(COUNT(rests_ms));
    for (int i = 0; i < COUNT(rests_ms); i++) {
        ck_assert_int_eq(subject->prepared, i + 1);
        ck_assert_int_eq(runner_next_ms(&runner), now_ms + rests_ms[i]);
        turn_at(now_ms + rests_ms[i] - 1);
        ck_assert_int_eq(subject->prepared, i + 1);
        turn_at(now_ms + 1);
    }
    ck_assert_int_eq(subject->prepared, COUNT(rests_ms) + 1);
    ck_assert_int_eq(subject->ended, 0);
    ck_assert_uint_eq(n_transfers, 1);
    /* And since there was memory, the next one rests shortly. */
    submit_short(1);
    ck_assert_int_eq(runner_next_ms(&runner), now_ms + 1000);
}
END_TEST

START_TEST(what_rests_keeps_nothing_else_from_running)
{
    struct subject *resting = submit_short(2);
    struct subject *other = subject_new();
    submit(other);
    turn();
    ck_assert_int_eq(resting->prepared, 1);
    begin(last());
    answer(last(), 202, "{\"id\":\"r1\"}");
    ck_assert_int_eq(other->accepted, 1);
    ck_assert_uint_eq(n_transfers, 2);
}
END_TEST

START_TEST(a_want_of_memory_is_told_once_in_ten_seconds)
{
    for (int i = 0; i < 5; i++) {
        submit_short(4);
    }
    ck_assert_int_eq(runner.rest_told_ms, 1000000);
    ck_assert_uint_eq(runner.rests_untold, 4);
    turn_at(now_ms + 1000);
    turn_at(now_ms + 2000);
    ck_assert_uint_eq(runner.rests_untold, 14);
    turn_at(now_ms + 10000);
    ck_assert_int_eq(runner.rest_told_ms, now_ms);
    ck_assert_uint_eq(runner.rests_untold, 4);
}
END_TEST

enum { SWEPT, PARKED, ABANDONED, GONE_MEANWHILE };

START_TEST(a_run_that_rests_can_end)
{
    struct subject *subject = submit_short(1000);
    atomic_store(&subject->tenure, _i == SWEPT || _i == GONE_MEANWHILE ? TENURE_OVER : TENURE_HELD);
    if (_i != GONE_MEANWHILE) {
        runner_command(&runner, _i == SWEPT ? RUNNER_SWEEP : _i == PARKED ? RUNNER_PARK : RUNNER_ABANDON, now_ms);
    }
    turn_at(now_ms + (_i == GONE_MEANWHILE ? 1000 : 0));
    ck_assert_int_eq(subject->ended, 1);
    ck_assert(subject->abandoned && !subject->was_begun);
    ck_assert_int_eq(subject->prepared, 1);
    ck_assert_int_eq(runner_next_ms(&runner), CLOCK_NEVER);
}
END_TEST

START_TEST(a_run_that_rests_is_cancelled_as_soon_as_there_is_memory)
{
    struct subject *subject = submit_short(2);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    ck_assert_int_eq(subject->ended, 0);
    turn_at(runner_next_ms(&runner));
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_CANCELLED);
    ck_assert_uint_eq(n_transfers, 0);
}
END_TEST

/* Whatever the budget says. 0: it did not get to the queue; 1: nor out of it; 2: it began. */
START_TEST(a_kickoff_that_never_left_for_want_of_memory_is_sent_later)
{
    struct subject *subject = subject_new();
    submit(subject);
    out_of_memory = _i == 0;
    turn();
    for (int i = 0; i < 20; i++) {
        if (_i > 0) {
            ck_assert_uint_eq(n_transfers, (size_t)i + 1);
            if (_i == 2) {
                begin(last());
            }
            break_off(last(), TRANSPORT_MEMORY, false);
        }
        ck_assert_int_eq(subject->ended, 0);
        ck_assert_int_ge(runner_next_ms(&runner), now_ms + (_i == 2 ? 0 : 1000));
        ck_assert_int_le(runner_next_ms(&runner), now_ms + 2000);
        if (_i == 2 && i == 3) {
            break; /* from its beginning on its time runs */
        }
        turn_at(runner_next_ms(&runner));
    }
    out_of_memory = false;
    turn_at(now_ms + 2000);
    begin(last());
    answer(last(), 202, "{\"id\":\"r1\"}");
    ck_assert_int_eq(subject->accepted, 1);
}
END_TEST

START_TEST(a_kickoff_that_may_have_left_is_not_sent_again_for_want_of_memory)
{
    struct subject *subject = subject_new();
    submit(subject);
    turn();
    begin(last());
    break_off(last(), TRANSPORT_MEMORY, true);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_FAILED);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_KICKOFF_NETWORK);
    ck_assert_uint_eq(n_transfers, 1);
}
END_TEST

/* As it is where a kickoff never left; and told. */
START_TEST(a_poll_that_never_left_for_want_of_memory_is_sent_later)
{
    struct subject *subject = subject_new();
    subject->timeout = "3600";
    config.poll_max_failures = 0;
    submit(subject);
    turn();
    begin(last());
    answer(last(), 202, "{\"id\":\"r1\"}");
    ck_assert_int_eq(runner.rest_told_ms, 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_eq(n_transfers, (size_t)i + 2);
        begin(last());
        break_off(last(), TRANSPORT_MEMORY, false);
        ck_assert_int_eq(subject->ended, 0);
        ck_assert_int_eq(runner.rest_told_ms, 1000000);
        ck_assert_uint_eq(runner.rests_untold, (size_t)i);
        turn_at(runner_next_ms(&runner));
    }
    begin(last());
    break_off(last(), TRANSPORT_MEMORY, true);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_NETWORK);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner_memory");
    TCase *tests = tcase_create("runner_memory");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_run_without_memory_rests_longer_and_longer);
    tcase_add_test(tests, what_rests_keeps_nothing_else_from_running);
    tcase_add_test(tests, a_want_of_memory_is_told_once_in_ten_seconds);
    tcase_add_loop_test(tests, a_run_that_rests_can_end, SWEPT, GONE_MEANWHILE + 1);
    tcase_add_test(tests, a_run_that_rests_is_cancelled_as_soon_as_there_is_memory);
    tcase_add_loop_test(tests, a_kickoff_that_never_left_for_want_of_memory_is_sent_later, 0, 3);
    tcase_add_test(tests, a_kickoff_that_may_have_left_is_not_sent_again_for_want_of_memory);
    tcase_add_test(tests, a_poll_that_never_left_for_want_of_memory_is_sent_later);
    suite_add_tcase(suite, tests);
    return suite;
}
