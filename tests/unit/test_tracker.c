#include "kafka/tracker.h"
#include "support/check_main.h"

#include <stdlib.h>
#include <string.h>

/* As ck_assert, which is too slow (a write to a pipe each) for the millions of checks here. */
#define must(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg("%s", #condition);                                                                            \
    } while (0)

static struct tracker *fresh(int64_t committed)
{
    struct tracker *tracker = tracker_new(committed, NULL, 0);
    ck_assert_ptr_nonnull(tracker);
    return tracker;
}

/* As a restart sees it: the committed offset and its metadata. */
static struct tracker *restarted(const struct tracker *tracker)
{
    char map[OFFSET_MAP_TEXT_MAX + 1];
    int bytes = tracker_map(tracker, map, NULL);
    struct tracker *heir = tracker_new(tracker_frontier(tracker), map, (size_t)bytes);
    ck_assert_ptr_nonnull(heir);
    ck_assert(!tracker_map_was_bad(heir));
    return heir;
}

START_TEST(the_frontier_is_the_lowest_incomplete_offset)
{
    struct tracker *tracker = fresh(100);
    for (int64_t offset = 100; offset < 105; offset++)
        ck_assert_int_eq(tracker_admit(tracker, offset), TRACKER_NEW);
    ck_assert(tracker_done(tracker, 103));
    ck_assert(tracker_done(tracker, 101));
    ck_assert_int_eq(tracker_frontier(tracker), 100);
    ck_assert_uint_eq(tracker_done_beyond(tracker), 2);
    ck_assert(tracker_done(tracker, 100));
    ck_assert_int_eq(tracker_frontier(tracker), 102);
    ck_assert_uint_eq(tracker_in_flight(tracker), 2);
    ck_assert_uint_eq(tracker_span(tracker), 3);
    ck_assert(tracker_done(tracker, 102));
    ck_assert(tracker_done(tracker, 104));
    ck_assert_int_eq(tracker_frontier(tracker), 105);
    ck_assert_uint_eq(tracker_span(tracker), 0);
    tracker_free(tracker);
}
END_TEST

START_TEST(without_a_committed_offset_the_first_admitted_one_is_the_start)
{
    struct tracker *tracker = fresh(-1);
    ck_assert_int_eq(tracker_frontier(tracker), -1);
    ck_assert(!tracker_done(tracker, 0));
    ck_assert_uint_eq(tracker_span(tracker), 0);
    ck_assert_int_eq(tracker_admit(tracker, 42), TRACKER_NEW);
    ck_assert_int_eq(tracker_frontier(tracker), 42);
    ck_assert(tracker_done(tracker, 42));
    ck_assert_int_eq(tracker_frontier(tracker), 43);
    tracker_free(tracker);
}
END_TEST

START_TEST(gaps_count_as_done_once_a_later_offset_is_admitted)
{
    struct tracker *tracker = fresh(0);
    ck_assert_int_eq(tracker_admit(tracker, 0), TRACKER_NEW);
    ck_assert_int_eq(tracker_admit(tracker, 5), TRACKER_NEW);
    ck_assert_int_eq(tracker_admit(tracker, 9), TRACKER_NEW);
    ck_assert_uint_eq(tracker_in_flight(tracker), 3);
    ck_assert(!tracker_done(tracker, 3));
    ck_assert(tracker_done(tracker, 0));
    ck_assert_int_eq(tracker_frontier(tracker), 5);
    ck_assert(tracker_done(tracker, 5));
    ck_assert(tracker_done(tracker, 9));
    ck_assert_int_eq(tracker_frontier(tracker), 10);
    ck_assert_int_eq(tracker_admit(tracker, 1000000000), TRACKER_NEW);
    ck_assert_int_eq(tracker_frontier(tracker), 1000000000);
    tracker_free(tracker);
}
END_TEST

START_TEST(a_first_message_far_above_the_committed_offset_moves_the_frontier_there)
{
    struct tracker *tracker = fresh(100);
    ck_assert(!tracker_is_dirty(tracker));
    ck_assert_int_eq(tracker_admit(tracker, INT64_C(1) << 40), TRACKER_NEW);
    ck_assert_int_eq(tracker_frontier(tracker), INT64_C(1) << 40);
    ck_assert(tracker_is_dirty(tracker));
    tracker_free(tracker);
}
END_TEST

