#include "protocol/template.h"

#include "protocol/http_plan.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    size_t bytes;
    enum template_fill fill;
} words[] = {
    {"run_id", sizeof("run_id") - 1, TEMPLATE_RUN_ID},
    {"prepared_id", sizeof("prepared_id") - 1, TEMPLATE_PREPARED_ID},
    {"invocation_id", sizeof("invocation_id") - 1, TEMPLATE_INVOCATION_ID},
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
    const size_t most = 2 + prefix_bytes + TEMPLATE_NAME_MAX_BYTES + 1;

    if (bytes == 0 || text[0] != '{')
        return false;
    const char *end = memchr(text, '}', bytes < most ? bytes : most);
    if (end == NULL)
        return false;
    const bool is_path = text[1] == '+';
    const char *name = text + 1 + is_path;
    size_t name_bytes = (size_t)(end - name);
    *out = (struct template_mark){
        .at = text, .bytes = (size_t)(end + 1 - text), .is_path = is_path, .name = name, .name_bytes = name_bytes};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (name_bytes == words[i].bytes && memcmp(name, words[i].word, name_bytes) == 0) {
            out->fill = words[i].fill;
            return !is_path || out->fill != TEMPLATE_INVOCATION_ID;
        }
    }
    if (name_bytes <= prefix_bytes || memcmp(name, var_prefix, prefix_bytes) != 0)
        return false;
    out->fill = TEMPLATE_VAR;
    out->name += prefix_bytes;
    out->name_bytes -= prefix_bytes;
    return template_name_is(out->name, out->name_bytes);
}

bool template_mark_is_in(const struct template_mark *mark, unsigned fills)
{
    return (mark->fill & fills) != 0 && (!mark->is_path || (fills & TEMPLATE_PATH) != 0);
}

