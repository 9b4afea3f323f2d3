#include "protocol/packed.h"
#include "support/check_main.h"
#include "support/later_plan.h"
#include "support/plan_stage.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rxp_invocation *parsed(const char *text, size_t bytes)
{
    struct rxp_refusal why;
    struct rxp_invocation *invocation = NULL;

    ck_assert_msg(rxp_invocation_parse(text, bytes, bytes, &invocation, &why) == 0, "%s", why.text);
    return invocation;
}

/* ---- what is kept ---- */

static const char measured[] =
    "{\"invocation_id\":\"inv-000001\",\"runtime_name\":\"bench\",\"runtime_kind\":\"http_async\",\"working_directory\":\"/\","
    "\"command\":[\"x\"],\"metadata\":{\"http.url\":\"http://127.0.0.1:8080/runs\",\"http.poll_url_template\":"
    "\"http://127.0.0.1:8080/runs/{run_id}\",\"http.poll_run_id_path\":\"id\",\"http.poll_status_path\":\"status\","
    "\"http.poll_terminal_states\":\"completed,failed\"}}";

START_TEST(a_message_of_three_hundred_bytes_packs_into_a_third)
{
    struct rxp_invocation *invocation = parsed(measured, sizeof(measured) - 1);
    struct rxp_http_plan plan;
    struct rxp_refusal why;

    ck_assert_uint_eq(sizeof(measured) - 1, 346);
    ck_assert_uint_le(rxp_packed_bytes(invocation), 116);
    ck_assert_int_eq(rxp_http_plan_make(invocation, NULL, &plan, &why), 0);
    ck_assert_ptr_null(later_fault(invocation, NULL, &plan));
    rxp_http_plan_deinit(&plan);
    rxp_invocation_free(invocation);
}
END_TEST

START_TEST(each_example_is_what_it_was)
{
    glob_t files;
    size_t n_planned = 0;

    ck_assert_int_eq(glob(SOURCE_DIR "/protocol/examples/invocation-*.json", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char text[8192];
        struct rxp_http_plan plan = {0};
        struct rxp_refusal why;
        FILE *file = fopen(files.gl_pathv[i], "r");
        ck_assert_ptr_nonnull(file);
        size_t bytes = fread(text, 1, sizeof(text), file);
        fclose(file);
        struct rxp_invocation *invocation = parsed(text, bytes);
        bool is_planned = rxp_http_plan_make(invocation, NULL, &plan, &why) == 0;
        const char *fault = later_fault(invocation, NULL, is_planned ? &plan : NULL);
        ck_assert_msg(fault == NULL, "%s: %s", files.gl_pathv[i], fault);
        n_planned += is_planned;
        rxp_http_plan_deinit(&plan);
        rxp_invocation_free(invocation);
    }
    ck_assert_uint_gt(n_planned, 8);
    globfree(&files);
}
END_TEST

static const struct {
    const char *key;
    const char *value;
} odd_pairs[] = {
    {"", "no name"}, {"tenant", ""}, {"", ""}, {"\x01", "\x01\x02"}, {"\x02", "a key that looks like a number"},
    {"\x3f", "?"}, {"@", "@"}, {"\xc3\xa4", "\xe2\x82\xac"}, {"http", "x"}, {"http.", "x"}, {"http.urls", "x"},
    {"HTTP.URL", "x"}, {"var.", "x"}, {"var.a", "v"}, {"http.header.X-A", ""}, {"rxp.later", "x"}, {"1", "2"},
};

START_TEST(a_key_is_kept_whatever_it_looks_like)
{
    struct sample sample;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, odd_pairs[_i].key, odd_pairs[_i].value);
    set(&sample, "last", "one");
    ck_assert_ptr_null(later_fault(&sample.invocation, NULL, NULL));
}
END_TEST

/* Each at once, and the table's own families by their odd names. */
START_TEST(all_keys_of_the_table_are_kept_or_left_out)
{
    struct sample sample;
    size_t n;
    const char *const *keys = rxp_http_plan_keys(&n);

    sample_init(&sample, RXP_KIND_HTTP);
    for (size_t i = 0; i < n; i++)
        set(&sample, keys[i], i % 2 == 0 ? keys[i] : "");
    const char *fault = later_fault(&sample.invocation, NULL, NULL);
    ck_assert_msg(fault == NULL, "%s", fault);
}
END_TEST

static const int64_t timeouts_ms[] = {0, 1, 127, 128, 60000, 86400000, RXP_MAX_MS - 1, RXP_MAX_MS};

START_TEST(a_timeout_is_kept_to_the_millisecond)
{
    struct sample sample;

    sample_init(&sample, RXP_KIND_HTTP);
    sample.invocation.timeout_ms = timeouts_ms[_i];
    ck_assert_ptr_null(later_fault(&sample.invocation, NULL, NULL));
}
END_TEST

