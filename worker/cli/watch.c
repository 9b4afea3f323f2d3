#include "cli/watch.h"

#include "base/buf.h"
#include "base/clock.h"
#include "cli/mask.h"
#include "engine/awake.h"
#include "engine/secrets.h"
#include "engine/sending.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_LINE_BYTES ((size_t)256 * 1024)
#define BODY_BYTES 300
#define SEEN_BYTES ((size_t)8192) /* of a body, for what is to be hidden in it */

/* ---- lines ---- */

static void begin_line(const struct watch *watch, struct buf *line, int64_t now_ms, const char *mark)
{
    buf_init(line, MAX_LINE_BYTES);
    buf_putf(line, "%8.3f %s ", (double)(now_ms - watch->begun_ms) / 1000, mark);
}

/* One write for each line, so that others' lines on stderr do not break it. */
static void end_line(const struct watch *watch, struct buf *line)
{
    buf_puts(line, "\n");
    if (!buf_failed(line)) {
        fwrite(line->at, 1, line->bytes, watch->out);
        fflush(watch->out);
    }
    buf_deinit(line);
}

/* What came from the peer: it may say a secret back. */
static void put_theirs(const struct watch *watch, struct buf *line, const char *text, size_t bytes, size_t max_bytes)
{
    bool is_cut = bytes > SEEN_BYTES;
    size_t seen = is_cut ? SEEN_BYTES : bytes;
    char *copy = malloc(seen + 1);
    if (copy == NULL) {
        return;
    }
    for (size_t i = 0; i < seen; i++) {
        copy[i] = (char)(text[i] != '\0' ? text[i] : '\x01'); /* no end of the text, nor anything that is printed */
    }
    copy[seen] = '\0';
    sending_mask(watch->known, copy, is_cut);
    mask_put_text(line, copy, strlen(copy), max_bytes);
    buf_puts(line, is_cut && strlen(copy) <= max_bytes ? "…" : "");
    free(copy);
}

static void put_phrase(const struct watch *watch, struct buf *line, const char *text)
{
    put_theirs(watch, line, text, strlen(text), SEEN_BYTES);
}

static void put_their_url(const struct watch *watch, struct buf *line, const char *url)
{
    struct buf masked;
    buf_init(&masked, MAX_LINE_BYTES);
    mask_put_url(&masked, url);
    put_phrase(watch, line, masked.at != NULL ? masked.at : "");
    buf_deinit(&masked);
}

static void print_line(const struct watch *watch, int64_t now_ms, const char *mark, const char *name, const char *value)
{
    struct buf line;
    begin_line(watch, &line, now_ms, mark);
    buf_puts(&line, name);
    put_phrase(watch, &line, value);
    end_line(watch, &line);
}

static void print_body(const struct watch *watch, int64_t now_ms, const char *mark, const char *body, size_t bytes)
{
    struct buf line;
    begin_line(watch, &line, now_ms, mark);
    buf_putf(&line, "  body of %zu bytes: ", bytes);
    while (bytes > 0 && (body[bytes - 1] == '\n' || body[bytes - 1] == '\r')) {
        bytes--;
    }
    put_theirs(watch, &line, body, bytes, BODY_BYTES);
    end_line(watch, &line);
}

/* ---- what is sent ---- */

static void print_request(struct watch *watch, const struct trace *trace)
{
    struct buf line;
    watch->request = *trace->request;
    begin_line(watch, &line, trace->now_ms, ">");
    buf_putf(&line, "%s: %s ", trace->call, trace->request->method);
    put_their_url(watch, &line, trace->request->url);
    end_line(watch, &line);
}

/* As the plan has it; NULL: the header is not one of the plan's. */
static const char *planned_value(const struct watch *watch, const char *name)
{
    for (size_t i = 0; i < watch->plan->n_headers; i++) {
        if (strcasecmp(watch->plan->headers[i].name, name) == 0) {
            return watch->plan->headers[i].value;
        }
    }
    return NULL;
}

static void print_head_and_body(const struct watch *watch, const struct trace *trace)
{
    bool has_type = false;
    for (size_t i = 0; i < trace->headers.n; i++) {
        has_type = has_type || strcasecmp(trace->headers.header[i].name, "Content-Type") == 0;
    }
    if (watch->request.content_type != NULL && !has_type) {
        print_line(watch, trace->now_ms, ">", "  Content-Type: ", watch->request.content_type);
    }
    for (size_t i = 0; i < trace->headers.n; i++) {
        const struct http_header *header = &trace->headers.header[i];
        const char *planned = planned_value(watch, header->name);
        bool is_secret = planned != NULL && secret_is_in(planned);
        struct buf line;
        begin_line(watch, &line, trace->now_ms, ">");
        buf_putf(&line, "  %s: ", header->name);
        mask_put_header_value(&line, header->name, is_secret ? planned : header->value);
        end_line(watch, &line);
    }
    if (watch->request.body_bytes > 0) {
        print_body(watch, trace->now_ms, ">", watch->request.body, watch->request.body_bytes);
    }
}

/* ---- what comes back ---- */

