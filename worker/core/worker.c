#include "core/worker.h"

#include "base/clock.h"
#include "base/mailbox.h"
#include "core/intake.h"
#include "kafka/consumer.h"
#include "ops/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A turn takes at most so many messages, so that delivery reports and the clock get their part. */
#define MESSAGES_A_TURN 1000
/* What the local queue or memory refused is tried again so much later at the latest. */
#define RETRY_MS 50
/* Of the drain time, what is kept for the last deliveries, the commit and leaving the group. */
#define LEAVE_RESERVE_MS 5000
/* After a fatal error there is little to wait for. */
#define FATAL_LEAVE_MS 3000
#define MISSING_TOPIC_MS 30000
#define HANDOVER_MS 10000

enum phase { PHASE_RUNNING, PHASE_DRAINING, PHASE_LEAVING, PHASE_ENDED };

struct worker {
    struct worker_config config;
    int event_fd; /* wakes the Kafka thread: both Kafka queues, the mailbox, worker_stop */
    struct mailbox mailbox;
    struct consumer *consumer;
    struct publisher *publisher;
    struct pool *pool;
    struct list retries; /* jobs that could not be sent just now */
    enum phase phase;
    int64_t phase_ends_ms; /* the latest end of the phase; CLOCK_NEVER while running */
    int64_t drain_ends_ms; /* the latest end of everything */
    bool held;
    bool runs_abandoned;
    bool failed;
    char reason[WORKER_WHY_BYTES];
    size_t jobs; /* the Kafka thread's own counts */
    size_t job_bytes;
    atomic_bool stop_asked;
    /* For worker_read_counts. */
    atomic_size_t in_flight;
    atomic_bool joined;
    atomic_uint_fast64_t taken;
    atomic_uint_fast64_t abandoned;
    atomic_uint_fast64_t ended[RXP_STATUS_REJECTED + 1];
};

static const char *phase_name(enum phase phase)
{
    switch (phase) {
    case PHASE_RUNNING:
        return "running";
    case PHASE_DRAINING:
        return "draining";
    case PHASE_LEAVING:
        return "leaving";
    case PHASE_ENDED:
        return "ended";
    }
    return "?";
}

static void worker_set_phase(struct worker *worker, enum phase phase, int64_t ends_ms)
{
    log_event(LOG_INFO, "worker_phase", "%s -> %s, %zu runs in flight", phase_name(worker->phase), phase_name(phase),
              worker->jobs);
    worker->phase = phase;
    worker->phase_ends_ms = ends_ms;
}

static void worker_fail(struct worker *worker, const char *reason)
{
    if (worker->failed) {
        return;
    }
    worker->failed = true;
    snprintf(worker->reason, sizeof worker->reason, "%s", reason);
    log_event(LOG_ERROR, "worker_fatal", "%s", reason);
}

/* ---- a job's way ---- */

static void job_end(struct worker *worker, struct job *job)
{
    assert(worker->jobs > 0);
    worker->jobs--;
    worker->job_bytes -= job->input_bytes;
    atomic_store_explicit(&worker->in_flight, worker->jobs, memory_order_relaxed);
    job_free(job);
}

static void job_abandon(struct worker *worker, struct job *job)
{
    atomic_fetch_add_explicit(&worker->abandoned, 1, memory_order_relaxed);
    job_end(worker, job);
}

static void on_message(struct assignment *assignment, const rd_kafka_message_t *message, void *opaque)
{
    struct worker *worker = opaque;
    struct job *job = job_new(worker, assignment, message);
    if (job == NULL) {
        worker_fail(worker, "out of memory for a message; it stays uncommitted");
        return;
    }
    worker->jobs++;
    worker->job_bytes += job->input_bytes;
    atomic_store_explicit(&worker->in_flight, worker->jobs, memory_order_relaxed);
    atomic_fetch_add_explicit(&worker->taken, 1, memory_order_relaxed);
    pool_submit(worker->pool, &job->run);
}

static int on_prepare(struct run *run, void *opaque)
{
    struct worker *worker = opaque;
    const struct intake_limits limits = {
        .max_message_bytes = worker->config.max_message_bytes,
        .keep_value = worker->config.settle.dead_letter_topic != NULL,
    };
    return intake_prepare(job_of_run(run), &limits);
}

static void on_accepted(struct run *run, void *opaque)
{
    (void)opaque;
    struct job *job = job_of_run(run);
    free(job->value);
    job->value = NULL;
}

