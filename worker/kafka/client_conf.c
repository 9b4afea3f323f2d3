#include "kafka/client_conf.h"

#include "kafka/client_log.h"
#include "kafka/property_table.h"
#include "protocol/vocab.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_VALUE_BYTES = 60 };

/* What a user may not set, but for the listed values (which are what the worker sets, or do no harm). */
struct rule {
    const char *property;
    const char *allowed; /* words with a blank before and behind each; "" for none; NULL: a number from least to most */
    long least;
    long most;
    const char *why;
};

#define WHY_COMMIT "the worker itself commits an offset, and only once its result is acknowledged; leave it out"
#define WHY_RESET "a new group starts at the earliest message, and anything else could pass messages over; leave it out"
#define WHY_ACKS "a result counts as delivered once all in-sync replicas have it; leave it out, or say all"
#define WHY_TIMEOUT "an outage is waited out, and a result that times out would be lost; leave it out, or say 0"
#define WHY_RETRIES "an outage is waited out, and a result that is given up would be lost; leave it out"
#define WHY_IN_FLIGHT "an idempotent producer has 1 to 5 requests under way; leave it out, or say so many"
#define WHY_MOCK "the worker would talk to a mock cluster instead of the brokers; for a trial run `rxp-worker demo`"
#define WHY_BROKERS "it has an option of its own: use bootstrap-servers"

static const struct rule rules[] = {
    {"bootstrap.servers", "", 0, 0, WHY_BROKERS},
    {"metadata.broker.list", "", 0, 0, WHY_BROKERS},
    {"group.id", "", 0, 0, "it has an option of its own: use group-id"},
    {"group.instance.id", "", 0, 0, "it has an option of its own: use group-instance-id"},
    {"group.protocol", " classic ", 0, 0,
     "the hand-over of partitions is built on the classic group protocol; leave it out, or say classic"},
    {"group.protocol.type", " consumer ", 0, 0, "a worker can only be a consumer of its group; leave it out"},
    {"partition.assignment.strategy", " cooperative-sticky ", 0, 0,
     "partitions are handed over one by one, which only cooperative-sticky does; leave it out"},
    {"enable.auto.commit", " false f 0 ", 0, 0, WHY_COMMIT},
    {"auto.commit.enable", " false f 0 ", 0, 0, WHY_COMMIT},
    {"enable.auto.offset.store", " false f 0 ", 0, 0, WHY_COMMIT},
    {"offset.store.method", " broker ", 0, 0, "offsets and what is done beyond them are kept at the broker; leave it out"},
    {"auto.offset.reset", " earliest smallest beginning ", 0, 0, WHY_RESET},
    {"enable.partition.eof", "", 0, 0, "the worker itself decides whether it wants to know of a partition's end; leave it out"},
    {"enable.idempotence", " true t 1 ", 0, 0, "retries could then repeat results; leave it out, or say true"},
    {"enable.gapless.guarantee", " false f 0 ", 0, 0,
     "one message that the broker refuses would then stop the worker; leave it out"},
    {"acks", " all -1 ", 0, 0, WHY_ACKS},
    {"request.required.acks", " all -1 ", 0, 0, WHY_ACKS},
    {"message.timeout.ms", " 0 ", 0, 0, WHY_TIMEOUT},
    {"delivery.timeout.ms", " 0 ", 0, 0, WHY_TIMEOUT},
    {"retries", NULL, INT_MAX, INT_MAX, WHY_RETRIES},
    {"message.send.max.retries", NULL, INT_MAX, INT_MAX, WHY_RETRIES},
    {"max.in.flight", NULL, 1, 5, WHY_IN_FLIGHT},
    {"max.in.flight.requests.per.connection", NULL, 1, 5, WHY_IN_FLIGHT},
    {"queuing.strategy", " fifo ", 0, 0, "an idempotent producer sends in the order of its queue; leave it out"},
    {"delivery.report.only.error", " false f 0 ", 0, 0,
     "without reports of success no offset would ever be committed; leave it out"},
    {"transactional.id", "", 0, 0, "the worker itself names its transactions; leave it out"},
    {"transaction.timeout.ms", NULL, 1000, 900000,
     "after a crash in a transaction, readers may wait for so long; leave it out, or say 1000 to 900000"},
    {"enabled_events", "", 0, 0, "the worker itself decides how it hears of Kafka's events; leave it out"},
    {"log.queue", " false f 0 ", 0, 0, "librdkafka's log lines would be kept for nobody to read; leave it out"},
    {"test.mock.num.brokers", " 0 ", 0, 0, WHY_MOCK},
    {"test.mock.broker.rtt", " 0 ", 0, 0, WHY_MOCK},
};

