#include "core/standing.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CELLS_WANTED_MS 5000

/* What one renewal said. Readers hold it while they walk it, so that the Kafka thread waits for none of them. */
struct picture {
    unsigned holders; /* under the lock */
    size_t n;
    struct standing_whole whole;
    struct standing_partition partitions[]; /* the names of their topics follow */
};

struct standing {
    pthread_mutex_t lock;
    struct picture *picture; /* never NULL */
    atomic_int_fast64_t turn_mono_ms;
    atomic_int_fast64_t cells_until_ms;
};

static struct picture *picture_new(const struct standing_whole *whole, const struct standing_partition *partitions,
                                   size_t n)
{
    size_t names_bytes = 0;
    for (size_t i = 0; i < n; i++)
        names_bytes += strlen(partitions[i].topic) + 1;
    struct picture *picture = malloc(sizeof *picture + n * sizeof *partitions + names_bytes);
    if (picture == NULL)
        return NULL;
    picture->holders = 1;
    picture->n = n;
    picture->whole = *whole;
    char *name = (char *)(picture->partitions + n);
    for (size_t i = 0; i < n; i++) {
        size_t name_bytes = strlen(partitions[i].topic) + 1;
        picture->partitions[i] = partitions[i];
        picture->partitions[i].topic = memcpy(name, partitions[i].topic, name_bytes);
        name += name_bytes;
    }
    return picture;
}

struct standing *standing_new(void)
{
    const struct standing_whole nothing = {0};
    struct standing *standing = calloc(1, sizeof *standing);
    if (standing == NULL)
        return NULL;
    standing->picture = picture_new(&nothing, NULL, 0);
    if (standing->picture == NULL) {
        free(standing);
        return NULL;
    }
    pthread_mutex_init(&standing->lock, NULL);
    return standing;
}

void standing_free(struct standing *standing)
{
    if (standing == NULL)
        return;
    pthread_mutex_destroy(&standing->lock);
    free(standing->picture);
    free(standing);
}

static struct picture *picture_hold(struct standing *standing)
{
    pthread_mutex_lock(&standing->lock);
    struct picture *picture = standing->picture;
    picture->holders++;
    pthread_mutex_unlock(&standing->lock);
    return picture;
}

static void picture_release(struct standing *standing, struct picture *picture)
{
    pthread_mutex_lock(&standing->lock);
    bool last = --picture->holders == 0;
    pthread_mutex_unlock(&standing->lock);
    if (last)
        free(picture);
}

/* ---- the Kafka thread ---- */

void standing_beat(struct standing *standing, int64_t now_mono_ms)
{
    atomic_store_explicit(&standing->turn_mono_ms, now_mono_ms, memory_order_relaxed);
}

void standing_renew(struct standing *standing, const struct standing_whole *whole,
                    const struct standing_partition *partitions, size_t n)
{
    struct picture *renewed = picture_new(whole, partitions, n);
    if (renewed == NULL)
        return;
    pthread_mutex_lock(&standing->lock);
    struct picture *old = standing->picture;
    standing->picture = renewed;
    pthread_mutex_unlock(&standing->lock);
    picture_release(standing, old);
}

bool standing_wants_cells(const struct standing *standing, int64_t now_mono_ms)
{
    return now_mono_ms < atomic_load_explicit(&standing->cells_until_ms, memory_order_relaxed);
}

/* ---- any thread ---- */

void standing_read(struct standing *standing, struct standing_whole *out)
{
    struct picture *picture = picture_hold(standing);
    *out = picture->whole;
    picture_release(standing, picture);
    out->turn_mono_ms = atomic_load_explicit(&standing->turn_mono_ms, memory_order_relaxed);
}

void standing_each(struct standing *standing, standing_fn fn, void *opaque)
{
    struct picture *picture = picture_hold(standing);
    for (size_t i = 0; i < picture->n; i++)
        fn(&picture->partitions[i], opaque);
    picture_release(standing, picture);
}

void standing_want_cells(struct standing *standing, int64_t now_mono_ms)
{
    atomic_store_explicit(&standing->cells_until_ms, now_mono_ms + CELLS_WANTED_MS, memory_order_relaxed);
}
