#include "engine/verdict.h"

#include "engine/verdict_body.h"
#include "engine/verdict_text.h"
#include "engine/verdict_trouble.h"
#include "protocol/json.h"
#include "protocol/url.h"

#include <stdlib.h>
#include <string.h>

/* ---- prepare ---- */

static void take_prepared_id(struct verdict *verdict, const struct rxp_http_plan *plan, const struct phase *phase,
                             const struct http_reply *reply)
{
    const struct verdict_body body = verdict_body_read(reply);
    const struct rxp_id_source source = {.phase = "prepare", .noun = "prepared id", .path = plan->prepared_id_path};
    struct rxp_refusal why;
    if (!body.is_json) {
        verdict_body_refuse(verdict, phase, &body, reply);
    } else if (rxp_id_take(body.document, &source, &verdict->prepared_id, &why) != 0) {
        if (rxp_lacked_memory(&why)) {
            verdict_lack_memory(verdict, phase);
            return;
        }
        verdict_break(verdict, RXP_ERROR_PREPARE_FAILED);
        verdict_say(verdict, why.text);
    }
}

static bool is_2xx(int code)
{
    return code >= 200 && code <= 299;
}

void verdict_of_prepare(const struct rxp_http_plan *plan, const struct verdict_limits *limits, const char *url,
                        const struct http_reply *reply, struct verdict *verdict)
{
    const struct phase phase = phase_of_prepare(url);
    *verdict = (struct verdict){.kind = VERDICT_PREPARED};
    if (reply->error != TRANSPORT_OK) {
        verdict_judge_transport(verdict, &phase, reply);
    } else if (!is_2xx(reply->code)) {
        verdict_judge_code(verdict, &phase, limits, reply);
    } else if (plan->prepared_id_path != NULL) {
        take_prepared_id(verdict, plan, &phase, reply);
    }
    if (verdict->kind == VERDICT_RETRY) {
        verdict->retry_after_ms = verdict_retry_after_ms(limits, reply);
    }
}

/* ---- what kickoff and poll share ---- */

/* A 2xx may be the API's way to say that all is well. */
static void say_key_of_codes(struct verdict *verdict, const struct http_reply *reply, const char *key)
{
    if (is_2xx(reply->code)) {
        verdict_say(verdict, "; if that is no failure, name it in ");
        verdict_say(verdict, key);
    }
}

static bool is_terminal(const struct rxp_http_plan *plan, const struct verdict *verdict)
{
    return verdict->state != NULL && rxp_words_has(&plan->terminal_states, verdict->state);
}

/* Where a status that is missing means "not yet", one that is there may say only that all is over (done: true), and
 * name no failure. */
static bool says_only_that_it_is_over(const struct rxp_http_plan *plan)
{
    for (size_t i = 0; i < plan->terminal_states.n; i++) {
        if (!rxp_words_has(&plan->success_states, plan->terminal_states.word[i])) {
            return false;
        }
    }
    return plan->missing_status_is_pending;
}

/* Then a message tells a failure. */
static bool is_success(const struct rxp_http_plan *plan, const struct verdict_body *body, const char *state)
{
    struct json_slice message;
    return rxp_words_has(&plan->success_states, state) &&
           !(says_only_that_it_is_over(plan) && verdict_body_find_error(body, plan, &message));
}

/* A state that would be a success, and is none for its message, counts among the failures. */
static bool is_result_to_be_fetched(const struct rxp_http_plan *plan, const struct verdict *verdict)
{
    if (plan->result.url == NULL || plan->result_states_all) {
        return plan->result.url != NULL;
    }
    return rxp_words_has(&plan->result_states, verdict->state) &&
           (verdict->succeeded || !rxp_words_has(&plan->success_states, verdict->state));
}

/* verdict->state is terminal: the end, for good or ill. */
static void set_done(struct verdict *verdict, const struct rxp_http_plan *plan, const struct verdict_limits *limits,
                     const struct verdict_body *body)
{
    verdict->kind = VERDICT_DONE;
    verdict->succeeded = is_success(plan, body, verdict->state);
    verdict->has_exit_code = true;
    verdict->exit_code = verdict->succeeded ? 0 : 1;
    if (!verdict->succeeded) {
        verdict->error = RXP_ERROR_BACKEND_FAILED;
        verdict_say(verdict, "backend reported terminal status: ");
        verdict_say_bytes(verdict, verdict->state, strlen(verdict->state));
        verdict_body_say_error(body, verdict, plan);
    }
    if (is_result_to_be_fetched(plan, verdict)) {
        verdict->kind = VERDICT_FETCH;
    } else {
        verdict_body_keep_result(body, verdict, plan, limits);
    }
}

