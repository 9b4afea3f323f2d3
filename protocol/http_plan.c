#include "protocol/http_plan.h"

#include "protocol/comma_list.h"
#include "protocol/decimal.h"
#include "protocol/form.h"
#include "protocol/token.h"
#include "protocol/url.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum key {
    KEY_URL,
    KEY_METHOD,
    KEY_BODY,
    KEY_BODY_FORMAT,
    KEY_IDEMPOTENCY_HEADER,
    KEY_POLL_URL_TEMPLATE,
    KEY_POLL_RUN_ID_PATH,
    KEY_POLL_STATUS_PATH,
    KEY_POLL_TERMINAL_STATES,
    KEY_POLL_SUCCESS_STATES,
    KEY_POLL_INTERVAL_SECONDS,
    KEY_POLL_PENDING_CODES,
    KEY_POLL_MAX_FAILURES,
    KEY_RESULT_PATH,
    KEYS,
};

static const char *const keys[KEYS] = {
    [KEY_URL] = "http.url",
    [KEY_METHOD] = "http.method",
    [KEY_BODY] = "http.body",
    [KEY_BODY_FORMAT] = "http.body_format",
    [KEY_IDEMPOTENCY_HEADER] = "http.idempotency_header",
    [KEY_POLL_URL_TEMPLATE] = "http.poll_url_template",
    [KEY_POLL_RUN_ID_PATH] = "http.poll_run_id_path",
    [KEY_POLL_STATUS_PATH] = "http.poll_status_path",
    [KEY_POLL_TERMINAL_STATES] = "http.poll_terminal_states",
    [KEY_POLL_SUCCESS_STATES] = "http.poll_success_states",
    [KEY_POLL_INTERVAL_SECONDS] = "http.poll_interval_seconds",
    [KEY_POLL_PENDING_CODES] = "http.poll_pending_codes",
    [KEY_POLL_MAX_FAILURES] = "http.poll_max_failures",
    [KEY_RESULT_PATH] = "http.result_path",
};

#define METHOD_MAX_BYTES 32
#define HEADER_NAME_MAX_BYTES 128
#define MAX_FAILURES_LIMIT 1000000
/* Of a comma list: far more than any API has states, and few enough to compare each with each. */
#define LIST_MAX_ITEMS 256
/* Servers seldom take more than 8 KiB of headers. */
#define HEADER_VALUE_MAX_BYTES 4096
#define DEFAULT_POLL_INTERVAL_MS 2000

static const char *const default_success_states[] = {"completed"};
static const int default_accept_codes[] = {200, 202};

/* A plan in the making. */
struct draft {
    const struct rxp_invocation *invocation;
    const char *value[KEYS]; /* NULL: not given */
    struct json_slice form;  /* the body, where it is to be sent as a form */
    char *free_at;           /* what is left of plan->owned */
    char *free_end;
    struct rxp_refusal *why;
};

static void *take(struct draft *draft, size_t bytes, size_t align)
{
    char *at = draft->free_at + (align - (uintptr_t)draft->free_at % align) % align;

    assert(bytes <= (size_t)(draft->free_end - at));
    draft->free_at = at + bytes;
    return at;
}

static int refuse_value(struct draft *draft, enum key key, const char *what)
{
    return rxp_refuse(draft->why, RXP_ERROR_INVALID_METADATA, "%s '%s' %s", keys[key],
                      rxp_show(draft->value[key], strlen(draft->value[key])).text, what);
}

static int refuse_missing(struct draft *draft, enum key key)
{
    return rxp_refuse(draft->why, RXP_ERROR_MISSING_METADATA, "missing metadata '%s'", keys[key]);
}

/* What is required must not be empty either. */
static bool is_missing(const struct draft *draft, enum key key)
{
    return draft->value[key] == NULL || draft->value[key][0] == '\0';
}

static int collect(struct draft *draft)
{
    const struct rxp_invocation *invocation = draft->invocation;

    for (size_t i = 0; i < invocation->n_metadata; i++) {
        const char *key = invocation->metadata[i].key;
        if (strncmp(key, "http.", 5) != 0 && strncmp(key, "rxp.", 4) != 0)
            continue;
        size_t k = 0;
        while (k < KEYS && strcmp(key, keys[k]) != 0)
            k++;
        if (k == KEYS)
            return rxp_refuse_unknown(draft->why, RXP_ERROR_INVALID_METADATA, "metadata key", key, keys, KEYS);
        draft->value[k] = invocation->metadata[i].value;
    }
    return 0;
}

