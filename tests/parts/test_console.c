#include "support/console_stage.h"

/* ---- /runs ---- */

START_TEST(runs_are_answered_as_the_loops_say)
{
    struct call call;
    n_rows = 2;
    begin(&call, "GET", "/runs?phase=wait&runtime_name=archon&older_than=60&limit=1&after=5.1.2.in", NULL);
    struct query *query = wait_for_query();
    ck_assert_int_eq(query->filter.phase, METRIC_PHASE_WAIT);
    ck_assert_str_eq(query->name, "archon");
    ck_assert_int_lt(query->filter.started_before_ms, clock_wall_ms() - 59000);
    ck_assert_int_gt(query->filter.started_before_ms, clock_wall_ms() - 120000);
    ck_assert_uint_eq(query->filter.limit, 1);
    ck_assert(query->filter.has_after);
    end(query, true);
    finish(&call);
    assert_holds(&call, 200, "\"matching\":2,\"complete\":true,\"next\":\"1764000000000.3.17.in\",\"runs\":[{\"invocation_id\":\"one\","
                 "\"runtime_name\":\"archon\",\"phase\":\"wait\",\"state\":\"running\",\"run_id\":\"r1\",\"origin\":\"http://api:8080\","
                 "\"started_at_ms\":1764000000000,\"deadline_ms\":1764000060000,\"next_ms\":1764000005000,\"polls\":7,"
                 "\"resumed\":false,\"id_is_cut\":false,\"source\":{\"topic\":\"in\",\"partition\":3,\"offset\":17}}]}");
    assert_json(&call);
    forget(&call);
}
END_TEST

START_TEST(what_a_run_does_not_have_is_null)
{
    answers_at_once = true;
    n_rows = 2;
    struct call call = now("GET", "/runs", NULL);
    assert_holds(&call, 200, "{\"invocation_id\":null,\"runtime_name\":null,\"phase\":\"queued\",\"state\":null,\"run_id\":null,\"origin\":null,"
                 "\"started_at_ms\":1764000000001,\"deadline_ms\":null,\"next_ms\":null,\"polls\":0,\"resumed\":true,");
    assert_holds(&call, 200, "\"next\":null");
    forget(&call);
}
END_TEST

/* Who takes a part of an id for the whole would cancel another run. */
START_TEST(texts_that_were_cut_are_marked)
{
    char lengthy[QUERY_TEXT_MAX_BYTES + 1] = ""; /* as a query leaves it */
    memset(lengthy, 'x', QUERY_TEXT_MAX_BYTES);
    answers_at_once = true;
    rows[0].invocation_id = lengthy;
    struct call call = now("GET", "/runs", NULL);
    assert_holds(&call, 200, "xx\xE2\x80\xA6\",\"runtime_name\"");
    assert_holds(&call, 200, "\"id_is_cut\":true");
    assert_json(&call);
    forget(&call);
    rows[0].invocation_id = "one";
    rows[0].state = lengthy;
    call = now("GET", "/runs", NULL);
    assert_holds(&call, 200, "xx\xE2\x80\xA6\",\"run_id\"");
    assert_holds(&call, 200, "\"id_is_cut\":false");
    forget(&call);
}
END_TEST

/* Peers that read slowly make the worker keep their answers. */
START_TEST(an_answer_has_as_many_rows_as_fit_and_tells_where_to_go_on)
{
    char controls[QUERY_TEXT_MAX_BYTES + 1] = ""; /* each takes six bytes */
    memset(controls, 1, QUERY_TEXT_MAX_BYTES);
    answers_at_once = true;
    n_rows = sizeof rows / sizeof rows[0];
    for (size_t i = 0; i < n_rows; i++) {
        rows[i] = rows[0];
        rows[i].key.offset = (int64_t)i;
        rows[i].invocation_id = rows[i].runtime_name = rows[i].state = controls;
    }
    struct call call = now("GET", "/runs?limit=1000", NULL);
    ck_assert_int_eq(call.code, 200);
    assert_json(&call);
    ck_assert_uint_gt(strlen(call.body), 500000);
    ck_assert_uint_lt(strlen(call.body), 600000);
    const char *last = NULL;
    for (const char *at = call.body; (at = strstr(at, "\"offset\":")) != NULL; at++) {
        last = at;
    }
    ck_assert_ptr_nonnull(last);
    char next[80];
    snprintf(next, sizeof next, "\"matching\":100,\"complete\":true,\"next\":\"1764000000000.3.%d.in\"",
             atoi(last + strlen("\"offset\":")));
    assert_holds(&call, 200, next);
    forget(&call);
}
END_TEST

