/* consumer_stage: a mock cluster, and workers of a kind on it: a consumer, and jobs that a test finishes as it likes.
 *
 * For the test files of the consumer. One thread; nothing waits but stage_turn_until, on the eventfds, with a deadline. */
#ifndef RXP_TESTS_CONSUMER_STAGE_H
#define RXP_TESTS_CONSUMER_STAGE_H

#include "base/clock.h"
#include "base/mailbox.h"
#include "kafka/consumer.h"
#include "ops/log.h"
#include "support/check_main.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
/* librdkafka counts references with atomic operations that ThreadSanitizer does not see, Debian's being built without it:
 * what the last holder frees seems to be raced for. And a consumer whose topic was deleted is left behind. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:librdkafka.so\nthread:consumer_new\n";
}
#endif

enum { STAGE_DEADLINE_MS = 40000, STAGE_PARTITIONS = 4, STAGE_OFFSETS = 40000, STAGE_SIDES = 2, STAGE_EPOCHS = 64 };
enum { STAGE_TAGS = 128 };
enum { API_FETCH = 1, API_COMMIT = 8, API_OFFSET_FETCH = 9, API_JOIN = 11, API_HEARTBEAT = 12, API_SYNC = 14 };

#define STAGE_TOPIC "in"
#define STAGE_GROUP "workers"

struct stage_job {
    struct ref ref;
};

struct side {
    struct stage *stage;
    bool keeps_back;             /* calls no consumer_restored by itself */
    struct assignment *assigned; /* the last one that hooks.assigned told of, held */
    size_t assigns;
    size_t runnings;
    bool epoch_over[STAGE_EPOCHS];
    unsigned char told[STAGE_PARTITIONS][STAGE_TAGS]; /* how often a tag came back, which is an offset, or + 64 */
    uint64_t confirmed;
    struct consumer *consumer;
    int event_fd;
    int max_messages; /* a turn */
    bool finish_at_once;
    int hold_every; /* holds from within the message hook, each so many; released by the next turn */
    struct stage_job *jobs; /* in the order of delivery */
    size_t n_jobs;
    size_t room_jobs;
    size_t delivered;
    size_t revoked;
    size_t lost;
    size_t over;
    size_t holds;
    size_t fatal;
    char reason[1024];
    int64_t last_offset[STAGE_EPOCHS]; /* by epoch */
    uint64_t epochs;
    struct consumer_counts counts;
};

struct stage {
    rd_kafka_t *owner;
    rd_kafka_mock_cluster_t *cluster;
    char brokers[256];
    rd_kafka_t *eye; /* reads what the group has committed */
    struct side sides[STAGE_SIDES];
    unsigned char seen[STAGE_PARTITIONS][STAGE_OFFSETS]; /* how often the hook was given it */
};

/* ---- the mock cluster ---- */

static inline void stage_open(struct stage *stage)
{
    char why[256];
    memset(stage, 0, sizeof *stage);
    if (getenv("STAGE_DEBUG") != NULL) /* for who looks for the reason of a failure: librdkafka's debug contexts */
        log_set_level(LOG_DEBUG);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    stage->owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    ck_assert_msg(stage->owner != NULL, "%s", why);
    stage->cluster = rd_kafka_mock_cluster_new(stage->owner, 1);
    ck_assert_ptr_nonnull(stage->cluster);
    snprintf(stage->brokers, sizeof stage->brokers, "%s", rd_kafka_mock_cluster_bootstraps(stage->cluster));
}

static inline void stage_make_topic(struct stage *stage, int partitions)
{
    ck_assert_int_eq(rd_kafka_mock_topic_create(stage->cluster, STAGE_TOPIC, partitions, 1), 0);
}

