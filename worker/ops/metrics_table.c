#include "ops/metrics_table.h"

#include <assert.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* One list for both: the pairs as enums, and as the words of their labels. */
#define RUNS(X)                                                                                                        \
    X(SUCCEEDED, "succeeded", RXP_OK, "none")                                                                          \
    X(REJECTED, "rejected", RXP_ERROR_INVALID_JSON, "invalid_json")                                                    \
    X(REJECTED, "rejected", RXP_ERROR_INVALID_INVOCATION, "invalid_invocation")                                        \
    X(REJECTED, "rejected", RXP_ERROR_UNSUPPORTED_KIND, "unsupported_kind")                                            \
    X(REJECTED, "rejected", RXP_ERROR_MISSING_METADATA, "missing_metadata")                                            \
    X(REJECTED, "rejected", RXP_ERROR_INVALID_METADATA, "invalid_metadata")                                            \
    X(REJECTED, "rejected", RXP_ERROR_EGRESS_DENIED, "egress_denied")                                                  \
    X(REJECTED, "rejected", RXP_ERROR_SECRET_DENIED, "secret_denied")                                                  \
    X(REJECTED, "rejected", RXP_ERROR_UNKNOWN_PROFILE, "unknown_profile")                                              \
    X(REJECTED, "rejected", -1, "other")                                                                               \
    X(FAILED, "failed", RXP_ERROR_KICKOFF_NETWORK, "kickoff_network")                                                  \
    X(FAILED, "failed", RXP_ERROR_KICKOFF_STATUS, "kickoff_status")                                                    \
    X(FAILED, "failed", RXP_ERROR_KICKOFF_NOT_JSON, "kickoff_not_json")                                                \
    X(FAILED, "failed", RXP_ERROR_KICKOFF_UNKNOWN, "kickoff_unknown")                                                  \
    X(FAILED, "failed", RXP_ERROR_RUN_ID_MISSING, "run_id_missing")                                                    \
    X(FAILED, "failed", RXP_ERROR_RUN_ID_INVALID, "run_id_invalid")                                                    \
    X(FAILED, "failed", RXP_ERROR_POLL_URL_MISSING, "poll_url_missing")                                                \
    X(FAILED, "failed", RXP_ERROR_POLL_URL_INVALID, "poll_url_invalid")                                                \
    X(FAILED, "failed", RXP_ERROR_POLL_NETWORK, "poll_network")                                                        \
    X(FAILED, "failed", RXP_ERROR_POLL_STATUS, "poll_status")                                                          \
    X(FAILED, "failed", RXP_ERROR_POLL_NOT_JSON, "poll_not_json")                                                      \
    X(FAILED, "failed", RXP_ERROR_STATUS_MISSING, "status_missing")                                                    \
    X(FAILED, "failed", RXP_ERROR_RESPONSE_TOO_LARGE, "response_too_large")                                            \
    X(FAILED, "failed", RXP_ERROR_RESULT_FETCH, "result_fetch")                                                        \
    X(FAILED, "failed", RXP_ERROR_PREPARE_FAILED, "prepare_failed")                                                    \
    X(FAILED, "failed", RXP_ERROR_ORIGIN_UNAVAILABLE, "origin_unavailable")                                            \
    X(FAILED, "failed", RXP_ERROR_BACKEND_FAILED, "backend_failed")                                                    \
    /* After something was sent, or of a run that an earlier configuration accepted. */                                \
    X(FAILED, "failed", RXP_ERROR_UNSUPPORTED_KIND, "unsupported_kind")                                                \
    X(FAILED, "failed", RXP_ERROR_MISSING_METADATA, "missing_metadata")                                                \
    X(FAILED, "failed", RXP_ERROR_INVALID_METADATA, "invalid_metadata")                                                \
    X(FAILED, "failed", RXP_ERROR_EGRESS_DENIED, "egress_denied")                                                      \
    X(FAILED, "failed", RXP_ERROR_SECRET_DENIED, "secret_denied")                                                      \
    X(FAILED, "failed", RXP_ERROR_UNKNOWN_PROFILE, "unknown_profile")                                                  \
    X(TIMED_OUT, "timed_out", RXP_ERROR_KICKOFF_TIMEOUT, "kickoff_timeout")                                            \
    X(TIMED_OUT, "timed_out", RXP_ERROR_POLL_TIMEOUT, "poll_timeout")                                                  \
    X(TIMED_OUT, "timed_out", RXP_ERROR_START_EXPIRED, "start_expired")                                                \
    X(CANCELLED, "cancelled", RXP_ERROR_CANCELLED, "cancelled")                                                        \
    X(FAILED, "failed", -1, "other")

