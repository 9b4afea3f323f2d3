#include "base/heap.h"

#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_ROOM 64

void heap_init(struct heap *heap)
{
    *heap = (struct heap){0};
}

void heap_deinit(struct heap *heap)
{
    free(heap->slot);
    heap_init(heap);
}

void timer_init(struct timer *timer)
{
    *timer = (struct timer){.at_ms = CLOCK_NEVER, .index = TIMER_UNSET};
}

bool timer_is_set(const struct timer *timer)
{
    return timer->index != TIMER_UNSET;
}

static void put_at(struct heap *heap, size_t index, struct timer *timer)
{
    heap->slot[index] = timer;
    timer->index = index;
}

/* Invariant of both: every slot but `index` is in order with its parent. The timer of `index` is moved to where the
 * order holds for it too. */
static void sift_up(struct heap *heap, size_t index)
{
    struct timer *timer = heap->slot[index];
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (heap->slot[parent]->at_ms <= timer->at_ms) {
            break;
        }
        put_at(heap, index, heap->slot[parent]);
        index = parent;
    }
    put_at(heap, index, timer);
}

static void sift_down(struct heap *heap, size_t index)
{
    struct timer *timer = heap->slot[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->n) {
            break;
        }
        if (child + 1 < heap->n && heap->slot[child + 1]->at_ms < heap->slot[child]->at_ms) {
            child++;
        }
        if (timer->at_ms <= heap->slot[child]->at_ms) {
            break;
        }
        put_at(heap, index, heap->slot[child]);
        index = child;
    }
    put_at(heap, index, timer);
}

int heap_reserve(struct heap *heap, size_t n)
{
    const size_t slot_bytes = sizeof(heap->slot[0]); /* NOLINT(bugprone-sizeof-expression): of pointers */
    if (n <= heap->room) {
        return 0;
    }
    size_t room = heap->room == 0 ? FIRST_ROOM : heap->room;
    while (room < n) {
        if (room > SIZE_MAX / 2 / slot_bytes) {
            return -1;
        }
        room *= 2;
    }
    struct timer **slot = realloc(heap->slot, room * slot_bytes);
    if (slot == NULL) {
        return -1;
    }
    heap->slot = slot;
    heap->room = room;
    return 0;
}

int heap_set(struct heap *heap, struct timer *timer, int64_t at_ms)
{
    if (timer_is_set(timer)) {
        assert(timer->index < heap->n && heap->slot[timer->index] == timer);
        timer->at_ms = at_ms;
        sift_up(heap, timer->index);
        sift_down(heap, timer->index);
        return 0;
    }
    if (heap_reserve(heap, heap->n + 1) != 0) {
        return -1;
    }
    timer->at_ms = at_ms;
    heap->slot[heap->n] = timer;
    heap->n++;
    sift_up(heap, heap->n - 1);
    return 0;
}

void heap_clear(struct heap *heap, struct timer *timer)
{
    if (!timer_is_set(timer)) {
        return;
    }
    size_t index = timer->index;
    assert(index < heap->n && heap->slot[index] == timer);
    heap->n--;
    struct timer *last = heap->slot[heap->n];
    timer->index = TIMER_UNSET;
    if (last != timer) {
        put_at(heap, index, last);
        sift_up(heap, index);
        sift_down(heap, last->index);
    }
}

int64_t heap_next_ms(const struct heap *heap)
{
    return heap->n == 0 ? CLOCK_NEVER : heap->slot[0]->at_ms;
}

struct timer *heap_take_due(struct heap *heap, int64_t now_ms)
{
    if (heap->n == 0 || heap->slot[0]->at_ms > now_ms) {
        return NULL;
    }
    struct timer *due = heap->slot[0];
    heap_clear(heap, due);
    return due;
}
