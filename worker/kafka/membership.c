#include "kafka/membership.h"

#include <stdint.h>
#include <string.h>

/* librdkafka's text is "CGMDv2:", the generation (as this machine has it in memory), the group's name, NUL, the member's id,
 * NUL, and the group.instance.id where there is one. Another version's is left to the broker to judge. */
static bool is_known(const char *text, size_t bytes)
{
    static const char magic[] = {'C', 'G', 'M', 'D', 'v', '2', ':'};
    return bytes >= sizeof magic && memcmp(text, magic, sizeof magic) == 0;
}

/* Of a known text: NULL where it is none of a generation. */
static const char *member_id(const char *text, size_t bytes)
{
    enum { MAGIC_BYTES = 7 };
    int32_t generation;
    if (bytes < MAGIC_BYTES + sizeof generation)
        return NULL;
    memcpy(&generation, text + MAGIC_BYTES, sizeof generation);
    const char *group = text + MAGIC_BYTES + sizeof generation;
    const char *group_end = memchr(group, '\0', bytes - (size_t)(group - text));
    if (generation < 0 || group_end == NULL)
        return NULL;
    const char *member = group_end + 1;
    size_t left = bytes - (size_t)(member - text);
    return left > 0 && member[0] != '\0' && memchr(member, '\0', left) != NULL ? member : NULL;
}

static bool is_member(const char *text, size_t bytes)
{
    return !is_known(text, bytes) || member_id(text, bytes) != NULL;
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

bool membership_is_of(const struct membership *membership, const char *member)
{
    if (membership->text == NULL || member == NULL)
        return false;
    return !is_known(membership->text, membership->bytes) ||
           strcmp(member_id(membership->text, membership->bytes), member) == 0;
}

void membership_clear(struct membership *membership)
{
    if (membership->text != NULL)
        rd_kafka_mem_free(NULL, membership->text);
    *membership = (struct membership){0};
}
