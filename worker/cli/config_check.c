#include "cli/config_check.h"

#include "base/clock.h"
#include "cli/command.h"
#include "cli/settings.h"

#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ASK_MS 10000
#define GROUP_TURN_MS 1000
#define PARTITIONS 6
#define REPLICAS_AT_MOST 3

struct check {
    const struct options *options;
    rd_kafka_t *client;
    const char **inputs;
    size_t n_inputs;
    int brokers;
    int partitions;        /* of the first input that is there; 0 before */
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

/* A word of a shell command. */
static void print_word(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,:/=@%+-";
    if (*text != '\0' && strspn(text, plain) == strlen(text)) {
        fputs(text, stdout);
        return;
    }
    putchar('\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    }
    putchar('\'');
}

/* Words up to NULL, as a line for a shell. */
static void print_command(const char *const *word)
{
    for (const char *before = ""; *word != NULL; word++) {
        fputs(before, stdout);
        print_word(*word);
        before = " ";
    }
    putchar('\n');
    (void)fflush(stdout);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void print_create(const struct check *check, const char *topic)
{
    char partitions[16];
    char replicas[16];
    snprintf(partitions, sizeof partitions, "%d", check->partitions > 0 ? check->partitions : PARTITIONS);
    snprintf(replicas, sizeof replicas, "%d", check->brokers < REPLICAS_AT_MOST ? check->brokers : REPLICAS_AT_MOST);
    print_command(WORDS("kafka-topics.sh", "--bootstrap-server", options_text(check->options, "bootstrap-servers"),
                        "--create", "--topic", topic, "--partitions", partitions, "--replication-factor", replicas));
}

static const char *property_value(const struct options *options, const char *name)
{
    size_t n;
    const struct option_property *property = options_properties(options, &n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(property[i].name, name) == 0)
            return property[i].value;
    }
    return NULL;
}

/* What the cluster calls us: known for SASL's simple mechanisms only. */
static void principal_write(const struct options *options, char *out, size_t bytes)
{
    const char *user = property_value(options, "sasl.username");
    if (user == NULL)
        user = property_value(options, "sasl.kerberos.principal");
    snprintf(out, bytes, "User:%s", user != NULL ? user : "PRINCIPAL");
}

static void print_grant(const struct check *check, const char *right, const char *kind, const char *name)
{
    char who[256];
    principal_write(check->options, who, sizeof who);
    print_command(WORDS("kafka-acls.sh", "--bootstrap-server", options_text(check->options, "bootstrap-servers"), "--add",
                        "--allow-principal", who, "--operation", right, "--operation", "DESCRIBE", kind, name));
}

static void print_rights(const struct check *check)
{
    const struct options *options = check->options;
    const char *dead = options_text(options, "dead-letter-topic");
    for (size_t i = 0; i < check->n_inputs; i++)
        print_grant(check, "READ", "--topic", check->inputs[i]);
    print_grant(check, "READ", "--group", options_text(options, "group-id"));
    print_grant(check, "WRITE", "--topic", options_text(options, "results-topic"));
    if (*dead != '\0')
        print_grant(check, "WRITE", "--topic", dead);
    char who[256];
    principal_write(options, who, sizeof who);
    print_command(WORDS("kafka-acls.sh", "--bootstrap-server", options_text(options, "bootstrap-servers"), "--add",
                        "--allow-principal", who, "--operation", "IDEMPOTENT_WRITE", "--cluster"));
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

static void judge_topic(struct check *check, const char *role, const char *topic, enum topic_use use,
                        rd_kafka_resp_err_t error, int partitions)
{
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
        tell("ok", "%s '%s': %d partition%s", role, topic, partitions, partitions == 1 ? "" : "s");
        if (use == TOPIC_INPUT && check->partitions == 0)
            check->partitions = partitions;
        return;
    }
    check->wrong = true;
    if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
        tell("MISSING", "%s '%s' does not exist; this creates it:", role, topic);
        print_create(check, topic);
    } else if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        tell("DENIED", "%s '%s': not even DESCRIBE is allowed", role, topic);
        check->not_allowed = true;
    } else if (error == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION) {
        tell("WRONG", "%s '%s' is no name for a topic: letters, digits, '.', '_' and '-', at most 249", role, topic);
    } else {
        tell("WRONG", "%s '%s': %s", role, topic, rd_kafka_err2str(error));
    }
}

static void ask_topic(struct check *check, const char *role, const char *topic, enum topic_use use)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(check->client, topic, NULL);
    rd_kafka_resp_err_t error =
        handle == NULL ? rd_kafka_last_error() : rd_kafka_metadata(check->client, 0, handle, &metadata, ASK_MS);
    int partitions = 0;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata != NULL && metadata->topic_cnt == 1) {
        error = metadata->topics[0].err;
        partitions = metadata->topics[0].partition_cnt;
    } else if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        error = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    }
    judge_topic(check, role, topic, use, error, partitions);
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    if (handle != NULL)
        rd_kafka_topic_destroy(handle);
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
        tell("DENIED", "group '%s': not even DESCRIBE is allowed", id);
        check->not_allowed = true;
    } else {
        tell("WRONG", "group '%s': no coordinator answered within %d seconds: %s", id, ASK_MS / 1000,
             rd_kafka_err2str(error));
    }
}

static bool is_secured(const struct options *options)
{
    const char *protocol = property_value(options, "security.protocol");
    return protocol != NULL && strcasecmp(protocol, "plaintext") != 0;
}

static void ask_all(struct check *check)
{
    if (ask_cluster(check) < 0)
        return;
    for (size_t i = 0; i < check->n_inputs; i++)
        ask_topic(check, "invocations topic", check->inputs[i], TOPIC_INPUT);
    ask_topic(check, "results topic", options_text(check->options, "results-topic"), TOPIC_OUTPUT);
    if (*options_text(check->options, "dead-letter-topic") != '\0')
        ask_topic(check, "dead-letter topic", options_text(check->options, "dead-letter-topic"), TOPIC_OUTPUT);
    ask_group(check);
    if (check->not_allowed)
        tell("", "these commands grant all that the worker needs:");
    else if (is_secured(check->options))
        tell("", "whether READ and WRITE are allowed can't be seen from here; where ACLs are in force, these commands "
                 "grant all that the worker needs:");
    if (check->not_allowed || is_secured(check->options))
        print_rights(check);
}

int config_check(const struct options *options)
{
    struct check check = {.options = options};
    check.inputs = settings_list(options_text(options, "invocations-topics"), &check.n_inputs);
    if (check.inputs == NULL || check.n_inputs == 0) {
        fputs("rxp-worker config: invocations-topics names no topic\n", stderr);
        free(check.inputs);
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
    return status;
}
