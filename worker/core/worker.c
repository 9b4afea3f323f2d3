#include "core/worker.h"

#include "base/clock.h"
#include "base/mailbox.h"
#include "core/worker_inside.h"
#include "ops/log.h"

#include <errno.h>
#include <inttypes.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A turn takes at most so many messages, so that delivery reports and the clock get their part. */
#define MESSAGES_A_TURN 1000
/* Without room for a message: the loops wake this thread when there is some; this is in case they stand. */
#define ROOM_LOOK_MS 50
#define NO_ROOM_MS 1000
/* Of the drain time, what is kept for the last deliveries, the commit and leaving the group. */
#define LEAVE_RESERVE_MS 5000
/* For the tombstones that follow the last commit, the longer within the drain time alone: a next restore would find what
 * they leave. */
#define ERASE_LEAST_MS 1000
#define ERASE_MOST_MS 5000
/* After a fatal error there is little to wait for. */
#define FATAL_LEAVE_MS 3000
#define MISSING_TOPIC_MS 30000
/* See give_memory_back. */
#define MANY_JOBS 1000
#define FEW_JOBS_MS 5000
#define HANDOVER_MS 10000
#define HANDOVER_WRITE_MS 60000

static const char *phase_name(enum phase phase)
{
    switch (phase) {
    case PHASE_RUNNING:
        return "running";
    case PHASE_DRAINING:
        return "draining";
    case PHASE_LEAVING:
        return "leaving";
    case PHASE_ERASING:
        return "erasing";
    case PHASE_ENDED:
        return "ended";
    }
    return "?";
}

static void worker_set_phase(struct worker *worker, enum phase phase, int64_t ends_ms)
{
    log_event(LOG_INFO, "worker_phase", "%s -> %s, %zu runs in flight", phase_name(worker->phase), phase_name(phase),
              flight_jobs(worker->flight));
    worker->phase = phase;
    worker->phase_ends_ms = ends_ms;
}

void worker_fail(struct worker *worker, const char *reason)
{
    if (worker->failed) {
        return;
    }
    worker->failed = true;
    snprintf(worker->reason, sizeof worker->reason, "%s", reason);
    log_event(LOG_ERROR, "worker_fatal", "%s", reason);
}

/* Holds at either limit, goes on at seven eighths: each pause throws prefetched messages away. */
void worker_serve_back_pressure(struct worker *worker)
{
    size_t limit = worker->config.max_in_flight;
    size_t limit_bytes = worker->config.max_in_flight_bytes;
    size_t jobs = flight_jobs(worker->flight);
    size_t bytes = flight_bytes(worker->flight);
    size_t go_on = limit - (limit < 8 ? 1 : limit / 8);
    bool hold = worker->held ? jobs > go_on || bytes > limit_bytes - limit_bytes / 8
                             : jobs >= limit || bytes >= limit_bytes;
    /* What was cancelled before this worker began must not be begun by it. */
    hold = hold || (worker->control != NULL && !control_has_caught_up(worker->control));
    if (hold != worker->held) {
        worker->held = hold;
        consumer_hold(worker->consumer, hold);
    }
}

/* The allocator keeps what a load has left behind, several times what is needed afterwards; to give it back takes long
 * enough not to do it often. */
static void give_memory_back(struct worker *worker, int64_t now_ms)
{
    size_t jobs = flight_jobs(worker->flight);
    if (jobs > worker->most_jobs) {
        worker->most_jobs = jobs;
    }
    if (worker->most_jobs < MANY_JOBS || jobs > worker->most_jobs / 8) {
        worker->few_since_ms = CLOCK_NEVER;
        return;
    }
    worker->few_since_ms = worker->few_since_ms < now_ms ? worker->few_since_ms : now_ms;
    if (now_ms - worker->few_since_ms >= FEW_JOBS_MS) {
        worker->most_jobs = jobs;
#ifdef __GLIBC__
        malloc_trim(0);
#endif
    }
}

/* ---- the loop ---- */

/* Where there is room at all at least one: a turn also serves rebalances, and while held no messages come. Where there is
 * none for long, since a loop stands still or has no memory, one in a second all the same: they must not wait for it. */
static int messages_wanted(struct worker *worker, int64_t now_ms)
{
    size_t soon = flight_room(worker->flight);
    if (soon > 0 || now_ms - worker->wanted_ms >= NO_ROOM_MS) {
        worker->wanted_ms = now_ms;
        soon = soon > 0 ? soon : 1;
    }
    size_t jobs = flight_jobs(worker->flight);
    size_t room = worker->config.max_in_flight > jobs ? worker->config.max_in_flight - jobs : 1;
    room = room < soon ? room : soon;
    return room < MESSAGES_A_TURN ? (int)room : MESSAGES_A_TURN;
}

static void begin_leaving(struct worker *worker, int64_t now_ms, int64_t ends_ms)
{
    if (!worker->runs_abandoned) {
        worker->runs_abandoned = true;
        flight_abandon_all(worker->flight);
    }
    consumer_begin_close(worker->consumer, now_ms);
    worker_set_phase(worker, PHASE_LEAVING, ends_ms);
}

