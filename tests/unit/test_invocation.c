#include "protocol/invocation.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define MIB ((size_t)1 << 20)

/* The fields that a valid invocation cannot do without, but for its braces. */
#define BASE                                                                                                           \
    "\"invocation_id\":\"inv-1\",\"runtime_name\":\"archon\",\"runtime_kind\":\"http_async\","                        \
    "\"working_directory\":\"/w\",\"command\":[\"run\",\"it\"]"
#define WITH(more) "{" BASE "," more "}"

static struct rxp_invocation *parse_bytes(const char *text, size_t bytes, int expected, struct rxp_refusal *why)
{
    struct rxp_invocation *invocation = NULL;

    /* A copy of its own, freed before anything is looked at: nothing may point into the message. */
    char *copy = malloc(bytes > 0 ? bytes : 1);
    ck_assert_ptr_nonnull(copy);
    if (bytes > 0)
        memcpy(copy, text, bytes);
    int status = rxp_invocation_parse(copy, bytes, MIB, &invocation, why);
    free(copy);
    ck_assert_ptr_nonnull(invocation);
    ck_assert_msg(status == expected, "%s -> %s", text, status == 0 ? "accepted" : why->text);
    return invocation;
}

static struct rxp_invocation *parse(const char *text)
{
    struct rxp_refusal why;

    return parse_bytes(text, strlen(text), 0, &why);
}

static struct rxp_invocation *refused(const char *text, enum rxp_error error, const char *sentence)
{
    struct rxp_refusal why;
    struct rxp_invocation *invocation = parse_bytes(text, strlen(text), -1, &why);

    ck_assert_msg(why.error == error, "%s: %s", rxp_error_name(why.error), why.text);
    ck_assert_msg(strstr(why.text, sentence) != NULL, "'%s' does not say '%s'", why.text, sentence);
    return invocation;
}

START_TEST(the_smallest_invocation_gets_its_defaults)
{
    struct rxp_invocation *invocation = parse("{" BASE "}");

    ck_assert_str_eq(invocation->invocation_id, "inv-1");
    ck_assert_str_eq(invocation->runtime_name, "archon");
    ck_assert_int_eq(invocation->kind, RXP_KIND_HTTP_ASYNC);
    ck_assert_str_eq(invocation->working_directory, "/w");
    ck_assert_uint_eq(invocation->n_command, 2);
    ck_assert_str_eq(invocation->command[0], "run");
    ck_assert_str_eq(invocation->command[1], "it");
    ck_assert_uint_eq(invocation->n_environment, 0);
    ck_assert_int_eq(invocation->timeout_ms, 0);
    ck_assert_ptr_null(invocation->input_payload_path);
    ck_assert_ptr_null(invocation->output_result_path);
    ck_assert_ptr_null(invocation->artifact_directory);
    ck_assert_uint_eq(invocation->n_metadata, 0);
    rxp_invocation_free(invocation);
}
END_TEST

