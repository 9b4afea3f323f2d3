/* log_range: where the log of a partition begins and ends.
 *
 * librdkafka's own question for both (rd_kafka_query_watermark_offsets) does not keep its time: it waits for as long as the
 * partition's leader is away, or does not answer, minutes and more. The question for offsets by time does, so it is asked
 * instead. Ends at the last stable offset for who reads committed messages alone. */
#ifndef RXP_KAFKA_LOG_RANGE_H
#define RXP_KAFKA_LOG_RANGE_H

#include <librdkafka/rdkafka.h>
#include <stdint.h>

struct log_range {
    int64_t low;  /* the first offset that is there */
    int64_t high; /* one beyond the last */
};

/* Two questions, each of which blocks for at most timeout_ms. Where the client reads from that broker, each waits behind a fetch
 * (fetch.wait.max.ms), so give it more than that. On an error *out is not touched. */
rd_kafka_resp_err_t log_range_read(rd_kafka_t *client, const char *topic, int32_t partition, int timeout_ms,
                                   struct log_range *out);

#endif
