#include "backend/backend.h"
#include "backend/course.h"
#include "base/clock.h"
#include "support/backend_stage.h"
#include "support/check_main.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


static char record_path[] = "/tmp/rxp-test-record-XXXXXX";

/* --- runs --- */

START_TEST(does_what_the_kickoff_asks_for)
{
    static const struct {
        const char *target;
        const char *body;
        long code;
        const char *answer;
        long poll_code; /* 0: not polled */
        const char *poll;
    } rows[] = {
        {"/runs", NULL, 202, "\"status\":\"queued\"", 200, "\"status\":\"running\""},
        {"/runs?seconds=600", NULL, 202, "\"status\":\"queued\"", 200, "\"status\":\"running\""},
        {"/runs?seconds=600&running=busy", NULL, 202, "\"status\":\"busy\"", 200, "\"status\":\"busy\""},
        {"/runs?seconds=0", NULL, 202, "\"status\":\"queued\"", 200, "\"status\":\"completed\""},
        {"/runs?seconds=0&outcome=failed", NULL, 202, "", 200, "\"status\":\"failed\""},
        {"/runs?seconds=0&outcome=a%22b.%7E%C3%A9", NULL, 202, "", 200, "\"status\":\"a\\\"b.~\xc3\xa9\""},
        {"/runs?seconds=0&outcome=true&bare=1", NULL, 202, "\"status\":\"queued\"", 200, "\"status\":true"},
        {"/runs?seconds=600&running=1.50&bare=1", NULL, 202, "\"status\":1.50", 200, "\"status\":1.50"},
        {"/runs?seconds=0&code=200", NULL, 200, "\"status\":\"queued\"", 200, "\"status\":\"completed\""},
        {"/runs?seconds=9&code=200&instant=1&outcome=failed", NULL, 200, "\"status\":\"failed\"", 0, ""},
        {"/runs?code=500&message=boom", NULL, 500, "boom", 0, ""},
        {"/runs?code=500", NULL, 500, "simulated failure", 0, ""},
        {"/runs?seconds=0&status_field=data.state&run_id_field=data.run.id", NULL, 202, "{\"data\":{\"run\":{\"id\":\"",
         200, "},\"state\":\"completed\"}"},
        {"/runs?seconds=0&result=%7B%22a%22:%5B1.0,1e2%5D%7D", NULL, 202, "", 200, "\"result\":{\"a\":[1.0,1e2]}"},
        {"/runs?seconds=0&result_bytes=3", NULL, 202, "", 200, "\"result\":\"rrr\""},
        {"/runs?seconds=0&outcome=failed&message=out+of%20ink", NULL, 202, "", 200, "\"error\":\"out of ink\""},
        {"/runs?seconds=600&pending=404", NULL, 202, "", 404, "not yet"},
        {"/runs?seconds=0&pending=404", NULL, 202, "", 200, "completed"},
        {"/runs?seconds=600&pending=404&pending_seconds=500", NULL, 202, "", 404, "not yet"},
        {"/runs?seconds=600&pending=404&pending_seconds=0.001&kickoff_delay=0.002", NULL, 202, "", 200, "running"},
        {"/runs?seconds=0&poll_fail=503", NULL, 202, "", 503, "simulated failure"},
        {"/runs?seconds=0&poll_fail=503&poll_fail_seconds=600", NULL, 202, "", 503, ""},
        {"/runs?seconds=0&poll_fail=503&poll_fail_seconds=0.001&kickoff_delay=0.002", NULL, 202, "", 200, "completed"},
        {"/runs?seconds=0&poll_fail=503&poll_fail_rate=1", NULL, 202, "", 503, ""},
        {"/runs?seconds=0&garbage=kickoff&run_id=r", NULL, 202, "not JSON: {", 0, ""},
        {"/runs?seconds=0&garbage=poll", NULL, 202, "queued", 200, "not JSON: {"},
        {"/runs?seconds=0&drop=poll&poll_fail_seconds=0.001&kickoff_delay=0.002", NULL, 202, "", 200,
         "completed"},
        {"/jobs?seconds=0.01&outcome=failed&result=7", NULL, 200, "\"status\":\"failed\",\"result\":7", 0, ""},
        {"/jobs?seconds=0&code=503&message=busy", NULL, 503, "busy", 0, ""},
        {"/runs", "{\"simulate\":{\"seconds\":0,\"outcome\":\"lost\",\"result\":{\"a\": 1}}}", 202, "", 200,
         "\"status\":\"lost\",\"result\":{\"a\": 1}"},
        {"/runs?outcome=won", "{\"simulate\":{\"seconds\":0,\"outcome\":\"lost\"}}", 202, "", 200, "\"won\""},
        {"/runs?seconds=0", "simulate is not JSON", 202, "", 200, "completed"},
        {"/runs?seconds=0", "{\"a\":{\"simulate\":1}}", 202, "", 200, "completed"},
    };
    ck_assert_uint_eq(sizeof(rows) / sizeof(*rows), 33);
    ask_with(rows[_i].target, &(struct asking){.method = "POST", .body = rows[_i].body});
    expect(rows[_i].code, rows[_i].answer);
    if (rows[_i].poll_code == 0) {
        return;
    }
    ask("GET", poll_target());
    expect(rows[_i].poll_code, rows[_i].poll);
}
END_TEST

