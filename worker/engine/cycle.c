/* Every arrow bears the event and, after the slash, the action.
 *
 *   START ─────────────────── resume / send poll ───────────────────────────────┐
 *     │ start / send                                                             v
 *     ├──> PREPARE ── prepared / send kickoff ──> KICKOFF ── accepted / send ──> POLL ── fetch / send ──> FETCH
 *     │                                            ^   │                         │ ^                      │
 *     └────────────── start / send ────────────────┘   └── fetch / send ──────── │ │ ──────────────────> (FETCH)
 *                                                                                v │
 *   PREPARE, KICKOFF ── retry within the budget / wait ──> REST                 REST
 *   KICKOFF ── accepted with Retry-After / wait ──> REST
 *   POLL ── pending; transient within the budget / wait ──> REST
 *   FETCH ── transient within the budget / wait ──> REST
 *   REST ── timer, rested / send what is next ──> PREPARE, KICKOFF, POLL or FETCH
 *
 *   any ── ended; retry or transient beyond the budget; cancel; the deadline; too late to start / finish ──> DONE
 *
 * Every other event waits on in the same state. */
#include "engine/cycle.h"

#include "base/clock.h"

#include <assert.h>
#include <stddef.h>

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS 30000
#define FREE_RETRY_MS 1000

void cycle_init(struct cycle *cycle)
{
    *cycle = (struct cycle){.state = CYCLE_START,
                            .next = CYCLE_START,
                            .ended_in = CYCLE_START,
                            .deadline_ms = CLOCK_NEVER,
                            .look_until_ms = INT64_MIN,
                            .rest_until_ms = CLOCK_NEVER};
}

const char *cycle_state_name(enum cycle_state state)
{
    switch (state) {
    case CYCLE_START:
        return "start";
    case CYCLE_PREPARE:
        return "prepare";
    case CYCLE_KICKOFF:
        return "kickoff";
    case CYCLE_REST:
        return "rest";
    case CYCLE_POLL:
        return "poll";
    case CYCLE_FETCH:
        return "fetch";
    case CYCLE_DONE:
        return "done";
    }
    return "?";
}

const char *cycle_call_name(enum cycle_state state)
{
    switch (state) {
    case CYCLE_PREPARE:
    case CYCLE_KICKOFF:
    case CYCLE_POLL:
        return cycle_state_name(state);
    case CYCLE_FETCH:
        return "result fetch";
    case CYCLE_START:
    case CYCLE_REST:
    case CYCLE_DONE:
        break;
    }
    return NULL;
}

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* now + wait, where a sum beyond the clock is never. */
static int64_t later(int64_t now_ms, double wait_ms)
{
    if (wait_ms >= (double)(CLOCK_NEVER / 2)) {
        return CLOCK_NEVER;
    }
    return now_ms + (int64_t)wait_ms;
}

int64_t cycle_until_ms(const struct cycle *cycle)
{
    return cycle->look_until_ms > cycle->deadline_ms ? cycle->look_until_ms : cycle->deadline_ms;
}

bool cycle_is_expired(const struct cycle *cycle, const struct cycle_config *config, int64_t now_ms)
{
    return !cycle->kicked_off && now_ms >= config->start_before_ms;
}

static struct cycle_action act(const struct cycle *cycle, const struct cycle_config *config,
                               enum cycle_action_kind kind)
{
    int64_t wake_at_ms = cycle_until_ms(cycle);
    if (cycle->state == CYCLE_DONE) {
        return (struct cycle_action){.kind = kind, .wake_at_ms = CLOCK_NEVER};
    }
    if (cycle->state == CYCLE_REST) {
        wake_at_ms = earlier(wake_at_ms, cycle->rest_until_ms);
    }
    if (!cycle->kicked_off) {
        wake_at_ms = earlier(wake_at_ms, config->start_before_ms);
    }
    return (struct cycle_action){.kind = kind, .wake_at_ms = wake_at_ms};
}

