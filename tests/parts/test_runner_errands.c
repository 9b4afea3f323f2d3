#include "support/runner_stage.h"

/* What is done at the backend for runs that have ended: cancel and after calls. */

static struct rxp_http_plan extra; /* what the plans of a test have beside */

static void with_extra(struct rxp_http_plan *plan)
{
    plan->cancel = extra.cancel;
    plan->after = extra.after;
    plan->after_states = extra.after_states;
    plan->after_states_all = extra.after_states_all;
    plan->headers = extra.headers;
    plan->n_headers = extra.n_headers;
    plan->named = extra.named;
    plan->n_named = extra.n_named;
    plan->result = extra.result;
    plan->result_states_all = extra.result.url != NULL;
    plan->poll_url_header = extra.poll_url_header;
    if (extra.late_run_id_path != NULL) {
        plan->late_run_id_path = extra.late_run_id_path;
        plan->run_id_path = NULL;
        plan->poll.url = "http://b.example/status";
        plan->poll.url_has_run_id = false;
    }
}

static const struct rxp_http_call cancel_call = {.url = "http://b.example/runs/{run_id}/cancel",
                                                 .method = "POST",
                                                 .body = "{\"why\":\"late\"}",
                                                 .body_bytes = 14,
                                                 .url_has_run_id = true};
static const struct rxp_http_call after_call = {
    .url = "http://b.example/runs/{run_id}", .method = "DELETE", .url_has_run_id = true};

static void set_up(void)
{
    setup();
    extra = (struct rxp_http_plan){.cancel = cancel_call};
}

static struct subject *subject_with_extra(void)
{
    struct subject *subject = subject_new();
    subject->shape = with_extra;
    return subject;
}

static size_t errands(void)
{
    return atomic_load(&runner.errands.n);
}

static void cancel_runs(void)
{
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
}

static void assert_is_cancel(const struct transfer *transfer, const char *url)
{
    ck_assert_str_eq(transfer->method, "POST");
    ck_assert_str_eq(transfer->url, url);
    ck_assert_str_eq(transfer->body, "{\"why\":\"late\"}");
    ck_assert_str_eq(transfer->content_type, "application/json");
    ck_assert(transfer->once && !transfer->is_kickoff);
    ck_assert_int_eq(transfer->connect_timeout_ms, 7000);
    ck_assert_int_le(transfer->timeout_ms, 10000);
}

/* ---- cancel ---- */

/* 0: while it is polled; 1: while it rests; 2: it is cancelled. */
START_TEST(a_run_that_is_cut_is_cancelled_at_its_backend)
{
    struct subject *subject = subject_with_extra();
    kick_off(subject);
    if (_i == 1) {
        answer(last(), 200, "{\"status\":\"running\"}");
        turn_at(now_ms + 1000);
    }
    if (_i == 2) {
        cancel_runs();
    } else {
        turn_at(now_ms + 10000);
    }
    ck_assert_int_eq(subject->outcome.status, _i == 2 ? RXP_STATUS_CANCELLED : RXP_STATUS_TIMED_OUT);
    ck_assert_int_eq(subject->ended, 1); /* its result does not wait */
    ck_assert_uint_eq(subject->errands_at_end, 1);
    ck_assert_uint_eq(n_transfers, 3);
    assert_is_cancel(last(), "http://b.example/runs/r1/cancel");
    ck_assert_int_eq(last()->timeout_ms, 10000);
    begin(last());
    ck_assert_uint_eq(errands(), 1);
    answer(last(), 202, "");
    ck_assert_uint_eq(errands(), 0);
    ck_assert_int_eq(runner_next_ms(&runner), CLOCK_NEVER);
    turn_at(now_ms + 20000);
    ck_assert_uint_eq(n_transfers, 3);
}
END_TEST

START_TEST(a_run_that_ended_as_its_time_was_up_is_not_cancelled)
{
    struct subject *subject = subject_with_extra();
    extra.result = (struct rxp_http_call){.url = "http://b.example/result", .method = "GET"};
    submit(subject);
    turn();
    begin(last());
    answer(last(), 202, "{\"id\":\"r1\"}");
    begin(last());
    now_ms += 10000; /* the timer was not looked at yet */
    answer(last(), 200, "{\"status\":\"completed\"}");
    turn();
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_TIMED_OUT);
    ck_assert_uint_eq(errands(), 0);
}
END_TEST

enum { QUEUED, NEVER_LEFT, FAILED, BROKEN, SUCCEEDED, LEFT };

