#include "cli/remedies.h"

#include "core/batcher.h"
#include "core/reply.h"
#include "kafka/checkpoint_topic.h"

#include <stdio.h>
#include <string.h>

#define PARTITIONS 6
#define REPLICAS_AT_MOST 3
#define WHO_BYTES 256
#define TOPIC_BYTES 250

/* ---- a line for a shell ---- */

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

/* The beginning: the tool, and whom it asks. */
static void begin_command(const struct options *options, const char *tool)
{
    print_word(tool);
    fputs(" --bootstrap-server ", stdout);
    print_word(options_text(options, "bootstrap-servers"));
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Further words, up to NULL. */
static void add_words(const char *const *word)
{
    for (; *word != NULL; word++) {
        putchar(' ');
        print_word(*word);
    }
}

static void end_command(void)
{
    putchar('\n');
    (void)fflush(stdout);
}

/* ---- topics ---- */

void remedies_create_topic(const struct options *options, const char *topic, int partitions, int brokers)
{
    char count[16];
    char replicas[16];
    snprintf(count, sizeof count, "%d", partitions > 0 ? partitions : PARTITIONS);
    snprintf(replicas, sizeof replicas, "%d", brokers < REPLICAS_AT_MOST ? brokers : REPLICAS_AT_MOST);
    begin_command(options, "kafka-topics.sh");
    add_words(WORDS("--create", "--topic", topic, "--partitions", count, "--replication-factor", replicas));
    end_command();
}

void remedies_create_checkpoints(const struct options *options, const char *topic, int partitions)
{
    char count[16];
    size_t n;
    const struct checkpoint_topic_setting *setting = checkpoint_topic_settings(&n);
    snprintf(count, sizeof count, "%d", partitions > 0 ? partitions : PARTITIONS);
    begin_command(options, "kafka-topics.sh");
    add_words(WORDS("--create", "--topic", topic, "--partitions", count));
    for (size_t i = 0; i < n; i++) {
        char pair[128];
        snprintf(pair, sizeof pair, "%s=%s", setting[i].name, setting[i].value);
        add_words(WORDS("--config", pair));
    }
    end_command();
}

void remedies_compact(const struct options *options, const char *topic)
{
    begin_command(options, "kafka-configs.sh");
    add_words(WORDS("--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", "cleanup.policy=compact"));
    end_command();
}

void remedies_stamp(const struct options *options, const char *topic)
{
    begin_command(options, "kafka-configs.sh");
    add_words(WORDS("--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config",
                    "message.timestamp.type=LogAppendTime"));
    end_command();
}

void remedies_grow(const struct options *options, const char *topic, int partitions)
{
    char count[16];
    snprintf(count, sizeof count, "%d", partitions);
    begin_command(options, "kafka-topics.sh");
    add_words(WORDS("--alter", "--topic", topic, "--partitions", count));
    end_command();
}

/* ---- rights ---- */

const char *remedies_property(const struct options *options, const char *name)
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
    const char *user = remedies_property(options, "sasl.username");
    if (user == NULL)
        user = remedies_property(options, "sasl.kerberos.principal");
    snprintf(out, bytes, "User:%s", user != NULL ? user : "PRINCIPAL");
}

/* NULL stands for no operation. `what` names the resource: words up to NULL. */
static void print_grant(const struct options *options, const char *const operation[], size_t n, const char *const *what)
{
    char who[WHO_BYTES];
    principal_write(options, who, sizeof who);
    begin_command(options, "kafka-acls.sh");
    add_words(WORDS("--add", "--allow-principal", who));
    for (size_t i = 0; i < n; i++) {
        if (operation[i] != NULL)
            add_words(WORDS("--operation", operation[i]));
    }
    add_words(what);
    end_command();
}

#define OPERATIONS(...) ((const char *const[]){__VA_ARGS__}), sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

static void grant_checkpoints(const struct options *options, const struct remedies_rights *rights)
{
    const char *create = NULL;
    const char *alter = NULL;
    switch (rights->checkpoints_lack) {
    case REMEDIES_CHECKPOINTS_COMPLETE:
        break;
    case REMEDIES_CHECKPOINTS_MISSING:
        create = "Create";
        break;
    case REMEDIES_CHECKPOINTS_SMALL:
        alter = "Alter";
        break;
    case REMEDIES_CHECKPOINTS_HIDDEN:
        create = "Create";
        alter = "Alter";
        break;
    }
    print_grant(options, OPERATIONS("Read", "Write", "Describe", "DescribeConfigs", create, alter),
                WORDS("--topic", rights->checkpoints));
}

/* ACLs know whole names, beginnings, and * for all topics. A pattern gets the narrowest of them that covers it. */
static void grant_reply(const struct options *options, const char *pattern)
{
    char prefix[TOPIC_BYTES];
    size_t bytes = strcspn(pattern, "*");
    snprintf(prefix, sizeof prefix, "%.*s", (int)bytes, pattern);
    if (pattern[bytes] == '\0')
        print_grant(options, OPERATIONS("Write", "Describe"), WORDS("--topic", pattern));
    else if (bytes == 0)
        print_grant(options, OPERATIONS("Write", "Describe"), WORDS("--topic", "*"));
    else
        print_grant(options, OPERATIONS("Write", "Describe"),
                    WORDS("--topic", prefix, "--resource-pattern-type", "prefixed"));
}

void remedies_grant(const struct options *options, const struct remedies_rights *rights)
{
    const char *dead = options_text(options, "dead-letter-topic");
    const char *progress = options_text(options, "progress-topic");
    const char *control = options_text(options, "control-topic");
    for (size_t i = 0; i < rights->n_inputs; i++)
        print_grant(options, OPERATIONS("Read", "Describe"), WORDS("--topic", rights->inputs[i]));
    print_grant(options, OPERATIONS("Read", "Describe"), WORDS("--group", options_text(options, "group-id")));
    print_grant(options, OPERATIONS("Write", "Describe"), WORDS("--topic", options_text(options, "results-topic")));
    if (*dead != '\0')
        print_grant(options, OPERATIONS("Write", "Describe"), WORDS("--topic", dead));
    if (*progress != '\0')
        print_grant(options, OPERATIONS("Write", "Describe"), WORDS("--topic", progress));
    if (*control != '\0')
        print_grant(options, OPERATIONS("Read", "Describe"), WORDS("--topic", control));
    for (size_t i = 0; i < rights->n_replies; i++) {
        if (reply_pattern_is_valid(rights->replies[i]))
            grant_reply(options, rights->replies[i]);
    }
    if (rights->checkpoints != NULL)
        grant_checkpoints(options, rights);
    if (rights->exactly_once)
        print_grant(options, OPERATIONS("Write", "Describe"),
                    WORDS("--transactional-id", BATCHER_TRANSACTIONAL_ID_PREFIX, "--resource-pattern-type", "prefixed"));
    /* Older brokers want it of idempotent producers; others are content with WRITE on some topic. */
    print_grant(options, OPERATIONS("IdempotentWrite"), WORDS("--cluster"));
}
