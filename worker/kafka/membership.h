/* membership: in which generation of its group a consumer is, and as which member.
 *
 * A broker takes a commit of generation -1 from anybody while the group has no members, and a transaction's offsets even
 * with some: such an answer says nothing about whose the partitions are. */
#ifndef RXP_KAFKA_MEMBERSHIP_H
#define RXP_KAFKA_MEMBERSHIP_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>

/* All zero: none. */
struct membership {
    void *text; /* as librdkafka writes it */
    size_t bytes;
};

/* Of this moment, and what was there before is freed. False, and none, where the consumer is no member of a generation. */
bool membership_read(struct membership *membership, const rd_kafka_consumer_group_metadata_t *metadata);
/* The same member in the same generation? None is not the same as none. */
bool membership_equals(const struct membership *a, const struct membership *b);
/* Is it this member's, in whatever generation? */
bool membership_is_of(const struct membership *membership, const char *member);
void membership_clear(struct membership *membership);

#endif