enum { FOR_CONSUMER = 1 << CLIENT_CONSUMER, FOR_PRODUCER = 1 << CLIENT_PRODUCER, FOR_READER = 1 << CLIENT_READER,
       FOR_ADMIN = 1 << CLIENT_ADMIN, FOR_TRANSACTION = 1 << CLIENT_TRANSACTION };
enum { FOR_READING = FOR_CONSUMER | FOR_READER, FOR_WRITING = FOR_PRODUCER | FOR_TRANSACTION,
       FOR_ALL = FOR_READING | FOR_WRITING | FOR_ADMIN };

/* What the worker sets where the user does not. */
static const struct worker_setting {
    unsigned roles;
    const char *property;
    const char *value;
} worker_settings[] = {
    {FOR_ALL, "client.id", "rxp-worker"},
    {FOR_ALL, "socket.nagle.disable", "true"},
    {FOR_ALL, "log.connection.close", "false"}, /* brokers close idle connections all the time */
    {FOR_ALL, "log.thread.name", "false"},
    {FOR_ALL, "reconnect.backoff.max.ms", "2000"}, /* results wait for the broker: be there soon after it is back */
    {FOR_ALL, "allow.auto.create.topics", "false"}, /* a misspelled topic is to be told, not made */

    {FOR_READING, "enable.auto.commit", "false"},
    {FOR_READING, "enable.auto.offset.store", "false"},
    {FOR_READING, "auto.offset.reset", "earliest"},
    {FOR_READING, "check.crcs", "true"},
    /* A batch comes whole, whatever its size (KIP-74), and brokers take more than librdkafka receives (100,000,000): above it nothing
     * of that broker would be read any more. Nor is it so much that an HTTP answer ("HTTP" as a number) is waited for to its end. */
    {FOR_READING, "receive.message.max.bytes", "1100000000"},
    {FOR_READING, "enable.partition.eof", "true"}, /* what follows a partition's last message may be no message */
    /* Partitions begin to be read one by one, each behind the Fetch that the broker holds for the ones before it; so does one that
     * was paused. librdkafka's 500 ms made 1.1 s of a start with checkpoints, to the last of six partitions' kickoffs (medians); 100:
     * 0.3 s, at times 0.6; 50: 0.15 s. An idle worker has 2 ms of CPU a second more for it than with 500, its broker 16. */
    {FOR_READING, "fetch.wait.max.ms", "50"},
    {FOR_CONSUMER, "partition.assignment.strategy", "cooperative-sticky"},
    {FOR_CONSUMER, "queued.min.messages", "1000"}, /* a pause throws them away, and they are memory */
    /* A topic made later is found soon; so is a partition of the checkpoints topic by who writes to it. */
    {FOR_CONSUMER | FOR_PRODUCER, "topic.metadata.refresh.interval.ms", "5000"},

    {FOR_WRITING, "enable.idempotence", "true"},
    {FOR_WRITING, "acks", "all"},
    {FOR_PRODUCER, "message.timeout.ms", "0"},
    {FOR_WRITING, "linger.ms", "2"},
    {FOR_WRITING, "queue.buffering.max.messages", "1000000"},
    /* The topic's own max.message.bytes is the measure, which only the broker knows, so this end refuses nothing. A
     * batch of small messages stays below it as long as batch.size (1,000,000 by default, against 1,048,588 of a topic)
     * does; for a topic with a lower limit there is publisher_message.alone. */
    {FOR_WRITING, "message.max.bytes", "1000000000"},
    /* As Java's producers do: the same key, the same partition. */
    {FOR_WRITING, "partitioner", "murmur2_random"},
    {FOR_TRANSACTION, "transaction.timeout.ms", "10000"},
    {FOR_TRANSACTION, "topic.metadata.propagation.max.ms", "5000"}, /* told of before the batch is too late */
};

static bool rule_allows(const struct rule *rule, const char *value)
{
    char word[40];

    if (rule->allowed == NULL) {
        char *end;
        long number = strtol(value, &end, 10);
        return end != value && *end == '\0' && number >= rule->least && number <= rule->most;
    }
    int n = snprintf(word, sizeof word, " %s ", value);
    return n > 2 && (size_t)n < sizeof word && strchr(value, ' ') == NULL && strcasestr(rule->allowed, word) != NULL;
}

const char *client_conf_refusal(const char *property, const char *value)
{
    const char *bare = property_bare_name(property);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strcmp(rules[i].property, bare) == 0)
            return rule_allows(&rules[i], value) ? NULL : rules[i].why;
    }
    return NULL;
}