START_TEST(nothing_is_cancelled_that_was_not_begun_or_has_ended)
{
    struct subject *subject = subject_with_extra();
    extra.cancel.url = "http://b.example/stop?key=inv-1";
    extra.cancel.url_has_run_id = false;
    submit(subject);
    turn();
    if (_i == NEVER_LEFT) {
        subject->run->awake->made.kickoff_max_retries = 1;
        begin(last());
        break_off(last(), TRANSPORT_CONNECT, false);
        cancel_runs();
    } else if (_i == QUEUED) {
        cancel_runs();
    } else {
        begin(last());
        answer(last(), 202, "{\"id\":\"r1\"}");
        begin(last());
        if (_i == LEFT) {
            tenure_set(&subject->tenure, TENURE_OVER);
            runner_command(&runner, RUNNER_SWEEP, now_ms);
        } else {
            answer(last(), _i == BROKEN ? 404 : 200, _i == FAILED ? "{\"status\":\"failed\"}" : "{\"status\":\"completed\"}");
        }
        turn();
    }
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_uint_eq(errands(), 0);
    ck_assert_uint_eq(n_transfers, _i == QUEUED || _i == NEVER_LEFT ? 1 : 2);
}
END_TEST

/* The kickoff's own answer was not there yet: its id is not known. */
START_TEST(a_run_without_an_id_cannot_be_cancelled)
{
    struct subject *subject = subject_with_extra();
    submit(subject);
    turn();
    begin(last());
    turn_at(now_ms + 10000);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_KICKOFF_TIMEOUT);
    ck_assert_uint_eq(n_transfers, 1);
    ck_assert_uint_eq(errands(), 0);
}
END_TEST

START_TEST(a_cancel_call_that_wants_no_id_goes_without_one)
{
    struct subject *subject = subject_with_extra();
    extra.cancel.url = "http://b.example/stop?key=inv-1";
    extra.cancel.url_has_run_id = false;
    submit(subject);
    turn();
    begin(last());
    turn_at(now_ms + 10000);
    ck_assert_uint_eq(n_transfers, 2);
    assert_is_cancel(last(), "http://b.example/stop?key=inv-1");
}
END_TEST

/* ---- the look ---- */

/* 0: the poll says the id; 1: it does not; 2: it fails; 3: it is no JSON. */
START_TEST(an_unknown_id_is_looked_for_first)
{
    struct subject *subject = subject_with_extra();
    extra.late_run_id_path = "run";
    submit(subject);
    turn();
    begin(last());
    turn_at(now_ms + 10000); /* the kickoff is not answered at all */
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_uint_eq(n_transfers, 2);
    ck_assert_str_eq(last()->method, "GET");
    ck_assert_str_eq(last()->url, "http://b.example/status");
    ck_assert(!last()->once);
    begin(last());
    now_ms += 4000;
    switch (_i) {
    case 0:
        answer(last(), 200, "{\"run\":\"r/7\",\"status\":\"running\"}");
        turn();
        ck_assert_uint_eq(n_transfers, 3);
        assert_is_cancel(last(), "http://b.example/runs/r%2F7/cancel");
        ck_assert_int_eq(last()->timeout_ms, 6000); /* ten seconds in all */
        begin(last());
        answer(last(), 204, "");
        break;
    case 1:
        answer(last(), 200, "{\"status\":\"running\"}");
        break;
    case 2:
        break_off(last(), TRANSPORT_NETWORK, true);
        break;
    case 3:
        answer(last(), 200, "<html>");
        break;
    }
    turn();
    ck_assert_uint_eq(errands(), 0);
    ck_assert_uint_eq(n_transfers, _i == 0 ? 3 : 2);
}
END_TEST

START_TEST(where_the_id_is_known_nothing_is_looked_for)
{
    struct subject *subject = subject_with_extra();
    extra.late_run_id_path = "run";
    submit(subject);
    turn();
    begin(last());
    answer(last(), 202, "");
    begin(last());
    answer(last(), 200, "{\"run\":\"r7\",\"status\":\"running\"}");
    cancel_runs();
    ck_assert_uint_eq(n_transfers, 3);
    assert_is_cancel(last(), "http://b.example/runs/r7/cancel");
}
END_TEST

/* It looks like a template, and is none. */
START_TEST(a_look_goes_where_the_backend_said_to_the_letter)
{
    struct subject *subject = subject_with_extra();
    extra.late_run_id_path = "run";
    extra.poll_url_header = "Location";
    submit(subject);
    turn();
    begin(last());
    answer_with(last(), 202, "", NULL, "http://c.example/{run_id}");
    ck_assert_str_eq(last()->url, "http://c.example/{run_id}");
    begin(last());
    turn_at(now_ms + 10000);
    ck_assert_str_eq(last()->method, "GET");
    ck_assert_str_eq(last()->url, "http://c.example/{run_id}");
}
END_TEST

