#include "backend/backend.h"

#include "backend/course.h"
#include "backend/parameters.h"
#include "backend/record.h"
#include "backend/script.h"
#include "backend/seen.h"
#include "backend/shape.h"
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
#define NEVER_MS 31536000000 /* the most that `seconds` may be */

struct backend {
    struct http_server *server;
    struct seen *seen;
    struct record *record; /* NULL: off */
    uint64_t salt;         /* so that a restarted backend gives other ids */
    _Atomic uint64_t runs;
    _Atomic uint64_t conversations;
    _Atomic uint64_t requests;
    _Atomic uint64_t kickoffs;
    _Atomic uint64_t jobs;
    _Atomic uint64_t polls;
};

static const char help[] = COURSE_HELP "\n" SHAPE_HELP;

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

/* Under a name that is not its id; NULL: not at all. */
static int remember_course(struct backend *backend, const char *name, const struct course *course)
{
    if (!name) {
        return 0;
    }
    struct buf whole;
    buf_init(&whole, MAX_COURSE_BYTES);
    course_write(course, &whole);
    int rc = buf_failed(&whole) ? -1 : seen_remember(backend->seen, name, whole.at);
    buf_deinit(&whole);
    return rc;
}

/* job: it answers when it is done. conversation: the run can be found by it; NULL: none. */
static void begin_run(struct backend *backend, struct asked *asked, struct course *course, bool job,
                      const char *conversation)
{
    const char *key = http_exchange_header(asked->exchange, "Idempotency-Key");
    uint64_t n = atomic_fetch_add(&backend->runs, 1);
    uint64_t serial = seen_hash(&(uint64_t[]){backend->salt, n}, sizeof(uint64_t[2])) >> 16;
    course_settle(course, asked->wall_ms, serial, key ? seen_hash(key, strlen(key)) : serial);
    if (key) {
        seen_key(backend->seen, key);
    }
    struct buf id;
    buf_init(&id, MAX_COURSE_BYTES);
    bool named = name_run(backend, course, &id) == 0 && remember_course(backend, conversation, course) == 0;
    shape_apply(course);
    if (job) {
        atomic_fetch_add(&backend->jobs, 1);
        course->number[COURSE_INSTANT] = 1;
        course->number[COURSE_KICKOFF_DELAY] += course->number[COURSE_SECONDS];
    }
    if (course->number[COURSE_CODE] == 0) {
        course->number[COURSE_CODE] = job ? 200 : 202;
    }
    if (!named) {
        script_error(asked, 500, "out of memory");
    } else {
        if (course->number[COURSE_CODE] < 300) {
            seen_run(backend->seen, asked->wall_ms, asked->wall_ms + course->number[COURSE_SECONDS]);
        }
        script_kickoff(asked, course, id.at ? id.at : "");
    }
    buf_deinit(&id);
}

static void kickoff(struct backend *backend, struct asked *asked, const struct shape *shape, bool job,
                    const char *conversation)
{
    struct course course;
    char why[COURSE_WHY_BYTES];
    atomic_fetch_add(&backend->kickoffs, 1);
    course_init(&course);
    asked->status_path = shape->status;
    if (parameters_take(asked->exchange, &course, why) < 0) {
        script_error(asked, 400, why);
    } else if (course.number[COURSE_REDIRECTS] > 0 || course.text[COURSE_REDIRECT_TO]) {
        script_redirect(asked, &course);
    } else {
        shape_mark(shape, &course);
        begin_run(backend, asked, &course, job, conversation);
    }
    course_deinit(&course);
}

/* --- conversations, and runs in them --- */

/* Its id proves itself, so that none need be remembered before it has a run. */
static void write_conversation(const struct backend *backend, uint64_t n, char id[48])
{
    snprintf(id, 48, "conv-%" PRIu64 "-%08" PRIx64, n,
             seen_hash(&(uint64_t[]){backend->salt, n, 1}, sizeof(uint64_t[3])) >> 32);
}

