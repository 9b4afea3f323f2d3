/* plan_headers: the headers that a plan's requests bear: http.header.* and the one with the invocation_id.
 *
 * Not for use outside protocol/. */
#ifndef RXP_PROTOCOL_PLAN_HEADERS_H
#define RXP_PROTOCOL_PLAN_HEADERS_H

#include "protocol/plan_source.h"

/* Fills headers and idempotency_header of *out. Returns 0, or -1 with source->why, which never quotes a value. Memory is
 * of the source's arena. */
int plan_headers_read(struct plan_source *source, struct rxp_http_plan *out);

#endif