START_TEST(wrong_parameters_are_refused_and_the_loops_not_asked)
{
    struct call call = now("GET", "/runs?phase=foo", NULL);
    assert_holds(&call, 400, "{\"error\":\"phase=foo is no phase of a run");
    forget(&call);
    call = now("GET", "/runs?phase=wait&limit=0", NULL);
    assert_holds(&call, 400, "limit=0");
    forget(&call);
    call = now("GET", "/runs?phaze=%22%FF", NULL);
    assert_holds(&call, 400, "phaze");
    assert_json(&call);
    forget(&call);
    ck_assert_int_eq(queries, 0);
}
END_TEST

START_TEST(one_list_at_a_time_and_others_may_come_again)
{
    struct call first;
    begin(&first, "GET", "/runs", NULL);
    struct query *query = wait_for_query();
    struct call second = now("GET", "/runs", NULL);
    assert_holds(&second, 429, "Retry-After: 1");
    assert_json(&second);
    forget(&second);
    /* a look-up is another matter */
    struct call look_up;
    begin(&look_up, "GET", "/runs/one", NULL);
    end(wait_for_query(), true);
    finish(&look_up);
    ck_assert_int_eq(look_up.code, 200);
    forget(&look_up);
    end(query, true);
    finish(&first);
    ck_assert_int_eq(first.code, 200);
    forget(&first);
    answers_at_once = true;
    for (int i = 0; i < 50; i++) { /* at once, one after the other */
        struct call again = now("GET", "/runs", NULL);
        ck_assert_int_eq(again.code, 200);
        forget(&again);
    }
}
END_TEST

START_TEST(loops_that_do_not_answer_are_given_up)
{
    struct call call;
    int64_t begun_ms = clock_mono_ms();
    begin(&call, "GET", "/runs", NULL);
    wait_for_query();
    finish(&call);
    ck_assert_int_ge(clock_mono_ms() - begun_ms, 9900);
    assert_holds(&call, 200, "\"matching\":0,\"complete\":false,");
    forget(&call);
}
END_TEST

/* So that the loops have most of their time for the runs, however often they are asked. */
START_TEST(what_cost_the_loops_much_is_not_soon_asked_again)
{
    static const char *const targets[] = {"/runs", "/runs/one"};
    answers_at_once = true;
    cpu_us = 15000;
    int64_t begun_ms = clock_mono_ms();
    for (int i = 0; i < 4; i++) {
        struct call call = now("GET", targets[_i], NULL);
        ck_assert_int_eq(call.code, 200); /* it waits */
        forget(&call);
    }
    ck_assert_int_ge(clock_mono_ms() - begun_ms, 3 * 20 * 15);
}
END_TEST

/* The pause after such a query is as long as it may be. */
#define VERY_DEAR_US 600000000
#define LONGEST_PAUSE_MS 1000
#define CANCELS 10

/* False where this machine was too slow to see them. */
/* A query goes a moment after its answer. */
static bool see_queries(int n)
{
    int64_t deadline_ms = clock_mono_ms() + 5 * LONGEST_PAUSE_MS;
    while (queries != n && clock_mono_ms() < deadline_ms) {
        sched_yield();
    }
    return queries == n;
}

START_TEST(a_cancel_and_another_kind_do_not_wait_for_that)
{
    answers_at_once = true;
    cpu_us = VERY_DEAR_US;
    int64_t begun_ms = clock_mono_ms();
    struct call calls[4] = {now("GET", "/runs", NULL), now("GET", "/runs/one", NULL)};
    struct call waiting[5];
    assert_holds(&calls[0], 200, "\"one\"");
    assert_holds(&calls[1], 200, "\"one\"");
    see_queries(0);
    for (int i = 0; i < 5; i++) {
        begin(&waiting[i], "GET", i == 0 ? "/runs" : "/runs/one", NULL);
    }
    bool all_wait = see_queries(5);
    calls[2] = now("GET", "/runs", NULL);
    calls[3] = now("GET", "/runs/one", NULL);
    int64_t cancels_ms = clock_mono_ms();
    for (int i = 0; i < CANCELS; i++) {
        struct call call = now("POST", "/runs/one/cancel", TOKEN);
        ck_assert_int_eq(call.code, 202);
        forget(&call);
    }
    ck_assert_int_lt(clock_mono_ms() - cancels_ms, (CANCELS - 2) * LONGEST_PAUSE_MS);
    bool still_wait = see_queries(5);
    if (clock_mono_ms() - begun_ms < LONGEST_PAUSE_MS) {
        ck_assert(all_wait);
        ck_assert(still_wait);
        assert_holds(&calls[2], 429, "Retry-After: 1");
        assert_holds(&calls[3], 429, "Retry-After: 1");
    }
    for (int i = 0; i < 4; i++) {
        forget(&calls[i]);
    }
    for (int i = 0; i < 5; i++) {
        finish(&waiting[i]);
        ck_assert_int_eq(waiting[i].code, 200);
        forget(&waiting[i]);
    }
    ck_assert_int_ge(clock_mono_ms() - begun_ms, LONGEST_PAUSE_MS);
}
END_TEST

