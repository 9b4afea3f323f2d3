#include "engine/query.h"

#include "base/list.h"
#include "engine/query_part.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct merger;

struct query {
    struct query_filter filter; /* its strings are owned */
    query_done_fn done;
    void *opaque;
    atomic_size_t holders;
    atomic_bool is_over; /* set under `lock`; may be read without. From then on `parts` are whose reads it */
    pthread_mutex_t telling; /* while `done` is called; taken under `lock` by the one who calls it */
    pthread_mutex_t lock; /* of what follows */
    size_t n_expected;
    size_t n_ended;
    bool is_complete;
    struct list parts; /* that have answered */
    struct merger *merger; /* whose reads it; NULL: not read yet */
};

/* ---- life ---- */

static int copy(const char **text)
{
    if (*text == NULL) {
        return 0;
    }
    *text = strdup(*text);
    return *text != NULL ? 0 : -1;
}

static void destroy(struct query *query)
{
    struct list *node;
    while ((node = list_shift(&query->parts)) != NULL) {
        query_part_free(list_entry(node, struct query_part, node));
    }
    pthread_mutex_destroy(&query->lock);
    pthread_mutex_destroy(&query->telling);
    free(query->merger);
    free((char *)(uintptr_t)query->filter.invocation_id);
    free((char *)(uintptr_t)query->filter.runtime_name);
    free((char *)(uintptr_t)query->filter.after.topic);
    free(query);
}

struct query *query_new(const struct query_filter *filter, query_done_fn done, void *opaque)
{
    assert(filter->limit >= 1 && filter->limit <= QUERY_LIMIT_MAX);
    struct query *query = calloc(1, sizeof *query);
    if (query == NULL) {
        return NULL;
    }
    query->filter = *filter;
    query->done = done;
    query->opaque = opaque;
    query->is_complete = true;
    atomic_init(&query->holders, 1);
    pthread_mutex_init(&query->lock, NULL);
    pthread_mutex_init(&query->telling, NULL);
    list_init(&query->parts);
    int failed = copy(&query->filter.invocation_id);
    failed = copy(&query->filter.runtime_name) != 0 ? -1 : failed;
    failed = copy(&query->filter.after.topic) != 0 ? -1 : failed;
    if (failed != 0) {
        destroy(query);
        return NULL;
    }
    return query;
}

void query_release(struct query *query)
{
    if (query != NULL && atomic_fetch_sub_explicit(&query->holders, 1, memory_order_acq_rel) == 1) {
        destroy(query);
    }
}

/* ---- the answer ---- */

/* A power of two, above twice the most rows. */
#define SEEN_ROOM ((size_t)4096)
_Static_assert(SEEN_ROOM >= (size_t)2 * QUERY_LIMIT_MAX, "most of it stays empty");

/* What is being put together; on the heap, since it is large. */
struct merger {
    struct query_row rows[QUERY_LIMIT_MAX];
    size_t n;
    uint16_t seen[SEEN_ROOM]; /* by source: 1 + the row that has it; 0: free */
    size_t doubles;
};

static bool is_same_source(const struct query_key *a, const struct query_key *b)
{
    return a->offset == b->offset && a->partition == b->partition && strcmp(a->topic, b->topic) == 0;
}

/* An input that came back to this worker may be seen as what it was on one loop and as what it is on another. */
static bool is_double(struct merger *merger, const struct query_row *row)
{
    if (row->key.topic == NULL) {
        return false; /* nobody described it */
    }
    uint64_t hash = ((uint64_t)row->key.offset * 31 + (uint64_t)row->key.partition) * 0x9E3779B97F4A7C15u;
    size_t i = (size_t)(hash >> 40) % SEEN_ROOM;
    for (; merger->seen[i] != 0; i = (i + 1) % SEEN_ROOM) {
        if (is_same_source(&merger->rows[merger->seen[i] - 1].key, &row->key)) {
            return true;
        }
    }
    merger->seen[i] = (uint16_t)(merger->n + 1);
    return false;
}

/* The part whose next row is the lowest; NULL: there is none. */
static struct query_part *find_lowest(struct list *parts)
{
    struct query_part *lowest = NULL;
    for (struct list *node = parts->next; node != parts; node = node->next) {
        struct query_part *part = list_entry(node, struct query_part, node);
        if (part->taken < part->n &&
            (lowest == NULL || query_key_compare(&query_part_row(part)->key, &query_part_row(lowest)->key) < 0)) {
            lowest = part;
        }
    }
    return lowest;
}

