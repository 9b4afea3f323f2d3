/* http_plan: what the http.* metadata of an invocation asks for, checked and typed.
 *
 * Pure and thread-safe. The strings point into the invocation, which must outlive the plan, or into the plan. */
#ifndef RXP_PROTOCOL_HTTP_PLAN_H
#define RXP_PROTOCOL_HTTP_PLAN_H

#include "protocol/invocation.h"
#include "protocol/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RXP_RUN_ID_MAX_BYTES 512
#define RXP_IDEMPOTENCY_HEADER "Idempotency-Key" /* the default of http.idempotency_header */

struct rxp_words {
    const char *const *word;
    size_t n;
};

struct rxp_http_plan {
    bool polls; /* http_async; false for http, whose answer to the kickoff is the result */
    /* kickoff */
    const char *url;
    const char *method;
    const char *body; /* NULL: none */
    size_t body_bytes;
    const char *content_type;       /* NULL without a body */
    const char *idempotency_header; /* NULL: not sent */
    /* polls */
    const char *poll_url_template;
    const char *run_id_path; /* NULL where the template has no {run_id} */
    const char *status_path;
    struct rxp_words terminal_states;
    struct rxp_words success_states;
    const int *pending_codes;
    size_t n_pending_codes;
    int64_t poll_interval_ms;
    int poll_max_failures; /* -1: the worker's own */
    /* result */
    const char *result_path; /* NULL: none */
    void *owned;             /* memory of the plan */
};

/* For an invocation that rxp_invocation_parse accepted. Returns 0, or -1 with *why filled (unsupported_kind,
 * missing_metadata, invalid_metadata) and an empty *out, which may be deinitialised or not. Keys for polls are not
 * looked at for kind http. A required key that is empty counts as missing. */
int rxp_http_plan_make(const struct rxp_invocation *invocation, struct rxp_http_plan *out, struct rxp_refusal *why);
void rxp_http_plan_deinit(struct rxp_http_plan *plan);

bool rxp_words_has(const struct rxp_words *words, const char *word);

/* Fills {run_id} and {invocation_id}, percent-encoded to RFC 3986 unreserved characters. run_id may be NULL where
 * the template does not name it. The caller frees it; NULL for want of memory. */
char *rxp_url_expand(const char *url_template, const char *run_id, const char *invocation_id);

/* A run id from the kickoff's answer: decoded text of a string, number or boolean. Returns 0 with *out (the caller
 * frees it), or -1 with *why: run_id_missing or run_id_invalid. */
int rxp_run_id_take(struct json_slice document, const char *path, char **out, struct rxp_refusal *why);

/* The http.* and rxp.* keys known to this version, for "did you mean" and the reference page. */
const char *const *rxp_http_plan_keys(size_t *n);

#endif
