#include "protocol/template.h"
#include "protocol/url.h"
#include "support/check_main.h"

#include <string.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* The sentence is NULL for what is accepted. */
struct row {
    const char *url;
    const char *sentence;
};

#define FILLS (TEMPLATE_RUN_ID | TEMPLATE_INVOCATION_ID | TEMPLATE_VAR | TEMPLATE_PATH)

static void assert_row(const struct row *row, const char *key, unsigned fills)
{
    struct rxp_refusal why = {.text = "accepted"};
    int status = url_check(key, row->url, fills, &why);

    if (row->sentence == NULL) {
        ck_assert_msg(status == 0, "%s: %s", row->url, why.text);
        return;
    }
    ck_assert_msg(status == -1 && why.error == RXP_ERROR_INVALID_METADATA, "%s: %s", row->url, why.text);
    ck_assert_msg(strstr(why.text, row->sentence) != NULL, "'%s' does not say '%s'", why.text, row->sentence);
    ck_assert_msg(strncmp(why.text, key, strlen(key)) == 0, "'%s' does not name %s", why.text, key);
    ck_assert_msg(strstr(why.text, "secret") == NULL, "'%s' tells a secret", why.text);
}

static const struct row urls[] = {
    {"http://h", NULL},
    {"HTTPS://Example.COM:8443/a/b?c=d&e=%20#f", NULL},
    {"http://127.0.0.1:80/", NULL},
    {"http://[::1]:8080/x", NULL},
    {"http://[::ffff:1.2.3.4]", NULL},
    {"http://h/@me?to=a@b", NULL},
    {"http://my_service-1.ns.svc/", NULL},
    {"http://h:65535/", NULL},
    {"/runs", "must be an absolute URL that begins with http:// or https://"},
    {"api.example/runs", "absolute"},
    {"ftp://h/x", "http.url 'ftp://h/x' must be an absolute URL"},
    {"file:///etc/passwd", "absolute"},
    {"http:/h/x", "absolute"},
    {"//h/x", "absolute"},
    {" http://h/x", "absolute"},
    {"http://", "has no host"},
    {"http:///x", "host"},
    {"http://:80/x", "has no host"},
    {"http://?x", "host"},
    {"http://h:/x", "port"},
    {"http://h:0/x", "port 0"},
    {"http://h:65536/x", "above 65535"},
    {"http://h:99999999999999999999/x", "above 65535"},
    {"http://h:8o/x", "port that is no number"},
    {"http://h:-1/x", "port that is no number"},
    {"http://[::1/x", "no IPv6 address"},
    {"http://[]/x", "no IPv6 address"},
    {"http://[fe80::1%25eth0]/x", "no IPv6 address"},
    {"http://[::1]x/", "no name or address"},
    {"http://h%2F/", "no name or address"},
    {"http://h,g/", "no name or address"},
    {"http://h/a b", "holds a space"},
    {"http://h/a\tb", "control character"},
    {"http://h/a\r\nX-Evil: 1", "control character"},
    {"http://h/a\nb", "control character"},
    {"http://h/\x7F", "control character"},
    {"http://h/caf\xC3\xA9", "beyond ASCII"},
    {"http://h/\xC2\x9B", "\\xc2\\x9b"}, /* a control character of C1, which some terminals obey */
    {"http://b\xC3\xBC" "cher/", "beyond ASCII"},
    {"http://h\\@evil/", "@"},
    {"http://h/a\\b", "backslash"},
    {"http://user:secret@h/x", "user name or password"},
    {"http://secret@h/x", "user name or password"},
    {"http://@h/x", "user name or password"},
    {"user:secret@h/x", "absolute"},
    {"http://h/x?token=secret x", "http.url 'http://h/x' holds a space"},
    {"http://h/{run_id}", "has no placeholders"},
    {"http://h/%7Bx%7D", NULL},
};

START_TEST(a_url_is_absolute_and_of_plain_characters)
{
    assert_row(&urls[_i], "http.url", 0);
}
END_TEST

