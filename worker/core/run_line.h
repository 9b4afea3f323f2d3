/* run_line: the log's line of a run's end. The Kafka thread, once its result is acknowledged. */
#ifndef RXP_CORE_RUN_LINE_H
#define RXP_CORE_RUN_LINE_H

#include "core/job.h"

enum log_runs { LOG_RUNS_NONE, LOG_RUNS_FAILURES, LOG_RUNS_ALL };

/* The event run_ended, with the run's names and figures as fields. Failures: all that did not succeed. */
void run_line_write(const struct job *job, enum log_runs which);

#endif
