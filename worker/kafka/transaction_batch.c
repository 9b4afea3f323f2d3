#include "kafka/transaction_inside.h"

#include "base/clock.h"
#include "kafka/client_end.h"
#include "kafka/refusal.h"
#include "kafka/topic_watch.h"
#include "ops/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE_MS = 100, FIRST_REST_MS = 100, MOST_REST_MS = 5000, LEAST_CALL_MS = 1000, ABORT_MS = 3000, STOP_ABORT_MS = 500, LATE_MS = 2000,
       MISSING_MS = 30000, MOST_DAMAGED = 3 };

static void make_room(void **list, size_t *room, size_t n, size_t element_bytes)
{
    if (n < *room)
        return;
    *room = *room == 0 ? 64 : *room * 2;
    void *grown = realloc(*list, *room * element_bytes);
    if (grown == NULL)
        abort(); /* a batch half remembered would be worse */
    *list = grown;
}

void batch_forget(struct batch *batch)
{
    if (batch->offsets != NULL)
        rd_kafka_topic_partition_list_destroy(batch->offsets);
    if (batch->group != NULL)
        rd_kafka_consumer_group_metadata_destroy(batch->group);
    free(batch->refused.list);
    free(batch->unreachable.list);
    free(batch->sent);
    *batch = (struct batch){.number = batch->number};
}

static int64_t open_for_ms(const struct batch *batch)
{
    return clock_mono_ms() - batch->begun_ms;
}

static bool has_refused(const struct batch *batch)
{
    return batch->refused.n + batch->unreachable.n > 0;
}

static void put(struct refused *refused, void *message_opaque)
{
    void *list = refused->list;
    make_room(&list, &refused->room, refused->n, sizeof *refused->list);
    refused->list = list;
    refused->list[refused->n++] = message_opaque;
}

static bool is_unreachable(rd_kafka_resp_err_t err, bool optional)
{
    return err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || (optional && refusal_is_of_topic(err));
}

static bool is_of_size(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || err == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           err == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE;
}

/* Whether the error is this message's alone, and then noted. */
static enum publisher_send refuse(struct batch *batch, const struct sent *sent, const char *topic, size_t bytes,
                                  rd_kafka_resp_err_t err)
{
    char why[TOPIC_WATCH_WHY_BYTES];
    enum publisher_send kind = is_unreachable(err, sent->optional) ? PUBLISHER_UNREACHABLE
                               : refusal_is_of_message(err)        ? PUBLISHER_REFUSED
                                                                   : PUBLISHER_SENT;
    if (kind == PUBLISHER_SENT)
        return kind;
    if (!has_refused(batch)) {
        topic_watch_sentence(topic, err, why);
        if (kind == PUBLISHER_UNREACHABLE)
            snprintf(batch->reason, sizeof batch->reason, "%s", why);
        else
            snprintf(batch->reason, sizeof batch->reason, "topic '%.249s' does not take a message of %zu bytes: %s", topic,
                     bytes, rd_kafka_err2str(err));
    }
    if (kind == PUBLISHER_REFUSED)
        batch->is_too_large = is_of_size(err) && (batch->refused.n == 0 || batch->is_too_large);
    put(kind == PUBLISHER_REFUSED ? &batch->refused : &batch->unreachable, sent->opaque);
    return kind;
}

static void note_failure(struct batch *batch, const char *topic, rd_kafka_resp_err_t err)
{
    if (batch->failed != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    batch->failed = err;
    snprintf(batch->failed_topic, sizeof batch->failed_topic, "%s", topic);
}

/* ---- messages ---- */

void transaction_spoil(struct transaction *transaction)
{
    note_failure(&transaction->batch, "", RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE);
}

static void *opaque_of(const struct batch *batch, size_t i)
{
    return (void *)(uintptr_t)((uint64_t)batch->number << 32 | i);
}

void batch_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct transaction *transaction = opaque;
    struct batch *batch = &transaction->batch;
    uint64_t place = (uintptr_t)message->_private;
    const char *topic = rd_kafka_topic_name(message->rkt);
    rd_kafka_resp_err_t err = message->err;
    (void)rk;
    if (place >> 32 != batch->number || (place & UINT32_MAX) >= batch->n_sent)
        return;
    struct sent *sent = &batch->sent[place & UINT32_MAX];
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR && rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_PERSISTED)
        err = RD_KAFKA_RESP_ERR__FAIL;
    /* What is purged was not refused: the transaction had failed. */
    if (err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        return;
    sent->is_over = true;
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    bool may_pass = refusal_may_pass(err) && transaction->n_damaged < MOST_DAMAGED;
    bool is_refused = !may_pass && refuse(batch, sent, topic, message->len, err) != PUBLISHER_SENT;
    if (!is_refused)
        note_failure(batch, topic, err);
    else if (is_of_size(err))
        sets_note(transaction, message, sent->alone);
    batch->has_gap = batch->has_gap || is_refused || may_pass;
}

