#include "ops/metrics.h"
#include "ops/log.h"
#include "support/check_main.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const origins[] = {"http://api.example", "api.example:8443", "plain.example", "https://[fd00::1]:9000",
                                      "api.example:8443",   "",                 "other"};
enum { N_ORIGINS = sizeof origins / sizeof origins[0] };

static struct metrics *metrics_made(void)
{
    struct metrics *metrics = metrics_new(origins, N_ORIGINS);
    ck_assert_ptr_nonnull(metrics);
    return metrics;
}

/* The page as text, which the caller frees. */
static char *page_of(const struct metrics *metrics)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    metrics_write(metrics, &out);
    ck_assert(!buf_failed(&out));
    return buf_take(&out);
}

static void assert_line(const char *page, const char *line)
{
    char wanted[300];
    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    ck_assert_msg(strstr(page, wanted) != NULL, "no line %s", line);
}

START_TEST(shows_every_sample_from_the_start)
{
    struct metrics *metrics = metrics_made();
    char *page = page_of(metrics);
    static const char *const lines[] = {
        "rxp_runs_total{outcome=\"succeeded\",code=\"none\"} 0",
        "rxp_runs_total{outcome=\"rejected\",code=\"egress_denied\"} 0",
        "rxp_runs_total{outcome=\"failed\",code=\"egress_denied\"} 0",
        "rxp_runs_total{outcome=\"timed_out\",code=\"start_expired\"} 0",
        "rxp_runs_total{outcome=\"cancelled\",code=\"cancelled\"} 0",
        "rxp_runs_by_origin_total{origin=\"plain.example\",outcome=\"failed\"} 0",
        "rxp_runs_by_origin_total{origin=\"other\",outcome=\"rejected\"} 0",
        "rxp_runs_in_flight{phase=\"wait\"} 0",
        "rxp_invocations_total 0",
        "rxp_errands_total{kind=\"after\",outcome=\"failed\"} 0",
        "rxp_checkpoints_total{event=\"given_up\"} 0",
        "rxp_log_lines_total{level=\"error\"} 0",
        "rxp_poll_duration_seconds_bucket{le=\"0.005\"} 0",
        "rxp_run_duration_seconds_bucket{le=\"86400\"} 0",
        "rxp_queue_age_seconds_bucket{le=\"+Inf\"} 0",
        "rxp_result_latency_seconds_sum 0",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_line(page, lines[i]);
    ck_assert_ptr_null(strstr(page, "outcome=\"cancelled\",code=\"kickoff_network\""));
    free(page);
    metrics_free(metrics);
}
END_TEST

START_TEST(names_each_family_once)
{
    struct metrics *metrics = metrics_made();
    char *page = page_of(metrics);
    size_t types = 0;
    for (const char *at = page; (at = strstr(at, "# TYPE ")) != NULL; at++) {
        char line[128];
        snprintf(line, sizeof line, "%.*s ", (int)strcspn(at + 7, " "), at + 7);
        types++;
        size_t same = 0;
        for (const char *other = page; (other = strstr(other, "# TYPE ")) != NULL; other++)
            same += strncmp(other + 7, line, strlen(line)) == 0;
        ck_assert_uint_eq(same, 1);
    }
    ck_assert_uint_eq(types, METRIC_N);
    free(page);
    metrics_free(metrics);
}
END_TEST

START_TEST(adds_up_what_each_thread_counts)
{
    struct metrics *metrics = metrics_made();
    struct metrics_shard *one = metrics_shard_new(metrics);
    struct metrics_shard *two = metrics_shard_new(metrics);
    metrics_add(one, METRIC_RUNS_IN_FLIGHT, METRIC_PHASE_POLL, 3);
    metrics_add(two, METRIC_RUNS_IN_FLIGHT, METRIC_PHASE_POLL, -1);
    metrics_add(two, METRIC_RUNS_IN_FLIGHT, METRIC_PHASE_WAIT, 7);
    metrics_add_shared(metrics, METRIC_RUNS_IN_FLIGHT, METRIC_PHASE_POLL, 10);
    ck_assert_int_eq(metrics_read(metrics, METRIC_RUNS_IN_FLIGHT, METRIC_PHASE_POLL), 12);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_RUNS_IN_FLIGHT), 19);
    char *page = page_of(metrics);
    assert_line(page, "rxp_runs_in_flight{phase=\"poll\"} 12");
    assert_line(page, "rxp_runs_in_flight{phase=\"wait\"} 7");
    free(page);
    metrics_free(metrics);
}
END_TEST

