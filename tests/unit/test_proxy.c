#include "engine/proxy.h"
#include "support/check_main.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(rows) (int)(sizeof(rows) / sizeof((rows)[0]))

static struct proxy *make(const char *text)
{
    char why[512] = "";
    struct proxy *proxy = NULL;
    ck_assert_msg(proxy_make(text, &proxy, why, sizeof why) == 0, "%s", why);
    return proxy;
}

static void check(const struct proxy *proxy, const char *scheme, const char *host, int port, const char *url)
{
    const char *found = proxy_find(proxy, scheme, host, port);
    ck_assert_msg(found == NULL ? url == NULL : url != NULL && strcmp(found, url) == 0, "%s://%s:%d goes by %s", scheme, host,
                  port, found != NULL ? found : "none");
}

START_TEST(without_a_proxy_all_goes_directly)
{
    setenv("http_proxy", "http://env:1", 1);
    setenv("https_proxy", "http://env:1", 1);
    struct proxy *proxy = make("");
    ck_assert_ptr_null(proxy);
    check(proxy, "http", "a", 80, NULL);
    ck_assert_ptr_null(make(NULL));
}
END_TEST

static const struct {
    const char *text;
    const char *url;
} urls[] = {
    {"http://proxy:3128", "http://proxy:3128"},
    {"http://proxy:80", "http://proxy:80"},
    {"proxy.example:3128", "http://proxy.example:3128"},
    {"https://proxy:3129/", "https://proxy:3129/"},
    {"http://user:p%40ss@proxy:3128", "http://user:p%40ss@proxy:3128"},
    {"http://[::1]:3128", "http://[::1]:3128"},
};

START_TEST(a_proxy_that_is_named_is_for_all_and_the_environment_is_not_asked)
{
    setenv("no_proxy", "*", 1);
    struct proxy *proxy = make(urls[_i].text);
    check(proxy, "http", "a.example", 80, urls[_i].url);
    check(proxy, "https", "10.0.0.1", 443, urls[_i].url);
    proxy_free(proxy);
}
END_TEST

static const char *const wrong[] = {
    "http://user:hush@proxy", "socks5://user:hush@proxy:1080", "http://user:hush@proxy:3128/path",
    "http://user:hush@proxy:3128/?q", "http://user:hush@proxy:99999", "http://user:hush@", "ftp://user:hush@proxy:21",
    "user:hush@proxy", "http://user:hu sh@proxy:3128", "http://user:hush@proxy:3128#x", "Environment:hush",
};

START_TEST(a_proxy_that_cannot_be_used_is_refused_without_showing_it)
{
    char why[512] = "";
    struct proxy *proxy;
    ck_assert_msg(proxy_make(wrong[_i], &proxy, why, sizeof why) != 0, "%s", wrong[_i]);
    ck_assert_ptr_null(proxy);
    ck_assert_msg(strncmp(why, "proxy is no URL of a proxy", 26) == 0, "%s", why);
    ck_assert_msg(strstr(why, "hush") == NULL && strstr(why, "hu sh") == NULL, "%s", why);
    setenv("HTTPS_PROXY", wrong[_i], 1);
    ck_assert_int_ne(proxy_make("environment", &proxy, why, sizeof why), 0);
    ck_assert_msg(strncmp(why, "https_proxy of the environment is no URL", 40) == 0, "%s", why);
    ck_assert_msg(strstr(why, "hush") == NULL, "%s", why);
}
END_TEST

START_TEST(the_environment_is_taken_where_it_is_asked_for)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy",
                                        "NO_PROXY"};
    for (int i = 0; i < COUNT(names); i++) {
        unsetenv(names[i]);
    }
    setenv("HTTP_PROXY", "http://from-a-request:1", 1);
    struct proxy *proxy = make("environment");
    check(proxy, "http", "a", 80, NULL);
    check(proxy, "https", "a", 443, NULL);
    proxy_free(proxy);
    setenv("all_proxy", "all:1", 1);
    setenv("https_proxy", "", 1);
    setenv("HTTPS_PROXY", "http://secure:2", 1);
    proxy = make("environment");
    check(proxy, "http", "a", 80, "http://all:1");
    check(proxy, "https", "a", 443, "http://secure:2");
    proxy_free(proxy);
    setenv("http_proxy", "http://plain:3", 1);
    setenv("NO_PROXY", "a", 1);
    proxy = make("environment");
    check(proxy, "http", "b", 80, "http://plain:3");
    check(proxy, "http", "a", 80, NULL);
    check(proxy, "https", "a", 443, NULL);
    proxy_free(proxy);
}
END_TEST

