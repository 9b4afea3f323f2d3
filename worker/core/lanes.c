#include "core/lanes.h"

#include "base/hash.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_BUCKETS 256 /* partitions of one process: few enough for short chains */
#define FIRST_BUCKETS 256

/* The lanes of one assignment. */
struct lane_group {
    struct lane_group *next; /* in its bucket */
    const struct assignment *assignment;
    struct list lanes; /* struct lane */
    size_t waiting;
};

struct lane {
    struct lane *next; /* in its bucket */
    struct list node;  /* in its group */
    struct lane_group *group;
    uint64_t hash;
    const struct job *holder; /* the job that goes; its key is the lane's */
    struct list waiting;      /* struct job */
};

struct lanes {
    enum lanes_mode mode;
    struct lane **buckets; /* a power of two of them; as many as lanes, about */
    size_t n_buckets;
    size_t n_lanes;
    size_t waiting;
    struct lane_group *groups[GROUP_BUCKETS];
};

struct lanes *lanes_new(enum lanes_mode mode)
{
    struct lanes *lanes = calloc(1, sizeof *lanes);
    if (lanes == NULL) {
        return NULL;
    }
    lanes->mode = mode;
    lanes->n_buckets = FIRST_BUCKETS;
    lanes->buckets = calloc(lanes->n_buckets, sizeof(struct lane *));
    if (lanes->buckets == NULL) {
        free(lanes);
        return NULL;
    }
    return lanes;
}

/* ---- groups ---- */

static struct lane_group **group_place(const struct lanes *lanes, const struct assignment *assignment)
{
    uint64_t hash = hash_put_int(HASH_START, (intptr_t)assignment);
    struct lane_group **place = (struct lane_group **)&lanes->groups[hash % GROUP_BUCKETS];
    while (*place != NULL && (*place)->assignment != assignment) {
        place = &(*place)->next;
    }
    return place;
}

static struct lane_group *group_of(struct lanes *lanes, const struct assignment *assignment)
{
    struct lane_group **place = group_place(lanes, assignment);
    if (*place == NULL && (*place = calloc(1, sizeof **place)) != NULL) {
        (*place)->assignment = assignment;
        list_init(&(*place)->lanes);
    }
    return *place;
}

static void group_free_if_empty(struct lanes *lanes, struct lane_group *group)
{
    if (list_is_empty(&group->lanes)) {
        *group_place(lanes, group->assignment) = group->next;
        free(group);
    }
}

/* ---- lanes ---- */

static bool is_keyed(const struct lanes *lanes)
{
    return lanes->mode == LANES_KEY;
}

/* Producers choose keys; that the address comes first makes it hard to choose them for one bucket. */
static uint64_t hash_of(const struct lanes *lanes, const struct job *job)
{
    uint64_t hash = hash_put_int(HASH_START, (intptr_t)job->ref.assignment);
    if (!is_keyed(lanes)) {
        return hash;
    }
    size_t key_bytes;
    const void *key = envelope_key(job_envelope(job), &key_bytes);
    return hash_put(hash, key, key_bytes);
}

static bool have_one_key(const struct job *a, const struct job *b)
{
    size_t a_bytes;
    size_t b_bytes;
    const void *a_key = envelope_key(job_envelope(a), &a_bytes);
    const void *b_key = envelope_key(job_envelope(b), &b_bytes);
    return a_bytes == b_bytes && memcmp(a_key, b_key, a_bytes) == 0;
}

static bool has_key(const struct job *job)
{
    size_t bytes;
    return envelope_key(job_envelope(job), &bytes) != NULL;
}

static bool is_lane_of(const struct lanes *lanes, const struct lane *lane, uint64_t hash, const struct job *job)
{
    if (lane->hash != hash || lane->group->assignment != job->ref.assignment) {
        return false;
    }
    return !is_keyed(lanes) || have_one_key(lane->holder, job);
}

/* The low bits of an FNV hash depend on the low bits of the bytes alone. */
static struct lane **bucket_of(const struct lanes *lanes, uint64_t hash)
{
    return &lanes->buckets[(hash ^ hash >> 32) & (lanes->n_buckets - 1)];
}

/* Without memory for more buckets the chains get longer, that is all. */
static void grow_if_full(struct lanes *lanes)
{
    if (lanes->n_lanes < lanes->n_buckets) {
        return;
    }
    size_t n_old = lanes->n_buckets;
    struct lane **old = lanes->buckets;
    struct lane **buckets = calloc(n_old * 2, sizeof(struct lane *));
    if (buckets == NULL) {
        return;
    }
    lanes->buckets = buckets;
    lanes->n_buckets = n_old * 2;
    for (size_t i = 0; i < n_old; i++) {
        struct lane *lane;
        while ((lane = old[i]) != NULL) {
            struct lane **bucket = bucket_of(lanes, lane->hash);
            old[i] = lane->next;
            lane->next = *bucket;
            *bucket = lane;
        }
    }
    free(old);
}

