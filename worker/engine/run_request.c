#include "engine/run_request.h"

#include "engine/aim.h"
#include "engine/runner.h"
#include "engine/sending.h"
#include "engine/target.h"
#include "engine/trace_context.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct rxp_http_call *call_of(const struct run *run)
{
    const struct rxp_http_plan *plan = run->awake->plan;
    switch (run->cycle.state) {
    case CYCLE_PREPARE:
        return &plan->prepare;
    case CYCLE_KICKOFF:
        return &plan->kickoff;
    case CYCLE_POLL:
        return &plan->poll;
    case CYCLE_FETCH:
        return &plan->result;
    case CYCLE_START:
    case CYCLE_REST:
    case CYCLE_DONE:
        break;
    }
    assert(!"a request in this state");
    return NULL;
}

static struct rxp_fills fills_of(const struct run *run)
{
    return (struct rxp_fills){.run_id = run->awake->run_id, .prepared_id = run->awake->prepared_id};
}

/* ---- URLs ---- */

/* What ends the run where the URL cannot be made: what was answered before it does not serve. */
static enum rxp_error error_of(enum cycle_state state, enum rxp_error error)
{
    return state == CYCLE_KICKOFF ? RXP_ERROR_PREPARE_FAILED : state == CYCLE_FETCH ? RXP_ERROR_RESULT_FETCH : error;
}

/* Where a run id was named, the sentence says why it does not serve. */
static void refuse_unfilled(const struct run *run, const struct rxp_http_call *call, struct rxp_refusal *why)
{
    const char *who = call == &run->awake->plan->result ? "http.result_url_template" : "the poll URL";
    bool wants_run_id = run->awake->run_id == NULL && (call->url_has_run_id || call->body_has_run_id);
    enum rxp_error error =
        error_of(run->cycle.state, wants_run_id ? RXP_ERROR_RUN_ID_MISSING : RXP_ERROR_POLL_URL_MISSING);
    if (wants_run_id && run->run_id_fault != RXP_ID_FIT) {
        const struct rxp_http_plan *plan = run->awake->plan;
        const struct rxp_id_source source = {.phase = run->late_id_fault ? "poll" : "kickoff",
                                             .noun = "run id",
                                             .path = run->late_id_fault ? plan->late_run_id_path : plan->run_id_path};
        struct rxp_refusal fault;
        rxp_id_refuse(&source, run->run_id_fault, &fault);
        rxp_refuse(why, error_of(run->cycle.state, fault.error), "%s wants the run id, and the one that was named "
                   "can't be used: %s", who, fault.text);
    } else {
        rxp_refuse(why, error, "%s wants the %s, and no answer named one", who,
                   wants_run_id ? "run id" : call->url == NULL ? "URL" : "prepared id");
    }
}

static enum run_request make_url(const struct run *run, const struct rxp_http_call *call, char **out,
                                 struct rxp_refusal *why)
{
    const struct rxp_fills fills = fills_of(run);
    if (!rxp_http_call_is_ready(call, &fills)) {
        refuse_unfilled(run, call, why);
        return RUN_REQUEST_UNFIT;
    }
    why->error = RXP_OK;
    *out = rxp_http_call_url(call, &fills, why);
    if (*out != NULL) {
        return RUN_REQUEST_MADE;
    }
    if (why->error == RXP_OK) {
        return RUN_REQUEST_NO_MEMORY;
    }
    why->error = error_of(run->cycle.state, why->error);
    return RUN_REQUEST_UNFIT;
}

static int take(struct awake *awake, const char **out, const char *text)
{
    if (*out == NULL && text != NULL) {
        awake_put(awake, out, strdup(text));
        return *out != NULL ? 0 : -1;
    }
    return 0;
}

enum run_request run_request_address(struct run *run, struct rxp_refusal *why)
{
    struct awake *awake = run->awake;
    const struct run_resume *resume = awake->resume;
    if (resume != NULL && (take(awake, &awake->run_id, resume->run_id) != 0 ||
                           take(awake, &awake->prepared_id, resume->prepared_id) != 0 ||
                           take(awake, &awake->poll_url, resume->poll_url) != 0)) {
        return RUN_REQUEST_NO_MEMORY;
    }
    if (awake->poll_url != NULL) {
        return RUN_REQUEST_MADE;
    }
    char *url = NULL;
    enum run_request made = make_url(run, &awake->plan->poll, &url, why);
    awake_put(awake, &awake->poll_url, url);
    return made;
}

static bool is_filled(const struct rxp_http_call *call)
{
    return call->url_has_run_id || call->url_has_prepared_id || call->body_has_run_id || call->body_has_prepared_id;
}

