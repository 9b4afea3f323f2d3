#include "kafka/set_size.h"

void set_size_init(struct set_size *size, size_t most_bytes)
{
    *size = (struct set_size){.most_bytes = most_bytes};
}

static void end_set(struct set_size *size)
{
    if (size->n > 1 && (size->least_bytes == 0 || size->bytes < size->least_bytes))
        size->least_bytes = size->bytes;
    size->n = 0;
    size->bytes = 0;
}

void set_size_note(struct set_size *size, const void *topic, int32_t partition, size_t bytes, bool alone)
{
    bool is_sole = alone || bytes > size->most_bytes;
    if (is_sole || topic != size->topic || partition != size->partition)
        end_set(size);
    if (is_sole)
        return;
    size->topic = topic;
    size->partition = partition;
    size->n++;
    size->bytes += bytes;
}

bool set_size_learn(struct set_size *size)
{
    end_set(size);
    if (size->least_bytes == 0 || size->most_bytes <= 1)
        return false;
    size_t least_bytes = size->least_bytes < size->most_bytes ? size->least_bytes : size->most_bytes;
    size->least_bytes = 0;
    size->most_bytes = least_bytes > 3 ? least_bytes / 2 : 1;
    return true;
}
