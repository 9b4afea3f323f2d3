#include "protocol/json.h"
#include "protocol/result.h"
#include "support/check_main.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

static char *write_result(const struct rxp_result *result)
{
    struct json_fault fault;
    size_t bytes;
    char *text = rxp_result_write(result, &bytes);

    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(bytes, strlen(text));
    ck_assert_msg(json_check(text, bytes, JSON_KEYS_UNIQUE, &fault) == 0, "%s: %s at %zu", text, fault.what,
                  fault.at_byte);
    return text;
}

START_TEST(every_field_of_a_result_is_written)
{
    static const struct rxp_pair pairs[] = {{"http.run_id", "9007199254740993"}, {"tenant", "a\"b"}};
    struct rxp_result result = {
        .invocation_id = "inv-1",
        .runtime_name = "archon",
        .kind = RXP_KIND_HTTP_ASYNC,
        .status = RXP_STATUS_SUCCEEDED,
        .has_exit_code = true,
        .exit_code = 0,
        .started_at_ms = 1709164800000,
        .finished_at_ms = 1709164801234,
        .metadata = pairs,
        .n_metadata = 2,
    };
    char *text = write_result(&result);
    ck_assert_str_eq(text, "{\"schema_version\":\"0.1\",\"contract_kind\":\"runtime_result\","
        "\"invocation_id\":\"inv-1\","
                           "\"runtime_name\":\"archon\",\"runtime_kind\":\"http_async\",\"status\":\"succeeded\","
                           "\"exit_code\":0,\"started_at\":\"2024-02-29T00:00:00.000Z\","
                           "\"finished_at\":\"2024-02-29T00:00:01.234Z\",\"stdout_path\":null,\"stderr_path\":null,"
                           "\"artifacts\":[],\"error_summary\":null,"
                           "\"metadata\":{\"http.run_id\":\"9007199254740993\",\"tenant\":\"a\\\"b\"}}");
    free(text);

    result = (struct rxp_result){.invocation_id = "i",
                                 .runtime_name = "n",
                                 .kind = RXP_KIND_UNKNOWN,
                                 .status = RXP_STATUS_REJECTED,
                                 .exit_code = 3,
                                 .error_summary = "no\nline"};
    text = write_result(&result);
    ck_assert_str_eq(text, "{\"schema_version\":\"0.1\",\"contract_kind\":\"runtime_result\",\"invocation_id\":\"i\","
                           "\"runtime_name\":\"n\",\"runtime_kind\":\"unknown\",\"status\":\"rejected\","
                           "\"exit_code\":null,\"started_at\":\"1970-01-01T00:00:00.000Z\","
                           "\"finished_at\":\"1970-01-01T00:00:00.000Z\",\"stdout_path\":null,\"stderr_path\":null,"
                           "\"artifacts\":[],\"error_summary\":\"no\\nline\",\"metadata\":{}}");
    free(text);
}
END_TEST

START_TEST(what_is_written_reads_back_the_same)
{
    char every[256];
    for (int c = 1; c < 128; c++)
        every[c - 1] = (char)c;
    every[127] = '\0';
    const struct rxp_pair pairs[] = {{every, every}, {"", ""}, {"caf\xC3\xA9", "\xF0\x9F\x98\x80"}};

    for (int kind = RXP_KIND_SUBPROCESS; kind <= (int)RXP_KIND_UNKNOWN; kind++) {
        for (int status = RXP_STATUS_PENDING; status <= (int)RXP_STATUS_REJECTED; status++) {
            struct rxp_result result = {
                .invocation_id = every,
                .runtime_name = "n",
                .kind = (enum rxp_kind)kind,
                .status = (enum rxp_status)status,
                .has_exit_code = kind % 2 == 0,
                .exit_code = kind % 2 == 0 ? INT_MIN + status : 0,
                .started_at_ms = -status,
                .finished_at_ms = 1709164800000 + kind,
                .error_summary = status % 2 == 0 ? NULL : every,
                .metadata = pairs,
                .n_metadata = 3,
            };
            char *text = write_result(&result);
            struct rxp_result *read = NULL;
            struct rxp_refusal why;
            char *copy = strdup(text);
            ck_assert_msg(rxp_result_parse(copy, strlen(copy), &read, &why) == 0, "%s", why.text);
            free(copy);
            char *again = write_result(read);
            ck_assert_str_eq(again, text);
            ck_assert_str_eq(read->invocation_id, every);
            ck_assert_int_eq(read->kind, kind);
            ck_assert_int_eq(read->status, status);
            ck_assert_int_eq(read->exit_code, result.exit_code);
            ck_assert_int_eq(read->started_at_ms, -status);
            rxp_result_free(read);
            free(again);
            free(text);
        }
    }
}
END_TEST

