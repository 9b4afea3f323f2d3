#include "base/clock.h"
#include "kafka/log_range.h"
#include "support/check_main.h"

#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

#define TOPIC "log"

enum { BROKERS = 2, AWAY = 2, MESSAGES = 7, PATIENT_MS = 20000, SHORT_MS = 500, LONG_MS = 15000, SLOW_MS = 20000 };

static rd_kafka_t *producer; /* the cluster lives in it */
static rd_kafka_mock_cluster_t *cluster;
static rd_kafka_t *client;

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    ck_assert_msg(rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK, "%s", why);
}

static void setup(void)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "test.mock.num.brokers", "2");
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    cluster = rd_kafka_handle_mock_cluster(producer);
    ck_assert_int_eq(rd_kafka_mock_topic_create(cluster, TOPIC, 2, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(rd_kafka_mock_partition_set_leader(cluster, TOPIC, 0, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(rd_kafka_mock_partition_set_leader(cluster, TOPIC, 1, AWAY), RD_KAFKA_RESP_ERR_NO_ERROR);
    conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster));
    set(conf, "log_level", "0");
    client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
}

static void teardown(void)
{
    rd_kafka_destroy(client);
    rd_kafka_destroy(producer);
}

static void fill(int32_t partition)
{
    char value[] = "x";
    for (int i = 0; i < MESSAGES; i++)
        ck_assert_int_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(partition),
                                           RD_KAFKA_V_VALUE(value, 1), RD_KAFKA_V_END), RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(rd_kafka_flush(producer, PATIENT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

START_TEST(a_log_begins_and_ends_where_it_does)
{
    struct log_range range = {-1, -1};
    ck_assert_int_eq(log_range_read(client, TOPIC, 0, PATIENT_MS, &range), RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(range.low, 0);
    ck_assert_int_eq(range.high, 0);
    fill(0);
    ck_assert_int_eq(log_range_read(client, TOPIC, 0, PATIENT_MS, &range), RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(range.low, 0);
    ck_assert_int_eq(range.high, MESSAGES);
}
END_TEST

static void must_give_up(void)
{
    struct log_range range = {5, 6};
    int64_t began_ms = clock_mono_ms();
    rd_kafka_resp_err_t error = log_range_read(client, TOPIC, 1, SHORT_MS, &range);
    ck_assert_int_ne(error, RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_lt(clock_mono_ms() - began_ms, LONG_MS);
    ck_assert_int_eq(range.low, 5);
    ck_assert_int_eq(range.high, 6);
}

START_TEST(a_leader_that_is_away_or_silent_is_not_waited_for)
{
    struct log_range range;
    ck_assert_int_eq(log_range_read(client, TOPIC, 1, PATIENT_MS, &range), RD_KAFKA_RESP_ERR_NO_ERROR);
    if (_i == 0)
        rd_kafka_mock_broker_set_down(cluster, AWAY);
    else
        rd_kafka_mock_broker_set_rtt(cluster, AWAY, SLOW_MS);
    must_give_up();
    must_give_up();
    ck_assert_int_eq(log_range_read(client, TOPIC, 0, PATIENT_MS, &range), RD_KAFKA_RESP_ERR_NO_ERROR);
}
END_TEST

START_TEST(a_partition_that_is_not_there_has_no_range)
{
    struct log_range range;
    ck_assert_int_ne(log_range_read(client, TOPIC, 9, SHORT_MS, &range), RD_KAFKA_RESP_ERR_NO_ERROR);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("log_range");
    TCase *tcase = tcase_create("log_range");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 100);
    tcase_add_test(tcase, a_log_begins_and_ends_where_it_does);
    tcase_add_loop_test(tcase, a_leader_that_is_away_or_silent_is_not_waited_for, 0, 2);
    tcase_add_test(tcase, a_partition_that_is_not_there_has_no_range);
    suite_add_tcase(suite, tcase);
    return suite;
}
