#include "kafka/checkpoint_marker.h"

#include "kafka/checkpoint_key.h"

#include <stdio.h>
#include <stdlib.h>

enum { ASK_MS = 400 };

struct checkpoint_marker {
    rd_kafka_t *rk;
    const char *name;
    rd_kafka_topic_t *topic; /* NULL until it is open */
    checkpoint_marked_fn marked; /* NULL outside of turns */
    void *opaque;
};

/* From rd_kafka_poll, thus on the thread. Success without an offset can't happen with acks=all, and would be no use. */
static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct checkpoint_marker *marker = opaque;
    rd_kafka_resp_err_t err = message->err;
    (void)rk;
    if (marker->marked == NULL)
        return;
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR &&
        (rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_PERSISTED || message->offset < 0))
        err = RD_KAFKA_RESP_ERR__FAIL;
    marker->marked(message->partition, (uintptr_t)message->_private, err, message->offset, marker->opaque);
}

/* Without it librdkafka would log what the reading client tells already. */
static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    (void)rk;
    (void)err;
    (void)reason;
    (void)opaque;
}

/* Not idempotent: a marker that is there twice does no harm, and an idempotent producer can break for good, as when its
 * topic is made anew. A marker that is late is given up, since what becomes of it does not matter, and another is sent. That
 * a cut-off broker knows of older leaders is got over by asking others for them soon. */
static rd_kafka_conf_t *make_conf(const struct kafka_settings *settings, char *why, size_t why_bytes)
{
    static const struct kafka_property own[] = {
        {"enable.idempotence", "false"},      {"message.timeout.ms", "10000"},
        {"linger.ms", "0"},                   {"topic.metadata.refresh.interval.ms", "5000"},
        {"compression.type", "none"},
    };
    char conf_why[CLIENT_CONF_WHY_BYTES];
    rd_kafka_conf_t *conf = client_conf_make(settings, CLIENT_PRODUCER, conf_why);
    if (conf == NULL) {
        snprintf(why, why_bytes, "%s", conf_why);
        return NULL;
    }
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (rd_kafka_conf_set(conf, own[i].name, own[i].value, why, why_bytes) != RD_KAFKA_CONF_OK) {
            rd_kafka_conf_destroy(conf);
            return NULL;
        }
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    return conf;
}

struct checkpoint_marker *checkpoint_marker_new(const struct kafka_settings *settings, const char *topic, int event_fd,
                                                char *why, size_t why_bytes)
{
    static const uint64_t one = 1; /* librdkafka keeps the pointer */
    struct checkpoint_marker *marker = calloc(1, sizeof *marker);
    rd_kafka_conf_t *conf = marker != NULL ? make_conf(settings, why, why_bytes) : NULL;
    if (marker == NULL)
        snprintf(why, why_bytes, "out of memory");
    if (conf == NULL)
        goto out;
    rd_kafka_conf_set_opaque(conf, marker);
    marker->name = topic;
    marker->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, why_bytes);
    if (marker->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        goto out;
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(marker->rk);
    rd_kafka_queue_io_event_enable(queue, event_fd, &one, sizeof one);
    rd_kafka_queue_destroy(queue);
    return marker;
out:
    free(marker);
    return NULL;
}

void checkpoint_marker_open(struct checkpoint_marker *marker)
{
    const struct rd_kafka_metadata *metadata = NULL;
    if (marker->topic == NULL)
        marker->topic = rd_kafka_topic_new(marker->rk, marker->name, NULL);
    if (marker->topic != NULL && rd_kafka_metadata(marker->rk, 0, marker->topic, &metadata, ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
}

rd_kafka_resp_err_t checkpoint_marker_send(struct checkpoint_marker *marker, int32_t partition, uint64_t ticket)
{
    static const char key[] = CHECKPOINT_MARKER_KEY;
    if (marker->topic == NULL)
        return RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    return rd_kafka_producev(marker->rk, RD_KAFKA_V_RKT(marker->topic), RD_KAFKA_V_PARTITION(partition),
                             RD_KAFKA_V_KEY(key, sizeof key - 1), RD_KAFKA_V_OPAQUE((void *)(uintptr_t)ticket),
                             RD_KAFKA_V_END);
}

void checkpoint_marker_turn(struct checkpoint_marker *marker, checkpoint_marked_fn marked, void *opaque)
{
    marker->marked = marked;
    marker->opaque = opaque;
    rd_kafka_poll(marker->rk, 0);
    marker->marked = NULL;
}

rd_kafka_t *checkpoint_marker_free(struct checkpoint_marker *marker)
{
    if (marker == NULL)
        return NULL;
    rd_kafka_t *rk = marker->rk;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(rk);
    rd_kafka_queue_io_event_enable(queue, -1, NULL, 0);
    rd_kafka_queue_destroy(queue);
    (void)rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    rd_kafka_poll(rk, 0);
    if (marker->topic != NULL)
        rd_kafka_topic_destroy(marker->topic);
    free(marker);
    return rk;
}
