/* Every error that a broker can answer, injected into every request of the consumer, once or three times in a row: the
 * consumer goes on, and commits all that is done, and no more, and never backwards; or it ends with a sentence that names the
 * cause. A sample of the pairs; with RXP_TEST_FULL all of them (tests/run.sh faults). */
#include "support/consumer_stage.h"
#include "support/error_codes.h"

static struct stage stage;

enum { API_METADATA = 3, API_FIND_COORDINATOR = 10, API_LEAVE = 13, API_LIST_OFFSETS = 2 };
enum { PARTITIONS = 2, FIRST = 30, LAST = 60, START = 10, HELD = 20, LOOK_EVERY_MS = 40, QUIET_MS = 700 };

enum { TIMES = 2 };

enum when { AT_START, AT_WORK, AT_END };

static const struct request {
    int16_t api; /* of METADATA: the topic has the error, for a while */
    const char *name;
    enum when when;
    bool only_its_own; /* does not end at errors that are none of the request's */
    rd_kafka_resp_err_t fatal[2];
} requests[] = {
    {API_FIND_COORDINATOR, "FindCoordinator", AT_START, false, {0}},
    {API_JOIN, "JoinGroup", AT_START, false, {0}},
    {API_SYNC, "SyncGroup", AT_START, true, {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID}},
    {API_OFFSET_FETCH, "OffsetFetch", AT_START, false, {0}},
    {API_LIST_OFFSETS, "ListOffsets", AT_START, false, {0}},
    {API_METADATA, "Metadata", AT_START, true, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED}},
    {API_METADATA, "Metadata", AT_WORK, true, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION}},
    {API_FETCH, "Fetch", AT_WORK, false, {0}},
    {API_HEARTBEAT, "Heartbeat", AT_WORK, true, {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID}},
    {API_COMMIT, "OffsetCommit", AT_WORK, false, {0}},
    {API_COMMIT, "OffsetCommit", AT_END, false, {0}},
    {API_LEAVE, "LeaveGroup", AT_END, true, {0}},
};
enum { REQUESTS = sizeof requests / sizeof *requests, PAIRS = REQUESTS * ERROR_CODES * TIMES };

/* ---- what is to come of it ---- */

/* Where one of these is told, whatever the request, it ends. */
static const struct {
    rd_kafka_resp_err_t err;
    const char *says;
} fatal_errors[] = {
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "set invocations-topics"},
    {RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL, "cooperative-sticky"},
    {RD_KAFKA_RESP_ERR_INVALID_GROUP_ID, "set group-id"},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "READ and DESCRIBE on the topic"},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "READ on the group"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, "the cluster action"},
    {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "group-instance-id"},
};

enum end {
    GOES_ON,
    FATAL,
    FATAL_OR_GOES_ON, /* librdkafka's own question may get the error, and asks again */
};

static const char *fatal_words(rd_kafka_resp_err_t err)
{
    for (size_t i = 0; i < sizeof fatal_errors / sizeof *fatal_errors; i++) {
        if (fatal_errors[i].err == err)
            return fatal_errors[i].says;
    }
    return NULL;
}

static enum end end_of(const struct request *request, rd_kafka_resp_err_t err)
{
    if (request->only_its_own)
        return err == request->fatal[0] || err == request->fatal[1] ? FATAL : GOES_ON;
    if (fatal_words(err) == NULL)
        return GOES_ON;
    return request->api == API_LIST_OFFSETS ? FATAL_OR_GOES_ON : FATAL;
}

/* ---- the work ---- */

static bool done[PARTITIONS][LAST];
static int64_t seen_commit[PARTITIONS];
static int64_t look_ms;
static bool is_blind; /* who looks would be given the error */
static bool holds_back;

/* All but one are finished at once; those of assignments that end are let go. */
static void work(struct side *side)
{
    for (size_t i = side->n_jobs; i-- > 0;) {
        struct ref *ref = &side->jobs[i].ref;
        int partition = ref->assignment->partition;
        if (tenure_read(&ref->assignment->tenure) != TENURE_HELD) {
            assignment_release(ref->assignment);
            side->jobs[i] = side->jobs[--side->n_jobs];
        } else if (!holds_back || partition != 0 || ref->offset != HELD) {
            done[partition][ref->offset] = true;
            consumer_done(side->consumer, ref, NULL, 0);
            assignment_release(ref->assignment);
            side->jobs[i] = side->jobs[--side->n_jobs];
        }
    }
}