static int check_method(struct draft *draft)
{
    const char *method = draft->value[KEY_METHOD];

    if (method == NULL)
        return 0;
    if (!token_is(method, METHOD_MAX_BYTES))
        return refuse_value(draft, KEY_METHOD, "is no HTTP method");
    /* It asks for a tunnel, not for the URL. */
    if (strcasecmp(method, "CONNECT") == 0)
        return refuse_value(draft, KEY_METHOD, "starts no run: use POST, PUT, PATCH or GET");
    return 0;
}

/* The invocation_id as the header's value: visible ASCII as it stands, the rest and '%' percent-encoded. */
static int check_idempotency_key(struct draft *draft, const char *name)
{
    const char *id = draft->invocation->invocation_id;
    size_t bytes = strlen(id);
    size_t sent_bytes = 0;

    for (size_t i = 0; i < bytes; i++)
        sent_bytes += id[i] > 0x20 && id[i] < 0x7F && id[i] != '%' ? 1 : 3;
    if (sent_bytes > HEADER_VALUE_MAX_BYTES)
        return rxp_refuse(draft->why, RXP_ERROR_INVALID_METADATA,
                          "invocation_id needs %zu bytes, percent-encoded, more than the %d that may be sent in the "
                          "header %s: shorten it, or set http.idempotency_header to \"\"",
                          sent_bytes, HEADER_VALUE_MAX_BYTES, name);
    for (size_t i = 0; i < bytes; i++) {
        if ((unsigned char)id[i] < 0x20 || id[i] == 0x7F)
            return rxp_refuse(draft->why, RXP_ERROR_INVALID_METADATA,
                              "invocation_id '%s' holds a control character, so it can't be sent in the header %s: "
                              "change it, or set http.idempotency_header to \"\"",
                              rxp_show(id, bytes).text, name);
    }
    return 0;
}

static int check_idempotency_header(struct draft *draft)
{
    /* They frame the message, or are the worker's to set. */
    static const char *const refused[] = {"Host",   "Content-Length", "Transfer-Encoding", "Connection",
                                          "Expect", "Upgrade",        "Content-Type",      "User-Agent"};
    const char *name = draft->value[KEY_IDEMPOTENCY_HEADER];

    if (name != NULL && name[0] == '\0')
        return 0;
    if (name != NULL) {
        if (!token_is(name, HEADER_NAME_MAX_BYTES))
            return refuse_value(draft, KEY_IDEMPOTENCY_HEADER, "is no header name");
        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
            if (strcasecmp(name, refused[i]) == 0)
                return refuse_value(draft, KEY_IDEMPOTENCY_HEADER, "is a header that a message may not set");
        }
    }
    return check_idempotency_key(draft, name != NULL ? name : RXP_IDEMPOTENCY_HEADER);
}

static int check_body(struct draft *draft, struct rxp_http_plan *plan)
{
    const char *format = draft->value[KEY_BODY_FORMAT];
    const char *body = draft->value[KEY_BODY];
    struct json_fault fault;
    bool form = false;

    if (format != NULL) {
        form = strcmp(format, "form") == 0;
        if (!form && strcmp(format, "json") != 0)
            return refuse_value(draft, KEY_BODY_FORMAT, "is neither 'json' nor 'form'");
    }
    if (body == NULL)
        return 0;
    if (body[0] == '\0')
        return rxp_refuse(draft->why, RXP_ERROR_INVALID_METADATA,
                          "http.body is empty, which is no JSON text: leave it out to send no body");
    /* Its own repeated keys are the backend's business: it is sent byte for byte. */
    if (json_check(body, strlen(body), JSON_KEYS_ANY, &fault) < 0)
        return rxp_refuse(draft->why, RXP_ERROR_INVALID_METADATA, "http.body is not valid JSON: %s, at its byte %zu",
                          fault.what, fault.at_byte);
    plan->kickoff.body = body;
    plan->kickoff.body_bytes = strlen(body);
    plan->kickoff.body_is_form = form;
    if (!form)
        return 0;
    draft->form = json_document(body, plan->kickoff.body_bytes);
    if (form_check(keys[KEY_BODY], draft->form, draft->why) < 0)
        return -1;
    plan->kickoff.body_bytes = form_write(draft->form, NULL);
    return 0;
}

