/* curl_loop: the three requests of an invocation by libcurl, as fast as it goes: multi_socket over epoll, easy handles that are
 * kept and never reset, a parsed URL of which the path alone changes, ended transfers taken off and put on again once for each
 * turn of epoll. No more than that: it reads no messages, checks no addresses, keeps no limits, and any failure ends it.
 *
 *     curl_loop ORIGIN COUNT WARM                                  alone; prints its figures
 *     curl_loop ORIGIN 0 0 BOOTSTRAP INPUTS RESULTS GROUP          for inputs from Kafka, until SIGTERM */
#include "stint.h"
#include "way.h"

#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define POLLS 2
#define BODY "{\"n\":\"xxxxxxxxxxxxxxxxxxx\"}"
#define KEY_HEADER "Idempotency-Key: bench-%08llu"
#define MAX_FDS 4096

/* A place for an invocation: a handle for its kickoff and one for its polls. */
struct place {
    CURL *kickoff, *poll;
    CURL *next; /* to be put on the wire at the end of this turn; NULL: none */
    CURLU *url; /* of polls */
    char key[64]; /* a header, which libcurl does not copy */
    struct curl_slist type, idempotency;
    struct input *input; /* with Kafka */
    int answered;
    size_t n;
    char body[1024];
    struct place *next_idle;
};

static struct {
    CURLM *multi;
    int epoll_fd;
    int64_t curl_at_ms; /* when libcurl wants to be called; INT64_MAX: not */
    uint32_t told[MAX_FDS]; /* what epoll watches each socket for */
    uint32_t wanted[MAX_FDS];
    struct place place[ACTIVE];
    struct place *idle;
    struct stint stint;
    struct way *way; /* NULL: alone */
} loop = {.curl_at_ms = INT64_MAX};

static volatile sig_atomic_t stopped;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

/* --- what libcurl calls --- */

static void watch(int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    int what = loop.told[fd] == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    if (epoll_ctl(loop.epoll_fd, what, fd, &event) != 0) {
        fail("epoll_ctl");
    }
    loop.told[fd] = events;
}

/* A socket stays watched between two requests: libcurl lets go of it after each, and wants it again with the next. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *opaque, void *socket_opaque)
{
    (void)easy, (void)opaque, (void)socket_opaque;
    if (fd >= MAX_FDS) {
        fail("too many sockets");
    }
    loop.wanted[fd] = (what == CURL_POLL_IN || what == CURL_POLL_INOUT ? EPOLLIN : 0u) |
                      (what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? EPOLLOUT : 0u);
    if ((loop.wanted[fd] & ~loop.told[fd]) != 0) {
        watch(fd, loop.wanted[fd]);
    }
    return 0;
}

static int on_close(void *opaque, curl_socket_t fd)
{
    (void)opaque;
    loop.told[fd] = loop.wanted[fd] = 0;
    return close(fd);
}

static int on_timer(CURLM *multi, long timeout_ms, void *opaque)
{
    (void)multi, (void)opaque;
    loop.curl_at_ms = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
    return 0;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *opaque)
{
    struct place *place = opaque;
    if (n * size >= sizeof place->body - place->n) {
        return CURL_WRITEFUNC_ERROR;
    }
    memcpy(place->body + place->n, bytes, n * size);
    place->n += n * size;
    return n * size;
}

/* --- an invocation --- */

#define SET(easy, option, value)                                                                                       \
    do {                                                                                                               \
        if (curl_easy_setopt(easy, option, value) != CURLE_OK) {                                                       \
            fail("curl_easy_setopt");                                                                                  \
        }                                                                                                              \
    } while (0)

