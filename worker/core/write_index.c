#include "core/write_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void write_index_init(struct write_index *index)
{
    *index = (struct write_index){.n_chains = WRITE_INDEX_LEAST};
    index->chains = index->least;
}

void write_index_deinit(struct write_index *index)
{
    if (index->chains != index->least)
        free(index->chains);
}

static struct ledger_write **chain_of(const struct write_index *index, uint64_t hash)
{
    return &index->chains[hash & (index->n_chains - 1)];
}

/* At the chain's end: what was added first is found first. */
static void put(struct write_index *index, struct ledger_write *write)
{
    struct ledger_write **at = chain_of(index, write->key_hash);
    while (*at != NULL)
        at = &(*at)->chain_next;
    write->chain_next = NULL;
    *at = write;
}

static void grow(struct write_index *index)
{
    struct ledger_write **from = index->chains;
    size_t n_from = index->n_chains;
    struct ledger_write **chains = calloc(2 * n_from, sizeof *chains);
    if (chains == NULL)
        return;
    index->chains = chains;
    index->n_chains = 2 * n_from;
    for (size_t i = 0; i < n_from; i++) {
        struct ledger_write *next;
        for (struct ledger_write *write = from[i]; write != NULL; write = next) {
            next = write->chain_next;
            put(index, write);
        }
    }
    if (from != index->least)
        free(from);
}

void write_index_add(struct write_index *index, struct ledger_write *write)
{
    assert(!write->is_indexed);
    if (index->n == index->n_chains)
        grow(index);
    put(index, write);
    write->is_indexed = true;
    index->n++;
}

void write_index_remove(struct write_index *index, struct ledger_write *write)
{
    if (!write->is_indexed)
        return;
    struct ledger_write **at = chain_of(index, write->key_hash);
    while (*at != write)
        at = &(*at)->chain_next;
    *at = write->chain_next;
    write->is_indexed = false;
    index->n--;
}

static bool has_key_of(const struct ledger_write *write, const struct ledger_write *like)
{
    return write->key_hash == like->key_hash && write->key_bytes == like->key_bytes &&
           memcmp(write->key, like->key, like->key_bytes) == 0;
}

struct ledger_write *write_index_find(const struct write_index *index, const struct ledger_write *like)
{
    struct ledger_write *write = *chain_of(index, like->key_hash);
    while (write != NULL && !has_key_of(write, like))
        write = write->chain_next;
    return write;
}
