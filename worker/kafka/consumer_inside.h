/* consumer_inside: what the consumer's own files share: partition.c, notice.c, rebalance.c, claims.c, restore.c,
 * commit.c, trouble.c, reread.c, consumer_close.c and consumer.c. Nobody else includes it. The Kafka thread alone.
 *
 * A partition's way:
 *
 *     assign (callback): fetching starts paused ──> RESTORING: committed offset and map are read, asynchronously; once
 *                                                       │ older assignments of it are let go, hooks.assigned is called
 *                                                       │ tracker made; consumer_restored was called; fetcher set to
 *                                                       │ its place
 *                                                       ▼
 *     log began anew: RESTORING again <────────────── RUNNING ──> lost: gone at once, nothing committed
 *                                                       │ revoke (callback): paused, tenure ENDING
 *                                                       ▼
 *                                                    LEAVING: deliveries and writes may still come; then tenure OVER,
 *                                                       │ the last commit, incremental_unassign
 *                                                       ▼
 *                                                     gone; its assignment, once held by nobody */
#ifndef RXP_KAFKA_CONSUMER_INSIDE_H
#define RXP_KAFKA_CONSUMER_INSIDE_H

#include "base/list.h"
#include "kafka/consumer.h"
#include "kafka/join_watch.h"
#include "kafka/marks.h"
#include "kafka/membership.h"
#include "kafka/moments.h"

/* Why a partition is paused; librdkafka hears of the change between none and some only. */
enum pause_reason {
    PAUSE_HOLD = 1,      /* consumer_hold */
    PAUSE_FULL = 2,      /* its window, or memory, has no room */
    PAUSE_RESTORING = 4, /* where it goes on is not known yet, or not set */
    PAUSE_LEAVING = 8,
    PAUSE_STOPPED = 16, /* for good: intake has stopped */
    PAUSE_ASKED = 32,   /* consumer_pause */
    PAUSE_CROWDED = 128, /* consumer_crowd */
    PAUSE_UNREADABLE = 64, /* a record that cannot be read, until it is tried again */
};

enum partition_phase { PARTITION_RESTORING, PARTITION_RUNNING, PARTITION_LEAVING };

#define OFFSET_NONE INT64_C(-1)

struct offset_fetch; /* kafka/offset_fetch.h */

struct consumer_topic {
    char *name;
    struct consumer_partition **partitions; /* by number; NULL: not ours */
    int32_t n_partitions;
    bool missing;
    int64_t missing_since_ms;
};

struct consumer_partition {
    struct list node; /* of consumer.partitions */
    struct consumer_topic *topic;
    struct assignment *assignment;
    enum partition_phase phase;
    struct tracker *tracker; /* NULL while the committed offset is not known */
    struct moments moments;
    struct marks marks;
    bool untold;             /* hooks.assigned is to be called, once no older assignment is in the way */
    bool awaited;            /* consumer_restored was not called yet */
    unsigned pauses;         /* enum pause_reason */
    bool is_paused;          /* as librdkafka knows it */
    bool sealed;             /* its last commit has been taken: what gets done now comes too late */
    bool commits_bare;       /* the broker refused the metadata's size */
    bool evicted;            /* a commit's answer says that the group went on without us */
    bool restart;            /* its fetcher stands still: it has to begin again, at a place in the log */
    rd_kafka_message_t *held; /* refused by the tracker: offered again before anything else */
    int64_t held_until_ms;
    int64_t unreadable;     /* the offset that could not be read at last, */
    int unreadable_times;   /* so often in a row; 0: none */
    int64_t reread_ms;      /* then it is tried again */
    int64_t unset_since_ms; /* its fetcher refuses to be set to its place; 0: it does not */
    int64_t position;   /* the offset that is expected next; OFFSET_NONE: the log's first */
    int64_t committed;  /* acknowledged; OFFSET_NONE: nothing known */
    int64_t committing; /* in the commit in flight; OFFSET_NONE: not in it */
    bool taken_leaving; /* that one was taken while LEAVING */
    bool recommit;      /* a commit is wanted though nothing has changed: some marks wait for one */
    uint64_t wanted;    /* the same: the last ticket of consumer_confirm that is not confirmed; 0: none */
    uint64_t confirming; /* `wanted` when the commit in flight was taken */
    uint64_t read;      /* the number of the read of offsets that asks for it; 0: none yet */
};

/* How an assignment ends, to be told outside librdkafka's callback. */
enum notice_kind { NOTICE_REVOKED, NOTICE_LOST, NOTICE_OVER };
struct notice {
    struct list node;
    struct assignment *assignment;
    enum notice_kind kind;
};

/* A revoke that librdkafka waits for: finished by rebalance_serve. */
struct revoke {
    struct list node;
    rd_kafka_topic_partition_list_t *partitions;
    int64_t ends_ms;        /* the latest begin of the last commit, */
    int64_t writes_end_ms;  /* unless there are writes under way: then this */
    int64_t commit_ends_ms; /* the latest end of the last commit */
    int64_t look_ms;        /* whether it is lost is looked at no earlier */
    bool sealed;
};

