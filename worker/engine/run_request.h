/* run_request: the HTTP requests of a run, made from its plan.
 *
 * Loop thread; pure but for memory. */
#ifndef RXP_ENGINE_RUN_REQUEST_H
#define RXP_ENGINE_RUN_REQUEST_H

#include "engine/pool.h"
#include "engine/run.h"

/* A request, and what of it lives until it was handed to the transport. */
struct run_request {
    struct http_request request;
    struct http_header header;
    char *header_value;
};

/* The kickoff. It bears the invocation_id in the plan's idempotency header, as visible ASCII: every other byte, and the
 * percent sign itself, becomes %XX, so that different ids stay different. It has no timeout of its own, since its
 * answer may be the result: the run's deadline cuts it. 0, or -1 for want of memory. */
int run_request_kickoff(struct run_request *made, const struct run *run, const struct pool_config *config);
/* Where it is polled: makes run->poll_url where there is none yet, from the plan or from run->resume (and run->run_id
 * from that, too). 0, or -1 for want of memory. */
int run_request_address(struct run *run);
/* A poll, at most as long as the run has left. Sees to its address first. 0, or -1 for want of memory. */
int run_request_poll(struct run_request *made, struct run *run, const struct pool_config *config, int64_t now_ms);
/* In any case. */
void run_request_deinit(struct run_request *made);

#endif
