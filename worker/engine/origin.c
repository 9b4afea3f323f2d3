#include "engine/origin.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 64

/* Invariant: it is in one of the lists of origins that can go (known or unknown) just as one of its claims could go by
 * its own limits, and then in the one of its `known`. */
struct origin {
    struct list ready_node;
    struct origin *next_in_bucket;
    struct list queue[ORIGIN_CLASSES];
    size_t active;   /* opening or open */
    size_t kickoffs; /* of these */
    size_t opening;  /* of these */
    bool known;      /* one of its claims was opened */
    uint64_t hash;
    char key[];
};

struct origins {
    size_t max_active;
    size_t max_kickoffs; /* places of an origin that kickoffs may take */
    size_t max_total;
    size_t total;   /* claims opening or open */
    size_t opening; /* of these, of origins that are not known */
    struct list ready_known;
    struct list ready_unknown;
    struct origin **bucket;
    size_t n_buckets; /* a power of two */
    size_t n_origins;
};

struct origins *origins_new(size_t max_active, size_t max_total)
{
    assert(max_active > 0 && max_total > 0);
    struct origins *origins = calloc(1, sizeof *origins);
    if (origins == NULL) {
        return NULL;
    }
    origins->bucket = calloc(FIRST_BUCKETS, sizeof(struct origin *));
    if (origins->bucket == NULL) {
        free(origins);
        return NULL;
    }
    origins->n_buckets = FIRST_BUCKETS;
    size_t reserve = max_active / 4;
    if (reserve == 0 && max_active > 1) {
        reserve = 1;
    }
    origins->max_active = max_active;
    origins->max_kickoffs = max_active - reserve;
    origins->max_total = max_total;
    list_init(&origins->ready_known);
    list_init(&origins->ready_unknown);
    return origins;
}

void origins_free(struct origins *origins)
{
    if (origins == NULL) {
        return;
    }
    assert(origins->n_origins == 0 && origins->total == 0);
    free(origins->bucket);
    free(origins);
}

void origin_claim_init(struct origin_claim *claim)
{
    *claim = (struct origin_claim){.place = ORIGIN_NOWHERE};
    list_init(&claim->node);
}

/* FNV-1a. The keys are host names that messages choose; a flood of colliding ones costs time, not memory. */
static uint64_t hash_of(const char *key)
{
    uint64_t hash = 14695981039346656037u;
    for (; *key != '\0'; key++) {
        hash = (hash ^ (unsigned char)*key) * 1099511628211u;
    }
    return hash;
}

static struct origin **bucket_of(const struct origins *origins, uint64_t hash)
{
    return &origins->bucket[hash & (origins->n_buckets - 1)];
}

/* Twice the buckets; without memory for them the chains just grow longer. */
static void grow(struct origins *origins)
{
    struct origin **old = origins->bucket;
    size_t n_old = origins->n_buckets;
    struct origin **bucket = calloc(n_old * 2, sizeof(struct origin *));
    if (bucket == NULL) {
        return;
    }
    origins->bucket = bucket;
    origins->n_buckets = n_old * 2;
    for (size_t i = 0; i < n_old; i++) {
        while (old[i] != NULL) {
            struct origin *origin = old[i];
            old[i] = origin->next_in_bucket;
            struct origin **place = bucket_of(origins, origin->hash);
            origin->next_in_bucket = *place;
            *place = origin;
        }
    }
    free(old);
}

static struct origin *find_or_make(struct origins *origins, const char *key)
{
    uint64_t hash = hash_of(key);
    for (struct origin *origin = *bucket_of(origins, hash); origin != NULL; origin = origin->next_in_bucket) {
        if (origin->hash == hash && strcmp(origin->key, key) == 0) {
            return origin;
        }
    }
    size_t key_bytes = strlen(key) + 1;
    struct origin *origin = calloc(1, sizeof *origin + key_bytes);
    if (origin == NULL) {
        return NULL;
    }
    memcpy(origin->key, key, key_bytes);
    origin->hash = hash;
    list_init(&origin->ready_node);
    for (int class = 0; class < ORIGIN_CLASSES; class++) {
        list_init(&origin->queue[class]);
    }
    if (origins->n_origins >= origins->n_buckets) {
        grow(origins);
    }
    struct origin **bucket = bucket_of(origins, hash);
    origin->next_in_bucket = *bucket;
    *bucket = origin;
    origins->n_origins++;
    return origin;
}

static void drop(struct origins *origins, struct origin *origin)
{
    struct origin **link = bucket_of(origins, origin->hash);
    while (*link != origin) {
        link = &(*link)->next_in_bucket;
    }
    *link = origin->next_in_bucket;
    list_remove(&origin->ready_node);
    origins->n_origins--;
    free(origin);
}

