#include "support/fetch_stage.h"

#include <stdlib.h>
#include <strings.h>

/* ---- sent once ---- */

/* whether the connection is fresh, and the body */
static const struct {
    bool reused;
    const char *body;
    enum rude_act act;
} dropped[] = {
    {false, NULL, RUDE_CLOSE}, {false, "{}", RUDE_CLOSE}, {true, NULL, RUDE_CLOSE}, {true, "{}", RUDE_CLOSE},
    {false, NULL, RUDE_RESET}, {false, "{}", RUDE_RESET}, {true, NULL, RUDE_RESET}, {true, "{}", RUDE_RESET},
};

static void send_into_the_void(struct seen *seen, bool once, const char *body, const char *url)
{
    const struct http_request request = {.method = "POST", .url = url, .body = body,
                                         .body_bytes = body != NULL ? strlen(body) : 0,
                                         .content_type = body != NULL ? "application/json" : NULL, .once = once};
    fetch(seen, &request);
}

START_TEST(a_kickoff_whose_connection_dies_is_sent_once)
{
    const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = OK_ANSWER}, {.act = dropped[_i].act}};
    serve(RUDE_EACH_CONNECTION, dropped[_i].reused ? steps : steps + 1, dropped[_i].reused ? 2 : 1);
    uint64_t before = 0;
    if (dropped[_i].reused) {
        struct seen first = {0};
        get(&first, rude_server_url(server));
        ck_assert_int_eq(first.error, TRANSPORT_OK);
        before = 1;
    }
    struct seen seen = {0};
    send_into_the_void(&seen, true, dropped[_i].body, rude_server_url(server));
    ck_assert_int_eq(seen.error, TRANSPORT_NETWORK);
    ck_assert(seen.sent);
    ck_assert_uint_eq(requests_of(server), before + 1);
    /* and goes on not being sent */
    struct seen last = {0};
    get(&last, rude_server_url(server));
    ck_assert_uint_gt(requests_of(server), before + 1); /* by this request alone */
    ck_assert_uint_le(requests_of(server), before + 3);
}
END_TEST

/* The test of the tests above: curl does send a second time, where it may. */
START_TEST(a_poll_whose_connection_dies_is_sent_again)
{
    static const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = OK_ANSWER}, {.act = RUDE_CLOSE}};
    serve(RUDE_EACH_CONNECTION, steps, 2);
    struct seen first = {0};
    get(&first, rude_server_url(server));
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
    ck_assert_uint_eq(requests_of(server), 3);
}
END_TEST

START_TEST(each_hop_of_a_kickoff_is_sent_once)
{
    static const struct rude_step steps[] = {
        {.act = RUDE_ANSWER, .answer = OK_ANSWER},
        {.act = RUDE_ANSWER, .answer = "HTTP/1.1 307 X\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n"},
        {.act = RUDE_CLOSE}};
    serve(RUDE_EACH_CONNECTION, steps, 3);
    struct seen first = {0};
    get(&first, rude_server_url(server));
    struct seen seen = {0};
    send_into_the_void(&seen, true, "{}", url_of(server, "/start"));
    ck_assert_int_eq(seen.error, TRANSPORT_NETWORK);
    ck_assert_uint_eq(requests_of(server), 3);
    ck_assert_ptr_nonnull(strstr(rude_server_request(server, 1), "POST /start"));
    ck_assert_ptr_nonnull(strstr(rude_server_request(server, 2), "POST /next"));
}
END_TEST

/* ---- redirects ---- */

static const struct {
    int code;
    const char *method;
    const char *then;
    bool has_body;
} redirects[] = {
    {301, "POST", "GET /there", false}, {302, "POST", "GET /there", false}, {303, "POST", "GET /there", false},
    {307, "POST", "POST /there", true}, {308, "POST", "POST /there", true}, {303, "PUT", "GET /there", false},
    {308, "PUT", "PUT /there", true},   {302, "HEAD", "HEAD /there", false}, {307, "DELETE", "DELETE /there", true},
};

