#include "engine/curl_transport.h"

#include "base/clock.h"
#include "base/heap.h"
#include "base/list.h"
#include "engine/aim.h"
#include "engine/exchange_answer.h"
#include "engine/origin.h"
#include "engine/target.h"
#include "engine/timing.h"
#include "engine/transfer.h"
#include "engine/wire.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define BEGIN_BATCH 64
#define REPORTS_A_CLOCK 4
#define OVERDUE_BATCH 1024

struct curl_transport {
    struct transport base;
    struct wire wire;
    struct aims aims;
    struct origins *origins;
    int64_t kickoff_max_wait_ms;
    struct heap timers;
    struct list transfers; /* queued, held and on the wire */
    struct list finished;
    size_t n_transfers;
    int64_t now_ms; /* of this wake */
};

static void set_now(struct curl_transport *transport, int64_t now_ms)
{
    transport->now_ms = now_ms;
    transport->wire.now_ms = now_ms;
    origins_turn(transport->origins, now_ms);
}

static void on_opened(void *opaque)
{
    struct transfer *transfer = opaque;
    origins_opened(transfer->transport->origins, &transfer->claim);
}

/* ---- transfers ---- */

/* Its exchange is off the wire: its place is free, and what was sent is known. Where it was cut short, a look-up of its
 * name goes on without it. */
static void leave_wire(struct transfer *transfer, bool has_ended)
{
    transfer->sent = transfer->sent || transfer->exchange->sends > 0;
    if (has_ended) {
        origins_leave(transfer->transport->origins, &transfer->claim);
    } else {
        origins_abandon(transfer->transport->origins, &transfer->claim);
    }
}

static void take_off_wire(struct transfer *transfer)
{
    wire_take(&transfer->transport->wire, transfer->exchange);
    leave_wire(transfer, false);
}

/* From wherever it is. */
static void drop(struct transfer *transfer)
{
    struct curl_transport *transport = transfer->transport;
    if (transfer_is_on_wire(transfer)) {
        take_off_wire(transfer);
    }
    if (transfer->exchange != NULL) {
        wire_give_back(&transport->wire, transfer->exchange);
    }
    transfer_tell_gate(transfer, TRANSPORT_MEMORY, transport->now_ms);
    origins_leave(transport->origins, &transfer->claim);
    heap_clear(&transport->timers, &transfer->timer);
    list_remove(&transfer->node);
    transport->n_transfers--;
    transfer_free(transfer);
}

static void finish(struct transfer *transfer)
{
    list_remove(&transfer->node);
    list_push(&transfer->transport->finished, &transfer->node);
}

static void fail(struct transfer *transfer, enum transport_error error, const char *detail)
{
    transfer_set_error(transfer, error, detail);
    finish(transfer);
}

/* To the queue of its target's origin, unless the policy refuses the host. */
static void enqueue(struct transfer *transfer)
{
    struct curl_transport *transport = transfer->transport;
    char why[EGRESS_WHY_BYTES];
    if (!aims_allow(&transport->aims, &transfer->target, why)) {
        fail(transfer, TRANSPORT_EGRESS, why);
        return;
    }
    enum origin_class class = transfer->request.is_kickoff ? ORIGIN_KICKOFF : ORIGIN_POLL;
    enum origin_end end = transfer->redirects > 0 ? ORIGIN_FIRST : ORIGIN_LAST;
    if (origins_enter(transport->origins, &transfer->claim, transfer->target.origin, class, end) != 0) {
        fail(transfer, TRANSPORT_MEMORY, "out of memory");
    }
}

