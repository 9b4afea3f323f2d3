#include "kafka/consumer.h"

#include "base/clock.h"
#include "kafka/client_end.h"
#include "kafka/consumer_inside.h"
#include "ops/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the window or memory refused is resumed with room for some more, since every pause throws messages away. */
#define ROOM_TO_RESUME 256
#define MEMORY_AGAIN_MS 1000
#define TOPIC_NAME_MAX 249

/* ---- messages ---- */

static bool has_room(const struct consumer_partition *partition)
{
    size_t in_flight = tracker_in_flight(partition->tracker);
    return in_flight == 0 || (!tracker_is_full(partition->tracker) &&
                              offset_map_fits(tracker_span(partition->tracker) + ROOM_TO_RESUME, in_flight + ROOM_TO_RESUME));
}

/* True where the message was taken; false where it must be kept. */
static bool admit(struct consumer *consumer, struct consumer_partition *partition, rd_kafka_message_t *message)
{
    switch (tracker_admit(partition->tracker, message->offset)) {
    case TRACKER_NEW:
        moments_take(&partition->moments, message->offset, tracker_frontier(partition->tracker), consumer->now_ms);
        if (tracker_is_full(partition->tracker))
            partition_pause(consumer, partition, PAUSE_FULL);
        consumer->hooks.message(partition->assignment, message, consumer->hooks.opaque);
        return true;
    case TRACKER_DONE:
    case TRACKER_DUPLICATE:
        return true;
    case TRACKER_FULL:
        partition_pause(consumer, partition, PAUSE_FULL);
        return false;
    case TRACKER_MEMORY:
        partition->held_until_ms = consumer->now_ms + MEMORY_AGAIN_MS;
        partition_pause(consumer, partition, PAUSE_FULL);
        log_event(LOG_ERROR, "no_memory_for_window", "%s [%" PRId32 "]: no memory for the window at offset %" PRId64
                  ", trying again", partition->topic->name, partition->assignment->partition, message->offset);
        return false;
    }
    return false;
}

/* Takes message. */
static void take_message(struct consumer *consumer, rd_kafka_message_t *message)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        trouble_message(consumer, message);
        goto out;
    }
    consumer->seen_ms = consumer->now_ms;
    struct consumer_partition *partition =
        partition_find(consumer, rd_kafka_topic_name(message->rkt), message->partition);
    /* Of another assignment, or in spite of a pause: taken, one that is held would count as a gap. Resuming goes on at
     * the position, so it comes again. */
    if (partition == NULL || partition->phase != PARTITION_RUNNING || partition->is_paused)
        goto out;
    partition->position = message->offset + 1;
    if (!admit(consumer, partition, message)) {
        partition->held = message;
        return;
    }
out:
    rd_kafka_message_destroy(message);
}

/* Full partitions that have room again go on, the held message first. */
static void serve_full(struct consumer *consumer)
{
    if (consumer->held || consumer->stopped)
        return;
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if ((partition->pauses & PAUSE_FULL) == 0 || partition->phase != PARTITION_RUNNING || !has_room(partition) ||
            consumer->now_ms < partition->held_until_ms)
            continue;
        partition_unpause(consumer, partition, PAUSE_FULL);
        rd_kafka_message_t *held = partition->held;
        if (held != NULL && admit(consumer, partition, held)) {
            partition->held = NULL;
            rd_kafka_message_destroy(held);
        }
    }
}

/* Each message is taken alone: what one does (hold, fill a window) is known to librdkafka before the next is fetched
 * from its queue. */
static bool serve_queue(struct consumer *consumer, int max_messages)
{
    for (int n = 0; n < max_messages; n++) {
        partition_apply_pauses(consumer);
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->rk, 0);
        notices_tell(consumer);
        if (message == NULL)
            return false;
        bool was_held = consumer->held || consumer->stopped;
        take_message(consumer, message);
        if (!was_held && (consumer->held || consumer->stopped))
            break;
    }
    partition_apply_pauses(consumer);
    return true;
}

