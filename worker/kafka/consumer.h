/* consumer: the input side. Polls, follows rebalances, pauses full partitions, commits the trackers' frontiers.
 *
 * The Kafka (main) thread alone, but for what assignment.h says. A revoke is only noted in librdkafka's callback and
 * finished by later turns, while polling goes on. */
#ifndef RXP_KAFKA_CONSUMER_H
#define RXP_KAFKA_CONSUMER_H

#include "kafka/assignment.h"
#include "kafka/client_conf.h"
#include "kafka/marks.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct consumer;
struct metrics_shard;
struct tracker;

/* How an assignment ends. Each that begins to end comes to OVER, once, unless the consumer is freed before. */
enum leaving {
    LEAVING_REVOKED, /* tenure ENDING: results may still be delivered, until nobody but the consumer holds it (or handover_ms
                      * is over), and its writes are acknowledged (or write_ms is over) */
    LEAVING_LOST,    /* tenure ENDING: nothing of it is committed any more. Also of one that was revoked before, even after
                      * OVER, if its last commit shows that the group went on without it */
    LEAVING_OVER,    /* tenure OVER: whoever still holds it is to let go */
};

/* Called by consumer_turn alone (`committed` and `confirmed` also by consumer_offsets_settled), outside librdkafka. */
struct consumer_hooks {
    /* A new input, admitted to its tracker: in flight until consumer_done. `message` is the consumer's and is destroyed
     * after the call: copy. */
    void (*message)(struct assignment *assignment, const rd_kafka_message_t *message, void *opaque);
    /* A partition is this worker's; nothing of it comes before consumer_restored. Not called before the older assignments of
     * the same partition in this process are held by nobody, and what was to be written for them is written (or the time for
     * it is up): whoever reads now what was written of it misses none of that. One that ends before is not told of. NULL: none
     * is waited for, and a lost assignment is over at once, since nobody could make use of what its runs come to. */
    void (*assigned)(struct assignment *assignment, void *opaque);
    /* What is done of it is known now (consumer_is_done), and its first message may follow. May be NULL. */
    void (*running)(struct assignment *assignment, void *opaque);
    /* A revoked one can still turn into a lost one. */
    void (*leaving)(struct assignment *assignment, enum leaving leaving, void *opaque);
    /* The group has accepted a commit that says that these are done, so that nobody gets the inputs again: each tag that
     * consumer_done was given, once; also after LEAVING_OVER (the last commit). Never for an assignment that is gone. May be
     * NULL. `marks` is the consumer's. */
    void (*committed)(struct assignment *assignment, const struct consumer_mark *marks, size_t n, void *opaque);
    /* The group has accepted a commit that began after consumer_confirm had returned this ticket, and all before it; from
     * this member, whose generation has lasted all the while. May be NULL. */
    void (*confirmed)(struct assignment *assignment, uint64_t ticket, void *opaque);
    /* A fatal error: the worker must end with a non-zero status. */
    void (*fatal)(const char *reason, void *opaque);
    void *opaque;
};

struct consumer_config {
    struct kafka_settings settings;
    const char *const *topics;
    size_t n_topics;
    int64_t commit_interval_ms;
    int64_t handover_ms;      /* how long an assignment that ends may finish deliveries... */
    int64_t write_ms;         /* ...and writes, if that is longer: without them its heir starts runs a second time. Of either,
                               * half of max.poll.interval.ms at most, by which time the group would have lost patience */
    int64_t missing_topic_ms; /* a named topic missing for so long is fatal */
    bool transactional;       /* offsets go with a producer's transaction: consumer_take_offsets */
    /* What was done beyond the committed offset must never be done again: where that cannot be known any more (the map is
     * refused, or cannot be read; the log is another one) it ends, and says what to do, instead of going on with a warning. */
    bool strict;
    int event_fd;             /* woken when something is there to serve */
    struct metrics_shard *shard; /* where partitions and commits are counted; the Kafka thread's. NULL: nowhere */
};

/* NULL with a sentence in why[why_bytes]. Does not wait for the broker. */
struct consumer *consumer_new(const struct consumer_config *config, const struct consumer_hooks *hooks, char *why,
                              size_t why_bytes);

/* Serves what is there: messages (at most `max_messages`), rebalances, commit answers, clocks. Never blocks. Returns true
 * where more is waiting. *next_ms (monotonic) is when it wants to be called at the latest. */
bool consumer_turn(struct consumer *consumer, int max_messages, int64_t now_ms, int64_t *next_ms);

/* What has to be read for hooks.assigned is read. A partition's messages come once that is so, once its committed offset is
 * known, and once no older assignment of it in this process is held or written for (of one that is over this is waited for
 * no longer than handover_ms). */
void consumer_restored(struct consumer *consumer, struct assignment *assignment);

/* The input's result was acknowledged (in a transactional consumer: goes with the next offsets). False where it comes too
 * late, since the assignment is gone or its last commit has been taken: it is dropped, tags and all, and the next owner has the
 * input again. For want of memory tags are lost, too. */
