#include "kafka/transaction_inside.h"

#include "base/clock.h"
#include "kafka/client_end.h"
#include "ops/log.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FREE_MS = 1800 };

/* Under lock, since the eventfd may be closed once the owner is gone. */
static void wake_owner(const struct transaction *transaction)
{
    const uint64_t one = 1;
    /* A full counter is awake enough. */
    if (!transaction->is_left && write(transaction->event_fd, &one, sizeof one) < 0)
        return;
}

static struct timespec moment(int64_t ms)
{
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

bool transaction_rest(struct transaction *transaction, int64_t ms)
{
    struct timespec until = moment(clock_mono_ms() + ms);
    int error = 0;
    pthread_mutex_lock(&transaction->lock);
    while (ms > 0 && !atomic_load(&transaction->stop) && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&transaction->changed, &transaction->lock, &until);
    pthread_mutex_unlock(&transaction->lock);
    return !atomic_load(&transaction->stop);
}

bool transaction_goes_on(void *transaction)
{
    return !atomic_load(&((struct transaction *)transaction)->stop);
}

void transaction_fail(struct transaction *transaction, const char *format, ...)
{
    va_list arguments;
    pthread_mutex_lock(&transaction->lock);
    if (!transaction->failed) {
        va_start(arguments, format);
        vsnprintf(transaction->failed_why, sizeof transaction->failed_why, format, arguments);
        va_end(arguments);
        transaction->failed = true;
        wake_owner(transaction);
    }
    pthread_mutex_unlock(&transaction->lock);
}

bool transaction_has_failed(struct transaction *transaction)
{
    pthread_mutex_lock(&transaction->lock);
    bool failed = transaction->failed;
    pthread_mutex_unlock(&transaction->lock);
    return failed;
}

/* ---- the thread ---- */

/* No thread and no owner has it any more. */
static void destroy(struct transaction *transaction)
{
    if (transaction->conf != NULL)
        rd_kafka_conf_destroy(transaction->conf);
    if (transaction->reader_conf != NULL)
        rd_kafka_conf_destroy(transaction->reader_conf);
    if (transaction->committed != NULL)
        rd_kafka_topic_partition_list_destroy(transaction->committed);
    if (transaction->generation != NULL)
        rd_kafka_mem_free(NULL, transaction->generation);
    batch_forget(&transaction->batch);
    pthread_cond_destroy(&transaction->changed);
    pthread_mutex_destroy(&transaction->lock);
    free(transaction->group_id);
    free(transaction->id);
    free(transaction);
}

/* False once the transaction is to stop. */
static bool await_batch(struct transaction *transaction)
{
    pthread_mutex_lock(&transaction->lock);
    while (transaction->place != BATCH_HANDED && !atomic_load(&transaction->stop))
        pthread_cond_wait(&transaction->changed, &transaction->lock);
    bool stop = atomic_load(&transaction->stop);
    if (!stop)
        transaction->place = BATCH_UNDER_WAY;
    pthread_mutex_unlock(&transaction->lock);
    return !stop;
}

static void *transaction_main(void *opaque)
{
    struct transaction *transaction = opaque;
    producer_ready(transaction);
    while (await_batch(transaction)) {
        if (!transaction_has_failed(transaction))
            batch_run(transaction, &transaction->batch);
        pthread_mutex_lock(&transaction->lock);
        transaction->place = BATCH_SETTLED;
        wake_owner(transaction);
        pthread_mutex_unlock(&transaction->lock);
    }
    pthread_mutex_lock(&transaction->lock);
    transaction->is_ending = true;
    pthread_mutex_unlock(&transaction->lock);
    struct client_ending *reader = transaction->reader != NULL ? client_end_begin(transaction->reader) : NULL;
    int64_t until_ms = clock_mono_ms() + CLIENT_END_MS;
    producer_drop(transaction, CLIENT_END_MS);
    client_end_await(reader, until_ms);
    pthread_mutex_lock(&transaction->lock);
    transaction->thread_is_over = true;
    bool is_left = transaction->is_left;
    pthread_cond_broadcast(&transaction->changed);
    pthread_mutex_unlock(&transaction->lock);
    if (is_left)
        destroy(transaction);
    return NULL;
}

static int start_thread(struct transaction *transaction)
{
    sigset_t all;
    sigset_t before;
    /* Signals are for main. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&transaction->thread, NULL, transaction_main, transaction);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

/* ---- the Kafka thread ---- */

static int64_t read_number(const rd_kafka_conf_t *conf, const char *name)
{
    char value[32] = "";
    size_t bytes = sizeof value;
    rd_kafka_conf_res_t result = rd_kafka_conf_get(conf, name, value, &bytes);
    assert(result == RD_KAFKA_CONF_OK);
    return strtoll(value, NULL, 10);
}

static int make_conf(struct transaction *transaction, const struct transaction_config *config, char *why, size_t why_bytes)
{
    char text[CLIENT_CONF_WHY_BYTES];
    transaction->conf = client_conf_make(&config->settings, CLIENT_TRANSACTION, text);
    if (transaction->conf != NULL)
        transaction->reader_conf = client_conf_make(&config->settings, CLIENT_READER, text);
    if (transaction->reader_conf == NULL) {
        snprintf(why, why_bytes, "%s", text);
        return -1;
    }
    if (transaction->id == NULL || transaction->id[0] == '\0' || transaction->group_id == NULL ||
        transaction->group_id[0] == '\0' ||
        rd_kafka_conf_set(transaction->conf, "transactional.id", transaction->id, text, sizeof text) != RD_KAFKA_CONF_OK) {
        snprintf(why, why_bytes, "transactions need a transactional.id and a group");
        return -1;
    }
    /* Whatever the user lets the other readers see. */
    if (rd_kafka_conf_set(transaction->reader_conf, "isolation.level", "read_committed", text, sizeof text) != RD_KAFKA_CONF_OK) {
        snprintf(why, why_bytes, "librdkafka: %s", text);
        return -1;
    }
    rd_kafka_conf_set_dr_msg_cb(transaction->conf, batch_report);
    rd_kafka_conf_set_opaque(transaction->conf, transaction);
    transaction->timeout_ms = read_number(transaction->conf, "transaction.timeout.ms");
    set_size_init(&transaction->set_size, (size_t)read_number(transaction->conf, "batch.size"));
    return 0;
}

struct transaction *transaction_new(const struct transaction_config *config, const struct transaction_hooks *hooks, char *why,
                                    size_t why_bytes)
{
    pthread_condattr_t monotonic;
    struct transaction *transaction = calloc(1, sizeof *transaction);
    if (transaction == NULL) {
        snprintf(why, why_bytes, "out of memory");
        return NULL;
    }
    transaction->hooks = *hooks;
    transaction->event_fd = config->event_fd;
    transaction->topics_missing_since_ms = CLOCK_NEVER;
    transaction->id = config->transactional_id != NULL ? strdup(config->transactional_id) : NULL;
    transaction->group_id = config->settings.group_id != NULL ? strdup(config->settings.group_id) : NULL;
    transaction->committed = rd_kafka_topic_partition_list_new(8);
    atomic_init(&transaction->stop, false);
    pthread_mutex_init(&transaction->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&transaction->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (make_conf(transaction, config, why, why_bytes) != 0 || producer_make(transaction, why, why_bytes) != 0)
        goto out;
    if (start_thread(transaction) == 0)
        return transaction;
    snprintf(why, why_bytes, "no thread could be started for transactions");
    producer_drop(transaction, CLIENT_END_MS);
out:
    destroy(transaction);
    return NULL;
}

void transaction_commit(struct transaction *transaction, void *batch, rd_kafka_topic_partition_list_t *offsets,
                        rd_kafka_consumer_group_metadata_t *group)
{
    assert(offsets != NULL && offsets->cnt > 0 && group != NULL);
    pthread_mutex_lock(&transaction->lock);
    assert(transaction->place == BATCH_EMPTY && !atomic_load(&transaction->stop));
    uint32_t number = transaction->batch.number + 1;
    transaction->batch = (struct batch){
        .opaque = batch,
        .offsets = offsets,
        .group = group,
        .outcome = TRANSACTION_LOST,
        .number = number,
    };
    transaction->place = BATCH_HANDED;
    pthread_cond_broadcast(&transaction->changed);
    pthread_mutex_unlock(&transaction->lock);
}

bool transaction_is_busy(const struct transaction *transaction)
{
    struct transaction *inside = (struct transaction *)transaction; /* for the lock alone */
    pthread_mutex_lock(&inside->lock);
    bool busy = inside->place != BATCH_EMPTY;
    pthread_mutex_unlock(&inside->lock);
    return busy;
}

/* The batch is the caller's again, and the transaction ready for the next one. */
static void settle(struct transaction *transaction)
{
    struct batch batch = transaction->batch;
    transaction->batch = (struct batch){.number = batch.number};
    if (batch.outcome == TRANSACTION_LOST && batch.reason[0] == '\0')
        snprintf(batch.reason, sizeof batch.reason, "the transactional producer ended");
    struct transaction_settled settled = {
        .outcome = batch.outcome,
        .reason = batch.reason,
        .generation_old = batch.generation_old,
        .refused = batch.refused.list,
        .n_refused = batch.refused.n,
        .too_large = batch.is_too_large,
        .is_parted = batch.is_parted,
        .is_cut = batch.is_late,
        .unreachable = batch.unreachable.list,
        .n_unreachable = batch.unreachable.n,
    };
    transaction->hooks.settled(batch.opaque, &settled, transaction->hooks.opaque);
    batch_forget(&batch);
}

void transaction_turn(struct transaction *transaction)
{
    pthread_mutex_lock(&transaction->lock);
    bool is_settled = transaction->place == BATCH_SETTLED;
    if (is_settled)
        transaction->place = BATCH_EMPTY;
    bool failed = transaction->failed;
    pthread_mutex_unlock(&transaction->lock);
    if (is_settled)
        settle(transaction);
    if (failed && !transaction->told) {
        transaction->told = true;
        transaction->hooks.fatal(transaction->failed_why, transaction->hooks.opaque);
    }
}

/* False where the thread sits in librdkafka for longer. Never while hooks.produce runs, which looks at `stop`, nor while the
 * clients end, for which client_end has the bound. */
static bool await_thread(struct transaction *transaction)
{
    struct timespec until = moment(clock_mono_ms() + FREE_MS);
    int error = 0;
    while (!transaction->thread_is_over && (error != ETIMEDOUT || transaction->is_producing || transaction->is_ending)) {
        if (error == ETIMEDOUT)
            until = moment(clock_mono_ms() + FREE_MS);
        error = pthread_cond_timedwait(&transaction->changed, &transaction->lock, &until);
    }
    return transaction->thread_is_over;
}

void transaction_free(struct transaction *transaction)
{
    if (transaction == NULL)
        return;
    pthread_mutex_lock(&transaction->lock);
    atomic_store(&transaction->stop, true);
    pthread_cond_broadcast(&transaction->changed);
    bool is_over = await_thread(transaction);
    transaction->is_left = !is_over;
    bool has_batch = transaction->place != BATCH_EMPTY;
    struct transaction_hooks hooks = transaction->hooks;
    void *opaque = transaction->batch.opaque;
    pthread_t thread = transaction->thread;
    pthread_mutex_unlock(&transaction->lock);
    if (is_over) {
        pthread_join(thread, NULL);
        if (has_batch)
            settle(transaction);
        destroy(transaction);
        return;
    }
    pthread_detach(thread); /* it frees the transaction, once librdkafka lets it go */
    log_event(LOG_WARN, "transaction_left", "the brokers do not answer for an open transaction: it is left to its timeout");
    struct transaction_settled settled = {.outcome = TRANSACTION_LOST, .reason = "the brokers did not answer in time"};
    if (has_batch)
        hooks.settled(opaque, &settled, hooks.opaque);
}
