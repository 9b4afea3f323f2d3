#include "backend/seen.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_KEYS ((size_t)1 << 12)
#define MAX_KEYS ((size_t)1 << 23)
#define POLL_PLACES ((size_t)1 << 16)
#define POLL_SET 8 /* places that a hash may have */
#define DAY_SECONDS 86400

struct place {
    uint64_t hash;
    uint64_t count;
};

struct remembered {
    uint64_t hash;
    char *id; /* NULL: free */
    char *course;
};

struct seen {
    pthread_mutex_t lock;
    uint64_t *key; /* open addressing; 0: free */
    size_t key_room;
    struct seen_keys keys;
    struct place *place; /* made when first needed */
    struct remembered run[SEEN_RUNS]; /* a ring */
    size_t next_run;
    uint32_t ending[DAY_SECONDS]; /* runs that end in this second, by it modulo a day */
    int64_t until_s;              /* seconds before it are over */
    uint64_t under_way;
};

struct seen *seen_new(void)
{
    struct seen *seen = calloc(1, sizeof(*seen));
    if (!seen) {
        return NULL;
    }
    pthread_mutex_init(&seen->lock, NULL);
    seen->key_room = FIRST_KEYS;
    seen->key = calloc(FIRST_KEYS, sizeof(*seen->key));
    if (seen->key) {
        return seen;
    }
    seen_free(seen);
    return NULL;
}

void seen_free(struct seen *seen)
{
    if (!seen) {
        return;
    }
    for (size_t i = 0; i < SEEN_RUNS; i++) {
        free(seen->run[i].id);
        free(seen->run[i].course);
    }
    free(seen->place);
    free(seen->key);
    pthread_mutex_destroy(&seen->lock);
    free(seen);
}

uint64_t seen_hash(const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ at[i]) * 1099511628211u;
    }
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdu;
    hash ^= hash >> 33;
    return hash;
}

/* Where the hash is, or would be. */
static size_t key_place(const uint64_t *key, size_t room, uint64_t hash)
{
    size_t i = hash & (room - 1);
    while (key[i] && key[i] != hash) {
        i = (i + 1) & (room - 1);
    }
    return i;
}

/* Room for one more. False when there is none, for the limit or for want of memory. */
static bool keys_grow(struct seen *seen)
{
    if (seen->keys.distinct < seen->key_room / 4 * 3) {
        return true;
    }
    size_t room = seen->key_room * 2;
    uint64_t *key = room <= MAX_KEYS ? calloc(room, sizeof(*key)) : NULL;
    if (!key) {
        return false;
    }
    for (size_t i = 0; i < seen->key_room; i++) {
        if (seen->key[i]) {
            key[key_place(key, room, seen->key[i])] = seen->key[i];
        }
    }
    free(seen->key);
    seen->key = key;
    seen->key_room = room;
    return true;
}

void seen_key(struct seen *seen, const char *key)
{
    uint64_t hash = seen_hash(key, strlen(key));
    if (hash == 0) {
        hash = 1;
    }
    pthread_mutex_lock(&seen->lock);
    if (seen->key[key_place(seen->key, seen->key_room, hash)] == hash) {
        seen->keys.repeated++;
    } else if (keys_grow(seen)) {
        seen->key[key_place(seen->key, seen->key_room, hash)] = hash;
        seen->keys.distinct++;
    } else {
        seen->keys.uncounted++;
    }
    pthread_mutex_unlock(&seen->lock);
}

void seen_read_keys(struct seen *seen, struct seen_keys *out)
{
    pthread_mutex_lock(&seen->lock);
    *out = seen->keys;
    pthread_mutex_unlock(&seen->lock);
}

/* Of a hash's places the one that was asked for last comes first, and the last one is lost to a newcomer: ids that are
 * polled in turn do not make each other forgotten. */
static struct place *poll_place(struct place *set, uint64_t hash)
{
    size_t i = 0;
    while (i < POLL_SET - 1 && set[i].hash != hash) {
        i++;
    }
    struct place found = set[i].hash == hash ? set[i] : (struct place){.hash = hash};
    memmove(&set[1], &set[0], i * sizeof(*set));
    set[0] = found;
    return &set[0];
}

uint64_t seen_poll(struct seen *seen, const char *id)
{
    uint64_t hash = seen_hash(id, strlen(id));
    uint64_t before = 0;
    pthread_mutex_lock(&seen->lock);
    if (!seen->place) {
        seen->place = calloc(POLL_PLACES, sizeof(*seen->place));
    }
    if (seen->place) {
        before = poll_place(&seen->place[hash & (POLL_PLACES - POLL_SET)], hash)->count++;
    }
    pthread_mutex_unlock(&seen->lock);
    return before;
}

int seen_remember(struct seen *seen, const char *id, const char *course)
{
    struct remembered fresh = {seen_hash(id, strlen(id)), strdup(id), strdup(course)};
    if (!fresh.id || !fresh.course) {
        free(fresh.id);
        free(fresh.course);
        return -1;
    }
    pthread_mutex_lock(&seen->lock);
    struct remembered old = seen->run[seen->next_run];
    seen->run[seen->next_run] = fresh;
    seen->next_run = (seen->next_run + 1) % SEEN_RUNS;
    pthread_mutex_unlock(&seen->lock);
    free(old.id);
    free(old.course);
    return 0;
}

char *seen_recall(struct seen *seen, const char *id)
{
    uint64_t hash = seen_hash(id, strlen(id));
    char *course = NULL;
    pthread_mutex_lock(&seen->lock);
    /* The newest first: an id may be given to several runs. */
    for (size_t k = 1; k <= SEEN_RUNS && !course; k++) {
        const struct remembered *run = &seen->run[(seen->next_run + SEEN_RUNS - k) % SEEN_RUNS];
        if (!run->id) {
            break;
        }
        if (run->hash == hash && strcmp(run->id, id) == 0) {
            course = strdup(run->course);
        }
    }
    pthread_mutex_unlock(&seen->lock);
    return course;
}

static void runs_advance(struct seen *seen, int64_t now_ms)
{
    int64_t now_s = now_ms / 1000;
    if (seen->under_way == 0) {
        seen->until_s = now_s > seen->until_s ? now_s : seen->until_s;
    }
    for (; seen->until_s < now_s; seen->until_s++) {
        uint32_t *ending = &seen->ending[seen->until_s % DAY_SECONDS];
        seen->under_way -= *ending;
        *ending = 0;
    }
}

void seen_run(struct seen *seen, int64_t now_ms, int64_t end_ms)
{
    pthread_mutex_lock(&seen->lock);
    runs_advance(seen, now_ms);
    int64_t end_s = end_ms / 1000;
    if (end_s > seen->until_s + DAY_SECONDS - 1) {
        end_s = seen->until_s + DAY_SECONDS - 1;
    }
    if (end_s > seen->until_s) {
        seen->ending[end_s % DAY_SECONDS]++;
        seen->under_way++;
    }
    pthread_mutex_unlock(&seen->lock);
}

uint64_t seen_runs(struct seen *seen, int64_t now_ms)
{
    pthread_mutex_lock(&seen->lock);
    runs_advance(seen, now_ms);
    uint64_t under_way = seen->under_way;
    pthread_mutex_unlock(&seen->lock);
    return under_way;
}
