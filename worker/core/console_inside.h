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
 * loops less; and cancels, which neither of these keeps out. */
#define CONSOLE_LISTS 2
#define CONSOLE_LOOKUPS 4
#define CONSOLE_CANCELS 4
#define CONSOLE_ASKS (CONSOLE_LISTS + CONSOLE_LOOKUPS + CONSOLE_CANCELS)
#define CONSOLE_ASK_MS 10000
/* The walks of one kind of questions take a loop's thread no more than one part in so many, until so long a pause would be
 * due after one that nobody would wait for it. */
#define CONSOLE_PAUSE_FACTOR 20
#define CONSOLE_PAUSE_MAX_MS 1000
#define CONSOLE_STATUS_MS 1000
#define CONSOLE_LOOPS_MAX 256

enum ask_kind { ASK_LIST, ASK_FIND, ASK_CANCEL };
#define ASK_KINDS 3

enum ask_state {
    ASK_FREE,
    ASK_WAITING, /* the ticker is to put it to the loops, once its kind may go again */
    ASK_PUT,     /* the loops are at it */
    ASK_OVER,    /* they have done their part: the ticker is to answer. Another of its kind may come */
};

/* A question that is put to the loops. A thread of the admin server makes it, of one that is free; from then on all but
 * `state` is the ticker's, which alone puts its query, gives it up, reads it, answers and lets it go. The loops only say that
 * they are through. */
struct ask {
    struct console *console;
    enum ask_state state; /* under the console's lock */
    enum ask_kind kind;   /* the same */
    struct query *query;
    struct pool *pool; /* as long as the ask: the worker's */
    int64_t put_mono_ms;
    int64_t give_up_mono_ms;
    struct http_exchange *exchange;
    char *id; /* owned; NULL for a list */
};

struct console {
    struct console_config config;
    int64_t started_at_ms;
    pthread_t ticker;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* the end, something to do for the ticker, or fewer users or asks */
    bool ends;
    struct worker *worker; /* NULL: none (any more) */
    unsigned users;        /* of the worker, outside the lock */
    struct ask ask[CONSOLE_ASKS];
    /* The ticker's. */
    int64_t pause_until_mono_ms[ASK_KINDS]; /* no sooner is the next of its kind put */
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

/* The ticker, not under the lock: puts, gives up and answers what is due. */
void console_serve_asks(struct console *console, int64_t now_mono_ms);
/* Under the lock: when the ticker is to do so again, unless it is woken before; at once where something is over. */
int64_t console_asks_next_ms(const struct console *console);
bool console_has_asks(const struct console *console);

void console_serve_status(struct http_exchange *exchange, void *opaque);
void console_serve_runs(struct http_exchange *exchange, void *opaque);  /* /runs */
void console_serve_run(struct http_exchange *exchange, void *opaque);   /* /runs/ID */
void console_serve_cancel(struct http_exchange *exchange, void *opaque); /* /runs/ID/cancel */
void console_serve_page(struct http_exchange *exchange, void *opaque);

#endif
