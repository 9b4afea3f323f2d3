#include "base/clock.h"
#include "engine/runner.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_MS 1000
#define MAX_TRANSFERS 64

/* ---- a transport that the test answers for ---- */

struct transfer {
    char method[16];
    char url[256];
    char body[256];
    char content_type[64];
    char header[2][128];
    size_t n_headers;
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    bool once;
    transfer_begun_fn begun;
    transfer_done_fn done;
    void *opaque;
    bool cancelled;
    bool is_over;
};

static struct transfer transfers[MAX_TRANSFERS];
static size_t n_transfers;
static bool out_of_memory;

static struct transfer *fake_start(struct transport *transport, const struct http_request *request,
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
                                  .n_headers = request->n_headers,
                                  .begun = begun,
                                  .done = done,
                                  .opaque = opaque};
    snprintf(transfer->method, sizeof transfer->method, "%s", request->method);
    snprintf(transfer->url, sizeof transfer->url, "%s", request->url);
    snprintf(transfer->body, sizeof transfer->body, "%.*s", (int)request->body_bytes,
             request->body != NULL ? request->body : "");
    snprintf(transfer->content_type, sizeof transfer->content_type, "%s",
             request->content_type != NULL ? request->content_type : "");
    for (size_t i = 0; i < request->n_headers && i < 2; i++) {
        snprintf(transfer->header[i], sizeof transfer->header[i], "%s: %s", request->headers[i].name,
                 request->headers[i].value);
    }
    return transfer;
}

static void fake_cancel(struct transport *transport, struct transfer *transfer)
{
    (void)transport;
    ck_assert(!transfer->is_over);
    transfer->cancelled = true;
    transfer->is_over = true;
}

/* ---- runs, as a core has them ---- */

struct subject {
    const char *metadata; /* JSON of more http.* keys, with a leading comma, or "" */
    const char *timeout;  /* JSON */
    const char *id;
    const char *kind;
    atomic_bool alive;
    bool rejects;
    struct run *run; /* freed as it ends */
    struct rxp_invocation *invocation;
    struct rxp_http_plan plan;
    int prepared;
    int accepted;
    int ended;
    struct outcome outcome;
    char summary[1400];
    char run_id[64];
    char state[64];
    char result[64];
    int polls;
};

static struct runner runner;
static struct transport fake = {fake_start, fake_cancel};
static struct pool_config config;
static struct subject subjects[MAX_TRANSFERS];
static size_t n_subjects;
static int64_t now_ms;

static struct subject *subject_new(void)
{
    ck_assert_uint_lt(n_subjects, MAX_TRANSFERS);
    struct subject *subject = &subjects[n_subjects++];
    *subject =
        (struct subject){.metadata = "", .timeout = "10", .id = "inv-1", .kind = "http_async", .alive = true};
    return subject;
}

static struct subject *subject_of(struct run *run)
{
    for (size_t i = 0; i < n_subjects; i++) {
        if (subjects[i].run == run) {
            return &subjects[i];
        }
    }
    ck_abort_msg("a run that nobody has");
    return NULL;
}

static int on_prepare(struct run *run, void *opaque)
{
    struct subject *subject = subject_of(run);
    struct rxp_refusal why = {0};
    char *text = NULL;
    (void)opaque;
    subject->prepared++;
    if (subject->rejects) {
        run->outcome = (struct outcome){.status = RXP_STATUS_REJECTED, .error = RXP_ERROR_INVALID_JSON};
        return -1;
    }
    ck_assert_int_gt(asprintf(&text,
                              "{\"invocation_id\":\"%s\",\"runtime_name\":\"x\",\"runtime_kind\":\"%s\","
                              "\"working_directory\":\"/\",\"command\":[\"x\"],\"timeout_seconds\":%s,"
                              "\"metadata\":{\"http.url\":\"http://b.example/runs\","
                              "\"http.poll_url_template\":\"http://b.example/runs/{run_id}\","
                              "\"http.poll_run_id_path\":\"id\",\"http.poll_status_path\":\"status\","
                              "\"http.poll_terminal_states\":\"completed,failed\"%s}}",
                              subject->id, subject->kind, subject->timeout, subject->metadata),
                     0);
    int parsed = rxp_invocation_parse(text, strlen(text), 1 << 20, &subject->invocation, &why);
    ck_assert_msg(parsed == 0, "%s", why.text);
    ck_assert_msg(rxp_http_plan_make(subject->invocation, &subject->plan, &why) == 0, "%s", why.text);
    free(text);
    run->invocation = subject->invocation;
    run->plan = &subject->plan;
    return 0;
}

