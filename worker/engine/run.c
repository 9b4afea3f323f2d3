#include "engine/run.h"

#include <stdlib.h>

void run_init(struct run *run)
{
    *run = (struct run){0};
    list_init(&run->node);
    list_init(&run->held_node);
    timer_init(&run->timer);
    cycle_init(&run->cycle);
    run->phase = METRIC_PHASE_N;
}

void run_deinit(struct run *run)
{
    free(run->prepared_id);
    free(run->poll_url);
    free(run->run_id);
    free(run->state);
    free(run->result);
    free(run->outcome.summary);
    run->prepared_id = NULL;
    run->poll_url = NULL;
    run->run_id = NULL;
    run->state = NULL;
    run->result = NULL;
    run->outcome.summary = NULL;
}

bool run_was_begun(const struct run *run)
{
    return run->cycle.kicked_off;
}

void run_note(const struct run *run, struct run_resume *out)
{
    *out = (struct run_resume){
        .run_id = run->run_id,
        .prepared_id = run->prepared_id,
        .poll_url = run->poll_url,
        .started_at_ms = run->outcome.started_at_ms,
        .deadline_at_ms = run->outcome.started_at_ms + (run->cycle.deadline_ms - run->begun_mono_ms),
        .polls = run->cycle.polls,
    };
}
