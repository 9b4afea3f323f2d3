/* What of a run is counted and timed: its phase, its requests, its outcome. */
#include "engine/driver_inside.h"

#include "engine/awake.h"

#include <assert.h>

/* ---- phases ---- */

/* Something is under way, or is tried again; before that it waits, in whichever queue. */
static enum metric_phase phase_of_start(const struct run *run, enum metric_phase phase)
{
    return run->asking || run->cycle.failures > 0 ? phase : METRIC_PHASE_QUEUED;
}

static enum metric_phase phase_of(const struct run *run, enum cycle_state state)
{
    switch (state) {
    case CYCLE_START:
        return METRIC_PHASE_QUEUED;
    case CYCLE_PREPARE:
        return phase_of_start(run, METRIC_PHASE_PREPARE);
    case CYCLE_KICKOFF:
        return phase_of_start(run, METRIC_PHASE_KICKOFF);
    case CYCLE_REST:
        return run->cycle.next == CYCLE_POLL && run->line == 0 ? METRIC_PHASE_WAIT : phase_of(run, run->cycle.next);
    case CYCLE_POLL:
        return METRIC_PHASE_POLL;
    case CYCLE_FETCH:
        return METRIC_PHASE_FETCH;
    case CYCLE_DONE:
        break; /* until driver_end_phase */
    }
    return run->phase;
}

static void count(struct runner *runner, struct run *run, enum metric_phase phase)
{
    if (phase == run->phase) {
        return;
    }
    if (run->phase != METRIC_PHASE_N) {
        metrics_add(runner->shard, METRIC_RUNS_IN_FLIGHT, run->phase, -1);
    }
    if (phase != METRIC_PHASE_N) {
        metrics_add(runner->shard, METRIC_RUNS_IN_FLIGHT, phase, 1);
    }
    run->phase = phase;
}

void driver_follow_phase(struct runner *runner, struct run *run)
{
    count(runner, run, phase_of(run, run->cycle.state));
}

void driver_end_phase(struct runner *runner, struct run *run)
{
    count(runner, run, run->abandoned ? METRIC_PHASE_N : METRIC_PHASE_PUBLISH);
}

/* ---- requests ---- */

static enum metric_call call_of(const struct run *run)
{
    switch (run->cycle.state) {
    case CYCLE_PREPARE:
        return METRIC_CALL_PREPARE;
    case CYCLE_KICKOFF:
        return METRIC_CALL_KICKOFF;
    case CYCLE_POLL:
        return METRIC_CALL_POLL;
    case CYCLE_FETCH:
        return METRIC_CALL_FETCH;
    case CYCLE_START:
    case CYCLE_REST:
    case CYCLE_DONE:
        break;
    }
    assert(!"a request in this state");
    return METRIC_CALL_N;
}

void driver_count_sent(const struct run *run)
{
    struct metrics_shard *shard = run->runner->shard;
    metrics_add(shard, METRIC_REQUESTS_TOTAL, call_of(run), 1);
    if (run->cycle.failures > 0) {
        metrics_add(shard, METRIC_RETRIES_TOTAL, call_of(run), 1);
    }
}

void driver_count_answer(const struct run *run, const struct http_reply *reply)
{
    struct metrics_shard *shard = run->runner->shard;
    if (reply->error == TRANSPORT_EGRESS) {
        metrics_add(shard, METRIC_EGRESS_REFUSALS_TOTAL, 0, 1);
    }
    if (!reply->sent) {
        return; /* how soon a connection was refused says nothing of the backend */
    }
    if (run->cycle.state == CYCLE_KICKOFF) {
        metrics_observe_ms(shard, METRIC_KICKOFF_SECONDS, reply->timing.took_ms);
    } else if (run->cycle.state == CYCLE_POLL) {
        metrics_observe_ms(shard, METRIC_POLL_SECONDS, reply->timing.took_ms);
    }
}

void driver_count_outcome(const struct runner *runner, const struct run *run)
{
    if (!run->abandoned && run_was_begun(run)) {
        metrics_observe_ms(runner->shard, METRIC_RUN_SECONDS, run->awake->outcome.finished_at_ms - run->started_at_ms);
    }
}
