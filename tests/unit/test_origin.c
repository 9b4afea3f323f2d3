#include "engine/origin.h"

#include "base/clock.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>

#define A "http://a.example:80"
#define B "http://b.example:80"

static struct origins *origins;

static void make(size_t max_active, size_t max_total)
{
    origins = origins_new(max_active, max_total);
    ck_assert_ptr_nonnull(origins);
}

static void teardown(void)
{
    origins_free(origins);
    origins = NULL;
}

static void enter(struct origin_claim *claims, size_t n, const char *key, enum origin_class class)
{
    for (size_t i = 0; i < n; i++) {
        origin_claim_init(&claims[i]);
        ck_assert_int_eq(origins_enter(origins, &claims[i], key, class, ORIGIN_LAST), 0);
    }
}

static void leave(struct origin_claim *claims, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        origins_leave(origins, &claims[i]);
    }
}

/* Lets go what may, each opened at once. */
static size_t open_all(void)
{
    struct origin_claim *claim;
    size_t n = 0;
    while ((claim = origins_next(origins)) != NULL) {
        origins_opened(origins, claim);
        n++;
    }
    return n;
}

/* Those of n origins, one each, named by `name` and a number. */
static void enter_each(struct origin_claim *claims, int n, const char *name, enum origin_class class)
{
    for (int i = 0; i < n; i++) {
        char key[64];
        snprintf(key, sizeof key, "http://%s%d.example:80", name, i);
        enter(&claims[i], 1, key, class);
    }
}

/* Lets go what may, and leaves it there. */
static size_t begin_all(void)
{
    size_t n = 0;
    while (origins_next(origins) != NULL) {
        n++;
    }
    return n;
}

static size_t count(const struct origin_claim *claims, size_t n, enum origin_place place)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        found += claims[i].place == place;
    }
    return found;
}

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

START_TEST(an_origin_that_nobody_knows_is_looked_up_by_few)
{
    make(32, 1000);
    struct origin_claim polls[32];
    enter(polls, 32, A, ORIGIN_POLL);
    for (int i = 0; i < ORIGIN_MAX_OPENING; i++) {
        ck_assert_ptr_nonnull(origins_next(origins));
    }
    ck_assert(!origins_has_next(origins));
    ck_assert_ptr_null(origins_next(origins));
    /* one that fails makes room for one */
    origins_leave(origins, &polls[0]);
    ck_assert_ptr_nonnull(origins_next(origins));
    ck_assert_ptr_null(origins_next(origins));
    /* once one got through, for all */
    origins_opened(origins, &polls[1]);
    origins_opened(origins, &polls[1]);
    size_t more = 0;
    while (origins_next(origins) != NULL) {
        more++;
    }
    ck_assert_uint_eq(more, 32 - 1 - ORIGIN_MAX_OPENING);
    leave(polls, 32);
}
END_TEST

START_TEST(many_unknown_origins_do_not_hold_up_a_known_one)
{
    enum { N = 100 };
    make(4, 10000);
    struct origin_claim known[4];
    struct origin_claim unknown[N * 4];
    enter(known, 1, A, ORIGIN_POLL);
    ck_assert_uint_eq(open_all(), 1);
    for (int i = 0; i < N * 4; i++) {
        char key[64];
        snprintf(key, sizeof key, "http://u%d.example:80", i % N);
        enter(&unknown[i], 1, key, ORIGIN_POLL);
    }
    size_t opening = 0;
    while (origins_next(origins) != NULL) {
        opening++;
    }
    ck_assert_uint_eq(opening, ORIGINS_MAX_OPENING);
    enter(&known[1], 3, A, ORIGIN_POLL);
    ck_assert_uint_eq(open_all(), 3);
    ck_assert_uint_eq(count(known, 4, ORIGIN_OPEN), 4);
    /* the others come in turn */
    for (int round = 0; round < N; round++) {
        for (int i = 0; i < N * 4; i++) {
            if (unknown[i].place == ORIGIN_OPENING) {
                origins_opened(origins, &unknown[i]);
                origins_leave(origins, &unknown[i]);
            }
        }
        while (origins_next(origins) != NULL) {
        }
    }
    ck_assert_uint_eq(count(unknown, N * 4, ORIGIN_NOWHERE), N * 4);
    leave(known, 4);
}
END_TEST