static void refuse_poll_url(struct verdict *verdict, const struct rxp_http_plan *plan, const struct phase *phase,
                            const struct http_reply *reply)
{
    verdict_break(verdict, RXP_ERROR_POLL_URL_INVALID);
    verdict_say(verdict, phase->name);
    verdict_say(verdict, " response names no URL that can be polled in its header ");
    verdict_say_quoted(verdict, plan->poll_url_header);
    verdict_say(verdict, ": ");
    verdict_say_url(verdict, reply->wanted_raw);
}

/* From its header, if it is there and another than `before`. 0, or -1 with the run broken. */
static int take_poll_url(struct verdict *verdict, const struct rxp_http_plan *plan, const struct phase *phase,
                         const char *before, const struct http_reply *reply)
{
    if (plan->poll_url_header == NULL || reply->wanted_raw == NULL) {
        return 0;
    }
    if (reply->wanted_url == NULL || strlen(reply->wanted_url) > URL_MAX_BYTES) {
        refuse_poll_url(verdict, plan, phase, reply);
        return -1;
    }
    if (before != NULL && strcmp(reply->wanted_url, before) == 0) {
        return 0;
    }
    verdict->poll_url = strdup(reply->wanted_url);
    if (verdict->poll_url == NULL) {
        verdict_lack_memory(verdict, phase);
        return -1;
    }
    return 0;
}

/* ---- kickoff ---- */

/* Kind http: the answer is the result. */
static void judge_result(struct verdict *verdict, const struct rxp_http_plan *plan,
                         const struct verdict_limits *limits, const struct phase *phase,
                         const struct http_reply *reply)
{
    verdict->kind = VERDICT_DONE;
    verdict->succeeded = is_2xx(reply->code);
    if (!verdict->succeeded) {
        verdict_judge_code(verdict, phase, limits, reply);
        verdict->kind = verdict->kind == VERDICT_RETRY ? VERDICT_RETRY : VERDICT_DONE;
    }
    verdict->has_exit_code = true;
    verdict->exit_code = reply->code;
    if (verdict->kind == VERDICT_DONE && plan->result_path != NULL && reply->error == TRANSPORT_OK) {
        const struct verdict_body body = verdict_body_read(reply);
        verdict_body_keep_result(&body, verdict, plan, limits);
    }
}

/* Can the run not go on, or a later call not be made, without what this answer says? */
static bool needs_run_id(const struct rxp_http_plan *plan, const struct verdict *verdict)
{
    if (verdict->poll_url != NULL) {
        return false;
    }
    return plan->poll.url_has_run_id || (plan->late_run_id_path == NULL && rxp_http_plan_wants_run_id(plan));
}

/* What is there and does not serve; that nothing is there is no fault of an id. */
static void note_fault(struct verdict *verdict, enum rxp_id_fault fault)
{
    bool is_named = fault != RXP_ID_MISSING && fault != RXP_ID_NO_MEMORY;
    verdict->run_id_fault = is_named ? fault : RXP_ID_FIT;
}

/* What was refused breaks the run only where it cannot go on without. */
static void take_run_id(struct verdict *verdict, const struct rxp_http_plan *plan, const struct phase *phase,
                        const struct verdict_body *body, const struct http_reply *reply)
{
    const struct rxp_id_source source = {.phase = "kickoff", .noun = "run id", .path = plan->run_id_path};
    struct rxp_refusal why;
    if (source.path == NULL || (!body->is_json && !needs_run_id(plan, verdict))) {
        return;
    }
    if (!body->is_json) {
        verdict_body_refuse(verdict, phase, body, reply);
        return;
    }
    enum rxp_id_fault fault = rxp_id_find(body->document, source.path, &verdict->run_id);
    note_fault(verdict, fault);
    if (fault != RXP_ID_FIT && needs_run_id(plan, verdict)) {
        rxp_id_refuse(&source, fault, &why);
        if (rxp_lacked_memory(&why)) {
            verdict_lack_memory(verdict, phase);
            return;
        }
        verdict_break(verdict, why.error);
        verdict_say(verdict, why.text);
    }
}

/* Terminal at once: what cannot be read of ids matters no more. */
static void judge_early_end(struct verdict *verdict, const struct rxp_http_plan *plan,
                            const struct verdict_limits *limits, const struct phase *phase,
                            const struct verdict_body *body, const struct http_reply *reply)
{
    struct verdict ids = {0};
    (void)take_poll_url(&ids, plan, phase, NULL, reply);
    take_run_id(&ids, plan, phase, body, reply);
    verdict->poll_url = ids.poll_url;
    verdict->run_id = ids.run_id;
    verdict->run_id_fault = ids.run_id_fault;
    set_done(verdict, plan, limits, body);
}

