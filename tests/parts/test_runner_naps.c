#include "engine/nap.h"
#include "support/runner_stage.h"

static bool sleeps(const struct subject *subject)
{
    ck_assert((subject->run->awake == NULL) == (subject->run->nap != NULL));
    return subject->run->nap != NULL;
}

/* It was polled once, and rests. */
static struct subject *subject_at_rest(const char *metadata)
{
    struct subject *subject = subject_new();
    config.nap_least_ms = 0;
    subject->metadata = metadata;
    subject->timeout = "3600";
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"running\"}");
    return subject;
}

static struct subject *subject_asleep(void)
{
    struct subject *subject = subject_at_rest("");
    ck_assert(sleeps(subject));
    ck_assert_int_eq(subject->slept, 1);
    return subject;
}

/* ---- who sleeps, and when ---- */

static const struct {
    const char *metadata;
    int64_t least_ms;
    bool sleeps;
} rests[] = {
    {",\"http.poll_interval_seconds\":\"2\"", 0, true},          {",\"http.poll_interval_seconds\":\"2\"", 2000, true},
    {",\"http.poll_interval_seconds\":\"2\"", 2001, false},      {",\"http.poll_interval_seconds\":\"2\"", INT64_MAX, false},
    {",\"http.poll_interval_seconds\":\"0.999\"", 1000, false},
};

START_TEST(a_run_sleeps_that_rests_long_enough)
{
    struct subject *subject = subject_new();
    config.nap_least_ms = rests[_i].least_ms;
    subject->metadata = rests[_i].metadata;
    kick_off(subject);
    ck_assert(!sleeps(subject)); /* its poll is under way */
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert_int_eq(sleeps(subject), rests[_i].sleeps);
    ck_assert_int_eq(subject->slept, rests[_i].sleeps);
    turn_at(now_ms + 2000);
    ck_assert_uint_eq(n_transfers, 3);
    ck_assert(!sleeps(subject));
}
END_TEST

START_TEST(a_run_that_rests_before_another_kickoff_stays_awake)
{
    struct subject *subject = subject_new();
    config.nap_least_ms = 0;
    config.kickoff_max_retries = 3;
    submit(subject);
    turn();
    begin(last());
    answer_with(last(), 503, "", "100", NULL);
    ck_assert_int_eq(subject->ended, 0);
    ck_assert(!sleeps(subject));
}
END_TEST

/* Its verdict is there already. */
START_TEST(a_run_that_rests_before_another_fetch_stays_awake)
{
    struct subject *subject = subject_new();
    config.nap_least_ms = 0;
    subject->timeout = "3600";
    subject->metadata = ",\"http.result_url_template\":\"http://b.example/results/{run_id}\",\"http.result_states\":\"completed,failed\"";
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"failed\"}");
    ck_assert_uint_eq(n_transfers, 3);
    begin(last());
    answer_with(last(), 503, "", "100", NULL);
    ck_assert(!sleeps(subject));
    turn_at(now_ms + 100000);
    begin(last());
    answer(last(), 200, "[1]");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_FAILED);
    ck_assert_str_eq(subject->result, "[1]");
}
END_TEST

/* 0: its nap would be; 1: its plan would be, filled as it is. */
START_TEST(what_would_be_large_asleep_or_to_wake_stays_awake)
{
    static char metadata[2][NAP_MAX_BYTES + 1000];
    snprintf(metadata[0], sizeof metadata[0], ",\"note\":\"%0*d\"", NAP_MAX_BYTES, 0);
    snprintf(metadata[1], sizeof metadata[1], ",\"var.a\":\"%01000d\",\"http.cancel_url_template\":\"http://b.example/c\","
             "\"http.cancel_body\":\"\\\"{var.a}{var.a}{var.a}{var.a}{var.a}\\\"\"", 0);
    struct subject *subject = subject_at_rest(metadata[_i]);
    ck_assert(!sleeps(subject));
    ck_assert_int_eq(subject->slept, 0);
    turn_at(now_ms + 5000);
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert(!sleeps(subject));
}
END_TEST

