#include "sim/fake_client.h"
#include "sim/fault.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- the group ---- */

rd_kafka_resp_err_t rd_kafka_poll_set_consumer(rd_kafka_t *rk)
{
    (void)rk;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_subscribe(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *topics)
{
    (void)topics;
    /* librdkafka would forget an unsubscribing that it has put off. */
    assert(!rk->is_subscribed && rk->owned == 0);
    rk->is_subscribed = true;
    if (rk->leaves || rk->step == MEMBER_LEAVING)
        rk->subscribes = true;
    else
        member_join(rk);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_unsubscribe(rd_kafka_t *rk)
{
    rk->is_subscribed = rk->is_subscribed && !rk->subscribes;
    rk->subscribes = false;
    if (rk->instance != NULL)
        member_leave(rk);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_error_t *rd_kafka_consumer_close_queue(rd_kafka_t *rk, rd_kafka_queue_t *queue)
{
    rk->closing = queue;
    list_splice(&queue->ops, &rk->queue.ops);
    if (rk->instance != NULL && (rk->step != MEMBER_OUT || rk->owned != 0))
        member_leave(rk);
    else
        rk->is_closed = true;
    return NULL;
}

int rd_kafka_consumer_closed(rd_kafka_t *rk)
{
    return rk->is_closed;
}

/* What was put off is not done. */
rd_kafka_resp_err_t rd_kafka_subscription(rd_kafka_t *rk, rd_kafka_topic_partition_list_t **topics)
{
    *topics = rd_kafka_topic_partition_list_new(1);
    if (rk->is_subscribed)
        rd_kafka_topic_partition_list_add(*topics, "in", RD_KAFKA_PARTITION_UA);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_assignment(rd_kafka_t *rk, rd_kafka_topic_partition_list_t **partitions)
{
    *partitions = list_of(rk->owned);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

char *rd_kafka_memberid(const rd_kafka_t *rk)
{
    return strdup(rk->member_id);
}

rd_kafka_consumer_group_metadata_t *rd_kafka_consumer_group_metadata(rd_kafka_t *rk)
{
    return rd_kafka_consumer_group_metadata_new_with_genid("group", rk->generation, rk->member_id, NULL);
}

int rd_kafka_assignment_lost(rd_kafka_t *rk)
{
    return rk->is_lost;
}

/* ---- the assignment ---- */

rd_kafka_error_t *rd_kafka_incremental_assign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];
        struct fetcher *fetcher = &rk->fetcher[at->partition];
        *fetcher = (struct fetcher){
            .is_on = true,
            .position = at->offset >= 0 ? at->offset : 0,
            .told_end = -1,
            .ready_ms = world->now_ms + (likely(70) ? 0 : draw(1, 400)),
        };
        fetcher->app_position = fetcher->position;
        rk->owned |= 1u << at->partition;
    }
    fetch_wake(rk);
    member_assigned(rk);
    return NULL;
}

rd_kafka_error_t *rd_kafka_incremental_unassign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        int32_t partition = list->elems[i].partition;
        rk->fetcher[partition].is_on = false;
        rk->owned &= ~(1u << partition);
        fetch_drop(rk, partition);
    }
    if (rk->instance != NULL)
        member_unassigned(rk);
    return NULL;
}

/* What was read ahead is thrown away, but for what is on its way to the application. */
rd_kafka_resp_err_t rd_kafka_pause_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        struct fetcher *fetcher = &rk->fetcher[list->elems[i].partition];
        fetcher->is_paused = true;
        if (likely(85))
            fetch_drop(rk, list->elems[i].partition);
        list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* It goes on where the application is, or (2.0.2) further back. */
rd_kafka_resp_err_t rd_kafka_resume_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        struct fetcher *fetcher = &rk->fetcher[list->elems[i].partition];
        fetcher->is_paused = false;
        fetcher->position = likely(80) ? fetcher->app_position : draw(0, fetcher->app_position);
        fetcher->told_end = -1;
        list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    fetch_wake(rk);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_error_t *rd_kafka_seek_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, int timeout_ms)
{
    (void)timeout_ms;
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *at = &list->elems[i];
        struct fetcher *fetcher = &rk->fetcher[at->partition];
        at->err = RD_KAFKA_RESP_ERR_NO_ERROR;
        if (!fetcher->is_on || world->now_ms < fetcher->ready_ms) {
            at->err = RD_KAFKA_RESP_ERR__STATE;
            continue;
        }
        fetch_drop(rk, at->partition);
        fetcher->position = at->offset >= 0 ? at->offset : 0;
        fetcher->app_position = fetcher->position;
        fetcher->told_end = -1;
    }
    fetch_wake(rk);
    return NULL;
}

