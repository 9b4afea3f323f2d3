/* documents: a text as a sequence of JSON documents: one document over many lines, or JSON Lines.
 *
 * Pure; points into the text. */
#ifndef RXP_CLI_DOCUMENTS_H
#define RXP_CLI_DOCUMENTS_H

#include <stdbool.h>
#include <stddef.h>

struct document {
    const char *at;
    size_t bytes;
    size_t line; /* where it begins, from 1 */
};

struct documents {
    const char *text;
    size_t bytes;
    size_t cursor;
    size_t line;
    bool single;
};

/* A text that is neither is taken for one document with a mistake where it begins like one (its first line opens what it
 * does not close, and no line is whole by itself), so that the mistake is reported once and in its place. */
void documents_init(struct documents *documents, const char *text, size_t bytes);
/* The next document that is not blank; false at the end. */
bool documents_next(struct documents *documents, struct document *document);

/* Line feeds in text[0..bytes). */
size_t documents_count_lines(const char *text, size_t bytes);

#endif
