/* checkpoint_reader and its marker against librdkafka's mock cluster, whose brokers can be made to refuse: where a reading ends.
 * What a real broker does with them is held by tests/whole/test_checkpoints.py. */
#include "kafka/checkpoint_clients.h"
#include "kafka/checkpoint_reader.h"

#include "base/clock.h"
#include "base/mailbox.h"
#include "support/check_main.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
/* librdkafka counts references with atomic operations that ThreadSanitizer does not see, Debian's being built without it. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:librdkafka.so\n";
}
#endif

enum { API_PRODUCE = 0, API_FETCH = 1, INPUTS = 3, PARTITIONS = 2, DEADLINE_MS = 20000, REFUSALS = 2000, QUIET_MS = 1500 };

static const char *const inputs[INPUTS] = {"in-0", "in-1", "in-2"};

static struct {
    rd_kafka_t *owner;
    rd_kafka_mock_cluster_t *cluster;
    char brokers[256];
    rd_kafka_t *client; /* the test's own eye and hand */
    struct checkpoint_clients clients;
    struct checkpoint_reader *reader;
    struct list answered;
    int event_fd;
    int64_t stall_ms;
    size_t n_ready;
    size_t n_found; /* of the last that was answered */
    enum checkpoint_reader_state worst;
    char why[CHECKPOINT_READER_WHY_BYTES]; /* of the worst */
} stage;

static enum checked check(const char *value, size_t value_bytes, void *opaque)
{
    (void)value;
    (void)value_bytes;
    (void)opaque;
    return CHECKED_RUN;
}

static void open_reader(void)
{
    char why[400];
    const struct kafka_property small = {"fetch.message.max.bytes", "100"};
    struct kafka_settings settings = {
        .bootstrap_servers = stage.brokers, .group_id = "g", .properties = &small, .n_properties = 1};
    int failed = checkpoint_clients_open(&stage.clients, &settings, "checkpoints", stage.event_fd, NULL, NULL, why, sizeof why);
    ck_assert_msg(failed == 0, "%s", why);
    struct checkpoint_reader_config config = {
        .rk = stage.clients.rk,
        .topic = stage.clients.topic,
        .marker = stage.clients.marker,
        .stall_ms = stage.stall_ms,
        .event_fd = stage.event_fd,
        .group_id = "g",
        .check = check,
        .answered = &stage.answered,
    };
    stage.reader = checkpoint_reader_new(&config);
    ck_assert_ptr_nonnull(stage.reader);
    checkpoint_marker_open(stage.clients.marker);
    checkpoint_reader_set_partitions(stage.reader, PARTITIONS);
}

static void open_stage_with(int64_t stall_ms)
{
    char why[256];
    memset(&stage, 0, sizeof stage);
    stage.stall_ms = stall_ms;
    list_init(&stage.answered);
    stage.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    stage.owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    ck_assert_msg(stage.owner != NULL, "%s", why);
    stage.cluster = rd_kafka_mock_cluster_new(stage.owner, 1);
    snprintf(stage.brokers, sizeof stage.brokers, "%s", rd_kafka_mock_cluster_bootstraps(stage.cluster));
    ck_assert_int_eq(rd_kafka_mock_topic_create(stage.cluster, "checkpoints", PARTITIONS, 1), 0);
    conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", stage.brokers, why, sizeof why);
    stage.client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    ck_assert_msg(stage.client != NULL, "%s", why);
    open_reader();
}

static void open_stage(void)
{
    open_stage_with(CHECKPOINT_READER_STALL_MS);
}

static void free_answered(void)
{
    struct list *node;
    while ((node = list_shift(&stage.answered)) != NULL) {
        struct checkpoint_request *request = list_entry(node, struct checkpoint_request, node);
        stage.n_ready += request->table != NULL;
        stage.n_found = request->table != NULL ? checkpoint_table_count(request->table) : 0;
        checkpoint_table_free(request->table);
        free(request);
    }
}

