#include "backend/backend.h"
#include "base/clock.h"
#include "engine/awake.h"
#include "engine/pool.h"
#include "support/check_main.h"
#include "support/rude_server.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_MS 60000
#define ORIGIN_PLACES 16

/* A run with its owner, as core's job. */
struct job {
    struct run run;
    char *text;
    atomic_int tenure;
    bool accepted;
    struct run_resume resume; /* poll_url NULL: none */
    char resume_url[RUN_POLL_URL_BYTES];
    bool asked; /* under the lock, like the next */
    bool ended;
};

static struct backend *backend;
static struct rude_server *server;
static struct egress *egress;
static struct pool *pool;
static struct job *jobs;
static size_t n_jobs;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static size_t n_ended;
static size_t n_asked; /* for a permit */

/* ---- the owner ---- */

static enum pool_prepared on_prepare(struct run *run, void *opaque)
{
    struct job *job = list_entry(run, struct job, run);
    struct rxp_refusal why = {0};
    (void)opaque;
    if (rxp_invocation_parse(job->text, strlen(job->text), 1 << 20, &run->awake->parsed, &why) != 0 ||
        rxp_http_plan_make(run->awake->parsed, NULL, &run->awake->made, &why) != 0) {
        run->awake->outcome = (struct outcome){
            .status = RXP_STATUS_REJECTED, .error = why.error, .summary = strdup(why.text)};
        return -1;
    }
    run->awake->invocation = run->awake->parsed;
    run->awake->plan = &run->awake->made;
    run->awake->resume = job->resume.poll_url != NULL ? &job->resume : NULL;
    return 0;
}

/* Every other one may go at once. */
static bool on_permit(struct run *run, void *opaque)
{
    struct job *job = list_entry(run, struct job, run);
    bool now = (job - jobs) % 2 == 0;
    (void)opaque;
    pthread_mutex_lock(&lock);
    ck_assert(!job->asked);
    job->asked = true;
    n_asked++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return now;
}

static void on_accepted(struct run *run, void *opaque)
{
    struct job *job = list_entry(run, struct job, run);
    (void)opaque;
    ck_assert(!job->accepted);
    job->accepted = true;
}

static void on_ended(struct run *run, void *opaque)
{
    struct job *job = list_entry(run, struct job, run);
    (void)opaque;
    pthread_mutex_lock(&lock);
    ck_assert(!job->ended);
    job->ended = true;
    n_ended++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* Of n_ended or n_asked. */
static void await_count(const size_t *count, size_t n)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&lock);
    while (*count < n) {
        ck_assert_msg(pthread_cond_timedwait(&changed, &lock, &until) == 0, "%zu of %zu in %d ms", *count, n,
                      PATIENCE_MS);
    }
    pthread_mutex_unlock(&lock);
}

static void await_ended(size_t n)
{
    await_count(&n_ended, n);
}

static size_t count_ended(void)
{
    pthread_mutex_lock(&lock);
    size_t n = n_ended;
    pthread_mutex_unlock(&lock);
    return n;
}

/* ---- set up ---- */

static struct pool_config default_config(void)
{
    return (struct pool_config){
        .threads = 2,
        .max_run_ms = 86400000,
        .connect_timeout_ms = 5000,
        .poll_timeout_ms = 30000,
        .poll_min_interval_ms = 20,
        .poll_jitter = 0.1,
        .poll_max_failures = 2,
        .max_response_bytes = 64 * 1024,
        .max_result_bytes = 1024,
        .origin_max_connections = ORIGIN_PLACES,
    };
}

static void open_pool_with(struct pool_config *config, const struct pool_hooks *hooks, const char *allow,
                           bool loopback_allowed)
{
    char why[512];
    const struct egress_config egress_config = {.allow = allow, .deny = "", .loopback_allowed = loopback_allowed};
    egress = egress_make(&egress_config, why);
    ck_assert_ptr_nonnull(egress);
    config->egress = egress;
    pool = pool_new(config, hooks, why, sizeof why);
    ck_assert_msg(pool != NULL, "%s", why);
}

