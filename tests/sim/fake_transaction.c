/* Stands in for kafka/transaction*.c, whose thread and producer cannot be simulated: the same steps, against the fake broker:
 * begin, produce, offsets (by the group's generation), commit; what becomes of it is told once it is known. */
#include "kafka/transaction.h"

#include "sim/fake_client.h"
#include "sim/fault.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 10000
#define REFUSED_MAX 64

enum step { STEP_IDLE, STEP_BEGIN, STEP_OFFSETS, STEP_COMMIT, STEP_LEARN, STEP_SETTLED };

struct transaction {
    struct transaction_hooks hooks;
    struct instance *instance;
    struct happening at;
    enum step step;
    void *batch;
    rd_kafka_topic_partition_list_t *offsets;
    char member_id[16];
    int32_t generation;
    struct txn *txn;
    bool is_producing;
    bool is_spoilt;
    bool is_alone;
    void *refused[REFUSED_MAX];
    struct transaction_settled settled;
};


static void step_to(struct transaction *transaction, enum step step, int64_t ms)
{
    transaction->step = step;
    happen_in(&transaction->at, ms);
}

static void settle(struct transaction *transaction, enum transaction_outcome outcome, const char *reason)
{
    trace(-1, "w%d's transaction is %s%s", transaction->instance->number,
          outcome == TRANSACTION_COMMITTED ? "committed" : "aborted: ", reason);
    transaction->settled.outcome = outcome;
    transaction->settled.reason = reason;
    transaction->settled.refused = transaction->refused;
    step_to(transaction, STEP_SETTLED, 0);
    instance_wake(transaction->instance);
}

static void abort_txn(struct transaction *transaction, const char *reason)
{
    txn_end(transaction->txn, false);
    transaction->txn = NULL;
    settle(transaction, TRANSACTION_ABORTED, reason);
}

/* ---- the steps ---- */

static void begin(struct transaction *transaction)
{
    transaction->txn = txn_begin(TIMEOUT_MS);
    transaction->is_producing = true;
    transaction->is_spoilt = false;
    transaction->settled = (struct transaction_settled){.reason = ""};
    world->current = transaction->instance;
    if (transaction->hooks.produce != NULL)
        transaction->hooks.produce(transaction, transaction->batch, transaction->hooks.opaque);
    world->current = NULL;
    transaction->is_producing = false;
    if (transaction->settled.n_refused > 0)
        abort_txn(transaction, "messages are too large");
    else if (transaction->is_spoilt || likely(2))
        abort_txn(transaction, "it was spoilt");
    else if ((transaction->settled.is_cut = likely(2)))
        abort_txn(transaction, "its time was over");
    else
        step_to(transaction, STEP_OFFSETS, draw_latency());
}

static void send_offsets(struct transaction *transaction)
{
    rd_kafka_resp_err_t err = group_check(transaction->member_id, transaction->generation);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR || transaction->generation < 0) {
        transaction->settled.generation_old = err != RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
        abort_txn(transaction, rd_kafka_err2name(err));
        return;
    }
    for (int i = 0; i < transaction->offsets->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &transaction->offsets->elems[i];
        txn_offset(transaction->txn, at->partition, at->offset, at->metadata, at->metadata_size);
    }
    step_to(transaction, STEP_COMMIT, draw_latency());
    provoke(transaction->instance, MOMENT_TRANSACTION);
}

static void commit(struct transaction *transaction)
{
    bool committed = txn_end(transaction->txn, true);
    transaction->txn = NULL;
    transaction->settled.outcome = committed ? TRANSACTION_COMMITTED : TRANSACTION_ABORTED;
    step_to(transaction, STEP_LEARN, draw_latency());
    provoke(transaction->instance, MOMENT_TRANSACTED);
}

/* What may be asked of brokers now goes on, everything else waits: the real one finds out what came of its commit before it
 * settles. */
static void go_on(struct happening *happening)
{
    struct transaction *transaction = list_entry(happening, struct transaction, at);
    struct instance *instance = transaction->instance;
    int64_t sleeps_ms = instance_sleeps_ms(instance);
    bool on_wire = transaction->step == STEP_COMMIT;
    if (sleeps_ms > 0 && !on_wire) {
        happen_in(happening, sleeps_ms);
        return;
    }
    if (world->is_out || instance->is_cut ||
        (transaction->step == STEP_OFFSETS && (world->coordinator_is_away || world->results_are_away || world->notes_are_away))) {
        happen_in(happening, draw(50, 300));
        return;
    }
    switch (transaction->step) {
    case STEP_IDLE:
    case STEP_SETTLED:
        break;
    case STEP_BEGIN:
        begin(transaction);
        break;
    case STEP_OFFSETS:
        send_offsets(transaction);
        break;
    case STEP_COMMIT:
        commit(transaction);
        break;
    case STEP_LEARN:
        settle(transaction, transaction->settled.outcome,
               transaction->settled.outcome == TRANSACTION_COMMITTED ? "" : "its time was up");
        break;
    }
}

