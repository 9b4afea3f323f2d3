/* What stands in its way when it is opened; the rest is tested on a real broker. */
#include "core/control.h"

#include "base/clock.h"
#include "core/cancels.h"
#include "ops/log.h"
#include "support/check_main.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TOPIC "control"

enum { LEADER = 2, AT_MOST_MS = 40000, LEAVES_MS = 20000 };

static rd_kafka_t *producer; /* the cluster lives in it */
static rd_kafka_mock_cluster_t *cluster;
static struct cancels *cancels;
static int event_fd;

static void setup(void)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    ck_assert_int_eq(rd_kafka_conf_set(conf, "test.mock.num.brokers", "2", why, sizeof why), RD_KAFKA_CONF_OK);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    cluster = rd_kafka_handle_mock_cluster(producer);
    ck_assert_int_eq(rd_kafka_mock_topic_create(cluster, TOPIC, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(rd_kafka_mock_partition_set_leader(cluster, TOPIC, 0, LEADER), RD_KAFKA_RESP_ERR_NO_ERROR);
    cancels = cancels_new();
    event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    log_set_level(LOG_ERROR);
}

static void teardown(void)
{
    close(event_fd);
    cancels_free(cancels);
    rd_kafka_destroy(producer);
}

static struct control *open_control(void)
{
    const struct control_config config = {
        .kafka = {.bootstrap_servers = rd_kafka_mock_cluster_bootstraps(cluster)},
        .topic = TOPIC,
        .cancels = cancels,
        .event_fd = event_fd,
    };
    char why[512] = "";
    struct control *control = control_new(&config, why, sizeof why);
    ck_assert_msg(control != NULL, "%s", why);
    return control;
}

static void await_caught_up(const struct control *control)
{
    struct pollfd fd = {.fd = event_fd, .events = POLLIN};
    ck_assert_msg(poll(&fd, 1, AT_MOST_MS) == 1, "inputs are held for ever");
    ck_assert(control_has_caught_up(control));
}

START_TEST(an_empty_topic_is_read_at_once)
{
    struct control *control = open_control();
    int64_t began_ms = clock_mono_ms();
    await_caught_up(control);
    ck_assert_int_lt(clock_mono_ms() - began_ms, CONTROL_CATCH_UP_MS);
    control_free(control);
}
END_TEST

START_TEST(neither_inputs_nor_the_end_wait_for_a_leader_that_is_away)
{
    rd_kafka_mock_broker_set_down(cluster, LEADER);
    struct control *control = open_control();
    await_caught_up(control);
    int64_t ends_ms = clock_mono_ms() + LEAVES_MS;
    control_free(control);
    ck_assert_int_lt(clock_mono_ms(), ends_ms);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("control");
    TCase *tcase = tcase_create("control");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 100);
    tcase_add_test(tcase, an_empty_topic_is_read_at_once);
    tcase_add_test(tcase, neither_inputs_nor_the_end_wait_for_a_leader_that_is_away);
    suite_add_tcase(suite, tcase);
    return suite;
}