static const struct pool_hooks usual_hooks = {.prepare = on_prepare, .accepted = on_accepted, .ended = on_ended};

static void open_pool(struct pool_config *config, const char *allow, bool loopback_allowed)
{
    open_pool_with(config, &usual_hooks, allow, loopback_allowed);
}

static void setup(void)
{
    char why[512];
    const struct backend_config backend_config = {.listen = "127.0.0.1:0", .threads = 2};
    backend = backend_start(&backend_config, why, sizeof why);
    ck_assert_msg(backend != NULL, "%s", why);
    struct pool_config config = default_config();
    open_pool(&config, "*", true);
}

static void close_pool(void)
{
    pool_free(pool);
    egress_free(egress);
    pool = NULL;
    egress = NULL;
}

static void teardown(void)
{
    close_pool();
    ck_assert_uint_eq(n_ended, n_jobs);
    for (size_t i = 0; i < n_jobs; i++) {
        run_deinit(&jobs[i].run);
        free(jobs[i].text);
    }
    free(jobs);
    rude_server_stop(server);
    backend_stop(backend);
    jobs = NULL;
    server = NULL;
    backend = NULL;
    n_jobs = 0;
    n_ended = 0;
    n_asked = 0;
}

static void make_jobs(size_t n)
{
    ck_assert_ptr_null(jobs);
    jobs = calloc(n, sizeof *jobs);
    ck_assert_ptr_nonnull(jobs);
}

/* url and poll_url: whole ones. */
static struct job *make_job(const char *url, const char *poll_url, const char *timeout, const char *interval)
{
    struct job *job = &jobs[n_jobs++];
    run_init(&job->run);
    tenure_set(&job->tenure, TENURE_HELD);
    job->run.tenure = &job->tenure;
    ck_assert_int_gt(asprintf(&job->text,
                              "{\"invocation_id\":\"inv-%zu\",\"runtime_name\":\"x\",\"runtime_kind\":\"http_async\","
                              "\"working_directory\":\"/\",\"command\":[\"x\"],\"timeout_seconds\":%s,"
                              "\"metadata\":{\"http.url\":\"%s\",\"http.poll_url_template\":\"%s\","
                              "\"http.poll_run_id_path\":\"run_id\",\"http.poll_status_path\":\"status\","
                              "\"http.poll_terminal_states\":\"completed,failed\","
                              "\"http.poll_interval_seconds\":\"%s\"}}",
                              n_jobs, timeout, url, poll_url, interval),
                     0);
    return job;
}

static struct job *submit_to(const char *url, const char *poll_url, const char *timeout, const char *interval)
{
    struct job *job = make_job(url, poll_url, timeout, interval);
    pool_submit(pool, &job->run);
    return job;
}

/* To the simulated backend; `course` chooses what happens there. */
static struct job *submit(const char *course, const char *timeout, const char *interval)
{
    char url[256];
    char poll_url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/runs?%s", backend_port(backend), course);
    snprintf(poll_url, sizeof poll_url, "http://127.0.0.1:%d/runs/{run_id}", backend_port(backend));
    return submit_to(url, poll_url, timeout, interval);
}

static struct backend_counts counts_of_backend(void)
{
    struct backend_counts counts;
    backend_read_counts(backend, &counts);
    return counts;
}

/* ---- many ---- */

START_TEST(two_thousand_runs_at_once_all_end)
{
    enum { N = 2000 };
    make_jobs(N);
    for (int i = 0; i < N; i++) {
        submit(i % 10 == 0 ? "seconds=0.1&outcome=failed" : "seconds=0.1", "60", "0.02");
    }
    await_ended(N);
    size_t succeeded = 0;
    for (int i = 0; i < N; i++) {
        const struct outcome *outcome = &jobs[i].run.awake->outcome;
        ck_assert_msg(outcome->status == (i % 10 == 0 ? RXP_STATUS_FAILED : RXP_STATUS_SUCCEEDED), "%s",
                      outcome->summary);
        ck_assert_int_ge(outcome->finished_at_ms - jobs[i].run.started_at_ms, 90);
        ck_assert(jobs[i].accepted);
        succeeded += outcome->status == RXP_STATUS_SUCCEEDED;
    }
    ck_assert_uint_eq(succeeded, N - N / 10);
    ck_assert_uint_eq(counts_of_backend().kickoffs, N);
    struct pool_counts counts;
    pool_read_counts(pool, &counts);
    ck_assert_uint_eq(counts.in_flight, 0);
    ck_assert_uint_eq(counts.in_requests, 0);
}
END_TEST

