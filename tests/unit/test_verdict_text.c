#include "support/verdicts.h"

static const struct rxp_http_plan polling = POLLING;

/* A path may be as long as a message: what was found there must still be told. */
static const struct {
    const char *body;
    const char *ends;
} rows[] = {
    {"{}", "aaaa'"},
    {"{\"%s\":null}", "aaaa' but null: a string, number or boolean is needed"},
};

START_TEST(a_long_path_does_not_fill_the_sentence)
{
    char path[3000];
    char body[sizeof path + 16];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    size_t bytes = (size_t)snprintf(body, sizeof body, rows[_i].body, path);
    const struct rxp_http_plan plan = {.polls = true, .status_path = path};
    const struct http_reply reply = {.code = 200, .body = body, .body_bytes = bytes};
    struct verdict verdict = of_poll(&plan, &reply);
    ck_assert_int_eq(verdict.error, RXP_ERROR_STATUS_MISSING);
    size_t text_bytes = strlen(verdict.text);
    ck_assert_uint_lt(text_bytes, 300);
    ck_assert_uint_gt(text_bytes, 200);
    ck_assert_str_eq(verdict.text + text_bytes - strlen(rows[_i].ends), rows[_i].ends);
    verdict_deinit(&verdict);
}
END_TEST

START_TEST(shows_the_first_200_bytes_of_a_body)
{
    char body[400];
    memset(body, 'x', sizeof body);
    memcpy(body + 198, "\xe2\x82\xac", 3);
    struct http_reply reply = {.sent = true, .code = 500, .body = body, .body_bytes = sizeof body};
    struct verdict verdict = of_kickoff(&polling, &reply);
    size_t prefix = strlen("kickoff expected HTTP 200 or 202, got 500: ");
    ck_assert_uint_eq(strlen(verdict.text), prefix + 198);
    memset(body, 'x', sizeof body);
    verdict = of_kickoff(&polling, &reply);
    ck_assert_uint_eq(strlen(verdict.text), prefix + 200);
}
END_TEST

START_TEST(the_longest_sentence_fits)
{
    char body[400];
    char url[2000] = "http://h/";
    memset(body, '\x01', sizeof body);
    memset(url + strlen(url), 'u', 1500);
    struct rxp_http_plan plan = polling;
    plan.pending_codes = (struct rxp_codes)CODES(404);
    const struct http_reply reply = {.sent = true, .code = 404, .body = body, .body_bytes = sizeof body};
    const struct verdict_poll poll = {.url = url, .saw_200 = true};
    struct verdict verdict;
    verdict_of_poll(&plan, &verdict_limits, &poll, &reply, &verdict);
    const char *ends = "u...); as a pending code it counts only until a poll is answered with 200";
    ck_assert_str_eq(verdict.text + strlen(verdict.text) - strlen(ends), ends);
    ck_assert_ptr_nonnull(strstr(verdict.text, "\\x01 (polled http://h/uuu"));
}
END_TEST

#define REPORTED "backend reported terminal status: failed"

/* What the backend says of its failure, at error.message, error or errors.0. */
static const struct {
    const char *rest;
    const char *text;
} error_rows[] = {
    {"", REPORTED},
    {",\"error\":\"boom\"", REPORTED ": boom"},
    {",\"error\":\"\"", REPORTED},
    {",\"error\":null", REPORTED},
    {",\"error\":{\"message\":\"out of\\ntea\"}", REPORTED ": out of\\ntea"},
    {",\"error\":{\"message\":null,\"code\":7}", REPORTED ": {\"message\":null,\"code\":7}"},
    {",\"error\":{\"message\":7.10}", REPORTED ": 7.10"},
    {",\"error\":{\"message\":true}", REPORTED ": true"},
    {",\"error\":0", REPORTED ": 0"},
    {",\"error\":false", REPORTED},
    {",\"error\":{ }", REPORTED},
    {",\"error\":[ ],\"errors\":[\"first\"]", REPORTED ": first"},
    {",\"error\":[null]", REPORTED ": [null]"},
    {",\"error\":{\"message\":[\"a\", 1]}", REPORTED ": [\"a\", 1]"},
    {",\"error\":null,\"errors\":[\"first\",\"second\"]", REPORTED ": first"},
    {",\"error\":\"\",\"errors\":[\"first\"]", REPORTED ": first"},
    {",\"errors\":[\"first\"],\"error\":\"boom\"", REPORTED ": boom"}, /* in the order of the paths */
    {",\"Error\":\"boom\"", REPORTED},
};

