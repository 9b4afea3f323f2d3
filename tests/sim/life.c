#include "sim/life.h"

#include "sim/backend.h"
#include "sim/fake_client.h"
#include "sim/fault.h"
#include "sim/judge.h"

#include <stdio.h>
#include <string.h>

#define LOOK_MS 200
/* After the last fault: more than any hand-over, time-out, and back-off together; to which the runs are added, which may have to
 * wait for each other. */
#define HANG_MS 120000

enum era {
    ERA_FAULTS,
    ERA_HEALED,  /* until every input is done */
    ERA_LEAVING, /* all are stopped */
    ERA_SWEEP,   /* one more starts, and erases what others could not */
    ERA_LAST,    /* it is stopped, too */
};

static struct {
    enum era era;
    int64_t era_ms; /* since when */
    struct happening look;
    struct happening input;
    int next_input;
} life;

static void set_era(enum era era)
{
    static const char *const names[] = {"faults", "healed", "leaving", "sweep", "last"};
    trace(-1, "---- %s ----", names[era]);
    life.era = era;
    life.era_ms = world->now_ms;
}

/* ---- inputs ---- */

static void produce_inputs(struct happening *happening)
{
    while (life.next_input < world->plan.n_inputs) {
        const struct input *input = &world->plan.input[life.next_input];
        if (input->at_ms > world->now_ms) {
            happen_in(happening, input->at_ms - world->now_ms);
            return;
        }
        life.next_input++;
        broker_append(TOPIC_IN, input->partition, input->offset, input->key[0] != '\0' ? input->key : NULL, strlen(input->key),
                      input->value, strlen(input->value));
    }
}

/* ---- eras ---- */

static void stop_all(void)
{
    for (int i = 0; i < n_instances_ever; i++) {
        if (instances[i].worker != NULL && !instances[i].is_stopping)
            instance_stop(&instances[i]);
    }
}

/* Where somebody had to be excused it takes a restore to find what is left. */
static bool is_settled(void)
{
    bool is_clean = life.era == ERA_SWEEP || (world->plan.n_faults == 0 && judge_is_orderly());
    return judge_all_done() && (!is_clean || judge_no_leftovers());
}

static void go_on(void)
{
    switch (life.era) {
    case ERA_FAULTS:
        if (faults_missing() == 0 && instances_alive() == 0)
            instance_start();
        if (world->now_ms >= world->plan.healed_ms && life.next_input == world->plan.n_inputs && faults_missing() == 0 &&
            instance_draw() != NULL) {
            set_era(ERA_HEALED);
            faults_end();
        }
        break;
    case ERA_HEALED:
        if (instance_draw() == NULL)
            instance_start();
        if (!is_settled())
            break;
        set_era(ERA_LEAVING);
        stop_all();
        break;
    case ERA_LEAVING:
        if (instances_alive() > 0)
            break;
        set_era(ERA_SWEEP);
        instance_start();
        break;
    case ERA_SWEEP:
        if (!is_settled() || world->now_ms < life.era_ms + 3 * world->plan.session_ms)
            break;
        set_era(ERA_LAST);
        stop_all();
        break;
    case ERA_LAST:
        world->is_over = instances_alive() == 0;
        break;
    }
}

static int64_t hang_ms(void)
{
    int64_t ms = HANG_MS;
    for (int i = 0; i < world->plan.n_inputs; i++)
        ms += 2 * world->plan.input[i].takes_ms;
    return ms;
}

static void look(struct happening *happening)
{
    go_on();
    if (world->now_ms >= life.era_ms + hang_ms()) {
        judge_end();
        fail(-1, "it hangs: %d instances are left", instances_alive());
    }
    happen_in(happening, LOOK_MS);
}

/* ---- a life ---- */

static void begin(void)
{
    memset(&life, 0, sizeof life);
    broker_init();
    clients_init();
    group_init();
    backend_init();
    judge_init();
    happening_init(&life.look, look);
    happening_init(&life.input, produce_inputs);
    happen_in(&life.look, LOOK_MS);
    happen_in(&life.input, 0);
    faults_begin();
    set_era(ERA_FAULTS);
    for (int i = 0; i < world->plan.n_instances; i++)
        instance_start();
}

static void tell_plan(const struct plan *plan)
{
    static const char *const orders[] = {"none", "key", "partition"};
    trace(-1, "seed %llu: %d inputs, %d partitions, %d instances, %d faults; checkpoints %s%s, results %s, ordering %s, in flight "
          "%d, commits each %d ms, session %d ms%s%s", (unsigned long long)world->seed, plan->n_inputs, (int)plan->n_partitions,
          plan->n_instances, plan->n_faults, plan->checkpoints ? "on" : "off", plan->at_most_once ? ", at most once" : "",
          plan->exactly_once ? "exactly once" : "at least once", orders[plan->ordering], (int)plan->max_in_flight,
          (int)plan->commit_interval_ms, (int)plan->session_ms, plan->loses_on_refusal ? ", refused commits lose" : "",
          plan->backend_is_idempotent ? ", idempotent backend" : "");
}

struct life life_of(uint64_t seed, bool traced, int traced_input)
{
    static struct world here;
    world_init(&here, seed);
    here.is_traced = traced;
    here.traced_input = traced_input;
    tell_plan(&here.plan);
    begin();
    int64_t begun_ms = here.now_ms;
    while (world_step())
        continue;
    if (here.failure[0] == '\0')
        judge_end();
    struct life ended = {
        .failed_input = here.failed_input,
        .fingerprint = here.fingerprint,
        .events = here.events,
        .lasted_ms = here.now_ms - begun_ms,
    };
    memcpy(ended.failure, here.failure, sizeof ended.failure);
    here.is_traced = false;
    instances_reset();
    clients_deinit();
    broker_deinit();
    world_deinit();
    return ended;
}
