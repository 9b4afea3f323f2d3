#include "cli/live_runs.h"

#include "base/clock.h"
#include "core/checkpoint.h"
#include "kafka/checkpoint_key.h"
#include "kafka/checkpoint_table.h"
#include "kafka/reader.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SILENCE_MS 10000
#define TURN_MS 200

struct partition_runs {
    struct checkpoint_table *table; /* NULL: none */
};

/* Of one input topic. */
struct input_runs {
    const char *topic;
    struct partition_runs *partition;
    size_t n_partitions;
};

struct live_runs {
    const char *group;
    size_t group_bytes;
    size_t n_inputs;
    struct input_runs input[];
};

struct live_runs *live_runs_new(const char *group, const char *const *topics, size_t n_topics)
{
    struct live_runs *live = calloc(1, sizeof *live + n_topics * sizeof live->input[0]);
    if (live == NULL)
        return NULL;
    live->group = group;
    live->group_bytes = strlen(group);
    live->n_inputs = n_topics;
    for (size_t i = 0; i < n_topics; i++)
        live->input[i].topic = topics[i];
    return live;
}

void live_runs_free(struct live_runs *live)
{
    if (live == NULL)
        return;
    for (size_t i = 0; i < live->n_inputs; i++) {
        for (size_t p = 0; p < live->input[i].n_partitions; p++)
            checkpoint_table_free(live->input[i].partition[p].table);
        free(live->input[i].partition);
    }
    free(live);
}

/* ---- filling ---- */

/* The table of a partition, made where there is none. The partition is one that the checkpoints topic has. */
static struct checkpoint_table *table_of(struct input_runs *input, size_t partition)
{
    if (partition >= input->n_partitions) {
        struct partition_runs *more = realloc(input->partition, (partition + 1) * sizeof *more);
        if (more == NULL)
            return NULL;
        memset(more + input->n_partitions, 0, (partition + 1 - input->n_partitions) * sizeof *more);
        input->partition = more;
        input->n_partitions = partition + 1;
    }
    assert(input->partition != NULL);
    struct partition_runs *runs = &input->partition[partition];
    if (runs->table == NULL)
        runs->table = checkpoint_table_new();
    return runs->table;
}

static struct input_runs *find_input(struct live_runs *live, const struct checkpoint_key *key)
{
    for (size_t i = 0; i < live->n_inputs; i++) {
        const char *topic = live->input[i].topic;
        if (strlen(topic) == key->topic_bytes && memcmp(topic, key->topic, key->topic_bytes) == 0)
            return &live->input[i];
    }
    return NULL;
}

int live_runs_take(struct live_runs *live, int32_t partition, const void *key, size_t key_bytes, const void *value,
                   size_t value_bytes)
{
    struct checkpoint_key about;
    if (key == NULL || !checkpoint_key_parse(key, key_bytes, &about) || about.partition != partition ||
        about.group_bytes != live->group_bytes || memcmp(about.group, live->group, live->group_bytes) != 0)
        return 0;
    struct input_runs *input = find_input(live, &about);
    if (input == NULL)
        return 0;
    struct checkpoint_table *table = table_of(input, (size_t)partition);
    if (table == NULL)
        return -1;
    if (value != NULL)
        return checkpoint_table_put(table, about.offset, about.writer, value, value_bytes);
    checkpoint_table_erase(table, about.offset, about.writer);
    return 0;
}

/* What a later version wrote is none that this one could count, and no reason to show nothing. */
static enum checked on_check(const char *value, size_t value_bytes, void *opaque)
{
    (void)opaque;
    char why[CHECKPOINT_WHY_BYTES];
    struct checkpoint *checkpoint = NULL;
    enum checkpoint_reading reading = checkpoint_read(value, value_bytes, &checkpoint, why);
    if (reading != CHECKPOINT_READ)
        return reading == CHECKPOINT_NO_MEMORY ? CHECKED_NO_MEMORY : CHECKED_UNREADABLE;
    enum checked checked = checkpoint->kind == CHECKPOINT_RUN ? CHECKED_RUN : CHECKED_INTENT;
    free(checkpoint);
    return checked;
}

