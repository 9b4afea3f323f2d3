#include "protocol/template.h"
#include "protocol/json.h"
#include "support/check_main.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define ALL (TEMPLATE_RUN_ID | TEMPLATE_PREPARED_ID | TEMPLATE_INVOCATION_ID | TEMPLATE_VAR)
#define PATHS (ALL | TEMPLATE_PATH)

static const char *variable(const void *vars, const char *name, size_t bytes)
{
    const char *const *pair = vars;

    for (; *pair != NULL; pair += 2) {
        if (strlen(pair[0]) == bytes && memcmp(pair[0], name, bytes) == 0)
            return pair[1];
    }
    return NULL;
}

static const char *const variables[] = {"x",   "{run_id}", "empty", "",  "dot", ".",    "dots", "..", "slash", "a/b",
                                        "e",   "e",        "quote", "\"\\", "control", "\n\x01\x7F", "letter", "\xC3\xA9",
                                        "2e",  "%2e",      "up", "a/../b", "front", "/a", "back", "a/", "double", "a//b",
                                        "bar", "/",        "step", "./b", "name", "operations/7", "tail", "a/.",
                                        "reserved", "?#[]@!$&'()*+,;=:\\/-._~", NULL};

/* Fills all, with the run id r/1, the prepared id p 2 and the invocation_id i{3}. */
static struct template_fills fills_of_all(void)
{
    return (struct template_fills){
        .run_id = "r/1", .prepared_id = "p 2", .invocation_id = "i{3}", .var = variable, .vars = variables};
}

static const struct {
    const char *text;
    enum template_form form;
    unsigned marks;
    const char *filled;
} rows[] = {
    {"http://h/{run_id}", TEMPLATE_URL, ALL, "http://h/r%2F1"},
    {"http://h/{prepared_id}?i={invocation_id}#{var.x}", TEMPLATE_URL, ALL, "http://h/p%202?i=i%7B3%7D#%7Brun_id%7D"},
    {"{run_id}{run_id}/{run_id}", TEMPLATE_URL, ALL, "r%2F1r%2F1/r%2F1"},
    {"{run_id}/{prepared_id}/{invocation_id}/{var.e}", TEMPLATE_URL, TEMPLATE_RUN_ID,
     "r%2F1/{prepared_id}/{invocation_id}/{var.e}"},
    {"{run_id}/{prepared_id}/{invocation_id}/{var.e}", TEMPLATE_URL, TEMPLATE_INVOCATION_ID | TEMPLATE_VAR,
     "{run_id}/{prepared_id}/i%7B3%7D/e"},
    {"{run_id}", TEMPLATE_URL, 0, "{run_id}"},
    {"{var.empty}", TEMPLATE_URL, ALL, ""},
    {"{var.unknown}{var.e}", TEMPLATE_URL, ALL, "{var.unknown}e"},
    {"{var.letter}{var.control}", TEMPLATE_URL, ALL, "%C3%A9%0A%01%7F"},
    {"{var.slash}", TEMPLATE_URL, ALL, "a%2Fb"},
    {"http://h/{+run_id}", TEMPLATE_URL, PATHS, "http://h/r/1"},
    {"http://h/{+run_id}/{run_id}/{+var.slash}.{var.slash}", TEMPLATE_URL, PATHS, "http://h/r/1/r%2F1/a/b.a%2Fb"},
    {"{+prepared_id}{+var.x}{+var.control}{+var.letter}{+var.2e}{+var.reserved}", TEMPLATE_URL, PATHS,
     "p%202%7Brun_id%7D%0A%01%7F%C3%A9%252e%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%5C/-._~"},
    {"{+run_id}{run_id}", TEMPLATE_URL, ALL, "{+run_id}r%2F1"},
    {"{+run_id}{+var.e}", TEMPLATE_URL, TEMPLATE_VAR | TEMPLATE_PATH, "{+run_id}e"},
    {"{+run_id}", TEMPLATE_URL, TEMPLATE_PATH, "{+run_id}"},
    {"{+invocation_id}{++run_id}{+}{+run_id", TEMPLATE_URL, PATHS, "{+invocation_id}{++run_id}{+}{+run_id"},
    {"\"{+run_id}{+var.e}\"", TEMPLATE_JSON, ALL, "\"{+run_id}{+var.e}\""},
    {"{var.e", TEMPLATE_URL, ALL, "{var.e"},
    {"{var.}{var.a b}{Run_id}{run_id }{}", TEMPLATE_URL, ALL, "{var.}{var.a b}{Run_id}{run_id }{}"},
    {"{{run_id}}", TEMPLATE_URL, ALL, "{r%2F1}"},
    {"static", TEMPLATE_URL, ALL, "static"},
    {"", TEMPLATE_URL, ALL, ""},
    {"{\"a\":\"{run_id}\",\"{var.e}\":1}", TEMPLATE_JSON, ALL, "{\"a\":\"r/1\",\"e\":1}"},
    {"\"{invocation_id}\"", TEMPLATE_JSON, ALL, "\"i\\u007b3}\""},
    {"\"{var.x}\"", TEMPLATE_JSON, ALL, "\"\\u007brun_id}\""},
    {"\"{var.quote}\"", TEMPLATE_JSON, ALL, "\"\\\"\\\\\""},
    {"\"{var.control}\"", TEMPLATE_JSON, ALL, "\"\\u000a\\u0001\x7F\""},
    {"\"{var.letter}\"", TEMPLATE_JSON, ALL, "\"\xC3\xA9\""},
    {"\"\\\\{run_id}\\\"\"", TEMPLATE_JSON, ALL, "\"\\\\r/1\\\"\""},
    {"\"\\u007brun_id}\"", TEMPLATE_JSON, ALL, "\"\\u007brun_id}\""},
};

