#include "engine/exchange.h"
#include "support/fetch_stage.h"

#include <stdlib.h>

/* ---- what goes out ---- */

#define JSON "application/json"
#define TYPE_JSON "\r\nContent-Type: application/json\r\n"
#define LENGTH(n) "\r\nContent-Length: " #n "\r\n"

static const struct {
    const char *method;
    const char *body;
    const char *content_type;
    const char *has[3];
    const char *has_not[4];
} forms[] = {
    {"GET", NULL, NULL, {NULL}, {"Content-", "Expect", "Transfer-"}},
    {"POST", NULL, NULL, {LENGTH(0)}, {"Content-Type", "Expect", "Transfer-"}},
    {"POST", "{\"a\":1}", JSON, {LENGTH(7), TYPE_JSON}, {"Expect", "Transfer-", "urlencoded"}},
    {"POST", "{}", NULL, {LENGTH(2)}, {"Content-Type"}},
    {"PUT", "{}", JSON, {LENGTH(2), TYPE_JSON}, {"Expect"}},
    {"PUT", NULL, NULL, {LENGTH(0)}, {"Content-Type", "Expect"}},
    {"PATCH", "{}", JSON, {LENGTH(2), TYPE_JSON}, {"Expect"}},
    {"DELETE", NULL, NULL, {NULL}, {"Content-", "Transfer-"}},
    {"DELETE", "{}", JSON, {LENGTH(2), TYPE_JSON}, {"Expect"}},
    {"GET", "{}", JSON, {LENGTH(2), TYPE_JSON}, {"Expect"}},
    {"FROB", NULL, NULL, {NULL}, {"Content-"}},
};
#define N_FORMS (sizeof forms / sizeof forms[0])

static void check_form(size_t form, const char *text)
{
    char first[64];
    char last[64];
    snprintf(first, sizeof first, "%s /x?y=1 HTTP/1.1\r\n", forms[form].method);
    snprintf(last, sizeof last, "\r\n\r\n%s", forms[form].body != NULL ? forms[form].body : "");
    ck_assert_msg(strncmp(text, first, strlen(first)) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "\r\nUser-Agent: rxp-worker/" RXP_VERSION "\r\n"));
    ck_assert_ptr_null(strstr(text, "Accept-Encoding"));
    for (int i = 0; i < 3 && forms[form].has[i] != NULL; i++) {
        ck_assert_msg(strstr(text, forms[form].has[i]) != NULL, "'%s' is not in %s", forms[form].has[i], text);
    }
    for (int i = 0; i < 4 && forms[form].has_not[i] != NULL; i++) {
        ck_assert_msg(strstr(text, forms[form].has_not[i]) == NULL, "'%s' is in %s", forms[form].has_not[i], text);
    }
    size_t bytes = strlen(text);
    ck_assert_msg(bytes > strlen(last) && strcmp(text + bytes - strlen(last), last) == 0, "%s", text);
}

static void request_of_form(size_t form, const char *url, struct http_request *request)
{
    *request = (struct http_request){.method = forms[form].method,
                                     .url = url,
                                     .body = forms[form].body,
                                     .body_bytes = forms[form].body != NULL ? strlen(forms[form].body) : 0,
                                     .content_type = forms[form].content_type};
}

START_TEST(a_request_is_written_as_its_method_wants_it)
{
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    struct seen seen = {0};
    struct http_request request;
    request_of_form((size_t)_i, url_of(server, "/x?y=1"), &request);
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
    ck_assert_int_eq(seen.code, 200);
    ck_assert_str_eq(seen.body, "ok");
    ck_assert(seen.sent);
    ck_assert_int_eq(seen.begun, 1);
    check_form((size_t)_i, rude_server_request(server, 0));
}
END_TEST

