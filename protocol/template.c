#include "protocol/template.h"

#include "protocol/http_plan.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    enum template_fill fill;
} words[] = {
    {"run_id", TEMPLATE_RUN_ID},
    {"prepared_id", TEMPLATE_PREPARED_ID},
    {"invocation_id", TEMPLATE_INVOCATION_ID},
};

static const char var_prefix[] = "var.";

static bool is_unreserved(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

bool template_name_is(const char *name, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (!is_unreserved(name[i]) || name[i] == '~')
            return false;
    }
    return bytes > 0 && bytes <= TEMPLATE_NAME_MAX_BYTES;
}

bool template_mark_at(const char *text, size_t bytes, struct template_mark *out)
{
    const size_t prefix_bytes = sizeof(var_prefix) - 1;
    const size_t most = 1 + prefix_bytes + TEMPLATE_NAME_MAX_BYTES + 1;

    if (bytes == 0 || text[0] != '{')
        return false;
    const char *end = memchr(text, '}', bytes < most ? bytes : most);
    if (end == NULL)
        return false;
    const char *name = text + 1;
    size_t name_bytes = (size_t)(end - name);
    *out = (struct template_mark){.at = text, .bytes = name_bytes + 2, .name = name, .name_bytes = name_bytes};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (name_bytes == strlen(words[i].word) && memcmp(name, words[i].word, name_bytes) == 0) {
            out->fill = words[i].fill;
            return true;
        }
    }
    if (name_bytes <= prefix_bytes || memcmp(name, var_prefix, prefix_bytes) != 0)
        return false;
    out->fill = TEMPLATE_VAR;
    out->name += prefix_bytes;
    out->name_bytes -= prefix_bytes;
    return template_name_is(out->name, out->name_bytes);
}

bool template_mark_next(const char *text, size_t bytes, unsigned fills, struct template_mark *out)
{
    const char *end = text + bytes;

    if (fills == 0)
        return false;
    for (const char *at = text; at < end && (at = memchr(at, '{', (size_t)(end - at))) != NULL; at++) {
        if (template_mark_at(at, (size_t)(end - at), out) && (out->fill & fills) != 0)
            return true;
    }
    return false;
}

unsigned template_marks(const char *text, size_t bytes, unsigned fills, size_t *n)
{
    const char *end = text + bytes;
    struct template_mark mark;
    unsigned found = 0;

    *n = 0;
    for (; template_mark_next(text, (size_t)(end - text), fills, &mark); text = mark.at + mark.bytes) {
        found |= mark.fill;
        (*n)++;
    }
    return found;
}

bool template_has_other(const char *json, size_t bytes, unsigned fills, const char **at, size_t *at_bytes)
{
    const char *end = json + bytes;
    struct template_mark mark;

    for (const char *brace = json; brace < end; brace++) {
        brace = memchr(brace, '{', (size_t)(end - brace));
        if (brace == NULL)
            return false;
        if (template_mark_at(brace, (size_t)(end - brace), &mark) && (mark.fill & fills) != 0)
            continue;
        const char *word = brace + 1;
        while (word < end && is_unreserved(*word) && *word != '~')
            word++;
        if (word > brace + 1 && word < end && *word == '}') {
            *at = brace;
            *at_bytes = (size_t)(word + 1 - brace);
            return true;
        }
    }
    return false;
}

int template_refuse(struct rxp_refusal *why, const char *key, const char *at, size_t bytes, unsigned fills)
{
    static const struct {
        enum template_fill fill;
        const char *mark;
    } marks[] = {
        {TEMPLATE_RUN_ID, "{run_id}"},
        {TEMPLATE_PREPARED_ID, "{prepared_id}"},
        {TEMPLATE_INVOCATION_ID, "{invocation_id}"},
        {TEMPLATE_VAR, "{var.NAME}"},
    };
    char known[80] = "";
    size_t n = 0;

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if ((fills & marks[i].fill) != 0)
            n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", n == 0 ? "" : ", ", marks[i].mark);
    }
    return rxp_refuse(why, RXP_ERROR_INVALID_METADATA, "%s has the placeholder '%s': known here are %s", key,
                      rxp_show(at, bytes).text, known);
}

static const char *value_of(const struct template_mark *mark, const struct template_fills *fills)
{
    switch (mark->fill) {
    case TEMPLATE_RUN_ID:
        return fills->run_id;
    case TEMPLATE_PREPARED_ID:
        return fills->prepared_id;
    case TEMPLATE_INVOCATION_ID:
        return fills->invocation_id;
    case TEMPLATE_VAR:
        return fills->var == NULL ? NULL : fills->var(fills->vars, mark->name, mark->name_bytes);
    }
    return NULL;
}

