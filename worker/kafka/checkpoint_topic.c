#include "kafka/checkpoint_topic.h"

#include "ops/log.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An admin request is waited for in slices, so that an end is noticed. */
enum { ASK_MS = 400, ADMIN_MS = 5000, SLICE_MS = 50, REASON_BYTES = 256, COMMAND_BYTES = 700 };

/* Small segments, cleaned often: what is erased should not have to be read at every start. */
static const struct checkpoint_topic_setting topic_settings[] = {
    {"cleanup.policy", "compact"},
    {"segment.bytes", "33554432"},
    {"segment.ms", "3600000"},
    {"min.cleanable.dirty.ratio", "0.1"},
    {"delete.retention.ms", "3600000"}, /* a reader slower than that may see what was erased, but not that it was */
};
enum { N_SETTINGS = sizeof topic_settings / sizeof *topic_settings };

const struct checkpoint_topic_setting *checkpoint_topic_settings(size_t *n)
{
    *n = N_SETTINGS;
    return topic_settings;
}

/* With three replicas a record should not count before two have it, or the loss of one broker loses what was acknowledged. With
 * fewer it would stop the topic whenever a broker is away, or for good. How many a topic gets, creating it does not tell;
 * hence, where brokers say that it is so many, just so many are asked for, and the two settings go together. */
static const struct checkpoint_topic_setting safe_setting = {"min.insync.replicas", "2"};
enum { SAFE_REPLICAS = 3 };

static bool is_missing(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
}

static bool is_closed(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || err == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

void checkpoint_topic_closed(const struct checkpoint_topic *topic, const char *right, const char *reason,
                             char why[CHECKPOINT_TOPIC_WHY_BYTES])
{
    snprintf(why, CHECKPOINT_TOPIC_WHY_BYTES,
             "the checkpoints topic '%s' is closed to this user (%s): grant it %s on the topic, as with `kafka-acls.sh "
             "--bootstrap-server %s --add --allow-principal User:NAME --operation Describe --operation Read --operation Write "
             "--topic %s`, or set checkpoints-topic to nothing, to go without",
             topic->name, reason, right, topic->servers, topic->name);
}

/* What brokers say of a topic; *no_answer where none answers within ASK_MS. */
static rd_kafka_resp_err_t look(const struct checkpoint_topic *topic, const char *name, int *partitions, bool *no_answer)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(topic->rk, name, NULL);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__FAIL;
    *partitions = 0;
    *no_answer = true;
    if (handle == NULL)
        return rd_kafka_last_error();
    err = rd_kafka_metadata(topic->rk, 0, handle, &metadata, ASK_MS);
    rd_kafka_topic_destroy(handle);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err;
    if (metadata->topic_cnt == 1) {
        *no_answer = false;
        err = metadata->topics[0].err;
        *partitions = metadata->topics[0].partition_cnt;
    } else {
        err = RD_KAFKA_RESP_ERR__FAIL;
    }
    rd_kafka_metadata_destroy(metadata);
    return err;
}

/* ---- admin requests: one at a time ---- */

struct request {
    rd_kafka_queue_t *queue;
    rd_kafka_AdminOptions_t *options;
};

static void request_init(struct request *request, const struct checkpoint_topic *topic, rd_kafka_admin_op_t op)
{
    char ignored[REASON_BYTES];
    request->queue = rd_kafka_queue_new(topic->rk);
    request->options = rd_kafka_AdminOptions_new(topic->rk, op);
    rd_kafka_AdminOptions_set_request_timeout(request->options, ADMIN_MS, ignored, sizeof ignored);
    if (op != RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS)
        rd_kafka_AdminOptions_set_operation_timeout(request->options, ADMIN_MS, ignored, sizeof ignored);
}

/* The answer; NULL once the thread is to stop. An answer that still comes goes nowhere. */
static rd_kafka_event_t *request_await(struct request *request, const struct checkpoint_topic *topic)
{
    rd_kafka_event_t *event = NULL;
    while (event == NULL && !atomic_load(topic->stop))
        event = rd_kafka_queue_poll(request->queue, SLICE_MS);
    rd_kafka_AdminOptions_destroy(request->options);
    rd_kafka_queue_destroy(request->queue);
    return event;
}

/* The error of an answer about one topic, with its text. */
static rd_kafka_resp_err_t answer_error(rd_kafka_event_t *event, const rd_kafka_topic_result_t **results, size_t n,
                                        char reason[REASON_BYTES])
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR && n == 1) {
        err = rd_kafka_topic_result_error(results[0]);
        text = rd_kafka_topic_result_error_string(results[0]);
    }
    snprintf(reason, REASON_BYTES, "%s", text != NULL && text[0] != '\0' ? text : rd_kafka_err2str(err));
    return err;
}

