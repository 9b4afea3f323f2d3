#include "kafka/tracker.h"
#include "ops/metrics.h"
#include "kafka/consumer_inside.h"
#include "support/consumer_stage.h"

static struct stage stage;

static const struct side_wish plain = {0};

struct seen {
    struct consumer_view view[STAGE_PARTITIONS];
    size_t n;
    unsigned cells; /* the sum of four */
};

static void see(const struct consumer_view *view, void *opaque)
{
    struct seen *seen = opaque;
    uint8_t cells[4] = {0};
    ck_assert_str_eq(view->topic, STAGE_TOPIC);
    ck_assert_int_lt(view->partition, STAGE_PARTITIONS);
    seen->view[view->partition] = *view;
    seen->n++;
    ck_assert_int_eq(view->is_read, view->tracker != NULL);
    if (view->tracker != NULL)
        tracker_cells(view->tracker, cells, 4);
    for (size_t i = 0; i < 4; i++)
        seen->cells += cells[i];
}

static struct seen look(const struct side *side, int64_t now_ms)
{
    struct seen seen = {.n = 0};
    consumer_each_partition(side->consumer, now_ms, see, &seen);
    return seen;
}

static bool hundred_delivered(struct stage *s)
{
    return s->sides[0].delivered == 100;
}

static bool two_assigned(struct stage *s)
{
    return s->sides[0].assigns == 2;
}

static bool committed_ten(struct stage *s)
{
    return look(&s->sides[0], 0).view[0].committed == 10;
}

START_TEST(tells_of_each_partition_where_it_stands)
{
    stage_open(&stage);
    stage_make_topic(&stage, 2);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.keeps_back = true});
    ck_assert_uint_eq(look(side, 0).n, 0);
    TURN_UNTIL(&stage, two_assigned);
    struct seen seen = look(side, 0);
    ck_assert_uint_eq(seen.n, 2);
    ck_assert_int_eq(seen.view[0].state, VIEW_RESTORING);
    ck_assert_uint_eq(seen.view[0].pauses, 0); /* its state says it */
    stage_close(&stage);
}
END_TEST

START_TEST(tells_how_far_a_partition_is)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &plain);
    TURN_UNTIL(&stage, hundred_delivered);
    int64_t now_ms = clock_mono_ms();
    struct seen seen = look(side, now_ms + 60000);
    ck_assert_int_eq(seen.view[0].state, VIEW_RUNNING);
    ck_assert_int_eq(seen.view[0].committed, -1);
    ck_assert_int_eq(seen.view[0].frontier, 0);
    ck_assert_int_eq(seen.view[0].position, 100);
    ck_assert_uint_eq(seen.view[0].in_flight, 100);
    ck_assert_uint_eq(seen.view[0].span, 100);
    ck_assert_uint_eq(seen.cells, 1020);
    ck_assert_int_ge(seen.view[0].frontier_age_ms, 60000);
    ck_assert_int_lt(seen.view[0].frontier_age_ms, 60000 + STAGE_DEADLINE_MS);
    for (int64_t offset = 0; offset < 10; offset++)
        ck_assert(side_finish_offset(side, 0, offset));
    for (int64_t offset = 50; offset < 100; offset++)
        ck_assert(side_finish_offset(side, 0, offset));
    TURN_UNTIL(&stage, committed_ten);
    seen = look(side, now_ms);
    ck_assert_int_eq(seen.view[0].frontier, 10);
    ck_assert_uint_eq(seen.view[0].in_flight, 40);
    ck_assert_uint_eq(seen.view[0].span, 90);
    ck_assert_uint_eq(seen.view[0].done_beyond, 50);
    ck_assert_uint_eq(seen.view[0].done_ahead, 0);
    side_finish_all(side);
    seen = look(side, now_ms + 60000);
    ck_assert_int_eq(seen.view[0].frontier_age_ms, 0);
    ck_assert_uint_eq(seen.cells, 0);
    stage_close(&stage);
}
END_TEST

static bool is_running(struct stage *s)
{
    return s->sides[0].runnings == 1;
}

