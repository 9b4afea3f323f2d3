#include "engine/driver_inside.h"

#include "base/clock.h"
#include "engine/awake.h"
#include "engine/departure.h"
#include "engine/nap.h"
#include "engine/outcome.h"
#include "engine/run_answer.h"
#include "engine/run_request.h"
#include "engine/sending.h"
#include "engine/trace.h"

#include <assert.h>
#include <stdio.h>

/* A run that there is no memory to wake sleeps on for so long. */
#define ROUSE_AGAIN_MS 1000

/* ---- small things ---- */

double driver_draw(struct runner *runner)
{
    return (double)(runner_draw(runner) >> 11) * 0x1.0p-53;
}

static int64_t timeout_of(const struct run *run)
{
    int64_t asked_ms = run->awake->invocation->timeout_ms;
    int64_t max_ms = run->runner->config->max_run_ms;
    return asked_ms > 0 && asked_ms < max_ms ? asked_ms : max_ms;
}

/* A moment of the wall clock on the monotonic one, as they stand to each other now. */
static int64_t mono_of_wall(int64_t wall_ms, int64_t now_ms)
{
    return wall_ms == INT64_MAX ? CLOCK_NEVER : now_ms + (wall_ms - clock_wall_ms());
}

struct cycle_config driver_config(const struct run *run, int64_t now_ms)
{
    const struct pool_config *config = run->runner->config;
    const struct rxp_http_plan *plan = run->awake->plan;
    return (struct cycle_config){
        .timeout_ms = timeout_of(run),
        .start_before_ms = mono_of_wall(plan->start_before_ms, now_ms),
        .poll_timeout_ms = config->poll_timeout_ms,
        .poll_interval_ms = plan->poll_interval_ms > config->poll_min_interval_ms ? plan->poll_interval_ms
                                                                                  : config->poll_min_interval_ms,
        .poll_backoff_factor = plan->poll_backoff_factor,
        .poll_max_interval_ms = plan->poll_max_interval_ms,
        .poll_jitter = config->poll_jitter,
        .poll_max_failures = plan->poll_max_failures >= 0 ? plan->poll_max_failures : config->poll_max_failures,
        .kickoff_max_retries = plan->kickoff_max_retries >= 0 ? plan->kickoff_max_retries : config->kickoff_max_retries,
        .prepares = plan->prepare.url != NULL,
        .polls = plan->polls,
    };
}

struct cycle_action driver_step(struct run *run, struct cycle_event event, int64_t now_ms)
{
    const struct cycle_config config = driver_config(run, now_ms);
    struct cycle_action action = cycle_step(&run->cycle, &config, event, now_ms);
    if (run->cycle.state != CYCLE_POLL || run->asking) {
        line_leave(run);
    }
    driver_follow_phase(run->runner, run);
    return action;
}

struct cycle_action driver_event(struct run *run, enum cycle_event_kind kind, int64_t now_ms)
{
    return driver_step(run, (struct cycle_event){.kind = kind, .jitter = driver_draw(run->runner)}, now_ms);
}

bool driver_must_end(const struct runner *runner, const struct run *run)
{
    enum tenure tenure = run->tenure != NULL ? tenure_read(run->tenure) : TENURE_HELD;
    if (tenure == TENURE_OVER) {
        return true;
    }
    bool is_ending = tenure == TENURE_ENDING || runner->is_parked;
    if (!run_was_begun(run)) {
        return is_ending;
    }
    return is_ending && runner->config->resumable && !run->asking;
}

void driver_count_request(struct runner *runner, int change)
{
    runner->n_requests += (size_t)change;
    atomic_store_explicit(&runner->in_requests, runner->n_requests, memory_order_relaxed);
}

/* ---- the end ---- */

/* Of what there is outside. */
static void let_go(struct runner *runner, struct run *run, int64_t now_ms)
{
    struct awake *awake = run->awake;
    if (awake->transfer != NULL) {
        bool is_late = !run->abandoned && awake->outcome.status == RXP_STATUS_TIMED_OUT &&
                       awake->outcome.error != RXP_ERROR_START_EXPIRED;
        runner->transport->cancel(runner->transport, awake->transfer, is_late);
        awake->transfer = NULL;
        driver_count_request(runner, -1);
    }
    run_request_drop(run);
    list_remove(&awake->held_node);
    departure_end(run, now_ms);
}

/* The outcome stands. The run belongs to its owner afterwards, who may have freed it. */
static void end(struct runner *runner, struct run *run, int64_t now_ms)
{
    assert(runner != NULL); /* no step of the cycle takes it away, which checkers cannot know */
    if (run->awake != NULL) {
        let_go(runner, run, now_ms);
    }
    heap_clear(&runner->timers, &run->timer);
    line_leave(run);
    list_remove(&run->node);
    runner->n_runs--;
    awakes_trim(&runner->awakes, runner->n_runs); /* of one that ends asleep nobody takes another along */
    roll_remove(&runner->roll, run);
    driver_count_outcome(runner, run);
    driver_end_phase(runner, run);
    atomic_fetch_sub_explicit(&runner->in_flight, 1, memory_order_relaxed);
    runner->hooks->ended(run, runner->hooks->opaque);
}

