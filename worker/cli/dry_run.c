#include "cli/dry_run.h"

#include "base/buf.h"
#include "cli/mask.h"
#include "engine/sending.h"
#include "engine/target.h"
#include "protocol/result.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_BODY_BYTES ((size_t)16384)
#define MAX_BYTES ((size_t)4 << 20)
#define MAX_TARGETS 8

/* In a sentence. */
#define SHOWN(value) rxp_show((value), strlen(value)).text

/* What is being printed. */
struct page {
    const struct dry_run *dry;
    struct buf text;
    int step;
    char *origins[MAX_TARGETS]; /* those that were judged */
    size_t n_origins;
    struct rxp_refusal *why;
    bool refused;
};

/* ---- words ---- */

static void put_seconds(struct buf *out, int64_t ms)
{
    buf_putf(out, "%g s", (double)ms / 1000);
}

static void put_words(struct buf *out, const struct rxp_words *words)
{
    for (size_t i = 0; i < words->n; i++) {
        buf_puts(out, i == 0 ? "" : i + 1 == words->n ? " or " : ", ");
        mask_put_text(out, words->word[i], strlen(words->word[i]), 200);
    }
}

static void put_codes(struct buf *out, const struct rxp_codes *codes)
{
    for (size_t i = 0; i < codes->n; i++) {
        buf_putf(out, "%s%d", i == 0 ? "" : i + 1 == codes->n ? " or " : ", ", codes->code[i]);
    }
}

/* ---- where it goes ---- */

static void refuse(struct page *page, enum rxp_error error, const char *sentence)
{
    if (!page->refused) {
        rxp_refuse(page->why, error, "%s", sentence);
        page->refused = true;
    }
}

static void put_secret(struct page *page, const struct rxp_http_header *header, const struct target *target)
{
    char why[SECRETS_WHY_BYTES];
    const struct rxp_http_plan *plan = page->dry->plan;
    if (!secret_is_in(header->value)) {
        return;
    }
    if (secrets_check(page->dry->secrets, header->value, target->host, target->port, plan->secret_bindings,
                      plan->n_secret_bindings, why)) {
        buf_putf(&page->text, "      # the worker knows this secret, and it may go to %s:%d\n", target->host, target->port);
    } else {
        buf_putf(&page->text, "      # REFUSED: %s\n", why);
        refuse(page, RXP_ERROR_SECRET_DENIED, why);
    }
}

static bool was_judged(struct page *page, const char *origin)
{
    for (size_t i = 0; i < page->n_origins; i++) {
        if (strcmp(page->origins[i], origin) == 0) {
            return true;
        }
    }
    if (page->n_origins < MAX_TARGETS) {
        char *copy = strdup(origin);
        if (copy != NULL) {
            page->origins[page->n_origins++] = copy;
        }
    }
    return false;
}

/* Not an address, which was decided by itself. */
static bool is_name(const char *host)
{
    return strspn(host, "0123456789.") != strlen(host) && strchr(host, ':') == NULL;
}

/* Once for each origin. */
static void put_egress(struct page *page, const struct target *target)
{
    char why[EGRESS_WHY_BYTES];
    if (was_judged(page, target->origin)) {
        return;
    }
    bool is_proxied = outlet_is_proxied(page->dry->outlet, target);
    if (egress_check_host(page->dry->egress, target->host, target->port, is_proxied ? EGRESS_BY_PROXY : EGRESS_DIRECT, why)) {
        buf_putf(&page->text, "   # egress: %s:%d may be asked%s\n", target->host, target->port,
                 is_proxied              ? ", through the proxy"
                 : is_name(target->host) ? "; the address that this name has is checked as it connects"
                                         : "");
    } else {
        buf_putf(&page->text, "   # egress: REFUSED: %s\n", why);
        refuse(page, RXP_ERROR_EGRESS_DENIED, why);
    }
}

/* ---- a request ---- */

