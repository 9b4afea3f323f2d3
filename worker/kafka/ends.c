#include "kafka/ends.h"

#include "base/clock.h"
#include "kafka/client_end.h"
#include "ops/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A call to librdkafka cannot be broken off, so the first time-out is short; doubled for slow brokers. */
enum { FIRST_TIMEOUT_MS = 1000, MOST_TIMEOUT_MS = 8000, LEAVE_MS = 1000, LEAST_GAP_MS = 200 };

struct ends {
    rd_kafka_t *rk;
    int64_t every_ms;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    rd_kafka_topic_partition_list_t *asked;
    rd_kafka_topic_partition_list_t *ends; /* the last answers, sorted */
    rd_kafka_topic_partition_list_t *beginnings;
    int64_t answered_ms;
    bool in_haste;
    bool is_stopped;
    bool is_ending; /* no question is under way any more: what follows is over within CLIENT_END_MS */
    bool is_over;
    bool is_left; /* nobody waits: the thread frees it */
};

static void destroy(struct ends *ends)
{
    rd_kafka_topic_partition_list_destroy(ends->asked);
    rd_kafka_topic_partition_list_destroy(ends->ends);
    rd_kafka_topic_partition_list_destroy(ends->beginnings);
    pthread_cond_destroy(&ends->changed);
    pthread_mutex_destroy(&ends->lock);
    free(ends);
}

/* ---- questions; the thread ---- */

/* Sets each `offset` to the answer, or to ENDS_UNKNOWN. `which`: RD_KAFKA_OFFSET_END or _BEGINNING, which stand for a time here. */
static rd_kafka_resp_err_t ask(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, int64_t which, int timeout_ms)
{
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (list->cnt == 0)
        return err;
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = which;
    err = rd_kafka_offsets_for_times(rk, list, timeout_ms);
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *at = &list->elems[i];
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR || at->err != RD_KAFKA_RESP_ERR_NO_ERROR || at->offset < 0)
            at->offset = ENDS_UNKNOWN;
    }
    return err;
}

/* Of what librdkafka knows, which is nothing in particular: an answer is all that is wanted. */
static rd_kafka_resp_err_t ask_for_sign(rd_kafka_t *rk, int timeout_ms)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, NULL, &metadata, timeout_ms);
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    return err;
}

static bool is_any_known(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].offset >= 0)
            return true;
    }
    return false;
}

/* What is unknown now may have been known before: that is better than nothing. */
static void take_answer(rd_kafka_topic_partition_list_t **known, rd_kafka_topic_partition_list_t *answer)
{
    for (int i = 0; i < answer->cnt; i++) {
        rd_kafka_topic_partition_t *at = &answer->elems[i];
        const rd_kafka_topic_partition_t *before =
            at->offset < 0 ? rd_kafka_topic_partition_list_find(*known, at->topic, at->partition) : NULL;
        if (before != NULL)
            at->offset = before->offset;
    }
    rd_kafka_topic_partition_list_destroy(*known);
    *known = answer;
}

static rd_kafka_topic_partition_list_t *without_place(const rd_kafka_topic_partition_list_t *asked)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(asked->cnt);
    for (int i = 0; i < asked->cnt; i++) {
        if (asked->elems[i].offset < 0)
            rd_kafka_topic_partition_list_add(list, asked->elems[i].topic, asked->elems[i].partition);
    }
    return list;
}

static bool is_missing(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

static void learn_partitions(rd_kafka_t *rk, const char *topic, int timeout_ms)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
    if (handle == NULL)
        return;
    rd_kafka_metadata(rk, 0, handle, &metadata, timeout_ms);
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
}

/* What librdkafka was told of a topic it goes by for minutes, and so it may know nothing of partitions that came later. Once it
 * has asked anew it knows them at the next question. */
static void learn_missing(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *asked, rd_kafka_resp_err_t err, int timeout_ms)
{
    const char *learned = "";
    for (int i = 0; i < asked->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &asked->elems[i];
        if ((is_missing(err) || is_missing(at->err)) && strcmp(at->topic, learned) != 0) {
            learn_partitions(rk, at->topic, timeout_ms);
            learned = at->topic;
        }
    }
}