static struct cycle_action finish(struct cycle *cycle, enum cycle_finish how)
{
    cycle->ended_in = cycle->state == CYCLE_REST ? cycle->next : cycle->state;
    cycle->state = CYCLE_DONE;
    return (struct cycle_action){.kind = CYCLE_FINISH, .wake_at_ms = CLOCK_NEVER, .finish = how};
}

static struct cycle_action send(struct cycle *cycle, const struct cycle_config *config, enum cycle_state what)
{
    cycle->state = what;
    cycle->rest_until_ms = CLOCK_NEVER;
    switch (what) {
    case CYCLE_PREPARE:
        return act(cycle, config, CYCLE_SEND_PREPARE);
    case CYCLE_KICKOFF:
        return act(cycle, config, CYCLE_SEND_KICKOFF);
    case CYCLE_POLL:
        cycle->polls++;
        return act(cycle, config, CYCLE_SEND_POLL);
    case CYCLE_FETCH:
        return act(cycle, config, CYCLE_SEND_FETCH);
    case CYCLE_START:
    case CYCLE_REST:
    case CYCLE_DONE:
        break;
    }
    assert(!"nothing to send");
    return act(cycle, config, CYCLE_WAIT);
}

/* The next of them begins with a budget of its own. */
static struct cycle_action go_on(struct cycle *cycle, const struct cycle_config *config, enum cycle_state what)
{
    cycle->failures = 0;
    return send(cycle, config, what);
}

static struct cycle_action resume(struct cycle *cycle, const struct cycle_config *config, int64_t deadline_ms)
{
    cycle->kicked_off = true;
    cycle->accepted = true;
    cycle->deadline_ms = deadline_ms;
    cycle->look_until_ms = CLOCK_NEVER;
    return send(cycle, config, CYCLE_POLL);
}

static struct cycle_action rest(struct cycle *cycle, const struct cycle_config *config, enum cycle_state next,
                                double wait_ms, int64_t retry_after_ms, int64_t now_ms)
{
    cycle->state = CYCLE_REST;
    cycle->next = next;
    cycle->rest_until_ms = later(now_ms, wait_ms > (double)retry_after_ms ? wait_ms : (double)retry_after_ms);
    return act(cycle, config, CYCLE_WAIT);
}

/* Runs that started together drift apart, and none polls oftener than it was told. */
static double stretch(const struct cycle_config *config, double wait_ms, double jitter)
{
    return wait_ms * (1.0 + jitter * config->poll_jitter);
}

/* Full jitter below a ceiling that doubles with each failure. */
static double backoff_ms(int failures, double jitter)
{
    double ceiling_ms = BACKOFF_FIRST_MS;
    for (int i = 1; i < failures && ceiling_ms < BACKOFF_MAX_MS; i++) {
        ceiling_ms *= 2;
    }
    return jitter * (ceiling_ms < BACKOFF_MAX_MS ? ceiling_ms : BACKOFF_MAX_MS);
}

static struct cycle_action on_pending(struct cycle *cycle, const struct cycle_config *config,
                                      const struct cycle_event *event, int64_t now_ms)
{
    double least_ms = (double)config->poll_interval_ms;
    double most_ms = (double)config->poll_max_interval_ms > least_ms ? (double)config->poll_max_interval_ms : least_ms;
    double wait_ms = cycle->wait_ms > 0 ? cycle->wait_ms * config->poll_backoff_factor : least_ms;
    cycle->wait_ms = wait_ms < most_ms ? wait_ms : most_ms;
    cycle->failures = 0;
    return rest(cycle, config, CYCLE_POLL, stretch(config, cycle->wait_ms, event->jitter), event->retry_after_ms, now_ms);
}

