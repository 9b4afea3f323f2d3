/* What a request's end says to all who share its origin, and what they say to it. */
#include "engine/gate.h"
#include "ops/log.h"
#include "support/fetch_stage.h"

#include <netinet/in.h>
#include <sys/socket.h>

static struct gate *gate; /* of `server` */

/* A single failure opens. */
static void set_up_gates(int failures, size_t origin_max_active)
{
    const struct gates_config config = {.breaker_failures = failures, .breaker_probe_ms = 3600000};
    log_set_level(LOG_ERROR);
    gates = gates_new(&config);
    set_up_with("*", true, origin_max_active);
}

static void setup_gates(void)
{
    set_up_gates(1, 8);
}

static void teardown_gates(void)
{
    teardown();
    gate_release(gate, 0);
    gate = NULL;
    gates_free(gates);
    gates = NULL;
    kickoff_max_wait_ms = 0;
}

static struct gate *gate_of(const char *url)
{
    return gates_get(gates, url, clock_mono_ms());
}

static void serve_gate(enum rude_scope scope, const struct rude_step *steps, size_t n)
{
    serve(scope, steps, n);
    gate = gate_of(rude_server_url(server));
}

/* what the server does; the time that the request has; whether that is a failure of its origin */
static const struct {
    struct rude_step step;
    int64_t timeout_ms;
    enum transport_error error;
    bool opens;
} ends[] = {
    {{.act = RUDE_ANSWER, .answer = OK_ANSWER}, 0, TRANSPORT_OK, false},
    {{.act = RUDE_ANSWER, .answer = "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"}, 0, TRANSPORT_OK, false},
    {{.act = RUDE_ANSWER, .answer = "HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n"}, 0, TRANSPORT_REDIRECT, false},
    {{.act = RUDE_ENDLESS_BODY}, 0, TRANSPORT_TOO_LARGE, false},
    {{.act = RUDE_ENDLESS_HEADERS}, 0, TRANSPORT_TOO_LARGE, false},
    {{.act = RUDE_CLOSE}, 0, TRANSPORT_NETWORK, true},
    {{.act = RUDE_RESET}, 0, TRANSPORT_NETWORK, true},
    {{.act = RUDE_STALL}, 50, TRANSPORT_TIMEOUT, true},
};

START_TEST(an_answer_of_any_kind_is_none_a_failure_of_the_network_is_one)
{
    serve_gate(RUDE_EACH_CONNECTION, &ends[_i].step, 1);
    struct seen seen = {0};
    const struct http_request request = {
        .method = "POST", .url = url_of(server, "/"), .once = true, .is_kickoff = true, .timeout_ms = ends[_i].timeout_ms};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, ends[_i].error);
    ck_assert_int_eq(gate_is_open(gate), ends[_i].opens);
}
END_TEST

START_TEST(an_answer_of_any_kind_closes_it)
{
    bool answers = !ends[_i].opens;
    serve_gate(RUDE_EACH_CONNECTION, &ends[_i].step, 1);
    gate_failed(gate, clock_mono_ms());
    struct seen seen = {0};
    const struct http_request request = {.method = "GET", .url = url_of(server, "/"), .timeout_ms = ends[_i].timeout_ms};
    fetch(&seen, &request); /* a poll, which goes in spite of the breaker */
    ck_assert_int_eq(gate_is_open(gate), !answers);
    ck_assert_int_eq(gate_progress_ms(gate) > 0, answers);
}
END_TEST

START_TEST(a_connection_that_is_refused_is_a_failure)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(bound, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(getsockname(bound, (struct sockaddr *)&address, &bytes), 0);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    gate = gate_of(url);
    struct seen seen = {0};
    get(&seen, url);
    ck_assert_int_eq(seen.error, TRANSPORT_CONNECT);
    ck_assert(gate_is_open(gate));
    close(bound);
}
END_TEST

START_TEST(a_name_without_an_address_is_a_failure)
{
    gate = gate_of("http://no-such-host.invalid:80");
    struct seen seen = {0};
    get(&seen, "http://no-such-host.invalid/");
    ck_assert_int_eq(seen.error, TRANSPORT_RESOLVE);
    ck_assert(gate_is_open(gate));
}
END_TEST

/* where the request is when it is cancelled, and why; whether that says something of its origin */
static const struct {
    bool on_wire;
    bool is_late;
    bool opens;
} cancels[] = {{true, true, true}, {true, false, false}, {false, true, false}, {false, false, false}};

