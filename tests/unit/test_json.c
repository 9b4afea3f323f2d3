#include "protocol/json.h"
#include "support/check_main.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define MIB ((size_t)1 << 20)

static int check_keys(const char *text, enum json_keys keys, struct json_fault *fault)
{
    return json_check(text, strlen(text), keys, fault);
}

static void assert_accepted(const char *text)
{
    struct json_fault fault;

    ck_assert_msg(check_keys(text, JSON_KEYS_UNIQUE, &fault) == 0, "%s: %s at %zu", text, fault.what, fault.at_byte);
}

static void assert_refused(const char *text, size_t bytes, const char *what, size_t at_byte)
{
    struct json_fault fault;

    ck_assert_int_eq(json_check(text, bytes, JSON_KEYS_ANY, &fault), -1);
    ck_assert_msg(strstr(fault.what, what) != NULL, "%s: '%s' is not about '%s'", text, fault.what, what);
    ck_assert_msg(fault.at_byte == at_byte, "%s: at %zu, not %zu", text, fault.at_byte, at_byte);
    ck_assert_uint_eq(fault.key.bytes, 0);
}

static char *repeat(const char *unit, size_t n)
{
    size_t bytes = strlen(unit);
    char *text = malloc(n * bytes + 1);

    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * bytes, unit, bytes);
    text[n * bytes] = '\0';
    return text;
}

static void assert_slice(struct json_slice slice, const char *expected)
{
    ck_assert_msg(slice.bytes == strlen(expected) && memcmp(slice.at, expected, slice.bytes) == 0, "'%.*s' is not '%s'",
                  (int)slice.bytes, slice.at, expected);
}

static const char *const good[] = {
    "{}",
    "[]",
    "\"\"",
    "0",
    "-0",
    "-0.0e-0",
    "10.25E+17",
    "true",
    "false",
    "null",
    " \t\r\n[ 1 , 2 ] \t\r\n",
    "{ \"a\" : { \"b\" : [ { } , [ ] , null ] } }",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"",
    "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F\"",
    "\"\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"",
    "{\"\":1}",
    "9007199254740993",
    "1e400",
};

START_TEST(accepts_what_rfc_8259_allows)
{
    assert_accepted(good[_i]);
}
END_TEST

START_TEST(what_it_accepts_cjson_accepts_too)
{
    cJSON *tree = cJSON_Parse(good[_i]);

    ck_assert_ptr_nonnull(tree);
    cJSON_Delete(tree);
}
END_TEST

START_TEST(refuses_every_text_that_ends_too_early)
{
    static const char whole[] = "{\"a\\u00e9\":[1.5e3,true,false,null,\"\xE2\x82\xAC\\uD83D\\uDE00\"],"
        "\"b\":{\"c\":-0.25}}";
    struct json_fault fault;

    assert_accepted(whole);
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        /* A copy of its own, so that reading past the end is seen. */
        char *part = malloc(n + 1);
        memcpy(part, whole, n);
        char *exact = realloc(part, n > 0 ? n : 1);
        ck_assert_int_eq(json_check(exact, n, JSON_KEYS_UNIQUE, &fault), -1);
        ck_assert_uint_le(fault.at_byte, n);
        free(exact);
    }
}
END_TEST

START_TEST(refuses_a_string_with_an_escaped_nul)
{
    assert_refused("{\"a\":\"cut\\u0000short\"}", 22, "\\u0000", 9);
    assert_refused("{\"a\\u0000\":1}", 13, "\\u0000", 3);
}
END_TEST

START_TEST(refuses_bytes_after_the_document)
{
    assert_refused("{} x", 4, "after the document", 3);
    assert_refused("{}{}", 4, "after the document", 2);
    assert_refused("1 2", 3, "after the document", 2);
    assert_refused("{}\0", 3, "after the document", 2);
    assert_refused("null,", 5, "after the document", 4);
}
END_TEST

