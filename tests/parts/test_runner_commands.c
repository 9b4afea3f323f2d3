#include "support/runner_stage.h"

/* ---- commands ---- */

/* Where a run may be when a command comes. */
enum stage { SUBMITTED, QUEUED, KICKED_OFF, POLLING, RESTING, STAGES };

static void bring_to(struct subject *subject, enum stage stage)
{
    submit(subject);
    if (stage >= QUEUED) {
        turn();
    }
    if (stage >= KICKED_OFF) {
        begin(last());
    }
    if (stage >= POLLING) {
        answer(last(), 202, "{\"id\":\"r1\"}");
        begin(last());
    }
    if (stage >= RESTING) {
        answer(last(), 200, "{\"status\":\"running\"}");
    }
}

START_TEST(an_abandoned_run_ends_without_a_result_wherever_it_is)
{
    struct subject *subject = subject_new();
    bring_to(subject, (enum stage)_i);
    runner_command(&runner, RUNNER_ABANDON, now_ms);
    turn();
    ck_assert_int_eq(subject->ended, 1);
    ck_assert(subject->abandoned);
    ck_assert_int_eq(subject->prepared, _i == SUBMITTED ? 0 : 1);
    if (_i != SUBMITTED) {
        ck_assert_int_eq(last()->cancelled, _i != RESTING);
    }
}
END_TEST

START_TEST(a_cancelled_run_ends_with_a_result_wherever_it_is)
{
    struct subject *subject = subject_new();
    bring_to(subject, (enum stage)_i);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    ck_assert_int_eq(subject->ended, 1);
    ck_assert(!subject->abandoned);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_CANCELLED);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_CANCELLED);
    ck_assert_str_ne(subject->summary, "");
    ck_assert_int_eq(subject->prepared, 1);
    if (_i == SUBMITTED) {
        ck_assert_uint_eq(n_transfers, 0);
    }
}
END_TEST

START_TEST(a_message_that_is_refused_is_so_also_when_it_is_cancelled)
{
    struct subject *subject = subject_new();
    subject->rejects = true;
    submit(subject);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_REJECTED);
}
END_TEST

START_TEST(a_sweep_ends_those_whose_partition_has_gone)
{
    struct subject *gone = subject_new();
    struct subject *here = subject_new();
    bring_to(gone, (enum stage)_i);
    bring_to(here, (enum stage)_i);
    tenure_set(&gone->tenure, TENURE_OVER);
    runner_command(&runner, RUNNER_SWEEP, now_ms);
    turn();
    ck_assert_int_eq(gone->ended, 1);
    ck_assert(gone->abandoned);
    ck_assert_int_eq(here->ended, 0);
}
END_TEST

START_TEST(a_run_whose_partition_has_gone_is_not_prepared_and_not_begun)
{
    struct subject *subject = subject_new();
    if (_i == 0) {
        tenure_set(&subject->tenure, TENURE_OVER);
        submit(subject);
        turn();
        ck_assert_int_eq(subject->prepared, 0);
    } else {
        bring_to(subject, QUEUED);
        tenure_set(&subject->tenure, TENURE_OVER);
        begin(last());
    }
    ck_assert_int_eq(subject->ended, 1);
    ck_assert(subject->abandoned);
}
END_TEST

START_TEST(a_command_concerns_those_who_were_there)
{
    struct subject *before = subject_new();
    struct subject *after = subject_new();
    submit(before);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    submit(after);
    runner_command(&runner, RUNNER_SWEEP, now_ms); /* while the first is still being told */
    turn();
    ck_assert_int_eq(before->outcome.status, RXP_STATUS_CANCELLED);
    ck_assert_int_eq(before->ended, 1);
    ck_assert_int_eq(after->ended, 0);
    ck_assert_uint_eq(n_transfers, 1);
}
END_TEST

START_TEST(long_work_is_done_in_slices)
{
    enum { N = 50 };
    struct subject *urgent = subject_new();
    kick_off(urgent);
    for (int i = 0; i < N; i++) {
        submit(subject_new());
    }
    now_ms += 10000; /* the deadline of the urgent one */
    ck_assert(runner_turn(&runner, now_ms, 0));
    ck_assert_int_eq(urgent->ended, 1); /* at once, before the others have all been taken */
    ck_assert_uint_lt(n_transfers, 2 + N);
    turn();
    ck_assert_uint_eq(n_transfers, 2 + N);
    ck_assert_uint_eq(atomic_load(&runner.in_requests), N);
    runner_command(&runner, RUNNER_ABANDON, now_ms);
    ck_assert(runner_turn(&runner, now_ms, 0));
    ck_assert_uint_gt(atomic_load(&runner.in_flight), 0);
    turn();
    ck_assert_uint_eq(atomic_load(&runner.in_flight), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner_commands");
    TCase *tests = tcase_create("runner_commands");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, an_abandoned_run_ends_without_a_result_wherever_it_is, 0, STAGES);
    tcase_add_loop_test(tests, a_cancelled_run_ends_with_a_result_wherever_it_is, 0, STAGES);
    tcase_add_test(tests, a_message_that_is_refused_is_so_also_when_it_is_cancelled);
    tcase_add_loop_test(tests, a_sweep_ends_those_whose_partition_has_gone, 0, STAGES);
    tcase_add_loop_test(tests, a_run_whose_partition_has_gone_is_not_prepared_and_not_begun, 0, 2);
    tcase_add_test(tests, a_command_concerns_those_who_were_there);
    tcase_add_test(tests, long_work_is_done_in_slices);
    suite_add_tcase(suite, tests);
    return suite;
}
