#include "engine/query_part.h"

#include "base/clock.h"
#include "engine/awake.h"

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
    bool is_queued = run->line != 0 || (run->awake != NULL && run->awake->transfer != NULL);
    bool is_waiting = !is_queued && timer_is_set(&run->timer);
    bool has_deadline = run->cycle.deadline_ms != CLOCK_NEVER;
    struct run_peek peek;
    run_look(run, &peek);
    *row = (struct query_row){
        .key.started_at_ms = run->started_at_ms,
        .invocation_id = peek.invocation_id,
        .runtime_name = peek.runtime_name,
        .run_id = peek.run_id,
        .state = peek.state,
        .url = peek.kickoff_url,
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

/* What costs little comes first. */
static bool passes(const struct query_filter *filter, const struct run *run)
{
    int64_t started_at_ms = run->started_at_ms;
    if (run->phase >= METRIC_PHASE_N || (filter->phase >= 0 && filter->phase != (int)run->phase) ||
        started_at_ms >= filter->started_before_ms || (filter->has_after && started_at_ms < filter->after.started_at_ms)) {
        return false;
    }
    if (filter->runtime_name == NULL && filter->invocation_id == NULL) {
        return true;
    }
    struct run_peek peek;
    run_look(run, &peek);
    return is_same(filter->runtime_name, peek.runtime_name) && is_same(filter->invocation_id, peek.invocation_id);
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

static bool is_above(const struct query_part *part, size_t a, size_t b)
{
    const struct query_place *heap = part->heap;
    if (heap[a].started_at_ms != heap[b].started_at_ms) {
        return heap[a].started_at_ms > heap[b].started_at_ms;
    }
    return query_key_compare(&part->kept[heap[a].at].row.key, &part->kept[heap[b].at].row.key) > 0;
}

static void swap(struct query_place *a, struct query_place *b)
{
    struct query_place c = *a;
    *a = *b;
    *b = c;
}

static void sift_up(struct query_part *part, size_t i)
{
    for (; i > 0 && is_above(part, i, (i - 1) / 2); i = (i - 1) / 2) {
        swap(&part->heap[i], &part->heap[(i - 1) / 2]);
    }
}

/* n: the heap's places. */
static void sift_down(struct query_part *part, size_t n, size_t i)
{
    for (;;) {
        size_t highest = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++) {
            highest = is_above(part, child, highest) ? child : highest;
        }
        if (highest == i) {
            return;
        }
        swap(&part->heap[i], &part->heap[highest]);
        i = highest;
    }
}

/* Room for one more; false for want of memory. */
static bool grow(struct query_part *part)
{
    size_t limit = part->filter->limit;
    if (part->n < part->room) {
        return true;
    }
    size_t room = part->room > 0 ? 2 * part->room : 16;
    room = room < limit ? room : limit;
    struct query_place *heap = realloc(part->heap, room * sizeof *heap);
    part->heap = heap != NULL ? heap : part->heap;
    struct query_kept *kept = heap != NULL ? realloc(part->kept, room * sizeof *kept) : NULL;
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
    if (part->n == part->filter->limit) {
        struct query_kept *highest = &part->kept[part->heap[0].at];
        if (query_key_compare(&row->key, &highest->row.key) >= 0) {
            return;
        }
        part->lacked_memory = keep(highest, row) != 0 || part->lacked_memory;
        part->heap[0].started_at_ms = highest->row.key.started_at_ms;
        sift_down(part, part->n, 0);
        return;
    }
    if (!grow(part) || keep(&part->kept[part->n], row) != 0) {
        part->lacked_memory = true;
        return;
    }
    part->heap[part->n] = (struct query_place){.started_at_ms = row->key.started_at_ms, .at = (uint32_t)part->n};
    sift_up(part, part->n++);
}

void query_part_visit(struct query_part *part, struct run *run, const struct pool_hooks *hooks, int64_t mono_ms, int64_t wall_ms)
{
    const struct query_filter *filter = part->filter;
    if (!passes(filter, run)) {
        return;
    }
    bool may_be_before = filter->has_after && run->started_at_ms == filter->after.started_at_ms;
    if (!may_be_before && part->n == filter->limit && run->started_at_ms > part->heap[0].started_at_ms) {
        part->matching++;
        return;
    }
    struct query_row row;
    fill_row(run, mono_ms, wall_ms, &row);
    if (hooks->describe != NULL) {
        hooks->describe(run, &row, hooks->opaque);
    }
    if (may_be_before && query_key_compare(&row.key, &filter->after) <= 0) {
        return;
    }
    part->matching++;
    add(part, &row);
}

/* From a heap to a row in order, the lowest first. */
void query_part_put_in_order(struct query_part *part)
{
    for (size_t n = part->n; n > 1; n--) {
        swap(&part->heap[0], &part->heap[n - 1]);
        sift_down(part, n - 1, 0);
    }
}

void query_part_free(struct query_part *part)
{
    for (size_t i = 0; i < part->room; i++) {
        free(part->kept[i].text);
    }
    free(part->kept);
    free(part->heap);
    free(part);
}
