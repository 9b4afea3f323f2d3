#include "kafka/moments.h"
#include "support/check_main.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

START_TEST(the_age_is_that_of_the_lowest_that_is_not_done)
{
    struct moments moments = {0};
    moments_take(&moments, 100, 100, 50000);
    ck_assert_int_eq(moments_age(&moments, 100, 50000), 0);
    ck_assert_int_eq(moments_age(&moments, 100, 90000), 40000);
    moments_take(&moments, 101, 100, 60000);
    moments_take(&moments, 150, 100, 80000);
    ck_assert_int_eq(moments_age(&moments, 100, 90000), 40000);
    ck_assert_int_eq(moments_age(&moments, 101, 90000), 30000);
    ck_assert_int_eq(moments_age(&moments, 149, 90000), 30000); /* taken no earlier than 101 */
    ck_assert_int_eq(moments_age(&moments, 150, 90000), 10000);
}
END_TEST

START_TEST(one_a_second_is_kept)
{
    struct moments moments = {0};
    for (int64_t offset = 0; offset < 5000; offset++)
        moments_take(&moments, offset, 0, 1000000 + offset);
    ck_assert_uint_eq(moments.n, 5);
    ck_assert_int_eq(moments_age(&moments, 4999, 1005000), 1000);
}
END_TEST

START_TEST(where_all_was_done_an_age_begins_anew)
{
    struct moments moments = {0};
    moments_take(&moments, 7, 7, 1000);
    moments_take(&moments, 8, 8, 1500); /* within the second, but 7 is done */
    ck_assert_int_eq(moments_age(&moments, 8, 2000), 500);
    moments_take(&moments, 9, 8, 1600);
    ck_assert_int_eq(moments_age(&moments, 9, 2000), 500);
    ck_assert_uint_eq(moments.n, 1);
}
END_TEST

enum { INPUTS = 30000 };

static struct {
    int64_t taken_ms[INPUTS];
    bool done[INPUTS];
} inputs;

static uint64_t seed;

static int64_t chance(int64_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (int64_t)((seed >> 33) % (uint64_t)below);
}

/* Takes inputs for hours, ends them in any order, and holds each age against the true one. */
static void live(uint64_t first_seed, int64_t gap_ms, int64_t stuck_one_in)
{
    struct moments moments = {0};
    int64_t now_ms = 1000;
    int64_t frontier = 0;
    int64_t checked = 0;
    seed = first_seed;
    memset(&inputs, 0, sizeof inputs);
    for (int64_t offset = 0; offset < INPUTS; offset++) {
        now_ms += chance(2 * gap_ms);
        inputs.taken_ms[offset] = now_ms;
        moments_take(&moments, offset, frontier < offset ? frontier : offset, now_ms);
        if (moments.n > MOMENTS_MAX)
            ck_abort_msg("%zu are kept", moments.n);
        for (int i = 0; i < 2; i++) {
            int64_t ended = offset - chance(offset < 3000 ? offset + 1 : 3000);
            inputs.done[ended] = inputs.done[ended] || ended % stuck_one_in != 0;
        }
        if (chance(2 * stuck_one_in) == 0)
            inputs.done[frontier] = true; /* the one that is stuck; some later one holds the frontier now */
        while (frontier <= offset && inputs.done[frontier])
            frontier++;
        if (frontier > offset)
            continue;
        int64_t look_ms = now_ms + chance(5000);
        int64_t truth_ms = look_ms - inputs.taken_ms[frontier];
        int64_t told_ms = moments_age(&moments, frontier, look_ms);
        int64_t most_ms = truth_ms + (told_ms / 16 > 2000 ? told_ms / 16 : 2000);
        if (told_ms < truth_ms || told_ms > most_ms)
            ck_abort_msg("%lld ms are told for %lld at offset %lld", (long long)told_ms, (long long)truth_ms, (long long)offset);
        checked++;
    }
    ck_assert_int_gt(checked, 1000);
}

START_TEST(ages_are_never_too_low_and_hardly_too_high)
{
    for (uint64_t i = 1; i <= 5; i++) {
        live(i, 1, 5000);
        live(i, 40, 5000);
        live(i, 700, 5000);
        live(i, 5000, 100);
        live(i, 100, 3);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("moments");
    TCase *tcase = tcase_create("moments");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, the_age_is_that_of_the_lowest_that_is_not_done);
    tcase_add_test(tcase, one_a_second_is_kept);
    tcase_add_test(tcase, where_all_was_done_an_age_begins_anew);
    tcase_add_test(tcase, ages_are_never_too_low_and_hardly_too_high);
    suite_add_tcase(suite, tcase);
    return suite;
}