START_TEST(every_field_is_read_and_decoded)
{
    struct rxp_invocation *invocation =
        parse(" {\"schema_version\":\"0.1\",\"contract_kind\":\"runtime_invocation\","
            "\"\\u0069nvocation_id\":\"\\u00e9\\n\","
              "\"runtime_name\":\"caf\xC3\xA9\",\"runtime_kind\":\"\\u0068ttp\",\"working_directory\":\"/w\","
              "\"command\":[\"\"],"
              "\"environment\":{\"A\":\"1\",\"\":\"\"},\"timeout_seconds\":90,\"input_payload_path\":\"/in\","
              "\"output_result_path\":\"/out\",\"artifact_directory\":\"\",\"metadata\":{\"z\":\"26\","
              "\"a\":\"1\\\"\"}} \n");

    ck_assert_str_eq(invocation->invocation_id, "\xC3\xA9\n");
    ck_assert_str_eq(invocation->runtime_name, "caf\xC3\xA9");
    ck_assert_int_eq(invocation->kind, RXP_KIND_HTTP);
    ck_assert_uint_eq(invocation->n_command, 1);
    ck_assert_str_eq(invocation->command[0], "");
    ck_assert_uint_eq(invocation->n_environment, 2);
    ck_assert_str_eq(invocation->environment[0].key, "A");
    ck_assert_str_eq(invocation->environment[0].value, "1");
    ck_assert_str_eq(invocation->environment[1].key, "");
    ck_assert_int_eq(invocation->timeout_ms, 90000);
    ck_assert_str_eq(invocation->input_payload_path, "/in");
    ck_assert_str_eq(invocation->output_result_path, "/out");
    ck_assert_str_eq(invocation->artifact_directory, "");
    ck_assert_uint_eq(invocation->n_metadata, 2);
    ck_assert_str_eq(invocation->metadata[0].key, "z");
    ck_assert_str_eq(invocation->metadata[1].key, "a");
    ck_assert_str_eq(rxp_invocation_metadata(invocation, "a"), "1\"");
    ck_assert_str_eq(rxp_invocation_metadata(invocation, "z"), "26");
    ck_assert_ptr_null(rxp_invocation_metadata(invocation, "A"));
    rxp_invocation_free(invocation);
}
END_TEST

static const struct {
    const char *text;
    int64_t ms; /* -1: refused */
} timeouts[] = {
    {"null", 0},
    {"1", 1000},
    {"10", 10000},
    {"10.0", 10000},
    {"1e1", 10000},
    {"1.5e1", 15000},
    {"100e-1", 10000},
    {"86400", 86400000},
    {"9007199254740993", RXP_MAX_MS},
    {"99999999999999999999999999999999999999", RXP_MAX_MS},
    {"1e300", RXP_MAX_MS},
    {"1e999999999999999999999", RXP_MAX_MS},
    {"999999999", 999999999000},
    {"0", -1},
    {"0.0", -1},
    {"-0", -1},
    {"0e999999999999999999999", -1},
    {"-1", -1},
    {"-1e300", -1},
    {"1.5", -1},
    {"10.00000000000000000000000000001", -1},
    {"1e-1", -1},
    {"1e-999999999999999999999", -1},
    {"\"10\"", -1},
    {"true", -1},
    {"[10]", -1},
};

START_TEST(timeouts_are_integers_above_zero_or_null)
{
    char text[512];

    snprintf(text, sizeof(text), WITH("\"timeout_seconds\":%s"), timeouts[_i].text);
    struct rxp_invocation *invocation;
    if (timeouts[_i].ms < 0) {
        invocation = refused(text, RXP_ERROR_INVALID_INVOCATION,
                             "field 'timeout_seconds' must be an integer above 0, or null, not ");
        ck_assert_int_eq(invocation->timeout_ms, 0);
    } else {
        invocation = parse(text);
        ck_assert_int_eq(invocation->timeout_ms, timeouts[_i].ms);
    }
    rxp_invocation_free(invocation);
}
END_TEST

