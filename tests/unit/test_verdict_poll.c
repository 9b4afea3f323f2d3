#include "support/verdicts.h"

static const struct rxp_http_plan polling = POLLING;

enum pending { NONE, SOME, ONLY_200 };
static const struct rxp_codes pending_codes[] = {{NULL, 0}, CODES(404, 429, 304, 401), CODES(200)};

struct poll_row {
    enum pending pending;
    int code;
    const char *body;
    struct want want;
};

#define NO_STATUS(found)                                                                                               \
    "poll response has no status at path 'status' but " found ": a string, number or boolean is needed"
#define NO_FIELD "poll response has no field at path 'status'"
#define POLLED " (polled http://h/runs/7)"

static const struct poll_row poll_rows[] = {
    {NONE, 200, "{\"status\":\"running\"}", {.kind = VERDICT_PENDING, .state = "running"}},
    {NONE, 200, "{\"status\":\"\"}", {.kind = VERDICT_PENDING, .state = ""}},
    {NONE, 200, "{\"status\":\"done \"}", {.kind = VERDICT_PENDING, .state = "done "}},
    {NONE, 200, "{\"status\":3}", {.kind = VERDICT_PENDING, .state = "3"}},
    {NONE, 200, "{\"status\":4}", {.kind = VERDICT_PENDING, .state = "4"}},
    {NONE, 200, "{\"status\":false}", {.kind = VERDICT_PENDING, .state = "false"}},
    {NONE, 200, "{\"status\":\"done\"}", {SUCCEEDED("done")}},
    {NONE, 200, "{\"status\":4.0}", {SUCCEEDED("4.0")}},
    {NONE, 200, "{\"status\":\"4.0\"}", {SUCCEEDED("4.0")}},
    {NONE, 200, "{\"status\":9007199254740993}", {SUCCEEDED("9007199254740993")}},
    {NONE, 200, "{\"status\":true}", {SUCCEEDED("true")}},
    {NONE, 200, "{\"status\":\"done\",\"status\":\"x\"}", {SUCCEEDED("done")}},
    {NONE,
     200,
     "{\"status\":\"cancelled\"}",
     {FAILED(BACKEND_FAILED, "backend reported terminal status: cancelled"),
      .state = "cancelled", .exit_code = 1}},
    {NONE,
     200,
     "{\"status\":\"a\\nb\"}",
     {FAILED(BACKEND_FAILED, "backend reported terminal status: a\\nb"),
      .state = "a\nb", .exit_code = 1}},
    /* no status */
    {NONE, 200, "{}", {BROKEN(STATUS_MISSING, NO_FIELD)}},
    {NONE, 200, "{\"Status\":\"done\"}", {BROKEN(STATUS_MISSING, NO_FIELD)}},
    {NONE, 200, "{\"status\":null}", {BROKEN(STATUS_MISSING, NO_STATUS("null"))}},
    {NONE, 200, "{\"status\":{}}", {BROKEN(STATUS_MISSING, NO_STATUS("{}"))}},
    {NONE, 200, "{\"status\":[\"done\"]}", {BROKEN(STATUS_MISSING, NO_STATUS("[\"done\"]"))}},
    {NONE, 200, "", {BROKEN(POLL_NOT_JSON, "poll response is not JSON: it is empty")}},
    /* codes */
    {NONE, 404, "boom", {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 404: boom" POLLED)}},
    {NONE, 202, "",
     {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 202" POLLED
             "; if that is no failure, name it in http.poll_pending_codes")}},
    {NONE,
     501,
     "{\"status\":\"done\"}",
     {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 501: {\"status\":\"done\"}" POLLED)}},
    {NONE, 401, "", {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 401" POLLED), .unauthorized = true}},
    {NONE, 403, "", {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 403" POLLED)}},
    {NONE, 408, "", {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 408" POLLED)}},
    {NONE, 429, "", {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 429" POLLED)}},
    {NONE, 500, "boom", {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 500: boom" POLLED)}},
    {NONE, 502, "", {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 502" POLLED)}},
    {NONE, 503, "", {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 503" POLLED)}},
    {NONE, 504, "", {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 504" POLLED)}},
    {SOME, 404, "boom", {.kind = VERDICT_PENDING}},
    {SOME, 429, "boom", {.kind = VERDICT_PENDING}}, /* pending wins over transient */
    {SOME, 401, "boom", {.kind = VERDICT_PENDING}},
    {SOME, 404, "{\"status\":\"done\"}", {.kind = VERDICT_PENDING}},
    {SOME, 500, "", {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 500" POLLED)}},
    {SOME, 410, "", {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 410" POLLED)}},
    {SOME, 200, "{\"status\":\"done\"}", {SUCCEEDED("done")}},
    {ONLY_200, 200, "{\"status\":\"done\"}", {SUCCEEDED("done")}},
    {ONLY_200, 200, "{\"status\":\"x\"}", {.kind = VERDICT_PENDING, .state = "x"}},
    {ONLY_200, 200, "not yet", {.kind = VERDICT_PENDING}},
    {ONLY_200, 200, "{}", {.kind = VERDICT_PENDING}},
};

START_TEST(judges_a_poll)
{
    const struct poll_row *row = &poll_rows[_i];
    struct rxp_http_plan plan = polling;
    plan.pending_codes = pending_codes[row->pending];
    check_poll(&plan, row->code, row->body, &row->want);
}
END_TEST

START_TEST(a_poll_that_breaks_the_rules_of_json_is_not_json)
{
    static const char *const bodies[] = {"{\"status\":\"do\\u0000ne\"}", "{\"status\":\"done\"} x",
                                         "{\"status\":\"done\xff\"}",    "\xef\xbb\xbf{\"status\":\"done\"}",
                                         "{\"status\":01}",              "<html>"};
    struct http_reply reply = reply_of_text(200, bodies[_i]);
    struct verdict verdict = of_poll(&polling, &reply);
    ck_assert_int_eq(verdict.kind, VERDICT_BROKEN);
    ck_assert_int_eq(verdict.error, RXP_ERROR_POLL_NOT_JSON);
    ck_assert_msg(strncmp(verdict.text, "poll response is not JSON (", 27) == 0, "%s", verdict.text);
    verdict_deinit(&verdict);
    reply_free(&reply);
}
END_TEST

START_TEST(a_nested_path_leads_to_the_status)
{
    struct rxp_http_plan plan = polling;
    plan.status_path = "runs.1.state";
    check_poll(&plan, 200, "{\"runs\":[{\"state\":\"x\"},{\"state\":\"done\"}]}", &(struct want){SUCCEEDED("done")});
}
END_TEST

/* Codes 404, 200 and 304 mean "not yet", for 60 seconds. */
static const struct {
    int code;
    const char *body;
    int64_t since_ms;
    bool saw_200;
    struct want want;
} belief_rows[] = {
    {404, "", 0, false, {.kind = VERDICT_PENDING}},
    {404, "", 59999, false, {.kind = VERDICT_PENDING}},
    {404,
     "",
     60000,
     false,
     {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 404" POLLED
                          "; as a pending code it counts no longer (http.poll_pending_seconds)")}},
    {404,
     "gone",
     0,
     true,
     {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 404: gone" POLLED
                          "; as a pending code it counts only until a poll is answered with 200")}},
    {503,
     "",
     60000,
     false,
     {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 503" POLLED
                             "; as a pending code it counts no longer (http.poll_pending_seconds)")}},
    {503,
     "",
     0,
     true,
     {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 503" POLLED
                             "; as a pending code it counts only until a poll is answered with 200")}},
    {202, "", 0, true, {.kind = VERDICT_PENDING}}, /* it is not gone */
    {202,
     "",
     60000,
     true,
     {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 202" POLLED
                          "; as a pending code it counts no longer (http.poll_pending_seconds)")}},
    {200, "not yet", 59999, true, {.kind = VERDICT_PENDING}},
    {200, "{}", 60000, false, {BROKEN(STATUS_MISSING, NO_FIELD)}},
};

START_TEST(a_pending_code_is_believed_for_a_time)
{
    struct rxp_http_plan plan = polling;
    plan.pending_codes = (struct rxp_codes)CODES(404, 503, 202, 200);
    plan.poll_pending_ms = 60000;
    struct http_reply reply = reply_of_text(belief_rows[_i].code, belief_rows[_i].body);
    const struct verdict_poll poll = {
        .url = POLL_URL, .since_ms = belief_rows[_i].since_ms, .saw_200 = belief_rows[_i].saw_200};
    struct verdict verdict;
    verdict_of_poll(&plan, &verdict_limits, &poll, &reply, &verdict);
    check_verdict(&verdict, &belief_rows[_i].want);
    ck_assert_int_eq(verdict.saw_200, belief_rows[_i].code == 200);
    verdict_deinit(&verdict);
    reply_free(&reply);
}
END_TEST

/* 304, say. */
START_TEST(a_pending_code_that_no_redirect_can_follow_is_pending)
{
    struct rxp_http_plan plan = polling;
    plan.pending_codes = (struct rxp_codes)CODES(404, 304);
    plan.poll_pending_ms = 60000;
    const struct http_reply reply = trouble_of(TRANSPORT_REDIRECT, "why", true, 304);
    struct verdict_poll poll = {.url = "http://h/", .saw_200 = true};
    struct verdict verdict;
    verdict_of_poll(&plan, &verdict_limits, &poll, &reply, &verdict);
    check_verdict(&verdict, &(struct want){.kind = VERDICT_PENDING});
    poll.since_ms = 60000;
    verdict_of_poll(&plan, &verdict_limits, &poll, &reply, &verdict);
    const struct want over = {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 304: why (polled http://h/)")};
    check_verdict(&verdict, &over);
}
END_TEST

static const struct {
    const char *body;
    struct want want;
} missing_rows[] = {
    {"{}", {.kind = VERDICT_PENDING}},
    {"{\"status\":null}", {.kind = VERDICT_PENDING}},
    {"{\"status\":true}", {SUCCEEDED("true")}},
    {"{\"status\":{}}", {BROKEN(STATUS_MISSING, NO_STATUS("{}"))}},
    {"{\"status\":[]}", {BROKEN(STATUS_MISSING, NO_STATUS("[]"))}},
    {"", {BROKEN(POLL_NOT_JSON, "poll response is not JSON: it is empty")}},
};

START_TEST(a_status_that_is_missing_may_mean_not_yet)
{
    struct rxp_http_plan plan = polling;
    plan.missing_status_is_pending = true;
    check_poll(&plan, 200, missing_rows[_i].body, &missing_rows[_i].want);
}
END_TEST

static const struct {
    int code;
    bool has_run_id;
    const char *body;
    const char *run_id;
} late_rows[] = {
    {200, false, "{\"status\":\"x\",\"run\":{\"id\":\"r/7\"}}", "r/7"},
    {200, false, "{\"status\":\"x\",\"run\":{\"id\":9007199254740993}}", "9007199254740993"},
    {200, false, "{\"status\":\"done\",\"run\":{\"id\":7}}", "7"},
    {200, false, "{\"run\":{\"id\":7}}", "7"},
    {202, false, "{\"run\":{\"id\":7}}", "7"},
    {404, false, "{\"run\":{\"id\":7}}", NULL}, /* who knows whose */
    {200, true, "{\"status\":\"x\",\"run\":{\"id\":7}}", NULL},
    {202, true, "{\"run\":{\"id\":7}}", NULL},
    {200, false, "{\"status\":\"x\",\"run\":{\"id\":null}}", NULL},
    {200, false, "{\"status\":\"x\",\"run\":{\"id\":\"..\"}}", NULL},
    {200, false, "{\"status\":\"x\",\"run\":{\"id\":[7]}}", NULL},
    {200, false, "{\"status\":\"x\"}", NULL},
    {200, false, "not JSON", NULL},
    {202, false, "", NULL},
};

START_TEST(a_run_id_may_come_with_a_poll)
{
    struct rxp_http_plan plan = polling;
    plan.late_run_id_path = "run.id";
    plan.pending_codes = (struct rxp_codes)CODES(202, 404, 200);
    struct http_reply reply = reply_of_text(late_rows[_i].code, late_rows[_i].body);
    const struct verdict_poll poll = {.url = POLL_URL, .has_run_id = late_rows[_i].has_run_id};
    struct verdict verdict;
    verdict_of_poll(&plan, &verdict_limits, &poll, &reply, &verdict);
    check_string("run_id", verdict.run_id, late_rows[_i].run_id);
    ck_assert_int_ne(verdict.kind, VERDICT_BROKEN);
    verdict_deinit(&verdict);
    reply_free(&reply);
}
END_TEST

START_TEST(no_run_id_is_taken_from_a_poll_that_was_not_asked_for_it)
{
    const char *body = "{\"status\":\"x\",\"\":{\"id\":7}}";
    check_poll(&polling, 200, body, &(struct want){.kind = VERDICT_PENDING, .state = "x"});
}
END_TEST

struct result_row {
    const char *path;
    const char *body;
    const char *result;
    bool truncated;
};

static const struct result_row result_rows[] = {
    {NULL, "{\"status\":\"done\",\"out\":1}", NULL, false},
    {"out", "{\"status\":\"done\"}", NULL, false},
    {"out", "{\"status\":\"done\",\"out\": 1.0 }", "1.0", false},
    {"out", "{\"status\":\"done\",\"out\":\"a\\u0062\"}", "\"a\\u0062\"", false},
    {"out", "{\"status\":\"done\",\"out\":{ \"n\": 9007199254740993}}", NULL, true}, /* 24 bytes */
    {"out", "{\"status\":\"done\",\"out\":{\"n\": 9007199254740}}", "{\"n\": 9007199254740}", false}, /* 20 */
    {"out", "{\"status\":\"done\",\"out\":{\"n\":  9007199254740}}", NULL, true}, /* 21 */
    {"out", "{\"status\":\"failed\",\"out\":null}", "null", false},
    {"out", "{\"status\":\"running\",\"out\":1}", NULL, false},
};

START_TEST(keeps_the_result_as_it_was_written)
{
    const struct result_row *row = &result_rows[_i];
    struct rxp_http_plan plan = polling;
    plan.result_path = row->path;
    struct http_reply reply = reply_of_text(200, row->body);
    struct verdict poll = of_poll(&plan, &reply);
    struct verdict kickoff = of_kickoff(&plan, &reply);
    check_string("result", poll.result, row->result);
    check_string("result", kickoff.result, row->result);
    ck_assert_int_eq(poll.result_truncated, row->truncated);
    ck_assert_int_eq(kickoff.result_truncated, row->truncated);
    verdict_deinit(&poll);
    verdict_deinit(&poll);
    verdict_deinit(&kickoff);
    reply_free(&reply);
}
END_TEST

/* Where a code means that the run is pending, Retry-After of any answer is heard that is no end. */
static const struct {
    int code;
    const char *body;
    int64_t wait_ms;
} wait_rows[] = {
    {200, "{\"status\":\"x\"}", 5000},
    {202, "", 5000},
    {429, "", 5000},
    {503, "", 5000},
    {500, "", 5000},
    {200, "{\"status\":\"done\"}", 0},
    {400, "", 0},
};

START_TEST(retry_after_is_told_of_every_poll_that_ends_nothing)
{
    struct rxp_http_plan plan = polling;
    plan.pending_codes = (struct rxp_codes)CODES(202);
    struct http_reply reply = reply_of_text(wait_rows[_i].code, wait_rows[_i].body);
    reply.retry_after = "Sun, 06 Nov 1994 08:49:42 GMT";
    struct verdict verdict = of_poll(&plan, &reply);
    ck_assert_int_eq(verdict.retry_after_ms, wait_rows[_i].wait_ms);
    verdict_deinit(&verdict);
    reply_free(&reply);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("verdict_poll");
    TCase *tcase = tcase_create("verdict_poll");
    tcase_add_loop_test(tcase, judges_a_poll, 0, ROWS(poll_rows));
    tcase_add_loop_test(tcase, a_poll_that_breaks_the_rules_of_json_is_not_json, 0, 6);
    tcase_add_test(tcase, a_nested_path_leads_to_the_status);
    tcase_add_loop_test(tcase, a_pending_code_is_believed_for_a_time, 0, ROWS(belief_rows));
    tcase_add_test(tcase, a_pending_code_that_no_redirect_can_follow_is_pending);
    tcase_add_loop_test(tcase, a_status_that_is_missing_may_mean_not_yet, 0, ROWS(missing_rows));
    tcase_add_loop_test(tcase, a_run_id_may_come_with_a_poll, 0, ROWS(late_rows));
    tcase_add_test(tcase, no_run_id_is_taken_from_a_poll_that_was_not_asked_for_it);
    tcase_add_loop_test(tcase, keeps_the_result_as_it_was_written, 0, ROWS(result_rows));
    tcase_add_loop_test(tcase, retry_after_is_told_of_every_poll_that_ends_nothing, 0, ROWS(wait_rows));
    suite_add_tcase(suite, tcase);
    return suite;
}
