#include "kafka/log_range.h"

/* which: RD_KAFKA_OFFSET_BEGINNING or _END, which stand for a time here. */
static rd_kafka_resp_err_t ask(rd_kafka_t *client, const char *topic, int32_t partition, int64_t which, int timeout_ms,
                               int64_t *offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, topic, partition);
    at->offset = which;
    rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(client, list, timeout_ms);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = at->err;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && at->offset < 0)
        error = RD_KAFKA_RESP_ERR__NO_OFFSET;
    *offset = at->offset;
    rd_kafka_topic_partition_list_destroy(list);
    return error;
}

rd_kafka_resp_err_t log_range_read(rd_kafka_t *client, const char *topic, int32_t partition, int timeout_ms,
                                   struct log_range *out)
{
    struct log_range range;
    rd_kafka_resp_err_t error = ask(client, topic, partition, RD_KAFKA_OFFSET_BEGINNING, timeout_ms, &range.low);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = ask(client, topic, partition, RD_KAFKA_OFFSET_END, timeout_ms, &range.high);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        *out = range;
    return error;
}
