/* set_size: how many bytes librdkafka may send together to a partition (batch.size), as far as was learned from refusals.
 *
 * A topic's max.message.bytes is a measure of what is sent together, not of a message, and librdkafka does not know it. Brokers
 * refuse such a set as a whole. So less goes together from then on: half of the smallest set that was refused, at the most. Once
 * that is below the topic's measure no set is refused any more but one of a single message, and then it is known which one is
 * too large: librdkafka puts what is larger than batch.size into a set of its own. So a topic costs a few such refusals in all,
 * and none for each time that much is due at once.
 *
 * A set's messages are reported one after the other: those of one partition that come so were together, as far as can be told. A
 * wrong guess costs a refusal more, and never more than halvings are left. It does not grow again: small sets cost little.
 *
 * Plain values. The transaction's thread alone. */
#ifndef RXP_KAFKA_SET_SIZE_H
#define RXP_KAFKA_SET_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct set_size {
    size_t most_bytes;  /* batch.size */
    size_t least_bytes; /* the smallest set of several messages that was refused; 0: none */
    const void *topic;  /* of those that were reported last; told by its address alone */
    int32_t partition;
    size_t n;
    size_t bytes;
};

void set_size_init(struct set_size *size, size_t most_bytes);
/* A message was refused for its size. `alone`: it was sent so. */
void set_size_note(struct set_size *size, const void *topic, int32_t partition, size_t bytes, bool alone);
/* After each batch. True where several were refused together, and most_bytes is less now; else each was refused for itself. */
bool set_size_learn(struct set_size *size);

#endif
