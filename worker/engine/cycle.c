/* Every arrow bears the event and, after the slash, the action.
 *
 *   START ──────── resume / send poll ──────────────┐
 *     │ start / send kickoff                        v
 *   KICKOFF ──────── accepted / send poll ────────> POLL ── pending; transient within the budget / wait ──> REST
 *     │                                            │    ^                                                     │
 *     │ ended / finish                             │    └───────────── timer, rested / send poll ─────────────┘
 *     v                                            v
 *   DONE <── ended; transient beyond the budget / finish
 *
 *   from any state ── cancel; the deadline / finish ──> DONE
 *
 * Every other event waits on in the same state. */
#include "engine/cycle.h"

#include "base/clock.h"

#include <assert.h>
#include <stddef.h>

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS 30000

void cycle_init(struct cycle *cycle)
{
    *cycle = (struct cycle){.state = CYCLE_START,
                            .deadline_ms = CLOCK_NEVER,
                            .look_until_ms = INT64_MIN,
                            .rest_until_ms = CLOCK_NEVER};
}

const char *cycle_state_name(enum cycle_state state)
{
    switch (state) {
    case CYCLE_START:
        return "start";
    case CYCLE_KICKOFF:
        return "kickoff";
    case CYCLE_REST:
        return "rest";
    case CYCLE_POLL:
        return "poll";
    case CYCLE_DONE:
        return "done";
    }
    return "?";
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

static struct cycle_action act(const struct cycle *cycle, enum cycle_action_kind kind)
{
    int64_t wake_at_ms = cycle_until_ms(cycle);
    if (cycle->state == CYCLE_REST) {
        wake_at_ms = earlier(wake_at_ms, cycle->rest_until_ms);
    } else if (cycle->state == CYCLE_DONE) {
        wake_at_ms = CLOCK_NEVER;
    }
    return (struct cycle_action){.kind = kind, .wake_at_ms = wake_at_ms};
}

static struct cycle_action finish(struct cycle *cycle, enum cycle_finish how)
{
    cycle->state = CYCLE_DONE;
    return (struct cycle_action){.kind = CYCLE_FINISH, .wake_at_ms = CLOCK_NEVER, .finish = how};
}

static struct cycle_action kick_off(struct cycle *cycle)
{
    cycle->state = CYCLE_KICKOFF;
    return act(cycle, CYCLE_SEND_KICKOFF);
}

static struct cycle_action poll_now(struct cycle *cycle)
{
    cycle->state = CYCLE_POLL;
    cycle->rest_until_ms = CLOCK_NEVER;
    cycle->polls++;
    return act(cycle, CYCLE_SEND_POLL);
}

static struct cycle_action resume(struct cycle *cycle, int64_t deadline_ms)
{
    cycle->accepted = true;
    cycle->deadline_ms = deadline_ms;
    cycle->look_until_ms = CLOCK_NEVER;
    return poll_now(cycle);
}

static struct cycle_action rest(struct cycle *cycle, double wait_ms, int64_t now_ms)
{
    cycle->state = CYCLE_REST;
    cycle->rest_until_ms = later(now_ms, wait_ms);
    return act(cycle, CYCLE_WAIT);
}

/* The interval, stretched: runs that started together drift apart, and none polls oftener than it was told. */
static double interval_ms(const struct cycle_config *config, double jitter)
{
    return (double)config->poll_interval_ms * (1.0 + jitter * config->poll_jitter);
}

/* Full jitter below a ceiling that doubles with each failure. The interval is its floor, since it is what the backend
 * can bear when it is well. */
static double backoff_ms(const struct cycle_config *config, int failures, double jitter)
{
    double ceiling_ms = BACKOFF_FIRST_MS;
    for (int i = 1; i < failures && ceiling_ms < BACKOFF_MAX_MS; i++) {
        ceiling_ms *= 2;
    }
    if (ceiling_ms > BACKOFF_MAX_MS) {
        ceiling_ms = BACKOFF_MAX_MS;
    }
    double floor_ms = interval_ms(config, jitter);
    return jitter * ceiling_ms > floor_ms ? jitter * ceiling_ms : floor_ms;
}

static struct cycle_action on_transient(struct cycle *cycle, const struct cycle_config *config, double jitter,
                                        int64_t now_ms)
{
    cycle->failures++;
    if (cycle->failures > config->poll_max_failures) {
        return finish(cycle, CYCLE_FINISH_VERDICT);
    }
    return rest(cycle, backoff_ms(config, cycle->failures, jitter), now_ms);
}

struct cycle_action cycle_step(struct cycle *cycle, const struct cycle_config *config, struct cycle_event event,
                               int64_t now_ms)
{
    assert(config->timeout_ms > 0 && config->poll_interval_ms >= 0);
    assert(event.jitter >= 0 && event.jitter < 1);
    if (cycle->state == CYCLE_DONE) {
        return act(cycle, CYCLE_WAIT);
    }
    if (event.kind == CYCLE_EVENT_PENDING || event.kind == CYCLE_EVENT_TRANSIENT) {
        cycle->look_until_ms = INT64_MIN;
    }
    bool is_out = now_ms >= cycle_until_ms(cycle);
    switch (event.kind) {
    case CYCLE_EVENT_START:
        return cycle->state == CYCLE_START ? kick_off(cycle) : act(cycle, CYCLE_WAIT);
    case CYCLE_EVENT_RESUME:
        assert(cycle->state == CYCLE_START && config->polls);
        return resume(cycle, event.deadline_ms);
    case CYCLE_EVENT_BEGUN:
        assert(cycle->state == CYCLE_KICKOFF || cycle->state == CYCLE_POLL);
        if (cycle->deadline_ms == CLOCK_NEVER) {
            cycle->deadline_ms = later(now_ms, (double)config->timeout_ms);
        }
        if (cycle->look_until_ms == CLOCK_NEVER) {
            cycle->look_until_ms = later(now_ms, (double)config->poll_timeout_ms);
        }
        return act(cycle, CYCLE_WAIT);
    case CYCLE_EVENT_ACCEPTED:
        assert(cycle->state == CYCLE_KICKOFF && config->polls);
        cycle->accepted = true;
        return is_out ? finish(cycle, CYCLE_FINISH_TIMEOUT) : poll_now(cycle);
    case CYCLE_EVENT_PENDING:
        assert(cycle->state == CYCLE_POLL);
        cycle->failures = 0;
        return is_out ? finish(cycle, CYCLE_FINISH_TIMEOUT) : rest(cycle, interval_ms(config, event.jitter), now_ms);
    case CYCLE_EVENT_TRANSIENT:
        assert(cycle->state == CYCLE_POLL);
        return is_out ? finish(cycle, CYCLE_FINISH_TIMEOUT) : on_transient(cycle, config, event.jitter, now_ms);
    case CYCLE_EVENT_ENDED:
        /* Even when the deadline has passed: the answer was there before the timer was looked at, and throwing it away
         * would make a run whose end is known look lost. */
        assert(cycle->state == CYCLE_KICKOFF || cycle->state == CYCLE_POLL);
        return finish(cycle, CYCLE_FINISH_VERDICT);
    case CYCLE_EVENT_TIMER:
        if (is_out) {
            return finish(cycle, CYCLE_FINISH_TIMEOUT);
        }
        return cycle->state == CYCLE_REST && now_ms >= cycle->rest_until_ms ? poll_now(cycle) : act(cycle, CYCLE_WAIT);
    case CYCLE_EVENT_CANCEL:
        return finish(cycle, CYCLE_FINISH_CANCELLED);
    }
    return act(cycle, CYCLE_WAIT);
}
