/* sieve, fit and set_size with a broker that is played here: it gets sets of messages, and refuses those that are too large as a
 * whole. */
#include "support/check_main.h"

#include "core/settle.h"
#include "core/sieve.h"
#include "engine/awake.h"
#include "kafka/set_size.h"
#include "support/job_stage.h"

#include <stdlib.h>
#include <string.h>

#define JOBS 10000
#define PARTITIONS 3
#define SMALL 100 /* of http.result; all else of a result comes to some hundred bytes */

#define INVOCATION                                                                                                     \
    "{\"invocation_id\":\"inv-1\",\"runtime_name\":\"builder\",\"runtime_kind\":\"http_async\","                       \
    "\"working_directory\":\"/\",\"command\":[\"x\"]}"

static struct assignment assignment = {.topic = "in", .partition = 3};
static const struct settle_config config = {.worker_id = "w-1", .results_topic = "results", .dead_letter_topic = "dead",
                                            .batched = true};

struct broker {
    size_t limit; /* of a set */
    const struct job *disliked; /* with http.result; NULL: none */
    struct set_size set_size;
    size_t time; /* for so many answers one after the other; 0: no limit */
    size_t alone;
    bool is_cut;
    size_t in_flight; /* so many sets more are answered before librdkafka hears of a refusal */
    void *set[2 * JOBS];
    size_t set_value_bytes[2 * JOBS];
    int32_t set_partition;
    bool set_is_alone;
    size_t n_set;
    size_t set_bytes;
    void *refused[2 * JOBS];
    size_t n_refused;
    size_t sets;
};

static struct scene {
    struct broker broker;
    struct job jobs[JOBS];
    size_t n;
    struct list batch;
    struct rxp_invocation *invocation;
    struct fit fit;
    size_t told;
} scene;

static void scene_init(size_t limit, size_t set_limit)
{
    struct rxp_refusal why;
    memset(&scene, 0, sizeof scene);
    scene.broker.limit = limit;
    set_size_init(&scene.broker.set_size, set_limit);
    list_init(&scene.batch);
    fit_init(&scene.fit);
    ck_assert_int_eq(rxp_invocation_parse(INVOCATION, strlen(INVOCATION), 1 << 20, &scene.invocation, &why), 0);
}

static struct job *add(size_t result_bytes)
{
    struct job *job = &scene.jobs[scene.n];
    run_init(&job->run);
    ck_assert_ptr_nonnull(awake_new(&job->run));
    job->run.awake->invocation = scene.invocation;
    job->run.awake->outcome = (struct outcome){.status = RXP_STATUS_SUCCEEDED, .has_exit_code = true};
    job->run.awake->result = malloc(result_bytes + 1);
    memset(job->run.awake->result, 'x', result_bytes);
    job->run.awake->result[result_bytes] = '\0';
    job->ref = (struct ref){&assignment, (int64_t)scene.n++};
    job->stage = JOB_READY;
    list_push(&scene.batch, &job->run.node);
    return job;
}

static void scene_deinit(void)
{
    for (size_t i = 0; i < scene.n; i++)
        run_deinit(&scene.jobs[i].run);
    rxp_invocation_free(scene.invocation);
}

/* ---- the broker ---- */

static void flush(struct broker *broker)
{
    broker->sets += broker->n_set > 0;
    bool dislikes = false;
    for (size_t i = 0; i < broker->n_set; i++)
        dislikes = dislikes || (broker->set[i] == broker->disliked && broker->disliked->shed == ANSWER_WHOLE);
    if (broker->set_bytes > broker->limit || dislikes) {
        memcpy(broker->refused + broker->n_refused, broker->set, broker->n_set * sizeof *broker->set);
        broker->n_refused += broker->n_set;
        for (size_t i = 0; i < broker->n_set; i++)
            set_size_note(&broker->set_size, broker, broker->set_partition, broker->set_value_bytes[i], broker->set_is_alone);
    }
    broker->in_flight -= broker->n_refused > 0 && broker->in_flight > 0;
    broker->n_set = 0;
    broker->set_bytes = 0;
}

