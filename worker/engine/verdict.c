#include "engine/verdict.h"

#include "engine/verdict_text.h"
#include "protocol/json.h"

#include <stdlib.h>
#include <string.h>

/* The sentence is up to the caller. */
static void set_broken(struct verdict *verdict, enum rxp_error error)
{
    verdict->kind = VERDICT_BROKEN;
    verdict->error = error;
    verdict->text[0] = '\0';
}

/* A poll that failed in a way that may pass; a kickoff is not repeated, so there it is the end. */
static void set_failed(struct verdict *verdict, const struct phase *phase, enum rxp_error error)
{
    set_broken(verdict, error);
    if (phase->is_poll) {
        verdict->kind = VERDICT_TRANSIENT;
    }
}

static void set_no_memory(struct verdict *verdict, const struct phase *phase)
{
    set_failed(verdict, phase, phase->network);
    verdict_say(verdict, phase->request);
    verdict_say_url(verdict, phase->url);
    verdict_say(verdict, " failed: out of memory");
}

/* A URL of the message that cannot be used is its own fault, known before anything left; any other came with an
 * answer. */
static void judge_bad_url(struct verdict *verdict, const struct phase *phase, const struct http_reply *reply)
{
    if (reply->sent) {
        set_broken(verdict, phase->status);
    } else if (phase->is_poll) {
        set_broken(verdict, RXP_ERROR_POLL_URL_INVALID);
    } else {
        set_broken(verdict, RXP_ERROR_INVALID_METADATA);
        verdict->rejected = true;
    }
    verdict_say_failure(verdict, phase, reply);
}

/* What became of a request that got no answer to judge. */
static void judge_transport(struct verdict *verdict, const struct phase *phase, const char *expected,
                            const struct http_reply *reply)
{
    switch (reply->error) {
    case TRANSPORT_OK:
        return;
    case TRANSPORT_BAD_URL:
        judge_bad_url(verdict, phase, reply);
        return;
    case TRANSPORT_RESOLVE:
    case TRANSPORT_CONNECT:
    case TRANSPORT_TLS:
    case TRANSPORT_NETWORK:
    case TRANSPORT_TIMEOUT:
        set_failed(verdict, phase, phase->network);
        verdict_say_failure(verdict, phase, reply);
        return;
    case TRANSPORT_TOO_LARGE:
        set_broken(verdict, RXP_ERROR_RESPONSE_TOO_LARGE);
        verdict_say_failure(verdict, phase, reply);
        return;
    case TRANSPORT_EGRESS:
        set_broken(verdict, RXP_ERROR_EGRESS_DENIED);
        verdict->rejected = !phase->is_poll && !reply->sent;
        verdict_say_failure(verdict, phase, reply);
        return;
    case TRANSPORT_REDIRECT:
        set_broken(verdict, phase->status);
        if (reply->code != 0) {
            verdict_say_status(verdict, phase, expected, reply);
        } else {
            verdict_say_failure(verdict, phase, reply);
        }
        return;
    case TRANSPORT_UNAVAILABLE:
        set_broken(verdict, RXP_ERROR_ORIGIN_UNAVAILABLE);
        verdict_say_failure(verdict, phase, reply);
        return;
    case TRANSPORT_MEMORY:
        set_no_memory(verdict, phase);
        return;
    }
}

/* A body, looked at once. */
struct answer {
    bool is_json;
    struct json_fault fault;    /* where it is not */
    struct json_slice document; /* where it is */
};

static struct answer answer_of(const struct http_reply *reply)
{
    struct answer answer = {0};
    answer.is_json = json_check(reply->body, reply->body_bytes, JSON_KEYS_ANY, &answer.fault) == 0;
    if (answer.is_json) {
        answer.document = json_document(reply->body, reply->body_bytes);
    }
    return answer;
}

static void set_not_json(struct verdict *verdict, const struct phase *phase, const struct answer *answer,
                         const struct http_reply *reply)
{
    set_broken(verdict, phase->not_json);
    verdict_say(verdict, phase->name);
    if (reply->body_bytes == 0) {
        verdict_say(verdict, " response is not JSON: it is empty");
        return;
    }
    verdict_say(verdict, " response is not JSON (");
    verdict_say(verdict, answer->fault.what);
    verdict_say(verdict, " at byte ");
    verdict_say_number(verdict, (long long)answer->fault.at_byte);
    verdict_say(verdict, ")");
    verdict_say_body(verdict, reply);
}

enum word { WORD_HERE, WORD_MISSING, WORD_NOT_SCALAR, WORD_NO_MEMORY };

