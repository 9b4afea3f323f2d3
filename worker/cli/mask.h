/* mask: what people are shown of requests, without what opens doors.
 *
 * Pure. Appends; what came from outside cannot command a terminal. */
#ifndef RXP_CLI_MASK_H
#define RXP_CLI_MASK_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Does a header or query key of this name sound like a credential? */
bool mask_is_credential(const char *name, size_t bytes);

/* A header's value: *** where its name sounds so (behind "Bearer " and the like); one with ${secret:NAME} as it stands. */
void mask_put_header_value(struct buf *out, const char *name, const char *value);
/* A URL with *** for user and password, and for the values of such keys in its query. */
void mask_put_url(struct buf *out, const char *url);
/* The first max_bytes of a text, control characters escaped, with an ellipsis where it is longer. */
void mask_put_text(struct buf *out, const char *text, size_t bytes, size_t max_bytes);

#endif
