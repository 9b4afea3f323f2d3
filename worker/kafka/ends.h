/* ends: where the logs of the assigned partitions end, as brokers say it every few seconds.
 *
 * A thread and a client of its own: what librdkafka knows of a partition's end by the way stands still while that is paused,
 * which is just when somebody wants to know how much waits. One question is one request to each broker that leads some of
 * the partitions. Where no broker answers it asks on, with a longer time-out.
 *
 * The end is that of what can be read: with isolation.level read_committed (the default) it lies before the first transaction
 * that is open. The offsets up to it need not all be messages: compaction and the markers of transactions leave gaps.
 *
 * The Kafka thread alone, but for the thread inside. */
#ifndef RXP_KAFKA_ENDS_H
#define RXP_KAFKA_ENDS_H

#include "kafka/client_conf.h"

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

struct ends;

#define ENDS_EVERY_MS 5000
#define ENDS_UNKNOWN INT64_C(-1)

/* every_ms: between two questions. NULL with a sentence in why[why_bytes]. Does not wait for the broker. */
struct ends *ends_new(const struct kafka_settings *settings, int64_t every_ms, char *why, size_t why_bytes);
/* No more questions. Without it ends_free begins with that. */
void ends_stop(struct ends *ends);
/* Waits for a question under way, for a second at most: then it is left behind, with its client. Otherwise waits for the
 * client's end (client_end.h, CLIENT_END_MS). NULL is harmless. */
void ends_free(struct ends *ends);

/* What to ask for from now on, sorted (rd_kafka_topic_partition_list_sort). Where `offset` is negative the log's beginning is
 * wanted, too. Copied. Where there are others among them than before the next question follows at once. An empty list: only
 * whether a broker is there. */
void ends_ask(struct ends *ends, const rd_kafka_topic_partition_list_t *partitions);
/* Fills `offset` of each of a sorted list with its end, or with the log's beginning; ENDS_UNKNOWN where nobody has said. */
void ends_read(struct ends *ends, rd_kafka_topic_partition_list_t *partitions);
void ends_read_beginnings(struct ends *ends, rd_kafka_topic_partition_list_t *partitions);
/* When a broker last answered, monotonic; 0: never. */
int64_t ends_answered_ms(struct ends *ends);

#endif
