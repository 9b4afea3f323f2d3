#include "protocol/json.h"
#include "support/check_main.h"

#include <stdlib.h>
#include <string.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* The value of a text that must be good. */
static struct json_slice doc(const char *text)
{
    struct json_fault fault;

    ck_assert_msg(json_check(text, strlen(text), JSON_KEYS_ANY, &fault) == 0, "%s: %s at %zu", text, fault.what,
                  fault.at_byte);
    return json_document(text, strlen(text));
}

static void assert_slice(struct json_slice slice, const char *expected)
{
    ck_assert_msg(slice.bytes == strlen(expected) && memcmp(slice.at, expected, slice.bytes) == 0, "'%.*s' is not '%s'",
                  (int)slice.bytes, slice.at, expected);
}

static void assert_text(struct json_slice slice, const char *expected)
{
    size_t bytes;
    char *text = json_text(slice, &bytes);

    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(bytes, strlen(expected));
    free(text);
}

START_TEST(a_slice_is_the_value_without_the_space_around_it)
{
    assert_slice(json_document(" \n{ \"a\": 1 }\t", 13), "{ \"a\": 1 }");
    assert_slice(json_document("7", 1), "7");
}
END_TEST

START_TEST(types_are_told_by_the_text)
{
    ck_assert_int_eq(json_type_of(doc("null")), JSON_NULL);
    ck_assert_int_eq(json_type_of(doc("true")), JSON_BOOL);
    ck_assert_int_eq(json_type_of(doc("false")), JSON_BOOL);
    ck_assert_int_eq(json_type_of(doc("-1")), JSON_NUMBER);
    ck_assert_int_eq(json_type_of(doc("9")), JSON_NUMBER);
    ck_assert_int_eq(json_type_of(doc("\"\"")), JSON_STRING);
    ck_assert_int_eq(json_type_of(doc("[]")), JSON_ARRAY);
    ck_assert_int_eq(json_type_of(doc("{}")), JSON_OBJECT);
}
END_TEST

START_TEST(walks_an_object_in_the_order_of_the_text)
{
    struct json_slice object = doc("{ \"a\" : 1 ,\"b]}\":[1,{\"x\":\"]\"}], \"c\\\"\" : \"}\\\\\",\"d\":{}}");
    static const char *const expected[][2] = {
        {"\"a\"", "1"}, {"\"b]}\"", "[1,{\"x\":\"]\"}]"}, {"\"c\\\"\"", "\"}\\\\\""}, {"\"d\"", "{}"}};
    struct json_slice key;
    struct json_slice value;
    size_t cursor = 0;

    for (size_t i = 0; i < 4; i++) {
        ck_assert(json_next(object, &cursor, &key, &value));
        assert_slice(key, expected[i][0]);
        assert_slice(value, expected[i][1]);
    }
    ck_assert(!json_next(object, &cursor, &key, &value));
    ck_assert(!json_next(object, &cursor, &key, &value));
}
END_TEST

START_TEST(walks_an_array_with_empty_keys)
{
    struct json_slice array = doc("[1 , \"a,b\",[ 2,3 ],{\"k\":4} ,null ]");
    static const char *const expected[] = {"1", "\"a,b\"", "[ 2,3 ]", "{\"k\":4}", "null"};
    struct json_slice key;
    struct json_slice value;
    size_t cursor = 0;

    for (size_t i = 0; i < 5; i++) {
        ck_assert(json_next(array, &cursor, &key, &value));
        ck_assert_uint_eq(key.bytes, 0);
        assert_slice(value, expected[i]);
    }
    ck_assert(!json_next(array, &cursor, &key, &value));
}
END_TEST

START_TEST(nothing_is_inside_an_empty_container_or_a_scalar)
{
    static const char *const texts[] = {"{}", "[ ]", "1", "\"[1]\"", "null"};
    struct json_slice key;
    struct json_slice value;

    for (size_t i = 0; i < 5; i++) {
        size_t cursor = 0;
        ck_assert(!json_next(doc(texts[i]), &cursor, &key, &value));
    }
}
END_TEST

static const char found_in[] =
    "{\"data\":{\"run\":{\"id\":\"r-1\"},\"list\":[10,{\"x\":true},[null,\"z\"]],\"7\":\"seven\"},\"Data\":1,"
    "\"\":\"empty\",\"caf\xC3\xA9\":2,\"tw\\u0069ce\":\"first\",\"twice\":\"second\",\"a/b\":3}";

