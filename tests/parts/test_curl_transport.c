#include "base/clock.h"
#include "engine/curl_transport.h"
#include "engine/exchange.h"
#include "engine/fd_watch.h"
#include "support/check_main.h"
#include "support/rude_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 20000
#define MAX_RESPONSE_BYTES 10000

/* The transport under test, turned by the test itself. */
static int epoll_fd = -1;
static struct curl_transport *transport;
static struct egress *egress;
static struct rude_server *server;
static struct rude_server *other;

/* What a test's request came to. */
struct seen {
    struct transfer *transfer;
    int begun;
    int done;
    bool refuse; /* begun shall say no */
    enum transport_error error;
    char detail[TRANSPORT_DETAIL_BYTES];
    bool sent;
    int code;
    char body[256];
    size_t body_bytes;
    int64_t begun_ms;
    int64_t done_ms;
    struct seen *start_then;  /* to be started in done, with then_url */
    struct seen *cancel_then; /* to be cancelled in done */
    const char *then_url;
};

static void set_up_with(const char *allow, bool loopback_allowed, size_t origin_max_active)
{
    char why[EGRESS_WHY_BYTES];
    const struct egress_config egress_config = {.allow = allow, .deny = "", .loopback_allowed = loopback_allowed};
    curl_global_init(CURL_GLOBAL_DEFAULT);
    egress = egress_make(&egress_config, why);
    ck_assert_ptr_nonnull(egress);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    const struct curl_transport_config config = {
        .egress = egress,
        .max_response_bytes = MAX_RESPONSE_BYTES,
        .origin_max_active = origin_max_active,
        .max_active = 1000,
        .max_connections = 100,
        .epoll_fd = epoll_fd,
    };
    transport = curl_transport_new(&config);
    ck_assert_ptr_nonnull(transport);
}

static void setup(void)
{
    set_up_with("*", true, 8);
}

static void setup_none(void)
{
}

static void teardown(void)
{
    curl_transport_free(transport);
    egress_free(egress);
    if (epoll_fd >= 0) {
        close(epoll_fd);
    }
    rude_server_stop(server);
    rude_server_stop(other);
    curl_global_cleanup();
    transport = NULL;
    egress = NULL;
    server = NULL;
    other = NULL;
    epoll_fd = -1;
}

/* One turn, as the loop's. */
static void turn(void)
{
    struct epoll_event events[16];
    int64_t now_ms = clock_mono_ms();
    int64_t next_ms = curl_transport_next_ms(transport);
    int wait_ms = next_ms <= now_ms ? 0 : next_ms - now_ms < 20 ? (int)(next_ms - now_ms) : 20;
    int n = epoll_wait(epoll_fd, events, 16, wait_ms);
    now_ms = clock_mono_ms();
    for (int i = 0; i < n; i++) {
        curl_transport_serve_fd(transport, events[i].data.u64, events[i].events, now_ms);
    }
    curl_transport_report(transport, now_ms, 5);
    curl_transport_begin(transport, clock_mono_ms());
}

static void turn_until_done(const struct seen *seen)
{
    int64_t ends_ms = clock_mono_ms() + PATIENCE_MS;
    while (seen->done == 0) {
        ck_assert_msg(clock_mono_ms() < ends_ms, "no end in %d ms", PATIENCE_MS);
        turn();
    }
}

/* Until the server has read so many requests whole. */
static void turn_until_requested(struct rude_server *of, uint64_t requests)
{
    int64_t ends_ms = clock_mono_ms() + PATIENCE_MS;
    while (!rude_server_await(of, requests, 0)) {
        ck_assert_msg(clock_mono_ms() < ends_ms, "no %d requests in %d ms", (int)requests, PATIENCE_MS);
        turn();
    }
}

static bool on_begun(void *opaque, int64_t now_ms)
{
    struct seen *seen = opaque;
    ck_assert_int_eq(seen->done, 0);
    ck_assert_ptr_nonnull(seen->transfer); /* not from within start */
    seen->begun++;
    seen->begun_ms = now_ms;
    return !seen->refuse;
}

static void start_request(struct seen *seen, const struct http_request *request);

