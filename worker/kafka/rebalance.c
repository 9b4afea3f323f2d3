#include "base/clock.h"
#include "kafka/consumer_inside.h"
#include "ops/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The last commit of a revoked partition is awaited for so long. That an assignment is lost is told by no event. */
enum { LAST_COMMIT_MS = 5000, LOOK_EVERY_MS = 100 };

/* librdkafka takes the first unassign after its revoke callback, and the first assign after its assign callback, for
 * the answer, whether it comes from within or later. A revoke's is given by a later turn, an assign's at once. */

static void unassign(struct consumer *consumer, const rd_kafka_topic_partition_list_t *partitions)
{
    rd_kafka_error_t *error = rd_kafka_incremental_unassign(consumer->rk, partitions);
    if (error != NULL) {
        log_event(LOG_WARN, "unassign_failed", "%d partitions could not be given back properly, they count as gone: %s",
                  partitions->cnt, rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
}

static void lose(struct consumer *consumer, const rd_kafka_topic_partition_list_t *partitions)
{
    int n = 0;
    for (int i = 0; i < partitions->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &partitions->elems[i];
        struct consumer_partition *partition = partition_find(consumer, at->topic, at->partition);
        if (partition == NULL)
            continue; /* lost before */
        partition_lose(consumer, partition);
        n++;
    }
    if (n > 0)
        log_event(LOG_WARN, "partitions_lost", "%d partitions are lost (the group went on without this worker): nothing "
                  "more is committed for them, whoever has them goes on with their runs, from their checkpoints where there "
                  "are such", n);
    consumer->joined = false;
    unassign(consumer, partitions);
}

/* Fetching is to begin at the log's beginning, but paused: where it really begins is set by restore.c. With a place given
 * librdkafka does not read the committed offset, too. A number would have to lie in the log, or the fetcher stops before it
 * is paused; and from the log's end a mishap would pass messages over, while of what lies before its frontier the tracker
 * knows that it is done. */
static void take(struct consumer *consumer, const rd_kafka_topic_partition_list_t *partitions)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(partitions);
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *at = &list->elems[i];
        at->offset = RD_KAFKA_OFFSET_BEGINNING;
        struct consumer_partition *partition = partition_find(consumer, at->topic, at->partition);
        if (partition != NULL)
            partition_lose(consumer, partition);
        partition = partition_add(consumer, at->topic, at->partition);
        if (partition == NULL)
            trouble_fatal(consumer, "no memory for partition %s [%" PRId32 "], or the group's leader gave it to a worker "
                          "that does not read this topic; all workers of a group must name the same topics", at->topic,
                          at->partition);
        else
            trouble_topic_seen(consumer, partition->topic);
    }
    consumer->joined = consumer->claims == CLAIMS_TRUE;
    consumer->was_assigned = true;
    consumer->read.wanted = consumer->read.wanted || list->cnt > 0;
    if (consumer->rejoin_follows)
        join_watch_expect(&consumer->join_watch);
    consumer->rejoin_follows = false;
    rd_kafka_error_t *error = rd_kafka_incremental_assign(consumer->rk, list);
    if (error != NULL) {
        trouble_fatal(consumer, "%d partitions that the group gave to this worker could not be taken: %s", list->cnt,
                      rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
    partition_apply_pauses(consumer);
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- another member ---- */

static bool is_listed(const struct consumer_partition *partition, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].partition == partition->assignment->partition &&
            strcmp(list->elems[i].topic, partition->topic->name) == 0)
            return true;
    }
    return false;
}

/* A member that the group gives up while a revoke is open does not lose what is not being revoked, as librdkafka sees it; but
 * nobody knows who had it since. */
static void lose_kept(struct consumer *consumer, const rd_kafka_topic_partition_list_t *partitions)
{
    struct list *next;
    int n = 0;
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        next = node->next;
        if (partition->phase == PARTITION_LEAVING || is_listed(partition, partitions))
            continue;
        partition_lose(consumer, partition);
        n++;
    }
    if (n == 0)
        return;
    log_event(LOG_WARN, "partitions_lost", "%d partitions are lost: the group had given this worker up while it handed others "
              "over, and others may have had them since: nothing more is committed for them, and the group is joined again "
              "without them", n);
    claims_refuse(consumer);
}

enum member { MEMBER_SAME, MEMBER_OTHER, MEMBER_NONE };

/* Is this the member of the last callback? One that was given up while a revoke was open is not, nor has it an id before it has
 * joined again; what is not among these partitions it has kept. */
