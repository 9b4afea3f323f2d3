#include "core/job.h"

#include "base/hash.h"
#include "engine/profiles.h"
#include "engine/trace_context.h"

#include <stdlib.h>
#include <string.h>

static char *copy_bytes(const void *bytes, size_t n)
{
    char *copy = malloc(n + 1);
    if (copy != NULL) {
        memcpy(copy, bytes, n);
        copy[n] = '\0';
    }
    return copy;
}

static int copy_input(struct job *job, const rd_kafka_message_t *message)
{
    job->message_ms = rd_kafka_message_timestamp(message, NULL);
    job->value_bytes = message->len;
    job->input_bytes = message->len + job->envelope_bytes;
    if (message->payload != NULL) {
        job->value = copy_bytes(message->payload, message->len);
        if (job->value == NULL) {
            return -1;
        }
    }
    return 0;
}

uint64_t job_hash_input(int64_t timestamp_ms, const void *key, size_t key_bytes, const void *value, size_t value_bytes)
{
    uint64_t hash = hash_put_int(HASH_START, timestamp_ms);
    hash = hash_put_int(hash, key != NULL ? (int64_t)key_bytes : -1);
    hash = hash_put(hash, key, key != NULL ? key_bytes : 0);
    return hash_put(hash, value, value != NULL ? value_bytes : 0);
}

static uint64_t hash_message(const rd_kafka_message_t *message)
{
    return job_hash_input(rd_kafka_message_timestamp(message, NULL), message->key, message->key_len, message->payload,
                          message->len);
}

struct job *job_new(struct assignment *assignment, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        headers = NULL;
    }
    size_t envelope_bytes = envelope_measure(message->key, message->key_len, headers);
    struct job *job = calloc(1, job_bytes(envelope_bytes));
    if (job == NULL) {
        return NULL;
    }
    job->envelope_bytes = (uint32_t)envelope_bytes; /* of a message, which Kafka counts in 31 bits */
    envelope_write(job->envelope, message->key, message->key_len, headers);
    job->parcel.kind = PARCEL_JOB;
    list_init(&job->node);
    list_init(&job->permit_node);
    list_init(&job->crowd_node);
    run_init(&job->run);
    atomic_init(&job->handed, false);
    if (copy_input(job, message) != 0) {
        job_free(job);
        return NULL;
    }
    job->input_hash = hash_message(message);
    job->ref = (struct ref){assignment_hold(assignment), message->offset};
    job->run.tenure = &assignment->tenure;
    return job;
}

void job_free(struct job *job)
{
    if (job == NULL) {
        return;
    }
    run_deinit(&job->run); /* before what its plan may point into */
    trace_context_free(job->trace);
    profile_set_release(job->profiles);
    free(job->checkpoint);
    free(job->value);
    if (job->ref.assignment != NULL) {
        assignment_release(job->ref.assignment);
    }
    free(job);
}

void job_hand_over(struct job *job)
{
    atomic_store_explicit(&job->handed, true, memory_order_release);
}

void job_take_over(struct job *job)
{
    bool handed = atomic_load_explicit(&job->handed, memory_order_acquire);
    (void)handed;
}
