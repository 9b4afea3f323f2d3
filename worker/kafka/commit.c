#include "base/clock.h"
#include "kafka/consumer_inside.h"
#include "ops/log.h"
#include "ops/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One commit at a time: answers then come in the order of the requests, and an offset is never overtaken by an older
 * one. Brokers check the generation only, so what goes in is checked here: partitions that are assigned, by their own
 * tracker, whose frontier never moves back. */

enum { AGAIN_MS = 200, LOOK_EVERY_MS = 20, WARN_EVERY_MS = 30000 };

/* ---- what is to be committed ---- */

static bool is_wanted(const struct consumer_partition *partition)
{
    return partition->tracker != NULL && tracker_frontier(partition->tracker) >= 0 &&
           (tracker_is_dirty(partition->tracker) || partition->recommit || partition->wanted != 0);
}

bool commit_is_settled(const struct consumer_partition *partition)
{
    return partition->committing == OFFSET_NONE && !is_wanted(partition);
}

void commit_hurry(struct consumer *consumer)
{
    consumer->commit.hurry = true;
}

bool consumer_done(struct consumer *consumer, const struct ref *ref, const uint64_t *tags, size_t n_tags)
{
    struct consumer_partition *partition = ref->assignment->own;
    if (partition == NULL || partition->sealed || partition->tracker == NULL)
        return false;
    bool changed = tracker_done(partition->tracker, ref->offset);
    for (size_t i = 0; consumer->hooks.committed != NULL && i < n_tags; i++) {
        if (marks_add(&partition->marks, ref->offset, tags[i]) != 0)
            break;
        partition->recommit = partition->recommit || !changed;
    }
    return true;
}

bool consumer_is_done(const struct consumer *consumer, const struct ref *ref)
{
    const struct consumer_partition *partition = ref->assignment->own;
    (void)consumer;
    return partition != NULL && partition->tracker != NULL && tracker_is_done(partition->tracker, ref->offset);
}

uint64_t consumer_confirm(struct consumer *consumer, struct assignment *assignment)
{
    struct consumer_partition *partition = assignment->own;
    if (partition == NULL || partition->sealed)
        return 0;
    partition->wanted = ++consumer->last_ticket;
    commit_hurry(consumer);
    return partition->wanted;
}

/* ---- requests ---- */

static int add(rd_kafka_topic_partition_list_t *list, struct consumer_partition *partition)
{
    char map[OFFSET_MAP_TEXT_MAX + 1];
    int64_t map_end = 0;
    size_t map_bytes = partition->commits_bare ? 0 : (size_t)tracker_map(partition->tracker, map, &map_end);
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
    partition->taken_leaving = partition->phase == PARTITION_LEAVING;
    partition->confirming = partition->wanted;
    partition->recommit = false;
    marks_take(&partition->marks, partition->tracker, map_end);
    tracker_commit_taken(partition->tracker);
    return 0;
}

static void give_back(struct consumer_partition *partition)
{
    partition->committing = OFFSET_NONE;
    marks_give_back(&partition->marks);
    tracker_commit_failed(partition->tracker);
}

/* What was taken, and not committed since. */
static void give_back_all(struct consumer *consumer)
{
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (partition->committing == OFFSET_NONE)
            continue;
        give_back(partition);
        consumer->commit.not_before_ms = consumer->now_ms + AGAIN_MS;
    }
}

/* ---- whose the commit is ---- */

/* Once it closes, librdkafka may have nobody left who answers what is asked here, and would wait for ever. */
static bool may_ask(const struct consumer *consumer)
{
    return consumer->close_step < CLOSE_CLOSING;
}

static bool read_membership(struct consumer *consumer, struct membership *membership)
{
    if (!may_ask(consumer))
        return false;
    rd_kafka_consumer_group_metadata_t *metadata = rd_kafka_consumer_group_metadata(consumer->rk);
    bool is_member = membership_read(membership, metadata);
    if (metadata != NULL)
        rd_kafka_consumer_group_metadata_destroy(metadata);
    return is_member;
}

/* Is it the member that it was at the last rebalance callback, so that what it has was dealt to this very one? Another one may
 * have had it in between (rebalance.c). Only a JoinGroup makes it another, so librdkafka is asked once after each: the
 * question wakes its main thread, and where that has a reason to join, a commit right behind the answer came too late for
 * its generation, each second time (join_watch.h). That the assignment is lost librdkafka tells without being woken, and before
 * its callback does: then the generation may be gone already, and without one a broker takes a commit while a group is empty. */
static bool is_same_member(struct consumer *consumer)
{
    unsigned joins = join_watch_joins(&consumer->join_watch);
    if (!may_ask(consumer) || rd_kafka_assignment_lost(consumer->rk))
        return false;
    if (joins != 0 && joins == consumer->joins)
        return true;
    char *member_id = rd_kafka_memberid(consumer->rk);
    join_watch_woken(&consumer->join_watch);
    bool same = member_id != NULL && consumer->member_id != NULL && strcmp(member_id, consumer->member_id) == 0;
    if (member_id != NULL)
        rd_kafka_mem_free(consumer->rk, member_id);
    consumer->joins = same ? joins : 0;
    return same;
}

