#include "sim/fake_client.h"
#include "sim/fault.h"
#include "sim/judge.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct commit {
    struct happening at;
    enum { COMMIT_SEND, COMMIT_ARRIVE, COMMIT_ANSWER } step;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    rd_kafka_topic_partition_list_t *list;
    char member_id[16]; /* whose it is: librdkafka takes requests up in order, so before it can have joined anew */
    int32_t generation;
    bool is_deferred;
    int64_t begun_ms;
    rd_kafka_resp_err_t err;
};

static void commit_free(struct commit *commit)
{
    rd_kafka_t *rk = commit->rk;
    happen_not(&commit->at);
    rk->commits--;
    rd_kafka_topic_partition_list_destroy(commit->list);
    free(commit);
    client_unuse(rk);
}

static void step_to(struct commit *commit, int step, int64_t ms)
{
    commit->step = step;
    happen_in(&commit->at, ms);
}

static void take_identity(struct commit *commit)
{
    memcpy(commit->member_id, commit->rk->member_id, sizeof commit->member_id);
    commit->generation = commit->rk->generation;
}

/* As whoever the client is by now. But what wakes up here behind a join, after a freeze, has gone before it in a real client: by
 * nobody, or in the generation before. */
static void take_identity_again(struct commit *commit)
{
    const rd_kafka_t *rk = commit->rk;
    bool has_joined = rk->member_id[0] != '\0' && rk->generation >= 0;
    if (!has_joined)
        take_identity(commit);
    else if (strcmp(commit->member_id, rk->member_id) != 0)
        commit->member_id[0] = '\0';
}

/* One that cannot be sent, or is not answered, waits once for the coordinator, at most a session's time, and is then sent as
 * whoever the client is by then: no member, where it was given up, since it cannot have joined anew before. */
static void send_out(struct commit *commit)
{
    rd_kafka_t *rk = commit->rk;
    if (!client_reaches(rk, true)) {
        commit->is_deferred = true;
        commit->err = RD_KAFKA_RESP_ERR__WAIT_COORD;
        if (world->now_ms >= commit->begun_ms + world->plan.session_ms)
            step_to(commit, COMMIT_ANSWER, 1);
        else
            step_to(commit, COMMIT_SEND, draw(5, 15));
        return;
    }
    if (commit->is_deferred)
        take_identity_again(commit);
    step_to(commit, COMMIT_ARRIVE, draw_latency());
    provoke(rk->instance, MOMENT_COMMIT);
}

static bool defer(struct commit *commit)
{
    if (commit->is_deferred || commit->rk->instance == NULL)
        return false;
    commit->is_deferred = true;
    commit->begun_ms = world->now_ms;
    step_to(commit, COMMIT_SEND, draw(1, 15));
    return true;
}

/* A broker takes the requests of a connection one after another: behind a join it waits. */
static void arrive(struct commit *commit)
{
    const rd_kafka_t *rk = commit->rk;
    if (rk->instance != NULL && rk->step == MEMBER_WAITING) {
        happen_in(&commit->at, draw(5, 50));
        return;
    }
    commit->err = RD_KAFKA_RESP_ERR__TRANSPORT;
    if (client_reaches(rk, true))
        commit->err = group_check(commit->member_id, commit->generation);
    else if (defer(commit))
        return;
    for (int i = 0; commit->err == RD_KAFKA_RESP_ERR_NO_ERROR && i < commit->list->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &commit->list->elems[i];
        broker_commit(at->partition, at->offset, at->metadata, at->metadata_size);
    }
    if (commit->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        trace(-1, "a commit of member '%s', generation %d, is refused: %s", commit->member_id, (int)commit->generation,
              rd_kafka_err2name(commit->err));
    else
        trace(-1, "member %s, generation %d, commits", commit->member_id, (int)commit->generation);
    provoke(rk->instance, MOMENT_COMMITTED);
    step_to(commit, COMMIT_ANSWER, draw_latency());
}

/* False where it goes on. */
static bool answer(struct commit *commit)
{
    rd_kafka_t *rk = commit->rk;
    /* Lost, whatever it was; but answers of a connection come in order, so that whoever has joined anew has had it. */
    bool has_joined = strcmp(commit->member_id, rk->member_id) != 0 || commit->generation != rk->generation;
    if (!client_reaches(rk, true) && !(has_joined && rk->member_id[0] != '\0')) {
        commit->err = RD_KAFKA_RESP_ERR__TRANSPORT;
        if (defer(commit))
            return false;
    }
    struct rd_kafka_op_s *op = op_push(rk, commit->queue, OP_COMMITTED);
    op->err = commit->err;
    op->list = rd_kafka_topic_partition_list_copy(commit->list);
    for (int i = 0; i < op->list->cnt; i++)
        op->list->elems[i].err = commit->err;
    if (commit->err != RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION && commit->err != RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID)
        return true;
    judge_excuse(rk->instance->number); /* it may take it for an eviction */
    if (world->plan.loses_on_refusal) {
        if (commit->err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID)
            rk->member_id[0] = '\0';
        else
            rk->generation = -1;
        member_lose(rk, "a commit was refused");
    }
    return true;
}

static void go_on(struct happening *happening)
{
    struct commit *commit = list_entry(happening, struct commit, at);
    int64_t sleeps_ms = instance_sleeps_ms(commit->rk->instance);
    if (commit->rk->instance == NULL && commit->step != COMMIT_ARRIVE) {
        commit_free(commit);
        return;
    }
    if (sleeps_ms > 0 && commit->step != COMMIT_ARRIVE) {
        happen_in(happening, sleeps_ms);
        return;
    }
    switch (commit->step) {
    case COMMIT_SEND:
        send_out(commit);
        break;
    case COMMIT_ARRIVE:
        arrive(commit);
        break;
    case COMMIT_ANSWER:
        if (answer(commit))
            commit_free(commit);
        break;
    }
}

rd_kafka_resp_err_t rd_kafka_commit_queue(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *offsets, rd_kafka_queue_t *queue,
                                          void (*done)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *,
                                                       void *),
                                          void *opaque)
{
    (void)done, (void)opaque;
    struct commit *commit = calloc(1, sizeof *commit);
    assert(commit != NULL);
    commit->rk = rk;
    commit->queue = queue;
    commit->list = rd_kafka_topic_partition_list_copy(offsets);
    take_identity(commit);
    commit->begun_ms = world->now_ms;
    happening_init(&commit->at, go_on);
    rk->commits++;
    step_to(commit, COMMIT_SEND, likely(80) ? draw(0, 3) : draw(3, 50));
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- events ---- */

rd_kafka_event_t *rd_kafka_queue_poll(rd_kafka_queue_t *queue, int timeout_ms)
{
    (void)timeout_ms;
    struct list *node = list_shift(&queue->ops);
    return node != NULL ? list_entry(node, struct rd_kafka_op_s, node) : NULL;
}

rd_kafka_event_type_t rd_kafka_event_type(const rd_kafka_event_t *event)
{
    assert(event->kind == OP_COMMITTED);
    return RD_KAFKA_EVENT_OFFSET_COMMIT;
}

rd_kafka_resp_err_t rd_kafka_event_error(rd_kafka_event_t *event)
{
    return event->err;
}

const char *rd_kafka_event_error_string(rd_kafka_event_t *event)
{
    return rd_kafka_err2str(event->err);
}

rd_kafka_topic_partition_list_t *rd_kafka_event_topic_partition_list(rd_kafka_event_t *event)
{
    return event->list;
}

void rd_kafka_event_destroy(rd_kafka_event_t *event)
{
    op_free(event);
}
