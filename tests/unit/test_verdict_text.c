#include "engine/verdict.h"
#include "support/check_main.h"

#include <stdio.h>
#include <string.h>

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
    const struct verdict_limits limits = {.max_result_bytes = 20};
    const struct http_reply reply = {.code = 200, .body = body, .body_bytes = bytes};
    struct verdict verdict;
    verdict_of_poll(&plan, &limits, &(struct verdict_poll){.url = "http://h/"}, &reply, &verdict);
    ck_assert_int_eq(verdict.error, RXP_ERROR_STATUS_MISSING);
    size_t text_bytes = strlen(verdict.text);
    ck_assert_uint_lt(text_bytes, 300);
    ck_assert_uint_gt(text_bytes, 200);
    ck_assert_str_eq(verdict.text + text_bytes - strlen(rows[_i].ends), rows[_i].ends);
    verdict_deinit(&verdict);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("verdict_text");
    TCase *tests = tcase_create("verdict_text");
    tcase_add_loop_test(tests, a_long_path_does_not_fill_the_sentence, 0, (int)(sizeof rows / sizeof rows[0]));
    suite_add_tcase(suite, tests);
    return suite;
}