/* ---- what the worker calls ---- */

struct transaction *transaction_new(const struct transaction_config *config, const struct transaction_hooks *hooks, char *why,
                                    size_t why_bytes)
{
    (void)config, (void)why, (void)why_bytes;
    struct transaction *transaction = calloc(1, sizeof *transaction);
    assert(transaction != NULL);
    transaction->hooks = *hooks;
    transaction->instance = world->current;
    happening_init(&transaction->at, go_on);
    return transaction;
}

/* librdkafka's text of it is what kafka/membership.c reads. */
static void read_membership(struct transaction *transaction, const rd_kafka_consumer_group_metadata_t *group)
{
    void *text = NULL;
    size_t bytes = 0;
    rd_kafka_error_t *error = rd_kafka_consumer_group_metadata_write(group, &text, &bytes);
    assert(error == NULL && bytes > 11);
    const char *name = (const char *)text + 7 + sizeof transaction->generation;
    memcpy(&transaction->generation, (const char *)text + 7, sizeof transaction->generation);
    const char *member_id = name + strlen(name) + 1;
    assert(strlen(member_id) < sizeof transaction->member_id);
    strcpy(transaction->member_id, member_id);
    rd_kafka_mem_free(NULL, text);
}

void transaction_commit(struct transaction *transaction, void *batch, rd_kafka_topic_partition_list_t *offsets,
                        rd_kafka_consumer_group_metadata_t *group)
{
    assert(transaction->step == STEP_IDLE && offsets->cnt > 0);
    read_membership(transaction, group);
    rd_kafka_consumer_group_metadata_destroy(group);
    transaction->batch = batch;
    transaction->offsets = offsets;
    step_to(transaction, STEP_BEGIN, draw_latency());
}

bool transaction_is_busy(const struct transaction *transaction)
{
    return transaction->step != STEP_IDLE;
}

static void tell(struct transaction *transaction)
{
    void *batch = transaction->batch;
    struct transaction_settled settled = transaction->settled;
    rd_kafka_topic_partition_list_destroy(transaction->offsets);
    transaction->offsets = NULL;
    transaction->step = STEP_IDLE;
    happen_not(&transaction->at);
    transaction->hooks.settled(batch, &settled, transaction->hooks.opaque);
}

void transaction_turn(struct transaction *transaction)
{
    if (transaction->step == STEP_SETTLED)
        tell(transaction);
}

enum publisher_send transaction_produce(struct transaction *transaction, const struct publisher_message *message)
{
    enum topic topic = topic_by_name(message->topic);
    assert(transaction->is_producing && message->opaque != NULL);
    if (world->plan.result_max_bytes != 0 && topic == TOPIC_RESULTS && message->value_bytes > world->plan.result_max_bytes) {
        if (transaction->settled.n_refused < REFUSED_MAX)
            transaction->refused[transaction->settled.n_refused++] = message->opaque;
        return PUBLISHER_REFUSED;
    }
    txn_append(transaction->txn, topic, message->partition < 0 ? 0 : message->partition, message->key, message->key_bytes,
               message->value, message->value_bytes);
    if (message->headers != NULL)
        rd_kafka_headers_destroy(message->headers);
    return PUBLISHER_SENT;
}

void transaction_spoil(struct transaction *transaction)
{
    transaction->is_spoilt = true;
}

/* What was asked for is on its way, whatever becomes of who asked; what is open is left to its time-out. */
void transaction_free(struct transaction *transaction)
{
    if (transaction == NULL)
        return;
    if (transaction->step == STEP_COMMIT && !world->is_out && !transaction->instance->is_cut && likely(50))
        commit(transaction);
    else if (transaction->txn != NULL)
        txn_leave(transaction->txn);
    happen_not(&transaction->at);
    if (transaction->step != STEP_IDLE) {
        transaction->settled = (struct transaction_settled){.outcome = TRANSACTION_LOST, .reason = "the worker ends"};
        tell(transaction);
    }
    free(transaction);
}
