/* run: one invocation on its way through the engine. Embedded in its owner's struct (core's job, exec's own).
 *
 * Owned by the loop from pool_submit to the ended callback. Only `tenure` is looked at by two threads. Between requests
 * it holds no memory but this struct, the poll URL and what the backend last said. */
#ifndef RXP_ENGINE_RUN_H
#define RXP_ENGINE_RUN_H

#include "base/heap.h"
#include "base/list.h"
#include "base/tenure.h"
#include "engine/cycle.h"
#include "engine/transport.h"
#include "protocol/http_plan.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* How a run ended; filled by the engine, or by the owner's prepare callback for a rejection. */
struct outcome {
    bool abandoned; /* no result is due: its assignment is gone, or the drain time ran out */
    enum rxp_status status;
    bool has_exit_code;
    int exit_code;
    enum rxp_error error;
    char *summary;          /* NULL on success; freed by run_deinit */
    int64_t started_at_ms;  /* Unix time */
    int64_t finished_at_ms; /* never before started_at_ms */
};

/* A backend chooses its status words: a waiting run, and its result, must not grow with them. They are compared whole. */
#define RUN_STATE_MAX_BYTES 512

struct run {
    struct list node; /* mailbox, then one of the runner's lists */
    /* Set by the owner before pool_submit. */
    const atomic_int *tenure; /* OVER: the run ends abandoned at the next pool_sweep; NULL: always held */
    /* Set by prepare, on the loop thread. The owner frees both after ended. */
    const struct rxp_invocation *invocation;
    const struct rxp_http_plan *plan;
    /* The engine's. */
    struct runner *runner; /* NULL until it is taken from the queue and prepared */
    struct timer timer;
    struct cycle cycle;
    struct transfer *transfer; /* NULL between requests */
    char *poll_url;
    int64_t begun_mono_ms; /* the moment of outcome.started_at_ms: submitted, then first kicked off */
    /* For the result. */
    char *run_id; /* NULL: none known */
    char *state;  /* the backend's last word, or NULL; at most RUN_STATE_MAX_BYTES of it are kept */
    char *result; /* JSON text, or NULL */
    bool result_truncated;
    struct outcome outcome;
};

void run_init(struct run *run);
/* Frees what the engine allocated for it (run_id, state, result, poll_url, summary). */
void run_deinit(struct run *run);

#endif
