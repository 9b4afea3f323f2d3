#include "core/batcher.h"

#include "base/clock.h"
#include "core/pace.h"
#include "core/sieve.h"
#include "engine/awake.h"
#include "kafka/transaction.h"
#include "ops/log.h"
#include "ops/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* More in one transaction would hold it open for long. */
#define BATCH_MAX_JOBS 10000
#define RESULT_BYTES 512 /* of a result without http.result, about */
#define WARN_EVERY_MS 30000

struct batcher {
    struct batcher_config config;
    struct transaction *transaction;
    char transactional_id[64];
    struct list due;
    struct list batch;     /* in the transaction, or to go again before anything else */
    bool is_formed;        /* `batch` is marked done, and is to go (again) */
    rd_kafka_topic_partition_list_t *offsets; /* of the transaction under way */
    struct fit fit; /* the transaction's thread's while a batch is under way */
    struct pace pace;
    size_t batch_bytes; /* as formed */
    int64_t began_ms;
    int64_t guess_told_ms;
    size_t guesses_untold;
    int64_t now_ms; /* of this turn */
};

/* ---- the transaction's thread ---- */

static enum publisher_send produce_message(const struct publisher_message *message, void *opaque)
{
    return transaction_produce(opaque, message);
}

static void on_produce(struct transaction *transaction, void *batch, void *opaque)
{
    struct batcher *batcher = opaque;
    const struct list *jobs = batch;
    enum publisher_send sent = PUBLISHER_SENT;
    for (struct list *node = jobs->next; node != jobs; node = node->next) {
        struct job *job = list_entry(node, struct job, run.node);
        sent = settle_produce(job, batcher->config.settle, &batcher->fit, produce_message, transaction);
        if (sent == PUBLISHER_FULL)
            transaction_spoil(transaction);
        if (sent == PUBLISHER_FULL || sent == PUBLISHER_FATAL)
            break;
    }
    if (sent == PUBLISHER_FATAL) {
        for (struct list *node = jobs->next; node != jobs; node = node->next)
            settle_measure(list_entry(node, struct job, run.node), batcher->config.settle);
    }
}

/* ---- forming ---- */

static bool is_lost(const struct job *job)
{
    return job->ref.assignment->own == NULL;
}

static void drop_lost(struct batcher *batcher, struct list *jobs)
{
    struct list *next;
    for (struct list *node = jobs->next; node != jobs; node = next) {
        next = node->next;
        struct job *job = list_entry(node, struct job, run.node);
        if (is_lost(job)) {
            list_remove(node);
            flight_hand_back(batcher->config.flight, job);
        }
    }
}

/* About what its messages take: a result bears the input's metadata, key and headers, a dead letter all of it. */
static size_t bytes_of(const struct job *job)
{
    const char *result = job->run.awake->result;
    return job->value_bytes + job->envelope_bytes + (result != NULL ? strlen(result) : 0) + RESULT_BYTES;
}

/* Marks what is due as done: from now on it belongs to the batch, come what may. What comes too late for its partition's last
 * commit does not go: its offset would not, and the next owner writes its result. */
static void form(struct batcher *batcher)
{
    size_t n = 0;
    size_t bytes = 0;
    drop_lost(batcher, &batcher->due);
    while (!list_is_empty(&batcher->due) && n < BATCH_MAX_JOBS && bytes < batcher->pace.most_bytes) {
        struct job *job = list_entry(batcher->due.next, struct job, run.node);
        list_remove(&job->run.node);
        const struct job_tags tags = flight_tags(batcher->config.flight, job);
        if (!consumer_done(batcher->config.consumer, &job->ref, tags.writer, tags.n)) {
            flight_hand_back(batcher->config.flight, job);
            continue;
        }
        list_push(&batcher->batch, &job->run.node);
        bytes += bytes_of(job);
        n++;
    }
    batcher->batch_bytes = bytes;
    batcher->is_formed = true;
}