/* Each without and with a Content-Type of the caller. */
START_TEST(a_redirect_is_followed_with_the_method_of_its_code)
{
    char answer[128];
    snprintf(answer, sizeof answer, "HTTP/1.1 %d X\r\nLocation: /there?a=b\r\nContent-Length: 0\r\n\r\n",
             redirects[_i / 2].code);
    const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = answer},
                                      {.act = RUDE_ANSWER, .answer = OK_ANSWER}};
    serve(RUDE_WHOLE_SERVER, steps, 2);
    const struct http_header headers[] = {{"Idempotency-Key", "k"}, {"Content-Type", "text/own"}};
    const bool has_own_type = _i % 2 == 1;
    const struct http_request request = {.method = redirects[_i / 2].method, .url = url_of(server, "/here"), .body = "{}",
                                         .body_bytes = 2, .content_type = "application/json", .once = true,
                                         .is_kickoff = true};
    struct seen seen = {.headers = {.header = headers, .n = has_own_type ? 2 : 1}};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
    ck_assert_int_eq(seen.code, 200);
    ck_assert_int_eq(seen.begun, 1);
    ck_assert_uint_eq(requests_of(server), 2);
    const char *text = rude_server_request(server, 1);
    bool has_body = redirects[_i / 2].has_body;
    ck_assert_msg(strncmp(text, redirects[_i / 2].then, strlen(redirects[_i / 2].then)) == 0, "%s", text);
    ck_assert_int_eq(strstr(text, "\r\n\r\n{}") != NULL, has_body);
    ck_assert_int_eq(strstr(text, "Content-Type: application/json") != NULL, has_body && !has_own_type);
    ck_assert_int_eq(strstr(text, "Content-Type: text/own") != NULL, has_body && has_own_type);
    ck_assert_ptr_nonnull(strstr(text, "Idempotency-Key: k"));
}
END_TEST

START_TEST(headers_do_not_follow_to_another_origin_and_do_not_come_back)
{
    static const struct rude_step ok[] = {{.act = RUDE_ANSWER, .answer = OK_ANSWER}};
    char forth[256];
    other = rude_server_start(RUDE_WHOLE_SERVER, ok, 1);
    struct rude_server *middle = other;
    snprintf(forth, sizeof forth, "HTTP/1.1 307 X\r\nLocation: %s/there\r\nContent-Length: 0\r\n\r\n",
             rude_server_url(middle));
    const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = forth}, {.act = RUDE_ANSWER, .answer = OK_ANSWER}};
    serve(RUDE_WHOLE_SERVER, steps, 2);
    const struct http_header header = {"Idempotency-Key", "k"};
    const struct http_request request = {.method = "POST", .url = rude_server_url(server),
                                         .body = "{}", .body_bytes = 2,
                                         .content_type = "application/json"};
    struct seen seen = {.headers = {.header = &header, .n = 1}};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
    const char *text = rude_server_request(other, 0);
    ck_assert_ptr_nonnull(strstr(text, "POST /there"));
    ck_assert_ptr_null(strstr(text, "Idempotency-Key"));
    ck_assert_ptr_nonnull(strstr(text, "\r\n\r\n{}"));
    ck_assert_ptr_nonnull(strstr(text, "Content-Type: application/json"));
}
END_TEST

static const struct {
    const char *location;
    const char *then;
} locations[] = {
    {"/abs", "GET /abs HTTP"},     {"rel", "GET /a/rel HTTP"},        {"../up?x=1", "GET /up?x=1 HTTP"},
    {"?q=2", "GET /a/b?q=2 HTTP"}, {"/with space", "GET /with%20space HTTP"}, {"/f#frag", "GET /f HTTP"},
};

START_TEST(a_location_may_be_relative)
{
    char answer[256];
    snprintf(answer, sizeof answer, "HTTP/1.1 302 X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
             locations[_i].location);
    const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = answer},
                                      {.act = RUDE_ANSWER, .answer = OK_ANSWER}};
    serve(RUDE_WHOLE_SERVER, steps, 2);
    struct seen seen = {0};
    get(&seen, url_of(server, "/a/b?q=1"));
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
    const char *text = rude_server_request(server, 1);
    ck_assert_msg(strncmp(text, locations[_i].then, strlen(locations[_i].then)) == 0, "%s", text);
}
END_TEST

START_TEST(an_absolute_location_may_hold_what_should_be_encoded)
{
    char answer[256];
    other = rude_server_start(RUDE_WHOLE_SERVER, answer_ok, 1);
    snprintf(answer, sizeof answer, "HTTP/1.1 302 X\r\nLocation: %s/a b\xC3\xA4\r\nContent-Length: 0\r\n\r\n",
             rude_server_url(other));
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = answer};
    serve(RUDE_WHOLE_SERVER, &step, 1);
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
    ck_assert_int_eq(strncasecmp(rude_server_request(other, 0), "GET /a%20b%c3%a4 HTTP", 21), 0);
}
END_TEST

