#include "engine/verdict.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Plans differ in what a row says and are alike in the rest: terminal done, failed, cancelled, true, 4.0; done, true
 * and 4.0 are successes; 404, 429, 304 and 200 may be pending codes. */

static const char *const terminal_words[] = {"done", "failed", "cancelled", "true", "4.0", "9007199254740993", "a\nb"};
static const char *const success_words[] = {"done", "true", "4.0", "9007199254740993"};
static const struct rxp_codes pending_codes = {(const int[]){404, 429, 304}, 3};
static const struct rxp_codes pending_200 = {(const int[]){200}, 1};

#define WORDS(words) {(words), sizeof(words) / sizeof(words)[0]}

static const struct rxp_http_plan polling = {
    .polls = true,
    .kickoff = {.url = "http://user:secret@h/runs?key=secret", .method = "POST"},
    .poll = {.url = "http://h/runs/{run_id}", .method = "GET", .url_has_run_id = true},
    .accept_codes = {(const int[]){200, 202}, 2},
    .run_id_path = NULL,
    .poll_pending_ms = INT64_MAX,
    .status_path = "status",
    .terminal_states = WORDS(terminal_words),
    .success_states = WORDS(success_words),
};

static const struct verdict_limits limits = {.max_result_bytes = 20};

/* What a row expects of a verdict. */
struct want {
    enum verdict_kind kind;
    enum rxp_error error;
    const char *text; /* NULL: empty */
    const char *state;
    const char *run_id;
    bool succeeded;
    int exit_code;
    bool rejected;
};

static void check_string(const char *what, const char *got, const char *want)
{
    if (want == NULL) {
        ck_assert_msg(got == NULL, "%s is '%s'", what, got);
    } else {
        ck_assert_msg(got != NULL && strcmp(got, want) == 0, "%s is '%s', not '%s'", what, got, want);
    }
}

static void check_verdict(struct verdict *verdict, const struct want *want)
{
    check_string("text", verdict->text, want->text != NULL ? want->text : "");
    ck_assert_int_eq(verdict->kind, want->kind);
    ck_assert_int_eq(verdict->error, want->error);
    check_string("state", verdict->state, want->state);
    check_string("run_id", verdict->run_id, want->run_id);
    ck_assert_int_eq(verdict->succeeded, want->succeeded);
    ck_assert_int_eq(verdict->exit_code, want->exit_code);
    ck_assert_int_eq(verdict->rejected, want->rejected);
}

/* The fields of a want that go together. */
#define BROKEN(code, sentence) .kind = VERDICT_BROKEN, .error = RXP_ERROR_##code, .text = sentence
#define TRANSIENT(code, sentence) .kind = VERDICT_TRANSIENT, .error = RXP_ERROR_##code, .text = sentence
#define RETRY(code, sentence) .kind = VERDICT_RETRY, .error = RXP_ERROR_##code, .text = sentence
#define FAILED(code, sentence) .kind = VERDICT_DONE, .error = RXP_ERROR_##code, .text = sentence
#define SUCCEEDED(word) .kind = VERDICT_DONE, .succeeded = true, .state = word

/* The body is copied to memory of its exact size, so that a byte read beyond it is seen. */
static char *exact_copy(const char *body, size_t bytes)
{
    char *copy = malloc(bytes > 0 ? bytes : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, body, bytes);
    return copy;
}

static struct verdict of_kickoff(const struct rxp_http_plan *plan, int code, const char *body, size_t bytes)
{
    struct verdict verdict;
    char *copy = exact_copy(body, bytes);
    struct http_reply reply = {.sent = true, .code = code, .body = copy, .body_bytes = bytes};
    verdict_of_kickoff(plan, &limits, plan->kickoff.url, &reply, &verdict);
    free(copy);
    return verdict;
}

