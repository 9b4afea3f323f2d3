/* What is pure, as memory fails: whole or not at all, and never a word that is not so. */
#include "support/check_main.h"
#include "support/scarce.h"

#include "core/answer.h"
#include "core/checkpoint.h"
#include "core/intake.h"
#include "engine/awake.h"
#include "engine/egress.h"
#include "engine/secrets.h"
#include "engine/verdict.h"
#include "protocol/http_plan.h"
#include "protocol/packed.h"
#include "protocol/result.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every key that needs memory. */
static const char message[] =
    "{\"invocation_id\":\"order/17\",\"runtime_name\":\"archon\",\"runtime_kind\":\"http_async\",\"working_directory\":\"/\","
    "\"command\":[\"x\",\"y\"],\"environment\":{\"A\":\"b\"},\"timeout_seconds\":60,\"metadata\":{"
    "\"http.prepare_url\":\"http://h/c\",\"http.prepare_body\":\"{\\\"for\\\":\\\"{invocation_id}\\\"}\",\"http.prepare_id_path\":\"id\","
    "\"http.url\":\"http://h/{var.flow}/run\",\"http.body\":\"{\\\"c\\\":\\\"{prepared_id}\\\",\\\"w\\\":\\\"{var.who}\\\"}\","
    "\"var.flow\":\"assist me\",\"var.who\":\"a \\\"b\\\"\",\"http.header.X-Key\":\"k\",\"http.kickoff_accept_codes\":\"200,201\","
    "\"http.poll_url_template\":\"http://h/by/{prepared_id}\",\"http.late_run_id_path\":\"run.id\","
    "\"http.poll_status_path\":\"run.status\",\"http.poll_terminal_states\":\"completed,failed\",\"http.poll_pending_codes\":\"404\","
    "\"http.result_url_template\":\"http://h/runs/{run_id}\",\"http.result_path\":\"events\",\"http.result_states\":\"*\","
    "\"http.after_url_template\":\"http://h/{run_id}/abandon\",\"http.after_states\":\"failed\",\"http.poll_error_path\":\"e,f\","
    "\"http.cancel_url_template\":\"http://h/{run_id}/cancel\",\"order\":\"4711\"}}";

static const struct rxp_defaults defaults = {
    .name = "archon.json",
    .metadata = (const struct rxp_pair[]){{"http.header.X-Op", "o"}, {"http.poll_interval_seconds", "3"}},
    .n_metadata = 2,
};

static bool says_memory(const char *text)
{
    return strcasestr(text, "memory") != NULL;
}

/* ---- invocations and plans ---- */

static void read_invocation(long n, long failures)
{
    struct rxp_refusal why = {RXP_OK, ""};
    struct rxp_invocation *invocation = NULL;
    struct rxp_http_plan plan = {0};
    size_t bytes = 0;
    char *text = NULL;
    scarce_begin(n, failures);
    int parsed = rxp_invocation_parse(message, sizeof message - 1, 1 << 20, &invocation, &why);
    int planned = parsed == 0 ? rxp_http_plan_make(invocation, &defaults, &plan, &why) : -1;
    if (parsed == 0)
        text = rxp_invocation_write(invocation, &bytes);
    bool failed = scarce_end();
    ck_assert(failed || (planned == 0 && text != NULL));
    if (planned != 0)
        ck_assert_msg(says_memory(why.text) && rxp_lacked_memory(&why), "%d %s", (int)why.error, why.text);
    if (planned == 0) {
        ck_assert_str_eq(plan.kickoff.url, "http://h/assist%20me/run");
        ck_assert_uint_eq(plan.n_headers, 2);
        ck_assert_int_eq(plan.poll_interval_ms, 3000);
        ck_assert_uint_eq(plan.error_paths.n, 2);
    }
    rxp_http_plan_deinit(&plan);
    rxp_invocation_free(invocation);
    free(text);
}

