/* settle with a publisher that is played here: publisher_send is this file's, and keeps a copy of each message. */
#include "support/check_main.h"

#include "core/settle.h"
#include "engine/awake.h"
#include "protocol/result.h"
#include "support/job_stage.h"

#include <stdlib.h>
#include <string.h>

#define INVOCATION                                                                                                     \
    "{\"invocation_id\":\"inv-1\",\"runtime_name\":\"builder\",\"runtime_kind\":\"http_async\","                       \
    "\"working_directory\":\"/\",\"command\":[\"x\"],\"metadata\":{\"order\":\"77\"}}"
#define CORRELATION "\0\1\2\xff"

struct sent {
    char topic[64];
    int32_t partition;
    bool alone;
    bool optional;
    char key[32]; /* "-" where there is none */
    char *value;
    size_t value_bytes;
    rd_kafka_headers_t *headers;
};

#define SENT_MAX 32
static struct {
    struct sent sent[SENT_MAX];
    size_t n;
    /* What is said to the next ones, in turn; then PUBLISHER_SENT. */
    enum publisher_send answer[SENT_MAX];
    size_t answers;
    size_t answered;
} played;

static void keep(const struct publisher_message *message)
{
    ck_assert_uint_lt(played.n, SENT_MAX);
    struct sent *sent = &played.sent[played.n++];
    snprintf(sent->topic, sizeof sent->topic, "%s", message->topic);
    sent->partition = message->partition;
    sent->alone = message->alone;
    sent->optional = message->optional;
    snprintf(sent->key, sizeof sent->key, "%.*s", message->key != NULL ? (int)message->key_bytes : 1,
             message->key != NULL ? (const char *)message->key : "-");
    sent->value = malloc(message->value_bytes + 1);
    memcpy(sent->value, message->value, message->value_bytes);
    sent->value[message->value_bytes] = '\0';
    sent->value_bytes = message->value_bytes;
    sent->headers = rd_kafka_headers_copy(message->headers);
}

static enum publisher_send play(const struct publisher_message *message)
{
    keep(message);
    enum publisher_send answer = played.answered < played.answers ? played.answer[played.answered++] : PUBLISHER_SENT;
    if (answer == PUBLISHER_SENT) {
        rd_kafka_headers_destroy(message->headers);
    }
    return answer;
}

enum publisher_send publisher_send(struct publisher *publisher, const struct publisher_message *message, char *why,
                                   size_t why_bytes)
{
    ck_assert_ptr_null(publisher);
    snprintf(why, why_bytes, "as played");
    return play(message);
}

static enum publisher_send produce(const struct publisher_message *message, void *opaque)
{
    ck_assert_ptr_eq(opaque, &played);
    return play(message);
}

static void then(enum publisher_send answer)
{
    played.answer[played.answers++] = answer;
}

/* ---- the scene ---- */

static struct assignment assignment = {.topic = "in", .partition = 3};
static const char *const patterns[] = {"replies"};

struct scene {
    struct job *job;
    rd_kafka_headers_t *headers; /* of its message */
    struct settle_config config;
    struct fit fit;
};

static void header(struct scene *scene, const char *name, const void *value, ssize_t bytes)
{
    rd_kafka_header_add(scene->headers, name, -1, value, bytes);
    stage_envelope(scene->job, "key", 3, scene->headers);
}

static void scene_init(struct scene *scene)
{
    struct rxp_refusal why;
    memset(&played, 0, sizeof played);
    struct job *job = stage_job();
    ck_assert_ptr_nonnull(awake_new(&job->run));
    stage_value(job, "the raw input");
    ck_assert_int_eq(rxp_invocation_parse(INVOCATION, strlen(INVOCATION), 1 << 20, &job->run.awake->parsed, &why), 0);
    job->run.awake->invocation = job->run.awake->parsed;
    job->run.awake->outcome = (struct outcome){.status = RXP_STATUS_SUCCEEDED, .has_exit_code = true};
    job->run.awake->result = strdup("{\"large\":1}");
    assignment.holders = 1;
    job->ref = (struct ref){assignment_hold(&assignment), 4711};
    scene->job = job;
    scene->headers = rd_kafka_headers_new(8);
    fit_init(&scene->fit);
    scene->config = (struct settle_config){
        .worker_id = "w-1",
        .results_topic = "results",
        .dead_letter_topic = "dead",
        .reply = {.patterns = patterns, .n_patterns = 1, .results_topic = "results"},
    };
    header(scene, "trace", "t", -1);
}

