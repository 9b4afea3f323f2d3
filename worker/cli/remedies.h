/* remedies: the commands of Kafka's own tools that make what is missing and grant what is not allowed, for
 * `config --check`.
 *
 * Main thread. Each is printed on stdout as a line for a shell. */
#ifndef RXP_CLI_REMEDIES_H
#define RXP_CLI_REMEDIES_H

#include "ops/options.h"

#include <stdbool.h>
#include <stddef.h>

/* Of librdkafka: the value that the user gave it; NULL: none. */
const char *remedies_property(const struct options *options, const char *name);

/* partitions 0: not known. */
void remedies_create_topic(const struct options *options, const char *topic, int partitions, int brokers);
/* As `run` makes it. */
void remedies_create_checkpoints(const struct options *options, const char *topic, int partitions);
void remedies_compact(const struct options *options, const char *topic);
/* The broker stamps its messages. */
void remedies_stamp(const struct options *options, const char *topic);
void remedies_grow(const struct options *options, const char *topic, int partitions);

enum remedies_checkpoints {
    REMEDIES_CHECKPOINTS_COMPLETE,
    REMEDIES_CHECKPOINTS_MISSING,
    REMEDIES_CHECKPOINTS_SMALL,  /* fewer partitions than an input topic */
    REMEDIES_CHECKPOINTS_HIDDEN, /* it may be there, and of any size */
};

struct remedies_rights {
    const char *const *inputs;
    size_t n_inputs;
    const char *const *replies; /* patterns; those that can match no topic are left out */
    size_t n_replies;
    const char *checkpoints; /* the topic; NULL: off */
    enum remedies_checkpoints checkpoints_lack;
    bool exactly_once;
};

/* All that `run` needs. */
void remedies_grant(const struct options *options, const struct remedies_rights *rights);

#endif
