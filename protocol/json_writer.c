#include "protocol/json_writer.h"

#include "protocol/utf8.h"

#include <inttypes.h>
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

static void put(struct json_writer *writer, const char *text, size_t bytes)
{
    if (writer->failed)
        return;
    if (bytes >= writer->room - writer->bytes) {
        size_t room = writer->room + writer->room / 2 + bytes + 1;
        char *more = realloc(writer->at, room);
        if (more == NULL) {
            writer->failed = true;
            return;
        }
        writer->at = more;
        writer->room = room;
    }
    memcpy(writer->at + writer->bytes, text, bytes);
    writer->bytes += bytes;
}

void json_put(struct json_writer *writer, const char *text)
{
    put(writer, text, strlen(text));
}

void json_put_int(struct json_writer *writer, int64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, number);
    json_put(writer, text);
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

void json_put_string(struct json_writer *writer, const char *text)
{
    if (text == NULL) {
        json_put(writer, "null");
        return;
    }
    size_t bytes = strlen(text);
    size_t begin = 0; /* of the run that goes out as it is */
    size_t i = 0;

    json_put(writer, "\"");
    while (i < bytes) {
        unsigned char c = (unsigned char)text[i];
        size_t length = c < 0x80 ? 1 : utf8_length(text + i, bytes - i);
        if (length > 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) {
            i += length;
            continue;
        }
        put(writer, text + begin, i - begin);
        if (length == 0)
            json_put(writer, "\xEF\xBF\xBD");
        else
            put_escape(writer, c);
        begin = ++i;
    }
    put(writer, text + begin, bytes - begin);
    json_put(writer, "\"");
}
