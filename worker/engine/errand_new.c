#include "engine/errand_inside.h"

#include "engine/run_request.h"
#include "engine/runner.h"
#include "engine/sending.h"
#include "engine/trace_context.h"

#include <stdlib.h>
#include <string.h>

/* ---- copies ---- */

/* NULL for want of memory. */
static const char *keep_bytes(struct errand *errand, const char *bytes, size_t n)
{
    struct text *text = malloc(sizeof *text + n + 1);
    if (text == NULL) {
        return NULL;
    }
    memcpy(text->at, bytes, n);
    text->at[n] = '\0';
    text->next = errand->texts;
    errand->texts = text;
    errand->bytes += sizeof *text + n + 1;
    if (errand->owner != NULL) {
        errand->owner->bytes += sizeof *text + n + 1;
    }
    return text->at;
}

int errand_keep(struct errand *errand, const char **out, const char *text)
{
    *out = text != NULL ? keep_bytes(errand, text, strlen(text)) : NULL;
    return text == NULL || *out != NULL ? 0 : -1;
}

static int keep_headers(struct errand *errand, struct call *call, const struct rxp_http_plan *plan)
{
    struct rxp_http_header *headers = calloc(plan->n_headers + 1, sizeof *headers);
    if (headers == NULL) {
        return -1;
    }
    errand->kept_headers[call == &errand->call] = headers;
    errand->bytes += (plan->n_headers + 1) * sizeof *headers;
    call->headers = headers;
    for (size_t i = 0; i < plan->n_headers; i++) {
        const struct rxp_http_header *header = &plan->headers[i];
        struct rxp_http_header *kept = &headers[call->n_headers];
        /* Placeholders stand behind the host only, so that the call's origin is known already. */
        if (!rxp_http_call_has_use_of(&call->http, header->name) || !rxp_http_plan_sends(plan, header, call->http.url)) {
            continue;
        }
        if (errand_keep(errand, &kept->name, header->name) != 0 || errand_keep(errand, &kept->value, header->value) != 0) {
            return -1;
        }
        call->n_headers++;
    }
    return 0;
}

/* Beside the headers: what a message says there is never taken for the name of a secret. */
static int keep_trace(struct errand *errand, struct call *call, const struct run *run)
{
    char parent[TRACE_PARENT_BYTES];
    if (!run_request_has_trace(run, call->http.url)) {
        return 0;
    }
    trace_context_write_child(run->awake->trace, runner_draw(run->runner), parent);
    const char *state = run->awake->trace->tracestate[0] != '\0' ? run->awake->trace->tracestate : NULL;
    return errand_keep(errand, &call->traceparent, parent) == 0 && errand_keep(errand, &call->tracestate, state) == 0 ? 0 : -1;
}

static int keep_call(struct errand *errand, struct call *call, const struct rxp_http_call *http, const struct run *run)
{
    call->http = *http;
    if (http->body != NULL) {
        call->http.body = keep_bytes(errand, http->body, http->body_bytes);
    }
    if ((http->body != NULL && call->http.body == NULL) || errand_keep(errand, &call->http.url, http->url) != 0 ||
        errand_keep(errand, &call->http.method, http->method) != 0) {
        return -1;
    }
    return keep_trace(errand, call, run) == 0 ? keep_headers(errand, call, run->awake->plan) : -1;
}

static int keep_bindings(struct errand *errand, const struct rxp_http_plan *plan)
{
    errand->bindings = calloc(plan->n_secret_bindings + 1, sizeof *errand->bindings);
    if (errand->bindings == NULL) {
        return -1;
    }
    errand->bytes += (plan->n_secret_bindings + 1) * sizeof *errand->bindings;
    for (size_t i = 0; i < plan->n_secret_bindings; i++) {
        struct rxp_pair *kept = &errand->bindings[i];
        if (errand_keep(errand, &kept->key, plan->secret_bindings[i].key) != 0 ||
            errand_keep(errand, &kept->value, plan->secret_bindings[i].value) != 0) {
            return -1;
        }
        errand->n_bindings++;
    }
    return 0;
}

/* ---- life ---- */

void errand_free(struct errand *errand)
{
    while (errand->texts != NULL) {
        struct text *next = errand->texts->next;
        free(errand->texts);
        errand->texts = next;
    }
    sending_free(errand->sending);
    free(errand->kept_headers[0]);
    free(errand->kept_headers[1]);
    free(errand->bindings);
    free(errand);
}

/* The call wants a run id that is not known: where is one to be looked for? *out is the caller's; NULL: nowhere. -1 for want of
 * memory. */
static int find_look(const struct run *run, const struct rxp_http_call *call, char **out)
{
    const struct rxp_http_plan *plan = run->awake->plan;
    const struct rxp_fills fills = {.prepared_id = run->awake->prepared_id};
    struct rxp_refusal why = {.error = RXP_OK};
    bool wants_run_id = run->awake->run_id == NULL && (call->url_has_run_id || call->body_has_run_id);
    *out = NULL;
    if (!wants_run_id || plan->late_run_id_path == NULL) {
        return 0;
    }
    if (run->awake->poll_url != NULL) {
        *out = strdup(run->awake->poll_url);
    } else if (rxp_http_call_is_ready(&plan->poll, &fills)) {
        *out = rxp_http_call_url(&plan->poll, &fills, &why);
    } else {
        return 0;
    }
    return *out != NULL || why.error != RXP_OK ? 0 : -1;
}

static int keep_look(struct errand *errand, const struct run *run, const struct rxp_http_call *call)
{
    char *url = NULL;
    if (find_look(run, call, &url) != 0) {
        return -1;
    }
    if (url == NULL) {
        return 0;
    }
    const struct rxp_http_call look = {.url = url, .method = run->awake->plan->poll.method};
    int failed = errand_keep(errand, &errand->run_id_path, run->awake->plan->late_run_id_path);
    failed = failed != 0 ? failed : keep_call(errand, &errand->look, &look, run);
    free(url);
    return failed;
}

struct errand *errand_new(const struct run *run, const struct rxp_http_call *call, const char *name, int64_t now_ms)
{
    struct errand *errand = calloc(1, sizeof *errand);
    if (errand == NULL) {
        return NULL;
    }
    *errand = (struct errand){.name = name, .ends_ms = now_ms + ERRAND_MS, .bytes = sizeof *errand};
    list_init(&errand->node);
    list_init(&errand->due_node);
    if (keep_call(errand, &errand->call, call, run) != 0 || keep_look(errand, run, call) != 0 ||
        errand_keep(errand, &errand->run_id, run->awake->run_id) != 0 || errand_keep(errand, &errand->prepared_id, run->awake->prepared_id) != 0 ||
        keep_bindings(errand, run->awake->plan) != 0) {
        errand_free(errand);
        return NULL;
    }
    return errand;
}