START_TEST(one_that_its_run_s_deadline_cuts_on_the_wire_is_a_failure)
{
    static const struct rude_step stall[] = {{.act = RUDE_STALL}};
    struct transport *base = curl_transport_base(transport);
    serve_gate(RUDE_EACH_CONNECTION, stall, 1);
    struct seen seen = {.hold = !cancels[_i].on_wire};
    const struct http_request request = {.method = "POST", .url = url_of(server, "/"), .once = true, .is_kickoff = true};
    start_request(&seen, &request);
    while (seen.begun == 0) {
        turn();
    }
    if (cancels[_i].on_wire) {
        turn_until_requested(server, 1);
    }
    base->cancel(base, seen.transfer, cancels[_i].is_late);
    ck_assert_int_eq(gate_is_open(gate), cancels[_i].opens);
}
END_TEST

START_TEST(each_hop_of_a_redirect_counts_at_its_own_origin)
{
    static const struct rude_step drop[] = {{.act = RUDE_CLOSE}};
    other = rude_server_start(RUDE_EACH_CONNECTION, drop, 1);
    char answer[256];
    snprintf(answer, sizeof answer, "HTTP/1.1 307 X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", url_of(other, "/"));
    const struct rude_step redirect[] = {{.act = RUDE_ANSWER, .answer = answer}};
    serve_gate(RUDE_EACH_CONNECTION, redirect, 1);
    struct gate *behind = gate_of(rude_server_url(other));
    struct seen seen = {0};
    get(&seen, url_of(server, "/"));
    ck_assert_int_eq(seen.error, TRANSPORT_NETWORK);
    ck_assert(!gate_is_open(gate));
    ck_assert(gate_is_open(behind));
    gate_release(behind, 0);
}
END_TEST

START_TEST(while_it_is_open_a_kickoff_waits_and_goes_once_it_is_closed)
{
    serve_gate(RUDE_EACH_CONNECTION, answer_ok, 1);
    gate_failed(gate, clock_mono_ms());
    struct seen kickoff = {0};
    struct seen poll = {0};
    const struct http_request request = {.method = "POST", .url = url_of(server, "/"), .once = true, .is_kickoff = true};
    start_request(&kickoff, &request);
    for (int i = 0; i < 10; i++) {
        turn();
    }
    ck_assert_int_eq(kickoff.begun, 0);
    get(&poll, url_of(server, "/"));
    turn_until_done(&kickoff);
    ck_assert_int_eq(kickoff.code, 200);
}
END_TEST

START_TEST(a_kickoff_that_waited_too_long_fails_and_never_left)
{
    curl_transport_free(transport);
    close(epoll_fd);
    egress_free(egress);
    kickoff_max_wait_ms = 50;
    set_up_with("*", true, 8);
    serve_gate(RUDE_EACH_CONNECTION, answer_ok, 1);
    gate_failed(gate, clock_mono_ms());
    struct seen seen[3] = {{0}, {0}, {0}};
    const struct http_request request = {.method = "POST", .url = url_of(server, "/"), .once = true, .is_kickoff = true};
    for (int i = 0; i < 3; i++) {
        start_request(&seen[i], &request);
    }
    for (int i = 0; i < 3; i++) {
        turn_until_done(&seen[i]);
        ck_assert_int_eq(seen[i].error, TRANSPORT_UNAVAILABLE);
        ck_assert_str_eq(seen[i].detail, "its origin has let no kickoff go for 0.05 s");
        ck_assert_int_eq(seen[i].begun, 0);
        ck_assert(!seen[i].sent);
    }
    ck_assert_uint_eq(requests_of(server), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("curl_gate");
    TCase *tc = tcase_create("gate");
    tcase_add_checked_fixture(tc, setup_gates, teardown_gates);
    tcase_add_loop_test(tc, an_answer_of_any_kind_is_none_a_failure_of_the_network_is_one, 0, COUNT(ends));
    tcase_add_loop_test(tc, an_answer_of_any_kind_closes_it, 0, COUNT(ends));
    tcase_add_test(tc, a_connection_that_is_refused_is_a_failure);
    tcase_add_test(tc, a_name_without_an_address_is_a_failure);
    tcase_add_loop_test(tc, one_that_its_run_s_deadline_cuts_on_the_wire_is_a_failure, 0, COUNT(cancels));
    tcase_add_test(tc, each_hop_of_a_redirect_counts_at_its_own_origin);
    tcase_add_test(tc, while_it_is_open_a_kickoff_waits_and_goes_once_it_is_closed);
    tcase_add_test(tc, a_kickoff_that_waited_too_long_fails_and_never_left);
    suite_add_tcase(suite, tc);
    return suite;
}
