/* How an assignment begins and ends, and comes back, within one process. */
#include "support/consumer_stage.h"

static struct stage stage;

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

static size_t wanted;

static bool are_delivered(struct stage *s)
{
    return s->sides[0].delivered == wanted;
}

static bool are_assigned(struct stage *s)
{
    return s->sides[0].assigns == wanted;
}

static bool are_over(struct stage *s)
{
    return s->sides[0].over == wanted;
}

/* ---- the beginning ---- */

START_TEST(nothing_comes_before_what_it_waits_for_is_restored)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 50, 20);
    stage_commit(&stage, 0, 20, NULL);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.keeps_back = true});
    wanted = 1;
    TURN_UNTIL(&stage, are_assigned);
    turn_for(700);
    ck_assert_uint_eq(side->delivered, 0);
    ck_assert_uint_eq(side->runnings, 0);
    ck_assert_uint_eq(side->counts.paused, 1);
    consumer_restored(side->consumer, side->assigned);
    wanted = 30;
    TURN_UNTIL(&stage, are_delivered);
    ck_assert_uint_eq(side->runnings, 1);
    ck_assert_uint_eq(side->assigns, 1);
    ck_assert(consumer_is_done(side->consumer, &(struct ref){side->assigned, 19}));
    ck_assert(!consumer_is_done(side->consumer, &(struct ref){side->assigned, 20}));
    ck_assert_int_eq(stage.seen[0][19], 0);
    side_finish_all(side);
    stage_leave(&stage);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), 50);
    stage_close(&stage);
}
END_TEST

static bool it_is_running(struct stage *s)
{
    return s->sides[0].runnings == 1;
}

START_TEST(being_restored_is_not_enough_while_the_committed_offset_is_unknown)
{
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_UNKNOWN;
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 50, 20);
    stage_commit(&stage, 0, 20, NULL);
    rd_kafka_mock_push_request_errors(stage.cluster, API_OFFSET_FETCH, 3, err, err, err);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.restores = true});
    wanted = 1;
    TURN_UNTIL(&stage, are_assigned);
    ck_assert_uint_eq(side->runnings, 0);
    ck_assert(!consumer_is_done(side->consumer, &(struct ref){side->assigned, 5}));
    TURN_UNTIL(&stage, it_is_running);
    ck_assert(consumer_is_done(side->consumer, &(struct ref){side->assigned, 5}));
    wanted = 30;
    TURN_UNTIL(&stage, are_delivered);
    side_finish_all(side);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

START_TEST(a_partition_that_leaves_before_it_is_restored_leaves_in_order)
{
    stage_open(&stage);
    stage_make_topic(&stage, 2);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.keeps_back = true});
    wanted = 2;
    TURN_UNTIL(&stage, are_assigned);
    consumer_begin_close(side->consumer, clock_mono_ms());
    TURN_UNTIL(&stage, side_is_closed);
    ck_assert_uint_eq(side->runnings, 0);
    ck_assert_uint_eq(side->revoked, 2);
    ck_assert_uint_eq(side->over, 2);
    stage_close(&stage);
}
END_TEST

static bool side_has_left(struct stage *s)
{
    return consumer_is_closed(s->sides[0].consumer);
}

START_TEST(who_leaves_waits_for_what_is_written_but_not_for_ever)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 10, 20);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.restores = true});
    wanted = 10;
    TURN_UNTIL(&stage, are_delivered);
    struct assignment *assignment = side->jobs[0].ref.assignment;
    assignment_write_begin(assignment);
    side_forget_jobs(side);
    consumer_begin_close(side->consumer, clock_mono_ms());
    turn_for(700);
    ck_assert_uint_eq(side->revoked, 0);
    if (_i == 0)
        assignment_write_end(assignment);
    int64_t begin_ms = clock_mono_ms();
    TURN_UNTIL(&stage, side_has_left);
    ck_assert(_i == 1 || clock_mono_ms() - begin_ms < 2000);
    ck_assert_uint_eq(side->over, 1);
    if (_i == 1)
        assignment_write_end(assignment);
    stage_close(&stage);
}
END_TEST