/* An origin that is known, and has no claim. */
static void make_known(const char *key)
{
    struct origin_claim claim;
    enter(&claim, 1, key, ORIGIN_POLL);
    ck_assert_ptr_eq(origins_next(origins), &claim);
    origins_opened(origins, &claim);
    origins_leave(origins, &claim);
}

START_TEST(a_known_origin_stays_known_between_polls)
{
    make(8, 10000);
    struct origin_claim hanging[ORIGINS_MAX_OPENING];
    struct origin_claim polls[8];
    origins_turn(origins, 5000);
    make_known(A);
    enter_each(hanging, ORIGINS_MAX_OPENING, "u", ORIGIN_POLL);
    ck_assert_uint_eq(begin_all(), ORIGINS_MAX_OPENING);
    origins_turn(origins, 5000 + ORIGIN_KNOWN_MS - 1);
    enter(polls, 8, A, ORIGIN_POLL);
    ck_assert_uint_eq(begin_all(), 8);
    /* it has claims: time is no matter */
    leave(&polls[1], 7);
    origins_turn(origins, 5000 + 3 * ORIGIN_KNOWN_MS);
    enter(&polls[1], 7, A, ORIGIN_POLL);
    ck_assert_uint_eq(begin_all(), 7);
    leave(polls, 8);
    leave(hanging, ORIGINS_MAX_OPENING);
}
END_TEST

START_TEST(a_known_origin_is_forgotten_after_a_while)
{
    make(8, 100);
    struct origin_claim polls[8];
    origins_turn(origins, 5000);
    make_known(A);
    origins_turn(origins, 6000);
    make_known(B);
    origins_turn(origins, 5000 + ORIGIN_KNOWN_MS);
    ck_assert_uint_eq(origins_count(origins), 1);
    origins_turn(origins, 6000 + ORIGIN_KNOWN_MS);
    ck_assert_uint_eq(origins_count(origins), 0);
    enter(polls, 8, A, ORIGIN_POLL);
    ck_assert_uint_eq(begin_all(), ORIGIN_MAX_OPENING);
    leave(polls, 8);
}
END_TEST

START_TEST(of_many_origins_at_rest_the_oldest_is_forgotten)
{
    make(8, 100);
    make_known(A);
    for (int i = 0; i < ORIGINS_MAX_RESTING; i++) {
        char key[64];
        snprintf(key, sizeof key, "http://k%d.example:80", i);
        make_known(key);
    }
    ck_assert_uint_eq(origins_count(origins), ORIGINS_MAX_RESTING);
    struct origin_claim polls[8];
    enter(polls, 8, A, ORIGIN_POLL);
    ck_assert_uint_eq(begin_all(), ORIGIN_MAX_OPENING);
    leave(polls, 8);
}
END_TEST

START_TEST(polls_of_unknown_origins_need_not_wait_for_their_kickoffs)
{
    enum { N = 200 };
    make(8, 10000);
    struct origin_claim kickoffs[N];
    struct origin_claim polls[N];
    enter_each(kickoffs, N, "k", ORIGIN_KICKOFF);
    ck_assert_uint_eq(begin_all(), ORIGINS_MAX_OPENING - ORIGINS_OPENING_FOR_POLLS);
    enter_each(polls, N, "p", ORIGIN_POLL);
    ck_assert_uint_eq(begin_all(), ORIGINS_OPENING_FOR_POLLS);
    /* what a kickoff leaves goes to a poll that waits */
    leave(kickoffs, 1);
    ck_assert_uint_eq(begin_all(), 1);
    ck_assert_uint_eq(count(polls, N, ORIGIN_OPENING), ORIGINS_OPENING_FOR_POLLS + 1);
    /* and one that becomes known takes no part any more */
    origins_opened(origins, &kickoffs[1]);
    origins_opened(origins, &polls[0]);
    ck_assert_uint_eq(begin_all(), 2);
    leave(polls, N);
    ck_assert_uint_eq(begin_all(), 2);
    leave(kickoffs, N);
}
END_TEST

