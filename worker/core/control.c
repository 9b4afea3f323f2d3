#include "core/control.h"

#include "base/clock.h"
#include "core/cancels.h"
#include "engine/pool.h"
#include "kafka/client_end.h"
#include "kafka/log_range.h"
#include "ops/log.h"
#include "ops/metrics.h"
#include "protocol/control.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TURN_MS 200
#define BATCH 1000 /* messages, after which runs are asked, however many more there are */
#define ASK_FIRST_MS 2000 /* doubled for slow brokers */
#define ASK_MOST_MS 4000
#define AGAIN_MS 1000     /* after a question that was not answered, and for a topic that is not there */
#define LOOK_MS 10000     /* for new partitions */
#define TOLD_MS 600000    /* a fault that lasts */
#define GARBAGE_MS 60000
#define EXPIRE_MS 60000
#define PARTITIONS_MAX 10000

struct place {
    int64_t next; /* the offset that is read next */
    int64_t end;  /* that was reached once: the past is read; -1: it is */
};

struct control {
    struct control_config config;
    rd_kafka_t *client;
    rd_kafka_topic_t *handle;
    pthread_t thread;
    bool has_thread;
    atomic_bool stopped;
    atomic_bool caught_up;
    /* The thread's. */
    struct place *places; /* by partition */
    int n_places;
    int64_t began_ms;
    int64_t look_at_ms;
    int ask_ms; /* so long an answer is waited for */
    int64_t fault_told_ms; /* CLOCK_NEVER: not since all was well */
    int64_t garbage_told_ms;
    size_t garbage_untold;
    int64_t expire_at_ms;
    size_t added; /* cancels that no run was asked about */
};

static void catch_up(struct control *control)
{
    if (atomic_exchange(&control->caught_up, true)) {
        return;
    }
    uint64_t one = 1;
    ssize_t written = write(control->config.event_fd, &one, sizeof one);
    (void)written; /* a full eventfd is as good: the thread is awake */
}

/* ---- what is wrong ---- */

static const char *remedy_of(rd_kafka_resp_err_t error)
{
    switch ((int)error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        return "; once it is created it is read (`rxp-worker config --check` prints the command)";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return "; grant Read and Describe (`rxp-worker config --check` prints the command)";
    default:
        return "";
    }
}

static void tell_fault(struct control *control, rd_kafka_resp_err_t error)
{
    int64_t now_ms = clock_mono_ms();
    if (control->fault_told_ms != CLOCK_NEVER && now_ms - control->fault_told_ms < TOLD_MS) {
        return;
    }
    control->fault_told_ms = now_ms;
    log_event(LOG_WARN, "control_unreadable", "control topic '%s' cannot be read, so that nothing can be cancelled by it: %s%s",
              control->config.topic, rd_kafka_err2str(error), remedy_of(error));
}

static void tell_garbage(struct control *control, const rd_kafka_message_t *message, const char *why)
{
    int64_t now_ms = clock_mono_ms();
    control->garbage_untold++;
    if (control->garbage_told_ms != CLOCK_NEVER && now_ms - control->garbage_told_ms < GARBAGE_MS) {
        return;
    }
    log_event(LOG_WARN, "control_garbage", "control topic '%s' [%" PRId32 "] offset %" PRId64 " is passed over: %s (%zu since this "
              "was said last)", control->config.topic, message->partition, message->offset, why, control->garbage_untold);
    control->garbage_told_ms = now_ms;
    control->garbage_untold = 0;
}

/* ---- partitions ---- */

static bool is_missing(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
}

/* How many there are; or -1 with *error. */
static int count_partitions(struct control *control, rd_kafka_resp_err_t *error)
{
    const struct rd_kafka_metadata *metadata = NULL;
    *error = rd_kafka_metadata(control->client, 0, control->handle, &metadata, control->ask_ms);
    if (*error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return -1;
    }
    *error = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    int n = *error == RD_KAFKA_RESP_ERR_NO_ERROR ? metadata->topics[0].partition_cnt : -1;
    rd_kafka_metadata_destroy(metadata);
    return n < PARTITIONS_MAX ? n : PARTITIONS_MAX;
}

