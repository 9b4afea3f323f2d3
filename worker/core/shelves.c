#include "core/shelves.h"

#include <stdlib.h>
#include <string.h>

void shelves_init(struct shelves *shelves, size_t max_parked, size_t max_parked_bytes)
{
    *shelves = (struct shelves){.max_parked = max_parked, .max_parked_bytes = max_parked_bytes};
    list_init(&shelves->all);
    list_init(&shelves->parked);
}

static struct parked *oldest(const struct shelves *shelves)
{
    return list_is_empty(&shelves->parked) ? NULL : list_entry(shelves->parked.next, struct parked, node);
}

void shelves_deinit(struct shelves *shelves)
{
    struct parked *parked;
    struct list *node;
    while ((parked = oldest(shelves)) != NULL)
        parked_drop(parked);
    while ((node = list_shift(&shelves->all)) != NULL)
        shelf_free(list_entry(node, struct shelf, node));
}

/* ---- shelves ---- */

static void remove_if_idle(struct shelves *shelves, struct shelf *shelf)
{
    if (!shelf_is_idle(shelf))
        return;
    if (shelves->last_open == shelf)
        shelves->last_open = NULL;
    list_remove(&shelf->node);
    shelf_free(shelf);
}

static struct shelf *need_shelf(struct shelves *shelves, const struct assignment *assignment)
{
    for (struct list *node = shelves->all.next; node != &shelves->all; node = node->next) {
        struct shelf *shelf = list_entry(node, struct shelf, node);
        if (shelf->partition == assignment->partition && strcmp(shelf->topic, assignment->topic) == 0)
            return shelf;
    }
    struct shelf *shelf = shelf_new(assignment->topic, assignment->partition);
    if (shelf != NULL)
        list_push(&shelves->all, &shelf->node);
    return shelf;
}

int shelves_open(struct shelves *shelves, const struct assignment *assignment, struct checkpoint_table *table)
{
    struct shelf *shelf = need_shelf(shelves, assignment);
    if (shelf == NULL) {
        checkpoint_table_free(table);
        return -1;
    }
    shelf_open(shelf, assignment, table);
    return 0;
}

struct shelf *shelves_find(struct shelves *shelves, const struct assignment *assignment)
{
    if (shelves->last_open != NULL && shelves->last_open->epoch == assignment->epoch)
        return shelves->last_open;
    for (struct list *node = shelves->all.next; node != &shelves->all; node = node->next) {
        struct shelf *shelf = list_entry(node, struct shelf, node);
        if (shelf->epoch == assignment->epoch) {
            shelves->last_open = shelf;
            return shelf;
        }
    }
    return NULL;
}

void shelves_close(struct shelves *shelves, const struct assignment *assignment)
{
    struct shelf *shelf = shelves_find(shelves, assignment);
    if (shelf == NULL)
        return;
    shelf_close(shelf);
    remove_if_idle(shelves, shelf);
}

/* ---- parking ---- */

static void drop(struct shelves *shelves, struct parked *parked)
{
    struct shelf *shelf = parked->shelf;
    parked_drop(parked);
    remove_if_idle(shelves, shelf);
}

/* The partition has come back already, and has given the input out anew: the run would be one too many. */
static bool comes_too_late(const struct shelf *shelf, const struct assignment *assignment, int64_t offset)
{
    return shelf->epoch != 0 && shelf->epoch != assignment->epoch && offset <= shelf->taken;
}

static size_t drop_excess(struct shelves *shelves)
{
    size_t bytes = 0;
    size_t all;
    size_t parked;
    size_t dropped = 0;
    shelves_count(shelves, &all, &parked);
    for (const struct list *node = shelves->all.next; node != &shelves->all; node = node->next)
        bytes += list_entry(node, struct shelf, node)->parked_bytes;
    while (parked - dropped > shelves->max_parked || bytes > shelves->max_parked_bytes) {
        bytes -= parked_footprint(oldest(shelves));
        drop(shelves, oldest(shelves));
        dropped++;
    }
    return dropped;
}

size_t shelves_park(struct shelves *shelves, const struct assignment *assignment, int64_t offset,
                    const struct checkpoint *checkpoint, const struct job_tags *tags, int64_t now_ms)
{
    struct shelf *shelf = need_shelf(shelves, assignment);
    if (shelf == NULL)
        return 1;
    if (comes_too_late(shelf, assignment, offset))
        return 0;
    size_t bytes = 0;
    char *value = checkpoint_write(checkpoint, &bytes);
    struct parked *parked = value != NULL ? shelf_park(shelf, offset, value, bytes, tags) : NULL;
    if (parked == NULL) {
        free(value);
        remove_if_idle(shelves, shelf);
        return 1;
    }
    parked->parked_ms = now_ms;
    list_push(&shelves->parked, &parked->node);
    return drop_excess(shelves);
}

size_t shelves_expire(struct shelves *shelves, int64_t now_ms)
{
    struct parked *parked;
    size_t n = 0;
    while ((parked = oldest(shelves)) != NULL && now_ms - parked->parked_ms >= SHELVES_PARKED_MS) {
        drop(shelves, parked);
        n++;
    }
    return n;
}

void shelves_count(const struct shelves *shelves, size_t *all, size_t *parked)
{
    *all = 0;
    *parked = 0;
    for (const struct list *node = shelves->all.next; node != &shelves->all; node = node->next) {
        const struct shelf *shelf = list_entry(node, struct shelf, node);
        *all += shelf_count(shelf);
        *parked += shelf->parked.n;
    }
}
