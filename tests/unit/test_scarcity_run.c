/* A whole run, each of its calls among them, as memory fails anywhere on its way: it ends, once; its kickoff goes once at most; and it
 * succeeds only with what the backend said. */
#include "support/check_main.h"
#include "support/scarce.h"

#include "base/clock.h"
#include "core/answer.h"
#include "core/intake.h"
#include "engine/runner.h"
#include "ops/log.h"
#include "protocol/result.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 400
#define TURNS_MAX 20
#define SCARCE_STEPS 60 /* then there is memory again */

static const char message[] =
    "{\"invocation_id\":\"order-17\",\"runtime_name\":\"archon\",\"runtime_kind\":\"http_async\",\"working_directory\":\"/\","
    "\"command\":[\"x\"],\"timeout_seconds\":600,\"metadata\":{"
    "\"http.prepare_url\":\"http://h/c\",\"http.prepare_id_path\":\"id\","
    "\"http.url\":\"http://h/kick\",\"http.body\":\"{\\\"c\\\":\\\"{prepared_id}\\\"}\",\"http.header.X-Key\":\"${secret:K}\","
    "\"http.poll_url_template\":\"http://h/by/{prepared_id}\",\"http.late_run_id_path\":\"run.id\","
    "\"http.poll_status_path\":\"run.status\",\"http.poll_terminal_states\":\"completed,failed\",\"http.poll_pending_codes\":\"404\","
    "\"http.result_url_template\":\"http://h/runs/{run_id}\",\"http.result_path\":\"events\","
    "\"http.after_url_template\":\"http://h/after/{run_id}\",\"http.cancel_url_template\":\"http://h/cancel/{run_id}\"}}";

/* No answer names anything: what is known when it is accepted is all that ever will be. */
static const char plain_message[] =
    "{\"invocation_id\":\"order-17\",\"runtime_name\":\"archon\",\"runtime_kind\":\"http_async\",\"working_directory\":\"/\","
    "\"command\":[\"x\"],\"timeout_seconds\":600,\"metadata\":{\"http.url\":\"http://h/kick\","
    "\"http.poll_url_template\":\"http://h/by/c-1\",\"http.poll_status_path\":\"run.status\","
    "\"http.poll_terminal_states\":\"completed,failed\"}}";
static bool is_plain;
static int polls_wanted = 3;

/* ---- a backend that answers at once ---- */

struct transfer {
    bool is_live;
    char path[64];
    char method[8];
    transfer_begun_fn begun;
    transfer_done_fn done;
    void *opaque;
};

/* The run's own, and what may go on behind it. */
static struct transfer transfers[8];
static int preparations_sent;
static int kickoffs_sent;
static int polls_answered;

static struct transfer *fake_start(struct transport *transport, const struct http_request *request, transfer_begun_fn begun,
                                   transfer_done_fn done, void *opaque)
{
    (void)transport;
    char *needs_memory = malloc(1);
    free(needs_memory);
    if (needs_memory == NULL)
        return NULL;
    struct transfer *transfer = transfers;
    while (transfer->is_live)
        transfer++;
    scarce_must(transfer < transfers + 8);
    *transfer = (struct transfer){.is_live = true, .begun = begun, .done = done, .opaque = opaque};
    snprintf(transfer->path, sizeof transfer->path, "%s", request->url + strlen("http://h"));
    snprintf(transfer->method, sizeof transfer->method, "%s", request->method);
    return transfer;
}

static void fake_cancel(struct transport *transport, struct transfer *transfer, bool is_late)
{
    (void)transport;
    (void)is_late;
    scarce_must(transfer->is_live);
    transfer->is_live = false;
}

static void fake_release(struct transport *transport, struct transfer *transfer)
{
    (void)transport;
    (void)transfer;
    scarce_must(false);
}

static struct transport fake = {fake_start, fake_cancel, fake_release};

static const char *answer_to(const struct transfer *transfer, int *code)
{
    *code = 200;
    if (strcmp(transfer->path, "/c") == 0)
        return "{\"id\":\"c-1\"}";
    if (strcmp(transfer->path, "/kick") == 0)
        return "{\"accepted\":true,\"status\":\"started\"}";
    if (strcmp(transfer->path, "/by/c-1") == 0) {
        *code = polls_answered++ == 0 && !is_plain ? 404 : 200;
        return polls_answered < polls_wanted ? "{\"run\":{\"id\":\"r-1\",\"status\":\"running\"}}"
                                  : "{\"run\":{\"id\":\"r-1\",\"status\":\"completed\"}}";
    }
    if (strcmp(transfer->path, "/runs/r-1") == 0)
        return "{\"events\":[1,2]}";
    scarce_must(strcmp(transfer->path, "/after/r-1") == 0 || strcmp(transfer->path, "/cancel/r-1") == 0);
    return "{}";
}