static void put_body(struct buf *out, const char *body, size_t bytes)
{
    size_t shown = bytes < MAX_BODY_BYTES ? bytes : MAX_BODY_BYTES;
    buf_puts(out, "\n");
    for (size_t at = 0; at < shown;) {
        const char *end = memchr(body + at, '\n', shown - at);
        size_t line = end != NULL ? (size_t)(end - body) - at : shown - at;
        buf_puts(out, "   ");
        mask_put_text(out, body + at, line, line);
        buf_puts(out, "\n");
        at += line + 1;
    }
    if (shown < bytes) {
        buf_putf(out, "   … %zu bytes in all\n", bytes);
    }
}

/* In a message's own body that may be meant; mostly it is not. */
static void put_unfilled(struct buf *out, const char *body, size_t bytes)
{
    const char *at = memmem(body, bytes, "{var.", 5);
    size_t left = at != NULL ? bytes - (size_t)(at - body) : 0;
    const char *end = at != NULL ? memchr(at, '}', left) : NULL;
    if (end != NULL) {
        buf_puts(out, "   # ");
        mask_put_text(out, at, (size_t)(end + 1 - at), 100);
        buf_puts(out, " is sent as it stands: the invocation has no such variable\n");
    }
}

static void put_header(struct buf *out, const char *name, const char *value)
{
    buf_putf(out, "   %s: ", name);
    mask_put_header_value(out, name, value);
    buf_puts(out, "\n");
}

static void put_idempotency(struct page *page)
{
    const struct dry_run *dry = page->dry;
    struct sending *sending = sending_new();
    if (sending != NULL && sending_put_id(sending, dry->plan->idempotency_header, dry->invocation->invocation_id) == 0) {
        const struct http_header *header = sending_headers(sending).header;
        put_header(&page->text, header->name, header->value);
    }
    sending_free(sending);
}

static bool is_overridden(const struct rxp_http_plan *plan, const char *name, const char *url)
{
    for (size_t i = 0; i < plan->n_headers; i++) {
        if (strcasecmp(plan->headers[i].name, name) == 0 && rxp_http_plan_sends(plan, &plan->headers[i], url)) {
            return true;
        }
    }
    return false;
}

static void put_headers(struct page *page, const struct rxp_http_call *call, const struct target *target)
{
    const struct rxp_http_plan *plan = page->dry->plan;
    const char *type = rxp_http_call_content_type(call);
    if (type != NULL && !is_overridden(plan, "Content-Type", call->url)) {
        put_header(&page->text, "Content-Type", type);
    }
    if (call == &plan->kickoff && plan->idempotency_header != NULL) {
        put_idempotency(page);
    }
    for (size_t i = 0; i < plan->n_headers; i++) {
        const struct rxp_http_header *header = &plan->headers[i];
        if (!rxp_http_call_has_use_of(call, header->name)) {
            continue;
        }
        if (rxp_http_plan_sends(plan, header, call->url)) {
            put_header(&page->text, header->name, header->value);
            put_secret(page, header, target);
        } else {
            buf_putf(&page->text, "   # %s: is not sent: the profile does not name this host\n", header->name);
        }
    }
}

static void put_call(struct page *page, const struct rxp_http_call *call)
{
    char why[256];
    struct target target;
    buf_putf(&page->text, "\n   %s ", call->method);
    if (call->url == NULL) {
        buf_putf(&page->text, "(the URL that %s names; headers of the invocation go only to origins that it names itself)\n",
                 page->dry->plan->poll_url_header);
        return;
    }
    mask_put_url(&page->text, call->url);
    buf_puts(&page->text, "\n");
    switch (target_parse(&target, call->url, why, sizeof why)) {
    case TARGET_OK:
        put_headers(page, call, &target);
        put_egress(page, &target);
        break;
    case TARGET_MALFORMED:
    case TARGET_NOT_HTTP:
        refuse(page, RXP_ERROR_INVALID_METADATA, why);
        break;
    case TARGET_MEMORY:
        refuse(page, RXP_OK, why);
        break;
    }
    target_deinit(&target);
    if (call->body != NULL) {
        put_body(&page->text, call->body, call->body_bytes);
        put_unfilled(&page->text, call->body, call->body_bytes);
        if (call->body_is_form && (call->body_has_run_id || call->body_has_prepared_id)) {
            buf_puts(&page->text, "   # sent url-encoded\n");
        }
    }
}