bool template_mark_next(const char *text, size_t bytes, unsigned fills, struct template_mark *out)
{
    const char *end = text + bytes;

    if (fills == 0)
        return false;
    for (const char *at = text; at < end && (at = memchr(at, '{', (size_t)(end - at))) != NULL; at++) {
        if (template_mark_at(at, (size_t)(end - at), out) && template_mark_is_in(out, fills))
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
        if (template_mark_at(brace, (size_t)(end - brace), &mark) && template_mark_is_in(&mark, fills))
            continue;
        const char *begin = brace + 1 < end && brace[1] == '+' ? brace + 2 : brace + 1;
        const char *word = begin;
        while (word < end && is_unreserved(*word) && *word != '~')
            word++;
        if (word > begin && word < end && *word == '}') {
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
        unsigned fills; /* that it wants */
        const char *mark;
    } marks[] = {
        {TEMPLATE_RUN_ID, "{run_id}"},
        {TEMPLATE_PREPARED_ID, "{prepared_id}"},
        {TEMPLATE_INVOCATION_ID, "{invocation_id}"},
        {TEMPLATE_VAR, "{var.NAME}"},
        {TEMPLATE_RUN_ID | TEMPLATE_PATH, "{+run_id}"},
        {TEMPLATE_PREPARED_ID | TEMPLATE_PATH, "{+prepared_id}"},
        {TEMPLATE_VAR | TEMPLATE_PATH, "{+var.NAME}"},
    };
    char known[160] = "";
    size_t n = 0;
    bool has_path = false;

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if ((fills & marks[i].fills) != marks[i].fills)
            continue;
        const bool begins_path = !has_path && (marks[i].fills & TEMPLATE_PATH) != 0;
        has_path = has_path || begins_path;
        n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s",
                              n == 0 ? "" : begins_path ? "; in its path also " : ", ", marks[i].mark);
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

/* Is c written as it is? The NUL is not. */
static bool is_plain(char c, enum template_form form, bool is_path)
{
    if (form == TEMPLATE_URL)
        return is_unreserved(c) || (is_path && c == '/');
    return (unsigned char)c >= 0x20 && c != '"' && c != '\\' && c != '{';
}

/* How one that is not plain is written: returns the length, 2 to 6. */
static size_t encode(char c, enum template_form form, char unit[6])
{
    const char *hex = form == TEMPLATE_URL ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned char byte = (unsigned char)c;

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

static size_t put_value(char *out, const char *value, enum template_form form, bool is_path, size_t max_bytes)
{
    size_t n = 0;

    while (out != NULL || n <= max_bytes) {
        const char *begin = value;
        char unit[6];
        while (is_plain(*value, form, is_path))
            value++;
        if (out != NULL)
            memcpy(out + n, begin, (size_t)(value - begin));
        n += (size_t)(value - begin);
        if (*value == '\0')
            break;
        size_t bytes = encode(*value++, form, unit);
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
        n += put_value(out == NULL ? NULL : out + n, value, form, mark.is_path, n > max_bytes ? 0 : max_bytes - n);
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

    marks &= TEMPLATE_RUN_ID | TEMPLATE_PREPARED_ID | TEMPLATE_PATH;
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

/* A segment of the path as it is put together, up to its parameters (RFC 3986, 3.3). These name no resource: some servers cut
 * them off before they walk the path. */
struct piece {
    size_t dots; /* as count_dots has them; 3 also for one that keeps a placeholder */
    unsigned fills;
    bool has_parameters; /* all that follows is of these */
};

static bool piece_holds(const struct piece *piece, struct template_step *out)
{
    static const char *const steps[] = {"", ".", ".."};

    if (piece->fills == 0 || piece->dots >= 3)
        return true;
    out->fills = piece->fills;
    out->comes_out_as = steps[piece->dots];
    return false;
}

static void add_static(struct piece *piece, const char *text, size_t bytes)
{
    const char *parameters = memchr(text, ';', bytes);

    if (piece->has_parameters)
        return;
    piece->dots = count_dots(piece->dots, text, parameters == NULL ? bytes : (size_t)(parameters - text));
    piece->has_parameters = parameters != NULL;
}

/* A slash that stays one ends a segment, and begins the next. */
static bool add_value(struct piece *piece, const struct template_mark *mark, const char *value,
                      struct template_step *out)
{
    for (;; value++) {
        size_t bytes = mark->is_path ? strcspn(value, "/") : strlen(value);
        if (!piece->has_parameters) {
            piece->fills |= mark->fill;
            /* A '%' of the value comes out as %25, a ';' as %3B. */
            piece->dots = strspn(value, ".") >= bytes ? count_dots(piece->dots, value, bytes) : 3;
        }
        value += bytes;
        if (*value == '\0')
            return true;
        out->is_part = true;
        if (!piece_holds(piece, out))
            return false;
        *piece = (struct piece){.dots = 0};
    }
}

static bool segment_holds(const char *segment, size_t bytes, unsigned marks, const struct template_fills *fills,
                          struct template_step *out)
{
    const char *end = segment + bytes;
    struct piece piece = {.dots = 0};
    struct template_mark mark;

    *out = (struct template_step){.at = segment, .bytes = bytes};
    while (template_mark_next(segment, (size_t)(end - segment), ~0U, &mark)) {
        const char *value = template_mark_is_in(&mark, marks) ? value_of(&mark, fills) : NULL;
        add_static(&piece, segment, (size_t)(mark.at - segment));
        if (value != NULL && !add_value(&piece, &mark, value, out))
            return false;
        if (value == NULL && !piece.has_parameters)
            piece.dots = 3;
        segment = mark.at + mark.bytes;
    }
    add_static(&piece, segment, (size_t)(end - segment));
    return piece_holds(&piece, out);
}

bool template_segments_hold(const char *url, unsigned marks, const struct template_fills *fills,
                            struct template_step *out)
{
    const char *segment = strstr(url, "://");

    segment = segment == NULL ? url : segment + 3;
    segment += strcspn(segment, "/?#");
    while (*segment == '/') {
        segment++;
        size_t bytes = strcspn(segment, "/?#");
        if (!segment_holds(segment, bytes, marks, fills, out))
            return false;
        segment += bytes;
    }
    return true;
}
