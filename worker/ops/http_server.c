#include "ops/http_server.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/list.h"
#include "ops/http_exchange.h"
#include "ops/listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define DRAIN_BYTES ((size_t)64 << 20) /* of a body that is too large: read up to this, so that the 413 arrives */
/* libmicrohttpd touches all of it for each connection: it must be small for there to be tens of thousands. */
#define CONNECTION_BYTES ((size_t)16 << 10)
#define SPARE_FILES 64
#define MAX_CONNECTIONS 1000000
#define WATCH_BATCH 64
#define IDLE_SECONDS 900

static struct http_exchange *exchange_of(struct timer *timer)
{
    return (struct http_exchange *)(void *)((char *)timer - offsetof(struct http_exchange, timer));
}

static void *timer_main(void *opaque)
{
    struct http_server *server = opaque;
    for (;;) {
        pthread_mutex_lock(&server->lock);
        int64_t next_ms = heap_next_ms(&server->timers);
        pthread_mutex_unlock(&server->lock);
        int64_t wait_ms = next_ms == CLOCK_NEVER ? -1 : next_ms - clock_mono_ms();
        if (next_ms != CLOCK_NEVER) {
            wait_ms = wait_ms < 0 ? 0 : wait_ms > INT_MAX ? INT_MAX : wait_ms;
        }
        struct epoll_event events[WATCH_BATCH];
        int n = epoll_wait(server->epoll_fd, events, WATCH_BATCH, (int)wait_ms);

        pthread_mutex_lock(&server->lock);
        if (server->stopping) { /* the events may name exchanges that are gone */
            pthread_mutex_unlock(&server->lock);
            return NULL;
        }
        for (int i = 0; i < n; i++) {
            uint64_t ignored;
            if (events[i].data.ptr) {
                exchange_abandon(events[i].data.ptr);
            } else if (read(server->wake_fd, &ignored, sizeof(ignored)) < 0) {
                assert(errno == EAGAIN || errno == EINTR);
            }
        }
        int64_t now_ms = clock_mono_ms();
        for (struct timer *due; (due = heap_take_due(&server->timers, now_ms));) {
            exchange_release(exchange_of(due));
        }
        pthread_mutex_unlock(&server->lock);
    }
}

/* --- libmicrohttpd's callbacks, on the server's threads --- */

/* The first that is heard of a request: its target, before it is taken apart. What it returns is the exchange. */
static void *target_seen(void *opaque, const char *target, struct MHD_Connection *connection)
{
    struct http_thread *thread = opaque;
    struct http_exchange *exchange = calloc(1, sizeof(*exchange));
    if (!exchange) {
        return NULL;
    }
    exchange->server = thread->server;
    exchange->thread = thread;
    exchange->connection = connection;
    exchange->watched_fd = -1;
    timer_init(&exchange->timer);
    list_init(&exchange->link);
    buf_init(&exchange->body, thread->server->max_body_bytes);
    buf_init(&exchange->raw, MAX_RAW_BYTES);
    exchange->target = strdup(target);
    return exchange;
}

static enum MHD_Result exchange_send(struct http_exchange *exchange)
{
    if (exchange->raw.bytes > 0 && !buf_failed(&exchange->raw)) {
        exchange_send_raw(exchange);
    }
    if (!exchange->response || exchange->queued) {
        return MHD_NO;
    }
    exchange->queued = true;
    return MHD_queue_response(exchange->connection, (unsigned)exchange->code, exchange->response);
}

/* The handler is through: sends what it answered, or lets the connection wait for it. */
static enum MHD_Result exchange_settle(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    if (atomic_load(&exchange->state) == ANSWERED) {
        return exchange_send(exchange);
    }
    pthread_mutex_lock(&server->lock);
    if (server->stopping) {
        exchange_unwatch(exchange);
        pthread_mutex_unlock(&server->lock);
        return MHD_NO;
    }
    exchange_suspend(exchange);
    int was = IN_HANDLER;
    if (!atomic_compare_exchange_strong(&exchange->state, &was, SUSPENDED)) {
        list_remove(&exchange->link);
        exchange_resume(exchange);
    }
    pthread_mutex_unlock(&server->lock);
    return MHD_YES;
}

static void body_take(struct http_exchange *exchange, const char *bytes, size_t n)
{
    exchange->body_bytes += n;
    if (exchange->body_bytes <= exchange->server->max_body_bytes) {
        buf_put(&exchange->body, bytes, n);
    }
}

/* Called with the head, then with each part of the body, then with none: the request is whole; and once more after a
 * connection was resumed. */