/* The queue whose first claim may go by this origin's own limits, or NULL. */
static struct list *next_queue(const struct origins *origins, struct origin *origin)
{
    if (origin->active >= origins->max_active || (!origin->known && origin->opening >= ORIGIN_MAX_OPENING)) {
        return NULL;
    }
    if (!list_is_empty(&origin->queue[ORIGIN_POLL])) {
        return &origin->queue[ORIGIN_POLL];
    }
    if (!list_is_empty(&origin->queue[ORIGIN_KICKOFF]) && origin->kickoffs < origins->max_kickoffs) {
        return &origin->queue[ORIGIN_KICKOFF];
    }
    return NULL;
}

/* Restores the invariant after a change. An origin that was served goes behind the others. */
static void refresh(struct origins *origins, struct origin *origin)
{
    list_remove(&origin->ready_node);
    if (next_queue(origins, origin) != NULL) {
        list_push(origin->known ? &origins->ready_known : &origins->ready_unknown, &origin->ready_node);
    }
}

int origins_enter(struct origins *origins, struct origin_claim *claim, const char *key, enum origin_class class,
                  enum origin_end end)
{
    assert(claim->place == ORIGIN_NOWHERE);
    struct origin *origin = find_or_make(origins, key);
    if (origin == NULL) {
        return -1;
    }
    claim->origin = origin;
    claim->class = class;
    claim->place = ORIGIN_QUEUED;
    struct list *queue = &origin->queue[class];
    list_push(end == ORIGIN_FIRST ? queue->next : queue, &claim->node); /* pushes before the node that it is given */
    if (list_is_empty(&origin->ready_node)) {
        refresh(origins, origin);
    }
    return 0;
}

/* Origins that are not known come first: their few claims are soon opened, and cannot keep the others waiting. */
static struct origin *next_origin(const struct origins *origins)
{
    const struct list *ready = NULL;
    if (origins->total >= origins->max_total) {
        return NULL;
    }
    if (!list_is_empty(&origins->ready_unknown) && origins->opening < ORIGINS_MAX_OPENING) {
        ready = &origins->ready_unknown;
    } else if (!list_is_empty(&origins->ready_known)) {
        ready = &origins->ready_known;
    }
    return ready != NULL ? list_entry(ready->next, struct origin, ready_node) : NULL;
}

bool origins_has_next(const struct origins *origins)
{
    return next_origin(origins) != NULL;
}

struct origin_claim *origins_next(struct origins *origins)
{
    struct origin *origin = next_origin(origins);
    if (origin == NULL) {
        return NULL;
    }
    struct list *queue = next_queue(origins, origin);
    assert(queue != NULL);
    struct origin_claim *claim = list_entry(list_shift(queue), struct origin_claim, node);
    claim->place = ORIGIN_OPENING;
    origin->active++;
    origin->opening++;
    origin->kickoffs += claim->class == ORIGIN_KICKOFF;
    origins->total++;
    origins->opening += !origin->known;
    refresh(origins, origin);
    return claim;
}

static void end_opening(struct origins *origins, struct origin *origin)
{
    origin->opening--;
    origins->opening -= !origin->known;
}

void origins_opened(struct origins *origins, struct origin_claim *claim)
{
    if (claim->place != ORIGIN_OPENING) {
        return;
    }
    struct origin *origin = claim->origin;
    end_opening(origins, origin);
    claim->place = ORIGIN_OPEN;
    if (!origin->known) {
        origins->opening -= origin->opening;
        origin->known = true;
    }
    refresh(origins, origin);
}

void origins_leave(struct origins *origins, struct origin_claim *claim)
{
    struct origin *origin = claim->origin;
    switch (claim->place) {
    case ORIGIN_NOWHERE:
        return;
    case ORIGIN_QUEUED:
        list_remove(&claim->node);
        break;
    case ORIGIN_OPENING:
        end_opening(origins, origin);
        /* fall through */
    case ORIGIN_OPEN:
        origin->active--;
        origin->kickoffs -= claim->class == ORIGIN_KICKOFF;
        origins->total--;
        break;
    }
    origin_claim_init(claim);
    if (origin->active == 0 && list_is_empty(&origin->queue[ORIGIN_POLL]) &&
        list_is_empty(&origin->queue[ORIGIN_KICKOFF])) {
        drop(origins, origin);
    } else {
        refresh(origins, origin);
    }
}

size_t origins_count(const struct origins *origins)
{
    return origins->n_origins;
}