START_TEST(refuses_what_it_does_not_know_and_says_what_would_do)
{
    static const struct {
        const char *target;
        const char *body;
        const char *sentence;
    } rows[] = {
        {"/runs?secnods=1", NULL, "unknown parameter 'secnods'; did you mean 'seconds'?"},
        {"/runs?xyzzy=1", NULL, "unknown parameter 'xyzzy'; see `rxp-worker backend --help`"},
        {"/jobs?secnods=1", NULL, "unknown parameter 'secnods'; did you mean 'seconds'?"},
        {"/runs?seconds=soon", NULL, "parameter 'seconds': 'soon' is not seconds, or a range of them as in 1-5"},
        {"/runs?seconds=5-1", NULL, "parameter 'seconds': '5-1' is not"},
        {"/runs?seconds=1-", NULL, "parameter 'seconds': '1-' is not"},
        {"/runs?seconds=-1", NULL, "parameter 'seconds': '-1' is not"},
        {"/runs?seconds=99999999999", NULL, "parameter 'seconds': '99999999999' is not"},
        {"/runs?seconds=1e400", NULL, "parameter 'seconds': '1e400' is not"},
        {"/runs?kickoff_delay=x", NULL, "parameter 'kickoff_delay': 'x' is not seconds from 0 to 86400"},
        {"/runs?code=99", NULL, "parameter 'code': '99' is not an HTTP status code from 200 to 599"},
        {"/runs?code=202.5", NULL, "parameter 'code': '202.5' is not an HTTP status code"},
        {"/runs?instant=yes", NULL, "parameter 'instant': 'yes' is not 1 or 0"},
        {"/runs?drop=always", NULL, "parameter 'drop': 'always' is not kickoff, poll or both"},
        {"/runs?poll_fail_rate=1.5", NULL, "parameter 'poll_fail_rate': '1.5' is not a part from 0 to 1"},
        {"/runs?run_id_type=text", NULL, "parameter 'run_id_type': 'text' is not string, number, bool"},
        {"/runs?result=%7Bx%7D", NULL, "parameter 'result': '{x}' is not a JSON text"},
        {"/runs?headers=100001", NULL, "parameter 'headers': '100001' is not a whole number from 0 to 100000"},
        {"/runs", "{\"simulate\":{\"secnods\":1}}", "unknown parameter 'secnods'; did you mean 'seconds'?"},
        {"/runs", "{\"simulate\":{\"seconds\":null}}", "parameter 'seconds': 'null' is not"},
        {"/runs", "{\"simulate\":[]}", "'simulate' must be an object of parameters"},
    };
    ck_assert_uint_eq(sizeof(rows) / sizeof(*rows), 21);
    ask_with(rows[_i].target, &(struct asking){.method = "POST", .body = rows[_i].body});
    expect(400, rows[_i].sentence);
}
END_TEST