static const struct {
    const char *text;
    size_t at_byte;
} not_utf8[] = {
    {"\"\xFF\"", 1},
    {"\"\xFE\"", 1},
    {"\"a\x80\"", 2},                 /* a continuation alone */
    {"\"\xC3\"", 1},                   /* cut short by the quote */
    {"\"\xE2\x82\"", 1},               /* the same */
    {"\"\xF0\x9F\x98\"", 1},           /* the same */
    {"\"\xC0\xAF\"", 1},               /* overlong '/' */
    {"\"\xC1\xBF\"", 1},               /* overlong */
    {"\"\xE0\x80\xAF\"", 1},           /* overlong */
    {"\"\xE0\x9F\xBF\"", 1},           /* overlong */
    {"\"\xF0\x8F\xBF\xBF\"", 1},       /* overlong */
    {"\"\xED\xA0\x80\"", 1},           /* a surrogate */
    {"\"\xED\xBF\xBF\"", 1},           /* a surrogate */
    {"\"\xF4\x90\x80\x80\"", 1},       /* beyond U+10FFFF */
    {"\"\xF5\x80\x80\x80\"", 1},       /* beyond U+10FFFF */
    {"\"caf\xE9\"", 4},                /* Latin-1 */
    {"{\"\xE9\":1}", 2},               /* in a key */
    {"\"\xE2\x28\xA1\"", 1},           /* a bad second byte */
    {"\"\xE2\x82\x28\"", 1},           /* a bad third byte */
};

START_TEST(refuses_bytes_that_are_not_utf8)
{
    assert_refused(not_utf8[_i].text, strlen(not_utf8[_i].text), "not UTF-8", not_utf8[_i].at_byte);
}
END_TEST

static const char *const lone[] = {
    "\"\\uD800\"", "\"\\uDBFF\"", "\"\\uDC00\"", "\"\\uDFFF\"", "\"\\uD83D\\uD83D\"", "\"\\uD83Dx\"", "\"\\uD83D\\n\"",
    "\"\\uDE00\\uD83D\"", "\"\\uD83D\\u0041\"",
};

START_TEST(refuses_half_a_surrogate_pair)
{
    assert_refused(lone[_i], strlen(lone[_i]), "surrogate", 1);
}
END_TEST

static const struct {
    const char *text;
    const char *key;
} twice[] = {
    {"{\"a\":1,\"a\":2}", "\"a\""},
    {"{\"a\":1,\"b\":2,\"a\":1}", "\"a\""},
    {"{\"a\":1,\"\\u0061\":2}", "\"\\u0061\""},
    {"{\"\\uD83D\\uDE00\":1,\"\xF0\x9F\x98\x80\":2}", "\"\xF0\x9F\x98\x80\""},
    {"{\"\":1,\"\":2}", "\"\""},
    {"{\"x\":{\"b\":1,\"b\":2}}", "\"b\""},
    {"[1,{\"c\":[]},{\"b\":1,\"b\":2}]", "\"b\""},
    {"{\"a\":{\"b\":1},\"b\":1,\"b\":1}", "\"b\""},
    {"{\"a\":{\"a\":1,\"b\":[{\"a\":1}]},\"a\":1}", "\"a\""},
};

START_TEST(refuses_a_key_that_occurs_twice)
{
    struct json_fault fault;

    ck_assert_int_eq(check_keys(twice[_i].text, JSON_KEYS_UNIQUE, &fault), -1);
    ck_assert_ptr_nonnull(strstr(fault.what, "twice"));
    assert_slice(fault.key, twice[_i].key);
    ck_assert_ptr_eq(fault.key.at, twice[_i].text + fault.at_byte);
    ck_assert_msg(strstr(twice[_i].text, "\":") < fault.key.at, "it names the first one");
}
END_TEST

START_TEST(allows_a_key_twice_where_that_is_no_harm)
{
    struct json_fault fault;

    ck_assert_int_eq(check_keys(twice[_i].text, JSON_KEYS_ANY, &fault), 0);
}
END_TEST

START_TEST(keys_that_differ_in_case_or_place_are_different)
{
    assert_accepted("{\"a\":1,\"A\":2}");
    assert_accepted("{\"a\":{\"a\":{\"a\":1}}}");
    assert_accepted("[{\"a\":1},{\"a\":1}]");
    assert_accepted("{\"a\":{\"b\":1},\"b\":{\"a\":1}}");
    assert_accepted("{\"ab\":1,\"a\":1,\"b\":1,\"\":1}");
}
END_TEST