START_TEST(an_invocation_without_metadata_is_packed_too)
{
    struct sample sample;

    sample_init(&sample, RXP_KIND_MANUAL);
    sample.invocation.n_metadata = 0;
    ck_assert_uint_eq(rxp_packed_bytes(&sample.invocation), 3 + sizeof("inv-1") + sizeof("archon") + 1);
    ck_assert_ptr_null(later_fault(&sample.invocation, NULL, NULL));
}
END_TEST

START_TEST(more_pairs_than_a_byte_counts_are_kept)
{
    enum { MANY = 20000 };
    static struct rxp_pair pairs[MANY];
    static char keys[MANY][8];
    struct sample sample;

    sample_init(&sample, RXP_KIND_HTTP);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        pairs[i] = (struct rxp_pair){keys[i], "v"};
    }
    sample.invocation.metadata = pairs;
    sample.invocation.n_metadata = MANY;
    ck_assert_ptr_null(later_fault(&sample.invocation, NULL, NULL));
}
END_TEST

START_TEST(a_url_that_only_the_profile_says_is_not_there)
{
    struct sample sample;
    char packed[256];

    sample_init_by_profile(&sample);
    ck_assert_uint_le(rxp_packed_write(packed, &sample.invocation), sizeof(packed));
    ck_assert_ptr_null(rxp_packed_url(packed));
    ck_assert_ptr_null(rxp_packed_poll_url(packed));
    ck_assert_str_eq(rxp_packed_id(packed), "inv-1");
    ck_assert_str_eq(rxp_packed_name(packed), "archon");
}
END_TEST

/* ---- the plan that is made of it ---- */

/* What a message said that its run has no use for any more can be no reason to refuse what stands. */
static const char *const left_out[][2] = {
    {"http.idempotency_header", ""},
    {"http.idempotency_header", "X-Request-Id"},
    {"http.method", "PUT"},
    {"http.body_format", "form"},
    {"http.kickoff_accept_codes", "201"},
    {"http.kickoff_max_retries", "3"},
    {"rxp.start_before", "2026-07-31T12:00:00Z"},
};

START_TEST(what_only_a_kickoff_needs_is_not_missed)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.body", "{\"a\":1}");
    /* With http.idempotency_header left out it would be the header that the worker sets. */
    if (strcmp(left_out[_i][0], "http.idempotency_header") == 0)
        set(&sample, "http.header.Idempotency-Key", "mine");
    set(&sample, left_out[_i][0], left_out[_i][1]);
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(the_same_of_a_profile_is_not_looked_at)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set_default(&sample, "http.prepare_url", "https://api.example/prepare");
    set_default(&sample, "http.prepare_id_path", "id");
    set_default(&sample, "http.prepare_body", "{\"for\":\"{invocation_id}\"}");
    set_default(&sample, "http.prepare_method", "put");
    set_default(&sample, "http.body", "{\"to\":\"{prepared_id}\",\"what\":\"{var.what}\"}");
    set_default(&sample, "http.body_format", "form");
    set(&sample, "var.what", "tea");
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
}
END_TEST

/* The limit is a multiple of what was said, most of it in a body that is not there any more. */
START_TEST(bodies_that_repeat_a_variable_are_not_refused_the_second_time)
{
    enum { TIMES = 130 };
    static char body[TIMES * 10 + 16] = "[";
    static char long_body[128 * 1024];
    static char value[1000];
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    memset(long_body, ' ', sizeof(long_body) - 1);
    long_body[0] = '1';
    memset(value, 'v', sizeof(value) - 1);
    for (size_t i = 0; i < TIMES; i++)
        strcat(body, i == 0 ? "\"{var.a}\"" : ",\"{var.a}\"");
    strcat(body, "]");
    set(&sample, "http.body", long_body);
    set(&sample, "http.cancel_url_template", "https://api.example/cancel");
    set(&sample, "http.cancel_body", body);
    set(&sample, "var.a", value);
    assert_made(&sample, &plan);
    ck_assert_uint_gt(plan.cancel.body_bytes, 65536 + 4 * (strlen(body) + 1400));
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(a_plan_that_fits_into_its_room_asks_for_no_memory)
{
    struct sample sample;
    struct rxp_http_plan plan;
    struct rxp_refusal why;
    _Alignas(16) char room[1024 + 1];

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.header.X-A", "a");
    set(&sample, "http.cancel_url_template", "https://api.example/{var.a}/{run_id}/cancel");
    set(&sample, "http.cancel_body", "{\"id\":\"{invocation_id}\"}");
    set(&sample, "var.a", "b c");
    /* Wherever it begins. */
    for (size_t skipped = 0; skipped <= 1; skipped++) {
        memset(room, 0x55, sizeof(room));
        ck_assert_int_eq(rxp_http_plan_make_later(&sample.invocation, NULL, room + skipped, 1024, &plan, &why), 0);
        ck_assert_ptr_null(plan.owned);
        ck_assert_uint_eq(plan.owned_bytes, 0);
        ck_assert_str_eq(plan.cancel.url, "https://api.example/b%20c/{run_id}/cancel");
        ck_assert(plan.cancel.url >= room && plan.cancel.url < room + sizeof(room));
        rxp_http_plan_deinit(&plan);
    }
}
END_TEST

static const size_t rooms[] = {0, 1, 15, 16, 17, 31, 32, 48, 64, 200};

/* Nor is anything before or behind it touched, wherever it begins. */
START_TEST(a_room_that_is_too_small_is_made_up_for)
{
    enum { GUARD = 32 };
    struct sample sample;
    struct rxp_http_plan whole;
    struct rxp_http_plan later;
    struct rxp_refusal why;
    _Alignas(16) char around[GUARD + 200 + 2 * GUARD];
    const size_t bytes = rooms[_i];

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.header.X-A", "a");
    set(&sample, "http.poll_error_path", "e,f,g,h");
    assert_made(&sample, &whole);
    for (size_t skipped = 0; skipped < 17; skipped++) {
        char *room = around + GUARD + skipped;
        memset(around, 0x55, sizeof(around));
        ck_assert_int_eq(
            rxp_http_plan_make_later(&sample.invocation, NULL, bytes == 0 ? NULL : room, bytes, &later, &why), 0);
        ck_assert_ptr_nonnull(later.owned);
        ck_assert_ptr_null(later_plan_difference(&whole, &later));
        for (char *at = around; at < around + sizeof(around); at++)
            ck_assert((at >= room && at < room + bytes) || *at == 0x55);
        rxp_http_plan_deinit(&later);
    }
    rxp_http_plan_deinit(&whole);
}
END_TEST

START_TEST(many_variables_are_as_good_as_few)
{
    enum { MANY = 70 };
    static char names[MANY][16];
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "var.n%zu", MANY - i);
        set(&sample, names[i], names[i]);
        set(&sample, "http.cancel_url_template", "https://api.example/{var.n70}/cancel");
        assert_made(&sample, &plan);
        ck_assert_str_eq(plan.cancel.url, "https://api.example/var.n70/cancel");
        rxp_http_plan_deinit(&plan);
    }
}
END_TEST

