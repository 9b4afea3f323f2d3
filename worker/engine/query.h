/* query: a question about the runs under way, answered by every loop for its own.
 *
 * Made by any thread, put to a pool (pool_query), walked by each loop in slices between its other work, ended by the last of
 * them, or by query_give_up when it takes too long. Counted: who made it and each loop hold it, so that none has to wait for
 * another; the rows are copies. A loop does no more than it must: to put the rows of all loops in order is left to who reads
 * them. */
#ifndef RXP_ENGINE_QUERY_H
#define RXP_ENGINE_QUERY_H

#include "ops/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run;
struct query;

/* The order of rows, and the cursor for the next page: oldest first. */
struct query_key {
    int64_t started_at_ms; /* of one that has not begun: when it was taken */
    int64_t offset;
    int32_t partition;
    const char *topic;
};

struct query_row {
    struct query_key key;
    const char *invocation_id; /* NULL: not parsed yet */
    const char *runtime_name;  /* the same */
    const char *run_id; /* the backend's; NULL: none known */
    const char *state;  /* the backend's last word; NULL: none */
    const char *url;    /* scheme, host and port of the kickoff, without path or query: those may hold secrets; NULL: not known */
    enum metric_phase phase;
    int polls;
    bool resumed;
    int64_t input_ms;    /* its input's own timestamp, by whichever clock; less than 1: it has none */
    int64_t next_ms;     /* Unix time of its next step, where it waits; -1 */
    int64_t deadline_ms; /* Unix time; -1: it has not begun */
};

struct query_filter {
    const char *invocation_id; /* exactly; NULL: any. All strings are copied */
    const char *runtime_name;  /* the same */
    int phase;                 /* enum metric_phase, or -1 */
    int64_t started_before_ms; /* Unix time; INT64_MAX: any */
    bool has_after;            /* rows whose key is above `after` alone */
    struct query_key after;
    size_t limit; /* 1 to QUERY_LIMIT_MAX: the lowest so many by key */
};
#define QUERY_LIMIT_MAX 1000

/* Once, on whichever thread was the last, or from query_give_up: from now on query_read tells the answer. A loop's thread, as
 * a rule: it should wake another and leave the rest to that. */
typedef void (*query_done_fn)(void *opaque);

struct query_answer {
    const struct query_row *rows; /* in order, without doubles */
    size_t n;
    size_t matching; /* how many passed the filter, of which the first `limit` are here */
    bool complete;   /* every loop has answered, and for none of it memory was short */
    int64_t cpu_us;  /* what the walk took of a loop's thread: of the one that it took most of */
};

/* What is longer is cut, at the end of a character. */
#define QUERY_TEXT_MAX_BYTES 1024

/* NULL for want of memory. */
struct query *query_new(const struct query_filter *filter, query_done_fn done, void *opaque);
/* From `done` on, by one thread at a time, which holds the query: puts the rows in order, the first time. They are the
 * query's, until it is released. */
void query_read(struct query *query, struct query_answer *out);
/* Any thread but within `done`: `done` is called now with what is there, unless it was called already. It has returned when this
 * returns. */
void query_give_up(struct query *query);
/* What query_new gave is given back. `done` may still be called. */
void query_release(struct query *query);

#endif
