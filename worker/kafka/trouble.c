#include "base/clock.h"
#include "kafka/consumer_inside.h"
#include "ops/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    SAY_EVERY_MS = 30000,
    REASON_MS = 500,
    UNJOINED_MS = 8000, /* a first join takes 3 s where brokers have their defaults */
    UNJOINED_EVERY_MS = 30000,
    CONFIRM_TIMEOUT_MS = 500, /* the only call here that waits for a broker, once at the end of a missing topic's time */
};

void trouble_init(struct consumer *consumer)
{
    /* So that the first of each kind is said. */
    consumer->trouble.error_said_ms = consumer->now_ms - SAY_EVERY_MS;
    consumer->read.warned_ms = consumer->now_ms - SAY_EVERY_MS;
    consumer->commit.warned_ms = consumer->now_ms - SAY_EVERY_MS;
}

/* ---- fatal ---- */

void trouble_fatal(struct consumer *consumer, const char *format, ...)
{
    if (consumer->fatal)
        return;
    consumer->fatal = true;
    va_list args;
    va_start(args, format);
    vsnprintf(consumer->why, sizeof consumer->why, format, args);
    va_end(args);
}

void trouble_tell(struct consumer *consumer)
{
    if (!consumer->fatal || consumer->fatal_told)
        return;
    consumer->fatal_told = true;
    consumer->hooks.fatal(consumer->why, consumer->hooks.opaque);
}

void trouble_undecided(struct consumer *consumer, const char *topic, int32_t partition, const char *what, const char *option,
                       const char *does)
{
    trouble_fatal(consumer, "%s [%" PRId32 "]: %s; which of its runs are done cannot be known, and to run them again would break "
                  "results-guarantee=exactly-once or kickoff-guarantee=at-most-once. Stop the group's workers, say where it goes "
                  "on with kafka-consumer-groups.sh --bootstrap-server %.200s --group %.200s --topic %s:%" PRId32
                  " --reset-offsets %s --execute (%s), and start them again", topic, partition, what, consumer->brokers,
                  consumer->group_id, topic, partition, option, does);
}

bool trouble_is_fatal(struct consumer *consumer, rd_kafka_resp_err_t err, const char *text, const char *topic)
{
    char reason[256];
    switch (err) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        trouble_fatal(consumer, "the broker does not let this worker read topic %s (%s): allow its user READ and DESCRIBE "
                      "on the topic", topic != NULL ? topic : "of its inputs", text);
        return true;
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        trouble_fatal(consumer, "the broker does not let this worker into group '%s' (%s): allow its user READ on the "
                      "group, or name another with group-id", consumer->group_id, text);
        return true;
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        trouble_fatal(consumer, "the broker refuses this worker (%s): allow its user the cluster action", text);
        return true;
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
        trouble_fatal(consumer, "another worker has joined group '%s' under the same group-instance-id and fenced this "
                      "one off: give each worker one of its own", consumer->group_id);
        return true;
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
        trouble_fatal(consumer, "the other members of group '%s' do not use the assignment strategy cooperative-sticky "
                      "(%s): stop them first, or name another group with group-id", consumer->group_id, text);
        return true;
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
        trouble_fatal(consumer, "the broker does not take '%s' for a group's name (%s): set group-id", consumer->group_id,
                      text);
        return true;
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        trouble_fatal(consumer, "the broker does not take '%s' for a topic's name (%s): set invocations-topics",
                      topic != NULL ? topic : "?", text);
        return true;
    case RD_KAFKA_RESP_ERR__FATAL:
        err = rd_kafka_fatal_error(consumer->rk, reason, sizeof reason);
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR && err != RD_KAFKA_RESP_ERR__FATAL && trouble_is_fatal(consumer, err, reason, topic))
            return true;
        trouble_fatal(consumer, "the Kafka consumer is finished: %s; restart the worker",
                      err != RD_KAFKA_RESP_ERR_NO_ERROR ? reason : text);
        return true;
    default:
        return false;
    }
}

