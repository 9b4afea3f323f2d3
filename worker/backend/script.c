#include "backend/script.h"

#include "base/buf.h"
#include "protocol/json_writer.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DAY_MS 86400000
#define MAX_TARGET_BYTES 65536
#define FILLER_BYTES 1000
#define MAX_FILLERS 100
#define MAX_HEADERS (2 * MAX_FILLERS + 5)

static void asked_record(const struct asked *asked, int code)
{
    if (asked->record) {
        record_request(asked->record, asked->exchange, asked->wall_us, code, asked->run_id);
    }
}

void script_answer(struct asked *asked, int code, const char *content_type, const char *body)
{
    asked_record(asked, code);
    http_answer_send(asked->exchange, &(struct http_answer){.code = code, .content_type = content_type, .body = body,
                                                            .body_bytes = strlen(body)});
}

void script_error(struct asked *asked, int code, const char *sentence)
{
    struct json_writer text;
    json_writer_init(&text, 256);
    json_put(&text, "{\"error\":");
    json_put_string(&text, sentence);
    json_put(&text, "}\n");
    size_t bytes;
    char *body = json_writer_take(&text, &bytes);
    script_answer(asked, code, "application/json", body ? body : "");
    free(body);
}

/* --- bodies --- */

/* Puts the item at a dotted path, making the objects on the way. Takes the item; NULL is ignored. */
static void put_at(cJSON *object, const char *path, cJSON *item)
{
    while (item) {
        size_t bytes = strcspn(path, ".");
        char *name = strndup(path, bytes);
        bool last = path[bytes] == '\0';
        cJSON *next = NULL;
        if (name && !last) {
            next = cJSON_GetObjectItemCaseSensitive(object, name);
            if (!cJSON_IsObject(next)) {
                next = cJSON_AddObjectToObject(object, name);
            }
        }
        if (name && last && cJSON_AddItemToObject(object, name, item)) {
            item = NULL;
        }
        free(name);
        if (last || !next) {
            cJSON_Delete(item);
            return;
        }
        object = next;
        path += bytes + 1;
    }
}

/* Any bytes as a JSON string. */
static cJSON *make_string(const char *text)
{
    struct json_writer writer;
    json_writer_init(&writer, strlen(text) + 8);
    json_put_string(&writer, text);
    size_t bytes;
    char *quoted = json_writer_take(&writer, &bytes);
    cJSON *item = quoted ? cJSON_CreateRaw(quoted) : NULL;
    free(quoted);
    return item;
}

static const char *text_or(const struct course *course, enum course_parameter i, const char *otherwise)
{
    return course->text[i] ? course->text[i] : otherwise;
}

static cJSON *make_prefixed(const char *prefix, const char *id)
{
    char *whole = NULL;
    cJSON *item = asprintf(&whole, "%s%s", prefix, id) < 0 ? NULL : make_string(whole);
    free(whole);
    return item;
}

static cJSON *make_id(const struct course *course, const char *id)
{
    switch ((enum course_id_kind)course->number[COURSE_RUN_ID_TYPE]) {
    case ID_STRING:
        return make_prefixed(text_or(course, COURSE_RUN_ID_PREFIX, ""), id);
    case ID_NUMBER:
    case ID_BOOL:
        return cJSON_CreateRaw(id);
    case ID_NULL:
        return cJSON_CreateNull();
    case ID_OBJECT:
        return cJSON_CreateObject();
    case ID_ARRAY:
        return cJSON_CreateArray();
    case ID_MISSING:
        return NULL;
    }
    return NULL;
}

static void put_result(const struct course *course, cJSON *body)
{
    const char *field = text_or(course, COURSE_RESULT_FIELD, "result");
    int64_t bytes = course->number[COURSE_RESULT_BYTES];
    if (course->text[COURSE_RESULT]) {
        put_at(body, field, cJSON_CreateRaw(course->text[COURSE_RESULT]));
    } else if (bytes > 0) {
        char *text = malloc((size_t)bytes + 1);
        if (text) {
            memset(text, 'r', (size_t)bytes);
            text[bytes] = '\0';
            put_at(body, field, cJSON_CreateString(text));
        }
        free(text);
    }
}

