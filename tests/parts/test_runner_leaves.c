#include "support/runner_stage.h"

/* How runs end, or don't, whose tenure is ENDING: told by a sweep, or by a park of all. */

enum stage { SUBMITTED, QUEUED, HELD, KICKED_OFF, POLL_QUEUED, POLLING, RESTING, STAGES };

static void bring_to(struct subject *subject, enum stage stage)
{
    subject->holds = stage == HELD;
    submit(subject);
    if (stage >= QUEUED) {
        turn();
    }
    if (stage >= HELD) {
        begin(last());
    }
    if (stage >= POLL_QUEUED) {
        answer(last(), 202, "{\"id\":\"r1\"}");
    }
    if (stage >= POLLING) {
        begin(last());
    }
    if (stage >= RESTING) {
        answer(last(), 200, "{\"status\":\"running\"}");
    }
}

enum way { SWEEP, PARK, WAYS };

static void begin_to_leave(struct subject *subject, enum way way)
{
    if (way == SWEEP) {
        tenure_set(&subject->tenure, TENURE_ENDING);
    }
    runner_command(&runner, way == SWEEP ? RUNNER_SWEEP : RUNNER_PARK, now_ms);
    turn();
}

static void assert_abandoned(const struct subject *subject, bool was_begun, bool was_accepted)
{
    ck_assert_int_eq(subject->ended, 1);
    ck_assert(subject->abandoned);
    ck_assert_int_eq(subject->was_begun, was_begun);
    ck_assert_int_eq(subject->was_accepted, was_accepted);
}

/* _i: of all ways and stages. */
#define WAY ((enum way)(_i / STAGES))
#define STAGE ((enum stage)(_i % STAGES))

START_TEST(a_resumable_run_that_leaves_waits_for_its_answer_only)
{
    struct subject *subject = subject_new();
    config.resumable = true;
    bring_to(subject, STAGE);
    begin_to_leave(subject, WAY);
    switch (STAGE) {
    case SUBMITTED:
        ck_assert_int_eq(subject->prepared, 0);
        assert_abandoned(subject, false, false);
        break;
    case QUEUED:
    case HELD:
        ck_assert(last()->cancelled);
        assert_abandoned(subject, false, false);
        break;
    case KICKED_OFF:
        ck_assert_int_eq(subject->ended, 0);
        answer(last(), 202, "{\"id\":\"r1\"}");
        ck_assert_int_eq(subject->accepted, 1);
        ck_assert_str_eq(subject->note_url, "http://b.example/runs/r1");
        ck_assert_uint_eq(n_transfers, 1);
        assert_abandoned(subject, true, true);
        break;
    case POLLING:
        ck_assert_int_eq(subject->ended, 0);
        answer(last(), 200, "{\"status\":\"running\"}");
        assert_abandoned(subject, true, true);
        break;
    case POLL_QUEUED:
        ck_assert(last()->cancelled);
        assert_abandoned(subject, true, true);
        break;
    case RESTING:
    case STAGES:
        assert_abandoned(subject, true, true);
        break;
    }
}
END_TEST

START_TEST(without_checkpoints_only_kickoffs_that_have_not_begun_leave)
{
    struct subject *subject = subject_new();
    bring_to(subject, STAGE);
    begin_to_leave(subject, WAY);
    if (STAGE < KICKED_OFF) {
        assert_abandoned(subject, false, false);
        return;
    }
    if (STAGE == KICKED_OFF) {
        answer(last(), 202, "{\"id\":\"r1\"}");
    }
    if (STAGE <= POLL_QUEUED) {
        begin(last());
    }
    if (STAGE <= POLLING) {
        answer(last(), 200, "{\"status\":\"running\"}");
    }
    turn_at(now_ms + 2000);
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    ck_assert(!subject->abandoned);
}
END_TEST

START_TEST(an_answer_that_ends_a_leaving_run_is_its_result)
{
    struct subject *subject = subject_new();
    config.resumable = true;
    bring_to(subject, _i == 0 ? KICKED_OFF : POLLING);
    begin_to_leave(subject, SWEEP);
    if (_i == 0) {
        answer(last(), 500, "boom");
        ck_assert_int_eq(subject->outcome.error, RXP_ERROR_KICKOFF_STATUS);
    } else {
        answer(last(), 200, "{\"status\":\"completed\"}");
        ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    }
    ck_assert(!subject->abandoned);
}
END_TEST

START_TEST(a_leaving_run_without_polls_gets_its_answer)
{
    struct subject *subject = subject_new();
    subject->kind = "http";
    config.resumable = true;
    bring_to(subject, KICKED_OFF);
    begin_to_leave(subject, PARK);
    ck_assert_int_eq(subject->ended, 0);
    answer(last(), 201, "whatever");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
}
END_TEST

START_TEST(a_leaving_run_still_times_out)
{
    struct subject *subject = subject_new();
    config.resumable = true;
    bring_to(subject, POLLING);
    begin_to_leave(subject, SWEEP);
    turn_at(now_ms + 10000);
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_TIMEOUT);
}
END_TEST