/* Is what librdkafka says of this member when it joins what it has? claims.c. */
enum claims_step { CLAIMS_TRUE, CLAIMS_STALE, CLAIMS_DROPPED };

/* Who would show by an answer that a trouble is over: any broker, or the group's coordinator. */
enum trouble_kind { TROUBLE_OF_BROKERS, TROUBLE_OF_GROUP };

enum close_step { CLOSE_NOT, CLOSE_COMMITTING, CLOSE_UNSUBSCRIBED, CLOSE_CLOSING, CLOSE_DONE };

#define CONSUMER_WHY_BYTES 1024

struct consumer {
    struct consumer_hooks hooks;
    char *brokers;
    char *group_id;
    int64_t commit_interval_ms;
    int64_t handover_ms;
    int64_t write_ms; /* not below handover_ms */
    int64_t missing_topic_ms;
    bool transactional;
    bool strict;
    bool is_static; /* has a group.instance.id */

    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;   /* messages, rebalances, errors */
    rd_kafka_queue_t *replies; /* answers to commits */
    rd_kafka_queue_t *closing; /* takes the place of `queue` while the consumer closes */
    int event_fd;
    uint64_t wake; /* what the queues write to it */

    struct consumer_topic *topics;
    size_t n_topics;
    struct list partitions;
    size_t n_partitions;
    struct list notices; /* oldest first */
    struct list ended;   /* assignments that are no partition's any more, but somebody's */
    struct list revokes; /* oldest first */
    char *member_id; /* librdkafka's, of the last rebalance callback; NULL: there was none */
    unsigned joins;  /* join_watch_joins when it was last found to be that member still; 0: never since the callback */
    uint64_t last_epoch;
    uint64_t last_ticket;
    int64_t now_ms; /* of this turn */
    int64_t seen_ms;  /* see consumer_counts */
    uint64_t changes; /* the same */
    struct metrics_shard *shard;
    struct join_watch join_watch;
    bool rejoin_follows; /* librdkafka joins again after the next assign */
    bool joined;
    bool was_assigned; /* ever, be it nothing */
    bool held;
    bool stopped;
    bool pauses_changed; /* partition_apply_pauses has something to do */

    struct { /* restore.c */
        struct offset_fetch *fetch; /* NULL: none is under way */
        bool wanted; /* some partition is RESTORING, or waits for a restart or a seek */
        uint64_t last;
        int64_t next_ms;
        int64_t seek_ms;
        int64_t ask_ms; /* no log's ends are asked for before */
        int64_t backoff_ms;
        int timeout_ms;
        int ask_timeout_ms; /* of a question where a log ends */
        int64_t warned_ms;
    } read;

    struct { /* commit.c */
        bool in_flight;
        bool hurry; /* do not wait for the clock */
        int64_t next_ms;
        int64_t not_before_ms; /* after a failure, hurry or not */
        int64_t warned_ms;
        struct membership membership; /* when the one in flight was taken; none where nobody asked for a confirmation */
    } commit;

    struct { /* trouble.c */
        bool no_broker;
        bool no_broker_said;
        int64_t no_broker_said_ms;
        char reason[256]; /* the last one for which a broker could not be reached */
        int64_t error_said_ms;
        int64_t unjoined_since_ms; /* 0: it has joined, or something else is said to be in the way */
        int64_t unjoined_say_ms;
        enum trouble_kind last_kind;
        int64_t last_ms;
        char last[256]; /* trouble_note's; "": it is over */
    } trouble;

    enum claims_step claims;
    enum close_step close_step;
    int64_t close_step_ends_ms;
    bool fatal;
    bool fatal_told;
    char why[CONSUMER_WHY_BYTES];
};

/* ---- consumer.c ---- */

int consumer_subscribe(struct consumer *consumer, char *why, size_t why_bytes);
/* What comes into the queue wakes whoever calls consumer_turn. */
void consumer_wake_by(struct consumer *consumer, rd_kafka_queue_t *queue);

/* ---- partition.c ---- */

struct consumer_topic *topic_find(struct consumer *consumer, const char *name);
struct consumer_partition *partition_find(struct consumer *consumer, const char *topic, int32_t number);
/* Takes a new partition in: RESTORING and paused. NULL for want of memory, or where the topic is none of ours. */
struct consumer_partition *partition_add(struct consumer *consumer, const char *topic, int32_t number);
/* Frees the partition; its assignment lives on in `ended`. */
void partition_remove(struct consumer *consumer, struct consumer_partition *partition);
/* The same, lost. */
void partition_lose(struct consumer *consumer, struct consumer_partition *partition);
void partition_begin_leaving(struct consumer *consumer, struct consumer_partition *partition);
/* The log is not the one that the tracker knows: the assignment ends as lost, another begins, RESTORING, with an empty
 * window, at the log's first offset. */
int partition_renew(struct consumer *consumer, struct consumer_partition *partition);
void partition_drop_held(struct consumer_partition *partition);