/* No call tells that librdkafka has given the transaction up; but then it takes no message, not even none at all. */
static bool has_died(rd_kafka_t *rk)
{
    rd_kafka_error_t *error = rd_kafka_produceva(rk, NULL, 0);
    bool died = rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__STATE;
    rd_kafka_error_destroy(error);
    return died;
}

/* Until every message is reported, or the batch is to be given up anyway: then librdkafka may keep what is left until it is too
 * late for it. What it died of is reported a moment later, if it was a message. True where every message is reported. */
static bool flush(struct transaction *transaction, struct batch *batch)
{
    while (rd_kafka_flush(transaction->rk, SLICE_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (!transaction_goes_on(transaction) || open_for_ms(batch) > transaction->timeout_ms + LATE_MS ||
            has_refused(batch) || batch->failed != RD_KAFKA_RESP_ERR_NO_ERROR || batch->has_died)
            return false;
        batch->has_died = has_died(transaction->rk);
        batch->is_broken = batch->is_broken || batch->has_died;
    }
    return true;
}

static bool can_go_on(struct transaction *transaction, const struct batch *batch)
{
    return transaction_goes_on(transaction) && !batch->is_broken && batch->failed == RD_KAFKA_RESP_ERR_NO_ERROR &&
           open_for_ms(batch) < transaction->timeout_ms;
}

static enum publisher_send send_one(struct transaction *transaction, struct batch *batch,
                                    const struct publisher_message *message)
{
    void *list = batch->sent;
    make_room(&list, &batch->sent_room, batch->n_sent, sizeof *batch->sent);
    batch->sent = list;
    batch->sent[batch->n_sent++] =
        (struct sent){.opaque = message->opaque, .optional = message->optional, .alone = message->alone};
    void *opaque = opaque_of(batch, batch->n_sent - 1);

    rd_kafka_resp_err_t err = producer_send(transaction->rk, message, opaque);
    while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL && can_go_on(transaction, batch)) {
        rd_kafka_poll(transaction->rk, SLICE_MS);
        err = producer_send(transaction->rk, message, opaque);
    }
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return PUBLISHER_SENT;
    enum publisher_send kind = refuse(batch, &batch->sent[--batch->n_sent], message->topic, message->value_bytes, err);
    if (kind != PUBLISHER_SENT)
        return kind;
    if (refusal_is_of_topic(err))
        note_failure(batch, message->topic, err);
    batch->is_broken = true; /* why, the next call for the transaction tells */
    return PUBLISHER_FATAL;
}

/* Its offsets would say of the others, too, that their results were written. */
static enum publisher_send cut(struct batch *batch)
{
    batch->is_cut = true;
    return PUBLISHER_FATAL;
}

enum publisher_send transaction_produce(struct transaction *transaction, const struct publisher_message *message)
{
    struct batch *batch = &transaction->batch;
    if (batch->is_closed || !can_go_on(transaction, batch))
        return cut(batch);
    if (message->optional) {
        rd_kafka_resp_err_t err = optional_topic_fault(transaction, message->topic, message->partition);
        struct sent would_be = {.opaque = message->opaque, .optional = true};
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return refuse(batch, &would_be, message->topic, message->value_bytes, err);
    }
    /* With what is not answered it could share a request. */
    if (message->alone && (!flush(transaction, batch) || !can_go_on(transaction, batch)))
        return cut(batch);
    enum publisher_send result = send_one(transaction, batch, message);
    if (message->alone && result == PUBLISHER_SENT)
        batch->is_closed = !flush(transaction, batch);
    return result;
}

/* ---- the steps of a batch ---- */

/* Optional messages that may be why a topic was refused: brokers and librdkafka name it in their texts alone. */
static void refuse_optional(struct batch *batch, rd_kafka_resp_err_t err)
{
    for (size_t i = 0; i < batch->n_sent; i++) {
        const struct sent *sent = &batch->sent[i];
        if (!sent->optional || sent->is_over)
            continue;
        if (!has_refused(batch))
            snprintf(batch->reason, sizeof batch->reason, "a topic of optional messages is not to be written to: %s",
                     rd_kafka_err2str(err));
        put(sent->alone ? &batch->unreachable : &batch->refused, sent->opaque);
        batch->is_too_large = false;
    }
}

