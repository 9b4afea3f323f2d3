#include "support/runner_stage.h"

/* The calls of a run beside its kickoff and its polls, and what changes those two. */

/* ---- the prepare call ---- */

static void with_prepare(struct rxp_http_plan *plan)
{
    plan->prepare = (struct rxp_http_call){
        .url = "http://b.example/sessions", .method = "POST", .body = "{\"a\":1}", .body_bytes = 7};
    plan->prepared_id_path = "id";
}

START_TEST(a_prepare_call_goes_before_the_kickoff)
{
    struct subject *subject = subject_new();
    subject->shape = with_prepare;
    submit(subject);
    turn();
    ck_assert_uint_eq(n_transfers, 1);
    ck_assert_str_eq(last()->method, "POST");
    ck_assert_str_eq(last()->url, "http://b.example/sessions");
    ck_assert_str_eq(last()->body, "{\"a\":1}");
    ck_assert_str_eq(last()->content_type, "application/json");
    ck_assert(last()->once);
    ck_assert_int_eq(last()->timeout_ms, 3000);
    begin(last());
    ck_assert_uint_eq(last()->n_headers, 0); /* the idempotency header is the kickoff's */
    ck_assert_int_eq(subject->permits_asked, 0);
    ck_assert(!run_was_begun(subject->run));
    int64_t submitted_ms = subject->run->started_at_ms;
    turn_at(now_ms + 20000); /* it has no deadline yet */
    answer(last(), 201, "{\"id\":\"s 1\"}");
    ck_assert_uint_eq(n_transfers, 2);
    ck_assert_str_eq(last()->url, "http://b.example/runs");
    begin(last());
    ck_assert_uint_eq(last()->n_headers, 1);
    ck_assert_int_eq(subject->permits_asked, 1);
    ck_assert(run_was_begun(subject->run));
    ck_assert_int_ge(subject->run->started_at_ms, submitted_ms);
    turn_at(now_ms + 9999);
    answer(last(), 202, "{\"id\":\"r1\"}");
    ck_assert_str_eq(subject->note_prepared_id, "s 1");
    turn_at(now_ms + 1);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_TIMEOUT);
}
END_TEST

static void with_prepared_kickoff(struct rxp_http_plan *plan)
{
    with_prepare(plan);
    plan->kickoff.url = "http://b.example/{prepared_id}/runs";
    plan->kickoff.url_has_prepared_id = true;
    plan->kickoff.body = "{\"in\":\"{prepared_id}\"}";
    plan->kickoff.body_bytes = strlen(plan->kickoff.body);
    plan->kickoff.body_has_prepared_id = true;
}

/* 0: it fits; 1: as a step in a path it does not. */
START_TEST(what_was_prepared_is_filled_into_the_kickoff)
{
    struct subject *subject = subject_new();
    subject->shape = with_prepared_kickoff;
    submit(subject);
    turn();
    begin(last());
    answer(last(), 200, _i == 0 ? "{\"id\":\"s\\\"1\"}" : "{\"id\":\"..\"}");
    if (_i == 0) {
        ck_assert_str_eq(last()->url, "http://b.example/s%221/runs");
        ck_assert_str_eq(last()->body, "{\"in\":\"s\\\"1\"}");
        begin(last());
        ck_assert_str_eq(last()->header[0], "Idempotency-Key: inv-1");
    } else {
        ck_assert_int_eq(subject->outcome.error, RXP_ERROR_PREPARE_FAILED);
        ck_assert_uint_eq(n_transfers, 1);
    }
}
END_TEST

START_TEST(a_prepare_call_that_fails_ends_the_run)
{
    struct subject *subject = subject_new();
    subject->shape = with_prepare;
    submit(subject);
    turn();
    begin(last());
    answer(last(), 500, "boom");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_FAILED);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_PREPARE_FAILED);
    ck_assert(!subject->was_begun);
    ck_assert_uint_eq(n_transfers, 1);
}
END_TEST

/* Told to leave while its prepare call is under way: what that made is of no use to anybody. */
START_TEST(a_run_that_leaves_does_not_wait_for_its_prepare_call)
{
    struct subject *subject = subject_new();
    config.resumable = true;
    subject->shape = with_prepare;
    submit(subject);
    turn();
    begin(last());
    tenure_set(&subject->tenure, TENURE_ENDING);
    runner_command(&runner, RUNNER_SWEEP, now_ms);
    turn();
    ck_assert(subject->abandoned);
    ck_assert(!subject->was_begun);
    ck_assert(last()->cancelled);
}
END_TEST

