#include "cli/documents.h"

#include "protocol/json.h"

#include <string.h>

size_t documents_count_lines(const char *text, size_t bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++) {
        n += text[i] == '\n';
    }
    return n;
}

static bool is_blank(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\0' || strchr(" \t\r\n", text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

/* The next line that is not blank; false at the end. */
static bool next_line(struct documents *documents, struct document *line)
{
    while (documents->cursor < documents->bytes) {
        const char *at = documents->text + documents->cursor;
        size_t left = documents->bytes - documents->cursor;
        const char *end = memchr(at, '\n', left);
        size_t n = end == NULL ? left : (size_t)(end - at);
        documents->cursor += n + (end != NULL);
        documents->line++;
        if (!is_blank(at, n)) {
            *line = (struct document){at, n, documents->line};
            return true;
        }
    }
    return false;
}

static bool is_single(const char *text, size_t bytes)
{
    struct json_fault fault;
    if (json_check(text, bytes, JSON_KEYS_ANY, &fault) == 0) {
        return true;
    }
    struct documents lines = {.text = text, .bytes = bytes};
    struct document line;
    for (bool first = true; next_line(&lines, &line); first = false) {
        size_t n = line.bytes;
        while (n > 0 && strchr(" \t\r", line.at[n - 1]) != NULL) {
            n--;
        }
        if (first && (line.at[n - 1] == '}' || memchr(line.at, '{', n) == NULL)) {
            return false;
        }
        if (line.at[0] == '{' && json_check(line.at, line.bytes, JSON_KEYS_ANY, &fault) == 0) {
            return false;
        }
    }
    return true;
}

void documents_init(struct documents *documents, const char *text, size_t bytes)
{
    *documents = (struct documents){.text = text, .bytes = bytes, .single = is_single(text, bytes)};
}

bool documents_next(struct documents *documents, struct document *document)
{
    if (!next_line(documents, document)) {
        return false;
    }
    if (documents->single) {
        document->bytes = documents->bytes - (size_t)(document->at - documents->text);
        documents->cursor = documents->bytes;
    }
    return true;
}