START_TEST(bytes_that_are_not_utf8_do_not_spoil_a_result)
{
    struct rxp_result result = {
        .invocation_id = "i", .runtime_name = "n", .error_summary = "caf\xE9 \xE2\x82\xAC cut \xE2\x82"};
    char *text = write_result(&result);

    ck_assert_ptr_nonnull(strstr(text, "\"caf\xEF\xBF\xBD \xE2\x82\xAC cut \xEF\xBF\xBD\xEF\xBF\xBD\""));
    free(text);
}
END_TEST

START_TEST(a_result_larger_than_expected_is_written_whole)
{
    size_t bytes = 300000;
    char *control = malloc(bytes + 1);
    memset(control, '\x01', bytes);
    control[bytes] = '\0';
    struct rxp_result result = {.invocation_id = "i", .runtime_name = "n", .error_summary = control};
    char *text = write_result(&result);
    struct rxp_result *read = NULL;
    struct rxp_refusal why;

    ck_assert_int_eq(rxp_result_parse(text, strlen(text), &read, &why), 0);
    ck_assert_str_eq(read->error_summary, control);
    rxp_result_free(read);
    free(text);
    free(control);
}
END_TEST

/* A good result's fields, in order; each row below replaces one. */
static const struct {
    const char *name;
    const char *good;
} parts[] = {
    {"schema_version", "\"0.1\""},
    {"contract_kind", "\"runtime_result\""},
    {"invocation_id", "\"i\""},
    {"runtime_name", "\"n\""},
    {"runtime_kind", "\"http\""},
    {"status", "\"failed\""},
    {"exit_code", "500"},
    {"started_at", "\"2024-02-29T00:00:00.000Z\""},
    {"finished_at", "\"2024-02-29T00:00:01.000Z\""},
    {"stdout_path", "null"},
    {"stderr_path", "null"},
    {"artifacts", "[]"},
    {"error_summary", "\"e\""},
    {"metadata", "{\"a\":\"b\"}"},
};

/* With value NULL the field is left out. */
static void compose(char *text, size_t room, const char *name, const char *value)
{
    size_t at = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        bool replaced = strcmp(parts[i].name, name) == 0;
        if (replaced && value == NULL)
            continue;
        at += (size_t)snprintf(text + at, room - at, "%c\"%s\":%s", at == 0 ? '{' : ',', parts[i].name,
                               replaced ? value : parts[i].good);
    }
    snprintf(text + at, room - at, "}");
}

START_TEST(a_result_without_any_one_field_is_refused)
{
    char text[1024];
    char sentence[64];
    struct rxp_refusal why;

    compose(text, sizeof(text), "", NULL);
    ck_assert_int_eq(rxp_result_parse(text, strlen(text), NULL, &why), 0);
    compose(text, sizeof(text), parts[_i].name, NULL);
    ck_assert_int_eq(rxp_result_parse(text, strlen(text), NULL, &why), -1);
    snprintf(sentence, sizeof(sentence), "missing field '%s'", parts[_i].name);
    ck_assert_str_eq(why.text, sentence);
}
END_TEST

