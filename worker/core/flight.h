/* flight: the jobs that are under way, from a message taken to its result acknowledged or handed back.
 *
 *   flight_take ──> lane ──> pool: prepare, permit, run (loop threads) ──> settle ──> publisher ──> delivery report ──> landed
 *                                     │                          │                └── exactly-once: hooks.ready ──> batcher ──> landed
 *                                     └── abandoned, or could not be sent just now ──> mailbox ──┘
 *
 * Owns the pool, the publisher, the ledger, the lanes, and every job. All functions belong to the Kafka thread but
 * flight_read_counts. */
#ifndef RXP_CORE_FLIGHT_H
#define RXP_CORE_FLIGHT_H

#include "core/lanes.h"
#include "core/ledger.h"
#include "core/run_line.h"
#include "core/settle.h"
#include "engine/pool.h"
#include "kafka/client_conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancels;
struct flight;
struct history;
struct metrics;
struct metrics_shard;
struct profiles;
struct progress;

/* All strings must outlive it. */
struct flight_config {
    struct kafka_settings kafka;
    struct settle_config settle;
    struct pool_config pool;
    const char *const *input_topics;
    size_t n_input_topics;
    const char *checkpoints_topic; /* NULL: off */
    bool at_most_once;             /* kickoffs: an intent before each; wants checkpoints_topic */
    enum lanes_mode ordering;
    size_t max_in_flight;
    size_t max_parked_bytes; /* of runs of partitions that were taken away */
    size_t max_message_bytes;
    struct profiles *profiles; /* NULL: none */
    struct metrics *metrics; /* NULL: nothing is counted */
    struct metrics_shard *shard; /* the Kafka thread's; the same */
    enum log_runs log_runs;
    struct history *history; /* the same: nobody is told of failures */
    struct cancels *cancels; /* the same: none is asked for */
    struct progress *progress; /* NULL: nobody is told of runs that go on */
    int event_fd; /* woken when flight_turn has something to do */
};

/* All on the Kafka thread. */
struct flight_hooks {
    /* The input's result was acknowledged: its offset is done. The tags are for consumer_done. */
    void (*landed)(const struct ref *ref, const struct job_tags *tags, void *opaque);
    /* Exactly-once: the job's result is due. The job is the owner's until flight_land, flight_give_up or
     * flight_hand_back. */
    void (*ready)(struct job *job, void *opaque);
    /* flight_restore has come to its end. */
    void (*restored)(struct assignment *assignment, void *opaque);
    /* A kickoff may go once a commit of this partition that begins now is accepted: the ticket for flight_confirmed; 0
     * where there is none to wait for, since the assignment is gone. */
    uint64_t (*confirm)(struct assignment *assignment, void *opaque);
    /* Inputs of this partition wait for each other: take no more of them for now. */
    void (*pause)(struct assignment *assignment, bool pause, void *opaque);
    /* The same, while too many runs wait to be kicked off at an origin that this partition brings more of. */
    void (*crowd)(struct assignment *assignment, bool pause, void *opaque);
    /* The worker must end with a non-zero status; may be called more than once. */
    void (*fatal)(const char *reason, void *opaque);
    void *opaque;
};

/* NULL with a sentence in why[why_bytes]. */
struct flight *flight_new(const struct flight_config *config, const struct flight_hooks *hooks, char *why,
                          size_t why_bytes);
/* Whatever is still under way is handed back; `landed` is not called any more. Assignments must still be there. */
void flight_free(struct flight *flight);

/* Serves delivery reports, what came back from the loops, and what has to be sent again. Never blocks. *next_ms
 * (monotonic): when it wants to be called at the latest. */
void flight_turn(struct flight *flight, int64_t now_ms, int64_t *next_ms);

/* ---- a partition's way: the same steps as the consumer's hooks ---- */

/* Reads what earlier lives noted of its inputs; hooks.restored follows, in a later turn. */
void flight_restore(struct flight *flight, struct assignment *assignment);
/* Which inputs are done is known: what is noted of those is erased. Before the first flight_take. */
void flight_clean(struct flight *flight, struct assignment *assignment,
                  bool (*is_done)(struct assignment *assignment, int64_t offset, void *opaque), void *opaque);
/* Takes an input: copies what it needs of the message. Those of a partition in the order of their offsets. 0, or -1 for
 * want of memory. */
int flight_take(struct flight *flight, struct assignment *assignment, const rd_kafka_message_t *message);
void flight_confirmed(struct flight *flight, struct assignment *assignment, uint64_t ticket);
void flight_committed(struct flight *flight, struct assignment *assignment, const struct consumer_mark *marks, size_t n);
/* Its tenure has changed. */
void flight_leave(struct flight *flight, struct assignment *assignment);

/* So many partitions are this worker's: ordering gives each its share of what may wait. */
void flight_share_out(struct flight *flight, size_t partitions);

/* ---- what hooks.ready gave away ---- */

/* For consumer_done. */
struct job_tags flight_tags(const struct flight *flight, const struct job *job);
void flight_land(struct flight *flight, struct job *job); /* without hooks.landed */
/* `reason`: what the broker or the producer said; NULL where it said nothing. The worker ends. */
void flight_give_up(struct flight *flight, struct job *job, const char *reason);
void flight_hand_back(struct flight *flight, struct job *job);
/* Tells of a result that goes again because it was refused; at most one line a second. */
void flight_tell_refusal(struct flight *flight, const struct job *job, const char *reason);

/* ---- the worker's phases; see pool.h ---- */

/* Nothing is begun any more. What waits comes home; so does what somebody else can go on with, once its request is
 * answered. */
void flight_park(struct flight *flight);
void flight_abandon_all(struct flight *flight);

size_t flight_jobs(const struct flight *flight);  /* under way */
/* How many messages it can take just now: no more than the loops can look at soon, so that a crowd is known before it has
 * grown large. The event fd wakes once there is room again. */
size_t flight_room(struct flight *flight);
size_t flight_bytes(const struct flight *flight); /* that they hold (flight_charge), and of flight_notes; not what waits for
                                                   * its input: see ledger.h */
size_t flight_notes(const struct flight *flight); /* of the ledger: written, and not acknowledged yet */

/* Counts what the ledger has done since the last call. Now and then. */
void flight_count_checkpoints(struct flight *flight);

size_t flight_errands(const struct flight *flight); /* of runs that have ended: pool.h */

/* Holds until flight_free. Any thread. */
struct pool *flight_pool(struct flight *flight);

struct flight_counts {
    uint64_t taken;
    uint64_t landed[RXP_STATUS_REJECTED + 1]; /* by enum rxp_status */
    uint64_t handed_back;
    size_t jobs;
};
/* Any thread; a snapshot. */
void flight_read_counts(const struct flight *flight, struct flight_counts *out);

#endif
