#include "core/intake.h"

#include "base/clock.h"
#include "ops/log.h"

#include <inttypes.h>

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
                          "sent again (its kickoff-guarantee was at-most-once)"),
        .started_at_ms = started_at_ms,
        .finished_at_ms = now_ms > started_at_ms ? now_ms : started_at_ms,
    };
}

/* An earlier life of the input, if there was one. Returns 0 where its run is to go on, or to begin; -1 with the outcome
 * where nobody knows whether it was begun. */
static int go_on(struct job *job)
{
    const struct checkpoint *checkpoint = job->checkpoint;
    if (checkpoint == NULL)
        return 0;
    if (!checkpoint_matches(checkpoint, job->invocation->invocation_id, job->input_hash)) {
        log_event(LOG_WARN, "checkpoint_of_another_input", "%s [%" PRId32 "] offset %" PRId64 ": the checkpoint that was found "
                  "is about another input of that place, invocation '%.100s' (was the topic made anew?); it is left out",
                  job->ref.assignment->topic, job->ref.assignment->partition, job->ref.offset,
                  checkpoint->invocation_id != NULL ? checkpoint->invocation_id : "");
        return 0;
    }
    if (checkpoint->kind == CHECKPOINT_INTENT) {
        intake_unknown(&job->run, checkpoint->started_at_ms > 0 ? checkpoint->started_at_ms : clock_wall_ms());
        return -1;
    }
    job->resume = (struct run_resume){
        .run_id = checkpoint->run_id,
        .prepared_id = checkpoint->prepared_id,
        .poll_url = checkpoint->poll_url,
        .started_at_ms = checkpoint->started_at_ms,
        .deadline_at_ms = checkpoint->deadline_ms,
        .polls = checkpoint->polls,
    };
    job->run.resume = &job->resume;
    /* An accepted run can't be rejected any more, so that there will be no dead letter. */
    free(job->value);
    job->value = NULL;
    return 0;
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
    if (parsed != 0 || rxp_http_plan_make(job->invocation, NULL, &job->plan, &why) != 0) {
        intake_reject(&job->run, &why);
        return -1;
    }
    job->run.plan = &job->plan;
    return go_on(job);
}
