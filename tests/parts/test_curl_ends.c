#include "support/fetch_stage.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

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
    const struct http_request request = {.method = "POST", .url = url, .once = true, .is_kickoff = true};
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
    const struct http_request request = {.method = "POST", .url = url, .once = true, .is_kickoff = true};
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
    const struct http_request request = {.method = "POST", .url = url, .once = true,
                                         .is_kickoff = true, .connect_timeout_ms = 200};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_CONNECT);
    ck_assert(!seen.sent);
}
END_TEST

START_TEST(a_socket_that_cannot_be_watched_fails_its_request)
{
    int no_epoll = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(dup2(no_epoll, epoll_fd), epoll_fd);
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    struct seen seen = {0};
    const struct http_request request = {.method = "POST", .url = rude_server_url(server), .once = true,
                                         .is_kickoff = true};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_CONNECT);
    ck_assert(!seen.sent);
    ck_assert_msg(strstr(seen.detail, "cannot be watched") != NULL, "%s", seen.detail);
    close(no_epoll);
}
END_TEST

static const char *const bad_urls[] = {"", "nonsense", "ftp://127.0.0.1/", "http://", "http://a b/", "http://[::1/",
                                       "/path", "file:///etc/passwd"};

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

/* Reports are cut into slices: time may run out between an answer and its report. */
START_TEST(a_redirect_is_not_followed_after_the_time_is_out)
{
    enum { N = 8 };
    static const struct rude_step steps[] = {
        {.act = RUDE_ANSWER, .answer = "HTTP/1.1 308 X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"}};
    serve(RUDE_WHOLE_SERVER, steps, 1);
    const struct http_request request = {.method = "GET", .url = rude_server_url(server), .timeout_ms = 60000};
    struct seen seen[N] = {{0}};
    for (int i = 0; i < N; i++) {
        start_request(&seen[i], &request);
    }
    /* Until all answers wait for their report. */
    struct curl_transport_counts counts;
    int64_t now_ms = clock_mono_ms();
    do {
        struct epoll_event event;
        curl_transport_begin(transport, now_ms);
        if (epoll_wait(epoll_fd, &event, 1, 20) == 1) {
            curl_transport_serve_fd(transport, event.data.u64, event.events, now_ms);
        }
        curl_transport_read_counts(transport, &counts);
        ck_assert_int_lt(clock_mono_ms(), now_ms + PATIENCE_MS);
    } while (requests_of(server) < N || counts.on_wire > 0);
    curl_transport_report(transport, now_ms, 0);
    curl_transport_report(transport, now_ms + 100000, 1000);
    size_t timed_out = 0;
    for (int i = 0; i < N; i++) {
        timed_out += seen[i].done == 1 && seen[i].error == TRANSPORT_TIMEOUT;
    }
    ck_assert_uint_eq(timed_out, N);
    ck_assert_uint_eq(requests_of(server), N);
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
    const struct http_request request = {.method = "POST", .url = url, .connect_timeout_ms = 200, .once = true,
                                         .is_kickoff = true};
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

Suite *test_suite(void)
{
    Suite *suite = suite_create("curl_ends");
    TCase *tests = tcase_create("curl_ends");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_refused_connection_was_never_sent);
    tcase_add_test(tests, a_name_without_an_address_was_never_sent);
    tcase_add_test(tests, a_handshake_that_fails_was_never_sent);
    tcase_add_test(tests, a_handshake_without_end_is_a_connect_timeout);
    tcase_add_test(tests, a_socket_that_cannot_be_watched_fails_its_request);
    tcase_add_loop_test(tests, a_url_that_cannot_be_requested_is_told_by_done, 0, COUNT(bad_urls));
    tcase_add_loop_test(tests, a_timeout_cuts_a_request_that_gets_no_whole_answer, 0, COUNT(slow_steps));
    tcase_add_test(tests, a_timeout_counts_over_all_hops);
    tcase_add_test(tests, a_redirect_is_not_followed_after_the_time_is_out);
    tcase_add_test(tests, a_timeout_does_not_count_in_the_queue);
    tcase_add_test(tests, a_connect_timeout_is_told_from_a_silent_server);
    suite_add_tcase(suite, tests);
    return suite;
}