START_TEST(knows_no_run_that_it_did_not_begin)
{
    static const char *const rows[] = {
        "x", "", "mhd", "mhd-", "-1", "mhd-1.", "mhd-1.zz1", "mhd-1.rw", "mhd-1.rwx", "mhd-1.rw-5", "mhd-1.pc99999",
        "mhd-1.ro~", "mhd-1.ro~1", "mhd-1.ro~00", "mhd-1.ro~zz", "mhd-1x!", "zzzzzzzzzzzzzzzzzzzz-1", "MHD-1", "%00",
        "mhd-1.fd99", "mhd-1.ro-", "mhd-1.roa/b",
    };
    ck_assert_uint_eq(sizeof(rows) / sizeof(*rows), 22);
    char target[64];
    snprintf(target, sizeof(target), "/runs/%s", rows[_i]);
    ask("GET", target);
    expect(404, "is known here");
}
END_TEST

START_TEST(ends_a_run_when_its_time_is_over)
{
    int64_t from_ms = clock_mono_ms();
    ask("POST", "/runs?seconds=0.1&outcome=failed");
    char target[512];
    snprintf(target, sizeof(target), "%s", poll_target());
    do {
        ask("GET", target);
    } while (strstr(reply.body, "running") && clock_mono_ms() - from_ms < DEADLINE_MS);
    /* The wall's clock cuts to whole milliseconds what the other one measures. */
    ck_assert_int_ge(clock_mono_ms() - from_ms, 98);
    expect(200, "failed");
}
END_TEST

START_TEST(delays_answers)
{
    int64_t from_ms = clock_mono_ms();
    ask("POST", "/runs?kickoff_delay=0.05&poll_delay=0.06");
    int64_t kicked_ms = clock_mono_ms();
    ck_assert_int_ge(kicked_ms - from_ms, 50);
    ask("GET", poll_target());
    ck_assert_int_ge(clock_mono_ms() - kicked_ms, 60);
    int64_t polled_ms = clock_mono_ms();
    ask("POST", "/jobs?seconds=0.07");
    expect(200, "completed");
    ck_assert_int_ge(clock_mono_ms() - polled_ms, 70);
}
END_TEST

static int64_t run_length(const char *key)
{
    char header[64];
    snprintf(header, sizeof(header), "Idempotency-Key: %s", key);
    ask_with("/runs?seconds=2-5", &(struct asking){.method = "POST", .header = header});
    const char *length = strstr(poll_target(), ".rw");
    ck_assert_msg(length, "%s", reply.body);
    return strtoll(length + 3, NULL, 10);
}

START_TEST(chooses_a_length_from_a_range_by_the_key)
{
    int64_t least = INT64_MAX;
    int64_t most = 0;
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof(key), "key-%d", i);
        int64_t length = run_length(key);
        ck_assert_int_eq(run_length(key), length);
        least = length < least ? length : least;
        most = length > most ? length : most;
    }
    ck_assert_int_ge(least, 2000);
    ck_assert_int_lt(least, 2500);
    ck_assert_int_le(most, 5000);
    ck_assert_int_gt(most, 4500);
}
END_TEST

START_TEST(fails_the_first_polls_or_a_part_of_them)
{
    ask("POST", "/runs?seconds=0&poll_fail=503&poll_fail_count=2&retry_after=7");
    char target[512];
    snprintf(target, sizeof(target), "%s", poll_target());
    for (int i = 0; i < 4; i++) {
        ask("GET", target);
        ck_assert_int_eq(reply.code, i < 2 ? 503 : 200);
        ck_assert_int_eq(strstr(reply.head, "Retry-After: 7\r\n") != NULL, i < 2);
    }
    ask("POST", "/runs?seconds=0&poll_fail=503&poll_fail_rate=0.5");
    snprintf(target, sizeof(target), "%s", poll_target());
    int failed = 0;
    for (int i = 0; i < 400; i++) {
        failed += ask("GET", target)->code == 503;
    }
    ck_assert_int_gt(failed, 120);
    ck_assert_int_lt(failed, 280);
}
END_TEST