/* ---- what it is as it wakes ---- */

START_TEST(a_run_wakes_as_what_it_was)
{
    struct subject *subject = subject_asleep();
    turn_at(now_ms + 5000);
    ck_assert_uint_eq(n_transfers, 3);
    ck_assert_str_eq(last()->url, "http://b.example/runs/r1");
    const struct awake *awake = subject->run->awake;
    ck_assert_str_eq(awake->invocation->invocation_id, "inv-1");
    ck_assert_str_eq(awake->state, "running");
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    ck_assert_str_eq(subject->run_id, "r1");
    ck_assert_str_eq(subject->state, "completed");
    ck_assert_int_eq(subject->polls, 2);
}
END_TEST

/* Where nothing changes, the block stays. */
START_TEST(what_the_backend_says_last_is_kept)
{
    struct subject *subject = subject_asleep();
    const struct nap *nap = subject->run->nap;
    const ptrdiff_t bytes = subject->bytes;
    ck_assert_int_gt(bytes, 100); /* counted as what it takes */
    ck_assert_int_lt(bytes, 400);
    turn_at(now_ms + 5000);
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert_ptr_eq(subject->run->nap, nap);
    ck_assert_int_eq(subject->bytes, bytes);
    turn_at(now_ms + 5000);
    begin(last());
    answer(last(), 200, "{\"status\":\"almost there\"}");
    ck_assert(sleeps(subject));
    ck_assert_str_eq(look_at(subject).state, "almost there");
    ck_assert_int_eq(subject->bytes - bytes, (ptrdiff_t)(strlen("almost there") - strlen("running")));
    ck_assert_str_eq(look_at(subject).run_id, "r1");
    ck_assert_str_eq(look_at(subject).invocation_id, "inv-1");
    ck_assert_int_eq(subject->slept, 1);
}
END_TEST

START_TEST(a_poll_url_that_a_header_named_is_kept)
{
    struct subject *subject = subject_new();
    config.nap_least_ms = 0;
    subject->metadata = ",\"http.poll_url_header\":\"Location\"";
    subject->timeout = "3600";
    submit(subject);
    turn();
    begin(last());
    answer_with(last(), 202, "{\"id\":\"r1\"}", NULL, "http://c.example/1");
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert(sleeps(subject));
    turn_at(now_ms + 5000);
    ck_assert_str_eq(last()->url, "http://c.example/1");
    begin(last());
    answer_with(last(), 200, "{\"status\":\"running\"}", NULL, "http://c.example/2");
    ck_assert(sleeps(subject));
    ck_assert_str_eq(poll_url_of(subject), "http://c.example/2");
    turn_at(now_ms + 5000);
    ck_assert_str_eq(last()->url, "http://c.example/2");
}
END_TEST

#define LONG_PATH "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

static const struct {
    const char *template;
    const char *answer;
    const char *url;
} templates[] = {
    {"http://b.example/by/{run_id}", "{\"id\":\"r1\"}", "http://b.example/by/r1"},
    {"http://b.example/{run_id}/state?a=b", "{\"id\":\"r1\"}", "http://b.example/r1/state?a=b"},
    {"http://b.example/runs/{run_id}", "{\"id\":\"r/1 2\"}", "http://b.example/runs/r%2F1%202"},
    {"http://b.example/runs/{+run_id}", "{\"id\":\"r/1\"}", "http://b.example/runs/r/1"},
    {"http://b.example/{run_id}/{run_id}", "{\"id\":\"r1\"}", "http://b.example/r1/r1"},
    {"http://b.example/{var.a}/{run_id}", "{\"id\":\"r1\"}", "http://b.example/x%20y/r1"},
    {"http://b.example/all", "{\"id\":\"r1\"}", "http://b.example/all"},
    {"http://b.example/" LONG_PATH LONG_PATH "/{run_id}", "{\"id\":\"r123456789012345678901234567890123456\"}",
     "http://b.example/" LONG_PATH LONG_PATH "/r123456789012345678901234567890123456"},
    {"http://b.example/" LONG_PATH LONG_PATH "/{run_id}", "{\"id\":\"r1234567890123456789012345678901234567\"}",
     "http://b.example/" LONG_PATH LONG_PATH "/r1234567890123456789012345678901234567"},
};