START_TEST(an_unknown_origin_that_gets_a_poll_goes_before_those_with_kickoffs)
{
    enum { N = 200 };
    make(8, 10000);
    struct origin_claim kickoffs[N];
    struct origin_claim poll;
    enter_each(kickoffs, N, "k", ORIGIN_KICKOFF);
    begin_all();
    enter(&poll, 1, "http://k199.example:80", ORIGIN_POLL);
    ck_assert_ptr_eq(origins_next(origins), &poll);
    ck_assert(!origins_has_next(origins));
    leave(kickoffs, N);
    leave(&poll, 1);
}
END_TEST

static void abandon(struct origin_claim *claims, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        origins_abandon(origins, &claims[i]);
    }
    ck_assert_uint_eq(count(claims, n, ORIGIN_NOWHERE), n);
}

START_TEST(a_look_up_that_goes_on_without_its_claim_is_counted)
{
    enum { N = 300, KICKOFFS = ORIGINS_MAX_OPENING - ORIGINS_OPENING_FOR_POLLS };
    make(8, 10000);
    struct origin_claim kickoffs[N];
    struct origin_claim polls[N];
    origins_turn(origins, 1000);
    ck_assert_int_eq(origins_next_ms(origins), CLOCK_NEVER);
    enter_each(kickoffs, N, "k", ORIGIN_KICKOFF);
    begin_all();
    abandon(kickoffs, N);
    enter_each(kickoffs, N, "m", ORIGIN_KICKOFF);
    ck_assert_uint_eq(begin_all(), 0);
    enter_each(polls, N, "p", ORIGIN_POLL);
    ck_assert_uint_eq(begin_all(), ORIGINS_OPENING_FOR_POLLS);
    ck_assert_int_eq(origins_next_ms(origins), 1000 + ORIGIN_LOOK_UP_MS);
    leave(polls, N);
    origins_turn(origins, 1000 + ORIGIN_LOOK_UP_MS - 1);
    ck_assert_uint_eq(begin_all(), 0);
    origins_turn(origins, 1000 + ORIGIN_LOOK_UP_MS);
    ck_assert_uint_eq(begin_all(), KICKOFFS);
    ck_assert_int_eq(origins_next_ms(origins), CLOCK_NEVER);
    leave(kickoffs, N);
    ck_assert_uint_eq(origins_count(origins), 0);
}
END_TEST

START_TEST(look_ups_that_go_on_leave_one_to_their_origin)
{
    make(8, 100);
    struct origin_claim polls[8];
    enter(polls, 8, A, ORIGIN_POLL);
    ck_assert_uint_eq(begin_all(), ORIGIN_MAX_OPENING);
    abandon(polls, 2);
    ck_assert_uint_eq(begin_all(), 0);
    abandon(&polls[2], 2);
    ck_assert_uint_eq(begin_all(), 1);
    origins_turn(origins, ORIGIN_LOOK_UP_MS);
    ck_assert_uint_eq(begin_all(), 3);
    leave(polls, 8);
}
END_TEST

START_TEST(an_origin_whose_look_up_did_not_end_is_unknown_again)
{
    make(8, 100);
    struct origin_claim polls[8];
    make_known(A);
    enter(polls, 8, A, ORIGIN_POLL);
    ck_assert_ptr_eq(origins_next(origins), &polls[0]);
    ck_assert_ptr_eq(origins_next(origins), &polls[1]);
    abandon(polls, 1);
    ck_assert_uint_eq(begin_all(), ORIGIN_MAX_OPENING - 2);
    origins_opened(origins, &polls[1]);
    ck_assert_uint_eq(begin_all(), 8 - ORIGIN_MAX_OPENING);
    leave(polls, 8);
    /* known and at rest, while that look-up may go on */
    ck_assert_uint_eq(origins_count(origins), 1);
    origins_turn(origins, ORIGIN_LOOK_UP_MS);
    ck_assert_uint_eq(origins_count(origins), 1);
    origins_turn(origins, ORIGIN_LOOK_UP_MS + ORIGIN_KNOWN_MS);
    ck_assert_uint_eq(origins_count(origins), 0);
}
END_TEST

