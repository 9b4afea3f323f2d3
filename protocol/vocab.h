/* vocab: the words of RxP 0.1 and of this worker's errors, as enums with their strings.
 *
 * Pure and thread-safe: tables of constants. */
#ifndef RXP_PROTOCOL_VOCAB_H
#define RXP_PROTOCOL_VOCAB_H

#include <stdbool.h>
#include <stddef.h>

#define RXP_SCHEMA_VERSION "0.1"

enum rxp_kind {
    RXP_KIND_SUBPROCESS,
    RXP_KIND_HTTP,
    RXP_KIND_HTTP_ASYNC,
    RXP_KIND_CONTAINER,
    RXP_KIND_MANUAL,
    RXP_KIND_UNKNOWN,
};

enum rxp_status {
    RXP_STATUS_PENDING,
    RXP_STATUS_RUNNING,
    RXP_STATUS_SUCCEEDED,
    RXP_STATUS_FAILED,
    RXP_STATUS_TIMED_OUT,
    RXP_STATUS_CANCELLED,
    RXP_STATUS_REJECTED,
};

/* The stable causes, written to a result as error.code. Causes with different remedies never share one. */
enum rxp_error {
    RXP_OK,
    /* rejected: nothing was sent */
    RXP_ERROR_INVALID_JSON,
    RXP_ERROR_INVALID_INVOCATION,
    RXP_ERROR_UNSUPPORTED_KIND,
    RXP_ERROR_MISSING_METADATA,
    RXP_ERROR_INVALID_METADATA,
    RXP_ERROR_EGRESS_DENIED,
    RXP_ERROR_SECRET_DENIED,
    RXP_ERROR_UNKNOWN_PROFILE,
    /* failed: the exchange broke */
    RXP_ERROR_KICKOFF_NETWORK,
    RXP_ERROR_KICKOFF_STATUS,
    RXP_ERROR_KICKOFF_NOT_JSON,
    RXP_ERROR_KICKOFF_UNKNOWN, /* a crash fell between a kickoff and the proof of it */
    RXP_ERROR_RUN_ID_MISSING,
    RXP_ERROR_RUN_ID_INVALID,
    RXP_ERROR_POLL_URL_MISSING,
    RXP_ERROR_POLL_URL_INVALID,
    RXP_ERROR_POLL_NETWORK,
    RXP_ERROR_POLL_STATUS,
    RXP_ERROR_POLL_NOT_JSON,
    RXP_ERROR_STATUS_MISSING,
    RXP_ERROR_RESPONSE_TOO_LARGE,
    RXP_ERROR_RESULT_FETCH,
    RXP_ERROR_PREPARE_FAILED,
    RXP_ERROR_ORIGIN_UNAVAILABLE,
    /* failed: the backend's own verdict */
    RXP_ERROR_BACKEND_FAILED,
    /* timed out */
    RXP_ERROR_KICKOFF_TIMEOUT,
    RXP_ERROR_POLL_TIMEOUT,
    RXP_ERROR_START_EXPIRED,
    /* cancelled */
    RXP_ERROR_CANCELLED,
};

/* The word of the contract, a constant string. */
const char *rxp_kind_name(enum rxp_kind kind);
const char *rxp_status_name(enum rxp_status status);
/* The error.code; NULL for RXP_OK. */
const char *rxp_error_name(enum rxp_error error);

/* Exact, case-sensitive. False leaves *out alone. */
bool rxp_kind_parse(const char *word, enum rxp_kind *out);
bool rxp_status_parse(const char *word, enum rxp_status *out);

/* succeeded, failed, timed_out, cancelled, rejected. */
bool rxp_status_is_terminal(enum rxp_status status);

/* The entry of words[0..n) nearest to `word` by edit distance, or NULL where none is near enough to be meant
 * (more than a third of its letters, at least 2, would have to change); then the one that is the nearest in length of
 * those that continue `word`, or that it continues. For "did you mean". */
const char *rxp_nearest(const char *word, const char *const *words, size_t n);

#endif