START_TEST(five_redirects_are_followed_and_not_six)
{
    struct rude_step steps[7];
    for (int i = 0; i < 7; i++) {
        steps[i] = (struct rude_step){
            .act = RUDE_ANSWER, .answer = "HTTP/1.1 308 X\r\nLocation: /on\r\nContent-Length: 0\r\n\r\n"};
    }
    steps[5 + _i] = (struct rude_step){.act = RUDE_ANSWER, .answer = OK_ANSWER};
    serve(RUDE_WHOLE_SERVER, steps, 7);
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    ck_assert_uint_eq(requests_of(server), 6);
    ck_assert_int_eq(seen.error, _i == 0 ? TRANSPORT_OK : TRANSPORT_REDIRECT);
    ck_assert_int_eq(seen.code, _i == 0 ? 200 : 308);
    ck_assert_int_eq(seen.begun, 1);
}
END_TEST

static const struct {
    const char *answer;
    const char *detail;
} bad_redirects[] = {
    {"HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n", "it has no Location header"},
    {"HTTP/1.1 302 X\r\nLocation: \r\nContent-Length: 0\r\n\r\n", "it has no Location header"},
    {"HTTP/1.1 302 X\r\nLocation: ftp://127.0.0.1/x\r\nContent-Length: 0\r\n\r\n", "the scheme is ftp"},
    {"HTTP/1.1 302 X\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", "the scheme is file"},
    {"HTTP/1.1 302 X\r\nLocation: gopher-like://x/\r\nContent-Length: 0\r\n\r\n", "gopher-like"},
    {"HTTP/1.1 302 X\r\nLocation: http://[::g]/\r\nContent-Length: 0\r\n\r\n", "http://[::g]/"},
    {"HTTP/1.1 302 X\r\nLocation: http://me:word@127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "a user name or password"},
    {"HTTP/1.1 302 X\r\nLocation: //me@127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "a user name or password"},
    {"HTTP/1.1 302 X\r\nLocation: /?k=A%2fsecret-value\r\nContent-Length: 0\r\n\r\n", "a secret that was sent"},
    {"HTTP/1.1 302 X\r\nLocation: http://b.a/SECRET\r\nContent-Length: 0\r\n\r\n", "a secret that was sent"},
};

START_TEST(a_redirect_that_leads_nowhere_is_told_with_its_code)
{
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = bad_redirects[_i].answer};
    static const char *const secrets[] = {"a/secret-value", "secret"};
    serve(RUDE_WHOLE_SERVER, &step, 1);
    struct seen seen = {.headers = {.secret = secrets, .n_secrets = 2}};
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(seen.error, TRANSPORT_REDIRECT);
    ck_assert_int_eq(seen.code, 302);
    ck_assert(seen.sent);
    ck_assert_msg(strstr(seen.detail, bad_redirects[_i].detail) != NULL, "%s", seen.detail);
    ck_assert_uint_eq(requests_of(server), 1);
}
END_TEST

/* Its time runs: behind a long queue it would run out. */
START_TEST(a_redirected_request_does_not_queue_again_behind_the_others)
{
    enum { N = 6 };
    static const struct rude_step steps[] = {
        {.act = RUDE_ANSWER, .answer = "HTTP/1.1 307 X\r\nLocation: /on\r\nContent-Length: 0\r\n\r\n"},
        {.act = RUDE_ANSWER, .answer = OK_ANSWER}};
    set_up_with("*", true, 1);
    serve(RUDE_WHOLE_SERVER, steps, 2);
    struct seen seen[N] = {{0}};
    const struct http_request request = {.method = "POST", .url = url_of(server, "/start"), .once = true,
                                         .is_kickoff = true};
    for (int i = 0; i < N; i++) {
        start_request(&seen[i], &request);
    }
    for (int i = 0; i < N; i++) {
        turn_until_done(&seen[i]);
    }
    ck_assert_ptr_nonnull(strstr(rude_server_request(server, 0), "POST /start"));
    ck_assert_ptr_nonnull(strstr(rude_server_request(server, 1), "POST /on"));
    ck_assert_uint_eq(requests_of(server), N + 1);
}
END_TEST

START_TEST(a_redirect_s_body_is_limited_too)
{
    char *body = malloc(MAX_RESPONSE_BYTES + 2);
    memset(body, 'b', MAX_RESPONSE_BYTES + 1);
    body[MAX_RESPONSE_BYTES + 1] = '\0';
    char *answer = NULL;
    ck_assert_int_gt(asprintf(&answer, "HTTP/1.1 302 X\r\nLocation: /x\r\nContent-Length: %zu\r\n\r\n%s",
                              strlen(body), body),
                     0);
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = answer};
    serve(RUDE_WHOLE_SERVER, &step, 1);
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(seen.error, TRANSPORT_TOO_LARGE);
    ck_assert_uint_eq(requests_of(server), 1);
    stop_server(); /* it reads the answer */
    free(answer);
    free(body);
}
END_TEST

