/* The whole worker in this process: embedded broker, simulated backend, worker; what the sanitizers are to see. */
#include "engine/query.h"
#include "support/rude_server.h"
#include "support/worker_stage.h"

#include <poll.h>
#include <semaphore.h>

START_TEST(every_invocation_gets_the_result_of_its_course)
{
    struct stage stage;
    stage_init(&stage, 1000, 2000);
    stage_submit(&stage, 200, NULL);
    stage_await_results(&stage, 200);
    const struct tally_counts *tally = tally_counts(stage.tally);
    ck_assert_uint_eq(tally->by_status[RXP_STATUS_SUCCEEDED], 188);
    ck_assert_uint_eq(tally->by_status[RXP_STATUS_FAILED], 6);
    ck_assert_uint_eq(tally->by_status[RXP_STATUS_TIMED_OUT], 4);
    ck_assert_uint_eq(tally->by_status[RXP_STATUS_REJECTED], 2);
    ck_assert_uint_eq(tally->again, 0);
    struct worker_counts counts = stage_stop(&stage);
    ck_assert_uint_eq(counts.flight.taken, 200);
    ck_assert_uint_eq(counts.flight.landed[RXP_STATUS_SUCCEEDED], 188);
    ck_assert_uint_eq(counts.flight.landed[RXP_STATUS_REJECTED], 2);
    ck_assert_uint_eq(counts.flight.handed_back, 0);
    ck_assert_uint_eq(counts.flight.jobs, 0);
    stage_deinit(&stage);
}
END_TEST

START_TEST(runs_that_outlast_the_drain_are_handed_back)
{
    struct stage stage;
    stage_init(&stage, 1000, 600);
    stage_submit(&stage, 50, LONG_RUN);
    await_kickoffs(&stage, 50);
    struct worker_counts counts = stage_stop(&stage);
    ck_assert_uint_eq(counts.flight.taken, 50);
    ck_assert_uint_eq(counts.flight.handed_back, 50);
    ck_assert_uint_eq(counts.flight.jobs, 0);
    stage_deinit(&stage);
}
END_TEST

/* max_in_flight, max_in_flight_bytes, and how many of a hundred LONG_RUNs (some 350 bytes each) are taken then. */
static const struct {
    size_t runs, bytes, least, most;
} limits[] = {{1, 1 << 30, 1, 1}, {3, 1 << 30, 3, 3}, {10, 1 << 30, 10, 10}, {1000, 7000, 8, 21}};

START_TEST(takes_no_more_than_its_limits_at_a_time)
{
    struct stage stage;
    stage_init_limited(&stage, limits[_i].runs, limits[_i].bytes, 600);
    stage_submit(&stage, 100, LONG_RUN);
    await_kickoffs(&stage, limits[_i].least);
    struct worker_counts counts = stage_stop(&stage);
    ck_assert_uint_ge(counts.flight.taken, limits[_i].least);
    ck_assert_uint_le(counts.flight.taken, limits[_i].most);
    stage_deinit(&stage);
}
END_TEST

/* No kickoff came for a second. */
static void await_rest(struct stage *stage)
{
    struct backend_counts before = {0};
    struct backend_counts counts = {0};
    do {
        bool failed = false;
        before = counts;
        for (int i = 0; i < 10; i++) {
            ck_assert_ptr_null(reader_next(stage->reader, 100, &failed, stage->why));
        }
        backend_read_counts(stage->backend, &counts);
    } while (counts.kickoffs == 0 || counts.kickoffs != before.kickoffs);
}

/* What a message has filled in counts as well, as long as its run may send it: of these two hundred, half a kilobyte
 * each, but ten or so may wait at a time, and those that nobody has looked at yet. */
START_TEST(takes_no_more_than_its_limit_of_what_is_filled_in)
{
    struct stage stage;
    char template[2048];
    char body[7 * 100 + 1] = "";
    for (int i = 0; i < 100; i++) {
        strcat(body, "{var.a}");
    }
    snprintf(template, sizeof template,
             "%.*s,\"http.cancel_url_template\":\"http://h/stop\",\"http.cancel_body\":\"\\\"%s\\\"\",\"var.a\":\"%0500d\"}}",
             (int)strlen(LONG_RUN) - 2, LONG_RUN, body, 0);
    stage_init_limited(&stage, 400, 500000, 600);
    stage_submit(&stage, 200, template);
    await_rest(&stage);
    struct worker_counts counts = stage_stop(&stage);
    ck_assert_uint_ge(counts.flight.taken, 8);
    ck_assert_uint_le(counts.flight.taken, 100);
    stage_deinit(&stage);
}
END_TEST

