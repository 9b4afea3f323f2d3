#include "kafka/checkpoint_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int checkpoint_request_keep(struct checkpoint_request *request, const struct checkpoint_key *key, const char *value,
                            size_t value_bytes)
{
    if (strncmp(request->topic, key->topic, key->topic_bytes) != 0 || request->topic[key->topic_bytes] != '\0')
        return 0;
    if (value != NULL)
        return checkpoint_table_put(request->table, key->offset, key->writer, value, value_bytes);
    checkpoint_table_erase(request->table, key->offset, key->writer);
    return 0;
}

bool checkpoint_request_seal(struct checkpoint_request *request, checkpoint_check_fn check, void *opaque,
                             const char *checkpoints, const char *group_id, char *why)
{
    int64_t offset = 0;
    uint64_t writer = 0;
    switch (checkpoint_table_seal(request->table, check, opaque, &offset, &writer)) {
    case CHECKPOINT_SEALED:
        return true;
    case CHECKPOINT_SEAL_NO_MEMORY:
        snprintf(why, CHECKPOINT_REQUEST_WHY_BYTES, "out of memory while checkpoints are read");
        return false;
    case CHECKPOINT_SEAL_TOO_NEW:
        break;
    }
    snprintf(why, CHECKPOINT_REQUEST_WHY_BYTES,
             "the checkpoints topic '%s' holds a checkpoint of a later version (key '%.200s/%s/%" PRId32 "/%" PRId64
             "/%016" PRIx64 "') that this version can't read, and its run could be started again: go back to the later "
             "version, or let it end its runs before an earlier one is started",
             checkpoints, group_id, request->topic, request->partition, offset, writer);
    return false;
}
