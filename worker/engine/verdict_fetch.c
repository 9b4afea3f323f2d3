/* The result call: what it brings is verdict->result. */
#include "engine/verdict.h"
#include "engine/verdict_body.h"
#include "engine/verdict_trouble.h"
#include "protocol/json_writer.h"
#include "protocol/utf8.h"

#include <stdlib.h>
#include <string.h>

/* Readers of JSON refuse a string with U+0000, so a text with it is none. */
static bool is_text(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        size_t length = utf8_length(text + i, bytes - i);
        if (length == 0 || text[i] == '\0') {
            return false;
        }
        i += length;
    }
    return true;
}

/* A text that is no JSON, as a string of it. */
static void keep_text(struct verdict *verdict, const struct verdict_limits *limits, const struct http_reply *reply)
{
    char *text = reply->body_bytes <= limits->max_result_bytes ? malloc(reply->body_bytes + 1) : NULL;
    if (text == NULL) {
        verdict->result_truncated = true;
        return;
    }
    memcpy(text, reply->body, reply->body_bytes);
    text[reply->body_bytes] = '\0';
    struct json_writer writer;
    json_writer_init(&writer, reply->body_bytes + 16);
    json_put_string(&writer, text);
    free(text);
    size_t bytes = 0;
    verdict->result = json_writer_take(&writer, &bytes);
    if (verdict->result == NULL || bytes > limits->max_result_bytes) {
        free(verdict->result);
        verdict->result = NULL;
        verdict->result_truncated = true;
    }
}

static void take_at_path(struct verdict *verdict, const struct phase *phase, const struct rxp_http_plan *plan,
                         const struct verdict_limits *limits, const struct verdict_body *body,
                         const struct http_reply *reply)
{
    struct json_slice slice;
    if (!body->is_json) {
        verdict_body_refuse(verdict, phase, body, reply);
    } else if (!json_find(body->document, plan->result_path, &slice)) {
        verdict_break(verdict, phase->status);
        verdict_say(verdict, "result fetch response has no field at path ");
        verdict_say_quoted(verdict, plan->result_path);
    } else {
        verdict_keep_result(verdict, limits, slice);
    }
}

static void take_body(struct verdict *verdict, const struct phase *phase, const struct rxp_http_plan *plan,
                      const struct verdict_limits *limits, const struct http_reply *reply)
{
    const struct verdict_body body = verdict_body_read(reply);
    if (plan->result_path != NULL) {
        take_at_path(verdict, phase, plan, limits, &body, reply);
    } else if (body.is_json) {
        verdict_keep_result(verdict, limits, body.document);
    } else if (is_text(reply->body, reply->body_bytes)) {
        keep_text(verdict, limits, reply);
    } else {
        verdict_break(verdict, phase->not_json);
        verdict_say(verdict, "result fetch response is neither JSON nor UTF-8 text");
        verdict_say_body(verdict, reply);
    }
}

void verdict_of_fetch(const struct rxp_http_plan *plan, const struct verdict_limits *limits, const char *url,
                      const struct http_reply *reply, struct verdict *verdict)
{
    const struct phase phase = phase_of_fetch(url);
    *verdict = (struct verdict){.kind = VERDICT_DONE};
    if (reply->error == TRANSPORT_TOO_LARGE) {
        verdict->result_truncated = true;
        return;
    }
    if (reply->error != TRANSPORT_OK) {
        verdict_judge_transport(verdict, &phase, reply);
    } else if (reply->code != 200) {
        verdict_judge_code(verdict, &phase, limits, reply);
    } else {
        take_body(verdict, &phase, plan, limits, reply);
    }
    if (verdict->kind == VERDICT_TRANSIENT) {
        verdict->retry_after_ms = verdict_retry_after_ms(limits, reply);
    }
}