/* Without a member's metadata, or without offsets, it waits: the group is being joined, or was lost. */
static void send_batch(struct batcher *batcher)
{
    drop_lost(batcher, &batcher->batch);
    rd_kafka_consumer_group_metadata_t *group = consumer_group_metadata(batcher->config.consumer);
    rd_kafka_topic_partition_list_t *offsets = group != NULL ? consumer_take_offsets(batcher->config.consumer) : NULL;
    if (offsets == NULL) {
        if (group != NULL)
            rd_kafka_consumer_group_metadata_destroy(group);
        batcher->is_formed = !list_is_empty(&batcher->batch);
        return;
    }
    batcher->began_ms = batcher->now_ms;
    fit_turn(&batcher->fit, batcher->now_ms);
    batcher->offsets = rd_kafka_topic_partition_list_copy(offsets);
    transaction_commit(batcher->transaction, &batcher->batch, offsets, group);
}

/* ---- the outcome ---- */

/* Results that were made smaller before anybody had refused them. */
static void tell_guesses(struct batcher *batcher, const struct job *job)
{
    batcher->guesses_untold++;
    if (batcher->now_ms < batcher->guess_told_ms + WARN_EVERY_MS)
        return;
    log_event(LOG_WARN, "result_shed", "%s [%" PRId32 "] offset %" PRId64 ": its result went without http.result, since the "
              "results topic refused one of %zu bytes (%zu such results since the last such line)",
              job->ref.assignment->topic, job->ref.assignment->partition, job->ref.offset, batcher->fit.refused_bytes,
              batcher->guesses_untold);
    batcher->guess_told_ms = batcher->now_ms;
    batcher->guesses_untold = 0;
}

static void land_all(struct batcher *batcher)
{
    struct list *node;
    if (!list_is_empty(&batcher->batch))
        fit_note_committed(&batcher->fit);
    while ((node = list_shift(&batcher->batch)) != NULL) {
        struct job *job = list_entry(node, struct job, run.node);
        fit_note_accepted(&batcher->fit, job->sent_bytes);
        if (job->guessed)
            tell_guesses(batcher, job);
        flight_land(batcher->config.flight, job);
    }
    batcher->is_formed = false;
}

static void hand_back_all(struct batcher *batcher, struct list *jobs)
{
    struct list *node;
    while ((node = list_shift(jobs)) != NULL)
        flight_hand_back(batcher->config.flight, list_entry(node, struct job, run.node));
}

struct refusal {
    struct flight *flight;
    const char *reason;
};

static void tell_refusal(const struct job *job, void *opaque)
{
    const struct refusal *refusal = opaque;
    flight_tell_refusal(refusal->flight, job, refusal->reason);
}

static void shed(struct batcher *batcher, const struct transaction_settled *settled)
{
    struct refusal told = {batcher->config.flight, settled->reason};
    const struct sieve_refusal refusals[] = {
        {settled->refused, settled->n_refused, settled->too_large, settled->is_parted, batcher->now_ms},
        {settled->unreachable, settled->n_unreachable, false, false, batcher->now_ms},
    };
    struct job *job = NULL;
    for (size_t i = 0; job == NULL && i < 2; i++) {
        if (refusals[i].n_refused > 0)
            job = sieve_refused(&batcher->batch, &refusals[i], &batcher->fit, tell_refusal, &told);
    }
    if (job == NULL)
        return;
    list_remove(&job->run.node);
    flight_give_up(batcher->config.flight, job, settled->reason);
}

