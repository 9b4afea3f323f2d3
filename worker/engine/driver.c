#include "engine/driver.h"

#include "base/clock.h"
#include "engine/departure.h"
#include "engine/outcome.h"
#include "engine/run_answer.h"
#include "engine/run_request.h"
#include "engine/sending.h"
#include "engine/trace.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What is new of a run is told so often at most. */
#define NOTE_EVERY_S 5

static void apply(struct run *run, struct cycle_action action, const struct verdict *verdict, int64_t now_ms);

/* ---- small things ---- */

/* xorshift64*, in [0,1). */
static double draw(struct runner *runner)
{
    uint64_t x = runner->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    runner->random = x;
    return (double)((x * 2685821657736338717u) >> 11) * 0x1.0p-53;
}

static int64_t timeout_of(const struct run *run)
{
    int64_t asked_ms = run->invocation->timeout_ms;
    int64_t max_ms = run->runner->config->max_run_ms;
    return asked_ms > 0 && asked_ms < max_ms ? asked_ms : max_ms;
}

/* A moment of the wall clock on the monotonic one, as they stand to each other now. */
static int64_t mono_of_wall(int64_t wall_ms, int64_t now_ms)
{
    return wall_ms == INT64_MAX ? CLOCK_NEVER : now_ms + (wall_ms - clock_wall_ms());
}

