/* verdicts: what the tests of verdicts share: a plan, and rows that say what is expected of a verdict. */
#ifndef RXP_TESTS_VERDICTS_H
#define RXP_TESTS_VERDICTS_H

#include "engine/verdict.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(table) (int)(sizeof(table) / sizeof(table)[0])
#define CODES(...) {(const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int)}
#define WORDS(...)                                                                                                     \
    {                                                                                                                  \
        (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)          \
    }

/* Ends with done, failed, cancelled, true, 4.0, a big number or a line break; the first, `true` and the numbers are
 * successes. The poll URL is made of a run id, which a test that gives a path to it takes from the kickoff. */
#define POLLING                                                                                                        \
    {                                                                                                                  \
        .polls = true, .kickoff = {.url = "http://user:secret@h/runs?key=secret", .method = "POST"},                   \
        .poll = {.url = "http://h/runs/{run_id}", .method = "GET", .url_has_run_id = true},                            \
        .accept_codes = CODES(200, 202), .poll_pending_ms = INT64_MAX, .status_path = "status",                        \
        .terminal_states = WORDS("done", "failed", "cancelled", "true", "4.0", "9007199254740993", "a\nb"),            \
        .success_states = WORDS("done", "true", "4.0", "9007199254740993"),                                            \
        .result_states = WORDS("done", "true", "4.0", "9007199254740993"),                                             \
    }

#define WALL_MS INT64_C(784111777000) /* Sun, 06 Nov 1994 08:49:37 GMT */

static const struct verdict_limits verdict_limits = {.max_result_bytes = 20, .wall_ms = WALL_MS};

/* What a row expects of a verdict. */
struct want {
    enum verdict_kind kind;
    enum rxp_error error;
    const char *text; /* NULL: empty */
    const char *state;
    const char *run_id;
    const char *prepared_id;
    const char *poll_url;
    const char *result;
    int64_t retry_after_ms;
    int exit_code;
    bool succeeded;
    bool has_no_exit_code; /* DONE and FETCH have one, the others have none, unless it says otherwise */
    bool has_exit_code;
    bool rejected;
    bool unauthorized;
    bool truncated;
};

/* The fields of a want that go together. */
#define BROKEN(code, sentence) .kind = VERDICT_BROKEN, .error = RXP_ERROR_##code, .text = sentence
#define TRANSIENT(code, sentence) .kind = VERDICT_TRANSIENT, .error = RXP_ERROR_##code, .text = sentence
#define RETRY(code, sentence) .kind = VERDICT_RETRY, .error = RXP_ERROR_##code, .text = sentence
#define FAILED(code, sentence) .kind = VERDICT_DONE, .error = RXP_ERROR_##code, .text = sentence
#define SUCCEEDED(word) .kind = VERDICT_DONE, .succeeded = true, .state = word

static inline void check_string(const char *what, const char *got, const char *want)
{
    if (want == NULL) {
        ck_assert_msg(got == NULL, "%s is '%s'", what, got);
    } else {
        ck_assert_msg(got != NULL && strcmp(got, want) == 0, "%s is '%s', not '%s'", what, got, want);
    }
}

static inline void check_verdict(const struct verdict *verdict, const struct want *want)
{
    bool is_end = want->kind == VERDICT_DONE || want->kind == VERDICT_FETCH;
    check_string("text", verdict->text, want->text != NULL ? want->text : "");
    ck_assert_int_eq(verdict->kind, want->kind);
    ck_assert_int_eq(verdict->error, want->error);
    check_string("state", verdict->state, want->state);
    check_string("run_id", verdict->run_id, want->run_id);
    check_string("prepared_id", verdict->prepared_id, want->prepared_id);
    check_string("poll_url", verdict->poll_url, want->poll_url);
    check_string("result", verdict->result, want->result);
    ck_assert_int_eq(verdict->retry_after_ms, want->retry_after_ms);
    ck_assert_int_eq(verdict->succeeded, want->succeeded);
    ck_assert_int_eq(verdict->has_exit_code, want->has_exit_code || (is_end && !want->has_no_exit_code));
    ck_assert_int_eq(verdict->exit_code, want->exit_code);
    ck_assert_int_eq(verdict->rejected, want->rejected);
    ck_assert_int_eq(verdict->unauthorized, want->unauthorized);
    ck_assert_int_eq(verdict->result_truncated, want->truncated);
}

/* An answer, as it came. The body lies in memory of its exact size, so that a byte read beyond it is seen; free it. */
static inline struct http_reply reply_of(int code, const char *body, size_t bytes)
{
    char *copy = malloc(bytes > 0 ? bytes : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, body, bytes);
    return (struct http_reply){.sent = true, .code = code, .body = copy, .body_bytes = bytes};
}

static inline void reply_free(struct http_reply *reply)
{
    free((void *)reply->body);
}

static inline struct http_reply reply_of_text(int code, const char *body)
{
    return reply_of(code, body, strlen(body));
}

/* No answer. */
static inline struct http_reply trouble_of(enum transport_error error, const char *detail, bool sent, int code)
{
    struct http_reply reply = {.error = error, .sent = sent, .code = code, .body = ""};
    snprintf(reply.detail, sizeof reply.detail, "%s", detail);
    return reply;
}

#define POLL_URL "http://u:p@h/runs/7?key=secret"

static inline struct verdict of_kickoff(const struct rxp_http_plan *plan, const struct http_reply *reply)
{
    struct verdict verdict;
    verdict_of_kickoff(plan, &verdict_limits, plan->kickoff.url, reply, &verdict);
    return verdict;
}

static inline struct verdict of_poll(const struct rxp_http_plan *plan, const struct http_reply *reply)
{
    const struct verdict_poll poll = {.url = POLL_URL};
    struct verdict verdict;
    verdict_of_poll(plan, &verdict_limits, &poll, reply, &verdict);
    return verdict;
}

static inline void check_kickoff(const struct rxp_http_plan *plan, int code, const char *body, const struct want *want)
{
    struct http_reply reply = reply_of_text(code, body);
    struct verdict verdict = of_kickoff(plan, &reply);
    reply_free(&reply);
    check_verdict(&verdict, want);
    verdict_deinit(&verdict);
}

static inline void check_poll(const struct rxp_http_plan *plan, int code, const char *body, const struct want *want)
{
    struct http_reply reply = reply_of_text(code, body);
    struct verdict verdict = of_poll(plan, &reply);
    reply_free(&reply);
    check_verdict(&verdict, want);
    verdict_deinit(&verdict);
}

#endif
