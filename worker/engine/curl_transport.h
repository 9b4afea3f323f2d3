/* curl_transport: the transport over libcurl's multi handle, without a thread of its own: the loop turns it.
 *
 * Owned by one loop thread, which alone calls curl. curl's callbacks only take notes; finished requests are gathered
 * and reported outside of them. A request goes through these hands:
 *
 *                                 held ──> released
 *                                  ^           │
 *                                  │           v
 *   start ──> queued at its origin ┴─────────────> on the wire (exchange) ──> finished ──> done
 *                     ^                                                          │
 *                     └──────────────── redirect: the next hop ──────────────────┘
 *
 * What is held has its place at its origin, as what is on the wire has.
 *
 * Redirects (RFC 9110, 15.4) are followed here and not by curl, which would take the caller's headers along: at most
 * 5, http and https only, each hop checked by the egress policy and queued at its own origin, in front, since its time
 * runs. The caller's headers go when the origin changes, for good; a body keeps its Content-Type. */
#ifndef RXP_ENGINE_CURL_TRANSPORT_H
#define RXP_ENGINE_CURL_TRANSPORT_H

#include "engine/egress.h"
#include "engine/outlet.h"
#include "engine/transport.h"

#include <stddef.h>
#include <stdint.h>

#define CURL_TRANSPORT_MAX_REDIRECTS 5

struct curl_transport;

struct curl_transport_config {
    const struct egress *egress; /* outlives the transport */
    const struct outlet *outlet; /* NULL: see outlet.h. Outlives the transport */
    size_t max_response_bytes;
    size_t origin_max_active; /* requests on the wire to one origin, at least 1 */
    struct gates *gates;      /* what other transports know of origins, too; outlives it. NULL: none */
    int64_t kickoff_max_wait_ms; /* of one whose origin lets none go; 0: no limit */
    size_t max_active;        /* of all origins together: a bound for file descriptors */
    size_t max_connections;   /* kept open; above it idle ones are closed */
    int epoll_fd;             /* sockets are watched there; events with data FD_WATCH_OTHER are somebody else's */
};

/* curl_global_init must have been called. NULL for want of memory. */
struct curl_transport *curl_transport_new(const struct curl_transport_config *config);
/* What is under way is dropped without a callback. */
void curl_transport_free(struct curl_transport *transport);

/* To start and cancel with. */
struct transport *curl_transport_base(struct curl_transport *transport);

/* An event of the epoll, as epoll_wait gave it. */
void curl_transport_serve_fd(struct curl_transport *transport, uint64_t data, uint32_t events, int64_t now_ms);
/* Reports what is finished and due, for about slice_ms at most: done callbacks are called here. */
void curl_transport_report(struct curl_transport *transport, int64_t now_ms, int64_t slice_ms);
/* Sends what may leave the queue, a batch at most: begun callbacks are called here. */
void curl_transport_begin(struct curl_transport *transport, int64_t now_ms);
/* When to report and begin again; INT64_MIN: at once. */
int64_t curl_transport_next_ms(const struct curl_transport *transport);

struct curl_transport_counts {
    size_t transfers; /* started and not ended */
    size_t on_wire;   /* of these */
};
void curl_transport_read_counts(const struct curl_transport *transport, struct curl_transport_counts *out);

#endif
