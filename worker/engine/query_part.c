#include "engine/query_part.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

/* ---- order ---- */

int query_key_compare(const struct query_key *a, const struct query_key *b)
{
    if (a->started_at_ms != b->started_at_ms) {
        return a->started_at_ms < b->started_at_ms ? -1 : 1;
    }
    int topics = strcmp(a->topic != NULL ? a->topic : "", b->topic != NULL ? b->topic : "");
    if (topics != 0) {
        return topics;
    }
    if (a->partition != b->partition) {
        return a->partition < b->partition ? -1 : 1;
    }
    return a->offset == b->offset ? 0 : a->offset < b->offset ? -1 : 1;
}

/* ---- what a run says ---- */

static void fill_row(const struct run *run, int64_t mono_ms, int64_t wall_ms, struct query_row *row)
{
    bool is_waiting = run->transfer == NULL && timer_is_set(&run->timer);
    bool has_deadline = run->cycle.deadline_ms != CLOCK_NEVER;
    *row = (struct query_row){
        .key.started_at_ms = run->outcome.started_at_ms,
        .invocation_id = run->invocation != NULL ? run->invocation->invocation_id : NULL,
        .runtime_name = run->invocation != NULL ? run->invocation->runtime_name : NULL,
        .run_id = run->run_id,
        .state = run->state,
        .url = run->plan != NULL ? run->plan->kickoff.url : NULL,
        .phase = run->phase,
        .polls = run->cycle.polls,
        .resumed = run->resumed,
        .next_ms = is_waiting ? wall_ms + (run->timer.at_ms - mono_ms) : -1,
        .deadline_ms = has_deadline ? wall_ms + (run->cycle.deadline_ms - mono_ms) : -1,
    };
}

static bool is_same(const char *wanted, const char *text)
{
    return wanted == NULL || (text != NULL && strcmp(wanted, text) == 0);
}

static bool passes(const struct query_filter *filter, const struct query_row *row)
{
    return (filter->phase < 0 || filter->phase == (int)row->phase) &&
           row->key.started_at_ms < filter->started_before_ms && is_same(filter->runtime_name, row->runtime_name) &&
           is_same(filter->invocation_id, row->invocation_id);
}

/* ---- copies ---- */

/* Scheme, host and port. */
static size_t origin_bytes(const char *url, const char **from, size_t *scheme_bytes)
{
    const char *host = strstr(url, "://");
    *scheme_bytes = host != NULL ? (size_t)(host + 3 - url) : 0;
    host = host != NULL ? host + 3 : url;
    size_t bytes = strcspn(host, "/?#\\");
    for (size_t i = bytes; i > 0; i--) {
        if (host[i - 1] == '@') { /* credentials before it */
            *from = host + i;
            return bytes - i;
        }
    }
    *from = host;
    return bytes;
}

static size_t cut_bytes(const char *text)
{
    size_t bytes = strnlen(text, QUERY_TEXT_MAX_BYTES + 1);
    if (bytes <= QUERY_TEXT_MAX_BYTES) {
        return bytes;
    }
    bytes = QUERY_TEXT_MAX_BYTES;
    while (bytes > 0 && ((unsigned char)text[bytes] & 0xC0) == 0x80) { /* within a UTF-8 sequence */
        bytes--;
    }
    return bytes;
}

static char *put(char *at, const char **text, size_t bytes)
{
    if (*text == NULL) {
        return at;
    }
    memcpy(at, *text, bytes);
    at[bytes] = '\0';
    *text = at;
    return at + bytes + 1;
}

#define TEXTS 5