static void serve_replies(struct consumer *consumer)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(consumer->replies, 0)) != NULL) {
        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_OFFSET_COMMIT:
            commit_answer(consumer, event);
            break;
        default:
            break;
        }
        rd_kafka_event_destroy(event);
    }
}

/* ---- the turn ---- */

static int64_t min_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t full_next_ms(const struct consumer *consumer)
{
    int64_t next_ms = CLOCK_NEVER;
    for (const struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        const struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (partition->held != NULL && partition->held_until_ms > consumer->now_ms)
            next_ms = min_ms(next_ms, partition->held_until_ms);
    }
    return next_ms;
}

bool consumer_turn(struct consumer *consumer, int max_messages, int64_t now_ms, int64_t *next_ms)
{
    consumer->now_ms = now_ms;
    serve_replies(consumer);
    serve_full(consumer);
    bool more = serve_queue(consumer, max_messages);
    close_serve_queue(consumer);
    rebalance_serve(consumer);
    claims_serve(consumer);
    ended_serve(consumer);
    notices_tell(consumer);
    restore_serve(consumer);
    trouble_serve(consumer);
    reread_serve(consumer);
    close_serve(consumer);
    commit_serve(consumer);
    partition_apply_pauses(consumer);
    trouble_tell(consumer);

    int64_t next = min_ms(rebalance_next_ms(consumer), restore_next_ms(consumer));
    next = min_ms(next, min_ms(commit_next_ms(consumer), trouble_next_ms(consumer)));
    next = min_ms(next, claims_next_ms(consumer));
    next = min_ms(next, min_ms(full_next_ms(consumer), ended_next_ms(consumer)));
    next = min_ms(next, reread_next_ms(consumer));
    *next_ms = min_ms(next, close_next_ms(consumer));
    return more;
}

static void pause_all(struct consumer *consumer, enum pause_reason reason, bool pause)
{
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (pause)
            partition_pause(consumer, partition, reason);
        else
            partition_unpause(consumer, partition, reason);
    }
}

void consumer_hold(struct consumer *consumer, bool hold)
{
    if (consumer->held == hold)
        return;
    consumer->held = hold;
    pause_all(consumer, PAUSE_HOLD, hold);
}

void consumer_stop_intake(struct consumer *consumer)
{
    if (consumer->stopped)
        return;
    consumer->stopped = true;
    pause_all(consumer, PAUSE_STOPPED, true);
    for (struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next)
        partition_drop_held(list_entry(node, struct consumer_partition, node));
}

void consumer_read_counts(const struct consumer *consumer, struct consumer_counts *out)
{
    *out = (struct consumer_counts){.assigned = consumer->n_partitions,
                                    .joined = consumer->joined,
                                    .changes = consumer->changes,
                                    .broker_seen_ms = consumer->seen_ms};
    for (const struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        const struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        out->paused += partition->pauses != 0;
        out->in_flight += partition->tracker != NULL ? tracker_in_flight(partition->tracker) : 0;
    }
}

/* ---- life ---- */

static bool is_topic_name(const char *name)
{
    size_t bytes = strlen(name);
    return bytes > 0 && bytes <= TOPIC_NAME_MAX && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == bytes;
}

static int take_topics(struct consumer *consumer, const struct consumer_config *config, char *why, size_t why_bytes)
{
    if (config->n_topics == 0) {
        snprintf(why, why_bytes, "no topic to read is named: set invocations-topics");
        return -1;
    }
    consumer->topics = calloc(config->n_topics, sizeof *consumer->topics);
    if (consumer->topics == NULL)
        goto no_memory;
    for (size_t i = 0; i < config->n_topics; i++) {
        const char *name = config->topics[i];
        if (!is_topic_name(name)) {
            snprintf(why, why_bytes, "'%s' cannot be a topic's name (1 to %d letters, digits, '.', '_' or '-'): set "
                     "invocations-topics", name, TOPIC_NAME_MAX);
            return -1;
        }
        if (topic_find(consumer, name) != NULL)
            continue;
        char *copy = strdup(name);
        if (copy == NULL)
            goto no_memory;
        consumer->topics[consumer->n_topics++].name = copy;
    }
    return 0;
no_memory:
    snprintf(why, why_bytes, "out of memory");
    return -1;
}