#define AS_RUN(status, word, error, code) {RXP_STATUS_##status, error},
#define AS_CELL(status, word, error, code) {word, code},
static const struct metric_run runs[] = {RUNS(AS_RUN)};
static const struct metric_pair run_cells[] = {RUNS(AS_CELL)};

static const struct metric_pair nothing[] = {{NULL, NULL}};
static const struct metric_pair phases[] = {
    {"queued", NULL}, {"prepare", NULL}, {"kickoff", NULL}, {"wait", NULL},
    {"poll", NULL},   {"fetch", NULL},   {"publish", NULL},
};
static const struct metric_pair calls[] = {{"prepare", NULL}, {"kickoff", NULL}, {"poll", NULL}, {"fetch", NULL}};
static const struct metric_pair errands[] = {
    {"cancel", "done"}, {"cancel", "failed"}, {"after", "done"}, {"after", "failed"},
};
static const struct metric_pair rebalances[] = {{"assigned", NULL}, {"revoked", NULL}, {"lost", NULL}};
static const struct metric_pair checkpoints[] = {
    {"written", NULL}, {"erased", NULL}, {"restored", NULL},   {"resumed", NULL},
    {"stale", NULL},   {"gone", NULL},   {"unreadable", NULL}, {"given_up", NULL},
};
static const struct metric_pair commits[] = {{"accepted", NULL}, {"failed", NULL}};
static const struct metric_pair transactions[] = {{"committed", NULL}, {"aborted", NULL}};
static const struct metric_pair reports[] = {{"sent", NULL}, {"dropped", NULL}};
static const struct metric_pair cancels[] = {{"control", NULL}, {"admin", NULL}, {"hit", NULL}};
static const struct metric_pair levels[] = {{"debug", NULL}, {"info", NULL}, {"warn", NULL}, {"error", NULL}};

_Static_assert(COUNT(phases) == METRIC_PHASE_N, "a word for each");
_Static_assert(COUNT(calls) == METRIC_CALL_N, "a word for each");
_Static_assert(COUNT(errands) == METRIC_ERRAND_N, "a word for each");
_Static_assert(COUNT(rebalances) == METRIC_REBALANCE_N, "a word for each");
_Static_assert(COUNT(checkpoints) == METRIC_CHECKPOINT_N, "a word for each");
_Static_assert(COUNT(commits) == METRIC_COMMIT_N, "a word for each");
_Static_assert(COUNT(transactions) == METRIC_TRANSACTION_N, "a word for each");
_Static_assert(COUNT(reports) == METRIC_PROGRESS_N, "a word for each");
_Static_assert(COUNT(cancels) == METRIC_CANCEL_N, "a word for each");

static const int64_t request_ms[] = {5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000};
static const int64_t run_ms[] = {100,    500,    1000,    5000,     15000,    60000,
                                 300000, 900000, 3600000, 14400000, 28800000, 86400000};
static const int64_t queue_ms[] = {1, 5, 10, 50, 100, 500, 1000, 5000, 15000, 60000, 300000, 900000, 3600000};
static const int64_t result_ms[] = {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 15000, 60000};

#define CELLS(table) .cells = (table), .n_cells = COUNT(table)
#define BOUNDS(table) .type = METRIC_HISTOGRAM, .bounds_ms = (table), .n_bounds = COUNT(table)