static enum MHD_Result request_part(void *opaque, struct MHD_Connection *connection, const char *path,
                                    const char *method, const char *version, const char *upload, size_t *upload_bytes,
                                    void **state)
{
    struct http_server *server = opaque;
    struct http_exchange *exchange = *state;
    (void)connection;
    (void)version;
    if (!exchange || !exchange->target) {
        return MHD_NO;
    }
    if (!exchange->path) {
        exchange->path = strdup(path);
        exchange->method = method;
        return exchange->path ? MHD_YES : MHD_NO;
    }
    if (*upload_bytes > 0) {
        body_take(exchange, upload, *upload_bytes);
        *upload_bytes = 0;
        return exchange->body_bytes > server->max_body_bytes + DRAIN_BYTES ? MHD_NO : MHD_YES;
    }
    if (atomic_load(&exchange->state) == ANSWERED) {
        return exchange_send(exchange);
    }
    atomic_store(&exchange->state, IN_HANDLER);
    if (exchange->body_bytes > server->max_body_bytes || buf_failed(&exchange->body)) {
        char why[128];
        int n = snprintf(why, sizeof(why), "{\"error\":\"the request body is over %zu bytes\"}\n",
                         server->max_body_bytes);
        http_answer_send(exchange, &(struct http_answer){.code = 413, .content_type = "application/json", .body = why,
                                                         .body_bytes = (size_t)n});
    } else {
        server->handler(exchange, server->opaque);
    }
    return exchange_settle(exchange);
}

static void exchange_done(void *opaque, struct MHD_Connection *connection, void **state,
                          enum MHD_RequestTerminationCode code)
{
    struct http_exchange *exchange = *state;
    (void)opaque;
    (void)connection;
    (void)code;
    if (!exchange) {
        return;
    }
    assert(!timer_is_set(&exchange->timer) && exchange->watched_fd < 0);
    *state = NULL;
    exchange_forget_response(exchange);
    buf_deinit(&exchange->body);
    buf_deinit(&exchange->raw);
    free(exchange->text);
    free(exchange->path);
    free(exchange->target);
    free(exchange);
}

static unsigned connection_limit(const struct http_server_config *config)
{
    struct rlimit files;
    if (config->max_connections > 0) {
        return (unsigned)config->max_connections;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur <= (rlim_t)2 * SPARE_FILES) {
        return SPARE_FILES;
    }
    rlim_t limit = files.rlim_cur - SPARE_FILES;
    return limit < MAX_CONNECTIONS ? (unsigned)limit : MAX_CONNECTIONS;
}

/* --- the threads --- */