/* n messages of so many bytes into each partition. */
static inline void stage_fill(struct stage *stage, int partitions, int n, size_t bytes)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", stage->brokers, why, sizeof why);
    rd_kafka_conf_set(conf, "linger.ms", "5", why, sizeof why);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    ck_assert_msg(producer != NULL, "%s", why);
    char *value = calloc(1, bytes);
    for (int i = 0; i < n; i++) {
        for (int p = 0; p < partitions; p++)
            ck_assert_int_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(STAGE_TOPIC), RD_KAFKA_V_PARTITION(p),
                                               RD_KAFKA_V_VALUE(value, bytes),
                                               RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK),
                                               RD_KAFKA_V_END),
                             0);
    }
    ck_assert_int_eq(rd_kafka_flush(producer, STAGE_DEADLINE_MS), 0);
    rd_kafka_destroy(producer);
    free(value);
}

static inline rd_kafka_t *stage_eye(struct stage *stage)
{
    char why[256];
    if (stage->eye == NULL) {
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        rd_kafka_conf_set(conf, "bootstrap.servers", stage->brokers, why, sizeof why);
        rd_kafka_conf_set(conf, "group.id", STAGE_GROUP, why, sizeof why);
        stage->eye = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
        ck_assert_msg(stage->eye != NULL, "%s", why);
    }
    return stage->eye;
}

/* What the group has committed; -1: nothing. metadata may be NULL. */
static inline int64_t stage_committed(struct stage *stage, int partition, char metadata[8192])
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, STAGE_TOPIC, partition);
    ck_assert_int_eq(rd_kafka_committed(stage_eye(stage), list, STAGE_DEADLINE_MS), 0);
    int64_t offset = list->elems[0].offset >= 0 ? list->elems[0].offset : -1;
    if (metadata != NULL)
        snprintf(metadata, 8192, "%.*s", (int)list->elems[0].metadata_size,
                 list->elems[0].metadata_size > 0 ? (const char *)list->elems[0].metadata : "");
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

/* As if some worker had committed it. */
static inline void stage_commit(struct stage *stage, int partition, int64_t offset, const char *metadata)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, STAGE_TOPIC, partition);
    at->offset = offset;
    if (metadata != NULL) {
        at->metadata = strdup(metadata);
        at->metadata_size = strlen(metadata);
    }
    ck_assert_int_eq(rd_kafka_commit(stage_eye(stage), list, 0), 0);
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- the hooks ---- */

static inline void side_keep_job(struct side *side, struct assignment *assignment, int64_t offset)
{
    if (side->n_jobs == side->room_jobs) {
        side->room_jobs = side->room_jobs > 0 ? side->room_jobs * 2 : 1024;
        side->jobs = realloc(side->jobs, side->room_jobs * sizeof *side->jobs);
        ck_assert_ptr_nonnull(side->jobs);
    }
    side->jobs[side->n_jobs++] =
        (struct stage_job){.ref = {.assignment = assignment_hold(assignment), .offset = offset}};
}

static inline void side_on_message(struct assignment *assignment, const rd_kafka_message_t *message, void *opaque)
{
    struct side *side = opaque;
    ck_assert(tenure_read(&assignment->tenure) == TENURE_HELD);
    ck_assert_str_eq(assignment->topic, STAGE_TOPIC);
    ck_assert_int_eq(assignment->partition, message->partition);
    ck_assert_uint_lt(assignment->epoch, STAGE_EPOCHS);
    ck_assert_int_lt(message->offset, STAGE_OFFSETS);
    while (side->epochs < assignment->epoch)
        side->last_offset[++side->epochs] = -1;
    ck_assert_msg(message->offset > side->last_offset[assignment->epoch], "offset %d after %d",
                  (int)message->offset, (int)side->last_offset[assignment->epoch]);
    side->last_offset[assignment->epoch] = message->offset;
    side->stage->seen[message->partition][message->offset]++;
    side->delivered++;
    ck_assert(side->holds == 0 || side->hold_every > 0);
    if (side->finish_at_once)
        consumer_done(side->consumer, &(struct ref){.assignment = assignment, .offset = message->offset}, NULL, 0);
    else
        side_keep_job(side, assignment, message->offset);
    if (side->hold_every > 0 && side->delivered % (size_t)side->hold_every == 0) {
        side->holds++;
        consumer_hold(side->consumer, true);
    }
}