START_TEST(a_poll_url_stays_what_its_template_made_it)
{
    struct subject *subject = subject_new();
    config.nap_least_ms = 0;
    subject->timeout = "3600";
    subject->poll_url_template = templates[_i].template;
    subject->metadata = ",\"var.a\":\"x y\"";
    submit(subject);
    turn();
    begin(last());
    answer(last(), 202, templates[_i].answer);
    ck_assert_str_eq(last()->url, templates[_i].url);
    for (int polls = 0; polls < 3; polls++) {
        begin(last());
        answer(last(), 200, "{\"status\":\"running\"}");
        ck_assert(sleeps(subject));
        ck_assert_str_eq(poll_url_of(subject), templates[_i].url);
        turn_at(now_ms + 5000);
        ck_assert_uint_eq(n_transfers, (size_t)polls + 3);
        ck_assert_str_eq(last()->url, templates[_i].url);
        ck_assert_str_eq(poll_url_of(subject), templates[_i].url);
    }
}
END_TEST

START_TEST(what_a_run_resumed_from_may_be_freed_once_it_slept)
{
    char run_id[] = "r/7";
    char poll_url[] = "http://b.example/elsewhere/r7";
    const struct run_resume resume = {.run_id = run_id, .poll_url = poll_url, .started_at_ms = clock_wall_ms() - 1000,
                                      .deadline_at_ms = clock_wall_ms() + 600000};
    struct subject *subject = subject_new();
    config.nap_least_ms = 0;
    subject->timeout = "3600";
    subject->resume = &resume;
    submit(subject);
    turn();
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert(sleeps(subject));
    ck_assert_int_eq(subject->slept, 1);
    memset(run_id, 'x', sizeof run_id - 1);
    memset(poll_url, 'x', sizeof poll_url - 1);
    turn_at(now_ms + 5000);
    ck_assert_str_eq(last()->url, "http://b.example/elsewhere/r7");
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_str_eq(subject->run_id, "r/7");
    ck_assert(subject->resumed);
}
END_TEST

static void with_late_id(struct rxp_http_plan *plan)
{
    plan->poll.url = "http://b.example/status";
    plan->poll.url_has_run_id = false;
    plan->run_id_path = NULL;
    plan->late_run_id_path = "run";
}

/* It slept before, when there was none. */
START_TEST(a_run_id_that_comes_late_is_kept)
{
    struct subject *subject = subject_new();
    config.nap_least_ms = 0;
    subject->timeout = "3600";
    subject->shape = with_late_id;
    submit(subject);
    turn();
    begin(last());
    answer(last(), 202, "");
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert(sleeps(subject));
    ck_assert_ptr_null(look_at(subject).run_id);
    turn_at(now_ms + 5000);
    begin(last());
    answer(last(), 200, "{\"status\":\"running\",\"run\":\"r9\"}");
    ck_assert(sleeps(subject));
    ck_assert_str_eq(look_at(subject).run_id, "r9");
    turn_at(now_ms + 5000);
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_str_eq(subject->run_id, "r9");
}
END_TEST

/* What a profile says is not packed with the message. */
START_TEST(the_origin_of_a_profiles_url_is_kept)
{
    struct rxp_pair url = {"http.url", "http://p.example:81/{var.a}/runs?{var.a}"};
    const struct rxp_defaults profile = {.name = "x", .metadata = &url, .n_metadata = 1};
    struct subject *subject = subject_new();
    config.nap_least_ms = 0;
    subject->timeout = "3600";
    subject->profile = &profile;
    subject->metadata = ",\"var.a\":\"here\"";
    kick_off(subject);
    ck_assert_str_eq(look_at(subject).kickoff_url, "http://p.example:81/here/runs?here");
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert(sleeps(subject));
    ck_assert_str_eq(look_at(subject).kickoff_url, "http://p.example:81");
    turn_at(now_ms + 5000);
    ck_assert_str_eq(look_at(subject).kickoff_url, "http://p.example:81/here/runs?here");
    begin(last());
    answer(last(), 200, "{\"status\":\"on\"}"); /* written anew */
    ck_assert(sleeps(subject));
    ck_assert_str_eq(look_at(subject).kickoff_url, "http://p.example:81");
}
END_TEST

