#include "core/crowds.h"

#include "base/clock.h"
#include "ops/log.h"
#include "support/check_main.h"
#include "support/job_stage.h"

#include <pthread.h>
#include <string.h>

#define GO_ON_AT 3
#define JOBS 8

static struct crowds crowds;
static struct gates *gates;
static struct gate *slow;
static struct gate *dead;
static struct assignment *one;
static struct assignment *two;
static struct job jobs[JOBS]; /* only what crowds look at */
static struct job_begin begins[JOBS];
static int pauses[2];         /* of one and two: less what was taken back */
static int calls;

static void on_pause(struct assignment *assignment, bool pause, void *opaque)
{
    ck_assert_ptr_eq(opaque, &crowds);
    pauses[assignment == two] += pause ? 1 : -1;
    calls++;
}

static void crowd(struct gate *gate, int change)
{
    for (; change > 0; change--)
        gate_join(gate);
    for (; change < 0; change++)
        gate_leave(gate);
}

static void setup(void)
{
    const struct gates_config config = {0};
    log_set_level(LOG_ERROR);
    gates = gates_new(&config);
    slow = gates_get(gates, "http://slow:80", 0);
    dead = gates_get(gates, "http://dead:80", 0);
    one = assignment_new("in", 1, 1);
    two = assignment_new("in", 2, 2);
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < JOBS; i++) {
        stage_begin(&jobs[i], &begins[i]);
        jobs[i].ref.assignment = i % 2 == 0 ? one : two;
    }
    pauses[0] = pauses[1] = calls = 0;
    crowds_init(&crowds, GO_ON_AT, on_pause, &crowds);
    crowd(slow, 5);
    crowd(dead, 5);
}

static void teardown(void)
{
    crowds_deinit(&crowds, 0);
    ck_assert_uint_eq(one->holders, 1);
    ck_assert_uint_eq(two->holders, 1);
    assignment_release(one);
    assignment_release(two);
    gate_release(slow, 0);
    gate_release(dead, 0);
    ck_assert_uint_eq(gates_count(gates), 0); /* nobody else holds one */
    gates_free(gates);
}

START_TEST(the_partition_of_a_run_that_is_one_too_many_pauses_alone)
{
    ck_assert_int_eq(crowds_serve(&crowds, 1000), CLOCK_NEVER);
    crowds_join(&crowds, &jobs[0], slow);
    ck_assert_int_eq(calls, 0); /* by this thread, and not by the one that joins */
    ck_assert(!crowds_are_there(&crowds));
    ck_assert_int_eq(crowds_serve(&crowds, 1000), 1000 + CROWDS_LOOK_MS);
    ck_assert(crowds_are_there(&crowds));
    ck_assert_int_eq(pauses[0], 1);
    ck_assert_int_eq(pauses[1], 0);
    crowds_join(&crowds, &jobs[2], slow); /* another of it says the same */
    crowds_serve(&crowds, 1000);
    ck_assert_int_eq(calls, 1);
}
END_TEST

/* how many wait; does the partition go on? */
static const struct {
    int waiting;
    bool goes_on;
} levels[] = {{5, false}, {GO_ON_AT + 1, false}, {GO_ON_AT, true}, {0, true}};

START_TEST(it_goes_on_once_few_enough_wait)
{
    crowds_join(&crowds, &jobs[0], slow);
    crowds_serve(&crowds, 0);
    crowd(slow, levels[_i].waiting - 5);
    int64_t next_ms = crowds_serve(&crowds, 100);
    ck_assert_int_eq(pauses[0], levels[_i].goes_on ? 0 : 1);
    ck_assert_int_eq(next_ms, levels[_i].goes_on ? CLOCK_NEVER : 100 + CROWDS_LOOK_MS);
}
END_TEST

START_TEST(one_that_is_paused_for_two_gates_waits_for_both)
{
    crowds_join(&crowds, &jobs[0], slow);
    crowds_join(&crowds, &jobs[2], dead);
    crowds_serve(&crowds, 0);
    ck_assert_int_eq(calls, 1);
    crowd(slow, -5);
    crowds_serve(&crowds, 0);
    ck_assert_int_eq(pauses[0], 1);
    crowd(dead, -5);
    crowds_serve(&crowds, 0);
    ck_assert_int_eq(pauses[0], 0);
    ck_assert_int_eq(calls, 2);
}
END_TEST

