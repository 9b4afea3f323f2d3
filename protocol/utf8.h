/* utf8: which bytes are UTF-8 (RFC 3629). Pure and thread-safe. */
#ifndef RXP_PROTOCOL_UTF8_H
#define RXP_PROTOCOL_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length of the well-formed sequence that begins at `at`, 1 to 4; 0 where there is none (overlong forms, surrogates,
 * beyond U+10FFFF, cut short by `room`). */
size_t utf8_length(const char *at, size_t room);

/* Writes code point `point` (no surrogate, at most 0x10FFFF) and returns its length. */
size_t utf8_put(uint32_t point, char out[4]);

#endif
