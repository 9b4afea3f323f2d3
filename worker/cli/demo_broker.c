#include "cli/demo_broker.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>

struct demo_broker {
    rd_kafka_t *host; /* the mock cluster needs a client to live in */
    rd_kafka_mock_cluster_t *cluster;
};

struct demo_broker *demo_broker_new(const char *const *topics, size_t n_topics, int partitions,
                                    char why[DEMO_BROKER_WHY_BYTES])
{
    struct demo_broker *broker = calloc(1, sizeof *broker);
    if (broker == NULL) {
        snprintf(why, DEMO_BROKER_WHY_BYTES, "out of memory");
        return NULL;
    }
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    broker->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, DEMO_BROKER_WHY_BYTES);
    if (broker->host == NULL) {
        rd_kafka_conf_destroy(conf);
        goto fail;
    }
    broker->cluster = rd_kafka_mock_cluster_new(broker->host, 1);
    if (broker->cluster == NULL) {
        snprintf(why, DEMO_BROKER_WHY_BYTES, "the embedded broker could not start: is loopback there?");
        goto fail;
    }
    for (size_t i = 0; i < n_topics; i++) {
        rd_kafka_resp_err_t error = rd_kafka_mock_topic_create(broker->cluster, topics[i], partitions, 1);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            snprintf(why, DEMO_BROKER_WHY_BYTES, "the embedded broker cannot create topic '%s': %s", topics[i],
                     rd_kafka_err2str(error));
            goto fail;
        }
    }
    return broker;
fail:
    demo_broker_free(broker);
    return NULL;
}

void demo_broker_free(struct demo_broker *broker)
{
    if (broker == NULL) {
        return;
    }
    if (broker->cluster != NULL) {
        rd_kafka_mock_cluster_destroy(broker->cluster);
    }
    if (broker->host != NULL) {
        rd_kafka_destroy(broker->host);
    }
    free(broker);
}

const char *demo_broker_address(const struct demo_broker *broker)
{
    return rd_kafka_mock_cluster_bootstraps(broker->cluster);
}
