#include "sim/fake_client.h"
#include "sim/fault.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 8

static void outgoing_free(struct outgoing *outgoing)
{
    list_remove(&outgoing->node);
    free(outgoing->key);
    free(outgoing->value);
    free(outgoing);
}

static void clear(struct list *list)
{
    while (!list_is_empty(list))
        outgoing_free(list_entry(list->next, struct outgoing, node));
}

/* ---- the wire: one request at a time, whose messages are appended once, however often it goes ---- */

static bool is_away(enum topic topic)
{
    return (topic == TOPIC_RESULTS && world->results_are_away) || (topic == TOPIC_CKPT && world->notes_are_away);
}

/* What goes to other brokers does not wait for one that is away. */
static void take_batch(rd_kafka_t *rk)
{
    int64_t most = rk->conf->is_alone ? 1 : draw(1, BATCH_MAX);
    struct list *next;
    for (struct list *node = rk->waiting.next; node != &rk->waiting && most > 0; node = next) {
        next = node->next;
        if (is_away(list_entry(node, struct outgoing, node)->topic))
            continue;
        list_remove(node);
        list_push(&rk->flying, node);
        most--;
    }
}

static bool is_too_large(const struct outgoing *outgoing)
{
    size_t most = world->plan.result_max_bytes;
    return most != 0 && outgoing->topic == TOPIC_RESULTS && outgoing->value_bytes > most;
}

/* What brokers get in one batch they refuse as a whole. */
static void apply(rd_kafka_t *rk)
{
    bool refused = false;
    for (struct list *node = rk->flying.next; node != &rk->flying; node = node->next)
        refused = refused || is_too_large(list_entry(node, struct outgoing, node));
    for (struct list *node = rk->flying.next; node != &rk->flying; node = node->next) {
        struct outgoing *outgoing = list_entry(node, struct outgoing, node);
        if (outgoing->is_applied)
            continue;
        outgoing->is_applied = true;
        if (outgoing->topic == TOPIC_NONE)
            outgoing->err = RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
        else if (refused && outgoing->topic == TOPIC_RESULTS)
            outgoing->err = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
        else
            broker_append(outgoing->topic, outgoing->partition, -1, outgoing->key, outgoing->key_bytes, outgoing->value,
                          outgoing->value_bytes);
    }
}

static void report(rd_kafka_t *rk)
{
    struct list *node;
    while ((node = list_shift(&rk->flying)) != NULL) {
        struct outgoing *outgoing = list_entry(node, struct outgoing, node);
        if (outgoing->is_orphan)
            outgoing_free(outgoing);
        else
            list_push(&rk->reports, node);
    }
    instance_wake(rk->instance);
}

static void step_to(rd_kafka_t *rk, int step, int64_t ms)
{
    rk->pump_step = step;
    happen_in(&rk->pump, ms);
}

static void pump(struct happening *happening)
{
    rd_kafka_t *rk = list_entry(happening, rd_kafka_t, pump);
    int64_t sleeps_ms = instance_sleeps_ms(rk->instance);
    if (rk->pump_step == PUMP_ARRIVE) {
        if (!client_reaches(rk, false)) {
            step_to(rk, PUMP_SEND, draw(20, 200));
        } else {
            apply(rk);
            step_to(rk, PUMP_ANSWER, draw_latency());
            provoke(rk->instance, MOMENT_APPENDED);
        }
    } else if (rk->instance == NULL) {
        happen_not(&rk->pump);
    } else if (sleeps_ms > 0) {
        happen_in(&rk->pump, sleeps_ms);
        return;
    } else if (!client_reaches(rk, false)) {
        step_to(rk, PUMP_SEND, draw(20, 200));
    } else if (rk->pump_step == PUMP_SEND) {
        if (list_is_empty(&rk->flying))
            take_batch(rk);
        if (list_is_empty(&rk->flying)) {
            if (!list_is_empty(&rk->waiting))
                step_to(rk, PUMP_SEND, draw(20, 200));
            return;
        }
        step_to(rk, PUMP_ARRIVE, draw_latency());
        provoke(rk->instance, MOMENT_SENT);
    } else {
        report(rk);
        if (!list_is_empty(&rk->waiting))
            step_to(rk, PUMP_SEND, draw(0, 5));
    }
    if (rk->instance == NULL && rk->pump_step != PUMP_ARRIVE) {
        happen_not(&rk->pump);
        client_unuse(rk);
    }
}

void producer_init(rd_kafka_t *rk)
{
    list_init(&rk->waiting);
    list_init(&rk->flying);
    list_init(&rk->reports);
    happening_init(&rk->pump, pump);
}

void producer_deinit(rd_kafka_t *rk)
{
    happen_not(&rk->pump);
    clear(&rk->waiting);
    clear(&rk->flying);
    clear(&rk->reports);
}

