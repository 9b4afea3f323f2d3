#include "engine/profile_file.h"

#include "engine/secret_text.h"
#include "protocol/decimal.h"
#include "protocol/json.h"
#include "protocol/refusal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PAIRS 1000
#define RATE_MAX 1000000.0

struct reading {
    const char *file;
    struct rxp_defaults *out;
    char *why;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct reading *reading, const char *format, ...)
{
    va_list list;
    int so_far = snprintf(reading->why, PROFILE_WHY_BYTES, "%.200s: ", reading->file);
    va_start(list, format);
    vsnprintf(reading->why + so_far, PROFILE_WHY_BYTES - (size_t)so_far, format, list);
    va_end(list);
    return -1;
}

static int refuse_memory(const struct reading *reading)
{
    return refuse(reading, "out of memory");
}

/* ---- pairs of strings ---- */

static void free_pairs(const struct rxp_pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((char *)(uintptr_t)pairs[i].key);
        free((char *)(uintptr_t)pairs[i].value);
    }
    free((struct rxp_pair *)(uintptr_t)pairs);
}

static int count_pairs(const struct reading *reading, const char *name, struct json_slice object, size_t *n)
{
    struct json_slice key;
    struct json_slice value;
    size_t cursor = 0;
    *n = 0;
    if (json_type_of(object) != JSON_OBJECT) {
        return refuse(reading, "%s is no object of strings", name);
    }
    while (json_next(object, &cursor, &key, &value)) {
        if (json_type_of(value) != JSON_STRING) {
            return refuse(reading, "%s: the value of '%s' is no string: put it in quotes", name,
                          rxp_show(key.at + 1, key.bytes - 2).text);
        }
        ++*n;
    }
    return *n <= MAX_PAIRS ? 0 : refuse(reading, "%s has more than %d keys", name, MAX_PAIRS);
}

static int read_pairs(const struct reading *reading, const char *name, struct json_slice object,
                      const struct rxp_pair **out, size_t *n_out)
{
    struct json_slice key;
    struct json_slice value;
    size_t cursor = 0;
    size_t bytes;
    size_t room = 0;
    if (count_pairs(reading, name, object, &room) != 0) {
        return -1;
    }
    struct rxp_pair *pairs = calloc(room + 1, sizeof *pairs);
    *out = pairs;
    while (pairs != NULL && json_next(object, &cursor, &key, &value)) {
        struct rxp_pair *pair = &pairs[(*n_out)++];
        pair->key = json_text(key, &bytes);
        pair->value = json_text(value, &bytes);
        if (pair->key == NULL || pair->value == NULL) {
            return refuse_memory(reading);
        }
    }
    return pairs != NULL ? 0 : refuse_memory(reading);
}

/* ---- its keys ---- */

static int read_kind(const struct reading *reading, struct json_slice value)
{
    size_t bytes;
    char *word = json_type_of(value) == JSON_STRING ? json_text(value, &bytes) : NULL;
    struct rxp_defaults *out = reading->out;
    out->has_kind = true;
    bool is_known = word != NULL && rxp_kind_parse(word, &out->kind) &&
                    (out->kind == RXP_KIND_HTTP || out->kind == RXP_KIND_HTTP_ASYNC);
    free(word);
    return is_known ? 0 : refuse(reading, "its runtime_kind is neither \"http_async\" nor \"http\"");
}

static int read_metadata(const struct reading *reading, struct json_slice value)
{
    struct rxp_defaults *out = reading->out;
    if (read_pairs(reading, "metadata", value, &out->metadata, &out->n_metadata) != 0) {
        return -1;
    }
    for (size_t i = 0; i < out->n_metadata; i++) {
        const char *key = out->metadata[i].key;
        assert(key != NULL);
        if (strncmp(key, "http.", 5) != 0 && strncmp(key, "var.", 4) != 0) {
            return refuse(reading, "metadata: '%s' is neither an http.* nor a var.* key", rxp_show(key, strlen(key)).text);
        }
    }
    return 0;
}

static int read_secrets(const struct reading *reading, struct json_slice value)
{
    struct rxp_defaults *out = reading->out;
    if (read_pairs(reading, "secrets", value, &out->secret_bindings, &out->n_secret_bindings) != 0) {
        return -1;
    }
    for (size_t i = 0; i < out->n_secret_bindings; i++) {
        const struct rxp_pair *pair = &out->secret_bindings[i];
        char fault[256];
        assert(pair->key != NULL);
        if (!secret_name_is_valid(pair->key, strlen(pair->key))) {
            return refuse(reading, "secrets: '%s' cannot be the name of a secret: letters, digits, '_', '-' and '.'",
                          rxp_show(pair->key, strlen(pair->key)).text);
        }
        if (secret_hosts_check(pair->value, fault, sizeof fault) != 0) {
            return refuse(reading, "secrets: the hosts of %s: %s", pair->key, fault);
        }
    }
    return 0;
}

