#include "kafka/checkpoint_table.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct checkpoint_table *table;

static void setup(void)
{
    table = checkpoint_table_new();
}

static void teardown(void)
{
    checkpoint_table_free(table);
}

/* Values of these tests begin with what they are. */
static enum checked check(const char *value, size_t value_bytes, void *opaque)
{
    int *calls = opaque;
    if (calls != NULL)
        ++*calls;
    char first = value_bytes > 0 ? value[0] : '?';
    return first == 'r' ? CHECKED_RUN : first == 'i' ? CHECKED_INTENT : first == 'n' ? CHECKED_TOO_NEW : CHECKED_UNREADABLE;
}

static void put(int64_t offset, uint64_t writer, const char *value)
{
    ck_assert_int_eq(checkpoint_table_put(table, offset, writer, value, strlen(value)), 0);
}

static void seal(void)
{
    int64_t offset;
    uint64_t writer;
    ck_assert_int_eq(checkpoint_table_seal(table, check, NULL, &offset, &writer), CHECKPOINT_SEALED);
}

/* "7=run by 1,2" and so on, or "none". */
static const char *show(struct checkpoint_entry *entry)
{
    static char text[200];
    if (entry == NULL)
        return "none";
    ck_assert_uint_eq(strlen(entry->value), entry->value_bytes);
    int n = snprintf(text, sizeof text, "%lld=%s by", (long long)entry->offset, entry->value);
    for (size_t i = 0; i < entry->n_writers; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%llu", i > 0 ? "," : " ", (unsigned long long)entry->writers[i]);
    checkpoint_entry_free(entry);
    return text;
}

START_TEST(an_empty_table_has_nothing)
{
    size_t at = 0;
    checkpoint_table_erase(table, 1, 1);
    seal();
    ck_assert_uint_eq(checkpoint_table_count(table), 0);
    ck_assert_ptr_null(checkpoint_table_take(table, 0));
    ck_assert_ptr_null(checkpoint_table_next(table, &at));
}
END_TEST

START_TEST(an_entry_is_taken_once)
{
    put(7, 1, "run");
    put(9, 1, "run at nine");
    seal();
    ck_assert_uint_eq(checkpoint_table_count(table), 2);
    ck_assert_ptr_null(checkpoint_table_take(table, 8));
    ck_assert_str_eq(show(checkpoint_table_take(table, 9)), "9=run at nine by 1");
    ck_assert_ptr_null(checkpoint_table_take(table, 9));
    ck_assert_ptr_null(checkpoint_table_take(table, 10));
    ck_assert_uint_eq(checkpoint_table_count(table), 1);
    ck_assert_str_eq(show(checkpoint_table_take(table, 7)), "7=run by 1");
    ck_assert_ptr_null(checkpoint_table_take(table, 7));
    ck_assert_uint_eq(checkpoint_table_count(table), 0);
}
END_TEST

START_TEST(a_later_record_of_the_same_writer_replaces)
{
    put(7, 1, "run, longer than what follows");
    put(7, 1, "run");
    seal();
    ck_assert_str_eq(show(checkpoint_table_take(table, 7)), "7=run by 1");
}
END_TEST

START_TEST(a_tombstone_erases_exactly_its_key)
{
    put(7, 1, "run a");
    put(7, 2, "run b");
    put(8, 1, "run c");
    checkpoint_table_erase(table, 7, 1);
    checkpoint_table_erase(table, 7, 3);
    checkpoint_table_erase(table, 9, 1);
    seal();
    ck_assert_uint_eq(checkpoint_table_count(table), 2);
    ck_assert_str_eq(show(checkpoint_table_take(table, 7)), "7=run b by 2");
    ck_assert_str_eq(show(checkpoint_table_take(table, 8)), "8=run c by 1");
}
END_TEST

START_TEST(what_is_put_after_its_tombstone_is_there)
{
    put(7, 1, "intent");
    checkpoint_table_erase(table, 7, 1);
    put(7, 1, "run");
    seal();
    ck_assert_str_eq(show(checkpoint_table_take(table, 7)), "7=run by 1");
}
END_TEST

static const struct {
    const char *values[4]; /* by writers 1, 2, 3, 4 */
    const char *shown;
} contests[] = {
    {{"run", "intent"}, "5=run by 1,2"},
    {{"intent", "run"}, "5=run by 2,1"},
    {{"run a", "run b"}, "5=run b by 2,1"},
    {{"intent a", "intent b"}, "5=intent b by 2,1"},
    {{"xx", "intent"}, "5=intent by 2,1"},
    {{"intent", "xx"}, "5=intent by 1,2"},
    {{"run", "xx"}, "5=run by 1,2"},
    {{"xx", "yy"}, "5=yy by 2,1"},
    {{"run a", "xx", "intent", "run b"}, "5=run b by 4,1,3,2"},
};

START_TEST(of_several_records_of_an_offset_the_best_and_latest_wins)
{
    for (uint64_t i = 0; i < 4 && contests[_i].values[i] != NULL; i++)
        put(5, i + 1, contests[_i].values[i]);
    put(4, 9, "run");
    put(6, 9, "run");
    seal();
    ck_assert_uint_eq(checkpoint_table_count(table), 3);
    ck_assert_str_eq(show(checkpoint_table_take(table, 5)), contests[_i].shown);
}
END_TEST

START_TEST(later_means_later_in_the_log_though_it_replaces)
{
    put(5, 1, "run a");
    put(5, 2, "run b");
    put(5, 1, "run c");
    seal();
    ck_assert_str_eq(show(checkpoint_table_take(table, 5)), "5=run c by 1,2");
}
END_TEST

START_TEST(an_entry_says_what_its_value_is)
{
    static const enum checked expected[] = {CHECKED_RUN, CHECKED_INTENT, CHECKED_UNREADABLE, CHECKED_UNREADABLE};
    put(0, 1, "r");
    put(1, 1, "i");
    put(2, 1, "\1garbage");
    put(3, 1, "");
    seal();
    for (int64_t i = 0; i < 4; i++) {
        struct checkpoint_entry *entry = checkpoint_table_take(table, i);
        ck_assert_int_eq(entry->found, expected[i]);
        checkpoint_entry_free(entry);
    }
}
END_TEST

START_TEST(only_what_is_live_is_checked)
{
    int calls = 0;
    int64_t offset = 0;
    uint64_t writer = 0;
    put(1, 1, "new");
    checkpoint_table_erase(table, 1, 1);
    put(2, 1, "new");
    put(2, 1, "run");
    ck_assert_int_eq(checkpoint_table_seal(table, check, &calls, &offset, &writer), CHECKPOINT_SEALED);
    ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(a_record_that_is_too_new_is_named)
{
    int64_t offset = 0;
    uint64_t writer = 0;
    put(1, 1, "run");
    put(77, 5, "new");
    put(77, 6, "run");
    ck_assert_int_eq(checkpoint_table_seal(table, check, NULL, &offset, &writer), CHECKPOINT_SEAL_TOO_NEW);
    ck_assert_int_eq(offset, 77);
    ck_assert_uint_eq(writer, 5);
}
END_TEST

START_TEST(a_cleared_table_has_forgotten)
{
    put(1, 1, "run");
    checkpoint_table_clear(table);
    put(2, 1, "run");
    seal();
    ck_assert_uint_eq(checkpoint_table_count(table), 1);
    ck_assert_ptr_null(checkpoint_table_take(table, 1));
}
END_TEST

START_TEST(entries_are_gone_through_while_some_are_taken)
{
    size_t at = 0;
    put(30, 1, "run");
    put(10, 1, "run");
    put(20, 1, "run");
    put(INT64_MAX, 1, "run");
    seal();
    checkpoint_entry_free(checkpoint_table_take(table, 20));
    ck_assert_int_eq(checkpoint_table_next(table, &at)->offset, 10);
    ck_assert_str_eq(show(checkpoint_table_take(table, 10)), "10=run by 1");
    ck_assert_int_eq(checkpoint_table_next(table, &at)->offset, 30);
    ck_assert_int_eq(checkpoint_table_next(table, &at)->offset, INT64_MAX);
    ck_assert_ptr_null(checkpoint_table_next(table, &at));
    ck_assert_str_eq(show(checkpoint_table_take(table, 30)), "30=run by 1");
    ck_assert_uint_eq(checkpoint_table_count(table), 1);
}
END_TEST

/* Held against a plain array, through many puts and erasures of few keys. */
START_TEST(it_agrees_with_a_plain_array)
{
    enum { OFFSETS = 300, WRITERS = 3, STEPS = 100000 };
    static int live[OFFSETS][WRITERS]; /* the step of the record, from 1; 0: none */
    char value[20];
    unsigned random = 12345;
    memset(live, 0, sizeof live);
    for (int step = 1; step <= STEPS; step++) {
        random = random * 1103515245 + 12345;
        unsigned offset = (random >> 8) % OFFSETS;
        unsigned writer = (random >> 20) % WRITERS;
        if ((random >> 28) % 2 == 0) {
            snprintf(value, sizeof value, "run %d", step);
            put(offset, writer, value);
            live[offset][writer] = step;
        } else {
            checkpoint_table_erase(table, offset, writer);
            live[offset][writer] = 0;
        }
    }
    seal();
    for (int64_t offset = 0; offset < OFFSETS; offset++) {
        int best = 0;
        size_t n = 0;
        for (int i = 0; i < WRITERS; i++) {
            best = live[offset][i] > best ? live[offset][i] : best;
            n += live[offset][i] > 0;
        }
        struct checkpoint_entry *entry = checkpoint_table_take(table, offset);
        ck_assert_int_eq(entry != NULL, n > 0);
        if (entry == NULL)
            continue;
        ck_assert_int_eq(atoi(entry->value + 4), best);
        ck_assert_uint_eq(entry->n_writers, n);
        checkpoint_entry_free(entry);
    }
    ck_assert_uint_eq(checkpoint_table_count(table), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("checkpoint_table");
    TCase *tcase = tcase_create("table");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_empty_table_has_nothing);
    tcase_add_test(tcase, an_entry_is_taken_once);
    tcase_add_test(tcase, a_later_record_of_the_same_writer_replaces);
    tcase_add_test(tcase, a_tombstone_erases_exactly_its_key);
    tcase_add_test(tcase, what_is_put_after_its_tombstone_is_there);
    tcase_add_loop_test(tcase, of_several_records_of_an_offset_the_best_and_latest_wins, 0,
                        sizeof contests / sizeof *contests);
    tcase_add_test(tcase, later_means_later_in_the_log_though_it_replaces);
    tcase_add_test(tcase, an_entry_says_what_its_value_is);
    tcase_add_test(tcase, only_what_is_live_is_checked);
    tcase_add_test(tcase, a_record_that_is_too_new_is_named);
    tcase_add_test(tcase, a_cleared_table_has_forgotten);
    tcase_add_test(tcase, entries_are_gone_through_while_some_are_taken);
    tcase_add_test(tcase, it_agrees_with_a_plain_array);
    suite_add_tcase(suite, tcase);
    return suite;
}
