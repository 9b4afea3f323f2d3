#include "engine/gate.h"
#include "ops/log.h"
#include "support/check_main.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define A "http://a.example:80"
#define FAILURES 3
#define PROBE_MS 5000

static struct gates *gates;

static void make_gates(double kickoffs_per_second, double requests_per_second)
{
    const struct gates_config config = {.kickoffs_per_second = kickoffs_per_second,
                                        .requests_per_second = requests_per_second,
                                        .breaker_failures = FAILURES,
                                        .breaker_probe_ms = PROBE_MS};
    gates = gates_new(&config);
    ck_assert_ptr_nonnull(gates);
}

static void be_quiet(void)
{
    log_set_level(LOG_ERROR);
}

static void teardown(void)
{
    gates_free(gates);
    gates = NULL;
}

/* ---- rates ---- */

START_TEST(without_a_rate_everybody_goes_at_once)
{
    make_gates(0, 0);
    struct gate *gate = gates_get(gates, A, 1000);
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(gate_reserve(gate, GATE_KICKOFFS, 1000), INT64_MIN);
        ck_assert_int_eq(gate_reserve(gate, GATE_REQUESTS, 1000), INT64_MIN);
    }
    gate_release(gate, 1000);
}
END_TEST

/* rate; when it is asked for; the slots that are given, 0: no more */
static const struct {
    double per_second;
    int64_t asked_ms[8];
    int64_t slot_ms[8];
} slots[] = {
    {10, {1000, 1000, 1000, 1000}, {980, 1080, 1180, 1280}},
    {10, {1000, 1080, 1180, 1280}, {980, 1080, 1180, 1280}},
    /* late by less than the 20 ms: nothing is lost */
    {10, {1000, 1095, 1195, 1200}, {980, 1080, 1180, 1280}},
    /* late by more: it is */
    {10, {1000, 1150, 1250, 1300}, {980, 1130, 1230, 1330}},
    /* no burst after a rest, but for what 20 ms let through */
    {10, {1000, 60000, 60000, 60000}, {980, 59980, 60080, 60180}},
    {100, {60000, 60000, 60000, 60000, 60000}, {59980, 59990, 60000, 60010, 60020}},
    {4000, {60000, 60000, 60000, 60000, 60000, 60000}, {59980, 59981, 59981, 59981, 59981, 59982}},
    {0.5, {60000, 60000, 60000}, {59980, 61980, 63980}},
    {1e-9, {60000, 60000, 60000}, {59980, 3659980, 7259980}},
};

START_TEST(each_slot_is_behind_the_one_before)
{
    make_gates(slots[_i].per_second, slots[_i].per_second);
    struct gate *gate = gates_get(gates, A, 0);
    struct gate *profile = gates_get(gates, "profile a", 0);
    for (int i = 0; i < 8 && slots[_i].asked_ms[i] > 0; i++) {
        ck_assert_int_eq(gate_reserve(gate, GATE_KICKOFFS, slots[_i].asked_ms[i]), slots[_i].slot_ms[i]);
        ck_assert_int_eq(gate_reserve(gate, GATE_REQUESTS, slots[_i].asked_ms[i]), slots[_i].slot_ms[i]);
        ck_assert_int_eq(gate_reserve_at(profile, slots[_i].per_second, slots[_i].asked_ms[i]), slots[_i].slot_ms[i]);
    }
    gate_release(gate, 0);
    gate_release(profile, 0);
}
END_TEST

START_TEST(kickoffs_and_requests_have_rates_of_their_own)
{
    make_gates(10, 100);
    struct gate *gate = gates_get(gates, A, 0);
    ck_assert_int_eq(gate_reserve(gate, GATE_KICKOFFS, 1000), 980);
    ck_assert_int_eq(gate_reserve(gate, GATE_KICKOFFS, 1000), 1080);
    ck_assert_int_eq(gate_reserve(gate, GATE_REQUESTS, 1000), 980);
    ck_assert_int_eq(gate_reserve(gate, GATE_REQUESTS, 1000), 990);
    struct gate *other = gates_get(gates, "http://b.example:80", 0);
    ck_assert_int_eq(gate_reserve(other, GATE_KICKOFFS, 1000), 980);
    gate_release(gate, 0);
    gate_release(other, 0);
}
END_TEST

