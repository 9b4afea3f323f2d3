#include "core/ledger_inside.h"

#include "base/clock.h"
#include "ops/log.h"
#include "ops/metrics.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define LOG_MS 1000

struct opening {
    struct list node;
    struct assignment *assignment; /* held */
};

void ledger_count_waiting(struct ledger *ledger)
{
    size_t all;
    size_t parked;
    shelves_count(&ledger->shelves, &all, &parked);
    atomic_store_explicit(&ledger->n_waiting, all, memory_order_relaxed);
    atomic_store_explicit(&ledger->n_parked, parked, memory_order_relaxed);
}

void ledger_tell_forgotten(struct ledger *ledger, size_t n, const char *reason)
{
    if (n == 0 || (ledger->forgotten_told_ms != 0 && ledger->now_ms < ledger->forgotten_told_ms + LOG_MS))
        return;
    ledger->forgotten_told_ms = ledger->now_ms;
    log_event(LOG_WARN, "run_forgotten", "runs of partitions that were taken away are not kept any longer (%s)%s", reason,
              ledger->scribe != NULL ? "" : ": should such a partition come back, they start again");
}

/* ---- a partition comes and goes ---- */

static void fail(struct ledger *ledger, const char *reason)
{
    ledger->hooks.fatal(reason, ledger->hooks.opaque);
}

void ledger_leave(struct ledger *ledger, struct assignment *assignment)
{
    shelves_close(&ledger->shelves, assignment);
    ledger_count_waiting(ledger);
}

/* Takes the table. */
static void open_shelf(struct ledger *ledger, struct assignment *assignment, struct checkpoint_table *table)
{
    if (shelves_open(&ledger->shelves, assignment, table) != 0) {
        fail(ledger, "out of memory for the checkpoints of a partition");
        return;
    }
    ledger_count_waiting(ledger);
    ledger->hooks.restored(assignment, ledger->hooks.opaque);
}

static void serve_opening(struct ledger *ledger)
{
    struct list due;
    struct list *node;
    list_init(&due);
    list_splice(&due, &ledger->opening);
    while ((node = list_shift(&due)) != NULL) {
        struct opening *opening = list_entry(node, struct opening, node);
        struct assignment *assignment = opening->assignment;
        free(opening);
        if (tenure_read(&assignment->tenure) == TENURE_HELD)
            open_shelf(ledger, assignment, NULL);
        assignment_release(assignment);
    }
}

static void wake(const struct ledger *ledger)
{
    const uint64_t one = 1;
    ssize_t written = write(ledger->config.event_fd, &one, sizeof one);
    (void)written; /* a full counter is awake enough */
}

void ledger_restore(struct ledger *ledger, struct assignment *assignment)
{
    if (ledger->checkpoints != NULL) {
        if (checkpoints_read(ledger->checkpoints, assignment) != 0)
            fail(ledger, "out of memory for reading the checkpoints of a partition");
        return;
    }
    struct opening *opening = malloc(sizeof *opening);
    if (opening == NULL) {
        fail(ledger, "out of memory for a partition");
        return;
    }
    opening->assignment = assignment_hold(assignment);
    list_push(&ledger->opening, &opening->node);
    wake(ledger);
}

/* The checkpoints' thread. */
static enum checked on_check(const char *value, size_t value_bytes, void *opaque)
{
    (void)opaque;
    char why[CHECKPOINT_WHY_BYTES];
    struct checkpoint *checkpoint = NULL;
    enum checked checked = CHECKED_UNREADABLE;
    switch (checkpoint_read(value, value_bytes, &checkpoint, why)) {
    case CHECKPOINT_READ:
        checked = checkpoint->kind == CHECKPOINT_RUN ? CHECKED_RUN : CHECKED_INTENT;
        break;
    case CHECKPOINT_UNREADABLE:
        break;
    case CHECKPOINT_TOO_NEW:
        checked = CHECKED_TOO_NEW;
        break;
    case CHECKPOINT_NO_MEMORY:
        checked = CHECKED_NO_MEMORY;
        break;
    }
    free(checkpoint);
    return checked;
}

