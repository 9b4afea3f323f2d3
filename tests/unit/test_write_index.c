#include "core/write_index.h"

#include "support/check_main.h"

#include <stdlib.h>

#define MANY 50000

static struct assignment *assignment;
static struct write_index pending;
static struct ledger_write *writes[MANY];

static struct ledger_write *write_of(int64_t offset)
{
    const struct place place = {assignment, offset, 7};
    struct ledger_write *write = ledger_write_new("group", WRITE_TOMBSTONE, &place, NULL, 0);
    ck_assert_ptr_nonnull(write);
    return write;
}

static void open_index(void)
{
    assignment = assignment_new("in", 3, 1);
    write_index_init(&pending);
}

static void close_index(void)
{
    write_index_deinit(&pending);
    assignment_release(assignment);
}

static size_t longest_chain(void)
{
    size_t longest = 0;
    for (size_t i = 0; i < pending.n_chains; i++) {
        size_t n = 0;
        for (const struct ledger_write *write = pending.chains[i]; write != NULL; write = write->chain_next)
            n++;
        longest = n > longest ? n : longest;
    }
    return longest;
}

START_TEST(finds_each_of_many_without_walking_past_many)
{
    for (int i = 0; i < MANY; i++) {
        writes[i] = write_of(i);
        write_index_add(&pending, writes[i]);
        ck_assert_uint_ge(pending.n_chains, pending.n);
    }
    ck_assert_uint_eq(pending.n, MANY);
    ck_assert_uint_le(longest_chain(), 16);
    for (int i = 0; i < MANY; i++) {
        struct ledger_write *like = write_of(i);
        ck_assert_ptr_eq(write_index_find(&pending, like), writes[i]);
        ledger_write_free(like);
    }
    struct ledger_write *like = write_of(MANY);
    ck_assert_ptr_null(write_index_find(&pending, like));
    ledger_write_free(like);
    for (int i = 0; i < MANY; i++) {
        write_index_remove(&pending, writes[i]);
        ck_assert_ptr_null(write_index_find(&pending, writes[i]));
        ledger_write_free(writes[i]);
    }
    ck_assert_uint_eq(pending.n, 0);
    ck_assert_uint_eq(longest_chain(), 0);
}
END_TEST

/* Across growth, too. */
START_TEST(of_one_key_the_first_that_was_added_is_found)
{
    for (int i = 0; i < 100; i++) {
        writes[i] = write_of(42);
        write_index_add(&pending, writes[i]);
        ck_assert_ptr_eq(write_index_find(&pending, writes[i]), writes[0]);
    }
    write_index_remove(&pending, writes[1]); /* amid the chain */
    for (int i = 0; i < 100; i++) {
        if (i != 1)
            ck_assert_ptr_eq(write_index_find(&pending, writes[1]), writes[i]);
        write_index_remove(&pending, writes[i]);
    }
    ck_assert_ptr_null(write_index_find(&pending, writes[1]));
    for (int i = 0; i < 100; i++)
        ledger_write_free(writes[i]);
}
END_TEST

START_TEST(what_was_removed_can_be_removed_and_added_again)
{
    struct ledger_write *write = write_of(1);
    write_index_remove(&pending, write);
    for (int i = 0; i < 3; i++) {
        write_index_add(&pending, write);
        ck_assert_ptr_eq(write_index_find(&pending, write), write);
        write_index_remove(&pending, write);
        write_index_remove(&pending, write);
        ck_assert_uint_eq(pending.n, 0);
        ck_assert_ptr_null(write_index_find(&pending, write));
    }
    ledger_write_free(write);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("write_index");
    TCase *tcase = tcase_create("keys");
    tcase_add_checked_fixture(tcase, open_index, close_index);
    tcase_add_test(tcase, finds_each_of_many_without_walking_past_many);
    tcase_add_test(tcase, of_one_key_the_first_that_was_added_is_found);
    tcase_add_test(tcase, what_was_removed_can_be_removed_and_added_again);
    suite_add_tcase(suite, tcase);
    return suite;
}
