/* comma_list: the items of "a, b,,c", trimmed of white space, empty ones skipped.
 *
 * Pure and thread-safe. Not for use outside protocol/. */
#ifndef RXP_PROTOCOL_COMMA_LIST_H
#define RXP_PROTOCOL_COMMA_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* The next item, as a part of the list (no NUL); *list moves on. False at the end. */
bool comma_list_next(const char **list, const char **item, size_t *bytes);
size_t comma_list_count(const char *list);

#endif
