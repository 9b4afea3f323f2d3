/* progress: tells the progress topic how runs are doing: a RuntimeResult with status running, when a run is accepted and when
 * its backend's status changes.
 *
 * Best effort, by a producer of its own: a report that cannot be delivered within 10 s, or finds 10,000 before it, is dropped and
 * counted. It never holds a run, the drain or the worker's end, and nothing about it is fatal. A run's reports stay in order,
 * at most one a second; the first that bears a status does not wait for the second to pass. What changed within the second is told
 * with a later answer, as it is by then. */
#ifndef RXP_CORE_PROGRESS_H
#define RXP_CORE_PROGRESS_H

#include "core/draft.h"
#include "kafka/client_conf.h"

#include <stdbool.h>
#include <stddef.h>

struct metrics;
struct progress;

/* All that it points to must outlive it. */
struct progress_config {
    struct kafka_settings kafka;
    const char *topic;
    const struct settle_config *settle; /* for results' keys and the worker's id */
    struct metrics *metrics;            /* NULL: nothing is counted */
};

/* NULL with a sentence in why[why_bytes]. Does not wait for the broker. */
struct progress *progress_new(const struct progress_config *config, char *why, size_t why_bytes);
/* What is not delivered within half a second is dropped. NULL is harmless. */
void progress_free(struct progress *progress);

/* The job's loop thread: its run has news. False: it is too soon after the last report. Ask again. */
bool progress_report(struct progress *progress, struct job *job);

#endif
