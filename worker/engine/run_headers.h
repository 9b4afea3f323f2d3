/* run_headers: the headers of one request of a run, made as it leaves the queue and overwritten when it is done.
 *
 * Owned by the loop that has the run. */
#ifndef RXP_ENGINE_RUN_HEADERS_H
#define RXP_ENGINE_RUN_HEADERS_H

#include "engine/run.h"

/* Makes those of the request that the run's cycle is about to send: run->headers, which must be NULL. A kickoff bears the
 * invocation_id in the plan's idempotency header, as visible ASCII: every other byte, and the percent sign itself, becomes
 * %XX, so that different ids stay different. 0, or -1 for want of memory. */
int run_headers_make(struct run *run);
/* What was made; empty where nothing was. */
struct http_headers run_headers_list(const struct run *run);
/* None: harmless. */
void run_headers_drop(struct run *run);

#endif