START_TEST(one_that_waits_for_its_turn_is_ended_with_the_worker)
{
    answers_at_once = true;
    cpu_us = VERY_DEAR_US;
    struct call call = now("GET", "/runs", NULL);
    forget(&call);
    see_queries(0);
    struct call list;
    int64_t begun_ms = clock_mono_ms();
    begin(&list, "GET", "/runs", NULL);
    see_queries(1);
    console_use_worker(console, NULL);
    bool in_time = clock_mono_ms() - begun_ms < LONGEST_PAUSE_MS / 2;
    assert_no_query_left();
    finish(&list);
    assert_holds(&list, 200, in_time ? "\"complete\":false" : "\"complete\":");
    forget(&list);
}
END_TEST

START_TEST(a_run_is_found_by_its_id_decoded)
{
    struct call call;
    begin(&call, "GET", "/runs/a%2Fb%20c%3F", NULL);
    struct query *query = wait_for_query();
    ck_assert_str_eq(query->id, "a/b c?");
    end(query, true);
    finish(&call);
    assert_holds(&call, 200, "\"invocation_id\":\"one\"");
    forget(&call);
    answers_at_once = true;
    n_rows = 0;
    call = now("GET", "/runs/none%22", NULL);
    assert_holds(&call, 404, "no run of invocation_id 'none\\\"' is under way");
    assert_json(&call);
    forget(&call);
    call = now("GET", "/runs/", NULL);
    assert_holds(&call, 400, "needs an invocation_id");
    forget(&call);
}
END_TEST

/* ---- cancel ---- */

START_TEST(a_cancel_wants_the_token)
{
    answers_at_once = true;
    struct call call = now("POST", "/runs/one/cancel", NULL);
    ck_assert_int_eq(call.code, 401);
    forget(&call);
    call = now("POST", "/runs/one/cancel", "wrong");
    ck_assert_int_eq(call.code, 401);
    forget(&call);
    ck_assert_uint_eq(cancels_count(cancels), 0);
    ck_assert_int_eq(asks, 0);
}
END_TEST

START_TEST(a_cancel_is_entered_once_its_runs_were_looked_for)
{
    struct call call;
    begin(&call, "POST", "/runs/a%2Fcancel/cancel", TOKEN);
    struct query *query = wait_for_query();
    ck_assert_str_eq(query->id, "a/cancel");
    ck_assert_uint_eq(cancels_count(cancels), 0);
    ck_assert_int_eq(asks, 0);
    end(query, true);
    finish(&call);
    assert_holds(&call, 202, "{\"invocation_id\":\"a/cancel\",\"runs\":1}");
    ck_assert(cancels_hit(cancels, "a/cancel", clock_wall_ms() - 1000));
    ck_assert(!cancels_hit(cancels, "a/cancel", clock_wall_ms() + 1000));
    ck_assert_int_eq(asks, 1);
    ck_assert_int_eq(metrics_read(metrics, METRIC_CANCELS_TOTAL, METRIC_CANCEL_ADMIN), 1);
    forget(&call);
}
END_TEST

START_TEST(a_cancel_hits_the_runs_that_are_there_though_their_inputs_are_from_the_future)
{
    struct call call;
    rows[0].input_ms = clock_wall_ms() + 5000000; /* a producer whose clock goes wrong */
    begin(&call, "POST", "/runs/one/cancel", TOKEN);
    end(wait_for_query(), true);
    finish(&call);
    assert_holds(&call, 202, "\"runs\":1");
    ck_assert(cancels_hit(cancels, "one", rows[0].input_ms));
    ck_assert(!cancels_hit(cancels, "one", rows[0].input_ms + 1));
    forget(&call);
}
END_TEST

START_TEST(a_cancel_of_no_run_stays_in_force)
{
    answers_at_once = true;
    n_rows = 0;
    struct call call = now("POST", "/runs/later/cancel", TOKEN);
    assert_holds(&call, 404, "stays in force for an hour");
    ck_assert(cancels_hit(cancels, "later", clock_wall_ms() - 1000));
    ck_assert_int_eq(asks, 1);
    forget(&call);
    call = now("POST", "/runs/later", TOKEN);
    assert_holds(&call, 404, "/runs/ID/cancel");
    forget(&call);
    call = now("POST", "/runs//cancel", TOKEN);
    assert_holds(&call, 404, "/runs/ID/cancel");
    forget(&call);
}
END_TEST

/* ---- the worker comes and goes ---- */

