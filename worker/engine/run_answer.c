#include "engine/run_answer.h"

#include "base/clock.h"
#include "engine/excerpt.h"
#include "engine/run_request.h"
#include "engine/runner.h"
#include "engine/sending.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static void ask_verdict(const struct run *run, const struct http_reply *reply, int64_t now_ms, struct verdict *verdict)
{
    const char *url = run_request_url(run);
    const struct verdict_limits limits = {
        .max_result_bytes = run->runner->config->max_result_bytes,
        .wall_ms = reply->retry_after != NULL ? clock_wall_ms() : 0,
    };
    const struct verdict_poll poll = {
        .url = url,
        .has_run_id = run->awake->run_id != NULL,
        .saw_200 = run->has_polled,
        .since_ms = now_ms - run->begun_mono_ms,
    };
    switch (run->cycle.state) {
    case CYCLE_PREPARE:
        verdict_of_prepare(run->awake->plan, &limits, url, reply, verdict);
        break;
    case CYCLE_KICKOFF:
        verdict_of_kickoff(run->awake->plan, &limits, url, reply, verdict);
        break;
    case CYCLE_POLL:
        verdict_of_poll(run->awake->plan, &limits, &poll, reply, verdict);
        break;
    case CYCLE_FETCH:
        verdict_of_fetch(run->awake->plan, &limits, url, reply, verdict);
        break;
    case CYCLE_START:
    case CYCLE_REST:
    case CYCLE_DONE:
        assert(!"an answer in this state");
        break;
    }
}

static bool is_look(const struct run *run)
{
    return run->cycle.state == CYCLE_POLL || run->cycle.state == CYCLE_FETCH;
}

static bool take_back(const struct sending *sending, char **named)
{
    if (!sending_is_held(sending, *named)) {
        return false;
    }
    explicit_bzero(*named, strlen(*named));
    free(*named);
    *named = NULL;
    return true;
}

/* A backend that gives back what it was sent must not make an id or an address of it, which go elsewhere and are told on:
 * the message may have chosen which header comes back there. */
static void refuse_what_holds_secrets(const struct run *run, struct verdict *verdict)
{
    bool has_prepared_id = take_back(run->awake->sending, &verdict->prepared_id);
    bool has_run_id = take_back(run->awake->sending, &verdict->run_id) && rxp_http_plan_wants_run_id(run->awake->plan);
    bool has_poll_url = take_back(run->awake->sending, &verdict->poll_url);
    if (!has_prepared_id && !has_run_id && !has_poll_url) {
        return;
    }
    switch (verdict->kind) {
    case VERDICT_PREPARED:
    case VERDICT_ACCEPTED:
    case VERDICT_PENDING:
        verdict->kind = VERDICT_BROKEN;
        verdict->error = has_prepared_id ? RXP_ERROR_PREPARE_FAILED
                         : has_run_id    ? RXP_ERROR_RUN_ID_INVALID
                                         : RXP_ERROR_POLL_URL_INVALID;
        snprintf(verdict->text, sizeof verdict->text, "%s response names a %s that holds a secret which it was sent: it is "
                 "not used", cycle_state_name(run->cycle.state),
                 has_prepared_id ? "prepared id" : has_run_id ? "run id" : "poll URL");
        break;
    case VERDICT_FETCH: /* it lacks the id, if it wants one */
    case VERDICT_DONE:
    case VERDICT_RETRY:
    case VERDICT_TRANSIENT:
    case VERDICT_BROKEN:
        break;
    }
}

void run_answer_read(const struct run *run, const struct http_reply *reply, int64_t now_ms, struct verdict *verdict)
{
    const struct sending *sending = run->awake->sending;
    ask_verdict(run, reply, now_ms, verdict);
    if (reply->error == TRANSPORT_OK && reply->code == 401 && sending != NULL && sending->has_secret) {
        run_request_distrust(run);
        if (verdict->unauthorized && is_look(run)) {
            verdict->kind = VERDICT_TRANSIENT;
        }
    }
    refuse_what_holds_secrets(run, verdict);
    sending_mask(sending, verdict->text, true);
    sending_mask(sending, verdict->state, false);
    sending_mask(sending, verdict->result, false);
}

