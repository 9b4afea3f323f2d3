#include "protocol/http_plan.h"

#include "protocol/plan_call.h"
#include "protocol/plan_headers.h"
#include "protocol/plan_source.h"
#include "protocol/plan_value.h"
#include "protocol/rfc3339.h"
#include "protocol/token.h"

#include <stdio.h>
#include <string.h>

#define MAX_FAILURES_LIMIT 1000000
#define MAX_RETRIES_LIMIT 1000000
#define HEADER_NAME_MAX_BYTES 128
#define MAX_ERROR_PATHS 16
#define DEFAULT_POLL_INTERVAL_MS 2000
#define DEFAULT_POLL_MAX_INTERVAL_MS 60000
#define EARLY ((unsigned)TEMPLATE_INVOCATION_ID | TEMPLATE_VAR)

static const char *const default_success_states[] = {"completed"};
static const int default_accept_codes[] = {200, 202};

static bool is_given(const struct plan_source *source, enum plan_key key)
{
    return source->value[key].text != NULL;
}

/* NULL where it is empty or not given. */
static const char *text_of(const struct plan_source *source, enum plan_key key)
{
    return plan_source_is_missing(source, key) ? NULL : source->value[key].text;
}

/* Who says half of a call expects the whole. An empty URL turns a profile's call off, with all that belongs to it. */
static int check_orphans(struct plan_source *source, bool polls)
{
    static const enum plan_key calls[][5] = {
        {KEY_PREPARE_URL, KEY_PREPARE_METHOD, KEY_PREPARE_BODY, KEY_PREPARE_ID_PATH, PLAN_KEYS},
        {KEY_RESULT_URL_TEMPLATE, KEY_RESULT_STATES, PLAN_KEYS},
        {KEY_CANCEL_URL_TEMPLATE, KEY_CANCEL_METHOD, KEY_CANCEL_BODY, PLAN_KEYS},
        {KEY_AFTER_URL_TEMPLATE, KEY_AFTER_METHOD, KEY_AFTER_BODY, KEY_AFTER_STATES, PLAN_KEYS},
    };

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        enum plan_key url = calls[i][0];
        if (is_given(source, url) || (!polls && plan_key_is(url, PLAN_POLLS)))
            continue;
        for (const enum plan_key *key = calls[i] + 1; *key != PLAN_KEYS; key++) {
            if (!is_given(source, *key))
                continue;
            rxp_refuse(source->why, RXP_ERROR_MISSING_METADATA, "missing metadata '%s', without which %s means nothing",
                       plan_key_name(url), plan_key_name(*key));
            return plan_source_blame(source, *key, PLAN_KEYS);
        }
    }
    return 0;
}

static int read_kickoff(struct plan_source *source, struct rxp_http_plan *plan)
{
    const char *format = source->value[KEY_BODY_FORMAT].text;
    /* What an operator wrote is a template; a message's own body is what it is. */
    const bool is_template = source->value[KEY_BODY].from_defaults;
    const bool has_prepare = !plan_source_is_missing(source, KEY_PREPARE_URL);
    struct plan_call_rules rules = {
        .url = KEY_URL,
        .method = KEY_METHOD,
        .body = KEY_BODY,
        .default_method = "POST",
        .url_fills = EARLY | TEMPLATE_PREPARED_ID,
        .body_fills = TEMPLATE_VAR | (is_template ? (unsigned)TEMPLATE_INVOCATION_ID : 0) |
                      (is_template || has_prepare ? (unsigned)TEMPLATE_PREPARED_ID : 0),
        .body_is_free = true,
    };

    if (plan_source_is_missing(source, KEY_URL))
        return plan_source_refuse_missing(source, KEY_URL, NULL);
    if (format != NULL && strcmp(format, "form") != 0 && strcmp(format, "json") != 0)
        return plan_source_refuse(source, KEY_BODY_FORMAT, "is neither 'json' nor 'form'");
    rules.body_is_form = format != NULL && strcmp(format, "form") == 0;
    return plan_call_read(source, &rules, &plan->kickoff);
}

