/* shelf: what is known of the inputs of one partition before they come: checkpoints that were read back, and runs that were
 * parked when an assignment of this process ended.
 *
 * The ledger's; the Kafka thread alone. What was read belongs to one assignment, and goes with it; what was parked stays
 * until its input is taken or passed, or it is dropped by the ledger. */
#ifndef RXP_CORE_SHELF_H
#define RXP_CORE_SHELF_H

#include "base/heap.h"
#include "base/list.h"
#include "core/checkpoint.h"
#include "core/job.h"
#include "kafka/assignment.h"
#include "kafka/checkpoint_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shelf {
    struct list node; /* the ledger's */
    char *topic;
    int32_t partition;
    uint64_t epoch;                 /* of the assignment that it is open for; 0: none */
    int64_t taken;                  /* by that one, the highest so far; -1: none */
    struct checkpoint_table *table; /* NULL: none */
    struct heap parked;             /* by offset: the lowest input is the timer that is due first */
    size_t parked_bytes;            /* of memory, that these take up */
};

/* Within a shelf's heap, and in the ledger's list of all by age. */
struct parked {
    struct timer timer; /* at_ms is the offset */
    struct list node;
    struct shelf *shelf;
    int64_t parked_ms;  /* monotonic */
    struct job_tags tags;
    size_t bytes;
    char *value; /* as checkpoint_write made it */
};

/* All that is known of one input. */
struct finding {
    int64_t offset;
    struct checkpoint *checkpoint; /* the best of them; NULL: none that can be read */
    bool was_read;                 /* a record was read back for it */
    bool lacked_memory;            /* for one of them at least: nothing may be done upon it */
    size_t n_parked;               /* how many parked runs went into it */
    uint64_t *writers; /* whose records there are, each once; that of the best record first. For want of memory some are
                        * left out: their records are found stale by the next restore */
    size_t n_writers;
    size_t writers_room;
};

/* NULL for want of memory. */
struct shelf *shelf_new(const char *topic, int32_t partition);
/* Its parked runs must have been dropped. NULL is harmless. */
void shelf_free(struct shelf *shelf);

/* Opens it for the assignment; takes the table (NULL: none), and forgets one that is there. */
void shelf_open(struct shelf *shelf, const struct assignment *assignment, struct checkpoint_table *table);
void shelf_close(struct shelf *shelf);
/* Holds nothing, and is open for nobody. */
bool shelf_is_idle(const struct shelf *shelf);
/* Of both kinds: an input may count twice. */
size_t shelf_count(const struct shelf *shelf);

/* Takes the value. NULL, with the value still the caller's, for want of memory. */
struct parked *shelf_park(struct shelf *shelf, int64_t offset, char *value, size_t bytes, const struct job_tags *tags);
void parked_drop(struct parked *parked);
size_t parked_footprint(const struct parked *parked); /* the bytes of memory that it takes up */

/* Takes out the lowest input below `end`; false: there is none. */
bool shelf_take_below(struct shelf *shelf, int64_t end, struct finding *out);
/* Takes out every input that is done; `take` has each for the time of the call. */
void shelf_take_done(struct shelf *shelf, bool (*is_done)(int64_t offset, void *opaque),
                     void (*take)(const struct finding *finding, void *opaque), void *opaque);
void finding_deinit(struct finding *finding);

#endif