START_TEST(without_a_worker_questions_are_refused_and_those_under_way_answered)
{
    struct call list;
    struct call cancel;
    begin(&list, "GET", "/runs", NULL);
    wait_for_query();
    begin(&cancel, "POST", "/runs/one/cancel", TOKEN);
    wait_for_query();
    int64_t begun_ms = clock_mono_ms();
    console_use_worker(console, NULL);
    ck_assert_int_lt(clock_mono_ms() - begun_ms, 9000); /* not as long as for loops that do not answer */
    assert_no_query_left();
    finish(&list);
    finish(&cancel);
    assert_holds(&list, 200, "\"complete\":false");
    assert_holds(&cancel, 503, "did not say in time");
    ck_assert_uint_eq(cancels_count(cancels), 1);
    forget(&list);
    forget(&cancel);
    struct call call = now("GET", "/runs", NULL);
    assert_holds(&call, 503, "there are no runs");
    forget(&call);
    call = now("GET", "/status", NULL);
    assert_holds(&call, 200, "\"loops\":[],\"origins\":[]");
    forget(&call);
}
END_TEST

static atomic_bool hurried_enough;

static void *hurry(void *opaque)
{
    (void)opaque;
    static const char *const targets[] = {"/runs", "/runs/one", "/status", "/runs?limit=1"};
    for (int i = 0; !hurried_enough; i++) {
        struct call call = {.method = i % 5 == 4 ? "POST" : "GET", .target = i % 5 == 4 ? "/runs/one/cancel" : targets[i % 4],
                            .token = TOKEN};
        call_thread(&call);
        ck_assert_int_ne(call.code, 0);
        ck_assert_int_ne(call.code, 404);
        free(call.text);
    }
    return NULL;
}

static void *answer_all(void *opaque)
{
    (void)opaque;
    while (!hurried_enough) {
        struct query *query = atomic_exchange(&put, NULL);
        if (query != NULL) {
            end(query, true);
        }
        sched_yield();
    }
    return NULL;
}

START_TEST(it_comes_and_goes_while_many_ask)
{
    pthread_t threads[4];
    hurried_enough = false;
    answers_at_once = true;
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, i < 3 ? hurry : answer_all, NULL), 0);
    }
    for (int i = 0; i < 100; i++) {
        console_use_worker(console, NULL);
        assert_no_query_left();
        /* The worker could be freed and made again here. */
        console_use_worker(console, worker);
        for (int n = 0; n < 50; n++) {
            sched_yield();
        }
    }
    hurried_enough = true;
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
}
END_TEST

static atomic_int asking;

static void *ask_often(void *opaque)
{
    (void)opaque;
    for (int i = 0; i < 300; i++) {
        struct call call = now("GET", "/runs", NULL);
        ck_assert(call.code == 200 || call.code == 429);
        forget(&call);
    }
    asking--;
    return NULL;
}

/* What a free place holds is the asking thread's to write: the ticker may look at none of it. For ThreadSanitizer. */
START_TEST(many_ask_while_it_answers)
{
    pthread_t threads[6];
    asking = sizeof threads / sizeof threads[0];
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_often, NULL), 0);
    }
    while (asking > 0) { /* a list is one at a time */
        struct query *query = atomic_exchange(&put, NULL);
        if (query != NULL) {
            end(query, true);
        }
        sched_yield();
    }
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        pthread_join(threads[i], NULL);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("console");
    TCase *tc = tcase_create("console");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, runs_are_answered_as_the_loops_say);
    tcase_add_test(tc, what_a_run_does_not_have_is_null);
    tcase_add_test(tc, texts_that_were_cut_are_marked);
    tcase_add_test(tc, an_answer_has_as_many_rows_as_fit_and_tells_where_to_go_on);
    tcase_add_test(tc, wrong_parameters_are_refused_and_the_loops_not_asked);
    tcase_add_test(tc, one_list_at_a_time_and_others_may_come_again);
    tcase_add_test(tc, loops_that_do_not_answer_are_given_up);
    tcase_add_loop_test(tc, what_cost_the_loops_much_is_not_soon_asked_again, 0, 2);
    tcase_add_test(tc, a_cancel_and_another_kind_do_not_wait_for_that);
    tcase_add_test(tc, one_that_waits_for_its_turn_is_ended_with_the_worker);
    tcase_add_test(tc, a_run_is_found_by_its_id_decoded);
    tcase_add_test(tc, a_cancel_wants_the_token);
    tcase_add_test(tc, a_cancel_is_entered_once_its_runs_were_looked_for);
    tcase_add_test(tc, a_cancel_hits_the_runs_that_are_there_though_their_inputs_are_from_the_future);
    tcase_add_test(tc, a_cancel_of_no_run_stays_in_force);
    tcase_add_test(tc, without_a_worker_questions_are_refused_and_those_under_way_answered);
    tcase_add_test(tc, it_comes_and_goes_while_many_ask);
    tcase_add_test(tc, many_ask_while_it_answers);
    suite_add_tcase(suite, tc);
    return suite;
}
