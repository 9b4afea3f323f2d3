/* run_answer: what an HTTP answer means for the run that asked, and what of it the run keeps.
 *
 * Loop thread; pure but for memory. */
#ifndef RXP_ENGINE_RUN_ANSWER_H
#define RXP_ENGINE_RUN_ANSWER_H

#include "engine/run.h"
#include "engine/verdict.h"

/* The verdict on the answer to the request that the run's state stands for, without the secrets that it bore. A 401 to one
 * that bore some makes them to be fetched anew; of a poll or fetch that passes. The caller deinits the verdict. */
void run_answer_read(const struct run *run, const struct http_reply *reply, int64_t now_ms, struct verdict *verdict);
/* The same where there was no memory for the request. */
void run_answer_no_memory(const struct run *run, int64_t now_ms, struct verdict *verdict);
/* The same where the request cannot be made, or must not go: it ends the run. */
void run_answer_refuse(const struct rxp_refusal *why, struct verdict *verdict);

/* The same where the request did not go, since its headers could not be made: of a poll or fetch that passes. */
void run_answer_unavailable(const struct run *run, const char *why, struct verdict *verdict);
/* The same where a secret must not go there: rejected, where nothing of the run has left yet. */
void run_answer_denied(const struct run *run, const char *why, struct verdict *verdict);

/* Takes ids, poll URL, state and result out of the verdict into the run. Is the state another one now? */
bool run_answer_keep(struct run *run, struct verdict *verdict);

#endif