static struct buf *begin_step(struct page *page, const char *name)
{
    buf_putf(&page->text, "%s%d. %s: ", page->step > 0 ? "\n" : "", page->step + 1, name);
    page->step++;
    return &page->text;
}

/* ---- the calls, in their order ---- */

static void put_prepare(struct page *page)
{
    const struct rxp_http_plan *plan = page->dry->plan;
    struct buf *out = begin_step(page, "prepare");
    if (plan->prepared_id_path != NULL) {
        buf_putf(out, "any 2xx will do; {prepared_id} is read at '%s' of the answer\n", SHOWN(plan->prepared_id_path));
    } else {
        buf_puts(out, "any 2xx will do\n");
    }
    put_call(page, &plan->prepare);
}

static void put_kickoff(struct page *page)
{
    const struct rxp_http_plan *plan = page->dry->plan;
    struct buf *out = begin_step(page, "kickoff");
    if (!plan->polls) {
        buf_puts(out, "its answer is the result, 2xx is a success");
        if (plan->result_path != NULL) {
            buf_putf(out, "; http.result is read at '%s'", SHOWN(plan->result_path));
        }
        buf_puts(out, "\n");
        put_call(page, &plan->kickoff);
        return;
    }
    buf_puts(out, "accepted by ");
    put_codes(out, &plan->accept_codes);
    if (plan->run_id_path != NULL) {
        buf_putf(out, "; the run id is read at '%s' of the answer", SHOWN(plan->run_id_path));
    }
    if (plan->poll_url_header != NULL) {
        buf_putf(out, "; the status URL is its %s header", plan->poll_url_header);
    }
    buf_puts(out, "\n");
    put_call(page, &plan->kickoff);
}

static void put_poll_rule(struct page *page)
{
    const struct rxp_http_plan *plan = page->dry->plan;
    struct buf *out = begin_step(page, "poll");
    buf_puts(out, "at once, then every ");
    put_seconds(out, plan->poll_interval_ms);
    if (plan->poll_backoff_factor > 1) {
        buf_putf(out, ", each wait %g times the last, up to ", plan->poll_backoff_factor);
        put_seconds(out, plan->poll_max_interval_ms);
    }
    buf_puts(out, " (Retry-After makes it longer)\n");
    buf_putf(out, "   until '%s' is ", SHOWN(plan->status_path));
    put_words(out, &plan->terminal_states);
    buf_puts(out, "; a success is ");
    put_words(out, &plan->success_states);
    buf_puts(out, "\n");
    if (plan->missing_status_is_pending) {
        buf_puts(out, "   not yet: an answer without that field\n");
        if (plan->error_paths.n > 0) {
            buf_puts(out, "   a failure all the same: with a message at ");
            put_words(out, &plan->error_paths);
            buf_puts(out, "\n");
        }
    }
    if (plan->pending_codes.n > 0) {
        buf_puts(out, "   not yet: ");
        put_codes(out, &plan->pending_codes);
        if (plan->poll_pending_ms != INT64_MAX) {
            buf_puts(out, ", for ");
            put_seconds(out, plan->poll_pending_ms);
        }
        buf_puts(out, "\n");
    }
    int failures = plan->poll_max_failures >= 0 ? plan->poll_max_failures : page->dry->poll_max_failures;
    buf_putf(out, "   %d failures in a row that may pass are survived\n", failures);
    if (plan->late_run_id_path != NULL) {
        buf_putf(out, "   {run_id} of the calls below is read at '%s' of its answers\n", SHOWN(plan->late_run_id_path));
    }
    if (plan->result.url == NULL && plan->result_path != NULL) {
        buf_putf(out, "   http.result is read at '%s' of the last answer\n", SHOWN(plan->result_path));
    }
    put_call(page, &plan->poll);
}

