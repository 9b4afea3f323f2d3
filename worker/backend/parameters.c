#include "backend/parameters.h"

#include "protocol/json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parameters_walk {
    struct course *course;
    char *why;
    bool failed;
};

static bool take_query(const char *name, const char *value, void *opaque)
{
    struct parameters_walk *walk = opaque;
    walk->failed = course_set(walk->course, name, value ? value : "1", walk->why) < 0;
    return !walk->failed;
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

int parameters_take(const struct http_exchange *exchange, struct course *course, char why[COURSE_WHY_BYTES])
{
    size_t bytes;
    const char *body = http_exchange_body(exchange, &bytes);
    snprintf(why, COURSE_WHY_BYTES, "out of memory");
    if (take_body(course, body, bytes, why) < 0) {
        return -1;
    }
    struct parameters_walk walk = {course, why, false};
    http_exchange_queries(exchange, take_query, &walk);
    return walk.failed ? -1 : 0;
}
