#include "kafka/checkpoint_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_SLOTS = 64 };

/* A live record, while the table is filled. */
struct record {
    int64_t offset;
    uint64_t writer;
    uint64_t turn; /* its place among all that were put */
    enum checked found;
    size_t value_bytes;
    char value[];
};

/* An offset of the sealed table; entry is NULL once taken. */
struct place {
    int64_t offset;
    struct checkpoint_entry *entry;
};

struct checkpoint_table {
    struct record **slots; /* open addressing, linear probing; a power of two, at most three quarters full */
    size_t n_slots;
    size_t n_records;
    uint64_t turns;
    struct place *places; /* sealed: by offset. All before n_passed are taken */
    size_t n_places;
    size_t n_left;
    size_t n_passed;
    bool sealed;
};

struct checkpoint_table *checkpoint_table_new(void)
{
    return calloc(1, sizeof(struct checkpoint_table));
}

void checkpoint_entry_free(struct checkpoint_entry *entry)
{
    free(entry);
}

void checkpoint_table_clear(struct checkpoint_table *table)
{
    assert(!table->sealed);
    for (size_t i = 0; i < table->n_slots; i++)
        free(table->slots[i]);
    free(table->slots);
    table->slots = NULL;
    table->n_slots = 0;
    table->n_records = 0;
}

void checkpoint_table_free(struct checkpoint_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->n_slots; i++)
        free(table->slots[i]);
    for (size_t i = 0; i < table->n_places; i++)
        checkpoint_entry_free(table->places[i].entry);
    free(table->slots);
    free(table->places);
    free(table);
}

/* ---- filling ---- */

/* The finalizer of MurmurHash3: every bit of offset and writer counts. */
static size_t hash_of(int64_t offset, uint64_t writer)
{
    uint64_t x = (uint64_t)offset * UINT64_C(0x9e3779b97f4a7c15) ^ writer;
    x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (size_t)(x ^ x >> 33);
}

/* The slot of the record, or the free one where it belongs. There is always a free one. */
static size_t find_slot(struct record *const *slots, size_t n_slots, int64_t offset, uint64_t writer)
{
    size_t at = hash_of(offset, writer) & (n_slots - 1);
    while (slots[at] != NULL && (slots[at]->offset != offset || slots[at]->writer != writer))
        at = (at + 1) & (n_slots - 1);
    return at;
}

static int grow(struct checkpoint_table *table)
{
    if (table->n_slots > 0 && (table->n_records + 1) * 4 <= table->n_slots * 3)
        return 0;
    size_t n_slots = table->n_slots > 0 ? table->n_slots * 2 : LEAST_SLOTS;
    struct record **slots = calloc(n_slots, sizeof *slots);
    if (slots == NULL)
        return -1;
    for (size_t i = 0; i < table->n_slots; i++) {
        struct record *record = table->slots[i];
        if (record != NULL)
            slots[find_slot(slots, n_slots, record->offset, record->writer)] = record;
    }
    free(table->slots);
    table->slots = slots;
    table->n_slots = n_slots;
    return 0;
}

int checkpoint_table_put(struct checkpoint_table *table, int64_t offset, uint64_t writer, const void *value,
                         size_t value_bytes)
{
    assert(!table->sealed);
    struct record *record = malloc(sizeof *record + value_bytes);
    if (record == NULL || grow(table) != 0) {
        free(record);
        return -1;
    }
    record->offset = offset;
    record->writer = writer;
    record->turn = table->turns++;
    record->value_bytes = value_bytes;
    if (value_bytes > 0)
        memcpy(record->value, value, value_bytes);
    size_t at = find_slot(table->slots, table->n_slots, offset, writer);
    if (table->slots[at] == NULL)
        table->n_records++;
    free(table->slots[at]);
    table->slots[at] = record;
    return 0;
}

void checkpoint_table_erase(struct checkpoint_table *table, int64_t offset, uint64_t writer)
{
    assert(!table->sealed);
    if (table->n_slots == 0)
        return;
    size_t mask = table->n_slots - 1;
    size_t hole = find_slot(table->slots, table->n_slots, offset, writer);
    if (table->slots[hole] == NULL)
        return;
    free(table->slots[hole]);
    table->slots[hole] = NULL;
    table->n_records--;
    /* Those behind that would now not be found, as their way from home leads over the hole, move up. */
    for (size_t at = (hole + 1) & mask; table->slots[at] != NULL; at = (at + 1) & mask) {
        size_t home = hash_of(table->slots[at]->offset, table->slots[at]->writer) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->slots[hole] = table->slots[at];
            table->slots[at] = NULL;
            hole = at;
        }
    }
}

/* ---- sealing ---- */