void driver_abandon(struct runner *runner, struct run *run, int64_t now_ms)
{
    bool is_over = run->tenure != NULL && tenure_read(run->tenure) == TENURE_OVER;
    if (run->runner != NULL && !is_over) {
        driver_tell_news(run, now_ms); /* for whoever goes on with it */
    }
    outcome_of_abandon(run);
    end(runner, run, now_ms);
}

static void finish(struct run *run, enum cycle_finish how, const struct verdict *verdict, int64_t now_ms)
{
    assert(how != CYCLE_FINISH_VERDICT || verdict != NULL);
    /* The backend said so itself, now or before its result was to be fetched. */
    bool is_terminal = outcome_is_kept(run) || (how == CYCLE_FINISH_VERDICT && verdict->kind == VERDICT_DONE);
    switch (how) {
    case CYCLE_FINISH_VERDICT:
        if (run->cycle.ended_in == CYCLE_FETCH) {
            outcome_of_fetch(run, verdict, now_ms);
        } else {
            outcome_of_verdict(run, verdict, now_ms);
        }
        break;
    case CYCLE_FINISH_TIMEOUT:
        outcome_of_timeout(run, timeout_of(run), now_ms);
        break;
    case CYCLE_FINISH_EXPIRED:
        outcome_of_expired(run, now_ms);
        break;
    case CYCLE_FINISH_CANCELLED:
        outcome_of_cancel(run, now_ms);
        break;
    }
    errands_make(&run->runner->errands, run, is_terminal, now_ms);
    end(run->runner, run, now_ms);
}

/* ---- actions ---- */

void driver_set_wake(struct run *run, int64_t wake_at_ms)
{
    struct heap *timers = &run->runner->timers;
    if (wake_at_ms == CLOCK_NEVER) {
        heap_clear(timers, &run->timer);
    } else {
        int failed = heap_set(timers, &run->timer, wake_at_ms);
        assert(failed == 0); /* runner_add made room for it */
    }
}

void driver_apply(struct run *run, struct cycle_action action, const struct verdict *verdict, int64_t now_ms)
{
    if (action.kind == CYCLE_FINISH) {
        finish(run, action.finish, verdict, now_ms);
        return;
    }
    if (driver_must_end(run->runner, run)) {
        driver_abandon(run->runner, run, now_ms);
        return;
    }
    departure_follow(run, now_ms);
    departure_delay(run, &action, now_ms);
    driver_set_wake(run, action.wake_at_ms);
    switch (action.kind) {
    case CYCLE_SEND_PREPARE:
    case CYCLE_SEND_KICKOFF:
    case CYCLE_SEND_POLL:
    case CYCLE_SEND_FETCH:
        driver_send(run, now_ms);
        break;
    case CYCLE_WAIT:
        (void)nap_fall(run, action.wake_at_ms, now_ms);
        break;
    case CYCLE_FINISH:
        break;
    }
}

/* ---- events ---- */

/* What was known of it. Its stamps are those of another machine, maybe: all that is counted from them here is how long
 * ago they were by this one's wall clock. */
static void take_up(struct run *run, int64_t now_ms)
{
    const struct run_resume *resume = run->awake->resume;
    struct rxp_refusal why;
    run->resumed = true;
    run->started_at_ms = resume->started_at_ms;
    run->begun_mono_ms = now_ms - (clock_wall_ms() - resume->started_at_ms);
    run->cycle.polls = resume->polls;
    (void)run_request_address(run, &why); /* without memory the poll tries it again */
}

/* REFUSED, with the outcome: a secret is unknown, or not for where it is to go. */
static enum pool_prepared check_secrets(struct run *run, int64_t now_ms)
{
    struct rxp_refusal why;
    if (run_request_check_secrets(run, &why) == 0) {
        return POOL_PREPARED;
    }
    if (rxp_lacked_memory(&why)) {
        return POOL_NOT_NOW;
    }
    struct verdict verdict = {.kind = VERDICT_BROKEN, .error = why.error, .rejected = !run->resumed};
    snprintf(verdict.text, sizeof verdict.text, "%s%s",
             run->resumed ? "the run was accepted under an earlier configuration, and cannot be polled under this one: " : "",
             why.text);
    outcome_of_verdict(run, &verdict, now_ms);
    return POOL_REFUSED;
}

static enum pool_prepared ask_owner(struct runner *runner, struct run *run)
{
    struct awake *awake = awakes_take(&runner->awakes, run);
    enum pool_prepared prepared = awake != NULL ? runner->hooks->prepare(run, runner->hooks->opaque) : POOL_NOT_NOW;
    if (prepared == POOL_NOT_NOW) {
        awakes_give(&runner->awakes, awake);
    }
    return prepared;
}

