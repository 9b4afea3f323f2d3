#include "kafka/client_conf.h"
#include "ops/log.h"
#include "support/check_main.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void (*log_fn)(const rd_kafka_t *rk, int level, const char *facility, const char *text);

/* The last one that was set. */
static log_fn set_log;

void rd_kafka_conf_set_log_cb(rd_kafka_conf_t *conf, log_fn log)
{
    void (*real)(rd_kafka_conf_t *, log_fn);
    *(void **)&real = dlsym(RTLD_NEXT, "rd_kafka_conf_set_log_cb");
    set_log = log;
    real(conf, log);
}

static rd_kafka_conf_t *make(enum client_role role, const char *name, const char *value, char *why)
{
    struct kafka_property property = {.name = name, .value = value};
    struct kafka_settings settings = {.bootstrap_servers = "127.0.0.1:1", .group_id = "g", .properties = &property,
                                      .n_properties = name != NULL ? 1 : 0};
    return client_conf_make(&settings, role, why);
}

static void assert_value(const rd_kafka_conf_t *conf, const char *name, const char *expected)
{
    char value[512];
    size_t bytes = sizeof value;
    ck_assert_int_eq(rd_kafka_conf_get(conf, name, value, &bytes), RD_KAFKA_CONF_OK);
    ck_assert_msg(strcmp(value, expected) == 0, "%s is '%s', not '%s'", name, value, expected);
}

START_TEST(each_role_gets_what_the_guarantees_need)
{
    static const struct {
        enum client_role role;
        const char *name;
        const char *value;
    } rows[] = {
        {CLIENT_CONSUMER, "bootstrap.servers", "127.0.0.1:1"},
        {CLIENT_CONSUMER, "client.id", "rxp-worker"},
        {CLIENT_CONSUMER, "group.id", "g"},
        {CLIENT_CONSUMER, "enable.auto.commit", "false"},
        {CLIENT_CONSUMER, "enable.auto.offset.store", "false"},
        {CLIENT_CONSUMER, "partition.assignment.strategy", "cooperative-sticky"},
        {CLIENT_CONSUMER, "enable.partition.eof", "true"},
        {CLIENT_CONSUMER, "queued.min.messages", "1000"},
        {CLIENT_CONSUMER, "fetch.wait.max.ms", "50"},
        {CLIENT_READER, "fetch.wait.max.ms", "50"},
        {CLIENT_CONSUMER, "socket.nagle.disable", "true"},
        {CLIENT_CONSUMER, "allow.auto.create.topics", "false"},
        {CLIENT_CONSUMER, "check.crcs", "true"},
        {CLIENT_CONSUMER, "receive.message.max.bytes", "1100000000"},
        {CLIENT_READER, "receive.message.max.bytes", "1100000000"},
        {CLIENT_PRODUCER, "enable.idempotence", "true"},
        {CLIENT_PRODUCER, "acks", "-1"},
        {CLIENT_PRODUCER, "message.timeout.ms", "0"},
        {CLIENT_PRODUCER, "linger.ms", "2"},
        {CLIENT_PRODUCER, "message.max.bytes", "1000000000"},
        {CLIENT_PRODUCER, "batch.size", "1000000"},
        {CLIENT_PRODUCER, "allow.auto.create.topics", "false"},
        {CLIENT_READER, "enable.partition.eof", "true"},
        {CLIENT_READER, "enable.auto.commit", "false"},
    };
    char why[CLIENT_CONF_WHY_BYTES];
    ck_assert_uint_lt((size_t)_i, sizeof rows / sizeof *rows);
    rd_kafka_conf_t *conf = make(rows[_i].role, NULL, NULL, why);
    ck_assert_msg(conf != NULL, "%s", why);
    assert_value(conf, rows[_i].name, rows[_i].value);
    rd_kafka_conf_destroy(conf);
}
END_TEST

START_TEST(a_partition_is_read_on_soon)
{
    char why[CLIENT_CONF_WHY_BYTES];
    rd_kafka_conf_t *conf = make(CLIENT_CONSUMER, NULL, NULL, why);
    ck_assert_msg(conf != NULL, "%s", why);
    char value[16];
    size_t bytes = sizeof value;
    if (rd_kafka_conf_get(conf, "fetch.queue.backoff.ms", value, &bytes) == RD_KAFKA_CONF_OK)
        ck_assert_str_eq(value, "20");
    else
        ck_assert_int_lt(rd_kafka_version(), 0x02020000);
    rd_kafka_conf_destroy(conf);
}
END_TEST

