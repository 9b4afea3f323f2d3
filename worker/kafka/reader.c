#include "kafka/reader.h"

#include "base/clock.h"
#include "kafka/log_range.h"
#include "kafka/topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    rd_kafka_t *client;
    size_t n_partitions;
    int64_t *end;  /* the high watermark when the reader was made; reached ones are -1 */
    size_t n_open; /* partitions whose end is not reached */
};

static int remaining_ms(int64_t until_ms)
{
    int64_t left_ms = until_ms - clock_mono_ms();
    return left_ms > 0 ? (int)left_ms : 0;
}

static int start_partitions(struct reader *reader, const char *topic, enum reader_from from, int64_t until_ms,
                            char *why)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)reader->n_partitions);
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (size_t i = 0; i < reader->n_partitions && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        struct log_range log = {0, 0};
        error = log_range_read(reader->client, topic, (int32_t)i, remaining_ms(until_ms), &log);
        bool empty = from == READER_END || log.low == log.high;
        reader->end[i] = empty ? -1 : log.high;
        reader->n_open += !empty;
        rd_kafka_topic_partition_list_add(list, topic, (int32_t)i)->offset = from == READER_END ? log.high : log.low;
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        error = rd_kafka_assign(reader->client, list);
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        snprintf(why, READER_WHY_BYTES, "topic '%s' cannot be read: %s", topic, rd_kafka_err2str(error));
        return -1;
    }
    return 0;
}

struct reader *reader_new(const struct kafka_settings *settings, const char *topic, enum reader_from from,
                          int timeout_ms, char why[READER_WHY_BYTES])
{
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    rd_kafka_conf_t *conf = client_conf_make(settings, CLIENT_READER, why);
    if (conf == NULL) {
        return NULL;
    }
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        snprintf(why, READER_WHY_BYTES, "out of memory");
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    reader->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, READER_WHY_BYTES);
    if (reader->client == NULL) {
        rd_kafka_conf_destroy(conf);
        goto fail;
    }
    rd_kafka_poll_set_consumer(reader->client);
    int n = topic_count_partitions(reader->client, topic, timeout_ms, why, READER_WHY_BYTES);
    if (n < 0) {
        goto fail;
    }
    reader->n_partitions = (size_t)n;
    reader->end = calloc((size_t)n + 1, sizeof *reader->end);
    if (reader->end == NULL || start_partitions(reader, topic, from, until_ms, why) != 0) {
        goto fail;
    }
    return reader;
fail:
    reader_free(reader);
    return NULL;
}

void reader_free(struct reader *reader)
{
    if (reader == NULL) {
        return;
    }
    if (reader->client != NULL) {
        rd_kafka_destroy_flags(reader->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    free(reader->end);
    free(reader);
}

static void reader_reached(struct reader *reader, int32_t partition, int64_t next_offset)
{
    size_t i = (size_t)partition;
    if (i < reader->n_partitions && reader->end[i] >= 0 && next_offset >= reader->end[i]) {
        reader->end[i] = -1;
        reader->n_open--;
    }
}

rd_kafka_message_t *reader_next(struct reader *reader, int timeout_ms, bool *failed, char why[READER_WHY_BYTES])
{
    *failed = false;
    rd_kafka_message_t *message = rd_kafka_consumer_poll(reader->client, timeout_ms);
    if (message == NULL) {
        return NULL;
    }
    switch ((int)message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        reader_reached(reader, message->partition, message->offset + 1);
        return message;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: /* also past transaction markers, which are never delivered */
        reader_reached(reader, message->partition, message->offset);
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        *failed = true;
        snprintf(why, READER_WHY_BYTES, "the topic cannot be read: %s", rd_kafka_message_errstr(message));
        break;
    default: /* a broker that is away for a moment: librdkafka goes on by itself */
        break;
    }
    rd_kafka_message_destroy(message);
    return NULL;
}

bool reader_is_at_end(const struct reader *reader)
{
    return reader->n_open == 0;
}
