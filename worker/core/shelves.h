/* shelves: every shelf of a ledger, and all that is parked on them, by age.
 *
 * Embedded in the ledger; the Kafka thread alone. */
#ifndef RXP_CORE_SHELVES_H
#define RXP_CORE_SHELVES_H

#include "core/shelf.h"

#include <stddef.h>
#include <stdint.h>

/* A run that waited so long for its partition is another worker's, and its backend has forgotten it. */
#define SHELVES_PARKED_MS (INT64_C(24) * 60 * 60 * 1000)

struct shelves {
    struct list all;
    struct list parked;      /* the oldest first */
    struct shelf *last_open; /* found last: inputs come partition by partition. NULL: none */
    size_t max_parked;
    size_t max_parked_bytes;
};

void shelves_init(struct shelves *shelves, size_t max_parked, size_t max_parked_bytes);
void shelves_deinit(struct shelves *shelves);

/* Opens the partition's shelf for the assignment; takes the table (NULL: none) in any case. -1 for want of memory. */
int shelves_open(struct shelves *shelves, const struct assignment *assignment, struct checkpoint_table *table);
/* The shelf that is open for this very assignment; NULL: none. */
struct shelf *shelves_find(struct shelves *shelves, const struct assignment *assignment);
void shelves_close(struct shelves *shelves, const struct assignment *assignment);

/* A run of an input of this assignment, which has ended. Where there are too many, or they take up too much, the oldest
 * are dropped. Returns how many were not kept: those, or this one for want of memory. */
size_t shelves_park(struct shelves *shelves, const struct assignment *assignment, int64_t offset,
                    const struct checkpoint *checkpoint, const struct job_tags *tags, int64_t now_ms);
/* Drops what is too old: how many. */
size_t shelves_expire(struct shelves *shelves, int64_t now_ms);

/* All together, and the parked ones among them. */
void shelves_count(const struct shelves *shelves, size_t *all, size_t *parked);

#endif
