#include "protocol/decimal.h"

#include <string.h>

#define KEPT_DIGITS 18
#define MAX_EXPONENT 1000000000 /* far beyond use, far below overflow */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

struct reading {
    const char *text;
    size_t bytes;
    size_t at;
    int kept;          /* significant digits taken into `digits` */
    int64_t seen;      /* significant digits, kept or not */
    int64_t trailing;  /* zeros since the last digit that is not one */
    uint64_t digits;
};

/* Returns how many digits stood there. */
static size_t read_digits(struct reading *reading)
{
    size_t begin = reading->at;

    for (; reading->at < reading->bytes && is_digit(reading->text[reading->at]); reading->at++) {
        unsigned digit = (unsigned)(reading->text[reading->at] - '0');
        if (reading->seen == 0 && digit == 0)
            continue;
        reading->seen++;
        reading->trailing = digit == 0 ? reading->trailing + 1 : 0;
        if (reading->kept < KEPT_DIGITS) {
            reading->digits = reading->digits * 10 + digit;
            reading->kept++;
        }
    }
    return reading->at - begin;
}

static bool read_exponent(struct reading *reading, int64_t *exponent)
{
    bool negative = false;

    *exponent = 0;
    if (reading->at == reading->bytes || (reading->text[reading->at] != 'e' && reading->text[reading->at] != 'E'))
        return true;
    reading->at++;
    if (reading->at < reading->bytes && (reading->text[reading->at] == '+' || reading->text[reading->at] == '-'))
        negative = reading->text[reading->at++] == '-';
    if (reading->at == reading->bytes)
        return false;
    for (; reading->at < reading->bytes && is_digit(reading->text[reading->at]); reading->at++) {
        if (*exponent < MAX_EXPONENT)
            *exponent = *exponent * 10 + (reading->text[reading->at] - '0');
    }
    if (negative)
        *exponent = -*exponent;
    return is_digit(reading->text[reading->at - 1]);
}

bool decimal_parse(const char *text, size_t bytes, struct decimal *out)
{
    struct reading reading = {.text = text, .bytes = bytes};
    size_t fraction = 0;
    int64_t exponent;

    memset(out, 0, sizeof(*out));
    if (bytes > 0 && text[0] == '-') {
        out->negative = true;
        reading.at = 1;
    }
    if (read_digits(&reading) == 0)
        return false;
    if (reading.at < bytes && text[reading.at] == '.') {
        reading.at++;
        fraction = read_digits(&reading);
        if (fraction == 0)
            return false;
    }
    if (!read_exponent(&reading, &exponent) || reading.at != bytes)
        return false;

    /* The last digit read stands for ten to `last`. */
    int64_t last = exponent - (int64_t)fraction;
    out->zero = reading.seen == 0;
    out->negative = out->negative && !out->zero;
    out->integer = out->zero || last + reading.trailing >= 0;
    out->magnitude = out->zero ? 0 : last + reading.seen - 1;
    out->digits = reading.digits;
    out->exponent = last + reading.seen - reading.kept;
    return true;
}

int64_t decimal_to_ms(const struct decimal *seconds, int64_t max_ms)
{
    int64_t exponent = seconds->exponent + 3;
    uint64_t ms = seconds->digits;

    if (seconds->zero)
        return 0;
    if (seconds->magnitude > 15)
        return max_ms;
    /* At most 10^19 here, which a uint64_t holds. */
    for (; exponent > 0; exponent--)
        ms *= 10;
    if (exponent < 0) {
        for (; exponent < -1 && ms > 0; exponent++)
            ms /= 10;
        ms = (ms + 5) / 10;
    }
    if (ms == 0)
        return 1;
    return ms > (uint64_t)max_ms ? max_ms : (int64_t)ms;
}

bool decimal_to_int(const struct decimal *number, int64_t min, int64_t max, int64_t *out)
{
    if (!number->integer || number->magnitude >= KEPT_DIGITS)
        return false;
    uint64_t value = number->digits;
    int64_t exponent = number->exponent;
    for (; exponent > 0 && !number->zero; exponent--)
        value *= 10;
    for (; exponent < 0 && value > 0; exponent++)
        value /= 10; /* only zeros go: it is an integer */
    int64_t result = number->negative ? -(int64_t)value : (int64_t)value;
    if (result < min || result > max)
        return false;
    *out = result;
    return true;
}

size_t decimal_write(int64_t number, char out[DECIMAL_BYTES])
{
    char digits[DECIMAL_BYTES];
    size_t n = 0;
    size_t bytes = 0;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;

    for (; left >= 10; left /= 10)
        digits[n++] = (char)('0' + left % 10);
    digits[n++] = (char)('0' + left);
    if (number < 0)
        out[bytes++] = '-';
    while (n > 0)
        out[bytes++] = digits[--n];
    out[bytes] = '\0';
    return bytes;
}
