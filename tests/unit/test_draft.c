/* What a dead letter, a reply, and a result bear of their input's headers: byte for byte what librdkafka makes of a copy of
 * them from which some are removed. */
#include "support/check_main.h"

#include "core/draft.h"
#include "engine/awake.h"
#include "engine/trace_context.h"
#include "support/job_stage.h"

#include <stdlib.h>
#include <string.h>

static struct assignment assignment = {.topic = "in", .partition = 3};
static const struct settle_config config = {.worker_id = "w-1", .results_topic = "results", .dead_letter_topic = "dead"};
static struct rxp_invocation invocation = {.invocation_id = "inv-1", .runtime_name = "builder"};

static void add(rd_kafka_headers_t *headers, const char *name, const char *value)
{
    ck_assert_int_eq(rd_kafka_header_add(headers, name, -1, value, -1), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* Those that mean something, in any order, twice or more, with null, empty, and binary values. */
static rd_kafka_headers_t *some_headers(void)
{
    static const char *const names[] = {
        "rxp-invocation-id", "rxp-status", "content-type", "rxp-source-topic", "rxp-source-partition", "rxp-source-offset",
        "rxp-error-code", "rxp-error-summary", "kafka_replyTopic", "kafka_replyPartition", "rxp-reply-topic", "__TypeId__",
        "__ContentTypeId__", "__KeyTypeId__", "kafka_correlationId", "X-Correlation-ID", "traceparent", "tracestate", "a", "",
    };
    static const char *const values[] = {"", "\0\1\2\xff", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};
    static const ssize_t bytes[] = {0, 4, 55};
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    for (int n = rand() % 12; n > 0; n--) {
        int kind = rand() % 4;
        rd_kafka_header_add(headers, names[(size_t)rand() % (sizeof names / sizeof *names)], -1,
                            kind < 3 ? values[kind] : NULL, kind < 3 ? bytes[kind] : 0);
    }
    return headers;
}

static void remove_all(rd_kafka_headers_t *headers, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rd_kafka_header_remove(headers, names[i]);
}

/* In another way than draft.c's. */
static rd_kafka_headers_t *expected(const struct job *job, const rd_kafka_headers_t *input, enum job_stage stage)
{
    static const char *const own[] = {"rxp-invocation-id", "rxp-status", "content-type"};
    static const char *const of_dead_letter[] = {"rxp-source-topic", "rxp-source-partition", "rxp-source-offset",
                                                 "rxp-error-code", "rxp-error-summary"};
    static const char *const of_place[] = {"in", "3", "4711", "invalid_json", "not JSON"};
    bool is_shed = job->shed >= ANSWER_SHED_HEADERS;
    rd_kafka_headers_t *headers = is_shed && stage != JOB_REPLY ? rd_kafka_headers_new(1) : rd_kafka_headers_copy(input);
    for (size_t i = 0; is_shed;) {
        const char *name;
        const void *value;
        size_t bytes;
        if (rd_kafka_header_get_all(headers, i, &name, &value, &bytes) != RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        if (reply_is_correlation(name)) {
            i++;
            continue;
        }
        char *removed = strdup(name); /* what is removed is gone with the first of its name */
        rd_kafka_header_remove(headers, removed);
        free(removed);
        i = 0;
    }
    if (stage == JOB_DEAD_LETTER) {
        remove_all(headers, of_dead_letter, 5);
        for (size_t i = 0; i < 5; i++)
            add(headers, of_dead_letter[i], of_place[i]);
        return headers;
    }
    size_t n_dropped;
    const char *const *dropped = reply_dropped_headers(&n_dropped);
    remove_all(headers, dropped, stage == JOB_REPLY ? n_dropped : 0);
    remove_all(headers, own, 3);
    if (job->run.awake->trace != NULL && !is_shed) {
        rd_kafka_header_remove(headers, "traceparent");
        add(headers, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    }
    add(headers, own[0], "inv-1");
    add(headers, own[1], "rejected");
    add(headers, own[2], "application/json");
    return headers;
}

static void must_be_same(const rd_kafka_headers_t *a, const rd_kafka_headers_t *b)
{
    for (size_t i = 0;; i++) {
        const char *name[2];
        const void *value[2];
        size_t bytes[2];
        rd_kafka_resp_err_t end = rd_kafka_header_get_all(a, i, &name[0], &value[0], &bytes[0]);
        ck_assert_int_eq(rd_kafka_header_get_all(b, i, &name[1], &value[1], &bytes[1]), end);
        if (end != RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        ck_assert_str_eq(name[0], name[1]);
        ck_assert_uint_eq(bytes[0], bytes[1]);
        ck_assert((value[0] == NULL) == (value[1] == NULL));
        ck_assert(value[0] == NULL || memcmp(value[0], value[1], bytes[0]) == 0);
    }
}

static void compose(struct job *job, const rd_kafka_headers_t *input, const void *key, size_t key_bytes)
{
    static const enum job_stage stages[] = {JOB_DEAD_LETTER, JOB_REPLY, JOB_RESULT};
    struct draft draft;
    for (size_t i = 0; i < 3; i++) {
        for (int shed = ANSWER_WHOLE; shed <= ANSWER_SHED_IDENTITY; shed++) {
            job->shed = (enum answer_shed)shed;
            stage_envelope(job, key, key_bytes, input);
            ck_assert_int_eq(draft_compose(&draft, job, &config, stages[i]), 0);
            rd_kafka_headers_t *wanted = expected(job, input, stages[i]);
            must_be_same(draft.message.headers, wanted);
            bool is_by_id = stages[i] == JOB_RESULT && (key == NULL || shed == ANSWER_SHED_IDENTITY);
            const char *wanted_key = is_by_id ? "inv-1" : key;
            ck_assert((draft.message.key == NULL) == (wanted_key == NULL));
            ck_assert_uint_eq(draft.message.key_bytes, is_by_id ? 5 : key_bytes);
            ck_assert(wanted_key == NULL || memcmp(draft.message.key, wanted_key, draft.message.key_bytes) == 0);
            rd_kafka_headers_destroy(wanted);
            draft_release(&draft, false);
        }
    }
}

START_TEST(a_message_bears_its_inputs_key_and_headers_as_they_came)
{
    static const char state[] = "vendor=1";
    struct trace_context *trace = calloc(1, sizeof *trace + sizeof state);
    strcpy(trace->trace_id, "0af7651916cd43dd8448eb211c80319c");
    strcpy(trace->span_id, "b7ad6b7169203331");
    trace->flags = 1;
    srand((unsigned)_i);
    for (int round = 0; round < 200; round++) {
        struct job *job = stage_job();
        rd_kafka_headers_t *input = some_headers();
        assignment.holders = 1;
        job->ref = (struct ref){assignment_hold(&assignment), 4711};
        ck_assert_ptr_nonnull(awake_new(&job->run));
        job->run.awake->invocation = &invocation;
        job->run.awake->outcome = (struct outcome){
            .status = RXP_STATUS_REJECTED, .error = RXP_ERROR_INVALID_JSON, .summary = strdup("not JSON")};
        job->run.awake->trace = rand() % 2 == 0 ? trace : NULL;
        static const char *const keys[] = {NULL, "", "k\0y"};
        static const size_t key_bytes[] = {0, 0, 3};
        int key = rand() % 3;
        compose(job, input, keys[key], key_bytes[key]);
        rd_kafka_headers_destroy(input);
        job->run.awake->trace = NULL; /* the job would free it */
        job_free(job);
    }
    trace_context_free(trace);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("draft");
    TCase *tcase = tcase_create("draft");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_message_bears_its_inputs_key_and_headers_as_they_came, 0, 5);
    suite_add_tcase(suite, tcase);
    return suite;
}
