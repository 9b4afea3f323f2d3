#include "core/console_inside.h"

#include "base/clock.h"
#include "core/vitals.h"
#include "engine/gate.h"
#include "protocol/json_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of very many partitions the page shows no more; /metrics has all. */
#define PARTITIONS_MAX 512
#define ORIGINS_MAX 20
#define ORIGIN_BYTES 300
#define STATUS_GUESS_BYTES 16384

static void put_number(struct json_writer *out, const char *name, int64_t number)
{
    json_put(out, name);
    json_put_int(out, number);
}

/* Below 0: not known. */
static void put_known(struct json_writer *out, const char *name, int64_t number)
{
    if (number < 0) {
        json_put(out, name);
        json_put(out, "null");
    } else {
        put_number(out, name, number);
    }
}

static void put_text(struct json_writer *out, const char *name, const char *text)
{
    json_put(out, name);
    json_put_string(out, text);
}

static const char *text_or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static void put_worker(const struct console *console, const struct standing_whole *whole, struct json_writer *out)
{
    const struct worker_config *config = console->config.worker_config;
    put_text(out, "{\"worker_id\":", config->settle.worker_id);
    put_text(out, ",\"version\":", RXP_VERSION);
    put_text(out, ",\"group_id\":", config->kafka.group_id);
    put_number(out, ",\"now_ms\":", clock_wall_ms());
    put_number(out, ",\"started_at_ms\":", console->started_at_ms);
    put_text(out, ",\"phase\":", whole->draining ? "draining" : "running");
    char why[VITALS_WHY_BYTES] = "";
    bool ready = vitals_ready(console->config.standing, config, clock_mono_ms(), why);
    json_put(out, ready ? ",\"ready\":true" : ",\"ready\":false");
    put_text(out, ",\"not_ready\":", ready ? NULL : why);
    put_text(out, ",\"trouble\":", text_or_null(whole->trouble));
    put_text(out, ",\"guarantees\":{\"results\":", config->exactly_once ? "exactly-once" : "at-least-once");
    put_text(out, ",\"kickoffs\":", config->at_most_once ? "at-most-once" : "at-least-once");
    put_text(out, ",\"checkpoints\":", config->checkpoints_topic);
    json_put(out, console->config.has_token ? "},\"can_cancel\":true" : "},\"can_cancel\":false");
    put_number(out, ",\"limits\":{\"max_in_flight\":", (int64_t)config->max_in_flight);
    put_number(out, ",\"max_in_flight_bytes\":", (int64_t)config->max_in_flight_bytes);
    put_number(out, ",\"max_run_seconds\":", config->pool.max_run_ms / 1000);
    put_number(out, "},\"in_flight\":", (int64_t)whole->in_flight);
    put_number(out, ",\"in_flight_bytes\":", (int64_t)whole->in_flight_bytes);
}

static void put_counts(const struct metrics *metrics, struct json_writer *out)
{
    static const enum rxp_status ends[] = {RXP_STATUS_SUCCEEDED, RXP_STATUS_FAILED, RXP_STATUS_TIMED_OUT, RXP_STATUS_CANCELLED,
                                           RXP_STATUS_REJECTED};
    json_put(out, ",\"phases\":{");
    for (int phase = 0; phase < METRIC_PHASE_N; phase++) {
        put_text(out, phase > 0 ? "," : "", metric_phase_name((enum metric_phase)phase));
        put_number(out, ":", metrics_read(metrics, METRIC_RUNS_IN_FLIGHT, (unsigned)phase));
    }
    json_put(out, "},\"runs\":{");
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        put_text(out, i > 0 ? "," : "", rxp_status_name(ends[i]));
        put_number(out, ":", metrics_runs(metrics, ends[i]));
    }
    json_put(out, "}");
}

static void put_loops(struct console *console, struct json_writer *out)
{
    double busy[CONSOLE_LOOPS_MAX];
    pthread_mutex_lock(&console->lock);
    size_t n = console->n_loops;
    memcpy(busy, console->loop_busy, n * sizeof busy[0]);
    pthread_mutex_unlock(&console->lock);
    json_put(out, ",\"loops\":[");
    for (size_t i = 0; i < n; i++) {
        char number[32] = "null";
        if (busy[i] >= 0) {
            snprintf(number, sizeof number, "%.3f", busy[i]);
        }
        json_put(out, i > 0 ? ",{\"busy\":" : "{\"busy\":");
        json_put(out, number);
        json_put(out, "}");
    }
    json_put(out, "]");
}

/* ---- origins: the worst of them ---- */

struct origin_row {
    char key[ORIGIN_BYTES];
    bool open;
    size_t queued;
};

struct origins {
    struct origin_row row[ORIGINS_MAX];
    size_t n;
};

static bool is_worse(const struct origin_row *a, const struct origin_row *b)
{
    return a->open != b->open ? a->open : a->queued > b->queued;
}

/* gates_fn */
static void take_origin(const struct gate *gate, void *opaque)
{
    struct origins *origins = opaque;
    struct origin_row row = {.open = gate_is_open(gate), .queued = gate_crowd(gate)};
    if (!row.open && row.queued == 0) {
        return;
    }
    size_t at = origins->n;
    while (at > 0 && is_worse(&row, &origins->row[at - 1])) {
        at--;
    }
    if (at == ORIGINS_MAX) {
        return;
    }
    snprintf(row.key, sizeof row.key, "%s", gate_key(gate));
    size_t moved = origins->n < ORIGINS_MAX ? origins->n - at : ORIGINS_MAX - 1 - at;
    memmove(&origins->row[at + 1], &origins->row[at], moved * sizeof origins->row[0]);
    origins->row[at] = row;
    origins->n += origins->n < ORIGINS_MAX;
}