static enum remedy remedy_of(struct transaction *transaction, struct batch *batch, rd_kafka_error_t *error)
{
    char why[TRANSACTION_WHY_BYTES];
    if (refusal_is_of_topic(rd_kafka_error_code(error)) && !rd_kafka_error_is_fatal(error) && !has_refused(batch))
        refuse_optional(batch, rd_kafka_error_code(error));
    if (has_refused(batch) && !rd_kafka_error_is_fatal(error)) {
        rd_kafka_error_destroy(error);
        return REMEDY_ABORT;
    }
    enum remedy remedy = producer_remedy(transaction, error, why);
    if (!has_refused(batch) && batch->reason[0] == '\0')
        snprintf(batch->reason, sizeof batch->reason, "%s", why);
    return remedy;
}

static void produce_all(struct transaction *transaction, struct batch *batch)
{
    pthread_mutex_lock(&transaction->lock);
    bool may = !atomic_load(&transaction->stop);
    transaction->is_producing = may;
    pthread_mutex_unlock(&transaction->lock);
    if (may && transaction->hooks.produce != NULL)
        transaction->hooks.produce(transaction, batch->opaque, transaction->hooks.opaque);
    pthread_mutex_lock(&transaction->lock);
    transaction->is_producing = false;
    pthread_cond_broadcast(&transaction->changed);
    pthread_mutex_unlock(&transaction->lock);
    if (batch->n_sent > 0)
        flush(transaction, batch);
}

/* False where the batch has to be given up, for the reason that it then holds. */
static bool fill(struct transaction *transaction, struct batch *batch)
{
    produce_all(transaction, batch);
    if (has_refused(batch) || !transaction_goes_on(transaction))
        return false;
    if (batch->failed != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (refusal_is_of_topic(batch->failed))
            topic_watch_sentence(batch->failed_topic, batch->failed, batch->reason);
        else
            snprintf(batch->reason, sizeof batch->reason, "a message to topic '%s' was not delivered: %s", batch->failed_topic,
                     rd_kafka_err2str(batch->failed));
        return false;
    }
    if (batch->is_broken || (rd_kafka_outq_len(transaction->rk) == 0 && !batch->is_cut))
        return true;
    batch->is_late = batch->is_cut;
    snprintf(batch->reason, sizeof batch->reason, batch->is_cut ? "its messages could not all be written in %lld s"
                                                                : "the brokers have not taken its messages in %lld s",
             (long long)open_for_ms(batch) / 1000);
    return false;
}

/* NULL once the offsets are part of the transaction. */
static rd_kafka_error_t *send_offsets(struct transaction *transaction, const struct batch *batch)
{
    rd_kafka_error_t *error = NULL;
    for (;;) {
        int64_t left_ms = transaction->timeout_ms - open_for_ms(batch);
        if (left_ms < LEAST_CALL_MS)
            left_ms = LEAST_CALL_MS;
        error = rd_kafka_send_offsets_to_transaction(transaction->rk, batch->offsets, batch->group, (int)left_ms);
        if (error == NULL || !rd_kafka_error_is_retriable(error) || rd_kafka_error_txn_requires_abort(error) ||
            open_for_ms(batch) > transaction->timeout_ms || !transaction_rest(transaction, SLICE_MS))
            return error;
        rd_kafka_error_destroy(error);
    }
}

static void note_committed(struct transaction *transaction, struct batch *batch)
{
    batch->outcome = TRANSACTION_COMMITTED;
    batch->reason[0] = '\0';
    committed_note(transaction, batch->offsets);
    transaction->rest_ms = 0;
    transaction->topics_missing_since_ms = CLOCK_NEVER;
}

/* Nobody said whether the commit came through: a new producer of this id ends it one way or the other, and then the group's
 * offsets tell. */
static void find_out(struct transaction *transaction, struct batch *batch)
{
    log_event(LOG_WARN, "transaction_unknown", "whether a batch was committed is not known (%s): the group's offsets will tell",
              batch->reason);
    producer_drop(transaction, CLIENT_END_MS);
    enum group_verdict verdict;
    if (producer_ready(transaction) != 0 || !committed_judge(transaction, batch->offsets, &verdict))
        return;
    batch->outcome = TRANSACTION_ABORTED;
    if (verdict == GROUP_HAS_OURS)
        note_committed(transaction, batch);
    batch->generation_old = verdict == GROUP_HAS_OTHER;
    log_event(LOG_INFO, "transaction_known", "the batch was %scommitted", verdict == GROUP_HAS_OURS ? "" : "not ");
}

static void commit(struct transaction *transaction, struct batch *batch)
{
    /* Librdkafka recommends -1, for its state's sake, and would then ask again for as long as nobody answers. After an error
     * this producer and its state go anyway. */
    rd_kafka_error_t *error = rd_kafka_commit_transaction(transaction->rk, (int)transaction->timeout_ms);
    if (error == NULL) {
        note_committed(transaction, batch);
        return;
    }
    if (remedy_of(transaction, batch, error) != REMEDY_NONE)
        find_out(transaction, batch);
}

