#include "engine/address.h"
#include "support/check_main.h"

static struct address address_of(const char *text)
{
    struct address address;
    ck_assert_msg(address_parse(text, &address), "%s", text);
    return address;
}

START_TEST(a_range_has_no_bits_beyond_its_prefix)
{
    struct address v4 = address_of("10.1.0.0");
    struct address v6 = address_of("fd00::");
    struct address_range range;
    ck_assert(address_range_make(&v4, 16, &range));
    ck_assert(address_range_make(&v4, 32, &range));
    ck_assert(!address_range_make(&v4, 15, &range));
    ck_assert(!address_range_make(&v4, 33, &range));
    ck_assert(!address_range_make(&v4, -1, &range));
    ck_assert(address_range_make(&v6, 8, &range));
    ck_assert(address_range_make(&v6, 128, &range));
    ck_assert(!address_range_make(&v6, 7, &range));
    ck_assert(!address_range_make(&v6, 129, &range));
}
END_TEST

START_TEST(a_mapped_range_is_the_range_that_it_means)
{
    struct address mapped = address_of("::ffff:10.0.0.0");
    struct address inside = address_of("10.9.9.9");
    struct address_range range;
    char text[ADDRESS_TEXT_BYTES];
    ck_assert(address_range_make(&mapped, 104, &range));
    address_write(&range.base, text);
    ck_assert_str_eq(text, "10.0.0.0");
    ck_assert_int_eq(range.prefix_bits, 8);
    ck_assert(address_range_has(&range, &inside));
}
END_TEST

START_TEST(a_range_within_another_is_never_wider)
{
    struct address base = address_of("10.0.0.0");
    struct address_range wide;
    struct address_range narrow;
    ck_assert(address_range_make(&base, 8, &wide));
    ck_assert(address_range_make(&base, 16, &narrow));
    ck_assert(address_range_within(&narrow, &wide));
    ck_assert(address_range_within(&wide, &wide));
    ck_assert(!address_range_within(&wide, &narrow));
}
END_TEST

START_TEST(an_ordinary_address_has_one_form)
{
    static const char *const texts[] = {"10.0.0.1", "fd00::1", "::1", "::", "2606:2800::1"};
    struct address_form forms[ADDRESS_MAX_FORMS];
    struct address address = address_of(texts[_i]);
    ck_assert_uint_eq(address_unwrap(&address, forms), 1);
    ck_assert(forms[0].same_host);
}
END_TEST

START_TEST(text_that_is_no_address_is_refused)
{
    static const char *const texts[] = {"",        "h",     "1.2.3",          "1.2.3.4.5",  "1.2.3.256", "1.2.3.4%x",
                                        "[::1]",   ":::1",  "1.2.3.4/8",      "::1/8",      "::g",       "12345::",
                                        "0x7f.1",  "%eth0", "01.2.3.4",       "1:2:3:4:5:6:7:8:9"};
    struct address address;
    ck_assert_msg(!address_parse(texts[_i], &address), "%s", texts[_i]);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("address");
    TCase *tcase = tcase_create("address");
    tcase_add_test(tcase, a_range_has_no_bits_beyond_its_prefix);
    tcase_add_test(tcase, a_mapped_range_is_the_range_that_it_means);
    tcase_add_test(tcase, a_range_within_another_is_never_wider);
    tcase_add_loop_test(tcase, an_ordinary_address_has_one_form, 0, 5);
    tcase_add_loop_test(tcase, text_that_is_no_address_is_refused, 0, 16);
    suite_add_tcase(suite, tcase);
    return suite;
}