#define SLOW_ANSWER "HTTP/1.1 200 X\r\nContent-Length: 60\r\n\r\n............................................................"

START_TEST(the_drain_waits_for_cancel_calls)
{
    static const struct rude_step step = {.act = RUDE_ANSWER_SLOWLY, .answer = SLOW_ANSWER, .interval_ms = 30};
    struct stage stage;
    struct rude_server *server = rude_server_start(RUDE_WHOLE_SERVER, &step, 1);
    char template[1024];
    stage_init(&stage, 1000, 20000);
    snprintf(template, sizeof template, "%.*s,\"http.cancel_url_template\":\"%s/stop\"},\"timeout_seconds\":1}",
             (int)strlen(LONG_RUN) - 2, LONG_RUN, rude_server_url(server));
    stage_submit(&stage, 1, template);
    stage_await_results(&stage, 1);
    ck_assert_uint_eq(tally_counts(stage.tally)->by_status[RXP_STATUS_TIMED_OUT], 1);
    ck_assert(rude_server_await(server, 1, PATIENCE_MS));
    stage_stop(&stage);
    struct rude_counts counts;
    rude_server_counts(server, &counts);
    ck_assert_uint_eq(counts.bytes_out, strlen(SLOW_ANSWER));
    stage_deinit(&stage);
    rude_server_stop(server);
}
END_TEST

START_TEST(a_worker_that_is_freed_while_it_runs_leaves_nothing)
{
    struct stage stage;
    stage_init(&stage, 1000, 1);
    stage_submit(&stage, 50, NULL);
    await_kickoffs(&stage, 20);
    stage_stop(&stage);
    stage_deinit(&stage);
}
END_TEST

/* ---- a loop that stands still ---- */

static struct hold {
    sem_t stands;
    sem_t goes_on;
} hold;

/* On the loop. */
static void stand_still(void *opaque)
{
    (void)opaque;
    sem_post(&hold.stands);
    sem_wait(&hold.goes_on);
}

static void hold_loop(struct stage *stage)
{
    const struct query_filter filter = {.phase = -1, .started_before_ms = INT64_MAX, .limit = 1};
    struct query *query = query_new(&filter, stand_still, NULL);
    sem_init(&hold.stands, 0, 0);
    sem_init(&hold.goes_on, 0, 0);
    pool_query(worker_pool(stage->worker), query);
    query_release(query);
    while (sem_wait(&hold.stands) != 0)
        continue;
}

static size_t await_jobs(struct stage *stage, size_t n)
{
    struct worker_counts counts;
    int64_t until_ms = clock_mono_ms() + 2 * PATIENCE_MS;
    do {
        worker_read_counts(stage->worker, &counts);
        ck_assert_msg(clock_mono_ms() < until_ms, "%zu of %zu are taken", counts.flight.jobs, n);
        poll(NULL, 0, 10);
    } while (counts.flight.jobs < n);
    return counts.flight.jobs;
}

/* An eighth of max-in-flight. */
enum { UNPREPARED = 100 };

/* With each message that is asked for rebalances are served, too. */
START_TEST(while_no_loop_takes_any_one_message_is_asked_for_each_second)
{
    struct stage stage;
    stage_init_wish(&stage, &(struct stage_wish){.max_in_flight = 8 * UNPREPARED, .threads = 1, .drain_ms = 600});
    hold_loop(&stage);
    int64_t before_ms = clock_mono_ms();
    stage_submit(&stage, 300, LONG_RUN);
    await_jobs(&stage, UNPREPARED);
    size_t jobs = await_jobs(&stage, UNPREPARED + 3);
    ck_assert_uint_le(jobs, UNPREPARED + 1 + (size_t)(clock_mono_ms() - before_ms) / 1000);
    sem_post(&hold.goes_on);
    await_kickoffs(&stage, 300);
    ck_assert_uint_eq(stage_stop(&stage).flight.taken, 300);
    stage_deinit(&stage);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("worker");
    TCase *tcase = tcase_create("worker");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, every_invocation_gets_the_result_of_its_course);
    tcase_add_test(tcase, runs_that_outlast_the_drain_are_handed_back);
    tcase_add_test(tcase, takes_no_more_than_its_limit_of_what_is_filled_in);
    tcase_add_loop_test(tcase, takes_no_more_than_its_limits_at_a_time, 0, sizeof limits / sizeof limits[0]);
    tcase_add_test(tcase, the_drain_waits_for_cancel_calls);
    tcase_add_test(tcase, while_no_loop_takes_any_one_message_is_asked_for_each_second);
    tcase_add_test(tcase, a_worker_that_is_freed_while_it_runs_leaves_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
