#include "protocol/http_plan.h"
#include "support/check_main.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define MAX_PAIRS 24

/* An invocation in the making: the metadata that a poll needs, which a test then changes. */
struct sample {
    struct rxp_invocation invocation;
    struct rxp_pair pair[MAX_PAIRS];
};

static void set(struct sample *sample, const char *key, const char *value)
{
    size_t n = sample->invocation.n_metadata;
    size_t i = 0;

    while (i < n && strcmp(sample->pair[i].key, key) != 0)
        i++;
    if (value == NULL) {
        if (i < n)
            sample->pair[i] = sample->pair[--sample->invocation.n_metadata];
        return;
    }
    ck_assert_uint_lt(i, MAX_PAIRS);
    sample->pair[i] = (struct rxp_pair){key, value};
    if (i == n)
        sample->invocation.n_metadata++;
}

static void sample_init(struct sample *sample, enum rxp_kind kind)
{
    memset(sample, 0, sizeof(*sample));
    sample->invocation.invocation_id = "inv-1";
    sample->invocation.runtime_name = "archon";
    sample->invocation.kind = kind;
    sample->invocation.metadata = sample->pair;
    set(sample, "http.url", "https://api.example/runs?key=secret");
    if (kind == RXP_KIND_HTTP_ASYNC) {
        set(sample, "http.poll_url_template", "https://api.example/runs/{run_id}");
        set(sample, "http.poll_run_id_path", "data.id");
        set(sample, "http.poll_status_path", "status");
        set(sample, "http.poll_terminal_states", "completed,failed");
    }
}

static void assert_made(struct sample *sample, struct rxp_http_plan *plan)
{
    struct rxp_refusal why;

    ck_assert_msg(rxp_http_plan_make(&sample->invocation, plan, &why) == 0, "%s", why.text);
}

static void assert_refused(struct sample *sample, enum rxp_error error, const char *sentence)
{
    struct rxp_http_plan plan;
    struct rxp_refusal why;

    ck_assert_msg(rxp_http_plan_make(&sample->invocation, &plan, &why) == -1, "accepted, and not refused with: %s",
                  sentence);
    ck_assert_msg(why.error == error, "%s: %s", rxp_error_name(why.error), why.text);
    ck_assert_msg(strstr(why.text, sentence) != NULL, "'%s' does not say '%s'", why.text, sentence);
    ck_assert_msg(strstr(why.text, "secret") == NULL, "'%s' tells a secret", why.text);
    ck_assert_ptr_null(plan.owned);
    rxp_http_plan_deinit(&plan);
}

START_TEST(defaults_are_those_of_the_table)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    assert_made(&sample, &plan);
    ck_assert(plan.polls);
    ck_assert_str_eq(plan.url, "https://api.example/runs?key=secret");
    ck_assert_str_eq(plan.method, "POST");
    ck_assert_ptr_null(plan.body);
    ck_assert_uint_eq(plan.body_bytes, 0);
    ck_assert_ptr_null(plan.content_type);
    ck_assert_str_eq(plan.idempotency_header, "Idempotency-Key");
    ck_assert_str_eq(plan.poll_url_template, "https://api.example/runs/{run_id}");
    ck_assert_str_eq(plan.run_id_path, "data.id");
    ck_assert_str_eq(plan.status_path, "status");
    ck_assert_uint_eq(plan.terminal_states.n, 2);
    ck_assert_uint_eq(plan.success_states.n, 1);
    ck_assert_str_eq(plan.success_states.word[0], "completed");
    ck_assert_uint_eq(plan.n_pending_codes, 0);
    ck_assert_int_eq(plan.poll_interval_ms, 2000);
    ck_assert_int_eq(plan.poll_max_failures, -1);
    ck_assert_ptr_null(plan.result_path);
    rxp_http_plan_deinit(&plan);
    ck_assert_ptr_null(plan.owned);
}
END_TEST