static const struct {
    const char *path;
    const char *slice; /* NULL: nothing there */
} paths[] = {
    {"data.run.id", "\"r-1\""},
    {"data.run", "{\"id\":\"r-1\"}"},
    {"..data...run.id.", "\"r-1\""},
    {"data.list.0", "10"},
    {"data.list.1.x", "true"},
    {"data.list.2.1", "\"z\""},
    {"data.list.2.0", "null"},
    {"data.7", "\"seven\""},
    {"Data", "1"},
    {"caf\xC3\xA9", "2"},
    {"twice", "\"first\""},
    {"a/b", "3"},
    {"data.Run.id", NULL},
    {"DATA", NULL},
    {"data.ru", NULL},
    {"twic", NULL},
    {"twicee", NULL},
    {"data.runs", NULL},
    {"data.list.3", NULL},
    {"data.list.01", NULL},
    {"data.list.-1", NULL},
    {"data.list.x", NULL},
    {"data.list.99999999999999999999", NULL},
    {"data.list.18446744073709551616", NULL},
    {"data.run.id.x", NULL},
    {"data.run.id.0", NULL},
    {"Data.0", NULL},
    {"data.list.length", NULL},
};

START_TEST(a_path_leads_to_the_raw_value)
{
    struct json_slice value;
    bool found = json_find(doc(found_in), paths[_i].path, &value);

    ck_assert_msg(found == (paths[_i].slice != NULL), "%s", paths[_i].path);
    if (found)
        assert_slice(value, paths[_i].slice);
}
END_TEST

START_TEST(an_empty_path_is_the_value_itself)
{
    struct json_slice value;

    ck_assert(json_find(doc(" [1] "), "", &value));
    assert_slice(value, "[1]");
    ck_assert(json_find(doc("\"done\""), "..", &value));
    assert_slice(value, "\"done\"");
}
END_TEST

START_TEST(numbers_keep_each_digit)
{
    struct json_slice value;
    struct json_slice object = doc("{\"big\":9007199254740993,\"float\":3.0,\"e\":1.50E+02,\"neg\":-0.0}");

    ck_assert(json_find(object, "big", &value));
    assert_text(value, "9007199254740993");
    ck_assert(json_find(object, "float", &value));
    assert_text(value, "3.0");
    ck_assert(json_find(object, "e", &value));
    assert_text(value, "1.50E+02");
    ck_assert(json_find(object, "neg", &value));
    assert_text(value, "-0.0");
}
END_TEST

START_TEST(text_of_a_string_is_decoded_and_of_others_raw)
{
    assert_text(doc("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\""), "a\"\\/\b\f\n\r\tz");
    assert_text(doc("\"\\u0041\\u00E9\\u20ac\\uD83D\\uDE00\\u0001\""), "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x01");
    assert_text(doc("\"\\uDBFF\\uDFFF\""), "\xF4\x8F\xBF\xBF");
    assert_text(doc("\"\""), "");
    assert_text(doc("\"caf\xC3\xA9\""), "caf\xC3\xA9");
    assert_text(doc("[ 1, {\"a\": null} ]"), "[ 1, {\"a\": null} ]");
    assert_text(doc("true"), "true");
    assert_text(doc("null"), "null");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("json_slice");
    TCase *tcase = tcase_create("json_slice");

    tcase_add_test(tcase, a_slice_is_the_value_without_the_space_around_it);
    tcase_add_test(tcase, types_are_told_by_the_text);
    tcase_add_test(tcase, walks_an_object_in_the_order_of_the_text);
    tcase_add_test(tcase, walks_an_array_with_empty_keys);
    tcase_add_test(tcase, nothing_is_inside_an_empty_container_or_a_scalar);
    tcase_add_loop_test(tcase, a_path_leads_to_the_raw_value, 0, ROWS(paths));
    tcase_add_test(tcase, an_empty_path_is_the_value_itself);
    tcase_add_test(tcase, numbers_keep_each_digit);
    tcase_add_test(tcase, text_of_a_string_is_decoded_and_of_others_raw);
    suite_add_tcase(suite, tcase);
    return suite;
}
