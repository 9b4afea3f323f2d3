#include "support/keeper_stage.h"

START_TEST(fetches_one_token_for_many_who_wait)
{
    char *filled = NULL;
    serve_token(GOOD);
    ck_assert_int_eq(fill(&filled), SECRET_WAIT);
    for (int i = 0; i < 50; i++)
        want_token();
    await_change(1);
    for (int i = 0; i < 50; i++)
        expect_filled("Bearer tok-1");
    ck_assert_uint_eq(requests(), 1);
    const char *request = rude_server_request(server, 0);
    ck_assert_ptr_nonnull(strstr(request, "POST /token?x=1 HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(strstr(request, "\r\nAuthorization: Basic bWU6czNjcjN0\r\n"));
    ck_assert_ptr_nonnull(strstr(request, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
    ck_assert_ptr_nonnull(strstr(request, "\r\n\r\ngrant_type=client_credentials&scope=runs"));
}
END_TEST

START_TEST(asks_nobody_before_somebody_wants_a_token)
{
    serve_token(GOOD);
    put("P", "x"); /* the keeper has looked: it is at work */
    await_change(1);
    ck_assert_uint_eq(requests(), 0);
}
END_TEST

START_TEST(renews_a_token_in_use_before_its_end)
{
    char *filled = NULL;
    char *second = rude_answer_make(200, "{\"access_token\":\"tok-2\",\"token_type\":\"Bearer\"}");
    answer = rude_answer_make(200, GOOD);
    const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = answer}, {.act = RUDE_ANSWER, .answer = second}};
    serve(steps, 2);
    free(second);
    ck_assert_int_eq(fill(&filled), SECRET_WAIT);
    await_change(1);
    expect_filled("Bearer tok-1");
    lock_token()->renew_ms = clock_mono_ms(); /* as if an hour had passed */
    pthread_mutex_unlock(&secrets->lock);
    await_change(2);
    expect_filled("Bearer tok-2");
    ck_assert_uint_eq(requests(), 2);
}
END_TEST

START_TEST(fetches_another_when_one_has_ended)
{
    char *filled = NULL;
    serve_token(GOOD);
    ck_assert_int_eq(fill(&filled), SECRET_WAIT);
    await_change(1);
    lock_token()->until_ms = clock_mono_ms();
    pthread_mutex_unlock(&secrets->lock);
    want_token();
    await_change(2);
    expect_filled("Bearer tok-1");
    ck_assert_uint_eq(requests(), 2);
}
END_TEST

START_TEST(fetches_another_when_a_server_refused_it)
{
    char *filled = NULL;
    serve_token(GOOD);
    ck_assert_int_eq(fill(&filled), SECRET_WAIT);
    await_change(1);
    secrets_refused(secrets, "Bearer ${secret:T}"); /* too young */
    expect_filled("Bearer tok-1");
    lock_token()->begun_ms -= TOKEN_YOUNG_MS;
    pthread_mutex_unlock(&secrets->lock);
    secrets_refused(secrets, "Bearer ${secret:P}${secret:Z}${secret:T}");
    secrets_refused(secrets, "Bearer ${secret:T}");
    await_change(2);
    ck_assert_uint_eq(requests(), 2);
}
END_TEST

/* What the server does, and what is said of it. */
static const struct {
    struct rude_step step;
    int code; /* of `body`, made into an answer; 0: the step's own */
    const char *body;
    const char *says;
} failures[] = {
    {{.act = RUDE_CLOSE}, 0, NULL, "the token server 127.0.0.1:"},
    {{.act = RUDE_STALL}, 0, NULL, "timed out"},
    {{.act = RUDE_ENDLESS_BODY}, 0, NULL, "exceeds 65536 bytes"},
    {{.act = RUDE_ENDLESS_HEADERS}, 0, NULL, "exceeds 65536 bytes"},
    {{.act = RUDE_ANSWER, .answer = "garbage\r\n\r\n"}, 0, NULL, "the token server 127.0.0.1:"},
    {{.act = RUDE_ANSWER}, 200, "not json", "is no JSON object"},
    {{.act = RUDE_ANSWER}, 401, "{\"error\":\"invalid_client\"}", "answered 401 and the error invalid_client"},
    {{.act = RUDE_ANSWER, .answer = "HTTP/1.1 302 X\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n"}, 0, NULL,
     "answered 302, and redirects are not followed"},
};

START_TEST(a_failure_is_said_and_not_repeated_at_once)
{
    char *filled = NULL;
    struct rude_step step = failures[_i].step;
    if (failures[_i].code != 0) {
        answer = rude_answer_make(failures[_i].code, failures[_i].body);
        step.answer = answer;
    }
    fetch_timeout_ms = step.act == RUDE_STALL ? 400 : 0;
    serve(&step, 1);
    ck_assert_int_eq(fill(&filled), SECRET_WAIT);
    await_change(1);
    lock_token()->retry_ms += 3600000; /* however slow this machine is */
    pthread_mutex_unlock(&secrets->lock);
    uint64_t seen = requests();
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(fill(&filled), SECRET_UNAVAILABLE);
    ck_assert_ptr_null(filled);
    ck_assert_msg(strstr(why, "the token of secret 'T' could not be fetched: ") == why && strstr(why, failures[_i].says) != NULL,
                  "%s", why);
    ck_assert_ptr_null(strstr(why, "s3cr3t"));
    ck_assert(secrets_check(secrets, "${secret:T}", "api", 443, NULL, 0, why)); /* it may yet come */
    ck_assert_uint_eq(requests(), seen);
}
END_TEST

START_TEST(goes_on_trying_for_those_who_wait)
{
    char *filled = NULL;
    answer = rude_answer_make(200, GOOD);
    const struct rude_step steps[] = {{.act = RUDE_CLOSE}, {.act = RUDE_ANSWER, .answer = answer}};
    serve(steps, 2);
    ck_assert_int_eq(fill(&filled), SECRET_WAIT);
    await_change(1);
    ck_assert_int_eq(fill(&filled), SECRET_UNAVAILABLE);
    await_change(2); /* without another question */
    expect_filled("Bearer tok-1");
}
END_TEST

START_TEST(token_servers_are_under_the_egress_policy)
{
    static const char *const hosts[] = {"http://127.0.0.1:1/t", "http://localhost:1/t", "http://169.254.169.254/t"};
    char *filled = NULL;
    char text[200];
    snprintf(text, sizeof text, "{\"token_url\":\"%s\",\"client_id\":\"me\",\"client_secret\":\"s\"}", hosts[_i]);
    put("T.oauth2.json", text);
    start(false);
    ck_assert_int_eq(fill(&filled), SECRET_WAIT);
    await_change(1);
    ck_assert_int_eq(fill(&filled), SECRET_UNAVAILABLE);
    ck_assert_msg(strstr(why, "is loopback") != NULL || strstr(why, "refused whatever is allowed") != NULL, "%s", why);
}
END_TEST

/* Where a proxy looks names up, nobody here sees the address: the URL alone is judged. */
START_TEST(the_way_through_a_proxy_is_under_the_policy_too)
{
    char *filled = NULL;
    char proxy_why[OUTLET_WHY_BYTES] = "";
    answer = rude_answer_make(200, GOOD);
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = answer};
    server = rude_server_start(RUDE_WHOLE_SERVER, &step, 1);
    outlet = outlet_make(&(struct outlet_config){.proxy = rude_server_url(server)}, proxy_why);
    ck_assert_msg(outlet != NULL, "%s", proxy_why);
    put("T.oauth2.json", _i == 0 ? "{\"token_url\":\"http://169.254.169.254/t\",\"client_id\":\"me\",\"client_secret\":\"s\"}"
                                 : "{\"token_url\":\"http://id.example/t\",\"client_id\":\"me\",\"client_secret\":\"s\"}");
    start(false);
    ck_assert_int_eq(fill(&filled), SECRET_WAIT);
    await_change(1);
    if (_i == 0) {
        ck_assert_int_eq(fill(&filled), SECRET_UNAVAILABLE);
        ck_assert_msg(strstr(why, "refused whatever is allowed") != NULL, "%s", why);
        ck_assert_uint_eq(requests(), 0);
    } else {
        expect_filled("Bearer tok-1");
        ck_assert_ptr_nonnull(strstr(rude_server_request(server, 0), "POST http://id.example/t HTTP/1.1\r\n"));
    }
}
END_TEST

START_TEST(a_stop_does_not_wait_for_a_token)
{
    char *filled = NULL;
    const struct rude_step step = {.act = RUDE_STALL};
    server = rude_server_start(RUDE_WHOLE_SERVER, &step, 1);
    put_grant("/", "s3cr3t");
    start(true);
    ck_assert_int_eq(fill(&filled), SECRET_WAIT);
    ck_assert(rude_server_await(server, 1, DEADLINE_MS));
    secrets_free(secrets);
    secrets = NULL;
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("secrets_keeper");
    TCase *tcase = tcase_create("secrets_keeper");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 25);
    tcase_add_test(tcase, fetches_one_token_for_many_who_wait);
    tcase_add_test(tcase, asks_nobody_before_somebody_wants_a_token);
    tcase_add_test(tcase, renews_a_token_in_use_before_its_end);
    tcase_add_test(tcase, fetches_another_when_one_has_ended);
    tcase_add_test(tcase, fetches_another_when_a_server_refused_it);
    tcase_add_loop_test(tcase, a_failure_is_said_and_not_repeated_at_once, 0, sizeof failures / sizeof failures[0]);
    tcase_add_test(tcase, goes_on_trying_for_those_who_wait);
    tcase_add_loop_test(tcase, token_servers_are_under_the_egress_policy, 0, 3);
    tcase_add_loop_test(tcase, the_way_through_a_proxy_is_under_the_policy_too, 0, 2);
    tcase_add_test(tcase, a_stop_does_not_wait_for_a_token);
    suite_add_tcase(suite, tcase);
    return suite;
}
