#include "engine/runner.h"

#include "base/clock.h"
#include "base/slabs.h"
#include "engine/driver.h"
#include "engine/query_part.h"
#include "ops/log.h"

#include <assert.h>

#define STEPS_A_CLOCK 8
#define REST_FIRST_MS 1000
#define REST_MAX_MS 30000
#define REST_LOG_MS 10000
#define ROLL_SLICE_MS 1

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

void runner_tell_short(struct runner *runner, int64_t again_ms, int64_t now_ms)
{
    if (runner->rest_told_ms != 0 && now_ms < runner->rest_told_ms + REST_LOG_MS) {
        runner->rests_untold++;
        return;
    }
    log_event(LOG_WARN, "memory_short", "out of memory for an invocation or its run: it is tried again in %.1f s, and does not "
              "fail for that (and %zu others since the last such line)", (double)again_ms / 1000, runner->rests_untold);
    runner->rest_told_ms = now_ms;
    runner->rests_untold = 0;
}

/* Until there is memory. All of them are tried again at once; where the first fails, they rest longer. */
static void rest(struct runner *runner, struct run *run, int64_t now_ms)
{
    if (list_is_empty(&runner->resting)) {
        int64_t longer_ms = runner->rest_ms < REST_MAX_MS / 2 ? 2 * runner->rest_ms : REST_MAX_MS;
        runner->rest_ms = runner->rest_ms > 0 ? longer_ms : REST_FIRST_MS;
        runner->rest_until_ms = now_ms + runner->rest_ms;
    }
    list_remove(&run->node);
    list_push(&runner->resting, &run->node);
    runner_tell_short(runner, runner->rest_until_ms - now_ms, now_ms);
}

static bool is_cancelled(const struct runner *runner, struct run *run)
{
    return run->cancelled ||
           (runner->hooks->is_cancelled != NULL && runner->hooks->is_cancelled(run, runner->hooks->opaque));
}

/* Its timer can be set, and every walk finds it. */
static bool make_room(struct runner *runner, struct run *run)
{
    if (heap_reserve(&runner->timers, runner->n_runs) != 0 || roll_reserve(&runner->roll, runner->n_runs) != 0) {
        return false;
    }
    roll_add(&runner->roll, run);
    return true;
}

static void take(struct runner *runner, struct run *run, int64_t now_ms)
{
    list_push(&runner->runs, &run->node);
    if (driver_must_end(runner, run)) {
        driver_abandon(runner, run, now_ms);
        return;
    }
    switch (make_room(runner, run) ? driver_prepare(runner, run, now_ms) : POOL_NOT_NOW) {
    case POOL_NOT_NOW:
        rest(runner, run, now_ms);
        return;
    case POOL_REFUSED:
        break;
    case POOL_PREPARED:
        if (is_cancelled(runner, run)) {
            driver_cancel(run, now_ms);
        } else {
            driver_start(run, now_ms);
        }
        break;
    }
    runner->rest_ms = 0;
}

static void wake_resting(struct runner *runner, int64_t now_ms)
{
    if (!list_is_empty(&runner->resting) && now_ms >= runner->rest_until_ms) {
        list_splice(&runner->backlog, &runner->resting);
    }
}

/* ---- commands ---- */

