#include "core/draft.h"

#include "engine/awake.h"
#include "engine/trace_context.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int put_header(rd_kafka_headers_t *headers, const char *name, const char *value)
{
    return rd_kafka_header_add(headers, name, -1, value, -1) == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : -1;
}

static bool is_among(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* What is said of a run belongs to the run's own span; tracestate goes along as it came. It is shed with the copied headers. */
static bool has_own_trace(const struct job *job, enum job_stage stage)
{
    return stage != JOB_DEAD_LETTER && job->run.awake->trace != NULL && job->shed < ANSWER_SHED_HEADERS;
}

static bool is_copied(const char *name, const struct job *job, enum job_stage stage)
{
    if (job->shed >= ANSWER_SHED_HEADERS && (stage != JOB_REPLY || !reply_is_correlation(name))) {
        return false;
    }
    if (has_own_trace(job, stage) && strcmp(name, TRACE_PARENT_HEADER) == 0) {
        return false;
    }
    size_t n_dropped;
    const char *const *dropped = reply_dropped_headers(&n_dropped);
    return stage != JOB_REPLY || !is_among(name, dropped, n_dropped);
}

/* The input's own headers, unless they were shed, in their order; a name of the worker's own is replaced, not doubled. NULL for
 * want of memory. */
static rd_kafka_headers_t *copy_headers(const struct job *job, enum job_stage stage, const char *const *own, size_t n_own)
{
    struct envelope_header header;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    for (size_t at = 0; headers != NULL && envelope_next(job_envelope(job), &at, &header);) {
        if (is_copied(header.name, job, stage) && !is_among(header.name, own, n_own) &&
            rd_kafka_header_add(headers, header.name, -1, header.value, (ssize_t)header.value_bytes) !=
                RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_headers_destroy(headers);
            headers = NULL;
        }
    }
    return headers;
}

static int put_trace(rd_kafka_headers_t *headers, const struct job *job, enum job_stage stage)
{
    char parent[TRACE_PARENT_BYTES];
    if (!has_own_trace(job, stage)) {
        return 0;
    }
    trace_context_write_own(job->run.awake->trace, parent);
    return put_header(headers, TRACE_PARENT_HEADER, parent);
}

/* Of the reply, of the result and of progress. */
static rd_kafka_headers_t *answer_headers(const struct job *job, enum job_stage stage, enum rxp_status status, const char *id)
{
    static const char *const own[] = {"rxp-invocation-id", "rxp-status", "content-type"};
    rd_kafka_headers_t *headers = copy_headers(job, stage, own, 3);
    if (headers == NULL) {
        return NULL;
    }
    if (put_trace(headers, job, stage) != 0 ||
        put_header(headers, own[0], id) != 0 ||
        put_header(headers, own[1], rxp_status_name(status)) != 0 ||
        put_header(headers, own[2], "application/json") != 0) {
        rd_kafka_headers_destroy(headers);
        return NULL;
    }
    return headers;
}

static rd_kafka_headers_t *dead_letter_headers(const struct job *job)
{
    static const char *const own[] = {"rxp-source-topic", "rxp-source-partition", "rxp-source-offset",
                                      "rxp-error-code", "rxp-error-summary"};
    char partition[12];
    char offset[24];
    snprintf(partition, sizeof partition, "%" PRId32, job->ref.assignment->partition);
    snprintf(offset, sizeof offset, "%" PRId64, job->ref.offset);
    const char *code = rxp_error_name(job->run.awake->outcome.error);
    const char *summary = job->run.awake->outcome.summary;
    const char *const values[] = {job->ref.assignment->topic, partition, offset, code != NULL ? code : "",
                                  summary != NULL ? summary : ""};
    rd_kafka_headers_t *headers = copy_headers(job, JOB_DEAD_LETTER, own, 5);
    for (size_t i = 0; headers != NULL && i < 5; i++) {
        if (put_header(headers, own[i], values[i]) != 0) {
            rd_kafka_headers_destroy(headers);
            headers = NULL;
        }
    }
    return headers;
}

static void compose_dead_letter(struct draft *draft, const struct job *job, const struct settle_config *config)
{
    draft->message.topic = config->dead_letter_topic;
    draft->message.key = envelope_key(job_envelope(job), &draft->message.key_bytes);
    const char *value = job->begin != NULL ? job->begin->value : NULL;
    draft->message.value = value;
    draft->message.value_bytes = value != NULL ? job->value_bytes : 0;
    draft->message.headers = dead_letter_headers(job);
}

static void compose_answer(struct draft *draft, const struct job *job, const struct settle_config *config,
                           enum job_stage stage)
{
    const struct answer_context context = {
        .worker_id = config->worker_id,
        .source = {job->ref.assignment->topic, job->ref.assignment->partition, job->ref.offset},
        .shed = job->shed,
        .dead_letter_shed = job->dead_letter_shed,
        .reply_shed = job->reply_refusal != REPLY_TAKEN,
        .reply_partition_shed = job->reply_partition_ignored,
    };
    const char *id = answer_id(&job->run, &context, draft->id);
    draft->message.topic = config->results_topic;
    draft->message.key = envelope_key(job_envelope(job), &draft->message.key_bytes);
    if (stage == JOB_REPLY) {
        /* The request's key, and none where it had none, whatever results-key says: the requester reads keys as what it
         * writes. */
        struct reply reply; /* found again: what it was found by does not change */
        reply_find(&config->reply, job_envelope(job), &reply);
        draft->message.topic = reply.topic;
        draft->message.partition = reply.partition;
        draft->message.optional = true;
    } else if (config->key_by_id || draft->message.key == NULL || job->shed >= ANSWER_SHED_IDENTITY) {
        draft->message.key = id;
        draft->message.key_bytes = strlen(id);
    }
    draft->message.headers = answer_headers(job, stage, job->run.awake->outcome.status, id);
    draft->text = answer_write(&job->run, &context, &draft->message.value_bytes);
    draft->message.value = draft->text;
}

int draft_compose(struct draft *draft, struct job *job, const struct settle_config *config, enum job_stage stage)
{
    draft->text = NULL;
    draft->message = (struct publisher_message){.partition = -1, .alone = job->alone, .opaque = job};
    bool dead_letter = stage == JOB_DEAD_LETTER;
    if (dead_letter) {
        compose_dead_letter(draft, job, config);
    } else {
        compose_answer(draft, job, config, stage);
    }
    if (draft->message.headers == NULL || (draft->text == NULL && !dead_letter)) {
        draft_release(draft, false);
        return -1;
    }
    return 0;
}

int draft_compose_running(struct draft *draft, const struct job *job, const struct settle_config *config, const char *topic,
                          int64_t now_wall_ms)
{
    const struct answer_context context = {
        .worker_id = config->worker_id,
        .source = {job->ref.assignment->topic, job->ref.assignment->partition, job->ref.offset},
    };
    draft->message = (struct publisher_message){.topic = topic, .partition = -1};
    draft->message.key = envelope_key(job_envelope(job), &draft->message.key_bytes);
    const char *id = answer_id(&job->run, &context, draft->id);
    if (config->key_by_id || draft->message.key == NULL) {
        draft->message.key = id;
        draft->message.key_bytes = strlen(id);
    }
    draft->message.headers = answer_headers(job, JOB_RESULT, RXP_STATUS_RUNNING, id);
    draft->text = answer_write_running(&job->run, &context, now_wall_ms, &draft->message.value_bytes);
    draft->message.value = draft->text;
    if (draft->message.headers == NULL || draft->text == NULL) {
        draft_release(draft, false);
        return -1;
    }
    return 0;
}

void draft_release(struct draft *draft, bool headers_taken)
{
    if (!headers_taken && draft->message.headers != NULL) {
        rd_kafka_headers_destroy(draft->message.headers);
    }
    draft->message.headers = NULL;
    free(draft->text);
    draft->text = NULL;
}
