/* write_index: writes that have yet to go, or go again, found by their keys: a hash table that is chained through the writes
 * themselves and grows with them. Several may have the same key.
 *
 * The scribe's; one thread. Nothing here fails: where there is no memory to grow, chains get longer. */
#ifndef RXP_CORE_WRITE_INDEX_H
#define RXP_CORE_WRITE_INDEX_H

#include "core/ledger_write.h"

#include <stdbool.h>
#include <stddef.h>

#define WRITE_INDEX_LEAST 64

struct write_index {
    struct ledger_write **chains; /* `least`, or as many as memory was got for */
    size_t n_chains;              /* a power of two */
    size_t n;                     /* writes inside; as a rule not more than chains */
    struct ledger_write *least[WRITE_INDEX_LEAST];
};

void write_index_init(struct write_index *index);
/* What is inside is not touched any more. */
void write_index_deinit(struct write_index *index);

/* It must not be inside. */
void write_index_add(struct write_index *index, struct ledger_write *write);
/* Harmless where it is not inside. */
void write_index_remove(struct write_index *index, struct ledger_write *write);
/* The first that was added of those with the key of `like`; NULL: none. */
struct ledger_write *write_index_find(const struct write_index *index, const struct ledger_write *like);

#endif
