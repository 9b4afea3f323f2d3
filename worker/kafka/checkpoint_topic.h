/* checkpoint_topic: makes sure that the checkpoints topic is there, compacted, and has a partition for every partition of
 * the input topics.
 *
 * One thread, that of checkpoints; a call blocks for some seconds at most, less once `stop` is set. */
#ifndef RXP_KAFKA_CHECKPOINT_TOPIC_H
#define RXP_KAFKA_CHECKPOINT_TOPIC_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define CHECKPOINT_TOPIC_WHY_BYTES 1200

/* What the topic is made with: its configuration. */
struct checkpoint_topic_setting {
    const char *name;
    const char *value;
};
const struct checkpoint_topic_setting *checkpoint_topic_settings(size_t *n);

/* Is the word one of a cleanup.policy's? */
bool checkpoint_topic_has_policy(const char *policy, const char *word);

struct checkpoint_topic {
    rd_kafka_t *rk;
    const char *name;
    const char *const *inputs;
    size_t n_inputs;
    const char *servers;     /* for the commands that mend things */
    const atomic_bool *stop;
    bool policy_known;       /* its own: cleanup.policy was looked at, or can't be */
};

enum checkpoint_topic_state {
    CHECKPOINT_TOPIC_READY,   /* *partitions: how many it has; brokers may still be electing their leaders */
    CHECKPOINT_TOPIC_LATER,   /* call it again; `why` says what is in the way, "" where a step went well */
    CHECKPOINT_TOPIC_SMALL,   /* *partitions are too few, and growing it is refused: a sentence in `why` */
    CHECKPOINT_TOPIC_REFUSED, /* a sentence in `why`: the worker cannot go on */
};

/* One step. It makes or grows the topic where that is called for; `least` is how many partitions it must have even where
 * no input topic shows so many. Input topics that are missing don't count. */
enum checkpoint_topic_state checkpoint_topic_ensure(struct checkpoint_topic *topic, int least, int *partitions,
                                                    char why[CHECKPOINT_TOPIC_WHY_BYTES]);

/* The sentence for a topic that is closed to this user. */
void checkpoint_topic_closed(const struct checkpoint_topic *topic, const char *right, const char *reason,
                             char why[CHECKPOINT_TOPIC_WHY_BYTES]);

#endif