static void on_done(void *opaque, const struct http_reply *reply, int64_t now_ms)
{
    struct seen *seen = opaque;
    ck_assert_ptr_nonnull(seen->transfer);
    seen->transfer = NULL;
    seen->done++;
    seen->done_ms = now_ms;
    seen->error = reply->error;
    seen->sent = reply->sent;
    seen->code = reply->code;
    seen->body_bytes = reply->body_bytes;
    ck_assert_ptr_nonnull(reply->body);
    snprintf(seen->detail, sizeof seen->detail, "%s", reply->detail);
    snprintf(seen->body, sizeof seen->body, "%s", reply->body);
    if (seen->cancel_then != NULL && seen->cancel_then->transfer != NULL) {
        struct transport *base = curl_transport_base(transport);
        base->cancel(base, seen->cancel_then->transfer);
        seen->cancel_then->transfer = NULL;
    }
    if (seen->start_then != NULL) {
        const struct http_request request = {.method = "GET", .url = seen->then_url};
        start_request(seen->start_then, &request);
    }
}

static void start_request(struct seen *seen, const struct http_request *request)
{
    struct transport *base = curl_transport_base(transport);
    struct transfer *transfer = base->start(base, request, on_begun, on_done, seen);
    ck_assert_ptr_nonnull(transfer);
    ck_assert_int_eq(seen->begun + seen->done, 0);
    seen->transfer = transfer;
}

static void fetch(struct seen *seen, const struct http_request *request)
{
    start_request(seen, request);
    turn_until_done(seen);
}

static void get(struct seen *seen, const char *url)
{
    const struct http_request request = {.method = "GET", .url = url, .connect_timeout_ms = 5000};
    fetch(seen, &request);
}

static const char *url_of(struct rude_server *of, const char *path)
{
    static char url[4][256];
    static int next;
    next = (next + 1) % 4;
    snprintf(url[next], sizeof url[next], "%s%s", rude_server_url(of), path);
    return url[next];
}

static void serve(enum rude_scope scope, const struct rude_step *steps, size_t n)
{
    server = rude_server_start(scope, steps, n);
}

static void stop_server(void)
{
    rude_server_stop(server);
    server = NULL;
}

static uint64_t requests_of(struct rude_server *of)
{
    struct rude_counts counts;
    rude_server_counts(of, &counts);
    return counts.requests;
}

static uint64_t connections_of(struct rude_server *of)
{
    struct rude_counts counts;
    rude_server_counts(of, &counts);
    return counts.connections;
}

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
static const struct rude_step answer_ok[] = {{.act = RUDE_ANSWER, .answer = OK_ANSWER}};

/* ---- what goes out ---- */

static const struct {
    const char *method;
    const char *body;
    const char *content_type;
    const char *first_line;
    const char *has[3];
    const char *has_not[4];
    const char *ends;
} forms[] = {
    {"GET", NULL, NULL, "GET /x?y=1 HTTP/1.1\r\n", {NULL}, {"Content-", "Expect", "Transfer-"}, "\r\n\r\n"},
    {"POST", NULL, NULL, "POST /x?y=1 HTTP/1.1\r\n", {"\r\nContent-Length: 0\r\n"}, {"Content-Type", "Expect", "Transfer-"}, "\r\n\r\n"},
    {"POST", "{\"a\":1}", "application/json", "POST /x?y=1 HTTP/1.1\r\n", {"\r\nContent-Length: 7\r\n", "\r\nContent-Type: application/json\r\n"}, {"Expect", "Transfer-", "urlencoded"}, "\r\n\r\n{\"a\":1}"},
    {"POST", "{}", NULL, "POST /x?y=1 HTTP/1.1\r\n", {"\r\nContent-Length: 2\r\n"}, {"Content-Type"}, "\r\n\r\n{}"},
    {"PUT", "{}", "application/json", "PUT /x?y=1 HTTP/1.1\r\n", {"\r\nContent-Length: 2\r\n", "\r\nContent-Type: application/json\r\n"}, {"Expect"}, "\r\n\r\n{}"},
    {"PUT", NULL, NULL, "PUT /x?y=1 HTTP/1.1\r\n", {"\r\nContent-Length: 0\r\n"}, {"Content-Type", "Expect"}, "\r\n\r\n"},
    {"PATCH", "{}", "application/json", "PATCH /x?y=1 HTTP/1.1\r\n", {"\r\nContent-Length: 2\r\n"}, {"Expect"}, "\r\n\r\n{}"},
    {"DELETE", NULL, NULL, "DELETE /x?y=1 HTTP/1.1\r\n", {NULL}, {"Content-", "Transfer-"}, "\r\n\r\n"},
    {"DELETE", "{}", "application/json", "DELETE /x?y=1 HTTP/1.1\r\n", {"\r\nContent-Length: 2\r\n"}, {"Expect"}, "\r\n\r\n{}"},
    {"GET", "{}", "application/json", "GET /x?y=1 HTTP/1.1\r\n", {"\r\nContent-Length: 2\r\n"}, {"Expect"}, "\r\n\r\n{}"},
    {"FROB", NULL, NULL, "FROB /x?y=1 HTTP/1.1\r\n", {NULL}, {"Content-"}, "\r\n\r\n"},
};
#define N_FORMS (sizeof forms / sizeof forms[0])