static enum member see_member(struct consumer *consumer, const rd_kafka_topic_partition_list_t *partitions)
{
    enum member seen = MEMBER_SAME;
    char *member_id = rd_kafka_memberid(consumer->rk);
    bool is_none = member_id == NULL || member_id[0] == '\0';
    bool is_first = consumer->member_id == NULL;
    if (is_none)
        seen = MEMBER_NONE;
    else if (!is_first && strcmp(member_id, consumer->member_id) != 0)
        seen = MEMBER_OTHER;
    if (seen != MEMBER_SAME)
        lose_kept(consumer, partitions);
    if (!is_none && (is_first || seen == MEMBER_OTHER)) {
        if (!is_first)
            rd_kafka_mem_free(consumer->rk, consumer->member_id);
        consumer->member_id = member_id;
        consumer->joins = 0;
    } else if (member_id != NULL) {
        rd_kafka_mem_free(consumer->rk, member_id);
    }
    return seen;
}

static void note_revoke(struct consumer *consumer, const rd_kafka_topic_partition_list_t *partitions)
{
    if (partitions->cnt == 0) {
        unassign(consumer, partitions);
        return;
    }
    struct revoke *revoke = calloc(1, sizeof *revoke);
    if (revoke == NULL) {
        lose(consumer, partitions);
        return;
    }
    for (int i = 0; i < partitions->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &partitions->elems[i];
        struct consumer_partition *partition = partition_find(consumer, at->topic, at->partition);
        if (partition != NULL)
            partition_begin_leaving(consumer, partition);
    }
    revoke->partitions = rd_kafka_topic_partition_list_copy(partitions);
    revoke->ends_ms = consumer->now_ms + consumer->handover_ms;
    revoke->writes_end_ms = consumer->now_ms + consumer->write_ms;
    list_push(&consumer->revokes, &revoke->node);
    partition_apply_pauses(consumer);
}

void rebalance_callback(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions,
                        void *opaque)
{
    struct consumer *consumer = opaque;
    join_watch_over(&consumer->join_watch);
    log_event(LOG_DEBUG, "rebalance", "%s, %d partitions", rd_kafka_err2name(err), partitions->cnt);
    enum member member = see_member(consumer, partitions);
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        trouble_over(consumer);
        /* Dealt to the member that it was. Where that is nothing, nothing is claimed that it has not got: librdkafka joins again by
         * itself, and until its next callback the worker counts as joined, which costs no more than the line group_wait. */
        if (member == MEMBER_NONE && partitions->cnt > 0)
            claims_refuse(consumer);
        take(consumer, partitions);
    } else if (err == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS && member == MEMBER_SAME && !rd_kafka_assignment_lost(rk)) {
        note_revoke(consumer, partitions);
    } else {
        if (err != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
            log_event(LOG_WARN, "rebalance_failed", "the group's rebalance failed: %s", rd_kafka_err2str(err));
        lose(consumer, partitions);
    }
}

/* ---- later turns ---- */

void revoke_free(struct revoke *revoke)
{
    list_remove(&revoke->node);
    rd_kafka_topic_partition_list_destroy(revoke->partitions);
    free(revoke);
}

static struct consumer_partition *revoked_at(struct consumer *consumer, const struct revoke *revoke, int i)
{
    const rd_kafka_topic_partition_t *at = &revoke->partitions->elems[i];
    struct consumer_partition *partition = partition_find(consumer, at->topic, at->partition);
    return partition != NULL && partition->phase == PARTITION_LEAVING ? partition : NULL;
}

/* Does nobody but the consumer hold any of its assignments, and is what was to be written for them? */
static bool is_quiet(struct consumer *consumer, const struct revoke *revoke)
{
    for (int i = 0; i < revoke->partitions->cnt; i++) {
        const struct consumer_partition *partition = revoked_at(consumer, revoke, i);
        if (partition != NULL && !assignment_is_quiet(partition->assignment, 1))
            return false;
    }
    return true;
}

static bool is_written(struct consumer *consumer, const struct revoke *revoke)
{
    for (int i = 0; i < revoke->partitions->cnt; i++) {
        const struct consumer_partition *partition = revoked_at(consumer, revoke, i);
        if (partition != NULL && atomic_load(&partition->assignment->writes) > 0)
            return false;
    }
    return true;
}

static bool is_committed(struct consumer *consumer, const struct revoke *revoke)
{
    for (int i = 0; i < revoke->partitions->cnt; i++) {
        const struct consumer_partition *partition = revoked_at(consumer, revoke, i);
        if (partition != NULL && !commit_is_settled(partition))
            return false;
    }
    return true;
}

