#include "support/check_main.h"

#include "core/lanes.h"
#include "support/job_stage.h"

#include <stdlib.h>
#include <string.h>

#define JOBS 4096

static struct assignment one = {.topic = "in", .partition = 1};
static struct assignment two = {.topic = "in", .partition = 2};

static struct job *jobs[JOBS];

static struct job *make_job_of(size_t i, struct assignment *assignment, const void *key, size_t key_bytes)
{
    struct job *job = jobs[i] = calloc(1, job_bytes(0, key_bytes + 2));
    list_init(&job->run.node);
    job->ref = (struct ref){assignment, (int64_t)i};
    stage_envelope(job, key, key_bytes, NULL);
    return job;
}

static struct job *make_job(size_t i, struct assignment *assignment, const char *key)
{
    return make_job_of(i, assignment, key, key != NULL ? strlen(key) : 0);
}

static void drop_job(size_t i)
{
    free(jobs[i]);
    jobs[i] = NULL;
}

static void setup(void)
{
    memset(jobs, 0, sizeof jobs);
}

static void teardown(void)
{
    for (size_t i = 0; i < JOBS; i++)
        drop_job(i);
}

START_TEST(jobs_of_a_key_go_one_at_a_time_in_their_order)
{
    struct lanes *lanes = lanes_new(LANES_KEY);
    ck_assert_int_eq(lanes_enter(lanes, make_job(0, &one, "k")), LANES_GO);
    for (size_t i = 1; i < 5; i++) {
        ck_assert_int_eq(lanes_enter(lanes, make_job(i, &one, "k")), LANES_WAIT);
    }
    ck_assert_uint_eq(lanes_waiting(lanes), 4);
    for (size_t i = 0; i < 4; i++) {
        struct job *next = lanes_leave(lanes, jobs[i]);
        ck_assert_ptr_eq(next, jobs[i + 1]);
        ck_assert(list_is_empty(&next->run.node)); /* free for other lists */
        drop_job(i); /* and its key: the lane is the next one's now */
        ck_assert_uint_eq(lanes_waiting(lanes), 3 - i);
    }
    ck_assert_int_eq(lanes_enter(lanes, make_job(5, &one, "k")), LANES_WAIT);
    ck_assert_ptr_eq(lanes_leave(lanes, jobs[4]), jobs[5]);
    ck_assert_ptr_null(lanes_leave(lanes, jobs[5]));
    ck_assert_int_eq(lanes_enter(lanes, make_job(6, &one, "k")), LANES_GO); /* the lane had gone */
    lanes_free(lanes);
}
END_TEST

static const struct {
    enum lanes_mode mode;
    enum lanes_entry entry; /* behind a job of partition one with the key "k" */
    struct assignment *assignment;
    const char *key;
} beside[] = {
    {LANES_KEY, LANES_WAIT, &one, "k"},       {LANES_KEY, LANES_GO, &one, "l"},  {LANES_KEY, LANES_GO, &one, "kk"},
    {LANES_KEY, LANES_GO, &one, ""},          {LANES_KEY, LANES_GO, &one, NULL}, {LANES_KEY, LANES_GO, &two, "k"},
    {LANES_PARTITION, LANES_WAIT, &one, "l"}, {LANES_PARTITION, LANES_WAIT, &one, NULL},
    {LANES_PARTITION, LANES_GO, &two, "k"},   {LANES_NONE, LANES_GO, &one, "k"},
};

START_TEST(only_those_of_its_own_lane_wait_for_a_job)
{
    struct lanes *lanes = lanes_new(beside[_i].mode);
    ck_assert_int_eq(lanes_enter(lanes, make_job(0, &one, "k")), LANES_GO);
    ck_assert_int_eq(lanes_enter(lanes, make_job(1, beside[_i].assignment, beside[_i].key)), beside[_i].entry);
    struct job *next = lanes_leave(lanes, jobs[0]);
    ck_assert_ptr_eq(next, beside[_i].entry == LANES_WAIT ? jobs[1] : NULL);
    ck_assert_ptr_null(lanes_leave(lanes, jobs[1]));
    lanes_free(lanes);
}
END_TEST