START_TEST(an_offset_below_the_frontier_was_done)
{
    struct tracker *tracker = fresh(100);
    ck_assert_int_eq(tracker_admit(tracker, 99), TRACKER_DONE);
    ck_assert_int_eq(tracker_frontier(tracker), 100);
    ck_assert_uint_eq(tracker_in_flight(tracker), 0);
    ck_assert(!tracker_done(tracker, 99));
    tracker_free(tracker);
}
END_TEST

START_TEST(a_rewind_finds_duplicates_and_done_ones)
{
    struct tracker *tracker = fresh(0);
    for (int64_t offset = 0; offset < 4; offset++)
        ck_assert_int_eq(tracker_admit(tracker, offset), TRACKER_NEW);
    ck_assert(tracker_done(tracker, 0));
    ck_assert(tracker_done(tracker, 2));
    ck_assert(!tracker_done(tracker, 2));
    ck_assert_int_eq(tracker_admit(tracker, 0), TRACKER_DONE);
    ck_assert_int_eq(tracker_admit(tracker, 1), TRACKER_DUPLICATE);
    ck_assert_int_eq(tracker_admit(tracker, 2), TRACKER_DONE);
    ck_assert_int_eq(tracker_admit(tracker, 3), TRACKER_DUPLICATE);
    ck_assert_int_eq(tracker_admit(tracker, 4), TRACKER_NEW);
    ck_assert_uint_eq(tracker_in_flight(tracker), 3);
    tracker_free(tracker);
}
END_TEST

START_TEST(a_restart_skips_what_the_map_says_is_done)
{
    struct tracker *tracker = fresh(0);
    for (int64_t offset = 0; offset < 10; offset++)
        ck_assert_int_eq(tracker_admit(tracker, offset), TRACKER_NEW);
    for (int64_t offset = 3; offset < 8; offset++)
        ck_assert(tracker_done(tracker, offset));
    struct tracker *heir = restarted(tracker);
    ck_assert_int_eq(tracker_frontier(heir), 0);
    ck_assert(!tracker_is_dirty(heir));
    ck_assert_uint_eq(tracker_in_flight(heir), 0);
    ck_assert_uint_eq(tracker_done_beyond(heir), 5);
    ck_assert(!tracker_done(heir, 0)); /* not read again yet, so not in flight */
    for (int64_t offset = 0; offset < 12; offset++) {
        bool was_done = offset >= 3 && offset < 8;
        ck_assert_int_eq(tracker_admit(heir, offset), was_done ? TRACKER_DONE : TRACKER_NEW);
    }
    ck_assert(tracker_done(heir, 0) && tracker_done(heir, 1) && tracker_done(heir, 2));
    ck_assert_int_eq(tracker_frontier(heir), 8);
    tracker_free(heir);
    tracker_free(tracker);
}
END_TEST

START_TEST(the_frontier_jumps_over_done_ones_that_were_not_read_again)
{
    struct tracker *tracker = fresh(0);
    for (int64_t offset = 0; offset < 6; offset++)
        ck_assert_int_eq(tracker_admit(tracker, offset), TRACKER_NEW);
    for (int64_t offset = 1; offset < 5; offset++)
        ck_assert(tracker_done(tracker, offset));
    struct tracker *heir = restarted(tracker);
    ck_assert_int_eq(tracker_admit(heir, 0), TRACKER_NEW);
    ck_assert(tracker_done(heir, 0));
    ck_assert_int_eq(tracker_frontier(heir), 5);
    ck_assert_int_eq(tracker_admit(heir, 1), TRACKER_DONE);
    ck_assert_int_eq(tracker_admit(heir, 4), TRACKER_DONE);
    ck_assert_int_eq(tracker_admit(heir, 5), TRACKER_NEW);
    ck_assert_uint_eq(tracker_in_flight(heir), 1);
    tracker_free(heir);
    tracker_free(tracker);
}
END_TEST

