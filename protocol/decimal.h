/* decimal: numbers as text, read exactly and whatever the locale says (strtod does neither).
 *
 * Pure and thread-safe. */
#ifndef RXP_PROTOCOL_DECIMAL_H
#define RXP_PROTOCOL_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct decimal {
    bool negative;     /* never for zero */
    bool zero;
    bool integer;      /* 10, 10.0, 1e1 */
    int64_t magnitude; /* power of ten of the first digit: 0 for 7, 3 for 1234, -2 for 0.05 */
    uint64_t digits;   /* the first 18 significant digits … */
    int64_t exponent;  /* … times ten to this */
};

/* Digits, perhaps a fraction, perhaps an exponent: the grammar of JSON, with leading zeros allowed. Nothing before or
 * after it. False where the text is not that. */
bool decimal_parse(const char *text, size_t bytes, struct decimal *out);

/* Seconds to milliseconds: rounded, anything above zero at least 1, at most max_ms. Not for negative numbers. */
int64_t decimal_to_ms(const struct decimal *seconds, int64_t max_ms);

/* True with *out set where it is an integer in [min, max]. */
bool decimal_to_int(const struct decimal *number, int64_t min, int64_t max, int64_t *out);

/* A whole number as text, with a NUL; returns its length. Some 600 instructions fewer than snprintf. */
#define DECIMAL_BYTES 21
size_t decimal_write(int64_t number, char out[DECIMAL_BYTES]);

#endif
