/* later_plan: what must hold of the plan that is made once more after a run's kickoff was accepted, and of the packed
 * invocation that it is made of. For tests of all kinds: it says what does not hold, and asserts nothing itself. */
#ifndef RXP_TESTS_LATER_PLAN_H
#define RXP_TESTS_LATER_PLAN_H

#include "protocol/http_plan.h"
#include "protocol/packed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline bool later_text_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static inline bool later_words_same(const struct rxp_words *a, const struct rxp_words *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = strcmp(a->word[i], b->word[i]) == 0;
    return same;
}

static inline bool later_codes_same(const struct rxp_codes *a, const struct rxp_codes *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->code, b->code, a->n * sizeof a->code[0]) == 0);
}

static inline bool later_url_same(const struct rxp_http_call *a, const struct rxp_http_call *b)
{
    return later_text_same(a->url, b->url) && a->url_has_run_id == b->url_has_run_id &&
           a->url_has_prepared_id == b->url_has_prepared_id;
}

static inline bool later_call_same(const struct rxp_http_call *a, const struct rxp_http_call *b)
{
    return later_url_same(a, b) && later_text_same(a->method, b->method) && a->body_bytes == b->body_bytes &&
           (a->body == NULL) == (b->body == NULL) && (a->body == NULL || memcmp(a->body, b->body, a->body_bytes) == 0) &&
           a->body_is_form == b->body_is_form && a->body_has_run_id == b->body_has_run_id &&
           a->body_has_prepared_id == b->body_has_prepared_id;
}

static inline bool later_headers_same(const struct rxp_http_plan *a, const struct rxp_http_plan *b)
{
    bool same = a->n_headers == b->n_headers && a->n_named == b->n_named;
    for (size_t i = 0; same && i < a->n_named; i++)
        same = strcmp(a->named[i].url, b->named[i].url) == 0 && a->named[i].from_defaults == b->named[i].from_defaults;
    for (size_t i = 0; same && i < a->n_headers; i++)
        same = strcmp(a->headers[i].name, b->headers[i].name) == 0 &&
               strcmp(a->headers[i].value, b->headers[i].value) == 0 &&
               a->headers[i].from_defaults == b->headers[i].from_defaults;
    return same;
}

/* What differs between the whole plan and the later one, though no later call may tell them apart; NULL: nothing. */
static inline const char *later_plan_difference(const struct rxp_http_plan *a, const struct rxp_http_plan *b)
{
    const struct {
        const char *what;
        bool same;
    } rows[] = {
        {"polls", a->polls == b->polls},
        {"prepare", later_url_same(&a->prepare, &b->prepare) && b->prepare.body == NULL && !b->prepare.body_is_form},
        {"kickoff", later_url_same(&a->kickoff, &b->kickoff) && b->kickoff.body == NULL && !b->kickoff.body_is_form},
        {"poll", later_call_same(&a->poll, &b->poll)},
        {"result", later_call_same(&a->result, &b->result)},
        {"cancel", later_call_same(&a->cancel, &b->cancel)},
        {"after", later_call_same(&a->after, &b->after)},
        {"headers", later_headers_same(a, b)},
        {"kickoffs_per_second", !(a->kickoffs_per_second < b->kickoffs_per_second) &&
                                    !(a->kickoffs_per_second > b->kickoffs_per_second)},
        {"secret_bindings", a->secret_bindings == b->secret_bindings && a->n_secret_bindings == b->n_secret_bindings},
        {"prepared_id_path", later_text_same(a->prepared_id_path, b->prepared_id_path)},
        {"poll_url_header", later_text_same(a->poll_url_header, b->poll_url_header)},
        {"run_id_path", later_text_same(a->run_id_path, b->run_id_path)},
        {"late_run_id_path", later_text_same(a->late_run_id_path, b->late_run_id_path)},
        {"status_path", later_text_same(a->status_path, b->status_path)},
        {"missing_status_is_pending", a->missing_status_is_pending == b->missing_status_is_pending},
        {"terminal_states", later_words_same(&a->terminal_states, &b->terminal_states)},
        {"success_states", later_words_same(&a->success_states, &b->success_states)},
        {"pending_codes", later_codes_same(&a->pending_codes, &b->pending_codes)},
        {"poll_pending_ms", a->poll_pending_ms == b->poll_pending_ms},
        {"poll_interval_ms", a->poll_interval_ms == b->poll_interval_ms},
        {"poll_backoff_factor", !(a->poll_backoff_factor < b->poll_backoff_factor) &&
                                    !(a->poll_backoff_factor > b->poll_backoff_factor)},
        {"poll_max_interval_ms", a->poll_max_interval_ms == b->poll_max_interval_ms},
        {"poll_max_failures", a->poll_max_failures == b->poll_max_failures},
        {"error_paths", later_words_same(&a->error_paths, &b->error_paths)},
        {"result_path", later_text_same(a->result_path, b->result_path)},
        {"result_states", later_words_same(&a->result_states, &b->result_states) &&
                              a->result_states_all == b->result_states_all},
        {"after_states", later_words_same(&a->after_states, &b->after_states) &&
                             a->after_states_all == b->after_states_all},
        {"wants_run_id", rxp_http_plan_wants_run_id(a) == rxp_http_plan_wants_run_id(b) || a->kickoff.body_has_run_id},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!rows[i].same)
            return rows[i].what;
    }
    return NULL;
}