static void on_accepted(struct run *run, void *opaque)
{
    (void)opaque;
    subject_of(run)->accepted++;
}

static void on_ended(struct run *run, void *opaque)
{
    struct subject *subject = subject_of(run);
    (void)opaque;
    ck_assert_int_eq(subject->ended, 0);
    ck_assert_ptr_null(run->transfer);
    ck_assert(!timer_is_set(&run->timer));
    subject->ended++;
    subject->outcome = run->outcome;
    subject->outcome.summary = NULL;
    subject->polls = run->cycle.polls;
    snprintf(subject->summary, sizeof subject->summary, "%s", run->outcome.summary != NULL ? run->outcome.summary : "");
    snprintf(subject->run_id, sizeof subject->run_id, "%s", run->run_id != NULL ? run->run_id : "");
    snprintf(subject->state, sizeof subject->state, "%s", run->state != NULL ? run->state : "");
    snprintf(subject->result, sizeof subject->result, "%s", run->result != NULL ? run->result : "");
    rxp_http_plan_deinit(&subject->plan);
    rxp_invocation_free(subject->invocation);
    run_deinit(run);
    free(run); /* the sanitizer sees whoever touches it again */
    subject->run = NULL;
}

static const struct pool_hooks hooks = {.prepare = on_prepare, .accepted = on_accepted, .ended = on_ended};

static void setup(void)
{
    config = (struct pool_config){
        .threads = 1,
        .max_run_ms = 86400000,
        .connect_timeout_ms = 7000,
        .poll_timeout_ms = 3000,
        .poll_min_interval_ms = 100,
        .poll_jitter = 0,
        .poll_max_failures = 2,
        .max_response_bytes = 1 << 20,
        .max_result_bytes = 16,
        .origin_max_connections = 64,
    };
    now_ms = 1000000;
    n_transfers = 0;
    n_subjects = 0;
    out_of_memory = false;
    runner_init(&runner, &config, &hooks, &fake, 42);
}

static void teardown(void)
{
    runner_command(&runner, RUNNER_ABANDON, now_ms);
    while (runner_turn(&runner, now_ms, SLICE_MS)) {
    }
    runner_deinit(&runner);
}

static void submit(struct subject *subject)
{
    struct list submitted;
    list_init(&submitted);
    subject->run = malloc(sizeof *subject->run);
    run_init(subject->run);
    subject->run->alive = &subject->alive;
    runner_announce(&runner, subject->run, now_ms, clock_wall_ms());
    list_push(&submitted, &subject->run->node);
    runner_add(&runner, &submitted);
}

static void turn(void)
{
    while (runner_turn(&runner, now_ms, SLICE_MS)) {
    }
}

static void turn_at(int64_t at_ms)
{
    now_ms = at_ms;
    turn();
}

static void begin(struct transfer *transfer)
{
    if (!transfer->begun(transfer->opaque, now_ms)) {
        transfer->is_over = true;
    }
}

static void reply_with(struct transfer *transfer, const struct http_reply *reply)
{
    ck_assert(!transfer->is_over);
    transfer->is_over = true;
    transfer->done(transfer->opaque, reply, now_ms);
}

static void answer(struct transfer *transfer, int code, const char *body)
{
    const struct http_reply reply = {.sent = true, .code = code, .body = body, .body_bytes = strlen(body)};
    reply_with(transfer, &reply);
}

static void break_off(struct transfer *transfer, enum transport_error error, bool sent)
{
    const struct http_reply reply = {.error = error, .detail = "it broke", .sent = sent, .body = ""};
    reply_with(transfer, &reply);
}

