#include "protocol/decimal.h"
#include "support/check_main.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define MAX_MS INT64_C(1000000000000)

static const struct {
    const char *text;
    int64_t ms;
} intervals[] = {
    {"0", 0},          {"0.0", 0},         {"0e5", 0},          {"2", 2000},        {"2.0", 2000},
    {"0.05", 50},      {"0.001", 1},       {"0.0001", 1},       {"1e-300", 1},      {"0.0014999", 1},
    {"0.0015", 2},     {"1.9996", 2000},   {"1.9994", 1999},    {"1e1", 10000},     {"2.5E+1", 25000},
    {"007", 7000},     {"86400", 86400000}, {"1e308", MAX_MS}, {"123456789012345678901234567890", MAX_MS},
    {"999999999.9996", MAX_MS}, {"0.333333333333333333333333333", 333}, {"1e15", MAX_MS}, {"9e18", MAX_MS},
    {"00000000000000000000000000000000.5", 500},
};

START_TEST(seconds_are_rounded_to_milliseconds_but_not_to_none)
{
    struct decimal number;

    ck_assert(decimal_parse(intervals[_i].text, strlen(intervals[_i].text), &number));
    ck_assert_int_eq(decimal_to_ms(&number, MAX_MS), intervals[_i].ms);
}
END_TEST

static const char *const no_numbers[] = {
    "", "-", "+1", ".5", "1.", "1.e1", "e5", "1e", "1e+", "1e-", "1e1.5", "1 ", " 1", "0x10", "nan", "inf", "1,5",
        "--1", "1-",
    "1e1e1", "1.5.5", "1_000",
};

START_TEST(what_the_grammar_does_not_have_is_no_number)
{
    struct decimal number;

    ck_assert_msg(!decimal_parse(no_numbers[_i], strlen(no_numbers[_i]), &number), "%s", no_numbers[_i]);
}
END_TEST

static const struct {
    const char *text;
    bool held;
    int64_t value;
} integers[] = {
    {"0", true, 0},
    {"-0", true, 0},
    {"0.000", true, 0},
    {"0e999999999999", true, 0},
    {"7", true, 7},
    {"-7", true, -7},
    {"10.0", true, 10},
    {"1e1", true, 10},
    {"1.5e1", true, 15},
    {"1200e-2", true, 12},
    {"1000", true, 1000},
    {"-1000", true, -1000},
    {"0.001e3", true, 1},
    {"1000000000000000000000000e-24", true, 1},
    {"1.0000000000000000000000000000", true, 1},
    {"1001", false, 0},
    {"-1001", false, 0},
    {"1.5", false, 0},
    {"1.00000000000000000000000000001", false, 0},
    {"1e-1", false, 0},
    {"1e-999999999999", false, 0},
    {"1e999999999999", false, 0},
    {"99999999999999999999", false, 0},
};

START_TEST(integers_in_range_are_held_exactly)
{
    struct decimal number;
    int64_t value = 42;

    ck_assert(decimal_parse(integers[_i].text, strlen(integers[_i].text), &number));
    ck_assert_int_eq(decimal_to_int(&number, -1000, 1000, &value), integers[_i].held);
    ck_assert_int_eq(value, integers[_i].held ? integers[_i].value : 42);
}
END_TEST

static void assert_written(int64_t number)
{
    char *out = malloc(DECIMAL_BYTES);
    char expected[DECIMAL_BYTES];

    int bytes = snprintf(expected, sizeof(expected), "%" PRId64, number);
    ck_assert_uint_eq(decimal_write(number, out), (size_t)bytes);
    ck_assert_str_eq(out, expected);
    free(out);
}

START_TEST(an_integer_is_written_as_printf_does)
{
    assert_written(INT64_MIN);
    for (unsigned bit = 0; bit < 63; bit++) {
        for (int64_t more = -2; more <= 2; more++) {
            assert_written((INT64_C(1) << bit) + (bit < 62 ? more : 0));
            assert_written(-(INT64_C(1) << bit) + more);
        }
    }
    assert_written(INT64_MAX);
    for (int64_t power = 1; power <= INT64_MAX / 10; power *= 10) {
        assert_written(power);
        assert_written(power - 1);
        assert_written(-power);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("decimal");
    TCase *tcase = tcase_create("decimal");

    tcase_add_test(tcase, an_integer_is_written_as_printf_does);
    tcase_add_loop_test(tcase, seconds_are_rounded_to_milliseconds_but_not_to_none, 0, ROWS(intervals));
    tcase_add_loop_test(tcase, what_the_grammar_does_not_have_is_no_number, 0, ROWS(no_numbers));
    tcase_add_loop_test(tcase, integers_in_range_are_held_exactly, 0, ROWS(integers));
    suite_add_tcase(suite, tcase);
    return suite;
}