/* ---- while it sleeps ---- */

START_TEST(an_abandoned_run_ends_asleep_and_what_is_known_of_it_can_be_told)
{
    struct subject *subject = subject_asleep();
    plans_to_fail = 100;
    runner_command(&runner, RUNNER_ABANDON, now_ms);
    turn();
    ck_assert_int_eq(plans_to_fail, 100); /* it was not woken for that */
    ck_assert(subject->abandoned && subject->was_accepted);
    ck_assert_str_eq(subject->note_id, "r1");
    ck_assert_str_eq(subject->note_url, "http://b.example/runs/r1");
}
END_TEST

START_TEST(a_sleeping_run_whose_partition_has_gone_ends_asleep)
{
    struct subject *subject = subject_asleep();
    plans_to_fail = 100;
    tenure_set(&subject->tenure, TENURE_OVER);
    runner_command(&runner, RUNNER_SWEEP, now_ms);
    turn();
    ck_assert_int_eq(plans_to_fail, 100);
    ck_assert(subject->abandoned);
}
END_TEST

/* 0: all are; 1: it alone is. */
START_TEST(a_sleeping_run_is_cancelled)
{
    struct subject *subject = subject_asleep();
    if (_i == 1) {
        subject->is_cancelled = true;
    }
    runner_command(&runner, _i == 0 ? RUNNER_CANCEL : RUNNER_ASK, now_ms);
    turn();
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_CANCELLED);
    ck_assert_str_eq(subject->run_id, "r1");
    ck_assert_str_eq(subject->state, "running");
}
END_TEST

START_TEST(a_sleeping_run_ends_at_its_deadline)
{
    struct subject *subject = subject_new();
    config.nap_least_ms = 0;
    subject->timeout = "7";
    kick_off(subject);
    answer_with(last(), 200, "{\"status\":\"running\"}", "600", NULL);
    ck_assert(sleeps(subject));
    turn_at(now_ms + 6999);
    ck_assert(sleeps(subject));
    turn_at(now_ms + 1);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_TIMED_OUT);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_TIMEOUT);
}
END_TEST

/* ---- without memory ---- */

START_TEST(without_memory_to_sleep_it_stays_awake_and_sleeps_the_next_time)
{
    struct subject *subject = subject_new();
    config.nap_least_ms = 0;
    subject->timeout = "3600";
    kick_off(subject);
    plans_to_fail = 1;
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert(!sleeps(subject));
    ck_assert_int_eq(subject->slept, 0);
    turn_at(now_ms + 5000);
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert(sleeps(subject));
    ck_assert_int_eq(subject->slept, 1);
}
END_TEST

START_TEST(without_memory_to_wake_it_sleeps_on_for_a_second)
{
    struct subject *subject = subject_asleep();
    plans_to_fail = 2;
    turn_at(now_ms + 5000);
    ck_assert(sleeps(subject));
    ck_assert_uint_eq(n_transfers, 2);
    turn_at(now_ms + 999);
    ck_assert_int_eq(plans_to_fail, 1);
    turn_at(now_ms + 1);
    ck_assert_int_eq(plans_to_fail, 0);
    ck_assert(sleeps(subject));
    turn_at(now_ms + 1000);
    ck_assert_uint_eq(n_transfers, 3);
    ck_assert_str_eq(last()->url, "http://b.example/runs/r1");
}
END_TEST

