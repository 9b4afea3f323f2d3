#include "core/console_inside.h"

#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

#define TICK_MS 250

static const struct admin_route routes[] = {
    /* Tells nothing: it asks for the token where one is due. */
    {.method = "GET", .path = "/", .access = ADMIN_OPEN, .handler = console_serve_page},
    {.method = "GET", .path = "/status", .access = ADMIN_PRIVATE, .handler = console_serve_status},
    {.method = "GET", .path = "/runs", .access = ADMIN_PRIVATE, .handler = console_serve_runs},
    {.method = "GET", .path = "/runs/", .access = ADMIN_PRIVATE, .handler = console_serve_run},
    {.method = "POST", .path = "/runs/", .access = ADMIN_PROTECTED, .handler = console_serve_cancel},
};

const struct admin_route *console_routes(size_t *n)
{
    *n = sizeof routes / sizeof routes[0];
    return routes;
}

struct worker *console_hold_worker(struct console *console)
{
    pthread_mutex_lock(&console->lock);
    struct worker *worker = console->worker;
    if (worker != NULL) {
        console->users++;
    }
    pthread_mutex_unlock(&console->lock);
    return worker;
}

void console_release_worker(struct console *console)
{
    pthread_mutex_lock(&console->lock);
    console->users--;
    pthread_cond_broadcast(&console->changed);
    pthread_mutex_unlock(&console->lock);
}

void console_use_worker(struct console *console, struct worker *worker)
{
    pthread_mutex_lock(&console->lock);
    console->worker = worker;
    console->n_loops = 0;
    console->busy_since_mono_ms = 0;
    pthread_cond_broadcast(&console->changed); /* without a worker the ticker ends all that is asked */
    while (worker == NULL && (console->users > 0 || console_has_asks(console))) {
        pthread_cond_wait(&console->changed, &console->lock);
    }
    pthread_mutex_unlock(&console->lock);
}

/* Under the lock. */
static void note_busy(struct console *console, struct pool *pool, int64_t now_ms)
{
    int64_t elapsed_ms = now_ms - console->busy_since_mono_ms;
    bool first = console->busy_since_mono_ms == 0;
    if (!first && elapsed_ms < HISTORY_STEP_MS) {
        return;
    }
    size_t n = 0;
    for (; n < CONSOLE_LOOPS_MAX; n++) {
        int64_t cpu_us = pool_loop_cpu_us(pool, n);
        if (cpu_us < 0) {
            break;
        }
        double share = first ? -1 : (double)(cpu_us - console->loop_cpu_us[n]) / 1000 / (double)elapsed_ms;
        console->loop_busy[n] = share > 1 ? 1 : share;
        console->loop_cpu_us[n] = cpu_us;
    }
    console->n_loops = n;
    console->busy_since_mono_ms = now_ms;
}

static void tick(struct console *console, int64_t now_ms)
{
    history_tick(console->config.history, now_ms, clock_wall_ms());
    pthread_mutex_lock(&console->lock);
    if (console->worker != NULL) {
        note_busy(console, worker_pool(console->worker), now_ms);
    }
    pthread_mutex_unlock(&console->lock);
}

/* Under the lock. */
static void wait_until(struct console *console, int64_t mono_ms)
{
    const struct timespec until = {.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000};
    if (!console->ends && mono_ms > clock_mono_ms()) {
        pthread_cond_timedwait(&console->changed, &console->lock, &until);
    }
}

static void *ticker_thread(void *opaque)
{
    struct console *console = opaque;
    int64_t tick_ms = 0;
    pthread_mutex_lock(&console->lock);
    while (!console->ends) {
        pthread_mutex_unlock(&console->lock);
        int64_t now_ms = clock_mono_ms();
        if (now_ms >= tick_ms) {
            tick(console, now_ms);
            tick_ms = now_ms + TICK_MS;
        }
        console_serve_asks(console, now_ms);
        pthread_mutex_lock(&console->lock);
        int64_t asks_ms = console_asks_next_ms(console);
        wait_until(console, asks_ms < tick_ms ? asks_ms : tick_ms);
    }
    pthread_mutex_unlock(&console->lock);
    return NULL;
}

struct console *console_new(const struct console_config *config)
{
    struct console *console = calloc(1, sizeof *console);
    if (console == NULL) {
        return NULL;
    }
    console->config = *config;
    console->started_at_ms = clock_wall_ms();
    pthread_mutex_init(&console->lock, NULL);
    pthread_mutex_init(&console->status_lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&console->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    for (size_t i = 0; i < CONSOLE_ASKS; i++) {
        console->ask[i].console = console;
    }
    if (pthread_create(&console->ticker, NULL, ticker_thread, console) != 0) {
        console->ends = true; /* nobody else is there */
        console_free(console);
        return NULL;
    }
    return console;
}

void console_free(struct console *console)
{
    if (console == NULL) {
        return;
    }
    pthread_mutex_lock(&console->lock);
    bool ticks = !console->ends;
    console->ends = true;
    pthread_cond_broadcast(&console->changed);
    pthread_mutex_unlock(&console->lock);
    if (ticks) {
        pthread_join(console->ticker, NULL);
    }
    pthread_cond_destroy(&console->changed);
    pthread_mutex_destroy(&console->lock);
    pthread_mutex_destroy(&console->status_lock);
    free(console->status);
    free(console);
}
