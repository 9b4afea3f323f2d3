/* ledger_stage: a ledger between a publisher and a checkpoints topic that are the test's: these definitions stand in for those
 * of kafka/publisher.c and kafka/checkpoints.c, which are therefore not linked.
 *
 * Included once in a test program. */
#ifndef RXP_TESTS_LEDGER_STAGE_H
#define RXP_TESTS_LEDGER_STAGE_H

#include "base/clock.h"
#include "base/mailbox.h"
#include "core/ledger.h"
#include "engine/awake.h"
#include "kafka/checkpoint_key.h"
#include "kafka/checkpoint_table.h"
#include "kafka/checkpoints.h"
#include "support/check_main.h"
#include "support/job_stage.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SENT_MAX 20000
#define GROUP "group/7"
#define TOPIC "in"

struct sent {
    char topic[32];
    int32_t partition;
    bool alone;
    char key[300];
    char *value; /* NULL: a tombstone */
    struct parcel *parcel;
};

/* Under the lock: what loop threads touch. */
static struct {
    pthread_mutex_t lock;
    enum publisher_send answer;
    struct sent sent[SENT_MAX];
    size_t n;
} post = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct {
    struct checkpoints_config config;
    struct checkpoints_hooks hooks;
    struct assignment *asked; /* the last that was to be read back */
    size_t n_asked;
    struct checkpoint_table *table; /* to be given out by the next turn */
    const char *fatal;              /* the same */
} topic_side;

static struct {
    struct ledger *ledger;
    int event_fd;
    int64_t now_ms;
    int64_t next_ms;
    struct assignment *restored;
    size_t n_restored;
    struct job *written;
    size_t n_written;
    struct job *failed;
    size_t n_failed;
    char reason[512];
} stage;

/* ---- stand-ins ---- */

enum publisher_send publisher_send(struct publisher *publisher, const struct publisher_message *message, char *why,
                                   size_t why_bytes)
{
    (void)publisher;
    pthread_mutex_lock(&post.lock);
    enum publisher_send answer = post.answer;
    if (answer == PUBLISHER_SENT) {
        ck_assert_uint_lt(post.n, SENT_MAX);
        struct sent *sent = &post.sent[post.n];
        snprintf(sent->topic, sizeof sent->topic, "%s", message->topic);
        sent->partition = message->partition;
        sent->alone = message->alone;
        snprintf(sent->key, sizeof sent->key, "%.*s", (int)message->key_bytes, (const char *)message->key);
        sent->value = message->value != NULL ? strndup(message->value, message->value_bytes) : NULL;
        sent->parcel = message->opaque;
        ck_assert_ptr_null(message->headers);
        ck_assert_int_eq(sent->parcel->kind, PARCEL_CHECKPOINT);
        post.n++;
    } else {
        snprintf(why, why_bytes, "the post says %d", (int)answer);
    }
    pthread_mutex_unlock(&post.lock);
    return answer;
}

struct checkpoints *checkpoints_new(const struct checkpoints_config *config, const struct checkpoints_hooks *hooks,
                                    char *why, size_t why_bytes)
{
    (void)why;
    (void)why_bytes;
    topic_side.config = *config;
    topic_side.hooks = *hooks;
    return (struct checkpoints *)(void *)&topic_side;
}

int checkpoints_read(struct checkpoints *checkpoints, struct assignment *assignment)
{
    (void)checkpoints;
    topic_side.asked = assignment;
    topic_side.n_asked++;
    return 0;
}

void checkpoints_turn(struct checkpoints *checkpoints)
{
    (void)checkpoints;
    struct checkpoint_table *table = topic_side.table;
    topic_side.table = NULL;
    if (table != NULL)
        topic_side.hooks.ready(topic_side.asked, table, topic_side.hooks.opaque);
    if (topic_side.fatal != NULL)
        topic_side.hooks.fatal(topic_side.fatal, topic_side.hooks.opaque);
    topic_side.fatal = NULL;
}

void checkpoints_free(struct checkpoints *checkpoints)
{
    (void)checkpoints;
    checkpoint_table_free(topic_side.table);
    topic_side.table = NULL;
}

/* ---- the ledger's own life ---- */

static inline void on_restored(struct assignment *assignment, void *opaque)
{
    ck_assert_ptr_eq(opaque, &stage);
    stage.restored = assignment;
    stage.n_restored++;
}

static inline void on_intent_written(struct job *job, void *opaque)
{
    ck_assert_ptr_eq(opaque, &stage);
    ck_assert_ptr_null(job->begin->intent);
    stage.written = job;
    stage.n_written++;
}

static inline void on_intent_failed(struct job *job, const char *reason, void *opaque)
{
    ck_assert_ptr_eq(opaque, &stage);
    ck_assert_ptr_null(job->begin->intent);
    stage.failed = job;
    stage.n_failed++;
    snprintf(stage.reason, sizeof stage.reason, "%s", reason);
}

static inline void on_fatal(const char *reason, void *opaque)
{
    ck_assert_ptr_eq(opaque, &stage);
    snprintf(stage.reason, sizeof stage.reason, "%s", reason);
}

static size_t stage_max_parked_bytes = SIZE_MAX; /* for stage_open */

enum topic_is { TOPIC_IS_OFF, TOPIC_IS_ON };

