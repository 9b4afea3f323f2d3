#include "support/runner_stage.h"

#include "engine/awake.h"
#include "engine/secrets.h"

/* Headers that hold secrets. These are the test's own: engine/secrets has tests of its own. */

struct secrets {
    enum secret_fill fill;
    const char *value;
    char asked[8][96]; /* value, host and port */
    int n_asked;
    int refused;
    bool denies;
};

static struct secrets vault;

enum secret_fill secrets_fill(struct secrets *secrets, const char *value, const char *host, int port,
                              const struct rxp_pair *bindings, size_t n_bindings, char **out,
                              char why[SECRETS_WHY_BYTES])
{
    (void)bindings, (void)n_bindings;
    ck_assert_ptr_eq(secrets, &vault);
    snprintf(vault.asked[vault.n_asked++ % 8], sizeof vault.asked[0], "%s %s %d", value, host, port);
    *out = NULL;
    snprintf(why, SECRETS_WHY_BYTES, "the token endpoint is away");
    if (vault.fill == SECRET_READY) {
        const char *at = strstr(value, "${secret:");
        ck_assert_int_gt(asprintf(out, "%.*s%s%s", (int)(at - value), value, vault.value, strchr(at, '}') + 1), 0);
    }
    return vault.fill;
}

bool secrets_check(struct secrets *secrets, const char *value, const char *host, int port,
                   const struct rxp_pair *bindings, size_t n_bindings, char why[SECRETS_WHY_BYTES])
{
    (void)secrets, (void)value, (void)port, (void)bindings, (void)n_bindings;
    snprintf(why, SECRETS_WHY_BYTES, "the secret 'key' is not bound to %s", host);
    return !vault.denies;
}

void secrets_refused(struct secrets *secrets, const char *value)
{
    ck_assert_ptr_eq(secrets, &vault);
    ck_assert_str_eq(value, "Bearer ${secret:key}");
    vault.refused++;
}

bool secret_is_in(const char *value)
{
    return strstr(value, "${secret:") != NULL;
}

int secrets_watch(struct secrets *secrets, void (*changed)(void *), void *opaque)
{
    (void)secrets, (void)changed, (void)opaque;
    return 0;
}

static const struct rxp_http_header headers[] = {{.name = "Authorization", .value = "Bearer ${secret:key}"},
                                                 {.name = "X-Team", .value = "blue"}};
static const struct rxp_named_url named = {.url = "http://b.example/runs"};

static void with_headers(struct rxp_http_plan *plan)
{
    plan->headers = headers;
    plan->n_headers = 2;
    plan->named = &named;
    plan->n_named = 1;
    plan->poll_url_header = "Location";
}

static void with_prepare(struct rxp_http_plan *plan)
{
    with_headers(plan);
    plan->prepare = (struct rxp_http_call){.url = "http://b.example/sessions", .method = "POST"};
}

static void with_prepared_id(struct rxp_http_plan *plan)
{
    with_prepare(plan);
    plan->prepared_id_path = "id";
}

static void with_late_id(struct rxp_http_plan *plan)
{
    with_headers(plan);
    plan->run_id_path = NULL;
    plan->late_run_id_path = "late";
    plan->poll = (struct rxp_http_call){.url = "http://b.example/runs", .method = "GET"};
}

static void set_up(void)
{
    setup();
    vault = (struct secrets){.fill = SECRET_READY, .value = "s3cr/t-key"};
    config.secrets = &vault;
    config.kickoff_max_wait_ms = 60000;
}

static struct subject *subject_with_headers(void)
{
    struct subject *subject = subject_new();
    subject->shape = with_headers;
    subject->timeout = "3600";
    return subject;
}

static void wake_tokens(void)
{
    runner_command(&runner, RUNNER_TOKENS, now_ms);
    turn();
}

/* ---- what is sent ---- */

START_TEST(secrets_are_filled_as_the_request_leaves)
{
    struct subject *subject = subject_with_headers();
    submit(subject);
    turn();
    ck_assert_int_eq(vault.n_asked, 0);
    begin(last());
    ck_assert_str_eq(vault.asked[0], "Bearer ${secret:key} b.example 80");
    ck_assert_uint_eq(last()->n_headers, 3);
    ck_assert_str_eq(last()->header[1], "Authorization: Bearer s3cr/t-key");
    ck_assert_str_eq(last()->header[2], "X-Team: blue");
    vault.value = "another-key";
    answer(last(), 202, "{\"id\":\"r1\"}");
    begin(last());
    ck_assert_str_eq(last()->header[0], "Authorization: Bearer another-key");
}
END_TEST

