#include "kafka/checkpoint_key.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TOPIC_MAX_BYTES = 249, WRITER_DIGITS = 16 };

int checkpoint_key_write(const struct checkpoint_key *key, char *out, size_t room)
{
    int n = snprintf(out, room, "%.*s/%.*s/%" PRId32 "/%" PRId64 "/%016" PRIx64, (int)key->group_bytes, key->group,
                     (int)key->topic_bytes, key->topic, key->partition, key->offset, key->writer);
    return n < 0 || (size_t)n >= room ? -1 : n;
}

/* The part behind the last slash of text[0..*bytes), which is cut off with its slash. NULL: there is no slash. */
static const char *cut_last(const char *text, size_t *bytes, size_t *part_bytes)
{
    const char *slash = memrchr(text, '/', *bytes);
    if (slash == NULL)
        return NULL;
    *part_bytes = *bytes - (size_t)(slash + 1 - text);
    *bytes = (size_t)(slash - text);
    return slash + 1;
}

/* Digits only, none too many: another spelling would be another key. */
static bool parse_number(const char *part, size_t bytes, int64_t most, int64_t *out)
{
    int64_t number = 0;
    if (bytes == 0 || (part[0] == '0' && bytes > 1))
        return false;
    for (size_t i = 0; i < bytes; i++) {
        int64_t digit = part[i] - '0';
        if (digit < 0 || digit > 9 || number > (most - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *out = number;
    return true;
}

static bool parse_writer(const char *part, size_t bytes, uint64_t *out)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t writer = 0;
    if (bytes != WRITER_DIGITS)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        const char *digit = part[i] != '\0' ? strchr(digits, part[i]) : NULL;
        if (digit == NULL)
            return false;
        writer = writer << 4 | (uint64_t)(digit - digits);
    }
    *out = writer;
    return true;
}

bool checkpoint_key_parse(const char *text, size_t bytes, struct checkpoint_key *out)
{
    const char *part;
    size_t part_bytes = 0;
    int64_t partition;

    if (bytes == 0 || memchr(text, '\0', bytes) != NULL)
        return false;
    if ((part = cut_last(text, &bytes, &part_bytes)) == NULL || !parse_writer(part, part_bytes, &out->writer))
        return false;
    if ((part = cut_last(text, &bytes, &part_bytes)) == NULL || !parse_number(part, part_bytes, INT64_MAX, &out->offset))
        return false;
    if ((part = cut_last(text, &bytes, &part_bytes)) == NULL || !parse_number(part, part_bytes, INT32_MAX, &partition))
        return false;
    if ((part = cut_last(text, &bytes, &part_bytes)) == NULL || part_bytes == 0 || part_bytes > TOPIC_MAX_BYTES || bytes == 0)
        return false;
    out->partition = (int32_t)partition;
    out->topic = part;
    out->topic_bytes = part_bytes;
    out->group = text;
    out->group_bytes = bytes;
    return true;
}
