#include "core/console_inside.h"

#include "base/clock.h"
#include "core/runs_filter.h"
#include "protocol/json_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Producers and backends choose what is shown of a run. */
#define TEXT_MAX_BYTES 1024
#define ROW_GUESS_BYTES 400
#define RUNS_PATH "/runs/"
#define CANCEL_END "/cancel"

static void put_text(struct json_writer *out, const char *name, const char *text)
{
    char cut[TEXT_MAX_BYTES + 8];
    json_put(out, name);
    if (text != NULL && strlen(text) > TEXT_MAX_BYTES) {
        size_t bytes = TEXT_MAX_BYTES;
        while (bytes > 0 && ((unsigned char)text[bytes] & 0xC0) == 0x80) {
            bytes--;
        }
        snprintf(cut, sizeof cut, "%.*s\xE2\x80\xA6", (int)bytes, text);
        text = cut;
    }
    json_put_string(out, text);
}

static void put_moment(struct json_writer *out, const char *name, int64_t ms)
{
    json_put(out, name);
    if (ms < 0) {
        json_put(out, "null");
    } else {
        json_put_int(out, ms);
    }
}

static void put_row(struct json_writer *out, const struct query_row *row)
{
    put_text(out, "{\"invocation_id\":", row->invocation_id);
    put_text(out, ",\"runtime_name\":", row->runtime_name);
    put_text(out, ",\"phase\":", metric_phase_name(row->phase));
    put_text(out, ",\"state\":", row->state);
    put_text(out, ",\"run_id\":", row->run_id);
    put_text(out, ",\"origin\":", row->url);
    put_moment(out, ",\"started_at_ms\":", row->key.started_at_ms);
    put_moment(out, ",\"deadline_ms\":", row->deadline_ms);
    put_moment(out, ",\"next_ms\":", row->next_ms);
    json_put(out, ",\"polls\":");
    json_put_int(out, row->polls);
    json_put(out, row->resumed ? ",\"resumed\":true" : ",\"resumed\":false");
    put_text(out, ",\"source\":{\"topic\":", row->key.topic);
    json_put(out, ",\"partition\":");
    json_put_int(out, row->key.partition);
    json_put(out, ",\"offset\":");
    json_put_int(out, row->key.offset);
    json_put(out, "}}");
}

static void answer_rows(struct ask *ask, const struct query_row *rows, size_t n, size_t matching, bool complete)
{
    if (ask->kind == ASK_FIND && n == 0) {
        char sentence[256];
        snprintf(sentence, sizeof sentence, complete ? "no run of invocation_id '%.80s' is under way in this worker; it may have "
                 "ended, or be another worker's" : "no run of invocation_id '%.80s' was found before the time was up; not all "
                 "loops have answered", ask->id);
        admin_refuse(ask->exchange, complete ? 404 : 503, sentence);
        return;
    }
    struct json_writer out;
    char cursor[RUNS_CURSOR_BYTES];
    bool more = ask->kind == ASK_LIST && n > 0 && n < matching && runs_cursor_write(&rows[n - 1].key, cursor);
    json_writer_init(&out, n * ROW_GUESS_BYTES + 256);
    json_put(&out, "{\"now_ms\":");
    json_put_int(&out, clock_wall_ms());
    json_put(&out, ",\"matching\":");
    json_put_int(&out, (int64_t)matching);
    json_put(&out, complete ? ",\"complete\":true" : ",\"complete\":false");
    json_put(&out, ",\"next\":");
    json_put_string(&out, more ? cursor : NULL);
    json_put(&out, ",\"runs\":[");
    for (size_t i = 0; i < n; i++) {
        json_put(&out, i > 0 ? "," : "");
        put_row(&out, &rows[i]);
    }
    json_put(&out, "]}");
    size_t bytes = 0;
    char *text = json_writer_take(&out, &bytes);
    if (text != NULL) {
        admin_send_json(ask->exchange, 200, text, bytes);
    } else {
        admin_refuse(ask->exchange, 503, "memory is short; ask again, or for fewer runs with limit=");
    }
    free(text);
}

