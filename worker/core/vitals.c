#include "core/vitals.h"

#include "base/clock.h"
#include "core/vitals_gauges.h"
#include "ops/process_metrics.h"
#include "protocol/json_writer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIVE_MS 10000
#define SESSION_MS 45000 /* librdkafka's default of session.timeout.ms */
#define SEEN_MIN_MS 15000
#define PAGE_MAX_BYTES ((size_t)32 << 20)

struct vitals {
    struct vitals_config config;
    double started_seconds; /* process_metrics.h */
    pthread_mutex_t lock; /* held while somebody looks at the worker */
    struct worker *worker;
};

struct vitals *vitals_new(const struct vitals_config *config)
{
    struct vitals *vitals = calloc(1, sizeof *vitals);
    if (vitals != NULL) {
        vitals->config = *config;
        vitals->started_seconds = process_started_seconds();
        pthread_mutex_init(&vitals->lock, NULL);
    }
    return vitals;
}

void vitals_free(struct vitals *vitals)
{
    if (vitals == NULL)
        return;
    pthread_mutex_destroy(&vitals->lock);
    free(vitals);
}

void vitals_use_worker(struct vitals *vitals, struct worker *worker)
{
    pthread_mutex_lock(&vitals->lock);
    vitals->worker = worker;
    pthread_mutex_unlock(&vitals->lock);
}

/* {"ready":false,"reason":"…"}; why "": no reason. */
static void answer(struct http_exchange *exchange, const char *what, bool is_so, const char *why)
{
    struct json_writer writer;
    json_writer_init(&writer, VITALS_WHY_BYTES);
    json_put(&writer, "{\"");
    json_put(&writer, what);
    json_put(&writer, is_so ? "\":true" : "\":false,\"reason\":");
    if (!is_so)
        json_put_string(&writer, why);
    json_put(&writer, "}\n");
    size_t bytes = 0;
    char *text = json_writer_take(&writer, &bytes);
    admin_send_json(exchange, is_so ? 200 : 503, text != NULL ? text : "", text != NULL ? bytes : 0);
    free(text);
}

/* ---- /livez ---- */

static bool is_alive(struct vitals *vitals, int64_t now_ms, char why[VITALS_WHY_BYTES])
{
    struct standing_whole whole;
    standing_read(vitals->config.standing, &whole);
    int64_t loop_ms = now_ms;
    pthread_mutex_lock(&vitals->lock);
    if (vitals->worker != NULL) {
        struct pool_counts counts;
        pool_read_counts(worker_pool(vitals->worker), &counts);
        loop_ms = counts.oldest_turn_mono_ms;
    }
    pthread_mutex_unlock(&vitals->lock);
    if (now_ms - loop_ms >= ALIVE_MS) {
        snprintf(why, VITALS_WHY_BYTES, "an event loop has stood still for %" PRId64 " s", (now_ms - loop_ms) / 1000);
        return false;
    }
    /* Before its first turn the worker is still being made. */
    if (whole.turn_mono_ms != 0 && now_ms - whole.turn_mono_ms >= ALIVE_MS) {
        snprintf(why, VITALS_WHY_BYTES, "the Kafka thread has stood still for %" PRId64 " s",
                 (now_ms - whole.turn_mono_ms) / 1000);
        return false;
    }
    return true;
}

static void serve_livez(struct http_exchange *exchange, void *opaque)
{
    char why[VITALS_WHY_BYTES] = "";
    bool alive = is_alive(opaque, clock_mono_ms(), why);
    answer(exchange, "alive", alive, why);
}

/* ---- /readyz ---- */

static int64_t session_ms(const struct kafka_settings *settings)
{
    int64_t ms = SESSION_MS;
    for (size_t i = 0; i < settings->n_properties; i++) {
        if (strcmp(settings->properties[i].name, "session.timeout.ms") == 0)
            ms = strtoll(settings->properties[i].value, NULL, 10);
    }
    return ms > SEEN_MIN_MS ? ms : SEEN_MIN_MS;
}

bool vitals_ready(struct standing *standing, const struct worker_config *config, int64_t now_mono_ms,
                  char why[VITALS_WHY_BYTES])
{
    struct standing_whole whole;
    standing_read(standing, &whole);
    const char *colon = whole.trouble[0] != '\0' ? ": " : "";
    int64_t silent_ms = now_mono_ms - whole.broker_seen_mono_ms;
    if (whole.draining)
        snprintf(why, VITALS_WHY_BYTES, "it was told to stop: it takes nothing new and brings to an end what is under way");
    else if (whole.broker_seen_mono_ms == 0 && !whole.joined)
        snprintf(why, VITALS_WHY_BYTES, "no broker of %.150s has answered yet%s%s", config->kafka.bootstrap_servers, colon,
                 whole.trouble);
    else if (whole.broker_seen_mono_ms != 0 && silent_ms > session_ms(&config->kafka))
        snprintf(why, VITALS_WHY_BYTES, "no broker has answered for %" PRId64 " s%s%s", silent_ms / 1000, colon, whole.trouble);
    else if (!whole.joined)
        snprintf(why, VITALS_WHY_BYTES, "it is no member of the group '%.150s' just now%s%s", config->kafka.group_id, colon,
                 whole.trouble);
    else
        return true;
    return false;
}

static void serve_readyz(struct http_exchange *exchange, void *opaque)
{
    const struct vitals *vitals = opaque;
    char why[VITALS_WHY_BYTES] = "";
    bool ready = vitals_ready(vitals->config.standing, vitals->config.worker_config, clock_mono_ms(), why);
    answer(exchange, "ready", ready, why);
}

/* ---- /metrics ---- */

static void write_page(struct vitals *vitals, struct buf *out)
{
    const struct vitals_config *config = &vitals->config;
    char why[VITALS_WHY_BYTES];
    metrics_write(config->metrics, out);
    vitals_gauges_about(out, config->curl_version);
    vitals_gauges_of_standing(out, config->standing, config->worker_config,
                              vitals_ready(config->standing, config->worker_config, clock_mono_ms(), why));
    pthread_mutex_lock(&vitals->lock);
    vitals_gauges_of_pool(out, vitals->worker != NULL ? worker_pool(vitals->worker) : NULL,
                          config->worker_config->max_in_flight / 2);
    pthread_mutex_unlock(&vitals->lock);
    process_metrics_write(out, vitals->started_seconds);
}

static void serve_metrics(struct http_exchange *exchange, void *opaque)
{
    struct buf out;
    buf_init(&out, PAGE_MAX_BYTES);
    write_page(opaque, &out);
    if (buf_failed(&out))
        admin_refuse(exchange, 503, "there is no memory for the page just now");
    else
        http_answer_send(exchange, &(struct http_answer){.code = 200,
                                                         .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                                         .body = out.at,
                                                         .body_bytes = out.bytes});
    buf_deinit(&out);
}

const struct admin_route *vitals_routes(size_t *n)
{
    static const struct admin_route routes[] = {
        {.method = "GET", .path = "/livez", .access = ADMIN_OPEN, .handler = serve_livez},
        {.method = "GET", .path = "/readyz", .access = ADMIN_OPEN, .handler = serve_readyz},
        {.method = "GET", .path = "/metrics", .access = ADMIN_OPEN, .handler = serve_metrics},
    };
    *n = sizeof routes / sizeof routes[0];
    return routes;
}