static void check_form(size_t form, const char *text)
{
    ck_assert_msg(strncmp(text, forms[form].first_line, strlen(forms[form].first_line)) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "\r\nUser-Agent: rxp-worker/" RXP_VERSION "\r\n"));
    ck_assert_ptr_null(strstr(text, "Accept-Encoding"));
    for (int i = 0; i < 3 && forms[form].has[i] != NULL; i++) {
        ck_assert_msg(strstr(text, forms[form].has[i]) != NULL, "'%s' is not in %s", forms[form].has[i], text);
    }
    for (int i = 0; i < 4 && forms[form].has_not[i] != NULL; i++) {
        ck_assert_msg(strstr(text, forms[form].has_not[i]) == NULL, "'%s' is in %s", forms[form].has_not[i], text);
    }
    size_t bytes = strlen(text);
    size_t ends = strlen(forms[form].ends);
    ck_assert_msg(bytes > ends && strcmp(text + bytes - ends, forms[form].ends) == 0, "%s", text);
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

START_TEST(a_head_has_no_body_to_wait_for)
{
    static const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"}};
    serve(RUDE_WHOLE_SERVER, steps, 1);
    struct seen seen = {0};
    const struct http_request request = {.method = "HEAD", .url = rude_server_url(server)};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
    ck_assert_int_eq(seen.code, 200);
}
END_TEST

START_TEST(headers_go_out_as_given_and_are_copied)
{
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    char name[] = "X-One";
    char value[] = "first, second";
    char method[] = "POST";
    char type[] = "text/x";
    const struct http_header headers[] = {{name, value}, {"X-Empty", ""}};
    const struct http_request request = {.method = method, .url = rude_server_url(server), .body = "b", .body_bytes = 1,
                                         .content_type = type, .headers = headers, .n_headers = 2};
    struct seen seen = {0};
    start_request(&seen, &request);
    memset(name, '?', strlen(name));
    memset(value, '?', strlen(value));
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

START_TEST(a_body_over_a_megabyte_goes_out_without_asking_first)
{
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    size_t bytes = 1100000; /* above a mebibyte curl would ask (Expect: 100-continue) */
    char *body = malloc(bytes + 1);
    memset(body, 'b', bytes);
    body[bytes] = '\0';
    const struct http_request request = {.method = "POST", .url = rude_server_url(server), .body = body,
                                         .body_bytes = bytes, .content_type = "text/plain", .once = true};
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
        const struct http_request request = {.method = "POST", .url = rude_server_url(server), .once = true};
        fetch(&seen, &request);
        ck_assert_int_eq(seen.error, TRANSPORT_OK);
    }
    ck_assert_uint_eq(connections_of(server), 1);
}
END_TEST

