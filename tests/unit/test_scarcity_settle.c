/* Results on their way out, as memory fails: a result that could not be made is not sent, does not count as sent, and goes, whole, as
 * soon as there is memory again. publisher_send is this file's. */
#include "support/check_main.h"
#include "support/job_stage.h"
#include "support/scarce.h"

#include "base/slabs.h"
#include "core/intake.h"
#include "core/settle.h"
#include "engine/awake.h"
#include "protocol/result.h"

#include <stdlib.h>
#include <string.h>

#define INVOCATION                                                                                                     \
    "{\"invocation_id\":\"inv-1\",\"runtime_name\":\"builder\",\"runtime_kind\":\"http_async\","                       \
    "\"working_directory\":\"/\",\"command\":[\"x\"],\"metadata\":{\"order\":\"77\"}}"

/* What was published: of values only how many bytes, and a copy of the last one. */
static struct {
    int n;
    size_t bytes;
    char topic[16];
    char value[2048];
} played;

static enum publisher_send play(const struct publisher_message *message)
{
    scarce_must(message->value_bytes < sizeof played.value);
    played.n++;
    played.bytes = message->value_bytes;
    memcpy(played.value, message->value, message->value_bytes);
    snprintf(played.topic, sizeof played.topic, "%s", message->topic);
    rd_kafka_headers_destroy(message->headers);
    return PUBLISHER_SENT;
}

enum publisher_send publisher_send(struct publisher *publisher, const struct publisher_message *message, char *why,
                                   size_t why_bytes)
{
    (void)publisher;
    snprintf(why, why_bytes, "as played");
    return play(message);
}

static enum publisher_send produce(const struct publisher_message *message, void *opaque)
{
    (void)opaque;
    return play(message);
}

static struct assignment assignment = {.topic = "in", .partition = 3};
static const char *const patterns[] = {"replies"};

static const struct settle_config config = {
    .worker_id = "w-1",
    .results_topic = "results",
    .dead_letter_topic = "dead",
    .reply = {.patterns = patterns, .n_patterns = 1, .results_topic = "results"},
};

static bool is_rejected;

static struct job *job_made(void)
{
    struct rxp_refusal why;
    struct job *job = stage_job();
    ck_assert_ptr_nonnull(awake_new(&job->run));
    stage_value(job, "the raw input");
    ck_assert_int_eq(rxp_invocation_parse(INVOCATION, strlen(INVOCATION), 1 << 20, &job->run.awake->parsed, &why), 0);
    job->run.awake->invocation = job->run.awake->parsed;
    job->run.awake->outcome = is_rejected ? (struct outcome){.status = RXP_STATUS_REJECTED, .error = RXP_ERROR_INVALID_JSON}
                                   : (struct outcome){.status = RXP_STATUS_SUCCEEDED, .has_exit_code = true};
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    rd_kafka_header_add(headers, "kafka_replyTopic", -1, "replies", -1);
    stage_envelope(job, "key", 3, headers);
    rd_kafka_headers_destroy(headers);
    assignment.holders = 1;
    job->ref = (struct ref){assignment_hold(&assignment), 4711};
    memset(&played, 0, sizeof played);
    return job;
}

static void must_be_result(void)
{
    struct rxp_refusal why;
    struct rxp_result *result = NULL;
    ck_assert_str_eq(played.topic, "results");
    ck_assert_msg(rxp_result_parse(played.value, played.bytes, &result, &why) == 0, "%s", why.text);
    ck_assert_str_eq(result->invocation_id, "inv-1");
    ck_assert_int_eq(result->status, is_rejected ? RXP_STATUS_REJECTED : RXP_STATUS_SUCCEEDED);
    for (size_t i = 0; i < result->n_metadata; i++)
        ck_assert_str_ne(result->metadata[i].key, "rxp.shed"); /* nothing is left out for want of memory */
    rxp_result_free(result);
}

/* Dead letter, reply and result, one after the other; what comes back for later goes once more, with memory. */
static void send_all(long n, long failures)
{
    struct job *job = job_made();
    enum settle_next next = SETTLE_AGAIN;
    int sent = 0;
    scarce_begin(n, failures);
    while (next == SETTLE_AGAIN) {
        enum settle_sent said = settle_send(job, NULL, &config);
        if (said == SETTLE_LATER) {
            scarce_must(played.n == sent); /* nothing went */
            scarce_must(scarce_end());
            said = settle_send(job, NULL, &config);
        }
        scarce_must(said == SETTLE_SENT && played.n == sent + 1);
        sent++;
        next = settle_delivered(job, DELIVERY_ACKNOWLEDGED, &config);
    }
    (void)scarce_end();
    ck_assert_int_eq(next, SETTLE_DONE);
    ck_assert_int_eq(sent, is_rejected ? 3 : 2);
    must_be_result();
    job_free(job);
    ck_assert_uint_eq(assignment.holders, 1);
}