/* Takes `asked`. */
static void serve_question(struct ends *ends, rd_kafka_topic_partition_list_t *asked, int *timeout_ms)
{
    rd_kafka_topic_partition_list_t *beginnings = without_place(asked);
    bool is_sign = asked->cnt == 0;
    rd_kafka_resp_err_t err = is_sign ? ask_for_sign(ends->rk, *timeout_ms) : ask(ends->rk, asked, RD_KAFKA_OFFSET_END, *timeout_ms);
    int64_t answered_ms = clock_mono_ms();
    learn_missing(ends->rk, asked, err, *timeout_ms);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        ask(ends->rk, beginnings, RD_KAFKA_OFFSET_BEGINNING, *timeout_ms);
    rd_kafka_poll(ends->rk, 0); /* errors, which are nobody's: the consumer tells of them */
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        log_event(LOG_DEBUG, "log_ends_unread", "where the logs end cannot be read: %s", rd_kafka_err2str(err));
    if (err == RD_KAFKA_RESP_ERR__TIMED_OUT && *timeout_ms < MOST_TIMEOUT_MS)
        *timeout_ms *= 2;
    bool answered = err == RD_KAFKA_RESP_ERR_NO_ERROR && (is_sign || is_any_known(asked));
    if (answered)
        *timeout_ms = FIRST_TIMEOUT_MS;
    pthread_mutex_lock(&ends->lock);
    take_answer(&ends->ends, asked);
    take_answer(&ends->beginnings, beginnings);
    if (answered)
        ends->answered_ms = answered_ms;
    pthread_mutex_unlock(&ends->lock);
}

/* Until it is time for the next question. NULL: no more of them. */
static rd_kafka_topic_partition_list_t *await_question(struct ends *ends, int64_t asked_ms)
{
    rd_kafka_topic_partition_list_t *asked = NULL;
    int64_t until_ms = asked_ms + ends->every_ms;
    pthread_mutex_lock(&ends->lock);
    for (;;) {
        int64_t next_ms = ends->in_haste ? asked_ms + LEAST_GAP_MS : until_ms;
        if (ends->is_stopped || clock_mono_ms() >= next_ms)
            break;
        struct timespec until = {.tv_sec = next_ms / 1000, .tv_nsec = next_ms % 1000 * 1000000};
        pthread_cond_timedwait(&ends->changed, &ends->lock, &until);
    }
    ends->in_haste = false;
    if (!ends->is_stopped)
        asked = rd_kafka_topic_partition_list_copy(ends->asked);
    pthread_mutex_unlock(&ends->lock);
    return asked;
}

static void *ends_main(void *opaque)
{
    struct ends *ends = opaque;
    rd_kafka_topic_partition_list_t *asked;
    int timeout_ms = FIRST_TIMEOUT_MS;
    int64_t asked_ms = clock_mono_ms() - ends->every_ms;
    while ((asked = await_question(ends, asked_ms)) != NULL) {
        asked_ms = clock_mono_ms();
        serve_question(ends, asked, &timeout_ms);
    }
    pthread_mutex_lock(&ends->lock);
    ends->is_ending = true;
    pthread_mutex_unlock(&ends->lock);
    client_end(ends->rk, clock_mono_ms() + CLIENT_END_MS);
    pthread_mutex_lock(&ends->lock);
    bool is_left = ends->is_left;
    ends->is_over = true;
    pthread_cond_broadcast(&ends->changed);
    pthread_mutex_unlock(&ends->lock);
    if (is_left)
        destroy(ends);
    return NULL;
}

/* ---- the Kafka thread ---- */

static bool same_partitions(const rd_kafka_topic_partition_list_t *a, const rd_kafka_topic_partition_list_t *b)
{
    if (a->cnt != b->cnt)
        return false;
    for (int i = 0; i < a->cnt; i++) {
        if (a->elems[i].partition != b->elems[i].partition || strcmp(a->elems[i].topic, b->elems[i].topic) != 0)
            return false;
    }
    return true;
}

void ends_ask(struct ends *ends, const rd_kafka_topic_partition_list_t *partitions)
{
    rd_kafka_topic_partition_list_t *copy = rd_kafka_topic_partition_list_copy(partitions);
    pthread_mutex_lock(&ends->lock);
    rd_kafka_topic_partition_list_t *before = ends->asked;
    ends->asked = copy;
    if (!same_partitions(before, copy)) {
        ends->in_haste = true;
        pthread_cond_broadcast(&ends->changed);
    }
    pthread_mutex_unlock(&ends->lock);
    rd_kafka_topic_partition_list_destroy(before);
}

