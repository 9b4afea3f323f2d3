#include "kafka/ends.h"
#include "support/consumer_stage.h"

static struct stage stage;

enum { EVERY_MS = 50, MESSAGES = 30 };

static struct ends *open_ends(int64_t every_ms)
{
    static const struct kafka_property properties[] = {{"reconnect.backoff.max.ms", "200"}};
    const struct kafka_settings settings = {
        .bootstrap_servers = stage.brokers, .group_id = STAGE_GROUP, .properties = properties, .n_properties = 1};
    char why[512] = "";
    struct ends *ends = ends_new(&settings, every_ms, why, sizeof why);
    ck_assert_msg(ends != NULL, "%s", why);
    return ends;
}

static rd_kafka_topic_partition_list_t *list_of(int partitions, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; i++)
        rd_kafka_topic_partition_list_add(list, STAGE_TOPIC, i)->offset = offset;
    return list;
}

static void ask(struct ends *ends, int partitions, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = list_of(partitions, offset);
    ends_ask(ends, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static int64_t read_end(struct ends *ends, int partition)
{
    rd_kafka_topic_partition_list_t *list = list_of(STAGE_PARTITIONS, 7);
    ends_read(ends, list);
    int64_t end = list->elems[partition].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return end;
}

static int64_t read_beginning(struct ends *ends, int partition)
{
    rd_kafka_topic_partition_list_t *list = list_of(STAGE_PARTITIONS, 7);
    ends_read_beginnings(ends, list);
    int64_t beginning = list->elems[partition].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return beginning;
}

static void await_end(struct ends *ends, int partition, int64_t end)
{
    int64_t give_up_ms = clock_mono_ms() + STAGE_DEADLINE_MS;
    while (read_end(ends, partition) != end) {
        ck_assert_msg(clock_mono_ms() < give_up_ms, "the end of [%d] is %d, not %d", partition, (int)read_end(ends, partition),
                      (int)end);
        poll(NULL, 0, 5);
    }
}

static void await_answer_after(struct ends *ends, int64_t ms)
{
    int64_t give_up_ms = clock_mono_ms() + STAGE_DEADLINE_MS;
    while (ends_answered_ms(ends) <= ms) {
        ck_assert_msg(clock_mono_ms() < give_up_ms, "no broker answers");
        poll(NULL, 0, 5);
    }
}

START_TEST(knows_where_all_logs_end)
{
    stage_open(&stage);
    stage_make_topic(&stage, STAGE_PARTITIONS);
    stage_fill(&stage, 3, MESSAGES, 20); /* of four */
    struct ends *ends = open_ends(EVERY_MS);
    ck_assert_int_eq(read_end(ends, 0), ENDS_UNKNOWN);
    ask(ends, STAGE_PARTITIONS, 0);
    await_end(ends, 0, MESSAGES);
    await_end(ends, 2, MESSAGES);
    await_end(ends, 3, 0);
    ck_assert_int_eq(read_beginning(ends, 0), ENDS_UNKNOWN); /* nobody wanted it */
    stage_fill(&stage, 1, 12, 20);
    await_end(ends, 0, MESSAGES + 12);
    ck_assert_int_eq(read_end(ends, 1), MESSAGES);
    ends_free(ends);
    stage_close(&stage);
}
END_TEST

START_TEST(knows_where_a_log_begins_if_asked)
{
    stage_open(&stage);
    stage_make_topic(&stage, 2);
    stage_fill(&stage, 2, 8000, 1000); /* the mock cluster keeps 5 MB */
    struct ends *ends = open_ends(EVERY_MS);
    ask(ends, 1, ENDS_UNKNOWN);
    await_end(ends, 0, 8000);
    ck_assert_int_gt(read_beginning(ends, 0), 1000);
    ck_assert_int_lt(read_beginning(ends, 0), 8000);
    ck_assert_int_eq(read_end(ends, 1), ENDS_UNKNOWN); /* not asked for */
    ends_free(ends);
    stage_close(&stage);
}
END_TEST

START_TEST(asks_at_once_when_other_partitions_are_wanted)
{
    stage_open(&stage);
    stage_make_topic(&stage, 2);
    stage_fill(&stage, 2, MESSAGES, 20);
    struct ends *ends = open_ends(3600000);
    await_answer_after(ends, 0); /* asked for nothing: a sign of life alone */
    ck_assert_int_eq(read_end(ends, 0), ENDS_UNKNOWN);
    ask(ends, 1, 0);
    await_end(ends, 0, MESSAGES);
    ask(ends, 2, 0);
    await_end(ends, 1, MESSAGES);
    int64_t answered_ms = ends_answered_ms(ends);
    ask(ends, 2, 5); /* the same */
    poll(NULL, 0, 300);
    ck_assert_int_eq(ends_answered_ms(ends), answered_ms);
    ends_free(ends);
    stage_close(&stage);
}
END_TEST

START_TEST(without_brokers_what_was_known_stays_and_it_ends_in_time)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, MESSAGES, 20);
    struct ends *ends = open_ends(EVERY_MS);
    ask(ends, 1, 0);
    await_end(ends, 0, MESSAGES);
    rd_kafka_mock_broker_set_down(stage.cluster, 1);
    int64_t down_ms = clock_mono_ms() + 1000; /* an answer may be under way */
    while (clock_mono_ms() < down_ms)
        poll(NULL, 0, 50);
    int64_t answered_ms = ends_answered_ms(ends);
    ck_assert_int_lt(answered_ms, down_ms);
    poll(NULL, 0, 1500);
    ck_assert_int_eq(ends_answered_ms(ends), answered_ms);
    ck_assert_int_eq(read_end(ends, 0), MESSAGES);
    rd_kafka_mock_broker_set_up(stage.cluster, 1);
    await_answer_after(ends, answered_ms);
    rd_kafka_mock_broker_set_down(stage.cluster, 1);
    poll(NULL, 0, 300); /* so that a question waits */
    int64_t before_ms = clock_mono_ms();
    ends_free(ends);
    ck_assert_int_lt(clock_mono_ms() - before_ms, 5000);
    stage_close(&stage);
}
END_TEST