START_TEST(offsets_that_vanished_under_the_map_are_passed)
{
    struct tracker *tracker = fresh(0);
    for (int64_t offset = 0; offset < 400; offset++)
        ck_assert_int_eq(tracker_admit(tracker, offset), TRACKER_NEW);
    for (int64_t offset = 100; offset < 200; offset++)
        ck_assert(tracker_done(tracker, offset));
    ck_assert(tracker_done(tracker, 300));
    struct tracker *heir = restarted(tracker);
    ck_assert_int_eq(tracker_admit(heir, 150), TRACKER_DONE);
    ck_assert_int_eq(tracker_frontier(heir), 200);
    ck_assert_uint_eq(tracker_done_beyond(heir), 1);
    ck_assert_int_eq(tracker_admit(heir, 250), TRACKER_NEW);
    ck_assert_int_eq(tracker_frontier(heir), 250);
    ck_assert_int_eq(tracker_admit(heir, 310), TRACKER_NEW);
    ck_assert_uint_eq(tracker_done_beyond(heir), 59);
    ck_assert(tracker_done(heir, 250));
    ck_assert_int_eq(tracker_frontier(heir), 310);
    ck_assert_uint_eq(tracker_in_flight(heir), 1);
    tracker_free(heir);
    tracker_free(tracker);
}
END_TEST

START_TEST(metadata_that_cannot_be_read_counts_as_nothing_done)
{
    static const char *const maps[] = {"garbage", "oQKsArw", "oAKsArwF", "oQL/////fwE=", "oQIB////Bw=="};
    struct tracker *tracker = tracker_new(7, maps[_i], strlen(maps[_i]));
    ck_assert_ptr_nonnull(tracker);
    ck_assert(tracker_map_was_bad(tracker));
    ck_assert_int_eq(tracker_frontier(tracker), 7);
    ck_assert_uint_eq(tracker_span(tracker), 0);
    ck_assert_int_eq(tracker_admit(tracker, 7), TRACKER_NEW);
    tracker_free(tracker);
}
END_TEST

START_TEST(a_map_beyond_the_last_possible_offset_counts_as_nothing_done)
{
    struct tracker *tracker = tracker_new(INT64_MAX - 5, "oQKsArwF", 8);
    ck_assert_ptr_nonnull(tracker);
    ck_assert(tracker_map_was_bad(tracker));
    ck_assert_uint_eq(tracker_span(tracker), 0);
    tracker_free(tracker);
}
END_TEST

START_TEST(a_hundred_thousand_done_behind_one_slow_run_do_not_fill_it)
{
    char map[OFFSET_MAP_TEXT_MAX + 1];
    struct tracker *tracker = fresh(5);
    for (int64_t offset = 5; offset <= 100005; offset++) {
        must(tracker_admit(tracker, offset) == TRACKER_NEW);
        if (offset > 5)
            must(tracker_done(tracker, offset));
        must(!tracker_is_full(tracker));
    }
    ck_assert_int_eq(tracker_map(tracker, map, NULL), 8);
    ck_assert(tracker_done(tracker, 5));
    ck_assert_int_eq(tracker_frontier(tracker), 100006);
    tracker_free(tracker);
}
END_TEST

START_TEST(a_window_of_the_safe_span_is_full_and_says_so_beforehand)
{
    char map[OFFSET_MAP_TEXT_MAX + 1];
    struct tracker *tracker = fresh(0);
    int64_t offset = 0;
    while (!tracker_is_full(tracker))
        must(tracker_admit(tracker, offset++) == TRACKER_NEW);
    ck_assert_int_eq(offset, OFFSET_MAP_SAFE_SPAN);
    ck_assert_int_eq(tracker_admit(tracker, offset), TRACKER_FULL);
    ck_assert_uint_eq(tracker_in_flight(tracker), OFFSET_MAP_SAFE_SPAN);
    for (int64_t i = 1; i < offset; i += 2)
        must(tracker_done(tracker, i));
    ck_assert_int_gt(tracker_map(tracker, map, NULL), 0);
    ck_assert(tracker_is_full(tracker));
    ck_assert(tracker_done(tracker, 0));
    ck_assert(!tracker_is_full(tracker));
    ck_assert_int_eq(tracker_admit(tracker, offset), TRACKER_NEW);
    tracker_free(tracker);
}
END_TEST

START_TEST(a_gap_too_wide_for_the_window_waits_for_what_is_in_flight)
{
    struct tracker *tracker = fresh(0);
    int64_t far = INT64_C(1) << 30;
    ck_assert_int_eq(tracker_admit(tracker, 0), TRACKER_NEW);
    ck_assert(!tracker_is_full(tracker));
    ck_assert_int_eq(tracker_admit(tracker, far), TRACKER_FULL);
    ck_assert_int_eq(tracker_frontier(tracker), 0);
    ck_assert(tracker_done(tracker, 0));
    ck_assert_int_eq(tracker_frontier(tracker), 1);
    ck_assert_int_eq(tracker_admit(tracker, far), TRACKER_NEW);
    ck_assert_int_eq(tracker_frontier(tracker), far);
    tracker_free(tracker);
}
END_TEST

