#include "kafka/topic.h"

#include <stdio.h>
#include <string.h>

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

static rd_kafka_resp_err_t read_answer(rd_kafka_event_t *event, const char *setting, char *out, size_t out_bytes)
{
    size_t n = 0;
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR || result == NULL)
        return error != RD_KAFKA_RESP_ERR_NO_ERROR ? error : RD_KAFKA_RESP_ERR__FAIL;
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(result, &n);
    if (n != 1)
        return RD_KAFKA_RESP_ERR__FAIL;
    error = rd_kafka_ConfigResource_error(resources[0]);
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resources[0], &n);
    for (size_t i = 0; i < n; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), setting) == 0 && value != NULL)
            snprintf(out, out_bytes, "%s", value);
    }
    return error;
}

rd_kafka_resp_err_t topic_read_setting(rd_kafka_t *client, const char *topic, const char *setting, int timeout_ms, char *out,
                                       size_t out_bytes)
{
    char ignored[128];
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, ignored, sizeof ignored);
    rd_kafka_DescribeConfigs(client, &resource, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    out[0] = '\0';
    rd_kafka_resp_err_t error =
        event != NULL ? read_answer(event, setting, out, out_bytes) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return error;
}
