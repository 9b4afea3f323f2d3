/* rude_server: a raw TCP server with bad manners, for what no proper HTTP server does: it closes instead of answering,
 * sends headers or bodies without end, or a byte at a time.
 *
 * One thread of its own, loopback only, port 0. Everything here is for the test's thread (any thread). Requests are
 * told apart by their head and Content-Length or chunks; what it is told to send goes out as it stands. */
#ifndef RXP_TESTS_RUDE_SERVER_H
#define RXP_TESTS_RUDE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rude_act {
    RUDE_ANSWER,          /* sends `answer`, keeps the connection */
    RUDE_ANSWER_CLOSE,    /* sends `answer`, then closes */
    RUDE_ANSWER_SLOWLY,   /* sends `answer` a byte each interval_ms, keeps the connection */
    RUDE_CLOSE,           /* closes without a byte */
    RUDE_RESET,           /* the same with a RST */
    RUDE_STALL,           /* says nothing, keeps the connection */
    RUDE_ENDLESS_HEADERS, /* a 200, then headers until the peer goes */
    RUDE_ENDLESS_BODY,    /* a 200, then `answer` (or dots) as chunks until the peer goes */
};

/* What follows a request once it was read whole. */
struct rude_step {
    enum rude_act act;
    const char *answer; /* text; NULL is the empty one */
    int interval_ms;
};

/* Whose requests are counted to find the step: the n-th gets steps[n], those after the last step get the last again. */
enum rude_scope {
    RUDE_EACH_CONNECTION, /* of its connection */
    RUDE_WHOLE_SERVER,    /* of all connections together */
};

struct rude_counts {
    uint64_t connections;
    uint64_t requests; /* read whole */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t gone; /* connections that the peer ended */
};

struct rude_server;

/* Copies the steps (at most RUDE_MAX_STEPS) and their answers. Ends the test (ck_abort) where it can't start. */
#define RUDE_MAX_STEPS 16
struct rude_server *rude_server_start(enum rude_scope scope, const struct rude_step *steps, size_t n);
void rude_server_stop(struct rude_server *server);
int rude_server_port(const struct rude_server *server);
/* "http://127.0.0.1:PORT", as long as the server. */
const char *rude_server_url(const struct rude_server *server);

void rude_server_counts(struct rude_server *server, struct rude_counts *out);
/* Waits until so many requests were read whole. False when that took longer than timeout_ms. */
bool rude_server_await(struct rude_server *server, uint64_t requests, int timeout_ms);
/* The bytes of request n (from 0) as text, cut at RUDE_KEPT_BYTES; "" where it was not seen or is not among the first
 * RUDE_KEPT_REQUESTS. Lives as long as the server. */
#define RUDE_KEPT_REQUESTS 32
#define RUDE_KEPT_BYTES 8191
const char *rude_server_request(struct rude_server *server, size_t n);

/* "HTTP/1.1 CODE X\r\nContent-Type: application/json\r\nContent-Length: …\r\n\r\nBODY": for struct rude_step's answer.
 * The caller frees it. */
char *rude_answer_make(int code, const char *body);

#endif