/* The interval is the floor, since it is what the backend can bear when it is well. */
static struct cycle_action on_transient(struct cycle *cycle, const struct cycle_config *config,
                                        const struct cycle_event *event, int64_t now_ms)
{
    double floor_ms = stretch(config, (double)config->poll_interval_ms, event->jitter);
    if (event->is_free) {
        cycle->polls -= cycle->state == CYCLE_POLL; /* it never left */
        double free_ms = FREE_RETRY_MS * (1 + event->jitter);
        return rest(cycle, config, cycle->state, free_ms > floor_ms ? free_ms : floor_ms, event->retry_after_ms, now_ms);
    }
    cycle->failures++;
    if (cycle->failures > config->poll_max_failures) {
        return finish(cycle, CYCLE_FINISH_VERDICT);
    }
    double wait_ms = backoff_ms(cycle->failures, event->jitter);
    return rest(cycle, config, cycle->state, wait_ms > floor_ms ? wait_ms : floor_ms, event->retry_after_ms, now_ms);
}

static struct cycle_action on_retry(struct cycle *cycle, const struct cycle_config *config,
                                    const struct cycle_event *event, int64_t now_ms)
{
    if (event->is_free) {
        return rest(cycle, config, cycle->state, FREE_RETRY_MS * (1 + event->jitter), event->retry_after_ms, now_ms);
    }
    cycle->failures++;
    if (cycle->failures > config->kickoff_max_retries) {
        return finish(cycle, CYCLE_FINISH_VERDICT);
    }
    bool is_prepare = cycle->state == CYCLE_PREPARE;
    struct cycle_action action = rest(cycle, config, cycle->state, backoff_ms(cycle->failures, event->jitter),
                                      event->retry_after_ms, now_ms);
    /* Before the first kickoff no deadline cuts a wait. */
    return is_prepare && cycle->rest_until_ms > cycle->prepare_until_ms ? finish(cycle, CYCLE_FINISH_VERDICT) : action;
}

static struct cycle_action on_begun(struct cycle *cycle, const struct cycle_config *config, int64_t now_ms)
{
    if (cycle->state == CYCLE_PREPARE && cycle->prepare_until_ms == 0) {
        cycle->prepare_until_ms = later(now_ms, (double)config->timeout_ms);
    } else if (cycle->state != CYCLE_PREPARE && cycle->deadline_ms == CLOCK_NEVER) {
        cycle->deadline_ms = later(now_ms, (double)config->timeout_ms);
    }
    if (cycle->look_until_ms == CLOCK_NEVER) {
        cycle->look_until_ms = later(now_ms, (double)config->poll_timeout_ms);
    }
    cycle->kicked_off = cycle->kicked_off || cycle->state == CYCLE_KICKOFF;
    return act(cycle, config, CYCLE_WAIT);
}

static bool is_asking(const struct cycle *cycle)
{
    return cycle->state == CYCLE_PREPARE || cycle->state == CYCLE_KICKOFF || cycle->state == CYCLE_POLL ||
           cycle->state == CYCLE_FETCH;
}

/* What an answer that does not end the run leads to. */
static struct cycle_action on_answer(struct cycle *cycle, const struct cycle_config *config,
                                     const struct cycle_event *event, int64_t now_ms)
{
    switch (event->kind) {
    case CYCLE_EVENT_PREPARED:
        assert(cycle->state == CYCLE_PREPARE);
        cycle->wait_ms = 0;
        return go_on(cycle, config, CYCLE_KICKOFF);
    case CYCLE_EVENT_ACCEPTED:
        assert(cycle->state == CYCLE_KICKOFF && config->polls);
        cycle->failures = 0;
        if (event->retry_after_ms > 0) {
            return rest(cycle, config, CYCLE_POLL, 0, event->retry_after_ms, now_ms);
        }
        return send(cycle, config, CYCLE_POLL);
    case CYCLE_EVENT_RETRY:
        assert(cycle->state == CYCLE_PREPARE || cycle->state == CYCLE_KICKOFF);
        return on_retry(cycle, config, event, now_ms);
    case CYCLE_EVENT_PENDING:
        assert(cycle->state == CYCLE_POLL);
        return on_pending(cycle, config, event, now_ms);
    case CYCLE_EVENT_TRANSIENT:
        assert(cycle->state == CYCLE_POLL || cycle->state == CYCLE_FETCH);
        return on_transient(cycle, config, event, now_ms);
    case CYCLE_EVENT_FETCH:
        assert(cycle->state == CYCLE_KICKOFF || cycle->state == CYCLE_POLL);
        return go_on(cycle, config, CYCLE_FETCH);
    case CYCLE_EVENT_START:
    case CYCLE_EVENT_RESUME:
    case CYCLE_EVENT_BEGUN:
    case CYCLE_EVENT_ENDED:
    case CYCLE_EVENT_TIMER:
    case CYCLE_EVENT_CANCEL:
        break;
    }
    return act(cycle, config, CYCLE_WAIT);
}

