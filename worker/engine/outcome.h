/* outcome: how a run's end is written down: status, code, sentence and stamps.
 *
 * Loop thread; pure but for the memory of the sentence. A sentence for which there is no memory is left out.
 *
 * A run whose result is still to be fetched has an outcome already, kept here: where the backend said that it failed, that
 * stands, whatever becomes of the fetch, and the sentence grows by it; a success without its result is none. */
#ifndef RXP_ENGINE_OUTCOME_H
#define RXP_ENGINE_OUTCOME_H

#include "engine/run.h"
#include "engine/verdict.h"

/* A verdict of kind FETCH, before the cycle hears of it: what the backend said, to be settled by what follows. */
void outcome_keep(struct run *run, const struct verdict *verdict);

/* Was that called, and is it not settled yet? */
bool outcome_is_kept(const struct run *run);

/* All of them end at now_ms on the monotonic clock, and set finished_at_ms by what has elapsed since the start. */

/* The last one of a prepare call, kickoff or poll. */
void outcome_of_verdict(struct run *run, const struct verdict *verdict, int64_t now_ms);
/* The last one of a fetch, after outcome_keep. */
void outcome_of_fetch(struct run *run, const struct verdict *verdict, int64_t now_ms);
/* timeout_ms: of the whole run, for the sentence. */
void outcome_of_timeout(struct run *run, int64_t timeout_ms, int64_t now_ms);
/* rxp.start_before came first. */
void outcome_of_expired(struct run *run, int64_t now_ms);
void outcome_of_cancel(struct run *run, int64_t now_ms);
/* No result is due: it may have no awake. */
void outcome_of_abandon(struct run *run);

#endif
