#include "protocol/http_plan.h"
#include "support/check_main.h"
#include "support/plan_stage.h"

#include <glob.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(defaults_are_those_of_the_table)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    assert_made(&sample, &plan);
    ck_assert(plan.polls);
    ck_assert_str_eq(plan.kickoff.url, "https://api.example/runs?key=secret");
    ck_assert_str_eq(plan.kickoff.method, "POST");
    ck_assert_ptr_null(plan.kickoff.body);
    ck_assert_uint_eq(plan.kickoff.body_bytes, 0);
    ck_assert_ptr_null(rxp_http_call_content_type(&plan.kickoff));
    ck_assert_str_eq(plan.idempotency_header, "Idempotency-Key");
    ck_assert_str_eq(plan.poll.url, "https://api.example/runs/{run_id}");
    ck_assert_str_eq(plan.run_id_path, "data.id");
    ck_assert_str_eq(plan.status_path, "status");
    ck_assert_uint_eq(plan.terminal_states.n, 2);
    ck_assert_uint_eq(plan.success_states.n, 1);
    ck_assert_str_eq(plan.success_states.word[0], "completed");
    ck_assert_uint_eq(plan.pending_codes.n, 0);
    ck_assert_int_eq(plan.poll_interval_ms, 2000);
    ck_assert_int_eq(plan.poll_max_failures, -1);
    ck_assert_ptr_null(plan.result_path);
    ck_assert_uint_eq(plan.accept_codes.n, 2);
    ck_assert(rxp_codes_has(&plan.accept_codes, 200) && rxp_codes_has(&plan.accept_codes, 202));
    ck_assert_int_eq(plan.kickoff_max_retries, -1);
    ck_assert_int_eq(plan.start_before_ms, INT64_MAX);
    ck_assert_int_eq(plan.poll_pending_ms, INT64_MAX);
    ck_assert_double_eq(plan.poll_backoff_factor, 1.0);
    ck_assert_int_eq(plan.poll_max_interval_ms, 60000);
    ck_assert(!plan.missing_status_is_pending);
    ck_assert_uint_eq(plan.error_paths.n, 0);
    ck_assert(!plan.result_states_all && plan.after_states_all);
    ck_assert_uint_eq(plan.result_states.n, 1);
    ck_assert_str_eq(plan.result_states.word[0], "completed");
    ck_assert_uint_le(plan.owned_bytes, 136); /* each waiting run has so much */
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
    set(&sample, "http.poll_pending_codes", " 404 ,425,, 201,599");
    set(&sample, "http.poll_max_failures", "7");
    set(&sample, "http.result_path", "data.output");
    set(&sample, "http.kickoff_accept_codes", "201,409");
    set(&sample, "http.kickoff_max_retries", "4");
    set(&sample, "http.poll_url_header", "Location");
    set(&sample, "http.late_run_id_path", "run.id");
    set(&sample, "http.poll_missing_status", "pending");
    set(&sample, "http.poll_pending_seconds", "90");
    set(&sample, "http.poll_backoff_factor", "1.5");
    set(&sample, "http.poll_max_interval_seconds", "30");
    set(&sample, "http.poll_error_path", "error.message, run.error");
    set(&sample, "rxp.start_before", "1970-01-01T00:00:01Z");
    set(&sample, "tenant", "acme");
    assert_made(&sample, &plan);
    ck_assert_uint_eq(plan.accept_codes.n, 2);
    ck_assert(rxp_codes_has(&plan.accept_codes, 201) && rxp_codes_has(&plan.accept_codes, 409));
    ck_assert_int_eq(plan.kickoff_max_retries, 4);
    ck_assert_str_eq(plan.poll_url_header, "Location");
    ck_assert_str_eq(plan.late_run_id_path, "run.id");
    ck_assert(plan.missing_status_is_pending);
    ck_assert_int_eq(plan.poll_pending_ms, 90000);
    ck_assert_double_eq(plan.poll_backoff_factor, 1.5);
    ck_assert_int_eq(plan.poll_max_interval_ms, 30000);
    ck_assert_uint_eq(plan.error_paths.n, 2);
    ck_assert_str_eq(plan.error_paths.word[1], "run.error");
    ck_assert_int_eq(plan.start_before_ms, 1000);
    ck_assert_str_eq(plan.kickoff.method, "PUT");
    ck_assert_str_eq(plan.kickoff.body, " {\"a\": 1.0, \"a\": 2} ");
    ck_assert_uint_eq(plan.kickoff.body_bytes, strlen(plan.kickoff.body));
    ck_assert_str_eq(rxp_http_call_content_type(&plan.kickoff), "application/json");
    ck_assert_str_eq(plan.idempotency_header, "X-Request-Id");
    ck_assert_uint_eq(plan.terminal_states.n, 3);
    ck_assert_str_eq(plan.terminal_states.word[0], "done");
    ck_assert_str_eq(plan.terminal_states.word[1], "failed");
    ck_assert_str_eq(plan.terminal_states.word[2], "gave up");
    ck_assert_uint_eq(plan.success_states.n, 2);
    ck_assert_str_eq(plan.success_states.word[1], "done");
    ck_assert_int_eq(plan.poll_interval_ms, 250);
    ck_assert_uint_eq(plan.pending_codes.n, 4);
    ck_assert_int_eq(plan.pending_codes.code[0], 404);
    ck_assert_int_eq(plan.pending_codes.code[1], 425);
    ck_assert_int_eq(plan.pending_codes.code[2], 201);
    ck_assert_int_eq(plan.pending_codes.code[3], 599);
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

    ck_assert_uint_eq(n, 40);
    for (size_t i = 0; i < n; i++) {
        struct sample sample;
        struct rxp_refusal why;
        struct rxp_http_plan plan;
        sample_init(&sample, RXP_KIND_HTTP);
        set(&sample, keys[i], "http://h/");
        if (rxp_http_plan_make(&sample.invocation, NULL, &plan, &why) < 0)
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
    {"http.header", "unknown metadata key 'http.header'"},
    {"rxp.start_befor", "unknown metadata key 'rxp.start_befor': did you mean 'rxp.start_before'?"},
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
    ck_assert_int_eq(rxp_http_plan_make(&sample.invocation, NULL, &plan, &why), -1);
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
    set(&sample, "http.poll_run_id_path", "");
    assert_made(&sample, &plan);
    ck_assert_ptr_null(plan.run_id_path);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(a_path_to_the_run_id_is_kept_where_no_call_wants_one)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.poll_url_template", NULL);
    set(&sample, "http.poll_url_header", "Operation-Location");
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.run_id_path, "data.id");
    rxp_http_plan_deinit(&plan);
    sample.invocation.kind = RXP_KIND_HTTP;
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
    ck_assert_str_eq(plan.kickoff.method, "POST");
    ck_assert_str_eq(plan.result_path, "out");
    ck_assert_str_eq(plan.idempotency_header, "Idempotency-Key");
    ck_assert_ptr_null(plan.poll.url);
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
    {"http.url", "/runs", "must be an absolute URL that begins with http:// or https://"},
    {"http.url", "http://h/a\r\nX-Evil: 1", "control character"},
    {"http.url", "http://user:secret@h/x", "user name or password"},
    {"http.url", "http://h/{run_id}", "placeholder '{run_id}': known here are {prepared_id}, {invocation_id}, {var.NAME}"},
    {"http.method", "get", NULL},
    {"http.method", "QUERY", NULL},
    {"http.method", "", "http.method '' is no HTTP method"},
    {"http.method", "PO ST", "http.method 'PO ST' is no HTTP method"},
    {"http.method", "POST\r\nX: y", "http.method 'POST\\x0d\\x0aX: y' is no HTTP method"},
    {"http.method", "P\xC3\x96ST", "is no HTTP method"},
    {"http.method", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", "is no HTTP method"},
    {"http.method", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF", NULL},
    {"http.method", "Connect", "is answered by proxies alone"},
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
    {"http.poll_url_template", "http://{run_id}/x", "a placeholder in its host or port"},
    {"http.poll_terminal_states", "completed", NULL},
    {"http.poll_terminal_states", " , ,", "http.poll_terminal_states ' , ,' names no state"},
    {"http.poll_terminal_states", "done,failed", "no run could ever succeed: none of http.poll_success_states "
     "'completed' (the default) is among http.poll_terminal_states 'done,failed'"},
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
    {"http.poll_pending_codes", "99", "http.poll_pending_codes has '99', which is no HTTP status code from 200 to 599"},
    {"http.poll_pending_codes", "404,100", "http.poll_pending_codes has '100', which is no HTTP status code from 200 to 599"},
    {"http.poll_pending_codes", "199", "http.poll_pending_codes has '199', which is no HTTP status code from 200 to 599"},
    {"http.poll_pending_codes", "200", NULL},
    {"http.poll_pending_codes", "404,301",
     "http.poll_pending_codes has 301, a redirect, which is followed: name the codes of the answer that it leads to"},
    {"http.poll_pending_codes", "302", "http.poll_pending_codes has 302, a redirect"},
    {"http.poll_pending_codes", "303", "http.poll_pending_codes has 303, a redirect"},
    {"http.poll_pending_codes", "307", "http.poll_pending_codes has 307, a redirect"},
    {"http.poll_pending_codes", "308", "http.poll_pending_codes has 308, a redirect"},
    {"http.poll_pending_codes", "300,304", NULL},
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
    {"http.kickoff_max_retries", "0", NULL},
    {"http.kickoff_max_retries", "-1", "http.kickoff_max_retries '-1' is no whole number, 0 or more"},
    {"http.kickoff_max_retries", "", "is no whole number"},
    {"http.kickoff_accept_codes", "201, 202,409", NULL},
    {"http.kickoff_accept_codes", "304", NULL},
    {"http.kickoff_accept_codes", "", "http.kickoff_accept_codes '' names no code, so no kickoff could be accepted"},
    {"http.kickoff_accept_codes", "200,199",
     "http.kickoff_accept_codes has '199', which is no HTTP status code from 200 to 599"},
    {"http.kickoff_accept_codes", "2xx", "has '2xx'"},
    {"http.kickoff_accept_codes", "200,301", "http.kickoff_accept_codes has 301, a redirect, which is followed"},
    {"http.kickoff_accept_codes", "302", "has 302, a redirect"},
    {"http.kickoff_accept_codes", "303", "has 303, a redirect"},
    {"http.kickoff_accept_codes", "307", "has 307, a redirect"},
    {"http.kickoff_accept_codes", "308", "has 308, a redirect"},
    {"http.poll_pending_codes", "304", NULL},
    {"http.poll_url_header", "Operation-Location", NULL},
    {"http.poll_url_header", "Location:", "http.poll_url_header 'Location:' is no header name"},
    {"http.poll_method", "POST", NULL},
    {"http.poll_method", "GE T", "http.poll_method 'GE T' is no HTTP method"},
    {"http.poll_method", "connect", "is answered by proxies alone"},
    {"http.poll_method", "head", "is answered without a body"},
    {"http.poll_missing_status", "fail", NULL},
    {"http.poll_missing_status", "pending", NULL},
    {"http.poll_missing_status", "Pending", "http.poll_missing_status 'Pending' is neither 'fail' nor 'pending'"},
    {"http.poll_missing_status", "", "is neither"},
    {"http.poll_backoff_factor", "1", NULL},
    {"http.poll_backoff_factor", "1.0", NULL},
    {"http.poll_backoff_factor", "0.99", "http.poll_backoff_factor '0.99' is no decimal number, 1 or more"},
    {"http.poll_backoff_factor", "0", "is no decimal number, 1 or more"},
    {"http.poll_backoff_factor", "-2", "is no decimal number, 1 or more"},
    {"http.poll_backoff_factor", "two", "is no decimal number, 1 or more"},
    {"http.poll_backoff_factor", "inf", "is no decimal number, 1 or more"},
    {"http.poll_backoff_factor", "1e309", "is no decimal number, 1 or more"},
    {"http.poll_backoff_factor", "", "is no decimal number, 1 or more"},
    {"http.poll_max_interval_seconds", "0", NULL},
    {"http.poll_max_interval_seconds", "-1", "http.poll_max_interval_seconds '-1' is no decimal number of seconds"},
    {"http.poll_max_interval_seconds", "", "is no decimal number of seconds"},
    {"http.poll_pending_seconds", "0", NULL},
    {"http.poll_pending_seconds", "1m", "http.poll_pending_seconds '1m' is no decimal number of seconds"},
    {"http.late_run_id_path", "run.id", NULL},
    {"http.poll_error_path", "error.message, run.error", NULL},
    {"http.poll_error_path", "", NULL},
    {"http.result_path", "", NULL},
    {"http.result_url_template", "http://h/{run_id}", NULL},
    {"http.result_url_template", "http://h/{id}", "http.result_url_template has the placeholder '{id}'"},
    {"http.result_url_template", "/x", "http.result_url_template '/x' must be an absolute URL"},
    {"http.cancel_url_template", "http://h/{run_id}", NULL},
    {"http.cancel_url_template", "ftp://h", "http.cancel_url_template 'ftp://h' must be an absolute URL"},
    {"http.after_url_template", "http://h/{run_id}", NULL},
    {"http.after_url_template", "http://h/a b", "http.after_url_template 'http://h/a b' holds a space"},
    {"http.prepare_url", "http://h/{invocation_id}", NULL},
    {"http.prepare_url", "http://h:0/", "http.prepare_url 'http://h:0/' has no port behind its colon, or port 0"},
    {"rxp.start_before", "2026-07-31T12:00:00+02:00", NULL},
    {"rxp.start_before", "tomorrow", "rxp.start_before 'tomorrow' is no RFC 3339 time such as 2026-07-31T12:00:00Z"},
    {"rxp.start_before", "", "is no RFC 3339 time"},
    {"var.x", "", NULL},
    {"var.x y", "1", "metadata key 'var.x y' names no variable"},
    {"http.header.X-Api-Key", "a b\tc \xC3\xA9 ${secret:KEY}", NULL},
    {"http.header.Content-Type", "application/vnd.example+json", NULL},
    {"http.header.User-Agent", "me", NULL},
    {"http.header.", "1", "http.header. names no header"},
    {"http.header.X Y", "1", "http.header.X Y names no header"},
    {"http.header.X\r\nY", "1", "http.header.X\\x0d\\x0aY names no header"},
    {"http.header.X", "a\r\nY: 1", "http.header.X has a value with a control character in it"},
    {"http.header.X", "a\x7F", "http.header.X has a value with a control character in it"},
    {"http.header.host", "h", "http.header.host is a header that only the worker sets"},
    {"http.header.Content-Length", "1", "only the worker sets"},
    {"http.header.Transfer-Encoding", "chunked", "only the worker sets"},
    {"http.header.Connection", "close", "only the worker sets"},
    {"http.header.Keep-Alive", "1", "only the worker sets"},
    {"http.header.TE", "trailers", "only the worker sets"},
    {"http.header.Trailer", "X", "only the worker sets"},
    {"http.header.Upgrade", "h2c", "only the worker sets"},
    {"http.header.Expect", "100-continue", "only the worker sets"},
    {"http.header.Accept-Encoding", "gzip", "only the worker sets"},
    {"http.header.Proxy-Authorization", "Basic x", "only the worker sets"},
    {"http.header.PROXY-connection", "close", "only the worker sets"},
    {"http.header.idempotency-key", "mine", "http.header.idempotency-key is the header that carries the invocation_id: "
     "leave it out, or set http.idempotency_header to \"\""},
    {"http.idempotency_header", "Proxy-X", "may not set"},
    {"http.idempotency_header", "TE", "may not set"},
};

/* Of lists of states: they need the call that they are for. */
static const struct {
    const char *value;
    const char *sentence; /* behind the key; NULL: accepted */
} chosen[] = {
    {"failed, completed", NULL},
    {"*", NULL},
    {"failed,*", NULL},
    {"failed,done", " has 'done', which is not among http.poll_terminal_states"},
    {"Failed", " has 'Failed', which is not among"},
    {"", " '' names no state: '*' stands for all"},
    {" , ", " ' , ' names no state"},
};

START_TEST(states_after_which_more_is_called_are_terminal_ones)
{
    static const char *const keys[][2] = {{"http.result_states", "http.result_url_template"},
                                          {"http.after_states", "http.after_url_template"}};
    struct sample sample;
    struct rxp_http_plan plan;

    for (size_t i = 0; i < 2; i++) {
        char sentence[128];
        sample_init(&sample, RXP_KIND_HTTP_ASYNC);
        set(&sample, keys[i][1], "http://h/");
        set(&sample, keys[i][0], chosen[_i].value);
        if (chosen[_i].sentence != NULL) {
            snprintf(sentence, sizeof(sentence), "%s%s", keys[i][0], chosen[_i].sentence);
            assert_refused(&sample, RXP_ERROR_INVALID_METADATA, sentence);
            continue;
        }
        assert_made(&sample, &plan);
        bool all = strchr(chosen[_i].value, '*') != NULL;
        ck_assert(plan.result_states_all == (i == 0 && all));
        ck_assert(plan.after_states_all == (i == 0 || all));
        const struct rxp_words *states = i == 0 ? &plan.result_states : &plan.after_states;
        ck_assert(all || (states->n == 2 && rxp_words_has(states, "failed") && rxp_words_has(states, "completed")));
        rxp_http_plan_deinit(&plan);
    }
}
END_TEST

START_TEST(headers_are_kept_as_they_are_said)
{
    struct sample sample;
    struct rxp_http_plan plan;
    char keys[65][32];
    char *longest = malloc(8194);

    ck_assert_ptr_nonnull(longest);
    memset(longest, 'x', 8193);
    longest[8193] = '\0';
    sample_init(&sample, RXP_KIND_HTTP);
    set(&sample, "http.header.X-A", longest + 1);
    set(&sample, "http.header.X-B", "${secret:NAME}");
    set(&sample, "http.header.X-None", "");
    set(&sample, "http.header.Idempotency-Key", " \t");
    assert_made(&sample, &plan);
    ck_assert_uint_eq(plan.n_headers, 2);
    ck_assert_str_eq(plan.headers[0].name, "X-A");
    ck_assert_str_eq(plan.headers[1].name, "X-B");
    ck_assert_str_eq(plan.headers[1].value, "${secret:NAME}");
    ck_assert(!plan.headers[0].from_defaults);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.header.x-a", "1");
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.header.x-a is there twice");
    set(&sample, "http.header.x-a", NULL);
    set(&sample, "http.header.X-A", longest);
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.header.X-A has a value of more than 8192 bytes");

    sample_init(&sample, RXP_KIND_HTTP);
    for (int i = 0; i < 65; i++) {
        snprintf(keys[i], sizeof(keys[i]), "http.header.X-%d", i);
        if (i == 64) {
            assert_made(&sample, &plan);
            ck_assert_uint_eq(plan.n_headers, 64);
            rxp_http_plan_deinit(&plan);
        }
        set(&sample, keys[i], "1");
    }
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.header.X-64 is one header too many: 64 may be set");
    free(longest);
}
END_TEST

START_TEST(a_factor_is_kept_and_capped)
{
    static const struct {
        const char *text;
        double factor;
    } factors[] = {{"1", 1},         {"1.5", 1.5},       {"2.000", 2}, {"10", 10},
                   {"1.05e1", 10.5}, {"1000000", 1e6},   {"1e300", 1e6}, {"999999.5", 999999.5},
                   {"0001.25", 1.25}, {"1.0000000000000000000000001", 1}};
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
        set(&sample, "http.poll_backoff_factor", factors[i].text);
        assert_made(&sample, &plan);
        ck_assert_double_eq_tol(plan.poll_backoff_factor, factors[i].factor, 1e-9);
        rxp_http_plan_deinit(&plan);
    }
}
END_TEST

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
    int status = rxp_http_plan_make(&sample.invocation, NULL, &plan, &why);
    ck_assert_msg(status == 0, "%s '%s': %s", rows[_i].key, rows[_i].value, why.text);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(an_interval_is_kept_in_milliseconds_and_capped)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.poll_interval_seconds", "0.05");
    assert_made(&sample, &plan);
    ck_assert_int_eq(plan.poll_interval_ms, 50);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.poll_interval_seconds", "1e308");
    assert_made(&sample, &plan);
    ck_assert_int_eq(plan.poll_interval_ms, RXP_MAX_MS);
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
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.poll_url_template has the path segment '{invocation_id}', which comes out as '..' and would name another "
                   "resource");
}
END_TEST

