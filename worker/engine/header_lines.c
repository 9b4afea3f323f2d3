#include "engine/header_lines.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t header_line_bytes(const struct http_header *header)
{
    return strlen(header->name) + strlen(header->value) + sizeof ": ";
}

int header_lines_make(struct header_lines *lines, size_t n, size_t text_bytes)
{
    size_t begin = n * sizeof(struct curl_slist);
    *lines = (struct header_lines){.block = malloc(begin + text_bytes), .bytes = begin + text_bytes};
    if (lines->block == NULL) {
        return -1;
    }
    lines->end = lines->block;
    lines->text = (char *)lines->block + begin;
    return 0;
}

static void add(struct header_lines *lines, char *text)
{
    struct curl_slist *line = lines->end++;
    *line = (struct curl_slist){.data = text};
    if (lines->first == NULL) {
        lines->first = line;
    } else {
        line[-1].next = line;
    }
}

void header_lines_put(struct header_lines *lines, const char *constant)
{
    add(lines, (char *)(uintptr_t)constant); /* curl only reads it */
}

void header_lines_put_pair(struct header_lines *lines, const struct http_header *header)
{
    size_t name_bytes = strlen(header->name);
    size_t value_bytes = strlen(header->value);
    char *at = lines->text;
    assert(strpbrk(header->name, "\r\n:") == NULL && strpbrk(header->value, "\r\n") == NULL);
    add(lines, at);
    memcpy(at, header->name, name_bytes);
    at += name_bytes;
    /* "Name;" is how curl is told of a header without a value: "Name:" would take it away. */
    *at++ = value_bytes > 0 ? ':' : ';';
    if (value_bytes > 0) {
        *at++ = ' ';
    }
    memcpy(at, header->value, value_bytes + 1);
    lines->text = at + value_bytes + 1;
}

void header_lines_wipe(struct header_lines *lines)
{
    if (lines->block != NULL) {
        explicit_bzero(lines->block, lines->bytes);
        free(lines->block);
    }
    *lines = (struct header_lines){0};
}
