#include "engine/origin.h"
#include "support/fetch_stage.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

/* A resolver that answers when it is told to; it stands before the C library's. curl calls it in a thread for each
 * name. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool may_answer;
static const char *const *addresses; /* what it answers; NULL: that there is no such name */
static int looking_up;
static int look_ups;

/* The C library makes the list, since it frees it. */
static int make_list(const char *const *texts, const char *service, struct addrinfo **out)
{
    int (*of_library)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&of_library = dlsym(RTLD_NEXT, "getaddrinfo");
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    for (; *texts != NULL; texts++) {
        ck_assert_int_eq(of_library(*texts, service, &hints, out), 0);
        while (*out != NULL) {
            out = &(*out)->ai_next;
        }
    }
    return 0;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    (void)name, (void)hints;
    *out = NULL;
    if (addresses != NULL) {
        return make_list(addresses, service, out);
    }
    pthread_mutex_lock(&lock);
    looking_up++;
    look_ups++;
    while (!may_answer) {
        pthread_cond_wait(&changed, &lock);
    }
    looking_up--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return EAI_NONAME;
}

static int count_look_ups(void)
{
    pthread_mutex_lock(&lock);
    int n = look_ups;
    pthread_mutex_unlock(&lock);
    return n;
}

static void answer_look_ups(void)
{
    pthread_mutex_lock(&lock);
    may_answer = true;
    pthread_cond_broadcast(&changed);
    while (looking_up > 0) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void turn_until_looked_up(int n)
{
    int64_t ends_ms = clock_mono_ms() + PATIENCE_MS;
    while (count_look_ups() < n) {
        ck_assert_msg(clock_mono_ms() < ends_ms, "%d look-ups, not %d", count_look_ups(), n);
        turn();
    }
}

enum { N = 2 * ORIGINS_MAX_OPENING };

static void start_each(struct seen seen[N], const char *name, int64_t timeout_ms)
{
    static char url[N][64];
    for (int i = 0; i < N; i++) {
        snprintf(url[i], sizeof url[i], "http://%s%d.invalid/", name, i);
        const struct http_request request = {.method = "GET", .url = url[i], .timeout_ms = timeout_ms};
        start_request(&seen[i], &request);
    }
}

static void cancel_each(struct seen seen[N])
{
    struct transport *base = curl_transport_base(transport);
    for (int i = 0; i < N; i++) {
        base->cancel(base, seen[i].transfer, false);
    }
}

START_TEST(look_ups_of_cancelled_requests_are_counted)
{
    struct seen first[N] = {{0}};
    struct seen second[N] = {{0}};
    start_each(first, "a", 0);
    turn_until_looked_up(ORIGINS_MAX_OPENING);
    cancel_each(first);
    start_each(second, "b", 0);
    for (int i = 0; i < 10; i++) {
        turn();
    }
    ck_assert_int_eq(count_look_ups(), ORIGINS_MAX_OPENING);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(second[i].begun, 0);
    }
    cancel_each(second);
    answer_look_ups();
}
END_TEST

START_TEST(look_ups_whose_request_timed_out_are_counted)
{
    struct seen seen[N] = {{0}};
    start_each(seen, "c", 100);
    turn_until_looked_up(ORIGINS_MAX_OPENING);
    int done = 0;
    while (done < ORIGINS_MAX_OPENING) {
        turn();
        done = 0;
        for (int i = 0; i < N; i++) {
            ck_assert(seen[i].done == 0 || seen[i].error == TRANSPORT_TIMEOUT);
            done += seen[i].done;
        }
    }
    for (int i = 0; i < 10; i++) {
        turn();
    }
    ck_assert_int_eq(count_look_ups(), ORIGINS_MAX_OPENING);
    answer_look_ups();
}
END_TEST

START_TEST(a_look_up_that_ends_with_the_connect_timeout_goes_on)
{
    struct seen seen[ORIGIN_MAX_OPENING + 3] = {{0}};
    const struct http_request request = {.method = "GET", .url = "http://d.invalid/", .connect_timeout_ms = 100};
    for (int i = 0; i < ORIGIN_MAX_OPENING + 3; i++) {
        start_request(&seen[i], &request);
    }
    for (int i = 0; i < ORIGIN_MAX_OPENING; i++) {
        turn_until_done(&seen[i]);
        ck_assert_int_eq(seen[i].error, TRANSPORT_RESOLVE);
    }
    turn_until_done(&seen[ORIGIN_MAX_OPENING]);
    ck_assert_int_eq(seen[ORIGIN_MAX_OPENING + 2].begun, 0); /* one at a time now */
    answer_look_ups();
}
END_TEST

START_TEST(a_look_up_that_ended_makes_room)
{
    struct seen seen[N] = {{0}};
    start_each(seen, "e", 0);
    turn_until_looked_up(ORIGINS_MAX_OPENING);
    answer_look_ups();
    for (int i = 0; i < N; i++) {
        turn_until_done(&seen[i]);
        ck_assert_int_eq(seen[i].error, TRANSPORT_RESOLVE);
    }
    ck_assert_int_ge(count_look_ups(), N);
}
END_TEST

START_TEST(a_failed_connection_tells_of_addresses_that_were_refused)
{
    static const char *const both[] = {"169.254.169.254", "127.0.0.1", NULL};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* but not listening */
    ck_assert_int_eq(bind(bound, (struct sockaddr *)&address, bytes), 0);
    ck_assert_int_eq(getsockname(bound, (struct sockaddr *)&address, &bytes), 0);
    addresses = both;
    char url[64];
    snprintf(url, sizeof url, "http://both.example:%d/", ntohs(address.sin_port));
    struct seen seen = {0};
    get(&seen, url);
    ck_assert_int_eq(seen.error, TRANSPORT_CONNECT);
    ck_assert_msg(strstr(seen.detail, "refused: ") != NULL && strstr(seen.detail, "169.254") != NULL, "%s", seen.detail);
    close(bound);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("curl_lookups");
    TCase *tests = tcase_create("curl_lookups");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, look_ups_of_cancelled_requests_are_counted);
    tcase_add_test(tests, look_ups_whose_request_timed_out_are_counted);
    tcase_add_test(tests, a_look_up_that_ends_with_the_connect_timeout_goes_on);
    tcase_add_test(tests, a_look_up_that_ended_makes_room);
    tcase_add_test(tests, a_failed_connection_tells_of_addresses_that_were_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