static void look(struct stage *s)
{
    if (is_blind || clock_mono_ms() < look_ms)
        return;
    look_ms = clock_mono_ms() + LOOK_EVERY_MS;
    for (int p = 0; p < PARTITIONS; p++) {
        int64_t committed = stage_committed(s, p, NULL);
        int64_t may_be = p == 0 ? START : 0;
        while (may_be < LAST && done[p][may_be])
            may_be++;
        ck_assert_msg(committed >= seen_commit[p], "[%d]: %d is committed after %d", p, (int)committed, (int)seen_commit[p]);
        ck_assert_msg(committed <= may_be, "[%d]: %d is committed, %d is not done", p, (int)committed, (int)may_be);
        seen_commit[p] = committed;
    }
}

static bool all_came(const struct stage *s, int end)
{
    for (int p = 0; p < PARTITIONS; p++) {
        for (int offset = p == 0 ? START : 0; offset < end; offset++) {
            if (s->seen[p][offset] == 0)
                return false;
        }
    }
    return true;
}

static bool is_fatal(struct stage *s)
{
    return s->sides[0].fatal > 0;
}

static int64_t quiet_until_ms;

static bool quiet_is_over(struct stage *s)
{
    work(&s->sides[0]);
    look(s);
    return is_fatal(s) || clock_mono_ms() >= quiet_until_ms;
}

static void go_on_for(int64_t ms)
{
    quiet_until_ms = clock_mono_ms() + ms;
    TURN_UNTIL(&stage, quiet_is_over);
}

static bool first_came(struct stage *s)
{
    work(&s->sides[0]);
    look(s);
    return is_fatal(s) || all_came(s, FIRST);
}

static bool all_is_committed_but_one(struct stage *s)
{
    work(&s->sides[0]);
    look(s);
    return is_fatal(s) || (all_came(s, LAST) && seen_commit[0] == HELD && seen_commit[1] == LAST);
}

/* ---- the pairs ---- */

static void inject(const struct request *request, rd_kafka_resp_err_t err, int times)
{
    rd_kafka_resp_err_t errs[] = {err, err, err};
    is_blind = request->api == API_OFFSET_FETCH || request->api == API_FIND_COORDINATOR;
    if (request->api == API_METADATA)
        rd_kafka_mock_topic_set_error(stage.cluster, STAGE_TOPIC, err);
    else
        rd_kafka_mock_push_request_errors_array(stage.cluster, request->api, (size_t)times, errs);
}

/* The mock does not tell when it has given out an error: so it is given some time. */
static void let_it_come(const struct request *request, int times)
{
    if (request->api == API_METADATA) {
        go_on_for(QUIET_MS * times);
        rd_kafka_mock_topic_set_error(stage.cluster, STAGE_TOPIC, RD_KAFKA_RESP_ERR_NO_ERROR);
    } else if (request->when == AT_WORK) {
        go_on_for(QUIET_MS);
    }
}

static void go_through(const struct request *request, rd_kafka_resp_err_t err, int times)
{
    if (request->when == AT_START)
        inject(request, err, times);
    struct side *side = side_open(&stage, 0, &(struct side_wish){.restores = times > 1});
    if (request->when == AT_START)
        let_it_come(request, times);
    TURN_UNTIL(&stage, first_came);
    rd_kafka_mock_clear_request_errors(stage.cluster, request->api);
    is_blind = false;
    if (side->fatal > 0)
        return;
    if (request->when == AT_WORK) {
        inject(request, err, times);
        let_it_come(request, times);
    }
    stage_fill(&stage, PARTITIONS, LAST - FIRST, 20);
    TURN_UNTIL(&stage, all_is_committed_but_one);
    holds_back = false;
    work(side);
    if (request->when == AT_END)
        inject(request, err, times);
}

