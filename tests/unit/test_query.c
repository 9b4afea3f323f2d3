#include "base/clock.h"
#include "engine/awake.h"
#include "engine/query_part.h"
#include "support/check_main.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(rows) (int)(sizeof(rows) / sizeof((rows)[0]))
#define RUNS 3000

/* ---- runs, and what their owner says of them ---- */

static struct run runs[RUNS];
static struct awake awakes[RUNS];
static struct query_key keys[RUNS];

static void describe(struct run *run, struct query_row *row, void *opaque)
{
    const struct query_key *key = &keys[run - runs];
    (void)opaque;
    row->key.topic = key->topic;
    row->key.partition = key->partition;
    row->key.offset = key->offset;
}

static const struct pool_hooks hooks = {.describe = describe};

static void set(int i, int64_t started_at_ms, const char *topic, int32_t partition, int64_t offset)
{
    run_init(&runs[i]);
    awakes[i] = (struct awake){.run = &runs[i]};
    runs[i].awake = &awakes[i];
    runs[i].phase = METRIC_PHASE_QUEUED;
    runs[i].started_at_ms = started_at_ms;
    keys[i] = (struct query_key){.topic = topic, .partition = partition, .offset = offset};
}

static void visit(struct query_part *part, int i)
{
    query_part_visit(part, &runs[i], &hooks, 0, 0);
}

/* ---- what is told ---- */

struct told {
    int times;
    size_t n;
    size_t matching;
    bool complete;
    int64_t offset[QUERY_LIMIT_MAX];
    char url[QUERY_TEXT_MAX_BYTES + 1];
    char state[2 * QUERY_TEXT_MAX_BYTES];
};

static struct told told;
static struct query *asked;

/* It may be read here already, though a loop shouldn't. */
static void on_told(void *opaque)
{
    struct query_answer answer;
    (void)opaque;
    query_read(asked, &answer);
    const struct query_row *rows = answer.rows;
    size_t n = answer.n;
    told.times++;
    told.n = n;
    told.matching = answer.matching;
    told.complete = answer.complete;
    for (size_t i = 0; i < n; i++) {
        told.offset[i] = rows[i].key.offset;
    }
    snprintf(told.url, sizeof told.url, "%s", n > 0 && rows[0].url != NULL ? rows[0].url : "none");
    snprintf(told.state, sizeof told.state, "%s", n > 0 && rows[0].state != NULL ? rows[0].state : "none");
}

static struct query *put(size_t limit, size_t n_parts, struct query_part **parts)
{
    const struct query_filter filter = {.phase = -1, .started_before_ms = INT64_MAX, .limit = limit};
    told.times = 0;
    struct query *query = query_new(&filter, on_told, NULL);
    asked = query;
    query_expect(query, n_parts);
    for (size_t i = 0; i < n_parts; i++) {
        parts[i] = query_part_new(query);
    }
    return query;
}

/* ---- tests ---- */

START_TEST(the_last_part_merges_all_in_order)
{
    struct query_part *part[3];
    for (int i = 0; i < 30; i++) {
        set(i, 1000 - i / 3, "in", i % 3, i);
    }
    struct query *query = put(30, 3, part);
    query_release(query); /* the parts hold it */
    for (int i = 0; i < 30; i++) {
        visit(part[i % 3], i);
    }
    query_part_end(part[1], true);
    query_part_end(part[0], true);
    ck_assert_int_eq(told.times, 0);
    query_part_end(part[2], true);
    ck_assert_int_eq(told.times, 1);
    ck_assert(told.complete);
    ck_assert_uint_eq(told.n, 30);
    ck_assert_uint_eq(told.matching, 30);
    for (int i = 0; i < 30; i++) {
        ck_assert_int_eq(told.offset[i], 27 - i / 3 * 3 + i % 3);
    }
}
END_TEST

/* Topic, then partition, then offset, where they are as old. */
START_TEST(rows_that_are_as_old_have_an_order_too)
{
    static const struct {
        const char *topic;
        int partition;
        int offset;
    } rows[] = {{"b", 0, 0}, {"a", 1, 2}, {"a", 1, 1}, {"a", 0, 3}};
    static const int64_t order[] = {3, 1, 2, 0};
    struct query_part *part;
    struct query *query = put(10, 1, &part);
    for (int i = 0; i < COUNT(rows); i++) {
        set(i, 5, rows[i].topic, rows[i].partition, rows[i].offset);
        visit(part, i);
    }
    query_part_end(part, true);
    query_release(query);
    for (int i = 0; i < COUNT(rows); i++) {
        ck_assert_int_eq(told.offset[i], order[i]);
    }
}
END_TEST