static int check_kickoff(struct draft *draft, struct rxp_http_plan *plan)
{
    const char *header = draft->value[KEY_IDEMPOTENCY_HEADER];

    if (is_missing(draft, KEY_URL))
        return refuse_missing(draft, KEY_URL);
    plan->kickoff.url = draft->value[KEY_URL];
    if (url_check(keys[KEY_URL], plan->kickoff.url, URL_PLAIN, draft->why) < 0 || check_method(draft) < 0 ||
        check_body(draft, plan) < 0 || check_idempotency_header(draft) < 0)
        return -1;
    plan->idempotency_header = header == NULL ? RXP_IDEMPOTENCY_HEADER : header[0] == '\0' ? NULL : header;
    plan->result_path = draft->value[KEY_RESULT_PATH];
    return 0;
}

static int check_list(struct draft *draft, enum key key)
{
    const char *list = draft->value[key];
    size_t n = list == NULL ? 0 : comma_list_count(list);

    if (n <= LIST_MAX_ITEMS)
        return 0;
    return rxp_refuse(draft->why, RXP_ERROR_INVALID_METADATA, "%s has %zu items, more than %d", keys[key], n,
                      LIST_MAX_ITEMS);
}

static struct rxp_words take_words(struct draft *draft, enum key key)
{
    const char *list = draft->value[key];
    size_t n = comma_list_count(list);
    const char **word = take(draft, n * sizeof(*word), _Alignof(const char *));
    const char *item;
    size_t bytes;

    for (size_t i = 0; comma_list_next(&list, &item, &bytes); i++) {
        char *copy = take(draft, bytes + 1, 1);
        memcpy(copy, item, bytes);
        copy[bytes] = '\0';
        word[i] = copy;
    }
    return (struct rxp_words){.word = word, .n = n};
}

static int read_states(struct draft *draft, struct rxp_http_plan *plan)
{
    if (is_missing(draft, KEY_POLL_TERMINAL_STATES))
        return refuse_missing(draft, KEY_POLL_TERMINAL_STATES);
    if (check_list(draft, KEY_POLL_TERMINAL_STATES) < 0 || check_list(draft, KEY_POLL_SUCCESS_STATES) < 0)
        return -1;
    plan->terminal_states = take_words(draft, KEY_POLL_TERMINAL_STATES);
    if (plan->terminal_states.n == 0)
        return refuse_value(draft, KEY_POLL_TERMINAL_STATES, "names no state");
    plan->success_states = (struct rxp_words){.word = default_success_states, .n = 1};
    if (draft->value[KEY_POLL_SUCCESS_STATES] != NULL)
        plan->success_states = take_words(draft, KEY_POLL_SUCCESS_STATES);
    for (size_t i = 0; i < plan->success_states.n; i++) {
        if (rxp_words_has(&plan->terminal_states, plan->success_states.word[i]))
            return 0;
    }
    const char *success = draft->value[KEY_POLL_SUCCESS_STATES];
    const char *terminal = draft->value[KEY_POLL_TERMINAL_STATES];
    return rxp_refuse(draft->why, RXP_ERROR_INVALID_METADATA,
                      "no run could ever succeed: none of http.poll_success_states '%s'%s is among "
                      "http.poll_terminal_states '%s'",
                      success == NULL ? default_success_states[0] : rxp_show(success, strlen(success)).text,
                      success == NULL ? " (the default)" : "", rxp_show(terminal, strlen(terminal)).text);
}