/* ---- settings ---- */

/* The answer; NULL once the thread is to stop. */
static rd_kafka_event_t *ask_settings(const struct checkpoint_topic *topic, rd_kafka_ResourceType_t type, const char *name)
{
    struct request request;
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(type, name);
    request_init(&request, topic, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_DescribeConfigs(topic->rk, &resource, 1, request.options, request.queue);
    rd_kafka_event_t *event = request_await(&request, topic);
    rd_kafka_ConfigResource_destroy(resource);
    return event;
}

/* NULL: it is not there. */
static const char *find_value(const rd_kafka_ConfigResource_t *resource, const char *name)
{
    size_t n = 0;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
            return rd_kafka_ConfigEntry_value(entries[i]);
    }
    return NULL;
}

/* How many replicas to ask for together with safe_setting; -1: too few for that, or not known, or set by the brokers. */
static int ask_safe_replicas(const struct checkpoint_topic *topic)
{
    char name[16];
    long replicas = 0;
    size_t n = 0;
    int32_t id = rd_kafka_controllerid(topic->rk, ASK_MS);
    snprintf(name, sizeof name, "%d", (int)id);
    rd_kafka_event_t *event = id >= 0 ? ask_settings(topic, RD_KAFKA_RESOURCE_BROKER, name) : NULL;
    if (event == NULL)
        return -1;
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    const rd_kafka_ConfigResource_t **resources =
        result != NULL ? rd_kafka_DescribeConfigs_result_resources(result, &n) : NULL;
    if (n == 1 && rd_kafka_ConfigResource_error(resources[0]) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char *usual = find_value(resources[0], "default.replication.factor");
        const char *least = find_value(resources[0], safe_setting.name);
        if (usual != NULL && least != NULL && strtol(least, NULL, 10) < 2)
            replicas = strtol(usual, NULL, 10);
    }
    rd_kafka_event_destroy(event);
    return replicas >= SAFE_REPLICAS && replicas <= INT16_MAX ? (int)replicas : -1;
}

/* ---- making and growing ---- */

static void write_create_command(const struct checkpoint_topic *topic, int partitions, int replicas, char out[COMMAND_BYTES])
{
    int n = snprintf(out, COMMAND_BYTES, "kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions %d",
                     topic->servers, topic->name, partitions);
    if (replicas > 0 && n > 0 && n < COMMAND_BYTES)
        n += snprintf(out + n, COMMAND_BYTES - (size_t)n, " --replication-factor %d --config %s=%s", replicas,
                      safe_setting.name, safe_setting.value);
    for (size_t i = 0; i < N_SETTINGS && n > 0 && n < COMMAND_BYTES; i++)
        n += snprintf(out + n, COMMAND_BYTES - (size_t)n, " --config %s=%s", topic_settings[i].name, topic_settings[i].value);
}

/* An answer that will be the same the next time. */
static bool is_final(rd_kafka_resp_err_t err)
{
    static const rd_kafka_resp_err_t list[] = {
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_POLICY_VIOLATION,           RD_KAFKA_RESP_ERR_INVALID_CONFIG,
        RD_KAFKA_RESP_ERR_INVALID_PARTITIONS,         RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
        RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION,        RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE,
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        if (list[i] == err)
            return true;
    }
    return false;
}

/* replicas: -1: as many as the cluster gives a topic. */
static rd_kafka_resp_err_t request_creation(const struct checkpoint_topic *topic, int partitions, int replicas,
                                            char reason[REASON_BYTES])
{
    struct request request;
    rd_kafka_NewTopic_t *made = rd_kafka_NewTopic_new(topic->name, partitions, replicas, reason, REASON_BYTES);
    if (made == NULL)
        return RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
    for (size_t i = 0; i < N_SETTINGS; i++)
        rd_kafka_NewTopic_set_config(made, topic_settings[i].name, topic_settings[i].value);
    if (replicas > 0)
        rd_kafka_NewTopic_set_config(made, safe_setting.name, safe_setting.value);
    request_init(&request, topic, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_CreateTopics(topic->rk, &made, 1, request.options, request.queue);
    rd_kafka_event_t *event = request_await(&request, topic);
    rd_kafka_NewTopic_destroy(made);
    if (event == NULL)
        return RD_KAFKA_RESP_ERR__DESTROY;
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    size_t n = 0;
    const rd_kafka_topic_result_t **results = result != NULL ? rd_kafka_CreateTopics_result_topics(result, &n) : NULL;
    rd_kafka_resp_err_t err = answer_error(event, results, n, reason);
    rd_kafka_event_destroy(event);
    return err;
}

static enum checkpoint_topic_state create(const struct checkpoint_topic *topic, int partitions, char *why)
{
    char reason[REASON_BYTES] = "";
    char command[COMMAND_BYTES];
    int replicas = ask_safe_replicas(topic);
    rd_kafka_resp_err_t err = request_creation(topic, partitions, replicas, reason);
    /* It is better with that, but works without. */
    if (replicas > 0 && err != RD_KAFKA_RESP_ERR_NO_ERROR && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS && !is_closed(err))
        err = request_creation(topic, partitions, -1, reason);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        log_event(LOG_INFO, "checkpoints_topic_created", "the checkpoints topic '%s' was created, with %d partition%s",
                  topic->name, partitions, partitions == 1 ? "" : "s");
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR || err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS || atomic_load(topic->stop))
        return CHECKPOINT_TOPIC_LATER;
    write_create_command(topic, partitions, replicas, command);
    snprintf(why, CHECKPOINT_TOPIC_WHY_BYTES,
             "the checkpoints topic '%s' does not exist, and creating it failed (%s): have an admin run `%s`, or set "
             "checkpoints-topic to another, or to nothing, to go without",
             topic->name, reason, command);
    return is_final(err) ? CHECKPOINT_TOPIC_REFUSED : CHECKPOINT_TOPIC_LATER;
}

