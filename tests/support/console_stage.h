/* console_stage: a console behind a real admin server, for its part tests: what stands in for the worker's pool and its
 * queries, and a client. Included by one test file each. */
#ifndef RXP_TESTS_CONSOLE_STAGE_H
#define RXP_TESTS_CONSOLE_STAGE_H

#include "base/clock.h"
#include "core/console.h"
#include "engine/gate.h"
#include "engine/query.h"
#include "ops/log.h"
#include "protocol/json.h"
#include "support/check_main.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOKEN "s3cret"
#define DEADLINE_MS 20000
#define ANSWER_BYTES (1 << 20)

/* ---- what stands in for the worker, its pool and the queries: each waits for the test to answer it ---- */

struct query {
    query_done_fn done;
    void *opaque;
    struct query_filter filter;
    char id[64];
    char name[64];
    atomic_bool answered;
    bool complete;
    pthread_t teller; /* what stands for a loop; or who gave it up */
    pthread_mutex_t lock;
};

static atomic_bool read_where_it_was_told;
static atomic_long cpu_us; /* that each query takes */

static _Atomic(struct query *) put; /* the last that was put to the pool */
static atomic_int queries;          /* that there are */
static atomic_int asks;             /* of the pool, for cancels */
static struct gates *gates;
static atomic_bool answers_at_once;
static struct query_row rows[100];
static size_t n_rows;

struct pool *worker_pool(struct worker *worker)
{
    return (struct pool *)(void *)worker;
}

int64_t pool_loop_cpu_us(struct pool *pool, size_t i)
{
    (void)pool;
    return i < 2 ? (int64_t)(i + 1) * 1000 : -1;
}

struct gates *pool_gates(struct pool *pool)
{
    (void)pool;
    return gates;
}

void pool_read_counts(struct pool *pool, struct pool_counts *out)
{
    (void)pool;
    *out = (struct pool_counts){.oldest_turn_mono_ms = clock_mono_ms()};
}

void pool_ask(struct pool *pool)
{
    (void)pool;
    asks++;
}

struct query *query_new(const struct query_filter *filter, query_done_fn done, void *opaque)
{
    struct query *query = calloc(1, sizeof *query);
    query->filter = *filter;
    query->done = done;
    query->opaque = opaque;
    snprintf(query->id, sizeof query->id, "%s", filter->invocation_id != NULL ? filter->invocation_id : "");
    snprintf(query->name, sizeof query->name, "%s", filter->runtime_name != NULL ? filter->runtime_name : "");
    pthread_mutex_init(&query->lock, NULL);
    queries++;
    return query;
}

__attribute__((unused)) static void end(struct query *query, bool complete)
{
    pthread_mutex_lock(&query->lock);
    if (!query->answered) {
        query->complete = complete;
        query->teller = pthread_self();
        query->answered = true;
        query->done(query->opaque);
    }
    pthread_mutex_unlock(&query->lock);
}

void query_read(struct query *query, struct query_answer *out)
{
    ck_assert(query->answered);
    size_t n = query->complete ? n_rows : 0;
    if (query->complete && !answers_at_once && pthread_equal(query->teller, pthread_self())) {
        read_where_it_was_told = true;
    }
    *out = (struct query_answer){.rows = rows, .n = n < query->filter.limit ? n : query->filter.limit, .matching = n,
                                 .complete = query->complete, .cpu_us = cpu_us};
}

void query_give_up(struct query *query)
{
    end(query, false);
}

void query_release(struct query *query)
{
    pthread_mutex_lock(&query->lock); /* whoever answers has left it */
    pthread_mutex_unlock(&query->lock);
    ck_assert(query->answered);
    pthread_mutex_destroy(&query->lock);
    queries--;
    free(query);
}

void pool_query(struct pool *pool, struct query *query)
{
    (void)pool;
    if (answers_at_once) {
        end(query, true);
    } else {
        put = query;
    }
}

/* The query that waits, once there is one. */
__attribute__((unused)) static struct query *wait_for_query(void)
{
    int64_t deadline_ms = clock_mono_ms() + DEADLINE_MS;
    struct query *query = NULL;
    while ((query = atomic_exchange(&put, NULL)) == NULL) {
        ck_assert_int_lt(clock_mono_ms(), deadline_ms);
        sched_yield();
    }
    return query;
}

/* Whoever released the last may just be about to. */
__attribute__((unused)) static void assert_no_query_left(void)
{
    int64_t deadline_ms = clock_mono_ms() + DEADLINE_MS;
    while (queries != 0) {
        ck_assert_int_lt(clock_mono_ms(), deadline_ms);
        sched_yield();
    }
}

/* ---- the console behind a real admin server ---- */

static struct worker *const worker = (struct worker *)(void *)&asks;
static struct worker_config config;
static struct metrics *metrics;
static struct standing *standing;
static struct history *history;
static struct cancels *cancels;
static struct console *console;
static struct admin *admin;

