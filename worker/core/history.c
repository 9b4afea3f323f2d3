#include "core/history.h"

#include "engine/awake.h"
#include "ops/metrics.h"
#include "protocol/vocab.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ORIGIN_BYTES 264
#define NAME_BYTES 136
#define SUMMARY_BYTES 520
#define ID_BYTES 520

/* What happened in one step; of in_flight what was there at its end. */
struct step {
    int64_t taken;
    int64_t succeeded;
    int64_t failed;
    int64_t in_flight;
};

struct cause {
    enum rxp_status status;
    enum rxp_error error;
    int64_t count;
    int64_t first_ms;
    int64_t last_ms;
    char origin[ORIGIN_BYTES]; /* "": not known */
    char runtime_name[NAME_BYTES]; /* the same */
    char summary[SUMMARY_BYTES];
    char invocation_id[ID_BYTES];
};

struct history {
    const struct metrics *metrics;
    pthread_mutex_t lock;
    struct step totals; /* as of the last step's end */
    int64_t next_mono_ms; /* when the step that is under way ends; 0: none is */
    int64_t until_ms;     /* Unix time: when the last one did */
    size_t first;         /* the oldest */
    size_t n_steps;
    struct step step[HISTORY_STEPS];
    size_t n_causes;
    struct cause cause[HISTORY_CAUSES];
};

struct history *history_new(const struct metrics *metrics)
{
    struct history *history = calloc(1, sizeof *history);
    if (history != NULL) {
        history->metrics = metrics;
        pthread_mutex_init(&history->lock, NULL);
    }
    return history;
}

void history_free(struct history *history)
{
    if (history != NULL) {
        pthread_mutex_destroy(&history->lock);
        free(history);
    }
}

static struct step read_totals(const struct metrics *metrics)
{
    struct step totals = {
        .taken = metrics_sum(metrics, METRIC_INVOCATIONS_TOTAL),
        .succeeded = metrics_runs(metrics, RXP_STATUS_SUCCEEDED),
        .failed = metrics_runs(metrics, RXP_STATUS_FAILED) + metrics_runs(metrics, RXP_STATUS_TIMED_OUT) +
                  metrics_runs(metrics, RXP_STATUS_CANCELLED) + metrics_runs(metrics, RXP_STATUS_REJECTED),
        .in_flight = metrics_sum(metrics, METRIC_RUNS_IN_FLIGHT),
    };
    return totals;
}

static void push(struct history *history, const struct step *step)
{
    size_t at = (history->first + history->n_steps) % HISTORY_STEPS;
    history->step[at] = *step;
    if (history->n_steps < HISTORY_STEPS) {
        history->n_steps++;
    } else {
        history->first = (history->first + 1) % HISTORY_STEPS;
    }
}

void history_tick(struct history *history, int64_t now_mono_ms, int64_t now_wall_ms)
{
    struct step totals = read_totals(history->metrics);
    pthread_mutex_lock(&history->lock);
    if (history->next_mono_ms == 0) {
        history->totals = totals;
        history->next_mono_ms = now_mono_ms + HISTORY_STEP_MS;
        history->until_ms = now_wall_ms;
    } else if (now_mono_ms >= history->next_mono_ms) {
        int64_t missed = (now_mono_ms - history->next_mono_ms) / HISTORY_STEP_MS;
        /* The machine slept, or this thread did not get its turn: when in between things happened is not known. */
        const struct step nothing = {.in_flight = history->totals.in_flight};
        for (int64_t i = 0; i < missed && i < HISTORY_STEPS; i++) {
            push(history, &nothing);
        }
        const struct step step = {
            .taken = totals.taken - history->totals.taken,
            .succeeded = totals.succeeded - history->totals.succeeded,
            .failed = totals.failed - history->totals.failed,
            .in_flight = totals.in_flight,
        };
        push(history, &step);
        history->totals = totals;
        history->next_mono_ms += (missed + 1) * HISTORY_STEP_MS;
        history->until_ms = now_wall_ms;
    }
    pthread_mutex_unlock(&history->lock);
}

/* At most room - 1 bytes of it, whole characters. */
static void copy_text(char *to, size_t room, const char *text)
{
    size_t bytes = strnlen(text, room);
    if (bytes == room) {
        bytes = room - 1;
        while (bytes > 0 && ((unsigned char)text[bytes] & 0xC0) == 0x80) {
            bytes--;
        }
    }
    memcpy(to, text, bytes);
    to[bytes] = '\0';
}

/* Scheme, host and port: what is behind them may hold secrets. */
static void copy_origin(char *to, size_t room, const char *url)
{
    const char *host = strstr(url, "://");
    size_t bytes = host != NULL ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : 0;
    if (bytes >= room) {
        bytes = 0;
    }
    memcpy(to, url, bytes);
    to[bytes] = '\0';
}