START_TEST(jobs_without_a_key_do_not_wait_and_empty_keys_do)
{
    struct lanes *lanes = lanes_new(LANES_KEY);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(lanes_enter(lanes, make_job(i, &one, NULL)), LANES_GO);
    }
    ck_assert_int_eq(lanes_enter(lanes, make_job(3, &one, "")), LANES_GO);
    ck_assert_int_eq(lanes_enter(lanes, make_job(4, &one, "")), LANES_WAIT);
    ck_assert_ptr_null(lanes_leave(lanes, jobs[0]));
    ck_assert_ptr_eq(lanes_leave(lanes, jobs[3]), jobs[4]);
    lanes_free(lanes);
}
END_TEST

START_TEST(keys_are_bytes)
{
    struct lanes *lanes = lanes_new(LANES_KEY);
    static const char *const keys[] = {"a\0b", "a\0c", "a\0b"};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(lanes_enter(lanes, make_job_of(i, &one, keys[i], 3)), i < 2 ? LANES_GO : LANES_WAIT);
    }
    ck_assert_ptr_eq(lanes_leave(lanes, jobs[0]), jobs[2]);
    lanes_free(lanes);
}
END_TEST

struct dropped {
    struct job *job[JOBS];
    size_t n;
};

static void on_dropped(struct job *job, void *opaque)
{
    struct dropped *dropped = opaque;
    ck_assert(list_is_empty(&job->run.node));
    dropped->job[dropped->n++] = job;
}

START_TEST(those_that_wait_come_back_when_their_assignment_leaves)
{
    static struct dropped dropped;
    dropped.n = 0;
    struct lanes *lanes = lanes_new(LANES_KEY);
    lanes_enter(lanes, make_job(0, &one, "k"));
    lanes_enter(lanes, make_job(1, &two, "k"));
    lanes_enter(lanes, make_job(2, &one, "l"));
    for (size_t i = 3; i < 9; i++) {
        lanes_enter(lanes, make_job(i, i % 2 == 0 ? &two : &one, "k"));
    }
    ck_assert_uint_eq(lanes_waiting_of(lanes, &one), 3);
    ck_assert_uint_eq(lanes_waiting_of(lanes, &two), 3);
    lanes_drop(lanes, &one, on_dropped, &dropped);
    ck_assert_uint_eq(dropped.n, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_ptr_eq(dropped.job[i], jobs[3 + 2 * i]);
        ck_assert_ptr_null(lanes_leave(lanes, dropped.job[i])); /* it holds no lane: harmless */
    }
    ck_assert_uint_eq(lanes_waiting_of(lanes, &one), 0);
    ck_assert_uint_eq(lanes_waiting(lanes), 3);
    lanes_drop(lanes, &one, on_dropped, &dropped);
    ck_assert_uint_eq(dropped.n, 3);
    ck_assert_ptr_null(lanes_leave(lanes, jobs[0]));
    ck_assert_ptr_null(lanes_leave(lanes, jobs[2]));
    lanes_drop(lanes, &one, on_dropped, &dropped); /* unknown by now */
    ck_assert_ptr_eq(lanes_leave(lanes, jobs[1]), jobs[4]);
    lanes_drop(lanes, NULL, on_dropped, &dropped);
    ck_assert_uint_eq(dropped.n, 5);
    ck_assert_uint_eq(lanes_waiting(lanes), 0);
    lanes_free(lanes);
}
END_TEST

