/* settle: from a run's outcome to a result that the broker has acknowledged, and to the end of its job.
 *
 * A job has one message out at a time: of a rejection the dead letter first (where they are on), then the result. What
 * the broker refuses for its size goes again, alone and then smaller, so that no message can stop its partition. */
#ifndef RXP_CORE_SETTLE_H
#define RXP_CORE_SETTLE_H

#include "core/job.h"
#include "kafka/publisher.h"

#include <stddef.h>

struct settle_config {
    const char *worker_id;
    const char *results_topic;
    const char *dead_letter_topic; /* NULL: off */
    bool key_by_id;                /* results-key=invocation_id */
};

enum settle_sent {
    SETTLE_SENT,  /* the job is the publisher's until its delivery report: do not touch it */
    SETTLE_LATER, /* the local queue is full, or memory is short: the caller tries again */
    SETTLE_NEVER, /* the producer is finished */
};

/* Sends what is next for the job: job->stage, made from its outcome on the first call. Loop thread the first time, the
 * Kafka thread later. */
enum settle_sent settle_send(struct job *job, struct publisher *publisher, const struct settle_config *config);

enum settle_next {
    SETTLE_DONE,  /* the input is done: its offset may be committed */
    SETTLE_AGAIN, /* settle_send it again: the next stage, or the same one smaller */
    SETTLE_LOST,  /* not delivered; the worker is about to stop: its offset must stay */
    SETTLE_UNSENDABLE, /* refused even in its smallest form: the worker must stop, its offset must stay */
};

/* What a delivery report means for the job. Kafka thread. */
enum settle_next settle_delivered(struct job *job, enum delivery delivery);

/* How the job's next message differs from the one that was refused: a phrase, constant. */
const char *settle_describe(const struct job *job);

#endif