START_TEST(a_form_body_is_sent_url_encoded)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.body_format", "form");
    set(&sample, "http.body", " {\"a\": [1, \"x y\"], \"b\": null} ");
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.kickoff.body, "a=1&a=x+y&b=");
    ck_assert_uint_eq(plan.kickoff.body_bytes, strlen(plan.kickoff.body));
    ck_assert_str_eq(rxp_http_call_content_type(&plan.kickoff), "application/x-www-form-urlencoded");
    rxp_http_plan_deinit(&plan);

    set(&sample, "http.body", "{}");
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.kickoff.body, "");
    ck_assert_uint_eq(plan.kickoff.body_bytes, 0);
    ck_assert_str_eq(rxp_http_call_content_type(&plan.kickoff), "application/x-www-form-urlencoded");
    rxp_http_plan_deinit(&plan);

    set(&sample, "http.body", "{\"a\": {}}");
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "'a' in it holds an object: a form is flat");
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
    ck_assert_str_eq(plan.kickoff.method, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF");
    ck_assert_uint_eq(plan.terminal_states.n, 256);
    ck_assert_uint_eq(plan.success_states.n, 256);
    ck_assert_uint_eq(plan.pending_codes.n, 256);
    ck_assert_str_eq(plan.terminal_states.word[255], "completed");
    ck_assert_int_eq(plan.pending_codes.code[255], 404);
    ck_assert_str_eq(plan.kickoff.body, "a=%C3%A9");
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

/* Each costs a walk through an answer. */
START_TEST(sixteen_error_paths_fit_and_no_more)
{
    char *paths = repeat("a.b,", 16, "");
    char *more = repeat("a.b,", 17, "");
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.poll_error_path", paths);
    assert_made(&sample, &plan);
    ck_assert_uint_eq(plan.error_paths.n, 16);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.poll_error_path", more);
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "has more than 16 paths");
    free(more);
    free(paths);
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
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.poll_url_template could become longer than 16384 bytes");
    text[9 + 10 * 8] = '\0';
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
    snprintf(text, sizeof(text), "http://h/%s", ids);
    sample.invocation.invocation_id = long_id;
    set(&sample, "http.idempotency_header", ""); /* whose limit is stricter */
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
                   "invocation_id needs 4097 bytes, percent-encoded, more than the 4096 that may be sent in the header "
                   "Idempotency-Key");
    set(&sample, "http.idempotency_header", "");
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.idempotency_header", "X");
    id[4096] = '\0';
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
    /* percent-encoded, as it is sent */
    id[4095] = '%';
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "invocation_id needs 4098 bytes, percent-encoded, more than");
    memcpy(id + 4092, "\xC3\xA9", 3);
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "needs 4098 bytes");
    memcpy(id + 4090, "\xC3\xA9", 3);
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
    free(id);
}
END_TEST