static void put_states(struct buf *out, const struct rxp_words *states, bool all)
{
    if (all) {
        buf_puts(out, "any terminal state");
    } else {
        put_words(out, states);
    }
}

static void put_result(struct page *page)
{
    const struct rxp_http_plan *plan = page->dry->plan;
    struct buf *out = begin_step(page, "result fetch");
    buf_puts(out, "after ");
    put_states(out, &plan->result_states, plan->result_states_all);
    if (plan->result_path != NULL) {
        buf_putf(out, "; http.result is read at '%s' of the answer\n", SHOWN(plan->result_path));
    } else {
        buf_puts(out, "; the answer is http.result\n");
    }
    put_call(page, &plan->result);
}

static void put_ends(struct page *page)
{
    const struct rxp_http_plan *plan = page->dry->plan;
    if (plan->after.url != NULL) {
        struct buf *out = begin_step(page, "after");
        buf_puts(out, "at the end, where it is ");
        put_states(out, &plan->after_states, plan->after_states_all);
        buf_puts(out, "; whatever comes of it, the result stays\n");
        put_call(page, &plan->after);
    }
    if (plan->cancel.url != NULL) {
        buf_puts(begin_step(page, "cancel"), "instead, where the run times out or is cancelled\n");
        put_call(page, &plan->cancel);
    }
}

static void put_profile(struct page *page)
{
    const struct dry_run *dry = page->dry;
    if (dry->profile != NULL) {
        buf_putf(&page->text, "profile: %s%s\n", SHOWN(dry->profile->name),
                 dry->profile->only ? ", which alone says where requests go" : "");
    }
    if (dry->plan->kickoffs_per_second > 0) {
        buf_putf(&page->text, "rate: %g kickoffs a second at most, of all runs with this profile\n",
                 dry->plan->kickoffs_per_second);
    }
}

static void put_time(struct page *page)
{
    int64_t asked_ms = page->dry->invocation->timeout_ms;
    bool is_own = asked_ms > 0 && asked_ms <= page->dry->max_run_ms;
    buf_puts(&page->text, "\ntime: ");
    put_seconds(&page->text, is_own ? asked_ms : page->dry->max_run_ms);
    buf_putf(&page->text, " from the kickoff (%s)", is_own ? "timeout_seconds" : "the worker's max-run-seconds");
    if (page->dry->plan->start_before_ms != INT64_MAX) {
        char stamp[RXP_STAMP_BYTES];
        rxp_stamp_write(page->dry->plan->start_before_ms, stamp);
        buf_putf(&page->text, "; not started from %s on", stamp);
    }
    buf_puts(&page->text, "\n");
}

int dry_run_print(const struct dry_run *dry, FILE *out, struct rxp_refusal *why)
{
    struct page page = {.dry = dry, .why = why};
    buf_init(&page.text, MAX_BYTES);
    if (dry->plan->prepare.url != NULL) {
        put_prepare(&page);
    }
    put_kickoff(&page);
    if (dry->plan->polls) {
        put_poll_rule(&page);
    }
    if (dry->plan->result.url != NULL) {
        put_result(&page);
    }
    put_ends(&page);
    put_time(&page);
    put_profile(&page);
    if (page.text.at != NULL && !buf_failed(&page.text)) {
        fwrite(page.text.at, 1, page.text.bytes, out);
    }
    for (size_t i = 0; i < page.n_origins; i++) {
        free(page.origins[i]);
    }
    buf_deinit(&page.text);
    return page.refused ? -1 : 0;
}
