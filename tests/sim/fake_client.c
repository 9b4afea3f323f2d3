#include "sim/fake_client.h"

#include "kafka/client_conf.h"
#include "kafka/client_end.h"
#include "sim/judge.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rd_kafka_topic_s {
    const char *name;
};

static struct list clients;
static struct rd_kafka_topic_s topics[TOPICS];

/* ---- conf ---- */

rd_kafka_conf_t *client_conf_make(const struct kafka_settings *settings, enum client_role role, char *why)
{
    (void)settings, (void)role, (void)why;
    return calloc(1, sizeof(rd_kafka_conf_t));
}

rd_kafka_conf_t *rd_kafka_conf_dup(const rd_kafka_conf_t *conf)
{
    rd_kafka_conf_t *copy = malloc(sizeof *copy);
    assert(copy != NULL);
    *copy = *conf;
    return copy;
}

void rd_kafka_conf_destroy(rd_kafka_conf_t *conf)
{
    free(conf);
}

rd_kafka_conf_res_t rd_kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, char *why, size_t why_bytes)
{
    (void)why, (void)why_bytes;
    if (strcmp(name, "batch.num.messages") == 0)
        conf->is_alone = strcmp(value, "1") == 0;
    return RD_KAFKA_CONF_OK;
}

rd_kafka_conf_res_t rd_kafka_conf_get(const rd_kafka_conf_t *conf, const char *name, char *value, size_t *bytes)
{
    (void)conf;
    if (strcmp(name, "isolation.level") != 0)
        return RD_KAFKA_CONF_UNKNOWN;
    *bytes = (size_t)snprintf(value, *bytes, "read_committed") + 1;
    return RD_KAFKA_CONF_OK;
}

void rd_kafka_conf_set_opaque(rd_kafka_conf_t *conf, void *opaque)
{
    conf->opaque = opaque;
}

void rd_kafka_conf_set_dr_msg_cb(rd_kafka_conf_t *conf,
                                 void (*delivered)(rd_kafka_t *, const rd_kafka_message_t *, void *))
{
    conf->delivered = delivered;
}

void rd_kafka_conf_set_error_cb(rd_kafka_conf_t *conf, void (*error)(rd_kafka_t *, int, const char *, void *))
{
    (void)conf, (void)error;
}

void rd_kafka_conf_set_rebalance_cb(rd_kafka_conf_t *conf,
                                    void (*rebalance)(rd_kafka_t *, rd_kafka_resp_err_t,
                                                      rd_kafka_topic_partition_list_t *, void *))
{
    conf->rebalance = rebalance;
}

