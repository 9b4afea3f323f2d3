#include "core/flight.h"

#include "base/mailbox.h"
#include "core/intake.h"
#include "core/job.h"
#include "kafka/publisher.h"
#include "ops/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What the local queue or memory refused is tried again so much later at the latest. */
#define RETRY_MS 50
#define REFUSAL_LOG_MS 1000
#define REPLY_TOPICS_MAX 10000

struct flight {
    struct flight_config config;
    struct flight_hooks hooks;
    struct mailbox mailbox; /* jobs that come back from the loops */
    struct publisher *publisher;
    struct pool *pool;
    struct list retries; /* jobs that could not be sent just now */
    bool closing;        /* being freed: nothing lands any more */
    size_t jobs;         /* the Kafka thread's own counts */
    size_t input_bytes;
    int64_t now_ms;      /* of this turn */
    int64_t retry_at_ms; /* not before, so that a long outage costs no CPU */
    int64_t refusal_told_ms;
    size_t refusals_untold;
    int64_t reply_told_ms;
    size_t replies_untold;
    atomic_size_t result_bytes; /* grows on the loops, shrinks here */
    /* For flight_read_counts. */
    atomic_size_t jobs_shown;
    atomic_uint_fast64_t taken;
    atomic_uint_fast64_t handed_back;
    atomic_uint_fast64_t landed[RXP_STATUS_REJECTED + 1];
};

static void count_jobs(struct flight *flight)
{
    atomic_store_explicit(&flight->jobs_shown, flight->jobs, memory_order_relaxed);
}

static void end_job(struct flight *flight, struct job *job)
{
    assert(flight->jobs > 0);
    flight->jobs--;
    flight->input_bytes -= job->input_bytes;
    atomic_fetch_sub_explicit(&flight->result_bytes, job->result_bytes, memory_order_relaxed);
    count_jobs(flight);
    job_free(job);
}

static void hand_back(struct flight *flight, struct job *job)
{
    atomic_fetch_add_explicit(&flight->handed_back, 1, memory_order_relaxed);
    end_job(flight, job);
}

static void fail(struct flight *flight, const char *reason)
{
    if (!flight->closing)
        flight->hooks.fatal(reason, flight->hooks.opaque);
}

int flight_take(struct flight *flight, struct assignment *assignment, const rd_kafka_message_t *message)
{
    struct job *job = job_new(assignment, message, false);
    if (job == NULL)
        return -1;
    flight->jobs++;
    flight->input_bytes += job->input_bytes;
    count_jobs(flight);
    atomic_fetch_add_explicit(&flight->taken, 1, memory_order_relaxed);
    pool_submit(flight->pool, &job->run);
    return 0;
}

/* ---- loop threads ---- */

static int on_prepare(struct run *run, void *opaque)
{
    struct flight *flight = opaque;
    const struct intake_limits limits = {
        .max_message_bytes = flight->config.max_message_bytes,
        .keep_value = flight->config.settle.dead_letter_topic != NULL,
    };
    return intake_prepare(job_of_run(run), &limits);
}

static void on_accepted(struct run *run, void *opaque)
{
    (void)opaque;
    struct job *job = job_of_run(run);
    /* An accepted run can't be rejected any more, so that there will be no dead letter. */
    free(job->value);
    job->value = NULL;
}

static void return_job(struct flight *flight, struct job *job, enum job_return returned)
{
    job->returned = returned;
    mailbox_post(&flight->mailbox, &job->node);
}

static void on_ended(struct run *run, void *opaque)
{
    struct flight *flight = opaque;
    struct job *job = job_of_run(run);
    if (run->outcome.abandoned) {
        return_job(flight, job, JOB_ABANDONED);
        return;
    }
    job->result_bytes = run->result != NULL ? strlen(run->result) : 0;
    atomic_fetch_add_explicit(&flight->result_bytes, job->result_bytes, memory_order_relaxed);
    switch (settle_send(job, flight->publisher, &flight->config.settle)) {
    case SETTLE_SENT:
        break; /* the Kafka thread's now, perhaps freed already */
    case SETTLE_READY: /* not while nothing is batched */
    case SETTLE_LATER:
        return_job(flight, job, JOB_RETRY);
        break;
    case SETTLE_NEVER:
        return_job(flight, job, JOB_UNSENDABLE);
        break;
    }
}

/* ---- the Kafka thread ---- */

/* `reason`: what the broker or the producer said; NULL where it said nothing. */
static void give_up(struct flight *flight, struct job *job, const char *reason)
{
    char text[512];
    snprintf(text, sizeof text, "the result of %s [%" PRId32 "] offset %" PRId64 " cannot be sent, even in its smallest "
             "form: %s; its input stays uncommitted", job->ref.assignment->topic, job->ref.assignment->partition,
             job->ref.offset, reason != NULL ? reason : "the producer has ended, or refuses it");
    fail(flight, text);
    hand_back(flight, job);
}

/* False where nothing can be sent just now. */
static bool send_job(struct flight *flight, struct job *job)
{
    switch (settle_send(job, flight->publisher, &flight->config.settle)) {
    case SETTLE_SENT:
        break;
    case SETTLE_READY: /* not while nothing is batched */
    case SETTLE_LATER:
        list_push(&flight->retries, &job->node);
        return false;
    case SETTLE_NEVER:
        give_up(flight, job, NULL);
        break;
    }
    return true;
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
              reply_refusal_text(job->reply.refusal), flight->replies_untold);
    flight->reply_told_ms = flight->now_ms;
    flight->replies_untold = 0;
}