/* All calls but the kickoff. */
static int read_calls(struct plan_source *source, struct rxp_http_plan *plan)
{
    /* Only an answer to a poll, or to a kickoff that polls follow, names a run id. */
    const unsigned all = EARLY | TEMPLATE_PREPARED_ID | (plan->polls ? (unsigned)TEMPLATE_RUN_ID : 0);
    const struct plan_call_rules prepare = {
        .url = KEY_PREPARE_URL, .method = KEY_PREPARE_METHOD, .body = KEY_PREPARE_BODY,
        .default_method = "POST", .url_fills = EARLY, .body_fills = EARLY};
    const struct plan_call_rules poll = {
        .url = KEY_POLL_URL_TEMPLATE, .method = KEY_POLL_METHOD, .body = PLAN_KEYS,
        .default_method = "GET", .url_fills = all};
    const struct plan_call_rules result = {
        .url = KEY_RESULT_URL_TEMPLATE, .method = PLAN_KEYS, .body = PLAN_KEYS,
        .default_method = "GET", .url_fills = all};
    const struct plan_call_rules cancel = {
        .url = KEY_CANCEL_URL_TEMPLATE, .method = KEY_CANCEL_METHOD, .body = KEY_CANCEL_BODY,
        .default_method = "POST", .url_fills = all, .body_fills = all};
    const struct plan_call_rules after = {
        .url = KEY_AFTER_URL_TEMPLATE, .method = KEY_AFTER_METHOD, .body = KEY_AFTER_BODY,
        .default_method = "POST", .url_fills = all, .body_fills = all};

    if (plan_call_read(source, &prepare, &plan->prepare) < 0 || plan_call_read(source, &cancel, &plan->cancel) < 0)
        return -1;
    if (plan->polls &&
        (plan_call_read(source, &poll, &plan->poll) < 0 || plan_call_read(source, &result, &plan->result) < 0 ||
         plan_call_read(source, &after, &plan->after) < 0))
        return -1;
    if (plan->polls && strcmp(plan->poll.method, "HEAD") == 0)
        return plan_source_refuse(source, KEY_POLL_METHOD, "is answered without a body to read a status from");
    return 0;
}

struct wanted {
    enum plan_key url;
    enum plan_key body;
    const struct rxp_http_call *call;
};

/* The key that holds {run_id}; PLAN_KEYS: none. */
static enum plan_key wants_run_id(const struct wanted *wanted)
{
    return wanted->call->url_has_run_id    ? wanted->url
           : wanted->call->body_has_run_id ? wanted->body
                                           : PLAN_KEYS;
}

static enum plan_key wants_prepared_id(const struct wanted *wanted)
{
    return wanted->call->url_has_prepared_id    ? wanted->url
           : wanted->call->body_has_prepared_id ? wanted->body
                                                : PLAN_KEYS;
}

static int refuse_unfilled(struct plan_source *source, enum plan_key missing, const char *mark, enum plan_key key)
{
    char what_for[96];

    snprintf(what_for, sizeof(what_for), "for %s in %s", mark, plan_key_name(key));
    return plan_source_refuse_missing(source, missing, what_for);
}

static int check_prepared_id(struct plan_source *source, struct rxp_http_plan *plan, enum plan_key key)
{
    if (key == PLAN_KEYS)
        return 0;
    if (plan->prepare.url == NULL)
        return refuse_unfilled(source, KEY_PREPARE_URL, "{prepared_id}", key);
    if (plan->prepared_id_path == NULL)
        return refuse_unfilled(source, KEY_PREPARE_ID_PATH, "{prepared_id}", key);
    return 0;
}

static int check_run_id(struct plan_source *source, const struct rxp_http_plan *plan, enum plan_key key)
{
    if (key == PLAN_KEYS || plan->run_id_path != NULL ||
        (plan->late_run_id_path != NULL && key != KEY_POLL_URL_TEMPLATE))
        return 0;
    if (plan->late_run_id_path == NULL)
        return refuse_unfilled(source, KEY_POLL_RUN_ID_PATH, "{run_id}", key);
    return plan_source_refuse_missing(
        source, KEY_POLL_RUN_ID_PATH,
        "for {run_id} in http.poll_url_template: what http.late_run_id_path leads to is only seen by polls");
}

