#include "cli/config_check.h"

#include "base/clock.h"
#include "cli/command.h"
#include "cli/remedies.h"
#include "cli/settings.h"
#include "cli/topic_roles.h"
#include "core/reply.h"
#include "kafka/checkpoint_topic.h"
#include "kafka/topic.h"

#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ASK_MS 10000
#define GROUP_TURN_MS 1000
#define POLICY_BYTES 128

struct check {
    const struct options *options;
    rd_kafka_t *client;
    const char **inputs;
    size_t n_inputs;
    const char **replies; /* patterns */
    size_t n_replies;
    int brokers;
    int partitions;        /* of the first input that is there; 0 before */
    int most_partitions;   /* of an input that is there */
    const char *checkpoints;               /* the topic; NULL: off */
    enum remedies_checkpoints checkpoints_lack;
    bool wrong;            /* something is missing or out of reach */
    bool not_allowed;      /* a right is missing */
    char network_why[256]; /* librdkafka's last word about the connection */
};

enum topic_use { TOPIC_INPUT, TOPIC_OUTPUT };

/* Findings are sentences for people. */
static void __attribute__((format(printf, 2, 3))) tell(const char *verdict, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%-8s", verdict);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

static void on_error(rd_kafka_t *client, int error, const char *reason, void *opaque)
{
    (void)client;
    struct check *check = opaque;
    if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        snprintf(check->network_why, sizeof check->network_why, "%s", reason);
}

static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client;
    (void)level;
    (void)facility;
    (void)text;
}

/* A consumer that joins nothing: unlike a producer's, its questions create no topics. */
static int connect_client(struct check *check)
{
    char why[SETTINGS_WHY_BYTES];
    struct kafka_settings settings;
    if (settings_kafka(check->options, &settings, why) < 0) {
        fprintf(stderr, "rxp-worker config: %s\n", why);
        return EXIT_USAGE;
    }
    rd_kafka_conf_t *conf = client_conf_make(&settings, CLIENT_ADMIN, why);
    settings_free_kafka(&settings);
    if (conf == NULL || rd_kafka_conf_set(conf, "group.id", options_text(check->options, "group-id"), why, sizeof why) !=
                            RD_KAFKA_CONF_OK) {
        fprintf(stderr, "rxp-worker config: %s\n", why);
        if (conf != NULL)
            rd_kafka_conf_destroy(conf);
        return EXIT_USAGE;
    }
    rd_kafka_conf_set_opaque(conf, check);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    check->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (check->client == NULL) {
        fprintf(stderr, "rxp-worker config: librdkafka refuses these properties: %s\n", why);
        rd_kafka_conf_destroy(conf);
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

/* Are there brokers? */
static int ask_cluster(struct check *check)
{
    const char *servers = options_text(check->options, "bootstrap-servers");
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t error = rd_kafka_metadata(check->client, 0, NULL, &metadata, ASK_MS);
    (void)rd_kafka_poll(check->client, 0);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        tell("WRONG", "no broker at %s answered within %d seconds: %s", servers, ASK_MS / 1000,
             check->network_why[0] != '\0' ? check->network_why : rd_kafka_err2str(error));
        check->wrong = true;
        return -1;
    }
    check->brokers = metadata->broker_cnt;
    tell("ok", "%s: a cluster of %d broker%s", servers, metadata->broker_cnt, metadata->broker_cnt == 1 ? "" : "s");
    rd_kafka_metadata_destroy(metadata);
    return 0;
}

static bool is_missing(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
}

static void judge_topic(struct check *check, const char *role, const char *topic, enum topic_use use,
                        rd_kafka_resp_err_t error, int partitions)
{
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
        tell("ok", "%s '%s': %d partition%s", role, topic, partitions, partitions == 1 ? "" : "s");
        if (use == TOPIC_INPUT && check->partitions == 0)
            check->partitions = partitions;
        if (use == TOPIC_INPUT && partitions > check->most_partitions)
            check->most_partitions = partitions;
        return;
    }
    check->wrong = true;
    if (is_missing(error)) {
        tell("MISSING", "%s '%s' does not exist; this creates it:", role, topic);
        remedies_create_topic(check->options, topic, check->partitions, check->brokers);
    } else if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        tell("DENIED", "%s '%s': not even Describe is allowed", role, topic);
        check->not_allowed = true;
    } else if (error == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION) {
        tell("WRONG", "%s '%s' is no name for a topic: letters, digits, '.', '_' and '-', at most 249", role, topic);
    } else {
        tell("WRONG", "%s '%s': %s", role, topic, rd_kafka_err2str(error));
    }
}