START_TEST(placeholders_are_filled_and_values_stay_text)
{
    const struct template_fills fills = fills_of_all();
    const char *text = rows[_i].text;
    char out[256];
    struct json_fault fault;
    size_t bytes = template_write(NULL, text, strlen(text), rows[_i].form, rows[_i].marks, &fills, SIZE_MAX);

    ck_assert_uint_lt(bytes, sizeof(out));
    ck_assert_uint_eq(template_write(out, text, strlen(text), rows[_i].form, rows[_i].marks, &fills, SIZE_MAX), bytes);
    out[bytes] = '\0';
    ck_assert_str_eq(out, rows[_i].filled);
    if (rows[_i].form == TEMPLATE_JSON)
        ck_assert_int_eq(json_check(out, bytes, JSON_KEYS_ANY, &fault), 0);
}
END_TEST

START_TEST(what_has_no_value_stays_as_it_is)
{
    const struct template_fills none = {.run_id = NULL};
    const char *text = "{run_id}{prepared_id}{invocation_id}{var.e}x";
    char out[64];

    size_t bytes = template_write(out, text, strlen(text), TEMPLATE_URL, ALL, &none, SIZE_MAX);
    ck_assert_uint_eq(bytes, strlen(text));
    ck_assert_int_eq(memcmp(out, text, bytes), 0);
}
END_TEST

/* Each byte of a text, whatever it is, comes out as itself. */
START_TEST(every_byte_survives_in_a_body)
{
    char value[256];
    char out[2048] = "\"";
    size_t bytes;

    for (int c = 1; c < 128; c++)
        value[c - 1] = (char)c;
    value[127] = '\0';
    const struct template_fills fills = {.run_id = value};
    bytes = 1 + template_write(out + 1, "{run_id}", 8, TEMPLATE_JSON, ALL, &fills, SIZE_MAX);
    out[bytes++] = '"';
    struct json_fault fault;
    ck_assert_int_eq(json_check(out, bytes, JSON_KEYS_ANY, &fault), 0);
    char *text = json_text((struct json_slice){out, bytes}, &bytes);
    ck_assert_str_eq(text, value);
    free(text);
    out[bytes] = '\0';
    ck_assert_ptr_null(strchr(out, '{'));
}
END_TEST

