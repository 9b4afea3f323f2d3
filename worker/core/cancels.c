#include "core/cancels.h"

#include "base/heap.h"
#include "base/key_table.h"
#include "base/list.h"
#include "ops/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define TOLD_MS 60000

struct cancel {
    struct key_node node;
    size_t bytes;
    struct timer age; /* since when it counts its hour: asked_at_ms, or when it came, where that is earlier */
    int64_t asked_at_ms;
    char id[];
};

struct cancels {
    pthread_mutex_t lock;
    struct key_table by_id;
    struct heap by_age;
    size_t bytes;         /* of their ids */
    atomic_size_t n;      /* looked at without the lock */
    int64_t full_told_ms; /* Unix time; 0: not yet */
};

static struct cancel *cancel_of_node(struct key_node *node)
{
    return list_entry(node, struct cancel, node);
}

static struct cancel *cancel_of_age(struct timer *age)
{
    return list_entry(age, struct cancel, age);
}

struct cancels *cancels_new(void)
{
    struct cancels *cancels = calloc(1, sizeof *cancels);
    if (cancels == NULL || key_table_init(&cancels->by_id) != 0) {
        free(cancels);
        return NULL;
    }
    pthread_mutex_init(&cancels->lock, NULL);
    heap_init(&cancels->by_age);
    return cancels;
}

/* Locked. It is not in by_age any more. */
static void forget(struct cancels *cancels, struct cancel *cancel)
{
    key_table_remove(&cancels->by_id, &cancel->node);
    cancels->bytes -= cancel->bytes;
    free(cancel);
    atomic_fetch_sub_explicit(&cancels->n, 1, memory_order_relaxed);
}

static void forget_due(struct cancels *cancels, int64_t until_ms)
{
    struct timer *age;
    while ((age = heap_take_due(&cancels->by_age, until_ms)) != NULL) {
        forget(cancels, cancel_of_age(age));
    }
}

void cancels_free(struct cancels *cancels)
{
    if (cancels == NULL) {
        return;
    }
    forget_due(cancels, INT64_MAX);
    heap_deinit(&cancels->by_age);
    key_table_deinit(&cancels->by_id);
    pthread_mutex_destroy(&cancels->lock);
    free(cancels);
}

/* Locked: there are too many, or they are too large. */
static void forget_oldest(struct cancels *cancels, int64_t now_wall_ms)
{
    forget(cancels, cancel_of_age(heap_take_due(&cancels->by_age, INT64_MAX)));
    if (cancels->full_told_ms == 0 || now_wall_ms - cancels->full_told_ms >= TOLD_MS) {
        cancels->full_told_ms = now_wall_ms;
        log_event(LOG_WARN, "cancels_full", "more invocations were asked to be cancelled within the hour than are kept (%d, and %d "
                  "bytes of ids): the oldest of these cancels are forgotten, and do not hit invocations that have not come yet",
                  CANCELS_MAX, CANCELS_MAX_BYTES);
    }
}

/* Locked. NULL for want of memory. */
static struct cancel *insert(struct cancels *cancels, const char *invocation_id, int64_t age_ms)
{
    size_t bytes = strlen(invocation_id) + 1;
    struct cancel *cancel = malloc(sizeof *cancel + bytes);
    if (cancel == NULL) {
        return NULL;
    }
    timer_init(&cancel->age);
    cancel->bytes = bytes;
    memcpy(cancel->id, invocation_id, bytes);
    if (heap_set(&cancels->by_age, &cancel->age, age_ms) != 0) {
        free(cancel);
        return NULL;
    }
    key_table_add(&cancels->by_id, &cancel->node, cancel->id);
    cancels->bytes += bytes;
    atomic_fetch_add_explicit(&cancels->n, 1, memory_order_relaxed);
    return cancel;
}

bool cancels_add(struct cancels *cancels, const char *invocation_id, int64_t asked_at_ms, int64_t now_wall_ms)
{
    int64_t age_ms = asked_at_ms < now_wall_ms ? asked_at_ms : now_wall_ms;
    if (age_ms < now_wall_ms - CANCELS_KEPT_MS) {
        return false;
    }
    pthread_mutex_lock(&cancels->lock);
    forget_due(cancels, now_wall_ms - CANCELS_KEPT_MS - 1);
    struct key_node *found = key_table_find(&cancels->by_id, invocation_id);
    struct cancel *cancel = found != NULL ? cancel_of_node(found) : NULL;
    bool is_news = cancel == NULL || asked_at_ms > cancel->asked_at_ms;
    if (cancel == NULL) {
        cancel = insert(cancels, invocation_id, age_ms);
        is_news = cancel != NULL;
    } else if (is_news) {
        (void)heap_set(&cancels->by_age, &cancel->age, age_ms); /* it only moves */
    }
    if (is_news) {
        cancel->asked_at_ms = asked_at_ms;
    }
    while (cancels->by_age.n > CANCELS_MAX || cancels->bytes > CANCELS_MAX_BYTES) {
        forget_oldest(cancels, now_wall_ms);
    }
    pthread_mutex_unlock(&cancels->lock);
    return is_news;
}

/* Whoever adds asks for every run afterwards, so that a loop which sees no cancel yet is asked again. */
bool cancels_hit(struct cancels *cancels, const char *invocation_id, int64_t input_at_ms)
{
    if (cancels == NULL || atomic_load_explicit(&cancels->n, memory_order_acquire) == 0) {
        return false;
    }
    pthread_mutex_lock(&cancels->lock);
    struct key_node *found = key_table_find(&cancels->by_id, invocation_id);
    bool is_hit = found != NULL && input_at_ms <= cancel_of_node(found)->asked_at_ms;
    pthread_mutex_unlock(&cancels->lock);
    return is_hit;
}

void cancels_expire(struct cancels *cancels, int64_t now_wall_ms)
{
    pthread_mutex_lock(&cancels->lock);
    forget_due(cancels, now_wall_ms - CANCELS_KEPT_MS - 1);
    pthread_mutex_unlock(&cancels->lock);
}

size_t cancels_count(const struct cancels *cancels)
{
    return atomic_load_explicit(&cancels->n, memory_order_relaxed);
}
