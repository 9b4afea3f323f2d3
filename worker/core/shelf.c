#include "core/shelf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct shelf *shelf_new(const char *topic, int32_t partition)
{
    struct shelf *shelf = calloc(1, sizeof *shelf);
    if (shelf == NULL)
        return NULL;
    shelf->topic = strdup(topic);
    if (shelf->topic == NULL) {
        free(shelf);
        return NULL;
    }
    list_init(&shelf->node);
    shelf->partition = partition;
    shelf->taken = -1;
    heap_init(&shelf->parked);
    return shelf;
}

void shelf_free(struct shelf *shelf)
{
    if (shelf == NULL)
        return;
    assert(shelf->parked.n == 0);
    heap_deinit(&shelf->parked);
    checkpoint_table_free(shelf->table);
    free(shelf->topic);
    free(shelf);
}

void shelf_open(struct shelf *shelf, const struct assignment *assignment, struct checkpoint_table *table)
{
    shelf_close(shelf);
    shelf->epoch = assignment->epoch;
    shelf->table = table;
}

void shelf_close(struct shelf *shelf)
{
    checkpoint_table_free(shelf->table);
    shelf->table = NULL;
    shelf->epoch = 0;
    shelf->taken = -1;
}

bool shelf_is_idle(const struct shelf *shelf)
{
    return shelf->epoch == 0 && shelf->parked.n == 0;
}

size_t shelf_count(const struct shelf *shelf)
{
    return shelf->parked.n + (shelf->table != NULL ? checkpoint_table_count(shelf->table) : 0);
}

/* With its place in the heap. */
size_t parked_footprint(const struct parked *parked)
{
    return sizeof *parked + sizeof(struct timer *) + parked->bytes;
}

struct parked *shelf_park(struct shelf *shelf, int64_t offset, char *value, size_t bytes, const struct job_tags *tags)
{
    struct parked *parked = calloc(1, sizeof *parked);
    if (parked == NULL)
        return NULL;
    timer_init(&parked->timer);
    if (heap_set(&shelf->parked, &parked->timer, offset) != 0) {
        free(parked);
        return NULL;
    }
    list_init(&parked->node);
    parked->shelf = shelf;
    parked->tags = *tags;
    parked->bytes = bytes;
    parked->value = value;
    shelf->parked_bytes += parked_footprint(parked);
    return parked;
}

void parked_drop(struct parked *parked)
{
    heap_clear(&parked->shelf->parked, &parked->timer);
    list_remove(&parked->node);
    parked->shelf->parked_bytes -= parked_footprint(parked);
    free(parked->value);
    free(parked);
}

/* ---- taking ---- */

static void add_writer(struct finding *finding, uint64_t writer)
{
    for (size_t i = 0; i < finding->n_writers; i++) {
        if (finding->writers[i] == writer)
            return;
    }
    if (finding->n_writers == finding->writers_room) {
        size_t room = finding->writers_room * 2 + 2;
        uint64_t *writers = realloc(finding->writers, room * sizeof *writers);
        if (writers == NULL)
            return;
        finding->writers = writers;
        finding->writers_room = room;
    }
    finding->writers[finding->n_writers++] = writer;
}

/* The better one stays, whichever came first. */
static void add_value(struct finding *finding, const char *value, size_t bytes)
{
    char why[CHECKPOINT_WHY_BYTES];
    struct checkpoint *checkpoint;
    enum checkpoint_reading reading = checkpoint_read(value, bytes, &checkpoint, why);
    finding->lacked_memory = finding->lacked_memory || reading == CHECKPOINT_NO_MEMORY;
    if (reading != CHECKPOINT_READ)
        return;
    if (finding->checkpoint != NULL && !checkpoint_yields_to(finding->checkpoint, checkpoint)) {
        free(checkpoint);
        return;
    }
    free(finding->checkpoint);
    finding->checkpoint = checkpoint;
}

static void add_read(struct finding *finding, struct checkpoint_entry *entry)
{
    if (entry == NULL)
        return;
    for (size_t i = 0; i < entry->n_writers; i++)
        add_writer(finding, entry->writers[i]);
    add_value(finding, entry->value, entry->value_bytes);
    finding->was_read = true;
    checkpoint_entry_free(entry);
}

/* The same input can have been parked more than once. */
static void add_parked(struct finding *finding, struct shelf *shelf)
{
    while (heap_next_ms(&shelf->parked) == finding->offset) {
        struct parked *parked = list_entry(heap_take_due(&shelf->parked, finding->offset), struct parked, timer);
        for (size_t i = 0; i < parked->tags.n; i++)
            add_writer(finding, parked->tags.writer[i]);
        add_value(finding, parked->value, parked->bytes);
        finding->n_parked++;
        parked_drop(parked);
    }
}

static int64_t lowest_read(const struct shelf *shelf)
{
    size_t at = 0;
    const struct checkpoint_entry *entry = shelf->table != NULL ? checkpoint_table_next(shelf->table, &at) : NULL;
    return entry != NULL ? entry->offset : INT64_MAX;
}

bool shelf_take_below(struct shelf *shelf, int64_t end, struct finding *out)
{
    int64_t read = lowest_read(shelf);
    int64_t parked = heap_next_ms(&shelf->parked);
    *out = (struct finding){.offset = read < parked ? read : parked};
    if (out->offset >= end)
        return false;
    if (read == out->offset)
        add_read(out, checkpoint_table_take(shelf->table, read));
    add_parked(out, shelf);
    return true;
}

static void take_done_read(struct shelf *shelf, bool (*is_done)(int64_t offset, void *opaque),
                           void (*take)(const struct finding *finding, void *opaque), void *opaque)
{
    const struct checkpoint_entry *entry;
    size_t at = 0;
    while ((entry = checkpoint_table_next(shelf->table, &at)) != NULL) {
        struct finding finding = {.offset = entry->offset};
        if (!is_done(entry->offset, opaque))
            continue;
        add_read(&finding, checkpoint_table_take(shelf->table, entry->offset));
        take(&finding, opaque);
        finding_deinit(&finding);
    }
}

/* All go through a second heap. For want of memory all stay, and are passed later. */
static void take_done_parked(struct shelf *shelf, bool (*is_done)(int64_t offset, void *opaque),
                             void (*take)(const struct finding *finding, void *opaque), void *opaque)
{
    struct heap kept;
    heap_init(&kept);
    if (heap_reserve(&kept, shelf->parked.n) != 0)
        return;
    while (shelf->parked.n > 0) {
        struct finding finding = {.offset = heap_next_ms(&shelf->parked)};
        if (is_done(finding.offset, opaque)) {
            add_parked(&finding, shelf);
            take(&finding, opaque);
            finding_deinit(&finding);
            continue;
        }
        struct timer *timer = heap_take_due(&shelf->parked, finding.offset);
        int failed = heap_set(&kept, timer, timer->at_ms);
        assert(failed == 0);
        (void)failed;
    }
    heap_deinit(&shelf->parked);
    shelf->parked = kept;
}

/* An input that was read and parked is told twice; a second tombstone is harmless. */
void shelf_take_done(struct shelf *shelf, bool (*is_done)(int64_t offset, void *opaque),
                     void (*take)(const struct finding *finding, void *opaque), void *opaque)
{
    if (shelf->table != NULL)
        take_done_read(shelf, is_done, take, opaque);
    if (shelf->parked.n > 0)
        take_done_parked(shelf, is_done, take, opaque);
}

void finding_deinit(struct finding *finding)
{
    free(finding->checkpoint);
    free(finding->writers);
}
