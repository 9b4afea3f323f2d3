/* token: the words of HTTP, such as methods and header names (RFC 9110 section 5.6.2).
 *
 * Pure and thread-safe. Not for use outside protocol/. */
#ifndef RXP_PROTOCOL_TOKEN_H
#define RXP_PROTOCOL_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

/* One token, not empty and of at most max_bytes? */
bool token_is(const char *text, size_t max_bytes);

#endif
