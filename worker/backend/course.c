#include "backend/course.h"

#include "protocol/decimal.h"
#include "protocol/json.h"
#include "protocol/refusal.h"
#include "protocol/vocab.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE 36

struct parameter {
    const char *name;
    const char *key;
    enum course_value type;
    int64_t min, max; /* of a text: its bytes */
    int64_t fallback;
};

#define PARAMETER(member, key_, name_, type_, min_, max_, fallback_, value, meaning)                                   \
    {.name = (name_), .key = (key_), .type = (type_), .min = (min_), .max = (max_), .fallback = (fallback_)},
static const struct parameter parameters[COURSE_N] = {COURSE_PARAMETERS(PARAMETER)};
#undef PARAMETER

#define PARAMETER_NAME(member, key, name, ...) name,
static const char *const names[COURSE_N] = {COURSE_PARAMETERS(PARAMETER_NAME)};
#undef PARAMETER_NAME

static const char *const phases[] = {"kickoff", "poll", "both"};
static const char *const id_kinds[] = {"string", "number", "bool", "null", "object", "array", "missing"};

void course_init(struct course *course)
{
    *course = (struct course){.span_ms = 0};
    for (size_t i = 0; i < COURSE_N; i++) {
        course->number[i] = parameters[i].fallback;
    }
}

void course_deinit(struct course *course)
{
    for (size_t i = 0; i < COURSE_N; i++) {
        free(course->text[i]);
    }
}

static bool is_text(const struct parameter *parameter)
{
    return parameter->type == VALUE_TEXT || parameter->type == VALUE_JSON;
}

/* --- reading values --- */

static bool read_scaled(const char *text, size_t bytes, int64_t max, int64_t *out)
{
    struct decimal number;
    if (!decimal_parse(text, bytes, &number) || number.negative) {
        return false;
    }
    /* Thousandths, and at most max + 1, so that what is too large is seen to be. */
    *out = number.zero ? 0 : decimal_to_ms(&number, max + 1);
    return true;
}

static bool read_word(const char *text, const char *const *words, size_t n, int64_t *out)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = (int64_t)i;
            return true;
        }
    }
    return false;
}

static bool read_value(const struct parameter *parameter, const char *text, int64_t *out, int64_t *span_ms)
{
    size_t bytes = strlen(text);
    const char *dash = strchr(text, '-');
    struct decimal number;
    switch (parameter->type) {
    case VALUE_SPAN:
        if (dash && dash > text) {
            return read_scaled(text, (size_t)(dash - text), parameter->max, out) &&
                   read_scaled(dash + 1, strlen(dash + 1), parameter->max, span_ms) && *span_ms >= *out &&
                   *span_ms <= parameter->max;
        }
        *span_ms = 0;
        return read_scaled(text, bytes, parameter->max, out);
    case VALUE_SECONDS:
    case VALUE_RATE:
        return read_scaled(text, bytes, parameter->max, out);
    case VALUE_HTTP:
    case VALUE_NUMBER:
        return decimal_parse(text, bytes, &number) && decimal_to_int(&number, parameter->min, parameter->max, out);
    case VALUE_SWITCH: {
        static const char *const words[] = {"0", "1", "false", "true"};
        bool known = read_word(text, words, 4, out);
        *out &= 1;
        return known;
    }
    case VALUE_PHASE: {
        bool known = read_word(text, phases, 3, out);
        *out += 1;
        return known;
    }
    case VALUE_KIND:
        return read_word(text, id_kinds, sizeof(id_kinds) / sizeof(*id_kinds), out);
    case VALUE_TEXT:
    case VALUE_JSON:
        *out = (int64_t)bytes;
        return true;
    }
    return false;
}