static void job_return_to_main(struct worker *worker, struct job *job, enum job_return returned)
{
    job->returned = returned;
    mailbox_post(&worker->mailbox, &job->node);
}

/* Loop thread. */
static void on_ended(struct run *run, void *opaque)
{
    struct worker *worker = opaque;
    struct job *job = job_of_run(run);
    if (run->outcome.abandoned) {
        job_return_to_main(worker, job, JOB_ABANDONED);
        return;
    }
    switch (settle_send(job, worker->publisher, &worker->config.settle)) {
    case SETTLE_SENT:
        break;
    case SETTLE_LATER:
        job_return_to_main(worker, job, JOB_RETRY);
        break;
    case SETTLE_NEVER:
        job_return_to_main(worker, job, JOB_ABANDONED);
        break;
    }
}

static void job_send(struct worker *worker, struct job *job)
{
    switch (settle_send(job, worker->publisher, &worker->config.settle)) {
    case SETTLE_SENT:
        break;
    case SETTLE_LATER:
        list_push(&worker->retries, &job->node);
        break;
    case SETTLE_NEVER:
        worker_fail(worker, "a result could not be made small enough for the results topic, or the producer is "
                            "finished; its input stays uncommitted");
        job_abandon(worker, job);
        break;
    }
}

static void on_delivered(void *message_opaque, enum delivery delivery, const char *reason, void *opaque)
{
    struct worker *worker = opaque;
    struct job *job = message_opaque;
    job_take_over(job);
    switch (settle_delivered(job, delivery, &worker->config.settle)) {
    case SETTLE_DONE:
        consumer_done(worker->consumer, &job->ref);
        atomic_fetch_add_explicit(&worker->ended[job->run.outcome.status], 1, memory_order_relaxed);
        job_end(worker, job);
        break;
    case SETTLE_AGAIN:
        if (delivery == DELIVERY_REFUSED) {
            log_event(LOG_WARN, "result_refused", "%s [%" PRId32 "] offset %" PRId64 ": %s; sending it again, smaller",
                      job->ref.assignment->topic, job->ref.assignment->partition, job->ref.offset, reason);
        }
        job_send(worker, job);
        break;
    case SETTLE_LOST:
        job_abandon(worker, job);
        break;
    }
}

static void on_leaving(struct assignment *assignment, bool lost, void *opaque)
{
    struct worker *worker = opaque;
    log_event(LOG_INFO, "partition_leaving", "%s [%" PRId32 "] %s", assignment->topic, assignment->partition,
              lost ? "lost: nothing more is committed" : "revoked");
    pool_sweep(worker->pool);
}

static void on_fatal(const char *reason, void *opaque)
{
    worker_fail(opaque, reason);
}

/* ---- the loop ---- */

static void serve_mailbox(struct worker *worker)
{
    struct list returned;
    list_init(&returned);
    mailbox_take(&worker->mailbox, &returned);
    struct list *node;
    while ((node = list_shift(&returned)) != NULL) {
        struct job *job = list_entry(node, struct job, node);
        switch (job->returned) {
        case JOB_ABANDONED:
            if (!job->run.outcome.abandoned) {
                worker_fail(worker, "the producer is finished; inputs stay uncommitted");
            }
            job_abandon(worker, job);
            break;
        case JOB_RETRY:
            list_push(&worker->retries, &job->node);
            break;
        }
    }
}

static void serve_retries(struct worker *worker)
{
    struct list due;
    list_init(&due);
    list_splice(&due, &worker->retries);
    struct list *node;
    while ((node = list_shift(&due)) != NULL) {
        job_send(worker, list_entry(node, struct job, node));
    }
}

/* Holds at either limit, goes on at seven eighths: each pause throws prefetched messages away. */
static void serve_back_pressure(struct worker *worker)
{
    size_t limit = worker->config.max_in_flight;
    size_t limit_bytes = worker->config.max_in_flight_bytes;
    bool hold = worker->held ? worker->jobs > limit - limit / 8 || worker->job_bytes > limit_bytes - limit_bytes / 8
                             : worker->jobs >= limit || worker->job_bytes >= limit_bytes;
    if (hold != worker->held) {
        worker->held = hold;
        consumer_hold(worker->consumer, hold);
    }
}

/* At least one: a turn also serves rebalances, and while held no messages come. */
static int messages_wanted(const struct worker *worker)
{
    size_t room = worker->config.max_in_flight > worker->jobs ? worker->config.max_in_flight - worker->jobs : 1;
    return room < MESSAGES_A_TURN ? (int)room : MESSAGES_A_TURN;
}

