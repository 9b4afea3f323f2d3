#include "kafka/transaction_inside.h"

#include "base/clock.h"
#include "ops/log.h"

#include <assert.h>
#include <string.h>

enum { ASK_AGAIN_MS = 250, WARN_MS = 30000 };

static rd_kafka_t *reader(struct transaction *transaction, rd_kafka_resp_err_t *err, char *why, size_t why_bytes)
{
    if (transaction->reader != NULL)
        return transaction->reader;
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(transaction->reader_conf);
    transaction->reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, why_bytes);
    *err = RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;
    if (transaction->reader == NULL)
        rd_kafka_conf_destroy(conf);
    return transaction->reader;
}

/* Asks until there is an answer. NULL: to stop, or failed. */
static rd_kafka_topic_partition_list_t *read_group(struct transaction *transaction,
                                                   const rd_kafka_topic_partition_list_t *asked)
{
    char why[TRANSACTION_WHY_BYTES];
    rd_kafka_resp_err_t err;
    int64_t warn_ms = clock_mono_ms() + ASK_AGAIN_MS;
    do {
        rd_kafka_t *consumer = reader(transaction, &err, why, sizeof why);
        rd_kafka_topic_partition_list_t *list = NULL;
        if (consumer != NULL)
            list = group_offsets_read(consumer, asked, transaction_goes_on, transaction, &err, why, sizeof why);
        if (list != NULL)
            return list;
        if (err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
            transaction_fail(transaction, "%s: grant this user Read on the group '%s' (transactional.id '%s')", why,
                             transaction->group_id, transaction->id);
            return NULL;
        }
        if (clock_mono_ms() < warn_ms)
            continue;
        log_event(LOG_WARN, "committed_offsets_unread", "transactions of '%s' wait: %s", transaction->id, why);
        warn_ms = clock_mono_ms() + WARN_MS;
    } while (transaction_rest(transaction, ASK_AGAIN_MS));
    return NULL;
}

bool committed_learn(struct transaction *transaction, const rd_kafka_topic_partition_list_t *offsets,
                     const rd_kafka_consumer_group_metadata_t *group)
{
    void *generation = NULL;
    size_t bytes = 0;
    rd_kafka_error_t *error = rd_kafka_consumer_group_metadata_write(group, &generation, &bytes);
    assert(error == NULL);
    if (bytes != transaction->generation_bytes || memcmp(generation, transaction->generation, bytes) != 0) {
        rd_kafka_topic_partition_list_destroy(transaction->committed);
        transaction->committed = rd_kafka_topic_partition_list_new(offsets->cnt);
        rd_kafka_mem_free(NULL, transaction->generation);
        transaction->generation = generation;
        transaction->generation_bytes = bytes;
    } else {
        rd_kafka_mem_free(NULL, generation);
    }
    rd_kafka_topic_partition_list_t *unknown = rd_kafka_topic_partition_list_new(4);
    for (int i = 0; i < offsets->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &offsets->elems[i];
        if (rd_kafka_topic_partition_list_find(transaction->committed, at->topic, at->partition) == NULL)
            rd_kafka_topic_partition_list_add(unknown, at->topic, at->partition);
    }
    rd_kafka_topic_partition_list_t *known = unknown->cnt > 0 ? read_group(transaction, unknown) : NULL;
    bool is_known = unknown->cnt == 0 || known != NULL;
    if (known != NULL) {
        group_offsets_note(transaction->committed, known);
        rd_kafka_topic_partition_list_destroy(known);
    }
    rd_kafka_topic_partition_list_destroy(unknown);
    return is_known;
}

void committed_note(struct transaction *transaction, const rd_kafka_topic_partition_list_t *offsets)
{
    group_offsets_note(transaction->committed, offsets);
}

bool committed_judge(struct transaction *transaction, const rd_kafka_topic_partition_list_t *wanted, enum group_verdict *verdict)
{
    rd_kafka_topic_partition_list_t *now = read_group(transaction, wanted);
    if (now == NULL)
        return false;
    *verdict = group_offsets_judge(transaction->committed, wanted, now);
    rd_kafka_topic_partition_list_destroy(now);
    return true;
}
