#include "core/checkpoint.h"

#include "protocol/json.h"
#include "protocol/json_writer.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_DIGITS 16

/* ---- writing ---- */

static int64_t clamp(int64_t number, int64_t most)
{
    return number < 0 ? 0 : number > most ? most : number;
}

static void put_text(struct json_writer *writer, const char *name, const char *text)
{
    json_put(writer, ",\"");
    json_put(writer, name);
    json_put(writer, "\":");
    json_put_string(writer, text);
}

static void put_int(struct json_writer *writer, const char *name, int64_t number)
{
    json_put(writer, ",\"");
    json_put(writer, name);
    json_put(writer, "\":");
    json_put_int(writer, number);
}

/* No record holds an empty string where a reader would go on with it. */
static const char *null_if_empty(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : text;
}

static const char *null_if_long(const char *id)
{
    return id != NULL && strlen(id) > CHECKPOINT_ID_MAX_BYTES ? NULL : id;
}

/* Cut between two characters, where it must be. */
static const char *shorten(const char *text, char room[CHECKPOINT_WORKER_ID_MAX_BYTES + 1])
{
    size_t bytes = text != NULL ? strnlen(text, CHECKPOINT_WORKER_ID_MAX_BYTES + 1) : 0;
    if (bytes > CHECKPOINT_WORKER_ID_MAX_BYTES) {
        bytes = CHECKPOINT_WORKER_ID_MAX_BYTES;
        while (bytes > 0 && ((unsigned char)text[bytes] & 0xC0) == 0x80)
            bytes--;
    }
    if (bytes > 0)
        memcpy(room, text, bytes);
    room[bytes] = '\0';
    return room;
}

char *checkpoint_write(const struct checkpoint *checkpoint, size_t *bytes)
{
    assert(!checkpoint->unreadable);
    assert(checkpoint->kind == CHECKPOINT_INTENT || checkpoint->poll_url != NULL);
    char hash[HASH_DIGITS + 1];
    char worker_id[CHECKPOINT_WORKER_ID_MAX_BYTES + 1];
    struct json_writer writer;
    snprintf(hash, sizeof hash, "%016" PRIx64, checkpoint->input_hash);
    json_writer_init(&writer, 512);
    json_put(&writer, "{\"version\":");
    json_put_int(&writer, CHECKPOINT_VERSION);
    put_int(&writer, "readable_since", 1);
    put_text(&writer, "kind", checkpoint->kind == CHECKPOINT_RUN ? "run" : "intent");
    put_text(&writer, "invocation_id", null_if_long(checkpoint->invocation_id));
    put_text(&writer, "input_hash", hash);
    put_text(&writer, "run_id", null_if_empty(checkpoint->run_id));
    put_text(&writer, "prepared_id", null_if_empty(checkpoint->prepared_id));
    put_text(&writer, "poll_url", null_if_empty(checkpoint->poll_url));
    put_int(&writer, "started_at", clamp(checkpoint->started_at_ms, CHECKPOINT_MAX_MS));
    put_int(&writer, "deadline", clamp(checkpoint->deadline_ms, CHECKPOINT_MAX_MS));
    put_int(&writer, "polls", clamp(checkpoint->polls, INT_MAX));
    put_text(&writer, "worker_id", shorten(checkpoint->worker_id, worker_id));
    json_put(&writer, "}");
    return json_writer_take(&writer, bytes);
}

/* ---- reading ---- */

struct reading {
    struct json_slice record;
    struct checkpoint *checkpoint; /* with room for all its strings behind it */
    char *room;
    char *why;
    bool lacked_memory;
};