START_TEST(every_key_is_read)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.method", "put");
    set(&sample, "http.body", " {\"a\": 1.0, \"a\": 2} ");
    set(&sample, "http.idempotency_header", "X-Request-Id");
    set(&sample, "http.poll_terminal_states", " done , failed,,\tgave up ,");
    set(&sample, "http.poll_success_states", "never, done");
    set(&sample, "http.poll_interval_seconds", "0.25");
    set(&sample, "http.poll_pending_codes", " 404 ,425,, 100,599");
    set(&sample, "http.poll_max_failures", "7");
    set(&sample, "http.result_path", "data.output");
    set(&sample, "tenant", "acme");
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.method, "PUT");
    ck_assert_str_eq(plan.body, " {\"a\": 1.0, \"a\": 2} ");
    ck_assert_uint_eq(plan.body_bytes, strlen(plan.body));
    ck_assert_str_eq(plan.content_type, "application/json");
    ck_assert_str_eq(plan.idempotency_header, "X-Request-Id");
    ck_assert_uint_eq(plan.terminal_states.n, 3);
    ck_assert_str_eq(plan.terminal_states.word[0], "done");
    ck_assert_str_eq(plan.terminal_states.word[1], "failed");
    ck_assert_str_eq(plan.terminal_states.word[2], "gave up");
    ck_assert_uint_eq(plan.success_states.n, 2);
    ck_assert_str_eq(plan.success_states.word[1], "done");
    ck_assert_int_eq(plan.poll_interval_ms, 250);
    ck_assert_uint_eq(plan.n_pending_codes, 4);
    ck_assert_int_eq(plan.pending_codes[0], 404);
    ck_assert_int_eq(plan.pending_codes[1], 425);
    ck_assert_int_eq(plan.pending_codes[2], 100);
    ck_assert_int_eq(plan.pending_codes[3], 599);
    ck_assert_int_eq(plan.poll_max_failures, 7);
    ck_assert_str_eq(plan.result_path, "data.output");
    ck_assert(rxp_words_has(&plan.terminal_states, "gave up"));
    ck_assert(!rxp_words_has(&plan.terminal_states, "Done"));
    ck_assert(!rxp_words_has(&plan.terminal_states, "gave"));
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(each_known_key_is_accepted_and_none_other)
{
    size_t n;
    const char *const *keys = rxp_http_plan_keys(&n);

    ck_assert_uint_eq(n, 14);
    for (size_t i = 0; i < n; i++) {
        struct sample sample;
        struct rxp_refusal why;
        struct rxp_http_plan plan;
        sample_init(&sample, RXP_KIND_HTTP);
        set(&sample, keys[i], "http://h/");
        if (rxp_http_plan_make(&sample.invocation, &plan, &why) < 0)
            ck_assert_msg(strstr(why.text, "unknown metadata key") == NULL, "%s", why.text);
        else
            rxp_http_plan_deinit(&plan);
    }
}
END_TEST

static const struct {
    const char *key;
    const char *sentence;
} unknown[] = {
    {"http.poll_url", "unknown metadata key 'http.poll_url'"},
    {"http.poll_url_templat", "unknown metadata key 'http.poll_url_templat': did you mean 'http.poll_url_template'?"},
    {"http.URL", "unknown metadata key 'http.URL': did you mean 'http.url'?"},
    {"http.", "unknown metadata key 'http.'"},
    {"http.header.Authorization", "unknown metadata key 'http.header.Authorization'"},
    {"rxp.start_before", "unknown metadata key 'rxp.start_before'"},
    {"rxp.", "unknown metadata key 'rxp.'"},
};

START_TEST(unknown_keys_are_refused_with_the_nearest_known_one)
{
    struct sample sample;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, unknown[_i].key, "x");
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, unknown[_i].sentence);
    sample_init(&sample, RXP_KIND_HTTP);
    set(&sample, unknown[_i].key, "x");
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, unknown[_i].sentence);
}
END_TEST

START_TEST(keys_of_other_makers_are_left_alone)
{
    static const char *const keys[] = {"http", "httpx.url", "Http.url", "rxp", "rxpo.x", "HTTP.URL", "", "x.http.url"};
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        set(&sample, keys[i], "x");
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(other_kinds_are_refused_by_name)
{
    static const enum rxp_kind kinds[] = {RXP_KIND_SUBPROCESS, RXP_KIND_CONTAINER, RXP_KIND_MANUAL, RXP_KIND_UNKNOWN};
    struct sample sample;
    char sentence[64];

    sample_init(&sample, kinds[_i]);
    set(&sample, "http.nonsense", "x");
    snprintf(sentence, sizeof(sentence), "runtime_kind '%s' is not run here", rxp_kind_name(kinds[_i]));
    assert_refused(&sample, RXP_ERROR_UNSUPPORTED_KIND, sentence);
}
END_TEST

static const char *const required[] = {"http.url", "http.poll_url_template", "http.poll_run_id_path",
                                       "http.poll_status_path", "http.poll_terminal_states"};

START_TEST(a_required_key_that_is_missing_or_empty_is_named)
{
    struct sample sample;
    char sentence[64];

    snprintf(sentence, sizeof(sentence), "missing metadata '%s'", required[_i]);
    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, required[_i], NULL);
    assert_refused(&sample, RXP_ERROR_MISSING_METADATA, sentence);
    set(&sample, required[_i], "");
    assert_refused(&sample, RXP_ERROR_MISSING_METADATA, sentence);
}
END_TEST

