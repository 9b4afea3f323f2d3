/* reader: reads a topic without a group, for commands that look: results, submit --wait, demo.
 *
 * One thread; calls block for at most the time they are given. */
#ifndef RXP_KAFKA_READER_H
#define RXP_KAFKA_READER_H

#include "kafka/client_conf.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>

struct reader;

enum reader_from { READER_BEGINNING, READER_END };

#define READER_WHY_BYTES 512

/* Notes the ends of all partitions of the topic now, and starts reading there or at the beginning. NULL with a sentence in
 * why when the broker or the topic is not there within timeout_ms. */
struct reader *reader_new(const struct kafka_settings *settings, const char *topic, enum reader_from from,
                          int timeout_ms, char why[READER_WHY_BYTES]);
void reader_free(struct reader *reader);

/* The next message, which the caller destroys (rd_kafka_message_destroy); NULL when none came within timeout_ms, or
 * with *failed and a sentence in why when reading cannot go on. */
rd_kafka_message_t *reader_next(struct reader *reader, int timeout_ms, bool *failed, char why[READER_WHY_BYTES]);

/* Has everything been read that was there when the reader was made? */
bool reader_is_at_end(const struct reader *reader);

#endif
