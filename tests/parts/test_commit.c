#include "support/consumer_stage.h"

#include <dlfcn.h>

static struct stage stage;

/* As if the member had joined anew, with another id, just before its metadata is read. */
static bool has_become_another;

rd_kafka_consumer_group_metadata_t *rd_kafka_consumer_group_metadata(rd_kafka_t *rk)
{
    rd_kafka_consumer_group_metadata_t *(*real)(rd_kafka_t *);
    *(void **)&real = dlsym(RTLD_NEXT, "rd_kafka_consumer_group_metadata");
    return has_become_another ? rd_kafka_consumer_group_metadata_new_with_genid(STAGE_GROUP, 5, "another", NULL) : real(rk);
}

/* Commits that were asked for, and those of them that were for an assignment which librdkafka knew to be lost. */
static rd_kafka_t *committer;
static size_t n_asked;
static size_t n_asked_lost;

typedef void (*committed_fn)(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *offsets, void *opaque);

rd_kafka_resp_err_t rd_kafka_commit_queue(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *offsets,
                                          rd_kafka_queue_t *queue, committed_fn callback, void *opaque)
{
    rd_kafka_resp_err_t (*real)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *, rd_kafka_queue_t *,
                                committed_fn, void *);
    *(void **)&real = dlsym(RTLD_NEXT, "rd_kafka_commit_queue");
    committer = rk;
    n_asked++;
    n_asked_lost += rd_kafka_assignment_lost(rk) != 0;
    return real(rk, offsets, queue, callback, opaque);
}

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

static bool it_is_lost(struct stage *s)
{
    return s->sides[0].lost == 1;
}

static int64_t turns_end_ms;

static bool turns_are_over(struct stage *s)
{
    (void)s;
    return clock_mono_ms() >= turns_end_ms;
}

/* librdkafka knows it before its callback says it: no message is taken meanwhile, nor the callback. */
START_TEST(nothing_is_committed_for_what_is_lost_though_nobody_was_told_yet)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &plain);
    TURN_UNTIL(&stage, all_hundred_delivered);
    side_finish(side, 0);
    wanted_commit = 1;
    TURN_UNTIL(&stage, is_committed);
    rd_kafka_mock_push_request_errors(stage.cluster, API_HEARTBEAT, 1,
                                      _i == 0 ? RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION : RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    int64_t give_up_ms = clock_mono_ms() + STAGE_DEADLINE_MS;
    while (!rd_kafka_assignment_lost(committer) && clock_mono_ms() < give_up_ms)
        poll(NULL, 0, 5);
    ck_assert(rd_kafka_assignment_lost(committer));
    side_finish(side, 0);
    side->max_messages = 0;
    turns_end_ms = clock_mono_ms() + 500;
    TURN_UNTIL(&stage, turns_are_over);
    ck_assert_uint_gt(n_asked, 0);
    ck_assert_uint_eq(n_asked_lost, 0);
    side->max_messages = 1000;
    TURN_UNTIL(&stage, it_is_lost);
    side_forget_jobs(side);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

static bool first_ten_delivered(struct stage *s)
{
    return s->sides[0].delivered >= 10;
}

START_TEST(where_nothing_may_run_twice_a_broker_that_refuses_the_metadata_is_the_end)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.strict = true, .commit_interval_ms = 3600000});
    TURN_UNTIL(&stage, all_hundred_delivered);
    for (int64_t offset = 0; offset < 100; offset += offset == 39 ? 2 : 1)
        ck_assert(side_finish_offset(side, 0, offset));
    rd_kafka_mock_push_request_errors(stage.cluster, API_COMMIT, 1, RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE);
    stage_leave(&stage);
    ck_assert_uint_eq(side->fatal, 1);
    ck_assert_msg(strstr(side->reason, "raise the broker's offset.metadata.max.bytes to 4096") != NULL, "%s", side->reason);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), -1); /* not the bare offset */
    stage_close(&stage);
}
END_TEST