/* ---- what the application calls ---- */

static char *copy(const void *bytes, size_t n)
{
    char *to = bytes != NULL ? malloc(n + 1) : NULL;
    if (to != NULL)
        memcpy(to, bytes, n);
    return to;
}

static void read_arguments(struct outgoing *outgoing, rd_kafka_headers_t **headers, va_list args)
{
    rd_kafka_vtype_t type;
    const void *bytes;
    while ((type = va_arg(args, rd_kafka_vtype_t)) != RD_KAFKA_VTYPE_END) {
        switch (type) {
        case RD_KAFKA_VTYPE_TOPIC:
            outgoing->topic = topic_by_name(va_arg(args, const char *));
            break;
        case RD_KAFKA_VTYPE_PARTITION:
            outgoing->partition = va_arg(args, int32_t);
            outgoing->partition = outgoing->partition < 0 ? 0 : outgoing->partition;
            break;
        case RD_KAFKA_VTYPE_VALUE:
            bytes = va_arg(args, const void *);
            outgoing->value_bytes = va_arg(args, size_t);
            outgoing->value = copy(bytes, outgoing->value_bytes);
            break;
        case RD_KAFKA_VTYPE_KEY:
            bytes = va_arg(args, const void *);
            outgoing->key_bytes = va_arg(args, size_t);
            outgoing->key = copy(bytes, outgoing->key_bytes);
            break;
        case RD_KAFKA_VTYPE_OPAQUE:
            outgoing->opaque = va_arg(args, void *);
            break;
        case RD_KAFKA_VTYPE_MSGFLAGS:
            (void)va_arg(args, int);
            break;
        case RD_KAFKA_VTYPE_HEADERS:
            *headers = va_arg(args, rd_kafka_headers_t *);
            break;
        default:
            assert(!"an argument of producev that is known here");
        }
    }
}

rd_kafka_resp_err_t rd_kafka_producev(rd_kafka_t *rk, ...)
{
    rd_kafka_headers_t *headers = NULL;
    struct outgoing *outgoing = calloc(1, sizeof *outgoing);
    va_list args;
    assert(outgoing != NULL && rk->type == RD_KAFKA_PRODUCER);
    list_init(&outgoing->node);
    va_start(args, rk);
    read_arguments(outgoing, &headers, args);
    va_end(args);
    if (likely(1)) { /* the local queue is full */
        outgoing_free(outgoing);
        return RD_KAFKA_RESP_ERR__QUEUE_FULL;
    }
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    rk->outstanding++;
    list_push(&rk->waiting, &outgoing->node);
    provoke(rk->instance, MOMENT_PRODUCE);
    if (rk->instance != NULL && !happens(&rk->pump))
        step_to(rk, PUMP_SEND, likely(80) ? draw(0, 5) : draw(5, 60));
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void tell(rd_kafka_t *rk, struct outgoing *outgoing, rd_kafka_resp_err_t err)
{
    const rd_kafka_message_t message = {
        .err = err,
        .rkt = topic_handle(outgoing->topic),
        .partition = outgoing->partition,
        .len = outgoing->value_bytes,
        ._private = outgoing->opaque,
    };
    rk->outstanding--;
    rk->conf->delivered(rk, &message, rk->conf->opaque);
}

int rd_kafka_poll(rd_kafka_t *rk, int timeout_ms)
{
    (void)timeout_ms;
    struct list *node;
    int n = 0;
    while ((node = list_shift(&rk->reports)) != NULL) {
        struct outgoing *outgoing = list_entry(node, struct outgoing, node);
        tell(rk, outgoing, outgoing->err);
        outgoing_free(outgoing);
        n++;
    }
    return n;
}

rd_kafka_msg_status_t rd_kafka_message_status(const rd_kafka_message_t *message)
{
    return message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? RD_KAFKA_MSG_STATUS_PERSISTED : RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED;
}

/* What flies goes on: nobody knows of it any more. */
rd_kafka_resp_err_t rd_kafka_purge(rd_kafka_t *rk, int flags)
{
    (void)flags;
    rd_kafka_poll(rk, 0);
    while (!list_is_empty(&rk->waiting)) {
        struct outgoing *outgoing = list_entry(rk->waiting.next, struct outgoing, node);
        list_remove(&outgoing->node);
        tell(rk, outgoing, RD_KAFKA_RESP_ERR__PURGE_QUEUE);
        outgoing_free(outgoing);
    }
    for (struct list *node = rk->flying.next; node != &rk->flying; node = node->next) {
        struct outgoing *outgoing = list_entry(node, struct outgoing, node);
        if (!outgoing->is_orphan)
            tell(rk, outgoing, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT);
        outgoing->is_orphan = true;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

int rd_kafka_outq_len(rd_kafka_t *rk)
{
    return (int)rk->outstanding;
}
