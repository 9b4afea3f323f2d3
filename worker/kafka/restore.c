#include "base/clock.h"
#include "kafka/consumer_inside.h"
#include "ops/log.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

enum {
    READ_TIMEOUT_MS = 10000,
    FIRST_BACKOFF_MS = 100,
    MOST_BACKOFF_MS = 5000,
    SEEK_AGAIN_MS = 20,
    STUCK_MS = 5000,
    ASK_TIMEOUT_MS = 300, /* waited for: the broker has answered a moment ago, or the group is in trouble anyway */
    ASK_AGAIN_MS = 1000,
    RESTARTS_A_TURN = 20,
    WARN_EVERY_MS = 30000,
};

/* ---- setting the fetcher ---- */

void restore_seek_later(struct consumer *consumer, struct consumer_partition *partition)
{
    if (partition->unset_since_ms == 0)
        partition->unset_since_ms = consumer->now_ms;
    partition_pause(consumer, partition, PAUSE_RESTORING);
    consumer->read.wanted = true;
}

void restore_restart(struct consumer *consumer, struct consumer_partition *partition)
{
    partition->restart = true;
    partition_pause(consumer, partition, PAUSE_RESTORING);
    consumer->read.wanted = true;
}

/* A fetcher that refuses for so long has stopped without a word that was heard. */
static void see_if_stuck(struct consumer *consumer, struct consumer_partition *partition)
{
    if (partition->unset_since_ms == 0 || consumer->now_ms < partition->unset_since_ms + STUCK_MS)
        return;
    log_event(LOG_WARN, "partition_stuck", "%s [%" PRId32 "]: reading could not be set to offset %" PRId64 " for %" PRId64
              " s; it is begun anew", partition->topic->name, partition->assignment->partition, partition->position,
              (consumer->now_ms - partition->unset_since_ms) / 1000);
    partition->unset_since_ms = consumer->now_ms;
    restore_restart(consumer, partition);
}

static void serve_seeks(struct consumer *consumer)
{
    if (consumer->now_ms < consumer->read.seek_ms)
        return;
    consumer->read.seek_ms = consumer->now_ms + SEEK_AGAIN_MS;
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (partition->phase != PARTITION_RUNNING || partition->restart)
            continue;
        see_if_stuck(consumer, partition);
        if (!partition->restart)
            partition_unpause(consumer, partition, PAUSE_RESTORING);
    }
}

/* ---- starting a fetcher again ---- */

/* The log ends before the position: either the topic was made anew, or the log lost its end with a leader that was not in
 * sync. An offset does not tell which. The first is met as if it were always so: messages that are run again do less harm
 * than messages that are never run. */
static void take_new_log(struct consumer *consumer, struct consumer_partition *partition, int64_t low, int64_t high)
{
    log_event(LOG_WARN, "log_replaced", "%s [%" PRId32 "]: the log, from offset %" PRId64 " to %" PRId64 ", ends before offset %"
              PRId64 ": the topic was made anew (or lost its end). All that is in it counts as new and is run",
              partition->topic->name, partition->assignment->partition, low, high, partition->position);
    if (partition_renew(consumer, partition) != 0) {
        trouble_fatal(consumer, "out of memory for the window of %s [%" PRId32 "]", partition->topic->name,
                      partition->assignment->partition);
        return;
    }
    notices_tell(consumer);
}

/* Where in the log does it go on? -1 where nobody can tell now. */
static int find_place(struct consumer *consumer, struct consumer_partition *partition)
{
    int64_t low = 0;
    int64_t high = 0;
    const char *topic = partition->topic->name;
    int32_t number = partition->assignment->partition;
    rd_kafka_resp_err_t err =
        rd_kafka_query_watermark_offsets(consumer->rk, topic, number, &low, &high, ASK_TIMEOUT_MS);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        log_event(LOG_DEBUG, "log_ends_unread", "%s [%" PRId32 "]: %s", topic, number, rd_kafka_err2str(err));
        return -1;
    }
    if (partition->position == OFFSET_NONE)
        return 0;
    if (partition->position > high) {
        take_new_log(consumer, partition, low, high);
    } else if (partition->position < low) {
        log_event(LOG_WARN, "messages_gone", "%s [%" PRId32 "]: offsets %" PRId64 " to %" PRId64 " are gone from the log "
                  "(retention) before they were read", topic, number, partition->position, low - 1);
        tracker_reach(partition->tracker, low);
        partition->position = low;
    }
    return 0;
}

