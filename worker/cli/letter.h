/* letter: what one dead letter says of itself: where it came from and why it was rejected.
 *
 * Points into the message, which must outlive it. */
#ifndef RXP_CLI_LETTER_H
#define RXP_CLI_LETTER_H

#include <librdkafka/rdkafka.h>
#include <stddef.h>

struct letter {
    const rd_kafka_message_t *message;
    rd_kafka_headers_t *headers; /* the message's; NULL: none */
    /* NULL where the header is not there. */
    const char *topic;
    const char *partition;
    const char *offset;
    const char *code;
    const char *summary;
    char *invocation_id; /* owned: as its result says it; NULL for want of memory */
};

void letter_read(const rd_kafka_message_t *message, struct letter *out);
void letter_deinit(struct letter *letter);

/* As the producer wrote them: without those that the worker added. NULL for want of memory. The caller's. */
rd_kafka_headers_t *letter_headers(const struct letter *letter);

/* One line of JSON that tells of it, for people and programs. The caller frees it; NULL for want of memory. */
char *letter_describe(const struct letter *letter, const char *to);

#endif