/* Whose max.poll.interval.ms is 7 s gives back what it has within 3.5 s. */
static const struct {
    int64_t write_ms;
    const char *max_poll_ms;
    int64_t least_ms;
    bool ends; /* by what is written */
} hand_overs[] = {{60000, NULL, 3000, true}, {3000, NULL, 3000, false}, {60000, "7000", 3500, false}};

static bool two_has_some(struct stage *s)
{
    return s->sides[1].delivered > 0;
}

static bool one_is_revoked(struct stage *s)
{
    return s->sides[0].revoked == 1;
}

START_TEST(what_is_written_has_more_time_at_a_hand_over_than_results_but_not_all_the_time)
{
    stage_open(&stage);
    stage_make_topic(&stage, 2);
    stage_fill(&stage, 2, 10, 20);
    struct side *side = side_open(&stage, 0, &(struct side_wish){
        .restores = true, .handover_ms = 200, .write_ms = hand_overs[_i].write_ms, .max_poll_ms = hand_overs[_i].max_poll_ms});
    wanted = 20;
    TURN_UNTIL(&stage, are_delivered);
    struct assignment *assignments[2] = {NULL, NULL};
    for (size_t i = 0; i < side->n_jobs; i++)
        assignments[side->jobs[i].ref.assignment->partition] = side->jobs[i].ref.assignment;
    for (int p = 0; p < 2; p++)
        assignment_write_begin(assignments[p]);
    side_forget_jobs(side);
    side_open(&stage, 1, &(struct side_wish){.restores = true});
    TURN_UNTIL(&stage, one_is_revoked);
    int64_t begin_ms = clock_mono_ms();
    if (hand_overs[_i].ends) {
        turn_for(hand_overs[_i].least_ms);
        ck_assert_uint_eq(side->over, 0);
        ck_assert_uint_eq(stage.sides[1].delivered, 0);
        for (int p = 0; p < 2; p++)
            assignment_write_end(assignments[p]);
    }
    TURN_UNTIL(&stage, two_has_some);
    ck_assert_int_ge(clock_mono_ms() - begin_ms, hand_overs[_i].least_ms - 200); /* it had begun before it was seen */
    side_forget_jobs(&stage.sides[1]);
    stage_leave(&stage);
    for (int p = 0; p < 2 && !hand_overs[_i].ends; p++)
        assignment_write_end(assignments[p]);
    stage_close(&stage);
}
END_TEST

/* ---- lost, and back ---- */

static bool it_is_back(struct stage *s)
{
    return s->sides[0].lost == 1 && s->sides[0].counts.assigned == 1;
}

/* A hundred are delivered, and ten of them finished; then the group goes on without the worker, which joins again. */
static struct side *lose_it(const struct side_wish *wish)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, wish);
    wanted = 100;
    TURN_UNTIL(&stage, are_delivered);
    for (int64_t offset = 0; offset < 10; offset++)
        side_finish_tagged(side, 0, offset, 1);
    rd_kafka_mock_push_request_errors(stage.cluster, API_HEARTBEAT, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    TURN_UNTIL(&stage, it_is_back);
    ck_assert_uint_eq(side->revoked, 0);
    return side;
}

static void expect_nothing_told(const struct side *side)
{
    for (int tag = 0; tag < STAGE_TAGS; tag++)
        ck_assert_uint_eq(side->told[0][tag], 0);
}

static const struct side_wish restoring = {.restores = true, .commit_interval_ms = 3600000, .handover_ms = 60000};