static void begin_draining(struct worker *worker, int64_t now_ms)
{
    consumer_stop_intake(worker->consumer);
    flight_park(worker->flight);
    int64_t reserve_ms = worker->config.drain_ms / 3;
    reserve_ms = reserve_ms < LEAVE_RESERVE_MS ? reserve_ms : LEAVE_RESERVE_MS;
    worker->drain_ends_ms = now_ms + worker->config.drain_ms;
    worker_set_phase(worker, PHASE_DRAINING, worker->drain_ends_ms - reserve_ms);
}

static void serve_draining(struct worker *worker, int64_t now_ms)
{
    bool late = now_ms >= worker->phase_ends_ms;
    bool home = flight_jobs(worker->flight) == 0 && flight_notes(worker->flight) == 0;
    bool has_errands = flight_errands(worker->flight) > 0;
    if ((home && (late || !has_errands)) || (late && worker->runs_abandoned)) {
        begin_leaving(worker, now_ms, worker->drain_ends_ms);
    } else if (late) {
        log_event(LOG_WARN, "drain_time_up", "%zu runs have not come to an end in the drain time: they are handed back "
                  "uncommitted%s", flight_jobs(worker->flight),
                  worker->config.checkpoints_topic != NULL ? "" : " and will start again elsewhere");
        worker->runs_abandoned = true;
        flight_abandon_all(worker->flight);
        /* The results of those that ended just now still deserve their acknowledgement. */
        worker->phase_ends_ms = worker->drain_ends_ms - (worker->drain_ends_ms - now_ms) / 2;
    }
}

static int64_t min_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t erasing_ends_ms(const struct worker *worker, int64_t now_ms)
{
    int64_t ends_ms = min_ms(now_ms + ERASE_MOST_MS, worker->drain_ends_ms);
    return ends_ms > now_ms + ERASE_LEAST_MS ? ends_ms : now_ms + ERASE_LEAST_MS;
}

