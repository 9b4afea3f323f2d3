/* runner_stage: a runner with a transport that the test answers for, a clock that the test sets, and runs as core has
 * them.
 *
 * For the test files of the runner. One thread; nothing waits. */
#ifndef RXP_TESTS_RUNNER_STAGE_H
#define RXP_TESTS_RUNNER_STAGE_H

#include "base/clock.h"
#include "engine/query_part.h"
#include "engine/runner.h"
#include "engine/trace_context.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(rows) (int)(sizeof(rows) / sizeof((rows)[0]))
#define SLICE_MS 1000
#ifndef MAX_TRANSFERS
#define MAX_TRANSFERS 64
#endif
/* The tests are built twice: here no run sleeps, and with 0 every one that can. */
#ifndef STAGE_NAP_LEAST_MS
#define STAGE_NAP_LEAST_MS INT64_MAX
#endif
#ifndef STAGE_LINE_SEATS
#define STAGE_LINE_SEATS 0
#endif

/* ---- a transport that the test answers for ---- */

struct transfer {
    char method[16];
    char url[512];
    char body[256];
    char content_type[64];
    char header[8][128];
    char want_header[64];
    bool is_kickoff;
    size_t n_headers;
    size_t n_secrets;
    char secret[32]; /* the first */
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    bool once;
    transfer_begun_fn begun;
    transfer_done_fn done;
    void *opaque;
    bool cancelled;
    bool is_late;
    bool is_over;
    bool is_held;
    int released;
};

static struct transfer transfers[MAX_TRANSFERS];
static size_t n_transfers;
static bool out_of_memory;

static inline struct transfer *fake_start(struct transport *transport, const struct http_request *request,
                                   transfer_begun_fn begun, transfer_done_fn done, void *opaque)
{
    (void)transport;
    if (out_of_memory) {
        return NULL;
    }
    ck_assert_uint_lt(n_transfers, MAX_TRANSFERS);
    struct transfer *transfer = &transfers[n_transfers++];
    *transfer = (struct transfer){.timeout_ms = request->timeout_ms,
                                  .connect_timeout_ms = request->connect_timeout_ms,
                                  .once = request->once,
                                  .is_kickoff = request->is_kickoff,
                                  .begun = begun,
                                  .done = done,
                                  .opaque = opaque};
    snprintf(transfer->method, sizeof transfer->method, "%s", request->method);
    snprintf(transfer->url, sizeof transfer->url, "%s", request->url);
    snprintf(transfer->body, sizeof transfer->body, "%.*s", (int)request->body_bytes,
             request->body != NULL ? request->body : "");
    snprintf(transfer->want_header, sizeof transfer->want_header, "%s",
             request->want_header != NULL ? request->want_header : "");
    snprintf(transfer->content_type, sizeof transfer->content_type, "%s",
             request->content_type != NULL ? request->content_type : "");
    return transfer;
}

static inline void fake_cancel(struct transport *transport, struct transfer *transfer, bool is_late)
{
    (void)transport;
    transfer->is_late = is_late;
    ck_assert(!transfer->is_over);
    transfer->cancelled = true;
    transfer->is_over = true;
}

static inline void fake_release(struct transport *transport, struct transfer *transfer)
{
    (void)transport;
    ck_assert(!transfer->is_over && transfer->is_held);
    transfer->is_held = false;
    transfer->released++;
}

/* ---- runs, as a core has them ---- */

struct subject {
    const char *metadata; /* JSON of more http.* keys, with a leading comma, or "" */
    const char *timeout;  /* JSON */
    const char *poll_url_template;
    const struct rxp_defaults *profile; /* whose http.url is its own; NULL: it has none, and says it itself */
    const char *id;
    const char *kind;
    atomic_int tenure;
    bool rejects;
    int not_nows; /* so often there is no memory to prepare it */
    bool holds; /* its kickoff is not permitted at once */
    double kickoffs_per_second; /* of its profile */
    void (*shape)(struct rxp_http_plan *plan); /* changes what the plan says; NULL: nothing */
    const struct run_resume *resume;
    const struct trace_context *trace;
    bool is_cancelled; /* its owner says so when it is asked */
    int asked;         /* so often */
    int begun;
    int progressed;
    bool puts_off; /* it would not be told of progress now */
    char progress[64]; /* the state, as of the last one */
    struct run *run; /* freed as it ends */
    int prepared;
    int slept;
    ptrdiff_t bytes; /* its own, by what the engine says */
    int permits_asked;
    int accepted;
    int noted;
    struct run_resume note; /* as it was accepted or noted, and again as it ended if it was accepted; its strings are below */
    char note_url[512];
    char note_id[64];
    char note_prepared_id[64];
    bool resumed;
    bool was_begun;
    bool was_accepted;
    int ended;
    size_t errands_at_end;
    bool abandoned;
    int64_t started_at_ms;
    struct outcome outcome;
    char summary[1400];
    char run_id[64];
    char state[2 * RUN_STATE_MAX_BYTES];
    char result[64];
    bool result_truncated;
    int polls;
};