static void tell(struct runner *runner, struct run *run, unsigned commands, int64_t now_ms)
{
    bool is_new = run->runner == NULL;
    if (is_new && (commands & RUNNER_CANCEL) != 0 && (commands & RUNNER_ABANDON) == 0) {
        run->cancelled = true;
        take(runner, run, now_ms);
        return;
    }
    if (line_has_waiting(run)) {
        line_take_back(run);
    } else {
        list_push(is_new ? &runner->backlog : &runner->runs, &run->node);
    }
    bool may_end = (commands & (RUNNER_SWEEP | RUNNER_PARK)) != 0;
    if ((commands & RUNNER_ABANDON) != 0 || (may_end && driver_must_end(runner, run))) {
        driver_abandon(runner, run, now_ms);
    } else if ((commands & RUNNER_CANCEL) != 0) {
        driver_cancel(run, now_ms);
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

/* What is released is asked again by the transport, later. */
static void release_permitted(struct runner *runner)
{
    struct list *next;
    for (struct list *node = runner->held.next; node != &runner->held; node = next) {
        next = node->next;
        struct run *run = list_entry(node, struct awake, held_node)->run;
        if (atomic_load_explicit(&run->permitted, memory_order_acquire)) {
            list_remove(node);
            runner->transport->release(runner->transport, run->awake->transfer);
        }
    }
}

/* Their timers are due, so that what there is to do is done in slices. */
static void wake_wanting(struct runner *runner, int64_t now_ms)
{
    for (struct list *node = runner->wanting.next; node != &runner->wanting; node = node->next) {
        struct run *run = list_entry(node, struct awake, held_node)->run;
        int failed = heap_set(&runner->timers, &run->timer, now_ms);
        assert(failed == 0); /* runner_add made room for it */
    }
}

void runner_command(struct runner *runner, unsigned commands, int64_t now_ms)
{
    if ((commands & RUNNER_PERMIT) != 0) {
        release_permitted(runner);
        commands &= ~(unsigned)RUNNER_PERMIT;
    }
    if ((commands & RUNNER_TOKENS) != 0) {
        wake_wanting(runner, now_ms);
        errands_wake(&runner->errands);
        commands &= ~(unsigned)RUNNER_TOKENS;
    }
    if ((commands & RUNNER_ASK) != 0) {
        runner->is_asked = true;
        commands &= ~(unsigned)RUNNER_ASK;
    }
    if (commands == 0) {
        return;
    }
    if ((runner->walk_commands & (RUNNER_CANCEL | RUNNER_ABANDON)) != 0) {
        /* Not for those that came after it. */
        while (serve_walk(runner, now_ms, 0)) {
        }
    }
    runner->is_parked = runner->is_parked || (commands & RUNNER_PARK) != 0;
    runner->walk_commands = list_is_empty(&runner->walk) ? commands : runner->walk_commands | commands;
    list_splice(&runner->walk, &runner->resting);
    list_splice(&runner->walk, &runner->backlog);
    list_splice(&runner->walk, &runner->runs);
    lines_walk(runner);
}

/* ---- walks along the roll ---- */

/* By turns, so that neither many questions nor many cancels keep the other from its end. */
static bool begin_walk(struct runner *runner)
{
    bool is_due = runner->is_asked && runner->hooks->is_cancelled != NULL;
    bool has_query = !list_is_empty(&runner->queries);
    if (!is_due && !has_query) {
        return false;
    }
    bool asks = is_due && !(has_query && runner->walked_to_ask);
    runner->walks = asks ? RUNNER_WALKS_TO_ASK : RUNNER_WALKS_FOR_QUERY;
    runner->walked_to_ask = asks;
    if (asks) {
        runner->is_asked = false;
    }
    roll_begin(&runner->roll);
    return true;
}

static struct query_part *first_query(const struct runner *runner)
{
    return list_entry(runner->queries.next, struct query_part, node);
}

static void end_walk(struct runner *runner)
{
    if (runner->walks == RUNNER_WALKS_FOR_QUERY) {
        struct query_part *part = first_query(runner);
        list_remove(&part->node);
        runner->n_queries--;
        query_part_end(part, true);
    }
    runner->walks = RUNNER_WALKS_NOT;
}

static void visit(struct runner *runner, struct run *run, int64_t now_ms, int64_t wall_ms)
{
    if (runner->walks == RUNNER_WALKS_FOR_QUERY) {
        query_part_visit(first_query(runner), run, runner->hooks, now_ms, wall_ms);
    } else if (run->runner != NULL && is_cancelled(runner, run)) { /* of the others it is asked as they are prepared */
        driver_cancel(run, now_ms);
    }
}

/* For one slice; true: it is over. */
static bool walk_on(struct runner *runner, int64_t now_ms, int64_t slice_ms)
{
    struct slice slice = slice_begin(slice_ms < ROLL_SLICE_MS ? slice_ms : ROLL_SLICE_MS);
    int64_t wall_ms = clock_wall_ms();
    struct run *run;
    while ((run = roll_next(&runner->roll)) != NULL) {
        visit(runner, run, now_ms, wall_ms);
        if (slice_is_over(&slice)) {
            return false;
        }
    }
    return true;
}

static bool walk_on_for_query(struct runner *runner, int64_t now_ms, int64_t slice_ms)
{
    struct query_part *part = first_query(runner);
    if (!query_part_is_wanted(part)) {
        roll_stop(&runner->roll);
        return true;
    }
    int64_t begun_us = clock_cpu_us();
    bool is_over = walk_on(runner, now_ms, slice_ms);
    part->cpu_us += clock_cpu_us() - begun_us;
    return is_over;
}

static bool serve_roll(struct runner *runner, int64_t now_ms, int64_t slice_ms)
{
    if (runner->walks == RUNNER_WALKS_NOT && !begin_walk(runner)) {
        return false;
    }
    bool is_query = runner->walks == RUNNER_WALKS_FOR_QUERY;
    if (!(is_query ? walk_on_for_query : walk_on)(runner, now_ms, slice_ms)) {
        return true;
    }
    end_walk(runner);
    return runner->is_asked || !list_is_empty(&runner->queries);
}

void runner_query(struct runner *runner, struct query_part *part)
{
    if (runner->n_queries >= RUNNER_QUERIES_MAX) {
        query_part_end(part, false);
        return;
    }
    list_push(&runner->queries, &part->node);
    runner->n_queries++;
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
        driver_wake(run, now_ms);
    }
    return false;
}

static void serve_lines(struct runner *runner, int64_t now_ms, int64_t slice_ms)
{
    struct slice slice = slice_begin(slice_ms);
    struct run *run;
    while ((run = lines_next(runner)) != NULL) {
        driver_wake(run, now_ms);
        if (slice_is_over(&slice)) {
            break;
        }
    }
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
    serve_lines(runner, now_ms, slice_ms);
    if (serve_walk(runner, now_ms, slice_ms)) {
        more = true; /* first what is to be stopped, then what is to be started */
    } else {
        wake_resting(runner, now_ms);
        more = serve_backlog(runner, now_ms, slice_ms) || more;
    }
    more = serve_roll(runner, now_ms, slice_ms) || more;
    errands_turn(&runner->errands, now_ms);
    return more || lines_have_next(runner->lines);
}

int64_t runner_next_ms(const struct runner *runner)
{
    int64_t errand_ms = errands_next_ms(&runner->errands);
    int64_t next_ms = lines_have_next(runner->lines) ? INT64_MIN : heap_next_ms(&runner->timers);
    if (!list_is_empty(&runner->resting) && runner->rest_until_ms < next_ms) {
        next_ms = runner->rest_until_ms;
    }
    return errand_ms < next_ms ? errand_ms : next_ms;
}

/* ---- life ---- */

struct metrics_shard *pool_shard(const struct run *run)
{
    return run->runner != NULL ? run->runner->shard : NULL;
}

void runner_init(struct runner *runner, const struct pool_config *config, const struct pool_hooks *hooks,
                 struct transport *transport, uint64_t seed)
{
    *runner = (struct runner){
        .config = config,
        .hooks = hooks,
        .transport = transport,
        .random = seed != 0 ? seed : 1,
        .shard = metrics_shard_new(config->metrics),
    };
    awakes_init(&runner->awakes, hooks);
    roll_init(&runner->roll);
    list_init(&runner->queries);
    heap_init(&runner->timers);
    list_init(&runner->backlog);
    list_init(&runner->resting);
    list_init(&runner->runs);
    list_init(&runner->walk);
    list_init(&runner->held);
    list_init(&runner->wanting);
    errands_init(&runner->errands, config, hooks, transport, runner->shard);
    aims_init(&runner->aims, NULL, NULL);
}

void runner_deinit(struct runner *runner)
{
    assert(runner->n_runs == 0);
    while (!list_is_empty(&runner->queries)) {
        struct query_part *part = first_query(runner);
        list_remove(&part->node);
        query_part_end(part, false);
    }
    roll_deinit(&runner->roll);
    awakes_deinit(&runner->awakes);
    slabs_release(runner->naps);
    errands_deinit(&runner->errands);
    lines_free(runner->lines);
    aims_deinit(&runner->aims);
    heap_deinit(&runner->timers);
}

/* xorshift64* */
uint64_t runner_draw(struct runner *runner)
{
    uint64_t x = runner->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    runner->random = x;
    return x * 2685821657736338717u;
}

void runner_announce(struct runner *runner, struct run *run, int64_t now_ms, int64_t wall_ms)
{
    run->begun_mono_ms = now_ms;
    run->started_at_ms = wall_ms;
    atomic_fetch_add_explicit(&runner->in_flight, 1, memory_order_relaxed);
}

void runner_add(struct runner *runner, struct list *submitted)
{
    for (struct list *node = submitted->next; node != submitted; node = node->next) {
        struct run *run = list_entry(node, struct run, node);
        runner->n_runs++;
        driver_follow_phase(runner, run);
        if (roll_reserve(&runner->roll, runner->n_runs) == 0) {
            roll_add(&runner->roll, run);
        }
    }
    list_splice(&runner->backlog, submitted);
}
