/* What standing, metrics and the log tell of a worker. */
#include "base/buf.h"
#include "base/clock.h"
#include "core/history.h"
#include "core/standing.h"
#include "ops/log.h"
#include "ops/metrics.h"
#include "support/worker_stage.h"

#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define LIMIT 100

static struct stage stage;
static struct standing *standing;
static struct metrics *metrics;

static void open_stage(struct stage_wish wish)
{
    standing = standing_new();
    metrics = metrics_new(NULL, 0);
    wish.standing = standing;
    wish.metrics = metrics;
    stage_init_wish(&stage, &wish);
}

static void close_stage(void)
{
    stage_deinit(&stage);
    metrics_free(metrics);
    standing_free(standing);
}

/* ---- sums over the partitions ---- */

struct sum {
    size_t partitions;
    int64_t waiting;
    int64_t lag;
    int64_t age_ms; /* the most */
    size_t in_flight;
    size_t running;
    size_t held;
    size_t with_cells;
    unsigned cells;
    bool sorted;
    int32_t last;
};

static void add(const struct standing_partition *partition, void *opaque)
{
    struct sum *sum = opaque;
    sum->sorted = sum->sorted && partition->partition > sum->last;
    sum->last = partition->partition;
    sum->partitions++;
    sum->waiting += partition->waiting;
    sum->lag += partition->lag;
    sum->age_ms = partition->frontier_age_ms > sum->age_ms ? partition->frontier_age_ms : sum->age_ms;
    sum->in_flight += partition->in_flight;
    sum->running += partition->state == STANDING_RUNNING;
    sum->held += (partition->pauses & STANDING_PAUSE_LIMIT) != 0;
    sum->with_cells += partition->has_cells;
    for (size_t i = 0; i < STANDING_CELLS; i++)
        sum->cells += partition->cells[i];
}

static struct sum look(void)
{
    struct sum sum = {.sorted = true, .last = -1};
    standing_each(standing, add, &sum);
    return sum;
}

static struct standing_whole look_whole(void)
{
    struct standing_whole whole;
    standing_read(standing, &whole);
    return whole;
}

typedef bool (*until_fn)(void);
static void await(until_fn is_so, const char *what)
{
    int64_t give_up_ms = clock_mono_ms() + INT64_C(2) * PATIENCE_MS;
    while (!is_so()) {
        struct sum sum = look();
        struct standing_whole whole = look_whole();
        ck_assert_msg(clock_mono_ms() < give_up_ms, "not in time: %s; waiting %lld, in flight %zu, lag %lld, trouble '%s'", what,
                      (long long)sum.waiting, sum.in_flight, (long long)sum.lag, whole.trouble);
        poll(NULL, 0, 20);
    }
}
#define AWAIT(is_so) await(is_so, #is_so)

static bool is_joined(void)
{
    return look_whole().joined && look().running == 3;
}

static int64_t wanted_waiting;

static bool waiting_is_right(void)
{
    struct sum sum = look();
    return sum.waiting == wanted_waiting && sum.in_flight == LIMIT;
}

static bool has_aged(void)
{
    return look().age_ms > 3000;
}

static bool has_cells(void)
{
    return look().with_cells == 3;
}

START_TEST(what_waits_is_known_while_nothing_is_taken)
{
    open_stage((struct stage_wish){.max_in_flight = LIMIT, .drain_ms = 600});
    ck_assert(!look_whole().joined);
    AWAIT(is_joined);
    ck_assert(look().sorted);
    stage_submit(&stage, 1500, LONG_RUN);
    wanted_waiting = 1500 - LIMIT;
    AWAIT(waiting_is_right);
    struct sum sum = look();
    ck_assert_uint_eq(sum.held, 3);
    ck_assert_int_eq(sum.lag, 1500);
    ck_assert_uint_eq(sum.with_cells, 0);
    struct standing_whole whole = look_whole();
    ck_assert_uint_eq(whole.in_flight, LIMIT);
    ck_assert_uint_gt(whole.in_flight_bytes, LIMIT * UINT64_C(100));
    ck_assert(!whole.draining);
    ck_assert_str_eq(whole.trouble, "");
    ck_assert_int_gt(whole.broker_seen_mono_ms, 0);
    ck_assert_int_le(clock_mono_ms() - whole.turn_mono_ms, PATIENCE_MS);
    standing_want_cells(standing, clock_mono_ms());
    AWAIT(has_cells);
    ck_assert_uint_gt(look().cells, 0);
    /* What is produced now is seen by none of the fetches, since all partitions are paused. */
    struct sender *more = sender_new(&stage.kafka, INVOCATIONS, PATIENCE_MS, stage.why);
    ck_assert_msg(more != NULL, "%s", stage.why);
    for (int i = 0; i < 700; i++)
        ck_assert_int_eq(sender_send(more, "k", "{}", 2, stage.why), 0);
    ck_assert_int_eq(sender_finish(more, stage.why), 0);
    sender_free(more);
    wanted_waiting += 700;
    AWAIT(waiting_is_right);
    AWAIT(has_aged);
    stage_stop(&stage);
    ck_assert(look_whole().draining);
    ck_assert(!look_whole().joined);
    ck_assert_uint_eq(look().partitions, 0);
    close_stage();
}
END_TEST