static bool knows_conversation(const struct backend *backend, const char *id)
{
    char own[48];
    if (strncmp(id, "conv-", 5) != 0) {
        return false;
    }
    write_conversation(backend, strtoull(id + 5, NULL, 10), own);
    return strcmp(id, own) == 0;
}

static void begin_conversation(struct backend *backend, struct asked *asked)
{
    char id[48];
    char body[64];
    write_conversation(backend, atomic_fetch_add(&backend->conversations, 1) + 1, id);
    snprintf(body, sizeof(body), "{\"id\":\"%s\"}\n", id);
    script_answer(asked, 201, "application/json", body);
}

static void begin_workflow(struct backend *backend, struct asked *asked, const struct shape *shape)
{
    size_t bytes;
    struct json_fault fault;
    struct json_slice found;
    const char *body = http_exchange_body(asked->exchange, &bytes);
    char *conversation = NULL;
    if (json_check(body, bytes, JSON_KEYS_ANY, &fault) == 0 &&
        json_find(json_document(body, bytes), "conversationId", &found)) {
        conversation = json_text(found, &bytes);
    }
    asked->kickoff_body = "{\"accepted\":true,\"status\":\"started\"}\n";
    if (!conversation) {
        script_error(asked, 400, "the body has no 'conversationId'; POST /conversations gives one");
    } else if (!knows_conversation(backend, conversation)) {
        answer_error(asked, 404, "no conversation '%s' is known here", conversation);
    } else {
        kickoff(backend, asked, shape, false, conversation);
    }
    free(conversation);
}

/* --- poll --- */