static void answer(struct transfer *transfer, int64_t now_ms)
{
    struct http_headers headers = {0};
    enum transfer_go go = transfer->begun(transfer->opaque, now_ms, &headers);
    scarce_must(go != TRANSFER_HOLD);
    if (go == TRANSFER_DROP) {
        transfer->is_live = false;
        return;
    }
    preparations_sent += strcmp(transfer->path, "/c") == 0;
    if (strcmp(transfer->path, "/kick") == 0) {
        kickoffs_sent++;
        scarce_must(headers.n >= 1); /* without the idempotency key it must not go */
    }
    if (!transfer->is_live)
        return; /* cancelled as it went */
    struct http_reply reply = {.sent = true};
    reply.body = answer_to(transfer, &reply.code);
    reply.body_bytes = strlen(reply.body);
    transfer->is_live = false;
    transfer->done(transfer->opaque, &reply, now_ms);
}

/* ---- the run ---- */

/* What befalls it, beside the want of memory. */
enum course { UNDISTURBED, RESUMED, CANCELLED_EARLY, CANCELLED_LATE };
static enum course course;
static bool has_secret = true; /* else nothing is asked for between its preparation and its first poll */

static const struct run_resume resume = {.run_id = "r-1", .prepared_id = "c-1", .poll_url = "http://h/by/c-1",
                                         .started_at_ms = 1, .deadline_at_ms = INT64_C(1) << 50, .polls = 7};
static struct run_resume resumes_from; /* gone once it slept */

static struct run run;
static int ended;

static enum pool_prepared on_prepare(struct run *prepared, void *opaque)
{
    (void)opaque;
    struct rxp_refusal why = {RXP_OK, ""};
    struct awake *awake = prepared->awake;
    static const char secret[] = "${secret:K}";
    char text[sizeof message];
    snprintf(text, sizeof text, "%s", is_plain ? plain_message : message);
    if (!has_secret && !is_plain)
        memset(strstr(text, secret), 'x', sizeof secret - 1);
    int parsed = rxp_invocation_parse(text, strlen(text), 1 << 20, &awake->parsed, &why);
    if (parsed != 0 || rxp_http_plan_make(awake->parsed, NULL, &awake->made, &why) != 0) {
        scarce_must(rxp_lacked_memory(&why));
        return POOL_NOT_NOW;
    }
    awake->invocation = awake->parsed;
    awake->plan = &awake->made;
    resumes_from = resume;
    awake->resume = course == RESUMED ? &resumes_from : NULL;
    return POOL_PREPARED;
}

static void on_slept(struct run *slept, void *opaque)
{
    (void)opaque;
    scarce_must(slept == &run);
    resumes_from = (struct run_resume){.run_id = "gone", .prepared_id = "gone", .poll_url = "http://h/gone"};
}

static bool is_known; /* by its owner: where it is polled */
static int polls_when_known;

static void on_accepted_or_noted(struct run *accepted, void *opaque)
{
    char room[RUN_POLL_URL_BYTES];
    (void)opaque;
    char *needs_memory = malloc(1); /* to keep it */
    bool is_kept = needs_memory != NULL && run_poll_url(accepted, room) != NULL;
    free(needs_memory);
    polls_when_known = is_kept && !is_known ? polls_answered : polls_when_known;
    is_known = is_known || is_kept;
    accepted->has_news = accepted->has_news || !is_kept;
}

static void on_ended(struct run *over, void *opaque)
{
    (void)opaque;
    scarce_must(over == &run);
    scarce_must(ended++ == 0);
    scarce_must(over->awake->transfer == NULL);
    scarce_must(kickoffs_sent == 0 || run_was_begun(over));
}

static const struct pool_hooks hooks = {.prepare = on_prepare, .accepted = on_accepted_or_noted, .noted = on_accepted_or_noted,
                                        .slept = on_slept, .ended = on_ended};

static void must_have_ended_truly(bool failed)
{
    const struct outcome *outcome = &run.awake->outcome;
    ck_assert_int_eq(ended, 1);
    ck_assert_int_le(kickoffs_sent, 1);
    ck_assert(!run.abandoned && rxp_status_is_terminal(outcome->status));
    bool is_cancelled = course == CANCELLED_EARLY || course == CANCELLED_LATE;
    ck_assert(failed || outcome->status == (is_cancelled ? RXP_STATUS_CANCELLED : RXP_STATUS_SUCCEEDED));
    ck_assert(course != RESUMED || kickoffs_sent == 0);
    ck_assert(course != RESUMED || outcome->error != RXP_ERROR_POLL_URL_MISSING); /* it was known all the time */
    ck_assert((outcome->status == RXP_STATUS_SUCCEEDED) == (outcome->error == RXP_OK));
    if (outcome->status == RXP_STATUS_SUCCEEDED) {
        ck_assert(run.awake->result != NULL ? strcmp(run.awake->result, "[1,2]") == 0 : run.result_truncated);
        ck_assert(run.awake->run_id != NULL && strcmp(run.awake->run_id, "r-1") == 0);
        ck_assert(run.awake->state != NULL && strcmp(run.awake->state, "completed") == 0);
    }
    ck_assert(outcome->status != RXP_STATUS_REJECTED); /* nothing is wrong with it */
    /* What the worker never got to send does not fail it. */
    bool was_asked = preparations_sent > 0 || kickoffs_sent > 0;
    ck_assert(was_asked || course == RESUMED || outcome->status != RXP_STATUS_FAILED);
    /* And a result can be made of it. */
    const struct answer_context context = {.worker_id = "w", .source = {"in", 0, 1}};
    size_t bytes;
    char *text = answer_write(&run, &context, &bytes);
    ck_assert(text != NULL && rxp_result_parse(text, bytes, NULL, &(struct rxp_refusal){RXP_OK, ""}) == 0);
    free(text);
}

