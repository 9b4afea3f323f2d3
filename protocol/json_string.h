/* json_string: the strings of a JSON text, escapes decoded, without allocating. The slices are of a text that
 * json_check accepted (or has accepted so far), quotes included. Pure and thread-safe. */
#ifndef RXP_PROTOCOL_JSON_STRING_H
#define RXP_PROTOCOL_JSON_STRING_H

#include "protocol/json.h"

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Of eight bytes: those that json_string_run stops at get their highest bit set in it, the first of them (the lowest) for
 * sure, and only what stands behind that one perhaps for nothing. */
static inline uint64_t json_string_stops(const char *at)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t word;

    memcpy(&word, at, 8);
    word = le64toh(word);
    const uint64_t quote = word ^ each * '"';
    const uint64_t backslash = word ^ each * '\\';
    const uint64_t low = (word - each * 0x20) & ~word;
    const uint64_t zero = ((quote - each) & ~quote) | ((backslash - each) & ~backslash);
    return (low | zero | word | (word + each)) & each * 0x80; /* from 0x80 on; 0x7F and more */
}

/* How many bytes from at[0], before `end`, stand for themselves in a string, whoever reads or writes it: visible ASCII but
 * for '"' and '\\'. Eight at a time: 2 to 3 instructions a byte instead of 8. */
static inline size_t json_string_run(const char *at, const char *end)
{
    const char *begin = at;

    for (; end - at >= 8; at += 8) {
        uint64_t stops = json_string_stops(at);
        if (stops != 0)
            return (size_t)(at - begin) + (size_t)__builtin_ctzll(stops) / 8;
    }
    while (at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x7F && *at != '"' && *at != '\\')
        at++;
    return (size_t)(at - begin);
}

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