static struct transfer *last(void)
{
    ck_assert_uint_gt(n_transfers, 0);
    return &transfers[n_transfers - 1];
}

/* To its first poll, which has begun. */
static void kick_off(struct subject *subject)
{
    submit(subject);
    turn();
    ck_assert_uint_eq(n_transfers, 1);
    begin(last());
    answer(last(), 202, "{\"id\":\"r1\"}");
    ck_assert_uint_eq(n_transfers, 2);
    begin(last());
}

/* ---- the way of a run ---- */

START_TEST(a_run_is_kicked_off_polled_and_ends)
{
    struct subject *subject = subject_new();
    subject->metadata = ",\"http.body\":\"{\\\"a\\\":1}\",\"http.result_path\":\"out\"";
    submit(subject);
    ck_assert_uint_eq(n_transfers, 0);
    turn();
    ck_assert_uint_eq(n_transfers, 1);
    ck_assert_str_eq(last()->method, "POST");
    ck_assert_str_eq(last()->url, "http://b.example/runs");
    ck_assert_str_eq(last()->body, "{\"a\":1}");
    ck_assert_str_eq(last()->content_type, "application/json");
    ck_assert_str_eq(last()->header[0], "Idempotency-Key: inv-1");
    ck_assert_uint_eq(last()->n_headers, 1);
    ck_assert(last()->once);
    ck_assert_int_eq(last()->timeout_ms, 0);
    ck_assert_int_eq(last()->connect_timeout_ms, 7000);
    begin(last());
    now_ms += 50;
    answer(last(), 202, "{\"id\":\"r/1\"}");
    ck_assert_int_eq(subject->accepted, 1);
    ck_assert_uint_eq(n_transfers, 2);
    ck_assert_str_eq(last()->method, "GET");
    ck_assert_str_eq(last()->url, "http://b.example/runs/r%2F1");
    ck_assert_uint_eq(last()->n_headers, 0);
    ck_assert_str_eq(last()->body, "");
    ck_assert(!last()->once);
    ck_assert_int_eq(last()->timeout_ms, 3000);
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert_ptr_null(subject->run->transfer);
    turn_at(now_ms + 1999);
    ck_assert_uint_eq(n_transfers, 2);
    turn_at(now_ms + 1);
    ck_assert_uint_eq(n_transfers, 3);
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\",\"out\":[1, 2]}");
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->accepted, 1);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    ck_assert(subject->outcome.has_exit_code);
    ck_assert_int_eq(subject->outcome.exit_code, 0);
    ck_assert_int_eq(subject->outcome.error, RXP_OK);
    ck_assert_str_eq(subject->summary, "");
    ck_assert_str_eq(subject->run_id, "r/1");
    ck_assert_str_eq(subject->state, "completed");
    ck_assert_str_eq(subject->result, "[1, 2]");
    ck_assert_int_eq(subject->polls, 2);
    ck_assert_int_eq(subject->outcome.finished_at_ms - subject->outcome.started_at_ms, 2050);
    ck_assert_int_eq(atomic_load(&runner.in_flight), 0);
    ck_assert_int_eq(atomic_load(&runner.in_requests), 0);
}
END_TEST

START_TEST(a_run_that_fails_at_the_backend_says_so)
{
    struct subject *subject = subject_new();
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"failed\"}");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_FAILED);
    ck_assert_int_eq(subject->outcome.exit_code, 1);
    ck_assert(subject->outcome.has_exit_code);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_BACKEND_FAILED);
    ck_assert_str_eq(subject->summary, "backend reported terminal status: failed");
}
END_TEST

START_TEST(an_exchange_that_breaks_has_no_exit_code)
{
    struct subject *subject = subject_new();
    submit(subject);
    turn();
    begin(last());
    answer(last(), 500, "boom");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_FAILED);
    ck_assert(!subject->outcome.has_exit_code);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_KICKOFF_STATUS);
    ck_assert_str_eq(subject->summary, "kickoff expected HTTP 200 or 202, got 500: boom");
    ck_assert_int_eq(subject->accepted, 0);
}
END_TEST

