#include "engine/trace.h"

#include "engine/runner.h"

static const char *call_of(const struct run *run)
{
    const char *name = cycle_call_name(run->cycle.state);
    return name != NULL ? name : "run";
}

void trace_tell(const struct pool_hooks *hooks, struct run *run, const struct trace *trace)
{
    if (hooks->trace != NULL) {
        hooks->trace(run, trace, hooks->opaque);
    }
}

void trace_queued(struct run *run, const struct http_request *request, int64_t now_ms)
{
    const struct trace trace = {.kind = TRACE_QUEUED, .call = call_of(run), .request = request, .now_ms = now_ms};
    trace_tell(run->runner->hooks, run, &trace);
}

void trace_delayed(struct run *run, const char *why, int64_t now_ms)
{
    const struct trace trace = {.kind = TRACE_DELAYED, .call = call_of(run), .why = why, .now_ms = now_ms};
    trace_tell(run->runner->hooks, run, &trace);
}

void trace_sent(struct run *run, struct http_headers headers, int64_t now_ms)
{
    const struct trace trace = {
        .kind = TRACE_SENT, .call = call_of(run), .headers = headers, .sending = run->awake->sending, .now_ms = now_ms};
    trace_tell(run->runner->hooks, run, &trace);
}

void trace_answered(struct run *run, const struct http_reply *reply, int64_t now_ms)
{
    const struct trace trace = {
        .kind = TRACE_ANSWERED, .call = call_of(run), .reply = reply, .sending = run->awake->sending, .now_ms = now_ms};
    trace_tell(run->runner->hooks, run, &trace);
}

void trace_decided(struct run *run, const struct verdict *verdict, const struct cycle_action *action, int64_t now_ms)
{
    const struct trace trace = {
        .kind = TRACE_DECIDED, .call = call_of(run), .verdict = verdict, .action = action, .now_ms = now_ms};
    trace_tell(run->runner->hooks, run, &trace);
}
