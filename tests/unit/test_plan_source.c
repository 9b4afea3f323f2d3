#include "support/plan_stage.h"

#include <stdio.h>
#include <stdlib.h>

START_TEST(a_profile_alone_can_make_the_plan)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init_by_profile(&sample);
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.kickoff.url, "https://api.example/runs?key=secret");
    ck_assert_str_eq(plan.poll.url, "https://api.example/runs/{run_id}");
    ck_assert_str_eq(plan.run_id_path, "data.id");
    ck_assert_uint_eq(plan.terminal_states.n, 2);
    ck_assert_uint_eq(plan.n_named, 2);
    ck_assert(plan.named[0].from_defaults && plan.named[1].from_defaults);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(a_message_wins_over_its_profile)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init_by_profile(&sample);
    set_default(&sample, "http.method", "PUT");
    set_default(&sample, "http.poll_interval_seconds", "7");
    set_default(&sample, "http.header.x-api-key", "of the profile");
    set_default(&sample, "http.header.X-Team", "blue");
    set_default(&sample, "http.header.X-Off", "on");
    set_default(&sample, "var.region", "eu");
    set_default(&sample, "var.tier", "gold");
    set(&sample, "http.method", "PATCH");
    set(&sample, "http.url", "https://other.example/{var.region}/{var.tier}");
    set(&sample, "http.header.X-API-Key", "of the message");
    set(&sample, "http.header.X-Off", " ");
    set(&sample, "var.region", "us");
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.kickoff.method, "PATCH");
    ck_assert_str_eq(plan.kickoff.url, "https://other.example/us/gold");
    ck_assert_int_eq(plan.poll_interval_ms, 7000);
    ck_assert_uint_eq(plan.n_headers, 2);
    ck_assert_str_eq(plan.headers[0].name, "X-API-Key");
    ck_assert_str_eq(plan.headers[0].value, "of the message");
    ck_assert(!plan.headers[0].from_defaults);
    ck_assert_str_eq(plan.headers[1].name, "X-Team");
    ck_assert(plan.headers[1].from_defaults);
    /* An operator's header does not follow a message elsewhere, but its own URL still counts as named. */
    ck_assert(!rxp_http_plan_sends(&plan, &plan.headers[1], plan.kickoff.url));
    ck_assert(rxp_http_plan_sends(&plan, &plan.headers[1], "https://api.example/x"));
    ck_assert(rxp_http_plan_sends(&plan, &plan.headers[0], plan.kickoff.url));
    ck_assert(rxp_http_plan_sends(&plan, &plan.headers[0], "https://api.example/x"));
    ck_assert(!rxp_http_plan_sends(&plan, &plan.headers[0], "https://backend.example/x"));
    ck_assert_uint_eq(plan.n_named, 3);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(an_empty_url_turns_a_call_of_the_profile_off)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init_by_profile(&sample);
    set_default(&sample, "http.cancel_url_template", "https://api.example/{run_id}/cancel");
    set_default(&sample, "http.cancel_body", "{\"run\":\"{run_id}\"}");
    set_default(&sample, "http.result_url_template", "https://api.example/{run_id}/result");
    set_default(&sample, "http.result_states", "*");
    set_default(&sample, "http.prepare_url", "https://api.example/");
    set_default(&sample, "http.prepare_id_path", "id");
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.prepared_id_path, "id");
    ck_assert_ptr_nonnull(plan.cancel.url);
    ck_assert_ptr_nonnull(plan.cancel.body);
    ck_assert_ptr_nonnull(plan.result.url);
    ck_assert(plan.result_states_all);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.cancel_url_template", "");
    set(&sample, "http.result_url_template", "");
    set(&sample, "http.prepare_url", "");
    assert_made(&sample, &plan);
    ck_assert_ptr_null(plan.prepare.url);
    ck_assert_ptr_null(plan.prepared_id_path);
    ck_assert_ptr_null(plan.cancel.url);
    ck_assert_ptr_null(plan.cancel.body);
    ck_assert_ptr_null(plan.result.url);
    ck_assert(!plan.result_states_all);
    rxp_http_plan_deinit(&plan);
}
END_TEST

