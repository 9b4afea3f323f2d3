#include "engine/driver_inside.h"

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
        return run->cycle.next == CYCLE_POLL ? METRIC_PHASE_WAIT : phase_of(run, run->cycle.next);
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
    count(runner, run, run->outcome.abandoned ? METRIC_PHASE_N : METRIC_PHASE_PUBLISH);
}
