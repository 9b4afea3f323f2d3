#include "engine/awake.h"
#include "engine/outcome.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A run that was submitted at 1,000 on the monotonic clock, and at WALL_MS on the wall; it ends at 3,500. */
#define WALL_MS INT64_C(784111777000)

static const struct rxp_http_plan plan = {.polls = true, .start_before_ms = WALL_MS + 2001};

static struct run begin(void)
{
    struct run run;
    run_init(&run);
    ck_assert_ptr_nonnull(awake_new(&run));
    run.awake->plan = &plan;
    run.begun_mono_ms = 1000;
    run.started_at_ms = WALL_MS;
    return run;
}

struct want {
    enum rxp_status status;
    enum rxp_error error;
    bool has_exit_code;
    int exit_code;
    const char *summary; /* NULL: none */
};

static void check_outcome(struct run *run, const struct want *want)
{
    const struct outcome *outcome = &run->awake->outcome;
    if (want->summary == NULL) {
        ck_assert_ptr_null(outcome->summary);
    } else {
        ck_assert_ptr_nonnull(outcome->summary);
        ck_assert_str_eq(outcome->summary, want->summary);
    }
    ck_assert_int_eq(outcome->status, want->status);
    ck_assert_int_eq(outcome->error, want->error);
    ck_assert_int_eq(outcome->has_exit_code, want->has_exit_code);
    ck_assert_int_eq(outcome->exit_code, want->exit_code);
    ck_assert(!run->abandoned);
    ck_assert_int_eq(outcome->finished_at_ms, WALL_MS + 2500);
    ck_assert_int_eq(run->started_at_ms, want->status == RXP_STATUS_REJECTED ? WALL_MS + 2500 : WALL_MS);
    run_deinit(run);
}

#define ROWS(table) (int)(sizeof(table) / sizeof(table)[0])

static const struct {
    struct verdict verdict;
    int failures;
    struct want want;
} verdicts[] = {
    {{.kind = VERDICT_DONE, .succeeded = true, .has_exit_code = true},
     0,
     {RXP_STATUS_SUCCEEDED, RXP_OK, true, 0, NULL}},
    {{.kind = VERDICT_DONE, .succeeded = true, .has_exit_code = true, .exit_code = 204},
     0,
     {RXP_STATUS_SUCCEEDED, RXP_OK, true, 204, NULL}},
    {{.kind = VERDICT_DONE,
      .has_exit_code = true,
      .exit_code = 1,
      .error = RXP_ERROR_BACKEND_FAILED,
      .text = "backend said no"},
     3,
     {RXP_STATUS_FAILED, RXP_ERROR_BACKEND_FAILED, true, 1, "backend said no"}},
    {{.kind = VERDICT_BROKEN, .error = RXP_ERROR_STATUS_MISSING, .text = "broken"},
     3,
     {RXP_STATUS_FAILED, RXP_ERROR_STATUS_MISSING, false, 0, "broken"}},
    {{.kind = VERDICT_BROKEN, .error = RXP_ERROR_EGRESS_DENIED, .rejected = true, .text = "refused"},
     0,
     {RXP_STATUS_REJECTED, RXP_ERROR_EGRESS_DENIED, false, 0, "refused"}},
    /* of a failure that may pass, one too many */
    {{.kind = VERDICT_TRANSIENT, .error = RXP_ERROR_POLL_NETWORK, .text = "no connection"},
     1,
     {RXP_STATUS_FAILED, RXP_ERROR_POLL_NETWORK, false, 0, "no connection"}},
    {{.kind = VERDICT_TRANSIENT, .error = RXP_ERROR_POLL_NETWORK, .text = "no connection"},
     6,
     {RXP_STATUS_FAILED, RXP_ERROR_POLL_NETWORK, false, 0, "no connection (after 6 consecutive failures)"}},
    {{.kind = VERDICT_RETRY, .error = RXP_ERROR_KICKOFF_NETWORK, .text = "no connection"},
     1,
     {RXP_STATUS_FAILED, RXP_ERROR_KICKOFF_NETWORK, false, 0, "no connection"}},
    {{.kind = VERDICT_RETRY, .error = RXP_ERROR_PREPARE_FAILED, .text = "no connection"},
     4,
     {RXP_STATUS_FAILED, RXP_ERROR_PREPARE_FAILED, false, 0, "no connection (after 4 attempts)"}},
    {{.kind = VERDICT_RETRY,
      .error = RXP_ERROR_KICKOFF_STATUS,
      .text = "got 503",
      .has_exit_code = true,
      .exit_code = 503},
     4,
     {RXP_STATUS_FAILED, RXP_ERROR_KICKOFF_STATUS, true, 503, "got 503 (after 4 attempts)"}},
};

