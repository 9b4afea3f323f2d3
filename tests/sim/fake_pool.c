/* Stands in for engine/pool.c and its loops, whose threads and sockets cannot be simulated: one runner (the real one, with driver,
 * cycle and verdict) whose transport reaches the simulated backend. When its process dies, what is on its way arrives all the
 * same. */

#include "base/clock.h"
#include "core/job.h"
#include "engine/awake.h"
#include "engine/pool.h"
#include "engine/query_part.h"
#include "engine/runner.h"
#include "sim/backend.h"
#include "sim/fault.h"
#include "sim/instance.h"
#include "sim/judge.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pool {
    struct pool_config config;
    struct pool_hooks hooks;
    struct instance *instance;
    struct runner runner;
    struct transport transport; /* the runner's */
    struct list submitted;
    unsigned commands;
    struct list queued;   /* transfers that have not begun */
    struct list answered; /* those whose end is to be told */
    struct happening loop;
};

enum call { CALL_PREPARE, CALL_KICKOFF, CALL_POLL, CALL_FETCH };

/* A request on the network, which goes on when its transfer is no more. */
struct errand {
    struct happening at;
    struct transfer *transfer; /* NULL: nobody waits */
    enum call call;
    bool is_lost;        /* its answer will be */
    bool has_arrived;
    int input;
    int sending;
    char key[32];
    char url[160];
    char body[64];
    struct backend_answer answer;
};

struct transfer {
    struct list node; /* queued, answered, or a ring of one */
    struct pool *pool;
    struct errand *errand;
    struct happening timeout;
    int64_t timeout_ms;
    enum call call;
    bool is_held;
    char key[32];
    char url[160];
    char body[64];
    transfer_begun_fn begun;
    transfer_done_fn done;
    void *opaque;
    enum transport_error error;
    bool sent;
    struct backend_answer answer;
};

/* ---- transfers ---- */

static void wake(struct pool *pool)
{
    happen_sooner(&pool->loop, likely(90) ? draw(0, 3) : draw(3, 60));
}

static void transfer_free(struct transfer *transfer)
{
    if (transfer->errand != NULL)
        transfer->errand->transfer = NULL;
    happen_not(&transfer->timeout);
    list_remove(&transfer->node);
    free(transfer);
}

static void answer(struct transfer *transfer, enum transport_error error, bool sent)
{
    if (transfer->errand != NULL)
        transfer->errand->transfer = NULL;
    transfer->errand = NULL;
    transfer->error = error;
    transfer->sent = sent;
    happen_not(&transfer->timeout);
    list_remove(&transfer->node);
    list_push(&transfer->pool->answered, &transfer->node);
    wake(transfer->pool);
}

static void time_out(struct happening *happening)
{
    answer(list_entry(happening, struct transfer, timeout), TRANSPORT_TIMEOUT, true);
}

static void arrive(struct errand *errand)
{
    switch (errand->call) {
    case CALL_PREPARE:
        backend_prepare(errand->url, &errand->answer);
        break;
    case CALL_KICKOFF:
        backend_kick_off(errand->input, errand->sending, errand->key, errand->body, &errand->answer);
        break;
    case CALL_POLL:
        backend_poll(errand->url, &errand->answer);
        break;
    case CALL_FETCH:
        backend_fetch(errand->url, &errand->answer);
        break;
    }
}

static void go_on(struct happening *happening)
{
    struct errand *errand = list_entry(happening, struct errand, at);
    if (!errand->has_arrived) {
        errand->has_arrived = true;
        arrive(errand);
        happen_in(&errand->at, errand->answer.after_ms + draw_latency());
        if (errand->transfer != NULL)
            provoke(errand->transfer->pool->instance, MOMENT_ANSWERED);
        return;
    }
    struct transfer *transfer = errand->transfer;
    if (transfer != NULL) {
        transfer->answer = errand->answer;
        if (errand->answer.is_put_off && !errand->is_lost)
            judge_kickoff_put_off(errand->input, errand->sending);
        answer(transfer, errand->is_lost ? TRANSPORT_NETWORK : TRANSPORT_OK, true);
    }
    free(errand);
}

static void send_out(struct transfer *transfer)
{
    struct errand *errand = calloc(1, sizeof *errand);
    assert(errand != NULL);
    errand->transfer = transfer;
    errand->call = transfer->call;
    memcpy(errand->key, transfer->key, sizeof errand->key);
    memcpy(errand->url, transfer->url, sizeof errand->url);
    memcpy(errand->body, transfer->body, sizeof errand->body);
    provoke(transfer->pool->instance, MOMENT_REQUEST);
    errand->is_lost = likely(world->plan.http_trouble / 2);
    transfer->errand = errand;
    happening_init(&errand->at, go_on);
    happen_in(&errand->at, draw_latency());
    if (transfer->call == CALL_KICKOFF) {
        errand->input = backend_input_of(transfer->key);
        errand->sending = errand->input >= 0 ? judge_kickoff_sent(errand->input, transfer->pool->instance->number) : 0;
        trace(errand->input, "w%d sends a kickoff", transfer->pool->instance->number);
        if (errand->input < 0)
            fail(-1, "I3: a kickoff under the key '%s'", transfer->key);
    }
    if (transfer->timeout_ms > 0)
        happen_in(&transfer->timeout, transfer->timeout_ms);
}