START_TEST(a_missing_key_is_all_that_the_sentence_says)
{
    struct sample sample;
    struct rxp_http_plan plan;
    struct rxp_refusal why;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.poll_url_template", NULL);
    ck_assert_int_eq(rxp_http_plan_make(&sample.invocation, &plan, &why), -1);
    ck_assert_str_eq(why.text, "missing metadata 'http.poll_url_template'");
}
END_TEST

START_TEST(a_template_without_run_id_needs_no_path_to_one)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.poll_url_template", "https://api.example/jobs/{invocation_id}/status");
    set(&sample, "http.poll_run_id_path", NULL);
    assert_made(&sample, &plan);
    ck_assert_ptr_null(plan.run_id_path);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.poll_run_id_path", "id");
    assert_made(&sample, &plan);
    ck_assert_ptr_null(plan.run_id_path);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(kind_http_ignores_what_is_said_of_polls)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP);
    set(&sample, "http.poll_url_template", "ftp://{nonsense");
    set(&sample, "http.poll_interval_seconds", "never");
    set(&sample, "http.poll_pending_codes", "9999");
    set(&sample, "http.poll_terminal_states", ",");
    set(&sample, "http.poll_max_failures", "-3");
    set(&sample, "http.result_path", "out");
    assert_made(&sample, &plan);
    ck_assert(!plan.polls);
    ck_assert_str_eq(plan.method, "POST");
    ck_assert_str_eq(plan.result_path, "out");
    ck_assert_str_eq(plan.idempotency_header, "Idempotency-Key");
    ck_assert_ptr_null(plan.poll_url_template);
    rxp_http_plan_deinit(&plan);

    set(&sample, "http.url", NULL);
    assert_refused(&sample, RXP_ERROR_MISSING_METADATA, "missing metadata 'http.url'");
}
END_TEST

