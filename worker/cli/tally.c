#include "cli/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct awaited {
    struct sent sent;
    bool seen;
};

struct tally {
    char *topic;
    struct awaited *awaited; /* sorted by partition and offset */
    struct tally_counts counts;
};

static int compare(const void *left, const void *right)
{
    const struct sent *a = &((const struct awaited *)left)->sent;
    const struct sent *b = &((const struct awaited *)right)->sent;
    if (a->partition != b->partition) {
        return a->partition < b->partition ? -1 : 1;
    }
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

struct tally *tally_new(const char *topic, const struct sent *sent, size_t n)
{
    struct tally *tally = calloc(1, sizeof *tally);
    if (tally == NULL) {
        return NULL;
    }
    tally->topic = strdup(topic);
    tally->awaited = calloc(n + 1, sizeof *tally->awaited);
    if (tally->topic == NULL || tally->awaited == NULL) {
        tally_free(tally);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        tally->awaited[i].sent = sent[i];
    }
    tally->counts.expected = n;
    qsort(tally->awaited, n, sizeof *tally->awaited, compare);
    return tally;
}

void tally_free(struct tally *tally)
{
    if (tally == NULL) {
        return;
    }
    free(tally->topic);
    free(tally->awaited);
    free(tally);
}

static const char *metadata_of(const struct rxp_result *result, const char *key)
{
    for (size_t i = 0; i < result->n_metadata; i++) {
        if (strcmp(result->metadata[i].key, key) == 0) {
            return result->metadata[i].value;
        }
    }
    return NULL;
}

enum tally_match tally_find(const struct tally *tally, const struct rxp_result *result, size_t *place)
{
    const char *topic = metadata_of(result, "source.topic");
    const char *partition = metadata_of(result, "source.partition");
    const char *offset = metadata_of(result, "source.offset");
    if (topic == NULL || partition == NULL || offset == NULL || strcmp(topic, tally->topic) != 0) {
        return TALLY_FOREIGN;
    }
    const struct awaited key = {.sent = {(int32_t)strtol(partition, NULL, 10), strtoll(offset, NULL, 10)}};
    const struct awaited *found = bsearch(&key, tally->awaited, tally->counts.expected, sizeof key, compare);
    if (found == NULL) {
        return TALLY_FOREIGN;
    }
    *place = (size_t)(found - tally->awaited);
    return found->seen ? TALLY_AGAIN : TALLY_FIRST;
}

enum tally_match tally_take(struct tally *tally, const struct rxp_result *result)
{
    size_t place;
    enum tally_match match = tally_find(tally, result, &place);
    switch (match) {
    case TALLY_FOREIGN:
        break;
    case TALLY_AGAIN:
        tally->counts.again++;
        break;
    case TALLY_FIRST:
        tally->awaited[place].seen = true;
        tally->counts.seen++;
        tally->counts.by_status[result->status]++;
        break;
    }
    return match;
}

const struct tally_counts *tally_counts(const struct tally *tally)
{
    return &tally->counts;
}

const char *tally_number(size_t number, char out[TALLY_NUMBER_BYTES])
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%zu", number);
    char *to = out;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) {
            *to++ = ',';
        }
        *to++ = digits[i];
    }
    *to = '\0';
    return out;
}

void tally_describe(const struct tally *tally, char out[TALLY_TEXT_BYTES])
{
    static const enum rxp_status order[] = {RXP_STATUS_SUCCEEDED, RXP_STATUS_FAILED, RXP_STATUS_TIMED_OUT,
                                            RXP_STATUS_CANCELLED, RXP_STATUS_REJECTED};
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        size_t count = tally->counts.by_status[order[i]];
        char number[TALLY_NUMBER_BYTES];
        if (count > 0 && used < TALLY_TEXT_BYTES) {
            used += (size_t)snprintf(out + used, TALLY_TEXT_BYTES - used, "%s%s %s", used > 0 ? ", " : "",
                                     tally_number(count, number), rxp_status_name(order[i]));
        }
    }
}