/* ---- kickoffs again ---- */

static void with_worker_retries(struct rxp_http_plan *plan)
{
    plan->kickoff_max_retries = -1;
}

/* 0: it never left; 1: the backend asks for it. */
START_TEST(a_kickoff_that_started_nothing_is_sent_again)
{
    struct subject *subject = subject_new();
    config.kickoff_max_retries = 2;
    subject->shape = with_worker_retries;
    submit(subject);
    turn();
    for (int i = 0; i < 2; i++) {
        begin(last());
        if (_i == 0) {
            break_off(last(), TRANSPORT_CONNECT, false);
        } else {
            answer_with(last(), 503, "busy", "2", NULL);
        }
        ck_assert_int_eq(subject->ended, 0);
        ck_assert(!run_was_begun(subject->run));
        ck_assert_uint_eq(n_transfers, (size_t)i + 1);
        if (_i == 1) {
            turn_at(now_ms + 1999);
            ck_assert_uint_eq(n_transfers, (size_t)i + 1);
        }
        turn_at(now_ms + 1001);
        ck_assert_uint_eq(n_transfers, (size_t)i + 2);
        ck_assert_str_eq(last()->url, "http://b.example/runs");
        ck_assert(last()->is_kickoff && last()->once);
    }
    begin(last());
    ck_assert_str_eq(last()->header[0], "Idempotency-Key: inv-1");
    ck_assert_int_eq(subject->permits_asked, 1);
    if (_i == 0) {
        break_off(last(), TRANSPORT_CONNECT, false);
        ck_assert_int_eq(subject->outcome.error, RXP_ERROR_KICKOFF_NETWORK);
        ck_assert_uint_eq(n_transfers, 3);
    } else {
        answer(last(), 200, "{\"status\":\"completed\"}");
        ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    }
}
END_TEST

/* The plan's own number counts, not the worker's. */
static void without_retries(struct rxp_http_plan *plan)
{
    plan->kickoff_max_retries = 0;
}

START_TEST(the_plan_says_how_often_a_kickoff_may_be_sent_again)
{
    struct subject *subject = subject_new();
    config.kickoff_max_retries = 2;
    subject->shape = without_retries;
    submit(subject);
    turn();
    begin(last());
    break_off(last(), TRANSPORT_CONNECT, false);
    ck_assert_int_eq(subject->ended, 1);
}
END_TEST

START_TEST(a_run_that_waits_to_be_kicked_off_again_leaves_as_one_that_never_began)
{
    struct subject *subject = subject_new();
    config.kickoff_max_retries = 2;
    subject->shape = with_worker_retries;
    submit(subject);
    turn();
    begin(last());
    break_off(last(), TRANSPORT_CONNECT, false);
    tenure_set(&subject->tenure, TENURE_ENDING);
    runner_command(&runner, RUNNER_SWEEP, now_ms);
    turn();
    ck_assert(subject->abandoned);
    ck_assert(!subject->was_begun);
}
END_TEST

/* ---- too late to start ---- */

static int64_t start_before_ms;

static void with_start_before(struct rxp_http_plan *plan)
{
    plan->start_before_ms = start_before_ms;
}

/* 0: it passed before the run was there; 1: while the kickoff is queued; 2: as it is about to leave. */
START_TEST(a_run_that_is_not_kicked_off_in_time_is_not_started)
{
    struct subject *subject = subject_new();
    start_before_ms = clock_wall_ms() + (_i == 0 ? -1000 : 60000);
    subject->shape = with_start_before;
    submit(subject);
    turn();
    if (_i > 0) {
        ck_assert_uint_eq(n_transfers, 1);
        ck_assert_int_eq(subject->ended, 0);
        now_ms += 61000;
        subject->run->awake->made.start_before_ms = clock_wall_ms() - 1000; /* as if the wall clock had gone on as well */
        if (_i == 1) {
            turn();
            ck_assert(last()->cancelled && !last()->is_late);
        } else {
            begin(last());
            ck_assert(last()->is_over);
        }
    }
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_TIMED_OUT);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_START_EXPIRED);
    ck_assert(!subject->was_begun);
    ck_assert_uint_eq(n_transfers, _i > 0);
}
END_TEST

