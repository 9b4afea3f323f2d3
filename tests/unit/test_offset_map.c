#include "kafka/offset_map.h"
#include "support/check_main.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* As ck_assert, which is too slow (a write to a pipe each) for the millions of checks here. */
#define must(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg("%s", #condition);                                                                            \
    } while (0)

/* A window as plain bytes, and the same as ring bits that begin somewhere in the middle. */
struct window {
    size_t span;
    size_t room_bits;
    size_t first;
    bool *done;
    uint64_t *word;
};

static struct window window_new(size_t span, size_t first)
{
    struct window window = {.span = span, .room_bits = 64};
    while (window.room_bits < span)
        window.room_bits *= 2;
    window.first = first % window.room_bits;
    window.done = calloc(span + 1, sizeof *window.done);
    window.word = calloc(window.room_bits / 64, sizeof *window.word);
    ck_assert(window.done != NULL && window.word != NULL);
    return window;
}

static void window_free(struct window *window)
{
    free(window->done);
    free(window->word);
}

static void window_set(struct window *window, size_t i)
{
    size_t at = (window->first + i) % window->room_bits;
    window->done[i] = true;
    window->word[at / 64] |= UINT64_C(1) << at % 64;
}

static int window_write(const struct window *window, char out[OFFSET_MAP_TEXT_MAX + 1])
{
    struct offset_bits bits = {.word = window->word, .first = window->first, .room_bits = window->room_bits,
                               .span = window->span};
    return offset_map_write(&bits, out);
}

struct collected {
    bool *done;
    size_t span;
    int64_t last;
    size_t calls;
};

static void collect(int64_t i, int64_t n, void *opaque)
{
    struct collected *collected = opaque;
    must(n > 0);
    must(i > collected->last);
    must((size_t)(i + n) <= collected->span);
    for (int64_t k = i; k < i + n; k++)
        collected->done[k] = true;
    collected->last = i + n;
    collected->calls++;
}

