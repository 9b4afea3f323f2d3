#include "sim/broker.h"

#include "base/clock.h"
#include "sim/fake_client.h"
#include "sim/judge.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct unseen {
    struct list node;
    enum topic topic;
    int32_t partition;
    struct record record;
};

struct txn {
    struct list node; /* of all open ones */
    struct happening timeout;
    struct list unseen;
    unsigned partitions; /* bits: whose offsets it changes */
    struct committed offsets[PARTITIONS_MAX];
    bool is_open;
    bool is_left;
};

static struct {
    struct log log[TOPICS][PARTITIONS_MAX];
    struct committed committed[PARTITIONS_MAX];
    struct list txns;
} broker;

static const char *const names[TOPICS] = {"in", "results", "dead", "ckpt", "replies", "missing"};

void broker_init(void)
{
    memset(&broker, 0, sizeof broker);
    list_init(&broker.txns);
    for (int i = 0; i < PARTITIONS_MAX; i++)
        broker.committed[i].offset = RD_KAFKA_OFFSET_INVALID;
}

static void record_deinit(struct record *record)
{
    free(record->key);
    free(record->value);
}

static void txn_drop(struct txn *txn)
{
    struct list *node;
    while ((node = list_shift(&txn->unseen)) != NULL) {
        struct unseen *unseen = list_entry(node, struct unseen, node);
        record_deinit(&unseen->record);
        free(unseen);
    }
}

static void txn_free(struct txn *txn)
{
    happen_not(&txn->timeout);
    list_remove(&txn->node);
    txn_drop(txn);
    free(txn);
}

void broker_deinit(void)
{
    while (!list_is_empty(&broker.txns))
        txn_free(list_entry(broker.txns.next, struct txn, node));
    for (int topic = 0; topic < TOPICS; topic++) {
        for (int partition = 0; partition < PARTITIONS_MAX; partition++) {
            struct log *log = &broker.log[topic][partition];
            for (size_t i = 0; i < log->n; i++)
                record_deinit(&log->record[i]);
            free(log->record);
        }
    }
}

enum topic topic_by_name(const char *name)
{
    for (int i = 0; i < TOPICS; i++) {
        if (strcmp(names[i], name) == 0)
            return (enum topic)i;
    }
    assert(!"a topic that is there");
    return TOPICS;
}

const char *topic_name_of(enum topic topic)
{
    return names[topic];
}

const struct log *broker_log(enum topic topic, int32_t partition)
{
    return &broker.log[topic][partition];
}

static char *copy(const void *bytes, size_t n)
{
    if (bytes == NULL)
        return NULL;
    char *to = malloc(n + 1);
    assert(to != NULL);
    memcpy(to, bytes, n);
    to[n] = '\0';
    return to;
}

static struct record record_make(const void *key, size_t key_bytes, const void *value, size_t value_bytes)
{
    return (struct record){
        .timestamp_ms = clock_wall_ms(),
        .key = copy(key, key_bytes),
        .key_bytes = key_bytes,
        .value = copy(value, value_bytes),
        .value_bytes = value_bytes,
    };
}

/* Takes the record's memory. */
static void append(enum topic topic, int32_t partition, struct record record)
{
    struct log *log = &broker.log[topic][partition];
    if (log->n == log->room) {
        log->room = log->room == 0 ? 64 : log->room * 2;
        log->record = realloc(log->record, log->room * sizeof *log->record);
        assert(log->record != NULL);
    }
    record.offset = record.offset < log->end ? log->end : record.offset;
    log->record[log->n++] = record;
    log->end = record.offset + 1;
    fingerprint_add(&record.offset, sizeof record.offset);
    if (record.value != NULL)
        fingerprint_add(record.value, record.value_bytes);
    judge_record(topic, partition, &record);
    if (topic == TOPIC_IN)
        clients_fetch_all();
}

void broker_append(enum topic topic, int32_t partition, int64_t offset, const void *key, size_t key_bytes, const void *value,
                   size_t value_bytes)
{
    struct record record = record_make(key, key_bytes, value, value_bytes);
    record.offset = offset;
    append(topic, partition, record);
}

/* ---- the group's offsets ---- */

const struct committed *broker_committed(int32_t partition)
{
    return &broker.committed[partition];
}

static void set_committed(struct committed *committed, int64_t offset, const char *metadata, size_t metadata_bytes)
{
    assert(metadata_bytes < sizeof committed->metadata);
    committed->offset = offset;
    committed->metadata_bytes = metadata_bytes;
    if (metadata_bytes > 0)
        memcpy(committed->metadata, metadata, metadata_bytes);
    committed->metadata[metadata_bytes] = '\0';
}

void broker_commit(int32_t partition, int64_t offset, const char *metadata, size_t metadata_bytes)
{
    struct committed *committed = &broker.committed[partition];
    struct committed before = *committed;
    set_committed(committed, offset, metadata, metadata_bytes);
    fingerprint_add(&offset, sizeof offset);
    judge_commit(partition, &before, committed);
}

bool broker_is_unstable(int32_t partition)
{
    for (const struct list *node = broker.txns.next; node != &broker.txns; node = node->next) {
        const struct txn *txn = list_entry(node, struct txn, node);
        if (txn->is_open && (txn->partitions & 1u << partition) != 0)
            return true;
    }
    return false;
}

/* ---- transactions ---- */

static void time_up(struct happening *happening)
{
    struct txn *txn = list_entry(happening, struct txn, timeout);
    trace(-1, "a transaction's time is up: aborted");
    txn->is_open = false;
    txn_drop(txn);
    if (txn->is_left)
        txn_free(txn);
}

struct txn *txn_begin(int64_t timeout_ms)
{
    struct txn *txn = calloc(1, sizeof *txn);
    assert(txn != NULL);
    txn->is_open = true;
    list_init(&txn->unseen);
    list_push(&broker.txns, &txn->node);
    happening_init(&txn->timeout, time_up);
    happen_in(&txn->timeout, timeout_ms);
    return txn;
}

void txn_append(struct txn *txn, enum topic topic, int32_t partition, const void *key, size_t key_bytes, const void *value,
                size_t value_bytes)
{
    struct unseen *unseen = calloc(1, sizeof *unseen);
    assert(unseen != NULL);
    unseen->topic = topic;
    unseen->partition = partition;
    unseen->record = record_make(key, key_bytes, value, value_bytes);
    unseen->record.offset = -1;
    list_push(&txn->unseen, &unseen->node);
}

void txn_offset(struct txn *txn, int32_t partition, int64_t offset, const char *metadata, size_t metadata_bytes)
{
    txn->partitions |= 1u << partition;
    set_committed(&txn->offsets[partition], offset, metadata, metadata_bytes);
}

bool txn_is_open(const struct txn *txn)
{
    return txn->is_open;
}

bool txn_end(struct txn *txn, bool commit)
{
    bool is_open = txn->is_open;
    struct list *node;
    while (is_open && commit && (node = list_shift(&txn->unseen)) != NULL) {
        struct unseen *unseen = list_entry(node, struct unseen, node);
        append(unseen->topic, unseen->partition, unseen->record);
        free(unseen);
    }
    for (int32_t i = 0; is_open && commit && i < PARTITIONS_MAX; i++) {
        const struct committed *offset = &txn->offsets[i];
        if ((txn->partitions & 1u << i) != 0)
            broker_commit(i, offset->offset, offset->metadata, offset->metadata_bytes);
    }
    txn_free(txn);
    return is_open;
}

void txn_leave(struct txn *txn)
{
    txn->is_left = true;
    if (!txn->is_open)
        txn_free(txn);
}