START_TEST(an_input_that_two_loops_have_is_told_once)
{
    struct query_part *part[2];
    struct query *query = put(2, 2, part);
    set(0, 10, "in", 0, 7);
    set(1, 11, "in", 0, 7);
    set(2, 12, "in", 0, 8);
    set(3, 13, "in", 1, 7);
    visit(part[0], 0);
    visit(part[1], 1);
    visit(part[1], 2);
    visit(part[0], 3);
    query_part_end(part[0], true);
    query_part_end(part[1], true);
    query_release(query);
    ck_assert_uint_eq(told.n, 2);
    ck_assert_int_eq(told.offset[0], 7);
    ck_assert_int_eq(told.offset[1], 8);
    ck_assert_uint_eq(told.matching, 3);
}
END_TEST

START_TEST(each_loop_keeps_the_lowest_alone)
{
    struct query_part *part[2];
    struct query *query = put(QUERY_LIMIT_MAX, 2, part);
    for (int i = 0; i < RUNS; i++) {
        set(i, (int64_t)i * 7919 % RUNS, "in", 0, (int64_t)i * 7919 % RUNS);
        visit(part[i % 2], i);
    }
    ck_assert_uint_le(part[0]->n, QUERY_LIMIT_MAX);
    query_part_end(part[0], true);
    query_part_end(part[1], true);
    query_release(query);
    ck_assert_uint_eq(told.n, QUERY_LIMIT_MAX);
    ck_assert_uint_eq(told.matching, RUNS);
    for (int i = 0; i < QUERY_LIMIT_MAX; i++) {
        ck_assert_int_eq(told.offset[i], i);
    }
}
END_TEST

/* Whatever order they come in, and where many are as old. */
START_TEST(the_lowest_are_kept_though_those_rejected_are_hardly_looked_at)
{
    struct query_part *part;
    struct query *query = put(7, 1, &part);
    for (int i = 0; i < RUNS; i++) {
        int place = _i == 0 ? i : _i == 1 ? RUNS - 1 - i : i * 7919 % RUNS;
        set(i, place / 5, "in", 0, place);
        visit(part, i);
    }
    query_part_end(part, true);
    query_release(query);
    ck_assert_uint_eq(told.n, 7);
    ck_assert_uint_eq(told.matching, RUNS);
    for (int i = 0; i < 7; i++) {
        ck_assert_int_eq(told.offset[i], i);
    }
}
END_TEST

static size_t n_described;

static void describe_and_count(struct run *run, struct query_row *row, void *opaque)
{
    n_described++;
    describe(run, row, opaque);
}

/* What is farther away in memory than the run itself costs the most. */
START_TEST(owners_are_asked_about_none_that_can_not_be_shown)
{
    static const struct pool_hooks counting = {.describe = describe_and_count};
    struct query_part *part;
    struct query *query = put(10, 1, &part);
    n_described = 0;
    for (int i = 0; i < RUNS; i++) {
        set(i, i, "in", 0, i);
        query_part_visit(part, &runs[i], &counting, 0, 0);
    }
    query_part_end(part, true);
    query_release(query);
    ck_assert_uint_eq(n_described, 10);
    ck_assert_uint_eq(told.matching, RUNS);
}
END_TEST

START_TEST(pages_meet_without_a_gap_or_a_double)
{
    int seen[RUNS] = {0};
    struct query_filter filter = {.phase = -1, .started_before_ms = INT64_MAX, .limit = 100};
    for (int i = 0; i < RUNS; i++) {
        set(i, i * 7919 % RUNS / 30, "in", i % 3, i);
    }
    for (int page = 0; page < RUNS / 100; page++) {
        struct query *query = asked = query_new(&filter, on_told, NULL);
        query_expect(query, 1);
        struct query_part *part = query_part_new(query);
        for (int i = 0; i < RUNS; i++) {
            visit(part, i);
        }
        query_part_end(part, true);
        ck_assert_uint_eq(told.n, 100);
        ck_assert_uint_eq(told.matching, RUNS - 100 * page);
        for (size_t i = 0; i < told.n; i++) {
            seen[told.offset[i]]++;
        }
        filter.has_after = true;
        filter.after = keys[told.offset[99]];
        filter.after.started_at_ms = runs[told.offset[99]].started_at_ms;
        query_release(query);
    }
    for (int i = 0; i < RUNS; i++) {
        ck_assert_int_eq(seen[i], 1);
    }
}
END_TEST