/* ---- polling ---- */

static void call_back(rd_kafka_t *rk, struct rd_kafka_op_s *op)
{
    provoke(rk->instance, op->kind == OP_ASSIGN ? MOMENT_ASSIGN : MOMENT_REVOKE);
    rd_kafka_topic_partition_list_t *list = list_of(op->partitions);
    rk->conf->rebalance(rk, op->kind == OP_ASSIGN ? RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS : RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS,
                        list, rk->conf->opaque);
    rd_kafka_topic_partition_list_destroy(list);
}

static rd_kafka_message_t *message_of(rd_kafka_t *rk, const struct rd_kafka_op_s *op)
{
    rd_kafka_message_t *message = calloc(1, sizeof *message);
    assert(message != NULL);
    message->rkt = topic_handle(TOPIC_IN);
    message->partition = op->partition;
    message->offset = op->offset;
    if (op->kind == OP_END) {
        message->err = RD_KAFKA_RESP_ERR__PARTITION_EOF;
        return message;
    }
    const struct record *record = &broker_log(TOPIC_IN, op->partition)->record[op->record];
    message->payload = record->value;
    message->len = record->value_bytes;
    message->key = record->key;
    message->key_len = record->key_bytes;
    message->_private = (void *)(intptr_t)record->timestamp_ms;
    rk->fetcher[op->partition].app_position = op->offset + 1;
    return message;
}

static rd_kafka_message_t *serve_queue(rd_kafka_t *rk, struct rd_kafka_queue_s *queue, bool wants_messages)
{
    struct list *node;
    while ((node = list_shift(&queue->ops)) != NULL) {
        struct rd_kafka_op_s *op = list_entry(node, struct rd_kafka_op_s, node);
        rd_kafka_message_t *message = NULL;
        if (op->kind == OP_ASSIGN || op->kind == OP_REVOKE)
            call_back(rk, op);
        else if (wants_messages)
            message = message_of(rk, op);
        op_free(op);
        if (message != NULL)
            return message;
    }
    return NULL;
}

rd_kafka_message_t *rd_kafka_consumer_poll(rd_kafka_t *rk, int timeout_ms)
{
    (void)timeout_ms;
    return serve_queue(rk, &rk->queue, true);
}

int rd_kafka_queue_poll_callback(rd_kafka_queue_t *queue, int timeout_ms)
{
    (void)timeout_ms;
    rd_kafka_t *rk = client_of_queue(queue);
    if (rk != NULL)
        serve_queue(rk, queue, false);
    return 0;
}

void rd_kafka_message_destroy(rd_kafka_message_t *message)
{
    free(message);
}

const char *rd_kafka_message_errstr(const rd_kafka_message_t *message)
{
    return rd_kafka_err2str(message->err);
}

/* The caller copies it at once, so that one is enough. */
rd_kafka_resp_err_t rd_kafka_message_headers(const rd_kafka_message_t *message, rd_kafka_headers_t **headers)
{
    static rd_kafka_headers_t *one;
    const struct input *input = plan_input_at(&world->plan, message->partition, message->offset);
    if (input == NULL || input->reply == NULL)
        return RD_KAFKA_RESP_ERR__NOENT;
    if (one == NULL)
        one = rd_kafka_headers_new(1);
    rd_kafka_header_remove(one, "rxp-reply-topic");
    rd_kafka_header_add(one, "rxp-reply-topic", -1, input->reply, -1);
    *headers = one;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *message, rd_kafka_timestamp_type_t *type)
{
    if (type != NULL)
        *type = RD_KAFKA_TIMESTAMP_CREATE_TIME;
    return (int64_t)(intptr_t)message->_private;
}