static void judge(const struct request *request, rd_kafka_resp_err_t err)
{
    const struct side *side = &stage.sides[0];
    enum end end = end_of(request, err);
    ck_assert(side->fatal == 0 || end == FATAL || end == FATAL_OR_GOES_ON);
    ck_assert(side->fatal == 1 || end != FATAL);
    if (side->fatal > 0)
        ck_assert_ptr_nonnull(strstr(side->reason, fatal_words(err)));
    if (side->fatal > 0)
        return;
    ck_assert(all_came(&stage, LAST));
    /* Who is out of the group can't commit at its end: the next worker runs again what is not in it. */
    bool is_evicted = request->when == AT_END && request->api == API_COMMIT &&
                      (err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || err == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
    ck_assert_int_eq(seen_commit[0], is_evicted ? HELD : LAST);
    ck_assert_int_eq(seen_commit[1], LAST);
}

static int pair_number(int i);

START_TEST(each_error_of_each_request_is_borne_or_named)
{
    int pair = pair_number(_i);
    const struct request *request = &requests[pair / TIMES / ERROR_CODES];
    rd_kafka_resp_err_t err = error_code_at(pair / TIMES % ERROR_CODES);
    int times = pair % TIMES == 0 ? 1 : 3;
    int64_t begin_ms = clock_mono_ms();
    holds_back = true;
    seen_commit[1] = -1;
    stage_open(&stage);
    stage_make_topic(&stage, PARTITIONS);
    stage_fill(&stage, PARTITIONS, FIRST, 20);
    stage_commit(&stage, 0, START, NULL);
    printf("%s %s x %d: ", request->name, rd_kafka_err2name(err), times);
    fflush(stdout);
    go_through(request, err, times);
    struct side *side = &stage.sides[0];
    consumer_begin_close(side->consumer, clock_mono_ms());
    TURN_UNTIL(&stage, side_is_closed);
    rd_kafka_mock_clear_request_errors(stage.cluster, request->api);
    look_ms = 0;
    look(&stage);
    printf("%s, %zu lost, %zu revoked, %d and %d committed, %d ms%s%s\n", side->fatal > 0 ? "it ends" : "it goes on",
           side->lost, side->revoked, (int)seen_commit[0], (int)seen_commit[1], (int)(clock_mono_ms() - begin_ms),
           side->fatal > 0 ? ": " : "", side->reason);
    fflush(stdout);
    judge(request, err);
    stage_close(&stage);
}
END_TEST

/* ---- which ---- */

static const struct {
    int request; /* of `requests` */
    rd_kafka_resp_err_t err;
    int times;
} sample[] = {
    {0, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, 3},
    {0, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1},
    {1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, 3},
    {1, RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED, 3},
    {1, RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL, 1},
    {2, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, 1},
    {2, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, 1},
    {3, RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, 3},
    {3, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, 3},
    {3, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1},
    {4, RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE, 3},
    {5, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, 1},
    {6, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, 1},
    {7, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 3},
    {7, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, 1},
    {7, RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH, 3},
    {7, RD_KAFKA_RESP_ERR_UNKNOWN, 3},
    {8, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, 3},
    {8, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, 1},
    {9, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, 3},
    {9, RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE, 1},
    {9, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, 3},
    {10, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, 1},
    {10, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, 3},
    {11, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, 1},
    {11, LATER_ERROR_CODE, 1},
};

static bool is_full(void)
{
    return getenv("RXP_TEST_FULL") != NULL;
}

static int pair_number(int i)
{
    if (is_full())
        return i;
    return (sample[i].request * ERROR_CODES + error_code_place(sample[i].err)) * TIMES + (sample[i].times == 3);
}

Suite *test_suite(void)
{
    Suite *suite = suite_create("consumer_errors");
    TCase *tcase = tcase_create("consumer_errors");
    tcase_set_timeout(tcase, 200);
    tcase_add_loop_test(tcase, each_error_of_each_request_is_borne_or_named, 0,
                        is_full() ? (int)PAIRS : (int)(sizeof sample / sizeof *sample));
    suite_add_tcase(suite, tcase);
    return suite;
}
