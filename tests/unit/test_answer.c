#include "support/check_main.h"

#include "core/answer.h"
#include "core/intake.h"
#include "engine/awake.h"
#include "protocol/json.h"
#include "protocol/result.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGE(metadata)                                                                                              \
    "{\"invocation_id\":\"inv-1\",\"runtime_name\":\"builder\",\"runtime_kind\":\"http_async\","                       \
    "\"working_directory\":\"/\",\"command\":[\"x\"],\"metadata\":{" metadata "}}"

static const struct answer_source source = {"in", 3, 4711};

struct scene {
    struct rxp_invocation *invocation;
    struct run run;
    struct answer_context context;
    char *text;
    size_t bytes;
    struct rxp_result *result;
};

static void scene_init(struct scene *scene, const char *message)
{
    struct rxp_refusal why;
    memset(scene, 0, sizeof *scene);
    run_init(&scene->run);
    ck_assert_ptr_nonnull(awake_new(&scene->run));
    rxp_invocation_parse(message, strlen(message), 1 << 20, &scene->invocation, &why);
    scene->run.awake->invocation = scene->invocation;
    scene->run.started_at_ms = 1000;
    scene->run.awake->outcome = (struct outcome){.status = RXP_STATUS_SUCCEEDED,
                                          .has_exit_code = true,
                                          .finished_at_ms = 2500};
    scene->context = (struct answer_context){.worker_id = "w-1", .source = source};
}

static void scene_answer(struct scene *scene)
{
    struct rxp_refusal why;
    rxp_result_free(scene->result);
    free(scene->text);
    scene->text = answer_write(&scene->run, &scene->context, &scene->bytes);
    ck_assert_ptr_nonnull(scene->text);
    ck_assert_msg(rxp_result_parse(scene->text, scene->bytes, &scene->result, &why) == 0, "%s in %s", why.text,
                  scene->text);
}

static void scene_deinit(struct scene *scene)
{
    rxp_result_free(scene->result);
    free(scene->text);
    run_deinit(&scene->run);
    rxp_invocation_free(scene->invocation);
}

static const char *value_of(const struct scene *scene, const char *key)
{
    const char *found = NULL;
    for (size_t i = 0; i < scene->result->n_metadata; i++) {
        if (strcmp(scene->result->metadata[i].key, key) == 0) {
            ck_assert_msg(found == NULL, "key %s occurs twice", key);
            found = scene->result->metadata[i].value;
        }
    }
    return found;
}

START_TEST(names_its_input_and_the_backends_last_words)
{
    struct scene scene;
    scene_init(&scene, MESSAGE("\"order\":\"4711\",\"http.url\":\"http://h/\""));
    scene.run.awake->run_id = strdup("9007199254740993");
    scene.run.awake->state = strdup("completed");
    scene.run.awake->result = strdup("{\"n\":3.0}");
    scene.run.cycle.polls = 7;
    scene_answer(&scene);
    ck_assert_str_eq(scene.result->invocation_id, "inv-1");
    ck_assert_str_eq(scene.result->runtime_name, "builder");
    ck_assert_int_eq(scene.result->kind, RXP_KIND_HTTP_ASYNC);
    ck_assert_int_eq(scene.result->status, RXP_STATUS_SUCCEEDED);
    ck_assert(scene.result->has_exit_code);
    ck_assert_int_eq(scene.result->exit_code, 0);
    ck_assert_int_eq(scene.result->started_at_ms, 1000);
    ck_assert_int_eq(scene.result->finished_at_ms, 2500);
    ck_assert_str_eq(value_of(&scene, "order"), "4711");
    ck_assert_ptr_null(value_of(&scene, "http.url"));
    ck_assert_str_eq(value_of(&scene, "http.run_id"), "9007199254740993");
    ck_assert_str_eq(value_of(&scene, "http.status"), "completed");
    ck_assert_str_eq(value_of(&scene, "http.polls"), "7");
    ck_assert_str_eq(value_of(&scene, "http.result"), "{\"n\":3.0}");
    ck_assert_str_eq(value_of(&scene, "worker.id"), "w-1");
    ck_assert_str_eq(value_of(&scene, "source.topic"), "in");
    ck_assert_str_eq(value_of(&scene, "source.partition"), "3");
    ck_assert_str_eq(value_of(&scene, "source.offset"), "4711");
    ck_assert_ptr_null(value_of(&scene, "error.code"));
    ck_assert_ptr_null(value_of(&scene, "rxp.shed"));
    ck_assert_ptr_null(value_of(&scene, "http.result_truncated"));
    scene_deinit(&scene);
}
END_TEST

