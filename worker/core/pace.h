/* pace: how many bytes a transaction takes, by how long the last ones took.
 *
 * A batch goes whole or not at all, and one that brokers do not take within the transaction's time goes again as it is: with a
 * quota below what it holds, without end. So it begins with little, doubles as long as that goes fast, and halves where it does
 * not, long before the time is over. What cannot be helped is a batch that was formed before brokers became slow.
 *
 * Plain values. The Kafka thread alone. */
#ifndef RXP_CORE_PACE_H
#define RXP_CORE_PACE_H

#include <stddef.h>
#include <stdint.h>

#define PACE_FIRST_BYTES ((size_t)256 * 1024)
#define PACE_LEAST_BYTES ((size_t)64 * 1024)
/* More would be kept in memory for long, should it have to go again. */
#define PACE_MOST_BYTES ((size_t)16 * 1024 * 1024)
/* Of a transaction's 10 s: twice as much may follow what took less than the one, half as much follows what took more than the
 * other. */
#define PACE_QUICK_MS 1000
#define PACE_SLOW_MS 2500

struct pace {
    size_t most_bytes; /* of the next batch; one job goes in any case */
};

void pace_init(struct pace *pace);
/* A batch of so many bytes was committed. */
void pace_note_committed(struct pace *pace, size_t bytes, int64_t took_ms);
/* One was not written in its time, or so it seems. */
void pace_note_late(struct pace *pace);

#endif
