#include "ops/admin.h"
#include "ops/log.h"
#include "support/check_main.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOKEN "a-token-of-the-test"
#define DEADLINE_MS 20000

static _Atomic(struct http_exchange *) stashed;
static char seen[64]; /* what the last handler was asked */
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;

static void answer(struct http_exchange *exchange, void *opaque)
{
    pthread_mutex_lock(&seen_lock);
    snprintf(seen, sizeof seen, "%s %s", http_exchange_method(exchange), http_exchange_path(exchange));
    pthread_mutex_unlock(&seen_lock);
    ck_assert_str_eq(opaque, "opaque");
    admin_send_json(exchange, 200, "{}", 2);
}

static void answer_later(struct http_exchange *exchange, void *opaque)
{
    (void)opaque;
    stashed = exchange;
}

static const struct admin_route routes[] = {
    {.method = "GET", .path = "/livez", .access = ADMIN_OPEN, .handler = answer, .opaque = (void *)(uintptr_t) "opaque"},
    {.method = "GET", .path = "/", .access = ADMIN_PRIVATE, .handler = answer},
    {.method = "GET", .path = "/runs", .access = ADMIN_PRIVATE, .handler = answer},
    {.method = "GET", .path = "/runs/", .access = ADMIN_PRIVATE, .handler = answer},
    {.method = "POST", .path = "/runs/", .access = ADMIN_PROTECTED, .handler = answer},
    {.method = "GET", .path = "/runs/later/", .access = ADMIN_OPEN, .handler = answer_later},
};

static struct admin *admin;

static void start(const char *listen, const char *token)
{
    char why[256] = "";
    struct admin_config config = {.listen = listen, .token = token, .routes = routes,
                                  .n_routes = sizeof routes / sizeof routes[0], .opaque = (void *)(uintptr_t)"opaque"};
    log_set_level(LOG_ERROR);
    seen[0] = '\0';
    stashed = NULL;
    ck_assert_msg(admin_start(&config, &admin, why, sizeof why) == 0, "%s", why);
    ck_assert_ptr_nonnull(admin);
}

static void stop(void)
{
    admin_stop(admin);
    admin = NULL;
}

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)admin_port(admin));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)(void *)&to, sizeof to), 0);
    return fd;
}

/* All that comes until the peer closes. */
static void hear(int fd, char *out, size_t room)
{
    size_t bytes = 0;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    for (ssize_t n = 1; n > 0 && bytes < room - 1; bytes += n > 0 ? (size_t)n : 0) {
        ck_assert_int_eq(poll(&wait, 1, DEADLINE_MS), 1);
        n = recv(fd, out + bytes, room - 1 - bytes, 0);
    }
    out[bytes] = '\0';
    close(fd);
}

static char reply[65536];