struct submitter {
    pthread_t thread;
    const char *url;
    const char *poll_url;
    size_t first;
};

#define SUBMITTERS 4
#define SUBMITTED_EACH 50

static void *submit_some(void *opaque)
{
    const struct submitter *submitter = opaque;
    for (size_t i = 0; i < SUBMITTED_EACH; i++) {
        struct job *job = &jobs[submitter->first + i];
        pool_submit(pool, &job->run);
    }
    return NULL;
}

START_TEST(runs_may_come_from_several_threads)
{
    enum { N = SUBMITTERS * SUBMITTED_EACH };
    struct submitter submitters[SUBMITTERS];
    make_jobs(N);
    for (size_t i = 0; i < N; i++) {
        run_init(&jobs[i].run);
        jobs[i].text = strdup("not JSON");
    }
    n_jobs = N;
    for (size_t i = 0; i < SUBMITTERS; i++) {
        submitters[i].first = i * SUBMITTED_EACH;
        ck_assert_int_eq(pthread_create(&submitters[i].thread, NULL, submit_some, &submitters[i]), 0);
    }
    for (size_t i = 0; i < SUBMITTERS; i++) {
        pthread_join(submitters[i].thread, NULL);
    }
    await_ended(N);
    for (size_t i = 0; i < N; i++) {
        ck_assert_int_eq(jobs[i].run.awake->outcome.error, RXP_ERROR_INVALID_JSON);
    }
    ck_assert_uint_eq(counts_of_backend().requests, 0);
}
END_TEST

/* ---- one run, as the backend has it ---- */