/* Each id that a call names is one that some answer holds. */
static int check_ids(struct plan_source *source, struct rxp_http_plan *plan)
{
    const struct wanted wanted[] = {
        {KEY_URL, KEY_BODY, &plan->kickoff},
        {KEY_POLL_URL_TEMPLATE, PLAN_KEYS, &plan->poll},
        {KEY_RESULT_URL_TEMPLATE, PLAN_KEYS, &plan->result},
        {KEY_CANCEL_URL_TEMPLATE, KEY_CANCEL_BODY, &plan->cancel},
        {KEY_AFTER_URL_TEMPLATE, KEY_AFTER_BODY, &plan->after},
    };

    plan->prepared_id_path = plan->prepare.url == NULL ? NULL : text_of(source, KEY_PREPARE_ID_PATH);
    plan->run_id_path = plan->polls ? text_of(source, KEY_POLL_RUN_ID_PATH) : NULL;
    plan->late_run_id_path = plan->polls ? text_of(source, KEY_LATE_RUN_ID_PATH) : NULL;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (check_prepared_id(source, plan, wants_prepared_id(&wanted[i])) < 0 ||
            check_run_id(source, plan, wants_run_id(&wanted[i])) < 0)
            return -1;
    }
    return 0;
}

static int read_states(struct plan_source *source, struct rxp_http_plan *plan)
{
    if (plan_source_is_missing(source, KEY_POLL_TERMINAL_STATES))
        return plan_source_refuse_missing(source, KEY_POLL_TERMINAL_STATES, NULL);
    if (plan_value_words(source, KEY_POLL_TERMINAL_STATES, &plan->terminal_states) < 0)
        return -1;
    if (plan->terminal_states.n == 0)
        return plan_source_refuse(source, KEY_POLL_TERMINAL_STATES, "names no state");
    plan->success_states = (struct rxp_words){.word = default_success_states, .n = 1};
    if (is_given(source, KEY_POLL_SUCCESS_STATES) &&
        plan_value_words(source, KEY_POLL_SUCCESS_STATES, &plan->success_states) < 0)
        return -1;
    for (size_t i = 0; i < plan->success_states.n; i++) {
        if (rxp_words_has(&plan->terminal_states, plan->success_states.word[i]))
            return 0;
    }
    const char *success = source->value[KEY_POLL_SUCCESS_STATES].text;
    const char *terminal = source->value[KEY_POLL_TERMINAL_STATES].text;
    rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA,
               "no run could ever succeed: none of http.poll_success_states '%s'%s is among "
               "http.poll_terminal_states '%s'",
               success == NULL ? default_success_states[0] : rxp_show(success, strlen(success)).text,
               success == NULL ? " (the default)" : "", rxp_show(terminal, strlen(terminal)).text);
    return plan_source_blame(source, KEY_POLL_TERMINAL_STATES, KEY_POLL_SUCCESS_STATES);
}

/* A list of terminal states, or '*' for all of them. */
static int read_chosen_states(struct plan_source *source, const struct rxp_http_plan *plan, enum plan_key key,
                              struct rxp_words *out, bool *all)
{
    if (plan_value_words(source, key, out) < 0)
        return -1;
    if (out->n == 0)
        return plan_source_refuse(source, key, "names no state: '*' stands for all");
    *all = rxp_words_has(out, "*");
    for (size_t i = 0; i < out->n && !*all; i++) {
        if (rxp_words_has(&plan->terminal_states, out->word[i]))
            continue;
        rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA, "%s has '%s', which is not among http.poll_terminal_states",
                   plan_key_name(key), rxp_show(out->word[i], strlen(out->word[i])).text);
        return plan_source_blame(source, key, KEY_POLL_TERMINAL_STATES);
    }
    return 0;
}

static int read_later_states(struct plan_source *source, struct rxp_http_plan *plan)
{
    plan->result_states = plan->success_states;
    if (plan->result.url != NULL && is_given(source, KEY_RESULT_STATES) &&
        read_chosen_states(source, plan, KEY_RESULT_STATES, &plan->result_states, &plan->result_states_all) < 0)
        return -1;
    plan->after_states_all = true;
    if (plan->after.url != NULL && is_given(source, KEY_AFTER_STATES) &&
        read_chosen_states(source, plan, KEY_AFTER_STATES, &plan->after_states, &plan->after_states_all) < 0)
        return -1;
    return 0;
}

/* Codes that an answer may end with, if the key is given. */
static int read_code_list(struct plan_source *source, enum plan_key key, struct rxp_codes *out)
{
    /* They are followed: what they lead to answers. */
    static const int followed[] = {301, 302, 303, 307, 308};

    if (!is_given(source, key))
        return 0;
    if (plan_value_codes(source, key, out) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(followed) / sizeof(followed[0]); i++) {
        if (!rxp_codes_has(out, followed[i]))
            continue;
        rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA,
                   "%s has %d, a redirect, which is followed: name the codes of the answer that it leads to",
                   plan_key_name(key), followed[i]);
        return plan_source_blame(source, key, PLAN_KEYS);
    }
    return 0;
}

