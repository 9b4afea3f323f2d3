#include "engine/origin.h"

#include "engine/lookups.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 64

/* Who waits at an origin, in the order in which they go. */
enum queue { POLLS, UNDER_WAY /* kickoffs: later hops, then released ones */, KICKOFFS };
#define QUEUES 3

/* Invariant: it is in one of the lists of origins that can go just as one of its claims could go by its own limits, and
 * then in the one of that claim's queue and of whether it is known. One that is known and has no claim but held ones
 * rests. */
struct origin {
    struct list ready_node;
    struct list resting_node;
    struct origin *next_in_bucket;
    struct list queue[QUEUES];
    size_t active;   /* opening or open */
    size_t kickoffs; /* of these */
    size_t held;     /* or released; beside these */
    struct name_lookups lookups; /* one for each claim that is opening, and strays */
    int64_t forget_ms;           /* while it rests */
    uint64_t hash;
    char key[];
};

struct origins {
    int64_t now_ms;
    size_t max_active;
    size_t max_kickoffs; /* places of an origin that kickoffs may take */
    size_t max_total;
    size_t max_total_kickoffs;
    size_t total;    /* claims opening or open */
    size_t kickoffs; /* of these */
    size_t held;     /* or released; beside these */
    struct lookups lookups;
    struct list ready[QUEUES];
    struct list ready_unknown[QUEUES];
    struct list resting; /* the one that is forgotten first in front */
    size_t n_resting;
    struct origin **bucket;
    size_t n_buckets; /* a power of two */
    size_t n_origins;
};

/* Without the last quarter, which is for polls. */
static size_t for_kickoffs(size_t places)
{
    return places == 1 ? 1 : places - (places < 4 ? 1 : places / 4);
}

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
    origins->max_active = max_active;
    origins->max_kickoffs = for_kickoffs(max_active);
    origins->max_total = max_total;
    origins->max_total_kickoffs = for_kickoffs(max_total);
    for (int queue = 0; queue < QUEUES; queue++) {
        list_init(&origins->ready[queue]);
        list_init(&origins->ready_unknown[queue]);
    }
    list_init(&origins->resting);
    lookups_init(&origins->lookups);
    return origins;
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
    list_init(&origin->resting_node);
    for (int queue = 0; queue < QUEUES; queue++) {
        list_init(&origin->queue[queue]);
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

/* The queue whose first claim may go by this origin's own limits, or -1. */
static int next_queue(const struct origins *origins, const struct origin *origin)
{
    if (origin->active >= origins->max_active || !lookups_may_begin(&origin->lookups)) {
        return -1;
    }
    if (!list_is_empty(&origin->queue[POLLS])) {
        return POLLS;
    }
    if (!list_is_empty(&origin->queue[UNDER_WAY]) && origin->kickoffs < origins->max_kickoffs) {
        return UNDER_WAY;
    }
    if (!list_is_empty(&origin->queue[KICKOFFS]) && origin->kickoffs + origin->held < origins->max_kickoffs) {
        return KICKOFFS;
    }
    return -1;
}

/* Restores the invariant after a change. An origin that was served goes behind the others. */
static void refresh(struct origins *origins, struct origin *origin)
{
    list_remove(&origin->ready_node);
    int queue = next_queue(origins, origin);
    if (queue >= 0) {
        list_push(&(origin->lookups.known ? origins->ready : origins->ready_unknown)[queue], &origin->ready_node);
    }
}

/* ---- rest ---- */

static void wake(struct origins *origins, struct origin *origin)
{
    if (!list_is_empty(&origin->resting_node)) {
        list_remove(&origin->resting_node);
        origins->n_resting--;
    }
}

static void forget_first(struct origins *origins)
{
    struct origin *origin = list_entry(origins->resting.next, struct origin, resting_node);
    wake(origins, origin);
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
    return origin->active == 0 && origin->lookups.strays == 0 && list_is_empty(&origin->queue[POLLS]) &&
           list_is_empty(&origin->queue[UNDER_WAY]) && list_is_empty(&origin->queue[KICKOFFS]);
}

/* After its last claim or stray, maybe: rests, or goes. */
static void settle(struct origins *origins, struct origin *origin)
{
    refresh(origins, origin);
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
        settle(origins, list_entry(name, struct origin, lookups));
    }
}

int64_t origins_next_ms(const struct origins *origins)
{
    return lookups_next_ms(&origins->lookups);
}