START_TEST(kind_http_ends_with_its_kickoff)
{
    struct subject *subject = subject_new();
    subject->kind = "http";
    submit(subject);
    turn();
    begin(last());
    answer(last(), 201, "whatever");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    ck_assert_int_eq(subject->outcome.exit_code, 201);
    ck_assert_int_eq(subject->accepted, 0);
    ck_assert_uint_eq(n_transfers, 1);
}
END_TEST

START_TEST(a_message_that_is_refused_is_not_sent)
{
    struct subject *subject = subject_new();
    subject->rejects = true;
    submit(subject);
    turn();
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_REJECTED);
    ck_assert_uint_eq(n_transfers, 0);
}
END_TEST

START_TEST(a_kickoff_that_the_policy_refuses_is_a_rejection)
{
    struct subject *subject = subject_new();
    submit(subject);
    turn();
    if (_i == 1) {
        begin(last());
        now_ms += 30;
    }
    break_off(last(), TRANSPORT_EGRESS, false);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_REJECTED);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_EGRESS_DENIED);
    ck_assert_int_eq(subject->outcome.started_at_ms, subject->outcome.finished_at_ms);
}
END_TEST

static const struct {
    const char *id;
    const char *header;
} ids[] = {
    {"plain-ID_7.~", "Idempotency-Key: plain-ID_7.~"},
    {"a b", "Idempotency-Key: a%20b"},
    {"a%20b", "Idempotency-Key: a%2520b"},
    {"\xC3\xA4", "Idempotency-Key: %C3%A4"},
    {"a/b:c\\\"", "Idempotency-Key: a/b:c\""},
};

START_TEST(the_idempotency_header_is_visible_ascii_and_tells_ids_apart)
{
    struct subject *subject = subject_new();
    subject->id = ids[_i].id;
    submit(subject);
    turn();
    ck_assert_str_eq(last()->header[0], ids[_i].header);
}
END_TEST

START_TEST(the_idempotency_header_may_be_renamed_or_turned_off)
{
    struct subject *subject = subject_new();
    subject->metadata = _i == 0 ? ",\"http.idempotency_header\":\"X-Key\"" : ",\"http.idempotency_header\":\"\"";
    submit(subject);
    turn();
    ck_assert_uint_eq(last()->n_headers, _i == 0 ? 1 : 0);
    ck_assert_str_eq(last()->header[0], _i == 0 ? "X-Key: inv-1" : "");
}
END_TEST

/* ---- transient failures ---- */

START_TEST(transient_failures_are_survived_within_the_budget)
{
    struct subject *subject = subject_new();
    subject->timeout = "1000";
    kick_off(subject);
    answer(last(), 503, "");
    turn_at(now_ms + 31000);
    begin(last());
    break_off(last(), TRANSPORT_TIMEOUT, true);
    turn_at(now_ms + 31000);
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    /* and the budget is whole again */
    for (int i = 0; i < 2; i++) {
        turn_at(now_ms + 31000);
        begin(last());
        break_off(last(), TRANSPORT_CONNECT, false);
    }
    turn_at(now_ms + 31000);
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    ck_assert_int_eq(subject->polls, 6);
}
END_TEST

/* failures allowed by worker and message (NULL: not said), and what the summary says */
static const struct {
    int worker;
    const char *metadata;
    int polls;
    const char *ends;
} budgets[] = {
    {2, "", 3, "(after 3 consecutive failures)"},
    {0, "", 1, "got 503"},
    {5, ",\"http.poll_max_failures\":\"1\"", 2, "(after 2 consecutive failures)"},
    {0, ",\"http.poll_max_failures\":\"3\"", 4, "(after 4 consecutive failures)"},
};

