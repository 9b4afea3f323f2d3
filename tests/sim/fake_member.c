#include "sim/fake_client.h"
#include "sim/fault.h"

#include "sim/judge.h"

#include <assert.h>
#include <string.h>

enum { API_JOIN_GROUP = 11, API_HEARTBEAT = 12, API_SYNC_GROUP = 14 };

static void is_asked(rd_kafka_t *rk, int16_t api)
{
    struct instance *before = world->current;
    world->current = rk->instance;
    if (rk->on_request != NULL)
        rk->on_request(rk, 0, "", 0, api, 0, 0, 0, rk->watch_opaque);
    world->current = before;
}

static void is_answered(rd_kafka_t *rk, int16_t api)
{
    struct instance *before = world->current;
    world->current = rk->instance;
    if (rk->on_response != NULL)
        rk->on_response(rk, 0, "", 0, api, 0, 0, 0, 0, RD_KAFKA_RESP_ERR_NO_ERROR, rk->watch_opaque);
    world->current = before;
}

static void step_to(rd_kafka_t *rk, enum member_step step, int64_t ms)
{
    rk->step = step;
    happen_in(&rk->member, ms);
}

static bool is_rebalancing(const rd_kafka_t *rk)
{
    return rk->awaited != CALL_NONE;
}

static void await(rd_kafka_t *rk, enum op_kind kind, unsigned partitions)
{
    op_push(rk, client_queue(rk), kind)->partitions = partitions;
    rk->awaited = kind == OP_ASSIGN ? CALL_ASSIGN : CALL_UNASSIGN;
    rk->awaited_ms = world->now_ms;
}

/* ---- joining ---- */

void member_join(rd_kafka_t *rk)
{
    rk->rejoins = false;
    rk->answer = RD_KAFKA_RESP_ERR_NO_ERROR;
    step_to(rk, MEMBER_JOINING, draw_latency());
    is_asked(rk, API_JOIN_GROUP);
}

void member_is_joined(rd_kafka_t *rk, int32_t generation)
{
    rk->joined_generation = generation;
    happen_in(&rk->member, draw_latency());
}

/* As librdkafka: the generation stays. */
static void forget_member(rd_kafka_t *rk)
{
    rk->member_id[0] = '\0';
}

static void handle_assignment(rd_kafka_t *rk)
{
    unsigned added = rk->target & ~rk->owned;
    unsigned revoked = rk->owned & ~rk->target;
    rk->step = MEMBER_STEADY;
    rk->heard_ms = world->now_ms;
    happen_in(&rk->heart, world->plan.heartbeat_ms);
    rk->heart_step = HEART_BEAT;
    trace(-1, "w%d is %s in generation %d: has %x, gets %x", rk->instance->number, rk->member_id, (int)rk->generation, rk->owned,
          rk->target);
    if (revoked == 0) {
        await(rk, OP_ASSIGN, added);
        return;
    }
    rk->added = added;
    rk->has_added = true;
    rk->rejoins = true;
    await(rk, OP_REVOKE, revoked);
}

static void lose_all(rd_kafka_t *rk, const char *why)
{
    trace(-1, "w%d loses %x: %s", rk->instance->number, rk->owned, why);
    judge_excuse(rk->instance->number);
    rk->is_lost = true;
    rk->rejoins = true;
    rk->has_added = false;
    rk->step = MEMBER_OUT;
    await(rk, OP_REVOKE, rk->owned);
}

void member_lose(rd_kafka_t *rk, const char *why)
{
    if (is_rebalancing(rk) || rk->step != MEMBER_STEADY)
        return;
    if (rk->owned != 0)
        lose_all(rk, why);
    else
        member_join(rk);
}

/* The refusal of a join or sync. */
static void join_again(rd_kafka_t *rk, rd_kafka_resp_err_t err)
{
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID)
        forget_member(rk);
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID && rk->owned != 0)
        lose_all(rk, "it is no member any more");
    else
        member_join(rk);
}

