#include "kafka/refusal.h"

#include <stddef.h>

/* Not enums of ours, so no switches without default: what is listed in neither belongs to the producer, and is safer ended by a
 * restart than by leaving messages out. */
bool refusal_is_of_message(rd_kafka_resp_err_t err)
{
    static const rd_kafka_resp_err_t list[] = {
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
        RD_KAFKA_RESP_ERR_INVALID_RECORD,     RD_KAFKA_RESP_ERR_INVALID_MSG,      RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
        RD_KAFKA_RESP_ERR_POLICY_VIOLATION,   RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        if (list[i] == err)
            return true;
    }
    return false;
}

bool refusal_may_pass(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_INVALID_MSG;
}

bool refusal_is_of_topic(rd_kafka_resp_err_t err)
{
    static const rd_kafka_resp_err_t list[] = {
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        if (list[i] == err)
            return true;
    }
    return false;
}