/* Copies the row, with its strings, over what is there. 0, or -1 for want of memory: nothing has changed. */
static int keep(struct query_kept *kept, const struct query_row *row)
{
    struct query_row copy = *row;
    const char **texts[TEXTS] = {&copy.key.topic, &copy.invocation_id, &copy.runtime_name, &copy.run_id, &copy.state};
    const char *host = NULL;
    size_t scheme_bytes = 0;
    size_t host_bytes = copy.url != NULL ? origin_bytes(copy.url, &host, &scheme_bytes) : 0;
    size_t url_bytes = scheme_bytes + host_bytes <= QUERY_TEXT_MAX_BYTES ? scheme_bytes + host_bytes : 0;
    size_t bytes[TEXTS];
    size_t room = url_bytes + 1;
    for (size_t i = 0; i < TEXTS; i++) {
        bytes[i] = *texts[i] != NULL ? cut_bytes(*texts[i]) : 0;
        room += bytes[i] + 1;
    }
    if (room > kept->room) {
        char *text = realloc(kept->text, room);
        if (text == NULL) {
            return -1;
        }
        kept->text = text;
        kept->room = room;
    }
    char *at = kept->text;
    for (size_t i = 0; i < TEXTS; i++) {
        at = put(at, texts[i], bytes[i]);
    }
    if (copy.url != NULL && url_bytes > 0) {
        memcpy(at, copy.url, scheme_bytes);
        memcpy(at + scheme_bytes, host, host_bytes);
    }
    at[url_bytes] = '\0';
    copy.url = url_bytes > 0 ? at : NULL;
    kept->row = copy;
    return 0;
}

/* ---- the heap ---- */

static bool is_above(const struct query_kept *a, const struct query_kept *b)
{
    return query_key_compare(&a->row.key, &b->row.key) > 0;
}

static void swap(struct query_kept *a, struct query_kept *b)
{
    struct query_kept c = *a;
    *a = *b;
    *b = c;
}

static void sift_up(struct query_kept *heap, size_t i)
{
    for (; i > 0 && is_above(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2) {
        swap(&heap[i], &heap[(i - 1) / 2]);
    }
}

static void sift_down(struct query_kept *heap, size_t n, size_t i)
{
    for (;;) {
        size_t highest = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++) {
            highest = is_above(&heap[child], &heap[highest]) ? child : highest;
        }
        if (highest == i) {
            return;
        }
        swap(&heap[i], &heap[highest]);
        i = highest;
    }
}

/* Room for one more; false for want of memory. */
static bool grow(struct query_part *part)
{
    size_t limit = query_filter_of(part->query)->limit;
    if (part->n < part->room) {
        return true;
    }
    size_t room = part->room > 0 ? 2 * part->room : 16;
    room = room < limit ? room : limit;
    struct query_kept *kept = realloc(part->kept, room * sizeof *kept);
    if (kept == NULL) {
        return false;
    }
    memset(kept + part->room, 0, (room - part->room) * sizeof *kept);
    part->kept = kept;
    part->room = room;
    return true;
}

static void add(struct query_part *part, const struct query_row *row)
{
    if (part->n == query_filter_of(part->query)->limit) {
        if (query_key_compare(&row->key, &part->kept[0].row.key) >= 0) {
            return;
        }
        part->lacked_memory = keep(&part->kept[0], row) != 0 || part->lacked_memory;
        sift_down(part->kept, part->n, 0);
        return;
    }
    if (!grow(part) || keep(&part->kept[part->n], row) != 0) {
        part->lacked_memory = true;
        return;
    }
    sift_up(part->kept, part->n++);
}

void query_part_visit(struct query_part *part, struct run *run, const struct pool_hooks *hooks, int64_t mono_ms, int64_t wall_ms)
{
    const struct query_filter *filter = query_filter_of(part->query);
    struct query_row row;
    fill_row(run, mono_ms, wall_ms, &row);
    if (row.phase >= METRIC_PHASE_N || !passes(filter, &row)) {
        return;
    }
    if (hooks->describe != NULL) {
        hooks->describe(run, &row, hooks->opaque);
    }
    if (filter->has_after && query_key_compare(&row.key, &filter->after) <= 0) {
        return;
    }
    part->matching++;
    add(part, &row);
}

/* From a heap to a row in order, the lowest first. */
void query_part_put_in_order(struct query_part *part)
{
    for (size_t n = part->n; n > 1; n--) {
        swap(&part->kept[0], &part->kept[n - 1]);
        sift_down(part->kept, n - 1, 0);
    }
}

void query_part_free(struct query_part *part)
{
    for (size_t i = 0; i < part->room; i++) {
        free(part->kept[i].text);
    }
    free(part->kept);
    free(part);
}
