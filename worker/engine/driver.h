/* driver: takes one run from event to event: asks the cycle, and carries out what that wants: requests through the
 * transport, waits through the runner's timers, and the outcome.
 *
 * The loop thread of the runner. What may end a run gives it back to its owner, who may have freed it when the call
 * returns. */
#ifndef RXP_ENGINE_DRIVER_H
#define RXP_ENGINE_DRIVER_H

#include "engine/runner.h"

#include <stdbool.h>
#include <stdint.h>

/* Is it to end abandoned, where it stands, for its tenure (pool.h) or what the runner was told? */
bool driver_must_end(const struct runner *runner, const struct run *run);
/* Ends it. It need not be prepared. */
void driver_abandon(struct runner *runner, struct run *run, int64_t now_ms);

/* The runner has taken it, before all else: it counts in its phase from now on. */
void driver_follow_phase(struct runner *runner, struct run *run);
/* Before all others. PREPARED: the run is ready for them. REFUSED: it has ended. NOT_NOW: as if it had not been called. */
enum pool_prepared driver_prepare(struct runner *runner, struct run *run, int64_t now_ms);
/* Kicks it off, or resumes it. May end it. */
void driver_start(struct run *run, int64_t now_ms);
/* Its timer is due. May end it. */
void driver_wake(struct run *run, int64_t now_ms);
/* Ends it. */
void driver_cancel(struct run *run, int64_t now_ms);

#endif
