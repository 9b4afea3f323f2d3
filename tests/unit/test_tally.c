#include "support/check_main.h"

#include "cli/tally.h"

#include <string.h>

static struct rxp_result result_of(const struct rxp_pair *metadata, enum rxp_status status)
{
    return (struct rxp_result){.invocation_id = "i", .runtime_name = "r", .status = status, .metadata = metadata,
                               .n_metadata = 3};
}

static enum tally_match take(struct tally *tally, const char *topic, const char *partition, const char *offset,
                             enum rxp_status status)
{
    const struct rxp_pair metadata[] = {
        {"source.topic", topic}, {"source.partition", partition}, {"source.offset", offset}};
    struct rxp_result result = result_of(metadata, status);
    return tally_take(tally, &result);
}

START_TEST(counts_each_awaited_result_once)
{
    static const struct sent sent[] = {{1, 7}, {0, 7}, {1, 6}};
    struct tally *tally = tally_new("in", sent, 3);
    ck_assert_int_eq(take(tally, "in", "1", "7", RXP_STATUS_SUCCEEDED), TALLY_FIRST);
    ck_assert_int_eq(take(tally, "in", "1", "7", RXP_STATUS_SUCCEEDED), TALLY_AGAIN);
    ck_assert_int_eq(take(tally, "in", "1", "8", RXP_STATUS_FAILED), TALLY_FOREIGN);
    ck_assert_int_eq(take(tally, "other", "0", "7", RXP_STATUS_FAILED), TALLY_FOREIGN);
    ck_assert_int_eq(take(tally, "in", "0", "7", RXP_STATUS_FAILED), TALLY_FIRST);
    ck_assert_uint_eq(tally_counts(tally)->expected, 3);
    ck_assert_uint_eq(tally_counts(tally)->seen, 2);
    ck_assert_uint_eq(tally_counts(tally)->again, 1);
    ck_assert_int_eq(take(tally, "in", "1", "6", RXP_STATUS_REJECTED), TALLY_FIRST);
    char text[TALLY_TEXT_BYTES];
    tally_describe(tally, text);
    ck_assert_str_eq(text, "1 succeeded, 1 failed, 1 rejected");
    tally_free(tally);
}
END_TEST

START_TEST(a_result_without_a_source_is_foreign)
{
    static const struct sent sent[] = {{0, 0}};
    struct tally *tally = tally_new("in", sent, 1);
    struct rxp_result result = result_of(NULL, RXP_STATUS_SUCCEEDED);
    result.n_metadata = 0;
    ck_assert_int_eq(tally_take(tally, &result), TALLY_FOREIGN);
    char text[TALLY_TEXT_BYTES];
    tally_describe(tally, text);
    ck_assert_str_eq(text, "");
    tally_free(tally);
}
END_TEST

static const struct {
    size_t number;
    const char *text;
} numbers[] = {{0, "0"}, {999, "999"}, {1000, "1,000"}, {123456, "123,456"}, {1234567, "1,234,567"}};

START_TEST(groups_digits)
{
    char text[TALLY_NUMBER_BYTES];
    ck_assert_str_eq(tally_number(numbers[_i].number, text), numbers[_i].text);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("tally");
    TCase *tcase = tcase_create("tally");
    tcase_add_test(tcase, counts_each_awaited_result_once);
    tcase_add_test(tcase, a_result_without_a_source_is_foreign);
    tcase_add_loop_test(tcase, groups_digits, 0, 5);
    suite_add_tcase(suite, tcase);
    return suite;
}
