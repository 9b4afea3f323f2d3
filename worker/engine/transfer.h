/* transfer: one request on its way through curl_transport, over all its hops.
 *
 * Owned by its transport. What is queued by the ten thousand is kept small: the handle, the buffers and the answer are
 * the exchange's, which only a request on the wire has. */
#ifndef RXP_ENGINE_TRANSFER_H
#define RXP_ENGINE_TRANSFER_H

#include "base/heap.h"
#include "base/list.h"
#include "engine/exchange.h"
#include "engine/origin.h"
#include "engine/target.h"
#include "engine/transport.h"

/* Queued: claim is QUEUED, or RELEASED. Held: the claim is HELD. On the wire: exchange is set and the claim OPENING or
 * OPEN. Finished: the claim is nowhere; there is an exchange with an answer, or else `error` with
 * `detail`. */
struct transfer {
    struct list node; /* its transport's */
    struct origin_claim claim;
    struct timer timer; /* timeout_ms */
    struct curl_transport *transport;
    struct exchange *exchange;
    struct gate *gate; /* held from the wire until its end there is told; NULL */
    struct target target;        /* of this hop */
    struct http_request request; /* of this hop; method and content_type point into owned */
    struct http_headers headers; /* the caller's, from begun to done */
    void *owned;
    transfer_begun_fn begun;
    transfer_done_fn done;
    void *opaque;
    int64_t started_ms;
    int64_t begun_ms; /* it left the queue */
    int redirects;
    bool has_begun;
    bool sent; /* the first hop may have left */
    bool moved; /* see http_reply */
    enum transport_error error;
    char *detail; /* NULL where there was no memory for it */
    int code;     /* of a redirect that is not followed */
};

/* Copies of the request what its caller need not keep. NULL for want of memory. */
struct transfer *transfer_new(const struct http_request *request);
/* The memory only: exchange, claim, timer and node are the transport's to take back first. */
void transfer_free(struct transfer *transfer);

bool transfer_is_on_wire(const struct transfer *transfer);
/* Why it ends without an answer; `detail` is copied. */
void transfer_set_error(struct transfer *transfer, enum transport_error error, const char *detail);

/* What goes on the wire: it points into the transfer. */
struct hop transfer_hop(struct transfer *transfer);
/* It goes on the wire: whoever shares its origin is to be told how that ends. */
void transfer_hold_gate(struct transfer *transfer);
/* Tells them, once for each hop; later: harmless. TRANSPORT_OK for any answer; TRANSPORT_MEMORY where its end says nothing of
 * the origin. */
void transfer_tell_gate(struct transfer *transfer, enum transport_error error, int64_t now_ms);

/* Is this an answer that sends the request elsewhere? */
bool transfer_is_redirect(int code);
/* May it go there? False, with why, where the target's URL holds a secret that was sent, or credentials of its own. */
bool transfer_may_follow(const struct transfer *transfer, const struct target *target, char *why, size_t why_bytes);
/* Makes it the request of the next hop. Takes the target. Answers 307 and 308 repeat method and body; the others go on
 * with GET (HEAD stays). Headers go when the origin changes. */
void transfer_redirect(struct transfer *transfer, int code, struct target target);

#endif
