#include "engine/run.h"

#include <stdlib.h>

void run_init(struct run *run)
{
    *run = (struct run){0};
    list_init(&run->node);
    timer_init(&run->timer);
    cycle_init(&run->cycle);
}

void run_deinit(struct run *run)
{
    free(run->poll_url);
    free(run->run_id);
    free(run->state);
    free(run->result);
    free(run->outcome.summary);
    run->poll_url = NULL;
    run->run_id = NULL;
    run->state = NULL;
    run->result = NULL;
    run->outcome.summary = NULL;
}
