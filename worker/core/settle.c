#include "core/settle.h"

#include "engine/awake.h"

#include <string.h>

#define WHY_BYTES 256

/* ---- stages ---- */

static bool has_dead_letter(const struct job *job, const struct settle_config *config)
{
    return job->run.awake->outcome.status == RXP_STATUS_REJECTED && config->dead_letter_topic != NULL;
}

/* Every stage begins whole. */
static void job_set_stage(struct job *job, enum job_stage stage)
{
    job->stage = stage;
    job->alone = false;
    job->shed = ANSWER_WHOLE;
}

static enum job_stage stage_of_result(const struct settle_config *config)
{
    return config->batched ? JOB_READY : JOB_RESULT;
}

static void begin_publishing(struct job *job, const struct settle_config *config)
{
    struct reply reply;
    reply_find(&config->reply, job_envelope(job), &reply);
    job->has_reply = reply.topic != NULL;
    job->reply_refusal = reply.refusal;
    job->reply_partition_ignored = reply.partition_ignored;
    job->sent_bytes = 0;
}

static void next_stage(struct job *job, const struct settle_config *config)
{
    switch (job->stage) {
    case JOB_RUNNING:
        begin_publishing(job, config);
        job->dead_letter = has_dead_letter(job, config);
        if (job->dead_letter && !config->batched) {
            job_set_stage(job, JOB_DEAD_LETTER);
            break;
        }
        /* fall through */
    case JOB_DEAD_LETTER:
        job_set_stage(job, job->has_reply ? JOB_REPLY : stage_of_result(config));
        break;
    case JOB_REPLY:
        job_set_stage(job, stage_of_result(config));
        break;
    case JOB_RESULT:
    case JOB_READY:
        break;
    }
}

/* ---- shedding ---- */

static bool shed_result_more(struct job *job)
{
    if (job->shed == ANSWER_SHED_IDENTITY) {
        return false;
    }
    job->shed = (enum answer_shed)(job->shed + 1);
    return true;
}

/* What it does not have is not worth a try without. */
static bool shed_reply_more(struct job *job)
{
    if (job->shed < ANSWER_SHED_RESULT && job->run.awake->result != NULL) {
        job->shed = ANSWER_SHED_RESULT;
        return true;
    }
    if (job->shed < ANSWER_SHED_HEADERS && envelope_has_headers(job_envelope(job))) {
        job->shed = ANSWER_SHED_HEADERS;
        return true;
    }
    return false;
}

static void give_up_reply(struct job *job, enum reply_refusal refusal, const struct settle_config *config)
{
    job->reply_refusal = refusal;
    next_stage(job, config);
}

/* Makes the job's next level of shedding. False where nothing is left to shed. */
static bool shed_more(struct job *job, const struct settle_config *config)
{
    if (!job->alone) {
        job->alone = true;
        return true;
    }
    if (job->stage == JOB_DEAD_LETTER) {
        job->dead_letter_shed = true;
        next_stage(job, config);
        return true;
    }
    if (job->stage == JOB_REPLY) {
        if (!shed_reply_more(job)) {
            give_up_reply(job, REPLY_TOO_LARGE, config);
        }
        return true;
    }
    return shed_result_more(job);
}

/* Only a reply goes where its sender said, so that there is something to leave out. */
static bool shed_unreachable(struct job *job, const struct settle_config *config)
{
    if (job->stage != JOB_REPLY) {
        return false;
    }
    give_up_reply(job, REPLY_UNREACHABLE, config);
    return true;
}

