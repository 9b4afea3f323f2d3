#include "core/console_inside.h"

#include "base/clock.h"
#include "core/runs_filter.h"
#include "protocol/json_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Producers and backends choose what is shown of a run. Less than a query leaves, so that what either cuts is seen here, and
 * marked. */
#define TEXT_MAX_BYTES ((size_t)QUERY_TEXT_MAX_BYTES - 24)
#define ROW_GUESS_BYTES 400
/* Beyond it no row is begun: peers that read slowly make the worker keep many answers. */
#define ROWS_MAX_BYTES ((size_t)512 << 10)
#define RUNS_PATH "/runs/"
#define CANCEL_END "/cancel"
#define CANCEL_ROWS 100 /* of the runs of one id so many are asked when their inputs were written */

static bool is_too_long(const char *text)
{
    return text != NULL && strlen(text) > TEXT_MAX_BYTES;
}

static void put_text(struct json_writer *out, const char *name, const char *text)
{
    char cut[TEXT_MAX_BYTES + 8];
    json_put(out, name);
    if (is_too_long(text)) {
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
    json_put(out, is_too_long(row->invocation_id) ? ",\"id_is_cut\":true" : ",\"id_is_cut\":false");
    put_text(out, ",\"source\":{\"topic\":", row->key.topic);
    json_put(out, ",\"partition\":");
    json_put_int(out, row->key.partition);
    json_put(out, ",\"offset\":");
    json_put_int(out, row->key.offset);
    json_put(out, "}}");
}

/* As many of them as fit; returns how many, the text in *out, NULL for want of memory. */
static size_t write_rows(const struct query_row *rows, size_t n, char **out)
{
    struct json_writer writer;
    size_t bytes = 0;
    size_t i = 0;
    json_writer_init(&writer, n * ROW_GUESS_BYTES + 1);
    for (; i < n && writer.bytes < ROWS_MAX_BYTES; i++) {
        json_put(&writer, i > 0 ? "," : "");
        put_row(&writer, &rows[i]);
    }
    *out = json_writer_take(&writer, &bytes);
    return i;
}

static void answer_rows(struct ask *ask, const struct query_answer *answer)
{
    const struct query_row *rows = answer->rows;
    size_t n = answer->n;
    bool complete = answer->complete;
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
    char *list = NULL;
    size_t listed = write_rows(rows, n, &list);
    bool more = ask->kind == ASK_LIST && listed > 0 && listed < answer->matching &&
                runs_cursor_write(&rows[listed - 1].key, cursor);
    json_writer_init(&out, listed * ROW_GUESS_BYTES + 256);
    json_put(&out, "{\"now_ms\":");
    json_put_int(&out, clock_wall_ms());
    json_put(&out, ",\"matching\":");
    json_put_int(&out, (int64_t)answer->matching);
    json_put(&out, complete ? ",\"complete\":true" : ",\"complete\":false");
    json_put(&out, ",\"next\":");
    json_put_string(&out, more ? cursor : NULL);
    json_put(&out, ",\"runs\":[");
    json_put(&out, list != NULL ? list : "");
    json_put(&out, "]}");
    size_t bytes = 0;
    char *text = json_writer_take(&out, &bytes);
    if (text != NULL && list != NULL) {
        admin_send_json(ask->exchange, 200, text, bytes);
    } else {
        admin_refuse(ask->exchange, 503, "memory is short; ask again, or for fewer runs with limit=");
    }
    free(list);
    free(text);
}

/* A run that is here was enqueued before, whatever the clock said that its input was stamped by. */
static int64_t asked_at(const struct query_row *rows, size_t n, int64_t now_ms)
{
    int64_t asked_ms = now_ms;
    for (size_t i = 0; i < n; i++) {
        asked_ms = rows[i].input_ms > asked_ms ? rows[i].input_ms : asked_ms;
    }
    return asked_ms;
}

/* The runs were looked for before the cancel is entered: it could end them before they are found. */
static void cancel(struct ask *ask, const struct query_answer *answer)
{
    struct console *console = ask->console;
    int64_t now_ms = clock_wall_ms();
    metrics_add_shared(console->config.metrics, METRIC_CANCELS_TOTAL, METRIC_CANCEL_ADMIN, 1);
    if (cancels_add(console->config.cancels, ask->id, asked_at(answer->rows, answer->n, now_ms), now_ms)) {
        pool_ask(ask->pool);
    }
    if (answer->matching == 0) {
        char sentence[320];
        snprintf(sentence, sizeof sentence, "%s '%.80s'; the cancel stays in force for an hour for an input that was enqueued "
                 "before it", answer->complete ? "no run here has invocation_id" : "the loops did not say in time whether a run has "
                 "invocation_id", ask->id);
        admin_refuse(ask->exchange, answer->complete ? 404 : 503, sentence);
        return;
    }
    struct json_writer out;
    json_writer_init(&out, 256);
    put_text(&out, "{\"invocation_id\":", ask->id);
    json_put(&out, ",\"runs\":");
    json_put_int(&out, (int64_t)answer->matching);
    json_put(&out, "}");
    size_t bytes = 0;
    char *text = json_writer_take(&out, &bytes);
    admin_send_json(ask->exchange, 202, text != NULL ? text : "{}", text != NULL ? bytes : 2);
    free(text);
}

/* ---- the ticker's ---- */

/* query_done_fn; a loop's thread, as a rule. */
static void wake_ticker(void *opaque)
{
    struct ask *ask = opaque;
    struct console *console = ask->console;
    pthread_mutex_lock(&console->lock);
    ask->state = ASK_OVER;
    pthread_cond_broadcast(&console->changed);
    pthread_mutex_unlock(&console->lock);
}

/* The next of its kind waits in proportion to what this one took of the loops. Several may be under way at once: their
 * pauses add up. */
static void note_cost(struct console *console, const struct ask *ask, int64_t cpu_us)
{
    int64_t pause_ms = (cpu_us * CONSOLE_PAUSE_FACTOR + 999) / 1000;
    int64_t *until_ms = &console->pause_until_mono_ms[ask->kind];
    *until_ms = *until_ms > ask->put_mono_ms ? *until_ms : ask->put_mono_ms;
    *until_ms += pause_ms < CONSOLE_PAUSE_MAX_MS ? pause_ms : CONSOLE_PAUSE_MAX_MS;
}

static void answer(struct console *console, struct ask *ask)
{
    struct query_answer answer;
    query_read(ask->query, &answer);
    note_cost(console, ask, answer.cpu_us);
    switch (ask->kind) {
    case ASK_LIST:
    case ASK_FIND:
        answer_rows(ask, &answer);
        break;
    case ASK_CANCEL:
        cancel(ask, &answer);
        break;
    }
    query_release(ask->query);
    free(ask->id);
    pthread_mutex_lock(&console->lock);
    *ask = (struct ask){.console = console, .state = ASK_FREE};
    pthread_cond_broadcast(&console->changed);
    pthread_mutex_unlock(&console->lock);
}

/* A cancel is not kept waiting. */
static bool may_go(const struct console *console, const struct ask *ask, int64_t now_mono_ms)
{
    return ask->kind == ASK_CANCEL || now_mono_ms >= console->pause_until_mono_ms[ask->kind];
}

static void set_state(struct ask *ask, enum ask_state state)
{
    pthread_mutex_lock(&ask->console->lock);
    ask->state = state;
    pthread_mutex_unlock(&ask->console->lock);
}

/* Not of a free one, which a thread of the admin server may just be filling. */
static void serve(struct console *console, struct ask *ask, enum ask_state state, bool is_leaving, int64_t now_mono_ms)
{
    bool must_end = is_leaving || now_mono_ms >= ask->give_up_mono_ms;
    switch (state) {
    case ASK_FREE:
        return;
    case ASK_WAITING:
        if (!must_end && may_go(console, ask, now_mono_ms)) {
            ask->put_mono_ms = now_mono_ms;
            set_state(ask, ASK_PUT); /* before a loop can say that it is through */
            pool_query(ask->pool, ask->query);
            return;
        }
        break;
    case ASK_PUT:
        break;
    case ASK_OVER:
        answer(console, ask);
        return;
    }
    if (must_end) {
        query_give_up(ask->query);
        answer(console, ask);
    }
}

void console_serve_asks(struct console *console, int64_t now_mono_ms)
{
    for (size_t i = 0; i < CONSOLE_ASKS; i++) {
        struct ask *ask = &console->ask[i];
        pthread_mutex_lock(&console->lock);
        enum ask_state state = ask->state;
        bool is_leaving = console->worker == NULL;
        pthread_mutex_unlock(&console->lock);
        if (state != ASK_FREE) {
            serve(console, ask, state, is_leaving, now_mono_ms);
        }
    }
}

int64_t console_asks_next_ms(const struct console *console)
{
    int64_t next_ms = CLOCK_NEVER;
    for (size_t i = 0; i < CONSOLE_ASKS; i++) {
        const struct ask *ask = &console->ask[i];
        if (ask->state == ASK_FREE) {
            continue;
        }
        bool is_due = ask->state == ASK_OVER || console->worker == NULL;
        int64_t due_ms = is_due ? 0 : ask->give_up_mono_ms;
        if (!is_due && ask->state == ASK_WAITING) {
            int64_t may_go_ms = ask->kind == ASK_CANCEL ? 0 : console->pause_until_mono_ms[ask->kind];
            due_ms = may_go_ms < due_ms ? may_go_ms : due_ms;
        }
        next_ms = due_ms < next_ms ? due_ms : next_ms;
    }
    return next_ms;
}

bool console_has_asks(const struct console *console)
{
    for (size_t i = 0; i < CONSOLE_ASKS; i++) {
        if (console->ask[i].state != ASK_FREE) {
            return true;
        }
    }
    return false;
}

/* ---- the admin server's threads ---- */

/* Under the lock. NULL: as many are asked as may be. */
static struct ask *free_ask(struct console *console, enum ask_kind kind)
{
    static const struct {
        size_t from;
        size_t end;
    } places[ASK_KINDS] = {
        [ASK_LIST] = {0, CONSOLE_LISTS},
        [ASK_FIND] = {CONSOLE_LISTS, CONSOLE_LISTS + CONSOLE_LOOKUPS},
        [ASK_CANCEL] = {CONSOLE_LISTS + CONSOLE_LOOKUPS, CONSOLE_ASKS},
    };
    struct ask *ask = NULL;
    for (size_t i = places[kind].from; i < places[kind].end; i++) {
        if (console->ask[i].state == ASK_FREE) {
            ask = &console->ask[i];
        } else if (kind == ASK_LIST && console->ask[i].state != ASK_OVER) {
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
    char *id = filter->invocation_id != NULL ? strdup(filter->invocation_id) : NULL;
    bool lacks_memory = id == NULL && filter->invocation_id != NULL;
    pthread_mutex_lock(&console->lock);
    struct worker *worker = console->worker;
    struct ask *ask = worker != NULL ? free_ask(console, kind) : NULL;
    struct query *query = ask != NULL && !lacks_memory ? query_new(filter, wake_ticker, ask) : NULL;
    if (query != NULL) {
        *ask = (struct ask){
            .console = console,
            .state = ASK_WAITING,
            .kind = kind,
            .query = query,
            .pool = worker_pool(worker),
            .give_up_mono_ms = clock_mono_ms() + CONSOLE_ASK_MS,
            .exchange = exchange,
            .id = id,
        };
        pthread_cond_broadcast(&console->changed);
    }
    pthread_mutex_unlock(&console->lock);
    if (query != NULL) {
        return;
    }
    free(id);
    if (worker == NULL) {
        admin_refuse(exchange, 503, "the worker is starting or has ended: there are no runs to look at");
    } else if (ask == NULL) {
        refuse_crowd(exchange);
    } else {
        admin_refuse(exchange, 503, "memory is short; ask again");
    }
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
    filter.query.limit = CANCEL_ROWS;
    put_question(opaque, exchange, ASK_CANCEL, &filter.query);
    free(whole);
}
