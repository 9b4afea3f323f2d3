/* ledger_write: one record on its way to the checkpoints topic, or one tombstone: what has to be kept until it is
 * acknowledged. Made by whoever writes, then the scribe's. */
#ifndef RXP_CORE_LEDGER_WRITE_H
#define RXP_CORE_LEDGER_WRITE_H

#include "base/list.h"
#include "core/job.h"
#include "core/parcel.h"
#include "kafka/assignment.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum write_kind { WRITE_RUN, WRITE_INTENT, WRITE_TOMBSTONE };

/* One block, with its key and value behind it. */
struct ledger_write {
    struct parcel parcel; /* first */
    struct list node;     /* mailbox, retries or stragglers; a ring of one while the publisher has it the first time */
    enum write_kind kind;
    struct assignment *assignment; /* a write of it is begun; NULL: none */
    int32_t partition;
    struct job *job;               /* whose it is: an intent's job hears of it, a run's has it as its note; NULL: nobody's any
                                    * more */
    struct ledger_write *chain_next; /* write_index's */
    bool is_indexed;                 /* the same */
    struct ledger_write *follower; /* what waits for this one's end: a newer record of the same key, or its tombstone */
    bool is_again;                 /* a record that is not the first of its job */
    bool alone;                    /* refused once: it goes again in a batch of its own */
    bool out;                      /* of a straggler: the publisher has it */
    int64_t until_ms;              /* unreachable: tried until then; 0: it never was */
    atomic_bool handed;            /* see job.h: a sanitizer cannot see into librdkafka's queues */
    size_t bytes; /* that it takes up, with the producer's copy */
    size_t key_bytes;
    size_t value_bytes;
    uint64_t key_hash;
    const char *key;
    const char *value; /* NULL: a tombstone */
};

/* Whose record it is, of which input. */
struct place {
    const struct assignment *assignment;
    int64_t offset;
    uint64_t writer;
};

/* value: NULL for a tombstone. NULL for want of memory. */
struct ledger_write *ledger_write_new(const char *group_id, enum write_kind kind, const struct place *place,
                                      const char *value, size_t value_bytes);
/* It is in no list, and has no follower. Ends the assignment's write, if it held one. The Kafka thread, where it did. */
void ledger_write_free(struct ledger_write *write);
/* Until it is freed, the assignment has a write under way. */
void ledger_write_hold(struct ledger_write *write, struct assignment *assignment);
/* The tombstone goes once the write, and what follows it already, has come to its end. */
void ledger_write_follow(struct ledger_write *write, struct ledger_write *tombstone);

#endif