/* By offset; of one offset the best first. */
static int compare_records(const void *one, const void *other)
{
    const struct record *a = *(struct record *const *)one;
    const struct record *b = *(struct record *const *)other;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    if (a->found != b->found)
        return a->found > b->found ? -1 : 1;
    return a->turn > b->turn ? -1 : a->turn < b->turn;
}

/* The records of one offset as one block: the entry, its writers, its value. */
static struct checkpoint_entry *make_entry(struct record *const *records, size_t n)
{
    const struct record *best = records[0];
    struct checkpoint_entry *entry = malloc(sizeof *entry + n * sizeof *entry->writers + best->value_bytes + 1);
    if (entry == NULL)
        return NULL;
    uint64_t *writers = (uint64_t *)(entry + 1);
    char *value = (char *)(writers + n);
    for (size_t i = 0; i < n; i++)
        writers[i] = records[i]->writer;
    memcpy(value, best->value, best->value_bytes);
    value[best->value_bytes] = '\0';
    *entry = (struct checkpoint_entry){
        .offset = best->offset,
        .found = best->found,
        .writers = writers,
        .n_writers = n,
        .value = value,
        .value_bytes = best->value_bytes,
    };
    return entry;
}

/* Records become entries; each is freed as soon as it is in one, so that nothing is held twice. */
static int make_entries(struct checkpoint_table *table)
{
    struct record **records = table->slots;
    size_t n = table->n_records;
    table->places = calloc(n, sizeof *table->places);
    if (table->places == NULL)
        return -1;
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && records[to]->offset == records[from]->offset; to++)
            continue;
        struct checkpoint_entry *entry = make_entry(&records[from], to - from);
        if (entry == NULL)
            return -1;
        table->places[table->n_places++] = (struct place){entry->offset, entry};
        for (size_t i = from; i < to; i++) {
            free(records[i]);
            records[i] = NULL;
        }
    }
    return 0;
}

enum checkpoint_seal checkpoint_table_seal(struct checkpoint_table *table, checkpoint_check_fn check, void *opaque,
                                           int64_t *offset, uint64_t *writer)
{
    assert(!table->sealed);
    table->sealed = true;
    if (table->n_records == 0)
        return CHECKPOINT_SEALED;
    size_t n = 0;
    for (size_t i = 0; i < table->n_slots; i++) {
        struct record *record = table->slots[i];
        if (record == NULL)
            continue;
        table->slots[i] = NULL;
        table->slots[n++] = record;
    }
    assert(n == table->n_records);
    for (size_t i = 0; i < n; i++) {
        struct record *record = table->slots[i];
        record->found = check(record->value, record->value_bytes, opaque);
        if (record->found == CHECKED_NO_MEMORY)
            return CHECKPOINT_SEAL_NO_MEMORY;
        if (record->found == CHECKED_TOO_NEW) {
            *offset = record->offset;
            *writer = record->writer;
            return CHECKPOINT_SEAL_TOO_NEW;
        }
    }
    qsort(table->slots, n, sizeof(struct record *), compare_records);
    if (make_entries(table) != 0)
        return CHECKPOINT_SEAL_NO_MEMORY;
    free(table->slots);
    table->slots = NULL;
    table->n_slots = 0;
    table->n_records = 0;
    table->n_left = table->n_places;
    return CHECKPOINT_SEALED;
}

/* ---- taking ---- */

size_t checkpoint_table_count(const struct checkpoint_table *table)
{
    assert(table->sealed);
    return table->n_left;
}

static struct checkpoint_entry *take_at(struct checkpoint_table *table, size_t at)
{
    struct checkpoint_entry *entry = table->places[at].entry;
    if (entry == NULL)
        return NULL;
    table->places[at].entry = NULL;
    table->n_left--;
    while (table->n_passed < table->n_places && table->places[table->n_passed].entry == NULL)
        table->n_passed++;
    return entry;
}

struct checkpoint_entry *checkpoint_table_take(struct checkpoint_table *table, int64_t offset)
{
    assert(table->sealed);
    size_t from = table->n_passed;
    size_t to = table->n_places;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (table->places[middle].offset < offset)
            from = middle + 1;
        else
            to = middle;
    }
    return from < table->n_places && table->places[from].offset == offset ? take_at(table, from) : NULL;
}

const struct checkpoint_entry *checkpoint_table_next(const struct checkpoint_table *table, size_t *at)
{
    assert(table->sealed);
    if (*at < table->n_passed)
        *at = table->n_passed;
    while (*at < table->n_places) {
        const struct checkpoint_entry *entry = table->places[(*at)++].entry;
        if (entry != NULL)
            return entry;
    }
    return NULL;
}
