#include "engine/errand_inside.h"

#include "base/clock.h"
#include "engine/awake.h"
#include "engine/excerpt.h"
#include "engine/sending.h"
#include "engine/trace.h"
#include "engine/trace_context.h"
#include "ops/log.h"
#include "protocol/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MS 1000

/* ---- life ---- */

static bool is_cancel(const char *name)
{
    return strcmp(name, "cancel") == 0;
}

static void count(const struct errands *errands, const char *name, bool is_done)
{
    enum metric_errand cell = is_cancel(name) ? (is_done ? METRIC_ERRAND_CANCEL_DONE : METRIC_ERRAND_CANCEL_FAILED)
                                              : (is_done ? METRIC_ERRAND_AFTER_DONE : METRIC_ERRAND_AFTER_FAILED);
    metrics_add(errands->shard, METRIC_ERRANDS_TOTAL, cell, 1);
}

/* How many are left. */
static size_t take_out(struct errand *errand)
{
    struct errands *errands = errand->owner;
    list_remove(&errand->node);
    list_remove(&errand->due_node);
    errands->bytes -= errand->bytes;
    errand_free(errand);
    return atomic_fetch_sub_explicit(&errands->n, 1, memory_order_relaxed) - 1;
}

static void over(struct errand *errand, bool is_done)
{
    struct errands *errands = errand->owner;
    count(errands, errand->name, is_done);
    if (take_out(errand) == 0 && errands->hooks->errands_over != NULL) {
        errands->hooks->errands_over(errands->hooks->opaque);
    }
}

/* At most one line a second: backends that are away are asked by the thousand. */
static void tell(struct errands *errands, const char *phase, const char *url, const char *what, int64_t now_ms)
{
    char shown[EXCERPT_URL_BYTES + 8] = "";
    if (errands->told_ms != 0 && now_ms < errands->told_ms + LOG_MS) {
        errands->untold++;
        return;
    }
    excerpt_put_url(shown, sizeof shown, url);
    log_event(LOG_WARN, "errand_failed", "%s %s: %s; the run's result stands all the same (and %zu others since the "
              "last such line)", phase, shown, what, errands->untold);
    errands->told_ms = now_ms;
    errands->untold = 0;
}

static const char *phase_of(const char *name)
{
    return is_cancel(name) ? "the cancel call to" : "the after call to";
}

static struct call *call_of(struct errand *errand)
{
    return errand->look.http.url != NULL ? &errand->look : &errand->call;
}

static void fail(struct errand *errand, const char *what, int64_t now_ms)
{
    const char *phase = errand->look.http.url != NULL ? "the last poll, for the run id of a cancel call, of" : phase_of(errand->name);
    tell(errand->owner, phase, call_of(errand)->http.url, what, now_ms);
    over(errand, false);
}

static void set_due(struct errand *errand)
{
    list_remove(&errand->due_node);
    list_push(&errand->owner->due, &errand->due_node);
}

/* ---- requests ---- */

static void drop_sending(struct errand *errand)
{
    sending_free(errand->sending);
    errand->sending = NULL;
}

static enum secret_fill put_headers(struct errand *errand, char why[SECRETS_WHY_BYTES])
{
    const struct call *call = call_of(errand);
    if ((call->traceparent != NULL && sending_put(errand->sending, TRACE_PARENT_HEADER, call->traceparent) != 0) ||
        (call->tracestate != NULL && sending_put(errand->sending, TRACE_STATE_HEADER, call->tracestate) != 0)) {
        return SECRET_NO_MEMORY;
    }
    const struct sending_place place = {
        .url = errand->sending->url,
        .secrets = errand->owner->config->secrets,
        .bindings = errand->bindings,
        .n_bindings = errand->n_bindings,
    };
    for (size_t i = 0; i < call->n_headers; i++) {
        const struct rxp_http_header *header = &call->headers[i];
        enum secret_fill filled = sending_fill(errand->sending, header->name, header->value, &place, why);
        if (filled != SECRET_READY) {
            return filled;
        }
    }
    return SECRET_READY;
}

/* Whoever watches. */
static void show(const struct errand *errand, struct trace trace)
{
    trace.call = errand->look.http.url != NULL ? "last poll, for the run id" : errand->name;
    trace.sending = errand->sending;
    trace_tell(errand->owner->hooks, NULL, &trace);
}