START_TEST(where_nothing_may_run_twice_metadata_of_somebody_else_is_the_end)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 30, 20);
    stage_commit(&stage, 0, 20, "somebody else's words");
    struct side *side = side_open(&stage, 0, &(struct side_wish){.strict = true});
    TURN_UNTIL(&stage, is_fatal);
    ck_assert_msg(strstr(side->reason, "--topic in:0 --reset-offsets --to-current --execute") != NULL, "%s", side->reason);
    ck_assert_uint_eq(side->delivered + side->runnings, 0);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

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

/* ---- tags ---- */

/* What came back of partition 0: how many tags, each once. */
static int told(const struct stage *s)
{
    int n = 0;
    for (int tag = 0; tag < STAGE_TAGS; tag++) {
        ck_assert_int_le(s->sides[0].told[0][tag], 1);
        n += s->sides[0].told[0][tag];
    }
    return n;
}

static int wanted_told;

static bool are_told(struct stage *s)
{
    return told(s) == wanted_told;
}

static struct side *open_with_a_hundred(const struct side_wish *wish)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    stage_fill(&stage, 1, 100, 20);
    struct side *side = side_open(&stage, 0, wish);
    TURN_UNTIL(&stage, all_hundred_delivered);
    return side;
}

START_TEST(tags_come_back_once_when_a_commit_of_theirs_is_accepted_and_not_before)
{
    struct side *side = open_with_a_hundred(&plain);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
    rd_kafka_mock_push_request_errors(stage.cluster, API_COMMIT, 3, err, err, err);
    side_finish_tagged(side, 0, 0, 2);
    side_finish_tagged(side, 0, 1, 1);
    side_finish_tagged(side, 0, 2, 0);
    side_finish_tagged(side, 0, 7, 2); /* by the map */
    wanted_commit = 3;
    TURN_UNTIL(&stage, is_committed);
    wanted_told = 5;
    TURN_UNTIL(&stage, are_told);
    ck_assert_uint_eq(side->told[0][7 + 64], 1);
    side_finish_tagged(side, 0, 3, 1);
    wanted_told = 6;
    TURN_UNTIL(&stage, are_told);
    /* Done before: a commit that says so must come first even so. */
    consumer_done(side->consumer, &(struct ref){side->jobs[0].ref.assignment, 3}, (uint64_t[]){3 + 64}, 1);
    wanted_told = 7;
    TURN_UNTIL(&stage, are_told);
    ck_assert_uint_eq(side->told[0][3 + 64], 1);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

START_TEST(tags_that_only_a_refused_map_covers_wait_for_the_frontier)
{
    struct side *side = open_with_a_hundred(&plain);
    rd_kafka_mock_push_request_errors(stage.cluster, API_COMMIT, 1, RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE);
    side_finish_tagged(side, 0, 0, 1);
    side_finish_tagged(side, 0, 2, 1);
    wanted_told = 1;
    TURN_UNTIL(&stage, are_told);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), 1);
    ck_assert_uint_eq(side->told[0][0], 1);
    side_finish_tagged(side, 0, 1, 1);
    wanted_told = 3;
    TURN_UNTIL(&stage, are_told);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), 3);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

START_TEST(the_last_commit_brings_tags_back_too_and_a_late_one_is_dropped)
{
    struct side *side = open_with_a_hundred(&(struct side_wish){.commit_interval_ms = 3600000});
    struct assignment *assignment = assignment_hold(side->jobs[0].ref.assignment);
    side_finish_tagged(side, 0, 0, 1);
    side_finish_tagged(side, 0, 5, 1);
    ck_assert_int_eq(told(&stage), 0);
    consumer_begin_close(side->consumer, clock_mono_ms());
    TURN_UNTIL(&stage, side_is_closed);
    ck_assert_int_eq(told(&stage), 2);
    ck_assert(!consumer_done(side->consumer, &(struct ref){assignment, 1}, (uint64_t[]){1}, 1));
    ck_assert(!consumer_is_done(side->consumer, &(struct ref){assignment, 1}));
    ck_assert_uint_eq(consumer_confirm(side->consumer, assignment), 0);
    consumer_pause(side->consumer, assignment, true);
    consumer_restored(side->consumer, assignment);
    assignment_release(assignment);
    stage_close(&stage);
}
END_TEST