static CURL *new_handle(struct place *place)
{
    CURL *easy = curl_easy_init();
    SET(easy, CURLOPT_PRIVATE, place);
    SET(easy, CURLOPT_WRITEFUNCTION, on_body);
    SET(easy, CURLOPT_WRITEDATA, place);
    SET(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    SET(easy, CURLOPT_USERAGENT, "rxp-worker/0.1.0");
    SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_BUFFERSIZE, 4096L);
    SET(easy, CURLOPT_PROXY, "");
    SET(easy, CURLOPT_TIMEOUT_MS, 30000L);
    SET(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    return easy;
}

static void make_place(struct place *place, const char *origin)
{
    char kickoff[256];
    snprintf(kickoff, sizeof kickoff, "%s/runs?polls=%d", origin, POLLS);
    place->url = curl_url();
    if (curl_url_set(place->url, CURLUPART_URL, origin, 0) != CURLUE_OK) {
        fail("curl_url_set");
    }
    place->type = (struct curl_slist){.data = (char *)"Content-Type: application/json", .next = &place->idempotency};
    place->idempotency = (struct curl_slist){.data = place->key};
    place->kickoff = new_handle(place);
    SET(place->kickoff, CURLOPT_URL, kickoff);
    SET(place->kickoff, CURLOPT_POSTFIELDS, BODY);
    SET(place->kickoff, CURLOPT_POSTFIELDSIZE, (long)sizeof BODY - 1);
    SET(place->kickoff, CURLOPT_HTTPHEADER, &place->type);
    place->poll = new_handle(place);
    SET(place->poll, CURLOPT_CURLU, place->url);
    place->next_idle = loop.idle;
    loop.idle = place;
}

static void begin(struct place *place)
{
    snprintf(place->key, sizeof place->key, KEY_HEADER, (unsigned long long)loop.stint.begun);
    place->answered = 0;
    place->next = place->kickoff;
}

/* As many as there are places and inputs for. */
static void begin_more(void)
{
    while (loop.idle != NULL) {
        struct place *place = loop.idle;
        if (loop.way != NULL && (place->input = way_take(loop.way)) == NULL) {
            return;
        }
        if (!stint_begin(&loop.stint)) {
            return;
        }
        loop.idle = place->next_idle;
        begin(place);
    }
}

static void take_answer(struct place *place)
{
    place->body[place->n] = '\0';
    if (place->answered++ == 0) {
        char path[160] = "/runs/";
        if (sscanf(place->body, "{\"run_id\":\"%127[^\"]\"", path + 6) != 1 ||
            curl_url_set(place->url, CURLUPART_PATH, path, 0) != CURLUE_OK) {
            fail("no run_id in %s", place->body);
        }
    } else if (place->answered > POLLS) {
        if (strstr(place->body, "\"completed\"") == NULL) {
            fail("not the end: %s", place->body);
        }
        if (loop.way != NULL) {
            way_answer(loop.way, place->input);
        }
        stint_end(&loop.stint);
        place->next_idle = loop.idle;
        loop.idle = place;
        return;
    }
    place->next = place->poll;
}

/* --- turning it --- */

static void act(int fd, int what)
{
    int running;
    if (curl_multi_socket_action(loop.multi, fd, what, &running) != CURLM_OK) {
        fail("curl_multi_socket_action");
    }
}

/* How many they were. */
static size_t take_ended(void)
{
    int left;
    size_t n = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(loop.multi, &left)) != NULL;) {
        CURL *easy = message->easy_handle;
        struct place *place;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &place);
        if (message->data.result != CURLE_OK) {
            errno = 0;
            fail("%s", curl_easy_strerror(message->data.result));
        }
        curl_multi_remove_handle(loop.multi, easy);
        take_answer(place);
        n++;
    }
    return n;
}

static void put_on(void)
{
    for (size_t i = 0; i < ACTIVE; i++) {
        struct place *place = &loop.place[i];
        if (place->next != NULL) {
            place->n = 0;
            if (curl_multi_add_handle(loop.multi, place->next) != CURLM_OK) {
                fail("curl_multi_add_handle");
            }
            place->next = NULL;
        }
    }
    /* Adding them has set its timer to now: one call begins them all. */
    if (loop.curl_at_ms <= now_ms()) {
        loop.curl_at_ms = INT64_MAX;
        act(CURL_SOCKET_TIMEOUT, 0);
    }
}

static void serve(const struct epoll_event *event)
{
    int fd = event->data.fd;
    if (loop.way != NULL && fd == way_fd(loop.way)) {
        way_wake(loop.way);
        return;
    }
    uint32_t failed = event->events & (EPOLLERR | EPOLLHUP) ? loop.wanted[fd] : 0;
    uint32_t matched = (event->events & loop.wanted[fd]) | failed;
    if (matched == 0) {
        watch(fd, loop.wanted[fd]); /* nobody waits for it now */
        return;
    }
    act(fd, (matched & EPOLLIN ? CURL_CSELECT_IN : 0) | (matched & EPOLLOUT ? CURL_CSELECT_OUT : 0));
}

static int timeout_ms(void)
{
    int64_t left = loop.curl_at_ms == INT64_MAX ? 1000 : loop.curl_at_ms - now_ms();
    return left < 0 ? 0 : left > 100 ? 100 : (int)left;
}

static void turn(void)
{
    struct epoll_event events[ACTIVE];
    int n = epoll_wait(loop.epoll_fd, events, ACTIVE, timeout_ms());
    for (int i = 0; i < n; i++) {
        serve(&events[i]);
    }
    if (loop.way != NULL) {
        way_turn(loop.way, now_ms());
    }
    (void)take_ended();
    do {
        begin_more();
        put_on();
    } while (take_ended() > 0); /* an answer may have come while its request was sent */
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 8) {
        fail("usage: curl_loop ORIGIN COUNT WARM [BOOTSTRAP INPUTS RESULTS GROUP]");
    }
    (void)origin_port(argv[1]);
    signal(SIGTERM, on_signal);
    curl_global_init(CURL_GLOBAL_ALL);
    loop.multi = curl_multi_init();
    loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    curl_multi_setopt(loop.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(loop.multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(loop.multi, CURLMOPT_MAXCONNECTS, (long)ACTIVE);
    for (size_t i = 0; i < ACTIVE; i++) {
        make_place(&loop.place[i], argv[1]);
    }
    if (argc == 8) {
        loop.way = way_open(argv[4], argv[5], argv[6], argv[7]);
        watch(way_fd(loop.way), EPOLLIN);
    }
    stint_init(&loop.stint, strtoull(argv[3], NULL, 10), strtoull(argv[2], NULL, 10));
    begin_more();
    put_on();
    while (!stopped && !stint_is_over(&loop.stint)) {
        turn();
    }
    if (loop.way != NULL) {
        way_close(loop.way);
    } else {
        stint_print(&loop.stint);
    }
    return 0;
}