START_TEST(the_window_reaches_its_cap_and_no_further)
{
    struct tracker *tracker = fresh(3);
    ck_assert_int_eq(tracker_admit(tracker, 3), TRACKER_NEW);
    ck_assert_int_eq(tracker_admit(tracker, 3 + OFFSET_MAP_SPAN_MAX), TRACKER_FULL);
    ck_assert_int_eq(tracker_admit(tracker, 3 + OFFSET_MAP_SPAN_MAX - 1), TRACKER_NEW);
    ck_assert(tracker_is_full(tracker));
    struct tracker *heir = restarted(tracker);
    ck_assert_uint_eq(tracker_span(heir), OFFSET_MAP_SPAN_MAX - 1);
    ck_assert(!tracker_is_full(heir));
    tracker_free(heir);
    tracker_free(tracker);
}
END_TEST

/* Another version may write maps that this one's bound would not have let come about. They must neither pause the
 * partition for good nor break a commit. */
START_TEST(a_foreign_map_at_the_limit_neither_stalls_nor_breaks_a_commit)
{
    char map[OFFSET_MAP_TEXT_MAX + 1];
    enum { SPAN = 200000, ROOM = 1 << 18 };
    uint64_t *word = calloc(ROOM / 64, sizeof *word);
    ck_assert_ptr_nonnull(word);
    size_t last = 0;
    for (size_t pair = 0; pair < 1500; pair++) { /* long done runs behind single undone ones */
        for (size_t i = pair * 120 + 1; i < pair * 120 + 120; i++)
            word[i / 64] |= UINT64_C(1) << i % 64;
        last = pair * 120 + 119;
    }
    for (size_t i = last + 20; i < SPAN; i++)
        word[i / 64] |= UINT64_C(1) << i % 64;
    struct offset_bits bits = {.word = word, .first = 0, .room_bits = ROOM, .span = SPAN};
    int bytes = offset_map_write(&bits, map);
    ck_assert_int_gt(bytes, 0);
    struct tracker *tracker = tracker_new(0, map, (size_t)bytes);
    ck_assert_ptr_nonnull(tracker);
    for (int64_t offset = 0; offset < SPAN; offset++) {
        must(!tracker_is_full(tracker) || offset >= SPAN - 1);
        bool undone = offset >= (int64_t)last + 1 ? offset < (int64_t)last + 20 : offset % 120 == 0;
        must(tracker_admit(tracker, offset) == (undone ? TRACKER_NEW : TRACKER_DONE));
    }
    ck_assert(tracker_is_full(tracker));
    for (int64_t offset = (int64_t)last + 1; offset < (int64_t)last + 20; offset += 2)
        ck_assert(tracker_done(tracker, offset));
    int64_t end = 0;
    bytes = tracker_map(tracker, map, &end);
    ck_assert_int_ge(bytes, 0);
    /* Who reads it knows what is done below *end. */
    ck_assert_int_le(end, SPAN);
    struct tracker *heir = tracker_new(tracker_frontier(tracker), map, (size_t)bytes);
    ck_assert_ptr_nonnull(heir);
    for (int64_t offset = 0; offset < SPAN; offset++)
        must(tracker_is_done(heir, offset) == (offset < end && tracker_is_done(tracker, offset)));
    tracker_free(heir);
    tracker_free(tracker);
    free(word);
}
END_TEST

START_TEST(it_knows_what_is_done)
{
    struct tracker *tracker = fresh(-1);
    ck_assert(!tracker_is_done(tracker, 0));
    for (int64_t offset = 10; offset < 20; offset++)
        tracker_admit(tracker, offset);
    ck_assert(tracker_is_done(tracker, 9));
    ck_assert(!tracker_is_done(tracker, 10));
    tracker_done(tracker, 12);
    ck_assert(tracker_is_done(tracker, 12));
    ck_assert(!tracker_is_done(tracker, 11));
    ck_assert(!tracker_is_done(tracker, 13));
    tracker_done(tracker, 10);
    ck_assert(tracker_is_done(tracker, 10));
    ck_assert(!tracker_is_done(tracker, 20));
    ck_assert(!tracker_is_done(tracker, 1000)); /* the ring knows nothing of it */
    tracker_admit(tracker, 25);
    ck_assert(tracker_is_done(tracker, 24));
    ck_assert(!tracker_is_done(tracker, 25));
    tracker_reach(tracker, 30);
    ck_assert(tracker_is_done(tracker, 29));
    ck_assert(!tracker_is_done(tracker, 30));
    struct tracker *heir = restarted(tracker);
    ck_assert(tracker_is_done(heir, 12));
    ck_assert(tracker_is_done(heir, 22));
    ck_assert(!tracker_is_done(heir, 25));
    tracker_free(heir);
    tracker_free(tracker);
}
END_TEST

