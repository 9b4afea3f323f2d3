#include "engine/aim.h"

#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct egress *egress;
static struct outlet *outlet;
static struct aims aims;
static char why[EGRESS_WHY_BYTES];

static void set_up(void)
{
    egress = egress_make(&(struct egress_config){.allow = "good.example,*.fine.example"}, why);
    outlet = outlet_make(&(struct outlet_config){.proxy = "http://proxy.example:3128"}, why);
    ck_assert_ptr_nonnull(egress);
    aims_init(&aims, egress, NULL);
}

static void tear_down(void)
{
    aims_deinit(&aims);
    outlet_free(outlet);
    egress_free(egress);
}

static char *part_of(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    CURLUcode code = curl_url_get(url, part, &text, 0);
    ck_assert(code == CURLUE_OK || code == CURLUE_NO_QUERY);
    return text;
}

/* What curl would write of a URL that it has whole. */
static void write_path(const char *url, char *out, size_t room)
{
    struct target target;
    ck_assert_int_eq(target_parse(&target, url, why, sizeof why), TARGET_OK);
    char *path = part_of(target.url, CURLUPART_PATH);
    char *query = part_of(target.url, CURLUPART_QUERY);
    snprintf(out, room, "%s%s%s", path, query != NULL ? "?" : "", query != NULL ? query : "");
    curl_free(path);
    curl_free(query);
    target_deinit(&target);
}

static const char *const plain[][3] = {
    /* URL, origin, host */
    {"http://good.example/", "http://good.example:80", "good.example"},
    {"https://good.example/runs/1", "https://good.example:443", "good.example"},
    {"http://Good.Example:8080/Runs?Seconds=1&b=c/d", "http://good.example:8080", "good.example"},
    {"http://10.0.0.1:80/a//b/..c/d.e", "http://10.0.0.1:80", "10.0.0.1"},
    {"http://0177.1/a", "http://127.0.0.1:80", "127.0.0.1"},
    {"http://[::1]:8080/a", "http://[::1]:8080", "::1"},
    {"http://[2001:DB8::1]/a", "http://[2001:db8::1]:80", "2001:db8::1"},
    {"http://good.example:0080/a", "http://good.example:80", "good.example"},
    {"http://good.example/-._~!$&'()*+,;=:@/?-._~!$&'()*+,;=:@/?", "http://good.example:80", "good.example"},
};

START_TEST(a_plain_url_is_cut_and_means_the_same)
{
    const char *url = plain[_i][0];
    bool has_dots = strstr(url, "/.") != NULL || url[strlen(url) - 1] == '?';
    struct target first;
    struct target again;
    char path[256];
    write_path(url, path, sizeof path);
    ck_assert_int_eq(aims_take(&aims, url, &first, why, sizeof why), TARGET_OK);
    ck_assert_int_eq(aims_take(&aims, url, &again, why, sizeof why), TARGET_OK);
    ck_assert_str_eq(first.origin, plain[_i][1]);
    ck_assert_str_eq(first.host, plain[_i][2]);
    ck_assert_str_eq(again.origin, plain[_i][1]);
    ck_assert_int_eq(again.aim == NULL, has_dots);
    ck_assert(has_dots || (again.aim == first.aim && again.url == first.url));
    ck_assert(has_dots || strcmp(again.path, path) == 0);
    target_deinit(&first);
    target_deinit(&again);
    ck_assert_uint_eq(aims.table.n, has_dots ? 0 : 1);
}
END_TEST

static const char *const others[] = {
    "http://good.example",
    "http://good.example?a=b",
    "http://good.example/a#b",
    "http://good.example/a?",
    "http://good.example/./a",
    "http://good.example/a/../b",
    "http://good.example/a?b=/../c",
    "http://good.example/%61",
    "http://good.example/a?b=%2e",
    "http://good.example/%2e%2e/a",
    "http://good.example/{a}",
    "http://good.example/a\"b",
    "http://good.example/a\\b",
    "http://me@good.example/a",
    "http://me:pass@good.example/a",
    "http://%67ood.example/a",
    "http://[fe80::1%25eth0]/a",
    "http://g\xc3\xb6od.example/a",
    "http://good.example/\xc3\xb6",
    "HTTP://good.example/a",
    "http:/good.example/a",
    "http:///good.example/a",
};

