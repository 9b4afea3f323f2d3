#include "core/history.h"
#include "engine/awake.h"
#include "ops/metrics.h"
#include "protocol/json.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL INT64_C(1764000000000)

static struct metrics *metrics;
static struct metrics_shard *shard;
static struct history *history;
static char *text;

static void setup(void)
{
    metrics = metrics_new(NULL, 0);
    shard = metrics_shard_new(metrics);
    history = history_new(metrics);
    ck_assert_ptr_nonnull(history);
    text = NULL;
}

static void teardown(void)
{
    free(text);
    history_free(history);
    metrics_free(metrics);
}

static const char *written(void)
{
    struct json_writer out;
    size_t bytes;
    free(text);
    json_writer_init(&out, 16);
    history_write(history, &out);
    text = json_writer_take(&out, &bytes);
    ck_assert_ptr_nonnull(text);
    return text;
}

static void assert_holds(const char *part)
{
    const char *all = written();
    ck_assert_msg(strstr(all, part) != NULL, "%s is missing in %s", part, all);
}

static void assert_lacks(const char *part)
{
    const char *all = written();
    ck_assert_msg(strstr(all, part) == NULL, "%s should not be in %s", part, all);
}

/* `n` of everything. */
static void happen(int n)
{
    metrics_add(shard, METRIC_INVOCATIONS_TOTAL, 0, (int64_t)n * 3);
    metrics_add(shard, METRIC_RUNS_TOTAL, metrics_run_cell(RXP_STATUS_SUCCEEDED, RXP_OK), n);
    metrics_add(shard, METRIC_RUNS_TOTAL, metrics_run_cell(RXP_STATUS_FAILED, RXP_ERROR_POLL_NETWORK), n);
    metrics_add(shard, METRIC_RUNS_TOTAL, metrics_run_cell(RXP_STATUS_REJECTED, RXP_ERROR_INVALID_JSON), n);
    metrics_add(shard, METRIC_RUNS_TOTAL, metrics_run_cell(RXP_STATUS_TIMED_OUT, RXP_ERROR_POLL_TIMEOUT), n);
    metrics_add(shard, METRIC_RUNS_TOTAL, metrics_run_cell(RXP_STATUS_CANCELLED, RXP_ERROR_CANCELLED), n);
    metrics_add(shard, METRIC_RUNS_IN_FLIGHT, METRIC_PHASE_WAIT, n);
}

static void tick(int64_t ms)
{
    history_tick(history, 1000 + ms, WALL + ms);
}

START_TEST(a_step_holds_what_happened_in_it)
{
    happen(100); /* before it began */
    tick(0);
    assert_holds("\"taken\":[],\"succeeded\":[],\"failed\":[],\"in_flight\":[]");
    happen(2);
    tick(4999);
    assert_holds("\"taken\":[]");
    tick(5000);
    assert_holds("\"step_ms\":5000,\"until_ms\":1764000005000,\"taken\":[6],\"succeeded\":[2],\"failed\":[8],\"in_flight\":[102]}");
    happen(1);
    tick(10100);
    tick(14999);
    assert_holds("\"taken\":[6,3],\"succeeded\":[2,1],\"failed\":[8,4],\"in_flight\":[102,103]}");
    tick(15000);
    assert_holds("\"taken\":[6,3,0]");
}
END_TEST

START_TEST(steps_that_nobody_saw_are_empty)
{
    tick(0);
    happen(1);
    tick(5000);
    happen(2);
    tick(22000);
    assert_holds("\"taken\":[3,0,0,6],\"succeeded\":[1,0,0,2],\"failed\":[4,0,0,8],\"in_flight\":[1,1,1,3]}");
    tick(25000);
    assert_holds("\"taken\":[3,0,0,6,0]");
}
END_TEST

START_TEST(fifteen_minutes_are_kept)
{
    tick(0);
    for (int i = 1; i <= HISTORY_STEPS + 2; i++) {
        metrics_add(shard, METRIC_INVOCATIONS_TOTAL, 0, i);
        tick((int64_t)i * HISTORY_STEP_MS);
    }
    assert_holds("\"taken\":[3,4,5,");
    assert_holds(",180,181,182],\"succeeded\"");
    tick(INT64_C(100000) * HISTORY_STEP_MS); /* a night's sleep */
    assert_holds("\"taken\":[0,0,");
    assert_lacks("[0,0,0,0,3");
}
END_TEST

/* ---- causes ---- */

static void note(enum rxp_error error, const char *url, const char *name, const char *id, const char *summary, int64_t at_ms)
{
    struct rxp_http_plan plan = {.kickoff = {.url = url}};
    struct rxp_invocation invocation = {.invocation_id = id, .runtime_name = name};
    struct awake awake = {
        .plan = url != NULL ? &plan : NULL,
        .invocation = id != NULL ? &invocation : NULL,
        .outcome = {.status = RXP_STATUS_FAILED, .error = error, .summary = (char *)(uintptr_t)summary, .finished_at_ms = WALL + at_ms},
    };
    struct run run = {.awake = &awake};
    history_note(history, &run);
}

