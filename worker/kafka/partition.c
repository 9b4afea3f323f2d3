#include "kafka/consumer_inside.h"
#include "ops/log.h"
#include "ops/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* No broker has so many partitions in a topic; what an answer says is not trusted with our memory. */
enum { PARTITION_NUMBER_MAX = 1 << 20 };
enum { SEEK_TIMEOUT_MS = 100 };

/* ---- the table ---- */

struct consumer_topic *topic_find(struct consumer *consumer, const char *name)
{
    for (size_t i = 0; i < consumer->n_topics; i++) {
        if (strcmp(consumer->topics[i].name, name) == 0)
            return &consumer->topics[i];
    }
    return NULL;
}

struct consumer_partition *partition_find(struct consumer *consumer, const char *topic, int32_t number)
{
    struct consumer_topic *found = topic_find(consumer, topic);
    return found != NULL && number >= 0 && number < found->n_partitions ? found->partitions[number] : NULL;
}

static int topic_grow(struct consumer_topic *topic, int32_t number)
{
    if (number < topic->n_partitions)
        return 0;
    int32_t n = topic->n_partitions > 0 ? topic->n_partitions : 16;
    while (n <= number)
        n *= 2;
    struct consumer_partition **grown = realloc(topic->partitions, (size_t)n * sizeof *grown); // NOLINT(bugprone-sizeof-expression): of pointers
    if (grown == NULL)
        return -1;
    for (int32_t i = topic->n_partitions; i < n; i++)
        grown[i] = NULL;
    topic->partitions = grown;
    topic->n_partitions = n;
    return 0;
}

struct consumer_partition *partition_add(struct consumer *consumer, const char *topic, int32_t number)
{
    struct consumer_topic *found = topic_find(consumer, topic);
    if (found == NULL || number < 0 || number >= PARTITION_NUMBER_MAX || topic_grow(found, number) != 0)
        return NULL;
    assert(found->partitions[number] == NULL);
    struct consumer_partition *partition = calloc(1, sizeof *partition);
    struct assignment *assignment = assignment_new(topic, number, ++consumer->last_epoch);
    if (partition == NULL || assignment == NULL) {
        free(partition);
        free(assignment);
        return NULL;
    }
    partition->topic = found;
    partition->assignment = assignment;
    assignment->own = partition;
    partition->phase = PARTITION_RESTORING;
    partition->untold = partition->awaited = consumer->hooks.assigned != NULL;
    partition->position = OFFSET_NONE;
    partition->committed = OFFSET_NONE;
    partition->committing = OFFSET_NONE;
    partition->pauses = PAUSE_RESTORING | (consumer->held ? PAUSE_HOLD : 0) | (consumer->stopped ? PAUSE_STOPPED : 0);
    consumer->pauses_changed = true;
    found->partitions[number] = partition;
    list_push(&consumer->partitions, &partition->node);
    consumer->n_partitions++;
    consumer->changes++;
    metrics_add(consumer->shard, METRIC_REBALANCES_TOTAL, METRIC_REBALANCE_ASSIGNED, 1);
    return partition;
}

void partition_drop_held(struct consumer_partition *partition)
{
    if (partition->held != NULL)
        rd_kafka_message_destroy(partition->held);
    partition->held = NULL;
}

void partition_remove(struct consumer *consumer, struct consumer_partition *partition)
{
    struct assignment *assignment = partition->assignment;
    assert(partition->topic->partitions[assignment->partition] == partition);
    partition->topic->partitions[assignment->partition] = NULL;
    list_remove(&partition->node);
    consumer->n_partitions--;
    consumer->changes++;
    ended_add(consumer, assignment);
    partition_drop_held(partition);
    tracker_free(partition->tracker);
    marks_clear(&partition->marks);
    free(partition);
}

/* Its runs may still come to something that helps whoever goes on with them; if nobody can make use of it, they stop. */
static void lose(struct consumer *consumer, struct assignment *assignment)
{
    notice_add(consumer, assignment, NOTICE_LOST);
    if (consumer->hooks.assigned == NULL)
        tenure_end(consumer, assignment);
    else if (tenure_read(&assignment->tenure) == TENURE_HELD)
        tenure_set(&assignment->tenure, TENURE_ENDING);
}

void partition_lose(struct consumer *consumer, struct consumer_partition *partition)
{
    metrics_add(consumer->shard, METRIC_REBALANCES_TOTAL, METRIC_REBALANCE_LOST, 1);
    lose(consumer, partition->assignment);
    partition_remove(consumer, partition);
}

void partition_begin_leaving(struct consumer *consumer, struct consumer_partition *partition)
{
    partition->phase = PARTITION_LEAVING;
    consumer->changes++;
    metrics_add(consumer->shard, METRIC_REBALANCES_TOTAL, METRIC_REBALANCE_REVOKED, 1);
    partition_drop_held(partition);
    partition_pause(consumer, partition, PAUSE_LEAVING);
    tenure_set(&partition->assignment->tenure, TENURE_ENDING);
    notice_add(consumer, partition->assignment, NOTICE_REVOKED);
}

