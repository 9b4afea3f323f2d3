/* url: is it a URL that a message may name? Absolute, http or https, without credentials, and of characters that all
 * readers of URLs read alike (RFC 3986). Where requests may go is the worker's egress policy, not this file.
 *
 * Pure and thread-safe. Not for use outside protocol/. */
#ifndef RXP_PROTOCOL_URL_H
#define RXP_PROTOCOL_URL_H

#include "protocol/refusal.h"

#include <stdbool.h>
#include <stddef.h>

/* Twice what servers commonly take. */
#define URL_MAX_BYTES 16384

/* `key` is the metadata key that holds it; `fills` are the placeholders that it may have, behind its host (enum
 * template_fill). Returns 0, or -1 with *why (RXP_ERROR_INVALID_METADATA), which never quotes credentials or a query. */
int url_check(const char *key, const char *url, unsigned fills, struct rxp_refusal *why);

/* Equal in scheme, host and port? Never where one of them is no URL as url_check has it; what stands behind the port is
 * not looked at. */
bool url_has_same_origin(const char *url, const char *other);

#endif