START_TEST(one_failure_too_many_ends_the_run)
{
    struct subject *subject = subject_new();
    config.poll_max_failures = budgets[_i].worker;
    subject->metadata = budgets[_i].metadata;
    subject->timeout = "1000";
    kick_off(subject);
    for (int i = 1; i <= budgets[_i].polls; i++) {
        ck_assert_int_eq(subject->ended, 0);
        answer(last(), 503, "");
        if (i < budgets[_i].polls) {
            turn_at(now_ms + 31000);
            begin(last());
        }
    }
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_FAILED);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_STATUS);
    ck_assert(!subject->outcome.has_exit_code);
    ck_assert_msg(strstr(subject->summary, budgets[_i].ends) != NULL, "%s", subject->summary);
    if (budgets[_i].polls == 1) {
        ck_assert_ptr_null(strstr(subject->summary, "consecutive"));
    }
}
END_TEST

/* ---- time ---- */

static const struct {
    const char *timeout;
    int64_t max_run_ms;
    int64_t ms;
    const char *kickoff;
    const char *poll;
} timeouts[] = {
    {"10", 86400000, 10000, "kickoff exceeded timeout of 10s", "poll exceeded timeout of 10s"},
    {"10", 1500, 1500, "kickoff exceeded timeout of 1.5s", "poll exceeded timeout of 1.5s"},
    {"null", 20000, 20000, "kickoff exceeded timeout of 20s", "poll exceeded timeout of 20s"},
    {"3600", 100, 100, "kickoff exceeded timeout of 0.1s", "poll exceeded timeout of 0.1s"},
    {"100", 86400000, 100000, "kickoff exceeded timeout of 100s", "poll exceeded timeout of 100s"},
};

START_TEST(the_deadline_cuts_a_kickoff)
{
    struct subject *subject = subject_new();
    subject->timeout = timeouts[_i].timeout;
    config.max_run_ms = timeouts[_i].max_run_ms;
    submit(subject);
    turn();
    turn_at(now_ms + 500000); /* in the queue: it does not count */
    begin(last());
    turn_at(now_ms + timeouts[_i].ms - 1);
    ck_assert_int_eq(subject->ended, 0);
    ck_assert_int_eq(runner_next_ms(&runner), now_ms + 1);
    turn_at(now_ms + 1);
    ck_assert_int_eq(subject->ended, 1);
    ck_assert(transfers[0].cancelled);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_TIMED_OUT);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_KICKOFF_TIMEOUT);
    ck_assert_str_eq(subject->summary, timeouts[_i].kickoff);
    ck_assert(!subject->outcome.has_exit_code);
    ck_assert_int_eq(subject->outcome.finished_at_ms - subject->outcome.started_at_ms, timeouts[_i].ms);
}
END_TEST

START_TEST(the_deadline_cuts_a_poll)
{
    struct subject *subject = subject_new();
    subject->timeout = timeouts[_i].timeout;
    config.max_run_ms = timeouts[_i].max_run_ms;
    config.poll_timeout_ms = 3600000;
    kick_off(subject);
    ck_assert_int_eq(last()->timeout_ms, timeouts[_i].ms);
    turn_at(now_ms + timeouts[_i].ms);
    ck_assert_int_eq(subject->ended, 1);
    ck_assert(last()->cancelled);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_TIMED_OUT);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_TIMEOUT);
    ck_assert_str_eq(subject->summary, timeouts[_i].poll);
}
END_TEST

START_TEST(the_deadline_cuts_a_wait)
{
    struct subject *subject = subject_new();
    subject->metadata = ",\"http.poll_interval_seconds\":\"3600\"";
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"running\"}");
    turn_at(now_ms + 9999);
    ck_assert_int_eq(subject->ended, 0);
    turn_at(now_ms + 1);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_TIMEOUT);
    ck_assert_uint_eq(n_transfers, 2);
    ck_assert_str_eq(subject->state, "running");
}
END_TEST

START_TEST(a_poll_has_no_more_time_than_the_run)
{
    struct subject *subject = subject_new();
    subject->metadata = ",\"http.poll_interval_seconds\":\"8\"";
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"running\"}");
    turn_at(now_ms + 8000);
    ck_assert_int_eq(last()->timeout_ms, 2000);
}
END_TEST

