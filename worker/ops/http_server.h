/* http_server: a small HTTP server over libmicrohttpd. One for the simulated backend and the admin pages.
 *
 * Handlers run on the server's own threads, several at once. */
#ifndef RXP_OPS_HTTP_SERVER_H
#define RXP_OPS_HTTP_SERVER_H

#include <stddef.h>
#include <stdint.h>

struct http_server;
struct http_exchange; /* one request and its answer; lives until answered */

struct http_server_config {
    const char *listen; /* "127.0.0.1:9464", "[::1]:0", ":8080"; port 0: any free one */
    int threads;
    size_t max_body_bytes; /* over it: 413 */
};

/* Called when the whole request is there. Must answer: now (http_reply…) or later, from any thread. */
typedef void (*http_handler_fn)(struct http_exchange *exchange, void *opaque);

/* NULL with a sentence in why[why_bytes] that names the address. */
struct http_server *http_server_start(const struct http_server_config *config, http_handler_fn handler, void *opaque,
                                      char *why, size_t why_bytes);
/* Ends it; exchanges not yet answered are closed. */
void http_server_stop(struct http_server *server);
int http_server_port(const struct http_server *server);

const char *http_exchange_method(const struct http_exchange *exchange);
const char *http_exchange_path(const struct http_exchange *exchange); /* decoded, without the query */
const char *http_exchange_query(const struct http_exchange *exchange, const char *name);  /* NULL: absent */
const char *http_exchange_header(const struct http_exchange *exchange, const char *name); /* NULL: absent */
const char *http_exchange_body(const struct http_exchange *exchange, size_t *bytes);

struct http_answer {
    int code;
    const char *content_type; /* NULL: none */
    const void *body;         /* copied */
    size_t body_bytes;
    const char *const *headers; /* name, value, name, value, …, NULL; copied. NULL: none */
    int64_t delay_ms;           /* answer so much later; holds no thread */
};
void http_answer_send(struct http_exchange *exchange, const struct http_answer *answer);
/* Closes the connection without an answer, after delay_ms. */
void http_answer_drop(struct http_exchange *exchange, int64_t delay_ms);
/* A body without end (or of `bytes`, when not 0), `chunk` by `chunk`, one every interval_ms. */
void http_answer_stream(struct http_exchange *exchange, int code, const char *chunk, size_t chunk_bytes,
                        int64_t interval_ms, uint64_t bytes);

#endif