static const struct {
    const char *course;
    const char *timeout;
    const char *interval;
    enum rxp_status status;
    enum rxp_error error;
    const char *summary; /* a part of it; NULL: none */
    uint64_t kickoffs;   /* 0: any number */
} courses[] = {
    {"seconds=0.1", "30", "0.02", RXP_STATUS_SUCCEEDED, RXP_OK, NULL, 1},
    {"seconds=0.1&code=200", "30", "0.02", RXP_STATUS_SUCCEEDED, RXP_OK, NULL, 1},
    {"instant=1&code=200", "30", "0.02", RXP_STATUS_SUCCEEDED, RXP_OK, NULL, 1},
    {"code=500", "30", "0.02", RXP_STATUS_FAILED, RXP_ERROR_KICKOFF_STATUS, "got 500", 1},
    /* deadlines */
    {"stall=kickoff", "1", "0.02", RXP_STATUS_TIMED_OUT, RXP_ERROR_KICKOFF_TIMEOUT, "exceeded timeout of 1s", 1},
    {"slow=kickoff", "1", "0.02", RXP_STATUS_TIMED_OUT, RXP_ERROR_KICKOFF_TIMEOUT, "kickoff exceeded timeout of 1s", 1},
    {"stall=poll", "1", "0.02", RXP_STATUS_TIMED_OUT, RXP_ERROR_POLL_TIMEOUT, "poll exceeded timeout of 1s", 1},
    {"seconds=100", "1", "50", RXP_STATUS_TIMED_OUT, RXP_ERROR_POLL_TIMEOUT,
     "poll exceeded timeout of 1s", 1},
    {"seconds=100", "1", "0.02", RXP_STATUS_TIMED_OUT, RXP_ERROR_POLL_TIMEOUT, "poll exceeded timeout of 1s", 1},
    /* connections that drop: a kickoff is sent once, polls go on */
    {"drop=kickoff", "30", "0.02", RXP_STATUS_FAILED, RXP_ERROR_KICKOFF_NETWORK, "kickoff to http", 1},
    {"drop=poll&poll_fail_count=2&seconds=0.1", "60", "0.02", RXP_STATUS_SUCCEEDED, RXP_OK, NULL, 1},
    {"poll_fail=503&poll_fail_count=2&seconds=0.1", "60", "0.02", RXP_STATUS_SUCCEEDED, RXP_OK, NULL, 1},
    {"poll_fail=503", "60", "0.02", RXP_STATUS_FAILED, RXP_ERROR_POLL_STATUS, "(after 3 consecutive failures)", 1},
    {"poll_fail=404", "60", "0.02", RXP_STATUS_FAILED, RXP_ERROR_POLL_STATUS, "got 404", 1},
    /* no end */
    {"endless=kickoff", "30", "0.02", RXP_STATUS_FAILED, RXP_ERROR_RESPONSE_TOO_LARGE, "65536 bytes", 1},
    {"endless=poll", "30", "0.02", RXP_STATUS_FAILED, RXP_ERROR_RESPONSE_TOO_LARGE, "65536 bytes", 1},
    {"garbage=poll", "30", "0.02", RXP_STATUS_FAILED, RXP_ERROR_POLL_NOT_JSON, "poll", 1},
    /* redirects */
    {"redirects=5&seconds=0.05", "30", "0.02", RXP_STATUS_SUCCEEDED, RXP_OK, NULL, 0},
    {"redirects=6&seconds=0.05", "30", "0.02", RXP_STATUS_FAILED, RXP_ERROR_KICKOFF_STATUS, "307", 0},
    {"poll_redirects=5&seconds=0.05", "30", "0.02", RXP_STATUS_SUCCEEDED, RXP_OK, NULL, 1},
    {"poll_redirects=6&seconds=0.05", "30", "0.02", RXP_STATUS_FAILED, RXP_ERROR_POLL_STATUS, "307", 1},
    {"redirect_to=ftp%3A%2F%2Fb.example%2F", "30", "0.02", RXP_STATUS_FAILED, RXP_ERROR_KICKOFF_STATUS, "307", 0},
    {"redirect_to=http%3A%2F%2F169.254.169.254%2F", "30", "0.02", RXP_STATUS_FAILED, RXP_ERROR_EGRESS_DENIED,
     "169.254.169.254", 0},
};

START_TEST(a_run_ends_as_its_backend_has_it)
{
    make_jobs(1);
    const struct job *job = submit(courses[_i].course, courses[_i].timeout, courses[_i].interval);
    await_ended(1);
    const struct outcome *outcome = &job->run.awake->outcome;
    const char *summary = outcome->summary != NULL ? outcome->summary : "(none)";
    ck_assert_msg(outcome->status == courses[_i].status, "%s: %s", rxp_status_name(outcome->status), summary);
    ck_assert_msg(outcome->error == courses[_i].error, "%s: %s", rxp_error_name(outcome->error), summary);
    ck_assert(!job->run.abandoned);
    ck_assert_msg(courses[_i].summary == NULL ? outcome->summary == NULL : strstr(summary, courses[_i].summary) != NULL,
                  "%s", summary);
    if (courses[_i].kickoffs > 0) {
        ck_assert_uint_eq(counts_of_backend().kickoffs, courses[_i].kickoffs);
    }
    int64_t took_ms = outcome->finished_at_ms - job->run.started_at_ms;
    if (outcome->status == RXP_STATUS_TIMED_OUT) {
        ck_assert_int_ge(took_ms, 1000);
        ck_assert_int_lt(took_ms, 5000);
    }
}
END_TEST

START_TEST(a_kickoff_is_counted_once_however_the_connection_ends)
{
    static const struct rude_step steps[] = {{.act = RUDE_CLOSE}};
    enum { N = 50 };
    make_jobs(N);
    server = rude_server_start(RUDE_WHOLE_SERVER, steps, 1);
    for (int i = 0; i < N; i++) {
        submit_to(rude_server_url(server), rude_server_url(server), "30", "0.02");
    }
    await_ended(N);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(jobs[i].run.awake->outcome.error, RXP_ERROR_KICKOFF_NETWORK);
    }
    struct rude_counts counts;
    rude_server_counts(server, &counts);
    ck_assert_uint_eq(counts.requests, N);
}
END_TEST