START_TEST(polls_are_no_oftener_than_the_worker_allows)
{
    struct subject *subject = subject_new();
    subject->metadata = ",\"http.poll_interval_seconds\":\"0\"";
    config.poll_min_interval_ms = _i;
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"running\"}");
    if (_i > 0) {
        turn_at(now_ms + _i - 1);
        ck_assert_uint_eq(n_transfers, 2);
        turn_at(now_ms + 1);
    } else {
        turn();
    }
    ck_assert_uint_eq(n_transfers, 3);
}
END_TEST

START_TEST(waits_are_stretched_and_never_shortened)
{
    enum { N = 20 };
    int stretched = 0;
    struct subject *some[N];
    config.poll_jitter = 0.1;
    for (int i = 0; i < N; i++) {
        some[i] = subject_new();
        some[i]->metadata = ",\"http.poll_interval_seconds\":\"5\"";
        submit(some[i]);
        turn();
        begin(last());
        answer(last(), 202, "{\"id\":1}");
        begin(last());
        answer(last(), 200, "{\"status\":\"running\"}");
        int64_t wait_ms = some[i]->run->timer.at_ms - now_ms;
        ck_assert_int_ge(wait_ms, 5000);
        ck_assert_int_le(wait_ms, 5500);
        stretched += wait_ms > 5000;
    }
    ck_assert_int_gt(stretched, N / 2);
}
END_TEST

START_TEST(an_early_turn_changes_nothing)
{
    struct subject *subject = subject_new();
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"running\"}");
    for (int i = 0; i < 19; i++) {
        turn_at(now_ms + 100);
        ck_assert_uint_eq(n_transfers, 2);
    }
    turn_at(now_ms + 100);
    ck_assert_uint_eq(n_transfers, 3);
}
END_TEST

/* ---- memory ---- */

START_TEST(without_memory_a_kickoff_fails_and_a_poll_is_tried_again)
{
    struct subject *kickoff = subject_new();
    struct subject *poll = subject_new();
    kick_off(poll);
    answer(last(), 200, "{\"status\":\"running\"}");
    out_of_memory = true;
    submit(kickoff);
    turn();
    ck_assert_int_eq(kickoff->ended, 1);
    ck_assert_int_eq(kickoff->outcome.error, RXP_ERROR_KICKOFF_NETWORK);
    turn_at(now_ms + 2000);
    ck_assert_int_eq(poll->ended, 0);
    out_of_memory = false;
    turn_at(now_ms + 2500);
    ck_assert_uint_eq(n_transfers, 3);
}
END_TEST

START_TEST(without_memory_for_the_first_poll_it_is_tried_again)
{
    struct subject *subject = subject_new();
    submit(subject);
    turn();
    begin(last());
    out_of_memory = true;
    config.poll_max_failures = _i; /* 0: and that is the end */
    answer(last(), 202, "{\"id\":1}");
    ck_assert_int_eq(subject->ended, _i == 0);
}
END_TEST

/* ---- commands ---- */

/* Where a run may be when a command comes. */
enum stage { SUBMITTED, QUEUED, KICKED_OFF, POLLING, RESTING, STAGES };

static void bring_to(struct subject *subject, enum stage stage)
{
    submit(subject);
    if (stage >= QUEUED) {
        turn();
    }
    if (stage >= KICKED_OFF) {
        begin(last());
    }
    if (stage >= POLLING) {
        answer(last(), 202, "{\"id\":\"r1\"}");
        begin(last());
    }
    if (stage >= RESTING) {
        answer(last(), 200, "{\"status\":\"running\"}");
    }
}

START_TEST(an_abandoned_run_ends_without_a_result_wherever_it_is)
{
    struct subject *subject = subject_new();
    bring_to(subject, (enum stage)_i);
    runner_command(&runner, RUNNER_ABANDON, now_ms);
    turn();
    ck_assert_int_eq(subject->ended, 1);
    ck_assert(subject->outcome.abandoned);
    ck_assert_int_eq(subject->prepared, _i == SUBMITTED ? 0 : 1);
    if (_i != SUBMITTED) {
        ck_assert_int_eq(last()->cancelled, _i != RESTING);
    }
}
END_TEST

