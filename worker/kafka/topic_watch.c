#include "kafka/topic_watch.h"

#include "base/clock.h"
#include "ops/log.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ASK_TIMEOUT_MS = 500, ASK_INTERVAL_MS = 250 };

struct topic_watch {
    rd_kafka_t *rk;
    rd_kafka_topic_t *const *topics;
    size_t n;
    int64_t missing_ms;
    topic_watch_fn missing;
    void *opaque;
    int64_t missing_since_ms[TOPIC_WATCH_MAX]; /* CLOCK_NEVER: not missing, as far as is known */
    bool settled[TOPIC_WATCH_MAX];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopping;
    bool stop; /* under lock */
};

void topic_watch_sentence(const char *topic, rd_kafka_resp_err_t err, char why[TOPIC_WATCH_WHY_BYTES])
{
    const char *way_out = "see the broker's log";
    const char *what = "takes no messages";

    /* A few of many: not an enum switch of ours. */
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
        what = "does not exist";
        way_out = "create it, or name another";
    } else if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
               err == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED) {
        what = "is closed to this user";
        way_out = "grant it Describe and Write on the topic (and IdempotentWrite on the cluster, for brokers before 2.8)";
    } else if (err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION) {
        what = "cannot exist under this name";
        way_out = "name another";
    } else if (err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) {
        what = "does not have the partition that was asked for";
        way_out = "ask for one that it has, or for none";
    }
    snprintf(why, TOPIC_WATCH_WHY_BYTES, "topic '%s' %s (%s): %s", topic, what, rd_kafka_err2str(err), way_out);
}

/* What a broker says of the topic; RD_KAFKA_RESP_ERR__TRANSPORT and the like where none answers. */
static rd_kafka_resp_err_t ask(struct topic_watch *watch, size_t i)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(watch->rk, 0, watch->topics[i], &metadata, ASK_TIMEOUT_MS);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err;
    err = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR__TRANSPORT;
    rd_kafka_metadata_destroy(metadata);
    return err;
}

static bool says_missing(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
}

/* True where this topic needs no more watching: it is there, or has been given up. */
static bool look_at(struct topic_watch *watch, size_t i)
{
    char why[TOPIC_WATCH_WHY_BYTES];
    rd_kafka_resp_err_t err = ask(watch, i);
    int64_t now_ms = clock_mono_ms();

    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (watch->missing_since_ms[i] != CLOCK_NEVER)
            log_event(LOG_INFO, "topic_found", "topic '%s' is there now", rd_kafka_topic_name(watch->topics[i]));
        return true;
    }
    if (!says_missing(err)) /* nobody answers, or a leader is being elected: that is waited out elsewhere */
        return false;
    topic_watch_sentence(rd_kafka_topic_name(watch->topics[i]), err, why);
    if (watch->missing_since_ms[i] == CLOCK_NEVER) {
        watch->missing_since_ms[i] = now_ms;
        log_event(LOG_WARN, "topic_missing", "%s; it is waited for, %lld s at most", why,
                  (long long)(watch->missing_ms + 999) / 1000);
    }
    if (now_ms - watch->missing_since_ms[i] < watch->missing_ms)
        return false;
    watch->missing(why, watch->opaque);
    return true;
}

/* False once the watch is to stop. */
static bool rest(struct topic_watch *watch)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ASK_INTERVAL_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&watch->lock);
    int error = 0;
    while (!watch->stop && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&watch->stopping, &watch->lock, &until);
    bool stop = watch->stop;
    pthread_mutex_unlock(&watch->lock);
    return !stop;
}

static void *watch_main(void *opaque)
{
    struct topic_watch *watch = opaque;
    size_t n_settled = 0;
    do {
        for (size_t i = 0; i < watch->n; i++) {
            if (!watch->settled[i] && look_at(watch, i)) {
                watch->settled[i] = true;
                n_settled++;
            }
        }
    } while (n_settled < watch->n && rest(watch));
    return NULL;
}

struct topic_watch *topic_watch_start(rd_kafka_t *rk, rd_kafka_topic_t *const *topics, size_t n, int64_t missing_ms,
                                      topic_watch_fn missing, void *opaque)
{
    assert(n <= TOPIC_WATCH_MAX);
    struct topic_watch *watch = calloc(1, sizeof *watch);
    pthread_condattr_t monotonic;
    if (watch == NULL)
        return NULL;
    watch->rk = rk;
    watch->topics = topics;
    watch->n = n;
    watch->missing_ms = missing_ms;
    watch->missing = missing;
    watch->opaque = opaque;
    for (size_t i = 0; i < n; i++)
        watch->missing_since_ms[i] = CLOCK_NEVER;
    pthread_mutex_init(&watch->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->stopping, &monotonic);
    pthread_condattr_destroy(&monotonic);
    /* Signals are for main. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&watch->thread, NULL, watch_main, watch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        return watch;
    pthread_cond_destroy(&watch->stopping);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
    return NULL;
}

void topic_watch_stop(struct topic_watch *watch)
{
    if (watch == NULL)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->stop = true;
    pthread_cond_signal(&watch->stopping);
    pthread_mutex_unlock(&watch->lock);
    pthread_join(watch->thread, NULL);
    pthread_cond_destroy(&watch->stopping);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}
