/* scribe_inside: what scribe.c (sending, retries, tombstones: the Kafka thread) and scribe_record.c (writes as they are made, on
 * loop threads too) share. Nobody else includes it. */
#ifndef RXP_CORE_SCRIBE_INSIDE_H
#define RXP_CORE_SCRIBE_INSIDE_H

#include "base/mailbox.h"
#include "core/ledger_write.h"
#include "core/scribe.h"
#include "core/write_index.h"

#include <stdatomic.h>

#define SCRIBE_WHY_BYTES 512

struct scribe {
    struct scribe_config config;
    struct scribe_hooks hooks;
    struct publisher *publisher; /* NULL: all is given up */
    struct mailbox mailbox;      /* from loop threads: writes that the publisher did not take */
    struct list retries;         /* the same, in the order of making */
    struct list stragglers;      /* refused once: with the publisher again (`out`), or to be sent at straggle_at_ms */
    struct write_index pending;  /* both of these, by key */
    int64_t now_ms;
    int64_t retry_at_ms;    /* not before, so that a long outage costs no CPU */
    int64_t straggle_at_ms; /* CLOCK_NEVER: none is to be sent */
    int64_t refusal_told_ms;
    size_t refusals_untold;
    atomic_size_t outstanding;
    atomic_size_t outstanding_bytes;
    atomic_uint_fast64_t written;
    atomic_uint_fast64_t erased;
    atomic_uint_fast64_t given_up;
};

/* NULL for want of memory. */
struct ledger_write *scribe_make(struct scribe *scribe, enum write_kind kind, const struct place *place, const char *value,
                                 size_t value_bytes);
void scribe_unmake(struct scribe *scribe, struct ledger_write *write);
enum publisher_send scribe_offer(struct scribe *scribe, struct ledger_write *write, char why[SCRIBE_WHY_BYTES]);

#endif
