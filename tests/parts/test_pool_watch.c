/* Who watches a pool, or cancels a run of it, beside loops that are at work. The runs' requests never leave: no kickoff is
 * permitted. */
#include "base/clock.h"
#include "engine/awake.h"
#include "engine/pool.h"
#include "engine/query.h"
#include "support/check_main.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define JOBS 3000
#define THREADS 4
#define PATIENCE_S 60

struct job {
    struct run run;
    char *text;
    atomic_bool is_cancelled;
    bool ended; /* under the lock */
};

static struct job *jobs;
static struct egress *egress;
static struct metrics *metrics;
static struct pool *pool;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static size_t n_ended;

/* ---- the owner ---- */

static enum pool_prepared on_prepare(struct run *run, void *opaque)
{
    struct job *job = list_entry(run, struct job, run);
    struct rxp_refusal why;
    (void)opaque;
    ck_assert_int_eq(rxp_invocation_parse(job->text, strlen(job->text), 1 << 20, &run->awake->parsed, &why), 0);
    ck_assert_int_eq(rxp_http_plan_make(run->awake->parsed, NULL, &run->awake->made, &why), 0);
    run->awake->invocation = run->awake->parsed;
    run->awake->plan = &run->awake->made;
    return POOL_PREPARED;
}

static bool on_permit(struct run *run, void *opaque)
{
    (void)run, (void)opaque;
    return false;
}

static bool on_is_cancelled(struct run *run, void *opaque)
{
    (void)opaque;
    return atomic_load(&list_entry(run, struct job, run)->is_cancelled);
}

static void on_describe(struct run *run, struct query_row *row, void *opaque)
{
    (void)opaque;
    row->key.topic = "in";
    row->key.offset = list_entry(run, struct job, run) - jobs;
}

static void on_ended(struct run *run, void *opaque)
{
    (void)opaque;
    pthread_mutex_lock(&lock);
    list_entry(run, struct job, run)->ended = true;
    n_ended++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static const struct pool_hooks hooks = {.prepare = on_prepare,
                                        .permit = on_permit,
                                        .is_cancelled = on_is_cancelled,
                                        .describe = on_describe,
                                        .ended = on_ended};

static void await(const size_t *count, size_t n)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&lock);
    while (*count < n) {
        ck_assert_int_eq(pthread_cond_timedwait(&changed, &lock, &until), 0);
    }
    pthread_mutex_unlock(&lock);
}

static void setup(void)
{
    char why[512];
    const struct egress_config egress_config = {.allow = "*", .deny = "", .loopback_allowed = true};
    egress = egress_make(&egress_config, why);
    metrics = metrics_new(NULL, 0);
    const struct pool_config config = {
        .threads = THREADS,
        .max_run_ms = 86400000,
        .connect_timeout_ms = 5000,
        .poll_timeout_ms = 30000,
        .max_response_bytes = 65536,
        .max_result_bytes = 1024,
        .origin_max_connections = 2 * THREADS,
        .egress = egress,
        .metrics = metrics,
    };
    pool = pool_new(&config, &hooks, why, sizeof why);
    ck_assert_msg(pool != NULL, "%s", why);
    jobs = calloc(JOBS, sizeof *jobs);
    for (size_t i = 0; i < JOBS; i++) {
        run_init(&jobs[i].run);
        ck_assert_int_gt(asprintf(&jobs[i].text,
                                  "{\"invocation_id\":\"inv-%zu\",\"runtime_name\":\"x\",\"runtime_kind\":\"http_async\","
                                  "\"working_directory\":\"/\",\"command\":[\"x\"],\"timeout_seconds\":60,"
                                  "\"metadata\":{\"http.url\":\"http://127.0.0.1:9/runs\","
                                  "\"http.poll_url_template\":\"http://127.0.0.1:9/runs/{run_id}\","
                                  "\"http.poll_run_id_path\":\"id\",\"http.poll_status_path\":\"status\","
                                  "\"http.poll_terminal_states\":\"completed\"}}", i), 0);
    }
}

static void teardown(void)
{
    pool_free(pool);
    pool = NULL;
    for (size_t i = 0; i < JOBS; i++) {
        run_deinit(&jobs[i].run);
        free(jobs[i].text);
    }
    free(jobs);
    metrics_free(metrics);
    egress_free(egress);
    n_ended = 0;
}

static void submit(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        pool_submit(pool, &jobs[i].run);
    }
}

/* ---- questions ---- */