static bool refuse(const struct reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(const struct reading *reading, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reading->why, CHECKPOINT_WHY_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

/* A field that must be there. Names have no dots, so that each is its own path. */
static bool find(const struct reading *reading, const char *name, struct json_slice *out)
{
    return json_find(reading->record, name, out) || refuse(reading, "no field '%s'", name);
}

/* An integer from least to most, in digits alone. */
static bool read_int(const struct reading *reading, const char *name, int64_t least, int64_t most, int64_t *out)
{
    struct json_slice value;
    if (!find(reading, name, &value))
        return false;
    int64_t number = 0;
    bool whole = json_type_of(value) == JSON_NUMBER;
    for (size_t i = 0; whole && i < value.bytes; i++) {
        int digit = value.at[i] - '0';
        whole = digit >= 0 && digit <= 9 && number <= (most - digit) / 10;
        if (whole)
            number = number * 10 + digit;
    }
    if (!whole || number < least)
        return refuse(reading, "'%s' is not an integer from %" PRId64 " to %" PRId64, name, least, most);
    *out = number;
    return true;
}

enum absent { ABSENT_REFUSED, ABSENT_ALLOWED };

/* A string that is not empty; where allowed, null or no such field leaves *out NULL. */
static bool read_text(struct reading *reading, const char *name, enum absent absent, const char **out)
{
    struct json_slice value;
    *out = NULL;
    if (!json_find(reading->record, name, &value))
        return absent == ABSENT_ALLOWED || refuse(reading, "no field '%s'", name);
    if (json_type_of(value) == JSON_NULL && absent == ABSENT_ALLOWED)
        return true;
    if (json_type_of(value) != JSON_STRING || value.bytes <= 2)
        return refuse(reading, "'%s' is not a string with something in it", name);
    size_t bytes;
    char *text = json_text(value, &bytes);
    if (text == NULL) {
        reading->lacked_memory = true;
        return refuse(reading, "out of memory");
    }
    memcpy(reading->room, text, bytes + 1);
    *out = reading->room;
    reading->room += bytes + 1;
    free(text);
    return true;
}

static bool read_hash(struct reading *reading, uint64_t *out)
{
    static const char digits[] = "0123456789abcdef";
    const char *text;
    if (!read_text(reading, "input_hash", ABSENT_REFUSED, &text) || text == NULL)
        return false;
    uint64_t hash = 0;
    bool whole = strlen(text) == HASH_DIGITS;
    for (size_t i = 0; whole && i < HASH_DIGITS; i++) {
        const char *digit = strchr(digits, text[i]);
        whole = digit != NULL;
        if (whole)
            hash = hash << 4 | (uint64_t)(digit - digits);
    }
    *out = hash;
    return whole || refuse(reading, "'input_hash' is not %d hexadecimal digits in lower case", HASH_DIGITS);
}

static bool read_kind(struct reading *reading, enum checkpoint_kind *out)
{
    const char *text;
    if (!read_text(reading, "kind", ABSENT_REFUSED, &text) || text == NULL)
        return false;
    *out = strcmp(text, "run") == 0 ? CHECKPOINT_RUN : CHECKPOINT_INTENT;
    return *out == CHECKPOINT_RUN || strcmp(text, "intent") == 0 || refuse(reading, "'kind' is neither run nor intent");
}

static bool read_fields(struct reading *reading)
{
    struct checkpoint *checkpoint = reading->checkpoint;
    int64_t polls = 0;
    if (!read_kind(reading, &checkpoint->kind) ||
        !read_text(reading, "invocation_id", ABSENT_ALLOWED, &checkpoint->invocation_id) ||
        !read_hash(reading, &checkpoint->input_hash) ||
        !read_text(reading, "run_id", ABSENT_ALLOWED, &checkpoint->run_id) ||
        !read_text(reading, "prepared_id", ABSENT_ALLOWED, &checkpoint->prepared_id) ||
        !read_int(reading, "started_at", 0, CHECKPOINT_MAX_MS, &checkpoint->started_at_ms))
        return false;
    enum absent absent = checkpoint->kind == CHECKPOINT_RUN ? ABSENT_REFUSED : ABSENT_ALLOWED;
    if (!read_text(reading, "poll_url", absent, &checkpoint->poll_url))
        return false;
    if (checkpoint->kind == CHECKPOINT_RUN &&
        (!read_int(reading, "deadline", 0, CHECKPOINT_MAX_MS, &checkpoint->deadline_ms) ||
         !read_int(reading, "polls", 0, INT_MAX, &polls)))
        return false;
    checkpoint->polls = (int)polls;
    /* For people: whatever it is, it keeps no run from being found. */
    struct json_slice worker_id;
    if (json_find(reading->record, "worker_id", &worker_id) && json_type_of(worker_id) == JSON_STRING &&
        worker_id.bytes > 2)
        return read_text(reading, "worker_id", ABSENT_ALLOWED, &checkpoint->worker_id);
    return true;
}

/* What a newer worker forbids comes before everything else, since nothing else need look as it does now. */
static enum checkpoint_reading read_version(const struct reading *reading)
{
    int64_t version = 0;
    int64_t since = 0;
    if (!read_int(reading, "readable_since", 1, INT32_MAX, &since))
        return CHECKPOINT_UNREADABLE;
    if (since > CHECKPOINT_VERSION) {
        bool known = read_int(reading, "version", 1, INT32_MAX, &version);
        refuse(reading, "version %" PRId64 ", readable since %" PRId64, known ? version : since, since);
        return CHECKPOINT_TOO_NEW;
    }
    return read_int(reading, "version", 1, INT32_MAX, &version) ? CHECKPOINT_READ : CHECKPOINT_UNREADABLE;
}

enum checkpoint_reading checkpoint_read(const char *value, size_t bytes, struct checkpoint **out,
                                        char why[CHECKPOINT_WHY_BYTES])
{
    struct json_fault fault;
    struct reading reading = {.why = why};
    *out = NULL;
    why[0] = '\0';
    if (value == NULL || json_check(value, bytes, JSON_KEYS_UNIQUE, &fault) != 0) {
        refuse(&reading, "not JSON: %s", value == NULL ? "nothing" : fault.what);
        return value != NULL && fault.lacks_memory ? CHECKPOINT_NO_MEMORY : CHECKPOINT_UNREADABLE;
    }
    reading.record = json_document(value, bytes);
    if (json_type_of(reading.record) != JSON_OBJECT) {
        refuse(&reading, "not a JSON object");
        return CHECKPOINT_UNREADABLE;
    }
    enum checkpoint_reading version = read_version(&reading);
    if (version != CHECKPOINT_READ)
        return version;
    /* A decoded string is never longer than it was with its quotes, and each is read once. */
    reading.checkpoint = calloc(1, sizeof *reading.checkpoint + bytes);
    if (reading.checkpoint == NULL) {
        refuse(&reading, "out of memory");
        return CHECKPOINT_NO_MEMORY;
    }
    reading.room = (char *)(reading.checkpoint + 1);
    if (!read_fields(&reading)) {
        free(reading.checkpoint);
        return reading.lacked_memory ? CHECKPOINT_NO_MEMORY : CHECKPOINT_UNREADABLE;
    }
    *out = reading.checkpoint;
    return CHECKPOINT_READ;
}

struct checkpoint *checkpoint_new_unreadable(void)
{
    struct checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    if (checkpoint != NULL) {
        checkpoint->kind = CHECKPOINT_INTENT;
        checkpoint->unreadable = true;
    }
    return checkpoint;
}

/* ---- comparing ---- */

bool checkpoint_matches(const struct checkpoint *checkpoint, const char *invocation_id, uint64_t input_hash)
{
    return checkpoint->unreadable ||
           (checkpoint->input_hash == input_hash &&
            (checkpoint->invocation_id == NULL || strcmp(checkpoint->invocation_id, invocation_id) == 0));
}

static int rank(const struct checkpoint *checkpoint)
{
    return checkpoint->unreadable ? 0 : checkpoint->kind == CHECKPOINT_INTENT ? 1 : 2;
}

bool checkpoint_yields_to(const struct checkpoint *checkpoint, const struct checkpoint *other)
{
    if (rank(checkpoint) != rank(other))
        return rank(checkpoint) < rank(other);
    if (checkpoint->started_at_ms != other->started_at_ms)
        return checkpoint->started_at_ms < other->started_at_ms;
    return checkpoint->polls < other->polls;
}