/* What a value should have been, for the sentence that refuses it. */
static void expect_print(const struct parameter *parameter, char *out, size_t room)
{
    switch (parameter->type) {
    case VALUE_SECONDS:
        snprintf(out, room, "seconds from 0 to %" PRId64, parameter->max / 1000);
        return;
    case VALUE_SPAN:
        snprintf(out, room, "seconds, or a range of them as in 1-5, up to %" PRId64, parameter->max / 1000);
        return;
    case VALUE_HTTP:
        snprintf(out, room, "an HTTP status code from %" PRId64 " to %" PRId64, parameter->min, parameter->max);
        return;
    case VALUE_NUMBER:
        snprintf(out, room, "a whole number from %" PRId64 " to %" PRId64, parameter->min, parameter->max);
        return;
    case VALUE_RATE:
        snprintf(out, room, "a part from 0 to 1, as in 0.25");
        return;
    case VALUE_SWITCH:
        snprintf(out, room, "1 or 0");
        return;
    case VALUE_PHASE:
        snprintf(out, room, "kickoff, poll or both");
        return;
    case VALUE_KIND:
        snprintf(out, room, "string, number, bool, null, object, array or missing");
        return;
    case VALUE_TEXT:
        snprintf(out, room, "%" PRId64 " to %" PRId64 " bytes of text", parameter->min, parameter->max);
        return;
    case VALUE_JSON:
        snprintf(out, room, "a JSON text of at most %" PRId64 " bytes", parameter->max);
        return;
    }
}

static bool set_text(struct course *course, size_t i, const char *value, size_t bytes)
{
    char *copy = strndup(value, bytes);
    if (!copy) {
        return false;
    }
    free(course->text[i]);
    course->text[i] = copy;
    return true;
}

/* COURSE_N: unknown. */
static size_t find_parameter(const char *name)
{
    size_t i = 0;
    while (i < COURSE_N && strcmp(names[i], name) != 0) {
        i++;
    }
    return i;
}

static bool is_given(const struct course *course, size_t i)
{
    return is_text(&parameters[i]) ? course->text[i] != NULL : course->number[i] != parameters[i].fallback;
}

int course_set(struct course *course, const char *name, const char *value, char why[COURSE_WHY_BYTES])
{
    size_t i = find_parameter(name);
    if (i == COURSE_N) {
        const char *nearest = rxp_nearest(name, names, COURSE_N);
        snprintf(why, COURSE_WHY_BYTES, "unknown parameter '%s'%s%s%s", rxp_show(name, strlen(name)).text,
                 nearest ? "; did you mean '" : "; see `rxp-worker backend --help`", nearest ? nearest : "",
                 nearest ? "'?" : "");
        return -1;
    }
    const struct parameter *parameter = &parameters[i];
    int64_t number = 0;
    int64_t span_ms = course->span_ms;
    struct json_fault fault;
    bool valid = value && read_value(parameter, value, &number, &span_ms) && number >= parameter->min &&
                 number <= parameter->max &&
                 (parameter->type != VALUE_JSON || json_check(value, strlen(value), JSON_KEYS_ANY, &fault) == 0);
    if (!valid) {
        char expected[128];
        expect_print(parameter, expected, sizeof(expected));
        snprintf(why, COURSE_WHY_BYTES, "parameter '%s': '%s' is not %s", name,
                 value ? rxp_show(value, strlen(value)).text : "", expected);
        return -1;
    }
    if (is_text(parameter)) {
        if (set_text(course, i, value, strlen(value))) {
            return 0;
        }
        snprintf(why, COURSE_WHY_BYTES, "out of memory");
        return -1;
    }
    course->number[i] = number;
    course->span_ms = span_ms;
    return 0;
}

void course_default(struct course *course, const char *name, const char *value)
{
    char why[COURSE_WHY_BYTES];
    size_t i = find_parameter(name);
    assert(i < COURSE_N);
    if (!is_given(course, i)) {
        (void)course_set(course, name, value, why); /* without memory it stays unset */
    }
}

void course_settle(struct course *course, int64_t now_ms, uint64_t serial, uint64_t seed)
{
    course->start_ms = now_ms;
    course->serial = serial;
    int64_t least_ms = course->number[COURSE_SECONDS];
    if (course->span_ms > least_ms) {
        course->number[COURSE_SECONDS] += (int64_t)(seed % (uint64_t)(course->span_ms - least_ms + 1));
    }
    course->span_ms = 0;
}

/* --- the run's id --- */