static struct cycle_action on_start(struct cycle *cycle, const struct cycle_config *config)
{
    if (cycle->state != CYCLE_START) {
        return act(cycle, config, CYCLE_WAIT);
    }
    return send(cycle, config, config->prepares ? CYCLE_PREPARE : CYCLE_KICKOFF);
}

struct cycle_action cycle_step(struct cycle *cycle, const struct cycle_config *config, struct cycle_event event,
                               int64_t now_ms)
{
    assert(config->timeout_ms > 0 && config->poll_interval_ms >= 0 && config->poll_backoff_factor >= 1);
    assert(event.jitter >= 0 && event.jitter < 1);
    if (cycle->state == CYCLE_DONE) {
        return act(cycle, config, CYCLE_WAIT);
    }
    bool was_not_asked = event.kind == CYCLE_EVENT_TRANSIENT && event.is_free;
    if (event.kind == CYCLE_EVENT_PENDING || (event.kind == CYCLE_EVENT_TRANSIENT && !was_not_asked)) {
        cycle->look_until_ms = INT64_MIN;
    } else if ((event.kind == CYCLE_EVENT_FETCH || was_not_asked) && cycle->look_until_ms != INT64_MIN) {
        cycle->look_until_ms = CLOCK_NEVER; /* where it had ended while nobody asked, its result gets the same grace */
    }
    if (event.kind == CYCLE_EVENT_ACCEPTED || event.kind == CYCLE_EVENT_FETCH) {
        cycle->accepted = true;
    }
    switch (event.kind) {
    case CYCLE_EVENT_RESUME:
        assert(cycle->state == CYCLE_START && config->polls);
        return resume(cycle, config, event.deadline_ms);
    case CYCLE_EVENT_BEGUN:
        assert(is_asking(cycle));
        return on_begun(cycle, config, now_ms);
    case CYCLE_EVENT_ENDED:
        /* Even when the deadline has passed: the answer was there before the timer was looked at, and throwing it away
         * would make a run whose end is known look lost. */
        assert(is_asking(cycle));
        return finish(cycle, CYCLE_FINISH_VERDICT);
    case CYCLE_EVENT_CANCEL:
        return finish(cycle, CYCLE_FINISH_CANCELLED);
    case CYCLE_EVENT_START:
    case CYCLE_EVENT_PREPARED:
    case CYCLE_EVENT_ACCEPTED:
    case CYCLE_EVENT_RETRY:
    case CYCLE_EVENT_PENDING:
    case CYCLE_EVENT_TRANSIENT:
    case CYCLE_EVENT_FETCH:
    case CYCLE_EVENT_TIMER:
        break;
    }
    if (cycle_is_expired(cycle, config, now_ms)) {
        return finish(cycle, CYCLE_FINISH_EXPIRED);
    }
    if (event.kind == CYCLE_EVENT_RETRY) {
        cycle->kicked_off = false; /* but this answer is no reason to call the run one that came too late */
    }
    if (now_ms >= cycle_until_ms(cycle)) {
        return finish(cycle, CYCLE_FINISH_TIMEOUT);
    }
    if (event.kind == CYCLE_EVENT_START) {
        return on_start(cycle, config);
    }
    if (event.kind != CYCLE_EVENT_TIMER) {
        return on_answer(cycle, config, &event, now_ms);
    }
    if (cycle->state == CYCLE_REST && now_ms >= cycle->rest_until_ms) {
        return send(cycle, config, cycle->next);
    }
    return act(cycle, config, CYCLE_WAIT);
}