static bool asks_for_confirmation(const struct consumer *consumer)
{
    for (const struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        if (list_entry(node, struct consumer_partition, node)->wanted != 0)
            return true;
    }
    return false;
}

/* Before and after the commit it was the same member in the same generation: so the commit was that member's. */
static bool was_member_throughout(struct consumer *consumer)
{
    struct membership now = {0};
    if (consumer->commit.membership.text == NULL)
        return false;
    read_membership(consumer, &now);
    bool same = membership_equals(&consumer->commit.membership, &now);
    membership_clear(&now);
    membership_clear(&consumer->commit.membership);
    return same;
}

rd_kafka_consumer_group_metadata_t *consumer_group_metadata(struct consumer *consumer)
{
    struct membership membership = {0};
    if (!is_same_member(consumer))
        return NULL;
    rd_kafka_consumer_group_metadata_t *metadata = rd_kafka_consumer_group_metadata(consumer->rk);
    bool is_member = membership_read(&membership, metadata);
    /* It may have joined anew since it was asked: then this is the other one's. */
    if (metadata != NULL && !(is_member && membership_is_of(&membership, consumer->member_id))) {
        rd_kafka_consumer_group_metadata_destroy(metadata);
        metadata = NULL;
    }
    membership_clear(&membership);
    return metadata;
}

/* NULL where there is nothing. */
static rd_kafka_topic_partition_list_t *take_all(struct consumer *consumer)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    membership_clear(&consumer->commit.membership);
    if (asks_for_confirmation(consumer))
        read_membership(consumer, &consumer->commit.membership);
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (!is_wanted(partition) || add(list, partition) == 0)
            continue;
        /* For want of memory: with a later commit. A transaction has the results of all of them, so it has to wait as well. */
        if (consumer->transactional) {
            give_back_all(consumer);
            while (list->cnt > 0)
                rd_kafka_topic_partition_list_del_by_idx(list, list->cnt - 1);
        }
        break;
    }
    consumer->commit.hurry = false;
    consumer->commit.next_ms = consumer->now_ms + consumer->commit_interval_ms;
    consumer->commit.in_flight = list->cnt > 0;
    if (list->cnt > 0)
        return list;
    rd_kafka_topic_partition_list_destroy(list);
    return NULL;
}

static bool is_due(struct consumer *consumer)
{
    if (consumer->commit.in_flight || consumer->fatal)
        return false;
    if (!consumer->commit.hurry && consumer->now_ms < consumer->commit.next_ms)
        return false;
    return consumer->now_ms >= consumer->commit.not_before_ms && !join_watch_is_joining(&consumer->join_watch);
}