START_TEST(a_cancelled_run_ends_with_a_result_wherever_it_is)
{
    struct subject *subject = subject_new();
    bring_to(subject, (enum stage)_i);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    ck_assert_int_eq(subject->ended, 1);
    ck_assert(!subject->outcome.abandoned);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_CANCELLED);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_CANCELLED);
    ck_assert_str_ne(subject->summary, "");
    ck_assert_int_eq(subject->prepared, 1);
    if (_i == SUBMITTED) {
        ck_assert_uint_eq(n_transfers, 0);
    }
}
END_TEST

START_TEST(a_message_that_is_refused_is_so_also_when_it_is_cancelled)
{
    struct subject *subject = subject_new();
    subject->rejects = true;
    submit(subject);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_REJECTED);
}
END_TEST

START_TEST(stopped_kickoffs_leave_what_was_sent)
{
    struct subject *subject = subject_new();
    bring_to(subject, (enum stage)_i);
    runner_command(&runner, RUNNER_STOP_KICKOFFS, now_ms);
    turn();
    ck_assert_int_eq(subject->ended, _i < KICKED_OFF);
    if (_i < KICKED_OFF) {
        ck_assert(subject->outcome.abandoned);
    }
    if (_i == KICKED_OFF) {
        /* and its polls go on */
        answer(last(), 202, "{\"id\":\"r1\"}");
        begin(last());
        answer(last(), 200, "{\"status\":\"completed\"}");
        ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    }
}
END_TEST

START_TEST(after_stopped_kickoffs_no_run_begins)
{
    struct subject *late = subject_new();
    runner_command(&runner, RUNNER_STOP_KICKOFFS, now_ms);
    turn();
    submit(late);
    turn();
    ck_assert_int_eq(late->ended, 1);
    ck_assert(late->outcome.abandoned);
    ck_assert_int_eq(late->prepared, 0);
}
END_TEST

START_TEST(a_kickoff_that_leaves_the_queue_before_it_was_told_does_not_slip_past)
{
    struct subject *subject = subject_new();
    bring_to(subject, QUEUED);
    runner_command(&runner, RUNNER_STOP_KICKOFFS, now_ms);
    begin(last()); /* before the turn that tells it */
    ck_assert_int_eq(subject->ended, 1);
    ck_assert(subject->outcome.abandoned);
    ck_assert(!last()->cancelled); /* begun said no: the transport drops it */
}
END_TEST

START_TEST(a_sweep_ends_those_whose_partition_has_gone)
{
    struct subject *gone = subject_new();
    struct subject *here = subject_new();
    bring_to(gone, (enum stage)_i);
    bring_to(here, (enum stage)_i);
    atomic_store(&gone->alive, false);
    runner_command(&runner, RUNNER_SWEEP, now_ms);
    turn();
    ck_assert_int_eq(gone->ended, 1);
    ck_assert(gone->outcome.abandoned);
    ck_assert_int_eq(here->ended, 0);
}
END_TEST

START_TEST(a_run_whose_partition_has_gone_is_not_prepared_and_not_begun)
{
    struct subject *subject = subject_new();
    if (_i == 0) {
        atomic_store(&subject->alive, false);
        submit(subject);
        turn();
        ck_assert_int_eq(subject->prepared, 0);
    } else {
        bring_to(subject, QUEUED);
        atomic_store(&subject->alive, false);
        begin(last());
    }
    ck_assert_int_eq(subject->ended, 1);
    ck_assert(subject->outcome.abandoned);
}
END_TEST

START_TEST(a_command_concerns_those_who_were_there)
{
    struct subject *before = subject_new();
    struct subject *after = subject_new();
    submit(before);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    submit(after);
    runner_command(&runner, RUNNER_SWEEP, now_ms); /* while the first is still being told */
    turn();
    ck_assert_int_eq(before->outcome.status, RXP_STATUS_CANCELLED);
    ck_assert_int_eq(before->ended, 1);
    ck_assert_int_eq(after->ended, 0);
    ck_assert_uint_eq(n_transfers, 1);
}
END_TEST

