#include "engine/driver_inside.h"

#include "base/clock.h"
#include "engine/awake.h"
#include "engine/departure.h"
#include "engine/outcome.h"
#include "engine/run_answer.h"
#include "engine/run_request.h"
#include "engine/sending.h"
#include "engine/trace.h"

#include <assert.h>

/* What is new of a run is told so often at most. */
#define NOTE_EVERY_S 5
/* The end of a token request is told. Should it not be, what waits for one looks again so often. */
#define WANT_LOOK_MS 30000

/* ---- what its owner hears ---- */

/* What its owner could not keep, for want of memory, is told again with the next answer. */
static void set_noted(struct run *run, int64_t now_ms)
{
    run->noted_s = run->has_news ? 0 : (int)(now_ms / 1000);
}

static void tell_accepted(struct run *run, int64_t now_ms)
{
    const struct pool_hooks *hooks = run->runner->hooks;
    struct rxp_refusal why;
    if (run_request_address(run, &why) == RUN_REQUEST_UNFIT) {
        return; /* nobody could go on with it */
    }
    run->has_news = run->awake->poll_url == NULL; /* for want of memory: the poll tries it again */
    if (hooks->accepted != NULL) {
        hooks->accepted(run, hooks->opaque);
    }
    set_noted(run, now_ms);
}

/* Of an accepted run. */
static void tell_progress(struct run *run)
{
    const struct pool_hooks *hooks = run->runner->hooks;
    if (hooks->progressed != NULL) {
        run->untold = !hooks->progressed(run, hooks->opaque);
    }
}

void driver_tell_news(struct run *run, int64_t now_ms)
{
    const struct pool_hooks *hooks = run->runner->hooks;
    char room[RUN_POLL_URL_BYTES];
    if (run->has_news && run->cycle.accepted && run_poll_url(run, room) != NULL && hooks->noted != NULL) {
        run->has_news = false;
        hooks->noted(run, hooks->opaque);
        set_noted(run, now_ms);
    }
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
    bool has_state = run_answer_keep(run, verdict);
    if (verdict->kind == VERDICT_FETCH) {
        outcome_keep(run, verdict);
    }
    const struct cycle_event event = {
        .kind = event_of(verdict->kind), .jitter = driver_draw(run->runner), .retry_after_ms = verdict->retry_after_ms,
        .is_free = verdict->lacked_memory};
    struct cycle_action action = driver_step(run, event, now_ms);
    trace_decided(run, verdict, &action, now_ms);
    if (verdict->lacked_memory && action.kind != CYCLE_FINISH) {
        runner_tell_short(run->runner, run->cycle.rest_until_ms - now_ms, now_ms);
    }
    if (action.kind != CYCLE_FINISH && run->cycle.accepted) {
        if (!was_accepted) {
            tell_accepted(run, now_ms);
        } else if (now_ms / 1000 - run->noted_s > NOTE_EVERY_S) {
            driver_tell_news(run, now_ms);
        }
        if (!was_accepted || has_state || run->untold) {
            tell_progress(run);
        }
    }
    driver_apply(run, action, verdict, now_ms);
    verdict_deinit(verdict);
}

static void on_done(void *opaque, const struct http_reply *reply, int64_t now_ms)
{
    struct run *run = opaque;
    struct verdict verdict;
    run->awake->transfer = NULL;
    run->asking = false;
    driver_count_request(run->runner, -1);
    trace_answered(run, reply, now_ms);
    driver_count_answer(run, reply);
    run_answer_read(run, reply, now_ms, &verdict);
    settle(run, &verdict, now_ms);
}

/* ---- requests ---- */

static bool is_permitted(struct run *run)
{
    const struct pool_hooks *hooks = run->runner->hooks;
    if (hooks->permit == NULL) {
        return true;
    }
    if (!run->permit_asked) {
        run->permit_asked = true;
        bool is_now = hooks->permit(run, hooks->opaque);
        if (is_now) {
            atomic_store_explicit(&run->permitted, true, memory_order_release); /* for a kickoff that is sent again */
        }
        return is_now;
    }
    return atomic_load_explicit(&run->permitted, memory_order_acquire);
}