/* ---- the egress policy ---- */

START_TEST(a_refused_host_gets_no_connection)
{
    set_up_with("*", false, 8);
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(seen.error, TRANSPORT_EGRESS);
    ck_assert_int_eq(seen.begun, 0);
    ck_assert(!seen.sent);
    ck_assert_str_ne(seen.detail, "");
    ck_assert_uint_eq(connections_of(server), 0);
}
END_TEST

START_TEST(a_name_is_refused_by_the_address_it_has)
{
    set_up_with("*", false, 8);
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    char url[64];
    snprintf(url, sizeof url, "http://localhost:%d/", rude_server_port(server));
    struct seen seen = {0};
    const struct http_request request = {.method = "POST", .url = url, .once = true, .is_kickoff = true};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_EGRESS);
    ck_assert(!seen.sent);
    ck_assert_msg(strstr(seen.detail, "loopback") != NULL, "%s", seen.detail);
    ck_assert_uint_eq(connections_of(server), 0);
}
END_TEST

/* Handles are used again: a refusal is not remembered. */
START_TEST(a_failure_after_a_refusal_is_no_refusal)
{
    set_up_with("*", false, 8);
    struct seen refused = {0};
    struct seen seen = {0};
    get(&refused, "http://localhost:1/");
    get(&seen, "http://no-such-host.invalid/");
    ck_assert_int_eq(refused.error, TRANSPORT_EGRESS);
    ck_assert_int_eq(refused.begun, 1);
    ck_assert_int_eq(seen.error, TRANSPORT_RESOLVE);
}
END_TEST

START_TEST(a_redirect_to_a_refused_host_is_not_followed)
{
    char allow[64];
    char answer[256];
    other = rude_server_start(RUDE_WHOLE_SERVER, answer_ok, 1);
    snprintf(answer, sizeof answer, "HTTP/1.1 307 X\r\nLocation: %s%d/\r\nContent-Length: 0\r\n\r\n",
             _i == 0 ? "http://127.0.0.1:" : "http://localhost:", rude_server_port(other));
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = answer};
    serve(RUDE_WHOLE_SERVER, &step, 1);
    snprintf(allow, sizeof allow, "*,127.0.0.1:%d", rude_server_port(server));
    set_up_with(allow, false, 8);
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(seen.error, TRANSPORT_EGRESS);
    ck_assert(seen.sent);
    ck_assert_uint_eq(requests_of(server), 1);
    ck_assert_uint_eq(connections_of(other), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("curl_hops");
    TCase *tests = tcase_create("curl_hops");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, a_kickoff_whose_connection_dies_is_sent_once, 0, COUNT(dropped));
    tcase_add_test(tests, a_poll_whose_connection_dies_is_sent_again);
    tcase_add_test(tests, each_hop_of_a_kickoff_is_sent_once);
    tcase_add_loop_test(tests, a_redirect_is_followed_with_the_method_of_its_code, 0, 2 * COUNT(redirects));
    tcase_add_test(tests, headers_do_not_follow_to_another_origin_and_do_not_come_back);
    tcase_add_loop_test(tests, a_location_may_be_relative, 0, COUNT(locations));
    tcase_add_test(tests, an_absolute_location_may_hold_what_should_be_encoded);
    tcase_add_loop_test(tests, five_redirects_are_followed_and_not_six, 0, 2);
    tcase_add_loop_test(tests, a_redirect_that_leads_nowhere_is_told_with_its_code, 0, COUNT(bad_redirects));
    tcase_add_test(tests, a_redirect_s_body_is_limited_too);
    suite_add_tcase(suite, tests);
    TCase *refusals = tcase_create("of its own"); /* each has a policy, or places, of its own */
    tcase_set_timeout(refusals, 60);
    tcase_add_checked_fixture(refusals, NULL, teardown);
    tcase_add_test(refusals, a_refused_host_gets_no_connection);
    tcase_add_test(refusals, a_name_is_refused_by_the_address_it_has);
    tcase_add_test(refusals, a_failure_after_a_refusal_is_no_refusal);
    tcase_add_loop_test(refusals, a_redirect_to_a_refused_host_is_not_followed, 0, 2);
    tcase_add_test(refusals, a_redirected_request_does_not_queue_again_behind_the_others);
    suite_add_tcase(suite, refusals);
    return suite;
}
