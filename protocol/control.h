/* control: a RuntimeControl (RxP 0.1): what a message of the control topic asks for.
 *
 * Pure and thread-safe. */
#ifndef RXP_PROTOCOL_CONTROL_H
#define RXP_PROTOCOL_CONTROL_H

#include "protocol/refusal.h"

#include <stddef.h>

/* There is one action as yet, "cancel". */
struct rxp_control {
    const char *invocation_id;
};

#define RXP_CONTROL_MAX_BYTES ((size_t)16 * 1024)

/* Checks bytes against the contract. Returns 0, or -1 with *why (RXP_ERROR_INVALID_JSON or RXP_ERROR_INVALID_INVOCATION). *out
 * owns its string and is freed with rxp_control_free. */
int rxp_control_parse(const char *text, size_t bytes, struct rxp_control **out, struct rxp_refusal *why);
void rxp_control_free(struct rxp_control *control);

/* The message that cancels an invocation: one line of JSON. The caller frees it; NULL for want of memory. The id must be
 * UTF-8. */
char *rxp_control_write_cancel(const char *invocation_id, size_t *bytes);

#endif