/* A batch takes both or says that it is not whole. */
static void produce_batch(long n, long failures)
{
    struct settle_config batched = config;
    struct job *job = job_made();
    struct fit fit;
    batched.batched = true;
    fit_init(&fit);
    enum settle_sent said;
    while ((said = settle_send(job, NULL, &batched)) == SETTLE_SENT)
        ck_assert_int_eq(settle_delivered(job, DELIVERY_ACKNOWLEDGED, &batched), SETTLE_AGAIN);
    ck_assert_int_eq(said, SETTLE_READY);
    int replies = played.n;
    scarce_begin(n, failures);
    enum publisher_send produced = settle_produce(job, &batched, &fit, produce, NULL);
    bool failed = scarce_end();
    if (produced == PUBLISHER_SENT) {
        ck_assert_int_eq(played.n - replies, is_rejected ? 2 : 1);
    } else {
        ck_assert(failed);
        ck_assert_int_eq(produced, PUBLISHER_FULL);
        ck_assert_int_lt(played.n - replies, is_rejected ? 2 : 1);
        ck_assert_int_eq(settle_produce(job, &batched, &fit, produce, NULL), PUBLISHER_SENT);
    }
    must_be_result();
    job_free(job);
}

/* One that nothing is wrong with. */
#define VALID                                                                                                          \
    "{\"invocation_id\":\"inv-1\",\"runtime_name\":\"builder\",\"runtime_kind\":\"http_async\",\"working_directory\":\"/\","\
    "\"command\":[\"x\"],\"metadata\":{\"http.url\":\"http://h/{var.a}\",\"http.poll_url_template\":\"http://h/{run_id}\","     \
    "\"http.poll_run_id_path\":\"id\",\"http.poll_status_path\":\"s\",\"http.poll_terminal_states\":\"completed\","             \
    "\"http.header.A\":\"1\",\"var.a\":\"b\"}}"

static struct job *job_to_take_in(const char *value)
{
    struct job *job = job_made();
    rxp_invocation_free(job->run.awake->parsed);
    job->run.awake->parsed = NULL;
    job->run.awake->invocation = NULL;
    job->run.awake->outcome = (struct outcome){0};
    stage_value(job, value);
    return job;
}

static void must_be_as_before(const struct job *job, const char *value)
{
    ck_assert_int_eq(job->run.awake->outcome.status, 0);
    ck_assert_ptr_null(job->run.awake->outcome.summary);
    ck_assert(job->run.awake->invocation == NULL && job->run.awake->plan == NULL && job->run.awake->resume == NULL && job->run.awake->parsed == NULL);
    ck_assert(job->begin->value != NULL && job->value_bytes == strlen(value) && memcmp(job->begin->value, value, job->value_bytes) == 0);
}

/* What befell it before, if anything. */
static enum { FIRST_LIFE, ACCEPTED_BEFORE } life;

static void take_in_valid(long n, long failures)
{
    const struct intake_limits limits = {.max_message_bytes = 1 << 20};
    struct job *job = job_to_take_in(VALID);
    if (life == ACCEPTED_BEFORE) {
        job->begin->checkpoint = calloc(1, sizeof *job->begin->checkpoint);
        *job->begin->checkpoint = (struct checkpoint){.kind = CHECKPOINT_RUN, .invocation_id = "inv-1", .run_id = "r", .poll_url = "http://h/r"};
    }
    scarce_begin(n, failures);
    enum pool_prepared prepared = intake_prepare(job, &limits);
    bool failed = scarce_end();
    if (prepared == POOL_NOT_NOW) {
        ck_assert(failed);
        must_be_as_before(job, VALID);
        prepared = intake_prepare(job, &limits);
    }
    ck_assert_msg(prepared == POOL_PREPARED, "%s", job->run.awake->outcome.summary);
    ck_assert_int_eq(job->run.awake->outcome.status, 0);
    ck_assert_str_eq(job->run.awake->plan->kickoff.url, "http://h/b");
    ck_assert((job->run.awake->resume != NULL) == (life == ACCEPTED_BEFORE));
    ck_assert_ptr_null(job->begin->value); /* no dead letters here */
    job_free(job);
}