START_TEST(shows_no_number_of_runs_below_none)
{
    struct metrics *metrics = metrics_made();
    metrics_add(metrics_shard_new(metrics), METRIC_RUNS_IN_FLIGHT, METRIC_PHASE_POLL, -1);
    char *page = page_of(metrics);
    assert_line(page, "rxp_runs_in_flight{phase=\"poll\"} 0");
    free(page);
    metrics_free(metrics);
}
END_TEST

START_TEST(counts_a_time_in_its_bucket_and_those_above)
{
    struct metrics *metrics = metrics_made();
    struct metrics_shard *shard = metrics_shard_new(metrics);
    static const int64_t times_ms[] = {-5, 5, 6, 100, 30001};
    for (size_t i = 0; i < 5; i++)
        metrics_observe_ms(shard, METRIC_KICKOFF_SECONDS, times_ms[i]);
    char *page = page_of(metrics);
    assert_line(page, "rxp_kickoff_duration_seconds_bucket{le=\"0.005\"} 2");
    assert_line(page, "rxp_kickoff_duration_seconds_bucket{le=\"0.01\"} 3");
    assert_line(page, "rxp_kickoff_duration_seconds_bucket{le=\"0.1\"} 4");
    assert_line(page, "rxp_kickoff_duration_seconds_bucket{le=\"30\"} 4");
    assert_line(page, "rxp_kickoff_duration_seconds_bucket{le=\"+Inf\"} 5");
    assert_line(page, "rxp_kickoff_duration_seconds_count 5");
    assert_line(page, "rxp_kickoff_duration_seconds_sum 30.112");
    ck_assert_int_eq(metrics_sum(metrics, METRIC_KICKOFF_SECONDS), 5);
    free(page);
    metrics_free(metrics);
}
END_TEST

START_TEST(has_a_sample_for_every_code)
{
    struct metrics *metrics = metrics_made();
    struct metrics_shard *shard = metrics_shard_new(metrics);
    for (int error = RXP_OK; error <= RXP_ERROR_CANCELLED; error++) {
        enum rxp_status status = error == RXP_OK                        ? RXP_STATUS_SUCCEEDED
                                 : error <= RXP_ERROR_UNKNOWN_PROFILE   ? RXP_STATUS_REJECTED
                                 : error <= RXP_ERROR_BACKEND_FAILED    ? RXP_STATUS_FAILED
                                 : error <= RXP_ERROR_START_EXPIRED     ? RXP_STATUS_TIMED_OUT
                                                                        : RXP_STATUS_CANCELLED;
        metrics_add(shard, METRIC_RUNS_TOTAL, metrics_run_cell(status, (enum rxp_error)error), 1);
        char line[128];
        snprintf(line, sizeof line, "rxp_runs_total{outcome=\"%s\",code=\"%s\"} 1", rxp_status_name(status),
                 error == RXP_OK ? "none" : rxp_error_name((enum rxp_error)error));
        char *page = page_of(metrics);
        assert_line(page, line);
        free(page);
    }
    ck_assert_int_eq(metrics_runs(metrics, RXP_STATUS_REJECTED), 8);
    ck_assert_int_eq(metrics_runs(metrics, RXP_STATUS_TIMED_OUT), 3);
    ck_assert_int_eq(metrics_runs(metrics, RXP_STATUS_SUCCEEDED), 1);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_RUNS_TOTAL), RXP_ERROR_CANCELLED + 1);
    metrics_free(metrics);
}
END_TEST

