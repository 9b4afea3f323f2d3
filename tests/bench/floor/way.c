#include "way.h"

#include "stint.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define COMMIT_MS 500
#define BATCH 64
#define ROOM ((size_t)1 << 16) /* inputs of a partition between the oldest that is not done and the newest */
#define MAX_PARTITIONS 128
/* As long as the worker's results of these invocations. */
#define RESULT                                                                                                         \
    "{\"schema_version\":\"0.1\",\"contract_kind\":\"runtime_result\",\"invocation_id\":\"bench-00000000\","           \
    "\"runtime_name\":\"bench\",\"runtime_kind\":\"http_async\",\"status\":\"succeeded\",\"exit_code\":0,"             \
    "\"started_at\":\"2026-01-01T00:00:00.000Z\",\"finished_at\":\"2026-01-01T00:00:00.000Z\",\"stdout_path\":null,"   \
    "\"stderr_path\":null,\"artifacts\":[],\"error_summary\":null,\"metadata\":{\"http.run_id\":"                      \
    "\"mwtuuv1z-2eoj4c7mfx.np2\",\"http.status\":\"completed\",\"http.polls\":\"2\",\"worker.id\":\"bench-000000\","   \
    "\"source.topic\":\"inputs-00000000\",\"source.partition\":\"0\",\"source.offset\":\"00000\"}}"

/* The inputs of a partition in their order: a commit is what stands behind the last done one that none undone is before. */
struct track {
    struct input *ring;
    size_t first, n;
    int64_t committable; /* -1: nothing yet */
    int64_t committed;
};

struct way {
    rd_kafka_t *consumer, *producer;
    rd_kafka_queue_t *inputs, *acknowledgements;
    rd_kafka_topic_t *results;
    char *topic;
    int event_fd;
    bool may_have_more;
    rd_kafka_message_t *batch[BATCH];
    size_t next, n;
    int64_t commit_at_ms;
    struct track track[MAX_PARTITIONS];
};

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) {
        errno = 0;
        fail("%s", why);
    }
}

static rd_kafka_t *start(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char why[256];
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (client == NULL) {
        errno = 0;
        fail("%s", why);
    }
    return client;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct way *way = opaque;
    struct input *input = message->_private;
    (void)client;
    if (message->err != 0) {
        errno = 0;
        fail("a result was not taken: %s", rd_kafka_err2str(message->err));
    }
    struct track *track = &way->track[input->partition];
    input->done = true;
    while (track->n > 0 && track->ring[track->first].done) {
        track->committable = track->ring[track->first].offset + 1;
        track->first = (track->first + 1) % ROOM;
        track->n--;
    }
}

static rd_kafka_conf_t *common(const char *bootstrap)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "socket.nagle.disable", "true");
    return conf;
}

static void listen_to(rd_kafka_queue_t *queue, int event_fd)
{
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue, event_fd, &one, sizeof one);
}