START_TEST(what_comes_back_waits_for_those_who_hold_the_lost_one)
{
    struct side *side = lose_it(&restoring);
    struct assignment *old = assignment_hold(side->jobs[0].ref.assignment);
    ck_assert(tenure_read(&old->tenure) == TENURE_ENDING);
    ck_assert_uint_eq(side->over, 0);
    side_finish_all(side);
    consumer_restored(side->consumer, old);
    turn_for(700);
    ck_assert_uint_eq(side->assigns, 1);
    ck_assert_uint_eq(side->runnings, 1);
    ck_assert_uint_eq(side->delivered, 100);
    ck_assert(tenure_read(&old->tenure) == TENURE_ENDING);
    assignment_release(old);
    wanted = 1;
    TURN_UNTIL(&stage, are_over);
    wanted = 200;
    TURN_UNTIL(&stage, are_delivered);
    ck_assert_uint_eq(side->assigns, 2);
    ck_assert_uint_eq(side->runnings, 2);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), -1);
    side_finish_all(side);
    stage_leave(&stage);
    expect_nothing_told(side);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), 100);
    stage_close(&stage);
}
END_TEST

START_TEST(what_comes_back_waits_for_what_is_written_for_the_lost_one)
{
    struct side *side = lose_it(&restoring);
    struct assignment *old = side->jobs[0].ref.assignment;
    assignment_write_begin(old);
    side_forget_jobs(side);
    turn_for(700);
    ck_assert_uint_eq(side->assigns, 1); /* what is read of it now could lack that write */
    ck_assert_uint_eq(side->runnings, 1);
    ck_assert_uint_eq(side->over, 0);
    assignment_write_end(old);
    wanted = 200;
    TURN_UNTIL(&stage, are_delivered);
    ck_assert_uint_eq(side->over, 1);
    side_forget_jobs(side);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

START_TEST(who_holds_a_lost_one_for_too_long_is_told_and_then_waited_for_no_more)
{
    enum { HANDOVER_MS = 12000 }; /* the mock cluster takes nearly so long to let a member in again */
    struct side *side = lose_it(
        &(struct side_wish){.restores = true, .commit_interval_ms = 3600000, .handover_ms = HANDOVER_MS});
    struct assignment *old = side->jobs[0].ref.assignment;
    wanted = 1;
    TURN_UNTIL(&stage, are_over);
    ck_assert(tenure_read(&old->tenure) == TENURE_OVER);
    ck_assert_uint_eq(side->assigns, 1);
    wanted = 200;
    TURN_UNTIL(&stage, are_delivered);
    ck_assert_int_ge(clock_mono_ms(), old->over_ms + HANDOVER_MS);
    ck_assert_uint_eq(side->over, 1);
    ck_assert_uint_eq(side->n_jobs, 190);
    side_finish_all(side);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

START_TEST(a_lost_one_is_over_at_once_where_nobody_could_use_what_it_comes_to)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.commit_interval_ms = 3600000});
    wanted = 100;
    TURN_UNTIL(&stage, are_delivered);
    rd_kafka_mock_push_request_errors(stage.cluster, API_HEARTBEAT, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    wanted = 1;
    TURN_UNTIL(&stage, are_over);
    ck_assert_uint_eq(side->lost, 1);
    ck_assert(tenure_read(&side->jobs[0].ref.assignment->tenure) == TENURE_OVER);
    side_forget_jobs(side);
    wanted = 200;
    TURN_UNTIL(&stage, are_delivered);
    side_forget_jobs(side);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

START_TEST(a_lost_one_that_is_held_outlives_the_consumer)
{
    struct side *side = lose_it(&restoring);
    struct assignment *old = side->jobs[0].ref.assignment;
    assignment_write_begin(old);
    consumer_free(side->consumer);
    side->consumer = NULL;
    ck_assert(tenure_read(&old->tenure) == TENURE_OVER);
    ck_assert_uint_eq(old->holders, 90);
    side_forget_jobs(side);
    ck_assert_str_eq(old->topic, STAGE_TOPIC);
    assignment_write_end(old);
    free(side->jobs);
    close(side->event_fd);
    stage_close(&stage);
}
END_TEST

START_TEST(a_log_made_anew_is_restored_anew_once_the_old_ones_runs_are_gone)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 30, 20);
    stage_commit(&stage, 0, 5000, NULL);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.keeps_back = true});
    wanted = 1;
    TURN_UNTIL(&stage, are_assigned);
    struct assignment *old = assignment_hold(side->assigned);
    consumer_restored(side->consumer, old);
    TURN_UNTIL(&stage, it_is_back);
    ck_assert(tenure_read(&old->tenure) == TENURE_ENDING);
    turn_for(700);
    ck_assert_uint_eq(side->assigns, 1);
    assignment_release(old);
    wanted = 2;
    TURN_UNTIL(&stage, are_assigned);
    ck_assert_uint_eq(side->assigned->epoch, 2);
    ck_assert_uint_eq(side->delivered, 0);
    ck_assert_uint_eq(side->runnings, 1);
    consumer_restored(side->consumer, side->assigned);
    wanted = 30;
    TURN_UNTIL(&stage, are_delivered);
    ck_assert_uint_eq(side->runnings, 2);
    ck_assert_uint_eq(side->jobs[0].ref.assignment->epoch, 2);
    side_finish_all(side);
    stage_leave(&stage);
    stage_expect_seen(&stage, 1, 30, 1);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), 30);
    stage_close(&stage);
}
END_TEST

