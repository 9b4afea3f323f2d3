#include "kafka/membership.h"

#include <stdint.h>
#include <string.h>

/* librdkafka's text is "CGMDv2:", the generation (as this machine has it in memory), the group's name, NUL, the member's id,
 * NUL, and the group.instance.id where there is one. Another version's is left to the broker to judge. */
static bool is_member(const char *text, size_t bytes)
{
    static const char magic[] = {'C', 'G', 'M', 'D', 'v', '2', ':'};
    int32_t generation;
    if (bytes < sizeof magic || memcmp(text, magic, sizeof magic) != 0)
        return true;
    if (bytes < sizeof magic + sizeof generation)
        return false;
    memcpy(&generation, text + sizeof magic, sizeof generation);
    const char *group = text + sizeof magic + sizeof generation;
    const char *group_end = memchr(group, '\0', bytes - (size_t)(group - text));
    return generation >= 0 && group_end != NULL && group_end + 1 < text + bytes && group_end[1] != '\0';
}

bool membership_read(struct membership *membership, const rd_kafka_consumer_group_metadata_t *metadata)
{
    membership_clear(membership);
    if (metadata == NULL)
        return false;
    rd_kafka_error_t *error = rd_kafka_consumer_group_metadata_write(metadata, &membership->text, &membership->bytes);
    if (error != NULL) {
        rd_kafka_error_destroy(error);
        *membership = (struct membership){0};
        return false;
    }
    if (is_member(membership->text, membership->bytes))
        return true;
    membership_clear(membership);
    return false;
}

bool membership_equals(const struct membership *a, const struct membership *b)
{
    return a->text != NULL && b->text != NULL && a->bytes == b->bytes && memcmp(a->text, b->text, a->bytes) == 0;
}

void membership_clear(struct membership *membership)
{
    if (membership->text != NULL)
        rd_kafka_mem_free(NULL, membership->text);
    *membership = (struct membership){0};
}
