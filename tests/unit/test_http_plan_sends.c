#include "protocol/http_plan.h"
#include "protocol/url.h"
#include "support/check_main.h"

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
    const char *url;
    const char *other;
    bool is_same;
} origins[] = {
    {"http://h", "http://h", true},
    {"http://h/a?b#c", "http://h/x", true},
    {"http://h", "http://h?x", true},
    {"http://h", "http://h#x", true},
    {"http://h:80/", "http://h/", true},
    {"http://h:/", "http://h/", true},
    {"https://h:443/", "https://h/", true},
    {"HTTPS://API.Example/", "https://api.example:0443/x", true},
    {"http://[::1]:8080/", "http://[::1]:8080", true},
    {"http://h/{run_id}", "http://h/7", true},
    {"http://h", "https://h", false},
    {"http://h:443", "https://h", false},
    {"http://h:80", "https://h:80", false},
    {"http://h", "http://h:8080", false},
    {"http://h", "http://h.", false},
    {"http://h", "http://hh", false},
    {"http://hh", "http://h", false},
    {"http://h", "http://h@evil/", false},
    {"http://evil", "http://h@evil/", false},
    {"http://evil", "http://h:x@evil/", false},
    {"http://h", "http://h\\@evil/", false},
    {"http://h", "http://h%2eevil/", false},
    {"http://h", "http://h:80x/", false},
    {"http://h", "http://h:65616/", false},
    {"http://h:0/", "http://h:0/", false},
    {"http://[::1]", "http://[::2]", false},
    {"http://[::1", "http://[::1", false},
    {"http://[::1]x", "http://[::1]x", false},
    {"http://", "http://", false},
    {"ftp://h", "ftp://h", false},
    {"h", "h", false},
    {"", "", false},
};

START_TEST(an_origin_is_scheme_host_and_port)
{
    ck_assert_msg(url_has_same_origin(origins[_i].url, origins[_i].other) == origins[_i].is_same, "%s %s",
                  origins[_i].url, origins[_i].other);
    ck_assert(url_has_same_origin(origins[_i].other, origins[_i].url) == origins[_i].is_same);
}
END_TEST

static const struct rxp_named_url both[] = {{"http://message/x", false}, {"http://profile/{run_id}", true}};

START_TEST(a_header_goes_only_to_origins_that_its_maker_names)
{
    const struct rxp_http_header of_message = {.name = "X", .value = "1"};
    const struct rxp_http_header of_profile = {.name = "X", .value = "1", .from_defaults = true};
    struct rxp_http_plan plan = {.named = both, .n_named = 2};

    ck_assert(rxp_http_plan_sends(&plan, &of_message, "http://message/y"));
    ck_assert(rxp_http_plan_sends(&plan, &of_message, "http://profile/y"));
    ck_assert(!rxp_http_plan_sends(&plan, &of_message, "http://backend/y"));
    ck_assert(!rxp_http_plan_sends(&plan, &of_profile, "http://message/y"));
    ck_assert(rxp_http_plan_sends(&plan, &of_profile, "http://profile/y"));
    ck_assert(!rxp_http_plan_sends(&plan, &of_profile, "http://backend/y"));
    /* A profile of headers alone leaves the URLs to the message. */
    plan.n_named = 1;
    ck_assert(rxp_http_plan_sends(&plan, &of_profile, "http://message/y"));
    ck_assert(!rxp_http_plan_sends(&plan, &of_profile, "http://profile/y"));
    plan.n_named = 0;
    ck_assert(!rxp_http_plan_sends(&plan, &of_message, "http://message/y"));
}
END_TEST

START_TEST(kind_http_names_no_url_that_only_polls_have)
{
    const struct rxp_pair pairs[] = {{"http.url", "http://h/"},
                                     {"http.poll_url_template", "http://elsewhere/{run_id}"},
                                     {"http.header.X-Key", "k"}};
    const struct rxp_invocation invocation = {.invocation_id = "i", .kind = RXP_KIND_HTTP, .metadata = pairs, .n_metadata = 3};
    struct rxp_http_plan plan;
    struct rxp_refusal why;

    ck_assert_int_eq(rxp_http_plan_make(&invocation, NULL, &plan, &why), 0);
    ck_assert(rxp_http_plan_sends(&plan, &plan.headers[0], "http://h/x"));
    ck_assert(!rxp_http_plan_sends(&plan, &plan.headers[0], "http://elsewhere/x"));
    rxp_http_plan_deinit(&plan);
}
END_TEST

/* The message has no say in where an operator's headers go, whatever it names instead, or has no use for. */
START_TEST(a_profile_names_what_the_message_overrides_too)
{
    const struct rxp_pair defaults_of[] = {{"http.url", "http://profile/"},
                                           {"http.poll_url_template", "http://polls/{run_id}"},
                                           {"http.header.X-Key", "k"}};
    const struct rxp_defaults defaults = {.name = "p.json", .metadata = defaults_of, .n_metadata = 3};
    const struct rxp_pair pairs[] = {{"http.url", "http://message/"}};
    const struct rxp_invocation invocation = {.invocation_id = "i", .kind = RXP_KIND_HTTP, .metadata = pairs, .n_metadata = 1};
    struct rxp_http_plan plan;
    struct rxp_refusal why;

    ck_assert_int_eq(rxp_http_plan_make(&invocation, &defaults, &plan, &why), 0);
    ck_assert_uint_eq(plan.n_named, 3);
    ck_assert(!rxp_http_plan_sends(&plan, &plan.headers[0], plan.kickoff.url));
    ck_assert(rxp_http_plan_sends(&plan, &plan.headers[0], "http://profile/x"));
    ck_assert(rxp_http_plan_sends(&plan, &plan.headers[0], "http://polls/x"));
    rxp_http_plan_deinit(&plan);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("http_plan_sends");
    TCase *tcase = tcase_create("http_plan_sends");

    tcase_add_loop_test(tcase, an_origin_is_scheme_host_and_port, 0, ROWS(origins));
    tcase_add_test(tcase, kind_http_names_no_url_that_only_polls_have);
    tcase_add_test(tcase, a_profile_names_what_the_message_overrides_too);
    tcase_add_test(tcase, a_header_goes_only_to_origins_that_its_maker_names);
    suite_add_tcase(suite, tcase);
    return suite;
}