static enum publisher_send produce(const struct publisher_message *message, void *opaque)
{
    struct broker *broker = opaque;
    bool is_full = broker->n_set > 0 && broker->set_bytes + message->value_bytes > broker->set_size.most_bytes;
    if (message->alone || is_full)
        flush(broker);
    if (broker->n_refused > 0 && (message->alone || broker->in_flight == 0))
        return PUBLISHER_FATAL; /* the transaction has failed */
    if (message->alone && broker->time > 0 && broker->alone++ >= broker->time) {
        broker->is_cut = true;
        return PUBLISHER_FATAL;
    }
    if (broker->n_set == 0)
        broker->set_partition = (broker->set_partition + 1) % PARTITIONS;
    broker->set_is_alone = message->alone;
    broker->set_value_bytes[broker->n_set] = message->value_bytes;
    broker->set[broker->n_set++] = message->opaque;
    broker->set_bytes += message->value_bytes;
    if (message->alone)
        flush(broker);
    rd_kafka_headers_destroy(message->headers);
    return PUBLISHER_SENT;
}

static void tell(const struct job *job, void *opaque)
{
    ck_assert_ptr_eq(opaque, &scene);
    ck_assert_str_ne(settle_describe(job), "");
    scene.told++;
}

/* One transaction. True where it went through. */
static bool round_of(int64_t now_ms, bool too_large)
{
    struct broker *broker = &scene.broker;
    broker->n_set = broker->n_refused = broker->set_bytes = 0;
    broker->in_flight = 5;
    broker->alone = 0;
    broker->is_cut = false;
    fit_turn(&scene.fit, now_ms);
    for (struct list *node = scene.batch.next; node != &scene.batch; node = node->next) {
        struct job *job = list_entry(node, struct job, run.node);
        if (settle_produce(job, &config, &scene.fit, produce, broker) == PUBLISHER_FATAL)
            break;
    }
    flush(broker);
    if (broker->n_refused == 0 && broker->is_cut)
        sieve_cut(&scene.batch, &scene.fit);
    if (broker->n_refused == 0)
        return !broker->is_cut;
    for (size_t i = 0; i < scene.n; i++)
        settle_measure(&scene.jobs[i], &config);
    bool is_parted = set_size_learn(&broker->set_size) && too_large;
    const struct sieve_refusal refusal = {broker->refused, broker->n_refused, too_large, is_parted, now_ms};
    ck_assert_ptr_null(sieve_refused(&scene.batch, &refusal, &scene.fit, tell, &scene));
    return false;
}

/* How many transactions were aborted. */
static size_t commit(int64_t now_ms)
{
    size_t aborted = 0;
    while (!round_of(now_ms, true))
        ck_assert_uint_lt(++aborted, 50);
    fit_note_committed(&scene.fit);
    struct list *node;
    while ((node = list_shift(&scene.batch)) != NULL)
        fit_note_accepted(&scene.fit, list_entry(node, struct job, run.node)->sent_bytes);
    return aborted;
}

/* ---- the tests ---- */

/* What goes together is halved until the topic takes it; and then one refusal is of whatever came first, and one of the smallest
 * that is too large. */
static size_t most_aborted(size_t set_limit, size_t limit)
{
    size_t most = 2;
    for (; set_limit > limit; set_limit /= 2)
        most++;
    return most;
}

static const struct {
    size_t n;
    size_t every; /* so many-th is too large */
    size_t limit;
    size_t set_limit;
    bool known; /* small ones were taken before */
} rows[] = {
    {30, 10, 20000, 100000, false},
    {30, 10, 20000, 100000, true},
    {100, 10, 20000, 1000000, true}, /* the small ones are too large together, too */
    {100, 1, 20000, 1000000, false}, /* the same of what they become */
    {100, 1, 20000, 10000, true},    /* each in a set of its own */
    {1000, 20, 1000000, 900000, true},
    {1000, 10, 20000, 15000, true}, /* up to 16 times as large */
    {JOBS, 10, 20000, 15000, true},
    {JOBS, 10, 20000, 15000, false},
    {JOBS, JOBS, 1000000, 900000, true},
};