/* It waits for a token: a kickoff as long as it may for its origin. */
static void want(struct run *run, int64_t now_ms)
{
    struct runner *runner = run->runner;
    int64_t wake_at_ms = now_ms + WANT_LOOK_MS;
    if (timer_is_set(&run->timer) && run->timer.at_ms < wake_at_ms) {
        wake_at_ms = run->timer.at_ms;
    }
    if (run->awake->wanted_s == 0) {
        run->awake->wanted_s = (int)(now_ms / 1000);
    }
    int64_t max_wait_ms = runner->config->kickoff_max_wait_ms;
    int64_t late_ms = (int64_t)run->awake->wanted_s * 1000 + max_wait_ms;
    bool is_look = run->cycle.state == CYCLE_POLL || run->cycle.state == CYCLE_FETCH;
    if (!is_look && max_wait_ms > 0 && late_ms > now_ms && late_ms < wake_at_ms) {
        wake_at_ms = late_ms;
    }
    line_leave(run); /* others may have theirs */
    list_push(&runner->wanting, &run->awake->held_node);
    driver_set_wake(run, wake_at_ms);
}

/* Its headers could not be made. May end the run. */
static void go_without(struct run *run, enum secret_fill filled, const char *why, int64_t now_ms)
{
    int64_t max_wait_ms = run->runner->config->kickoff_max_wait_ms;
    bool is_look = run->cycle.state == CYCLE_POLL || run->cycle.state == CYCLE_FETCH;
    bool is_late = run->awake->wanted_s != 0 && max_wait_ms > 0 && now_ms - (int64_t)run->awake->wanted_s * 1000 >= max_wait_ms;
    struct verdict verdict;
    if (filled == SECRET_DENIED) {
        run_answer_denied(run, why, &verdict);
    } else if (filled == SECRET_NO_MEMORY) {
        run_answer_no_memory(run, now_ms, &verdict);
    } else if (is_look ? filled == SECRET_UNAVAILABLE : is_late) {
        run_answer_unavailable(run, filled == SECRET_WAIT ? "a token that it needs is long in coming" : why, &verdict);
    } else {
        trace_delayed(run, filled == SECRET_WAIT ? "a token is under way" : why, now_ms);
        run_request_drop(run);
        want(run, now_ms);
        return;
    }
    settle(run, &verdict, now_ms);
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
    run->awake->transfer = NULL; /* gone when on_begun returns */
    driver_count_request(run->runner, -1);
    return TRANSFER_DROP;
}

static void tell_begun(struct run *run)
{
    const struct pool_hooks *hooks = run->runner->hooks;
    if (hooks->begun != NULL) {
        hooks->begun(run, hooks->opaque);
    }
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
    const struct cycle_config config = driver_config(run, now_ms);
    if (cycle_is_expired(&run->cycle, &config, now_ms)) {
        drop(run);
        driver_apply(run, driver_event(run, CYCLE_EVENT_TIMER, now_ms), NULL, now_ms);
        return TRANSFER_DROP;
    }
    if (run->cycle.state == CYCLE_KICKOFF && !is_permitted(run)) {
        list_push(&runner->held, &run->awake->held_node);
        return TRANSFER_HOLD;
    }
    char why[SECRETS_WHY_BYTES];
    enum secret_fill filled = run_request_put_headers(run, why);
    if (filled != SECRET_READY) {
        drop(run);
        go_without(run, filled, why, now_ms);
        return TRANSFER_DROP;
    }
    run->awake->wanted_s = 0;
    *headers = sending_headers(run->awake->sending);
    if (run->cycle.state == CYCLE_KICKOFF && run->cycle.deadline_ms == CLOCK_NEVER) {
        run->begun_mono_ms = now_ms;
        run->started_at_ms = clock_wall_ms();
        tell_begun(run);
    }
    driver_count_sent(run);
    trace_sent(run, *headers, now_ms);
    run->asking = true;
    struct cycle_action action = driver_event(run, CYCLE_EVENT_BEGUN, now_ms);
    assert(action.kind == CYCLE_WAIT); /* it must not end here: its transfer is in use */
    driver_set_wake(run, action.wake_at_ms);
    departure_follow(run, now_ms);
    return TRANSFER_GO;
}

void driver_send(struct run *run, int64_t now_ms)
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
        run->awake->transfer = runner->transport->start(runner->transport, &request, on_begun, on_done, run);
    }
    if (run->awake->transfer == NULL) {
        settle_without_memory(run, now_ms);
        return;
    }
    driver_count_request(runner, 1);
}

