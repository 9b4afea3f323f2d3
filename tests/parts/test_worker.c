/* The whole worker in this process: embedded broker, simulated backend, worker; what the sanitizers are to see. */
#include "support/check_main.h"
#include "support/rude_server.h"

#include "backend/backend.h"
#include "base/clock.h"
#include "cli/demo_broker.h"
#include "cli/demo_load.h"
#include "cli/sender.h"
#include "cli/tally.h"
#include "core/worker.h"
#include "engine/egress.h"
#include "kafka/reader.h"
#include "protocol/result.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define INVOCATIONS "in"
#define RESULTS "out"
#define PATIENCE_MS 20000

struct stage {
    struct demo_broker *broker;
    struct backend *backend;
    struct egress *egress;
    struct kafka_settings kafka;
    struct worker *worker;
    pthread_t thread;
    int ended;
    char why[WORKER_WHY_BYTES];
    struct sender *sender;
    struct reader *reader;
    struct tally *tally;
};

static const struct kafka_property properties[] = {
    {"fetch.wait.max.ms", "10"}, {"session.timeout.ms", "6000"}, {"heartbeat.interval.ms", "300"}};

static void *worker_thread(void *opaque)
{
    struct stage *stage = opaque;
    stage->ended = worker_run(stage->worker, stage->why);
    return NULL;
}

static void stage_init_limited(struct stage *stage, size_t max_in_flight, size_t max_bytes, int64_t drain_ms)
{
    static const char *const topics[] = {INVOCATIONS, RESULTS};
    memset(stage, 0, sizeof *stage);
    stage->broker = demo_broker_new(topics, 2, 3, stage->why);
    ck_assert_msg(stage->broker != NULL, "%s", stage->why);
    const struct backend_config backend = {.listen = "127.0.0.1:0", .threads = 1};
    stage->backend = backend_start(&backend, stage->why, sizeof stage->why);
    ck_assert_msg(stage->backend != NULL, "%s", stage->why);
    const struct egress_config egress = {.allow = "*", .deny = "", .loopback_allowed = true};
    stage->egress = egress_make(&egress, stage->why);
    stage->kafka = (struct kafka_settings){.bootstrap_servers = demo_broker_address(stage->broker),
                                           .group_id = "g",
                                           .properties = properties,
                                           .n_properties = sizeof properties / sizeof properties[0]};
    const struct worker_config config = {
        .kafka = stage->kafka,
        .topics = topics,
        .n_topics = 1,
        .settle = {.worker_id = "w", .results_topic = RESULTS},
        .pool = {.threads = 2,
                 .max_run_ms = 86400000,
                 .connect_timeout_ms = 10000,
                 .poll_timeout_ms = 30000,
                 .poll_min_interval_ms = 10,
                 .poll_jitter = 0.1,
                 .poll_max_failures = 5,
                 .max_response_bytes = 1 << 20,
                 .max_result_bytes = 1 << 18,
                 .origin_max_connections = 64,
                 .egress = stage->egress},
        .max_in_flight = max_in_flight,
        .max_in_flight_bytes = max_bytes,
        .max_message_bytes = 1 << 20,
        .commit_interval_ms = 50,
        .drain_ms = drain_ms,
    };
    stage->worker = worker_new(&config, stage->why);
    ck_assert_msg(stage->worker != NULL, "%s", stage->why);
    ck_assert_int_eq(pthread_create(&stage->thread, NULL, worker_thread, stage), 0);
    stage->reader = reader_new(&stage->kafka, RESULTS, READER_BEGINNING, PATIENCE_MS, stage->why);
    ck_assert_msg(stage->reader != NULL, "%s", stage->why);
    stage->sender = sender_new(&stage->kafka, INVOCATIONS, PATIENCE_MS, stage->why);
    ck_assert_msg(stage->sender != NULL, "%s", stage->why);
}

static void stage_init(struct stage *stage, size_t max_in_flight, int64_t drain_ms)
{
    stage_init_limited(stage, max_in_flight, 1 << 30, drain_ms);
}