/* {"k0":0,"k1":0,…}, perhaps with the key `again` once more at the end. */
static char *many_keys(size_t n, const char *again)
{
    char *text = malloc(n * 24 + 64);
    size_t at = 0;

    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < n; i++)
        at += (size_t)sprintf(text + at, "%c\"k%zu\":0", i == 0 ? '{' : ',', i);
    if (again != NULL)
        at += (size_t)sprintf(text + at, ",\"%s\":0", again);
    strcpy(text + at, "}");
    return text;
}

START_TEST(finds_a_duplicate_among_a_hundred_thousand_keys)
{
    struct json_fault fault;
    char *text = many_keys(100000, NULL);
    ck_assert_int_eq(check_keys(text, JSON_KEYS_UNIQUE, &fault), 0);
    free(text);

    text = many_keys(100000, "k31\\u0034\\u0031");
    ck_assert_int_eq(check_keys(text, JSON_KEYS_UNIQUE, &fault), -1);
    assert_slice(fault.key, "\"k31\\u0034\\u0031\"");
    free(text);
}
END_TEST

START_TEST(finds_a_duplicate_at_every_size_of_object)
{
    struct json_fault fault;

    for (size_t n = 1; n < 200; n++) {
        char *text = many_keys(n, NULL);
        ck_assert_int_eq(check_keys(text, JSON_KEYS_UNIQUE, &fault), 0);
        free(text);
        text = many_keys(n, "k0");
        ck_assert_int_eq(check_keys(text, JSON_KEYS_UNIQUE, &fault), -1);
        ck_assert_uint_gt(fault.at_byte, n > 1 ? 8 : 6);
        free(text);
    }
}
END_TEST

static char *nested(size_t n, const char *open, const char *core, const char *close)
{
    char *front = repeat(open, n);
    char *back = repeat(close, n);
    char *text = malloc(strlen(front) + strlen(core) + strlen(back) + 1);

    ck_assert_ptr_nonnull(text);
    sprintf(text, "%s%s%s", front, core, back);
    free(front);
    free(back);
    return text;
}

START_TEST(follows_64_levels_and_no_more)
{
    static const struct {
        const char *open;
        const char *close;
    } kinds[] = {{"[", "]"}, {"{\"a\":", "}"}};

    for (size_t i = 0; i < 2; i++) {
        char *deep = nested(JSON_MAX_DEPTH, kinds[i].open, "1", kinds[i].close);
        assert_accepted(deep);
        free(deep);
        deep = nested(JSON_MAX_DEPTH + 1, kinds[i].open, "1", kinds[i].close);
        assert_refused(deep, strlen(deep), "deeper than 64", JSON_MAX_DEPTH * strlen(kinds[i].open));
        free(deep);
    }
}
END_TEST

START_TEST(refuses_5000_levels_and_a_megabyte_of_brackets)
{
    char *deep = nested(5000, "[", "", "]");
    assert_refused(deep, strlen(deep), "deeper than 64", 64);
    free(deep);

    deep = repeat("[", MIB);
    assert_refused(deep, MIB, "deeper than 64", 64);
    free(deep);
    deep = repeat("{\"a\":", MIB / 5);
    assert_refused(deep, MIB / 5 * 5, "deeper than 64", 320);
    free(deep);
}
END_TEST

START_TEST(wide_is_not_deep)
{
    char *items = repeat("[],{},", 100);
    char *wide = nested(1, "[", items, "[]]");

    assert_accepted(wide);
    free(wide);
    free(items);
}
END_TEST

START_TEST(refuses_each_raw_control_character)
{
    for (int c = 0; c < 0x20; c++) {
        char text[] = "[\"ab\"]";
        text[3] = (char)c;
        assert_refused(text, sizeof(text) - 1, "control character", 3);
    }
}
END_TEST

static const struct {
    const char *text;
    const char *what;
} bad_numbers[] = {
    {"01", "leading zero"},    {"-01", "leading zero"},      {"00", "leading zero"},    {"1.", "after the point"},
    {"1.e5", "after the point"}, {"-", "without digits"},    {"-.5", "without digits"}, {"1e", "exponent"},
    {"1e+", "exponent"},       {"1E-", "exponent"},          {"-a", "without digits"},  {"--1", "without digits"},
};

