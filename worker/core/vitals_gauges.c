#include "core/vitals_gauges.h"

#include "engine/gate.h"
#include "ops/metrics.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void one(struct buf *out, const char *name, const char *help, double value)
{
    metrics_family(out, name, "gauge", help);
    metrics_sample(out, name, NULL, value);
}

void vitals_gauges_about(struct buf *out, const char *curl_version)
{
    const char *labels[] = {"version", RXP_VERSION, "librdkafka", rd_kafka_version_str(), "libcurl", curl_version, NULL};
    metrics_family(out, "rxp_build_info", "gauge", "1; its labels say what is running.");
    metrics_sample(out, "rxp_build_info", labels, 1);
}

/* ---- partitions ---- */

enum { PAUSES = 4 };

/* All that is asked of a partition, in one walk: the families' samples stand in one buffer each. */
enum { WAITING, LAG, IN_FLIGHT, WINDOW, DONE_BEYOND, AGE, FAMILIES };
static const struct {
    const char *name;
    const char *help;
} families[FAMILIES] = {
    [WAITING] = {"rxp_partition_waiting", "Messages in the topic that were not taken yet."},
    [LAG] = {"rxp_partition_lag", "Messages from the committed offset to the end: those under way and done ones among them."},
    [IN_FLIGHT] = {"rxp_partition_in_flight", "Runs under way."},
    [WINDOW] = {"rxp_partition_window_offsets", "Offsets from the lowest that is not done to the highest that was taken."},
    [DONE_BEYOND] = {"rxp_partition_done_beyond_offsets", "Of these, done."},
    [AGE] = {"rxp_partition_frontier_age_seconds",
             "Since the lowest input that is not done was taken; 0 where all is done."},
};

struct walk {
    struct buf family[FAMILIES];
    size_t n;
    size_t paused[PAUSES];
    int64_t waiting;
};

static void take(const struct standing_partition *partition, void *opaque)
{
    struct walk *walk = opaque;
    char number[16];
    snprintf(number, sizeof number, "%" PRId32, partition->partition);
    const char *labels[] = {"topic", partition->topic, "partition", number, NULL};
    const double values[FAMILIES] = {
        [WAITING] = (double)partition->waiting,   [LAG] = (double)partition->lag,
        [IN_FLIGHT] = (double)partition->in_flight, [WINDOW] = (double)partition->span,
        [DONE_BEYOND] = (double)partition->done_beyond, [AGE] = (double)partition->frontier_age_ms / 1000,
    };
    for (int i = 0; i < FAMILIES; i++) {
        /* Where the log ends is not known yet: then nothing is said, and not 0. */
        if ((i != WAITING && i != LAG) || partition->end >= 0)
            metrics_sample(&walk->family[i], families[i].name, labels, values[i]);
    }
    for (unsigned i = 0; i < PAUSES; i++)
        walk->paused[i] += (partition->pauses & (1U << i)) != 0;
    walk->waiting += partition->waiting;
    walk->n++;
}

static void write_partitions(struct buf *out, struct standing *standing, int64_t *waiting)
{
    static const char *const pauses[PAUSES] = {"limit", "window", "ordering", "crowd"};
    struct walk walk = {.n = 0};
    for (int i = 0; i < FAMILIES; i++)
        buf_init(&walk.family[i], out->max_bytes);
    standing_each(standing, take, &walk);
    for (int i = 0; i < FAMILIES; i++) {
        metrics_family(out, families[i].name, "gauge", families[i].help);
        if (walk.family[i].bytes > 0)
            buf_put(out, walk.family[i].at, walk.family[i].bytes);
        out->failed = out->failed || buf_failed(&walk.family[i]);
        buf_deinit(&walk.family[i]);
    }
    one(out, "rxp_assigned_partitions", "Partitions that this worker has.", (double)walk.n);
    metrics_family(out, "rxp_paused_partitions", "gauge", "Of these, those that no messages are taken from just now, and why.");
    for (int i = 0; i < PAUSES; i++) {
        const char *labels[] = {"reason", pauses[i], NULL};
        metrics_sample(out, "rxp_paused_partitions", labels, (double)walk.paused[i]);
    }
    *waiting = walk.waiting;
}

void vitals_gauges_of_standing(struct buf *out, struct standing *standing, const struct worker_config *config, bool ready)
{
    struct standing_whole whole;
    int64_t waiting = 0;
    standing_read(standing, &whole);
    write_partitions(out, standing, &waiting);
    one(out, "rxp_waiting_invocations", "Messages of this worker's partitions that were not taken yet.", (double)waiting);
    one(out, "rxp_pending_invocations", "Waiting and in flight: what is to be scaled by.",
        (double)waiting + (double)whole.in_flight);
    one(out, "rxp_in_flight_limit", "max-in-flight.", (double)config->max_in_flight);
    one(out, "rxp_in_flight_bytes", "What counts towards max-in-flight-bytes.", (double)whole.in_flight_bytes);
    one(out, "rxp_in_flight_bytes_limit", "max-in-flight-bytes.", (double)config->max_in_flight_bytes);
    one(out, "rxp_max_run_seconds", "max-run-seconds.", (double)config->pool.max_run_ms / 1000);
    one(out, "rxp_draining", "1: it was told to stop, and brings to an end what is under way.", whole.draining);
    one(out, "rxp_ready", "1: /readyz says so.", ready);
}

/* ---- the pool ---- */

struct gate_walk {
    size_t crowd_above;
    size_t open;
    size_t crowded;
};

static void look(const struct gate *gate, void *opaque)
{
    struct gate_walk *walk = opaque;
    walk->open += gate_is_open(gate);
    walk->crowded += gate_crowd(gate) > walk->crowd_above;
}

void vitals_gauges_of_pool(struct buf *out, struct pool *pool, size_t crowd_above)
{
    struct gate_walk walk = {.crowd_above = crowd_above};
    struct pool_counts counts = {0};
    metrics_family(out, "rxp_loop_busy_seconds_total", "counter", "CPU time of each event loop; 1 a second is all that there is.");
    if (pool != NULL) {
        gates_each(pool_gates(pool), look, &walk);
        pool_read_counts(pool, &counts);
        int64_t us;
        for (size_t i = 0; (us = pool_loop_cpu_us(pool, i)) >= 0; i++) {
            char number[24];
            snprintf(number, sizeof number, "%zu", i);
            const char *labels[] = {"loop", number, NULL};
            metrics_sample(out, "rxp_loop_busy_seconds_total", labels, (double)us / 1e6);
        }
    }
    one(out, "rxp_origin_breakers_open", "Origins that get no kickoffs, since requests to them failed in a row.", (double)walk.open);
    one(out, "rxp_crowded_origins", "Origins that so many runs wait to be kicked off at that partitions pause for it.",
        (double)walk.crowded);
    one(out, "rxp_errands_in_flight", "Cancel and after calls of runs that have ended.", (double)counts.n_errands);
}
