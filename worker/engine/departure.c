#include "engine/departure.h"

#include "engine/aim.h"
#include "engine/gate.h"
#include "engine/runner.h"
#include "engine/target.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_to_prepare(const struct run *run)
{
    const struct cycle *cycle = &run->cycle;
    return cycle->state == CYCLE_PREPARE || (cycle->state == CYCLE_REST && cycle->next == CYCLE_PREPARE);
}

static bool is_waiting(const struct run *run)
{
    return run->awake->resume == NULL && !run->cycle.kicked_off && !run->cycle.accepted && run->cycle.state != CYCLE_DONE;
}

static void leave(struct run *run, int64_t now_ms)
{
    if (run->awake->gate != NULL) {
        gate_leave(run->awake->gate);
        gate_release(run->awake->gate, now_ms);
        run->awake->gate = NULL;
    }
}

static void join(struct run *run, const struct rxp_http_call *call, int64_t now_ms)
{
    const struct pool_config *config = run->runner->config;
    const struct pool_hooks *hooks = run->runner->hooks;
    struct target target;
    char why[64];
    if (aims_take(&run->runner->aims, call->url, &target, why, sizeof why) != TARGET_OK) {
        return; /* its request will say so */
    }
    run->awake->gate = gates_get(config->gates, target.origin, now_ms);
    target_deinit(&target);
    if (run->awake->gate == NULL) {
        return;
    }
    size_t crowd = gate_join(run->awake->gate);
    if (config->crowd_above > 0 && crowd > config->crowd_above && hooks->crowded != NULL) {
        hooks->crowded(run, run->awake->gate, hooks->opaque);
    }
}

void departure_follow(struct run *run, int64_t now_ms)
{
    if (run->runner->config->gates == NULL) {
        return;
    }
    if (!is_waiting(run)) {
        leave(run, now_ms);
        run->has_slot = false;
        return;
    }
    bool prepares = is_to_prepare(run);
    if (run->awake->gate != NULL && run->prepares == prepares) {
        return;
    }
    leave(run, now_ms);
    run->prepares = prepares;
    join(run, prepares ? &run->awake->plan->prepare : &run->awake->plan->kickoff, now_ms);
}

void departure_end(struct run *run, int64_t now_ms)
{
    leave(run, now_ms);
}

/* When it may go. */
static int64_t take_slot(struct run *run, int64_t now_ms)
{
    double per_second = run->awake->plan->kickoffs_per_second;
    struct gates *gates = run->runner->config->gates;
    char *key = NULL;
    int64_t due_ms = now_ms;
    if (per_second <= 0 || gates == NULL || run->has_slot) {
        return now_ms;
    }
    /* A profile is found by the runtime_name. */
    if (asprintf(&key, "profile %s", run->awake->invocation->runtime_name) < 0) {
        return now_ms;
    }
    struct gate *gate = gates_get(gates, key, now_ms);
    if (gate != NULL) {
        due_ms = gate_reserve_at(gate, per_second, now_ms);
        run->has_slot = true;
        gate_release(gate, now_ms);
    }
    free(key);
    return due_ms;
}

void departure_delay(struct run *run, struct cycle_action *action, int64_t now_ms)
{
    if (action->kind != CYCLE_SEND_PREPARE && action->kind != CYCLE_SEND_KICKOFF) {
        return;
    }
    int64_t due_ms = take_slot(run, now_ms);
    run->awake->slot_due_ms = due_ms > now_ms ? due_ms : 0;
    if (run->awake->slot_due_ms != 0) {
        action->kind = CYCLE_WAIT;
        action->wake_at_ms = due_ms < action->wake_at_ms ? due_ms : action->wake_at_ms;
    }
}

void departure_go_on(const struct run *run, struct cycle_action *action, int64_t now_ms)
{
    if (!is_waiting(run) || run->awake->slot_due_ms == 0 || action->kind != CYCLE_WAIT) {
        return;
    }
    if (now_ms >= run->awake->slot_due_ms) {
        action->kind = run->cycle.state == CYCLE_PREPARE ? CYCLE_SEND_PREPARE : CYCLE_SEND_KICKOFF;
    } else if (run->awake->slot_due_ms < action->wake_at_ms) { /* woken by another time that is not due after all */
        action->wake_at_ms = run->awake->slot_due_ms;
    }
}
