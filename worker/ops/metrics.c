#include "ops/metrics.h"

#include "ops/metrics_origins.h"
#include "ops/metrics_table.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So that no two threads write to one line of a cache. */
#define LINE_BYTES 64
#define CELLS_PER_LINE (LINE_BYTES / sizeof(_Atomic int64_t))

/* A family's cells lie together: a counter's or gauge's one after the other; a histogram's buckets, the unbounded one, the
 * sum in milliseconds. */
struct metrics_shard {
    struct metrics_shard *next;
    const size_t *first; /* of metrics */
    alignas(LINE_BYTES) _Atomic int64_t cells[];
};

struct metrics {
    struct metrics_origins origins;
    size_t first[METRIC_N + 1]; /* where each family begins */
    struct metrics_shard *shared; /* whose cells are added to by anybody */
    pthread_mutex_t lock;         /* for the list alone */
    struct metrics_shard *shards; /* the shared one among them */
};

/* Outcomes in the order of enum rxp_status, from succeeded on. */
#define OUTCOMES (RXP_STATUS_REJECTED - RXP_STATUS_SUCCEEDED + 1)

static size_t cells_of(const struct metrics *metrics, enum metric metric)
{
    const struct metric_family *family = metric_family(metric);
    if (metric == METRIC_RUNS_BY_ORIGIN_TOTAL) {
        return (metrics->origins.n + 1) * OUTCOMES;
    }
    return family->type == METRIC_HISTOGRAM ? family->n_bounds + 2 : family->n_cells;
}

static struct metrics_shard *shard_add(struct metrics *metrics)
{
    size_t cells = (metrics->first[METRIC_N] + CELLS_PER_LINE - 1) / CELLS_PER_LINE * CELLS_PER_LINE;
    size_t bytes = sizeof(struct metrics_shard) + cells * sizeof(_Atomic int64_t);
    struct metrics_shard *shard = aligned_alloc(LINE_BYTES, bytes);
    if (shard == NULL) {
        return NULL;
    }
    shard->first = metrics->first;
    for (size_t i = 0; i < cells; i++) {
        atomic_init(&shard->cells[i], 0);
    }
    pthread_mutex_lock(&metrics->lock);
    shard->next = metrics->shards;
    metrics->shards = shard;
    pthread_mutex_unlock(&metrics->lock);
    return shard;
}

struct metrics *metrics_new(const char *const *origins, size_t n_origins)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics == NULL || metrics_origins_init(&metrics->origins, origins, n_origins, METRICS_ORIGINS_MAX) != 0) {
        free(metrics);
        return NULL;
    }
    pthread_mutex_init(&metrics->lock, NULL);
    for (int metric = 0; metric < METRIC_N; metric++) {
        metrics->first[metric + 1] = metrics->first[metric] + cells_of(metrics, (enum metric)metric);
    }
    metrics->shared = shard_add(metrics);
    if (metrics->shared == NULL) {
        metrics_free(metrics);
        return NULL;
    }
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    while (metrics->shards != NULL) {
        struct metrics_shard *shard = metrics->shards;
        metrics->shards = shard->next;
        free(shard);
    }
    metrics_origins_deinit(&metrics->origins);
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

struct metrics_shard *metrics_shard_new(struct metrics *metrics)
{
    return metrics != NULL ? shard_add(metrics) : NULL;
}

/* ---- counting ---- */

static size_t place(const size_t *first, enum metric metric, size_t cell)
{
    assert(cell < first[metric + 1] - first[metric]);
    return first[metric] + cell;
}

/* The owner's: nobody else writes, so that reading and writing need not be one step. */
static void bump(_Atomic int64_t *cell, int64_t n)
{
    atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n, memory_order_relaxed);
}

void metrics_add(struct metrics_shard *shard, enum metric metric, unsigned cell, int64_t n)
{
    if (shard != NULL) {
        bump(&shard->cells[place(shard->first, metric, cell)], n);
    }
}