static size_t n_told; /* under the lock, like the others */
static size_t n_rows;
static size_t n_matching;
static bool is_complete;

static struct query *asked;

/* It may be read here already, though a loop shouldn't. */
static void on_told(void *opaque)
{
    struct query_answer answer;
    (void)opaque;
    query_read(asked, &answer);
    const struct query_row *rows = answer.rows;
    size_t n = answer.n;
    pthread_mutex_lock(&lock);
    for (size_t i = 1; i < n; i++) {
        ck_assert_int_le(rows[i - 1].key.started_at_ms, rows[i].key.started_at_ms);
    }
    n_told++;
    n_rows = n;
    n_matching = answer.matching;
    is_complete = answer.complete;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static struct query *put(const char *invocation_id, size_t limit)
{
    const struct query_filter filter = {
        .invocation_id = invocation_id, .phase = -1, .started_before_ms = INT64_MAX, .limit = limit};
    struct query *query = query_new(&filter, on_told, NULL);
    n_told = 0;
    asked = query;
    pool_query(pool, query);
    return query;
}

static void find(const char *invocation_id, size_t limit)
{
    query_release(put(invocation_id, limit));
    await(&n_told, 1);
}

START_TEST(all_loops_answer_for_what_was_submitted_before)
{
    submit(0, JOBS);
    find(NULL, 100);
    ck_assert(is_complete);
    ck_assert_uint_eq(n_rows, 100);
    ck_assert_uint_eq(n_matching, JOBS);
}
END_TEST

START_TEST(a_run_is_found_by_its_id_wherever_it_is)
{
    submit(0, JOBS);
    do { /* until all are prepared: those that are not have no id yet */
        find("inv-2999", 10);
        ck_assert(is_complete);
    } while (n_rows == 0);
    ck_assert_uint_eq(n_matching, 1);
    find("inv-3000", 10);
    ck_assert_uint_eq(n_rows, 0);
}
END_TEST

static void *submit_all(void *opaque)
{
    (void)opaque;
    submit(0, JOBS);
    return NULL;
}

START_TEST(questions_cancels_and_ends_go_on_beside_each_other)
{
    pthread_t submitter;
    ck_assert_int_eq(pthread_create(&submitter, NULL, submit_all, NULL), 0);
    for (size_t i = 0; i < JOBS; i++) {
        atomic_store(&jobs[i].is_cancelled, true);
        if (i % 100 == 0) {
            pool_ask(pool);
            find(NULL, 1000);
            ck_assert(is_complete);
            struct query *query = put("inv-7", 10);
            query_give_up(query);
            query_release(query);
        }
    }
    pthread_join(submitter, NULL);
    pool_ask(pool);
    await(&n_ended, JOBS);
    for (size_t i = 0; i < JOBS; i++) {
        ck_assert_int_eq(jobs[i].run.awake->outcome.status, RXP_STATUS_CANCELLED);
    }
    ck_assert_int_eq(metrics_read(metrics, METRIC_RUNS_IN_FLIGHT, METRIC_PHASE_PUBLISH), JOBS);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_RUNS_IN_FLIGHT), JOBS);
}
END_TEST

START_TEST(a_pool_that_goes_ends_its_questions)
{
    submit(0, JOBS);
    struct query *query = put(NULL, 10);
    pool_free(pool);
    pool = NULL;
    ck_assert_uint_eq(n_told, 1);
    query_release(query);
}
END_TEST

START_TEST(the_loops_tell_what_time_they_used)
{
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_int_ge(pool_loop_cpu_us(pool, i), 0);
    }
    ck_assert_int_eq(pool_loop_cpu_us(pool, THREADS), -1);
    submit(0, JOBS);
    find(NULL, 1000);
    int64_t used_us = 0;
    for (size_t i = 0; i < THREADS; i++) {
        used_us += pool_loop_cpu_us(pool, i);
    }
    ck_assert_int_gt(used_us, 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("pool watch");
    TCase *tcase = tcase_create("pool watch");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, all_loops_answer_for_what_was_submitted_before);
    tcase_add_test(tcase, a_run_is_found_by_its_id_wherever_it_is);
    tcase_add_test(tcase, questions_cancels_and_ends_go_on_beside_each_other);
    tcase_add_test(tcase, a_pool_that_goes_ends_its_questions);
    tcase_add_test(tcase, the_loops_tell_what_time_they_used);
    suite_add_tcase(suite, tcase);
    return suite;
}
