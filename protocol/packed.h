/* packed: what is still needed of an invocation once its kickoff was accepted, in as few bytes as can be read again at
 * once. A sleeping run keeps it instead of the invocation and its plan: 116 bytes of a message of 346.
 *
 * It keeps the ids, the kind, the timeout, and the metadata in its order: what later calls and the result are made of.
 * Keys that only a prepare call or a kickoff needs (PLAN_START in plan_keys.h, http.body among them) and all other fields
 * are left out. What was packed, read again, makes the same result (its own keys are echoed) and by
 * rxp_http_plan_make_later the same plan for all that comes after the kickoff.
 *
 * Pure and thread-safe. The bytes need no alignment, hold no pointers, and are of this process alone: never written to
 * a disk or a topic. */
#ifndef RXP_PROTOCOL_PACKED_H
#define RXP_PROTOCOL_PACKED_H

#include "protocol/invocation.h"

#include <stddef.h>

/* Of an invocation that rxp_invocation_parse accepted. */
size_t rxp_packed_bytes(const struct rxp_invocation *invocation);
/* So many bytes; returns them once more. */
size_t rxp_packed_write(char *out, const struct rxp_invocation *invocation);

/* At most so many pairs are in it. */
size_t rxp_packed_pairs(const char *packed);
/* *out points into `packed` and into pairs[0..rxp_packed_pairs), which outlive it; it owns nothing. Cannot fail. */
void rxp_packed_read(const char *packed, struct rxp_pair *pairs, struct rxp_invocation *out);

/* Of it, without reading the whole: invocation_id, runtime_name, and the http.url that the message has, as it stands there,
 * placeholders and all (NULL: its profile says it). */
const char *rxp_packed_id(const char *packed);
const char *rxp_packed_name(const char *packed);
const char *rxp_packed_url(const char *packed);
const char *rxp_packed_poll_url(const char *packed); /* the same of http.poll_url_template */

#endif
