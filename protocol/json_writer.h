/* json_writer: JSON on one line, into one growing block.
 *
 * Owned by one thread. A want of memory is remembered, and json_writer_take tells it. The caller puts commas and
 * brackets with json_put. */
#ifndef RXP_PROTOCOL_JSON_WRITER_H
#define RXP_PROTOCOL_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct json_writer {
    char *at;
    size_t bytes;
    size_t room;
    bool failed;
};

/* room_bytes: a guess of the whole, so that it need not grow. */
void json_writer_init(struct json_writer *writer, size_t room_bytes);
/* The text, NUL-terminated, which the caller frees; NULL after a want of memory. The writer is empty afterwards. */
char *json_writer_take(struct json_writer *writer, size_t *bytes);

/* As it is. The second and third are inline, so that the length of a literal is known beforehand. */
void json_put_bytes(struct json_writer *writer, const char *text, size_t bytes);
static inline void json_put(struct json_writer *writer, const char *text)
{
    json_put_bytes(writer, text, strlen(text));
}
static inline void json_put_char(struct json_writer *writer, char c)
{
    if (!writer->failed && writer->room - writer->bytes > 1)
        writer->at[writer->bytes++] = c;
    else
        json_put_bytes(writer, &c, 1);
}
/* Quoted and escaped; NULL becomes null. Bytes that are not UTF-8 become U+FFFD: what is written is always JSON. */
void json_put_string(struct json_writer *writer, const char *text);
void json_put_int(struct json_writer *writer, int64_t number);

#endif
