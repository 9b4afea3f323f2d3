#include "kafka/topic.h"

#include <stdio.h>

static int partitions_of(const struct rd_kafka_metadata *metadata, const char *topic, char *why, size_t why_bytes)
{
    rd_kafka_resp_err_t error =
        metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return metadata->topics[0].partition_cnt;
    if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        snprintf(why, why_bytes, "topic '%s' does not exist: create it (`rxp-worker config --check` prints how), or name "
                 "another", topic);
    else
        snprintf(why, why_bytes, "topic '%s' cannot be used: %s", topic, rd_kafka_err2str(error));
    return -1;
}

int topic_count_partitions(rd_kafka_t *client, const char *topic, int timeout_ms, char *why, size_t why_bytes)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    if (handle == NULL) {
        snprintf(why, why_bytes, "topic '%s': %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
        return -1;
    }
    rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, handle, &metadata, timeout_ms);
    rd_kafka_topic_destroy(handle);
    int n = -1;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        n = partitions_of(metadata, topic, why, why_bytes);
    else
        snprintf(why, why_bytes, "no broker answered within %d s: %s", timeout_ms / 1000, rd_kafka_err2str(error));
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    return n;
}