static const struct metric_family families[] = {
    [METRIC_RUNS_TOTAL] = {.name = "rxp_runs_total", .labels = {"outcome", "code"}, CELLS(run_cells),
        .help = "Runs whose result the broker has acknowledged, by outcome and error code."},
    [METRIC_RUNS_BY_ORIGIN_TOTAL] = {.name = "rxp_runs_by_origin_total", .labels = {"origin", "outcome"},
        .help = "The same by the origin of the kickoff, where profiles or egress-allow name its host; else other."},
    [METRIC_RUNS_IN_FLIGHT] = {.name = "rxp_runs_in_flight", .type = METRIC_GAUGE, .labels = {"phase", NULL}, CELLS(phases),
        .help = "Runs under way, by what they do just now."},
    [METRIC_INVOCATIONS_TOTAL] = {.name = "rxp_invocations_total", CELLS(nothing),
        .help = "Invocations taken from the input topics."},
    [METRIC_HANDED_BACK_TOTAL] = {.name = "rxp_handed_back_total", CELLS(nothing),
        .help = "Runs given up here without a result, for the next owner of their partition."},
    [METRIC_KICKOFF_SECONDS] = {.name = "rxp_kickoff_duration_seconds", BOUNDS(request_ms),
        .help = "From a kickoff's leaving to its answer."},
    [METRIC_POLL_SECONDS] = {.name = "rxp_poll_duration_seconds", BOUNDS(request_ms),
        .help = "From a poll's leaving to its answer."},
    [METRIC_RUN_SECONDS] = {.name = "rxp_run_duration_seconds", BOUNDS(run_ms),
        .help = "From a run's first kickoff to its outcome."},
    [METRIC_QUEUE_AGE_SECONDS] = {.name = "rxp_queue_age_seconds", BOUNDS(queue_ms),
        .help = "From an invocation's timestamp to its first kickoff."},
    [METRIC_RESULT_SECONDS] = {.name = "rxp_result_latency_seconds", BOUNDS(result_ms),
        .help = "From a run's outcome to its result's acknowledgement by the broker."},
    [METRIC_REQUESTS_TOTAL] = {.name = "rxp_requests_total", .labels = {"call", NULL}, CELLS(calls),
        .help = "Requests sent to backends."},
    [METRIC_RETRIES_TOTAL] = {.name = "rxp_retries_total", .labels = {"call", NULL}, CELLS(calls),
        .help = "Requests sent to backends after one of the same kind had failed."},
    [METRIC_EGRESS_REFUSALS_TOTAL] = {.name = "rxp_egress_refusals_total", CELLS(nothing),
        .help = "Requests that the egress policy refused."},
    [METRIC_ERRANDS_TOTAL] = {.name = "rxp_errands_total", .labels = {"kind", "outcome"}, CELLS(errands),
        .help = "Cancel and after calls of runs that have ended."},
    [METRIC_REBALANCES_TOTAL] = {.name = "rxp_rebalanced_partitions_total", .labels = {"kind", NULL}, CELLS(rebalances),
        .help = "Partitions that came to this worker or left it."},
    [METRIC_CHECKPOINTS_TOTAL] = {.name = "rxp_checkpoints_total", .labels = {"event", NULL}, CELLS(checkpoints),
        .help = "What became of checkpoints."},
    [METRIC_COMMITS_TOTAL] = {.name = "rxp_commits_total", .labels = {"outcome", NULL}, CELLS(commits),
        .help = "Commits of input offsets."},
    [METRIC_TRANSACTIONS_TOTAL] = {.name = "rxp_transactions_total", .labels = {"outcome", NULL}, CELLS(transactions),
        .help = "Kafka transactions (results-guarantee exactly-once)."},
    [METRIC_PROGRESS_TOTAL] = {.name = "rxp_progress_reports_total", .labels = {"outcome", NULL}, CELLS(reports),
        .help = "Reports for progress-topic: sent, or dropped since it did not keep up."},
    [METRIC_CANCELS_TOTAL] = {.name = "rxp_cancels_total", .labels = {"event", NULL}, CELLS(cancels),
        .help = "Cancels asked for by control-topic or the admin server, and runs here that they hit."},
    [METRIC_LOG_LINES_TOTAL] = {.name = "rxp_log_lines_total", .labels = {"level", NULL}, CELLS(levels),
        .help = "Log events by level, those that were left out among them."},
};
_Static_assert(COUNT(families) == METRIC_N, "a row for each");

const struct metric_family *metric_family(enum metric metric)
{
    assert((unsigned)metric < METRIC_N);
    return &families[metric];
}

const struct metric_run *metric_runs(size_t *n)
{
    *n = COUNT(runs);
    return runs;
}

const char *metric_phase_name(enum metric_phase phase)
{
    assert((unsigned)phase < METRIC_PHASE_N);
    return phases[phase].first;
}