START_TEST(tells_what_a_map_says_of_offsets_to_come)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct tracker *tracker = tracker_new(10, NULL, 0);
    char map[OFFSET_MAP_TEXT_MAX + 1];
    for (int64_t offset = 10; offset < 40; offset++)
        ck_assert_int_eq(tracker_admit(tracker, offset), TRACKER_NEW);
    for (int64_t offset = 20; offset < 40; offset++)
        ck_assert(tracker_done(tracker, offset));
    ck_assert_int_gt(tracker_map(tracker, map, NULL), 0);
    tracker_free(tracker);
    stage_commit(&stage, 0, 10, map);
    struct side *side = side_open(&stage, 0, &plain);
    consumer_hold(side->consumer, true);
    TURN_UNTIL(&stage, is_running);
    struct seen seen = look(side, 0);
    ck_assert(seen.view[0].is_read);
    ck_assert_int_eq(seen.view[0].committed, 10);
    ck_assert_int_eq(seen.view[0].position, 10);
    ck_assert_uint_eq(seen.view[0].done_ahead, 20);
    ck_assert_uint_eq(seen.view[0].in_flight, 0);
    ck_assert_uint_eq(seen.view[0].pauses, VIEW_PAUSED_HOLD);
    stage_close(&stage);
}
END_TEST

START_TEST(tells_why_a_partition_is_paused)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &plain);
    TURN_UNTIL(&stage, hundred_delivered);
    struct assignment *assignment = side->jobs[0].ref.assignment;
    ck_assert_uint_eq(look(side, 0).view[0].pauses, 0);
    consumer_pause(side->consumer, assignment, true);
    ck_assert_uint_eq(look(side, 0).view[0].pauses, VIEW_PAUSED_ASKED);
    consumer_crowd(side->consumer, assignment, true);
    consumer_pause(side->consumer, assignment, false);
    ck_assert_uint_eq(look(side, 0).view[0].pauses, VIEW_PAUSED_CROWDED);
    consumer_hold(side->consumer, true);
    ck_assert_uint_eq(look(side, 0).view[0].pauses, VIEW_PAUSED_CROWDED | VIEW_PAUSED_HOLD);
    consumer_hold(side->consumer, false);
    consumer_crowd(side->consumer, assignment, false);
    ck_assert_uint_eq(look(side, 0).view[0].pauses, 0);
    consumer_stop_intake(side->consumer);
    ck_assert_uint_eq(look(side, 0).view[0].pauses, VIEW_PAUSED_HOLD);
    stage_close(&stage);
}
END_TEST

static bool window_is_full(struct stage *s)
{
    return (look(&s->sides[0], 0).view[0].pauses & VIEW_PAUSED_WINDOW) != 0;
}

START_TEST(what_waits_for_room_in_the_window_is_not_taken)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 39000, 20);
    struct side *side = side_open(&stage, 0, &plain);
    TURN_UNTIL(&stage, window_is_full);
    struct seen seen = look(side, 0);
    ck_assert_int_eq(seen.view[0].position, (int64_t)side->delivered);
    ck_assert_uint_lt(side->delivered, 39000);
    stage_close(&stage);
}
END_TEST

/* ---- trouble ---- */

static char trouble[256];

static void read_trouble(struct stage *s)
{
    consumer_read_trouble(s->sides[0].consumer, clock_mono_ms(), trouble, sizeof trouble);
}

static bool no_broker_is_told(struct stage *s)
{
    read_trouble(s);
    return strstr(trouble, "no broker reachable at ") != NULL;
}

static bool nothing_is_told(struct stage *s)
{
    read_trouble(s);
    return trouble[0] == '\0';
}

START_TEST(a_broker_that_is_away_is_told_until_one_answers)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &plain);
    TURN_UNTIL(&stage, hundred_delivered);
    TURN_UNTIL(&stage, nothing_is_told);
    ck_assert_int_gt(side->counts.broker_seen_ms, 0);
    int64_t before_ms = clock_mono_ms();
    ck_assert_int_le(side->counts.broker_seen_ms, before_ms);
    rd_kafka_mock_broker_set_down(stage.cluster, 1);
    TURN_UNTIL(&stage, no_broker_is_told);
    int64_t told_ms = clock_mono_ms();
    consumer_broker_answered(side->consumer, before_ms); /* before it went */
    ck_assert(no_broker_is_told(&stage));
    consumer_broker_answered(side->consumer, told_ms + 1);
    ck_assert(nothing_is_told(&stage));
    struct consumer_counts counts;
    consumer_read_counts(side->consumer, &counts);
    ck_assert_int_eq(counts.broker_seen_ms, told_ms + 1);
    stage_close(&stage);
}
END_TEST