/* Handles are used again: nothing of one request may be seen in the next. */
START_TEST(a_request_carries_nothing_of_the_one_before)
{
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    size_t n = 0;
    for (size_t first = 0; first < N_FORMS && n + 2 <= RUDE_KEPT_REQUESTS; first++) {
        for (size_t step = 0; step < 2; step++, n++) {
            size_t form = step == 0 ? (size_t)_i : first;
            struct seen seen = {0};
            struct http_request request;
            request_of_form(form, url_of(server, "/x?y=1"), &request);
            fetch(&seen, &request);
            check_form(form, rude_server_request(server, n));
        }
    }
    ck_assert_uint_eq(connections_of(server), 1);
}
END_TEST

static const struct {
    struct http_header header;
    const char *line; /* the only one that names it */
} agents[] = {
    {{"user-agent", "me/1"}, "\r\nuser-agent: me/1\r\n"},
    {{"X-User-Agent", "me/1"}, "\r\nUser-Agent: rxp-worker/" RXP_VERSION "\r\n"},
    {{"User-Agent", ""}, "\r\nUser-Agent:\r\n"},
};

START_TEST(the_caller_s_user_agent_is_the_only_one)
{
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    for (size_t i = 0; i < 2; i++) {
        struct seen seen = {.headers = {&agents[_i].header, 1 - i}};
        const struct http_request request = {.method = "GET", .url = rude_server_url(server)};
        start_request(&seen, &request);
        turn_until_done(&seen);
        const char *text = rude_server_request(server, i);
        const char *line = i == 0 ? agents[_i].line : "\r\nUser-Agent: rxp-worker/" RXP_VERSION "\r\n";
        const char *found = strcasestr(text, "\r\nuser-agent:");
        ck_assert_msg(strstr(text, line) != NULL, "%s", text);
        ck_assert_msg(found != NULL && strcasestr(found + 2, "\r\nuser-agent:") == NULL, "%s", text);
    }
}
END_TEST