static struct transfer *start(struct transport *base, const struct http_request *request, transfer_begun_fn begun,
                              transfer_done_fn done, void *opaque)
{
    struct curl_transport *transport = (struct curl_transport *)(void *)base;
    if (heap_reserve(&transport->timers, transport->n_transfers + 1) != 0) {
        return NULL;
    }
    struct transfer *transfer = transfer_new(request);
    if (transfer == NULL) {
        return NULL;
    }
    transfer->transport = transport;
    transfer->begun = begun;
    transfer->done = done;
    transfer->opaque = opaque;
    list_push(&transport->transfers, &transfer->node);
    transport->n_transfers++;
    transfer->started_ms = transport->now_ms;
    char why[TRANSPORT_DETAIL_BYTES];
    switch (aims_take(&transport->aims, request->url, &transfer->target, why, sizeof why)) {
    case TARGET_OK:
        enqueue(transfer);
        break;
    case TARGET_MALFORMED:
    case TARGET_NOT_HTTP:
        fail(transfer, TRANSPORT_BAD_URL, why);
        break;
    case TARGET_MEMORY:
        fail(transfer, TRANSPORT_MEMORY, why);
        break;
    }
    return transfer;
}

static void cancel(struct transport *base, struct transfer *transfer, bool is_late)
{
    assert(&transfer->transport->base == base);
    if (is_late && transfer_is_on_wire(transfer)) {
        transfer_tell_gate(transfer, TRANSPORT_TIMEOUT, transfer->transport->now_ms);
    }
    drop(transfer);
}

static void release(struct transport *base, struct transfer *transfer)
{
    assert(&transfer->transport->base == base);
    origins_release(transfer->transport->origins, &transfer->claim);
}

/* ---- leaving the queue ---- */

static void put_on_wire(struct transfer *transfer)
{
    struct curl_transport *transport = transfer->transport;
    const struct hop hop = transfer_hop(transfer);
    transfer_hold_gate(transfer);
    origins_went(transport->origins, &transfer->claim);
    transfer->exchange = wire_put(&transport->wire, &hop);
    if (transfer->exchange == NULL) {
        transfer_tell_gate(transfer, TRANSPORT_MEMORY, transport->now_ms);
        origins_leave(transport->origins, &transfer->claim);
        fail(transfer, TRANSPORT_MEMORY, "out of memory");
    }
}

/* Its time begins. */
static void set_begun(struct transfer *transfer)
{
    struct curl_transport *transport = transfer->transport;
    transfer->has_begun = true;
    transfer->begun_ms = transport->now_ms;
    if (transfer->request.timeout_ms > 0) {
        int failed = heap_set(&transport->timers, &transfer->timer, transport->now_ms + transfer->request.timeout_ms);
        assert(failed == 0); /* start made room for it */
    }
}

/* Its claim has a place. */
static void begin(struct transfer *transfer)
{
    if (!transfer->has_begun) {
        switch (transfer->begun(transfer->opaque, transfer->transport->now_ms, &transfer->headers)) {
        case TRANSFER_GO:
            set_begun(transfer);
            break;
        case TRANSFER_DROP:
            drop(transfer);
            return;
        case TRANSFER_HOLD:
            origins_hold(transfer->transport->origins, &transfer->claim);
            return;
        }
    }
    put_on_wire(transfer);
}

static void collect(struct curl_transport *transport)
{
    struct exchange *exchange;
    while ((exchange = wire_next_finished(&transport->wire)) != NULL) {
        struct transfer *transfer = exchange->opaque;
        leave_wire(transfer, exchange->code != CURLE_OPERATION_TIMEDOUT);
        finish(transfer);
    }
}

void curl_transport_begin(struct curl_transport *transport, int64_t now_ms)
{
    set_now(transport, now_ms);
    for (int i = 0; i < BEGIN_BATCH; i++) {
        struct origin_claim *claim = origins_next(transport->origins);
        if (claim == NULL) {
            break;
        }
        begin(list_entry(claim, struct transfer, claim));
    }
    wire_serve_timer(&transport->wire);
    collect(transport);
}

void curl_transport_serve_fd(struct curl_transport *transport, uint64_t data, uint32_t events, int64_t now_ms)
{
    set_now(transport, now_ms);
    wire_serve_fd(&transport->wire, data, events);
}

/* ---- answers ---- */

