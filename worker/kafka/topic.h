/* topic: what a command asks of one topic before it uses it.
 *
 * Blocks for at most the time it is given: for commands, not for the Kafka thread of a worker. */
#ifndef RXP_KAFKA_TOPIC_H
#define RXP_KAFKA_TOPIC_H

#include <librdkafka/rdkafka.h>
#include <stddef.h>

/* How many partitions it has; or -1 with a sentence in why[why_bytes]: it is not there, or no broker answers. */
int topic_count_partitions(rd_kafka_t *client, const char *topic, int timeout_ms, char *why, size_t why_bytes);

/* The value of a setting of the topic, as `compact` of cleanup.policy, into out; "" where the broker tells of none. Or the
 * broker's error. */
rd_kafka_resp_err_t topic_read_setting(rd_kafka_t *client, const char *topic, const char *setting, int timeout_ms, char *out,
                                       size_t out_bytes);

#endif