static const struct {
    const char *key;
    const char *value;
    const char *sentence; /* NULL: accepted */
} rows[] = {
    {"http.url", "http://h", NULL},
    {"http.url", "HTTPS://Example.COM:8443/a/b?c=d&e=%20#f", NULL},
    {"http.url", "http://127.0.0.1:80/", NULL},
    {"http.url", "http://[::1]:8080/x", NULL},
    {"http.url", "http://[::ffff:1.2.3.4]", NULL},
    {"http.url", "http://h/@me?to=a@b", NULL},
    {"http.url", "http://my_service-1.ns.svc/", NULL},
    {"http.url", "http://h:65535/", NULL},
    {"http.url", "/runs", "must be an absolute URL that begins with http:// or https://"},
    {"http.url", "api.example/runs", "absolute"},
    {"http.url", "ftp://h/x", "http.url 'ftp://h/x' must be an absolute URL"},
    {"http.url", "file:///etc/passwd", "absolute"},
    {"http.url", "http:/h/x", "absolute"},
    {"http.url", "//h/x", "absolute"},
    {"http.url", " http://h/x", "absolute"},
    {"http.url", "http://", "has no host"},
    {"http.url", "http:///x", "host"},
    {"http.url", "http://:80/x", "has no host"},
    {"http.url", "http://?x", "host"},
    {"http.url", "http://h:/x", "port"},
    {"http.url", "http://h:0/x", "port 0"},
    {"http.url", "http://h:65536/x", "above 65535"},
    {"http.url", "http://h:99999999999999999999/x", "above 65535"},
    {"http.url", "http://h:8o/x", "port that is no number"},
    {"http.url", "http://h:-1/x", "port that is no number"},
    {"http.url", "http://[::1/x", "no IPv6 address"},
    {"http.url", "http://[]/x", "no IPv6 address"},
    {"http.url", "http://[fe80::1%25eth0]/x", "no IPv6 address"},
    {"http.url", "http://[::1]x/", "no name or address"},
    {"http.url", "http://h%2F/", "no name or address"},
    {"http.url", "http://h,g/", "no name or address"},
    {"http.url", "http://h/a b", "holds a space"},
    {"http.url", "http://h/a\tb", "control character"},
    {"http.url", "http://h/a\r\nX-Evil: 1", "control character"},
    {"http.url", "http://h/a\nb", "control character"},
    {"http.url", "http://h/\x7F", "control character"},
    {"http.url", "http://h/caf\xC3\xA9", "beyond ASCII"},
    {"http.url", "http://b\xC3\xBC" "cher/", "beyond ASCII"},
    {"http.url", "http://h\\@evil/", "@"},
    {"http.url", "http://h/a\\b", "backslash"},
    {"http.url", "http://user:secret@h/x", "user name or password"},
    {"http.url", "http://secret@h/x", "user name or password"},
    {"http.url", "http://@h/x", "user name or password"},
    {"http.url", "user:secret@h/x", "absolute"},
    {"http.url", "http://h/x?token=secret x", "http.url 'http://h/x' holds a space"},
    {"http.url", "http://h/{run_id}", "has no placeholders"},
    {"http.url", "http://h/%7Bx%7D", NULL},
    {"http.method", "get", NULL},
    {"http.method", "QUERY", NULL},
    {"http.method", "", "http.method '' is no HTTP method"},
    {"http.method", "PO ST", "http.method 'PO ST' is no HTTP method"},
    {"http.method", "POST\r\nX: y", "http.method 'POST\\x0d\\x0aX: y' is no HTTP method"},
    {"http.method", "P\xC3\x96ST", "is no HTTP method"},
    {"http.method", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", "is no HTTP method"},
    {"http.method", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF", NULL},
    {"http.method", "Connect", "starts no run"},
    {"http.body", "null", NULL},
    {"http.body", "\"x\"", NULL},
    {"http.body", "{\"a\":1,\"a\":2}", NULL},
    {"http.body", "", "http.body is empty"},
    {"http.body", "{\"a\":01}", "http.body is not valid JSON: a number with a leading zero, at its byte 5"},
    {"http.body", "{} {}", "bytes after the document"},
    {"http.body", "a=b", "not valid JSON"},
    {"http.body", "{\"a\":\"\\u0000\"}", "\\u0000"},
    {"http.body_format", "json", NULL},
    {"http.body_format", "form", NULL},
    {"http.body_format", "Form", "http.body_format 'Form' is neither 'json' nor 'form'"},
    {"http.body_format", "", "is neither"},
    {"http.idempotency_header", "", NULL},
    {"http.idempotency_header", "X!#$%&'*+-.^_`|~9", NULL},
    {"http.idempotency_header", "X Y", "http.idempotency_header 'X Y' is no header name"},
    {"http.idempotency_header", "X:", "is no header name"},
    {"http.idempotency_header", "X\r\nY: z", "is no header name"},
    {"http.idempotency_header", "\xC3\xA9", "is no header name"},
    {"http.idempotency_header", "Host", "is a header that a message may not set"},
    {"http.idempotency_header", "hOST", "may not set"},
    {"http.idempotency_header", "content-length", "may not set"},
    {"http.idempotency_header", "Transfer-Encoding", "may not set"},
    {"http.idempotency_header", "CONNECTION", "may not set"},
    {"http.idempotency_header", "Content-Type", "may not set"},
    {"http.poll_url_template", "http://h/{run_id}/{invocation_id}/{run_id}?x={run_id}", NULL},
    {"http.poll_url_template", "http://h/static", NULL},
    {"http.poll_url_template", "http://h/{id}", "http.poll_url_template has the placeholder '{id}'"},
    {"http.poll_url_template", "http://h/{run_id}/{var.x}", "placeholder '{var.x}'"},
    {"http.poll_url_template", "http://h/{Run_id}", "placeholder '{Run_id}'"},
    {"http.poll_url_template", "http://h/{}", "placeholder '{}'"},
    {"http.poll_url_template", "http://h/{{run_id}}", "placeholder '{{run_id}'"},
    {"http.poll_url_template", "http://h/{run_id", "a brace without its partner"},
    {"http.poll_url_template", "http://h/run_id}", "a brace without its partner"},
    {"http.poll_url_template", "http://h/{run_id}}", "a brace without its partner"},
    {"http.poll_url_template", "http://{run_id}/x", "a placeholder in its host or port"},
    {"http.poll_url_template", "http://h.{run_id}", "a placeholder in its host or port"},
    {"http.poll_url_template", "http://h:{run_id}/x", "a placeholder in its host or port"},
    {"http.poll_url_template", "http://{invocation_id}.h/x", "a placeholder in its host or port"},
    {"http.poll_url_template", "{run_id}://h/x", "absolute"},
    {"http.poll_url_template", "{run_id}", "absolute"},
    {"http.poll_url_template", "http://secret:{run_id}@h/x", "user name or password"},
    {"http.poll_url_template", "http://h/a b/{run_id}", "space"},
    {"http.poll_terminal_states", "completed", NULL},
    {"http.poll_terminal_states", " , ,", "http.poll_terminal_states ' , ,' names no state"},
    {"http.poll_terminal_states", "done,failed", "no run could ever succeed: none of http.poll_success_states 'completed' (the default) is among http.poll_terminal_states 'done,failed'"},
    {"http.poll_terminal_states", "Completed", "no run could ever succeed"},
    {"http.poll_success_states", "failed", NULL},
    {"http.poll_success_states", "done", "none of http.poll_success_states 'done' is among"},
    {"http.poll_success_states", "", "no run could ever succeed"},
    {"http.poll_success_states", "complete", "no run could ever succeed"},
    {"http.poll_interval_seconds", "0", NULL},
    {"http.poll_interval_seconds", "1e1", NULL},
    {"http.poll_interval_seconds", "", "is no decimal number of seconds"},
    {"http.poll_interval_seconds", "-1", "http.poll_interval_seconds '-1' is no decimal number of seconds, 0 or more"},
    {"http.poll_interval_seconds", "-0.001", "is no decimal number"},
    {"http.poll_interval_seconds", "nan", "is no decimal number"},
    {"http.poll_interval_seconds", "inf", "is no decimal number"},
    {"http.poll_interval_seconds", "infinity", "is no decimal number"},
    {"http.poll_interval_seconds", "1e400", "is no decimal number"},
    {"http.poll_interval_seconds", "1e99999999999999999999", "is no decimal number"},
    {"http.poll_interval_seconds", "0x10", "is no decimal number"},
    {"http.poll_interval_seconds", "1,5", "is no decimal number"},
    {"http.poll_interval_seconds", "1.5s", "is no decimal number"},
    {"http.poll_interval_seconds", " 1", "is no decimal number"},
    {"http.poll_interval_seconds", "1.", "is no decimal number"},
    {"http.poll_interval_seconds", "1e", "is no decimal number"},
    {"http.poll_interval_seconds", "1e+", "is no decimal number"},
    {"http.poll_interval_seconds", "two", "is no decimal number"},
    {"http.poll_pending_codes", "", NULL},
    {"http.poll_pending_codes", "99", "http.poll_pending_codes has '99', which is no HTTP status code from 100 to 599"},
    {"http.poll_pending_codes", "404,600", "has '600'"},
    {"http.poll_pending_codes", "099", "has '099'"},
    {"http.poll_pending_codes", "4o4", "has '4o4'"},
    {"http.poll_pending_codes", "-40", "has '-40'"},
    {"http.poll_pending_codes", "404 425", "has '404 425'"},
    {"http.poll_pending_codes", "99999999999999999999", "which is no HTTP status code"},
    {"http.poll_max_failures", "0", NULL},
    {"http.poll_max_failures", "99999999999999999999", NULL},
    {"http.poll_max_failures", "-1", "http.poll_max_failures '-1' is no whole number, 0 or more"},
    {"http.poll_max_failures", "1.0", "is no whole number"},
    {"http.poll_max_failures", "1e2", "is no whole number"},
    {"http.poll_max_failures", "", "is no whole number"},
};

START_TEST(each_value_keeps_the_rule_of_its_key)
{
    struct sample sample;
    struct rxp_http_plan plan;
    struct rxp_refusal why;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, rows[_i].key, rows[_i].value);
    if (rows[_i].sentence != NULL) {
        assert_refused(&sample, RXP_ERROR_INVALID_METADATA, rows[_i].sentence);
        return;
    }
    int status = rxp_http_plan_make(&sample.invocation, &plan, &why);
    ck_assert_msg(status == 0, "%s '%s': %s", rows[_i].key, rows[_i].value, why.text);
    rxp_http_plan_deinit(&plan);
}
END_TEST

static const struct {
    const char *text;
    int64_t ms;
} intervals[] = {
    {"0", 0},          {"0.0", 0},         {"0e5", 0},          {"2", 2000},        {"2.0", 2000},
    {"0.05", 50},      {"0.001", 1},       {"0.0001", 1},       {"1e-300", 1},      {"0.0014999", 1},
    {"0.0015", 2},     {"1.9996", 2000},   {"1.9994", 1999},    {"1e1", 10000},     {"2.5E+1", 25000},
    {"007", 7000},     {"86400", 86400000}, {"1e308", RXP_MAX_MS}, {"123456789012345678901234567890", RXP_MAX_MS},
    {"999999999.9996", RXP_MAX_MS}, {"0.333333333333333333333333333", 333}, {"1e15", RXP_MAX_MS}, {"9e18", RXP_MAX_MS},
    {"00000000000000000000000000000000.5", 500},
};

START_TEST(intervals_are_milliseconds_and_small_ones_are_not_none)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.poll_interval_seconds", intervals[_i].text);
    assert_made(&sample, &plan);
    ck_assert_int_eq(plan.poll_interval_ms, intervals[_i].ms);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(a_locale_with_a_decimal_comma_changes_nothing)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8"};
    struct sample sample;
    struct rxp_http_plan plan;

    /* Where none of them is installed this only repeats a row above. */
    for (size_t i = 0; i < 3 && setlocale(LC_NUMERIC, names[i]) == NULL; i++)
        continue;
    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.poll_interval_seconds", "1.5");
    assert_made(&sample, &plan);
    ck_assert_int_eq(plan.poll_interval_ms, 1500);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.poll_interval_seconds", "1,5");
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "is no decimal number");
}
END_TEST