static int n_warnings;

static void count_warning(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    if (strcmp(facility, "CONFWARN") == 0) {
        fprintf(stderr, "%s\n", text);
        n_warnings++;
    }
}

/* A client is really made of each role's conf, with properties of both sides. */
START_TEST(librdkafka_takes_every_role_without_a_warning)
{
    static const struct kafka_property properties[] = {
        {"linger.ms", "7"}, {"compression.codec", "lz4"}, {"session.timeout.ms", "20000"}, {"fetch.wait.max.ms", "10"},
        {"isolation.level", "read_uncommitted"}, {"socket.timeout.ms", "5000"}, {"acks", "all"}, {"client.rack", "r1"},
        {"auto.offset.reset", "earliest"}, {"enable.idempotence", "true"}, {"partitioner", "consistent"},
    };
    static const rd_kafka_type_t types[] = {[CLIENT_CONSUMER] = RD_KAFKA_CONSUMER, [CLIENT_PRODUCER] = RD_KAFKA_PRODUCER,
                                            [CLIENT_READER] = RD_KAFKA_CONSUMER, [CLIENT_ADMIN] = RD_KAFKA_PRODUCER};
    char why[CLIENT_CONF_WHY_BYTES];
    struct kafka_settings settings = {.bootstrap_servers = "127.0.0.1:1", .group_id = "g", .client_id = "me",
                                      .properties = properties, .n_properties = sizeof properties / sizeof *properties};
    rd_kafka_conf_t *conf = client_conf_make(&settings, (enum client_role)_i, why);
    ck_assert_msg(conf != NULL, "%s", why);
    assert_value(conf, "client.id", "me");
    assert_value(conf, "socket.timeout.ms", "5000");
    if (_i == CLIENT_PRODUCER)
        assert_value(conf, "linger.ms", "7");
    if (_i == CLIENT_CONSUMER) {
        assert_value(conf, "session.timeout.ms", "20000");
        assert_value(conf, "fetch.wait.max.ms", "10");
    }
    rd_kafka_conf_set_log_cb(conf, count_warning);
    rd_kafka_t *rk = rd_kafka_new(types[_i], conf, why, sizeof why);
    ck_assert_msg(rk != NULL, "%s", why);
    ck_assert_int_eq(n_warnings, 0);
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}
END_TEST

static const struct {
    const char *name;
    const char *value;
    const char *says; /* NULL: allowed */
} guarded[] = {
    {"bootstrap.servers", "b:1", "bootstrap-servers"},
    {"metadata.broker.list", "b:1", "bootstrap-servers"},
    {"group.id", "x", "group-id"},
    {"enable.auto.commit", "true", "acknowledged"},
    {"enable.auto.commit", "false", NULL},
    {"auto.commit.enable", "true", "acknowledged"},
    {"enable.auto.offset.store", "t", "acknowledged"},
    {"enable.idempotence", "false", "repeat"},
    {"enable.idempotence", "TRUE", NULL},
    {"acks", "1", "replicas"},
    {"acks", "0", "replicas"},
    {"acks", "all", NULL},
    {"topic.acks", "1", "replicas"},
    {"request.required.acks", "1", "replicas"},
    {"request.required.acks", "-1", NULL},
    {"message.timeout.ms", "30000", "outage"},
    {"message.timeout.ms", "0", NULL},
    {"delivery.timeout.ms", "1", "outage"},
    {"retries", "3", "outage"},
    {"message.send.max.retries", "0", "outage"},
    {"retries", "2147483647", NULL},
    {"max.in.flight", "6", "1 to 5"},
    {"max.in.flight", "5", NULL},
    {"max.in.flight", "5x", "1 to 5"},
    {"max.in.flight.requests.per.connection", "1000000", "1 to 5"},
    {"queuing.strategy", "lifo", "order"},
    {"delivery.report.only.error", "true", "success"},
    {"enable.gapless.guarantee", "true", "refuses"},
    {"transactional.id", "t", "transactions"},
    {"partition.assignment.strategy", "range", "cooperative-sticky"},
    {"partition.assignment.strategy", "range,cooperative-sticky", "cooperative-sticky"},
    {"partition.assignment.strategy", "cooperative-sticky", NULL},
    {"group.protocol", "consumer", "classic"},
    {"group.protocol.type", "other", "consumer"},
    {"auto.offset.reset", "latest", "earliest"},
    {"auto.offset.reset", "error", "earliest"},
    {"auto.offset.reset", "smallest", NULL},
    {"enable.partition.eof", "true", "end"},
    {"offset.store.method", "file", "broker"},
    {"enabled_events", "1", "events"},
    {"log.queue", "true", "log lines"},
    {"test.mock.num.brokers", "3", "mock"},
    {"debug", "all", NULL},
    {"isolation.level", "read_uncommitted", NULL},
    {"group.instance.id", "pod-1", "group-instance-id"},
};

