/* ledger: what is known, beyond this process's life, of inputs whose runs are under way.
 *
 * Three books:
 *   - what it wrote: a checkpoint for each accepted kickoff (an intent before it, with at-most-once), erased once a commit
 *     covers its input. Its records carry the number of their writer, which is random for each process and another
 *     for each assignment, so that neither a process that was thought dead nor an older assignment of the same process
 *     can erase or replace those of the heir;
 *   - what it read: of each partition that was assigned, the records that others or an earlier life left;
 *   - what it parked: runs of a partition that was taken away, in memory, for the case that it comes back.
 *
 * The Kafka thread alone, but ledger_note_run, ledger_note_again, ledger_note_intent and ledger_read_counts. With the topic
 * off nothing is written or read; parked runs work all the same.
 *
 * What was read or parked waits for its input to come. It must therefore not count against what holds inputs back, or both
 * would wait for ever. What was parked has limits of its own, beyond which the oldest is forgotten. What was read has none,
 * since none of it may be forgotten; but there is not more of it than other workers had in flight, within their limits. */
#ifndef RXP_CORE_LEDGER_H
#define RXP_CORE_LEDGER_H

#include "core/checkpoint.h"
#include "core/job.h"
#include "core/parcel.h"
#include "kafka/client_conf.h"
#include "kafka/consumer.h"
#include "kafka/publisher.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger;
struct metrics_shard;

/* The strings must outlive the ledger. */
struct ledger_config {
    struct kafka_settings settings; /* group_id: whose records they are */
    const char *topic;              /* checkpoints-topic; NULL: off */
    const char *const *inputs;      /* the input topics */
    size_t n_inputs;
    const char *worker_id;
    bool at_most_once; /* a record that cannot be read counts as an intent */
    size_t max_parked;
    size_t max_parked_bytes;
    int event_fd; /* woken when ledger_turn has something to do */
};

/* All on the Kafka thread. */
struct ledger_hooks {
    /* From within ledger_turn: all that is known of the assignment's inputs is there: ledger_take may begin. Not called
     * for one that has ended meanwhile. */
    void (*restored)(struct assignment *assignment, void *opaque);
    /* The job's intent was acknowledged. Its kickoff may go once a commit that began after this call was accepted. */
    void (*intent_written)(struct job *job, void *opaque);
    /* It will never be: the kickoff must not go. `reason` is a sentence. */
    void (*intent_failed)(struct job *job, const char *reason, void *opaque);
    /* The worker must end with a non-zero status. */
    void (*fatal)(const char *reason, void *opaque);
    void *opaque;
};

/* NULL with a sentence in why[why_bytes]. Does not wait for the broker. */
struct ledger *ledger_new(const struct ledger_config *config, const struct ledger_hooks *hooks, char *why,
                          size_t why_bytes);
/* After the publisher is gone (its last reports come to ledger_delivered), while assignments are still there. NULL is
 * harmless. */
void ledger_free(struct ledger *ledger);

/* What it writes through, for the first time after the first hooks.restored: before that the topic need not be there, and the
 * publisher should not ask for it (checkpoints.h). Set while no loop thread is there. NULL: what is to be written from now
 * on, or waits, is given up. */
void ledger_use_publisher(struct ledger *ledger, struct publisher *publisher);
/* A delivery report about a PARCEL_CHECKPOINT. */
void ledger_delivered(struct ledger *ledger, struct parcel *parcel, enum delivery delivery, const char *reason);
/* Never blocks. *next_ms (monotonic): when it wants to be called at the latest. */
void ledger_turn(struct ledger *ledger, int64_t now_ms, int64_t *next_ms);

/* ---- a partition comes and goes ---- */

/* Reads what is there for it; hooks.restored follows. */
void ledger_restore(struct ledger *ledger, struct assignment *assignment);
/* Once it is known which inputs are done (consumer_hooks.running), before the first ledger_take: the records of those are
 * erased. */
void ledger_clean(struct ledger *ledger, struct assignment *assignment,
                  bool (*is_done)(struct assignment *assignment, int64_t offset, void *opaque), void *opaque);
/* It has ended. What was read for it and not taken is forgotten; parked runs stay. Without this call, the next
 * ledger_restore of the partition does it. */
void ledger_leave(struct ledger *ledger, struct assignment *assignment);

/* ---- an input's way ---- */

/* The checkpoint of an input that was just admitted; offsets must ascend. The caller frees it (free), and asks
 * checkpoint_matches, with the input in hand, whether it is about it. NULL: none. In either case *tags says whose records
 * are to be erased with the input; or that memory was wanting, and then the input must not be begun. Records of inputs
 * below, which never came, are reported and erased. */
struct checkpoint *ledger_take(struct ledger *ledger, struct assignment *assignment, int64_t offset,
                               struct job_tags *tags);
/* Loop threads, within hooks.accepted: writes what run_note says. Nobody waits for it. -1 for want of memory. */
int ledger_note_run(struct ledger *ledger, struct job *job);
/* Loop threads, within hooks.noted: writes what run_note says now. It lands after what was written before, and before the
 * tombstone. The same. */
int ledger_note_again(struct ledger *ledger, struct job *job);
/* Loop threads, within hooks.permit: writes the intent; one of the hooks follows, unless the job is released before. 0, or
 * -1 for want of memory: no hook follows. */
int ledger_note_intent(struct ledger *ledger, struct job *job);
/* The kickoff for which an intent was noted never began: takes it back. The assignment's writes tell when that is done. */
void ledger_withdraw(struct ledger *ledger, struct job *job);
/* An abandoned job that goes on, perhaps, when its partition comes back: if its kickoff was accepted, or it had a
 * checkpoint to go on from. Otherwise harmless. */
void ledger_park(struct ledger *ledger, const struct job *job);
/* The job is about to be freed: no hook is called for it any more. For every job. */
void ledger_release(struct ledger *ledger, struct job *job);

/* Whose records are to be erased once the job's input is committed: for consumer_done. */
struct job_tags ledger_tags(const struct ledger *ledger, const struct job *job);
/* They are covered by an acknowledged commit now. */
void ledger_erase(struct ledger *ledger, const struct assignment *assignment, const struct consumer_mark *marks,
                  size_t n);

struct ledger_counts {
    size_t outstanding;   /* records and tombstones made and neither acknowledged nor given up */
    size_t outstanding_bytes; /* of memory, that these take up */
    size_t waiting;       /* found and not taken: read, or parked */
    size_t parked;        /* of those, the parked ones */
    uint64_t written;     /* runs and intents acknowledged */
    uint64_t erased;      /* tombstones acknowledged */
    uint64_t given_up;    /* runs, intents and tombstones */
    uint64_t restored;    /* records read back */
    uint64_t resumed;     /* given out by ledger_take as runs */
    uint64_t stale;       /* found, but their inputs were done */
    uint64_t gone;        /* found, but their inputs never came */
    uint64_t unreadable;  /* found, and not to be read */
};
/* Any thread; a snapshot. */
void ledger_read_counts(const struct ledger *ledger, struct ledger_counts *out);
/* What came since, into METRIC_CHECKPOINTS_TOTAL. */
void ledger_count_growth(const struct ledger_counts *was, const struct ledger_counts *now, struct metrics_shard *shard);

#endif