/* The backend's word at poll_status_path, decoded: verdict->state. *slice is what was found there. */
static enum word read_state(struct verdict *verdict, const struct rxp_http_plan *plan, const struct answer *answer,
                            struct json_slice *slice)
{
    if (!json_find(answer->document, plan->status_path, slice)) {
        return WORD_MISSING;
    }
    switch (json_type_of(*slice)) {
    case JSON_NULL:
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

/* The JSON text at result_path, as the backend wrote it. */
static void keep_result(struct verdict *verdict, const struct rxp_http_plan *plan,
                        const struct verdict_limits *limits, const struct answer *answer)
{
    struct json_slice slice;
    if (plan->result_path == NULL || !answer->is_json || !json_find(answer->document, plan->result_path, &slice)) {
        return;
    }
    if (slice.bytes <= limits->max_result_bytes) {
        verdict->result = malloc(slice.bytes + 1);
    }
    if (verdict->result == NULL) {
        verdict->result_truncated = true;
        return;
    }
    memcpy(verdict->result, slice.at, slice.bytes);
    verdict->result[slice.bytes] = '\0';
}

/* verdict->state is terminal: the end, for good or ill. */
static void set_done(struct verdict *verdict, const struct rxp_http_plan *plan, const struct verdict_limits *limits,
                     const struct answer *answer)
{
    verdict->kind = VERDICT_DONE;
    verdict->has_exit_code = true;
    verdict->succeeded = rxp_words_has(&plan->success_states, verdict->state);
    verdict->exit_code = verdict->succeeded ? 0 : 1;
    if (!verdict->succeeded) {
        verdict->error = RXP_ERROR_BACKEND_FAILED;
        verdict_say(verdict, "backend reported terminal status: ");
        verdict_say_bytes(verdict, verdict->state, strlen(verdict->state));
    }
    keep_result(verdict, plan, limits, answer);
}

static bool is_terminal(const struct rxp_http_plan *plan, const struct verdict *verdict)
{
    return verdict->state != NULL && rxp_words_has(&plan->terminal_states, verdict->state);
}

/* Kind http: the answer is the result. */
static void judge_result(struct verdict *verdict, const struct rxp_http_plan *plan,
                         const struct verdict_limits *limits, const struct phase *phase,
                         const struct http_reply *reply)
{
    verdict->kind = VERDICT_DONE;
    verdict->has_exit_code = true;
    verdict->exit_code = reply->code;
    verdict->succeeded = reply->code >= 200 && reply->code <= 299;
    if (!verdict->succeeded) {
        verdict->error = RXP_ERROR_KICKOFF_STATUS;
        verdict_say_status(verdict, phase, "2xx", reply);
    }
    if (plan->result_path != NULL && reply->error == TRANSPORT_OK) {
        struct answer answer = answer_of(reply);
        keep_result(verdict, plan, limits, &answer);
    }
}

/* The kickoff was accepted: what polls need of its answer. */
static void take_run_id(struct verdict *verdict, const struct rxp_http_plan *plan, const struct phase *phase,
                        const struct answer *answer, const struct http_reply *reply)
{
    if (!answer->is_json) {
        set_not_json(verdict, phase, answer, reply);
        return;
    }
    struct rxp_refusal why;
    if (rxp_run_id_take(answer->document, plan->run_id_path, &verdict->run_id, &why) != 0) {
        verdict->run_id = NULL;
        set_broken(verdict, why.error);
        verdict_say(verdict, why.text);
    }
}

void verdict_of_kickoff(const struct rxp_http_plan *plan, const struct verdict_limits *limits, const char *url,
                        const struct http_reply *reply, struct verdict *verdict)
{
    struct phase phase = phase_of_kickoff(url);
    *verdict = (struct verdict){.kind = VERDICT_ACCEPTED};
    if (!plan->polls && (reply->error == TRANSPORT_OK || (reply->error == TRANSPORT_REDIRECT && reply->code != 0))) {
        judge_result(verdict, plan, limits, &phase, reply);
        return;
    }
    if (reply->error != TRANSPORT_OK) {
        judge_transport(verdict, &phase, plan->polls ? "200 or 202" : "2xx", reply);
        return;
    }
    if (reply->code != 200 && reply->code != 202) {
        set_broken(verdict, RXP_ERROR_KICKOFF_STATUS);
        verdict_say_status(verdict, &phase, "200 or 202", reply);
        return;
    }
    if (reply->code == 202 && plan->run_id_path == NULL) {
        return;
    }
    struct answer answer = answer_of(reply);
    struct json_slice slice;
    if (reply->code == 200 && answer.is_json && read_state(verdict, plan, &answer, &slice) == WORD_NO_MEMORY) {
        set_no_memory(verdict, &phase);
        return;
    }
    if (is_terminal(plan, verdict)) {
        struct rxp_refusal why;
        if (plan->run_id_path != NULL &&
            rxp_run_id_take(answer.document, plan->run_id_path, &verdict->run_id, &why) != 0) {
            verdict->run_id = NULL;
        }
        set_done(verdict, plan, limits, &answer);
    } else if (plan->run_id_path != NULL) {
        take_run_id(verdict, plan, &phase, &answer, reply);
    }
}

static bool may_pass(int code)
{
    return code == 408 || code == 429 || code == 500 || code == 502 || code == 503 || code == 504;
}

/* A poll's 200. */
static void judge_status(struct verdict *verdict, const struct rxp_http_plan *plan,
                         const struct verdict_limits *limits, const struct phase *phase,
                         const struct http_reply *reply)
{
    struct answer answer = answer_of(reply);
    if (!answer.is_json) {
        set_not_json(verdict, phase, &answer, reply);
        return;
    }
    struct json_slice slice;
    switch (read_state(verdict, plan, &answer, &slice)) {
    case WORD_HERE:
        if (is_terminal(plan, verdict)) {
            set_done(verdict, plan, limits, &answer);
        }
        return;
    case WORD_MISSING:
        set_broken(verdict, RXP_ERROR_STATUS_MISSING);
        verdict_say(verdict, "poll response has no field at path '");
        verdict_say_bytes(verdict, plan->status_path, strlen(plan->status_path));
        verdict_say(verdict, "'");
        return;
    case WORD_NOT_SCALAR:
        set_broken(verdict, RXP_ERROR_STATUS_MISSING);
        verdict_say(verdict, "poll response has no status at path '");
        verdict_say_bytes(verdict, plan->status_path, strlen(plan->status_path));
        verdict_say(verdict, "' but ");
        verdict_say_bytes(verdict, slice.at, slice.bytes);
        verdict_say(verdict, ": a string, number or boolean is needed");
        return;
    case WORD_NO_MEMORY:
        set_no_memory(verdict, phase);
        return;
    }
}

void verdict_of_poll(const struct rxp_http_plan *plan, const struct verdict_limits *limits,
                     const struct verdict_poll *poll, const struct http_reply *reply, struct verdict *verdict)
{
    struct phase phase = phase_of_poll(poll->url);
    bool is_pending = rxp_codes_has(&plan->pending_codes, reply->code);
    *verdict = (struct verdict){.kind = VERDICT_PENDING, .saw_200 = reply->error == TRANSPORT_OK && reply->code == 200};
    if (is_pending && reply->error == TRANSPORT_REDIRECT) {
        return; /* 304, say, which no transport can follow */
    }
    if (reply->error != TRANSPORT_OK) {
        judge_transport(verdict, &phase, "200", reply);
    } else if (reply->code == 200) {
        judge_status(verdict, plan, limits, &phase, reply);
        if (is_pending && verdict->kind != VERDICT_DONE) {
            /* 200 as a pending code: only a terminal status counts. */
            verdict->kind = VERDICT_PENDING;
            verdict->error = RXP_OK;
            verdict->text[0] = '\0';
        }
    } else if (!is_pending && may_pass(reply->code)) {
        set_failed(verdict, &phase, RXP_ERROR_POLL_STATUS);
        verdict_say_status(verdict, &phase, "200", reply);
    } else if (!is_pending) {
        set_broken(verdict, RXP_ERROR_POLL_STATUS);
        verdict_say_status(verdict, &phase, "200", reply);
    }
}

void verdict_of_prepare(const struct rxp_http_plan *plan, const struct verdict_limits *limits, const char *url,
                        const struct http_reply *reply, struct verdict *verdict)
{
    (void)plan;
    (void)limits;
    struct phase phase = phase_of_kickoff(url);
    *verdict = (struct verdict){.kind = VERDICT_PREPARED};
    if (reply->error != TRANSPORT_OK || reply->code < 200 || reply->code > 299) {
        set_broken(verdict, RXP_ERROR_PREPARE_FAILED);
        verdict_say_failure(verdict, &phase, reply);
    }
}

void verdict_of_fetch(const struct rxp_http_plan *plan, const struct verdict_limits *limits, const char *url,
                      const struct http_reply *reply, struct verdict *verdict)
{
    (void)plan;
    (void)limits;
    struct phase phase = phase_of_poll(url);
    *verdict = (struct verdict){.kind = VERDICT_DONE};
    if (reply->error != TRANSPORT_OK || reply->code != 200) {
        set_broken(verdict, RXP_ERROR_RESULT_FETCH);
        verdict_say_failure(verdict, &phase, reply);
    }
}

void verdict_deinit(struct verdict *verdict)
{
    free(verdict->prepared_id);
    free(verdict->poll_url);
    verdict->prepared_id = NULL;
    verdict->poll_url = NULL;
    free(verdict->run_id);
    free(verdict->state);
    free(verdict->result);
    verdict->run_id = NULL;
    verdict->state = NULL;
    verdict->result = NULL;
}
