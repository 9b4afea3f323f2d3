#include "support/cycle_rows.h"

/* Before it is accepted: prepare calls, kickoffs that are sent again, and those that come too late. */

static struct cycle_config preparing(void)
{
    struct cycle_config config = usual;
    config.prepares = true;
    return config;
}

/* The time counts from the kickoff: what prepares it has a time of its own, which is the transport's. */
START_TEST(a_prepare_call_comes_before_the_kickoff_and_has_no_deadline)
{
    const struct cycle_config config = preparing();
    static const struct row rows[] = {
        {0, START, 0, PREPARE, N, CYCLE_PREPARE},
        {100, BEGUN, 0, WAIT, N, CYCLE_PREPARE},
        {50000, TIMER, 0, WAIT, N, CYCLE_PREPARE},
        {50000, PREPARED, 0, KICKOFF, N, CYCLE_KICKOFF},
        {60000, TIMER, 0, WAIT, N, CYCLE_KICKOFF},
        {60000, BEGUN, 0, WAIT, 70000, CYCLE_KICKOFF},
        {60100, ACCEPTED, 0, POLL, 70000, CYCLE_POLL},
    };
    PLAY(&config, rows);
}
END_TEST

START_TEST(a_prepare_call_alone_kicks_nothing_off)
{
    const struct cycle_config config = preparing();
    static const struct row rows[] = {
        {0, START, 0, PREPARE, N, CYCLE_PREPARE},
        {100, BEGUN, 0, WAIT, N, CYCLE_PREPARE},
        {200, PREPARED, 0, KICKOFF, N, CYCLE_KICKOFF},
        {300, BEGUN, 0, WAIT, 10300, CYCLE_KICKOFF},
    };
    struct cycle cycle = play(&config, rows, 3);
    ck_assert(!cycle.kicked_off);
    cycle = play(&config, rows, 4);
    ck_assert(cycle.kicked_off);
}
END_TEST