/* ---- confirmations ---- */

static uint64_t wanted_ticket;

static bool is_confirmed(struct stage *s)
{
    return s->sides[0].confirmed >= wanted_ticket;
}

START_TEST(a_commit_is_confirmed_though_nothing_has_changed)
{
    struct side *side = open_with_a_hundred(&(struct side_wish){.commit_interval_ms = 3600000});
    struct assignment *assignment = side->jobs[0].ref.assignment;
    /* librdkafka repeats the one by itself (2.8 tells of the error all the same), and tells of the other. */
    rd_kafka_resp_err_t err = _i == 0 ? RD_KAFKA_RESP_ERR_NOT_COORDINATOR : RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE;
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), -1);
    rd_kafka_mock_push_request_errors(stage.cluster, API_COMMIT, 2, err, err);
    for (int i = 0; i < 3; i++) {
        wanted_ticket = consumer_confirm(side->consumer, assignment);
        ck_assert_uint_gt(wanted_ticket, side->confirmed);
        TURN_UNTIL(&stage, is_confirmed);
        ck_assert_uint_eq(side->confirmed, wanted_ticket);
        ck_assert_int_eq(stage_committed(&stage, 0, NULL), 0);
    }
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

/* ---- when it is due ---- */

enum { DUE_MS = 1000, NOT_SOON_MS = 2000000 };

static int64_t next_in_ms(struct side *side)
{
    int64_t next_ms = side_turn(side);
    return next_ms - clock_mono_ms();
}

static bool nothing_is_due(struct stage *s)
{
    return next_in_ms(&s->sides[0]) > NOT_SOON_MS;
}

/* Who sleeps until then misses no commit, and is not woken where there is none. */
START_TEST(a_turn_tells_when_the_next_commit_is_due)
{
    struct side *side = open_with_a_hundred(&(struct side_wish){.commit_interval_ms = 3600000});
    struct assignment *assignment = side->jobs[0].ref.assignment;
    wanted_ticket = consumer_confirm(side->consumer, assignment);
    ck_assert_int_le(next_in_ms(side), DUE_MS); /* it is being joined perhaps: then it is looked at again */
    TURN_UNTIL(&stage, is_confirmed);
    TURN_UNTIL(&stage, nothing_is_due);
    side_finish(side, 0);
    int64_t in_ms = next_in_ms(side);
    ck_assert_int_gt(in_ms, NOT_SOON_MS);
    ck_assert_int_le(in_ms, 3600000);
    stage_leave(&stage);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), 1);
    stage_close(&stage);
}
END_TEST

/* ---- with a producer's transactions ---- */

static bool wants_commit(struct stage *s)
{
    return consumer_wants_commit(s->sides[0].consumer);
}

static void settle(struct side *side, rd_kafka_topic_partition_list_t *offsets, rd_kafka_resp_err_t err)
{
    consumer_offsets_settled(side->consumer, offsets, err);
    rd_kafka_topic_partition_list_destroy(offsets);
}

