#include "kafka/assignment.h"
#include "support/check_main.h"

#include <pthread.h>

/* That each is freed, and not too early, is for the leak checker to say; here, that it can be read until then. */

START_TEST(it_lives_until_neither_holders_nor_writes_are_left)
{
    struct assignment *assignment = assignment_new("in", 3, 7);
    ck_assert_str_eq(assignment->topic, "in");
    ck_assert_int_eq(assignment->partition, 3);
    ck_assert_uint_eq(assignment->epoch, 7);
    ck_assert(tenure_read(&assignment->tenure) == TENURE_HELD);
    ck_assert_ptr_eq(assignment_hold(assignment), assignment);
    assignment_write_begin(assignment);
    assignment_write_begin(assignment);
    assignment_release(assignment);
    if (_i == 0) { /* the holder last */
        assignment_write_end(assignment);
        assignment_write_end(assignment);
        ck_assert_uint_eq(assignment->holders, 1);
        assignment_release(assignment);
    } else { /* a write last */
        assignment_write_end(assignment);
        assignment_release(assignment);
        ck_assert_uint_eq(atomic_load(&assignment->writes), 1);
        assignment_write_end(assignment);
    }
}
END_TEST

START_TEST(it_is_quiet_without_other_holders_and_without_writes)
{
    struct assignment *assignment = assignment_new("in", 0, 1);
    ck_assert(assignment_is_quiet(assignment, 1));
    ck_assert(!assignment_is_quiet(assignment, 0));
    assignment_hold(assignment);
    ck_assert(!assignment_is_quiet(assignment, 1));
    ck_assert(assignment_is_quiet(assignment, 2));
    assignment_write_begin(assignment);
    ck_assert(!assignment_is_quiet(assignment, 2));
    assignment_release(assignment);
    ck_assert(!assignment_is_quiet(assignment, 1));
    assignment_write_end(assignment);
    ck_assert(assignment_is_quiet(assignment, 1));
    assignment_release(assignment);
}
END_TEST

START_TEST(who_ends_leaves_the_list_that_it_is_in)
{
    struct list ended;
    list_init(&ended);
    struct assignment *held = assignment_new("in", 0, 1);
    struct assignment *written = assignment_new("in", 0, 2);
    list_push(&ended, &held->node);
    list_push(&ended, &written->node);
    assignment_write_begin(written);
    assignment_release(written);
    assignment_release(held);
    ck_assert_ptr_eq(ended.next, &written->node);
    ck_assert_ptr_eq(ended.prev, &written->node);
    assignment_write_end(written);
    ck_assert(list_is_empty(&ended));
}
END_TEST

enum { THREADS = 4, WRITES = 20000 };

struct writer {
    pthread_t thread;
    struct assignment *assignment;
    atomic_size_t begun;
};

static void *write_many(void *opaque)
{
    struct writer *writer = opaque;
    for (int i = 0; i < WRITES; i++) {
        assignment_write_begin(writer->assignment);
        atomic_fetch_add_explicit(&writer->begun, 1, memory_order_release);
    }
    return NULL;
}

/* The holder's end comes by a queue, as a job's does: after all that the job's thread has done. */
START_TEST(writes_that_begin_on_many_threads_all_count)
{
    struct assignment *assignment = assignment_new("in", 0, 1);
    static struct writer writer[THREADS];
    size_t ended[THREADS] = {0};
    size_t all = 0;
    for (int i = 0; i < THREADS; i++) {
        writer[i].assignment = assignment_hold(assignment);
        atomic_init(&writer[i].begun, 0);
        ck_assert_int_eq(pthread_create(&writer[i].thread, NULL, write_many, &writer[i]), 0);
    }
    assignment_release(assignment);
    while (all < (size_t)THREADS * WRITES) {
        for (int i = 0; i < THREADS; i++) {
            while (ended[i] < atomic_load_explicit(&writer[i].begun, memory_order_acquire)) {
                if (++ended[i] == WRITES) {
                    pthread_join(writer[i].thread, NULL);
                    assignment_release(assignment);
                }
                if (++all == (size_t)THREADS * WRITES)
                    ck_assert(assignment->holders == 0 && atomic_load(&assignment->writes) == 1);
                assignment_write_end(assignment);
            }
        }
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("assignment");
    TCase *tcase = tcase_create("assignment");
    tcase_add_loop_test(tcase, it_lives_until_neither_holders_nor_writes_are_left, 0, 2);
    tcase_add_test(tcase, it_is_quiet_without_other_holders_and_without_writes);
    tcase_add_test(tcase, who_ends_leaves_the_list_that_it_is_in);
    tcase_add_test(tcase, writes_that_begin_on_many_threads_all_count);
    suite_add_tcase(suite, tcase);
    return suite;
}
