#include "support/origin_stage.h"

#include <stdlib.h>

START_TEST(nobody_is_next_where_nobody_waits)
{
    make(4, 100);
    ck_assert(!origins_has_next(origins));
    ck_assert_ptr_null(origins_next(origins));
}
END_TEST

START_TEST(those_of_one_class_go_in_the_order_they_came)
{
    make(8, 100);
    struct origin_claim polls[3];
    enter(polls, 3, A, ORIGIN_POLL);
    for (int i = 0; i < 3; i++) {
        ck_assert(origins_has_next(origins));
        ck_assert_ptr_eq(origins_next(origins), &polls[i]);
        ck_assert_int_eq(polls[i].place, ORIGIN_OPENING);
    }
    leave(polls, 3);
}
END_TEST

START_TEST(polls_go_before_kickoffs)
{
    make(8, 100);
    struct origin_claim kickoffs[2];
    struct origin_claim polls[2];
    enter(kickoffs, 2, A, ORIGIN_KICKOFF);
    enter(polls, 2, A, ORIGIN_POLL);
    ck_assert_ptr_eq(origins_next(origins), &polls[0]);
    ck_assert_ptr_eq(origins_next(origins), &polls[1]);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[0]);
    leave(kickoffs, 2);
    leave(polls, 2);
}
END_TEST

/* A later hop of a redirect: its time runs. */
START_TEST(one_that_is_under_way_goes_before_those_that_wait)
{
    make(8, 100);
    struct origin_claim polls[2];
    struct origin_claim hop;
    enter(polls, 2, A, ORIGIN_POLL);
    origin_claim_init(&hop);
    ck_assert_int_eq(origins_enter(origins, &hop, A, ORIGIN_POLL, ORIGIN_FIRST), 0);
    ck_assert_ptr_eq(origins_next(origins), &hop);
    ck_assert_ptr_eq(origins_next(origins), &polls[0]);
    ck_assert_ptr_eq(origins_next(origins), &polls[1]);
    leave(&hop, 1);
    leave(polls, 2);
}
END_TEST

/* places of an origin, and how many of them kickoffs may take */
static const struct {
    size_t max_active;
    size_t kickoffs;
} reserves[] = {{1, 1}, {2, 1}, {3, 2}, {4, 3}, {8, 6}, {32, 24}, {64, 48}};

START_TEST(kickoffs_leave_the_last_quarter_to_polls)
{
    size_t max_active = reserves[_i].max_active;
    make(max_active, 1000);
    struct origin_claim kickoffs[100];
    struct origin_claim polls[100];
    enter(kickoffs, 100, A, ORIGIN_KICKOFF);
    ck_assert_uint_eq(open_all(), reserves[_i].kickoffs);
    ck_assert(!origins_has_next(origins));
    enter(polls, 100, A, ORIGIN_POLL);
    ck_assert_uint_eq(open_all(), max_active - reserves[_i].kickoffs);
    ck_assert_uint_eq(count(polls, 100, ORIGIN_OPEN), max_active - reserves[_i].kickoffs);
    leave(kickoffs, 100);
    leave(polls, 100);
}
END_TEST

START_TEST(polls_may_take_every_place)
{
    make(8, 100);
    struct origin_claim polls[20];
    enter(polls, 20, A, ORIGIN_POLL);
    ck_assert_uint_eq(open_all(), 8);
    leave(polls, 20);
}
END_TEST

START_TEST(a_place_that_is_left_goes_to_the_next)
{
    make(1, 100);
    struct origin_claim polls[3];
    enter(polls, 3, A, ORIGIN_POLL);
    ck_assert_ptr_eq(origins_next(origins), &polls[0]);
    ck_assert_ptr_null(origins_next(origins));
    origins_leave(origins, &polls[0]);
    ck_assert_ptr_eq(origins_next(origins), &polls[1]);
    leave(polls, 3);
}
END_TEST

