#include "support/fetch_stage.h"

/* ---- what an answer says of its time ---- */

START_TEST(an_answer_says_how_long_its_parts_took)
{
    const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = OK_ANSWER}};
    server = rude_server_start(RUDE_EACH_CONNECTION, steps, 1);
    struct seen first = {0};
    get(&first, rude_server_url(server));
    ck_assert_int_gt(first.timing.connect_us, 0);
    ck_assert_int_gt(first.timing.first_byte_us, 0);
    ck_assert_int_ge(first.timing.total_us, first.timing.connect_us + first.timing.first_byte_us);
    ck_assert_int_eq(first.timing.secure_us, 0);
    ck_assert(!first.timing.is_reused);
    ck_assert_int_eq(first.timing.redirects, 0);

    struct seen second = {0};
    get(&second, rude_server_url(server));
    ck_assert(second.timing.is_reused);
    ck_assert_int_gt(second.timing.first_byte_us, 0);
}
END_TEST

START_TEST(an_answer_says_how_often_it_was_redirected)
{
    const struct rude_step steps[] = {
        {.act = RUDE_ANSWER, .answer = "HTTP/1.1 307 X\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n"},
        {.act = RUDE_ANSWER, .answer = "HTTP/1.1 307 X\r\nLocation: /last\r\nContent-Length: 0\r\n\r\n"},
        {.act = RUDE_ANSWER, .answer = OK_ANSWER}};
    server = rude_server_start(RUDE_WHOLE_SERVER, steps, 3);
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(seen.timing.redirects, 2);
}
END_TEST

START_TEST(an_answer_says_how_long_it_was_queued)
{
    const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = OK_ANSWER}};
    server = rude_server_start(RUDE_EACH_CONNECTION, steps, 1);
    struct seen seen = {.hold = true};
    const struct http_request request = {.method = "POST", .url = rude_server_url(server), .is_kickoff = true};
    start_request(&seen, &request);
    int64_t until_ms = clock_mono_ms() + 60;
    while (clock_mono_ms() < until_ms || seen.begun == 0) {
        turn();
    }
    seen.hold = false;
    curl_transport_base(transport)->release(curl_transport_base(transport), seen.transfer);
    turn_until_done(&seen);
    ck_assert_int_ge(seen.timing.queued_ms, 50);
    ck_assert_int_lt(seen.timing.total_us, seen.timing.queued_ms * 1000 + 1000000);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("timing");
    TCase *tests = tcase_create("all");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, an_answer_says_how_long_its_parts_took);
    tcase_add_test(tests, an_answer_says_how_often_it_was_redirected);
    tcase_add_test(tests, an_answer_says_how_long_it_was_queued);
    return suite;
}
