#include "core/answer.h"

#include "engine/awake.h"
#include "protocol/decimal.h"
#include "protocol/result.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ECHO_MAX_BYTES ((size_t)16 * 1024)
#define IDENTITY_MAX_BYTES 1024
/* http.run_id, http.status, http.polls, http.result, http.result_truncated, error.code, worker.id, source.* (3), resumed,
 * rxp.shed */
#define OWN_KEYS 12
/* All that can be shed, named. */
#define SHED_BYTES 128

static const char *const shed_names[] = {
    [ANSWER_WHOLE] = NULL,
    [ANSWER_SHED_RESULT] = "http.result",
    [ANSWER_SHED_HEADERS] = "http.result,headers",
    [ANSWER_SHED_ECHO] = "http.result,headers,metadata",
    [ANSWER_SHED_IDENTITY] = "http.result,headers,metadata,key,identity",
};

struct metadata {
    struct rxp_pair *pair;
    size_t n;
};

static void metadata_put(struct metadata *metadata, const char *key, const char *value)
{
    if (value != NULL) {
        metadata->pair[metadata->n++] = (struct rxp_pair){key, value};
    }
}

static bool is_own_key(const char *key)
{
    static const char *const own[] = {"error.code",       "worker.id",     "source.topic",
                                      "source.partition", "source.offset", "resumed"};
    if (strncmp(key, "http.", 5) == 0 || strncmp(key, "rxp.", 4) == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strcmp(key, own[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The invocation's own keys, as far as they fit: a consumer joins by them. A key of the worker's wins. */
static void metadata_put_echo(struct metadata *metadata, const struct rxp_invocation *invocation)
{
    size_t echoed = 0;
    for (size_t i = 0; i < invocation->n_metadata; i++) {
        const struct rxp_pair *pair = &invocation->metadata[i];
        if (is_own_key(pair->key)) {
            continue;
        }
        size_t bytes = strlen(pair->key) + strlen(pair->value);
        if (bytes > ECHO_MAX_BYTES - echoed) {
            continue;
        }
        echoed += bytes;
        metadata_put(metadata, pair->key, pair->value);
    }
}

static bool is_sheddable_identity(const char *text, const struct answer_context *context)
{
    return context->shed >= ANSWER_SHED_IDENTITY && text != NULL && strlen(text) > IDENTITY_MAX_BYTES;
}

const char *answer_id(const struct run *run, const struct answer_context *context, char room[ANSWER_ID_BYTES])
{
    const char *id = run->awake->invocation != NULL ? run->awake->invocation->invocation_id : NULL;
    if (id != NULL && !is_sheddable_identity(id, context)) {
        return id;
    }
    if (context->source.topic == NULL) {
        return "unreadable:stdin";
    }
    snprintf(room, ANSWER_ID_BYTES, "unreadable:%s/%" PRId32 "/%" PRId64, context->source.topic,
             context->source.partition, context->source.offset);
    return room;
}

static const char *shed_text(const struct answer_context *context, char room[SHED_BYTES])
{
    const char *const words[] = {
        shed_names[context->shed],
        context->dead_letter_shed ? "dead-letter" : NULL,
        context->reply_shed ? "reply" : NULL,
        context->reply_partition_shed ? "reply-partition" : NULL,
    };
    size_t used = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (words[i] != NULL) {
            used += (size_t)snprintf(room + used, SHED_BYTES - used, "%s%s", used > 0 ? "," : "", words[i]);
        }
    }
    return used > 0 ? room : NULL;
}

static char *write_as(const struct run *run, const struct outcome *outcome, const struct answer_context *context, size_t *bytes)
{
    const struct rxp_invocation *invocation = run->awake->invocation;
    size_t n_echo = invocation != NULL ? invocation->n_metadata : 0;
    struct metadata metadata = {calloc(n_echo + OWN_KEYS, sizeof(struct rxp_pair)), 0};
    if (metadata.pair == NULL) {
        return NULL;
    }
    if (invocation != NULL && context->shed < ANSWER_SHED_ECHO) {
        metadata_put_echo(&metadata, invocation);
    }
    char polls[DECIMAL_BYTES];
    char partition[DECIMAL_BYTES];
    char offset[DECIMAL_BYTES];
    char shed[SHED_BYTES];
    decimal_write(run->cycle.polls, polls);
    metadata_put(&metadata, "http.run_id", run->awake->run_id);
    metadata_put(&metadata, "http.status", run->awake->state);
    metadata_put(&metadata, "http.polls", polls);
    bool result_shed = run->awake->result != NULL && context->shed >= ANSWER_SHED_RESULT;
    metadata_put(&metadata, "http.result", result_shed ? NULL : run->awake->result);
    metadata_put(&metadata, "http.result_truncated", run->result_truncated || result_shed ? "true" : NULL);
    metadata_put(&metadata, "error.code", rxp_error_name(outcome->error));
    metadata_put(&metadata, "worker.id", context->worker_id);
    if (context->source.topic != NULL) {
        decimal_write(context->source.partition, partition);
        decimal_write(context->source.offset, offset);
        metadata_put(&metadata, "source.topic", context->source.topic);
        metadata_put(&metadata, "source.partition", partition);
        metadata_put(&metadata, "source.offset", offset);
    }
    metadata_put(&metadata, "resumed", run->resumed ? "true" : NULL);
    metadata_put(&metadata, "rxp.shed", shed_text(context, shed));

    char id[ANSWER_ID_BYTES];
    const char *name = invocation != NULL ? invocation->runtime_name : NULL;
    const struct rxp_result result = {
        .invocation_id = answer_id(run, context, id),
        .runtime_name = name != NULL && !is_sheddable_identity(name, context) ? name : "unknown",
        .kind = invocation != NULL ? invocation->kind : RXP_KIND_UNKNOWN,
        .status = outcome->status,
        .has_exit_code = outcome->has_exit_code,
        .exit_code = outcome->exit_code,
        .started_at_ms = run->started_at_ms,
        .finished_at_ms = outcome->finished_at_ms,
        .error_summary = outcome->summary,
        .metadata = metadata.pair,
        .n_metadata = metadata.n,
    };
    char *text = rxp_result_write(&result, bytes);
    free(metadata.pair);
    return text;
}

char *answer_write(const struct run *run, const struct answer_context *context, size_t *bytes)
{
    return write_as(run, &run->awake->outcome, context, bytes);
}

char *answer_write_running(const struct run *run, const struct answer_context *context, int64_t now_wall_ms, size_t *bytes)
{
    int64_t started_at_ms = run->started_at_ms;
    const struct outcome running = {
        .status = RXP_STATUS_RUNNING,
        .error = RXP_OK,
        .finished_at_ms = now_wall_ms > started_at_ms ? now_wall_ms : started_at_ms,
    };
    return write_as(run, &running, context, bytes);
}
