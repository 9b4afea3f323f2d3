#include "protocol/invocation.h"
#include "protocol/retry_after.h"
#include "support/check_main.h"

#include <locale.h>
#include <stdlib.h>
#include <time.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* Sun, 06 Nov 1994 08:49:37 GMT */
#define THAT_SUNDAY_MS INT64_C(784111777000)
/* Mon, 15 Jun 2026 00:00:00 GMT */
#define NOW_MS INT64_C(1781481600000)

static const struct {
    const char *value;
    int64_t wall_ms;
    int64_t wait_ms;
} rows[] = {
    {"0", NOW_MS, 0},
    {"120", NOW_MS, 120000},
    {"007", NOW_MS, 7000},
    {" \t5 \t", NOW_MS, 5000},
    {"1000000000", NOW_MS, RXP_MAX_MS},
    {"999999999", NOW_MS, INT64_C(999999999000)},
    {"99999999999999999999999999999999999999", NOW_MS, RXP_MAX_MS},
    {NULL, NOW_MS, -1},
    {"", NOW_MS, -1},
    {" ", NOW_MS, -1},
    {"-1", NOW_MS, -1},
    {"+1", NOW_MS, -1},
    {"1.5", NOW_MS, -1},
    {"1e3", NOW_MS, -1},
    {"0x10", NOW_MS, -1},
    {"5, 6", NOW_MS, -1},
    {"5s", NOW_MS, -1},
    {"soon", NOW_MS, -1},
    /* the three forms */
    {"Sun, 06 Nov 1994 08:49:37 GMT", THAT_SUNDAY_MS - 90500, 90500},
    {"Sunday, 06-Nov-94 08:49:37 GMT", THAT_SUNDAY_MS - 90500, 90500},
    {"Sun Nov  6 08:49:37 1994", THAT_SUNDAY_MS - 90500, 90500},
    {"Sun Nov 06 08:49:37 1994", THAT_SUNDAY_MS - 1000, 1000},
    {" Sun, 06 Nov 1994 08:49:37 GMT ", THAT_SUNDAY_MS - 1, 1},
    {"Sun, 06 Nov 1994 08:49:37 GMT", THAT_SUNDAY_MS, 0},
    {"Sun, 06 Nov 1994 08:49:37 GMT", NOW_MS, 0},
    {"Mon, 15 Jun 2026 00:01:00 GMT", NOW_MS, 60000},
    {"Wed, 15 Jul 2026 00:00:00 GMT", NOW_MS, INT64_C(30) * 86400000},
    {"Fri, 31 Dec 9999 23:59:60 GMT", NOW_MS, RXP_MAX_MS},
    {"Sat, 29 Feb 2020 00:00:00 GMT", INT64_C(1582934400000) - 5000, 5000},
    /* each month, and the wrong day of the week, which decides nothing */
    {"Thu, 01 Jan 1970 00:00:01 GMT", 0, 1000},
    {"Thu, 01 Feb 1970 00:00:00 GMT", 0, INT64_C(31) * 86400000},
    {"Thu, 01 Mar 1970 00:00:00 GMT", 0, INT64_C(59) * 86400000},
    {"Thu, 01 Apr 1970 00:00:00 GMT", 0, INT64_C(90) * 86400000},
    {"Thu, 01 May 1970 00:00:00 GMT", 0, INT64_C(120) * 86400000},
    {"Thu, 01 Jun 1970 00:00:00 GMT", 0, INT64_C(151) * 86400000},
    {"Thu, 01 Jul 1970 00:00:00 GMT", 0, INT64_C(181) * 86400000},
    {"Thu, 01 Aug 1970 00:00:00 GMT", 0, INT64_C(212) * 86400000},
    {"Thu, 01 Sep 1970 00:00:00 GMT", 0, INT64_C(243) * 86400000},
    {"Thu, 01 Oct 1970 00:00:00 GMT", 0, INT64_C(273) * 86400000},
    {"Thu, 01 Nov 1970 00:00:00 GMT", 0, INT64_C(304) * 86400000},
    {"Thu, 01 Dec 1970 00:00:00 GMT", 0, INT64_C(334) * 86400000},
    /* two digits of a year: at most 50 years ahead */
    {"Monday, 15-Jun-26 00:00:09 GMT", NOW_MS, 9000},
    {"Monday, 15-Jun-76 00:00:00 GMT", NOW_MS, RXP_MAX_MS}, /* 2076 */
    {"Monday, 15-Jun-77 00:00:00 GMT", NOW_MS, 0},          /* 1977 */
    {"Friday, 01-Jan-00 00:00:00 GMT", INT64_C(4102444800000) - 3000, 3000}, /* seen from 2099 */
    {"Thursday, 31-Dec-99 23:59:59 GMT", INT64_C(4102444800000), 0}, /* seen from 2100 */
    /* no dates */
    {"Sun, 31 Nov 1994 08:49:37 GMT", 0, -1},
    {"Sun, 29 Feb 1994 08:49:37 GMT", 0, -1},
    {"Sun, 00 Nov 1994 08:49:37 GMT", 0, -1},
    {"Sun, 06 Nov 1994 24:00:00 GMT", 0, -1},
    {"Sun, 06 Nov 1994 08:60:37 GMT", 0, -1},
    {"Sun, 06 Nov 1994 08:49:61 GMT", 0, -1},
    {"Sun, 06 Nov 1994 08:49:37", 0, -1},
    {"Sun, 06 Nov 1994 08:49:37 UTC", 0, -1},
    {"Sun, 06 Nov 1994 08:49:37 +0000", 0, -1},
    {"Sun, 06 Nov 1994 08:49:37 GMTx", 0, -1},
    {"Sun, 6 Nov 1994 08:49:37 GMT", 0, -1},
    {"Sun, 06 nov 1994 08:49:37 GMT", 0, -1},
    {"Son, 06 Nov 1994 08:49:37 GMT", 0, -1},
    {"Sun 06 Nov 1994 08:49:37 GMT", 0, -1},
    {"06 Nov 1994 08:49:37 GMT", 0, -1},
    {"Sunday, 06-Nov-1994 08:49:37 GMT", 0, -1},
    {"Sunday, 06 Nov 94 08:49:37 GMT", 0, -1},
    {"Sun Nov   6 08:49:37 1994", 0, -1},
    {"Sun Nov 6 08:49:37 1994", 0, -1},
    {"Sun Nov  6 08:49:37 1994 GMT", 0, -1},
    {"Sun, ", 0, -1},
    {"Sun", 0, -1},
    {"Sunday", 0, -1},
    {"1994-11-06T08:49:37Z", 0, -1},
};

START_TEST(what_the_header_asks_for_is_read)
{
    int64_t wait_ms = rxp_retry_after_ms(rows[_i].value, rows[_i].wall_ms);

    ck_assert_msg(wait_ms == rows[_i].wait_ms, "'%s': %lld and not %lld", rows[_i].value, (long long)wait_ms,
                  (long long)rows[_i].wait_ms);
}
END_TEST

START_TEST(neither_the_locale_nor_the_time_zone_changes_a_date)
{
    ck_assert_int_eq(setenv("TZ", "Asia/Tokyo", 1), 0);
    tzset();
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL)
        setlocale(LC_ALL, "C.UTF-8");
    ck_assert_int_eq(rxp_retry_after_ms("Sun, 06 Nov 1994 08:49:37 GMT", THAT_SUNDAY_MS - 7000), 7000);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("retry_after");
    TCase *tcase = tcase_create("retry_after");

    tcase_add_loop_test(tcase, what_the_header_asks_for_is_read, 0, ROWS(rows));
    tcase_add_test(tcase, neither_the_locale_nor_the_time_zone_changes_a_date);
    suite_add_tcase(suite, tcase);
    return suite;
}