enum pool_prepared driver_prepare(struct runner *runner, struct run *run, int64_t now_ms)
{
    if (driver_must_end(runner, run)) {
        driver_abandon(runner, run, now_ms);
        return POOL_REFUSED;
    }
    enum pool_prepared prepared = run->prepared ? POOL_PREPARED : ask_owner(runner, run);
    if (prepared == POOL_PREPARED) {
        run->prepared = true;
        run->runner = runner;
        if (run->awake->resume != NULL) {
            take_up(run, now_ms);
        }
        prepared = check_secrets(run, now_ms);
    }
    if (prepared == POOL_NOT_NOW) {
        run->runner = NULL;
    } else if (prepared == POOL_REFUSED) {
        end(runner, run, now_ms);
    }
    return prepared;
}

/* Clocks that disagree give a run no more time than it had at first. */
static struct cycle_action resume(struct run *run, int64_t now_ms)
{
    const struct cycle_config config = driver_config(run, now_ms);
    int64_t left_ms = run->awake->resume->deadline_at_ms - clock_wall_ms();
    const struct cycle_event event = {
        .kind = CYCLE_EVENT_RESUME,
        .deadline_ms = now_ms + (left_ms < config.timeout_ms ? left_ms : config.timeout_ms),
    };
    return driver_step(run, event, now_ms);
}

void driver_start(struct run *run, int64_t now_ms)
{
    if (run->awake->resume != NULL) {
        driver_apply(run, resume(run, now_ms), NULL, now_ms);
    } else {
        driver_apply(run, driver_event(run, CYCLE_EVENT_START, now_ms), NULL, now_ms);
    }
}

/* It asked for a token, and asks again now. */
static void send_again(const struct run *run, struct cycle_action *action)
{
    static const enum cycle_action_kind kinds[] = {
        [CYCLE_PREPARE] = CYCLE_SEND_PREPARE,
        [CYCLE_KICKOFF] = CYCLE_SEND_KICKOFF,
        [CYCLE_POLL] = CYCLE_SEND_POLL,
        [CYCLE_FETCH] = CYCLE_SEND_FETCH,
    };
    if (action->kind == CYCLE_WAIT) {
        action->kind = kinds[run->cycle.state];
    }
}

/* Is it awake? If there is no memory for that, its timer is set. */
static bool rouse(struct run *run, int64_t now_ms)
{
    if (run->awake != NULL || nap_wake(run) == 0) {
        return true;
    }
    driver_set_wake(run, now_ms + ROUSE_AGAIN_MS);
    runner_tell_short(run->runner, ROUSE_AGAIN_MS, now_ms);
    return false;
}

static bool is_due_to_poll(const struct run *run, int64_t now_ms)
{
    const struct cycle *cycle = &run->cycle;
    return cycle->state == CYCLE_REST && cycle->next == CYCLE_POLL && now_ms >= cycle->rest_until_ms &&
           now_ms < cycle_until_ms(cycle) && !run->cancelled;
}

/* Nothing but its deadline wakes it before its turn. May put it to sleep. */
static void stand_in_line(struct run *run, int64_t now_ms)
{
    int64_t until_ms = cycle_until_ms(&run->cycle);
    driver_set_wake(run, until_ms);
    driver_follow_phase(run->runner, run);
    if (run->awake != NULL) {
        (void)nap_fall(run, until_ms, now_ms);
    }
}

void driver_wake(struct run *run, int64_t now_ms)
{
    if (is_due_to_poll(run, now_ms) && !line_enter(run)) {
        stand_in_line(run, now_ms);
        return;
    }
    if (!rouse(run, now_ms)) {
        return;
    }
    if (run->cancelled) {
        driver_cancel(run, now_ms);
        return;
    }
    bool is_wanting = run->awake->transfer == NULL && !list_is_empty(&run->awake->held_node);
    struct cycle_action action = driver_event(run, CYCLE_EVENT_TIMER, now_ms);
    if (is_wanting) {
        list_remove(&run->awake->held_node);
        send_again(run, &action);
    } else {
        departure_go_on(run, &action, now_ms);
    }
    driver_apply(run, action, NULL, now_ms);
}

void driver_cancel(struct run *run, int64_t now_ms)
{
    if (!rouse(run, now_ms)) {
        run->cancelled = true;
        return;
    }
    if (run->cycle.state == CYCLE_START && run->awake->resume != NULL) {
        int polls = run->cycle.polls;
        (void)resume(run, now_ms); /* its backend has it, and hears of the cancel */
        run->cycle.polls = polls; /* no other is sent */
    }
    driver_apply(run, driver_event(run, CYCLE_EVENT_CANCEL, now_ms), NULL, now_ms);
}
