/* What the headers of an answer say: Retry-After, and the URL that a run asks for. */
#include "protocol/url.h"
#include "support/fetch_stage.h"

#include <stdlib.h>

#define ANSWER(headers) "HTTP/1.1 202 X\r\n" headers "Content-Length: 2\r\n\r\nok"

static void fetch_wanting(struct seen *seen, const char *url, const char *header)
{
    const struct http_request request = {
        .method = "POST", .url = url, .once = true, .is_kickoff = true, .want_header = header, .body = "{}",
        .body_bytes = 2, .connect_timeout_ms = 5000};
    fetch(seen, &request);
    ck_assert_msg(seen->error == TRANSPORT_OK, "%s", seen->detail);
}

static void check_url(const struct seen *seen, const char *path)
{
    ck_assert_str_eq(seen->wanted_url, strncmp(path, "http", 4) == 0 || path[0] == '(' ? path : url_of(server, path));
}

/* ---- Retry-After ---- */

static const struct {
    const char *answer;
    const char *retry_after;
} waits[] = {
    {ANSWER("Retry-After: 7\r\n"), "7"},
    {ANSWER("retry-after:  Wed, 21 Oct 2015 07:28:00 GMT \t\r\n"), "Wed, 21 Oct 2015 07:28:00 GMT"},
    {ANSWER("Retry-After: soon\r\n"), "soon"}, /* what it means is not read here */
    {ANSWER("Retry-After: 1\r\nRetry-After: 2\r\n"), "1"},
    {ANSWER("Retry-After:\r\n"), "(none)"},
    {ANSWER("Retry-After: \t \r\n"), "(none)"},
    {ANSWER(""), "(none)"},
    {"HTTP/1.1 103 Early\r\nRetry-After: 9\r\n\r\n" ANSWER(""), "(none)"},
    {"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nRetry-After: 9\r\n\r\n", "(none)"},
    {"HTTP/1.1 503 X\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n", "120"},
    {"HTTP/1.1 429 X\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", "0"},
    {ANSWER("Retry-After: 00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
            "00000000000000000000000000000000000000000001\r\n"),
     "(none)"},
};

START_TEST(retry_after_is_given_as_it_stands)
{
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = waits[_i].answer};
    serve(RUDE_WHOLE_SERVER, &step, 1);
    struct seen seen = {0};
    fetch_wanting(&seen, rude_server_url(server), NULL);
    ck_assert_str_eq(seen.retry_after, waits[_i].retry_after);
    ck_assert_str_eq(seen.wanted_raw, "(none)");
    ck_assert_str_eq(seen.wanted_url, "(none)");
    ck_assert(!seen.moved);
}
END_TEST

/* ---- the header that names a URL ---- */

static const struct {
    const char *headers;
    const char *raw;
    const char *url; /* where it begins with '/': at the server that answered */
} wanted[] = {
    {"Location: http://other.example/runs/1\r\n", "http://other.example/runs/1", "http://other.example/runs/1"},
    {"LOCATION:https://other.example/runs/1?a=b&c=d\r\n", "https://other.example/runs/1?a=b&c=d",
     "https://other.example/runs/1?a=b&c=d"},
    {"Location: /runs/1\r\n", "/runs/1", "/runs/1"},
    {"Location: status\r\n", "status", "/api/status"},
    {"Location: ./status/../runs/7\r\n", "./status/../runs/7", "/api/runs/7"},
    {"Location: ../runs/1\r\n", "../runs/1", "/runs/1"},
    {"Location: ?run=1\r\n", "?run=1", "/api/kickoff?run=1"},
    {"Location: //other.example:81/x\r\n", "//other.example:81/x", "http://other.example:81/x"},
    {"Location: /runs/1#part\r\n", "/runs/1#part", "/runs/1"},
    {"Location: /runs/a b\r\n", "/runs/a b", "/runs/a%20b"},
    {"Location: /runs/%2F%7e\r\n", "/runs/%2F%7e", "/runs/%2F%7e"},
    {"Location: /first\r\nLocation: /second\r\n", "/first", "/first"},
    {"Location:  /runs/1 \t\r\n", "/runs/1", "/runs/1"},
    {"Location:\r\n", "(none)", "(none)"},
    {"Operation-Location: /runs/1\r\n", "(none)", "(none)"},
    {"Location: ftp://other.example/x\r\n", "ftp://other.example/x", "(none)"},
    {"Location: file:///etc/passwd\r\n", "file:///etc/passwd", "(none)"},
    {"Location: javascript:alert(1)\r\n", "javascript:alert(1)", "(none)"},
    {"Location: http://\r\n", "http://", "(none)"},
    {"Location: http://host:99999/\r\n", "http://host:99999/", "(none)"},
    {"Location: http://a\x01\x62/\r\n", "http://a\x01\x62/", "(none)"},
    {"Location: https://user:secret@other.example/x\r\n", "https://user:secret@other.example/x", "(none)"},
    {"Location: https://user@other.example/x\r\n", "https://user@other.example/x", "(none)"},
};