struct way *way_open(const char *bootstrap, const char *inputs, const char *results, const char *group)
{
    struct way *way = calloc(1, sizeof *way);
    way->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    way->topic = strdup(inputs);
    for (size_t i = 0; i < MAX_PARTITIONS; i++) {
        way->track[i].committable = way->track[i].committed = -1;
    }
    rd_kafka_conf_t *conf = common(bootstrap);
    set(conf, "group.id", group);
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.auto.offset.store", "false");
    set(conf, "auto.offset.reset", "earliest");
    way->consumer = start(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(way->consumer);
    way->inputs = rd_kafka_queue_get_consumer(way->consumer);
    conf = common(bootstrap);
    set(conf, "enable.idempotence", "true");
    set(conf, "linger.ms", "2");
    set(conf, "partitioner", "murmur2_random");
    rd_kafka_conf_set_opaque(conf, way);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    way->producer = start(RD_KAFKA_PRODUCER, conf);
    way->acknowledgements = rd_kafka_queue_get_main(way->producer);
    way->results = rd_kafka_topic_new(way->producer, results, NULL);
    listen_to(way->inputs, way->event_fd);
    listen_to(way->acknowledgements, way->event_fd);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, inputs, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t error = rd_kafka_subscribe(way->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (error != 0) {
        errno = 0;
        fail("subscribe: %s", rd_kafka_err2str(error));
    }
    return way;
}

int way_fd(const struct way *way)
{
    return way->event_fd;
}

void way_wake(struct way *way)
{
    uint64_t n;
    if (read(way->event_fd, &n, sizeof n) == sizeof n) {
        way->may_have_more = true;
    }
}

static struct input *admit(struct way *way, const rd_kafka_message_t *message)
{
    struct track *track = message->partition < MAX_PARTITIONS ? &way->track[message->partition] : NULL;
    if (track == NULL || track->n == ROOM || message->key_len > KEY_BYTES) {
        errno = 0;
        fail("too many partitions, or inputs of one under way, or too long a key");
    }
    if (track->ring == NULL) {
        track->ring = calloc(ROOM, sizeof *track->ring);
    }
    struct input *input = &track->ring[(track->first + track->n++) % ROOM];
    *input = (struct input){.offset = message->offset, .partition = message->partition, .key_bytes = (uint8_t)message->key_len};
    memcpy(input->key, message->key, message->key_len);
    return input;
}

struct input *way_take(struct way *way)
{
    for (;;) {
        if (way->next == way->n) {
            if (!way->may_have_more) {
                return NULL;
            }
            ssize_t n = rd_kafka_consume_batch_queue(way->inputs, 0, way->batch, BATCH);
            way->next = 0;
            way->n = n > 0 ? (size_t)n : 0;
            way->may_have_more = way->n > 0;
            continue;
        }
        rd_kafka_message_t *message = way->batch[way->next++];
        struct input *input = message->err == 0 ? admit(way, message) : NULL;
        rd_kafka_message_destroy(message);
        if (input != NULL) {
            return input;
        }
    }
}

void way_answer(struct way *way, struct input *input)
{
    /* Header names and values are those of the worker's results. */
    rd_kafka_resp_err_t error = rd_kafka_producev(
        way->producer, RD_KAFKA_V_RKT(way->results), RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
        RD_KAFKA_V_VALUE((void *)RESULT, sizeof RESULT - 1), RD_KAFKA_V_KEY(input->key, input->key_bytes),
        RD_KAFKA_V_HEADER("rxp-invocation-id", "bench-00000000", 14), RD_KAFKA_V_HEADER("rxp-status", "succeeded", 9),
        RD_KAFKA_V_HEADER("content-type", "application/json", 16), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_OPAQUE(input), RD_KAFKA_V_END);
    if (error != 0) {
        errno = 0;
        fail("produce: %s", rd_kafka_err2str(error));
    }
}

static void commit(struct way *way)
{
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(8);
    for (int i = 0; i < MAX_PARTITIONS; i++) {
        struct track *track = &way->track[i];
        if (track->committable > track->committed) {
            rd_kafka_topic_partition_list_add(offsets, way->topic, i)->offset = track->committable;
            track->committed = track->committable;
        }
    }
    if (offsets->cnt > 0 && rd_kafka_commit(way->consumer, offsets, 1) != 0) {
        errno = 0;
        fail("a commit could not begin");
    }
    rd_kafka_topic_partition_list_destroy(offsets);
}

void way_turn(struct way *way, int64_t now_ms)
{
    rd_kafka_poll(way->producer, 0);
    if (now_ms >= way->commit_at_ms) {
        commit(way);
        way->commit_at_ms = now_ms + COMMIT_MS;
    }
}

void way_close(struct way *way)
{
    rd_kafka_queue_io_event_enable(way->inputs, -1, NULL, 0);
    rd_kafka_queue_io_event_enable(way->acknowledgements, -1, NULL, 0);
    rd_kafka_queue_destroy(way->inputs);
    rd_kafka_queue_destroy(way->acknowledgements);
    rd_kafka_consumer_close(way->consumer);
    rd_kafka_destroy(way->consumer);
    rd_kafka_flush(way->producer, 10000);
    rd_kafka_topic_destroy(way->results);
    rd_kafka_destroy(way->producer);
    for (size_t i = 0; i < MAX_PARTITIONS; i++) {
        free(way->track[i].ring);
    }
    close(way->event_fd);
    free(way->topic);
    free(way);
}