void commit_serve(struct consumer *consumer)
{
    if (consumer->transactional || !is_due(consumer) || !is_same_member(consumer) ||
        join_watch_is_joining(&consumer->join_watch))
        return;
    rd_kafka_topic_partition_list_t *list = take_all(consumer);
    if (list == NULL)
        return;
    rd_kafka_resp_err_t err = rd_kafka_commit_queue(consumer->rk, list, consumer->replies, NULL, NULL);
    /* It fails only where there is no group or no queue. */
    assert(err == RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
}

static bool any_is_wanted(const struct consumer *consumer)
{
    for (const struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        if (is_wanted(list_entry(node, struct consumer_partition, node)))
            return true;
    }
    return false;
}

/* Where nothing is to be committed the next look is an interval later. */
bool consumer_wants_commit(struct consumer *consumer)
{
    if (!is_due(consumer))
        return false;
    if (any_is_wanted(consumer))
        return true;
    consumer->commit.hurry = false;
    consumer->commit.next_ms = consumer->now_ms + consumer->commit_interval_ms;
    return false;
}

rd_kafka_topic_partition_list_t *consumer_take_offsets(struct consumer *consumer)
{
    return consumer->commit.in_flight ? NULL : take_all(consumer);
}

int64_t commit_next_ms(const struct consumer *consumer)
{
    if (consumer->commit.in_flight || !any_is_wanted(consumer))
        return CLOCK_NEVER;
    int64_t next_ms = consumer->commit.hurry ? consumer->now_ms : consumer->commit.next_ms;
    next_ms = next_ms > consumer->commit.not_before_ms ? next_ms : consumer->commit.not_before_ms;
    int64_t joined_ms = consumer->now_ms + LOOK_EVERY_MS; /* no event tells that a join is over where nothing changes */
    return next_ms > joined_ms ? next_ms : joined_ms;
}

/* ---- answers ---- */

static void warn(struct consumer *consumer, const rd_kafka_topic_partition_t *at, rd_kafka_resp_err_t err)
{
    trouble_note(consumer, TROUBLE_OF_GROUP, "%s [%" PRId32 "] offset %" PRId64 " could not be committed: %s", at->topic,
                 at->partition, at->offset, rd_kafka_err2str(err));
    if (consumer->now_ms < consumer->commit.warned_ms + WARN_EVERY_MS)
        return;
    consumer->commit.warned_ms = consumer->now_ms;
    log_event(LOG_WARN, "commit_failed", "%s [%" PRId32 "] offset %" PRId64 " could not be committed, trying again: %s",
              at->topic, at->partition, at->offset, rd_kafka_err2str(err));
}

/* A member that goes on in another generation is refused, too, where the transaction began before: no eviction, unless the
 * revoke was known by then, since nothing but an eviction ends a generation whose revoke is open. */
static bool is_evicted(const struct consumer *consumer, const struct consumer_partition *partition,
                       rd_kafka_resp_err_t err)
{
    return (err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || err == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION) &&
           (!consumer->transactional || partition->taken_leaving);
}

static void take_failure(struct consumer *consumer, struct consumer_partition *partition,
                         const rd_kafka_topic_partition_t *at, rd_kafka_resp_err_t err)
{
    give_back(partition);
    if (err == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE && consumer->strict) {
        trouble_fatal(consumer, "%s [%" PRId32 "]: the broker takes no commit metadata of %zu bytes, which says what is done beyond "
                      "the committed offset; without it results-guarantee=exactly-once and kickoff-guarantee=at-most-once would "
                      "be broken by a restart: raise the broker's offset.metadata.max.bytes to %d", at->topic, at->partition,
                      at->metadata_size, OFFSET_MAP_TEXT_MAX);
        return;
    }
    if (err == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE && !partition->commits_bare) {
        partition->commits_bare = true;
        commit_hurry(consumer);
        log_event(LOG_WARN, "commit_metadata_refused", "%s [%" PRId32 "]: the broker takes no commit metadata of %zu bytes "
                  "(its offset.metadata.max.bytes): only offsets are committed from now on, so after a restart finished "
                  "runs beyond them start again", at->topic, at->partition, at->metadata_size);
        return;
    }
    consumer->commit.not_before_ms = consumer->now_ms + AGAIN_MS;
    if (partition->wanted != 0)
        commit_hurry(consumer); /* somebody waits for it */
    partition->evicted = is_evicted(consumer, partition, err);
    if (!trouble_is_fatal(consumer, err, rd_kafka_err2str(err), at->topic))
        warn(consumer, at, err);
}

static void take_success(struct consumer *consumer, struct consumer_partition *partition, bool may_confirm)
{
    const struct consumer_hooks *hooks = &consumer->hooks;
    struct marks accepted;
    uint64_t ticket = may_confirm ? partition->confirming : 0;
    partition->committed = partition->committing;
    partition->committing = OFFSET_NONE;
    partition->evicted = false;
    if (ticket != 0 && partition->wanted == ticket)
        partition->wanted = 0;
    marks_accept(&partition->marks, &accepted);
    if (accepted.n > 0)
        hooks->committed(partition->assignment, accepted.mark, accepted.n, hooks->opaque);
    marks_clear(&accepted);
    if (ticket != 0 && hooks->confirmed != NULL)
        hooks->confirmed(partition->assignment, ticket, hooks->opaque);
}

void consumer_offsets_settled(struct consumer *consumer, const rd_kafka_topic_partition_list_t *offsets,
                              rd_kafka_resp_err_t err)
{
    bool may_confirm = was_member_throughout(consumer) && !rd_kafka_assignment_lost(consumer->rk);
    consumer->commit.in_flight = false;
    bool failed = err != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!failed)
        trouble_over(consumer);
    for (int i = 0; offsets != NULL && i < offsets->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &offsets->elems[i];
        struct consumer_partition *partition = partition_find(consumer, at->topic, at->partition);
        /* Gone since, or come back since under another epoch, which is not in this commit. */
        if (partition == NULL || partition->committing == OFFSET_NONE)
            continue;
        rd_kafka_resp_err_t its_err = at->err != RD_KAFKA_RESP_ERR_NO_ERROR ? at->err : err;
        if (its_err != RD_KAFKA_RESP_ERR_NO_ERROR)
            take_failure(consumer, partition, at, its_err);
        else
            take_success(consumer, partition, may_confirm);
        failed = failed || its_err != RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    metrics_add(consumer->shard, METRIC_COMMITS_TOTAL, failed ? METRIC_COMMIT_FAILED : METRIC_COMMIT_ACCEPTED, 1);
    give_back_all(consumer); /* of an answer without a list, or without some of the partitions */
}

void commit_answer(struct consumer *consumer, rd_kafka_event_t *event)
{
    consumer_offsets_settled(consumer, rd_kafka_event_topic_partition_list(event), rd_kafka_event_error(event));
}