/* Librdkafka tells the reason apart, sometimes later. */
START_TEST(an_answer_from_before_the_brokers_went_is_none_even_while_no_reason_is_known)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    struct consumer *consumer = side_open(&stage, 0, &plain)->consumer;
    TURN_UNTIL(&stage, nothing_is_told);
    trouble_error_callback(NULL, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "1/1 brokers are down", consumer);
    ck_assert(no_broker_is_told(&stage));
    consumer_broker_answered(consumer, consumer->now_ms - 1);
    ck_assert(no_broker_is_told(&stage));
    consumer_broker_answered(consumer, consumer->now_ms + 1);
    ck_assert(nothing_is_told(&stage));
    stage_close(&stage);
}
END_TEST

static bool commit_trouble_is_told(struct stage *s)
{
    read_trouble(s);
    return strstr(trouble, "in [0] offset 100 could not be committed: Broker: Coordinator load in progress") != NULL;
}

START_TEST(a_commit_that_fails_is_told_until_one_is_accepted)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &plain);
    TURN_UNTIL(&stage, hundred_delivered);
    rd_kafka_resp_err_t busy = RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
    rd_kafka_mock_push_request_errors(stage.cluster, API_COMMIT, 8, busy, busy, busy, busy, busy, busy, busy, busy);
    side_finish_all(side);
    TURN_UNTIL(&stage, commit_trouble_is_told);
    consumer_broker_answered(side->consumer, clock_mono_ms() + 1); /* that is not what it waits for */
    ck_assert(commit_trouble_is_told(&stage));
    TURN_UNTIL(&stage, nothing_is_told);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), 100);
    stage_close(&stage);
}
END_TEST

static bool missing_topic_is_told(struct stage *s)
{
    read_trouble(s);
    return strstr(trouble, "topic 'in' does not exist at ") != NULL;
}

START_TEST(a_topic_that_is_missing_is_told_until_it_is_there)
{
    stage_open(&stage);
    rd_kafka_mock_topic_set_error(stage.cluster, STAGE_TOPIC, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    side_open(&stage, 0, &plain);
    TURN_UNTIL(&stage, missing_topic_is_told);
    stage_close(&stage);
}
END_TEST

/* ---- counts ---- */

static struct metrics *metrics;

static bool hundred_committed(struct stage *s)
{
    return look(&s->sides[0], 0).view[0].committed == 100;
}

START_TEST(partitions_and_commits_are_counted)
{
    metrics = metrics_new(NULL, 0);
    stage_open(&stage);
    stage_make_topic(&stage, 3);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.shard = metrics_shard_new(metrics)});
    TURN_UNTIL(&stage, hundred_delivered);
    ck_assert_int_eq(metrics_read(metrics, METRIC_REBALANCES_TOTAL, METRIC_REBALANCE_ASSIGNED), 3);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_REBALANCES_TOTAL), 3);
    uint64_t changes = side->counts.changes;
    rd_kafka_resp_err_t busy = RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS; /* which librdkafka tries again itself */
    rd_kafka_mock_push_request_errors(stage.cluster, API_COMMIT, 8, busy, busy, busy, busy, busy, busy, busy, busy);
    side_finish_all(side);
    TURN_UNTIL(&stage, hundred_committed);
    ck_assert_int_eq(metrics_read(metrics, METRIC_COMMITS_TOTAL, METRIC_COMMIT_ACCEPTED), 1);
    ck_assert_int_ge(metrics_read(metrics, METRIC_COMMITS_TOTAL, METRIC_COMMIT_FAILED), 1);
    ck_assert_uint_eq(side->counts.changes, changes);
    stage_leave(&stage);
    ck_assert_int_eq(metrics_read(metrics, METRIC_REBALANCES_TOTAL, METRIC_REBALANCE_REVOKED), 3);
    ck_assert_int_eq(metrics_read(metrics, METRIC_REBALANCES_TOTAL, METRIC_REBALANCE_LOST), 0);
    stage_close(&stage);
    metrics_free(metrics);
}
END_TEST