START_TEST(however_many_are_too_large_few_transactions_are_aborted)
{
    size_t large = 0;
    unsigned seed = 4711;
    scene_init(rows[_i].limit, rows[_i].set_limit);
    if (rows[_i].known) {
        add(SMALL + 50);
        ck_assert_uint_eq(commit(0), 0);
    }
    size_t first = scene.n;
    while (scene.n < rows[_i].n) {
        seed = seed * 1103515245 + 12345;
        bool is_large = (scene.n + 1) % rows[_i].every == 0;
        large += is_large;
        unsigned times = rows[_i].n == 1000 && rows[_i].limit == 20000 ? (seed >> 20) % 5 : 0;
        add((is_large ? rows[_i].limit << times : SMALL) + (seed >> 16) % SMALL);
    }
    size_t aborted = commit(0);
    ck_assert_msg(aborted >= 1 && aborted <= most_aborted(rows[_i].set_limit, rows[_i].limit), "%zu aborted", aborted);
    ck_assert_uint_gt(scene.told, 0);
    ck_assert_uint_le(scene.told, large);
    size_t shed = 0;
    for (size_t i = first; i < scene.n; i++)
        shed += scene.jobs[i].shed != ANSWER_WHOLE;
    ck_assert_uint_eq(shed, large);
    /* What was learned holds for those that come later. */
    for (size_t i = 0; i < 10 && scene.n < JOBS; i++)
        add(rows[_i].limit + SMALL);
    ck_assert_uint_eq(commit(FIT_BELIEVED_MS - 1), 0);
    scene_deinit();
}
END_TEST

START_TEST(after_some_time_one_is_tried_whole_again)
{
    scene_init(20000, 15000);
    add(30000);
    ck_assert_uint_eq(commit(1000), 1);
    ck_assert(!scene.jobs[0].guessed);
    add(30000);
    ck_assert_uint_eq(commit(1000 + FIT_BELIEVED_MS - 1), 0);
    ck_assert_int_eq(scene.jobs[1].shed, ANSWER_SHED_RESULT);
    ck_assert(scene.jobs[1].guessed);
    scene.broker.limit = 40000;
    add(30000);
    add(35000);
    ck_assert_uint_eq(commit(1000 + FIT_BELIEVED_MS), 0);
    ck_assert_int_eq(scene.jobs[2].shed, ANSWER_WHOLE);
    ck_assert_int_eq(scene.jobs[3].shed, ANSWER_WHOLE);
    /* And where nothing was raised one refusal is the price, whatever there is. */
    scene.broker.limit = 20000;
    for (size_t i = 0; i < 100; i++)
        add(30000);
    ck_assert_uint_le(commit(1000 + 2 * FIT_BELIEVED_MS), 2);
    for (size_t i = 0; i < 100; i++)
        add(30000);
    ck_assert_uint_eq(commit(1001 + 2 * FIT_BELIEVED_MS), 0);
    add(30000);
    ck_assert_uint_eq(commit(1001 + 3 * FIT_BELIEVED_MS), 1);
    scene_deinit();
}
END_TEST

/* Each a little smaller than the one before it. */
START_TEST(however_many_sizes_are_too_large_the_smallest_is_found_at_once)
{
    scene_init(20000, 1000000);
    for (size_t i = 0; i < 1000; i++)
        add(i % 2 == 0 ? 40000 - 10 * i : SMALL);
    ck_assert_uint_le(commit(0), most_aborted(1000000, 20000));
    for (size_t i = 0; i < scene.n; i++)
        ck_assert((scene.jobs[i].shed != ANSWER_WHOLE) == (i % 2 == 0));
    scene_deinit();
}
END_TEST