static bool is_secret(const char *property)
{
    static const char *const parts[] = {"password", "secret", ".pem", "ssl_key", "oauthbearer.config", "token"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strcasestr(property, parts[i]) != NULL && strcasestr(property, "token.endpoint.url") == NULL)
            return true;
    }
    return false;
}

static int set_own(rd_kafka_conf_t *conf, const char *property, const char *value, char *why)
{
    char reason[256] = "";
    if (rd_kafka_conf_set(conf, property, value, reason, sizeof reason) == RD_KAFKA_CONF_OK)
        return 0;
    snprintf(why, CLIENT_CONF_WHY_BYTES, "librdkafka %s does not take %s = '%.*s': %s", rd_kafka_version_str(), property,
             SHOWN_VALUE_BYTES, value, reason);
    return -1;
}

/* librdkafka passes over an address that it cannot read, and then waits for brokers that it has not got. The address of
 * [scheme://]host[:port] is wrong where: the reason, or NULL. */
static const char *address_fault(const char *address, size_t bytes)
{
    char copy[300];
    if (bytes == 0)
        return "an address is empty";
    if (bytes >= sizeof copy)
        return "an address is too long";
    memcpy(copy, address, bytes);
    copy[bytes] = '\0';
    const char *scheme_end = strstr(copy, "://");
    const char *host = scheme_end != NULL ? scheme_end + 3 : copy;
    if (host[0] == '\0' || host[0] == ':' || strpbrk(host, " \t/@") != NULL)
        return "an address is host:port";
    const char *bracket = strrchr(host, ']');
    if ((host[0] == '[') != (bracket != NULL) || (bracket != NULL && bracket[1] != '\0' && bracket[1] != ':'))
        return "an IPv6 address is [address]:port";
    const char *colon = strchr(bracket != NULL ? bracket : host, ':');
    if (colon == NULL)
        return NULL;
    char *end;
    long port = strtol(colon + 1, &end, 10);
    if (strchr("0123456789", colon[1]) == NULL || *end != '\0' || port < 1 || port > 65535)
        return bracket == NULL && strchr(colon + 1, ':') != NULL ? "an IPv6 address is [address]:port"
                                                                 : "a port is a number from 1 to 65535";
    return NULL;
}

static int set_brokers(rd_kafka_conf_t *conf, const char *brokers, char *why)
{
    if (brokers == NULL || brokers[0] == '\0') {
        snprintf(why, CLIENT_CONF_WHY_BYTES, "no broker is named: set bootstrap-servers to host:port, or several with commas");
        return -1;
    }
    for (const char *at = brokers;; at++) {
        at += strspn(at, " ");
        size_t bytes = strcspn(at, ",");
        size_t trimmed = bytes;
        while (trimmed > 0 && at[trimmed - 1] == ' ')
            trimmed--;
        const char *fault = address_fault(at, trimmed);
        if (fault != NULL) {
            snprintf(why, CLIENT_CONF_WHY_BYTES, "bootstrap-servers '%.100s' is wrong at '%.*s': %s", brokers,
                     trimmed < SHOWN_VALUE_BYTES ? (int)trimmed : SHOWN_VALUE_BYTES, at, fault);
            return -1;
        }
        at += bytes;
        if (*at == '\0')
            return set_own(conf, "bootstrap.servers", brokers, why);
    }
}

/* Where queued.min.messages are there, a partition is looked at again after so long. librdkafka's 1000 ms would be for more of them: a
 * lone partition brought 3,700 invocations a second with it, and brings 9,700 (2.8; the machine was busy). Before 2.2 it cannot be set. */
static int read_on_soon(rd_kafka_conf_t *conf, char *why)
{
    return rd_kafka_version() >= 0x02020000 ? set_own(conf, "fetch.queue.backoff.ms", "20", why) : 0;
}

static int set_defaults(rd_kafka_conf_t *conf, const struct kafka_settings *settings, enum client_role role, char *why)
{
    for (size_t i = 0; i < sizeof worker_settings / sizeof *worker_settings; i++) {
        const struct worker_setting *setting = &worker_settings[i];
        if ((setting->roles & 1U << role) != 0 && set_own(conf, setting->property, setting->value, why) != 0)
            return -1;
    }
    if (role == CLIENT_CONSUMER && read_on_soon(conf, why) != 0)
        return -1;
    if (settings->client_id != NULL && set_own(conf, "client.id", settings->client_id, why) != 0)
        return -1;
    if (set_brokers(conf, settings->bootstrap_servers, why) != 0)
        return -1;
    bool has_group = settings->group_id != NULL && settings->group_id[0] != '\0';
    if (role == CLIENT_CONSUMER && !has_group) {
        snprintf(why, CLIENT_CONF_WHY_BYTES, "the consumer has no group: set group-id");
        return -1;
    }
    bool is_static = settings->group_instance_id != NULL && settings->group_instance_id[0] != '\0';
    if (role == CLIENT_CONSUMER && is_static && set_own(conf, "group.instance.id", settings->group_instance_id, why) != 0)
        return -1;
    /* librdkafka wants a group's name even of a reader, which never joins it. */
    if (role == CLIENT_CONSUMER || role == CLIENT_READER)
        return set_own(conf, "group.id", has_group ? settings->group_id : "rxp-reader", why);
    return 0;
}