START_TEST(a_run_that_was_kicked_off_in_time_goes_on)
{
    struct subject *subject = subject_new();
    subject->timeout = "3600";
    start_before_ms = clock_wall_ms() + 60000;
    subject->shape = with_start_before;
    kick_off(subject);
    turn_at(now_ms + 120000);
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
}
END_TEST

/* ---- poll URLs that the backend names ---- */

static void with_header(struct rxp_http_plan *plan)
{
    plan->poll_url_header = "Location";
}

START_TEST(a_poll_goes_where_the_kickoff_said_and_then_where_the_polls_say)
{
    struct subject *subject = subject_new();
    subject->timeout = "3600";
    subject->shape = with_header;
    submit(subject);
    turn();
    ck_assert_str_eq(last()->want_header, "Location");
    begin(last());
    answer_with(last(), 202, "{\"id\":\"r1\"}", NULL, "http://c.example/1");
    ck_assert_str_eq(subject->note_url, "http://c.example/1");
    ck_assert_int_eq(subject->accepted, 1);
    ck_assert_str_eq(last()->url, "http://c.example/1");
    ck_assert_str_eq(last()->want_header, "Location");
    begin(last());
    answer_with(last(), 200, "{\"status\":\"running\"}", NULL, "http://c.example/2");
    ck_assert_int_eq(subject->noted, 0); /* the last note was a moment ago */
    turn_at(now_ms + 2000);
    ck_assert_str_eq(last()->url, "http://c.example/2");
    begin(last());
    turn_at(now_ms + 2500);
    answer_with(last(), 200, "{\"status\":\"running\"}", NULL, "http://c.example/3");
    ck_assert_int_eq(subject->noted, 0);
    turn_at(now_ms + 2000);
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert_int_eq(subject->noted, 1); /* also of what changed before */
    ck_assert_str_eq(subject->note_url, "http://c.example/3");
    turn_at(now_ms + 20000);
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert_int_eq(subject->noted, 1); /* nothing new */
    ck_assert_int_eq(subject->accepted, 1);
}
END_TEST

/* 0: its partition goes elsewhere; 1: it is lost. */
START_TEST(what_is_new_is_told_before_a_run_is_abandoned)
{
    struct subject *subject = subject_new();
    config.resumable = true;
    subject->shape = with_header;
    kick_off(subject);
    answer_with(last(), 200, "{\"status\":\"running\"}", NULL, "http://c.example/2");
    ck_assert_int_eq(subject->noted, 0);
    tenure_set(&subject->tenure, _i == 0 ? TENURE_ENDING : TENURE_OVER);
    runner_command(&runner, RUNNER_SWEEP, now_ms);
    turn();
    ck_assert(subject->abandoned);
    ck_assert_int_eq(subject->noted, _i == 0);
}
END_TEST

static void with_late_id(struct rxp_http_plan *plan)
{
    plan->poll.url = "http://b.example/status";
    plan->poll.url_has_run_id = false;
    plan->run_id_path = NULL;
    plan->late_run_id_path = "run";
}

START_TEST(an_id_that_comes_late_is_told)
{
    struct subject *subject = subject_new();
    subject->timeout = "3600";
    subject->shape = with_late_id;
    submit(subject);
    turn();
    begin(last());
    answer(last(), 202, "");
    ck_assert_str_eq(subject->note_id, "");
    ck_assert_str_eq(last()->url, "http://b.example/status");
    begin(last());
    turn_at(now_ms + 6001);
    answer(last(), 200, "{\"status\":\"running\",\"run\":\"r9\"}");
    ck_assert_int_eq(subject->noted, 1);
    ck_assert_str_eq(subject->note_id, "r9");
    turn_at(now_ms + 2000);
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\",\"run\":\"r10\"}");
    ck_assert_str_eq(subject->run_id, "r9"); /* the first one counts */
}
END_TEST

/* ---- polls ---- */

static void with_post(struct rxp_http_plan *plan)
{
    plan->poll.method = "POST";
}

START_TEST(a_poll_by_post_is_sent_once)
{
    struct subject *subject = subject_new();
    subject->shape = with_post;
    kick_off(subject);
    ck_assert_str_eq(last()->method, "POST");
    ck_assert(last()->once);
    ck_assert(!last()->is_kickoff);
}
END_TEST

