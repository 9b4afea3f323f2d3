#include "support/fetch_stage.h"

static struct transport *base;

static void setup_held(void)
{
    setup();
    base = curl_transport_base(transport);
    server = rude_server_start(RUDE_WHOLE_SERVER, answer_ok, 1);
}

/* One place at each origin. */
static void setup_narrow(void)
{
    set_up_with("*", true, 1);
    base = curl_transport_base(transport);
    server = rude_server_start(RUDE_WHOLE_SERVER, answer_ok, 1);
    other = rude_server_start(RUDE_WHOLE_SERVER, answer_ok, 1);
}

static size_t count_transfers(void)
{
    struct curl_transport_counts counts;
    curl_transport_read_counts(transport, &counts);
    return counts.transfers;
}

static void turn_some(void)
{
    for (int i = 0; i < 5; i++) {
        turn();
    }
}

static void start_held(struct seen *seen, struct rude_server *at)
{
    const struct http_request request = {.method = "POST", .url = rude_server_url(at), .once = true,
                                         .is_kickoff = true};
    seen->hold = true;
    start_request(seen, &request);
    turn_some();
    ck_assert_int_eq(seen->begun, 1);
}

static void let_go(struct seen *seen)
{
    seen->hold = false;
    base->release(base, seen->transfer);
}

START_TEST(a_held_request_leaves_when_it_is_released)
{
    struct seen seen = {0};
    start_held(&seen, server);
    turn_some();
    ck_assert_int_eq(seen.begun, 1); /* it is not asked over and over */
    ck_assert_int_gt(curl_transport_next_ms(transport), clock_mono_ms() - 1000); /* nor does the loop turn for it */
    ck_assert_uint_eq(requests_of(server), 0);
    let_go(&seen);
    ck_assert_int_eq(seen.begun, 1); /* not from within release */
    ck_assert_int_eq(curl_transport_next_ms(transport), INT64_MIN);
    turn_until_done(&seen);
    ck_assert_int_eq(seen.begun, 2);
    ck_assert_int_eq(seen.code, 200);
    ck_assert_uint_eq(requests_of(server), 1);
}
END_TEST

START_TEST(a_released_one_may_be_held_again)
{
    struct seen seen = {0};
    start_held(&seen, server);
    base->release(base, seen.transfer);
    turn_some();
    ck_assert_int_eq(seen.begun, 2);
    ck_assert_uint_eq(requests_of(server), 0);
    let_go(&seen);
    turn_until_done(&seen);
    ck_assert_int_eq(seen.begun, 3);
    ck_assert_uint_eq(requests_of(server), 1);
}
END_TEST

START_TEST(a_released_one_may_be_dropped)
{
    struct seen seen = {0};
    start_held(&seen, server);
    seen.refuse = true;
    let_go(&seen);
    turn_some();
    ck_assert_int_eq(seen.begun, 2);
    ck_assert_int_eq(seen.done, 0);
    ck_assert_uint_eq(count_transfers(), 0);
    ck_assert_uint_eq(requests_of(server), 0);
}
END_TEST

START_TEST(the_time_it_is_held_is_not_its_own)
{
    const struct http_request request = {
        .method = "POST", .url = rude_server_url(server), .timeout_ms = 2000, .once = true, .is_kickoff = true};
    struct seen seen = {.hold = true};
    start_request(&seen, &request);
    int64_t until_ms = clock_mono_ms() + 2100;
    while (clock_mono_ms() < until_ms) {
        turn();
    }
    ck_assert_int_eq(seen.done, 0);
    let_go(&seen);
    turn_until_done(&seen);
    ck_assert_int_eq(seen.error, TRANSPORT_OK);
}
END_TEST

START_TEST(polls_go_while_all_the_kickoffs_that_may_go_are_held)
{
    enum { KICKOFFS = 6, POLLS = 20 }; /* of 8 places */
    const struct http_request kickoff = {.method = "POST", .url = rude_server_url(server), .once = true,
                                         .is_kickoff = true};
    const struct http_request poll = {.method = "GET", .url = rude_server_url(server)};
    struct seen held[KICKOFFS] = {{0}};
    struct seen behind = {0};
    struct seen polls[POLLS] = {{0}};
    if (_i == 1) {
        get(&(struct seen){0}, rude_server_url(server)); /* the origin is known */
    }
    for (int i = 0; i < KICKOFFS; i++) {
        start_held(&held[i], server);
    }
    start_request(&behind, &kickoff);
    for (int i = 0; i < POLLS; i++) {
        start_request(&polls[i], &poll);
    }
    for (int i = 0; i < POLLS; i++) {
        turn_until_done(&polls[i]);
    }
    ck_assert_int_eq(behind.begun, 0);
    /* those that are released go, and before the one that nobody held */
    for (int i = 0; i < KICKOFFS; i++) {
        let_go(&held[i]);
    }
    turn_until_done(&behind);
    for (int i = 0; i < KICKOFFS; i++) {
        turn_until_done(&held[i]);
        ck_assert_int_eq(held[i].begun, 2);
        ck_assert_int_le(held[i].begun_ms, behind.begun_ms);
    }
    ck_assert_uint_eq(requests_of(server), KICKOFFS + 1 + POLLS + (uint64_t)_i);
}
END_TEST

