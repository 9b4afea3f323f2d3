#include "core/intake.h"

#include "base/clock.h"
#include "engine/awake.h"
#include "engine/trace_context.h"
#include "ops/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void intake_reject(struct run *run, const struct rxp_refusal *why)
{
    int64_t now_ms = clock_wall_ms();
    run->started_at_ms = now_ms;
    run->awake->outcome = (struct outcome){
        .status = RXP_STATUS_REJECTED,
        .error = why->error,
        .summary = strdup(why->text),
        .finished_at_ms = now_ms,
    };
}

void intake_unknown(struct run *run, int64_t started_at_ms)
{
    int64_t now_ms = clock_wall_ms();
    run->started_at_ms = started_at_ms;
    run->awake->outcome = (struct outcome){
        .status = RXP_STATUS_FAILED,
        .error = RXP_ERROR_KICKOFF_UNKNOWN,
        .summary = strdup("a worker ended while it sent the kickoff: whether the backend got it is not known, and it is not "
                          "sent again (its kickoff-guarantee was at-most-once)"),
        .finished_at_ms = now_ms > started_at_ms ? now_ms : started_at_ms,
    };
}

/* The backend has its run, but under the configuration of now nobody can go on with it. */
static void fail_accepted(struct run *run, const struct rxp_refusal *why, int64_t started_at_ms)
{
    static const char beginning[] = "its run was accepted under an earlier configuration, and cannot be gone on with under "
                                    "this one: ";
    int64_t now_ms = clock_wall_ms();
    size_t room = sizeof beginning + strlen(why->text);
    char *summary = malloc(room);
    if (summary != NULL)
        snprintf(summary, room, "%s%s", beginning, why->text);
    run->started_at_ms = started_at_ms;
    run->awake->outcome = (struct outcome){
        .status = RXP_STATUS_FAILED,
        .error = why->error,
        .summary = summary,
        .finished_at_ms = now_ms > started_at_ms ? now_ms : started_at_ms,
    };
}

/* The checkpoint of an earlier life of the input, if there was one. */
static const struct checkpoint *find_earlier(const struct job *job)
{
    const struct checkpoint *checkpoint = job->begin->checkpoint;
    if (checkpoint == NULL || checkpoint_matches(checkpoint, job->run.awake->invocation->invocation_id, job->input_hash))
        return checkpoint;
    log_event(LOG_WARN, "checkpoint_of_another_input", "%s [%" PRId32 "] offset %" PRId64 ": the checkpoint that was found "
              "is about another input of that place, invocation '%.100s' (was the topic made anew?); it is left out",
              job->ref.assignment->topic, job->ref.assignment->partition, job->ref.offset,
              checkpoint->invocation_id != NULL ? checkpoint->invocation_id : "");
    return NULL;
}

static void go_on(struct job *job, const struct checkpoint *checkpoint)
{
    job->begin->resume = (struct run_resume){
        .run_id = checkpoint->run_id,
        .prepared_id = checkpoint->prepared_id,
        .poll_url = checkpoint->poll_url,
        .started_at_ms = checkpoint->started_at_ms,
        .deadline_at_ms = checkpoint->deadline_ms,
        .polls = checkpoint->polls,
    };
    job->run.awake->resume = &job->begin->resume;
}

static int make_plan(struct job *job, struct profiles *profiles, struct rxp_refusal *why)
{
    const struct rxp_defaults *defaults = NULL;
    struct awake *awake = job->run.awake;
    job->profiles = profiles_hold(profiles);
    if (profile_set_find(job->profiles, awake->invocation->runtime_name, &defaults, why) != 0 ||
        rxp_http_plan_make(awake->invocation, defaults, &awake->made, why) != 0)
        return -1;
    awake->plan = &awake->made;
    return 0;
}

/* As before it was looked at. Not even memory for a sentence is to be wanted: this input is not judged. */
static enum pool_prepared put_back(struct job *job)
{
    rxp_invocation_free(job->run.awake->parsed);
    job->run.awake->parsed = NULL;
    job->run.awake->invocation = NULL;
    profile_set_release(job->profiles);
    job->profiles = NULL;
    return POOL_NOT_NOW;
}

int intake_find_trace(const struct job *job, struct trace_context **out)
{
    struct envelope_header parent;
    struct envelope_header state;
    *out = NULL;
    if (!envelope_find_last(job_envelope(job), TRACE_PARENT_HEADER, &parent) || parent.value == NULL)
        return 0;
    if (!envelope_find_last(job_envelope(job), TRACE_STATE_HEADER, &state))
        state = (struct envelope_header){.value = NULL};
    const struct trace_source source = {job->ref.assignment->topic, job->ref.assignment->partition, job->ref.offset};
    return trace_context_read(parent.value, parent.value_bytes, state.value, state.value_bytes, &source, out);
}

/* Of what was read and, but for `why`, planned. */
static enum pool_prepared begin_or_go_on(struct job *job, const struct rxp_refusal *why)
{
    bool is_refused = job->run.awake->plan == NULL;
    const struct checkpoint *earlier = find_earlier(job);
    if (earlier != NULL && earlier->kind == CHECKPOINT_INTENT) {
        intake_unknown(&job->run, earlier->started_at_ms > 0 ? earlier->started_at_ms : clock_wall_ms());
        return POOL_REFUSED;
    }
    if (earlier == NULL) {
        if (is_refused)
            intake_reject(&job->run, why);
        return is_refused ? POOL_REFUSED : POOL_PREPARED;
    }
    job_drop_value(job); /* an accepted run can't be rejected any more, so that there will be no dead letter */
    if (is_refused) {
        fail_accepted(&job->run, why, earlier->started_at_ms);
        return POOL_REFUSED;
    }
    go_on(job, earlier);
    return POOL_PREPARED;
}

enum pool_prepared intake_prepare(struct job *job, const struct intake_limits *limits)
{
    struct rxp_refusal why = {RXP_ERROR_INVALID_INVOCATION, ""};
    if (job->run.awake->trace == NULL && intake_find_trace(job, &job->run.awake->trace) != 0)
        return POOL_NOT_NOW;
    const char *text = job->begin->value != NULL ? job->begin->value : "";
    int parsed = rxp_invocation_parse(text, job->value_bytes, limits->max_message_bytes, &job->run.awake->parsed, &why);
    job->run.awake->invocation = job->run.awake->parsed;
    int refused = parsed != 0 ? -1 : make_plan(job, limits->profiles, &why);
    if (refused != 0 && rxp_lacked_memory(&why))
        return put_back(job);
    if (!limits->keep_value)
        job_drop_value(job);
    if (parsed != 0) {
        intake_reject(&job->run, &why);
        return POOL_REFUSED;
    }
    return begin_or_go_on(job, &why);
}