START_TEST(headers_without_end_are_cut_off)
{
    static const struct rude_step steps[] = {{.act = RUDE_ENDLESS_HEADERS}};
    make_jobs(1);
    server = rude_server_start(RUDE_WHOLE_SERVER, steps, 1);
    const struct job *job = submit_to(rude_server_url(server), rude_server_url(server), "30", "0.02");
    await_ended(1);
    ck_assert_int_eq(job->run.awake->outcome.error, RXP_ERROR_RESPONSE_TOO_LARGE);
}
END_TEST

/* ---- the egress policy ---- */

static const char *const loopbacks[] = {"127.0.0.1", "localhost", "127.1", "0x7f000001", "[::ffff:127.0.0.1]",
                                        "0.0.0.0"};

START_TEST(loopback_is_refused_before_a_connection_is_made)
{
    static const struct rude_step steps[] = {{.act = RUDE_CLOSE}};
    struct pool_config config = default_config();
    char url[128];
    make_jobs(1);
    close_pool();
    open_pool(&config, "*", false);
    server = rude_server_start(RUDE_WHOLE_SERVER, steps, 1);
    snprintf(url, sizeof url, "http://%s:%d/", loopbacks[_i], rude_server_port(server));
    const struct job *job = submit_to(url, url, "30", "0.02");
    await_ended(1);
    const struct outcome *outcome = &job->run.awake->outcome;
    ck_assert_msg(outcome->status == RXP_STATUS_REJECTED, "%s: %s", rxp_status_name(outcome->status), outcome->summary);
    ck_assert_int_eq(outcome->error, RXP_ERROR_EGRESS_DENIED);
    ck_assert_int_eq(job->run.started_at_ms, outcome->finished_at_ms);
    struct rude_counts counts;
    rude_server_counts(server, &counts);
    ck_assert_uint_eq(counts.connections, 0);
}
END_TEST

/* ---- origins ---- */

START_TEST(an_origin_that_stalls_does_not_hinder_another)
{
    static const struct rude_step steps[] = {{.act = RUDE_STALL}};
    enum { STALLED = 200, N = 100 };
    make_jobs(STALLED + N);
    server = rude_server_start(RUDE_WHOLE_SERVER, steps, 1);
    for (int i = 0; i < STALLED; i++) {
        submit_to(rude_server_url(server), rude_server_url(server), "600", "0.02");
    }
    /* a quarter of the places is kept from kickoffs */
    ck_assert(rude_server_await(server, ORIGIN_PLACES - ORIGIN_PLACES / 4, PATIENCE_MS));
    for (int i = 0; i < N; i++) {
        submit("seconds=0.05", "600", "0.02");
    }
    await_ended(N);
    for (int i = STALLED; i < STALLED + N; i++) {
        ck_assert_int_eq(jobs[i].run.awake->outcome.status, RXP_STATUS_SUCCEEDED);
    }
    struct rude_counts counts;
    rude_server_counts(server, &counts);
    ck_assert_uint_eq(counts.requests, ORIGIN_PLACES - ORIGIN_PLACES / 4);
    struct pool_counts pool_counts;
    pool_read_counts(pool, &pool_counts);
    ck_assert_uint_eq(pool_counts.in_flight, STALLED);
    ck_assert_uint_eq(pool_counts.in_requests, STALLED);
}
END_TEST

START_TEST(polls_get_through_where_kickoffs_stall)
{
    enum { STALLED = 100 };
    make_jobs(STALLED + 1);
    const struct job *job = submit("seconds=1", "600", "0.02");
    while (counts_of_backend().polls == 0) {
        sched_yield();
    }
    for (int i = 0; i < STALLED; i++) {
        submit("stall=kickoff", "600", "0.02");
    }
    await_ended(1);
    ck_assert_int_eq(job->run.awake->outcome.status, RXP_STATUS_SUCCEEDED);
}
END_TEST