START_TEST(a_connection_that_is_closed_while_it_rests_is_replaced)
{
    static const struct rude_step steps[] = {{.act = RUDE_ANSWER_CLOSE, .answer = OK_ANSWER}};
    serve(RUDE_WHOLE_SERVER, steps, 1);
    for (uint64_t i = 0; i < 5; i++) {
        struct seen seen = {0};
        const struct http_request request = {.method = "POST", .url = rude_server_url(server), .once = true};
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
        ck_assert_ptr_nonnull(strstr(seen.detail, "body exceed 10000 bytes"));
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
    {{.act = RUDE_ENDLESS_BODY}, "body exceed 10000 bytes"},
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

START_TEST(a_redirect_is_followed_with_the_method_of_its_code)
{
    char answer[128];
    snprintf(answer, sizeof answer, "HTTP/1.1 %d X\r\nLocation: /there?a=b\r\nContent-Length: 0\r\n\r\n",
             redirects[_i].code);
    const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = answer}, {.act = RUDE_ANSWER, .answer = OK_ANSWER}};
    serve(RUDE_WHOLE_SERVER, steps, 2);
    const struct http_header header = {"Idempotency-Key", "k"};
    const struct http_request request = {.method = redirects[_i].method, .url = url_of(server, "/here"), .body = "{}",
                                         .body_bytes = 2, .content_type = "application/json", .headers = &header,
                                         .n_headers = 1, .once = true};
    struct seen seen = {0};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
    ck_assert_int_eq(seen.code, 200);
    ck_assert_int_eq(seen.begun, 1);
    ck_assert_uint_eq(requests_of(server), 2);
    const char *text = rude_server_request(server, 1);
    ck_assert_msg(strncmp(text, redirects[_i].then, strlen(redirects[_i].then)) == 0, "%s", text);
    ck_assert_int_eq(strstr(text, "\r\n\r\n{}") != NULL, redirects[_i].has_body);
    ck_assert_int_eq(strstr(text, "Content-Type: application/json") != NULL, redirects[_i].has_body);
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
    const struct http_request request = {.method = "POST", .url = rude_server_url(server), .body = "{}", .body_bytes = 2,
                                         .content_type = "application/json", .headers = &header, .n_headers = 1};
    struct seen seen = {0};
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
    const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = answer}, {.act = RUDE_ANSWER, .answer = OK_ANSWER}};
    serve(RUDE_WHOLE_SERVER, steps, 2);
    struct seen seen = {0};
    get(&seen, url_of(server, "/a/b?q=1"));
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
    const char *text = rude_server_request(server, 1);
    ck_assert_msg(strncmp(text, locations[_i].then, strlen(locations[_i].then)) == 0, "%s", text);
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

static const char *const bad_redirects[] = {
    "HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 302 X\r\nLocation: \r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 302 X\r\nLocation: ftp://127.0.0.1/x\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 302 X\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 302 X\r\nLocation: gopher-like://x/\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 302 X\r\nLocation: http://[::g]/\r\nContent-Length: 0\r\n\r\n",
};

START_TEST(a_redirect_that_leads_nowhere_is_told_with_its_code)
{
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = bad_redirects[_i]};
    serve(RUDE_WHOLE_SERVER, &step, 1);
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(seen.error, TRANSPORT_REDIRECT);
    ck_assert_int_eq(seen.code, 302);
    ck_assert(seen.sent);
    ck_assert_str_ne(seen.detail, "");
    ck_assert_uint_eq(requests_of(server), 1);
}
END_TEST