static void begin_leaving(struct worker *worker, int64_t now_ms, int64_t ends_ms)
{
    if (!worker->runs_abandoned) {
        worker->runs_abandoned = true;
        pool_abandon_all(worker->pool);
    }
    consumer_begin_close(worker->consumer, now_ms);
    worker_set_phase(worker, PHASE_LEAVING, ends_ms);
}

static void serve_phase(struct worker *worker, int64_t now_ms)
{
    if (worker->failed && worker->phase < PHASE_LEAVING) {
        consumer_stop_intake(worker->consumer);
        pool_stop_kickoffs(worker->pool);
        begin_leaving(worker, now_ms, now_ms + FATAL_LEAVE_MS);
    }
    switch (worker->phase) {
    case PHASE_RUNNING:
        if (atomic_load(&worker->stop_asked)) {
            consumer_stop_intake(worker->consumer);
            pool_stop_kickoffs(worker->pool);
            int64_t reserve_ms = worker->config.drain_ms / 3;
            reserve_ms = reserve_ms < LEAVE_RESERVE_MS ? reserve_ms : LEAVE_RESERVE_MS;
            worker->drain_ends_ms = now_ms + worker->config.drain_ms;
            worker_set_phase(worker, PHASE_DRAINING, worker->drain_ends_ms - reserve_ms);
        }
        break;
    case PHASE_DRAINING:
        if (worker->jobs == 0) {
            begin_leaving(worker, now_ms, worker->drain_ends_ms);
        } else if (now_ms >= worker->phase_ends_ms && !worker->runs_abandoned) {
            log_event(LOG_WARN, "drain_time_up", "%zu runs have not ended in the drain time: they are handed back "
                      "uncommitted and will start again elsewhere", worker->jobs);
            worker->runs_abandoned = true;
            pool_abandon_all(worker->pool);
            /* The results of those that ended just now still deserve their acknowledgement. */
            worker->phase_ends_ms = worker->drain_ends_ms - (worker->drain_ends_ms - now_ms) / 2;
        } else if (now_ms >= worker->phase_ends_ms) {
            begin_leaving(worker, now_ms, worker->drain_ends_ms);
        }
        break;
    case PHASE_LEAVING:
        if (consumer_is_closed(worker->consumer)) {
            worker_set_phase(worker, PHASE_ENDED, CLOCK_NEVER);
        } else if (now_ms >= worker->phase_ends_ms) {
            log_event(LOG_WARN, "leave_time_up", "the group could not be left in time: the broker will notice by the "
                      "session timeout");
            worker_set_phase(worker, PHASE_ENDED, CLOCK_NEVER);
        }
        break;
    case PHASE_ENDED:
        break;
    }
}

static int64_t min_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void worker_wait(struct worker *worker, int64_t until_ms)
{
    int64_t wait_ms = until_ms - clock_mono_ms();
    wait_ms = wait_ms < 0 ? 0 : min_ms(wait_ms, 1000);
    struct pollfd fd = {.fd = worker->event_fd, .events = POLLIN};
    if (poll(&fd, 1, (int)wait_ms) > 0) {
        mailbox_drain_fd(worker->event_fd);
    }
}

static void worker_turn(struct worker *worker)
{
    int64_t now_ms = clock_mono_ms();
    int64_t publisher_next_ms = CLOCK_NEVER;
    int64_t consumer_next_ms = CLOCK_NEVER;
    serve_mailbox(worker);
    publisher_turn(worker->publisher, now_ms, &publisher_next_ms);
    serve_retries(worker);
    serve_back_pressure(worker);
    bool more = consumer_turn(worker->consumer, messages_wanted(worker), now_ms, &consumer_next_ms);
    serve_back_pressure(worker);
    serve_phase(worker, now_ms);

    struct consumer_counts counts;
    consumer_read_counts(worker->consumer, &counts);
    atomic_store_explicit(&worker->joined, counts.joined, memory_order_relaxed);
    int64_t next_ms = more ? now_ms : min_ms(publisher_next_ms, consumer_next_ms);
    next_ms = min_ms(next_ms, worker->phase_ends_ms);
    if (!list_is_empty(&worker->retries)) {
        next_ms = min_ms(next_ms, now_ms + RETRY_MS);
    }
    if (worker->phase != PHASE_ENDED) {
        worker_wait(worker, next_ms);
    }
}