START_TEST(a_failed_poll_of_a_leaving_run_is_not_tried_again)
{
    struct subject *subject = subject_new();
    config.resumable = true;
    bring_to(subject, POLLING);
    begin_to_leave(subject, SWEEP);
    break_off(last(), TRANSPORT_CONNECT, false);
    assert_abandoned(subject, true, true);
}
END_TEST

/* Before the turn that tells it: a kickoff, a poll that leave the queue; one that is held and released; a rest that
 * ends; one that was not taken yet. */
START_TEST(none_slips_past_its_sweep)
{
    static const enum stage stages[] = {QUEUED, POLL_QUEUED, HELD, RESTING, SUBMITTED};
    struct subject *subject = subject_new();
    config.resumable = true;
    bring_to(subject, stages[_i]);
    size_t n_before = n_transfers;
    tenure_set(&subject->tenure, TENURE_ENDING);
    if (stages[_i] == HELD) {
        atomic_store(&subject->run->permitted, true);
        runner_command(&runner, RUNNER_PERMIT, now_ms);
        ck_assert_int_eq(last()->released, 1);
    }
    if (stages[_i] == RESTING || stages[_i] == SUBMITTED) {
        turn_at(now_ms + 2000);
    } else {
        begin(last());
        ck_assert(last()->is_over && !last()->cancelled); /* begun says to drop it: the transport does */
    }
    assert_abandoned(subject, stages[_i] == POLL_QUEUED || stages[_i] == RESTING,
                     stages[_i] == POLL_QUEUED || stages[_i] == RESTING);
    ck_assert_uint_eq(n_transfers, n_before);
    ck_assert_uint_eq(atomic_load(&runner.in_requests), 0);
}
END_TEST

START_TEST(a_park_is_for_ever_and_for_all)
{
    struct subject *one = subject_new();
    struct subject *two = subject_new();
    struct subject *late = subject_new();
    config.resumable = true;
    bring_to(one, RESTING);
    bring_to(two, POLLING);
    runner_command(&runner, RUNNER_PARK, now_ms);
    turn();
    assert_abandoned(one, true, true);
    ck_assert_int_eq(two->ended, 0);
    runner_command(&runner, RUNNER_SWEEP, now_ms);
    turn();
    submit(late);
    turn();
    assert_abandoned(late, false, false);
    ck_assert_int_eq(late->prepared, 0);
}
END_TEST

START_TEST(a_resumed_run_that_leaves_before_its_first_poll_asks_nothing)
{
    const struct run_resume resume = {.poll_url = "http://b.example/1",
                                      .started_at_ms = clock_wall_ms(),
                                      .deadline_at_ms = clock_wall_ms() + 9000,
                                      .polls = 3};
    struct subject *subject = subject_new();
    subject->resume = &resume;
    config.resumable = true;
    submit(subject);
    turn();
    ck_assert_uint_eq(n_transfers, 1);
    begin_to_leave(subject, SWEEP);
    ck_assert(last()->cancelled);
    assert_abandoned(subject, true, true);
}
END_TEST

START_TEST(a_sweep_leaves_those_whose_partition_is_held)
{
    struct subject *subject = subject_new();
    config.resumable = true;
    bring_to(subject, (enum stage)_i);
    runner_command(&runner, RUNNER_SWEEP, now_ms);
    turn();
    ck_assert_int_eq(subject->ended, 0);
}
END_TEST

START_TEST(what_is_over_ends_where_it_stands_though_it_was_ending)
{
    struct subject *subject = subject_new();
    config.resumable = _i % 2 == 0;
    bring_to(subject, _i < 2 ? KICKED_OFF : POLLING);
    begin_to_leave(subject, SWEEP);
    ck_assert_int_eq(subject->ended, 0);
    tenure_set(&subject->tenure, TENURE_OVER);
    runner_command(&runner, RUNNER_SWEEP, now_ms);
    turn();
    ck_assert(last()->cancelled);
    assert_abandoned(subject, true, _i >= 2);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner_leaves");
    TCase *tests = tcase_create("runner_leaves");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, a_resumable_run_that_leaves_waits_for_its_answer_only, 0, WAYS * STAGES);
    tcase_add_loop_test(tests, without_checkpoints_only_kickoffs_that_have_not_begun_leave, 0, WAYS * STAGES);
    tcase_add_loop_test(tests, an_answer_that_ends_a_leaving_run_is_its_result, 0, 2);
    tcase_add_test(tests, a_leaving_run_without_polls_gets_its_answer);
    tcase_add_test(tests, a_leaving_run_still_times_out);
    tcase_add_test(tests, a_failed_poll_of_a_leaving_run_is_not_tried_again);
    tcase_add_loop_test(tests, none_slips_past_its_sweep, 0, 5);
    tcase_add_test(tests, a_park_is_for_ever_and_for_all);
    tcase_add_test(tests, a_resumed_run_that_leaves_before_its_first_poll_asks_nothing);
    tcase_add_loop_test(tests, a_sweep_leaves_those_whose_partition_is_held, 0, STAGES);
    tcase_add_loop_test(tests, what_is_over_ends_where_it_stands_though_it_was_ending, 0, 4);
    suite_add_tcase(suite, tests);
    return suite;
}