/* Where the hour begins, and where the log ended before that was asked: what comes in between must not be missed. */
static rd_kafka_resp_err_t find_place(struct control *control, int32_t partition, struct place *place)
{
    struct log_range log;
    const char *topic = control->config.topic;
    rd_kafka_resp_err_t error = log_range_read(control->client, topic, partition, control->ask_ms, &log);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return error;
    }
    rd_kafka_topic_partition_list_t *times = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *time = rd_kafka_topic_partition_list_add(times, topic, partition);
    time->offset = clock_wall_ms() - CANCELS_KEPT_MS;
    error = rd_kafka_offsets_for_times(control->client, times, control->ask_ms);
    error = error == RD_KAFKA_RESP_ERR_NO_ERROR ? time->err : error;
    /* A negative one: nothing is as young as that. */
    *place = (struct place){.next = time->offset >= 0 && time->offset < log.high ? time->offset : log.high, .end = log.high};
    rd_kafka_topic_partition_list_destroy(times);
    return error;
}

static rd_kafka_resp_err_t assign(struct control *control)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(control->n_places);
    for (int i = 0; i < control->n_places; i++) {
        rd_kafka_topic_partition_list_add(list, control->config.topic, i)->offset = control->places[i].next;
    }
    rd_kafka_resp_err_t error = rd_kafka_assign(control->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    return error;
}

/* Those beyond the ones that are known. */
static rd_kafka_resp_err_t take_partitions(struct control *control, int n)
{
    struct place *places = realloc(control->places, (size_t)n * sizeof *places);
    if (places == NULL) {
        return RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;
    }
    control->places = places;
    int known = control->n_places;
    for (int i = known; i < n; i++) {
        rd_kafka_resp_err_t error =
            atomic_load(&control->stopped) ? RD_KAFKA_RESP_ERR__DESTROY : find_place(control, i, &places[i]);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return error;
        }
        if (places[i].next >= places[i].end) {
            places[i].end = -1;
        }
    }
    control->n_places = n;
    rd_kafka_resp_err_t error = assign(control);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        control->n_places = known;
        return error;
    }
    log_event(LOG_INFO, "control_read", "control topic '%s': %d partition%s, read from an hour back", control->config.topic, n,
              n == 1 ? " is" : "s are");
    return error;
}

static void drop_partitions(struct control *control)
{
    if (control->n_places > 0) {
        control->n_places = 0;
        (void)rd_kafka_assign(control->client, NULL);
    }
}

static void look(struct control *control, int64_t now_ms)
{
    rd_kafka_resp_err_t error;
    int n = count_partitions(control, &error);
    if (n >= 0 && n < control->n_places) {
        drop_partitions(control); /* it was made anew */
    }
    if (n > control->n_places) {
        error = take_partitions(control, n);
    }
    control->look_at_ms = now_ms + LOOK_MS;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        control->fault_told_ms = CLOCK_NEVER;
        control->ask_ms = ASK_FIRST_MS;
        return;
    }
    control->look_at_ms = clock_mono_ms() + AGAIN_MS;
    control->ask_ms = error == RD_KAFKA_RESP_ERR__TIMED_OUT ? ASK_MOST_MS : ASK_FIRST_MS;
    if (is_missing(error) || error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        drop_partitions(control); /* should it come, it is another */
        tell_fault(control, error);
        catch_up(control);
    }
}

/* ---- messages ---- */

static void take_message(struct control *control, const rd_kafka_message_t *message)
{
    struct rxp_control *asked = NULL;
    struct rxp_refusal why;
    if (message->payload == NULL) {
        return; /* a topic may be compacted, and its users may tidy up */
    }
    if (rxp_control_parse(message->payload, message->len, &asked, &why) != 0) {
        tell_garbage(control, message, why.text);
        return;
    }
    rd_kafka_timestamp_type_t type;
    int64_t now_ms = clock_wall_ms();
    int64_t asked_at_ms = rd_kafka_message_timestamp(message, &type);
    if (cancels_add(control->config.cancels, asked->invocation_id, asked_at_ms >= 0 ? asked_at_ms : now_ms, now_ms)) {
        control->added++;
        metrics_add_shared(control->config.metrics, METRIC_CANCELS_TOTAL, METRIC_CANCEL_CONTROL, 1);
        log_event(LOG_DEBUG, "cancel_asked", "invocation '%s' is to be cancelled, says control topic '%s'",
                  rxp_show(asked->invocation_id, strlen(asked->invocation_id)).text, control->config.topic);
    }
    rxp_control_free(asked);
}

/* The partition was read up to there. */
static void note_place(struct control *control, int32_t partition, int64_t next)
{
    if (partition < 0 || partition >= control->n_places) {
        return;
    }
    struct place *place = &control->places[partition];
    place->next = next;
    if (place->end >= 0 && next >= place->end) {
        place->end = -1;
    }
}

