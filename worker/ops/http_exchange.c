#include "ops/http_exchange.h"

#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLAIN_HEADER_BYTES 4096 /* beside the request they must fit CONNECTION_BYTES */
#define WATCH_FROM_MS 1000 /* shorter delays are not worth two system calls */

/* --- what was asked --- */

bool http_exchange_is_local(const struct http_exchange *exchange)
{
    return exchange->server->is_local;
}

const char *http_exchange_method(const struct http_exchange *exchange)
{
    return exchange->method;
}

const char *http_exchange_target(const struct http_exchange *exchange)
{
    return exchange->target;
}

const char *http_exchange_path(const struct http_exchange *exchange)
{
    return exchange->path;
}

const char *http_exchange_query(const struct http_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_exchange_header(const struct http_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

const char *http_exchange_body(const struct http_exchange *exchange, size_t *bytes)
{
    *bytes = exchange->body.bytes;
    return exchange->body.at ? exchange->body.at : "";
}

struct pair_walk {
    http_pair_fn fn;
    void *opaque;
};

static enum MHD_Result pair_seen(void *opaque, enum MHD_ValueKind kind, const char *name, const char *value)
{
    const struct pair_walk *walk = opaque;
    (void)kind;
    return walk->fn(name, value, walk->opaque) ? MHD_YES : MHD_NO;
}

void http_exchange_queries(const struct http_exchange *exchange, http_pair_fn fn, void *opaque)
{
    struct pair_walk walk = {fn, opaque};
    MHD_get_connection_values(exchange->connection, MHD_GET_ARGUMENT_KIND, pair_seen, &walk);
}

void http_exchange_headers(const struct http_exchange *exchange, http_pair_fn fn, void *opaque)
{
    struct pair_walk walk = {fn, opaque};
    MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, pair_seen, &walk);
}

/* --- waiting and going on --- */

void exchange_unwatch(struct http_exchange *exchange)
{
    heap_clear(&exchange->server->timers, &exchange->timer);
    if (exchange->watched_fd >= 0) {
        epoll_ctl(exchange->server->epoll_fd, EPOLL_CTL_DEL, exchange->watched_fd, NULL);
    }
    exchange->watched_fd = -1;
}

void exchange_resume(struct http_exchange *exchange)
{
    struct http_thread *thread = exchange->thread;
    MHD_resume_connection(exchange->connection);
    uint64_t one = 1;
    ssize_t written = write(thread->wake_fd, &one, sizeof(one));
    (void)written; /* full: it is awake anyway */
}

void exchange_release(struct http_exchange *exchange)
{
    exchange_unwatch(exchange);
    int was = IN_HANDLER;
    if (atomic_compare_exchange_strong(&exchange->state, &was, ANSWERED)) {
        return;
    }
    assert(was == SUSPENDED);
    list_remove(&exchange->link);
    atomic_store(&exchange->state, ANSWERED);
    exchange_resume(exchange);
}

void exchange_suspend(struct http_exchange *exchange)
{
    MHD_suspend_connection(exchange->connection);
    list_push(&exchange->server->suspended, &exchange->link);
}

void exchange_forget_response(struct http_exchange *exchange)
{
    if (exchange->response) {
        MHD_destroy_response(exchange->response);
    }
    exchange->response = NULL;
    buf_clear(&exchange->raw);
}

/* Releases at_ms, or earlier where the peer goes. False for want of memory: nothing is set then. */
static bool exchange_set_timer(struct http_exchange *exchange, int64_t at_ms, bool watch)
{
    struct http_server *server = exchange->server;
    bool earliest = at_ms < heap_next_ms(&server->timers);
    if (heap_set(&server->timers, &exchange->timer, at_ms) < 0) {
        return false;
    }
    if (watch) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = exchange};
        if (info && epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, info->connect_fd, &event) == 0) {
            exchange->watched_fd = info->connect_fd;
        }
    }
    if (earliest) {
        uint64_t one = 1;
        ssize_t written = write(server->wake_fd, &one, sizeof(one));
        (void)written; /* full: it is awake anyway */
    }
    return true;
}

void exchange_abandon(struct http_exchange *exchange)
{
    exchange_forget_response(exchange);
    exchange_release(exchange);
}

/* --- answers --- */

/* Takes the response. */
static void exchange_answer(struct http_exchange *exchange, int code, struct MHD_Response *response, int64_t delay_ms)
{
    struct http_server *server = exchange->server;
    exchange->code = code;
    exchange->response = response;
    if (delay_ms <= 0) {
        int was = IN_HANDLER;
        if (atomic_compare_exchange_strong(&exchange->state, &was, ANSWERED)) {
            return;
        }
        assert(was == SUSPENDED);
    }
    pthread_mutex_lock(&server->lock);
    if (delay_ms <= 0 || !exchange_set_timer(exchange, clock_mono_ms() + delay_ms, delay_ms >= WATCH_FROM_MS)) {
        exchange_release(exchange);
    }
    pthread_mutex_unlock(&server->lock);
}