START_TEST(ends_with_the_poll_that_it_is_told_to)
{
    char first[512];
    char second[520];
    ask("POST", "/runs?polls=3&seconds=0");
    expect(202, "queued");
    snprintf(first, sizeof(first), "%s", poll_target());
    ask("POST", "/runs?polls=1&result=7");
    snprintf(second, sizeof(second), "%s", poll_target());
    for (int i = 0; i < 4; i++) {
        ask("GET", first);
        expect(200, i < 2 ? "running" : "completed");
    }
    ask("GET", second);
    expect(200, "completed");
    ck_assert_ptr_nonnull(strstr(reply.body, "\"result\":7"));
    /* Cancelled before its poll came, it ends as cancelled. */
    ask("POST", "/runs?polls=2&seconds=0");
    snprintf(first, sizeof(first), "%s", poll_target());
    snprintf(second, sizeof(second), "%s/cancel", first);
    ask("POST", second);
    expect(200, "cancelled");
    for (int i = 0; i < 2; i++) {
        ask("GET", first);
        expect(200, "cancelled");
    }
}
END_TEST

START_TEST(misbehaves_where_it_is_told_to)
{
    static const struct {
        const char *how;
        CURLcode rc;
    } rows[] = {
        {"drop", CURLE_GOT_NOTHING},
        {"stall", CURLE_OPERATION_TIMEDOUT},
        {"endless", CURLE_WRITE_ERROR},
        {"slow", CURLE_OPERATION_TIMEDOUT},
    };
    struct asking impatient = {.method = "POST", .timeout_ms = 500, .most_bytes = 50000};
    char target[128];
    snprintf(target, sizeof(target), "/runs?seconds=0&%s=%s", rows[_i / 2].how, _i % 2 ? "kickoff" : "poll");
    ask_with(target, &impatient);
    if (_i % 2 == 0) {
        ck_assert_int_eq(reply.rc, CURLE_OK);
        ask_with(poll_target(), &impatient);
    }
    ck_assert_msg(reply.rc == rows[_i / 2].rc, "%s", curl_easy_strerror(reply.rc));
    if (strcmp(rows[_i / 2].how, "stall") == 0) {
        ck_assert_uint_eq(reply.head_bytes, 0);
    }
    if (strcmp(rows[_i / 2].how, "slow") == 0) {
        ck_assert_uint_eq(reply.body_bytes, 1);
    }
}
END_TEST

START_TEST(adds_headers_of_the_size_asked_for)
{
    static const unsigned rows[] = {1000, 8000, 9000, 100000};
    char target[64];
    snprintf(target, sizeof(target), "/runs?headers=%u&kickoff_delay=0.01", rows[_i]);
    ask("POST", target);
    expect(202, "queued");
    ck_assert_uint_ge(reply.head_bytes, rows[_i]);
    ck_assert_uint_le(reply.head_bytes, rows[_i] + 500);
    ask("GET", poll_target());
    expect(200, "running");
    ck_assert_uint_ge(reply.head_bytes, rows[_i]);
}
END_TEST

