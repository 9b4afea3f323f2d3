/* opaque_mark: two things about a message that goes through librdkafka in the lowest bits of its opaque, since a delivery report
 * brings nothing else back: whether it is marked (optional), and how often it has gone again. Owners are structs that hold
 * pointers or 64-bit numbers, so that three bits are free. */
#ifndef RXP_KAFKA_OPAQUE_MARK_H
#define RXP_KAFKA_OPAQUE_MARK_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

enum { OPAQUE_MARK = 1, OPAQUE_TRY = 2, OPAQUE_BITS = 7, OPAQUE_MOST_TRIES = OPAQUE_BITS / OPAQUE_TRY };

static inline uintptr_t opaque_bits(const void *opaque)
{
    return (uintptr_t)opaque & OPAQUE_BITS;
}

static inline bool opaque_is_marked(const void *opaque)
{
    return (opaque_bits(opaque) & OPAQUE_MARK) != 0;
}

static inline unsigned opaque_tries(const void *opaque)
{
    return (unsigned)(opaque_bits(opaque) / OPAQUE_TRY);
}

static inline void *opaque_mark(void *opaque, bool mark)
{
    assert(opaque_bits(opaque) == 0);
    return mark ? (char *)opaque + OPAQUE_MARK : opaque;
}

/* Of one that has fewer than OPAQUE_MOST_TRIES. */
static inline void *opaque_one_more_try(void *opaque)
{
    assert(opaque_tries(opaque) < OPAQUE_MOST_TRIES);
    return (char *)opaque + OPAQUE_TRY;
}

/* As it was given. */
static inline void *opaque_unmark(void *opaque)
{
    return (char *)opaque - opaque_bits(opaque);
}

#endif