/* From the message's bytes to the outcome: it is rejected for what is wrong with it, and for nothing else. */
static void take_in(long n, long failures)
{
    const struct intake_limits limits = {.max_message_bytes = 1 << 20, .keep_value = true};
    struct job *job = job_to_take_in(INVOCATION);
    scarce_begin(n, failures);
    enum pool_prepared prepared = intake_prepare(job, &limits);
    (void)scarce_end();
    if (prepared == POOL_NOT_NOW) {
        must_be_as_before(job, INVOCATION);
        prepared = intake_prepare(job, &limits);
    }
    ck_assert_int_eq(prepared, POOL_REFUSED); /* it lacks its http.url */
    ck_assert_int_eq(job->run.awake->outcome.status, RXP_STATUS_REJECTED);
    ck_assert_int_eq(job->run.awake->outcome.error, RXP_ERROR_MISSING_METADATA);
    ck_assert_int_eq(settle_send(job, NULL, &config), SETTLE_SENT);
    ck_assert_str_eq(played.topic, "dead");
    ck_assert(played.bytes == strlen(INVOCATION) && memcmp(played.value, INVOCATION, played.bytes) == 0);
    job_free(job);
}

/* The message is this file's, and librdkafka must not look for what stands around its own. */
int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *message, rd_kafka_timestamp_type_t *type)
{
    (void)message;
    (void)type;
    return 1;
}

rd_kafka_resp_err_t rd_kafka_message_headers(const rd_kafka_message_t *message, rd_kafka_headers_t **headers)
{
    (void)message;
    (void)headers;
    return RD_KAFKA_RESP_ERR__NOENT;
}

static void copy_message(long n, long failures)
{
    static char payload[] = INVOCATION;
    static char key[] = "key";
    static const struct job_tags no_tags;
    const rd_kafka_message_t message = {.payload = payload, .len = sizeof payload - 1, .key = key, .key_len = 3, .offset = 7};
    assignment.holders = 1;
    scarce_begin(n, failures);
    struct slabs *slabs = slabs_new();
    struct job *job = slabs != NULL ? job_new(slabs, &assignment, &message, &no_tags, true) : NULL;
    bool failed = scarce_end();
    ck_assert(failed == (job == NULL));
    if (job != NULL) {
        size_t key_bytes;
        const void *copied = envelope_key(job_envelope(job), &key_bytes);
        ck_assert(job->value_bytes == message.len && memcmp(job->begin->value, payload, message.len) == 0);
        ck_assert(key_bytes == 3 && memcmp(copied, key, 3) == 0);
    }
    job_free(job);
    slabs_release(slabs);
    ck_assert_uint_eq(assignment.holders, 1);
}

START_TEST(what_could_not_be_made_is_not_sent_and_goes_later)
{
    is_rejected = _i == 1;
    ck_assert_int_gt(scarce_try(send_all), 0);
}
END_TEST

START_TEST(a_batch_that_lacks_a_message_says_so)
{
    is_rejected = _i == 1;
    ck_assert_int_gt(scarce_try(produce_batch), 0);
}
END_TEST

START_TEST(an_input_is_rejected_for_nothing_but_what_is_wrong_with_it)
{
    ck_assert_int_gt(scarce_try(take_in), 0);
}
END_TEST

START_TEST(a_valid_input_is_never_rejected)
{
    life = _i == 1 ? ACCEPTED_BEFORE : FIRST_LIFE;
    ck_assert_int_gt(scarce_try(take_in_valid), 0);
}
END_TEST

START_TEST(a_message_is_copied_whole_or_not_at_all)
{
    ck_assert_int_gt(scarce_try(copy_message), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("scarcity_settle");
    TCase *tcase = tcase_create("settle");
    tcase_add_loop_test(tcase, what_could_not_be_made_is_not_sent_and_goes_later, 0, 2);
    tcase_add_loop_test(tcase, a_batch_that_lacks_a_message_says_so, 0, 2);
    tcase_add_test(tcase, an_input_is_rejected_for_nothing_but_what_is_wrong_with_it);
    tcase_add_loop_test(tcase, a_valid_input_is_never_rejected, 0, 2);
    tcase_add_test(tcase, a_message_is_copied_whole_or_not_at_all);
    suite_add_tcase(suite, tcase);
    return suite;
}
