#include "engine/roll.h"
#include "engine/run.h"
#include "support/check_main.h"

#include <string.h>

#define RUNS 200

static struct run runs[RUNS];
static int visits[RUNS];
static struct roll roll;

static void setup(void)
{
    roll_init(&roll);
    memset(visits, 0, sizeof visits);
    ck_assert_int_eq(roll_reserve(&roll, RUNS), 0);
    for (int i = 0; i < RUNS; i++) {
        run_init(&runs[i]);
    }
}

static void teardown(void)
{
    roll_deinit(&roll);
}

static void add(int from, int to)
{
    for (int i = from; i < to; i++) {
        roll_add(&roll, &runs[i]);
    }
}

/* So many steps of it; -1: to its end. */
static void walk_on(int steps)
{
    struct run *run;
    while (steps-- != 0 && (run = roll_next(&roll)) != NULL) {
        visits[run - runs]++;
    }
}

START_TEST(a_walk_visits_each_run_once_and_the_next_one_again)
{
    add(0, RUNS);
    for (int round = 1; round <= 3; round++) {
        roll_begin(&roll);
        walk_on(-1);
        for (int i = 0; i < RUNS; i++) {
            ck_assert_int_eq(visits[i], round);
        }
    }
}
END_TEST

START_TEST(who_comes_and_goes_changes_nothing_for_those_that_stay)
{
    add(0, 100);
    for (int round = 0; round < 2; round++) {
        memset(visits, 0, sizeof visits);
        roll_begin(&roll);
        for (int step = 0; step < 50; step++) {
            walk_on(1);
            roll_remove(&roll, &runs[(step * 7 + round) % 100]); /* some that were visited, some that were not */
            roll_add(&roll, &runs[100 + 50 * round + step]);
        }
        walk_on(-1);
        for (int i = 0; i < 100; i++) {
            bool stays = true;
            for (int step = 0; step < 50 * (round + 1); step++) {
                stays = stays && i != (step % 50 * 7 + step / 50) % 100;
            }
            ck_assert_int_le(visits[i], 1);
            ck_assert_msg(!stays || visits[i] == 1, "round %d: run %d was visited %d times", round, i, visits[i]);
        }
        for (int i = 100 + 50 * round; i < 150 + 50 * round; i++) {
            ck_assert_int_eq(visits[i], 0);
        }
    }
}
END_TEST

/* The heap of the lowest takes the fewest then. */
START_TEST(a_walk_goes_from_the_oldest)
{
    add(0, RUNS);
    roll_begin(&roll);
    for (int i = 0; i < RUNS; i++) {
        ck_assert_ptr_eq(roll_next(&roll), &runs[i]);
    }
    ck_assert_ptr_null(roll_next(&roll));
    ck_assert_ptr_null(roll_next(&roll));
}
END_TEST

/* And what left meanwhile left no gaps. */
START_TEST(a_walk_that_is_given_up_is_none_for_the_next)
{
    add(0, 20);
    roll_begin(&roll);
    walk_on(10);
    roll_remove(&roll, &runs[3]);
    roll_remove(&roll, &runs[15]);
    if (_i == 1) {
        roll_stop(&roll);
        ck_assert_ptr_null(roll_next(&roll));
    }
    memset(visits, 0, sizeof visits);
    roll_begin(&roll);
    walk_on(-1);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(visits[i], i != 3 && i != 15);
    }
}
END_TEST

START_TEST(adding_and_removing_twice_are_harmless)
{
    add(0, 3);
    add(0, 3);
    ck_assert_uint_eq(roll.n, 3);
    roll_remove(&roll, &runs[1]);
    roll_remove(&roll, &runs[1]);
    roll_remove(&roll, &runs[5]);
    ck_assert_uint_eq(roll.n, 2);
    roll_begin(&roll);
    walk_on(-1);
    ck_assert_int_eq(visits[0], 1);
    ck_assert_int_eq(visits[1], 0);
    ck_assert_int_eq(visits[2], 1);
    roll_remove(&roll, &runs[2]); /* from where it was moved to */
    ck_assert_uint_eq(roll.n, 1);
    ck_assert_ptr_eq(roll.runs[0], &runs[0]);
}
END_TEST

START_TEST(a_roll_that_empties_ends_the_walk)
{
    add(0, 5);
    roll_begin(&roll);
    walk_on(2);
    for (int i = 0; i < 5; i++) {
        roll_remove(&roll, &runs[i]);
    }
    ck_assert_ptr_null(roll_next(&roll));
    ck_assert_int_ne(roll_reserve(&roll, ROLL_MAX + 1), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("roll");
    TCase *tcase = tcase_create("roll");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_walk_visits_each_run_once_and_the_next_one_again);
    tcase_add_test(tcase, who_comes_and_goes_changes_nothing_for_those_that_stay);
    tcase_add_test(tcase, a_walk_goes_from_the_oldest);
    tcase_add_loop_test(tcase, a_walk_that_is_given_up_is_none_for_the_next, 0, 2);
    tcase_add_test(tcase, adding_and_removing_twice_are_harmless);
    tcase_add_test(tcase, a_roll_that_empties_ends_the_walk);
    suite_add_tcase(suite, tcase);
    return suite;
}