START_TEST(a_cancel_that_lacks_memory_is_not_forgotten)
{
    struct subject *subject = subject_asleep();
    plans_to_fail = 2;
    if (_i == 1) {
        subject->is_cancelled = true;
    }
    runner_command(&runner, _i == 0 ? RUNNER_CANCEL : RUNNER_ASK, now_ms);
    turn();
    ck_assert(sleeps(subject));
    subject->is_cancelled = false; /* who asked for it has told once */
    turn_at(now_ms + 1000);
    ck_assert(sleeps(subject));
    turn_at(now_ms + 1000);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_CANCELLED);
    ck_assert_uint_eq(n_transfers, 2); /* no poll went first */
}
END_TEST

/* The last three requests. */
static void answer_three(int code, const char *body)
{
    const size_t first = n_transfers - 3;
    for (size_t i = first; i < first + 3; i++) {
        begin(&transfers[i]);
    }
    for (size_t i = first; i < first + 3; i++) {
        answer(&transfers[i], code, body);
    }
}

/* What counts in max-in-flight-bytes though nobody has it would leave a small limit without room for others, for ever, where a
 * partition is taken away with its sleepers. */
START_TEST(nothing_is_kept_for_runs_that_have_gone_asleep)
{
    struct subject *three[3];
    config.nap_least_ms = 0;
    config.line_seats = 0; /* all poll at once */
    for (int i = 0; i < 3; i++) {
        three[i] = subject_new();
        three[i]->timeout = "3600";
        submit(three[i]);
    }
    turn();
    answer_three(202, "{\"id\":\"r1\"}");
    answer_three(200, "{\"status\":\"running\"}");
    turn_at(now_ms + 5000);
    ck_assert_uint_eq(n_transfers, 9);
    answer_three(200, "{\"status\":\"running\"}");
    ck_assert_int_gt(engine_bytes, 3 * 1000); /* of those that were awake at once */
    for (int i = 0; i < 3; i++) {
        ck_assert(sleeps(three[i]));
        tenure_set(&three[i]->tenure, TENURE_OVER);
    }
    runner_command(&runner, RUNNER_SWEEP, now_ms);
    turn();
    ck_assert_uint_eq(runner.n_runs, 0);
    ck_assert_int_eq(engine_bytes, 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner_naps");
    TCase *tests = tcase_create("runner_naps");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, a_run_sleeps_that_rests_long_enough, 0, COUNT(rests));
    tcase_add_test(tests, a_run_that_rests_before_another_kickoff_stays_awake);
    tcase_add_test(tests, a_run_that_rests_before_another_fetch_stays_awake);
    tcase_add_loop_test(tests, what_would_be_large_asleep_or_to_wake_stays_awake, 0, 2);
    tcase_add_test(tests, a_run_wakes_as_what_it_was);
    tcase_add_test(tests, what_the_backend_says_last_is_kept);
    tcase_add_test(tests, a_poll_url_that_a_header_named_is_kept);
    tcase_add_loop_test(tests, a_poll_url_stays_what_its_template_made_it, 0, COUNT(templates));
    tcase_add_test(tests, what_a_run_resumed_from_may_be_freed_once_it_slept);
    tcase_add_test(tests, a_run_id_that_comes_late_is_kept);
    tcase_add_test(tests, the_origin_of_a_profiles_url_is_kept);
    tcase_add_test(tests, an_abandoned_run_ends_asleep_and_what_is_known_of_it_can_be_told);
    tcase_add_test(tests, a_sleeping_run_whose_partition_has_gone_ends_asleep);
    tcase_add_loop_test(tests, a_sleeping_run_is_cancelled, 0, 2);
    tcase_add_test(tests, a_sleeping_run_ends_at_its_deadline);
    tcase_add_test(tests, without_memory_to_sleep_it_stays_awake_and_sleeps_the_next_time);
    tcase_add_test(tests, without_memory_to_wake_it_sleeps_on_for_a_second);
    tcase_add_loop_test(tests, a_cancel_that_lacks_memory_is_not_forgotten, 0, 2);
    tcase_add_test(tests, nothing_is_kept_for_runs_that_have_gone_asleep);
    suite_add_tcase(suite, tests);
    return suite;
}
