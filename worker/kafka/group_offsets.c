#include "kafka/group_offsets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One call after the other: librdkafka may sleep through the news of a coordinator, and does not see that the wait was ended. */
enum { FIRST_CALL_MS = 500, LAST_CALL_MS = 4000 };

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

static rd_kafka_resp_err_t ask(rd_kafka_t *consumer, rd_kafka_topic_partition_list_t *list, int timeout_ms)
{
    rd_kafka_resp_err_t err = rd_kafka_committed(consumer, list, timeout_ms);
    for (int i = 0; err == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
        err = list->elems[i].err;
    return err;
}

rd_kafka_topic_partition_list_t *group_offsets_read(rd_kafka_t *consumer, const rd_kafka_topic_partition_list_t *asked,
                                                    group_offsets_wait_fn wait, void *opaque, rd_kafka_resp_err_t *err,
                                                    char *why, size_t why_bytes)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(asked->cnt);
    for (int i = 0; i < asked->cnt; i++)
        rd_kafka_topic_partition_list_add(list, asked->elems[i].topic, asked->elems[i].partition);
    *err = RD_KAFKA_RESP_ERR__TIMED_OUT;
    for (int ms = FIRST_CALL_MS; ms <= LAST_CALL_MS && *err == RD_KAFKA_RESP_ERR__TIMED_OUT; ms *= 2)
        *err = wait(opaque) ? ask(consumer, list, ms) : RD_KAFKA_RESP_ERR__DESTROY;
    if (*err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return list;
    rd_kafka_topic_partition_list_destroy(list);
    snprintf(why, why_bytes, "the group's committed offsets cannot be read: %s",
             *err == RD_KAFKA_RESP_ERR__TIMED_OUT ? "no broker answers" : rd_kafka_err2str(*err));
    return NULL;
}