static const struct {
    const char *text;
    const char *sentence;
} broken[] = {
    {WITH("\"schema_version\":\"0.2\""), "field 'schema_version' must be '0.1', not '0.2'"},
    {WITH("\"schema_version\":0.1"), "field 'schema_version' must be a string, not a number"},
    {WITH("\"schema_version\":null"), "field 'schema_version' must be a string, not null"},
    {WITH("\"contract_kind\":\"runtime_result\""), "must be 'runtime_invocation', not 'runtime_result'"},
    {WITH("\"timeout\":10"), "unknown field 'timeout'"},
    {WITH("\"timeout_second\":10"), "unknown field 'timeout_second': did you mean 'timeout_seconds'?"},
    {WITH("\"Metadata\":{}"), "unknown field 'Metadata': did you mean 'metadata'?"},
    {WITH("\"tags\\u0021\":10"), "unknown field 'tags!'"},
    {WITH("\"environment\":[]"), "field 'environment' must be an object of strings, not an array"},
    {WITH("\"environment\":{\"A\":1}"), "'A' in field 'environment' must be a string, not a number"},
    {WITH("\"environment\":null"), "field 'environment' must be an object of strings, not null"},
    {WITH("\"metadata\":{\"a\":\"b\",\"n\":{}}"), "'n' in field 'metadata' must be a string, not an object"},
    {WITH("\"metadata\":{\"x\":null,\"n\":{}}"), "'x' in field 'metadata' must be a string, not null"},
    {WITH("\"metadata\":\"x\""), "field 'metadata' must be an object of strings, not a string"},
    {WITH("\"input_payload_path\":1"), "field 'input_payload_path' must be a string or null, not a number"},
    {WITH("\"output_result_path\":[]"), "field 'output_result_path' must be a string or null, not an array"},
    {WITH("\"artifact_directory\":false"), "field 'artifact_directory' must be a string or null, not a boolean"},
    {"{}", "missing field 'invocation_id'"},
    {"{\"invocation_id\":\"\",\"runtime_name\":\"n\",\"runtime_kind\":\"http\",\"working_directory\":\"/\","
     "\"command\":[\"c\"]}",
     "field 'invocation_id' must not be empty"},
    {"{\"invocation_id\":7,\"runtime_name\":\"n\",\"runtime_kind\":\"http\",\"working_directory\":\"/\","
     "\"command\":[\"c\"]}",
     "field 'invocation_id' must be a string, not a number"},
    {"{\"invocation_id\":\"i\",\"runtime_kind\":\"http\",\"working_directory\":\"/\",\"command\":[\"c\"]}",
     "missing field 'runtime_name'"},
    {"{\"invocation_id\":\"i\",\"runtime_name\":\"n\",\"working_directory\":\"/\",\"command\":[\"c\"]}",
     "missing field 'runtime_kind'"},
    {"{\"invocation_id\":\"i\",\"runtime_name\":\"n\",\"runtime_kind\":\"htpp\",\"working_directory\":\"/\","
     "\"command\":[\"c\"]}",
     "unknown runtime_kind 'htpp': did you mean 'http'?"},
    {"{\"invocation_id\":\"i\",\"runtime_name\":\"n\",\"runtime_kind\":\"lambda\",\"working_directory\":\"/\","
     "\"command\":[\"c\"]}",
     "unknown runtime_kind 'lambda'; known are subprocess, http, http_async, container, manual, unknown"},
    {"{\"invocation_id\":\"i\",\"runtime_name\":\"n\",\"runtime_kind\":\"http\",\"command\":[\"c\"]}",
     "missing field 'working_directory'"},
    {"{\"invocation_id\":\"i\",\"runtime_name\":\"n\",\"runtime_kind\":\"http\",\"working_directory\":\"\","
     "\"command\":[\"c\"]}",
     "field 'working_directory' must not be empty"},
    {"{\"invocation_id\":\"i\",\"runtime_name\":\"n\",\"runtime_kind\":\"http\",\"working_directory\":\"/\"}",
     "missing field 'command'"},
    {"{\"invocation_id\":\"i\",\"runtime_name\":\"n\",\"runtime_kind\":\"http\",\"working_directory\":\"/\","
     "\"command\":[]}",
     "field 'command' must hold at least one string"},
    {"{\"invocation_id\":\"i\",\"runtime_name\":\"n\",\"runtime_kind\":\"http\",\"working_directory\":\"/\","
     "\"command\":\"c\"}",
     "field 'command' must be an array of strings, not a string"},
    {"{\"invocation_id\":\"i\",\"runtime_name\":\"n\",\"runtime_kind\":\"http\",\"working_directory\":\"/\","
     "\"command\":[\"c\",2]}",
     "item 2 of field 'command' must be a string, not a number"},
    {"[]", "an invocation is a JSON object, not an array"},
    {"\"x\"", "an invocation is a JSON object, not a string"},
    {"null", "an invocation is a JSON object, not null"},
};

START_TEST(a_breach_of_the_contract_is_named)
{
    rxp_invocation_free(refused(broken[_i].text, RXP_ERROR_INVALID_INVOCATION, broken[_i].sentence));
}
END_TEST

