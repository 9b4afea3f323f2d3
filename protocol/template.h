/* template: text with placeholders for what is known only later: {run_id}, {prepared_id}, {invocation_id}, {var.NAME}.
 *
 * In a URL a value is percent-encoded to RFC 3986 unreserved characters; but {+run_id}, {+prepared_id} and {+var.NAME} keep
 * its slashes, for ids that are paths (RFC 6570's reserved expansion, of which this is a part: no other character stays,
 * and they stand in the path only). In a JSON text, where placeholders stand only
 * within strings (elsewhere they are no JSON), it is escaped, its '{' as \u007b. So no value can become a placeholder
 * or anything else but text. One pass: what was filled in is not looked at again.
 *
 * Pure and thread-safe. Not for use outside protocol/. */
#ifndef RXP_PROTOCOL_TEMPLATE_H
#define RXP_PROTOCOL_TEMPLATE_H

#include "protocol/refusal.h"

#include <stdbool.h>
#include <stddef.h>

#define TEMPLATE_NAME_MAX_BYTES 128 /* of a variable */

/* Sets of placeholders are their sum. */
enum template_fill {
    TEMPLATE_RUN_ID = 1,
    TEMPLATE_PREPARED_ID = 2,
    TEMPLATE_INVOCATION_ID = 4,
    TEMPLATE_VAR = 8,
};
/* In a set, of a URL's: those that are in it also in the form that keeps slashes. */
#define TEMPLATE_PATH 16U

enum template_form { TEMPLATE_URL, TEMPLATE_JSON };

struct template_mark {
    const char *at; /* the brace */
    size_t bytes;
    enum template_fill fill;
    bool is_path; /* the form that keeps slashes */
    const char *name; /* of a variable: its NAME, which is text of the template; else the word between the braces */
    size_t name_bytes;
};

/* What is NULL stays as it is. A variable that `var` does not know (NULL) stays, too. */
struct template_fills {
    const char *run_id;
    const char *prepared_id;
    const char *invocation_id;
    const char *(*var)(const void *vars, const char *name, size_t bytes);
    const void *vars;
};

/* Letters, digits, '_', '-' and '.'; neither empty nor too long. */
bool template_name_is(const char *name, size_t bytes);

/* Does a placeholder begin at text[0]? A text that ends within it has none. */
bool template_mark_at(const char *text, size_t bytes, struct template_mark *out);
bool template_mark_is_in(const struct template_mark *mark, unsigned fills);
/* The next one in text[0..bytes) of those in `fills`. */
bool template_mark_next(const char *text, size_t bytes, unsigned fills, struct template_mark *out);
/* Which of them the text has, and how many in all. */
unsigned template_marks(const char *text, size_t bytes, unsigned fills, size_t *n);

/* A JSON text may name no other placeholders than these: is there a word in braces, at *at, that is none of them? A '+' may
 * stand before the word. (Any other
 * brace is the text's own; one before a word can be written \u007b.) */
bool template_has_other(const char *json, size_t bytes, unsigned fills, const char **at, size_t *at_bytes);
/* "KEY has the placeholder 'at[0..bytes)': known here are …"; returns -1. */
int template_refuse(struct rxp_refusal *why, const char *key, const char *at, size_t bytes, unsigned fills);

/* Fills those placeholders that are in `marks` and have a value. With `out` NULL it only counts, and stops once it has
 * counted more than max_bytes, so that a short text that names a long value many times costs no more than that. Returns
 * the length; there is no NUL. */
size_t template_write(char *out, const char *text, size_t bytes, enum template_form form, unsigned marks,
                      const struct template_fills *fills, size_t max_bytes);

/* The length that it can have once those of {run_id} and {prepared_id} that are in `marks` are filled, by ids of
 * RXP_RUN_ID_MAX_BYTES. */
size_t template_longest(const char *text, size_t bytes, enum template_form form, unsigned marks);

/* A path segment that would name another resource. */
struct template_step {
    const char *at; /* the segment of the template */
    size_t bytes;
    bool is_part;   /* slashes of a value make several of it, and it is one of these */
    unsigned fills; /* what is filled in there */
    const char *comes_out_as; /* "", "." or ".." */
};

/* The path segments of a URL template that have a placeholder in `marks`, as they come out: one that is empty, "." or
 * ".." (a static %2e is a dot) would name another resource. Returns false with the first such segment. One that keeps a
 * placeholder is let be. The URL has a scheme and a host. */
bool template_segments_hold(const char *url, unsigned marks, const struct template_fills *fills,
                            struct template_step *out);

#endif