/* Returns the code; the whole answer is in `reply`. */
static int ask(const char *method, const char *path, const char *headers)
{
    char text[8192];
    int n = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nConnection: close\r\n%s\r\n", method, path, headers);
    int fd = dial();
    ck_assert_int_eq(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    hear(fd, reply, sizeof reply);
    int code = 0;
    ck_assert_msg(sscanf(reply, "HTTP/1.1 %d", &code) == 1, "%s", reply);
    return code;
}

#define LOCAL "Host: 127.0.0.1:9464\r\n"

static const struct {
    const char *listen;
    const char *token;
    const char *method;
    const char *path;
    const char *authorization;
    int code;
} asks[] = {
    {"127.0.0.1:0", NULL, "GET", "/livez", "", 200},
    {"127.0.0.1:0", NULL, "GET", "/", "", 200},
    {"127.0.0.1:0", NULL, "GET", "/runs/x", "", 200},
    {"127.0.0.1:0", TOKEN, "GET", "/runs", "", 200},
    {"127.0.0.1:0", NULL, "POST", "/runs/x", "", 403},
    {"127.0.0.1:0", NULL, "POST", "/runs/x", "Authorization: Bearer " TOKEN "\r\n", 403},
    {"127.0.0.1:0", TOKEN, "POST", "/runs/x", "", 401},
    {"127.0.0.1:0", TOKEN, "POST", "/runs/x", "Authorization: Bearer \r\n", 401},
    {"127.0.0.1:0", TOKEN, "POST", "/runs/x", "Authorization: Bearer " TOKEN TOKEN "\r\n", 401},
    {"127.0.0.1:0", TOKEN, "POST", "/runs/x", "Authorization: Bearer a-token-of-the-tess\r\n", 401},
    {"127.0.0.1:0", TOKEN, "POST", "/runs/x", "Authorization: Basic " TOKEN "\r\n", 401},
    {"127.0.0.1:0", TOKEN, "POST", "/runs/x", "Authorization: bearer  " TOKEN "\r\n", 200},
    {"0.0.0.0:0", NULL, "GET", "/livez", "", 200},
    {"0.0.0.0:0", NULL, "GET", "/runs", "", 403},
    {"0.0.0.0:0", NULL, "GET", "/", "", 403},
    {"0.0.0.0:0", TOKEN, "GET", "/livez", "", 200},
    {"0.0.0.0:0", TOKEN, "GET", "/runs", "", 401},
    {"0.0.0.0:0", TOKEN, "GET", "/runs", "Authorization: Bearer " TOKEN "\r\n", 200},
    {"0.0.0.0:0", TOKEN, "HEAD", "/runs/x", "", 401},
};

START_TEST(lets_in_who_may)
{
    start(asks[_i].listen, asks[_i].token);
    char headers[256];
    snprintf(headers, sizeof headers, "%sContent-Length: 0\r\n%s", LOCAL, asks[_i].authorization);
    ck_assert_int_eq(ask(asks[_i].method, asks[_i].path, headers), asks[_i].code);
    ck_assert_int_eq(seen[0] != '\0', asks[_i].code == 200);
    ck_assert_int_eq(strstr(reply, "WWW-Authenticate: Bearer") != NULL, asks[_i].code == 401);
    if (strcmp(asks[_i].method, "HEAD") != 0)
        ck_assert_int_eq(strstr(reply, "{\"error\":\"") != NULL, asks[_i].code != 200);
    stop();
}
END_TEST

static const struct {
    const char *listen;
    const char *host;
    int code;
} hosts[] = {
    {"127.0.0.1:0", "Host: localhost:9464\r\n", 200},    {"127.0.0.1:0", "Host: LOCALHOST\r\n", 200},
    {"127.0.0.1:0", "Host: 127.0.0.1\r\n", 200},         {"127.0.0.1:0", "Host: [::1]:9464\r\n", 200},
    {"127.0.0.1:0", "Host: evil.example\r\n", 421},      {"127.0.0.1:0", "Host: localhost.evil.example:9464\r\n", 421},
    {"127.0.0.1:0", "Host: 127.0.0.1.evil\r\n", 421},    {"127.0.0.1:0", "Host: [evil]\r\n", 421},
    {"0.0.0.0:0", "Host: rxp-worker.example\r\n", 200},
};

START_TEST(a_local_listener_answers_to_its_own_names_alone)
{
    start(hosts[_i].listen, NULL);
    ck_assert_int_eq(ask("GET", "/livez", hosts[_i].host), hosts[_i].code);
    ck_assert_int_eq(seen[0] != '\0', hosts[_i].code == 200);
    stop();
}
END_TEST

START_TEST(says_what_there_is)
{
    start("127.0.0.1:0", NULL);
    ck_assert_int_eq(ask("GET", "/metricks%22", LOCAL), 404);
    ck_assert_ptr_nonnull(strstr(reply, "{\"error\":\"there is no '/metricks\\\"' here; there is /livez / /runs\"}\n"));
    ck_assert_int_eq(ask("DELETE", "/runs/x", LOCAL), 405);
    ck_assert_ptr_nonnull(strstr(reply, "Allow: GET, HEAD, POST\r\n"));
    ck_assert_ptr_nonnull(strstr(reply, "'/runs/x' knows GET, HEAD, POST, not DELETE"));
    ck_assert_int_eq(ask("POST", "/livez", LOCAL "Content-Length: 0\r\n"), 405);
    ck_assert_ptr_nonnull(strstr(reply, "Allow: GET, HEAD\r\n"));
    ck_assert_int_eq(ask("GET", "/livez/x", LOCAL), 404);
    stop();
}
END_TEST

START_TEST(the_longest_route_wins)
{
    start("127.0.0.1:0", TOKEN);
    ck_assert_int_eq(ask("GET", "/runs/a/b", LOCAL), 200);
    ck_assert_str_eq(seen, "GET /runs/a/b");
    ck_assert_int_eq(ask("POST", "/runs/later/x", LOCAL "Content-Length: 0\r\n"), 405);
    stop();
}
END_TEST

START_TEST(head_has_the_head_alone)
{
    start("127.0.0.1:0", NULL);
    ck_assert_int_eq(ask("HEAD", "/livez", LOCAL), 200);
    ck_assert_str_eq(seen, "HEAD /livez");
    ck_assert_ptr_nonnull(strstr(reply, "Content-Length: 2\r\n"));
    ck_assert_str_eq(strstr(reply, "\r\n\r\n"), "\r\n\r\n");
    stop();
}
END_TEST

START_TEST(every_answer_is_kept_from_caches_frames_and_other_sites)
{
    static const char *const paths[] = {"/livez", "/nothing"};
    start("127.0.0.1:0", NULL);
    for (int i = 0; i < 2; i++) {
        ask("GET", paths[i], LOCAL "Origin: http://evil.example\r\n");
        ck_assert_ptr_nonnull(strstr(reply, "Cache-Control: no-store\r\n"));
        ck_assert_ptr_nonnull(strstr(reply, "X-Content-Type-Options: nosniff\r\n"));
        ck_assert_ptr_nonnull(strstr(reply, "X-Frame-Options: DENY\r\n"));
        ck_assert_ptr_null(strcasestr(reply, "Access-Control-"));
    }
    stop();
}
END_TEST

START_TEST(large_bodies_and_heads_are_refused)
{
    static char big[20000];
    start("127.0.0.1:0", TOKEN);
    memset(big, 'x', 5000);
    int fd = dial();
    int n = snprintf(reply, sizeof reply, "POST /runs/x HTTP/1.1\r\nConnection: close\r\n%sContent-Length: 5000\r\n\r\n%s", LOCAL,
                     big);
    ck_assert_int_eq(send(fd, reply, (size_t)n, MSG_NOSIGNAL), n);
    hear(fd, reply, sizeof reply);
    ck_assert_int_eq(strncmp(reply, "HTTP/1.1 413", 12), 0);
    memset(big, 'x', sizeof big - 1);
    fd = dial();
    n = snprintf(reply, sizeof reply, "GET /livez HTTP/1.1\r\nX-Big: %s\r\n\r\n", big);
    (void)send(fd, reply, (size_t)n, MSG_NOSIGNAL); /* it may close before it has read all */
    char text[4096] = "";
    (void)recv(fd, text, sizeof text - 1, 0);
    close(fd);
    ck_assert_ptr_null(strstr(text, " 200 "));
    ck_assert_str_eq(seen, "");
    stop();
}
END_TEST

/* How many of so many connections from one address are served at the same time. */
static int served_of(int wanted)
{
    static const char text[] = "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    int fds[100];
    int served = 0;
    for (int i = 0; i < wanted; i++) {
        fds[i] = dial();
        (void)send(fds[i], text, sizeof text - 1, MSG_NOSIGNAL);
    }
    for (int i = 0; i < wanted; i++) {
        struct pollfd wait = {.fd = fds[i], .events = POLLIN};
        bool last = i == wanted - 1;
        if (poll(&wait, 1, last ? 500 : 2000) == 1 && recv(fds[i], reply, sizeof reply, 0) > 0)
            served++;
    }
    for (int i = 0; i < wanted; i++)
        close(fds[i]);
    return served;
}

START_TEST(one_address_gets_sixteen_connections)
{
    start("0.0.0.0:0", NULL);
    ck_assert_int_eq(served_of(20), 16);
    stop();
    start("127.0.0.1:0", NULL);
    ck_assert_int_ge(served_of(30), 30);
    stop();
}
END_TEST

START_TEST(what_nobody_answered_is_closed_at_the_end)
{
    start("127.0.0.1:0", NULL);
    int fd = dial();
    static const char text[] = "GET /runs/later/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    ck_assert_int_gt(send(fd, text, sizeof text - 1, MSG_NOSIGNAL), 0);
    while (stashed == NULL)
        usleep(1000);
    stop();
    hear(fd, reply, sizeof reply);
    ck_assert_str_eq(reply, "");
}
END_TEST

START_TEST(an_address_that_is_taken_ends_the_start_unless_it_is_the_default)
{
    start("127.0.0.1:0", NULL);
    char listen[32];
    char why[256] = "";
    snprintf(listen, sizeof listen, "127.0.0.1:%d", admin_port(admin));
    struct admin *other = NULL;
    struct admin_config config = {.listen = listen, .routes = routes, .n_routes = 1};
    ck_assert_int_eq(admin_start(&config, &other, why, sizeof why), -1);
    ck_assert_ptr_nonnull(strstr(why, listen));
    ck_assert_ptr_nonnull(strstr(why, "taken"));
    ck_assert_ptr_null(other);
    config.may_be_taken = true;
    ck_assert_int_eq(admin_start(&config, &other, why, sizeof why), 0);
    ck_assert_ptr_null(other);
    admin_stop(other);
    stop();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("admin");
    TCase *tcase = tcase_create("server");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, lets_in_who_may, 0, (int)(sizeof asks / sizeof asks[0]));
    tcase_add_loop_test(tcase, a_local_listener_answers_to_its_own_names_alone, 0, (int)(sizeof hosts / sizeof hosts[0]));
    tcase_add_test(tcase, says_what_there_is);
    tcase_add_test(tcase, the_longest_route_wins);
    tcase_add_test(tcase, head_has_the_head_alone);
    tcase_add_test(tcase, every_answer_is_kept_from_caches_frames_and_other_sites);
    tcase_add_test(tcase, large_bodies_and_heads_are_refused);
    tcase_add_test(tcase, one_address_gets_sixteen_connections);
    tcase_add_test(tcase, what_nobody_answered_is_closed_at_the_end);
    tcase_add_test(tcase, an_address_that_is_taken_ends_the_start_unless_it_is_the_default);
    suite_add_tcase(suite, tcase);
    return suite;
}