static void live(long n, long failures)
{
    static const char *const environment[] = {"RXP_SECRET_K=s3cr3t", NULL};
    char why[SECRETS_WHY_BYTES];
    struct secrets *secrets = secrets_new(&(struct secrets_config){.environment = environment, .hosts = "K=h"}, why);
    const struct pool_config config = {.threads = 1, .secrets = secrets, .kickoff_max_wait_ms = 1, .max_run_ms = 86400000, .connect_timeout_ms = 7000, .poll_timeout_ms = 3000,
                                       .poll_min_interval_ms = 100, .poll_max_failures = 2, .kickoff_max_retries = 3,
                                       .max_response_bytes = 1 << 20, .max_result_bytes = 100};
    struct runner runner;
    struct list submitted;
    int64_t now_ms = 1000000;
    is_known = false;
    preparations_sent = kickoffs_sent = polls_answered = ended = 0;
    runner_init(&runner, &config, &hooks, &fake, 42);
    run_init(&run);
    list_init(&submitted);
    scarce_begin(n, failures);
    runner_announce(&runner, &run, now_ms, clock_wall_ms());
    list_push(&submitted, &run.node);
    runner_add(&runner, &submitted);
    bool is_idle = false;
    bool lacked = false;
    for (int steps = 0; !is_idle; steps++) {
        scarce_must(steps < STEPS_MAX);
        /* Without memory it rests, rather than to be tried again and again. */
        for (int turns = 0; runner_turn(&runner, now_ms, 1); turns++)
            scarce_must(turns < TURNS_MAX);
        if (steps == SCARCE_STEPS)
            lacked = scarce_end() || lacked;
        if ((course == CANCELLED_EARLY && steps == 1) || (course == CANCELLED_LATE && steps == 5))
            runner_command(&runner, RUNNER_CANCEL, now_ms);
        while (runner_turn(&runner, now_ms, 1) && steps < STEPS_MAX)
            steps++;
        is_idle = true;
        for (size_t i = 0; i < 8; i++) {
            if (transfers[i].is_live) {
                answer(&transfers[i], now_ms);
                is_idle = false;
            }
        }
        if (is_idle && runner_next_ms(&runner) != CLOCK_NEVER) {
            now_ms = runner_next_ms(&runner);
            is_idle = false;
        }
    }
    lacked = scarce_end() || lacked;
    if (!is_plain)
        must_have_ended_truly(lacked);
    run_deinit(&run);
    runner_deinit(&runner);
    secrets_free(secrets);
}

START_TEST(a_run_ends_truly_whatever_memory_fails_it)
{
    course = (enum course)_i;
    has_secret = true;
    log_set_level(LOG_ERROR);
    ck_assert_int_gt(scarce_try(live), 20);
}
END_TEST

/* It must not sleep before it has taken all over from what it resumed: a few failures in a row, and then memory to sleep. */
START_TEST(a_run_that_goes_on_knows_where_whatever_memory_fails_it)
{
    course = RESUMED;
    has_secret = false;
    log_set_level(LOG_ERROR);
    for (long n = 1; n <= 40; n++) {
        live(n, _i);
    }
}
END_TEST

/* Its owner keeps that for whoever goes on with it: else the run is started a second time when its partition moves. */
START_TEST(where_a_run_is_polled_is_told_as_soon_as_there_is_memory_for_it)
{
    course = UNDISTURBED;
    is_plain = true;
    polls_wanted = 20;
    log_set_level(LOG_ERROR);
    for (long n = 1; n <= 60; n++) {
        live(n, 1);
        ck_assert_int_eq(kickoffs_sent, 1);
        ck_assert_msg(is_known, "where allocation %ld fails", n);
        ck_assert_int_le(polls_when_known, 1); /* with the next answer */
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("scarcity_run");
    TCase *tcase = tcase_create("run");
    tcase_add_loop_test(tcase, a_run_ends_truly_whatever_memory_fails_it, UNDISTURBED, CANCELLED_LATE + 1);
    tcase_add_loop_test(tcase, a_run_that_goes_on_knows_where_whatever_memory_fails_it, 2, 8);
    tcase_add_test(tcase, where_a_run_is_polled_is_told_as_soon_as_there_is_memory_for_it);
    suite_add_tcase(suite, tcase);
    return suite;
}