enum moment { QUEUED, UNDER_WAY, ENDED };

/* The caller frees it; NULL for want of memory. */
static char *make_body(struct asked *asked, const struct course *course, const char *id, enum moment moment)
{
    asked->has_ended = moment == ENDED;
    const char *word = moment == ENDED ? text_or(course, COURSE_OUTCOME, "completed")
                                       : text_or(course, COURSE_RUNNING, moment == QUEUED ? "queued" : "running");
    bool bare = course->number[COURSE_BARE] &&
                (moment == ENDED ? course->text[COURSE_OUTCOME] : course->text[COURSE_RUNNING]) != NULL;
    cJSON *body = cJSON_CreateObject();
    if (!body) {
        return NULL;
    }
    put_at(body, text_or(course, COURSE_RUN_ID_FIELD, "run_id"), make_id(course, id));
    if (moment == ENDED || !course->number[COURSE_STATUS_LATE]) {
        put_at(body, text_or(course, COURSE_STATUS_FIELD, "status"), bare ? cJSON_CreateRaw(word) : make_string(word));
    }
    if (moment == ENDED && !asked->without_result) {
        put_result(course, body);
    }
    if (moment == ENDED && course->text[COURSE_MESSAGE]) {
        put_at(body, text_or(course, COURSE_MESSAGE_FIELD, "error"), make_string(course->text[COURSE_MESSAGE]));
    }
    char *text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    return text;
}

/* --- answers by the course --- */

/* Name, value, … and NULL, in headers[MAX_HEADERS]; the values live in seconds and filler. */
static void make_headers(const struct asked *asked, const struct course *course, int code, const char *location,
                         const char **headers, char seconds[24], char filler[FILLER_BYTES + 1])
{
    size_t n = 0;
    if (location) {
        headers[n++] = code < 300 ? text_or(course, COURSE_LOCATION, "Location") : "Location";
        headers[n++] = location;
    }
    if (course->number[COURSE_RETRY_AFTER] && !(code == 200 && asked->has_ended)) {
        snprintf(seconds, 24, "%" PRId64, course->number[COURSE_RETRY_AFTER]);
        headers[n++] = "Retry-After";
        headers[n++] = seconds;
    }
    /* A filler's line is its name, a colon, a space, its value and CRLF. */
    size_t value_bytes = FILLER_BYTES - strlen("X-Filler: \r\n");
    memset(filler, 'f', value_bytes);
    filler[value_bytes] = '\0';
    int64_t fillers = (course->number[COURSE_HEADERS] + FILLER_BYTES - 1) / FILLER_BYTES;
    for (int64_t i = 0; i < fillers; i++) {
        headers[n++] = "X-Filler";
        headers[n++] = filler;
    }
    assert(n < MAX_HEADERS);
    headers[n] = NULL;
}

static void answer_plainly(struct asked *asked, const struct course *course, int code, const char *type,
                           const char *body, const char *location, int64_t delay_ms)
{
    const char *headers[MAX_HEADERS];
    char seconds[24];
    char filler[FILLER_BYTES + 1];
    make_headers(asked, course, code, location, headers, seconds, filler);
    asked_record(asked, code);
    http_answer_send(asked->exchange, &(struct http_answer){.code = code, .content_type = type, .body = body,
                                                            .body_bytes = strlen(body), .headers = headers,
                                                            .delay_ms = delay_ms});
}