/* No one of them is too large: parted, all are taken as they are. */
START_TEST(small_ones_that_are_too_large_together_are_parted_and_lose_nothing)
{
    scene_init(20000, 1000000);
    for (size_t i = 0; i < 1000; i++)
        add(SMALL);
    size_t aborted = commit(0);
    ck_assert_uint_ge(aborted, 1);
    ck_assert_uint_le(aborted, most_aborted(1000000, 20000) - 2);
    ck_assert_uint_eq(scene.told, 0);
    for (size_t i = 0; i < scene.n; i++)
        ck_assert_int_eq(scene.jobs[i].shed, ANSWER_WHOLE);
    scene_deinit();
}
END_TEST

static const struct {
    size_t time;
    size_t most; /* aborted */
} slow[] = {{0, 4}, {FIT_ALONE, 4}, {10, 12}};

/* Then no sizes can be learned, and all that went together with it are named. */
START_TEST(one_that_is_refused_for_another_reason_is_found_within_a_batchs_time)
{
    size_t aborted = 0;
    scene_init(SIZE_MAX, 1000000);
    scene.broker.time = slow[_i].time;
    for (size_t i = 0; i < JOBS; i++)
        add(SMALL);
    scene.broker.disliked = &scene.jobs[4711];
    while (!round_of(0, false))
        ck_assert_uint_lt(++aborted, 50);
    ck_assert_msg(aborted <= slow[_i].most, "%zu aborted", aborted);
    for (size_t i = 0; i < scene.n; i++)
        ck_assert_int_eq(scene.jobs[i].shed, i == 4711 ? ANSWER_SHED_RESULT : ANSWER_WHOLE);
    ck_assert_uint_le(scene.told, aborted * (FIT_ALONE + 1)); /* each an answer to wait for */
    ck_assert_uint_eq(scene.fit.refused_bytes, 0);
    scene_deinit();
}
END_TEST

START_TEST(a_refusal_for_another_reason_teaches_no_size)
{
    scene_init(20000, 15000);
    add(30000);
    ck_assert(!round_of(0, false));
    ck_assert_uint_eq(scene.fit.refused_bytes, 0);
    ck_assert_int_eq(scene.jobs[0].shed, ANSWER_SHED_RESULT);
    scene_deinit();
}
END_TEST

START_TEST(a_dead_letter_that_was_refused_teaches_nothing_of_results)
{
    static char large[30000];
    scene_init(20000, 15000);
    struct job *job = add(SMALL);
    job->run.awake->outcome = (struct outcome){.status = RXP_STATUS_REJECTED, .error = RXP_ERROR_INVALID_JSON};
    job->dead_letter = true;
    static struct job_begin begin;
    stage_begin(job, &begin);
    begin.value = large;
    job->value_bytes = sizeof large;
    for (size_t i = 0; i < 20; i++)
        add(SMALL);
    ck_assert_uint_le(commit(0), 2);
    ck_assert_uint_eq(scene.fit.refused_bytes, 0);
    for (size_t i = 0; i < scene.n; i++) {
        ck_assert_int_eq(scene.jobs[i].shed, ANSWER_WHOLE);
        ck_assert(scene.jobs[i].dead_letter_shed == (i == 0));
    }
    scene_deinit();
}
END_TEST

START_TEST(one_of_which_nothing_is_left_is_named)
{
    scene_init(10, 10);
    add(SMALL);
    for (int i = 0; i < 4; i++)
        ck_assert(!round_of(0, true));
    void *refused = &scene.jobs[0];
    const struct sieve_refusal refusal = {&refused, 1, true, false, 0};
    scene.jobs[0].refused = false;
    ck_assert_ptr_eq(sieve_refused(&scene.batch, &refusal, &scene.fit, tell, &scene), &scene.jobs[0]);
    scene_deinit();
}
END_TEST

/* ---- fit ---- */