void run_answer_no_memory(const struct run *run, int64_t now_ms, struct verdict *verdict)
{
    const struct http_reply reply = {.error = TRANSPORT_MEMORY, .detail = "out of memory", .body = ""};
    run_answer_read(run, &reply, now_ms, verdict);
}

void run_answer_refuse(const struct rxp_refusal *why, struct verdict *verdict)
{
    *verdict = (struct verdict){.kind = VERDICT_BROKEN, .error = why->error};
    snprintf(verdict->text, sizeof verdict->text, "%s", why->text);
}

static void put_text(struct verdict *verdict, const struct run *run, const char *why)
{
    static const char *const names[] = {
        [CYCLE_PREPARE] = "prepare call to", [CYCLE_KICKOFF] = "kickoff to",
        [CYCLE_POLL] = "poll of", [CYCLE_FETCH] = "result fetch from",
    };
    char url[EXCERPT_URL_BYTES + 8] = "";
    excerpt_put_url(url, sizeof url, run_request_url(run));
    snprintf(verdict->text, sizeof verdict->text, "%s %s did not go: %s", names[run->cycle.state], url, why);
}

void run_answer_unavailable(const struct run *run, const char *why, struct verdict *verdict)
{
    *verdict = (struct verdict){
        .kind = is_look(run) ? VERDICT_TRANSIENT : VERDICT_BROKEN,
        .error = run->cycle.state == CYCLE_POLL    ? RXP_ERROR_POLL_NETWORK
                 : run->cycle.state == CYCLE_FETCH ? RXP_ERROR_RESULT_FETCH
                                                   : RXP_ERROR_ORIGIN_UNAVAILABLE,
    };
    put_text(verdict, run, why);
}

void run_answer_denied(const struct run *run, const char *why, struct verdict *verdict)
{
    bool is_first = run->cycle.state == CYCLE_PREPARE ||
                    (run->cycle.state == CYCLE_KICKOFF && run->awake->plan->prepare.url == NULL);
    *verdict = (struct verdict){
        .kind = VERDICT_BROKEN,
        .error = RXP_ERROR_SECRET_DENIED,
        .rejected = is_first && run->cycle.failures == 0,
    };
    put_text(verdict, run, why);
}

/* ---- keeping ---- */

static bool replace(struct awake *awake, const char **kept, char **news)
{
    if (*news == NULL) {
        return false;
    }
    awake_put(awake, kept, *news);
    *news = NULL;
    return true;
}

static void cut_state(struct verdict *verdict)
{
    if (verdict->state == NULL || strlen(verdict->state) <= RUN_STATE_MAX_BYTES) {
        return;
    }
    size_t bytes = RUN_STATE_MAX_BYTES;
    while (bytes > 0 && ((unsigned char)verdict->state[bytes] & 0xC0) == 0x80) { /* within a UTF-8 sequence */
        bytes--;
    }
    verdict->state[bytes] = '\0';
    char *shorter = realloc(verdict->state, bytes + 1);
    verdict->state = shorter != NULL ? shorter : verdict->state;
}

bool run_answer_keep(struct run *run, struct verdict *verdict)
{
    struct awake *awake = run->awake;
    cut_state(verdict);
    bool has_state = verdict->state != NULL && (awake->state == NULL || strcmp(awake->state, verdict->state) != 0);
    bool has_run_id = replace(awake, &awake->run_id, &verdict->run_id);
    if (verdict->run_id_fault != RXP_ID_FIT) {
        run->run_id_fault = verdict->run_id_fault;
        run->late_id_fault = run->cycle.state == CYCLE_POLL;
    }
    bool has_poll_url = replace(awake, &awake->poll_url, &verdict->poll_url);
    replace(awake, &awake->prepared_id, &verdict->prepared_id);
    replace(awake, &awake->state, &verdict->state);
    if (verdict->result != NULL) {
        free(awake->result);
        awake->result = verdict->result;
        verdict->result = NULL;
    }
    run->has_news = run->has_news || has_run_id || has_poll_url;
    run->has_polled = run->has_polled || verdict->saw_200;
    run->result_truncated = run->result_truncated || verdict->result_truncated;
    return has_state;
}