START_TEST(gives_the_ids_that_it_is_told_to)
{
    static const struct {
        const char *parameters;
        const char *in_answer;
        const char *polled; /* NULL: not */
    } rows[] = {
        {"run_id=plain", "\"run_id\":\"plain\"", "plain"},
        {"run_id=inv-1", "\"run_id\":\"inv-1\"", "inv-1"},
        {"run_id=a%2Fb%3Fc%3D1%26d%23e", "\"run_id\":\"a/b?c=1&d#e\"", "a%2Fb%3Fc%3D1%26d%23e"},
        {"run_id=..%2F..%2Fetc", "\"run_id\":\"../../etc\"", "..%2F..%2Fetc"},
        {"run_id=..", "\"run_id\":\"..\"", ".."},
        {"run_id=%22%5C%0D%0A", "\"run_id\":\"\\\"\\\\\\r\\n\"", "%22%5C%0D%0A"},
        {"run_id=%C3%A9", "\"run_id\":\"\xc3\xa9\"", "%C3%A9"},
        {"run_id=", "\"run_id\":\"\"", NULL},
        {"run_id=9007199254740993&run_id_type=number", "\"run_id\":9007199254740993", "9007199254740993"},
        {"run_id=false&run_id_type=bool", "\"run_id\":false", "false"},
        {"run_id_type=bool", "\"run_id\":true", "true"},
        {"run_id_type=null", "\"run_id\":null", NULL},
        {"run_id_type=object", "\"run_id\":{}", NULL},
        {"run_id_type=array", "\"run_id\":[]", NULL},
        {"run_id_type=missing", "{\"status\":", NULL},
    };
    ck_assert_uint_eq(sizeof(rows) / sizeof(*rows), 15);
    char target[256];
    snprintf(target, sizeof(target), "/runs?seconds=0&outcome=mine&%s", rows[_i].parameters);
    ask("POST", target);
    expect(202, rows[_i].in_answer);
    if (!rows[_i].polled) {
        return;
    }
    snprintf(target, sizeof(target), "/runs/%s", rows[_i].polled);
    ask("GET", target);
    expect(200, "\"mine\"");
    ask("GET", "/runs/9007199254740992");
    ck_assert_int_eq(reply.code, 404);
}
END_TEST

START_TEST(makes_number_ids_of_its_own)
{
    ask("POST", "/runs?seconds=0&outcome=mine&run_id_type=number");
    const char *digits = strstr(reply.body, "\"run_id\":") + strlen("\"run_id\":");
    char target[64];
    snprintf(target, sizeof(target), "/runs/%.*s", (int)strspn(digits, "0123456789"), digits);
    ask("GET", target);
    expect(200, "mine");
}
END_TEST

START_TEST(remembers_runs_whose_course_is_too_long_for_an_id)
{
    char target[4096];
    int n = snprintf(target, sizeof(target), "/runs?seconds=0&result=%%22");
    memset(target + n, 'x', 1000);
    snprintf(target + n + 1000, sizeof(target) - (size_t)n - 1000, "%%22");
    ask("POST", target);
    const char *poll = poll_target();
    ck_assert_uint_lt(strlen(poll), 40);
    ask("GET", poll);
    expect(200, "\"result\":\"xxxxxxx");
}
END_TEST

START_TEST(redirects_and_then_answers)
{
    static const struct {
        const char *target;
        const char *body;
        long redirects;
        long poll_redirects;
    } rows[] = {
        {"/runs?redirects=3&seconds=0&outcome=here", NULL, 3, 0},
        {"/runs?seconds=0&redirect_code=302&redirects=1&outcome=here", NULL, 1, 0},
        {"/runs", "{\"simulate\":{\"seconds\":0,\"redirects\":2,\"outcome\":\"here\"}}", 2, 0},
        {"/runs?seconds=0&redirect_to=/runs?outcome%3Dhere%26seconds%3D0", NULL, 1, 0},
        {"/runs?poll_redirects=2&seconds=0&outcome=here", NULL, 0, 2},
    };
    ask_with(rows[_i].target, &(struct asking){.method = "POST", .body = rows[_i].body});
    ck_assert_int_eq(reply.redirects, rows[_i].redirects);
    expect(202, "queued");
    ask("GET", poll_target());
    ck_assert_int_eq(reply.redirects, rows[_i].poll_redirects);
    expect(200, "\"here\"");
}
END_TEST

