/* What standing is told: once a second, with each phase, and a moment after each change of what is assigned. On the Kafka thread. */
#include "core/worker_inside.h"
#include "kafka/tracker.h"
#include "ops/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_EVERY_MS 1000
/* Partitions may come one after another. */
#define WATCH_CHANGED_MS 50

int watch_open(struct worker *worker, char why[WORKER_WHY_BYTES])
{
    worker->watch.shard = metrics_shard_new(worker->config.metrics);
    if (worker->config.metrics != NULL && worker->watch.shard == NULL) {
        snprintf(why, WORKER_WHY_BYTES, "out of memory");
        return -1;
    }
    if (worker->config.standing == NULL)
        return 0;
    worker->watch.ends = ends_new(&worker->config.kafka, ENDS_EVERY_MS, why, WORKER_WHY_BYTES);
    return worker->watch.ends != NULL ? 0 : -1;
}

void watch_close(struct worker *worker)
{
    ends_free(worker->watch.ends);
}

/* ---- the partitions ---- */

struct rows {
    struct standing_partition *row;
    size_t n;
    size_t room;
    bool with_cells;
};

static enum standing_state state_of(enum view_state state)
{
    switch (state) {
    case VIEW_RESTORING:
        return STANDING_RESTORING;
    case VIEW_RUNNING:
        return STANDING_RUNNING;
    case VIEW_LEAVING:
        return STANDING_LEAVING;
    }
    return STANDING_RUNNING;
}

static const struct {
    enum view_pause seen;
    enum standing_pause told;
} pauses[] = {
    {VIEW_PAUSED_HOLD, STANDING_PAUSE_LIMIT},
    {VIEW_PAUSED_WINDOW, STANDING_PAUSE_WINDOW},
    {VIEW_PAUSED_ASKED, STANDING_PAUSE_ORDERING},
    {VIEW_PAUSED_CROWDED, STANDING_PAUSE_CROWD},
};

/* `waiting` holds for a moment what of it lies beyond `position` and is done. */
static void add_row(const struct consumer_view *view, void *opaque)
{
    struct rows *rows = opaque;
    if (rows->n == rows->room)
        return;
    struct standing_partition *row = &rows->row[rows->n++];
    *row = (struct standing_partition){
        .topic = view->topic,
        .partition = view->partition,
        .state = state_of(view->state),
        .committed = view->committed,
        .frontier = view->frontier,
        .position = view->position,
        .end = ENDS_UNKNOWN,
        .waiting = view->is_read ? (int64_t)view->done_ahead : -1,
        .in_flight = view->in_flight,
        .span = view->span,
        .done_beyond = view->done_beyond,
        .frontier_age_ms = view->frontier_age_ms,
        .has_cells = rows->with_cells && view->is_read,
    };
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++)
        row->pauses |= (view->pauses & (unsigned)pauses[i].seen) != 0 ? (unsigned)pauses[i].told : 0;
    if (row->has_cells)
        tracker_cells(view->tracker, row->cells, STANDING_CELLS);
}

static int compare_rows(const void *a, const void *b)
{
    const struct standing_partition *one = a;
    const struct standing_partition *other = b;
    int order = strcmp(one->topic, other->topic);
    return order != 0 ? order : (one->partition > other->partition) - (one->partition < other->partition);
}

/* ---- what waits ---- */

static int64_t not_below_zero(int64_t n)
{
    return n > 0 ? n : 0;
}

/* beginning: of the log; ENDS_UNKNOWN where it is not known, or does not matter. What is read from the beginning begins there. */
static void fill_waiting(struct standing_partition *row, int64_t end, int64_t beginning)
{
    int64_t done_ahead = row->waiting;
    int64_t from = row->position >= 0 ? row->position : beginning;
    int64_t committed = row->committed >= 0 ? row->committed : beginning;
    bool is_known = end >= 0 && done_ahead >= 0;
    row->end = end;
    row->waiting = is_known && from >= 0 ? not_below_zero(end - from - done_ahead) : 0;
    row->lag = is_known && committed >= 0 ? not_below_zero(end - committed) : 0;
}