/* The runs were looked for before the cancel is entered: it could end them before they are found. */
static void cancel(struct ask *ask, size_t matching, bool complete)
{
    struct console *console = ask->console;
    int64_t now_ms = clock_wall_ms();
    metrics_add_shared(console->config.metrics, METRIC_CANCELS_TOTAL, METRIC_CANCEL_ADMIN, 1);
    if (cancels_add(console->config.cancels, ask->id, now_ms, now_ms)) {
        pool_ask(ask->pool);
    }
    if (matching == 0) {
        char sentence[320];
        snprintf(sentence, sizeof sentence, "%s '%.80s'; the cancel stays in force for an hour for an input that was enqueued "
                 "before it", complete ? "no run here has invocation_id" : "the loops did not say in time whether a run has "
                 "invocation_id", ask->id);
        admin_refuse(ask->exchange, complete ? 404 : 503, sentence);
        return;
    }
    struct json_writer out;
    json_writer_init(&out, 256);
    put_text(&out, "{\"invocation_id\":", ask->id);
    json_put(&out, ",\"runs\":");
    json_put_int(&out, (int64_t)matching);
    json_put(&out, "}");
    size_t bytes = 0;
    char *text = json_writer_take(&out, &bytes);
    admin_send_json(ask->exchange, 202, text != NULL ? text : "{}", text != NULL ? bytes : 2);
    free(text);
}

/* query_done_fn */
static void answer(const struct query_row *rows, size_t n, size_t matching, bool complete, void *opaque)
{
    struct ask *ask = opaque;
    struct console *console = ask->console;
    pthread_mutex_lock(&console->lock);
    ask->ending = true;
    pthread_mutex_unlock(&console->lock);
    switch (ask->kind) {
    case ASK_LIST:
    case ASK_FIND:
        answer_rows(ask, rows, n, matching, complete);
        break;
    case ASK_CANCEL:
        cancel(ask, matching, complete);
        break;
    }
    pthread_mutex_lock(&console->lock);
    ask->answered = true;
    pthread_cond_broadcast(&console->changed);
    pthread_mutex_unlock(&console->lock);
}

void console_collect_asks(struct console *console)
{
    for (size_t i = 0; i < CONSOLE_ASKS; i++) {
        struct ask *ask = &console->ask[i];
        struct query *query = NULL;
        pthread_mutex_lock(&console->lock);
        if (ask->query != NULL && ask->answered && ask->holders == 0) {
            query = ask->query;
            free(ask->id);
            ask->query = NULL;
            ask->id = NULL;
            pthread_cond_broadcast(&console->changed);
        }
        pthread_mutex_unlock(&console->lock);
        if (query != NULL) {
            query_release(query);
        }
    }
}

void console_end_asks(struct console *console, int64_t due_mono_ms)
{
    for (size_t i = 0; i < CONSOLE_ASKS; i++) {
        struct ask *ask = &console->ask[i];
        pthread_mutex_lock(&console->lock);
        struct query *query = ask->query;
        bool due = query != NULL && !ask->answered && ask->give_up_mono_ms <= due_mono_ms;
        ask->holders += due;
        pthread_mutex_unlock(&console->lock);
        if (due) {
            query_give_up(query);
            pthread_mutex_lock(&console->lock);
            ask->holders--;
            pthread_cond_broadcast(&console->changed);
            pthread_mutex_unlock(&console->lock);
        }
    }
}

/* Under the lock. NULL: all are in use. */
static struct ask *free_ask(struct console *console, enum ask_kind kind)
{
    struct ask *ask = NULL;
    size_t end = kind == ASK_LIST ? CONSOLE_LISTS : CONSOLE_ASKS;
    for (size_t i = kind == ASK_LIST ? 0 : CONSOLE_LISTS; i < end; i++) {
        if (console->ask[i].query == NULL) {
            ask = &console->ask[i];
        } else if (kind == ASK_LIST && !console->ask[i].ending) {
            return NULL;
        }
    }
    return ask;
}

