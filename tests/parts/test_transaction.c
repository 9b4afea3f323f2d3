/* The mock's transactions are stubs (offsets are not kept, aborted messages are seen): what is tested here is that every error
 * ends somewhere. That batches are exactly-once, tests/whole/test_transaction.py tests on a real broker. */
#include "base/clock.h"
#include "base/mailbox.h"
#include "kafka/transaction.h"
#include "support/check_main.h"

#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { DEADLINE_MS = 60000, BROKER = 1, MESSAGES = 10 };
enum { API_PRODUCE = 0, API_OFFSET_FETCH = 9, API_FIND_COORDINATOR = 10, API_INIT_PRODUCER_ID = 22, API_ADD_PARTITIONS = 24,
       API_ADD_OFFSETS = 25, API_END_TXN = 26, API_TXN_OFFSET_COMMIT = 28 };

struct fixture {
    rd_kafka_t *owner;
    rd_kafka_mock_cluster_t *cluster;
    struct transaction *transaction;
    int event_fd;
    size_t settled;
    size_t committed;
    size_t aborted;
    size_t lost;
    size_t old;     /* of the aborted: for an old generation */
    size_t cut;
    size_t refused; /* messages, all in all */
    size_t parted;  /* of the aborted */
    size_t unreachable;
    size_t fatal;
    char last_reason[1024];
    char fatal_reason[1024];

    /* The batch. */
    const char *topic;
    size_t n_messages;
    int32_t partition;
    int32_t n_partitions; /* in turn, from `partition` on */
    int64_t offset;
    bool alone;
    bool optional;
    bool first_is_large;
    const char *message_max; /* NULL: as it is */
    bool again; /* what is aborted is handed over again */
    enum publisher_send last_send;
};

static void hand_over(struct fixture *fixture)
{
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, "in", 0)->offset = fixture->offset;
    transaction_commit(fixture->transaction, fixture, offsets, rd_kafka_consumer_group_metadata_new("group"));
}

static void on_produce(struct transaction *transaction, void *batch, void *opaque)
{
    static const char large[5000];
    struct fixture *fixture = opaque;
    ck_assert_ptr_eq(batch, fixture);
    for (size_t i = 0; i < fixture->n_messages; i++) {
        struct publisher_message message = {.topic = fixture->topic, .alone = fixture->alone,
                                            .optional = fixture->optional, .key = "k", .key_bytes = 1, .value = "value",
                                            .value_bytes = 5, .opaque = (char *)fixture + i};
        if (i == 0 && fixture->first_is_large) {
            message.value = large;
            message.value_bytes = sizeof large;
        }
        message.partition = fixture->partition + (int32_t)(i % (size_t)fixture->n_partitions);
        message.headers = rd_kafka_headers_new(1);
        fixture->last_send = transaction_produce(transaction, &message);
        if (fixture->last_send != PUBLISHER_SENT)
            rd_kafka_headers_destroy(message.headers);
        if (fixture->last_send == PUBLISHER_FATAL)
            return;
    }
}

static void on_settled(void *batch, const struct transaction_settled *settled, void *opaque)
{
    struct fixture *fixture = opaque;
    ck_assert_ptr_eq(batch, fixture);
    snprintf(fixture->last_reason, sizeof fixture->last_reason, "%s", settled->reason);
    fixture->settled++;
    fixture->old += settled->generation_old;
    fixture->cut += settled->is_cut;
    fixture->refused += settled->n_refused;
    fixture->parted += settled->is_parted;
    ck_assert(settled->too_large || !settled->is_parted);
    fixture->unreachable += settled->n_unreachable;
    for (size_t i = 0; i < settled->n_refused; i++) {
        ck_assert((char *)settled->refused[i] >= (char *)fixture);
        ck_assert((char *)settled->refused[i] < (char *)fixture + fixture->n_messages);
    }
    switch (settled->outcome) {
    case TRANSACTION_COMMITTED:
        ck_assert_str_eq(settled->reason, "");
        fixture->committed++;
        break;
    case TRANSACTION_ABORTED:
        ck_assert_str_ne(settled->reason, "");
        fixture->aborted++;
        if (fixture->again)
            hand_over(fixture);
        break;
    case TRANSACTION_LOST:
        ck_assert_str_ne(settled->reason, "");
        fixture->lost++;
        break;
    }
}

