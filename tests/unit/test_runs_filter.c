#include "core/runs_filter.h"
#include "support/check_main.h"

#include <stdio.h>
#include <string.h>

#define NOW INT64_C(1764000000000)

static struct runs_filter filter;
static char why[RUNS_WHY_BYTES];

static void setup(void)
{
    runs_filter_init(&filter);
    why[0] = '\0';
}

START_TEST(without_parameters_all_runs_are_wanted)
{
    ck_assert_ptr_null(filter.query.invocation_id);
    ck_assert_ptr_null(filter.query.runtime_name);
    ck_assert_int_eq(filter.query.phase, -1);
    ck_assert_int_eq(filter.query.started_before_ms, INT64_MAX);
    ck_assert(!filter.query.has_after);
    ck_assert_uint_eq(filter.query.limit, 100);
}
END_TEST

START_TEST(each_parameter_is_taken)
{
    ck_assert_int_eq(runs_filter_take(&filter, "phase", "wait", NOW, why), 0);
    ck_assert_int_eq(runs_filter_take(&filter, "runtime_name", "archon", NOW, why), 0);
    ck_assert_int_eq(runs_filter_take(&filter, "older_than", "60.5", NOW, why), 0);
    ck_assert_int_eq(runs_filter_take(&filter, "limit", "1000", NOW, why), 0);
    ck_assert_int_eq(runs_filter_take(&filter, "after", "1763999999999.3.17.rxp.invocations", NOW, why), 0);
    ck_assert_int_eq(filter.query.phase, METRIC_PHASE_WAIT);
    ck_assert_str_eq(filter.query.runtime_name, "archon");
    ck_assert_int_eq(filter.query.started_before_ms, NOW - 60500);
    ck_assert_uint_eq(filter.query.limit, 1000);
    ck_assert(filter.query.has_after);
    ck_assert_int_eq(filter.query.after.started_at_ms, INT64_C(1763999999999));
    ck_assert_int_eq(filter.query.after.partition, 3);
    ck_assert_int_eq(filter.query.after.offset, 17);
    ck_assert_str_eq(filter.query.after.topic, "rxp.invocations");
}
END_TEST

static const char *const emptied[] = {"phase", "runtime_name", "older_than", "limit", "after"};

START_TEST(an_empty_value_is_no_filter)
{
    struct runs_filter before = filter;
    ck_assert_int_eq(runs_filter_take(&filter, emptied[_i], _i % 2 == 0 ? "" : NULL, NOW, why), 0);
    ck_assert_mem_eq(&before.query, &filter.query, sizeof before.query);
}
END_TEST

/* name, value, two parts of the sentence */
static const char *const wrong[][4] = {
    {"phase", "waiting", "phase=waiting", "queued, prepare, kickoff, wait, poll, fetch, publish"},
    {"phase", "WAIT", "phase=WAIT", "queued"},
    {"older_than", "1h", "older_than=1h", "number of seconds"},
    {"older_than", "-1", "older_than=-1", "number of seconds"},
    {"limit", "0", "limit=0", "from 1 to 1000"},
    {"limit", "1001", "limit=1001", "after=NEXT"},
    {"limit", "ten", "limit=ten", "whole number"},
    {"limit", "1.5", "limit=1.5", "whole number"},
    {"after", "x", "after=x", "\"next\""},
    {"after", "1", "after=1", "\"next\""},
    {"after", "1.2.3", "after=1.2.3", "\"next\""},
    {"after", "1.2.3.", "after=1.2.3.", "\"next\""},
    {"after", "1.-2.3.t", "after=", "\"next\""},
    {"after", "1.2.-3.t", "after=", "\"next\""},
    {"after", "1.99999999999.3.t", "after=", "\"next\""},
    {"after", "99999999999999999999.1.3.t", "after=", "\"next\""},
    {"after", " 1.2.3.t", "after=", "\"next\""},
    {"after", "1.+2.3.t", "after=", "\"next\""},
    {"after", "1.2.3.a/b", "after=", "\"next\""},
    {"phaze", "wait", "'phaze'", "did you mean 'phase'?"},
    {"nonsense", "1", "'nonsense'", "/runs knows phase, runtime_name, older_than, limit and after"},
};

START_TEST(a_wrong_one_is_refused_by_name_with_the_way_out)
{
    ck_assert_int_eq(runs_filter_take(&filter, wrong[_i][0], wrong[_i][1], NOW, why), -1);
    ck_assert_msg(strstr(why, wrong[_i][2]) != NULL && strstr(why, wrong[_i][3]) != NULL, "%s", why);
}
END_TEST

START_TEST(long_values_are_not_repeated_whole)
{
    char huge[3000];
    memset(huge, '7', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    for (size_t i = 0; i < sizeof emptied / sizeof emptied[0]; i++) {
        if (strcmp(emptied[i], "runtime_name") != 0 && strcmp(emptied[i], "older_than") != 0) {
            ck_assert_int_eq(runs_filter_take(&filter, emptied[i], huge, NOW, why), -1);
            ck_assert_uint_lt(strlen(why), 300);
        }
    }
    ck_assert_int_eq(runs_filter_take(&filter, huge, "", NOW, why), -1);
    ck_assert_uint_lt(strlen(why), 300);
    /* a topic that no broker has */
    char cursor[600] = "1.2.3.";
    memset(cursor + 6, 't', 250);
    ck_assert_int_eq(runs_filter_take(&filter, "after", cursor, NOW, why), -1);
    cursor[6 + 249] = '\0';
    ck_assert_int_eq(runs_filter_take(&filter, "after", cursor, NOW, why), 0);
}
END_TEST

START_TEST(a_cursor_leads_to_the_same_place)
{
    char cursor[RUNS_CURSOR_BYTES];
    const struct query_key keys[] = {{0, 0, 0, "t"}, {-5, 7, 0, "a.b-c_d"}, {INT64_MAX, INT64_MAX, INT32_MAX, "rxp.invocations"}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        ck_assert(runs_cursor_write(&keys[i], cursor));
        ck_assert_int_eq(runs_filter_take(&filter, "after", cursor, NOW, why), 0);
        ck_assert_int_eq(filter.query.after.started_at_ms, keys[i].started_at_ms);
        ck_assert_int_eq(filter.query.after.partition, keys[i].partition);
        ck_assert_int_eq(filter.query.after.offset, keys[i].offset);
        ck_assert_str_eq(filter.query.after.topic, keys[i].topic);
    }
    ck_assert(!runs_cursor_write(&(struct query_key){.topic = NULL}, cursor));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runs_filter");
    TCase *tc = tcase_create("runs_filter");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, without_parameters_all_runs_are_wanted);
    tcase_add_test(tc, each_parameter_is_taken);
    tcase_add_loop_test(tc, an_empty_value_is_no_filter, 0, sizeof emptied / sizeof emptied[0]);
    tcase_add_loop_test(tc, a_wrong_one_is_refused_by_name_with_the_way_out, 0, sizeof wrong / sizeof wrong[0]);
    tcase_add_test(tc, long_values_are_not_repeated_whole);
    tcase_add_test(tc, a_cursor_leads_to_the_same_place);
    suite_add_tcase(suite, tc);
    return suite;
}