START_TEST(counting_stops_where_it_is_too_long)
{
    static char value[100001];
    static char text[700001];
    const struct template_fills fills = {.run_id = value};

    memset(value, ' ', sizeof(value) - 1);
    for (size_t i = 0; i + 8 < sizeof(text); i += 8)
        memcpy(text + i, "{run_id}", 8);
    /* Whole, this would be 26 GB. */
    size_t bytes = template_write(NULL, text, strlen(text), TEMPLATE_URL, ALL, &fills, 1000000);
    ck_assert_uint_gt(bytes, 1000000);
    ck_assert_uint_lt(bytes, 1000000 + 1000);
}
END_TEST

START_TEST(the_longest_that_it_can_become_is_known_before)
{
    const char *text = "http://h/{run_id}/{prepared_id}/{invocation_id}{run_id}";

    ck_assert_uint_eq(template_longest("http://h/", 9, TEMPLATE_URL, ALL), 9);
    ck_assert_uint_eq(template_longest("{run_id}", 8, TEMPLATE_URL, ALL), 512 * 3);
    ck_assert_uint_eq(template_longest("{run_id}", 8, TEMPLATE_JSON, ALL), 512 * 6);
    ck_assert_uint_eq(template_longest("{run_id}", 8, TEMPLATE_URL, TEMPLATE_PREPARED_ID), 8);
    ck_assert_uint_eq(template_longest("{+run_id}", 9, TEMPLATE_URL, PATHS), 512 * 3);
    ck_assert_uint_eq(template_longest("{+run_id}", 9, TEMPLATE_URL, ALL), 9);
    ck_assert_uint_eq(template_longest(text, strlen(text), TEMPLATE_URL, ALL), strlen("http://h///{invocation_id}") + 3 * 512 * 3);
}
END_TEST

START_TEST(placeholders_are_seen_and_counted)
{
    const char *text = "{a}{run_id}{var.x}{run_id}{var.}{prepared_id";
    size_t n;

    ck_assert_uint_eq(template_marks(text, strlen(text), ALL, &n), TEMPLATE_RUN_ID | TEMPLATE_VAR);
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_eq(template_marks(text, strlen(text), TEMPLATE_VAR, &n), TEMPLATE_VAR);
    ck_assert_uint_eq(n, 1);
    ck_assert_uint_eq(template_marks(text, strlen(text), 0, &n), 0);
    ck_assert_uint_eq(n, 0);
    ck_assert_uint_eq(template_marks(text, 10, ALL, &n), 0);
    ck_assert_uint_eq(template_marks(text, 11, ALL, &n), TEMPLATE_RUN_ID);
}
END_TEST

START_TEST(a_name_is_of_letters_digits_and_three_marks)
{
    char name[130];
    char text[160];
    struct template_mark mark;

    ck_assert(template_name_is("aZ09_.-", 7));
    ck_assert(!template_name_is("", 0));
    ck_assert(!template_name_is("a~", 2));
    ck_assert(!template_name_is("a b", 3));
    ck_assert(!template_name_is("\xC3\xA9", 2));
    memset(name, 'n', sizeof(name));
    ck_assert(template_name_is(name, 128));
    ck_assert(!template_name_is(name, 129));
    snprintf(text, sizeof(text), "{var.%.128s}", name);
    ck_assert(template_mark_at(text, strlen(text), &mark));
    ck_assert_uint_eq(mark.bytes, strlen(text));
    ck_assert_uint_eq(mark.name_bytes, 128);
    snprintf(text, sizeof(text), "{var.%.129s}", name);
    ck_assert(!template_mark_at(text, strlen(text), &mark));
    snprintf(text, sizeof(text), "{+var.%.128s}", name);
    ck_assert(template_mark_at(text, strlen(text), &mark));
    ck_assert(mark.is_path && mark.bytes == strlen(text) && mark.name_bytes == 128);
    snprintf(text, sizeof(text), "{+var.%.129s}", name);
    ck_assert(!template_mark_at(text, strlen(text), &mark));
}
END_TEST

