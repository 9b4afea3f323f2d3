/* invocation: a RuntimeInvocation (RxP 0.1), from bytes to a checked struct.
 *
 * Pure and thread-safe. An invocation is const once parsed and owns all that it points to. */
#ifndef RXP_PROTOCOL_INVOCATION_H
#define RXP_PROTOCOL_INVOCATION_H

#include "protocol/refusal.h"
#include "protocol/vocab.h"

#include <stddef.h>
#include <stdint.h>

/* No time that a message names is longer: about 31 years, so that sums of times cannot overflow. */
#define RXP_MAX_MS INT64_C(1000000000000)

struct rxp_pair {
    const char *key;
    const char *value;
};

struct rxp_invocation {
    /* NULL where a refused message did not say. */
    const char *invocation_id;
    const char *runtime_name;
    enum rxp_kind kind; /* RXP_KIND_UNKNOWN where a refused message did not say */
    const char *working_directory;
    const char *const *command;
    size_t n_command;
    const struct rxp_pair *environment;
    size_t n_environment;
    int64_t timeout_ms; /* 0: none given; at most RXP_MAX_MS */
    const char *input_payload_path;
    const char *output_result_path;
    const char *artifact_directory;
    const struct rxp_pair *metadata; /* in the order of the message */
    size_t n_metadata;
};

/* Parses and checks the contract's fields (not the http.* keys: http_plan.h does that). Returns 0, or -1 with
 * *why filled. In both cases *out is an invocation that the caller frees (after a refusal it holds what could be
 * read, so that a rejection can still name it: the id, name, kind and echo metadata); NULL only for want of
 * memory. A want of memory is no refusal: why->error is RXP_OK then, and *out not to be used but freed.
 *
 * max_bytes is the limit for the whole message (max-message-bytes); above it the text is not looked at. */
int rxp_invocation_parse(const char *text, size_t bytes, size_t max_bytes, struct rxp_invocation **out,
                         struct rxp_refusal *why);
void rxp_invocation_free(struct rxp_invocation *invocation);

/* The value of a metadata key, or NULL. */
const char *rxp_invocation_metadata(const struct rxp_invocation *invocation, const char *key);

/* All fields of the contract as one line of JSON, defaults filled in; the caller frees it. NULL for want of memory. */
char *rxp_invocation_write(const struct rxp_invocation *invocation, size_t *bytes);

#endif
