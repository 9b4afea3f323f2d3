#include "core/run_line.h"

#include "engine/awake.h"
#include "engine/trace_context.h"
#include "ops/log.h"
#include "protocol/invocation.h"
#include "protocol/vocab.h"

static bool is_wanted(const struct outcome *outcome, enum log_runs which)
{
    switch (which) {
    case LOG_RUNS_NONE:
        return false;
    case LOG_RUNS_FAILURES:
        return outcome->status != RXP_STATUS_SUCCEEDED && log_is_on(LOG_INFO);
    case LOG_RUNS_ALL:
        return log_is_on(LOG_INFO);
    }
    return false;
}

void run_line_write(const struct job *job, enum log_runs which)
{
    const struct run *run = &job->run;
    const struct outcome *outcome = &run->awake->outcome;
    if (!is_wanted(outcome, which))
        return;
    const char *status = rxp_status_name(outcome->status);
    const struct log_field fields[] = {
        log_text("invocation_id", run->awake->invocation != NULL ? run->awake->invocation->invocation_id : NULL),
        log_text("runtime_name", run->awake->invocation != NULL ? run->awake->invocation->runtime_name : NULL),
        log_text("status", status),
        log_text("error_code", rxp_error_name(outcome->error)),
        log_seconds("seconds", outcome->finished_at_ms - run->started_at_ms),
        log_number("polls", run->cycle.polls),
        log_text("run_id", run->awake->run_id),
        log_text("topic", job->ref.assignment->topic),
        log_number("partition", job->ref.assignment->partition),
        log_number("offset", job->ref.offset),
        log_text("trace_id", run->awake->trace != NULL ? run->awake->trace->trace_id : NULL),
    };
    const char *summary = outcome->summary;
    log_fields(LOG_INFO, "run_ended", fields, sizeof fields / sizeof *fields, "%s%s%s", status, summary != NULL ? ": " : "",
               summary != NULL ? summary : "");
}