static void fill_restarts(struct consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (!partition->restart || partition->phase != PARTITION_RUNNING)
            continue;
        if (list->cnt == RESTARTS_A_TURN)
            return;
        if (find_place(consumer, partition) != 0) {
            consumer->read.ask_ms = consumer->now_ms + ASK_AGAIN_MS;
            return;
        }
        if (partition->phase != PARTITION_RUNNING)
            continue;
        rd_kafka_topic_partition_list_add(list, partition->topic->name, partition->assignment->partition)->offset =
            partition->position == OFFSET_NONE ? RD_KAFKA_OFFSET_BEGINNING : partition->position;
    }
}

/* With auto.offset.reset=error a fetcher whose offset lies outside the log is as good as stopped, and refuses to seek: only
 * a new assign starts it. While a revoke is open librdkafka would take the unassign for its answer. */
static void serve_restarts(struct consumer *consumer)
{
    if (!list_is_empty(&consumer->revokes) || consumer->close_step != CLOSE_NOT ||
        consumer->now_ms < consumer->read.ask_ms)
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
    fill_restarts(consumer, list);
    if (list->cnt == 0)
        goto out;
    rd_kafka_error_t *error = rd_kafka_incremental_unassign(consumer->rk, list);
    if (error == NULL)
        error = rd_kafka_incremental_assign(consumer->rk, list);
    if (error != NULL) {
        trouble_fatal(consumer, "%d partitions that had stopped could not be read on: %s", list->cnt,
                      rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        goto out;
    }
    /* Whether the new assign knows the pause differs; so it is told, and may be undone. */
    rd_kafka_pause_partitions(consumer->rk, list);
    for (int i = 0; i < list->cnt; i++) {
        struct consumer_partition *partition =
            partition_find(consumer, list->elems[i].topic, list->elems[i].partition);
        partition->restart = false;
        partition->is_paused = true;
        partition_unpause(consumer, partition, PAUSE_RESTORING);
    }
out:
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- reading committed offsets ---- */

static void read_again_later(struct consumer *consumer, const char *reason)
{
    consumer->read.next_ms = consumer->now_ms + consumer->read.backoff_ms;
    consumer->read.backoff_ms =
        consumer->read.backoff_ms * 2 < MOST_BACKOFF_MS ? consumer->read.backoff_ms * 2 : MOST_BACKOFF_MS;
    if (consumer->now_ms < consumer->read.warned_ms + WARN_EVERY_MS)
        return;
    consumer->read.warned_ms = consumer->now_ms;
    log_event(LOG_WARN, "committed_offsets_unread", "the group's committed offsets cannot be read, trying again: %s",
              reason);
}

static void restored(struct consumer *consumer, struct consumer_partition *partition,
                     const rd_kafka_topic_partition_t *at)
{
    int64_t committed = at->offset >= 0 ? at->offset : OFFSET_NONE;
    /* Up to a NUL: of foreign metadata that holds one, librdkafka keeps no more, whatever its size says. */
    size_t map_bytes = at->metadata != NULL ? strnlen(at->metadata, at->metadata_size) : 0;
    partition->tracker = tracker_new(committed, at->metadata, map_bytes);
    if (partition->tracker == NULL) {
        trouble_fatal(consumer, "out of memory for the window of %s [%" PRId32 "]", at->topic, at->partition);
        return;
    }
    partition->committed = committed;
    partition->position = committed;
    if (committed == OFFSET_NONE)
        log_event(LOG_INFO, "partition_assigned", "%s [%" PRId32 "]: no committed offset, from the beginning", at->topic,
                  at->partition);
    else
        log_event(LOG_INFO, "partition_assigned", "%s [%" PRId32 "]: from committed offset %" PRId64
                  "; %zu beyond it are done and skipped", at->topic, at->partition, committed,
                  tracker_done_beyond(partition->tracker));
    if (tracker_map_was_bad(partition->tracker))
        log_event(LOG_WARN, "commit_metadata_unreadable", "%s [%" PRId32 "]: the metadata of the committed offset cannot be "
                  "read: what was done beyond it runs again", at->topic, at->partition);
}

static bool was_asked(const struct consumer_partition *partition, uint64_t read)
{
    return partition != NULL && partition->phase == PARTITION_RESTORING && partition->tracker == NULL &&
           partition->read == read;
}

/* The partitions of the read ask again. */
static void read_failed(struct consumer *consumer, uint64_t read)
{
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (was_asked(partition, read))
            partition->read = 0;
    }
}

void restore_answer(struct consumer *consumer, rd_kafka_event_t *event)
{
    uint64_t read = (uint64_t)(uintptr_t)rd_kafka_event_opaque(event);
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    const char *reason = rd_kafka_event_error_string(event);
    const rd_kafka_topic_partition_list_t *list = NULL;
    consumer->read.in_flight = false;
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        size_t n = 0;
        const rd_kafka_group_result_t **groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
            rd_kafka_event_ListConsumerGroupOffsets_result(event), &n);
        const rd_kafka_error_t *error = n == 1 ? rd_kafka_group_result_error(groups[0]) : NULL;
        list = n == 1 ? rd_kafka_group_result_partitions(groups[0]) : NULL;
        if (error != NULL) {
            err = rd_kafka_error_code(error);
            reason = rd_kafka_error_string(error);
        }
    }
    for (int i = 0; list != NULL && err == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];
        struct consumer_partition *partition = partition_find(consumer, at->topic, at->partition);
        if (at->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            err = at->err;
            reason = rd_kafka_err2str(at->err);
        } else if (was_asked(partition, read)) {
            restored(consumer, partition, at);
        }
    }
    read_failed(consumer, read);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        consumer->read.backoff_ms = FIRST_BACKOFF_MS;
        trouble_over(consumer);
    } else if (!trouble_is_fatal(consumer, err, reason, NULL)) {
        read_again_later(consumer, reason);
    }
}