START_TEST(any_other_url_is_parsed_whole_each_time)
{
    struct target parsed;
    struct target taken;
    char fault[256];
    enum target_error error = target_parse(&parsed, others[_i], fault, sizeof fault);
    ck_assert_int_eq(aims_take(&aims, others[_i], &taken, why, sizeof why), error);
    ck_assert_ptr_null(taken.aim);
    ck_assert_ptr_null(taken.path);
    if (error == TARGET_OK) {
        ck_assert_str_eq(taken.origin, parsed.origin);
        ck_assert_int_eq(target_has_credentials(&taken), target_has_credentials(&parsed));
    } else {
        ck_assert_str_eq(why, fault);
    }
    target_deinit(&parsed);
    target_deinit(&taken);
    ck_assert_uint_eq(aims.table.n, 0);
}
END_TEST

static const char *const bad[] = {
    "http:///",           "http://good.example:/a:1", "http://good.example:99999/a", "http://good.example:8a/b",
    "http://a:b:c/d",     "http://[good.example]/a",  "http://[::1/a",               "http://good.example]/a",
    "https://:443/a",     "http://../a",              "ftp://good.example/a",        "good.example/a",
    "http://[::1]x/a",    "",
};

START_TEST(what_is_no_url_is_refused_as_ever)
{
    struct target parsed;
    struct target taken;
    char fault[256];
    for (int i = 0; i < 2; i++) {
        enum target_error error = target_parse(&parsed, bad[_i], fault, sizeof fault);
        ck_assert_int_eq(aims_take(&aims, bad[_i], &taken, why, sizeof why), error);
        ck_assert(error == TARGET_OK || strcmp(why, fault) == 0);
        target_deinit(&parsed);
        target_deinit(&taken);
    }
}
END_TEST

START_TEST(a_url_longer_than_64_kib_is_refused_also_at_a_kept_origin)
{
    size_t bytes = TARGET_URL_MAX_BYTES;
    char *url = malloc(bytes + 2);
    struct target target;
    memset(url, 'a', bytes + 1);
    url[bytes] = '\0';
    memcpy(url, "http://good.example/", 20);
    ck_assert_int_eq(aims_take(&aims, url, &target, why, sizeof why), TARGET_OK);
    ck_assert_ptr_nonnull(target.aim);
    target_deinit(&target);
    url[bytes] = 'a';
    url[bytes + 1] = '\0';
    ck_assert_int_eq(aims_take(&aims, url, &target, why, sizeof why), TARGET_MALFORMED);
    free(url);
}
END_TEST

static const char *const locations[][2] = {
    {"next", "http://good.example:8080/a/b/next"},   {"?c", "http://good.example:8080/a/b/d?c"},
    {"/next", "http://good.example:8080/next"},      {"//fine.example/x", "http://fine.example/x"},
    {"../../..", "http://good.example:8080/"},       {"https://fine.example/?q", "https://fine.example/?q"},
};

START_TEST(a_location_is_resolved_against_the_whole_url)
{
    struct target from;
    struct target to;
    ck_assert_int_eq(aims_take(&aims, "http://good.example:8080/a/b/d?e=f", &from, why, sizeof why), TARGET_OK);
    ck_assert_ptr_nonnull(from.aim);
    ck_assert_int_eq(target_follow(&to, &from, locations[_i][0], why, sizeof why), TARGET_OK);
    ck_assert_ptr_null(to.aim);
    char *url = part_of(to.url, CURLUPART_URL);
    ck_assert_str_eq(url, locations[_i][1]);
    curl_free(url);
    target_deinit(&to);
    target_deinit(&from);
}
END_TEST