static int read_rate(const struct reading *reading, struct json_slice value)
{
    char text[64] = "";
    struct decimal number;
    bool is_number = json_type_of(value) == JSON_NUMBER && value.bytes < sizeof text &&
                     decimal_parse(value.at, value.bytes, &number) && !number.zero;
    if (is_number) {
        memcpy(text, value.at, value.bytes);
        reading->out->kickoffs_per_second = strtod(text, NULL);
    }
    double rate = reading->out->kickoffs_per_second;
    return is_number && rate > 1e-6 && rate <= RATE_MAX
               ? 0
               : refuse(reading, "its kickoffs_per_second is no number above 0 and up to %.0f", RATE_MAX);
}

static const char *const keys[] = {"metadata", "runtime_kind", "secrets", "kickoffs_per_second"};
static int (*const readers[])(const struct reading *reading,
                              struct json_slice value) = {read_metadata, read_kind, read_secrets, read_rate};
#define N_KEYS (sizeof keys / sizeof keys[0])

static int read_key(const struct reading *reading, struct json_slice key, struct json_slice value)
{
    size_t bytes;
    char *name = json_text(key, &bytes);
    if (name == NULL) {
        return refuse_memory(reading);
    }
    size_t i = 0;
    while (i < N_KEYS && strcmp(name, keys[i]) != 0) {
        i++;
    }
    struct rxp_refusal why;
    if (i == N_KEYS) {
        rxp_refuse_unknown(&why, RXP_ERROR_INVALID_METADATA, "key", name, keys, N_KEYS);
    }
    free(name);
    return i < N_KEYS ? readers[i](reading, value) : refuse(reading, "%s", why.text);
}

static int read_document(const struct reading *reading, const char *text, size_t bytes)
{
    struct json_fault fault;
    if (json_check(text, bytes, JSON_KEYS_UNIQUE, &fault) != 0) {
        return refuse(reading, "it is not JSON: %s at byte %zu%s%s", fault.what, fault.at_byte,
                      fault.key.bytes > 2 ? ": " : "",
                      fault.key.bytes > 2 ? rxp_show(fault.key.at + 1, fault.key.bytes - 2).text : "");
    }
    struct json_slice document = json_document(text, bytes);
    struct json_slice key;
    struct json_slice value;
    size_t cursor = 0;
    if (json_type_of(document) != JSON_OBJECT) {
        return refuse(reading, "it is no JSON object");
    }
    while (json_next(document, &cursor, &key, &value)) {
        if (read_key(reading, key, value) != 0) {
            return -1;
        }
    }
    return reading->out->metadata != NULL ? 0 : refuse(reading, "it has no metadata");
}

/* Tried with an invocation that says nothing itself. What a message would have to add may be missing; what is there must be
 * right. */
static int try_plan(const struct reading *reading)
{
    struct rxp_invocation invocation = {.invocation_id = "id", .runtime_name = "name", .kind = RXP_KIND_HTTP_ASYNC};
    struct rxp_http_plan plan;
    struct rxp_refusal why = {RXP_OK, ""};
    if (reading->out->has_kind) {
        invocation.kind = reading->out->kind;
    }
    if (rxp_http_plan_make(&invocation, reading->out, &plan, &why) == 0) {
        rxp_http_plan_deinit(&plan);
        return 0;
    }
    return why.error == RXP_ERROR_MISSING_METADATA ? 0 : refuse(reading, "%s", why.text);
}

/* Where messages may say next to nothing, they shall not choose either that their runs are not polled. */
static void imply_kind(struct rxp_defaults *out)
{
    for (size_t i = 0; out->only && !out->has_kind && i < out->n_metadata; i++) {
        if (strcmp(out->metadata[i].key, "http.poll_status_path") == 0) {
            out->has_kind = true;
            out->kind = RXP_KIND_HTTP_ASYNC;
        }
    }
}

int profile_file_read(const char *file, const char *text, size_t bytes, bool only, struct rxp_defaults *out,
                      char why[PROFILE_WHY_BYTES])
{
    const struct reading reading = {file, out, why};
    *out = (struct rxp_defaults){.name = strdup(file), .only = only};
    int failed = out->name != NULL ? 0 : refuse_memory(&reading);
    if (failed != 0 || read_document(&reading, text, bytes) != 0 || try_plan(&reading) != 0) {
        profile_file_deinit(out);
        return -1;
    }
    imply_kind(out);
    return 0;
}

void profile_file_deinit(struct rxp_defaults *defaults)
{
    free((char *)(uintptr_t)defaults->name);
    free_pairs(defaults->metadata, defaults->n_metadata);
    free_pairs(defaults->secret_bindings, defaults->n_secret_bindings);
    *defaults = (struct rxp_defaults){0};
}