static void assert_read_back(const struct window *window, const char *text, int bytes)
{
    struct collected collected = {.done = calloc(window->span + 1, sizeof(bool)), .span = window->span, .last = -1};
    ck_assert_int_eq((int)strlen(text), bytes);
    ck_assert_int_le(bytes, OFFSET_MAP_TEXT_MAX);
    ck_assert_int_eq(offset_map_read(text, (size_t)bytes, collect, &collected), 0);
    for (size_t i = 0; i < window->span; i++)
        must(collected.done[i] == window->done[i]);
    free(collected.done);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

START_TEST(nothing_done_is_the_empty_text)
{
    char text[OFFSET_MAP_TEXT_MAX + 1];
    struct window window = window_new(500, 13);
    ck_assert_int_eq(window_write(&window, text), 0);
    ck_assert_str_eq(text, "");
    window.span = 0;
    ck_assert_int_eq(window_write(&window, text), 0);
    window_free(&window);
}
END_TEST

START_TEST(one_slow_run_before_a_hundred_thousand_done_is_a_few_bytes)
{
    char text[OFFSET_MAP_TEXT_MAX + 1];
    struct window window = window_new(100001, 77);
    for (size_t i = 1; i < window.span; i++)
        window_set(&window, i);
    int bytes = window_write(&window, text);
    ck_assert_int_gt(bytes, 0);
    ck_assert_int_le(bytes, 8);
    assert_read_back(&window, text, bytes);
    window_free(&window);
}
END_TEST

/* The form is kept by other versions: it must not drift. */
START_TEST(the_text_of_a_known_map_stays_the_same)
{
    char text[OFFSET_MAP_TEXT_MAX + 1];
    struct window runs = window_new(1000, 0);
    for (size_t i = 300; i < 1000; i++)
        window_set(&runs, i);
    ck_assert_int_eq(window_write(&runs, text), 8);
    ck_assert_str_eq(text, "oQKsArwF");
    window_free(&runs);

    struct window bitmap = window_new(16, 0);
    for (size_t i = 1; i < 16; i += 2)
        window_set(&bitmap, i);
    ck_assert_int_eq(window_write(&bitmap, text), 8);
    ck_assert_str_eq(text, "oQGqqg==");
    window_free(&bitmap);
}
END_TEST

/* Rows: the patterns that are worst for one form or the other, over the whole safe span. */
START_TEST(every_pattern_over_the_safe_span_fits)
{
    static const size_t stride[] = {1, 2, 3, 5, 7, 64, 127, 128, 129, 255, 16384, 16385};
    char text[OFFSET_MAP_TEXT_MAX + 1];
    size_t n = stride[_i];
    for (int inverted = 0; inverted < 2; inverted++) {
        struct window window = window_new(OFFSET_MAP_SAFE_SPAN, n * 31);
        for (size_t i = 0; i < window.span; i++) {
            if ((i % n == 0) != (inverted == 1))
                window_set(&window, i);
        }
        int bytes = window_write(&window, text);
        ck_assert_int_ge(bytes, 0);
        assert_read_back(&window, text, bytes);
        window_free(&window);
    }
}
END_TEST

START_TEST(random_windows_come_back_as_they_were)
{
    char text[OFFSET_MAP_TEXT_MAX + 1];
    uint64_t state = 0x5eed + (uint64_t)_i;
    for (int round = 0; round < 60; round++) {
        struct window window = window_new(1 + next_random(&state) % OFFSET_MAP_SAFE_SPAN, next_random(&state));
        size_t mean = 1 + next_random(&state) % 300;
        bool done = false;
        for (size_t i = 0; i < window.span;) {
            size_t n = 1 + next_random(&state) % mean;
            for (; n > 0 && i < window.span; n--, i++) {
                if (done)
                    window_set(&window, i);
            }
            done = !done;
        }
        int bytes = window_write(&window, text);
        ck_assert_int_ge(bytes, 0);
        assert_read_back(&window, text, bytes);
        window_free(&window);
    }
}
END_TEST

START_TEST(what_fits_neither_form_is_refused)
{
    char text[OFFSET_MAP_TEXT_MAX + 1] = "x";
    struct window window = window_new(60000, 5);
    for (size_t i = 1; i < window.span; i += 2)
        window_set(&window, i);
    ck_assert_int_eq(window_write(&window, text), -1);
    ck_assert_str_eq(text, "");
    window_free(&window);
}
END_TEST

/* The exact limit: a map that fills the text to its last byte is written, one run more is not. */
START_TEST(the_run_form_may_fill_the_text_to_the_last_byte)
{
    char text[OFFSET_MAP_TEXT_MAX + 1];
    struct window window = window_new(200000, 9);
    for (size_t pair = 0; pair < 1535; pair++)
        window_set(&window, pair * 101 + 100);
    int bytes = window_write(&window, text);
    ck_assert_int_eq(bytes, OFFSET_MAP_TEXT_MAX);
    assert_read_back(&window, text, bytes);
    window_set(&window, 1536 * 101 + 100);
    ck_assert_int_eq(window_write(&window, text), -1);
    window_free(&window);
}
END_TEST

enum { ADVERSARIES = 6 };

/* The undone offsets of a window of `span`, at places that are meant to hurt. Always the first one, as in a tracker. */
static void place_undone(bool *undone, size_t span, size_t n, int adversary, uint64_t *state)
{
    size_t left = n - 1;
    undone[0] = true;
    for (size_t k = 1; left > 0 && k < 4 * span; k++) {
        size_t i = 0;
        switch (adversary) {
        case 0: i = k * 129; break;                  /* done runs of 128: two bytes each */
        case 1: i = k * 2; break;                    /* the shortest runs */
        case 2: i = next_random(state) % span; break;
        case 3: i = k * (span / n); break;           /* evenly */
        case 4: i = span - 1 - k * 130; break;       /* at the far end */
        default: i = k < n / 2 ? k : k * 17 % span; break;
        }
        if (i >= span)
            i = next_random(state) % span;
        if (!undone[i]) {
            undone[i] = true;
            left--;
        }
    }
}

/* Whenever offset_map_fits said yes, no order of completions may bring a window that does not fit. */
START_TEST(a_yes_holds_whatever_comes_to_be_done_next)
{
    char text[OFFSET_MAP_TEXT_MAX + 1];
    static const size_t spans[] = {24001, 24561, 30000, 65000, 131200, 300000, 2200000, OFFSET_MAP_SPAN_MAX};
    uint64_t state = 99 + (uint64_t)_i;
    size_t span = spans[_i];
    size_t most = 0;
    while (offset_map_fits(span, most + 1))
        most++;
    ck_assert_uint_gt(most, 600);
    for (int adversary = 0; adversary < ADVERSARIES; adversary++) {
        bool *undone = calloc(span, sizeof *undone);
        ck_assert_ptr_nonnull(undone);
        place_undone(undone, span, most, adversary, &state);
        struct window window = window_new(span, next_random(&state));
        for (size_t i = 0; i < span; i++) {
            if (!undone[i])
                window_set(&window, i);
        }
        ck_assert_int_ge(window_write(&window, text), 0);
        for (int step = 0; step < 15; step++) {
            for (int some = 0; some < 30; some++) {
                size_t from = next_random(&state) % span;
                for (size_t i = from; i < span && i < from + 200000; i++) {
                    if (!window.done[i]) {
                        window_set(&window, i);
                        break;
                    }
                }
            }
            ck_assert_int_ge(window_write(&window, text), 0);
        }
        window_free(&window);
        free(undone);
    }
}
END_TEST

START_TEST(fits_says_no_where_the_worst_pattern_would_not)
{
    ck_assert(offset_map_fits(OFFSET_MAP_SAFE_SPAN, OFFSET_MAP_SAFE_SPAN));
    ck_assert(!offset_map_fits(OFFSET_MAP_SAFE_SPAN + 1, OFFSET_MAP_SAFE_SPAN / 2));
    ck_assert(offset_map_fits(100001, 1));
    ck_assert(!offset_map_fits(100001, 1500));
    ck_assert(offset_map_fits(OFFSET_MAP_SPAN_MAX, 1));
    ck_assert(!offset_map_fits(OFFSET_MAP_SPAN_MAX + 1, 1));
    ck_assert(!offset_map_fits(SIZE_MAX, SIZE_MAX));
}
END_TEST

static void must_not_be_called(int64_t i, int64_t n, void *opaque)
{
    (void)opaque;
    ck_abort_msg("called with %ld, %ld", (long)i, (long)n);
}

START_TEST(texts_that_are_none_of_ours_are_refused_whole)
{
    static const char *const texts[] = {
        "a",
        "hello world!",
        "oQKsArw",           /* truncated base64 */
        "oQKs",              /* a lone run, not ended */
        "oQKsAg==",          /* not done, but no done run behind it */
        "oQI=",              /* no payload */
        "oQ==",
        "====",
        "oQKsAr=F",          /* padding inside */
        "oQKsArwF====",
        "oQI=rAK8BQ==",      /* padding inside, of what would be right without */
        "oQGqqh==",          /* bits under the padding */
        "oQGqAA==",          /* a bitmap that ends in nothing done */
        "oAKsArwF",          /* another version */
        "oQOsArwF",          /* another form */
        "oQL/////fwE=",      /* a run longer than a varint of ours */
        "oQIB////Bw==",      /* beyond the span that any map has */
        "oQIBAQAB",          /* an empty run in the middle */
        "oQIBAA==",          /* an empty done run */
        "oQKBAAE=",          /* a varint with a needless byte */
        "oQKs\nrwF",
        "{\"offset\": 12345, \"x\": 1}",
    };
    ck_assert_uint_lt((size_t)_i, sizeof texts / sizeof *texts);
    ck_assert_int_eq(offset_map_read(texts[_i], strlen(texts[_i]), must_not_be_called, NULL), -1);
}
END_TEST

static void count_calls(int64_t i, int64_t n, void *opaque)
{
    (void)i;
    (void)n;
    (*(size_t *)opaque)++;
}

START_TEST(a_text_longer_than_the_limit_is_refused)
{
    char text[OFFSET_MAP_TEXT_MAX + 8];
    size_t calls = 0;
    memcpy(text, "oQIB", 4);
    for (size_t i = 4; i < sizeof text; i += 4)
        memcpy(text + i, "AQEB", 4);
    ck_assert_int_eq(offset_map_read(text, OFFSET_MAP_TEXT_MAX, count_calls, &calls), 0);
    ck_assert_uint_eq(calls, (OFFSET_MAP_TEXT_MAX / 4 * 3 - 2) / 2);
    ck_assert_int_eq(offset_map_read(text, OFFSET_MAP_TEXT_MAX + 8, must_not_be_called, NULL), -1);
}
END_TEST

START_TEST(no_text_is_an_empty_map)
{
    ck_assert_int_eq(offset_map_read(NULL, 0, must_not_be_called, NULL), 0);
    ck_assert_int_eq(offset_map_read("", 0, must_not_be_called, NULL), 0);
}
END_TEST

START_TEST(damaged_texts_are_read_or_refused_but_never_beyond_the_limit)
{
    char text[OFFSET_MAP_TEXT_MAX + 1];
    uint64_t state = 4711;
    bool *done = calloc(OFFSET_MAP_SPAN_MAX + 1, sizeof *done);
    struct window window = window_new(3000, 3);
    ck_assert_ptr_nonnull(done);
    for (size_t i = 1; i < window.span; i += 1 + next_random(&state) % 90)
        window_set(&window, i);
    int bytes = window_write(&window, text);
    ck_assert_int_gt(bytes, 40);
    for (int round = 0; round < 1000; round++) {
        char damaged[OFFSET_MAP_TEXT_MAX + 1];
        memcpy(damaged, text, sizeof damaged);
        damaged[next_random(&state) % (size_t)bytes] = (char)next_random(&state);
        size_t cut = next_random(&state) % 3 == 0 ? next_random(&state) % (size_t)bytes : (size_t)bytes;
        struct collected collected = {.done = done, .span = OFFSET_MAP_SPAN_MAX, .last = -1};
        int got = offset_map_read(damaged, cut, collect, &collected);
        must(got == 0 || (got == -1 && collected.calls == 0));
    }
    free(done);
    window_free(&window);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("offset_map");
    TCase *tcase = tcase_create("offset_map");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, nothing_done_is_the_empty_text);
    tcase_add_test(tcase, one_slow_run_before_a_hundred_thousand_done_is_a_few_bytes);
    tcase_add_test(tcase, the_text_of_a_known_map_stays_the_same);
    tcase_add_loop_test(tcase, every_pattern_over_the_safe_span_fits, 0, 12);
    tcase_add_loop_test(tcase, random_windows_come_back_as_they_were, 0, 4);
    tcase_add_test(tcase, what_fits_neither_form_is_refused);
    tcase_add_test(tcase, the_run_form_may_fill_the_text_to_the_last_byte);
    tcase_add_loop_test(tcase, a_yes_holds_whatever_comes_to_be_done_next, 0, 8);
    tcase_add_test(tcase, fits_says_no_where_the_worst_pattern_would_not);
    tcase_add_loop_test(tcase, texts_that_are_none_of_ours_are_refused_whole, 0, 22);
    tcase_add_test(tcase, a_text_longer_than_the_limit_is_refused);
    tcase_add_test(tcase, no_text_is_an_empty_map);
    tcase_add_test(tcase, damaged_texts_are_read_or_refused_but_never_beyond_the_limit);
    suite_add_tcase(suite, tcase);
    return suite;
}
