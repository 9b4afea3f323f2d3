#include "support/consumer_stage.h"

static struct stage stage;

static const struct side_wish plain = {0};

static bool four_hundred_delivered(struct stage *s)
{
    return s->sides[0].delivered == 400;
}

static bool hundred_delivered(struct stage *s)
{
    return s->sides[0].delivered == 100;
}

/* Now and then, on a busy machine more often, the mock cluster begins a rebalance anew while a revoke is open, refuses
 * commits meanwhile (brokers do not) and drops the member that cannot join now. Such a try is void; of eight one is not. */
static bool is_void(const struct stage *s)
{
    return s->sides[0].lost > 0;
}

static void try_often(bool (*scenario)(void))
{
    int tries = 1;
    while (!scenario())
        ck_assert_int_lt(tries++, 8);
}

static bool half_is_revoked(struct stage *s)
{
    return s->sides[0].revoked == 2;
}

static bool kept_half_is_committed(struct stage *s)
{
    struct side *side = &s->sides[0];
    for (size_t i = side->n_jobs; i-- > 0;) {
        if (tenure_read(&side->jobs[i].ref.assignment->tenure) == TENURE_HELD)
            side_finish(side, i);
    }
    int64_t sum = 0;
    for (int p = 0; p < 4; p++)
        sum += stage_committed(s, p, NULL) >= 100; /* those that came since may be done, too */
    return sum == 2 || is_void(s);
}

static bool all_eight_hundred_finished(struct stage *s)
{
    side_finish_all(&s->sides[0]);
    side_finish_all(&s->sides[1]);
    return s->sides[0].delivered + s->sides[1].delivered >= 800 || is_void(s);
}

/* Side 0 has four partitions, of 100 messages each in flight; side 1 joins, and half is revoked. */
static void open_and_share(const struct side_wish *wish)
{
    stage_open(&stage);
    stage_make_topic(&stage, 4);
    stage_fill(&stage, 4, 100, 20);
    side_open(&stage, 0, wish);
    TURN_UNTIL(&stage, four_hundred_delivered);
    side_open(&stage, 1, &plain);
    TURN_UNTIL(&stage, half_is_revoked);
}

static bool hand_over_in_time(void)
{
    open_and_share(&plain);
    stage_fill(&stage, 4, 100, 20);
    TURN_UNTIL(&stage, kept_half_is_committed);
    if (is_void(&stage)) {
        stage_close(&stage);
        return false;
    }
    ck_assert_uint_eq(stage.sides[0].counts.assigned, 4);
    ck_assert_uint_eq(stage.sides[1].counts.assigned, 0);
    ck_assert_uint_eq(stage.sides[1].delivered, 0);
    TURN_UNTIL(&stage, all_eight_hundred_finished);
    if (is_void(&stage)) {
        stage_close(&stage);
        return false;
    }
    ck_assert_uint_eq(stage.sides[0].counts.assigned, 2);
    ck_assert_uint_eq(stage.sides[1].counts.assigned, 2);
    ck_assert_uint_eq(stage.sides[1].delivered, 200);
    ck_assert_uint_eq(stage.sides[0].lost + stage.sides[1].lost, 0);
    stage_leave(&stage);
    stage_expect_seen(&stage, 4, 200, 1);
    for (int p = 0; p < 4; p++)
        ck_assert_int_eq(stage_committed(&stage, p, NULL), 200);
    stage_close(&stage);
    return true;
}

START_TEST(revoked_partitions_wait_for_their_runs_while_the_others_go_on)
{
    try_often(hand_over_in_time);
}
END_TEST

static bool is_over(const struct ref *ref)
{
    return tenure_read(&ref->assignment->tenure) == TENURE_OVER;
}

static bool is_leaving(const struct ref *ref)
{
    return tenure_read(&ref->assignment->tenure) != TENURE_HELD;
}

static bool two_came_again(struct stage *s)
{
    /* Over before it is handed over. */
    ck_assert(s->sides[0].counts.assigned != 2 || s->sides[0].over == 2 || is_void(s));
    return s->sides[1].delivered == 2 || is_void(s);
}