static void on_fatal(const char *reason, void *opaque)
{
    struct fixture *fixture = opaque;
    fixture->fatal++;
    snprintf(fixture->fatal_reason, sizeof fixture->fatal_reason, "%s", reason);
}

static void cluster_start(struct fixture *fixture)
{
    char why[256];
    *fixture = (struct fixture){.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .topic = "out", .n_messages = MESSAGES,
                                .n_partitions = 1, .offset = 7, .again = true};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    fixture->owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    ck_assert_msg(fixture->owner != NULL, "%s", why);
    fixture->cluster = rd_kafka_mock_cluster_new(fixture->owner, 1);
    ck_assert_ptr_nonnull(fixture->cluster);
    ck_assert_int_eq(rd_kafka_mock_topic_create(fixture->cluster, "out", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(rd_kafka_mock_topic_create(fixture->cluster, "in", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void transaction_start(struct fixture *fixture)
{
    const struct kafka_property properties[] = {
        {"transaction.timeout.ms", "3000"}, {"message.timeout.ms", "0"}, {"message.max.bytes", fixture->message_max}};
    char why[512];
    struct transaction_config config = {
        .settings = {.bootstrap_servers = rd_kafka_mock_cluster_bootstraps(fixture->cluster), .group_id = "group",
                     .properties = properties, .n_properties = fixture->message_max != NULL ? 3 : 2},
        .transactional_id = "worker-1",
        .event_fd = fixture->event_fd,
    };
    struct transaction_hooks hooks = {.produce = on_produce, .settled = on_settled, .fatal = on_fatal, .opaque = fixture};
    fixture->transaction = transaction_new(&config, &hooks, why, sizeof why);
    ck_assert_msg(fixture->transaction != NULL, "%s", why);
}

static void fixture_start(struct fixture *fixture)
{
    cluster_start(fixture);
    transaction_start(fixture);
}

static void fixture_stop(struct fixture *fixture)
{
    int64_t began_ms = clock_mono_ms();
    fixture->again = false; /* a batch that is settled from within goes nowhere any more */
    transaction_free(fixture->transaction);
    ck_assert_int_lt(clock_mono_ms() - began_ms, 8000); /* about 2 s where the machine has time */
    rd_kafka_mock_cluster_destroy(fixture->cluster);
    rd_kafka_destroy(fixture->owner);
    close(fixture->event_fd);
}

/* As the worker's main thread does: sleeps on the eventfd alone. Until one of the two has come to so much. */
static void turn_until(struct fixture *fixture, const size_t *counter, size_t at_least, const size_t *or_this)
{
    int64_t give_up_ms = clock_mono_ms() + DEADLINE_MS;
    for (;;) {
        mailbox_drain_fd(fixture->event_fd);
        transaction_turn(fixture->transaction);
        if (*counter >= at_least || (or_this != NULL && *or_this > 0))
            return;
        int64_t left_ms = give_up_ms - clock_mono_ms();
        ck_assert_msg(left_ms > 0, "%zu committed, %zu aborted, %zu lost, %zu fatal; last: %s", fixture->committed,
                      fixture->aborted, fixture->lost, fixture->fatal, fixture->last_reason);
        struct pollfd pollfd = {.fd = fixture->event_fd, .events = POLLIN};
        poll(&pollfd, 1, (int)left_ms);
    }
}

static void commit_one(struct fixture *fixture)
{
    size_t before = fixture->committed;
    fixture->offset++;
    hand_over(fixture);
    ck_assert(transaction_is_busy(fixture->transaction));
    turn_until(fixture, &fixture->committed, before + 1, &fixture->fatal);
}

START_TEST(batches_are_committed_one_after_the_other)
{
    struct fixture fixture;
    fixture_start(&fixture);
    for (size_t i = 1; i <= 20; i++) {
        fixture.n_messages = i % 3 == 0 ? 0 : i;
        fixture.alone = i % 2 == 0;
        commit_one(&fixture);
        ck_assert_uint_eq(fixture.committed, i);
        ck_assert(!transaction_is_busy(fixture.transaction));
    }
    ck_assert_uint_eq(fixture.aborted + fixture.lost + fixture.fatal + fixture.refused, 0);
    fixture_stop(&fixture);
}
END_TEST

enum end { COMMITTED, ABORTED_FIRST, FATAL };

static const struct {
    int16_t api;
    rd_kafka_resp_err_t err;
    int times;
    enum end end;
    const char *says; /* of a fatal end */
    size_t old;
} rows[] = {
    {API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, 3, COMMITTED, NULL, 0},
    {API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, 3, COMMITTED, NULL, 0},
    {API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR__TRANSPORT, 2, COMMITTED, NULL, 0},
    {API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 1, FATAL, "'worker-1'", 0},
    {API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, 1, FATAL, "IdempotentWrite", 0},
    {API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, 1, FATAL, "transaction.max.timeout.ms", 0},
    {API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 1, COMMITTED, NULL, 0},
    {API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, 1, COMMITTED, NULL, 0},
    {API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_UNKNOWN, 1, COMMITTED, NULL, 0},
    {API_FIND_COORDINATOR, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, 2, COMMITTED, NULL, 0},
    {API_FIND_COORDINATOR, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 1, FATAL, "'worker-1'", 0},
    {API_OFFSET_FETCH, RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, 2, COMMITTED, NULL, 0},
    {API_OFFSET_FETCH, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1, FATAL, "'group'", 0},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, 2, COMMITTED, NULL, 0},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, 2, COMMITTED, NULL, 0},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR__TRANSPORT, 1, COMMITTED, NULL, 0},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1, FATAL, "topics", 0},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 1, ABORTED_FIRST, NULL, 0},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, 1, ABORTED_FIRST, NULL, 0},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, 1, ABORTED_FIRST, NULL, 0},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING, 1, ABORTED_FIRST, NULL, 0}, /* idle for a week */
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, 1, ABORTED_FIRST, NULL, 0},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, 2, COMMITTED, NULL, 0},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1, ABORTED_FIRST, NULL, 0},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, 1, ABORTED_FIRST, NULL, 0},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, 1, ABORTED_FIRST, NULL, 0},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 1, ABORTED_FIRST, NULL, 0},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_INVALID_MSG, 1, RD_KAFKA_VERSION >= 0x020800ff ? COMMITTED : ABORTED_FIRST, NULL, 0},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1, FATAL, "grant", 0},
    {API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, 2, COMMITTED, NULL, 0},
    {API_ADD_OFFSETS, RD_KAFKA_RESP_ERR__TRANSPORT, 1, COMMITTED, NULL, 0},
    {API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1, FATAL, "Read on the group", 0},
    {API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 1, ABORTED_FIRST, NULL, 0},
    {API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, 1, ABORTED_FIRST, NULL, 0},
    {API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 40, FATAL, "made anew", 0},
    {API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, 40, FATAL, "made anew", 0},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, 2, COMMITTED, NULL, 0},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR__TRANSPORT, 1, COMMITTED, NULL, 0},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, 1, ABORTED_FIRST, NULL, 1},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, 1, ABORTED_FIRST, NULL, 1},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, 1, ABORTED_FIRST, NULL, 1},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, 1, ABORTED_FIRST, NULL, 0},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, 1, ABORTED_FIRST, NULL, 0},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 1, ABORTED_FIRST, NULL, 0},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE, 1, FATAL, "offset.metadata.max.bytes", 0},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1, FATAL, "Read on the group", 0},
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, 1, FATAL, "2.5", 0},
    {API_END_TXN, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, 2, COMMITTED, NULL, 0},
    {API_END_TXN, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, 1, COMMITTED, NULL, 0},
    {API_END_TXN, RD_KAFKA_RESP_ERR__TRANSPORT, 1, COMMITTED, NULL, 0},
    /* What the group has is asked for; the mock keeps no offsets of transactions, not even of the
     * batch before, so it looks as if others had been there. */
    {API_END_TXN, RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, 1, ABORTED_FIRST, NULL, 1},
    {API_END_TXN, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, 1, ABORTED_FIRST, NULL, 1},
    {API_END_TXN, RD_KAFKA_RESP_ERR_UNKNOWN, 1, ABORTED_FIRST, NULL, 1},
    {API_END_TXN, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 1, ABORTED_FIRST, NULL, 1},
    {API_END_TXN, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, 1, ABORTED_FIRST, NULL, 1},
    {API_END_TXN, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 1, FATAL, "'worker-1'", 0},
};

