#include "backend/seen.h"
#include "support/check_main.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

START_TEST(counts_very_many_keys)
{
    enum { N = 50000 };
    struct seen *seen = seen_new();
    for (int i = 0; i < 3 * N; i++) {
        char key[32];
        snprintf(key, sizeof(key), "invocation-%d", i % (2 * N));
        seen_key(seen, key);
    }
    struct seen_keys keys;
    seen_read_keys(seen, &keys);
    ck_assert_uint_eq(keys.distinct, 2 * N);
    ck_assert_uint_eq(keys.repeated, N);
    ck_assert_uint_eq(keys.uncounted, 0);
    seen_free(seen);
}
END_TEST

START_TEST(counts_runs_until_they_end)
{
    struct seen *seen = seen_new();
    int64_t now_ms = 1700000000000;
    seen_run(seen, now_ms, now_ms + 5000);
    seen_run(seen, now_ms, now_ms + 60000);
    seen_run(seen, now_ms, now_ms + (int64_t)1000 * 86400000);
    seen_run(seen, now_ms, now_ms);
    ck_assert_uint_eq(seen_runs(seen, now_ms), 3);
    ck_assert_uint_eq(seen_runs(seen, now_ms + 4999), 3);
    ck_assert_uint_eq(seen_runs(seen, now_ms + 6000), 2);
    ck_assert_uint_eq(seen_runs(seen, now_ms + 61000), 1);
    ck_assert_uint_eq(seen_runs(seen, now_ms + (int64_t)2 * 86400000), 0);
    seen_free(seen);
}
END_TEST

START_TEST(forgets_the_oldest_of_very_many_remembered_runs)
{
    struct seen *seen = seen_new();
    for (int i = 0; i <= SEEN_RUNS; i++) {
        char id[32];
        snprintf(id, sizeof(id), "id-%d", i);
        ck_assert_int_eq(seen_remember(seen, id, "course"), 0);
    }
    ck_assert_int_eq(seen_remember(seen, "id-7", "newer"), 0);
    ck_assert_ptr_null(seen_recall(seen, "id-0"));
    char *course = seen_recall(seen, "id-7");
    ck_assert_str_eq(course, "newer");
    free(course);
    course = seen_recall(seen, "id-4096");
    ck_assert_str_eq(course, "course");
    free(course);
    seen_free(seen);
}
END_TEST

START_TEST(counts_the_polls_of_many_runs_that_are_polled_in_turn)
{
    struct seen *seen = seen_new();
    for (int i = 0; i < 5 * 3000; i++) {
        char id[32];
        snprintf(id, sizeof(id), "id-%d", i % 3000);
        ck_assert_uint_eq(seen_poll(seen, id), i / 3000);
    }
    seen_free(seen);
}
END_TEST

START_TEST(forgets_the_counts_of_runs_that_were_polled_long_ago)
{
    struct seen *seen = seen_new();
    uint64_t known = 0;
    for (int i = 0; i < 2 * 200000; i++) {
        char id[32];
        snprintf(id, sizeof(id), "id-%d", i % 200000);
        known += seen_poll(seen, id);
    }
    ck_assert_uint_lt(known, 65536);
    seen_free(seen);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("seen");
    TCase *tests = tcase_create("all");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, counts_very_many_keys);
    tcase_add_test(tests, counts_runs_until_they_end);
    tcase_add_test(tests, forgets_the_oldest_of_very_many_remembered_runs);
    tcase_add_test(tests, counts_the_polls_of_many_runs_that_are_polled_in_turn);
    tcase_add_test(tests, forgets_the_counts_of_runs_that_were_polled_long_ago);
    return suite;
}