START_TEST(a_huge_failure_budget_is_capped)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.poll_max_failures", "99999999999999999999");
    assert_made(&sample, &plan);
    ck_assert_int_eq(plan.poll_max_failures, 1000000);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.poll_max_failures", "00");
    assert_made(&sample, &plan);
    ck_assert_int_eq(plan.poll_max_failures, 0);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(an_empty_idempotency_header_turns_it_off)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.idempotency_header", "");
    assert_made(&sample, &plan);
    ck_assert_ptr_null(plan.idempotency_header);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(an_id_that_would_break_out_of_its_header_is_refused)
{
    static const char *const ids[] = {"a\r\nX: y", "a\n", "\x01", "a\x7F", "\t"};
    struct sample sample;
    struct rxp_http_plan plan;

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        sample_init(&sample, RXP_KIND_HTTP_ASYNC);
        sample.invocation.invocation_id = ids[i];
        assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "can't be sent in the header Idempotency-Key");
        set(&sample, "http.idempotency_header", "X-Key");
        assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "can't be sent in the header X-Key");
        set(&sample, "http.idempotency_header", "");
        assert_made(&sample, &plan);
        rxp_http_plan_deinit(&plan);
    }
    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    sample.invocation.invocation_id = "caf\xC3\xA9 / 7";
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(an_id_that_is_a_step_in_a_path_is_refused_in_a_template)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    sample.invocation.invocation_id = "..";
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.poll_url_template", "http://h/{invocation_id}/x");
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "the id '..' is a step in a path");
}
END_TEST