static bool may_leave_gap(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || err == RD_KAFKA_RESP_ERR_INVALID_MSG;
}

START_TEST(each_error_ends_somewhere)
{
    struct fixture fixture;
    rd_kafka_resp_err_t errors[40];
    bool at_start = rows[_i].api == API_INIT_PRODUCER_ID || rows[_i].api == API_FIND_COORDINATOR ||
                    rows[_i].api == API_OFFSET_FETCH;
    for (int i = 0; i < rows[_i].times; i++)
        errors[i] = rows[_i].err;
    cluster_start(&fixture);
    if (at_start)
        rd_kafka_mock_push_request_errors_array(fixture.cluster, rows[_i].api, (size_t)rows[_i].times, errors);
    transaction_start(&fixture);
    if (!at_start) {
        commit_one(&fixture);
        ck_assert_uint_eq(fixture.committed, 1);
        rd_kafka_mock_push_request_errors_array(fixture.cluster, rows[_i].api, (size_t)rows[_i].times, errors);
    }
    size_t before = fixture.committed;
    commit_one(&fixture);
    switch (rows[_i].end) {
    case COMMITTED:
    case ABORTED_FIRST:
        ck_assert_msg(fixture.fatal == 0, "%s", fixture.fatal_reason);
        ck_assert_uint_eq(fixture.committed, before + 1);
        /* Where messages were not taken, librdkafka does not notice before the next batch that its numbering has a gap. */
        ck_assert_msg(rows[_i].end == ABORTED_FIRST ? fixture.aborted == 1 || (may_leave_gap(rows[_i].err) && fixture.aborted == 2)
                                                    : fixture.aborted == 0, "%zu aborted: %s", fixture.aborted,
                      fixture.last_reason);
        ck_assert_uint_eq(fixture.old, rows[_i].old);
        ck_assert_uint_eq(fixture.refused, rows[_i].err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? MESSAGES : 0);
        commit_one(&fixture);
        ck_assert_uint_eq(fixture.committed, before + 2);
        break;
    case FATAL:
        turn_until(&fixture, &fixture.lost, 1, NULL);
        ck_assert_uint_eq(fixture.committed, before);
        ck_assert_msg(fixture.fatal == 1, "%zu aborted, %zu lost", fixture.aborted, fixture.lost);
        ck_assert_msg(strstr(fixture.fatal_reason, rows[_i].says) != NULL, "%s", fixture.fatal_reason);
        hand_over(&fixture);
        turn_until(&fixture, &fixture.lost, 2, NULL);
        ck_assert_uint_eq(fixture.fatal, 1);
        break;
    }
    fixture_stop(&fixture);
}
END_TEST

