/* verdict_body: what stands in the body of an answer: a status, an id, a result, a message. Part of verdict.c alone.
 *
 * Pure. */
#ifndef RXP_ENGINE_VERDICT_BODY_H
#define RXP_ENGINE_VERDICT_BODY_H

#include "engine/verdict_text.h"
#include "protocol/json.h"

/* A body, looked at once. It points into the reply. */
struct verdict_body {
    bool is_json;
    struct json_fault fault;    /* where it is not */
    struct json_slice document; /* where it is */
};

struct verdict_body verdict_body_read(const struct http_reply *reply);
/* It had to be JSON. */
void verdict_body_refuse(struct verdict *verdict, const struct phase *phase, const struct verdict_body *body,
                         const struct http_reply *reply);

enum verdict_word { WORD_HERE, WORD_MISSING, WORD_NULL, WORD_NOT_SCALAR, WORD_NO_MEMORY };

/* The backend's word at poll_status_path, decoded: verdict->state. *slice is what was found there. The body is JSON. */
enum verdict_word verdict_body_state(const struct verdict_body *body, struct verdict *verdict,
                                     const struct rxp_http_plan *plan, struct json_slice *slice);
/* JSON text as the backend wrote it: verdict->result, or that it is over the limit. */
void verdict_keep_result(struct verdict *verdict, const struct verdict_limits *limits, struct json_slice text);
/* That at result_path, if there is one. */
void verdict_body_keep_result(const struct verdict_body *body, struct verdict *verdict,
                              const struct rxp_http_plan *plan, const struct verdict_limits *limits);
/* The message at the first path of poll_error_path that leads to one; null, false and what is empty are none. */
bool verdict_body_find_error(const struct verdict_body *body, const struct rxp_http_plan *plan, struct json_slice *out);
/* ": <message>", where there is one. */
void verdict_body_say_error(const struct verdict_body *body, struct verdict *verdict, const struct rxp_http_plan *plan);

#endif