static bool hand_over_out_of_time(void)
{
    open_and_share(&(struct side_wish){.handover_ms = 300});
    struct side *side = &stage.sides[0];
    for (size_t i = 0; i < side->n_jobs;) {
        if (is_leaving(&side->jobs[i].ref) && side->jobs[i].ref.offset == 7)
            i++;
        else
            side_finish(side, i);
    }
    ck_assert_uint_eq(side->n_jobs, 2);
    TURN_UNTIL(&stage, two_came_again);
    if (is_void(&stage)) {
        stage_close(&stage);
        return false;
    }
    ck_assert_uint_eq(side->over, 2);
    ck_assert(is_over(&side->jobs[0].ref) && is_over(&side->jobs[1].ref));
    /* Too late: the assignment is gone. */
    int partition = side->jobs[0].ref.assignment->partition;
    ck_assert_ptr_null(side->jobs[0].ref.assignment->own);
    side_finish_all(side);
    ck_assert_int_eq(stage_committed(&stage, partition, NULL), 7);
    ck_assert_int_eq(stage.sides[1].jobs[0].ref.offset, 7);
    side_finish_all(&stage.sides[1]);
    stage_leave(&stage);
    for (int p = 0; p < 4; p++)
        ck_assert_int_eq(stage_committed(&stage, p, NULL), 100);
    ck_assert_int_eq(stage.seen[partition][7], 2);
    ck_assert_int_eq(stage.seen[partition][8], 1);
    stage_close(&stage);
    return true;
}

static int64_t quiet_until_ms;

static bool quiet_is_over(struct stage *s)
{
    return clock_mono_ms() >= quiet_until_ms || is_void(s);
}

static bool all_four_hundred_finished(struct stage *s)
{
    side_finish_all(&s->sides[0]);
    side_finish_all(&s->sides[1]);
    return (s->sides[0].over == 2 && s->sides[1].counts.assigned == 2) || is_void(s);
}

/* Of what is revoked all runs are finished, and one record is under way. */
static bool hand_over_after_the_writes(void)
{
    open_and_share(&plain);
    struct side *side = &stage.sides[0];
    struct assignment *written = NULL;
    for (size_t i = 0; i < side->n_jobs && written == NULL; i++) {
        if (is_leaving(&side->jobs[i].ref))
            written = side->jobs[i].ref.assignment;
    }
    ck_assert_ptr_nonnull(written);
    ck_assert(tenure_read(&written->tenure) == TENURE_ENDING);
    assignment_write_begin(written);
    side_finish_all(side);
    quiet_until_ms = clock_mono_ms() + 700;
    TURN_UNTIL(&stage, quiet_is_over);
    bool waits = side->counts.assigned == 4 && side->over == 0 && tenure_read(&written->tenure) == TENURE_ENDING;
    ck_assert(waits || is_void(&stage));
    assignment_write_end(written);
    TURN_UNTIL(&stage, all_four_hundred_finished);
    bool failed = is_void(&stage);
    stage_leave(&stage);
    for (int p = 0; p < 4 && !failed; p++)
        ck_assert_int_eq(stage_committed(&stage, p, NULL), 100);
    stage_close(&stage);
    return !failed;
}

START_TEST(revoked_partitions_wait_for_what_is_written_for_them)
{
    try_often(hand_over_after_the_writes);
}
END_TEST

START_TEST(what_is_not_finished_in_the_hand_over_time_goes_to_the_next_owner)
{
    try_often(hand_over_out_of_time);
}
END_TEST

static bool is_lost(struct stage *s)
{
    return s->sides[0].lost == 1;
}

static bool came_again(struct stage *s)
{
    return s->sides[0].delivered == 200;
}

START_TEST(a_lost_assignment_commits_nothing)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side =
        side_open(&stage, 0, &(struct side_wish){.commit_interval_ms = 3600000, .handover_ms = 500});
    TURN_UNTIL(&stage, hundred_delivered);
    for (int i = 0; i < 50; i++)
        side_finish(side, 0);
    rd_kafka_mock_push_request_errors(stage.cluster, API_HEARTBEAT, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    TURN_UNTIL(&stage, is_lost);
    ck_assert_uint_eq(side->revoked, 0);
    ck_assert(tenure_read(&side->jobs[0].ref.assignment->tenure) != TENURE_HELD);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), -1);
    TURN_UNTIL(&stage, came_again);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), -1);
    /* The old assignment's 50 jobs say nothing about the new one's. */
    for (int i = 0; i < 50; i++)
        side_finish(side, 0);
    ck_assert_uint_eq(side->n_jobs, 100);
    ck_assert_uint_eq(side->jobs[0].ref.assignment->epoch, 2);
    TURN_UNTIL(&stage, came_again);
    ck_assert_uint_eq(side->counts.in_flight, 100);
    side_finish_all(side);
    stage_leave(&stage);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), 100);
    stage_close(&stage);
}
END_TEST

static bool revoked_ones_are_lost(struct stage *s)
{
    return s->sides[0].lost >= 2;
}

