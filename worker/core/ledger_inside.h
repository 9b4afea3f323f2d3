/* ledger_inside: what the ledger's own files share: ledger.c (life, turns, partitions that come and go), ledger_find.c (what
 * was found for inputs) and ledger_note.c (what is noted of them). Nobody else includes it. */
#ifndef RXP_CORE_LEDGER_INSIDE_H
#define RXP_CORE_LEDGER_INSIDE_H

#include "core/ledger.h"
#include "core/scribe.h"
#include "core/shelves.h"
#include "kafka/checkpoints.h"

#include <stdatomic.h>

struct ledger {
    struct ledger_config config;
    struct ledger_hooks hooks;
    uint64_t random; /* this process's part of its writers' numbers */
    struct scribe *scribe;           /* NULL: the topic is off */
    struct checkpoints *checkpoints; /* the same */
    struct shelves shelves;
    struct list opening; /* assignments that wait for hooks.restored, with the topic off */
    int64_t now_ms;
    int64_t forgotten_told_ms;
    /* For ledger_read_counts. */
    atomic_size_t n_waiting;
    atomic_size_t n_parked;
    atomic_uint_fast64_t unwritten; /* for want of memory, or of a poll URL */
    atomic_uint_fast64_t restored;
    atomic_uint_fast64_t resumed;
    atomic_uint_fast64_t stale;
    atomic_uint_fast64_t gone;
    atomic_uint_fast64_t unreadable;
};

static inline void ledger_count(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* Under which number its records are written: one of its own for each assignment, so that what is late of an older assignment
 * of this process, a record or a tombstone, is never taken for the newer one's. Epochs differ, and the product with an odd
 * number does as well. */
static inline uint64_t ledger_writer(const struct ledger *ledger, const struct assignment *assignment)
{
    return ledger->random ^ (assignment->epoch * UINT64_C(0x9e3779b97f4a7c15));
}

/* After every change of the shelves. */
void ledger_count_waiting(struct ledger *ledger);
/* n runs were not kept; says so, once a second at most. */
void ledger_tell_forgotten(struct ledger *ledger, size_t n, const char *reason);

#endif