static void put_base36(struct buf *out, uint64_t number)
{
    char digits[16];
    size_t n = sizeof(digits);
    do {
        digits[--n] = "0123456789abcdefghijklmnopqrstuvwxyz"[number % BASE];
        number /= BASE;
    } while (number);
    buf_put(out, digits + n, sizeof(digits) - n);
}

/* Letters and digits as they are, everything else as ~hh. */
static void put_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 128 && isalnum(byte)) {
            buf_put(out, text, 1);
        } else {
            buf_putf(out, "~%02x", byte);
        }
    }
}

void course_write(const struct course *course, struct buf *out)
{
    put_base36(out, (uint64_t)course->start_ms);
    buf_puts(out, "-");
    put_base36(out, course->serial);
    if (course->shape > 0) {
        buf_putf(out, ".sh%u", course->shape);
    }
    for (size_t i = 0; i < COURSE_N; i++) {
        const struct parameter *parameter = &parameters[i];
        if (!is_given(course, i) || !*parameter->key) {
            continue;
        }
        buf_puts(out, ".");
        buf_puts(out, parameter->key);
        if (is_text(parameter)) {
            put_escaped(out, course->text[i]);
        } else {
            buf_putf(out, "%" PRId64, course->number[i]);
        }
    }
}

static bool take_base36(const char **at, uint64_t max, uint64_t *out)
{
    const char *from = *at;
    *out = 0;
    for (; isdigit((unsigned char)**at) || (**at >= 'a' && **at <= 'z'); (*at)++) {
        uint64_t digit = (uint64_t)(**at <= '9' ? **at - '0' : **at - 'a' + 10);
        if (*out > (max - digit) / BASE) {
            return false;
        }
        *out = *out * BASE + digit;
    }
    return *at > from;
}

static int hex_value(char digit)
{
    return digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool take_escaped(struct course *course, size_t i, const char *at, size_t bytes)
{
    char *text = malloc(bytes + 1);
    size_t n = 0;
    bool valid = text != NULL;
    for (size_t k = 0; valid && k < bytes; k++) {
        if (at[k] != '~') {
            text[n++] = at[k];
            valid = (unsigned char)at[k] < 128 && isalnum((unsigned char)at[k]);
            continue;
        }
        int high = k + 2 < bytes ? hex_value(at[k + 1]) : -1;
        int low = high >= 0 ? hex_value(at[k + 2]) : -1;
        valid = high >= 0 && low >= 0 && (high | low) != 0;
        if (valid) {
            text[n++] = (char)(high * 16 + low);
        }
        k += 2;
    }
    if (valid) {
        valid = (int64_t)n <= parameters[i].max && set_text(course, i, text, n);
    }
    free(text);
    return valid;
}

/* One ".kkVALUE", without its dot. */
static bool take_parameter(struct course *course, const char *at, size_t bytes)
{
    if (bytes == 3 && memcmp(at, "sh", 2) == 0 && at[2] > '0' && at[2] <= '9') {
        course->shape = (unsigned)(at[2] - '0');
        return true;
    }
    for (size_t i = 0; bytes >= 2 && i < COURSE_N; i++) {
        const struct parameter *parameter = &parameters[i];
        if (!*parameter->key || memcmp(parameter->key, at, 2) != 0) {
            continue;
        }
        if (is_text(parameter)) {
            return take_escaped(course, i, at + 2, bytes - 2);
        }
        struct decimal number;
        return decimal_parse(at + 2, bytes - 2, &number) &&
               decimal_to_int(&number, parameter->min, parameter->max, &course->number[i]);
    }
    return false;
}

bool course_read(struct course *course, const char *id)
{
    uint64_t start_ms;
    if (!take_base36(&id, (uint64_t)INT64_MAX, &start_ms) || *id++ != '-' ||
        !take_base36(&id, UINT64_MAX, &course->serial)) {
        return false;
    }
    course->start_ms = (int64_t)start_ms;
    while (*id == '.') {
        size_t bytes = strcspn(++id, ".");
        if (!take_parameter(course, id, bytes)) {
            return false;
        }
        id += bytes;
    }
    return *id == '\0';
}
