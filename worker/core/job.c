#include "core/job.h"

#include "base/hash.h"
#include "base/slabs.h"
#include "engine/profiles.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* With its run and a key of nine bytes, which are ten here; slabs go in steps of 16. Each byte more here or in struct run is one that
 * a million of them pay. */
_Static_assert(offsetof(struct job, tail) + 10 <= 240, "what all runs hold while they wait");

static char *copy_bytes(const void *bytes, size_t n)
{
    char *copy = malloc(n + 1);
    if (copy != NULL) {
        memcpy(copy, bytes, n);
        copy[n] = '\0';
    }
    return copy;
}

uint64_t job_hash_input(int64_t timestamp_ms, const void *key, size_t key_bytes, const void *value, size_t value_bytes)
{
    uint64_t hash = hash_put_int(HASH_START, timestamp_ms);
    hash = hash_put_int(hash, key != NULL ? (int64_t)key_bytes : -1);
    hash = hash_put(hash, key, key != NULL ? key_bytes : 0);
    return hash_put(hash, value, value != NULL ? value_bytes : 0);
}

static uint64_t hash_message(const rd_kafka_message_t *message, int64_t timestamp_ms, bool whole)
{
    uint64_t hash = job_hash_input(timestamp_ms, message->key, message->key_len, whole ? message->payload : NULL, message->len);
    return whole ? hash : hash_put_int(hash, (int64_t)message->len);
}

static struct job_begin *begin_new(struct job *job, const rd_kafka_message_t *message)
{
    struct job_begin *begin = calloc(1, sizeof *begin);
    if (begin == NULL) {
        return NULL;
    }
    begin->job = job;
    list_init(&begin->permit_node);
    list_init(&begin->crowd_node);
    if (message->payload != NULL) {
        begin->value = copy_bytes(message->payload, message->len);
        if (begin->value == NULL) {
            free(begin);
            return NULL;
        }
    }
    return begin;
}

struct job *job_new(struct slabs *slabs, struct assignment *assignment, const rd_kafka_message_t *message,
                    const struct job_tags *tags, bool hash_whole)
{
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        headers = NULL;
    }
    size_t envelope_bytes = envelope_measure(message->key, message->key_len, headers);
    struct job *job = slabs_take(slabs, job_bytes(tags->n, envelope_bytes));
    if (job == NULL) {
        return NULL;
    }
    memset(job, 0, job_bytes(tags->n, envelope_bytes));
    job->in_slab = true;
    job->parcel.kind = PARCEL_JOB;
    atomic_init(&job->handed, false);
    run_init(&job->run);
    job->n_tags = (uint8_t)tags->n;
    memcpy(job->tail, tags->writer, tags->n * sizeof *tags->writer);
    job->envelope_bytes = (uint32_t)envelope_bytes; /* of a message, which Kafka counts in 31 bits */
    envelope_write(job->tail + tags->n * sizeof *tags->writer, message->key, message->key_len, headers);
    job->begin = begin_new(job, message);
    if (job->begin == NULL) {
        job_free(job);
        return NULL;
    }
    job->value_bytes = (uint32_t)message->len;
    job->message_ms = rd_kafka_message_timestamp(message, NULL);
    job->input_hash = hash_message(message, job->message_ms, hash_whole);
    job->ref = (struct ref){assignment_hold(assignment), message->offset};
    job->run.tenure = &assignment->tenure;
    return job;
}

/* It is in nobody's list, and nobody writes for it. */
static void begin_free(struct job_begin *begin)
{
    if (begin != NULL) {
        assert(begin->intent == NULL && begin->crowd == NULL && list_is_empty(&begin->permit_node));
        free(begin->checkpoint);
        free(begin->value);
        free(begin);
    }
}

void job_free(struct job *job)
{
    if (job == NULL) {
        return;
    }
    run_deinit(&job->run); /* before what its plan may point into */
    profile_set_release(job->profiles);
    begin_free(job->begin);
    if (job->ref.assignment != NULL) {
        assignment_release(job->ref.assignment);
    }
    if (job->in_slab) {
        slabs_give(job, job_bytes(job->n_tags, job->envelope_bytes));
    } else {
        free(job);
    }
}

void job_drop_value(struct job *job)
{
    if (job->begin != NULL) {
        free(job->begin->value);
        job->begin->value = NULL;
    }
}

void job_drop_begin(struct job *job)
{
    struct job_begin *begin = job->begin;
    if (begin != NULL) {
        job->begin = NULL;
        begin_free(begin);
    }
}

static size_t checkpoint_bytes(const struct checkpoint *checkpoint)
{
    const char *const texts[] = {checkpoint->invocation_id, checkpoint->run_id, checkpoint->prepared_id, checkpoint->poll_url,
                                 checkpoint->worker_id};
    size_t bytes = sizeof *checkpoint;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bytes += texts[i] != NULL ? strlen(texts[i]) + 1 : 0;
    }
    return bytes;
}

size_t job_begin_bytes(const struct job *job)
{
    const struct job_begin *begin = job->begin;
    if (begin == NULL) {
        return 0;
    }
    return sizeof *begin + (begin->value != NULL ? job->value_bytes + 1u : 0) +
           (begin->checkpoint != NULL ? checkpoint_bytes(begin->checkpoint) : 0);
}

void job_put_tags(const struct job *job, struct job_tags *out)
{
    *out = (struct job_tags){.n = job->n_tags};
    memcpy(out->writer, job->tail, job->n_tags * sizeof *out->writer);
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
