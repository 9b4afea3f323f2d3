#include "protocol/json.h"
#include "protocol/json_string.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* All of these return the first place behind what they skip, at most `end`. */

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

static bool is_escaped(const char *begin, const char *at)
{
    const char *behind = at;

    while (at > begin && at[-1] == '\\')
        at--;
    return (behind - at) % 2 != 0;
}

/* By memchr: what is within a string that json_check has seen does not matter, only where it ends. */
static const char *skip_string(const char *at, const char *end)
{
    const char *begin = at + 1;
    const char *quote = at;

    do
        quote = memchr(quote + 1, '"', (size_t)(end - quote - 1));
    while (quote != NULL && is_escaped(begin, quote));
    return quote == NULL ? end : quote + 1;
}

static const char *skip_container(const char *at, const char *end)
{
    size_t depth = 0;

    while (at < end) {
        char c = *at;
        if (c == '"') {
            at = skip_string(at, end);
            continue;
        }
        at++;
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && --depth == 0)
            break;
    }
    return at;
}

static const char *skip_value(const char *at, const char *end)
{
    if (at == end)
        return end;
    if (*at == '"')
        return skip_string(at, end);
    if (*at == '{' || *at == '[')
        return skip_container(at, end);
    while (at < end && *at != ',' && *at != '}' && *at != ']' && !is_space(*at))
        at++;
    return at;
}

struct json_slice json_document(const char *text, size_t bytes)
{
    struct json_slice value = {.at = text, .bytes = bytes};

    while (value.bytes > 0 && is_space(value.at[0])) {
        value.at++;
        value.bytes--;
    }
    while (value.bytes > 0 && is_space(value.at[value.bytes - 1]))
        value.bytes--;
    return value;
}

bool json_next(struct json_slice container, size_t *cursor, struct json_slice *key, struct json_slice *value)
{
    if (*cursor >= container.bytes || (container.at[0] != '{' && container.at[0] != '['))
        return false;
    const bool object = container.at[0] == '{';
    const char *end = container.at + container.bytes;
    const char *at = skip_space(container.at + (*cursor == 0 ? 1 : *cursor), end);
    if (at < end && *at == ',')
        at = skip_space(at + 1, end);
    if (at == end || *at == '}' || *at == ']')
        return false;
    *key = (struct json_slice){.at = at, .bytes = 0};
    if (object) {
        const char *behind = skip_string(at, end);
        key->bytes = (size_t)(behind - at);
        at = skip_space(behind, end);
        if (at < end)
            at = skip_space(at + 1, end); /* the colon */
    }
    const char *behind = skip_value(at, end);
    *value = (struct json_slice){.at = at, .bytes = (size_t)(behind - at)};
    *cursor = (size_t)(behind - container.at);
    return true;
}

/* False unless the segment is a plain index: digits without a leading zero. */
static bool read_index(const char *segment, size_t bytes, size_t *index)
{
    if (bytes == 0 || bytes > 9 || (bytes > 1 && segment[0] == '0'))
        return false;
    *index = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (segment[i] < '0' || segment[i] > '9')
            return false;
        *index = *index * 10 + (size_t)(segment[i] - '0');
    }
    return true;
}

static bool find_member(struct json_slice container, const char *segment, size_t bytes, struct json_slice *out)
{
    bool object = json_type_of(container) == JSON_OBJECT;
    struct json_slice key;
    struct json_slice value;
    size_t cursor = 0;
    size_t index = 0;

    if (!object && !read_index(segment, bytes, &index))
        return false;
    for (size_t i = 0; json_next(container, &cursor, &key, &value); i++) {
        if (object ? json_string_is(key, segment, bytes) : i == index) {
            *out = value;
            return true;
        }
    }
    return false;
}

bool json_find(struct json_slice value, const char *path, struct json_slice *out)
{
    while (*path != '\0') {
        size_t bytes = strcspn(path, ".");
        if (bytes > 0 && !find_member(value, path, bytes, &value))
            return false;
        path += bytes;
        if (*path == '.')
            path++;
    }
    *out = value;
    return true;
}

char *json_text(struct json_slice value, size_t *bytes)
{
    char *text = malloc(value.bytes + 1);

    if (text == NULL)
        return NULL;
    if (json_type_of(value) == JSON_STRING) {
        *bytes = json_string_decode(value, text);
    } else {
        if (value.bytes > 0)
            memcpy(text, value.at, value.bytes);
        text[value.bytes] = '\0';
        *bytes = value.bytes;
    }
    return text;
}