/* before: how often the run was polled before, where its course asks for that. */
static bool poll_goes_wrong(struct backend *backend, const struct asked *asked, const struct course *course,
                            uint64_t before)
{
    const int64_t *number = course->number;
    if (!script_can_fail(course)) {
        return false;
    }
    if (number[COURSE_POLL_FAIL_COUNT] && before >= (uint64_t)number[COURSE_POLL_FAIL_COUNT]) {
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

/* Reads the course of a run into an initialised one. A remembered one first: an id that somebody chose may look like one
 * that holds a course. */
static bool recall(struct backend *backend, const char *id, struct course *course)
{
    char *remembered = seen_recall(backend->seen, id);
    bool known = course_read(course, remembered ? remembered : id);
    free(remembered);
    shape_apply(course);
    if (course->number[COURSE_POLLS]) {
        course->number[COURSE_SECONDS] = NEVER_MS; /* unless this is the poll that ends it */
    }
    return known;
}

static void cancel_run(struct backend *backend, struct asked *asked, struct course *course, const char *id)
{
    char why[COURSE_WHY_BYTES];
    int64_t age_ms = asked->wall_ms - course->start_ms;
    if (age_ms < course->number[COURSE_SECONDS]) {
        course->number[COURSE_SECONDS] = age_ms > 0 ? age_ms : 0;
        course->number[COURSE_POLLS] = 0;
        course->number[COURSE_BARE] = 0;
        (void)course_set(course, "outcome", "cancelled", why);
        free(course->text[COURSE_RESULT]);
        course->text[COURSE_RESULT] = NULL;
        (void)remember_course(backend, id, course);
    }
    script_state(asked, course, id);
}

/* ID/cancel, ID/abandon, ID/output. False: it is none of these. */
static bool act_on_run(struct backend *backend, struct asked *asked, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *action = slash ? slash + 1 : "";
    bool cancels = strcmp(action, "cancel") == 0;
    bool outputs = strcmp(action, "output") == 0;
    struct course course;
    course_init(&course);
    char *id = slash && (cancels || outputs || strcmp(action, "abandon") == 0) ? strndup(path, (size_t)(slash - path)) : NULL;
    bool known = id && recall(backend, id, &course);
    if (known && cancels) {
        cancel_run(backend, asked, &course, id);
    } else if (known && outputs) {
        if (course.number[COURSE_POLLS]) {
            course.number[COURSE_SECONDS] = 0; /* it is asked for by those who were told of the end */
        }
        script_output(asked, &course);
    } else if (known) {
        script_state(asked, &course, id);
    }
    free(id);
    course_deinit(&course);
    return known;
}

static void poll_run(struct backend *backend, struct asked *asked, const char *id)
{
    struct course course;
    course_init(&course);
    if (recall(backend, id, &course)) {
        atomic_fetch_add(&backend->polls, 1);
        int64_t *number = course.number;
        bool counts = number[COURSE_POLLS] || (number[COURSE_POLL_FAIL_COUNT] && script_can_fail(&course));
        uint64_t before = counts ? seen_poll(backend->seen, id) : 0;
        if (number[COURSE_POLLS] && before + 1 >= (uint64_t)number[COURSE_POLLS]) {
            number[COURSE_SECONDS] = 0;
        }
        script_poll(asked, &course, id, poll_goes_wrong(backend, asked, &course, before));
    } else if (!act_on_run(backend, asked, id)) {
        atomic_fetch_add(&backend->polls, 1);
        answer_error(asked, 404, "no run '%s' is known here", id);
    }
    course_deinit(&course);
}

/* The run that a conversation has, without what only the run's own page tells. */
static void poll_conversation(struct backend *backend, struct asked *asked, const char *conversation)
{
    char *remembered = knows_conversation(backend, conversation) ? seen_recall(backend->seen, conversation) : NULL;
    asked->without_result = true;
    if (remembered) {
        poll_run(backend, asked, remembered);
    } else {
        atomic_fetch_add(&backend->polls, 1);
        answer_error(asked, 404, "conversation '%s' has no run", conversation);
    }
    free(remembered);
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

static bool has_key(const struct http_exchange *exchange)
{
    const char *key = http_exchange_header(exchange, "X-Api-Key");
    const char *authorization = http_exchange_header(exchange, "Authorization");
    return (key && *key) || (authorization && *authorization);
}

static void handle(struct http_exchange *exchange, void *opaque)
{
    struct backend *backend = opaque;
    const char *path = http_exchange_path(exchange);
    static const char by_conversation[] = "/runs/by-worker/";
    int64_t wall_us = clock_wall_us();
    struct asked asked = {.exchange = exchange, .record = backend->record, .wall_ms = wall_us / 1000, .wall_us = wall_us};
    atomic_fetch_add(&backend->requests, 1);
    const char *id = NULL;
    const struct shape *kicked = shape_of_kickoff(path);
    const struct shape *polled = shape_of_status(path, http_exchange_target(exchange), &id);
    const struct shape *workflow = shape_of_workflow(path);
    if (((kicked && kicked->needs_key) || (polled && polled->needs_key)) && !has_key(exchange)) {
        script_error(&asked, 401, "this needs a header X-Api-Key or Authorization");
    } else if (kicked) {
        kickoff(backend, &asked, kicked, false, NULL);
    } else if (strncmp(path, by_conversation, strlen(by_conversation)) == 0) {
        poll_conversation(backend, &asked, path + strlen(by_conversation));
    } else if (polled) {
        asked.without_result = polled->output_apart;
        poll_run(backend, &asked, id);
    } else if (workflow) {
        begin_workflow(backend, &asked, workflow);
    } else if (strcmp(path, "/conversations") == 0) {
        begin_conversation(backend, &asked);
    } else if (strcmp(path, "/jobs") == 0) {
        kickoff(backend, &asked, shape_of_kickoff("/runs"), true, NULL);
    } else if (strcmp(path, "/stats") == 0) {
        answer_stats(backend, &asked);
    } else if (strcmp(path, "/healthz") == 0) {
        script_answer(&asked, 200, "application/json", "{\"status\":\"ok\"}\n");
    } else if (strcmp(path, "/") == 0) {
        script_answer(&asked, 200, "text/plain; charset=utf-8", help);
    } else {
        answer_error(&asked, 404, "nothing is at '%s': POST /runs, GET /runs/ID, POST /jobs, GET /stats, GET /healthz; GET / tells of "
                     "all",
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
