/* intake: from a Kafka message to a run.
 *
 * The pool's hook, on a loop thread, so that parsing is spread over the loops. */
#ifndef RXP_CORE_INTAKE_H
#define RXP_CORE_INTAKE_H

#include "core/job.h"
#include "engine/pool.h"
#include "engine/profiles.h"

struct intake_limits {
    size_t max_message_bytes;
    struct profiles *profiles; /* NULL: none */
    bool keep_value; /* dead letters need the raw bytes until the outcome is known */
};

/* Of a job whose run is awake. PREPARED, with the run's trace, invocation, plan and, where an earlier life of the input goes on, resume
 * set; or REFUSED, with an outcome: a rejection, intake_unknown's, or, of a run that was accepted before and is refused now (its profile has changed),
 * a failure with the refusal's code. For want of memory NOT_NOW: the job is as it was. */
enum pool_prepared intake_prepare(struct job *job, const struct intake_limits *limits);

/* The trace that its headers name; NULL: none. For trace_context_free. 0, or -1 for want of memory. */
int intake_find_trace(const struct job *job, struct trace_context **out);

/* The outcome of an invocation of which only an intent was found (kickoff-guarantee=at-most-once): failed, for it may have
 * been started, and must not be started twice. started_at_ms: the intent's. */
void intake_unknown(struct run *run, int64_t started_at_ms);

/* The outcome of an invocation that is refused before anything was sent. */
void intake_reject(struct run *run, const struct rxp_refusal *why);

#endif