START_TEST(look_ups_of_an_origin_that_is_unknown_again_are_counted_once)
{
    make(8, 100);
    struct origin_claim polls[2];
    make_known(A);
    enter(polls, 2, A, ORIGIN_POLL);
    begin_all();
    abandon(polls, 1);
    leave(polls, 2);
    origins_turn(origins, ORIGIN_LOOK_UP_MS);
    ck_assert_uint_eq(origins_count(origins), 0);
    struct origin_claim others[ORIGINS_MAX_OPENING + 1];
    enter_each(others, ORIGINS_MAX_OPENING + 1, "u", ORIGIN_POLL);
    ck_assert_uint_eq(begin_all(), 100); /* all places */
    leave(others, ORIGINS_MAX_OPENING + 1);
}
END_TEST

START_TEST(only_what_opens_can_be_abandoned_with_a_look_up)
{
    make(2, 100);
    struct origin_claim polls[3];
    enter(polls, 3, A, ORIGIN_POLL);
    origins_opened(origins, origins_next(origins));
    abandon(polls, 1);
    abandon(&polls[2], 1);
    ck_assert_int_eq(origins_next_ms(origins), CLOCK_NEVER);
    ck_assert_ptr_eq(origins_next(origins), &polls[1]);
    abandon(&polls[1], 1);
    abandon(&polls[1], 1);
    ck_assert_int_eq(origins_next_ms(origins), ORIGIN_LOOK_UP_MS);
    ck_assert_uint_eq(origins_count(origins), 1); /* and is freed with all origins */
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

START_TEST(those_of_an_origin_that_became_known_hold_up_no_other)
{
    make(4, 10000);
    for (int i = 0; i < ORIGINS_MAX_OPENING; i++) {
        char key[64];
        struct origin_claim polls[4];
        snprintf(key, sizeof key, "http://u%d.example:80", i);
        enter(polls, 4, key, ORIGIN_POLL);
        for (int k = 0; k < 4; k++) {
            ck_assert_ptr_nonnull(origins_next(origins));
        }
        origins_opened(origins, &polls[0]);
        leave(polls, 4);
    }
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
    tcase_add_test(tests, all_origins_together_stay_below_the_bound);
    tcase_add_test(tests, kickoffs_leave_the_last_quarter_of_all_places_to_polls);
    tcase_add_test(tests, an_unknown_origin_is_freed_with_its_last_claim);
    tcase_add_test(tests, a_known_origin_stays_known_between_polls);
    tcase_add_test(tests, a_known_origin_is_forgotten_after_a_while);
    tcase_add_test(tests, of_many_origins_at_rest_the_oldest_is_forgotten);
    tcase_add_test(tests, polls_of_unknown_origins_need_not_wait_for_their_kickoffs);
    tcase_add_test(tests, an_unknown_origin_that_gets_a_poll_goes_before_those_with_kickoffs);
    tcase_add_test(tests, thousands_of_origins_are_told_apart);
    tcase_add_test(tests, an_origin_that_nobody_knows_is_looked_up_by_few);
    tcase_add_test(tests, many_unknown_origins_do_not_hold_up_a_known_one);
    tcase_add_test(tests, a_look_up_that_goes_on_without_its_claim_is_counted);
    tcase_add_test(tests, look_ups_that_go_on_leave_one_to_their_origin);
    tcase_add_test(tests, an_origin_whose_look_up_did_not_end_is_unknown_again);
    tcase_add_test(tests, look_ups_of_an_origin_that_is_unknown_again_are_counted_once);
    tcase_add_test(tests, only_what_opens_can_be_abandoned_with_a_look_up);
    tcase_add_test(tests, a_kickoff_that_leaves_makes_room_for_the_next);
    tcase_add_test(tests, those_of_an_origin_that_became_known_hold_up_no_other);
    suite_add_tcase(suite, tests);
    return suite;
}
