#include "base/hash.h"
#include "support/check_main.h"

#include <string.h>

/* The test vectors of the FNV draft: what one version wrote, every other must find again. */
static const struct {
    const char *text;
    uint64_t hash;
} rows[] = {
    {"", UINT64_C(0xcbf29ce484222325)},
    {"a", UINT64_C(0xaf63dc4c8601ec8c)},
    {"b", UINT64_C(0xaf63df4c8601f1a5)},
    {"foobar", UINT64_C(0x85944171f73967e8)},
    {"\xff\x00\x00\x01", UINT64_C(0x6961196491cc682d)},
};

START_TEST(is_fnv_1a)
{
    size_t n = _i == 4 ? 4 : strlen(rows[_i].text);
    ck_assert_uint_eq(hash_put(HASH_START, rows[_i].text, n), rows[_i].hash);
}
END_TEST

START_TEST(goes_on_where_it_stood)
{
    ck_assert_uint_eq(hash_put(hash_put(HASH_START, "foo", 3), "bar", 3), rows[3].hash);
    ck_assert_uint_eq(hash_put(rows[3].hash, NULL, 0), rows[3].hash);
}
END_TEST

START_TEST(a_number_counts_as_eight_bytes_the_lowest_first)
{
    ck_assert_uint_eq(hash_put_int(HASH_START, INT64_C(0x0102030405060708)),
                      hash_put(HASH_START, "\x08\x07\x06\x05\x04\x03\x02\x01", 8));
    ck_assert_uint_eq(hash_put_int(HASH_START, -2), hash_put(HASH_START, "\xfe\xff\xff\xff\xff\xff\xff\xff", 8));
    ck_assert_uint_ne(hash_put_int(HASH_START, 0), HASH_START);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("hash");
    TCase *tcase = tcase_create("hash");
    tcase_add_loop_test(tcase, is_fnv_1a, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tcase, goes_on_where_it_stood);
    tcase_add_test(tcase, a_number_counts_as_eight_bytes_the_lowest_first);
    suite_add_tcase(suite, tcase);
    return suite;
}