START_TEST(a_secret_does_not_go_where_the_backend_leads)
{
    struct subject *subject = subject_with_headers();
    submit(subject);
    turn();
    begin(last());
    answer_with(last(), 202, "{\"id\":\"r1\"}", NULL, "http://c.example/1");
    begin(last());
    ck_assert_str_eq(last()->url, "http://c.example/1");
    ck_assert_uint_eq(last()->n_headers, 0);
    /* It is told on there all the same: the first backend may have passed it on. */
    answer(last(), 400, "who is s3cr/t-key?");
    ck_assert_ptr_null(strstr(subject->summary, "s3cr"));
}
END_TEST

/* ---- denied ---- */

START_TEST(a_secret_that_is_not_for_there_is_denied_before_anything_leaves)
{
    struct subject *subject = subject_with_headers();
    vault.denies = true;
    submit(subject);
    turn();
    ck_assert_uint_eq(n_transfers, 0);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_REJECTED);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_SECRET_DENIED);
    ck_assert_str_eq(subject->summary, "http.header.Authorization: the secret 'key' is not bound to b.example");
    ck_assert_int_eq(subject->started_at_ms, subject->outcome.finished_at_ms);
    ck_assert_int_eq(atomic_load(&runner.in_flight), 0);
}
END_TEST

START_TEST(a_resumed_run_whose_secret_is_denied_has_failed)
{
    static const struct run_resume resume = {.run_id = "r1", .poll_url = "http://b.example/runs/r1", .polls = 1};
    struct subject *subject = subject_with_headers();
    subject->resume = &resume;
    vault.denies = true;
    submit(subject);
    turn();
    ck_assert_uint_eq(n_transfers, 0);
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_FAILED);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_SECRET_DENIED);
    ck_assert_ptr_nonnull(strstr(subject->summary, "accepted under an earlier configuration"));
    ck_assert_str_eq(subject->run_id, "r1");
}
END_TEST

/* It was known, and is not any more: 0: nothing has left; 1: the prepare call has; 2: the kickoff was accepted. */
START_TEST(a_secret_may_go_away_later)
{
    struct subject *subject = subject_with_headers();
    subject->shape = _i == 1 ? with_prepare : with_headers;
    submit(subject);
    turn();
    if (_i > 0) {
        begin(last());
        answer(last(), 202, "{\"id\":\"r1\"}");
    }
    vault.fill = SECRET_DENIED;
    begin(last());
    ck_assert(last()->is_over);
    ck_assert_int_eq(subject->outcome.status, _i == 0 ? RXP_STATUS_REJECTED : RXP_STATUS_FAILED);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_SECRET_DENIED);
    ck_assert_int_eq(subject->was_begun, _i == 2);
    ck_assert_int_eq(atomic_load(&runner.in_requests), 0);
}
END_TEST

/* ---- tokens under way ---- */

/* Of a kickoff, and of a poll. */
START_TEST(a_request_waits_for_its_token)
{
    struct subject *subject = subject_with_headers();
    if (_i == 0) {
        submit(subject);
        turn();
    } else {
        submit(subject);
        turn();
        begin(last());
        answer(last(), 202, "{\"id\":\"r1\"}");
    }
    size_t before = n_transfers;
    vault.fill = SECRET_WAIT;
    begin(last());
    ck_assert(last()->is_over);
    ck_assert_int_eq(atomic_load(&runner.in_requests), 0);
    ck_assert_int_eq(subject->ended, 0);
    ck_assert_int_eq(run_was_begun(subject->run), _i == 1);
    turn_at(now_ms + 2000);
    ck_assert_uint_eq(n_transfers, before);
    vault.fill = SECRET_READY;
    wake_tokens();
    ck_assert_uint_eq(n_transfers, before + 1);
    begin(last());
    ck_assert(!last()->is_over);
    ck_assert_int_eq(subject->permits_asked, 1);
    answer(last(), 200, "{\"id\":\"r1\",\"status\":\"completed\"}");
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    ck_assert_int_eq(subject->polls, _i);
}
END_TEST