static void refuse_crowd(struct http_exchange *exchange)
{
    static const char text[] = "{\"error\":\"questions like this one are being answered just now, and no more are taken at a time: "
                               "ask again in a second\"}";
    const char *const headers[] = {"Retry-After", "1", NULL};
    const struct http_answer refusal = {
        .code = 429,
        .content_type = "application/json",
        .body = text,
        .body_bytes = sizeof text - 1,
        .headers = headers,
    };
    http_answer_send(exchange, &refusal);
}

static void put_question(struct console *console, struct http_exchange *exchange, enum ask_kind kind,
                         const struct query_filter *filter)
{
    struct worker *worker = console_hold_worker(console);
    if (worker == NULL) {
        admin_refuse(exchange, 503, "the worker is starting or has ended: there are no runs to look at");
        return;
    }
    console_collect_asks(console);
    char *id = filter->invocation_id != NULL ? strdup(filter->invocation_id) : NULL;
    pthread_mutex_lock(&console->lock);
    struct ask *ask = free_ask(console, kind);
    struct query *query = NULL;
    if (ask != NULL && (id != NULL || kind == ASK_LIST)) {
        query = query_new(filter, answer, ask);
    }
    if (query != NULL) {
        ask->query = query;
        ask->holders = 1;
        ask->ending = ask->answered = false;
        ask->give_up_mono_ms = clock_mono_ms() + CONSOLE_ASK_MS;
        ask->pool = worker_pool(worker);
        ask->kind = kind;
        ask->exchange = exchange;
        ask->id = id;
    }
    pthread_mutex_unlock(&console->lock);
    if (query != NULL) {
        pool_query(worker_pool(worker), query);
        pthread_mutex_lock(&console->lock);
        ask->holders--;
        pthread_mutex_unlock(&console->lock);
    } else {
        free(id);
        if (ask == NULL) {
            refuse_crowd(exchange);
        } else {
            admin_refuse(exchange, 503, "memory is short; ask again");
        }
    }
    console_release_worker(console);
}

struct reading {
    struct runs_filter filter;
    int64_t now_ms;
    bool wrong;
    char why[RUNS_WHY_BYTES];
};

static bool read_parameter(const char *name, const char *value, void *opaque)
{
    struct reading *reading = opaque;
    reading->wrong = runs_filter_take(&reading->filter, name, value, reading->now_ms, reading->why) != 0;
    return !reading->wrong;
}

void console_serve_runs(struct http_exchange *exchange, void *opaque)
{
    struct reading reading = {.now_ms = clock_wall_ms()};
    runs_filter_init(&reading.filter);
    http_exchange_queries(exchange, read_parameter, &reading);
    if (reading.wrong) {
        admin_refuse(exchange, 400, reading.why);
        return;
    }
    put_question(opaque, exchange, ASK_LIST, &reading.filter.query);
}

/* An id may hold slashes. */
void console_serve_run(struct http_exchange *exchange, void *opaque)
{
    const char *id = http_exchange_path(exchange) + strlen(RUNS_PATH);
    struct runs_filter filter;
    if (id[0] == '\0') {
        admin_refuse(exchange, 400, "/runs/ needs an invocation_id behind it; /runs lists all");
        return;
    }
    runs_filter_init(&filter);
    filter.query.invocation_id = id;
    filter.query.limit = QUERY_LIMIT_MAX;
    put_question(opaque, exchange, ASK_FIND, &filter.query);
}

void console_serve_cancel(struct http_exchange *exchange, void *opaque)
{
    const char *id = http_exchange_path(exchange) + strlen(RUNS_PATH);
    size_t bytes = strlen(id);
    size_t end_bytes = strlen(CANCEL_END);
    if (bytes <= end_bytes || strcmp(id + bytes - end_bytes, CANCEL_END) != 0) {
        admin_refuse(exchange, 404, "only /runs/ID/cancel can be posted to, ID being the invocation_id of the runs to cancel");
        return;
    }
    char *whole = strndup(id, bytes - end_bytes);
    if (whole == NULL) {
        admin_refuse(exchange, 503, "memory is short; ask again");
        return;
    }
    struct runs_filter filter;
    runs_filter_init(&filter);
    filter.query.invocation_id = whole;
    filter.query.limit = 1;
    put_question(opaque, exchange, ASK_CANCEL, &filter.query);
    free(whole);
}