START_TEST(a_verdict_is_written_down)
{
    struct run run = begin();
    run.cycle.failures = verdicts[_i].failures;
    outcome_of_verdict(&run, &verdicts[_i].verdict, 3500);
    check_outcome(&run, &verdicts[_i].want);
}
END_TEST

/* What the backend said is kept while the result is fetched: success, failure. */
static const struct verdict ends[] = {
    {.kind = VERDICT_FETCH, .succeeded = true, .has_exit_code = true},
    {.kind = VERDICT_FETCH,
     .has_exit_code = true,
     .exit_code = 1,
     .error = RXP_ERROR_BACKEND_FAILED,
     .text = "backend said no"},
};

#define SUCCEEDED {RXP_STATUS_SUCCEEDED, RXP_OK, true, 0, NULL}
#define FAILED(text) {RXP_STATUS_FAILED, RXP_ERROR_BACKEND_FAILED, true, 1, text}

static const struct {
    struct verdict verdict;
    int failures;
    struct want want[2]; /* after success, after failure */
} fetches[] = {
    {{.kind = VERDICT_DONE, .result = NULL}, 0, {SUCCEEDED, FAILED("backend said no")}},
    {{.kind = VERDICT_BROKEN, .error = RXP_ERROR_RESULT_FETCH, .text = "got 404"},
     0,
     {{RXP_STATUS_FAILED, RXP_ERROR_RESULT_FETCH, false, 0, "got 404"}, FAILED("backend said no; got 404")}},
    {{.kind = VERDICT_TRANSIENT, .error = RXP_ERROR_RESULT_FETCH, .text = "got 503"},
     6,
     {{RXP_STATUS_FAILED, RXP_ERROR_RESULT_FETCH, false, 0, "got 503 (after 6 consecutive failures)"},
      FAILED("backend said no; got 503 (after 6 consecutive failures)")}},
    {{.kind = VERDICT_BROKEN, .error = RXP_ERROR_EGRESS_DENIED, .text = "refused"},
     0,
     {{RXP_STATUS_FAILED, RXP_ERROR_EGRESS_DENIED, false, 0, "refused"}, FAILED("backend said no; refused")}},
};

START_TEST(a_fetch_settles_what_was_kept)
{
    for (int i = 0; i < 2; i++) {
        struct run run = begin();
        outcome_keep(&run, &ends[i]);
        run.cycle.failures = fetches[_i].failures;
        outcome_of_fetch(&run, &fetches[_i].verdict, 3500);
        check_outcome(&run, &fetches[_i].want[i]);
    }
}
END_TEST

static const struct {
    enum cycle_state ended_in;
    bool accepted;
    int64_t timeout_ms;
    enum rxp_error error;
    const char *summary;
} timeouts[] = {
    {CYCLE_PREPARE, false, 10000, RXP_ERROR_KICKOFF_TIMEOUT, "prepare exceeded timeout of 10s"},
    {CYCLE_KICKOFF, false, 10000, RXP_ERROR_KICKOFF_TIMEOUT, "kickoff exceeded timeout of 10s"},
    {CYCLE_KICKOFF, true, 10000, RXP_ERROR_POLL_TIMEOUT, "poll exceeded timeout of 10s"}, /* its answer came then */
    {CYCLE_POLL, true, 10000, RXP_ERROR_POLL_TIMEOUT, "poll exceeded timeout of 10s"},
    {CYCLE_POLL, true, 1500, RXP_ERROR_POLL_TIMEOUT, "poll exceeded timeout of 1.5s"},
    {CYCLE_POLL, true, 1, RXP_ERROR_POLL_TIMEOUT, "poll exceeded timeout of 0.001s"},
    {CYCLE_POLL, true, 100, RXP_ERROR_POLL_TIMEOUT, "poll exceeded timeout of 0.1s"},
    {CYCLE_POLL, true, INT64_MAX, RXP_ERROR_POLL_TIMEOUT, "poll exceeded timeout of 9223372036854775.807s"},
};