static const struct {
    const char *no_proxy;
    const char *host;
    int port;
    bool is_direct;
} exceptions[] = {
    {"", "a.example", 80, false},
    {"*", "a.example", 80, true},
    {"b,*", "a.example", 80, true},
    {"example", "example", 80, true},
    {"example", "EXAMPLE.", 80, true},
    {"example", "a.example", 80, true},
    {".example", "a.example", 80, true},
    {".example", "example", 80, true},
    {"*.example", "a.b.example", 80, true},
    {"example.", "a.example", 80, true},
    {"example", "badexample", 80, false},
    {"a.example", "example", 80, false},
    {"x,a.example y", "a.example", 80, true},
    {"x a.example", "y", 80, false},
    {"a.example:8080", "a.example", 8080, true},
    {"a.example:8080", "a.example", 80, false},
    {"10.1.2.3", "10.1.2.3", 80, true},
    {"10.1.2.3", "10.1.2.30", 80, false},
    {"10.1.2.3:81", "10.1.2.3", 81, true},
    {"10.1.2.3:81", "10.1.2.3", 80, false},
    {"10.0.0.0/8", "10.255.255.255", 80, true},
    {"10.1.2.3/8", "10.255.255.255", 80, true},
    {"10.0.0.0/8", "11.0.0.0", 80, false},
    {"10.0.0.0/8", "10.example", 80, false},
    {"0.0.0.0/0", "a.example", 80, false},
    {"10.0.0.0/33", "10.0.0.1", 80, false},
    {"10.0.0.0/", "10.0.0.1", 80, false},
    {"10.0.0.0/x", "10.0.0.1", 80, false},
    {"fd00::1", "fd00::1", 80, true},
    {"[fd00::1]", "fd00::1", 80, true},
    {"[fd00::1]:81", "fd00::1", 81, true},
    {"[fd00::1]:81", "fd00::1", 80, false},
    {"[fd00::1", "fd00::1", 80, false},
    {"fd00::/8", "fdff::1", 80, true},
    {"fd00::/8", "fe00::1", 80, false},
    {"2", "10.0.0.2", 80, false},
    {"a:0", "a", 80, false},
    {"a:x", "a", 80, false},
    {".", "a", 80, false},
    {",, ,", "a", 80, false},
};

START_TEST(no_proxy_says_who_is_reached_directly)
{
    setenv("http_proxy", "http://plain:3", 1);
    setenv("no_proxy", exceptions[_i].no_proxy, 1);
    struct proxy *proxy = make("environment");
    check(proxy, "http", exceptions[_i].host, exceptions[_i].port, exceptions[_i].is_direct ? NULL : "http://plain:3");
    proxy_free(proxy);
}
END_TEST

static const struct {
    const char *host;
    bool is_direct;
} hosts[] = {
    {"127.0.0.1", true},  {"127.9.9.9", true},      {"127.1", true},      {"0x7f000001", true},  {"::1", true},
    {"localhost", true},  {"LOCALHOST.", true},     {"a.localhost", true}, {"::ffff:127.0.0.1", true},
    {"128.0.0.1", false}, {"localhost.a", false},   {"mylocalhost", false}, {"::2", false},
    {"10.0.0.1", false},  {"2002:7f00:1::", false},
};

START_TEST(loopback_is_this_machine_s_and_not_the_proxy_s)
{
    struct proxy *proxy = make("http://proxy:3128");
    check(proxy, "http", hosts[_i].host, 80, hosts[_i].is_direct ? NULL : "http://proxy:3128");
    check(proxy, "https", hosts[_i].host, 443, hosts[_i].is_direct ? NULL : "http://proxy:3128");
    proxy_free(proxy);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("proxy");
    TCase *tests = tcase_create("proxy");
    tcase_add_test(tests, without_a_proxy_all_goes_directly);
    tcase_add_loop_test(tests, a_proxy_that_is_named_is_for_all_and_the_environment_is_not_asked, 0, COUNT(urls));
    tcase_add_loop_test(tests, a_proxy_that_cannot_be_used_is_refused_without_showing_it, 0, COUNT(wrong));
    tcase_add_test(tests, the_environment_is_taken_where_it_is_asked_for);
    tcase_add_loop_test(tests, loopback_is_this_machine_s_and_not_the_proxy_s, 0, COUNT(hosts));
    tcase_add_loop_test(tests, no_proxy_says_who_is_reached_directly, 0, COUNT(exceptions));
    suite_add_tcase(suite, tests);
    return suite;
}