static struct runner runner;
static struct transport fake = {fake_start, fake_cancel, fake_release};
static struct pool_config config;
static struct subject subjects[MAX_TRANSFERS];
static size_t n_subjects;
static int64_t now_ms;
static ptrdiff_t engine_bytes; /* of all runs, as the engine says */

static inline struct subject *subject_new(void)
{
    ck_assert_uint_lt(n_subjects, MAX_TRANSFERS);
    struct subject *subject = &subjects[n_subjects++];
    *subject =
        (struct subject){.metadata = "", .timeout = "10", .id = "inv-1", .kind = "http_async", .tenure = TENURE_HELD,
                         .poll_url_template = "http://b.example/runs/{run_id}"};
    return subject;
}

static inline struct subject *subject_of(struct run *run)
{
    for (size_t i = 0; i < n_subjects; i++) {
        if (subjects[i].run == run) {
            return &subjects[i];
        }
    }
    ck_abort_msg("a run that nobody has");
    return NULL;
}

/* As the owner of messages, who reads it anew whenever the run has slept. */
static inline int copy_trace(struct run *run, struct trace_context **out, void *opaque)
{
    const struct trace_context *trace = subject_of(run)->trace;
    (void)opaque;
    *out = NULL;
    if (trace != NULL) {
        size_t bytes = sizeof *trace + strlen(trace->tracestate) + 1;
        *out = malloc(bytes);
        ck_assert_ptr_nonnull(*out);
        memcpy(*out, trace, bytes);
    }
    return 0;
}

static inline enum pool_prepared on_prepare(struct run *run, void *opaque)
{
    struct subject *subject = subject_of(run);
    struct rxp_refusal why = {0};
    char *text = NULL;
    (void)opaque;
    subject->prepared++;
    if (subject->prepared <= subject->not_nows) {
        return POOL_NOT_NOW;
    }
    if (subject->rejects) {
        run->awake->outcome = (struct outcome){.status = RXP_STATUS_REJECTED, .error = RXP_ERROR_INVALID_JSON};
        return POOL_REFUSED;
    }
    ck_assert_int_gt(asprintf(&text,
                              "{\"invocation_id\":\"%s\",\"runtime_name\":\"x\",\"runtime_kind\":\"%s\","
                              "\"working_directory\":\"/\",\"command\":[\"x\"],\"timeout_seconds\":%s,"
                              "\"metadata\":{%s\"http.poll_url_template\":\"%s\","
                              "\"http.poll_run_id_path\":\"id\",\"http.poll_status_path\":\"status\","
                              "\"http.poll_terminal_states\":\"completed,failed\"%s}}",
                              subject->id, subject->kind, subject->timeout,
                              subject->profile == NULL ? "\"http.url\":\"http://b.example/runs\"," : "",
                              subject->poll_url_template, subject->metadata),
                     0);
    struct awake *awake = run->awake;
    int parsed = rxp_invocation_parse(text, strlen(text), 1 << 20, &awake->parsed, &why);
    ck_assert_msg(parsed == 0, "%s", why.text);
    ck_assert_msg(rxp_http_plan_make(awake->parsed, subject->profile, &awake->made, &why) == 0, "%s", why.text);
    free(text);
    if (subject->shape != NULL) {
        subject->shape(&awake->made);
    }
    awake->invocation = awake->parsed;
    awake->made.kickoffs_per_second = subject->kickoffs_per_second;
    awake->plan = &awake->made;
    awake->resume = subject->resume;
    ck_assert_int_eq(copy_trace(run, &awake->trace, NULL), 0);
    return POOL_PREPARED;
}

