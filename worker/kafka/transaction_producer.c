#include "kafka/transaction_inside.h"

#include "base/clock.h"
#include "kafka/client_end.h"
#include "ops/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { INIT_SLICE_MS = 300, WARN_FIRST_MS = 5000, WARN_MS = 30000, REMAKE_MS = 60000, REMAKE_REST_MS = 200 };
enum { REMAKES = sizeof((struct transaction *)NULL)->remade_ms / sizeof(int64_t) };

static bool is_among(rd_kafka_resp_err_t err, const rd_kafka_resp_err_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == err)
            return true;
    }
    return false;
}

/* Nobody else has this id. So it was the brokers: they raise the epoch of a producer whose transaction they end for being late,
 * as that of a process that slept is. */
static bool is_fenced(rd_kafka_resp_err_t err)
{
    static const rd_kafka_resp_err_t list[] = {
        RD_KAFKA_RESP_ERR__FENCED,
        RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
        RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
    };
    return is_among(err, list, sizeof list / sizeof *list);
}

static bool is_generation(rd_kafka_resp_err_t err)
{
    static const rd_kafka_resp_err_t list[] = {
        RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
        RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
        RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID,
    };
    return is_among(err, list, sizeof list / sizeof *list);
}

/* What has to be granted, or NULL where it is not a matter of rights. */
static const char *missing_right(rd_kafka_resp_err_t err)
{
    static const struct {
        rd_kafka_resp_err_t err;
        const char *right;
    } list[] = {
        {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "Describe and Write on this transactional.id"},
        {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, "IdempotentWrite on the cluster"},
        {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "Read on the group"},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "Read on the input topics, Describe and Write on those of the results"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        if (list[i].err == err)
            return list[i].right;
    }
    return NULL;
}

static bool is_unsupported(rd_kafka_resp_err_t err)
{
    static const rd_kafka_resp_err_t list[] = {
        RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE,
        RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION,
        RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT,
    };
    return is_among(err, list, sizeof list / sizeof *list);
}

/* Ends it where the error is one that no new producer would get over. */
static bool is_the_end(struct transaction *transaction, rd_kafka_resp_err_t err, const char *text)
{
    const char *right = missing_right(err);
    if (right != NULL)
        transaction_fail(transaction, "the brokers do not allow transactions with the transactional.id '%s' (%s): grant this user "
                         "%s", transaction->id, text, right);
    else if (is_unsupported(err))
        transaction_fail(transaction, "the brokers cannot do transactions (transactional.id '%s': %s): exactly-once needs Kafka 2.5 "
                         "or later; use another, or at-least-once", transaction->id, text);
    else if (err == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE)
        transaction_fail(transaction, "the brokers do not take the metadata of the offsets that transactions of '%s' commit, which says "
                         "what is done beyond them (%s): raise their offset.metadata.max.bytes to 4096", transaction->id, text);
    else if (err == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT)
        transaction_fail(transaction, "the brokers do not allow a transaction.timeout.ms of %lld (transactional.id '%s'): lower it, "
                         "or raise their transaction.max.timeout.ms", (long long)transaction->timeout_ms, transaction->id);
    else
        return false;
    return true;
}

enum remedy producer_remake(struct transaction *transaction, const char *why)
{
    int64_t now_ms = clock_mono_ms();
    int64_t *oldest_ms = &transaction->remade_ms[transaction->n_remade % REMAKES];
    if (transaction->n_remade >= REMAKES && now_ms - *oldest_ms < REMAKE_MS) {
        transaction_fail(transaction, "the transactional producer '%s' cannot go on, though it was made anew %d times within a "
                         "minute: %s; see the brokers' logs", transaction->id, (int)REMAKES, why);
        return REMEDY_NONE;
    }
    *oldest_ms = now_ms;
    transaction->n_remade++;
    log_event(LOG_WARN, "transaction_remade", "the transactional producer '%s' is made anew: %s", transaction->id, why);
    return REMEDY_REMAKE;
}