/* ---- commands ---- */

START_TEST(a_parked_pool_ends_what_was_not_sent_and_leaves_the_rest)
{
    enum { N = 100 };
    static const struct rude_step steps[] = {{.act = RUDE_STALL}};
    size_t sent = ORIGIN_PLACES - ORIGIN_PLACES / 4;
    make_jobs(N + 1);
    server = rude_server_start(RUDE_WHOLE_SERVER, steps, 1);
    for (int i = 0; i < N; i++) {
        submit_to(rude_server_url(server), rude_server_url(server), "600", "0.02");
    }
    ck_assert(rude_server_await(server, sent, PATIENCE_MS));
    pool_park(pool);
    await_ended(N - sent);
    submit("seconds=0", "30", "0.02");
    await_ended(N - sent + 1);
    ck_assert_uint_eq(count_ended(), N - sent + 1);
    for (size_t i = 0; i < n_jobs; i++) {
        if (jobs[i].ended) {
            ck_assert(jobs[i].run.abandoned);
        }
    }
    ck_assert_uint_eq(counts_of_backend().requests, 0);
    pool_cancel_all(pool);
    await_ended(N + 1);
    size_t cancelled = 0;
    for (size_t i = 0; i < n_jobs; i++) {
        cancelled += !jobs[i].run.abandoned && jobs[i].run.awake->outcome.status == RXP_STATUS_CANCELLED;
    }
    ck_assert_uint_eq(cancelled, sent);
}
END_TEST

START_TEST(a_sweep_ends_only_those_that_are_gone)
{
    enum { N = 200 };
    make_jobs(N);
    for (int i = 0; i < N; i++) {
        submit("seconds=600", "600", "0.02");
    }
    while (counts_of_backend().polls < 20) {
        sched_yield();
    }
    for (int i = 0; i < N; i += 2) {
        tenure_set(&jobs[i].tenure, TENURE_OVER);
    }
    pool_sweep(pool);
    await_ended(N / 2);
    ck_assert_uint_eq(count_ended(), N / 2);
    for (int i = 0; i < N; i += 2) {
        ck_assert(jobs[i].run.abandoned);
    }
    pool_abandon_all(pool);
    await_ended(N);
    ck_assert(jobs[1].run.abandoned);
}
END_TEST

START_TEST(a_pool_that_is_freed_hands_its_runs_back)
{
    enum { N = 300 };
    make_jobs(N);
    for (int i = 0; i < N; i++) {
        submit(i % 3 == 0 ? "stall=kickoff" : i % 3 == 1 ? "stall=poll" : "seconds=600", "600", "0.02");
    }
    if (_i == 1) {
        while (counts_of_backend().polls < 5) {
            sched_yield();
        }
    }
    close_pool();
    ck_assert_uint_eq(count_ended(), N);
    for (int i = 0; i < N; i++) {
        ck_assert(jobs[i].run.abandoned);
    }
}
END_TEST

/* ---- errands ---- */

static void give_cancel_url(struct job *job, const char *url)
{
    char *text = NULL;
    ck_assert_int_gt(asprintf(&text, "%.*s,\"http.cancel_url_template\":\"%s\"}}", (int)strlen(job->text) - 2, job->text, url), 0);
    free(job->text);
    job->text = text;
}

static size_t count_errands(void)
{
    struct pool_counts counts;
    pool_read_counts(pool, &counts);
    return counts.n_errands;
}

