#include "protocol/json_writer.h"

#include "protocol/decimal.h"
#include "protocol/json_string.h"
#include "protocol/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_writer_init(struct json_writer *writer, size_t room_bytes)
{
    *writer = (struct json_writer){.room = room_bytes + 1};
    writer->at = malloc(writer->room);
    writer->failed = writer->at == NULL;
}

char *json_writer_take(struct json_writer *writer, size_t *bytes)
{
    char *text = writer->at;

    if (writer->failed) {
        free(text);
        text = NULL;
    } else {
        text[writer->bytes] = '\0';
        *bytes = writer->bytes;
    }
    *writer = (struct json_writer){.failed = true};
    return text;
}

/* Room for so many bytes more, and the NUL? */
static bool reserve(struct json_writer *writer, size_t bytes)
{
    if (writer->failed)
        return false;
    if (bytes < writer->room - writer->bytes)
        return true;
    size_t room = writer->room + writer->room / 2 + bytes + 1;
    char *more = realloc(writer->at, room);
    if (more == NULL) {
        writer->failed = true;
        return false;
    }
    writer->at = more;
    writer->room = room;
    return true;
}

void json_put_bytes(struct json_writer *writer, const char *text, size_t bytes)
{
    if (!reserve(writer, bytes))
        return;
    memcpy(writer->at + writer->bytes, text, bytes);
    writer->bytes += bytes;
}

void json_put_int(struct json_writer *writer, int64_t number)
{
    char text[DECIMAL_BYTES];
    size_t bytes = decimal_write(number, text);

    json_put_bytes(writer, text, bytes);
}

static void put_escape(struct json_writer *writer, unsigned char c)
{
    char text[8];

    switch (c) {
    case '"':
        json_put(writer, "\\\"");
        break;
    case '\\':
        json_put(writer, "\\\\");
        break;
    case '\n':
        json_put(writer, "\\n");
        break;
    case '\r':
        json_put(writer, "\\r");
        break;
    case '\t':
        json_put(writer, "\\t");
        break;
    default:
        snprintf(text, sizeof(text), "\\u%04x", c);
        json_put(writer, text);
        break;
    }
}

/* The first place, at most `end`, of what can't go out as it is. */
static inline const char *skip_whole(const char *at, const char *end)
{
    size_t length;

    do {
        at += json_string_run(at, end);
        length = (unsigned char)*at < 0x80 ? 0 : utf8_length(at, (size_t)(end - at));
        at += length;
    } while (length > 0);
    return at;
}

/* What is within the quotes, and the last one: from `stop` on, which can't go out as it is. */
static void put_rest(struct json_writer *writer, const char *stop, const char *end)
{
    while (stop < end) {
        if ((unsigned char)*stop < 0x80)
            put_escape(writer, (unsigned char)*stop);
        else
            json_put(writer, "\xEF\xBF\xBD");
        const char *begin = stop + 1;
        stop = skip_whole(begin, end);
        json_put_bytes(writer, begin, (size_t)(stop - begin));
    }
    json_put_char(writer, '"');
}

void json_put_string(struct json_writer *writer, const char *text)
{
    if (text == NULL) {
        json_put(writer, "null");
        return;
    }
    const char *end = text + strlen(text);
    const char *stop = skip_whole(text, end);
    size_t bytes = (size_t)(stop - text);

    if (!reserve(writer, bytes + 1))
        return;
    writer->at[writer->bytes] = '"';
    memcpy(writer->at + writer->bytes + 1, text, bytes);
    writer->bytes += bytes + 1;
    put_rest(writer, stop, end);
}