START_TEST(a_code_that_nobody_thought_of_keeps_its_outcome)
{
    struct metrics *metrics = metrics_made();
    struct metrics_shard *shard = metrics_shard_new(metrics);
    metrics_add(shard, METRIC_RUNS_TOTAL, metrics_run_cell(RXP_STATUS_REJECTED, RXP_ERROR_POLL_NETWORK), 1);
    metrics_add(shard, METRIC_RUNS_TOTAL, metrics_run_cell(RXP_STATUS_FAILED, RXP_ERROR_CANCELLED), 2);
    char *page = page_of(metrics);
    assert_line(page, "rxp_runs_total{outcome=\"rejected\",code=\"other\"} 1");
    assert_line(page, "rxp_runs_total{outcome=\"failed\",code=\"other\"} 2");
    free(page);
    metrics_free(metrics);
}
END_TEST

static const struct {
    const char *url;
    const char *origin;
} urls[] = {
    {"http://api.example/x", "http://api.example"},
    {"HTTP://API.example:80?x=//plain.example", "http://api.example"},
    {"https://api.example/x", "other"},
    {"http://api.example:81/x", "other"},
    {"http://api.example:8443/", "api.example:8443"},
    {"https://api.example:8443", "api.example:8443"},
    {"https://plain.example:1/", "plain.example"},
    {"https://plain.example.evil/", "other"},
    {"https://[FD00::1]:9000/x", "https://[fd00::1]:9000"},
    {"https://[fd00::1]/x", "other"},
    {"plain.example", "other"},
    {"", "other"},
};

START_TEST(finds_the_origin_that_the_operator_named)
{
    struct metrics *metrics = metrics_made();
    struct metrics_shard *shard = metrics_shard_new(metrics);
    unsigned cell = metrics_origin_cell(metrics, urls[_i].url, RXP_STATUS_CANCELLED);
    metrics_add(shard, METRIC_RUNS_BY_ORIGIN_TOTAL, cell, 1);
    char line[128];
    snprintf(line, sizeof line, "rxp_runs_by_origin_total{origin=\"%s\",outcome=\"cancelled\"} 1", urls[_i].origin);
    char *page = page_of(metrics);
    assert_line(page, line);
    free(page);
    metrics_free(metrics);
}
END_TEST

START_TEST(keeps_a_hundred_origins)
{
    char words[150][24];
    const char *pointers[150];
    for (int i = 0; i < 150; i++) {
        snprintf(words[i], sizeof words[i], "host-%d", i);
        pointers[i] = words[i];
    }
    struct metrics *metrics = metrics_new(pointers, 150);
    char *page = page_of(metrics);
    ck_assert_ptr_nonnull(strstr(page, "origin=\"host-99\""));
    ck_assert_ptr_null(strstr(page, "origin=\"host-100\""));
    ck_assert_uint_eq(metrics_origin_cell(metrics, "http://host-120/", RXP_STATUS_FAILED),
                      metrics_origin_cell(metrics, NULL, RXP_STATUS_FAILED));
    free(page);
    metrics_free(metrics);
}
END_TEST

static const struct {
    double number;
    const char *text;
} numbers[] = {
    {0, "0"},       {1, "1"},        {10, "10"},     {100000, "100000"},   {-3, "-3"},         {0.1, "0.1"},
    {0.25, "0.25"}, {1.0 / 3, "0.3333333333333333"}, {1764000000.123, "1764000000.123"}, {1e15, "1e+15"}, {1e-7, "1e-07"},
};

START_TEST(writes_numbers_in_their_shortest_form)
{
    struct buf out;
    buf_init(&out, 1000);
    metrics_sample(&out, "x", NULL, numbers[_i].number);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "x %s\n", numbers[_i].text);
    ck_assert_str_eq(out.at, wanted);
    buf_deinit(&out);
}
END_TEST