START_TEST(the_wanted_header_is_resolved_against_the_url_that_answered)
{
    char answer[512];
    snprintf(answer, sizeof answer, "HTTP/1.1 202 X\r\n%sContent-Length: 2\r\n\r\nok", wanted[_i].headers);
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = answer};
    serve(RUDE_WHOLE_SERVER, &step, 1);
    struct seen seen = {0};
    fetch_wanting(&seen, url_of(server, "/api/kickoff?key=1"), "location");
    ck_assert_str_eq(seen.wanted_raw, wanted[_i].raw);
    check_url(&seen, wanted[_i].url);
    ck_assert_str_eq(seen.body, "ok");
}
END_TEST

static const struct {
    size_t bytes; /* of the whole URL */
    bool is_given;
} lengths[] = {{URL_MAX_BYTES, true}, {URL_MAX_BYTES + 1, false}, {60000, false}};

START_TEST(a_wanted_url_may_be_as_long_as_any_other)
{
    static const char head[] = "HTTP/1.1 202 X\r\nLocation: ";
    static const char start[] = "http://other.example/";
    char *answer = malloc(lengths[_i].bytes + 200);
    char *url = malloc(lengths[_i].bytes + 1);
    memset(url, 'a', lengths[_i].bytes);
    url[lengths[_i].bytes] = '\0';
    memcpy(url, start, strlen(start));
    sprintf(answer, "%s%s\r\nContent-Length: 2\r\n\r\nok", head, url);
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = answer};
    serve(RUDE_WHOLE_SERVER, &step, 1);
    struct seen seen = {0};
    fetch_wanting(&seen, rude_server_url(server), "Location");
    ck_assert_int_eq(strncmp(seen.wanted_raw, start, strlen(start)), 0);
    ck_assert_int_eq(strncmp(seen.wanted_url, start, strlen(start)) == 0, lengths[_i].is_given);
    stop_server();
    free(answer);
    free(url);
}
END_TEST

/* ---- behind redirects ---- */

static const struct {
    int code;
    bool moved;
} hops[] = {{301, true}, {302, true}, {303, true}, {307, false}, {308, false}};

START_TEST(behind_a_redirect_the_last_hop_is_what_counts)
{
    char away[256];
    other = rude_server_start(RUDE_WHOLE_SERVER,
                              &(struct rude_step){.act = RUDE_ANSWER, .answer = ANSWER("Operation-Location: next\r\n")}, 1);
    snprintf(away, sizeof away,
             "HTTP/1.1 %d X\r\nLocation: %s\r\nOperation-Location: /not/this\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n",
             hops[_i].code, url_of(other, "/deep/er/x"));
    serve(RUDE_WHOLE_SERVER, &(struct rude_step){.act = RUDE_ANSWER, .answer = away}, 1);
    struct seen seen = {0};
    fetch_wanting(&seen, rude_server_url(server), "Operation-Location");
    ck_assert_int_eq(seen.code, 202);
    ck_assert_int_eq(seen.moved, hops[_i].moved);
    ck_assert_str_eq(seen.retry_after, "(none)");
    ck_assert_str_eq(seen.wanted_raw, "next");
    ck_assert_str_eq(seen.wanted_url, url_of(other, "/deep/er/next"));
}
END_TEST

/* The same handle is used again. */
START_TEST(nothing_is_left_for_the_next_request)
{
    const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = ANSWER("Location: /1\r\nRetry-After: 3\r\n")},
                                      {.act = RUDE_ANSWER, .answer = ANSWER("Location: /2\r\n")},
                                      {.act = RUDE_ANSWER, .answer = ANSWER("")},
                                      {.act = RUDE_ANSWER_CLOSE, .answer = "HTTP/1.1 200 X\r\nLocation: /4\r\n"}};
    serve(RUDE_WHOLE_SERVER, steps, 4);
    struct seen first = {0};
    fetch_wanting(&first, rude_server_url(server), "Location");
    ck_assert_str_eq(first.wanted_raw, "/1");
    ck_assert_str_eq(first.retry_after, "3");
    struct seen second = {0};
    fetch_wanting(&second, rude_server_url(server), NULL);
    ck_assert_str_eq(second.wanted_raw, "(none)");
    ck_assert_str_eq(second.retry_after, "(none)");
    struct seen third = {0};
    fetch_wanting(&third, rude_server_url(server), "Location");
    ck_assert_str_eq(third.wanted_raw, "(none)");
    struct seen fourth = {0};
    const struct http_request request = {.method = "POST", .url = rude_server_url(server), .once = true,
                                         .want_header = "Location"};
    fetch(&fourth, &request);
    ck_assert_int_eq(fourth.error, TRANSPORT_NETWORK);
    ck_assert_str_eq(fourth.wanted_raw, "(none)");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("curl_headers");
    TCase *tests = tcase_create("curl_headers");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, retry_after_is_given_as_it_stands, 0, COUNT(waits));
    tcase_add_loop_test(tests, the_wanted_header_is_resolved_against_the_url_that_answered, 0, COUNT(wanted));
    tcase_add_loop_test(tests, a_wanted_url_may_be_as_long_as_any_other, 0, COUNT(lengths));
    tcase_add_loop_test(tests, behind_a_redirect_the_last_hop_is_what_counts, 0, COUNT(hops));
    tcase_add_test(tests, nothing_is_left_for_the_next_request);
    suite_add_tcase(suite, tests);
    return suite;
}