static rd_kafka_resp_err_t look_at_topic(const struct check *check, const char *topic, int *partitions)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(check->client, topic, NULL);
    rd_kafka_resp_err_t error =
        handle == NULL ? rd_kafka_last_error() : rd_kafka_metadata(check->client, 0, handle, &metadata, ASK_MS);
    *partitions = 0;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata != NULL && metadata->topic_cnt == 1) {
        error = metadata->topics[0].err;
        *partitions = metadata->topics[0].partition_cnt;
    } else if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        error = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    }
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    if (handle != NULL)
        rd_kafka_topic_destroy(handle);
    return error;
}

static void ask_topic(struct check *check, const char *role, const char *topic, enum topic_use use)
{
    int partitions;
    rd_kafka_resp_err_t error = look_at_topic(check, topic, &partitions);
    judge_topic(check, role, topic, use, error, partitions);
}

/* Other than its outputs, `run` makes it, makes it grow, and refuses it where it is not compacted. */
static void judge_policy(struct check *check)
{
    char policy[POLICY_BYTES];
    rd_kafka_resp_err_t error =
        topic_read_setting(check->client, check->checkpoints, "cleanup.policy", ASK_MS, policy, sizeof policy);
    if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        tell("DENIED", "checkpoints topic '%s': whether it is compacted can't be seen without DescribeConfigs",
             check->checkpoints);
        check->not_allowed = true;
        check->wrong = true;
    } else if (error != RD_KAFKA_RESP_ERR_NO_ERROR || policy[0] == '\0') {
        tell("WRONG", "checkpoints topic '%s': whether it is compacted can't be seen: %s", check->checkpoints,
             error != RD_KAFKA_RESP_ERR_NO_ERROR ? rd_kafka_err2str(error) : "the broker tells of no cleanup.policy");
        check->wrong = true;
    } else if (!checkpoint_topic_has_policy(policy, "compact")) {
        tell("WRONG", "checkpoints topic '%s' has cleanup.policy=%s, and `run` wants it compacted; this mends it:",
             check->checkpoints, policy);
        remedies_compact(check->options, check->checkpoints);
        check->wrong = true;
    } else if (checkpoint_topic_has_policy(policy, "delete")) {
        tell("note", "checkpoints topic '%s' has cleanup.policy=%s: a run longer than its retention would be started again "
             "after a crash; this mends it:", check->checkpoints, policy);
        remedies_compact(check->options, check->checkpoints);
    }
}

static void ask_checkpoints(struct check *check)
{
    int partitions;
    if (check->checkpoints == NULL && strcmp(options_text(check->options, "kickoff-guarantee"), "at-most-once") == 0) {
        tell("WRONG", "checkpoints-topic is empty, and kickoff-guarantee=at-most-once needs it: leave it at its default, or "
             "name one");
        check->wrong = true;
        return;
    }
    if (check->checkpoints == NULL) {
        tell("note", "checkpoints-topic is empty: a run whose worker ends is started again");
        return;
    }
    rd_kafka_resp_err_t error = look_at_topic(check, check->checkpoints, &partitions);
    if (is_missing(error)) {
        check->checkpoints_lack = REMEDIES_CHECKPOINTS_MISSING;
        tell("note", "checkpoints topic '%s' does not exist: `run` makes it where it may; this does it beforehand:",
             check->checkpoints);
        remedies_create_checkpoints(check->options, check->checkpoints, check->most_partitions);
        return;
    }
    judge_topic(check, "checkpoints topic", check->checkpoints, TOPIC_OUTPUT, error, partitions);
    if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        check->checkpoints_lack = REMEDIES_CHECKPOINTS_HIDDEN;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    if (partitions < check->most_partitions) {
        check->checkpoints_lack = REMEDIES_CHECKPOINTS_SMALL;
        tell("note", "checkpoints topic '%s' has fewer partitions than an input topic: `run` adds them where it may; this "
             "does it beforehand:", check->checkpoints);
        remedies_grow(check->options, check->checkpoints, check->most_partitions);
    }
    judge_policy(check);
}