static void ask_reply(struct scene *scene)
{
    header(scene, "kafka_correlationId", CORRELATION, 4);
    header(scene, "kafka_replyTopic", "replies", -1);
    header(scene, "kafka_replyPartition", "\0\0\0\2", 4);
}

static void reject(struct scene *scene)
{
    scene->job->run.awake->outcome = (struct outcome){.status = RXP_STATUS_REJECTED, .error = RXP_ERROR_INVALID_JSON};
    free(scene->job->run.awake->result);
    scene->job->run.awake->result = NULL;
}

static void scene_deinit(struct scene *scene)
{
    for (size_t i = 0; i < played.n; i++) {
        free(played.sent[i].value);
        rd_kafka_headers_destroy(played.sent[i].headers);
    }
    rd_kafka_headers_destroy(scene->headers);
    job_free(scene->job);
    ck_assert_uint_eq(assignment.holders, 1);
}

static enum settle_sent send_it(struct scene *scene)
{
    return settle_send(scene->job, NULL, &scene->config);
}

static enum settle_next deliver(struct scene *scene, enum delivery delivery)
{
    return settle_delivered(scene->job, delivery, &scene->config);
}

/* As flight does: delivered, and sent again. */
static void deliver_and_send(struct scene *scene, enum delivery delivery)
{
    ck_assert_int_eq(deliver(scene, delivery), SETTLE_AGAIN);
    ck_assert_int_eq(send_it(scene), SETTLE_SENT);
}

static const struct sent *last(void)
{
    ck_assert_uint_gt(played.n, 0);
    return &played.sent[played.n - 1];
}

static bool has_header(const struct sent *sent, const char *name, const void *value, size_t bytes)
{
    const void *found;
    size_t found_bytes;
    return rd_kafka_header_get_last(sent->headers, name, &found, &found_bytes) == RD_KAFKA_RESP_ERR_NO_ERROR &&
           found_bytes == bytes && memcmp(found, value, bytes) == 0;
}