START_TEST(an_answer_outlives_the_runs_until_it_is_let_go)
{
    char state[] = "running";
    struct query_part *part;
    struct query *query = put(1, 1, &part);
    set(0, 10, "in", 0, 7);
    runs[0].awake->state = state;
    visit(part, 0);
    query_part_end(part, true);
    memset(&runs[0], 0xff, sizeof runs[0]);
    memset(state, 'x', sizeof state - 1);
    for (int i = 0; i < 2; i++) { /* it may be read again */
        struct query_answer answer;
        query_read(query, &answer);
        ck_assert_uint_eq(answer.n, 1);
        ck_assert_uint_eq(answer.matching, 1);
        ck_assert_str_eq(answer.rows[0].state, "running");
        ck_assert_str_eq(answer.rows[0].key.topic, "in");
    }
    query_release(query);
}
END_TEST

START_TEST(the_dearest_of_the_walks_is_told)
{
    struct query_part *part[3];
    struct query_answer answer;
    struct query *query = put(1, 3, part);
    for (int i = 0; i < 3; i++) {
        part[i]->cpu_us = i == 1 ? 70 : 5;
        query_part_end(part[i], true);
    }
    query_read(query, &answer);
    ck_assert_int_eq(answer.cpu_us, 70);
    query_release(query);
}
END_TEST

START_TEST(without_one_loop_it_is_not_complete)
{
    struct query_part *part[2];
    struct query *query = put(10, 2, part);
    set(0, 10, "in", 0, 7);
    set(1, 10, "in", 0, 8);
    visit(part[0], 0);
    visit(part[1], 1);
    query_part_end(part[1 - _i], _i != 0);
    query_part_end(part[_i], _i == 0);
    query_release(query);
    ck_assert_int_eq(told.times, 1);
    ck_assert(!told.complete);
    ck_assert_uint_eq(told.n, 1);
    ck_assert_int_eq(told.offset[0], 7);
}
END_TEST

START_TEST(one_given_up_tells_what_is_there)
{
    struct query_part *part[2];
    struct query *query = put(10, 2, part);
    set(0, 10, "in", 0, 7);
    visit(part[0], 0);
    query_part_end(part[0], true);
    ck_assert(query_part_is_wanted(part[1]));
    query_give_up(query);
    ck_assert_int_eq(told.times, 1);
    ck_assert(!told.complete);
    ck_assert_uint_eq(told.n, 1);
    ck_assert(!query_part_is_wanted(part[1]));
    query_release(query);
    query_part_end(part[1], true);
    ck_assert_int_eq(told.times, 1);
}
END_TEST

static const struct {
    const char *url;
    const char *shown;
} urls[] = {
    {"https://api.example:8443/v1/runs?key=abc#x", "https://api.example:8443"},
    {"http://b", "http://b"},
    {"http://b?key=abc", "http://b"},
    {"http://me:word@b.example/runs", "http://b.example"},
    {"http://me:w@rd@b.example/a@b", "http://b.example"},
    {"http://[::1]:80/x", "http://[::1]:80"},
};

START_TEST(of_a_url_the_origin_is_shown)
{
    struct query_part *part;
    struct rxp_http_plan plan = {.kickoff = {.url = (char *)(uintptr_t)urls[_i].url}};
    struct query *query = put(1, 1, &part);
    set(0, 10, "in", 0, 7);
    runs[0].awake->plan = &plan;
    visit(part, 0);
    query_part_end(part, true);
    query_release(query);
    ck_assert_str_eq(told.url, urls[_i].shown);
}
END_TEST

START_TEST(long_texts_are_cut_between_characters)
{
    char state[2 * QUERY_TEXT_MAX_BYTES] = "x";
    for (size_t i = 1; i + 3 <= sizeof state; i += 2) {
        memcpy(state + i, "\xc3\xa4", 3);
    }
    struct query_part *part;
    struct query *query = put(1, 1, &part);
    set(0, 10, "in", 0, 7);
    runs[0].awake->state = state;
    visit(part, 0);
    query_part_end(part, true);
    query_release(query);
    ck_assert_uint_eq(strlen(told.state), QUERY_TEXT_MAX_BYTES - 1);
    ck_assert_int_eq(strncmp(told.state, state, strlen(told.state)), 0);
}
END_TEST

