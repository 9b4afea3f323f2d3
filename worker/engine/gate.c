#include "engine/gate.h"

#include "base/key_table.h"
#include "base/list.h"
#include "ops/log.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS INT64_C(1000000)
/* A slower rate would overflow with many waiting. */
#define LONGEST_INTERVAL_NS (INT64_C(3600) * 1000 * NS_PER_MS)
#define LATEST_NS (INT64_MAX / 2)

struct gate {
    struct key_node node; /* `gates->lock`, like the two that follow */
    struct list resting_node; /* a ring of one while somebody holds it */
    int64_t forget_ms;
    struct gates *gates;
    atomic_size_t holders; /* becomes or leaves 0 under gates->lock only */
    atomic_size_t crowd;
    atomic_int failures; /* in a row; changed under `lock` */
    atomic_int_fast64_t progress_ms;
    pthread_mutex_t lock; /* of what follows */
    int64_t next_ns[GATE_RATES];
    int64_t probe_at_ms;
    char key[];
};

struct gates {
    struct gates_config config;
    int64_t interval_ns[GATE_RATES]; /* 0: no limit */
    pthread_mutex_t lock;
    struct key_table table;
    struct list resting; /* the one that is forgotten first in front */
    size_t n_resting;
    bool is_ownerless;
};

/* ---- the table ---- */

static int64_t interval_of(double per_second)
{
    double ns = per_second > 0 ? 1e9 / per_second : 0;
    return ns < (double)LONGEST_INTERVAL_NS ? (int64_t)ns : LONGEST_INTERVAL_NS;
}

struct gates *gates_new(const struct gates_config *config)
{
    struct gates *gates = calloc(1, sizeof *gates);
    if (gates == NULL || key_table_init(&gates->table) != 0) {
        free(gates);
        return NULL;
    }
    gates->config = *config;
    gates->interval_ns[GATE_KICKOFFS] = interval_of(config->kickoffs_per_second);
    gates->interval_ns[GATE_REQUESTS] = interval_of(config->requests_per_second);
    pthread_mutex_init(&gates->lock, NULL);
    list_init(&gates->resting);
    return gates;
}

static void destroy(struct gates *gates)
{
    key_table_deinit(&gates->table);
    pthread_mutex_destroy(&gates->lock);
    free(gates);
}

static void wake(struct gates *gates, struct gate *gate)
{
    if (!list_is_empty(&gate->resting_node)) {
        list_remove(&gate->resting_node);
        gates->n_resting--;
    }
}

static void forget(struct gates *gates, struct gate *gate)
{
    wake(gates, gate);
    key_table_remove(&gates->table, &gate->node);
    pthread_mutex_destroy(&gate->lock);
    free(gate);
}

static void forget_due(struct gates *gates, int64_t now_ms)
{
    while (gates->n_resting > 0) {
        struct gate *first = list_entry(gates->resting.next, struct gate, resting_node);
        if (first->forget_ms > now_ms && gates->n_resting <= GATES_MAX_RESTING) {
            return;
        }
        forget(gates, first);
    }
}

void gates_free(struct gates *gates)
{
    if (gates == NULL) {
        return;
    }
    pthread_mutex_lock(&gates->lock);
    gates->is_ownerless = true;
    forget_due(gates, INT64_MAX);
    bool is_empty = gates->table.n == 0;
    pthread_mutex_unlock(&gates->lock);
    if (is_empty) {
        destroy(gates);
    }
}

size_t gates_count(struct gates *gates)
{
    pthread_mutex_lock(&gates->lock);
    size_t n = gates->table.n;
    pthread_mutex_unlock(&gates->lock);
    return n;
}

void gates_each(struct gates *gates, gates_fn fn, void *opaque)
{
    pthread_mutex_lock(&gates->lock);
    for (size_t i = 0; i < gates->table.n_buckets; i++) {
        for (struct key_node *node = gates->table.bucket[i]; node != NULL; node = node->next) {
            fn(list_entry(node, struct gate, node), opaque);
        }
    }
    pthread_mutex_unlock(&gates->lock);
}

