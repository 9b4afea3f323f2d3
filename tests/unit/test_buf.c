#include "base/buf.h"
#include "support/check_main.h"

#include <stdlib.h>
#include <string.h>

START_TEST(holds_what_was_put_in_order)
{
    struct buf buf;
    buf_init(&buf, 1000);
    ck_assert_ptr_null(buf.at);
    buf_puts(&buf, "one");
    buf_put(&buf, "\0two", 4);
    buf_putf(&buf, " %d-%s", 3, "four");
    ck_assert(!buf_failed(&buf));
    ck_assert_uint_eq(buf.bytes, 14);
    ck_assert_mem_eq(buf.at, "one\0two 3-four", 15);
    buf_deinit(&buf);
}
END_TEST

START_TEST(grows_over_many_appends)
{
    struct buf buf;
    buf_init(&buf, 100000);
    for (int i = 0; i < 10000; i++) {
        buf_putf(&buf, "%05d", i);
    }
    ck_assert(!buf_failed(&buf));
    ck_assert_uint_eq(buf.bytes, 50000);
    ck_assert_mem_eq(buf.at + 49995, "09999", 6);
    buf_deinit(&buf);
}
END_TEST

START_TEST(is_terminated_after_an_empty_append)
{
    struct buf buf;
    buf_init(&buf, 0);
    buf_put(&buf, NULL, 0);
    ck_assert(!buf_failed(&buf));
    ck_assert_str_eq(buf.at, "");
    buf_deinit(&buf);
}
END_TEST

START_TEST(takes_its_limit_and_not_a_byte_more)
{
    struct buf buf;
    buf_init(&buf, 5);
    buf_puts(&buf, "12345");
    ck_assert(!buf_failed(&buf));
    buf_puts(&buf, "6");
    ck_assert(buf_failed(&buf));
    ck_assert_str_eq(buf.at, "12345");
    buf_deinit(&buf);
}
END_TEST

START_TEST(limits_formatted_text_too)
{
    struct buf buf;
    buf_init(&buf, 5);
    buf_putf(&buf, "%d", 12345);
    ck_assert(!buf_failed(&buf));
    buf_putf(&buf, "%d", 6);
    ck_assert(buf_failed(&buf));
    ck_assert_str_eq(buf.at, "12345");
    buf_deinit(&buf);
}
END_TEST

START_TEST(remembers_a_failure_though_the_next_would_fit)
{
    struct buf buf;
    buf_init(&buf, 5);
    buf_puts(&buf, "123456");
    buf_puts(&buf, "1");
    ck_assert(buf_failed(&buf));
    ck_assert_uint_eq(buf.bytes, 0);
    buf_clear(&buf);
    ck_assert(!buf_failed(&buf));
    buf_puts(&buf, "12345");
    ck_assert_str_eq(buf.at, "12345");
    buf_deinit(&buf);
}
END_TEST

START_TEST(refuses_a_length_that_would_overflow)
{
    struct buf buf;
    buf_init(&buf, 100);
    buf_puts(&buf, "1");
    buf_put(&buf, "x", SIZE_MAX);
    ck_assert(buf_failed(&buf));
    buf_deinit(&buf);
}
END_TEST

START_TEST(clearing_keeps_the_memory)
{
    struct buf buf;
    buf_init(&buf, 100);
    buf_puts(&buf, "something");
    const char *at = buf.at;
    buf_clear(&buf);
    ck_assert_uint_eq(buf.bytes, 0);
    ck_assert_ptr_eq(buf.at, at);
    ck_assert_str_eq(buf.at, "");
    buf_deinit(&buf);
}
END_TEST

START_TEST(taking_hands_the_bytes_over)
{
    struct buf buf;
    buf_init(&buf, 100);
    buf_puts(&buf, "mine");
    char *taken = buf_take(&buf);
    ck_assert_str_eq(taken, "mine");
    ck_assert_uint_eq(buf.bytes, 0);
    ck_assert_ptr_null(buf.at);
    buf_puts(&buf, "next");
    ck_assert_str_eq(taken, "mine");
    ck_assert_str_eq(buf.at, "next");
    free(taken);
    buf_deinit(&buf);
}
END_TEST

START_TEST(taking_of_an_empty_buffer_gives_an_empty_string)
{
    struct buf buf;
    buf_init(&buf, 100);
    char *taken = buf_take(&buf);
    ck_assert_str_eq(taken, "");
    free(taken);
    buf_deinit(&buf);
}
END_TEST

START_TEST(taking_after_a_failure_gives_nothing_and_starts_anew)
{
    struct buf buf;
    buf_init(&buf, 3);
    buf_puts(&buf, "123");
    buf_puts(&buf, "4");
    ck_assert_ptr_null(buf_take(&buf));
    ck_assert(!buf_failed(&buf));
    buf_puts(&buf, "abc");
    ck_assert_str_eq(buf.at, "abc");
    buf_deinit(&buf);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("buf");
    TCase *tcase = tcase_create("buf");
    tcase_add_test(tcase, holds_what_was_put_in_order);
    tcase_add_test(tcase, grows_over_many_appends);
    tcase_add_test(tcase, is_terminated_after_an_empty_append);
    tcase_add_test(tcase, takes_its_limit_and_not_a_byte_more);
    tcase_add_test(tcase, limits_formatted_text_too);
    tcase_add_test(tcase, remembers_a_failure_though_the_next_would_fit);
    tcase_add_test(tcase, refuses_a_length_that_would_overflow);
    tcase_add_test(tcase, clearing_keeps_the_memory);
    tcase_add_test(tcase, taking_hands_the_bytes_over);
    tcase_add_test(tcase, taking_of_an_empty_buffer_gives_an_empty_string);
    tcase_add_test(tcase, taking_after_a_failure_gives_nothing_and_starts_anew);
    suite_add_tcase(suite, tcase);
    return suite;
}
