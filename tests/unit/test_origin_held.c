#include "support/origin_stage.h"

/* Hands out what may go, and holds it. */
static size_t hold_all(void)
{
    struct origin_claim *claim;
    size_t n = 0;
    while ((claim = origins_next(origins)) != NULL) {
        origins_hold(origins, claim);
        ck_assert_int_eq(claim->place, ORIGIN_HELD);
        n++;
    }
    return n;
}

static void release(struct origin_claim *claims, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        origins_release(origins, &claims[i]);
        ck_assert_int_eq(claims[i].place, ORIGIN_RELEASED);
    }
}

static void make_known(const char *key)
{
    struct origin_claim claim;
    enter(&claim, 1, key, ORIGIN_POLL);
    ck_assert_uint_eq(open_all(), 1);
    leave(&claim, 1);
}

/* places of an origin, and how many kickoffs may be held there */
static const struct {
    size_t max_active;
    size_t held;
} shares[] = {{1, 1}, {2, 1}, {4, 3}, {8, 6}, {64, 48}};

/* Even: at an origin that nobody knows, where they need no look-up. */
START_TEST(as_many_kickoffs_are_held_as_could_go_and_all_places_are_for_polls)
{
    enum { N = 100 };
    size_t places = shares[_i / 2].max_active;
    make(places, 1000);
    struct origin_claim kickoffs[N];
    struct origin_claim polls[N];
    if (_i % 2 == 1) {
        make_known(A);
    }
    enter(kickoffs, N, A, ORIGIN_KICKOFF);
    ck_assert_uint_eq(hold_all(), shares[_i / 2].held);
    ck_assert(!origins_has_next(origins));
    enter(polls, N, A, ORIGIN_POLL);
    ck_assert_uint_eq(begin_all(), _i % 2 == 1 || places < ORIGIN_MAX_OPENING ? places : ORIGIN_MAX_OPENING);
    ck_assert_uint_eq(count(kickoffs, N, ORIGIN_HELD), shares[_i / 2].held);
    leave(polls, N);
    leave(kickoffs, N);
}
END_TEST

START_TEST(released_ones_go_before_new_ones_in_the_order_of_their_release)
{
    make(4, 100);
    struct origin_claim kickoffs[6];
    enter(kickoffs, 6, A, ORIGIN_KICKOFF);
    ck_assert_uint_eq(hold_all(), 3);
    release(&kickoffs[1], 1);
    release(&kickoffs[0], 1);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[1]);
    origins_opened(origins, &kickoffs[1]);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[0]);
    ck_assert_ptr_null(origins_next(origins)); /* one is held still */
    leave(&kickoffs[1], 1);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[3]);
    ck_assert_ptr_null(origins_next(origins));
    leave(kickoffs, 6);
}
END_TEST

START_TEST(a_released_one_goes_behind_polls)
{
    make(1, 100);
    struct origin_claim kickoffs[2];
    struct origin_claim polls[2];
    enter(kickoffs, 2, A, ORIGIN_KICKOFF);
    ck_assert_uint_eq(hold_all(), 1);
    enter(polls, 2, A, ORIGIN_POLL);
    ck_assert_ptr_eq(origins_next(origins), &polls[0]);
    release(kickoffs, 1);
    ck_assert(!origins_has_next(origins)); /* no place */
    leave(polls, 1);
    ck_assert_ptr_eq(origins_next(origins), &polls[1]);
    leave(&polls[1], 1);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[0]);
    ck_assert(!origins_has_next(origins));
    leave(kickoffs, 1);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[1]);
    leave(kickoffs, 2);
}
END_TEST

/* 0: while it is held; 1: while it is released. */
START_TEST(one_that_leaves_makes_room_for_the_next)
{
    make(4, 100);
    struct origin_claim kickoffs[6];
    enter(kickoffs, 6, A, ORIGIN_KICKOFF);
    ck_assert_uint_eq(hold_all(), 3);
    if (_i == 1) {
        release(kickoffs, 2);
    }
    leave(kickoffs, 2);
    ck_assert_uint_eq(hold_all(), 2);
    ck_assert_uint_eq(count(kickoffs, 6, ORIGIN_HELD), 3);
    ck_assert_int_eq(kickoffs[5].place, ORIGIN_QUEUED);
    leave(kickoffs, 6);
    ck_assert_uint_eq(origins_count(origins), 0);
}
END_TEST

START_TEST(a_released_one_may_be_held_again)
{
    make(2, 100);
    struct origin_claim kickoffs[2];
    enter(kickoffs, 2, A, ORIGIN_KICKOFF);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(hold_all(), 1);
        release(kickoffs, 1);
    }
    leave(kickoffs, 1);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[1]);
    leave(kickoffs, 2);
}
END_TEST