START_TEST(a_prepare_call_that_breaks_ends_the_run)
{
    const struct cycle_config config = preparing();
    static const struct row rows[] = {
        {0, START, 0, PREPARE, N, CYCLE_PREPARE},
        {100, BEGUN, 0, WAIT, N, CYCLE_PREPARE},
        {200, ENDED, 0, VERDICT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&config, rows);
    ck_assert_int_eq(cycle.ended_in, CYCLE_PREPARE);
}
END_TEST

/* Full jitter: between nothing and a ceiling that doubles. */
START_TEST(a_kickoff_is_sent_again_within_its_budget)
{
    static const struct row rows[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {100, BEGUN, 0, WAIT, 10100, CYCLE_KICKOFF},
        {200, RETRY, 0.5, WAIT, 450, CYCLE_REST},
        {449, TIMER, 0, WAIT, 450, CYCLE_REST},
        {450, TIMER, 0, KICKOFF, 10100, CYCLE_KICKOFF},
        {500, BEGUN, 0, WAIT, 10100, CYCLE_KICKOFF},
        {600, RETRY, 0, WAIT, 600, CYCLE_REST},
        {600, TIMER, 0, KICKOFF, 10100, CYCLE_KICKOFF},
        {700, BEGUN, 0, WAIT, 10100, CYCLE_KICKOFF},
        {800, RETRY, 0.75, WAIT, 2300, CYCLE_REST},
        {2300, TIMER, 0, KICKOFF, 10100, CYCLE_KICKOFF},
        {2400, BEGUN, 0, WAIT, 10100, CYCLE_KICKOFF},
        {2500, RETRY, 0.5, VERDICT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert_int_eq(cycle.failures, 4);
    ck_assert_int_eq(cycle.ended_in, CYCLE_KICKOFF);
    ck_assert(!cycle.kicked_off);
    cycle = play(&usual, rows, 12);
    ck_assert(cycle.kicked_off);
    cycle = play(&usual, rows, 11);
    ck_assert(!cycle.kicked_off);
}
END_TEST

START_TEST(an_empty_budget_sends_no_kickoff_again)
{
    struct cycle_config config = usual;
    config.kickoff_max_retries = 0;
    static const struct row rows[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {100, BEGUN, 0, WAIT, 10100, CYCLE_KICKOFF},
        {200, RETRY, 0.5, VERDICT, N, CYCLE_DONE},
    };
    PLAY(&config, rows);
}
END_TEST

START_TEST(retry_after_lengthens_the_wait_for_another_kickoff)
{
    static const struct row rows[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {100, BEGUN, 0, WAIT, 10100, CYCLE_KICKOFF},
        {200, RETRY, 0.5, WAIT, 3200, CYCLE_REST, .retry_after_ms = 3000},
        {3200, TIMER, 0, KICKOFF, 10100, CYCLE_KICKOFF},
        {3300, BEGUN, 0, WAIT, 10100, CYCLE_KICKOFF},
        {3400, RETRY, 0.5, WAIT, 3900, CYCLE_REST, .retry_after_ms = 400},
    };
    PLAY(&usual, rows);
}
END_TEST

/* Its retries and their waits are within the run's time. */
START_TEST(the_deadline_cuts_through_the_wait_for_another_kickoff)
{
    static const struct row rows[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {100, BEGUN, 0, WAIT, 10100, CYCLE_KICKOFF},
        {200, RETRY, 0.5, WAIT, 10100, CYCLE_REST, .retry_after_ms = 86400000},
        {10100, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert_int_eq(cycle.ended_in, CYCLE_KICKOFF);
    ck_assert(!cycle.kicked_off);
}
END_TEST

START_TEST(a_kickoff_that_may_be_sent_again_at_the_deadline_has_started_nothing)
{
    static const struct row rows[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {100, BEGUN, 0, WAIT, 10100, CYCLE_KICKOFF},
        {10100, RETRY, 0, TIMEOUT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert(!cycle.kicked_off);
    ck_assert(!cycle.accepted);
}
END_TEST

START_TEST(prepare_call_and_kickoff_have_a_budget_each)
{
    struct cycle_config config = preparing();
    config.kickoff_max_retries = 1;
    static const struct row rows[] = {
        {0, START, 0, PREPARE, N, CYCLE_PREPARE},
        {0, BEGUN, 0, WAIT, N, CYCLE_PREPARE},
        {100, RETRY, 0.5, WAIT, 350, CYCLE_REST},
        {350, TIMER, 0, PREPARE, N, CYCLE_PREPARE},
        {400, BEGUN, 0, WAIT, N, CYCLE_PREPARE},
        {500, PREPARED, 0, KICKOFF, N, CYCLE_KICKOFF},
        {600, BEGUN, 0, WAIT, 10600, CYCLE_KICKOFF},
        {700, RETRY, 0.5, WAIT, 950, CYCLE_REST},
        {950, TIMER, 0, KICKOFF, 10600, CYCLE_KICKOFF},
        {1000, BEGUN, 0, WAIT, 10600, CYCLE_KICKOFF},
        {1100, RETRY, 0.5, VERDICT, N, CYCLE_DONE},
    };
    static const struct row prepare[] = {
        {0, START, 0, PREPARE, N, CYCLE_PREPARE},
        {0, BEGUN, 0, WAIT, N, CYCLE_PREPARE},
        {100, RETRY, 0.5, WAIT, 350, CYCLE_REST},
        {350, TIMER, 0, PREPARE, N, CYCLE_PREPARE},
        {400, RETRY, 0.5, VERDICT, N, CYCLE_DONE},
    };
    PLAY(&config, rows);
    struct cycle cycle = PLAY(&config, prepare);
    ck_assert_int_eq(cycle.ended_in, CYCLE_PREPARE);
}
END_TEST

/* The retries of the kickoff leave the polls theirs. */
START_TEST(an_accepted_kickoff_forgives_its_retries)
{
    static const struct row rows[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {0, BEGUN, 0, WAIT, 10000, CYCLE_KICKOFF},
        {0, RETRY, 0, WAIT, 0, CYCLE_REST},
        {0, TIMER, 0, KICKOFF, 10000, CYCLE_KICKOFF},
        {0, RETRY, 0, WAIT, 0, CYCLE_REST},
        {0, TIMER, 0, KICKOFF, 10000, CYCLE_KICKOFF},
        {0, ACCEPTED, 0, POLL, 10000, CYCLE_POLL},
        {10, TRANSIENT, 0, WAIT, 2010, CYCLE_REST},
        {2010, TIMER, 0, POLL, 10000, CYCLE_POLL},
        {2020, TRANSIENT, 0, WAIT, 4020, CYCLE_REST},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert_int_eq(cycle.failures, 2);
}
END_TEST

/* No deadline would cut such a wait. */
START_TEST(a_prepare_call_is_not_put_off_for_longer_than_the_run_may_take)
{
    const struct cycle_config config = preparing();
    static const struct row too_long[] = {
        {0, START, 0, PREPARE, N, CYCLE_PREPARE},
        {0, BEGUN, 0, WAIT, N, CYCLE_PREPARE},
        {100, RETRY, 0, VERDICT, N, CYCLE_DONE, .retry_after_ms = 9901},
    };
    static const struct row as_long[] = {
        {0, START, 0, PREPARE, N, CYCLE_PREPARE},
        {0, BEGUN, 0, WAIT, N, CYCLE_PREPARE},
        {100, RETRY, 0, WAIT, 10000, CYCLE_REST, .retry_after_ms = 9900},
        {10000, TIMER, 0, PREPARE, N, CYCLE_PREPARE},
    };
    PLAY(&config, too_long);
    PLAY(&config, as_long);
}
END_TEST

/* However many retries a message asks for. The wait for the first attempt to begin does not count. */
START_TEST(all_attempts_of_a_prepare_call_take_no_longer_than_the_run_may)
{
    struct cycle_config config = preparing();
    config.kickoff_max_retries = 1000000;
    static const struct row rows[] = {
        {0, START, 0, PREPARE, N, CYCLE_PREPARE},
        {50000, BEGUN, 0, WAIT, N, CYCLE_PREPARE},
        {50100, RETRY, 0, WAIT, 55100, CYCLE_REST, .retry_after_ms = 5000},
        {55100, TIMER, 0, PREPARE, N, CYCLE_PREPARE},
        {55200, BEGUN, 0, WAIT, N, CYCLE_PREPARE},
        {59900, RETRY, 0.1, WAIT, 60000, CYCLE_REST},
        {60000, TIMER, 0, PREPARE, N, CYCLE_PREPARE},
        {60000, BEGUN, 0, WAIT, N, CYCLE_PREPARE},
        {60001, RETRY, 0, VERDICT, N, CYCLE_DONE},
    };
    /* The kickoff has a time of its own, and polls wait as ever. */
    static const struct row begins_late[] = {
        {0, START, 0, PREPARE, N, CYCLE_PREPARE},
        {0, BEGUN, 0, WAIT, N, CYCLE_PREPARE},
        {9000, RETRY, 0, WAIT, 9000, CYCLE_REST},
        {9000, TIMER, 0, PREPARE, N, CYCLE_PREPARE},
        {9000, BEGUN, 0, WAIT, N, CYCLE_PREPARE},
        {12000, PREPARED, 0, KICKOFF, N, CYCLE_KICKOFF},
        {12000, BEGUN, 0, WAIT, 22000, CYCLE_KICKOFF},
        {12100, RETRY, 0, WAIT, 14100, CYCLE_REST, .retry_after_ms = 2000},
        {14100, TIMER, 0, KICKOFF, 22000, CYCLE_KICKOFF},
        {14200, ACCEPTED, 0, POLL, 22000, CYCLE_POLL},
        {14300, PENDING, 0, WAIT, 16300, CYCLE_REST},
    };
    PLAY(&config, rows);
    PLAY(&config, begins_late);
}
END_TEST

/* ---- start_before ---- */

static const struct {
    bool prepares;
    struct row row[8];
    size_t n;
} expiring[] = {
    {false, {{1000, START, 0, EXPIRED, N, CYCLE_DONE}}, 1},
    {true, {{1000, START, 0, EXPIRED, N, CYCLE_DONE}}, 1},
    /* while the prepare call waits, is under way, or rests before another */
    {true, {{0, START, 0, PREPARE, 1000, CYCLE_PREPARE}, {1000, TIMER, 0, EXPIRED, N, CYCLE_DONE}}, 2},
    {true,
     {{0, START, 0, PREPARE, 1000, CYCLE_PREPARE},
      {0, BEGUN, 0, WAIT, 1000, CYCLE_PREPARE},
      {999, TIMER, 0, WAIT, 1000, CYCLE_PREPARE},
      {1000, TIMER, 0, EXPIRED, N, CYCLE_DONE}},
     4},
    {true,
     {{0, START, 0, PREPARE, 1000, CYCLE_PREPARE},
      {0, BEGUN, 0, WAIT, 1000, CYCLE_PREPARE},
      {1000, PREPARED, 0, EXPIRED, N, CYCLE_DONE}},
     3},
    {true,
     {{0, START, 0, PREPARE, 1000, CYCLE_PREPARE},
      {0, BEGUN, 0, WAIT, 1000, CYCLE_PREPARE},
      {900, RETRY, 0.5, WAIT, 1000, CYCLE_REST},
      {1000, TIMER, 0, EXPIRED, N, CYCLE_DONE}},
     4},
    /* while the kickoff waits, or rests before another */
    {false, {{0, START, 0, KICKOFF, 1000, CYCLE_KICKOFF}, {1000, TIMER, 0, EXPIRED, N, CYCLE_DONE}}, 2},
    {true,
     {{0, START, 0, PREPARE, 1000, CYCLE_PREPARE},
      {0, BEGUN, 0, WAIT, 1000, CYCLE_PREPARE},
      {500, PREPARED, 0, KICKOFF, 1000, CYCLE_KICKOFF},
      {1000, TIMER, 0, EXPIRED, N, CYCLE_DONE}},
     4},
    {false,
     {{0, START, 0, KICKOFF, 1000, CYCLE_KICKOFF},
      {10, BEGUN, 0, WAIT, 10010, CYCLE_KICKOFF},
      {900, RETRY, 0.5, WAIT, 1000, CYCLE_REST},
      {1000, TIMER, 0, EXPIRED, N, CYCLE_DONE}},
     4},
    {false,
     {{0, START, 0, KICKOFF, 1000, CYCLE_KICKOFF},
      {10, BEGUN, 0, WAIT, 10010, CYCLE_KICKOFF},
      {20, RETRY, 0, WAIT, 20, CYCLE_REST},
      {20, TIMER, 0, KICKOFF, 1000, CYCLE_KICKOFF},
      {1000, TIMER, 0, EXPIRED, N, CYCLE_DONE}},
     5},
    /* an answer that came too late for another kickoff */
    {false,
     {{0, START, 0, KICKOFF, 1000, CYCLE_KICKOFF},
      {10, BEGUN, 0, WAIT, 10010, CYCLE_KICKOFF},
      {1500, RETRY, 0, WAIT, 1000, CYCLE_REST},
      {1500, TIMER, 0, EXPIRED, N, CYCLE_DONE}},
     4},
    /* what ended it before is told */
    {true,
     {{0, START, 0, PREPARE, 1000, CYCLE_PREPARE},
      {0, BEGUN, 0, WAIT, 1000, CYCLE_PREPARE},
      {1500, ENDED, 0, VERDICT, N, CYCLE_DONE}},
     3},
    /* a kickoff that is on its way, or accepted, is in time */
    {false,
     {{0, START, 0, KICKOFF, 1000, CYCLE_KICKOFF},
      {999, BEGUN, 0, WAIT, 10999, CYCLE_KICKOFF},
      {1000, TIMER, 0, WAIT, 10999, CYCLE_KICKOFF},
      {2000, ACCEPTED, 0, POLL, 10999, CYCLE_POLL},
      {3000, PENDING, 0, WAIT, 5000, CYCLE_REST},
      {5000, TIMER, 0, POLL, 10999, CYCLE_POLL},
      {6000, TO_FETCH, 0, FETCH, 10999, CYCLE_FETCH}},
     7},
};

START_TEST(a_run_is_not_kicked_off_from_its_last_moment_on)
{
    struct cycle_config config = usual;
    config.prepares = expiring[_i].prepares;
    config.start_before_ms = 1000;
    struct cycle cycle = play(&config, expiring[_i].row, expiring[_i].n);
    ck_assert_int_eq(cycle_is_expired(&cycle, &config, 1000), !cycle.kicked_off);
    ck_assert(!cycle_is_expired(&cycle, &config, 999));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("cycle_retry");
    TCase *tcase = tcase_create("cycle_retry");
    tcase_add_test(tcase, a_prepare_call_comes_before_the_kickoff_and_has_no_deadline);
    tcase_add_test(tcase, a_prepare_call_alone_kicks_nothing_off);
    tcase_add_test(tcase, a_prepare_call_that_breaks_ends_the_run);
    tcase_add_test(tcase, a_kickoff_is_sent_again_within_its_budget);
    tcase_add_test(tcase, an_empty_budget_sends_no_kickoff_again);
    tcase_add_test(tcase, retry_after_lengthens_the_wait_for_another_kickoff);
    tcase_add_test(tcase, the_deadline_cuts_through_the_wait_for_another_kickoff);
    tcase_add_test(tcase, a_kickoff_that_may_be_sent_again_at_the_deadline_has_started_nothing);
    tcase_add_test(tcase, prepare_call_and_kickoff_have_a_budget_each);
    tcase_add_test(tcase, an_accepted_kickoff_forgives_its_retries);
    tcase_add_test(tcase, a_prepare_call_is_not_put_off_for_longer_than_the_run_may_take);
    tcase_add_test(tcase, all_attempts_of_a_prepare_call_take_no_longer_than_the_run_may);
    tcase_add_loop_test(tcase, a_run_is_not_kicked_off_from_its_last_moment_on, 0,
                        (int)(sizeof expiring / sizeof expiring[0]));
    suite_add_tcase(suite, tcase);
    return suite;
}
