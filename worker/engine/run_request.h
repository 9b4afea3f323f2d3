/* run_request: the HTTP requests of a run, made from its plan.
 *
 * Loop thread; pure but for memory. */
#ifndef RXP_ENGINE_RUN_REQUEST_H
#define RXP_ENGINE_RUN_REQUEST_H

#include "engine/pool.h"
#include "engine/run.h"

/* The kickoff. It has no timeout of its own, since its answer may be the result: the run's deadline cuts it. */
void run_request_kickoff(struct http_request *request, const struct run *run, const struct pool_config *config);
/* Where it is polled: makes run->poll_url where there is none yet, from the plan or from run->resume (and run->run_id
 * from that, too). 0, or -1 for want of memory. */
int run_request_address(struct run *run);
/* A poll, at most as long as the run has left. Sees to its address first. 0, or -1 for want of memory. */
int run_request_poll(struct http_request *request, struct run *run, const struct pool_config *config, int64_t now_ms);

#endif