static bool lacks_header(const struct sent *sent, const char *name)
{
    const void *found;
    size_t bytes;
    return rd_kafka_header_get_last(sent->headers, name, &found, &bytes) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* The value of a key of the result's metadata, in a room that the next call reuses; "" where it is not there. */
static const char *metadata(const struct sent *sent, const char *key)
{
    static char room[256];
    struct rxp_result *result = NULL;
    struct rxp_refusal why;
    ck_assert_msg(rxp_result_parse(sent->value, sent->value_bytes, &result, &why) == 0, "%s: %s", why.text, sent->value);
    room[0] = '\0';
    for (size_t i = 0; i < result->n_metadata; i++) {
        if (strcmp(result->metadata[i].key, key) == 0) {
            snprintf(room, sizeof room, "%s", result->metadata[i].value);
        }
    }
    rxp_result_free(result);
    return room;
}

/* ---- stages ---- */

START_TEST(a_result_goes_out_with_its_inputs_key_and_headers)
{
    struct scene scene;
    scene_init(&scene);
    ck_assert_int_eq(send_it(&scene), SETTLE_SENT);
    ck_assert_str_eq(last()->topic, "results");
    ck_assert_int_eq(last()->partition, -1);
    ck_assert_str_eq(last()->key, "key");
    ck_assert(!last()->alone && !last()->optional);
    ck_assert(has_header(last(), "trace", "t", 1));
    ck_assert(has_header(last(), "rxp-status", "succeeded", 9));
    ck_assert(has_header(last(), "rxp-invocation-id", "inv-1", 5));
    ck_assert(has_header(last(), "content-type", "application/json", 16));
    ck_assert_str_eq(metadata(last(), "rxp.shed"), "");
    ck_assert_int_eq(deliver(&scene, DELIVERY_ACKNOWLEDGED), SETTLE_DONE);
    scene_deinit(&scene);
}
END_TEST

START_TEST(a_reply_goes_before_the_result_and_is_the_same)
{
    struct scene scene;
    scene_init(&scene);
    ask_reply(&scene);
    header(&scene, "__TypeId__", "com.example.Request", -1);
    ck_assert_int_eq(send_it(&scene), SETTLE_SENT);
    deliver_and_send(&scene, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(played.n, 2);
    const struct sent *reply = &played.sent[0];
    ck_assert_str_eq(reply->topic, "replies");
    ck_assert_int_eq(reply->partition, 2);
    ck_assert(reply->optional);
    ck_assert_str_eq(reply->key, "key");
    ck_assert(has_header(reply, "kafka_correlationId", CORRELATION, 4));
    ck_assert(has_header(reply, "trace", "t", 1));
    ck_assert(has_header(reply, "rxp-status", "succeeded", 9));
    ck_assert(lacks_header(reply, "kafka_replyTopic"));
    ck_assert(lacks_header(reply, "kafka_replyPartition"));
    ck_assert(lacks_header(reply, "__TypeId__"));
    ck_assert_str_eq(reply->value, last()->value);
    ck_assert_str_eq(last()->topic, "results");
    ck_assert_int_eq(last()->partition, -1);
    ck_assert(!last()->optional);
    ck_assert(has_header(last(), "kafka_replyTopic", "replies", 7)); /* the result keeps all */
    ck_assert_int_eq(deliver(&scene, DELIVERY_ACKNOWLEDGED), SETTLE_DONE);
    scene_deinit(&scene);
}
END_TEST

START_TEST(a_reply_has_the_key_that_the_request_has)
{
    struct scene scene;
    scene_init(&scene);
    ask_reply(&scene);
    scene.config.key_by_id = true;
    send_it(&scene);
    ck_assert_str_eq(last()->key, "key");
    deliver_and_send(&scene, DELIVERY_ACKNOWLEDGED);
    ck_assert_str_eq(last()->key, "inv-1");
    scene_deinit(&scene);

    scene_init(&scene);
    ask_reply(&scene);
    stage_envelope(scene.job, NULL, 0, scene.headers);
    send_it(&scene);
    ck_assert_str_eq(last()->key, "-");
    deliver_and_send(&scene, DELIVERY_ACKNOWLEDGED);
    ck_assert_str_eq(last()->key, "inv-1");
    scene_deinit(&scene);
}
END_TEST

START_TEST(a_rejection_sends_its_dead_letter_its_reply_and_its_result)
{
    struct scene scene;
    scene_init(&scene);
    ask_reply(&scene);
    reject(&scene);
    send_it(&scene);
    ck_assert_str_eq(last()->topic, "dead");
    ck_assert_str_eq(last()->value, "the raw input");
    ck_assert(has_header(last(), "kafka_replyTopic", "replies", 7)); /* what is redriven asks again */
    ck_assert(has_header(last(), "rxp-error-code", "invalid_json", 12));
    deliver_and_send(&scene, DELIVERY_ACKNOWLEDGED);
    ck_assert_str_eq(last()->topic, "replies");
    ck_assert(has_header(last(), "rxp-status", "rejected", 8));
    deliver_and_send(&scene, DELIVERY_ACKNOWLEDGED);
    ck_assert_str_eq(last()->topic, "results");
    ck_assert_int_eq(deliver(&scene, DELIVERY_ACKNOWLEDGED), SETTLE_DONE);
    scene_deinit(&scene);
}
END_TEST

START_TEST(a_reply_that_may_not_be_sent_is_said_in_the_result)
{
    struct scene scene;
    scene_init(&scene);
    header(&scene, "rxp-reply-topic", "elsewhere", -1);
    send_it(&scene);
    ck_assert_str_eq(last()->topic, "results");
    ck_assert_str_eq(metadata(last(), "rxp.shed"), "reply");
    scene_deinit(&scene);
}
END_TEST

START_TEST(a_reply_whose_partition_cannot_be_read_goes_by_its_key)
{
    struct scene scene;
    scene_init(&scene);
    header(&scene, "kafka_replyTopic", "replies", -1);
    header(&scene, "kafka_replyPartition", "2", -1);
    send_it(&scene);
    ck_assert_str_eq(last()->topic, "replies");
    ck_assert_int_eq(last()->partition, -1);
    ck_assert_str_eq(metadata(last(), "rxp.shed"), "reply-partition");
    scene_deinit(&scene);
}
END_TEST

/* ---- shedding ---- */

START_TEST(a_reply_that_is_too_large_gets_smaller_and_then_is_left_out)
{
    struct scene scene;
    scene_init(&scene);
    ask_reply(&scene);
    header(&scene, "my-correlation", "c", -1);
    send_it(&scene);
    ck_assert(!last()->alone);
    deliver_and_send(&scene, DELIVERY_REFUSED);
    ck_assert(last()->alone);
    ck_assert_str_eq(settle_describe(scene.job), "in a batch of its own");
    ck_assert_str_ne(metadata(last(), "http.result"), "");
    deliver_and_send(&scene, DELIVERY_REFUSED);
    ck_assert_str_eq(settle_describe(scene.job), "without http.result");
    ck_assert_str_eq(metadata(last(), "http.result"), "");
    ck_assert_str_eq(metadata(last(), "rxp.shed"), "http.result");
    ck_assert(has_header(last(), "trace", "t", 1));
    deliver_and_send(&scene, DELIVERY_REFUSED);
    ck_assert_str_eq(settle_describe(scene.job), "without the input's headers");
    ck_assert(lacks_header(last(), "trace"));
    ck_assert(has_header(last(), "kafka_correlationId", CORRELATION, 4));
    ck_assert(has_header(last(), "my-correlation", "c", 1));
    ck_assert(has_header(last(), "rxp-status", "succeeded", 9));
    ck_assert_str_eq(last()->topic, "replies");
    deliver_and_send(&scene, DELIVERY_REFUSED);
    ck_assert_str_eq(settle_describe(scene.job), "without its reply");
    ck_assert_str_eq(last()->topic, "results");
    ck_assert(!last()->alone);
    ck_assert(has_header(last(), "trace", "t", 1));
    ck_assert_str_eq(metadata(last(), "http.result"), "{\"large\":1}");
    ck_assert_str_eq(metadata(last(), "rxp.shed"), "reply");
    ck_assert_int_eq(scene.job->reply_refusal, REPLY_TOO_LARGE);
    scene_deinit(&scene);
}
END_TEST

START_TEST(a_reply_that_was_taken_smaller_leaves_the_result_whole)
{
    struct scene scene;
    scene_init(&scene);
    ask_reply(&scene);
    send_it(&scene);
    for (int i = 0; i < 3; i++) {
        deliver_and_send(&scene, DELIVERY_REFUSED);
    }
    deliver_and_send(&scene, DELIVERY_ACKNOWLEDGED);
    ck_assert_str_eq(last()->topic, "results");
    ck_assert(!last()->alone);
    ck_assert(has_header(last(), "trace", "t", 1));
    ck_assert_str_eq(metadata(last(), "http.result"), "{\"large\":1}");
    ck_assert_str_eq(metadata(last(), "rxp.shed"), "");
    scene_deinit(&scene);
}
END_TEST

START_TEST(what_a_reply_does_not_have_is_not_tried_without)
{
    struct scene scene;
    scene_init(&scene);
    ask_reply(&scene);
    reject(&scene); /* no http.result */
    scene.config.dead_letter_topic = NULL;
    send_it(&scene);
    deliver_and_send(&scene, DELIVERY_REFUSED); /* alone */
    deliver_and_send(&scene, DELIVERY_REFUSED);
    ck_assert(lacks_header(last(), "trace"));
    deliver_and_send(&scene, DELIVERY_REFUSED);
    ck_assert_str_eq(last()->topic, "results");
    scene_deinit(&scene);
}
END_TEST

START_TEST(a_reply_that_has_no_place_is_left_out_at_once)
{
    struct scene scene;
    scene_init(&scene);
    ask_reply(&scene);
    send_it(&scene);
    deliver_and_send(&scene, DELIVERY_UNREACHABLE);
    ck_assert_str_eq(settle_describe(scene.job), "without its reply");
    ck_assert_str_eq(last()->topic, "results");
    ck_assert_str_eq(metadata(last(), "rxp.shed"), "reply");
    ck_assert_int_eq(scene.job->reply_refusal, REPLY_UNREACHABLE);
    scene_deinit(&scene);
}
END_TEST

START_TEST(what_is_refused_at_once_goes_on_at_once)
{
    struct scene scene;
    scene_init(&scene);
    ask_reply(&scene);
    then(PUBLISHER_UNREACHABLE);
    then(PUBLISHER_REFUSED);
    then(PUBLISHER_REFUSED);
    ck_assert_int_eq(send_it(&scene), SETTLE_SENT);
    ck_assert_uint_eq(played.n, 4); /* reply, result, alone, smaller */
    ck_assert_str_eq(last()->topic, "results");
    ck_assert(last()->alone);
    ck_assert_str_eq(metadata(last(), "rxp.shed"), "http.result,reply");
    scene_deinit(&scene);
}
END_TEST

START_TEST(a_full_queue_changes_nothing)
{
    struct scene scene;
    scene_init(&scene);
    ask_reply(&scene);
    then(PUBLISHER_FULL);
    ck_assert_int_eq(send_it(&scene), SETTLE_LATER);
    ck_assert_int_eq(send_it(&scene), SETTLE_SENT);
    ck_assert_str_eq(played.sent[0].value, played.sent[1].value);
    ck_assert_str_eq(last()->topic, "replies");
    ck_assert(!last()->alone);
    then(PUBLISHER_FATAL);
    ck_assert_int_eq(deliver(&scene, DELIVERY_ACKNOWLEDGED), SETTLE_AGAIN);
    ck_assert_int_eq(send_it(&scene), SETTLE_NEVER);
    scene_deinit(&scene);
}
END_TEST

START_TEST(a_result_is_refused_in_every_size_before_the_end)
{
    struct scene scene;
    scene_init(&scene);
    send_it(&scene);
    for (int i = 0; i < 5; i++) {
        deliver_and_send(&scene, DELIVERY_REFUSED);
    }
    ck_assert_str_eq(metadata(last(), "rxp.shed"), "http.result,headers,metadata,key,identity");
    ck_assert_str_eq(last()->key, "inv-1");
    ck_assert(lacks_header(last(), "trace"));
    ck_assert_int_eq(deliver(&scene, DELIVERY_REFUSED), SETTLE_UNSENDABLE);
    scene_deinit(&scene);
}
END_TEST

START_TEST(a_result_that_has_no_place_is_the_end)
{
    struct scene scene;
    scene_init(&scene);
    send_it(&scene);
    ck_assert_int_eq(deliver(&scene, DELIVERY_UNREACHABLE), SETTLE_UNSENDABLE);
    ck_assert_int_eq(deliver(&scene, DELIVERY_LOST), SETTLE_LOST);
    scene_deinit(&scene);
}
END_TEST

START_TEST(a_dead_letter_that_is_too_large_is_left_out)
{
    struct scene scene;
    scene_init(&scene);
    ask_reply(&scene);
    reject(&scene);
    send_it(&scene);
    deliver_and_send(&scene, DELIVERY_REFUSED);
    ck_assert_str_eq(last()->topic, "dead");
    ck_assert(last()->alone);
    deliver_and_send(&scene, DELIVERY_REFUSED);
    ck_assert_str_eq(settle_describe(scene.job), "without its dead letter");
    ck_assert_str_eq(last()->topic, "replies");
    ck_assert(!last()->alone);
    ck_assert_str_eq(metadata(last(), "rxp.shed"), "dead-letter");
    deliver_and_send(&scene, DELIVERY_ACKNOWLEDGED);
    ck_assert_str_eq(metadata(last(), "rxp.shed"), "dead-letter");
    scene_deinit(&scene);
}
END_TEST

/* ---- batches ---- */

static void batch_init(struct scene *scene)
{
    scene_init(scene);
    scene->config.batched = true;
}

static enum publisher_send produce_it(struct scene *scene)
{
    return settle_produce(scene->job, &scene->config, &scene->fit, produce, &played);
}

START_TEST(a_batched_job_is_ready_at_once_or_after_its_reply)
{
    struct scene scene;
    batch_init(&scene);
    scene.job->told_ms = 123456; /* where its size will stand */
    ck_assert_int_eq(send_it(&scene), SETTLE_READY);
    ck_assert_int_eq(scene.job->stage, JOB_READY);
    ck_assert_uint_eq(played.n, 0);
    ck_assert_uint_eq(scene.job->sent_bytes, 0);
    settle_measure(scene.job, &scene.config);
    ck_assert_uint_gt(scene.job->sent_bytes, 100);
    ck_assert_uint_lt(scene.job->sent_bytes, 1000);
    scene_deinit(&scene);

    batch_init(&scene);
    ask_reply(&scene);
    reject(&scene);
    ck_assert_int_eq(send_it(&scene), SETTLE_SENT);
    ck_assert_str_eq(last()->topic, "replies");
    ck_assert_int_eq(deliver(&scene, DELIVERY_ACKNOWLEDGED), SETTLE_AGAIN);
    ck_assert_int_eq(send_it(&scene), SETTLE_READY);
    ck_assert_uint_eq(played.n, 1);
    scene_deinit(&scene);

    batch_init(&scene);
    ask_reply(&scene);
    ck_assert_int_eq(send_it(&scene), SETTLE_SENT);
    ck_assert_int_eq(deliver(&scene, DELIVERY_UNREACHABLE), SETTLE_AGAIN);
    ck_assert_str_eq(settle_describe(scene.job), "without its reply");
    ck_assert_int_eq(send_it(&scene), SETTLE_READY);
    ck_assert_int_eq(produce_it(&scene), PUBLISHER_SENT);
    ck_assert_str_eq(metadata(last(), "rxp.shed"), "reply");
    scene_deinit(&scene);
}
END_TEST

START_TEST(a_batch_gets_the_dead_letter_and_the_result_and_again_after_an_abort)
{
    struct scene scene;
    batch_init(&scene);
    reject(&scene);
    ck_assert_int_eq(send_it(&scene), SETTLE_READY);
    for (size_t round = 0; round < 2; round++) {
        ck_assert_int_eq(produce_it(&scene), PUBLISHER_SENT);
        ck_assert_uint_eq(played.n, 2 * round + 2);
        ck_assert_str_eq(played.sent[2 * round].topic, "dead");
        ck_assert_str_eq(played.sent[2 * round].value, "the raw input");
        ck_assert_str_eq(last()->topic, "results");
        ck_assert(has_header(last(), "trace", "t", 1));
    }
    scene_deinit(&scene);
}
END_TEST

START_TEST(what_a_batch_refuses_goes_alone_then_without_its_dead_letter_then_smaller)
{
    struct scene scene;
    batch_init(&scene);
    reject(&scene);
    send_it(&scene);
    then(PUBLISHER_REFUSED);
    ck_assert_int_eq(produce_it(&scene), PUBLISHER_REFUSED);
    ck_assert_uint_eq(played.n, 2); /* the result was tried as well */
    ck_assert(settle_refused(scene.job));
    ck_assert(settle_refused(scene.job)); /* of both its messages: one step */
    ck_assert_str_eq(settle_describe(scene.job), "in a batch of its own");
    ck_assert_int_eq(produce_it(&scene), PUBLISHER_SENT);
    ck_assert_uint_eq(played.n, 4);
    ck_assert(played.sent[2].alone && played.sent[3].alone);
    ck_assert(settle_refused(scene.job));
    ck_assert_str_eq(settle_describe(scene.job), "without its dead letter");
    produce_it(&scene);
    ck_assert_uint_eq(played.n, 5);
    ck_assert_str_eq(last()->topic, "results");
    ck_assert_str_eq(metadata(last(), "rxp.shed"), "dead-letter");
    for (int i = 0; i < 4; i++) {
        ck_assert(settle_refused(scene.job));
        produce_it(&scene);
    }
    ck_assert_str_eq(metadata(last(), "rxp.shed"), "http.result,headers,metadata,key,identity,dead-letter");
    ck_assert(!settle_refused(scene.job));
    scene_deinit(&scene);
}
END_TEST

START_TEST(a_batch_that_cannot_go_on_is_not_gone_on_with)
{
    struct scene scene;
    batch_init(&scene);
    reject(&scene);
    send_it(&scene);
    then(PUBLISHER_FATAL);
    ck_assert_int_eq(produce_it(&scene), PUBLISHER_FATAL);
    ck_assert_uint_eq(played.n, 1);
    then(PUBLISHER_SENT);
    then(PUBLISHER_FULL);
    ck_assert_int_eq(produce_it(&scene), PUBLISHER_FULL);
    scene_deinit(&scene);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("settle");
    TCase *stages = tcase_create("stages");
    tcase_add_test(stages, a_result_goes_out_with_its_inputs_key_and_headers);
    tcase_add_test(stages, a_reply_goes_before_the_result_and_is_the_same);
    tcase_add_test(stages, a_reply_has_the_key_that_the_request_has);
    tcase_add_test(stages, a_rejection_sends_its_dead_letter_its_reply_and_its_result);
    tcase_add_test(stages, a_reply_that_may_not_be_sent_is_said_in_the_result);
    tcase_add_test(stages, a_reply_whose_partition_cannot_be_read_goes_by_its_key);
    suite_add_tcase(suite, stages);
    TCase *shedding = tcase_create("shedding");
    tcase_add_test(shedding, a_reply_that_is_too_large_gets_smaller_and_then_is_left_out);
    tcase_add_test(shedding, a_reply_that_was_taken_smaller_leaves_the_result_whole);
    tcase_add_test(shedding, what_a_reply_does_not_have_is_not_tried_without);
    tcase_add_test(shedding, a_reply_that_has_no_place_is_left_out_at_once);
    tcase_add_test(shedding, what_is_refused_at_once_goes_on_at_once);
    tcase_add_test(shedding, a_full_queue_changes_nothing);
    tcase_add_test(shedding, a_result_is_refused_in_every_size_before_the_end);
    tcase_add_test(shedding, a_result_that_has_no_place_is_the_end);
    tcase_add_test(shedding, a_dead_letter_that_is_too_large_is_left_out);
    suite_add_tcase(suite, shedding);
    TCase *batches = tcase_create("batches");
    tcase_add_test(batches, a_batched_job_is_ready_at_once_or_after_its_reply);
    tcase_add_test(batches, a_batch_gets_the_dead_letter_and_the_result_and_again_after_an_abort);
    tcase_add_test(batches, what_a_batch_refuses_goes_alone_then_without_its_dead_letter_then_smaller);
    tcase_add_test(batches, a_batch_that_cannot_go_on_is_not_gone_on_with);
    suite_add_tcase(suite, batches);
    return suite;
}
