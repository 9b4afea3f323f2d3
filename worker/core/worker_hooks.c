/* What the consumer tells the flight, and the flight the consumer. All on the Kafka thread. */
#include "core/worker_inside.h"
#include "ops/log.h"

#include <inttypes.h>

/* ---- from the consumer ---- */

static void on_assigned(struct assignment *assignment, void *opaque)
{
    struct worker *worker = opaque;
    flight_restore(worker->flight, assignment);
}

static bool is_done(struct assignment *assignment, int64_t offset, void *opaque)
{
    const struct worker *worker = opaque;
    const struct ref ref = {assignment, offset};
    return consumer_is_done(worker->consumer, &ref);
}

static void on_running(struct assignment *assignment, void *opaque)
{
    struct worker *worker = opaque;
    flight_clean(worker->flight, assignment, is_done, worker);
}

static void on_message(struct assignment *assignment, const rd_kafka_message_t *message, void *opaque)
{
    struct worker *worker = opaque;
    if (flight_take(worker->flight, assignment, message) != 0)
        worker_fail(worker, "out of memory for a message; it stays uncommitted");
    worker_serve_back_pressure(worker); /* the limit holds within a turn, too */
}

static const char *describe_leaving(enum leaving leaving)
{
    switch (leaving) {
    case LEAVING_REVOKED:
        return "revoked";
    case LEAVING_LOST:
        return "lost: nothing more is committed";
    case LEAVING_OVER:
        return "over";
    }
    return "?";
}

static void on_leaving(struct assignment *assignment, enum leaving leaving, void *opaque)
{
    struct worker *worker = opaque;
    log_event(leaving == LEAVING_OVER ? LOG_DEBUG : LOG_INFO, "partition_leaving", "%s [%" PRId32 "] %s",
              assignment->topic, assignment->partition, describe_leaving(leaving));
    flight_leave(worker->flight, assignment);
}

static void on_committed(struct assignment *assignment, const struct consumer_mark *marks, size_t n, void *opaque)
{
    struct worker *worker = opaque;
    flight_committed(worker->flight, assignment, marks, n);
}

static void on_confirmed(struct assignment *assignment, uint64_t ticket, void *opaque)
{
    struct worker *worker = opaque;
    flight_confirmed(worker->flight, assignment, ticket);
}

static void on_fatal(const char *reason, void *opaque)
{
    worker_fail(opaque, reason);
}

struct consumer_hooks worker_consumer_hooks(struct worker *worker)
{
    return (struct consumer_hooks){
        .message = on_message,
        .assigned = on_assigned,
        .running = on_running,
        .leaving = on_leaving,
        .committed = on_committed,
        .confirmed = on_confirmed,
        .fatal = on_fatal,
        .opaque = worker,
    };
}

/* ---- from the flight ---- */

static void on_restored(struct assignment *assignment, void *opaque)
{
    struct worker *worker = opaque;
    consumer_restored(worker->consumer, assignment);
}

static void on_landed(const struct ref *ref, const struct job_tags *tags, void *opaque)
{
    struct worker *worker = opaque;
    consumer_done(worker->consumer, ref, tags->writer, tags->n);
}

static void on_ready(struct job *job, void *opaque)
{
    struct worker *worker = opaque;
    batcher_add(worker->batcher, job);
}

static uint64_t on_confirm(struct assignment *assignment, void *opaque)
{
    struct worker *worker = opaque;
    return consumer_confirm(worker->consumer, assignment);
}

static void on_pause(struct assignment *assignment, bool pause, void *opaque)
{
    struct worker *worker = opaque;
    consumer_pause(worker->consumer, assignment, pause);
}

static void on_crowd(struct assignment *assignment, bool pause, void *opaque)
{
    struct worker *worker = opaque;
    consumer_crowd(worker->consumer, assignment, pause);
}

struct flight_hooks worker_flight_hooks(struct worker *worker)
{
    return (struct flight_hooks){
        .landed = on_landed,
        .ready = on_ready,
        .restored = on_restored,
        .confirm = on_confirm,
        .pause = on_pause,
        .crowd = on_crowd,
        .fatal = on_fatal,
        .opaque = worker,
    };
}