/* Moments are compared: of a cancel, and of the invocation. */
static void ask_control(struct check *check)
{
    const char *topic = options_text(check->options, "control-topic");
    char stamp[POLICY_BYTES];
    int partitions;
    if (*topic == '\0')
        return;
    rd_kafka_resp_err_t error = look_at_topic(check, topic, &partitions);
    judge_topic(check, "control topic", topic, TOPIC_OUTPUT, error, partitions);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR &&
        topic_read_setting(check->client, topic, "message.timestamp.type", ASK_MS, stamp, sizeof stamp) ==
            RD_KAFKA_RESP_ERR_NO_ERROR && strcmp(stamp, "CreateTime") == 0) {
        tell("note", "control topic '%s' has message.timestamp.type=CreateTime: which came first, a cancel or its invocation, is "
             "then told by the clocks of those who wrote them; this lets the broker's tell (for the invocations topics, too):",
             topic);
        remedies_stamp(check->options, topic);
    }
}

/* A pattern is asked about by what it names; one with a star names nothing yet. */
static void ask_replies(struct check *check)
{
    for (size_t i = 0; i < check->n_replies; i++) {
        const char *pattern = check->replies[i];
        if (!reply_pattern_is_valid(pattern)) {
            tell("WRONG", "reply-topics: '%s' can match no topic: letters, digits, '.', '_', '-' and '*', at most 249",
                 pattern);
            check->wrong = true;
        } else if (strchr(pattern, '*') == NULL) {
            ask_topic(check, "reply topic", pattern, TOPIC_OUTPUT);
        } else {
            tell("note", "reply topics '%s': which topics these are, and whether they may be written to, is not known "
                 "before replies are asked for", pattern);
        }
    }
}

/* Was it said on the consumer's queue that the group is not ours to use? */
static bool group_is_denied(rd_kafka_t *client)
{
    bool denied = false;
    rd_kafka_message_t *message;
    while (!denied && (message = rd_kafka_consumer_poll(client, 0)) != NULL) {
        denied = message->err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
        rd_kafka_message_destroy(message);
    }
    return denied;
}

/* Asks for a committed offset, as the consumer of the group that the client is (it does not join). The admin calls for
 * groups are no choice: those of librdkafka 2.0.2 crash where a cluster has no coordinator yet. */
static rd_kafka_resp_err_t group_error(const struct check *check)
{
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(partitions, check->inputs[0], 0);
    for (int asked_ms = 0; asked_ms < ASK_MS; asked_ms += GROUP_TURN_MS) {
        int64_t turn_ends_ms = clock_mono_ms() + GROUP_TURN_MS;
        error = rd_kafka_committed(check->client, partitions, GROUP_TURN_MS);
        if (group_is_denied(check->client))
            error = RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
            break;
        /* An error that comes at once (no coordinator yet) is asked about again, no oftener than a silence. */
        while (clock_mono_ms() < turn_ends_ms)
            (void)rd_kafka_poll(check->client, (int)(turn_ends_ms - clock_mono_ms()));
    }
    rd_kafka_topic_partition_list_destroy(partitions);
    return error;
}

static void ask_group(struct check *check)
{
    const char *id = options_text(check->options, "group-id");
    rd_kafka_resp_err_t error = group_error(check);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        tell("ok", "group '%s'", id);
        return;
    }
    check->wrong = true;
    if (error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
        tell("DENIED", "group '%s': not even Describe is allowed", id);
        check->not_allowed = true;
    } else {
        tell("WRONG", "group '%s': no coordinator answered within %d seconds: %s", id, ASK_MS / 1000,
             rd_kafka_err2str(error));
    }
}