static inline bool on_permit(struct run *run, void *opaque)
{
    struct subject *subject = subject_of(run);
    (void)opaque;
    subject->permits_asked++;
    return !subject->holds;
}

static inline void note_down(struct subject *subject)
{
    char room[RUN_POLL_URL_BYTES];
    run_note(subject->run, room, &subject->note);
    snprintf(subject->note_url, sizeof subject->note_url, "%s",
             subject->note.poll_url != NULL ? subject->note.poll_url : "");
    snprintf(subject->note_id, sizeof subject->note_id, "%s", subject->note.run_id != NULL ? subject->note.run_id : "");
    snprintf(subject->note_prepared_id, sizeof subject->note_prepared_id, "%s",
             subject->note.prepared_id != NULL ? subject->note.prepared_id : "");
    subject->note.prepared_id = NULL;
    subject->note.poll_url = NULL;
    subject->note.run_id = NULL;
}

static inline void on_accepted(struct run *run, void *opaque)
{
    struct subject *subject = subject_of(run);
    (void)opaque;
    subject->accepted++;
    ck_assert(run->cycle.accepted);
    note_down(subject);
}

static inline void on_noted(struct run *run, void *opaque)
{
    struct subject *subject = subject_of(run);
    (void)opaque;
    subject->noted++;
    ck_assert(run->cycle.accepted);
    note_down(subject);
}

static inline void note_awake(struct subject *subject, const struct awake *awake)
{
    ck_assert_ptr_null(awake->transfer);
    ck_assert(list_is_empty(&awake->held_node));
    ck_assert_ptr_null(awake->sending);
    subject->outcome = awake->outcome;
    subject->outcome.summary = NULL;
    snprintf(subject->summary, sizeof subject->summary, "%s", awake->outcome.summary != NULL ? awake->outcome.summary : "");
    snprintf(subject->run_id, sizeof subject->run_id, "%s", awake->run_id != NULL ? awake->run_id : "");
    snprintf(subject->state, sizeof subject->state, "%s", awake->state != NULL ? awake->state : "");
    snprintf(subject->result, sizeof subject->result, "%s", awake->result != NULL ? awake->result : "");
}

static inline void on_ended(struct run *run, void *opaque)
{
    struct subject *subject = subject_of(run);
    (void)opaque;
    ck_assert_int_eq(subject->ended, 0);
    ck_assert(!timer_is_set(&run->timer));
    if (run->cycle.accepted) {
        note_down(subject);
    }
    subject->resumed = run->resumed;
    subject->was_begun = run_was_begun(run);
    subject->was_accepted = run->cycle.accepted;
    subject->ended++;
    subject->errands_at_end = atomic_load(&runner.errands.n);
    subject->abandoned = run->abandoned;
    subject->started_at_ms = run->started_at_ms;
    subject->polls = run->cycle.polls;
    subject->result_truncated = run->result_truncated;
    if (run->awake != NULL) {
        note_awake(subject, run->awake);
        engine_bytes -= (ptrdiff_t)awake_bytes(run->awake);
    }
    engine_bytes -= subject->bytes;
    run_deinit(run);
    free(run); /* the sanitizer sees whoever touches it again */
    subject->run = NULL;
}

static inline void on_begun(struct run *run, void *opaque)
{
    (void)opaque;
    ck_assert(!run_was_begun(run)); /* and now it is */
    ck_assert_ptr_eq(pool_shard(run), runner.shard);
    subject_of(run)->begun++;
}

static inline bool on_progressed(struct run *run, void *opaque)
{
    struct subject *subject = subject_of(run);
    (void)opaque;
    ck_assert(run->cycle.accepted);
    ck_assert(subject->accepted > 0 || run->resumed);
    if (subject->puts_off) {
        return false;
    }
    subject->progressed++;
    snprintf(subject->progress, sizeof subject->progress, "%s", run->awake->state != NULL ? run->awake->state : "");
    return true;
}

static int errands_over; /* so often they were */

static inline void on_errands_over(void *opaque)
{
    (void)opaque;
    ck_assert_uint_eq(atomic_load(&runner.errands.n), 0);
    errands_over++;
}