START_TEST(the_first_of_several_unknown_fields_is_named)
{
    rxp_invocation_free(refused(WITH("\"first\":1,\"second\":2,\"timeout_seconds\":0"), RXP_ERROR_INVALID_INVOCATION,
                                "unknown field 'first'"));
}
END_TEST

START_TEST(a_misspelt_field_is_told_before_the_one_that_it_leaves_missing)
{
    rxp_invocation_free(refused("{\"Invocation_id\":\"i\",\"runtime_name\":\"n\",\"runtime_kind\":\"http\","
                                "\"working_directory\":\"/\",\"command\":[\"c\"]}",
                                RXP_ERROR_INVALID_INVOCATION,
                                "unknown field 'Invocation_id': did you mean 'invocation_id'?"));
}
END_TEST

static const struct {
    const char *text;
    const char *sentence;
} not_json[] = {
    {"garbage", "not valid JSON: no value where one is due, at byte 0"},
    {"{" BASE "} {}", "bytes after the document"},
    {"\xEF\xBB\xBF{" BASE "}", "byte order mark"},
    {WITH("\"metadata\":{\"a\":\"x\\u0000y\"}"), "a string with \\u0000"},
    {WITH("\"metadata\":{\"a\":\"\xFF\"}"), "bytes that are not UTF-8"},
    {WITH("\"metadata\":{\"a\":\"\n\"}"), "a raw control character"},
    {WITH("\"timeout_seconds\":010"), "a number with a leading zero"},
    {WITH("\"timeout_seconds\":10."), "a number without digits after the point"},
    {"{" BASE, "the text ends too early"},
    {"   ", "no document at all"},
};

START_TEST(what_is_not_strict_json_is_refused_and_nothing_is_read)
{
    struct rxp_invocation *invocation = refused(not_json[_i].text, RXP_ERROR_INVALID_JSON, not_json[_i].sentence);

    ck_assert_ptr_null(invocation->invocation_id);
    ck_assert_ptr_null(invocation->runtime_name);
    ck_assert_int_eq(invocation->kind, RXP_KIND_UNKNOWN);
    ck_assert_uint_eq(invocation->n_metadata, 0);
    ck_assert_uint_eq(invocation->n_command, 0);
    rxp_invocation_free(invocation);
}
END_TEST

START_TEST(nesting_of_5000_levels_is_refused)
{
    char text[12000] = "{\"metadata\":";
    size_t at = strlen(text);
    struct rxp_refusal why;

    memset(text + at, '[', 5000);
    memset(text + at + 5000, ']', 5000);
    text[at + 10000] = '}';
    struct rxp_invocation *invocation = parse_bytes(text, at + 10001, -1, &why);
    ck_assert_int_eq(why.error, RXP_ERROR_INVALID_JSON);
    ck_assert_ptr_nonnull(strstr(why.text, "nesting deeper than 64 levels"));
    rxp_invocation_free(invocation);
}
END_TEST

static const struct {
    const char *text;
    const char *sentence;
    const char *id;
    const char *name;
    enum rxp_kind kind;
    size_t n_metadata;
} duplicates[] = {
    {"{\"invocation_id\":\"a\"," BASE "}", "the key 'invocation_id' occurs twice", NULL, "archon",
     RXP_KIND_HTTP_ASYNC, 0},
    {WITH("\"runtime_kind\":\"http\""), "the key 'runtime_kind' occurs twice", "inv-1", "archon", RXP_KIND_UNKNOWN, 0},
    {WITH("\"runtime_\\u006eame\":\"b\""), "occurs twice", "inv-1", NULL, RXP_KIND_HTTP_ASYNC, 0},
    {WITH("\"metadata\":{\"a\":\"1\",\"a\":\"2\"}"), "the key 'a' occurs twice", "inv-1", "archon",
     RXP_KIND_HTTP_ASYNC, 0},
    {WITH("\"environment\":{\"E\":\"1\",\"E\":\"2\"},\"metadata\":{\"a\":\"1\"}"), "the key 'E' occurs twice", "inv-1",
     "archon", RXP_KIND_HTTP_ASYNC, 1},
    {WITH("\"x\":{\"y\":[{\"z\":1,\"z\":1}]}"), "the key 'z' occurs twice", "inv-1", "archon", RXP_KIND_HTTP_ASYNC, 0},
    {WITH("\"x\":{\"y\":1,\"y\":1},\"bad\":01"), "the key 'y' occurs twice", NULL, NULL, RXP_KIND_UNKNOWN, 0},
};

