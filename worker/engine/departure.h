/* departure: a run until its kickoff is out: it counts in the crowd of the origin that it goes to next, whatever it does
 * meanwhile (queue, rest before another try, wait for a permit or a token); and it keeps its profile's rate.
 *
 * The loop thread of its runner. */
#ifndef RXP_ENGINE_DEPARTURE_H
#define RXP_ENGINE_DEPARTURE_H

#include "engine/run.h"

#include <stdbool.h>
#include <stdint.h>

/* After each step of its cycle: it counts, or it does not any more, since its kickoff has left. Where too many count
 * already, hooks.crowded is told. Without memory it is not counted. */
void departure_follow(struct run *run, int64_t now_ms);
/* It ends. */
void departure_end(struct run *run, int64_t now_ms);

/* A prepare call or kickoff that is to be sent becomes a wait, where the rate of its profile says later: then it comes back
 * when its timer is due. One slot for both calls, and another for a kickoff that is sent again. */
void departure_delay(struct run *run, struct cycle_action *action, int64_t now_ms);
/* Its timer was due: what was delayed is to be sent if its slot has come. */
void departure_go_on(const struct run *run, struct cycle_action *action, int64_t now_ms);

#endif
