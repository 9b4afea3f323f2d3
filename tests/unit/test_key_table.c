#include "base/key_table.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>

static struct key_table table;

static void setup(void)
{
    ck_assert_int_eq(key_table_init(&table), 0);
}

static void teardown(void)
{
    key_table_deinit(&table);
}

START_TEST(what_is_not_there_is_not_found)
{
    struct key_node node;
    ck_assert_ptr_null(key_table_find(&table, "a"));
    key_table_add(&table, &node, "a");
    ck_assert_ptr_eq(key_table_find(&table, "a"), &node);
    ck_assert_ptr_null(key_table_find(&table, "aa"));
    ck_assert_ptr_null(key_table_find(&table, ""));
    key_table_remove(&table, &node);
    ck_assert_ptr_null(key_table_find(&table, "a"));
}
END_TEST

START_TEST(thousands_are_found_each_under_its_own_key)
{
    enum { N = 5000 };
    struct key_node *node = calloc(N, sizeof *node);
    char(*key)[16] = calloc(N, sizeof *key);
    for (int i = 0; i < N; i++) {
        snprintf(key[i], sizeof key[i], "key %d", i);
        key_table_add(&table, &node[i], key[i]);
    }
    ck_assert_uint_eq(table.n, N);
    ck_assert_uint_ge(table.n_buckets, N / 2);
    for (int i = 0; i < N; i += 2) {
        key_table_remove(&table, &node[i]);
    }
    for (int i = 0; i < N; i++) {
        ck_assert_ptr_eq(key_table_find(&table, key[i]), i % 2 == 0 ? NULL : &node[i]);
    }
    for (int i = 1; i < N; i += 2) {
        key_table_remove(&table, &node[i]);
    }
    ck_assert_uint_eq(table.n, 0);
    free(node);
    free(key);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("key_table");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_is_not_there_is_not_found);
    tcase_add_test(tc, thousands_are_found_each_under_its_own_key);
    suite_add_tcase(suite, tc);
    return suite;
}
