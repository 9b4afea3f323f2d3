/* job_stage: jobs without a message behind them. */
#ifndef RXP_TESTS_JOB_STAGE_H
#define RXP_TESTS_JOB_STAGE_H

#include "core/job.h"

#include <stdlib.h>

#define STAGE_ENVELOPE_MAX 2048

/* key, headers: NULL for none; both are copied. Instead of those that it has. */
static inline void stage_envelope(struct job *job, const void *key, size_t key_bytes, const rd_kafka_headers_t *headers)
{
    size_t bytes = envelope_measure(key, key_bytes, headers);
    if (bytes > STAGE_ENVELOPE_MAX)
        abort();
    job->envelope_bytes = (uint32_t)bytes;
    envelope_write(job->envelope, key, key_bytes, headers);
}

/* With room for an envelope; for job_free. */
static inline struct job *stage_job(void)
{
    struct job *job = calloc(1, job_bytes(STAGE_ENVELOPE_MAX));
    if (job == NULL)
        abort();
    job->parcel.kind = PARCEL_JOB;
    list_init(&job->node);
    list_init(&job->permit_node);
    list_init(&job->crowd_node);
    run_init(&job->run);
    return job;
}

#endif