START_TEST(an_invocation_is_read_whole_or_not_judged)
{
    ck_assert_int_gt(scarce_try(read_invocation), 0);
}
END_TEST

/* A room that is too small for the whole, so that memory is asked for beside it. */
static void wake(long n, long failures)
{
    struct rxp_refusal why = {RXP_ERROR_INVALID_JSON, ""};
    struct rxp_invocation *invocation = NULL;
    struct rxp_invocation again;
    struct rxp_http_plan plan;
    char room[64];
    ck_assert_int_eq(rxp_invocation_parse(message, sizeof message - 1, 1 << 20, &invocation, &why), 0);
    char *packed = malloc(rxp_packed_bytes(invocation));
    rxp_packed_write(packed, invocation);
    struct rxp_pair *pairs = calloc(rxp_packed_pairs(packed), sizeof *pairs);
    scarce_begin(n, failures);
    rxp_packed_read(packed, pairs, &again);
    int planned = rxp_http_plan_make_later(&again, &defaults, room, sizeof room, &plan, &why);
    bool failed = scarce_end();
    ck_assert_int_eq(planned, failed ? -1 : 0);
    if (failed) {
        ck_assert_msg(says_memory(why.text) && rxp_lacked_memory(&why), "%d %s", (int)why.error, why.text);
        ck_assert_ptr_null(plan.owned);
    } else {
        ck_assert_str_eq(plan.kickoff.url, "http://h/assist%20me/run");
        ck_assert_uint_eq(plan.error_paths.n, 2);
    }
    rxp_http_plan_deinit(&plan);
    free(pairs);
    free(packed);
    rxp_invocation_free(invocation);
}

START_TEST(a_run_that_wakes_has_its_plan_whole_or_sleeps_on)
{
    ck_assert_int_gt(scarce_try(wake), 0);
}
END_TEST

static struct rxp_invocation *invocation_made(struct rxp_http_plan *plan)
{
    struct rxp_refusal why;
    struct rxp_invocation *invocation = NULL;
    ck_assert_int_eq(rxp_invocation_parse(message, sizeof message - 1, 1 << 20, &invocation, &why), 0);
    ck_assert_int_eq(rxp_http_plan_make(invocation, &defaults, plan, &why), 0);
    return invocation;
}

static void fill_calls(long n, long failures)
{
    struct rxp_http_plan plan;
    struct rxp_invocation *invocation = invocation_made(&plan);
    const struct rxp_fills fills = {"r/1", "p\"1"};
    struct rxp_refusal why = {RXP_ERROR_RUN_ID_INVALID, ""};
    const char *body = NULL;
    char *owned = NULL;
    size_t bytes = 0;
    scarce_begin(n, failures);
    char *url = rxp_http_call_url(&plan.cancel, &fills, &why);
    int filled = rxp_http_call_body(&plan.kickoff, &fills, &body, &bytes, &owned);
    bool failed = scarce_end();
    ck_assert(failed || (url != NULL && filled == 0));
    if (url != NULL)
        ck_assert_str_eq(url, "http://h/r%2F1/cancel");
    else
        ck_assert_int_eq(why.error, RXP_OK);
    if (filled == 0)
        ck_assert(bytes == strlen("{\"c\":\"p\\\"1\",\"w\":\"a \\\"b\\\"\"}") && memcmp(body, "{\"c\":\"p\\\"1\",\"w\":\"a \\\"b\\\"\"}", bytes) == 0);
    free(url);
    free(owned);
    rxp_http_plan_deinit(&plan);
    rxp_invocation_free(invocation);
}

START_TEST(a_url_and_a_body_are_filled_whole_or_not_at_all)
{
    ck_assert_int_gt(scarce_try(fill_calls), 0);
}
END_TEST

/* ---- results ---- */