START_TEST(a_head_has_no_body_to_wait_for)
{
    static const struct rude_step steps[] = {
        {.act = RUDE_ANSWER, .answer = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"}};
    serve(RUDE_WHOLE_SERVER, steps, 1);
    struct seen seen = {0};
    const struct http_request request = {.method = "HEAD", .url = rude_server_url(server)};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
    ck_assert_int_eq(seen.code, 200);
}
END_TEST

START_TEST(headers_go_out_as_given)
{
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    char name[] = "X-One";
    char value[] = "first, second";
    char method[] = "POST";
    char type[] = "text/x";
    const struct http_header headers[] = {{name, value}, {"X-Empty", ""}};
    const struct http_request request = {.method = method, .url = rude_server_url(server), .body = "b", .body_bytes = 1,
                                         .content_type = type};
    struct seen seen = {.headers = {headers, 2}};
    start_request(&seen, &request);
    memset(method, '?', strlen(method));
    memset(type, '?', strlen(type));
    turn_until_done(&seen);
    const char *text = rude_server_request(server, 0);
    ck_assert_ptr_nonnull(strstr(text, "\r\nX-One: first, second\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nX-Empty:\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Type: text/x\r\n"));
    ck_assert_int_eq(strncmp(text, "POST ", 5), 0);
}
END_TEST

/* Where there is no body there is none. */
START_TEST(a_content_type_of_the_caller_is_the_only_one)
{
    static const char *const bodies[] = {"b", NULL};
    static const char *const names[] = {"Content-Type", "content-type"};
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    const struct http_header header = {names[_i / 2], "text/own"};
    const char *body = bodies[_i % 2];
    const struct http_request request = {.method = "POST", .url = rude_server_url(server), .body = body,
                                         .body_bytes = body != NULL ? 1 : 0, .content_type = "text/x"};
    struct seen seen = {.headers = {.header = &header, .n = 1}};
    fetch(&seen, &request);
    const char *text = rude_server_request(server, 0);
    const char *type = strcasestr(text, "\r\nContent-Type:");
    if (body == NULL) {
        ck_assert_msg(type == NULL, "%s", text);
        return;
    }
    ck_assert_msg(type != NULL && strcasestr(type + 2, "\r\nContent-Type:") == NULL, "%s", text);
    ck_assert_ptr_nonnull(strstr(type, ": text/own\r\n"));
}
END_TEST

START_TEST(a_body_over_a_megabyte_goes_out_without_asking_first)
{
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    size_t bytes = 1100000; /* above a mebibyte curl would ask (Expect: 100-continue) */
    char *body = malloc(bytes + 1);
    memset(body, 'b', bytes);
    body[bytes] = '\0';
    const struct http_request request = {.method = "POST", .url = rude_server_url(server), .body = body,
                                         .body_bytes = bytes, .content_type = "text/plain", .once = true,
                                         .is_kickoff = true};
    struct seen seen = {0};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
    struct rude_counts counts;
    rude_server_counts(server, &counts);
    ck_assert_uint_gt(counts.bytes_in, bytes);
    ck_assert_ptr_null(strstr(rude_server_request(server, 0), "Expect"));
    free(body);
}
END_TEST

START_TEST(the_environment_s_proxy_is_not_asked)
{
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    setenv("http_proxy", "http://127.0.0.1:1/", 1);
    setenv("all_proxy", "http://127.0.0.1:1/", 1);
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
    ck_assert_ptr_nonnull(strstr(rude_server_request(server, 0), "GET / HTTP/1.1"));
}
END_TEST

/* ---- what comes back ---- */

START_TEST(any_code_is_an_answer)
{
    static const int codes[] = {200, 201, 204, 300, 304, 400, 404, 429, 500, 503};
    char answer[128];
    snprintf(answer, sizeof answer, "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", codes[_i]);
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = answer};
    serve(RUDE_WHOLE_SERVER, &step, 1);
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
    ck_assert_int_eq(seen.code, codes[_i]);
    ck_assert_str_eq(seen.detail, "");
    ck_assert_uint_eq(seen.body_bytes, 0);
}
END_TEST

START_TEST(connections_are_used_again)
{
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    for (int i = 0; i < 5; i++) {
        struct seen seen = {0};
        const struct http_request request = {.method = "POST", .url = rude_server_url(server), .once = true,
                                         .is_kickoff = true};
        fetch(&seen, &request);
        ck_assert_int_eq(seen.error, TRANSPORT_OK);
    }
    ck_assert_uint_eq(connections_of(server), 1);
}
END_TEST

/* Left to itself, curl keeps four connections for each request that is under way, and none for those to come. */
START_TEST(connections_are_kept_while_nothing_is_under_way)
{
    enum { N = 8 };
    struct rude_step steps[2 * N];
    for (int i = 0; i < 2 * N; i++) { /* they end one after the other */
        steps[i] = (struct rude_step){.act = RUDE_ANSWER_SLOWLY, .answer = OK_ANSWER, .interval_ms = 1 + i % N};
    }
    serve(RUDE_WHOLE_SERVER, steps, 2 * N);
    const struct http_request request = {.method = "GET", .url = rude_server_url(server)};
    for (int round = 0; round < 2; round++) {
        struct seen seen[N] = {{0}};
        for (int i = 0; i < N; i++) {
            start_request(&seen[i], &request);
        }
        for (int i = 0; i < N; i++) {
            turn_until_done(&seen[i]);
        }
        ck_assert_uint_eq(connections_of(server), N);
    }
}
END_TEST

START_TEST(a_connection_that_is_closed_while_it_rests_is_replaced)
{
    static const struct rude_step steps[] = {{.act = RUDE_ANSWER_CLOSE, .answer = OK_ANSWER}};
    serve(RUDE_WHOLE_SERVER, steps, 1);
    for (uint64_t i = 0; i < 5; i++) {
        struct seen seen = {0};
        const struct http_request request = {.method = "POST", .url = rude_server_url(server), .once = true,
                                         .is_kickoff = true};
        fetch(&seen, &request);
        ck_assert_int_eq(seen.error, TRANSPORT_OK);
        ck_assert_uint_eq(requests_of(server), i + 1);
        turn(); /* lets the end of the connection arrive */
    }
}
END_TEST

START_TEST(a_body_up_to_the_limit_is_read_whole)
{
    char *body = malloc(MAX_RESPONSE_BYTES + 2);
    memset(body, 'b', MAX_RESPONSE_BYTES + 1);
    body[MAX_RESPONSE_BYTES + _i] = '\0';
    char *answer = rude_answer_make(200, body);
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = answer};
    serve(RUDE_WHOLE_SERVER, &step, 1);
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    if (_i == 0) {
        ck_assert_int_eq(seen.error, TRANSPORT_OK);
        ck_assert_uint_eq(seen.body_bytes, MAX_RESPONSE_BYTES);
    } else {
        ck_assert_int_eq(seen.error, TRANSPORT_TOO_LARGE);
        ck_assert_ptr_nonnull(strstr(seen.detail, "body exceeds 10000 bytes"));
        ck_assert(seen.sent);
    }
    stop_server(); /* it reads the answer */
    free(answer);
    free(body);
}
END_TEST