START_TEST(a_duplicate_key_is_refused_wherever_it_is_and_what_is_told_once_is_read)
{
    struct rxp_invocation *invocation = refused(duplicates[_i].text, RXP_ERROR_INVALID_JSON, duplicates[_i].sentence);

    if (duplicates[_i].id == NULL)
        ck_assert_ptr_null(invocation->invocation_id);
    else
        ck_assert_str_eq(invocation->invocation_id, duplicates[_i].id);
    if (duplicates[_i].name == NULL)
        ck_assert_ptr_null(invocation->runtime_name);
    else
        ck_assert_str_eq(invocation->runtime_name, duplicates[_i].name);
    ck_assert_int_eq(invocation->kind, duplicates[_i].kind);
    ck_assert_uint_eq(invocation->n_metadata, duplicates[_i].n_metadata);
    rxp_invocation_free(invocation);
}
END_TEST

START_TEST(keys_are_looked_up_by_case)
{
    struct rxp_invocation *invocation = parse(WITH("\"metadata\":{\"A\":\"1\",\"a\":\"2\"}"));

    ck_assert_str_eq(rxp_invocation_metadata(invocation, "a"), "2");
    rxp_invocation_free(invocation);
}
END_TEST

START_TEST(a_refused_message_still_names_itself)
{
    struct rxp_invocation *invocation =
        refused("{\"surprise\":1,\"invocation_id\":\"i-7\",\"runtime_name\":\"n\",\"runtime_kind\":\"http\","
            "\"command\":[1],"
                "\"metadata\":{\"tenant\":\"acme\",\"count\":3,\"trace\":\"t\"}}",
                RXP_ERROR_INVALID_INVOCATION, "unknown field 'surprise'");

    ck_assert_str_eq(invocation->invocation_id, "i-7");
    ck_assert_str_eq(invocation->runtime_name, "n");
    ck_assert_int_eq(invocation->kind, RXP_KIND_HTTP);
    ck_assert_ptr_null(invocation->working_directory);
    ck_assert_uint_eq(invocation->n_command, 0);
    ck_assert_uint_eq(invocation->n_metadata, 2);
    ck_assert_str_eq(rxp_invocation_metadata(invocation, "tenant"), "acme");
    ck_assert_str_eq(rxp_invocation_metadata(invocation, "trace"), "t");
    rxp_invocation_free(invocation);
}
END_TEST

START_TEST(a_kind_outside_the_vocabulary_reads_as_unknown)
{
    struct rxp_invocation *invocation =
        refused("{\"invocation_id\":\"i-7\",\"runtime_name\":\"n\",\"runtime_kind\":\"quantum\","
            "\"working_directory\":\"/\","
                "\"command\":[\"c\"]}",
                RXP_ERROR_INVALID_INVOCATION, "unknown runtime_kind 'quantum'");

    ck_assert_str_eq(invocation->invocation_id, "i-7");
    ck_assert_int_eq(invocation->kind, RXP_KIND_UNKNOWN);
    rxp_invocation_free(invocation);
}
END_TEST

START_TEST(a_payload_framed_by_a_schema_registry_is_told_so)
{
    static const char framed[] = "\0\0\0\0\x07{" BASE "}";
    struct rxp_refusal why;
    struct rxp_invocation *invocation = parse_bytes(framed, sizeof(framed) - 1, -1, &why);

    ck_assert_int_eq(why.error, RXP_ERROR_INVALID_JSON);
    ck_assert_ptr_nonnull(strstr(why.text, "schema registry"));
    ck_assert_ptr_nonnull(strstr(why.text, "plain JSON"));
    rxp_invocation_free(invocation);
}
END_TEST

