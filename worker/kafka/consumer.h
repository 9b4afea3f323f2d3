/* consumer: the input side. Polls, follows rebalances, pauses full partitions, commits the trackers' frontiers.
 *
 * The Kafka (main) thread alone, `tenure` of an assignment excepted. A revoke is only noted in librdkafka's callback and
 * finished by later turns, while polling goes on. */
#ifndef RXP_KAFKA_CONSUMER_H
#define RXP_KAFKA_CONSUMER_H

#include "base/tenure.h"
#include "kafka/client_conf.h"
#include "kafka/tracker.h"

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct consumer;

/* A partition for as long as this process has it. Counted: the consumer holds one, each job another
 * (assignment_hold, assignment_release, both on the Kafka thread). */
struct assignment {
    const char *topic;
    int32_t partition;
    uint64_t epoch;    /* grows by one with every assignment of this process */
    atomic_int tenure; /* enum tenure; OVER once revoked or lost: loops stop its runs */
    size_t holders;
    struct consumer_partition *own; /* the consumer's; NULL once gone */
};
struct assignment *assignment_hold(struct assignment *assignment);
void assignment_release(struct assignment *assignment);

/* Where an input came from: what a job carries, and what engine and results know of Kafka. */
struct ref {
    struct assignment *assignment;
    int64_t offset;
};

struct consumer_hooks {
    /* A new input, admitted to its tracker: in flight until consumer_done. `message` is the consumer's and is destroyed
     * after the call: copy. */
    void (*message)(struct assignment *assignment, const rd_kafka_message_t *message, void *opaque);
    /* The assignment ends (revoked: results under way may still be delivered, until handover_ms is over or nobody but the
     * consumer holds it; lost: nothing more may be committed). its tenure is OVER already. A revoked one can still turn into
     * a lost one: then it is called again. */
    void (*leaving)(struct assignment *assignment, bool lost, void *opaque);
    /* A fatal error: the worker must end with a non-zero status. */
    void (*fatal)(const char *reason, void *opaque);
    void *opaque;
};

struct consumer_config {
    struct kafka_settings settings;
    const char *const *topics;
    size_t n_topics;
    int64_t commit_interval_ms;
    int64_t handover_ms;      /* how long a revoked partition may finish deliveries */
    int64_t missing_topic_ms; /* a named topic missing for so long is fatal */
    int event_fd;             /* woken when something is there to serve */
};

/* NULL with a sentence in why[why_bytes]. Does not wait for the broker. */
struct consumer *consumer_new(const struct consumer_config *config, const struct consumer_hooks *hooks, char *why,
                              size_t why_bytes);

/* Serves what is there: messages (at most `max_messages`), rebalances, commit answers, clocks. Never blocks. Returns true
 * where more is waiting. *next_ms (monotonic) is when it wants to be called at the latest. */
bool consumer_turn(struct consumer *consumer, int max_messages, int64_t now_ms, int64_t *next_ms);

/* The input's result was acknowledged. Late ones of an assignment that is gone are dropped. */
void consumer_done(struct consumer *consumer, const struct ref *ref);

/* Back-pressure: no new messages while held (polling goes on). */
void consumer_hold(struct consumer *consumer, bool hold);

/* Leaving, step by step, while consumer_turn goes on: stop taking messages; then commit and close. */
void consumer_stop_intake(struct consumer *consumer);
/* Starts the last commit and the leaving of the group; consumer_is_closed tells when it is over. */
void consumer_begin_close(struct consumer *consumer, int64_t now_ms);
bool consumer_is_closed(const struct consumer *consumer);
/* Frees it; without begin_close nothing is committed. */
void consumer_free(struct consumer *consumer);

struct consumer_counts {
    size_t assigned;
    size_t paused;
    size_t in_flight;
    bool joined; /* has, or has had and not lost, an assignment (may be empty) */
};
void consumer_read_counts(const struct consumer *consumer, struct consumer_counts *out);

#endif
