#include "kafka/publisher.h"

#include "base/clock.h"
#include "kafka/client_end.h"
#include "kafka/line.h"
#include "kafka/opaque_mark.h"
#include "kafka/refusal.h"
#include "kafka/topic_watch.h"
#include "ops/log.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REASON_BYTES = TOPIC_WATCH_WHY_BYTES, REMIND_MS = 60000 };

/* A delivery report, kept until librdkafka's callbacks are over: what the hooks do is then done on the publisher's own
 * stack, where they may send, and where a thread checker sees them. */
struct report {
    void *message_opaque;
    enum delivery delivery;
    char *reason; /* NULL: none */
};

struct publisher {
    struct publisher_hooks hooks;
    int event_fd;
    struct lines lines;
    rd_kafka_topic_t *topics[TOPIC_WATCH_MAX]; /* held, so that their metadata is kept fresh */
    size_t n_topics;
    struct topic_watch *watch;
    atomic_size_t outstanding;
    struct report *reports; /* main: of this turn; no more than are outstanding */
    size_t n_reports;
    size_t reports_room;

    atomic_bool failed;
    pthread_mutex_t reason_lock;
    char reason[REASON_BYTES]; /* why it failed; the first reason stays */
    bool told;                 /* main: hooks.fatal was called */

    int64_t now_ms;        /* main: of this turn */
    int64_t down_since_ms; /* main: CLOCK_NEVER while a broker is up, as far as is known */
    int64_t remind_ms;
};

static void wake(const struct publisher *publisher)
{
    const uint64_t one = 1;
    /* A full counter is awake enough. */
    if (write(publisher->event_fd, &one, sizeof one) < 0)
        return;
}

/* Any thread. */
static void fail(struct publisher *publisher, const char *reason)
{
    pthread_mutex_lock(&publisher->reason_lock);
    if (!atomic_load(&publisher->failed)) {
        snprintf(publisher->reason, sizeof publisher->reason, "%s", reason);
        atomic_store(&publisher->failed, true);
    }
    pthread_mutex_unlock(&publisher->reason_lock);
    wake(publisher);
}

static void fail_from_watch(const char *reason, void *opaque)
{
    fail(opaque, reason);
}

/* librdkafka's own end: fenced, out of sequence, not allowed. */
static void fail_for_good(struct publisher *publisher, rd_kafka_t *rk)
{
    char text[256] = "";
    char reason[REASON_BYTES];
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(rk, text, sizeof text);
    snprintf(reason, sizeof reason, "the Kafka producer cannot go on (%s): %s", rd_kafka_err2name(err), text);
    fail(publisher, reason);
}

/* A smaller message gets there no better. */
static bool is_unreachable(rd_kafka_resp_err_t err, bool optional)
{
    return err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || (optional && refusal_is_of_topic(err));
}

static bool is_purge(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

static void note_up(struct publisher *publisher)
{
    if (publisher->down_since_ms == CLOCK_NEVER)
        return;
    log_event(LOG_INFO, "kafka_up", "Kafka takes messages again (its brokers were out of reach %lld s ago)",
              (long long)(publisher->now_ms - publisher->down_since_ms) / 1000);
    publisher->down_since_ms = CLOCK_NEVER;
}

static void report(struct publisher *publisher, void *message_opaque, enum delivery delivery, const char *reason)
{
    atomic_fetch_sub(&publisher->outstanding, 1);
    publisher->hooks.delivered(message_opaque, delivery, reason, publisher->hooks.opaque);
}

static void report_later(struct publisher *publisher, void *message_opaque, enum delivery delivery, const char *reason)
{
    if (publisher->n_reports == publisher->reports_room) {
        size_t room = publisher->reports_room == 0 ? 256 : publisher->reports_room * 2;
        struct report *reports = realloc(publisher->reports, room * sizeof *reports);
        if (reports == NULL) {
            report(publisher, message_opaque, delivery, reason);
            return;
        }
        publisher->reports = reports;
        publisher->reports_room = room;
    }
    publisher->reports[publisher->n_reports++] = (struct report){
        .message_opaque = message_opaque,
        .delivery = delivery,
        .reason = reason[0] != '\0' ? strdup(reason) : NULL,
    };
}

static void report_all(struct publisher *publisher)
{
    for (size_t i = 0; i < publisher->n_reports; i++) {
        struct report *next = &publisher->reports[i];
        report(publisher, next->message_opaque, next->delivery, next->reason != NULL ? next->reason : "");
        free(next->reason);
    }
    publisher->n_reports = 0;
}

static rd_kafka_resp_err_t produce(rd_kafka_t *rk, const struct publisher_message *message)
{
    /* The casts take const away for an interface that is without it; nothing is changed. */
    return message->headers != NULL
        ? rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(message->topic), RD_KAFKA_V_PARTITION(message->partition),
                            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                            RD_KAFKA_V_VALUE((void *)message->value, message->value_bytes),
                            RD_KAFKA_V_KEY((void *)message->key, message->key_bytes),
                            RD_KAFKA_V_HEADERS(message->headers), RD_KAFKA_V_OPAQUE(message->opaque), RD_KAFKA_V_END)
        : rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(message->topic), RD_KAFKA_V_PARTITION(message->partition),
                            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                            RD_KAFKA_V_VALUE((void *)message->value, message->value_bytes),
                            RD_KAFKA_V_KEY((void *)message->key, message->key_bytes),
                            RD_KAFKA_V_OPAQUE(message->opaque), RD_KAFKA_V_END);
}

