#include "cli/topic_roles.h"

#include <stdio.h>
#include <string.h>

struct role {
    const char *option;
    const char *topic; /* NULL: off */
};

static bool is_input(const struct worker_config *config, const char *topic)
{
    for (size_t i = 0; i < config->n_topics; i++) {
        if (strcmp(config->topics[i], topic) == 0) {
            return true;
        }
    }
    return false;
}

static int check_outputs(const struct worker_config *config, char *why, size_t why_bytes)
{
    const struct role outputs[] = {
        {"--results-topic", config->settle.results_topic},
        {"--dead-letter-topic", config->settle.dead_letter_topic},
        {"--checkpoints-topic", config->checkpoints_topic},
        {"--progress-topic", config->progress_topic},
        {"--control-topic", config->control_topic}, /* the worker only reads it: another's messages would be none */
    };
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        const struct role *output = &outputs[i];
        if (output->topic == NULL) {
            continue;
        }
        if (is_input(config, output->topic)) {
            snprintf(why, why_bytes, "'%s' is both %s and one of --invocations-topics, so that %s: name another topic",
                     output->topic, output->option,
                     output->topic == config->control_topic
                         ? "each of its messages would be taken for an invocation and for a control message"
                         : "what the worker writes would come back as invocations, without end");
            return -1;
        }
        for (size_t j = 0; j < i; j++) {
            if (outputs[j].topic != NULL && strcmp(outputs[j].topic, output->topic) == 0) {
                snprintf(why, why_bytes, "'%s' is both %s and %s: name another topic for one of them", output->topic,
                         outputs[j].option, output->option);
                return -1;
            }
        }
    }
    return 0;
}

/* A pattern with a star may match others. */
static int check_replies(const struct reply_policy *policy, char *why, size_t why_bytes)
{
    for (size_t i = 0; i < policy->n_patterns; i++) {
        const char *pattern = policy->patterns[i];
        if (strchr(pattern, '*') == NULL && reply_is_own_topic(policy, pattern)) {
            snprintf(why, why_bytes, "--reply-topics: no reply can go to '%s', which is an input, dead-letter, checkpoints, "
                     "progress or control topic of this worker, or Kafka's own: take it off the list", pattern);
            return -1;
        }
    }
    return 0;
}

int topic_roles_check(const struct worker_config *config, char *why, size_t why_bytes)
{
    if (check_outputs(config, why, why_bytes) != 0) {
        return -1;
    }
    return check_replies(&config->settle.reply, why, why_bytes);
}