static void on_settled(void *batch, const struct transaction_settled *settled, void *opaque)
{
    struct batcher *batcher = opaque;
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
    (void)batch;
    switch (settled->outcome) {
    case TRANSACTION_COMMITTED:
        metrics_add(batcher->config.shard, METRIC_TRANSACTIONS_TOTAL, METRIC_TRANSACTION_COMMITTED, 1);
        pace_note_committed(&batcher->pace, batcher->batch_bytes, batcher->now_ms - batcher->began_ms);
        land_all(batcher);
        break;
    case TRANSACTION_ABORTED:
        metrics_add(batcher->config.shard, METRIC_TRANSACTIONS_TOTAL, METRIC_TRANSACTION_ABORTED, 1);
        err = settled->generation_old ? RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION : RD_KAFKA_RESP_ERR__STATE;
        log_event(LOG_DEBUG, "batch_again", "a transaction was aborted, its results go again (the runs do not), %zu of them "
                  "refused: %s", settled->n_refused + settled->n_unreachable, settled->reason);
        if (settled->n_refused + settled->n_unreachable > 0)
            shed(batcher, settled);
        else if (!settled->generation_old)
            pace_note_late(&batcher->pace);
        if (settled->is_cut)
            sieve_cut(&batcher->batch, &batcher->fit);
        break;
    case TRANSACTION_LOST:
        err = RD_KAFKA_RESP_ERR__STATE;
        hand_back_all(batcher, &batcher->batch);
        batcher->is_formed = false;
        break;
    }
    consumer_offsets_settled(batcher->config.consumer, batcher->offsets, err);
    rd_kafka_topic_partition_list_destroy(batcher->offsets);
    batcher->offsets = NULL;
}

static void on_fatal(const char *reason, void *opaque)
{
    const struct batcher *batcher = opaque;
    batcher->config.fatal(reason, batcher->config.opaque);
}

/* ---- the turn ---- */

void batcher_add(struct batcher *batcher, struct job *job)
{
    list_push(&batcher->due, &job->run.node);
}

void batcher_turn(struct batcher *batcher, int64_t now_ms, int64_t *next_ms)
{
    batcher->now_ms = now_ms;
    transaction_turn(batcher->transaction);
    *next_ms = CLOCK_NEVER;
    if (transaction_is_busy(batcher->transaction))
        return;
    int64_t next_form_ms = batcher->began_ms + batcher->config.transaction_ms;
    bool due = !list_is_empty(&batcher->due) && now_ms >= next_form_ms;
    if (!batcher->is_formed && (due || consumer_wants_commit(batcher->config.consumer)))
        form(batcher);
    if (batcher->is_formed)
        send_batch(batcher);
    if (!list_is_empty(&batcher->due))
        *next_ms = next_form_ms > now_ms ? next_form_ms : now_ms + batcher->config.transaction_ms;
}

/* ---- life ---- */

static int make_id(struct batcher *batcher, char *why, size_t why_bytes)
{
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        snprintf(why, why_bytes, "no random number for a transactional.id");
        return -1;
    }
    snprintf(batcher->transactional_id, sizeof batcher->transactional_id, BATCHER_TRANSACTIONAL_ID_PREFIX "%016" PRIx64,
             random);
    return 0;
}

struct batcher *batcher_new(const struct batcher_config *config, char *why, size_t why_bytes)
{
    struct batcher *batcher = calloc(1, sizeof *batcher);
    if (batcher == NULL) {
        snprintf(why, why_bytes, "out of memory");
        return NULL;
    }
    batcher->config = *config;
    list_init(&batcher->due);
    list_init(&batcher->batch);
    batcher->began_ms = clock_mono_ms() - config->transaction_ms;
    batcher->guess_told_ms = batcher->began_ms - WARN_EVERY_MS;
    fit_init(&batcher->fit);
    pace_init(&batcher->pace);
    if (make_id(batcher, why, why_bytes) != 0)
        goto out;
    const struct transaction_config transaction = {
        .settings = config->kafka, .transactional_id = batcher->transactional_id, .event_fd = config->event_fd};
    const struct transaction_hooks hooks = {
        .produce = on_produce, .settled = on_settled, .fatal = on_fatal, .opaque = batcher};
    batcher->transaction = transaction_new(&transaction, &hooks, why, why_bytes);
    if (batcher->transaction == NULL)
        goto out;
    return batcher;
out:
    free(batcher);
    return NULL;
}

void batcher_free(struct batcher *batcher)
{
    if (batcher == NULL)
        return;
    transaction_free(batcher->transaction);
    hand_back_all(batcher, &batcher->batch);
    hand_back_all(batcher, &batcher->due);
    free(batcher);
}
