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

enum url_placeholders { URL_PLAIN, URL_TEMPLATE };

/* `key` is the metadata key that holds it. A URL_TEMPLATE may have {run_id} and {invocation_id} behind its host.
 * Returns 0, or -1 with *why (RXP_ERROR_INVALID_METADATA), which never quotes credentials or a query. */
int url_check(const char *key, const char *url, enum url_placeholders placeholders, struct rxp_refusal *why);

/* How long it can become with this invocation_id and a run id of RXP_RUN_ID_MAX_BYTES. A short template that names an
 * id many times must not become a URL of gigabytes. */
size_t url_longest(const char *url_template, const char *invocation_id);

/* Fills {run_id} and {invocation_id}, percent-encoded to RFC 3986 unreserved characters; what is NULL stays as it is. With
 * `at` NULL it only counts. Returns the length; there is no NUL. */
size_t url_write(char *at, const char *url_template, const char *run_id, const char *invocation_id);

/* Equal in scheme, host and port? Never where one of them is no URL as url_check has it; what stands behind the port is not
 * looked at. */
bool url_has_same_origin(const char *url, const char *other);

bool url_has_run_id(const char *url_template);
bool url_has_invocation_id(const char *url_template);

#endif
