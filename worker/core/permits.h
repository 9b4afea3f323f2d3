/* permits: kickoffs that wait for leave to go (kickoff-guarantee=at-most-once).
 *
 * The kickoff's intent is acknowledged; but a worker that the group has given up without its knowing could write one, too,
 * and its heir may have read the topic before. So a kickoff goes only after the group has accepted a commit that began
 * after the intent was acknowledged: then this worker was still a member, and no heir has read yet.
 *
 * The Kafka thread alone. */
#ifndef RXP_CORE_PERMITS_H
#define RXP_CORE_PERMITS_H

#include "base/list.h"
#include "core/job.h"
#include "engine/pool.h"

struct permits {
    struct list waiting; /* beginnings of jobs, by permit_node; of one partition by ascending tickets */
};

void permits_init(struct permits *permits);
/* The job waits for this ticket, or a later one of its assignment. */
void permits_wait(struct permits *permits, struct job *job, uint64_t ticket);
/* Those that waited for it, or for an earlier one, go. */
void permits_confirmed(struct permits *permits, struct pool *pool, const struct assignment *assignment, uint64_t ticket);
/* The job waits no more. Harmless for one that does not. */
void permits_forget(struct job *job);

#endif
