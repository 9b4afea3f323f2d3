#include "core/flight.h"

#include "base/slabs.h"
#include "core/flight_inside.h"
#include "core/name_set.h"
#include "ops/log.h"
#include "ops/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_TOPICS_MAX 10000
#define LEAST_UNPREPARED 64
#define LEAST_UNPREPARED_CROWDED 16

void flight_fail(struct flight *flight, const char *reason)
{
    if (!flight->closing)
        flight->hooks.fatal(reason, flight->hooks.opaque);
}

void flight_count_jobs(struct flight *flight)
{
    atomic_store_explicit(&flight->jobs_shown, flight->jobs, memory_order_relaxed);
}

/* One count for all, so that it is never below what is held: of one job no sum of changes is negative. */
void flight_charge(struct flight *flight, struct job *job, ptrdiff_t bytes)
{
    assert(bytes >= 0 || job->charged >= (size_t)-bytes);
    job->charged += (uint32_t)bytes;
    atomic_fetch_add_explicit(&flight->bytes, (size_t)bytes, memory_order_relaxed);
}

/* ---- messages ---- */

void flight_submit(struct flight *flight, struct job *job)
{
    atomic_fetch_add_explicit(&flight->unprepared, 1, memory_order_relaxed);
    pool_submit(flight->pool, &job->run);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* While an origin is crowded, each partition that brings more of it brings so many before it pauses: all together an
 * eighth of max-in-flight. */
static size_t most_unprepared(const struct flight *flight)
{
    size_t most = larger(flight->config.max_in_flight / 8, LEAST_UNPREPARED);
    return crowds_are_there(&flight->crowds) ? larger(most / flight->partitions, LEAST_UNPREPARED_CROWDED) : most;
}

size_t flight_room(struct flight *flight)
{
    size_t most = most_unprepared(flight);
    atomic_store_explicit(&flight->most_unprepared, most, memory_order_relaxed);
    size_t unprepared = atomic_load_explicit(&flight->unprepared, memory_order_relaxed);
    return unprepared < most ? most - unprepared : 0;
}

/* Inputs that wait for each other hold half of max-in-flight at most, each partition its share: one slow key must not keep
 * the others' inputs out. A paused partition goes on with room for some more, since a pause throws messages away. */
void flight_serve_lanes(struct flight *flight, struct assignment *assignment)
{
    if (flight->config.ordering == LANES_NONE)
        return;
    size_t share = flight->config.max_in_flight / 2 / flight->partitions;
    size_t most = share > 0 ? share : 1;
    size_t waiting = lanes_waiting_of(flight->lanes, assignment);
    if (waiting >= most)
        flight->hooks.pause(assignment, true, flight->hooks.opaque);
    else if (waiting <= most - (most + 7) / 8)
        flight->hooks.pause(assignment, false, flight->hooks.opaque);
}

int flight_take(struct flight *flight, struct assignment *assignment, const rd_kafka_message_t *message)
{
    struct job_tags tags;
    struct checkpoint *checkpoint = ledger_take(flight->ledger, assignment, message->offset, &tags);
    struct job *job =
        tags.lacked_memory ? NULL : job_new(flight->job_slabs, assignment, message, &tags, flight->config.checkpoints_topic != NULL);
    if (job == NULL) {
        free(checkpoint);
        return -1;
    }
    job->begin->checkpoint = checkpoint;
    enum lanes_entry entry = lanes_enter(flight->lanes, job);
    if (entry == LANES_NO_MEMORY) {
        job_free(job);
        return -1;
    }
    job->run.phase = METRIC_PHASE_QUEUED; /* be it in its lane, or in a loop's mailbox */
    metrics_add(flight->config.shard, METRIC_RUNS_IN_FLIGHT, METRIC_PHASE_QUEUED, 1);
    flight->jobs++;
    flight_charge(flight, job, (ptrdiff_t)(job_bytes(job->n_tags, job->envelope_bytes) + job_begin_bytes(job)));
    flight_count_jobs(flight);
    atomic_fetch_add_explicit(&flight->taken, 1, memory_order_relaxed);
    metrics_add(flight->config.shard, METRIC_INVOCATIONS_TOTAL, 0, 1);
    if (entry == LANES_GO)
        flight_submit(flight, job);
    else
        flight_serve_lanes(flight, assignment);
    return 0;
}

void flight_turn(struct flight *flight, int64_t now_ms, int64_t *next_ms)
{
    int64_t ledger_next_ms;
    flight->now_ms = now_ms;
    landing_serve(flight);
    int64_t crowds_next_ms = crowds_serve(&flight->crowds, now_ms);
    publisher_turn(flight->publisher, now_ms, next_ms);
    landing_retry(flight);
    ledger_turn(flight->ledger, now_ms, &ledger_next_ms);
    (void)ebb_turn(&flight->ebb, flight_bytes(flight), now_ms);
    if (atomic_load(&flight->intent_lost))
        flight_fail(flight, "out of memory for an intent, without which no kickoff may go (kickoff-guarantee is at-most-once)");
    if (!list_is_empty(&flight->retries) && *next_ms > flight->retry_at_ms)
        *next_ms = flight->retry_at_ms;
    if (*next_ms > ledger_next_ms)
        *next_ms = ledger_next_ms;
    if (*next_ms > crowds_next_ms)
        *next_ms = crowds_next_ms;
}

/* ---- partitions ---- */

void flight_restore(struct flight *flight, struct assignment *assignment)
{
    ledger_restore(flight->ledger, assignment);
}

void flight_clean(struct flight *flight, struct assignment *assignment,
                  bool (*is_done)(struct assignment *assignment, int64_t offset, void *opaque), void *opaque)
{
    ledger_clean(flight->ledger, assignment, is_done, opaque);
}

void flight_confirmed(struct flight *flight, struct assignment *assignment, uint64_t ticket)
{
    permits_confirmed(&flight->permits, flight->pool, assignment, ticket);
}

void flight_committed(struct flight *flight, struct assignment *assignment, const struct consumer_mark *marks, size_t n)
{
    ledger_erase(flight->ledger, assignment, marks, n);
}

static void collect(struct job *job, void *opaque)
{
    list_push(opaque, &job->run.node);
}

/* What waits in its lane was never begun. NULL: of all assignments. */
static void hand_back_waiting(struct flight *flight, const struct assignment *assignment)
{
    struct list dropped;
    struct list *node;
    list_init(&dropped);
    lanes_drop(flight->lanes, assignment, collect, &dropped);
    while ((node = list_shift(&dropped)) != NULL)
        flight_hand_back(flight, list_entry(node, struct job, run.node));
}

void flight_leave(struct flight *flight, struct assignment *assignment)
{
    hand_back_waiting(flight, assignment);
    crowds_leave(&flight->crowds, assignment, flight->now_ms);
    ledger_leave(flight->ledger, assignment);
    pool_sweep(flight->pool);
}

void flight_share_out(struct flight *flight, size_t partitions)
{
    flight->partitions = partitions > 0 ? partitions : 1;
}

void flight_park(struct flight *flight)
{
    hand_back_waiting(flight, NULL);
    pool_park(flight->pool);
}

void flight_abandon_all(struct flight *flight)
{
    pool_abandon_all(flight->pool);
}

/* ---- counts ---- */

size_t flight_jobs(const struct flight *flight)
{
    return flight->jobs;
}

size_t flight_bytes(const struct flight *flight)
{
    struct ledger_counts counts;
    ledger_read_counts(flight->ledger, &counts);
    return atomic_load_explicit(&flight->bytes, memory_order_relaxed) + counts.outstanding_bytes;
}

size_t flight_notes(const struct flight *flight)
{
    struct ledger_counts counts;
    ledger_read_counts(flight->ledger, &counts);
    return counts.outstanding;
}

void flight_count_checkpoints(struct flight *flight)
{
    struct ledger_counts now;
    if (flight->config.shard == NULL)
        return;
    ledger_read_counts(flight->ledger, &now);
    ledger_count_growth(&flight->counted, &now, flight->config.shard);
    flight->counted = now;
}

size_t flight_errands(const struct flight *flight)
{
    struct pool_counts counts;
    pool_read_counts(flight->pool, &counts);
    return counts.n_errands;
}

struct pool *flight_pool(struct flight *flight)
{
    return flight->pool;
}

void flight_read_counts(const struct flight *flight, struct flight_counts *out)
{
    *out = (struct flight_counts){
        .taken = atomic_load_explicit(&flight->taken, memory_order_relaxed),
        .handed_back = atomic_load_explicit(&flight->handed_back, memory_order_relaxed),
        .jobs = atomic_load_explicit(&flight->jobs_shown, memory_order_relaxed),
    };
    for (int i = 0; i <= RXP_STATUS_REJECTED; i++)
        out->landed[i] = atomic_load_explicit(&flight->landed[i], memory_order_relaxed);
}

/* ---- what the ledger says ---- */

static void on_restored(struct assignment *assignment, void *opaque)
{
    struct flight *flight = opaque;
    /* The topic is there now. The first checkpoints would else wait for half a second, and be lost with the process. */
    if (flight->config.checkpoints_topic != NULL)
        publisher_open_topic(flight->publisher, flight->config.checkpoints_topic);
    flight->hooks.restored(assignment, flight->hooks.opaque);
}

static void on_intent_written(struct job *job, void *opaque)
{
    struct flight *flight = opaque;
    uint64_t ticket = flight->hooks.confirm(job->ref.assignment, flight->hooks.opaque);
    /* Without one its assignment has gone, and the run ends by its tenure. */
    if (ticket != 0)
        permits_wait(&flight->permits, job, ticket);
}

static void on_intent_failed(struct job *job, const char *reason, void *opaque)
{
    struct flight *flight = opaque;
    char text[512];
    snprintf(text, sizeof text, "no kickoff can go for %s [%" PRId32 "] offset %" PRId64 ", since its intent cannot be written "
             "(kickoff-guarantee is at-most-once): %s", job->ref.assignment->topic, job->ref.assignment->partition,
             job->ref.offset, reason);
    flight_fail(flight, text);
}

static void on_fatal(const char *reason, void *opaque)
{
    flight_fail(opaque, reason);
}

/* ---- life ---- */

static struct publisher *make_publisher(struct flight *flight, char *why, size_t why_bytes)
{
    const char *topics[2] = {flight->config.settle.results_topic, flight->config.settle.dead_letter_topic};
    const struct publisher_config config = {
        .settings = flight->config.kafka,
        .event_fd = flight->config.event_fd,
        .topics = topics,
        .n_topics = topics[1] != NULL ? 2 : 1,
    };
    const struct publisher_hooks hooks = {.delivered = landing_delivered, .fatal = on_fatal, .opaque = flight};
    return publisher_new(&config, &hooks, why, why_bytes);
}

static struct ledger *make_ledger(struct flight *flight, char *why, size_t why_bytes)
{
    const struct ledger_config config = {
        .settings = flight->config.kafka,
        .topic = flight->config.checkpoints_topic,
        .inputs = flight->config.input_topics,
        .n_inputs = flight->config.n_input_topics,
        .worker_id = flight->config.settle.worker_id,
        .at_most_once = flight->config.at_most_once,
        .max_parked = flight->config.max_in_flight,
        .max_parked_bytes = flight->config.max_parked_bytes,
        .event_fd = flight->config.event_fd,
    };
    const struct ledger_hooks hooks = {
        .restored = on_restored,
        .intent_written = on_intent_written,
        .intent_failed = on_intent_failed,
        .fatal = on_fatal,
        .opaque = flight,
    };
    return ledger_new(&config, &hooks, why, why_bytes);
}

static int make_rooms(struct flight *flight, char *why, size_t why_bytes)
{
    flight->lanes = lanes_new(flight->config.ordering);
    flight->job_slabs = slabs_new();
    flight->config.settle.reply.seen = name_set_new(REPLY_TOPICS_MAX);
    if (flight->lanes == NULL || flight->job_slabs == NULL || flight->config.settle.reply.seen == NULL) {
        snprintf(why, why_bytes, "out of memory");
        return -1;
    }
    flight->publisher = make_publisher(flight, why, why_bytes);
    if (flight->publisher == NULL)
        return -1;
    flight->ledger = make_ledger(flight, why, why_bytes);
    if (flight->ledger == NULL)
        return -1;
    ledger_use_publisher(flight->ledger, flight->publisher);
    const struct pool_hooks hooks = flight_pool_hooks(flight);
    flight->pool = pool_new(&flight->config.pool, &hooks, why, why_bytes);
    return flight->pool != NULL ? 0 : -1;
}

struct flight *flight_new(const struct flight_config *config, const struct flight_hooks *hooks, char *why,
                          size_t why_bytes)
{
    struct flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL) {
        snprintf(why, why_bytes, "out of memory");
        return NULL;
    }
    flight->config = *config;
    flight->config.pool.resumable = config->checkpoints_topic != NULL;
    flight->config.pool.crowd_above = config->max_in_flight / 2;
    flight->hooks = *hooks;
    flight->partitions = 1;
    list_init(&flight->retries);
    permits_init(&flight->permits);
    crowds_init(&flight->crowds, config->max_in_flight * 3 / 8, hooks->crowd, hooks->opaque);
    int failed = mailbox_init(&flight->mailbox, config->event_fd);
    if (failed != 0) {
        snprintf(why, why_bytes, "eventfd: %s", strerror(-failed));
        crowds_deinit(&flight->crowds, 0);
        free(flight);
        return NULL;
    }
    if (make_rooms(flight, why, why_bytes) != 0) {
        flight_free(flight);
        return NULL;
    }
    return flight;
}