/* 0: the token is under way; 1: it could not be fetched. */
START_TEST(a_kickoff_waits_for_a_token_as_long_as_for_its_origin)
{
    struct subject *subject = subject_with_headers();
    vault.fill = _i == 0 ? SECRET_WAIT : SECRET_UNAVAILABLE;
    submit(subject);
    turn();
    begin(last());
    turn_at(now_ms + 50000);
    wake_tokens();
    begin(last());
    ck_assert_int_eq(subject->ended, 0);
    ck_assert_int_le(runner_next_ms(&runner), now_ms + 10000); /* nobody need tell of a token */
    turn_at(now_ms + 10000);
    begin(last());
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_FAILED);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_ORIGIN_UNAVAILABLE);
    ck_assert_str_eq(subject->summary,
                     _i == 0 ? "kickoff to http://b.example/runs did not go: a token that it needs is long in coming"
                             : "kickoff to http://b.example/runs did not go: the token endpoint is away");
    ck_assert(!subject->was_begun);
}
END_TEST

START_TEST(a_kickoff_without_memory_for_its_headers_waits_as_long_as_it_takes)
{
    struct subject *subject = subject_with_headers();
    vault.fill = SECRET_NO_MEMORY;
    submit(subject);
    turn();
    for (int i = 0; i < 60; i++) {
        begin(last());
        ck_assert(last()->is_over);
        ck_assert_int_eq(subject->ended, 0);
        ck_assert_int_ge(runner_next_ms(&runner), now_ms + 1000);
        turn_at(runner_next_ms(&runner));
    }
    vault.fill = SECRET_READY;
    begin(last());
    answer(last(), 202, "{\"id\":\"r1\"}");
    ck_assert_int_eq(subject->accepted, 1);
}
END_TEST

START_TEST(each_wait_for_a_token_counts_by_itself)
{
    struct subject *subject = subject_with_headers();
    subject->shape = with_prepare;
    vault.fill = SECRET_WAIT;
    submit(subject);
    turn();
    begin(last());
    turn_at(now_ms + 59000);
    vault.fill = SECRET_READY;
    wake_tokens();
    begin(last());
    vault.fill = SECRET_WAIT;
    answer(last(), 200, "");
    begin(last());
    turn_at(now_ms + 59000);
    wake_tokens();
    begin(last());
    ck_assert_int_eq(subject->ended, 0);
}
END_TEST

START_TEST(a_poll_whose_token_cannot_be_fetched_is_tried_again)
{
    struct subject *subject = subject_with_headers();
    submit(subject);
    turn();
    begin(last());
    answer(last(), 202, "{\"id\":\"r1\"}");
    vault.fill = SECRET_UNAVAILABLE;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(subject->ended, 0);
        begin(last());
        ck_assert(last()->is_over);
        turn_at(now_ms + 2000);
    }
    ck_assert_int_eq(subject->outcome.status, RXP_STATUS_FAILED);
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_NETWORK);
    ck_assert_str_eq(subject->summary, "poll of http://b.example/runs/r1 did not go: the token endpoint is away (after 3 "
                                       "consecutive failures)");
}
END_TEST

enum { CANCELLED, LEFT, TIMED_OUT };

START_TEST(a_run_that_waits_for_a_token_can_end)
{
    struct subject *subject = subject_with_headers();
    config.resumable = true;
    submit(subject);
    turn();
    begin(last());
    answer(last(), 202, "{\"id\":\"r1\"}");
    vault.fill = SECRET_WAIT;
    begin(last());
    switch (_i) {
    case CANCELLED:
        runner_command(&runner, RUNNER_CANCEL, now_ms);
        turn();
        ck_assert_int_eq(subject->outcome.status, RXP_STATUS_CANCELLED);
        break;
    case LEFT:
        tenure_set(&subject->tenure, TENURE_ENDING);
        runner_command(&runner, RUNNER_SWEEP, now_ms);
        turn();
        ck_assert(subject->abandoned);
        break;
    case TIMED_OUT:
        turn_at(now_ms + 3600000);
        ck_assert_int_eq(subject->outcome.error, RXP_ERROR_POLL_TIMEOUT);
        break;
    }
    wake_tokens();
    ck_assert_int_eq(subject->ended, 1);
}
END_TEST

