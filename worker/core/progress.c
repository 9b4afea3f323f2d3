#include "core/progress.h"

#include "base/clock.h"
#include "engine/awake.h"
#include "kafka/client_end.h"
#include "ops/log.h"
#include "ops/metrics.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_MS 1000
#define TURN_MS 200
#define FAREWELL_MS 500
#define TOLD_MS 60000

struct progress {
    struct progress_config config;
    rd_kafka_t *producer;
    pthread_t thread; /* serves delivery reports */
    bool has_thread;
    atomic_bool stopped;
    pthread_mutex_t lock; /* of the two below */
    int64_t told_ms;      /* CLOCK_NEVER: not yet */
    size_t untold;
};

static void count_sent(struct progress *progress)
{
    metrics_add_shared(progress->config.metrics, METRIC_PROGRESS_TOTAL, METRIC_PROGRESS_SENT, 1);
}

static void count_dropped(struct progress *progress, const char *why)
{
    metrics_add_shared(progress->config.metrics, METRIC_PROGRESS_TOTAL, METRIC_PROGRESS_DROPPED, 1);
    int64_t now_ms = clock_mono_ms();
    pthread_mutex_lock(&progress->lock);
    progress->untold++;
    bool tell = progress->told_ms == CLOCK_NEVER || now_ms - progress->told_ms >= TOLD_MS;
    size_t n = progress->untold;
    if (tell) {
        progress->told_ms = now_ms;
        progress->untold = 0;
    }
    pthread_mutex_unlock(&progress->lock);
    if (tell) {
        log_event(LOG_WARN, "progress_dropped", "%zu progress report%s could not be written to topic '%s' and %s dropped: %s; runs "
                  "and results are not affected", n, n == 1 ? "" : "s", progress->config.topic, n == 1 ? "is" : "are", why);
    }
}

/* The thread's, and within progress_free. */
static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    (void)producer;
    struct progress *progress = opaque;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        count_sent(progress);
    } else {
        count_dropped(progress, rd_kafka_err2str(message->err));
    }
}

static void on_error(rd_kafka_t *producer, int error, const char *reason, void *opaque)
{
    (void)producer;
    (void)opaque;
    log_event(LOG_DEBUG, "progress_client", "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)error), reason);
}

static void *progress_thread(void *opaque)
{
    struct progress *progress = opaque;
    while (!atomic_load(&progress->stopped)) {
        rd_kafka_poll(progress->producer, TURN_MS);
    }
    return NULL;
}

/* ---- life ---- */

/* Other than the worker's own producer this one may lose messages, and must not turn fatal: so it is not idempotent, and keeps
 * order by having one request under way. */
static rd_kafka_conf_t *make_conf(const struct progress_config *config, char *why, size_t why_bytes)
{
    static const char *const settings[][2] = {
        {"enable.idempotence", "false"},
        {"max.in.flight.requests.per.connection", "1"},
        {"message.timeout.ms", "10000"},
        {"linger.ms", "20"},
        {"queue.buffering.max.messages", "10000"},
        {"queue.buffering.max.kbytes", "65536"},
        {"topic.metadata.propagation.max.ms", "5000"},
    };
    char reason[CLIENT_CONF_WHY_BYTES] = "";
    rd_kafka_conf_t *conf = client_conf_make(&config->kafka, CLIENT_PRODUCER, reason);
    for (size_t i = 0; conf != NULL && i < sizeof settings / sizeof settings[0]; i++) {
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], reason, sizeof reason) != RD_KAFKA_CONF_OK) {
            rd_kafka_conf_destroy(conf);
            conf = NULL;
        }
    }
    if (conf == NULL) {
        snprintf(why, why_bytes, "progress topic '%s': %s", config->topic, reason);
    }
    return conf;
}

static int connect_producer(struct progress *progress, char *why, size_t why_bytes)
{
    char reason[CLIENT_CONF_WHY_BYTES] = "";
    rd_kafka_conf_t *conf = make_conf(&progress->config, why, why_bytes);
    if (conf == NULL) {
        return -1;
    }
    rd_kafka_conf_set_opaque(conf, progress);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    progress->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (progress->producer == NULL) {
        rd_kafka_conf_destroy(conf);
        snprintf(why, why_bytes, "progress topic '%s': %s", progress->config.topic, reason);
        return -1;
    }
    return 0;
}

struct progress *progress_new(const struct progress_config *config, char *why, size_t why_bytes)
{
    struct progress *progress = calloc(1, sizeof *progress);
    if (progress == NULL) {
        snprintf(why, why_bytes, "out of memory");
        return NULL;
    }
    progress->config = *config;
    progress->told_ms = CLOCK_NEVER;
    pthread_mutex_init(&progress->lock, NULL);
    if (connect_producer(progress, why, why_bytes) != 0) {
        progress_free(progress);
        return NULL;
    }
    progress->has_thread = pthread_create(&progress->thread, NULL, progress_thread, progress) == 0;
    if (!progress->has_thread) {
        snprintf(why, why_bytes, "no thread could be made for progress topic '%s'", config->topic);
        progress_free(progress);
        return NULL;
    }
    return progress;
}

void progress_free(struct progress *progress)
{
    if (progress == NULL) {
        return;
    }
    atomic_store(&progress->stopped, true);
    if (progress->has_thread) {
        pthread_join(progress->thread, NULL);
        (void)rd_kafka_flush(progress->producer, FAREWELL_MS);
        (void)rd_kafka_purge(progress->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_poll(progress->producer, 0); /* the purged are counted */
    }
    if (progress->producer != NULL) {
        (void)client_end(progress->producer, clock_mono_ms() + CLIENT_END_MS);
    }
    pthread_mutex_destroy(&progress->lock);
    free(progress);
}

/* ---- reports ---- */

static bool is_due(struct job *job, int64_t now_ms)
{
    uint32_t since_ms = (uint32_t)now_ms - job->told_ms; /* wrong every 49 days: then one report is put off */
    bool is_first_status = job->run.awake->state != NULL && !job->told_status;
    if (job->told_ms != 0 && since_ms < INTERVAL_MS && !is_first_status) {
        return false;
    }
    job->told_ms = (uint32_t)now_ms;
    job->told_status = job->run.awake->state != NULL;
    return true;
}

bool progress_report(struct progress *progress, struct job *job)
{
    struct draft draft;
    if (!is_due(job, clock_mono_ms())) {
        return false;
    }
    if (draft_compose_running(&draft, job, progress->config.settle, progress->config.topic, clock_wall_ms()) != 0) {
        count_dropped(progress, "out of memory");
        return true;
    }
    const struct publisher_message *message = &draft.message;
    rd_kafka_resp_err_t error = rd_kafka_producev(
        progress->producer, RD_KAFKA_V_TOPIC(message->topic), RD_KAFKA_V_KEY(message->key, message->key_bytes),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)message->value, message->value_bytes), RD_KAFKA_V_HEADERS(message->headers),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        count_dropped(progress, rd_kafka_err2str(error));
    }
    draft_release(&draft, error == RD_KAFKA_RESP_ERR_NO_ERROR);
    return true;
}