static struct verdict of_poll(const struct rxp_http_plan *plan, int code, const char *body, size_t bytes)
{
    struct verdict verdict;
    char *copy = exact_copy(body, bytes);
    struct http_reply reply = {.sent = true, .code = code, .body = copy, .body_bytes = bytes};
    verdict_of_poll(plan, &limits, &(struct verdict_poll){.url = "http://u:p@h/runs/7?key=secret"}, &reply, &verdict);
    free(copy);
    return verdict;
}

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
    /* refused */
    {NULL,
     500,
     "boom",
     {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200 or 202, got 500: boom")}},
    {NULL, 503, "", {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200 or 202, got 503")}},
    {NULL,
     201,
     "{\"status\":\"done\"}",
     {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200 or 202, got 201: {\"status\":\"done\"}")}},
    {NULL,
     400,
     "a\r\nb\x1b\xff",
     {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200 or 202, got 400: a\\r\\nb\\x1b\\xff")}},
};

START_TEST(judges_a_kickoff)
{
    const struct kickoff_row *row = &kickoff_rows[_i];
    struct rxp_http_plan plan = polling;
    plan.run_id_path = row->run_id_path;
    struct verdict verdict = of_kickoff(&plan, row->code, row->body, strlen(row->body));
    check_verdict(&verdict, &row->want);
    verdict_deinit(&verdict);
}
END_TEST

START_TEST(a_kickoff_that_is_not_json_is_shown_with_the_place)
{
    struct rxp_http_plan plan = polling;
    plan.run_id_path = ID;
    struct verdict verdict = of_kickoff(&plan, 202, "{\"a\":1} x", 9);
    ck_assert_int_eq(verdict.kind, VERDICT_BROKEN);
    ck_assert_int_eq(verdict.error, RXP_ERROR_KICKOFF_NOT_JSON);
    ck_assert_msg(strncmp(verdict.text, "kickoff response is not JSON (", 30) == 0, "%s", verdict.text);
    ck_assert_msg(strstr(verdict.text, " at byte 8): {\"a\":1} x") != NULL, "%s", verdict.text);
    verdict_deinit(&verdict);
}
END_TEST

START_TEST(a_run_id_that_is_no_id_breaks_the_run)
{
    static const char *const ids[] = {"null", "{}", "[]", "\"\"", "\".\"", "\"..\""};
    char body[100];
    struct rxp_http_plan plan = polling;
    plan.run_id_path = "id";
    snprintf(body, sizeof body, "{\"id\":%s}", ids[_i]);
    struct verdict verdict = of_kickoff(&plan, 202, body, strlen(body));
    ck_assert_int_eq(verdict.kind, VERDICT_BROKEN);
    ck_assert_int_eq(verdict.error, RXP_ERROR_RUN_ID_INVALID);
    ck_assert_ptr_nonnull(strstr(verdict.text, "kickoff response"));
    ck_assert_ptr_null(verdict.run_id);
    verdict_deinit(&verdict);
}
END_TEST

struct sync_row {
    enum transport_error error;
    int code;
    struct want want;
};

static const struct sync_row sync_rows[] = {
    {TRANSPORT_OK, 200, {.kind = VERDICT_DONE, .succeeded = true, .exit_code = 200}},
    {TRANSPORT_OK, 204, {.kind = VERDICT_DONE, .succeeded = true, .exit_code = 204}},
    {TRANSPORT_OK, 299, {.kind = VERDICT_DONE, .succeeded = true, .exit_code = 299}},
    {TRANSPORT_OK,
     199,
     {FAILED(KICKOFF_STATUS, "kickoff expected HTTP 2xx, got 199: boom"), .exit_code = 199}},
    {TRANSPORT_OK,
     500,
     {FAILED(KICKOFF_STATUS, "kickoff expected HTTP 2xx, got 500: boom"), .exit_code = 500}},
    {TRANSPORT_OK,
     300,
     {FAILED(KICKOFF_STATUS, "kickoff expected HTTP 2xx, got 300: boom"), .exit_code = 300}},
    {TRANSPORT_REDIRECT,
     302,
     {FAILED(KICKOFF_STATUS, "kickoff expected HTTP 2xx, got 302: why"), .exit_code = 302}},
    {TRANSPORT_CONNECT, 0, {BROKEN(KICKOFF_NETWORK, "kickoff to http://h/runs failed: why")}}, /* sent, to a redirect */
    {TRANSPORT_REDIRECT, 0, {BROKEN(KICKOFF_STATUS, "kickoff to http://h/runs failed: why")}},
};

START_TEST(a_kickoff_without_polls_is_the_result)
{
    const struct sync_row *row = &sync_rows[_i];
    struct rxp_http_plan plan = {.kickoff.url = "http://h/runs"};
    struct http_reply reply = {.error = row->error, .code = row->code, .sent = true, .body = "boom", .body_bytes = 4};
    snprintf(reply.detail, sizeof reply.detail, "%s", row->error == TRANSPORT_OK ? "" : "why");
    struct verdict verdict;
    verdict_of_kickoff(&plan, &limits, plan.kickoff.url, &reply, &verdict);
    check_verdict(&verdict, &row->want);
    verdict_deinit(&verdict);
}
END_TEST

enum pending { NONE, SOME, ONLY_200 };

struct poll_row {
    enum pending pending;
    int code;
    const char *body;
    struct want want;
};

#define NO_STATUS(found)                                                                                               \
    "poll response has no status at path 'status' but " found ": a string, number or boolean is needed"
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
    {NONE,
     200,
     "{}",
     {BROKEN(STATUS_MISSING, "poll response has no field at path 'status'")}},
    {NONE,
     200,
     "{\"Status\":\"done\"}",
     {BROKEN(STATUS_MISSING, "poll response has no field at path 'status'")}},
    {NONE,
     200,
     "{\"status\":null}",
     {BROKEN(STATUS_MISSING, NO_STATUS("null"))}},
    {NONE,
     200,
     "{\"status\":{}}",
     {BROKEN(STATUS_MISSING, NO_STATUS("{}"))}},
    {NONE,
     200,
     "{\"status\":[\"done\"]}",
     {BROKEN(STATUS_MISSING, NO_STATUS("[\"done\"]"))}},
    {NONE, 200, "", {BROKEN(POLL_NOT_JSON, "poll response is not JSON: it is empty")}},
    /* codes */
    {NONE,
     404,
     "boom",
     {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 404: boom" POLLED)}},
    {NONE, 202, "", {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 202" POLLED)}},
    {NONE,
     501,
     "{\"status\":\"done\"}",
     {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 501: {\"status\":\"done\"}" POLLED)}},
    {NONE, 408, "", {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 408" POLLED)}},
    {NONE, 429, "", {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 429" POLLED)}},
    {NONE,
     500,
     "boom",
     {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 500: boom" POLLED)}},
    {NONE, 502, "", {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 502" POLLED)}},
    {NONE, 503, "", {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 503" POLLED)}},
    {NONE, 504, "", {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 504" POLLED)}},
    {SOME, 404, "boom", {.kind = VERDICT_PENDING}},
    {SOME, 429, "boom", {.kind = VERDICT_PENDING}}, /* pending wins over transient */
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
    if (row->pending == SOME) {
        plan.pending_codes = pending_codes;
    } else if (row->pending == ONLY_200) {
        plan.pending_codes = pending_200;
    }
    struct verdict verdict = of_poll(&plan, row->code, row->body, strlen(row->body));
    check_verdict(&verdict, &row->want);
    verdict_deinit(&verdict);
}
END_TEST

START_TEST(a_poll_that_breaks_the_rules_of_json_is_not_json)
{
    static const char *const bodies[] = {"{\"status\":\"do\\u0000ne\"}", "{\"status\":\"done\"} x",
                                         "{\"status\":\"done\xff\"}",    "\xef\xbb\xbf{\"status\":\"done\"}",
                                         "{\"status\":01}",              "<html>"};
    struct verdict verdict = of_poll(&polling, 200, bodies[_i], strlen(bodies[_i]));
    ck_assert_int_eq(verdict.kind, VERDICT_BROKEN);
    ck_assert_int_eq(verdict.error, RXP_ERROR_POLL_NOT_JSON);
    ck_assert_msg(strncmp(verdict.text, "poll response is not JSON (", 27) == 0, "%s", verdict.text);
    verdict_deinit(&verdict);
}
END_TEST

START_TEST(a_nested_path_leads_to_the_status)
{
    struct rxp_http_plan plan = polling;
    plan.status_path = "runs.1.state";
    const char *body = "{\"runs\":[{\"state\":\"x\"},{\"state\":\"done\"}]}";
    struct verdict verdict = of_poll(&plan, 200, body, strlen(body));
    ck_assert_int_eq(verdict.kind, VERDICT_DONE);
    verdict_deinit(&verdict);
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
    struct verdict poll = of_poll(&plan, 200, row->body, strlen(row->body));
    struct verdict kickoff = of_kickoff(&plan, 200, row->body, strlen(row->body));
    check_string("result", poll.result, row->result);
    check_string("result", kickoff.result, row->result);
    ck_assert_int_eq(poll.result_truncated, row->truncated);
    ck_assert_int_eq(kickoff.result_truncated, row->truncated);
    verdict_deinit(&poll);
    verdict_deinit(&poll);
    verdict_deinit(&kickoff);
}
END_TEST

START_TEST(a_synchronous_answer_has_a_result_too_where_it_is_json)
{
    struct rxp_http_plan plan = {.kickoff.url = "http://h/", .result_path = "out"};
    struct verdict verdict = of_kickoff(&plan, 200, "{\"out\":[1]}", 11);
    check_string("result", verdict.result, "[1]");
    verdict_deinit(&verdict);
    verdict = of_kickoff(&plan, 200, "plain text", 10);
    ck_assert_int_eq(verdict.kind, VERDICT_DONE);
    ck_assert(verdict.succeeded);
    check_string("result", verdict.result, NULL);
    verdict_deinit(&verdict);
}
END_TEST

struct trouble_row {
    enum transport_error error;
    const char *detail;
    bool sent;
    int code;
    struct want kickoff;
    struct want poll;
};

#define KICKOFF(rest) "kickoff to http://h/runs " rest
#define POLL(rest) "poll of http://h/runs/7 " rest

static const struct trouble_row trouble_rows[] = {
    {TRANSPORT_RESOLVE,
     "no such host",
     false,
     0,
     {RETRY(KICKOFF_NETWORK, KICKOFF("failed: no such host"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: no such host"))}},
    {TRANSPORT_CONNECT,
     "",
     false,
     0,
     {RETRY(KICKOFF_NETWORK, KICKOFF("failed: no connection"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: no connection"))}},
    {TRANSPORT_TLS,
     "",
     false,
     0,
     {RETRY(KICKOFF_NETWORK, KICKOFF("failed: TLS failed"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: TLS failed"))}},
    {TRANSPORT_NETWORK,
     "reset\nby peer",
     true,
     0,
     {BROKEN(KICKOFF_NETWORK, KICKOFF("failed: reset\\nby peer"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: reset\\nby peer"))}},
    {TRANSPORT_TIMEOUT,
     "",
     true,
     0,
     {BROKEN(KICKOFF_NETWORK, KICKOFF("failed: no answer in time"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: no answer in time"))}},
    {TRANSPORT_MEMORY,
     "",
     false,
     0,
     {BROKEN(KICKOFF_NETWORK, KICKOFF("failed: out of memory"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: out of memory"))}},
    {TRANSPORT_TOO_LARGE,
     "over 10 bytes",
     true,
     0,
     {BROKEN(RESPONSE_TOO_LARGE, KICKOFF("failed: over 10 bytes"))},
     {BROKEN(RESPONSE_TOO_LARGE, POLL("failed: over 10 bytes"))}},
    {TRANSPORT_BAD_URL,
     "",
     false,
     0,
     {BROKEN(INVALID_METADATA, KICKOFF("failed: the URL is not an absolute http or https URL")), .rejected = true},
     {BROKEN(POLL_URL_INVALID, POLL("failed: the URL is not an absolute http or https URL"))}},
    {TRANSPORT_BAD_URL,
     "bad Location",
     true,
     0,
     {BROKEN(KICKOFF_STATUS, KICKOFF("failed: bad Location"))},
     {BROKEN(POLL_STATUS, POLL("failed: bad Location"))}},
    {TRANSPORT_EGRESS,
     "it is loopback",
     false,
     0,
     {BROKEN(EGRESS_DENIED, KICKOFF("refused: it is loopback")), .rejected = true},
     {BROKEN(EGRESS_DENIED, POLL("refused: it is loopback"))}},
    {TRANSPORT_EGRESS,
     "",
     true,
     0,
     {BROKEN(EGRESS_DENIED, KICKOFF("refused: the egress policy refuses it"))},
     {BROKEN(EGRESS_DENIED, POLL("refused: the egress policy refuses it"))}},
    {TRANSPORT_REDIRECT,
     "more than 5 redirects",
     true,
     302,
     {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200 or 202, got 302: more than 5 redirects")},
     {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 302: more than 5 redirects" POLLED)}},
    {TRANSPORT_REDIRECT,
     "",
     true,
     0,
     {BROKEN(KICKOFF_STATUS, KICKOFF("failed: the redirect cannot be followed"))},
     {BROKEN(POLL_STATUS, POLL("failed: the redirect cannot be followed"))}},
};

START_TEST(judges_what_became_of_a_request)
{
    const struct trouble_row *row = &trouble_rows[_i];
    struct http_reply reply = {.error = row->error, .sent = row->sent, .code = row->code, .body = ""};
    snprintf(reply.detail, sizeof reply.detail, "%s", row->detail);
    struct verdict verdict;
    verdict_of_kickoff(&polling, &limits, polling.kickoff.url, &reply, &verdict);
    check_verdict(&verdict, &row->kickoff);
    verdict_of_poll(&polling, &limits, &(struct verdict_poll){.url = "http://u:p@h/runs/7?key=secret"}, &reply, &verdict);
    check_verdict(&verdict, &row->poll);
}
END_TEST

START_TEST(a_pending_code_that_no_redirect_can_follow_is_pending)
{
    struct rxp_http_plan plan = polling;
    plan.pending_codes = pending_codes;
    struct http_reply reply = {.error = TRANSPORT_REDIRECT, .sent = true, .code = 304, .body = ""};
    struct verdict verdict;
    verdict_of_poll(&plan, &limits, &(struct verdict_poll){.url = "http://h/"}, &reply, &verdict);
    ck_assert_int_eq(verdict.kind, VERDICT_PENDING);
}
END_TEST

START_TEST(shows_the_first_200_bytes_of_a_body)
{
    char body[400];
    memset(body, 'x', sizeof body);
    memcpy(body + 198, "\xe2\x82\xac", 3);
    struct verdict verdict = of_kickoff(&polling, 500, body, sizeof body);
    size_t prefix = strlen("kickoff expected HTTP 200 or 202, got 500: ");
    ck_assert_uint_eq(strlen(verdict.text), prefix + 198);
    memset(body, 'x', sizeof body);
    verdict = of_kickoff(&polling, 500, body, sizeof body);
    ck_assert_uint_eq(strlen(verdict.text), prefix + 200);
}
END_TEST

START_TEST(the_longest_sentence_fits)
{
    char body[400];
    char url[2000] = "http://h/";
    memset(body, '\x01', sizeof body);
    memset(url + strlen(url), 'u', 1500);
    struct http_reply reply = {.sent = true, .code = 404, .body = body, .body_bytes = sizeof body};
    struct verdict verdict;
    verdict_of_poll(&polling, &limits, &(struct verdict_poll){.url = url}, &reply, &verdict);
    size_t bytes = strlen(verdict.text);
    ck_assert_str_eq(verdict.text + bytes - 5, "u...)");
    ck_assert_ptr_nonnull(strstr(verdict.text, "\\x01 (polled http://h/uuu"));
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof(table)[0])

Suite *test_suite(void)
{
    Suite *suite = suite_create("verdict");
    TCase *tcase = tcase_create("verdict");
    tcase_add_loop_test(tcase, judges_a_kickoff, 0, ROWS(kickoff_rows));
    tcase_add_test(tcase, a_kickoff_that_is_not_json_is_shown_with_the_place);
    tcase_add_loop_test(tcase, a_run_id_that_is_no_id_breaks_the_run, 0, 6);
    tcase_add_loop_test(tcase, a_kickoff_without_polls_is_the_result, 0, ROWS(sync_rows));
    tcase_add_loop_test(tcase, judges_a_poll, 0, ROWS(poll_rows));
    tcase_add_loop_test(tcase, a_poll_that_breaks_the_rules_of_json_is_not_json, 0, 6);
    tcase_add_test(tcase, a_nested_path_leads_to_the_status);
    tcase_add_loop_test(tcase, keeps_the_result_as_it_was_written, 0, ROWS(result_rows));
    tcase_add_test(tcase, a_synchronous_answer_has_a_result_too_where_it_is_json);
    tcase_add_loop_test(tcase, judges_what_became_of_a_request, 0, ROWS(trouble_rows));
    tcase_add_test(tcase, a_pending_code_that_no_redirect_can_follow_is_pending);
    tcase_add_test(tcase, shows_the_first_200_bytes_of_a_body);
    tcase_add_test(tcase, the_longest_sentence_fits);
    suite_add_tcase(suite, tcase);
    return suite;
}