START_TEST(what_is_missing_has_no_end_until_it_is_there)
{
    stage_open(&stage);
    stage_make_topic(&stage, 2);
    stage_fill(&stage, 2, MESSAGES, 20);
    rd_kafka_mock_topic_set_error(stage.cluster, STAGE_TOPIC, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    struct ends *ends = open_ends(EVERY_MS);
    await_answer_after(ends, 0);
    int64_t before_ms = ends_answered_ms(ends);
    ask(ends, 3, 0);
    poll(NULL, 0, 1000); /* several questions */
    ck_assert_int_eq(read_end(ends, 0), ENDS_UNKNOWN);
    ck_assert_int_eq(ends_answered_ms(ends), before_ms); /* that nothing is known is no answer */
    rd_kafka_mock_topic_set_error(stage.cluster, STAGE_TOPIC, RD_KAFKA_RESP_ERR_NO_ERROR);
    await_end(ends, 0, MESSAGES);
    await_end(ends, 1, MESSAGES);
    ck_assert_int_eq(read_end(ends, 2), ENDS_UNKNOWN); /* there is no such partition */
    stage_fill(&stage, 1, 12, 20);
    await_end(ends, 0, MESSAGES + 12);
    ends_free(ends);
    stage_close(&stage);
}
END_TEST

/* The topic is there, beside one that is not. */
START_TEST(a_topic_that_is_missing_spoils_no_other)
{
    stage_open(&stage);
    stage_make_topic(&stage, 2);
    stage_fill(&stage, 2, MESSAGES, 20);
    rd_kafka_mock_topic_set_error(stage.cluster, "gone", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    struct ends *ends = open_ends(EVERY_MS);
    rd_kafka_topic_partition_list_t *list = list_of(2, ENDS_UNKNOWN);
    rd_kafka_topic_partition_list_add(list, "gone", 0)->offset = ENDS_UNKNOWN;
    ends_ask(ends, list);
    rd_kafka_topic_partition_list_destroy(list);
    await_end(ends, 1, MESSAGES);
    ck_assert_int_eq(read_beginning(ends, 1), 0);
    stage_fill(&stage, 1, 12, 20);
    await_end(ends, 0, MESSAGES + 12);
    ends_free(ends);
    stage_close(&stage);
}
END_TEST

START_TEST(ends_at_once_before_it_has_asked)
{
    stage_open(&stage);
    struct ends *ends = open_ends(EVERY_MS);
    ends_stop(ends);
    ends_free(ends);
    ends_free(NULL);
    stage_close(&stage);
}
END_TEST

/* The answer to a question's second half came later, or never. */
START_TEST(an_answer_is_dated_by_when_it_came)
{
    enum { API_LIST_OFFSETS = 2, LATE_MS = 700 };
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    struct ends *ends = open_ends(60000);
    await_answer_after(ends, 0);
    const rd_kafka_resp_err_t none = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_mock_broker_push_request_error_rtts(stage.cluster, 1, API_LIST_OFFSETS, 2, none, 0, none, LATE_MS);
    ask(ends, 1, ENDS_UNKNOWN);
    await_end(ends, 0, 0);
    ck_assert_int_eq(read_beginning(ends, 0), 0);
    ck_assert_int_ge(clock_mono_ms() - ends_answered_ms(ends), LATE_MS - 50);
    ends_free(ends);
    stage_close(&stage);
}
END_TEST

/* Nor does it wait for ever: where the machine has no time, one may outlast its patience. */
START_TEST(leaves_no_thread_behind)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    int before = rd_kafka_thread_cnt();
    int left = 0;
    for (int i = 0; i < 10; i++) {
        struct ends *ends = open_ends(EVERY_MS);
        if (i % 2 == 0) {
            ask(ends, 1, 0);
            await_answer_after(ends, 0);
        }
        ends_free(ends);
        int threads = rd_kafka_thread_cnt();
        left += threads > before;
        before = threads;
    }
    ck_assert_int_le(left, 2);
    stage_close(&stage);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ends");
    TCase *tcase = tcase_create("ends");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, knows_where_all_logs_end);
    tcase_add_test(tcase, knows_where_a_log_begins_if_asked);
    tcase_add_test(tcase, asks_at_once_when_other_partitions_are_wanted);
    tcase_add_test(tcase, without_brokers_what_was_known_stays_and_it_ends_in_time);
    tcase_add_test(tcase, what_is_missing_has_no_end_until_it_is_there);
    tcase_add_test(tcase, a_topic_that_is_missing_spoils_no_other);
    tcase_add_test(tcase, ends_at_once_before_it_has_asked);
    tcase_add_test(tcase, an_answer_is_dated_by_when_it_came);
    tcase_add_test(tcase, leaves_no_thread_behind);
    suite_add_tcase(suite, tcase);
    return suite;
}