START_TEST(knows_its_runs_after_a_restart)
{
    ask("POST", "/runs?seconds=0&outcome=odd%20word&poll_fail=418&poll_fail_rate=0.001&result=%5B1%5D");
    const char *target = poll_target();
    ck_assert_uint_le(strlen(target), 300 + strlen("/runs/"));
    ck_assert_uint_eq(strspn(target + 6, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"),
                      strlen(target) - 6);
    stop();
    start();
    for (int i = 0; i < 10 && ask("GET", target)->code == 418; i++) {
        continue;
    }
    expect(200, "\"status\":\"odd word\",\"result\":[1]");
}
END_TEST

START_TEST(gives_each_run_an_id_of_its_own)
{
    enum { N = 500 };
    static char ids[N][256];
    for (int i = 0; i < N; i++) {
        ask("POST", "/runs");
        snprintf(ids[i], sizeof(ids[i]), "%s", poll_target());
        for (int k = 0; k < i; k++) {
            ck_assert_str_ne(ids[i], ids[k]);
        }
    }
}
END_TEST

/* --- what it saw --- */

START_TEST(counts_requests_runs_and_repeated_keys)
{
    struct asking first = {.method = "POST", .header = "Idempotency-Key: one"};
    struct asking second = {.method = "POST", .header = "Idempotency-Key: two"};
    ask_with("/runs?seconds=600", &first);
    ask("GET", poll_target());
    ask_with("/runs?seconds=600", &first);
    ask_with("/runs?seconds=0", &second);
    ask_with("/jobs?seconds=0", &second);
    ask_with("/jobs?seconds=0", &second);
    ask("GET", "/healthz");
    expect(200, "\"ok\"");
    ask("GET", "/stats");
    ck_assert_str_eq(reply.body, "{\"requests\":8,\"kickoffs\":5,\"jobs\":2,\"polls\":1,\"runs_in_progress\":2,"
                                 "\"idempotency_keys\":{\"distinct\":2,\"repeated\":3,\"uncounted\":0}}\n");
    struct backend_counts counts;
    backend_read_counts(backend, &counts);
    ck_assert_uint_eq(counts.requests, 8);
    ck_assert_uint_eq(counts.kickoffs, 5);
    ck_assert_uint_eq(counts.polls, 1);
}
END_TEST

START_TEST(records_each_request_as_a_line_of_json)
{
    static const char raw[] = {'a', '\0', (char)0xff, 'z'};
    char big[5000];
    memset(big, 'b', sizeof(big));
    stop();
    int64_t began_us = clock_wall_us();
    int fd = mkstemp(record_path);
    ck_assert_int_ge(fd, 0);
    start_recording(record_path);
    ask_with("/runs?seconds=0&run_id=a%2Fb", &(struct asking){.method = "POST", .body = "{\"x\":\"\xc3\xa9\"}",
                                                              .header = "Idempotency-Key: k\"1"});
    ask("GET", "/runs/a%2Fb");
    ask_with("/jobs?seconds=0&run_id=j", &(struct asking){.method = "PUT", .body = raw, .body_bytes = sizeof(raw)});
    /* On a connection of its own: libcurl would send it again where a used one dies. */
    curl_easy_cleanup(curl);
    curl = NULL;
    ask_with("/runs?drop=kickoff&run_id=d", &(struct asking){.method = "POST", .body = big, .body_bytes = sizeof(big)});
    stop();

    static const char *const parts[] = {
        "\"method\":\"POST\",\"path\":\"/runs\",\"query\":\"seconds=0&run_id=a%2Fb\",\"key\":\"k\\\"1\","
        "\"run_id\":\"a/b\",\"bytes\":10,\"code\":202,\"headers\":[\"Host: 127.0.0.1:",
        "\"],\"body\":\"{\\\"x\\\":\\\"\xc3\xa9\\\"}\"}\n",
        "\"method\":\"GET\",\"path\":\"/runs/a%2Fb\",\"bytes\":0,\"code\":200,\"headers\":[",
        "\"method\":\"PUT\",\"path\":\"/jobs\",\"query\":\"seconds=0&run_id=j\",\"run_id\":\"j\",\"bytes\":4,"
        "\"code\":200,\"headers\":[",
        "\"],\"body_base64\":\"YQD/eg==\"}\n",
        "\"method\":\"POST\",\"path\":\"/runs\",\"query\":\"drop=kickoff&run_id=d\",\"run_id\":\"d\",\"bytes\":5000,"
        "\"code\":0}\n",
    };
    static char text[65536];
    ssize_t bytes = read(fd, text, sizeof(text) - 1);
    ck_assert_int_gt(bytes, 0);
    text[bytes] = '\0';
    close(fd);
    unlink(record_path);
    const char *at = text;
    long long ms = 0;
    long long us = 0;
    ck_assert_int_eq(sscanf(at, "{\"ms\":%lld,\"us\":%lld,", &ms, &us), 2);
    ck_assert_int_eq(us / 1000, ms);
    ck_assert_int_le(began_us, us);
    ck_assert_int_le(us, clock_wall_us());
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        const char *found = strstr(at, parts[i]);
        ck_assert_msg(found, "%s is not in %s", parts[i], at);
        at = found + strlen(parts[i]);
    }
    ck_assert_str_eq(at, "");
}
END_TEST