START_TEST(a_claim_may_leave_from_every_place_and_twice)
{
    make(4, 100);
    struct origin_claim claims[3];
    enter(claims, 3, A, ORIGIN_POLL);
    struct origin_claim *opening = origins_next(origins);
    struct origin_claim *open = origins_next(origins);
    origins_opened(origins, open);
    ck_assert_int_eq(opening->place, ORIGIN_OPENING);
    ck_assert_int_eq(open->place, ORIGIN_OPEN);
    leave(claims, 3);
    leave(claims, 3);
    ck_assert_uint_eq(count(claims, 3, ORIGIN_NOWHERE), 3);
    ck_assert_uint_eq(origins_count(origins), 1); /* at rest */
    /* and all places are free again */
    enter(claims, 3, A, ORIGIN_KICKOFF);
    ck_assert_uint_eq(open_all(), 3);
    leave(claims, 3);
}
END_TEST

START_TEST(one_that_left_the_queue_is_not_next)
{
    make(4, 100);
    struct origin_claim polls[2];
    enter(polls, 2, A, ORIGIN_POLL);
    origins_leave(origins, &polls[0]);
    ck_assert_ptr_eq(origins_next(origins), &polls[1]);
    ck_assert_ptr_null(origins_next(origins));
    leave(polls, 2);
}
END_TEST

START_TEST(a_full_origin_takes_nothing_from_another)
{
    make(2, 100);
    struct origin_claim of_a[50];
    struct origin_claim of_b[2];
    enter(of_a, 50, A, ORIGIN_POLL);
    ck_assert_uint_eq(open_all(), 2);
    enter(of_b, 2, B, ORIGIN_POLL);
    ck_assert_uint_eq(open_all(), 2);
    ck_assert_uint_eq(count(of_b, 2, ORIGIN_OPEN), 2);
    leave(of_a, 50);
    leave(of_b, 2);
}
END_TEST

START_TEST(origins_take_turns)
{
    make(4, 100);
    struct origin_claim of_a[4];
    struct origin_claim of_b[4];
    enter(of_a, 4, A, ORIGIN_POLL);
    enter(of_b, 4, B, ORIGIN_POLL);
    for (int i = 0; i < 4; i++) {
        ck_assert_ptr_eq(origins_next(origins), &of_a[i]);
        ck_assert_ptr_eq(origins_next(origins), &of_b[i]);
    }
    leave(of_a, 4);
    leave(of_b, 4);
}
END_TEST

START_TEST(a_kickoff_that_comes_takes_its_origin_no_turn_away)
{
    make(4, 100);
    struct origin_claim of_a[2];
    struct origin_claim of_b;
    enter(of_a, 1, A, ORIGIN_POLL);
    enter(&of_b, 1, B, ORIGIN_POLL);
    enter(&of_a[1], 1, A, ORIGIN_KICKOFF);
    ck_assert_ptr_eq(origins_next(origins), &of_a[0]);
    leave(of_a, 2);
    leave(&of_b, 1);
}
END_TEST

START_TEST(all_origins_together_stay_below_the_bound)
{
    make(4, 5);
    struct origin_claim of_a[4];
    struct origin_claim of_b[4];
    enter(of_a, 4, A, ORIGIN_POLL);
    enter(of_b, 4, B, ORIGIN_POLL);
    ck_assert_uint_eq(open_all(), 5);
    ck_assert(!origins_has_next(origins));
    leave(of_a, 4);
    ck_assert_uint_eq(open_all(), 2); /* the rest of b: it had two of the five */
    leave(of_b, 4);
}
END_TEST