/* ---- what watchers are told ---- */

void trouble_note(struct consumer *consumer, enum trouble_kind kind, const char *format, ...)
{
    va_list args;
    consumer->trouble.last_kind = kind;
    consumer->trouble.last_ms = consumer->now_ms;
    va_start(args, format);
    vsnprintf(consumer->trouble.last, sizeof consumer->trouble.last, format, args);
    va_end(args);
}

/* ---- brokers out of reach ---- */

void trouble_over(struct consumer *consumer)
{
    consumer->trouble.reason[0] = '\0';
    consumer->trouble.last[0] = '\0';
    consumer->seen_ms = consumer->now_ms;
    if (!consumer->trouble.no_broker)
        return;
    consumer->trouble.no_broker = false;
    if (consumer->trouble.no_broker_said)
        log_event(LOG_INFO, "broker_reached", "a broker at %s answers again", consumer->brokers);
}

static void say_no_broker(struct consumer *consumer)
{
    consumer->trouble.no_broker_said = true;
    consumer->trouble.no_broker_said_ms = consumer->now_ms;
    log_event(LOG_WARN, "no_broker", "no broker reachable at %s: %s; waiting", consumer->brokers,
              consumer->trouble.reason[0] != '\0' ? consumer->trouble.reason : "no reason known");
}

/* The clocks of missing topics stand while no broker can be asked. */
static void reset_missing(struct consumer *consumer)
{
    for (size_t i = 0; i < consumer->n_topics; i++)
        consumer->topics[i].missing_since_ms = consumer->now_ms;
}

void trouble_error_callback(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    struct consumer *consumer = opaque;
    (void)rk;
    if (trouble_is_fatal(consumer, (rd_kafka_resp_err_t)err, reason, NULL))
        return;
    switch ((rd_kafka_resp_err_t)err) {
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        if (!consumer->trouble.no_broker) {
            consumer->trouble.no_broker = true;
            consumer->trouble.no_broker_said = false;
            consumer->trouble.no_broker_said_ms = consumer->now_ms;
        }
        consumer->trouble.last_ms = consumer->now_ms; /* the reason may come later: an answer from before is none */
        reset_missing(consumer);
        break;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        /* librdkafka repeats them every 30 s at most, which shows that the trouble lasts. */
        snprintf(consumer->trouble.reason, sizeof consumer->trouble.reason, "%s", reason);
        trouble_note(consumer, TROUBLE_OF_BROKERS, "%s", reason);
        if (consumer->trouble.no_broker && consumer->trouble.no_broker_said &&
            consumer->now_ms >= consumer->trouble.no_broker_said_ms + SAY_EVERY_MS)
            say_no_broker(consumer);
        else
            log_event(LOG_DEBUG, "broker_error", "%s", reason);
        break;
    case RD_KAFKA_RESP_ERR__BAD_MSG:
        trouble_note(consumer, TROUBLE_OF_BROKERS, "%s", reason);
        /* Repeated as those above, since what was asked for is asked for again. */
        if (strstr(reason, "receive.message.max.bytes") != NULL) {
            log_event(LOG_ERROR, "answer_too_large", "%s. Until then nothing is read from that broker: start the worker again with "
                      "a higher receive.message.max.bytes (-X receive.message.max.bytes=N), unless it is no Kafka broker that "
                      "answers there", reason);
            break;
        }
        /* fall through */
    default:
        trouble_note(consumer, TROUBLE_OF_BROKERS, "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)err), reason);
        log_event(LOG_WARN, "kafka_error", "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)err), reason);
        break;
    }
}

/* ---- missing topics ---- */

static void topic_missing(struct consumer *consumer, const char *name, const char *reason)
{
    struct consumer_topic *topic = topic_find(consumer, name);
    if (topic == NULL || topic->missing)
        return;
    topic->missing = true;
    topic->missing_since_ms = consumer->now_ms;
    log_event(LOG_WARN, "topic_missing", "topic '%s' does not exist at %s (%s); waiting %" PRId64 " s for it", name,
              consumer->brokers, reason, consumer->missing_topic_ms / 1000);
}

void trouble_topic_seen(struct consumer *consumer, struct consumer_topic *topic)
{
    (void)consumer;
    if (!topic->missing)
        return;
    topic->missing = false;
    log_event(LOG_INFO, "topic_found", "topic '%s' is there now", topic->name);
}

/* librdkafka says once that a topic is missing; that it was made it says only to the worker that gets its partitions.
 * So the broker is asked before the worker ends over it. */
static void topic_confirm(struct consumer *consumer, struct consumer_topic *topic)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer->rk, topic->name, NULL);
    rd_kafka_resp_err_t err = handle == NULL ? rd_kafka_last_error()
                                             : rd_kafka_metadata(consumer->rk, 0, handle, &metadata, CONFIRM_TIMEOUT_MS);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR && metadata != NULL && metadata->topic_cnt == 1) {
        err = metadata->topics[0].err;
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            trouble_topic_seen(consumer, topic);
        else if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            trouble_fatal(consumer, "topic '%s' does not exist at %s, and has not for %" PRId64 " s: create it, or name "
                          "another with invocations-topics", topic->name, consumer->brokers,
                          (consumer->now_ms - topic->missing_since_ms) / 1000);
        else if (!trouble_is_fatal(consumer, err, rd_kafka_err2str(err), topic->name))
            topic->missing_since_ms = consumer->now_ms;
    } else {
        topic->missing_since_ms = consumer->now_ms; /* nobody could be asked */
    }
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    if (handle != NULL)
        rd_kafka_topic_destroy(handle);
}