/* ---- 401 ---- */

START_TEST(a_kickoff_that_is_answered_401_has_failed_but_its_token_is_not_believed)
{
    struct subject *subject = subject_with_headers();
    submit(subject);
    turn();
    begin(last());
    answer(last(), 401, "no");
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_KICKOFF_STATUS);
    ck_assert_int_eq(vault.refused, 1);
}
END_TEST

/* 0: with a secret; 1: it bore none. */
START_TEST(a_poll_that_is_answered_401_is_tried_again_with_a_new_token)
{
    struct subject *subject = subject_with_headers();
    submit(subject);
    turn();
    begin(last());
    answer_with(last(), 202, "{\"id\":\"r1\"}", NULL, _i == 0 ? NULL : "http://c.example/1");
    begin(last());
    answer(last(), 401, "no");
    ck_assert_int_eq(vault.refused, _i == 0);
    ck_assert_int_eq(subject->ended, _i);
    if (_i == 0) {
        turn_at(now_ms + 2000);
        begin(last());
        answer(last(), 200, "{\"status\":\"completed\"}");
        ck_assert_int_eq(subject->outcome.status, RXP_STATUS_SUCCEEDED);
    }
}
END_TEST

/* ---- not told on ---- */

static const struct {
    const char *body;
    const char *summary;
} echoes[] = {
    {"you sent s3cr/t-key!", "kickoff expected HTTP 200 or 202, got 400: you sent ***!"},
    {"s3cr/t-keys3cr/t-key", "kickoff expected HTTP 200 or 202, got 400: ******"},
    {"{\"token\":\"s3cr\\/t-key\"}", "kickoff expected HTTP 200 or 202, got 400: {\"token\":\"***\"}"},
    {"{\"token\":\"s3cr\\u002Ft-key\"}", "kickoff expected HTTP 200 or 202, got 400: {\"token\":\"***\"}"},
    {"GET /s3cr%2ft%2Dkey!", "kickoff expected HTTP 200 or 202, got 400: GET /***!"},
    {"s3cr/t?", "kickoff expected HTTP 200 or 202, got 400: s3cr/t?"},
    {"s3cr/t-k?", "kickoff expected HTTP 200 or 202, got 400: ***"},
    {"s3cr/t-ke or s3cr/t-kf; or", "kickoff expected HTTP 200 or 202, got 400: ***"}, /* or it could be guessed byte by byte */
    {"cut off at s3cr/", "kickoff expected HTTP 200 or 202, got 400: cut off at ***"},
};

START_TEST(a_sentence_does_not_tell_a_secret_on)
{
    struct subject *subject = subject_with_headers();
    submit(subject);
    turn();
    begin(last());
    answer(last(), 400, echoes[_i].body);
    ck_assert_str_eq(subject->summary, echoes[_i].summary);
}
END_TEST

static void with_result_path(struct rxp_http_plan *plan)
{
    with_headers(plan);
    plan->result_path = "out";
}

/* The sentence goes on behind the excerpt. */
START_TEST(a_secret_that_an_excerpt_ends_in_is_not_told_on)
{
    struct subject *subject = subject_with_headers();
    submit(subject);
    turn();
    begin(last());
    answer_with(last(), 503, "you sent s3cr/", "1", NULL);
    ck_assert_int_eq(strncmp(subject->summary, "kickoff expected HTTP 200 or 202, got 503: you sent *** (", 57), 0);
}
END_TEST

START_TEST(neither_status_nor_result_tell_a_secret_on)
{
    struct subject *subject = subject_with_headers();
    subject->shape = with_result_path;
    config.max_result_bytes = 100;
    submit(subject);
    turn();
    begin(last());
    answer(last(), 202, "{\"id\":\"r1\"}");
    begin(last());
    answer(last(), 200, "{\"status\":\"running with s3cr/t-key\"}");
    ck_assert_str_eq(look_at(subject).state, "running with ***");
    turn_at(now_ms + 2000);
    begin(last());
    answer(last(), 200, "{\"status\":\"completed\",\"out\":{\"t\":\"s3cr\\/t-key\",\"u\":1}}");
    ck_assert_str_eq(subject->result, "{\"t\":\"***\",\"u\":1}");
}
END_TEST