/* As it was, on the same line, to the same partition. False where it is told of instead. */
static bool send_again(struct publisher *publisher, rd_kafka_t *rk, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    if (!refusal_may_pass(message->err) || opaque_tries(message->_private) == OPAQUE_MOST_TRIES ||
        atomic_load(&publisher->failed))
        return false;
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        headers = rd_kafka_headers_copy(headers);
    rd_kafka_resp_err_t err = produce(rk, &(struct publisher_message){
        .topic = rd_kafka_topic_name(message->rkt), .partition = message->partition, .key = message->key,
        .key_bytes = message->key_len, .value = message->payload, .value_bytes = message->len, .headers = headers,
        .opaque = opaque_one_more_try(message->_private)});
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (headers != NULL)
            rd_kafka_headers_destroy(headers);
        return false;
    }
    log_event(LOG_DEBUG, "message_again", "topic '%s' [%" PRId32 "]: %s; the message (%zu bytes) goes again as it is",
              rd_kafka_topic_name(message->rkt), message->partition, rd_kafka_err2str(message->err), message->len);
    return true;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct publisher *publisher = opaque;
    const char *topic = rd_kafka_topic_name(message->rkt);
    enum delivery delivery = DELIVERY_LOST;
    char reason[REASON_BYTES] = "";

    if (send_again(publisher, rk, message))
        return;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_PERSISTED) {
            delivery = DELIVERY_ACKNOWLEDGED;
            note_up(publisher);
        } else {
            snprintf(reason, sizeof reason, "topic '%s': a delivery was reported that no broker acknowledged", topic);
            fail(publisher, reason);
        }
    } else if (is_unreachable(message->err, opaque_is_marked(message->_private))) {
        delivery = DELIVERY_UNREACHABLE;
        topic_watch_sentence(topic, message->err, reason);
    } else if (refusal_is_of_message(message->err)) {
        delivery = DELIVERY_REFUSED;
        snprintf(reason, sizeof reason, "topic '%s' does not take a message of %zu bytes: %s", topic, message->len,
                 rd_kafka_err2str(message->err));
    } else if (is_purge(message->err)) {
        snprintf(reason, sizeof reason, "given up while it waited for topic '%s'", topic);
    } else {
        char fatal_text[8];
        topic_watch_sentence(topic, message->err, reason);
        if (rd_kafka_fatal_error(rk, fatal_text, sizeof fatal_text) != RD_KAFKA_RESP_ERR_NO_ERROR)
            fail_for_good(publisher, rk);
        else
            fail(publisher, reason);
    }
    report_later(publisher, opaque_unmark(message->_private), delivery, reason);
}

