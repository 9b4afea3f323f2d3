/* outcome: how a run's end is written down: status, code, sentence and stamps.
 *
 * Loop thread; pure but for the memory of the sentence. A sentence for which there is no memory is left out. */
#ifndef RXP_ENGINE_OUTCOME_H
#define RXP_ENGINE_OUTCOME_H

#include "engine/run.h"
#include "engine/verdict.h"

/* All of them end at now_ms on the monotonic clock, and set finished_at_ms by what has elapsed since the start. */
void outcome_of_verdict(struct run *run, const struct verdict *verdict, int64_t now_ms);
/* timeout_ms: of the whole run, for the sentence. */
void outcome_of_timeout(struct run *run, int64_t timeout_ms, int64_t now_ms);
void outcome_of_cancel(struct run *run, int64_t now_ms);
void outcome_of_abandon(struct run *run, int64_t now_ms);

#endif
