/* plan_keys: the table of the metadata keys that a plan is made of, and who may say them.
 *
 * Pure and thread-safe: constants. Not for use outside protocol/ (rxp_http_plan_keys is). */
#ifndef RXP_PROTOCOL_PLAN_KEYS_H
#define RXP_PROTOCOL_PLAN_KEYS_H

#include <stdbool.h>
#include <stddef.h>

/* What is true of a key. */
enum plan_key_trait {
    PLAN_FAMILY = 1,      /* its name ends with NAME, which stands for any */
    PLAN_POLLS = 2,       /* of http_async alone; not looked at for http */
    PLAN_URL = 4,
    PLAN_OWN = 8,         /* a message may say it even where it must leave the rest to its profile (profiles=only) */
    PLAN_NO_DEFAULT = 16, /* a profile may not say it */
    PLAN_START = 32,      /* of no use once the kickoff was accepted */
};

#define PLAN_KEY_TABLE(X) \
    X(URL, "http.url", PLAN_URL) \
    X(METHOD, "http.method", PLAN_START) \
    X(BODY, "http.body", PLAN_OWN | PLAN_START) \
    X(BODY_FORMAT, "http.body_format", PLAN_START) \
    X(IDEMPOTENCY_HEADER, "http.idempotency_header", PLAN_START) \
    X(KICKOFF_ACCEPT_CODES, "http.kickoff_accept_codes", PLAN_POLLS | PLAN_START) \
    X(KICKOFF_MAX_RETRIES, "http.kickoff_max_retries", PLAN_START) \
    X(HEADER, "http.header.NAME", PLAN_FAMILY) \
    X(PREPARE_URL, "http.prepare_url", PLAN_URL) \
    X(PREPARE_METHOD, "http.prepare_method", PLAN_START) \
    X(PREPARE_BODY, "http.prepare_body", PLAN_START) \
    X(PREPARE_ID_PATH, "http.prepare_id_path", 0) \
    X(POLL_URL_TEMPLATE, "http.poll_url_template", PLAN_POLLS | PLAN_URL) \
    X(POLL_URL_HEADER, "http.poll_url_header", PLAN_POLLS) \
    X(POLL_METHOD, "http.poll_method", PLAN_POLLS) \
    X(POLL_RUN_ID_PATH, "http.poll_run_id_path", PLAN_POLLS) \
    X(LATE_RUN_ID_PATH, "http.late_run_id_path", PLAN_POLLS) \
    X(POLL_STATUS_PATH, "http.poll_status_path", PLAN_POLLS) \
    X(POLL_MISSING_STATUS, "http.poll_missing_status", PLAN_POLLS) \
    X(POLL_TERMINAL_STATES, "http.poll_terminal_states", PLAN_POLLS) \
    X(POLL_SUCCESS_STATES, "http.poll_success_states", PLAN_POLLS) \
    X(POLL_PENDING_CODES, "http.poll_pending_codes", PLAN_POLLS) \
    X(POLL_PENDING_SECONDS, "http.poll_pending_seconds", PLAN_POLLS) \
    X(POLL_INTERVAL_SECONDS, "http.poll_interval_seconds", PLAN_POLLS) \
    X(POLL_BACKOFF_FACTOR, "http.poll_backoff_factor", PLAN_POLLS) \
    X(POLL_MAX_INTERVAL_SECONDS, "http.poll_max_interval_seconds", PLAN_POLLS) \
    X(POLL_MAX_FAILURES, "http.poll_max_failures", PLAN_POLLS) \
    X(POLL_ERROR_PATH, "http.poll_error_path", PLAN_POLLS) \
    X(RESULT_PATH, "http.result_path", 0) \
    X(RESULT_URL_TEMPLATE, "http.result_url_template", PLAN_POLLS | PLAN_URL) \
    X(RESULT_STATES, "http.result_states", PLAN_POLLS) \
    X(CANCEL_URL_TEMPLATE, "http.cancel_url_template", PLAN_URL) \
    X(CANCEL_METHOD, "http.cancel_method", 0) \
    X(CANCEL_BODY, "http.cancel_body", 0) \
    X(AFTER_URL_TEMPLATE, "http.after_url_template", PLAN_POLLS | PLAN_URL) \
    X(AFTER_METHOD, "http.after_method", PLAN_POLLS) \
    X(AFTER_BODY, "http.after_body", PLAN_POLLS) \
    X(AFTER_STATES, "http.after_states", PLAN_POLLS) \
    X(VAR, "var.NAME", PLAN_FAMILY | PLAN_OWN) \
    X(START_BEFORE, "rxp.start_before", PLAN_OWN | PLAN_NO_DEFAULT | PLAN_START)

enum plan_key {
#define PLAN_KEY_ENUM(key, name, traits) KEY_##key,
    PLAN_KEY_TABLE(PLAN_KEY_ENUM)
#undef PLAN_KEY_ENUM
    PLAN_KEYS,
};

const char *plan_key_name(enum plan_key key);
extern const unsigned char plan_key_traits[PLAN_KEYS]; /* for plan_key_is */
static inline bool plan_key_is(enum plan_key key, enum plan_key_trait trait)
{
    return (plan_key_traits[key] & trait) != 0;
}

/* All names. */
const char *const *plan_key_names(void);

/* Must a key that begins so be in the table: with "http.", "rxp." or "var."? */
bool plan_key_is_ours(const char *key);
/* Which one it is; false for none. Of a family any NAME will do here, and *name is where it begins; else *name is
 * NULL. */
bool plan_key_find(const char *key, enum plan_key *out, const char **name);

#endif