static void serve_phase(struct worker *worker, int64_t now_ms)
{
    bool late = now_ms >= worker->phase_ends_ms;
    if (worker->failed && worker->phase < PHASE_LEAVING) {
        consumer_stop_intake(worker->consumer);
        flight_park(worker->flight);
        begin_leaving(worker, now_ms, now_ms + FATAL_LEAVE_MS);
        return;
    }
    switch (worker->phase) {
    case PHASE_RUNNING:
        if (atomic_load(&worker->stop_asked))
            begin_draining(worker, now_ms);
        break;
    case PHASE_DRAINING:
        serve_draining(worker, now_ms);
        break;
    case PHASE_LEAVING:
        if (!consumer_is_closed(worker->consumer) && !late)
            break;
        if (!consumer_is_closed(worker->consumer))
            log_event(LOG_WARN, "leave_time_up", "the group could not be left in time: the broker will notice by the "
                      "session timeout");
        worker_set_phase(worker, PHASE_ERASING, erasing_ends_ms(worker, now_ms));
        break;
    case PHASE_ERASING:
        if (flight_notes(worker->flight) == 0 || late)
            worker_set_phase(worker, PHASE_ENDED, CLOCK_NEVER);
        break;
    case PHASE_ENDED:
        break;
    }
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

bool worker_turn(struct worker *worker, int64_t now_ms, int64_t *next_ms)
{
    int64_t flight_next_ms = CLOCK_NEVER;
    int64_t consumer_next_ms = CLOCK_NEVER;
    int64_t batcher_next_ms = CLOCK_NEVER;
    *next_ms = CLOCK_NEVER;
    flight_turn(worker->flight, now_ms, &flight_next_ms);
    worker_serve_back_pressure(worker);
    int wanted = messages_wanted(worker, now_ms);
    bool more = consumer_turn(worker->consumer, wanted, now_ms, &consumer_next_ms) && wanted > 0;
    if (wanted == 0)
        consumer_next_ms = min_ms(consumer_next_ms, now_ms + ROOM_LOOK_MS);
    if (worker->batcher != NULL) {
        batcher_turn(worker->batcher, now_ms, &batcher_next_ms);
    }
    worker_serve_back_pressure(worker);
    give_memory_back(worker, now_ms);
    const enum phase before = worker->phase;
    serve_phase(worker, now_ms);

    struct consumer_counts counts;
    consumer_read_counts(worker->consumer, &counts);
    watch_serve(worker, &counts, now_ms, next_ms);
    atomic_store_explicit(&worker->joined, counts.joined, memory_order_relaxed);
    flight_share_out(worker->flight, counts.assigned);
    /* What a phase waits for may be there when it begins, and then nothing wakes this thread. */
    more = more || worker->phase != before;
    *next_ms = more ? now_ms : min_ms(*next_ms, min_ms(flight_next_ms, consumer_next_ms));
    *next_ms = min_ms(*next_ms, min_ms(batcher_next_ms, worker->phase_ends_ms));
    return worker->phase != PHASE_ENDED;
}

int worker_run(struct worker *worker, char why[WORKER_WHY_BYTES])
{
    int64_t next_ms;
    while (worker_turn(worker, clock_mono_ms(), &next_ms)) {
        worker_wait(worker, next_ms);
    }
    if (worker->failed) {
        snprintf(why, WORKER_WHY_BYTES, "%s", worker->reason);
        return -1;
    }
    return 0;
}

/* ---- life ---- */

static struct flight *make_flight(struct worker *worker, char *why)
{
    const struct flight_config config = {
        .kafka = worker->config.kafka,
        .settle = worker->config.settle,
        .pool = worker->config.pool,
        .input_topics = worker->config.topics,
        .n_input_topics = worker->config.n_topics,
        .checkpoints_topic = worker->config.checkpoints_topic,
        .at_most_once = worker->config.at_most_once,
        .ordering = worker->config.ordering,
        .max_in_flight = worker->config.max_in_flight,
        .max_parked_bytes = worker->config.max_in_flight_bytes / 4,
        .max_message_bytes = worker->config.max_message_bytes,
        .profiles = worker->config.profiles,
        .metrics = worker->config.metrics,
        .shard = worker->watch.shard,
        .log_runs = worker->config.log_runs,
        .history = worker->config.history,
        .cancels = worker->config.cancels,
        .progress = worker->progress,
        .event_fd = worker->event_fd,
    };
    const struct flight_hooks hooks = worker_flight_hooks(worker);
    return flight_new(&config, &hooks, why, WORKER_WHY_BYTES);
}

static struct consumer *make_consumer(struct worker *worker, char *why)
{
    const struct consumer_config config = {
        .settings = worker->config.kafka,
        .topics = worker->config.topics,
        .n_topics = worker->config.n_topics,
        .commit_interval_ms = worker->config.commit_interval_ms,
        .handover_ms = HANDOVER_MS,
        .write_ms = HANDOVER_WRITE_MS,
        .missing_topic_ms = MISSING_TOPIC_MS,
        .transactional = worker->config.exactly_once,
        .strict = worker->config.exactly_once || worker->config.at_most_once,
        .shard = worker->watch.shard,
        .event_fd = worker->event_fd,
    };
    const struct consumer_hooks hooks = worker_consumer_hooks(worker);
    return consumer_new(&config, &hooks, why, WORKER_WHY_BYTES);
}

static void on_batcher_fatal(const char *reason, void *opaque)
{
    worker_fail(opaque, reason);
}

/* 0 also where none is wanted. */
static int make_batcher(struct worker *worker, char *why)
{
    if (!worker->config.exactly_once) {
        return 0;
    }
    const struct batcher_config config = {
        .kafka = worker->config.kafka,
        .settle = &worker->config.settle,
        .flight = worker->flight,
        .consumer = worker->consumer,
        .transaction_ms = worker->config.transaction_ms,
        .event_fd = worker->event_fd,
        .shard = worker->watch.shard,
        .fatal = on_batcher_fatal,
        .opaque = worker,
    };
    worker->batcher = batcher_new(&config, why, WORKER_WHY_BYTES);
    return worker->batcher != NULL ? 0 : -1;
}

struct worker *worker_new(const struct worker_config *config, char why[WORKER_WHY_BYTES])
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        snprintf(why, WORKER_WHY_BYTES, "out of memory");
        return NULL;
    }
    worker->config = *config;
    worker->config.settle.batched = config->exactly_once;
    worker->phase_ends_ms = CLOCK_NEVER;
    worker->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (worker->event_fd < 0) {
        snprintf(why, WORKER_WHY_BYTES, "eventfd: %s", strerror(errno));
        free(worker);
        return NULL;
    }
    bool ready = watch_open(worker, why) == 0 && streams_open_progress(worker, why) == 0;
    worker->flight = ready ? make_flight(worker, why) : NULL;
    worker->consumer = worker->flight != NULL ? make_consumer(worker, why) : NULL;
    if (worker->consumer == NULL || make_batcher(worker, why) != 0 || streams_open_control(worker, why) != 0) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

/* Whatever is still under way goes back uncommitted: jobs hold assignments, so they come home before the consumer goes. */
void worker_free(struct worker *worker)
{
    if (worker == NULL) {
        return;
    }
    control_free(worker->control);
    batcher_free(worker->batcher);
    flight_free(worker->flight);
    progress_free(worker->progress);
    consumer_free(worker->consumer);
    watch_close(worker);
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

struct pool *worker_pool(struct worker *worker)
{
    return flight_pool(worker->flight);
}

void worker_read_counts(const struct worker *worker, struct worker_counts *out)
{
    flight_read_counts(worker->flight, &out->flight);
    out->joined = atomic_load_explicit(&worker->joined, memory_order_relaxed);
}