static const struct {
    const char *json;
    const char *form;     /* NULL: refused */
    const char *sentence;
} forms[] = {
    {"{}", "", NULL},
    {" { \"a\" : 1 } ", "a=1", NULL},
    {"{\"a\":\"b\",\"c\":\"d e\"}", "a=b&c=d+e", NULL},
    {"{\"t\":true,\"f\":false,\"n\":null}", "t=true&f=false&n=", NULL},
    {"{\"big\":9007199254740993,\"float\":3.0,\"e\":1.5E+2,\"neg\":-0}", "big=9007199254740993&float=3.0&e=1.5E%2B2&neg=-0", NULL},
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

START_TEST(a_flat_object_is_sent_as_a_form)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.body_format", "form");
    set(&sample, "http.body", forms[_i].json);
    if (forms[_i].form == NULL) {
        assert_refused(&sample, RXP_ERROR_INVALID_METADATA, forms[_i].sentence);
        return;
    }
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.body, forms[_i].form);
    ck_assert_uint_eq(plan.body_bytes, strlen(forms[_i].form));
    ck_assert_str_eq(plan.content_type, "application/x-www-form-urlencoded");
    rxp_http_plan_deinit(&plan);
}
END_TEST

static const struct {
    const char *url_template;
    const char *run_id;
    const char *url;
} expansions[] = {
    {"http://h/runs/{run_id}", "r-1", "http://h/runs/r-1"},
    {"http://h/{run_id}{run_id}/{invocation_id}?a={run_id}&b", "7", "http://h/77/inv%201%2F?a=7&b"},
    {"http://h/{run_id}", "a/b?c#d&e=f%20 +", "http://h/a%2Fb%3Fc%23d%26e%3Df%2520%20%2B"},
    {"http://h/{run_id}", "aZ09-._~", "http://h/aZ09-._~"},
    {"http://h/{run_id}", "\xC3\xA9\x01\x7F", "http://h/%C3%A9%01%7F"},
    {"http://h/{run_id}", "{invocation_id}", "http://h/%7Binvocation_id%7D"},
    {"http://h/static", NULL, "http://h/static"},
    {"{run_id}", "", ""},
    {"", "x", ""},
};

START_TEST(placeholders_are_filled_percent_encoded)
{
    char *url = rxp_url_expand(expansions[_i].url_template, expansions[_i].run_id, "inv 1/");

    ck_assert_ptr_nonnull(url);
    ck_assert_str_eq(url, expansions[_i].url);
    free(url);
}
END_TEST

static int take(const char *body, const char *path, char **id, struct rxp_refusal *why)
{
    struct json_fault fault;

    ck_assert_int_eq(json_check(body, strlen(body), JSON_KEYS_ANY, &fault), 0);
    return rxp_run_id_take(json_document(body, strlen(body)), path, id, why);
}

