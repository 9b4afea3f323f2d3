#include "engine/outcome.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* finished_at = started_at + what the monotonic clock says: a wall clock that steps cannot turn them round. */
static void put_end(struct run *run, int64_t now_ms)
{
    int64_t elapsed_ms = now_ms - run->begun_mono_ms;
    run->outcome.finished_at_ms = run->outcome.started_at_ms + (elapsed_ms > 0 ? elapsed_ms : 0);
}

static void put(struct run *run, enum rxp_status status, enum rxp_error error, const char *summary)
{
    struct outcome *outcome = &run->outcome;
    outcome->status = status;
    outcome->error = error;
    free(outcome->summary);
    outcome->summary = summary != NULL ? strdup(summary) : NULL;
}

static void put_verdict_text(struct run *run, enum rxp_status status, const struct verdict *verdict)
{
    char text[VERDICT_TEXT_BYTES + 64];
    snprintf(text, sizeof text, "%s", verdict->text);
    if (verdict->kind == VERDICT_TRANSIENT && run->cycle.failures > 1) {
        snprintf(text, sizeof text, "%s (after %d consecutive failures)", verdict->text, run->cycle.failures);
    }
    put(run, status, verdict->error, text);
}

void outcome_of_verdict(struct run *run, const struct verdict *verdict, int64_t now_ms)
{
    put_end(run, now_ms);
    if (verdict->kind == VERDICT_DONE) {
        run->outcome.has_exit_code = true;
        run->outcome.exit_code = verdict->exit_code;
    }
    if (verdict->kind == VERDICT_DONE && verdict->succeeded) {
        put(run, RXP_STATUS_SUCCEEDED, RXP_OK, NULL);
    } else if (verdict->kind == VERDICT_BROKEN && verdict->rejected) {
        /* Both stamps of a rejection are the moment of the decision. */
        run->outcome.started_at_ms = run->outcome.finished_at_ms;
        put_verdict_text(run, RXP_STATUS_REJECTED, verdict);
    } else {
        put_verdict_text(run, RXP_STATUS_FAILED, verdict);
    }
}

void outcome_of_timeout(struct run *run, int64_t timeout_ms, int64_t now_ms)
{
    char seconds[32];
    int n = snprintf(seconds, sizeof seconds, "%" PRId64 ".%03d", timeout_ms / 1000, (int)(timeout_ms % 1000));
    while (seconds[n - 1] == '0') {
        n--;
    }
    if (seconds[n - 1] == '.') {
        n--;
    }
    bool accepted = run->cycle.accepted;
    char text[96];
    snprintf(text, sizeof text, "%s exceeded timeout of %.*ss", accepted ? "poll" : "kickoff", n, seconds);
    put_end(run, now_ms);
    put(run, RXP_STATUS_TIMED_OUT, accepted ? RXP_ERROR_POLL_TIMEOUT : RXP_ERROR_KICKOFF_TIMEOUT, text);
}

void outcome_of_cancel(struct run *run, int64_t now_ms)
{
    put_end(run, now_ms);
    put(run, RXP_STATUS_CANCELLED, RXP_ERROR_CANCELLED, "cancelled on request");
}

void outcome_of_abandon(struct run *run, int64_t now_ms)
{
    put_end(run, now_ms);
    run->outcome.abandoned = true;
}