static void refuse_redirect(struct transfer *transfer, int code, const char *detail)
{
    transfer->code = code;
    fail(transfer, TRANSPORT_REDIRECT, detail);
}

static void fail_by_timeout(struct transfer *transfer)
{
    char detail[64];
    snprintf(detail, sizeof detail, "no answer within %g s", (double)transfer->request.timeout_ms / 1000);
    fail(transfer, TRANSPORT_TIMEOUT, detail);
}

/* The next hop, or the failure that ends it here. The exchange is done with. */
static void follow(struct transfer *transfer, int code)
{
    struct curl_transport *transport = transfer->transport;
    char why[TRANSPORT_DETAIL_BYTES] = "it has no Location header";
    struct target target = {0};
    enum target_error error = TARGET_MALFORMED;
    const char *location = exchange_location(transfer->exchange);
    if (location != NULL) {
        error = target_follow(&target, &transfer->target, location, why, sizeof why);
    }
    wire_give_back(&transport->wire, transfer->exchange);
    transfer->exchange = NULL;
    if (error == TARGET_MEMORY) {
        fail(transfer, TRANSPORT_MEMORY, "out of memory");
        return;
    }
    if (error != TARGET_OK || !transfer_may_follow(transfer, &target, why, sizeof why)) {
        target_deinit(&target);
        refuse_redirect(transfer, code, why);
        return;
    }
    if (transfer->redirects >= CURL_TRANSPORT_MAX_REDIRECTS) {
        target_deinit(&target);
        snprintf(why, sizeof why, "more than %d redirects", CURL_TRANSPORT_MAX_REDIRECTS);
        refuse_redirect(transfer, code, why);
        return;
    }
    if (transfer->request.timeout_ms > 0 && !timer_is_set(&transfer->timer)) {
        target_deinit(&target);
        fail_by_timeout(transfer);
        return;
    }
    transfer_redirect(transfer, code, target);
    list_push(&transport->transfers, &transfer->node);
    enqueue(transfer);
}

/* It was taken out of `finished`. */
static void report(struct transfer *transfer)
{
    struct curl_transport *transport = transfer->transport;
    struct http_reply reply = {.body = ""};
    if (transfer->exchange != NULL && transfer->error == TRANSPORT_OK) {
        exchange_answer_read(transfer->exchange, &reply);
        timing_read(transfer->exchange->easy, &reply.timing);
        transfer_tell_gate(transfer, reply.error, transport->now_ms);
        if (reply.error == TRANSPORT_OK && transfer_is_redirect(reply.code)) {
            follow(transfer, reply.code);
            return;
        }
    } else {
        reply.error = transfer->error;
        reply.code = transfer->code;
        snprintf(reply.detail, sizeof reply.detail, "%s", transfer->detail != NULL ? transfer->detail : "");
    }
    reply.sent = transfer->sent;
    reply.moved = transfer->moved;
    reply.timing.redirects = transfer->redirects;
    reply.timing.queued_ms = transfer->has_begun ? transfer->begun_ms - transfer->started_ms : 0;
    reply.timing.took_ms = transfer->has_begun ? transport->now_ms - transfer->begun_ms : 0;
    heap_clear(&transport->timers, &transfer->timer);
    transfer->done(transfer->opaque, &reply, transport->now_ms);
    drop(transfer);
}

/* Those whose time ran out before their answer was there. */
static void expire(struct curl_transport *transport)
{
    struct timer *timer;
    while ((timer = heap_take_due(&transport->timers, transport->now_ms)) != NULL) {
        struct transfer *transfer = list_entry(timer, struct transfer, timer);
        if (transfer->claim.place == ORIGIN_NOWHERE) {
            continue; /* finished and not reported yet: follow looks whether the timer is still set */
        }
        if (transfer_is_on_wire(transfer)) {
            take_off_wire(transfer);
            transfer_tell_gate(transfer, TRANSPORT_TIMEOUT, transport->now_ms);
        }
        origins_leave(transport->origins, &transfer->claim); /* where it was queued */
        fail_by_timeout(transfer);
    }
}

