#include "support/consumer_stage.h"

static struct stage stage;

static const struct side_wish plain = {0};

#define ROWS(table) (int)(sizeof(table) / sizeof *(table))

static bool all_hundred_delivered(struct stage *s)
{
    return s->sides[0].delivered == 100;
}

static const rd_kafka_resp_err_t passing_errors[] = {
    RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
    RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
    RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
    RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE,
};

static int64_t wanted_commit;

static bool is_committed(struct stage *s)
{
    return stage_committed(s, 0, NULL) == wanted_commit;
}

START_TEST(a_commit_that_fails_for_a_while_is_made_again)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &plain);
    TURN_UNTIL(&stage, all_hundred_delivered);
    for (int i = 0; i < ROWS(passing_errors); i++) {
        rd_kafka_resp_err_t err = passing_errors[i];
        rd_kafka_mock_push_request_errors(stage.cluster, API_COMMIT, 2, err, err);
        side_finish(side, 0);
        wanted_commit = i + 1;
        TURN_UNTIL(&stage, is_committed);
    }
    ck_assert_uint_eq(side->fatal, 0);
    ck_assert_uint_eq(side->lost, 0);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

static bool forty_committed(struct stage *s)
{
    return stage_committed(s, 0, NULL) == 40;
}

START_TEST(a_broker_that_refuses_the_metadata_gets_the_bare_offset)
{
    char metadata[8192];
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    /* So long an interval that the bare commit must come by itself. */
    struct side *side = side_open(&stage, 0, &(struct side_wish){.commit_interval_ms = 3600000});
    TURN_UNTIL(&stage, all_hundred_delivered);
    for (int64_t offset = 0; offset < 100; offset += offset == 39 ? 2 : 1)
        ck_assert(side_finish_offset(side, 0, offset));
    rd_kafka_mock_push_request_errors(stage.cluster, API_COMMIT, 1, RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE);
    stage_leave(&stage);
    ck_assert(forty_committed(&stage));
    stage_committed(&stage, 0, metadata);
    ck_assert_str_eq(metadata, "");
    stage_close(&stage);
}
END_TEST

static bool is_fatal(struct stage *s)
{
    side_finish_all(&s->sides[0]);
    return s->sides[0].fatal > 0;
}

static const struct {
    int16_t api;
    rd_kafka_resp_err_t err;
    const char *words;
} fatal_errors[] = {
    {API_COMMIT, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "READ on the group"},
    {API_COMMIT, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "READ and DESCRIBE"},
    {API_JOIN, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "READ on the group"},
    {API_JOIN, RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL, "cooperative-sticky"},
    {API_OFFSET_FETCH, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "READ on the group"},
};

START_TEST(an_error_that_no_waiting_mends_is_fatal_and_names_the_way_out)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &plain);
    rd_kafka_resp_err_t err = fatal_errors[_i].err;
    rd_kafka_mock_push_request_errors(stage.cluster, fatal_errors[_i].api, 4, err, err, err, err);
    TURN_UNTIL(&stage, is_fatal);
    ck_assert_msg(strstr(side->reason, fatal_errors[_i].words) != NULL, "%s", side->reason);
    ck_assert_uint_eq(side->fatal, 1);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

static bool first_ten_delivered(struct stage *s)
{
    return s->sides[0].delivered >= 10;
}

START_TEST(committed_offsets_that_cannot_be_read_are_asked_for_again)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 30, 20);
    stage_commit(&stage, 0, 20, NULL);
    struct side *side = side_open(&stage, 0, &plain);
    rd_kafka_mock_push_request_errors(stage.cluster, API_OFFSET_FETCH, 3, RD_KAFKA_RESP_ERR_UNKNOWN,
                                      RD_KAFKA_RESP_ERR_UNKNOWN, RD_KAFKA_RESP_ERR_UNKNOWN);
    TURN_UNTIL(&stage, first_ten_delivered);
    ck_assert_uint_eq(side->delivered, 10);
    ck_assert_int_eq(stage.seen[0][19], 0);
    ck_assert_int_eq(stage.seen[0][20], 1);
    side_finish_all(side);
    stage_leave(&stage);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), 30);
    stage_close(&stage);
}
END_TEST

START_TEST(metadata_that_cannot_be_read_counts_as_nothing_done)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 30, 20);
    stage_commit(&stage, 0, 20, "somebody else's words");
    struct side *side = side_open(&stage, 0, &plain);
    TURN_UNTIL(&stage, first_ten_delivered);
    side_finish_all(side);
    stage_leave(&stage);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), 30);
    stage_close(&stage);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("commit");
    TCase *tcase = tcase_create("commit");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_commit_that_fails_for_a_while_is_made_again);
    tcase_add_test(tcase, a_broker_that_refuses_the_metadata_gets_the_bare_offset);
    tcase_add_loop_test(tcase, an_error_that_no_waiting_mends_is_fatal_and_names_the_way_out, 0, ROWS(fatal_errors));
    tcase_add_test(tcase, committed_offsets_that_cannot_be_read_are_asked_for_again);
    tcase_add_test(tcase, metadata_that_cannot_be_read_counts_as_nothing_done);
    suite_add_tcase(suite, tcase);
    return suite;
}
