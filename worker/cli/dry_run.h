/* dry_run: the requests that an invocation would send, as people read HTTP (exec --dry-run).
 *
 * Nothing is sent, no name is looked up. Main thread. */
#ifndef RXP_CLI_DRY_RUN_H
#define RXP_CLI_DRY_RUN_H

#include "engine/egress.h"
#include "engine/outlet.h"
#include "engine/secrets.h"
#include "protocol/http_plan.h"

#include <stdint.h>
#include <stdio.h>

struct dry_run {
    const struct rxp_invocation *invocation;
    const struct rxp_http_plan *plan;
    const struct rxp_defaults *profile; /* NULL: none */
    const struct egress *egress;
    const struct outlet *outlet;
    struct secrets *secrets; /* NULL: none is known */
    int64_t max_run_ms;
    int poll_max_failures; /* the worker's own */
};

/* 0: it would run. -1: it would be rejected, and *why says so; all is printed in either case. */
int dry_run_print(const struct dry_run *dry, FILE *out, struct rxp_refusal *why);

#endif
