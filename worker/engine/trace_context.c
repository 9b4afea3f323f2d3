#include "engine/trace_context.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* version "-" trace-id "-" parent-id "-" trace-flags */
#define AT_TRACE 3
#define AT_PARENT (AT_TRACE + TRACE_ID_DIGITS + 1)
#define AT_FLAGS (AT_PARENT + TRACE_SPAN_DIGITS + 1)
#define PARENT_DIGITS (AT_FLAGS + 2)
_Static_assert(PARENT_DIGITS + 1 == TRACE_PARENT_BYTES, "a traceparent of version 00");

#define KNOWN_FLAGS 0x03

/* ---- traceparent ---- */

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The digits' first byte; -1: they are not all lower-case hex. `is_zero`: all of them are 0. */
static int read_hex(const char *at, size_t n, bool *is_zero)
{
    *is_zero = true;
    for (size_t i = 0; i < n; i++) {
        if (digit(at[i]) < 0) {
            return -1;
        }
        *is_zero = *is_zero && at[i] == '0';
    }
    return digit(at[0]) * 16 + digit(at[1]);
}

/* Of a version that is not known yet, what stands where version 00 has it counts, and more may follow. */
static bool is_good(const char *text, size_t bytes, uint8_t *flags)
{
    bool is_zero;
    if (bytes < PARENT_DIGITS || text[AT_TRACE - 1] != '-' || text[AT_PARENT - 1] != '-' || text[AT_FLAGS - 1] != '-') {
        return false;
    }
    int version = read_hex(text, 2, &is_zero);
    if (version < 0 || version == 0xff) {
        return false;
    }
    if (bytes > PARENT_DIGITS && (version == 0 || text[PARENT_DIGITS] != '-')) {
        return false;
    }
    if (read_hex(text + AT_TRACE, TRACE_ID_DIGITS, &is_zero) < 0 || is_zero ||
        read_hex(text + AT_PARENT, TRACE_SPAN_DIGITS, &is_zero) < 0 || is_zero) {
        return false;
    }
    int all_flags = read_hex(text + AT_FLAGS, 2, &is_zero);
    *flags = (uint8_t)(all_flags & KNOWN_FLAGS);
    return all_flags >= 0;
}

/* ---- tracestate ---- */

static bool is_key_char(char c, bool is_first)
{
    bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    return is_word || (!is_first && c != '\0' && strchr("_-*/@", c) != NULL);
}

/* key=value, with blanks around it. */
static bool is_member(const char *at, const char *end)
{
    const char *key = at;
    while (at < end && *at != '=') {
        if (!is_key_char(*at, at == key)) {
            return false;
        }
        at++;
    }
    if (at == key || at == end) {
        return false;
    }
    for (at++; at < end; at++) {
        if (*at < 0x20 || *at > 0x7e || *at == '=') {
            return false;
        }
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* How many members it has; -1: it cannot be passed on. */
static int count_members(const char *at, size_t bytes)
{
    const char *end = at + bytes;
    int n = 0;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *next = comma != NULL ? comma : end;
        const char *last = next;
        while (at < last && is_blank(*at)) {
            at++;
        }
        while (last > at && is_blank(last[-1])) {
            last--;
        }
        if (last > at) { /* an empty one is allowed, and says nothing */
            if (!is_member(at, last)) {
                return -1;
            }
            n++;
        }
        at = comma != NULL ? comma + 1 : end;
    }
    return n;
}

static size_t bytes_to_keep(const char *tracestate, size_t bytes)
{
    if (tracestate == NULL || bytes > TRACE_STATE_MAX_BYTES) {
        return 0;
    }
    int n = count_members(tracestate, bytes);
    return n > 0 && n <= TRACE_STATE_MAX_MEMBERS ? bytes : 0;
}

/* ---- life ---- */

static void put_span(char out[TRACE_SPAN_DIGITS + 1], uint64_t span_id)
{
    snprintf(out, TRACE_SPAN_DIGITS + 1, "%016" PRIx64, span_id != 0 ? span_id : 1);
}

int trace_context_read(const void *traceparent, size_t traceparent_bytes, const void *tracestate, size_t tracestate_bytes,
                       const struct trace_source *source, struct trace_context **out)
{
    const char *text = traceparent;
    uint8_t flags;
    *out = NULL;
    if (text == NULL || !is_good(text, traceparent_bytes, &flags)) {
        return 0;
    }
    size_t state_bytes = bytes_to_keep(tracestate, tracestate_bytes);
    struct trace_context *context = calloc(1, sizeof *context + state_bytes + 1);
    if (context == NULL) {
        return -1;
    }
    memcpy(context->trace_id, text + AT_TRACE, TRACE_ID_DIGITS);
    uint64_t span_id = hash_put(HASH_START, context->trace_id, TRACE_ID_DIGITS);
    span_id = hash_put(span_id, source->topic, strlen(source->topic) + 1);
    span_id = hash_put_int(hash_put_int(span_id, source->partition), source->offset);
    put_span(context->span_id, span_id);
    context->flags = flags;
    if (state_bytes > 0) {
        memcpy(context->tracestate, tracestate, state_bytes);
    }
    *out = context;
    return 0;
}

void trace_context_free(struct trace_context *context)
{
    free(context);
}

static void write(const struct trace_context *context, const char *span_id, char out[TRACE_PARENT_BYTES])
{
    snprintf(out, TRACE_PARENT_BYTES, "00-%s-%s-%02x", context->trace_id, span_id, (unsigned)context->flags & 0xffu);
}

void trace_context_write_child(const struct trace_context *context, uint64_t span_id, char out[TRACE_PARENT_BYTES])
{
    char digits[TRACE_SPAN_DIGITS + 1];
    put_span(digits, span_id);
    write(context, digits, out);
}

void trace_context_write_own(const struct trace_context *context, char out[TRACE_PARENT_BYTES])
{
    write(context, context->span_id, out);
}
