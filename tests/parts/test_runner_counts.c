#include "base/buf.h"
#include "support/runner_stage.h"

static int64_t sum(enum metric metric)
{
    return metrics_sum(config.metrics, metric);
}

static int64_t read_cell(enum metric metric, unsigned cell)
{
    return metrics_read(config.metrics, metric, cell);
}

static void check_line(const char *line)
{
    struct buf page;
    buf_init(&page, 1 << 20);
    metrics_write(config.metrics, &page);
    ck_assert_msg(strstr(page.at, line) != NULL, "no %s in %s", line, page.at);
    buf_deinit(&page);
}

START_TEST(each_request_counts_as_it_leaves)
{
    struct subject *subject = subject_new();
    submit(subject);
    turn();
    ck_assert_int_eq(sum(METRIC_REQUESTS_TOTAL), 0); /* it is queued */
    begin(last());
    ck_assert_int_eq(read_cell(METRIC_REQUESTS_TOTAL, METRIC_CALL_KICKOFF), 1);
    answer(last(), 202, "{\"id\":\"r1\"}");
    begin(last());
    ck_assert_int_eq(read_cell(METRIC_REQUESTS_TOTAL, METRIC_CALL_POLL), 1);
    ck_assert_int_eq(sum(METRIC_REQUESTS_TOTAL), 2);
    ck_assert_int_eq(sum(METRIC_RETRIES_TOTAL), 0);
}
END_TEST

START_TEST(a_poll_after_one_that_failed_is_a_retry)
{
    struct subject *subject = subject_new();
    subject->timeout = "1000";
    kick_off(subject);
    answer(last(), 503, "");
    turn_at(now_ms + 10000);
    begin(last());
    ck_assert_int_eq(read_cell(METRIC_RETRIES_TOTAL, METRIC_CALL_POLL), 1);
    ck_assert_int_eq(sum(METRIC_RETRIES_TOTAL), 1);
    answer(last(), 200, "{\"status\":\"running\"}");
    turn_at(now_ms + 10000);
    begin(last());
    ck_assert_int_eq(sum(METRIC_RETRIES_TOTAL), 1);
}
END_TEST

static const char *const completed[] = {"completed"};

static void with_all_calls(struct rxp_http_plan *plan)
{
    plan->prepare = (struct rxp_http_call){.url = "http://b.example/sessions", .method = "POST", .body = "{}", .body_bytes = 2};
    plan->prepared_id_path = "id";
    plan->result = (struct rxp_http_call){.url = "http://b.example/out", .method = "GET"};
    plan->result_states = (struct rxp_words){completed, 1};
}

/* Each call in its turn fails once, and goes again: the phase before it leaves, under way, and before it goes again. */
static const enum metric_phase phases[METRIC_CALL_N][3] = {
    {METRIC_PHASE_QUEUED, METRIC_PHASE_PREPARE, METRIC_PHASE_PREPARE},
    {METRIC_PHASE_QUEUED, METRIC_PHASE_KICKOFF, METRIC_PHASE_KICKOFF},
    {METRIC_PHASE_POLL, METRIC_PHASE_POLL, METRIC_PHASE_WAIT},
    {METRIC_PHASE_FETCH, METRIC_PHASE_FETCH, METRIC_PHASE_FETCH},
};

START_TEST(each_call_and_each_retry_counts_by_its_name)
{
    static const char *const answers[METRIC_CALL_N] = {"{\"id\":\"s1\"}", "{\"id\":\"r1\"}", "{\"status\":\"completed\"}",
                                                       "{\"out\":1}"};
    struct subject *subject = subject_new();
    config.kickoff_max_retries = 3;
    subject->timeout = "100000";
    subject->shape = with_all_calls;
    submit(subject);
    turn();
    for (unsigned call = 0; call < METRIC_CALL_N; call++) {
        ck_assert_int_eq(in_phase(phases[call][0]), 1);
        begin(last());
        ck_assert_int_eq(in_phase(phases[call][1]), 1);
        ck_assert_int_eq(read_cell(METRIC_REQUESTS_TOTAL, call), 1);
        ck_assert_int_eq(read_cell(METRIC_RETRIES_TOTAL, call), 0);
        break_off(last(), TRANSPORT_CONNECT, false);
        ck_assert_int_eq(in_phase(phases[call][2]), 1);
        turn_at(now_ms + 60000);
        begin(last());
        ck_assert_int_eq(in_phase(phases[call][1]), 1);
        ck_assert_int_eq(read_cell(METRIC_REQUESTS_TOTAL, call), 2);
        ck_assert_int_eq(read_cell(METRIC_RETRIES_TOTAL, call), 1);
        ck_assert_int_eq(sum(METRIC_REQUESTS_TOTAL), 2 * (call + 1));
        ck_assert_int_eq(sum(METRIC_RETRIES_TOTAL), call + 1);
        answer(last(), 200, answers[call]);
    }
    ck_assert_int_eq(subject->ended, 1);
}
END_TEST