static int compare(const rd_kafka_topic_partition_t *a, const rd_kafka_topic_partition_t *b)
{
    int order = strcmp(a->topic, b->topic);
    return order != 0 ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

static void fill(rd_kafka_topic_partition_list_t *partitions, const rd_kafka_topic_partition_list_t *known)
{
    int at = 0;
    for (int i = 0; i < partitions->cnt; i++) {
        rd_kafka_topic_partition_t *wanted = &partitions->elems[i];
        while (at < known->cnt && compare(&known->elems[at], wanted) < 0)
            at++;
        bool found = at < known->cnt && compare(&known->elems[at], wanted) == 0;
        wanted->offset = found ? known->elems[at].offset : ENDS_UNKNOWN;
    }
}

void ends_read(struct ends *ends, rd_kafka_topic_partition_list_t *partitions)
{
    pthread_mutex_lock(&ends->lock);
    fill(partitions, ends->ends);
    pthread_mutex_unlock(&ends->lock);
}

void ends_read_beginnings(struct ends *ends, rd_kafka_topic_partition_list_t *partitions)
{
    pthread_mutex_lock(&ends->lock);
    fill(partitions, ends->beginnings);
    pthread_mutex_unlock(&ends->lock);
}

int64_t ends_answered_ms(struct ends *ends)
{
    pthread_mutex_lock(&ends->lock);
    int64_t answered_ms = ends->answered_ms;
    pthread_mutex_unlock(&ends->lock);
    return answered_ms;
}

/* ---- life ---- */

/* The consumer tells of brokers that are away; this client would say the same again. */
static void log_line(const rd_kafka_t *rk, int grade, const char *facility, const char *text)
{
    (void)rk;
    (void)grade;
    log_event(LOG_DEBUG, "kafka_client", "ends: %s: %s", facility, text);
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    (void)rk;
    (void)opaque;
    log_event(LOG_DEBUG, "broker_error", "ends: %s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)err), reason);
}

static rd_kafka_t *make_client(const struct kafka_settings *settings, char *why, size_t why_bytes)
{
    char reason[CLIENT_CONF_WHY_BYTES] = "";
    rd_kafka_conf_t *conf = client_conf_make(settings, CLIENT_READER, reason);
    if (conf == NULL) {
        snprintf(why, why_bytes, "%s", reason);
        return NULL;
    }
    rd_kafka_conf_set_log_cb(conf, log_line);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (rk == NULL) {
        snprintf(why, why_bytes, "no Kafka client for the logs' ends: %s", reason);
        rd_kafka_conf_destroy(conf);
    }
    return rk;
}

static void init_room(struct ends *ends)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&ends->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&ends->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    ends->asked = rd_kafka_topic_partition_list_new(0);
    ends->ends = rd_kafka_topic_partition_list_new(0);
    ends->beginnings = rd_kafka_topic_partition_list_new(0);
}

static int start_thread(struct ends *ends)
{
    sigset_t all;
    sigset_t before;
    /* Signals are for main. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&ends->thread, NULL, ends_main, ends);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

struct ends *ends_new(const struct kafka_settings *settings, int64_t every_ms, char *why, size_t why_bytes)
{
    struct ends *ends = calloc(1, sizeof *ends);
    if (ends == NULL) {
        snprintf(why, why_bytes, "out of memory");
        return NULL;
    }
    ends->every_ms = every_ms;
    ends->rk = make_client(settings, why, why_bytes);
    if (ends->rk == NULL) {
        free(ends);
        return NULL;
    }
    init_room(ends);
    int error = start_thread(ends);
    if (error == 0)
        return ends;
    snprintf(why, why_bytes, "no thread for the logs' ends: %s", strerror(error));
    client_end(ends->rk, clock_mono_ms());
    destroy(ends);
    return NULL;
}

void ends_stop(struct ends *ends)
{
    pthread_mutex_lock(&ends->lock);
    ends->is_stopped = true;
    pthread_cond_broadcast(&ends->changed);
    pthread_mutex_unlock(&ends->lock);
}

void ends_free(struct ends *ends)
{
    if (ends == NULL)
        return;
    int64_t until_ms = clock_mono_ms() + LEAVE_MS;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    ends_stop(ends);
    pthread_mutex_lock(&ends->lock);
    while (!ends->is_ending && pthread_cond_timedwait(&ends->changed, &ends->lock, &until) != ETIMEDOUT)
        continue;
    /* Librdkafka's threads sometimes sleep through the end for a second or two; client_end has the bound. */
    while (ends->is_ending && !ends->is_over)
        pthread_cond_wait(&ends->changed, &ends->lock);
    bool is_over = ends->is_over;
    ends->is_left = !is_over;
    pthread_t thread = ends->thread;
    if (!is_over)
        pthread_detach(thread); /* it is its own now, once the lock is given up */
    pthread_mutex_unlock(&ends->lock);
    if (!is_over)
        return;
    pthread_join(thread, NULL);
    destroy(ends);
}
