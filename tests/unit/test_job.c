#include "core/job.h"
#include "support/check_main.h"

#include <string.h>

/* Worked out by other means. Checkpoints hold these numbers: they must never change. */
static const struct {
    int64_t timestamp_ms;
    const char *key;
    const char *value;
    uint64_t hash;
} rows[] = {
    {1760000000123, "k", "value", UINT64_C(0x117b8764f8f8a077)},
    {1760000000124, "k", "value", UINT64_C(0xa054dace3b6ebe84)},
    {1760000000123, NULL, "kvalue", UINT64_C(0xc473397a5a1a7aae)},
    {1760000000123, "", "kvalue", UINT64_C(0x69c9627ef6170516)},
    {1760000000123, "kv", "alue", UINT64_C(0x0d99a1e4484f4ac0)},
    {-1, NULL, NULL, UINT64_C(0xd6607508f5a1e855)},
};

START_TEST(an_input_has_the_hash_that_it_always_had)
{
    const char *key = rows[_i].key;
    const char *value = rows[_i].value;
    ck_assert_uint_eq(job_hash_input(rows[_i].timestamp_ms, key, key != NULL ? strlen(key) : 9, value,
                                     value != NULL ? strlen(value) : 9), rows[_i].hash);
}
END_TEST

START_TEST(no_two_of_these_inputs_are_taken_for_one)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; k < i; k++)
            ck_assert_uint_ne(rows[i].hash, rows[k].hash);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("job");
    TCase *tcase = tcase_create("hash");
    tcase_add_loop_test(tcase, an_input_has_the_hash_that_it_always_had, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tcase, no_two_of_these_inputs_are_taken_for_one);
    suite_add_tcase(suite, tcase);
    return suite;
}
