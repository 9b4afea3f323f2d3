#include "support/runner_stage.h"
#include "engine/awake.h"

/* ---- the way of a run ---- */

START_TEST(a_run_is_kicked_off_polled_and_ends)
{
    struct subject *subject = subject_new();
    subject->metadata = ",\"http.body\":\"{\\\"a\\\":1}\",\"http.result_path\":\"out\"";
    submit(subject);
    ck_assert_uint_eq(n_transfers, 0);
    turn();
    ck_assert_uint_eq(n_transfers, 1);
    ck_assert_str_eq(last()->method, "POST");
    ck_assert_str_eq(last()->url, "http://b.example/runs");
    ck_assert_str_eq(last()->body, "{\"a\":1}");
    ck_assert_str_eq(last()->content_type, "application/json");
    ck_assert(last()->once);
    ck_assert_int_eq(last()->timeout_ms, 0);
    ck_assert_int_eq(last()->connect_timeout_ms, 7000);
    begin(last());
    ck_assert_str_eq(last()->header[0], "Idempotency-Key: inv-1");
    ck_assert_uint_eq(last()->n_headers, 1);
    now_ms += 50;
    answer(last(), 202, "{\"id\":\"r/1\"}");
    ck_assert_int_eq(subject->accepted, 1);
    ck_assert_uint_eq(n_transfers, 2);
    ck_assert_str_eq(last()->method, "GET");
    ck_assert_str_eq(last()->url, "http://b.example/runs/r%2F1");
    ck_assert_uint_eq(last()->n_headers, 0);
    ck_assert_str_eq(last()->body, "");
    ck_assert(!last()->once);
    ck_assert_int_eq(last()->timeout_ms, 3000);
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert(subject->run->awake == NULL || subject->run->awake->transfer == NULL);
    turn_at(now_ms + 1999);
    ck_assert_uint_eq(n_transfers, 2);
    turn_at(now_ms + 1);
    ck_assert_uint_eq(n_transfers, 3);
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\",\"out\":[1, 2]}");
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->accepted, 1);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    ck_assert(subject->outcome.has_exit_code);
    ck_assert_int_eq(subject->outcome.exit_code, 0);
    ck_assert_int_eq(subject->outcome.error, RXP_OK);
    ck_assert_str_eq(subject->summary, "");
    ck_assert_str_eq(subject->run_id, "r/1");
    ck_assert_str_eq(subject->state, "completed");
    ck_assert_str_eq(subject->result, "[1, 2]");
    ck_assert_int_eq(subject->polls, 2);
    ck_assert_int_eq(subject->outcome.finished_at_ms - subject->started_at_ms, 2050);
    ck_assert_int_eq(atomic_load(&runner.in_flight), 0);
    ck_assert_int_eq(atomic_load(&runner.in_requests), 0);
}
END_TEST

START_TEST(a_result_over_its_limit_is_left_out)
{
    struct subject *subject = subject_new();
    subject->metadata = ",\"http.result_path\":\"out\"";
    kick_off(subject);
    answer(last(), 200, _i == 0 ? "{\"status\":\"completed\",\"out\":\"0123456789abcd\"}"
                                : "{\"status\":\"completed\",\"out\":\"0123456789abcde\"}");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    ck_assert_str_eq(subject->result, _i == 0 ? "\"0123456789abcd\"" : "");
    ck_assert_int_eq(subject->result_truncated, _i == 1);
}
END_TEST

/* 511 letters and then sequences of two bytes: the cut must not fall into one. */
START_TEST(of_a_long_status_the_beginning_is_kept)
{
    struct subject *subject = subject_new();
    char body[3000] = "{\"status\":\"";
    size_t bytes = strlen(body);
    memset(body + bytes, 's', 511);
    bytes += 511;
    for (int i = 0; i < 1000; i++) {
        memcpy(body + bytes, "\303\251", 2);
        bytes += 2;
    }
    memcpy(body + bytes, "\"}", 3);
    kick_off(subject);
    answer(last(), 200, body);
    now_ms += 60000;
    turn();
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_TIMEOUT);
    ck_assert_uint_eq(strlen(subject->state), 511);
    ck_assert_uint_eq(strspn(subject->state, "s"), 511);
}
END_TEST

START_TEST(a_run_that_fails_at_the_backend_says_so)
{
    struct subject *subject = subject_new();
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"failed\"}");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_FAILED);
    ck_assert_int_eq(subject->outcome.exit_code, 1);
    ck_assert(subject->outcome.has_exit_code);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_BACKEND_FAILED);
    ck_assert_str_eq(subject->summary, "backend reported terminal status: failed");
}
END_TEST

