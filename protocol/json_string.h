/* json_string: the strings of a JSON text, escapes decoded, without allocating. The slices are of a text that
 * json_check accepted (or has accepted so far), quotes included. Pure and thread-safe. */
#ifndef RXP_PROTOCOL_JSON_STRING_H
#define RXP_PROTOCOL_JSON_STRING_H

#include "protocol/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The decoded bytes of a string, one at a time. */
struct json_bytes {
    const char *at;
    const char *end;
    char unit[4]; /* of an escape */
    size_t unit_at;
    size_t unit_end;
};
struct json_bytes json_bytes_of(struct json_slice string);
/* The next byte, or -1 at the end. */
int json_bytes_next(struct json_bytes *bytes);

/* Decodes into out, which has room for string.bytes - 1 (what is decoded is never longer, and the two quotes leave room
 * for the NUL). Returns the length without the NUL. */
size_t json_string_decode(struct json_slice string, char *out);

/* Whether it says word[0..bytes). */
bool json_string_is(struct json_slice string, const char *word, size_t bytes);

/* The same for equal strings, however they are escaped. */
uint64_t json_string_hash(struct json_slice string);
/* Order by decoded bytes: < 0, 0, > 0. */
int json_string_compare(struct json_slice a, struct json_slice b);

/* The value of four hexadecimal digits, or -1. */
int json_hex4(const char *at);

#endif
