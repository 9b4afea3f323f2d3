#include "support/cycle_rows.h"

START_TEST(the_stretch_lengthens_the_interval_and_never_shortens_it)
{
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, PENDING, 0.5, WAIT, 2300, CYCLE_REST},
        {2300, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {2400, PENDING, 0.9999, WAIT, 4599, CYCLE_REST},
    };
    PLAY(&usual, rows);
}
END_TEST

START_TEST(an_interval_of_zero_polls_again_at_once)
{
    struct cycle_config config = usual;
    config.poll_interval_ms = 0;
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, PENDING, 0.5, WAIT, 200, CYCLE_REST},
        {200, TIMER, 0, POLL, 10100, CYCLE_POLL},
    };
    PLAY(&config, rows);
}
END_TEST

START_TEST(an_interval_beyond_all_time_waits_for_the_deadline)
{
    struct cycle_config config = usual;
    config.poll_interval_ms = INT64_MAX;
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, PENDING, 0.5, WAIT, 10100, CYCLE_REST},
        {10100, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    PLAY(&config, rows);
}
END_TEST

/* The ceiling of the n-th consecutive failure, seen by a jitter of a half. */
static const int64_t half_backoff_ms[] = {250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000};

START_TEST(failures_back_off_to_half_a_minute)
{
    struct cycle_config config = {
        .timeout_ms = 1000000, .start_before_ms = CLOCK_NEVER, .poll_interval_ms = 0, .poll_backoff_factor = 1,
        .poll_jitter = 0.1, .poll_max_failures = 100, .polls = true};
    struct cycle cycle;
    cycle_init(&cycle);
    cycle_step(&cycle, &config, (struct cycle_event){.kind = CYCLE_EVENT_START}, 0);
    cycle_step(&cycle, &config, (struct cycle_event){.kind = CYCLE_EVENT_BEGUN}, 0);
    cycle_step(&cycle, &config, (struct cycle_event){.kind = CYCLE_EVENT_ACCEPTED}, 0);
    int64_t now_ms = 0;
    for (size_t i = 0; i < sizeof half_backoff_ms / sizeof half_backoff_ms[0]; i++) {
        struct cycle_event failed = {.kind = CYCLE_EVENT_TRANSIENT, .jitter = 0.5};
        struct cycle_action action = cycle_step(&cycle, &config, failed, now_ms);
        ck_assert_int_eq(action.kind, CYCLE_WAIT);
        ck_assert_int_eq(action.wake_at_ms, now_ms + half_backoff_ms[i]);
        now_ms = action.wake_at_ms;
        action = cycle_step(&cycle, &config, (struct cycle_event){.kind = CYCLE_EVENT_TIMER}, now_ms);
        ck_assert_int_eq(action.kind, CYCLE_SEND_POLL);
    }
}
END_TEST

START_TEST(backing_off_is_never_shorter_than_the_stretched_interval)
{
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, TRANSIENT, 0.5, WAIT, 2300, CYCLE_REST},
    };
    PLAY(&usual, rows);
    struct cycle_config config = usual;
    config.poll_interval_ms = 300;
    static const struct row longer[] = {
        TO_FIRST_POLL,
        {200, TRANSIENT, 0.75, WAIT, 575, CYCLE_REST},
    };
    PLAY(&config, longer);
}
END_TEST

/* The interval, and how it grows: stretched by nothing here. */
static const struct {
    int64_t interval_ms;
    double factor;
    int64_t max_ms;
    int64_t wait_ms[5];
} growing[] = {
    {1000, 1, 60000, {1000, 1000, 1000, 1000, 1000}},
    {1000, 2, 60000, {1000, 2000, 4000, 8000, 16000}},
    {1000, 1.5, 60000, {1000, 1500, 2250, 3375, 5062}},
    {1000, 2, 5000, {1000, 2000, 4000, 5000, 5000}},
    {1000, 2, 1000, {1000, 1000, 1000, 1000, 1000}},
    {1000, 2, 300, {1000, 1000, 1000, 1000, 1000}}, /* a ceiling below the interval does not shorten it */
    {1000, 2, 0, {1000, 1000, 1000, 1000, 1000}},
    {0, 2, 60000, {0, 0, 0, 0, 0}},
    {1000, 1e300, 60000, {1000, 60000, 60000, 60000, 60000}},
};

START_TEST(the_interval_grows_by_its_factor_up_to_its_ceiling)
{
    struct cycle_config config = usual;
    struct cycle cycle;
    config.timeout_ms = INT64_MAX / 4;
    config.poll_interval_ms = growing[_i].interval_ms;
    config.poll_backoff_factor = growing[_i].factor;
    config.poll_max_interval_ms = growing[_i].max_ms;
    cycle_init(&cycle);
    cycle_step(&cycle, &config, (struct cycle_event){.kind = CYCLE_EVENT_START}, 0);
    cycle_step(&cycle, &config, (struct cycle_event){.kind = CYCLE_EVENT_BEGUN}, 0);
    cycle_step(&cycle, &config, (struct cycle_event){.kind = CYCLE_EVENT_ACCEPTED}, 0);
    int64_t now_ms = 0;
    for (int i = 0; i < 5; i++) {
        const struct cycle_event pending = {.kind = CYCLE_EVENT_PENDING};
        struct cycle_action action = cycle_step(&cycle, &config, pending, now_ms);
        ck_assert_int_eq(action.wake_at_ms, now_ms + growing[_i].wait_ms[i]);
        now_ms = action.wake_at_ms;
        action = cycle_step(&cycle, &config, (struct cycle_event){.kind = CYCLE_EVENT_TIMER}, now_ms);
        ck_assert_int_eq(action.kind, CYCLE_SEND_POLL);
    }
}
END_TEST

