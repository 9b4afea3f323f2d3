#include "core/reply.h"

#include <string.h>
#include <strings.h>

#define TOPIC_MAX_BYTES 249

static bool is_topic_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

/* Kafka's own rule, org.apache.kafka.common.internals.Topic. */
static bool is_topic_name(const char *name, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (!is_topic_char(name[i])) {
            return false;
        }
    }
    return bytes > 0 && bytes <= TOPIC_MAX_BYTES && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool reply_pattern_is_valid(const char *pattern)
{
    size_t bytes = strlen(pattern);
    for (size_t i = 0; i < bytes; i++) {
        if (pattern[i] != '*' && !is_topic_char(pattern[i])) {
            return false;
        }
    }
    return bytes > 0 && bytes <= TOPIC_MAX_BYTES;
}

/* Only the last star passed needs to be tried again, further on: at most pattern × name steps. */
static bool matches(const char *pattern, const char *name)
{
    const char *star = NULL;
    const char *star_name = NULL;
    while (*name != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            star_name = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) {
            pattern = star + 1;
            name = ++star_name;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

static bool is_allowed(const struct reply_policy *policy, const char *topic)
{
    for (size_t i = 0; i < policy->n_patterns; i++) {
        if (matches(policy->patterns[i], topic)) {
            return true;
        }
    }
    return false;
}

static bool is_same(const char *own, const char *topic)
{
    return own != NULL && strcmp(own, topic) == 0;
}

/* Kafka keeps its own topics under names that begin with two underscores. */
bool reply_is_own_topic(const struct reply_policy *policy, const char *topic)
{
    for (size_t i = 0; i < policy->n_input_topics; i++) {
        if (is_same(policy->input_topics[i], topic)) {
            return true;
        }
    }
    return is_same(policy->dead_letter_topic, topic) || is_same(policy->checkpoints_topic, topic) ||
           is_same(policy->progress_topic, topic) || is_same(policy->control_topic, topic) || strncmp(topic, "__", 2) == 0;
}

/* A string, as far as it holds no NUL; NULL where there is none. */
static const char *last_header(struct envelope envelope, const char *name, size_t *bytes)
{
    struct envelope_header header;
    if (!envelope_find_last(envelope, name, &header)) {
        return NULL;
    }
    *bytes = header.value_bytes;
    return header.value != NULL ? header.value : "";
}

static void read_partition(struct envelope envelope, struct reply *out)
{
    size_t bytes = 0;
    const unsigned char *value = (const unsigned char *)last_header(envelope, "kafka_replyPartition", &bytes);
    if (value == NULL) {
        return;
    }
    if (bytes != 4 || value[0] > 0x7f) { /* negative: not a partition either */
        out->partition_ignored = true;
        return;
    }
    out->partition = (int32_t)((uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 | (uint32_t)value[2] << 8 | value[3]);
}

void reply_find(const struct reply_policy *policy, struct envelope envelope, struct reply *out)
{
    *out = (struct reply){.partition = -1};
    if (policy->n_patterns == 0) {
        return;
    }
    size_t bytes = 0;
    const char *topic = last_header(envelope, "rxp-reply-topic", &bytes);
    if (topic == NULL) {
        topic = last_header(envelope, "kafka_replyTopic", &bytes);
        if (topic == NULL) {
            return;
        }
        read_partition(envelope, out);
    }
    if (!is_topic_name(topic, bytes)) {
        out->refusal = REPLY_NOT_A_TOPIC;
    } else if (reply_is_own_topic(policy, topic)) {
        out->refusal = REPLY_OWN_TOPIC;
    } else if (is_same(policy->results_topic, topic)) {
        out->partition_ignored = out->partition_ignored || out->partition >= 0;
        out->partition = -1;
    } else if (!is_allowed(policy, topic)) {
        out->refusal = REPLY_NOT_ALLOWED;
    } else if (policy->seen != NULL && !name_set_admit(policy->seen, topic)) {
        out->refusal = REPLY_ONE_TOPIC_TOO_MANY;
    } else {
        out->topic = topic;
    }
}

const char *reply_refusal_text(enum reply_refusal refusal)
{
    switch (refusal) {
    case REPLY_TAKEN:
        return "none was left out";
    case REPLY_NOT_A_TOPIC:
        return "what the reply header holds is not a topic's name";
    case REPLY_NOT_ALLOWED:
        return "no pattern of --reply-topics allows the topic";
    case REPLY_OWN_TOPIC:
        return "the topic is an input, dead-letter, checkpoints, progress or control topic of this worker, or Kafka's own";
    case REPLY_ONE_TOPIC_TOO_MANY:
        return "this process has replied to 10000 other topics, and goes on with those until it is started anew";
    case REPLY_UNREACHABLE:
        return "the topic or partition is not there, or closed to this worker";
    case REPLY_TOO_LARGE:
        return "the topic does not take it, even in its smallest form";
    }
    return "?";
}

const char *const *reply_dropped_headers(size_t *n)
{
    static const char *const dropped[] = {"kafka_replyTopic", "kafka_replyPartition", "rxp-reply-topic",
                                          "__TypeId__",       "__ContentTypeId__",    "__KeyTypeId__"};
    *n = sizeof dropped / sizeof dropped[0];
    return dropped;
}

/* Spring's kafka_correlationId, and the names that people give theirs (setCorrelationHeaderName): correlation-id,
 * X-Correlation-ID, myCorrelation. */
bool reply_is_correlation(const char *header_name)
{
    static const char word[] = "correlation";
    for (const char *at = header_name; *at != '\0'; at++) {
        if (strncasecmp(at, word, sizeof word - 1) == 0) {
            return true;
        }
    }
    return false;
}