START_TEST(it_is_dirty_from_a_change_until_the_commit_and_again_when_that_fails)
{
    struct tracker *tracker = fresh(0);
    ck_assert(!tracker_is_dirty(tracker));
    tracker_admit(tracker, 0);
    tracker_admit(tracker, 1);
    ck_assert(!tracker_is_dirty(tracker));
    tracker_done(tracker, 1);
    ck_assert(tracker_is_dirty(tracker));
    tracker_commit_taken(tracker);
    ck_assert(!tracker_is_dirty(tracker));
    tracker_done(tracker, 1);
    tracker_admit(tracker, 0);
    ck_assert(!tracker_is_dirty(tracker));
    tracker_commit_failed(tracker);
    ck_assert(tracker_is_dirty(tracker));
    tracker_free(tracker);
}
END_TEST

START_TEST(a_reached_end_passes_what_follows_the_last_message)
{
    struct tracker *tracker = fresh(0);
    ck_assert_int_eq(tracker_admit(tracker, 0), TRACKER_NEW);
    ck_assert_int_eq(tracker_admit(tracker, 1), TRACKER_NEW);
    tracker_reach(tracker, 7);
    ck_assert_uint_eq(tracker_in_flight(tracker), 2);
    ck_assert(tracker_done(tracker, 1));
    ck_assert_int_eq(tracker_frontier(tracker), 0);
    ck_assert(!tracker_done(tracker, 5));
    tracker_commit_taken(tracker);
    ck_assert(tracker_done(tracker, 0));
    ck_assert_int_eq(tracker_frontier(tracker), 7);
    ck_assert(tracker_is_dirty(tracker));
    /* With nothing in flight at once. */
    tracker_reach(tracker, 9);
    ck_assert_int_eq(tracker_frontier(tracker), 9);
    tracker_commit_taken(tracker);
    tracker_reach(tracker, 9);
    tracker_reach(tracker, 3);
    ck_assert(!tracker_is_dirty(tracker));
    ck_assert_int_eq(tracker_admit(tracker, 8), TRACKER_DONE);
    ck_assert_int_eq(tracker_admit(tracker, 9), TRACKER_NEW);
    ck_assert_int_eq(tracker_admit(tracker, 12), TRACKER_NEW);
    ck_assert(tracker_done(tracker, 9));
    ck_assert_int_eq(tracker_frontier(tracker), 12);
    tracker_free(tracker);
}
END_TEST

START_TEST(a_message_after_a_reached_end_keeps_the_frontier)
{
    struct tracker *tracker = fresh(0);
    ck_assert_int_eq(tracker_admit(tracker, 0), TRACKER_NEW);
    tracker_reach(tracker, 100);
    ck_assert_int_eq(tracker_admit(tracker, 100), TRACKER_NEW);
    ck_assert(tracker_done(tracker, 0));
    ck_assert_int_eq(tracker_frontier(tracker), 100);
    ck_assert(tracker_done(tracker, 100));
    ck_assert_int_eq(tracker_frontier(tracker), 101);
    tracker_free(tracker);
}
END_TEST

START_TEST(without_a_commit_a_reached_end_is_the_start)
{
    struct tracker *tracker = fresh(-1);
    tracker_reach(tracker, 0); /* an empty log: nothing to commit */
    ck_assert(!tracker_is_dirty(tracker));
    ck_assert_int_eq(tracker_frontier(tracker), 0);
    tracker_free(tracker);
    tracker = fresh(-1);
    tracker_reach(tracker, 40); /* nothing but markers */
    ck_assert(tracker_is_dirty(tracker));
    ck_assert_int_eq(tracker_frontier(tracker), 40);
    tracker_free(tracker);
}
END_TEST