START_TEST(what_is_over_before_it_is_looked_at_pauses_nothing)
{
    crowds_join(&crowds, &jobs[0], slow);
    crowds_join(&crowds, &jobs[1], dead);
    crowds_forget(&crowds, &jobs[1], 0); /* its job ended */
    crowds_forget(&crowds, &jobs[1], 0);
    crowds_forget(&crowds, &jobs[3], 0); /* never joined */
    crowd(slow, -5);                     /* nobody waits any more */
    ck_assert_int_eq(crowds_serve(&crowds, 0), CLOCK_NEVER);
    ck_assert_int_eq(calls, 0);
}
END_TEST

START_TEST(a_run_can_join_again)
{
    crowds_join(&crowds, &jobs[0], slow);
    crowds_join(&crowds, &jobs[0], dead); /* while nobody has looked: once */
    crowds_serve(&crowds, 0);
    crowd(slow, -5);
    crowds_serve(&crowds, 0);
    ck_assert_int_eq(pauses[0], 0);
    crowds_join(&crowds, &jobs[0], dead);
    crowds_serve(&crowds, 0);
    ck_assert_int_eq(pauses[0], 1);
}
END_TEST

START_TEST(a_partition_that_leaves_is_let_go)
{
    crowds_join(&crowds, &jobs[0], slow);
    crowds_join(&crowds, &jobs[1], slow);
    crowds_serve(&crowds, 0);
    ck_assert_uint_eq(one->holders, 2);
    tenure_set(&one->tenure, TENURE_ENDING);
    crowds_leave(&crowds, one, 0);
    ck_assert_uint_eq(one->holders, 1);
    ck_assert_int_eq(pauses[0], 1); /* whoever has it next begins anew */
    crowds_join(&crowds, &jobs[2], slow);
    crowds_serve(&crowds, 0);
    ck_assert_uint_eq(one->holders, 1);
    ck_assert_uint_eq(two->holders, 2);
}
END_TEST

START_TEST(what_is_left_at_the_end_is_let_go)
{
    crowds_join(&crowds, &jobs[0], slow);
    crowds_serve(&crowds, 0);
    crowds_join(&crowds, &jobs[1], dead); /* teardown sees that nothing is held */
}
END_TEST

static void *join_all(void *opaque)
{
    struct gate *gate = opaque;
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < JOBS; i++)
            crowds_join(&crowds, &jobs[i], gate);
    }
    return NULL;
}

START_TEST(loops_join_while_the_kafka_thread_looks)
{
    pthread_t thread[2];
    ck_assert_int_eq(pthread_create(&thread[0], NULL, join_all, slow), 0);
    ck_assert_int_eq(pthread_create(&thread[1], NULL, join_all, dead), 0);
    for (int i = 0; i < 2000; i++)
        crowds_serve(&crowds, i);
    pthread_join(thread[0], NULL);
    pthread_join(thread[1], NULL);
    crowds_serve(&crowds, 0);
    ck_assert_int_eq(pauses[0], 1);
    ck_assert_int_eq(pauses[1], 1);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("crowds");
    TCase *tc = tcase_create("crowds");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_partition_of_a_run_that_is_one_too_many_pauses_alone);
    tcase_add_loop_test(tc, it_goes_on_once_few_enough_wait, 0, sizeof levels / sizeof levels[0]);
    tcase_add_test(tc, one_that_is_paused_for_two_gates_waits_for_both);
    tcase_add_test(tc, what_is_over_before_it_is_looked_at_pauses_nothing);
    tcase_add_test(tc, a_run_can_join_again);
    tcase_add_test(tc, a_partition_that_leaves_is_let_go);
    tcase_add_test(tc, what_is_left_at_the_end_is_let_go);
    tcase_add_test(tc, loops_join_while_the_kafka_thread_looks);
    suite_add_tcase(suite, tc);
    return suite;
}
