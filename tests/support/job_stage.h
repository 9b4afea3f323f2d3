/* job_stage: jobs without a message behind them. */
#ifndef RXP_TESTS_JOB_STAGE_H
#define RXP_TESTS_JOB_STAGE_H

#include "core/job.h"

#include <stdlib.h>
#include <string.h>

#define STAGE_ENVELOPE_MAX 2048

/* key, headers: NULL for none; both are copied. Instead of those that it has. */
static inline void stage_envelope(struct job *job, const void *key, size_t key_bytes, const rd_kafka_headers_t *headers)
{
    size_t bytes = envelope_measure(key, key_bytes, headers);
    if (bytes > STAGE_ENVELOPE_MAX)
        abort();
    job->envelope_bytes = (uint32_t)bytes;
    envelope_write(job->tail + job->n_tags * sizeof(uint64_t), key, key_bytes, headers);
}

/* Of a job without an envelope. */
static inline void stage_tags(struct job *job, const struct job_tags *tags)
{
    if (job->envelope_bytes > 0)
        abort();
    job->n_tags = (uint8_t)tags->n;
    memcpy(job->tail, tags->writer, tags->n * sizeof *tags->writer);
}

static inline void stage_begin(struct job *job, struct job_begin *begin)
{
    *begin = (struct job_begin){.job = job};
    list_init(&begin->permit_node);
    list_init(&begin->crowd_node);
    job->begin = begin;
}

/* With room for tags and an envelope; for job_free. */
static inline struct job *stage_job(void)
{
    struct job *job = calloc(1, job_bytes(JOB_TAGS_MAX, STAGE_ENVELOPE_MAX));
    struct job_begin *begin = malloc(sizeof *begin);
    if (job == NULL || begin == NULL)
        abort();
    job->parcel.kind = PARCEL_JOB;
    run_init(&job->run);
    stage_begin(job, begin);
    return job;
}

static inline void stage_value(struct job *job, const char *value)
{
    free(job->begin->value);
    job->begin->value = strdup(value);
    job->value_bytes = (uint32_t)strlen(value);
}

#endif