START_TEST(an_exchange_that_breaks_has_no_exit_code)
{
    struct subject *subject = subject_new();
    submit(subject);
    turn();
    begin(last());
    answer(last(), 500, "boom");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_FAILED);
    ck_assert(!subject->outcome.has_exit_code);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_KICKOFF_STATUS);
    ck_assert_str_eq(subject->summary, "kickoff expected HTTP 200 or 202, got 500: boom");
    ck_assert_int_eq(subject->accepted, 0);
}
END_TEST

START_TEST(kind_http_ends_with_its_kickoff)
{
    struct subject *subject = subject_new();
    subject->kind = "http";
    submit(subject);
    turn();
    begin(last());
    answer(last(), 201, "whatever");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    ck_assert_int_eq(subject->outcome.exit_code, 201);
    ck_assert_int_eq(subject->accepted, 0);
    ck_assert_uint_eq(n_transfers, 1);
}
END_TEST

START_TEST(a_message_that_is_refused_is_not_sent)
{
    struct subject *subject = subject_new();
    subject->rejects = true;
    submit(subject);
    turn();
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_REJECTED);
    ck_assert_uint_eq(n_transfers, 0);
}
END_TEST

START_TEST(a_kickoff_that_the_policy_refuses_is_a_rejection)
{
    struct subject *subject = subject_new();
    submit(subject);
    turn();
    if (_i == 1) {
        begin(last());
        now_ms += 30;
    }
    break_off(last(), TRANSPORT_EGRESS, false);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_REJECTED);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_EGRESS_DENIED);
    ck_assert_int_eq(subject->started_at_ms, subject->outcome.finished_at_ms);
}
END_TEST

static const struct {
    const char *id;
    const char *header;
} ids[] = {
    {"plain-ID_7.~", "Idempotency-Key: plain-ID_7.~"},
    {"a b", "Idempotency-Key: a%20b"},
    {"a%20b", "Idempotency-Key: a%2520b"},
    {"\xC3\xA4", "Idempotency-Key: %C3%A4"},
    {"a/b:c\\\"", "Idempotency-Key: a/b:c\""},
};

START_TEST(the_idempotency_header_is_visible_ascii_and_tells_ids_apart)
{
    struct subject *subject = subject_new();
    subject->id = ids[_i].id;
    submit(subject);
    turn();
    begin(last());
    ck_assert_str_eq(last()->header[0], ids[_i].header);
}
END_TEST

START_TEST(the_idempotency_header_may_be_renamed_or_turned_off)
{
    struct subject *subject = subject_new();
    subject->metadata = _i == 0 ? ",\"http.idempotency_header\":\"X-Key\"" : ",\"http.idempotency_header\":\"\"";
    submit(subject);
    turn();
    begin(last());
    ck_assert_uint_eq(last()->n_headers, _i == 0 ? 1 : 0);
    ck_assert_str_eq(last()->header[0], _i == 0 ? "X-Key: inv-1" : "");
}
END_TEST

/* ---- transient failures ---- */

START_TEST(transient_failures_are_survived_within_the_budget)
{
    struct subject *subject = subject_new();
    subject->timeout = "1000";
    kick_off(subject);
    answer(last(), 503, "");
    turn_at(now_ms + 31000);
    begin(last());
    break_off(last(), TRANSPORT_TIMEOUT, true);
    turn_at(now_ms + 31000);
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    /* and the budget is whole again */
    for (int i = 0; i < 2; i++) {
        turn_at(now_ms + 31000);
        begin(last());
        break_off(last(), TRANSPORT_CONNECT, false);
    }
    turn_at(now_ms + 31000);
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    ck_assert_int_eq(subject->polls, 6);
}
END_TEST

/* failures allowed by worker and message (NULL: not said), and what the summary says */
static const struct {
    int worker;
    const char *metadata;
    int polls;
    const char *ends;
} budgets[] = {
    {2, "", 3, "(after 3 consecutive failures)"},
    {0, "", 1, "got 503"},
    {5, ",\"http.poll_max_failures\":\"1\"", 2, "(after 2 consecutive failures)"},
    {0, ",\"http.poll_max_failures\":\"3\"", 4, "(after 4 consecutive failures)"},
};