START_TEST(refuses_numbers_outside_the_grammar)
{
    assert_refused(bad_numbers[_i].text, strlen(bad_numbers[_i].text), bad_numbers[_i].what, 0);
}
END_TEST

static const struct {
    const char *text;
    const char *what;
    size_t at_byte;
} malformed[] = {
    {"", "no document", 0},
    {" \n ", "no document", 3},
    {"\xEF\xBB\xBF{}", "byte order mark", 0},
    {"+1", "no value", 0},
    {".5", "no value", 0},
    {"NaN", "no value", 0},
    {"Infinity", "no value", 0},
    {"0x10", "after the document", 1},
    {"1.5.5", "after the document", 3},
    {"tru", "true, false or null", 0},
    {"True", "no value", 0},
    {"nul", "true, false or null", 0},
    {"truee", "after the document", 4},
    {"[1,]", "no value", 3},
    {"[,1]", "no value", 1},
    {"[1 2]", "no ','", 3},
    {"[1}", "no ','", 2},
    {"{\"a\":1]", "no ','", 6},
    {"{\"a\":1,}", "no quoted key", 7},
    {"{,}", "no quoted key", 1},
    {"{a:1}", "no quoted key", 1},
    {"{1:1}", "no quoted key", 1},
    {"{'a':1}", "no quoted key", 1},
    {"{\"a\" 1}", "no ':'", 5},
    {"{\"a\":}", "no value", 5},
    {"{\"a\"}", "no ':'", 4},
    {"]", "no value", 0},
    {"}", "no value", 0},
    {"\"\\x41\"", "escape", 1},
    {"\"\\u12g4\"", "hexadecimal", 1},
    {"\"\\u12", "hexadecimal", 1},
    {"[1] // no", "after the document", 4},
    {"/* no */ 1", "no value", 0},
    {"\xC2\xA0" "1", "no value", 0},
    {"\f1", "no value", 0},
    {"[", "too early", 1},
    {"{\"a\":1", "too early", 6},
    {"\"abc", "too early", 4},
    {"\"abc\\", "too early", 5},
};

START_TEST(refuses_what_the_grammar_does_not_have)
{
    assert_refused(malformed[_i].text, strlen(malformed[_i].text), malformed[_i].what, malformed[_i].at_byte);
}
END_TEST

/* Each of these was quadratic in some reader. With n² they take minutes, not the second that this allows. */
static const struct {
    const char *open;
    const char *unit;
    const char *close;
} megabytes[] = {
    {"\"", "a", "\""},
    {"\"", "\\\\", "\""},
    {"\"", "\\u00e9", "\""},
    {"[", "1,", "1]"},
    {"[", "[],", "[]]"},
    {"[", "\"\\\\\\\"\",", "0]"},
    {"[", " ", "]"},
    {"", "1", ""},
    {"{\"a\":[", "{\"b\":1},", "1]}"},
};

START_TEST(a_megabyte_is_read_in_linear_time)
{
    size_t n = MIB / strlen(megabytes[_i].unit);
    char *core = repeat(megabytes[_i].unit, n);
    char *text = malloc(strlen(core) + 32);
    struct json_fault fault;
    struct json_slice key;
    struct json_slice value;
    size_t cursor = 0;
    size_t bytes;

    sprintf(text, "%s%s%s", megabytes[_i].open, core, megabytes[_i].close);
    ck_assert_int_eq(check_keys(text, JSON_KEYS_UNIQUE, &fault), 0);
    struct json_slice whole = json_document(text, strlen(text));
    while (json_next(whole, &cursor, &key, &value))
        ck_assert_uint_le(value.bytes, whole.bytes);
    ck_assert(!json_find(whole, "a.9999999", &value));
    char *decoded = json_text(whole, &bytes);
    ck_assert_uint_le(bytes, whole.bytes);
    free(decoded);
    free(text);
    free(core);
}
END_TEST