START_TEST(a_reached_end_passes_what_the_map_says_is_open)
{
    struct tracker *first = fresh(0);
    for (int64_t offset = 0; offset < 10; offset++)
        ck_assert_int_eq(tracker_admit(first, offset), TRACKER_NEW);
    for (int64_t offset = 5; offset < 8; offset++)
        ck_assert(tracker_done(first, offset));
    ck_assert(tracker_done(first, 9));
    struct tracker *tracker = restarted(first);
    ck_assert_int_eq(tracker_admit(tracker, 2), TRACKER_NEW);
    tracker_reach(tracker, 6);
    ck_assert_int_eq(tracker_frontier(tracker), 2);
    ck_assert(tracker_done(tracker, 2));
    ck_assert_int_eq(tracker_frontier(tracker), 8);
    tracker_reach(tracker, 11);
    ck_assert_int_eq(tracker_frontier(tracker), 11);
    ck_assert_uint_eq(tracker_span(tracker), 0);
    tracker_free(tracker);
    tracker_free(first);
}
END_TEST

/* --- against a naive model --- */

enum { OFFSETS = 60000 };
enum fate { UNSEEN, FLYING, FINISHED, ABSENT };

struct model {
    unsigned char fate[OFFSETS];    /* what this process knows */
    unsigned char ended[OFFSETS];   /* was ever done, by whichever process */
    unsigned char covered[OFFSETS]; /* done, or known as a gap, in the commit that counts */
    int64_t next;                   /* the reader's position */
    int64_t highest;                /* the highest admitted of this process */
    int64_t frontier;               /* of this process; a floor until model_frontier looks again */
    int64_t committed;
    size_t n_flying;
    uint64_t state;
    char map[OFFSET_MAP_TEXT_MAX + 1];
    int map_bytes;
};

static uint64_t pick(struct model *model, uint64_t n)
{
    model->state = model->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (model->state >> 33) % n;
}

static int64_t model_frontier(struct model *model)
{
    int64_t at = model->frontier;
    while (at < OFFSETS && (model->fate[at] == FINISHED ||
                            (model->fate[at] == ABSENT && (at < model->highest || model->covered[at]))))
        at++;
    model->frontier = at;
    return at;
}

static void read_next(struct model *model, struct tracker *tracker)
{
    while (model->next < OFFSETS && model->fate[model->next] == ABSENT)
        model->next++;
    if (model->next >= OFFSETS)
        return;
    int64_t offset = model->next;
    bool warned = tracker_is_full(tracker);
    switch (tracker_admit(tracker, offset)) {
    case TRACKER_NEW:
        must(!warned);
        must(model->fate[offset] == UNSEEN);
        model->fate[offset] = FLYING;
        model->n_flying++;
        break;
    case TRACKER_DONE:
        must(model->fate[offset] == FINISHED);
        break;
    case TRACKER_DUPLICATE:
        must(model->fate[offset] == FLYING);
        break;
    case TRACKER_FULL:
        must(model->n_flying > 0);
        return;
    case TRACKER_MEMORY:
        ck_abort();
    }
    if (offset > model->highest)
        model->highest = offset;
    model->next++;
}

static void finish_one(struct model *model, struct tracker *tracker)
{
    int64_t from = model_frontier(model);
    if (model->n_flying == 0)
        return;
    int64_t offset = from + (int64_t)pick(model, (uint64_t)(model->highest - from + 1));
    while (model->fate[offset] != FLYING)
        offset = offset >= model->highest ? from : offset + 1;
    if (offset == from && pick(model, 50) != 0) /* the first one is slow */
        return;
    must(!model->covered[offset]);
    must(tracker_done(tracker, offset));
    must(!tracker_done(tracker, offset));
    model->fate[offset] = FINISHED;
    model->ended[offset] = 1;
    model->n_flying--;
}

static void commit(struct model *model, struct tracker *tracker)
{
    must(tracker_frontier(tracker) >= model->committed);
    model->committed = tracker_frontier(tracker);
    model->map_bytes = tracker_map(tracker, model->map, NULL);
    tracker_commit_taken(tracker);
    for (int64_t i = 0; i <= model->highest; i++)
        model->covered[i] = model->covered[i] || model->fate[i] == FINISHED || model->fate[i] == ABSENT;
}

