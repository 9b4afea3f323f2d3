#include "protocol/vocab.h"

#include <stdint.h>
#include <string.h>

static const char *const kind_names[] = {
    [RXP_KIND_SUBPROCESS] = "subprocess", [RXP_KIND_HTTP] = "http",     [RXP_KIND_HTTP_ASYNC] = "http_async",
    [RXP_KIND_CONTAINER] = "container",   [RXP_KIND_MANUAL] = "manual", [RXP_KIND_UNKNOWN] = "unknown",
};

static const char *const status_names[] = {
    [RXP_STATUS_PENDING] = "pending",     [RXP_STATUS_RUNNING] = "running",     [RXP_STATUS_SUCCEEDED] = "succeeded",
    [RXP_STATUS_FAILED] = "failed",       [RXP_STATUS_TIMED_OUT] = "timed_out", [RXP_STATUS_CANCELLED] = "cancelled",
    [RXP_STATUS_REJECTED] = "rejected",
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

const char *rxp_kind_name(enum rxp_kind kind)
{
    return kind_names[kind];
}

const char *rxp_status_name(enum rxp_status status)
{
    return status_names[status];
}

const char *rxp_error_name(enum rxp_error error)
{
    switch (error) {
    case RXP_OK:
        return NULL;
    case RXP_ERROR_INVALID_JSON:
        return "invalid_json";
    case RXP_ERROR_INVALID_INVOCATION:
        return "invalid_invocation";
    case RXP_ERROR_UNSUPPORTED_KIND:
        return "unsupported_kind";
    case RXP_ERROR_MISSING_METADATA:
        return "missing_metadata";
    case RXP_ERROR_INVALID_METADATA:
        return "invalid_metadata";
    case RXP_ERROR_EGRESS_DENIED:
        return "egress_denied";
    case RXP_ERROR_SECRET_DENIED:
        return "secret_denied";
    case RXP_ERROR_UNKNOWN_PROFILE:
        return "unknown_profile";
    case RXP_ERROR_KICKOFF_NETWORK:
        return "kickoff_network";
    case RXP_ERROR_KICKOFF_STATUS:
        return "kickoff_status";
    case RXP_ERROR_KICKOFF_NOT_JSON:
        return "kickoff_not_json";
    case RXP_ERROR_KICKOFF_UNKNOWN:
        return "kickoff_unknown";
    case RXP_ERROR_RUN_ID_MISSING:
        return "run_id_missing";
    case RXP_ERROR_RUN_ID_INVALID:
        return "run_id_invalid";
    case RXP_ERROR_POLL_URL_MISSING:
        return "poll_url_missing";
    case RXP_ERROR_POLL_URL_INVALID:
        return "poll_url_invalid";
    case RXP_ERROR_POLL_NETWORK:
        return "poll_network";
    case RXP_ERROR_POLL_STATUS:
        return "poll_status";
    case RXP_ERROR_POLL_NOT_JSON:
        return "poll_not_json";
    case RXP_ERROR_STATUS_MISSING:
        return "status_missing";
    case RXP_ERROR_RESPONSE_TOO_LARGE:
        return "response_too_large";
    case RXP_ERROR_RESULT_FETCH:
        return "result_fetch";
    case RXP_ERROR_PREPARE_FAILED:
        return "prepare_failed";
    case RXP_ERROR_ORIGIN_UNAVAILABLE:
        return "origin_unavailable";
    case RXP_ERROR_BACKEND_FAILED:
        return "backend_failed";
    case RXP_ERROR_KICKOFF_TIMEOUT:
        return "kickoff_timeout";
    case RXP_ERROR_POLL_TIMEOUT:
        return "poll_timeout";
    case RXP_ERROR_START_EXPIRED:
        return "start_expired";
    case RXP_ERROR_CANCELLED:
        return "cancelled";
    }
    return NULL;
}

bool rxp_kind_parse(const char *word, enum rxp_kind *out)
{
    for (size_t i = 0; i < COUNT(kind_names); i++) {
        if (strcmp(word, kind_names[i]) == 0) {
            *out = (enum rxp_kind)i;
            return true;
        }
    }
    return false;
}

bool rxp_status_parse(const char *word, enum rxp_status *out)
{
    for (size_t i = 0; i < COUNT(status_names); i++) {
        if (strcmp(word, status_names[i]) == 0) {
            *out = (enum rxp_status)i;
            return true;
        }
    }
    return false;
}

bool rxp_status_is_terminal(enum rxp_status status)
{
    switch (status) {
    case RXP_STATUS_PENDING:
    case RXP_STATUS_RUNNING:
        return false;
    case RXP_STATUS_SUCCEEDED:
    case RXP_STATUS_FAILED:
    case RXP_STATUS_TIMED_OUT:
    case RXP_STATUS_CANCELLED:
    case RXP_STATUS_REJECTED:
        return true;
    }
    return false;
}

/* Longer entries are passed over. Since lengths may differ by a third at most, this also bounds what a peer's word of
 * any length can cost. */
#define NEAREST_MAX_BYTES 64
/* So many bytes in common at the beginning say that a longer or shorter word was meant: http.poll_url. */
#define NEAREST_MIN_BEGINNING 6

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein distance, letters compared without case, two swapped neighbours counting as one change. */
static size_t edit_distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    size_t rows[3][NEAREST_MAX_BYTES + 1];
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *row = rows[2];

    for (size_t j = 0; j <= b_bytes; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= a_bytes; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            char x = lower(a[i - 1]);
            char y = lower(b[j - 1]);
            row[j] = least(least(last[j] + 1, row[j - 1] + 1), last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[b_bytes];
}

/* The word that begins as `word` does, or that `word` begins with, and is nearest to it in length. */
static const char *nearest_by_beginning(const char *word, size_t word_bytes, const char *const *words, size_t n)
{
    const char *nearest = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < n; i++) {
        size_t bytes = strlen(words[i]);
        size_t common = bytes < word_bytes ? bytes : word_bytes;
        size_t difference = bytes + word_bytes - 2 * common;
        if (common >= NEAREST_MIN_BEGINNING && memcmp(word, words[i], common) == 0 && difference < least) {
            nearest = words[i];
            least = difference;
        }
    }
    return nearest;
}

const char *rxp_nearest(const char *word, const char *const *words, size_t n)
{
    size_t word_bytes = strlen(word);
    size_t limit = word_bytes / 3 > 2 ? word_bytes / 3 : 2;
    const char *nearest = NULL;

    for (size_t i = 0; i < n; i++) {
        size_t bytes = strlen(words[i]);
        if (bytes > NEAREST_MAX_BYTES || bytes > word_bytes + limit || word_bytes > bytes + limit)
            continue;
        size_t distance = edit_distance(word, word_bytes, words[i], bytes);
        /* A word that has to change in each letter is another word. */
        if (distance <= limit && distance < word_bytes && (nearest == NULL || distance < limit)) {
            nearest = words[i];
            limit = distance;
        }
    }
    return nearest != NULL ? nearest : nearest_by_beginning(word, word_bytes, words, n);
}