/* Until the consumer hears of it, the next batch is of the old generation, too. */
START_TEST(an_old_generation_is_not_tried_again_without_a_rest)
{
    enum { TRIES = 20 };
    struct fixture fixture;
    rd_kafka_resp_err_t errors[TRIES];
    for (int i = 0; i < TRIES; i++)
        errors[i] = RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION;
    fixture_start(&fixture);
    commit_one(&fixture);
    rd_kafka_mock_push_request_errors_array(fixture.cluster, API_TXN_OFFSET_COMMIT, TRIES, errors);
    int64_t began_ms = clock_mono_ms();
    commit_one(&fixture);
    ck_assert_uint_eq(fixture.old, TRIES);
    ck_assert_uint_eq(fixture.committed, 2);
    ck_assert_int_ge(clock_mono_ms() - began_ms, TRIES * INT64_C(100)); /* and not longer each time */
    ck_assert_int_lt(clock_mono_ms() - began_ms, TRIES * INT64_C(2000));
    fixture_stop(&fixture);
}
END_TEST

START_TEST(messages_that_are_called_damaged_every_time_are_refused_in_the_end)
{
    enum { TRIES = 4 };
    struct fixture fixture;
    if (rd_kafka_version() >= 0x020800ff) {
        test_skip("damaged messages, again and again: this librdkafka sends them by itself, without end");
        return;
    }
    fixture_start(&fixture);
    commit_one(&fixture);
    for (int i = 0; i < TRIES; i++)
        rd_kafka_mock_push_request_errors(fixture.cluster, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_MSG);
    commit_one(&fixture);
    ck_assert_uint_eq(fixture.fatal, 0);
    ck_assert_uint_eq(fixture.refused, MESSAGES);
    ck_assert_uint_ge(fixture.aborted, TRIES);
    /* And counted anew from there. */
    rd_kafka_mock_push_request_errors(fixture.cluster, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_MSG);
    commit_one(&fixture);
    ck_assert_uint_eq(fixture.refused, MESSAGES);
    fixture_stop(&fixture);
}
END_TEST