static inline void side_on_leaving(struct assignment *assignment, enum leaving leaving, void *opaque)
{
    struct side *side = opaque;
    switch (leaving) {
    case LEAVING_REVOKED:
        ck_assert(tenure_read(&assignment->tenure) != TENURE_HELD);
        side->revoked++;
        break;
    case LEAVING_LOST:
        ck_assert(tenure_read(&assignment->tenure) != TENURE_HELD);
        side->lost++;
        if (side->assigned == assignment) { /* or it would be in its heir's way */
            assignment_release(assignment);
            side->assigned = NULL;
        }
        break;
    case LEAVING_OVER:
        ck_assert(tenure_read(&assignment->tenure) == TENURE_OVER);
        side->over++;
        ck_assert(!side->epoch_over[assignment->epoch]); /* once */
        side->epoch_over[assignment->epoch] = true;
        break;
    }
}

static inline void side_on_assigned(struct assignment *assignment, void *opaque)
{
    struct side *side = opaque;
    ck_assert(tenure_read(&assignment->tenure) != TENURE_OVER);
    assignment_release(side->assigned);
    side->assigned = assignment_hold(assignment);
    side->assigns++;
    if (!side->keeps_back)
        consumer_restored(side->consumer, assignment);
}

static inline void side_on_running(struct assignment *assignment, void *opaque)
{
    struct side *side = opaque;
    ck_assert(tenure_read(&assignment->tenure) == TENURE_HELD);
    side->runnings++;
}

static inline void side_on_committed(struct assignment *assignment, const struct consumer_mark *marks, size_t n,
                                     void *opaque)
{
    struct side *side = opaque;
    ck_assert_ptr_nonnull(assignment->own);
    ck_assert_uint_gt(n, 0);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_lt(marks[i].tag, STAGE_TAGS);
        ck_assert_int_eq((int64_t)marks[i].tag % 64, marks[i].offset);
        ck_assert(consumer_is_done(side->consumer, &(struct ref){assignment, marks[i].offset}));
        side->told[assignment->partition][marks[i].tag]++;
    }
}

static inline void side_on_confirmed(struct assignment *assignment, uint64_t ticket, void *opaque)
{
    struct side *side = opaque;
    ck_assert_ptr_nonnull(assignment->own);
    ck_assert_uint_gt(ticket, side->confirmed);
    side->confirmed = ticket;
}

static inline void side_on_fatal(const char *reason, void *opaque)
{
    struct side *side = opaque;
    side->fatal++;
    snprintf(side->reason, sizeof side->reason, "%s", reason);
}

/* ---- sides ---- */

struct side_wish {
    const char *brokers;         /* NULL: the cluster's */
    int64_t handover_ms;         /* 0: 10 s */
    int64_t write_ms;            /* 0: as handover_ms */
    const char *max_poll_ms;     /* NULL: librdkafka's default */
    int64_t missing_topic_ms;    /* 0: 30 s */
    int64_t commit_interval_ms;  /* 0: 50 ms */
    bool restores;               /* with hooks.assigned */
    bool keeps_back;             /* and what it waits for is the test's to give */
    bool transactional;
    bool strict;
    const char *group_instance_id;
    struct metrics_shard *shard;
};

