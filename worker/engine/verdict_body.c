#include "engine/verdict_body.h"

#include "engine/verdict_trouble.h"

#include <stdlib.h>
#include <string.h>

struct verdict_body verdict_body_read(const struct http_reply *reply)
{
    struct verdict_body body = {0};
    body.is_json = json_check(reply->body, reply->body_bytes, JSON_KEYS_ANY, &body.fault) == 0;
    if (body.is_json) {
        body.document = json_document(reply->body, reply->body_bytes);
    }
    return body;
}

void verdict_body_refuse(struct verdict *verdict, const struct phase *phase, const struct verdict_body *body,
                         const struct http_reply *reply)
{
    verdict_break(verdict, phase->not_json);
    verdict_say(verdict, phase->name);
    if (reply->body_bytes == 0) {
        verdict_say(verdict, " response is not JSON: it is empty");
        return;
    }
    verdict_say(verdict, " response is not JSON (");
    verdict_say(verdict, body->fault.what);
    verdict_say(verdict, " at byte ");
    verdict_say_number(verdict, (long long)body->fault.at_byte);
    verdict_say(verdict, ")");
    verdict_say_body(verdict, reply);
}

enum verdict_word verdict_body_state(const struct verdict_body *body, struct verdict *verdict,
                                     const struct rxp_http_plan *plan, struct json_slice *slice)
{
    if (!json_find(body->document, plan->status_path, slice)) {
        return WORD_MISSING;
    }
    switch (json_type_of(*slice)) {
    case JSON_NULL:
        return WORD_NULL;
    case JSON_ARRAY:
    case JSON_OBJECT:
        return WORD_NOT_SCALAR;
    case JSON_BOOL:
    case JSON_NUMBER:
    case JSON_STRING:
        break;
    }
    size_t bytes;
    verdict->state = json_text(*slice, &bytes);
    return verdict->state != NULL ? WORD_HERE : WORD_NO_MEMORY;
}

void verdict_keep_result(struct verdict *verdict, const struct verdict_limits *limits, struct json_slice text)
{
    if (text.bytes <= limits->max_result_bytes) {
        verdict->result = malloc(text.bytes + 1);
    }
    if (verdict->result == NULL) {
        verdict->result_truncated = true;
        return;
    }
    memcpy(verdict->result, text.at, text.bytes);
    verdict->result[text.bytes] = '\0';
}

void verdict_body_keep_result(const struct verdict_body *body, struct verdict *verdict,
                              const struct rxp_http_plan *plan, const struct verdict_limits *limits)
{
    struct json_slice slice;
    if (plan->result_path != NULL && body->is_json && json_find(body->document, plan->result_path, &slice)) {
        verdict_keep_result(verdict, limits, slice);
    }
}

/* Many APIs have the field in every answer, and nothing in it when all is well. */
static bool is_no_message(struct json_slice slice)
{
    struct json_slice key;
    struct json_slice value;
    size_t cursor = 0;
    switch (json_type_of(slice)) {
    case JSON_NULL:
        return true;
    case JSON_STRING:
        return slice.bytes == strlen("\"\"");
    case JSON_BOOL:
        return slice.at[0] == 'f';
    case JSON_ARRAY:
    case JSON_OBJECT:
        return !json_next(slice, &cursor, &key, &value);
    case JSON_NUMBER:
        break;
    }
    return false;
}

bool verdict_body_find_error(const struct verdict_body *body, const struct rxp_http_plan *plan, struct json_slice *out)
{
    for (size_t i = 0; i < plan->error_paths.n; i++) {
        if (body->is_json && json_find(body->document, plan->error_paths.word[i], out) && !is_no_message(*out)) {
            return true;
        }
    }
    return false;
}

void verdict_body_say_error(const struct verdict_body *body, struct verdict *verdict, const struct rxp_http_plan *plan)
{
    struct json_slice slice;
    size_t bytes;
    if (!verdict_body_find_error(body, plan, &slice)) {
        return;
    }
    char *text = json_text(slice, &bytes);
    if (text != NULL) { /* a want of memory costs the message, not the verdict */
        verdict_say(verdict, ": ");
        verdict_say_bytes(verdict, text, bytes);
    }
    free(text);
}