START_TEST(escapes_labels)
{
    struct buf out;
    buf_init(&out, 1000);
    const char *labels[] = {"topic", "a\"b\\c\nd", "partition", "7", NULL};
    metrics_family(&out, "x", "gauge", "Some.");
    metrics_sample(&out, "x", labels, 2);
    ck_assert_str_eq(out.at, "# HELP x Some.\n# TYPE x gauge\nx{topic=\"a\\\"b\\\\c\\nd\",partition=\"7\"} 2\n");
    buf_deinit(&out);
}
END_TEST

START_TEST(nobody_need_count)
{
    metrics_add(NULL, METRIC_REQUESTS_TOTAL, METRIC_CALL_POLL, 1);
    metrics_observe_ms(NULL, METRIC_POLL_SECONDS, 1);
    metrics_add_shared(NULL, METRIC_LOG_LINES_TOTAL, LOG_WARN, 1);
    ck_assert_ptr_null(metrics_shard_new(NULL));
    ck_assert_int_eq(metrics_sum(NULL, METRIC_REQUESTS_TOTAL), 0);
    metrics_free(NULL);
}
END_TEST

static void *count(void *opaque)
{
    struct metrics *metrics = opaque;
    struct metrics_shard *shard = metrics_shard_new(metrics);
    for (int i = 0; i < 10000; i++) {
        metrics_add(shard, METRIC_INVOCATIONS_TOTAL, 0, 1);
        metrics_add_shared(metrics, METRIC_EGRESS_REFUSALS_TOTAL, 0, 1);
    }
    return NULL;
}

START_TEST(loses_nothing_among_threads)
{
    struct metrics *metrics = metrics_made();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, metrics), 0);
    free(page_of(metrics));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_INVOCATIONS_TOTAL), 40000);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_EGRESS_REFUSALS_TOTAL), 40000);
    metrics_free(metrics);
}
END_TEST

START_TEST(promtool_finds_nothing_to_complain_of)
{
    if (system("command -v promtool >/dev/null 2>&1") != 0) {
        test_skip("no promtool (Debian package prometheus)");
        return;
    }
    struct metrics *metrics = metrics_made();
    metrics_observe_ms(metrics_shard_new(metrics), METRIC_RUN_SECONDS, 12345);
    char *page = page_of(metrics);
    FILE *promtool = popen("promtool check metrics >&2", "w");
    ck_assert_ptr_nonnull(promtool);
    fputs(page, promtool);
    ck_assert_int_eq(pclose(promtool), 0);
    free(page);
    metrics_free(metrics);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("metrics");
    TCase *counting = tcase_create("counting");
    tcase_add_test(counting, adds_up_what_each_thread_counts);
    tcase_add_test(counting, shows_no_number_of_runs_below_none);
    tcase_add_test(counting, counts_a_time_in_its_bucket_and_those_above);
    tcase_add_test(counting, has_a_sample_for_every_code);
    tcase_add_test(counting, a_code_that_nobody_thought_of_keeps_its_outcome);
    tcase_add_loop_test(counting, finds_the_origin_that_the_operator_named, 0, (int)(sizeof urls / sizeof urls[0]));
    tcase_add_test(counting, keeps_a_hundred_origins);
    tcase_add_test(counting, nobody_need_count);
    tcase_add_test(counting, loses_nothing_among_threads);
    suite_add_tcase(suite, counting);
    TCase *page = tcase_create("page");
    tcase_set_timeout(page, 60);
    tcase_add_test(page, shows_every_sample_from_the_start);
    tcase_add_test(page, names_each_family_once);
    tcase_add_loop_test(page, writes_numbers_in_their_shortest_form, 0, (int)(sizeof numbers / sizeof numbers[0]));
    tcase_add_test(page, escapes_labels);
    tcase_add_test(page, promtool_finds_nothing_to_complain_of);
    suite_add_tcase(suite, page);
    return suite;
}