static void close_stage(void)
{
    checkpoint_reader_free(stage.reader);
    free_answered();
    checkpoint_clients_end(&stage.clients, clock_mono_ms() + DEADLINE_MS);
    rd_kafka_destroy(stage.client);
    rd_kafka_mock_cluster_destroy(stage.cluster);
    rd_kafka_destroy(stage.owner);
    close(stage.event_fd);
}

/* Checkpoints of the first input, acknowledged. */
static void write_checkpoints(int32_t partition, int from, int to)
{
    for (int i = from; i < to; i++) {
        char text[100];
        char value[] = "run";
        struct checkpoint_key key = {"g", 1, inputs[0], strlen(inputs[0]), partition, i, 1};
        int n = checkpoint_key_write(&key, text, sizeof text);
        ck_assert_int_eq(rd_kafka_producev(stage.client, RD_KAFKA_V_TOPIC("checkpoints"), RD_KAFKA_V_PARTITION(partition),
                                           RD_KAFKA_V_KEY(text, (size_t)n), RD_KAFKA_V_VALUE(value, 3),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END), 0);
    }
    ck_assert_int_eq(rd_kafka_flush(stage.client, DEADLINE_MS), 0);
}

static int64_t records(int32_t partition)
{
    int64_t low = 0;
    int64_t high = 0;
    ck_assert_int_eq(rd_kafka_query_watermark_offsets(stage.client, "checkpoints", partition, &low, &high, DEADLINE_MS), 0);
    return high;
}

static struct checkpoint_request *ask(const char *input, int32_t partition)
{
    struct checkpoint_request *request = calloc(1, sizeof *request + strlen(input) + 1);
    ck_assert_ptr_nonnull(request);
    strcpy(request->topic, input);
    request->partition = partition;
    ck_assert_int_eq(checkpoint_reader_add(stage.reader, request), 0);
    return request;
}

static void turn(void)
{
    char why[CHECKPOINT_READER_WHY_BYTES];
    enum checkpoint_reader_state state;
    do
        state = checkpoint_reader_turn(stage.reader, clock_mono_ms(), why);
    while (state == CHECKPOINT_READER_HAS_MORE);
    if (state > stage.worst) {
        stage.worst = state;
        snprintf(stage.why, sizeof stage.why, "%s", why);
    }
    free_answered();
}

/* Until so many readings were answered, or for so long; false: they were not. */
static bool turn_until_ready(size_t n, int64_t most_ms)
{
    int64_t until_ms = clock_mono_ms() + most_ms;
    while (stage.n_ready < n && stage.worst < CHECKPOINT_READER_UNREADABLE && clock_mono_ms() < until_ms) {
        struct pollfd awake = {.fd = stage.event_fd, .events = POLLIN};
        turn();
        (void)poll(&awake, 1, 20);
        mailbox_drain_fd(stage.event_fd);
    }
    return stage.n_ready >= n;
}

static void refuse(rd_kafka_resp_err_t err)
{
    rd_kafka_resp_err_t errs[REFUSALS];
    for (size_t i = 0; i < REFUSALS; i++)
        errs[i] = err;
    rd_kafka_mock_push_request_errors_array(stage.cluster, API_PRODUCE, REFUSALS, errs);
}