static void serve_joining(rd_kafka_t *rk)
{
    if (!client_reaches(rk, true)) {
        step_to(rk, MEMBER_JOINING, draw(50, 300));
        return;
    }
    rd_kafka_resp_err_t err = group_join(rk);
    rk->step = MEMBER_WAITING;
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rk->answer = err;
        step_to(rk, MEMBER_WAITING, draw_latency());
    }
}

/* The answer to its join has come. */
static void serve_waiting(rd_kafka_t *rk)
{
    rd_kafka_resp_err_t err = rk->answer;
    rk->answer = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!client_reaches(rk, true)) { /* the answer is lost */
        step_to(rk, MEMBER_JOINING, draw(50, 300));
        return;
    }
    is_answered(rk, API_JOIN_GROUP);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        join_again(rk, err);
        return;
    }
    rk->generation = rk->joined_generation;
    is_asked(rk, API_SYNC_GROUP);
    step_to(rk, MEMBER_SYNCING, draw_latency());
    provoke(rk->instance, MOMENT_REBALANCE);
    rk->answer = RD_KAFKA_RESP_ERR__IN_PROGRESS;
}

static void serve_syncing(rd_kafka_t *rk)
{
    if (!client_reaches(rk, true)) {
        step_to(rk, MEMBER_SYNCING, draw(50, 300));
    } else if (rk->answer == RD_KAFKA_RESP_ERR__IN_PROGRESS) {
        rk->answer = group_sync(rk);
        step_to(rk, MEMBER_SYNCING, draw_latency());
    } else {
        rd_kafka_resp_err_t err = rk->answer;
        rk->answer = RD_KAFKA_RESP_ERR_NO_ERROR;
        is_answered(rk, API_SYNC_GROUP);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            handle_assignment(rk);
        else
            join_again(rk, err);
    }
}

static void has_left(rd_kafka_t *rk)
{
    rk->step = MEMBER_OUT;
    rk->is_closed = rk->closing != NULL;
    if (rk->subscribes && !rk->is_closed)
        member_join(rk);
    rk->subscribes = false;
}

static void serve_leaving(rd_kafka_t *rk)
{
    if (!client_reaches(rk, true)) {
        step_to(rk, MEMBER_LEAVING, draw(50, 300));
        return;
    }
    group_leave(rk->member_id);
    forget_member(rk);
    has_left(rk);
    instance_wake(rk->instance);
}

static void removal_done(rd_kafka_t *rk)
{
    rk->awaited = CALL_NONE;
    if (rk->leaves) {
        member_leave(rk);
    } else if (rk->has_added) {
        rk->has_added = false;
        await(rk, OP_ASSIGN, rk->added);
    } else if (rk->rejoins) {
        member_join(rk);
    }
    instance_wake(rk->instance);
}

static void serve_member(struct happening *happening)
{
    rd_kafka_t *rk = list_entry(happening, rd_kafka_t, member);
    int64_t sleeps_ms = instance_sleeps_ms(rk->instance);
    if (sleeps_ms > 0) {
        happen_in(happening, sleeps_ms);
        return;
    }
    if (rk->awaited == CALL_REMOVAL) {
        removal_done(rk);
        return;
    }
    switch (rk->step) {
    case MEMBER_OUT:
    case MEMBER_STEADY:
        break;
    case MEMBER_JOINING:
        serve_joining(rk);
        break;
    case MEMBER_WAITING:
        serve_waiting(rk);
        break;
    case MEMBER_SYNCING:
        serve_syncing(rk);
        break;
    case MEMBER_LEAVING:
        serve_leaving(rk);
        break;
    }
}

/* ---- heartbeats ---- */