static enum checkpoint_topic_state grow(const struct checkpoint_topic *topic, int from, int to, char *why)
{
    char reason[REASON_BYTES];
    struct request request;
    rd_kafka_NewPartitions_t *more = rd_kafka_NewPartitions_new(topic->name, (size_t)to, reason, sizeof reason);
    if (more == NULL) {
        snprintf(why, CHECKPOINT_TOPIC_WHY_BYTES, "the checkpoints topic '%s' can't grow: %s", topic->name, reason);
        return CHECKPOINT_TOPIC_REFUSED;
    }
    request_init(&request, topic, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
    rd_kafka_CreatePartitions(topic->rk, &more, 1, request.options, request.queue);
    rd_kafka_event_t *event = request_await(&request, topic);
    rd_kafka_NewPartitions_destroy(more);
    if (event == NULL)
        return CHECKPOINT_TOPIC_LATER;
    const rd_kafka_CreatePartitions_result_t *result = rd_kafka_event_CreatePartitions_result(event);
    size_t n = 0;
    const rd_kafka_topic_result_t **results = result != NULL ? rd_kafka_CreatePartitions_result_topics(result, &n) : NULL;
    rd_kafka_resp_err_t err = answer_error(event, results, n, reason);
    rd_kafka_event_destroy(event);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        log_event(LOG_INFO, "checkpoints_topic_grown", "the checkpoints topic '%s' has grown from %d to %d partitions",
                  topic->name, from, to);
        return CHECKPOINT_TOPIC_LATER;
    }
    snprintf(why, CHECKPOINT_TOPIC_WHY_BYTES,
             "the checkpoints topic '%s' has %d partition%s where an input topic has %d, and growing it failed (%s): have an "
             "admin run `kafka-topics.sh --bootstrap-server %s --alter --topic %s --partitions %d`",
             topic->name, from, from == 1 ? "" : "s", to, reason, topic->servers, topic->name, to);
    /* Partitions of a number that it has already: another worker was quicker. */
    return is_final(err) && err != RD_KAFKA_RESP_ERR_INVALID_PARTITIONS ? CHECKPOINT_TOPIC_SMALL : CHECKPOINT_TOPIC_LATER;
}

/* ---- the policy ---- */

bool checkpoint_topic_has_policy(const char *policy, const char *word)
{
    size_t bytes = strlen(word);
    for (const char *at = policy; *at != '\0';) {
        at += strspn(at, ", ");
        size_t n = strcspn(at, ", ");
        if (n == bytes && memcmp(at, word, n) == 0)
            return true;
        at += n;
    }
    return false;
}

static enum checkpoint_topic_state judge_policy(struct checkpoint_topic *topic, const char *policy, char *why)
{
    topic->policy_known = true;
    if (!checkpoint_topic_has_policy(policy, "compact")) {
        snprintf(why, CHECKPOINT_TOPIC_WHY_BYTES,
                 "the topic '%s' has cleanup.policy=%s and must be compacted to keep checkpoints: have an admin run "
                 "`kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config "
                 "cleanup.policy=compact`, or set checkpoints-topic to another",
                 topic->name, policy, topic->servers, topic->name);
        return CHECKPOINT_TOPIC_REFUSED;
    }
    if (checkpoint_topic_has_policy(policy, "delete"))
        log_event(LOG_WARN, "checkpoints_topic_policy",
                  "the checkpoints topic '%s' has cleanup.policy=%s: a checkpoint older than its retention is deleted, and its "
                  "run would be started again; cleanup.policy=compact is meant", topic->name, policy);
    return CHECKPOINT_TOPIC_READY;
}