/* 0: it is answered; 1: it is not, and the pool is freed. */
START_TEST(a_cancel_call_goes_on_when_its_run_has_ended)
{
    const struct rude_step steps[] = {
        {.act = _i == 0 ? RUDE_ANSWER : RUDE_STALL, .answer = "HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n"}};
    char url[128];
    char poll_url[128];
    make_jobs(1);
    server = rude_server_start(RUDE_WHOLE_SERVER, steps, 1);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/runs?seconds=600", backend_port(backend));
    snprintf(poll_url, sizeof poll_url, "http://127.0.0.1:%d/runs/{run_id}", backend_port(backend));
    struct job *job = make_job(url, poll_url, "600", "0.02");
    give_cancel_url(job, rude_server_url(server));
    pool_submit(pool, &job->run);
    while (counts_of_backend().polls < 1) {
        sched_yield();
    }
    pool_cancel_all(pool);
    await_ended(1);
    ck_assert_int_eq(job->run.awake->outcome.status, RXP_STATUS_CANCELLED);
    if (_i == 1) {
        ck_assert_uint_eq(count_errands(), 1);
    }
    ck_assert(rude_server_await(server, 1, PATIENCE_MS));
    ck_assert_int_eq(strncmp(rude_server_request(server, 0), "POST ", 5), 0);
    while (_i == 0 && count_errands() > 0) {
        sched_yield();
    }
    if (_i == 1) {
        ck_assert_uint_eq(count_errands(), 1); /* the teardown ends it */
    }
}
END_TEST

/* ---- itself ---- */

START_TEST(the_loops_have_a_heartbeat)
{
    struct pool_counts counts;
    int64_t since_ms = clock_mono_ms();
    int64_t ends_ms = since_ms + PATIENCE_MS;
    do {
        pool_read_counts(pool, &counts);
        ck_assert_int_lt(clock_mono_ms(), ends_ms);
        sched_yield();
    } while (counts.oldest_turn_mono_ms <= since_ms);
    ck_assert_uint_eq(counts.in_flight, 0);
}
END_TEST

/* ---- permits, and going on elsewhere ---- */

START_TEST(kickoffs_go_as_they_are_permitted_and_each_once)
{
    enum { N = 400 };
    struct pool_config config = default_config();
    struct pool_hooks hooks = usual_hooks;
    hooks.permit = on_permit;
    close_pool();
    open_pool_with(&config, &hooks, "*", true);
    make_jobs(N);
    for (int i = 0; i < N; i++) {
        submit("seconds=0", "60", "0.02");
    }
    /* Half of them are held, a few at a time, since there are few places. */
    bool permitted[N] = {false};
    int64_t ends_ms = clock_mono_ms() + PATIENCE_MS;
    for (size_t n_permitted = 0; n_permitted < N / 2;) {
        bool now[N] = {false};
        ck_assert_msg(clock_mono_ms() < ends_ms, "%zu permitted in %d ms", n_permitted, PATIENCE_MS);
        pthread_mutex_lock(&lock);
        for (int i = 1; i < N; i += 2) {
            now[i] = jobs[i].asked && !permitted[i];
        }
        pthread_mutex_unlock(&lock);
        for (int i = 1; i < N; i += 2) {
            if (now[i]) {
                permitted[i] = true;
                n_permitted++;
                pool_permit(pool, &jobs[i].run);
            }
        }
        pool_permits_given(pool);
        sched_yield();
    }
    await_ended(N);
    for (int i = 0; i < N; i++) {
        ck_assert_msg(jobs[i].run.awake->outcome.status == RXP_STATUS_SUCCEEDED, "%s", jobs[i].run.awake->outcome.summary);
    }
    ck_assert_uint_eq(n_asked, N);
    ck_assert_uint_eq(counts_of_backend().kickoffs, N);
}
END_TEST

START_TEST(held_kickoffs_end_with_their_pool)
{
    enum { N = 100 };
    struct pool_config config = default_config();
    struct pool_hooks hooks = usual_hooks;
    hooks.permit = on_permit;
    close_pool();
    open_pool_with(&config, &hooks, "*", true);
    make_jobs(N);
    for (int i = 0; i < N; i++) {
        submit("seconds=0", "60", "0.02");
    }
    await_count(&n_asked, N / 10);
    for (int i = 1; i < N; i += 4) {
        pool_permit(pool, &jobs[i].run);
    }
    close_pool();
    ck_assert_uint_eq(n_ended, N);
    for (int i = 1; i < N; i += 2) {
        ck_assert(jobs[i].run.abandoned && !run_was_begun(&jobs[i].run));
    }
}
END_TEST