START_TEST(one_failure_too_many_ends_the_run)
{
    struct subject *subject = subject_new();
    config.poll_max_failures = budgets[_i].worker;
    subject->metadata = budgets[_i].metadata;
    subject->timeout = "1000";
    kick_off(subject);
    for (int i = 1; i <= budgets[_i].polls; i++) {
        ck_assert_int_eq(subject->ended, 0);
        answer(last(), 503, "");
        if (i < budgets[_i].polls) {
            turn_at(now_ms + 31000);
            begin(last());
        }
    }
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_FAILED);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_STATUS);
    ck_assert(!subject->outcome.has_exit_code);
    ck_assert_msg(strstr(subject->summary, budgets[_i].ends) != NULL, "%s", subject->summary);
    if (budgets[_i].polls == 1) {
        ck_assert_ptr_null(strstr(subject->summary, "consecutive"));
    }
}
END_TEST

/* ---- time ---- */

static const struct {
    const char *timeout;
    int64_t max_run_ms;
    int64_t ms;
    const char *kickoff;
    const char *poll;
} timeouts[] = {
    {"10", 86400000, 10000, "kickoff exceeded timeout of 10s", "poll exceeded timeout of 10s"},
    {"10", 1500, 1500, "kickoff exceeded timeout of 1.5s", "poll exceeded timeout of 1.5s"},
    {"null", 20000, 20000, "kickoff exceeded timeout of 20s", "poll exceeded timeout of 20s"},
    {"3600", 100, 100, "kickoff exceeded timeout of 0.1s", "poll exceeded timeout of 0.1s"},
    {"100", 86400000, 100000, "kickoff exceeded timeout of 100s", "poll exceeded timeout of 100s"},
};

START_TEST(the_deadline_cuts_a_kickoff)
{
    struct subject *subject = subject_new();
    subject->timeout = timeouts[_i].timeout;
    config.max_run_ms = timeouts[_i].max_run_ms;
    submit(subject);
    turn();
    turn_at(now_ms + 500000); /* in the queue: it does not count */
    begin(last());
    turn_at(now_ms + timeouts[_i].ms - 1);
    ck_assert_int_eq(subject->ended, 0);
    ck_assert_int_eq(runner_next_ms(&runner), now_ms + 1);
    turn_at(now_ms + 1);
    ck_assert_int_eq(subject->ended, 1);
    ck_assert(transfers[0].cancelled);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_TIMED_OUT);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_KICKOFF_TIMEOUT);
    ck_assert_str_eq(subject->summary, timeouts[_i].kickoff);
    ck_assert(!subject->outcome.has_exit_code);
    ck_assert_int_eq(subject->outcome.finished_at_ms - subject->started_at_ms, timeouts[_i].ms);
}
END_TEST

START_TEST(the_deadline_cuts_a_poll)
{
    struct subject *subject = subject_new();
    subject->timeout = timeouts[_i].timeout;
    config.max_run_ms = timeouts[_i].max_run_ms;
    config.poll_timeout_ms = 3600000;
    kick_off(subject);
    ck_assert_int_eq(last()->timeout_ms, timeouts[_i].ms);
    turn_at(now_ms + timeouts[_i].ms);
    ck_assert_int_eq(subject->ended, 1);
    ck_assert(last()->cancelled);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_TIMED_OUT);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_TIMEOUT);
    ck_assert_str_eq(subject->summary, timeouts[_i].poll);
}
END_TEST

START_TEST(the_deadline_cuts_a_wait)
{
    struct subject *subject = subject_new();
    subject->metadata = ",\"http.poll_interval_seconds\":\"3600\"";
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"running\"}");
    turn_at(now_ms + 9999);
    ck_assert_int_eq(subject->ended, 0);
    turn_at(now_ms + 1);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_TIMEOUT);
    ck_assert_uint_eq(n_transfers, 2);
    ck_assert_str_eq(subject->state, "running");
}
END_TEST

START_TEST(a_poll_has_no_more_time_than_the_run)
{
    struct subject *subject = subject_new();
    subject->metadata = ",\"http.poll_interval_seconds\":\"8\"";
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"running\"}");
    turn_at(now_ms + 8000);
    ck_assert_int_eq(last()->timeout_ms, 2000);
}
END_TEST

START_TEST(polls_are_no_oftener_than_the_worker_allows)
{
    struct subject *subject = subject_new();
    subject->metadata = ",\"http.poll_interval_seconds\":\"0\"";
    config.poll_min_interval_ms = _i;
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"running\"}");
    if (_i > 0) {
        turn_at(now_ms + _i - 1);
        ck_assert_uint_eq(n_transfers, 2);
        turn_at(now_ms + 1);
    } else {
        turn();
    }
    ck_assert_uint_eq(n_transfers, 3);
}
END_TEST

