#include "fuzz/plan_facts.h"

#include "fuzz/fuzz.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* In either form. */
static bool has_mark(const char *url, const char *rest)
{
    for (const char *at = strchr(url, '{'); at != NULL; at = strchr(at + 1, '{')) {
        const char *name = at[1] == '+' ? at + 2 : at + 1;
        if (strncmp(name, rest, strlen(rest)) == 0)
            return true;
    }
    return false;
}

static void must_be_call(const struct rxp_http_call *call)
{
    if (call->url == NULL)
        return;
    must(strncmp(call->url, "http://", 7) == 0 || strncmp(call->url, "https://", 8) == 0 ||
         strncasecmp(call->url, "http", 4) == 0);
    for (const char *at = call->url; *at != '\0'; at++)
        must(*at > ' ' && *at < 0x7f);
    must(call->method != NULL && call->method[0] != '\0');
    for (const char *at = call->method; *at != '\0'; at++)
        must(*at > ' ' && *at < 0x7f && !islower((unsigned char)*at));
    must(call->url_has_run_id == has_mark(call->url, "run_id}"));
    must(call->url_has_prepared_id == has_mark(call->url, "prepared_id}"));
    must(!has_mark(call->url, "invocation_id}") && !has_mark(call->url, "var."));
    must(call->body != NULL || call->body_bytes == 0);
    struct json_fault fault;
    if (call->body != NULL && !call->body_is_form)
        must(json_check(call->body, call->body_bytes, JSON_KEYS_ANY, &fault) == 0);
}

static void must_be_words(const struct rxp_words *words)
{
    for (size_t i = 0; i < words->n; i++) {
        must(words->word[i][0] != '\0' && words->word[i][0] != ' ');
        must(words->word[i][strlen(words->word[i]) - 1] != ' ');
        must(rxp_words_has(words, words->word[i]));
    }
}

static void must_be_codes(const struct rxp_codes *codes)
{
    for (size_t i = 0; i < codes->n; i++)
        must(codes->code[i] >= 100 && codes->code[i] <= 599 && rxp_codes_has(codes, codes->code[i]));
}

static void must_be_headers(const struct rxp_http_plan *plan)
{
    for (size_t i = 0; i < plan->n_headers; i++) {
        const struct rxp_http_header *header = &plan->headers[i];
        must(header->name[0] != '\0' && strpbrk(header->name, " \t\r\n:\"(),/;<=>?@[\\]{}") == NULL);
        must(strpbrk(header->value, "\r\n") == NULL);
        must(strcasecmp(header->name, "Host") != 0 && strcasecmp(header->name, "Content-Length") != 0);
        must(strcasecmp(header->name, "Transfer-Encoding") != 0 && strcasecmp(header->name, "Connection") != 0);
        must(plan->idempotency_header == NULL || strcasecmp(header->name, plan->idempotency_header) != 0);
        for (size_t j = 0; j < i; j++)
            must(strcasecmp(header->name, plan->headers[j].name) != 0);
    }
    must(plan->idempotency_header == NULL || strpbrk(plan->idempotency_header, " \t\r\n:") == NULL);
}

void must_be_plan(const struct rxp_http_plan *plan)
{
    must(plan->kickoff.url != NULL && !plan->kickoff.url_has_run_id);
    must(plan->prepare.url == NULL || !plan->prepare.url_has_prepared_id);
    must_be_call(&plan->prepare);
    must_be_call(&plan->kickoff);
    must_be_call(&plan->poll);
    must_be_call(&plan->result);
    must_be_call(&plan->cancel);
    must_be_call(&plan->after);
    must_be_headers(plan);
    must(plan->accept_codes.n > 0);
    must_be_codes(&plan->accept_codes);
    must_be_codes(&plan->pending_codes);
    must(plan->kickoff_max_retries >= -1 && plan->poll_max_failures >= -1);
    if (!plan->polls)
        return;
    must(plan->poll.url != NULL || plan->poll_url_header != NULL);
    must(plan->poll.url == NULL || !plan->poll.url_has_run_id || plan->run_id_path != NULL);
    must(plan->status_path != NULL && plan->terminal_states.n > 0);
    must_be_words(&plan->terminal_states);
    must_be_words(&plan->success_states);
    bool can_succeed = false;
    for (size_t i = 0; i < plan->success_states.n; i++)
        can_succeed = can_succeed || rxp_words_has(&plan->terminal_states, plan->success_states.word[i]);
    must(can_succeed);
    must(plan->poll_interval_ms >= 0 && plan->poll_interval_ms <= RXP_MAX_MS);
    must(plan->poll_max_interval_ms >= 0 && plan->poll_max_interval_ms <= RXP_MAX_MS);
    must(plan->poll_pending_ms >= 0);
    must(isfinite(plan->poll_backoff_factor) && plan->poll_backoff_factor >= 1);
}

void must_be_refusal(const struct rxp_refusal *why)
{
    must(why->error >= RXP_ERROR_INVALID_JSON && why->error <= RXP_ERROR_UNKNOWN_PROFILE);
    must_be_sentence(why->text);
}

static bool call_same(const struct rxp_http_call *a, const struct rxp_http_call *b)
{
    return fuzz_same(a->url, b->url) && fuzz_same(a->method, b->method) && a->body_bytes == b->body_bytes &&
           (a->body == NULL) == (b->body == NULL) && (a->body == NULL || memcmp(a->body, b->body, a->body_bytes) == 0) &&
           a->body_is_form == b->body_is_form && a->body_has_run_id == b->body_has_run_id;
}

bool plan_same(const struct rxp_http_plan *a, const struct rxp_http_plan *b)
{
    return call_same(&a->prepare, &b->prepare) && call_same(&a->kickoff, &b->kickoff) && call_same(&a->poll, &b->poll) &&
           call_same(&a->result, &b->result) && call_same(&a->cancel, &b->cancel) && call_same(&a->after, &b->after) &&
           a->polls == b->polls && a->n_headers == b->n_headers && a->poll_interval_ms == b->poll_interval_ms &&
           fuzz_same(a->status_path, b->status_path) && fuzz_same(a->run_id_path, b->run_id_path) &&
           a->terminal_states.n == b->terminal_states.n && a->pending_codes.n == b->pending_codes.n;
}
