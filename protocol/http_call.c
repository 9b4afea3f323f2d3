#include "protocol/http_call.h"

#include "protocol/form.h"
#include "protocol/json.h"
#include "protocol/template.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool rxp_http_call_is_ready(const struct rxp_http_call *call, const struct rxp_fills *fills)
{
    bool wants_run_id = call->url_has_run_id || call->body_has_run_id;
    bool wants_prepared_id = call->url_has_prepared_id || call->body_has_prepared_id;
    return call->url != NULL && (!wants_run_id || fills->run_id != NULL) &&
           (!wants_prepared_id || fills->prepared_id != NULL);
}

static unsigned marks_of(bool has_run_id, bool has_prepared_id)
{
    return (has_run_id ? (unsigned)TEMPLATE_RUN_ID : 0) | (has_prepared_id ? (unsigned)TEMPLATE_PREPARED_ID : 0);
}

/* NULL for want of memory; the caller frees it. */
static char *write_filled(const char *text, size_t text_bytes, enum template_form form, unsigned marks,
                          const struct template_fills *fills, size_t *bytes)
{
    *bytes = template_write(NULL, text, text_bytes, form, marks, fills, SIZE_MAX);
    char *filled = malloc(*bytes + 1);
    if (filled != NULL) {
        template_write(filled, text, text_bytes, form, marks, fills, SIZE_MAX);
        filled[*bytes] = '\0';
    }
    return filled;
}

char *rxp_http_call_url(const struct rxp_http_call *call, const struct rxp_fills *fills, struct rxp_refusal *why)
{
    const struct template_fills values = {.run_id = fills->run_id, .prepared_id = fills->prepared_id};
    const unsigned marks = marks_of(call->url_has_run_id, call->url_has_prepared_id) | TEMPLATE_PATH;
    struct template_step step;
    size_t bytes;

    assert(rxp_http_call_is_ready(call, fills));
    if (!template_segments_hold(call->url, marks, &values, &step)) {
        bool has_run_id = (step.fills & TEMPLATE_RUN_ID) != 0;
        const char *id = has_run_id ? fills->run_id : fills->prepared_id;
        rxp_refuse(why, has_run_id ? RXP_ERROR_RUN_ID_INVALID : RXP_ERROR_PREPARE_FAILED,
                   "the id '%s' makes %s'%s' of a URL come out %s '%s', which would name another resource",
                   rxp_show(id, strlen(id)).text, step.is_part ? "" : "the path segment ",
                   rxp_show(step.at, step.bytes).text, step.is_part ? "with the path segment" : "as",
                   step.comes_out_as);
        return NULL;
    }
    char *url = write_filled(call->url, strlen(call->url), TEMPLATE_URL, marks, &values, &bytes);
    if (url == NULL)
        why->error = RXP_OK;
    return url;
}

int rxp_http_call_body(const struct rxp_http_call *call, const struct rxp_fills *fills, const char **out,
                       size_t *bytes, char **owned)
{
    const struct template_fills values = {.run_id = fills->run_id, .prepared_id = fills->prepared_id};
    const unsigned marks = marks_of(call->body_has_run_id, call->body_has_prepared_id);

    *out = call->body;
    *bytes = call->body_bytes;
    *owned = NULL;
    if (marks == 0)
        return 0;
    assert(rxp_http_call_is_ready(call, fills));
    char *filled = write_filled(call->body, call->body_bytes, TEMPLATE_JSON, marks, &values, bytes);
    if (filled == NULL)
        return -1;
    if (call->body_is_form) {
        struct json_slice object = json_document(filled, *bytes);
        size_t form_bytes = form_write(object, NULL);
        char *form = malloc(form_bytes + 1);
        if (form != NULL) {
            form_write(object, form);
            form[form_bytes] = '\0';
            *bytes = form_bytes;
        }
        free(filled);
        filled = form;
    }
    *out = filled;
    *owned = filled;
    return filled == NULL ? -1 : 0;
}

const char *rxp_http_call_content_type(const struct rxp_http_call *call)
{
    if (call->body == NULL)
        return NULL;
    return call->body_is_form ? "application/x-www-form-urlencoded" : "application/json";
}

bool rxp_http_call_has_use_of(const struct rxp_http_call *call, const char *header)
{
    return call->body != NULL || strcasecmp(header, "Content-Type") != 0;
}
