/* refusal: whose trouble is an error that a message met: its own, its topic's, or everybody's? Pure. */
#ifndef RXP_KAFKA_REFUSAL_H
#define RXP_KAFKA_REFUSAL_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

/* Of this message, or of the batch that it was in: its size, its form, a partition that is not there. */
bool refusal_is_of_message(rd_kafka_resp_err_t err);
/* A message that arrived damaged: mostly the way there is to blame, and it goes again as it is. Where brokers say so again and
 * again it is the message after all: old ones say it of a message without a key to a compacted topic. (librdkafka 2.8 sends it
 * again by itself, for ever.) */
bool refusal_may_pass(rd_kafka_resp_err_t err);
/* Of the topic: it is missing, closed to this user, or cannot exist. */
bool refusal_is_of_topic(rd_kafka_resp_err_t err);

#endif
