/* line: the publisher's producers.
 *
 * There can be four, each made by the first message that wants it, but for the plain one. Librdkafka batches by topic and
 * partition, and brokers refuse a batch as a whole: on the lines for messages that are to be alone a batch holds one. And a
 * topic that brokers do not know is waited for, 30 s by default, since it may be new; optional messages wait for 5 s at most,
 * on a line of their own: topic.metadata.propagation.max.ms is a setting of the whole producer; a producer numbers its batches
 * anew after one that was refused for want of rights, for which it lets go of everything under way; and a topic that is
 * asked for again and again is asked for by the line alone.
 *
 * lines_get is for any thread; the rest for the Kafka thread. */
#ifndef RXP_KAFKA_LINE_H
#define RXP_KAFKA_LINE_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum line_kind { LINE_PLAIN, LINE_ALONE, LINE_OPTIONAL, LINE_OPTIONAL_ALONE, LINE_KINDS };

struct line {
    rd_kafka_t *rk;          /* NULL: not made */
    rd_kafka_queue_t *queue; /* its delivery reports and errors */
    rd_kafka_conf_t *conf;   /* NULL once used */
};

struct lines {
    int event_fd;
    pthread_mutex_t lock; /* of those that are made later */
    struct line lines[LINE_KINDS];
};

/* Takes conf. Each line wakes event_fd. lines_deinit is wanted whatever comes of it: -1 with a sentence in why[why_bytes]. */
int lines_init(struct lines *lines, rd_kafka_conf_t *conf, int event_fd, char *why, size_t why_bytes);
/* NULL with a sentence in why, for want of memory or threads, which may pass. */
rd_kafka_t *lines_get(struct lines *lines, enum line_kind kind, char *why, size_t why_bytes);
/* NULL where none was made. */
rd_kafka_t *lines_look(struct lines *lines, enum line_kind kind);
/* Every message that was accepted gets its report. */
void lines_purge(struct lines *lines, int64_t until_ms);
/* Topic handles must be released before. */
void lines_deinit(struct lines *lines, int64_t until_ms);

#endif