static int read_pending_codes(struct draft *draft, struct rxp_http_plan *plan)
{
    const char *list = draft->value[KEY_POLL_PENDING_CODES];
    const char *item;
    size_t bytes;

    if (list == NULL)
        return 0;
    if (check_list(draft, KEY_POLL_PENDING_CODES) < 0)
        return -1;
    size_t n = comma_list_count(list);
    int *code = take(draft, n * sizeof(*code), _Alignof(int));
    for (size_t i = 0; comma_list_next(&list, &item, &bytes); i++) {
        if (bytes != 3 || item[0] < '1' || item[0] > '5' || item[1] < '0' || item[1] > '9' || item[2] < '0' ||
            item[2] > '9')
            return rxp_refuse(draft->why, RXP_ERROR_INVALID_METADATA,
                              "http.poll_pending_codes has '%s', which is no HTTP status code from 100 to 599",
                              rxp_show(item, bytes).text);
        code[i] = (item[0] - '0') * 100 + (item[1] - '0') * 10 + (item[2] - '0');
    }
    plan->pending_codes = (struct rxp_codes){.code = code, .n = n};
    return 0;
}

static int read_numbers(struct draft *draft, struct rxp_http_plan *plan)
{
    const char *interval = draft->value[KEY_POLL_INTERVAL_SECONDS];
    const char *failures = draft->value[KEY_POLL_MAX_FAILURES];
    struct decimal number;
    int64_t held;

    plan->poll_interval_ms = DEFAULT_POLL_INTERVAL_MS;
    if (interval != NULL) {
        /* Beyond 308 powers of ten most readers would see infinity. */
        if (!decimal_parse(interval, strlen(interval), &number) || number.negative || number.magnitude > 308)
            return refuse_value(draft, KEY_POLL_INTERVAL_SECONDS, "is no decimal number of seconds, 0 or more");
        plan->poll_interval_ms = decimal_to_ms(&number, RXP_MAX_MS);
    }
    plan->poll_max_failures = -1;
    if (failures != NULL) {
        if (failures[strspn(failures, "0123456789")] != '\0' || !decimal_parse(failures, strlen(failures), &number))
            return refuse_value(draft, KEY_POLL_MAX_FAILURES, "is no whole number, 0 or more");
        plan->poll_max_failures =
            decimal_to_int(&number, 0, MAX_FAILURES_LIMIT, &held) ? (int)held : MAX_FAILURES_LIMIT;
    }
    return 0;
}

static int read_polls(struct draft *draft, struct rxp_http_plan *plan)
{
    const char *id = draft->invocation->invocation_id;

    if (is_missing(draft, KEY_POLL_URL_TEMPLATE))
        return refuse_missing(draft, KEY_POLL_URL_TEMPLATE);
    const char *url = draft->value[KEY_POLL_URL_TEMPLATE];
    if (url_check(keys[KEY_POLL_URL_TEMPLATE], url, URL_TEMPLATE, draft->why) < 0)
        return -1;
    size_t longest = url_longest(url, id);
    if (longest > URL_MAX_BYTES)
        return rxp_refuse(draft->why, RXP_ERROR_INVALID_METADATA,
                          "http.poll_url_template could become %zu bytes with its placeholders filled, more than %d",
                          longest, URL_MAX_BYTES);
    /* As a path segment these would name another resource. */
    if (url_has_invocation_id(url) && (strcmp(id, ".") == 0 || strcmp(id, "..") == 0))
        return rxp_refuse(draft->why, RXP_ERROR_INVALID_METADATA,
                          "http.poll_url_template names {invocation_id}, but the id '%s' is a step in a path", id);
    char *filled = take(draft, url_write(NULL, url, NULL, id) + 1, 1);
    filled[url_write(filled, url, NULL, id)] = '\0';
    plan->poll = (struct rxp_http_call){.url = filled, .method = "GET", .url_has_run_id = url_has_run_id(url)};
    if (url_has_run_id(url)) {
        if (is_missing(draft, KEY_POLL_RUN_ID_PATH))
            return refuse_missing(draft, KEY_POLL_RUN_ID_PATH);
        plan->run_id_path = draft->value[KEY_POLL_RUN_ID_PATH];
    }
    if (is_missing(draft, KEY_POLL_STATUS_PATH))
        return refuse_missing(draft, KEY_POLL_STATUS_PATH);
    plan->status_path = draft->value[KEY_POLL_STATUS_PATH];
    if (read_states(draft, plan) < 0 || read_numbers(draft, plan) < 0)
        return -1;
    return read_pending_codes(draft, plan);
}