START_TEST(only_what_is_as_large_as_a_refused_one_is_too_large)
{
    struct fit fit;
    fit_init(&fit);
    ck_assert(!fit_is_too_large(&fit, SIZE_MAX));
    fit_note_refused(&fit, 0, 5); /* not measured */
    ck_assert(!fit_is_too_large(&fit, SIZE_MAX));
    fit_note_refused(&fit, 1000, 5);
    fit_note_refused(&fit, 2000, 6); /* known */
    ck_assert(fit_is_too_large(&fit, 1000));
    ck_assert(!fit_is_too_large(&fit, 999));
    fit_note_refused(&fit, 50, 7); /* the topic's limit was lowered */
    ck_assert(fit_is_too_large(&fit, 50));
    fit_turn(&fit, 7 + FIT_BELIEVED_MS - 1);
    ck_assert(fit_is_too_large(&fit, 50));
    fit_turn(&fit, 7 + FIT_BELIEVED_MS);
    ck_assert(!fit_is_too_large(&fit, 50));
    fit_note_accepted(&fit, 49); /* says nothing of those that were refused */
    ck_assert_uint_eq(fit.refused_bytes, 50);
    fit_note_accepted(&fit, 50);
    ck_assert_uint_eq(fit.refused_bytes, 0);
}
END_TEST

START_TEST(a_batch_that_was_cut_leaves_fewer_to_go_alone_and_each_commit_one_more)
{
    struct fit fit;
    fit_init(&fit);
    ck_assert_uint_eq(fit.alone_most, FIT_ALONE);
    fit_note_cut(&fit);
    ck_assert_uint_eq(fit.alone_most, FIT_ALONE / 4);
    for (int i = 0; i < 5; i++)
        fit_note_cut(&fit);
    ck_assert_uint_eq(fit.alone_most, 1);
    for (size_t i = 0; i < (size_t)2 * FIT_ALONE; i++)
        fit_note_committed(&fit);
    ck_assert_uint_eq(fit.alone_most, FIT_ALONE);
}
END_TEST

START_TEST(a_refusal_is_believed_for_its_time_and_from_the_next_one_on_again)
{
    struct fit fit;
    fit_init(&fit);
    fit_note_refused(&fit, 1000, 5);
    fit_turn(&fit, 5 + FIT_BELIEVED_MS - 1);
    ck_assert(fit_is_too_large(&fit, 1000));
    fit_note_accepted(&fit, 1500); /* it could be compressed: that says nothing of others */
    ck_assert(fit_is_too_large(&fit, 1000));
    fit_turn(&fit, 5 + FIT_BELIEVED_MS);
    ck_assert(!fit_is_too_large(&fit, 2000));
    fit_note_refused(&fit, 2000, 100000); /* larger than what was known: it is what was tried */
    ck_assert(!fit_is_too_large(&fit, 1999));
    fit_turn(&fit, 100000 + FIT_BELIEVED_MS - 1);
    ck_assert(fit_is_too_large(&fit, 2000));
    fit_turn(&fit, 100000 + FIT_BELIEVED_MS);
    ck_assert(!fit_is_too_large(&fit, 2000));
    fit_note_accepted(&fit, 1999); /* smaller than what was refused */
    ck_assert_uint_eq(fit.refused_bytes, 2000);
    fit_note_accepted(&fit, 2000);
    fit_turn(&fit, 100000 + 3 * (int64_t)FIT_BELIEVED_MS);
    ck_assert(!fit_is_too_large(&fit, 5000));
}
END_TEST

/* Whatever their number: what one batch taught holds for the next. */
START_TEST(batch_after_batch_that_is_too_large_together_costs_no_more_than_the_first)
{
    size_t aborted = 0;
    scene_init(20000, 1000000);
    for (size_t i = 0; i < 20; i++) {
        for (size_t j = 0; j < 100; j++)
            add(SMALL);
        aborted += commit((int64_t)i);
    }
    ck_assert_msg(aborted <= most_aborted(1000000, 20000) - 2, "%zu aborted", aborted);
    scene_deinit();
}
END_TEST