static struct gate *make(struct gates *gates, const char *key)
{
    size_t key_bytes = strlen(key) + 1;
    struct gate *gate = calloc(1, sizeof *gate + key_bytes);
    if (gate == NULL) {
        return NULL;
    }
    gate->gates = gates;
    memcpy(gate->key, key, key_bytes);
    list_init(&gate->resting_node);
    pthread_mutex_init(&gate->lock, NULL);
    key_table_add(&gates->table, &gate->node, gate->key);
    return gate;
}

struct gate *gates_get(struct gates *gates, const char *key, int64_t now_ms)
{
    pthread_mutex_lock(&gates->lock);
    forget_due(gates, now_ms);
    struct key_node *node = key_table_find(&gates->table, key);
    struct gate *gate = node != NULL ? list_entry(node, struct gate, node) : make(gates, key);
    if (gate != NULL) {
        wake(gates, gate);
        atomic_fetch_add(&gate->holders, 1);
    }
    pthread_mutex_unlock(&gates->lock);
    return gate;
}

struct gate *gate_hold(struct gate *gate)
{
    atomic_fetch_add(&gate->holders, 1);
    return gate;
}

/* Nobody holds it, nor can while the table is locked. */
static bool is_worth_keeping(struct gate *gate, int64_t now_ms)
{
    if (gate->gates->is_ownerless) {
        return false;
    }
    pthread_mutex_lock(&gate->lock); /* the last holder may just have left it */
    bool is_limited = gate->next_ns[GATE_KICKOFFS] > now_ms * NS_PER_MS || gate->next_ns[GATE_REQUESTS] > now_ms * NS_PER_MS;
    bool keep = is_limited || atomic_load(&gate->failures) > 0;
    pthread_mutex_unlock(&gate->lock);
    return keep;
}

static void release_last(struct gate *gate, int64_t now_ms)
{
    struct gates *gates = gate->gates;
    pthread_mutex_lock(&gates->lock);
    if (atomic_fetch_sub(&gate->holders, 1) == 1) {
        if (is_worth_keeping(gate, now_ms)) {
            gate->forget_ms = now_ms + GATE_KEEP_MS;
            list_push(&gates->resting, &gate->resting_node);
            gates->n_resting++;
        } else {
            forget(gates, gate);
        }
        forget_due(gates, now_ms);
    }
    bool is_over = gates->is_ownerless && gates->table.n == 0;
    pthread_mutex_unlock(&gates->lock);
    if (is_over) {
        destroy(gates);
    }
}

void gate_release(struct gate *gate, int64_t now_ms)
{
    if (gate == NULL) {
        return;
    }
    size_t holders = atomic_load(&gate->holders);
    while (holders > 1) {
        if (atomic_compare_exchange_weak(&gate->holders, &holders, holders - 1)) {
            return;
        }
    }
    release_last(gate, now_ms);
}

const char *gate_key(const struct gate *gate)
{
    return gate->key;
}

/* ---- rates ---- */

static int64_t reserve(struct gate *gate, enum gate_rate rate, int64_t interval_ns, int64_t now_ms)
{
    pthread_mutex_lock(&gate->lock);
    int64_t earliest_ns = (now_ms - GATE_LATE_MS) * NS_PER_MS;
    int64_t slot_ns = gate->next_ns[rate] > earliest_ns ? gate->next_ns[rate] : earliest_ns;
    if (slot_ns < LATEST_NS) {
        gate->next_ns[rate] = slot_ns + interval_ns;
    }
    pthread_mutex_unlock(&gate->lock);
    return slot_ns <= 0 ? 0 : (slot_ns + NS_PER_MS - 1) / NS_PER_MS;
}

int64_t gate_reserve(struct gate *gate, enum gate_rate rate, int64_t now_ms)
{
    int64_t interval_ns = gate->gates->interval_ns[rate];
    return interval_ns > 0 ? reserve(gate, rate, interval_ns, now_ms) : INT64_MIN;
}

int64_t gate_reserve_at(struct gate *gate, double per_second, int64_t now_ms)
{
    assert(per_second > 0);
    return reserve(gate, GATE_KICKOFFS, interval_of(per_second), now_ms);
}

void gate_give_back(struct gate *gate, enum gate_rate rate)
{
    int64_t interval_ns = gate->gates->interval_ns[rate];
    if (interval_ns > 0) {
        pthread_mutex_lock(&gate->lock);
        gate->next_ns[rate] -= interval_ns;
        pthread_mutex_unlock(&gate->lock);
    }
}