/* ---- after ---- */

static const char *const after_failed[] = {"failed"};

static void with_after(bool all)
{
    extra = (struct rxp_http_plan){.after = after_call, .cancel = cancel_call, .after_states_all = all};
    extra.after_states = (struct rxp_words){after_failed, 1};
}

/* All states, or those that are named. */
START_TEST(the_after_call_follows_the_states_that_are_named)
{
    static const char *const states[] = {"completed", "failed"};
    for (int i = 0; i < 2; i++) {
        struct subject *subject = subject_with_extra();
        char body[64];
        size_t before = n_transfers;
        with_after(_i == 0);
        submit(subject);
        turn();
        begin(last());
        answer(last(), 202, "{\"id\":\"r1\"}");
        begin(last());
        snprintf(body, sizeof body, "{\"status\":\"%s\"}", states[i]);
        answer(last(), 200, body);
        ck_assert_int_eq(subject->ended, 1);
        turn();
        bool is_due = _i == 0 || i == 1;
        ck_assert_uint_eq(n_transfers - before, is_due ? 3 : 2);
        ck_assert_uint_eq(errands(), is_due);
        if (is_due) {
            ck_assert_str_eq(last()->method, "DELETE");
            ck_assert_str_eq(last()->url, "http://b.example/runs/r1");
            begin(last());
            answer(last(), 500, "no");
        }
        ck_assert_int_eq(subject->outcome.status, i == 0 ? RXP_STATUS_SUCCEEDED : RXP_STATUS_FAILED);
    }
}
END_TEST

/* 0: once it is there; 1: once it has failed; 2: once its time is out; 3: cancelled. */
START_TEST(the_after_call_comes_behind_the_result)
{
    struct subject *subject = subject_with_extra();
    with_after(true);
    extra.result = (struct rxp_http_call){.url = "http://b.example/out", .method = "GET"};
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_str_eq(last()->url, "http://b.example/out");
    begin(last());
    turn();
    ck_assert_uint_eq(n_transfers, 3);
    if (_i < 2) {
        answer(last(), _i == 0 ? 200 : 404, "1");
        turn();
    } else if (_i == 2) {
        turn_at(now_ms + 10000);
    } else {
        cancel_runs();
    }
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_uint_eq(n_transfers, 4);
    ck_assert_str_eq(last()->method, "DELETE"); /* and nothing is cancelled that has ended */
}
END_TEST

START_TEST(a_run_that_is_cut_has_no_after_call)
{
    struct subject *subject = subject_with_extra();
    with_after(true);
    kick_off(subject);
    turn_at(now_ms + 10000);
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_str_eq(last()->method, "POST");
    ck_assert_uint_eq(n_transfers, 3);
}
END_TEST

/* ---- their time ---- */

/* 0: queued; 1: under way. */
START_TEST(an_errand_has_ten_seconds)
{
    struct subject *subject = subject_with_extra();
    kick_off(subject);
    cancel_runs();
    ck_assert_int_eq(subject->ended, 1);
    if (_i == 1) {
        begin(last());
    }
    ck_assert_int_eq(runner_next_ms(&runner), now_ms + 10000);
    turn_at(now_ms + 9999);
    ck_assert_uint_eq(errands(), 1);
    turn_at(now_ms + 1);
    ck_assert_uint_eq(errands(), 0);
    ck_assert(last()->cancelled);
}
END_TEST

START_TEST(errands_go_on_when_runs_are_given_up)
{
    struct subject *subject = subject_with_extra();
    kick_off(subject);
    cancel_runs();
    begin(last());
    runner_command(&runner, RUNNER_ABANDON | RUNNER_PARK, now_ms);
    turn();
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_uint_eq(errands(), 1);
    ck_assert(!last()->cancelled); /* the teardown ends it */
}
END_TEST

START_TEST(an_errand_for_which_there_is_no_memory_is_left_undone)
{
    struct subject *subject = subject_with_extra();
    kick_off(subject);
    out_of_memory = true;
    cancel_runs();
    out_of_memory = false;
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_uint_eq(errands(), 0);
}
END_TEST

/* ---- their number ---- */

