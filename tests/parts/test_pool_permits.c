/* Permits, sweeps and ends of tenures that meet: what happens in which order is the threads' affair, who is permitted
 * and which partition ends is drawn from a fixed seed. ThreadSanitizer and AddressSanitizer see the rest. */
#include "backend/backend.h"
#include "base/clock.h"
#include "engine/awake.h"
#include "engine/pool.h"
#include "support/check_main.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_MS 120000
#define RUNS 3000
#define PARTITIONS 16
#define ROUNDS 120 /* in each, one partition ends and another comes */
#define BATCH (RUNS / ROUNDS)
#define IN_FLIGHT 200 /* at the end of a round, at most */
#define PLACES 96

/* A partition's tenure is shared by its runs, as an assignment's is. */
struct partition {
    atomic_int tenure;
};

struct job {
    struct run run;
    size_t index;
    struct partition *partition;
    bool held;      /* hooks.permit said so; the owner's once it has seen the job in `asked` or `ended` */
    bool permitted; /* the owner's, like the next */
    bool permitted_too_late; /* its tenure was at an end before */
    bool ended;     /* under the lock */
};

static struct backend *backend;
static struct egress *egress;
static struct pool *pool;
static struct partition partitions[PARTITIONS + ROUNDS];
static struct job *jobs[RUNS]; /* NULL: not submitted yet, or freed */
static uint64_t random_state;

/* From the loops to the owner. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t asked[RUNS];
static size_t n_asked;
static struct job *ended[RUNS];
static size_t n_ended;

/* What came of them. */
static size_t n_freed;
static size_t n_begun;
static size_t n_succeeded;
static size_t n_abandoned;
static size_t n_held;     /* of these, when their kickoff was held */
static size_t n_in_spite; /* of these, when it had been permitted */
static size_t n_too_late; /* of these, after their tenure's end */

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

/* ---- the loops' side ---- */

static enum pool_prepared on_prepare(struct run *run, void *opaque)
{
    struct job *job = list_entry(run, struct job, run);
    struct rxp_refusal why = {0};
    char *text = NULL;
    (void)opaque;
    int bytes = asprintf(&text,
                         "{\"invocation_id\":\"inv-%zu\",\"runtime_name\":\"x\",\"runtime_kind\":\"http_async\","
                         "\"working_directory\":\"/\",\"command\":[\"x\"],\"timeout_seconds\":600,\"metadata\":{"
                         "\"http.url\":\"http://127.0.0.1:%d/runs?seconds=0\","
                         "\"http.poll_url_template\":\"http://127.0.0.1:%d/runs/{run_id}\","
                         "\"http.poll_run_id_path\":\"run_id\",\"http.poll_status_path\":\"status\","
                         "\"http.poll_terminal_states\":\"completed,failed\",\"http.poll_interval_seconds\":\"0.02\"}}",
                         job->index, backend_port(backend), backend_port(backend));
    ck_assert_int_gt(bytes, 0);
    ck_assert_int_eq(rxp_invocation_parse(text, (size_t)bytes, 1 << 20, &run->awake->parsed, &why), 0);
    ck_assert_int_eq(rxp_http_plan_make(run->awake->parsed, NULL, &run->awake->made, &why), 0);
    free(text);
    run->awake->invocation = run->awake->parsed;
    run->awake->plan = &run->awake->made;
    return 0;
}

/* Every fourth may go at once. */
static bool on_permit(struct run *run, void *opaque)
{
    struct job *job = list_entry(run, struct job, run);
    (void)opaque;
    ck_assert(!job->held);
    if (job->index % 4 == 0) {
        return true;
    }
    job->held = true;
    pthread_mutex_lock(&lock);
    ck_assert_uint_lt(n_asked, RUNS);
    asked[n_asked++] = job->index;
    pthread_mutex_unlock(&lock);
    return false;
}

static void on_ended(struct run *run, void *opaque)
{
    struct job *job = list_entry(run, struct job, run);
    (void)opaque;
    pthread_mutex_lock(&lock);
    ck_assert(!job->ended);
    job->ended = true;
    ended[n_ended++] = job;
    pthread_mutex_unlock(&lock);
}

/* ---- the owner's ---- */

static void submit(size_t index, struct partition *partition)
{
    struct job *job = calloc(1, sizeof *job);
    ck_assert_ptr_nonnull(job);
    run_init(&job->run);
    job->index = index;
    job->partition = partition;
    job->run.tenure = &partition->tenure;
    jobs[index] = job;
    pool_submit(pool, &job->run);
}

/* One that has ended meanwhile, and is not freed yet, is permitted too. */
static void permit(struct job *job)
{
    job->permitted = true;
    job->permitted_too_late = tenure_read(&job->partition->tenure) != TENURE_HELD;
    pool_permit(pool, &job->run);
}

static void settle(struct job *job)
{
    const struct run *run = &job->run;
    bool kept = tenure_read(&job->partition->tenure) == TENURE_HELD;
    if (run->abandoned) {
        ck_assert(!kept);
        n_abandoned++;
        n_held += job->held && !run_was_begun(run);
        n_in_spite += job->permitted && !run_was_begun(run);
        n_too_late += job->permitted_too_late;
    } else {
        ck_assert_msg(run->awake->outcome.status == RXP_STATUS_SUCCEEDED, "%s", run->awake->outcome.summary);
        n_succeeded++;
    }
    if (run_was_begun(run)) {
        ck_assert(!job->held || (job->permitted && !job->permitted_too_late));
        n_begun++;
    }
    jobs[job->index] = NULL;
    run_deinit(&job->run);
    free(job);
    n_freed++;
}