/* Nobody has asked for its commit, so that nothing of it will ever be seen, whether the abort succeeds or not. */
static void give_up(struct transaction *transaction, struct batch *batch, enum remedy remedy)
{
    if (remedy == REMEDY_ABORT || remedy == REMEDY_GENERATION) {
        /* Without a limit it would wait for messages under way for as long as their broker is away. */
        int limit_ms = transaction_goes_on(transaction) ? ABORT_MS : STOP_ABORT_MS;
        rd_kafka_error_t *error = rd_kafka_abort_transaction(transaction->rk, limit_ms);
        char why[TRANSACTION_WHY_BYTES];
        batch->generation_old = remedy == REMEDY_GENERATION;
        if (error != NULL)
            remedy = producer_remedy(transaction, error, why) == REMEDY_NONE ? REMEDY_NONE : REMEDY_REMAKE;
    }
    if (remedy == REMEDY_REMAKE && transaction_goes_on(transaction))
        producer_drop(transaction, CLIENT_END_MS);
    if (remedy != REMEDY_NONE)
        batch->outcome = TRANSACTION_ABORTED;
    if (batch->reason[0] == '\0')
        snprintf(batch->reason, sizeof batch->reason, "the worker is ending");
}

/* A topic that stays missing is the end, as for the publisher. */
static void see_to_topic(struct transaction *transaction, const struct batch *batch)
{
    char why[TOPIC_WATCH_WHY_BYTES];
    if (!refusal_is_of_topic(batch->failed)) {
        transaction->topics_missing_since_ms = CLOCK_NEVER;
        return;
    }
    int64_t now_ms = clock_mono_ms();
    if (transaction->topics_missing_since_ms == CLOCK_NEVER)
        transaction->topics_missing_since_ms = batch->begun_ms;
    topic_watch_sentence(batch->failed_topic, batch->failed, why);
    if (batch->failed == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
        now_ms - transaction->topics_missing_since_ms >= MISSING_MS)
        transaction_fail(transaction, "transactions of '%s' cannot go on: %s", transaction->id, why);
}

/* A batch whose messages were refused needs no rest, nor does the next one: librdkafka does not notice the gap in its numbers
 * before that, and then has to abort it, too. */
static void note_rest(struct transaction *transaction, const struct batch *batch)
{
    bool had_gap = transaction->has_gap;
    transaction->has_gap = batch->has_gap;
    if (batch->outcome == TRANSACTION_COMMITTED || has_refused(batch))
        transaction->n_damaged = 0;
    else if (refusal_may_pass(batch->failed))
        transaction->n_damaged++;
    if (batch->outcome != TRANSACTION_ABORTED || has_refused(batch) || !transaction_goes_on(transaction))
        return;
    /* The brokers are well; but the consumer has to hear of it first. */
    if (batch->generation_old) {
        transaction->rest_ms = FIRST_REST_MS;
        return;
    }
    if (had_gap && !refusal_may_pass(batch->failed)) {
        log_event(LOG_DEBUG, "transaction_gap", "a batch was aborted behind one with refused messages: %s", batch->reason);
        return;
    }
    transaction->rest_ms = transaction->rest_ms == 0 ? FIRST_REST_MS : transaction->rest_ms * 2;
    if (transaction->rest_ms > MOST_REST_MS)
        transaction->rest_ms = MOST_REST_MS;
    log_event(LOG_WARN, "transaction_aborted", "a batch was aborted and is tried again: %s", batch->reason);
}

void batch_run(struct transaction *transaction, struct batch *batch)
{
    enum remedy remedy = REMEDY_ABORT;
    if (!transaction_rest(transaction, transaction->rest_ms) || producer_ready(transaction) != 0 ||
        !committed_learn(transaction, batch->offsets, batch->group))
        return;
    rd_kafka_error_t *error = rd_kafka_begin_transaction(transaction->rk);
    if (error != NULL) {
        remedy = remedy_of(transaction, batch, error);
        /* Nothing is open that an abort could end. */
        give_up(transaction, batch, remedy == REMEDY_NONE ? remedy : REMEDY_REMAKE);
        note_rest(transaction, batch);
        return;
    }
    batch->begun_ms = clock_mono_ms();
    bool is_full = fill(transaction, batch);
    if (is_full) {
        error = send_offsets(transaction, batch);
        if (error != NULL)
            remedy = remedy_of(transaction, batch, error);
    }
    if (is_full && error == NULL && !batch->is_broken && transaction_goes_on(transaction))
        commit(transaction, batch);
    else
        give_up(transaction, batch, remedy);
    sets_learn(transaction, batch);
    if (batch->outcome != TRANSACTION_COMMITTED)
        see_to_topic(transaction, batch);
    note_rest(transaction, batch);
}