static void put_part(struct buf *line, const char *name, int64_t us)
{
    if (us > 0) {
        buf_putf(line, ", %s %.1f", name, (double)us / 1000);
    }
}

static void put_timing(struct buf *line, const struct http_timing *timing)
{
    buf_putf(line, " (ms: queued %" PRId64, timing->queued_ms);
    if (timing->is_reused) {
        buf_puts(line, ", connection reused");
    } else {
        put_part(line, "name", timing->resolve_us);
        put_part(line, "connect", timing->connect_us);
        put_part(line, "TLS", timing->secure_us);
    }
    put_part(line, "first byte", timing->first_byte_us);
    put_part(line, "total", timing->total_us);
    buf_puts(line, ")");
    if (timing->redirects > 0) {
        buf_putf(line, " after %d redirect%s", timing->redirects, timing->redirects > 1 ? "s" : "");
    }
}

static void print_reply(const struct watch *watch, const struct trace *trace)
{
    const struct http_reply *reply = trace->reply;
    struct buf line;
    begin_line(watch, &line, trace->now_ms, "<");
    if (reply->code > 0) {
        buf_putf(&line, "%d", reply->code);
    }
    if (reply->error != TRANSPORT_OK) {
        buf_puts(&line, reply->code > 0 ? ": " : "no answer: ");
        put_phrase(watch, &line, reply->detail);
    }
    put_timing(&line, &reply->timing);
    end_line(watch, &line);
    if (reply->retry_after != NULL) {
        print_line(watch, trace->now_ms, "<", "  Retry-After: ", reply->retry_after);
    }
    if (reply->wanted_raw != NULL && watch->plan->poll_url_header != NULL) {
        begin_line(watch, &line, trace->now_ms, "<");
        buf_putf(&line, "  %s: ", watch->plan->poll_url_header);
        put_their_url(watch, &line, reply->wanted_raw);
        end_line(watch, &line);
    }
    if (reply->body_bytes > 0) {
        print_body(watch, trace->now_ms, "<", reply->body, reply->body_bytes);
    }
}

/* ---- what is made of it ---- */

static const char *next_name(enum cycle_state state)
{
    const char *name = cycle_call_name(state);
    return name != NULL ? name : "end";
}

static void put_named(const struct watch *watch, struct buf *line, const char *before, const char *what)
{
    if (what != NULL) {
        buf_puts(line, before);
        buf_puts(line, " '");
        put_phrase(watch, line, what);
        buf_puts(line, "'");
    }
}

static void put_verdict(const struct watch *watch, struct buf *line, const struct run *run, const struct verdict *verdict)
{
    switch (verdict->kind) {
    case VERDICT_PREPARED:
        buf_puts(line, "prepared");
        put_named(watch, line, ", id", run->awake->prepared_id);
        return;
    case VERDICT_ACCEPTED:
        buf_puts(line, "accepted");
        put_named(watch, line, ", run id", run->awake->run_id);
        return;
    case VERDICT_PENDING:
        buf_puts(line, "pending");
        put_named(watch, line, ", status", run->awake->state);
        return;
    case VERDICT_FETCH:
    case VERDICT_DONE:
        if (run->cycle.ended_in == CYCLE_FETCH && run->cycle.state == CYCLE_DONE) {
            buf_puts(line, "the result is there");
            return;
        }
        buf_puts(line, "terminal");
        put_named(watch, line, ": status", run->awake->state);
        buf_puts(line, verdict->succeeded ? ", a success" : ", a failure");
        return;
    case VERDICT_RETRY:
    case VERDICT_TRANSIENT:
        buf_puts(line, "may pass: ");
        put_phrase(watch, line, verdict->text);
        return;
    case VERDICT_BROKEN:
        put_phrase(watch, line, verdict->text);
        return;
    }
}

static void print_decision(const struct watch *watch, const struct run *run, const struct trace *trace)
{
    struct buf line;
    if (trace->verdict->kind == VERDICT_BROKEN && trace->action->kind == CYCLE_FINISH) {
        return; /* watch_end says it */
    }
    begin_line(watch, &line, trace->now_ms, "=");
    put_verdict(watch, &line, run, trace->verdict);
    switch (trace->action->kind) {
    case CYCLE_SEND_PREPARE:
    case CYCLE_SEND_KICKOFF:
    case CYCLE_SEND_POLL:
    case CYCLE_SEND_FETCH:
        buf_putf(&line, " -> %s", next_name(run->cycle.state));
        break;
    case CYCLE_WAIT:
        if (run->cycle.state == CYCLE_REST) {
            buf_putf(&line, ": waits %.1f s -> %s", (double)(run->cycle.rest_until_ms - trace->now_ms) / 1000,
                     next_name(run->cycle.next));
        }
        break;
    case CYCLE_FINISH:
        buf_puts(&line, " -> end");
        break;
    }
    end_line(watch, &line);
}

/* ---- all of it ---- */

static bool is_known(const struct sending *known, const char *secret)
{
    for (size_t i = 0; i < known->n_masks; i++) {
        if (strcmp(known->mask[i], secret) == 0) {
            return true;
        }
    }
    return false;
}

