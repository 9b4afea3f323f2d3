#include "kafka/marks.h"
#include "support/check_main.h"

/* Ten offsets are in flight. */
static struct tracker *ten(void)
{
    struct tracker *tracker = tracker_new(0, NULL, 0);
    ck_assert_ptr_nonnull(tracker);
    for (int64_t offset = 0; offset < 10; offset++)
        ck_assert_int_eq(tracker_admit(tracker, offset), TRACKER_NEW);
    return tracker;
}

static void mark_done(struct marks *marks, struct tracker *tracker, int64_t offset)
{
    ck_assert(tracker_done(tracker, offset));
    ck_assert_int_eq(marks_add(marks, offset, (uint64_t)offset + 100), 0);
}

/* Accepts what is taken: as a bit set of the offsets. */
static unsigned accept(struct marks *marks)
{
    struct marks told;
    unsigned set = 0;
    marks_accept(marks, &told);
    for (size_t i = 0; i < told.n; i++) {
        ck_assert_uint_eq(told.mark[i].tag, (uint64_t)told.mark[i].offset + 100);
        ck_assert_uint_eq(set & 1U << told.mark[i].offset, 0);
        set |= 1U << told.mark[i].offset;
    }
    marks_clear(&told);
    return set;
}

static const struct {
    int64_t map_end;
    unsigned told;
} reaches[] = {
    {0, 0x003}, {2, 0x003}, {5, 0x013}, {8, 0x013}, {9, 0x113}, {10, 0x113},
};

START_TEST(a_commit_tells_what_is_below_its_frontier_and_what_its_map_reaches)
{
    struct marks marks = {0};
    struct tracker *tracker = ten();
    const int64_t done[] = {8, 0, 4, 1};
    for (size_t i = 0; i < sizeof done / sizeof *done; i++)
        mark_done(&marks, tracker, done[i]);
    marks_take(&marks, tracker, reaches[_i].map_end);
    ck_assert_uint_eq(accept(&marks), reaches[_i].told);
    marks_take(&marks, tracker, 10);
    ck_assert_uint_eq(accept(&marks), 0x113 & ~reaches[_i].told);
    marks_take(&marks, tracker, 10);
    ck_assert_uint_eq(accept(&marks), 0);
    marks_clear(&marks);
    tracker_free(tracker);
}
END_TEST

START_TEST(a_refused_commit_tells_nothing_and_the_next_tells_all)
{
    struct marks marks = {0};
    struct tracker *tracker = ten();
    mark_done(&marks, tracker, 0);
    mark_done(&marks, tracker, 3);
    marks_take(&marks, tracker, 10);
    mark_done(&marks, tracker, 1);
    marks_give_back(&marks);
    ck_assert_uint_eq(accept(&marks), 0);
    marks_take(&marks, tracker, 10);
    ck_assert_uint_eq(accept(&marks), 0x00b);
    marks_clear(&marks);
    tracker_free(tracker);
}
END_TEST

START_TEST(what_is_done_during_a_commit_waits_for_the_next)
{
    struct marks marks = {0};
    struct tracker *tracker = ten();
    mark_done(&marks, tracker, 1);
    marks_take(&marks, tracker, 10);
    mark_done(&marks, tracker, 0);
    mark_done(&marks, tracker, 2);
    ck_assert_uint_eq(accept(&marks), 0x002);
    marks_take(&marks, tracker, 10);
    ck_assert_uint_eq(accept(&marks), 0x005);
    marks_clear(&marks);
    tracker_free(tracker);
}
END_TEST

START_TEST(what_is_not_done_is_not_told_whatever_the_map_reaches)
{
    struct marks marks = {0};
    struct tracker *tracker = ten();
    mark_done(&marks, tracker, 0);
    ck_assert_int_eq(marks_add(&marks, 7, 107), 0);
    marks_take(&marks, tracker, 10);
    ck_assert_uint_eq(accept(&marks), 0x001);
    ck_assert(tracker_done(tracker, 7));
    marks_take(&marks, tracker, 10);
    ck_assert_uint_eq(accept(&marks), 0x080);
    marks_clear(&marks);
    tracker_free(tracker);
}
END_TEST

START_TEST(thousands_are_each_told_once)
{
    enum { MANY = 5000 };
    static unsigned char seen[MANY];
    struct marks marks = {0};
    struct marks told;
    struct tracker *tracker = tracker_new(0, NULL, 0);
    for (int64_t offset = 0; offset < MANY; offset++)
        ck_assert_int_eq(tracker_admit(tracker, offset), TRACKER_NEW);
    for (int64_t n = 0; n < MANY; n++) {
        int64_t offset = n * 1237 % MANY;
        ck_assert(tracker_done(tracker, offset));
        ck_assert_int_eq(marks_add(&marks, offset, 0), 0);
        if (n % 10 != 9 && n != MANY - 1)
            continue;
        marks_take(&marks, tracker, n % 20 == 9 ? 0 : MANY / 2);
        if (n % 30 == 19)
            marks_give_back(&marks);
        marks_accept(&marks, &told);
        for (size_t i = 0; i < told.n; i++)
            seen[told.mark[i].offset]++;
        marks_clear(&told);
    }
    marks_take(&marks, tracker, 0);
    marks_accept(&marks, &told);
    for (size_t i = 0; i < told.n; i++)
        seen[told.mark[i].offset]++;
    marks_clear(&told);
    for (int i = 0; i < MANY; i++)
        ck_assert_msg(seen[i] == 1, "offset %d was told %d times", i, seen[i]);
    marks_clear(&marks);
    tracker_free(tracker);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("marks");
    TCase *tcase = tcase_create("marks");
    tcase_add_loop_test(tcase, a_commit_tells_what_is_below_its_frontier_and_what_its_map_reaches, 0,
                        sizeof reaches / sizeof *reaches);
    tcase_add_test(tcase, a_refused_commit_tells_nothing_and_the_next_tells_all);
    tcase_add_test(tcase, what_is_done_during_a_commit_waits_for_the_next);
    tcase_add_test(tcase, what_is_not_done_is_not_told_whatever_the_map_reaches);
    tcase_add_test(tcase, thousands_are_each_told_once);
    suite_add_tcase(suite, tcase);
    return suite;
}
