#include "engine/exchange.h"

#include <assert.h>
#include <errno.h>
#include <linux/tcp.h> /* the C library's tcp_info ends before the byte counts */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define PROGRESS_A_LOOK 16
#define MAX_LIFETIME_SECONDS 120L /* so that changes of DNS arrive */
/* An idle connection that its server is about to close costs a kickoff its life, since it is not sent twice. The price:
 * at each kickoff curl also closes those of other origins that have been idle for longer (whole seconds, more than
 * this), so that a run that is alone at its backend and polls every 3 s or less often may connect anew for each poll. */
#define ONCE_MAX_IDLE_SECONDS 2L
#define MAX_IDLE_SECONDS 60L

/* ---- what curl calls ---- */

static size_t on_body(char *bytes, size_t size, size_t n, void *opaque)
{
    struct exchange *exchange = opaque;
    assert(size == 1);
    if (n > exchange->settings->max_response_bytes - exchange->body.bytes) {
        exchange->too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    buf_put(&exchange->body, bytes, n);
    return buf_failed(&exchange->body) ? CURL_WRITEFUNC_ERROR : n;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *opaque)
{
    struct exchange *exchange = opaque;
    assert(size == 1);
    exchange->header_bytes += n;
    /* Trailers come this way too, without an empty line behind them. */
    if (n >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        exchange->headers_end = false;
    } else if (n <= 2 && bytes[n - 1] == '\n') {
        exchange->headers_end = true;
    }
    if (exchange->header_bytes > EXCHANGE_MAX_HEADER_BYTES) {
        exchange->too_large = true;
        exchange->headers_too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    return n;
}

/* 0 where it is no TCP connection: curl's resolver has sockets too. */
static uint64_t bytes_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t bytes = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0 ? info.tcpi_bytes_received : 0;
}

void exchange_set_fd(struct exchange *exchange, int fd)
{
    if (exchange->fd != fd) {
        exchange->fd = fd;
        exchange->progress = 0;
    }
}

size_t exchange_max_wire_bytes(const struct exchange *exchange)
{
    return EXCHANGE_MAX_HEADER_BYTES + EXCHANGE_WIRE_FACTOR * exchange->settings->max_response_bytes;
}

/* Called at least each time that something was read. Counted is from the first look on: what came before is 64 kB, and what the
 * kernel keeps of what is not read yet. So short answers, nearly all, need no look (2.6 getsockopt calls an invocation). */
static int on_progress(void *opaque, curl_off_t to_get, curl_off_t got, curl_off_t to_put, curl_off_t put)
{
    struct exchange *exchange = opaque;
    (void)to_get, (void)got, (void)to_put, (void)put;
    if (exchange->fd < 0 || ++exchange->progress % PROGRESS_A_LOOK != 0) {
        return 0;
    }
    uint64_t received = bytes_received(exchange->fd);
    if (exchange->progress == PROGRESS_A_LOOK) {
        exchange->fd_received = received;
    }
    if (received > exchange->fd_received && received - exchange->fd_received > exchange_max_wire_bytes(exchange)) {
        exchange->too_large = true;
        exchange->wire_too_large = true;
        return 1;
    }
    return 0;
}

/* The connection stands and the request is about to be written. curl writes it a second time where a reused connection
 * dies before the first byte of an answer: a kickoff must not be. */
static int on_send(void *opaque, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
    struct exchange *exchange = opaque;
    (void)peer_ip, (void)own_ip, (void)peer_port, (void)own_port;
    if (exchange->once && exchange->sends > 0) {
        return CURL_PREREQFUNC_ABORT;
    }
    exchange->sends++;
    exchange->settings->opened(exchange->opaque);
    return CURL_PREREQFUNC_OK;
}

/* The address is resolved and not connected yet. Connections are reused by host and port, and the policy never changes,
 * so that what is let through here once may be reused. */
static curl_socket_t on_open(void *opaque, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct exchange *exchange = opaque;
    const struct exchange_settings *settings = exchange->settings;
    assert(purpose == CURLSOCKTYPE_IPCXN);
    settings->opened(exchange->opaque);
    /* The proxy was named by the operator, and where it goes from there is its own to filter. */
    if (!exchange->is_proxied &&
        !egress_check_address(settings->egress, exchange->target->host, exchange->target->port, &address->addr,
                              exchange->why)) {
        exchange->refusals++;
        return CURL_SOCKET_BAD;
    }
    int fd = fd_watch_open(settings->watch, address->family, address->socktype, address->protocol);
    if (fd < 0) {
        snprintf(exchange->why, sizeof exchange->why, "no socket: %s", strerror(errno));
        return CURL_SOCKET_BAD;
    }
    exchange->sockets++;
    return fd;
}

/* May come when the exchange is long gone: the connection outlives it. */
static int on_close(void *opaque, curl_socket_t fd)
{
    fd_watch_close(opaque, fd);
    return 0;
}

/* ---- life ---- */

/* curl_easy_setopt is a macro that checks types; a failure is a want of memory (or an option unknown to an older curl,
 * which the build refuses). */
#define SET(option, value) (failed |= curl_easy_setopt(exchange->easy, option, value) != CURLE_OK)

static int set_up(struct exchange *exchange)
{
    const struct exchange_settings *settings = exchange->settings;
    bool failed = false;
    SET(CURLOPT_PRIVATE, exchange);
    SET(CURLOPT_ERRORBUFFER, exchange->error);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, exchange);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, exchange);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, exchange);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_PREREQFUNCTION, on_send);
    SET(CURLOPT_PREREQDATA, exchange);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
    SET(CURLOPT_OPENSOCKETDATA, exchange);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
    SET(CURLOPT_CLOSESOCKETDATA, settings->watch);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_BUFFERSIZE, 4096L);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_MAXLIFETIME_CONN, MAX_LIFETIME_SECONDS);
    failed |= outlet_set_up(settings->outlet, exchange->easy) != 0;
    return failed ? -1 : 0;
}

