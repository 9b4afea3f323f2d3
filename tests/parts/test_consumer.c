#include "kafka/consumer_inside.h"
#include "support/consumer_stage.h"

static struct stage stage;

static const struct side_wish plain = {0};

/* ---- from input to commit ---- */

enum { MANY = 1000 };

static bool all_delivered_and_finished(struct stage *s)
{
    struct side *side = &s->sides[0];
    /* Out of order: the newest first, but never more than 50 kept. */
    while (side->n_jobs > 50)
        side_finish(side, (size_t)rand() % side->n_jobs);
    if (side->delivered == 3 * MANY) {
        while (side->n_jobs > 0)
            side_finish(side, side->n_jobs - 1);
    }
    return side->delivered == 3 * MANY && side->n_jobs == 0;
}

START_TEST(commits_the_end_when_runs_end_out_of_order)
{
    char metadata[8192];
    stage_open(&stage);
    stage_make_topic(&stage, 3);
    stage_fill(&stage, 3, MANY, 20);
    side_open(&stage, 0, &plain);
    TURN_UNTIL(&stage, all_delivered_and_finished);
    stage_leave(&stage);
    stage_expect_seen(&stage, 3, MANY, 1);
    for (int p = 0; p < 3; p++) {
        ck_assert_int_eq(stage_committed(&stage, p, metadata), MANY);
        ck_assert_str_eq(metadata, "");
    }
    stage_close(&stage);
}
END_TEST

static bool all_hundred_delivered(struct stage *s)
{
    return s->sides[0].delivered == 100;
}

static bool two_delivered(struct stage *s)
{
    return s->sides[0].delivered == 2;
}

START_TEST(a_restart_skips_what_the_commit_says_is_done)
{
    char metadata[8192];
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &plain);
    TURN_UNTIL(&stage, all_hundred_delivered);
    for (int64_t offset = 0; offset < 100; offset++) {
        if (offset != 40 && offset != 70)
            ck_assert(side_finish_offset(side, 0, offset));
    }
    stage_leave(&stage);
    ck_assert_int_eq(stage_committed(&stage, 0, metadata), 40);
    ck_assert_str_ne(metadata, "");

    memset(stage.seen, 0, sizeof stage.seen);
    side = side_open(&stage, 0, &plain);
    TURN_UNTIL(&stage, two_delivered);
    ck_assert_int_eq(stage.seen[0][40], 1);
    ck_assert_int_eq(stage.seen[0][70], 1);
    side_finish_all(side);
    stage_leave(&stage);
    ck_assert_int_eq(stage_committed(&stage, 0, metadata), 100);
    stage_close(&stage);
}
END_TEST

/* ---- pauses ---- */

enum { FLOOD = 30000 };

static bool window_is_full(struct stage *s)
{
    /* It can only be full beyond this span; and nothing comes any more though more is there. */
    return s->sides[0].delivered >= OFFSET_MAP_SAFE_SPAN && s->sides[0].counts.paused == 1;
}

static bool flood_is_over(struct stage *s)
{
    struct side *side = &s->sides[0];
    /* The oldest stays to the end. */
    while (side->n_jobs > 100)
        side_finish(side, side->n_jobs / 2);
    while (side->delivered == FLOOD && side->n_jobs > 0)
        side_finish(side, side->n_jobs - 1);
    return side->delivered == FLOOD && side->n_jobs == 0;
}

START_TEST(a_full_window_pauses_and_goes_on_without_loss_or_repetition)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, FLOOD, 10);
    struct side *side = side_open(&stage, 0, &plain);
    TURN_UNTIL(&stage, window_is_full);
    ck_assert_uint_lt(side->delivered, FLOOD);
    ck_assert_uint_eq(side->counts.in_flight, side->delivered);
    TURN_UNTIL(&stage, flood_is_over);
    ck_assert_uint_eq(side->counts.paused, 0);
    stage_leave(&stage);
    stage_expect_seen(&stage, 1, FLOOD, 1);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), FLOOD);
    stage_close(&stage);
}
END_TEST