START_TEST(says_why_it_cannot_start)
{
    char why[512] = "";
    ck_assert_ptr_null(backend_start(&(struct backend_config){.listen = "nowhere", .threads = 1}, why, sizeof(why)));
    ck_assert_ptr_nonnull(strstr(why, "'nowhere'"));
    struct backend_config config = {.listen = "127.0.0.1:0", .threads = 1, .record_path = "/no/such/folder/record"};
    ck_assert_ptr_null(backend_start(&config, why, sizeof(why)));
    ck_assert_str_eq(why, "cannot record requests in '/no/such/folder/record': No such file or directory");
}
END_TEST

START_TEST(tells_its_parameters)
{
    ask("GET", "/");
    ck_assert_str_eq(reply.body, backend_help());
#define IS_TOLD(member, key, name, ...) ck_assert_ptr_nonnull(strstr(backend_help(), "\n  " name "="));
    COURSE_PARAMETERS(IS_TOLD)
#undef IS_TOLD
    ask("GET", "/elsewhere");
    expect(404, "nothing is at '/elsewhere'");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("backend");
    TCase *tests = tcase_create("all");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, start, stop);
    tcase_add_loop_test(tests, does_what_the_kickoff_asks_for, 0, 33);
    tcase_add_loop_test(tests, refuses_what_it_does_not_know_and_says_what_would_do, 0, 21);
    tcase_add_loop_test(tests, knows_no_run_that_it_did_not_begin, 0, 22);
    tcase_add_test(tests, ends_a_run_when_its_time_is_over);
    tcase_add_test(tests, delays_answers);
    tcase_add_test(tests, chooses_a_length_from_a_range_by_the_key);
    tcase_add_test(tests, fails_the_first_polls_or_a_part_of_them);
    tcase_add_test(tests, ends_with_the_poll_that_it_is_told_to);
    tcase_add_loop_test(tests, misbehaves_where_it_is_told_to, 0, 8);
    tcase_add_loop_test(tests, adds_headers_of_the_size_asked_for, 0, 4);
    tcase_add_loop_test(tests, gives_the_ids_that_it_is_told_to, 0, 15);
    tcase_add_test(tests, makes_number_ids_of_its_own);
    tcase_add_test(tests, remembers_runs_whose_course_is_too_long_for_an_id);
    tcase_add_loop_test(tests, redirects_and_then_answers, 0, 5);
    tcase_add_test(tests, knows_its_runs_after_a_restart);
    tcase_add_test(tests, gives_each_run_an_id_of_its_own);
    tcase_add_test(tests, counts_requests_runs_and_repeated_keys);
    tcase_add_test(tests, records_each_request_as_a_line_of_json);
    tcase_add_test(tests, says_why_it_cannot_start);
    tcase_add_test(tests, tells_its_parameters);
    return suite;
}