/* A request header that comes back: whoever wrote the message may have chosen which, and where the id or URL goes. */
static const struct {
    const char *body;
    const char *location;
    enum rxp_error error; /* RXP_OK: nothing is wrong with it */
} reflections[] = {
    {"{\"id\":\"r1\"}", "http://c.example/?a=b", RXP_OK},
    {"{\"id\":\"r1\"}", "http://c.example/?k=s3cr/t-key", RXP_ERROR_POLL_URL_INVALID},
    {"{\"id\":\"r1\"}", "http://c.example/S3CR%2ft-key", RXP_ERROR_POLL_URL_INVALID},
    {"{\"id\":\"r1\"}", "http://c.example/s3cr/t", RXP_ERROR_POLL_URL_INVALID},
    {"{\"id\":\"r1\"}", "http://c.example/s3cr/", RXP_OK},
    {"{\"id\":\"s3cr/t-key\"}", NULL, RXP_ERROR_RUN_ID_INVALID},
    {"{\"id\":\"Bearer s3cr%2Ft-key\"}", NULL, RXP_ERROR_RUN_ID_INVALID},
    {"{\"id\":\"s3cr/t-key\",\"status\":\"completed\"}", NULL, RXP_OK},
};

START_TEST(what_holds_a_secret_is_neither_run_id_nor_poll_url)
{
    struct subject *subject = subject_with_headers();
    submit(subject);
    turn();
    begin(last());
    answer_with(last(), 200, reflections[_i].body, NULL, reflections[_i].location);
    ck_assert_int_eq(subject->outcome.error, reflections[_i].error);
    ck_assert_int_eq(subject->ended > 0, reflections[_i].error != RXP_OK || strstr(reflections[_i].body, "completed") != NULL);
    ck_assert_ptr_null(strstr(subject->summary, "s3cr"));
    ck_assert_ptr_null(strstr(subject->run_id, "s3cr"));
}
END_TEST

START_TEST(what_holds_a_secret_is_no_prepared_id)
{
    struct subject *subject = subject_with_headers();
    subject->shape = with_prepared_id;
    submit(subject);
    turn();
    begin(last());
    answer(last(), 200, "{\"id\":\"s3cr/t-key\"}");
    ck_assert_int_eq(subject->outcome.error, RXP_ERROR_PREPARE_FAILED);
}
END_TEST

static void with_late_id_for_a_call(struct rxp_http_plan *plan)
{
    with_late_id(plan);
    plan->after = (struct rxp_http_call){
        .url = "http://b.example/{run_id}", .method = "POST", .url_has_run_id = true};
}

/* 0: a call wants it; 1: none does. */
START_TEST(a_late_run_id_that_holds_a_secret_is_not_used)
{
    struct subject *subject = subject_with_headers();
    subject->shape = _i == 0 ? with_late_id_for_a_call : with_late_id;
    submit(subject);
    turn();
    begin(last());
    answer(last(), 202, "{}");
    begin(last());
    answer(last(), 200, "{\"status\":\"running\",\"late\":\"s3cr/t-key\"}");
    if (_i == 0) {
        ck_assert_int_eq(subject->outcome.error, RXP_ERROR_RUN_ID_INVALID);
        return;
    }
    ck_assert_int_eq(subject->ended, 0);
    ck_assert_ptr_null(look_at(subject).run_id);
}
END_TEST

START_TEST(a_redirect_is_told_what_it_must_not_lead_to)
{
    submit(subject_with_headers());
    turn();
    begin(last());
    ck_assert_uint_eq(last()->n_secrets, 1);
    ck_assert_str_eq(last()->secret, "s3cr/t-key");
}
END_TEST

START_TEST(a_short_secret_is_not_looked_for)
{
    struct subject *subject = subject_with_headers();
    vault.value = "to";
    submit(subject);
    turn();
    begin(last());
    answer(last(), 400, "to be");
    ck_assert_str_eq(subject->summary, "kickoff expected HTTP 200 or 202, got 400: to be");
}
END_TEST

/* ---- errands ---- */

static void with_cancel(struct rxp_http_plan *plan)
{
    with_headers(plan);
    plan->cancel = (struct rxp_http_call){.url = "http://b.example/stop", .method = "POST"};
}