static void stage_submit(struct stage *stage, size_t n, const char *template)
{
    for (size_t i = 0; i < n; i++) {
        size_t bytes = 0;
        char *text = NULL;
        if (template == NULL) {
            text = demo_load_invocation(i, backend_port(stage->backend), &bytes);
        } else {
            int printed = asprintf(&text, template, i, backend_port(stage->backend), backend_port(stage->backend));
            ck_assert_int_gt(printed, 0);
            bytes = (size_t)printed;
        }
        ck_assert_msg(sender_send(stage->sender, "k", text, bytes, stage->why) == 0, "%s", stage->why);
        free(text);
    }
    ck_assert_msg(sender_finish(stage->sender, stage->why) == 0, "%s", stage->why);
    size_t n_sent = 0;
    const struct sent *sent = sender_sent(stage->sender, &n_sent);
    stage->tally = tally_new(INVOCATIONS, sent, n_sent);
}

/* Reads results until so many of those submitted have theirs. */
static void stage_await_results(struct stage *stage, size_t n)
{
    int64_t until_ms = clock_mono_ms() + 2 * PATIENCE_MS;
    while (tally_counts(stage->tally)->seen < n) {
        ck_assert_msg(clock_mono_ms() < until_ms, "%zu of %zu results came", tally_counts(stage->tally)->seen, n);
        bool failed = false;
        rd_kafka_message_t *message = reader_next(stage->reader, 100, &failed, stage->why);
        ck_assert_msg(!failed, "%s", stage->why);
        if (message == NULL) {
            continue;
        }
        struct rxp_result *result = NULL;
        struct rxp_refusal why;
        ck_assert_msg(rxp_result_parse(message->payload, message->len, &result, &why) == 0, "%s", why.text);
        ck_assert_int_ne(tally_take(stage->tally, result), TALLY_FOREIGN);
        rxp_result_free(result);
        rd_kafka_message_destroy(message);
    }
}

/* Stops the worker; its last counts. */
static struct worker_counts stage_stop(struct stage *stage)
{
    struct worker_counts counts;
    worker_stop(stage->worker);
    pthread_join(stage->thread, NULL);
    ck_assert_msg(stage->ended == 0, "%s", stage->why);
    worker_read_counts(stage->worker, &counts);
    return counts;
}

static void stage_deinit(struct stage *stage)
{
    sender_free(stage->sender);
    reader_free(stage->reader);
    worker_free(stage->worker);
    backend_stop(stage->backend);
    demo_broker_free(stage->broker);
    egress_free(stage->egress);
    tally_free(stage->tally);
}

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

#define LONG_RUN                                                                                                       \
    "{\"invocation_id\":\"long-%zu\",\"runtime_name\":\"r\",\"runtime_kind\":\"http_async\",\"working_directory\":\"/\"," \
    "\"command\":[\"x\"],\"metadata\":{\"http.url\":\"http://127.0.0.1:%d/runs?seconds=3600\","                       \
    "\"http.poll_url_template\":\"http://127.0.0.1:%d/runs/{run_id}\",\"http.poll_run_id_path\":\"run_id\","           \
    "\"http.poll_status_path\":\"status\",\"http.poll_terminal_states\":\"completed\"}}"

static void await_kickoffs(struct stage *stage, uint64_t n)
{
    int64_t until_ms = clock_mono_ms() + PATIENCE_MS;
    struct backend_counts counts = {0};
    while (counts.kickoffs < n) {
        ck_assert_msg(clock_mono_ms() < until_ms, "%llu kickoffs came", (unsigned long long)counts.kickoffs);
        bool failed = false; /* a wait of 10 ms; results may come, too */
        rd_kafka_message_t *message = reader_next(stage->reader, 10, &failed, stage->why);
        if (message != NULL) {
            rd_kafka_message_destroy(message);
        }
        backend_read_counts(stage->backend, &counts);
    }
}

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

/* What a message has filled in counts as well: of these two hundred, half a kilobyte each, but ten or so may wait at a time,
 * and those that nobody has looked at yet. */
START_TEST(takes_no_more_than_its_limit_of_what_is_filled_in)
{
    struct stage stage;
    char template[2048];
    char body[7 * 100 + 1] = "";
    for (int i = 0; i < 100; i++) {
        strcat(body, "{var.a}");
    }
    snprintf(template, sizeof template, "%.*s,\"http.body\":\"\\\"%s\\\"\",\"var.a\":\"%0500d\"}}", (int)strlen(LONG_RUN) - 2,
             LONG_RUN, body, 0);
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
    tcase_add_test(tcase, a_worker_that_is_freed_while_it_runs_leaves_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