START_TEST(a_revoke_that_turns_into_a_loss_commits_nothing_more)
{
    open_and_share(&plain);
    struct side *side = &stage.sides[0];
    for (size_t i = side->n_jobs; i-- > 0;) {
        if (is_leaving(&side->jobs[i].ref) && side->jobs[i].ref.offset < 50)
            side_finish(side, i);
    }
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
    rd_kafka_mock_push_request_errors(stage.cluster, API_COMMIT, 1, err);
    TURN_UNTIL(&stage, revoked_ones_are_lost);
    ck_assert_uint_eq(side->revoked, 2);
    for (int p = 0; p < 4; p++)
        ck_assert_int_eq(stage_committed(&stage, p, NULL), -1);
    side_forget_jobs(side);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

static bool kept_ones_are_lost(struct stage *s)
{
    return s->sides[0].lost >= 4;
}

static bool first_has_joined_again(struct stage *s)
{
    const struct side *side = &s->sides[0];
    return side->counts.joined && side->counts.assigned == 2 && s->sides[1].counts.assigned == 2 && side->runnings >= 6;
}

/* What is not being revoked librdkafka claims to have when it joins again, though another may have had it in between. */
START_TEST(who_was_given_up_while_it_handed_over_loses_what_it_kept_and_claims_nothing)
{
    open_and_share(&plain);
    struct side *side = &stage.sides[0];
    side_finish_all(side);
    rd_kafka_mock_push_request_errors(stage.cluster, API_COMMIT, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    TURN_UNTIL(&stage, kept_ones_are_lost);
    ck_assert(!side->counts.joined);
    ck_assert_uint_eq(side->counts.assigned, 0);
    side_forget_jobs(side);
    TURN_UNTIL(&stage, first_has_joined_again);
    ck_assert_uint_eq(side->lost, 4);
    side_forget_jobs(side);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

/* Nothing is to be committed that could be refused: its heartbeat is. */
START_TEST(who_hears_that_it_was_given_up_while_it_hands_over_waits_for_no_run)
{
    open_and_share(&(struct side_wish){.handover_ms = 3600000});
    struct side *side = &stage.sides[0];
    rd_kafka_mock_push_request_errors(stage.cluster, API_HEARTBEAT, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    TURN_UNTIL(&stage, kept_ones_are_lost);
    ck_assert(!side->counts.joined);
    side_forget_jobs(side);
    TURN_UNTIL(&stage, first_has_joined_again);
    ck_assert_uint_eq(side->lost, 4);
    side_forget_jobs(side);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

static bool second_has_joined(struct stage *s)
{
    return s->sides[1].counts.joined;
}

static bool second_has_taken_over(struct stage *s)
{
    return s->sides[1].delivered == 3;
}

START_TEST(who_leaves_commits_what_is_done_and_the_next_runs_the_rest)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.commit_interval_ms = 3600000});
    TURN_UNTIL(&stage, hundred_delivered);
    side_open(&stage, 1, &plain);
    TURN_UNTIL(&stage, second_has_joined);
    /* One of the two has it, whichever. */
    ck_assert_uint_eq(stage.sides[0].counts.assigned + stage.sides[1].counts.assigned, 1);
    ck_assert_uint_eq(stage.sides[0].counts.assigned, 1);
    while (side->n_jobs > 3)
        side_finish(side, 1);
    consumer_begin_close(side->consumer, clock_mono_ms());
    TURN_UNTIL(&stage, second_has_taken_over);
    ck_assert_int_eq(stage.seen[0][0], 2);
    ck_assert_int_eq(stage.seen[0][1], 1);
    ck_assert_int_eq(stage.seen[0][98], 2);
    ck_assert_int_eq(stage.seen[0][99], 2);
    side_finish_all(&stage.sides[1]);
    stage_leave(&stage);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), 100);
    stage_close(&stage);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("rebalance");
    TCase *tcase = tcase_create("rebalance");
    tcase_set_timeout(tcase, 280);
    tcase_add_test(tcase, revoked_partitions_wait_for_their_runs_while_the_others_go_on);
    tcase_add_test(tcase, revoked_partitions_wait_for_what_is_written_for_them);
    tcase_add_test(tcase, what_is_not_finished_in_the_hand_over_time_goes_to_the_next_owner);
    tcase_add_test(tcase, a_lost_assignment_commits_nothing);
    tcase_add_test(tcase, a_revoke_that_turns_into_a_loss_commits_nothing_more);
    tcase_add_test(tcase, who_was_given_up_while_it_handed_over_loses_what_it_kept_and_claims_nothing);
    tcase_add_test(tcase, who_hears_that_it_was_given_up_while_it_hands_over_waits_for_no_run);
    tcase_add_test(tcase, who_leaves_commits_what_is_done_and_the_next_runs_the_rest);
    suite_add_tcase(suite, tcase);
    return suite;
}
