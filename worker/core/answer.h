/* answer: a run's outcome as the bytes of a RuntimeResult.
 *
 * Pure: reads the run, allocates the bytes. The loop thread at a run's end; the Kafka thread when a result has to be
 * written again, smaller. `exec` uses it without Kafka. */
#ifndef RXP_CORE_ANSWER_H
#define RXP_CORE_ANSWER_H

#include "engine/run.h"

#include <stddef.h>
#include <stdint.h>

/* What a result may leave out, level by level, so that no message can be too large for its topic for ever. Each level
 * includes those before it, and metadata rxp.shed names what was left out. */
enum answer_shed {
    ANSWER_WHOLE,
    ANSWER_SHED_RESULT,   /* http.result */
    ANSWER_SHED_HEADERS,  /* the copied headers; the message's own fields are untouched */
    ANSWER_SHED_ECHO,     /* the invocation's own metadata */
    ANSWER_SHED_IDENTITY, /* the key, and ids and names over 1 KiB: source.* still says which input it was */
};

struct answer_source {
    const char *topic; /* NULL: not from Kafka */
    int32_t partition;
    int64_t offset;
};

struct answer_context {
    const char *worker_id;
    struct answer_source source;
    enum answer_shed shed;
    bool dead_letter_shed; /* the dead letter was too large for its topic */
    bool reply_shed;       /* a reply was asked for and is not sent */
    bool reply_partition_shed; /* the partition that it was asked for on cannot be followed */
};

/* The caller frees it. NULL for want of memory. The run is awake; its invocation may be NULL or lack its id, name and kind:
 * the placeholders of RxP 0.1 stand in. */
char *answer_write(const struct run *run, const struct answer_context *context, size_t *bytes);

/* The same of a run that goes on: status running, as of now_wall_ms. */
char *answer_write_running(const struct run *run, const struct answer_context *context, int64_t now_wall_ms, size_t *bytes);

/* The id under which the result goes out: the invocation's, or unreadable:TOPIC/PARTITION/OFFSET in `room`. */
#define ANSWER_ID_BYTES 320
const char *answer_id(const struct run *run, const struct answer_context *context, char room[ANSWER_ID_BYTES]);

#endif
