/* trace: what a run's exchanges are as they happen, for somebody who watches (pool_hooks.trace).
 *
 * A value that lives for the call; on the loop thread. Headers may hold secrets: whoever prints them masks them. */
#ifndef RXP_ENGINE_TRACE_H
#define RXP_ENGINE_TRACE_H

#include "engine/cycle.h"
#include "engine/transport.h"
#include "engine/verdict.h"

enum trace_kind {
    TRACE_QUEUED,   /* `request` is made, and waits for its origin */
    TRACE_SENT,     /* it leaves, with `headers` */
    TRACE_ANSWERED, /* `reply`, or why there is none */
    TRACE_DECIDED,  /* what the run makes of it: `verdict` and `action` */
};

struct trace {
    enum trace_kind kind;
    const char *call; /* "prepare", "kickoff", "poll", "result fetch", "cancel", "after" */
    const struct http_request *request;
    struct http_headers headers;
    const struct http_reply *reply;
    const struct verdict *verdict;
    const struct cycle_action *action; /* NULL: nothing follows */
    int64_t now_ms;
};

#endif
