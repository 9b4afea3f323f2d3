/* verdict_trouble: what is made of requests that got no answer, or none that could be used. Part of verdict.c alone.
 *
 * Pure. */
#ifndef RXP_ENGINE_VERDICT_TROUBLE_H
#define RXP_ENGINE_VERDICT_TROUBLE_H

#include "engine/verdict_text.h"

/* BROKEN, with the sentence up to the caller. */
void verdict_break(struct verdict *verdict, enum rxp_error error);
void verdict_lack_memory(struct verdict *verdict, const struct phase *phase);
/* What became of a request whose reply is not TRANSPORT_OK. */
void verdict_judge_transport(struct verdict *verdict, const struct phase *phase, const struct http_reply *reply);
/* An answer whose code is wrong. */
void verdict_judge_code(struct verdict *verdict, const struct phase *phase, const struct verdict_limits *limits,
                        const struct http_reply *reply);
/* Does the server ask for the same request again, some time later, and say that it did nothing? */
bool verdict_is_asked_again(const struct verdict_limits *limits, const struct http_reply *reply);
/* The Retry-After of an answer; 0: it has none that can be read. */
int64_t verdict_retry_after_ms(const struct verdict_limits *limits, const struct http_reply *reply);
/* " (Retry-After: 7)". */
void verdict_say_retry_after(struct verdict *verdict, const struct http_reply *reply);

#endif
