/* Jobs that come home: all on the Kafka thread. */
#include "base/clock.h"
#include "core/flight_inside.h"
#include "core/history.h"
#include "core/job.h"
#include "engine/awake.h"
#include "ops/log.h"
#include "ops/metrics.h"

#include <assert.h>
#include <inttypes.h>

/* What the local queue or memory refused is tried again so much later at the latest. */
#define RETRY_MS 50
#define REFUSAL_LOG_MS 1000

/* The job is over, however it ended; whoever waited for it in its lane goes next. */
static void end_job(struct flight *flight, struct job *job)
{
    struct job *next = lanes_leave(flight->lanes, job);
    if (next != NULL)
        flight_submit(flight, next);
    flight_serve_lanes(flight, job->ref.assignment);
    if (job->run.phase != METRIC_PHASE_N)
        metrics_add(flight->config.shard, METRIC_RUNS_IN_FLIGHT, job->run.phase, -1);
    permits_forget(job);
    crowds_forget(&flight->crowds, job, flight->now_ms);
    ledger_release(flight->ledger, job);
    assert(flight->jobs > 0);
    flight->jobs--;
    flight_charge(flight, job, -(ptrdiff_t)job->charged);
    flight_count_jobs(flight);
    job_free(job);
}

void flight_hand_back(struct flight *flight, struct job *job)
{
    atomic_fetch_add_explicit(&flight->handed_back, 1, memory_order_relaxed);
    metrics_add(flight->config.shard, METRIC_HANDED_BACK_TOTAL, 0, 1);
    end_job(flight, job);
}

void flight_give_up(struct flight *flight, struct job *job, const char *reason)
{
    char text[512];
    snprintf(text, sizeof text, "the result of %s [%" PRId32 "] offset %" PRId64 " cannot be sent, even in its smallest "
             "form: %s; its input stays uncommitted", job->ref.assignment->topic, job->ref.assignment->partition,
             job->ref.offset, reason != NULL ? reason : "the producer has ended, or refuses it");
    flight_fail(flight, text);
    flight_hand_back(flight, job);
}

/* Of replies that were asked for and left out; the results say it each. */
static void tell_reply_shed(struct flight *flight, const struct job *job)
{
    if (flight->now_ms < flight->reply_told_ms + REFUSAL_LOG_MS) {
        flight->replies_untold++;
        return;
    }
    log_event(LOG_WARN, "reply_shed", "%s [%" PRId32 "] offset %" PRId64 " asks for a reply and gets none: %s (and %zu others "
              "since the last such line)", job->ref.assignment->topic, job->ref.assignment->partition, job->ref.offset,
              reply_refusal_text(job->reply_refusal), flight->replies_untold);
    flight->reply_told_ms = flight->now_ms;
    flight->replies_untold = 0;
}

static void count_landed(struct flight *flight, const struct run *run)
{
    struct metrics_shard *shard = flight->config.shard;
    const struct outcome *outcome = &run->awake->outcome;
    const char *url = run->awake->plan != NULL ? run->awake->plan->kickoff.url : NULL; /* of a rejection there may be no plan */
    if (shard == NULL)
        return;
    metrics_add(shard, METRIC_RUNS_TOTAL, metrics_run_cell(outcome->status, outcome->error), 1);
    metrics_add(shard, METRIC_RUNS_BY_ORIGIN_TOTAL, metrics_origin_cell(flight->config.metrics, url, outcome->status), 1);
    int64_t took_ms = clock_wall_ms() - outcome->finished_at_ms;
    metrics_observe_ms(shard, METRIC_RESULT_SECONDS, took_ms > 0 ? took_ms : 0);
}

void flight_land(struct flight *flight, struct job *job)
{
    count_landed(flight, &job->run);
    run_line_write(job, flight->config.log_runs);
    if (flight->config.history != NULL && job->run.awake->outcome.status != RXP_STATUS_SUCCEEDED)
        history_note(flight->config.history, &job->run);
    atomic_fetch_add_explicit(&flight->landed[job->run.awake->outcome.status], 1, memory_order_relaxed);
    if (job->reply_refusal != REPLY_TAKEN)
        tell_reply_shed(flight, job);
    end_job(flight, job);
}

struct job_tags flight_tags(const struct flight *flight, const struct job *job)
{
    return ledger_tags(flight->ledger, job);
}