static enum checkpoint_topic_state judge_answer(struct checkpoint_topic *topic, rd_kafka_event_t *event, char *why)
{
    size_t n = 0;
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    const char *policy = NULL;
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    const rd_kafka_ConfigResource_t **resources =
        result != NULL ? rd_kafka_DescribeConfigs_result_resources(result, &n) : NULL;
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR && n == 1) {
        err = rd_kafka_ConfigResource_error(resources[0]);
        policy = err == RD_KAFKA_RESP_ERR_NO_ERROR ? find_value(resources[0], "cleanup.policy") : NULL;
    }
    if (policy != NULL)
        return judge_policy(topic, policy, why);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR || is_closed(err) || err == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE) {
        topic->policy_known = true;
        log_event(err == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE ? LOG_DEBUG : LOG_WARN, "checkpoints_topic_policy",
                  "whether the checkpoints topic '%s' is compacted, as it must be, can't be found out (%s): grant "
                  "DescribeConfigs on it, or see to it yourself", topic->name, rd_kafka_err2str(err));
        return CHECKPOINT_TOPIC_READY;
    }
    snprintf(why, CHECKPOINT_TOPIC_WHY_BYTES, "the settings of the checkpoints topic '%s' can't be read: %s", topic->name,
             rd_kafka_err2str(err));
    return CHECKPOINT_TOPIC_LATER;
}

static enum checkpoint_topic_state ask_policy(struct checkpoint_topic *topic, char *why)
{
    rd_kafka_event_t *event = ask_settings(topic, RD_KAFKA_RESOURCE_TOPIC, topic->name);
    if (event == NULL)
        return CHECKPOINT_TOPIC_LATER;
    enum checkpoint_topic_state state = judge_answer(topic, event, why);
    rd_kafka_event_destroy(event);
    return state;
}

/* ---- a step ---- */

/* The most partitions of an input topic, at least *most; false where nobody answers. */
static bool measure_inputs(const struct checkpoint_topic *topic, int *most, char *why)
{
    for (size_t i = 0; i < topic->n_inputs && !atomic_load(topic->stop); i++) {
        int partitions;
        bool no_answer;
        rd_kafka_resp_err_t err = look(topic, topic->inputs[i], &partitions, &no_answer);
        if (no_answer) {
            snprintf(why, CHECKPOINT_TOPIC_WHY_BYTES, "no broker answers (%s)", rd_kafka_err2str(err));
            return false;
        }
        *most = partitions > *most ? partitions : *most;
    }
    return true;
}

enum checkpoint_topic_state checkpoint_topic_ensure(struct checkpoint_topic *topic, int least, int *partitions,
                                                    char why[CHECKPOINT_TOPIC_WHY_BYTES])
{
    int wanted = least;
    bool no_answer;
    why[0] = '\0';
    if (!measure_inputs(topic, &wanted, why))
        return CHECKPOINT_TOPIC_LATER;
    rd_kafka_resp_err_t err = look(topic, topic->name, partitions, &no_answer);
    if (!no_answer && is_closed(err)) {
        checkpoint_topic_closed(topic, "Describe, Read and Write", rd_kafka_err2str(err), why);
        return CHECKPOINT_TOPIC_REFUSED;
    }
    if (!no_answer && err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION) {
        snprintf(why, CHECKPOINT_TOPIC_WHY_BYTES,
                 "no topic can be named '%s': set checkpoints-topic to letters, digits, '.', '_' and '-', at most 249",
                 topic->name);
        return CHECKPOINT_TOPIC_REFUSED;
    }
    bool missing = !no_answer && is_missing(err);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR && !missing) {
        snprintf(why, CHECKPOINT_TOPIC_WHY_BYTES, "topic '%s': %s", topic->name, rd_kafka_err2str(err));
        return CHECKPOINT_TOPIC_LATER;
    }
    if (missing && wanted == 0) {
        snprintf(why, CHECKPOINT_TOPIC_WHY_BYTES, "none of the input topics is there, so it is not known how many "
                 "partitions '%s' should have", topic->name);
        return CHECKPOINT_TOPIC_LATER;
    }
    if (missing) {
        topic->policy_known = false;
        return create(topic, wanted, why);
    }
    enum checkpoint_topic_state state = topic->policy_known ? CHECKPOINT_TOPIC_READY : ask_policy(topic, why);
    return state == CHECKPOINT_TOPIC_READY && *partitions < wanted ? grow(topic, *partitions, wanted, why) : state;
}
