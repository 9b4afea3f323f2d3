/* A question, as memory fails anywhere on its way: it is told once, in order, and says so where rows may be missing. */
#include "engine/awake.h"
#include "engine/query_part.h"
#include "support/check_main.h"
#include "support/scarce.h"

#include <string.h>

#define RUNS 80

static struct run runs[RUNS];
static struct awake awakes[RUNS];
static int times;
static size_t n_told;
static size_t n_matching;
static bool is_complete;

static void describe(struct run *run, struct query_row *row, void *opaque)
{
    (void)opaque;
    row->key.topic = "in";
    row->key.offset = run - runs;
}

static const struct pool_hooks hooks = {.describe = describe};

static void on_told(void *opaque)
{
    (void)opaque;
    times++;
}

static void read_answer(struct query *query)
{
    struct query_answer answer;
    query_read(query, &answer);
    n_told = answer.n;
    n_matching = answer.matching;
    is_complete = answer.complete;
    const struct query_row *rows = answer.rows;
    for (size_t i = 0; i < answer.n; i++) {
        scarce_must(rows[i].key.started_at_ms == rows[i].key.offset);
        scarce_must(strcmp(rows[i].key.topic, "in") == 0);
        scarce_must(strlen(rows[i].state) > 0);
        scarce_must(i == 0 || rows[i].key.offset > rows[i - 1].key.offset);
    }
}

static void ask(long n, long failures)
{
    static char states[RUNS][RUNS + 1];
    struct query_filter filter = {.phase = -1, .started_before_ms = INT64_MAX, .limit = 20, .has_after = true};
    filter.after = (struct query_key){.started_at_ms = -1, .topic = "in"};
    for (int i = 0; i < RUNS; i++) {
        run_init(&runs[i]);
        awakes[i] = (struct awake){.run = &runs[i]};
        runs[i].awake = &awakes[i];
        memset(states[i], 'x', (size_t)(RUNS - i)); /* each that is visited needs more room than the one before */
        runs[i].awake->state = states[i];
        runs[i].phase = METRIC_PHASE_WAIT;
        runs[i].started_at_ms = i;
    }
    times = 0;
    scarce_begin(n, failures);
    struct query *query = query_new(&filter, on_told, NULL);
    if (query != NULL) {
        query_expect(query, 2);
        for (int loop = 0; loop < 2; loop++) {
            struct query_part *part = query_part_new(query);
            for (int i = RUNS - 1; i >= 0 && part != NULL; i--) {
                if (i % 2 == loop) {
                    query_part_visit(part, &runs[i], &hooks, 0, 0);
                }
            }
            if (part != NULL) {
                query_part_end(part, true);
            }
        }
        read_answer(query);
        query_release(query);
    }
    bool has_failed = scarce_end();
    if (query == NULL) {
        ck_assert(has_failed);
        ck_assert_int_eq(times, 0);
        return;
    }
    ck_assert_int_eq(times, 1);
    ck_assert_int_eq(is_complete, !has_failed);
    if (is_complete) {
        ck_assert_uint_eq(n_told, 20);
        ck_assert_uint_eq(n_matching, RUNS);
    }
}

START_TEST(a_question_is_told_once_whatever_memory_there_is)
{
    ck_assert_int_gt(scarce_try(ask), 20);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("scarcity query");
    TCase *tcase = tcase_create("scarcity query");
    tcase_add_test(tcase, a_question_is_told_once_whatever_memory_there_is);
    suite_add_tcase(suite, tcase);
    return suite;
}
