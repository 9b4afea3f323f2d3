/* metrics_table: the families that threads count into, one row each. For metrics.c alone.
 *
 * Pure: constants. */
#ifndef RXP_OPS_METRICS_TABLE_H
#define RXP_OPS_METRICS_TABLE_H

#include "ops/metrics.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_pair {
    const char *first;
    const char *second;
};

struct metric_family {
    const char *name;
    enum metric_type type;
    const char *help;
    /* Counters and gauges: the labels' names, NULL where there is none, and each cell's values of them. Of
     * METRIC_RUNS_BY_ORIGIN_TOTAL metrics.c knows the cells. */
    struct metric_pair labels;
    const struct metric_pair *cells;
    size_t n_cells;
    /* Histograms: upper bounds of the buckets, rising; a last one without a bound comes on top. */
    const int64_t *bounds_ms;
    size_t n_bounds;
};

const struct metric_family *metric_family(enum metric metric);

/* What can come of a run: the cells of METRIC_RUNS_TOTAL, in their order. `error` -1: a code that nobody thought of. */
struct metric_run {
    enum rxp_status status;
    int error;
};
const struct metric_run *metric_runs(size_t *n);

#endif
