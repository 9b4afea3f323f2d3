/* fetch_stage: a curl transport that the test turns itself, servers for it, and what became of each request.
 *
 * For the test files of the transport. One thread, which waits in turn() alone. */
#ifndef RXP_TESTS_FETCH_STAGE_H
#define RXP_TESTS_FETCH_STAGE_H

#include "base/clock.h"
#include "engine/curl_transport.h"
#include "support/check_main.h"
#include "support/rude_server.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define COUNT(rows) (int)(sizeof(rows) / sizeof((rows)[0]))
#define PATIENCE_MS 20000
#define MAX_RESPONSE_BYTES 10000

/* The transport under test, turned by the test itself. */
static int epoll_fd = -1;
static struct curl_transport *transport;
static struct egress *egress;
static struct gates *gates; /* set before set_up_with by who wants some */
static int64_t kickoff_max_wait_ms;
static struct rude_server *server;
static struct rude_server *other;

/* What a test's request came to. */
struct seen {
    struct transfer *transfer;
    int begun;
    int done;
    bool refuse; /* begun shall say no */
    bool hold;   /* begun shall say not yet */
    struct http_headers headers; /* that begun shall give */
    enum transport_error error;
    char detail[TRANSPORT_DETAIL_BYTES];
    bool sent;
    int code;
    char body[256];
    size_t body_bytes;
    bool moved;
    char retry_after[256]; /* "(none)" where it is NULL, like the next two */
    char wanted_raw[256];
    char wanted_url[256];
    struct http_timing timing;
    int64_t begun_ms;
    int64_t done_ms;
    struct seen *start_then;  /* to be started in done, with then_url */
    struct seen *cancel_then; /* to be cancelled in done */
    const char *then_url;
};

static inline void set_up_with(const char *allow, bool loopback_allowed, size_t origin_max_active)
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
        .gates = gates,
        .kickoff_max_wait_ms = kickoff_max_wait_ms,
        .max_active = 1000,
        .max_connections = 100,
        .epoll_fd = epoll_fd,
    };
    transport = curl_transport_new(&config);
    ck_assert_ptr_nonnull(transport);
}

static inline void setup(void)
{
    set_up_with("*", true, 8);
}

static inline void teardown(void)
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
static inline void turn(void)
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

static inline void turn_until_done(const struct seen *seen)
{
    int64_t ends_ms = clock_mono_ms() + PATIENCE_MS;
    while (seen->done == 0) {
        ck_assert_msg(clock_mono_ms() < ends_ms, "no end in %d ms", PATIENCE_MS);
        turn();
    }
}

/* Until the server has read so many requests whole. */
static inline void turn_until_requested(struct rude_server *of, uint64_t requests)
{
    int64_t ends_ms = clock_mono_ms() + PATIENCE_MS;
    while (!rude_server_await(of, requests, 0)) {
        ck_assert_msg(clock_mono_ms() < ends_ms, "no %d requests in %d ms", (int)requests, PATIENCE_MS);
        turn();
    }
}

static inline enum transfer_go on_begun(void *opaque, int64_t now_ms, struct http_headers *headers)
{
    struct seen *seen = opaque;
    ck_assert_int_eq(seen->done, 0);
    ck_assert_ptr_nonnull(seen->transfer); /* not from within start */
    seen->begun++;
    seen->begun_ms = now_ms;
    if (seen->hold) {
        return TRANSFER_HOLD;
    }
    *headers = seen->headers;
    return seen->refuse ? TRANSFER_DROP : TRANSFER_GO;
}

static inline void start_request(struct seen *seen, const struct http_request *request);

static inline void keep_text(char *out, size_t room, const char *text)
{
    snprintf(out, room, "%s", text != NULL ? text : "(none)");
}

static inline void on_done(void *opaque, const struct http_reply *reply, int64_t now_ms)
{
    struct seen *seen = opaque;
    ck_assert_ptr_nonnull(seen->transfer);
    seen->transfer = NULL;
    seen->done++;
    seen->done_ms = now_ms;
    seen->error = reply->error;
    seen->sent = reply->sent;
    seen->code = reply->code;
    seen->timing = reply->timing;
    seen->body_bytes = reply->body_bytes;
    ck_assert_ptr_nonnull(reply->body);
    snprintf(seen->detail, sizeof seen->detail, "%s", reply->detail);
    snprintf(seen->body, sizeof seen->body, "%s", reply->body);
    seen->moved = reply->moved;
    keep_text(seen->retry_after, sizeof seen->retry_after, reply->retry_after);
    keep_text(seen->wanted_raw, sizeof seen->wanted_raw, reply->wanted_raw);
    keep_text(seen->wanted_url, sizeof seen->wanted_url, reply->wanted_url);
    if (seen->cancel_then != NULL && seen->cancel_then->transfer != NULL) {
        struct transport *base = curl_transport_base(transport);
        base->cancel(base, seen->cancel_then->transfer, false);
        seen->cancel_then->transfer = NULL;
    }
    if (seen->start_then != NULL) {
        const struct http_request request = {.method = "GET", .url = seen->then_url};
        start_request(seen->start_then, &request);
    }
}

static inline void start_request(struct seen *seen, const struct http_request *request)
{
    struct transport *base = curl_transport_base(transport);
    struct transfer *transfer = base->start(base, request, on_begun, on_done, seen);
    ck_assert_ptr_nonnull(transfer);
    ck_assert_int_eq(seen->begun + seen->done, 0);
    seen->transfer = transfer;
}

static inline void fetch(struct seen *seen, const struct http_request *request)
{
    start_request(seen, request);
    turn_until_done(seen);
}

static inline void get(struct seen *seen, const char *url)
{
    const struct http_request request = {.method = "GET", .url = url, .connect_timeout_ms = 5000};
    fetch(seen, &request);
}

static inline const char *url_of(struct rude_server *of, const char *path)
{
    static char url[4][256];
    static int next;
    next = (next + 1) % 4;
    snprintf(url[next], sizeof url[next], "%s%s", rude_server_url(of), path);
    return url[next];
}

static inline void serve(enum rude_scope scope, const struct rude_step *steps, size_t n)
{
    server = rude_server_start(scope, steps, n);
}

static inline void stop_server(void)
{
    rude_server_stop(server);
    server = NULL;
}

static inline uint64_t requests_of(struct rude_server *of)
{
    struct rude_counts counts;
    rude_server_counts(of, &counts);
    return counts.requests;
}

static inline uint64_t connections_of(struct rude_server *of)
{
    struct rude_counts counts;
    rude_server_counts(of, &counts);
    return counts.connections;
}

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
static const struct rude_step answer_ok[] = {{.act = RUDE_ANSWER, .answer = OK_ANSWER}};

#endif