START_TEST(what_was_too_large_together_goes_in_smaller_sets_for_good)
{
    struct fixture fixture;
    fixture_start(&fixture);
    commit_one(&fixture);
    for (int i = 0; i < 4; i++) {
        rd_kafka_mock_push_request_errors(fixture.cluster, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
        commit_one(&fixture);
        /* All of them together; then each by itself, since no two go into half of that with what is around them. */
        ck_assert_uint_eq(fixture.refused, MESSAGES + (size_t)i);
        ck_assert_uint_eq(fixture.parted, 1);
    }
    ck_assert_uint_eq(fixture.fatal, 0);
    /* No gap is left where the producer was made anew. */
    ck_assert_uint_le(fixture.aborted, 1 + 3 * 2);
    fixture_stop(&fixture);
}
END_TEST

START_TEST(messages_that_went_alone_were_not_too_large_together)
{
    struct fixture fixture;
    fixture_start(&fixture);
    commit_one(&fixture);
    fixture.alone = true;
    rd_kafka_mock_push_request_errors(fixture.cluster, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    commit_one(&fixture);
    ck_assert_uint_eq(fixture.refused, 1);
    ck_assert_uint_eq(fixture.parted, 0);
    fixture_stop(&fixture);
}
END_TEST

START_TEST(messages_refused_together_for_another_reason_are_not_parted)
{
    struct fixture fixture;
    fixture_start(&fixture);
    commit_one(&fixture);
    rd_kafka_mock_push_request_errors(fixture.cluster, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    commit_one(&fixture);
    ck_assert_uint_eq(fixture.refused, MESSAGES);
    ck_assert_uint_eq(fixture.parted, 0);
    fixture_stop(&fixture);
}
END_TEST

#define TRANSACTION_MS 3000 /* after which what librdkafka keeps is late */

/* So many that some are not sent yet when others are refused, but under TSan, where they would themselves take too long. */
#ifdef __SANITIZE_THREAD__
#define MANY_MESSAGES 6000
#else
#define MANY_MESSAGES 20000
#endif

/* Twice a producer, since after each refusal less goes together, until messages one by one would themselves be late. How often it
 * took as long as a transaction may. */
static int count_waits(void)
{
    struct fixture fixture;
    int waits = 0;
    fixture_start(&fixture);
    ck_assert_int_eq(rd_kafka_mock_topic_create(fixture.cluster, "wide", 3, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    fixture.topic = "wide";
    fixture.n_partitions = 3;
    fixture.n_messages = MANY_MESSAGES;
    commit_one(&fixture);
    for (int round = 0; round < 2; round++) {
        rd_kafka_mock_push_request_errors(fixture.cluster, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
        int64_t began_ms = clock_mono_ms();
        commit_one(&fixture);
        waits += clock_mono_ms() - began_ms >= TRANSACTION_MS;
    }
    ck_assert_uint_gt(fixture.refused, 0);
    fixture_stop(&fixture);
    return waits;
}

/* Behind refused messages librdkafka sends nothing more to their partition, and does not say so. Where a request in flight fails
 * for that, there is nothing to wait for: so it is tried a few times. */
START_TEST(what_librdkafka_does_not_send_any_more_is_not_waited_for)
{
    int waits = 0;
    for (int i = 0; i < 4; i++) {
        waits += count_waits();
    }
    ck_assert_int_le(waits, 2);
}
END_TEST

/* What had no time to be written any more is not left out: the offsets would say that it was. */
START_TEST(a_batch_that_is_not_written_in_its_time_is_given_up)
{
    struct fixture fixture;
    fixture_start(&fixture);
    commit_one(&fixture);
    rd_kafka_mock_broker_set_rtt(fixture.cluster, BROKER, 700); /* one after the other they take longer than the transaction may */
    fixture.alone = true;
    fixture.again = false;
    fixture.offset++;
    hand_over(&fixture);
    turn_until(&fixture, &fixture.settled, 2, NULL);
    ck_assert_int_eq(fixture.last_send, PUBLISHER_FATAL);
    ck_assert_uint_eq(fixture.committed, 1);
    ck_assert_uint_eq(fixture.aborted, 1);
    ck_assert_uint_eq(fixture.fatal, 0);
    ck_assert_msg(strstr(fixture.last_reason, "could not all be written") != NULL, "%s", fixture.last_reason);
    ck_assert_uint_eq(fixture.cut, 1);
    rd_kafka_mock_broker_set_rtt(fixture.cluster, BROKER, 0);
    commit_one(&fixture);
    ck_assert_uint_eq(fixture.committed, 2);
    fixture_stop(&fixture);
}
END_TEST

/* A local refusal leaves the transaction alive, and nothing is waited for any more. But what went alone stays alone. */
START_TEST(messages_that_go_alone_share_no_request_behind_a_refused_one)
{
    struct fixture fixture;
    cluster_start(&fixture);
    fixture.message_max = "1000";
    transaction_start(&fixture);
    commit_one(&fixture);
    rd_kafka_mock_broker_set_rtt(fixture.cluster, BROKER, 1000);
    rd_kafka_mock_push_request_errors(fixture.cluster, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    fixture.alone = true;
    fixture.first_is_large = true;
    fixture.again = false;
    fixture.n_messages = 40;
    fixture.offset++;
    hand_over(&fixture);
    turn_until(&fixture, &fixture.settled, 2, NULL);
    ck_assert_uint_eq(fixture.aborted, 1);
    ck_assert_uint_ge(fixture.refused, 1);
    ck_assert_uint_le(fixture.refused, 2); /* the first, and one that went alone */
    fixture_stop(&fixture);
}
END_TEST

START_TEST(brokers_that_are_away_at_the_start_are_waited_for)
{
    struct fixture fixture;
    cluster_start(&fixture);
    rd_kafka_mock_broker_set_down(fixture.cluster, BROKER);
    transaction_start(&fixture);
    hand_over(&fixture);
    /* Longer than a transaction may be open. */
    for (int64_t until_ms = clock_mono_ms() + 7000; clock_mono_ms() < until_ms; poll(NULL, 0, 50))
        transaction_turn(fixture.transaction);
    ck_assert_uint_eq(fixture.committed + fixture.aborted + fixture.lost + fixture.fatal, 0);
    rd_kafka_mock_broker_set_up(fixture.cluster, BROKER);
    turn_until(&fixture, &fixture.committed, 1, &fixture.fatal);
    ck_assert_uint_eq(fixture.committed, 1);
    fixture_stop(&fixture);
}
END_TEST

START_TEST(an_outage_in_between_is_waited_out)
{
    struct fixture fixture;
    fixture_start(&fixture);
    commit_one(&fixture);
    rd_kafka_mock_broker_set_down(fixture.cluster, BROKER);
    fixture.offset++;
    hand_over(&fixture);
    turn_until(&fixture, &fixture.aborted, 1, &fixture.fatal);
    ck_assert_msg(fixture.fatal == 0, "%s", fixture.fatal_reason);
    rd_kafka_mock_broker_set_up(fixture.cluster, BROKER);
    turn_until(&fixture, &fixture.committed, 2, &fixture.fatal);
    ck_assert_msg(fixture.fatal == 0, "%s", fixture.fatal_reason);
    fixture_stop(&fixture);
}
END_TEST

/* Nobody is there; nobody answers; a batch that is not even begun, since the first is aborted again and again. */
START_TEST(it_ends_in_its_time_whatever_the_brokers_do)
{
    struct fixture fixture;
    cluster_start(&fixture);
    fixture.again = _i != 1;
    if (_i == 0)
        rd_kafka_mock_broker_set_down(fixture.cluster, BROKER);
    transaction_start(&fixture);
    if (_i > 0)
        commit_one(&fixture);
    if (_i == 1)
        rd_kafka_mock_broker_set_rtt(fixture.cluster, BROKER, 30000);
    if (_i == 2)
        rd_kafka_mock_broker_set_down(fixture.cluster, BROKER);
    fixture.offset++;
    hand_over(&fixture);
    poll(NULL, 0, 1000); /* so that it is in the middle of it */
    int64_t began_ms = clock_mono_ms();
    fixture.again = false;
    transaction_free(fixture.transaction);
    fixture.transaction = NULL;
    ck_assert_int_lt(clock_mono_ms() - began_ms, 4000);
    ck_assert_uint_eq(fixture.aborted + fixture.lost, 1);
    fixture_stop(&fixture);
}
END_TEST

START_TEST(optional_messages_to_a_topic_that_is_missing_are_told_of_soon)
{
    struct fixture fixture;
    fixture_start(&fixture);
    commit_one(&fixture);
    rd_kafka_mock_topic_create(fixture.cluster, "gone", 0, 1); /* a broker names no partitions with such an error */
    rd_kafka_mock_topic_set_error(fixture.cluster, "gone", _i == 0 ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                                                                   : RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    fixture.again = false;
    fixture.optional = true;
    fixture.topic = "gone";
    int64_t began_ms = clock_mono_ms();
    fixture.offset++;
    hand_over(&fixture);
    turn_until(&fixture, &fixture.aborted, 1, &fixture.fatal);
    ck_assert_int_lt(clock_mono_ms() - began_ms, 5000);
    ck_assert_uint_eq(fixture.unreachable, MESSAGES);
    ck_assert_uint_eq(fixture.refused, 0);
    ck_assert_int_eq(fixture.last_send, PUBLISHER_UNREACHABLE);
    ck_assert_msg(strstr(fixture.last_reason, "'gone'") != NULL, "%s", fixture.last_reason);
    ck_assert_uint_eq(fixture.fatal, 0);
    fixture.topic = "out";
    commit_one(&fixture);
    ck_assert_uint_eq(fixture.committed, 2);
    fixture_stop(&fixture);
}
END_TEST

START_TEST(a_partition_that_is_not_there_is_told_of)
{
    struct fixture fixture;
    fixture_start(&fixture);
    commit_one(&fixture);
    fixture.again = false;
    fixture.partition = 99;
    fixture.optional = _i == 1;
    hand_over(&fixture);
    turn_until(&fixture, &fixture.aborted, 1, &fixture.fatal);
    ck_assert_uint_eq(fixture.unreachable, MESSAGES);
    fixture.partition = 0;
    commit_one(&fixture);
    ck_assert_uint_eq(fixture.committed, 2);
    fixture_stop(&fixture);
}
END_TEST

/* A user who may describe a topic and not write to it: brokers refuse its partitions to the transaction. */
START_TEST(optional_messages_that_brokers_refuse_are_told_of_alone)
{
    struct fixture fixture;
    fixture_start(&fixture);
    commit_one(&fixture);
    fixture.again = false;
    fixture.optional = true;
    fixture.alone = _i == 1;
    rd_kafka_mock_push_request_errors(fixture.cluster, API_ADD_PARTITIONS, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    hand_over(&fixture);
    turn_until(&fixture, &fixture.aborted, 1, &fixture.fatal);
    ck_assert_msg(fixture.fatal == 0, "%s", fixture.fatal_reason);
    ck_assert_uint_eq(fixture.unreachable, fixture.alone ? 1 : 0);
    ck_assert_uint_eq(fixture.refused, fixture.alone ? 0 : MESSAGES);
    commit_one(&fixture);
    ck_assert_uint_eq(fixture.committed, 2);
    fixture_stop(&fixture);
}
END_TEST

START_TEST(a_topic_that_stays_missing_ends_it)
{
    struct fixture fixture;
    fixture_start(&fixture);
    commit_one(&fixture);
    rd_kafka_mock_topic_set_error(fixture.cluster, "gone", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    fixture.topic = "gone";
    commit_one(&fixture);
    ck_assert_uint_eq(fixture.fatal, 1);
    ck_assert_uint_ge(fixture.aborted, 1);
    ck_assert_msg(strstr(fixture.fatal_reason, "topic 'gone' does not exist") != NULL, "%s", fixture.fatal_reason);
    fixture_stop(&fixture);
}
END_TEST

START_TEST(a_wrong_setting_is_told)
{
    static const struct kafka_property wrong[] = {{"acks", "1"}, {"transaction.timeout.ms", "50"}};
    char why[512] = "";
    struct transaction_config config = {.settings = {.bootstrap_servers = "127.0.0.1:1", .group_id = "group",
                                                     .properties = &wrong[_i], .n_properties = 1},
                                        .transactional_id = "t", .event_fd = -1};
    struct transaction_hooks hooks = {.settled = on_settled, .fatal = on_fatal};
    ck_assert_ptr_null(transaction_new(&config, &hooks, why, sizeof why));
    ck_assert_msg(strstr(why, wrong[_i].name) != NULL, "%s", why);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("transaction");
    TCase *tcase = tcase_create("transaction");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, batches_are_committed_one_after_the_other);
    tcase_add_loop_test(tcase, each_error_ends_somewhere, 0, sizeof rows / sizeof *rows);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("outage");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, an_old_generation_is_not_tried_again_without_a_rest);
    tcase_add_test(tcase, messages_that_are_called_damaged_every_time_are_refused_in_the_end);
    tcase_add_test(tcase, a_batch_that_is_not_written_in_its_time_is_given_up);
    tcase_add_test(tcase, what_was_too_large_together_goes_in_smaller_sets_for_good);
    tcase_add_test(tcase, messages_that_went_alone_were_not_too_large_together);
    tcase_add_test(tcase, messages_refused_together_for_another_reason_are_not_parted);
    tcase_add_test(tcase, messages_that_go_alone_share_no_request_behind_a_refused_one);
    tcase_add_test(tcase, brokers_that_are_away_at_the_start_are_waited_for);
    tcase_add_test(tcase, what_librdkafka_does_not_send_any_more_is_not_waited_for);
    tcase_add_test(tcase, an_outage_in_between_is_waited_out);
    tcase_add_loop_test(tcase, it_ends_in_its_time_whatever_the_brokers_do, 0, 3);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("topics");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, optional_messages_to_a_topic_that_is_missing_are_told_of_soon, 0, 2);
    tcase_add_loop_test(tcase, a_partition_that_is_not_there_is_told_of, 0, 2);
    tcase_add_loop_test(tcase, optional_messages_that_brokers_refuse_are_told_of_alone, 0, 2);
    tcase_add_test(tcase, a_topic_that_stays_missing_ends_it);
    tcase_add_loop_test(tcase, a_wrong_setting_is_told, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