static void merge(struct merger *merger, struct list *parts, size_t limit)
{
    struct query_part *part;
    while (merger->n < limit && (part = find_lowest(parts)) != NULL) {
        const struct query_row *row = query_part_row(part);
        part->taken++;
        if (is_double(merger, row)) {
            merger->doubles++;
        } else {
            merger->rows[merger->n++] = *row;
        }
    }
}

void query_read(struct query *query, struct query_answer *out)
{
    assert(atomic_load_explicit(&query->is_over, memory_order_acquire));
    *out = (struct query_answer){.complete = query->is_complete};
    bool is_first = query->merger == NULL;
    for (struct list *node = query->parts.next; node != &query->parts; node = node->next) {
        struct query_part *part = list_entry(node, struct query_part, node);
        out->matching += part->matching;
        out->complete = out->complete && !part->lacked_memory;
        out->cpu_us = part->cpu_us > out->cpu_us ? part->cpu_us : out->cpu_us;
        if (is_first) {
            query_part_put_in_order(part);
        }
    }
    if (is_first && (query->merger = calloc(1, sizeof *query->merger)) != NULL) {
        merge(query->merger, &query->parts, query->filter.limit);
    }
    if (query->merger == NULL) {
        out->complete = false;
        return;
    }
    out->rows = query->merger->rows;
    out->n = query->merger->n;
    out->matching -= query->merger->doubles;
}

/* ---- the end ---- */

/* `lock` is held, and the query is not over: now it is. Leaves `lock`. */
static void finish(struct query *query, bool is_complete)
{
    query->is_complete = is_complete;
    atomic_store_explicit(&query->is_over, true, memory_order_release);
    pthread_mutex_lock(&query->telling); /* free: nobody else ends it */
    pthread_mutex_unlock(&query->lock);
    query->done(query->opaque);
    pthread_mutex_unlock(&query->telling);
}

void query_give_up(struct query *query)
{
    pthread_mutex_lock(&query->lock);
    if (!atomic_load_explicit(&query->is_over, memory_order_relaxed)) {
        finish(query, false);
        return;
    }
    pthread_mutex_unlock(&query->lock);
    pthread_mutex_lock(&query->telling); /* another thread may be at it */
    pthread_mutex_unlock(&query->telling);
}

/* ---- parts ---- */

/* `lock` is held; leaves it. */
static void note_end(struct query *query, bool is_answer)
{
    bool is_last = ++query->n_ended == query->n_expected;
    if (atomic_load_explicit(&query->is_over, memory_order_relaxed)) {
        pthread_mutex_unlock(&query->lock);
        return;
    }
    query->is_complete = query->is_complete && is_answer;
    if (is_last) {
        finish(query, query->is_complete);
    } else {
        pthread_mutex_unlock(&query->lock);
    }
}

void query_expect(struct query *query, size_t n_parts)
{
    assert(n_parts > 0);
    pthread_mutex_lock(&query->lock);
    assert(query->n_expected == 0); /* it is put to a pool once */
    query->n_expected = n_parts;
    pthread_mutex_unlock(&query->lock);
}

struct query_part *query_part_new(struct query *query)
{
    struct query_part *part = calloc(1, sizeof *part);
    if (part == NULL) {
        pthread_mutex_lock(&query->lock);
        note_end(query, false);
        return NULL;
    }
    list_init(&part->node);
    part->query = query;
    part->filter = &query->filter;
    atomic_fetch_add_explicit(&query->holders, 1, memory_order_relaxed);
    return part;
}

bool query_part_is_wanted(const struct query_part *part)
{
    return !atomic_load_explicit(&part->query->is_over, memory_order_relaxed);
}

void query_part_end(struct query_part *part, bool is_answer)
{
    struct query *query = part->query;
    pthread_mutex_lock(&query->lock);
    if (is_answer && !atomic_load_explicit(&query->is_over, memory_order_relaxed)) {
        list_push(&query->parts, &part->node);
        part = NULL;
    }
    note_end(query, is_answer);
    if (part != NULL) {
        query_part_free(part);
    }
    query_release(query);
}
