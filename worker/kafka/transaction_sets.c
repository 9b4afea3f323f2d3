#include "kafka/transaction_inside.h"

#include "kafka/client_end.h"
#include "ops/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static size_t count_bytes(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    size_t total = message->len + message->key_len;
    const char *name;
    const void *value;
    size_t bytes;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return total;
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &bytes) == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        total += strlen(name) + bytes;
    return total;
}

void sets_note(struct transaction *transaction, const rd_kafka_message_t *message, bool alone)
{
    set_size_note(&transaction->set_size, message->rkt, message->partition, count_bytes(message), alone);
}

/* A producer keeps its batch.size for life. The next one has no gap in its numbers either. */
void sets_learn(struct transaction *transaction, struct batch *batch)
{
    char value[32];
    char why[256];
    if (!set_size_learn(&transaction->set_size) || batch->outcome != TRANSACTION_ABORTED ||
        !transaction_goes_on(transaction))
        return;
    log_event(LOG_INFO, "transaction_parted", "messages were too large together, no more than %zu bytes go together from "
              "now on: %s", transaction->set_size.most_bytes, batch->reason);
    snprintf(value, sizeof value, "%zu", transaction->set_size.most_bytes);
    rd_kafka_conf_res_t result = rd_kafka_conf_set(transaction->conf, "batch.size", value, why, sizeof why);
    assert(result == RD_KAFKA_CONF_OK);
    (void)result;
    producer_drop(transaction, CLIENT_END_MS);
    batch->is_parted = batch->is_too_large;
    batch->has_gap = false;
}