START_TEST(a_failure_is_told_with_the_backends_own_message)
{
    struct rxp_http_plan plan = polling;
    char body[200];
    plan.error_paths = (struct rxp_words)WORDS("error.message", "error", "errors.0");
    snprintf(body, sizeof body, "{\"status\":\"failed\"%s}", error_rows[_i].rest);
    const struct want want = {FAILED(BACKEND_FAILED, error_rows[_i].text), .state = "failed", .exit_code = 1};
    check_poll(&plan, 200, body, &want);
    check_kickoff(&plan, 200, body, &want);
}
END_TEST

START_TEST(a_success_has_no_error_message)
{
    struct rxp_http_plan plan = polling;
    plan.error_paths = (struct rxp_words)WORDS("error");
    check_poll(&plan, 200, "{\"status\":\"done\",\"error\":\"old\"}", &(struct want){SUCCEEDED("done")});
}
END_TEST

START_TEST(where_the_status_says_only_that_all_is_over_a_message_is_a_failure)
{
    struct rxp_http_plan plan = polling;
    plan.error_paths = (struct rxp_words)WORDS("error.message", "errors");
    plan.missing_status_is_pending = true;
    plan.terminal_states = plan.success_states;
    const struct want want = {FAILED(BACKEND_FAILED, "backend reported terminal status: done: quota"), .state = "done",
                              .exit_code = 1};
    check_poll(&plan, 200, "{\"status\":\"done\",\"error\":{\"message\":\"quota\"}}", &want);
    check_kickoff(&plan, 200, "{\"status\":\"done\",\"error\":{\"message\":\"quota\"}}", &want);
    static const char *const others[] = {"", ",\"error\":null", ",\"error\":{}", ",\"error\":{\"message\":\"\"}",
                                         ",\"error\":{\"message\":null}",
                                         ",\"errors\":[]", ",\"errors\":{}", ",\"errors\":false"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char body[100];
        snprintf(body, sizeof body, "{\"status\":\"done\"%s}", others[i]);
        check_poll(&plan, 200, body, &(struct want){SUCCEEDED("done")});
    }
}
END_TEST

/* A state that could have named a failure, and did not. */
START_TEST(where_there_is_a_state_for_failures_a_message_denies_no_success)
{
    struct rxp_http_plan plan = polling;
    plan.error_paths = (struct rxp_words)WORDS("message");
    plan.missing_status_is_pending = true;
    check_poll(&plan, 200, "{\"status\":\"done\",\"message\":\"all is well\"}", &(struct want){SUCCEEDED("done")});
    check_kickoff(&plan, 200, "{\"status\":\"done\",\"message\":\"all is well\"}", &(struct want){SUCCEEDED("done")});
}
END_TEST

START_TEST(a_long_message_is_cut)
{
    struct rxp_http_plan plan = polling;
    char body[500];
    char text[300];
    plan.error_paths = (struct rxp_words)WORDS("error");
    snprintf(body, sizeof body, "{\"status\":\"failed\",\"error\":\"%0300d\"}", 0);
    snprintf(text, sizeof text, REPORTED ": %0200d", 0);
    check_poll(&plan, 200, body, &(struct want){FAILED(BACKEND_FAILED, text), .state = "failed", .exit_code = 1});
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("verdict_text");
    TCase *tests = tcase_create("verdict_text");
    tcase_add_loop_test(tests, a_long_path_does_not_fill_the_sentence, 0, ROWS(rows));
    tcase_add_test(tests, shows_the_first_200_bytes_of_a_body);
    tcase_add_test(tests, the_longest_sentence_fits);
    tcase_add_loop_test(tests, a_failure_is_told_with_the_backends_own_message, 0, ROWS(error_rows));
    tcase_add_test(tests, a_success_has_no_error_message);
    tcase_add_test(tests, where_the_status_says_only_that_all_is_over_a_message_is_a_failure);
    tcase_add_test(tests, where_there_is_a_state_for_failures_a_message_denies_no_success);
    tcase_add_test(tests, a_long_message_is_cut);
    suite_add_tcase(suite, tests);
    return suite;
}