static void begin(struct transfer *transfer)
{
    struct http_headers headers = {0};
    enum transfer_go go = transfer->begun(transfer->opaque, world->now_ms, &headers);
    for (size_t i = 0; i < headers.n; i++) {
        if (strcmp(headers.header[i].name, "Idempotency-Key") == 0)
            snprintf(transfer->key, sizeof transfer->key, "%s", headers.header[i].value);
    }
    switch (go) {
    case TRANSFER_GO:
        if (likely(world->plan.http_trouble / 3))
            answer(transfer, TRANSPORT_CONNECT, false);
        else
            send_out(transfer);
        break;
    case TRANSFER_DROP:
        transfer_free(transfer);
        break;
    case TRANSFER_HOLD:
        transfer->is_held = true;
        break;
    }
}

static enum call call_of(const struct http_request *request)
{
    if (strstr(request->url, "/prepare/") != NULL)
        return CALL_PREPARE;
    if (strstr(request->url, "/results/") != NULL)
        return CALL_FETCH;
    return request->is_kickoff ? CALL_KICKOFF : CALL_POLL;
}

static struct transfer *start(struct transport *transport, const struct http_request *request, transfer_begun_fn begun,
                              transfer_done_fn done, void *opaque)
{
    struct pool *pool = list_entry(transport, struct pool, transport);
    struct transfer *transfer = calloc(1, sizeof *transfer);
    assert(transfer != NULL);
    transfer->pool = pool;
    transfer->call = call_of(request);
    transfer->timeout_ms = request->timeout_ms;
    transfer->begun = begun;
    transfer->done = done;
    transfer->opaque = opaque;
    snprintf(transfer->url, sizeof transfer->url, "%s", request->url);
    snprintf(transfer->body, sizeof transfer->body, "%.*s", (int)request->body_bytes,
             request->body != NULL ? (const char *)request->body : "");
    happening_init(&transfer->timeout, time_out);
    list_push(&pool->queued, &transfer->node);
    wake(pool);
    return transfer;
}

static void cancel(struct transport *transport, struct transfer *transfer, bool is_late)
{
    (void)is_late;
    (void)transport;
    transfer_free(transfer);
}

static void release(struct transport *transport, struct transfer *transfer)
{
    struct pool *pool = list_entry(transport, struct pool, transport);
    assert(transfer->is_held);
    transfer->is_held = false;
    list_push(&pool->queued, &transfer->node);
    wake(pool);
}

/* ---- the loop ---- */

static void report(struct pool *pool)
{
    struct list due;
    list_init(&due);
    list_splice(&due, &pool->answered);
    while (!list_is_empty(&due)) {
        struct transfer *transfer = list_entry(list_shift(&due), struct transfer, node);
        const struct http_reply reply = {
            .error = transfer->error,
            .detail = "simulated",
            .sent = transfer->sent,
            .code = transfer->error == TRANSPORT_OK ? transfer->answer.code : 0,
            .body = transfer->answer.body,
            .body_bytes = strlen(transfer->answer.body),
            .retry_after = transfer->answer.retry_after[0] != '\0' ? transfer->answer.retry_after : NULL,
            .wanted_url = transfer->answer.location[0] != '\0' ? transfer->answer.location : NULL,
            .wanted_raw = transfer->answer.location[0] != '\0' ? transfer->answer.location : NULL,
        };
        transfer->done(transfer->opaque, &reply, world->now_ms);
        transfer_free(transfer);
    }
}

static void begin_queued(struct pool *pool)
{
    struct list due;
    list_init(&due);
    for (size_t i = 0; i < world->plan.begins && !list_is_empty(&pool->queued); i++)
        list_push(&due, list_shift(&pool->queued));
    while (!list_is_empty(&due))
        begin(list_entry(list_shift(&due), struct transfer, node));
    if (!list_is_empty(&pool->queued))
        wake(pool);
}

static void take_mail(struct pool *pool)
{
    unsigned commands = pool->commands;
    pool->commands = 0;
    runner_add(&pool->runner, &pool->submitted);
    runner_command(&pool->runner, commands, world->now_ms);
}

/* By so many at least all naps of this world are smaller than their messages. A beginning is 150 and more. */
#define SMALLER_BY_BYTES 260

