#include "base/clock.h"
#include "ops/http_server.h"
#include "support/check_main.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_BODY_BYTES 4096
#define DEADLINE_MS 20000
#define HOUR_MS 3600000

/* --- a handler that does what its path says --- */

static _Atomic unsigned handled;
static _Atomic(struct http_exchange *) stashed; /* by /later, for a thread to answer */
static pthread_mutex_t hold = PTHREAD_MUTEX_INITIALIZER; /* /hold keeps its thread while the test has it */

static int64_t query_int(const struct http_exchange *exchange, const char *name)
{
    const char *value = http_exchange_query(exchange, name);
    return value ? strtoll(value, NULL, 10) : 0;
}

static bool pair_print(const char *name, const char *value, void *opaque)
{
    fprintf(opaque, "%s=%s;", name, value ? value : "(none)");
    return true;
}

static void answer_text(struct http_exchange *exchange, const char *text, int64_t delay_ms)
{
    static const char *const headers[] = {"X-One", "1", "X-Bad", "a\r\nb: c", "X-Two", "2", NULL};
    struct http_answer answer = {.code = 200, .content_type = "text/plain", .body = text, .body_bytes = strlen(text),
                                 .headers = headers, .delay_ms = delay_ms};
    http_answer_send(exchange, &answer);
}

static void answer_echo(struct http_exchange *exchange)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    size_t body_bytes;
    const char *body = http_exchange_body(exchange, &body_bytes);
    const char *header = http_exchange_header(exchange, "x-ask");
    fprintf(out, "%s %s %s\n%s %zu:%s\n", http_exchange_method(exchange), http_exchange_path(exchange),
            http_exchange_target(exchange), header ? header : "-", body_bytes, body);
    http_exchange_queries(exchange, pair_print, out);
    fclose(out);
    answer_text(exchange, text, 0);
    free(text);
}

static void handle(struct http_exchange *exchange, void *opaque)
{
    const char *path = http_exchange_path(exchange);
    ck_assert_ptr_eq(opaque, &handled);
    handled++;
    if (strncmp(path, "/echo", 5) == 0) {
        answer_echo(exchange);
    } else if (strcmp(path, "/delay") == 0) {
        answer_text(exchange, "late", query_int(exchange, "ms"));
    } else if (strcmp(path, "/drop") == 0) {
        http_answer_drop(exchange, query_int(exchange, "ms"));
    } else if (strcmp(path, "/stream") == 0) {
        http_answer_stream(exchange, &(struct http_stream){.code = 201, .text = "abc", .text_bytes = 3,
                                                           .piece_bytes = (size_t)query_int(exchange, "piece"),
                                                           .interval_ms = query_int(exchange, "ms"),
                                                           .bytes = (uint64_t)query_int(exchange, "bytes"),
                                                           .delay_ms = query_int(exchange, "delay")});
    } else if (strcmp(path, "/later") == 0) {
        stashed = exchange;
    } else if (strcmp(path, "/hold") == 0) {
        pthread_mutex_lock(&hold);
        pthread_mutex_unlock(&hold);
        answer_text(exchange, "held", 0);
    } else if (strcmp(path, "/never") != 0) {
        answer_text(exchange, "what?", 0);
    }
}

static struct http_server *server;

static void start_limited(int threads, int max_connections)
{
    char why[256] = "";
    struct http_server_config config = {.listen = "127.0.0.1:0", .threads = threads, .max_body_bytes = MAX_BODY_BYTES,
                                        .max_connections = max_connections};
    handled = 0;
    stashed = NULL;
    server = http_server_start(&config, handle, &handled, why, sizeof(why));
    ck_assert_msg(server, "%s", why);
}

static void start_with(int threads)
{
    start_limited(threads, 0);
}

static void start(void)
{
    start_with(1);
}

static void stop(void)
{
    http_server_stop(server);
    server = NULL;
}

/* --- clients --- */

struct reply {
    long code;
    size_t bytes;
    char text[65536];
};