/* A message chooses its kind, and must not so make a profile's URLs uncounted. */
START_TEST(a_header_stays_at_a_profile_of_poll_urls_whatever_the_kind)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP);
    set(&sample, "http.poll_url_template", "https://ignored.example/");
    set_default(&sample, "http.poll_url_template", "https://polls.example/{run_id}");
    set_default(&sample, "http.header.X-Api-Key", "k");
    assert_made(&sample, &plan);
    ck_assert_uint_eq(plan.n_headers, 1);
    ck_assert(!rxp_http_plan_sends(&plan, &plan.headers[0], plan.kickoff.url));
    ck_assert(rxp_http_plan_sends(&plan, &plan.headers[0], "https://polls.example/"));
    ck_assert(!rxp_http_plan_sends(&plan, &plan.headers[0], "https://ignored.example/"));
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(what_a_profile_lays_down_beside_its_keys_is_in_the_plan)
{
    static const struct rxp_pair bindings[] = {{"ARCHON", "api.example"}};
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init_by_profile(&sample);
    sample.defaults.kickoffs_per_second = 2.5;
    sample.defaults.secret_bindings = bindings;
    sample.defaults.n_secret_bindings = 1;
    assert_made(&sample, &plan);
    ck_assert_double_eq(plan.kickoffs_per_second, 2.5);
    ck_assert_ptr_eq(plan.secret_bindings, bindings);
    ck_assert_uint_eq(plan.n_secret_bindings, 1);
    rxp_http_plan_deinit(&plan);
    sample.has_defaults = false;
    set(&sample, "http.url", "http://h/");
    sample.invocation.kind = RXP_KIND_HTTP;
    assert_made(&sample, &plan);
    ck_assert_double_eq(plan.kickoffs_per_second, 0);
    ck_assert_uint_eq(plan.n_secret_bindings, 0);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(a_message_of_another_kind_than_the_profile_is_refused)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init_by_profile(&sample);
    sample.defaults.has_kind = true;
    sample.defaults.kind = RXP_KIND_HTTP_ASYNC;
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
    sample.defaults.kind = RXP_KIND_HTTP;
    assert_refused(&sample, RXP_ERROR_UNSUPPORTED_KIND,
                   "profile 'archon.json' is for runtime_kind 'http', and the invocation is of 'http_async'");
}
END_TEST