static int read_codes(struct plan_source *source, struct rxp_http_plan *plan)
{
    if (read_code_list(source, KEY_POLL_PENDING_CODES, &plan->pending_codes) < 0 ||
        read_code_list(source, KEY_KICKOFF_ACCEPT_CODES, &plan->accept_codes) < 0)
        return -1;
    if (plan->accept_codes.n == 0)
        return plan_source_refuse(source, KEY_KICKOFF_ACCEPT_CODES, "names no code, so no kickoff could be accepted");
    return 0;
}

static int read_pace(struct plan_source *source, struct rxp_http_plan *plan)
{
    if (is_given(source, KEY_POLL_INTERVAL_SECONDS) &&
        plan_value_seconds(source, KEY_POLL_INTERVAL_SECONDS, &plan->poll_interval_ms) < 0)
        return -1;
    if (is_given(source, KEY_POLL_MAX_INTERVAL_SECONDS) &&
        plan_value_seconds(source, KEY_POLL_MAX_INTERVAL_SECONDS, &plan->poll_max_interval_ms) < 0)
        return -1;
    if (is_given(source, KEY_POLL_PENDING_SECONDS) &&
        plan_value_seconds(source, KEY_POLL_PENDING_SECONDS, &plan->poll_pending_ms) < 0)
        return -1;
    if (is_given(source, KEY_POLL_BACKOFF_FACTOR) &&
        plan_value_factor(source, KEY_POLL_BACKOFF_FACTOR, &plan->poll_backoff_factor) < 0)
        return -1;
    return is_given(source, KEY_POLL_MAX_FAILURES) ? plan_value_count(source, KEY_POLL_MAX_FAILURES, MAX_FAILURES_LIMIT,
                                                                      &plan->poll_max_failures)
                                                   : 0;
}

static int read_polls(struct plan_source *source, struct rxp_http_plan *plan)
{
    const char *missing_status = source->value[KEY_POLL_MISSING_STATUS].text;

    plan->poll_url_header = text_of(source, KEY_POLL_URL_HEADER);
    if (plan->poll.url == NULL && plan->poll_url_header == NULL)
        return plan_source_refuse_missing(source, KEY_POLL_URL_TEMPLATE, NULL);
    if (plan->poll_url_header != NULL && !token_is(plan->poll_url_header, HEADER_NAME_MAX_BYTES))
        return plan_source_refuse(source, KEY_POLL_URL_HEADER, "is no header name");
    plan->status_path = text_of(source, KEY_POLL_STATUS_PATH);
    if (plan->status_path == NULL)
        return plan_source_refuse_missing(source, KEY_POLL_STATUS_PATH, NULL);
    plan->missing_status_is_pending = missing_status != NULL && strcmp(missing_status, "pending") == 0;
    if (missing_status != NULL && !plan->missing_status_is_pending && strcmp(missing_status, "fail") != 0)
        return plan_source_refuse(source, KEY_POLL_MISSING_STATUS, "is neither 'fail' nor 'pending'");
    if (is_given(source, KEY_POLL_ERROR_PATH) &&
        plan_value_words(source, KEY_POLL_ERROR_PATH, &plan->error_paths) < 0)
        return -1;
    /* Each may cost a walk through the whole answer. */
    if (plan->error_paths.n > MAX_ERROR_PATHS)
        return plan_source_refuse(source, KEY_POLL_ERROR_PATH, "has more than 16 paths");
    if (read_states(source, plan) < 0 || read_later_states(source, plan) < 0 || read_codes(source, plan) < 0)
        return -1;
    return read_pace(source, plan);
}

/* What the message and the profile name. Of the profile also what the message overrides, and what its kind has no use for:
 * the message has no say in where an operator's headers may go. */