/* ---- metrics ---- */

static size_t wanted_jobs;

static bool phases_say_it(void)
{
    return look_whole().in_flight == wanted_jobs && metrics_sum(metrics, METRIC_RUNS_IN_FLIGHT) == (int64_t)wanted_jobs &&
           metrics_read(metrics, METRIC_RUNS_IN_FLIGHT, METRIC_PHASE_WAIT) > 0;
}

START_TEST(phases_sum_up_to_what_is_in_flight)
{
    open_stage((struct stage_wish){.max_in_flight = 400, .drain_ms = 600, .ordering = LANES_KEY});
    stage_submit(&stage, 60, LONG_RUN); /* of one key: one goes, the others wait for it */
    wanted_jobs = 60;
    AWAIT(phases_say_it);
    ck_assert_int_eq(metrics_read(metrics, METRIC_RUNS_IN_FLIGHT, METRIC_PHASE_QUEUED), 59);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_INVOCATIONS_TOTAL), 60);
    stage_stop(&stage);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_HANDED_BACK_TOTAL), 60);
    for (unsigned phase = 0; phase < METRIC_PHASE_N; phase++)
        ck_assert_int_eq(metrics_read(metrics, METRIC_RUNS_IN_FLIGHT, phase), 0);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_RUNS_TOTAL), 0);
    close_stage();
}
END_TEST

static double read_sample(const char *name)
{
    struct buf page;
    char wanted[100];
    buf_init(&page, 1 << 20);
    metrics_write(metrics, &page);
    snprintf(wanted, sizeof wanted, "\n%s ", name);
    const char *at = strstr(page.at, wanted);
    ck_assert_msg(at != NULL, "no %s", name);
    double number = strtod(at + strlen(wanted), NULL);
    buf_deinit(&page);
    return number;
}

/* Of the demo's first 200. */
static const struct {
    enum rxp_status status;
    enum rxp_error error;
    int64_t n;
} ends[] = {
    {RXP_STATUS_SUCCEEDED, RXP_OK, 188},
    {RXP_STATUS_FAILED, RXP_ERROR_BACKEND_FAILED, 6},
    {RXP_STATUS_TIMED_OUT, RXP_ERROR_POLL_TIMEOUT, 4},
    {RXP_STATUS_REJECTED, RXP_ERROR_MISSING_METADATA, 2},
};

static void check_ends(void)
{
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        unsigned cell = metrics_run_cell(ends[i].status, ends[i].error);
        unsigned origin_cell = metrics_origin_cell(metrics, NULL, ends[i].status);
        ck_assert_int_eq(metrics_runs(metrics, ends[i].status), ends[i].n);
        ck_assert_int_eq(metrics_read(metrics, METRIC_RUNS_TOTAL, cell), ends[i].n);
        ck_assert_int_eq(metrics_read(metrics, METRIC_RUNS_BY_ORIGIN_TOTAL, origin_cell), ends[i].n);
    }
}