/* Kickoffs whose origin lets none go. */
static void give_up_overdue(struct curl_transport *transport)
{
    struct origin_claim *claim;
    char detail[64];
    snprintf(detail, sizeof detail, "its origin has let no kickoff go for %g s",
             (double)transport->kickoff_max_wait_ms / 1000);
    for (int i = 0; i < OVERDUE_BATCH && (claim = origins_take_overdue(transport->origins)) != NULL; i++) {
        fail(list_entry(claim, struct transfer, claim), TRANSPORT_UNAVAILABLE, detail);
    }
}

void curl_transport_report(struct curl_transport *transport, int64_t now_ms, int64_t slice_ms)
{
    set_now(transport, now_ms);
    wire_serve_timer(&transport->wire);
    collect(transport);
    expire(transport);
    give_up_overdue(transport);
    struct list *node;
    int64_t begun_ms = clock_mono_ms();
    for (int i = 1; (node = list_shift(&transport->finished)) != NULL; i++) {
        report(list_entry(node, struct transfer, node));
        if (i % REPORTS_A_CLOCK == 0 && clock_mono_ms() - begun_ms >= slice_ms) {
            break;
        }
    }
}

int64_t curl_transport_next_ms(const struct curl_transport *transport)
{
    if (!list_is_empty(&transport->finished) || origins_has_next(transport->origins) ||
        origins_have_overdue(transport->origins)) {
        return INT64_MIN;
    }
    int64_t timer_ms = heap_next_ms(&transport->timers);
    int64_t wire_ms = wire_next_ms(&transport->wire);
    int64_t origins_ms = origins_next_ms(transport->origins);
    int64_t next_ms = timer_ms < wire_ms ? timer_ms : wire_ms;
    return next_ms < origins_ms ? next_ms : origins_ms;
}

void curl_transport_read_counts(const struct curl_transport *transport, struct curl_transport_counts *out)
{
    *out = (struct curl_transport_counts){.transfers = transport->n_transfers, .on_wire = transport->wire.n_on_it};
}

/* ---- life ---- */

struct transport *curl_transport_base(struct curl_transport *transport)
{
    return &transport->base;
}

struct curl_transport *curl_transport_new(const struct curl_transport_config *config)
{
    struct curl_transport *transport = calloc(1, sizeof *transport);
    if (transport == NULL) {
        return NULL;
    }
    const struct wire_config wire = {
        .egress = config->egress,
        .outlet = config->outlet,
        .max_response_bytes = config->max_response_bytes,
        .max_connections = config->max_connections,
        .epoll_fd = config->epoll_fd,
        .opened = on_opened,
    };
    transport->base = (struct transport){.start = start, .cancel = cancel, .release = release};
    list_init(&transport->transfers);
    list_init(&transport->finished);
    heap_init(&transport->timers);
    const struct origins_config origins = {
        .max_active = config->origin_max_active,
        .max_total = config->max_active,
        .gates = config->gates,
        .kickoff_max_wait_ms = config->kickoff_max_wait_ms,
    };
    transport->origins = origins_new(&origins);
    transport->kickoff_max_wait_ms = config->kickoff_max_wait_ms;
    aims_init(&transport->aims, config->egress, config->outlet);
    if (wire_init(&transport->wire, &wire) != 0 || transport->origins == NULL) {
        curl_transport_free(transport);
        return NULL;
    }
    return transport;
}

void curl_transport_free(struct curl_transport *transport)
{
    if (transport == NULL) {
        return;
    }
    list_splice(&transport->transfers, &transport->finished);
    while (!list_is_empty(&transport->transfers)) {
        cancel(&transport->base, list_entry(transport->transfers.next, struct transfer, node), false);
    }
    wire_deinit(&transport->wire);
    origins_free(transport->origins);
    aims_deinit(&transport->aims);
    heap_deinit(&transport->timers);
    free(transport);
}