bool consumer_done(struct consumer *consumer, const struct ref *ref, const uint64_t *tags, size_t n_tags);
/* Is it done already, or can it never come: below what is to be committed next, or done by the map? False while that is not
 * known (before hooks.running) or the assignment is gone. */
bool consumer_is_done(const struct consumer *consumer, const struct ref *ref);

/* A commit of this partition is wanted though nothing may have changed: the group's answer tells whether it is still this
 * worker's. The ticket for hooks.confirmed; 0 where the assignment is gone, or takes no more commits. */
uint64_t consumer_confirm(struct consumer *consumer, struct assignment *assignment);

/* Back-pressure: no new messages while held (polling goes on). */
void consumer_hold(struct consumer *consumer, bool hold);
/* The same of one partition. Nothing where the assignment is gone. */
void consumer_pause(struct consumer *consumer, struct assignment *assignment, bool pause);
/* The same for another reason: it goes on when neither holds it. */
void consumer_crowd(struct consumer *consumer, struct assignment *assignment, bool pause);

/* ---- a transactional consumer: it commits nothing itself, and these ask for it ---- */

/* Is a commit due, with something to commit? To be asked after each turn. */
bool consumer_wants_commit(struct consumer *consumer);
/* All that there is to commit, due or not, which is in flight from now on, until consumer_offsets_settled. The caller's to
 * destroy. NULL: nothing, or it is in flight. */
rd_kafka_topic_partition_list_t *consumer_take_offsets(struct consumer *consumer);
/* Of this moment: to be asked for before the offsets are. The caller's to destroy. NULL: this consumer is no member of the group
 * now, and nothing may be committed. */
rd_kafka_consumer_group_metadata_t *consumer_group_metadata(struct consumer *consumer);
/* The group has accepted what was taken, or has not (err, or an element's err, which are brokers' errors of the offsets, not
 * the producer's own): then it is there to be taken again. */
void consumer_offsets_settled(struct consumer *consumer, const rd_kafka_topic_partition_list_t *offsets,
                              rd_kafka_resp_err_t err);

/* Leaving, step by step, while consumer_turn goes on: stop taking messages; then commit and close. */
void consumer_stop_intake(struct consumer *consumer);
/* Starts the last commit and the leaving of the group; consumer_is_closed tells when it is over. A static member
 * (group.instance.id) does not leave: the group keeps its partitions for it until the session timeout. */
void consumer_begin_close(struct consumer *consumer, int64_t now_ms);
bool consumer_is_closed(const struct consumer *consumer);
/* Frees it; without begin_close nothing is committed. */
void consumer_free(struct consumer *consumer);

struct consumer_counts {
    size_t assigned;
    size_t paused;
    size_t in_flight;
    bool joined; /* has, or has had and not lost, an assignment (may be empty) */
    uint64_t changes;       /* grows with each change of what is assigned, and of its states */
    int64_t broker_seen_ms; /* monotonic: when a broker last answered this client, or consumer_broker_answered said so; 0: never */
};
void consumer_read_counts(const struct consumer *consumer, struct consumer_counts *out);

/* ---- for whoever watches ---- */

/* Why no messages of a partition are taken; bits. */
enum view_pause { VIEW_PAUSED_HOLD = 1, VIEW_PAUSED_WINDOW = 2, VIEW_PAUSED_ASKED = 4, VIEW_PAUSED_CROWDED = 8 };
enum view_state { VIEW_RESTORING, VIEW_RUNNING, VIEW_LEAVING };

struct consumer_view {
    const char *topic; /* holds as long as the consumer */
    int32_t partition;
    enum view_state state;
    unsigned pauses;
    bool is_read;      /* where it goes on is known: what the group has committed has been read. Else nothing below is known */
    int64_t committed; /* -1: nothing */
    int64_t frontier;  /* -1: no message came yet, and nothing was committed */
    int64_t position;  /* what comes next; the same. Not counting one that waits for room in the window */
    size_t in_flight;
    size_t span;
    size_t done_beyond;
    size_t done_ahead; /* of those from `position` on, done before, so that they are skipped */
    int64_t frontier_age_ms; /* see moments.h; 0: nothing is in flight */
    const struct tracker *tracker; /* for tracker_cells, within the call; NULL: not is_read */
};
typedef void (*consumer_view_fn)(const struct consumer_view *view, void *opaque);
/* All partitions, in no order. Between two turns. */
void consumer_each_partition(const struct consumer *consumer, int64_t now_ms, consumer_view_fn fn, void *opaque);

/* What is in the way just now, as a sentence: a fatal error, no broker, a topic that is missing, a group that is not joined, a
 * record that cannot be read, or the last thing that brokers or librdkafka complained of since they last did as they were asked. ""
 * where nothing is. */
void consumer_read_trouble(const struct consumer *consumer, int64_t now_ms, char *out, size_t out_bytes);
/* Another client of the same brokers got an answer: then those are there. */
void consumer_broker_answered(struct consumer *consumer, int64_t answered_ms);

#endif
