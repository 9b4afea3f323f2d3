#include "protocol/json.h"
#include "protocol/url.h"
#include "support/plan_stage.h"

#include <stdlib.h>

START_TEST(every_call_is_read)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "var.team", "blue & green");
    set(&sample, "http.url", "https://api.example/{var.team}/{prepared_id}?i={invocation_id}");
    set(&sample, "http.prepare_url", "https://api.example/conversations/{invocation_id}");
    set(&sample, "http.prepare_method", "put");
    set(&sample, "http.prepare_body", "{\"team\":\"{var.team}\",\"for\":\"{invocation_id}\"}");
    set(&sample, "http.prepare_id_path", "conversation.id");
    set(&sample, "http.body", "{\"in\":\"{prepared_id}\",\"team\":\"{var.team}\",\"as\":\"{invocation_id} {var.other}\"}");
    set(&sample, "http.poll_url_template", "https://api.example/{prepared_id}/runs/{run_id}");
    set(&sample, "http.poll_method", "post");
    set(&sample, "http.result_url_template", "https://api.example/runs/{run_id}/events");
    set(&sample, "http.cancel_url_template", "https://api.example/runs/{run_id}/cancel");
    set(&sample, "http.cancel_method", "delete");
    set(&sample, "http.cancel_body", "{\"run\":\"{run_id}\",\"id\":\"{prepared_id}\"}");
    set(&sample, "http.after_url_template", "https://api.example/runs/{invocation_id}/abandon");
    set(&sample, "http.after_body", "\"{run_id}\"");
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.kickoff.url, "https://api.example/blue%20%26%20green/{prepared_id}?i=inv-1");
    ck_assert(!plan.kickoff.url_has_run_id && plan.kickoff.url_has_prepared_id && plan.kickoff.body_has_prepared_id);
    ck_assert_str_eq(plan.kickoff.body,
                     "{\"in\":\"{prepared_id}\",\"team\":\"blue & green\",\"as\":\"{invocation_id} {var.other}\"}");
    ck_assert_uint_eq(plan.kickoff.body_bytes, strlen(plan.kickoff.body));
    ck_assert_str_eq(plan.prepare.url, "https://api.example/conversations/inv-1");
    ck_assert_str_eq(plan.prepare.method, "PUT");
    ck_assert_str_eq(plan.prepare.body, "{\"team\":\"blue & green\",\"for\":\"inv-1\"}");
    ck_assert(!plan.prepare.url_has_prepared_id && !plan.prepare.body_has_run_id);
    ck_assert_str_eq(plan.prepared_id_path, "conversation.id");
    ck_assert_str_eq(plan.poll.url, "https://api.example/{prepared_id}/runs/{run_id}");
    ck_assert(plan.poll.url_has_run_id && plan.poll.url_has_prepared_id);
    ck_assert_str_eq(plan.poll.method, "POST");
    ck_assert_str_eq(plan.result.url, "https://api.example/runs/{run_id}/events");
    ck_assert_str_eq(plan.result.method, "GET");
    ck_assert_str_eq(plan.cancel.method, "DELETE");
    ck_assert_str_eq(plan.cancel.body, "{\"run\":\"{run_id}\",\"id\":\"{prepared_id}\"}");
    ck_assert(plan.cancel.url_has_run_id && plan.cancel.body_has_run_id && plan.cancel.body_has_prepared_id);
    ck_assert_str_eq(plan.after.url, "https://api.example/runs/inv-1/abandon");
    ck_assert_str_eq(plan.after.method, "POST");
    ck_assert(!plan.after.url_has_run_id && plan.after.body_has_run_id);
    ck_assert_uint_eq(plan.n_named, 6);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(a_call_that_is_not_named_is_not_made)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    assert_made(&sample, &plan);
    ck_assert_ptr_null(plan.prepare.url);
    ck_assert_ptr_null(plan.result.url);
    ck_assert_ptr_null(plan.cancel.url);
    ck_assert_ptr_null(plan.after.url);
    ck_assert_str_eq(plan.poll.method, "GET");
    ck_assert_ptr_null(plan.prepared_id_path);
    ck_assert_ptr_null(plan.late_run_id_path);
    ck_assert_uint_eq(plan.n_headers, 0);
    rxp_http_plan_deinit(&plan);
}
END_TEST