static void read_send(struct consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
    char why[128];
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(consumer->rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_ListConsumerGroupOffsets_t *request = rd_kafka_ListConsumerGroupOffsets_new(consumer->group_id, list);
    rd_kafka_AdminOptions_set_request_timeout(options, READ_TIMEOUT_MS, why, sizeof why);
    rd_kafka_AdminOptions_set_opaque(options, (void *)(uintptr_t)consumer->read.last);
    /* Offsets that a transaction is about to commit are waited for. */
    rd_kafka_error_t *error = rd_kafka_AdminOptions_set_require_stable_offsets(options, 1);
    if (error != NULL)
        rd_kafka_error_destroy(error);
    rd_kafka_ListConsumerGroupOffsets(consumer->rk, &request, 1, options, consumer->replies);
    rd_kafka_ListConsumerGroupOffsets_destroy(request);
    rd_kafka_AdminOptions_destroy(options);
}

static void serve_reads(struct consumer *consumer)
{
    if (consumer->read.in_flight || consumer->now_ms < consumer->read.next_ms)
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (partition->phase != PARTITION_RESTORING || partition->tracker != NULL || partition->read != 0)
            continue;
        partition->read = consumer->read.last + 1;
        rd_kafka_topic_partition_list_add(list, partition->topic->name, partition->assignment->partition);
    }
    if (list->cnt > 0) {
        consumer->read.last++;
        consumer->read.in_flight = true;
        read_send(consumer, list);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- the start ---- */

void consumer_restored(struct consumer *consumer, struct assignment *assignment)
{
    (void)consumer;
    if (assignment->own != NULL)
        assignment->own->awaited = false;
}

static void serve_starts(struct consumer *consumer)
{
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (partition->phase != PARTITION_RESTORING || partition->tracker == NULL || partition->awaited ||
            ended_is_in_the_way(consumer, partition->assignment))
            continue;
        partition->phase = PARTITION_RUNNING;
        if (!partition->restart)
            partition_unpause(consumer, partition, PAUSE_RESTORING);
        if (consumer->hooks.running != NULL)
            consumer->hooks.running(partition->assignment, consumer->hooks.opaque);
    }
}

static bool is_wanted(const struct consumer *consumer)
{
    for (const struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        const struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (partition->phase != PARTITION_LEAVING && (partition->pauses & PAUSE_RESTORING) != 0)
            return true;
    }
    return false;
}

void restore_serve(struct consumer *consumer)
{
    if (!consumer->read.wanted)
        return;
    if (consumer->read.backoff_ms == 0)
        consumer->read.backoff_ms = FIRST_BACKOFF_MS;
    serve_reads(consumer);
    serve_starts(consumer);
    serve_restarts(consumer);
    serve_seeks(consumer);
    consumer->read.wanted = is_wanted(consumer);
}

int64_t restore_next_ms(const struct consumer *consumer)
{
    if (!consumer->read.wanted)
        return CLOCK_NEVER;
    int64_t soon_ms = consumer->now_ms + SEEK_AGAIN_MS;
    return consumer->read.next_ms > soon_ms ? consumer->read.next_ms : soon_ms;
}