/* ---- set_size ---- */

START_TEST(what_was_refused_together_halves_what_goes_together_until_each_goes_alone)
{
    struct set_size size;
    const char topics[2] = "ab";
    set_size_init(&size, 1000000);
    ck_assert(!set_size_learn(&size)); /* nothing was refused */
    set_size_note(&size, &topics[0], 0, 900000, false);
    set_size_note(&size, &topics[0], 1, 900000, false);
    set_size_note(&size, &topics[1], 1, 900000, false);
    set_size_note(&size, &topics[1], 1, 900000, true); /* went alone */
    set_size_note(&size, &topics[1], 1, 1000001, false); /* too large for company */
    set_size_note(&size, &topics[1], 1, 900000, false);
    ck_assert(!set_size_learn(&size));
    ck_assert_uint_eq(size.most_bytes, 1000000);
    /* Not what one of the batch before left behind. */
    set_size_note(&size, &topics[1], 1, 10, false);
    ck_assert(!set_size_learn(&size));
    for (int i = 0; i < 30; i++)
        set_size_note(&size, &topics[0], 0, 1000, false);
    for (int i = 0; i < 40; i++)
        set_size_note(&size, &topics[0], 1, 1000, false);
    ck_assert(set_size_learn(&size));
    ck_assert_uint_eq(size.most_bytes, 15000); /* of the smaller one of the two */
    ck_assert(!set_size_learn(&size));
    /* Two sets, for one: but no set holds more than was allowed. */
    for (int i = 0; i < 30; i++)
        set_size_note(&size, &topics[0], 0, 1000, false);
    ck_assert(set_size_learn(&size));
    ck_assert_uint_eq(size.most_bytes, 7500);
    size_t times = 0;
    for (; size.most_bytes > 1; times++) {
        set_size_note(&size, &topics[0], 0, 1, false);
        set_size_note(&size, &topics[0], 0, 0, false);
        ck_assert(set_size_learn(&size));
    }
    ck_assert_uint_ge(times, 1);
    set_size_note(&size, &topics[0], 0, 1, false);
    set_size_note(&size, &topics[0], 0, 1, false);
    ck_assert(!set_size_learn(&size)); /* nothing goes together any more */
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("sieve");
    TCase *tcase = tcase_create("sieve");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, however_many_are_too_large_few_transactions_are_aborted, 0, sizeof rows / sizeof *rows);
    tcase_add_test(tcase, after_some_time_one_is_tried_whole_again);
    tcase_add_test(tcase, however_many_sizes_are_too_large_the_smallest_is_found_at_once);
    tcase_add_test(tcase, small_ones_that_are_too_large_together_are_parted_and_lose_nothing);
    tcase_add_loop_test(tcase, one_that_is_refused_for_another_reason_is_found_within_a_batchs_time, 0,
                        sizeof slow / sizeof *slow);
    tcase_add_test(tcase, a_refusal_for_another_reason_teaches_no_size);
    tcase_add_test(tcase, a_dead_letter_that_was_refused_teaches_nothing_of_results);
    tcase_add_test(tcase, one_of_which_nothing_is_left_is_named);
    tcase_add_test(tcase, batch_after_batch_that_is_too_large_together_costs_no_more_than_the_first);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("fit");
    tcase_add_test(tcase, only_what_is_as_large_as_a_refused_one_is_too_large);
    tcase_add_test(tcase, a_batch_that_was_cut_leaves_fewer_to_go_alone_and_each_commit_one_more);
    tcase_add_test(tcase, a_refusal_is_believed_for_its_time_and_from_the_next_one_on_again);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("set_size");
    tcase_add_test(tcase, what_was_refused_together_halves_what_goes_together_until_each_goes_alone);
    suite_add_tcase(suite, tcase);
    return suite;
}