static void take_event(struct control *control, const rd_kafka_message_t *message)
{
    switch ((int)message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        take_message(control, message);
        note_place(control, message->partition, message->offset + 1);
        break;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: /* also past transaction markers, which are never delivered */
        note_place(control, message->partition, message->offset);
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        control->look_at_ms = 0;
        break;
    default: /* a broker that is away for a moment: librdkafka goes on by itself */
        break;
    }
}

/* Cancels that are in the table are told to the runs under way. */
static void tell_runs(struct control *control)
{
    if (control->added > 0 && control->config.pool != NULL) {
        pool_ask(control->config.pool);
    }
    control->added = 0;
}

static bool past_is_read(const struct control *control)
{
    for (int i = 0; i < control->n_places; i++) {
        if (control->places[i].end >= 0) {
            return false;
        }
    }
    return control->n_places > 0;
}

static void serve_clocks(struct control *control, int64_t now_ms)
{
    if (!atomic_load(&control->caught_up) && past_is_read(control)) {
        catch_up(control);
    }
    if (!atomic_load(&control->caught_up) && now_ms - control->began_ms >= CONTROL_CATCH_UP_MS) {
        log_event(LOG_WARN, "control_behind", "control topic '%s' could not be read to its end within %d s: invocations are taken "
                  "all the same, and those that it cancels may begin before they are cancelled", control->config.topic,
                  CONTROL_CATCH_UP_MS / 1000);
        catch_up(control);
    }
    if (now_ms >= control->expire_at_ms) {
        cancels_expire(control->config.cancels, clock_wall_ms());
        control->expire_at_ms = now_ms + EXPIRE_MS;
    }
}

static void *control_thread(void *opaque)
{
    struct control *control = opaque;
    control->began_ms = clock_mono_ms();
    while (!atomic_load(&control->stopped)) {
        int64_t now_ms = clock_mono_ms();
        if (now_ms >= control->look_at_ms) {
            look(control, now_ms);
        }
        rd_kafka_message_t *message = rd_kafka_consumer_poll(control->client, TURN_MS);
        for (int i = 0; message != NULL && i < BATCH; i++) {
            take_event(control, message);
            rd_kafka_message_destroy(message);
            message = i + 1 < BATCH ? rd_kafka_consumer_poll(control->client, 0) : NULL;
        }
        tell_runs(control);
        serve_clocks(control, clock_mono_ms());
    }
    return NULL;
}

/* ---- life ---- */

static int connect_client(struct control *control, char *why, size_t why_bytes)
{
    char reason[CLIENT_CONF_WHY_BYTES] = "";
    rd_kafka_conf_t *conf = client_conf_make(&control->config.kafka, CLIENT_READER, reason);
    if (conf != NULL) {
        control->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    }
    if (control->client == NULL) {
        if (conf != NULL) {
            rd_kafka_conf_destroy(conf);
        }
        snprintf(why, why_bytes, "control topic '%s': %s", control->config.topic, reason);
        return -1;
    }
    rd_kafka_poll_set_consumer(control->client);
    control->handle = rd_kafka_topic_new(control->client, control->config.topic, NULL);
    if (control->handle == NULL) {
        snprintf(why, why_bytes, "control topic '%s': %s", control->config.topic, rd_kafka_err2str(rd_kafka_last_error()));
        return -1;
    }
    return 0;
}

struct control *control_new(const struct control_config *config, char *why, size_t why_bytes)
{
    struct control *control = calloc(1, sizeof *control);
    if (control == NULL) {
        snprintf(why, why_bytes, "out of memory");
        return NULL;
    }
    control->config = *config;
    control->ask_ms = ASK_FIRST_MS;
    control->fault_told_ms = CLOCK_NEVER;
    control->garbage_told_ms = CLOCK_NEVER;
    if (connect_client(control, why, why_bytes) != 0) {
        control_free(control);
        return NULL;
    }
    control->has_thread = pthread_create(&control->thread, NULL, control_thread, control) == 0;
    if (!control->has_thread) {
        snprintf(why, why_bytes, "no thread could be made for control topic '%s'", config->topic);
        control_free(control);
        return NULL;
    }
    return control;
}

void control_free(struct control *control)
{
    if (control == NULL) {
        return;
    }
    atomic_store(&control->stopped, true);
    if (control->has_thread) {
        pthread_join(control->thread, NULL);
    }
    if (control->handle != NULL) {
        rd_kafka_topic_destroy(control->handle);
    }
    if (control->client != NULL) {
        (void)client_end(control->client, clock_mono_ms() + CLIENT_END_MS);
    }
    free(control->places);
    free(control);
}

bool control_has_caught_up(const struct control *control)
{
    return atomic_load(&control->caught_up);
}