void origins_turn(struct origins *origins, int64_t now_ms)
{
    origins->now_ms = now_ms;
    end_strays(origins, now_ms);
    while (origins->n_resting > 0 &&
           list_entry(origins->resting.next, struct origin, resting_node)->forget_ms <= now_ms) {
        forget_first(origins);
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
    assert(origins->n_origins == 0 && origins->total == 0 && origins->held == 0);
    free(origins->bucket);
    free(origins);
}

/* ---- claims ---- */

static void join(struct origins *origins, struct origin_claim *claim, enum queue which, enum origin_end end)
{
    struct origin *origin = claim->origin;
    struct list *queue = &origin->queue[which];
    list_push(end == ORIGIN_FIRST ? queue->next : queue, &claim->node); /* pushes before the node that it is given */
    wake(origins, origin);
    /* The first of its queue may take it to an earlier list. */
    bool is_first = queue->next->next == queue;
    if (list_is_empty(&origin->ready_node) || (is_first && next_queue(origins, origin) == (int)which)) {
        refresh(origins, origin);
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
    join(origins, claim, class == ORIGIN_POLL ? POLLS : end == ORIGIN_FIRST ? UNDER_WAY : KICKOFFS, end);
    return 0;
}

/* The first list, in the order of the queues, with an origin that may go by the limits of all. Those that are not known
 * come first: their few claims are soon opened, and cannot keep the others waiting. */
static const struct list *next_ready(const struct origins *origins)
{
    for (int queue = 0; queue < QUEUES && origins->total < origins->max_total; queue++) {
        size_t kickoffs = origins->kickoffs + (queue == KICKOFFS ? origins->held : 0);
        if (queue != POLLS && kickoffs >= origins->max_total_kickoffs) {
            break;
        }
        if (!list_is_empty(&origins->ready_unknown[queue]) &&
            lookups_have_room(&origins->lookups, queue == POLLS ? ORIGIN_POLL : ORIGIN_KICKOFF)) {
            return &origins->ready_unknown[queue];
        }
        if (!list_is_empty(&origins->ready[queue])) {
            return &origins->ready[queue];
        }
    }
    return NULL;
}

bool origins_has_next(const struct origins *origins)
{
    return next_ready(origins) != NULL;
}

static void add_held(struct origins *origins, struct origin *origin, int change)
{
    origin->held += (size_t)change;
    origins->held += (size_t)change;
}

static void add_active(struct origins *origins, const struct origin_claim *claim, int change)
{
    claim->origin->active += (size_t)change;
    origins->total += (size_t)change;
    if (claim->class == ORIGIN_KICKOFF) {
        claim->origin->kickoffs += (size_t)change;
        origins->kickoffs += (size_t)change;
    }
}

struct origin_claim *origins_next(struct origins *origins)
{
    const struct list *ready = next_ready(origins);
    if (ready == NULL) {
        return NULL;
    }
    struct origin *origin = list_entry(ready->next, struct origin, ready_node);
    int queue = next_queue(origins, origin);
    assert(queue >= 0);
    struct origin_claim *claim = list_entry(list_shift(&origin->queue[queue]), struct origin_claim, node);
    if (claim->place == ORIGIN_RELEASED) {
        add_held(origins, origin, -1);
    }
    claim->place = ORIGIN_OPENING;
    add_active(origins, claim, 1);
    lookups_begin(&origins->lookups, &origin->lookups, claim->class);
    refresh(origins, origin);
    return claim;
}

void origins_hold(struct origins *origins, struct origin_claim *claim)
{
    assert(claim->place == ORIGIN_OPENING && claim->class == ORIGIN_KICKOFF);
    struct origin *origin = claim->origin;
    claim->place = ORIGIN_HELD;
    lookups_end(&origins->lookups, &origin->lookups, claim->class);
    add_active(origins, claim, -1);
    add_held(origins, origin, 1);
    settle(origins, origin);
}

void origins_release(struct origins *origins, struct origin_claim *claim)
{
    assert(claim->place == ORIGIN_HELD);
    claim->place = ORIGIN_RELEASED;
    join(origins, claim, UNDER_WAY, ORIGIN_LAST);
}

void origins_opened(struct origins *origins, struct origin_claim *claim)
{
    if (claim->place != ORIGIN_OPENING) {
        return;
    }
    struct origin *origin = claim->origin;
    lookups_succeed(&origins->lookups, &origin->lookups, claim->class);
    claim->place = ORIGIN_OPEN;
    refresh(origins, origin);
}

static void leave(struct origins *origins, struct origin_claim *claim, bool strays)
{
    struct origin *origin = claim->origin;
    switch (claim->place) {
    case ORIGIN_NOWHERE:
        return;
    case ORIGIN_QUEUED:
        break;
    case ORIGIN_HELD:
    case ORIGIN_RELEASED:
        add_held(origins, origin, -1);
        break;
    case ORIGIN_OPENING:
        if (strays) {
            lookups_stray(&origins->lookups, &origin->lookups, claim->class, origins->now_ms);
        } else {
            lookups_end(&origins->lookups, &origin->lookups, claim->class);
        }
        add_active(origins, claim, -1);
        break;
    case ORIGIN_OPEN:
        add_active(origins, claim, -1);
        break;
    }
    list_remove(&claim->node);
    origin_claim_init(claim);
    settle(origins, origin);
}

void origins_leave(struct origins *origins, struct origin_claim *claim)
{
    leave(origins, claim, false);
}

void origins_abandon(struct origins *origins, struct origin_claim *claim)
{
    leave(origins, claim, true);
}

size_t origins_count(const struct origins *origins)
{
    return origins->n_origins;
}