/* How c is written: returns the length, 1 to 6. */
static size_t encode(char c, enum template_form form, char unit[6])
{
    const char *hex = form == TEMPLATE_URL ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned char byte = (unsigned char)c;

    if (form == TEMPLATE_URL ? is_unreserved(c) : byte >= 0x20 && c != '"' && c != '\\' && c != '{') {
        unit[0] = c;
        return 1;
    }
    if (form == TEMPLATE_URL) {
        unit[0] = '%';
        unit[1] = hex[byte >> 4];
        unit[2] = hex[byte & 15];
        return 3;
    }
    unit[0] = '\\';
    if (c == '"' || c == '\\') {
        unit[1] = c;
        return 2;
    }
    unit[1] = 'u';
    unit[2] = '0';
    unit[3] = '0';
    unit[4] = hex[byte >> 4];
    unit[5] = hex[byte & 15];
    return 6;
}

static size_t put_value(char *out, const char *value, enum template_form form, size_t max_bytes)
{
    char unit[6];
    size_t n = 0;

    for (; *value != '\0' && (out != NULL || n <= max_bytes); value++) {
        size_t bytes = encode(*value, form, unit);
        if (out != NULL)
            memcpy(out + n, unit, bytes);
        n += bytes;
    }
    return n;
}

size_t template_write(char *out, const char *text, size_t bytes, enum template_form form, unsigned marks,
                      const struct template_fills *fills, size_t max_bytes)
{
    const char *end = text + bytes;
    struct template_mark mark;
    size_t n = 0;

    while (text < end) {
        bool found = template_mark_next(text, (size_t)(end - text), marks, &mark);
        const char *value = found ? value_of(&mark, fills) : NULL;
        /* As it stands: all before the placeholder, which stays itself where it has no value. */
        size_t still = (size_t)((!found ? end : value == NULL ? mark.at + mark.bytes : mark.at) - text);
        if (out != NULL)
            memcpy(out + n, text, still);
        n += still;
        text += still;
        if (value == NULL)
            continue;
        n += put_value(out == NULL ? NULL : out + n, value, form, n > max_bytes ? 0 : max_bytes - n);
        text += mark.bytes;
        if (out == NULL && n > max_bytes)
            return n;
    }
    return n;
}

size_t template_longest(const char *text, size_t bytes, enum template_form form, unsigned marks)
{
    const size_t longest_id = (size_t)RXP_RUN_ID_MAX_BYTES * (form == TEMPLATE_URL ? 3 : 6);
    const char *end = text + bytes;
    struct template_mark mark;
    size_t n = bytes;

    marks &= TEMPLATE_RUN_ID | TEMPLATE_PREPARED_ID;
    for (; template_mark_next(text, (size_t)(end - text), marks, &mark); text = mark.at + mark.bytes)
        n += longest_id - mark.bytes;
    return n;
}

/* What is left of a segment while it is only dots, or nothing: 0, 1 or 2 of them; 3 for all else. */
static size_t count_dots(size_t dots, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes && dots < 3; i++, dots++) {
        if (bytes - i >= 3 && text[i] == '%' && text[i + 1] == '2' && (text[i + 2] == 'e' || text[i + 2] == 'E'))
            i += 2;
        else if (text[i] != '.')
            return 3;
    }
    return dots;
}

/* 3 also for a segment that is not to be looked at: without a placeholder, or one that keeps one. */
static size_t segment_dots(const char *segment, size_t bytes, unsigned marks, const struct template_fills *fills)
{
    const char *end = segment + bytes;
    struct template_mark mark;
    size_t dots = 0;
    bool has_mark = false;

    while (template_mark_next(segment, (size_t)(end - segment), ~0U, &mark)) {
        const char *value = (mark.fill & marks) != 0 ? value_of(&mark, fills) : NULL;
        if (value == NULL)
            return 3;
        dots = count_dots(dots, segment, (size_t)(mark.at - segment));
        /* A '%' of the value comes out as %25. */
        dots = strspn(value, ".") == strlen(value) ? count_dots(dots, value, strlen(value)) : 3;
        has_mark = true;
        segment = mark.at + mark.bytes;
    }
    return has_mark ? count_dots(dots, segment, (size_t)(end - segment)) : 3;
}

bool template_segments_hold(const char *url, unsigned marks, const struct template_fills *fills, const char **at,
                            size_t *bytes, const char **comes_out_as)
{
    static const char *const steps[] = {"", ".", ".."};
    const char *segment = strstr(url, "://");

    segment = segment == NULL ? url : segment + 3;
    segment += strcspn(segment, "/?#");
    while (*segment == '/') {
        segment++;
        size_t segment_bytes = strcspn(segment, "/?#");
        /* Parameters (RFC 3986, 3.3) name no resource: some servers cut them off before they walk the path. */
        size_t name_bytes = strcspn(segment, ";/?#");
        size_t dots = segment_dots(segment, name_bytes, marks, fills);
        if (dots < 3) {
            *at = segment;
            *bytes = segment_bytes;
            *comes_out_as = steps[dots];
            return false;
        }
        segment += segment_bytes;
    }
    return true;
}
