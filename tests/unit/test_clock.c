#include "base/clock.h"
#include "support/check_main.h"

#include <time.h>

START_TEST(the_monotonic_clock_never_steps_back)
{
    int64_t last_ms = clock_mono_ms();
    for (int i = 0; i < 10000; i++) {
        int64_t now_ms = clock_mono_ms();
        ck_assert_int_ge(now_ms, last_ms);
        last_ms = now_ms;
    }
}
END_TEST

START_TEST(the_monotonic_clock_counts_milliseconds)
{
    struct timespec before;
    struct timespec after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    int64_t now_ms = clock_mono_ms();
    clock_gettime(CLOCK_MONOTONIC, &after);
    ck_assert_int_ge(now_ms, before.tv_sec * 1000 + before.tv_nsec / 1000000);
    ck_assert_int_le(now_ms, after.tv_sec * 1000 + after.tv_nsec / 1000000);
}
END_TEST

START_TEST(the_wall_clock_tells_unix_time)
{
    struct timespec before;
    struct timespec after;
    clock_gettime(CLOCK_REALTIME, &before);
    int64_t now_ms = clock_wall_ms();
    clock_gettime(CLOCK_REALTIME, &after);
    ck_assert_int_ge(now_ms, before.tv_sec * 1000 + before.tv_nsec / 1000000);
    ck_assert_int_le(now_ms, after.tv_sec * 1000 + after.tv_nsec / 1000000);
}
END_TEST

START_TEST(the_wall_clock_in_microseconds_is_the_same_clock)
{
    int64_t before_ms = clock_wall_ms();
    int64_t now_us = clock_wall_us();
    int64_t after_ms = clock_wall_ms();
    ck_assert_int_ge(now_us / 1000, before_ms);
    ck_assert_int_le(now_us / 1000, after_ms);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("clock");
    TCase *tcase = tcase_create("clock");
    tcase_add_test(tcase, the_monotonic_clock_never_steps_back);
    tcase_add_test(tcase, the_monotonic_clock_counts_milliseconds);
    tcase_add_test(tcase, the_wall_clock_tells_unix_time);
    tcase_add_test(tcase, the_wall_clock_in_microseconds_is_the_same_clock);
    suite_add_tcase(suite, tcase);
    return suite;
}
