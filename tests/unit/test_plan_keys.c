#include "protocol/http_plan.h"
#include "protocol/plan_keys.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
    const char *key;
    const char *found; /* NULL: none */
    const char *name;
} keys[] = {
    {"http.url", "http.url", NULL},
    {"rxp.start_before", "rxp.start_before", NULL},
    {"http.header.X-Api-Key", "http.header.NAME", "X-Api-Key"},
    {"http.header.", "http.header.NAME", ""},
    {"http.header.NAME", "http.header.NAME", "NAME"},
    {"var.a.b", "var.NAME", "a.b"},
    {"var.", "var.NAME", ""},
    {"http.header", NULL, NULL},
    {"http.Header.x", NULL, NULL},
    {"var", NULL, NULL},
    {"http.urls", NULL, NULL},
    {"http.ur", NULL, NULL},
    {"", NULL, NULL},
};

START_TEST(a_key_is_found_by_its_name_or_family)
{
    enum plan_key key;
    const char *name;

    if (!plan_key_find(keys[_i].key, &key, &name)) {
        ck_assert_msg(keys[_i].found == NULL, "%s", keys[_i].key);
        return;
    }
    ck_assert_ptr_nonnull(keys[_i].found);
    ck_assert_str_eq(plan_key_name(key), keys[_i].found);
    ck_assert_pstr_eq(name, keys[_i].name);
}
END_TEST

/* As long as a byte can count, and so much longer than a key of the table. */
START_TEST(a_long_key_is_none_of_the_table)
{
    for (size_t bytes = 200; bytes < 600; bytes++) {
        enum plan_key key;
        const char *name;
        char *text = malloc(bytes + 1);
        memset(text, 'x', bytes);
        memcpy(text, "http.url", strlen("http.url"));
        text[bytes] = '\0';
        ck_assert(!plan_key_find(text, &key, &name));
        memcpy(text, "http.header.", strlen("http.header."));
        ck_assert(plan_key_find(text, &key, &name) && key == KEY_HEADER && name == text + strlen("http.header."));
        free(text);
    }
}
END_TEST

START_TEST(what_begins_with_ours_must_be_known)
{
    ck_assert(plan_key_is_ours("http.x") && plan_key_is_ours("rxp.") && plan_key_is_ours("var.x"));
    ck_assert(!plan_key_is_ours("http") && !plan_key_is_ours("HTTP.url") && !plan_key_is_ours("rxp_x") &&
              !plan_key_is_ours("tenant") && !plan_key_is_ours("") && !plan_key_is_ours("variable"));
}
END_TEST

START_TEST(a_family_ends_with_NAME_and_nothing_else_does)
{
    for (enum plan_key key = 0; key < PLAN_KEYS; key++) {
        const char *end = strstr(plan_key_name(key), "NAME");
        ck_assert_msg(plan_key_is(key, PLAN_FAMILY) == (end != NULL && end[4] == '\0'), "%s", plan_key_name(key));
        ck_assert_msg(plan_key_is_ours(plan_key_name(key)), "%s", plan_key_name(key));
    }
}
END_TEST

/* In the order of the table. */
START_TEST(the_table_of_keys_in_the_readme_is_the_one_of_the_program)
{
    static char text[65536];
    size_t n;
    const char *const *names = rxp_http_plan_keys(&n);
    FILE *file = fopen(SOURCE_DIR "/protocol/README.md", "rb");

    ck_assert_ptr_nonnull(file);
    size_t bytes = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    ck_assert_uint_lt(bytes, sizeof(text) - 1);
    const char *at = strstr(text, "\n| key | meaning | default |\n| --- | --- | --- |\n");
    ck_assert_ptr_nonnull(at);
    at = strchr(strchr(at + 1, '\n') + 1, '\n') + 1;
    for (size_t i = 0; i < n; i++) {
        char row[80];
        snprintf(row, sizeof(row), "| `%s` | ", names[i]);
        ck_assert_msg(strncmp(at, row, strlen(row)) == 0, "'%s' and not '%.60s'", names[i], at);
        at = strchr(at, '\n') + 1;
    }
    ck_assert_msg(*at != '|', "a row too many: '%.60s'", at);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("plan_keys");
    TCase *tcase = tcase_create("plan_keys");

    tcase_add_loop_test(tcase, a_key_is_found_by_its_name_or_family, 0, ROWS(keys));
    tcase_add_test(tcase, a_long_key_is_none_of_the_table);
    tcase_add_test(tcase, what_begins_with_ours_must_be_known);
    tcase_add_test(tcase, a_family_ends_with_NAME_and_nothing_else_does);
    tcase_add_test(tcase, the_table_of_keys_in_the_readme_is_the_one_of_the_program);
    suite_add_tcase(suite, tcase);
    return suite;
}
