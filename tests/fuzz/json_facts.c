#include "fuzz/json_facts.h"

#include "fuzz/fuzz.h"
#include "protocol/json.h"

#include <cJSON.h>
#include <stdio.h>
#include <string.h>

/* Of one text: what finds each of its values anew takes quadratic time. */
#define LOOKED_AT_MOST 300

static bool slice_within(struct json_slice inner, struct json_slice outer)
{
    return inner.at >= outer.at && inner.at + inner.bytes <= outer.at + outer.bytes && inner.bytes > 0;
}

/* A member is found by its key: the first of that name. */
static void must_be_found(struct json_slice container, const char *path, bool may_be_earlier, struct json_slice value)
{
    struct json_slice found;
    must(json_find(container, path, &found));
    must(may_be_earlier ? found.at <= value.at : found.at == value.at && found.bytes == value.bytes);
}

static void look(struct json_slice value, size_t *looked, int depth)
{
    struct json_fault fault;
    size_t bytes;
    size_t cursor = 0;
    struct json_slice key;
    struct json_slice item;
    must(depth <= JSON_MAX_DEPTH);
    must(json_check(value.at, value.bytes, JSON_KEYS_ANY, &fault) == 0);
    char *text = json_text(value, &bytes);
    must(text != NULL && strlen(text) == bytes && bytes <= value.bytes);
    free(text);
    enum json_type type = json_type_of(value);
    for (int64_t i = 0; (type == JSON_ARRAY || type == JSON_OBJECT) && json_next(value, &cursor, &key, &item); i++) {
        if ((*looked)++ >= LOOKED_AT_MOST)
            return;
        must(slice_within(item, value) && (type == JSON_OBJECT) == (key.bytes > 0));
        if (type == JSON_OBJECT) {
            char *name = json_text(key, &bytes);
            must(name != NULL && slice_within(key, value) && key.at < item.at);
            if (bytes > 0 && strchr(name, '.') == NULL)
                must_be_found(value, name, true, item);
            free(name);
        } else {
            char path[32];
            snprintf(path, sizeof path, ".%lld..", (long long)i);
            must_be_found(value, path, false, item);
        }
        look(item, looked, depth + 1);
    }
}

/* cJSON cuts numbers that are longer. */
static bool has_long_number(const char *text, size_t bytes)
{
    size_t run = 0;
    for (size_t i = 0; i < bytes && run < 60; i++)
        run = strchr("0123456789+-.eE", text[i]) != NULL && text[i] != '\0' ? run + 1 : 0;
    return run >= 60;
}

static void must_be_read_by_another(const char *text, size_t bytes)
{
    struct json_fault fault;
    if (has_long_number(text, bytes))
        return;
    cJSON *document = cJSON_ParseWithLength(text, bytes);
    must(document != NULL);
    char *printed = cJSON_PrintUnformatted(document);
    must(printed != NULL && json_check(printed, strlen(printed), JSON_KEYS_ANY, &fault) == 0);
    cJSON_free(printed);
    cJSON_Delete(document);
}

bool must_be_json_or_not(const char *text, size_t bytes)
{
    struct json_fault fault = {0};
    size_t looked = 0;
    bool is_unique = json_check(text, bytes, JSON_KEYS_UNIQUE, &fault) == 0;
    if (json_check(text, bytes, JSON_KEYS_ANY, &fault) != 0) {
        must(!is_unique && fault.what != NULL && fault.at_byte <= bytes);
        must_be_sentence(fault.what);
        return false;
    }
    look(json_document(text, bytes), &looked, 0);
    must_be_read_by_another(text, bytes);
    return true;
}

static size_t count(struct json_slice value)
{
    size_t n = 1;
    size_t cursor = 0;
    struct json_slice key;
    struct json_slice item;
    enum json_type type = json_type_of(value);
    while ((type == JSON_ARRAY || type == JSON_OBJECT) && json_next(value, &cursor, &key, &item))
        n += count(item);
    return n;
}

size_t json_count_values(const char *text, size_t bytes)
{
    return count(json_document(text, bytes));
}