static size_t reply_take(char *bytes, size_t size, size_t n, void *opaque)
{
    struct reply *reply = opaque;
    if (size * n >= sizeof(reply->text) - reply->bytes) {
        return 0;
    }
    memcpy(reply->text + reply->bytes, bytes, size * n);
    reply->bytes += size * n;
    reply->text[reply->bytes] = '\0';
    return size * n;
}

static CURL *curl;
static struct reply reply;

static CURLcode ask(const char *method, const char *target, const char *body, size_t body_bytes, const char *header)
{
    char url[512];
    if (!curl) {
        curl = curl_easy_init();
    }
    curl_easy_reset(curl);
    reply.code = 0;
    reply.bytes = 0;
    reply.text[0] = '\0';
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", http_server_port(server), target);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (header) {
        headers = curl_slist_append(headers, header);
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)DEADLINE_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, reply_take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body_bytes);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    CURLcode rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.code);
    curl_slist_free_all(headers);
    return rc;
}

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)http_server_port(server));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* What comes within the deadline, at most room - 1 bytes; up to the end of the connection or, where `until` is given,
 * to that text. Returns the bytes. */
static size_t hear(int fd, char *out, size_t room, const char *until)
{
    size_t bytes = 0;
    out[0] = '\0';
    while (bytes + 1 < room && !(until && strstr(out, until))) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        ck_assert_msg(poll(&readable, 1, DEADLINE_MS) == 1, "nothing came; so far: %s", out);
        ssize_t n = recv(fd, out + bytes, room - 1 - bytes, 0);
        if (n <= 0) {
            break;
        }
        bytes += (size_t)n;
        out[bytes] = '\0';
    }
    return bytes;
}

static bool await_handled(unsigned n)
{
    int64_t until_ms = clock_mono_ms() + DEADLINE_MS;
    while (handled < n && clock_mono_ms() < until_ms) {
        sched_yield();
    }
    return handled >= n;
}

/* --- tests --- */

START_TEST(hands_the_whole_request_to_the_handler_and_its_answer_back)
{
    ck_assert_int_eq(ask("PATCH", "/echo/a%20b%2Fc?x=1%262&y=&z", "hello", 5, "X-Ask: why"), CURLE_OK);
    ck_assert_int_eq(reply.code, 200);
    ck_assert_str_eq(reply.text, "PATCH /echo/a b/c /echo/a%20b%2Fc?x=1%262&y=&z\nwhy 5:hello\nx=1&2;y=;z=(none);");
}
END_TEST

