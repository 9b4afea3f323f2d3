/* Everything here runs on loop threads, save flight_pool_hooks. */
#include "base/clock.h"
#include "core/cancels.h"
#include "core/flight_inside.h"
#include "core/intake.h"
#include "core/progress.h"
#include "engine/awake.h"
#include "engine/profiles.h"
#include "engine/query.h"
#include "engine/trace_context.h"
#include "ops/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The loops have looked what it is; or they never will. */
static void count_prepared(struct flight *flight, struct job *job)
{
    if (job->prepared)
        return;
    job->prepared = true;
    size_t before = atomic_fetch_sub_explicit(&flight->unprepared, 1, memory_order_relaxed);
    if (before == atomic_load_explicit(&flight->most_unprepared, memory_order_relaxed) / 2)
        mailbox_wake(&flight->mailbox); /* messages are taken again */
}

static void on_crowded(struct run *run, struct gate *gate, void *opaque)
{
    struct flight *flight = opaque;
    crowds_join(&flight->crowds, job_of_run(run), gate);
    mailbox_wake(&flight->mailbox);
}

static size_t trace_bytes(const struct job *job)
{
    const struct trace_context *trace = job->run.awake->trace;
    return trace != NULL ? sizeof *trace + strlen(trace->tracestate) + 1 : 0;
}

/* The invocation, which is about as large as its text, and what was made of it. */
static size_t prepared_bytes(const struct job *job)
{
    const struct awake *awake = job->run.awake;
    return (awake->invocation != NULL ? job->value_bytes : 0) + awake->made.owned_bytes + trace_bytes(job);
}

static enum pool_prepared on_prepare(struct run *run, void *opaque)
{
    struct flight *flight = opaque;
    const struct intake_limits limits = {
        .max_message_bytes = flight->config.max_message_bytes,
        .profiles = flight->config.profiles,
        .keep_value = flight->config.settle.dead_letter_topic != NULL,
    };
    struct job *job = job_of_run(run);
    ptrdiff_t before = (ptrdiff_t)job_begin_bytes(job);
    enum pool_prepared prepared = intake_prepare(job, &limits);
    if (prepared == POOL_NOT_NOW)
        return prepared; /* not counted: no more messages are taken than fit among those that wait for memory */
    flight_charge(flight, job, (ptrdiff_t)(job_begin_bytes(job) + prepared_bytes(job)) - before);
    count_prepared(flight, job); /* what it takes is counted by then */
    return prepared;
}

/* No kickoff is to come, and an accepted run can't be rejected any more, so that there will be no dead letter. */
static void drop_begin(struct flight *flight, struct job *job)
{
    flight_charge(flight, job, -(ptrdiff_t)job_begin_bytes(job));
    crowds_forget(&flight->crowds, job, clock_mono_ms());
    job_drop_begin(job);
}

static bool on_permit(struct run *run, void *opaque)
{
    struct flight *flight = opaque;
    if (ledger_note_intent(flight->ledger, job_of_run(run)) != 0) {
        atomic_store(&flight->intent_lost, true);
        mailbox_wake(&flight->mailbox);
    }
    return false;
}

static void on_begun(struct run *run, void *opaque)
{
    const struct job *job = job_of_run(run);
    (void)opaque;
    if (job->message_ms >= 0)
        metrics_observe_ms(pool_shard(run), METRIC_QUEUE_AGE_SECONDS, run->started_at_ms - job->message_ms);
}

static void on_accepted(struct run *run, void *opaque)
{
    struct flight *flight = opaque;
    struct job *job = job_of_run(run);
    drop_begin(flight, job);
    run->has_news = ledger_note_run(flight->ledger, job) != 0 || run->has_news; /* then it is told of again */
}

static void on_noted(struct run *run, void *opaque)
{
    struct flight *flight = opaque;
    run->has_news = ledger_note_again(flight->ledger, job_of_run(run)) != 0;
}

static bool on_progressed(struct run *run, void *opaque)
{
    struct flight *flight = opaque;
    return progress_report(flight->config.progress, job_of_run(run));
}