int partition_renew(struct consumer *consumer, struct consumer_partition *partition)
{
    struct assignment *old = partition->assignment;
    struct assignment *assignment = assignment_new(old->topic, old->partition, consumer->last_epoch + 1);
    struct tracker *tracker = tracker_new(-1, NULL, 0);
    if (assignment == NULL || tracker == NULL) {
        free(assignment);
        tracker_free(tracker);
        return -1;
    }
    consumer->last_epoch++;
    consumer->changes++;
    lose(consumer, old);
    ended_add(consumer, old);
    tracker_free(partition->tracker);
    marks_clear(&partition->marks);
    partition_drop_held(partition);
    partition->assignment = assignment;
    assignment->own = partition;
    partition->phase = PARTITION_RESTORING;
    partition->untold = partition->awaited = consumer->hooks.assigned != NULL;
    partition->wanted = 0;
    partition->recommit = false;
    partition->tracker = tracker;
    partition->position = OFFSET_NONE;
    partition->committed = OFFSET_NONE;
    partition->committing = OFFSET_NONE;
    /* Whoever asked for these speaks of the old assignment, and would never end them. */
    partition_unpause(consumer, partition, PAUSE_ASKED);
    partition_unpause(consumer, partition, PAUSE_CROWDED);
    return 0;
}

/* ---- pauses ---- */

static void pause_for(struct consumer *consumer, struct assignment *assignment, enum pause_reason reason, bool pause)
{
    if (assignment->own == NULL)
        return;
    if (pause)
        partition_pause(consumer, assignment->own, reason);
    else
        partition_unpause(consumer, assignment->own, reason);
}

void consumer_pause(struct consumer *consumer, struct assignment *assignment, bool pause)
{
    pause_for(consumer, assignment, PAUSE_ASKED, pause);
}

void consumer_crowd(struct consumer *consumer, struct assignment *assignment, bool pause)
{
    pause_for(consumer, assignment, PAUSE_CROWDED, pause);
}

void partition_pause(struct consumer *consumer, struct consumer_partition *partition, enum pause_reason reason)
{
    partition->pauses |= (unsigned)reason;
    consumer->pauses_changed = true;
}

void partition_unpause(struct consumer *consumer, struct consumer_partition *partition, enum pause_reason reason)
{
    partition->pauses &= ~(unsigned)reason;
    consumer->pauses_changed = true;
}

static void pause_list(struct consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_pause_partitions(consumer->rk, list);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];
        if (at->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            log_event(LOG_WARN, "partition_not_paused", "%s [%" PRId32 "] could not be paused: %s", at->topic,
                      at->partition, rd_kafka_err2str(at->err));
    }
}

/* librdkafka (2.0.2) may resume at a stale offset, and takes up to a second to begin. Setting the place explicitly is good
 * against both. Its own thread answers, so the time-out is no wait for a broker. A fetcher that has not started yet (it
 * waits for earlier unassigns and commits) refuses. */
static void resume_list(struct consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resume_partitions(consumer->rk, list);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(consumer->rk, list, SEEK_TIMEOUT_MS);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];
        struct consumer_partition *partition = partition_find(consumer, at->topic, at->partition);
        if (partition == NULL)
            continue;
        if (error != NULL || at->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            restore_seek_later(consumer, partition);
        else
            partition->unset_since_ms = 0;
    }
    if (error != NULL)
        rd_kafka_error_destroy(error);
}

/* librdkafka throws away what it has fetched of a paused partition. Resuming one that is not paused could set it back
 * (2.0.2), so each call is for a change only. */
void partition_apply_pauses(struct consumer *consumer)
{
    if (!consumer->pauses_changed)
        return;
    consumer->pauses_changed = false;
    rd_kafka_topic_partition_list_t *pause = rd_kafka_topic_partition_list_new(4);
    rd_kafka_topic_partition_list_t *resume = rd_kafka_topic_partition_list_new(4);
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        bool want = partition->pauses != 0;
        if (want == partition->is_paused)
            continue;
        partition->is_paused = want;
        bool first = partition->position == OFFSET_NONE;
        rd_kafka_topic_partition_list_add(want ? pause : resume, partition->topic->name,
                                          partition->assignment->partition)
            ->offset = first ? RD_KAFKA_OFFSET_BEGINNING : partition->position;
    }
    if (pause->cnt > 0)
        pause_list(consumer, pause);
    if (resume->cnt > 0)
        resume_list(consumer, resume);
    rd_kafka_topic_partition_list_destroy(pause);
    rd_kafka_topic_partition_list_destroy(resume);
    /* What could not be set to its place must not be polled from another one. */
    if (consumer->pauses_changed)
        partition_apply_pauses(consumer);
}
