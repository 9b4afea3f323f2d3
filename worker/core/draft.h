/* draft: one message of a job, composed and not yet sent: its dead letter, its reply or its result.
 *
 * Only reads the job, so whoever holds the job may compose, on any thread: a loop at a run's end, the Kafka thread when
 * something goes again, the transaction's thread for a batch. */
#ifndef RXP_CORE_DRAFT_H
#define RXP_CORE_DRAFT_H

#include "core/answer.h"
#include "core/job.h"
#include "core/reply.h"
#include "kafka/publisher.h"

#include <stdbool.h>

/* All strings must outlive it. */
struct settle_config {
    const char *worker_id;
    const char *results_topic;
    const char *dead_letter_topic; /* NULL: off */
    bool key_by_id;                /* results-key=invocation_id */
    bool batched;                  /* exactly-once: dead letters and results go in transactions; see settle_produce */
    struct reply_policy reply;
};

struct draft {
    struct publisher_message message; /* opaque: the job. Points into the job and into this struct: do not copy it */
    char *text;
    char id[ANSWER_ID_BYTES];
};

/* 0, or -1 for want of memory, with nothing to release. `stage`: JOB_DEAD_LETTER, JOB_REPLY or JOB_RESULT. */
int draft_compose(struct draft *draft, struct job *job, const struct settle_config *config, enum job_stage stage);
/* A progress report of a job that runs, for `topic`: as its result, with status running. It is never shed nor sent again: opaque
 * is NULL. Loop thread. */
int draft_compose_running(struct draft *draft, const struct job *job, const struct settle_config *config, const char *topic,
                          int64_t now_wall_ms);
/* `headers_taken`: the message was accepted, and its headers with it. */
void draft_release(struct draft *draft, bool headers_taken);

#endif