static void take_heartbeat(rd_kafka_t *rk, rd_kafka_resp_err_t err)
{
    is_answered(rk, API_HEARTBEAT);
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        rk->heard_ms = world->now_ms;
        break;
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
        rk->heard_ms = world->now_ms;
        if (!is_rebalancing(rk) && rk->step == MEMBER_STEADY)
            member_join(rk);
        break;
    default:
        if (err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID)
            forget_member(rk);
        else
            rk->generation = -1;
        member_lose(rk, rd_kafka_err2name(err));
        break;
    }
}

/* Of the client's own: nobody has answered for a session's time. */
static bool is_timed_out(rd_kafka_t *rk)
{
    if (rk->step != MEMBER_STEADY || world->now_ms < rk->heard_ms + world->plan.session_ms)
        return false;
    forget_member(rk);
    if (!is_rebalancing(rk)) {
        member_lose(rk, "session timed out");
        return true;
    }
    rk->is_lost = true;
    rk->heard_ms = world->now_ms;
    judge_excuse(rk->instance->number);
    return false;
}

/* Only a fault may make a heartbeat miss its session. */
static int64_t draw_beat(void)
{
    int64_t latency_ms = draw_latency();
    return latency_ms < world->plan.session_ms / 5 ? latency_ms : world->plan.session_ms / 5;
}

static void serve_heart(struct happening *happening)
{
    rd_kafka_t *rk = list_entry(happening, rd_kafka_t, heart);
    int64_t sleeps_ms = instance_sleeps_ms(rk->instance);
    if (sleeps_ms > 0 && rk->heart_step != HEART_ARRIVE) {
        happen_in(happening, sleeps_ms);
        return;
    }
    if (rk->step != MEMBER_STEADY || is_timed_out(rk))
        return;
    if (!client_reaches(rk, true)) {
        rk->heart_step = HEART_BEAT;
        happen_in(happening, world->plan.heartbeat_ms / 2);
        return;
    }
    switch (rk->heart_step) {
    case HEART_BEAT:
        rk->heart_step = HEART_ARRIVE;
        happen_in(happening, draw_beat());
        break;
    case HEART_ARRIVE:
        rk->heart_answer = group_heartbeat(rk->member_id, rk->generation);
        rk->heart_step = HEART_ANSWER;
        happen_in(happening, draw_beat());
        break;
    case HEART_ANSWER:
        rk->heart_step = HEART_BEAT;
        happen_in(happening, world->plan.heartbeat_ms);
        take_heartbeat(rk, rk->heart_answer);
        break;
    }
}

void member_init(rd_kafka_t *rk)
{
    rk->generation = -1;
    happening_init(&rk->member, serve_member);
    happening_init(&rk->heart, serve_heart);
}

/* ---- what the application has done ---- */

static void leave_now(rd_kafka_t *rk)
{
    rk->leaves = false;
    happen_not(&rk->heart);
    if (rk->member_id[0] != '\0') {
        step_to(rk, MEMBER_LEAVING, draw_beat());
        return;
    }
    happen_not(&rk->member);
    has_left(rk);
}

void member_leave(rd_kafka_t *rk)
{
    if (rk->step == MEMBER_LEAVING)
        return;
    rk->leaves = true;
    rk->rejoins = false;
    if (rk->awaited != CALL_NONE)
        return;
    rk->is_subscribed = false;
    if (rk->owned != 0)
        await(rk, OP_REVOKE, rk->owned);
    else
        leave_now(rk);
}

void member_assigned(rd_kafka_t *rk)
{
    if (rk->awaited != CALL_ASSIGN)
        return;
    rk->awaited = CALL_NONE;
    rk->is_lost = false; /* as librdkafka: any change of the assignment */
    if (rk->leaves)
        member_leave(rk);
    else if (rk->rejoins)
        member_join(rk);
}

void member_unassigned(rd_kafka_t *rk)
{
    if (rk->awaited != CALL_UNASSIGN)
        return;
    rk->awaited = CALL_REMOVAL;
    judge_handed_over(rk->instance->number, world->now_ms - rk->awaited_ms);
    rk->is_lost = false;
    happen_in(&rk->member, likely(50) ? 0 : draw(1, 50));
}
