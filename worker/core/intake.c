#include "core/intake.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

void intake_reject(struct run *run, const struct rxp_refusal *why)
{
    int64_t now_ms = clock_wall_ms();
    run->outcome = (struct outcome){
        .status = RXP_STATUS_REJECTED,
        .error = why->error,
        .summary = strdup(why->text),
        .started_at_ms = now_ms,
        .finished_at_ms = now_ms,
    };
}

void intake_unknown(struct run *run, int64_t started_at_ms)
{
    int64_t now_ms = clock_wall_ms();
    run->outcome = (struct outcome){
        .status = RXP_STATUS_FAILED,
        .error = RXP_ERROR_KICKOFF_UNKNOWN,
        .summary = strdup("a worker ended while it sent the kickoff: whether the backend got it is not known, and it is not "
                          "sent again (kickoff-guarantee is at-most-once)"),
        .started_at_ms = started_at_ms,
        .finished_at_ms = now_ms > started_at_ms ? now_ms : started_at_ms,
    };
}

int intake_prepare(struct job *job, const struct intake_limits *limits)
{
    struct rxp_refusal why = {RXP_OK, ""};
    int parsed = rxp_invocation_parse(job->value, job->value_bytes, limits->max_message_bytes, &job->invocation, &why);
    job->run.invocation = job->invocation;
    if (!limits->keep_value) {
        free(job->value);
        job->value = NULL;
    }
    if (parsed != 0 || rxp_http_plan_make(job->invocation, &job->plan, &why) != 0) {
        intake_reject(&job->run, &why);
        return -1;
    }
    job->run.plan = &job->plan;
    return 0;
}