static bool six_hundred_delivered(struct stage *s)
{
    return s->sides[0].delivered == 600;
}

START_TEST(holding_from_within_the_hook_loses_and_repeats_nothing)
{
    stage_open(&stage);
    stage_make_topic(&stage, 2);
    stage_fill(&stage, 2, 300, 50);
    struct side *side = side_open(&stage, 0, &plain);
    side->finish_at_once = true;
    side->hold_every = 17; /* going on can take librdkafka 2.0.2 a second: so not many of them */
    side->max_messages = 40;
    TURN_UNTIL(&stage, six_hundred_delivered);
    stage_leave(&stage);
    stage_expect_seen(&stage, 2, 300, 1);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), 300);
    ck_assert_int_eq(stage_committed(&stage, 1, NULL), 300);
    stage_close(&stage);
}
END_TEST

static int64_t quiet_until_ms;

static bool quiet_is_over(struct stage *s)
{
    (void)s;
    return clock_mono_ms() >= quiet_until_ms;
}

static void turn_for(int64_t ms)
{
    quiet_until_ms = clock_mono_ms() + ms;
    TURN_UNTIL(&stage, quiet_is_over);
}

START_TEST(a_held_consumer_takes_nothing_and_a_hook_sees_the_limit_kept)
{
    stage_open(&stage);
    stage_make_topic(&stage, 2);
    stage_fill(&stage, 2, 50, 20);
    struct side *side = side_open(&stage, 0, &plain);
    consumer_hold(side->consumer, true);
    while (!side->counts.joined || side->counts.assigned != 2)
        turn_for(20);
    turn_for(300);
    ck_assert_uint_eq(side->delivered, 0);
    ck_assert_uint_eq(side->counts.paused, 2);
    consumer_hold(side->consumer, false);
    TURN_UNTIL(&stage, all_hundred_delivered);
    side_finish_all(side);
    stage_leave(&stage);
    stage_expect_seen(&stage, 2, 50, 1);
    stage_close(&stage);
}
END_TEST

static bool some_delivered(struct stage *s)
{
    return s->sides[0].delivered > 0;
}

START_TEST(stopped_intake_takes_nothing_more_and_finished_runs_are_still_committed)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &plain);
    side->max_messages = 1;
    TURN_UNTIL(&stage, some_delivered);
    consumer_stop_intake(side->consumer);
    size_t delivered = side->delivered;
    turn_for(200);
    ck_assert_uint_eq(side->delivered, delivered);
    side_finish_all(side);
    stage_leave(&stage);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), (int64_t)delivered);
    stage_close(&stage);
}
END_TEST

/* ---- beginning and end ---- */

START_TEST(closing_right_after_the_start_does_not_hang)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    side_open(&stage, 0, &(struct side_wish){.group_instance_id = _i < 3 ? NULL : "one"});
    if (_i % 3 == 1)
        turn_for(300); /* it is joining */
    else if (_i % 3 == 2)
        rd_kafka_mock_broker_set_down(stage.cluster, -1);
    int64_t begin_ms = clock_mono_ms();
    stage_leave(&stage);
    ck_assert_int_lt(clock_mono_ms() - begin_ms, 9500);
    stage_close(&stage);
}
END_TEST

static bool sync_was_refused(struct stage *s)
{
    size_t n = 0;
    ck_assert_int_eq(rd_kafka_mock_broker_error_stack_cnt(s->cluster, 1, API_SYNC, &n), 0);
    return n < 3;
}

START_TEST(closing_between_join_and_first_assignment_does_not_abort)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
    rd_kafka_mock_broker_push_request_error_rtts(stage.cluster, 1, API_SYNC, 3, err, 0, err, 0, err, 0);
    side_open(&stage, 0, &plain);
    TURN_UNTIL(&stage, sync_was_refused);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

