#include "core/settle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_BYTES 256

static struct answer_context context_of(const struct job *job, const struct settle_config *config)
{
    return (struct answer_context){
        .worker_id = config->worker_id,
        .source = {job->ref.assignment->topic, job->ref.assignment->partition, job->ref.offset},
        .shed = job->shed,
        .dead_letter_shed = job->dead_letter_shed,
    };
}

static int put_header(rd_kafka_headers_t *headers, const char *name, const char *value)
{
    return rd_kafka_header_add(headers, name, -1, value, -1) == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : -1;
}

/* The input's own headers, unless they were shed; a name of the worker's own is replaced, not doubled. */
static rd_kafka_headers_t *copy_headers(const struct job *job, const char *const *own, size_t n_own)
{
    if (job->headers == NULL || job->shed >= ANSWER_SHED_HEADERS) {
        return rd_kafka_headers_new(8);
    }
    rd_kafka_headers_t *headers = rd_kafka_headers_copy(job->headers);
    for (size_t i = 0; headers != NULL && i < n_own; i++) {
        rd_kafka_header_remove(headers, own[i]);
    }
    return headers;
}

static rd_kafka_headers_t *result_headers(const struct job *job, const char *id)
{
    static const char *const own[] = {"rxp-invocation-id", "rxp-status", "content-type"};
    rd_kafka_headers_t *headers = copy_headers(job, own, 3);
    if (headers == NULL || put_header(headers, own[0], id) != 0 ||
        put_header(headers, own[1], rxp_status_name(job->run.outcome.status)) != 0 ||
        put_header(headers, own[2], "application/json") != 0) {
        goto fail;
    }
    return headers;
fail:
    if (headers != NULL) {
        rd_kafka_headers_destroy(headers);
    }
    return NULL;
}

static rd_kafka_headers_t *dead_letter_headers(const struct job *job)
{
    static const char *const own[] = {"rxp-source-topic", "rxp-source-partition", "rxp-source-offset",
                                      "rxp-error-code", "rxp-error-summary"};
    char partition[12];
    char offset[24];
    snprintf(partition, sizeof partition, "%" PRId32, job->ref.assignment->partition);
    snprintf(offset, sizeof offset, "%" PRId64, job->ref.offset);
    const char *code = rxp_error_name(job->run.outcome.error);
    const char *summary = job->run.outcome.summary;
    const char *const values[] = {job->ref.assignment->topic, partition, offset, code != NULL ? code : "",
                                  summary != NULL ? summary : ""};
    rd_kafka_headers_t *headers = copy_headers(job, own, 5);
    for (size_t i = 0; headers != NULL && i < 5; i++) {
        if (put_header(headers, own[i], values[i]) != 0) {
            rd_kafka_headers_destroy(headers);
            headers = NULL;
        }
    }
    return headers;
}

/* Makes the job's next level of shedding. False where nothing is left to shed. */
static bool shed_more(struct job *job)
{
    if (!job->alone) {
        job->alone = true;
        return true;
    }
    if (job->stage == JOB_DEAD_LETTER) {
        job->dead_letter_shed = true;
        job->stage = JOB_RESULT;
        job->alone = false;
        return true;
    }
    if (job->shed == ANSWER_SHED_IDENTITY) {
        return false;
    }
    job->shed = (enum answer_shed)(job->shed + 1);
    return true;
}

static enum publisher_send send_dead_letter(struct job *job, struct publisher *publisher,
                                            const struct settle_config *config, char *why)
{
    struct publisher_message message = {
        .topic = config->dead_letter_topic,
        .partition = -1,
        .alone = job->alone,
        .key = job->key,
        .key_bytes = job->key_bytes,
        .value = job->value,
        .value_bytes = job->value_bytes,
        .headers = dead_letter_headers(job),
        .opaque = job,
    };
    if (message.headers == NULL) {
        return PUBLISHER_FULL;
    }
    job_hand_over(job);
    enum publisher_send sent = publisher_send(publisher, &message, why, WHY_BYTES);
    if (sent != PUBLISHER_SENT) {
        rd_kafka_headers_destroy(message.headers);
    }
    return sent;
}

static enum publisher_send send_result(struct job *job, struct publisher *publisher,
                                       const struct settle_config *config, char *why)
{
    const struct answer_context context = context_of(job, config);
    char room[ANSWER_ID_BYTES];
    const char *id = answer_id(&job->run, &context, room);
    bool key_by_id = config->key_by_id || job->key == NULL || job->shed >= ANSWER_SHED_IDENTITY;
    struct publisher_message message = {
        .topic = config->results_topic,
        .partition = -1,
        .alone = job->alone,
        .key = key_by_id ? id : job->key,
        .key_bytes = key_by_id ? strlen(id) : job->key_bytes,
        .headers = result_headers(job, id),
        .opaque = job,
    };
    char *text = answer_write(&job->run, &context, &message.value_bytes);
    message.value = text;
    enum publisher_send sent = PUBLISHER_FULL;
    if (text != NULL && message.headers != NULL) {
        job_hand_over(job);
        sent = publisher_send(publisher, &message, why, WHY_BYTES);
    }
    if (sent != PUBLISHER_SENT && message.headers != NULL) {
        rd_kafka_headers_destroy(message.headers);
    }
    free(text);
    return sent;
}

enum settle_sent settle_send(struct job *job, struct publisher *publisher, const struct settle_config *config)
{
    if (job->stage == JOB_RUNNING) {
        bool rejected = job->run.outcome.status == RXP_STATUS_REJECTED;
        job->stage = rejected && config->dead_letter_topic != NULL ? JOB_DEAD_LETTER : JOB_RESULT;
    }
    for (;;) {
        char why[WHY_BYTES] = "";
        enum publisher_send sent = job->stage == JOB_DEAD_LETTER ? send_dead_letter(job, publisher, config, why)
                                                                 : send_result(job, publisher, config, why);
        switch (sent) {
        case PUBLISHER_SENT:
            return SETTLE_SENT;
        case PUBLISHER_FULL:
            return SETTLE_LATER;
        case PUBLISHER_FATAL:
            return SETTLE_NEVER;
        case PUBLISHER_REFUSED:
        case PUBLISHER_UNREACHABLE:
            if (!shed_more(job)) {
                return SETTLE_NEVER;
            }
            break;
        }
    }
}

const char *settle_describe(const struct job *job)
{
    switch (job->shed) {
    case ANSWER_WHOLE:
        return job->dead_letter_shed && job->stage == JOB_RESULT && !job->alone ? "without its dead letter"
                                                                                : "in a batch of its own";
    case ANSWER_SHED_RESULT:
        return "without http.result";
    case ANSWER_SHED_HEADERS:
        return "without the input's headers";
    case ANSWER_SHED_ECHO:
        return "without the invocation's metadata";
    case ANSWER_SHED_IDENTITY:
        return "without its key and long names";
    }
    return "";
}

enum settle_next settle_delivered(struct job *job, enum delivery delivery)
{
    switch (delivery) {
    case DELIVERY_ACKNOWLEDGED:
        if (job->stage == JOB_RESULT) {
            return SETTLE_DONE;
        }
        job->stage = JOB_RESULT;
        job->alone = false;
        return SETTLE_AGAIN;
    case DELIVERY_REFUSED:
    case DELIVERY_UNREACHABLE:
        return shed_more(job) ? SETTLE_AGAIN : SETTLE_UNSENDABLE;
    case DELIVERY_LOST:
        return SETTLE_LOST;
    }
    return SETTLE_LOST;
}
