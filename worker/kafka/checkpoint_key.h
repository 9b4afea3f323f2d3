/* checkpoint_key: the key of a record in the checkpoints topic: GROUP/TOPIC/PARTITION/OFFSET/WRITER.
 *
 * Pure; any thread. The writer (16 hexadecimal digits) is the process that wrote the record: what one process writes or
 * erases, however late, never touches what another wrote. A group's name may hold '/', a topic's cannot: read from the end. */
#ifndef RXP_KAFKA_CHECKPOINT_KEY_H
#define RXP_KAFKA_CHECKPOINT_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct checkpoint_key {
    const char *group; /* not empty; not terminated where it was parsed */
    size_t group_bytes;
    const char *topic; /* of the input: 1 to 249 bytes, without '/' */
    size_t topic_bytes;
    int32_t partition; /* of the input, and of its checkpoint */
    int64_t offset;
    uint64_t writer;
};

/* Beyond the group's own bytes: a topic, a partition, an offset, a writer, their slashes and a NUL. */
#define CHECKPOINT_KEY_TAIL_BYTES ((size_t)(249 + 10 + 19 + 16 + 4 + 1))

/* Writes it, terminated; returns its bytes without the NUL, or -1 where it has no room (group_bytes +
 * CHECKPOINT_KEY_TAIL_BYTES always suffice). */
int checkpoint_key_write(const struct checkpoint_key *key, char *out, size_t room);

/* The key of a marker (see checkpoint_marker), which is no checkpoint's in any version: a checkpoint's key has slashes. */
#define CHECKPOINT_MARKER_KEY "marker"

/* False for anything that checkpoint_key_write would not write. group and topic point into `text`. */
bool checkpoint_key_parse(const char *text, size_t bytes, struct checkpoint_key *out);

#endif