static void ask_ends(struct worker *worker, struct rows *rows)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)rows->n);
    for (size_t i = 0; i < rows->n; i++) {
        const struct standing_partition *row = &rows->row[i];
        bool from_beginning = row->waiting >= 0 && (row->position < 0 || row->committed < 0);
        rd_kafka_topic_partition_list_add(list, row->topic, row->partition)->offset = from_beginning ? ENDS_UNKNOWN : 0;
    }
    ends_ask(worker->watch.ends, list);
    rd_kafka_topic_partition_list_t *beginnings = rd_kafka_topic_partition_list_copy(list);
    ends_read(worker->watch.ends, list);
    ends_read_beginnings(worker->watch.ends, beginnings);
    for (size_t i = 0; i < rows->n; i++)
        fill_waiting(&rows->row[i], list->elems[i].offset, beginnings->elems[i].offset);
    rd_kafka_topic_partition_list_destroy(beginnings);
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- the turn ---- */

static void renew(struct worker *worker, const struct consumer_counts *counts, int64_t now_ms)
{
    struct rows rows = {
        .row = calloc(counts->assigned > 0 ? counts->assigned : 1, sizeof *rows.row),
        .room = counts->assigned,
        .with_cells = standing_wants_cells(worker->config.standing, now_ms),
    };
    if (rows.row == NULL)
        return;
    consumer_each_partition(worker->consumer, now_ms, add_row, &rows);
    qsort(rows.row, rows.n, sizeof *rows.row, compare_rows);
    ask_ends(worker, &rows);
    struct standing_whole whole = {
        .joined = counts->joined,
        .draining = worker->phase != PHASE_RUNNING,
        .broker_seen_mono_ms = counts->broker_seen_ms,
        .in_flight = flight_jobs(worker->flight),
        .in_flight_bytes = flight_bytes(worker->flight),
    };
    consumer_read_trouble(worker->consumer, now_ms, whole.trouble, sizeof whole.trouble);
    if (worker->failed)
        snprintf(whole.trouble, sizeof whole.trouble, "%.*s", (int)sizeof whole.trouble - 1, worker->reason);
    standing_renew(worker->config.standing, &whole, rows.row, rows.n);
    free(rows.row);
}

static bool is_due(const struct worker *worker, const struct consumer_counts *counts, int64_t now_ms)
{
    return now_ms >= worker->watch.next_ms || worker->phase != worker->watch.phase ||
           (counts->changes != worker->watch.changes && now_ms >= worker->watch.soonest_ms);
}

void watch_serve(struct worker *worker, const struct consumer_counts *counts, int64_t now_ms, int64_t *next_ms)
{
    if (worker->config.standing == NULL && worker->watch.shard == NULL)
        return;
    if (worker->config.standing != NULL)
        standing_beat(worker->config.standing, now_ms);
    if (worker->phase >= PHASE_LEAVING && worker->watch.ends != NULL)
        ends_stop(worker->watch.ends); /* beside the leaving */
    if (worker->watch.ends != NULL)
        consumer_broker_answered(worker->consumer, ends_answered_ms(worker->watch.ends));
    if (is_due(worker, counts, now_ms)) {
        worker->watch.next_ms = now_ms + WATCH_EVERY_MS;
        worker->watch.soonest_ms = now_ms + WATCH_CHANGED_MS;
        worker->watch.changes = counts->changes;
        worker->watch.phase = worker->phase;
        flight_count_checkpoints(worker->flight);
        if (worker->config.standing != NULL)
            renew(worker, counts, now_ms);
    }
    *next_ms = counts->changes != worker->watch.changes ? worker->watch.soonest_ms : worker->watch.next_ms;
}