/* One line for all of them, with the first one's fault. */
static void tell_unreadable(struct ledger *ledger, const struct assignment *assignment,
                            const struct checkpoint_table *table)
{
    const struct checkpoint_entry *entry;
    char why[CHECKPOINT_WHY_BYTES] = "";
    int64_t first = 0;
    size_t n = 0;
    for (size_t at = 0; (entry = checkpoint_table_next(table, &at)) != NULL;) {
        if (entry->found != CHECKED_UNREADABLE)
            continue;
        struct checkpoint *checkpoint;
        if (n++ == 0) {
            first = entry->offset;
            checkpoint_read(entry->value, entry->value_bytes, &checkpoint, why);
        }
    }
    if (n == 0)
        return;
    ledger_count(&ledger->unreadable, n);
    log_event(LOG_WARN, "checkpoint_unreadable", "%s [%" PRId32 "]: %zu checkpoints cannot be read, the first of offset %"
              PRId64 " (%s): %s", assignment->topic, assignment->partition, n, first, why,
              ledger->config.at_most_once ? "whether their kickoffs went is not known, so they end failed"
                                          : "their inputs start again");
}

static void on_ready(struct assignment *assignment, struct checkpoint_table *table, void *opaque)
{
    struct ledger *ledger = opaque;
    ledger_count(&ledger->restored, checkpoint_table_count(table));
    tell_unreadable(ledger, assignment, table);
    open_shelf(ledger, assignment, table);
}

static void on_checkpoints_fatal(const char *reason, void *opaque)
{
    fail(opaque, reason);
}

/* ---- turns ---- */

void ledger_delivered(struct ledger *ledger, struct parcel *parcel, enum delivery delivery, const char *reason)
{
    assert(ledger->scribe != NULL);
    scribe_delivered(ledger->scribe, parcel, delivery, reason);
}

void ledger_use_publisher(struct ledger *ledger, struct publisher *publisher)
{
    if (ledger->scribe != NULL)
        scribe_use_publisher(ledger->scribe, publisher);
}

void ledger_turn(struct ledger *ledger, int64_t now_ms, int64_t *next_ms)
{
    ledger->now_ms = now_ms;
    *next_ms = CLOCK_NEVER;
    serve_opening(ledger);
    if (ledger->checkpoints != NULL)
        checkpoints_turn(ledger->checkpoints);
    if (ledger->scribe != NULL)
        scribe_turn(ledger->scribe, now_ms, next_ms);
    size_t expired = shelves_expire(&ledger->shelves, now_ms);
    ledger_tell_forgotten(ledger, expired, "after a day");
    if (expired > 0)
        ledger_count_waiting(ledger);
}

void ledger_read_counts(const struct ledger *ledger, struct ledger_counts *out)
{
    struct scribe_counts scribe = {0};
    if (ledger->scribe != NULL)
        scribe_read_counts(ledger->scribe, &scribe);
    *out = (struct ledger_counts){
        .outstanding = scribe.outstanding,
        .outstanding_bytes = scribe.outstanding_bytes,
        .waiting = atomic_load_explicit(&ledger->n_waiting, memory_order_relaxed),
        .parked = atomic_load_explicit(&ledger->n_parked, memory_order_relaxed),
        .written = scribe.written,
        .erased = scribe.erased,
        .given_up = scribe.given_up + atomic_load_explicit(&ledger->unwritten, memory_order_relaxed),
        .restored = atomic_load_explicit(&ledger->restored, memory_order_relaxed),
        .resumed = atomic_load_explicit(&ledger->resumed, memory_order_relaxed),
        .stale = atomic_load_explicit(&ledger->stale, memory_order_relaxed),
        .gone = atomic_load_explicit(&ledger->gone, memory_order_relaxed),
        .unreadable = atomic_load_explicit(&ledger->unreadable, memory_order_relaxed),
    };
}