START_TEST(freeing_without_closing_leaves_assignments_to_those_who_hold_them)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    /* Nothing may be committed before. */
    struct side *side = side_open(&stage, 0, &(struct side_wish){.commit_interval_ms = 3600000});
    TURN_UNTIL(&stage, all_hundred_delivered);
    struct ref ref = side->jobs[0].ref;
    consumer_done(side->consumer, &ref, NULL, 0);
    consumer_free(side->consumer);
    side->consumer = NULL;
    ck_assert(tenure_read(&ref.assignment->tenure) == TENURE_OVER);
    ck_assert_ptr_null(ref.assignment->own);
    ck_assert_str_eq(ref.assignment->topic, STAGE_TOPIC);
    ck_assert_uint_eq(ref.assignment->holders, 100);
    side_forget_jobs(side);
    free(side->jobs);
    close(side->event_fd);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), -1);
    stage_close(&stage);
}
END_TEST

static bool all_came_again(struct stage *s)
{
    return s->sides[0].delivered == 200;
}

/* Who asked for the pause heard that the assignment is gone, and speaks of it no more. */
START_TEST(what_paused_an_assignment_does_not_pause_the_one_after_it)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.restores = true});
    TURN_UNTIL(&stage, all_hundred_delivered);
    struct consumer_partition *partition = side->jobs[0].ref.assignment->own;
    side_finish_all(side);
    if (_i == 0)
        consumer_crowd(side->consumer, partition->assignment, true);
    else
        consumer_pause(side->consumer, partition->assignment, true);
    /* As where its log was made anew. */
    restore_restart(side->consumer, partition);
    ck_assert_int_eq(partition_renew(side->consumer, partition), 0);
    TURN_UNTIL(&stage, all_came_again);
    side_finish_all(side);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

static const struct {
    const char *topic;
    const char *words;
} bad_topics[] = {{"", "cannot be a topic's name"}, {"^all", "cannot be a topic's name"}, {"..", "cannot be a topic's name"}};

START_TEST(refuses_what_cannot_be_a_topic)
{
    char why[512] = "";
    const char *topics[] = {bad_topics[_i].topic};
    struct consumer_config config = {
        .settings = {.bootstrap_servers = "127.0.0.1:9", .group_id = "g"}, .topics = topics, .n_topics = 1, .event_fd = -1};
    struct consumer_hooks hooks = {.message = side_on_message};
    ck_assert_ptr_null(consumer_new(&config, &hooks, why, sizeof why));
    ck_assert_msg(strstr(why, bad_topics[_i].words) != NULL, "%s", why);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof *(table))

Suite *test_suite(void)
{
    Suite *suite = suite_create("consumer");
    TCase *tcase = tcase_create("consumer");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, commits_the_end_when_runs_end_out_of_order);
    tcase_add_test(tcase, a_restart_skips_what_the_commit_says_is_done);
    tcase_add_test(tcase, a_full_window_pauses_and_goes_on_without_loss_or_repetition);
    tcase_add_test(tcase, holding_from_within_the_hook_loses_and_repeats_nothing);
    tcase_add_test(tcase, a_held_consumer_takes_nothing_and_a_hook_sees_the_limit_kept);
    tcase_add_test(tcase, stopped_intake_takes_nothing_more_and_finished_runs_are_still_committed);
    tcase_add_loop_test(tcase, closing_right_after_the_start_does_not_hang, 0, 6);
    tcase_add_test(tcase, closing_between_join_and_first_assignment_does_not_abort);
    tcase_add_test(tcase, freeing_without_closing_leaves_assignments_to_those_who_hold_them);
    tcase_add_loop_test(tcase, what_paused_an_assignment_does_not_pause_the_one_after_it, 0, 2);
    tcase_add_loop_test(tcase, refuses_what_cannot_be_a_topic, 0, ROWS(bad_topics));
    suite_add_tcase(suite, tcase);
    return suite;
}