static unsigned connection_count(struct MHD_Daemon *daemon)
{
    return MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

/* -1: until something happens. */
static int wait_ms_of(struct MHD_Daemon *daemon)
{
    MHD_UNSIGNED_LONG_LONG ms;
    if (MHD_get_timeout(daemon, &ms) != MHD_YES) {
        return -1;
    }
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* libmicrohttpd's own threads ask epoll for 128 events and, where there are exactly as many, wait for more before they
 * handle any: 128 clients in step had 490 answers a second of one thread, and have 144,000. MHD_run never waits, so the
 * waiting is done here. */
static void *thread_main(void *opaque)
{
    struct http_thread *thread = opaque;
    struct pollfd fds[] = {
        {.fd = MHD_get_daemon_info(thread->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, .events = POLLIN},
        {.fd = thread->wake_fd, .events = POLLIN},
    };
    unsigned connections = 0;
    bool again = true; /* only MHD_run has the listening socket watched: at first, and when a connection went */
    bool ending = false;
    while (!ending) {
        uint64_t ignored;
        if (poll(fds, 2, again ? 0 : wait_ms_of(thread->daemon)) > 0 && fds[1].revents &&
            read(thread->wake_fd, &ignored, sizeof(ignored)) < 0) {
            assert(errno == EAGAIN || errno == EINTR);
        }
        ending = atomic_load(&thread->server->ending);
        MHD_run(thread->daemon);
        unsigned before = connections;
        connections = connection_count(thread->daemon);
        again = connections < before;
    }
    return NULL;
}

static struct MHD_Daemon *daemon_start(struct http_thread *thread, const struct http_server_config *config,
                                       int listen_fd, unsigned max_connections)
{
    struct http_server *server = thread->server;
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, request_part, server,
                            MHD_OPTION_LISTEN_SOCKET, listen_fd,
                            MHD_OPTION_CONNECTION_LIMIT, max_connections,
                            MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                            server->is_local ? 0u : (unsigned)config->max_connections_of_one_address,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
                            MHD_OPTION_CONNECTION_TIMEOUT,
                            (unsigned)(config->idle_seconds > 0 ? config->idle_seconds : IDLE_SECONDS),
                            MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
                            MHD_OPTION_URI_LOG_CALLBACK, target_seen, thread,
                            MHD_OPTION_NOTIFY_COMPLETED, exchange_done, server,
                            MHD_OPTION_END);
}

/* Each has a descriptor of its own of the one listening socket, which libmicrohttpd closes: in some versions even where it
 * cannot start, so that it may stay open then. */
static bool thread_start(struct http_thread *thread, const struct http_server_config *config, int listen_fd,
                         unsigned max_connections)
{
    thread->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int fd = thread->wake_fd < 0 ? -1 : fcntl(listen_fd, F_DUPFD_CLOEXEC, 0);
    thread->daemon = fd < 0 ? NULL : daemon_start(thread, config, fd, max_connections);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = thread->daemon ? pthread_create(&thread->thread, NULL, thread_main, thread) : errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (thread->daemon && error == 0) {
        (void)pthread_setname_np(thread->thread, "rxp-http"); /* for top -H */
        return true;
    }
    if (thread->daemon) {
        MHD_stop_daemon(thread->daemon);
    }
    if (thread->wake_fd >= 0) {
        close(thread->wake_fd);
    }
    errno = error;
    return false;
}

static bool threads_start(struct http_server *server, const struct http_server_config *config, int listen_fd)
{
    int n = config->threads > 1 ? config->threads : 1;
    unsigned limit = connection_limit(config);
    assert(n == 1 || config->max_connections_of_one_address == 0);
    server->threads = calloc((size_t)n, sizeof(*server->threads));
    for (int i = 0; server->threads && i < n; i++) {
        unsigned share = limit / (unsigned)n + ((unsigned)i < limit % (unsigned)n);
        struct http_thread *thread = &server->threads[i];
        thread->server = server;
        if (!thread_start(thread, config, listen_fd, share > 0 ? share : 1)) {
            return false;
        }
        server->n_threads++;
    }
    return server->threads;
}

static void threads_stop(struct http_server *server)
{
    atomic_store(&server->ending, true);
    for (int i = 0; i < server->n_threads; i++) {
        struct http_thread *thread = &server->threads[i];
        uint64_t one = 1;
        ssize_t written = write(thread->wake_fd, &one, sizeof(one));
        (void)written; /* full: it is awake anyway */
        pthread_join(thread->thread, NULL);
        MHD_stop_daemon(thread->daemon);
        close(thread->wake_fd);
    }
    free(server->threads);
}

/* --- life --- */

struct http_server *http_server_start(const struct http_server_config *config, http_handler_fn handler, void *opaque,
                                      char *why, size_t why_bytes)
{
    int port = 0;
    int listen_fd = listener_open(config->listen, &port, why, why_bytes);
    if (listen_fd < 0) {
        return NULL;
    }
    struct http_server *server = calloc(1, sizeof(*server));
    if (!server) {
        snprintf(why, why_bytes, "cannot serve on '%s': out of memory", config->listen);
        close(listen_fd);
        return NULL;
    }
    server->handler = handler;
    server->opaque = opaque;
    server->max_body_bytes = config->max_body_bytes;
    server->port = port;
    server->is_local = listener_is_local(listen_fd);
    server->headers = config->headers;
    pthread_mutex_init(&server->lock, NULL);
    heap_init(&server->timers);
    list_init(&server->suspended);
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = NULL};
    bool timing = server->wake_fd >= 0 && server->epoll_fd >= 0 &&
                  epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, server->wake_fd, &wake) == 0 &&
                  pthread_create(&server->timer_thread, NULL, timer_main, server) == 0;
    bool serving = timing && threads_start(server, config, listen_fd);
    int error = errno;
    close(listen_fd);
    if (serving) {
        return server;
    }

    snprintf(why, why_bytes, "cannot serve on '%s': the HTTP server's threads did not start (%s)", config->listen,
             strerror(error));
    if (!timing) {
        server->timer_thread = pthread_self();
    }
    http_server_stop(server);
    return NULL;
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

bool http_server_is_local(const struct http_server *server)
{
    return server->is_local;
}

void http_server_stop(struct http_server *server)
{
    if (!server) {
        return;
    }
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_mutex_unlock(&server->lock);
    if (!pthread_equal(server->timer_thread, pthread_self())) {
        uint64_t one = 1;
        ssize_t written = write(server->wake_fd, &one, sizeof(one));
        (void)written;
        pthread_join(server->timer_thread, NULL);
    }
    /* A daemon must not be stopped with suspended connections; `stopping` keeps new ones from becoming so. */
    pthread_mutex_lock(&server->lock);
    while (!list_is_empty(&server->suspended)) {
        struct http_exchange *exchange = list_entry(server->suspended.next, struct http_exchange, link);
        if (!exchange->queued) {
            exchange_forget_response(exchange);
        }
        exchange_release(exchange);
    }
    pthread_mutex_unlock(&server->lock);
    threads_stop(server);
    heap_deinit(&server->timers);
    pthread_mutex_destroy(&server->lock);
    if (server->wake_fd >= 0) {
        close(server->wake_fd);
    }
    if (server->epoll_fd >= 0) {
        close(server->epoll_fd);
    }
    free(server);
}