static void settle_ended(void)
{
    pthread_mutex_lock(&lock);
    size_t n = n_ended;
    pthread_mutex_unlock(&lock);
    while (n_freed < n) {
        pthread_mutex_lock(&lock);
        struct job *job = ended[n_freed];
        pthread_mutex_unlock(&lock);
        settle(job);
    }
}

/* Those that were asked for and are still here; each with a chance of one in `odds`. */
static void permit_some(uint32_t odds)
{
    pthread_mutex_lock(&lock);
    size_t n_kept = 0;
    for (size_t i = 0; i < n_asked; i++) {
        struct job *job = jobs[asked[i]];
        if (job != NULL && draw(odds) == 0) {
            permit(job);
        } else if (job != NULL) {
            asked[n_kept++] = asked[i];
        }
    }
    n_asked = n_kept;
    pthread_mutex_unlock(&lock);
}

static void go_on_until_freed(size_t n)
{
    int64_t ends_ms = clock_mono_ms() + PATIENCE_MS;
    while (n_freed < n) {
        ck_assert_msg(clock_mono_ms() < ends_ms, "%zu of %zu ended in %d ms", n_freed, n, PATIENCE_MS);
        permit_some(8);
        pool_permits_given(pool);
        settle_ended();
        sched_yield();
    }
}

/* Permits before, between and after a tenure's end and its sweep. */
static void play_round(size_t round, enum tenure end)
{
    struct partition *leaving = &partitions[round];
    for (size_t i = round * BATCH; i < (round + 1) * BATCH; i++) {
        submit(i, &partitions[round + draw(PARTITIONS)]);
    }
    permit_some(2);
    if (draw(2) == 0) {
        pool_permits_given(pool);
    }
    tenure_set(&leaving->tenure, end);
    permit_some(4);
    uint32_t way = draw(3);
    if (way == 0) {
        pool_sweep(pool);
        permit_some(4);
    }
    pool_permits_given(pool);
    if (way == 1) {
        pool_sweep(pool);
    }
    size_t submitted = (round + 1) * BATCH;
    go_on_until_freed(submitted > IN_FLIGHT ? submitted - IN_FLIGHT : 0);
    pool_sweep(pool); /* what was to end has, mostly, since it was about to send */
}

/* ---- set up ---- */

static void setup(void)
{
    char why[512];
    const struct backend_config backend_config = {.listen = "127.0.0.1:0", .threads = 2};
    backend = backend_start(&backend_config, why, sizeof why);
    ck_assert_msg(backend != NULL, "%s", why);
    const struct egress_config egress_config = {.allow = "*", .deny = "", .loopback_allowed = true};
    egress = egress_make(&egress_config, why);
    ck_assert_ptr_nonnull(egress);
    for (size_t i = 0; i < PARTITIONS + ROUNDS; i++) {
        tenure_set(&partitions[i].tenure, TENURE_HELD);
    }
    n_asked = n_ended = n_freed = n_begun = n_succeeded = n_abandoned = n_held = n_in_spite = n_too_late = 0;
    random_state = 20240731;
}

static void open_pool(bool resumable)
{
    char why[512];
    const struct pool_config config = {
        .threads = 3,
        .max_run_ms = 86400000,
        .connect_timeout_ms = 60000,
        .poll_timeout_ms = 60000,
        .poll_min_interval_ms = 20,
        .poll_max_failures = 2,
        .max_response_bytes = 64 * 1024,
        .max_result_bytes = 1024,
        .origin_max_connections = PLACES,
        .egress = egress,
        .resumable = resumable,
    };
    const struct pool_hooks hooks = {.prepare = on_prepare, .permit = on_permit, .ended = on_ended};
    pool = pool_new(&config, &hooks, why, sizeof why);
    ck_assert_msg(pool != NULL, "%s", why);
}

static void teardown(void)
{
    pool_free(pool);
    settle_ended();
    egress_free(egress);
    backend_stop(backend);
    pool = NULL;
}

static const struct {
    enum tenure end;
    bool resumable;
} ways[] = {{TENURE_ENDING, false}, {TENURE_ENDING, true}, {TENURE_OVER, false}};

START_TEST(permits_that_meet_ends_begin_nothing_that_is_over_and_nothing_twice)
{
    struct backend_counts counts;
    open_pool(ways[_i].resumable);
    for (size_t round = 0; round < ROUNDS; round++) {
        play_round(round, ways[_i].end);
    }
    go_on_until_freed(RUNS);
    ck_assert_uint_eq(n_succeeded + n_abandoned, RUNS);
    ck_assert_uint_gt(n_succeeded, RUNS / PARTITIONS / 2);
    ck_assert_uint_gt(n_held, 0);
    ck_assert_uint_gt(n_in_spite, 0);
    ck_assert_uint_gt(n_too_late, 0);
    backend_read_counts(backend, &counts);
    if (ways[_i].end == TENURE_OVER) { /* some are cut off before they have left */
        ck_assert_uint_le(counts.kickoffs, n_begun);
        ck_assert_uint_ge(counts.kickoffs, n_succeeded);
    } else {
        ck_assert_uint_eq(counts.kickoffs, n_begun);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("pool_permits");
    TCase *tests = tcase_create("pool_permits");
    tcase_set_timeout(tests, 2 * PATIENCE_MS / 1000);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, permits_that_meet_ends_begin_nothing_that_is_over_and_nothing_twice, 0,
                        sizeof ways / sizeof ways[0]);
    suite_add_tcase(suite, tests);
    return suite;
}