struct exchange *exchange_new(const struct exchange_settings *settings)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL) {
        return NULL;
    }
    list_init(&exchange->node);
    buf_init(&exchange->body, settings->max_response_bytes);
    exchange->settings = settings;
    exchange->easy = curl_easy_init();
    if (exchange->easy == NULL || set_up(exchange) != 0) {
        exchange_free(exchange);
        return NULL;
    }
    return exchange;
}

void exchange_free(struct exchange *exchange)
{
    if (exchange == NULL) {
        return;
    }
    curl_easy_cleanup(exchange->easy);
    header_lines_wipe(&exchange->headers);
    reply_headers_deinit(&exchange->reply_headers);
    buf_deinit(&exchange->body);
    free(exchange);
}

struct exchange *exchange_of(CURL *easy)
{
    char *found = NULL;
    CURLcode code = curl_easy_getinfo(easy, CURLINFO_PRIVATE, &found);
    assert(code == CURLE_OK);
    return (struct exchange *)(void *)found;
}

/* ---- the request ---- */

/* Methods whose content has a meaning say so when there is none: Content-Length: 0 (RFC 9110, 8.6). */
static bool expects_body(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

#define CONTENT_TYPE "Content-Type"
#define USER_AGENT "User-Agent"
#define PROGRAM "rxp-worker/" RXP_VERSION
#define OTHER_LINES 3 /* these, and Expect */

static bool has_own(const struct hop *hop, const char *name)
{
    for (size_t i = 0; i < hop->n_headers; i++) {
        if (strcasecmp(hop->headers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* As curl sees it. */
static bool posts(const struct hop *hop)
{
    return strcmp(hop->method, "HEAD") != 0 && (hop->body != NULL || expects_body(hop->method));
}

/* Everything that another method may have set is set again: the handle is not reset in between. */
static int set_method(struct exchange *exchange, const struct hop *hop)
{
    bool failed = false;
    bool is_head = strcmp(hop->method, "HEAD") == 0;
    bool has_body = posts(hop);
    if (has_body) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, hop->body != NULL ? (curl_off_t)hop->body_bytes : (curl_off_t)0);
        SET(CURLOPT_POSTFIELDS, hop->body != NULL ? hop->body : "");
        SET(CURLOPT_POST, 1L);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
        SET(CURLOPT_NOBODY, is_head ? 1L : 0L);
    }
    bool is_natural = is_head || strcmp(hop->method, has_body ? "POST" : "GET") == 0;
    SET(CURLOPT_CUSTOMREQUEST, is_natural ? NULL : hop->method);
    return failed ? -1 : 0;
}

/* Each request's own. A type of a body that a redirect took away goes with it. */
static bool is_sent(const struct hop *hop, const struct http_header *header)
{
    return hop->body != NULL || strcasecmp(header->name, CONTENT_TYPE) != 0;
}

/* The caller's word is the last: curl would send both. */
static int set_headers(struct exchange *exchange, const struct hop *hop)
{
    const struct http_header type = {.name = CONTENT_TYPE, .value = hop->content_type};
    struct header_lines *lines = &exchange->headers;
    bool has_body = posts(hop);
    bool has_own_type = hop->body != NULL && has_own(hop, CONTENT_TYPE);
    bool has_type = hop->body != NULL && hop->content_type != NULL;
    bool failed = false;
    size_t text_bytes = has_type ? header_line_bytes(&type) : 0;
    for (size_t i = 0; i < hop->n_headers; i++) {
        text_bytes += header_line_bytes(&hop->headers[i]);
    }
    if (header_lines_make(lines, hop->n_headers + OTHER_LINES, text_bytes) != 0) {
        return -1;
    }
    /* curl has a type of its own for POST, and asks for leave (Expect) before it sends a long body. */
    if (has_body && !has_own_type && has_type) {
        header_lines_put_pair(lines, &type);
    } else if (has_body && !has_own_type) {
        header_lines_put(lines, CONTENT_TYPE ":");
    }
    if (has_body) {
        header_lines_put(lines, "Expect:");
    }
    for (size_t i = 0; i < hop->n_headers; i++) {
        if (is_sent(hop, &hop->headers[i])) {
            header_lines_put_pair(lines, &hop->headers[i]);
        }
    }
    /* Its own option costs 3k instructions a request, but goes to a proxy with CONNECT, too. */
    SET(CURLOPT_USERAGENT, exchange->is_proxied ? PROGRAM : NULL);
    if (!exchange->is_proxied && !has_own(hop, USER_AGENT)) {
        header_lines_put(lines, USER_AGENT ": " PROGRAM);
    }
    SET(CURLOPT_HTTPHEADER, lines->first);
    return failed ? -1 : 0;
}

int exchange_begin(struct exchange *exchange, const struct hop *hop)
{
    bool failed = false;
    exchange->target = hop->target;
    exchange->opaque = hop->opaque;
    exchange->want_header = hop->want_header;
    exchange->once = hop->once;
    exchange->code = CURLE_OK;
    exchange->sends = 0;
    exchange->sockets = 0;
    exchange->refusals = 0;
    exchange->too_large = false;
    exchange->headers_too_large = false;
    exchange->wire_too_large = false;
    exchange->headers_end = false;
    exchange->header_bytes = 0;
    exchange->fd = -1;
    exchange->progress = 0;
    exchange->why[0] = '\0';
    exchange->error[0] = '\0';
    buf_clear(&exchange->body);
    exchange->is_proxied = outlet_is_proxied(exchange->settings->outlet, hop->target);
    failed |= set_method(exchange, hop) != 0;
    failed |= set_headers(exchange, hop) != 0;
    failed |= outlet_aim(exchange->settings->outlet, exchange->easy, hop->target) != 0;
    assert(hop->target->path == NULL || !exchange->is_proxied);
    SET(CURLOPT_CURLU, hop->target->url);
    SET(CURLOPT_REQUEST_TARGET, hop->target->path);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)hop->connect_timeout_ms);
    SET(CURLOPT_MAXAGE_CONN, hop->once ? ONCE_MAX_IDLE_SECONDS : MAX_IDLE_SECONDS);
    return failed ? -1 : 0;
}

void exchange_end(struct exchange *exchange)
{
    /* curl keeps pointers to what is about to go. */
    curl_easy_setopt(exchange->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(exchange->easy, CURLOPT_CURLU, NULL);
    curl_easy_setopt(exchange->easy, CURLOPT_REQUEST_TARGET, NULL); /* its copy may be long */
    curl_easy_setopt(exchange->easy, CURLOPT_POSTFIELDS, NULL);
    header_lines_wipe(&exchange->headers);
    exchange->want_header = NULL;
    reply_headers_deinit(&exchange->reply_headers);
    exchange->target = NULL;
    exchange->opaque = NULL;
    buf_deinit(&exchange->body);
}

const char *exchange_location(struct exchange *exchange)
{
    return reply_header_find(exchange->easy, "Location");
}