/* Besides this, librdkafka's log tells why a broker cannot be reached. */
static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    struct publisher *publisher = opaque;
    (void)reason;
    if (err == RD_KAFKA_RESP_ERR__FATAL)
        fail_for_good(publisher, rk);
    if (err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || publisher->down_since_ms != CLOCK_NEVER)
        return;
    publisher->down_since_ms = publisher->now_ms;
    publisher->remind_ms = publisher->now_ms + REMIND_MS;
    /* The consumer says that no broker is there. */
    log_event(publisher_outstanding(publisher) > 0 ? LOG_WARN : LOG_DEBUG, "kafka_down",
              "no Kafka broker can be reached; %zu messages to publish wait for one", publisher_outstanding(publisher));
}

static int64_t read_missing_ms(const rd_kafka_conf_t *conf)
{
    char value[32] = "";
    size_t bytes = sizeof value;
    if (rd_kafka_conf_get(conf, "topic.metadata.propagation.max.ms", value, &bytes) != RD_KAFKA_CONF_OK)
        return 30000;
    return strtoll(value, NULL, 10);
}

/* A topic handle makes librdkafka ask for the topic's leaders at once, without waiting for the answer. */
static int open_topics(struct publisher *publisher, const struct publisher_config *config, int64_t missing_ms, char *why,
                       size_t why_bytes)
{
    for (size_t i = 0; i < config->n_topics; i++) {
        rd_kafka_topic_t *topic = rd_kafka_topic_new(lines_look(&publisher->lines, LINE_PLAIN), config->topics[i], NULL);
        if (topic == NULL) {
            snprintf(why, why_bytes, "topic '%s' cannot be written to: %s", config->topics[i],
                     rd_kafka_err2str(rd_kafka_last_error()));
            return -1;
        }
        publisher->topics[publisher->n_topics++] = topic;
    }
    if (publisher->n_topics == 0)
        return 0;
    publisher->watch = topic_watch_start(lines_look(&publisher->lines, LINE_PLAIN), publisher->topics, publisher->n_topics, missing_ms,
                                         fail_from_watch, publisher);
    if (publisher->watch != NULL)
        return 0;
    snprintf(why, why_bytes, "no thread could be started to look after the topics");
    return -1;
}

void publisher_open_topic(struct publisher *publisher, const char *topic)
{
    for (size_t i = 0; i < publisher->n_topics; i++) {
        if (strcmp(rd_kafka_topic_name(publisher->topics[i]), topic) == 0)
            return;
    }
    rd_kafka_topic_t *handle = publisher->n_topics < TOPIC_WATCH_MAX
                                   ? rd_kafka_topic_new(lines_look(&publisher->lines, LINE_PLAIN), topic, NULL)
                                   : NULL;
    if (handle != NULL)
        publisher->topics[publisher->n_topics++] = handle;
}

struct publisher *publisher_new(const struct publisher_config *config, const struct publisher_hooks *hooks, char *why,
                                size_t why_bytes)
{
    char conf_why[CLIENT_CONF_WHY_BYTES];
    struct publisher *publisher = calloc(1, sizeof *publisher);

    assert(config->n_topics <= TOPIC_WATCH_MAX);
    if (publisher == NULL) {
        snprintf(why, why_bytes, "out of memory");
        return NULL;
    }
    publisher->hooks = *hooks;
    publisher->event_fd = config->event_fd;
    publisher->down_since_ms = CLOCK_NEVER;
    publisher->now_ms = clock_mono_ms();
    pthread_mutex_init(&publisher->reason_lock, NULL);
    rd_kafka_conf_t *conf = client_conf_make(&config->settings, CLIENT_PRODUCER, conf_why);
    if (conf == NULL) {
        snprintf(why, why_bytes, "%s", conf_why);
        goto out;
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, publisher);
    int64_t missing_ms = read_missing_ms(conf);
    if (lines_init(&publisher->lines, conf, config->event_fd, why, why_bytes) != 0)
        goto out;
    if (open_topics(publisher, config, missing_ms, why, why_bytes) != 0)
        goto out;
    return publisher;
out:
    publisher_free(publisher);
    return NULL;
}