static const struct rxp_defaults *on_defaults(struct run *run, void *opaque)
{
    const struct rxp_defaults *defaults = NULL;
    struct rxp_refusal why;
    struct run_peek peek;
    (void)opaque;
    run_look(run, &peek);
    int failed = profile_set_find(job_of_run(run)->profiles, peek.runtime_name, &defaults, &why);
    assert(failed == 0); /* as in prepare, of the same set */
    return defaults;
}

static int on_find_trace(struct run *run, struct trace_context **out, void *opaque)
{
    (void)opaque;
    return intake_find_trace(job_of_run(run), out);
}

static void on_slept(struct run *run, void *opaque)
{
    struct flight *flight = opaque;
    struct job *job = job_of_run(run);
    drop_begin(flight, job);
    flight_charge(flight, job, -(ptrdiff_t)prepared_bytes(job));
}

static void on_resized(struct run *run, ptrdiff_t bytes, void *opaque)
{
    struct flight *flight = opaque;
    if (run != NULL)
        flight_charge(flight, job_of_run(run), bytes);
    else
        atomic_fetch_add_explicit(&flight->bytes, (size_t)bytes, memory_order_relaxed);
}

static bool on_is_cancelled(struct run *run, void *opaque)
{
    struct flight *flight = opaque;
    struct job *job = job_of_run(run);
    struct run_peek peek;
    run_look(run, &peek);
    if (peek.invocation_id == NULL || !cancels_hit(flight->config.cancels, peek.invocation_id, job->message_ms)) {
        return false;
    }
    if (!job->cancel_counted) {
        job->cancel_counted = true;
        metrics_add_shared(flight->config.metrics, METRIC_CANCELS_TOTAL, METRIC_CANCEL_HIT, 1);
    }
    return true;
}

static void on_describe(struct run *run, struct query_row *row, void *opaque)
{
    (void)opaque;
    const struct job *job = job_of_run(run);
    row->key.topic = job->ref.assignment->topic;
    row->key.partition = job->ref.assignment->partition;
    row->key.offset = job->ref.offset;
    row->input_ms = job->message_ms;
}

static void return_job(struct flight *flight, struct job *job, enum job_return returned)
{
    job->returned = returned;
    mailbox_post(&flight->mailbox, &job->run.node);
}

static void on_ended(struct run *run, void *opaque)
{
    struct flight *flight = opaque;
    struct job *job = job_of_run(run);
    count_prepared(flight, job);
    if (run->awake != NULL)
        job->charged += (uint32_t)awake_bytes(run->awake); /* counted by its loop so far */
    if (run->abandoned) {
        return_job(flight, job, JOB_ABANDONED);
        return;
    }
    assert(run->awake != NULL); /* only an abandoned run ends asleep */
    if (run->awake->nap != NULL) /* what was made of it again, each time that it woke: held until the result is acknowledged */
        flight_charge(flight, job, (ptrdiff_t)(run->awake->made.owned_bytes + trace_bytes(job)));
    if (run->awake->result != NULL)
        flight_charge(flight, job, (ptrdiff_t)strlen(run->awake->result));
    switch (settle_send(job, flight->publisher, &flight->config.settle)) {
    case SETTLE_SENT:
        break; /* the Kafka thread's now, perhaps freed already */
    case SETTLE_READY:
        return_job(flight, job, JOB_BATCHED);
        break;
    case SETTLE_LATER:
        return_job(flight, job, JOB_RETRY);
        break;
    case SETTLE_NEVER:
        return_job(flight, job, JOB_UNSENDABLE);
        break;
    }
}

/* A worker that drains waits for it. */
static void on_errands_over(void *opaque)
{
    struct flight *flight = opaque;
    mailbox_wake(&flight->mailbox);
}

struct pool_hooks flight_pool_hooks(struct flight *flight)
{
    return (struct pool_hooks){
        .prepare = on_prepare,
        .crowded = on_crowded,
        .permit = flight->config.at_most_once ? on_permit : NULL,
        .begun = on_begun,
        .accepted = on_accepted,
        .noted = on_noted,
        .progressed = flight->config.progress != NULL ? on_progressed : NULL,
        .is_cancelled = flight->config.cancels != NULL ? on_is_cancelled : NULL,
        .defaults = on_defaults,
        .find_trace = on_find_trace,
        .slept = on_slept,
        .resized = on_resized,
        .describe = on_describe,
        .ended = on_ended,
        .errands_over = on_errands_over,
        .opaque = flight,
    };
}
