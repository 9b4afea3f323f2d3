/* origin: how many requests of one loop may be under way to one origin (scheme://host:port), and who goes next.
 *
 * Pure; owned by one loop thread; knows no network. A claim is embedded in what wants to send. It queues at its origin,
 * is handed out by origins_next when there is a place, and leaves when it is done (or no longer wants to go):
 *
 *   enter ──> QUEUED ── next ──> OPENING ── opened ──> OPEN ── leave
 *                                 │   ^
 *                            hold v   │ next
 *                                HELD ── release ──> RELEASED
 *
 * Polls go before kickoffs, and kickoffs never get the last quarter of an origin's places (at least one, where there
 * are two), nor the last quarter of the places of all: backends whose kickoffs stall must not keep polls waiting. Each
 * queue is first come, first served, and origins take turns.
 *
 * A kickoff that is handed out and may not go yet is HELD. It has no place, so that polls go on however many are held
 * and however long; but until it goes or leaves it counts as a kickoff where new ones are handed out, at its origin and
 * in all: no more are held than could go. RELEASED ones go before new ones.
 *
 * What all loops share about an origin is its gate (gate.h), which each that goes is asked for; one that is handed out and
 * does not go (HELD, or it leaves before origins_went) gives back what the gate gave it. Later hops of a kickoff count by
 * the rates, but wait for nothing. A kickoff has waited too long (origins_take_overdue) where its origin made no progress
 * (an HTTP answer, or a kickoff that went and was no probe) for kickoff_max_wait_ms while it was queued; but not where
 * nothing but a rate keeps it.
 *
 * Each claim that is OPENING may hold a name look-up, and with it a thread. So an origin of which nothing is known yet
 * has at most 4 of them, and all such origins together at most 128, of which kickoffs leave 32 to polls. Once a claim
 * was opened the origin is known, and stays so for a minute after its last claim but held ones (curl keeps the address
 * as long), so that a run between polls need not wait among names that hang. An unknown one is freed with its last
 * claim.
 *
 * The thread goes on when the request is cancelled or its time is out: origins_abandon counts it for another half
 * minute, about as long as a resolver tries. Such strays leave one look-up to their origin, lest a handful of cancelled
 * requests stop it. */
#ifndef RXP_ENGINE_ORIGIN_H
#define RXP_ENGINE_ORIGIN_H

#include "base/list.h"
#include "engine/gate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORIGIN_MAX_OPENING 4
#define ORIGINS_MAX_OPENING 128
#define ORIGINS_OPENING_FOR_POLLS 32
#define ORIGIN_KNOWN_MS 60000
#define ORIGIN_LOOK_UP_MS 30000
#define ORIGINS_MAX_RESTING 4096 /* known ones without a claim, or with held ones only */

enum origin_class { ORIGIN_POLL, ORIGIN_KICKOFF };
#define ORIGIN_CLASSES 2

/* Where in its queue. FIRST is for later hops of a redirect, whose time runs already: such a kickoff goes before
 * released and new ones, and does not mind those that are held. */
enum origin_end { ORIGIN_LAST, ORIGIN_FIRST };

enum origin_place { ORIGIN_NOWHERE, ORIGIN_QUEUED, ORIGIN_OPENING, ORIGIN_OPEN, ORIGIN_HELD, ORIGIN_RELEASED };

struct origin_claim {
    struct list node; /* in one of its origin's queues, else a ring of one */
    struct origin *origin;
    enum origin_class class;
    enum origin_place place;
    bool is_let;   /* by the gate, and it did not go yet */
    bool is_probe; /* the same, while the breaker is open */
    int64_t queued_ms;
};

struct origins;

struct origins_config {
    size_t max_active;           /* places of each origin, at least 1 */
    size_t max_total;            /* of all together, at least 1; a bound for file descriptors only */
    struct gates *gates;         /* outlive the origins. NULL: none */
    int64_t kickoff_max_wait_ms; /* 0: no limit */
};

/* NULL for want of memory. */
struct origins *origins_new(const struct origins_config *config);
/* No claim may be left. */
void origins_free(struct origins *origins);

/* What time it is, for all that follows. Forgets what is due; begins with 0. */
void origins_turn(struct origins *origins, int64_t now_ms);

void origin_claim_init(struct origin_claim *claim);

/* Queues a claim that is nowhere. `key` is copied. 0, or -1 for want of memory. */
int origins_enter(struct origins *origins, struct origin_claim *claim, const char *key, enum origin_class class,
                  enum origin_end end);
/* The next claim that may go, now OPENING; NULL when none may. */
struct origin_claim *origins_next(struct origins *origins);
/* Would origins_next return one? */
bool origins_has_next(const struct origins *origins);
/* It is OPENING and goes now. */
void origins_went(struct origins *origins, struct origin_claim *claim);
/* The gate of its origin, while it is somewhere; NULL: none. */
struct gate *origin_claim_gate(const struct origin_claim *claim);
/* A kickoff that has waited too long, now nowhere; NULL: no more of them. To be asked for after each turn. */
struct origin_claim *origins_take_overdue(struct origins *origins);
bool origins_have_overdue(const struct origins *origins);
/* A kickoff that is OPENING, and of which nothing is sent or looked up yet, waits. */
void origins_hold(struct origins *origins, struct origin_claim *claim);
/* One that is HELD may go, as soon as there is a place: origins_next returns it again. */
void origins_release(struct origins *origins, struct origin_claim *claim);
/* Its name is looked up: connecting has begun, or a connection is reused. Again: harmless. */
void origins_opened(struct origins *origins, struct origin_claim *claim);
/* From any place to nowhere. */
void origins_leave(struct origins *origins, struct origin_claim *claim);
/* The same, of one whose look-up, if it is OPENING, goes on. Its origin is unknown then. */
void origins_abandon(struct origins *origins, struct origin_claim *claim);
/* When origins_turn may let others go; CLOCK_NEVER. */
int64_t origins_next_ms(const struct origins *origins);

/* How many origins there are, those at rest too. */
size_t origins_count(const struct origins *origins);

#endif
