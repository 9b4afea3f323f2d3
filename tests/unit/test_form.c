#include "protocol/form.h"
#include "support/check_main.h"

#include <stdlib.h>
#include <string.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
    const char *json;
    const char *form;     /* NULL: refused */
    const char *sentence;
} forms[] = {
    {"{}", "", NULL},
    {" { \"a\" : 1 } ", "a=1", NULL},
    {"{\"a\":\"b\",\"c\":\"d e\"}", "a=b&c=d+e", NULL},
    {"{\"t\":true,\"f\":false,\"n\":null}", "t=true&f=false&n=", NULL},
    {"{\"big\":9007199254740993,\"float\":3.0,\"e\":1.5E+2,\"neg\":-0}",
     "big=9007199254740993&float=3.0&e=1.5E%2B2&neg=-0", NULL},
    {"{\"k\":[1,\"two\",null,false],\"z\":9}", "k=1&k=two&k=&k=false&z=9", NULL},
    {"{\"a\":[],\"b\":1,\"c\":[]}", "b=1", NULL},
    {"{\"k\":1,\"k\":2}", "k=1&k=2", NULL},
    {"{\"\":\"\",\"a&b=c\":\"d&e=f+g%h\"}", "=&a%26b%3Dc=d%26e%3Df%2Bg%25h", NULL},
    {"{\"caf\xC3\xA9\":\"\\u20ac \\uD83D\\uDE00\"}", "caf%C3%A9=%E2%82%AC+%F0%9F%98%80", NULL},
    {"{\"x\":\"\\n\\t\\\"\\\\\\/\"}", "x=%0A%09%22%5C%2F", NULL},
    {"{\"x\":\"aZ09*-._~\"}", "x=aZ09*-._%7E", NULL},
    {"{\"a\":{}}", NULL, "'a' in it holds an object"},
    {"{\"ok\":1,\"deep\":{\"b\":1}}", NULL, "'deep' in it holds an object"},
    {"{\"a\":[[1]]}", NULL, "'a' in it holds an array in an array"},
    {"{\"a\":[1,{\"b\":1}]}", NULL, "'a' in it holds an object in an array"},
    {"[1]", NULL, "must be a JSON object, not '[1]'"},
    {"\"a=b\"", NULL, "must be a JSON object"},
    {"null", NULL, "must be a JSON object, not 'null'"},
};

START_TEST(a_flat_object_is_written_as_a_form)
{
    const char *json = forms[_i].json;
    struct json_slice object = json_document(json, strlen(json));
    struct json_fault fault;
    struct rxp_refusal why;

    ck_assert_int_eq(json_check(json, strlen(json), JSON_KEYS_ANY, &fault), 0);
    int status = form_check("http.body", object, &why);
    if (forms[_i].form == NULL) {
        ck_assert_int_eq(status, -1);
        ck_assert_int_eq(why.error, RXP_ERROR_INVALID_METADATA);
        ck_assert_msg(strstr(why.text, forms[_i].sentence) != NULL, "%s", why.text);
        return;
    }
    ck_assert_msg(status == 0, "%s", why.text);
    size_t bytes = form_write(object, NULL);
    ck_assert_uint_eq(bytes, strlen(forms[_i].form));
    char *out = malloc(bytes > 0 ? bytes : 1);
    ck_assert_uint_eq(form_write(object, out), bytes);
    ck_assert_msg(memcmp(out, forms[_i].form, bytes) == 0, "%.*s", (int)bytes, out);
    free(out);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("form");
    TCase *tcase = tcase_create("form");

    tcase_add_loop_test(tcase, a_flat_object_is_written_as_a_form, 0, ROWS(forms));
    suite_add_tcase(suite, tcase);
    return suite;
}