START_TEST(what_grows_is_the_interval_and_not_its_stretch)
{
    struct cycle_config config = usual;
    config.poll_backoff_factor = 2;
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, PENDING, 0.5, WAIT, 2300, CYCLE_REST},
        {2300, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {2400, PENDING, 0, WAIT, 6400, CYCLE_REST},
    };
    PLAY(&config, rows);
}
END_TEST

START_TEST(a_failure_waits_by_the_first_interval_and_the_growth_goes_on)
{
    struct cycle_config config = usual;
    config.poll_backoff_factor = 2;
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, PENDING, 0, WAIT, 2200, CYCLE_REST},
        {2200, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {2300, TRANSIENT, 0, WAIT, 4300, CYCLE_REST},
        {4300, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {4400, PENDING, 0, WAIT, 8400, CYCLE_REST},
    };
    PLAY(&config, rows);
}
END_TEST

START_TEST(retry_after_lengthens_a_wait_and_never_shortens_it)
{
    static const struct row pending[] = {TO_FIRST_POLL, {200, PENDING, 0.5, WAIT, 5200, CYCLE_REST, .retry_after_ms = 5000}};
    static const struct row less[] = {TO_FIRST_POLL, {200, PENDING, 0.5, WAIT, 2300, CYCLE_REST, .retry_after_ms = 2000}};
    static const struct row failed[] = {TO_FIRST_POLL,
                                        {200, TRANSIENT, 0.5, WAIT, 5200, CYCLE_REST, .retry_after_ms = 5000}};
    static const struct row accepted[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {100, BEGUN, 0, WAIT, 10100, CYCLE_KICKOFF},
        {200, ACCEPTED, 0.5, WAIT, 5200, CYCLE_REST, .retry_after_ms = 5000},
        {5199, TIMER, 0, WAIT, 5200, CYCLE_REST},
        {5200, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {5300, PENDING, 0, WAIT, 7300, CYCLE_REST},
    };
    PLAY(&usual, pending);
    PLAY(&usual, less);
    PLAY(&usual, failed);
    struct cycle cycle = PLAY(&usual, accepted);
    ck_assert_int_eq(cycle.polls, 1);
}
END_TEST

START_TEST(retry_after_is_no_interval_that_grows)
{
    struct cycle_config config = usual;
    config.poll_backoff_factor = 1.5;
    static const struct row rows[] = {
        TO_FIRST_POLL,
        {200, PENDING, 0, WAIT, 5200, CYCLE_REST, .retry_after_ms = 5000},
        {5200, TIMER, 0, POLL, 10100, CYCLE_POLL},
        {5300, PENDING, 0, WAIT, 8300, CYCLE_REST},
    };
    PLAY(&config, rows);
}
END_TEST

START_TEST(the_deadline_cuts_through_a_retry_after)
{
    static const struct row polling[] = {
        TO_FIRST_POLL,
        {200, PENDING, 0, WAIT, 10100, CYCLE_REST, .retry_after_ms = INT64_MAX},
        {10100, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    static const struct row accepted[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {100, BEGUN, 0, WAIT, 10100, CYCLE_KICKOFF},
        {200, ACCEPTED, 0, WAIT, 10100, CYCLE_REST, .retry_after_ms = 86400000},
        {10100, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    PLAY(&usual, polling);
    struct cycle cycle = PLAY(&usual, accepted);
    ck_assert_int_eq(cycle.ended_in, CYCLE_POLL);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("cycle_waits");
    TCase *tcase = tcase_create("cycle_waits");
    tcase_add_test(tcase, the_stretch_lengthens_the_interval_and_never_shortens_it);
    tcase_add_test(tcase, an_interval_of_zero_polls_again_at_once);
    tcase_add_test(tcase, an_interval_beyond_all_time_waits_for_the_deadline);
    tcase_add_test(tcase, failures_back_off_to_half_a_minute);
    tcase_add_test(tcase, backing_off_is_never_shorter_than_the_stretched_interval);
    tcase_add_loop_test(tcase, the_interval_grows_by_its_factor_up_to_its_ceiling, 0,
                        (int)(sizeof growing / sizeof growing[0]));
    tcase_add_test(tcase, what_grows_is_the_interval_and_not_its_stretch);
    tcase_add_test(tcase, a_failure_waits_by_the_first_interval_and_the_growth_goes_on);
    tcase_add_test(tcase, retry_after_lengthens_a_wait_and_never_shortens_it);
    tcase_add_test(tcase, retry_after_is_no_interval_that_grows);
    tcase_add_test(tcase, the_deadline_cuts_through_a_retry_after);
    suite_add_tcase(suite, tcase);
    return suite;
}
