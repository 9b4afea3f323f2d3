#include "core/cancels.h"
#include "support/check_main.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define NOW_MS INT64_C(1764000000000)

static struct cancels *cancels;

static void setup(void)
{
    cancels = cancels_new();
    ck_assert_ptr_nonnull(cancels);
}

static void teardown(void)
{
    cancels_free(cancels);
}

static const struct {
    int64_t input_at_ms;
    bool is_hit;
} inputs[] = {{NOW_MS - 1, true}, {NOW_MS, true}, {NOW_MS + 1, false}, {-1, true}, {0, true}};

START_TEST(hits_what_was_enqueued_before_it_and_nothing_later)
{
    ck_assert(cancels_add(cancels, "a", NOW_MS, NOW_MS));
    ck_assert_int_eq(cancels_hit(cancels, "a", inputs[_i].input_at_ms), inputs[_i].is_hit);
    ck_assert(!cancels_hit(cancels, "b", inputs[_i].input_at_ms));
}
END_TEST

START_TEST(without_any_cancel_and_without_a_table_nothing_is_hit)
{
    ck_assert(!cancels_hit(cancels, "a", -1));
    ck_assert(!cancels_hit(NULL, "a", -1));
    ck_assert_uint_eq(cancels_count(cancels), 0);
}
END_TEST

START_TEST(a_later_one_replaces_an_earlier_one_and_not_the_other_way_round)
{
    ck_assert(cancels_add(cancels, "a", NOW_MS - 100, NOW_MS));
    ck_assert(!cancels_hit(cancels, "a", NOW_MS - 50));
    ck_assert(cancels_add(cancels, "a", NOW_MS, NOW_MS));
    ck_assert(cancels_hit(cancels, "a", NOW_MS - 50));
    ck_assert(!cancels_add(cancels, "a", NOW_MS - 100, NOW_MS));
    ck_assert(!cancels_add(cancels, "a", NOW_MS, NOW_MS));
    ck_assert(cancels_hit(cancels, "a", NOW_MS - 50));
    ck_assert_uint_eq(cancels_count(cancels), 1);
}
END_TEST

START_TEST(one_is_kept_for_an_hour)
{
    ck_assert(cancels_add(cancels, "a", NOW_MS, NOW_MS));
    ck_assert(cancels_add(cancels, "b", NOW_MS + CANCELS_KEPT_MS, NOW_MS + CANCELS_KEPT_MS));
    ck_assert(cancels_hit(cancels, "a", NOW_MS));
    cancels_expire(cancels, NOW_MS + CANCELS_KEPT_MS);
    ck_assert(cancels_hit(cancels, "a", NOW_MS));
    cancels_expire(cancels, NOW_MS + CANCELS_KEPT_MS + 1);
    ck_assert(!cancels_hit(cancels, "a", NOW_MS));
    ck_assert(cancels_hit(cancels, "b", NOW_MS));
    cancels_add(cancels, "c", NOW_MS + INT64_C(2) * CANCELS_KEPT_MS + 1, NOW_MS + INT64_C(2) * CANCELS_KEPT_MS + 1);
    ck_assert(!cancels_hit(cancels, "b", NOW_MS));
    ck_assert_uint_eq(cancels_count(cancels), 1);
}
END_TEST

START_TEST(one_that_is_older_than_an_hour_is_not_taken)
{
    ck_assert(!cancels_add(cancels, "a", NOW_MS - CANCELS_KEPT_MS - 1, NOW_MS));
    ck_assert(!cancels_hit(cancels, "a", -1));
    ck_assert(cancels_add(cancels, "a", NOW_MS - CANCELS_KEPT_MS, NOW_MS));
}
END_TEST

START_TEST(the_hour_of_one_from_the_future_begins_when_it_comes)
{
    ck_assert(cancels_add(cancels, "a", INT64_MAX, NOW_MS));
    ck_assert(cancels_hit(cancels, "a", NOW_MS + 5));
    cancels_expire(cancels, NOW_MS + CANCELS_KEPT_MS + 1);
    ck_assert(!cancels_hit(cancels, "a", NOW_MS + 5));
}
END_TEST

START_TEST(beyond_the_limit_the_oldest_is_forgotten)
{
    char id[32];
    for (int i = 0; i < CANCELS_MAX; i++) {
        snprintf(id, sizeof id, "run-%d", i);
        ck_assert(cancels_add(cancels, id, NOW_MS + (i + 7) % CANCELS_MAX, NOW_MS + CANCELS_MAX)); /* 99,993 is the oldest */
    }
    ck_assert(cancels_hit(cancels, "run-99993", -1));
    ck_assert(cancels_add(cancels, "one more", NOW_MS + CANCELS_MAX, NOW_MS + CANCELS_MAX));
    ck_assert_uint_eq(cancels_count(cancels), CANCELS_MAX);
    ck_assert(!cancels_hit(cancels, "run-99993", -1));
    ck_assert(cancels_hit(cancels, "run-99994", -1));
    ck_assert(cancels_hit(cancels, "one more", -1));
}
END_TEST

START_TEST(ids_have_a_limit_together)
{
    static char id[1 << 20];
    memset(id, 'x', sizeof id - 1);
    for (int i = 0; i < 70; i++) {
        id[0] = (char)('0' + i);
        ck_assert(cancels_add(cancels, id, NOW_MS + i, NOW_MS + 100));
    }
    ck_assert_uint_eq(cancels_count(cancels), 64);
    ck_assert(cancels_hit(cancels, id, -1));
    id[0] = '0';
    ck_assert(!cancels_hit(cancels, id, -1));
}
END_TEST

static void *add_many(void *opaque)
{
    const char *letter = opaque;
    char id[32];
    for (int i = 0; i < 2000; i++) {
        snprintf(id, sizeof id, "%s%d", letter, i);
        cancels_add(cancels, id, NOW_MS, NOW_MS);
    }
    return NULL;
}

START_TEST(threads_may_add_while_others_ask)
{
    static char letters[2][2] = {"x", "y"};
    pthread_t adders[2];
    ck_assert_int_eq(pthread_create(&adders[0], NULL, add_many, letters[0]), 0);
    ck_assert_int_eq(pthread_create(&adders[1], NULL, add_many, letters[1]), 0);
    bool before = false;
    for (int i = 0; i < 2000; i++) {
        bool now = cancels_hit(cancels, "x5", NOW_MS);
        ck_assert(now || !before);
        before = now;
    }
    pthread_join(adders[0], NULL);
    pthread_join(adders[1], NULL);
    ck_assert(cancels_hit(cancels, "x1999", NOW_MS));
    ck_assert_uint_eq(cancels_count(cancels), 4000);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("cancels");
    TCase *tcase = tcase_create("cancels");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, hits_what_was_enqueued_before_it_and_nothing_later, 0, sizeof inputs / sizeof inputs[0]);
    tcase_add_test(tcase, without_any_cancel_and_without_a_table_nothing_is_hit);
    tcase_add_test(tcase, a_later_one_replaces_an_earlier_one_and_not_the_other_way_round);
    tcase_add_test(tcase, one_is_kept_for_an_hour);
    tcase_add_test(tcase, one_that_is_older_than_an_hour_is_not_taken);
    tcase_add_test(tcase, the_hour_of_one_from_the_future_begins_when_it_comes);
    tcase_add_test(tcase, beyond_the_limit_the_oldest_is_forgotten);
    tcase_add_test(tcase, ids_have_a_limit_together);
    tcase_add_test(tcase, threads_may_add_while_others_ask);
    suite_add_tcase(suite, tcase);
    return suite;
}