START_TEST(a_poll_waits_as_long_as_the_backend_says)
{
    struct subject *subject = subject_new();
    kick_off(subject);
    answer_with(last(), 200, "{\"status\":\"running\"}", "4", NULL);
    turn_at(now_ms + 3999);
    ck_assert_uint_eq(n_transfers, 2);
    turn_at(now_ms + 1);
    ck_assert_uint_eq(n_transfers, 3);
}
END_TEST

static int pending_code = 404;

static void with_pending(struct rxp_http_plan *plan)
{
    plan->pending_codes = (struct rxp_codes){&pending_code, 1};
    plan->poll_pending_ms = 3000;
}

/* 0: for some time only; 1: not after a 200. */
START_TEST(a_pending_code_is_believed_at_first_only)
{
    struct subject *subject = subject_new();
    subject->shape = with_pending;
    kick_off(subject);
    answer(last(), 404, "none");
    ck_assert_int_eq(subject->ended, 0);
    turn_at(now_ms + 2000);
    begin(last());
    if (_i == 1) {
        answer(last(), 200, "{\"status\":\"running\"}");
    } else {
        answer(last(), 404, "none");
    }
    turn_at(now_ms + 2000);
    begin(last());
    answer(last(), 404, "none");
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_STATUS);
}
END_TEST

/* ---- the result ---- */

static const char *const fetched_states[] = {"completed", "failed"};

static void with_result(struct rxp_http_plan *plan)
{
    plan->result = (struct rxp_http_call){
        .url = "http://b.example/runs/{run_id}/out", .method = "GET", .url_has_run_id = true};
    plan->result_states = (struct rxp_words){fetched_states, 2};
}

/* By a poll, or by the kickoff at once. */
static struct subject *bring_to_fetch(bool by_poll, const char *state)
{
    struct subject *subject = subject_new();
    char body[128];
    subject->shape = with_result;
    snprintf(body, sizeof body, "{\"id\":\"r/1\",\"status\":\"%s\"}", state);
    submit(subject);
    turn();
    begin(last());
    if (by_poll) {
        answer(last(), 202, "{\"id\":\"r/1\"}");
        begin(last());
    }
    answer(last(), 200, body);
    ck_assert_int_eq(subject->ended, 0);
    ck_assert_str_eq(last()->method, "GET");
    ck_assert_str_eq(last()->url, "http://b.example/runs/r%2F1/out");
    ck_assert(!last()->once && !last()->is_kickoff);
    ck_assert_str_eq(last()->want_header, "");
    ck_assert_int_eq(last()->timeout_ms, 3000);
    ck_assert_int_eq(subject->accepted, 1);
    begin(last());
    ck_assert_uint_eq(last()->n_headers, 0);
    return subject;
}

START_TEST(the_result_is_fetched_after_the_end)
{
    struct subject *subject = bring_to_fetch(_i == 0, "completed");
    answer(last(), 200, "{\"x\":1}");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    ck_assert_int_eq(subject->outcome.exit_code, 0);
    ck_assert_str_eq(subject->result, "{\"x\":1}");
    ck_assert_str_eq(subject->state, "completed");
    ck_assert_int_eq(subject->polls, _i == 0);
}
END_TEST

/* Of a run that succeeded, and of one that failed. */
START_TEST(a_fetch_that_fails_again_and_again_ends_the_run)
{
    struct subject *subject = bring_to_fetch(true, fetched_states[_i]);
    for (int i = 0; i < 2; i++) {
        answer(last(), 503, "busy");
        ck_assert_int_eq(subject->ended, 0);
        turn_at(now_ms + 2000);
        ck_assert_str_eq(last()->url, "http://b.example/runs/r%2F1/out");
        begin(last());
    }
    answer(last(), 503, "busy");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_FAILED);
    ck_assert_int_eq(subject->outcome.error, _i == 0 ? RXP_ERROR_RESULT_FETCH : RXP_ERROR_BACKEND_FAILED);
    ck_assert_int_eq(subject->outcome.has_exit_code, _i == 1);
    ck_assert_str_eq(subject->state, fetched_states[_i]);
}
END_TEST

START_TEST(a_run_may_time_out_while_its_result_is_fetched)
{
    struct subject *subject = bring_to_fetch(true, "completed");
    turn_at(now_ms + 10000);
    ck_assert(last()->cancelled && last()->is_late);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_TIMED_OUT);
    ck_assert_str_eq(subject->summary, "result fetch exceeded timeout of 10s");
}
END_TEST

