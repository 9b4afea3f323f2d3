#include "engine/trace_context.h"
#include "support/runner_stage.h"

#include <strings.h>

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-"

static struct trace_context *make(const char *state)
{
    const struct trace_source source = {.topic = "in", .partition = 0, .offset = 1};
    const char *parent = TRACE "b7ad6b7169203331-01";
    struct trace_context *context;
    ck_assert_int_eq(trace_context_read(parent, strlen(parent), state, state != NULL ? strlen(state) : 0, &source, &context), 0);
    ck_assert_ptr_nonnull(context);
    return context;
}

static const char *header_of(const struct transfer *transfer, const char *name)
{
    size_t bytes = strlen(name);
    for (size_t i = 0; i < transfer->n_headers; i++) {
        if (strncasecmp(transfer->header[i], name, bytes) == 0 && transfer->header[i][bytes] == ':') {
            return transfer->header[i] + bytes + 2;
        }
    }
    return "";
}

static void check_parent(const struct transfer *transfer)
{
    const char *parent = header_of(transfer, "traceparent");
    ck_assert_msg(strncmp(parent, TRACE, strlen(TRACE)) == 0, "%s %s: %s", transfer->method, transfer->url, parent);
    ck_assert_uint_eq(strlen(parent), TRACE_PARENT_BYTES - 1);
    ck_assert_ptr_null(strstr(parent, "b7ad6b7169203331"));
}

START_TEST(each_request_of_a_traced_run_is_a_span_of_its_own)
{
    struct trace_context *trace = make("a=1");
    struct subject *subject = subject_new();
    subject->trace = trace;
    subject->metadata = ",\"http.cancel_url_template\":\"http://b.example/runs/{run_id}/stop\"";
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"running\"}");
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    ck_assert_uint_eq(n_transfers, 3);
    begin(last());
    for (size_t i = 0; i < n_transfers; i++) {
        check_parent(&transfers[i]);
        ck_assert_str_eq(header_of(&transfers[i], "tracestate"), "a=1");
        for (size_t k = 0; k < i; k++) {
            ck_assert_str_ne(header_of(&transfers[i], "traceparent"), header_of(&transfers[k], "traceparent"));
        }
    }
    answer(last(), 200, "");
    trace_context_free(trace);
}
END_TEST

START_TEST(without_a_tracestate_none_is_sent)
{
    struct trace_context *trace = make(NULL);
    struct subject *subject = subject_new();
    subject->trace = trace;
    kick_off(subject);
    check_parent(last());
    ck_assert_str_eq(header_of(last(), "tracestate"), "");
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    trace_context_free(trace);
}
END_TEST

START_TEST(the_trace_goes_nowhere_that_the_message_does_not_name)
{
    struct trace_context *trace = make(NULL);
    struct subject *subject = subject_new();
    subject->trace = trace;
    subject->metadata = ",\"http.poll_url_header\":\"Location\"";
    submit(subject);
    turn();
    begin(last());
    check_parent(last());
    answer_with(last(), 202, "{\"id\":\"r1\"}", NULL, "http://elsewhere.example/runs/r1");
    ck_assert_str_eq(last()->url, "http://elsewhere.example/runs/r1");
    begin(last());
    ck_assert_str_eq(header_of(last(), "traceparent"), "");
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    trace_context_free(trace);
}
END_TEST

START_TEST(a_traceparent_that_the_message_names_itself_wins)
{
    struct trace_context *trace = make("a=1");
    struct subject *subject = subject_new();
    subject->trace = trace;
    subject->metadata = ",\"http.header.TraceParent\":\"mine\",\"http.cancel_url_template\":\"http://b.example/stop\"";
    kick_off(subject);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    begin(last());
    for (size_t i = 0; i < n_transfers; i++) {
        ck_assert_str_eq(header_of(&transfers[i], "traceparent"), "mine");
        ck_assert_str_eq(header_of(&transfers[i], "tracestate"), "");
    }
    answer(last(), 200, "");
    trace_context_free(trace);
}
END_TEST

START_TEST(what_a_tracestate_says_is_no_name_of_a_secret)
{
    struct trace_context *trace = make("a=${secret:KEY}");
    struct subject *subject = subject_new();
    subject->trace = trace;
    subject->metadata = ",\"http.cancel_url_template\":\"http://b.example/stop\"";
    kick_off(subject);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    begin(last());
    for (size_t i = 0; i < n_transfers; i++) {
        ck_assert_str_eq(header_of(&transfers[i], "tracestate"), "a=${secret:KEY}");
    }
    answer(last(), 200, "");
    trace_context_free(trace);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner trace");
    TCase *tcase = tcase_create("runner trace");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_request_of_a_traced_run_is_a_span_of_its_own);
    tcase_add_test(tcase, without_a_tracestate_none_is_sent);
    tcase_add_test(tcase, the_trace_goes_nowhere_that_the_message_does_not_name);
    tcase_add_test(tcase, a_traceparent_that_the_message_names_itself_wins);
    tcase_add_test(tcase, what_a_tracestate_says_is_no_name_of_a_secret);
    suite_add_tcase(suite, tcase);
    return suite;
}
