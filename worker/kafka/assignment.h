/* assignment: one partition for as long as this process has it, and until nobody asks about it any more.
 *
 * Counted twice, and freed once both counts are none. `holders`: the consumer, and whoever carries a ref (jobs); the Kafka
 * thread counts. `writes`: records under way that whoever has the partition next must be able to read (checkpoints); who
 * holds the assignment may begin one on any thread, the Kafka thread ends it. A revoked partition is not handed over
 * before both are done (or the time for it is up). */
#ifndef RXP_KAFKA_ASSIGNMENT_H
#define RXP_KAFKA_ASSIGNMENT_H

#include "base/list.h"
#include "base/tenure.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct checkpoint_table; /* kafka/checkpoint_table.h */
struct consumer_partition;

struct assignment {
    const char *topic;
    int32_t partition;
    uint64_t epoch;    /* grows by one with every assignment of this process */
    atomic_int tenure; /* enum tenure: loops look at it; only the consumer moves it */
    size_t holders;
    atomic_size_t writes;
    struct checkpoint_table *checkpoints; /* what was found for it, by whoever reads it; freed with it. NULL: none */

    struct consumer_partition *own; /* the consumer's; NULL once gone */
    struct list node;               /* of the consumer's `ended` */
    int64_t over_ms;                /* once ended: when its tenure is over, or was */
};

/* NULL for want of memory. The caller is its first holder. */
struct assignment *assignment_new(const char *topic, int32_t partition, uint64_t epoch);
/* The Kafka thread. */
struct assignment *assignment_hold(struct assignment *assignment);
void assignment_release(struct assignment *assignment); /* NULL is harmless */

/* Any thread that holds it, until the call has returned. */
void assignment_write_begin(struct assignment *assignment);
/* The Kafka thread, once for each begun. May free it. */
void assignment_write_end(struct assignment *assignment);

/* The Kafka thread: has nobody but `own_holds` holders of the caller's anything to do with it? */
bool assignment_is_quiet(const struct assignment *assignment, size_t own_holds);

/* Where an input came from: what a job carries, and what engine and results know of Kafka. */
struct ref {
    struct assignment *assignment;
    int64_t offset;
};

#endif