static void with_no_template(struct rxp_http_plan *plan)
{
    plan->poll.url = NULL;
    plan->poll.url_has_run_id = false;
}

static void with_result_of_no_id(struct rxp_http_plan *plan)
{
    with_late_id(plan);
    with_result(plan);
}

START_TEST(a_result_whose_url_wants_an_unknown_id_cannot_be_fetched)
{
    struct subject *subject = subject_new();
    subject->shape = with_result_of_no_id;
    submit(subject);
    turn();
    begin(last());
    answer(last(), 202, "");
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_FAILED);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_RESULT_FETCH);
    ck_assert_uint_eq(n_transfers, 2);
}
END_TEST

static const struct {
    const char *polls[2];
    const char *why;
} unfit_rows[] = {
    {{"{\"status\":\"running\"}", "{\"status\":\"completed\"}"}, ", and no answer named one"},
    {{"{\"status\":\"running\"}", "{\"status\":\"completed\",\"run\":null}"},
     ", and the one that was named can't be used: poll response has null at path 'run', where a run id is due"},
    {{"{\"status\":\"running\",\"run\":\"..\"}", "{\"status\":\"completed\"}"},
     ", and the one that was named can't be used: poll response has '..' at path 'run', which is a step in a path "
     "and no run id"},
    {{"{\"status\":\"running\",\"run\":\"..\"}", "{\"status\":\"completed\",\"run\":[]}"},
     ", and the one that was named can't be used: poll response has an array at path 'run', where a run id is due"},
};

START_TEST(an_id_that_was_named_and_does_not_serve_is_told_of)
{
    struct subject *subject = subject_new();
    subject->shape = with_result_of_no_id;
    submit(subject);
    turn();
    begin(last());
    answer(last(), 202, "");
    begin(last());
    answer(last(), 200, unfit_rows[_i].polls[0]);
    turn_at(now_ms + 2000);
    begin(last());
    answer(last(), 200, unfit_rows[_i].polls[1]);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_RESULT_FETCH);
    ck_assert_msg(strstr(subject->summary, "http.result_url_template wants the run id") != NULL, "%s", subject->summary);
    ck_assert_msg(strstr(subject->summary, unfit_rows[_i].why) != NULL, "%s", subject->summary);
}
END_TEST

static void with_url_and_unfit_id(struct rxp_http_plan *plan)
{
    with_result(plan);
    with_header(plan);
}

START_TEST(so_is_one_that_the_kickoff_named)
{
    struct subject *subject = subject_new();
    subject->shape = with_url_and_unfit_id;
    submit(subject);
    turn();
    begin(last());
    answer_with(last(), 202, "{\"id\":{}}", NULL, "http://b.example/1");
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_RESULT_FETCH);
    ck_assert_msg(strstr(subject->summary, "kickoff response has an object at path 'id', where a run id is due") != NULL,
                  "%s", subject->summary);
}
END_TEST

/* Its poll URL comes by a header, and no call wants an id. */
START_TEST(an_id_that_nobody_needs_is_in_the_result_all_the_same)
{
    struct subject *subject = subject_new();
    subject->metadata = ",\"http.poll_url_header\":\"Operation-Location\"";
    subject->shape = with_no_template;
    submit(subject);
    turn();
    begin(last());
    answer_with(last(), 202, _i == 0 ? "{\"id\":\"r7\"}" : "{}", NULL, "http://b.example/op/1");
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    ck_assert_str_eq(subject->run_id, _i == 0 ? "r7" : "");
}
END_TEST

/* ---- headers ---- */

static const struct rxp_http_header plain_header = {.name = "X-Team", .value = "blue"};
static const struct rxp_named_url named = {.url = "http://b.example/runs"};

static void with_plain_header(struct rxp_http_plan *plan)
{
    with_prepare(plan);
    with_result(plan);
    with_header(plan);
    plan->headers = &plain_header;
    plan->n_headers = 1;
    plan->named = &named;
    plan->n_named = 1;
}