START_TEST(a_slot_that_is_given_back_is_another_s)
{
    make_gates(10, 0);
    struct gate *gate = gates_get(gates, A, 0);
    gate_give_back(gate, GATE_REQUESTS); /* there is no such rate */
    gate_reserve(gate, GATE_KICKOFFS, 1000);
    ck_assert_int_eq(gate_reserve(gate, GATE_KICKOFFS, 1000), 1080);
    gate_give_back(gate, GATE_KICKOFFS);
    ck_assert_int_eq(gate_reserve(gate, GATE_KICKOFFS, 1000), 1080);
    gate_release(gate, 0);
}
END_TEST

/* ---- the breaker ---- */

static void go_wrong(struct gate *gate, int times, int64_t now_ms)
{
    for (int i = 0; i < times; i++) {
        gate_failed(gate, now_ms);
    }
}

START_TEST(it_opens_at_so_many_failures_in_a_row)
{
    make_gates(0, 0);
    struct gate *gate = gates_get(gates, A, 0);
    go_wrong(gate, FAILURES - 1, 1000);
    gate_answered(gate, 1000);
    go_wrong(gate, FAILURES - 1, 1000);
    ck_assert(!gate_is_open(gate));
    ck_assert_int_eq(gate_look_ms(gate, 1000), INT64_MIN);
    ck_assert_int_eq(gate_ask(gate, 1000), GATE_GO);
    go_wrong(gate, 1, 1000);
    ck_assert(gate_is_open(gate));
    ck_assert_int_eq(gate_ask(gate, 1000), GATE_WAIT);
    gate_release(gate, 0);
}
END_TEST

START_TEST(while_it_is_open_one_goes_in_five_seconds)
{
    make_gates(0, 0);
    struct gate *gate = gates_get(gates, A, 0);
    go_wrong(gate, FAILURES, 1000);
    ck_assert_int_eq(gate_ask(gate, 1000 + PROBE_MS - 1), GATE_WAIT);
    ck_assert_int_eq(gate_ask(gate, 1000 + PROBE_MS), GATE_PROBE);
    ck_assert_int_eq(gate_ask(gate, 1000 + PROBE_MS), GATE_WAIT);
    go_wrong(gate, 1, 7000);
    ck_assert_int_eq(gate_ask(gate, 1000 + 2 * PROBE_MS - 1), GATE_WAIT);
    /* one that hangs does not keep the next from going */
    ck_assert_int_eq(gate_ask(gate, 1000 + 2 * PROBE_MS), GATE_PROBE);
    ck_assert_int_eq(gate_ask(gate, 1000 + 3 * PROBE_MS), GATE_PROBE);
    gate_release(gate, 0);
}
END_TEST

START_TEST(any_answer_closes_it)
{
    make_gates(0, 0);
    struct gate *gate = gates_get(gates, A, 0);
    go_wrong(gate, FAILURES + 10, 1000);
    gate_answered(gate, 1500);
    ck_assert(!gate_is_open(gate));
    ck_assert_int_eq(gate_ask(gate, 1500), GATE_GO);
    go_wrong(gate, FAILURES - 1, 1500);
    ck_assert(!gate_is_open(gate));
    gate_release(gate, 0);
}
END_TEST

START_TEST(a_probe_that_did_not_go_is_another_s)
{
    make_gates(0, 0);
    struct gate *gate = gates_get(gates, A, 0);
    go_wrong(gate, FAILURES, 1000);
    ck_assert_int_eq(gate_ask(gate, 6000), GATE_PROBE);
    gate_return_probe(gate, 6100);
    ck_assert_int_eq(gate_look_ms(gate, 6100), INT64_MIN);
    ck_assert_int_eq(gate_ask(gate, 6100), GATE_PROBE);
    ck_assert_int_eq(gate_ask(gate, 6100), GATE_WAIT);
    gate_release(gate, 0);
}
END_TEST

/* now, and when it is looked at again, with a probe at 6000 */
static const struct {
    int64_t now_ms;
    int64_t look_ms;
} looks[] = {{1000, 1100}, {5900, 6000}, {5899, 5999}, {5950, 6000}, {6000, INT64_MIN}, {9000, INT64_MIN}};

START_TEST(who_waits_looks_again_soon_or_at_the_probe_s_time)
{
    make_gates(0, 0);
    struct gate *gate = gates_get(gates, A, 0);
    go_wrong(gate, FAILURES, 1000);
    ck_assert_int_eq(gate_look_ms(gate, looks[_i].now_ms), looks[_i].look_ms);
    gate_release(gate, 0);
}
END_TEST

START_TEST(without_a_breaker_failures_are_nothing)
{
    const struct gates_config config = {0};
    gates = gates_new(&config);
    struct gate *gate = gates_get(gates, A, 0);
    go_wrong(gate, 1000, 1000);
    ck_assert(!gate_is_open(gate));
    ck_assert_int_eq(gate_ask(gate, 1000), GATE_GO);
    gate_release(gate, 1000);
    ck_assert_uint_eq(gates_count(gates), 0);
}
END_TEST