START_TEST(a_transactional_consumer_leaves_its_commits_to_who_asks_for_them)
{
    struct side *side = open_with_a_hundred(&(struct side_wish){.transactional = true});
    ck_assert(!consumer_wants_commit(side->consumer));
    side_finish_tagged(side, 0, 0, 1);
    side_finish_tagged(side, 0, 2, 1);
    TURN_UNTIL(&stage, wants_commit);
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), -1);
    rd_kafka_consumer_group_metadata_t *metadata = consumer_group_metadata(side->consumer);
    ck_assert_ptr_nonnull(metadata);
    rd_kafka_consumer_group_metadata_destroy(metadata);

    rd_kafka_topic_partition_list_t *offsets = consumer_take_offsets(side->consumer);
    ck_assert_int_eq(offsets->cnt, 1);
    ck_assert_int_eq(offsets->elems[0].offset, 1);
    ck_assert_uint_gt(offsets->elems[0].metadata_size, 0);
    ck_assert(!consumer_wants_commit(side->consumer));
    ck_assert_ptr_null(consumer_take_offsets(side->consumer));
    settle(side, offsets, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
    ck_assert_int_eq(told(&stage), 0);

    TURN_UNTIL(&stage, wants_commit); /* again, as nothing of it was committed */
    side_finish_tagged(side, 0, 1, 1);
    uint64_t before = consumer_confirm(side->consumer, side->jobs[0].ref.assignment);
    offsets = consumer_take_offsets(side->consumer);
    ck_assert_int_eq(offsets->elems[0].offset, 3);
    side_finish_tagged(side, 0, 3, 1);
    uint64_t after = consumer_confirm(side->consumer, side->jobs[0].ref.assignment);
    ck_assert_uint_gt(after, before);
    settle(side, offsets, RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(told(&stage), 3);
    ck_assert_uint_eq(side->confirmed, before); /* not what was asked for once it was taken */

    offsets = consumer_take_offsets(side->consumer);
    ck_assert_int_eq(offsets->elems[0].offset, 4);
    settle(side, offsets, RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(told(&stage), 4);
    ck_assert_uint_eq(side->confirmed, after);
    ck_assert_ptr_null(consumer_take_offsets(side->consumer));
    ck_assert_int_eq(stage_committed(&stage, 0, NULL), -1);
    ck_assert_uint_eq(side->lost, 0);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

static bool second_has_joined(struct stage *s)
{
    return s->sides[1].counts.joined;
}

START_TEST(a_commit_that_outlasts_its_generation_confirms_nothing)
{
    struct side *side = open_with_a_hundred(&(struct side_wish){.transactional = true});
    uint64_t ticket = consumer_confirm(side->consumer, side->jobs[0].ref.assignment);
    side_finish_tagged(side, 0, 0, 1);
    rd_kafka_topic_partition_list_t *offsets = consumer_take_offsets(side->consumer);
    ck_assert_ptr_nonnull(offsets);
    side_open(&stage, 1, &plain);
    TURN_UNTIL(&stage, second_has_joined);
    ck_assert_uint_eq(side->counts.assigned, 1);
    settle(side, offsets, RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_uint_eq(side->confirmed, 0);
    ck_assert_int_eq(told(&stage), 1);
    TURN_UNTIL(&stage, wants_commit);
    offsets = consumer_take_offsets(side->consumer);
    ck_assert_ptr_nonnull(offsets);
    settle(side, offsets, RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_uint_eq(side->confirmed, ticket);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

static bool is_revoked(struct stage *s)
{
    return s->sides[0].revoked > 0;
}

START_TEST(a_refusal_for_an_older_generation_is_a_loss_only_where_it_was_taken_while_leaving)
{
    struct side *side = open_with_a_hundred(&(struct side_wish){.transactional = true});
    side_finish_tagged(side, 0, 0, 1);
    rd_kafka_topic_partition_list_t *offsets = consumer_take_offsets(side->consumer);
    if (_i == 1) {
        settle(side, offsets, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
        consumer_begin_close(side->consumer, clock_mono_ms());
        TURN_UNTIL(&stage, is_revoked);
        offsets = consumer_take_offsets(side->consumer);
    }
    ck_assert_ptr_nonnull(offsets);
    settle(side, offsets, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
    stage_leave(&stage);
    ck_assert_uint_eq(side->revoked, 1);
    ck_assert_int_eq((int)side->lost, _i);
    ck_assert_uint_eq(side->over, 1);
    stage_close(&stage);
}
END_TEST

START_TEST(who_is_no_member_has_no_group_metadata)
{
    stage_open(&stage);
    stage_make_topic(&stage, 1);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.transactional = true});
    ck_assert_ptr_null(consumer_group_metadata(side->consumer));
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

START_TEST(who_becomes_another_member_meanwhile_has_no_group_metadata)
{
    struct side *side = open_with_a_hundred(&(struct side_wish){.transactional = true});
    has_become_another = true;
    ck_assert_ptr_null(consumer_group_metadata(side->consumer));
    has_become_another = false;
    rd_kafka_consumer_group_metadata_t *metadata = consumer_group_metadata(side->consumer);
    ck_assert_ptr_nonnull(metadata);
    rd_kafka_consumer_group_metadata_destroy(metadata);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

START_TEST(offsets_that_no_answer_names_are_taken_again)
{
    struct side *side = open_with_a_hundred(&(struct side_wish){.transactional = true});
    side_finish_tagged(side, 0, 0, 1);
    rd_kafka_topic_partition_list_t *offsets = consumer_take_offsets(side->consumer);
    ck_assert_int_eq(offsets->cnt, 1);
    rd_kafka_topic_partition_list_destroy(offsets);
    consumer_offsets_settled(side->consumer, NULL, RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(told(&stage), 0);
    TURN_UNTIL(&stage, wants_commit);
    offsets = consumer_take_offsets(side->consumer);
    offsets->elems[0].err = RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT; /* its own error counts, too */
    settle(side, offsets, RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(told(&stage), 0);
    TURN_UNTIL(&stage, wants_commit);
    offsets = consumer_take_offsets(side->consumer);
    ck_assert_int_eq(offsets->elems[0].offset, 1);
    settle(side, offsets, RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(told(&stage), 1);
    stage_leave(&stage);
    stage_close(&stage);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("commit");
    TCase *tcase = tcase_create("commit");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_commit_that_fails_for_a_while_is_made_again);
    tcase_add_loop_test(tcase, nothing_is_committed_for_what_is_lost_though_nobody_was_told_yet, 0, 2);
    tcase_add_test(tcase, a_broker_that_refuses_the_metadata_gets_the_bare_offset);
    tcase_add_test(tcase, where_nothing_may_run_twice_a_broker_that_refuses_the_metadata_is_the_end);
    tcase_add_test(tcase, where_nothing_may_run_twice_metadata_of_somebody_else_is_the_end);
    tcase_add_loop_test(tcase, an_error_that_no_waiting_mends_is_fatal_and_names_the_way_out, 0, ROWS(fatal_errors));
    tcase_add_test(tcase, committed_offsets_that_cannot_be_read_are_asked_for_again);
    tcase_add_test(tcase, metadata_that_cannot_be_read_counts_as_nothing_done);
    tcase_add_test(tcase, tags_come_back_once_when_a_commit_of_theirs_is_accepted_and_not_before);
    tcase_add_test(tcase, tags_that_only_a_refused_map_covers_wait_for_the_frontier);
    tcase_add_test(tcase, the_last_commit_brings_tags_back_too_and_a_late_one_is_dropped);
    tcase_add_loop_test(tcase, a_commit_is_confirmed_though_nothing_has_changed, 0, 2);
    tcase_add_test(tcase, a_turn_tells_when_the_next_commit_is_due);
    tcase_add_test(tcase, a_transactional_consumer_leaves_its_commits_to_who_asks_for_them);
    tcase_add_test(tcase, a_commit_that_outlasts_its_generation_confirms_nothing);
    tcase_add_loop_test(tcase, a_refusal_for_an_older_generation_is_a_loss_only_where_it_was_taken_while_leaving, 0, 2);
    tcase_add_test(tcase, who_is_no_member_has_no_group_metadata);
    tcase_add_test(tcase, who_becomes_another_member_meanwhile_has_no_group_metadata);
    tcase_add_test(tcase, offsets_that_no_answer_names_are_taken_again);
    suite_add_tcase(suite, tcase);
    return suite;
}
