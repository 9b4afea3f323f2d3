/* console: what the admin server tells people and programs about the work under way: GET /status, /runs, /runs/ID, the cancel,
 * and the page at /.
 *
 * GET /status, what the page asks for every 2 s. Times are Unix milliseconds, null where nothing is known:
 *   {"worker_id":"w1","version":"0.1.0","group_id":"rxp-worker","now_ms":1764000000000,"started_at_ms":…,
 *    "phase":"running|draining","ready":true,"not_ready":null,"trouble":null,
 *    "guarantees":{"results":"at-least-once","kickoffs":"at-least-once","checkpoints":"rxp.checkpoints"},
 *    "can_cancel":true,
 *    "limits":{"max_in_flight":50000,"max_in_flight_bytes":…,"max_run_seconds":86400},
 *    "in_flight":1234,"in_flight_bytes":…,"waiting":98765,
 *    "phases":{"queued":0,"prepare":0,"kickoff":3,"wait":1200,"poll":31,"fetch":0,"publish":0},
 *    "runs":{"succeeded":1,"failed":0,"timed_out":0,"cancelled":0,"rejected":0},
 *    "loops":[{"busy":0.12},…],                            share of the last step that the loop's thread worked
 *    "origins":[{"origin":"http://api:8080","breaker":"open","queued":12}],  the worst first, at most 20
 *    "partitions_left_out":0,                              of more than 512, these have no entry
 *    "partitions":[{"topic":"rxp.invocations","partition":0,"state":"running","paused":["window"],"committed":1,
 *                   "frontier":1,"position":9,"end":12,"waiting":3,"lag":11,"in_flight":4,"span":8,"done_beyond":4,
 *                   "frontier_age_ms":61000,"cells":[0,255,…]}],
 *    "history":{"step_ms":5000,"until_ms":…,"taken":[…],"succeeded":[…],"failed":[…],"in_flight":[…]},  oldest first
 *    "failures":[{"code":"kickoff_network","status":"failed","origin":"http://api:8080","runtime_name":"archon","count":12,"first_ms":…,
 *                 "last_ms":…,"summary":"…","invocation_id":"…"}]}      failed: all that did not succeed
 *
 * GET /runs?phase=&runtime_name=&older_than=SECONDS&limit=100&after=CURSOR:
 *   {"now_ms":…,"matching":1234,"complete":true,"next":"CURSOR or null",
 *    "runs":[{"invocation_id":"…","runtime_name":"…","phase":"wait","state":"running","run_id":"…","origin":"http://…",
 *             "started_at_ms":…,"deadline_ms":…,"next_ms":…,"polls":7,"resumed":false,
 *             "id_is_cut":false,"source":{"topic":"…","partition":0,"offset":17}}]}
 * Texts of over 1,000 bytes are cut, and end in '…' then. An invocation_id that is cut (id_is_cut) is nobody's id.
 * It has as many rows as begin within 512 KB, though limit is more: `next` tells where to go on.
 * GET /runs/ID: the same with all runs of that id; 404 where there is none.
 * One list is made at a time, and a few look-ups: 429 for more, with Retry-After. One that comes soon after another waits until
 * the loops have had twenty times as long for their runs as the last one took of them, but no more than a second for each.
 * What loops have not said within 10 s is left out: "complete":false.
 * POST /runs/ID/cancel: 202 {"invocation_id":"…","runs":1}; 404 where none is here (the cancel stays in force for an hour for
 * an input enqueued before it). */
#ifndef RXP_CORE_CONSOLE_H
#define RXP_CORE_CONSOLE_H

#include "core/cancels.h"
#include "core/history.h"
#include "core/standing.h"
#include "core/worker.h"
#include "ops/admin.h"
#include "ops/metrics.h"

struct console;

/* All that it points to outlives it, but the worker. */
struct console_config {
    const struct worker_config *worker_config;
    struct metrics *metrics;
    struct standing *standing;
    struct history *history;
    struct cancels *cancels;
    bool has_token;
};

/* NULL for want of memory. Has a thread that ticks the history, puts questions to the loops, writes their answers, and ends
 * those that take over 10 s: loops do nothing but walk and wake it. */
struct console *console_new(const struct console_config *config);
void console_free(struct console *console);

/* The admin server starts before the worker is made and serves until it is gone: without one, queries are refused with 503.
 * NULL: takes it away; returns once no query is left. */
void console_use_worker(struct console *console, struct worker *worker);

/* For admin_start; opaque: the console. */
const struct admin_route *console_routes(size_t *n);

#endif
