/* broker: what a Kafka cluster keeps: logs, transactions, and the group's committed offsets. Whoever asks it is there: that
 * requests take time, or are lost, is the clients' matter (fake_client.h). */
#ifndef RXP_SIM_BROKER_H
#define RXP_SIM_BROKER_H

#include "sim/world.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TOPIC_NONE does not exist. */
enum topic { TOPIC_IN, TOPIC_RESULTS, TOPIC_DEAD, TOPIC_CKPT, TOPIC_REPLIES, TOPIC_NONE, TOPICS };

struct record {
    int64_t offset;
    int64_t timestamp_ms;
    char *key; /* NULL: none */
    size_t key_bytes;
    char *value; /* NULL: a tombstone */
    size_t value_bytes;
};

struct log {
    struct record *record;
    size_t n;
    size_t room;
    int64_t end;
};

/* One transaction: what it has so far, unseen. */
struct txn;

void broker_init(void);
void broker_deinit(void);

enum topic topic_by_name(const char *name);
const char *topic_name_of(enum topic topic);
const struct log *broker_log(enum topic topic, int32_t partition);
/* Appends and tells the judge. `offset` -1: the log's end. */
void broker_append(enum topic topic, int32_t partition, int64_t offset, const void *key, size_t key_bytes, const void *value,
                   size_t value_bytes);

/* ---- the group's offsets ---- */

struct committed {
    int64_t offset; /* RD_KAFKA_OFFSET_INVALID: none */
    char metadata[4100];
    size_t metadata_bytes;
};
const struct committed *broker_committed(int32_t partition);
void broker_commit(int32_t partition, int64_t offset, const char *metadata, size_t metadata_bytes);
/* Is some open transaction about to change it? */
bool broker_is_unstable(int32_t partition);

/* ---- transactions ---- */

struct txn *txn_begin(int64_t timeout_ms);
void txn_append(struct txn *txn, enum topic topic, int32_t partition, const void *key, size_t key_bytes, const void *value,
                size_t value_bytes);
void txn_offset(struct txn *txn, int32_t partition, int64_t offset, const char *metadata, size_t metadata_bytes);
bool txn_is_open(const struct txn *txn); /* its time may be up */
/* What is kept becomes visible, or is dropped. The txn is gone. False where its time was up: nothing is visible. */
bool txn_end(struct txn *txn, bool commit);
/* Nobody will end it: its time-out does. */
void txn_leave(struct txn *txn);

#endif
