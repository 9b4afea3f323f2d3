/* origin_inside: what origin.c (claims and whose turn it is), origin_set.c (which origins there are, and for how long) and
 * origin_gate.c (what the gate says, and who has waited too long) share. Nobody else includes it. */
#ifndef RXP_ENGINE_ORIGIN_INSIDE_H
#define RXP_ENGINE_ORIGIN_INSIDE_H

#include "base/clock.h"
#include "base/heap.h"
#include "base/key_table.h"
#include "base/list.h"
#include "engine/gate.h"
#include "engine/lookups.h"
#include "engine/origin.h"

/* Who waits at an origin, in the order in which they go. */
enum queue { POLLS, HOPS /* of kickoffs */, RELEASED, KICKOFFS };
#define QUEUES 4

#define SLOT_NONE INT64_MAX

/* Invariant: it is in one of the lists of origins that can go just as one of its claims could go by its own limits (and,
 * as far as is known, by its gate), and then in the one of that claim's queue and of whether it is known. One that is
 * known and has no claim but held ones rests. */
struct origin {
    struct key_node node;
    struct list ready_node;
    struct list resting_node;
    struct list overdue_node;
    struct list queue[QUEUES];
    size_t active;   /* opening or open */
    size_t kickoffs; /* of these */
    size_t held;     /* or released; beside these */
    struct name_lookups lookups; /* one for each claim that is opening, and strays */
    int64_t forget_ms;           /* while it rests */
    struct gate *gate;           /* NULL: there are none */
    int64_t slot_ms[GATE_RATES];   /* reserved and not used yet; SLOT_NONE */
    int64_t barred_ms[GATE_RATES]; /* until then kickoffs are not asked for; or nothing is (GATE_REQUESTS) */
    struct timer look;             /* when it is barred no more, or one may have waited too long */
    char key[];
};

struct origins {
    int64_t now_ms;
    struct origins_config config;
    size_t max_kickoffs; /* places of an origin that kickoffs may take */
    size_t max_total_kickoffs;
    size_t total;    /* claims opening or open */
    size_t kickoffs; /* of these */
    size_t held;     /* or released; beside these */
    struct lookups lookups;
    struct list ready[QUEUES];
    struct list ready_unknown[QUEUES];
    struct list resting; /* the one that is forgotten first in front */
    size_t n_resting;
    struct heap looks;   /* room for one of each origin, always */
    struct list overdue; /* origins where some have waited too long, perhaps */
    struct key_table table;
};

/* ---- origin.c ---- */

/* The queue whose first claim may go, or -1. */
int origin_next_queue(const struct origins *origins, const struct origin *origin);
/* Restores the invariant after a change. An origin that was served goes behind the others. */
void origin_refresh(struct origins *origins, struct origin *origin);
/* The first of a queue; NULL. */
struct origin_claim *origin_first(const struct origin *origin, enum queue queue);

/* ---- origin_set.c ---- */

/* NULL for want of memory. */
struct origin *origin_find_or_make(struct origins *origins, const char *key);
/* It has a claim again. */
void origin_wake(struct origins *origins, struct origin *origin);
/* After its last claim or stray, maybe: rests, or goes. */
void origin_settle(struct origins *origins, struct origin *origin);

/* ---- origin_gate.c ---- */

/* Does the gate let the first claim of this queue go now? If not, it is barred for a while. */
bool origin_gate_lets(struct origins *origins, struct origin *origin, enum queue queue);
/* It went. */
void origin_gate_went(struct origins *origins, struct origin_claim *claim);
/* It was let go, and did not. Harmless for others. */
void origin_gate_return(struct origins *origins, struct origin_claim *claim);
/* Slots that nobody waits for are others' again. */
void origin_gate_tidy(struct origin *origin);
/* Sets its timer where that is needed. */
void origin_gate_arm(struct origins *origins, struct origin *origin);
/* Its timer is due. */
void origin_gate_look(struct origins *origins, struct origin *origin);

#endif
