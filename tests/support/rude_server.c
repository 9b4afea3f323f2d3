#include "support/rude_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 256
#define MAX_REQUEST_BYTES (4u << 20)
#define NO_TIMER INT64_MAX

struct connection {
    int fd; /* -1: this place is free */
    char *in;
    size_t in_bytes;
    uint64_t requests;
    const struct rude_step *step; /* being carried out; NULL while a request is read */
    size_t out_bytes;             /* of the step, sent so far */
    int64_t next_ms;              /* the next slow byte */
};

struct rude_server {
    int listen_fd;
    int stop_fd;
    int port;
    char url[64];
    enum rude_scope scope;
    struct rude_step steps[RUDE_MAX_STEPS]; /* with answers of its own: a test may be over while one is still sent */
    size_t n_steps;
    pthread_t thread;
    struct connection connection[MAX_CONNECTIONS]; /* the thread's alone */

    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t changed;
    struct rude_counts counts;
    char kept[RUDE_KEPT_REQUESTS][RUDE_KEPT_BYTES + 1];
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void connection_close(struct rude_server *server, struct connection *connection, bool peer_went)
{
    close(connection->fd);
    free(connection->in);
    *connection = (struct connection){.fd = -1, .next_ms = NO_TIMER};
    pthread_mutex_lock(&server->lock);
    server->counts.gone += peer_went;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static void connection_reset(struct rude_server *server, struct connection *connection)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    connection_close(server, connection, false);
}

/* Bytes of the first whole request in the buffer; 0 while it is not whole. */
static size_t request_end(const struct connection *connection)
{
    const char *in = connection->in;
    char *head_end = connection->in_bytes ? memmem(in, connection->in_bytes, "\r\n\r\n", 4) : NULL;
    if (!head_end) {
        return 0;
    }
    size_t head_bytes = (size_t)(head_end - in) + 4;
    size_t body_bytes = 0;
    for (const char *line = in; line < head_end;) {
        if (strncasecmp(line, "Content-Length:", 15) == 0) {
            body_bytes = strtoul(line + 15, NULL, 10);
        }
        if (strncasecmp(line, "Transfer-Encoding: chunked", 26) == 0) {
            size_t rest = connection->in_bytes - head_bytes;
            char *last = memmem(in + head_bytes, rest, "0\r\n\r\n", 5);
            return last ? (size_t)(last - in) + 5 : 0;
        }
        const char *eol = strstr(line, "\r\n");
        line = eol + 2;
    }
    return connection->in_bytes - head_bytes >= body_bytes ? head_bytes + body_bytes : 0;
}

/* Counts and keeps the request, and chooses what follows it. */
static void request_take(struct rude_server *server, struct connection *connection, size_t bytes)
{
    pthread_mutex_lock(&server->lock);
    uint64_t n = server->scope == RUDE_EACH_CONNECTION ? connection->requests : server->counts.requests;
    if (server->counts.requests < RUDE_KEPT_REQUESTS) {
        size_t kept = bytes < RUDE_KEPT_BYTES ? bytes : RUDE_KEPT_BYTES;
        memcpy(server->kept[server->counts.requests], connection->in, kept);
    }
    server->counts.requests++;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);

    connection->requests++;
    connection->step = &server->steps[n < server->n_steps ? n : server->n_steps - 1];
    connection->out_bytes = 0;
    connection->next_ms = connection->step->act == RUDE_ANSWER_SLOWLY ? now_ms() : NO_TIMER;
    connection->in_bytes -= bytes;
    memmove(connection->in, connection->in + bytes, connection->in_bytes + 1);
}