const char *settle_describe(const struct job *job)
{
    switch (job->shed) {
    case ANSWER_WHOLE:
        if (job->alone && !(job->stage == JOB_READY && job->dead_letter_shed)) {
            return "in a batch of its own";
        }
        /* A reply is sent before them in batches, and behind a dead letter else. */
        return job->dead_letter_shed && (job->stage == JOB_READY || job->reply_refusal < REPLY_UNREACHABLE)
                   ? "without its dead letter"
                   : "without its reply";
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

/* ---- one message at a time ---- */

static enum publisher_send send_stage(struct job *job, struct publisher *publisher, const struct settle_config *config)
{
    char why[WHY_BYTES] = "";
    struct draft draft;
    if (draft_compose(&draft, job, config, job->stage) != 0) {
        return PUBLISHER_FULL;
    }
    job_hand_over(job);
    enum publisher_send sent = publisher_send(publisher, &draft.message, why, sizeof why);
    draft_release(&draft, sent == PUBLISHER_SENT);
    return sent;
}

enum settle_sent settle_send(struct job *job, struct publisher *publisher, const struct settle_config *config)
{
    if (job->stage == JOB_RUNNING) {
        next_stage(job, config);
    }
    while (job->stage != JOB_READY) {
        switch (send_stage(job, publisher, config)) {
        case PUBLISHER_SENT:
            return SETTLE_SENT;
        case PUBLISHER_FULL:
            return SETTLE_LATER;
        case PUBLISHER_FATAL:
            return SETTLE_NEVER;
        case PUBLISHER_REFUSED:
            if (!shed_more(job, config)) {
                return SETTLE_NEVER;
            }
            break;
        case PUBLISHER_UNREACHABLE:
            if (!shed_unreachable(job, config)) {
                return SETTLE_NEVER;
            }
            break;
        }
    }
    return SETTLE_READY;
}

enum settle_next settle_delivered(struct job *job, enum delivery delivery, const struct settle_config *config)
{
    switch (delivery) {
    case DELIVERY_ACKNOWLEDGED:
        if (job->stage == JOB_RESULT) {
            return SETTLE_DONE;
        }
        next_stage(job, config);
        return SETTLE_AGAIN;
    case DELIVERY_REFUSED:
        return shed_more(job, config) ? SETTLE_AGAIN : SETTLE_UNSENDABLE;
    case DELIVERY_UNREACHABLE:
        return shed_unreachable(job, config) ? SETTLE_AGAIN : SETTLE_UNSENDABLE;
    case DELIVERY_LOST:
        return SETTLE_LOST;
    }
    return SETTLE_LOST;
}

/* ---- batches ---- */

static enum publisher_send produce_dead_letter(struct job *job, const struct settle_config *config,
                                               settle_produce_fn produce, void *opaque)
{
    struct draft draft;
    if (draft_compose(&draft, job, config, JOB_DEAD_LETTER) != 0) {
        return PUBLISHER_FULL;
    }
    enum publisher_send sent = produce(&draft.message, opaque);
    draft_release(&draft, sent == PUBLISHER_SENT);
    return sent;
}

static size_t count_bytes(const struct publisher_message *message)
{
    size_t total = message->key_bytes + message->value_bytes;
    const char *name;
    const void *value;
    size_t bytes;
    for (size_t i = 0; rd_kafka_header_get_all(message->headers, i, &name, &value, &bytes) == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++) {
        total += strlen(name) + bytes;
    }
    return total;
}

/* As it will fit, as far as is known; that may be in vain. */
static int compose_fitting(struct draft *draft, struct job *job, const struct settle_config *config, const struct fit *fit)
{
    if (draft_compose(draft, job, config, JOB_RESULT) != 0) {
        return -1;
    }
    job->sent_bytes = (uint32_t)count_bytes(&draft->message);
    if (job->shed < ANSWER_SHED_RESULT && job->run.awake->result != NULL && fit_is_too_large(fit, job->sent_bytes)) {
        draft_release(draft, false);
        job->shed = ANSWER_SHED_RESULT;
        job->alone = false;
        job->guessed = true;
        if (draft_compose(draft, job, config, JOB_RESULT) != 0) {
            return -1;
        }
        job->sent_bytes = (uint32_t)count_bytes(&draft->message);
    }
    draft->message.alone = job->alone;
    return 0;
}

static enum publisher_send produce_result(struct job *job, const struct settle_config *config, const struct fit *fit,
                                          settle_produce_fn produce, void *opaque)
{
    struct draft draft;
    if (compose_fitting(&draft, job, config, fit) != 0) {
        return PUBLISHER_FULL;
    }
    enum publisher_send sent = produce(&draft.message, opaque);
    draft_release(&draft, sent == PUBLISHER_SENT);
    return sent;
}

void settle_measure(struct job *job, const struct settle_config *config)
{
    struct draft draft;
    if (job->sent_bytes != 0 || draft_compose(&draft, job, config, JOB_RESULT) != 0) {
        return;
    }
    job->sent_bytes = (uint32_t)count_bytes(&draft.message);
    draft_release(&draft, false);
}

static bool is_refusal(enum publisher_send sent)
{
    return sent == PUBLISHER_REFUSED || sent == PUBLISHER_UNREACHABLE;
}

enum publisher_send settle_produce(struct job *job, const struct settle_config *config, const struct fit *fit,
                                   settle_produce_fn produce, void *opaque)
{
    enum publisher_send dead_letter = PUBLISHER_SENT;
    job->refused = false;
    if (job->dead_letter && !job->dead_letter_shed) {
        dead_letter = produce_dead_letter(job, config, produce, opaque);
        if (dead_letter != PUBLISHER_SENT && !is_refusal(dead_letter)) {
            return dead_letter;
        }
    }
    enum publisher_send result = produce_result(job, config, fit, produce, opaque);
    return result == PUBLISHER_SENT && dead_letter != PUBLISHER_SENT ? dead_letter : result;
}

bool settle_refused(struct job *job)
{
    if (job->refused) {
        return true;
    }
    job->refused = true;
    if (!job->alone) {
        job->alone = true;
        return true;
    }
    /* Which of the two it was is not known; the dead letter is the larger one, being all of the input. */
    if (job->dead_letter && !job->dead_letter_shed) {
        job->dead_letter_shed = true;
        return true;
    }
    return shed_result_more(job);
}