static const struct {
    const char *name;
    const char *value;
    bool good;
} values[] = {
    {"schema_version", "\"0.2\"", false},
    {"schema_version", "null", false},
    {"contract_kind", "\"runtime_invocation\"", false},
    {"invocation_id", "\"\"", false},
    {"invocation_id", "null", false},
    {"runtime_name", "\"\"", false},
    {"runtime_kind", "\"quantum\"", false},
    {"runtime_kind", "\"unknown\"", true},
    {"status", "\"done\"", false},
    {"status", "\"Failed\"", false},
    {"status", "1", false},
    {"status", "\"timed_out\"", true},
    {"exit_code", "null", true},
    {"exit_code", "0", true},
    {"exit_code", "-0", true},
    {"exit_code", "200.0", true},
    {"exit_code", "2e2", true},
    {"exit_code", "-2147483648", true},
    {"exit_code", "2147483647", true},
    {"exit_code", "2147483648", false},
    {"exit_code", "-2147483649", false},
    {"exit_code", "1.5", false},
    {"exit_code", "1e99", false},
    {"exit_code", "99999999999999999999", false},
    {"exit_code", "\"0\"", false},
    {"started_at", "\"2024-02-30T00:00:00.000Z\"", false},
    {"started_at", "\"2024-02-29T00:00:00Z\"", false},
    {"started_at", "null", false},
    {"started_at", "\"\\u0032024-02-29T00:00:00.000Z\"", true},
    {"finished_at", "0", false},
    {"stdout_path", "\"/tmp/x\"", false},
    {"stderr_path", "false", false},
    {"artifacts", "[1]", false},
    {"artifacts", "[ ]", true},
    {"artifacts", "null", false},
    {"artifacts", "{}", false},
    {"error_summary", "null", true},
    {"error_summary", "\"\"", true},
    {"error_summary", "7", false},
    {"metadata", "{}", true},
    {"metadata", "{\"a\":1}", false},
    {"metadata", "{\"a\":\"1\",\"a\":\"2\"}", false},
    {"metadata", "null", false},
    {"metadata", "{},\"more\":1", false},
    {"metadata", "{},\"Status\":\"failed\"", false},
    {"metadata", "{}}{", false},
};

START_TEST(each_field_of_a_result_keeps_its_rule)
{
    char text[1024];
    struct rxp_result *result = NULL;
    struct rxp_refusal why = {.text = "accepted"};

    compose(text, sizeof(text), values[_i].name, values[_i].value);
    int status = rxp_result_parse(text, strlen(text), &result, &why);
    ck_assert_msg((status == 0) == values[_i].good, "%s: %s", text, why.text);
    ck_assert_int_eq(result != NULL, values[_i].good);
    rxp_result_free(result);
}
END_TEST

START_TEST(exit_codes_are_read_as_the_numbers_they_are)
{
    static const struct {
        const char *text;
        int code;
    } codes[] = {{"2e2", 200}, {"200.0", 200}, {"-1", -1}, {"-0", 0}, {"2147483647", INT_MAX}, {"-2147483648", INT_MIN},
                 {"50000e-2", 500}};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        char text[1024];
        struct rxp_result *result = NULL;
        struct rxp_refusal why;
        compose(text, sizeof(text), "exit_code", codes[i].text);
        ck_assert_int_eq(rxp_result_parse(text, strlen(text), &result, &why), 0);
        ck_assert(result->has_exit_code);
        ck_assert_int_eq(result->exit_code, codes[i].code);
        rxp_result_free(result);
    }
}
END_TEST

START_TEST(an_empty_result_is_refused)
{
    struct rxp_result *result;
    struct rxp_refusal why;

    ck_assert_int_eq(rxp_result_parse("", 0, &result, &why), -1);
    ck_assert_int_eq(why.error, RXP_ERROR_INVALID_JSON);
    ck_assert_ptr_null(result);
    rxp_result_free(NULL);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("result");
    TCase *tcase = tcase_create("result");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, every_field_of_a_result_is_written);
    tcase_add_test(tcase, what_is_written_reads_back_the_same);
    tcase_add_test(tcase, bytes_that_are_not_utf8_do_not_spoil_a_result);
    tcase_add_test(tcase, a_result_larger_than_expected_is_written_whole);
    tcase_add_loop_test(tcase, a_result_without_any_one_field_is_refused, 0, ROWS(parts));
    tcase_add_loop_test(tcase, each_field_of_a_result_keeps_its_rule, 0, ROWS(values));
    tcase_add_test(tcase, exit_codes_are_read_as_the_numbers_they_are);
    tcase_add_test(tcase, an_empty_result_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
