/* offset_fetch: asks for the group's committed offsets and their metadata, on a thread of its own, since librdkafka's call for
 * it blocks.
 *
 * The call is the consumer's own OffsetFetch: it finds the coordinator as the group's membership does. (The admin client's
 * ListConsumerGroupOffsets has another, remembered, coordinator, and after a move may go on asking that one for minutes.)
 * Offsets that an open transaction is about to change are not told before its end: the partition has
 * RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT instead (KIP-447). That takes isolation.level=read_committed, librdkafka's
 * default.
 *
 * One is made for each question. All of these are the owner's thread's. */
#ifndef RXP_KAFKA_OFFSET_FETCH_H
#define RXP_KAFKA_OFFSET_FETCH_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

struct offset_fetch;

/* Takes `asked`, in any case. `event_fd` is written to once offset_fetch_is_over. NULL: no memory, or no thread. */
struct offset_fetch *offset_fetch_begin(rd_kafka_t *consumer, rd_kafka_topic_partition_list_t *asked, int timeout_ms,
                                        int event_fd);
bool offset_fetch_is_over(struct offset_fetch *fetch);
/* Once it is over: what was asked for, with offset (RD_KAFKA_OFFSET_INVALID: nothing was committed), metadata and err of each,
 * if *err is NO_ERROR. Frees the fetch; the list is the caller's. */
rd_kafka_topic_partition_list_t *offset_fetch_end(struct offset_fetch *fetch, rd_kafka_resp_err_t *err);
/* Nobody wants the answer any more. True once it is over and freed. False where that is not so at until_ms (monotonic): then it
 * goes on by itself, so that the consumer must be left behind, too. NULL counts as over. */
bool offset_fetch_drop(struct offset_fetch *fetch, int64_t until_ms);

#endif
