/* exchange_answer: what became of an exchange: its answer, or why there is none.
 *
 * Called by the exchange's thread. */
#ifndef RXP_ENGINE_EXCHANGE_ANSWER_H
#define RXP_ENGINE_EXCHANGE_ANSWER_H

#include "engine/exchange.h"

/* After exchange->code was set and the handle was taken out of its multi handle. What the reply points to is the exchange's,
 * until exchange_end. */
void exchange_answer_read(struct exchange *exchange, struct http_reply *reply);

#endif
