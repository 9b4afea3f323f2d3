/* flight: the jobs that are under way, from a message taken to its result acknowledged or handed back.
 *
 *   flight_take ──> pool: prepare, run (loop threads) ──> settle ──> publisher ──> delivery report ──> landed
 *                                     └── abandoned, or could not be sent just now ──> mailbox ──┘
 *
 * Owns the pool, the publisher, and every job. All functions belong to the Kafka thread but flight_read_counts. */
#ifndef RXP_CORE_FLIGHT_H
#define RXP_CORE_FLIGHT_H

#include "core/ledger.h"
#include "core/settle.h"
#include "engine/pool.h"
#include "kafka/client_conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flight;

struct flight_config {
    struct kafka_settings kafka;
    struct settle_config settle;
    struct pool_config pool;
    size_t max_message_bytes;
    struct ledger *ledger; /* outlives the flight, and writes through its publisher; NULL: none */
    int event_fd; /* woken when flight_turn has something to do */
};

struct flight_hooks {
    /* The input's result was acknowledged: its offset is done. */
    void (*landed)(const struct ref *ref, void *opaque);
    /* The worker must end with a non-zero status; may be called more than once. */
    void (*fatal)(const char *reason, void *opaque);
    void *opaque;
};

/* NULL with a sentence in why[why_bytes]. */
struct flight *flight_new(const struct flight_config *config, const struct flight_hooks *hooks, char *why,
                          size_t why_bytes);
/* Whatever is still under way is handed back; `landed` is not called any more. Assignments must still be there. */
void flight_free(struct flight *flight);

/* Takes an input: copies what it needs of the message. 0, or -1 for want of memory. */
int flight_take(struct flight *flight, struct assignment *assignment, const rd_kafka_message_t *message);

/* Serves delivery reports, what came back from the loops, and what has to be sent again. Never blocks. *next_ms
 * (monotonic): when it wants to be called at the latest. */
void flight_turn(struct flight *flight, int64_t now_ms, int64_t *next_ms);

/* For the worker's phases; see pool.h. */
void flight_stop_kickoffs(struct flight *flight);
void flight_sweep(struct flight *flight);
void flight_abandon_all(struct flight *flight);

size_t flight_jobs(const struct flight *flight);        /* under way */
size_t flight_bytes(const struct flight *flight);       /* of their inputs, and of results that wait to be sent */

struct flight_counts {
    uint64_t taken;
    uint64_t landed[RXP_STATUS_REJECTED + 1]; /* by enum rxp_status */
    uint64_t handed_back;
    size_t jobs;
};
/* Any thread; a snapshot. */
void flight_read_counts(const struct flight *flight, struct flight_counts *out);

#endif