START_TEST(what_would_break_the_guarantees_is_refused_by_name_and_only_that)
{
    char why[CLIENT_CONF_WHY_BYTES];
    char quoted[80];
    const char *refusal = client_conf_refusal(guarded[_i].name, guarded[_i].value);
    snprintf(quoted, sizeof quoted, "'%s'", guarded[_i].name);
    for (int role = CLIENT_CONSUMER; role <= CLIENT_ADMIN; role++) {
        rd_kafka_conf_t *conf = make((enum client_role)role, guarded[_i].name, guarded[_i].value, why);
        if (guarded[_i].says == NULL) {
            ck_assert_ptr_null(refusal);
            ck_assert_msg(conf != NULL, "%s", why);
            rd_kafka_conf_destroy(conf);
        } else {
            ck_assert_ptr_nonnull(refusal);
            ck_assert_ptr_null(conf);
            ck_assert_msg(strstr(why, quoted) != NULL, "%s", why);
            ck_assert_msg(strstr(why, refusal) != NULL && strstr(why, guarded[_i].says) != NULL, "%s", why);
        }
    }
}
END_TEST

START_TEST(a_property_that_nobody_knows_is_named_with_the_nearest)
{
    static const struct kafka_property rows[] = {
        {"sasl.usrname", "sasl.username"},
        {"Enable.Auto.Commit", "enable.auto.commit"},
        {"compresion.codec", "compression.codec"},
        {"socket.timeout", "socket.timeout.ms"},
        {"topic.metadata.refresh.spars", "topic.metadata.refresh.sparse"},
        {"topic.partitionr", "partitioner"},
        {"something.else.altogether", "CONFIGURATION.md"},
    };
    char why[CLIENT_CONF_WHY_BYTES];
    ck_assert_ptr_null(make(CLIENT_CONSUMER, rows[_i].name, "1", why));
    ck_assert_msg(strstr(why, rows[_i].name) != NULL && strstr(why, rows[_i].value) != NULL, "%s", why);
}
END_TEST

START_TEST(a_wrong_value_is_named_whichever_side_it_belongs_to)
{
    static const struct kafka_property rows[] = {
        {"linger.ms", "soon"}, {"session.timeout.ms", "-5"}, {"security.protocol", "tls"}, {"dr_msg_cb", "f"},
        {"socket.nagle.disable", ""},
    };
    char why[CLIENT_CONF_WHY_BYTES];
    for (int role = CLIENT_CONSUMER; role <= CLIENT_ADMIN; role++) {
        ck_assert_ptr_null(make((enum client_role)role, rows[_i].name, rows[_i].value, why));
        ck_assert_msg(strstr(why, rows[_i].name) != NULL && strstr(why, rows[_i].value) != NULL, "%s", why);
        ck_assert_ptr_null(strchr(why, '\n'));
    }
}
END_TEST

/* librdkafka repeats values that it does not take; these have no wrong value, so the name is misspelled instead, and
 * "ssl_key" can only be set by a call. */
START_TEST(a_secret_is_never_repeated)
{
    static const char *const names[] = {"sasl.pasword", "ssl_key", "sasl.oauthbearer.client.secrt", "ssl.key.pm"};
    char why[CLIENT_CONF_WHY_BYTES];
    ck_assert_ptr_null(make(CLIENT_PRODUCER, names[_i], "hunter2", why));
    ck_assert_msg(strstr(why, names[_i]) != NULL, "%s", why);
    ck_assert_msg(strstr(why, "hunter2") == NULL, "%s", why);
}
END_TEST

