/* Stands in for kafka/checkpoints.c, whose thread and clients cannot be simulated: reads partitions of the checkpoints topic of
 * the fake broker back, each after a while, up to where the log ends at that moment. */
#include "kafka/checkpoints.h"

#include "kafka/checkpoint_key.h"
#include "sim/fake_client.h"
#include "sim/fault.h"
#include "sim/judge.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct checkpoints {
    struct checkpoints_config config;
    struct checkpoints_hooks hooks;
    struct instance *instance;
    struct list readings;
};

struct reading {
    struct list node;
    struct happening at;
    struct checkpoints *checkpoints;
    struct assignment *assignment;
    struct checkpoint_table *table; /* NULL: under way */
};

static void put(struct checkpoint_table *table, const struct record *record)
{
    struct checkpoint_key key;
    int failed = 0;
    if (!checkpoint_key_parse(record->key, record->key_bytes, &key))
        return;
    if (record->value == NULL)
        checkpoint_table_erase(table, key.offset, key.writer);
    else
        failed = checkpoint_table_put(table, key.offset, key.writer, record->value, record->value_bytes);
    assert(failed == 0);
}

static void read_back(struct happening *happening)
{
    struct reading *reading = list_entry(happening, struct reading, at);
    struct checkpoints *checkpoints = reading->checkpoints;
    int64_t sleeps_ms = instance_sleeps_ms(checkpoints->instance);
    int64_t offset;
    uint64_t writer;
    if (sleeps_ms > 0 || world->is_out || checkpoints->instance->is_cut) {
        happen_in(happening, sleeps_ms > 0 ? sleeps_ms : draw(50, 300));
        return;
    }
    const struct log *log = broker_log(TOPIC_CKPT, reading->assignment->partition);
    reading->table = checkpoint_table_new();
    assert(reading->table != NULL);
    for (size_t i = 0; i < log->n; i++)
        put(reading->table, &log->record[i]);
    enum checkpoint_seal seal =
        checkpoint_table_seal(reading->table, checkpoints->hooks.check, checkpoints->hooks.opaque, &offset, &writer);
    assert(seal == CHECKPOINT_SEALED);
    trace(-1, "w%d has read the checkpoints of [%d]: %d live of %d records", checkpoints->instance->number,
          (int)reading->assignment->partition, (int)checkpoint_table_count(reading->table), (int)log->n);
    provoke(checkpoints->instance, MOMENT_RESTORE);
    judge_restored(checkpoints->instance->number, reading->assignment->partition, log->n);
    instance_wake(checkpoints->instance);
}

struct checkpoints *checkpoints_new(const struct checkpoints_config *config, const struct checkpoints_hooks *hooks,
                                    char *why, size_t why_bytes)
{
    (void)why, (void)why_bytes;
    struct checkpoints *checkpoints = calloc(1, sizeof *checkpoints);
    assert(checkpoints != NULL);
    checkpoints->config = *config;
    checkpoints->hooks = *hooks;
    checkpoints->instance = world->current;
    list_init(&checkpoints->readings);
    return checkpoints;
}

int checkpoints_read(struct checkpoints *checkpoints, struct assignment *assignment)
{
    struct reading *reading = calloc(1, sizeof *reading);
    assert(reading != NULL);
    reading->checkpoints = checkpoints;
    reading->assignment = assignment_hold(assignment);
    list_push(&checkpoints->readings, &reading->node);
    happening_init(&reading->at, read_back);
    happen_in(&reading->at, draw_latency() + draw_latency());
    return 0;
}

static void reading_free(struct reading *reading)
{
    happen_not(&reading->at);
    list_remove(&reading->node);
    checkpoint_table_free(reading->table);
    assignment_release(reading->assignment);
    free(reading);
}

void checkpoints_turn(struct checkpoints *checkpoints)
{
    struct list *next;
    for (struct list *node = checkpoints->readings.next; node != &checkpoints->readings; node = next) {
        struct reading *reading = list_entry(node, struct reading, node);
        next = node->next;
        bool is_held = tenure_read(&reading->assignment->tenure) == TENURE_HELD;
        if (is_held && reading->table == NULL)
            continue;
        struct checkpoint_table *table = reading->table;
        reading->table = NULL;
        if (is_held)
            checkpoints->hooks.ready(reading->assignment, table, checkpoints->hooks.opaque);
        else
            checkpoint_table_free(table);
        reading_free(reading);
    }
}

void checkpoints_free(struct checkpoints *checkpoints)
{
    if (checkpoints == NULL)
        return;
    while (!list_is_empty(&checkpoints->readings))
        reading_free(list_entry(checkpoints->readings.next, struct reading, node));
    free(checkpoints);
}
