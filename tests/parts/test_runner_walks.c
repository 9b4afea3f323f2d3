#include "support/runner_stage.h"

#define MANY 40

/* ---- cancels ---- */

static void ask(void)
{
    runner_command(&runner, RUNNER_ASK, now_ms);
    turn();
}

START_TEST(a_run_that_was_asked_for_and_is_not_cancelled_goes_on)
{
    struct subject *subject = subject_new();
    kick_off(subject);
    int before = subject->asked;
    ask();
    ck_assert_int_eq(subject->asked, before + 1);
    ck_assert_int_eq(subject->ended, 0);
}
END_TEST

START_TEST(a_run_under_way_that_is_cancelled_ends_so_when_it_is_asked_for)
{
    struct subject *subject = subject_new();
    struct subject *other = subject_new();
    kick_off(subject);
    submit(other);
    turn();
    subject->is_cancelled = true;
    turn();
    ck_assert_int_eq(subject->ended, 0);
    ask();
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_CANCELLED);
    ck_assert_int_eq(other->ended, 0);
}
END_TEST

START_TEST(a_run_is_asked_for_as_it_is_prepared)
{
    struct subject *subject = subject_new();
    subject->is_cancelled = true;
    submit(subject);
    runner_command(&runner, RUNNER_ASK, now_ms); /* the hook would find no invocation */
    turn();
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_CANCELLED);
    ck_assert_uint_eq(n_transfers, 0);
}
END_TEST

START_TEST(one_that_waits_for_memory_is_asked_for_when_there_is_some)
{
    struct subject *subject = subject_new();
    subject->not_nows = 1;
    subject->is_cancelled = true;
    submit(subject);
    turn();
    ask(); /* the hook would find no invocation */
    ck_assert_int_eq(subject->asked, 0);
    turn_at(now_ms + 60000);
    ck_assert_int_eq(subject->asked, 1);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_CANCELLED);
}
END_TEST

#define CANCELS ",\"http.cancel_url_template\":\"http://b.example/runs/{run_id}/stop\""

START_TEST(a_resumed_run_that_is_cancelled_as_it_is_prepared_is_cancelled_at_its_backend)
{
    int64_t wall_ms = clock_wall_ms();
    const struct run_resume resume = {.run_id = "r7",
                                      .poll_url = "http://b.example/runs/r7",
                                      .started_at_ms = wall_ms - 1000,
                                      .deadline_at_ms = wall_ms + 9000,
                                      .polls = 3};
    struct subject *subject = subject_new();
    subject->metadata = CANCELS;
    subject->resume = &resume;
    subject->is_cancelled = true;
    submit(subject);
    turn();
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_CANCELLED);
    ck_assert_uint_eq(subject->errands_at_end, 1);
    ck_assert(subject->was_accepted);
    ck_assert_int_eq(subject->polls, 3);
    ck_assert_uint_eq(n_transfers, 1);
    ck_assert_str_eq(last()->url, "http://b.example/runs/r7/stop");
}
END_TEST

START_TEST(many_are_asked_for_in_slices)
{
    for (int i = 0; i < MANY; i++) {
        submit(subject_new());
    }
    turn();
    for (int i = 0; i < MANY; i++) {
        subjects[i].is_cancelled = true;
    }
    runner_command(&runner, RUNNER_ASK, now_ms);
    ck_assert(runner_turn(&runner, now_ms, 0));
    int ended = 0;
    for (int i = 0; i < MANY; i++) {
        ended += subjects[i].ended;
    }
    ck_assert_int_gt(ended, 0);
    ck_assert_int_lt(ended, MANY);
    turn();
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(subjects[i].ended, 1);
    }
}
END_TEST

START_TEST(who_is_asked_for_again_during_a_walk_is_visited_once_more_behind_it)
{
    for (int i = 0; i < MANY; i++) {
        submit(subject_new());
    }
    turn();
    runner_command(&runner, RUNNER_ASK, now_ms);
    runner_turn(&runner, now_ms, 0);
    int before = subjects[0].asked; /* the walk goes upward: it has been there */
    ck_assert_int_eq(before, 2);
    runner_command(&runner, RUNNER_ASK, now_ms);
    turn();
    ck_assert_int_eq(subjects[MANY - 1].asked, 3);
    ck_assert_int_eq(subjects[0].asked, 3);
}
END_TEST

/* ---- queries ---- */

static size_t n_rows;
static size_t n_matching;
static bool is_complete;
static int64_t cpu_us;
static int n_done;
static int64_t offsets[MAX_TRANSFERS];
static struct query_row row0;
static char row0_text[6][256];