static const struct row templates[] = {
    {"http://h/{run_id}/{invocation_id}/{run_id}?x={run_id}", NULL},
    {"http://h/static", NULL},
    {"http://h/{id}", "http.poll_url_template has the placeholder '{id}'"},
    {"http://h/{run_id}/{var.x-Y_9.z}", NULL},
    {"http://h/{run_id}/{var.}", "placeholder '{var.}'"},
    {"http://h/{run_id}/{var.a/b}", "placeholder '{var.a/b}'"},
    {"http://h/{prepared_id}",
     "placeholder '{prepared_id}': known here are {run_id}, {invocation_id}, {var.NAME}"},
    {"http://h/%{run_id}", "a placeholder within a percent escape"},
    {"http://h/%2{var.x}", "a placeholder within a percent escape"},
    {"http://h/%25{var.x}%", NULL},
    {"http://h/{+run_id}/{+var.x}:cancel?a={run_id}", NULL},
    {"http://h/x?a={+run_id}",
     "has '{+run_id}' in its query or fragment: that form is for paths, write '{run_id}' there"},
    {"http://h?/{+var.x}", "has '{+var.x}' in its query or fragment: that form is for paths, write '{var.x}' there"},
    {"http://h/{+run_id}?secret#/{+run_id}", "in its query or fragment"},
    {"http://h/#{+run_id}", "in its query or fragment"},
    {"http://h{+run_id}/x", "a placeholder in its host or port"},
    {"http://h:{+run_id}", "a placeholder in its host or port"},
    {"http://h/%2{+run_id}", "a placeholder within a percent escape"},
    {"http://h/{+invocation_id}", "placeholder '{+invocation_id}'"},
    {"http://h/{+prepared_id}", "placeholder '{+prepared_id}'"},
    {"http://h/{++run_id}", "placeholder '{++run_id}'"},
    {"http://h/{+}", "placeholder '{+}'"},
    {"http://h/{Run_id}", "placeholder '{Run_id}'"},
    {"http://h/{}", "placeholder '{}'"},
    {"http://h/{{run_id}}", "placeholder '{{run_id}'"},
    {"http://h/{run_id", "a brace without its partner"},
    {"http://h/run_id}", "a brace without its partner"},
    {"http://h/{run_id}}", "a brace without its partner"},
    {"http://{run_id}/x", "a placeholder in its host or port"},
    {"http://h.{run_id}", "a placeholder in its host or port"},
    {"http://h:{run_id}/x", "a placeholder in its host or port"},
    {"http://{invocation_id}.h/x", "a placeholder in its host or port"},
    {"{run_id}://h/x", "absolute"},
    {"{run_id}", "absolute"},
    {"http://secret:{run_id}@h/x", "user name or password"},
    {"http://h/a b/{run_id}", "space"},
};

START_TEST(a_template_has_known_placeholders_behind_its_host)
{
    assert_row(&templates[_i], "http.poll_url_template", FILLS);
}
END_TEST

START_TEST(a_url_has_at_most_16384_bytes)
{
    static char url[16386];
    struct rxp_refusal why;

    memset(url, 'a', 16384);
    memcpy(url, "http://h/", 9);
    ck_assert_int_eq(url_check("http.url", url, 0, &why), 0);
    url[16384] = 'a';
    ck_assert_int_eq(url_check("http.url", url, 0, &why), -1);
    ck_assert_str_eq(why.text, "http.url has 16385 bytes, more than 16384");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("url");
    TCase *tcase = tcase_create("url");

    tcase_add_loop_test(tcase, a_url_is_absolute_and_of_plain_characters, 0, ROWS(urls));
    tcase_add_loop_test(tcase, a_template_has_known_placeholders_behind_its_host, 0, ROWS(templates));
    tcase_add_test(tcase, a_url_has_at_most_16384_bytes);
    suite_add_tcase(suite, tcase);
    return suite;
}
