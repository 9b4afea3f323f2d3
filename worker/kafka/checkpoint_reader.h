/* checkpoint_reader: reads partitions of the checkpoints topic from their beginning to a marker that was sent after it was
 * asked for (see checkpoint_marker), several at a time, and sorts their records into tables.
 *
 * One thread, that of checkpoints; but requests come from the Kafka thread, and go back to it. */
#ifndef RXP_KAFKA_CHECKPOINT_READER_H
#define RXP_KAFKA_CHECKPOINT_READER_H

#include "base/list.h"
#include "kafka/checkpoint_request.h"
#include "kafka/checkpoint_table.h"

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

#define CHECKPOINT_READER_WHY_BYTES CHECKPOINT_REQUEST_WHY_BYTES

/* A reading for which nothing came for so long begins anew, to a new marker, and is given twice the time then, up to two
 * minutes: a fetch quota can hold answers back for longer than this. */
#define CHECKPOINT_READER_STALL_MS 10000

struct checkpoint_marker;
struct checkpoint_reader;

struct checkpoint_reader_config {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic; /* the checkpoints' */
    struct checkpoint_marker *marker;
    int64_t stall_ms;        /* nothing came for so long: as CHECKPOINT_READER_STALL_MS; tests have less time */
    int event_fd;            /* woken when there is something to serve */
    const char *group_id;
    checkpoint_check_fn check;
    void *opaque;
    struct list *answered; /* where requests go */
};

/* NULL for want of memory. */
struct checkpoint_reader *checkpoint_reader_new(const struct checkpoint_reader_config *config);
/* Stops reading; requests that are not answered go to config.answered without a table. */
void checkpoint_reader_free(struct checkpoint_reader *reader);

/* Takes the request. -1 for want of memory: it is still the caller's. */
int checkpoint_reader_add(struct checkpoint_reader *reader, struct checkpoint_request *request);
/* The topic is there, with so many partitions; 0: it may not be. Readings of others don't begin. */
void checkpoint_reader_set_partitions(struct checkpoint_reader *reader, int partitions);
/* The highest partition that is asked for and not being read; -1: none. */
int32_t checkpoint_reader_highest(const struct checkpoint_reader *reader);
size_t checkpoint_reader_outstanding(const struct checkpoint_reader *reader);

enum checkpoint_reader_state {
    CHECKPOINT_READER_GOES_ON,
    CHECKPOINT_READER_HAS_MORE, /* call again at once */
    CHECKPOINT_READER_STUCK,    /* goes on, but `why` says what is in the way */
    CHECKPOINT_READER_NO_TOPIC, /* as STUCK; the topic, or a partition of it, may not be there: make sure of it again */
    CHECKPOINT_READER_UNREADABLE, /* reading is not allowed: `why` is the broker's reason */
    CHECKPOINT_READER_UNWRITABLE, /* writing is not */
    CHECKPOINT_READER_FATAL,    /* a sentence in `why` */
};
/* Begins readings that can begin, and serves those under way. Does not wait for brokers. */
enum checkpoint_reader_state checkpoint_reader_turn(struct checkpoint_reader *reader, int64_t now_ms,
                                                    char why[CHECKPOINT_READER_WHY_BYTES]);
/* When it wants a turn though nothing wakes it; CLOCK_NEVER: never. */
int64_t checkpoint_reader_next_ms(const struct checkpoint_reader *reader, int64_t now_ms);

#endif