START_TEST(errands_take_up_so_much_memory_at_most)
{
    struct subject *first = subject_with_extra();
    struct subject *second = subject_with_extra();
    size_t bytes = ERRANDS_MAX_BYTES / 2 + 1;
    char *body = malloc(bytes);
    memset(body, 'x', bytes);
    extra.cancel.body = body;
    extra.cancel.body_bytes = bytes;
    submit(first);
    submit(second);
    turn();
    for (size_t i = 0; i < 2; i++) {
        begin(&transfers[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        answer(&transfers[i], 202, "{\"id\":\"r1\"}");
    }
    cancel_runs();
    ck_assert_int_eq(first->ended + second->ended, 2);
    ck_assert_uint_eq(errands(), 1);
    ck_assert_uint_eq(n_transfers, 5);
    begin(last());
    answer(last(), 200, "");
    ck_assert_uint_eq(errands(), 0);
    ck_assert_uint_eq(runner.errands.bytes, 0);
    free(body);
}
END_TEST

START_TEST(there_are_so_many_errands_at_most)
{
    struct subject *subject = subject_with_extra();
    kick_off(subject);
    atomic_store(&runner.errands.n, ERRANDS_MAX);
    cancel_runs();
    ck_assert_uint_eq(n_transfers, 2);
    ck_assert_uint_eq(errands(), ERRANDS_MAX);
    atomic_store(&runner.errands.n, 0);
}
END_TEST

/* ---- headers ---- */

static const struct rxp_http_header plain = {.name = "X-Team", .value = "blue"};
static const struct rxp_named_url named = {.url = "http://b.example/runs"};

/* 0: to an origin that the plan names; 1: not. */
START_TEST(an_errand_bears_the_headers_that_may_go_there)
{
    struct subject *subject = subject_with_extra();
    extra.headers = &plain;
    extra.n_headers = 1;
    extra.named = &named;
    extra.n_named = 1;
    extra.cancel.url = _i == 0 ? "http://b.example/x/{run_id}" : "http://c.example/x/{run_id}";
    kick_off(subject);
    cancel_runs();
    begin(last());
    ck_assert_uint_eq(last()->n_headers, _i == 0);
    if (_i == 0) {
        ck_assert_str_eq(last()->header[0], "X-Team: blue");
    }
}
END_TEST

static const struct rxp_http_header type_header = {.name = "Content-Type", .value = "application/vnd.own+json"};
static const struct rxp_named_url type_origin = {.url = "http://b.example/runs"};

/* 0: there is one; 1: there is none. */
START_TEST(a_content_type_goes_with_a_body_alone)
{
    struct subject *subject = subject_with_extra();
    extra.headers = &type_header;
    extra.n_headers = 1;
    extra.named = &type_origin;
    extra.n_named = 1;
    if (_i == 1) {
        extra.cancel.body = NULL;
        extra.cancel.body_bytes = 0;
    }
    kick_off(subject);
    cancel_runs();
    ck_assert_str_eq(last()->url, "http://b.example/runs/r1/cancel");
    begin(last());
    ck_assert_uint_eq(last()->n_headers, _i == 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner_errands");
    TCase *tests = tcase_create("runner_errands");
    tcase_add_checked_fixture(tests, set_up, teardown);
    tcase_add_loop_test(tests, a_run_that_is_cut_is_cancelled_at_its_backend, 0, 3);
    tcase_add_loop_test(tests, nothing_is_cancelled_that_was_not_begun_or_has_ended, 0, LEFT + 1);
    tcase_add_test(tests, a_run_that_ended_as_its_time_was_up_is_not_cancelled);
    tcase_add_test(tests, a_run_without_an_id_cannot_be_cancelled);
    tcase_add_test(tests, a_cancel_call_that_wants_no_id_goes_without_one);
    tcase_add_loop_test(tests, an_unknown_id_is_looked_for_first, 0, 4);
    tcase_add_test(tests, where_the_id_is_known_nothing_is_looked_for);
    tcase_add_test(tests, a_look_goes_where_the_backend_said_to_the_letter);
    tcase_add_loop_test(tests, the_after_call_follows_the_states_that_are_named, 0, 2);
    tcase_add_loop_test(tests, the_after_call_comes_behind_the_result, 0, 4);
    tcase_add_test(tests, a_run_that_is_cut_has_no_after_call);
    tcase_add_loop_test(tests, an_errand_has_ten_seconds, 0, 2);
    tcase_add_test(tests, errands_go_on_when_runs_are_given_up);
    tcase_add_test(tests, an_errand_for_which_there_is_no_memory_is_left_undone);
    tcase_add_test(tests, errands_take_up_so_much_memory_at_most);
    tcase_add_test(tests, there_are_so_many_errands_at_most);
    tcase_add_loop_test(tests, an_errand_bears_the_headers_that_may_go_there, 0, 2);
    tcase_add_loop_test(tests, a_content_type_goes_with_a_body_alone, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
