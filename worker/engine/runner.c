#include "engine/runner.h"

#include "base/clock.h"
#include "engine/outcome.h"
#include "engine/run_request.h"
#include "engine/verdict.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_A_CLOCK 8

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
        .poll_interval_ms = plan->poll_interval_ms > config->poll_min_interval_ms ? plan->poll_interval_ms
                                                                                  : config->poll_min_interval_ms,
        .poll_jitter = config->poll_jitter,
        .poll_max_failures = plan->poll_max_failures >= 0 ? plan->poll_max_failures : config->poll_max_failures,
        .polls = plan->polls,
    };
}

static struct cycle_action step(struct run *run, enum cycle_event_kind kind, int64_t now_ms)
{
    const struct cycle_config config = cycle_config_of(run);
    const struct cycle_event event = {.kind = kind, .jitter = draw(run->runner)};
    return cycle_step(&run->cycle, &config, event, now_ms);
}

static bool is_alive(const struct run *run)
{
    return run->tenure == NULL || tenure_read(run->tenure) != TENURE_OVER;
}

static bool is_kicked_off(const struct run *run)
{
    return run->cycle.deadline_ms != CLOCK_NEVER;
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
        runner->transport->cancel(runner->transport, run->transfer);
        run->transfer = NULL;
        count_request(runner, -1);
    }
    heap_clear(&runner->timers, &run->timer);
    list_remove(&run->node);
    runner->n_runs--;
    atomic_fetch_sub_explicit(&runner->in_flight, 1, memory_order_relaxed);
    runner->hooks->ended(run, runner->hooks->opaque);
}

static void abandon(struct runner *runner, struct run *run, int64_t now_ms)
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

/* May end the run. */
static void judge(struct run *run, const struct http_reply *reply, int64_t now_ms)
{
    const struct runner *runner = run->runner;
    const struct verdict_limits limits = {.max_result_bytes = runner->config->max_result_bytes};
    struct verdict verdict;
    if (run->cycle.state == CYCLE_KICKOFF) {
        verdict_of_kickoff(run->plan, &limits, reply, &verdict);
    } else {
        assert(run->cycle.state == CYCLE_POLL);
        verdict_of_poll(run->plan, &limits, run->poll_url, reply, &verdict);
    }
    keep(run, &verdict);
    struct cycle_action action = step(run, event_of(verdict.kind), now_ms);
    if (verdict.kind == VERDICT_ACCEPTED && action.kind != CYCLE_FINISH && runner->hooks->accepted != NULL) {
        runner->hooks->accepted(run, runner->hooks->opaque);
    }
    apply(run, action, &verdict, now_ms);
    verdict_deinit(&verdict);
}

static void on_done(void *opaque, const struct http_reply *reply, int64_t now_ms)
{
    struct run *run = opaque;
    run->transfer = NULL;
    count_request(run->runner, -1);
    judge(run, reply, now_ms);
}

/* ---- requests ---- */

static bool on_begun(void *opaque, int64_t now_ms)
{
    struct run *run = opaque;
    struct runner *runner = run->runner;
    bool is_kickoff = run->cycle.state == CYCLE_KICKOFF;
    if (!is_alive(run) || (is_kickoff && runner->kickoffs_stopped)) {
        run->transfer = NULL; /* gone when this returns false */
        count_request(runner, -1);
        abandon(runner, run, now_ms);
        return false;
    }
    if (!is_kicked_off(run)) {
        run->begun_mono_ms = now_ms;
        run->outcome.started_at_ms = clock_wall_ms();
    }
    apply(run, step(run, CYCLE_EVENT_BEGUN, now_ms), NULL, now_ms);
    return true;
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
    struct run_request made;
    int failed = is_kickoff ? run_request_kickoff(&made, run, runner->config)
                            : run_request_poll(&made, run, runner->config, now_ms);
    if (failed == 0) {
        run->transfer = runner->transport->start(runner->transport, &made.request, on_begun, on_done, run);
    }
    run_request_deinit(&made);
    if (run->transfer == NULL) {
        reply_without_memory(run, now_ms);
        return;
    }
    count_request(runner, 1);
}

/* Carries the cycle's action out. May end the run. */
static void apply(struct run *run, struct cycle_action action, const struct verdict *verdict, int64_t now_ms)
{
    struct runner *runner = run->runner;
    if (action.kind == CYCLE_FINISH) {
        finish(run, action.finish, verdict, now_ms);
        return;
    }
    if (action.wake_at_ms == CLOCK_NEVER) {
        heap_clear(&runner->timers, &run->timer);
    } else {
        int failed = heap_set(&runner->timers, &run->timer, action.wake_at_ms);
        assert(failed == 0); /* runner_add made room for it */
    }
    switch (action.kind) {
    case CYCLE_SEND_KICKOFF:
        send_request(run, true, now_ms);
        break;
    case CYCLE_SEND_POLL:
        send_request(run, false, now_ms);
        break;
    case CYCLE_WAIT:
    case CYCLE_FINISH:
        break;
    }
}

/* ---- slices ---- */

struct slice {
    int64_t ends_ms;
    int steps;
};

static struct slice slice_begin(int64_t slice_ms)
{
    return (struct slice){.ends_ms = clock_mono_ms() + slice_ms};
}

static bool slice_is_over(struct slice *slice)
{
    return ++slice->steps % STEPS_A_CLOCK == 0 && clock_mono_ms() >= slice->ends_ms;
}

/* ---- from the backlog ---- */