/* Else offsets that a transaction is about to change could be read as they were before. */
static bool sees_stable_offsets(const rd_kafka_conf_t *conf)
{
    char value[32] = "";
    size_t bytes = sizeof value;
    return rd_kafka_conf_get(conf, "isolation.level", value, &bytes) == RD_KAFKA_CONF_OK &&
           strcmp(value, "read_committed") == 0;
}

/* The group waits for a member that is to rejoin as long as its max.poll.interval.ms says. */
static void limit_handover(struct consumer *consumer, const struct consumer_config *config, const rd_kafka_conf_t *conf)
{
    char value[32] = "";
    size_t bytes = sizeof value;
    rd_kafka_conf_res_t result = rd_kafka_conf_get(conf, "max.poll.interval.ms", value, &bytes);
    int64_t most_ms = result == RD_KAFKA_CONF_OK ? strtoll(value, NULL, 10) / 2 : config->handover_ms;
    consumer->handover_ms = min_ms(config->handover_ms, most_ms);
    consumer->write_ms = min_ms(config->write_ms, most_ms);
    if (consumer->write_ms < consumer->handover_ms)
        consumer->write_ms = consumer->handover_ms;
}

static rd_kafka_t *make_client(struct consumer *consumer, const struct consumer_config *config, char *why,
                               size_t why_bytes)
{
    char reason[CLIENT_CONF_WHY_BYTES] = "";
    rd_kafka_conf_t *conf = client_conf_make(&config->settings, CLIENT_CONSUMER, reason);
    if (conf == NULL) {
        snprintf(why, why_bytes, "%s", reason);
        return NULL;
    }
    if (config->transactional && !sees_stable_offsets(conf)) {
        snprintf(why, why_bytes, "Kafka property 'isolation.level' must be 'read_committed' where results and offsets go with "
                 "transactions (results-guarantee exactly-once): leave it out");
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    limit_handover(consumer, config, conf);
    if (join_watch_install(&consumer->join_watch, conf) != 0) {
        snprintf(why, why_bytes, "librdkafka %s takes no interceptor", rd_kafka_version_str());
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    /* Where a partition begins is always said explicitly; what librdkafka would choose by itself must be an error. */
    if (rd_kafka_conf_set(conf, "auto.offset.reset", "error", reason, sizeof reason) != RD_KAFKA_CONF_OK) {
        snprintf(why, why_bytes, "librdkafka: %s", reason);
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_opaque(conf, consumer);
    rd_kafka_conf_set_rebalance_cb(conf, rebalance_callback);
    rd_kafka_conf_set_error_cb(conf, trouble_error_callback);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (rk == NULL) {
        snprintf(why, why_bytes, "no Kafka consumer: %s", reason);
        rd_kafka_conf_destroy(conf);
    }
    return rk;
}

int consumer_subscribe(struct consumer *consumer, char *why, size_t why_bytes)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)consumer->n_topics);
    for (size_t i = 0; i < consumer->n_topics; i++)
        rd_kafka_topic_partition_list_add(list, consumer->topics[i].name, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(consumer->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    snprintf(why, why_bytes, "the topics cannot be subscribed to: %s", rd_kafka_err2str(err));
    return -1;
}

void consumer_wake_by(struct consumer *consumer, rd_kafka_queue_t *queue)
{
    rd_kafka_queue_io_event_enable(queue, consumer->event_fd, &consumer->wake, sizeof consumer->wake);
    /* Only a queue that was empty wakes, and librdkafka's threads may have been quicker than this one. */
    ssize_t written = write(consumer->event_fd, &consumer->wake, sizeof consumer->wake);
    (void)written; /* a full counter is awake enough */
}

struct consumer *consumer_new(const struct consumer_config *config, const struct consumer_hooks *hooks, char *why,
                              size_t why_bytes)
{
    struct consumer *consumer = calloc(1, sizeof *consumer);
    if (consumer == NULL) {
        snprintf(why, why_bytes, "out of memory");
        return NULL;
    }
    list_init(&consumer->partitions);
    list_init(&consumer->notices);
    list_init(&consumer->ended);
    list_init(&consumer->revokes);
    consumer->hooks = *hooks;
    consumer->commit_interval_ms = config->commit_interval_ms;
    consumer->missing_topic_ms = config->missing_topic_ms;
    consumer->transactional = config->transactional;
    consumer->strict = config->strict;
    consumer->is_static =
        config->settings.group_instance_id != NULL && config->settings.group_instance_id[0] != '\0';
    consumer->event_fd = config->event_fd;
    consumer->shard = config->shard;
    consumer->wake = 1;
    consumer->now_ms = clock_mono_ms();
    consumer->commit.next_ms = consumer->now_ms + consumer->commit_interval_ms;
    trouble_init(consumer);
    restore_init(consumer);
    join_watch_init(&consumer->join_watch);
    if (take_topics(consumer, config, why, why_bytes) != 0)
        goto out;
    consumer->rk = make_client(consumer, config, why, why_bytes);
    if (consumer->rk == NULL)
        goto out;
    consumer->brokers = strdup(config->settings.bootstrap_servers);
    consumer->group_id = strdup(config->settings.group_id);
    if (consumer->brokers == NULL || consumer->group_id == NULL) {
        snprintf(why, why_bytes, "out of memory");
        goto out;
    }
    rd_kafka_poll_set_consumer(consumer->rk);
    consumer->queue = rd_kafka_queue_get_consumer(consumer->rk);
    consumer->replies = rd_kafka_queue_new(consumer->rk);
    consumer_wake_by(consumer, consumer->queue);
    consumer_wake_by(consumer, consumer->replies);
    if (consumer_subscribe(consumer, why, why_bytes) != 0)
        goto out;
    return consumer;
out:
    consumer_free(consumer);
    return NULL;
}

static void queue_free(rd_kafka_queue_t *queue)
{
    if (queue == NULL)
        return;
    rd_kafka_queue_io_event_enable(queue, -1, NULL, 0);
    rd_kafka_queue_destroy(queue);
}

void consumer_free(struct consumer *consumer)
{
    if (consumer == NULL)
        return;
    while (!list_is_empty(&consumer->partitions))
        partition_remove(consumer, list_entry(consumer->partitions.next, struct consumer_partition, node));
    while (!list_is_empty(&consumer->revokes))
        revoke_free(list_entry(consumer->revokes.next, struct revoke, node));
    ended_drop(consumer);
    notices_drop(consumer);
    membership_clear(&consumer->commit.membership);
    if (consumer->member_id != NULL)
        rd_kafka_mem_free(consumer->rk, consumer->member_id);
    queue_free(consumer->queue);
    queue_free(consumer->replies);
    queue_free(consumer->closing);
    bool ended = consumer->rk == NULL || (restore_drop(consumer, clock_mono_ms() + CLIENT_END_MS) && close_destroy(consumer));
    for (size_t i = 0; i < consumer->n_topics; i++) {
        free(consumer->topics[i].name);
        free(consumer->topics[i].partitions);
    }
    free(consumer->topics);
    free(consumer->brokers);
    free(consumer->group_id);
    /* A client that is left behind goes on to write to join_watch. */
    if (ended)
        free(consumer);
}