static enum lanes_entry open_lane(struct lanes *lanes, struct job *job, uint64_t hash)
{
    struct lane_group *group = group_of(lanes, job->ref.assignment);
    struct lane *lane = group != NULL ? calloc(1, sizeof *lane) : NULL;
    if (lane == NULL) {
        if (group != NULL) {
            group_free_if_empty(lanes, group);
        }
        return LANES_NO_MEMORY;
    }
    grow_if_full(lanes);
    struct lane **bucket = bucket_of(lanes, hash);
    *lane = (struct lane){.next = *bucket, .group = group, .hash = hash, .holder = job};
    *bucket = lane;
    list_init(&lane->waiting);
    list_push(&group->lanes, &lane->node);
    lanes->n_lanes++;
    return LANES_GO;
}

static void close_lane(struct lanes *lanes, struct lane *lane)
{
    struct lane **place = bucket_of(lanes, lane->hash);
    while (*place != lane) {
        place = &(*place)->next;
    }
    *place = lane->next;
    list_remove(&lane->node);
    group_free_if_empty(lanes, lane->group);
    lanes->n_lanes--;
    free(lane);
}

/* That of its key or partition; NULL: nobody holds it. */
static struct lane *find_lane(const struct lanes *lanes, const struct job *job, uint64_t hash)
{
    struct lane *lane = *bucket_of(lanes, hash);
    while (lane != NULL && !is_lane_of(lanes, lane, hash, job)) {
        lane = lane->next;
    }
    return lane;
}

static bool has_lane(const struct lanes *lanes, const struct job *job)
{
    return lanes->mode != LANES_NONE && (!is_keyed(lanes) || has_key(job));
}

enum lanes_entry lanes_enter(struct lanes *lanes, struct job *job)
{
    if (!has_lane(lanes, job)) {
        return LANES_GO;
    }
    uint64_t hash = hash_of(lanes, job);
    struct lane *lane = find_lane(lanes, job, hash);
    if (lane == NULL) {
        return open_lane(lanes, job, hash);
    }
    list_push(&lane->waiting, &job->run.node);
    lane->group->waiting++;
    lanes->waiting++;
    return LANES_WAIT;
}

static struct job *shift_waiting(struct lanes *lanes, struct lane *lane)
{
    struct list *node = list_shift(&lane->waiting);
    if (node == NULL) {
        return NULL;
    }
    lane->group->waiting--;
    lanes->waiting--;
    return list_entry(node, struct job, run.node);
}

struct job *lanes_leave(struct lanes *lanes, const struct job *job)
{
    struct lane *lane = has_lane(lanes, job) ? find_lane(lanes, job, hash_of(lanes, job)) : NULL;
    if (lane == NULL || lane->holder != job) {
        return NULL;
    }
    struct job *next = shift_waiting(lanes, lane);
    if (next == NULL) {
        close_lane(lanes, lane);
        return NULL;
    }
    lane->holder = next;
    return next;
}

static void drop_group(struct lanes *lanes, struct lane_group *group, lanes_dropped_fn dropped, void *opaque)
{
    for (struct list *node = group->lanes.next; node != &group->lanes; node = node->next) {
        struct lane *lane = list_entry(node, struct lane, node);
        struct job *job;
        while ((job = shift_waiting(lanes, lane)) != NULL) {
            dropped(job, opaque);
        }
    }
}

void lanes_drop(struct lanes *lanes, const struct assignment *assignment, lanes_dropped_fn dropped, void *opaque)
{
    if (assignment != NULL) {
        struct lane_group *group = *group_place(lanes, assignment);
        if (group != NULL) {
            drop_group(lanes, group, dropped, opaque);
        }
        return;
    }
    for (size_t i = 0; i < GROUP_BUCKETS; i++) {
        for (struct lane_group *group = lanes->groups[i]; group != NULL; group = group->next) {
            drop_group(lanes, group, dropped, opaque);
        }
    }
}

size_t lanes_waiting(const struct lanes *lanes)
{
    return lanes->waiting;
}

size_t lanes_waiting_of(const struct lanes *lanes, const struct assignment *assignment)
{
    const struct lane_group *group = *group_place(lanes, assignment);
    return group != NULL ? group->waiting : 0;
}

void lanes_free(struct lanes *lanes)
{
    if (lanes == NULL) {
        return;
    }
    assert(lanes->waiting == 0);
    for (size_t i = 0; i < lanes->n_buckets; i++) {
        struct lane *lane;
        while ((lane = lanes->buckets[i]) != NULL) {
            lanes->buckets[i] = lane->next;
            free(lane);
        }
    }
    for (size_t i = 0; i < GROUP_BUCKETS; i++) {
        struct lane_group *group;
        while ((group = lanes->groups[i]) != NULL) {
            lanes->groups[i] = group->next;
            free(group);
        }
    }
    free(lanes->buckets);
    free(lanes);
}