/* Up to three changes to what works, and the sentence; NULL: accepted. */
static const struct {
    const char *change[6];
    enum rxp_error error;
    const char *sentence;
} crossed[] = {
    {{"http.url", "http://h/{prepared_id}"}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.prepare_url', for {prepared_id} in http.url"},
    {{"http.url", "http://h/{prepared_id}", "http.prepare_url", "http://h/"}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.prepare_id_path', for {prepared_id} in http.url"},
    {{"http.url", "http://h/{prepared_id}", "http.prepare_url", "http://h/", "http.prepare_id_path", "id"}, RXP_OK, NULL},
    {{"http.body", "\"{prepared_id}\""}, RXP_OK, NULL},
    {{"http.body", "\"{prepared_id}\"", "http.prepare_url", "http://h/"}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.prepare_id_path', for {prepared_id} in http.body"},
    {{"http.cancel_url_template", "http://h/", "http.cancel_body", "\"{prepared_id}\""}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.prepare_url', for {prepared_id} in http.cancel_body"},
    {{"http.result_url_template", "http://h/{prepared_id}"}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.prepare_url', for {prepared_id} in http.result_url_template"},
    {{"http.prepare_url", "http://h/{prepared_id}"}, RXP_ERROR_INVALID_METADATA,
     "http.prepare_url has the placeholder '{prepared_id}': known here are {invocation_id}, {var.NAME}"},
    {{"http.prepare_url", "http://h/", "http.prepare_body", "\"{prepared_id}\""}, RXP_ERROR_INVALID_METADATA,
     "http.prepare_body has the placeholder '{prepared_id}': known here are {invocation_id}, {var.NAME}; a brace of the "
     "text's own is written \\u007b"},
    {{"http.prepare_url", "http://h/"}, RXP_OK, NULL},
    {{"http.prepare_body", "{}"}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.prepare_url', without which http.prepare_body means nothing"},
    {{"http.prepare_method", "PUT"}, RXP_ERROR_MISSING_METADATA, "without which http.prepare_method means nothing"},
    {{"http.prepare_id_path", "id"}, RXP_ERROR_MISSING_METADATA, "without which http.prepare_id_path means nothing"},
    {{"http.cancel_body", "{}"}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.cancel_url_template', without which http.cancel_body means nothing"},
    {{"http.cancel_method", "PUT"}, RXP_ERROR_MISSING_METADATA, "without which http.cancel_method means nothing"},
    {{"http.after_method", "PUT"}, RXP_ERROR_MISSING_METADATA, "without which http.after_method means nothing"},
    {{"http.after_body", "{}"}, RXP_ERROR_MISSING_METADATA, "without which http.after_body means nothing"},
    {{"http.after_states", "*"}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.after_url_template', without which http.after_states means nothing"},
    {{"http.result_states", "*"}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.result_url_template', without which http.result_states means nothing"},
    {{"http.cancel_body", "{}", "http.cancel_url_template", ""}, RXP_OK, NULL},
    /* run ids */
    {{"http.poll_run_id_path", NULL}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.poll_run_id_path', for {run_id} in http.poll_url_template"},
    {{"http.poll_run_id_path", NULL, "http.late_run_id_path", "run.id"}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.poll_run_id_path', for {run_id} in http.poll_url_template: what http.late_run_id_path leads "
     "to is only seen by polls"},
    {{"http.poll_run_id_path", NULL, "http.poll_url_template", "http://h/", "http.result_url_template",
      "http://h/{run_id}"},
     RXP_ERROR_MISSING_METADATA, "missing metadata 'http.poll_run_id_path', for {run_id} in http.result_url_template"},
    {{"http.poll_url_template", "http://h/", "http.result_url_template", "http://h/{run_id}"}, RXP_OK, NULL},
    {{"http.url", "http://h/{run_id}"}, RXP_ERROR_INVALID_METADATA, "http.url has the placeholder '{run_id}'"},
    {{"http.url", "http://h/{+run_id}"}, RXP_ERROR_INVALID_METADATA,
     "http.url has the placeholder '{+run_id}': known here are {prepared_id}, {invocation_id}, {var.NAME}; in its path also "
     "{+prepared_id}, {+var.NAME}"},
    {{"http.poll_run_id_path", NULL, "http.poll_url_template", "http://h/{+run_id}"}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.poll_run_id_path', for {run_id} in http.poll_url_template"},
    {{"http.cancel_url_template", "http://h/{+prepared_id}"}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.prepare_url', for {prepared_id} in http.cancel_url_template"},
    {{"http.cancel_url_template", "http://h/?a={+run_id}"}, RXP_ERROR_INVALID_METADATA,
     "http.cancel_url_template has '{+run_id}' in its query or fragment"},
    {{"http.cancel_url_template", "http://h/{+invocation_id}"}, RXP_ERROR_INVALID_METADATA, "the placeholder '{+invocation_id}'"},
    {{"http.url", "http://h/{+var.x}"}, RXP_ERROR_MISSING_METADATA, "missing metadata 'var.x', for http.url"},
    {{"http.url", "http://h/{+var.x}", "var.x", "a/b"}, RXP_OK, NULL},
    {{"http.url", "http://h/{+var.x}", "var.x", "a/\n"}, RXP_ERROR_INVALID_METADATA, "var.x holds a control character"},
    {{"http.url", "http://h/{+var.x}", "var.x", "a/../b"}, RXP_ERROR_INVALID_METADATA,
     "http.url has '{+var.x}', which comes out with the path segment '..' and would name another resource"},
    {{"http.url", "http://h/{+var.x}", "var.x", ".."}, RXP_ERROR_INVALID_METADATA,
     "http.url has the path segment '{+var.x}', which comes out as '..'"},
    {{"http.poll_url_template", "http://h/{+var.x}{run_id}", "var.x", "../"}, RXP_ERROR_INVALID_METADATA,
     "http.poll_url_template has '{+var.x}{run_id}', which comes out with the path segment '..'"},
    {{"http.after_url_template", "http://h/", "http.after_body", "\"{+run_id}\""}, RXP_ERROR_INVALID_METADATA,
     "http.after_body has the placeholder '{+run_id}': known here are {run_id}"},
    {{"http.prepare_url", "http://h/{run_id}"}, RXP_ERROR_INVALID_METADATA, "has the placeholder '{run_id}'"},
    /* the poll URL */
    {{"http.poll_url_template", NULL}, RXP_ERROR_MISSING_METADATA, "missing metadata 'http.poll_url_template'"},
    {{"http.poll_url_template", NULL, "http.poll_url_header", "Location"}, RXP_OK, NULL},
    {{"http.poll_url_template", "", "http.poll_url_header", "Location"}, RXP_OK, NULL},
    {{"http.poll_url_template", NULL, "http.poll_url_header", ""}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'http.poll_url_template'"},
    /* bodies */
    {{"http.after_url_template", "http://h/", "http.after_body", "\"{name}\""}, RXP_ERROR_INVALID_METADATA,
     "http.after_body has the placeholder '{name}': known here are {run_id}, {prepared_id}, {invocation_id}, {var.NAME}; "
     "a brace of the text's own is written \\u007b"},
    {{"http.after_url_template", "http://h/", "http.after_body", "\"\\u007bname} { name }\""}, RXP_OK, NULL},
    {{"http.after_url_template", "http://h/", "http.after_body", ""}, RXP_ERROR_INVALID_METADATA,
     "http.after_body is empty, which is no JSON text: leave it out to send no body"},
    {{"http.after_url_template", "http://h/", "http.after_body", "{\"a\":{run_id}}"}, RXP_ERROR_INVALID_METADATA,
     "http.after_body is not valid JSON"},
    {{"http.cancel_url_template", "http://h/", "http.cancel_body", "\"{var.x}\""}, RXP_ERROR_MISSING_METADATA,
     "missing metadata 'var.x', for http.cancel_body"},
    {{"http.body", "\"{var.x} {name} {run_id}\""}, RXP_OK, NULL},
    {{"http.cancel_url_template", "http://h/", "http.cancel_body", "\"{{var.x}\"", "var.x", "{"}, RXP_OK, NULL},
    {{"http.cancel_url_template", "http://h/", "http.cancel_body", "\"{run_id} {{var.x}}\"", "var.x", "run_id"},
     RXP_ERROR_INVALID_METADATA, "http.cancel_body has a variable within braces that would make it a placeholder"},
    {{"http.cancel_url_template", "http://h/", "http.cancel_body", "\"{run_id} {{var.x}run_id}\"", "var.x", ""},
     RXP_ERROR_INVALID_METADATA, "would make it a placeholder"},
    /* segments */
    {{"http.url", "http://h/{var.x}/y", "var.x", ".."}, RXP_ERROR_INVALID_METADATA,
     "http.url has the path segment '{var.x}', which comes out as '..' and would name another resource"},
    {{"http.url", "http://h/%2E{var.x}", "var.x", "."}, RXP_ERROR_INVALID_METADATA, "which comes out as '..'"},
    {{"http.url", "http://h/{var.x}/y", "var.x", ""}, RXP_ERROR_INVALID_METADATA, "which comes out as ''"},
    {{"http.url", "http://h/?{var.x}/y", "var.x", ""}, RXP_OK, NULL},
    {{"http.cancel_url_template", "http://h/a/{var.x}", "var.x", "."}, RXP_ERROR_INVALID_METADATA,
     "http.cancel_url_template has the path segment"},
    {{"http.url", "http://h/{var.x}", "var.x", "a\rb"}, RXP_ERROR_INVALID_METADATA,
     "var.x holds a control character, so it can't stand in http.url"},
    {{"http.url", "http://h/%{var.x}", "var.x", "2e"}, RXP_ERROR_INVALID_METADATA, "within a percent escape"},
    {{"http.body", "\"{var.x}\"", "var.x", "a\r\nb"}, RXP_OK, NULL},
    {{"http.url", "http://{var.x}/", "var.x", "h"}, RXP_ERROR_INVALID_METADATA, "a placeholder in its host or port"},
    {{"http.poll_method", "HEAD"}, RXP_ERROR_INVALID_METADATA,
     "http.poll_method 'HEAD' is answered without a body to read a status from"},
};

START_TEST(keys_that_belong_together_are_held_against_each_other)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    for (size_t i = 0; i < 6 && crossed[_i].change[i] != NULL; i += 2)
        set(&sample, crossed[_i].change[i], crossed[_i].change[i + 1]);
    if (crossed[_i].sentence != NULL) {
        assert_refused(&sample, crossed[_i].error, crossed[_i].sentence);
        return;
    }
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(a_path_to_the_run_id_counts_whoever_wants_one)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.poll_url_template", "http://h/static");
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.run_id_path, "data.id");
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.after_url_template", "http://h/");
    set(&sample, "http.after_body", "\"{run_id}\"");
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.run_id_path, "data.id");
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.poll_run_id_path", NULL);
    set(&sample, "http.late_run_id_path", "run.id");
    assert_made(&sample, &plan);
    ck_assert_ptr_null(plan.run_id_path);
    ck_assert_str_eq(plan.late_run_id_path, "run.id");
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(a_body_of_a_profile_is_a_template_and_one_of_a_message_is_itself)
{
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP);
    set(&sample, "http.body", " {\"a\":\"{invocation_id} {var.x}\"} ");
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.kickoff.body, sample.pair[1].value);
    rxp_http_plan_deinit(&plan);
    set(&sample, "var.x", "\"quoted\" {prepared_id}");
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.kickoff.body, " {\"a\":\"{invocation_id} \\\"quoted\\\" \\u007bprepared_id}\"} ");
    rxp_http_plan_deinit(&plan);
    set_default(&sample, "http.body", "{\"a\":\"{invocation_id} {var.x} {name}\"}");
    set(&sample, "http.body", NULL);
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.kickoff.body, "{\"a\":\"inv-1 \\\"quoted\\\" \\u007bprepared_id} {name}\"}");
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(a_form_waits_for_what_is_filled_later)
{
    struct sample sample;
    struct rxp_http_plan plan;
    const char *body;
    char *owned;
    size_t bytes;

    sample_init(&sample, RXP_KIND_HTTP);
    set(&sample, "http.body_format", "form");
    set(&sample, "http.body", "{\"a\":\"{var.x}\",\"b\":\"{prepared_id}\"}");
    set(&sample, "var.x", "1&b=2 \"");
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.kickoff.body, "a=1%26b%3D2+%22&b=%7Bprepared_id%7D");
    ck_assert(!plan.kickoff.body_has_prepared_id);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.prepare_url", "http://h/");
    set(&sample, "http.prepare_id_path", "id");
    assert_made(&sample, &plan);
    ck_assert(plan.kickoff.body_has_prepared_id);
    const struct rxp_fills fills = {.prepared_id = "c/1&"};
    ck_assert_int_eq(rxp_http_call_body(&plan.kickoff, &fills, &body, &bytes, &owned), 0);
    ck_assert_str_eq(body, "a=1%26b%3D2+%22&b=c%2F1%26");
    free(owned);
    rxp_http_plan_deinit(&plan);
}
END_TEST

static char *repeat(const char *unit, size_t n, const char *begin, const char *end)
{
    size_t bytes = strlen(unit);
    char *text = malloc(strlen(begin) + n * bytes + strlen(end) + 1);

    ck_assert_ptr_nonnull(text);
    strcpy(text, begin);
    for (size_t i = 0; i < n; i++)
        memcpy(text + strlen(begin) + i * bytes, unit, bytes);
    strcpy(text + strlen(begin) + n * bytes, end);
    return text;
}

START_TEST(what_placeholders_make_longer_has_a_limit)
{
    char *value = repeat("x", 100000, "", "");
    char *spaces = repeat(" ", 5400, "", "");
    char *body = repeat("{var.x}", 100, "\"", "\"");
    char *ids = repeat("{prepared_id}", 2800, "\"", "\"");
    char *plain = repeat("x", (size_t)9 << 20, "\"", "\"");
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP);
    set(&sample, "http.prepare_url", "http://h/");
    set(&sample, "http.prepare_id_path", "id");
    set(&sample, "var.x", value);
    set(&sample, "http.body", body);
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA,
                   "http.body could become longer than 8 MiB with its placeholders filled");
    body[1 + 80 * 7] = '"';
    body[2 + 80 * 7] = '\0';
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.body repeats variables too often");
    body[1 + 4 * 7] = '"';
    body[2 + 4 * 7] = '\0';
    assert_made(&sample, &plan);
    ck_assert_uint_eq(plan.kickoff.body_bytes, 400002);
    ck_assert_uint_gt(plan.owned_bytes, 400002);
    ck_assert_uint_lt(plan.owned_bytes, 402000);
    rxp_http_plan_deinit(&plan);
    /* Four times what message and profile hold: five would be too often for the message alone. */
    body[1 + 4 * 7] = '{';
    body[2 + 4 * 7] = 'v';
    body[1 + 5 * 7] = '"';
    body[2 + 5 * 7] = '\0';
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.body repeats variables too often");
    set_default(&sample, "var.y", value);
    assert_made(&sample, &plan);
    ck_assert_uint_eq(plan.kickoff.body_bytes, 500002);
    rxp_http_plan_deinit(&plan);
    sample.has_defaults = false;
    body[1 + 4 * 7] = '"';
    body[2 + 4 * 7] = '\0';
    /* All bodies together. */
    set(&sample, "http.prepare_body", body);
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.prepare_body repeats variables too often");
    set(&sample, "http.prepare_body", NULL);
    set(&sample, "http.body", ids);
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "could become longer than 8 MiB");
    ids[1 + 2700 * 13] = '"';
    ids[2 + 2700 * 13] = '\0';
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
    /* As a form each byte may become three. */
    ids[1 + 900 * 13] = '"';
    ids[2 + 900 * 13] = '\0';
    char *form = repeat(ids, 1, "{\"a\":", "}");
    set(&sample, "http.body", form);
    set(&sample, "http.body_format", "form");
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
    ids[1 + 900 * 13] = '{';
    ids[2 + 900 * 13] = 'p';
    ids[1 + 920 * 13] = '"';
    ids[2 + 920 * 13] = '\0';
    free(form);
    form = repeat(ids, 1, "{\"a\":", "}");
    set(&sample, "http.body", form);
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "could become longer than 8 MiB");
    set(&sample, "http.body_format", NULL);
    free(form);
    /* One that is sent as it is has the limit of messages alone. */
    set(&sample, "http.body", plain);
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.body", NULL);
    set(&sample, "http.url", "http://h/{var.x}");
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.url could become longer than 16384 bytes");
    set(&sample, "var.x", spaces);
    assert_made(&sample, &plan);
    ck_assert_uint_eq(strlen(plan.kickoff.url), 9 + 3 * 5400);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.url", "http://h/{var.x}/{prepared_id}");
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.url could become longer than 16384 bytes");
    free(value);
    free(spaces);
    free(body);
    free(ids);
    free(plain);
}
END_TEST

START_TEST(kind_http_takes_the_calls_that_no_poll_is_needed_for)
{
    static const char *const ignored[] = {"http.result_url_template", "http.after_url_template", "http.after_method",
                                          "http.after_states",        "http.result_states",      "http.poll_method",
                                          "http.poll_url_header",     "http.late_run_id_path",   "http.poll_error_path",
                                          "http.poll_backoff_factor", "http.kickoff_accept_codes"};
    struct sample sample;
    struct rxp_http_plan plan;

    sample_init(&sample, RXP_KIND_HTTP);
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        set(&sample, ignored[i], "{no sense}");
    set(&sample, "http.prepare_url", "http://h/p");
    set(&sample, "http.prepare_id_path", "id");
    set(&sample, "http.cancel_url_template", "http://h/{prepared_id}/{invocation_id}");
    set(&sample, "http.kickoff_max_retries", "2");
    assert_made(&sample, &plan);
    ck_assert_str_eq(plan.prepare.url, "http://h/p");
    ck_assert_str_eq(plan.cancel.url, "http://h/{prepared_id}/inv-1");
    ck_assert_ptr_null(plan.result.url);
    ck_assert_ptr_null(plan.after.url);
    ck_assert_ptr_null(plan.poll_url_header);
    ck_assert_ptr_null(plan.late_run_id_path);
    ck_assert_int_eq(plan.kickoff_max_retries, 2);
    ck_assert_uint_eq(plan.n_named, 3);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.after_url_template", NULL);
    set(&sample, "http.result_url_template", NULL);
    assert_made(&sample, &plan);
    rxp_http_plan_deinit(&plan);
    set(&sample, "http.cancel_url_template", "http://h/{run_id}");
    assert_refused(&sample, RXP_ERROR_INVALID_METADATA, "http.cancel_url_template has the placeholder '{run_id}'");
    set(&sample, "http.cancel_url_template", NULL);
    set(&sample, "http.cancel_body", "{}");
    assert_refused(&sample, RXP_ERROR_MISSING_METADATA, "missing metadata 'http.cancel_url_template'");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("http_plan_calls");
    TCase *tcase = tcase_create("http_plan_calls");

    tcase_add_test(tcase, every_call_is_read);
    tcase_add_test(tcase, a_call_that_is_not_named_is_not_made);
    tcase_add_loop_test(tcase, keys_that_belong_together_are_held_against_each_other, 0, ROWS(crossed));
    tcase_add_test(tcase, a_path_to_the_run_id_counts_whoever_wants_one);
    tcase_add_test(tcase, a_body_of_a_profile_is_a_template_and_one_of_a_message_is_itself);
    tcase_add_test(tcase, a_form_waits_for_what_is_filled_later);
    tcase_add_test(tcase, what_placeholders_make_longer_has_a_limit);
    tcase_add_test(tcase, kind_http_takes_the_calls_that_no_poll_is_needed_for);
    suite_add_tcase(suite, tcase);
    return suite;
}