void ledger_count_growth(const struct ledger_counts *was, const struct ledger_counts *now, struct metrics_shard *shard)
{
    const struct {
        enum metric_checkpoint event;
        uint64_t n;
    } grown[] = {
        {METRIC_CHECKPOINT_WRITTEN, now->written - was->written},
        {METRIC_CHECKPOINT_ERASED, now->erased - was->erased},
        {METRIC_CHECKPOINT_RESTORED, now->restored - was->restored},
        {METRIC_CHECKPOINT_RESUMED, now->resumed - was->resumed},
        {METRIC_CHECKPOINT_STALE, now->stale - was->stale},
        {METRIC_CHECKPOINT_GONE, now->gone - was->gone},
        {METRIC_CHECKPOINT_UNREADABLE, now->unreadable - was->unreadable},
        {METRIC_CHECKPOINT_GIVEN_UP, now->given_up - was->given_up},
    };
    for (size_t i = 0; i < sizeof grown / sizeof *grown; i++)
        metrics_add(shard, METRIC_CHECKPOINTS_TOTAL, grown[i].event, (int64_t)grown[i].n);
}

/* ---- life ---- */

static void on_intent_written(struct job *job, void *opaque)
{
    struct ledger *ledger = opaque;
    ledger->hooks.intent_written(job, ledger->hooks.opaque);
}

static void on_intent_failed(struct job *job, const char *reason, void *opaque)
{
    struct ledger *ledger = opaque;
    ledger->hooks.intent_failed(job, reason, ledger->hooks.opaque);
}

static int make_topic_side(struct ledger *ledger, char *why, size_t why_bytes)
{
    const struct scribe_config scribe = {
        .topic = ledger->config.topic,
        .group_id = ledger->config.settings.group_id,
        .event_fd = ledger->config.event_fd,
    };
    const struct scribe_hooks scribe_hooks = {
        .intent_written = on_intent_written, .intent_failed = on_intent_failed, .opaque = ledger};
    const struct checkpoints_config checkpoints = {
        .settings = ledger->config.settings,
        .topic = ledger->config.topic,
        .inputs = ledger->config.inputs,
        .n_inputs = ledger->config.n_inputs,
        .group_id = ledger->config.settings.group_id,
        .event_fd = ledger->config.event_fd,
    };
    const struct checkpoints_hooks checkpoints_hooks = {
        .check = on_check, .ready = on_ready, .fatal = on_checkpoints_fatal, .opaque = ledger};
    ssize_t n = getrandom(&ledger->random, sizeof ledger->random, 0);
    if (n != (ssize_t)sizeof ledger->random) {
        snprintf(why, why_bytes, "no random number for the checkpoints' keys: %s", strerror(errno));
        return -1;
    }
    ledger->scribe = scribe_new(&scribe, &scribe_hooks, why, why_bytes);
    if (ledger->scribe == NULL)
        return -1;
    ledger->checkpoints = checkpoints_new(&checkpoints, &checkpoints_hooks, why, why_bytes);
    return ledger->checkpoints != NULL ? 0 : -1;
}

struct ledger *ledger_new(const struct ledger_config *config, const struct ledger_hooks *hooks, char *why,
                          size_t why_bytes)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL) {
        snprintf(why, why_bytes, "out of memory");
        return NULL;
    }
    ledger->config = *config;
    ledger->hooks = *hooks;
    ledger->now_ms = clock_mono_ms();
    list_init(&ledger->opening);
    shelves_init(&ledger->shelves, config->max_parked, config->max_parked_bytes);
    if (config->topic != NULL && make_topic_side(ledger, why, why_bytes) != 0) {
        ledger_free(ledger);
        return NULL;
    }
    return ledger;
}

void ledger_free(struct ledger *ledger)
{
    struct list *node;
    if (ledger == NULL)
        return;
    checkpoints_free(ledger->checkpoints);
    scribe_free(ledger->scribe);
    while ((node = list_shift(&ledger->opening)) != NULL) {
        struct opening *opening = list_entry(node, struct opening, node);
        assignment_release(opening->assignment);
        free(opening);
    }
    shelves_deinit(&ledger->shelves);
    free(ledger);
}