/* Against a plain account of who goes and who waits. */
START_TEST(a_long_random_course_keeps_every_lane_in_order)
{
    enum { LANES = 600, STEPS = 20000 };
    static struct job *holder[LANES];
    static size_t head[LANES], tail[LANES];
    static struct job *queue[LANES][STEPS / LANES * 4];
    struct lanes *lanes = lanes_new(LANES_KEY);
    size_t made = 0, waiting[2] = {0, 0};
    memset(holder, 0, sizeof holder);
    memset(head, 0, sizeof head);
    memset(tail, 0, sizeof tail);
    srand(7);
    for (int step = 0; step < STEPS; step++) {
        size_t lane = (size_t)rand() % LANES;
        if (made < JOBS && rand() % 5 < 3) {
            char key[8];
            snprintf(key, sizeof key, "k%zu", lane / 2);
            struct job *job = make_job(made++, lane % 2 == 0 ? &one : &two, key);
            enum lanes_entry entry = lanes_enter(lanes, job);
            ck_assert_int_eq(entry, holder[lane] == NULL ? LANES_GO : LANES_WAIT);
            if (entry == LANES_GO) {
                holder[lane] = job;
            } else {
                queue[lane][tail[lane]++] = job;
                waiting[lane % 2]++;
            }
        } else if (holder[lane] != NULL) {
            struct job *next = head[lane] < tail[lane] ? queue[lane][head[lane]++] : NULL;
            waiting[lane % 2] -= next != NULL;
            ck_assert_ptr_eq(lanes_leave(lanes, holder[lane]), next);
            holder[lane] = next;
        }
        ck_assert_uint_eq(lanes_waiting(lanes), waiting[0] + waiting[1]);
        ck_assert_uint_eq(lanes_waiting_of(lanes, &one), waiting[0]);
        ck_assert_uint_eq(lanes_waiting_of(lanes, &two), waiting[1]);
    }
    ck_assert_uint_eq(made, JOBS);
    static struct dropped dropped;
    dropped.n = 0;
    lanes_drop(lanes, NULL, on_dropped, &dropped);
    ck_assert_uint_eq(dropped.n, waiting[0] + waiting[1]);
    lanes_free(lanes); /* with lanes that are held: their jobs go elsewhere */
}
END_TEST

START_TEST(many_partitions_each_have_their_lane)
{
    enum { PARTITIONS = 1000 };
    static struct assignment many[PARTITIONS];
    struct lanes *lanes = lanes_new(LANES_PARTITION);
    for (size_t i = 0; i < PARTITIONS; i++) {
        ck_assert_int_eq(lanes_enter(lanes, make_job(i, &many[i], NULL)), LANES_GO);
    }
    for (size_t i = 0; i < PARTITIONS; i++) {
        ck_assert_int_eq(lanes_enter(lanes, make_job(PARTITIONS + i, &many[i], NULL)), LANES_WAIT);
        ck_assert_uint_eq(lanes_waiting_of(lanes, &many[i]), 1);
    }
    for (size_t i = 0; i < PARTITIONS; i++) {
        ck_assert_ptr_eq(lanes_leave(lanes, jobs[i]), jobs[PARTITIONS + i]);
        ck_assert_ptr_null(lanes_leave(lanes, jobs[PARTITIONS + i]));
        ck_assert_uint_eq(lanes_waiting_of(lanes, &many[i]), 0);
    }
    lanes_free(lanes);
    lanes_free(NULL);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("lanes");
    TCase *tcase = tcase_create("lanes");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, jobs_of_a_key_go_one_at_a_time_in_their_order);
    tcase_add_loop_test(tcase, only_those_of_its_own_lane_wait_for_a_job, 0, (int)(sizeof beside / sizeof beside[0]));
    tcase_add_test(tcase, jobs_without_a_key_do_not_wait_and_empty_keys_do);
    tcase_add_test(tcase, keys_are_bytes);
    tcase_add_test(tcase, those_that_wait_come_back_when_their_assignment_leaves);
    tcase_add_test(tcase, a_long_random_course_keeps_every_lane_in_order);
    tcase_add_test(tcase, many_partitions_each_have_their_lane);
    suite_add_tcase(suite, tcase);
    return suite;
}