/* False when the connection is gone. */
static bool connection_read(struct rude_server *server, struct connection *connection)
{
    char bytes[16384];
    ssize_t n = recv(connection->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (n <= 0 || connection->in_bytes + (size_t)n > MAX_REQUEST_BYTES) {
        connection_close(server, connection, n <= 0);
        return false;
    }
    connection->in = realloc(connection->in, connection->in_bytes + (size_t)n + 1);
    assert(connection->in);
    memcpy(connection->in + connection->in_bytes, bytes, (size_t)n);
    connection->in_bytes += (size_t)n;
    connection->in[connection->in_bytes] = '\0';
    pthread_mutex_lock(&server->lock);
    server->counts.bytes_in += (uint64_t)n;
    pthread_mutex_unlock(&server->lock);
    return true;
}

/* Sends from text at its cycle_from (endless) or up to its end. Returns false when the connection is gone; *done when
 * all was sent. */
static bool connection_send(struct rude_server *server, struct connection *connection, const char *text,
                            size_t cycle_from, bool endless, size_t at_most, bool *done)
{
    size_t bytes = strlen(text);
    *done = false;
    for (size_t sent = 0; sent < at_most;) {
        size_t at = connection->out_bytes;
        if (endless && at >= bytes) {
            at = cycle_from + (at - bytes) % (bytes - cycle_from);
        }
        if (at >= bytes) {
            *done = true;
            return true;
        }
        size_t want = bytes - at < at_most - sent ? bytes - at : at_most - sent;
        ssize_t n = send(connection->fd, text + at, want, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return true;
        }
        if (n < 0) {
            connection_close(server, connection, true);
            return false;
        }
        sent += (size_t)n;
        connection->out_bytes += (size_t)n;
        pthread_mutex_lock(&server->lock);
        server->counts.bytes_out += (uint64_t)n;
        pthread_mutex_unlock(&server->lock);
    }
    *done = !endless && connection->out_bytes >= bytes;
    return true;
}

static const char endless_headers[] =
    "HTTP/1.1 200 OK\r\nX-Rude: more and more and more and more and more and more\r\n";
static const char endless_body[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                   "40\r\n................................................................\r\n";

/* Carries the step on as far as it goes now. False when the connection is gone. */
static bool connection_carry_on(struct rude_server *server, struct connection *connection, int64_t now)
{
    bool done = false;
    const char *answer = connection->step->answer;
    switch (connection->step->act) {
    case RUDE_ANSWER:
    case RUDE_ANSWER_CLOSE:
        if (!connection_send(server, connection, answer, 0, false, SIZE_MAX, &done)) {
            return false;
        }
        break;
    case RUDE_ANSWER_SLOWLY:
        if (now < connection->next_ms) {
            return true;
        }
        if (!connection_send(server, connection, answer, 0, false, 1, &done)) {
            return false;
        }
        connection->next_ms = now + connection->step->interval_ms;
        break;
    case RUDE_CLOSE:
        connection_close(server, connection, false);
        return false;
    case RUDE_RESET:
        connection_reset(server, connection);
        return false;
    case RUDE_STALL:
        return true;
    case RUDE_ENDLESS_HEADERS:
        return connection_send(server, connection, endless_headers, strlen("HTTP/1.1 200 OK\r\n"), true, 1 << 16,
                               &done);
    case RUDE_ENDLESS_BODY:
        return connection_send(server, connection, endless_body,
                               (size_t)(strstr(endless_body, "40\r\n") - endless_body), true, 1 << 16, &done);
    }
    if (done && connection->step->act == RUDE_ANSWER_CLOSE) {
        connection_close(server, connection, false);
        return false;
    }
    if (done) {
        connection->step = NULL;
        connection->next_ms = NO_TIMER;
    }
    return true;
}

static bool wants_to_send(const struct connection *connection)
{
    return connection->step && connection->step->act != RUDE_STALL && connection->step->act != RUDE_ANSWER_SLOWLY;
}

static void connection_turn(struct rude_server *server, struct connection *connection, short events, int64_t now)
{
    if ((events & (POLLIN | POLLHUP | POLLERR)) && !connection_read(server, connection)) {
        return;
    }
    for (;;) {
        if (connection->step && !connection_carry_on(server, connection, now)) {
            return;
        }
        size_t bytes = connection->step ? 0 : request_end(connection);
        if (!bytes) {
            return;
        }
        request_take(server, connection, bytes);
    }
}

static void server_accept(struct rude_server *server)
{
    int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    pthread_mutex_lock(&server->lock);
    server->counts.connections++;
    pthread_mutex_unlock(&server->lock);
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
        if (server->connection[i].fd < 0) {
            server->connection[i].fd = fd;
            return;
        }
    }
    close(fd);
}

/* Serves until stop_fd is readable. */
static void *server_main(void *opaque)
{
    struct rude_server *server = opaque;
    struct pollfd fds[MAX_CONNECTIONS + 2];
    for (;;) {
        int64_t next_ms = NO_TIMER;
        fds[0] = (struct pollfd){.fd = server->stop_fd, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = server->listen_fd, .events = POLLIN};
        for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
            const struct connection *connection = &server->connection[i];
            fds[i + 2] = (struct pollfd){.fd = connection->fd, .events = POLLIN};
            if (wants_to_send(connection)) {
                fds[i + 2].events |= POLLOUT;
            }
            if (connection->fd >= 0 && connection->next_ms < next_ms) {
                next_ms = connection->next_ms;
            }
        }
        int64_t wait_ms = next_ms == NO_TIMER ? -1 : next_ms - now_ms();
        if (next_ms != NO_TIMER) {
            wait_ms = wait_ms < 0 ? 0 : wait_ms > INT_MAX ? INT_MAX : wait_ms;
        }
        poll(fds, MAX_CONNECTIONS + 2, (int)wait_ms);
        if (fds[0].revents) {
            return NULL;
        }
        int64_t now = now_ms();
        for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
            struct connection *connection = &server->connection[i];
            if (connection->fd >= 0 && (fds[i + 2].revents || connection->next_ms <= now)) {
                connection_turn(server, connection, fds[i + 2].revents, now);
            }
        }
        if (fds[1].revents) {
            server_accept(server);
        }
    }
}

