#include "support/runner_stage.h"

#define STARTED_AGO_MS 60000

/* As another process noted it. */
static struct run_resume resume_with(int64_t left_ms)
{
    return (struct run_resume){
        .run_id = "r/7",
        .poll_url = "http://b.example/elsewhere/r7",
        .started_at_ms = clock_wall_ms() - STARTED_AGO_MS,
        .deadline_at_ms = clock_wall_ms() + left_ms,
        .polls = 5,
    };
}

static struct subject *subject_with(const struct run_resume *resume)
{
    struct subject *subject = subject_new();
    subject->timeout = "3600";
    subject->resume = resume;
    return subject;
}

/* The wall clock goes on while a test runs. */
static void assert_near(int64_t got, int64_t wanted)
{
    ck_assert_int_ge(got, wanted - 20000);
    ck_assert_int_le(got, wanted + 20000);
}

START_TEST(a_resumed_run_is_polled_at_once_and_never_kicked_off)
{
    const struct run_resume resume = resume_with(600000);
    struct subject *subject = subject_with(&resume);
    submit(subject);
    turn();
    ck_assert_uint_eq(n_transfers, 1);
    ck_assert_str_eq(last()->method, "GET");
    ck_assert_str_eq(last()->url, "http://b.example/elsewhere/r7");
    ck_assert(!last()->once);
    begin(last());
    ck_assert_int_eq(subject->permits_asked, 0);
    answer(last(), 200, "{\"status\":\"running\"}");
    turn_at(now_ms + 2000);
    ck_assert_uint_eq(n_transfers, 2);
    ck_assert_str_eq(last()->url, "http://b.example/elsewhere/r7");
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    ck_assert(subject->resumed);
    ck_assert(subject->was_begun && subject->was_accepted);
    ck_assert_int_eq(subject->accepted, 0); /* it was before */
    ck_assert_str_eq(subject->run_id, "r/7");
    ck_assert_int_eq(subject->polls, 7);
    ck_assert_int_eq(subject->started_at_ms, resume.started_at_ms);
    assert_near(subject->outcome.finished_at_ms, resume.started_at_ms + STARTED_AGO_MS + 2000);
    ck_assert_int_ge(subject->outcome.finished_at_ms, resume.started_at_ms + STARTED_AGO_MS + 2000);
}
END_TEST

START_TEST(a_run_that_was_kicked_off_here_is_not_called_resumed)
{
    struct subject *subject = subject_new();
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert(!subject->resumed);
}
END_TEST

START_TEST(a_resumed_run_may_have_no_run_id)
{
    struct run_resume resume = resume_with(600000);
    resume.run_id = NULL;
    struct subject *subject = subject_with(&resume);
    submit(subject);
    turn();
    ck_assert_str_eq(last()->url, "http://b.example/elsewhere/r7");
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_str_eq(subject->run_id, "");
}
END_TEST

static void with_prepared_result(struct rxp_http_plan *plan)
{
    plan->result = (struct rxp_http_call){
        .url = "http://b.example/{prepared_id}/{run_id}", .method = "GET", .url_has_run_id = true, .url_has_prepared_id = true};
    plan->result_states_all = true;
    plan->start_before_ms = 1; /* long ago: it was started */
}

START_TEST(a_resumed_run_knows_what_was_prepared_for_it)
{
    struct run_resume resume = resume_with(600000);
    resume.prepared_id = "s 1";
    struct subject *subject = subject_with(&resume);
    subject->shape = with_prepared_result;
    submit(subject);
    turn();
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\"}");
    ck_assert_str_eq(last()->url, "http://b.example/s%201/r%2F7");
    begin(last());
    runner_command(&runner, RUNNER_ABANDON, now_ms);
    turn();
    ck_assert_str_eq(subject->note_prepared_id, "s 1");
    ck_assert_str_eq(subject->note_url, "http://b.example/elsewhere/r7");
}
END_TEST

START_TEST(a_resumed_run_times_out_at_its_old_deadline)
{
    const struct run_resume resume = resume_with(600000);
    struct subject *subject = subject_with(&resume);
    submit(subject);
    turn();
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    turn_at(now_ms + 570000);
    ck_assert_int_eq(subject->ended, 0);
    turn_at(now_ms + 30000);
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_TIMEOUT);
    ck_assert_str_eq(subject->summary, "poll exceeded timeout of 3600s");
}
END_TEST

/* 0: in its one look it has ended; 1: not yet; 2: it says nothing. */
START_TEST(a_run_whose_deadline_has_passed_is_asked_once_more)
{
    const struct run_resume resume = resume_with(-600000);
    struct subject *subject = subject_with(&resume);
    submit(subject);
    turn();
    ck_assert_uint_eq(n_transfers, 1);
    ck_assert_int_eq(last()->timeout_ms, 3000);
    begin(last());
    if (_i == 2) {
        turn_at(now_ms + 2999);
        ck_assert_int_eq(subject->ended, 0);
        turn_at(now_ms + 1);
        ck_assert(last()->cancelled);
    } else {
        answer(last(), 200, _i == 0 ? "{\"status\":\"completed\"}" : "{\"status\":\"running\"}");
    }
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->outcome.error, _i == 0 ? RXP_OK : RXP_ERROR_POLL_TIMEOUT);
    ck_assert_uint_eq(n_transfers, 1);
}
END_TEST

