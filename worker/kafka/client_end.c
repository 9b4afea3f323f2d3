#include "kafka/client_end.h"

#include "base/clock.h"
#include "ops/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { LEAST_MS = 100 };

struct client_ending {
    rd_kafka_t *rk;
    const char *kind;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool is_over; /* under lock */
};

static void *ending_main(void *opaque)
{
    struct client_ending *ending = opaque;
    rd_kafka_destroy_flags(ending->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    pthread_mutex_lock(&ending->lock);
    ending->is_over = true;
    pthread_cond_signal(&ending->over);
    pthread_mutex_unlock(&ending->lock);
    return NULL;
}

static int ending_start(struct client_ending *ending)
{
    pthread_condattr_t monotonic;
    sigset_t all;
    sigset_t before;
    pthread_mutex_init(&ending->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&ending->over, &monotonic);
    pthread_condattr_destroy(&monotonic);
    /* Signals are for main. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&ending->thread, NULL, ending_main, ending);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static bool ending_await(struct client_ending *ending, int64_t until_ms)
{
    int64_t least_ms = clock_mono_ms() + LEAST_MS;
    until_ms = until_ms > least_ms ? until_ms : least_ms;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_mutex_lock(&ending->lock);
    while (!ending->is_over && pthread_cond_timedwait(&ending->over, &ending->lock, &until) != ETIMEDOUT)
        continue;
    bool is_over = ending->is_over;
    pthread_mutex_unlock(&ending->lock);
    return is_over;
}

static void ending_free(struct client_ending *ending)
{
    pthread_cond_destroy(&ending->over);
    pthread_mutex_destroy(&ending->lock);
    free(ending);
}

struct client_ending *client_end_begin(rd_kafka_t *rk)
{
    struct client_ending *ending = calloc(1, sizeof *ending);
    if (ending == NULL) {
        rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        return NULL;
    }
    ending->rk = rk;
    ending->kind = rd_kafka_type(rk) == RD_KAFKA_PRODUCER ? "producer" : "consumer";
    if (ending_start(ending) == 0)
        return ending;
    ending_main(ending);
    ending_free(ending);
    return NULL;
}

bool client_end_await(struct client_ending *ending, int64_t until_ms)
{
    if (ending == NULL)
        return true;
    if (!ending_await(ending, until_ms)) {
        const char *kind = ending->kind;
        pthread_detach(ending->thread); /* `ending` is its own now */
        log_event(LOG_WARN, "kafka_client_stuck", "librdkafka's %s does not end, as it may while a broker stands still or after "
                  "a topic is deleted: it is left behind", kind);
        return false;
    }
    pthread_join(ending->thread, NULL);
    ending_free(ending);
    return true;
}

bool client_end(rd_kafka_t *rk, int64_t until_ms)
{
    return client_end_await(client_end_begin(rk), until_ms);
}
