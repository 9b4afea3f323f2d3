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

/* Those of the caller. They may hold secrets: the caller overwrites them before it frees them. */
struct http_headers {
    const struct http_header *header;
    size_t n;
    const char *const *secret; /* what no redirect may lead to a URL with: a backend gives back what it was sent */
    size_t n_secrets;
};

struct http_request {
    const char *method; /* upper case; copied by start, like content_type */
    const char *url;    /* absolute, http or https. Must live until done */
    const char *body; /* NULL: none. Must live until done */
    size_t body_bytes;
    const char *content_type; /* NULL: none */
    int64_t connect_timeout_ms;
    int64_t timeout_ms; /* from the moment it leaves the queue, over all redirects; 0: none */
    bool once; /* of a prepare call or kickoff: never sent a second time, whatever happens to the connection */
    bool is_kickoff; /* it queues as such: behind polls, and held back by its origin's rate and breaker */
    const char *want_header; /* a header of the answer that names a URL; NULL: none. Must live until done */
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
    TRANSPORT_UNAVAILABLE, /* it waited too long for an origin that lets no kickoff go */
    TRANSPORT_MEMORY,
};

#define TRANSPORT_DETAIL_BYTES 256

/* Of the last hop, but for what is said otherwise; 0: it did not happen, or nothing is known of it. */
struct http_timing {
    int64_t queued_ms; /* from start until it left the queue, of the first hop */
    int64_t took_ms;   /* from then until the answer was there, over all hops */
    int64_t resolve_us;
    int64_t connect_us;
    int64_t secure_us;     /* TLS */
    int64_t first_byte_us; /* from the request's being sent to the first byte of the answer */
    int64_t total_us;
    bool is_reused; /* of a connection that stood already */
    int redirects;
};

struct http_reply {
    enum transport_error error;
    char detail[TRANSPORT_DETAIL_BYTES]; /* a phrase for people, empty when OK */
    bool sent;                           /* false: the request provably never left, not even to a redirect's origin */
    bool moved; /* a redirect made another request of it (301, 302, 303): `code` is that one's answer */
    int code;                            /* HTTP status; 0 unless OK (TRANSPORT_REDIRECT carries the 3xx) */
    const char *body;                    /* lives until the done callback returns; never NULL */
    size_t body_bytes;
    const char *retry_after; /* the Retry-After of an answer as it stands; NULL: none. Lives like body */
    const char *wanted_url; /* the header that was wanted, resolved against the URL that answered; NULL: it is not there, or
                             * no URL. Lives like body */
    const char *wanted_raw; /* the same as it stands; NULL: it is not there */
    struct http_timing timing;
};

struct transfer; /* one request under way; the transport's own */

/* What becomes of a request that may leave the queue. */
enum transfer_go {
    TRANSFER_GO,   /* name look-up and connecting begin now */
    TRANSFER_DROP, /* it is not sent after all (its partition has gone, or it is to be started again later); the transfer
                    * is then gone without a done */
    TRANSFER_HOLD, /* a kickoff waits, without a place that others could use and without its time running, until
                    * `release` or `cancel` */
};

/* The request may leave the queue: does it? Asked until the first GO or DROP, before done, never from within start or
 * release; not at all where it is refused before (BAD_URL, EGRESS of the host that it names, MEMORY). With GO it may give
 * headers (*headers is empty before), which must live until done: only now, so that what waits in a queue holds no
 * secrets, and none that are old. They go to the origin of the URL only, not to another where a redirect leads. */
typedef enum transfer_go (*transfer_begun_fn)(void *opaque, int64_t now_ms, struct http_headers *headers);
/* The end, once, never from within start or cancel. The transfer is gone when this is called (cancel must not be); the
 * reply lives until it returns. Starting or cancelling others in it is allowed. */
typedef void (*transfer_done_fn)(void *opaque, const struct http_reply *reply, int64_t now_ms);

struct transport {
    /* Queues a request. NULL for want of memory: no callback will come. */
    struct transfer *(*start)(struct transport *transport, const struct http_request *request,
                              transfer_begun_fn begun, transfer_done_fn done, void *opaque);
    /* Ends it without a callback, also when its answer is there and was not yet reported. A kickoff that was sent stays
     * sent. `is_late`: since its run's time is out, which says something about its origin. */
    void (*cancel)(struct transport *transport, struct transfer *transfer, bool is_late);
    /* One that is on HOLD is asked again, as soon as there is a place for it: before those that were not asked yet. */
    void (*release)(struct transport *transport, struct transfer *transfer);
};

#endif
