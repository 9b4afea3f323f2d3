#include "support/verdicts.h"

static const struct rxp_http_plan polling = POLLING;

/* Which ends are followed by a fetch. */
static const struct {
    bool all;
    const char *state;
    enum verdict_kind kind;
} due_rows[] = {
    {false, "done", VERDICT_FETCH}, {false, "true", VERDICT_FETCH},    {false, "failed", VERDICT_DONE},
    {true, "failed", VERDICT_FETCH}, {true, "cancelled", VERDICT_FETCH}, {true, "running", VERDICT_PENDING},
};

START_TEST(a_terminal_state_may_have_a_result_to_be_fetched)
{
    struct rxp_http_plan plan = polling;
    char body[100];
    bool is_done = strcmp(due_rows[_i].state, "done") == 0 || strcmp(due_rows[_i].state, "true") == 0;
    snprintf(body, sizeof body, "{\"status\":\"%s\",\"out\":1}", due_rows[_i].state);
    plan.result.url = "http://h/result";
    plan.result_states_all = due_rows[_i].all;
    plan.result_path = "out";
    struct http_reply reply = reply_of_text(200, body);
    struct verdict poll = of_poll(&plan, &reply);
    struct verdict kickoff = of_kickoff(&plan, &reply);
    ck_assert_int_eq(poll.kind, due_rows[_i].kind);
    ck_assert_int_eq(kickoff.kind, due_rows[_i].kind == VERDICT_PENDING ? VERDICT_ACCEPTED : due_rows[_i].kind);
    ck_assert_int_eq(poll.succeeded, is_done);
    ck_assert_int_eq(poll.has_exit_code, due_rows[_i].kind != VERDICT_PENDING);
    check_string("state", poll.state, due_rows[_i].state);
    /* The path is one into the body that is fetched. */
    check_string("result", poll.result, due_rows[_i].kind == VERDICT_DONE ? "1" : NULL);
    check_string("result", kickoff.result, due_rows[_i].kind == VERDICT_DONE ? "1" : NULL);
    verdict_deinit(&poll);
    verdict_deinit(&kickoff);
    reply_free(&reply);
}
END_TEST

/* done, but with an error: there is nothing to fetch, unless that is asked for. */
START_TEST(a_success_that_a_message_denies_has_no_result)
{
    struct rxp_http_plan plan = polling;
    plan.result.url = "http://h/result";
    plan.missing_status_is_pending = true;
    plan.error_paths = (struct rxp_words)WORDS("error");
    plan.terminal_states = plan.success_states;
    struct want want = {FAILED(BACKEND_FAILED, "backend reported terminal status: done: quota"), .state = "done",
                        .exit_code = 1};
    check_poll(&plan, 200, "{\"status\":\"done\",\"error\":\"quota\"}", &want);
    plan.result_states_all = true;
    want.kind = VERDICT_FETCH;
    check_poll(&plan, 200, "{\"status\":\"done\",\"error\":\"quota\"}", &want);
    plan.result_states_all = false;
    plan.result_states = (struct rxp_words)WORDS("failed");
    plan.terminal_states = polling.terminal_states;
    want.state = "failed";
    want.text = "backend reported terminal status: failed: quota";
    check_poll(&plan, 200, "{\"status\":\"failed\",\"error\":\"quota\"}", &want);
}
END_TEST

START_TEST(a_200_that_is_a_pending_code_may_bring_an_end_with_a_fetch)
{
    struct rxp_http_plan plan = polling;
    plan.result.url = "http://h/result";
    plan.pending_codes = (struct rxp_codes)CODES(200);
    const struct want want = {.kind = VERDICT_FETCH, .succeeded = true, .state = "done"};
    check_poll(&plan, 200, "{\"status\":\"done\"}", &want);
}
END_TEST

#define ASKED " (asked http://h/result)"