/* Nobody should; but it harms no memory. */
START_TEST(a_url_that_would_have_been_refused_is_written_whole)
{
    static char value[20000];
    struct sample sample;
    struct rxp_http_plan plan;
    struct rxp_refusal why;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    memset(value, 'v', sizeof(value) - 1);
    set(&sample, "var.a", value);
    set(&sample, "http.cancel_url_template", "https://h/{var.a}/{var.a}/{var.b}");
    ck_assert_int_eq(sample_make(&sample, &plan, &why), -1);
    ck_assert_int_eq(rxp_http_plan_make_later(&sample.invocation, NULL, NULL, 0, &plan, &why), 0);
    ck_assert_uint_eq(strlen(plan.cancel.url), strlen("https://h///{var.b}") + 2 * 19999);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(what_never_made_a_plan_makes_none_later)
{
    struct sample sample;
    struct rxp_http_plan plan;
    struct rxp_refusal why;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.poll_status_path", NULL);
    ck_assert_int_eq(rxp_http_plan_make_later(&sample.invocation, NULL, NULL, 0, &plan, &why), -1);
    ck_assert_int_eq(why.error, RXP_ERROR_MISSING_METADATA);
    ck_assert_ptr_null(plan.owned);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("packed");
    TCase *kept = tcase_create("kept");
    TCase *later = tcase_create("later");

    tcase_add_test(kept, a_message_of_three_hundred_bytes_packs_into_a_third);
    tcase_add_test(kept, each_example_is_what_it_was);
    tcase_add_loop_test(kept, a_key_is_kept_whatever_it_looks_like, 0, ROWS(odd_pairs));
    tcase_add_test(kept, all_keys_of_the_table_are_kept_or_left_out);
    tcase_add_loop_test(kept, a_timeout_is_kept_to_the_millisecond, 0, ROWS(timeouts_ms));
    tcase_add_test(kept, an_invocation_without_metadata_is_packed_too);
    tcase_add_test(kept, more_pairs_than_a_byte_counts_are_kept);
    tcase_add_test(kept, a_url_that_only_the_profile_says_is_not_there);
    tcase_add_loop_test(later, what_only_a_kickoff_needs_is_not_missed, 0, ROWS(left_out));
    tcase_add_test(later, the_same_of_a_profile_is_not_looked_at);
    tcase_add_test(later, bodies_that_repeat_a_variable_are_not_refused_the_second_time);
    tcase_add_test(later, a_plan_that_fits_into_its_room_asks_for_no_memory);
    tcase_add_loop_test(later, a_room_that_is_too_small_is_made_up_for, 0, ROWS(rooms));
    tcase_add_test(later, many_variables_are_as_good_as_few);
    tcase_add_test(later, a_url_that_would_have_been_refused_is_written_whole);
    tcase_add_test(later, what_never_made_a_plan_makes_none_later);
    suite_add_tcase(suite, kept);
    suite_add_tcase(suite, later);
    return suite;
}