const char *run_request_url(const struct run *run)
{
    const char *url = call_of(run)->url;
    if (run->cycle.state == CYCLE_POLL) {
        url = run->awake->poll_url;
    } else if (is_filled(call_of(run))) {
        url = run->awake->sending != NULL ? run->awake->sending->url : NULL;
    }
    return url != NULL ? url : "";
}

/* ---- the request ---- */

/* What starts something, or may change something, is sent once, whatever happens to the connection. */
static bool is_once(const char *method, bool is_start)
{
    return is_start || (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0);
}

static int64_t timeout_of(const struct run *run, int64_t now_ms)
{
    int64_t most_ms = run->runner->config->poll_timeout_ms;
    switch (run->cycle.state) {
    case CYCLE_KICKOFF:
        return 0;
    case CYCLE_PREPARE:
        return most_ms;
    case CYCLE_POLL:
    case CYCLE_FETCH:
    case CYCLE_START:
    case CYCLE_REST:
    case CYCLE_DONE:
        break;
    }
    int64_t left_ms = cycle_until_ms(&run->cycle) - now_ms;
    return most_ms < left_ms ? most_ms : left_ms;
}

/* URL and body, filled where they have to be. */
static enum run_request fill(struct http_request *request, struct run *run, const struct rxp_http_call *call,
                             struct rxp_refusal *why)
{
    const struct rxp_fills fills = fills_of(run);
    bool is_poll = run->cycle.state == CYCLE_POLL;
    enum run_request made = is_poll ? run_request_address(run, why) : RUN_REQUEST_MADE;
    bool has_filled_body = call->body_has_run_id || call->body_has_prepared_id;
    if (made == RUN_REQUEST_MADE && (has_filled_body || (!is_poll && is_filled(call)))) {
        run->awake->sending = sending_new();
        if (run->awake->sending == NULL) {
            return RUN_REQUEST_NO_MEMORY;
        }
        if (!is_poll && is_filled(call)) {
            made = make_url(run, call, &run->awake->sending->url, why);
        }
    }
    if (made != RUN_REQUEST_MADE) {
        return made;
    }
    request->url = run_request_url(run);
    request->body = call->body;
    request->body_bytes = call->body_bytes;
    if (has_filled_body &&
        rxp_http_call_body(call, &fills, &request->body, &request->body_bytes, &run->awake->sending->body) != 0) {
        return RUN_REQUEST_NO_MEMORY;
    }
    return RUN_REQUEST_MADE;
}

enum run_request run_request_make(struct http_request *request, struct run *run, int64_t now_ms,
                                  struct rxp_refusal *why)
{
    assert(run->awake->sending == NULL);
    const struct rxp_http_call *call = call_of(run);
    bool is_start = run->cycle.state == CYCLE_PREPARE || run->cycle.state == CYCLE_KICKOFF;
    bool may_name_url = run->cycle.state == CYCLE_KICKOFF || run->cycle.state == CYCLE_POLL;
    *request = (struct http_request){
        .method = call->method,
        .content_type = rxp_http_call_content_type(call),
        .connect_timeout_ms = run->runner->config->connect_timeout_ms,
        .timeout_ms = timeout_of(run, now_ms),
        .once = is_once(call->method, is_start),
        .is_kickoff = is_start,
        .want_header = may_name_url ? run->awake->plan->poll_url_header : NULL,
    };
    return fill(request, run, call, why);
}

/* ---- headers ---- */

static struct sending_place place_of(const struct run *run, const char *url)
{
    return (struct sending_place){
        .url = url,
        .aims = &run->runner->aims,
        .secrets = run->runner->config->secrets,
        .bindings = run->awake->plan->secret_bindings,
        .n_bindings = run->awake->plan->n_secret_bindings,
    };
}

static enum secret_fill put_plan_headers(struct run *run, char why[SECRETS_WHY_BYTES])
{
    const struct rxp_http_plan *plan = run->awake->plan;
    const struct sending_place here = place_of(run, run_request_url(run));
    const struct sending_place kickoff = place_of(run, plan->kickoff.url);
    for (size_t i = 0; i < plan->n_headers; i++) {
        const struct rxp_http_header *header = &plan->headers[i];
        if (!rxp_http_call_has_use_of(call_of(run), header->name) || !rxp_http_plan_sends(plan, header, here.url)) {
            sending_remember(run->awake->sending, header->value, &kickoff);
            continue;
        }
        enum secret_fill filled = sending_fill(run->awake->sending, header->name, header->value, &here, why);
        if (filled != SECRET_READY) {
            return filled;
        }
    }
    return SECRET_READY;
}

