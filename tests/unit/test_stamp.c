#include "protocol/result.h"
#include "support/check_main.h"

#include <stdint.h>
#include <string.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
    int64_t unix_ms;
    const char *stamp;
} stamps[] = {
    {0, "1970-01-01T00:00:00.000Z"},
    {1, "1970-01-01T00:00:00.001Z"},
    {-1, "1969-12-31T23:59:59.999Z"},
    {951782400000, "2000-02-29T00:00:00.000Z"},  /* a leap day of a year that 400 divides */
    {951868799999, "2000-02-29T23:59:59.999Z"},
    {951868800000, "2000-03-01T00:00:00.000Z"},
    {1709164800000, "2024-02-29T00:00:00.000Z"},
    {1735689599999, "2024-12-31T23:59:59.999Z"},
    {1677628799000, "2023-02-28T23:59:59.000Z"},
    {1677628800000, "2023-03-01T00:00:00.000Z"},
    {4107542400000, "2100-03-01T00:00:00.000Z"}, /* no leap year */
    {4107456000000, "2100-02-28T00:00:00.000Z"},
    {2147483647000, "2038-01-19T03:14:07.000Z"},
    {2147483648000, "2038-01-19T03:14:08.000Z"},
    {1234567890123, "2009-02-13T23:31:30.123Z"},
    {-62167219200000, "0000-01-01T00:00:00.000Z"},
    {-62162035200000, "0000-03-01T00:00:00.000Z"},
    {253402300799999, "9999-12-31T23:59:59.999Z"},
};

START_TEST(stamps_are_utc_with_milliseconds)
{
    char stamp[RXP_STAMP_BYTES];
    int64_t unix_ms = 42;

    rxp_stamp_write(stamps[_i].unix_ms, stamp);
    ck_assert_str_eq(stamp, stamps[_i].stamp);
    ck_assert(rxp_stamp_parse(stamps[_i].stamp, &unix_ms));
    ck_assert_int_eq(unix_ms, stamps[_i].unix_ms);
}
END_TEST

START_TEST(stamps_beyond_four_digit_years_are_clamped)
{
    char stamp[RXP_STAMP_BYTES];

    rxp_stamp_write(-62167219200001, stamp);
    ck_assert_str_eq(stamp, "0000-01-01T00:00:00.000Z");
    rxp_stamp_write(INT64_MIN, stamp);
    ck_assert_str_eq(stamp, "0000-01-01T00:00:00.000Z");
    rxp_stamp_write(253402300800000, stamp);
    ck_assert_str_eq(stamp, "9999-12-31T23:59:59.999Z");
    rxp_stamp_write(INT64_MAX, stamp);
    ck_assert_str_eq(stamp, "9999-12-31T23:59:59.999Z");
}
END_TEST

START_TEST(each_day_of_eight_centuries_follows_the_last)
{
    char stamp[RXP_STAMP_BYTES];
    char last[RXP_STAMP_BYTES] = "";
    int64_t unix_ms;

    for (int64_t day = -150000; day < 150000; day++) {
        rxp_stamp_write(day * 86400000, stamp);
        ck_assert_int_gt(strcmp(stamp, last), 0);
        ck_assert(rxp_stamp_parse(stamp, &unix_ms));
        ck_assert_int_eq(unix_ms, day * 86400000);
        memcpy(last, stamp, sizeof(last));
    }
}
END_TEST

static const char *const bad_stamps[] = {
    "",
    "2024-01-01",
    "2024-01-01T00:00:00Z",
    "2024-01-01T00:00:00.00Z",
    "2024-01-01T00:00:00.0000Z",
    "2024-01-01T00:00:00.000",
    "2024-01-01T00:00:00.000z",
    "2024-01-01t00:00:00.000Z",
    "2024-01-01 00:00:00.000Z",
    "2024-01-01T00:00:00.000+00:00",
    "2024-01-01T00:00:00,000Z",
    " 2024-01-01T00:00:00.000Z",
    "2024-01-01T00:00:00.000Z ",
    "2024-00-01T00:00:00.000Z",
    "2024-13-01T00:00:00.000Z",
    "2024-01-00T00:00:00.000Z",
    "2024-01-32T00:00:00.000Z",
    "2024-04-31T00:00:00.000Z",
    "2024-02-30T00:00:00.000Z",
    "2023-02-29T00:00:00.000Z",
    "1900-02-29T00:00:00.000Z",
    "2024-01-01T24:00:00.000Z",
    "2024-01-01T00:60:00.000Z",
    "2024-01-01T00:00:60.000Z",
    "9999-12-31T24:00:00.000Z",
    "0000-00-00T00:00:00.000Z",
    "2O24-01-01T00:00:00.000Z",
    "-024-01-01T00:00:00.000Z",
    "2024-01-01T-1:00:00.000Z",
    "+024-01-01T00:00:00.000Z",
};

START_TEST(no_other_form_and_no_day_that_never_was_is_a_stamp)
{
    int64_t unix_ms = 42;

    ck_assert_msg(!rxp_stamp_parse(bad_stamps[_i], &unix_ms), "%s", bad_stamps[_i]);
    ck_assert_int_eq(unix_ms, 42);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("stamp");
    TCase *tcase = tcase_create("stamp");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, stamps_are_utc_with_milliseconds, 0, ROWS(stamps));
    tcase_add_test(tcase, stamps_beyond_four_digit_years_are_clamped);
    tcase_add_test(tcase, each_day_of_eight_centuries_follows_the_last);
    tcase_add_loop_test(tcase, no_other_form_and_no_day_that_never_was_is_a_stamp, 0, ROWS(bad_stamps));
    suite_add_tcase(suite, tcase);
    return suite;
}
