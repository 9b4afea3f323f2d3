/* watch: prints the exchanges of one run as they happen (exec --trace).
 *
 * watch_trace is called by the run's loop thread; begin and end before and after. Secrets are shown by name, also where an
 * answer repeats their value. */
#ifndef RXP_CLI_WATCH_H
#define RXP_CLI_WATCH_H

#include "engine/run.h"
#include "engine/trace.h"

#include <stdio.h>

struct watch {
    FILE *out; /* NULL: nobody watches */
    const struct rxp_http_plan *plan;
    int64_t begun_ms;
    struct http_request request; /* the one that waits, or is under way */
    struct sending *known; /* bears no more than the values of secrets that were sent: a peer may say them back at any time */
};

void watch_begin(struct watch *watch, FILE *out, const struct rxp_http_plan *plan);
void watch_trace(struct watch *watch, const struct run *run, const struct trace *trace);
/* The run has ended. */
void watch_end(struct watch *watch, const struct run *run);
void watch_deinit(struct watch *watch);

#endif
