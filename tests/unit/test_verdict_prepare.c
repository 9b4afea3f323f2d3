#include "support/verdicts.h"

static const struct rxp_http_plan plan = {.prepare.url = "http://h/p", .prepared_id_path = "id", .polls = true};

static const struct {
    const char *path;
    int code;
    const char *body;
    const char *retry_after;
    struct want want;
} rows[] = {
    {"id", 200, "{\"id\":\"c-1\"}", NULL, {.kind = VERDICT_PREPARED, .prepared_id = "c-1"}},
    {"a.0", 201, "{\"a\":[9007199254740993]}", "7", {.kind = VERDICT_PREPARED, .prepared_id = "9007199254740993"}},
    {NULL, 204, "", NULL, {.kind = VERDICT_PREPARED}},
    {NULL, 299, "not JSON", NULL, {.kind = VERDICT_PREPARED}},
    {NULL, 300, "", NULL, {BROKEN(PREPARE_FAILED, "prepare expected HTTP 2xx, got 300")}},
    {NULL, 199, "", NULL, {BROKEN(PREPARE_FAILED, "prepare expected HTTP 2xx, got 199")}},
    {"id", 500, "boom", "7", {BROKEN(PREPARE_FAILED, "prepare expected HTTP 2xx, got 500: boom")}},
    {"id", 503, "boom", NULL, {BROKEN(PREPARE_FAILED, "prepare expected HTTP 2xx, got 503: boom")}},
    {"id", 503, "boom", "soon", {BROKEN(PREPARE_FAILED, "prepare expected HTTP 2xx, got 503: boom")}},
    {"id",
     503,
     "boom",
     "7",
     {RETRY(PREPARE_FAILED, "prepare expected HTTP 2xx, got 503: boom (Retry-After: 7)"), .retry_after_ms = 7000}},
    {"id", 401, "", NULL, {BROKEN(PREPARE_FAILED, "prepare expected HTTP 2xx, got 401"), .unauthorized = true}},
    {"id", 200, "", NULL, {BROKEN(PREPARE_FAILED, "prepare response is not JSON: it is empty")}},
    {"id", 200, "{}", NULL, {BROKEN(PREPARE_FAILED, "prepare response has no field at path 'id'")}},
    {"id",
     200,
     "{\"id\":null}",
     NULL,
     {BROKEN(PREPARE_FAILED, "prepare response has null at path 'id', where a prepared id is due")}},
    {"id",
     200,
     "{\"id\":\"..\"}",
     NULL,
     {BROKEN(PREPARE_FAILED,
             "prepare response has '..' at path 'id', which is a step in a path and no prepared id")}},
};

static struct verdict of_prepare(const struct rxp_http_plan *of, const struct http_reply *reply)
{
    struct verdict verdict;
    verdict_of_prepare(of, &verdict_limits, "http://u:p@h/p?q", reply, &verdict);
    return verdict;
}

START_TEST(judges_a_prepare_call)
{
    struct rxp_http_plan with = plan;
    with.prepared_id_path = rows[_i].path;
    struct http_reply reply = reply_of_text(rows[_i].code, rows[_i].body);
    reply.retry_after = rows[_i].retry_after;
    struct verdict verdict = of_prepare(&with, &reply);
    check_verdict(&verdict, &rows[_i].want);
    verdict_deinit(&verdict);
    verdict_deinit(&verdict);
    reply_free(&reply);
}
END_TEST

#define PREPARE(rest) "prepare call to http://h/p " rest

/* Causes whose remedy lies with the worker's operator keep their own code. */
static const struct {
    enum transport_error error;
    bool sent;
    struct want want;
} troubles[] = {
    {TRANSPORT_RESOLVE, false, {RETRY(PREPARE_FAILED, PREPARE("failed: why"))}},
    {TRANSPORT_CONNECT, false, {RETRY(PREPARE_FAILED, PREPARE("failed: why"))}},
    {TRANSPORT_TLS, false, {RETRY(PREPARE_FAILED, PREPARE("failed: why"))}},
    {TRANSPORT_CONNECT, true, {BROKEN(PREPARE_FAILED, PREPARE("failed: why"))}},
    {TRANSPORT_NETWORK, true, {BROKEN(PREPARE_FAILED, PREPARE("failed: why"))}},
    {TRANSPORT_TIMEOUT, true, {BROKEN(PREPARE_FAILED, PREPARE("failed: why"))}},
    {TRANSPORT_MEMORY, false, {RETRY(PREPARE_FAILED, PREPARE("failed: out of memory"))}},
    {TRANSPORT_REDIRECT, true, {BROKEN(PREPARE_FAILED, PREPARE("failed: why"))}},
    {TRANSPORT_BAD_URL, true, {BROKEN(PREPARE_FAILED, PREPARE("failed: why"))}},
    {TRANSPORT_BAD_URL, false, {BROKEN(INVALID_METADATA, PREPARE("failed: why")), .rejected = true}},
    {TRANSPORT_EGRESS, false, {BROKEN(EGRESS_DENIED, PREPARE("refused: why")), .rejected = true}},
    {TRANSPORT_EGRESS, true, {BROKEN(EGRESS_DENIED, PREPARE("refused: why"))}},
    {TRANSPORT_UNAVAILABLE, false, {BROKEN(ORIGIN_UNAVAILABLE, PREPARE("failed: why"))}},
    {TRANSPORT_TOO_LARGE, true, {BROKEN(RESPONSE_TOO_LARGE, PREPARE("failed: why"))}},
};

START_TEST(judges_what_became_of_a_prepare_call)
{
    const struct http_reply reply = trouble_of(troubles[_i].error, "why", troubles[_i].sent, 0);
    const struct verdict verdict = of_prepare(&plan, &reply);
    check_verdict(&verdict, &troubles[_i].want);
}
END_TEST

/* A session or conversation was opened for it. */
START_TEST(a_kickoff_that_may_not_leave_after_a_prepare_call_is_no_rejection)
{
    struct rxp_http_plan with = plan;
    with.kickoff.url = "http://h/runs";
    const struct http_reply egress = trouble_of(TRANSPORT_EGRESS, "why", false, 0);
    const struct http_reply url = trouble_of(TRANSPORT_BAD_URL, "why", false, 0);
    struct verdict verdict = of_kickoff(&with, &egress);
    check_verdict(&verdict, &(struct want){BROKEN(EGRESS_DENIED, "kickoff to http://h/runs refused: why")});
    verdict = of_kickoff(&with, &url);
    check_verdict(&verdict, &(struct want){BROKEN(INVALID_METADATA, "kickoff to http://h/runs failed: why")});
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("verdict_prepare");
    TCase *tcase = tcase_create("verdict_prepare");
    tcase_add_loop_test(tcase, judges_a_prepare_call, 0, ROWS(rows));
    tcase_add_loop_test(tcase, judges_what_became_of_a_prepare_call, 0, ROWS(troubles));
    tcase_add_test(tcase, a_kickoff_that_may_not_leave_after_a_prepare_call_is_no_rejection);
    suite_add_tcase(suite, tcase);
    return suite;
}