/* One change to the profile, one to the message, and the sentence, from its beginning. */
static const struct {
    const char *default_key;
    const char *default_value;
    const char *key;
    const char *value;
    enum rxp_error error;
    const char *sentence;
} blamed[] = {
    {"http.poll_interval_seconds", "soon", NULL, NULL, RXP_ERROR_INVALID_METADATA,
     "profile 'archon.json': http.poll_interval_seconds 'soon' is no decimal number"},
    {"http.poll_interval_seconds", "1", "http.poll_interval_seconds", "soon", RXP_ERROR_INVALID_METADATA,
     "http.poll_interval_seconds 'soon' is no decimal number"},
    {"http.url", "ftp://h/", NULL, NULL, RXP_ERROR_INVALID_METADATA, "profile 'archon.json': http.url 'ftp://h/' must be"},
    {"http.url", "http://h/{run_id}", NULL, NULL, RXP_ERROR_INVALID_METADATA,
     "profile 'archon.json': http.url has the placeholder '{run_id}'"},
    {"http.body", "{", NULL, NULL, RXP_ERROR_INVALID_METADATA, "profile 'archon.json': http.body is not valid JSON"},
    {"http.body", "", NULL, NULL, RXP_ERROR_INVALID_METADATA, "profile 'archon.json': http.body is empty"},
    {"http.cancel_body", "{}", NULL, NULL, RXP_ERROR_MISSING_METADATA,
     "profile 'archon.json': missing metadata 'http.cancel_url_template', without which http.cancel_body means nothing"},
    {NULL, NULL, "http.cancel_body", "{}", RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.cancel_url_template', without which http.cancel_body means nothing"},
    {"http.header.X Y", "1", NULL, NULL, RXP_ERROR_INVALID_METADATA,
     "profile 'archon.json': http.header.X Y names no header"},
    {"http.header.Idempotency-Key", "1", NULL, NULL, RXP_ERROR_INVALID_METADATA,
     "profile 'archon.json': http.header.Idempotency-Key is the header that carries the invocation_id"},
    {"http.poll_pending_codes", "4", NULL, NULL, RXP_ERROR_INVALID_METADATA,
     "profile 'archon.json': http.poll_pending_codes has '4'"},
    {"http.kickoff_accept_codes", "302", NULL, NULL, RXP_ERROR_INVALID_METADATA,
     "profile 'archon.json': http.kickoff_accept_codes has 302, a redirect"},
    {"http.poll_success_states", "done", NULL, NULL, RXP_ERROR_INVALID_METADATA,
     "profile 'archon.json': no run could ever succeed"},
    {"http.poll_success_states", "completed", "http.poll_terminal_states", "done", RXP_ERROR_INVALID_METADATA,
     "no run could ever succeed"},
    {"http.poll_terminal_states", "completed", "http.poll_success_states", "done", RXP_ERROR_INVALID_METADATA,
     "no run could ever succeed"},
    {"http.pol_method", "GET", NULL, NULL, RXP_ERROR_INVALID_METADATA,
     "profile 'archon.json': unknown metadata key 'http.pol_method': did you mean 'http.poll_method'?"},
    {"tenant", "acme", NULL, NULL, RXP_ERROR_INVALID_METADATA, "profile 'archon.json': unknown metadata key 'tenant'"},
    {"rxp.start_before", "2026-07-31T12:00:00Z", NULL, NULL, RXP_ERROR_INVALID_METADATA,
     "profile 'archon.json': rxp.start_before is for a message to say"},
    {"var.a b", "1", NULL, NULL, RXP_ERROR_INVALID_METADATA,
     "profile 'archon.json': metadata key 'var.a b' names no variable"},
    {NULL, NULL, "var.", "1", RXP_ERROR_INVALID_METADATA, "metadata key 'var.' names no variable"},
    {"http.url", "http://h/{var.who}", NULL, NULL, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'var.who', for http.url of profile 'archon.json'"},
    {"http.url", "http://h/{var.who}", "var.who", "a\nb", RXP_ERROR_INVALID_METADATA,
     "var.who holds a control character, so it can't stand in http.url"},
    {"var.who", "a\nb", "http.url", "http://h/{var.who}", RXP_ERROR_INVALID_METADATA,
     "profile 'archon.json': var.who holds a control character, so it can't stand in http.url"},
    {"http.body", "{\"a\":\"{var.who}\"}", NULL, NULL, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'var.who', for http.body of profile 'archon.json'"},
    {"http.body", "{\"a\":\"{prepared_id}\"}", NULL, NULL, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.prepare_url', for {prepared_id} in http.body"},
    {NULL, NULL, "http.url", "http://h/{var.who}", RXP_ERROR_MISSING_METADATA,
     "missing metadata 'var.who', for http.url"},
    {"http.poll_status_path", NULL, NULL, NULL, RXP_ERROR_MISSING_METADATA, "missing metadata 'http.poll_status_path'"},
    {"http.poll_method", "GET", "http.poll_status_path", "", RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.poll_status_path'"},
};

START_TEST(a_sentence_says_whose_value_it_is_about)
{
    struct sample sample;
    struct rxp_http_plan plan;
    struct rxp_refusal why;

    sample_init_by_profile(&sample);
    if (blamed[_i].default_key != NULL)
        set_default(&sample, blamed[_i].default_key, blamed[_i].default_value);
    if (blamed[_i].key != NULL)
        set(&sample, blamed[_i].key, blamed[_i].value);
    assert_refused(&sample, blamed[_i].error, blamed[_i].sentence);
    ck_assert_int_eq(sample_make(&sample, &plan, &why), -1);
    ck_assert_msg(strncmp(why.text, blamed[_i].sentence, strlen(blamed[_i].sentence)) == 0, "%s", why.text);
}
END_TEST

static const struct {
    const char *key;
    const char *value;
    bool is_own;
} owned[] = {
    {"http.body", "{}", true},
    {"var.x", "1", true},
    {"rxp.start_before", "2026-07-31T12:00:00Z", true},
    {"tenant", "acme", true},
    {"httpx", "1", true},
    {"http.url", "https://api.example/runs", false},
    {"http.url", "", false},
    {"http.body_format", "json", false},
    {"http.header.X", "1", false},
    {"http.poll_interval_seconds", "1", false},
    {"http.cancel_url_template", "https://api.example/", false},
    {"http.idempotency_header", "", false},
};

START_TEST(with_profiles_only_a_message_sets_what_is_its_own)
{
    struct sample sample;
    struct rxp_http_plan plan;
    char sentence[160];

    sample_init_by_profile(&sample);
    sample.defaults.only = true;
    set(&sample, owned[_i].key, owned[_i].value);
    if (owned[_i].is_own) {
        assert_made(&sample, &plan);
        rxp_http_plan_deinit(&plan);
        return;
    }
    snprintf(sentence, sizeof(sentence), "metadata key '%s' is not for a message to set: profile 'archon.json' owns it",
             owned[_i].key);
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, sentence);
    sample.defaults.only = false;
    if (owned[_i].value[0] != '\0') {
        assert_made(&sample, &plan);
        rxp_http_plan_deinit(&plan);
    }
}
END_TEST

START_TEST(with_profiles_only_what_is_missing_is_missing_in_the_profile)
{
    struct sample sample;

    sample_init_by_profile(&sample);
    sample.defaults.only = true;
    set_default(&sample, "http.poll_status_path", NULL);
    assert_refused(&sample, RXP_ERROR_MISSING_METADATA,
                   "profile 'archon.json': missing metadata 'http.poll_status_path'");
}
END_TEST

START_TEST(many_variables_are_told_apart)
{
    enum { N = 60 };
    static char keys[N][16];
    static char values[N][16];
    char url[1024] = "http://h/";
    char expected[1024] = "http://h/";
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP);
    for (int i = 0; i < N; i++) {
        /* Among them names that begin as others do. */
        snprintf(keys[i], sizeof(keys[i]), "var.%.*s", 1 + i % 7, "aaaaaaaa");
        if (i >= 7)
            snprintf(keys[i], sizeof(keys[i]), "var.v%d", (i * 37) % N);
        snprintf(values[i], sizeof(values[i]), "%d", i);
        set(&sample, keys[i], values[i]);
        if (i % 2 == 0)
            set_default(&sample, keys[i], "of the profile");
        snprintf(url + strlen(url), sizeof(url) - strlen(url), "{%s}.", keys[i]);
        snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "%d.", i);
    }
    set(&sample, "http.url", url);
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.kickoff.url, expected);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.url", "http://h/{var.aaaaaaaa}");
    assert_refused(&sample, RXP_ERROR_MISSING_METADATA, "missing metadata 'var.aaaaaaaa'");
    set(&sample, "http.url", "http://h/{var.zz}");
    assert_refused(&sample, RXP_ERROR_MISSING_METADATA, "missing metadata 'var.zz'");
    set(&sample, "http.url", "http://h/{var.v}");
    assert_refused(&sample, RXP_ERROR_MISSING_METADATA, "missing metadata 'var.v'");
    set(&sample, "http.url", "http://h/{var.Z}");
    assert_refused(&sample, RXP_ERROR_MISSING_METADATA, "missing metadata 'var.Z'");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("plan_source");
    TCase *tcase = tcase_create("plan_source");

    tcase_add_test(tcase, a_profile_alone_can_make_the_plan);
    tcase_add_test(tcase, a_message_wins_over_its_profile);
    tcase_add_test(tcase, an_empty_url_turns_a_call_of_the_profile_off);
    tcase_add_test(tcase, a_header_stays_at_a_profile_of_poll_urls_whatever_the_kind);
    tcase_add_test(tcase, what_a_profile_lays_down_beside_its_keys_is_in_the_plan);
    tcase_add_test(tcase, a_message_of_another_kind_than_the_profile_is_refused);
    tcase_add_loop_test(tcase, a_sentence_says_whose_value_it_is_about, 0, ROWS(blamed));
    tcase_add_loop_test(tcase, with_profiles_only_a_message_sets_what_is_its_own, 0, ROWS(owned));
    tcase_add_test(tcase, with_profiles_only_what_is_missing_is_missing_in_the_profile);
    tcase_add_test(tcase, many_variables_are_told_apart);
    suite_add_tcase(suite, tcase);
    return suite;
}
