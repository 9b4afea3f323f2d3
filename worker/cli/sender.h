/* sender: puts messages on a topic and learns where each one landed. For submit, cancel and demo.
 *
 * One thread; calls block for at most the time they are given. Idempotent, acks=all, as the worker's own producer. */
#ifndef RXP_CLI_SENDER_H
#define RXP_CLI_SENDER_H

#include "kafka/client_conf.h"

#include <stddef.h>
#include <stdint.h>

struct sender;

/* Where a message landed; offset -1: it was not acknowledged. */
struct sent {
    int32_t partition;
    int64_t offset;
};

#define SENDER_WHY_BYTES 512

/* NULL with why, also where the topic is not there. patience_ms: how long no progress is borne, here and by send and
 * finish. */
struct sender *sender_new(const struct kafka_settings *settings, const char *topic, int64_t patience_ms,
                          char why[SENDER_WHY_BYTES]);
void sender_free(struct sender *sender);

/* Queues a message (value and key are copied). 0, or -1 with why. */
int sender_send(struct sender *sender, const char *key, const char *value, size_t value_bytes,
                char why[SENDER_WHY_BYTES]);
/* Waits until all are acknowledged. 0; or -1 with why, which says how many were not. */
int sender_finish(struct sender *sender, char why[SENDER_WHY_BYTES]);

/* In the order of sending. */
const struct sent *sender_sent(const struct sender *sender, size_t *n);

#endif