START_TEST(requests_are_timed_from_leaving_to_answer)
{
    struct subject *subject = subject_new();
    answer_took_ms = 1250;
    kick_off(subject);
    check_line("rxp_kickoff_duration_seconds_sum 1.25\n");
    check_line("rxp_poll_duration_seconds_sum 0\n");
    answer_took_ms = 500;
    answer(last(), 200, "{\"status\":\"running\"}");
    answer_took_ms = 0;
    check_line("rxp_kickoff_duration_seconds_count 1\n");
    check_line("rxp_poll_duration_seconds_sum 0.5\n");
}
END_TEST

START_TEST(a_connection_that_is_refused_is_not_timed)
{
    submit(subject_new());
    turn();
    begin(last());
    break_off(last(), TRANSPORT_CONNECT, false);
    ck_assert_int_eq(sum(METRIC_KICKOFF_SECONDS), 0);
    ck_assert_int_eq(sum(METRIC_EGRESS_REFUSALS_TOTAL), 0);
}
END_TEST

START_TEST(a_refusal_of_the_egress_policy_counts)
{
    submit(subject_new());
    turn();
    break_off(last(), TRANSPORT_EGRESS, false);
    ck_assert_int_eq(sum(METRIC_EGRESS_REFUSALS_TOTAL), 1);
}
END_TEST

START_TEST(a_run_is_timed_from_its_kickoff_to_its_outcome)
{
    submit(subject_new());
    turn_at(now_ms + 3000); /* in the queue */
    begin(last());
    now_ms += 1500;
    answer(last(), 202, "{\"id\":\"r1\"}");
    begin(last());
    now_ms += 1000;
    answer(last(), 200, "{\"status\":\"completed\"}");
    check_line("rxp_run_duration_seconds_sum 2.5\n");
    check_line("rxp_run_duration_seconds_count 1\n");
}
END_TEST

START_TEST(what_was_refused_or_abandoned_has_no_duration)
{
    struct subject *refused = subject_new();
    refused->rejects = true;
    submit(refused);
    kick_off(subject_new());
    runner_command(&runner, RUNNER_ABANDON, now_ms);
    turn();
    ck_assert_int_eq(sum(METRIC_RUN_SECONDS), 0);
}
END_TEST

static const struct {
    const char *metadata;
    const char *status;
    int code;
    enum metric_errand cell;
} errands[] = {
    {",\"http.cancel_url_template\":\"http://b.example/runs/{run_id}/stop\"", "running", 200, METRIC_ERRAND_CANCEL_DONE},
    {",\"http.cancel_url_template\":\"http://b.example/runs/{run_id}/stop\"", "running", 500, METRIC_ERRAND_CANCEL_FAILED},
    {",\"http.after_url_template\":\"http://b.example/runs/{run_id}\"", "completed", 204, METRIC_ERRAND_AFTER_DONE},
    {",\"http.after_url_template\":\"http://b.example/runs/{run_id}\"", "completed", 404, METRIC_ERRAND_AFTER_FAILED},
};

START_TEST(an_errand_counts_by_what_came_of_it_and_the_last_one_is_told_of)
{
    struct subject *subject = subject_new();
    char status[64];
    subject->metadata = errands[_i].metadata;
    kick_off(subject);
    snprintf(status, sizeof status, "{\"status\":\"%s\"}", errands[_i].status);
    answer(last(), 200, status);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(sum(METRIC_ERRANDS_TOTAL), 0);
    begin(last());
    ck_assert_int_eq(errands_over, 0);
    answer(last(), errands[_i].code, "");
    ck_assert_int_eq(errands_over, 1);
    ck_assert_int_eq(read_cell(METRIC_ERRANDS_TOTAL, errands[_i].cell), 1);
    ck_assert_int_eq(sum(METRIC_ERRANDS_TOTAL), 1);
}
END_TEST