int worker_run(struct worker *worker, char why[WORKER_WHY_BYTES])
{
    while (worker->phase != PHASE_ENDED) {
        worker_turn(worker);
    }
    if (worker->failed) {
        snprintf(why, WORKER_WHY_BYTES, "%s", worker->reason);
        return -1;
    }
    return 0;
}

/* ---- life ---- */

static struct pool *make_pool(struct worker *worker, char *why)
{
    const struct pool_hooks hooks = {
        .prepare = on_prepare, .accepted = on_accepted, .ended = on_ended, .opaque = worker};
    return pool_new(&worker->config.pool, &hooks, why, WORKER_WHY_BYTES);
}

static struct publisher *make_publisher(struct worker *worker, char *why)
{
    const char *topics[2] = {worker->config.settle.results_topic, worker->config.settle.dead_letter_topic};
    const struct publisher_config config = {
        .settings = worker->config.kafka,
        .event_fd = worker->event_fd,
        .topics = topics,
        .n_topics = topics[1] != NULL ? 2 : 1,
    };
    const struct publisher_hooks hooks = {.delivered = on_delivered, .fatal = on_fatal, .opaque = worker};
    return publisher_new(&config, &hooks, why, WORKER_WHY_BYTES);
}

static struct consumer *make_consumer(struct worker *worker, char *why)
{
    const struct consumer_config config = {
        .settings = worker->config.kafka,
        .topics = worker->config.topics,
        .n_topics = worker->config.n_topics,
        .commit_interval_ms = worker->config.commit_interval_ms,
        .handover_ms = HANDOVER_MS,
        .missing_topic_ms = MISSING_TOPIC_MS,
        .event_fd = worker->event_fd,
    };
    const struct consumer_hooks hooks = {
        .message = on_message, .leaving = on_leaving, .fatal = on_fatal, .opaque = worker};
    return consumer_new(&config, &hooks, why, WORKER_WHY_BYTES);
}

struct worker *worker_new(const struct worker_config *config, char why[WORKER_WHY_BYTES])
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        snprintf(why, WORKER_WHY_BYTES, "out of memory");
        return NULL;
    }
    worker->config = *config;
    worker->phase_ends_ms = CLOCK_NEVER;
    list_init(&worker->retries);
    worker->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (worker->event_fd < 0 || mailbox_init(&worker->mailbox, worker->event_fd) != 0) {
        snprintf(why, WORKER_WHY_BYTES, "eventfd: %s", strerror(errno));
        free(worker);
        return NULL;
    }
    worker->publisher = make_publisher(worker, why);
    worker->pool = worker->publisher != NULL ? make_pool(worker, why) : NULL;
    worker->consumer = worker->pool != NULL ? make_consumer(worker, why) : NULL;
    if (worker->consumer == NULL) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

/* Whatever is still under way goes back uncommitted: the pool first (its runs end abandoned), then the publisher (its
 * reports say lost), so that every job comes home before the consumer frees the assignments. */
void worker_free(struct worker *worker)
{
    if (worker == NULL) {
        return;
    }
    pool_free(worker->pool);
    serve_mailbox(worker);
    publisher_free(worker->publisher);
    struct list *node;
    while ((node = list_shift(&worker->retries)) != NULL) {
        job_abandon(worker, list_entry(node, struct job, node));
    }
    assert(worker->jobs == 0);
    consumer_free(worker->consumer);
    mailbox_deinit(&worker->mailbox);
    close(worker->event_fd);
    free(worker);
}

void worker_stop(struct worker *worker)
{
    atomic_store(&worker->stop_asked, true);
    uint64_t one = 1;
    ssize_t written = write(worker->event_fd, &one, sizeof one);
    (void)written; /* a full eventfd is as good: the thread is awake */
}

void worker_read_counts(const struct worker *worker, struct worker_counts *out)
{
    *out = (struct worker_counts){
        .taken = atomic_load_explicit(&worker->taken, memory_order_relaxed),
        .abandoned = atomic_load_explicit(&worker->abandoned, memory_order_relaxed),
        .in_flight = atomic_load_explicit(&worker->in_flight, memory_order_relaxed),
        .joined = atomic_load_explicit(&worker->joined, memory_order_relaxed),
    };
    for (int i = 0; i <= RXP_STATUS_REJECTED; i++) {
        out->ended[i] = atomic_load_explicit(&worker->ended[i], memory_order_relaxed);
    }
}
