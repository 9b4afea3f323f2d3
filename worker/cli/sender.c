#include "cli/sender.h"

#include "base/clock.h"
#include "kafka/topic.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURN_MS 100

struct sender {
    rd_kafka_t *producer;
    char *topic;
    int64_t patience_ms;
    struct sent *sent;
    size_t n;
    size_t room;
    size_t acknowledged;
    size_t refused;
    char refusal[256]; /* of the first one refused */
    int64_t progress_ms;
};

/* The message's opaque is its place in sender->sent, plus one. */
static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    (void)producer;
    struct sender *sender = opaque;
    size_t i = (size_t)(uintptr_t)message->_private - 1;
    sender->progress_ms = clock_mono_ms();
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        sender->sent[i] = (struct sent){message->partition, message->offset};
        sender->acknowledged++;
        return;
    }
    if (sender->refused++ == 0) {
        snprintf(sender->refusal, sizeof sender->refusal, "%s", rd_kafka_err2str(message->err));
    }
}

struct sender *sender_new(const struct kafka_settings *settings, const char *topic, int64_t patience_ms,
                          char why[SENDER_WHY_BYTES])
{
    struct sender *sender = calloc(1, sizeof *sender);
    if (sender == NULL) {
        snprintf(why, SENDER_WHY_BYTES, "out of memory");
        return NULL;
    }
    sender->patience_ms = patience_ms;
    sender->topic = strdup(topic);
    rd_kafka_conf_t *conf = sender->topic != NULL ? client_conf_make(settings, CLIENT_PRODUCER, why) : NULL;
    if (conf == NULL) {
        goto fail;
    }
    rd_kafka_conf_set_opaque(conf, sender);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    sender->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, SENDER_WHY_BYTES);
    if (sender->producer == NULL) {
        rd_kafka_conf_destroy(conf);
        goto fail;
    }
    if (topic_count_partitions(sender->producer, topic, (int)patience_ms, why, SENDER_WHY_BYTES) < 0) {
        goto fail;
    }
    return sender;
fail:
    sender_free(sender);
    return NULL;
}

void sender_free(struct sender *sender)
{
    if (sender == NULL) {
        return;
    }
    if (sender->producer != NULL) {
        rd_kafka_purge(sender->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(sender->producer, TURN_MS);
        rd_kafka_destroy(sender->producer);
    }
    free(sender->topic);
    free(sender->sent);
    free(sender);
}

static int sender_grow(struct sender *sender)
{
    if (sender->n < sender->room) {
        return 0;
    }
    size_t room = sender->room == 0 ? 256 : sender->room * 2;
    struct sent *sent = realloc(sender->sent, room * sizeof *sent);
    if (sent == NULL) {
        return -1;
    }
    sender->sent = sent;
    sender->room = room;
    return 0;
}

int sender_send(struct sender *sender, const char *key, const char *value, size_t value_bytes,
                char why[SENDER_WHY_BYTES])
{
    if (sender_grow(sender) != 0) {
        snprintf(why, SENDER_WHY_BYTES, "out of memory");
        return -1;
    }
    sender->sent[sender->n] = (struct sent){-1, -1};
    sender->progress_ms = clock_mono_ms();
    for (;;) {
        rd_kafka_resp_err_t error =
            rd_kafka_producev(sender->producer, RD_KAFKA_V_TOPIC(sender->topic), RD_KAFKA_V_KEY(key, strlen(key)),
                              RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value_bytes),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_OPAQUE((void *)(uintptr_t)(sender->n + 1)), RD_KAFKA_V_END);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            sender->n++;
            rd_kafka_poll(sender->producer, 0);
            return 0;
        }
        bool patient = clock_mono_ms() < sender->progress_ms + sender->patience_ms;
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL || !patient) {
            snprintf(why, SENDER_WHY_BYTES, "topic '%s': %s", sender->topic, rd_kafka_err2str(error));
            return -1;
        }
        rd_kafka_poll(sender->producer, TURN_MS);
    }
}

int sender_finish(struct sender *sender, char why[SENDER_WHY_BYTES])
{
    sender->progress_ms = clock_mono_ms();
    while (sender->acknowledged + sender->refused < sender->n &&
           clock_mono_ms() < sender->progress_ms + sender->patience_ms) {
        rd_kafka_poll(sender->producer, TURN_MS);
    }
    if (sender->acknowledged == sender->n) {
        return 0;
    }
    snprintf(why, SENDER_WHY_BYTES, "%zu of %zu messages were not acknowledged by topic '%s': %s",
             sender->n - sender->acknowledged, sender->n, sender->topic,
             sender->refused > 0 ? sender->refusal : "no broker answered in time");
    return -1;
}

const struct sent *sender_sent(const struct sender *sender, size_t *n)
{
    *n = sender->n;
    return sender->sent;
}
