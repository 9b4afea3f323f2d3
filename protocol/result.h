/* result: a RuntimeResult (RxP 0.1), to bytes and back.
 *
 * Pure and thread-safe. */
#ifndef RXP_PROTOCOL_RESULT_H
#define RXP_PROTOCOL_RESULT_H

#include "protocol/invocation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rxp_result {
    const char *invocation_id;
    const char *runtime_name;
    enum rxp_kind kind;
    enum rxp_status status;
    bool has_exit_code;
    int exit_code;
    int64_t started_at_ms; /* Unix time */
    int64_t finished_at_ms;
    const char *error_summary; /* NULL: null */
    const struct rxp_pair *metadata;
    size_t n_metadata;
};

/* One line of JSON without a line feed; every field of the contract is there. The caller frees it; NULL for want
 * of memory. Strings must be UTF-8. */
char *rxp_result_write(const struct rxp_result *result, size_t *bytes);

/* Checks bytes against the contract. Returns 0, or -1 with *why. *out (may be asked for with NULL) owns its
 * strings and is freed with rxp_result_free. */
int rxp_result_parse(const char *text, size_t bytes, struct rxp_result **out, struct rxp_refusal *why);
void rxp_result_free(struct rxp_result *result);

/* RFC 3339 in UTC with milliseconds and Z: 24 characters and a NUL. Years 0000 to 9999; others are clamped. */
#define RXP_STAMP_BYTES 25
void rxp_stamp_write(int64_t unix_ms, char out[RXP_STAMP_BYTES]);
/* False unless exactly in that form. */
bool rxp_stamp_parse(const char *text, int64_t *unix_ms);

#endif
