#include "kafka/group_offsets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MS = 8000, SLICE_MS = 100, SLICES = 110 };

static rd_kafka_topic_partition_t *find(const rd_kafka_topic_partition_list_t *list, const rd_kafka_topic_partition_t *at)
{
    return rd_kafka_topic_partition_list_find(list, at->topic, at->partition);
}

/* NULL counts as a partition of which nothing was ever committed. */
static bool is_same(const rd_kafka_topic_partition_t *a, const rd_kafka_topic_partition_t *b)
{
    int64_t a_offset = a != NULL && a->offset >= 0 ? a->offset : -1;
    int64_t b_offset = b != NULL && b->offset >= 0 ? b->offset : -1;
    if (a_offset != b_offset || a_offset < 0)
        return a_offset == b_offset;
    size_t a_bytes = a->metadata != NULL ? strnlen(a->metadata, a->metadata_size) : 0;
    size_t b_bytes = b->metadata != NULL ? strnlen(b->metadata, b->metadata_size) : 0;
    return a_bytes == b_bytes && (a_bytes == 0 || memcmp(a->metadata, b->metadata, a_bytes) == 0);
}

enum group_verdict group_offsets_judge(const rd_kafka_topic_partition_list_t *before,
                                       const rd_kafka_topic_partition_list_t *wanted,
                                       const rd_kafka_topic_partition_list_t *now)
{
    size_t ours = 0;
    size_t others = 0;
    for (int i = 0; i < wanted->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &wanted->elems[i];
        const rd_kafka_topic_partition_t *was = find(before, at);
        const rd_kafka_topic_partition_t *is = find(now, at);
        if (is_same(at, was))
            continue;
        if (is_same(is, was))
            return GROUP_HAS_NOT;
        if (is_same(is, at))
            ours++;
        else
            others++;
    }
    return ours > 0 ? GROUP_HAS_OURS : others > 0 ? GROUP_HAS_OTHER : GROUP_HAS_NOT;
}

void group_offsets_note(rd_kafka_topic_partition_list_t *to, const rd_kafka_topic_partition_list_t *from)
{
    for (int i = 0; i < from->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &from->elems[i];
        rd_kafka_topic_partition_t *into = find(to, at);
        if (into == NULL)
            into = rd_kafka_topic_partition_list_add(to, at->topic, at->partition);
        into->offset = at->offset;
        free(into->metadata);
        into->metadata = NULL;
        into->metadata_size = 0;
        size_t bytes = at->metadata != NULL ? strnlen(at->metadata, at->metadata_size) : 0;
        if (bytes == 0)
            continue;
        into->metadata = malloc(bytes);
        if (into->metadata == NULL)
            abort();
        memcpy(into->metadata, at->metadata, bytes);
        into->metadata_size = bytes;
    }
}

static rd_kafka_topic_partition_list_t *take_answer(rd_kafka_event_t *event, rd_kafka_resp_err_t *err, char *why,
                                                    size_t why_bytes)
{
    *err = rd_kafka_event_error(event);
    const char *reason = rd_kafka_event_error_string(event);
    const rd_kafka_topic_partition_list_t *list = NULL;
    if (*err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        size_t n = 0;
        const rd_kafka_group_result_t **groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
            rd_kafka_event_ListConsumerGroupOffsets_result(event), &n);
        const rd_kafka_error_t *error = n == 1 ? rd_kafka_group_result_error(groups[0]) : NULL;
        list = n == 1 ? rd_kafka_group_result_partitions(groups[0]) : NULL;
        *err = error != NULL ? rd_kafka_error_code(error) : list == NULL ? RD_KAFKA_RESP_ERR__FAIL : *err;
        reason = error != NULL ? rd_kafka_error_string(error) : "an answer without a group";
    }
    for (int i = 0; *err == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        *err = list->elems[i].err;
        reason = rd_kafka_err2str(*err);
    }
    if (*err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return rd_kafka_topic_partition_list_copy(list);
    snprintf(why, why_bytes, "the group's committed offsets cannot be read: %s", reason);
    return NULL;
}

static void ask(rd_kafka_t *consumer, const char *group, const rd_kafka_topic_partition_list_t *asked, rd_kafka_queue_t *queue)
{
    char why[128];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(consumer, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_ListConsumerGroupOffsets_t *request = rd_kafka_ListConsumerGroupOffsets_new(group, asked);
    rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, why, sizeof why);
    rd_kafka_error_t *error = rd_kafka_AdminOptions_set_require_stable_offsets(options, 1);
    if (error != NULL)
        rd_kafka_error_destroy(error);
    rd_kafka_ListConsumerGroupOffsets(consumer, &request, 1, options, queue);
    rd_kafka_ListConsumerGroupOffsets_destroy(request);
    rd_kafka_AdminOptions_destroy(options);
}

rd_kafka_topic_partition_list_t *group_offsets_read(rd_kafka_t *consumer, const char *group,
                                                    const rd_kafka_topic_partition_list_t *asked, group_offsets_wait_fn wait,
                                                    void *opaque, rd_kafka_resp_err_t *err, char *why, size_t why_bytes)
{
    rd_kafka_topic_partition_list_t *bare = rd_kafka_topic_partition_list_new(asked->cnt);
    for (int i = 0; i < asked->cnt; i++)
        rd_kafka_topic_partition_list_add(bare, asked->elems[i].topic, asked->elems[i].partition);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer);
    ask(consumer, group, bare, queue);
    rd_kafka_topic_partition_list_destroy(bare);

    rd_kafka_topic_partition_list_t *list = NULL;
    rd_kafka_event_t *event = NULL;
    *err = RD_KAFKA_RESP_ERR__TIMED_OUT;
    snprintf(why, why_bytes, "the group's committed offsets cannot be read: no broker answers");
    for (int i = 0; event == NULL && i < SLICES && *err != RD_KAFKA_RESP_ERR__DESTROY; i++) {
        event = rd_kafka_queue_poll(queue, SLICE_MS);
        if (event == NULL && !wait(opaque))
            *err = RD_KAFKA_RESP_ERR__DESTROY;
    }
    if (event != NULL) {
        list = take_answer(event, err, why, why_bytes);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    return list;
}
