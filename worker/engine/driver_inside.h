/* driver_inside: what driver.c (events, actions, the end) and driver_request.c (requests and what becomes of them) share.
 * Nobody else includes it. */
#ifndef RXP_ENGINE_DRIVER_INSIDE_H
#define RXP_ENGINE_DRIVER_INSIDE_H

#include "engine/driver.h"
#include "engine/verdict.h"

/* ---- driver.c ---- */

/* In [0,1). */
double driver_draw(struct runner *runner);
struct cycle_config driver_config(const struct run *run, int64_t now_ms);
struct cycle_action driver_step(struct run *run, struct cycle_event event, int64_t now_ms);
/* The same, of an event that says nothing more. */
struct cycle_action driver_event(struct run *run, enum cycle_event_kind kind, int64_t now_ms);
/* Carries the cycle's action out. May end the run. */
void driver_apply(struct run *run, struct cycle_action action, const struct verdict *verdict, int64_t now_ms);
void driver_set_wake(struct run *run, int64_t wake_at_ms);
void driver_count_request(struct runner *runner, int change);

/* ---- driver_metrics.c ---- */

/* The outcome stands: its result is to be published, or it counts no more. */
void driver_end_phase(struct runner *runner, struct run *run);
/* The request that its state stands for leaves. */
void driver_count_sent(const struct run *run);
/* It is answered, or has failed; before the cycle hears of it. */
void driver_count_answer(const struct run *run, const struct http_reply *reply);
/* Its outcome stands. */
void driver_count_outcome(const struct runner *runner, const struct run *run);

/* ---- driver_request.c ---- */

/* The request that the run's state stands for. May end the run: it cannot be made, or for want of memory. */
void driver_send(struct run *run, int64_t now_ms);
/* hooks.noted, where there is something new. */
void driver_tell_news(struct run *run, int64_t now_ms);

#endif
