#include "core/ledger_write.h"

#include "base/hash.h"
#include "kafka/checkpoint_key.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct ledger_write *ledger_write_new(const char *group_id, enum write_kind kind, const struct place *place,
                                      const char *value, size_t value_bytes)
{
    const struct checkpoint_key key = {
        .group = group_id,
        .group_bytes = strlen(group_id),
        .topic = place->assignment->topic,
        .topic_bytes = strlen(place->assignment->topic),
        .partition = place->assignment->partition,
        .offset = place->offset,
        .writer = place->writer,
    };
    size_t key_room = key.group_bytes + CHECKPOINT_KEY_TAIL_BYTES;
    struct ledger_write *write = calloc(1, sizeof *write + key_room + value_bytes);
    if (write == NULL)
        return NULL;
    char *room = (char *)(write + 1);
    int key_bytes = checkpoint_key_write(&key, room, key_room);
    assert(key_bytes > 0);
    write->parcel.kind = PARCEL_CHECKPOINT;
    list_init(&write->node);
    write->kind = kind;
    write->partition = key.partition;
    atomic_init(&write->handed, false);
    write->bytes = 2 * (sizeof *write + key_room + value_bytes);
    write->key = room;
    write->key_bytes = (size_t)key_bytes;
    write->key_hash = hash_put(HASH_START, room, write->key_bytes);
    if (value != NULL) {
        write->value = memcpy(room + key_room, value, value_bytes);
        write->value_bytes = value_bytes;
    }
    return write;
}

void ledger_write_free(struct ledger_write *write)
{
    if (write->assignment != NULL)
        assignment_write_end(write->assignment);
    free(write);
}

void ledger_write_hold(struct ledger_write *write, struct assignment *assignment)
{
    assignment_write_begin(assignment);
    write->assignment = assignment;
}

void ledger_write_follow(struct ledger_write *write, struct ledger_write *tombstone)
{
    while (write->follower != NULL)
        write = write->follower;
    write->follower = tombstone;
}
