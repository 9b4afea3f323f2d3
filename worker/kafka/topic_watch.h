/* topic_watch: are the topics there that will be written to? Asks the brokers once, after the start, and goes on asking
 * while one is missing. A thread of its own, since librdkafka's way of asking blocks. */
#ifndef RXP_KAFKA_TOPIC_WATCH_H
#define RXP_KAFKA_TOPIC_WATCH_H

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

#define TOPIC_WATCH_MAX 16
#define TOPIC_WATCH_WHY_BYTES 384

struct topic_watch;

/* From the watch's thread, at most once: a topic is missing, or closed to us, and has been for missing_ms of a broker
 * answering so. A sentence that names it and the way out. */
typedef void (*topic_watch_fn)(const char *reason, void *opaque);

/* topics: at most TOPIC_WATCH_MAX; they, rk and the opaque must outlive the watch. NULL for want of memory or of a thread. */
struct topic_watch *topic_watch_start(rd_kafka_t *rk, rd_kafka_topic_t *const *topics, size_t n, int64_t missing_ms,
                                      topic_watch_fn missing, void *opaque);
/* Ends it; waits for a question under way (at most half a second). NULL is harmless. */
void topic_watch_stop(struct topic_watch *watch);

/* "topic 'x' …": what err means for a topic that is written to, with the way out. */
void topic_watch_sentence(const char *topic, rd_kafka_resp_err_t err, char why[TOPIC_WATCH_WHY_BYTES]);

#endif