START_TEST(sends_the_headers_that_the_answer_names_and_no_invalid_one)
{
    char heard[4096];
    int fd = dial();
    say(fd, "GET /delay HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    hear(fd, heard, sizeof(heard), NULL);
    ck_assert_ptr_nonnull(strstr(heard, "X-One: 1\r\n"));
    ck_assert_ptr_nonnull(strstr(heard, "X-Two: 2\r\n"));
    ck_assert_ptr_nonnull(strstr(heard, "Content-Type: text/plain\r\n"));
    ck_assert_ptr_nonnull(strstr(heard, "\r\n\r\nlate"));
    ck_assert_ptr_null(strstr(heard, "b: c"));
    close(fd);
}
END_TEST

START_TEST(refuses_a_body_over_the_limit_with_413)
{
    static const struct {
        size_t bytes;
        bool chunked;
        long code;
    } rows[] = {
        {MAX_BODY_BYTES, false, 200},    {MAX_BODY_BYTES, true, 200},     {MAX_BODY_BYTES + 1, false, 413},
        {MAX_BODY_BYTES + 1, true, 413}, {(size_t)8 << 20, false, 413}, {(size_t)8 << 20, true, 413},
    };
    char *body = malloc(rows[_i].bytes);
    memset(body, 'x', rows[_i].bytes);
    CURLcode rc = ask("POST", "/echo", body, rows[_i].bytes, rows[_i].chunked ? "Transfer-Encoding: chunked" : NULL);
    ck_assert_msg(rc == CURLE_OK, "%s", curl_easy_strerror(rc));
    ck_assert_int_eq(reply.code, rows[_i].code);
    ck_assert_uint_eq(handled, rows[_i].code == 200);
    if (reply.code == 413) {
        ck_assert_str_eq(reply.text, "{\"error\":\"the request body is over 4096 bytes\"}\n");
    }
    free(body);
}
END_TEST

START_TEST(delays_an_answer_at_least_as_long_as_asked)
{
    static const int rows[] = {1, 30, 1100};
    char target[64];
    snprintf(target, sizeof(target), "/delay?ms=%d", rows[_i]);
    int64_t from_ms = clock_mono_ms();
    ck_assert_int_eq(ask("GET", target, NULL, 0, NULL), CURLE_OK);
    ck_assert_int_ge(clock_mono_ms() - from_ms, rows[_i]);
    ck_assert_str_eq(reply.text, "late");
}
END_TEST

START_TEST(holds_no_thread_for_answers_that_are_late)
{
    enum { N = 300 };
    int fds[N];
    for (int i = 0; i < N; i++) {
        fds[i] = dial();
        say(fds[i], i % 3 == 0   ? "GET /never HTTP/1.1\r\nHost: x\r\n\r\n"
                    : i % 3 == 1 ? "GET /delay?ms=3600000 HTTP/1.1\r\nHost: x\r\n\r\n"
                                 : "GET /drop?ms=3600000 HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    ck_assert(await_handled(N));
    ck_assert_int_eq(ask("GET", "/echo", NULL, 0, NULL), CURLE_OK);
    for (int i = 0; i < N; i++) {
        char byte;
        ck_assert_int_eq(recv(fds[i], &byte, 1, MSG_DONTWAIT), -1);
        ck_assert_int_eq(errno, EAGAIN);
        close(fds[i]);
    }
}
END_TEST

/* A later timer must not delay an earlier one that is set after it. */
START_TEST(answers_in_the_order_of_delays_not_of_requests)
{
    int slow = dial();
    say(slow, "GET /delay?ms=3600000 HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert(await_handled(1));
    ck_assert_int_eq(ask("GET", "/delay?ms=20", NULL, 0, NULL), CURLE_OK);
    ck_assert_str_eq(reply.text, "late");
    close(slow);
}
END_TEST

static void *answer_stashed(void *opaque)
{
    const unsigned *n = opaque;
    for (unsigned i = 0; i < *n;) {
        struct http_exchange *exchange = atomic_exchange(&stashed, NULL);
        if (!exchange) {
            sched_yield();
            continue;
        }
        i++;
        answer_text(exchange, "from a thread", i % 4 == 0 ? 1 : 0);
    }
    return NULL;
}

START_TEST(takes_answers_from_any_thread_at_any_time)
{
    unsigned n = 2000;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, answer_stashed, &n), 0);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_int_eq(ask("GET", "/later", NULL, 0, NULL), CURLE_OK);
        ck_assert_str_eq(reply.text, "from a thread");
    }
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(drops_a_connection_without_a_byte)
{
    static const char *const rows[] = {"/drop", "/drop?ms=20", "/drop?ms=1100"};
    char request[128];
    char heard[256];
    int fd = dial();
    snprintf(request, sizeof(request), "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", rows[_i]);
    say(fd, request);
    ck_assert_uint_eq(hear(fd, heard, sizeof(heard), NULL), 0);
    close(fd);
}
END_TEST

START_TEST(streams_exactly_the_bytes_that_were_asked_for)
{
    static const struct {
        const char *target;
        size_t bytes;
        int64_t at_least_ms;
    } rows[] = {
        {"/stream?bytes=1", 1, 0},
        {"/stream?bytes=60001", 60001, 0},
        {"/stream?bytes=10&piece=1&ms=10", 10, 90},
        {"/stream?bytes=10&piece=4&ms=10", 10, 20},
        {"/stream?bytes=5&piece=2&delay=40", 5, 40},
    };
    int64_t from_ms = clock_mono_ms();
    ck_assert_int_eq(ask("GET", rows[_i].target, NULL, 0, NULL), CURLE_OK);
    ck_assert_int_ge(clock_mono_ms() - from_ms, rows[_i].at_least_ms);
    ck_assert_int_eq(reply.code, 201);
    ck_assert_uint_eq(reply.bytes, rows[_i].bytes);
    for (size_t i = 0; i < reply.bytes; i++) {
        ck_assert_int_eq(reply.text[i], "abc"[i % 3]);
    }
    /* The connection is fit for another request. */
    ck_assert_int_eq(ask("GET", "/echo", NULL, 0, NULL), CURLE_OK);
}
END_TEST

START_TEST(streams_without_end_until_the_peer_goes)
{
    static const char *const rows[] = {"/stream", "/stream?piece=100&ms=1"};
    char request[128];
    char heard[20000];
    int fd = dial();
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", rows[_i]);
    say(fd, request);
    ck_assert_uint_eq(hear(fd, heard, sizeof(heard), NULL), sizeof(heard) - 1);
    ck_assert_ptr_nonnull(strstr(heard, "Transfer-Encoding: chunked\r\n"));
    ck_assert_ptr_nonnull(strstr(heard, "abcabc"));
    close(fd);
    ck_assert_int_eq(ask("GET", "/echo", NULL, 0, NULL), CURLE_OK);
}
END_TEST

static int count_files(void)
{
    int n = 0;
    DIR *files = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(files);
    while (readdir(files)) {
        n++;
    }
    closedir(files);
    return n;
}

START_TEST(notices_that_a_peer_went_while_its_answer_is_delayed)
{
    ck_assert_int_eq(ask("GET", "/echo", NULL, 0, NULL), CURLE_OK);
    int before = count_files();
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = dial();
        say(fds[i], i % 2 ? "GET /delay?ms=3600000 HTTP/1.1\r\nHost: x\r\n\r\n"
                          : "GET /drop?ms=3600000 HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    ck_assert(await_handled(21));
    ck_assert_int_eq(count_files(), before + 40);
    for (int i = 0; i < 20; i++) {
        close(fds[i]);
    }
    int64_t until_ms = clock_mono_ms() + DEADLINE_MS;
    while (count_files() > before && clock_mono_ms() < until_ms) {
        sched_yield();
    }
    ck_assert_int_eq(count_files(), before);
}
END_TEST

START_TEST(stops_cleanly_with_exchanges_pending)
{
    static const char *const targets[] = {"/never", "/delay?ms=3600000", "/drop?ms=3600000",
                                          "/stream?piece=1&ms=3600000", "/stream?delay=3600000"};
    enum { N = 5 };
    int fds[4 * N];
    char heard[4096];
    stop();
    start_with(2);
    for (int i = 0; i < 4 * N; i++) {
        char request[128];
        fds[i] = dial();
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", targets[i % N]);
        say(fds[i], request);
        /* The stream has begun: it waits between two pieces. */
        if (i % N == 3) {
            hear(fds[i], heard, sizeof(heard), "\r\na\r\n");
        }
    }
    ck_assert(await_handled(4 * N));
    stop();
    for (int i = 0; i < 4 * N; i++) {
        ck_assert_uint_eq(hear(fds[i], heard, sizeof(heard), NULL), 0);
        close(fds[i]);
    }
}
END_TEST

/* A stop that comes while requests do. */
START_TEST(stops_cleanly_under_load)
{
    enum { N = 64 };
    int fds[N];
    stop();
    start_with(2);
    for (int i = 0; i < N; i++) {
        fds[i] = dial();
    }
    for (int i = 0; i < N; i++) {
        say(fds[i], i % 4 == 0   ? "GET /delay?ms=1 HTTP/1.1\r\nHost: x\r\n\r\nGET /delay HTTP/1.1\r\nHost: x\r\n\r\n"
                    : i % 4 == 1 ? "GET /echo HTTP/1.1\r\nHost: x\r\n\r\nGET /never HTTP/1.1\r\nHost: x\r\n\r\n"
                    : i % 4 == 2 ? "GET /stream?piece=1&ms=1 HTTP/1.1\r\nHost: x\r\n\r\n"
                                 : "GET /delay?ms=1000 HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    ck_assert(await_handled((unsigned)_i * 12));
    stop();
    for (int i = 0; i < N; i++) {
        close(fds[i]);
    }
}
END_TEST

START_TEST(keeps_thousands_of_idle_connections_alive)
{
    enum { N = 3000 };
    static int fds[N];
    char heard[1024];
    for (int i = 0; i < N; i++) {
        fds[i] = dial();
        say(fds[i], "GET /delay HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            hear(fds[i], heard, sizeof(heard), "late");
            ck_assert_ptr_nonnull(strstr(heard, "HTTP/1.1 200"));
            say(fds[i], "GET /delay HTTP/1.1\r\nHost: x\r\n\r\n");
        }
    }
    for (int i = 0; i < N; i++) {
        close(fds[i]);
    }
}
END_TEST

/* libmicrohttpd looks for 128 events at a time; as many as that must not keep it from any. */
START_TEST(answers_however_many_connections_are_ready_at_once)
{
    static const int rows[] = {127, 128, 129, 256};
    enum { MOST = 256 };
    int fds[MOST];
    char heard[1024];
    for (int i = 0; i < rows[_i]; i++) {
        fds[i] = dial();
        say(fds[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        hear(fds[i], heard, sizeof(heard), "what?");
    }
    int holder = dial();
    pthread_mutex_lock(&hold);
    say(holder, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert(await_handled((unsigned)rows[_i] + 1));
    for (int i = 0; i < rows[_i]; i++) {
        say(fds[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    pthread_mutex_unlock(&hold);
    for (int i = 0; i < rows[_i]; i++) {
        hear(fds[i], heard, sizeof(heard), "what?");
        ck_assert_ptr_nonnull(strstr(heard, "HTTP/1.1 200"));
        close(fds[i]);
    }
    close(holder);
}
END_TEST

/* Those over the limit wait, and each is taken when another went, although nothing else happens then. */
START_TEST(takes_as_many_connections_as_it_may_and_the_next_when_one_goes)
{
    enum { LIMIT = 5, N = 12 };
    struct pollfd fds[N];
    char heard[1024];
    stop();
    start_limited(_i + 1, LIMIT);
    for (int i = 0; i < N; i++) {
        fds[i] = (struct pollfd){.fd = dial(), .events = POLLIN};
        say(fds[i].fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    ck_assert(await_handled(LIMIT));
    for (int served = 0; served < N; served++) {
        ck_assert_int_gt(poll(fds, N, DEADLINE_MS), 0);
        int i = 0;
        while (!fds[i].revents) {
            i++;
        }
        hear(fds[i].fd, heard, sizeof(heard), "what?");
        ck_assert_ptr_nonnull(strstr(heard, "HTTP/1.1 200"));
        ck_assert_uint_le(handled, (unsigned)(served + LIMIT));
        close(fds[i].fd);
        fds[i].fd = -1;
    }
}
END_TEST

START_TEST(survives_what_is_not_http)
{
    static const char *const rows[] = {
        "\r\n\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET\r\n\r\n",
        "GET /%zz%00%ff?%=%&&&=& HTTP/1.1\r\nHost: x\r\n: \r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nshort",
    };
    int fd = dial();
    say(fd, rows[_i]);
    close(fd);
    ck_assert_int_eq(ask("GET", "/echo", NULL, 0, NULL), CURLE_OK);
    ck_assert_int_eq(reply.code, 200);
}
END_TEST

START_TEST(listens_where_it_is_told)
{
    static const struct {
        const char *listen;
        const char *why; /* "": it works */
    } rows[] = {
        {"127.0.0.1:0", ""},
        {"localhost:0", ""},
        {":0", ""},
        {"[::1]:0", ""},
        {"", "cannot listen on '': expected HOST:PORT"},
        {"8080", "cannot listen on '8080': expected HOST:PORT"},
        {"127.0.0.1:", "cannot listen on '127.0.0.1:': expected HOST:PORT"},
        {"127.0.0.1:http", "cannot listen on '127.0.0.1:http': expected HOST:PORT"},
        {"127.0.0.1:65536", "cannot listen on '127.0.0.1:65536': expected HOST:PORT"},
        {"127.0.0.1:-1", "cannot listen on '127.0.0.1:-1': expected HOST:PORT"},
        {"::1:8080", "cannot listen on '::1:8080': expected HOST:PORT"},
        {"[::1:8080", "cannot listen on '[::1:8080': expected HOST:PORT"},
        {"[]:8080", "cannot listen on '[]:8080': expected HOST:PORT"},
        {"no-such-host.invalid:0", "cannot listen on 'no-such-host.invalid:0': "},
        {"192.0.2.1:0", "cannot listen on '192.0.2.1:0': Cannot assign"},
    };
    char why[256] = "";
    struct http_server_config config = {.listen = rows[_i].listen, .threads = 1, .max_body_bytes = 1};
    struct http_server *another = http_server_start(&config, handle, &handled, why, sizeof(why));
    if (!another && strstr(why, "not supported")) { /* a machine without IPv6 */
        return;
    }
    ck_assert_msg(strncmp(why, rows[_i].why, strlen(rows[_i].why)) == 0, "%s", why);
    ck_assert_msg(!another == (rows[_i].why[0] != '\0'), "%s", why);
    if (another) {
        ck_assert_int_gt(http_server_port(another), 0);
    }
    http_server_stop(another);
}
END_TEST

START_TEST(says_that_the_port_is_taken)
{
    char address[64];
    char why[256] = "";
    snprintf(address, sizeof(address), "127.0.0.1:%d", http_server_port(server));
    struct http_server_config config = {.listen = address, .threads = 1, .max_body_bytes = 1};
    ck_assert_ptr_null(http_server_start(&config, handle, &handled, why, sizeof(why)));
    ck_assert_ptr_nonnull(strstr(why, address));
    ck_assert_ptr_nonnull(strstr(why, "taken"));
}
END_TEST

static void end(void)
{
    if (curl) {
        curl_easy_cleanup(curl);
    }
    curl = NULL;
    stop();
}

Suite *test_suite(void)
{
    Suite *suite = suite_create("http_server");
    TCase *tests = tcase_create("all");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, start, end);
    tcase_add_test(tests, hands_the_whole_request_to_the_handler_and_its_answer_back);
    tcase_add_test(tests, sends_the_headers_that_the_answer_names_and_no_invalid_one);
    tcase_add_loop_test(tests, refuses_a_body_over_the_limit_with_413, 0, 6);
    tcase_add_loop_test(tests, delays_an_answer_at_least_as_long_as_asked, 0, 3);
    tcase_add_test(tests, holds_no_thread_for_answers_that_are_late);
    tcase_add_test(tests, answers_in_the_order_of_delays_not_of_requests);
    tcase_add_test(tests, takes_answers_from_any_thread_at_any_time);
    tcase_add_loop_test(tests, drops_a_connection_without_a_byte, 0, 3);
    tcase_add_loop_test(tests, streams_exactly_the_bytes_that_were_asked_for, 0, 5);
    tcase_add_loop_test(tests, streams_without_end_until_the_peer_goes, 0, 2);
    tcase_add_test(tests, notices_that_a_peer_went_while_its_answer_is_delayed);
    tcase_add_test(tests, stops_cleanly_with_exchanges_pending);
    tcase_add_loop_test(tests, stops_cleanly_under_load, 0, 5);
    tcase_add_test(tests, keeps_thousands_of_idle_connections_alive);
    tcase_add_loop_test(tests, answers_however_many_connections_are_ready_at_once, 0, 4);
    tcase_add_loop_test(tests, takes_as_many_connections_as_it_may_and_the_next_when_one_goes, 0, 3);
    tcase_add_loop_test(tests, survives_what_is_not_http, 0, 7);
    tcase_add_loop_test(tests, listens_where_it_is_told, 0, 15);
    tcase_add_test(tests, says_that_the_port_is_taken);
    return suite;
}
