/* trace: what a run's exchanges are as they happen, for somebody who watches (pool_hooks.trace).
 *
 * A value that lives for the call; on the loop thread. Headers hold secrets, and a reply may say them back: whoever prints them
 * masks them. */
#ifndef RXP_ENGINE_TRACE_H
#define RXP_ENGINE_TRACE_H

#include "engine/cycle.h"
#include "engine/pool.h"
#include "engine/transport.h"
#include "engine/verdict.h"

struct sending;

enum trace_kind {
    TRACE_QUEUED,   /* `request` is made, and waits for its origin */
    TRACE_DELAYED,  /* it does not leave now, and is made anew later: `why` */
    TRACE_SENT,     /* it leaves, with `headers` */
    TRACE_ANSWERED, /* `reply`, or why there is none */
    TRACE_DECIDED,  /* what the run makes of it: `verdict` and `action` */
};

struct trace {
    enum trace_kind kind;
    const char *call; /* "prepare", "kickoff", "poll", "result fetch", "cancel", "after" */
    const struct http_request *request;
    struct http_headers headers;
    const char *why;
    const struct http_reply *reply; /* as it came */
    const struct sending *sending;  /* of SENT and ANSWERED: what it took along; sending_mask hides its secrets */
    const struct verdict *verdict;
    const struct cycle_action *action;
    int64_t now_ms;
};

/* Where somebody watches. `run` is NULL for what is sent after its end. */
void trace_tell(const struct pool_hooks *hooks, struct run *run, const struct trace *trace);

/* Of the run's own calls: its cycle's state says which. */
void trace_queued(struct run *run, const struct http_request *request, int64_t now_ms);
void trace_delayed(struct run *run, const char *why, int64_t now_ms);
void trace_sent(struct run *run, struct http_headers headers, int64_t now_ms);
void trace_answered(struct run *run, const struct http_reply *reply, int64_t now_ms);
/* After the cycle has heard of it, before the action is carried out; the run has taken what the verdict hands over. */
void trace_decided(struct run *run, const struct verdict *verdict, const struct cycle_action *action, int64_t now_ms);

#endif