START_TEST(broker_addresses_are_checked)
{
    static const struct {
        const char *brokers;
        const char *says; /* NULL: fine */
    } rows[] = {
        {"localhost", NULL},
        {"localhost:9092", NULL},
        {"a:1, b:2 ,SASL_SSL://c:65535", NULL},
        {"[::1]:9092,[fd00::1]", NULL},
        {NULL, "bootstrap-servers"},
        {"", "bootstrap-servers"},
        {"a:9092,", "empty"},
        {"a:9092,,b:9092", "empty"},
        {"a:port", "65535"},
        {"a:70000", "65535"},
        {"a:0", "65535"},
        {"a:-1", "65535"},
        {"a:", "65535"},
        {":9092", "host:port"},
        {"http://a/b:9", "host:port"},
        {"a b:9092", "host:port"},
        {"fd00::1", "[address]:port"},
        {"[::1:9092", "[address]:port"},
    };
    char why[CLIENT_CONF_WHY_BYTES];
    ck_assert_uint_lt((size_t)_i, sizeof rows / sizeof *rows);
    struct kafka_settings settings = {.bootstrap_servers = rows[_i].brokers, .group_id = "g"};
    rd_kafka_conf_t *conf = client_conf_make(&settings, CLIENT_CONSUMER, why);
    ck_assert_msg((conf != NULL) == (rows[_i].says == NULL), "%s", why);
    if (conf == NULL)
        ck_assert_msg(strstr(why, rows[_i].says) != NULL, "%s", why);
    else
        rd_kafka_conf_destroy(conf);
}
END_TEST

START_TEST(a_consumer_needs_a_group_and_others_do_not)
{
    char why[CLIENT_CONF_WHY_BYTES];
    struct kafka_settings settings = {.bootstrap_servers = "a:1"};
    ck_assert_ptr_null(client_conf_make(&settings, CLIENT_CONSUMER, why));
    ck_assert_ptr_nonnull(strstr(why, "group-id"));
    for (int role = CLIENT_PRODUCER; role <= CLIENT_ADMIN; role++) {
        rd_kafka_conf_t *conf = client_conf_make(&settings, (enum client_role)role, why);
        ck_assert_msg(conf != NULL, "%s", why);
        rd_kafka_conf_destroy(conf);
    }
}
END_TEST

START_TEST(a_static_member_is_one_as_a_consumer_only)
{
    char why[CLIENT_CONF_WHY_BYTES];
    static const char *const given[] = {NULL, "", "pod-1"};
    struct kafka_settings settings = {
        .bootstrap_servers = "a:1", .group_id = "g", .group_instance_id = given[_i]};
    for (int role = CLIENT_CONSUMER; role <= CLIENT_ADMIN; role++) {
        char value[64] = "";
        size_t bytes = sizeof value;
        rd_kafka_conf_t *conf = client_conf_make(&settings, (enum client_role)role, why);
        ck_assert_msg(conf != NULL, "%s", why);
        rd_kafka_conf_get(conf, "group.instance.id", value, &bytes);
        ck_assert_str_eq(value, _i == 2 && role == CLIENT_CONSUMER ? "pod-1" : "");
        rd_kafka_conf_destroy(conf);
    }
}
END_TEST

START_TEST(of_a_property_given_twice_the_later_one_wins)
{
    static const struct kafka_property properties[] = {{"socket.timeout.ms", "1000"}, {"socket.timeout.ms", "2000"}};
    char why[CLIENT_CONF_WHY_BYTES];
    struct kafka_settings settings = {.bootstrap_servers = "a:1", .properties = properties, .n_properties = 2};
    rd_kafka_conf_t *conf = client_conf_make(&settings, CLIENT_PRODUCER, why);
    ck_assert_ptr_nonnull(conf);
    assert_value(conf, "socket.timeout.ms", "2000");
    rd_kafka_conf_destroy(conf);
}
END_TEST

static const struct {
    int level;
    const char *text;
    const char *says; /* NULL: nothing */
} log_lines[] = {
    {2, "it burns", "ERROR"},
    {3, "connection refused", "WARN"},
    {4, "retrying", "WARN"},
    {6, "connected", "INFO"},
    {7, "sent 12 bytes", NULL},
    {3, "rxp-worker#producer-1: 1/1 brokers are down", NULL},
    {3, "[thrd:main]: Group \"g\": unexpected instruction to revoke current assignment and rebalance (terminating=0, "
        "assignment_lost=0, LEAVE_ON_UNASSIGN_DONE=0)", NULL},
};