static inline struct side *side_open(struct stage *stage, int number, const struct side_wish *wish)
{
    static const char *const topics[] = {STAGE_TOPIC};
    struct kafka_property properties[] = {
        {"fetch.wait.max.ms", "10"},       {"heartbeat.interval.ms", "100"}, {"session.timeout.ms", "6000"},
        {"topic.metadata.refresh.interval.ms", "300"}, {"reconnect.backoff.max.ms", "200"},
        {"max.poll.interval.ms", wish->max_poll_ms != NULL ? wish->max_poll_ms : "300000"},
        {"debug", getenv("STAGE_DEBUG")},
    };
    char why[512];
    struct side *side = &stage->sides[number];
    *side = (struct side){.stage = stage, .event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .max_messages = 1000};
    struct consumer_config config = {
        .settings = {.bootstrap_servers = wish->brokers != NULL ? wish->brokers : stage->brokers,
                     .group_id = STAGE_GROUP,
                     .group_instance_id = wish->group_instance_id,
                     .properties = properties,
                     .n_properties = sizeof properties / sizeof *properties - (getenv("STAGE_DEBUG") == NULL)},
        .topics = topics,
        .n_topics = 1,
        .commit_interval_ms = wish->commit_interval_ms > 0 ? wish->commit_interval_ms : 50,
        .handover_ms = wish->handover_ms > 0 ? wish->handover_ms : 10000,
        .write_ms = wish->write_ms,
        .missing_topic_ms = wish->missing_topic_ms > 0 ? wish->missing_topic_ms : 30000,
        .transactional = wish->transactional,
        .strict = wish->strict,
        .event_fd = side->event_fd,
        .shard = wish->shard,
    };
    struct consumer_hooks hooks = {
        .message = side_on_message,
        .assigned = wish->restores || wish->keeps_back ? side_on_assigned : NULL,
        .running = side_on_running,
        .leaving = side_on_leaving,
        .committed = side_on_committed,
        .confirmed = side_on_confirmed,
        .fatal = side_on_fatal,
        .opaque = side,
    };
    side->keeps_back = wish->keeps_back;
    side->consumer = consumer_new(&config, &hooks, why, sizeof why);
    ck_assert_msg(side->consumer != NULL, "%s", why);
    return side;
}

static inline void side_finish(struct side *side, size_t i)
{
    consumer_done(side->consumer, &side->jobs[i].ref, NULL, 0);
    assignment_release(side->jobs[i].ref.assignment);
    memmove(&side->jobs[i], &side->jobs[i + 1], (side->n_jobs - i - 1) * sizeof *side->jobs);
    side->n_jobs--;
}

/* Of those that have the partition and offset; false where there is none. */
static inline bool side_finish_offset(struct side *side, int partition, int64_t offset)
{
    for (size_t i = 0; i < side->n_jobs; i++) {
        const struct ref *ref = &side->jobs[i].ref;
        if (ref->assignment->partition == partition && ref->offset == offset) {
            side_finish(side, i);
            return true;
        }
    }
    return false;
}

/* The same with n of the tags OFFSET and OFFSET + 64. */
static inline void side_finish_tagged(struct side *side, int partition, int64_t offset, size_t n)
{
    const uint64_t tags[] = {(uint64_t)offset, (uint64_t)offset + 64};
    ck_assert_int_lt(offset, 64);
    for (size_t i = 0; i < side->n_jobs; i++) {
        struct ref ref = side->jobs[i].ref;
        if (ref.assignment->partition != partition || ref.offset != offset)
            continue;
        ck_assert(!consumer_is_done(side->consumer, &ref));
        consumer_done(side->consumer, &ref, tags, n);
        ck_assert(consumer_is_done(side->consumer, &ref));
        side_finish(side, i);
        return;
    }
    ck_abort_msg("no job has [%d] offset %d", partition, (int)offset);
}

static inline void side_finish_all(struct side *side)
{
    for (size_t i = 0; i < side->n_jobs; i++) {
        consumer_done(side->consumer, &side->jobs[i].ref, NULL, 0);
        assignment_release(side->jobs[i].ref.assignment);
    }
    side->n_jobs = 0;
}

static inline void side_forget_jobs(struct side *side)
{
    for (size_t i = 0; i < side->n_jobs; i++)
        assignment_release(side->jobs[i].ref.assignment);
    side->n_jobs = 0;
}