static const struct {
    struct rude_step step;
    const char *detail;
} floods[] = {
    {{.act = RUDE_ENDLESS_BODY}, "body exceeds 10000 bytes"},
    {{.act = RUDE_ENDLESS_HEADERS}, "headers exceed 65536 bytes"},
};

START_TEST(an_answer_without_end_is_cut_off)
{
    serve(RUDE_WHOLE_SERVER, &floods[_i].step, 1);
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(seen.error, TRANSPORT_TOO_LARGE);
    ck_assert_msg(strstr(seen.detail, floods[_i].detail) != NULL, "%s", seen.detail);
    ck_assert(seen.sent);
}
END_TEST

/* Handles are used again: that one answer was too large is not remembered. */
START_TEST(a_failure_after_a_flood_is_no_flood)
{
    const struct rude_step steps[] = {floods[_i].step, {.act = RUDE_CLOSE}};
    serve(RUDE_WHOLE_SERVER, steps, 2);
    struct seen flood = {0};
    struct seen seen = {0};
    get(&flood, rude_server_url(server));
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(flood.error, TRANSPORT_TOO_LARGE);
    ck_assert_int_eq(seen.error, TRANSPORT_NETWORK);
}
END_TEST

START_TEST(one_header_without_end_is_cut_off)
{
    size_t bytes = 1u << 20;
    char *answer = malloc(bytes + 1);
    memset(answer, 'a', bytes);
    answer[bytes] = '\0';
    memcpy(answer, "HTTP/1.1 200 OK\r\nX: ", 20);
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = answer};
    serve(RUDE_WHOLE_SERVER, &step, 1);
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(seen.error, TRANSPORT_TOO_LARGE);
    ck_assert_msg(strstr(seen.detail, "headers exceed") != NULL, "%s", seen.detail);
    stop_server(); /* it reads the answer */
    free(answer);
}
END_TEST

static const struct {
    const char *answer;
    enum rude_act act;
} broken[] = {
    {"", RUDE_CLOSE},
    {"", RUDE_RESET},
    {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", RUDE_ANSWER_CLOSE},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", RUDE_ANSWER_CLOSE},
    {"HTTP/1.1 200 OK\r\nContent-Le", RUDE_ANSWER_CLOSE},
    {"SSH-2.0-OpenSSH_9\r\n", RUDE_ANSWER_CLOSE},
};

START_TEST(an_answer_that_breaks_off_is_a_network_error)
{
    const struct rude_step step = {.act = broken[_i].act, .answer = broken[_i].answer};
    serve(RUDE_WHOLE_SERVER, &step, 1);
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(seen.error, TRANSPORT_NETWORK);
    ck_assert(seen.sent);
    ck_assert_str_ne(seen.detail, "");
    ck_assert_uint_eq(seen.body_bytes, 0);
}
END_TEST

