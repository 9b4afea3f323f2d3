/* A run until its kickoff is out: where it counts, and how its profile's rate delays it. */
#include "engine/gate.h"
#include "support/runner_stage.h"

#define ORIGIN "http://b.example:80"

static struct gates *gates;
static struct gate *gate;
static int crowded;
static struct pool_hooks own_hooks;

static void on_crowded(struct run *run, struct gate *at, void *opaque)
{
    (void)opaque;
    ck_assert_ptr_eq(at, gate);
    ck_assert_ptr_nonnull(subject_of(run));
    crowded++;
}

static void setup_gates(void)
{
    const struct gates_config of_gates = {0};
    setup();
    gates = gates_new(&of_gates);
    gate = gates_get(gates, ORIGIN, now_ms);
    config.gates = gates;
    config.crowd_above = 2;
    config.kickoff_max_retries = 3;
    own_hooks = hooks;
    own_hooks.crowded = on_crowded;
    runner.hooks = &own_hooks;
    crowded = 0;
}

static void teardown_gates(void)
{
    teardown();
    ck_assert_uint_eq(gate_crowd(gate), 0);
    gate_release(gate, now_ms);
    gates_free(gates);
}

START_TEST(a_run_counts_until_its_kickoff_has_left)
{
    struct subject *subject = subject_new();
    submit(subject);
    ck_assert_uint_eq(gate_crowd(gate), 0);
    turn();
    ck_assert_uint_eq(gate_crowd(gate), 1);
    begin(last());
    ck_assert_uint_eq(gate_crowd(gate), 0);
    answer(last(), 202, "{\"id\":\"r1\"}");
    begin(last());
    ck_assert_uint_eq(gate_crowd(gate), 0);
}
END_TEST

START_TEST(one_whose_kickoff_is_held_counts)
{
    struct subject *subject = subject_new();
    subject->holds = true;
    submit(subject);
    turn();
    begin(last());
    ck_assert(last()->is_held);
    ck_assert_uint_eq(gate_crowd(gate), 1);
}
END_TEST

START_TEST(one_that_rests_before_it_tries_again_counts)
{
    struct subject *subject = subject_new();
    subject->timeout = "1000";
    submit(subject);
    turn();
    begin(last());
    break_off(last(), TRANSPORT_CONNECT, false);
    ck_assert_uint_eq(gate_crowd(gate), 1);
    turn_at(now_ms + 30000);
    ck_assert_uint_eq(n_transfers, 2);
    ck_assert_uint_eq(gate_crowd(gate), 1);
    begin(last());
    ck_assert_uint_eq(gate_crowd(gate), 0);
}
END_TEST

START_TEST(one_that_prepares_counts_where_it_goes_first)
{
    struct subject *subject = subject_new();
    subject->metadata = ",\"http.prepare_url\":\"http://prepare.example/sessions\"";
    struct gate *prepare = gates_get(gates, "http://prepare.example:80", now_ms);
    submit(subject);
    turn();
    ck_assert_uint_eq(gate_crowd(prepare), 1);
    begin(last());
    ck_assert_uint_eq(gate_crowd(prepare), 1); /* its kickoff is not out */
    ck_assert_uint_eq(gate_crowd(gate), 0);
    answer(last(), 200, "{}");
    ck_assert_uint_eq(n_transfers, 2);
    ck_assert_uint_eq(gate_crowd(prepare), 0);
    ck_assert_uint_eq(gate_crowd(gate), 1);
    begin(last());
    ck_assert_uint_eq(gate_crowd(gate), 0);
    gate_release(prepare, now_ms);
}
END_TEST

START_TEST(each_that_joins_a_crowd_that_is_too_large_is_told_of_once)
{
    struct subject *subject[5];
    for (int i = 0; i < 5; i++) {
        subject[i] = subject_new();
        submit(subject[i]);
        turn();
        ck_assert_int_eq(crowded, i < 2 ? 0 : i - 1);
    }
    ck_assert_uint_eq(gate_crowd(gate), 5);
    begin(&transfers[0]);
    break_off(&transfers[0], TRANSPORT_RESOLVE, false);
    ck_assert_int_eq(crowded, 4);
}
END_TEST

START_TEST(one_that_ends_while_it_waits_counts_no_more)
{
    struct subject *subject = subject_new();
    submit(subject);
    turn();
    ck_assert_uint_eq(gate_crowd(gate), 1);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_uint_eq(gate_crowd(gate), 0);
}
END_TEST

START_TEST(one_that_goes_on_from_before_never_counts)
{
    struct subject *subject = subject_new();
    const struct run_resume resume = {.run_id = "r1", .poll_url = "http://b.example/runs/r1",
                                      .started_at_ms = clock_wall_ms() - 1000,
                                      .deadline_at_ms = clock_wall_ms() + 100000};
    subject->resume = &resume;
    submit(subject);
    turn();
    ck_assert_uint_eq(n_transfers, 1);
    ck_assert_uint_eq(gate_crowd(gate), 0);
}
END_TEST

/* ---- the profile's rate ---- */

