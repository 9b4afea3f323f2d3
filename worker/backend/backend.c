#include "backend/backend.h"

#include "backend/course.h"
#include "backend/record.h"
#include "backend/script.h"
#include "backend/seen.h"
#include "base/buf.h"
#include "base/clock.h"
#include "ops/http_server.h"
#include "protocol/json.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define MAX_BODY_BYTES ((size_t)16 << 20)
#define MAX_ID_BYTES 300 /* longer ones are remembered under a short name */
#define MAX_COURSE_BYTES 300000

struct backend {
    struct http_server *server;
    struct seen *seen;
    struct record *record; /* NULL: off */
    uint64_t salt;         /* so that a restarted backend gives other ids */
    _Atomic uint64_t runs;
    _Atomic uint64_t requests;
    _Atomic uint64_t kickoffs;
    _Atomic uint64_t jobs;
    _Atomic uint64_t polls;
};

static const char help[] = COURSE_HELP;

const char *backend_help(void)
{
    return help;
}

static void answer_error(struct asked *asked, int code, const char *format, const char *value)
{
    char text[COURSE_WHY_BYTES + 64];
    snprintf(text, sizeof(text), format, value);
    script_error(asked, code, text);
}

/* --- the kickoff's parameters --- */

struct parameters {
    struct course *course;
    char *why;
    bool failed;
};

static bool take_query(const char *name, const char *value, void *opaque)
{
    struct parameters *parameters = opaque;
    parameters->failed = course_set(parameters->course, name, value ? value : "1", parameters->why) < 0;
    return !parameters->failed;
}

/* The fields of "simulate" in a JSON body; any other body says nothing. */
static int take_body(struct course *course, const char *body, size_t bytes, char why[COURSE_WHY_BYTES])
{
    struct json_fault fault;
    struct json_slice simulate;
    if (!memmem(body, bytes, "simulate", 8) || json_check(body, bytes, JSON_KEYS_ANY, &fault) < 0 ||
        !json_find(json_document(body, bytes), "simulate", &simulate)) {
        return 0;
        }
    if (json_type_of(simulate) != JSON_OBJECT) {
        snprintf(why, COURSE_WHY_BYTES, "'simulate' must be an object of parameters");
        return -1;
    }
    size_t cursor = 0;
    struct json_slice key;
    struct json_slice value;
    while (json_next(simulate, &cursor, &key, &value)) {
        size_t n;
        char *name = json_text(key, &n);
        /* A result is passed on as it was written. */
        bool whole = name && strcmp(name, "result") == 0;
        char *text = whole ? strndup(value.at, value.bytes) : json_text(value, &n);
        int rc = name && text ? course_set(course, name, text, why) : -1;
        free(name);
        free(text);
        if (rc < 0) {
            return -1;
        }
    }
    return 0;
}

static int take_parameters(const struct asked *asked, struct course *course, char why[COURSE_WHY_BYTES])
{
    size_t bytes;
    const char *body = http_exchange_body(asked->exchange, &bytes);
    snprintf(why, COURSE_WHY_BYTES, "out of memory");
    if (take_body(course, body, bytes, why) < 0) {
        return -1;
    }
    struct parameters parameters = {course, why, false};
    http_exchange_queries(asked->exchange, take_query, &parameters);
    return parameters.failed ? -1 : 0;
}

/* --- kickoff --- */

/* Writes the id that the run goes by, having remembered its course where the id does not hold it. 0 or -1. */
static int name_run(struct backend *backend, const struct course *course, struct buf *id)
{
    struct buf whole;
    buf_init(&whole, MAX_COURSE_BYTES);
    course_write(course, &whole);
    const char *chosen = course->text[COURSE_RUN_ID];
    bool remembered = chosen || course->number[COURSE_RUN_ID_TYPE] != ID_STRING || whole.bytes > MAX_ID_BYTES;
    int rc = 0;
    if (chosen) {
        buf_puts(id, chosen);
    } else if (course->number[COURSE_RUN_ID_TYPE] == ID_NUMBER) {
        buf_putf(id, "%" PRIu64, course->serial);
    } else if (course->number[COURSE_RUN_ID_TYPE] == ID_BOOL) {
        buf_puts(id, "true");
    } else if (remembered) {
        buf_putf(id, "run-%" PRIx64, course->serial);
    } else {
        buf_puts(id, whole.at);
    }
    if (buf_failed(id) || buf_failed(&whole) ||
        (remembered && seen_remember(backend->seen, id->at ? id->at : "", whole.at) < 0)) {
        rc = -1;
        }
    buf_deinit(&whole);
    return rc;
}