__attribute__((unused)) static void setup(void)
{
    const struct gates_config no_limits = {.breaker_failures = 1, .breaker_probe_ms = 1000};
    char why[256] = "";
    log_set_level(LOG_ERROR);
    put = NULL;
    queries = asks = 0;
    cpu_us = 0;
    read_where_it_was_told = false;
    answers_at_once = false;
    n_rows = 1;
    rows[0] = (struct query_row){
        .key = {.started_at_ms = 1764000000000, .offset = 17, .partition = 3, .topic = "in"},
        .invocation_id = "one", .runtime_name = "archon", .phase = METRIC_PHASE_WAIT, .state = "running", .run_id = "r1",
        .url = "http://api:8080", .polls = 7, .next_ms = 1764000005000, .deadline_ms = 1764000060000,
    };
    rows[1] = (struct query_row){.key = {.started_at_ms = 1764000000001, .offset = 18, .partition = 3, .topic = "in"},
                                 .next_ms = -1, .deadline_ms = -1, .resumed = true};
    gates = gates_new(&no_limits);
    metrics = metrics_new(NULL, 0);
    standing = standing_new();
    history = history_new(metrics);
    cancels = cancels_new();
    config = (struct worker_config){
        .kafka = {.bootstrap_servers = "b:9092", .group_id = "g"},
        .settle = {.worker_id = "w1"},
        .pool = {.max_run_ms = 60000},
        .max_in_flight = 50,
        .max_in_flight_bytes = 1000,
        .checkpoints_topic = "cp",
    };
    const struct console_config of_console = {&config, metrics, standing, history, cancels, true};
    console = console_new(&of_console);
    ck_assert_ptr_nonnull(console);
    struct admin_config of_admin = {.listen = "127.0.0.1:0", .token = TOKEN, .opaque = console};
    of_admin.routes = console_routes(&of_admin.n_routes);
    ck_assert_msg(admin_start(&of_admin, &admin, why, sizeof why) == 0, "%s", why);
    console_use_worker(console, worker);
}

__attribute__((unused)) static void teardown(void)
{
    console_use_worker(console, NULL);
    assert_no_query_left();
    ck_assert(!read_where_it_was_told);
    admin_stop(admin);
    console_free(console);
    cancels_free(cancels);
    history_free(history);
    standing_free(standing);
    metrics_free(metrics);
    gates_free(gates);
}

struct call {
    const char *method;
    const char *target;
    const char *token;
    const char *accepted; /* its Accept-Encoding; NULL: none */
    pthread_t thread;
    char *text;
    size_t text_bytes;
    int code;
    const char *body;
};

__attribute__((unused)) static void *call_thread(void *opaque)
{
    struct call *call = opaque;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)admin_port(admin));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char head[2048];
    int bytes = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s%s%s%s%s%s\r\n", call->method,
                         call->target, call->token != NULL ? "Authorization: Bearer " : "",
                         call->token != NULL ? call->token : "", call->token != NULL ? "\r\n" : "",
                         call->accepted != NULL ? "Accept-Encoding: " : "", call->accepted != NULL ? call->accepted : "",
                         call->accepted != NULL ? "\r\n" : "");
    call->text = calloc(1, ANSWER_BYTES);
    if (connect(fd, (struct sockaddr *)(void *)&to, sizeof to) == 0 && send(fd, head, (size_t)bytes, MSG_NOSIGNAL) == bytes) {
        size_t had = 0;
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t n = 1;
        while (n > 0 && had < ANSWER_BYTES - 1 && poll(&wait, 1, DEADLINE_MS) == 1) {
            n = recv(fd, call->text + had, ANSWER_BYTES - 1 - had, 0);
            had += n > 0 ? (size_t)n : 0;
        }
        call->text_bytes = had;
    }
    close(fd);
    call->code = strncmp(call->text, "HTTP/1.1 ", 9) == 0 ? atoi(call->text + 9) : 0;
    call->body = strstr(call->text, "\r\n\r\n");
    call->body = call->body != NULL ? call->body + 4 : "";
    return NULL;
}

__attribute__((unused)) static void begin_accepting(struct call *call, const char *method, const char *target, const char *token,
                                                    const char *accepted)
{
    *call = (struct call){.method = method, .target = target, .token = token, .accepted = accepted};
    ck_assert_int_eq(pthread_create(&call->thread, NULL, call_thread, call), 0);
}

__attribute__((unused)) static void begin(struct call *call, const char *method, const char *target, const char *token)
{
    begin_accepting(call, method, target, token, NULL);
}

__attribute__((unused)) static void finish(struct call *call)
{
    pthread_join(call->thread, NULL);
}

__attribute__((unused)) static void forget(struct call *call)
{
    free(call->text);
    call->text = NULL;
}

__attribute__((unused)) static struct call now(const char *method, const char *target, const char *token)
{
    struct call call;
    begin(&call, method, target, token);
    finish(&call);
    return call;
}

__attribute__((unused)) static void assert_holds(const struct call *call, int code, const char *part)
{
    ck_assert_msg(call->code == code && strstr(call->text, part) != NULL, "%d and %s were due for %s, not:\n%s", code, part,
                  call->target, call->text);
}

__attribute__((unused)) static void assert_json(const struct call *call)
{
    struct json_fault fault;
    ck_assert_msg(json_check(call->body, strlen(call->body), JSON_KEYS_UNIQUE, &fault) == 0, "%s at %zu in %s", fault.what,
                  fault.at_byte, call->body);
}

#endif
