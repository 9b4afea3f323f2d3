#include "core/runs_filter.h"

#include "protocol/decimal.h"
#include "protocol/vocab.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A hundred years. */
#define OLDEST_MS INT64_C(3155760000000)
#define TOPIC_MAX_BYTES 249

static const char *const parameters[] = {"phase", "runtime_name", "older_than", "limit", "after"};
#define N_PARAMETERS (sizeof parameters / sizeof parameters[0])

enum parameter { PHASE, RUNTIME_NAME, OLDER_THAN, LIMIT, AFTER };

void runs_filter_init(struct runs_filter *filter)
{
    *filter = (struct runs_filter){
        .query = {.phase = -1, .started_before_ms = INT64_MAX, .limit = RUNS_LIMIT_DEFAULT},
    };
}

/* A quotation must not make a sentence long. */
#define QUOTED 60

static int take_phase(struct runs_filter *filter, const char *value, char why[RUNS_WHY_BYTES])
{
    char known[128] = "";
    size_t bytes = 0;
    for (int phase = 0; phase < METRIC_PHASE_N; phase++) {
        const char *name = metric_phase_name((enum metric_phase)phase);
        if (strcmp(name, value) == 0) {
            filter->query.phase = phase;
            return 0;
        }
        bytes += (size_t)snprintf(known + bytes, sizeof known - bytes, "%s%s", phase > 0 ? ", " : "", name);
    }
    snprintf(why, RUNS_WHY_BYTES, "phase=%.*s is no phase of a run; the phases are %s", QUOTED, value, known);
    return -1;
}

static int take_age(struct runs_filter *filter, const char *value, int64_t now_ms, char why[RUNS_WHY_BYTES])
{
    struct decimal seconds;
    if (!decimal_parse(value, strlen(value), &seconds) || seconds.negative) {
        snprintf(why, RUNS_WHY_BYTES, "older_than=%.*s is not a number of seconds, such as 3600 or 0.5", QUOTED, value);
        return -1;
    }
    filter->query.started_before_ms = now_ms - decimal_to_ms(&seconds, OLDEST_MS);
    return 0;
}

static int take_limit(struct runs_filter *filter, const char *value, char why[RUNS_WHY_BYTES])
{
    struct decimal number;
    int64_t limit = 0;
    if (!decimal_parse(value, strlen(value), &number) || !decimal_to_int(&number, 1, QUERY_LIMIT_MAX, &limit)) {
        snprintf(why, RUNS_WHY_BYTES, "limit=%.*s is not a whole number from 1 to %d; for more, ask again with after=NEXT of "
                 "the answer", QUOTED, value, QUERY_LIMIT_MAX);
        return -1;
    }
    filter->query.limit = (size_t)limit;
    return 0;
}

/* Digits, perhaps a sign before them, and the dot behind them. */
static bool read_number(const char **at, int64_t min, int64_t max, int64_t *out)
{
    const char *digits = **at == '-' ? *at + 1 : *at;
    if (*digits < '0' || *digits > '9') {
        return false;
    }
    char *end = NULL;
    errno = 0;
    long long number = strtoll(*at, &end, 10);
    if (errno != 0 || *end != '.' || number < min || number > max) {
        return false;
    }
    *at = end + 1;
    *out = number;
    return true;
}

static bool is_topic(const char *name)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t bytes = strspn(name, legal);
    return bytes > 0 && bytes <= TOPIC_MAX_BYTES && name[bytes] == '\0';
}

static int take_cursor(struct runs_filter *filter, const char *value, char why[RUNS_WHY_BYTES])
{
    struct query_key *key = &filter->query.after;
    const char *at = value;
    int64_t partition = 0;
    if (!read_number(&at, INT64_MIN, INT64_MAX, &key->started_at_ms) || !read_number(&at, 0, INT32_MAX, &partition) ||
        !read_number(&at, 0, INT64_MAX, &key->offset) || !is_topic(at)) {
        snprintf(why, RUNS_WHY_BYTES, "after=%.*s is no cursor: it must be the value of \"next\" in an answer of /runs, as it "
                 "stands there", QUOTED, value);
        return -1;
    }
    key->partition = (int32_t)partition;
    snprintf(filter->after_topic, sizeof filter->after_topic, "%s", at);
    key->topic = filter->after_topic;
    filter->query.has_after = true;
    return 0;
}

int runs_filter_take(struct runs_filter *filter, const char *name, const char *value, int64_t now_ms,
                     char why[RUNS_WHY_BYTES])
{
    size_t parameter = 0;
    while (parameter < N_PARAMETERS && strcmp(name, parameters[parameter]) != 0) {
        parameter++;
    }
    if (parameter == N_PARAMETERS) {
        const char *near = rxp_nearest(name, parameters, N_PARAMETERS);
        snprintf(why, RUNS_WHY_BYTES, "there is no parameter '%.*s'%s%s%s; /runs knows phase, runtime_name, older_than, limit "
                 "and after", QUOTED, name, near != NULL ? " (did you mean '" : "", near != NULL ? near : "",
                 near != NULL ? "'?)" : "");
        return -1;
    }
    if (value == NULL || value[0] == '\0') {
        return 0;
    }
    switch ((enum parameter)parameter) {
    case PHASE:
        return take_phase(filter, value, why);
    case RUNTIME_NAME:
        filter->query.runtime_name = value;
        return 0;
    case OLDER_THAN:
        return take_age(filter, value, now_ms, why);
    case LIMIT:
        return take_limit(filter, value, why);
    case AFTER:
        return take_cursor(filter, value, why);
    }
    return -1;
}

bool runs_cursor_write(const struct query_key *key, char out[RUNS_CURSOR_BYTES])
{
    int bytes = snprintf(out, RUNS_CURSOR_BYTES, "%" PRId64 ".%" PRId32 ".%" PRId64 ".%s", key->started_at_ms,
                         key->partition, key->offset, key->topic != NULL ? key->topic : "");
    return bytes < RUNS_CURSOR_BYTES && key->topic != NULL;
}