static inline void stage_open(enum topic_is topic, bool at_most_once, size_t max_parked)
{
    static const char *const inputs[] = {TOPIC};
    char why[256];
    stage.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    stage.now_ms = clock_mono_ms() + 1;
    const struct ledger_config config = {
        .settings = {.group_id = GROUP},
        .topic = topic == TOPIC_IS_ON ? "the.checkpoints" : NULL,
        .inputs = inputs,
        .n_inputs = 1,
        .worker_id = "worker-1",
        .at_most_once = at_most_once,
        .max_parked = max_parked,
        .max_parked_bytes = stage_max_parked_bytes,
        .event_fd = stage.event_fd,
    };
    const struct ledger_hooks hooks = {
        .restored = on_restored,
        .intent_written = on_intent_written,
        .intent_failed = on_intent_failed,
        .fatal = on_fatal,
        .opaque = &stage,
    };
    stage.ledger = ledger_new(&config, &hooks, why, sizeof why);
    ck_assert_msg(stage.ledger != NULL, "%s", why);
    ledger_turn(stage.ledger, stage.now_ms, &stage.next_ms);
    ledger_use_publisher(stage.ledger, (struct publisher *)(void *)&post);
}

static inline void stage_close(void)
{
    ledger_free(stage.ledger);
    close(stage.event_fd);
    for (size_t i = 0; i < post.n; i++)
        free(post.sent[i].value);
    post.n = 0;
}

/* A turn that much later. */
static inline void turn(int64_t later_ms)
{
    mailbox_drain_fd(stage.event_fd);
    stage.now_ms += later_ms;
    ledger_turn(stage.ledger, stage.now_ms, &stage.next_ms);
}

static inline bool is_awake(void)
{
    struct pollfd fd = {.fd = stage.event_fd, .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

static inline struct ledger_counts counts(void)
{
    struct ledger_counts out;
    ledger_read_counts(stage.ledger, &out);
    return out;
}

static inline void answer_with(enum publisher_send answer)
{
    post.answer = answer;
}

/* The report about the i-th message. */
static inline void deliver(size_t i, enum delivery delivery)
{
    ck_assert_uint_lt(i, post.n);
    struct parcel *parcel = post.sent[i].parcel;
    ck_assert_ptr_nonnull(parcel);
    post.sent[i].parcel = NULL;
    ledger_delivered(stage.ledger, parcel, delivery, "the broker's reason");
}

static inline uint64_t writer_of(size_t i)
{
    struct checkpoint_key key;
    ck_assert(checkpoint_key_parse(post.sent[i].key, strlen(post.sent[i].key), &key));
    return key.writer;
}

/* Was the i-th message a tombstone for this place? */
static inline void assert_tombstone(size_t i, int32_t partition, int64_t offset, uint64_t writer)
{
    char key[128];
    snprintf(key, sizeof key, GROUP "/" TOPIC "/%" PRId32 "/%" PRId64 "/%016" PRIx64, partition, offset, writer);
    ck_assert_uint_lt(i, post.n);
    ck_assert_str_eq(post.sent[i].key, key);
    ck_assert_ptr_null(post.sent[i].value);
    ck_assert_int_eq(post.sent[i].partition, partition);
    ck_assert_str_eq(post.sent[i].topic, "the.checkpoints");
}

/* ---- jobs ---- */

static const struct rxp_invocation invocation = {.invocation_id = "order-17"};

static inline struct job *job_at(struct assignment *assignment, int64_t offset)
{
    struct job *job = stage_job();
    ck_assert_ptr_nonnull(awake_new(&job->run));
    job->ref = (struct ref){assignment_hold(assignment), offset};
    job->run.awake->invocation = &invocation;
    job->input_hash = 0x1234;
    return job;
}

static inline void accept_job(struct job *job, int64_t started_at_ms)
{
    job->run.cycle.kicked_off = true;
    job->run.cycle.accepted = true;
    job->run.cycle.deadline_ms = 60000;
    job->run.cycle.polls = 3;
    job->run.begun_mono_ms = 0;
    job->run.started_at_ms = started_at_ms;
    job->run.awake->run_id = strdup("r-9");
    job->run.awake->poll_url = strdup("http://jobs.example/r-9");
}

static inline void end_job(struct job *job)
{
    ledger_release(stage.ledger, job);
    job_free(job);
}

/* ---- what the topic holds ---- */

static inline void put_record(struct checkpoint_table *table, int64_t offset, uint64_t writer, enum checkpoint_kind kind,
                       int64_t started_at_ms)
{
    size_t bytes;
    const struct checkpoint checkpoint = {
        .kind = kind,
        .invocation_id = "order-17",
        .input_hash = 0x1234,
        .run_id = "from-topic",
        .poll_url = "http://jobs.example/from-topic",
        .started_at_ms = started_at_ms,
        .deadline_ms = started_at_ms + 60000,
        .polls = 5,
    };
    char *value = checkpoint_write(&checkpoint, &bytes);
    ck_assert_int_eq(checkpoint_table_put(table, offset, writer, value, bytes), 0);
    free(value);
}

/* The partition comes, and this is read back for it. Takes the table. */
static inline void come(struct assignment *assignment, struct checkpoint_table *table)
{
    size_t n_restored = stage.n_restored;
    int64_t offset;
    uint64_t writer;
    ledger_restore(stage.ledger, assignment);
    if (table != NULL) {
        ck_assert_int_eq(checkpoint_table_seal(table, topic_side.hooks.check, topic_side.hooks.opaque, &offset, &writer),
                         CHECKPOINT_SEALED);
        ck_assert_ptr_eq(topic_side.asked, assignment);
        topic_side.table = table;
    }
    turn(1);
    ck_assert_uint_eq(stage.n_restored, n_restored + 1);
    ck_assert_ptr_eq(stage.restored, assignment);
}

#endif
