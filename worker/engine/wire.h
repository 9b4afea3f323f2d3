/* wire: libcurl's multi handle and what is on it: exchanges under way, sockets in epoll, curl's one timer.
 *
 * Owned by one loop thread, which alone calls curl. curl's callbacks only take notes; a finished exchange is fetched
 * with wire_next_finished, outside of them. Exchanges are kept and used again. */
#ifndef RXP_ENGINE_WIRE_H
#define RXP_ENGINE_WIRE_H

#include "base/list.h"
#include "engine/exchange.h"
#include "engine/fd_watch.h"

#include <curl/curl.h>
#include <stddef.h>
#include <stdint.h>

struct wire_config {
    const struct egress *egress;
    const struct outlet *outlet; /* NULL: see outlet.h */
    size_t max_response_bytes;
    size_t max_connections; /* kept open; above it idle ones are closed */
    int epoll_fd;
    void (*opened)(void *opaque); /* see exchange_settings */
};

struct wire {
    CURLM *multi;
    struct fd_watch watch;
    struct exchange_settings settings;
    struct list spare;     /* exchanges */
    struct list unwatched; /* on the wire, but epoll refused their socket: they end with wire_next_finished */
    size_t n_spare;
    size_t n_on_it;
    int64_t curl_at_ms; /* when curl wants to be called */
    int64_t now_ms;     /* of this wake; set by the owner before anything else */
};

/* 0, or -1 for want of memory (wire_deinit all the same). Must not move afterwards. */
int wire_init(struct wire *wire, const struct wire_config *config);
/* Nothing may be on it. Closes the connections. */
void wire_deinit(struct wire *wire);

/* Begins; it leaves with wire_serve_timer, which starts a whole batch at once. NULL for want of memory. */
struct exchange *wire_put(struct wire *wire, const struct hop *hop);
/* Off the wire; keeps its answer, if it has one. */
void wire_take(struct wire *wire, struct exchange *exchange);
/* Of one that is off the wire: it may be used again. */
void wire_give_back(struct wire *wire, struct exchange *exchange);

/* An event of epoll. */
void wire_serve_fd(struct wire *wire, uint64_t data, uint32_t events);
/* What is due by curl's timer. */
void wire_serve_timer(struct wire *wire);
/* One that has ended, taken off the wire, its code set; NULL where there is none (any more). */
struct exchange *wire_next_finished(struct wire *wire);
int64_t wire_next_ms(const struct wire *wire);

#endif