START_TEST(a_profile_s_kickoffs_go_one_after_another)
{
    int64_t first_ms = now_ms;
    struct subject *subject[3];
    for (int i = 0; i < 3; i++) {
        subject[i] = subject_new();
        subject[i]->kickoffs_per_second = 10;
        submit(subject[i]);
    }
    turn();
    ck_assert_uint_eq(n_transfers, 1);
    ck_assert_uint_eq(gate_crowd(gate), 3);
    turn_at(first_ms + 100 - GATE_LATE_MS - 1);
    ck_assert_uint_eq(n_transfers, 1);
    turn_at(first_ms + 100 - GATE_LATE_MS);
    ck_assert_uint_eq(n_transfers, 2);
    turn_at(first_ms + 200 - GATE_LATE_MS);
    ck_assert_uint_eq(n_transfers, 3);
}
END_TEST

START_TEST(a_kickoff_that_goes_again_takes_another_slot)
{
    int64_t first_ms = now_ms;
    struct subject *subject = subject_new();
    subject->timeout = "1000";
    subject->kickoffs_per_second = 0.01; /* one in 100 s */
    submit(subject);
    turn();
    begin(last());
    break_off(last(), TRANSPORT_CONNECT, false);
    turn_at(first_ms + 90000);
    ck_assert_uint_eq(n_transfers, 1);
    turn_at(first_ms + 100000 - GATE_LATE_MS);
    ck_assert_uint_eq(n_transfers, 2);
}
END_TEST

START_TEST(a_prepare_call_and_its_kickoff_share_a_slot)
{
    struct subject *subject = subject_new();
    subject->metadata = ",\"http.prepare_url\":\"http://prepare.example/sessions\"";
    subject->kickoffs_per_second = 0.01;
    submit(subject);
    turn();
    begin(last());
    answer(last(), 200, "{}");
    ck_assert_uint_eq(n_transfers, 2);
}
END_TEST

START_TEST(one_that_rests_for_a_rate_can_be_cancelled)
{
    struct subject *first = subject_new();
    struct subject *second = subject_new();
    first->kickoffs_per_second = second->kickoffs_per_second = 0.01;
    submit(first);
    submit(second);
    turn();
    ck_assert_uint_eq(n_transfers, 1);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    ck_assert_int_eq(second->ended, 1);
    ck_assert(!second->was_begun);
}
END_TEST

/* As where the wall clock is set back, or loses a millisecond between two looks. */
START_TEST(one_that_rests_for_a_rate_does_not_go_where_it_is_woken_too_early)
{
    int64_t first_ms = now_ms;
    struct subject *subject[2];
    for (int i = 0; i < 2; i++) {
        subject[i] = subject_new();
        subject[i]->kickoffs_per_second = 0.01;
        submit(subject[i]);
    }
    turn();
    ck_assert_uint_eq(n_transfers, 1);
    (void)heap_set(&runner.timers, &subject[1]->run->timer, first_ms + 5000);
    turn_at(first_ms + 5000);
    ck_assert_uint_eq(n_transfers, 1);
    turn_at(first_ms + 100000 - GATE_LATE_MS);
    ck_assert_uint_eq(n_transfers, 2);
}
END_TEST

/* That its owner was told of it is no slot. */
START_TEST(one_that_was_accepted_rests_for_no_slot)
{
    struct subject *subject = subject_new();
    submit(subject);
    turn();
    begin(last());
    answer(last(), 202, "{\"id\":\"r1\"}");
    ck_assert_int_eq(subject->accepted, 1);
    ck_assert_uint_eq(n_transfers, 2);
    (void)heap_set(&runner.timers, &subject->run->timer, now_ms + 100);
    turn_at(now_ms + 100);
    ck_assert_uint_eq(n_transfers, 2);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("departure");
    TCase *tc = tcase_create("departure");
    tcase_add_checked_fixture(tc, setup_gates, teardown_gates);
    tcase_add_test(tc, a_run_counts_until_its_kickoff_has_left);
    tcase_add_test(tc, one_whose_kickoff_is_held_counts);
    tcase_add_test(tc, one_that_rests_before_it_tries_again_counts);
    tcase_add_test(tc, one_that_prepares_counts_where_it_goes_first);
    tcase_add_test(tc, each_that_joins_a_crowd_that_is_too_large_is_told_of_once);
    tcase_add_test(tc, one_that_ends_while_it_waits_counts_no_more);
    tcase_add_test(tc, one_that_goes_on_from_before_never_counts);
    tcase_add_test(tc, a_profile_s_kickoffs_go_one_after_another);
    tcase_add_test(tc, a_kickoff_that_goes_again_takes_another_slot);
    tcase_add_test(tc, a_prepare_call_and_its_kickoff_share_a_slot);
    tcase_add_test(tc, one_that_rests_for_a_rate_can_be_cancelled);
    tcase_add_test(tc, one_that_rests_for_a_rate_does_not_go_where_it_is_woken_too_early);
    tcase_add_test(tc, one_that_was_accepted_rests_for_no_slot);
    suite_add_tcase(suite, tc);
    return suite;
}