START_TEST(ends_are_counted_once_acknowledged)
{
    open_stage((struct stage_wish){.max_in_flight = 1000});
    stage_submit(&stage, 200, NULL);
    stage_await_results(&stage, 200);
    struct worker_counts counts = stage_stop(&stage);
    check_ends();
    ck_assert_int_eq(metrics_sum(metrics, METRIC_RUNS_TOTAL), 200);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_RUNS_BY_ORIGIN_TOTAL), 200);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_RESULT_SECONDS), 200);
    ck_assert(read_sample("rxp_result_latency_seconds_sum") > 0);
    ck_assert(read_sample("rxp_result_latency_seconds_sum") < 200 * PATIENCE_MS / 1000.0);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_QUEUE_AGE_SECONDS), 198); /* all but the rejected */
    ck_assert(read_sample("rxp_queue_age_seconds_sum") > 0);
    ck_assert(read_sample("rxp_queue_age_seconds_sum") < 198 * PATIENCE_MS / 1000.0);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_INVOCATIONS_TOTAL), (int64_t)counts.flight.taken);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_RUNS_IN_FLIGHT), 0);
    ck_assert_int_eq(metrics_read(metrics, METRIC_REBALANCES_TOTAL, METRIC_REBALANCE_ASSIGNED), 3);
    ck_assert_int_gt(metrics_read(metrics, METRIC_COMMITS_TOTAL, METRIC_COMMIT_ACCEPTED), 0);
    close_stage();
}
END_TEST

START_TEST(failures_are_told_to_the_history)
{
    struct history *history = history_new(NULL);
    struct json_writer out;
    size_t bytes;
    open_stage((struct stage_wish){.history = history});
    stage_submit(&stage, 200, NULL);
    stage_await_results(&stage, 200);
    stage_stop(&stage);
    close_stage();
    json_writer_init(&out, 4096);
    history_write(history, &out);
    char *text = json_writer_take(&out, &bytes);
    ck_assert_ptr_nonnull(text);
    int64_t told = 0;
    for (const char *at = text; (at = strstr(at, "\"count\":")) != NULL; at++)
        told += strtol(at + strlen("\"count\":"), NULL, 10);
    ck_assert_msg(told == 12, "%s", text); /* of the 200 so many do not succeed */
    free(text);
    history_free(history);
}
END_TEST

/* ---- the log ---- */

static const struct {
    enum log_runs which;
    size_t lines;
} log_rows[] = {{LOG_RUNS_NONE, 0}, {LOG_RUNS_FAILURES, 12}, {LOG_RUNS_ALL, 200}};

START_TEST(each_end_has_its_line)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    char *text = calloc(1, 1 << 20);
    size_t lines = 0;
    ck_assert_int_eq(log_start(fd, LOG_JSON), 0);
    open_stage((struct stage_wish){.max_in_flight = 1000, .log_runs = log_rows[_i].which});
    stage_submit(&stage, 200, NULL);
    stage_await_results(&stage, 200);
    stage_stop(&stage);
    close_stage();
    log_stop();
    ck_assert_int_gt(pread(fd, text, (1 << 20) - 1, 0), 0);
    for (char *at = text; (at = strstr(at, "\"run_ended\"")) != NULL; at++)
        lines++;
    ck_assert_uint_eq(lines, log_rows[_i].lines);
    if (log_rows[_i].which != LOG_RUNS_NONE) {
        static const char *const parts[] = {"\"status\":\"failed\"", "\"status\":\"timed_out\"", "\"status\":\"rejected\"",
                                            "\"error_code\":\"", "\"invocation_id\":\"", "\"runtime_name\":\"", "\"seconds\":",
                                            "\"polls\":", "\"topic\":\"in\"", "\"partition\":", "\"offset\":"};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            ck_assert_msg(strstr(text, parts[i]) != NULL, "no %s", parts[i]);
        ck_assert_int_eq(strstr(text, "\"status\":\"succeeded\"") != NULL, log_rows[_i].which == LOG_RUNS_ALL);
    }
    close(fd);
    free(text);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("worker_watch");
    TCase *tcase = tcase_create("worker_watch");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, what_waits_is_known_while_nothing_is_taken);
    tcase_add_test(tcase, phases_sum_up_to_what_is_in_flight);
    tcase_add_test(tcase, ends_are_counted_once_acknowledged);
    tcase_add_test(tcase, failures_are_told_to_the_history);
    tcase_add_loop_test(tcase, each_end_has_its_line, 0, sizeof log_rows / sizeof *log_rows);
    suite_add_tcase(suite, tcase);
    return suite;
}