static void judge_accepted(struct verdict *verdict, const struct rxp_http_plan *plan,
                           const struct verdict_limits *limits, const struct phase *phase,
                           const struct http_reply *reply)
{
    struct verdict_body body = {0};
    struct json_slice slice;
    if (reply->code == 200 || plan->run_id_path != NULL) {
        body = verdict_body_read(reply);
    }
    if (reply->code == 200 && body.is_json &&
        verdict_body_state(&body, verdict, plan, &slice) == WORD_NO_MEMORY) {
        verdict_lack_memory(verdict, phase);
        return;
    }
    if (is_terminal(plan, verdict)) {
        judge_early_end(verdict, plan, limits, phase, &body, reply);
        return;
    }
    if (take_poll_url(verdict, plan, phase, NULL, reply) != 0) {
        return;
    }
    if (verdict->poll_url == NULL && plan->poll.url == NULL) {
        verdict_break(verdict, RXP_ERROR_POLL_URL_MISSING);
        verdict_say(verdict, "kickoff response has no header ");
        verdict_say_quoted(verdict, plan->poll_url_header);
        verdict_say(verdict, ", which was to name the poll URL, and there is no http.poll_url_template");
        return;
    }
    take_run_id(verdict, plan, phase, &body, reply);
}

void verdict_of_kickoff(const struct rxp_http_plan *plan, const struct verdict_limits *limits, const char *url,
                        const struct http_reply *reply, struct verdict *verdict)
{
    const struct phase phase = phase_of_kickoff(plan, url);
    bool has_code = reply->error == TRANSPORT_OK || (reply->error == TRANSPORT_REDIRECT && reply->code != 0);
    *verdict = (struct verdict){.kind = VERDICT_ACCEPTED};
    if (has_code && !plan->polls) {
        judge_result(verdict, plan, limits, &phase, reply);
    } else if (has_code && rxp_codes_has(&plan->accept_codes, reply->code)) {
        judge_accepted(verdict, plan, limits, &phase, reply);
    } else if (reply->error != TRANSPORT_OK) {
        verdict_judge_transport(verdict, &phase, reply);
    } else {
        verdict_judge_code(verdict, &phase, limits, reply);
        say_key_of_codes(verdict, reply, "http.kickoff_accept_codes");
    }
    if (verdict->kind == VERDICT_ACCEPTED || verdict->kind == VERDICT_RETRY) {
        verdict->retry_after_ms = verdict_retry_after_ms(limits, reply);
    }
}

/* ---- poll ---- */

/* The first one is kept, so none is looked for later. */
static void take_late_run_id(struct verdict *verdict, const struct rxp_http_plan *plan,
                             const struct verdict_poll *poll, const struct verdict_body *body)
{
    if (plan->late_run_id_path != NULL && !poll->has_run_id && body->is_json) {
        note_fault(verdict, rxp_id_find(body->document, plan->late_run_id_path, &verdict->run_id));
    }
}

static void set_status_missing(struct verdict *verdict, const struct rxp_http_plan *plan,
                               const struct json_slice *slice)
{
    verdict_break(verdict, RXP_ERROR_STATUS_MISSING);
    verdict_say(verdict, slice == NULL ? "poll response has no field at path " : "poll response has no status at path ");
    verdict_say_quoted(verdict, plan->status_path);
    if (slice != NULL) {
        verdict_say(verdict, " but ");
        verdict_say_bytes(verdict, slice->at, slice->bytes);
        verdict_say(verdict, ": a string, number or boolean is needed");
    }
}

/* A poll's 200. */
static void judge_status(struct verdict *verdict, const struct rxp_http_plan *plan,
                         const struct verdict_limits *limits, const struct phase *phase,
                         const struct verdict_body *body, const struct http_reply *reply)
{
    if (!body->is_json) {
        verdict_body_refuse(verdict, phase, body, reply);
        return;
    }
    struct json_slice slice;
    switch (verdict_body_state(body, verdict, plan, &slice)) {
    case WORD_HERE:
        if (is_terminal(plan, verdict)) {
            set_done(verdict, plan, limits, body);
        }
        return;
    case WORD_MISSING:
        if (!plan->missing_status_is_pending) {
            set_status_missing(verdict, plan, NULL);
        }
        return;
    case WORD_NULL:
        if (!plan->missing_status_is_pending) {
            set_status_missing(verdict, plan, &slice);
        }
        return;
    case WORD_NOT_SCALAR:
        set_status_missing(verdict, plan, &slice);
        return;
    case WORD_NO_MEMORY:
        verdict_lack_memory(verdict, phase);
        return;
    }
}

