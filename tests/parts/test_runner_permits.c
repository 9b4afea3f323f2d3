#include "support/runner_stage.h"

/* One whose kickoff is held at the head of its origin's queue. */
static struct subject *held(void)
{
    struct subject *subject = subject_new();
    subject->holds = true;
    submit(subject);
    turn();
    begin(last());
    ck_assert_int_eq(subject->permits_asked, 1);
    return subject;
}

static void permit(struct subject *subject)
{
    atomic_store(&subject->run->permitted, true);
}

static void tell_permits(void)
{
    runner_command(&runner, RUNNER_PERMIT, now_ms);
}

START_TEST(a_kickoff_that_is_permitted_at_once_goes_at_once)
{
    struct subject *subject = subject_new();
    kick_off(subject);
    ck_assert_int_eq(subject->permits_asked, 1); /* and none for the poll */
    ck_assert_int_eq(subject->accepted, 1);
}
END_TEST

START_TEST(a_held_kickoff_goes_once_it_is_permitted)
{
    struct subject *subject = held();
    ck_assert(last()->is_held);
    ck_assert_uint_eq(atomic_load(&runner.in_requests), 1);
    turn_at(now_ms + 1000);
    tell_permits(); /* another's */
    ck_assert(list_is_empty(&runner.walk)); /* it concerns the held ones only */
    ck_assert(last()->is_held);
    permit(subject);
    turn();
    ck_assert(last()->is_held); /* nobody said so yet */
    tell_permits();
    ck_assert_int_eq(last()->released, 1);
    begin(last());
    ck_assert(!last()->is_held && !last()->is_over);
    ck_assert_int_eq(subject->permits_asked, 1);
    answer(last(), 202, "{\"id\":\"r1\"}");
    ck_assert_uint_eq(n_transfers, 2);
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
}
END_TEST

START_TEST(one_that_is_permitted_while_it_asks_goes_when_permits_are_told)
{
    struct subject *subject = subject_new();
    subject->holds = true;
    submit(subject);
    turn();
    permit(subject); /* another thread was quicker than the answer */
    begin(last());
    ck_assert(last()->is_held);
    tell_permits();
    ck_assert_int_eq(last()->released, 1);
    begin(last());
    ck_assert(!last()->is_held && !last()->is_over);
}
END_TEST

START_TEST(it_is_released_once_however_often_permits_are_told)
{
    struct subject *subject = held();
    permit(subject);
    tell_permits();
    tell_permits();
    turn();
    ck_assert_int_eq(last()->released, 1);
    begin(last());
    tell_permits();
    turn();
    ck_assert_int_eq(last()->released, 1);
}
END_TEST

START_TEST(the_time_it_is_held_does_not_count)
{
    struct subject *subject = held();
    turn_at(now_ms + 3600000);
    ck_assert_int_eq(subject->ended, 0);
    permit(subject);
    tell_permits();
    begin(last());
    int64_t started_ms = now_ms;
    turn_at(started_ms + 9999);
    ck_assert_int_eq(subject->ended, 0);
    turn_at(started_ms + 10000);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_KICKOFF_TIMEOUT);
    ck_assert_int_eq(subject->outcome.finished_at_ms - subject->started_at_ms, 10000);
}
END_TEST

START_TEST(only_those_that_are_permitted_are_released)
{
    enum { N = 9 };
    for (int i = 0; i < N; i++) {
        held();
    }
    for (int i = 0; i < N; i += 2) {
        permit(&subjects[i]);
    }
    tell_permits();
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(transfers[i].released, i % 2 == 0);
    }
    for (int i = 1; i < N; i += 2) {
        permit(&subjects[i]);
    }
    tell_permits();
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(transfers[i].released, 1);
    }
}
END_TEST

static const struct {
    unsigned command;
    bool abandoned;
} ends[] = {
    {RUNNER_CANCEL, false}, {RUNNER_ABANDON, true}, {RUNNER_PARK, true}, {RUNNER_SWEEP, true},
};

/* With or without its permit. */
START_TEST(a_held_kickoff_may_be_ended)
{
    struct subject *subject = held();
    tenure_set(&subject->tenure, ends[_i / 2].command == RUNNER_SWEEP ? TENURE_OVER : TENURE_HELD);
    if (_i % 2 == 1) {
        permit(subject);
        tell_permits();
    }
    runner_command(&runner, ends[_i / 2].command, now_ms);
    turn();
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->abandoned, ends[_i / 2].abandoned);
    ck_assert(!subject->was_begun);
    ck_assert(last()->cancelled);
    tell_permits();
    ck_assert_int_eq(last()->released, _i % 2);
    ck_assert_uint_eq(atomic_load(&runner.in_requests), 0);
}
END_TEST

START_TEST(a_permit_that_comes_with_the_end_begins_nothing)
{
    struct subject *subject = held();
    permit(subject);
    runner_command(&runner, RUNNER_PERMIT | RUNNER_PARK, now_ms);
    begin(last());
    ck_assert(last()->is_over);
    ck_assert_int_eq(subject->ended, 1);
    ck_assert(subject->abandoned && !subject->was_begun);
}
END_TEST

START_TEST(a_permit_does_not_disturb_those_who_are_being_told)
{
    struct subject *one = held();
    struct subject *two = subject_new();
    submit(two);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    permit(one);
    tell_permits();
    submit(subject_new());
    turn();
    ck_assert_int_eq(one->outcome.status, RXP_STATUS_CANCELLED);
    ck_assert_int_eq(two->outcome.status, RXP_STATUS_CANCELLED);
    ck_assert_uint_eq(atomic_load(&runner.in_flight), 1);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner_permits");
    TCase *tests = tcase_create("runner_permits");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_kickoff_that_is_permitted_at_once_goes_at_once);
    tcase_add_test(tests, a_held_kickoff_goes_once_it_is_permitted);
    tcase_add_test(tests, one_that_is_permitted_while_it_asks_goes_when_permits_are_told);
    tcase_add_test(tests, it_is_released_once_however_often_permits_are_told);
    tcase_add_test(tests, the_time_it_is_held_does_not_count);
    tcase_add_test(tests, only_those_that_are_permitted_are_released);
    tcase_add_loop_test(tests, a_held_kickoff_may_be_ended, 0, 2 * COUNT(ends));
    tcase_add_test(tests, a_permit_that_comes_with_the_end_begins_nothing);
    tcase_add_test(tests, a_permit_does_not_disturb_those_who_are_being_told);
    suite_add_tcase(suite, tests);
    return suite;
}