START_TEST(own_keys_win_over_those_of_the_message)
{
    struct scene scene;
    scene_init(&scene, MESSAGE("\"worker.id\":\"forged\",\"source.offset\":\"1\",\"error.code\":\"none\","
                               "\"resumed\":\"true\",\"kept\":\"yes\""));
    scene_answer(&scene);
    ck_assert_str_eq(value_of(&scene, "worker.id"), "w-1");
    ck_assert_str_eq(value_of(&scene, "source.offset"), "4711");
    ck_assert_ptr_null(value_of(&scene, "error.code"));
    ck_assert_ptr_null(value_of(&scene, "resumed"));
    ck_assert_str_eq(value_of(&scene, "kept"), "yes");
    scene_deinit(&scene);
}
END_TEST

START_TEST(echoes_sixteen_kibibytes_and_no_more)
{
    char message[40000];
    char big[15001];
    memset(big, 'b', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    snprintf(message, sizeof message, MESSAGE("\"a\":\"%s\",\"big\":\"%s\",\"small\":\"fits\""), big, big);
    struct scene scene;
    scene_init(&scene, message);
    scene_answer(&scene);
    ck_assert_ptr_nonnull(value_of(&scene, "a"));
    ck_assert_ptr_null(value_of(&scene, "big"));
    ck_assert_str_eq(value_of(&scene, "small"), "fits");
    scene_deinit(&scene);
}
END_TEST

START_TEST(an_unreadable_message_is_named_by_its_place)
{
    struct scene scene;
    scene_init(&scene, "{\"half\": ");
    struct rxp_refusal why = {RXP_ERROR_INVALID_JSON, "no JSON"};
    intake_reject(&scene.run, &why);
    scene_answer(&scene);
    ck_assert_str_eq(scene.result->invocation_id, "unreadable:in/3/4711");
    ck_assert_str_eq(scene.result->runtime_name, "unknown");
    ck_assert_int_eq(scene.result->kind, RXP_KIND_UNKNOWN);
    ck_assert_int_eq(scene.result->status, RXP_STATUS_REJECTED);
    ck_assert(!scene.result->has_exit_code);
    ck_assert_int_eq(scene.result->started_at_ms, scene.result->finished_at_ms);
    ck_assert_str_eq(scene.result->error_summary, "no JSON");
    ck_assert_str_eq(value_of(&scene, "error.code"), "invalid_json");
    scene.context.source.topic = NULL;
    scene_answer(&scene);
    ck_assert_str_eq(scene.result->invocation_id, "unreadable:stdin");
    ck_assert_ptr_null(value_of(&scene, "source.topic"));
    scene_deinit(&scene);
}
END_TEST

/* Each level leaves out what those before it do, and more. */
START_TEST(sheds_level_by_level)
{
    static const struct {
        enum answer_shed shed;
        bool dead_letter;
        bool result, echo, identity;
        const char *says;
    } rows[] = {
        {ANSWER_WHOLE, false, true, true, true, NULL},
        {ANSWER_WHOLE, true, true, true, true, "dead-letter"},
        {ANSWER_SHED_RESULT, false, false, true, true, "http.result"},
        {ANSWER_SHED_HEADERS, true, false, true, true, "http.result,headers,dead-letter"},
        {ANSWER_SHED_ECHO, false, false, false, true, "http.result,headers,metadata"},
        {ANSWER_SHED_IDENTITY, false, false, false, false, "http.result,headers,metadata,key,identity"},
    };
    char message[8192];
    char id[2001];
    memset(id, 'i', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    snprintf(message, sizeof message,
             "{\"invocation_id\":\"%s\",\"runtime_name\":\"%s\",\"runtime_kind\":\"http\",\"working_directory\":\"/\","
             "\"command\":[\"x\"],\"metadata\":{\"order\":\"1\"}}",
             id, id);
    struct scene scene;
    scene_init(&scene, message);
    scene.run.awake->result = strdup("[1]");
    scene.context.shed = rows[_i].shed;
    scene.context.dead_letter_shed = rows[_i].dead_letter;
    scene_answer(&scene);
    ck_assert_int_eq(value_of(&scene, "http.result") != NULL, rows[_i].result);
    ck_assert_int_eq(value_of(&scene, "http.result_truncated") != NULL, !rows[_i].result);
    ck_assert_int_eq(value_of(&scene, "order") != NULL, rows[_i].echo);
    ck_assert_str_eq(scene.result->invocation_id, rows[_i].identity ? id : "unreadable:in/3/4711");
    ck_assert_str_eq(scene.result->runtime_name, rows[_i].identity ? id : "unknown");
    if (rows[_i].says == NULL) {
        ck_assert_ptr_null(value_of(&scene, "rxp.shed"));
    } else {
        ck_assert_str_eq(value_of(&scene, "rxp.shed"), rows[_i].says);
    }
    scene_deinit(&scene);
}
END_TEST

START_TEST(a_short_identity_stays_at_the_last_level)
{
    struct scene scene;
    scene_init(&scene, MESSAGE(""));
    scene.context.shed = ANSWER_SHED_IDENTITY;
    scene_answer(&scene);
    ck_assert_str_eq(scene.result->invocation_id, "inv-1");
    ck_assert_str_eq(scene.result->runtime_name, "builder");
    scene_deinit(&scene);
}
END_TEST

static const struct {
    bool dead_letter;
    bool reply;
    bool partition;
    enum answer_shed shed;
    const char *says;
} left_out[] = {
    {false, true, false, ANSWER_WHOLE, "reply"},
    {false, false, true, ANSWER_WHOLE, "reply-partition"},
    {true, true, false, ANSWER_WHOLE, "dead-letter,reply"},
    {true, true, true, ANSWER_SHED_IDENTITY, "http.result,headers,metadata,key,identity,dead-letter,reply,reply-partition"},
};

START_TEST(names_a_reply_that_was_left_out)
{
    struct scene scene;
    scene_init(&scene, MESSAGE(""));
    scene.context.dead_letter_shed = left_out[_i].dead_letter;
    scene.context.reply_shed = left_out[_i].reply;
    scene.context.reply_partition_shed = left_out[_i].partition;
    scene.context.shed = left_out[_i].shed;
    scene_answer(&scene);
    ck_assert_str_eq(value_of(&scene, "rxp.shed"), left_out[_i].says);
    scene_deinit(&scene);
}
END_TEST

START_TEST(says_that_a_run_was_resumed)
{
    struct scene scene;
    scene_init(&scene, MESSAGE("\"resumed\":\"the message's own\""));
    scene_answer(&scene);
    ck_assert_ptr_null(value_of(&scene, "resumed"));
    scene.run.resumed = true;
    scene_answer(&scene);
    ck_assert_str_eq(value_of(&scene, "resumed"), "true");
    scene_deinit(&scene);
}
END_TEST

START_TEST(an_intent_without_a_checkpoint_is_a_failure_of_unknown_kickoff)
{
    struct scene scene;
    scene_init(&scene, MESSAGE(""));
    intake_unknown(&scene.run, 5000);
    scene_answer(&scene);
    ck_assert_int_eq(scene.result->status, RXP_STATUS_FAILED);
    ck_assert(!scene.result->has_exit_code);
    ck_assert_int_eq(scene.result->started_at_ms, 5000);
    ck_assert_int_gt(scene.result->finished_at_ms, 5000);
    ck_assert_str_eq(value_of(&scene, "error.code"), "kickoff_unknown");
    ck_assert_ptr_nonnull(strstr(scene.result->error_summary, "not known"));
    scene_deinit(&scene);
}
END_TEST

START_TEST(an_intent_of_a_clock_that_was_ahead_does_not_end_before_it_began)
{
    struct scene scene;
    scene_init(&scene, MESSAGE(""));
    intake_unknown(&scene.run, 9000000000000);
    scene_answer(&scene);
    ck_assert_int_eq(scene.result->finished_at_ms, 9000000000000);
    scene_deinit(&scene);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("answer");
    TCase *tcase = tcase_create("answer");
    tcase_add_test(tcase, names_its_input_and_the_backends_last_words);
    tcase_add_test(tcase, own_keys_win_over_those_of_the_message);
    tcase_add_test(tcase, echoes_sixteen_kibibytes_and_no_more);
    tcase_add_test(tcase, an_unreadable_message_is_named_by_its_place);
    tcase_add_loop_test(tcase, sheds_level_by_level, 0, 6);
    tcase_add_loop_test(tcase, names_a_reply_that_was_left_out, 0, 4);
    tcase_add_test(tcase, says_that_a_run_was_resumed);
    tcase_add_test(tcase, an_intent_without_a_checkpoint_is_a_failure_of_unknown_kickoff);
    tcase_add_test(tcase, an_intent_of_a_clock_that_was_ahead_does_not_end_before_it_began);
    tcase_add_test(tcase, a_short_identity_stays_at_the_last_level);
    suite_add_tcase(suite, tcase);
    return suite;
}