/* A crash: what the last commit does not cover is forgotten. */
static struct tracker *restart(struct model *model, struct tracker *tracker)
{
    tracker_free(tracker);
    struct tracker *heir = tracker_new(model->committed, model->map, (size_t)model->map_bytes);
    ck_assert_ptr_nonnull(heir);
    must(!tracker_map_was_bad(heir));
    for (int64_t i = 0; i < OFFSETS; i++) {
        if (model->fate[i] == FLYING || (model->fate[i] == FINISHED && !model->covered[i]))
            model->fate[i] = UNSEEN;
    }
    model->n_flying = 0;
    model->next = model->highest = model->frontier = model->committed;
    model->highest--;
    return heir;
}

static void assert_alike(struct model *model, const struct tracker *tracker)
{
    must(tracker_frontier(tracker) == model_frontier(model));
    must(tracker_in_flight(tracker) == model->n_flying);
}

START_TEST(it_does_what_a_naive_model_does)
{
    struct model *model = calloc(1, sizeof *model);
    ck_assert_ptr_nonnull(model);
    model->state = (uint64_t)_i * 7919 + 1;
    uint64_t absent_in = 2 + pick(model, 30);
    uint64_t readiness = 20 + pick(model, 60);
    for (int64_t i = 0; i < OFFSETS; i++)
        model->fate[i] = i > 0 && pick(model, absent_in) == 0 ? ABSENT : UNSEEN;
    model->highest = -1;

    struct tracker *tracker = fresh(0);
    for (int step = 0; step < 40000; step++) {
        uint64_t dice = pick(model, 10000);
        if (dice < 3) {
            tracker = restart(model, tracker);
        } else if (dice < 20) {
            commit(model, tracker);
        } else if (dice < 40) { /* a rewind, as after a pause */
            int64_t back = (int64_t)pick(model, 300);
            model->next = model->next - back < model->committed ? model->committed : model->next - back;
        } else if (dice < 100 * readiness) {
            read_next(model, tracker);
        } else {
            finish_one(model, tracker);
        }
        int64_t before = model->frontier;
        if (step % 8 == 0)
            assert_alike(model, tracker);
        must(model->frontier >= before);
    }
    for (int guard = 0; tracker_frontier(tracker) < OFFSETS - 100 && guard < 20 * OFFSETS; guard++) {
        read_next(model, tracker);
        finish_one(model, tracker);
    }
    assert_alike(model, tracker);
    must(tracker_frontier(tracker) >= OFFSETS - 100);
    for (int64_t i = 0; i < tracker_frontier(tracker); i++)
        must(model->fate[i] == ABSENT || model->ended[i]);
    tracker_free(tracker);
    free(model);
}
END_TEST

START_TEST(what_a_map_knows_of_offsets_that_have_not_come_is_counted)
{
    struct tracker *first = fresh(10);
    for (int64_t offset = 10; offset < 20; offset++)
        ck_assert_int_eq(tracker_admit(first, offset), TRACKER_NEW);
    for (int64_t offset = 13; offset < 19; offset++)
        ck_assert(tracker_done(first, offset));
    ck_assert_uint_eq(tracker_done_ahead(first), 0);
    struct tracker *tracker = restarted(first);
    ck_assert_uint_eq(tracker_done_ahead(tracker), 6);
    ck_assert_int_eq(tracker_admit(tracker, 10), TRACKER_NEW);
    ck_assert_uint_eq(tracker_done_ahead(tracker), 6);
    ck_assert_int_eq(tracker_admit(tracker, 15), TRACKER_DONE); /* 11 and 12 are gaps */
    ck_assert_uint_eq(tracker_done_ahead(tracker), 3);
    ck_assert_int_eq(tracker_admit(tracker, 19), TRACKER_NEW);
    ck_assert_uint_eq(tracker_done_ahead(tracker), 0);
    tracker_free(tracker);
    tracker_free(first);
}
END_TEST

/* As tracker_cells says it, offset by offset. */
static void expect_cells(const struct tracker *tracker, int64_t next, size_t n)
{
    uint8_t cells[64];
    int64_t base = tracker_frontier(tracker);
    tracker_cells(tracker, cells, n);
    for (size_t i = 0; i < n; i++) {
        int64_t from = base + (next - base) * (int64_t)i / (int64_t)n;
        int64_t to = base + (next - base) * ((int64_t)i + 1) / (int64_t)n;
        int64_t undone = 0;
        to = to == from && next > base ? from + 1 : to;
        for (int64_t offset = from; offset < to; offset++)
            undone += !tracker_is_done(tracker, offset);
        int64_t share = undone > 0 ? undone * 255 / (to - from) : 0;
        ck_assert_int_eq(cells[i], undone > 0 && share == 0 ? 1 : share);
    }
}

