#include "engine/excerpt.h"
#include "support/check_main.h"

#include <string.h>

struct row {
    const char *text;
    size_t bytes;
    size_t max_bytes;
    const char *want;
};

#define TEXT(literal) literal, sizeof literal - 1

static const struct row rows[] = {
    {TEXT("boom"), 200, "boom"},
    {TEXT(""), 200, ""},
    {TEXT("a\r\n\tb"), 200, "a\\r\\n\\tb"},
    {TEXT("a\0b\x1b[31m\x7f"), 200, "a\\x00b\\x1b[31m\\x7f"},
    {TEXT("gr\xc3\xbc\xc3\x9f"), 200, "gr\xc3\xbc\xc3\x9f"},
    {TEXT("\xc2\x85\xc2\xa0"), 200, "\\xc2\\x85\xc2\xa0"},
    {TEXT("\xff\xfe"), 200, "\\xff\\xfe"},
    {TEXT("\xc3"), 200, "\\xc3"},
    {TEXT("\xc3("), 200, "\\xc3("},
    {TEXT("\xed\xa0\x80"), 200, "\\xed\\xa0\\x80"},
    {TEXT("12345"), 5, "12345"},
    {TEXT("123456"), 5, "12345"},
    {TEXT("1234\xc3\xbc"), 5, "1234"},
    {TEXT("1234\xc3\xbc"), 6, "1234\xc3\xbc"},
    {TEXT("12\xe2\x82\xac"), 4, "12"},
    {TEXT("1234\n6"), 5, "1234\\n"},
    {TEXT("back\\slash"), 200, "back\\slash"},
};

START_TEST(makes_bytes_fit_for_a_sentence)
{
    char out[300] = "";
    excerpt_put(out, sizeof out, rows[_i].text, rows[_i].bytes, rows[_i].max_bytes);
    ck_assert_str_eq(out, rows[_i].want);
}
END_TEST

START_TEST(appends_and_stops_whole_where_it_is_full)
{
    char out[10] = "say ";
    excerpt_put(out, sizeof out, "12\n4", 4, 200);
    ck_assert_str_eq(out, "say 12\\n4");
    char less[9] = "say ";
    excerpt_put(less, sizeof less, "123\n", 4, 200);
    ck_assert_str_eq(less, "say 123");
    char few[6] = "say ";
    excerpt_put(few, sizeof few, "\xc3\xbc", 2, 200);
    ck_assert_str_eq(few, "say ");
    char full[5] = "say ";
    excerpt_put(full, sizeof full, "more", 4, 200);
    ck_assert_str_eq(full, "say ");
}
END_TEST

struct url_row {
    const char *url;
    const char *want;
};

static const struct url_row url_rows[] = {
    {"http://h/runs/7", "http://h/runs/7"},
    {"https://h:8443/runs?token=secret", "https://h:8443/runs"},
    {"http://h/runs#secret", "http://h/runs"},
    {"http://h?secret", "http://h"},
    {"http://user:secret@h:80/runs", "http://h:80/runs"},
    {"http://user@h/", "http://h/"},
    {"http://a@b:secret@h/", "http://h/"},
    {"http://h/@me/x@y", "http://h/@me/x@y"},
    {"http://h?u=a@b", "http://h"},
    {"http:///user:secret@h/", "http:///h/"},
    {"http:/user:secret@h/", "http:/h/"},
    {"//user:secret@h/x", "//h/x"},
    {"/a@b/c", "/a@b/c"},
    {"http:\\\\user:secret@h/", "http:\\\\h/"},
    {"user:secret@h/x", "h/x"},
    {"user@h/x", "h/x"},
    {"http://[::1]:80/x", "http://[::1]:80/x"},
    {"", ""},
    {"nonsense", "nonsense"},
    {"http://h/a\nb", "http://h/a\\nb"},
    {"?secret", ""},
};

START_TEST(shows_a_url_without_its_secrets)
{
    char out[300] = "";
    excerpt_put_url(out, sizeof out, url_rows[_i].url);
    ck_assert_str_eq(out, url_rows[_i].want);
}
END_TEST

START_TEST(cuts_a_long_url)
{
    char url[1000] = "http://h/";
    char out[600] = "";
    memset(url + strlen(url), 'x', 900);
    excerpt_put_url(out, sizeof out, url);
    ck_assert_uint_eq(strlen(out), EXCERPT_URL_BYTES + 3);
    ck_assert_str_eq(out + EXCERPT_URL_BYTES - 1, "x...");
    url[EXCERPT_URL_BYTES] = '\0';
    out[0] = '\0';
    excerpt_put_url(out, sizeof out, url);
    ck_assert_str_eq(out, url);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof(table)[0])

Suite *test_suite(void)
{
    Suite *suite = suite_create("excerpt");
    TCase *tcase = tcase_create("excerpt");
    tcase_add_loop_test(tcase, makes_bytes_fit_for_a_sentence, 0, ROWS(rows));
    tcase_add_test(tcase, appends_and_stops_whole_where_it_is_full);
    tcase_add_loop_test(tcase, shows_a_url_without_its_secrets, 0, ROWS(url_rows));
    tcase_add_test(tcase, cuts_a_long_url);
    suite_add_tcase(suite, tcase);
    return suite;
}
