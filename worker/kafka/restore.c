#include "base/clock.h"
#include "kafka/consumer_inside.h"
#include "kafka/log_range.h"
#include "kafka/offset_fetch.h"
#include "ops/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    FIRST_TIMEOUT_MS = 2000, /* librdkafka may sleep through the news of a coordinator; doubled for a slow one */
    MOST_TIMEOUT_MS = 16000,
    FIRST_BACKOFF_MS = 100,
    MOST_BACKOFF_MS = 5000,
    SEEK_AGAIN_MS = 20,
    STUCK_MS = 5000,
    FIRST_ASK_MS = 1000, /* waited for: the broker has answered a moment ago, or the group is in trouble anyway; doubled the same */
    MOST_ASK_MS = 8000,
    ASK_AGAIN_MS = 1000,
    RESTARTS_A_TURN = 10, /* each may wait behind two fetches */
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
    if (consumer->strict) {
        char what[160];
        snprintf(what, sizeof what, "the log, from offset %" PRId64 " to %" PRId64 ", ends before offset %" PRId64 ": the topic was "
                 "made anew, or lost its end", low, high, partition->position);
        trouble_undecided(consumer, partition->topic->name, partition->assignment->partition, what, "--to-earliest",
                          "runs all that is in it; --to-latest: none of it");
        return;
    }
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
    struct log_range log;
    const char *topic = partition->topic->name;
    int32_t number = partition->assignment->partition;
    rd_kafka_resp_err_t err = log_range_read(consumer->rk, topic, number, consumer->read.ask_timeout_ms, &log);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        consumer->read.ask_timeout_ms = FIRST_ASK_MS;
    else if (err == RD_KAFKA_RESP_ERR__TIMED_OUT && consumer->read.ask_timeout_ms < MOST_ASK_MS)
        consumer->read.ask_timeout_ms *= 2;
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        log_event(LOG_DEBUG, "log_ends_unread", "%s [%" PRId32 "]: %s", topic, number, rd_kafka_err2str(err));
        return -1;
    }
    if (partition->position == OFFSET_NONE)
        return 0;
    if (partition->position > log.high) {
        take_new_log(consumer, partition, log.low, log.high);
        if (consumer->fatal)
            return -1;
    } else if (partition->position < log.low) {
        log_event(LOG_WARN, "messages_gone", "%s [%" PRId32 "]: offsets %" PRId64 " to %" PRId64 " are gone from the log "
                  "(retention) before they were read", topic, number, partition->position, log.low - 1);
        tracker_reach(partition->tracker, log.low);
        partition->position = log.low;
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
            consumer->read.ask_ms = clock_mono_ms() + ASK_AGAIN_MS;
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

void restore_init(struct consumer *consumer)
{
    consumer->read.backoff_ms = FIRST_BACKOFF_MS;
    consumer->read.timeout_ms = FIRST_TIMEOUT_MS;
    consumer->read.ask_timeout_ms = FIRST_ASK_MS;
}

static void read_again_later(struct consumer *consumer, const char *reason)
{
    consumer->read.next_ms = consumer->now_ms + consumer->read.backoff_ms;
    consumer->read.backoff_ms =
        consumer->read.backoff_ms * 2 < MOST_BACKOFF_MS ? consumer->read.backoff_ms * 2 : MOST_BACKOFF_MS;
    trouble_note(consumer, TROUBLE_OF_GROUP, "the group's committed offsets cannot be read: %s", reason);
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
    if (tracker_map_was_bad(partition->tracker) && consumer->strict)
        trouble_undecided(consumer, at->topic, at->partition, "the metadata of its committed offset cannot be read (something else "
                          "than this version has committed it)", "--to-current", "runs all from that offset on");
    else if (tracker_map_was_bad(partition->tracker))
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

/* What the read's partitions go on with; those of no answer ask again. */
static rd_kafka_resp_err_t take_answer(struct consumer *consumer, const rd_kafka_topic_partition_list_t *list, uint64_t read)
{
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];
        struct consumer_partition *partition = partition_find(consumer, at->topic, at->partition);
        if (at->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            err = at->err;
        else if (was_asked(partition, read))
            restored(consumer, partition, at);
    }
    return err;
}

static void serve_answer(struct consumer *consumer)
{
    rd_kafka_resp_err_t err;
    if (consumer->read.fetch == NULL || !offset_fetch_is_over(consumer->read.fetch))
        return;
    rd_kafka_topic_partition_list_t *list = offset_fetch_end(consumer->read.fetch, &err);
    consumer->read.fetch = NULL;
    if (err == RD_KAFKA_RESP_ERR__TIMED_OUT && consumer->read.timeout_ms < MOST_TIMEOUT_MS)
        consumer->read.timeout_ms *= 2;
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        err = take_answer(consumer, list, consumer->read.last);
    rd_kafka_topic_partition_list_destroy(list);
    read_failed(consumer, consumer->read.last);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        consumer->read.backoff_ms = FIRST_BACKOFF_MS;
        consumer->read.timeout_ms = FIRST_TIMEOUT_MS;
        trouble_over(consumer);
    } else if (!trouble_is_fatal(consumer, err, rd_kafka_err2str(err), NULL)) {
        read_again_later(consumer, rd_kafka_err2str(err));
    }
}

static void serve_reads(struct consumer *consumer)
{
    if (consumer->read.fetch != NULL || consumer->now_ms < consumer->read.next_ms)
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (partition->phase != PARTITION_RESTORING || partition->tracker != NULL || partition->read != 0)
            continue;
        partition->read = consumer->read.last + 1;
        rd_kafka_topic_partition_list_add(list, partition->topic->name, partition->assignment->partition);
    }
    if (list->cnt == 0) {
        rd_kafka_topic_partition_list_destroy(list);
        return;
    }
    consumer->read.last++;
    consumer->read.fetch = offset_fetch_begin(consumer->rk, list, consumer->read.timeout_ms, consumer->event_fd);
    if (consumer->read.fetch != NULL)
        return;
    read_failed(consumer, consumer->read.last);
    read_again_later(consumer, "no memory, or no thread");
}

bool restore_drop(struct consumer *consumer, int64_t until_ms)
{
    struct offset_fetch *fetch = consumer->read.fetch;
    consumer->read.fetch = NULL;
    return offset_fetch_drop(fetch, until_ms);
}

/* ---- the start ---- */

void consumer_restored(struct consumer *consumer, struct assignment *assignment)
{
    (void)consumer;
    if (assignment->own != NULL)
        assignment->own->awaited = false;
}

static void serve_assigned(struct consumer *consumer)
{
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (!partition->untold || partition->phase != PARTITION_RESTORING ||
            ended_is_in_the_way(consumer, partition->assignment))
            continue;
        partition->untold = false;
        consumer->hooks.assigned(partition->assignment, consumer->hooks.opaque);
    }
}

static void serve_starts(struct consumer *consumer)
{
    if (consumer->fatal)
        return;
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (partition->phase != PARTITION_RESTORING || partition->tracker == NULL || partition->awaited ||
            ended_is_in_the_way(consumer, partition->assignment))
            continue;
        partition->phase = PARTITION_RUNNING;
        consumer->changes++;
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
    serve_answer(consumer);
    if (!consumer->read.wanted)
        return;
    serve_reads(consumer);
    serve_assigned(consumer);
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