/* The pool first: its runs end abandoned. Then the publisher: its reports say lost. So every job comes home. */
void flight_free(struct flight *flight)
{
    if (flight == NULL)
        return;
    flight->closing = true;
    if (flight->lanes != NULL)
        hand_back_waiting(flight, NULL);
    pool_free(flight->pool);
    flight->pool = NULL;
    if (flight->ledger != NULL)
        ledger_use_publisher(flight->ledger, NULL);
    landing_serve(flight);
    publisher_free(flight->publisher);
    struct list *node;
    while ((node = list_shift(&flight->retries)) != NULL)
        flight_hand_back(flight, list_entry(node, struct job, run.node));
    /* librdkafka may keep a message to itself at its end; what its job holds is then left to the process's end. */
    if (flight->jobs > 0)
        log_event(LOG_WARN, "jobs_left", "%zu results were neither acknowledged nor given up at the end", flight->jobs);
    else
        assert(atomic_load(&flight->bytes) == 0);
    ledger_free(flight->ledger);
    lanes_free(flight->lanes);
    crowds_deinit(&flight->crowds, flight->now_ms);
    mailbox_deinit(&flight->mailbox);
    name_set_free(flight->config.settle.reply.seen);
    slabs_release(flight->job_slabs);
    free(flight);
}