/* Keys whose hashes a peer made equal, or that merely have long common fronts, must not cost n². */
START_TEST(long_common_prefixes_do_not_slow_the_search_for_duplicates)
{
    char *text = malloc(2 * MIB);
    struct json_fault fault;
    size_t at = 0;

    for (int i = 0; i < 8000; i++)
        at += (size_t)sprintf(text + at, "%c\"%0100d\":0", i == 0 ? '{' : ',', i);
    strcpy(text + at, "}");
    ck_assert_int_eq(check_keys(text, JSON_KEYS_UNIQUE, &fault), 0);
    free(text);
}
END_TEST

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void walk(struct json_slice value, int depth)
{
    struct json_slice key;
    struct json_slice item;
    size_t cursor = 0;
    size_t bytes;
    char *text = json_text(value, &bytes);

    ck_assert_ptr_nonnull(text);
    ck_assert_uint_le(bytes, value.bytes);
    free(text);
    ck_assert_int_le(depth, JSON_MAX_DEPTH);
    while (json_next(value, &cursor, &key, &item))
        walk(item, depth + 1);
}

START_TEST(whatever_survives_mutation_is_json_to_cjson_too)
{
    static const char seed[] = "{\"a\":[1,2.5e-3,\"x\\u00e9\\n\",null,true],\"b\":{\"c\":{\"d\":[[]]},"
        "\"e\":\"\xE2\x82\xAC\"},\"f\":-7}";
    static const char dice[] = "{}[]\",:\\u0019.eE+-tfn \n\x80\xC3\xE2\x00";
    uint64_t state = 88172645463325252u + (uint64_t)_i;
    struct json_fault fault;
    int accepted = 0;

    for (int round = 0; round < 20000; round++) {
        size_t n = sizeof(seed) - 1;
        char *text = malloc(n + 1);
        memcpy(text, seed, n + 1);
        for (uint64_t changes = next_random(&state) % 3 + 1; changes > 0; changes--)
            text[next_random(&state) % n] = dice[next_random(&state) % (sizeof(dice) - 1)];
        if (json_check(text, n, JSON_KEYS_UNIQUE, &fault) == 0) {
            accepted++;
            cJSON *tree = cJSON_ParseWithLength(text, n);
            ck_assert_msg(tree != NULL, "%s", text);
            cJSON_Delete(tree);
            walk(json_document(text, n), 1);
        }
        free(text);
    }
    ck_assert_int_gt(accepted, 100);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("json");
    TCase *tcase = tcase_create("json");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, accepts_what_rfc_8259_allows, 0, ROWS(good));
    tcase_add_loop_test(tcase, what_it_accepts_cjson_accepts_too, 0, ROWS(good));
    tcase_add_test(tcase, refuses_every_text_that_ends_too_early);
    tcase_add_test(tcase, refuses_a_string_with_an_escaped_nul);
    tcase_add_test(tcase, refuses_bytes_after_the_document);
    tcase_add_loop_test(tcase, refuses_bytes_that_are_not_utf8, 0, ROWS(not_utf8));
    tcase_add_loop_test(tcase, refuses_half_a_surrogate_pair, 0, ROWS(lone));
    tcase_add_loop_test(tcase, refuses_a_key_that_occurs_twice, 0, ROWS(twice));
    tcase_add_loop_test(tcase, allows_a_key_twice_where_that_is_no_harm, 0, ROWS(twice));
    tcase_add_test(tcase, keys_that_differ_in_case_or_place_are_different);
    tcase_add_test(tcase, finds_a_duplicate_among_a_hundred_thousand_keys);
    tcase_add_test(tcase, finds_a_duplicate_at_every_size_of_object);
    tcase_add_test(tcase, follows_64_levels_and_no_more);
    tcase_add_test(tcase, refuses_5000_levels_and_a_megabyte_of_brackets);
    tcase_add_test(tcase, wide_is_not_deep);
    tcase_add_test(tcase, refuses_each_raw_control_character);
    tcase_add_loop_test(tcase, refuses_numbers_outside_the_grammar, 0, ROWS(bad_numbers));
    tcase_add_loop_test(tcase, refuses_what_the_grammar_does_not_have, 0, ROWS(malformed));
    tcase_add_loop_test(tcase, a_megabyte_is_read_in_linear_time, 0, ROWS(megabytes));
    tcase_add_test(tcase, long_common_prefixes_do_not_slow_the_search_for_duplicates);
    tcase_add_loop_test(tcase, whatever_survives_mutation_is_json_to_cjson_too, 0, 4);
    suite_add_tcase(suite, tcase);
    return suite;
}
