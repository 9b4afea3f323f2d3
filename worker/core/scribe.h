/* scribe: writes checkpoints and their tombstones, and sees each to its acknowledgement.
 *
 * The ledger's hand: nobody else calls it. scribe_write and scribe_write_again are for loop threads; the rest for the Kafka thread, which alone
 * frees and retries:
 *
 *     made ──> publisher ──> acknowledged: freed
 *       │          └───────> refused: again, in a batch of its own, then given up
 *       └── full ──> mailbox ──> retries, every 50 ms
 *
 * Of a job one record of its run is under way at a time. A newer one waits for its end, in the place of another that may wait
 * there: so an older one never lands after a newer.
 * Of one key, a tombstone comes behind its record: the publisher keeps order, and where a record has to go again its
 * tombstone waits for it. (One that was under way when its tombstone was made, and is refused with its batch after that, can
 * still come behind it. It is found stale by the next restore.) */
#ifndef RXP_CORE_SCRIBE_H
#define RXP_CORE_SCRIBE_H

#include "core/checkpoint.h"
#include "core/job.h"
#include "core/parcel.h"
#include "kafka/assignment.h"
#include "kafka/publisher.h"

#include <stddef.h>
#include <stdint.h>

struct scribe;

/* The strings must outlive it. */
struct scribe_config {
    const char *topic;
    const char *group_id;
    int event_fd;
};

struct scribe_hooks {
    void (*intent_written)(struct job *job, void *opaque);
    void (*intent_failed)(struct job *job, const char *reason, void *opaque);
    void *opaque;
};

struct scribe_counts {
    size_t outstanding;
    size_t outstanding_bytes;
    uint64_t written;
    uint64_t erased;
    uint64_t given_up;
};

/* NULL with a sentence in why[why_bytes]. */
struct scribe *scribe_new(const struct scribe_config *config, const struct scribe_hooks *hooks, char *why,
                          size_t why_bytes);
/* Gives up what is left; no hook is called. NULL is harmless. */
void scribe_free(struct scribe *scribe);
void scribe_use_publisher(struct scribe *scribe, struct publisher *publisher);
void scribe_turn(struct scribe *scribe, int64_t now_ms, int64_t *next_ms);
void scribe_delivered(struct scribe *scribe, struct parcel *parcel, enum delivery delivery, const char *reason);

/* An input's checkpoint. Holds the assignment as a write. Of an intent the job hears, unless it is forgotten before.
 * -1 for want of memory. */
int scribe_write(struct scribe *scribe, struct job *job, uint64_t writer, const struct checkpoint *checkpoint);
/* A newer record of a run, of which scribe_write may have made one: it lands after that. The same. */
int scribe_write_again(struct scribe *scribe, struct job *job, uint64_t writer, const struct checkpoint *checkpoint);
/* A tombstone that nobody waits for. For want of memory none: the next restore finds the record stale. */
void scribe_erase(struct scribe *scribe, const struct assignment *assignment, int64_t offset, uint64_t writer);
/* A tombstone for the job's intent, which holds the assignment as a write; the job is forgotten. */
void scribe_withdraw(struct scribe *scribe, struct job *job, uint64_t writer);
/* No hook is called for the job any more. */
void scribe_forget(struct scribe *scribe, struct job *job);

/* Any thread; a snapshot. */
void scribe_read_counts(const struct scribe *scribe, struct scribe_counts *out);

#endif
