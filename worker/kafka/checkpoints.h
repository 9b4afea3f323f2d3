/* checkpoints: the checkpoints topic, made sure of, and read back for partitions that come.
 *
 * A thread of its own with clients of its own; the Kafka thread hands it assignments and gets tables. It waits for its
 * broker without limit. It writes nothing but the markers up to which it reads (see checkpoint_marker): checkpoints are
 * another producer's, which should not ask for the topic before topic_changed was called, since brokers make a topic, and
 * not a compacted one, when producers ask for it. */
#ifndef RXP_KAFKA_CHECKPOINTS_H
#define RXP_KAFKA_CHECKPOINTS_H

#include "kafka/assignment.h"
#include "kafka/checkpoint_table.h"
#include "kafka/client_conf.h"

#include <stddef.h>
#include <stdint.h>

struct checkpoints;

struct checkpoints_config {
    struct kafka_settings settings;
    const char *topic; /* the checkpoints' */
    const char *const *inputs; /* the input topics: the checkpoints topic has as many partitions as the largest */
    size_t n_inputs;
    const char *group_id;
    int event_fd; /* woken when checkpoints_turn has something to do */
};
/* The strings of settings, topic, inputs and group_id must outlive it. */

struct checkpoints_hooks {
    /* On its thread: what a value is. */
    checkpoint_check_fn check;
    /* On its thread: the topic is there, with so many partitions; at first, and whenever it is found with more. May be NULL. */
    void (*topic_changed)(int partitions, void *opaque);
    /* Kafka thread, from within checkpoints_turn: all that was acknowledged before checkpoints_read. Takes the (sealed) table. Not
     * called for an assignment whose tenure is not HELD any more. */
    void (*ready)(struct assignment *assignment, struct checkpoint_table *table, void *opaque);
    /* Kafka thread, from within checkpoints_turn; once at most: the worker must end with a non-zero status. No reading is
     * answered any more. */
    void (*fatal)(const char *reason, void *opaque);
    void *opaque;
};

/* NULL with a sentence in why[why_bytes]. Does not wait for the broker; the topic is made sure of from now on. */
struct checkpoints *checkpoints_new(const struct checkpoints_config *config, const struct checkpoints_hooks *hooks,
                                    char *why, size_t why_bytes);
/* Kafka thread: reads back the checkpoints of a partition. Holds the assignment until it is answered, or until the first
 * turn after it has ended. -1 for want of memory. */
int checkpoints_read(struct checkpoints *checkpoints, struct assignment *assignment);
/* Kafka thread: calls the hooks. Never blocks. */
void checkpoints_turn(struct checkpoints *checkpoints);
/* Kafka thread. Waits 2 s at most; readings under way are not answered. NULL is harmless. */
void checkpoints_free(struct checkpoints *checkpoints);

#endif
