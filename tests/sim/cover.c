#include "sim/cover.h"

#include "kafka/offset_map.h"

static void cover_run(int64_t i, int64_t n, void *opaque)
{
    struct cover *cover = opaque;
    for (int number = 0; number < world->plan.n_inputs; number++) {
        const struct input *input = &world->plan.input[number];
        int64_t at = input->offset - cover->base;
        if (input->partition == cover->partition && at >= i && at < i + n)
            cover->done[number] = true;
    }
}

struct cover cover_read(int32_t partition, const struct committed *committed)
{
    struct cover cover = {.partition = partition, .base = committed->offset};
    for (int i = 0; i < world->plan.n_inputs; i++) {
        const struct input *input = &world->plan.input[i];
        cover.done[i] = input->partition == partition && input->offset < committed->offset;
    }
    if (committed->offset >= 0 && offset_map_read(committed->metadata, committed->metadata_bytes, cover_run, &cover) != 0)
        fail(-1, "I2: the map of [%d] cannot be read", (int)partition);
    return cover;
}
