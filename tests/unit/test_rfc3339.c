#include "protocol/rfc3339.h"
#include "support/check_main.h"

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
    const char *text;
    int64_t unix_ms; /* -1: refused */
} rows[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01T00:00:01.5Z", 1500},
    {"1970-01-01t00:00:01z", 1000},
    {"1970-01-01T00:00:00.0019999999999999999999Z", 1},
    {"2026-07-31T12:00:00Z", INT64_C(1785499200000)},
    {"2026-07-31T14:00:00+02:00", INT64_C(1785499200000)},
    {"2026-07-31T06:30:00-05:30", INT64_C(1785499200000)},
    {"2026-08-01T11:59:00+23:59", INT64_C(1785499200000)},
    {"2026-07-31T12:00:00-00:00", INT64_C(1785499200000)},
    {"2016-12-31T23:59:60Z", INT64_C(1483228800000)},
    {"2024-02-29T00:00:00Z", INT64_C(1709164800000)},
    {"2026-02-29T00:00:00Z", -1},
    {"2026-13-01T00:00:00Z", -1},
    {"2026-00-01T00:00:00Z", -1},
    {"2026-04-31T00:00:00Z", -1},
    {"2026-07-31T24:00:00Z", -1},
    {"2026-07-31T12:60:00Z", -1},
    {"2026-07-31T12:00:61Z", -1},
    {"2026-07-31T12:00:00", -1},
    {"2026-07-31T12:00Z", -1},
    {"2026-07-31 12:00:00Z", -1},
    {"2026-07-31", -1},
    {"2026-07-31T12:00:00.Z", -1},
    {"2026-07-31T12:00:00,5Z", -1},
    {"2026-07-31T12:00:00+2:00", -1},
    {"2026-07-31T12:00:00+0200", -1},
    {"2026-07-31T12:00:00+24:00", -1},
    {"2026-07-31T12:00:00+02:60", -1},
    {"2026-07-31T12:00:00+02:00x", -1},
    {"2026-07-31T12:00:00Zx", -1},
    {" 2026-07-31T12:00:00Z", -1},
    {"26-07-31T12:00:00Z", -1},
    {"1785499200", -1},
    {"", -1},
};

START_TEST(a_time_with_its_offset_is_read)
{
    int64_t unix_ms = -2;
    bool read = rfc3339_parse(rows[_i].text, &unix_ms);

    ck_assert_msg(read == (rows[_i].unix_ms >= 0), "%s", rows[_i].text);
    if (read)
        ck_assert_msg(unix_ms == rows[_i].unix_ms, "%s: %lld", rows[_i].text, (long long)unix_ms);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("rfc3339");
    TCase *tcase = tcase_create("rfc3339");

    tcase_add_loop_test(tcase, a_time_with_its_offset_is_read, 0, ROWS(rows));
    suite_add_tcase(suite, tcase);
    return suite;
}
