/* group_offsets: what a group has committed, and what that tells of a commit whose outcome is not known.
 *
 * For a thread that may block. */
#ifndef RXP_KAFKA_GROUP_OFFSETS_H
#define RXP_KAFKA_GROUP_OFFSETS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>

/* Asked before each of a few calls, which take up to 4 s: false ends the wait. */
typedef bool (*group_offsets_wait_fn)(void *opaque);

/* The committed offsets and metadata, of the group of `consumer`, of the partitions in `asked`; offset RD_KAFKA_OFFSET_INVALID
 * where nothing was committed. Those that an open transaction is about to change are not told before its end
 * (RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT), if the consumer's isolation.level is read_committed. NULL with the error in *err
 * and a sentence in why[why_bytes]: nobody answered within ~8 s, or the wait was ended (RD_KAFKA_RESP_ERR__DESTROY). The
 * consumer need not be a member of its group. */
rd_kafka_topic_partition_list_t *group_offsets_read(rd_kafka_t *consumer, const rd_kafka_topic_partition_list_t *asked,
                                                    group_offsets_wait_fn wait, void *opaque, rd_kafka_resp_err_t *err,
                                                    char *why, size_t why_bytes);

enum group_verdict {
    GROUP_HAS_OURS,  /* committed */
    GROUP_HAS_NOT,   /* not committed: a partition has what it had before; or nothing would have changed at all */
    GROUP_HAS_OTHER, /* others have committed all of these partitions since: they are no more ours */
};

/* before: what was committed when the commit began; wanted: what it would have made of it; now: what is there after its end.
 * Values never come back, so that one partition with that of before decides, whatever the heirs of others have made of theirs. */
enum group_verdict group_offsets_judge(const rd_kafka_topic_partition_list_t *before,
                                       const rd_kafka_topic_partition_list_t *wanted,
                                       const rd_kafka_topic_partition_list_t *now);

/* Puts the values of `from` into `to`, adding what it does not have. */
void group_offsets_note(rd_kafka_topic_partition_list_t *to, const rd_kafka_topic_partition_list_t *from);

#endif