/* One block for all that is not in the invocation as it is needed. */
static int reserve(struct draft *draft, struct rxp_http_plan *plan)
{
    static const enum key lists[] = {KEY_POLL_TERMINAL_STATES, KEY_POLL_SUCCESS_STATES, KEY_POLL_PENDING_CODES};
    size_t bytes = METHOD_MAX_BYTES + 1 + 2 * sizeof(struct rxp_named_url) + _Alignof(max_align_t);

    if (draft->form.bytes > 0)
        bytes += plan->kickoff.body_bytes + 1;
    if (plan->polls && draft->value[KEY_POLL_URL_TEMPLATE] != NULL)
        bytes += url_write(NULL, draft->value[KEY_POLL_URL_TEMPLATE], NULL, draft->invocation->invocation_id) + 1;
    for (size_t i = 0; plan->polls && i < sizeof(lists) / sizeof(lists[0]); i++) {
        const char *list = draft->value[lists[i]];
        if (list != NULL)
            bytes += comma_list_count(list) * sizeof(char *) + strlen(list) + 1 + _Alignof(max_align_t);
    }
    plan->owned = malloc(bytes);
    if (plan->owned == NULL)
        return rxp_refuse(draft->why, RXP_ERROR_INVALID_METADATA, "no memory for a plan of %zu bytes", bytes);
    draft->free_at = plan->owned;
    draft->free_end = draft->free_at + bytes;
    return 0;
}

static void take_kickoff(struct draft *draft, struct rxp_http_plan *plan)
{
    const char *method = draft->value[KEY_METHOD];
    struct rxp_named_url *named = take(draft, 2 * sizeof(*named), _Alignof(struct rxp_named_url));

    named[plan->n_named++] = (struct rxp_named_url){.url = plan->kickoff.url};
    if (plan->polls && draft->value[KEY_POLL_URL_TEMPLATE] != NULL)
        named[plan->n_named++] = (struct rxp_named_url){.url = draft->value[KEY_POLL_URL_TEMPLATE]};
    plan->named = named;
    plan->kickoff.method = "POST";
    if (method != NULL) {
        size_t bytes = strlen(method) + 1;
        char *upper = take(draft, bytes, 1);
        memcpy(upper, method, bytes);
        for (char *at = upper; *at != '\0'; at++) {
            if (*at >= 'a' && *at <= 'z')
                *at = (char)(*at - 'a' + 'A');
        }
        plan->kickoff.method = upper;
    }
    if (draft->form.bytes > 0) {
        char *body = take(draft, plan->kickoff.body_bytes + 1, 1);
        form_write(draft->form, body);
        body[plan->kickoff.body_bytes] = '\0';
        plan->kickoff.body = body;
    }
}

int rxp_http_plan_make(const struct rxp_invocation *invocation, const struct rxp_defaults *defaults,
                       struct rxp_http_plan *out, struct rxp_refusal *why)
{
    (void)defaults;
    struct draft draft = {.invocation = invocation, .form = {.at = "", .bytes = 0}, .why = why};

    *out = (struct rxp_http_plan){
        .polls = invocation->kind == RXP_KIND_HTTP_ASYNC,
        .start_before_ms = INT64_MAX,
        .accept_codes = {default_accept_codes, 2},
        .kickoff_max_retries = 0,
        .poll_pending_ms = INT64_MAX,
        .poll_backoff_factor = 1.0,
        .poll_max_interval_ms = 60000,
        .poll_max_failures = -1,
    };
    if (invocation->kind != RXP_KIND_HTTP_ASYNC && invocation->kind != RXP_KIND_HTTP)
        return rxp_refuse(why, RXP_ERROR_UNSUPPORTED_KIND,
                          "runtime_kind '%s' is not run here: this worker runs http_async and http",
                          rxp_kind_name(invocation->kind));
    if (collect(&draft) < 0 || check_kickoff(&draft, out) < 0 || reserve(&draft, out) < 0)
        goto refused;
    take_kickoff(&draft, out);
    if (out->polls && read_polls(&draft, out) < 0)
        goto refused;
    return 0;
refused:
    rxp_http_plan_deinit(out);
    return -1;
}

void rxp_http_plan_deinit(struct rxp_http_plan *plan)
{
    free(plan->owned);
    *plan = (struct rxp_http_plan){.owned = NULL};
}

const char *const *rxp_http_plan_keys(size_t *n)
{
    *n = KEYS;
    return keys;
}
