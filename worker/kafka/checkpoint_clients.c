#include "kafka/checkpoint_clients.h"

#include "kafka/client_end.h"

#include <stdio.h>

/* Read_committed would stop at a transaction that somebody left open on the topic, and give its beginning for its end. */
static rd_kafka_conf_t *make_conf(const struct kafka_settings *settings, char *why, size_t why_bytes)
{
    static const struct kafka_property own[] = {{"isolation.level", "read_uncommitted"}, {"fetch.wait.max.ms", "10"}};
    char conf_why[CLIENT_CONF_WHY_BYTES];
    rd_kafka_conf_t *conf = client_conf_make(settings, CLIENT_READER, conf_why);
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
    return conf;
}

int checkpoint_clients_open(struct checkpoint_clients *clients, const struct kafka_settings *settings, const char *topic,
                            int event_fd, checkpoint_clients_error_fn error, void *opaque, char *why, size_t why_bytes)
{
    *clients = (struct checkpoint_clients){.rk = NULL};
    rd_kafka_conf_t *conf = make_conf(settings, why, why_bytes);
    if (conf == NULL)
        return -1;
    rd_kafka_conf_set_opaque(conf, opaque);
    rd_kafka_conf_set_error_cb(conf, error);
    clients->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, why_bytes);
    if (clients->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        return -1;
    }
    clients->topic = rd_kafka_topic_new(clients->rk, topic, NULL);
    if (clients->topic == NULL) {
        snprintf(why, why_bytes, "the checkpoints topic '%s' can't be used: %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
        return -1;
    }
    clients->marker = checkpoint_marker_new(settings, topic, event_fd, why, why_bytes);
    return clients->marker != NULL ? 0 : -1;
}

void checkpoint_clients_end(struct checkpoint_clients *clients, int64_t until_ms)
{
    rd_kafka_t *writer = checkpoint_marker_free(clients->marker);
    struct client_ending *ending = writer != NULL ? client_end_begin(writer) : NULL;
    if (clients->topic != NULL)
        rd_kafka_topic_destroy(clients->topic);
    /* One that is left behind calls nothing of ours: only rd_kafka_poll would. */
    if (clients->rk != NULL)
        client_end(clients->rk, until_ms);
    client_end_await(ending, until_ms);
}