START_TEST(a_message_without_payload_is_told_so)
{
    struct rxp_invocation *invocation;
    struct rxp_refusal why;

    ck_assert_int_eq(rxp_invocation_parse(NULL, 0, MIB, &invocation, &why), -1);
    ck_assert_int_eq(why.error, RXP_ERROR_INVALID_JSON);
    ck_assert_ptr_nonnull(strstr(why.text, "no payload"));
    ck_assert_ptr_nonnull(strstr(why.text, "tombstone"));
    rxp_invocation_free(invocation);
}
END_TEST

START_TEST(a_message_over_the_limit_names_both_sizes_and_the_option)
{
    static const char text[] = "{" BASE "}";
    const size_t bytes = sizeof(text) - 1;
    struct rxp_invocation *invocation;
    struct rxp_refusal why;
    char sizes[32];

    ck_assert_int_eq(rxp_invocation_parse(text, bytes, bytes, &invocation, &why), 0);
    rxp_invocation_free(invocation);
    ck_assert_int_eq(rxp_invocation_parse(text, bytes, bytes - 1, &invocation, &why), -1);
    ck_assert_int_eq(why.error, RXP_ERROR_INVALID_INVOCATION);
    ck_assert_ptr_nonnull(strstr(why.text, "max-message-bytes"));
    snprintf(sizes, sizeof(sizes), " %zu bytes", bytes);
    ck_assert_ptr_nonnull(strstr(why.text, sizes));
    snprintf(sizes, sizeof(sizes), " %zu that", bytes - 1);
    ck_assert_ptr_nonnull(strstr(why.text, sizes));
    ck_assert_ptr_null(invocation->invocation_id);
    rxp_invocation_free(invocation);
}
END_TEST

START_TEST(a_message_of_a_megabyte_is_read_whole)
{
    char *text = malloc(MIB + 1);
    size_t at = (size_t)sprintf(text, "{%s,\"metadata\":{", BASE);
    size_t n = 0;

    for (; at < MIB - 64; n++)
        at += (size_t)sprintf(text + at, "%s\"key-%zu\":\"%zu\\n\"", n == 0 ? "" : ",", n, n);
    strcpy(text + at, "}}");
    struct rxp_invocation *invocation = parse(text);
    ck_assert_uint_eq(invocation->n_metadata, n);
    ck_assert_str_eq(rxp_invocation_metadata(invocation, "key-40000"), "40000\n");
    rxp_invocation_free(invocation);
    free(text);
}
END_TEST

START_TEST(a_sentence_stays_short_and_clean_whatever_it_quotes)
{
    char *text = malloc(MIB);
    struct rxp_refusal why;
    size_t at = (size_t)sprintf(text, "{%s,\"", BASE);

    for (int i = 0; i < 50000; i++)
        at += (size_t)sprintf(text + at, "%s", i % 2 == 0 ? "\xE2\x82\xAC" : "\x7F");
    strcpy(text + at, "\":1}");
    struct rxp_invocation *invocation = parse_bytes(text, strlen(text), -1, &why);
    ck_assert_uint_lt(strlen(why.text), 200);
    ck_assert_ptr_nonnull(strstr(why.text, "\xE2\x82\xAC\\x7f\xE2\x82\xAC"));
    ck_assert_ptr_nonnull(strstr(why.text, "\xE2\x80\xA6'")); /* the ellipsis */
    rxp_invocation_free(invocation);
    free(text);
}
END_TEST

START_TEST(writes_every_field_with_its_default)
{
    struct rxp_invocation *invocation = parse("{" BASE "}");
    size_t bytes;
    char *text = rxp_invocation_write(invocation, &bytes);

    ck_assert_str_eq(text, "{\"schema_version\":\"0.1\",\"contract_kind\":\"runtime_invocation\","
        "\"invocation_id\":\"inv-1\","
                           "\"runtime_name\":\"archon\",\"runtime_kind\":\"http_async\",\"working_directory\":\"/w\","
                           "\"command\":[\"run\",\"it\"],\"environment\":{},\"timeout_seconds\":null,"
                           "\"input_payload_path\":null,\"output_result_path\":null,\"artifact_directory\":null,"
                           "\"metadata\":{}}");
    ck_assert_uint_eq(bytes, strlen(text));
    free(text);
    rxp_invocation_free(invocation);
}
END_TEST