static void say_unknown(const struct property_table *table, const char *property, char *why)
{
    const char *nearest = property_table_nearest(table, property);
    snprintf(why, CLIENT_CONF_WHY_BYTES, "librdkafka %s knows no Kafka property '%.100s'%s%s%s", rd_kafka_version_str(),
             property, nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
             nearest != NULL ? "'?" : "; its CONFIGURATION.md lists all");
}

static void say_wrong_value(const struct kafka_property *property, char *reason, char *why)
{
    reason[strcspn(reason, "\r\n")] = '\0';
    if (is_secret(property->name))
        snprintf(why, CLIENT_CONF_WHY_BYTES, "librdkafka does not take the value of Kafka property '%s' (not shown: a secret)",
                 property->name);
    else
        snprintf(why, CLIENT_CONF_WHY_BYTES, "Kafka property '%s' cannot be '%.*s': %s", property->name, SHOWN_VALUE_BYTES,
                 property->value, reason);
}

static bool is_wanted(const struct property_table *table, const char *name, enum client_role role)
{
    unsigned sides = property_table_sides(table, name);
    const char *bare = property_bare_name(name);
    if (strcmp(bare, "transaction.timeout.ms") == 0)
        return role == CLIENT_TRANSACTION;
    if (role == CLIENT_TRANSACTION && (strcmp(bare, "message.timeout.ms") == 0 || strcmp(bare, "delivery.timeout.ms") == 0))
        return false;
    return (sides & PROPERTY_CONSUMER && FOR_READING & 1U << role) ||
           (sides & PROPERTY_PRODUCER && FOR_WRITING & 1U << role) || sides == PROPERTY_ANY;
}

/* Every property is tried, so that a wrong one is told whichever client comes first; what belongs to the other side is
 * tried on a conf that is thrown away, since librdkafka would warn of it. */
static int set_users(rd_kafka_conf_t *conf, const struct kafka_settings *settings, enum client_role role, char *why)
{
    struct property_table *table = property_table_new();
    rd_kafka_conf_t *trial = rd_kafka_conf_new();
    int result = -1;

    if (table == NULL) {
        snprintf(why, CLIENT_CONF_WHY_BYTES, "out of memory");
        goto out;
    }
    for (size_t i = 0; i < settings->n_properties; i++) {
        const struct kafka_property *property = &settings->properties[i];
        const char *refusal = client_conf_refusal(property->name, property->value);
        char reason[256] = "";
        if (refusal != NULL) {
            snprintf(why, CLIENT_CONF_WHY_BYTES, "Kafka property '%s' cannot be '%.*s': %s", property->name,
                     SHOWN_VALUE_BYTES, property->value, refusal);
            goto out;
        }
        rd_kafka_conf_t *into = is_wanted(table, property->name, role) ? conf : trial;
        switch (rd_kafka_conf_set(into, property->name, property->value, reason, sizeof reason)) {
        case RD_KAFKA_CONF_OK:
            break;
        case RD_KAFKA_CONF_UNKNOWN:
            say_unknown(table, property->name, why);
            goto out;
        case RD_KAFKA_CONF_INVALID:
            say_wrong_value(property, reason, why);
            goto out;
        }
    }
    result = 0;
out:
    rd_kafka_conf_destroy(trial);
    property_table_free(table);
    return result;
}

rd_kafka_conf_t *client_conf_make(const struct kafka_settings *settings, enum client_role role, char *why)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    why[0] = '\0';
    if (set_defaults(conf, settings, role, why) != 0 ||
        (settings->n_properties > 0 && set_users(conf, settings, role, why) != 0)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    if (role == CLIENT_TRANSACTION) {
        char timeout[32] = "";
        size_t bytes = sizeof timeout;
        if (rd_kafka_conf_get(conf, "transaction.timeout.ms", timeout, &bytes) != RD_KAFKA_CONF_OK ||
            set_own(conf, "message.timeout.ms", timeout, why) != 0) {
            rd_kafka_conf_destroy(conf);
            return NULL;
        }
    }
    rd_kafka_conf_set_log_cb(conf, client_log_line);
    return conf;
}
