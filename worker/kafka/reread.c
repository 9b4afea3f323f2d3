/* reread: records that cannot be read. What cannot be read would be passed over by the next message, that is, count as done. So
 * its partition is paused, and resumed, that is, read again at the same place, some seconds later. Once it may have been the way
 * here; and where a leader's disk is bad, another replica may become the leader. */
#include "base/clock.h"
#include "kafka/consumer_inside.h"
#include "ops/log.h"

#include <inttypes.h>

enum { AGAIN_MS = 5000, SAY_EVERY = 6 };

void reread_later(struct consumer *consumer, struct consumer_partition *partition, const rd_kafka_message_t *message)
{
    bool again = partition->unreadable_times > 0 && partition->unreadable == message->offset;
    partition->unreadable = message->offset;
    partition->unreadable_times = again ? partition->unreadable_times + 1 : 1;
    partition->reread_ms = consumer->now_ms + AGAIN_MS;
    partition_pause(consumer, partition, PAUSE_UNREADABLE);
    if (!again)
        log_event(LOG_WARN, "partition_reread", "%s [%" PRId32 "] cannot be read at offset %" PRId64 ": %s. It is read again in "
                  "%d s", partition->topic->name, message->partition, message->offset, rd_kafka_message_errstr(message),
                  AGAIN_MS / 1000);
    else if (partition->unreadable_times % SAY_EVERY == 2)
        log_event(LOG_ERROR, "partition_stopped", "%s [%" PRId32 "] cannot be read at offset %" PRId64 ": %s. It is tried every "
                  "%d s, and nothing later of this partition is taken, so that it is not passed over. Where it stays so, make "
                  "another replica the leader, or remove the batch that begins there (kafka-delete-records.sh, up to the first "
                  "offset behind it, %" PRId64 " or later)", partition->topic->name, message->partition, message->offset,
                  rd_kafka_message_errstr(message), AGAIN_MS / 1000, message->offset + 1);
}

void reread_serve(struct consumer *consumer)
{
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if ((partition->pauses & PAUSE_UNREADABLE) != 0 && consumer->now_ms >= partition->reread_ms)
            partition_unpause(consumer, partition, PAUSE_UNREADABLE);
    }
}

int64_t reread_next_ms(const struct consumer *consumer)
{
    int64_t next_ms = CLOCK_NEVER;
    for (const struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        const struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if ((partition->pauses & PAUSE_UNREADABLE) != 0 && partition->reread_ms < next_ms)
            next_ms = partition->reread_ms;
    }
    return next_ms;
}
