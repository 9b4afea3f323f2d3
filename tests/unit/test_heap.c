#include "base/clock.h"
#include "base/heap.h"
#include "support/check_main.h"

#include <stdlib.h>

/* Every timer knows its slot, and none is earlier than its parent. */
static void check_order(const struct heap *heap)
{
    for (size_t i = 0; i < heap->n; i++) {
        ck_assert_uint_eq(heap->slot[i]->index, i);
        if (i > 0) {
            ck_assert_int_le(heap->slot[(i - 1) / 2]->at_ms, heap->slot[i]->at_ms);
        }
    }
}

START_TEST(an_empty_heap_is_never_due)
{
    struct heap heap;
    heap_init(&heap);
    ck_assert_int_eq(heap_next_ms(&heap), CLOCK_NEVER);
    ck_assert_ptr_null(heap_take_due(&heap, CLOCK_NEVER));
    heap_deinit(&heap);
}
END_TEST

START_TEST(takes_what_is_due_the_earliest_first)
{
    struct heap heap;
    struct timer timer[4];
    const int64_t at_ms[4] = {30, 10, 40, 20};
    heap_init(&heap);
    for (int i = 0; i < 4; i++) {
        timer_init(&timer[i]);
        ck_assert(!timer_is_set(&timer[i]));
        ck_assert_int_eq(heap_set(&heap, &timer[i], at_ms[i]), 0);
        ck_assert(timer_is_set(&timer[i]));
    }
    ck_assert_int_eq(heap_next_ms(&heap), 10);
    ck_assert_ptr_null(heap_take_due(&heap, 9));
    ck_assert_ptr_eq(heap_take_due(&heap, 30), &timer[1]);
    ck_assert(!timer_is_set(&timer[1]));
    ck_assert_ptr_eq(heap_take_due(&heap, 30), &timer[3]);
    ck_assert_ptr_eq(heap_take_due(&heap, 30), &timer[0]);
    ck_assert_ptr_null(heap_take_due(&heap, 30));
    ck_assert_int_eq(heap_next_ms(&heap), 40);
    heap_deinit(&heap);
}
END_TEST

START_TEST(setting_again_moves_a_timer_either_way)
{
    struct heap heap;
    struct timer timer[3];
    heap_init(&heap);
    for (int i = 0; i < 3; i++) {
        timer_init(&timer[i]);
        heap_set(&heap, &timer[i], 10 * (i + 1));
    }
    heap_set(&heap, &timer[2], 5);
    ck_assert_int_eq(heap_next_ms(&heap), 5);
    ck_assert_uint_eq(heap.n, 3);
    heap_set(&heap, &timer[2], 50);
    ck_assert_int_eq(heap_next_ms(&heap), 10);
    heap_set(&heap, &timer[0], 60);
    ck_assert_int_eq(heap_next_ms(&heap), 20);
    check_order(&heap);
    heap_deinit(&heap);
}
END_TEST

START_TEST(clearing_takes_one_out_and_is_harmless_twice)
{
    struct heap heap;
    struct timer timer[3];
    heap_init(&heap);
    for (int i = 0; i < 3; i++) {
        timer_init(&timer[i]);
        heap_set(&heap, &timer[i], 10 * (i + 1));
    }
    heap_clear(&heap, &timer[0]);
    heap_clear(&heap, &timer[0]);
    ck_assert(!timer_is_set(&timer[0]));
    ck_assert_uint_eq(heap.n, 2);
    ck_assert_int_eq(heap_next_ms(&heap), 20);
    heap_clear(&heap, &timer[2]);
    heap_clear(&heap, &timer[1]);
    ck_assert_int_eq(heap_next_ms(&heap), CLOCK_NEVER);
    heap_deinit(&heap);
}
END_TEST

START_TEST(reserving_makes_room_ahead)
{
    struct heap heap;
    struct timer timer;
    heap_init(&heap);
    ck_assert_int_eq(heap_reserve(&heap, 1000), 0);
    ck_assert_uint_ge(heap.room, 1000);
    struct timer **slot = heap.slot;
    ck_assert_int_eq(heap_reserve(&heap, 500), 0);
    timer_init(&timer);
    heap_set(&heap, &timer, 1);
    ck_assert_ptr_eq(heap.slot, slot);
    ck_assert_int_eq(heap_reserve(&heap, SIZE_MAX), -1);
    ck_assert_int_eq(heap_next_ms(&heap), 1);
    heap_deinit(&heap);
}
END_TEST

#define MANY 1000

START_TEST(keeps_its_order_under_random_use)
{
    static struct timer timer[MANY];
    struct heap heap;
    unsigned seed = 1;
    heap_init(&heap);
    for (int i = 0; i < MANY; i++) {
        timer_init(&timer[i]);
    }
    for (int step = 0; step < 20000; step++) {
        struct timer *some = &timer[rand_r(&seed) % MANY];
        if (rand_r(&seed) % 3 == 0) {
            heap_clear(&heap, some);
        } else {
            ck_assert_int_eq(heap_set(&heap, some, rand_r(&seed) % 500), 0);
        }
        if (step % 100 == 0) {
            check_order(&heap);
        }
    }
    size_t n_set = 0;
    for (int i = 0; i < MANY; i++) {
        n_set += timer_is_set(&timer[i]);
    }
    ck_assert_uint_eq(heap.n, n_set);
    int64_t last_ms = -1;
    for (struct timer *due = heap_take_due(&heap, 500); due != NULL; due = heap_take_due(&heap, 500)) {
        ck_assert_int_ge(due->at_ms, last_ms);
        last_ms = due->at_ms;
        n_set--;
    }
    ck_assert_uint_eq(n_set, 0);
    heap_deinit(&heap);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("heap");
    TCase *tcase = tcase_create("heap");
    tcase_add_test(tcase, an_empty_heap_is_never_due);
    tcase_add_test(tcase, takes_what_is_due_the_earliest_first);
    tcase_add_test(tcase, setting_again_moves_a_timer_either_way);
    tcase_add_test(tcase, clearing_takes_one_out_and_is_harmless_twice);
    tcase_add_test(tcase, reserving_makes_room_ahead);
    tcase_add_test(tcase, keeps_its_order_under_random_use);
    suite_add_tcase(suite, tcase);
    return suite;
}