/* ---- progress and the crowd ---- */

START_TEST(progress_is_an_answer_or_a_kickoff_that_went)
{
    make_gates(0, 0);
    struct gate *gate = gates_get(gates, A, 0);
    ck_assert_int_eq(gate_progress_ms(gate), 0);
    go_wrong(gate, 1, 1000);
    ck_assert_int_eq(gate_progress_ms(gate), 0);
    gate_answered(gate, 2000);
    ck_assert_int_eq(gate_progress_ms(gate), 2000);
    gate_went(gate, 3000);
    ck_assert_int_eq(gate_progress_ms(gate), 3000);
    gate_answered(gate, 2500); /* of a loop that read the clock before */
    ck_assert_int_eq(gate_progress_ms(gate), 3000);
    gate_release(gate, 0);
}
END_TEST

START_TEST(who_joins_is_counted_until_it_leaves)
{
    make_gates(0, 0);
    struct gate *gate = gates_get(gates, A, 0);
    ck_assert_uint_eq(gate_join(gate), 1);
    ck_assert_uint_eq(gate_join(gate), 2);
    gate_leave(gate);
    ck_assert_uint_eq(gate_crowd(gate), 1);
    gate_leave(gate);
    ck_assert_uint_eq(gate_crowd(gate), 0);
    gate_release(gate, 0);
}
END_TEST

/* ---- memory ---- */

START_TEST(one_key_is_one_gate)
{
    make_gates(0, 0);
    struct gate *gate = gates_get(gates, A, 0);
    ck_assert_ptr_eq(gates_get(gates, A, 0), gate);
    ck_assert_str_eq(gate_key(gate), A);
    struct gate *other = gates_get(gates, "http://a.example:81", 0);
    ck_assert_ptr_ne(other, gate);
    gate_release(other, 0);
    gate_release(gate, 0);
    ck_assert_uint_eq(gates_count(gates), 1);
    gate_release(gate, 0);
    ck_assert_uint_eq(gates_count(gates), 0);
}
END_TEST

static void count_crowd(const struct gate *gate, void *opaque)
{
    size_t *seen = opaque;
    seen[0]++;
    seen[1] += gate_crowd(gate);
}

START_TEST(a_walk_sees_each_gate_once)
{
    make_gates(0, 0);
    struct gate *gate[40];
    for (int i = 0; i < 40; i++) {
        char key[32];
        snprintf(key, sizeof key, "http://h%d:80", i);
        gate[i] = gates_get(gates, key, 0);
        gate_join(gate[i]);
    }
    size_t seen[2] = {0, 0};
    gates_each(gates, count_crowd, seen);
    ck_assert_uint_eq(seen[0], 40);
    ck_assert_uint_eq(seen[1], 40);
    for (int i = 0; i < 40; i++) {
        gate_leave(gate[i]);
        gate_release(gate[i], 0);
    }
}
END_TEST

START_TEST(what_there_is_to_remember_is_kept_for_a_while)
{
    make_gates(1, 0);
    struct gate *gate = gates_get(gates, A, 0);
    go_wrong(gate, 1, 1000);
    gate_release(gate, 1000);
    ck_assert_uint_eq(gates_count(gates), 1);
    gate = gates_get(gates, A, 1000 + GATE_KEEP_MS - 1);
    go_wrong(gate, FAILURES - 1, 1000);
    ck_assert(gate_is_open(gate));
    gate_release(gate, 2000);
    /* looked at whenever another is asked for */
    struct gate *other = gates_get(gates, "http://b.example:80", 2000 + GATE_KEEP_MS);
    ck_assert_uint_eq(gates_count(gates), 1);
    ck_assert_int_eq(gate_reserve(other, GATE_KICKOFFS, 1000000), 999980);
    gate_release(other, 1000000); /* its next slot is to come */
    ck_assert_uint_eq(gates_count(gates), 1);
    gate_release(gates_get(gates, "http://b.example:80", 1001000), 1001000); /* it has come */
    ck_assert_uint_eq(gates_count(gates), 0);
}
END_TEST

