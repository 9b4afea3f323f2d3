/* metrics: what is counted, and how it is told to Prometheus (text format 0.0.4).
 *
 * One table (metrics_table.c) names every family that threads count into. Each thread that counts often has a shard of
 * its own and is the only one to write it, so that counting costs an add without a lock; a scrape sums the shards. Threads
 * that count rarely share one. A family's samples are a closed set, known from the start and shown from the start, also
 * as 0: no label ever holds what a message or a backend says.
 *
 * What is a state and not a count (partitions, memory, limits) is not kept here: whoever knows it writes it into the same
 * page, with metrics_family and metrics_sample. */
#ifndef RXP_OPS_METRICS_H
#define RXP_OPS_METRICS_H

#include "base/buf.h"
#include "protocol/vocab.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct metrics;
struct metrics_shard;

/* A family's cell says which of its samples: the label's value by the enum that is named here. */
enum metric {
    METRIC_RUNS_TOTAL,          /* metrics_run_cell: outcome and error code; at landing: the result is acknowledged */
    METRIC_RUNS_BY_ORIGIN_TOTAL, /* metrics_origin_cell */
    METRIC_RUNS_IN_FLIGHT,      /* enum metric_phase; a gauge: what one thread adds another may take away */
    METRIC_INVOCATIONS_TOTAL,   /* 0; taken from the topic */
    METRIC_HANDED_BACK_TOTAL,   /* 0; abandoned, for another owner of their partition */
    METRIC_KICKOFF_SECONDS,     /* histogram: sent -> answered */
    METRIC_POLL_SECONDS,        /* the same */
    METRIC_RUN_SECONDS,         /* histogram: first kickoff -> outcome */
    METRIC_QUEUE_AGE_SECONDS,   /* histogram: the message's timestamp -> its first kickoff leaves */
    METRIC_RESULT_SECONDS,      /* histogram: outcome -> result acknowledged */
    METRIC_REQUESTS_TOTAL,      /* enum metric_call: sent */
    METRIC_RETRIES_TOTAL,       /* enum metric_call: of these, after a failure */
    METRIC_EGRESS_REFUSALS_TOTAL, /* 0 */
    METRIC_ERRANDS_TOTAL,       /* enum metric_errand: cancel and after calls, by what came of them */
    METRIC_REBALANCES_TOTAL,    /* enum metric_rebalance: partitions */
    METRIC_CHECKPOINTS_TOTAL,   /* enum metric_checkpoint */
    METRIC_COMMITS_TOTAL,       /* enum metric_commit */
    METRIC_TRANSACTIONS_TOTAL,  /* enum metric_transaction; exactly-once */
    METRIC_PROGRESS_TOTAL,      /* enum metric_progress: reports to progress-topic */
    METRIC_CANCELS_TOTAL,       /* enum metric_cancel: asked for, by where they came from */
    METRIC_LOG_LINES_TOTAL,     /* enum log_level */
    METRIC_N,
};

enum metric_phase {
    METRIC_PHASE_QUEUED,  /* taken; waits for a loop, its lane, a place or rate at its origin, a permit */
    METRIC_PHASE_PREPARE, /* its prepare call is under way, or is tried again */
    METRIC_PHASE_KICKOFF, /* the same of its kickoff */
    METRIC_PHASE_WAIT,    /* accepted; between two requests */
    METRIC_PHASE_POLL,    /* accepted; a poll is queued or under way */
    METRIC_PHASE_FETCH,   /* ended; its result is fetched */
    METRIC_PHASE_PUBLISH, /* its result is on its way to the broker */
    METRIC_PHASE_N,
};
/* "queued", "prepare", "kickoff", "wait", "poll", "fetch", "publish": everywhere that people or programs read it. */
const char *metric_phase_name(enum metric_phase phase);

enum metric_call { METRIC_CALL_PREPARE, METRIC_CALL_KICKOFF, METRIC_CALL_POLL, METRIC_CALL_FETCH, METRIC_CALL_N };
enum metric_errand {
    METRIC_ERRAND_CANCEL_DONE, METRIC_ERRAND_CANCEL_FAILED,
    METRIC_ERRAND_AFTER_DONE, METRIC_ERRAND_AFTER_FAILED, METRIC_ERRAND_N
};
enum metric_rebalance { METRIC_REBALANCE_ASSIGNED, METRIC_REBALANCE_REVOKED, METRIC_REBALANCE_LOST, METRIC_REBALANCE_N };
enum metric_checkpoint {
    METRIC_CHECKPOINT_WRITTEN, METRIC_CHECKPOINT_ERASED, METRIC_CHECKPOINT_RESTORED, METRIC_CHECKPOINT_RESUMED,
    METRIC_CHECKPOINT_STALE, METRIC_CHECKPOINT_GONE, METRIC_CHECKPOINT_UNREADABLE, METRIC_CHECKPOINT_GIVEN_UP,
    METRIC_CHECKPOINT_N
};
enum metric_commit { METRIC_COMMIT_ACCEPTED, METRIC_COMMIT_FAILED, METRIC_COMMIT_N };
enum metric_transaction { METRIC_TRANSACTION_COMMITTED, METRIC_TRANSACTION_ABORTED, METRIC_TRANSACTION_N };
enum metric_progress { METRIC_PROGRESS_SENT, METRIC_PROGRESS_DROPPED, METRIC_PROGRESS_N };
enum metric_cancel { METRIC_CANCEL_CONTROL, METRIC_CANCEL_ADMIN, METRIC_CANCEL_HIT, METRIC_CANCEL_N };

/* origins: "https://api.example:8443", …, the operator's own (profiles, egress-allow without wildcards); at most
 * METRICS_ORIGINS_MAX of them get a label, all else is "other". Copied. NULL for want of memory. */
#define METRICS_ORIGINS_MAX 100
struct metrics *metrics_new(const char *const *origins, size_t n_origins);
void metrics_free(struct metrics *metrics); /* with its shards; NULL is harmless */

/* Any thread: a shard that it alone counts into. Lives as long as metrics. NULL where metrics is NULL, or for want of memory. */
struct metrics_shard *metrics_shard_new(struct metrics *metrics);

/* The shard's thread. A NULL shard counts nothing: exec and tests need no metrics. */
void metrics_add(struct metrics_shard *shard, enum metric metric, unsigned cell, int64_t n);
void metrics_observe_ms(struct metrics_shard *shard, enum metric metric, int64_t ms);
/* Any thread, for what is rare. metrics may be NULL. */
void metrics_add_shared(struct metrics *metrics, enum metric metric, unsigned cell, int64_t n);

unsigned metrics_run_cell(enum rxp_status status, enum rxp_error error);
/* url: of the kickoff. */
unsigned metrics_origin_cell(const struct metrics *metrics, const char *url, enum rxp_status status);

/* A family's sum over all shards and cells, or over one cell. Any thread. */
int64_t metrics_sum(const struct metrics *metrics, enum metric metric);
int64_t metrics_read(const struct metrics *metrics, enum metric metric, unsigned cell);
/* Of METRIC_RUNS_TOTAL, by status. */
int64_t metrics_runs(const struct metrics *metrics, enum rxp_status status);

/* Every family of the table, HELP and TYPE once each. */
void metrics_write(const struct metrics *metrics, struct buf *out);

/* For what others add to the page. type: "gauge" or "counter". */
void metrics_family(struct buf *out, const char *name, const char *type, const char *help);
/* labels: name, value, name, value, …, NULL; values are escaped. NULL: none. */
void metrics_sample(struct buf *out, const char *name, const char *const *labels, double value);

#endif