rd_kafka_resp_err_t rd_kafka_conf_interceptor_add_on_new(rd_kafka_conf_t *conf, const char *name,
                                                         rd_kafka_interceptor_f_on_new_t *on_new, void *opaque)
{
    (void)name;
    conf->on_new = on_new;
    conf->on_new_opaque = opaque;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_interceptor_add_on_request_sent(rd_kafka_t *rk, const char *name,
                                                             rd_kafka_interceptor_f_on_request_sent_t *on_request, void *opaque)
{
    (void)name;
    rk->on_request = on_request;
    rk->watch_opaque = opaque;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t
rd_kafka_interceptor_add_on_response_received(rd_kafka_t *rk, const char *name,
                                              rd_kafka_interceptor_f_on_response_received_t *on_response, void *opaque)
{
    (void)name, (void)opaque;
    rk->on_response = on_response;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- clients ---- */

void clients_init(void)
{
    list_init(&clients);
    for (int i = 0; i < TOPICS; i++)
        topics[i].name = topic_name_of((enum topic)i);
}

rd_kafka_t *rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *why, size_t why_bytes)
{
    rd_kafka_t *rk = calloc(1, sizeof *rk);
    assert(rk != NULL && world->current != NULL);
    rk->type = type;
    rk->conf = conf;
    rk->instance = world->current;
    list_push(&clients, &rk->node);
    producer_init(rk);
    list_init(&rk->queue.ops);
    rk->queue.is_own = true;
    fetch_init(rk);
    member_init(rk);
    if (conf->on_new != NULL)
        conf->on_new(rk, conf, conf->on_new_opaque, why, why_bytes);
    return rk;
}

static void queue_clear(struct rd_kafka_queue_s *queue)
{
    struct list *node;
    while ((node = list_shift(&queue->ops)) != NULL)
        op_free(list_entry(node, struct rd_kafka_op_s, node));
}

static void die(rd_kafka_t *rk)
{
    if (rk->instance == NULL)
        return;
    rk->instance = NULL;
    happen_not(&rk->fetch);
    happen_not(&rk->member);
    happen_not(&rk->heart);
    group_forget(rk);
    queue_clear(&rk->queue);
}

static void free_client(rd_kafka_t *rk)
{
    die(rk);
    producer_deinit(rk);
    list_remove(&rk->node);
    free(rk->conf);
    free(rk);
}

void client_unuse(rd_kafka_t *rk)
{
    if (rk->is_destroyed && rk->commits == 0 && !happens(&rk->pump))
        free_client(rk);
}

bool client_end(rd_kafka_t *rk, int64_t until_ms)
{
    (void)until_ms;
    die(rk);
    if (rk->pump_step == PUMP_SEND)
        happen_not(&rk->pump);
    rk->is_destroyed = true;
    client_unuse(rk);
    return true;
}

/* A consumer that has joined and was never assigned anything is left behind by the worker (consumer_close.c), with the struct
 * that is its opaque: a process's end would free both. */
void clients_deinit(void)
{
    while (!list_is_empty(&clients)) {
        rd_kafka_t *rk = list_entry(clients.next, rd_kafka_t, node);
        if (!rk->is_destroyed && rk->type == RD_KAFKA_CONSUMER)
            free(rk->conf->opaque);
        free_client(rk);
    }
}

void clients_die(struct instance *instance)
{
    for (struct list *node = clients.next; node != &clients; node = node->next) {
        rd_kafka_t *rk = list_entry(node, rd_kafka_t, node);
        if (rk->instance == instance)
            die(rk);
    }
}

void clients_fetch_all(void)
{
    for (struct list *node = clients.next; node != &clients; node = node->next) {
        rd_kafka_t *rk = list_entry(node, rd_kafka_t, node);
        if (rk->type == RD_KAFKA_CONSUMER && rk->instance != NULL)
            fetch_wake(rk);
    }
}

bool client_reaches(const rd_kafka_t *rk, bool coordinator)
{
    return !world->is_out && !(coordinator && world->coordinator_is_away) && (rk->instance == NULL || !rk->instance->is_cut);
}

rd_kafka_type_t rd_kafka_type(const rd_kafka_t *rk)
{
    return rk->type;
}

rd_kafka_resp_err_t rd_kafka_fatal_error(rd_kafka_t *rk, char *why, size_t why_bytes)
{
    (void)rk, (void)why, (void)why_bytes;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_last_error(void)
{
    return RD_KAFKA_RESP_ERR__FAIL;
}

void rd_kafka_mem_free(rd_kafka_t *rk, void *memory)
{
    (void)rk;
    free(memory);
}

/* ---- topics ---- */

rd_kafka_topic_t *topic_handle(enum topic topic)
{
    return &topics[topic];
}

rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *rk, const char *name, rd_kafka_topic_conf_t *conf)
{
    (void)rk, (void)conf;
    return topic_handle(topic_by_name(name));
}

void rd_kafka_topic_destroy(rd_kafka_topic_t *topic)
{
    (void)topic;
}

const char *rd_kafka_topic_name(const rd_kafka_topic_t *topic)
{
    return topic->name;
}

rd_kafka_resp_err_t rd_kafka_metadata(rd_kafka_t *rk, int all, rd_kafka_topic_t *topic,
                                      const struct rd_kafka_metadata **metadata, int timeout_ms)
{
    (void)rk, (void)all, (void)topic, (void)metadata, (void)timeout_ms;
    return RD_KAFKA_RESP_ERR__TIMED_OUT;
}

/* Where logs begin and end; nobody asks for another time. */
rd_kafka_resp_err_t rd_kafka_offsets_for_times(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *offsets, int timeout_ms)
{
    (void)timeout_ms;
    if (!client_reaches(rk, false))
        return RD_KAFKA_RESP_ERR__TIMED_OUT;
    for (int i = 0; i < offsets->cnt; i++) {
        rd_kafka_topic_partition_t *at = &offsets->elems[i];
        assert(at->offset == RD_KAFKA_OFFSET_BEGINNING || at->offset == RD_KAFKA_OFFSET_END);
        int64_t end = broker_log(topic_by_name(at->topic), at->partition)->end;
        at->offset = at->offset == RD_KAFKA_OFFSET_END ? end : 0;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_topic_partition_list_t *list_of(unsigned partitions)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS_MAX);
    for (int32_t i = 0; i < PARTITIONS_MAX; i++) {
        if ((partitions & 1u << i) != 0)
            rd_kafka_topic_partition_list_add(list, topic_name_of(TOPIC_IN), i);
    }
    return list;
}

unsigned bits_of(const rd_kafka_topic_partition_list_t *list)
{
    unsigned partitions = 0;
    for (int i = 0; i < list->cnt; i++)
        partitions |= 1u << list->elems[i].partition;
    return partitions;
}

/* ---- queues ---- */

struct rd_kafka_op_s *op_push(rd_kafka_t *rk, struct rd_kafka_queue_s *queue, enum op_kind kind)
{
    struct rd_kafka_op_s *op = calloc(1, sizeof *op);
    assert(op != NULL);
    op->kind = kind;
    list_push(&queue->ops, &op->node);
    instance_wake(rk->instance);
    return op;
}

void op_free(struct rd_kafka_op_s *op)
{
    if (op->list != NULL)
        rd_kafka_topic_partition_list_destroy(op->list);
    free(op);
}

struct rd_kafka_queue_s *client_queue(rd_kafka_t *rk)
{
    return rk->closing != NULL ? rk->closing : &rk->queue;
}

rd_kafka_t *client_of_queue(const struct rd_kafka_queue_s *queue)
{
    for (struct list *node = clients.next; node != &clients; node = node->next) {
        rd_kafka_t *rk = list_entry(node, rd_kafka_t, node);
        if (queue == rk->closing)
            return rk;
    }
    return NULL;
}

rd_kafka_queue_t *rd_kafka_queue_get_consumer(rd_kafka_t *rk)
{
    return &rk->queue;
}

rd_kafka_queue_t *rd_kafka_queue_get_main(rd_kafka_t *rk)
{
    return &rk->queue;
}

rd_kafka_queue_t *rd_kafka_queue_new(rd_kafka_t *rk)
{
    (void)rk;
    rd_kafka_queue_t *queue = calloc(1, sizeof *queue);
    assert(queue != NULL);
    list_init(&queue->ops);
    return queue;
}

/* A client's own queue is freed with it. */
void rd_kafka_queue_destroy(rd_kafka_queue_t *queue)
{
    rd_kafka_t *rk = client_of_queue(queue);
    if (rk != NULL)
        rk->closing = NULL;
    if (queue->is_own)
        return;
    queue_clear(queue);
    free(queue);
}

void rd_kafka_queue_io_event_enable(rd_kafka_queue_t *queue, int fd, const void *payload, size_t bytes)
{
    (void)queue, (void)fd, (void)payload, (void)bytes;
}