/* Its run has been polled and is cancelled. */
static struct subject *bring_to_cancel(void)
{
    struct subject *subject = subject_with_headers();
    subject->shape = with_cancel;
    kick_off(subject);
    runner_command(&runner, RUNNER_CANCEL, now_ms);
    turn();
    ck_assert_int_eq(subject->ended, 1);
    ck_assert_str_eq(last()->url, "http://b.example/stop");
    return subject;
}

START_TEST(a_cancel_call_bears_secrets_as_well)
{
    bring_to_cancel();
    begin(last());
    ck_assert_uint_eq(last()->n_headers, 2);
    ck_assert_str_eq(last()->header[0], "Authorization: Bearer s3cr/t-key");
    answer(last(), 200, "");
    ck_assert_uint_eq(atomic_load(&runner.errands.n), 0);
}
END_TEST

/* 0: the token comes; 1: it does not; 2: the secret is denied. */
START_TEST(a_cancel_call_waits_for_its_token)
{
    bring_to_cancel();
    size_t before = n_transfers;
    vault.fill = _i == 2 ? SECRET_DENIED : _i == 1 ? SECRET_UNAVAILABLE : SECRET_WAIT;
    begin(last());
    ck_assert(last()->is_over);
    ck_assert_uint_eq(atomic_load(&runner.errands.n), _i != 2);
    if (_i == 0) {
        now_ms += 4000;
        vault.fill = SECRET_READY;
        wake_tokens();
        ck_assert_uint_eq(n_transfers, before + 1);
        ck_assert_int_eq(last()->timeout_ms, 6000);
        begin(last());
        answer(last(), 200, "");
    } else if (_i == 1) {
        turn_at(now_ms + 10000);
        ck_assert_uint_eq(n_transfers, before);
    }
    ck_assert_uint_eq(atomic_load(&runner.errands.n), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner_secrets");
    TCase *tests = tcase_create("runner_secrets");
    tcase_add_checked_fixture(tests, set_up, teardown);
    tcase_add_test(tests, secrets_are_filled_as_the_request_leaves);
    tcase_add_test(tests, a_secret_does_not_go_where_the_backend_leads);
    tcase_add_test(tests, a_secret_that_is_not_for_there_is_denied_before_anything_leaves);
    tcase_add_test(tests, a_resumed_run_whose_secret_is_denied_has_failed);
    tcase_add_loop_test(tests, a_secret_may_go_away_later, 0, 3);
    tcase_add_loop_test(tests, a_request_waits_for_its_token, 0, 2);
    tcase_add_loop_test(tests, a_kickoff_waits_for_a_token_as_long_as_for_its_origin, 0, 2);
    tcase_add_test(tests, a_kickoff_without_memory_for_its_headers_waits_as_long_as_it_takes);
    tcase_add_test(tests, each_wait_for_a_token_counts_by_itself);
    tcase_add_test(tests, a_poll_whose_token_cannot_be_fetched_is_tried_again);
    tcase_add_loop_test(tests, a_run_that_waits_for_a_token_can_end, 0, 3);
    tcase_add_test(tests, a_kickoff_that_is_answered_401_has_failed_but_its_token_is_not_believed);
    tcase_add_loop_test(tests, a_poll_that_is_answered_401_is_tried_again_with_a_new_token, 0, 2);
    tcase_add_loop_test(tests, a_sentence_does_not_tell_a_secret_on, 0, COUNT(echoes));
    tcase_add_test(tests, a_secret_that_an_excerpt_ends_in_is_not_told_on);
    tcase_add_test(tests, neither_status_nor_result_tell_a_secret_on);
    tcase_add_loop_test(tests, what_holds_a_secret_is_neither_run_id_nor_poll_url, 0, COUNT(reflections));
    tcase_add_test(tests, what_holds_a_secret_is_no_prepared_id);
    tcase_add_loop_test(tests, a_late_run_id_that_holds_a_secret_is_not_used, 0, 2);
    tcase_add_test(tests, a_redirect_is_told_what_it_must_not_lead_to);
    tcase_add_test(tests, a_short_secret_is_not_looked_for);
    tcase_add_test(tests, a_cancel_call_bears_secrets_as_well);
    tcase_add_loop_test(tests, a_cancel_call_waits_for_its_token, 0, 3);
    suite_add_tcase(suite, tests);
    return suite;
}