START_TEST(of_all_origins_no_more_are_held_than_could_go)
{
    enum { N = 10 };
    make(4, 8);
    struct origin_claim kickoffs[N];
    struct origin_claim polls[N];
    enter_each(kickoffs, N, "k", ORIGIN_KICKOFF);
    ck_assert_uint_eq(hold_all(), 6);
    enter_each(polls, N, "p", ORIGIN_POLL);
    ck_assert_uint_eq(open_all(), 8);
    release(kickoffs, 6);
    ck_assert(!origins_has_next(origins));
    leave(polls, 3); /* three polls take their places, */
    ck_assert_uint_eq(open_all(), 2 + 1);
    leave(polls, N); /* and then those that were held */
    ck_assert_uint_eq(open_all(), 5);
    ck_assert_uint_eq(count(kickoffs, 6, ORIGIN_OPEN), 6);
    leave(kickoffs, 1);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[6]);
    leave(kickoffs, N);
}
END_TEST

START_TEST(a_released_one_goes_where_others_may_not_be_asked)
{
    make(4, 4);
    struct origin_claim of_a[3];
    struct origin_claim of_b[3];
    enter(of_a, 1, A, ORIGIN_KICKOFF);
    enter(of_b, 2, B, ORIGIN_KICKOFF);
    ck_assert_uint_eq(hold_all(), 3);
    enter(&of_b[2], 1, B, ORIGIN_KICKOFF);
    enter(&of_a[1], 2, A, ORIGIN_KICKOFF);
    ck_assert(!origins_has_next(origins));
    release(&of_b[1], 1);
    ck_assert_ptr_eq(origins_next(origins), &of_b[1]);
    ck_assert(!origins_has_next(origins));
    leave(of_a, 3);
    leave(of_b, 3);
}
END_TEST

START_TEST(held_ones_take_no_look_up_from_others)
{
    enum { N = 200 };
    make(8, 10000);
    struct origin_claim kickoffs[N];
    struct origin_claim others[N];
    enter_each(kickoffs, N, "k", ORIGIN_KICKOFF);
    ck_assert_uint_eq(hold_all(), N);
    enter_each(others, N, "o", ORIGIN_KICKOFF);
    ck_assert_uint_eq(begin_all(), ORIGINS_MAX_OPENING - ORIGINS_OPENING_FOR_POLLS);
    release(kickoffs, N);
    ck_assert(!origins_has_next(origins));
    leave(others, N);
    ck_assert_uint_eq(begin_all(), ORIGINS_MAX_OPENING - ORIGINS_OPENING_FOR_POLLS);
    leave(kickoffs, N);
    ck_assert_uint_eq(origins_count(origins), 0);
}
END_TEST

/* Its time runs: it must not wait for others' permits. */
START_TEST(a_later_hop_goes_before_released_ones_and_does_not_mind_held_ones)
{
    make(2, _i == 0 ? 2 : 100);
    struct origin_claim kickoffs[2];
    struct origin_claim hop[2];
    origin_claim_init(&hop[0]);
    origin_claim_init(&hop[1]);
    enter(kickoffs, 2, A, ORIGIN_KICKOFF);
    ck_assert_uint_eq(hold_all(), 1);
    ck_assert_int_eq(origins_enter(origins, &hop[0], A, ORIGIN_KICKOFF, ORIGIN_FIRST), 0);
    ck_assert_ptr_eq(origins_next(origins), &hop[0]);
    release(kickoffs, 1);
    ck_assert_int_eq(origins_enter(origins, &hop[1], A, ORIGIN_KICKOFF, ORIGIN_FIRST), 0);
    ck_assert(!origins_has_next(origins)); /* kickoffs have one place only */
    leave(&hop[0], 1);
    ck_assert_ptr_eq(origins_next(origins), &hop[1]);
    leave(&hop[1], 1);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[0]);
    leave(kickoffs, 2);
}
END_TEST

START_TEST(an_origin_stays_for_a_later_hop)
{
    make(1, 100);
    struct origin_claim poll;
    struct origin_claim hop;
    origin_claim_init(&hop);
    enter(&poll, 1, A, ORIGIN_POLL);
    ck_assert_uint_eq(begin_all(), 1);
    ck_assert_int_eq(origins_enter(origins, &hop, A, ORIGIN_KICKOFF, ORIGIN_FIRST), 0);
    leave(&poll, 1);
    ck_assert_uint_eq(origins_count(origins), 1);
    ck_assert_ptr_eq(origins_next(origins), &hop);
    leave(&hop, 1);
}
END_TEST