int live_runs_seal(struct live_runs *live)
{
    int64_t offset;
    uint64_t writer;
    for (size_t i = 0; i < live->n_inputs; i++) {
        for (size_t p = 0; p < live->input[i].n_partitions; p++) {
            struct checkpoint_table *table = live->input[i].partition[p].table;
            if (table != NULL && checkpoint_table_seal(table, on_check, NULL, &offset, &writer) != CHECKPOINT_SEALED)
                return -1;
        }
    }
    return 0;
}

/* ---- counting ---- */

static void count_entry(struct live_count *count, const struct checkpoint_entry *entry)
{
    char why[CHECKPOINT_WHY_BYTES];
    struct checkpoint *checkpoint = NULL;
    switch (entry->found) {
    case CHECKED_INTENT:
        count->intents++;
        break;
    case CHECKED_RUN:
        count->runs++;
        if (checkpoint_read(entry->value, entry->value_bytes, &checkpoint, why) == CHECKPOINT_READ &&
            checkpoint->started_at_ms < count->oldest_ms)
            count->oldest_ms = checkpoint->started_at_ms;
        free(checkpoint);
        break;
    case CHECKED_UNREADABLE:
    case CHECKED_TOO_NEW:
    case CHECKED_NO_MEMORY:
        count->unreadable++;
        break;
    }
}

struct live_count live_runs_count(const struct live_runs *live, const char *topic, int32_t partition, live_open_fn is_open,
                                  const void *opaque)
{
    struct live_count count = {.oldest_ms = INT64_MAX};
    for (size_t i = 0; i < live->n_inputs; i++) {
        const struct input_runs *input = &live->input[i];
        if (strcmp(input->topic, topic) != 0 || (size_t)partition >= input->n_partitions ||
            input->partition[partition].table == NULL)
            continue;
        const struct checkpoint_entry *entry;
        for (size_t at = 0; (entry = checkpoint_table_next(input->partition[partition].table, &at)) != NULL;) {
            if (is_open(entry->offset, opaque))
                count_entry(&count, entry);
        }
        break; /* a topic that is named twice is counted once */
    }
    return count;
}

/* ---- reading ---- */

static int take_all(struct live_runs *live, struct reader *reader, char *why)
{
    bool failed = false;
    int64_t moved_ms = clock_mono_ms();
    while (!reader_is_at_end(reader)) {
        rd_kafka_message_t *message = reader_next(reader, TURN_MS, &failed, why);
        if (failed)
            return -1;
        if (message == NULL && clock_mono_ms() - moved_ms < SILENCE_MS)
            continue;
        if (message == NULL) {
            snprintf(why, LIVE_RUNS_WHY_BYTES, "its end was not reached: nothing came for %d s", SILENCE_MS / 1000);
            return -1;
        }
        moved_ms = clock_mono_ms();
        int taken = live_runs_take(live, message->partition, message->key, message->key_len, message->payload, message->len);
        rd_kafka_message_destroy(message);
        if (taken != 0) {
            snprintf(why, LIVE_RUNS_WHY_BYTES, "out of memory");
            return -1;
        }
    }
    return 0;
}

struct live_runs *live_runs_read(const struct kafka_settings *settings, const char *checkpoints_topic,
                                 const char *const *topics, size_t n_topics, char why[LIVE_RUNS_WHY_BYTES])
{
    struct reader *reader = reader_new(settings, checkpoints_topic, READER_BEGINNING, SILENCE_MS, why);
    if (reader == NULL)
        return NULL;
    struct live_runs *live = live_runs_new(settings->group_id, topics, n_topics);
    if (live == NULL)
        snprintf(why, LIVE_RUNS_WHY_BYTES, "out of memory");
    bool whole = live != NULL && take_all(live, reader, why) == 0;
    reader_free(reader);
    if (whole && live_runs_seal(live) != 0) {
        snprintf(why, LIVE_RUNS_WHY_BYTES, "out of memory");
        whole = false;
    }
    if (!whole) {
        live_runs_free(live);
        return NULL;
    }
    return live;
}
