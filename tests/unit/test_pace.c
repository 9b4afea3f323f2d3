/* pace with brokers that are played here: they write so many bytes a second. */
#include "core/pace.h"
#include "support/check_main.h"

#define TIME_MS 10000
#define JOB_BYTES ((size_t)2048)

struct work {
    struct pace pace;
    size_t done;
    size_t batches;
    size_t late; /* at their first try */
};

/* One batch after the other, until so much is done. One that takes too long goes again as it is, when brokers are fast again. */
static void write_all(struct work *work, size_t bytes, size_t bytes_a_second)
{
    work->done = work->batches = work->late = 0;
    while (work->done < bytes) {
        size_t batch = 0;
        while (batch < work->pace.most_bytes)
            batch += JOB_BYTES;
        int64_t took_ms = 10 + (int64_t)(batch * 1000 / bytes_a_second);
        if (took_ms > TIME_MS) {
            work->late++;
            pace_note_late(&work->pace);
        } else {
            pace_note_committed(&work->pace, batch, took_ms);
        }
        work->done += batch;
        work->batches++;
    }
}

static const struct {
    size_t bytes_a_second;
    size_t most_batches; /* for 100 MB; 0: as many as it takes */
} rates[] = {{30000, 0}, {100000, 0}, {300000, 0}, {1000000, 0}, {5000000, 70}, {100000000, 14}};

START_TEST(no_batch_is_late_however_slow_brokers_are_and_fast_ones_get_large_batches)
{
    struct work work = {0};
    pace_init(&work.pace);
    write_all(&work, 100000000, rates[_i].bytes_a_second);
    ck_assert_uint_eq(work.late, 0);
    ck_assert_msg(rates[_i].most_batches == 0 || work.batches <= rates[_i].most_batches, "%zu batches", work.batches);
}
END_TEST

START_TEST(brokers_that_become_slow_or_fast_are_followed)
{
    struct work work = {0};
    pace_init(&work.pace);
    write_all(&work, 100000000, 100000000);
    ck_assert_uint_eq(work.pace.most_bytes, PACE_MOST_BYTES);
    write_all(&work, 100000000, 100000);
    ck_assert_uint_le(work.late, 5);
    write_all(&work, 1000000, 100000);
    ck_assert_uint_eq(work.late, 0);
    write_all(&work, 100000000, 100000000);
    ck_assert_uint_le(work.batches, 16);
}
END_TEST

START_TEST(small_batches_say_nothing_of_large_ones)
{
    struct pace pace;
    pace_init(&pace);
    for (int i = 0; i < 100; i++)
        pace_note_committed(&pace, 1000, 20);
    ck_assert_uint_eq(pace.most_bytes, PACE_FIRST_BYTES);
    for (int i = 0; i < 100; i++)
        pace_note_late(&pace);
    ck_assert_uint_eq(pace.most_bytes, PACE_LEAST_BYTES);
    for (int i = 0; i < 100; i++)
        pace_note_committed(&pace, pace.most_bytes, 20);
    ck_assert_uint_eq(pace.most_bytes, PACE_MOST_BYTES);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("pace");
    TCase *tcase = tcase_create("pace");
    tcase_add_loop_test(tcase, no_batch_is_late_however_slow_brokers_are_and_fast_ones_get_large_batches, 0,
                        sizeof rates / sizeof *rates);
    tcase_add_test(tcase, brokers_that_become_slow_or_fast_are_followed);
    tcase_add_test(tcase, small_batches_say_nothing_of_large_ones);
    suite_add_tcase(suite, tcase);
    return suite;
}