START_TEST(waits_are_stretched_and_never_shortened)
{
    enum { N = 20 };
    int stretched = 0;
    struct subject *some[N];
    config.poll_jitter = 0.1;
    for (int i = 0; i < N; i++) {
        some[i] = subject_new();
        some[i]->metadata = ",\"http.poll_interval_seconds\":\"5\"";
        submit(some[i]);
        turn();
        begin(last());
        answer(last(), 202, "{\"id\":1}");
        begin(last());
        answer(last(), 200, "{\"status\":\"running\"}");
        int64_t wait_ms = some[i]->run->timer.at_ms - now_ms;
        ck_assert_int_ge(wait_ms, 5000);
        ck_assert_int_le(wait_ms, 5500);
        stretched += wait_ms > 5000;
    }
    ck_assert_int_gt(stretched, N / 2);
}
END_TEST

START_TEST(an_early_turn_changes_nothing)
{
    struct subject *subject = subject_new();
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"running\"}");
    for (int i = 0; i < 19; i++) {
        turn_at(now_ms + 100);
        ck_assert_uint_eq(n_transfers, 2);
    }
    turn_at(now_ms + 100);
    ck_assert_uint_eq(n_transfers, 3);
}
END_TEST

/* ---- memory ---- */

START_TEST(without_memory_kickoffs_and_polls_are_tried_again)
{
    struct subject *kickoff = subject_new();
    struct subject *poll = subject_new();
    kick_off(poll);
    answer(last(), 200, "{\"status\":\"running\"}");
    out_of_memory = true;
    submit(kickoff);
    turn();
    turn_at(now_ms + 2000);
    ck_assert_int_eq(poll->ended, 0);
    ck_assert_int_eq(kickoff->ended, 0);
    out_of_memory = false;
    turn_at(now_ms + 2500);
    ck_assert_uint_eq(n_transfers, 4);
}
END_TEST

START_TEST(without_memory_for_the_first_poll_it_is_tried_again)
{
    struct subject *subject = subject_new();
    subject->timeout = "3600";
    submit(subject);
    turn();
    begin(last());
    out_of_memory = true;
    config.poll_max_failures = _i;
    answer(last(), 202, "{\"id\":1}");
    for (int i = 0; i < 3; i++) { /* whatever the budget: it says nothing of the run */
        ck_assert_int_eq(subject->ended, 0);
        turn_at(now_ms + 2500);
    }
    out_of_memory = false;
    turn_at(now_ms + 2500);
    ck_assert_uint_eq(n_transfers, 2);
}
END_TEST

START_TEST(a_waiting_run_is_small)
{
    ck_assert_uint_le(sizeof(struct run), 272);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner");
    TCase *tests = tcase_create("runner");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_run_is_kicked_off_polled_and_ends);
    tcase_add_loop_test(tests, a_result_over_its_limit_is_left_out, 0, 2);
    tcase_add_test(tests, of_a_long_status_the_beginning_is_kept);
    tcase_add_test(tests, a_run_that_fails_at_the_backend_says_so);
    tcase_add_test(tests, an_exchange_that_breaks_has_no_exit_code);
    tcase_add_test(tests, kind_http_ends_with_its_kickoff);
    tcase_add_test(tests, a_message_that_is_refused_is_not_sent);
    tcase_add_loop_test(tests, a_kickoff_that_the_policy_refuses_is_a_rejection, 0, 2);
    tcase_add_loop_test(tests, the_idempotency_header_is_visible_ascii_and_tells_ids_apart, 0, COUNT(ids));
    tcase_add_loop_test(tests, the_idempotency_header_may_be_renamed_or_turned_off, 0, 2);
    tcase_add_test(tests, transient_failures_are_survived_within_the_budget);
    tcase_add_loop_test(tests, one_failure_too_many_ends_the_run, 0, COUNT(budgets));
    tcase_add_loop_test(tests, the_deadline_cuts_a_kickoff, 0, COUNT(timeouts));
    tcase_add_loop_test(tests, the_deadline_cuts_a_poll, 0, COUNT(timeouts));
    tcase_add_test(tests, the_deadline_cuts_a_wait);
    tcase_add_test(tests, a_poll_has_no_more_time_than_the_run);
    tcase_add_loop_test(tests, polls_are_no_oftener_than_the_worker_allows, 0, 3);
    tcase_add_test(tests, waits_are_stretched_and_never_shortened);
    tcase_add_test(tests, an_early_turn_changes_nothing);
    tcase_add_test(tests, without_memory_kickoffs_and_polls_are_tried_again);
    tcase_add_loop_test(tests, without_memory_for_the_first_poll_it_is_tried_again, 0, 2);
    tcase_add_test(tests, a_waiting_run_is_small);
    suite_add_tcase(suite, tests);
    return suite;
}