static void begin_run(struct backend *backend, struct asked *asked, struct course *course, bool job)
{
    const char *key = http_exchange_header(asked->exchange, "Idempotency-Key");
    uint64_t n = atomic_fetch_add(&backend->runs, 1);
    uint64_t serial = seen_hash(&(uint64_t[]){backend->salt, n}, sizeof(uint64_t[2])) >> 16;
    course_settle(course, asked->wall_ms, serial, key ? seen_hash(key, strlen(key)) : serial);
    if (key) {
        seen_key(backend->seen, key);
    }
    if (job) {
        atomic_fetch_add(&backend->jobs, 1);
        course->number[COURSE_INSTANT] = 1;
        course->number[COURSE_KICKOFF_DELAY] += course->number[COURSE_SECONDS];
    }
    if (course->number[COURSE_CODE] == 0) {
        course->number[COURSE_CODE] = job ? 200 : 202;
    }

    struct buf id;
    buf_init(&id, MAX_COURSE_BYTES);
    if (name_run(backend, course, &id) < 0) {
        script_error(asked, 500, "out of memory");
    } else {
        if (course->number[COURSE_CODE] < 300) {
            seen_run(backend->seen, asked->wall_ms, asked->wall_ms + course->number[COURSE_SECONDS]);
        }
        script_kickoff(asked, course, id.at ? id.at : "");
    }
    buf_deinit(&id);
}

static void kickoff(struct backend *backend, struct asked *asked, bool job)
{
    struct course course;
    char why[COURSE_WHY_BYTES];
    atomic_fetch_add(&backend->kickoffs, 1);
    course_init(&course);
    if (take_parameters(asked, &course, why) < 0) {
        script_error(asked, 400, why);
    } else if (course.number[COURSE_REDIRECTS] > 0 || course.text[COURSE_REDIRECT_TO]) {
        script_redirect(asked, &course);
    } else {
        begin_run(backend, asked, &course, job);
    }
    course_deinit(&course);
}

/* --- poll --- */

static bool poll_goes_wrong(struct backend *backend, const struct asked *asked, const struct course *course,
                            const char *id)
{
    const int64_t *number = course->number;
    if (!script_can_fail(course)) {
        return false;
    }
    if (number[COURSE_POLL_FAIL_COUNT] &&
        seen_poll(backend->seen, id) >= (uint64_t)number[COURSE_POLL_FAIL_COUNT]) {
        return false;
        }
    if (number[COURSE_POLL_FAIL_SECONDS] && asked->wall_ms - course->start_ms >= number[COURSE_POLL_FAIL_SECONDS]) {
        return false;
    }
    if (number[COURSE_POLL_FAIL_RATE]) {
        uint64_t chance = seen_hash(&(uint64_t[]){course->serial, atomic_load(&backend->polls)}, sizeof(uint64_t[2]));
        return chance % 1000 < (uint64_t)number[COURSE_POLL_FAIL_RATE];
    }
    return true;
}

static void poll_run(struct backend *backend, struct asked *asked, const char *id)
{
    struct course course;
    atomic_fetch_add(&backend->polls, 1);
    course_init(&course);
    /* A remembered one first: an id that somebody chose may look like one that holds a course. */
    char *remembered = seen_recall(backend->seen, id);
    bool known = course_read(&course, remembered ? remembered : id);
    free(remembered);
    if (known) {
        script_poll(asked, &course, id, poll_goes_wrong(backend, asked, &course, id));
    } else {
        answer_error(asked, 404, "no run '%s' is known here", id);
    }
    course_deinit(&course);
}

