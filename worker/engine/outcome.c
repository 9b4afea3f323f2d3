#include "engine/outcome.h"

#include "engine/awake.h"
#include "protocol/result.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* finished_at = started_at + what the monotonic clock says: a wall clock that steps cannot turn them round. */
static void put_end(struct run *run, int64_t now_ms)
{
    int64_t elapsed_ms = now_ms - run->begun_mono_ms;
    run->awake->outcome.finished_at_ms = run->started_at_ms + (elapsed_ms > 0 ? elapsed_ms : 0);
}

static void put(struct run *run, enum rxp_status status, enum rxp_error error, const char *summary)
{
    struct outcome *outcome = &run->awake->outcome;
    outcome->status = status;
    outcome->error = error;
    free(outcome->summary);
    outcome->summary = summary != NULL ? strdup(summary) : NULL;
}

bool outcome_is_kept(const struct run *run)
{
    return run->awake->outcome.has_exit_code;
}

static bool has_kept_failure(const struct run *run)
{
    return outcome_is_kept(run) && run->awake->outcome.status == RXP_STATUS_FAILED;
}

/* The backend's own failure stands; what the end of its fetch was is told behind it. */
static void append(struct run *run, const char *text)
{
    struct outcome *outcome = &run->awake->outcome;
    const char *before = outcome->summary != NULL ? outcome->summary : "";
    size_t bytes = strlen(before) + strlen(text) + sizeof "; ";
    char *both = malloc(bytes);
    if (both != NULL) {
        snprintf(both, bytes, "%s%s%s", before, before[0] != '\0' ? "; " : "", text);
        free(outcome->summary);
        outcome->summary = both;
    }
}

static void put_over_kept(struct run *run, enum rxp_status status, enum rxp_error error, const char *text)
{
    if (has_kept_failure(run)) {
        append(run, text);
        return;
    }
    run->awake->outcome.has_exit_code = false;
    put(run, status, error, text);
}

#define SENTENCE_BYTES (VERDICT_TEXT_BYTES + 64)

static void write_sentence(char out[SENTENCE_BYTES], const struct run *run, const struct verdict *verdict)
{
    int failures = run->cycle.failures;
    snprintf(out, SENTENCE_BYTES, "%s", verdict->text);
    if (verdict->kind == VERDICT_TRANSIENT && failures > 1) {
        snprintf(out, SENTENCE_BYTES, "%s (after %d consecutive failures)", verdict->text, failures);
    } else if (verdict->kind == VERDICT_RETRY && failures > 1) {
        snprintf(out, SENTENCE_BYTES, "%s (after %d attempts)", verdict->text, failures);
    }
}

static void put_verdict(struct run *run, const struct verdict *verdict)
{
    char text[SENTENCE_BYTES];
    write_sentence(text, run, verdict);
    run->awake->outcome.has_exit_code = verdict->has_exit_code;
    run->awake->outcome.exit_code = verdict->exit_code;
    if (verdict->succeeded) {
        put(run, RXP_STATUS_SUCCEEDED, RXP_OK, NULL);
    } else {
        put(run, verdict->rejected ? RXP_STATUS_REJECTED : RXP_STATUS_FAILED, verdict->error, text);
    }
}

void outcome_keep(struct run *run, const struct verdict *verdict)
{
    assert(verdict->kind == VERDICT_FETCH && verdict->has_exit_code);
    put_verdict(run, verdict);
}

void outcome_of_verdict(struct run *run, const struct verdict *verdict, int64_t now_ms)
{
    put_end(run, now_ms);
    put_verdict(run, verdict);
    if (verdict->rejected) {
        /* Both stamps of a rejection are the moment of the decision. */
        run->started_at_ms = run->awake->outcome.finished_at_ms;
    }
}

void outcome_of_fetch(struct run *run, const struct verdict *verdict, int64_t now_ms)
{
    assert(outcome_is_kept(run));
    put_end(run, now_ms);
    if (verdict->kind != VERDICT_DONE) {
        char text[SENTENCE_BYTES];
        write_sentence(text, run, verdict);
        put_over_kept(run, RXP_STATUS_FAILED, verdict->error, text);
    }
}

/* Nothing before the first kickoff has a deadline. */
static const char *phase_name(const struct run *run)
{
    if (outcome_is_kept(run)) {
        return "result fetch";
    }
    if (run->cycle.accepted) {
        return "poll";
    }
    return run->cycle.ended_in == CYCLE_PREPARE ? "prepare" : "kickoff";
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
    char text[96];
    snprintf(text, sizeof text, "%s exceeded timeout of %.*ss", phase_name(run), n, seconds);
    put_end(run, now_ms);
    put_over_kept(run, RXP_STATUS_TIMED_OUT,
                  run->cycle.accepted ? RXP_ERROR_POLL_TIMEOUT : RXP_ERROR_KICKOFF_TIMEOUT, text);
}

void outcome_of_expired(struct run *run, int64_t now_ms)
{
    char stamp[RXP_STAMP_BYTES];
    char text[96];
    rxp_stamp_write(run->awake->plan->start_before_ms, stamp);
    snprintf(text, sizeof text, "not kicked off by %s: rxp.start_before has passed", stamp);
    put_end(run, now_ms);
    put(run, RXP_STATUS_TIMED_OUT, RXP_ERROR_START_EXPIRED, text);
}

void outcome_of_cancel(struct run *run, int64_t now_ms)
{
    put_end(run, now_ms);
    put_over_kept(run, RXP_STATUS_CANCELLED, RXP_ERROR_CANCELLED, "cancelled on request");
}

void outcome_of_abandon(struct run *run)
{
    run->abandoned = true;
}