static const struct {
    const char *path;
    int code;
    const char *body;
    struct want want;
} rows[] = {
    {NULL, 200, " {\"a\": 1.0}\n", {.kind = VERDICT_DONE, .result = "{\"a\": 1.0}"}},
    {NULL, 200, "9007199254740993", {.kind = VERDICT_DONE, .result = "9007199254740993"}},
    {NULL, 200, "a \"line\"\n", {.kind = VERDICT_DONE, .result = "\"a \\\"line\\\"\\n\""}},
    {NULL, 200, "", {.kind = VERDICT_DONE, .result = "\"\""}},
    {NULL, 200, "\xc3\xa4", {.kind = VERDICT_DONE, .result = "\"\xc3\xa4\""}},
    {NULL, 200, "'2345678901234567", {.kind = VERDICT_DONE, .result = "\"'2345678901234567\""}},       /* 19 */
    {NULL, 200, "'23456789012345678", {.kind = VERDICT_DONE, .result = "\"'23456789012345678\""}},     /* 20 */
    {NULL, 200, "'234567890123456789", {.kind = VERDICT_DONE, .truncated = true}},                     /* 21, quoted */
    {NULL, 200, "\n\n\n\n\n\n\n\n\n\n", {.kind = VERDICT_DONE, .truncated = true}},                    /* escaped */
    {NULL, 200, "'23456789012345678901", {.kind = VERDICT_DONE, .truncated = true}},
    {NULL, 200, "[1,2,3,4,5,6,7,8,9]", {.kind = VERDICT_DONE, .result = "[1,2,3,4,5,6,7,8,9]"}},
    {NULL, 200, "[1,2,3,4,5,6,7,8,9,0]", {.kind = VERDICT_DONE, .truncated = true}},
    {NULL,
     200,
     "a\xff",
     {BROKEN(RESULT_FETCH, "result fetch response is neither JSON nor UTF-8 text: a\\xff")}},
    {"a.b", 200, "{\"a\":{\"b\": [1]}}", {.kind = VERDICT_DONE, .result = "[1]"}},
    {"a", 200, "{\"a\":null}", {.kind = VERDICT_DONE, .result = "null"}},
    {"a", 200, "{}", {BROKEN(RESULT_FETCH, "result fetch response has no field at path 'a'")}},
    {"a", 200, "", {BROKEN(RESULT_FETCH, "result fetch response is not JSON: it is empty")}},
    {NULL, 204, "", {BROKEN(RESULT_FETCH, "result fetch expected HTTP 200, got 204" ASKED)}},
    {NULL, 404, "no", {BROKEN(RESULT_FETCH, "result fetch expected HTTP 200, got 404: no" ASKED)}},
    {NULL, 401, "", {BROKEN(RESULT_FETCH, "result fetch expected HTTP 200, got 401" ASKED), .unauthorized = true}},
    {NULL,
     503,
     "",
     {TRANSIENT(RESULT_FETCH, "result fetch expected HTTP 200, got 503" ASKED), .retry_after_ms = 7000}},
    {NULL,
     429,
     "",
     {TRANSIENT(RESULT_FETCH, "result fetch expected HTTP 200, got 429" ASKED), .retry_after_ms = 7000}},
};

static struct verdict of_fetch(const struct rxp_http_plan *plan, const struct http_reply *reply)
{
    struct verdict verdict;
    verdict_of_fetch(plan, &verdict_limits, "http://u:p@h/result?key=secret", reply, &verdict);
    return verdict;
}

START_TEST(judges_a_fetch)
{
    struct rxp_http_plan plan = polling;
    plan.result_path = rows[_i].path;
    struct http_reply reply = reply_of_text(rows[_i].code, rows[_i].body);
    reply.retry_after = "7";
    struct verdict verdict = of_fetch(&plan, &reply);
    struct want want = rows[_i].want;
    want.has_no_exit_code = true;
    check_verdict(&verdict, &want);
    verdict_deinit(&verdict);
    reply_free(&reply);
}
END_TEST

START_TEST(a_text_with_a_nul_is_none)
{
    struct http_reply reply = reply_of(200, "a\0b", 3);
    const struct verdict verdict = of_fetch(&polling, &reply);
    check_verdict(&verdict,
                  &(struct want){BROKEN(RESULT_FETCH,
                                        "result fetch response is neither JSON nor UTF-8 text: a\\x00b")});
    reply_free(&reply);
}
END_TEST

#define FETCH(rest) "result fetch from http://h/result " rest

static const struct {
    enum transport_error error;
    bool sent;
    struct want want;
} troubles[] = {
    {TRANSPORT_RESOLVE, false, {TRANSIENT(RESULT_FETCH, FETCH("failed: why"))}},
    {TRANSPORT_CONNECT, false, {TRANSIENT(RESULT_FETCH, FETCH("failed: why"))}},
    {TRANSPORT_TLS, false, {TRANSIENT(RESULT_FETCH, FETCH("failed: why"))}},
    {TRANSPORT_NETWORK, true, {TRANSIENT(RESULT_FETCH, FETCH("failed: why"))}},
    {TRANSPORT_TIMEOUT, true, {TRANSIENT(RESULT_FETCH, FETCH("failed: why"))}},
    {TRANSPORT_MEMORY, false, {TRANSIENT(RESULT_FETCH, FETCH("failed: out of memory"))}},
    {TRANSPORT_BAD_URL, false, {BROKEN(RESULT_FETCH, FETCH("failed: why"))}},
    {TRANSPORT_REDIRECT, true, {BROKEN(RESULT_FETCH, FETCH("failed: why"))}},
    {TRANSPORT_EGRESS, false, {BROKEN(EGRESS_DENIED, FETCH("refused: why"))}},
    {TRANSPORT_TOO_LARGE, true, {.kind = VERDICT_DONE, .has_no_exit_code = true, .truncated = true}},
};

START_TEST(judges_what_became_of_a_fetch)
{
    const struct http_reply reply = trouble_of(troubles[_i].error, "why", troubles[_i].sent, 0);
    const struct verdict verdict = of_fetch(&polling, &reply);
    check_verdict(&verdict, &troubles[_i].want);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("verdict_fetch");
    TCase *tcase = tcase_create("verdict_fetch");
    tcase_add_loop_test(tcase, a_terminal_state_may_have_a_result_to_be_fetched, 0, ROWS(due_rows));
    tcase_add_test(tcase, a_success_that_a_message_denies_has_no_result);
    tcase_add_test(tcase, a_200_that_is_a_pending_code_may_bring_an_end_with_a_fetch);
    tcase_add_loop_test(tcase, judges_a_fetch, 0, ROWS(rows));
    tcase_add_test(tcase, a_text_with_a_nul_is_none);
    tcase_add_loop_test(tcase, judges_what_became_of_a_fetch, 0, ROWS(troubles));
    suite_add_tcase(suite, tcase);
    return suite;
}
