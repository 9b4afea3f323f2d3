#include "support/verdicts.h"

static const struct rxp_http_plan polling = POLLING;

#define ACCEPT "; if that is no failure, name it in http.kickoff_accept_codes"

struct kickoff_row {
    const char *run_id_path;
    int code;
    const char *body;
    struct want want;
};

#define ID "data.run.id"
#define WITH_ID "{\"data\":{\"run\":{\"id\":\"r 7\"}}}"

static const struct kickoff_row kickoff_rows[] = {
    /* accepted */
    {NULL, 202, "", {.kind = VERDICT_ACCEPTED}},
    {NULL, 202, "not JSON", {.kind = VERDICT_ACCEPTED}},
    {NULL, 202, "{\"status\":\"done\"}", {.kind = VERDICT_ACCEPTED}}, /* a 202 is never the result */
    {NULL, 200, "", {.kind = VERDICT_ACCEPTED}},
    {NULL, 200, "OK", {.kind = VERDICT_ACCEPTED}},
    {NULL, 200, "{}", {.kind = VERDICT_ACCEPTED}},
    {NULL, 200, "{\"status\":null}", {.kind = VERDICT_ACCEPTED}},
    {NULL, 200, "{\"status\":{\"done\":1}}", {.kind = VERDICT_ACCEPTED}},
    {NULL, 200, "{\"status\":\"queued\"}", {.kind = VERDICT_ACCEPTED, .state = "queued"}},
    {NULL, 200, "{\"status\":\"Done\"}", {.kind = VERDICT_ACCEPTED, .state = "Done"}},
    {ID, 202, WITH_ID, {.kind = VERDICT_ACCEPTED, .run_id = "r 7"}},
    {"id", 202, "{\"status\":\"done\",\"id\":8}", {.kind = VERDICT_ACCEPTED, .run_id = "8"}},
    {ID, 200, WITH_ID, {.kind = VERDICT_ACCEPTED, .run_id = "r 7"}},
    {ID,
     202,
     "{\"data\":{\"run\":{\"id\":9007199254740993}}}",
     {.kind = VERDICT_ACCEPTED, .run_id = "9007199254740993"}},
    /* the result at once */
    {NULL, 200, "{\"status\":\"done\"}", {SUCCEEDED("done")}},
    {NULL, 200, " {\"status\":\"d\\u006fne\"}\n", {SUCCEEDED("done")}},
    {NULL, 200, "{\"status\":true}", {SUCCEEDED("true")}},
    {NULL,
     200,
     "{\"status\":\"failed\"}",
     {FAILED(BACKEND_FAILED, "backend reported terminal status: failed"),
      .state = "failed", .exit_code = 1}},
    {ID, 200, "{\"status\":\"done\"}", {SUCCEEDED("done")}},
    {ID, 200, "{\"status\":\"done\",\"data\":{\"run\":{\"id\":{}}}}", {SUCCEEDED("done")}},
    {ID,
     200,
     "{\"status\":\"done\",\"data\":{\"run\":{\"id\":8}}}",
     {SUCCEEDED("done"), .run_id = "8"}},
    /* no id */
    {ID,
     202,
     "{\"data\":{}}",
     {BROKEN(RUN_ID_MISSING, "kickoff response has no field at path 'data.run.id'")}},
    {ID,
     200,
     "{\"status\":\"queued\"}",
     {BROKEN(RUN_ID_MISSING, "kickoff response has no field at path 'data.run.id'"),
      .state = "queued"}},
    {ID, 202, "", {BROKEN(KICKOFF_NOT_JSON, "kickoff response is not JSON: it is empty")}},
    {ID, 200, "", {BROKEN(KICKOFF_NOT_JSON, "kickoff response is not JSON: it is empty")}},
    /* refused */
    {NULL,
     500,
     "boom",
     {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200 or 202, got 500: boom")}},
    {NULL, 503, "", {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200 or 202, got 503")}},
    {NULL,
     201,
     "{\"status\":\"done\"}",
     {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200 or 202, got 201: {\"status\":\"done\"}" ACCEPT)}},
    {NULL,
     400,
     "a\r\nb\x1b\xff",
     {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200 or 202, got 400: a\\r\\nb\\x1b\\xff")}},
    {NULL, 401, "", {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200 or 202, got 401"), .unauthorized = true}},
    {NULL, 403, "", {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200 or 202, got 403")}},
};

START_TEST(judges_a_kickoff)
{
    const struct kickoff_row *row = &kickoff_rows[_i];
    struct rxp_http_plan plan = polling;
    plan.run_id_path = row->run_id_path;
    check_kickoff(&plan, row->code, row->body, &row->want);
}
END_TEST

/* Other codes may accept it; 200 alone may bring the result at once. */
static const struct {
    struct rxp_codes codes;
    int code;
    const char *body;
    struct want want;
} accept_rows[] = {
    {CODES(201), 201, "{\"status\":\"done\"}", {.kind = VERDICT_ACCEPTED}},
    {CODES(201, 409), 409, "there is one", {.kind = VERDICT_ACCEPTED}},
    {CODES(204, 401), 401, "", {.kind = VERDICT_ACCEPTED}},
    {CODES(200), 200, "{\"status\":\"done\"}", {SUCCEEDED("done")}},
    {CODES(201), 200, "", {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 201, got 200" ACCEPT)}},
    {CODES(200), 202, "", {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200, got 202" ACCEPT)}},
    {CODES(200, 201, 202), 204, "", {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200, 201 or 202, got 204" ACCEPT)}},
    {CODES(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
     500,
     "",
     {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 1, 2, 3, 4, 5, 6, 7, 8, 9 or 10, got 500")}},
    {CODES(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
     500,
     "",
     {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 or one of 2 others, got 500")}},
};

START_TEST(only_the_codes_that_the_plan_names_accept_a_kickoff)
{
    struct rxp_http_plan plan = polling;
    plan.accept_codes = accept_rows[_i].codes;
    check_kickoff(&plan, accept_rows[_i].code, accept_rows[_i].body, &accept_rows[_i].want);
}
END_TEST

START_TEST(a_code_between_redirects_and_answers_may_accept_a_kickoff)
{
    struct rxp_http_plan plan = polling;
    plan.accept_codes = (struct rxp_codes)CODES(304);
    const struct http_reply reply = trouble_of(TRANSPORT_REDIRECT, "", true, 304);
    const struct verdict verdict = of_kickoff(&plan, &reply);
    check_verdict(&verdict, &(struct want){.kind = VERDICT_ACCEPTED});
}
END_TEST

START_TEST(a_kickoff_that_is_not_json_is_shown_with_the_place)
{
    struct rxp_http_plan plan = polling;
    plan.run_id_path = ID;
    struct http_reply reply = reply_of_text(202, "{\"a\":1} x");
    struct verdict verdict = of_kickoff(&plan, &reply);
    ck_assert_int_eq(verdict.kind, VERDICT_BROKEN);
    ck_assert_int_eq(verdict.error, RXP_ERROR_KICKOFF_NOT_JSON);
    ck_assert_msg(strncmp(verdict.text, "kickoff response is not JSON (", 30) == 0, "%s", verdict.text);
    ck_assert_msg(strstr(verdict.text, " at byte 8): {\"a\":1} x") != NULL, "%s", verdict.text);
    verdict_deinit(&verdict);
    reply_free(&reply);
}
END_TEST

START_TEST(a_run_id_that_is_no_id_breaks_the_run)
{
    static const char *const ids[] = {"null", "{}", "[]", "\"\"", "\".\"", "\"..\""};
    char body[100];
    struct rxp_http_plan plan = polling;
    plan.run_id_path = "id";
    snprintf(body, sizeof body, "{\"id\":%s}", ids[_i]);
    struct http_reply reply = reply_of_text(202, body);
    struct verdict verdict = of_kickoff(&plan, &reply);
    ck_assert_int_eq(verdict.kind, VERDICT_BROKEN);
    ck_assert_int_eq(verdict.error, RXP_ERROR_RUN_ID_INVALID);
    ck_assert_ptr_nonnull(strstr(verdict.text, "kickoff response"));
    ck_assert_ptr_null(verdict.run_id);
    verdict_deinit(&verdict);
    reply_free(&reply);
}
END_TEST

/* A path for later answers makes the kickoff's id one that may be missing, unless the poll URL needs it. */
static const struct {
    bool url_has_run_id;
    const char *body;
    struct want want;
} late_rows[] = {
    {false, "{}", {.kind = VERDICT_ACCEPTED}},
    {false, "not JSON", {.kind = VERDICT_ACCEPTED}},
    {false, "{\"id\":null}", {.kind = VERDICT_ACCEPTED}},
    {false, "{\"id\":7}", {.kind = VERDICT_ACCEPTED, .run_id = "7"}},
    {true, "{}", {BROKEN(RUN_ID_MISSING, "kickoff response has no field at path 'id'")}},
    {true, "", {BROKEN(KICKOFF_NOT_JSON, "kickoff response is not JSON: it is empty")}},
};

START_TEST(an_id_that_may_come_later_may_be_missing)
{
    struct rxp_http_plan plan = polling;
    plan.poll.url_has_run_id = late_rows[_i].url_has_run_id;
    plan.result.url_has_run_id = true;
    plan.run_id_path = "id";
    plan.late_run_id_path = "run";
    check_kickoff(&plan, 202, late_rows[_i].body, &late_rows[_i].want);
}
END_TEST

enum { NOBODY, RESULT, CANCEL, AFTER };

/* The poll URL needs none, and no later answer names one: it is for who wants it, or for the result's reader alone. */
static const struct {
    int wanted_by;
    int code;
    const char *body;
    struct want want;
} unneeded_rows[] = {
    {NOBODY, 202, "{\"id\":7}", {.kind = VERDICT_ACCEPTED, .run_id = "7"}},
    {NOBODY, 200, "{\"id\":\"r\"}", {.kind = VERDICT_ACCEPTED, .run_id = "r"}},
    {NOBODY, 202, "{}", {.kind = VERDICT_ACCEPTED}},
    {NOBODY, 202, "", {.kind = VERDICT_ACCEPTED}},
    {NOBODY, 200, "<html>", {.kind = VERDICT_ACCEPTED}},
    {NOBODY, 202, "{\"id\":[]}", {.kind = VERDICT_ACCEPTED}},
    {NOBODY, 202, "{\"id\":\"..\"}", {.kind = VERDICT_ACCEPTED}},
    {RESULT, 202, "{\"id\":7}", {.kind = VERDICT_ACCEPTED, .run_id = "7"}},
    {RESULT, 202, "{}", {BROKEN(RUN_ID_MISSING, "kickoff response has no field at path 'id'")}},
    {CANCEL, 202, "{}", {BROKEN(RUN_ID_MISSING, "kickoff response has no field at path 'id'")}},
    {AFTER, 202, "", {BROKEN(KICKOFF_NOT_JSON, "kickoff response is not JSON: it is empty")}},
};

START_TEST(an_id_that_no_call_needs_may_be_missing)
{
    struct rxp_http_plan plan = polling;
    plan.poll = (struct rxp_http_call){.url = "http://h/status", .method = "GET"};
    plan.run_id_path = "id";
    plan.result.url_has_run_id = unneeded_rows[_i].wanted_by == RESULT;
    plan.cancel.body_has_run_id = unneeded_rows[_i].wanted_by == CANCEL;
    plan.after.url_has_run_id = unneeded_rows[_i].wanted_by == AFTER;
    check_kickoff(&plan, unneeded_rows[_i].code, unneeded_rows[_i].body, &unneeded_rows[_i].want);
}
END_TEST

static const struct {
    const char *retry_after;
    int64_t wait_ms;
} wait_rows[] = {
    {NULL, 0}, {"7", 7000}, {"0", 0}, {"soon", 0}, {"Sun, 06 Nov 1994 08:49:39 GMT", 2000},
};

START_TEST(an_accepted_kickoff_may_put_the_first_poll_off)
{
    struct http_reply reply = {.sent = true, .code = 202, .body = "", .retry_after = wait_rows[_i].retry_after};
    const struct verdict verdict = of_kickoff(&polling, &reply);
    check_verdict(&verdict, &(struct want){.kind = VERDICT_ACCEPTED, .retry_after_ms = wait_rows[_i].wait_ms});
}
END_TEST

struct sync_row {
    enum transport_error error;
    int code;
    const char *retry_after;
    struct want want;
};

static const struct sync_row sync_rows[] = {
    {TRANSPORT_OK, 200, "7", {.kind = VERDICT_DONE, .succeeded = true, .exit_code = 200}},
    {TRANSPORT_OK, 204, NULL, {.kind = VERDICT_DONE, .succeeded = true, .exit_code = 204}},
    {TRANSPORT_OK, 299, NULL, {.kind = VERDICT_DONE, .succeeded = true, .exit_code = 299}},
    {TRANSPORT_OK,
     199,
     NULL,
     {FAILED(KICKOFF_STATUS, "kickoff expected HTTP 2xx, got 199: boom"), .exit_code = 199}},
    {TRANSPORT_OK,
     500,
     "7",
     {FAILED(KICKOFF_STATUS, "kickoff expected HTTP 2xx, got 500: boom"), .exit_code = 500}},
    {TRANSPORT_OK,
     300,
     NULL,
     {FAILED(KICKOFF_STATUS, "kickoff expected HTTP 2xx, got 300: boom"), .exit_code = 300}},
    {TRANSPORT_OK,
     401,
     NULL,
     {FAILED(KICKOFF_STATUS, "kickoff expected HTTP 2xx, got 401: boom"), .exit_code = 401, .unauthorized = true}},
    {TRANSPORT_OK,
     503,
     NULL,
     {FAILED(KICKOFF_STATUS, "kickoff expected HTTP 2xx, got 503: boom"), .exit_code = 503}},
    {TRANSPORT_OK,
     503,
     "7",
     {RETRY(KICKOFF_STATUS, "kickoff expected HTTP 2xx, got 503: boom (Retry-After: 7)"),
      .has_exit_code = true, .exit_code = 503, .retry_after_ms = 7000}},
    {TRANSPORT_REDIRECT,
     302,
     NULL,
     {FAILED(KICKOFF_STATUS, "kickoff expected HTTP 2xx, got 302: why"), .exit_code = 302}},
    /* to a redirect's origin */
    {TRANSPORT_CONNECT, 0, NULL, {BROKEN(KICKOFF_NETWORK, "kickoff to http://h/runs failed: why")}},
    {TRANSPORT_REDIRECT, 0, NULL, {BROKEN(KICKOFF_STATUS, "kickoff to http://h/runs failed: why")}},
};

START_TEST(a_kickoff_without_polls_is_the_result)
{
    const struct sync_row *row = &sync_rows[_i];
    const struct rxp_http_plan plan = {.kickoff.url = "http://h/runs", .accept_codes = CODES(202)};
    struct http_reply reply = trouble_of(row->error, row->error == TRANSPORT_OK ? "" : "why", true, row->code);
    reply.body = "boom";
    reply.body_bytes = 4;
    reply.retry_after = row->retry_after;
    const struct verdict verdict = of_kickoff(&plan, &reply);
    check_verdict(&verdict, &row->want);
}
END_TEST

START_TEST(a_synchronous_answer_has_a_result_too_where_it_is_json)
{
    const struct rxp_http_plan plan = {.kickoff.url = "http://h/", .result_path = "out"};
    const struct want with = {.kind = VERDICT_DONE, .succeeded = true, .exit_code = 200, .result = "[1]"};
    const struct want without = {.kind = VERDICT_DONE, .succeeded = true, .exit_code = 200};
    check_kickoff(&plan, 200, "{\"out\":[1]}", &with);
    check_kickoff(&plan, 200, "plain text", &without);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("verdict_kickoff");
    TCase *tcase = tcase_create("verdict_kickoff");
    tcase_add_loop_test(tcase, judges_a_kickoff, 0, ROWS(kickoff_rows));
    tcase_add_loop_test(tcase, only_the_codes_that_the_plan_names_accept_a_kickoff, 0, ROWS(accept_rows));
    tcase_add_test(tcase, a_code_between_redirects_and_answers_may_accept_a_kickoff);
    tcase_add_test(tcase, a_kickoff_that_is_not_json_is_shown_with_the_place);
    tcase_add_loop_test(tcase, a_run_id_that_is_no_id_breaks_the_run, 0, 6);
    tcase_add_loop_test(tcase, an_id_that_may_come_later_may_be_missing, 0, ROWS(late_rows));
    tcase_add_loop_test(tcase, an_id_that_no_call_needs_may_be_missing, 0, ROWS(unneeded_rows));
    tcase_add_loop_test(tcase, an_accepted_kickoff_may_put_the_first_poll_off, 0, ROWS(wait_rows));
    tcase_add_loop_test(tcase, a_kickoff_without_polls_is_the_result, 0, ROWS(sync_rows));
    tcase_add_test(tcase, a_synchronous_answer_has_a_result_too_where_it_is_json);
    suite_add_tcase(suite, tcase);
    return suite;
}
