/* checkpoint_request: the checkpoints of one input partition, asked for by the Kafka thread, sorted out of the records of the
 * checkpoints topic by the thread of checkpoints, and given back. */
#ifndef RXP_KAFKA_CHECKPOINT_REQUEST_H
#define RXP_KAFKA_CHECKPOINT_REQUEST_H

#include "base/list.h"
#include "kafka/checkpoint_key.h"
#include "kafka/checkpoint_table.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECKPOINT_REQUEST_WHY_BYTES 1024

struct assignment;

struct checkpoint_request {
    struct list node;
    int32_t partition;
    atomic_bool unwanted; /* set by the Kafka thread, once the assignment has ended */
    struct checkpoint_table *table; /* answered: sealed; or NULL, where there is no answer */
    struct assignment *assignment;  /* the Kafka thread's alone, as is the list */
    struct list open_node;
    char topic[]; /* of the input */
};

/* A record of its group and partition, as the next in the log: what is of its topic goes into its table (no value: out of it).
 * -1 for want of memory. */
int checkpoint_request_keep(struct checkpoint_request *request, const struct checkpoint_key *key, const char *value,
                            size_t value_bytes);

/* All was read: seals the table. False with a sentence in why[CHECKPOINT_REQUEST_WHY_BYTES]: nothing may go on. `checkpoints`
 * is their topic. */
bool checkpoint_request_seal(struct checkpoint_request *request, checkpoint_check_fn check, void *opaque,
                             const char *checkpoints, const char *group_id, char *why);

#endif