static enum transfer_go on_begun(void *opaque, int64_t now_ms, struct http_headers *headers)
{
    struct errand *errand = opaque;
    char why[SECRETS_WHY_BYTES];
    enum secret_fill filled = put_headers(errand, why);
    if (filled == SECRET_READY) {
        *headers = sending_headers(errand->sending);
        show(errand, (struct trace){.kind = TRACE_SENT, .headers = *headers, .now_ms = now_ms});
        return TRANSFER_GO;
    }
    errand->transfer = NULL; /* gone when this returns */
    drop_sending(errand);
    if (filled == SECRET_DENIED) {
        fail(errand, why, now_ms);
    } else {
        list_push(&errand->owner->wanting, &errand->due_node);
    }
    return TRANSFER_DROP;
}

static bool is_success(const struct http_reply *reply)
{
    return reply->error == TRANSPORT_OK && reply->code >= 200 && reply->code <= 299;
}

static void describe(const struct http_reply *reply, char *out, size_t out_bytes)
{
    if (reply->error != TRANSPORT_OK) {
        snprintf(out, out_bytes, "%s", reply->detail);
    } else {
        snprintf(out, out_bytes, "it was answered with HTTP %d", reply->code);
    }
}

/* 0, or -1 with why. */
static int take_run_id(struct errand *errand, const struct http_reply *reply, struct rxp_refusal *why)
{
    const struct rxp_id_source source = {.phase = "poll", .noun = "run id", .path = errand->run_id_path};
    struct json_fault fault;
    char *id = NULL;
    if (json_check(reply->body, reply->body_bytes, JSON_KEYS_ANY, &fault) != 0) {
        return rxp_refuse(why, RXP_ERROR_POLL_NOT_JSON, "the poll that looked for a run id was not answered with JSON");
    }
    if (rxp_id_take(json_document(reply->body, reply->body_bytes), &source, &id, why) != 0) {
        return -1;
    }
    if (sending_is_held(errand->sending, id)) {
        free(id);
        return rxp_refuse(why, RXP_ERROR_RUN_ID_INVALID, "the run id holds a secret that was sent");
    }
    int failed = errand_keep(errand, &errand->run_id, id);
    free(id);
    return failed != 0 ? rxp_refuse(why, RXP_ERROR_RUN_ID_MISSING, "out of memory") : 0;
}

static void on_done(void *opaque, const struct http_reply *reply, int64_t now_ms)
{
    struct errand *errand = opaque;
    char what[TRANSPORT_DETAIL_BYTES + 64];
    errand->transfer = NULL;
    show(errand, (struct trace){.kind = TRACE_ANSWERED, .reply = reply, .now_ms = now_ms});
    describe(reply, what, sizeof what);
    if (reply->error == TRANSPORT_EGRESS) {
        metrics_add(errand->owner->shard, METRIC_EGRESS_REFUSALS_TOTAL, 0, 1);
    }
    if (!is_success(reply)) {
        fail(errand, what, now_ms);
    } else if (errand->look.http.url == NULL) {
        over(errand, true);
    } else {
        struct rxp_refusal why;
        if (take_run_id(errand, reply, &why) != 0) {
            fail(errand, why.text, now_ms);
            return;
        }
        drop_sending(errand);
        errand->look.http.url = NULL;
        set_due(errand);
    }
}

/* URL and body into errand->sending. 0, or -1 with why. */
static int fill(struct errand *errand, struct http_request *request, struct rxp_refusal *why)
{
    const struct rxp_http_call *http = &call_of(errand)->http;
    const struct rxp_fills fills = {.run_id = errand->run_id, .prepared_id = errand->prepared_id};
    if (!rxp_http_call_is_ready(http, &fills)) {
        return rxp_refuse(why, RXP_ERROR_RUN_ID_MISSING, "it wants an id, and no answer named one that can be used");
    }
    why->error = RXP_OK;
    errand->sending = sending_new();
    if (errand->sending != NULL) { /* what a backend named is nothing to be filled */
        bool is_filled = http->url_has_run_id || http->url_has_prepared_id;
        errand->sending->url = is_filled ? rxp_http_call_url(http, &fills, why) : strdup(http->url);
    }
    if (errand->sending == NULL || errand->sending->url == NULL) {
        return why->error != RXP_OK ? -1 : rxp_refuse(why, RXP_ERROR_RUN_ID_MISSING, "out of memory");
    }
    request->url = errand->sending->url;
    if (rxp_http_call_body(http, &fills, &request->body, &request->body_bytes, &errand->sending->body) != 0) {
        return rxp_refuse(why, RXP_ERROR_RUN_ID_MISSING, "out of memory");
    }
    return 0;
}