/* --- everything else --- */

static void answer_stats(struct backend *backend, struct asked *asked)
{
    struct seen_keys keys;
    seen_read_keys(backend->seen, &keys);
    char text[512];
    snprintf(text, sizeof(text),
             "{\"requests\":%" PRIu64 ",\"kickoffs\":%" PRIu64 ",\"jobs\":%" PRIu64 ",\"polls\":%" PRIu64
             ",\"runs_in_progress\":%" PRIu64 ",\"idempotency_keys\":{\"distinct\":%" PRIu64 ",\"repeated\":%" PRIu64
             ",\"uncounted\":%" PRIu64 "}}\n",
             atomic_load(&backend->requests), atomic_load(&backend->kickoffs), atomic_load(&backend->jobs),
             atomic_load(&backend->polls), seen_runs(backend->seen, asked->wall_ms), keys.distinct, keys.repeated,
             keys.uncounted);
    script_answer(asked, 200, "application/json", text);
}

static void handle(struct http_exchange *exchange, void *opaque)
{
    struct backend *backend = opaque;
    const char *path = http_exchange_path(exchange);
    struct asked asked = {exchange, backend->record, clock_wall_ms(), NULL};
    atomic_fetch_add(&backend->requests, 1);
    if (strcmp(path, "/runs") == 0) {
        kickoff(backend, &asked, false);
    } else if (strncmp(path, "/runs/", 6) == 0) {
        poll_run(backend, &asked, path + 6);
    } else if (strcmp(path, "/jobs") == 0) {
        kickoff(backend, &asked, true);
    } else if (strcmp(path, "/stats") == 0) {
        answer_stats(backend, &asked);
    } else if (strcmp(path, "/healthz") == 0) {
        script_answer(&asked, 200, "application/json", "{\"status\":\"ok\"}\n");
    } else if (strcmp(path, "/") == 0) {
        script_answer(&asked, 200, "text/plain; charset=utf-8", help);
    } else {
        answer_error(&asked, 404, "nothing is at '%s': POST /runs, GET /runs/ID, POST /jobs, GET /stats, GET /healthz",
                     path);
    }
}

/* --- life --- */

/* A connection is a file: as many as the system lets this process have. */
static void raise_file_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

struct backend *backend_start(const struct backend_config *config, char *why, size_t why_bytes)
{
    raise_file_limit();
    struct backend *backend = calloc(1, sizeof(*backend));
    if (!backend) {
        snprintf(why, why_bytes, "cannot start the simulated backend: out of memory");
        return NULL;
    }
    backend->salt = (uint64_t)clock_wall_ms() ^ (uint64_t)(uintptr_t)backend;
    backend->seen = seen_new();
    if (!backend->seen) {
        snprintf(why, why_bytes, "cannot start the simulated backend: out of memory");
        goto fail;
    }
    if (config->record_path && *config->record_path) {
        backend->record = record_open(config->record_path, why, why_bytes);
        if (!backend->record) {
            goto fail;
        }
    }
    struct http_server_config server = {.listen = config->listen, .threads = config->threads,
                                        .max_body_bytes = MAX_BODY_BYTES};
    backend->server = http_server_start(&server, handle, backend, why, why_bytes);
    if (backend->server) {
        return backend;
    }
fail:
    backend_stop(backend);
    return NULL;
}

void backend_stop(struct backend *backend)
{
    if (!backend) {
        return;
    }
    http_server_stop(backend->server);
    record_close(backend->record);
    seen_free(backend->seen);
    free(backend);
}

int backend_port(const struct backend *backend)
{
    return http_server_port(backend->server);
}

void backend_read_counts(const struct backend *backend, struct backend_counts *out)
{
    out->requests = atomic_load(&backend->requests);
    out->kickoffs = atomic_load(&backend->kickoffs);
    out->polls = atomic_load(&backend->polls);
}
