#include "engine/awake.h"

#include <stdlib.h>

static struct awake *give(struct awake *awake, struct run *run)
{
    *awake = (struct awake){.run = run};
    list_init(&awake->held_node);
    run->awake = awake;
    return awake;
}

static void drop(struct awake *awake)
{
    rxp_http_plan_deinit(&awake->made);
    rxp_invocation_free(awake->parsed);
    free(awake->prepared_id);
    free(awake->poll_url);
    free(awake->run_id);
    free(awake->state);
    free(awake->result);
    free(awake->outcome.summary);
}

struct awake *awake_new(struct run *run)
{
    struct awake *awake = malloc(sizeof *awake);
    return awake != NULL ? give(awake, run) : NULL;
}

void awake_free(struct awake *awake)
{
    if (awake != NULL) {
        drop(awake);
        free(awake);
    }
}

void awakes_init(struct awakes *awakes)
{
    awakes->n = 0;
}

void awakes_deinit(struct awakes *awakes)
{
    while (awakes->n > 0) {
        free(awakes->kept[--awakes->n]);
    }
}

struct awake *awakes_take(struct awakes *awakes, struct run *run)
{
    return awakes->n > 0 ? give(awakes->kept[--awakes->n], run) : awake_new(run);
}

void awakes_give(struct awakes *awakes, struct awake *awake)
{
    if (awake == NULL) {
        return;
    }
    awake->run->awake = NULL;
    drop(awake);
    if (awakes->n < sizeof awakes->kept / sizeof awakes->kept[0]) {
        awakes->kept[awakes->n++] = awake;
    } else {
        free(awake);
    }
}
