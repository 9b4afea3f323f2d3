#include "engine/origin_inside.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Without the last quarter, which is for polls. */
static size_t for_kickoffs(size_t places)
{
    return places == 1 ? 1 : places - (places < 4 ? 1 : places / 4);
}

struct origins *origins_new(const struct origins_config *config)
{
    assert(config->max_active > 0 && config->max_total > 0);
    struct origins *origins = calloc(1, sizeof *origins);
    if (origins == NULL || key_table_init(&origins->table) != 0) {
        free(origins);
        return NULL;
    }
    origins->config = *config;
    origins->max_kickoffs = for_kickoffs(config->max_active);
    origins->max_total_kickoffs = for_kickoffs(config->max_total);
    for (int queue = 0; queue < QUEUES; queue++) {
        list_init(&origins->ready[queue]);
        list_init(&origins->ready_unknown[queue]);
    }
    list_init(&origins->resting);
    list_init(&origins->overdue);
    heap_init(&origins->looks);
    lookups_init(&origins->lookups);
    return origins;
}

static struct origin *make(struct origins *origins, const char *key)
{
    size_t key_bytes = strlen(key) + 1;
    struct origin *origin = calloc(1, sizeof *origin + key_bytes);
    if (origin == NULL) {
        return NULL;
    }
    if (origins->config.gates != NULL) {
        origin->gate = gates_get(origins->config.gates, key, origins->now_ms);
    }
    if ((origins->config.gates != NULL && origin->gate == NULL) ||
        heap_reserve(&origins->looks, origins->table.n + 1) != 0) {
        gate_release(origin->gate, origins->now_ms);
        free(origin);
        return NULL;
    }
    memcpy(origin->key, key, key_bytes);
    list_init(&origin->ready_node);
    list_init(&origin->resting_node);
    list_init(&origin->overdue_node);
    timer_init(&origin->look);
    for (int queue = 0; queue < QUEUES; queue++) {
        list_init(&origin->queue[queue]);
    }
    for (int rate = 0; rate < GATE_RATES; rate++) {
        origin->slot_ms[rate] = SLOT_NONE;
        origin->barred_ms[rate] = INT64_MIN;
    }
    key_table_add(&origins->table, &origin->node, origin->key);
    return origin;
}

struct origin *origin_find_or_make(struct origins *origins, const char *key)
{
    struct key_node *node = key_table_find(&origins->table, key);
    return node != NULL ? list_entry(node, struct origin, node) : make(origins, key);
}

static void drop(struct origins *origins, struct origin *origin)
{
    key_table_remove(&origins->table, &origin->node);
    list_remove(&origin->ready_node);
    list_remove(&origin->overdue_node);
    heap_clear(&origins->looks, &origin->look);
    gate_release(origin->gate, origins->now_ms);
    free(origin);
}

/* ---- rest ---- */

void origin_wake(struct origins *origins, struct origin *origin)
{
    if (!list_is_empty(&origin->resting_node)) {
        list_remove(&origin->resting_node);
        origins->n_resting--;
    }
}

static void forget_first(struct origins *origins)
{
    struct origin *origin = list_entry(origins->resting.next, struct origin, resting_node);
    origin_wake(origins, origin);
    if (origin->held > 0) {
        lookups_forget(&origins->lookups, &origin->lookups);
    } else {
        drop(origins, origin);
    }
}

static void rest(struct origins *origins, struct origin *origin)
{
    origin->forget_ms = origins->now_ms + ORIGIN_KNOWN_MS;
    list_push(&origins->resting, &origin->resting_node);
    origins->n_resting++;
    if (origins->n_resting > ORIGINS_MAX_RESTING) {
        forget_first(origins);
    }
}

static bool is_idle(const struct origin *origin)
{
    for (int queue = 0; queue < QUEUES; queue++) {
        if (!list_is_empty(&origin->queue[queue])) {
            return false;
        }
    }
    return origin->active == 0 && origin->lookups.strays == 0;
}

void origin_settle(struct origins *origins, struct origin *origin)
{
    origin_gate_tidy(origin);
    origin_refresh(origins, origin);
    if (!is_idle(origin) || !list_is_empty(&origin->resting_node)) {
        return;
    }
    if (origin->lookups.known) {
        rest(origins, origin);
    } else if (origin->held == 0) {
        drop(origins, origin);
    }
}

/* ---- time ---- */

static void end_strays(struct origins *origins, int64_t until_ms)
{
    struct name_lookups *name;
    while ((name = lookups_end_stray(&origins->lookups, until_ms)) != NULL) {
        origin_settle(origins, list_entry(name, struct origin, lookups));
    }
}

int64_t origins_next_ms(const struct origins *origins)
{
    int64_t stray_ms = lookups_next_ms(&origins->lookups);
    int64_t look_ms = heap_next_ms(&origins->looks);
    return stray_ms < look_ms ? stray_ms : look_ms;
}

void origins_turn(struct origins *origins, int64_t now_ms)
{
    origins->now_ms = now_ms;
    end_strays(origins, now_ms);
    while (origins->n_resting > 0 &&
           list_entry(origins->resting.next, struct origin, resting_node)->forget_ms <= now_ms) {
        forget_first(origins);
    }
    struct timer *look;
    while ((look = heap_take_due(&origins->looks, now_ms)) != NULL) {
        origin_gate_look(origins, list_entry(look, struct origin, look));
    }
}

void origins_free(struct origins *origins)
{
    if (origins == NULL) {
        return;
    }
    end_strays(origins, INT64_MAX);
    while (origins->n_resting > 0) {
        forget_first(origins);
    }
    assert(origins->table.n == 0 && origins->total == 0 && origins->held == 0);
    key_table_deinit(&origins->table);
    heap_deinit(&origins->looks);
    free(origins);
}

size_t origins_count(const struct origins *origins)
{
    return origins->table.n;
}