/* Spoils the answer, where the course has it for this phase. False: it is still to be given. */
static bool answer_badly(struct asked *asked, const struct course *course, enum course_phase phase, int code,
                         const char *body, int64_t delay_ms)
{
    const int64_t *number = course->number;
    if (number[COURSE_DROP] & phase) {
        asked_record(asked, 0);
        http_answer_drop(asked->exchange, delay_ms);
    } else if (number[COURSE_STALL] & phase) {
        asked_record(asked, 0);
        http_answer_drop(asked->exchange, (int64_t)365 * DAY_MS);
    } else if (number[COURSE_GARBAGE] & phase) {
        answer_plainly(asked, course, code, "text/html", "<html><body>This is not JSON: {\"status\": </body></html>\n",
                       NULL, delay_ms);
    } else if (number[COURSE_ENDLESS] & phase) {
        static const char text[] = "[\"and so on and so on and so on and so on and so on\"],";
        asked_record(asked, code);
        http_answer_stream(asked->exchange, &(struct http_stream){.code = code, .content_type = "application/json",
                                                                  .text = text, .text_bytes = sizeof(text) - 1,
                                                                  .delay_ms = delay_ms});
    } else if (number[COURSE_SLOW] & phase && *body) {
        asked_record(asked, code);
        http_answer_stream(asked->exchange, &(struct http_stream){.code = code, .content_type = "application/json",
                                                                  .text = body, .text_bytes = strlen(body),
                                                                  .piece_bytes = 1, .interval_ms = 1000,
                                                                  .bytes = strlen(body), .delay_ms = delay_ms});
    } else {
        return false;
    }
    return true;
}

void script_redirect(struct asked *asked, const struct course *course)
{
    if (course->text[COURSE_REDIRECT_TO]) {
        answer_plainly(asked, course, (int)course->number[COURSE_REDIRECT_CODE], NULL, "",
                       course->text[COURSE_REDIRECT_TO], course->number[COURSE_KICKOFF_DELAY]);
        return;
    }
    /* The same target, but for its own "redirects", which is put last. */
    const char *target = http_exchange_target(asked->exchange);
    size_t path_bytes = strcspn(target, "?");
    struct buf location;
    buf_init(&location, MAX_TARGET_BYTES);
    buf_put(&location, target, path_bytes);
    const char *at = target + path_bytes;
    char before = '?';
    while (*at) {
        size_t bytes = strcspn(++at, "&");
        if (bytes > 0 && strncmp(at, "redirects=", 10) != 0) {
            buf_put(&location, &before, 1);
            buf_put(&location, at, bytes);
            before = '&';
        }
        at += bytes;
    }
    buf_put(&location, &before, 1);
    buf_putf(&location, "redirects=%" PRId64, course->number[COURSE_REDIRECTS] - 1);
    if (buf_failed(&location)) {
        script_error(asked, 414, "the URL is too long to redirect");
    } else {
        answer_plainly(asked, course, (int)course->number[COURSE_REDIRECT_CODE], NULL, "", location.at,
                       course->number[COURSE_KICKOFF_DELAY]);
    }
    buf_deinit(&location);
}

/* A Location is relative to the URL that was asked, any other header has it whole. The caller frees it. */
static char *make_location(const struct asked *asked, const struct course *course, const char *id)
{
    struct buf url;
    buf_init(&url, MAX_TARGET_BYTES);
    const char *host = http_exchange_header(asked->exchange, "Host");
    if (strcasecmp(course->text[COURSE_LOCATION], "Location") != 0) {
        buf_putf(&url, "http://%s", host ? host : "");
    }
    buf_puts(&url, asked->status_path);
    for (; *id; id++) {
        bool plain = (unsigned char)*id < 128 && (isalnum((unsigned char)*id) || strchr("-._~", *id));
        buf_putf(&url, plain ? "%c" : "%%%02X", (unsigned char)*id);
    }
    return buf_take(&url);
}