/* 0: it had passed before the resume; 1: while the poll waits. */
START_TEST(the_last_look_begins_when_its_poll_leaves_the_queue)
{
    enum { N = 10 };
    const struct run_resume resume = resume_with(_i == 0 ? -600000 : 600000);
    struct subject *subject[N];
    for (int i = 0; i < N; i++) {
        subject[i] = subject_with(&resume);
        submit(subject[i]);
    }
    turn();
    ck_assert_uint_eq(n_transfers, N);
    for (int i = 0; i < N; i++) { /* one after the other, each long after the deadline */
        turn_at(now_ms + 3600000);
        ck_assert_int_eq(transfers[i].timeout_ms, 3000);
        begin(&transfers[i]);
        turn_at(now_ms + 2999);
        ck_assert_int_eq(subject[i]->ended, 0);
        if (i % 2 == 0) {
            answer(&transfers[i], 200, "{\"status\":\"completed\"}");
        } else {
            turn_at(now_ms + 1);
        }
        ck_assert_int_eq(subject[i]->outcome.error, i % 2 == 0 ? RXP_OK : RXP_ERROR_POLL_TIMEOUT);
        ck_assert_int_eq(subject[i]->ended, 1);
    }
    ck_assert_uint_eq(n_transfers, N);
}
END_TEST

START_TEST(clocks_that_disagree_give_a_run_no_more_than_its_timeout)
{
    struct run_resume resume = resume_with(86400000);
    resume.started_at_ms = clock_wall_ms() + 7200000;
    struct subject *subject = subject_with(&resume);
    submit(subject);
    turn();
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    turn_at(now_ms + 3600000);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_TIMEOUT);
    ck_assert_int_eq(subject->started_at_ms, resume.started_at_ms);
    ck_assert_int_eq(subject->outcome.finished_at_ms, resume.started_at_ms); /* never before it */
}
END_TEST

START_TEST(a_note_tells_all_that_a_resume_needs)
{
    struct subject *subject = subject_new();
    kick_off(subject);
    ck_assert_int_eq(subject->accepted, 1);
    ck_assert_str_eq(subject->note_id, "r1");
    ck_assert_str_eq(subject->note_url, "http://b.example/runs/r1");
    assert_near(subject->note.started_at_ms, clock_wall_ms());
    ck_assert_int_eq(subject->note.deadline_at_ms, subject->note.started_at_ms + 10000);
}
END_TEST

START_TEST(the_note_of_a_resumed_run_is_the_old_one_but_for_its_polls)
{
    const struct run_resume resume = resume_with(_i == 0 ? 600000 : -600000);
    struct subject *subject = subject_with(&resume);
    submit(subject);
    turn();
    begin(last());
    runner_command(&runner, RUNNER_ABANDON, now_ms);
    turn();
    ck_assert_str_eq(subject->note_id, "r/7");
    ck_assert_str_eq(subject->note_url, "http://b.example/elsewhere/r7");
    ck_assert_int_eq(subject->note.started_at_ms, resume.started_at_ms);
    assert_near(subject->note.deadline_at_ms, resume.deadline_at_ms);
    ck_assert_int_eq(subject->note.polls, 6);
}
END_TEST

START_TEST(a_resumed_run_that_is_cancelled_before_its_first_poll_is_still_known)
{
    const struct run_resume resume = resume_with(600000);
    struct subject *subject = subject_with(&resume);
    submit(subject);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_CANCELLED);
    ck_assert(subject->resumed);
    ck_assert_str_eq(subject->run_id, "r/7");
    ck_assert_int_eq(subject->started_at_ms, resume.started_at_ms);
    ck_assert_uint_eq(n_transfers, 0);
}
END_TEST

START_TEST(without_memory_the_first_poll_is_tried_again)
{
    const struct run_resume resume = resume_with(600000);
    struct subject *subject = subject_with(&resume);
    submit(subject);
    out_of_memory = true;
    turn();
    out_of_memory = false;
    ck_assert_uint_eq(n_transfers, 0);
    ck_assert_int_eq(subject->ended, 0);
    turn_at(now_ms + 2000);
    ck_assert_uint_eq(n_transfers, 1);
    ck_assert_str_eq(last()->url, "http://b.example/elsewhere/r7");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner_resume");
    TCase *tests = tcase_create("runner_resume");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_resumed_run_is_polled_at_once_and_never_kicked_off);
    tcase_add_test(tests, a_run_that_was_kicked_off_here_is_not_called_resumed);
    tcase_add_test(tests, a_resumed_run_may_have_no_run_id);
    tcase_add_test(tests, a_resumed_run_knows_what_was_prepared_for_it);
    tcase_add_test(tests, a_resumed_run_times_out_at_its_old_deadline);
    tcase_add_loop_test(tests, a_run_whose_deadline_has_passed_is_asked_once_more, 0, 3);
    tcase_add_loop_test(tests, the_last_look_begins_when_its_poll_leaves_the_queue, 0, 2);
    tcase_add_test(tests, clocks_that_disagree_give_a_run_no_more_than_its_timeout);
    tcase_add_test(tests, a_note_tells_all_that_a_resume_needs);
    tcase_add_loop_test(tests, the_note_of_a_resumed_run_is_the_old_one_but_for_its_polls, 0, 2);
    tcase_add_test(tests, a_resumed_run_that_is_cancelled_before_its_first_poll_is_still_known);
    tcase_add_test(tests, without_memory_the_first_poll_is_tried_again);
    suite_add_tcase(suite, tests);
    return suite;
}