static void learn(struct watch *watch, const struct sending *sending)
{
    struct sending *known = watch->known;
    for (size_t i = 0; sending != NULL && known != NULL && i < sending->n_masks; i++) {
        char **more = is_known(known, sending->mask[i]) ? NULL : realloc(known->mask, (known->n_masks + 1) * sizeof *more);
        if (more != NULL) {
            known->mask = more;
            known->mask[known->n_masks] = strdup(sending->mask[i]);
            known->n_masks += known->mask[known->n_masks] != NULL;
        }
    }
}

void watch_begin(struct watch *watch, FILE *out, const struct rxp_http_plan *plan)
{
    *watch = (struct watch){.out = out, .plan = plan, .begun_ms = clock_mono_ms(), .known = sending_new()};
}

void watch_trace(struct watch *watch, const struct run *run, const struct trace *trace)
{
    learn(watch, trace->sending);
    switch (trace->kind) {
    case TRACE_QUEUED:
        print_request(watch, trace);
        break;
    case TRACE_DELAYED:
        print_line(watch, trace->now_ms, "=", "it waits: ", trace->why);
        break;
    case TRACE_SENT:
        print_head_and_body(watch, trace);
        break;
    case TRACE_ANSWERED:
        print_reply(watch, trace);
        break;
    case TRACE_DECIDED:
        if (run != NULL) {
            print_decision(watch, run, trace);
        }
        break;
    }
}

/* Where an author looks first; NULL: the sentence says it all. */
static const char *hint_of(enum rxp_error error)
{
    static const struct {
        enum rxp_error error;
        const char *hint;
    } hints[] = {
        {RXP_ERROR_KICKOFF_STATUS, "if that code accepts the run, name it in http.kickoff_accept_codes; else compare the request "
                                   "above with the API's documentation"},
        {RXP_ERROR_KICKOFF_NOT_JSON, "without http.poll_run_id_path the answer need not be JSON"},
        {RXP_ERROR_RUN_ID_MISSING, "compare http.poll_run_id_path with the body above"},
        {RXP_ERROR_RUN_ID_INVALID, "compare http.poll_run_id_path with the body above"},
        {RXP_ERROR_POLL_URL_MISSING, "compare http.poll_url_header with the API's documentation; http.poll_url_template is what "
                                     "counts where it is not there"},
        {RXP_ERROR_POLL_STATUS, "if that code means 'not yet', name it in http.poll_pending_codes; else compare the poll's URL "
                                "with the API's documentation"},
        {RXP_ERROR_STATUS_MISSING, "compare http.poll_status_path with the body above; if the field comes only at the end, set "
                                   "http.poll_missing_status to pending"},
        {RXP_ERROR_PREPARE_FAILED, "compare http.prepare_url, http.prepare_body and http.prepare_id_path with what is above"},
        {RXP_ERROR_RESULT_FETCH, "compare http.result_url_template and http.result_path with what is above"},
        {RXP_ERROR_BACKEND_FAILED, "if that status is a success, name it in http.poll_success_states"},
        {RXP_ERROR_POLL_TIMEOUT, "if a status above ends a run, name it in http.poll_terminal_states; else raise "
                                 "timeout_seconds"},
    };
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
        if (hints[i].error == error) {
            return hints[i].hint;
        }
    }
    return NULL;
}

/* Polled in vain with %2F where the API may want a slash. */
static bool has_coded_slash(const struct run *run)
{
    const char *template = run->awake->plan != NULL ? run->awake->plan->poll.url : NULL;
    return run->awake->outcome.error == RXP_ERROR_POLL_STATUS && template != NULL && strstr(template, "{run_id}") != NULL &&
           run->awake->run_id != NULL && strchr(run->awake->run_id, '/') != NULL;
}

void watch_end(struct watch *watch, const struct run *run)
{
    struct buf line;
    const char *code = rxp_error_name(run->awake->outcome.error);
    begin_line(watch, &line, clock_mono_ms(), "=");
    buf_puts(&line, rxp_status_name(run->awake->outcome.status));
    if (code != NULL) {
        buf_putf(&line, " (%s)", code);
    }
    if (run->awake->outcome.summary != NULL) {
        buf_puts(&line, ": ");
        put_phrase(watch, &line, run->awake->outcome.summary);
    }
    end_line(watch, &line);
    const char *hint = hint_of(run->awake->outcome.error);
    if (hint != NULL) {
        begin_line(watch, &line, clock_mono_ms(), "=");
        if (run->awake->outcome.error == RXP_ERROR_POLL_TIMEOUT && run->awake->state != NULL) {
            put_named(watch, &line, "its last status was", run->awake->state);
            buf_puts(&line, ": ");
        }
        buf_puts(&line, hint);
        if (has_coded_slash(run)) {
            buf_puts(&line, "; if it wants the slash of the id as it is, and not %2F, write {+run_id}");
        }
        end_line(watch, &line);
    }
}

void watch_deinit(struct watch *watch)
{
    sending_free(watch->known);
}
