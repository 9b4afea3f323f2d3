/* error_codes: the errors that a broker can answer, one after the other: those that librdkafka 2.0.2 knows, the one without a
 * number of its own, and one that comes later. */
#ifndef RXP_TESTS_ERROR_CODES_H
#define RXP_TESTS_ERROR_CODES_H

#include <librdkafka/rdkafka.h>

enum { ERROR_CODES = 101, LATER_ERROR_CODE = 127 };

static inline rd_kafka_resp_err_t error_code_at(int i)
{
    return (rd_kafka_resp_err_t)(i == 0 ? RD_KAFKA_RESP_ERR_UNKNOWN : i == ERROR_CODES - 1 ? LATER_ERROR_CODE : i);
}

static inline int error_code_place(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_UNKNOWN ? 0 : (int)err == LATER_ERROR_CODE ? ERROR_CODES - 1 : (int)err;
}

#endif