/* As another process would. */
static void submit_again(size_t i)
{
    char url[256];
    char poll_url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/runs?seconds=0.5", backend_port(backend));
    snprintf(poll_url, sizeof poll_url, "http://127.0.0.1:%d/runs/{run_id}", backend_port(backend));
    struct job *job = make_job(url, poll_url, "60", "0.02");
    if (jobs[i].run.cycle.accepted) {
        run_note(&jobs[i].run, job->resume_url, &job->resume);
    }
    pool_submit(pool, &job->run);
}

START_TEST(parked_runs_go_on_in_another_pool_without_a_second_kickoff)
{
    enum { N = 300 };
    struct pool_config config = default_config();
    config.resumable = true;
    close_pool();
    open_pool(&config, "*", true);
    make_jobs(2 * N);
    for (int i = 0; i < N; i++) {
        submit("seconds=0.5", "60", "0.02");
    }
    while (counts_of_backend().kickoffs < N / 3) {
        sched_yield();
    }
    pool_park(pool);
    await_ended(N);
    close_pool();
    open_pool(&config, "*", true);
    size_t n_resumed = 0;
    for (size_t i = 0; i < N; i++) {
        if (jobs[i].run.abandoned) {
            ck_assert_int_eq(jobs[i].run.cycle.accepted, run_was_begun(&jobs[i].run));
            ck_assert_int_eq(jobs[i].accepted, jobs[i].run.cycle.accepted);
            n_resumed += jobs[i].accepted;
            submit_again(i);
        }
    }
    ck_assert_uint_gt(n_resumed, 0);
    await_ended(n_jobs);
    for (size_t i = N; i < n_jobs; i++) {
        ck_assert_msg(jobs[i].run.awake->outcome.status == RXP_STATUS_SUCCEEDED, "%s", jobs[i].run.awake->outcome.summary);
        ck_assert_int_eq(jobs[i].run.resumed, jobs[i].resume.poll_url != NULL);
        ck_assert_int_eq(jobs[i].accepted, !jobs[i].run.resumed);
    }
    ck_assert_uint_eq(counts_of_backend().kickoffs, N);
}
END_TEST

#define COUNT(rows) (int)(sizeof(rows) / sizeof((rows)[0]))

Suite *test_suite(void)
{
    Suite *suite = suite_create("pool");
    TCase *tests = tcase_create("pool");
    tcase_set_timeout(tests, 2 * PATIENCE_MS / 1000);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, two_thousand_runs_at_once_all_end);
    tcase_add_test(tests, runs_may_come_from_several_threads);
    tcase_add_loop_test(tests, a_run_ends_as_its_backend_has_it, 0, COUNT(courses));
    tcase_add_test(tests, a_kickoff_is_counted_once_however_the_connection_ends);
    tcase_add_test(tests, headers_without_end_are_cut_off);
    tcase_add_loop_test(tests, loopback_is_refused_before_a_connection_is_made, 0, COUNT(loopbacks));
    tcase_add_test(tests, an_origin_that_stalls_does_not_hinder_another);
    tcase_add_test(tests, polls_get_through_where_kickoffs_stall);
    tcase_add_test(tests, a_parked_pool_ends_what_was_not_sent_and_leaves_the_rest);
    tcase_add_test(tests, a_sweep_ends_only_those_that_are_gone);
    tcase_add_loop_test(tests, a_pool_that_is_freed_hands_its_runs_back, 0, 2);
    tcase_add_loop_test(tests, a_cancel_call_goes_on_when_its_run_has_ended, 0, 2);
    tcase_add_test(tests, the_loops_have_a_heartbeat);
    tcase_add_test(tests, kickoffs_go_as_they_are_permitted_and_each_once);
    tcase_add_test(tests, held_kickoffs_end_with_their_pool);
    tcase_add_test(tests, parked_runs_go_on_in_another_pool_without_a_second_kickoff);
    suite_add_tcase(suite, tests);
    return suite;
}