/* ---- pauses of one partition ---- */

START_TEST(a_partition_is_paused_alone_and_goes_on_without_loss_or_repetition)
{
    stage_open(&stage);
    stage_make_topic(&stage, 2);
    stage_fill(&stage, 2, 10, 20);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.restores = true});
    wanted = 20;
    TURN_UNTIL(&stage, are_delivered);
    struct assignment *assignment = side->jobs[0].ref.assignment;
    int other = 1 - assignment->partition;
    consumer_pause(side->consumer, assignment, true);
    stage_fill(&stage, 2, 10, 20);
    wanted = 30;
    TURN_UNTIL(&stage, are_delivered);
    turn_for(500);
    ck_assert_uint_eq(side->delivered, 30);
    ck_assert_uint_eq(side->counts.paused, 1);
    ck_assert_int_eq(stage.seen[other][19], 1);
    consumer_hold(side->consumer, true);
    consumer_hold(side->consumer, false); /* takes away its own reason alone */
    consumer_crowd(side->consumer, assignment, true);
    consumer_crowd(side->consumer, assignment, false);
    turn_for(300);
    ck_assert_uint_eq(side->delivered, 30);
    consumer_crowd(side->consumer, assignment, true);
    consumer_pause(side->consumer, assignment, false);
    turn_for(300);
    ck_assert_uint_eq(side->delivered, 30);
    consumer_crowd(side->consumer, assignment, false);
    wanted = 40;
    TURN_UNTIL(&stage, are_delivered);
    ck_assert_uint_eq(side->counts.paused, 0);
    side_finish_all(side);
    stage_leave(&stage);
    stage_expect_seen(&stage, 2, 20, 1);
    stage_close(&stage);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("tenure");
    TCase *tcase = tcase_create("tenure");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, nothing_comes_before_what_it_waits_for_is_restored);
    tcase_add_test(tcase, being_restored_is_not_enough_while_the_committed_offset_is_unknown);
    tcase_add_test(tcase, a_partition_that_leaves_before_it_is_restored_leaves_in_order);
    tcase_add_loop_test(tcase, who_leaves_waits_for_what_is_written_but_not_for_ever, 0, 2);
    tcase_add_loop_test(tcase, what_is_written_has_more_time_at_a_hand_over_than_results_but_not_all_the_time, 0,
                        sizeof hand_overs / sizeof *hand_overs);
    tcase_add_test(tcase, what_comes_back_waits_for_those_who_hold_the_lost_one);
    tcase_add_test(tcase, what_comes_back_waits_for_what_is_written_for_the_lost_one);
    tcase_add_test(tcase, who_holds_a_lost_one_for_too_long_is_told_and_then_waited_for_no_more);
    tcase_add_test(tcase, a_lost_one_is_over_at_once_where_nobody_could_use_what_it_comes_to);
    tcase_add_test(tcase, a_lost_one_that_is_held_outlives_the_consumer);
    tcase_add_test(tcase, a_log_made_anew_is_restored_anew_once_the_old_ones_runs_are_gone);
    tcase_add_test(tcase, a_partition_is_paused_alone_and_goes_on_without_loss_or_repetition);
    suite_add_tcase(suite, tcase);
    return suite;
}