static void land(struct flight *flight, struct job *job)
{
    if (job->reply.refusal != REPLY_TAKEN)
        tell_reply_shed(flight, job);
    atomic_fetch_add_explicit(&flight->landed[job->run.outcome.status], 1, memory_order_relaxed);
    flight->hooks.landed(&job->ref, flight->hooks.opaque);
    end_job(flight, job);
}

/* At most one line a second: a topic with a low limit refuses batch after batch. */
static void tell_refusal(struct flight *flight, const struct job *job, const char *reason)
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

static void on_delivered(void *message_opaque, enum delivery delivery, const char *reason, void *opaque)
{
    struct flight *flight = opaque;
    struct parcel *parcel = message_opaque;
    if (parcel->kind == PARCEL_CHECKPOINT) {
        ledger_delivered(flight->config.ledger, parcel, delivery, reason);
        return;
    }
    struct job *job = message_opaque; /* its first field is the parcel */
    job_take_over(job);
    if (flight->closing) {
        hand_back(flight, job);
        return;
    }
    switch (settle_delivered(job, delivery, &flight->config.settle)) {
    case SETTLE_DONE:
        land(flight, job);
        break;
    case SETTLE_AGAIN:
        if (delivery != DELIVERY_ACKNOWLEDGED)
            tell_refusal(flight, job, reason);
        send_job(flight, job);
        break;
    case SETTLE_UNSENDABLE:
        give_up(flight, job, reason);
        break;
    case SETTLE_LOST:
        hand_back(flight, job);
        break;
    }
}

static void on_publisher_fatal(const char *reason, void *opaque)
{
    fail(opaque, reason);
}

static void serve_mailbox(struct flight *flight)
{
    struct list returned;
    list_init(&returned);
    mailbox_take(&flight->mailbox, &returned);
    struct list *node;
    while ((node = list_shift(&returned)) != NULL) {
        struct job *job = list_entry(node, struct job, node);
        switch (job->returned) {
        case JOB_ABANDONED:
            hand_back(flight, job);
            break;
        case JOB_UNSENDABLE:
            give_up(flight, job, NULL);
            break;
        case JOB_RETRY:
            list_push(&flight->retries, &job->node);
            break;
        }
    }
}

static void serve_retries(struct flight *flight)
{
    if (flight->now_ms < flight->retry_at_ms)
        return;
    struct list due;
    list_init(&due);
    list_splice(&due, &flight->retries);
    struct list *node;
    bool goes = true;
    while (goes && (node = list_shift(&due)) != NULL)
        goes = send_job(flight, list_entry(node, struct job, node));
    list_splice(&flight->retries, &due);
    flight->retry_at_ms = goes ? 0 : flight->now_ms + RETRY_MS;
}

void flight_turn(struct flight *flight, int64_t now_ms, int64_t *next_ms)
{
    flight->now_ms = now_ms;
    serve_mailbox(flight);
    publisher_turn(flight->publisher, now_ms, next_ms);
    serve_retries(flight);
    if (!list_is_empty(&flight->retries) && *next_ms > flight->retry_at_ms)
        *next_ms = flight->retry_at_ms;
}

void flight_stop_kickoffs(struct flight *flight)
{
    pool_stop_kickoffs(flight->pool);
}

void flight_sweep(struct flight *flight)
{
    pool_sweep(flight->pool);
}

void flight_abandon_all(struct flight *flight)
{
    pool_abandon_all(flight->pool);
}

size_t flight_jobs(const struct flight *flight)
{
    return flight->jobs;
}

size_t flight_bytes(const struct flight *flight)
{
    return flight->input_bytes + atomic_load_explicit(&flight->result_bytes, memory_order_relaxed);
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
    const struct publisher_hooks hooks = {.delivered = on_delivered, .fatal = on_publisher_fatal, .opaque = flight};
    return publisher_new(&config, &hooks, why, why_bytes);
}

static struct pool *make_pool(struct flight *flight, char *why, size_t why_bytes)
{
    const struct pool_hooks hooks = {
        .prepare = on_prepare, .accepted = on_accepted, .ended = on_ended, .opaque = flight};
    return pool_new(&flight->config.pool, &hooks, why, why_bytes);
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
    flight->hooks = *hooks;
    list_init(&flight->retries);
    int failed = mailbox_init(&flight->mailbox, config->event_fd);
    if (failed != 0) {
        snprintf(why, why_bytes, "eventfd: %s", strerror(-failed));
        free(flight);
        return NULL;
    }
    flight->config.settle.reply.seen = name_set_new(REPLY_TOPICS_MAX);
    if (flight->config.settle.reply.seen == NULL) {
        snprintf(why, why_bytes, "out of memory");
        flight_free(flight);
        return NULL;
    }
    flight->publisher = make_publisher(flight, why, why_bytes);
    if (flight->publisher != NULL && config->ledger != NULL)
        ledger_use_publisher(config->ledger, flight->publisher);
    flight->pool = flight->publisher != NULL ? make_pool(flight, why, why_bytes) : NULL;
    if (flight->pool == NULL) {
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
    pool_free(flight->pool);
    serve_mailbox(flight);
    if (flight->config.ledger != NULL)
        ledger_use_publisher(flight->config.ledger, NULL);
    publisher_free(flight->publisher);
    struct list *node;
    while ((node = list_shift(&flight->retries)) != NULL)
        hand_back(flight, list_entry(node, struct job, node));
    /* librdkafka may keep a message to itself at its end; what its job holds is then left to the process's end. */
    if (flight->jobs > 0)
        log_event(LOG_WARN, "jobs_left", "%zu results were neither acknowledged nor given up at the end", flight->jobs);
    mailbox_deinit(&flight->mailbox);
    name_set_free(flight->config.settle.reply.seen);
    free(flight);
}