/* ---- cancel, begun, order ---- */

START_TEST(a_request_may_be_cancelled_at_any_stage)
{
    static const struct rude_step steps[] = {{.act = RUDE_STALL}};
    serve(RUDE_WHOLE_SERVER, steps, 1);
    struct transport *base = curl_transport_base(transport);
    const struct http_request request = {.method = "GET", .url = rude_server_url(server), .timeout_ms = 5000};
    struct seen seen = {0};
    start_request(&seen, &request);
    switch (_i) {
    case 0: /* queued */
        break;
    case 1: /* on the wire, connecting */
        curl_transport_begin(transport, clock_mono_ms());
        break;
    case 2: /* waiting for its answer */
        turn_until_requested(server, 1);
        break;
    }
    base->cancel(base, seen.transfer, false);
    seen.transfer = NULL;
    struct curl_transport_counts counts;
    curl_transport_read_counts(transport, &counts);
    ck_assert_uint_eq(counts.transfers, 0);
    ck_assert_uint_eq(counts.on_wire, 0);
    ck_assert_int_gt(curl_transport_next_ms(transport), clock_mono_ms() - 1000);
    for (int i = 0; i < 5; i++) {
        turn();
    }
    ck_assert_int_eq(seen.done, 0);
}
END_TEST

START_TEST(a_name_look_up_may_be_cancelled)
{
    struct transport *base = curl_transport_base(transport);
    const struct http_request request = {.method = "GET", .url = "http://no-such-host.invalid/"};
    struct seen seen = {0};
    start_request(&seen, &request);
    curl_transport_begin(transport, clock_mono_ms());
    ck_assert_int_eq(seen.begun, 1);
    base->cancel(base, seen.transfer, false);
    for (int i = 0; i < 5; i++) {
        turn();
    }
    ck_assert_int_eq(seen.done, 0);
}
END_TEST

START_TEST(one_whose_answer_is_there_may_be_cancelled_by_another_s_done)
{
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    const struct http_request request = {.method = "GET", .url = rude_server_url(server)};
    struct seen one = {0};
    struct seen two = {0};
    one.cancel_then = &two;
    two.cancel_then = &one;
    start_request(&one, &request);
    start_request(&two, &request);
    turn_until_requested(server, 2);
    while (one.done + two.done == 0) {
        turn();
    }
    for (int i = 0; i < 10; i++) {
        turn();
    }
    ck_assert_int_eq(one.done + two.done, 1);
}
END_TEST

START_TEST(begun_may_say_no)
{
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    const struct http_request request = {.method = "GET", .url = rude_server_url(server)};
    struct seen refused = {.refuse = true};
    struct seen last = {0};
    start_request(&refused, &request);
    fetch(&last, &request);
    ck_assert_int_eq(refused.begun, 1);
    ck_assert_int_eq(refused.done, 0);
    ck_assert_uint_eq(requests_of(server), 1);
    struct curl_transport_counts counts;
    curl_transport_read_counts(transport, &counts);
    ck_assert_uint_eq(counts.transfers, 0);
}
END_TEST

START_TEST(done_may_start_the_next)
{
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    struct seen second = {0};
    struct seen first = {.start_then = &second, .then_url = url_of(server, "/second")};
    get(&first, url_of(server, "/first"));
    turn_until_done(&second);
    ck_assert_int_eq(second.error, TRANSPORT_OK);
    ck_assert_ptr_nonnull(strstr(rude_server_request(server, 1), "GET /second"));
    ck_assert_uint_eq(connections_of(server), 1);
}
END_TEST