/* True where the run is still here and ready to be told to start or stop. */
static bool prepare(struct runner *runner, struct run *run, int64_t now_ms)
{
    if (!is_alive(run)) {
        abandon(runner, run, now_ms);
        return false;
    }
    if (runner->hooks->prepare(run, runner->hooks->opaque) != 0) {
        end(runner, run);
        return false;
    }
    run->runner = runner;
    return true;
}

static void take(struct runner *runner, struct run *run, int64_t now_ms)
{
    list_push(&runner->runs, &run->node);
    if (runner->kickoffs_stopped) {
        abandon(runner, run, now_ms);
    } else if (heap_reserve(&runner->timers, runner->n_runs) != 0) {
        list_remove(&run->node);
        list_push(&runner->backlog, &run->node); /* until there is memory */
    } else if (prepare(runner, run, now_ms)) {
        apply(run, step(run, CYCLE_EVENT_START, now_ms), NULL, now_ms);
    }
}

/* ---- commands ---- */

static void tell(struct runner *runner, struct run *run, unsigned commands, int64_t now_ms)
{
    bool is_new = run->runner == NULL;
    list_push(is_new ? &runner->backlog : &runner->runs, &run->node);
    if ((commands & RUNNER_ABANDON) != 0 || ((commands & RUNNER_SWEEP) != 0 && !is_alive(run)) ||
        ((commands & RUNNER_STOP_KICKOFFS) != 0 && !is_kicked_off(run))) {
        abandon(runner, run, now_ms);
    } else if ((commands & RUNNER_CANCEL) != 0 && (!is_new || prepare(runner, run, now_ms))) {
        apply(run, step(run, CYCLE_EVENT_CANCEL, now_ms), NULL, now_ms);
    }
}

static bool serve_walk(struct runner *runner, int64_t now_ms, int64_t slice_ms)
{
    struct slice slice = slice_begin(slice_ms);
    struct list *node;
    while ((node = list_shift(&runner->walk)) != NULL) {
        tell(runner, list_entry(node, struct run, node), runner->walk_commands, now_ms);
        if (slice_is_over(&slice)) {
            break;
        }
    }
    return !list_is_empty(&runner->walk);
}

void runner_command(struct runner *runner, unsigned commands, int64_t now_ms)
{
    if (commands == 0) {
        return;
    }
    if ((runner->walk_commands & (RUNNER_CANCEL | RUNNER_ABANDON)) != 0) {
        /* Not for those that came after it. */
        while (serve_walk(runner, now_ms, 0)) {
        }
    }
    runner->kickoffs_stopped = runner->kickoffs_stopped || (commands & RUNNER_STOP_KICKOFFS) != 0;
    runner->walk_commands = list_is_empty(&runner->walk) ? commands : runner->walk_commands | commands;
    list_splice(&runner->walk, &runner->backlog);
    list_splice(&runner->walk, &runner->runs);
}

/* ---- the turn ---- */

static bool serve_timers(struct runner *runner, int64_t now_ms, int64_t slice_ms)
{
    struct slice slice = slice_begin(slice_ms);
    while (heap_next_ms(&runner->timers) <= now_ms) {
        if (slice_is_over(&slice)) {
            return true;
        }
        struct run *run = list_entry(heap_take_due(&runner->timers, now_ms), struct run, timer);
        apply(run, step(run, CYCLE_EVENT_TIMER, now_ms), NULL, now_ms);
    }
    return false;
}

static bool serve_backlog(struct runner *runner, int64_t now_ms, int64_t slice_ms)
{
    struct slice slice = slice_begin(slice_ms);
    struct list *node;
    while ((node = list_shift(&runner->backlog)) != NULL) {
        take(runner, list_entry(node, struct run, node), now_ms);
        if (slice_is_over(&slice)) {
            break;
        }
    }
    return !list_is_empty(&runner->backlog);
}

bool runner_turn(struct runner *runner, int64_t now_ms, int64_t slice_ms)
{
    bool more = serve_timers(runner, now_ms, slice_ms);
    if (serve_walk(runner, now_ms, slice_ms)) {
        return true; /* first what is to be stopped, then what is to be started */
    }
    return serve_backlog(runner, now_ms, slice_ms) || more;
}

int64_t runner_next_ms(const struct runner *runner)
{
    return heap_next_ms(&runner->timers);
}

/* ---- life ---- */

void runner_init(struct runner *runner, const struct pool_config *config, const struct pool_hooks *hooks,
                 struct transport *transport, uint64_t seed)
{
    *runner = (struct runner){
        .config = config,
        .hooks = hooks,
        .transport = transport,
        .random = seed != 0 ? seed : 1,
    };
    heap_init(&runner->timers);
    list_init(&runner->backlog);
    list_init(&runner->runs);
    list_init(&runner->walk);
}

void runner_deinit(struct runner *runner)
{
    assert(runner->n_runs == 0);
    heap_deinit(&runner->timers);
}

void runner_announce(struct runner *runner, struct run *run, int64_t now_ms, int64_t wall_ms)
{
    run->begun_mono_ms = now_ms;
    run->outcome.started_at_ms = wall_ms;
    atomic_fetch_add_explicit(&runner->in_flight, 1, memory_order_relaxed);
}

void runner_add(struct runner *runner, struct list *submitted)
{
    for (struct list *node = submitted->next; node != submitted; node = node->next) {
        runner->n_runs++;
    }
    list_splice(&runner->backlog, submitted);
}
