#include "engine/wire.h"

#include "base/clock.h"
#include "ops/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#define MAX_SPARE_EXCHANGES 128

/* ---- what curl calls ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *opaque, void *socket_opaque)
{
    struct wire *wire = opaque;
    (void)socket_opaque;
    struct exchange *exchange = exchange_of(easy);
    if (what != CURL_POLL_REMOVE && exchange != NULL) {
        exchange_set_fd(exchange, fd);
    }
    uint32_t events = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) {
        events |= EPOLLIN;
    }
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) {
        events |= EPOLLOUT;
    }
    if (fd_watch_want(&wire->watch, fd, events) != 0) {
        /* An error returned from here would end every transfer. */
        int error = errno;
        log_event(LOG_ERROR, "socket_not_watched", "epoll_ctl: %s; its request fails", strerror(error));
        if (exchange != NULL && list_is_empty(&exchange->node)) {
            snprintf(exchange->why, sizeof exchange->why, "the socket cannot be watched: %s", strerror(error));
            list_push(&wire->unwatched, &exchange->node);
        }
    }
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *opaque)
{
    struct wire *wire = opaque;
    (void)multi;
    wire->curl_at_ms = timeout_ms < 0 ? CLOCK_NEVER : wire->now_ms + timeout_ms;
    return 0;
}

/* ---- exchanges ---- */

static struct exchange *take_spare(struct wire *wire)
{
    if (list_is_empty(&wire->spare)) {
        return exchange_new(&wire->settings);
    }
    struct list *node = wire->spare.prev; /* the one that was used last: it is still in the processor's caches */
    list_remove(node);
    wire->n_spare--;
    return list_entry(node, struct exchange, node);
}

void wire_give_back(struct wire *wire, struct exchange *exchange)
{
    exchange_end(exchange);
    if (wire->n_spare >= MAX_SPARE_EXCHANGES) {
        exchange_free(exchange);
        return;
    }
    list_push(&wire->spare, &exchange->node);
    wire->n_spare++;
}

struct exchange *wire_put(struct wire *wire, const struct hop *hop)
{
    struct exchange *exchange = take_spare(wire);
    if (exchange == NULL) {
        return NULL;
    }
    if (exchange_begin(exchange, hop) != 0 || curl_multi_add_handle(wire->multi, exchange->easy) != CURLM_OK) {
        wire_give_back(wire, exchange);
        return NULL;
    }
    wire->n_on_it++;
    return exchange;
}

void wire_take(struct wire *wire, struct exchange *exchange)
{
    CURLMcode code = curl_multi_remove_handle(wire->multi, exchange->easy);
    assert(code == CURLM_OK);
    list_remove(&exchange->node);
    wire->n_on_it--;
}

struct exchange *wire_next_finished(struct wire *wire)
{
    if (!list_is_empty(&wire->unwatched)) {
        struct exchange *unwatched = list_entry(wire->unwatched.next, struct exchange, node);
        unwatched->code = CURLE_COULDNT_CONNECT;
        snprintf(unwatched->error, sizeof unwatched->error, "%s", unwatched->why);
        wire_take(wire, unwatched);
        return unwatched;
    }
    int left;
    CURLMsg *message = curl_multi_info_read(wire->multi, &left);
    if (message == NULL) {
        return NULL;
    }
    assert(message->msg == CURLMSG_DONE);
    struct exchange *exchange = exchange_of(message->easy_handle);
    assert(exchange != NULL);
    exchange->code = message->data.result;
    wire_take(wire, exchange);
    return exchange;
}

/* ---- turning it ---- */

static void act(struct wire *wire, curl_socket_t fd, int events)
{
    int running;
    CURLMcode code = curl_multi_socket_action(wire->multi, fd, events, &running);
    assert(code == CURLM_OK || code == CURLM_OUT_OF_MEMORY || code == CURLM_INTERNAL_ERROR);
}

void wire_serve_timer(struct wire *wire)
{
    if (wire->curl_at_ms <= wire->now_ms) {
        wire->curl_at_ms = CLOCK_NEVER;
        act(wire, CURL_SOCKET_TIMEOUT, 0);
    }
}

void wire_serve_fd(struct wire *wire, uint64_t data, uint32_t events)
{
    int fd;
    uint32_t matched = fd_watch_match(&wire->watch, data, events, &fd);
    if (matched == 0) {
        return;
    }
    int action = 0;
    action |= (matched & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0;
    action |= (matched & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0;
    act(wire, fd, action);
}

int64_t wire_next_ms(const struct wire *wire)
{
    return wire->curl_at_ms;
}

/* ---- life ---- */

int wire_init(struct wire *wire, const struct wire_config *config)
{
    *wire = (struct wire){
        .multi = curl_multi_init(),
        .settings = {.egress = config->egress,
                     .outlet = config->outlet,
                     .max_response_bytes = config->max_response_bytes,
                     .watch = &wire->watch,
                     .opened = config->opened},
        .curl_at_ms = CLOCK_NEVER,
    };
    list_init(&wire->spare);
    list_init(&wire->unwatched);
    fd_watch_init(&wire->watch, config->epoll_fd);
    if (wire->multi == NULL) {
        return -1;
    }
    bool failed = false;
    failed |= curl_multi_setopt(wire->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK;
    failed |= curl_multi_setopt(wire->multi, CURLMOPT_SOCKETDATA, wire) != CURLM_OK;
    failed |= curl_multi_setopt(wire->multi, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK;
    failed |= curl_multi_setopt(wire->multi, CURLMOPT_TIMERDATA, wire) != CURLM_OK;
    failed |= curl_multi_setopt(wire->multi, CURLMOPT_MAXCONNECTS, (long)config->max_connections) != CURLM_OK;
    return failed ? -1 : 0;
}

void wire_deinit(struct wire *wire)
{
    struct list *node;
    assert(wire->n_on_it == 0);
    while ((node = list_shift(&wire->spare)) != NULL) {
        exchange_free(list_entry(node, struct exchange, node));
    }
    if (wire->multi != NULL) {
        curl_multi_cleanup(wire->multi); /* closes the connections: the watch must still stand */
    }
    fd_watch_deinit(&wire->watch);
}