static bool is_secured(const struct options *options)
{
    const char *protocol = remedies_property(options, "security.protocol");
    return protocol != NULL && strcasecmp(protocol, "plaintext") != 0;
}

static void print_rights(const struct check *check)
{
    const struct remedies_rights rights = {
        .inputs = check->inputs,
        .n_inputs = check->n_inputs,
        .replies = check->replies,
        .n_replies = check->n_replies,
        .checkpoints = check->checkpoints,
        .checkpoints_lack = check->checkpoints_lack,
        .exactly_once = strcmp(options_text(check->options, "results-guarantee"), "exactly-once") == 0,
    };
    remedies_grant(check->options, &rights);
}

/* `run` would not start. */
static void judge_roles(struct check *check)
{
    char why[SETTINGS_WHY_BYTES];
    struct worker_config config = {
        .topics = check->inputs, .n_topics = check->n_inputs, .checkpoints_topic = check->checkpoints};
    config.settle.results_topic = options_text(check->options, "results-topic");
    config.settle.dead_letter_topic = settings_text(check->options, "dead-letter-topic");
    config.progress_topic = settings_text(check->options, "progress-topic");
    config.control_topic = settings_text(check->options, "control-topic");
    config.settle.reply = (struct reply_policy){
        .patterns = check->replies,
        .n_patterns = check->n_replies,
        .input_topics = check->inputs,
        .n_input_topics = check->n_inputs,
        .results_topic = config.settle.results_topic,
        .dead_letter_topic = config.settle.dead_letter_topic,
        .checkpoints_topic = check->checkpoints,
        .progress_topic = config.progress_topic,
        .control_topic = config.control_topic,
    };
    if (topic_roles_check(&config, why, sizeof why) != 0) {
        tell("WRONG", "%s", why);
        check->wrong = true;
    }
}

static void ask_all(struct check *check)
{
    judge_roles(check);
    if (ask_cluster(check) < 0)
        return;
    for (size_t i = 0; i < check->n_inputs; i++)
        ask_topic(check, "invocations topic", check->inputs[i], TOPIC_INPUT);
    ask_topic(check, "results topic", options_text(check->options, "results-topic"), TOPIC_OUTPUT);
    if (*options_text(check->options, "dead-letter-topic") != '\0')
        ask_topic(check, "dead-letter topic", options_text(check->options, "dead-letter-topic"), TOPIC_OUTPUT);
    if (*options_text(check->options, "progress-topic") != '\0')
        ask_topic(check, "progress topic", options_text(check->options, "progress-topic"), TOPIC_OUTPUT);
    ask_control(check);
    ask_replies(check);
    ask_checkpoints(check);
    ask_group(check);
    if (check->not_allowed)
        tell("", "these commands grant all that the worker needs:");
    else if (is_secured(check->options))
        tell("", "whether Read and Write are allowed can't be seen from here; where ACLs are in force, these commands "
                 "grant all that the worker needs:");
    if (check->not_allowed || is_secured(check->options))
        print_rights(check);
}

int config_check(const struct options *options)
{
    struct check check = {.options = options, .checkpoints = settings_text(options, "checkpoints-topic")};
    check.replies = settings_list(options_text(options, "reply-topics"), &check.n_replies);
    check.inputs = settings_list(options_text(options, "invocations-topics"), &check.n_inputs);
    if (check.inputs == NULL || check.replies == NULL || check.n_inputs == 0) {
        fputs(check.inputs == NULL || check.replies == NULL ? "rxp-worker config: out of memory\n" :
              "rxp-worker config: invocations-topics names no topic\n", stderr);
        free(check.inputs);
        free(check.replies);
        return EXIT_USAGE;
    }
    int status = connect_client(&check);
    if (status == EXIT_OK) {
        ask_all(&check);
        status = check.wrong ? EXIT_FATAL : EXIT_OK;
    }
    if (check.client != NULL)
        rd_kafka_destroy(check.client);
    free(check.inputs);
    free(check.replies);
    return status;
}
