/* json: reading JSON without its traps, and passing values on as they were written.
 *
 * Every text from outside goes through json_check once. After that it may be walked (json_find, json_next) by
 * slices of the text itself: a slice keeps each digit of a number and each byte of an object as the peer wrote
 * it. No tree is built: contracts and answers are small, read once, and wanted as text.
 *
 * Pure and thread-safe. Nothing here allocates but json_text, and json_check where an object has many keys that
 * must be unique. */
#ifndef RXP_PROTOCOL_JSON_H
#define RXP_PROTOCOL_JSON_H

#include <stdbool.h>
#include <stddef.h>

#define JSON_MAX_DEPTH 64

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

/* A value as it stands in the text: a string with its quotes and escapes. Lives as long as the text. */
struct json_slice {
    const char *at;
    size_t bytes;
};

/* Where and why a text was refused. `what` is a constant phrase such as "a string with \\u0000". */
struct json_fault {
    const char *what;
    size_t at_byte;        /* from 0 */
    bool lacks_memory;     /* nothing is known to be wrong with the text: there was no memory to tell its keys apart */
    struct json_slice key; /* of a duplicate key, the second one; else empty */
};

enum json_keys { JSON_KEYS_ANY, JSON_KEYS_UNIQUE };

/* RFC 8259, strictly: one document and nothing after it, UTF-8 (no BOM, no surrogates, no overlong forms), no
 * raw control characters, no \u0000, no lone surrogate escape, numbers as the grammar has them, at most
 * JSON_MAX_DEPTH deep. With JSON_KEYS_UNIQUE a key that occurs twice in an object is refused (compared after
 * decoding, case-sensitively). Returns 0, or -1 with *fault set. Time is linear but for duplicate keys (n log n). */
int json_check(const char *text, size_t bytes, enum json_keys keys, struct json_fault *fault);

/* All that follow need a text that json_check accepted. */

/* The document's value without surrounding white space. */
struct json_slice json_document(const char *text, size_t bytes);

static inline enum json_type json_type_of(struct json_slice value)
{
    switch (value.bytes > 0 ? value.at[0] : '\0') {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case '\0':
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

/* Walks an array or object: start with *cursor = 0; false at the end. For an array *key is empty. */
bool json_next(struct json_slice container, size_t *cursor, struct json_slice *key, struct json_slice *value);

/* The value at a dotted path: `data.run.id`; a numeric segment indexes an array (and names a key in an object);
 * empty segments are skipped; keys are compared after decoding. An empty path is the value itself. False where
 * the path leads nowhere. Of duplicate keys the first counts. */
bool json_find(struct json_slice value, const char *path, struct json_slice *out);

/* A string decoded, or any other value as its JSON text, NUL-terminated; *bytes without the NUL. NULL only for
 * want of memory. The caller frees it. */
char *json_text(struct json_slice value, size_t *bytes);

#endif
