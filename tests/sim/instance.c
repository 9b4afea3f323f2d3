#include "sim/instance.h"

#include "sim/fake_client.h"
#include "sim/judge.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct instance instances[INSTANCES_EVER];
int n_instances_ever;

const char *instance_name(const struct instance *instance)
{
    static char name[8];
    snprintf(name, sizeof name, instance != NULL ? "w%d" : "-", instance != NULL ? instance->number : 0);
    return name;
}

int64_t instance_sleeps_ms(const struct instance *instance)
{
    if (instance == NULL || !instance->is_frozen)
        return 0;
    return (instance->thaw_ms > world->now_ms ? instance->thaw_ms - world->now_ms : 0) + draw(1, 30);
}

static void end(struct instance *instance)
{
    world->current = instance;
    happen_not(&instance->turn);
    worker_free(instance->worker);
    instance->worker = NULL;
    world->current = NULL;
}

static void take_turn(struct happening *happening)
{
    struct instance *instance = list_entry(happening, struct instance, turn);
    int64_t next_ms;
    if (instance->is_frozen && instance->thaw_ms > world->now_ms) {
        happen_in(happening, instance_sleeps_ms(instance));
        return;
    }
    if (instance->is_frozen) {
        trace(-1, "w%d thaws", instance->number);
        judge_excuse(instance->number);
    }
    instance->is_frozen = false;
    world->current = instance;
    bool goes_on = worker_turn(instance->worker, world->now_ms, &next_ms);
    if (goes_on) {
        /* As worker_run: at most a second. A machine that is busy is late. */
        int64_t wait_ms = next_ms - world->now_ms;
        wait_ms = wait_ms > 1000 ? 1000 : wait_ms;
        happen_sooner(&instance->turn, (wait_ms > 0 ? wait_ms : 0) + (likely(90) ? draw(0, 2) : draw(2, 40)));
    } else {
        trace(-1, "has ended");
        if (instance->is_stopping)
            judge_drained(instance->number, world->now_ms - instance->stopped_ms);
        end(instance);
    }
    world->current = NULL;
}

static struct worker_config describe(const struct instance *instance)
{
    static const char *const topics[] = {"in"};
    static const char *const replies[] = {"replies", "missing"};
    static char name[INSTANCES_EVER][8];
    const struct plan *plan = &world->plan;
    snprintf(name[instance->number], sizeof name[0], "w%d", instance->number);
    return (struct worker_config){
        .kafka = {.bootstrap_servers = "broker.example", .group_id = "group"},
        .topics = topics,
        .n_topics = 1,
        .settle = {.worker_id = name[instance->number],
                   .results_topic = "results",
                   .dead_letter_topic = plan->dead_letters ? "dead" : NULL,
                   .reply = {.patterns = replies, .n_patterns = plan->replies ? 2 : 0, .input_topics = topics,
                             .n_input_topics = 1, .dead_letter_topic = plan->dead_letters ? "dead" : NULL,
                             .checkpoints_topic = plan->checkpoints ? "ckpt" : NULL, .results_topic = "results"}},
        .pool = {.threads = 1, .max_run_ms = 600000, .connect_timeout_ms = 5000, .poll_timeout_ms = 5000,
                 .poll_min_interval_ms = 500, .poll_jitter = 0.2, .poll_max_failures = 30, .kickoff_max_retries = 3, .max_response_bytes = 1 << 20,
                 .max_result_bytes = 4096, .origin_max_connections = 8, .nap_least_ms = plan->nap_least_ms,
                 .line_seats = plan->line_seats},
        .checkpoints_topic = plan->checkpoints ? "ckpt" : NULL,
        .at_most_once = plan->at_most_once,
        .exactly_once = plan->exactly_once,
        .transaction_ms = plan->transaction_ms,
        .ordering = plan->ordering,
        .max_in_flight = plan->max_in_flight,
        .max_in_flight_bytes = 1 << 20,
        .max_message_bytes = 1 << 20,
        .commit_interval_ms = plan->commit_interval_ms,
        .drain_ms = plan->drain_ms,
    };
}

struct instance *instance_start(void)
{
    char why[WORKER_WHY_BYTES] = "";
    assert(n_instances_ever + 1 < INSTANCES_EVER);
    struct instance *instance = &instances[n_instances_ever++];
    *instance = (struct instance){.number = n_instances_ever, .skew_ms = draw(-world->plan.skew_ms, world->plan.skew_ms)};
    happening_init(&instance->turn, take_turn);
    const struct worker_config config = describe(instance);
    world->current = instance;
    trace(-1, "starts");
    instance->worker = worker_new(&config, why);
    world->current = NULL;
    if (instance->worker == NULL) {
        fail(-1, "a worker cannot start: %s", why);
        return instance;
    }
    happen_in(&instance->turn, draw(0, 5));
    return instance;
}

void instance_crash(struct instance *instance)
{
    trace(-1, "w%d crashes", instance->number);
    clients_die(instance);
    end(instance);
}

void instance_stop(struct instance *instance)
{
    trace(-1, "w%d is stopped", instance->number);
    instance->is_stopping = true;
    instance->stopped_ms = world->now_ms;
    worker_stop(instance->worker);
    instance_wake(instance);
}

void instance_freeze(struct instance *instance, int64_t ms)
{
    trace(-1, "w%d freezes for %d ms", instance->number, (int)ms);
    judge_excuse(instance->number);
    instance->is_frozen = true;
    instance->thaw_ms = world->now_ms + ms;
    instance->stopped_ms += ms; /* it cannot help it */
}

void instance_cut(struct instance *instance, bool cut)
{
    trace(-1, "w%d is %s", instance->number, cut ? "cut off" : "connected again");
    judge_excuse(instance->number);
    instance->is_cut = cut;
}

void instance_wake(struct instance *instance)
{
    if (instance != NULL && instance->worker != NULL)
        happen_sooner(&instance->turn, likely(90) ? draw(0, 3) : draw(3, 40));
}

int instances_alive(void)
{
    int n = 0;
    for (int i = 0; i < n_instances_ever; i++)
        n += instances[i].worker != NULL;
    return n;
}

struct instance *instance_draw(void)
{
    struct instance *fit[INSTANCES_EVER];
    int n = 0;
    for (int i = 0; i < n_instances_ever; i++) {
        if (instances[i].worker != NULL && !instances[i].is_frozen && !instances[i].is_stopping && !instances[i].is_cut)
            fit[n++] = &instances[i];
    }
    return n > 0 ? fit[draw(0, n - 1)] : NULL;
}

void instances_reset(void)
{
    for (int i = 0; i < n_instances_ever; i++) {
        if (instances[i].worker != NULL) {
            clients_die(&instances[i]);
            end(&instances[i]);
        }
    }
    n_instances_ever = 0;
}
