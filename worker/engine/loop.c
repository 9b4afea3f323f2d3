#include "engine/loop.h"

#include "base/clock.h"
#include "base/mailbox.h"
#include "engine/curl_transport.h"
#include "engine/fd_watch.h"
#include "engine/query_part.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define MAX_EVENTS 128
#define MAX_WAIT_MS 1000
/* What a turn gives to answers, and then to runs, before it looks at sockets again. Beside a saturating load polls come 9 ms late
 * at p99 with 1, and 13 to 23 with 5; CPU of an invocation is the same. */
#define SLICE_MS 1

/* Beside the runner's own commands. */
#define LOOP_STOP 0x100u

struct loop {
    int epoll_fd;
    struct mailbox mailbox;
    struct mailbox queries; /* shares its eventfd */
    struct runner runner;
    struct curl_transport *transport;
    pthread_t thread;
    atomic_uint commands; /* given and not taken yet */
    atomic_int_fast64_t turn_mono_ms;
};

/* ---- any thread ---- */

static void wake(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t written = write(loop->mailbox.event_fd, &one, sizeof one);
    assert(written == (ssize_t)sizeof one || errno == EAGAIN); /* full: readable as well */
}

void loop_submit(struct loop *loop, struct run *run)
{
    runner_announce(&loop->runner, run, clock_mono_ms(), clock_wall_ms());
    mailbox_post(&loop->mailbox, &run->node);
}

void loop_command(struct loop *loop, unsigned commands)
{
    atomic_fetch_or_explicit(&loop->commands, commands, memory_order_release);
    wake(loop);
}

void loop_query(struct loop *loop, struct query_part *part)
{
    mailbox_post(&loop->queries, &part->node);
}

int64_t loop_cpu_us(struct loop *loop)
{
    clockid_t clock;
    struct timespec used;
    if (pthread_getcpuclockid(loop->thread, &clock) != 0 || clock_gettime(clock, &used) != 0) {
        return -1;
    }
    return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

void loop_read_counts(const struct loop *loop, struct loop_counts *out)
{
    *out = (struct loop_counts){
        .in_flight = atomic_load_explicit(&loop->runner.in_flight, memory_order_relaxed),
        .in_requests = atomic_load_explicit(&loop->runner.in_requests, memory_order_relaxed),
        .n_errands = atomic_load_explicit(&loop->runner.errands.n, memory_order_relaxed),
        .turn_mono_ms = atomic_load_explicit(&loop->turn_mono_ms, memory_order_relaxed),
    };
}

/* ---- the thread ---- */

/* Commands and queries before mail: what was submitted before them is in the mailbox when they are seen. */
static bool serve_mail(struct loop *loop, int64_t now_ms)
{
    struct list submitted;
    struct list queries;
    struct list *node;
    list_init(&submitted);
    list_init(&queries);
    unsigned commands = atomic_exchange_explicit(&loop->commands, 0, memory_order_acquire);
    mailbox_take(&loop->queries, &queries);
    mailbox_take(&loop->mailbox, &submitted);
    runner_add(&loop->runner, &submitted);
    while ((node = list_shift(&queries)) != NULL) {
        runner_query(&loop->runner, list_entry(node, struct query_part, node));
    }
    runner_command(&loop->runner, commands & ~LOOP_STOP, now_ms);
    return (commands & LOOP_STOP) == 0;
}

static int wait_ms(const struct loop *loop, bool busy, int64_t now_ms)
{
    int64_t next_ms = curl_transport_next_ms(loop->transport);
    if (runner_next_ms(&loop->runner) < next_ms) {
        next_ms = runner_next_ms(&loop->runner);
    }
    if (busy || next_ms <= now_ms) {
        return 0;
    }
    return next_ms - now_ms < MAX_WAIT_MS ? (int)(next_ms - now_ms) : MAX_WAIT_MS;
}

static void *loop_main(void *opaque)
{
    struct loop *loop = opaque;
    struct epoll_event events[MAX_EVENTS];
    int64_t now_ms = clock_mono_ms();
    bool running = true;
    bool busy = false;
    while (running || busy) {
        int n = epoll_wait(loop->epoll_fd, events, MAX_EVENTS, wait_ms(loop, busy, now_ms));
        assert(n >= 0 || errno == EINTR);
        now_ms = clock_mono_ms();
        atomic_store_explicit(&loop->turn_mono_ms, now_ms, memory_order_relaxed);
        bool has_mail = false;
        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == FD_WATCH_OTHER) {
                mailbox_drain_fd(loop->mailbox.event_fd);
                has_mail = true;
            } else {
                curl_transport_serve_fd(loop->transport, events[i].data.u64, events[i].events, now_ms);
            }
        }
        if (has_mail) {
            running = serve_mail(loop, now_ms) && running;
        }
        curl_transport_report(loop->transport, now_ms, SLICE_MS);
        now_ms = clock_mono_ms();
        busy = runner_turn(&loop->runner, now_ms, SLICE_MS);
        now_ms = clock_mono_ms();
        curl_transport_begin(loop->transport, now_ms);
    }
    return NULL;
}

/* ---- life ---- */

static int start_thread(struct loop *loop)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&loop->thread, NULL, loop_main, loop);
    if (error == 0) {
        (void)pthread_setname_np(loop->thread, "rxp-loop"); /* for top -H */
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static struct curl_transport *make_transport(const struct loop *loop, const struct loop_config *config)
{
    const struct curl_transport_config transport = {
        .egress = config->pool->egress,
        .outlet = config->pool->outlet,
        .max_response_bytes = config->pool->max_response_bytes,
        .origin_max_active = config->origin_max_active,
        .gates = config->pool->gates,
        .kickoff_max_wait_ms = config->pool->kickoff_max_wait_ms,
        .max_active = config->max_active,
        .max_connections = config->max_connections,
        .epoll_fd = loop->epoll_fd,
    };
    return curl_transport_new(&transport);
}

/* Everything but the thread. 0, or an errno. */
static int set_up(struct loop *loop, const struct loop_config *config)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        return errno;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = FD_WATCH_OTHER};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->mailbox.event_fd, &event) != 0) {
        return errno;
    }
    loop->transport = make_transport(loop, config);
    if (loop->transport == NULL) {
        return ENOMEM;
    }
    runner_init(&loop->runner, config->pool, config->hooks, curl_transport_base(loop->transport), config->seed);
    atomic_store_explicit(&loop->turn_mono_ms, clock_mono_ms(), memory_order_relaxed);
    return start_thread(loop);
}

static void take_down(struct loop *loop)
{
    curl_transport_free(loop->transport);
    mailbox_deinit(&loop->queries);
    mailbox_deinit(&loop->mailbox);
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    free(loop);
}

struct loop *loop_new(const struct loop_config *config, char *why, size_t why_bytes)
{
    struct loop *loop = calloc(1, sizeof *loop);
    int error = loop != NULL ? -mailbox_init(&loop->mailbox, -1) : ENOMEM;
    if (error == 0) {
        (void)mailbox_init(&loop->queries, loop->mailbox.event_fd); /* cannot fail: it makes none */
        loop->epoll_fd = -1;
        error = set_up(loop, config);
        if (error == 0) {
            return loop;
        }
        take_down(loop);
    } else {
        free(loop);
    }
    snprintf(why, why_bytes, "an event loop could not be started: %s", strerror(error));
    return NULL;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    loop_command(loop, RUNNER_ABANDON | LOOP_STOP);
    pthread_join(loop->thread, NULL);
    runner_deinit(&loop->runner);
    take_down(loop);
}