/* A worker that was killed is a member until its session is over, and the others, its next life too, wait for it: with
 * nothing to be seen, unless it is said. */
static bool is_unjoined(const struct consumer *consumer)
{
    bool is_leaving = consumer->stopped || consumer->close_step != CLOSE_NOT || consumer->fatal;
    for (size_t i = 0; i < consumer->n_topics && !is_leaving; i++)
        is_leaving = consumer->topics[i].missing;
    return !is_leaving && !consumer->joined && !consumer->trouble.no_broker;
}

static void serve_unjoined(struct consumer *consumer)
{
    if (!is_unjoined(consumer)) {
        consumer->trouble.unjoined_since_ms = 0;
        return;
    }
    if (consumer->trouble.unjoined_since_ms == 0) {
        consumer->trouble.unjoined_since_ms = consumer->now_ms;
        consumer->trouble.unjoined_say_ms = consumer->now_ms + UNJOINED_MS;
    }
    if (consumer->now_ms < consumer->trouble.unjoined_say_ms)
        return;
    consumer->trouble.unjoined_say_ms = consumer->now_ms + UNJOINED_EVERY_MS;
    log_event(LOG_INFO, "group_wait", "no partitions for %" PRId64 " s: group '%s' is being joined, and waits for members that "
              "do not answer, such as workers that were killed, until their session timeout (session.timeout.ms, 45 s unless it is "
              "set)",
              (consumer->now_ms - consumer->trouble.unjoined_since_ms) / 1000, consumer->group_id);
}

void trouble_serve(struct consumer *consumer)
{
    /* The reason is told apart, sometimes after that all brokers are down. */
    const char *reason = consumer->trouble.reason;
    if (consumer->trouble.no_broker && !consumer->trouble.no_broker_said &&
        (reason[0] != '\0' || consumer->now_ms >= consumer->trouble.no_broker_said_ms + REASON_MS))
        say_no_broker(consumer);
    for (size_t i = 0; i < consumer->n_topics && !consumer->fatal; i++) {
        struct consumer_topic *topic = &consumer->topics[i];
        if (topic->missing && consumer->now_ms >= topic->missing_since_ms + consumer->missing_topic_ms)
            topic_confirm(consumer, topic);
    }
    serve_unjoined(consumer);
}

