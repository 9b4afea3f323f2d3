#include "base/clock.h"
#include "kafka/consumer_inside.h"
#include "ops/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One commit at a time: answers then come in the order of the requests, and an offset is never overtaken by an older
 * one. Brokers check the generation only, so what goes in is checked here: partitions that are assigned, by their own
 * tracker, whose frontier never moves back. */

enum { AGAIN_MS = 200, LOOK_EVERY_MS = 20, WARN_EVERY_MS = 30000 };

bool commit_is_settled(const struct consumer_partition *partition)
{
    return partition->committing == OFFSET_NONE &&
           (partition->tracker == NULL || !tracker_is_dirty(partition->tracker) ||
            tracker_frontier(partition->tracker) < 0);
}

void commit_hurry(struct consumer *consumer)
{
    consumer->commit.hurry = true;
}

static int add(rd_kafka_topic_partition_list_t *list, struct consumer_partition *partition)
{
    char map[OFFSET_MAP_TEXT_MAX + 1];
    size_t map_bytes = partition->commits_bare ? 0 : (size_t)tracker_map(partition->tracker, map);
    void *metadata = map_bytes > 0 ? malloc(map_bytes) : NULL;
    if (map_bytes > 0 && metadata == NULL)
        return -1;
    if (map_bytes > 0)
        memcpy(metadata, map, map_bytes);
    int64_t frontier = tracker_frontier(partition->tracker);
    assert(frontier >= partition->committed);
    rd_kafka_topic_partition_t *at =
        rd_kafka_topic_partition_list_add(list, partition->topic->name, partition->assignment->partition);
    at->offset = frontier;
    at->metadata = metadata; /* librdkafka frees it */
    at->metadata_size = map_bytes;
    partition->committing = frontier;
    tracker_commit_taken(partition->tracker);
    return 0;
}

static void send_all(struct consumer *consumer)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (!commit_is_settled(partition) && add(list, partition) != 0)
            break; /* for want of memory: with a later commit */
    }
    if (list->cnt > 0) {
        consumer->commit.in_flight = true;
        rd_kafka_resp_err_t err = rd_kafka_commit_queue(consumer->rk, list, consumer->replies, NULL, NULL);
        /* It fails only where there is no group or no queue. */
        assert(err == RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

void commit_serve(struct consumer *consumer)
{
    if (consumer->commit.in_flight || consumer->fatal)
        return;
    if (!consumer->commit.hurry && consumer->now_ms < consumer->commit.next_ms)
        return;
    if (consumer->now_ms < consumer->commit.not_before_ms || join_watch_is_joining(&consumer->join_watch))
        return;
    consumer->commit.hurry = false;
    consumer->commit.next_ms = consumer->now_ms + consumer->commit_interval_ms;
    send_all(consumer);
}

int64_t commit_next_ms(const struct consumer *consumer)
{
    if (consumer->commit.in_flight || consumer->n_partitions == 0)
        return CLOCK_NEVER;
    int64_t next_ms = consumer->commit.hurry ? consumer->now_ms : consumer->commit.next_ms;
    next_ms = next_ms > consumer->commit.not_before_ms ? next_ms : consumer->commit.not_before_ms;
    int64_t joined_ms = consumer->now_ms + LOOK_EVERY_MS; /* no event tells that a join is over where nothing changes */
    return next_ms > joined_ms ? next_ms : joined_ms;
}

/* ---- answers ---- */

static void warn(struct consumer *consumer, const rd_kafka_topic_partition_t *at, rd_kafka_resp_err_t err)
{
    if (consumer->now_ms < consumer->commit.warned_ms + WARN_EVERY_MS)
        return;
    consumer->commit.warned_ms = consumer->now_ms;
    log_event(LOG_WARN, "commit_failed", "%s [%" PRId32 "] offset %" PRId64 " could not be committed, trying again: %s",
              at->topic, at->partition, at->offset, rd_kafka_err2str(err));
}

static void take_failure(struct consumer *consumer, struct consumer_partition *partition,
                         const rd_kafka_topic_partition_t *at, rd_kafka_resp_err_t err)
{
    tracker_commit_failed(partition->tracker);
    if (err == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE && !partition->commits_bare) {
        partition->commits_bare = true;
        commit_hurry(consumer);
        log_event(LOG_WARN, "commit_metadata_refused", "%s [%" PRId32 "]: the broker takes no commit metadata of %zu bytes "
                  "(its offset.metadata.max.bytes): only offsets are committed from now on, so after a restart finished "
                  "runs beyond them start again", at->topic, at->partition, at->metadata_size);
        return;
    }
    consumer->commit.not_before_ms = consumer->now_ms + AGAIN_MS;
    partition->evicted = err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || err == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION;
    if (!trouble_is_fatal(consumer, err, rd_kafka_err2str(err), at->topic))
        warn(consumer, at, err);
}

/* An answer without a list, or without some of the partitions: they were not committed. */
static void take_unanswered(struct consumer *consumer)
{
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (partition->committing == OFFSET_NONE)
            continue;
        partition->committing = OFFSET_NONE;
        tracker_commit_failed(partition->tracker);
        consumer->commit.not_before_ms = consumer->now_ms + AGAIN_MS;
    }
}

void commit_answer(struct consumer *consumer, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t whole = rd_kafka_event_error(event);
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    consumer->commit.in_flight = false;
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];
        struct consumer_partition *partition = partition_find(consumer, at->topic, at->partition);
        /* Gone since, or come back since under another epoch, which is not in this commit. */
        if (partition == NULL || partition->committing == OFFSET_NONE)
            continue;
        rd_kafka_resp_err_t err = at->err != RD_KAFKA_RESP_ERR_NO_ERROR ? at->err : whole;
        int64_t offset = partition->committing;
        partition->committing = OFFSET_NONE;
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            take_failure(consumer, partition, at, err);
        } else {
            partition->committed = offset;
            partition->evicted = false;
        }
    }
    if (whole == RD_KAFKA_RESP_ERR_NO_ERROR)
        trouble_over(consumer);
    take_unanswered(consumer);
}
