/* flight_inside: what flight.c (life, and what the worker asks), flight_loop.c (the pool's hooks, on loop threads) and
 * landing.c (jobs that come home, on the Kafka thread) share. Nobody else includes it. */
#ifndef RXP_CORE_FLIGHT_INSIDE_H
#define RXP_CORE_FLIGHT_INSIDE_H

#include "base/mailbox.h"
#include "core/crowds.h"
#include "core/ebb.h"
#include "core/flight.h"
#include "core/permits.h"

#include <stdatomic.h>

struct slabs;

struct flight {
    struct flight_config config;
    struct flight_hooks hooks;
    struct mailbox mailbox; /* jobs that come back from the loops */
    struct publisher *publisher;
    struct pool *pool;
    struct ledger *ledger;
    struct lanes *lanes;
    struct permits permits;
    struct crowds crowds;
    struct slabs *job_slabs;
    struct list retries; /* jobs that could not be sent just now */
    bool closing;        /* being freed: nothing lands any more */
    size_t jobs;         /* the Kafka thread's own counts */
    size_t partitions; /* that messages come from, 1 at least: ordering shares its room out among them */
    int64_t now_ms;      /* of this turn */
    int64_t retry_at_ms; /* not before, so that a long outage costs no CPU */
    int64_t refusal_told_ms;
    size_t refusals_untold;
    int64_t reply_told_ms;
    size_t replies_untold;
    struct ebb ebb;
    atomic_size_t bytes; /* flight_charge's: what all jobs hold */
    atomic_size_t unprepared;   /* with the loops, who have not looked what they are: grows here, shrinks there */
    atomic_size_t most_unprepared; /* then no more messages are taken for a moment; set here */
    atomic_bool intent_lost;    /* a loop had no memory for an intent */
    struct ledger_counts counted; /* of these metrics know */
    /* For flight_read_counts. */
    atomic_size_t jobs_shown;
    atomic_uint_fast64_t taken;
    atomic_uint_fast64_t handed_back;
    atomic_uint_fast64_t landed[RXP_STATUS_REJECTED + 1];
};

/* ---- flight.c ---- */

void flight_fail(struct flight *flight, const char *reason);
void flight_count_jobs(struct flight *flight);
/* The job holds so many bytes more, or less, which count towards max-in-flight-bytes until it ends. Whoever has the job. */
void flight_charge(struct flight *flight, struct job *job, ptrdiff_t bytes);
/* To the loops. */
void flight_submit(struct flight *flight, struct job *job);
/* Where ordering keeps jobs waiting: is there room for more of this partition? */
void flight_serve_lanes(struct flight *flight, struct assignment *assignment);

/* ---- flight_loop.c ---- */

struct pool_hooks flight_pool_hooks(struct flight *flight);

/* ---- landing.c ---- */

void landing_delivered(void *message_opaque, enum delivery delivery, const char *reason, void *opaque);
void landing_serve(struct flight *flight); /* what came back from the loops */
void landing_retry(struct flight *flight);

#endif