/* ---- threads ---- */

#define LOOPS 4
#define ROUNDS 300

struct loop {
    pthread_t thread;
    struct query_part *part;
    int first;
};

static void *answer(void *opaque)
{
    struct loop *loop = opaque;
    for (int i = loop->first; i < RUNS && query_part_is_wanted(loop->part); i += LOOPS) {
        visit(loop->part, i);
    }
    query_part_end(loop->part, true);
    return NULL;
}

START_TEST(loops_and_who_gives_up_may_end_it_together)
{
    for (int i = 0; i < RUNS; i++) {
        set(i, i, "in", 0, i);
    }
    for (int round = 0; round < ROUNDS; round++) {
        struct query_part *part[LOOPS];
        struct loop loop[LOOPS];
        struct query *query = put(5, LOOPS, part);
        for (int i = 0; i < LOOPS; i++) {
            loop[i] = (struct loop){.part = part[i], .first = i};
            ck_assert_int_eq(pthread_create(&loop[i].thread, NULL, answer, &loop[i]), 0);
        }
        if (round % 2 == 0) {
            query_give_up(query);
            ck_assert_int_eq(told.times, 1); /* it has returned, whoever called it */
        }
        query_release(query);
        for (int i = 0; i < LOOPS; i++) {
            pthread_join(loop[i].thread, NULL);
        }
        ck_assert_int_eq(told.times, 1);
        if (round % 2 == 1) {
            ck_assert(told.complete);
            ck_assert_uint_eq(told.n, 5);
            ck_assert_int_eq(told.offset[4], 4);
        }
    }
}
END_TEST

/* ---- who gives up while it is told ---- */

static atomic_bool is_telling;
static atomic_bool is_giving_up;
static atomic_int slowly_told;

static void tell_slowly(void *opaque)
{
    (void)opaque;
    atomic_store(&is_telling, true);
    while (!atomic_load(&is_giving_up)) {
        sched_yield();
    }
    for (int i = 0; i < 1000; i++) {
        sched_yield();
    }
    atomic_fetch_add(&slowly_told, 1);
}

static void *end_part(void *opaque)
{
    query_part_end(opaque, true);
    return NULL;
}

START_TEST(who_gives_up_while_it_is_told_waits_for_that)
{
    const struct query_filter filter = {.phase = -1, .started_before_ms = INT64_MAX, .limit = 1};
    struct query *query = query_new(&filter, tell_slowly, NULL);
    query_expect(query, 1);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, end_part, query_part_new(query)), 0);
    while (!atomic_load(&is_telling)) {
        sched_yield();
    }
    atomic_store(&is_giving_up, true);
    query_give_up(query);
    ck_assert_int_eq(atomic_load(&slowly_told), 1);
    query_release(query);
    pthread_join(thread, NULL);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("query");
    TCase *tcase = tcase_create("query");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, the_last_part_merges_all_in_order);
    tcase_add_test(tcase, rows_that_are_as_old_have_an_order_too);
    tcase_add_test(tcase, an_input_that_two_loops_have_is_told_once);
    tcase_add_test(tcase, each_loop_keeps_the_lowest_alone);
    tcase_add_loop_test(tcase, the_lowest_are_kept_though_those_rejected_are_hardly_looked_at, 0, 3);
    tcase_add_test(tcase, owners_are_asked_about_none_that_can_not_be_shown);
    tcase_add_test(tcase, pages_meet_without_a_gap_or_a_double);
    tcase_add_test(tcase, an_answer_outlives_the_runs_until_it_is_let_go);
    tcase_add_test(tcase, the_dearest_of_the_walks_is_told);
    tcase_add_loop_test(tcase, without_one_loop_it_is_not_complete, 0, 2);
    tcase_add_test(tcase, one_given_up_tells_what_is_there);
    tcase_add_loop_test(tcase, of_a_url_the_origin_is_shown, 0, COUNT(urls));
    tcase_add_test(tcase, long_texts_are_cut_between_characters);
    tcase_add_test(tcase, loops_and_who_gives_up_may_end_it_together);
    tcase_add_test(tcase, who_gives_up_while_it_is_told_waits_for_that);
    suite_add_tcase(suite, tcase);
    return suite;
}