static enum publisher_send refusal_of(struct publisher *publisher, rd_kafka_t *rk, const struct publisher_message *message,
                                      rd_kafka_resp_err_t err, char *why, size_t why_bytes)
{
    char sentence[TOPIC_WATCH_WHY_BYTES];

    if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        snprintf(why, why_bytes, "too many messages wait to be published");
        return PUBLISHER_FULL;
    }
    if (is_unreachable(err, message->optional)) {
        topic_watch_sentence(message->topic, err, sentence);
        snprintf(why, why_bytes, "%s", sentence);
        return PUBLISHER_UNREACHABLE;
    }
    if (refusal_is_of_message(err)) {
        snprintf(why, why_bytes, "topic '%s' does not take a message of %zu bytes: %s", message->topic,
                 message->value_bytes, rd_kafka_err2str(err));
        return PUBLISHER_REFUSED;
    }
    topic_watch_sentence(message->topic, err, sentence);
    snprintf(why, why_bytes, "%s", sentence);
    if (err == RD_KAFKA_RESP_ERR__FATAL)
        fail_for_good(publisher, rk);
    else
        fail(publisher, sentence);
    return PUBLISHER_FATAL;
}

enum publisher_send publisher_send(struct publisher *publisher, const struct publisher_message *message, char *why,
                                   size_t why_bytes)
{
    if (atomic_load(&publisher->failed)) {
        snprintf(why, why_bytes, "nothing can be published any more");
        return PUBLISHER_FATAL;
    }
    enum line_kind kind = message->optional ? message->alone ? LINE_OPTIONAL_ALONE : LINE_OPTIONAL
                          : message->alone  ? LINE_ALONE
                                            : LINE_PLAIN;
    rd_kafka_t *rk = lines_get(&publisher->lines, kind, why, why_bytes);
    if (rk == NULL)
        return PUBLISHER_FULL; /* for want of memory or threads, which may pass */
    struct publisher_message marked = *message;
    marked.opaque = opaque_mark(message->opaque, message->optional);
    atomic_fetch_add(&publisher->outstanding, 1);
    rd_kafka_resp_err_t err = produce(rk, &marked);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return PUBLISHER_SENT;
    atomic_fetch_sub(&publisher->outstanding, 1);
    return refusal_of(publisher, rk, message, err, why, why_bytes);
}

void publisher_turn(struct publisher *publisher, int64_t now_ms, int64_t *next_ms)
{
    publisher->now_ms = now_ms;
    for (enum line_kind kind = LINE_PLAIN; kind < LINE_KINDS; kind++) {
        rd_kafka_t *rk = lines_look(&publisher->lines, kind);
        if (rk != NULL)
            rd_kafka_poll(rk, 0);
    }
    report_all(publisher);

    if (publisher->down_since_ms != CLOCK_NEVER && now_ms >= publisher->remind_ms) {
        /* Where nothing waits, nobody knows whether the brokers are still away. */
        if (publisher_outstanding(publisher) > 0)
            log_event(LOG_WARN, "kafka_down", "Kafka has taken no message for %lld s; %zu wait to be published",
                      (long long)(now_ms - publisher->down_since_ms) / 1000, publisher_outstanding(publisher));
        publisher->remind_ms = now_ms + REMIND_MS;
    }
    if (atomic_load(&publisher->failed) && !publisher->told) {
        publisher->told = true;
        publisher->hooks.fatal(publisher->reason, publisher->hooks.opaque);
    }
    *next_ms = publisher->down_since_ms != CLOCK_NEVER ? publisher->remind_ms : CLOCK_NEVER;
}

size_t publisher_outstanding(const struct publisher *publisher)
{
    return atomic_load(&publisher->outstanding);
}

void publisher_free(struct publisher *publisher)
{
    if (publisher == NULL)
        return;
    atomic_store(&publisher->failed, true); /* a hook that sends again gets PUBLISHER_FATAL */
    topic_watch_stop(publisher->watch);
    int64_t until_ms = clock_mono_ms() + CLIENT_END_MS;
    lines_purge(&publisher->lines, until_ms);
    report_all(publisher);
    free(publisher->reports);
    if (publisher_outstanding(publisher) > 0)
        log_event(LOG_WARN, "kafka_purge", "librdkafka reported nothing of %zu messages", publisher_outstanding(publisher));
    for (size_t i = 0; i < publisher->n_topics; i++)
        rd_kafka_topic_destroy(publisher->topics[i]);
    lines_deinit(&publisher->lines, until_ms);
    pthread_mutex_destroy(&publisher->reason_lock);
    free(publisher);
}
