/* plan_value: the values of metadata keys, from text to what they mean.
 *
 * Each reads a key that is given (its text is not NULL) and returns 0, or -1 with source->why filled. Memory is of the
 * source's arena. Not for use outside protocol/. */
#ifndef RXP_PROTOCOL_PLAN_VALUE_H
#define RXP_PROTOCOL_PLAN_VALUE_H

#include "protocol/plan_source.h"

/* A comma list of words, perhaps of none. */
int plan_value_words(struct plan_source *source, enum plan_key key, struct rxp_words *out);
/* One of codes, from 200 to 599: those of answers that have an end. */
int plan_value_codes(struct plan_source *source, enum plan_key key, struct rxp_codes *out);
/* Seconds, 0 or more, as milliseconds of at most RXP_MAX_MS. */
int plan_value_seconds(struct plan_source *source, enum plan_key key, int64_t *out_ms);
/* A whole number, 0 or more; above the limit it is the limit. */
int plan_value_count(struct plan_source *source, enum plan_key key, int limit, int *out);
/* 1 or more; above a million it is a million. */
int plan_value_factor(struct plan_source *source, enum plan_key key, double *out);
/* Upper case. Also where the key is not given: `otherwise`. */
int plan_value_method(struct plan_source *source, enum plan_key key, const char *otherwise, const char **out);

#endif