static void copy(size_t i, const char **text)
{
    if (*text != NULL) {
        snprintf(row0_text[i], sizeof row0_text[i], "%s", *text);
        *text = row0_text[i];
    }
}

static void on_rows(void *opaque)
{
    struct query_answer answer;
    struct query **query = opaque;
    query_read(*query, &answer);
    const struct query_row *rows = answer.rows;
    size_t n = answer.n;
    n_done++;
    n_rows = n;
    n_matching = answer.matching;
    is_complete = answer.complete;
    cpu_us = answer.cpu_us;
    for (size_t i = 0; i < n; i++) {
        offsets[i] = rows[i].key.offset;
    }
    if (n > 0) {
        row0 = rows[0];
        copy(0, &row0.key.topic);
        copy(1, &row0.invocation_id);
        copy(2, &row0.runtime_name);
        copy(3, &row0.run_id);
        copy(4, &row0.state);
        copy(5, &row0.url);
    }
}

static struct query *put(struct query_filter filter)
{
    n_done = 0;
    static struct query *asked[2 * RUNNER_QUERIES_MAX];
    static size_t n_asked;
    struct query **slot = &asked[n_asked++ % (sizeof asked / sizeof asked[0])];
    struct query *query = *slot = query_new(&filter, on_rows, slot);
    query_expect(query, 1);
    runner_query(&runner, query_part_new(query));
    return query;
}

static void find(struct query_filter filter)
{
    struct query *query = put(filter);
    turn();
    query_release(query);
    ck_assert_int_eq(n_done, 1);
}

static const struct query_filter all = {.phase = -1, .started_before_ms = INT64_MAX, .limit = 10};

START_TEST(a_run_is_found_with_what_is_known_of_it)
{
    struct subject *subject = subject_new();
    kick_off(subject);
    answer(last(), 200, "{\"status\":\"running\"}");
    find(all);
    ck_assert(is_complete);
    ck_assert_uint_eq(n_rows, 1);
    ck_assert_uint_eq(n_matching, 1);
    ck_assert_str_eq(row0.key.topic, "in");
    ck_assert_str_eq(row0.invocation_id, "inv-1");
    ck_assert_str_eq(row0.runtime_name, "x");
    ck_assert_str_eq(row0.run_id, "r1");
    ck_assert_str_eq(row0.state, "running");
    ck_assert_str_eq(row0.url, "http://b.example");
    ck_assert_int_eq(row0.phase, METRIC_PHASE_WAIT);
    ck_assert_int_eq(row0.polls, 1);
    ck_assert(!row0.resumed);
    ck_assert_int_gt(row0.next_ms, 0);
    ck_assert_int_lt(row0.next_ms, row0.deadline_ms);
}
END_TEST

START_TEST(one_that_is_not_prepared_yet_is_found_too)
{
    struct subject *subject = subject_new();
    subject->not_nows = 1;
    submit(subject);
    find(all);
    ck_assert_uint_eq(n_rows, 1);
    ck_assert_ptr_null(row0.invocation_id);
    ck_assert_ptr_null(row0.url);
    ck_assert_int_eq(row0.phase, METRIC_PHASE_QUEUED);
    ck_assert_int_eq(row0.deadline_ms, -1);
    ck_assert_int_eq(row0.next_ms, -1);
}
END_TEST

/* Oldest first, by offset where they are as old. */
START_TEST(the_lowest_rows_are_kept_and_all_that_match_are_counted)
{
    for (int i = 0; i < MANY; i++) {
        submit(subject_new());
    }
    turn();
    for (int i = 0; i < MANY; i++) {
        subjects[i].run->started_at_ms = 5000 - i / 2;
    }
    struct query_filter filter = all;
    filter.limit = 3;
    find(filter);
    ck_assert_uint_eq(n_matching, MANY);
    ck_assert_uint_eq(n_rows, 3);
    ck_assert_int_eq(offsets[0], MANY - 2);
    ck_assert_int_eq(offsets[1], MANY - 1);
    ck_assert_int_eq(offsets[2], MANY - 4);
    filter.has_after = true;
    filter.after = (struct query_key){.started_at_ms = 5000 - (MANY - 4) / 2, .topic = "in", .offset = MANY - 4};
    find(filter);
    ck_assert_int_eq(offsets[0], MANY - 3);
    ck_assert_int_eq(offsets[1], MANY - 6);
    ck_assert_uint_eq(n_matching, MANY - 3);
}
END_TEST

