/* The metadata of a commit: what is read is written and read as the same; and any window that is written is read as it was. */
#include "fuzz/fuzz.h"

#include "kafka/offset_map.h"

#include <string.h>

/* Runs of done offsets, as they are read. */
struct runs {
    int64_t *first;
    int64_t *n;
    size_t count;
    size_t room;
};

static void collect(int64_t i, int64_t n, void *opaque)
{
    struct runs *runs = opaque;
    must(i >= 0 && n > 0 && i <= OFFSET_MAP_SPAN_MAX - n);
    must(runs->count == 0 || i > runs->first[runs->count - 1] + runs->n[runs->count - 1] - 1);
    if (runs->count == runs->room) {
        runs->room = 2 * runs->room + 64;
        runs->first = realloc(runs->first, runs->room * sizeof *runs->first);
        runs->n = realloc(runs->n, runs->room * sizeof *runs->n);
        must(runs->first != NULL && runs->n != NULL);
    }
    /* Two that touch are one. */
    if (runs->count > 0 && i == runs->first[runs->count - 1] + runs->n[runs->count - 1]) {
        runs->n[runs->count - 1] += n;
        return;
    }
    runs->first[runs->count] = i;
    runs->n[runs->count++] = n;
}

static void runs_free(struct runs *runs)
{
    free(runs->first);
    free(runs->n);
}

static void must_be_same(const struct runs *a, const struct runs *b)
{
    must(a->count == b->count);
    for (size_t i = 0; i < a->count; i++)
        must(a->first[i] == b->first[i] && a->n[i] == b->n[i]);
}

struct window {
    uint64_t *word;
    struct offset_bits bits;
};

static struct window window_new(size_t span, size_t first)
{
    struct window window = {.bits = {.room_bits = 64, .span = span}};
    while (window.bits.room_bits < span)
        window.bits.room_bits *= 2;
    window.bits.first = first % window.bits.room_bits;
    window.word = calloc(window.bits.room_bits / 64, sizeof *window.word);
    must(window.word != NULL);
    window.bits.word = window.word;
    return window;
}

static void window_set(struct window *window, size_t i, size_t n)
{
    for (size_t end = i + n; i < end;) {
        size_t at = (window->bits.first + i) & (window->bits.room_bits - 1);
        bool whole = at % 64 == 0 && end - i >= 64;
        window->word[at / 64] |= whole ? UINT64_MAX : UINT64_C(1) << at % 64;
        i += whole ? 64 : 1;
    }
}

/* Written and read; its length, -1 where it does not fit. */
static int must_round_trip(struct window *window, const struct runs *wanted)
{
    char text[OFFSET_MAP_TEXT_MAX + 1];
    struct runs again = {0};
    int bytes = offset_map_write(&window->bits, text);
    must(bytes <= OFFSET_MAP_TEXT_MAX && (bytes >= 0 ? strlen(text) == (size_t)bytes : text[0] == '\0'));
    if (bytes >= 0) {
        must(offset_map_read(text, (size_t)bytes, collect, &again) == 0);
        must_be_same(wanted, &again);
    }
    runs_free(&again);
    free(window->word);
    return bytes;
}

/* The input as it came from Kafka. */
static void read_it(const char *text, size_t bytes)
{
    struct runs runs = {0};
    if (offset_map_read(text, bytes, collect, &runs) != 0) {
        must(runs.count == 0);
        runs_free(&runs);
        return;
    }
    size_t last = runs.count > 0 ? runs.count - 1 : 0;
    size_t span = runs.count > 0 ? (size_t)(runs.first[last] + runs.n[last]) : 0;
    struct window window = window_new(span, 17);
    for (size_t k = 0; k < runs.count; k++)
        window_set(&window, (size_t)runs.first[k], (size_t)runs.n[k]);
    /* What fitted once fits again: a writer takes the smaller form. */
    int again = must_round_trip(&window, &runs);
    must(bytes > OFFSET_MAP_TEXT_MAX || (again >= 0 && (size_t)again <= bytes));
    runs_free(&runs);
}

/* The input as a window: its first bytes where that begins in the ring, then alternately how many are not done and done. */
static void write_it(const uint8_t *data, size_t bytes)
{
    if (bytes < 2)
        return;
    size_t first = data[0] * 7u;
    bool wide = (data[1] & 1) != 0;
    struct runs runs = {0};
    size_t span = 0;
    size_t undone = 0;
    for (size_t k = 2; k < bytes && span < 200000; k++) {
        size_t n = wide ? (size_t)data[k] * 16 : data[k] % 8;
        if (k % 2 == 1 && n > 0)
            collect((int64_t)span, (int64_t)n, &runs);
        else
            undone += n;
        span += n;
    }
    struct window window = window_new(span, first);
    for (size_t k = 0; k < runs.count; k++)
        window_set(&window, (size_t)runs.first[k], (size_t)runs.n[k]);
    int written = must_round_trip(&window, &runs);
    must(written >= 0 || !offset_map_fits(span, undone));
    must(written >= 0 || span > OFFSET_MAP_SAFE_SPAN);
    runs_free(&runs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_part part = {(const char *)data, bytes};
    if (bytes > 0 && data[bytes - 1] == '\n')
        part.bytes--; /* an editor's */
    char *text = fuzz_bytes(part);
    read_it(text, part.bytes);
    free(text);
    write_it(data, bytes);
    return 0;
}
