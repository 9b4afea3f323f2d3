/* lanes: ordering=key|partition. Of the jobs of one lane (a partition, or a key within one) one is under way at a time; the
 * others wait for it, first come, first served, which is the order of their offsets. Other lanes go on beside it.
 *
 * The Kafka thread alone. No memory for jobs: one that waits is linked by its run's node. A lane is there while it has a job. */
#ifndef RXP_CORE_LANES_H
#define RXP_CORE_LANES_H

#include "core/job.h"

#include <stdbool.h>
#include <stddef.h>

struct lanes;

enum lanes_mode {
    LANES_NONE, /* every job goes at once */
    LANES_KEY,  /* a job without a key is bound to no lane; an empty key is a key */
    LANES_PARTITION,
};

/* NULL for want of memory. */
struct lanes *lanes_new(enum lanes_mode mode);
/* No job may wait in them any more (lanes_drop). NULL is harmless. */
void lanes_free(struct lanes *lanes);

enum lanes_entry {
    LANES_GO,        /* it goes now; lanes_leave when it is over, however it ended */
    LANES_WAIT,      /* it is linked into its lane: lanes_leave or lanes_drop gives it back */
    LANES_NO_MEMORY, /* neither */
};
/* Enter jobs of a partition in the order of their offsets. */
enum lanes_entry lanes_enter(struct lanes *lanes, struct job *job);
/* A job that went is over (call it before the job is freed): the next one of its lane, which goes now; NULL: nobody waits.
 * Harmless for one that never went. */
struct job *lanes_leave(struct lanes *lanes, const struct job *job);

typedef void (*lanes_dropped_fn)(struct job *job, void *opaque);
/* The jobs of an assignment that wait come back, unlinked, in order within each lane; those that went stay. NULL: of all
 * assignments. `dropped` must not enter or leave jobs. */
void lanes_drop(struct lanes *lanes, const struct assignment *assignment, lanes_dropped_fn dropped, void *opaque);

size_t lanes_waiting(const struct lanes *lanes);
/* Of one assignment, so that a partition whose jobs wait for each other can be paused before they fill everything. */
size_t lanes_waiting_of(const struct lanes *lanes, const struct assignment *assignment);

#endif