/* Keys that no one asks for after the kickoff. Spelt here once more, so that a slip in the table of keys is seen. */
static inline bool later_is_left_out(const char *key)
{
    static const char *const keys[] = {
        "http.method",      "http.body", "http.body_format", "http.idempotency_header", "http.kickoff_accept_codes",
        "http.kickoff_max_retries", "http.prepare_method", "http.prepare_body", "rxp.start_before"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(key, keys[i]) == 0)
            return true;
    }
    return false;
}

/* Is `b` what is to be left of `a`? */
static inline const char *later_invocation_difference(const struct rxp_invocation *a, const struct rxp_invocation *b)
{
    if (!later_text_same(a->invocation_id, b->invocation_id))
        return "invocation_id";
    if (!later_text_same(a->runtime_name, b->runtime_name))
        return "runtime_name";
    if (a->kind != b->kind || a->timeout_ms != b->timeout_ms)
        return "kind or timeout";
    if (b->n_environment != 0 || b->n_command != 0 || b->working_directory != NULL || b->input_payload_path != NULL ||
        b->output_result_path != NULL || b->artifact_directory != NULL)
        return "what is left out";
    size_t n = 0;
    for (size_t i = 0; i < a->n_metadata; i++) {
        if (later_is_left_out(a->metadata[i].key))
            continue;
        if (n == b->n_metadata || strcmp(a->metadata[i].key, b->metadata[n].key) != 0 ||
            strcmp(a->metadata[i].value, b->metadata[n].value) != 0)
            return a->metadata[i].key;
        n++;
    }
    return n == b->n_metadata ? NULL : "a pair too many";
}

/* All of it for one invocation; whole: its plan with these defaults, NULL where it has none. NULL, or what does not hold. */
static inline const char *later_fault(const struct rxp_invocation *invocation, const struct rxp_defaults *defaults,
                                      const struct rxp_http_plan *whole)
{
    static _Thread_local char fault[RXP_REFUSAL_TEXT_BYTES + 64];
    const size_t room_bytes = 1024;
    struct rxp_invocation again;
    struct rxp_http_plan later;
    struct rxp_refusal why = {RXP_OK, ""};
    const size_t bytes = rxp_packed_bytes(invocation);
    char *packed = malloc(bytes); /* with nothing behind it */
    char *room = malloc(room_bytes);
    rxp_packed_write(packed, invocation);
    size_t n = rxp_packed_pairs(packed);
    struct rxp_pair *pairs = malloc((n + 1) * sizeof *pairs);
    rxp_packed_read(packed, pairs, &again);
    const char *what = later_invocation_difference(invocation, &again);
    const char *url = rxp_packed_url(packed);
    if (what == NULL && (again.n_metadata > n || rxp_packed_bytes(&again) > bytes))
        what = "its size";
    if (what == NULL && (strcmp(rxp_packed_id(packed), invocation->invocation_id) != 0 ||
                         strcmp(rxp_packed_name(packed), invocation->runtime_name) != 0 ||
                         !later_text_same(url, rxp_invocation_metadata(invocation, "http.url"))))
        what = "id, name or url";
    if (what == NULL && whole != NULL) {
        if (rxp_http_plan_make_later(&again, defaults, room, room_bytes, &later, &why) == 0) {
            what = later_plan_difference(whole, &later);
            rxp_http_plan_deinit(&later);
        } else {
            what = why.text;
        }
    }
    if (what != NULL)
        snprintf(fault, sizeof fault, "asleep, it differs: %s", what);
    free(pairs);
    free(room);
    free(packed);
    return what != NULL ? fault : NULL;
}

#endif
