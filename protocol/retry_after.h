/* retry_after: what a Retry-After header asks for (RFC 9110 section 10.2.3).
 *
 * Pure and thread-safe; knows no locale and no time zone. */
#ifndef RXP_PROTOCOL_RETRY_AFTER_H
#define RXP_PROTOCOL_RETRY_AFTER_H

#include <stdint.h>

/* How long to wait, in milliseconds, 0 to RXP_MAX_MS: `value` is a number of seconds, or a date in one of the three forms
 * of RFC 9110 section 5.6.7, which is held against wall_ms, the Unix time by now (a date that is over: 0). -1 where it is
 * neither, or NULL. White space around it is skipped. */
int64_t rxp_retry_after_ms(const char *value, int64_t wall_ms);

#endif
