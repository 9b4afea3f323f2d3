#include "kafka/offset_fetch.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct offset_fetch {
    rd_kafka_t *consumer;
    rd_kafka_topic_partition_list_t *list;
    int timeout_ms;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t over;
    /* Under lock. */
    int event_fd;
    rd_kafka_resp_err_t err;
    bool is_over;
    bool is_left; /* nobody waits: the thread frees it */
};

static void destroy(struct offset_fetch *fetch)
{
    if (fetch->list != NULL)
        rd_kafka_topic_partition_list_destroy(fetch->list);
    pthread_cond_destroy(&fetch->over);
    pthread_mutex_destroy(&fetch->lock);
    free(fetch);
}

static void *fetch_main(void *opaque)
{
    struct offset_fetch *fetch = opaque;
    const uint64_t one = 1;
    rd_kafka_resp_err_t err = rd_kafka_committed(fetch->consumer, fetch->list, fetch->timeout_ms);
    pthread_mutex_lock(&fetch->lock);
    bool is_left = fetch->is_left;
    fetch->err = err;
    fetch->is_over = true;
    if (!is_left) {
        ssize_t written = write(fetch->event_fd, &one, sizeof one);
        (void)written; /* a full counter is awake enough */
    }
    pthread_cond_signal(&fetch->over);
    pthread_mutex_unlock(&fetch->lock);
    if (is_left)
        destroy(fetch);
    return NULL;
}

static int start_thread(struct offset_fetch *fetch)
{
    sigset_t all;
    sigset_t before;
    /* Signals are for main. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&fetch->thread, NULL, fetch_main, fetch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

struct offset_fetch *offset_fetch_begin(rd_kafka_t *consumer, rd_kafka_topic_partition_list_t *asked, int timeout_ms,
                                        int event_fd)
{
    pthread_condattr_t monotonic;
    struct offset_fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL) {
        rd_kafka_topic_partition_list_destroy(asked);
        return NULL;
    }
    fetch->consumer = consumer;
    fetch->list = asked;
    fetch->timeout_ms = timeout_ms;
    fetch->event_fd = event_fd;
    pthread_mutex_init(&fetch->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&fetch->over, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (start_thread(fetch) == 0)
        return fetch;
    destroy(fetch);
    return NULL;
}

bool offset_fetch_is_over(struct offset_fetch *fetch)
{
    pthread_mutex_lock(&fetch->lock);
    bool is_over = fetch->is_over;
    pthread_mutex_unlock(&fetch->lock);
    return is_over;
}

rd_kafka_topic_partition_list_t *offset_fetch_end(struct offset_fetch *fetch, rd_kafka_resp_err_t *err)
{
    pthread_join(fetch->thread, NULL);
    assert(fetch->is_over);
    rd_kafka_topic_partition_list_t *list = fetch->list;
    *err = fetch->err;
    fetch->list = NULL;
    destroy(fetch);
    return list;
}

bool offset_fetch_drop(struct offset_fetch *fetch, int64_t until_ms)
{
    if (fetch == NULL)
        return true;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_mutex_lock(&fetch->lock);
    while (!fetch->is_over && pthread_cond_timedwait(&fetch->over, &fetch->lock, &until) != ETIMEDOUT)
        continue;
    bool is_over = fetch->is_over;
    fetch->is_left = !is_over;
    pthread_t thread = fetch->thread;
    if (!is_over)
        pthread_detach(thread); /* it is its own now, once the lock is given up */
    pthread_mutex_unlock(&fetch->lock);
    if (!is_over)
        return false;
    pthread_join(thread, NULL);
    destroy(fetch);
    return true;
}