void script_kickoff(struct asked *asked, const struct course *course, const char *id)
{
    int code = (int)course->number[COURSE_CODE];
    int64_t delay_ms = course->number[COURSE_KICKOFF_DELAY];
    bool accepted = code < 300;
    asked->run_id = accepted ? id : NULL;
    const char *message = course->text[COURSE_MESSAGE] ? course->text[COURSE_MESSAGE] : "simulated failure";
    bool elsewhere = accepted && course->text[COURSE_LOCATION];
    char *location = elsewhere ? make_location(asked, course, id) : NULL;
    char *body = accepted ? make_body(asked, course, id, course->number[COURSE_INSTANT] ? ENDED : QUEUED) : strdup(message);
    const char *text = code == 204 || code == 205 || elsewhere || !body ? "" : body;
    if (accepted && asked->kickoff_body) {
        text = asked->kickoff_body;
    }
    if (!answer_badly(asked, course, PHASE_KICKOFF, code, text, delay_ms)) {
        answer_plainly(asked, course, code, accepted ? "application/json" : "text/plain", text, location, delay_ms);
    }
    free(location);
    free(body);
}

bool script_can_fail(const struct course *course)
{
    const int64_t *number = course->number;
    return number[COURSE_POLL_FAIL] || ((number[COURSE_DROP] | number[COURSE_STALL] | number[COURSE_GARBAGE] |
                                         number[COURSE_ENDLESS] | number[COURSE_SLOW]) & PHASE_POLL);
}

/* True when the poll was sent on its way to another URL first: the "hop" there says how often it was. */
static bool redirect_poll(struct asked *asked, const struct course *course)
{
    const char *hop = http_exchange_query(asked->exchange, "hop");
    int64_t hops = hop ? strtoll(hop, NULL, 10) : 0;
    if (hops < 0 || hops >= course->number[COURSE_POLL_REDIRECTS]) {
        return false;
    }
    const char *target = http_exchange_target(asked->exchange);
    char *location = NULL;
    if (asprintf(&location, "%.*s?hop=%" PRId64, (int)strcspn(target, "?"), target, hops + 1) < 0) {
        return false;
    }
    answer_plainly(asked, course, (int)course->number[COURSE_REDIRECT_CODE], NULL, "", location, 0);
    free(location);
    return true;
}

static bool has_ended(const struct asked *asked, const struct course *course)
{
    return asked->wall_ms - course->start_ms >= course->number[COURSE_SECONDS];
}

void script_poll(struct asked *asked, const struct course *course, const char *id, bool goes_wrong)
{
    const int64_t *number = course->number;
    if (redirect_poll(asked, course)) {
        return;
    }
    int64_t age_ms = asked->wall_ms - course->start_ms;
    int64_t delay_ms = number[COURSE_POLL_DELAY];
    bool ended = has_ended(asked, course);
    bool pending = number[COURSE_PENDING] && !ended &&
                   (number[COURSE_PENDING_SECONDS] == 0 || age_ms < number[COURSE_PENDING_SECONDS]);
    char *body = make_body(asked, course, id, ended ? ENDED : UNDER_WAY);
    const char *text = body ? body : "";
    if (goes_wrong && answer_badly(asked, course, PHASE_POLL, 200, text, delay_ms)) {
        goto out;
    }
    if (goes_wrong && number[COURSE_POLL_FAIL]) {
        answer_plainly(asked, course, (int)number[COURSE_POLL_FAIL], "text/plain", "simulated failure", NULL, delay_ms);
    } else if (pending) {
        answer_plainly(asked, course, (int)number[COURSE_PENDING], "text/plain", "not yet", NULL, delay_ms);
    } else {
        answer_plainly(asked, course, 200, "application/json", text, NULL, delay_ms);
    }
out:
    free(body);
}

void script_state(struct asked *asked, const struct course *course, const char *id)
{
    char *body = make_body(asked, course, id, has_ended(asked, course) ? ENDED : UNDER_WAY);
    script_answer(asked, 200, "application/json", body ? body : "");
    free(body);
}

void script_output(struct asked *asked, const struct course *course)
{
    if (!has_ended(asked, course)) {
        script_error(asked, 409, "the run has not ended");
        return;
    }
    const char *result = course->text[COURSE_RESULT];
    script_answer(asked, 200, "application/json", result ? result : "null");
}