int64_t trouble_next_ms(const struct consumer *consumer)
{
    int64_t next_ms = consumer->trouble.no_broker && !consumer->trouble.no_broker_said
                          ? consumer->trouble.no_broker_said_ms + REASON_MS
                          : CLOCK_NEVER;
    if (consumer->trouble.unjoined_since_ms != 0 && consumer->trouble.unjoined_say_ms < next_ms)
        next_ms = consumer->trouble.unjoined_say_ms;
    for (size_t i = 0; i < consumer->n_topics && !consumer->fatal; i++) {
        const struct consumer_topic *topic = &consumer->topics[i];
        int64_t ends_ms = topic->missing ? topic->missing_since_ms + consumer->missing_topic_ms : CLOCK_NEVER;
        next_ms = ends_ms < next_ms ? ends_ms : next_ms;
    }
    return next_ms;
}

/* ---- errors that come as messages ---- */

/* It says where fetching failed, which need not be where it should be by now: so the log is asked for its ends. */
static void out_of_log(struct consumer *consumer, struct consumer_partition *partition,
                       const rd_kafka_message_t *message)
{
    log_event(LOG_DEBUG, "fetch_stopped", "%s [%" PRId32 "] at offset %" PRId64 ", to be read from %" PRId64 ": %s",
              partition->topic->name, message->partition, message->offset, partition->position,
              rd_kafka_message_errstr(message));
    restore_restart(consumer, partition);
}

/* What follows the last message (aborted ones, markers of transactions, what compaction took) is passed. */
static void end_of_log(struct consumer_partition *partition, int64_t end)
{
    if (partition->pauses != 0 || partition->is_paused || end < partition->position)
        return;
    partition->position = end;
    tracker_reach(partition->tracker, end);
}

static void say_error(struct consumer *consumer, const rd_kafka_message_t *message, const char *topic)
{
    enum log_level level = LOG_DEBUG;
    trouble_note(consumer, TROUBLE_OF_BROKERS, "%s%s%s", topic != NULL ? topic : "", topic != NULL ? ": " : "",
                 rd_kafka_message_errstr(message));
    if (consumer->now_ms >= consumer->trouble.error_said_ms + SAY_EVERY_MS) {
        consumer->trouble.error_said_ms = consumer->now_ms;
        level = LOG_WARN;
    }
    log_event(level, "consumer_error", "%s%s%s: %s", topic != NULL ? topic : "", topic != NULL ? ": " : "",
              rd_kafka_err2name(message->err), rd_kafka_message_errstr(message));
}

void trouble_message(struct consumer *consumer, const rd_kafka_message_t *message)
{
    const char *topic = message->rkt != NULL ? rd_kafka_topic_name(message->rkt) : NULL;
    struct consumer_partition *partition =
        topic != NULL ? partition_find(consumer, topic, message->partition) : NULL;
    bool running = partition != NULL && partition->phase == PARTITION_RUNNING;
    if (trouble_is_fatal(consumer, message->err, rd_kafka_message_errstr(message), topic))
        return;
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        consumer->seen_ms = consumer->now_ms;
        if (running)
            end_of_log(partition, message->offset);
        return;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        if (topic != NULL)
            topic_missing(consumer, topic, rd_kafka_message_errstr(message));
        return;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR__NO_OFFSET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        if (partition != NULL && partition->phase != PARTITION_LEAVING)
            out_of_log(consumer, partition, message);
        return;
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
    case RD_KAFKA_RESP_ERR__UNDERFLOW:
        if (running && message->offset >= 0) {
            reread_later(consumer, partition, message);
            return;
        }
        break;
    default:
        break;
    }
    say_error(consumer, message, topic);
}