/* As worker.c does. */
static inline int64_t side_turn(struct side *side)
{
    int64_t now_ms = clock_mono_ms();
    int64_t next_ms = CLOCK_NEVER;
    mailbox_drain_fd(side->event_fd);
    if (side->holds > 0) {
        side->holds = 0;
        consumer_hold(side->consumer, false);
    }
    bool more = consumer_turn(side->consumer, side->max_messages, now_ms, &next_ms);
    consumer_read_counts(side->consumer, &side->counts);
    return more || side->holds > 0 ? now_ms : next_ms;
}

/* Turns all sides until it is so. The sides sleep on their eventfds, at most until the time that they want. */
typedef bool (*stage_until_fn)(struct stage *stage);
static inline void stage_turn_until(struct stage *stage, stage_until_fn is_so, const char *what)
{
    int64_t give_up_ms = clock_mono_ms() + STAGE_DEADLINE_MS;
    for (;;) {
        struct pollfd fds[STAGE_SIDES];
        nfds_t n = 0;
        int64_t next_ms = give_up_ms;
        for (int i = 0; i < STAGE_SIDES; i++) {
            struct side *side = &stage->sides[i];
            if (side->consumer == NULL)
                continue;
            int64_t side_ms = side_turn(side);
            next_ms = side_ms < next_ms ? side_ms : next_ms;
            fds[n++] = (struct pollfd){.fd = side->event_fd, .events = POLLIN};
        }
        if (is_so(stage))
            return;
        int64_t now_ms = clock_mono_ms();
        ck_assert_msg(now_ms < give_up_ms,
                      "not in time: %s; side 0: %zu delivered, %zu jobs, %zu revoked, %zu lost, fatal '%s'; side 1: %zu "
                      "delivered, %zu jobs", what, stage->sides[0].delivered, stage->sides[0].n_jobs,
                      stage->sides[0].revoked, stage->sides[0].lost, stage->sides[0].reason, stage->sides[1].delivered,
                      stage->sides[1].n_jobs);
        int64_t wait_ms = next_ms > now_ms ? next_ms - now_ms : 0;
        poll(fds, n, (int)(wait_ms < 1000 ? wait_ms : 1000));
    }
}
#define TURN_UNTIL(stage, is_so) stage_turn_until(stage, is_so, #is_so)

static inline void side_free(struct side *side)
{
    if (side->consumer == NULL)
        return;
    consumer_free(side->consumer);
    side->consumer = NULL;
    assignment_release(side->assigned);
    side->assigned = NULL;
    side_forget_jobs(side);
    free(side->jobs);
    side->jobs = NULL;
    close(side->event_fd);
}

static inline bool side_is_closed(struct stage *stage)
{
    for (int i = 0; i < STAGE_SIDES; i++) {
        if (stage->sides[i].consumer != NULL && !consumer_is_closed(stage->sides[i].consumer))
            return false;
    }
    return true;
}

/* Closes all sides as the worker leaves. */
static inline void stage_leave(struct stage *stage)
{
    for (int i = 0; i < STAGE_SIDES; i++) {
        if (stage->sides[i].consumer != NULL)
            consumer_begin_close(stage->sides[i].consumer, clock_mono_ms());
    }
    TURN_UNTIL(stage, side_is_closed);
    for (int i = 0; i < STAGE_SIDES; i++)
        side_free(&stage->sides[i]);
}

static inline void stage_close(struct stage *stage)
{
    for (int i = 0; i < STAGE_SIDES; i++)
        side_free(&stage->sides[i]);
    if (stage->eye != NULL)
        rd_kafka_destroy(stage->eye);
    rd_kafka_mock_cluster_destroy(stage->cluster);
    rd_kafka_destroy(stage->owner);
}

/* Every offset below n of the first partitions was delivered exactly so many times. */
static inline void stage_expect_seen(const struct stage *stage, int partitions, int n, int times)
{
    for (int p = 0; p < partitions; p++) {
        for (int i = 0; i < n; i++)
            ck_assert_msg(stage->seen[p][i] == times, "[%d] offset %d came %d times", p, i, stage->seen[p][i]);
    }
}

#endif
