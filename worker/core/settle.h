/* settle: from a run's outcome to a result that the broker has acknowledged, and to the end of its job.
 *
 * A job has one message out at a time:
 *
 *   RUNNING ──> DEAD_LETTER (of a rejection) ──> REPLY (where one was asked for) ──> RESULT ──> its offset is done
 *   batched:                                     REPLY ──> READY ──> dead letter and result, in one transaction with the offset
 *
 * What the broker refuses for its size goes again, alone and then smaller, so that no message can stop its partition; a
 * reply that no form of it can deliver is left out, and the result, whole again, says so (rxp.shed). A reply is sent before
 * its result and outside transactions: at least once, whatever the results guarantee. Requesters drop a second one by
 * the correlation id. */
#ifndef RXP_CORE_SETTLE_H
#define RXP_CORE_SETTLE_H

#include "core/draft.h"
#include "core/fit.h"
#include "core/job.h"
#include "kafka/publisher.h"

#include <stdbool.h>

enum settle_sent {
    SETTLE_SENT,  /* the job is the publisher's until its delivery report: do not touch it */
    SETTLE_READY, /* batched: nothing goes out by itself any more: the job waits for a batch, JOB_READY */
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
enum settle_next settle_delivered(struct job *job, enum delivery delivery, const struct settle_config *config);

/* ---- batches: jobs that are JOB_READY ---- */

typedef enum publisher_send (*settle_produce_fn)(const struct publisher_message *message, void *opaque);

/* Calls `produce` with the job's dead letter (where one is due, and not shed) and with its result, made to fit. The
 * transaction's thread, while the job is part of the batch. Message opaque: the job. PUBLISHER_SENT where both were taken;
 * PUBLISHER_REFUSED where one was not (both were tried); else at once what `produce` said. PUBLISHER_FULL is also said for
 * want of memory: then the batch lacks a result and must not be committed. */
enum publisher_send settle_produce(struct job *job, const struct settle_config *config, const struct fit *fit,
                                   settle_produce_fn produce, void *opaque);
/* Where the batch ended before the job's turn came: how large its result is, if that is not known. */
void settle_measure(struct job *job, const struct settle_config *config);
/* A message of the job was refused, and its batch aborted: it goes again alone, then smaller. Once or twice a batch, for both
 * its messages: harmless. False where nothing is left to leave out: the worker must stop. Kafka thread. */
bool settle_refused(struct job *job);

/* How the job's next message differs from the one that was refused: a phrase, constant. */
const char *settle_describe(const struct job *job);

#endif