START_TEST(a_refusal_of_an_errand_counts_as_one)
{
    struct subject *subject = subject_new();
    subject->metadata = errands[0].metadata;
    kick_off(subject);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    break_off(last(), TRANSPORT_EGRESS, false);
    ck_assert_int_eq(sum(METRIC_EGRESS_REFUSALS_TOTAL), 1);
    ck_assert_int_eq(read_cell(METRIC_ERRANDS_TOTAL, METRIC_ERRAND_CANCEL_FAILED), 1);
}
END_TEST

START_TEST(the_first_kickoff_is_told_of_as_it_leaves_and_no_other)
{
    struct subject *subject = subject_new();
    config.kickoff_max_retries = 3;
    submit(subject);
    turn();
    ck_assert_int_eq(subject->begun, 0);
    begin(last());
    ck_assert_int_eq(subject->begun, 1);
    break_off(last(), TRANSPORT_CONNECT, false);
    turn_at(now_ms + 60000);
    if (n_transfers > 1) {
        begin(last());
    }
    ck_assert_int_eq(subject->begun, 1);
}
END_TEST

START_TEST(what_is_new_of_an_accepted_run_is_told)
{
    struct subject *subject = subject_new();
    subject->timeout = "1000";
    kick_off(subject);
    ck_assert_int_eq(subject->progressed, 1); /* as it was accepted */
    ck_assert_str_eq(subject->progress, "");
    answer(last(), 200, "{\"status\":\"queued\"}");
    ck_assert_int_eq(subject->progressed, 2);
    ck_assert_str_eq(subject->progress, "queued");
    turn_at(now_ms + 10000);
    begin(last());
    answer(last(), 200, "{\"status\":\"queued\"}");
    ck_assert_int_eq(subject->progressed, 2);
    turn_at(now_ms + 10000);
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert_int_eq(subject->progressed, 3);
    ck_assert_str_eq(subject->progress, "running");
    turn_at(now_ms + 10000);
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\"}"); /* its result says so */
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->progressed, 3);
}
END_TEST

START_TEST(what_was_put_off_is_told_with_the_next_answer)
{
    struct subject *subject = subject_new();
    subject->timeout = "1000";
    kick_off(subject);
    subject->puts_off = true;
    answer(last(), 200, "{\"status\":\"queued\"}");
    ck_assert_int_eq(subject->progressed, 1);
    turn_at(now_ms + 10000);
    begin(last());
    answer(last(), 200, "{\"status\":\"queued\"}"); /* still not */
    ck_assert_int_eq(subject->progressed, 1);
    subject->puts_off = false;
    turn_at(now_ms + 10000);
    begin(last());
    answer(last(), 200, "{\"status\":\"queued\"}");
    ck_assert_int_eq(subject->progressed, 2);
    ck_assert_str_eq(subject->progress, "queued");
    turn_at(now_ms + 10000);
    begin(last());
    answer(last(), 200, "{\"status\":\"queued\"}"); /* once */
    ck_assert_int_eq(subject->progressed, 2);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner counts");
    TCase *tcase = tcase_create("runner counts");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_request_counts_as_it_leaves);
    tcase_add_test(tcase, a_poll_after_one_that_failed_is_a_retry);
    tcase_add_test(tcase, each_call_and_each_retry_counts_by_its_name);
    tcase_add_test(tcase, requests_are_timed_from_leaving_to_answer);
    tcase_add_test(tcase, a_connection_that_is_refused_is_not_timed);
    tcase_add_test(tcase, a_refusal_of_the_egress_policy_counts);
    tcase_add_test(tcase, a_run_is_timed_from_its_kickoff_to_its_outcome);
    tcase_add_test(tcase, what_was_refused_or_abandoned_has_no_duration);
    tcase_add_loop_test(tcase, an_errand_counts_by_what_came_of_it_and_the_last_one_is_told_of, 0, COUNT(errands));
    tcase_add_test(tcase, a_refusal_of_an_errand_counts_as_one);
    tcase_add_test(tcase, the_first_kickoff_is_told_of_as_it_leaves_and_no_other);
    tcase_add_test(tcase, what_is_new_of_an_accepted_run_is_told);
    tcase_add_test(tcase, what_was_put_off_is_told_with_the_next_answer);
    suite_add_tcase(suite, tcase);
    return suite;
}
