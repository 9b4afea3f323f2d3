/* run_request: the HTTP requests of a run, made from its plan: which one, its cycle's state says.
 *
 * Loop thread; pure but for memory. */
#ifndef RXP_ENGINE_RUN_REQUEST_H
#define RXP_ENGINE_RUN_REQUEST_H

#include "engine/pool.h"
#include "engine/run.h"
#include "engine/secrets.h"
#include "engine/transport.h"

enum run_request {
    RUN_REQUEST_MADE,
    RUN_REQUEST_NO_MEMORY,
    RUN_REQUEST_UNFIT, /* what is known makes no URL: `why` says it, with the code that ends the run */
};

/* The request that the state stands for, PREPARE, KICKOFF, POLL or FETCH. What had to be filled for it is in the awake's
 * `sending`, which must be NULL. A prepare call, poll or fetch takes the poll timeout at most, and no longer than the run has left;
 * a kickoff has no timeout of its own, since its answer may be the result: the run's deadline cuts it. */
enum run_request run_request_make(struct http_request *request, struct run *run, int64_t now_ms,
                                  struct rxp_refusal *why);
/* Where it goes, or went; "" where that could not be made. */
const char *run_request_url(const struct run *run);
/* Its headers, as it leaves the queue: those of the plan that may go there, their secrets filled in, and with a kickoff the
 * invocation_id in the idempotency header; the run's trace, as a span of its own, where headers of the message may go and none of
 * them says otherwise. In `sending`. It may go if READY; see sending_fill. */
enum secret_fill run_request_put_headers(struct run *run, char why[SECRETS_WHY_BYTES]);
/* Is every secret that the plan sends known, and bound to where it goes? -1 with why (secret_denied, or a want of memory). */
int run_request_check_secrets(const struct run *run, struct rxp_refusal *why);
/* Its answer was a 401: what it bore is not believed any more. */
void run_request_distrust(const struct run *run);
/* Does its trace go with a call to this URL? */
bool run_request_has_trace(const struct run *run, const char *url);
/* It has been answered, or will not be. Harmless where there is none. */
void run_request_drop(struct run *run);

/* Where it is polled: makes the awake's poll_url where there is none yet, from its `resume` (and the ids from that, too) or from
 * the plan. */
enum run_request run_request_address(struct run *run, struct rxp_refusal *why);

#endif