static const struct {
    const char *body;
    const char *path;
    const char *id; /* NULL: refused */
    enum rxp_error error;
    const char *sentence;
} run_ids[] = {
    {"{\"data\":{\"run\":{\"id\":\"r-1\"}}}", "data.run.id", "r-1", RXP_OK, NULL},
    {"{\"id\":9007199254740993}", "id", "9007199254740993", RXP_OK, NULL},
    {"{\"id\":3.0}", "id", "3.0", RXP_OK, NULL},
    {"{\"id\":true}", "id", "true", RXP_OK, NULL},
    {"{\"id\":0}", "id", "0", RXP_OK, NULL},
    {"{\"id\":\"a\\u002fb\"}", "id", "a/b", RXP_OK, NULL},
    {"[{\"id\":\"x\"}]", "0.id", "x", RXP_OK, NULL},
    {"{\"id\":\"...\"}", "id", "...", RXP_OK, NULL},
    {"{}", "data.run.id", NULL, RXP_ERROR_RUN_ID_MISSING, "kickoff response has no field at path 'data.run.id'"},
    {"{\"ID\":1}", "id", NULL, RXP_ERROR_RUN_ID_MISSING, "kickoff response has no field at path 'id'"},
    {"{\"id\":null}", "id", NULL, RXP_ERROR_RUN_ID_INVALID, "kickoff response has null at path 'id', where a run id is due"},
    {"{\"id\":{}}", "id", NULL, RXP_ERROR_RUN_ID_INVALID, "kickoff response has an object at path 'id', where a run id is due"},
    {"{\"id\":[1]}", "id", NULL, RXP_ERROR_RUN_ID_INVALID, "kickoff response has an array at path 'id', where a run id is due"},
    {"{\"id\":\"\"}", "id", NULL, RXP_ERROR_RUN_ID_INVALID, "kickoff response has an empty string at path 'id', where a run id is due"},
    {"{\"id\":\".\"}", "id", NULL, RXP_ERROR_RUN_ID_INVALID, "kickoff response has '.' at path 'id', which is a step in a path and no run id"},
    {"{\"id\":\"\\u002e.\"}", "id", NULL, RXP_ERROR_RUN_ID_INVALID, "kickoff response has '..' at path 'id', which is a step in a path and no run id"},
};

START_TEST(a_run_id_is_taken_as_it_was_written)
{
    char *id = (char *)"";
    struct rxp_refusal why;
    int status = take(run_ids[_i].body, run_ids[_i].path, &id, &why);

    if (run_ids[_i].id != NULL) {
        ck_assert_msg(status == 0, "%s", why.text);
        ck_assert_str_eq(id, run_ids[_i].id);
        free(id);
    } else {
        ck_assert_int_eq(status, -1);
        ck_assert_ptr_null(id);
        ck_assert_int_eq(why.error, run_ids[_i].error);
        ck_assert_str_eq(why.text, run_ids[_i].sentence);
    }
}
END_TEST

START_TEST(a_run_id_has_at_most_512_bytes)
{
    char body[600];
    char *id;
    struct rxp_refusal why;

    snprintf(body, sizeof(body), "{\"id\":\"%0512d\"}", 7);
    ck_assert_int_eq(take(body, "id", &id, &why), 0);
    ck_assert_uint_eq(strlen(id), 512);
    free(id);
    snprintf(body, sizeof(body), "{\"id\":\"%0513d\"}", 7);
    ck_assert_int_eq(take(body, "id", &id, &why), -1);
    ck_assert_int_eq(why.error, RXP_ERROR_RUN_ID_INVALID);
    ck_assert_str_eq(why.text, "kickoff response has 513 bytes at path 'id', where a run id has at most 512");
}
END_TEST

static char *repeat(const char *unit, size_t n, const char *end)
{
    size_t bytes = strlen(unit);
    char *text = malloc(n * bytes + strlen(end) + 1);

    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * bytes, unit, bytes);
    strcpy(text + n * bytes, end);
    return text;
}

START_TEST(lists_of_256_items_fit_and_longer_ones_are_refused)
{
    char *states = repeat("s,", 255, "completed,,");
    char *codes = repeat("404,", 256, "");
    char *too_many = repeat("completed,", 257, "");
    char *far_too_many = repeat("404,", 250000, "");
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.poll_terminal_states", states);
    set(&sample, "http.poll_success_states", states);
    set(&sample, "http.poll_pending_codes", codes);
    set(&sample, "http.method", "abcdefghijklmnopqrstuvwxyzabcdef");
    set(&sample, "http.body", "{\"a\":\"\xC3\xA9\"}");
    set(&sample, "http.body_format", "form");
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.method, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF");
    ck_assert_uint_eq(plan.terminal_states.n, 256);
    ck_assert_uint_eq(plan.success_states.n, 256);
    ck_assert_uint_eq(plan.n_pending_codes, 256);
    ck_assert_str_eq(plan.terminal_states.word[255], "completed");
    ck_assert_int_eq(plan.pending_codes[255], 404);
    ck_assert_str_eq(plan.body, "a=%C3%A9");
    rxp_http_plan_deinit(&plan);

    set(&sample, "http.poll_pending_codes", far_too_many);
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.poll_pending_codes has 250000 items, more than 256");
    set(&sample, "http.poll_success_states", too_many);
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.poll_success_states has 257 items, more than 256");
    set(&sample, "http.poll_terminal_states", too_many);
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.poll_terminal_states has 257 items, more than 256");
    free(states);
    free(codes);
    free(too_many);
    free(far_too_many);
}
END_TEST