START_TEST(a_reading_is_answered_once_its_marker_is_acknowledged_and_not_before)
{
    open_stage();
    write_checkpoints(1, 0, 5);
    refuse(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    ask(inputs[0], 1);
    ck_assert(!turn_until_ready(1, QUIET_MS));
    ck_assert_int_eq(stage.worst, CHECKPOINT_READER_STUCK);
    ck_assert_str_eq(stage.why, "partition 1: a marker is not acknowledged yet");
    rd_kafka_mock_clear_request_errors(stage.cluster, API_PRODUCE);
    ck_assert(turn_until_ready(1, DEADLINE_MS));
    ck_assert_uint_eq(stage.n_found, 5);
    ck_assert_int_eq(records(1), 6);
    close_stage();
}
END_TEST

START_TEST(a_marker_serves_all_who_asked_before_it_was_sent_and_nobody_who_asks_later)
{
    open_stage();
    write_checkpoints(0, 0, 3);
    for (int i = 0; i < INPUTS; i++)
        ask(inputs[i], 0);
    ask(inputs[1], 1);
    turn();
    ck_assert_uint_eq(stage.n_ready, 0);
    write_checkpoints(0, 3, 7);
    ask(inputs[0], 0);
    ck_assert(turn_until_ready(INPUTS + 2, DEADLINE_MS));
    ck_assert_uint_eq(stage.n_found, 7); /* of the last one */
    ck_assert_int_eq(records(0), 9);
    ck_assert_int_eq(records(1), 1);
    close_stage();
}
END_TEST

START_TEST(each_reading_holds_what_was_acknowledged_before_it)
{
    open_stage();
    for (int i = 0; i < 20; i++) {
        write_checkpoints(0, i, i + 1);
        ask(inputs[0], 0);
        ck_assert(turn_until_ready((size_t)i + 1, DEADLINE_MS));
        ck_assert_uint_eq(stage.n_found, (size_t)i + 1);
    }
    close_stage();
}
END_TEST

START_TEST(a_partition_that_is_not_known_to_be_there_gets_no_marker_and_keeps_nobody_waiting)
{
    open_stage();
    write_checkpoints(0, 0, 3);
    checkpoint_reader_set_partitions(stage.reader, 1);
    ask(inputs[0], 1);
    ask(inputs[0], 0);
    ck_assert(turn_until_ready(1, DEADLINE_MS));
    ck_assert(!turn_until_ready(2, 300));
    ck_assert_int_eq(records(1), 0);
    ck_assert_int_eq(checkpoint_reader_highest(stage.reader), 1);
    ck_assert_int_gt(checkpoint_reader_next_ms(stage.reader, clock_mono_ms()), clock_mono_ms());
    checkpoint_reader_set_partitions(stage.reader, PARTITIONS);
    ck_assert(turn_until_ready(2, DEADLINE_MS));
    ck_assert_int_eq(records(1), 1);
    close_stage();
}
END_TEST

START_TEST(the_marker_of_one_that_is_not_wanted_any_more_is_nobody_elses)
{
    open_stage();
    write_checkpoints(0, 0, 3);
    struct checkpoint_request *request = ask(inputs[0], 0);
    turn();
    while (records(0) < 4) /* it is there, and its report on its way */
        continue;
    atomic_store(&request->unwanted, true);
    write_checkpoints(0, 3, 7);
    ask(inputs[0], 0);
    ck_assert(turn_until_ready(1, DEADLINE_MS));
    ck_assert_uint_eq(stage.n_ready, 1);
    ck_assert_uint_eq(stage.n_found, 7);
    close_stage();
}
END_TEST

START_TEST(a_log_that_gets_shorter_while_it_is_read_is_read_again_to_a_new_marker)
{
    open_stage();
    for (int i = 0; i < 20; i++)
        write_checkpoints(0, i, i + 1); /* batches of their own, which are fetched one by one */
    rd_kafka_mock_push_request_errors(stage.cluster, API_FETCH, 3, RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_NO_ERROR,
                                      RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
    ask(inputs[0], 0);
    ck_assert(turn_until_ready(1, DEADLINE_MS));
    ck_assert_str_eq(stage.why, "partition 0: the log became shorter while it was read");
    ck_assert_uint_eq(stage.n_found, 20);
    ck_assert_int_eq(records(0), 22);
    close_stage();
}
END_TEST

START_TEST(a_reading_that_stalls_is_given_more_time_until_it_ends)
{
    open_stage_with(50);
    write_checkpoints(0, 0, 5);
    rd_kafka_mock_broker_set_rtt(stage.cluster, 1, 200); /* whatever is asked of the broker takes longer than that */
    ask(inputs[0], 0);
    ck_assert_msg(turn_until_ready(1, DEADLINE_MS), "%s", stage.why);
    ck_assert_int_eq(stage.worst, CHECKPOINT_READER_STUCK);
    ck_assert_str_eq(stage.why, "partition 0 stands still at offset 0, before 5");
    ck_assert_uint_eq(stage.n_found, 5);
    close_stage();
}
END_TEST

/* Of both kinds: those that librdkafka sends again by itself, and those that it gives up. */
static const rd_kafka_resp_err_t passing[] = {
    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,    RD_KAFKA_RESP_ERR_UNKNOWN,              RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, RD_KAFKA_RESP_ERR__TRANSPORT,
};

START_TEST(what_passes_is_got_over)
{
    open_stage();
    write_checkpoints(0, 0, 3);
    rd_kafka_mock_push_request_errors(stage.cluster, API_PRODUCE, 3, passing[_i], passing[_i], passing[_i]);
    ask(inputs[0], 0);
    ck_assert_msg(turn_until_ready(1, DEADLINE_MS), "%s: %s", rd_kafka_err2name(passing[_i]), stage.why);
    ck_assert_uint_eq(stage.n_found, 3);
    close_stage();
}
END_TEST

START_TEST(that_writing_or_reading_is_not_allowed_is_told_apart)
{
    open_stage();
    refuse(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    ask(inputs[0], 0);
    ck_assert(!turn_until_ready(1, DEADLINE_MS));
    ck_assert_int_eq(stage.worst, CHECKPOINT_READER_UNWRITABLE);
    close_stage();
    open_stage();
    rd_kafka_mock_push_request_errors(stage.cluster, API_FETCH, 2, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    ask(inputs[0], 0);
    ck_assert(!turn_until_ready(1, DEADLINE_MS));
    ck_assert_int_eq(stage.worst, CHECKPOINT_READER_UNREADABLE);
    close_stage();
}
END_TEST

START_TEST(its_clients_end_soon_while_a_marker_is_under_way)
{
    open_stage();
    refuse(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    ask(inputs[0], 0);
    ck_assert(!turn_until_ready(1, QUIET_MS));
    rd_kafka_mock_broker_set_rtt(stage.cluster, 1, 60000);
    int64_t from_ms = clock_mono_ms();
    close_stage();
    ck_assert_int_lt(clock_mono_ms() - from_ms, DEADLINE_MS / 2);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("checkpoint_reader");
    TCase *readings = tcase_create("readings");
    tcase_set_timeout(readings, 60);
    tcase_add_test(readings, a_reading_is_answered_once_its_marker_is_acknowledged_and_not_before);
    tcase_add_test(readings, a_marker_serves_all_who_asked_before_it_was_sent_and_nobody_who_asks_later);
    tcase_add_test(readings, each_reading_holds_what_was_acknowledged_before_it);
    tcase_add_test(readings, a_partition_that_is_not_known_to_be_there_gets_no_marker_and_keeps_nobody_waiting);
    tcase_add_test(readings, the_marker_of_one_that_is_not_wanted_any_more_is_nobody_elses);
    tcase_add_test(readings, a_log_that_gets_shorter_while_it_is_read_is_read_again_to_a_new_marker);
    tcase_add_test(readings, a_reading_that_stalls_is_given_more_time_until_it_ends);
    tcase_add_loop_test(readings, what_passes_is_got_over, 0, sizeof passing / sizeof *passing);
    tcase_add_test(readings, that_writing_or_reading_is_not_allowed_is_told_apart);
    tcase_add_test(readings, its_clients_end_soon_while_a_marker_is_under_way);
    suite_add_tcase(suite, readings);
    return suite;
}