START_TEST(a_timeout_names_what_was_under_way)
{
    struct run run = begin();
    run.cycle.ended_in = timeouts[_i].ended_in;
    run.cycle.accepted = timeouts[_i].accepted;
    outcome_of_timeout(&run, timeouts[_i].timeout_ms, 3500);
    const struct want want = {RXP_STATUS_TIMED_OUT, timeouts[_i].error, false, 0, timeouts[_i].summary};
    check_outcome(&run, &want);
}
END_TEST

/* Also where its answer came when the time was out, and nothing was fetched yet. */
START_TEST(a_fetch_may_take_too_long)
{
    static const enum cycle_state ended_in[] = {CYCLE_FETCH, CYCLE_POLL, CYCLE_KICKOFF};
    static const struct want wants[] = {
        {RXP_STATUS_TIMED_OUT, RXP_ERROR_POLL_TIMEOUT, false, 0, "result fetch exceeded timeout of 10s"},
        FAILED("backend said no; result fetch exceeded timeout of 10s"),
    };
    for (int i = 0; i < 2; i++) {
        struct run run = begin();
        outcome_keep(&run, &ends[i]);
        run.cycle.ended_in = ended_in[_i];
        run.cycle.accepted = true;
        outcome_of_timeout(&run, 10000, 3500);
        check_outcome(&run, &wants[i]);
    }
}
END_TEST

START_TEST(a_cancel_is_written_down_and_takes_no_failure_back)
{
    static const struct want wants[] = {
        {RXP_STATUS_CANCELLED, RXP_ERROR_CANCELLED, false, 0, "cancelled on request"},
        FAILED("backend said no; cancelled on request"),
    };
    struct run run = begin();
    outcome_of_cancel(&run, 3500);
    check_outcome(&run, &wants[0]);
    for (int i = 0; i < 2; i++) {
        run = begin();
        outcome_keep(&run, &ends[i]);
        outcome_of_cancel(&run, 3500);
        check_outcome(&run, &wants[i]);
    }
}
END_TEST

START_TEST(a_run_that_came_too_late_says_for_what)
{
    struct run run = begin();
    outcome_of_expired(&run, 3500);
    const struct want want = {RXP_STATUS_TIMED_OUT, RXP_ERROR_START_EXPIRED, false, 0,
                              "not kicked off by 1994-11-06T08:49:39.001Z: rxp.start_before has passed"};
    check_outcome(&run, &want);
}
END_TEST

START_TEST(an_abandoned_run_has_no_result)
{
    struct run run = begin();
    outcome_keep(&run, &ends[0]);
    outcome_of_abandon(&run);
    ck_assert(run.abandoned);
    run_deinit(&run);
}
END_TEST

START_TEST(a_clock_that_goes_back_ends_no_run_before_its_start)
{
    struct run run = begin();
    outcome_of_cancel(&run, 500);
    ck_assert_int_eq(run.awake->outcome.finished_at_ms, WALL_MS);
    run_deinit(&run);
}
END_TEST

START_TEST(the_longest_sentence_is_written_down_whole)
{
    struct verdict verdict = {.kind = VERDICT_TRANSIENT, .error = RXP_ERROR_POLL_NETWORK};
    memset(verdict.text, 'x', sizeof verdict.text - 1);
    struct run run = begin();
    run.cycle.failures = 2147483647;
    outcome_of_verdict(&run, &verdict, 3500);
    const char *ends_with = "xx (after 2147483647 consecutive failures)";
    size_t bytes = strlen(run.awake->outcome.summary);
    ck_assert_str_eq(run.awake->outcome.summary + bytes - strlen(ends_with), ends_with);
    run_deinit(&run);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("outcome");
    TCase *tcase = tcase_create("outcome");
    tcase_add_loop_test(tcase, a_verdict_is_written_down, 0, ROWS(verdicts));
    tcase_add_loop_test(tcase, a_fetch_settles_what_was_kept, 0, ROWS(fetches));
    tcase_add_loop_test(tcase, a_timeout_names_what_was_under_way, 0, ROWS(timeouts));
    tcase_add_loop_test(tcase, a_fetch_may_take_too_long, 0, 3);
    tcase_add_test(tcase, a_cancel_is_written_down_and_takes_no_failure_back);
    tcase_add_test(tcase, a_run_that_came_too_late_says_for_what);
    tcase_add_test(tcase, an_abandoned_run_has_no_result);
    tcase_add_test(tcase, a_clock_that_goes_back_ends_no_run_before_its_start);
    tcase_add_test(tcase, the_longest_sentence_is_written_down_whole);
    suite_add_tcase(suite, tcase);
    return suite;
}