static void send_errand(struct errand *errand, int64_t now_ms)
{
    struct errands *errands = errand->owner;
    const struct rxp_http_call *http = &call_of(errand)->http;
    struct http_request request = {
        .method = http->method,
        .content_type = rxp_http_call_content_type(http),
        .connect_timeout_ms = errands->config->connect_timeout_ms,
        .timeout_ms = errand->ends_ms - now_ms,
        .once = strcmp(http->method, "GET") != 0 && strcmp(http->method, "HEAD") != 0,
    };
    struct rxp_refusal why;
    if (fill(errand, &request, &why) != 0) {
        fail(errand, why.text, now_ms);
        return;
    }
    show(errand, (struct trace){.kind = TRACE_QUEUED, .request = &request, .now_ms = now_ms});
    errand->transfer = errands->transport->start(errands->transport, &request, on_begun, on_done, errand);
    if (errand->transfer == NULL) {
        fail(errand, "out of memory", now_ms);
    }
}

/* ---- turns ---- */

void errands_turn(struct errands *errands, int64_t now_ms)
{
    while (!list_is_empty(&errands->all)) {
        struct errand *oldest = list_entry(errands->all.next, struct errand, node);
        if (now_ms < oldest->ends_ms) {
            break;
        }
        if (oldest->transfer != NULL) {
            errands->transport->cancel(errands->transport, oldest->transfer, true);
        }
        fail(oldest, "it did not come to its end in ten seconds", now_ms);
    }
    struct list due;
    struct list *node;
    list_init(&due);
    list_splice(&due, &errands->due);
    while ((node = list_shift(&due)) != NULL) {
        send_errand(list_entry(node, struct errand, due_node), now_ms);
    }
}

int64_t errands_next_ms(const struct errands *errands)
{
    if (!list_is_empty(&errands->due)) {
        return INT64_MIN;
    }
    return list_is_empty(&errands->all) ? CLOCK_NEVER : list_entry(errands->all.next, struct errand, node)->ends_ms;
}

void errands_wake(struct errands *errands)
{
    list_splice(&errands->due, &errands->wanting);
}

/* ---- making ---- */

/* Which call is due for the run? NULL: none. */
static const struct rxp_http_call *find_call(const struct run *run, bool is_terminal, const char **name)
{
    const struct rxp_http_plan *plan = run->awake->plan;
    bool was_cut = run->awake->outcome.status == RXP_STATUS_TIMED_OUT || run->awake->outcome.status == RXP_STATUS_CANCELLED;
    if (is_terminal) {
        bool is_wanted = plan->after_states_all || (run->awake->state != NULL && rxp_words_has(&plan->after_states, run->awake->state));
        *name = "after";
        return plan->after.url != NULL && is_wanted ? &plan->after : NULL;
    }
    *name = "cancel";
    return plan->cancel.url != NULL && was_cut && run_was_begun(run) ? &plan->cancel : NULL;
}

void errands_make(struct errands *errands, const struct run *run, bool is_terminal, int64_t now_ms)
{
    const char *name;
    const struct rxp_http_call *call = find_call(run, is_terminal, &name);
    if (call == NULL) {
        return;
    }
    bool has_room = atomic_load_explicit(&errands->n, memory_order_relaxed) < ERRANDS_MAX;
    struct errand *errand = has_room ? errand_new(run, call, name, now_ms) : NULL;
    if (errand != NULL && errand->bytes > ERRANDS_MAX_BYTES - errands->bytes) {
        errand_free(errand);
        errand = NULL;
        has_room = false;
    }
    if (errand == NULL) {
        count(errands, name, false);
        tell(errands, phase_of(name), call->url, has_room ? "out of memory" : "there are too many of them already", now_ms);
        return;
    }
    errand->owner = errands;
    errands->bytes += errand->bytes;
    atomic_fetch_add_explicit(&errands->n, 1, memory_order_relaxed);
    list_push(&errands->all, &errand->node);
    set_due(errand);
}

void errands_init(struct errands *errands, const struct pool_config *config, const struct pool_hooks *hooks,
                  struct transport *transport, struct metrics_shard *shard)
{
    *errands = (struct errands){.config = config, .hooks = hooks, .transport = transport, .shard = shard};
    list_init(&errands->all);
    list_init(&errands->due);
    list_init(&errands->wanting);
}

void errands_deinit(struct errands *errands)
{
    while (!list_is_empty(&errands->all)) {
        struct errand *errand = list_entry(errands->all.next, struct errand, node);
        if (errand->transfer != NULL) {
            errands->transport->cancel(errands->transport, errand->transfer, false);
        }
        (void)take_out(errand);
    }
}