static struct cycle_config cycle_config_of(const struct run *run, int64_t now_ms)
{
    const struct pool_config *config = run->runner->config;
    const struct rxp_http_plan *plan = run->plan;
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

static struct cycle_action step_with(struct run *run, struct cycle_event event, int64_t now_ms)
{
    const struct cycle_config config = cycle_config_of(run, now_ms);
    return cycle_step(&run->cycle, &config, event, now_ms);
}

static struct cycle_action step(struct run *run, enum cycle_event_kind kind, int64_t now_ms)
{
    return step_with(run, (struct cycle_event){.kind = kind, .jitter = draw(run->runner)}, now_ms);
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

static void count_request(struct runner *runner, int change)
{
    runner->n_requests += (size_t)change;
    atomic_store_explicit(&runner->in_requests, runner->n_requests, memory_order_relaxed);
}

/* ---- what its owner hears ---- */

static void set_noted(struct run *run, int64_t now_ms)
{
    run->has_news = false;
    run->noted_s = (int)(now_ms / 1000);
}

static void tell_accepted(struct run *run, int64_t now_ms)
{
    const struct pool_hooks *hooks = run->runner->hooks;
    struct rxp_refusal why;
    if (run_request_address(run, &why) == RUN_REQUEST_UNFIT) {
        return; /* nobody could go on with it */
    }
    set_noted(run, now_ms); /* without memory for the address the poll tries it again */
    if (hooks->accepted != NULL) {
        hooks->accepted(run, hooks->opaque);
    }
}

static void tell_news(struct run *run, int64_t now_ms)
{
    const struct pool_hooks *hooks = run->runner->hooks;
    if (run->has_news && run->cycle.accepted && run->poll_url != NULL && hooks->noted != NULL) {
        set_noted(run, now_ms);
        hooks->noted(run, hooks->opaque);
    }
}

/* ---- the end ---- */

/* The outcome stands. The run belongs to its owner afterwards, who may have freed it. */
static void end(struct runner *runner, struct run *run, int64_t now_ms)
{
    if (run->transfer != NULL) {
        bool is_late = !run->outcome.abandoned && run->outcome.status == RXP_STATUS_TIMED_OUT;
        runner->transport->cancel(runner->transport, run->transfer, is_late);
        run->transfer = NULL;
        count_request(runner, -1);
    }
    run_request_drop(run);
    heap_clear(&runner->timers, &run->timer);
    list_remove(&run->held_node);
    list_remove(&run->node);
    runner->n_runs--;
    departure_end(run, now_ms);
    atomic_fetch_sub_explicit(&runner->in_flight, 1, memory_order_relaxed);
    runner->hooks->ended(run, runner->hooks->opaque);
}

void driver_abandon(struct runner *runner, struct run *run, int64_t now_ms)
{
    bool is_over = run->tenure != NULL && tenure_read(run->tenure) == TENURE_OVER;
    if (run->runner != NULL && !is_over) {
        tell_news(run, now_ms); /* for whoever goes on with it */
    }
    outcome_of_abandon(run, now_ms);
    end(runner, run, now_ms);
}

static void finish(struct run *run, enum cycle_finish how, const struct verdict *verdict, int64_t now_ms)
{
    switch (how) {
    case CYCLE_FINISH_VERDICT:
        assert(verdict != NULL);
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
    end(run->runner, run, now_ms);
}

/* ---- answers ---- */

static enum cycle_event_kind event_of(enum verdict_kind kind)
{
    switch (kind) {
    case VERDICT_PREPARED:
        return CYCLE_EVENT_PREPARED;
    case VERDICT_ACCEPTED:
        return CYCLE_EVENT_ACCEPTED;
    case VERDICT_PENDING:
        return CYCLE_EVENT_PENDING;
    case VERDICT_RETRY:
        return CYCLE_EVENT_RETRY;
    case VERDICT_FETCH:
        return CYCLE_EVENT_FETCH;
    case VERDICT_TRANSIENT:
        return CYCLE_EVENT_TRANSIENT;
    case VERDICT_DONE:
    case VERDICT_BROKEN:
        return CYCLE_EVENT_ENDED;
    }
    return CYCLE_EVENT_ENDED;
}

/* What was asked is answered. Takes what the verdict hands over. May end the run. */
static void settle(struct run *run, struct verdict *verdict, int64_t now_ms)
{
    bool was_accepted = run->cycle.accepted;
    run_request_drop(run);
    run_answer_keep(run, verdict);
    if (verdict->kind == VERDICT_FETCH) {
        outcome_keep(run, verdict);
    }
    const struct cycle_event event = {
        .kind = event_of(verdict->kind), .jitter = draw(run->runner), .retry_after_ms = verdict->retry_after_ms};
    struct cycle_action action = step_with(run, event, now_ms);
    trace_decided(run, verdict, &action, now_ms);
    if (action.kind != CYCLE_FINISH && run->cycle.accepted) {
        if (!was_accepted) {
            tell_accepted(run, now_ms);
        } else if (now_ms / 1000 - run->noted_s > NOTE_EVERY_S) {
            tell_news(run, now_ms);
        }
    }
    apply(run, action, verdict, now_ms);
    verdict_deinit(verdict);
}

static void on_done(void *opaque, const struct http_reply *reply, int64_t now_ms)
{
    struct run *run = opaque;
    struct verdict verdict;
    run->transfer = NULL;
    run->asking = false;
    count_request(run->runner, -1);
    trace_answered(run, reply, now_ms);
    run_answer_read(run, reply, now_ms, &verdict);
    settle(run, &verdict, now_ms);
}

/* ---- requests ---- */

static void set_wake(struct run *run, int64_t wake_at_ms)
{
    struct heap *timers = &run->runner->timers;
    if (wake_at_ms == CLOCK_NEVER) {
        heap_clear(timers, &run->timer);
    } else {
        int failed = heap_set(timers, &run->timer, wake_at_ms);
        assert(failed == 0); /* runner_add made room for it */
    }
}

static bool is_permitted(struct run *run)
{
    const struct pool_hooks *hooks = run->runner->hooks;
    if (hooks->permit == NULL) {
        return true;
    }
    if (!run->permit_asked) {
        run->permit_asked = true;
        if (hooks->permit(run, hooks->opaque)) {
            atomic_store_explicit(&run->permitted, true, memory_order_release); /* for a kickoff that is sent again */
        }
    }
    return atomic_load_explicit(&run->permitted, memory_order_acquire);
}

/* May end the run. */
static void settle_without_memory(struct run *run, int64_t now_ms)
{
    struct verdict verdict;
    run_answer_no_memory(run, now_ms, &verdict);
    settle(run, &verdict, now_ms);
}

static enum transfer_go drop(struct run *run)
{
    run->transfer = NULL; /* gone when on_begun returns */
    count_request(run->runner, -1);
    return TRANSFER_DROP;
}

static enum transfer_go on_begun(void *opaque, int64_t now_ms, struct http_headers *headers)
{
    struct run *run = opaque;
    struct runner *runner = run->runner;
    if (driver_must_end(runner, run)) {
        drop(run);
        driver_abandon(runner, run, now_ms);
        return TRANSFER_DROP;
    }
    const struct cycle_config config = cycle_config_of(run, now_ms);
    if (cycle_is_expired(&run->cycle, &config, now_ms)) {
        drop(run);
        apply(run, step(run, CYCLE_EVENT_TIMER, now_ms), NULL, now_ms);
        return TRANSFER_DROP;
    }
    if (run->cycle.state == CYCLE_KICKOFF && !is_permitted(run)) {
        list_push(&runner->held, &run->held_node);
        return TRANSFER_HOLD;
    }
    if (run_request_put_headers(run) != 0) {
        drop(run);
        settle_without_memory(run, now_ms);
        return TRANSFER_DROP;
    }
    *headers = sending_headers(run->sending);
    if (run->cycle.state == CYCLE_KICKOFF && run->cycle.deadline_ms == CLOCK_NEVER) {
        run->begun_mono_ms = now_ms;
        run->outcome.started_at_ms = clock_wall_ms();
    }
    trace_sent(run, *headers, now_ms);
    run->asking = true;
    struct cycle_action action = step(run, CYCLE_EVENT_BEGUN, now_ms);
    assert(action.kind == CYCLE_WAIT); /* it must not end here: its transfer is in use */
    set_wake(run, action.wake_at_ms);
    departure_follow(run, now_ms);
    return TRANSFER_GO;
}

/* May end the run. */
static void send_request(struct run *run, int64_t now_ms)
{
    struct runner *runner = run->runner;
    struct http_request request;
    struct rxp_refusal why;
    enum run_request made = run_request_make(&request, run, now_ms, &why);
    if (made == RUN_REQUEST_UNFIT) {
        struct verdict verdict;
        run_answer_refuse(&why, &verdict);
        settle(run, &verdict, now_ms);
        return;
    }
    if (made == RUN_REQUEST_MADE) {
        trace_queued(run, &request, now_ms);
        run->transfer = runner->transport->start(runner->transport, &request, on_begun, on_done, run);
    }
    if (run->transfer == NULL) {
        settle_without_memory(run, now_ms);
        return;
    }
    count_request(runner, 1);
}

/* Carries the cycle's action out. May end the run. */
static void apply(struct run *run, struct cycle_action action, const struct verdict *verdict, int64_t now_ms)
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
    set_wake(run, action.wake_at_ms);
    switch (action.kind) {
    case CYCLE_SEND_PREPARE:
    case CYCLE_SEND_KICKOFF:
    case CYCLE_SEND_POLL:
    case CYCLE_SEND_FETCH:
        send_request(run, now_ms);
        break;
    case CYCLE_WAIT:
    case CYCLE_FINISH:
        break;
    }
}

/* ---- events ---- */

/* What was known of it. Its stamps are those of another machine, maybe: all that is counted from them here is how long
 * ago they were by this one's wall clock. */
static void take_up(struct run *run, int64_t now_ms)
{
    const struct run_resume *resume = run->resume;
    struct rxp_refusal why;
    run->resumed = true;
    run->outcome.started_at_ms = resume->started_at_ms;
    run->begun_mono_ms = now_ms - (clock_wall_ms() - resume->started_at_ms);
    run->cycle.polls = resume->polls;
    (void)run_request_address(run, &why); /* without memory the poll tries it again */
}

bool driver_prepare(struct runner *runner, struct run *run, int64_t now_ms)
{
    if (driver_must_end(runner, run)) {
        driver_abandon(runner, run, now_ms);
        return false;
    }
    if (runner->hooks->prepare(run, runner->hooks->opaque) != 0) {
        end(runner, run, now_ms);
        return false;
    }
    run->runner = runner;
    if (run->resume != NULL) {
        take_up(run, now_ms);
    }
    return true;
}

/* Clocks that disagree give a run no more time than it had at first. */
static void resume(struct run *run, int64_t now_ms)
{
    const struct cycle_config config = cycle_config_of(run, now_ms);
    int64_t left_ms = run->resume->deadline_at_ms - clock_wall_ms();
    const struct cycle_event event = {
        .kind = CYCLE_EVENT_RESUME,
        .deadline_ms = now_ms + (left_ms < config.timeout_ms ? left_ms : config.timeout_ms),
    };
    apply(run, cycle_step(&run->cycle, &config, event, now_ms), NULL, now_ms);
}

void driver_start(struct run *run, int64_t now_ms)
{
    if (run->resume != NULL) {
        resume(run, now_ms);
    } else {
        apply(run, step(run, CYCLE_EVENT_START, now_ms), NULL, now_ms);
    }
}

void driver_wake(struct run *run, int64_t now_ms)
{
    struct cycle_action action = step(run, CYCLE_EVENT_TIMER, now_ms);
    departure_go_on(run, &action);
    apply(run, action, NULL, now_ms);
}

void driver_cancel(struct run *run, int64_t now_ms)
{
    apply(run, step(run, CYCLE_EVENT_CANCEL, now_ms), NULL, now_ms);
}