START_TEST(failures_of_one_cause_are_one_entry_with_the_last_words)
{
    assert_holds("\"failures\":[]");
    note(RXP_ERROR_KICKOFF_NETWORK, "http://api:8080/runs?key=hidden", "archon", "one", "first words", 1);
    note(RXP_ERROR_KICKOFF_NETWORK, "http://api:8080/other", "archon", "two", "last words", 5);
    assert_holds("\"failures\":[{\"code\":\"kickoff_network\",\"status\":\"failed\",\"origin\":\"http://api:8080\","
                 "\"runtime_name\":\"archon\",\"count\":2,\"first_ms\":1764000000001,\"last_ms\":1764000000005,"
                 "\"summary\":\"last words\",\"invocation_id\":\"two\"}]");
    assert_lacks("hidden");
}
END_TEST

START_TEST(code_origin_and_runtime_name_tell_causes_apart)
{
    note(RXP_ERROR_KICKOFF_NETWORK, "http://api:8080/", "archon", "1", "", 1);
    note(RXP_ERROR_POLL_NETWORK, "http://api:8080/", "archon", "2", "", 1);
    note(RXP_ERROR_KICKOFF_NETWORK, "http://api:8081/", "archon", "3", "", 1);
    note(RXP_ERROR_KICKOFF_NETWORK, "http://api:8080/", "archon2", "4", "", 1);
    const char *all = written();
    int n = 0;
    for (const char *at = all; (at = strstr(at, "\"count\":1,")) != NULL; at++) {
        n++;
    }
    ck_assert_int_eq(n, 4);
}
END_TEST

START_TEST(what_is_not_known_is_null)
{
    note(RXP_ERROR_INVALID_JSON, NULL, NULL, NULL, NULL, 1);
    assert_holds("\"origin\":null,\"runtime_name\":null,\"count\":1,");
    assert_holds("\"summary\":\"\",\"invocation_id\":null}");
}
END_TEST

START_TEST(the_cause_that_is_longest_ago_makes_room)
{
    char name[32];
    for (int i = 0; i < HISTORY_CAUSES; i++) {
        snprintf(name, sizeof name, "name-%d.", i);
        note(RXP_ERROR_POLL_STATUS, NULL, name, "id", "", 1000 + i);
    }
    note(RXP_ERROR_POLL_STATUS, NULL, "name-0.", "id", "", 5000);
    note(RXP_ERROR_POLL_STATUS, NULL, "new", "id", "", 6000);
    assert_lacks("\"name-1.\"");
    assert_holds("\"name-0.\"");
    assert_holds("\"name-2.\"");
    assert_holds("\"runtime_name\":\"new\",\"count\":1,");
}
END_TEST

START_TEST(long_and_hostile_texts_are_cut_and_escaped)
{
    char huge[5000];
    memset(huge, 'a', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    for (size_t at = 100; at + 1 < sizeof huge - 1; at += 2) {
        memcpy(huge + at, "\xC3\xA9", 2);
    }
    note(RXP_ERROR_POLL_STATUS, huge, huge, huge, huge, 1);
    ck_assert_uint_lt(strlen(written()), 2500);
    assert_lacks("\xEF\xBF\xBD"); /* no character was cut in two */
    note(RXP_ERROR_POLL_STATUS, "http://a", "x", "<img src=x onerror=\"1\">\x01\xFF", "\"\n", 1);
    assert_holds("\"<img src=x onerror=\\\"1\\\">\\u0001\xEF\xBF\xBD\"");
    struct json_fault fault;
    char whole[8000];
    snprintf(whole, sizeof whole, "{%s}", written());
    ck_assert_int_eq(json_check(whole, strlen(whole), JSON_KEYS_UNIQUE, &fault), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("history");
    TCase *tc = tcase_create("history");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_step_holds_what_happened_in_it);
    tcase_add_test(tc, steps_that_nobody_saw_are_empty);
    tcase_add_test(tc, fifteen_minutes_are_kept);
    tcase_add_test(tc, failures_of_one_cause_are_one_entry_with_the_last_words);
    tcase_add_test(tc, code_origin_and_runtime_name_tell_causes_apart);
    tcase_add_test(tc, what_is_not_known_is_null);
    tcase_add_test(tc, the_cause_that_is_longest_ago_makes_room);
    tcase_add_test(tc, long_and_hostile_texts_are_cut_and_escaped);
    suite_add_tcase(suite, tc);
    return suite;
}
