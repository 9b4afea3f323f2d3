#include "kafka/transaction_inside.h"

#include "base/clock.h"
#include "kafka/refusal.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_MS = 1000, LOOKS = 4, LOOK_AGAIN_MS = 250, THERE_MS = 60000, MISSING_MS = 5000 };

static struct known_topic *find(struct transaction *transaction, const char *name)
{
    for (size_t i = 0; i < TOPICS_KNOWN; i++) {
        struct known_topic *known = &transaction->topics[i];
        if (clock_mono_ms() < known->until_ms && strcmp(known->name, name) == 0)
            return known;
    }
    return NULL;
}

static rd_kafka_resp_err_t look(rd_kafka_t *rk, rd_kafka_topic_t *topic, int32_t *n_partitions)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, topic, &metadata, ANSWER_MS);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err;
    err = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR__TRANSPORT;
    *n_partitions = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(metadata);
    return err;
}

/* A topic that was just made may not be known to every broker: so it is looked for some moments. */
static void look_up(struct transaction *transaction, const char *name, struct known_topic *known)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(transaction->rk, name, NULL);
    known->err = RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
    for (int i = 0; topic != NULL && i < LOOKS; i++) {
        if (i > 0 && !transaction_rest(transaction, LOOK_AGAIN_MS))
            break;
        known->err = look(transaction->rk, topic, &known->n_partitions);
        if (known->err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            break;
    }
    if (topic != NULL)
        rd_kafka_topic_destroy(topic);
    bool is_there = known->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    known->until_ms = clock_mono_ms() + (is_there ? THERE_MS : refusal_is_of_topic(known->err) ? MISSING_MS : 0);
    snprintf(known->name, sizeof known->name, "%s", name);
}

rd_kafka_resp_err_t optional_topic_fault(struct transaction *transaction, const char *name, int32_t partition)
{
    if (strlen(name) >= sizeof transaction->topics[0].name)
        return RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
    struct known_topic *known = find(transaction, name);
    /* One that is known may have got more partitions since. */
    if (known == NULL || (known->err == RD_KAFKA_RESP_ERR_NO_ERROR && partition >= known->n_partitions)) {
        known = known != NULL ? known : &transaction->topics[transaction->next_topic++ % TOPICS_KNOWN];
        look_up(transaction, name, known);
    }
    if (known->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return partition < known->n_partitions ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    /* Nobody answers, or a leader is being elected: that is the batch's trouble, as it is for every message. */
    return refusal_is_of_topic(known->err) ? known->err : RD_KAFKA_RESP_ERR_NO_ERROR;
}
