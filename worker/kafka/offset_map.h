/* offset_map: which offsets above a committed one are done, as the text that Kafka keeps beside the commit.
 *
 * Pure. The text is base64 (RFC 4648, padded) of a version byte, a form byte and the smaller of a bitmap and run
 * lengths (varints, alternating not done / done), and must fit the broker's offset.metadata.max.bytes (4,096 by
 * default). One slow run before 100,000 finished ones takes 8 bytes of text. */
#ifndef RXP_KAFKA_OFFSET_MAP_H
#define RXP_KAFKA_OFFSET_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OFFSET_MAP_TEXT_MAX 4096
/* Any pattern over so many offsets fits. */
#define OFFSET_MAP_SAFE_SPAN 24000
/* No map reaches further: a reader need not fear for its memory or time, whatever the text says. */
#define OFFSET_MAP_SPAN_MAX ((1 << 24) - 64)

/* Is offset base + i done? For i in [0, span). */
struct offset_bits {
    const uint64_t *word; /* bit i of the ring: (first + i) modulo room_bits; 1 = done */
    size_t first;
    size_t room_bits; /* a power of two, >= 64 */
    size_t span;
};

/* Writes the text for bits; its length, or -1 where neither form fits (then *out is empty). A
 * window that is empty or wholly undone is the empty text. */
int offset_map_write(const struct offset_bits *bits, char out[OFFSET_MAP_TEXT_MAX + 1]);

/* Calls done(i, n, opaque) for each run of done offsets base+i .. base+i+n-1, in order, i + n <= OFFSET_MAP_SPAN_MAX.
 * 0; or -1 where the text is none of ours (another version, truncated, not base64): then nothing was called. NULL and
 * "" are an empty map. */
typedef void (*offset_map_fn)(int64_t i, int64_t n, void *opaque);
int offset_map_read(const char *text, size_t bytes, offset_map_fn done, void *opaque);

/* Would a window with so many offsets not yet done, over this span, fit, now and however they come to be done? O(1),
 * never wrong in saying yes (the argument stands in offset_map.c). */
bool offset_map_fits(size_t span, size_t undone);

#endif
