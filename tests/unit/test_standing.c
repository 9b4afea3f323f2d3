#include "core/standing.h"
#include "support/check_main.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seen {
    size_t n;
    int64_t positions;
    char names[256];
};

static void see(const struct standing_partition *partition, void *opaque)
{
    struct seen *seen = opaque;
    char *end = seen->names + strlen(seen->names);
    snprintf(end, sizeof seen->names - (size_t)(end - seen->names), "%s/%d ", partition->topic, (int)partition->partition);
    seen->n++;
    seen->positions += partition->position;
}

START_TEST(knows_nothing_before_it_was_renewed)
{
    struct standing *standing = standing_new();
    struct standing_whole whole;
    struct seen seen = {0};
    memset(&whole, 0xff, sizeof whole);
    standing_read(standing, &whole);
    standing_each(standing, see, &seen);
    ck_assert(!whole.joined);
    ck_assert(!whole.draining);
    ck_assert_int_eq(whole.broker_seen_mono_ms, 0);
    ck_assert_int_eq(whole.turn_mono_ms, 0);
    ck_assert_str_eq(whole.trouble, "");
    ck_assert_uint_eq(seen.n, 0);
    standing_free(standing);
    standing_free(NULL);
}
END_TEST

START_TEST(keeps_what_it_was_told_though_the_teller_forgets_it)
{
    struct standing *standing = standing_new();
    char *topic = strdup("first");
    char *other = strdup("the-second-of-the-topics");
    struct standing_partition *partitions = calloc(3, sizeof *partitions);
    partitions[0] = (struct standing_partition){.topic = topic, .partition = 0, .position = 100};
    partitions[1] = (struct standing_partition){.topic = topic, .partition = 7, .position = 20};
    partitions[2] = (struct standing_partition){.topic = other, .partition = 1, .position = 3};
    struct standing_whole whole = {.joined = true, .in_flight = 9, .broker_seen_mono_ms = 44, .trouble = "the broker is away"};
    standing_renew(standing, &whole, partitions, 3);
    memset(topic, 'x', strlen(topic));
    memset(other, 'x', strlen(other));
    memset(partitions, 0xff, 3 * sizeof *partitions);
    free(topic);
    free(other);
    free(partitions);

    struct seen seen = {0};
    standing_each(standing, see, &seen);
    ck_assert_str_eq(seen.names, "first/0 first/7 the-second-of-the-topics/1 ");
    ck_assert_int_eq(seen.positions, 123);
    memset(&whole, 0, sizeof whole);
    standing_read(standing, &whole);
    ck_assert(whole.joined);
    ck_assert_uint_eq(whole.in_flight, 9);
    ck_assert_int_eq(whole.broker_seen_mono_ms, 44);
    ck_assert_str_eq(whole.trouble, "the broker is away");

    const struct standing_whole left = {.draining = true};
    standing_renew(standing, &left, NULL, 0);
    memset(&seen, 0, sizeof seen);
    standing_each(standing, see, &seen);
    standing_read(standing, &whole);
    ck_assert_uint_eq(seen.n, 0);
    ck_assert(whole.draining);
    ck_assert(!whole.joined);
    standing_free(standing);
}
END_TEST

START_TEST(beats_without_being_renewed)
{
    struct standing *standing = standing_new();
    struct standing_whole whole = {.turn_mono_ms = 1};
    standing_beat(standing, 1000);
    standing_renew(standing, &whole, NULL, 0);
    standing_read(standing, &whole);
    ck_assert_int_eq(whole.turn_mono_ms, 1000);
    standing_beat(standing, 2000);
    standing_read(standing, &whole);
    ck_assert_int_eq(whole.turn_mono_ms, 2000);
    standing_free(standing);
}
END_TEST

START_TEST(wants_cells_for_five_seconds_after_it_was_asked_for_them)
{
    struct standing *standing = standing_new();
    ck_assert(!standing_wants_cells(standing, 1000));
    standing_want_cells(standing, 1000);
    ck_assert(standing_wants_cells(standing, 1000));
    ck_assert(standing_wants_cells(standing, 5999));
    ck_assert(!standing_wants_cells(standing, 6000));
    standing_want_cells(standing, 7000);
    ck_assert(standing_wants_cells(standing, 8000));
    standing_free(standing);
}
END_TEST

static void renew_within(const struct standing_partition *partition, void *opaque)
{
    struct standing *standing = opaque;
    const struct standing_whole whole = {0};
    standing_renew(standing, &whole, NULL, 0);
    ck_assert_str_eq(partition->topic, "inputs");
    ck_assert_int_eq(partition->position, 5);
}

START_TEST(is_renewed_while_somebody_walks_it)
{
    struct standing *standing = standing_new();
    const struct standing_whole whole = {0};
    const struct standing_partition partitions[2] = {{.topic = "inputs", .position = 5}, {.topic = "inputs", .position = 5}};
    standing_renew(standing, &whole, partitions, 2);
    standing_each(standing, renew_within, standing);
    struct seen seen = {0};
    standing_each(standing, see, &seen);
    ck_assert_uint_eq(seen.n, 0);
    standing_free(standing);
}
END_TEST

struct readers {
    struct standing *standing;
    atomic_bool over;
    atomic_uint rounds;
    atomic_bool torn;
};

static void check_same(const struct standing_partition *partition, void *opaque)
{
    struct readers *readers = opaque;
    if (partition->committed != partition->position || strcmp(partition->topic, "inputs") != 0)
        atomic_store(&readers->torn, true);
}

static void *read_over_and_over(void *opaque)
{
    struct readers *readers = opaque;
    struct standing_whole whole;
    while (!atomic_load(&readers->over)) {
        standing_each(readers->standing, check_same, readers);
        standing_read(readers->standing, &whole);
        if (whole.in_flight != whole.in_flight_bytes)
            atomic_store(&readers->torn, true);
        standing_want_cells(readers->standing, 1000);
        atomic_fetch_add(&readers->rounds, 1);
    }
    return NULL;
}

START_TEST(shows_several_readers_one_renewal_at_a_time)
{
    struct readers readers = {.standing = standing_new()};
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_over_and_over, &readers), 0);
    for (int64_t round = 0; round < 2000 || atomic_load(&readers.rounds) < 100; round++) {
        const struct standing_whole whole = {.in_flight = (size_t)round, .in_flight_bytes = (size_t)round};
        const struct standing_partition partitions[2] = {{.topic = "inputs", .committed = round, .position = round},
                                                         {.topic = "inputs", .committed = -round, .position = -round}};
        standing_renew(readers.standing, &whole, partitions, (size_t)round % 3);
        standing_beat(readers.standing, round);
        standing_wants_cells(readers.standing, round);
    }
    atomic_store(&readers.over, true);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert(!atomic_load(&readers.torn));
    standing_free(readers.standing);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("standing");
    TCase *tcase = tcase_create("standing");
    tcase_add_test(tcase, knows_nothing_before_it_was_renewed);
    tcase_add_test(tcase, keeps_what_it_was_told_though_the_teller_forgets_it);
    tcase_add_test(tcase, beats_without_being_renewed);
    tcase_add_test(tcase, wants_cells_for_five_seconds_after_it_was_asked_for_them);
    tcase_add_test(tcase, is_renewed_while_somebody_walks_it);
    tcase_add_test(tcase, shows_several_readers_one_renewal_at_a_time);
    suite_add_tcase(suite, tcase);
    return suite;
}