static int take_named(struct plan_source *source, struct rxp_http_plan *plan)
{
    struct rxp_named_url list[2 * PLAN_KEYS];
    size_t n = 0;

    for (enum plan_key key = 0; key < PLAN_KEYS; key++) {
        if (!plan_key_is(key, PLAN_URL))
            continue;
        const char *text = text_of(source, key);
        bool is_read = plan->polls || !plan_key_is(key, PLAN_POLLS);
        if (text != NULL && !source->value[key].from_defaults && is_read)
            list[n++] = (struct rxp_named_url){.url = text};
        text = source->value[key].of_defaults;
        if (text != NULL && text[0] != '\0')
            list[n++] = (struct rxp_named_url){.url = text, .from_defaults = true};
    }
    struct rxp_named_url *named = arena_take(&source->arena, n * sizeof(*named));
    if (named == NULL)
        return plan_source_no_memory(source);
    memcpy(named, list, n * sizeof(*named));
    plan->named = named;
    plan->n_named = n;
    return 0;
}

static int read_plan(struct plan_source *source, struct rxp_http_plan *plan)
{
    const char *start_before = source->value[KEY_START_BEFORE].text;

    if (read_kickoff(source, plan) < 0 || check_orphans(source, plan->polls) < 0 || read_calls(source, plan) < 0 ||
        check_ids(source, plan) < 0 || plan_headers_read(source, plan) < 0)
        return -1;
    if (is_given(source, KEY_KICKOFF_MAX_RETRIES) &&
        plan_value_count(source, KEY_KICKOFF_MAX_RETRIES, MAX_RETRIES_LIMIT, &plan->kickoff_max_retries) < 0)
        return -1;
    if (start_before != NULL && !rfc3339_parse(start_before, &plan->start_before_ms))
        return plan_source_refuse(source, KEY_START_BEFORE, "is no RFC 3339 time such as 2026-07-31T12:00:00Z");
    plan->result_path = source->value[KEY_RESULT_PATH].text;
    if (plan->polls && read_polls(source, plan) < 0)
        return -1;
    return take_named(source, plan);
}

static void clear_plan(const struct rxp_invocation *invocation, const struct rxp_defaults *defaults,
                       struct rxp_http_plan *out)
{
    *out = (struct rxp_http_plan){
        .polls = invocation->kind == RXP_KIND_HTTP_ASYNC,
        .start_before_ms = INT64_MAX,
        .accept_codes = {default_accept_codes, 2},
        .kickoff_max_retries = -1,
        .poll_pending_ms = INT64_MAX,
        .poll_interval_ms = DEFAULT_POLL_INTERVAL_MS,
        .poll_backoff_factor = 1.0,
        .poll_max_interval_ms = DEFAULT_POLL_MAX_INTERVAL_MS,
        .poll_max_failures = -1,
    };
    if (defaults != NULL) {
        out->kickoffs_per_second = defaults->kickoffs_per_second;
        out->secret_bindings = defaults->secret_bindings;
        out->n_secret_bindings = defaults->n_secret_bindings;
    }
}

/* From a source of that status. */
static int make(struct plan_source *source, int status, struct rxp_http_plan *out)
{
    if (status == 0) {
        clear_plan(source->invocation, source->defaults, out);
        status = read_plan(source, out);
    }
    out->owned = source->arena.chunks;
    out->owned_bytes = source->arena.bytes;
    plan_source_deinit(source);
    if (status != 0)
        rxp_http_plan_deinit(out);
    return status;
}

int rxp_http_plan_make(const struct rxp_invocation *invocation, const struct rxp_defaults *defaults,
                       struct rxp_http_plan *out, struct rxp_refusal *why)
{
    struct plan_source source;

    if (invocation->kind != RXP_KIND_HTTP_ASYNC && invocation->kind != RXP_KIND_HTTP) {
        *out = (struct rxp_http_plan){.owned = NULL};
        return rxp_refuse(why, RXP_ERROR_UNSUPPORTED_KIND,
                          "runtime_kind '%s' is not run here: this worker runs http_async and http",
                          rxp_kind_name(invocation->kind));
    }
    int status = plan_source_init(&source, invocation, defaults, why);
    return make(&source, status, out);
}

int rxp_http_plan_make_later(const struct rxp_invocation *invocation, const struct rxp_defaults *defaults, void *room,
                             size_t room_bytes, struct rxp_http_plan *out, struct rxp_refusal *why)
{
    struct plan_source source;

    int status = plan_source_init_later(&source, invocation, defaults, room, room_bytes, why);
    return make(&source, status, out);
}

void rxp_http_plan_deinit(struct rxp_http_plan *plan)
{
    arena_free(plan->owned);
    *plan = (struct rxp_http_plan){.owned = NULL};
}
