/* exchange: one HTTP request and its answer on the wire: a curl easy handle, set up once and used again, and what its
 * callbacks collect.
 *
 * Owned by one loop thread. Its callbacks run inside curl's calls and never call curl. It follows no redirects and
 * knows no queue: curl_transport does. */
#ifndef RXP_ENGINE_EXCHANGE_H
#define RXP_ENGINE_EXCHANGE_H

#include "base/buf.h"
#include "base/list.h"
#include "engine/egress.h"
#include "engine/fd_watch.h"
#include "engine/header_lines.h"
#include "engine/outlet.h"
#include "engine/reply_headers.h"
#include "engine/target.h"
#include "engine/transport.h"

#include <curl/curl.h>

#define EXCHANGE_MAX_HEADER_BYTES ((size_t)64 * 1024)
/* Bytes of an answer on the wire for each byte that its body may have, headers aside: more than a body needs that comes
 * in chunks of one byte each. curl shows nobody the extensions of chunks, which may be endless. */
#define EXCHANGE_WIRE_FACTOR ((size_t)8)

/* Shared by the exchanges of a loop; outlives them. */
struct exchange_settings {
    const struct egress *egress;
    const struct outlet *outlet; /* NULL: see outlet.h */
    size_t max_response_bytes;
    struct fd_watch *watch;
    /* Its host is looked up: an address was chosen, or a connection is reused. Within a curl call; opaque is that of
     * exchange_begin. */
    void (*opened)(void *opaque);
};

struct exchange {
    struct list node; /* its holder's */
    CURL *easy;
    const struct exchange_settings *settings;
    /* Of the request under way. */
    const struct target *target;
    void *opaque;
    struct header_lines headers;
    const char *want_header;
    bool once;
    bool is_proxied;
    /* What happened. */
    int sends;    /* how often it was about to be written to a connection */
    int sockets;  /* opened */
    int refusals; /* addresses that the egress policy refused */
    bool too_large;
    bool headers_too_large;
    bool wire_too_large;
    bool headers_end; /* seen: curl takes a head that is cut off for a whole one */
    CURLcode code;
    size_t header_bytes;
    int fd;               /* of its connection; -1: not known yet */
    uint64_t fd_received; /* by that connection until it was looked at first */
    unsigned progress;    /* calls since it is known */
    struct buf body;
    struct reply_headers reply_headers;
    char why[EGRESS_WHY_BYTES]; /* the last refusal, or why there was no socket */
    char error[CURL_ERROR_SIZE];
};

/* One hop of a request: everything must live until exchange_end. */
struct hop {
    const struct target *target;
    const char *method;
    const char *body; /* NULL: none */
    size_t body_bytes;
    const char *content_type;
    const struct http_header *headers;
    size_t n_headers;
    const char *want_header; /* see http_request */
    int64_t connect_timeout_ms;
    bool once;
    void *opaque;
};

/* NULL for want of memory. */
struct exchange *exchange_new(const struct exchange_settings *settings);
void exchange_free(struct exchange *exchange);

/* Sets the handle up; exchange->easy may then be added to a multi handle. 0, or -1 for want of memory (exchange_end
 * all the same). */
int exchange_begin(struct exchange *exchange, const struct hop *hop);
/* The Location of the answer, or NULL; lives as long as the answer. */
const char *exchange_location(struct exchange *exchange);
/* Forgets the request; the handle may be used for the next one. */
void exchange_end(struct exchange *exchange);

/* Of an answer whole, headers, chunk extensions and all. */
size_t exchange_max_wire_bytes(const struct exchange *exchange);

/* Its connection's socket is this. */
void exchange_set_fd(struct exchange *exchange, int fd);

/* Of the pointer that curl hands back (CURLINFO_PRIVATE). NULL: a handle of curl's own. */
struct exchange *exchange_of(CURL *easy);

#endif
