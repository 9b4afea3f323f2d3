#include "support/fetch_stage.h"

/* ---- trailers ---- */

#define CHUNKED(code, trailers)                                                                                        \
    "HTTP/1.1 " code " X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n" trailers "\r\n"

static const struct {
    const char *answer;
    int code;
} trailed[] = {
    {CHUNKED("202", "Server-Timing: db;dur=1\r\n"), 202},
    {CHUNKED("200", "A: 1\r\nB: 2\r\n"), 200},
    {CHUNKED("200", ""), 200},
    {"HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\n" CHUNKED("200", "A: 1\r\n"), 200},
};

START_TEST(an_answer_with_trailers_is_whole)
{
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = trailed[_i / 2].answer};
    serve(RUDE_WHOLE_SERVER, &step, 1);
    struct seen seen = {0};
    const struct http_request request = {
        .method = _i % 2 == 0 ? "GET" : "POST", .url = rude_server_url(server), .once = _i % 2 != 0};
    fetch(&seen, &request);
    ck_assert_msg(seen.error == TRANSPORT_OK, "%s", seen.detail);
    ck_assert_int_eq(seen.code, trailed[_i / 2].code);
    ck_assert_str_eq(seen.body, "ok");
}
END_TEST

/* closed where the answer is not whole */
static const char *const cut_off[] = {
    "HTTP/1.1 200 OK\r\nContent-Len",
    "HTTP/1.1 200 OK\r\nA: b\r\n",
    "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: 1\r\n",
};

START_TEST(an_answer_that_is_cut_off_in_its_headers_or_trailers_is_none)
{
    const struct rude_step step = {.act = RUDE_ANSWER_CLOSE, .answer = cut_off[_i]};
    serve(RUDE_WHOLE_SERVER, &step, 1);
    struct seen seen = {0};
    const struct http_request request = {.method = "POST", .url = rude_server_url(server), .once = true};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_NETWORK);
    ck_assert(seen.sent);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("curl_answers");
    TCase *tests = tcase_create("curl_answers");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, an_answer_with_trailers_is_whole, 0, 2 * COUNT(trailed));
    tcase_add_loop_test(tests, an_answer_that_is_cut_off_in_its_headers_or_trailers_is_none, 0, COUNT(cut_off));
    suite_add_tcase(suite, tests);
    return suite;
}