/* Who sleeps holds nothing of its beginning, and is charged for what it holds alone. */
static void check_sleepers(const struct pool *pool)
{
    for (const struct list *node = pool->runner.runs.next; node != &pool->runner.runs; node = node->next) {
        const struct run *run = list_entry(node, struct run, node);
        const struct job *job = list_entry(run, struct job, run);
        if (run->cycle.accepted && !run->resumed && run->awake != NULL && run->awake->poll_url != NULL && job->begin != NULL)
            fail(-1, "a run whose kickoff was accepted holds its beginning");
        if (run->nap == NULL)
            continue;
        size_t bytes = job_bytes(job->n_tags, job->envelope_bytes);
        if (job->begin != NULL || run->awake != NULL)
            fail(-1, "a run sleeps with %s", run->awake != NULL ? "its awake" : "its beginning");
        if (job->charged <= bytes || job->charged + SMALLER_BY_BYTES > bytes + job->value_bytes)
            fail(-1, "a run that sleeps is charged %zu bytes beside its job's %zu", job->charged - bytes, bytes);
    }
}

static void turn(struct pool *pool)
{
    take_mail(pool);
    report(pool);
    while (runner_turn(&pool->runner, world->now_ms, 1000))
        continue;
    check_sleepers(pool);
    begin_queued(pool);
}

static void turn_loop(struct happening *happening)
{
    struct pool *pool = list_entry(happening, struct pool, loop);
    int64_t sleeps_ms = instance_sleeps_ms(pool->instance);
    if (sleeps_ms > 0) {
        happen_in(happening, sleeps_ms);
        return;
    }
    world->current = pool->instance;
    turn(pool);
    world->current = NULL;
    int64_t next_ms = runner_next_ms(&pool->runner);
    if (next_ms != CLOCK_NEVER)
        happen_sooner(&pool->loop, next_ms > world->now_ms ? next_ms - world->now_ms : 0);
    instance_wake(pool->instance);
}

/* ---- what the worker calls ---- */

struct pool *pool_new(const struct pool_config *config, const struct pool_hooks *hooks, char *why, size_t why_bytes)
{
    (void)why, (void)why_bytes;
    struct pool *pool = calloc(1, sizeof *pool);
    assert(pool != NULL);
    pool->config = *config;
    pool->config.gates = gates_new(&(struct gates_config){0}); /* for the crowds; the transport below knows of none */
    assert(pool->config.gates != NULL);
    pool->hooks = *hooks;
    pool->instance = world->current;
    pool->transport = (struct transport){start, cancel, release};
    list_init(&pool->submitted);
    list_init(&pool->queued);
    list_init(&pool->answered);
    runner_init(&pool->runner, &pool->config, &pool->hooks, &pool->transport, chance_draw(&world->chance));
    happening_init(&pool->loop, turn_loop);
    return pool;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    pool->commands |= RUNNER_ABANDON;
    take_mail(pool);
    while (runner_turn(&pool->runner, world->now_ms, 1000))
        continue;
    runner_deinit(&pool->runner); /* errands may be queued until then */
    assert(list_is_empty(&pool->queued) && list_is_empty(&pool->answered));
    gates_free(pool->config.gates);
    happen_not(&pool->loop);
    free(pool);
}

void pool_submit(struct pool *pool, struct run *run)
{
    runner_announce(&pool->runner, run, world->now_ms, clock_wall_ms());
    list_push(&pool->submitted, &run->node);
    wake(pool);
}

static void command(struct pool *pool, unsigned commands)
{
    pool->commands |= commands;
    wake(pool);
}

void pool_sweep(struct pool *pool)
{
    command(pool, RUNNER_SWEEP);
}

void pool_park(struct pool *pool)
{
    command(pool, RUNNER_PARK);
}

void pool_permit(struct pool *pool, struct run *run)
{
    (void)pool;
    atomic_store(&run->permitted, true);
}

void pool_permits_given(struct pool *pool)
{
    command(pool, RUNNER_PERMIT);
}

void pool_abandon_all(struct pool *pool)
{
    command(pool, RUNNER_ABANDON);
}

void pool_ask(struct pool *pool)
{
    pool->commands |= RUNNER_ASK;
    wake(pool);
}

void pool_query(struct pool *pool, struct query *query)
{
    query_expect(query, 1);
    struct query_part *part = query_part_new(query);
    assert(part != NULL);
    runner_query(&pool->runner, part);
    wake(pool);
}

int64_t pool_loop_cpu_us(struct pool *pool, size_t i)
{
    (void)pool, (void)i;
    return -1;
}

void pool_read_counts(struct pool *pool, struct pool_counts *out)
{
    *out = (struct pool_counts){
        .in_flight = atomic_load(&pool->runner.in_flight),
        .in_requests = atomic_load(&pool->runner.in_requests),
        .n_errands = atomic_load(&pool->runner.errands.n),
        .oldest_turn_mono_ms = world->now_ms,
    };
}