START_TEST(headers_go_with_each_call_to_an_origin_that_the_plan_names)
{
    struct subject *subject = subject_new();
    subject->shape = with_plain_header;
    submit(subject);
    turn();
    begin(last());
    ck_assert_uint_eq(last()->n_headers, 1);
    ck_assert_str_eq(last()->header[0], "X-Team: blue");
    answer(last(), 200, "{\"id\":\"s1\"}");
    begin(last());
    ck_assert_uint_eq(last()->n_headers, 2);
    ck_assert_str_eq(last()->header[1], "X-Team: blue");
    answer_with(last(), 202, "{\"id\":\"r1\"}", NULL, "http://elsewhere.example/1");
    begin(last());
    ck_assert_str_eq(last()->url, "http://elsewhere.example/1");
    ck_assert_uint_eq(last()->n_headers, 0);
    answer(last(), 200, "{\"status\":\"completed\"}");
    begin(last());
    ck_assert_str_eq(last()->url, "http://b.example/runs/r1/out");
    ck_assert_uint_eq(last()->n_headers, 1);
    answer(last(), 200, "1");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
}
END_TEST

static const struct rxp_http_header type_header = {.name = "content-type", .value = "application/vnd.own+json"};

static void with_type_header(struct rxp_http_plan *plan)
{
    with_plain_header(plan);
    plan->headers = &type_header;
}

/* The prepare call has one, the kickoff none. */
START_TEST(a_content_type_goes_with_a_body_alone)
{
    struct subject *subject = subject_new();
    subject->shape = with_type_header;
    submit(subject);
    turn();
    begin(last());
    ck_assert_uint_eq(last()->n_headers, 1);
    ck_assert_str_eq(last()->header[0], "content-type: application/vnd.own+json");
    answer(last(), 200, "{\"id\":\"s1\"}");
    begin(last());
    ck_assert_uint_eq(last()->n_headers, 1);
    ck_assert_str_eq(last()->header[0], "Idempotency-Key: inv-1");
    answer(last(), 202, "{\"id\":\"r1\"}");
    begin(last());
    ck_assert_uint_eq(last()->n_headers, 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner_calls");
    TCase *tests = tcase_create("runner_calls");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_prepare_call_goes_before_the_kickoff);
    tcase_add_loop_test(tests, what_was_prepared_is_filled_into_the_kickoff, 0, 2);
    tcase_add_test(tests, a_prepare_call_that_fails_ends_the_run);
    tcase_add_test(tests, a_run_that_leaves_does_not_wait_for_its_prepare_call);
    tcase_add_loop_test(tests, a_kickoff_that_started_nothing_is_sent_again, 0, 2);
    tcase_add_test(tests, the_plan_says_how_often_a_kickoff_may_be_sent_again);
    tcase_add_test(tests, a_run_that_waits_to_be_kicked_off_again_leaves_as_one_that_never_began);
    tcase_add_loop_test(tests, a_run_that_is_not_kicked_off_in_time_is_not_started, 0, 3);
    tcase_add_test(tests, a_run_that_was_kicked_off_in_time_goes_on);
    tcase_add_test(tests, a_poll_goes_where_the_kickoff_said_and_then_where_the_polls_say);
    tcase_add_loop_test(tests, what_is_new_is_told_before_a_run_is_abandoned, 0, 2);
    tcase_add_test(tests, an_id_that_comes_late_is_told);
    tcase_add_test(tests, a_poll_by_post_is_sent_once);
    tcase_add_test(tests, a_poll_waits_as_long_as_the_backend_says);
    tcase_add_loop_test(tests, a_pending_code_is_believed_at_first_only, 0, 2);
    tcase_add_loop_test(tests, the_result_is_fetched_after_the_end, 0, 2);
    tcase_add_loop_test(tests, a_fetch_that_fails_again_and_again_ends_the_run, 0, 2);
    tcase_add_test(tests, a_run_may_time_out_while_its_result_is_fetched);
    tcase_add_test(tests, a_result_whose_url_wants_an_unknown_id_cannot_be_fetched);
    tcase_add_test(tests, headers_go_with_each_call_to_an_origin_that_the_plan_names);
    tcase_add_loop_test(tests, an_id_that_was_named_and_does_not_serve_is_told_of, 0, COUNT(unfit_rows));
    tcase_add_test(tests, so_is_one_that_the_kickoff_named);
    tcase_add_loop_test(tests, an_id_that_nobody_needs_is_in_the_result_all_the_same, 0, 2);
    tcase_add_test(tests, a_content_type_goes_with_a_body_alone);
    suite_add_tcase(suite, tests);
    return suite;
}