static const struct {
    const char *json;
    unsigned fills;
    const char *other; /* NULL: none */
} others[] = {
    {"\"{run_id} {var.x}\"", ALL, NULL},
    {"\"{run_id}\"", TEMPLATE_VAR, "{run_id}"},
    {"\"{runid}\"", ALL, "{runid}"},
    {"\"{var.}\"", ALL, "{var.}"},
    {"\"{+run_id}\"", ALL, "{+run_id}"},
    {"\"{+x}\"", ALL, "{+x}"},
    {"\"{+}\"", ALL, NULL},
    {"\"{+", ALL, NULL},
    {"\"a {b} {run_id}\"", ALL, "{b}"},
    {"\"{{run_id}}\"", ALL, NULL},
    {"{\"a\":{\"b\":{}}}", ALL, NULL},
    {"\"{ name }\"", ALL, NULL},
    {"\"{\\\"a\\\":1}\"", ALL, NULL},
    {"\"{a b}\"", ALL, NULL},
    {"\"{a\"", ALL, NULL},
    {"\"\\u007bname}\"", ALL, NULL},
};

START_TEST(a_word_in_braces_that_is_no_placeholder_is_seen)
{
    const char *at;
    size_t bytes;

    if (!template_has_other(others[_i].json, strlen(others[_i].json), others[_i].fills, &at, &bytes)) {
        ck_assert_msg(others[_i].other == NULL, "%s", others[_i].json);
        return;
    }
    ck_assert_ptr_nonnull(others[_i].other);
    ck_assert_uint_eq(bytes, strlen(others[_i].other));
    ck_assert_int_eq(memcmp(at, others[_i].other, bytes), 0);
}
END_TEST

START_TEST(a_refusal_says_which_are_known)
{
    struct rxp_refusal why;

    ck_assert_int_eq(template_refuse(&why, "http.after_body", "{x}tail", 3, ALL), -1);
    ck_assert_int_eq(why.error, RXP_ERROR_INVALID_METADATA);
    ck_assert_str_eq(why.text, "http.after_body has the placeholder '{x}': known here are {run_id}, {prepared_id}, "
                               "{invocation_id}, {var.NAME}");
    template_refuse(&why, "http.url", "{x}", 3, PATHS);
    ck_assert_str_eq(why.text, "http.url has the placeholder '{x}': known here are {run_id}, {prepared_id}, {invocation_id}, "
                               "{var.NAME}; in its path also {+run_id}, {+prepared_id}, {+var.NAME}");
    template_refuse(&why, "http.prepare_url", "{x}", 3, TEMPLATE_INVOCATION_ID | TEMPLATE_VAR | TEMPLATE_PATH);
    ck_assert_str_eq(why.text, "http.prepare_url has the placeholder '{x}': known here are {invocation_id}, {var.NAME}; in its "
                               "path also {+var.NAME}");
}
END_TEST

