/* rfc3339: a date and time of day with its offset, as RFC 3339 section 5.6 has it.
 *
 * Pure and thread-safe. Not for use outside protocol/. */
#ifndef RXP_PROTOCOL_RFC3339_H
#define RXP_PROTOCOL_RFC3339_H

#include <stdbool.h>
#include <stdint.h>

/* 2026-07-31T12:00:00Z, with a fraction of any length (cut to milliseconds), 'T' and 'Z' in either case, an offset such
 * as +02:00, a leap second. False where the text is not that, or names no day that there is. */
bool rfc3339_parse(const char *text, int64_t *unix_ms);

#endif
