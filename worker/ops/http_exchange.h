/* http_exchange: a request on its way through http_server; for http_server.c and http_exchange.c alone.
 *
 * The way of an exchange; [L] is a change under server->lock.
 *
 *   RECEIVING → IN_HANDLER → ANSWERED → (sent) → freed
 *                   │           ↑ ↑
 *                   └─[L]→ SUSPENDED ─[L]       a stream goes ANSWERED ⇄ SUSPENDED between its pieces
 *
 * Who answers from IN_HANDLER leaves it to the handler's return to send; who answers from SUSPENDED resumes the
 * connection, after which the exchange belongs to libmicrohttpd alone, which never touches a suspended one. */
#ifndef RXP_OPS_HTTP_EXCHANGE_H
#define RXP_OPS_HTTP_EXCHANGE_H

#include "base/buf.h"
#include "base/heap.h"
#include "base/list.h"
#include "ops/http_server.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_RAW_BYTES ((size_t)1 << 20)

enum exchange_state { RECEIVING, IN_HANDLER, SUSPENDED, ANSWERED };

/* One of the server's threads, with the connections that it accepted. */
struct http_thread {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    int wake_fd; /* a connection of its own was resumed, or the server ends */
};

struct http_server {
    http_handler_fn handler;
    void *opaque;
    size_t max_body_bytes;
    struct http_thread *threads;
    int n_threads;
    _Atomic bool ending; /* nothing is suspended any more: the threads are to return */
    int port;
    bool is_local;
    const char *const *headers;
    pthread_t timer_thread;
    int wake_fd;  /* to the timer thread: something is due earlier than it knew */
    int epoll_fd; /* wake_fd, and the connections watched for a peer that goes */

    pthread_mutex_t lock; /* for what follows */
    struct heap timers;
    struct list suspended;
    bool stopping;
};

struct http_exchange {
    struct http_server *server;
    struct http_thread *thread;
    struct MHD_Connection *connection;
    _Atomic int state; /* enum exchange_state */
    char *target;
    char *path;
    const char *method;
    struct buf body;
    size_t body_bytes; /* of the request, kept or not */

    struct timer timer;
    struct list link; /* in server->suspended */
    int watched_fd;   /* -1: not watched */
    int code;
    struct MHD_Response *response; /* NULL: close without an answer */
    bool queued;
    struct buf raw; /* an answer written by hand, with no response; empty: none */

    /* a stream */
    char *text;
    size_t text_bytes;
    size_t piece_bytes;
    int64_t interval_ms;
    uint64_t bytes;
    int64_t next_ms; /* when the next piece is due */
};

/* All five under the lock. */
/* Makes the connection wait. Only from libmicrohttpd's own callbacks; the caller sets the state. */
void exchange_suspend(struct http_exchange *exchange);
/* Lets the connection go on, and wakes its thread: libmicrohttpd wakes only threads of its own. The exchange must not
 * be touched afterwards. */
void exchange_resume(struct http_exchange *exchange);
/* Lets the answer go out. The exchange must not be touched afterwards. */
void exchange_release(struct http_exchange *exchange);
/* The same, but without an answer: its connection is closed. */
void exchange_abandon(struct http_exchange *exchange);
/* Unsets the timer and stops watching the peer. */
void exchange_unwatch(struct http_exchange *exchange);

/* Not under the lock, on the connection's thread: writes the answer made by hand; the connection is to be closed
 * then. */
void exchange_send_raw(struct http_exchange *exchange);

void exchange_forget_response(struct http_exchange *exchange);

#endif