static void put_origins(struct console *console, struct json_writer *out)
{
    struct origins origins = {.n = 0};
    struct worker *worker = console_hold_worker(console);
    if (worker != NULL) {
        gates_each(pool_gates(worker_pool(worker)), take_origin, &origins);
        console_release_worker(console);
    }
    json_put(out, ",\"origins\":[");
    for (size_t i = 0; i < origins.n; i++) {
        put_text(out, i > 0 ? ",{\"origin\":" : "{\"origin\":", origins.row[i].key);
        put_text(out, ",\"breaker\":", origins.row[i].open ? "open" : "closed");
        put_number(out, ",\"queued\":", (int64_t)origins.row[i].queued);
        json_put(out, "}");
    }
    json_put(out, "]");
}

/* ---- partitions ---- */

struct partitions {
    struct json_writer out;
    size_t n;
    int64_t waiting;
};

static const char *state_name(enum standing_state state)
{
    switch (state) {
    case STANDING_RESTORING:
        return "restoring";
    case STANDING_RUNNING:
        return "running";
    case STANDING_LEAVING:
        return "leaving";
    }
    return NULL;
}

static void put_pauses(unsigned pauses, struct json_writer *out)
{
    static const struct {
        enum standing_pause bit;
        const char *name;
    } names[] = {
        {STANDING_PAUSE_LIMIT, "limit"},
        {STANDING_PAUSE_WINDOW, "window"},
        {STANDING_PAUSE_ORDERING, "ordering"},
        {STANDING_PAUSE_CROWD, "crowd"},
    };
    const char *comma = "";
    json_put(out, ",\"paused\":[");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((pauses & names[i].bit) != 0) {
            put_text(out, comma, names[i].name);
            comma = ",";
        }
    }
    json_put(out, "]");
}

/* standing_fn */
static void take_partition(const struct standing_partition *partition, void *opaque)
{
    struct partitions *partitions = opaque;
    struct json_writer *out = &partitions->out;
    partitions->waiting += partition->waiting;
    if (partitions->n++ >= PARTITIONS_MAX) {
        return;
    }
    put_text(out, partitions->n > 1 ? ",{\"topic\":" : "{\"topic\":", partition->topic);
    put_number(out, ",\"partition\":", partition->partition);
    put_text(out, ",\"state\":", state_name(partition->state));
    put_pauses(partition->pauses, out);
    put_known(out, ",\"committed\":", partition->committed);
    put_known(out, ",\"frontier\":", partition->frontier);
    put_known(out, ",\"position\":", partition->position);
    put_known(out, ",\"end\":", partition->end);
    put_known(out, ",\"waiting\":", partition->end < 0 ? -1 : partition->waiting);
    put_known(out, ",\"lag\":", partition->end < 0 ? -1 : partition->lag);
    put_number(out, ",\"in_flight\":", (int64_t)partition->in_flight);
    put_number(out, ",\"span\":", (int64_t)partition->span);
    put_number(out, ",\"done_beyond\":", (int64_t)partition->done_beyond);
    put_number(out, ",\"frontier_age_ms\":", partition->frontier_age_ms);
    json_put(out, ",\"cells\":");
    for (size_t i = 0; i < STANDING_CELLS && partition->has_cells; i++) {
        put_number(out, i > 0 ? "," : "[", partition->cells[i]);
    }
    json_put(out, partition->has_cells ? "]}" : "null}");
}

static void put_partitions(struct console *console, struct json_writer *out)
{
    struct partitions partitions = {.n = 0};
    size_t bytes = 0;
    json_writer_init(&partitions.out, STATUS_GUESS_BYTES);
    standing_want_cells(console->config.standing, clock_mono_ms());
    standing_each(console->config.standing, take_partition, &partitions);
    char *rows = json_writer_take(&partitions.out, &bytes);
    if (rows == NULL) {
        out->failed = true;
        return;
    }
    put_number(out, ",\"waiting\":", partitions.waiting);
    put_number(out, ",\"partitions_left_out\":",
               partitions.n > PARTITIONS_MAX ? (int64_t)(partitions.n - PARTITIONS_MAX) : 0);
    json_put(out, ",\"partitions\":[");
    json_put(out, rows);
    json_put(out, "],");
    free(rows);
}

static char *write_status(struct console *console, size_t *bytes)
{
    struct json_writer out;
    struct standing_whole whole;
    json_writer_init(&out, STATUS_GUESS_BYTES);
    standing_read(console->config.standing, &whole);
    put_worker(console, &whole, &out);
    put_counts(console->config.metrics, &out);
    put_loops(console, &out);
    put_origins(console, &out);
    put_partitions(console, &out);
    history_write(console->config.history, &out);
    json_put(&out, "}");
    return json_writer_take(&out, bytes);
}

/* Written at most once a second, however many look; who comes while it is written waits for it. */
void console_serve_status(struct http_exchange *exchange, void *opaque)
{
    struct console *console = opaque;
    pthread_mutex_lock(&console->status_lock);
    int64_t now_ms = clock_mono_ms();
    if (console->status == NULL || now_ms - console->status_mono_ms >= CONSOLE_STATUS_MS) {
        size_t bytes = 0;
        char *status = write_status(console, &bytes);
        if (status != NULL) {
            free(console->status);
            console->status = status;
            console->status_bytes = bytes;
            console->status_mono_ms = now_ms;
        }
    }
    if (console->status != NULL) {
        admin_send_json(exchange, 200, console->status, console->status_bytes);
    } else {
        admin_refuse(exchange, 503, "memory is short; ask again");
    }
    pthread_mutex_unlock(&console->status_lock);
}
