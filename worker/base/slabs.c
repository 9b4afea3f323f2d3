#include "base/slabs.h"

#include "base/list.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SLAB_BYTES ((size_t)64 * 1024)
#define STEP_BYTES ((size_t)16)
#define CLASSES (SLABS_BLOCK_MAX_BYTES / STEP_BYTES + 1)

/* AddressSanitizer sees what is used after it was given back, or lost, where it is malloc's. */
#if defined(__SANITIZE_ADDRESS__)
#define IS_PLAIN true
#else
#define IS_PLAIN false
#endif

struct block {
    struct block *next;
};

/* At the beginning of its memory, which begins at a multiple of SLAB_BYTES. */
struct slab {
    struct list node; /* among those of its class that have room; else alone */
    struct slabs *owner;
    struct block *given_back;
    uint32_t block_bytes;
    uint32_t n_taken;
    uint32_t used_bytes; /* behind them nothing was taken yet */
};

struct slabs {
    pthread_mutex_t lock;
    struct list with_room[CLASSES];
    struct slab *spare; /* empty; NULL: none */
    size_t n_slabs;     /* the spare one not counted */
    bool is_released;
};

static size_t class_of(size_t bytes)
{
    return (bytes + STEP_BYTES - 1) / STEP_BYTES;
}

/* ---- slabs ---- */

static struct slab *map_slab(void)
{
    char *at = mmap(NULL, 2 * SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        return NULL;
    }
    size_t before = (SLAB_BYTES - (uintptr_t)at % SLAB_BYTES) % SLAB_BYTES;
    if (before > 0) {
        munmap(at, before);
    }
    munmap(at + before + SLAB_BYTES, SLAB_BYTES - before);
    return (struct slab *)(void *)(at + before);
}

static void unmap_slab(struct slab *slab)
{
    if (slab != NULL) {
        munmap(slab, SLAB_BYTES);
    }
}

static struct slab *find_slab(struct slabs *slabs, size_t class)
{
    struct list *with_room = &slabs->with_room[class];
    if (!list_is_empty(with_room)) {
        return list_entry(with_room->next, struct slab, node);
    }
    struct slab *slab = slabs->spare != NULL ? slabs->spare : map_slab();
    slabs->spare = NULL;
    if (slab == NULL) {
        return NULL;
    }
    *slab = (struct slab){
        .owner = slabs,
        .block_bytes = (uint32_t)(class * STEP_BYTES),
        .used_bytes = (uint32_t)(class_of(sizeof *slab) * STEP_BYTES),
    };
    list_init(&slab->node);
    list_push(with_room, &slab->node);
    slabs->n_slabs++;
    return slab;
}

static bool is_full(const struct slab *slab)
{
    return slab->given_back == NULL && slab->used_bytes + slab->block_bytes > SLAB_BYTES;
}

static void *take_block(struct slab *slab)
{
    struct block *block = slab->given_back;
    if (block != NULL) {
        slab->given_back = block->next;
    } else {
        block = (struct block *)(void *)((char *)slab + slab->used_bytes);
        slab->used_bytes += slab->block_bytes;
    }
    slab->n_taken++;
    if (is_full(slab)) {
        list_remove(&slab->node);
    }
    return block;
}

void *slabs_take(struct slabs *slabs, size_t bytes)
{
    if (IS_PLAIN || bytes > SLABS_BLOCK_MAX_BYTES) {
        return malloc(bytes);
    }
    pthread_mutex_lock(&slabs->lock);
    struct slab *slab = find_slab(slabs, class_of(bytes > 0 ? bytes : 1));
    void *block = slab != NULL ? take_block(slab) : NULL;
    pthread_mutex_unlock(&slabs->lock);
    return block;
}

/* ---- the end ---- */

static void end(struct slabs *slabs)
{
    pthread_mutex_destroy(&slabs->lock);
    free(slabs);
}

void slabs_give(void *at, size_t bytes)
{
    if (at == NULL || IS_PLAIN || bytes > SLABS_BLOCK_MAX_BYTES) {
        free(at);
        return;
    }
    struct slab *slab = (struct slab *)((uintptr_t)at - (uintptr_t)at % SLAB_BYTES);
    struct slabs *slabs = slab->owner;
    struct slab *empty = NULL;
    struct block *block = at;
    pthread_mutex_lock(&slabs->lock);
    if (is_full(slab)) {
        list_push(&slabs->with_room[slab->block_bytes / STEP_BYTES], &slab->node);
    }
    block->next = slab->given_back;
    slab->given_back = block;
    if (--slab->n_taken == 0) {
        list_remove(&slab->node);
        slabs->n_slabs--;
        empty = slab;
        if (slabs->spare == NULL && !slabs->is_released) {
            slabs->spare = empty;
            empty = NULL;
        }
    }
    bool is_over = slabs->is_released && slabs->n_slabs == 0;
    pthread_mutex_unlock(&slabs->lock);
    unmap_slab(empty);
    if (is_over) {
        end(slabs);
    }
}

struct slabs *slabs_new(void)
{
    struct slabs *slabs = calloc(1, sizeof *slabs);
    if (slabs == NULL) {
        return NULL;
    }
    pthread_mutex_init(&slabs->lock, NULL);
    for (size_t i = 0; i < CLASSES; i++) {
        list_init(&slabs->with_room[i]);
    }
    return slabs;
}

void slabs_release(struct slabs *slabs)
{
    if (slabs == NULL) {
        return;
    }
    pthread_mutex_lock(&slabs->lock);
    slabs->is_released = true;
    struct slab *spare = slabs->spare;
    slabs->spare = NULL;
    bool is_over = slabs->n_slabs == 0;
    pthread_mutex_unlock(&slabs->lock);
    unmap_slab(spare);
    if (is_over) {
        end(slabs);
    }
}