/* What a code in poll_pending_codes says now. */
enum belief { BELIEF_NONE, BELIEF_PENDING, BELIEF_OVER, BELIEF_CONTRADICTED };

static enum belief belief_of(const struct rxp_http_plan *plan, const struct verdict_poll *poll,
                             const struct http_reply *reply)
{
    bool has_code = reply->error == TRANSPORT_OK || reply->error == TRANSPORT_REDIRECT; /* 304 is no redirect to follow */
    if (!has_code || !rxp_codes_has(&plan->pending_codes, reply->code)) {
        return BELIEF_NONE;
    }
    if (reply->code >= 400 && poll->saw_200) {
        return BELIEF_CONTRADICTED; /* it was there, so it is gone now */
    }
    return poll->since_ms < plan->poll_pending_ms ? BELIEF_PENDING : BELIEF_OVER;
}

static void judge_poll_code(struct verdict *verdict, const struct phase *phase, const struct verdict_limits *limits,
                            enum belief belief, const struct http_reply *reply)
{
    verdict_judge_code(verdict, phase, limits, reply);
    if (belief == BELIEF_NONE) {
        say_key_of_codes(verdict, reply, "http.poll_pending_codes");
    } else if (belief == BELIEF_CONTRADICTED) {
        verdict_say(verdict, "; as a pending code it counts only until a poll is answered with 200");
    } else if (belief == BELIEF_OVER) {
        verdict_say(verdict, "; as a pending code it counts no longer (http.poll_pending_seconds)");
    }
}

static void judge_200(struct verdict *verdict, const struct rxp_http_plan *plan, const struct verdict_limits *limits,
                      const struct phase *phase, const struct verdict_poll *poll, bool is_pending,
                      const struct http_reply *reply)
{
    const struct verdict_body body = verdict_body_read(reply);
    take_late_run_id(verdict, plan, poll, &body);
    judge_status(verdict, plan, limits, phase, &body, reply);
    if (is_pending && (verdict->kind == VERDICT_BROKEN || verdict->kind == VERDICT_TRANSIENT)) {
        /* 200 as a pending code: only a terminal status counts. */
        verdict->kind = VERDICT_PENDING;
        verdict->error = RXP_OK;
        verdict->text[0] = '\0';
    }
}

/* A pending code that is no 200. */
static void judge_pending(struct verdict *verdict, const struct rxp_http_plan *plan, const struct verdict_poll *poll,
                          const struct http_reply *reply)
{
    if (plan->late_run_id_path != NULL && is_2xx(reply->code)) {
        const struct verdict_body body = verdict_body_read(reply);
        take_late_run_id(verdict, plan, poll, &body);
    }
}

void verdict_of_poll(const struct rxp_http_plan *plan, const struct verdict_limits *limits,
                     const struct verdict_poll *poll, const struct http_reply *reply, struct verdict *verdict)
{
    const struct phase phase = phase_of_poll(poll->url);
    enum belief belief = belief_of(plan, poll, reply);
    bool is_pending = belief == BELIEF_PENDING;
    *verdict = (struct verdict){.kind = VERDICT_PENDING};
    if (reply->error == TRANSPORT_OK && reply->code == 200) {
        verdict->saw_200 = true;
        judge_200(verdict, plan, limits, &phase, poll, is_pending, reply);
    } else if (is_pending) {
        judge_pending(verdict, plan, poll, reply);
    } else if (reply->error == TRANSPORT_OK) {
        judge_poll_code(verdict, &phase, limits, belief, reply);
    } else {
        verdict_judge_transport(verdict, &phase, reply);
    }
    if (verdict->kind == VERDICT_PENDING) {
        (void)take_poll_url(verdict, plan, &phase, poll->url, reply);
    }
    if (verdict->kind == VERDICT_PENDING || verdict->kind == VERDICT_TRANSIENT) {
        verdict->retry_after_ms = verdict_retry_after_ms(limits, reply);
    }
}

void verdict_deinit(struct verdict *verdict)
{
    free(verdict->prepared_id);
    free(verdict->run_id);
    free(verdict->poll_url);
    free(verdict->state);
    free(verdict->result);
    verdict->prepared_id = NULL;
    verdict->run_id = NULL;
    verdict->poll_url = NULL;
    verdict->state = NULL;
    verdict->result = NULL;
}
