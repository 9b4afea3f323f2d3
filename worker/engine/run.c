#include "engine/run.h"

#include "engine/awake.h"
#include "engine/nap.h"

void run_init(struct run *run)
{
    *run = (struct run){0};
    list_init(&run->node);
    timer_init(&run->timer);
    cycle_init(&run->cycle);
    run->phase = METRIC_PHASE_N;
}

void run_deinit(struct run *run)
{
    awake_free(run->awake);
    nap_free(run->nap);
    run->awake = NULL;
    run->nap = NULL;
}

bool run_was_begun(const struct run *run)
{
    return run->cycle.kicked_off;
}

void run_look(const struct run *run, struct run_peek *out)
{
    const struct awake *awake = run->awake;
    *out = (struct run_peek){0};
    if (run->nap != NULL) {
        nap_look(run->nap, out);
    }
    if (awake == NULL) {
        return;
    }
    *out = (struct run_peek){
        .invocation_id = awake->invocation != NULL ? awake->invocation->invocation_id : NULL,
        .runtime_name = awake->invocation != NULL ? awake->invocation->runtime_name : NULL,
        .kickoff_url = awake->plan != NULL ? awake->plan->kickoff.url : NULL,
        .run_id = awake->run_id,
        .prepared_id = awake->prepared_id,
        .state = awake->state,
    };
}

const char *run_poll_url(const struct run *run, char room[RUN_POLL_URL_BYTES])
{
    if (run->nap != NULL) {
        return nap_poll_url(run->nap, room);
    }
    return run->awake != NULL ? run->awake->poll_url : NULL;
}

void run_note(const struct run *run, char room[RUN_POLL_URL_BYTES], struct run_resume *out)
{
    struct run_peek peek;
    run_look(run, &peek);
    *out = (struct run_resume){
        .run_id = peek.run_id,
        .prepared_id = peek.prepared_id,
        .poll_url = run_poll_url(run, room),
        .started_at_ms = run->started_at_ms,
        .deadline_at_ms = run->started_at_ms + (run->cycle.deadline_ms - run->begun_mono_ms),
        .polls = run->cycle.polls,
    };
}
