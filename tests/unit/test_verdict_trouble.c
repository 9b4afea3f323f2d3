#include "support/verdicts.h"

static const struct rxp_http_plan polling = POLLING;

struct trouble_row {
    enum transport_error error;
    const char *detail;
    bool sent;
    int code;
    struct want kickoff;
    struct want poll;
};

#define KICKOFF(rest) "kickoff to http://h/runs " rest
#define POLL(rest) "poll of http://h/runs/7 " rest
#define POLLED " (polled http://h/runs/7)"

static const struct trouble_row trouble_rows[] = {
    {TRANSPORT_RESOLVE,
     "no such host",
     false,
     0,
     {RETRY(KICKOFF_NETWORK, KICKOFF("failed: no such host"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: no such host"))}},
    {TRANSPORT_CONNECT,
     "",
     false,
     0,
     {RETRY(KICKOFF_NETWORK, KICKOFF("failed: no connection"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: no connection"))}},
    {TRANSPORT_TLS,
     "",
     false,
     0,
     {RETRY(KICKOFF_NETWORK, KICKOFF("failed: TLS failed"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: TLS failed"))}},
    /* of the origin that a redirect named: the first one has the kickoff */
    {TRANSPORT_RESOLVE,
     "",
     true,
     0,
     {BROKEN(KICKOFF_NETWORK, KICKOFF("failed: the name has no address"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: the name has no address"))}},
    {TRANSPORT_CONNECT,
     "",
     true,
     0,
     {BROKEN(KICKOFF_NETWORK, KICKOFF("failed: no connection"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: no connection"))}},
    {TRANSPORT_TLS,
     "",
     true,
     0,
     {BROKEN(KICKOFF_NETWORK, KICKOFF("failed: TLS failed"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: TLS failed"))}},
    {TRANSPORT_NETWORK,
     "reset\nby peer",
     true,
     0,
     {BROKEN(KICKOFF_NETWORK, KICKOFF("failed: reset\\nby peer"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: reset\\nby peer"))}},
    {TRANSPORT_NETWORK, /* whatever is thought of `sent`: this one may have left */
     "",
     false,
     0,
     {BROKEN(KICKOFF_NETWORK, KICKOFF("failed: the connection broke"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: the connection broke"))}},
    {TRANSPORT_TIMEOUT,
     "",
     true,
     0,
     {BROKEN(KICKOFF_NETWORK, KICKOFF("failed: no answer in time"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: no answer in time"))}},
    {TRANSPORT_MEMORY,
     "",
     false,
     0,
     {RETRY(KICKOFF_NETWORK, KICKOFF("failed: out of memory"))},
     {TRANSIENT(POLL_NETWORK, POLL("failed: out of memory"))}},
    {TRANSPORT_TOO_LARGE,
     "over 10 bytes",
     true,
     0,
     {BROKEN(RESPONSE_TOO_LARGE, KICKOFF("failed: over 10 bytes"))},
     {BROKEN(RESPONSE_TOO_LARGE, POLL("failed: over 10 bytes"))}},
    {TRANSPORT_UNAVAILABLE,
     "",
     false,
     0,
     {BROKEN(ORIGIN_UNAVAILABLE, KICKOFF("failed: its origin lets no kickoff go"))},
     {BROKEN(ORIGIN_UNAVAILABLE, POLL("failed: its origin lets no kickoff go"))}},
    {TRANSPORT_BAD_URL,
     "",
     false,
     0,
     {BROKEN(INVALID_METADATA, KICKOFF("failed: the URL is not an absolute http or https URL")), .rejected = true},
     {BROKEN(POLL_URL_INVALID, POLL("failed: the URL is not an absolute http or https URL"))}},
    {TRANSPORT_BAD_URL,
     "bad Location",
     true,
     0,
     {BROKEN(KICKOFF_STATUS, KICKOFF("failed: bad Location"))},
     {BROKEN(POLL_STATUS, POLL("failed: bad Location"))}},
    {TRANSPORT_EGRESS,
     "it is loopback",
     false,
     0,
     {BROKEN(EGRESS_DENIED, KICKOFF("refused: it is loopback")), .rejected = true},
     {BROKEN(EGRESS_DENIED, POLL("refused: it is loopback"))}},
    {TRANSPORT_EGRESS,
     "",
     true,
     0,
     {BROKEN(EGRESS_DENIED, KICKOFF("refused: the egress policy refuses it"))},
     {BROKEN(EGRESS_DENIED, POLL("refused: the egress policy refuses it"))}},
    {TRANSPORT_REDIRECT,
     "more than 5 redirects",
     true,
     302,
     {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200 or 202, got 302: more than 5 redirects")},
     {BROKEN(POLL_STATUS, "poll expected HTTP 200, got 302: more than 5 redirects" POLLED)}},
    {TRANSPORT_REDIRECT,
     "",
     true,
     0,
     {BROKEN(KICKOFF_STATUS, KICKOFF("failed: the redirect cannot be followed"))},
     {BROKEN(POLL_STATUS, POLL("failed: the redirect cannot be followed"))}},
};

START_TEST(judges_what_became_of_a_request)
{
    const struct trouble_row *row = &trouble_rows[_i];
    const struct http_reply reply = trouble_of(row->error, row->detail, row->sent, row->code);
    struct verdict verdict = of_kickoff(&polling, &reply);
    check_verdict(&verdict, &row->kickoff);
    verdict = of_poll(&polling, &reply);
    check_verdict(&verdict, &row->poll);
}
END_TEST

/* Decided by the server's own word alone: it asks for the same again, and has not done it. */
static const struct {
    int code;
    const char *retry_after;
    bool moved;
    bool is_retry;
    int64_t wait_ms;
} asked_rows[] = {
    {503, "7", false, true, 7000},
    {429, "7", false, true, 7000},
    {503, "0", false, true, 0},
    {503, "Sun, 06 Nov 1994 08:49:47 GMT", false, true, 10000},
    {503, "Sun, 06 Nov 1994 08:49:17 GMT", false, true, 0}, /* it is over */
    {503, NULL, false, false, 0},
    {429, NULL, false, false, 0},
    {503, "soon", false, false, 0},
    {503, "-1", false, false, 0},
    {503, "7", true, false, 0}, /* another request says so: the kickoff was taken, and redirected */
    {500, "7", false, false, 0},
    {502, "7", false, false, 0},
    {504, "7", false, false, 0},
    {408, "7", false, false, 0},
    {400, "7", false, false, 0},
};

START_TEST(a_kickoff_is_sent_again_where_the_server_asks_for_it)
{
    char text[200];
    struct http_reply reply = {.sent = true, .code = asked_rows[_i].code, .body = "", .moved = asked_rows[_i].moved};
    reply.retry_after = asked_rows[_i].retry_after;
    struct verdict verdict = of_kickoff(&polling, &reply);
    int n = snprintf(text, sizeof text, "kickoff expected HTTP 200 or 202, got %d", reply.code);
    if (asked_rows[_i].is_retry) {
        snprintf(text + n, sizeof text - (size_t)n, " (Retry-After: %s)", reply.retry_after);
    }
    const struct want want = {.kind = asked_rows[_i].is_retry ? VERDICT_RETRY : VERDICT_BROKEN,
                              .error = RXP_ERROR_KICKOFF_STATUS,
                              .text = text,
                              .retry_after_ms = asked_rows[_i].wait_ms};
    check_verdict(&verdict, &want);
    verdict_deinit(&verdict);
}
END_TEST

START_TEST(a_code_that_accepts_the_kickoff_does_not_ask_for_another)
{
    struct rxp_http_plan plan = polling;
    plan.accept_codes = (struct rxp_codes)CODES(503);
    const struct http_reply reply = {.sent = true, .code = 503, .body = "", .retry_after = "7"};
    const struct verdict verdict = of_kickoff(&plan, &reply);
    check_verdict(&verdict, &(struct want){.kind = VERDICT_ACCEPTED, .retry_after_ms = 7000});
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("verdict_trouble");
    TCase *tcase = tcase_create("verdict_trouble");
    tcase_add_loop_test(tcase, judges_what_became_of_a_request, 0, ROWS(trouble_rows));
    tcase_add_loop_test(tcase, a_kickoff_is_sent_again_where_the_server_asks_for_it, 0, ROWS(asked_rows));
    tcase_add_test(tcase, a_code_that_accepts_the_kickoff_does_not_ask_for_another);
    suite_add_tcase(suite, tcase);
    return suite;
}