static inline bool on_is_cancelled(struct run *run, void *opaque)
{
    struct subject *subject = subject_of(run);
    (void)opaque;
    struct run_peek peek;
    run_look(run, &peek);
    ck_assert_ptr_nonnull(peek.invocation_id);
    subject->asked++;
    return subject->is_cancelled;
}

static struct subject *waking; /* whose plan is to be made once more */
static int plans_to_fail;      /* so many of them: there is no memory */

static inline const struct rxp_defaults *on_defaults(struct run *run, void *opaque)
{
    (void)opaque;
    waking = subject_of(run);
    return waking->profile;
}

/* The plan that it wakes with has the same shape. */
int __real_rxp_http_plan_make_later(const struct rxp_invocation *invocation, const struct rxp_defaults *defaults, void *room,
                                    size_t room_bytes, struct rxp_http_plan *out, struct rxp_refusal *why);
int __wrap_rxp_http_plan_make_later(const struct rxp_invocation *invocation, const struct rxp_defaults *defaults, void *room,
                                    size_t room_bytes, struct rxp_http_plan *out, struct rxp_refusal *why);
int __wrap_rxp_http_plan_make_later(const struct rxp_invocation *invocation, const struct rxp_defaults *defaults, void *room,
                                    size_t room_bytes, struct rxp_http_plan *out, struct rxp_refusal *why)
{
    if (plans_to_fail > 0) {
        plans_to_fail--;
        *out = (struct rxp_http_plan){0};
        return rxp_refuse(why, RXP_OK, "no memory");
    }
    int failed = __real_rxp_http_plan_make_later(invocation, defaults, room, room_bytes, out, why);
    if (failed == 0 && waking->shape != NULL) {
        waking->shape(out);
    }
    return failed;
}

/* What it resumed from is looked at no more: it may be freed. */
static inline void on_slept(struct run *run, void *opaque)
{
    struct subject *subject = subject_of(run);
    (void)opaque;
    ck_assert_int_eq(subject->slept++, 0);
    ck_assert(run->cycle.accepted);
    ck_assert_ptr_null(run->awake->resume);
}

static inline void on_resized(struct run *run, ptrdiff_t bytes, void *opaque)
{
    (void)opaque;
    engine_bytes += bytes;
    ck_assert_int_ge(engine_bytes, 0);
    if (run != NULL) {
        subject_of(run)->bytes += bytes;
    }
}

static inline void on_describe(struct run *run, struct query_row *row, void *opaque)
{
    (void)opaque;
    row->key.topic = "in";
    row->key.offset = subject_of(run) - subjects;
}

static const struct pool_hooks hooks = {.prepare = on_prepare,
                                        .permit = on_permit,
                                        .begun = on_begun,
                                        .accepted = on_accepted,
                                        .progressed = on_progressed,
                                        .noted = on_noted,
                                        .is_cancelled = on_is_cancelled,
                                        .describe = on_describe,
                                        .defaults = on_defaults,
                                        .find_trace = copy_trace,
                                        .slept = on_slept,
                                        .resized = on_resized,
                                        .ended = on_ended,
                                        .errands_over = on_errands_over};

static inline int64_t in_phase(enum metric_phase phase)
{
    return metrics_read(config.metrics, METRIC_RUNS_IN_FLIGHT, phase);
}

/* Every run counts in one phase; what has ended waits for its owner to count it down. */
static inline void check_phases(void)
{
    int64_t sum = metrics_sum(config.metrics, METRIC_RUNS_IN_FLIGHT);
    ck_assert_int_eq(sum - in_phase(METRIC_PHASE_PUBLISH), (int64_t)runner.n_runs);
    for (enum metric_phase phase = 0; phase < METRIC_PHASE_N; phase++) {
        ck_assert_int_ge(in_phase(phase), 0);
    }
}

static inline void setup(void)
{
    config = (struct pool_config){
        .threads = 1,
        .max_run_ms = 86400000,
        .connect_timeout_ms = 7000,
        .poll_timeout_ms = 3000,
        .poll_min_interval_ms = 100,
        .poll_jitter = 0,
        .poll_max_failures = 2,
        .kickoff_max_retries = 0,
        .max_response_bytes = 1 << 20,
        .max_result_bytes = 16,
        .origin_max_connections = 64,
        .nap_least_ms = STAGE_NAP_LEAST_MS,
        .line_seats = STAGE_LINE_SEATS,
        .metrics = metrics_new(NULL, 0),
    };
    now_ms = 1000000;
    n_transfers = 0;
    n_subjects = 0;
    out_of_memory = false;
    errands_over = 0;
    engine_bytes = 0;
    plans_to_fail = 0;
    runner_init(&runner, &config, &hooks, &fake, 42);
}