static void write_answer(long n, long failures)
{
    struct rxp_http_plan plan;
    struct rxp_invocation *invocation = invocation_made(&plan);
    struct run run;
    size_t bytes = 0;
    size_t whole_bytes = 0;
    const struct answer_context context = {.worker_id = "w", .source = {"in", 3, 4711}};
    run_init(&run);
    ck_assert_ptr_nonnull(awake_new(&run));
    run.awake->invocation = invocation;
    run.awake->run_id = strdup("r-1");
    run.awake->state = strdup("completed");
    /* Each byte becomes two, so that the text outgrows what was guessed. */
    char quotes[4001];
    memset(quotes, '"', sizeof quotes - 1);
    quotes[sizeof quotes - 1] = '\0';
    run.awake->result = strdup(quotes);
    run.awake->outcome = (struct outcome){.status = RXP_STATUS_SUCCEEDED, .has_exit_code = true};
    char *whole = answer_write(&run, &context, &whole_bytes);
    scarce_begin(n, failures);
    char *text = answer_write(&run, &context, &bytes);
    bool failed = scarce_end();
    ck_assert(failed || text != NULL);
    if (text != NULL)
        ck_assert(bytes == whole_bytes && strcmp(text, whole) == 0);
    free(text);
    free(whole);
    run_deinit(&run);
    rxp_http_plan_deinit(&plan);
    rxp_invocation_free(invocation);
}

START_TEST(a_result_is_written_whole_or_not_at_all)
{
    ck_assert_int_gt(scarce_try(write_answer), 0);
}
END_TEST

static void read_result(long n, long failures)
{
    static const char text[] =
        "{\"schema_version\":\"0.1\",\"contract_kind\":\"runtime_result\",\"invocation_id\":\"i\",\"runtime_name\":\"n\","
        "\"runtime_kind\":\"http\",\"status\":\"failed\",\"exit_code\":1,\"started_at\":\"2026-07-31T12:00:00.000Z\","
        "\"finished_at\":\"2026-07-31T12:00:00.000Z\",\"stdout_path\":null,\"stderr_path\":null,\"artifacts\":[],"
        "\"error_summary\":\"e\",\"metadata\":{\"a\":\"b\"}}";
    struct rxp_refusal why = {RXP_OK, ""};
    struct rxp_result *result = NULL;
    scarce_begin(n, failures);
    int read = rxp_result_parse(text, sizeof text - 1, &result, &why);
    bool failed = scarce_end();
    ck_assert(failed || read == 0);
    if (read == 0)
        ck_assert(result->n_metadata == 1 && strcmp(result->error_summary, "e") == 0);
    else
        ck_assert_msg(says_memory(why.text) && rxp_lacked_memory(&why), "%d %s", (int)why.error, why.text);
    rxp_result_free(result);
}

START_TEST(a_result_is_read_whole_or_refused_for_want_of_memory)
{
    ck_assert_int_gt(scarce_try(read_result), 0);
}
END_TEST

/* ---- checkpoints ---- */

static void keep_checkpoint(long n, long failures)
{
    const struct checkpoint checkpoint = {.kind = CHECKPOINT_RUN, .invocation_id = "i", .input_hash = 7, .run_id = "r",
                                          .prepared_id = "p", .poll_url = "http://h/r", .started_at_ms = 1, .deadline_ms = 2,
                                          .polls = 3, .worker_id = "w"};
    char why[CHECKPOINT_WHY_BYTES] = "";
    size_t bytes = 0;
    size_t whole_bytes = 0;
    char *whole = checkpoint_write(&checkpoint, &whole_bytes);
    struct checkpoint *read = NULL;
    scarce_begin(n, failures);
    char *text = checkpoint_write(&checkpoint, &bytes);
    enum checkpoint_reading reading = checkpoint_read(whole, whole_bytes, &read, why);
    struct checkpoint *unreadable = checkpoint_new_unreadable();
    bool failed = scarce_end();
    ck_assert(failed || (text != NULL && reading == CHECKPOINT_READ && unreadable != NULL));
    if (text != NULL)
        ck_assert(bytes == whole_bytes && strcmp(text, whole) == 0);
    ck_assert(reading == CHECKPOINT_READ || (failed && reading == CHECKPOINT_NO_MEMORY)); /* the run is not to be lost */
    ck_assert((reading == CHECKPOINT_READ) == (read != NULL));
    if (read != NULL)
        ck_assert(strcmp(read->prepared_id, "p") == 0 && strcmp(read->poll_url, "http://h/r") == 0);
    else
        ck_assert_msg(says_memory(why), "%s", why);
    free(unreadable);
    free(read);
    free(text);
    free(whole);
}