static const struct {
    struct query_filter filter;
    bool finds;
} filters[] = {
    {{.invocation_id = "inv-1", .phase = -1, .started_before_ms = INT64_MAX, .limit = 1}, true},
    {{.invocation_id = "inv-", .phase = -1, .started_before_ms = INT64_MAX, .limit = 1}, false},
    {{.runtime_name = "x", .phase = -1, .started_before_ms = INT64_MAX, .limit = 1}, true},
    {{.runtime_name = "y", .phase = -1, .started_before_ms = INT64_MAX, .limit = 1}, false},
    {{.phase = METRIC_PHASE_POLL, .started_before_ms = INT64_MAX, .limit = 1}, true},
    {{.phase = METRIC_PHASE_WAIT, .started_before_ms = INT64_MAX, .limit = 1}, false},
    {{.phase = -1, .started_before_ms = 0, .limit = 1}, false},
};

START_TEST(a_filter_lets_through_what_it_names)
{
    kick_off(subject_new());
    find(filters[_i].filter);
    ck_assert_uint_eq(n_rows, filters[_i].finds ? 1 : 0);
    ck_assert_uint_eq(n_matching, n_rows);
}
END_TEST

START_TEST(each_that_stays_is_found_once_though_others_leave_meanwhile)
{
    for (int i = 0; i < MANY; i++) {
        submit(subject_new());
    }
    turn();
    struct query_filter filter = all;
    filter.limit = MANY;
    struct query *query = put(filter);
    runner_turn(&runner, now_ms, 0); /* down to 32 */
    ck_assert_int_eq(n_done, 0);
    for (int i = 0; i < MANY; i += 3) {
        tenure_set(&subjects[i].tenure, TENURE_OVER);
    }
    runner_command(&runner, RUNNER_SWEEP, now_ms);
    submit(subject_new());
    turn();
    query_release(query);
    ck_assert_int_eq(n_done, 1);
    int seen[MAX_TRANSFERS] = {0};
    for (size_t i = 0; i < n_rows; i++) {
        seen[offsets[i]]++;
    }
    for (int i = 0; i < MANY; i++) {
        if (i % 3 != 0) {
            ck_assert_int_eq(seen[i], 1);
        } else {
            ck_assert_int_le(seen[i], 1);
        }
    }
    ck_assert_int_eq(seen[MANY], 0); /* came later */
    ck_assert_uint_eq(n_matching, n_rows);
}
END_TEST

START_TEST(one_that_was_given_up_is_told_at_once_and_once)
{
    for (int i = 0; i < MANY; i++) {
        submit(subject_new());
    }
    turn();
    struct query *query = put(all);
    runner_turn(&runner, now_ms, 0);
    query_give_up(query);
    ck_assert_int_eq(n_done, 1);
    ck_assert(!is_complete);
    query_give_up(query);
    query_release(query);
    turn();
    ck_assert_int_eq(n_done, 1);
    find(all); /* and the next one finds all */
    ck_assert_uint_eq(n_matching, MANY);
    ck_assert(is_complete);
}
END_TEST

/* It takes no more of the loop. */
START_TEST(the_walk_of_one_that_was_given_up_ends_at_once)
{
    for (int i = 0; i < MANY; i++) {
        submit(subject_new());
    }
    turn();
    struct query *query = put(all);
    runner_turn(&runner, now_ms, 0);
    query_give_up(query);
    ck_assert(!list_is_empty(&runner.queries));
    runner_turn(&runner, now_ms, 0);
    ck_assert(list_is_empty(&runner.queries));
    query_release(query);
}
END_TEST

START_TEST(what_a_walk_takes_of_the_loop_is_told)
{
    for (int i = 0; i < MANY; i++) {
        submit(subject_new());
    }
    turn();
    do { /* until it takes a microsecond */
        find(all);
    } while (cpu_us == 0);
    ck_assert_int_gt(cpu_us, 0);
}
END_TEST

START_TEST(a_runner_that_goes_leaves_no_question_open)
{
    struct query *query = put(all);
    query_release(query);
    runner_deinit(&runner);
    ck_assert_int_eq(n_done, 1);
    ck_assert(!is_complete);
    metrics_free(config.metrics);
    setup();
}
END_TEST

