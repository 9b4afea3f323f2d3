/* transport: what a run needs of the network. curl_transport is the real one; tests have a fake.
 *
 * A transport belongs to one loop thread: every call and every callback happens there. */
#ifndef RXP_ENGINE_TRANSPORT_H
#define RXP_ENGINE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_header {
    const char *name;
    const char *value;
};

struct http_request {
    const char *method; /* upper case; copied by start, like content_type and headers */
    const char *url;    /* absolute, http or https. Must live until done */
    const char *body; /* NULL: none. Must live until done */
    size_t body_bytes;
    const char *content_type; /* NULL: none */
    const struct http_header *headers; /* sent to the origin of the URL only, not to where a redirect leads */
    size_t n_headers;
    int64_t connect_timeout_ms;
    int64_t timeout_ms; /* from the moment it leaves the queue, over all redirects; 0: none */
    bool once;          /* a kickoff: never sent a second time, whatever happens to the connection */
};

enum transport_error {
    TRANSPORT_OK,
    TRANSPORT_BAD_URL,   /* cannot be parsed, or not http(s) */
    TRANSPORT_RESOLVE,   /* the name has no address */
    TRANSPORT_CONNECT,   /* refused, unreachable, connect timeout */
    TRANSPORT_TLS,       /* handshake or certificate */
    TRANSPORT_NETWORK,   /* broke after the request may have left */
    TRANSPORT_TIMEOUT,   /* timeout_ms ran out */
    TRANSPORT_TOO_LARGE, /* body or headers over their limit */
    TRANSPORT_EGRESS,    /* the policy refuses the host, or every address that it has */
    TRANSPORT_REDIRECT,  /* more than 5, without a Location, or to another scheme */
    TRANSPORT_MEMORY,
};

#define TRANSPORT_DETAIL_BYTES 256

struct http_reply {
    enum transport_error error;
    char detail[TRANSPORT_DETAIL_BYTES]; /* a phrase for people, empty when OK */
    bool sent;                           /* false: the request provably never left, not even to a redirect's origin */
    int code;                            /* HTTP status; 0 unless OK (TRANSPORT_REDIRECT carries the 3xx) */
    const char *body;                    /* lives until the done callback returns; never NULL */
    size_t body_bytes;
};

struct transfer; /* one request under way; the transport's own */

/* What becomes of a request that may leave the queue. */
enum transfer_go {
    TRANSFER_GO,   /* name look-up and connecting begin now */
    TRANSFER_DROP, /* it is not sent after all (its partition has gone); the transfer is then gone without a done */
    TRANSFER_HOLD, /* a kickoff waits, without a place that others could use and without its time running, until
                    * `release` or `cancel` */
};

/* The request may leave the queue: does it? Asked until the first GO or DROP, before done, never from within start or
 * release; not at all where it is refused before (BAD_URL, EGRESS of the host that it names, MEMORY). */
typedef enum transfer_go (*transfer_begun_fn)(void *opaque, int64_t now_ms);
/* The end, once, never from within start or cancel. The transfer is gone when this is called (cancel must not be); the
 * reply lives until it returns. Starting or cancelling others in it is allowed. */
typedef void (*transfer_done_fn)(void *opaque, const struct http_reply *reply, int64_t now_ms);

struct transport {
    /* Queues a request. NULL for want of memory: no callback will come. */
    struct transfer *(*start)(struct transport *transport, const struct http_request *request,
                              transfer_begun_fn begun, transfer_done_fn done, void *opaque);
    /* Ends it without a callback, also when its answer is there and was not yet reported. A kickoff that was sent stays
     * sent. */
    void (*cancel)(struct transport *transport, struct transfer *transfer);
    /* One that is on HOLD is asked again, as soon as there is a place for it: before those that were not asked yet. */
    void (*release)(struct transport *transport, struct transfer *transfer);
};

#endif
