/* opaque_mark: one bit about a message that goes through librdkafka in the lowest bit of its opaque, since a delivery
 * report brings nothing else back. Owners are structs, so that the bit is free. */
#ifndef RXP_KAFKA_OPAQUE_MARK_H
#define RXP_KAFKA_OPAQUE_MARK_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

static inline bool opaque_is_marked(const void *opaque)
{
    return ((uintptr_t)opaque & 1) != 0;
}

static inline void *opaque_mark(void *opaque, bool mark)
{
    assert(!opaque_is_marked(opaque));
    return mark ? (char *)opaque + 1 : opaque;
}

static inline void *opaque_unmark(void *opaque)
{
    return opaque_is_marked(opaque) ? (char *)opaque - 1 : opaque;
}

#endif