START_TEST(a_redirect_s_body_is_limited_too)
{
    char *body = malloc(MAX_RESPONSE_BYTES + 2);
    memset(body, 'b', MAX_RESPONSE_BYTES + 1);
    body[MAX_RESPONSE_BYTES + 1] = '\0';
    char *answer = NULL;
    ck_assert_int_gt(asprintf(&answer, "HTTP/1.1 302 X\r\nLocation: /x\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body), 0);
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

/* ---- what never leaves ---- */

static int listen_on_loopback(int backlog, int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    ck_assert_int_eq(backlog < 0 ? 0 : listen(fd, backlog), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

START_TEST(a_refused_connection_was_never_sent)
{
    int port;
    int bound = listen_on_loopback(-1, &port); /* bound, so that nobody else takes it, but not listening */
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    struct seen seen = {0};
    const struct http_request request = {.method = "POST", .url = url, .once = true};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_CONNECT);
    ck_assert(!seen.sent);
    ck_assert_int_eq(seen.begun, 1);
    ck_assert_str_ne(seen.detail, "");
    close(bound);
}
END_TEST

START_TEST(a_name_without_an_address_was_never_sent)
{
    struct seen seen = {0};
    get(&seen, "http://no-such-host.invalid/");
    ck_assert_int_eq(seen.error, TRANSPORT_RESOLVE);
    ck_assert(!seen.sent);
    ck_assert_str_ne(seen.detail, "");
}
END_TEST

/* Says something that is not TLS to the first who connects. */
static void *blurt(void *opaque)
{
    int fd = accept(*(int *)opaque, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(send(fd, "hello\r\n", 7, MSG_NOSIGNAL), 0);
    char rest[4096];
    while (recv(fd, rest, sizeof rest, 0) > 0) {
    }
    close(fd);
    return NULL;
}

START_TEST(a_handshake_that_fails_was_never_sent)
{
    int port;
    int listener = listen_on_loopback(8, &port);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, blurt, &listener), 0);
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", port);
    struct seen seen = {0};
    const struct http_request request = {.method = "POST", .url = url, .once = true};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_TLS);
    ck_assert(!seen.sent);
    ck_assert_str_ne(seen.detail, "");
    pthread_join(thread, NULL);
    close(listener);
}
END_TEST

START_TEST(a_handshake_without_end_is_a_connect_timeout)
{
    static const struct rude_step steps[] = {{.act = RUDE_STALL}};
    serve(RUDE_WHOLE_SERVER, steps, 1);
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", rude_server_port(server));
    struct seen seen = {0};
    const struct http_request request = {.method = "POST", .url = url, .once = true, .connect_timeout_ms = 200};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_CONNECT);
    ck_assert(!seen.sent);
}
END_TEST

static const char *const bad_urls[] = {"", "nonsense", "ftp://127.0.0.1/", "http://", "http://a b/", "http://[::1/", "/path",
                                       "file:///etc/passwd"};

START_TEST(a_url_that_cannot_be_requested_is_told_by_done)
{
    struct seen seen = {0};
    get(&seen, bad_urls[_i]);
    ck_assert_int_eq(seen.error, TRANSPORT_BAD_URL);
    ck_assert(!seen.sent);
    ck_assert_int_eq(seen.begun, 0);
    ck_assert_str_ne(seen.detail, "");
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
    const struct http_request request = {.method = "POST", .url = url, .once = true};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_EGRESS);
    ck_assert(!seen.sent);
    ck_assert_msg(strstr(seen.detail, "loopback") != NULL, "%s", seen.detail);
    ck_assert_uint_eq(connections_of(server), 0);
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

/* ---- time ---- */

static const struct rude_step slow_steps[] = {
    {.act = RUDE_STALL},
    {.act = RUDE_ANSWER_SLOWLY, .answer = OK_ANSWER OK_ANSWER OK_ANSWER, .interval_ms = 100},
};

START_TEST(a_timeout_cuts_a_request_that_gets_no_whole_answer)
{
    serve(RUDE_WHOLE_SERVER, &slow_steps[_i], 1);
    const struct http_request request = {.method = "POST", .url = rude_server_url(server), .timeout_ms = 150};
    struct seen seen = {0};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_TIMEOUT);
    ck_assert(seen.sent);
    ck_assert_str_eq(seen.detail, "no answer within 0.15 s");
    ck_assert_int_ge(seen.done_ms - seen.begun_ms, 150);
    ck_assert_int_lt(seen.done_ms - seen.begun_ms, 2000);
}
END_TEST

START_TEST(a_timeout_counts_over_all_hops)
{
    static const struct rude_step steps[] = {
        {.act = RUDE_ANSWER, .answer = "HTTP/1.1 308 X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"},
        {.act = RUDE_STALL}};
    serve(RUDE_WHOLE_SERVER, steps, 2);
    const struct http_request request = {.method = "GET", .url = rude_server_url(server), .timeout_ms = 150};
    struct seen seen = {0};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_TIMEOUT);
    ck_assert_uint_eq(requests_of(server), 2);
}
END_TEST

START_TEST(a_timeout_does_not_count_in_the_queue)
{
    curl_transport_free(transport);
    egress_free(egress);
    close(epoll_fd);
    set_up_with("*", true, 1);
    static const struct rude_step steps[] = {{.act = RUDE_STALL}, {.act = RUDE_ANSWER, .answer = OK_ANSWER}};
    serve(RUDE_WHOLE_SERVER, steps, 2);
    const struct http_request long_one = {.method = "GET", .url = rude_server_url(server), .timeout_ms = 400};
    const struct http_request short_one = {.method = "GET", .url = rude_server_url(server), .timeout_ms = 200};
    struct seen first = {0};
    struct seen second = {0};
    start_request(&first, &long_one);
    start_request(&second, &short_one);
    turn_until_done(&first);
    turn_until_done(&second);
    ck_assert_int_ge(second.begun_ms, first.done_ms);
    ck_assert_int_eq(first.error, TRANSPORT_TIMEOUT);
    ck_assert_int_eq(second.error, TRANSPORT_OK);
}
END_TEST