START_TEST(too_many_questions_at_once_are_not_answered)
{
    struct query *query[RUNNER_QUERIES_MAX + 1];
    for (int i = 0; i <= RUNNER_QUERIES_MAX; i++) {
        query[i] = put(all);
        ck_assert_int_eq(n_done, i == RUNNER_QUERIES_MAX);
    }
    ck_assert(!is_complete);
    turn();
    ck_assert_int_eq(n_done, 1 + RUNNER_QUERIES_MAX);
    ck_assert(is_complete);
    for (int i = 0; i <= RUNNER_QUERIES_MAX; i++) {
        query_release(query[i]);
    }
}
END_TEST

/* ---- phases ---- */

START_TEST(a_run_counts_in_the_phase_that_it_is_in)
{
    struct subject *subject = subject_new();
    submit(subject);
    ck_assert_int_eq(in_phase(METRIC_PHASE_QUEUED), 1);
    turn();
    ck_assert_int_eq(in_phase(METRIC_PHASE_QUEUED), 1);
    begin(last());
    ck_assert_int_eq(in_phase(METRIC_PHASE_QUEUED), 0);
    ck_assert_int_eq(in_phase(METRIC_PHASE_KICKOFF), 1);
    answer(last(), 202, "{\"id\":\"r1\"}");
    ck_assert_int_eq(in_phase(METRIC_PHASE_KICKOFF), 0);
    ck_assert_int_eq(in_phase(METRIC_PHASE_POLL), 1);
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert_int_eq(in_phase(METRIC_PHASE_POLL), 0);
    ck_assert_int_eq(in_phase(METRIC_PHASE_WAIT), 1);
    turn_at(now_ms + 1000000);
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_int_eq(in_phase(METRIC_PHASE_WAIT), 0);
    ck_assert_int_eq(in_phase(METRIC_PHASE_PUBLISH), 1);
}
END_TEST

START_TEST(an_abandoned_run_counts_no_more)
{
    submit(subject_new());
    turn();
    runner_command(&runner, RUNNER_ABANDON, now_ms);
    turn();
    ck_assert_int_eq(metrics_sum(config.metrics, METRIC_RUNS_IN_FLIGHT), 0);
}
END_TEST

START_TEST(a_kickoff_that_is_tried_again_is_no_longer_queued)
{
    struct subject *subject = subject_new();
    config.kickoff_max_retries = 1;
    submit(subject);
    turn();
    begin(last());
    break_off(last(), TRANSPORT_CONNECT, false);
    ck_assert_int_eq(subject->ended, 0);
    ck_assert_int_eq(in_phase(METRIC_PHASE_KICKOFF), 1);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner walks");
    TCase *tcase = tcase_create("runner walks");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_run_that_was_asked_for_and_is_not_cancelled_goes_on);
    tcase_add_test(tcase, a_run_under_way_that_is_cancelled_ends_so_when_it_is_asked_for);
    tcase_add_test(tcase, a_run_is_asked_for_as_it_is_prepared);
    tcase_add_test(tcase, one_that_waits_for_memory_is_asked_for_when_there_is_some);
    tcase_add_test(tcase, a_resumed_run_that_is_cancelled_as_it_is_prepared_is_cancelled_at_its_backend);
    tcase_add_test(tcase, many_are_asked_for_in_slices);
    tcase_add_test(tcase, who_is_asked_for_again_during_a_walk_is_visited_once_more_behind_it);
    tcase_add_test(tcase, a_run_is_found_with_what_is_known_of_it);
    tcase_add_test(tcase, one_that_is_not_prepared_yet_is_found_too);
    tcase_add_test(tcase, the_lowest_rows_are_kept_and_all_that_match_are_counted);
    tcase_add_loop_test(tcase, a_filter_lets_through_what_it_names, 0, COUNT(filters));
    tcase_add_test(tcase, each_that_stays_is_found_once_though_others_leave_meanwhile);
    tcase_add_test(tcase, one_that_was_given_up_is_told_at_once_and_once);
    tcase_add_test(tcase, the_walk_of_one_that_was_given_up_ends_at_once);
    tcase_add_test(tcase, what_a_walk_takes_of_the_loop_is_told);
    tcase_add_test(tcase, a_runner_that_goes_leaves_no_question_open);
    tcase_add_test(tcase, too_many_questions_at_once_are_not_answered);
    tcase_add_test(tcase, a_run_counts_in_the_phase_that_it_is_in);
    tcase_add_test(tcase, an_abandoned_run_counts_no_more);
    tcase_add_test(tcase, a_kickoff_that_is_tried_again_is_no_longer_queued);
    suite_add_tcase(suite, tcase);
    return suite;
}