START_TEST(of_many_that_nobody_holds_the_oldest_go_first)
{
    make_gates(0, 0);
    for (int i = 0; i < GATES_MAX_RESTING + 2; i++) {
        char key[32];
        snprintf(key, sizeof key, "http://h%d:80", i);
        struct gate *gate = gates_get(gates, key, 0);
        go_wrong(gate, FAILURES, 0);
        gate_release(gate, i);
    }
    ck_assert_uint_eq(gates_count(gates), GATES_MAX_RESTING);
    struct gate *first = gates_get(gates, "http://h1:80", 0);
    ck_assert(!gate_is_open(first));
    struct gate *third = gates_get(gates, "http://h2:80", 0);
    ck_assert(gate_is_open(third));
    gate_release(first, 0);
    gate_release(third, 0);
}
END_TEST

START_TEST(a_gate_may_be_released_after_the_others_are_gone)
{
    make_gates(1, 0);
    struct gate *gate = gates_get(gates, A, 0);
    go_wrong(gate, 1, 0);
    struct gate *resting = gates_get(gates, "http://b.example:80", 0);
    go_wrong(resting, 1, 0);
    gate_release(resting, 0);
    gates_free(gates);
    gates = NULL;
    gate_join(gate);
    gate_leave(gate);
    gate_release(gate, 0); /* and with it the rest; the sanitizer would see it */
}
END_TEST

/* ---- threads ---- */

#define THREADS 4
#define ROUNDS 3000

static atomic_int probes;
static atomic_int slots_below;

static void *hammer(void *opaque)
{
    unsigned *number = opaque;
    char own[32];
    snprintf(own, sizeof own, "http://t%u:80", *number % 2);
    for (int i = 0; i < ROUNDS; i++) {
        struct gate *gate = gates_get(gates, A, 1000);
        struct gate *mine = gates_get(gates, own, 1000);
        gate_join(gate);
        slots_below += gate_reserve(gate, GATE_KICKOFFS, 1000) < 2000;
        gate_failed(gate, 1000);
        gate_failed(mine, 1000);
        gate_failed(mine, 1000);
        gate_answered(mine, 1000);
        probes += gate_ask(gate, 1000 + PROBE_MS) == GATE_PROBE;
        struct gate *again = gate_hold(mine);
        gate_release(mine, 1000);
        gate_release(again, 1000);
        gate_leave(gate);
        gate_release(gate, 1000);
    }
    return NULL;
}

START_TEST(threads_share_rates_probes_and_counts)
{
    pthread_t thread[THREADS];
    unsigned number[THREADS];
    make_gates(1000, 0);
    struct gate *kept = gates_get(gates, A, 1000);
    go_wrong(kept, FAILURES, 1000);
    probes = 0;
    slots_below = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        number[i] = i;
        ck_assert_int_eq(pthread_create(&thread[i], NULL, hammer, &number[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    ck_assert_int_eq(probes, 1);
    ck_assert_int_eq(slots_below, 1000 + GATE_LATE_MS); /* from 980 on, one each millisecond */
    ck_assert_uint_eq(gate_crowd(kept), 0);
    gate_release(kept, 1000);
    ck_assert_uint_eq(gates_count(gates), 1);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("gate");
    TCase *tc = tcase_create("gate");
    tcase_add_checked_fixture(tc, be_quiet, teardown);
    tcase_add_test(tc, without_a_rate_everybody_goes_at_once);
    tcase_add_loop_test(tc, each_slot_is_behind_the_one_before, 0, sizeof slots / sizeof slots[0]);
    tcase_add_test(tc, kickoffs_and_requests_have_rates_of_their_own);
    tcase_add_test(tc, a_slot_that_is_given_back_is_another_s);
    tcase_add_test(tc, it_opens_at_so_many_failures_in_a_row);
    tcase_add_test(tc, while_it_is_open_one_goes_in_five_seconds);
    tcase_add_test(tc, any_answer_closes_it);
    tcase_add_test(tc, a_probe_that_did_not_go_is_another_s);
    tcase_add_loop_test(tc, who_waits_looks_again_soon_or_at_the_probe_s_time, 0, sizeof looks / sizeof looks[0]);
    tcase_add_test(tc, without_a_breaker_failures_are_nothing);
    tcase_add_test(tc, progress_is_an_answer_or_a_kickoff_that_went);
    tcase_add_test(tc, who_joins_is_counted_until_it_leaves);
    tcase_add_test(tc, one_key_is_one_gate);
    tcase_add_test(tc, a_walk_sees_each_gate_once);
    tcase_add_test(tc, what_there_is_to_remember_is_kept_for_a_while);
    tcase_add_test(tc, of_many_that_nobody_holds_the_oldest_go_first);
    tcase_add_test(tc, a_gate_may_be_released_after_the_others_are_gone);
    tcase_add_test(tc, threads_share_rates_probes_and_counts);
    suite_add_tcase(suite, tc);
    return suite;
}