enum remedy producer_remedy(struct transaction *transaction, rd_kafka_error_t *error, char why[TRANSACTION_WHY_BYTES])
{
    rd_kafka_resp_err_t err = rd_kafka_error_code(error);
    bool is_fatal = rd_kafka_error_is_fatal(error) || err == RD_KAFKA_RESP_ERR__FATAL;
    char fatal_text[400] = "";
    const char *text = rd_kafka_error_string(error);
    if (is_fatal) {
        rd_kafka_resp_err_t cause = rd_kafka_fatal_error(transaction->rk, fatal_text, sizeof fatal_text);
        err = cause != RD_KAFKA_RESP_ERR_NO_ERROR ? cause : err;
        text = fatal_text[0] != '\0' ? fatal_text : text;
    }
    snprintf(why, TRANSACTION_WHY_BYTES, "%.400s (%s)", text, rd_kafka_err2name(err));
    rd_kafka_error_destroy(error);
    if (is_the_end(transaction, err, why))
        return REMEDY_NONE;
    if (is_generation(err))
        return REMEDY_GENERATION;
    return is_fatal || is_fenced(err) ? producer_remake(transaction, why) : REMEDY_ABORT;
}

int producer_make(struct transaction *transaction, char *why, size_t why_bytes)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(transaction->conf);
    transaction->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, why_bytes);
    if (transaction->rk != NULL)
        return 0;
    rd_kafka_conf_destroy(conf);
    return -1;
}

rd_kafka_resp_err_t producer_send(rd_kafka_t *rk, const struct publisher_message *message, void *opaque)
{
    /* The casts take const away for an interface that is without it; nothing is changed. */
    if (message->headers != NULL)
        return rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(message->topic), RD_KAFKA_V_PARTITION(message->partition),
                                 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                 RD_KAFKA_V_VALUE((void *)message->value, message->value_bytes),
                                 RD_KAFKA_V_KEY((void *)message->key, message->key_bytes),
                                 RD_KAFKA_V_HEADERS(message->headers), RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
    return rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(message->topic), RD_KAFKA_V_PARTITION(message->partition),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_VALUE((void *)message->value, message->value_bytes),
                             RD_KAFKA_V_KEY((void *)message->key, message->key_bytes), RD_KAFKA_V_OPAQUE(opaque),
                             RD_KAFKA_V_END);
}

void producer_drop(struct transaction *transaction, int64_t end_ms)
{
    if (transaction->rk == NULL)
        return;
    /* What it still has is not for a batch to hear of, and a reference to this transaction. */
    rd_kafka_purge(transaction->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    client_end(transaction->rk, clock_mono_ms() + end_ms);
    transaction->rk = NULL;
    transaction->has_id = false;
}

/* One attempt of some moments: has it an id now? */
static bool ask_for_id(struct transaction *transaction, char why[TRANSACTION_WHY_BYTES])
{
    rd_kafka_error_t *error = rd_kafka_init_transactions(transaction->rk, INIT_SLICE_MS);
    if (error == NULL)
        return true;
    if (rd_kafka_error_is_retriable(error)) {
        snprintf(why, TRANSACTION_WHY_BYTES, "%s", rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        return false;
    }
    switch (producer_remedy(transaction, error, why)) {
    case REMEDY_NONE:
        break;
    case REMEDY_REMAKE:
        producer_drop(transaction, CLIENT_END_MS);
        break;
    case REMEDY_ABORT:
    case REMEDY_GENERATION:
        if (producer_remake(transaction, why) == REMEDY_REMAKE)
            producer_drop(transaction, CLIENT_END_MS);
        break;
    }
    return false;
}

int producer_ready(struct transaction *transaction)
{
    char why[TRANSACTION_WHY_BYTES] = "";
    int64_t began_ms = clock_mono_ms();
    int64_t warn_ms = began_ms + WARN_FIRST_MS;
    bool warned = false;
    while (!transaction->has_id) {
        if (!transaction_goes_on(transaction) || transaction_has_failed(transaction))
            return -1;
        if (transaction->rk == NULL && !transaction_rest(transaction, REMAKE_REST_MS))
            return -1;
        /* For want of memory or threads, which may pass. */
        if (transaction->rk == NULL && producer_make(transaction, why, sizeof why) != 0)
            continue;
        transaction->has_id = ask_for_id(transaction, why);
        if (transaction->has_id || clock_mono_ms() < warn_ms)
            continue;
        log_event(LOG_WARN, "transaction_waits", "the transactional producer '%s' has no id since %lld s, and waits: %s",
                  transaction->id, (long long)(clock_mono_ms() - began_ms) / 1000, why);
        warn_ms = clock_mono_ms() + WARN_MS;
        warned = true;
    }
    if (warned)
        log_event(LOG_INFO, "transaction_ready", "the transactional producer '%s' has its id", transaction->id);
    return 0;
}