START_TEST(kickoffs_leave_the_last_quarter_of_all_places_to_polls)
{
    make(4, 8);
    struct origin_claim kickoffs[10];
    struct origin_claim polls[4];
    enter_each(kickoffs, 10, "k", ORIGIN_KICKOFF);
    ck_assert_uint_eq(open_all(), 6);
    enter(polls, 4, A, ORIGIN_POLL);
    ck_assert_uint_eq(open_all(), 2);
    ck_assert_uint_eq(count(polls, 4, ORIGIN_OPEN), 2);
    leave(&polls[0], 2);
    ck_assert_uint_eq(open_all(), 2);
    leave(&kickoffs[0], 1);
    ck_assert_uint_eq(open_all(), 1);
    leave(kickoffs, 10);
    leave(polls, 4);
}
END_TEST

START_TEST(an_unknown_origin_is_freed_with_its_last_claim)
{
    make(4, 100);
    struct origin_claim of_a[2];
    struct origin_claim of_b;
    enter(of_a, 2, A, ORIGIN_POLL);
    enter(&of_b, 1, B, ORIGIN_KICKOFF);
    ck_assert_uint_eq(origins_count(origins), 2);
    origins_next(origins);
    origins_leave(origins, &of_a[0]);
    ck_assert_uint_eq(origins_count(origins), 2);
    origins_leave(origins, &of_a[1]);
    ck_assert_uint_eq(origins_count(origins), 1);
    origins_leave(origins, &of_b);
    ck_assert_uint_eq(origins_count(origins), 0);
}
END_TEST

START_TEST(thousands_of_origins_are_told_apart)
{
    enum { N = 5000 };
    make(1, N);
    struct origin_claim *claims = calloc(2 * N, sizeof *claims);
    for (int i = 0; i < 2 * N; i++) {
        char key[64];
        snprintf(key, sizeof key, "https://host-%d.example:443", i % N);
        enter(&claims[i], 1, key, ORIGIN_POLL);
    }
    ck_assert_uint_eq(origins_count(origins), N);
    ck_assert_uint_eq(open_all(), N);
    ck_assert_uint_eq(count(claims, N, ORIGIN_OPEN), N);
    leave(claims, 2 * N);
    free(claims);
}
END_TEST

START_TEST(a_kickoff_that_leaves_makes_room_for_the_next)
{
    make(4, 100);
    struct origin_claim kickoffs[12];
    struct origin_claim stays;
    enter(&stays, 1, A, ORIGIN_POLL);
    open_all();
    enter(kickoffs, 12, A, ORIGIN_KICKOFF);
    for (int i = 0; i < 12; i += 3) {
        ck_assert_uint_eq(open_all(), 3);
        leave(&kickoffs[i], 3);
    }
    leave(&stays, 1);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("origin");
    TCase *tests = tcase_create("origin");
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, nobody_is_next_where_nobody_waits);
    tcase_add_test(tests, those_of_one_class_go_in_the_order_they_came);
    tcase_add_test(tests, polls_go_before_kickoffs);
    tcase_add_test(tests, one_that_is_under_way_goes_before_those_that_wait);
    tcase_add_loop_test(tests, kickoffs_leave_the_last_quarter_to_polls, 0, sizeof reserves / sizeof reserves[0]);
    tcase_add_test(tests, polls_may_take_every_place);
    tcase_add_test(tests, a_place_that_is_left_goes_to_the_next);
    tcase_add_test(tests, a_claim_may_leave_from_every_place_and_twice);
    tcase_add_test(tests, one_that_left_the_queue_is_not_next);
    tcase_add_test(tests, a_full_origin_takes_nothing_from_another);
    tcase_add_test(tests, origins_take_turns);
    tcase_add_test(tests, a_kickoff_that_comes_takes_its_origin_no_turn_away);
    tcase_add_test(tests, all_origins_together_stay_below_the_bound);
    tcase_add_test(tests, kickoffs_leave_the_last_quarter_of_all_places_to_polls);
    tcase_add_test(tests, an_unknown_origin_is_freed_with_its_last_claim);
    tcase_add_test(tests, thousands_of_origins_are_told_apart);
    tcase_add_test(tests, a_kickoff_that_leaves_makes_room_for_the_next);
    suite_add_tcase(suite, tests);
    return suite;
}
