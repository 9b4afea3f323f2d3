#include "engine/trace_context.h"
#include "support/check_main.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define COUNT(rows) (int)(sizeof(rows) / sizeof((rows)[0]))
#define ID "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static const struct trace_source source = {.topic = "in", .partition = 3, .offset = 77};

static struct trace_context *read_from(const char *traceparent, const char *tracestate, const struct trace_source *from)
{
    struct trace_context *context;
    ck_assert_int_eq(trace_context_read(traceparent, strlen(traceparent), tracestate,
                                        tracestate != NULL ? strlen(tracestate) : 0, from, &context), 0);
    return context;
}

static struct trace_context *read_text(const char *traceparent, const char *tracestate)
{
    return read_from(traceparent, tracestate, &source);
}

static const struct {
    const char *text;
    int flags; /* -1: it is none */
} parents[] = {
    {"00-" ID "-" SPAN "-01", 1},
    {"00-" ID "-" SPAN "-00", 0},
    {"00-" ID "-" SPAN "-03", 3},
    {"00-" ID "-" SPAN "-fd", 1}, /* what is not known is not passed on */
    {"00-" ID "-" SPAN "-0", -1},
    {"00-" ID "-" SPAN "-011", -1},
    {"00-" ID "-" SPAN "-01-", -1},
    {"00-" ID "-" SPAN "-0g", -1},
    {"00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", -1},
    {"00-" ID "-B7AD6B7169203331-01", -1},
    {"00-00000000000000000000000000000000-" SPAN "-01", -1},
    {"00-" ID "-0000000000000000-01", -1},
    {"00_" ID "-" SPAN "-01", -1},
    {"00-" ID "_" SPAN "-01", -1},
    {"00-" ID "-" SPAN "_01", -1},
    {"0-" ID "-" SPAN "-01", -1},
    {"ff-" ID "-" SPAN "-01", -1},
    {"fF-" ID "-" SPAN "-01", -1},
    {"cc-" ID "-" SPAN "-01", 1},
    {"cc-" ID "-" SPAN "-01-more", 1},
    {"cc-" ID "-" SPAN "-01.more", -1},
    {" 00-" ID "-" SPAN "-01", -1},
    {"", -1},
};

START_TEST(a_traceparent_counts_if_the_recommendation_says_so)
{
    struct trace_context *context = read_text(parents[_i].text, NULL);
    ck_assert_msg((context != NULL) == (parents[_i].flags >= 0), "%s", parents[_i].text);
    if (context != NULL) {
        ck_assert_str_eq(context->trace_id, ID);
        ck_assert_int_eq(context->flags, parents[_i].flags);
        ck_assert_str_eq(context->tracestate, "");
    }
    trace_context_free(context);
}
END_TEST

static const struct {
    const char *text;
    bool is_kept;
} states[] = {
    {"congo=t61rcWkgMzE", true},
    {"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true},
    {"rojo=1 ,\t congo=2", true},
    {"1a-_*/@b=x y!~", true},
    {",,a=1,", true},
    {"a=", true},
    {"", false},
    {" , ", false},
    {"a", false},
    {"=1", false},
    {"A=1", false},
    {"-a=1", false},
    {"a=1=2", false},
    {"a=1\r\nX-Evil: 1", false},
    {"a=\xc3\xa4", false},
    {"a=1\x7f", false},
};

START_TEST(a_tracestate_is_passed_on_as_it_is_or_not_at_all)
{
    struct trace_context *context = read_text(parents[0].text, states[_i].text);
    ck_assert_str_eq(context->tracestate, states[_i].is_kept ? states[_i].text : "");
    trace_context_free(context);
}
END_TEST

START_TEST(a_tracestate_has_limits)
{
    char text[TRACE_STATE_MAX_BYTES + 2];
    memset(text, 'x', sizeof text);
    memcpy(text, "a=", 2);
    struct trace_context *context;
    for (size_t more = 0; more <= 1; more++) {
        size_t bytes = TRACE_STATE_MAX_BYTES + more;
        ck_assert_int_eq(trace_context_read(parents[0].text, strlen(parents[0].text), text, bytes, &source, &context), 0);
        ck_assert_uint_eq(strlen(context->tracestate), more == 0 ? bytes : 0);
        trace_context_free(context);
    }
    for (size_t members = TRACE_STATE_MAX_MEMBERS; members <= TRACE_STATE_MAX_MEMBERS + 1; members++) {
        char many[256] = "";
        for (size_t i = 0; i < members; i++) {
            memcpy(many + strlen(many), "a=1,", sizeof "a=1,");
        }
        context = read_text(parents[0].text, many);
        ck_assert_str_eq(context->tracestate, members == TRACE_STATE_MAX_MEMBERS ? many : "");
        trace_context_free(context);
    }
}
END_TEST

START_TEST(a_run_has_its_own_span_wherever_it_goes_on)
{
    const struct trace_source others[] = {{"in", 3, 78}, {"in", 4, 77}, {"im", 3, 77}};
    struct trace_context *context = read_text(parents[0].text, NULL);
    struct trace_context *again = read_text("00-" ID "-ffffffffffffffff-01", NULL);
    char own[TRACE_PARENT_BYTES];
    ck_assert_str_eq(context->span_id, again->span_id);
    ck_assert_str_ne(context->span_id, SPAN);
    trace_context_write_own(context, own);
    char wanted[TRACE_PARENT_BYTES];
    snprintf(wanted, sizeof wanted, "00-" ID "-%s-01", context->span_id);
    ck_assert_str_eq(own, wanted);
    for (int i = 0; i < COUNT(others); i++) {
        struct trace_context *other = read_from(parents[0].text, NULL, &others[i]);
        ck_assert_str_ne(context->span_id, other->span_id);
        trace_context_free(other);
    }
    struct trace_context *elsewhere = read_text("00-1af7651916cd43dd8448eb211c80319c-" SPAN "-01", NULL);
    ck_assert_str_ne(context->span_id, elsewhere->span_id);
    trace_context_free(elsewhere);
    trace_context_free(again);
    trace_context_free(context);
}
END_TEST

START_TEST(a_request_has_a_span_that_is_never_nothing)
{
    struct trace_context *context = read_text(parents[2].text, NULL);
    char out[TRACE_PARENT_BYTES];
    trace_context_write_child(context, 0xabc, out);
    ck_assert_str_eq(out, "00-" ID "-0000000000000abc-03");
    trace_context_write_child(context, 0, out);
    ck_assert_str_eq(out, "00-" ID "-0000000000000001-03");
    trace_context_free(context);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("trace context");
    TCase *tcase = tcase_create("trace context");
    tcase_add_loop_test(tcase, a_traceparent_counts_if_the_recommendation_says_so, 0, COUNT(parents));
    tcase_add_loop_test(tcase, a_tracestate_is_passed_on_as_it_is_or_not_at_all, 0, COUNT(states));
    tcase_add_test(tcase, a_tracestate_has_limits);
    tcase_add_test(tcase, a_run_has_its_own_span_wherever_it_goes_on);
    tcase_add_test(tcase, a_request_has_a_span_that_is_never_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
