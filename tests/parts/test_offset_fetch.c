/* The question for committed offsets: that it is answered, and keeps nobody waiting. That it goes to the right coordinator is
 * seen on real brokers (whole/fault_outage.py); the mock cluster's answer from any. */
#include "kafka/offset_fetch.h"

#include "kafka/client_end.h"
#include "support/consumer_stage.h"

static struct stage stage;

static rd_kafka_topic_partition_list_t *one_partition(void)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, STAGE_TOPIC, 0);
    return list;
}

START_TEST(an_answer_has_offset_and_metadata_and_wakes)
{
    int event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_UNKNOWN;
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_commit(&stage, 0, 7, "words");
    struct offset_fetch *fetch = offset_fetch_begin(stage_eye(&stage), one_partition(), STAGE_DEADLINE_MS, event_fd);
    ck_assert_ptr_nonnull(fetch);
    ck_assert_int_eq(poll(&(struct pollfd){.fd = event_fd, .events = POLLIN}, 1, STAGE_DEADLINE_MS), 1);
    ck_assert(offset_fetch_is_over(fetch));
    rd_kafka_topic_partition_list_t *list = offset_fetch_end(fetch, &err);
    ck_assert_int_eq(err, RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(list->cnt, 1);
    ck_assert_int_eq(list->elems[0].err, RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(list->elems[0].offset, 7);
    ck_assert_uint_eq(list->elems[0].metadata_size, 5);
    ck_assert_mem_eq(list->elems[0].metadata, "words", 5);
    rd_kafka_topic_partition_list_destroy(list);
    stage_close(&stage);
    close(event_fd);
}
END_TEST

START_TEST(a_question_without_an_answer_ends_by_its_time_and_whoever_drops_it_waits_so_long_at_most)
{
    int event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_commit(&stage, 0, 7, NULL);
    rd_kafka_mock_broker_set_rtt(stage.cluster, -1, 10 * STAGE_DEADLINE_MS);
    struct offset_fetch *fetch = offset_fetch_begin(stage_eye(&stage), one_partition(), 300, event_fd);
    ck_assert_int_eq(poll(&(struct pollfd){.fd = event_fd, .events = POLLIN}, 1, STAGE_DEADLINE_MS), 1);
    rd_kafka_topic_partition_list_destroy(offset_fetch_end(fetch, &err));
    ck_assert_int_eq(err, RD_KAFKA_RESP_ERR__TIMED_OUT);
    mailbox_drain_fd(event_fd);

    fetch = offset_fetch_begin(stage_eye(&stage), one_partition(), 300, event_fd);
    ck_assert(offset_fetch_drop(fetch, clock_mono_ms() + STAGE_DEADLINE_MS));
    mailbox_drain_fd(event_fd);

    fetch = offset_fetch_begin(stage_eye(&stage), one_partition(), 10 * STAGE_DEADLINE_MS, event_fd);
    int64_t begin_ms = clock_mono_ms();
    ck_assert(!offset_fetch_drop(fetch, begin_ms + 100)); /* stage.eye is its own from now on */
    ck_assert_int_lt(clock_mono_ms() - begin_ms, STAGE_DEADLINE_MS);
    ck_assert_int_eq(poll(&(struct pollfd){.fd = event_fd, .events = POLLIN}, 1, 0), 0);
}
END_TEST

static bool one_is_assigned(struct stage *s)
{
    return s->sides[0].counts.assigned == 1;
}

START_TEST(a_consumer_ends_in_time_though_its_question_has_no_answer)
{
    rd_kafka_resp_err_t loading[40];
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    for (size_t i = 0; i < sizeof loading / sizeof *loading; i++)
        loading[i] = RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
    rd_kafka_mock_push_request_errors_array(stage.cluster, API_OFFSET_FETCH, sizeof loading / sizeof *loading, loading);
    side_open(&stage, 0, &(struct side_wish){0});
    TURN_UNTIL(&stage, one_is_assigned);
    rd_kafka_mock_broker_set_rtt(stage.cluster, -1, 10 * STAGE_DEADLINE_MS);
    int64_t begin_ms = clock_mono_ms();
    side_free(&stage.sides[0]);
    ck_assert_int_lt(clock_mono_ms() - begin_ms, 2 * CLIENT_END_MS + 5000);
}
END_TEST

START_TEST(where_offsets_go_with_transactions_they_must_not_be_read_before_those_end)
{
    static const char *const topics[] = {STAGE_TOPIC};
    char why[512] = "";
    struct kafka_property properties[] = {{"isolation.level", "read_uncommitted"}};
    struct consumer_config config = {
        .settings = {.bootstrap_servers = "127.0.0.1:1", .group_id = STAGE_GROUP, .properties = properties, .n_properties = 1},
        .topics = topics,
        .n_topics = 1,
        .commit_interval_ms = 50,
        .transactional = true,
        .event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
    };
    ck_assert_ptr_null(consumer_new(&config, &(struct consumer_hooks){.fatal = side_on_fatal}, why, sizeof why));
    ck_assert_msg(strstr(why, "isolation.level") != NULL && strstr(why, "leave it out") != NULL, "%s", why);
    close(config.event_fd);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("offset_fetch");
    TCase *tcase = tcase_create("offset_fetch");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, an_answer_has_offset_and_metadata_and_wakes);
    tcase_add_test(tcase, a_question_without_an_answer_ends_by_its_time_and_whoever_drops_it_waits_so_long_at_most);
    tcase_add_test(tcase, a_consumer_ends_in_time_though_its_question_has_no_answer);
    tcase_add_test(tcase, where_offsets_go_with_transactions_they_must_not_be_read_before_those_end);
    suite_add_tcase(suite, tcase);
    return suite;
}