static const struct {
    const char *url;
    unsigned marks;
    const char *segment; /* NULL: all hold */
    const char *comes_out_as; /* with a slash before it: one of several that slashes of a value make */
} segments[] = {
    {"http://h/{run_id}", ALL, NULL, NULL},
    {"http://h/{var.dot}", ALL, "{var.dot}", "."},
    {"http://h/{var.dots}", ALL, "{var.dots}", ".."},
    {"http://h/{var.empty}", ALL, "{var.empty}", ""},
    {"http://h/a/{var.empty}/b", ALL, "{var.empty}", ""},
    {"http://h/a/{var.empty}?x", ALL, "{var.empty}", ""},
    {"http://h/a/{var.empty}#x", ALL, "{var.empty}", ""},
    {"http://h/{var.dot}{var.dot}", ALL, "{var.dot}{var.dot}", ".."},
    {"http://h/.{var.dot}/x", ALL, ".{var.dot}", ".."},
    {"http://h/{var.empty}.", ALL, "{var.empty}.", "."},
    {"http://h/%2e{var.dot}", ALL, "%2e{var.dot}", ".."},
    {"http://h/{var.empty}%2E%2e", ALL, "{var.empty}%2E%2e", ".."},
    /* some servers cut off what follows a ';' before they walk the path */
    {"http://h/{var.dots};v=1/x", ALL, "{var.dots};v=1", ".."},
    {"http://h/%2e{var.dot};", ALL, "%2e{var.dot};", ".."},
    {"http://h/{var.empty};v=1", ALL, "{var.empty};v=1", ""},
    {"http://h/a;{var.dots}", ALL, NULL, NULL},
    {"http://h/..;{var.dots}", ALL, NULL, NULL},
    {"http://h/{var.dot}{var.dots}", ALL, NULL, NULL},
    {"http://h/..{var.dot}", ALL, NULL, NULL},
    {"http://h/%2f{var.dot}", ALL, NULL, NULL},
    {"http://h/{var.2e}", ALL, NULL, NULL}, /* comes out as %252e */
    {"http://h/a{var.empty}", ALL, NULL, NULL},
    {"http://h/{var.empty}a", ALL, NULL, NULL},
    {"http://h/{var.slash}", ALL, NULL, NULL},
    {"http://h/?{var.dots}", ALL, NULL, NULL},
    {"http://h?/{var.dots}", ALL, NULL, NULL},
    {"http://h/#/{var.dots}", ALL, NULL, NULL},
    {"http://h/x?/{var.dots}/", ALL, NULL, NULL},
    /* the author's own */
    {"http://h/../x/", ALL, NULL, NULL},
    {"http://h//", ALL, NULL, NULL},
    {"http://h", ALL, NULL, NULL},
    /* not known yet */
    {"http://h/{var.dots}", TEMPLATE_RUN_ID, NULL, NULL},
    {"http://h/{var.dot}{run_id}", TEMPLATE_VAR, NULL, NULL},
    {"http://h/{run_id}/{var.dot}", TEMPLATE_VAR, "{var.dot}", "."},
    {"http://h/{var.unknown}", ALL, NULL, NULL},
    /* of values that are paths */
    {"http://h/v1/{+var.name}", PATHS, NULL, NULL},
    {"http://h/v1/{+var.name}:cancel?x={var.dots}", PATHS, NULL, NULL},
    {"http://h/{+var.dots}", PATHS, "{+var.dots}", ".."},
    {"http://h/{+var.empty}", PATHS, "{+var.empty}", ""},
    {"http://h/{+var.empty}/x", PATHS, "{+var.empty}", ""},
    {"http://h/{+var.up}", PATHS, "{+var.up}", "/.."},
    {"http://h/x{+var.up}y/z", PATHS, "x{+var.up}y", "/.."},
    {"http://h/{+var.front}", PATHS, "{+var.front}", "/"},
    {"http://h/x{+var.front}", PATHS, NULL, NULL},
    {"http://h/.{+var.front}", PATHS, ".{+var.front}", "/."},
    {"http://h/%2E%2e{+var.front}", PATHS, "%2E%2e{+var.front}", "/.."},
    {"http://h/{+var.back}", PATHS, "{+var.back}", "/"},
    {"http://h/{+var.back}/x", PATHS, "{+var.back}", "/"},
    {"http://h/{+var.back}x", PATHS, NULL, NULL},
    {"http://h/{+var.back}%2e", PATHS, "{+var.back}%2e", "/."},
    {"http://h/{+var.back}{var.dots}", PATHS, "{+var.back}{var.dots}", "/.."},
    {"http://h/{var.dots}{+var.front}", PATHS, "{var.dots}{+var.front}", "/.."},
    {"http://h/{+var.back}{+var.front}", PATHS, "{+var.back}{+var.front}", "/"},
    {"http://h/{+var.back}{+var.name}", PATHS, NULL, NULL},
    {"http://h/{+var.double}", PATHS, "{+var.double}", "/"},
    {"http://h/{+var.bar}", PATHS, "{+var.bar}", "/"},
    {"http://h/a{+var.bar}b", PATHS, NULL, NULL},
    {"http://h/a{+var.bar}", PATHS, "a{+var.bar}", "/"},
    {"http://h/%2e{+var.step}", PATHS, "%2e{+var.step}", "/.."},
    {"http://h/a{+var.step}", PATHS, NULL, NULL},
    {"http://h/{+var.tail}", PATHS, "{+var.tail}", "/."},
    {"http://h/{+var.tail}.", PATHS, "{+var.tail}.", "/.."},
    {"http://h/{+var.tail}a", PATHS, NULL, NULL},
    {"http://h/{+var.2e}", PATHS, NULL, NULL},
    {"http://h/a;{+var.up}", PATHS, "a;{+var.up}", "/.."},
    {"http://h/a;{+var.back};b", PATHS, "a;{+var.back};b", "/"},
    {"http://h/{+var.tail};{run_id}", TEMPLATE_VAR | TEMPLATE_PATH, "{+var.tail};{run_id}", "/."},
    {"http://h/{+var.name};{var.dots}", PATHS, NULL, NULL},
    {"http://h/..;a{+var.front}", PATHS, NULL, NULL},
    {"http://h/;{run_id}{+var.back}{var.dots}", TEMPLATE_VAR | TEMPLATE_PATH, ";{run_id}{+var.back}{var.dots}", "/.."},
    {"http://h/{+var.up}", ALL, NULL, NULL},
    {"http://h/../{+var.name}/", PATHS, NULL, NULL},
    /* what is whole already, beside what is not known yet */
    {"http://h/{+var.up}{run_id}", TEMPLATE_VAR | TEMPLATE_PATH, "{+var.up}{run_id}", "/.."},
    {"http://h/{+run_id}{+var.up}", TEMPLATE_VAR | TEMPLATE_PATH, "{+run_id}{+var.up}", "/.."},
    {"http://h/{+var.tail}{run_id}", TEMPLATE_VAR | TEMPLATE_PATH, NULL, NULL},
    {"http://h/{+run_id}{+var.front}", TEMPLATE_VAR | TEMPLATE_PATH, NULL, NULL},
    {"http://h/.{run_id}{+var.front}", TEMPLATE_VAR | TEMPLATE_PATH, NULL, NULL},
};

