#include "core/job.h"

#include "base/hash.h"

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
    job->value_bytes = message->len;
    job->input_bytes = message->len + message->key_len;
    job->value = copy_bytes(message->payload != NULL ? message->payload : "", message->len);
    if (job->value == NULL) {
        return -1;
    }
    if (message->key != NULL) {
        job->key_bytes = message->key_len;
        job->key = copy_bytes(message->key, message->key_len);
        if (job->key == NULL) {
            return -1;
        }
    }
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        job->headers = rd_kafka_headers_copy(headers);
    }
    return 0;
}

/* Of what the producer wrote, and when: never change it, since checkpoints of other processes and versions hold it. */
static uint64_t hash_input(const rd_kafka_message_t *message)
{
    uint64_t hash = hash_put_int(HASH_START, rd_kafka_message_timestamp(message, NULL));
    hash = hash_put_int(hash, message->key != NULL ? (int64_t)message->key_len : -1);
    hash = hash_put(hash, message->key, message->key != NULL ? message->key_len : 0);
    return hash_put(hash, message->payload, message->payload != NULL ? message->len : 0);
}

struct job *job_new(struct assignment *assignment, const rd_kafka_message_t *message, bool hashed)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        return NULL;
    }
    job->parcel.kind = PARCEL_JOB;
    list_init(&job->node);
    run_init(&job->run);
    atomic_init(&job->handed, false);
    if (copy_input(job, message) != 0) {
        job_free(job);
        return NULL;
    }
    job->input_hash = hashed ? hash_input(message) : 0;
    job->ref = (struct ref){assignment_hold(assignment), message->offset};
    job->run.tenure = &assignment->tenure;
    return job;
}

void job_free(struct job *job)
{
    if (job == NULL) {
        return;
    }
    run_deinit(&job->run);
    rxp_http_plan_deinit(&job->plan);
    rxp_invocation_free(job->invocation);
    if (job->headers != NULL) {
        rd_kafka_headers_destroy(job->headers);
    }
    free(job->checkpoint);
    free(job->value);
    free(job->key);
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