START_TEST(a_checkpoint_is_written_and_read_whole_or_not_at_all)
{
    ck_assert_int_gt(scarce_try(keep_checkpoint), 0);
}
END_TEST

/* ---- verdicts ---- */

static const struct {
    int code;
    const char *body;
    enum verdict_kind kind; /* with memory */
} answers[] = {
    {200, "{\"id\":\"c-1\",\"run\":{\"id\":\"r\",\"status\":\"completed\"},\"events\":[1]}", VERDICT_FETCH},
    {200, "{\"run\":{\"id\":7,\"status\":\"failed\"},\"e\":\"no room\"}", VERDICT_FETCH},
    {200, "{\"run\":{\"id\":7,\"status\":\"running\"}}", VERDICT_PENDING},
    {404, "", VERDICT_PENDING},
    {500, "boom", VERDICT_TRANSIENT},
    {200, "{\"run\":{}}", VERDICT_BROKEN},
};
static int answered;

static void judge(long n, long failures)
{
    static const struct verdict_limits limits = {.max_result_bytes = 100};
    static const struct verdict_poll poll = {.url = "http://h/by/1"};
    struct rxp_http_plan plan;
    struct rxp_invocation *invocation = invocation_made(&plan);
    struct verdict polled;
    struct verdict others[3];
    const struct http_reply reply = {.sent = true, .code = answers[answered].code, .body = answers[answered].body,
                                     .body_bytes = strlen(answers[answered].body)};
    scarce_begin(n, failures);
    verdict_of_poll(&plan, &limits, &poll, &reply, &polled);
    verdict_of_kickoff(&plan, &limits, "http://h/", &reply, &others[0]);
    verdict_of_prepare(&plan, &limits, "http://h/", &reply, &others[1]);
    verdict_of_fetch(&plan, &limits, "http://h/", &reply, &others[2]);
    bool failed = scarce_end();
    ck_assert(failed || polled.kind == answers[answered].kind);
    /* It may be heard as a failure, but not as another word than the backend said. */
    if (polled.kind != answers[answered].kind) {
        ck_assert(polled.kind == VERDICT_TRANSIENT || polled.kind == VERDICT_BROKEN);
        ck_assert(polled.error != RXP_OK && polled.text[0] != '\0');
    }
    for (int i = 0; i < 3; i++)
        verdict_deinit(&others[i]);
    verdict_deinit(&polled);
    rxp_http_plan_deinit(&plan);
    rxp_invocation_free(invocation);
}

START_TEST(an_answer_is_not_taken_for_another_for_want_of_memory)
{
    answered = _i;
    /* What needs no memory cannot fail. */
    if (_i < 3)
        ck_assert_int_gt(scarce_try(judge), 0);
    else
        judge(1, LONG_MAX);
}
END_TEST

/* ---- policies and secrets ---- */

static void make_policy(long n, long failures)
{
    char why[EGRESS_WHY_BYTES] = "";
    scarce_begin(n, failures);
    struct egress *egress = egress_make(&(struct egress_config){.allow = "a.example,10.0.0.0/8,*.b:80", .deny = "10.1.0.0/16,c"}, why);
    bool failed = scarce_end();
    ck_assert(failed || egress != NULL);
    if (egress == NULL)
        ck_assert_msg(says_memory(why), "%s", why);
    else
        ck_assert(!egress_check_host(egress, "10.1.2.3", 80, EGRESS_DIRECT, why) && egress_check_host(egress, "x.b", 80, EGRESS_DIRECT, why));
    egress_free(egress);
}

