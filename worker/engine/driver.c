#include "engine/driver.h"

#include "base/clock.h"
#include "engine/outcome.h"
#include "engine/run_headers.h"
#include "engine/run_request.h"
#include "engine/verdict.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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

static struct cycle_config cycle_config_of(const struct run *run)
{
    const struct pool_config *config = run->runner->config;
    const struct rxp_http_plan *plan = run->plan;
    return (struct cycle_config){
        .timeout_ms = timeout_of(run),
        .poll_timeout_ms = config->poll_timeout_ms,
        .poll_interval_ms = plan->poll_interval_ms > config->poll_min_interval_ms ? plan->poll_interval_ms
                                                                                  : config->poll_min_interval_ms,
        .poll_jitter = config->poll_jitter,
        .poll_max_failures = plan->poll_max_failures >= 0 ? plan->poll_max_failures : config->poll_max_failures,
        .start_before_ms = CLOCK_NEVER,
        .poll_backoff_factor = plan->poll_backoff_factor,
        .poll_max_interval_ms = plan->poll_max_interval_ms,
        .polls = plan->polls,
    };
}

static struct cycle_action step(struct run *run, enum cycle_event_kind kind, int64_t now_ms)
{
    const struct cycle_config config = cycle_config_of(run);
    const struct cycle_event event = {.kind = kind, .jitter = draw(run->runner)};
    return cycle_step(&run->cycle, &config, event, now_ms);
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

/* ---- the end ---- */

/* The outcome stands. The run belongs to its owner afterwards, who may have freed it. */
static void end(struct runner *runner, struct run *run)
{
    if (run->transfer != NULL) {
        bool is_late = !run->outcome.abandoned && run->outcome.status == RXP_STATUS_TIMED_OUT;
        runner->transport->cancel(runner->transport, run->transfer, is_late);
        run->transfer = NULL;
        count_request(runner, -1);
    }
    run_headers_drop(run);
    heap_clear(&runner->timers, &run->timer);
    list_remove(&run->held_node);
    list_remove(&run->node);
    runner->n_runs--;
    atomic_fetch_sub_explicit(&runner->in_flight, 1, memory_order_relaxed);
    runner->hooks->ended(run, runner->hooks->opaque);
}

void driver_abandon(struct runner *runner, struct run *run, int64_t now_ms)
{
    outcome_of_abandon(run, now_ms);
    end(runner, run);
}

static void finish(struct run *run, enum cycle_finish how, const struct verdict *verdict, int64_t now_ms)
{
    switch (how) {
    case CYCLE_FINISH_VERDICT:
        assert(verdict != NULL);
        outcome_of_verdict(run, verdict, now_ms);
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
    end(run->runner, run);
}

/* ---- answers ---- */

static void replace(char **kept, char **news)
{
    if (*news != NULL) {
        free(*kept);
        *kept = *news;
        *news = NULL;
    }
}

static void cut_state(struct verdict *verdict)
{
    if (verdict->state == NULL || strlen(verdict->state) <= RUN_STATE_MAX_BYTES) {
        return;
    }
    size_t bytes = RUN_STATE_MAX_BYTES;
    while (bytes > 0 && ((unsigned char)verdict->state[bytes] & 0xC0) == 0x80) { /* within a UTF-8 sequence */
        bytes--;
    }
    verdict->state[bytes] = '\0';
    char *shorter = realloc(verdict->state, bytes + 1);
    verdict->state = shorter != NULL ? shorter : verdict->state;
}

static void keep(struct run *run, struct verdict *verdict)
{
    cut_state(verdict);
    replace(&run->run_id, &verdict->run_id);
    replace(&run->state, &verdict->state);
    replace(&run->result, &verdict->result);
    run->result_truncated = run->result_truncated || verdict->result_truncated;
}

static enum cycle_event_kind event_of(enum verdict_kind kind)
{
    switch (kind) {
    case VERDICT_PREPARED:
        return CYCLE_EVENT_PREPARED;
    case VERDICT_RETRY:
        return CYCLE_EVENT_RETRY;
    case VERDICT_FETCH:
        return CYCLE_EVENT_FETCH;
    case VERDICT_ACCEPTED:
        return CYCLE_EVENT_ACCEPTED;
    case VERDICT_PENDING:
        return CYCLE_EVENT_PENDING;
    case VERDICT_TRANSIENT:
        return CYCLE_EVENT_TRANSIENT;
    case VERDICT_DONE:
    case VERDICT_BROKEN:
        return CYCLE_EVENT_ENDED;
    }
    return CYCLE_EVENT_ENDED;
}

static void tell_accepted(struct run *run)
{
    const struct pool_hooks *hooks = run->runner->hooks;
    (void)run_request_address(run); /* without memory the poll tries it again */
    if (hooks->accepted != NULL) {
        hooks->accepted(run, hooks->opaque);
    }
}

/* May end the run. */
static void judge(struct run *run, const struct http_reply *reply, int64_t now_ms)
{
    const struct runner *runner = run->runner;
    const struct verdict_limits limits = {.max_result_bytes = runner->config->max_result_bytes,
                                          .wall_ms = clock_wall_ms()};
    struct verdict verdict;
    if (run->cycle.state == CYCLE_KICKOFF) {
        verdict_of_kickoff(run->plan, &limits, run->plan->kickoff.url, reply, &verdict);
    } else {
        assert(run->cycle.state == CYCLE_POLL);
        const struct verdict_poll poll = {.url = run->poll_url, .has_run_id = run->run_id != NULL};
        verdict_of_poll(run->plan, &limits, &poll, reply, &verdict);
    }
    keep(run, &verdict);
    struct cycle_action action = step(run, event_of(verdict.kind), now_ms);
    if (verdict.kind == VERDICT_ACCEPTED && action.kind != CYCLE_FINISH) {
        tell_accepted(run);
    }
    apply(run, action, &verdict, now_ms);
    verdict_deinit(&verdict);
}

static void on_done(void *opaque, const struct http_reply *reply, int64_t now_ms)
{
    struct run *run = opaque;
    run->transfer = NULL;
    run->asking = false;
    run_headers_drop(run);
    count_request(run->runner, -1);
    judge(run, reply, now_ms);
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
        return hooks->permit(run, hooks->opaque);
    }
    return atomic_load_explicit(&run->permitted, memory_order_acquire);
}

static void reply_without_memory(struct run *run, int64_t now_ms);

static enum transfer_go on_begun(void *opaque, int64_t now_ms, struct http_headers *headers)
{
    struct run *run = opaque;
    struct runner *runner = run->runner;
    if (driver_must_end(runner, run)) {
        run->transfer = NULL; /* gone when this returns */
        count_request(runner, -1);
        driver_abandon(runner, run, now_ms);
        return TRANSFER_DROP;
    }
    if (run->cycle.state == CYCLE_KICKOFF && !is_permitted(run)) {
        list_push(&runner->held, &run->held_node);
        return TRANSFER_HOLD;
    }
    if (run_headers_make(run) != 0) {
        run->transfer = NULL; /* gone when this returns */
        count_request(runner, -1);
        reply_without_memory(run, now_ms);
        return TRANSFER_DROP;
    }
    *headers = run_headers_list(run);
    if (run->cycle.deadline_ms == CLOCK_NEVER) {
        run->begun_mono_ms = now_ms;
        run->outcome.started_at_ms = clock_wall_ms();
    }
    run->asking = true;
    struct cycle_action action = step(run, CYCLE_EVENT_BEGUN, now_ms);
    assert(action.kind == CYCLE_WAIT); /* it must not end here: its transfer is in use */
    set_wake(run, action.wake_at_ms);
    return TRANSFER_GO;
}

static void reply_without_memory(struct run *run, int64_t now_ms)
{
    const struct http_reply reply = {.error = TRANSPORT_MEMORY, .detail = "out of memory", .body = ""};
    judge(run, &reply, now_ms);
}

/* May end the run: for want of memory. */
static void send_request(struct run *run, bool is_kickoff, int64_t now_ms)
{
    struct runner *runner = run->runner;
    struct http_request request;
    int failed = 0;
    if (is_kickoff) {
        run_request_kickoff(&request, run, runner->config);
    } else {
        failed = run_request_poll(&request, run, runner->config, now_ms);
    }
    if (failed == 0) {
        run->transfer = runner->transport->start(runner->transport, &request, on_begun, on_done, run);
    }
    if (run->transfer == NULL) {
        reply_without_memory(run, now_ms);
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
    set_wake(run, action.wake_at_ms);
    switch (action.kind) {
    case CYCLE_SEND_PREPARE:
    case CYCLE_SEND_KICKOFF:
        send_request(run, true, now_ms);
        break;
    case CYCLE_SEND_FETCH:
    case CYCLE_SEND_POLL:
        send_request(run, false, now_ms);
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
    run->resumed = true;
    run->outcome.started_at_ms = resume->started_at_ms;
    run->begun_mono_ms = now_ms - (clock_wall_ms() - resume->started_at_ms);
    run->cycle.polls = resume->polls;
    (void)run_request_address(run); /* without memory the poll tries it again */
}

bool driver_prepare(struct runner *runner, struct run *run, int64_t now_ms)
{
    if (driver_must_end(runner, run)) {
        driver_abandon(runner, run, now_ms);
        return false;
    }
    if (runner->hooks->prepare(run, runner->hooks->opaque) != 0) {
        end(runner, run);
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
    const struct cycle_config config = cycle_config_of(run);
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
    apply(run, step(run, CYCLE_EVENT_TIMER, now_ms), NULL, now_ms);
}

void driver_cancel(struct run *run, int64_t now_ms)
{
    apply(run, step(run, CYCLE_EVENT_CANCEL, now_ms), NULL, now_ms);
}