/* ---- the breaker ---- */

bool gate_is_open(const struct gate *gate)
{
    int most = gate->gates->config.breaker_failures;
    return most > 0 && atomic_load_explicit(&gate->failures, memory_order_relaxed) >= most;
}

static void note_progress(struct gate *gate, int64_t now_ms)
{
    if (atomic_load_explicit(&gate->progress_ms, memory_order_relaxed) < now_ms) {
        atomic_store_explicit(&gate->progress_ms, now_ms, memory_order_relaxed);
    }
}

void gate_answered(struct gate *gate, int64_t now_ms)
{
    note_progress(gate, now_ms);
    if (atomic_load_explicit(&gate->failures, memory_order_relaxed) == 0) {
        return;
    }
    pthread_mutex_lock(&gate->lock);
    bool was_open = gate_is_open(gate);
    atomic_store_explicit(&gate->failures, 0, memory_order_relaxed);
    pthread_mutex_unlock(&gate->lock);
    if (was_open) {
        log_event(LOG_INFO, "breaker_closed", "%.200s answers again: its kickoffs go on", gate->key);
    }
}

void gate_failed(struct gate *gate, int64_t now_ms)
{
    const struct gates_config *config = &gate->gates->config;
    if (config->breaker_failures == 0) {
        return;
    }
    pthread_mutex_lock(&gate->lock);
    bool was_open = gate_is_open(gate);
    if (!was_open) {
        atomic_fetch_add_explicit(&gate->failures, 1, memory_order_relaxed);
    }
    bool opens = !was_open && gate_is_open(gate);
    if (opens) {
        gate->probe_at_ms = now_ms + config->breaker_probe_ms;
    }
    pthread_mutex_unlock(&gate->lock);
    if (opens) {
        log_event(LOG_WARN, "breaker_open", "%.200s: %d network failures in a row: its kickoffs wait, but for one every %g s, "
                  "until it answers", gate->key, config->breaker_failures, (double)config->breaker_probe_ms / 1000);
    }
}

int64_t gate_look_ms(struct gate *gate, int64_t now_ms)
{
    if (!gate_is_open(gate)) {
        return INT64_MIN;
    }
    pthread_mutex_lock(&gate->lock);
    int64_t probe_at_ms = gate->probe_at_ms;
    pthread_mutex_unlock(&gate->lock);
    if (probe_at_ms <= now_ms) {
        return INT64_MIN;
    }
    return probe_at_ms < now_ms + GATE_LOOK_MS ? probe_at_ms : now_ms + GATE_LOOK_MS;
}

enum gate_leave gate_ask(struct gate *gate, int64_t now_ms)
{
    if (!gate_is_open(gate)) {
        return GATE_GO;
    }
    pthread_mutex_lock(&gate->lock);
    enum gate_leave leave = GATE_WAIT;
    if (!gate_is_open(gate)) {
        leave = GATE_GO;
    } else if (gate->probe_at_ms <= now_ms) {
        gate->probe_at_ms = now_ms + gate->gates->config.breaker_probe_ms;
        leave = GATE_PROBE;
    }
    pthread_mutex_unlock(&gate->lock);
    return leave;
}

void gate_return_probe(struct gate *gate, int64_t now_ms)
{
    pthread_mutex_lock(&gate->lock);
    if (gate->probe_at_ms > now_ms) {
        gate->probe_at_ms = now_ms;
    }
    pthread_mutex_unlock(&gate->lock);
}

/* ---- progress and the crowd ---- */

void gate_went(struct gate *gate, int64_t now_ms)
{
    note_progress(gate, now_ms);
}

int64_t gate_progress_ms(const struct gate *gate)
{
    return atomic_load_explicit(&gate->progress_ms, memory_order_relaxed);
}

size_t gate_join(struct gate *gate)
{
    return atomic_fetch_add_explicit(&gate->crowd, 1, memory_order_relaxed) + 1;
}

void gate_leave(struct gate *gate)
{
    size_t before = atomic_fetch_sub_explicit(&gate->crowd, 1, memory_order_relaxed);
    assert(before > 0);
}

size_t gate_crowd(const struct gate *gate)
{
    return atomic_load_explicit(&gate->crowd, memory_order_relaxed);
}