START_TEST(what_it_writes_reads_back_the_same)
{
    static const char text[] =
        "{\"schema_version\":\"0.1\",\"contract_kind\":\"runtime_invocation\","
        "\"invocation_id\":\"a\\\"\\\\\\u0001\xC3\xA9\","
        "\"runtime_name\":\"n\\t\\r\\n\",\"runtime_kind\":\"container\",\"working_directory\":\"/\","
        "\"command\":[\"a\",\"\",\"b\"],"
        "\"environment\":{\"A\":\"1\",\"B\":\"\"},\"timeout_seconds\":7,\"input_payload_path\":\"i\","
        "\"output_result_path\":\"o\","
        "\"artifact_directory\":\"d\",\"metadata\":{\"k\":\"v\",\"\":\"\\u001f\\u007f\"}}";
    struct rxp_invocation *invocation = parse(text);
    size_t bytes;
    char *written = rxp_invocation_write(invocation, &bytes);

    ck_assert_str_eq(written, text);
    free(written);
    rxp_invocation_free(invocation);
}
END_TEST

START_TEST(no_prefix_of_a_message_is_a_message)
{
    static const char text[] = WITH("\"metadata\":{\"k\":\"v\\u00e9\"},\"timeout_seconds\":10");
    struct rxp_refusal why;

    for (size_t n = 0; n < sizeof(text) - 1; n++)
        rxp_invocation_free(parse_bytes(text, n, -1, &why));
    rxp_invocation_free(parse_bytes(text, sizeof(text) - 1, 0, &why));
}
END_TEST

START_TEST(freeing_nothing_is_harmless)
{
    rxp_invocation_free(NULL);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("invocation");
    TCase *tcase = tcase_create("invocation");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, the_smallest_invocation_gets_its_defaults);
    tcase_add_test(tcase, every_field_is_read_and_decoded);
    tcase_add_loop_test(tcase, timeouts_are_integers_above_zero_or_null, 0, ROWS(timeouts));
    tcase_add_loop_test(tcase, a_breach_of_the_contract_is_named, 0, ROWS(broken));
    tcase_add_test(tcase, the_first_of_several_unknown_fields_is_named);
    tcase_add_test(tcase, a_misspelt_field_is_told_before_the_one_that_it_leaves_missing);
    tcase_add_loop_test(tcase, what_is_not_strict_json_is_refused_and_nothing_is_read, 0, ROWS(not_json));
    tcase_add_test(tcase, nesting_of_5000_levels_is_refused);
    tcase_add_loop_test(tcase, a_duplicate_key_is_refused_wherever_it_is_and_what_is_told_once_is_read, 0,
                        ROWS(duplicates));
    tcase_add_test(tcase, keys_are_looked_up_by_case);
    tcase_add_test(tcase, a_refused_message_still_names_itself);
    tcase_add_test(tcase, a_kind_outside_the_vocabulary_reads_as_unknown);
    tcase_add_test(tcase, a_payload_framed_by_a_schema_registry_is_told_so);
    tcase_add_test(tcase, a_message_without_payload_is_told_so);
    tcase_add_test(tcase, a_message_over_the_limit_names_both_sizes_and_the_option);
    tcase_add_test(tcase, a_message_of_a_megabyte_is_read_whole);
    tcase_add_test(tcase, a_sentence_stays_short_and_clean_whatever_it_quotes);
    tcase_add_test(tcase, writes_every_field_with_its_default);
    tcase_add_test(tcase, what_it_writes_reads_back_the_same);
    tcase_add_test(tcase, no_prefix_of_a_message_is_a_message);
    tcase_add_test(tcase, freeing_nothing_is_harmless);
    suite_add_tcase(suite, tcase);
    return suite;
}
