/* history: the last 15 minutes of the worker, for its page: counts every 5 seconds, and the last failures by cause.
 *
 * Kept in the worker and not in the page, so that who opens it after the incident still sees it. One thread ticks; any
 * thread notes failures and writes. */
#ifndef RXP_CORE_HISTORY_H
#define RXP_CORE_HISTORY_H

#include "engine/run.h"
#include "protocol/json_writer.h"

#include <stddef.h>
#include <stdint.h>

struct history;
struct metrics;

#define HISTORY_STEP_MS 5000
#define HISTORY_STEPS 180
#define HISTORY_CAUSES 50

struct history *history_new(const struct metrics *metrics); /* NULL for want of memory */
void history_free(struct history *history);

/* At least once a step. */
void history_tick(struct history *history, int64_t now_mono_ms, int64_t now_wall_ms);

/* A run whose outcome is not succeeded. Causes are told apart by error code, origin of the kickoff and runtime_name; of each
 * the number, the first and last moment, the last sentence and the last invocation id are kept; beyond HISTORY_CAUSES the one
 * that is longest ago makes room. Any thread; brief, one lock. */
void history_note(struct history *history, const struct run *run);

/* "history": {…} and "failures": […], as console.h shows them. */
void history_write(struct history *history, struct json_writer *out);

#endif
