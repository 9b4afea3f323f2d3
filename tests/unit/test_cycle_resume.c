#include "support/cycle_rows.h"

#include <string.h>

START_TEST(a_resumed_run_polls_at_once_and_keeps_its_deadline)
{
    static const struct row rows[] = {
        {1000, RESUME, 0, POLL, N, CYCLE_POLL, .deadline_ms = 7000},
        {1100, BEGUN, 0, WAIT, 7000, CYCLE_POLL},
        {1200, PENDING, 0, WAIT, 3200, CYCLE_REST},
        {3200, TIMER, 0, POLL, 7000, CYCLE_POLL},
        {3300, BEGUN, 0, WAIT, 7000, CYCLE_POLL},
        {6500, PENDING, 0, WAIT, 7000, CYCLE_REST},
        {7000, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&usual, rows);
    ck_assert(cycle.accepted);
    ck_assert_int_eq(cycle.polls, 2);
}
END_TEST

/* Its deadline was an age ago, has just come, or comes while it is asked. */
static const struct {
    int64_t deadline_ms;
    int64_t pending_at_ms; /* and then it is over */
} last_looks[] = {{-100000, 1001}, {1000, 1001}, {1200, 1200}};

START_TEST(a_run_whose_deadline_has_passed_is_asked_once_more)
{
    const struct row start = {1000, RESUME, 0, POLL, N, CYCLE_POLL, .deadline_ms = last_looks[_i].deadline_ms};
    const struct row begun = {1000, BEGUN, 0, WAIT, 1500, CYCLE_POLL};
    const int64_t at_ms = last_looks[_i].pending_at_ms;
    const struct row ends[] = {start, begun, {1400, ENDED, 0, VERDICT, N, CYCLE_DONE}};
    const struct row pends[] = {start, begun, {at_ms, PENDING, 0, TIMEOUT, N, CYCLE_DONE}};
    const struct row fails[] = {start, begun, {at_ms, TRANSIENT, 0, TIMEOUT, N, CYCLE_DONE}};
    const struct row cannot_begin[] = {start, {at_ms, TRANSIENT, 0, TIMEOUT, N, CYCLE_DONE}};
    const struct row says_nothing[] = {
        start, begun, {1499, TIMER, 0, WAIT, 1500, CYCLE_POLL}, {1500, TIMER, 0, TIMEOUT, N, CYCLE_DONE}};
    const struct row waits_for_its_turn[] = {start,
                                             {900000, TIMER, 0, WAIT, N, CYCLE_POLL},
                                             {900000, BEGUN, 0, WAIT, 900500, CYCLE_POLL},
                                             {900400, ENDED, 0, VERDICT, N, CYCLE_DONE}};
    const struct row waits_in_vain[] = {start,
                                        {900000, BEGUN, 0, WAIT, 900500, CYCLE_POLL},
                                        {900300, BEGUN, 0, WAIT, 900500, CYCLE_POLL},
                                        {900500, TIMER, 0, TIMEOUT, N, CYCLE_DONE}};
    PLAY(&usual, ends);
    PLAY(&usual, pends);
    PLAY(&usual, fails);
    PLAY(&usual, cannot_begin);
    PLAY(&usual, says_nothing);
    PLAY(&usual, waits_for_its_turn);
    PLAY(&usual, waits_in_vain);
}
END_TEST

START_TEST(a_last_look_takes_no_time_from_a_run_that_has_some_left)
{
    static const struct row rows[] = {
        {1000, RESUME, 0, POLL, N, CYCLE_POLL, .deadline_ms = 1400},
        {1050, BEGUN, 0, WAIT, 1550, CYCLE_POLL},
        {1100, TRANSIENT, 0, WAIT, 1400, CYCLE_REST},
        {1400, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    PLAY(&usual, rows);
}
END_TEST

START_TEST(only_a_run_that_has_not_started_may_be_resumed)
{
    static const struct row rows[] = {
        {0, START, 0, KICKOFF, N, CYCLE_KICKOFF},
        {1, RESUME, 0, KICKOFF, N, CYCLE_KICKOFF},
    };
    PLAY(&usual, rows);
}
END_TEST

/* It had ended while nobody asked: its result is fetched, as it was asked once more. */
START_TEST(the_result_of_a_run_whose_deadline_has_passed_is_fetched)
{
    const struct row to_fetch[] = {
        {1000, RESUME, 0, POLL, N, CYCLE_POLL, .deadline_ms = last_looks[_i].deadline_ms},
        {1000, BEGUN, 0, WAIT, 1500, CYCLE_POLL},
        {1400, TO_FETCH, 0, FETCH, N, CYCLE_FETCH},
        {900000, TIMER, 0, WAIT, N, CYCLE_FETCH},
        {900000, BEGUN, 0, WAIT, 900500, CYCLE_FETCH},
    };
    struct row ends[6];
    struct row fails[6];
    struct row says_nothing[6];
    memcpy(ends, to_fetch, sizeof to_fetch);
    memcpy(fails, to_fetch, sizeof to_fetch);
    memcpy(says_nothing, to_fetch, sizeof to_fetch);
    ends[5] = (struct row){900400, ENDED, 0, VERDICT, N, CYCLE_DONE};
    fails[5] = (struct row){900400, TRANSIENT, 0, TIMEOUT, N, CYCLE_DONE};
    says_nothing[5] = (struct row){900500, TIMER, 0, TIMEOUT, N, CYCLE_DONE};
    PLAY(&usual, ends);
    struct cycle cycle = PLAY(&usual, fails);
    ck_assert_int_eq(cycle.ended_in, CYCLE_FETCH);
    PLAY(&usual, says_nothing);
}
END_TEST

/* Nobody was asked: it keeps what it had, and does not end before it was. */
START_TEST(a_last_look_that_lacked_memory_is_none)
{
    const struct row looks[] = {
        {1000, RESUME, 0, POLL, N, CYCLE_POLL, .deadline_ms = last_looks[_i].deadline_ms},
        {1000, TRANSIENT, 0, WAIT, 3000, CYCLE_REST, .is_free = true},
        {3000, TIMER, 0, POLL, N, CYCLE_POLL},
        {3000, BEGUN, 0, WAIT, 3500, CYCLE_POLL},
        {3100, TRANSIENT, 0, WAIT, 5100, CYCLE_REST, .is_free = true},
        {5100, TIMER, 0, POLL, N, CYCLE_POLL},
        {5200, BEGUN, 0, WAIT, 5700, CYCLE_POLL},
        {5300, TO_FETCH, 0, FETCH, N, CYCLE_FETCH},
        {5300, BEGUN, 0, WAIT, 5800, CYCLE_FETCH},
        {5400, TRANSIENT, 0, WAIT, 7400, CYCLE_REST, .is_free = true},
        {7400, TIMER, 0, FETCH, N, CYCLE_FETCH},
        {7500, BEGUN, 0, WAIT, 8000, CYCLE_FETCH},
        {7900, ENDED, 0, VERDICT, N, CYCLE_DONE},
    };
    struct cycle cycle = PLAY(&usual, looks);
    ck_assert_int_eq(cycle.polls, 1);
}
END_TEST

START_TEST(a_fetch_after_a_later_poll_gets_no_grace)
{
    static const struct row rows[] = {
        {1000, RESUME, 0, POLL, N, CYCLE_POLL, .deadline_ms = 7000},
        {1100, BEGUN, 0, WAIT, 7000, CYCLE_POLL},
        {1200, PENDING, 0, WAIT, 3200, CYCLE_REST},
        {3200, TIMER, 0, POLL, 7000, CYCLE_POLL},
        {3300, TO_FETCH, 0, FETCH, 7000, CYCLE_FETCH},
        {6900, BEGUN, 0, WAIT, 7000, CYCLE_FETCH},
        {7000, TIMER, 0, TIMEOUT, N, CYCLE_DONE},
    };
    PLAY(&usual, rows);
}
END_TEST

START_TEST(a_run_that_is_resumed_was_kicked_off_before)
{
    struct cycle_config config = usual;
    config.start_before_ms = 500;
    static const struct row rows[] = {
        {1000, RESUME, 0, POLL, N, CYCLE_POLL, .deadline_ms = 7000},
        {1100, TIMER, 0, WAIT, N, CYCLE_POLL},
        {1200, BEGUN, 0, WAIT, 7000, CYCLE_POLL},
    };
    struct cycle cycle = PLAY(&config, rows);
    ck_assert(cycle.kicked_off);
    ck_assert(!cycle_is_expired(&cycle, &config, 2000));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("cycle_resume");
    TCase *tcase = tcase_create("cycle_resume");
    tcase_add_test(tcase, a_resumed_run_polls_at_once_and_keeps_its_deadline);
    tcase_add_loop_test(tcase, a_run_whose_deadline_has_passed_is_asked_once_more, 0,
                        (int)(sizeof last_looks / sizeof last_looks[0]));
    tcase_add_test(tcase, a_last_look_takes_no_time_from_a_run_that_has_some_left);
    tcase_add_test_raise_signal(tcase, only_a_run_that_has_not_started_may_be_resumed, 6);
    tcase_add_loop_test(tcase, the_result_of_a_run_whose_deadline_has_passed_is_fetched, 0,
                        (int)(sizeof last_looks / sizeof last_looks[0]));
    tcase_add_loop_test(tcase, a_last_look_that_lacked_memory_is_none, 0, (int)(sizeof last_looks / sizeof last_looks[0]));
    tcase_add_test(tcase, a_fetch_after_a_later_poll_gets_no_grace);
    tcase_add_test(tcase, a_run_that_is_resumed_was_kicked_off_before);
    suite_add_tcase(suite, tcase);
    return suite;
}