static size_t header_bytes(const struct http_answer *answer)
{
    size_t bytes = 0;
    for (const char *const *pair = answer->headers; pair && pair[0]; pair += 2) {
        bytes += strlen(pair[0]) + strlen(pair[1]) + strlen(": \r\n");
    }
    return bytes;
}

static void make_raw(struct buf *raw, const struct http_answer *answer)
{
    buf_putf(raw, "HTTP/1.1 %d Answer\r\nConnection: close\r\nContent-Length: %zu\r\n", answer->code,
             answer->body_bytes);
    if (answer->content_type) {
        buf_putf(raw, "Content-Type: %s\r\n", answer->content_type);
    }
    for (const char *const *pair = answer->headers; pair[0]; pair += 2) {
        if (!strpbrk(pair[0], "\r\n") && !strpbrk(pair[1], "\r\n")) {
            buf_putf(raw, "%s: %s\r\n", pair[0], pair[1]);
        }
    }
    buf_puts(raw, "\r\n");
    buf_put(raw, answer->body, answer->body_bytes);
}

void exchange_send_raw(struct http_exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!info) {
        return;
    }
    int room = (int)exchange->raw.bytes;
    setsockopt(info->connect_fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    ssize_t sent = send(info->connect_fd, exchange->raw.at, exchange->raw.bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; /* the connection is closed in any case */
}

static void add_headers(struct MHD_Response *response, const char *const *headers)
{
    for (const char *const *pair = headers; response && pair && pair[0]; pair += 2) {
        MHD_add_response_header(response, pair[0], pair[1]);
    }
}

void http_answer_send(struct http_exchange *exchange, const struct http_answer *answer)
{
    assert(answer->code >= 200 && answer->code <= 599);
    if (header_bytes(answer) > PLAIN_HEADER_BYTES) {
        make_raw(&exchange->raw, answer);
        exchange_answer(exchange, answer->code, NULL, answer->delay_ms);
        return;
    }
    /* The cast: libmicrohttpd copies what it is told to copy, and takes it non-const for its other modes. */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer->body_bytes, (void *)(uintptr_t)answer->body, MHD_RESPMEM_MUST_COPY);
    if (response && answer->content_type) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    }
    add_headers(response, answer->headers);
    add_headers(response, exchange->server->headers);
    exchange_answer(exchange, answer->code, response, answer->delay_ms);
}

void http_answer_drop(struct http_exchange *exchange, int64_t delay_ms)
{
    exchange_answer(exchange, 0, NULL, delay_ms);
}

/* Copies from the endless repetition of the text. */
static void stream_copy(const struct http_exchange *exchange, uint64_t from, char *out, size_t n)
{
    for (size_t done = 0; done < n;) {
        size_t at = (size_t)((from + done) % exchange->text_bytes);
        size_t run = exchange->text_bytes - at;
        if (run > n - done) {
            run = n - done;
        }
        memcpy(out + done, exchange->text + at, run);
        done += run;
    }
}

/* libmicrohttpd wants more of a stream's body: the next piece, or 0 with the connection suspended until it is due. */
static ssize_t stream_read(void *opaque, uint64_t pos, char *out, size_t room)
{
    struct http_exchange *exchange = opaque;
    struct http_server *server = exchange->server;
    if (exchange->bytes && pos >= exchange->bytes) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    size_t n = exchange->piece_bytes && exchange->piece_bytes < room ? exchange->piece_bytes : room;
    if (exchange->bytes && n > exchange->bytes - pos) {
        n = (size_t)(exchange->bytes - pos);
    }
    if (exchange->interval_ms > 0) {
        int64_t now_ms = clock_mono_ms();
        pthread_mutex_lock(&server->lock);
        bool stopping = server->stopping;
        bool early = !stopping && now_ms < exchange->next_ms && exchange_set_timer(exchange, exchange->next_ms, false);
        if (early) {
            exchange_suspend(exchange);
            atomic_store(&exchange->state, SUSPENDED);
        }
        pthread_mutex_unlock(&server->lock);
        if (stopping) {
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
        if (early) {
            return 0;
        }
        exchange->next_ms = now_ms + exchange->interval_ms;
    }
    stream_copy(exchange, pos, out, n);
    return (ssize_t)n;
}

void http_answer_stream(struct http_exchange *exchange, const struct http_stream *stream)
{
    assert(stream->code >= 200 && stream->code <= 599 && stream->text_bytes > 0);
    struct MHD_Response *response = NULL;
    exchange->text = malloc(stream->text_bytes);
    if (exchange->text) {
        memcpy(exchange->text, stream->text, stream->text_bytes);
        exchange->text_bytes = stream->text_bytes;
        exchange->piece_bytes = stream->piece_bytes;
        exchange->interval_ms = stream->interval_ms;
        exchange->bytes = stream->bytes;
        uint64_t size = stream->bytes ? stream->bytes : MHD_SIZE_UNKNOWN;
        response = MHD_create_response_from_callback(size, 4096, stream_read, exchange, NULL);
    }
    if (response && stream->content_type) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, stream->content_type);
    }
    exchange_answer(exchange, stream->code, response, stream->delay_ms);
}