START_TEST(a_policy_is_made_whole_or_not_at_all)
{
    ck_assert_int_gt(scarce_try(make_policy), 0);
}
END_TEST

static void fill_secret(long n, long failures)
{
    static const char *const environment[] = {"RXP_SECRET_TOKEN=s3cr3t", NULL};
    char why[SECRETS_WHY_BYTES] = "";
    char *value = NULL;
    struct secrets *secrets = secrets_new(&(struct secrets_config){.environment = environment, .hosts = "TOKEN=h"}, why);
    ck_assert_ptr_nonnull(secrets);
    scarce_begin(n, failures);
    enum secret_fill fill = secrets_fill(secrets, "Bearer ${secret:TOKEN}", "h", 80, NULL, 0, &value, why);
    enum secret_fill elsewhere = SECRET_DENIED;
    char *leaked = NULL;
    if (fill != SECRET_READY)
        elsewhere = secrets_fill(secrets, "${secret:TOKEN}", "other", 80, NULL, 0, &leaked, why);
    bool failed = scarce_end();
    ck_assert(fill == SECRET_READY || (failed && fill == SECRET_NO_MEMORY && value == NULL));
    ck_assert(elsewhere != SECRET_READY && leaked == NULL);
    if (fill == SECRET_READY)
        ck_assert_str_eq(value, "Bearer s3cr3t");
    free(value);
    secrets_free(secrets);
}

START_TEST(a_secret_is_filled_in_whole_or_said_to_be_unavailable)
{
    ck_assert_int_gt(scarce_try(fill_secret), 0);
}
END_TEST

static void make_secrets(long n, long failures)
{
    static const char *const environment[] = {"RXP_SECRET_TOKEN=s3cr3t", "RXP_SECRET_B=b", NULL};
    char why[SECRETS_WHY_BYTES] = "";
    scarce_begin(n, failures);
    struct secrets *secrets = secrets_new(&(struct secrets_config){.environment = environment, .hosts = "TOKEN=h;B=h,i:80"}, why);
    bool failed = scarce_end();
    ck_assert(failed || secrets != NULL);
    if (secrets == NULL)
        ck_assert_msg(says_memory(why), "%s", why);
    else
        ck_assert_msg(secrets_check(secrets, "${secret:TOKEN}${secret:B}", "h", 80, NULL, 0, why), "%s", why);
    secrets_free(secrets);
}

START_TEST(secrets_are_all_known_or_the_start_fails)
{
    ck_assert_int_gt(scarce_try(make_secrets), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("scarcity");
    TCase *tcase = tcase_create("pure");
    tcase_add_test(tcase, an_invocation_is_read_whole_or_not_judged);
    tcase_add_test(tcase, a_run_that_wakes_has_its_plan_whole_or_sleeps_on);
    tcase_add_test(tcase, a_url_and_a_body_are_filled_whole_or_not_at_all);
    tcase_add_test(tcase, a_result_is_written_whole_or_not_at_all);
    tcase_add_test(tcase, a_result_is_read_whole_or_refused_for_want_of_memory);
    tcase_add_test(tcase, a_checkpoint_is_written_and_read_whole_or_not_at_all);
    tcase_add_loop_test(tcase, an_answer_is_not_taken_for_another_for_want_of_memory, 0,
                        (int)(sizeof answers / sizeof answers[0]));
    tcase_add_test(tcase, a_policy_is_made_whole_or_not_at_all);
    tcase_add_test(tcase, a_secret_is_filled_in_whole_or_said_to_be_unavailable);
    tcase_add_test(tcase, secrets_are_all_known_or_the_start_fails);
    suite_add_tcase(suite, tcase);
    return suite;
}