/* What is published as an example runs. */
START_TEST(the_examples_have_plans)
{
    glob_t files;
    static char text[65536];

    ck_assert_int_eq(glob(SOURCE_DIR "/protocol/examples/invocation-*.json", 0, NULL, &files), 0);
    ck_assert_uint_ge(files.gl_pathc, 4);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct rxp_invocation *invocation;
        struct rxp_http_plan plan;
        struct rxp_refusal why;
        FILE *file = fopen(files.gl_pathv[i], "rb");
        ck_assert_ptr_nonnull(file);
        size_t bytes = fread(text, 1, sizeof(text), file);
        fclose(file);
        ck_assert_int_eq(rxp_invocation_parse(text, bytes, sizeof(text), &invocation, &why), 0);
        ck_assert_msg(rxp_http_plan_make(invocation, NULL, &plan, &why) == 0, "%s: %s", files.gl_pathv[i], why.text);
        rxp_http_plan_deinit(&plan);
        rxp_invocation_free(invocation);
    }
    globfree(&files);
}
END_TEST

static TCase *values_case(void)
{
    TCase *tcase = tcase_create("values");

    tcase_add_loop_test(tcase, each_value_keeps_the_rule_of_its_key, 0, ROWS(rows));
    tcase_add_loop_test(tcase, states_after_which_more_is_called_are_terminal_ones, 0, ROWS(chosen));
    tcase_add_test(tcase, headers_are_kept_as_they_are_said);
    tcase_add_test(tcase, a_factor_is_kept_and_capped);
    tcase_add_test(tcase, an_interval_is_kept_in_milliseconds_and_capped);
    tcase_add_test(tcase, a_locale_with_a_decimal_comma_changes_nothing);
    tcase_add_test(tcase, a_huge_failure_budget_is_capped);
    tcase_add_test(tcase, an_empty_idempotency_header_turns_it_off);
    tcase_add_test(tcase, an_id_that_would_break_out_of_its_header_is_refused);
    tcase_add_test(tcase, an_id_that_is_a_step_in_a_path_is_refused_in_a_template);
    tcase_add_test(tcase, a_form_body_is_sent_url_encoded);
    tcase_add_test(tcase, lists_of_256_items_fit_and_longer_ones_are_refused);
    tcase_add_test(tcase, sixteen_error_paths_fit_and_no_more);
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
    tcase_add_test(tcase, a_path_to_the_run_id_is_kept_where_no_call_wants_one);
    tcase_add_test(tcase, the_examples_have_plans);
    tcase_add_test(tcase, kind_http_ignores_what_is_said_of_polls);
    suite_add_tcase(suite, tcase);
    suite_add_tcase(suite, values_case());
    return suite;
}