START_TEST(a_poll_that_comes_goes_before_released_ones_that_could_go)
{
    make(8, 100);
    struct origin_claim kickoffs[3];
    struct origin_claim poll;
    make_known(A);
    make_known(B);
    enter(kickoffs, 1, A, ORIGIN_KICKOFF);
    enter(&kickoffs[1], 1, B, ORIGIN_KICKOFF);
    ck_assert_uint_eq(hold_all(), 2);
    enter(&kickoffs[2], 1, B, ORIGIN_KICKOFF);
    release(kickoffs, 2);
    enter(&poll, 1, B, ORIGIN_POLL);
    ck_assert_ptr_eq(origins_next(origins), &poll);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[0]);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[1]);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[2]);
    leave(kickoffs, 3);
    leave(&poll, 1);
}
END_TEST

START_TEST(an_origin_that_only_holds_is_forgotten_after_a_while_and_kept)
{
    enum { N = 6 };
    make(8, 100);
    struct origin_claim kickoffs[N];
    origins_turn(origins, 5000);
    make_known(A);
    enter(kickoffs, N, A, ORIGIN_KICKOFF);
    ck_assert_uint_eq(hold_all(), N);
    origins_turn(origins, 5000 + ORIGIN_KNOWN_MS - 1);
    if (_i == 1) { /* known still, and again for a while */
        make_known(A);
        origins_turn(origins, 5000 + ORIGIN_KNOWN_MS + 1000);
    } else {
        origins_turn(origins, 5000 + ORIGIN_KNOWN_MS);
    }
    ck_assert_uint_eq(origins_count(origins), 1);
    release(kickoffs, N);
    ck_assert_uint_eq(begin_all(), _i == 1 ? N : ORIGIN_MAX_OPENING);
    leave(kickoffs, N);
    ck_assert_uint_eq(origins_count(origins), _i);
}
END_TEST

START_TEST(an_origin_at_rest_outlives_those_it_held)
{
    make(8, 100);
    struct origin_claim kickoffs[2];
    make_known(A);
    enter(kickoffs, 2, A, ORIGIN_KICKOFF);
    ck_assert_uint_eq(hold_all(), 2);
    leave(kickoffs, 2);
    ck_assert_uint_eq(origins_count(origins), 1);
    origins_turn(origins, ORIGIN_KNOWN_MS);
    ck_assert_uint_eq(origins_count(origins), 0);
}
END_TEST

START_TEST(many_at_rest_forget_one_that_holds_and_keep_its_claims)
{
    make(8, 100);
    struct origin_claim kickoff;
    make_known(A);
    enter(&kickoff, 1, A, ORIGIN_KICKOFF);
    ck_assert_uint_eq(hold_all(), 1);
    for (int i = 0; i < ORIGINS_MAX_RESTING; i++) {
        char key[64];
        snprintf(key, sizeof key, "http://k%d.example:80", i);
        make_known(key);
    }
    ck_assert_uint_eq(origins_count(origins), ORIGINS_MAX_RESTING + 1);
    release(&kickoff, 1);
    ck_assert_ptr_eq(origins_next(origins), &kickoff);
    leave(&kickoff, 1);
    ck_assert_uint_eq(origins_count(origins), ORIGINS_MAX_RESTING);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("origin_held");
    TCase *tests = tcase_create("origin_held");
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_loop_test(tests, as_many_kickoffs_are_held_as_could_go_and_all_places_are_for_polls, 0,
                        2 * sizeof shares / sizeof shares[0]);
    tcase_add_test(tests, released_ones_go_before_new_ones_in_the_order_of_their_release);
    tcase_add_test(tests, a_released_one_goes_behind_polls);
    tcase_add_loop_test(tests, one_that_leaves_makes_room_for_the_next, 0, 2);
    tcase_add_test(tests, a_released_one_may_be_held_again);
    tcase_add_test(tests, of_all_origins_no_more_are_held_than_could_go);
    tcase_add_test(tests, a_released_one_goes_where_others_may_not_be_asked);
    tcase_add_test(tests, held_ones_take_no_look_up_from_others);
    tcase_add_loop_test(tests, a_later_hop_goes_before_released_ones_and_does_not_mind_held_ones, 0, 2);
    tcase_add_test(tests, an_origin_stays_for_a_later_hop);
    tcase_add_test(tests, a_poll_that_comes_goes_before_released_ones_that_could_go);
    tcase_add_loop_test(tests, an_origin_that_only_holds_is_forgotten_after_a_while_and_kept, 0, 2);
    tcase_add_test(tests, an_origin_at_rest_outlives_those_it_held);
    tcase_add_test(tests, many_at_rest_forget_one_that_holds_and_keep_its_claims);
    suite_add_tcase(suite, tests);
    return suite;
}
