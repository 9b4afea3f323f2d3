#include "engine/pool.h"

#include "base/clock.h"
#include "engine/loop.h"
#include "engine/query_part.h"
#include "engine/secrets.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

/* File descriptors that are not the loops': Kafka's, the log, listeners. */
#define RESERVED_FDS ((size_t)256)
#define MAX_CONNECTIONS 4096
#define BREAKER_PROBE_MS 5000

struct pool {
    struct pool_config config;
    struct pool_hooks hooks;
    struct gates *own_gates;
    atomic_size_t next;
    size_t n_loops; /* that stand */
    struct loop *loop[];
};

/* As many file descriptors as the process may have. Each loop gets its share: a quarter for connections that rest, the
 * others for requests. */
static size_t raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1024;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
            limit = raised;
        }
    }
    return limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > 1000000 ? 1000000 : (size_t)limit.rlim_cur;
}

static uint64_t make_seed(size_t index)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) {
        seed = (uint64_t)clock_wall_ms() * 2654435761u + index;
    }
    return seed;
}

static int make_gates(struct pool *pool, char *why, size_t why_bytes)
{
    const struct gates_config gates = {
        .kickoffs_per_second = pool->config.origin_kickoffs_per_second,
        .requests_per_second = pool->config.origin_requests_per_second,
        .breaker_failures = pool->config.origin_breaker_failures,
        .breaker_probe_ms = BREAKER_PROBE_MS,
    };
    if (pool->config.gates != NULL) {
        return 0;
    }
    pool->config.gates = pool->own_gates = gates_new(&gates);
    if (pool->own_gates == NULL) {
        snprintf(why, why_bytes, "out of memory");
        return -1;
    }
    return 0;
}

static void command(struct pool *pool, unsigned commands)
{
    for (size_t i = 0; i < pool->n_loops; i++) {
        loop_command(pool->loop[i], commands);
    }
}

/* The keeper's thread. */
static void on_token(void *opaque)
{
    command(opaque, RUNNER_TOKENS);
}

static int start_loops(struct pool *pool, char *why, size_t why_bytes)
{
    size_t n = (size_t)pool->config.threads;
    size_t fds = raise_fd_limit();
    size_t share = (fds > 2 * RESERVED_FDS ? fds - RESERVED_FDS : fds / 2) / n;
    size_t max_connections = share / 4 < MAX_CONNECTIONS ? share / 4 : MAX_CONNECTIONS;
    size_t places = (size_t)(pool->config.origin_max_connections > 0 ? pool->config.origin_max_connections : 1);
    for (size_t i = 0; i < n; i++) {
        size_t origin_share = places / n + (i < places % n);
        const struct loop_config config = {
            .pool = &pool->config,
            .hooks = &pool->hooks,
            .origin_max_active = origin_share > 0 ? origin_share : 1,
            .max_active = share > max_connections + 1 ? share - max_connections : 1,
            .max_connections = max_connections > 0 ? max_connections : 1,
            .seed = make_seed(i),
        };
        pool->loop[i] = loop_new(&config, why, why_bytes);
        if (pool->loop[i] == NULL) {
            return -1;
        }
        pool->n_loops++;
    }
    return 0;
}

struct pool *pool_new(const struct pool_config *config, const struct pool_hooks *hooks, char *why, size_t why_bytes)
{
    assert(config->threads >= 1);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        snprintf(why, why_bytes, "libcurl could not be initialised");
        return NULL;
    }
    struct pool *pool = calloc(1, sizeof *pool + (size_t)config->threads * sizeof(struct loop *));
    if (pool == NULL) {
        snprintf(why, why_bytes, "out of memory");
        curl_global_cleanup();
        return NULL;
    }
    pool->config = *config;
    pool->hooks = *hooks;
    if (make_gates(pool, why, why_bytes) != 0 || start_loops(pool, why, why_bytes) != 0) {
        pool_free(pool);
        return NULL;
    }
    int failed = secrets_watch(config->secrets, on_token, pool); /* the loops stand */
    assert(failed == 0); /* a process has one pool at a time */
    return pool;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    secrets_watch(pool->config.secrets, NULL, NULL);
    for (size_t i = 0; i < pool->n_loops; i++) {
        loop_free(pool->loop[i]);
    }
    gates_free(pool->own_gates);
    free(pool);
    curl_global_cleanup();
}

/* To the loop with the fewest runs; of equals, to each in turn. */
void pool_submit(struct pool *pool, struct run *run)
{
    size_t first = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    struct loop *best = NULL;
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < pool->n_loops; i++) {
        struct loop *loop = pool->loop[(first + i) % pool->n_loops];
        struct loop_counts counts;
        loop_read_counts(loop, &counts);
        if (counts.in_flight < fewest) {
            fewest = counts.in_flight;
            best = loop;
        }
    }
    loop_submit(best, run);
}

void pool_sweep(struct pool *pool)
{
    command(pool, RUNNER_SWEEP);
}

void pool_park(struct pool *pool)
{
    command(pool, RUNNER_PARK);
}

void pool_permit(struct pool *pool, struct run *run)
{
    (void)pool;
    atomic_store_explicit(&run->permitted, true, memory_order_release);
}

void pool_permits_given(struct pool *pool)
{
    command(pool, RUNNER_PERMIT);
}

void pool_cancel_all(struct pool *pool)
{
    command(pool, RUNNER_CANCEL);
}

void pool_abandon_all(struct pool *pool)
{
    command(pool, RUNNER_ABANDON);
}

void pool_ask(struct pool *pool)
{
    command(pool, RUNNER_ASK);
}

void pool_query(struct pool *pool, struct query *query)
{
    query_expect(query, pool->n_loops);
    for (size_t i = 0; i < pool->n_loops; i++) {
        struct query_part *part = query_part_new(query);
        if (part != NULL) {
            loop_query(pool->loop[i], part);
        }
    }
}

int64_t pool_loop_cpu_us(struct pool *pool, size_t i)
{
    return i < pool->n_loops ? loop_cpu_us(pool->loop[i]) : -1;
}

struct gates *pool_gates(struct pool *pool)
{
    return pool->config.gates;
}

void pool_read_counts(struct pool *pool, struct pool_counts *out)
{
    *out = (struct pool_counts){.oldest_turn_mono_ms = CLOCK_NEVER};
    for (size_t i = 0; i < pool->n_loops; i++) {
        struct loop_counts counts;
        loop_read_counts(pool->loop[i], &counts);
        out->in_flight += counts.in_flight;
        out->in_requests += counts.in_requests;
        out->n_errands += counts.n_errands;
        if (counts.turn_mono_ms < out->oldest_turn_mono_ms) {
            out->oldest_turn_mono_ms = counts.turn_mono_ms;
        }
    }
}
