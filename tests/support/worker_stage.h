/* worker_stage: the whole worker in this process: embedded broker, simulated backend, worker. For its test files. */
#ifndef RXP_TESTS_WORKER_STAGE_H
#define RXP_TESTS_WORKER_STAGE_H

#include "support/check_main.h"

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

/* What a test wants otherwise; 0: as the others. */
struct stage_wish {
    int threads;
    size_t max_in_flight;
    size_t max_bytes;
    int64_t drain_ms;
    enum lanes_mode ordering;
    enum log_runs log_runs;
    struct metrics *metrics;
    struct standing *standing;
    struct history *history;
};

static const struct kafka_property properties[] = {
    {"fetch.wait.max.ms", "10"}, {"session.timeout.ms", "6000"}, {"heartbeat.interval.ms", "300"}};

static inline void *worker_thread(void *opaque)
{
    struct stage *stage = opaque;
    stage->ended = worker_run(stage->worker, stage->why);
    return NULL;
}

static inline void stage_init_wish(struct stage *stage, const struct stage_wish *wish)
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
        .pool = {.threads = wish->threads > 0 ? wish->threads : 2,
                 .max_run_ms = 86400000,
                 .connect_timeout_ms = 10000,
                 .poll_timeout_ms = 30000,
                 .poll_min_interval_ms = 10,
                 .poll_jitter = 0.1,
                 .poll_max_failures = 5,
                 .max_response_bytes = 1 << 20,
                 .max_result_bytes = 1 << 18,
                 .origin_max_connections = 64,
                 .metrics = wish->metrics,
                 .egress = stage->egress},
        .ordering = wish->ordering,
        .log_runs = wish->log_runs,
        .metrics = wish->metrics,
        .standing = wish->standing,
        .history = wish->history,
        .max_in_flight = wish->max_in_flight > 0 ? wish->max_in_flight : 1000,
        .max_in_flight_bytes = wish->max_bytes > 0 ? wish->max_bytes : 1 << 30,
        .max_message_bytes = 1 << 20,
        .commit_interval_ms = 50,
        .drain_ms = wish->drain_ms > 0 ? wish->drain_ms : 2000,
    };
    stage->worker = worker_new(&config, stage->why);
    ck_assert_msg(stage->worker != NULL, "%s", stage->why);
    ck_assert_int_eq(pthread_create(&stage->thread, NULL, worker_thread, stage), 0);
    stage->reader = reader_new(&stage->kafka, RESULTS, READER_BEGINNING, PATIENCE_MS, stage->why);
    ck_assert_msg(stage->reader != NULL, "%s", stage->why);
    stage->sender = sender_new(&stage->kafka, INVOCATIONS, PATIENCE_MS, stage->why);
    ck_assert_msg(stage->sender != NULL, "%s", stage->why);
}

static inline void stage_init_limited(struct stage *stage, size_t max_in_flight, size_t max_bytes, int64_t drain_ms)
{
    stage_init_wish(stage, &(struct stage_wish){.max_in_flight = max_in_flight, .max_bytes = max_bytes, .drain_ms = drain_ms});
}

static inline void stage_init(struct stage *stage, size_t max_in_flight, int64_t drain_ms)
{
    stage_init_limited(stage, max_in_flight, 1 << 30, drain_ms);
}

static inline void stage_submit(struct stage *stage, size_t n, const char *template)
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
static inline void stage_await_results(struct stage *stage, size_t n)
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
static inline struct worker_counts stage_stop(struct stage *stage)
{
    struct worker_counts counts;
    worker_stop(stage->worker);
    pthread_join(stage->thread, NULL);
    ck_assert_msg(stage->ended == 0, "%s", stage->why);
    worker_read_counts(stage->worker, &counts);
    return counts;
}

static inline void stage_deinit(struct stage *stage)
{
    sender_free(stage->sender);
    reader_free(stage->reader);
    worker_free(stage->worker);
    backend_stop(stage->backend);
    demo_broker_free(stage->broker);
    egress_free(stage->egress);
    tally_free(stage->tally);
}

#define LONG_RUN                                                                                                       \
    "{\"invocation_id\":\"long-%zu\",\"runtime_name\":\"r\",\"runtime_kind\":\"http_async\",\"working_directory\":\"/\"," \
    "\"command\":[\"x\"],\"metadata\":{\"http.url\":\"http://127.0.0.1:%d/runs?seconds=3600\","                       \
    "\"http.poll_url_template\":\"http://127.0.0.1:%d/runs/{run_id}\",\"http.poll_run_id_path\":\"run_id\","           \
    "\"http.poll_status_path\":\"status\",\"http.poll_terminal_states\":\"completed\"}}"

static inline void await_kickoffs(struct stage *stage, uint64_t n)
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

#endif