/* A listener whose queue is full: the kernel answers no further SYN. */
START_TEST(a_connect_timeout_is_told_from_a_silent_server)
{
    int port;
    int listener = listen_on_loopback(0, &port);
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int filler[8];
    for (int i = 0; i < 8; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(filler[i], (const struct sockaddr *)&address, sizeof address);
    }
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    const struct http_request request = {.method = "POST", .url = url, .connect_timeout_ms = 200, .once = true};
    struct seen seen = {0};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_CONNECT);
    ck_assert(!seen.sent);
    for (int i = 0; i < 8; i++) {
        close(filler[i]);
    }
    close(listener);
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
    base->cancel(base, seen.transfer);
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
    base->cancel(base, seen.transfer);
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
    const struct http_request kickoff = {.method = "POST", .url = rude_server_url(server), .once = true};
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
    const struct http_request request = {.method = "POST", .url = rude_server_url(server), .once = true};
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

/* ---- the watch ---- */

START_TEST(a_number_that_is_used_again_is_told_to_epoll_again)
{
    struct fd_watch watch;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    fd_watch_init(&watch, epoll);
    for (int i = 0; i < 3; i++) {
        struct epoll_event event;
        int fd = fd_watch_open(&watch, AF_INET, SOCK_DGRAM, 0);
        ck_assert_int_eq(fd_watch_want(&watch, fd, EPOLLOUT), 0);
        ck_assert_int_eq(epoll_wait(epoll, &event, 1, 1000), 1);
        int matched_fd = -1;
        ck_assert_uint_eq(fd_watch_match(&watch, event.data.u64, event.events, &matched_fd), EPOLLOUT);
        ck_assert_int_eq(matched_fd, fd);
        ck_assert_int_eq(fd_watch_want(&watch, fd, 0), 0);
        fd_watch_close(&watch, fd);
        /* an event of the one before does not reach the next */
        int next = fd_watch_open(&watch, AF_INET, SOCK_DGRAM, 0);
        ck_assert_int_eq(next, fd);
        ck_assert_int_eq(fd_watch_want(&watch, next, EPOLLIN), 0);
        ck_assert_uint_eq(fd_watch_match(&watch, event.data.u64, EPOLLIN, &matched_fd), 0);
        fd_watch_close(&watch, next);
    }
    fd_watch_deinit(&watch);
    close(epoll);
}
END_TEST

START_TEST(an_event_that_nobody_wants_does_not_come_twice)
{
    struct fd_watch watch;
    struct epoll_event event;
    int matched_fd;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    fd_watch_init(&watch, epoll);
    int fd = fd_watch_open(&watch, AF_INET, SOCK_DGRAM, 0);
    fd_watch_want(&watch, fd, EPOLLOUT);
    fd_watch_want(&watch, fd, 0);
    ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 1); /* epoll was not told yet */
    ck_assert_uint_eq(fd_watch_match(&watch, event.data.u64, event.events, &matched_fd), 0);
    ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 0);
    fd_watch_want(&watch, fd, EPOLLOUT | EPOLLIN);
    ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 1);
    ck_assert_uint_eq(fd_watch_match(&watch, event.data.u64, event.events, &matched_fd), EPOLLOUT);
    fd_watch_close(&watch, fd);
    fd_watch_deinit(&watch);
    close(epoll);
}
END_TEST

#define COUNT(rows) (int)(sizeof(rows) / sizeof((rows)[0]))