/* Into `said`, what is written to stderr while librdkafka says it as often. */
static void log_times(enum log_level level, int times, char *said, size_t bytes)
{
    char why[CLIENT_CONF_WHY_BYTES];
    rd_kafka_conf_t *conf = make(CLIENT_CONSUMER, NULL, NULL, why);
    ck_assert_msg(conf != NULL, "%s", why);
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    log_set_level(level);
    dup2(fileno(file), STDERR_FILENO);
    for (int i = 0; i < times; i++)
        set_log(NULL, 3, "FAIL", i % 2 == 0 ? "b:1/bootstrap: refused (after 0ms in state CONNECT)"
                                            : "b:1/bootstrap: refused (after 0ms in state CONNECT, 1 identical error(s) suppressed)");
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    size_t n = fread(said, 1, bytes - 1, file);
    said[n] = '\0';
    fclose(file);
    rd_kafka_conf_destroy(conf);
}

START_TEST(what_all_clients_say_of_a_broker_stands_there_once_and_always_for_debug)
{
    char said[4096];
    log_times(LOG_INFO, 6, said, sizeof said);
    ck_assert_ptr_nonnull(strstr(said, "WARN kafka_client FAIL: b:1/bootstrap: refused (after 0ms in state CONNECT)\n"));
    ck_assert_msg(strchr(said, '\n')[1] == '\0', "%s", said);
    log_times(LOG_DEBUG, 6, said, sizeof said);
    int n = 0;
    for (const char *at = said; (at = strstr(at, "DEBUG kafka_client FAIL: b:1/bootstrap: refused")) != NULL; at++)
        n++;
    ck_assert_msg(n == 6, "%s", said);
}
END_TEST

START_TEST(what_librdkafka_logs_is_as_bad_as_it_is_for_the_worker)
{
    char why[CLIENT_CONF_WHY_BYTES];
    char said[1024] = "";
    rd_kafka_conf_t *conf = make(CLIENT_CONSUMER, NULL, NULL, why);
    ck_assert_msg(conf != NULL, "%s", why);
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    set_log(NULL, log_lines[_i].level, "REBALANCE", log_lines[_i].text);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    size_t n = fread(said, 1, sizeof said - 1, file);
    fclose(file);
    rd_kafka_conf_destroy(conf);
    if (log_lines[_i].says == NULL) {
        ck_assert_msg(n == 0, "%s", said);
    } else {
        ck_assert_msg(strcasestr(said, log_lines[_i].says) != NULL, "%s", said);
        ck_assert_ptr_nonnull(strstr(said, log_lines[_i].text));
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("client_conf");
    TCase *tcase = tcase_create("client_conf");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, each_role_gets_what_the_guarantees_need, 0, 24);
    tcase_add_loop_test(tcase, librdkafka_takes_every_role_without_a_warning, 0, 4);
    tcase_add_test(tcase, a_partition_is_read_on_soon);
    tcase_add_loop_test(tcase, what_would_break_the_guarantees_is_refused_by_name_and_only_that, 0,
                        sizeof guarded / sizeof *guarded);
    tcase_add_loop_test(tcase, a_property_that_nobody_knows_is_named_with_the_nearest, 0, 7);
    tcase_add_loop_test(tcase, a_wrong_value_is_named_whichever_side_it_belongs_to, 0, 5);
    tcase_add_loop_test(tcase, a_secret_is_never_repeated, 0, 4);
    tcase_add_loop_test(tcase, broker_addresses_are_checked, 0, 18);
    tcase_add_test(tcase, a_consumer_needs_a_group_and_others_do_not);
    tcase_add_loop_test(tcase, a_static_member_is_one_as_a_consumer_only, 0, 3);
    tcase_add_test(tcase, of_a_property_given_twice_the_later_one_wins);
    tcase_add_loop_test(tcase, what_librdkafka_logs_is_as_bad_as_it_is_for_the_worker, 0, sizeof log_lines / sizeof *log_lines);
    tcase_add_test(tcase, what_all_clients_say_of_a_broker_stands_there_once_and_always_for_debug);
    suite_add_tcase(suite, tcase);
    return suite;
}