static void seal(struct consumer *consumer, struct revoke *revoke)
{
    revoke->sealed = true;
    revoke->commit_ends_ms = consumer->now_ms + LAST_COMMIT_MS;
    for (int i = 0; i < revoke->partitions->cnt; i++) {
        struct consumer_partition *partition = revoked_at(consumer, revoke, i);
        if (partition == NULL)
            continue;
        partition->sealed = true;
        tenure_end(consumer, partition->assignment);
    }
}

static void hand_over(struct consumer *consumer, struct revoke *revoke)
{
    for (int i = 0; i < revoke->partitions->cnt; i++) {
        struct consumer_partition *partition = revoked_at(consumer, revoke, i);
        if (partition == NULL)
            continue;
        const char *topic = partition->topic->name;
        int32_t number = partition->assignment->partition;
        size_t writes = atomic_load(&partition->assignment->writes);
        if (writes > 0)
            log_event(LOG_WARN, "checkpoints_unwritten", "%s [%" PRId32 "]: %zu checkpoints were not acknowledged in time, so "
                      "that runs may start again elsewhere", topic, number, writes);
        if (partition->tracker == NULL)
            log_event(LOG_INFO, "partition_left", "%s [%" PRId32 "]: nothing of it was taken", topic, number);
        else
            log_event(commit_is_settled(partition) ? LOG_INFO : LOG_WARN, "partition_left", "%s [%" PRId32
                      "]: committed offset %" PRId64 ", %zu runs were not finished%s", topic, number,
                      partition->committed, tracker_in_flight(partition->tracker),
                      commit_is_settled(partition) ? "" : "; its last commit was not answered in time, so that finished "
                                                          "runs may start again, or be resumed, elsewhere");
        partition_remove(consumer, partition);
    }
    consumer->rejoin_follows = true;
    unassign(consumer, revoke->partitions);
}

/* A heartbeat was answered that nobody knows it, so that it has no id. It does not join before the revoke is over, so the question
 * keeps no commit from its generation (join_watch.h). */
static bool is_given_up(struct consumer *consumer, struct revoke *revoke)
{
    if (consumer->close_step != CLOSE_NOT || consumer->now_ms < revoke->look_ms)
        return false;
    revoke->look_ms = consumer->now_ms + LOOK_EVERY_MS;
    char *member_id = rd_kafka_memberid(consumer->rk);
    bool is_none = member_id == NULL || member_id[0] == '\0';
    if (member_id != NULL)
        rd_kafka_mem_free(consumer->rk, member_id);
    return is_none;
}

/* While a revoke is open librdkafka itself does not say that the assignment is lost (2.0.2), but for the session's
 * time-out. */
static bool is_lost(struct consumer *consumer, struct revoke *revoke)
{
    if (rd_kafka_assignment_lost(consumer->rk) || is_given_up(consumer, revoke))
        return true;
    for (int i = 0; i < revoke->partitions->cnt; i++) {
        const struct consumer_partition *partition = revoked_at(consumer, revoke, i);
        if (partition != NULL && partition->evicted)
            return true;
    }
    return false;
}

/* Has the revoke come to its end? */
static bool revoke_step(struct consumer *consumer, struct revoke *revoke)
{
    bool closing = consumer->close_step != CLOSE_NOT;
    bool writes = !closing && consumer->now_ms < revoke->writes_end_ms && !is_written(consumer, revoke);
    if (!revoke->sealed) {
        if (writes || (!closing && consumer->now_ms < revoke->ends_ms && !is_quiet(consumer, revoke)))
            return false;
        seal(consumer, revoke);
    }
    if (!is_committed(consumer, revoke) && consumer->now_ms < revoke->commit_ends_ms && !consumer->fatal) {
        commit_hurry(consumer);
        return false;
    }
    if (writes)
        return false;
    hand_over(consumer, revoke);
    return true;
}

void rebalance_serve(struct consumer *consumer)
{
    while (!list_is_empty(&consumer->revokes)) {
        struct revoke *revoke = list_entry(consumer->revokes.next, struct revoke, node);
        /* revoke_free takes the one that it frees out of the list, which the analyzer does not see. */
        if (is_lost(consumer, revoke)) { // NOLINT(clang-analyzer-unix.Malloc)
            lose_kept(consumer, revoke->partitions);
            lose(consumer, revoke->partitions);
        } else if (!revoke_step(consumer, revoke)) {
            return;
        }
        revoke_free(revoke);
    }
}

int64_t rebalance_next_ms(const struct consumer *consumer)
{
    if (list_is_empty(&consumer->revokes))
        return CLOCK_NEVER;
    return consumer->now_ms + LOOK_EVERY_MS;
}