START_TEST(long_work_is_done_in_slices)
{
    enum { N = 50 };
    struct subject *urgent = subject_new();
    kick_off(urgent);
    for (int i = 0; i < N; i++) {
        submit(subject_new());
    }
    now_ms += 10000; /* the deadline of the urgent one */
    ck_assert(runner_turn(&runner, now_ms, 0));
    ck_assert_int_eq(urgent->ended, 1); /* at once, before the others have all been taken */
    ck_assert_uint_lt(n_transfers, 2 + N);
    turn();
    ck_assert_uint_eq(n_transfers, 2 + N);
    ck_assert_uint_eq(atomic_load(&runner.in_requests), N);
    runner_command(&runner, RUNNER_ABANDON, now_ms);
    ck_assert(runner_turn(&runner, now_ms, 0));
    ck_assert_uint_gt(atomic_load(&runner.in_flight), 0);
    turn();
    ck_assert_uint_eq(atomic_load(&runner.in_flight), 0);
}
END_TEST

START_TEST(a_waiting_run_is_small)
{
    ck_assert_uint_le(sizeof(struct run), 256);
}
END_TEST

#define COUNT(rows) (int)(sizeof(rows) / sizeof((rows)[0]))

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner");
    TCase *tests = tcase_create("runs");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_run_is_kicked_off_polled_and_ends);
    tcase_add_test(tests, a_run_that_fails_at_the_backend_says_so);
    tcase_add_test(tests, an_exchange_that_breaks_has_no_exit_code);
    tcase_add_test(tests, kind_http_ends_with_its_kickoff);
    tcase_add_test(tests, a_message_that_is_refused_is_not_sent);
    tcase_add_loop_test(tests, a_kickoff_that_the_policy_refuses_is_a_rejection, 0, 2);
    tcase_add_loop_test(tests, the_idempotency_header_is_visible_ascii_and_tells_ids_apart, 0, COUNT(ids));
    tcase_add_loop_test(tests, the_idempotency_header_may_be_renamed_or_turned_off, 0, 2);
    tcase_add_test(tests, transient_failures_are_survived_within_the_budget);
    tcase_add_loop_test(tests, one_failure_too_many_ends_the_run, 0, COUNT(budgets));
    tcase_add_loop_test(tests, the_deadline_cuts_a_kickoff, 0, COUNT(timeouts));
    tcase_add_loop_test(tests, the_deadline_cuts_a_poll, 0, COUNT(timeouts));
    tcase_add_test(tests, the_deadline_cuts_a_wait);
    tcase_add_test(tests, a_poll_has_no_more_time_than_the_run);
    tcase_add_loop_test(tests, polls_are_no_oftener_than_the_worker_allows, 0, 3);
    tcase_add_test(tests, waits_are_stretched_and_never_shortened);
    tcase_add_test(tests, an_early_turn_changes_nothing);
    tcase_add_test(tests, without_memory_a_kickoff_fails_and_a_poll_is_tried_again);
    tcase_add_loop_test(tests, without_memory_for_the_first_poll_it_is_tried_again, 0, 2);
    tcase_add_loop_test(tests, an_abandoned_run_ends_without_a_result_wherever_it_is, 0, STAGES);
    tcase_add_loop_test(tests, a_cancelled_run_ends_with_a_result_wherever_it_is, 0, STAGES);
    tcase_add_test(tests, a_message_that_is_refused_is_so_also_when_it_is_cancelled);
    tcase_add_loop_test(tests, stopped_kickoffs_leave_what_was_sent, 0, STAGES);
    tcase_add_test(tests, after_stopped_kickoffs_no_run_begins);
    tcase_add_test(tests, a_kickoff_that_leaves_the_queue_before_it_was_told_does_not_slip_past);
    tcase_add_loop_test(tests, a_sweep_ends_those_whose_partition_has_gone, 0, STAGES);
    tcase_add_loop_test(tests, a_run_whose_partition_has_gone_is_not_prepared_and_not_begun, 0, 2);
    tcase_add_test(tests, a_command_concerns_those_who_were_there);
    tcase_add_test(tests, long_work_is_done_in_slices);
    tcase_add_test(tests, a_waiting_run_is_small);
    suite_add_tcase(suite, tests);
    return suite;
}
