/* http_plan: what the http.*, var.* and rxp.* metadata of an invocation, over the defaults of its profile, asks for:
 * checked and typed.
 *
 * Pure and thread-safe. The strings point into the invocation and the defaults, which must outlive the plan, or into
 * the plan. */
#ifndef RXP_PROTOCOL_HTTP_PLAN_H
#define RXP_PROTOCOL_HTTP_PLAN_H

#include "protocol/http_call.h"
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

struct rxp_codes {
    const int *code;
    size_t n;
};

/* What an operator lays down for a runtime_name (a profile). */
struct rxp_defaults {
    const char *name; /* for sentences: "archon.json" */
    const struct rxp_pair *metadata; /* http.* and var.* keys; each once */
    size_t n_metadata;
    bool only; /* a message may set nothing but http.body, var.*, rxp.* and keys of its own (profiles=only) */
    bool has_kind; /* then a message of another kind is refused */
    enum rxp_kind kind;
    double kickoffs_per_second;            /* 0: no limit of its own */
    const struct rxp_pair *secret_bindings; /* name -> "host[:port],…" */
    size_t n_secret_bindings;
};

/* One of http.header.*. */
struct rxp_http_header {
    const char *name;
    const char *value; /* may hold ${secret:NAME} */
    bool from_defaults;
};

/* One of the URLs that the message or its profile names. */
struct rxp_named_url {
    const char *url; /* as it stands there, placeholders and all: its origin has none */
    bool from_defaults;
};

/* A waiting run has one: it is kept small. */
struct rxp_http_plan {
    bool polls; /* http_async; false for http, whose answer to the kickoff is the result */
    bool missing_status_is_pending;
    bool result_states_all;
    bool after_states_all;
    int kickoff_max_retries; /* -1: the worker's own */
    int poll_max_failures;   /* the same */
    /* The calls; a call that is not made has no url (http_call.h). All methods are upper case. */
    struct rxp_http_call prepare;
    struct rxp_http_call kickoff;
    struct rxp_http_call poll; /* its url may be NULL where poll_url_header is given */
    struct rxp_http_call result;
    struct rxp_http_call cancel;
    struct rxp_http_call after;
    const struct rxp_http_header *headers; /* of every call to an origin of theirs, see rxp_http_plan_sends */
    size_t n_headers;
    const struct rxp_named_url *named; /* those of a profile also where the message overrides them */
    size_t n_named;
    double kickoffs_per_second; /* of the defaults; 0: no limit */
    const struct rxp_pair *secret_bindings; /* of the defaults */
    size_t n_secret_bindings;
    int64_t start_before_ms; /* Unix time; INT64_MAX: none */
    /* prepare */
    const char *prepared_id_path; /* NULL: its answer is not looked at */
    /* kickoff */
    const char *idempotency_header; /* NULL: not sent */
    struct rxp_codes accept_codes;  /* never empty */
    /* polls */
    const char *poll_url_header; /* NULL: none */
    const char *run_id_path;     /* NULL: the kickoff's answer names none. Where no call wants {run_id}: for the result */
    const char *late_run_id_path; /* NULL: none */
    const char *status_path;
    struct rxp_words terminal_states;
    struct rxp_words success_states;
    struct rxp_codes pending_codes;
    int64_t poll_pending_ms; /* INT64_MAX: as long as the run lasts */
    int64_t poll_interval_ms;
    double poll_backoff_factor; /* >= 1 */
    int64_t poll_max_interval_ms;
    struct rxp_words error_paths;
    /* result */
    const char *result_path; /* NULL: none; in the body of the result call, where that is made */
    struct rxp_words result_states; /* after which the result call is made, where there is one */
    struct rxp_words after_states;
    void *owned; /* memory of the plan */
    size_t owned_bytes; /* of that; without the room of rxp_http_plan_make_later */
};

/* For an invocation that rxp_invocation_parse accepted; defaults NULL: none. Returns 0, or -1 with *why filled
 * (unsupported_kind, missing_metadata, invalid_metadata, or a want of memory) and an empty *out, which may be deinitialised or not. Keys for
 * polls are not looked at for kind http. A required key that is empty counts as missing. Placeholders whose value is
 * known by now ({var.NAME}, {invocation_id}) are filled; {run_id} and {prepared_id} are left. */
int rxp_http_plan_make(const struct rxp_invocation *invocation, const struct rxp_defaults *defaults,
                       struct rxp_http_plan *out, struct rxp_refusal *why);
/* The plan once more, for a run whose kickoff was accepted, of an invocation that lacks what is of no use to it any more
 * (packed.h), and of the same defaults. Kickoff and prepare call have URLs only, and `idempotency_header`, `accept_codes`,
 * `kickoff_max_retries` and `start_before_ms` are as if nothing were said; all else is as it was. What the plan owns begins
 * in room[0..room_bytes), which outlives it; memory is asked for only where that does not do (a kibibyte is more than most
 * need). Only for what once made a plan, the invocation and the defaults: then it returns -1 for want of memory alone. The
 * texts of URLs, bodies and headers are not checked again: 5,870 instructions instead of 10,094. */
int rxp_http_plan_make_later(const struct rxp_invocation *invocation, const struct rxp_defaults *defaults, void *room,
                             size_t room_bytes, struct rxp_http_plan *out, struct rxp_refusal *why);
void rxp_http_plan_deinit(struct rxp_http_plan *plan);

/* May this header, one of plan->headers, go with a request to this URL? It may where the URL's origin is one that the
 * message or its profile names in a URL of its own, so never where a backend led; one of the profile, where the profile
 * names any URL, only where it names the origin: a message that names another URL must not carry an operator's key
 * there. */
bool rxp_http_plan_sends(const struct rxp_http_plan *plan, const struct rxp_http_header *header, const char *url);

/* Does any of its calls need {run_id}? */
bool rxp_http_plan_wants_run_id(const struct rxp_http_plan *plan);

bool rxp_words_has(const struct rxp_words *words, const char *word);
bool rxp_codes_has(const struct rxp_codes *codes, int code);

/* Why there is no id that serves. */
enum rxp_id_fault {
    RXP_ID_FIT,
    RXP_ID_MISSING, /* no field */
    RXP_ID_NULL,
    RXP_ID_ARRAY,
    RXP_ID_OBJECT,
    RXP_ID_EMPTY,
    RXP_ID_LONG, /* more than RXP_RUN_ID_MAX_BYTES */
    RXP_ID_DOT, /* ".": as a path segment it would name another resource */
    RXP_ID_DOTS, /* "..": the same */
    RXP_ID_NO_MEMORY,
};

/* Where an id of a run stands. */
struct rxp_id_source {
    const char *phase; /* "kickoff": whose answer it is */
    const char *noun;  /* "run id", "prepared id" */
    const char *path;
};

/* An id from an answer: decoded text of a string, number or boolean. FIT with *out, which the caller frees; else NULL. */
enum rxp_id_fault rxp_id_find(struct json_slice document, const char *path, char **out);
/* Of a fault, not of FIT: run_id_missing or run_id_invalid with its sentence, or a want of memory. Returns -1. */
int rxp_id_refuse(const struct rxp_id_source *source, enum rxp_id_fault fault, struct rxp_refusal *why);
/* Both in one: 0 with *out, or -1 with *why. */
int rxp_id_take(struct json_slice document, const struct rxp_id_source *source, char **out, struct rxp_refusal *why);

/* The http.* and rxp.* keys known to this version, for "did you mean" and the reference page; of families such as
 * http.header.NAME the form with NAME. */
const char *const *rxp_http_plan_keys(size_t *n);

#endif
