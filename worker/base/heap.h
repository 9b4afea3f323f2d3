/* heap: timers by time, the earliest first (a binary heap of pointers to embedded timers).
 *
 * Owned by one thread. Setting, moving and clearing are O(log n). */
#ifndef RXP_BASE_HEAP_H
#define RXP_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The index of a timer that is not set. */
#define TIMER_UNSET SIZE_MAX

struct timer {
    int64_t at_ms;
    size_t index; /* in the heap; TIMER_UNSET while not set */
};

struct heap {
    struct timer **slot;
    size_t n;
    size_t room;
};

void heap_init(struct heap *heap);
/* Timers that are still set are forgotten, and must not be cleared or set afterwards without timer_init. */
void heap_deinit(struct heap *heap);

void timer_init(struct timer *timer);
bool timer_is_set(const struct timer *timer);

/* Room for n timers in all, so that the next heap_set calls up to it cannot fail. 0, or -1 for want of memory. */
int heap_reserve(struct heap *heap, size_t n);
/* Sets or moves. 0, or -1 for want of memory (only where heap_reserve did not provide). */
int heap_set(struct heap *heap, struct timer *timer, int64_t at_ms);
void heap_clear(struct heap *heap, struct timer *timer); /* harmless when not set */

/* When the earliest is due; CLOCK_NEVER when none is set. */
int64_t heap_next_ms(const struct heap *heap);
/* Takes out the earliest timer that is due at now_ms; NULL when none is. Its at_ms stays, to tell how late
 * it is. */
struct timer *heap_take_due(struct heap *heap, int64_t now_ms);

#endif
