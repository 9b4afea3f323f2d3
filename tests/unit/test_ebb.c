#include "core/ebb.h"
#include "support/check_main.h"

#define MB ((size_t)1024 * 1024)

START_TEST(memory_goes_back_once_much_less_of_it_is_used)
{
    struct ebb ebb = {0};
    ck_assert(!ebb_turn(&ebb, 100 * MB, 1000));
    ck_assert(!ebb_turn(&ebb, 94 * MB, 2000));
    ck_assert(ebb_turn(&ebb, 80 * MB, 3000));
    ck_assert(ebb_turn(&ebb, 81 * MB, 60000)); /* once more */
    ck_assert(!ebb_turn(&ebb, 81 * MB, 160000));
    ck_assert(!ebb_turn(&ebb, 77 * MB, 161000));
    ck_assert(ebb_turn(&ebb, 75 * MB, 162000));
}
END_TEST

START_TEST(little_is_not_worth_it)
{
    struct ebb ebb = {0};
    ck_assert(!ebb_turn(&ebb, 10 * MB, 1000));
    ck_assert(!ebb_turn(&ebb, 10 * MB - EBB_LEAST_BYTES + 1, 2000));
    ck_assert(ebb_turn(&ebb, 10 * MB - EBB_LEAST_BYTES, 2000));
}
END_TEST

START_TEST(it_is_not_done_all_the_time)
{
    struct ebb ebb = {0};
    int64_t now_ms = 1000;
    ck_assert(!ebb_turn(&ebb, 100 * MB, now_ms));
    ck_assert(ebb_turn(&ebb, 10 * MB, now_ms));
    ck_assert(!ebb_turn(&ebb, 100 * MB, now_ms + 1));
    ck_assert(!ebb_turn(&ebb, 10 * MB, now_ms + EBB_EVERY_MS - 1));
    ck_assert(ebb_turn(&ebb, 10 * MB, now_ms + EBB_EVERY_MS));
    ck_assert(!ebb_turn(&ebb, 10 * MB, now_ms + 2 * EBB_EVERY_MS - 1));
    ck_assert(ebb_turn(&ebb, 10 * MB, now_ms + 2 * EBB_EVERY_MS));
    ck_assert(!ebb_turn(&ebb, 10 * MB, now_ms + 9 * EBB_EVERY_MS));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ebb");
    TCase *tests = tcase_create("ebb");
    tcase_add_test(tests, memory_goes_back_once_much_less_of_it_is_used);
    tcase_add_test(tests, little_is_not_worth_it);
    tcase_add_test(tests, it_is_not_done_all_the_time);
    suite_add_tcase(suite, tests);
    return suite;
}