static bool they_are_back(struct stage *s)
{
    return s->sides[0].lost == 3 && s->sides[0].counts.assigned == 3;
}

START_TEST(what_is_lost_is_counted_apart_from_what_is_revoked)
{
    metrics = metrics_new(NULL, 0);
    stage_open(&stage);
    stage_make_topic(&stage, 3);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.shard = metrics_shard_new(metrics)});
    TURN_UNTIL(&stage, hundred_delivered);
    rd_kafka_mock_push_request_errors(stage.cluster, API_HEARTBEAT, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    TURN_UNTIL(&stage, they_are_back);
    ck_assert_int_eq(metrics_read(metrics, METRIC_REBALANCES_TOTAL, METRIC_REBALANCE_LOST), 3);
    ck_assert_int_eq(metrics_read(metrics, METRIC_REBALANCES_TOTAL, METRIC_REBALANCE_REVOKED), 0);
    ck_assert_int_eq(metrics_read(metrics, METRIC_REBALANCES_TOTAL, METRIC_REBALANCE_ASSIGNED), 6);
    side_forget_jobs(side);
    stage_close(&stage);
    metrics_free(metrics);
}
END_TEST

static bool wants_commit(struct stage *s)
{
    return consumer_wants_commit(s->sides[0].consumer);
}

START_TEST(a_commit_of_which_one_partition_is_refused_is_counted_as_failed)
{
    metrics = metrics_new(NULL, 0);
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side =
        side_open(&stage, 0, &(struct side_wish){.shard = metrics_shard_new(metrics), .transactional = true});
    TURN_UNTIL(&stage, hundred_delivered);
    side_finish_all(side);
    TURN_UNTIL(&stage, wants_commit);
    for (int round = 0; round < 2; round++) {
        rd_kafka_topic_partition_list_t *offsets = consumer_take_offsets(side->consumer);
        ck_assert_int_eq(offsets->cnt, 1);
        offsets->elems[0].err = round == 0 ? RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS : RD_KAFKA_RESP_ERR_NO_ERROR;
        consumer_offsets_settled(side->consumer, offsets, RD_KAFKA_RESP_ERR_NO_ERROR);
        rd_kafka_topic_partition_list_destroy(offsets);
        ck_assert_int_eq(metrics_read(metrics, METRIC_COMMITS_TOTAL, METRIC_COMMIT_FAILED), 1);
        ck_assert_int_eq(metrics_read(metrics, METRIC_COMMITS_TOTAL, METRIC_COMMIT_ACCEPTED), round);
        if (round == 0)
            TURN_UNTIL(&stage, wants_commit);
    }
    stage_close(&stage);
    metrics_free(metrics);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("consumer_view");
    TCase *tcase = tcase_create("consumer_view");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, tells_of_each_partition_where_it_stands);
    tcase_add_test(tcase, tells_how_far_a_partition_is);
    tcase_add_test(tcase, tells_what_a_map_says_of_offsets_to_come);
    tcase_add_test(tcase, tells_why_a_partition_is_paused);
    tcase_add_test(tcase, what_waits_for_room_in_the_window_is_not_taken);
    tcase_add_test(tcase, a_broker_that_is_away_is_told_until_one_answers);
    tcase_add_test(tcase, an_answer_from_before_the_brokers_went_is_none_even_while_no_reason_is_known);
    tcase_add_test(tcase, a_commit_that_fails_is_told_until_one_is_accepted);
    tcase_add_test(tcase, a_topic_that_is_missing_is_told_until_it_is_there);
    tcase_add_test(tcase, partitions_and_commits_are_counted);
    tcase_add_test(tcase, what_is_lost_is_counted_apart_from_what_is_revoked);
    tcase_add_test(tcase, a_commit_of_which_one_partition_is_refused_is_counted_as_failed);
    suite_add_tcase(suite, tcase);
    return suite;
}