static inline void teardown(void)
{
    runner_command(&runner, RUNNER_ABANDON, now_ms);
    while (runner_turn(&runner, now_ms, SLICE_MS)) {
    }
    check_phases();
    runner_deinit(&runner);
    ck_assert_int_eq(engine_bytes, 0);
    metrics_free(config.metrics);
}

static inline void submit(struct subject *subject)
{
    struct list submitted;
    list_init(&submitted);
    subject->run = malloc(sizeof *subject->run);
    run_init(subject->run);
    subject->run->tenure = &subject->tenure;
    runner_announce(&runner, subject->run, now_ms, clock_wall_ms());
    list_push(&submitted, &subject->run->node);
    runner_add(&runner, &submitted);
}

static inline void turn(void)
{
    while (runner_turn(&runner, now_ms, SLICE_MS)) {
    }
    check_phases();
}

static inline void turn_at(int64_t at_ms)
{
    now_ms = at_ms;
    turn();
}

static inline void begin(struct transfer *transfer)
{
    ck_assert(!transfer->is_over && !transfer->is_held);
    struct http_headers headers = {0};
    enum transfer_go go = transfer->begun(transfer->opaque, now_ms, &headers);
    transfer->n_headers = headers.n;
    transfer->n_secrets = headers.n_secrets;
    snprintf(transfer->secret, sizeof transfer->secret, "%s", headers.n_secrets > 0 ? headers.secret[0] : "");
    for (size_t i = 0; i < headers.n && i < 8; i++) {
        snprintf(transfer->header[i], sizeof transfer->header[i], "%s: %s", headers.header[i].name,
                 headers.header[i].value);
    }
    transfer->is_held = go == TRANSFER_HOLD;
    transfer->is_over = go == TRANSFER_DROP;
}

static int64_t answer_took_ms; /* what the next replies say of it */

static inline void reply_with(struct transfer *transfer, const struct http_reply *reply)
{
    struct http_reply timed = *reply;
    ck_assert(!transfer->is_over);
    transfer->is_over = true;
    timed.timing.took_ms = answer_took_ms;
    transfer->done(transfer->opaque, &timed, now_ms);
}

static inline void answer(struct transfer *transfer, int code, const char *body)
{
    const struct http_reply reply = {.sent = true, .code = code, .body = body, .body_bytes = strlen(body)};
    reply_with(transfer, &reply);
}

/* With a Retry-After, and a URL in the header that was wanted; NULL: none. */
static inline void answer_with(struct transfer *transfer, int code, const char *body, const char *retry_after,
                               const char *wanted_url)
{
    const struct http_reply reply = {.sent = true,
                                     .code = code,
                                     .body = body,
                                     .body_bytes = strlen(body),
                                     .retry_after = retry_after,
                                     .wanted_url = wanted_url,
                                     .wanted_raw = wanted_url};
    reply_with(transfer, &reply);
}

static inline void break_off(struct transfer *transfer, enum transport_error error, bool sent)
{
    const struct http_reply reply = {.error = error, .detail = "it broke", .sent = sent, .body = ""};
    reply_with(transfer, &reply);
}

static inline struct transfer *last(void)
{
    ck_assert_uint_gt(n_transfers, 0);
    return &transfers[n_transfers - 1];
}

static inline struct run_peek look_at(const struct subject *subject)
{
    struct run_peek peek;
    run_look(subject->run, &peek);
    return peek;
}

static inline const char *poll_url_of(const struct subject *subject)
{
    static char room[RUN_POLL_URL_BYTES];
    return run_poll_url(subject->run, room);
}

/* To its first poll, which has begun. */
static inline void kick_off(struct subject *subject)
{
    submit(subject);
    turn();
    ck_assert_uint_eq(n_transfers, 1);
    begin(last());
    answer(last(), 202, "{\"id\":\"r1\"}");
    ck_assert_uint_eq(n_transfers, 2);
    begin(last());
}

#endif