void metrics_observe_ms(struct metrics_shard *shard, enum metric metric, int64_t ms)
{
    if (shard == NULL) {
        return;
    }
    const struct metric_family *family = metric_family(metric);
    assert(family->type == METRIC_HISTOGRAM);
    size_t bucket = 0;
    while (bucket < family->n_bounds && ms > family->bounds_ms[bucket]) {
        bucket++;
    }
    bump(&shard->cells[place(shard->first, metric, bucket)], 1);
    /* A clock of another machine may be ahead: that is no time at all, not less. */
    bump(&shard->cells[place(shard->first, metric, family->n_bounds + 1)], ms > 0 ? ms : 0);
}

void metrics_add_shared(struct metrics *metrics, enum metric metric, unsigned cell, int64_t n)
{
    if (metrics != NULL) {
        atomic_fetch_add_explicit(&metrics->shared->cells[place(metrics->first, metric, cell)], n, memory_order_relaxed);
    }
}

unsigned metrics_run_cell(enum rxp_status status, enum rxp_error error)
{
    size_t n;
    const struct metric_run *runs = metric_runs(&n);
    size_t other = n - 1;
    for (size_t i = 0; i < n; i++) {
        if (runs[i].status == status && (runs[i].error == (int)error || status == RXP_STATUS_SUCCEEDED)) {
            return (unsigned)i;
        }
        if (runs[i].status == status && runs[i].error == -1) {
            other = i;
        }
    }
    return (unsigned)other;
}

unsigned metrics_origin_cell(const struct metrics *metrics, const char *url, enum rxp_status status)
{
    if (metrics == NULL) {
        return 0;
    }
    assert(rxp_status_is_terminal(status));
    return (unsigned)(metrics_origins_find(&metrics->origins, url) * OUTCOMES + (size_t)(status - RXP_STATUS_SUCCEEDED));
}

/* ---- reading ---- */

/* One cell by its place over all shards. */
static int64_t total(const struct metrics *metrics, size_t at)
{
    int64_t sum = 0;
    for (const struct metrics_shard *shard = metrics->shards; shard != NULL; shard = shard->next) {
        sum += atomic_load_explicit(&shard->cells[at], memory_order_relaxed);
    }
    return sum;
}

/* The lock is no part of what const promises. */
static void metrics_lock(const struct metrics *metrics)
{
    pthread_mutex_lock(&((struct metrics *)(uintptr_t)metrics)->lock);
}

static void metrics_unlock(const struct metrics *metrics)
{
    pthread_mutex_unlock(&((struct metrics *)(uintptr_t)metrics)->lock);
}

int64_t metrics_read(const struct metrics *metrics, enum metric metric, unsigned cell)
{
    if (metrics == NULL) {
        return 0;
    }
    metrics_lock(metrics);
    int64_t sum = total(metrics, place(metrics->first, metric, cell));
    metrics_unlock(metrics);
    return sum;
}

int64_t metrics_sum(const struct metrics *metrics, enum metric metric)
{
    if (metrics == NULL) {
        return 0;
    }
    const struct metric_family *family = metric_family(metric);
    size_t end = metrics->first[metric + 1] - (family->type == METRIC_HISTOGRAM ? 1 : 0); /* without its times */
    int64_t sum = 0;
    metrics_lock(metrics);
    for (size_t at = metrics->first[metric]; at < end; at++) {
        sum += total(metrics, at);
    }
    metrics_unlock(metrics);
    return sum;
}

int64_t metrics_runs(const struct metrics *metrics, enum rxp_status status)
{
    size_t n;
    const struct metric_run *runs = metric_runs(&n);
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (runs[i].status == status) {
            sum += metrics_read(metrics, METRIC_RUNS_TOTAL, (unsigned)i);
        }
    }
    return sum;
}

/* ---- the page ---- */

