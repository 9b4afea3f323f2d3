#include "support/fetch_stage.h"

#include <stdlib.h>

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
    const struct http_request request = {.method = "POST", .url = rude_server_url(server), .once = true,
                                         .is_kickoff = true};
    fetch(&seen, &request);
    ck_assert_int_eq(seen.error, TRANSPORT_NETWORK);
    ck_assert(seen.sent);
}
END_TEST

/* ---- bytes that are no body ---- */

/* An answer "ok" in one chunk, with an extension of so many bytes. */
static char *make_extended(size_t bytes)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;e=";
    char *answer = malloc(sizeof head + bytes + 32);
    size_t at = (size_t)sprintf(answer, "%s", head);
    memset(answer + at, 'x', bytes);
    strcpy(answer + at + bytes, "\r\nok\r\n0\r\n\r\n");
    return answer;
}

START_TEST(a_chunk_s_extension_without_end_is_cut_off)
{
    char *flood = make_extended((size_t)64 << 20);
    const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = OK_ANSWER}, {.act = RUDE_ANSWER, .answer = flood}};
    serve(RUDE_WHOLE_SERVER, steps + 1 - _i, 1 + (size_t)_i);
    struct seen seen = {0};
    if (_i == 1) {
        get(&seen, rude_server_url(server)); /* the flood comes on a connection that is used again */
        ck_assert_int_eq(seen.error, TRANSPORT_OK);
    }
    seen = (struct seen){0};
    get(&seen, rude_server_url(server));
    ck_assert_int_eq(seen.error, TRANSPORT_TOO_LARGE);
    ck_assert(seen.sent);
    ck_assert_msg(strstr(seen.detail, "on the wire") != NULL, "%s", seen.detail);
    ck_assert_uint_eq(connections_of(server), 1);
    stop_server(); /* it reads the answer */
    free(flood);
}
END_TEST

/* The last one in many pieces, so that what its connection received is looked at. */
START_TEST(short_extensions_may_come_as_often_as_they_like)
{
    enum { N = RUDE_MAX_STEPS };
    char *answer = make_extended(20000);
    char slow[128];
    snprintf(slow, sizeof slow, "HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\nok%78s", "");
    struct rude_step steps[N];
    for (int i = 0; i < N - 1; i++) {
        steps[i] = (struct rude_step){.act = RUDE_ANSWER, .answer = answer};
    }
    steps[N - 1] = (struct rude_step){.act = RUDE_ANSWER_SLOWLY, .answer = slow, .interval_ms = 2};
    serve(RUDE_WHOLE_SERVER, steps, N);
    for (int i = 0; i < N; i++) {
        struct seen seen = {0};
        get(&seen, rude_server_url(server));
        ck_assert_msg(seen.error == TRANSPORT_OK, "%s", seen.detail);
        ck_assert_int_eq(strncmp(seen.body, "ok", 2), 0);
    }
    ck_assert_uint_eq(connections_of(server), 1);
    stop_server();
    free(answer);
}
END_TEST

START_TEST(a_body_in_small_pieces_may_be_as_long_as_another)
{
    char *answer = malloc(MAX_RESPONSE_BYTES * 6 + 100);
    size_t at = (size_t)sprintf(answer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < MAX_RESPONSE_BYTES; i++) {
        at += (size_t)sprintf(answer + at, "1\r\nb\r\n");
    }
    strcpy(answer + at, "0\r\n\r\n");
    const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = answer}};
    serve(RUDE_WHOLE_SERVER, steps, 1);
    struct seen seen = {0};
    get(&seen, rude_server_url(server));
    ck_assert_msg(seen.error == TRANSPORT_OK, "%s", seen.detail);
    ck_assert_uint_eq(seen.body_bytes, MAX_RESPONSE_BYTES);
    stop_server();
    free(answer);
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
    tcase_add_loop_test(tests, a_chunk_s_extension_without_end_is_cut_off, 0, 2);
    tcase_add_test(tests, short_extensions_may_come_as_often_as_they_like);
    tcase_add_test(tests, a_body_in_small_pieces_may_be_as_long_as_another);
    suite_add_tcase(suite, tests);
    return suite;
}