START_TEST(no_more_go_to_an_origin_than_it_has_places)
{
    static const struct rude_step steps[] = {{.act = RUDE_STALL}};
    serve(RUDE_WHOLE_SERVER, steps, 1);
    other = rude_server_start(RUDE_WHOLE_SERVER, answer_ok, 1);
    const struct http_request kickoff = {.method = "POST", .url = rude_server_url(server), .once = true,
                                         .is_kickoff = true};
    const struct http_request poll = {.method = "GET", .url = rude_server_url(server)};
    struct seen kickoffs[20] = {{0}};
    struct seen polls[20] = {{0}};
    for (int i = 0; i < 20; i++) {
        start_request(&kickoffs[i], &kickoff);
    }
    turn_until_requested(server, 6);
    for (int i = 0; i < 20; i++) {
        start_request(&polls[i], &poll);
    }
    turn_until_requested(server, 8);
    for (int i = 0; i < 5; i++) {
        turn();
    }
    ck_assert_uint_eq(requests_of(server), 8);
    struct curl_transport_counts counts;
    curl_transport_read_counts(transport, &counts);
    ck_assert_uint_eq(counts.on_wire, 8);
    ck_assert_uint_eq(counts.transfers, 40);
    /* which another origin does not notice */
    struct seen seen = {0};
    get(&seen, rude_server_url(other));
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
}
END_TEST

START_TEST(hundreds_of_requests_all_come_back)
{
    enum { N = 500 };
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    struct seen *seen = calloc(N, sizeof *seen);
    const struct http_request request = {.method = "POST", .url = rude_server_url(server), .once = true,
                                         .is_kickoff = true};
    for (int i = 0; i < N; i++) {
        start_request(&seen[i], &request);
    }
    for (int i = 0; i < N; i++) {
        turn_until_done(&seen[i]);
        ck_assert_int_eq(seen[i].error, TRANSPORT_OK);
        ck_assert_int_eq(seen[i].done, 1);
    }
    ck_assert_uint_eq(requests_of(server), N);
    ck_assert_uint_le(connections_of(server), 8);
    free(seen);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("curl_transport");
    TCase *tests = tcase_create("curl_transport");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, a_request_is_written_as_its_method_wants_it, 0, COUNT(forms));
    tcase_add_loop_test(tests, a_request_carries_nothing_of_the_one_before, 0, COUNT(forms));
    tcase_add_test(tests, a_head_has_no_body_to_wait_for);
    tcase_add_test(tests, headers_go_out_as_given);
    tcase_add_loop_test(tests, the_caller_s_user_agent_is_the_only_one, 0, COUNT(agents));
    tcase_add_loop_test(tests, a_content_type_of_the_caller_is_the_only_one, 0, 4);
    tcase_add_test(tests, a_body_over_a_megabyte_goes_out_without_asking_first);
    tcase_add_test(tests, the_environment_s_proxy_is_not_asked);
    tcase_add_loop_test(tests, any_code_is_an_answer, 0, 10);
    tcase_add_test(tests, connections_are_used_again);
    tcase_add_test(tests, connections_are_kept_while_nothing_is_under_way);
    tcase_add_test(tests, a_connection_that_is_closed_while_it_rests_is_replaced);
    tcase_add_loop_test(tests, a_body_up_to_the_limit_is_read_whole, 0, 2);
    tcase_add_loop_test(tests, an_answer_without_end_is_cut_off, 0, COUNT(floods));
    tcase_add_loop_test(tests, a_failure_after_a_flood_is_no_flood, 0, COUNT(floods));
    tcase_add_test(tests, one_header_without_end_is_cut_off);
    tcase_add_loop_test(tests, an_answer_that_breaks_off_is_a_network_error, 0, COUNT(broken));
    tcase_add_loop_test(tests, a_request_may_be_cancelled_at_any_stage, 0, 3);
    tcase_add_test(tests, a_name_look_up_may_be_cancelled);
    tcase_add_test(tests, one_whose_answer_is_there_may_be_cancelled_by_another_s_done);
    tcase_add_test(tests, begun_may_say_no);
    tcase_add_test(tests, done_may_start_the_next);
    tcase_add_test(tests, no_more_go_to_an_origin_than_it_has_places);
    tcase_add_test(tests, hundreds_of_requests_all_come_back);
    suite_add_tcase(suite, tests);
    return suite;
}
