#include "kafka/tracker.h"

#include <assert.h>
#include <stdlib.h>

/*      base              next              end
 *   ----|-----------------|-----------------|------
 *       undone: in flight   undone: not yet
 *                           read again
 *       done bits           done bits (by the commit's map)
 *
 * base is the frontier: in flight, or nothing is (base == next). What lies below it is done. From end on nothing is
 * known. Offsets are admitted in rising order, rewinds aside, so one between base and next that nobody saw is a gap
 * and has its bit set. */
enum { WORD_BITS = 64, FIRST_ROOM_BITS = 256 };

struct tracker {
    int64_t base; /* -1: not known before the first admission; next and end then too */
    int64_t next; /* one beyond the highest admitted */
    int64_t end;  /* one beyond the highest admitted or known as done; >= next */
    int64_t reached; /* [end, reached) is known to be a gap: where the frontier goes once nothing is in flight */
    uint64_t *word; /* offset o is bit o % 64 of word (o / 64) % room_words; zero outside [base, end) */
    size_t room_words;
    size_t in_flight; /* undone in [base, next) */
    size_t undone;    /* undone in [base, end) */
    bool dirty;
    bool map_was_bad;
};

/* A window never begins and ends in the same word from two sides: that keeps whole words apart when they move. */
static size_t room_for(size_t span)
{
    size_t words = FIRST_ROOM_BITS / WORD_BITS;
    while ((words - 1) * WORD_BITS < span)
        words *= 2;
    return words;
}

static uint64_t *word_of(const struct tracker *tracker, int64_t offset)
{
    return &tracker->word[(size_t)(offset / WORD_BITS) & (tracker->room_words - 1)];
}

static bool is_done(const struct tracker *tracker, int64_t offset)
{
    return (*word_of(tracker, offset) >> offset % WORD_BITS & 1) != 0;
}

/* Room for the window [base, end). 0, or -1 for want of memory. */
static int grow(struct tracker *tracker, int64_t end)
{
    size_t words = room_for((size_t)(end - tracker->base));
    if (words <= tracker->room_words)
        return 0;
    uint64_t *grown = calloc(words, sizeof *grown);
    if (grown == NULL)
        return -1;
    if (tracker->end > tracker->base) {
        for (int64_t w = tracker->base / WORD_BITS; w <= (tracker->end - 1) / WORD_BITS; w++)
            grown[(size_t)w & (words - 1)] = *word_of(tracker, w * WORD_BITS);
    }
    free(tracker->word);
    tracker->word = grown;
    tracker->room_words = words;
    return 0;
}

/* Sets or clears the bits of [from, to). Returns how many it changed. */
static size_t put_bits(struct tracker *tracker, int64_t from, int64_t to, bool done)
{
    size_t changed = 0;
    while (from < to) {
        int64_t in_word = WORD_BITS - from % WORD_BITS;
        int64_t n = to - from < in_word ? to - from : in_word;
        uint64_t mask = (n == WORD_BITS ? UINT64_MAX : (UINT64_C(1) << n) - 1) << from % WORD_BITS;
        uint64_t *word = word_of(tracker, from);
        uint64_t after = done ? *word | mask : *word & ~mask;
        changed += (size_t)__builtin_popcountll(*word ^ after);
        *word = after;
        from += n;
    }
    return changed;
}

/* Moves the frontier over what is done. */
static void advance(struct tracker *tracker)
{
    int64_t to = tracker->base;
    while (to < tracker->end) {
        uint64_t undone = ~*word_of(tracker, to) >> to % WORD_BITS;
        if (undone != 0) {
            to += __builtin_ctzll(undone);
            break;
        }
        to += WORD_BITS - to % WORD_BITS;
    }
    if (to > tracker->end)
        to = tracker->end;
    bool reaches = to == tracker->end && tracker->reached > to;
    if (to == tracker->base && !reaches)
        return;
    put_bits(tracker, tracker->base, to, false);
    tracker->base = reaches ? tracker->reached : to;
    if (reaches)
        tracker->end = tracker->reached;
    if (tracker->next < tracker->base)
        tracker->next = tracker->base;
    tracker->dirty = true;
}

struct loading {
    struct tracker *tracker;
    bool no_memory;
};

