/* publisher: the output side. Results, dead letters, replies out; delivery reports back.
 *
 * publisher_send is for any thread; the rest for the Kafka (main) thread. Idempotent, acks=all, without a delivery
 * timeout: an outage is waited out. A message that arrives damaged (CORRUPT_MESSAGE) goes again as it is, three times. */
#ifndef RXP_KAFKA_PUBLISHER_H
#define RXP_KAFKA_PUBLISHER_H

#include "kafka/client_conf.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct publisher;

enum delivery {
    DELIVERY_ACKNOWLEDGED,
    DELIVERY_REFUSED, /* this message alone: too large, bad record: shed and send again */
    DELIVERY_UNREACHABLE, /* this message alone: no such partition; of an optional one, no such topic, or a closed one:
                             a smaller message gets there no better */
    DELIVERY_LOST,    /* not known to be delivered: purged by publisher_free; or the topic is gone or not allowed, then
                         `fatal` was or will be called */
};

/* Both are called on the Kafka thread, from within publisher_turn (delivered from publisher_free, too). */
struct publisher_hooks {
    /* Once for each accepted send. May send again. */
    void (*delivered)(void *message_opaque, enum delivery delivery, const char *reason, void *opaque);
    /* Once at most: nothing can be published any more. Sends are PUBLISHER_FATAL from now on. */
    void (*fatal)(const char *reason, void *opaque);
    void *opaque;
};

struct publisher_config {
    struct kafka_settings settings;
    int event_fd; /* a non-blocking eventfd: woken when publisher_turn has something to do */
    /* Known beforehand (at most 16): their metadata is asked for at once, so that the first send takes 2 ms and not 500.
     * One that brokers say is missing, or closed to this user, for topic.metadata.propagation.max.ms (30 s), is fatal,
     * even where nothing is sent. */
    const char *const *topics;
    size_t n_topics;
};

struct publisher_message {
    const char *topic;
    int32_t partition; /* -1: by key */
    bool alone;        /* in a batch of its own: a batch is refused as a whole for its size */
    bool optional;     /* a topic that is missing or closed is this message's trouble alone, told of after ~5 s at most (where
                          brokers answer); it has a producer of its own, so that the others are not kept by it: see line.h */
    const void *key;   /* NULL: none */
    size_t key_bytes;
    const void *value;
    size_t value_bytes;
    rd_kafka_headers_t *headers; /* NULL: none. Taken on success */
    void *opaque; /* of a multiple of 8 bytes: see opaque_mark.h */
};

enum publisher_send {
    PUBLISHER_SENT,    /* headers taken; a delivery report will come, or came already on the Kafka thread: whatever
                          `opaque` stands for must not be touched any more */
    PUBLISHER_REFUSED, /* as DELIVERY_REFUSED, known at once; headers are still the caller's */
    PUBLISHER_UNREACHABLE, /* as DELIVERY_UNREACHABLE, known at once; headers are still the caller's */
    PUBLISHER_FULL,    /* the local queue is full: again later; headers are still the caller's */
    PUBLISHER_FATAL,   /* the producer is finished; `fatal` was or will be called */
};

/* NULL with a sentence in why[why_bytes]. Does not wait for the broker. */
struct publisher *publisher_new(const struct publisher_config *config, const struct publisher_hooks *hooks, char *why,
                                size_t why_bytes);
/* Kafka thread: a topic that could not be named beforehand will be written to: its leaders are asked for at once. Again:
 * harmless. */
void publisher_open_topic(struct publisher *publisher, const char *topic);
enum publisher_send publisher_send(struct publisher *publisher, const struct publisher_message *message, char *why,
                                   size_t why_bytes);
/* Serves delivery reports and clocks. Never blocks. *next_ms: when it wants to be called at the latest. */
void publisher_turn(struct publisher *publisher, int64_t now_ms, int64_t *next_ms);
/* Accepted and not yet reported. Any thread. */
size_t publisher_outstanding(const struct publisher *publisher);
/* Purges what is left (reported as DELIVERY_LOST from within) and frees. Waits a second or so at most. No thread may send
 * any more. NULL is harmless. */
void publisher_free(struct publisher *publisher);

#endif