START_TEST(urls_have_a_limit_filled_placeholders_included)
{
    char *url = repeat("http://h/", 1, "");
    char *long_url = repeat("a", 16384, "");
    char *longer_url = repeat("a", 16385, "");
    char *eleven = repeat("{run_id}", 11, "");
    char *ids = repeat("{invocation_id}", 1000, "");
    char *long_id = repeat("\xC3\xA9", 2048, "");
    char text[16386];
    struct sample sample;
    struct rxp_http_plan plan;

    memcpy(long_url, url, strlen(url));
    memcpy(longer_url, url, strlen(url));
    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.url", long_url);
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.url", longer_url);
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.url has 16385 bytes, more than 16384");

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    snprintf(text, sizeof(text), "http://h/%s", eleven);
    set(&sample, "http.poll_url_template", text);
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.poll_url_template could become 16993 bytes");
    text[9 + 10 * 8] = '\0';
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
    snprintf(text, sizeof(text), "http://h/%s", ids);
    sample.invocation.invocation_id = long_id;
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "could become");
    free(url);
    free(long_url);
    free(longer_url);
    free(eleven);
    free(ids);
    free(long_id);
}
END_TEST

START_TEST(an_id_too_long_for_a_header_is_refused)
{
    char *id = repeat("x", 4097, "");
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP);
    sample.invocation.invocation_id = id;
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA,
                   "invocation_id has 4097 bytes, more than the 4096 that may be sent in the header Idempotency-Key");
    set(&sample, "http.idempotency_header", "");
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.idempotency_header", "X");
    id[4096] = '\0';
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
    free(id);
}
END_TEST

static TCase *values_case(void)
{
    TCase *tcase = tcase_create("values");

    tcase_add_loop_test(tcase, each_value_keeps_the_rule_of_its_key, 0, ROWS(rows));
    tcase_add_loop_test(tcase, intervals_are_milliseconds_and_small_ones_are_not_none, 0, ROWS(intervals));
    tcase_add_test(tcase, a_locale_with_a_decimal_comma_changes_nothing);
    tcase_add_test(tcase, a_huge_failure_budget_is_capped);
    tcase_add_test(tcase, an_empty_idempotency_header_turns_it_off);
    tcase_add_test(tcase, an_id_that_would_break_out_of_its_header_is_refused);
    tcase_add_test(tcase, an_id_that_is_a_step_in_a_path_is_refused_in_a_template);
    tcase_add_loop_test(tcase, a_flat_object_is_sent_as_a_form, 0, ROWS(forms));
    tcase_add_loop_test(tcase, placeholders_are_filled_percent_encoded, 0, ROWS(expansions));
    tcase_add_loop_test(tcase, a_run_id_is_taken_as_it_was_written, 0, ROWS(run_ids));
    tcase_add_test(tcase, a_run_id_has_at_most_512_bytes);
    tcase_add_test(tcase, lists_of_256_items_fit_and_longer_ones_are_refused);
    tcase_add_test(tcase, urls_have_a_limit_filled_placeholders_included);
    tcase_add_test(tcase, an_id_too_long_for_a_header_is_refused);
    return tcase;
}

Suite *test_suite(void)
{
    Suite *suite = suite_create("http_plan");
    TCase *tcase = tcase_create("keys");

    tcase_add_test(tcase, defaults_are_those_of_the_table);
    tcase_add_test(tcase, every_key_is_read);
    tcase_add_test(tcase, each_known_key_is_accepted_and_none_other);
    tcase_add_loop_test(tcase, unknown_keys_are_refused_with_the_nearest_known_one, 0, ROWS(unknown));
    tcase_add_test(tcase, keys_of_other_makers_are_left_alone);
    tcase_add_loop_test(tcase, other_kinds_are_refused_by_name, 0, 4);
    tcase_add_loop_test(tcase, a_required_key_that_is_missing_or_empty_is_named, 0, ROWS(required));
    tcase_add_test(tcase, a_missing_key_is_all_that_the_sentence_says);
    tcase_add_test(tcase, a_template_without_run_id_needs_no_path_to_one);
    tcase_add_test(tcase, kind_http_ignores_what_is_said_of_polls);
    suite_add_tcase(suite, tcase);
    suite_add_tcase(suite, values_case());
    return suite;
}