static void land(struct flight *flight, struct job *job)
{
    const struct job_tags tags = flight_tags(flight, job);
    flight->hooks.landed(&job->ref, &tags, flight->hooks.opaque);
    flight_land(flight, job);
}

/* Its run ended without a result. What the backend knows of it is noted, or was never told to it. */
static void abandoned(struct flight *flight, struct job *job)
{
    if (job->noted && !run_was_begun(&job->run))
        ledger_withdraw(flight->ledger, job);
    ledger_park(flight->ledger, job);
    flight_hand_back(flight, job);
}

/* False where nothing can be sent just now. */
static bool send_job(struct flight *flight, struct job *job)
{
    switch (settle_send(job, flight->publisher, &flight->config.settle)) {
    case SETTLE_SENT:
        break;
    case SETTLE_READY:
        flight->hooks.ready(job, flight->hooks.opaque);
        break;
    case SETTLE_LATER:
        list_push(&flight->retries, &job->run.node);
        return false;
    case SETTLE_NEVER:
        flight_give_up(flight, job, NULL);
        break;
    }
    return true;
}

void flight_tell_refusal(struct flight *flight, const struct job *job, const char *reason)
{
    if (flight->now_ms < flight->refusal_told_ms + REFUSAL_LOG_MS) {
        flight->refusals_untold++;
        return;
    }
    log_event(LOG_WARN, "result_refused", "%s [%" PRId32 "] offset %" PRId64 ": %s; it goes again, %s (and %zu others "
              "since the last such line)", job->ref.assignment->topic, job->ref.assignment->partition, job->ref.offset,
              reason, settle_describe(job), flight->refusals_untold);
    flight->refusal_told_ms = flight->now_ms;
    flight->refusals_untold = 0;
}

static void job_delivered(struct flight *flight, struct job *job, enum delivery delivery, const char *reason)
{
    job_take_over(job);
    if (flight->closing) {
        flight_hand_back(flight, job);
        return;
    }
    switch (settle_delivered(job, delivery, &flight->config.settle)) {
    case SETTLE_DONE:
        land(flight, job);
        break;
    case SETTLE_AGAIN:
        if (delivery != DELIVERY_ACKNOWLEDGED)
            flight_tell_refusal(flight, job, reason);
        send_job(flight, job);
        break;
    case SETTLE_UNSENDABLE:
        flight_give_up(flight, job, reason);
        break;
    case SETTLE_LOST:
        flight_hand_back(flight, job);
        break;
    }
}

void landing_delivered(void *message_opaque, enum delivery delivery, const char *reason, void *opaque)
{
    struct flight *flight = opaque;
    struct parcel *parcel = message_opaque;
    switch (parcel->kind) {
    case PARCEL_JOB:
        job_delivered(flight, message_opaque, delivery, reason);
        break;
    case PARCEL_CHECKPOINT:
        ledger_delivered(flight->ledger, parcel, delivery, reason);
        break;
    }
}

void landing_serve(struct flight *flight)
{
    struct list returned;
    list_init(&returned);
    mailbox_take(&flight->mailbox, &returned);
    struct list *node;
    while ((node = list_shift(&returned)) != NULL) {
        struct job *job = list_entry(node, struct job, run.node);
        switch (job->returned) {
        case JOB_ABANDONED:
            abandoned(flight, job);
            break;
        case JOB_UNSENDABLE:
            flight_give_up(flight, job, NULL);
            break;
        case JOB_BATCHED:
            if (flight->closing) /* who gathers batches is gone */
                flight_hand_back(flight, job);
            else
                flight->hooks.ready(job, flight->hooks.opaque);
            break;
        case JOB_RETRY:
            list_push(&flight->retries, &job->run.node);
            break;
        }
    }
}

void landing_retry(struct flight *flight)
{
    if (flight->now_ms < flight->retry_at_ms)
        return;
    struct list due;
    list_init(&due);
    list_splice(&due, &flight->retries);
    struct list *node;
    bool goes = true;
    while (goes && (node = list_shift(&due)) != NULL)
        goes = send_job(flight, list_entry(node, struct job, run.node));
    list_splice(&flight->retries, &due);
    flight->retry_at_ms = goes ? 0 : flight->now_ms + RETRY_MS;
}
