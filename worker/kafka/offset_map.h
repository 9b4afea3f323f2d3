/* offset_map: which offsets above a committed one are done, as the text that Kafka keeps beside the commit.
 *
 * Pure. The text is base64 (RFC 4648, padded) of a version byte, a form byte and the smaller of a bitmap and run
 * lengths (varints, alternating done / not done), and must fit the broker's offset.metadata.max.bytes (4,096). */
#ifndef RXP_KAFKA_OFFSET_MAP_H
#define RXP_KAFKA_OFFSET_MAP_H

#include <stddef.h>
#include <stdint.h>

#define OFFSET_MAP_TEXT_MAX 4096
/* Any pattern over so many offsets fits. */
#define OFFSET_MAP_SAFE_SPAN 24000

/* Is offset base + i done? For i in [0, span). */
struct offset_bits {
    const uint64_t *word; /* bit i of the ring: (first + i) modulo room_bits; 1 = done */
    size_t first;
    size_t room_bits; /* a power of two, >= 64 */
    size_t span;
};

/* Writes the text for bits; its length, or -1 where neither form fits. An empty or all-undone window is the
 * empty text. */
int offset_map_write(const struct offset_bits *bits, char out[OFFSET_MAP_TEXT_MAX + 1]);

/* Calls done(i, n, opaque) for each run of done offsets base+i .. base+i+n-1, in order. 0; or -1 where the text is none of ours
 * (another version, truncated, not base64): then nothing was called. NULL and "" are an empty map. */
typedef void (*offset_map_fn)(int64_t i, int64_t n, void *opaque);
int offset_map_read(const char *text, size_t bytes, offset_map_fn done, void *opaque);

/* Would any future of a window with so many offsets not yet done, over this span, still fit? O(1), never wrong in
 * saying yes (the argument stands in offset_map.c). */
int offset_map_fits(size_t span, size_t undone);

#endif
