#include "base/clock.h"
#include "support/origin_stage.h"

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

START_TEST(look_ups_of_a_known_origin_hold_up_no_other)
{
    make(4, 10000);
    struct origin_claim polls[4];
    struct origin_claim others[ORIGINS_MAX_OPENING];
    make_known(A);
    enter(polls, 4, A, ORIGIN_POLL);
    ck_assert_uint_eq(begin_all(), 4);
    leave(polls, 2);
    enter_each(others, ORIGINS_MAX_OPENING, "u", ORIGIN_POLL);
    ck_assert_uint_eq(begin_all(), ORIGINS_MAX_OPENING);
    leave(polls, 4);
    leave(others, ORIGINS_MAX_OPENING);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("origin_unknown");
    TCase *tests = tcase_create("origin_unknown");
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, a_known_origin_stays_known_between_polls);
    tcase_add_test(tests, a_known_origin_is_forgotten_after_a_while);
    tcase_add_test(tests, of_many_origins_at_rest_the_oldest_is_forgotten);
    tcase_add_test(tests, polls_of_unknown_origins_need_not_wait_for_their_kickoffs);
    tcase_add_test(tests, an_unknown_origin_that_gets_a_poll_goes_before_those_with_kickoffs);
    tcase_add_test(tests, an_origin_that_nobody_knows_is_looked_up_by_few);
    tcase_add_test(tests, many_unknown_origins_do_not_hold_up_a_known_one);
    tcase_add_test(tests, a_look_up_that_goes_on_without_its_claim_is_counted);
    tcase_add_test(tests, look_ups_that_go_on_leave_one_to_their_origin);
    tcase_add_test(tests, an_origin_whose_look_up_did_not_end_is_unknown_again);
    tcase_add_test(tests, look_ups_of_an_origin_that_is_unknown_again_are_counted_once);
    tcase_add_test(tests, only_what_opens_can_be_abandoned_with_a_look_up);
    tcase_add_test(tests, look_ups_of_a_known_origin_hold_up_no_other);
    tcase_add_test(tests, those_of_an_origin_that_became_known_hold_up_no_other);
    suite_add_tcase(suite, tests);
    return suite;
}