START_TEST(a_segment_with_a_placeholder_is_no_step_in_the_path)
{
    const struct template_fills fills = fills_of_all();
    struct template_step step;

    if (template_segments_hold(segments[_i].url, segments[_i].marks, &fills, &step)) {
        ck_assert_msg(segments[_i].segment == NULL, "%s", segments[_i].url);
        return;
    }
    ck_assert_msg(segments[_i].segment != NULL, "%s", segments[_i].url);
    ck_assert_msg(step.bytes == strlen(segments[_i].segment), "%s", segments[_i].url);
    ck_assert_int_eq(memcmp(step.at, segments[_i].segment, step.bytes), 0);
    ck_assert_int_eq(step.is_part, segments[_i].comes_out_as[0] == '/');
    ck_assert_str_eq(step.comes_out_as, segments[_i].comes_out_as + step.is_part);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("template");
    TCase *tcase = tcase_create("template");

    tcase_add_loop_test(tcase, placeholders_are_filled_and_values_stay_text, 0, ROWS(rows));
    tcase_add_test(tcase, what_has_no_value_stays_as_it_is);
    tcase_add_test(tcase, every_byte_survives_in_a_body);
    tcase_add_test(tcase, counting_stops_where_it_is_too_long);
    tcase_add_test(tcase, the_longest_that_it_can_become_is_known_before);
    tcase_add_test(tcase, placeholders_are_seen_and_counted);
    tcase_add_test(tcase, a_name_is_of_letters_digits_and_three_marks);
    tcase_add_loop_test(tcase, a_word_in_braces_that_is_no_placeholder_is_seen, 0, ROWS(others));
    tcase_add_test(tcase, a_refusal_says_which_are_known);
    tcase_add_loop_test(tcase, a_segment_with_a_placeholder_is_no_step_in_the_path, 0, ROWS(segments));
    suite_add_tcase(suite, tcase);
    return suite;
}