static void load_run(int64_t i, int64_t n, void *opaque)
{
    struct loading *loading = opaque;
    struct tracker *tracker = loading->tracker;
    int64_t from = tracker->base + i;
    if (loading->no_memory || grow(tracker, from + n) != 0) {
        loading->no_memory = true;
        return;
    }
    tracker->undone += (size_t)(from - tracker->end);
    put_bits(tracker, from, from + n, true);
    tracker->end = from + n;
}

struct tracker *tracker_new(int64_t committed, const char *map, size_t map_bytes)
{
    struct tracker *tracker = calloc(1, sizeof *tracker);
    struct loading loading = {.tracker = tracker};

    if (tracker == NULL)
        return NULL;
    tracker->base = tracker->next = tracker->end = committed < 0 ? -1 : committed;
    tracker->room_words = room_for(0);
    tracker->word = calloc(tracker->room_words, sizeof *tracker->word);
    if (tracker->word == NULL)
        goto out;
    if (committed >= 0) {
        tracker->map_was_bad = committed > INT64_MAX - OFFSET_MAP_SPAN_MAX ||
                               offset_map_read(map, map_bytes, load_run, &loading) != 0;
        if (loading.no_memory)
            goto out;
        advance(tracker);
    }
    return tracker;
out:
    tracker_free(tracker);
    return NULL;
}

void tracker_free(struct tracker *tracker)
{
    if (tracker == NULL)
        return;
    free(tracker->word);
    free(tracker);
}

bool tracker_map_was_bad(const struct tracker *tracker)
{
    return tracker->map_was_bad;
}

/* Whatever lies in [next, offset) does not exist: done. Within the known window, so no room is needed. */
static void pass_gap(struct tracker *tracker, int64_t offset)
{
    int64_t to = offset < tracker->end ? offset : tracker->end;
    size_t passed = put_bits(tracker, tracker->next, to, true);
    tracker->undone -= passed;
    tracker->dirty = tracker->dirty || passed > 0;
    tracker->next = to;
    if (tracker->in_flight == 0)
        advance(tracker);
    if (tracker->in_flight == 0 && tracker->base == tracker->end && tracker->base < offset) {
        tracker->base = tracker->next = tracker->end = offset;
        tracker->dirty = true;
    }
}

static enum tracker_admission admit_beyond(struct tracker *tracker, int64_t offset)
{
    assert(tracker->in_flight == 0 || offset >= tracker->base);
    if (tracker->in_flight > 0) {
        size_t span = (size_t)(offset - tracker->base) + 1;
        /* The undone ones not read again are passed by this admission: they do not count. */
        if (!offset_map_fits(span, tracker->in_flight + 1))
            return TRACKER_FULL;
        if (grow(tracker, offset + 1) != 0)
            return TRACKER_MEMORY;
    }
    pass_gap(tracker, offset);
    if (tracker->end < offset) {
        put_bits(tracker, tracker->end, offset, true);
        tracker->dirty = true;
    }
    tracker->next = tracker->end = offset + 1;
    tracker->in_flight++;
    tracker->undone++;
    return TRACKER_NEW;
}

enum tracker_admission tracker_admit(struct tracker *tracker, int64_t offset)
{
    assert(offset >= 0 && offset < INT64_MAX);
    if (tracker->base < 0)
        tracker->base = tracker->next = tracker->end = offset;
    if (offset < tracker->base)
        return TRACKER_DONE;
    if (offset < tracker->next)
        return is_done(tracker, offset) ? TRACKER_DONE : TRACKER_DUPLICATE;
    if (offset >= tracker->end)
        return admit_beyond(tracker, offset);

    /* Within what the map told: no new room, and no new undone one. */
    bool done = is_done(tracker, offset);
    pass_gap(tracker, offset);
    if (done && tracker->next <= offset)
        tracker->next = offset + 1;
    if (done)
        return TRACKER_DONE;
    tracker->next = offset + 1;
    tracker->in_flight++;
    return TRACKER_NEW;
}

