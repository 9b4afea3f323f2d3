#include "protocol/json_writer.h"
#include "support/check_main.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *take(struct json_writer *writer, const char *expected)
{
    size_t bytes = 0;
    char *text = json_writer_take(writer, &bytes);

    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(bytes, strlen(expected));
    return text;
}

START_TEST(grows_from_any_room_and_always_ends_with_a_nul)
{
    char expected[64] = "";

    for (size_t room = 0; room < 20; room++) {
        for (size_t n = 0; n < 40; n++) {
            struct json_writer writer;
            memset(expected, 'x', n);
            expected[n] = '\0';
            json_writer_init(&writer, room);
            for (size_t i = 0; i < n; i++)
                json_put(&writer, "x");
            free(take(&writer, expected));
            json_writer_init(&writer, room);
            json_put(&writer, expected);
            free(take(&writer, expected));
        }
    }
}
END_TEST

START_TEST(escapes_what_json_does_not_allow_raw)
{
    struct json_writer writer;

    json_writer_init(&writer, 0);
    json_put_string(&writer, "\"\\/\b\f\n\r\t\x01\x1F\x7F z");
    free(take(&writer, "\"\\\"\\\\/\\u0008\\u000c\\n\\r\\t\\u0001\\u001f\\u007f z\""));
}
END_TEST

START_TEST(leaves_utf8_alone_and_mends_what_is_not)
{
    struct json_writer writer;

    json_writer_init(&writer, 0);
    json_put_string(&writer, "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80|\xE9|\xED\xA0\x80|\xC3");
    free(take(&writer, "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80|\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|"
                       "\xEF\xBF\xBD\""));
}
END_TEST

START_TEST(writes_null_and_whole_numbers)
{
    struct json_writer writer;

    json_writer_init(&writer, 8);
    json_put_string(&writer, NULL);
    json_put(&writer, ",");
    json_put_int(&writer, INT64_MIN);
    json_put(&writer, ",");
    json_put_int(&writer, INT64_MAX);
    free(take(&writer, "null,-9223372036854775808,9223372036854775807"));
}
END_TEST

static const int64_t numbers[] = {0,   1,    -1,      9,         10,        -10,          99,          100,
                                  -99, 1000, 4294967, INT32_MAX, INT32_MIN, 999999999999, INT64_MAX - 1, INT64_MIN + 1};

START_TEST(writes_a_number_as_printf_does)
{
    struct json_writer writer;
    char expected[32];

    json_writer_init(&writer, 0);
    json_put_int(&writer, numbers[_i]);
    snprintf(expected, sizeof(expected), "%lld", (long long)numbers[_i]);
    free(take(&writer, expected));
}
END_TEST

START_TEST(a_char_at_a_time_it_grows_as_well)
{
    char expected[101];
    struct json_writer writer;

    for (size_t n = 0; n <= 100; n++) {
        memset(expected, ',', n);
        expected[n] = '\0';
        json_writer_init(&writer, 1);
        for (size_t i = 0; i < n; i++)
            json_put_char(&writer, ',');
        free(take(&writer, expected));
    }
}
END_TEST

START_TEST(a_failure_is_kept_to_the_end)
{
    struct json_writer writer;
    size_t bytes;

    json_writer_init(&writer, 8);
    json_put(&writer, "x");
    writer.failed = true;
    json_put_string(&writer, "more than there is room for");
    ck_assert_ptr_null(json_writer_take(&writer, &bytes));
    ck_assert_ptr_null(json_writer_take(&writer, &bytes));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("json_writer");
    TCase *tcase = tcase_create("json_writer");

    tcase_add_loop_test(tcase, writes_a_number_as_printf_does, 0, (int)(sizeof(numbers) / sizeof(numbers[0])));
    tcase_add_test(tcase, a_char_at_a_time_it_grows_as_well);
    tcase_add_test(tcase, grows_from_any_room_and_always_ends_with_a_nul);
    tcase_add_test(tcase, escapes_what_json_does_not_allow_raw);
    tcase_add_test(tcase, leaves_utf8_alone_and_mends_what_is_not);
    tcase_add_test(tcase, writes_null_and_whole_numbers);
    tcase_add_test(tcase, a_failure_is_kept_to_the_end);
    suite_add_tcase(suite, tcase);
    return suite;
}
