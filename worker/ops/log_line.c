#include "ops/log_line.h"

#include "base/clock.h"
#include "protocol/result.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_BYTES 24 /* "-9223372036854775.808" */
#define FIELDS_BYTES 3000 /* of a line's bytes; the message has the rest */

static const char *const level_words[] = {"debug", "info", "warn", "error"};
static const char *const level_capitals[] = {"DEBUG", "INFO", "WARN", "ERROR"};

const char *log_level_word(enum log_level level)
{
    return level_words[level];
}

/* Of what is put, `tail` bytes are kept free for the frame's end. */
static void line_put(struct log_line *line, const char *text, size_t bytes, size_t tail)
{
    if (line->full || bytes > sizeof line->at - tail - line->bytes) {
        line->full = true;
        return;
    }
    memcpy(line->at + line->bytes, text, bytes);
    line->bytes += bytes;
}

static void line_puts(struct log_line *line, const char *text, size_t tail)
{
    line_put(line, text, strlen(text), tail);
}

/* Length of the well-formed UTF-8 sequence at `at` (RFC 3629), or 0. */
static size_t utf8_length(const unsigned char *at)
{
    size_t n = at[0] < 0x80 ? 1 : at[0] < 0xC2 ? 0 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : at[0] < 0xF5 ? 4 : 0;
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    }
    if ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F) || (at[0] == 0xF0 && at[1] < 0x90) ||
        (at[0] == 0xF4 && at[1] > 0x8F))
        return 0;
    return n;
}

/* How many bytes stand for themselves. */
static size_t plain_bytes(const char *text, bool json)
{
    size_t n = 0;
    for (; text[n] >= 0x20 && text[n] < 0x7F; n++) {
        if (json && (text[n] == '"' || text[n] == '\\'))
            break;
    }
    return n;
}

/* Of a run that does not fit, what does. */
static void line_put_plain(struct log_line *line, const char *text, size_t bytes, size_t tail)
{
    size_t room = sizeof line->at - tail - line->bytes;
    line_put(line, text, bytes <= room ? bytes : room, tail);
    line->full = line->full || bytes > room;
}

/* Appends text so that it can neither end a line, nor command a terminal, nor be invalid UTF-8. */
static void line_put_escaped(struct log_line *line, const char *text, bool json, size_t tail)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at != '\0' && !line->full) {
        char escape[8];
        size_t run = plain_bytes((const char *)at, json);
        if (run > 0) {
            line_put_plain(line, (const char *)at, run, tail);
            at += run;
            continue;
        }
        size_t n = utf8_length(at);
        if (n == 0) {
            line_puts(line, "\xEF\xBF\xBD", tail);
            n = 1;
        } else if (*at == '\n' || *at == '\r' || *at == '\t') {
            line_puts(line, *at == '\n' ? "\\n" : *at == '\r' ? "\\r" : "\\t", tail);
        } else if (*at < 0x20 || *at == 0x7F || (n == 2 && at[0] == 0xC2 && at[1] < 0xA0)) {
            snprintf(escape, sizeof escape, "\\u%04x", n == 2 ? at[1] : at[0]);
            line_puts(line, escape, tail);
        } else if (json && (*at == '"' || *at == '\\')) {
            escape[0] = '\\';
            escape[1] = (char)*at;
            line_put(line, escape, 2, tail);
        } else {
            line_put(line, (const char *)at, n, tail);
        }
        at += n;
    }
}

/* In the end of `text`: "-7"; of milliseconds, as seconds, "-0.007". By hand: printf takes 1.5k instructions for them, and each run
 * has a line. */
static const char *write_number(char text[NUMBER_BYTES], int64_t number, bool is_ms)
{
    char *at = text + NUMBER_BYTES - 1;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    *at = '\0';
    for (int digits = 0; left > 0 || digits < (is_ms ? 4 : 1); digits++) {
        if (is_ms && digits == 3)
            *--at = '.';
        *--at = (char)('0' + left % 10);
        left /= 10;
    }
    if (number < 0)
        *--at = '-';
    return at;
}

/* One field, whole or not at all. */
static void line_put_field(struct log_line *line, const struct log_field *field, bool json, size_t tail)
{
    char number[NUMBER_BYTES];
    size_t before = line->bytes;
    bool is_text = field->kind == LOG_FIELD_TEXT;
    const char *text = is_text ? field->text : write_number(number, field->number, field->kind == LOG_FIELD_SECONDS);
    if (text == NULL)
        return;
    bool quoted = is_text && (json || text[strcspn(text, " =\"")] != '\0' || *text == '\0');
    line_puts(line, json ? ",\"" : " ", tail);
    line_puts(line, field->key, tail);
    line_puts(line, json ? "\":" : "=", tail);
    line_puts(line, quoted ? "\"" : "", tail);
    line_put_escaped(line, text, quoted, tail);
    line_puts(line, quoted ? "\"" : "", tail);
    if (line->full)
        line->bytes = before;
    line->full = false;
}

void log_line_make(struct log_line *line, enum log_format format, enum log_level level, const char *event,
                   const char *message, const struct log_field *fields, size_t n_fields)
{
    bool json = format == LOG_JSON;
    struct log_line rest;
    rest.bytes = 0;
    rest.full = false;
    line_puts(&rest, json ? "\"" : "", 0);
    for (size_t i = 0; i < n_fields; i++)
        line_put_field(&rest, &fields[i], json, LOG_LINE_BYTES - FIELDS_BYTES);
    line_puts(&rest, json ? "}\n" : "\n", 0);
    size_t tail = rest.bytes;

    char stamp[RXP_STAMP_BYTES];
    rxp_stamp_write(clock_wall_ms(), stamp);
    line->bytes = 0;
    line->full = false;
    line_puts(line, json ? "{\"time\":\"" : "", tail);
    line_puts(line, stamp, tail);
    line_puts(line, json ? "\",\"level\":\"" : " ", tail);
    line_puts(line, json ? level_words[level] : level_capitals[level], tail);
    line_puts(line, json ? "\",\"event\":\"" : " ", tail);
    /* An event is a short word: a runaway one is cut by itself, so that the frame stays whole. */
    char word[64];
    size_t word_bytes = strnlen(event, sizeof word - 1);
    memcpy(word, event, word_bytes);
    word[word_bytes] = '\0';
    line_put_escaped(line, word, json, tail);
    line_puts(line, json ? "\",\"message\":\"" : " ", tail);
    line_put_escaped(line, message, json, tail);
    line->full = false;
    line_put(line, rest.at, rest.bytes, 0);
}
