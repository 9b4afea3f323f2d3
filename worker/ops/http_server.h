/* http_server: a small HTTP server over libmicrohttpd. One for the simulated backend and the admin pages.
 *
 * Handlers run on the server's own threads, several at once, and should not block. An answer may come at once, later
 * (delay_ms, held by one timer thread for all), or from any other thread; a request that waits for its answer holds no
 * thread. A peer that goes away is noticed while an answer is delayed by a second or more. */
#ifndef RXP_OPS_HTTP_SERVER_H
#define RXP_OPS_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;
struct http_exchange; /* one request and its answer; the handler's until answered, then not to be touched */

struct http_server_config {
    const char *listen; /* "127.0.0.1:9464", "[::1]:0", ":8080"; port 0: any free one */
    int threads;
    size_t max_body_bytes; /* over it: 413 */
    int max_connections;   /* more wait to be accepted; 0: as many as the process may have open files */
    /* more are closed, but on a loopback listener; 0: no limit. Each thread counts its own: only with one thread */
    int max_connections_of_one_address;
    int idle_seconds;      /* a connection without a request, or with half of one, is closed then; 0: 900 */
    /* name, value, name, value, …, NULL: on every answer; must outlive the server. NULL: none */
    const char *const *headers;
};

/* Called when the whole request is there. Must answer, once: now (http_answer_…) or later, from any thread. */
typedef void (*http_handler_fn)(struct http_exchange *exchange, void *opaque);

/* Without max_connections it takes as many as the process may have open files (see RLIMIT_NOFILE), less a few, at 16 KB of
 * memory each; so a request's head may have 12 KB, and a longer one is refused. NULL with a sentence in why[why_bytes] that
 * names the address. */
struct http_server *http_server_start(const struct http_server_config *config, http_handler_fn handler, void *opaque,
                                      char *why, size_t why_bytes);
/* Ends it; delayed and unanswered exchanges are closed without an answer. Whoever answers from a thread of its own must
 * have been stopped before: an exchange does not outlive its server. NULL is harmless. */
void http_server_stop(struct http_server *server);
int http_server_port(const struct http_server *server);
/* Does it listen on a loopback address alone? */
bool http_server_is_local(const struct http_server *server);

/* Of its server: http_server_is_local. */
bool http_exchange_is_local(const struct http_exchange *exchange);

/* What was asked. The strings live until the answer. */
const char *http_exchange_method(const struct http_exchange *exchange);
const char *http_exchange_target(const struct http_exchange *exchange); /* as it was sent: "/runs/a%20b?x=1" */
const char *http_exchange_path(const struct http_exchange *exchange);   /* decoded, without the query */
const char *http_exchange_query(const struct http_exchange *exchange, const char *name);  /* decoded; NULL: absent */
const char *http_exchange_header(const struct http_exchange *exchange, const char *name); /* NULL: absent */
const char *http_exchange_body(const struct http_exchange *exchange, size_t *bytes);      /* "" where there is none */

/* Calls back for each in the order of the request, until it returns false. A parameter without '=' has value NULL. */
typedef bool (*http_pair_fn)(const char *name, const char *value, void *opaque);
void http_exchange_queries(const struct http_exchange *exchange, http_pair_fn fn, void *opaque);
void http_exchange_headers(const struct http_exchange *exchange, http_pair_fn fn, void *opaque);

/* Headers over 4 KiB may not fit libmicrohttpd's small buffers: such an answer is written straight to the socket, and
 * the connection closed after it; what does not fit the socket's buffer (100 KB does) is lost. */
struct http_answer {
    int code;                 /* 200 to 599 */
    const char *content_type; /* NULL: none */
    const void *body;         /* copied */
    size_t body_bytes;
    const char *const *headers; /* name, value, name, value, …, NULL; copied. NULL: none. Invalid ones are left out */
    int64_t delay_ms;           /* answer so much later; holds no thread */
};
void http_answer_send(struct http_exchange *exchange, const struct http_answer *answer);

/* Closes the connection without an answer, after delay_ms. */
void http_answer_drop(struct http_exchange *exchange, int64_t delay_ms);

/* A body that comes in pieces: `text` over and over until `bytes` were sent, piece_bytes of it every interval_ms. */
struct http_stream {
    int code;
    const char *content_type; /* NULL: none */
    const char *text;         /* copied; not empty */
    size_t text_bytes;
    size_t piece_bytes;  /* 0: as much as the connection takes */
    int64_t interval_ms; /* 0: without a pause */
    uint64_t bytes;      /* 0: without end */
    int64_t delay_ms;    /* before the first byte of the answer */
};
void http_answer_stream(struct http_exchange *exchange, const struct http_stream *stream);

#endif