START_TEST(cells_show_where_in_the_window_runs_are_in_flight)
{
    uint8_t cells[4] = {9, 9, 9, 9};
    struct tracker *tracker = fresh(1000);
    tracker_cells(tracker, cells, 4);
    ck_assert_int_eq(cells[0] + cells[1] + cells[2] + cells[3], 0);
    ck_assert_int_eq(tracker_admit(tracker, 1000), TRACKER_NEW);
    tracker_cells(tracker, cells, 4); /* one offset fills all */
    ck_assert_int_eq(cells[0] + cells[1] + cells[2] + cells[3], 1020);
    for (int64_t offset = 1001; offset < 3000; offset++)
        ck_assert_int_eq(tracker_admit(tracker, offset), TRACKER_NEW);
    for (int64_t offset = 1001; offset < 2000; offset++)
        ck_assert(tracker_done(tracker, offset));
    for (int64_t offset = 2000; offset < 2500; offset += 2)
        ck_assert(tracker_done(tracker, offset));
    tracker_cells(tracker, cells, 4);
    ck_assert_int_eq(cells[0], 1); /* one of 500 */
    ck_assert_int_eq(cells[1], 0);
    ck_assert_int_eq(cells[2], 127);
    ck_assert_int_eq(cells[3], 255);
    for (size_t n = 1; n <= 64; n++)
        expect_cells(tracker, 3000, n);
    for (int64_t offset = 1000; offset < 2990; offset++)
        tracker_done(tracker, offset);
    for (size_t n = 1; n <= 64; n++)
        expect_cells(tracker, 3000, n);
    tracker_free(tracker);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("tracker");
    TCase *tcase = tcase_create("tracker");
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, the_frontier_is_the_lowest_incomplete_offset);
    tcase_add_test(tcase, without_a_committed_offset_the_first_admitted_one_is_the_start);
    tcase_add_test(tcase, gaps_count_as_done_once_a_later_offset_is_admitted);
    tcase_add_test(tcase, a_first_message_far_above_the_committed_offset_moves_the_frontier_there);
    tcase_add_test(tcase, an_offset_below_the_frontier_was_done);
    tcase_add_test(tcase, a_rewind_finds_duplicates_and_done_ones);
    tcase_add_test(tcase, a_restart_skips_what_the_map_says_is_done);
    tcase_add_test(tcase, the_frontier_jumps_over_done_ones_that_were_not_read_again);
    tcase_add_test(tcase, offsets_that_vanished_under_the_map_are_passed);
    tcase_add_loop_test(tcase, metadata_that_cannot_be_read_counts_as_nothing_done, 0, 5);
    tcase_add_test(tcase, a_map_beyond_the_last_possible_offset_counts_as_nothing_done);
    tcase_add_test(tcase, a_hundred_thousand_done_behind_one_slow_run_do_not_fill_it);
    tcase_add_test(tcase, a_window_of_the_safe_span_is_full_and_says_so_beforehand);
    tcase_add_test(tcase, a_gap_too_wide_for_the_window_waits_for_what_is_in_flight);
    tcase_add_test(tcase, the_window_reaches_its_cap_and_no_further);
    tcase_add_test(tcase, a_foreign_map_at_the_limit_neither_stalls_nor_breaks_a_commit);
    tcase_add_test(tcase, it_knows_what_is_done);
    tcase_add_test(tcase, it_is_dirty_from_a_change_until_the_commit_and_again_when_that_fails);
    tcase_add_test(tcase, a_reached_end_passes_what_follows_the_last_message);
    tcase_add_test(tcase, a_message_after_a_reached_end_keeps_the_frontier);
    tcase_add_test(tcase, without_a_commit_a_reached_end_is_the_start);
    tcase_add_test(tcase, what_a_map_knows_of_offsets_that_have_not_come_is_counted);
    tcase_add_test(tcase, cells_show_where_in_the_window_runs_are_in_flight);
    tcase_add_test(tcase, a_reached_end_passes_what_the_map_says_is_open);
    tcase_add_loop_test(tcase, it_does_what_a_naive_model_does, 0, 12);
    suite_add_tcase(suite, tcase);
    return suite;
}