static struct cause *find_cause(struct history *history, const struct cause *like)
{
    struct cause *stalest = &history->cause[0];
    for (size_t i = 0; i < history->n_causes; i++) {
        struct cause *cause = &history->cause[i];
        if (cause->status == like->status && cause->error == like->error && strcmp(cause->origin, like->origin) == 0 &&
            strcmp(cause->runtime_name, like->runtime_name) == 0) {
            return cause;
        }
        if (cause->last_ms < stalest->last_ms) {
            stalest = cause;
        }
    }
    if (history->n_causes < HISTORY_CAUSES) {
        stalest = &history->cause[history->n_causes++];
    }
    *stalest = *like;
    return stalest;
}

void history_note(struct history *history, const struct run *run)
{
    struct cause cause = {
        .status = run->awake->outcome.status,
        .error = run->awake->outcome.error,
        .first_ms = run->awake->outcome.finished_at_ms,
    };
    if (run->awake->plan != NULL && run->awake->plan->kickoff.url != NULL) {
        copy_origin(cause.origin, sizeof cause.origin, run->awake->plan->kickoff.url);
    }
    if (run->awake->invocation != NULL && run->awake->invocation->runtime_name != NULL) {
        copy_text(cause.runtime_name, sizeof cause.runtime_name, run->awake->invocation->runtime_name);
    }
    pthread_mutex_lock(&history->lock);
    struct cause *kept = find_cause(history, &cause);
    kept->count++;
    kept->last_ms = cause.first_ms;
    copy_text(kept->summary, sizeof kept->summary, run->awake->outcome.summary != NULL ? run->awake->outcome.summary : "");
    const char *id = run->awake->invocation != NULL ? run->awake->invocation->invocation_id : NULL;
    copy_text(kept->invocation_id, sizeof kept->invocation_id, id != NULL ? id : "");
    pthread_mutex_unlock(&history->lock);
}

enum series { TAKEN, SUCCEEDED, FAILED, IN_FLIGHT };

static int64_t step_value(const struct step *step, enum series series)
{
    switch (series) {
    case TAKEN:
        return step->taken;
    case SUCCEEDED:
        return step->succeeded;
    case FAILED:
        return step->failed;
    case IN_FLIGHT:
        return step->in_flight;
    }
    return 0;
}

static void write_series(const struct history *history, enum series series, struct json_writer *out)
{
    for (size_t i = 0; i < history->n_steps; i++) {
        json_put(out, i > 0 ? "," : "");
        json_put_int(out, step_value(&history->step[(history->first + i) % HISTORY_STEPS], series));
    }
}

static void write_cause(const struct cause *cause, struct json_writer *out)
{
    const char *code = rxp_error_name(cause->error);
    json_put(out, "{\"code\":");
    json_put_string(out, code != NULL ? code : rxp_status_name(cause->status));
    json_put(out, ",\"status\":");
    json_put_string(out, rxp_status_name(cause->status));
    json_put(out, ",\"origin\":");
    json_put_string(out, cause->origin[0] != '\0' ? cause->origin : NULL);
    json_put(out, ",\"runtime_name\":");
    json_put_string(out, cause->runtime_name[0] != '\0' ? cause->runtime_name : NULL);
    json_put(out, ",\"count\":");
    json_put_int(out, cause->count);
    json_put(out, ",\"first_ms\":");
    json_put_int(out, cause->first_ms);
    json_put(out, ",\"last_ms\":");
    json_put_int(out, cause->last_ms);
    json_put(out, ",\"summary\":");
    json_put_string(out, cause->summary);
    json_put(out, ",\"invocation_id\":");
    json_put_string(out, cause->invocation_id[0] != '\0' ? cause->invocation_id : NULL);
    json_put(out, "}");
}

void history_write(struct history *history, struct json_writer *out)
{
    pthread_mutex_lock(&history->lock);
    json_put(out, "\"history\":{\"step_ms\":");
    json_put_int(out, HISTORY_STEP_MS);
    json_put(out, ",\"until_ms\":");
    json_put_int(out, history->until_ms);
    json_put(out, ",\"taken\":[");
    write_series(history, TAKEN, out);
    json_put(out, "],\"succeeded\":[");
    write_series(history, SUCCEEDED, out);
    json_put(out, "],\"failed\":[");
    write_series(history, FAILED, out);
    json_put(out, "],\"in_flight\":[");
    write_series(history, IN_FLIGHT, out);
    json_put(out, "]},\"failures\":[");
    for (size_t i = 0; i < history->n_causes; i++) {
        json_put(out, i > 0 ? "," : "");
        write_cause(&history->cause[i], out);
    }
    json_put(out, "]");
    pthread_mutex_unlock(&history->lock);
}