struct rude_server *rude_server_start(enum rude_scope scope, const struct rude_step *steps, size_t n)
{
    ck_assert_uint_ge(n, 1);
    ck_assert_uint_le(n, RUDE_MAX_STEPS);
    struct rude_server *server = calloc(1, sizeof(*server));
    ck_assert_ptr_nonnull(server);
    server->scope = scope;
    server->n_steps = n;
    for (size_t i = 0; i < n; i++) {
        server->steps[i] = steps[i];
        server->steps[i].answer = strdup(steps[i].answer ? steps[i].answer : "");
        ck_assert_ptr_nonnull(server->steps[i].answer);
    }
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
        server->connection[i] = (struct connection){.fd = -1, .next_ms = NO_TIMER};
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&server->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&server->lock, NULL);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_bytes = sizeof(address);
    server->stop_fd = eventfd(0, EFD_CLOEXEC);
    server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(server->stop_fd, 0);
    ck_assert_int_ge(server->listen_fd, 0);
    ck_assert_int_eq(bind(server->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(server->listen_fd, MAX_CONNECTIONS), 0);
    ck_assert_int_eq(getsockname(server->listen_fd, (struct sockaddr *)&address, &address_bytes), 0);
    server->port = ntohs(address.sin_port);
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d", server->port);
    ck_assert_int_eq(pthread_create(&server->thread, NULL, server_main, server), 0);
    return server;
}

void rude_server_stop(struct rude_server *server)
{
    if (!server) {
        return;
    }
    uint64_t one = 1;
    ssize_t written = write(server->stop_fd, &one, sizeof(one));
    assert(written == sizeof(one));
    pthread_join(server->thread, NULL);
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
        if (server->connection[i].fd >= 0) {
            connection_close(server, &server->connection[i], false);
        }
    }
    close(server->listen_fd);
    close(server->stop_fd);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    for (size_t i = 0; i < server->n_steps; i++) {
        free((char *)server->steps[i].answer);
    }
    free(server);
}

int rude_server_port(const struct rude_server *server)
{
    return server->port;
}

const char *rude_server_url(const struct rude_server *server)
{
    return server->url;
}

void rude_server_counts(struct rude_server *server, struct rude_counts *out)
{
    pthread_mutex_lock(&server->lock);
    *out = server->counts;
    pthread_mutex_unlock(&server->lock);
}

bool rude_server_await(struct rude_server *server, uint64_t requests, int timeout_ms)
{
    int64_t until_ms = now_ms() + timeout_ms;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_mutex_lock(&server->lock);
    while (server->counts.requests < requests) {
        if (pthread_cond_timedwait(&server->changed, &server->lock, &until) == ETIMEDOUT) {
            break;
        }
    }
    bool reached = server->counts.requests >= requests;
    pthread_mutex_unlock(&server->lock);
    return reached;
}

const char *rude_server_request(struct rude_server *server, size_t n)
{
    if (n >= RUDE_KEPT_REQUESTS) {
        return "";
    }
    pthread_mutex_lock(&server->lock);
    bool seen = n < server->counts.requests;
    pthread_mutex_unlock(&server->lock);
    /* Written once, before it was counted: no lock is needed to read it. */
    return seen ? server->kept[n] : "";
}

char *rude_answer_make(int code, const char *body)
{
    char *answer = NULL;
    int n = asprintf(&answer, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", code,
                     strlen(body), body);
    ck_assert_int_gt(n, 0);
    return answer;
}