START_TEST(the_policy_is_asked_of_each_origin_by_itself)
{
    static const struct {
        const char *url;
        bool is_allowed;
    } rows[] = {
        {"http://good.example/a", true},  {"http://evil.example/a", false}, {"http://good.example/b", true},
        {"http://evil.example/b", false}, {"http://evil.example/a", false}, {"http://x.fine.example/a", true},
        {"http://good.example.evil.example/", false}, {"http://169.254.169.254/a", false}, {"http://[::ffff:169.254.169.254]/", false},
        {"http://good.example@evil.example/", false}, {"http://good.exampl/", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct target target;
        ck_assert_int_eq(aims_take(&aims, rows[i].url, &target, why, sizeof why), TARGET_OK);
        why[0] = '\0';
        ck_assert_msg(aims_allow(&aims, &target, why) == rows[i].is_allowed, "%s: %s", rows[i].url, why);
        ck_assert_msg(rows[i].is_allowed || why[0] != '\0', "%s", rows[i].url);
        target_deinit(&target);
    }
}
END_TEST

START_TEST(one_for_the_proxy_has_its_url_whole)
{
    struct aims proxied;
    struct target target;
    aims_init(&proxied, egress, outlet);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(aims_take(&proxied, "http://good.example/a?b", &target, why, sizeof why), TARGET_OK);
        ck_assert_ptr_null(target.path);
        char *url = part_of(target.url, CURLUPART_URL);
        ck_assert_str_eq(url, "http://good.example/a?b");
        curl_free(url);
        target_deinit(&target);
        ck_assert_int_eq(aims_take(&proxied, "http://127.0.0.1/a?b", &target, why, sizeof why), TARGET_OK);
        ck_assert_str_eq(target.path, "/a?b");
        target_deinit(&target);
    }
    aims_deinit(&proxied);
}
END_TEST

static void take_one(int number, struct target *out, char url[64])
{
    snprintf(url, 64, "http://h%d.fine.example/a", number);
    ck_assert_int_eq(aims_take(&aims, url, out, why, sizeof why), TARGET_OK);
}

START_TEST(those_that_were_used_last_are_kept)
{
    static struct target held[AIMS_MAX];
    static char urls[AIMS_MAX][64];
    struct target target;
    char url[64];
    for (int i = 0; i < 3 * AIMS_MAX; i++) {
        take_one(i, &target, url);
        target_deinit(&target);
        take_one(0, &target, url);
        ck_assert_str_eq(target.origin, "http://h0.fine.example:80");
        target_deinit(&target);
        ck_assert_uint_le(aims.table.n, AIMS_MAX);
    }
    /* One that is in use stays, whatever comes. */
    for (int i = 0; i < AIMS_MAX; i++)
        take_one(1000 + i, &held[i], urls[i]);
    take_one(5000, &target, url);
    ck_assert_ptr_null(target.aim);
    target_deinit(&target);
    for (int i = 0; i < AIMS_MAX; i++) {
        char origin[64];
        snprintf(origin, sizeof origin, "http://h%d.fine.example:80", 1000 + i);
        ck_assert_ptr_nonnull(held[i].aim);
        ck_assert_str_eq(held[i].origin, origin);
        target_deinit(&held[i]);
    }
    take_one(5000, &target, url);
    ck_assert_ptr_nonnull(target.aim);
    target_deinit(&target);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("aim");
    TCase *tcase = tcase_create("aim");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, a_plain_url_is_cut_and_means_the_same, 0, sizeof plain / sizeof plain[0]);
    tcase_add_loop_test(tcase, any_other_url_is_parsed_whole_each_time, 0, sizeof others / sizeof others[0]);
    tcase_add_loop_test(tcase, what_is_no_url_is_refused_as_ever, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(tcase, a_url_longer_than_64_kib_is_refused_also_at_a_kept_origin);
    tcase_add_loop_test(tcase, a_location_is_resolved_against_the_whole_url, 0, sizeof locations / sizeof locations[0]);
    tcase_add_test(tcase, the_policy_is_asked_of_each_origin_by_itself);
    tcase_add_test(tcase, one_for_the_proxy_has_its_url_whole);
    tcase_add_test(tcase, those_that_were_used_last_are_kept);
    suite_add_tcase(suite, tcase);
    return suite;
}
