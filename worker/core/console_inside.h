/* console_inside: what the files of the console share. Not for others. */
#ifndef RXP_CORE_CONSOLE_INSIDE_H
#define RXP_CORE_CONSOLE_INSIDE_H

#include "core/console.h"
#include "engine/query.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One of /runs, with a place for one that is just being answered; and besides so many that look for one id, which cost the
 * loops less. */
#define CONSOLE_LISTS 2
#define CONSOLE_LOOKUPS 4
#define CONSOLE_ASKS (CONSOLE_LISTS + CONSOLE_LOOKUPS)
#define CONSOLE_ASK_MS 10000
#define CONSOLE_STATUS_MS 1000
#define CONSOLE_LOOPS_MAX 256

enum ask_kind { ASK_LIST, ASK_FIND, ASK_CANCEL };

/* A question that is put to the loops. In use from its beginning until it is answered and nobody looks at its query any
 * more. All but `kind`, `exchange` and `id`, which are whoever's answers it, under the console's lock. */
struct ask {
    struct console *console;
    struct query *query;   /* NULL: this ask is free */
    unsigned holders;      /* that are about to use `query` outside the lock */
    bool ending;           /* the loops have done their part: who hears the answer may ask again at once */
    bool answered;
    int64_t give_up_mono_ms;
    struct pool *pool;
    enum ask_kind kind;
    struct http_exchange *exchange;
    char *id; /* owned; NULL for a list */
};

struct console {
    struct console_config config;
    int64_t started_at_ms;
    pthread_t ticker;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* the end, an answer, or fewer holders */
    bool ends;
    struct worker *worker; /* NULL: none (any more) */
    unsigned users;        /* of the worker, outside the lock */
    struct ask ask[CONSOLE_ASKS];
    /* The shares of their threads that loops worked in the last step; the ticker's, under the lock. */
    size_t n_loops;
    int64_t busy_since_mono_ms; /* 0: no step has begun */
    int64_t loop_cpu_us[CONSOLE_LOOPS_MAX];
    double loop_busy[CONSOLE_LOOPS_MAX]; /* below 0: not known */
    /* The last answer of /status. */
    pthread_mutex_t status_lock;
    char *status;
    size_t status_bytes;
    int64_t status_mono_ms;
};

/* The worker, until it is given back; NULL where there is none. */
struct worker *console_hold_worker(struct console *console);
void console_release_worker(struct console *console);

/* Not under the lock: of the asks that are answered and that nobody holds, the queries are let go. */
void console_collect_asks(struct console *console);
/* The ticker, and who takes the worker away: those that are due by then are answered with what is there. */
void console_end_asks(struct console *console, int64_t due_mono_ms);

void console_serve_status(struct http_exchange *exchange, void *opaque);
void console_serve_runs(struct http_exchange *exchange, void *opaque);  /* /runs */
void console_serve_run(struct http_exchange *exchange, void *opaque);   /* /runs/ID */
void console_serve_cancel(struct http_exchange *exchange, void *opaque); /* /runs/ID/cancel */
void console_serve_page(struct http_exchange *exchange, void *opaque);

#endif