/* The fewest digits that mean this number. */
static void put_number(struct buf *out, double number)
{
    if (!isfinite(number)) {
        buf_puts(out, isnan(number) ? "NaN" : number > 0 ? "+Inf" : "-Inf");
        return;
    }
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) {
            break;
        }
    }
    /* 1e+01 would be right, and nobody would read it. */
    if (number == floor(number) && fabs(number) < 1e15) {
        snprintf(text, sizeof text, "%" PRId64, (int64_t)number);
    }
    buf_puts(out, text);
}

static void put_value(struct buf *out, const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '\n') {
            buf_puts(out, "\\n");
        } else if (*at == '\\' || *at == '"') {
            buf_putf(out, "\\%c", *at);
        } else {
            buf_put(out, at, 1);
        }
    }
}

void metrics_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_putf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_sample(struct buf *out, const char *name, const char *const *labels, double value)
{
    buf_puts(out, name);
    for (size_t i = 0; labels != NULL && labels[i] != NULL; i += 2) {
        buf_putf(out, "%s%s=\"", i == 0 ? "{" : ",", labels[i]);
        put_value(out, labels[i + 1]);
        buf_puts(out, "\"");
    }
    buf_puts(out, labels != NULL && labels[0] != NULL ? "} " : " ");
    put_number(out, value);
    buf_puts(out, "\n");
}

static void write_histogram(const struct metrics *metrics, enum metric metric, struct buf *out)
{
    const struct metric_family *family = metric_family(metric);
    size_t first = metrics->first[metric];
    char name[96];
    char bound[40];
    int64_t count = 0;
    snprintf(name, sizeof name, "%s_bucket", family->name);
    for (size_t i = 0; i <= family->n_bounds; i++) {
        count += total(metrics, first + i);
        if (i < family->n_bounds) {
            snprintf(bound, sizeof bound, "%g", (double)family->bounds_ms[i] / 1000);
        }
        const char *labels[] = {"le", i < family->n_bounds ? bound : "+Inf", NULL};
        metrics_sample(out, name, labels, (double)count);
    }
    snprintf(name, sizeof name, "%s_sum", family->name);
    metrics_sample(out, name, NULL, (double)total(metrics, first + family->n_bounds + 1) / 1000);
    snprintf(name, sizeof name, "%s_count", family->name);
    metrics_sample(out, name, NULL, (double)count);
}

static struct metric_pair cell_words(const struct metrics *metrics, enum metric metric, size_t cell)
{
    if (metric != METRIC_RUNS_BY_ORIGIN_TOTAL) {
        return metric_family(metric)->cells[cell];
    }
    size_t origin = cell / OUTCOMES;
    return (struct metric_pair){
        origin < metrics->origins.n ? metrics->origins.words[origin] : "other",
        rxp_status_name((enum rxp_status)(RXP_STATUS_SUCCEEDED + cell % OUTCOMES)),
    };
}

static void write_cells(const struct metrics *metrics, enum metric metric, struct buf *out)
{
    const struct metric_family *family = metric_family(metric);
    size_t first = metrics->first[metric];
    for (size_t i = 0; i < metrics->first[metric + 1] - first; i++) {
        struct metric_pair words = cell_words(metrics, metric, i);
        const char *labels[] = {family->labels.first, words.first, family->labels.second, words.second, NULL};
        int64_t value = total(metrics, first + i);
        /* A run that changes hands between the reading of two shards must not make less than none. */
        metrics_sample(out, family->name, labels, value > 0 ? (double)value : 0);
    }
}

void metrics_write(const struct metrics *metrics, struct buf *out)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};
    if (metrics == NULL) {
        return;
    }
    metrics_lock(metrics);
    for (int i = 0; i < METRIC_N; i++) {
        enum metric metric = (enum metric)i;
        const struct metric_family *family = metric_family(metric);
        metrics_family(out, family->name, types[family->type], family->help);
        if (family->type == METRIC_HISTOGRAM) {
            write_histogram(metrics, metric, out);
        } else {
            write_cells(metrics, metric, out);
        }
    }
    metrics_unlock(metrics);
}