static void add_answers(Suite *suite)
{
    TCase *tests = tcase_create("requests and answers");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, a_request_is_written_as_its_method_wants_it, 0, COUNT(forms));
    tcase_add_loop_test(tests, a_request_carries_nothing_of_the_one_before, 0, COUNT(forms));
    tcase_add_test(tests, a_head_has_no_body_to_wait_for);
    tcase_add_test(tests, headers_go_out_as_given_and_are_copied);
    tcase_add_test(tests, a_body_over_a_megabyte_goes_out_without_asking_first);
    tcase_add_test(tests, the_environment_s_proxy_is_not_asked);
    tcase_add_loop_test(tests, any_code_is_an_answer, 0, 10);
    tcase_add_test(tests, connections_are_used_again);
    tcase_add_test(tests, a_connection_that_is_closed_while_it_rests_is_replaced);
    tcase_add_loop_test(tests, a_body_up_to_the_limit_is_read_whole, 0, 2);
    tcase_add_loop_test(tests, an_answer_without_end_is_cut_off, 0, COUNT(floods));
    tcase_add_test(tests, one_header_without_end_is_cut_off);
    tcase_add_loop_test(tests, an_answer_that_breaks_off_is_a_network_error, 0, COUNT(broken));
    suite_add_tcase(suite, tests);
}

static void add_hops(Suite *suite)
{
    TCase *tests = tcase_create("once, redirects");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, a_kickoff_whose_connection_dies_is_sent_once, 0, COUNT(dropped));
    tcase_add_test(tests, a_poll_whose_connection_dies_is_sent_again);
    tcase_add_test(tests, each_hop_of_a_kickoff_is_sent_once);
    tcase_add_loop_test(tests, a_redirect_is_followed_with_the_method_of_its_code, 0, COUNT(redirects));
    tcase_add_test(tests, headers_do_not_follow_to_another_origin_and_do_not_come_back);
    tcase_add_loop_test(tests, a_location_may_be_relative, 0, COUNT(locations));
    tcase_add_loop_test(tests, five_redirects_are_followed_and_not_six, 0, 2);
    tcase_add_loop_test(tests, a_redirect_that_leads_nowhere_is_told_with_its_code, 0, COUNT(bad_redirects));
    tcase_add_test(tests, a_redirect_s_body_is_limited_too);
    suite_add_tcase(suite, tests);
}

static void add_ways(Suite *suite)
{
    TCase *tests = tcase_create("failures, time, order");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_refused_connection_was_never_sent);
    tcase_add_test(tests, a_name_without_an_address_was_never_sent);
    tcase_add_test(tests, a_handshake_that_fails_was_never_sent);
    tcase_add_test(tests, a_handshake_without_end_is_a_connect_timeout);
    tcase_add_loop_test(tests, a_url_that_cannot_be_requested_is_told_by_done, 0, COUNT(bad_urls));
    tcase_add_loop_test(tests, a_timeout_cuts_a_request_that_gets_no_whole_answer, 0, COUNT(slow_steps));
    tcase_add_test(tests, a_timeout_counts_over_all_hops);
    tcase_add_test(tests, a_timeout_does_not_count_in_the_queue);
    tcase_add_test(tests, a_connect_timeout_is_told_from_a_silent_server);
    tcase_add_loop_test(tests, a_request_may_be_cancelled_at_any_stage, 0, 3);
    tcase_add_test(tests, a_name_look_up_may_be_cancelled);
    tcase_add_test(tests, one_whose_answer_is_there_may_be_cancelled_by_another_s_done);
    tcase_add_test(tests, begun_may_say_no);
    tcase_add_test(tests, done_may_start_the_next);
    tcase_add_test(tests, no_more_go_to_an_origin_than_it_has_places);
    tcase_add_test(tests, hundreds_of_requests_all_come_back);
    suite_add_tcase(suite, tests);
}

Suite *test_suite(void)
{
    Suite *suite = suite_create("curl_transport");
    add_answers(suite);
    add_hops(suite);
    add_ways(suite);
    TCase *policy = tcase_create("egress");
    tcase_set_timeout(policy, 60);
    tcase_add_checked_fixture(policy, setup_none, teardown);
    tcase_add_test(policy, a_refused_host_gets_no_connection);
    tcase_add_test(policy, a_name_is_refused_by_the_address_it_has);
    tcase_add_loop_test(policy, a_redirect_to_a_refused_host_is_not_followed, 0, 2);
    suite_add_tcase(suite, policy);
    TCase *watch = tcase_create("fd_watch");
    tcase_add_test(watch, a_number_that_is_used_again_is_told_to_epoll_again);
    tcase_add_test(watch, an_event_that_nobody_wants_does_not_come_twice);
    suite_add_tcase(suite, watch);
    return suite;
}