START_TEST(a_held_one_keeps_its_one_place_from_kickoffs_alone)
{
    const struct http_request kickoff = {.method = "POST", .url = rude_server_url(server), .once = true,
                                         .is_kickoff = true};
    const struct http_request kickoff_elsewhere = {.method = "POST", .url = rude_server_url(other), .once = true,
                                         .is_kickoff = true};
    struct seen held = {0};
    struct seen behind = {0};
    struct seen elsewhere = {0};
    struct seen poll = {0};
    start_held(&held, server);
    start_request(&behind, &kickoff);
    fetch(&elsewhere, &kickoff_elsewhere);
    get(&poll, rude_server_url(server));
    ck_assert_int_eq(poll.code, 200);
    ck_assert_int_eq(behind.begun, 0);
    let_go(&held);
    turn_until_done(&behind);
    ck_assert_int_eq(held.done, 1);
    ck_assert_int_le(held.done_ms, behind.begun_ms);
    ck_assert_uint_eq(requests_of(server), 3);
}
END_TEST

START_TEST(a_released_one_waits_for_a_place)
{
    static const struct rude_step stall[] = {{.act = RUDE_STALL}};
    struct seen held = {0};
    struct seen stalled = {0};
    rude_server_stop(server);
    server = rude_server_start(RUDE_WHOLE_SERVER, stall, 1);
    const struct http_request poll = {.method = "GET", .url = rude_server_url(server)};
    start_held(&held, server);
    start_request(&stalled, &poll);
    turn_until_requested(server, 1);
    let_go(&held);
    turn_some();
    ck_assert_int_eq(held.begun, 1);
    ck_assert_int_gt(curl_transport_next_ms(transport), clock_mono_ms() - 1000);
    base->cancel(base, stalled.transfer, false);
    turn_until_requested(server, 2);
    ck_assert_int_eq(held.begun, 2);
}
END_TEST

/* 0: held; 1: released and not asked again yet. */
START_TEST(one_that_is_cancelled_gives_its_share_back)
{
    const struct http_request behind = {.method = "POST", .url = rude_server_url(server), .once = true,
                                         .is_kickoff = true};
    struct seen held = {0};
    struct seen second = {0};
    start_held(&held, server);
    start_request(&second, &behind);
    turn_some();
    ck_assert_int_eq(second.begun, 0);
    if (_i == 1) {
        let_go(&held);
    }
    base->cancel(base, held.transfer, false);
    turn_until_done(&second);
    ck_assert_int_eq(held.begun, 1);
    ck_assert_int_eq(held.done, 0);
    ck_assert_uint_eq(requests_of(server), 1);
    ck_assert_uint_eq(count_transfers(), 0);
}
END_TEST

START_TEST(a_transport_may_be_freed_with_held_ones)
{
    struct seen seen[3] = {{0}};
    for (int i = 0; i < 3; i++) {
        start_held(&seen[i], server);
    }
    let_go(&seen[1]);
    curl_transport_begin(transport, clock_mono_ms()); /* on the wire */
    ck_assert_int_eq(seen[1].begun, 2);
    let_go(&seen[2]);
    ck_assert_uint_eq(count_transfers(), 3);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("curl_holds");
    TCase *tests = tcase_create("curl_holds");
    tcase_add_checked_fixture(tests, setup_held, teardown);
    tcase_set_timeout(tests, 2 * PATIENCE_MS / 1000);
    tcase_add_test(tests, a_held_request_leaves_when_it_is_released);
    tcase_add_test(tests, a_released_one_may_be_held_again);
    tcase_add_test(tests, a_released_one_may_be_dropped);
    tcase_add_test(tests, the_time_it_is_held_is_not_its_own);
    tcase_add_test(tests, a_transport_may_be_freed_with_held_ones);
    tcase_add_loop_test(tests, polls_go_while_all_the_kickoffs_that_may_go_are_held, 0, 2);
    suite_add_tcase(suite, tests);
    TCase *narrow = tcase_create("one_place");
    tcase_add_checked_fixture(narrow, setup_narrow, teardown);
    tcase_set_timeout(narrow, 2 * PATIENCE_MS / 1000);
    tcase_add_test(narrow, a_held_one_keeps_its_one_place_from_kickoffs_alone);
    tcase_add_test(narrow, a_released_one_waits_for_a_place);
    tcase_add_loop_test(narrow, one_that_is_cancelled_gives_its_share_back, 0, 2);
    suite_add_tcase(suite, narrow);
    return suite;
}