bool run_request_has_trace(const struct run *run, const char *url)
{
    static const struct rxp_http_header header = {.name = TRACE_PARENT_HEADER, .value = ""};
    const struct rxp_http_plan *plan = run->awake->plan;
    if (run->awake->trace == NULL) {
        return false;
    }
    for (size_t i = 0; i < plan->n_headers; i++) {
        if (strcasecmp(plan->headers[i].name, TRACE_PARENT_HEADER) == 0) {
            return false; /* the message has its own way with it */
        }
    }
    return rxp_http_plan_sends(plan, &header, url);
}

static int put_trace(struct run *run)
{
    char parent[TRACE_PARENT_BYTES];
    const struct trace_context *trace = run->awake->trace;
    if (!run_request_has_trace(run, run_request_url(run))) {
        return 0;
    }
    trace_context_write_child(trace, runner_draw(run->runner), parent);
    if (sending_put(run->awake->sending, TRACE_PARENT_HEADER, parent) != 0) {
        return -1;
    }
    return trace->tracestate[0] != '\0' ? sending_put(run->awake->sending, TRACE_STATE_HEADER, trace->tracestate) : 0;
}

enum secret_fill run_request_put_headers(struct run *run, char why[SECRETS_WHY_BYTES])
{
    const char *id_name = run->cycle.state == CYCLE_KICKOFF ? run->awake->plan->idempotency_header : NULL;
    if (id_name == NULL && run->awake->plan->n_headers == 0 && run->awake->trace == NULL) {
        return SECRET_READY;
    }
    if (run->awake->sending == NULL) {
        run->awake->sending = sending_new();
    }
    if (run->awake->sending == NULL ||
        (id_name != NULL && sending_put_id(run->awake->sending, id_name, run->awake->invocation->invocation_id) != 0) ||
        put_trace(run) != 0) {
        snprintf(why, SECRETS_WHY_BYTES, "out of memory for its headers");
        return SECRET_NO_MEMORY;
    }
    return put_plan_headers(run, why);
}

static int check_secrets_of(const struct run *run, const char *url, struct rxp_refusal *why)
{
    const struct rxp_http_plan *plan = run->awake->plan;
    struct target target;
    char fault[SECRETS_WHY_BYTES];
    enum target_error error = aims_take(&run->runner->aims, url, &target, fault, sizeof fault);
    if (error == TARGET_MEMORY) {
        return rxp_refuse(why, RXP_OK, "no memory to see where its secrets go");
    }
    if (error != TARGET_OK) {
        return 0; /* it is refused where it is to go */
    }
    bool is_good = true;
    for (size_t i = 0; i < plan->n_headers && is_good; i++) {
        const struct rxp_http_header *header = &plan->headers[i];
        if (secret_is_in(header->value) && rxp_http_plan_sends(plan, header, url)) {
            is_good = secrets_check(run->runner->config->secrets, header->value, target.host, target.port,
                                    plan->secret_bindings, plan->n_secret_bindings, fault);
            if (!is_good) {
                rxp_refuse(why, RXP_ERROR_SECRET_DENIED, "http.header.%s: %s",
                           rxp_show(header->name, strlen(header->name)).text, fault);
            }
        }
    }
    target_deinit(&target);
    return is_good ? 0 : -1;
}

int run_request_check_secrets(const struct run *run, struct rxp_refusal *why)
{
    const struct rxp_http_plan *plan = run->awake->plan;
    const char *const urls[] = {plan->prepare.url, plan->kickoff.url, plan->poll.url,
                                plan->result.url,  plan->cancel.url,  plan->after.url};
    bool has_secrets = false;
    for (size_t i = 0; i < plan->n_headers; i++) {
        has_secrets = has_secrets || secret_is_in(plan->headers[i].value);
    }
    for (size_t i = 0; has_secrets && i < sizeof urls / sizeof urls[0]; i++) {
        if (urls[i] != NULL && check_secrets_of(run, urls[i], why) != 0) {
            return -1;
        }
    }
    return 0;
}

void run_request_distrust(const struct run *run)
{
    const struct rxp_http_plan *plan = run->awake->plan;
    const char *url = run_request_url(run);
    for (size_t i = 0; i < plan->n_headers; i++) {
        if (secret_is_in(plan->headers[i].value) && rxp_http_plan_sends(plan, &plan->headers[i], url)) {
            secrets_refused(run->runner->config->secrets, plan->headers[i].value);
        }
    }
}

void run_request_drop(struct run *run)
{
    sending_free(run->awake->sending);
    run->awake->sending = NULL;
}