void partition_pause(struct consumer *consumer, struct consumer_partition *partition, enum pause_reason reason);
void partition_unpause(struct consumer *consumer, struct consumer_partition *partition, enum pause_reason reason);
/* Tells librdkafka; before every poll. Pausing works within callbacks, too. */
void partition_apply_pauses(struct consumer *consumer);

/* ---- notice.c: what hooks are told of assignments, and those that have ended ---- */

void notice_add(struct consumer *consumer, struct assignment *assignment, enum notice_kind kind);
/* Never within a librdkafka callback. */
void notices_tell(struct consumer *consumer);
void notices_drop(struct consumer *consumer);
/* OVER, and a notice of it, once. */
void tenure_end(struct consumer *consumer, struct assignment *assignment);
/* Takes the consumer's hold. */
void ended_add(struct consumer *consumer, struct assignment *assignment);
void ended_serve(struct consumer *consumer);
void ended_drop(struct consumer *consumer);
int64_t ended_next_ms(const struct consumer *consumer);
/* Does an older assignment of this partition still have time to be let go? */
bool ended_is_in_the_way(const struct consumer *consumer, const struct assignment *later);

/* ---- rebalance.c ---- */

void rebalance_callback(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions,
                        void *opaque);
void rebalance_serve(struct consumer *consumer);
int64_t rebalance_next_ms(const struct consumer *consumer);
void revoke_free(struct revoke *revoke);

/* ---- claims.c: what librdkafka claims, though it is lost ---- */

/* Something is lost that librdkafka goes on to claim: the group is joined again without. For callbacks, too. */
void claims_refuse(struct consumer *consumer);
void claims_serve(struct consumer *consumer);
int64_t claims_next_ms(const struct consumer *consumer);

/* ---- restore.c: where a partition goes on ---- */

void restore_init(struct consumer *consumer);
void restore_serve(struct consumer *consumer);
int64_t restore_next_ms(const struct consumer *consumer);
/* False where a question to librdkafka is under way even at until_ms: then the client must be left to it. */
bool restore_drop(struct consumer *consumer, int64_t until_ms);
/* The fetcher refused to be set to its place: again soon, paused until then. */
void restore_seek_later(struct consumer *consumer, struct consumer_partition *partition);
/* The fetcher stands still, as it does once its offset is outside the log: it begins again at the partition's position, or
 * where the log is found to begin instead. While RESTORING, once the position is known. */
void restore_restart(struct consumer *consumer, struct consumer_partition *partition);

/* ---- commit.c ---- */

void commit_answer(struct consumer *consumer, rd_kafka_event_t *event);
void commit_serve(struct consumer *consumer);
int64_t commit_next_ms(const struct consumer *consumer);
/* Is nothing to commit, or under way, for it? */
bool commit_is_settled(const struct consumer_partition *partition);
/* A commit as soon as none is in flight. */
void commit_hurry(struct consumer *consumer);

/* ---- consumer_close.c ---- */

void close_serve(struct consumer *consumer);
void close_serve_queue(struct consumer *consumer);
int64_t close_next_ms(const struct consumer *consumer);
/* Destroys rk. False where librdkafka does not end, or would end everything: its threads live on, and see join_watch. */
bool close_destroy(struct consumer *consumer);

/* ---- trouble.c: errors, and who gets told ---- */

void trouble_init(struct consumer *consumer);
/* Remembers the first reason; the turn tells hooks.fatal. For any place, callbacks too. */
void trouble_fatal(struct consumer *consumer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void trouble_tell(struct consumer *consumer);
/* Config.strict: nobody can tell what of the partition was done, and a person has to say where it goes on: `what` has happened,
 * and how to tell the group so (kafka-consumer-groups.sh's option, what that does). */
void trouble_undecided(struct consumer *consumer, const char *topic, int32_t partition, const char *what, const char *option,
                       const char *does);
/* Is err one that ends the worker? Then it was remembered, with a sentence about `topic` (may be NULL). */
bool trouble_is_fatal(struct consumer *consumer, rd_kafka_resp_err_t err, const char *text, const char *topic);
void trouble_error_callback(rd_kafka_t *rk, int err, const char *reason, void *opaque);
void trouble_message(struct consumer *consumer, const rd_kafka_message_t *message);
/* A broker did what it was asked for. */
void trouble_over(struct consumer *consumer);
/* For consumer_read_trouble, until it is over. */
void trouble_note(struct consumer *consumer, enum trouble_kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
void trouble_topic_seen(struct consumer *consumer, struct consumer_topic *topic);
void trouble_serve(struct consumer *consumer);
int64_t trouble_next_ms(const struct consumer *consumer);

/* ---- reread.c: records that cannot be read ---- */

/* `message` tells of one: the partition is paused, and read again at its place after some seconds, as often as it takes. */
void reread_later(struct consumer *consumer, struct consumer_partition *partition, const rd_kafka_message_t *message);
void reread_serve(struct consumer *consumer);
int64_t reread_next_ms(const struct consumer *consumer);

#endif