void tracker_reach(struct tracker *tracker, int64_t offset)
{
    assert(offset >= 0 && offset < INT64_MAX);
    if (tracker->base < 0) {
        tracker->base = tracker->next = tracker->end = offset;
        tracker->dirty = offset > 0;
    }
    if (offset <= tracker->next)
        return;
    if (tracker->reached < offset)
        tracker->reached = offset;
    pass_gap(tracker, offset);
}

bool tracker_done(struct tracker *tracker, int64_t offset)
{
    if (offset < tracker->base || offset >= tracker->next || offset < 0 || is_done(tracker, offset))
        return false;
    put_bits(tracker, offset, offset + 1, true);
    tracker->in_flight--;
    tracker->undone--;
    tracker->dirty = true;
    if (offset == tracker->base)
        advance(tracker);
    return true;
}

bool tracker_is_done(const struct tracker *tracker, int64_t offset)
{
    if (offset < tracker->base)
        return true;
    return tracker->base >= 0 && (offset < tracker->end ? is_done(tracker, offset) : offset < tracker->reached);
}

bool tracker_is_full(const struct tracker *tracker)
{
    /* Where nothing is in flight, and for offsets that the map knows, there is always room. */
    return tracker->in_flight > 0 && tracker->next == tracker->end &&
           !offset_map_fits(tracker_span(tracker) + 1, tracker->in_flight + 1);
}

int64_t tracker_frontier(const struct tracker *tracker)
{
    return tracker->base;
}

int tracker_map(const struct tracker *tracker, char out[OFFSET_MAP_TEXT_MAX + 1], int64_t *end)
{
    size_t room_bits = tracker->room_words * WORD_BITS;
    struct offset_bits bits = {
        .word = tracker->word,
        .first = tracker->base < 0 ? 0 : (size_t)tracker->base & (room_bits - 1),
        .room_bits = room_bits,
        .span = tracker_span(tracker),
    };
    int bytes = offset_map_write(&bits, out);
    if (bytes < 0) {
        /* Only where another version wrote the map that this tracker began with: what is left out runs again. */
        bits.span = OFFSET_MAP_SAFE_SPAN;
        bytes = offset_map_write(&bits, out);
        assert(bytes >= 0);
    }
    if (end != NULL)
        *end = tracker->base + (int64_t)bits.span;
    return bytes;
}

bool tracker_is_dirty(const struct tracker *tracker)
{
    return tracker->dirty;
}

void tracker_commit_taken(struct tracker *tracker)
{
    tracker->dirty = false;
}

void tracker_commit_failed(struct tracker *tracker)
{
    tracker->dirty = true;
}

size_t tracker_in_flight(const struct tracker *tracker)
{
    return tracker->in_flight;
}

size_t tracker_span(const struct tracker *tracker)
{
    return (size_t)(tracker->end - tracker->base);
}

size_t tracker_done_beyond(const struct tracker *tracker)
{
    return tracker_span(tracker) - tracker->undone;
}

size_t tracker_done_ahead(const struct tracker *tracker)
{
    return (size_t)(tracker->end - tracker->next) - (tracker->undone - tracker->in_flight);
}

static size_t count_undone(const struct tracker *tracker, int64_t from, int64_t to)
{
    size_t undone = (size_t)(to - from);
    while (from < to) {
        int64_t in_word = WORD_BITS - from % WORD_BITS;
        int64_t n = to - from < in_word ? to - from : in_word;
        uint64_t mask = (n == WORD_BITS ? UINT64_MAX : (UINT64_C(1) << n) - 1) << from % WORD_BITS;
        undone -= (size_t)__builtin_popcountll(*word_of(tracker, from) & mask);
        from += n;
    }
    return undone;
}

void tracker_cells(const struct tracker *tracker, uint8_t *cells, size_t n)
{
    int64_t taken = tracker->next - tracker->base;
    for (size_t i = 0; i < n; i++) {
        int64_t from = tracker->base + taken * (int64_t)i / (int64_t)n;
        int64_t to = tracker->base + taken * (int64_t)(i + 1) / (int64_t)n;
        if (to == from && taken > 0)
            to = from + 1;
        size_t undone = to > from ? count_undone(tracker, from, to) : 0;
        size_t share = undone > 0 ? undone * UINT8_MAX / (size_t)(to - from) : 0;
        cells[i] = undone > 0 && share == 0 ? 1 : (uint8_t)share;
    }
}
