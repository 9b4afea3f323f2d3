#include "support/verdicts.h"

/* The answer names the poll URL in a header. */

static const struct rxp_http_plan polling = POLLING;

static struct rxp_http_plan plan_of(bool has_template)
{
    struct rxp_http_plan plan = polling;
    plan.poll_url_header = "Operation-Location";
    plan.run_id_path = "id";
    if (!has_template) {
        plan.poll = (struct rxp_http_call){.method = "GET"};
        plan.run_id_path = NULL;
    }
    return plan;
}

#define INVALID(phase, shown)                                                                                          \
    BROKEN(POLL_URL_INVALID,                                                                                           \
           phase " response names no URL that can be polled in its header 'Operation-Location': " shown)
#define URL "http://h/op/1?sig=x"

static const struct {
    bool has_template;
    int code;
    const char *raw;
    const char *url;
    const char *body;
    struct want want;
} kickoff_rows[] = {
    {false, 202, "/op/1?sig=x", URL, "", {.kind = VERDICT_ACCEPTED, .poll_url = URL}},
    {false, 200, URL, URL, "{\"status\":\"x\"}", {.kind = VERDICT_ACCEPTED, .poll_url = URL, .state = "x"}},
    {false,
     202,
     NULL,
     NULL,
     "{\"id\":7}",
     {BROKEN(POLL_URL_MISSING, "kickoff response has no header 'Operation-Location', which was to name the poll URL, "
                               "and there is no http.poll_url_template")}},
    {false, 202, "ftp://u:p@h/x?sig=y", NULL, "", {INVALID("kickoff", "ftp://h/x")}},
    {false, 202, "nonsense\x01", NULL, "", {INVALID("kickoff", "nonsense\\x01")}},
    /* the template is what is left without the header, and no help against a wrong one */
    {true, 202, NULL, NULL, "{\"id\":7}", {.kind = VERDICT_ACCEPTED, .run_id = "7"}},
    {true, 202, NULL, NULL, "{}", {BROKEN(RUN_ID_MISSING, "kickoff response has no field at path 'id'")}},
    {true, 202, NULL, NULL, "", {BROKEN(KICKOFF_NOT_JSON, "kickoff response is not JSON: it is empty")}},
    {true, 202, "nonsense", NULL, "{\"id\":7}", {INVALID("kickoff", "nonsense")}},
    /* the id is then for other calls: it may be missing */
    {true, 202, URL, URL, "{\"id\":7}", {.kind = VERDICT_ACCEPTED, .poll_url = URL, .run_id = "7"}},
    {true, 202, URL, URL, "{}", {.kind = VERDICT_ACCEPTED, .poll_url = URL}},
    {true, 202, URL, URL, "{\"id\":{}}", {.kind = VERDICT_ACCEPTED, .poll_url = URL}},
    {true, 202, URL, URL, "", {.kind = VERDICT_ACCEPTED, .poll_url = URL}},
    /* who needs to poll? */
    {false, 200, NULL, NULL, "{\"status\":\"done\"}", {SUCCEEDED("done")}},
    {false, 200, "nonsense", NULL, "{\"status\":\"done\"}", {SUCCEEDED("done")}},
    /* not even accepted */
    {false, 500, URL, URL, "", {BROKEN(KICKOFF_STATUS, "kickoff expected HTTP 200 or 202, got 500")}},
};

START_TEST(a_kickoff_names_its_poll_url)
{
    const struct rxp_http_plan plan = plan_of(kickoff_rows[_i].has_template);
    struct http_reply reply = reply_of_text(kickoff_rows[_i].code, kickoff_rows[_i].body);
    reply.wanted_raw = kickoff_rows[_i].raw;
    reply.wanted_url = kickoff_rows[_i].url;
    struct verdict verdict = of_kickoff(&plan, &reply);
    check_verdict(&verdict, &kickoff_rows[_i].want);
    verdict_deinit(&verdict);
    reply_free(&reply);
}
END_TEST

START_TEST(a_run_that_ended_at_once_keeps_the_poll_url_for_its_fetch)
{
    struct rxp_http_plan plan = plan_of(true);
    plan.result.url = "http://h/result";
    struct http_reply reply = reply_of_text(200, "{\"status\":\"done\",\"id\":7}");
    reply.wanted_raw = URL;
    reply.wanted_url = URL;
    struct verdict verdict = of_kickoff(&plan, &reply);
    const struct want want = {
        .kind = VERDICT_FETCH, .succeeded = true, .state = "done", .run_id = "7", .poll_url = URL};
    check_verdict(&verdict, &want);
    verdict_deinit(&verdict);
    reply_free(&reply);
}
END_TEST

static const struct {
    int code;
    const char *raw;
    const char *url;
    const char *body;
    struct want want;
} poll_rows[] = {
    {200, "/op/2", "http://h/op/2", "{\"status\":\"x\"}",
     {.kind = VERDICT_PENDING, .state = "x", .poll_url = "http://h/op/2"}},
    {202, "/op/2", "http://h/op/2", "", {.kind = VERDICT_PENDING, .poll_url = "http://h/op/2"}},
    {200, POLL_URL, POLL_URL, "{\"status\":\"x\"}", {.kind = VERDICT_PENDING, .state = "x"}}, /* the same */
    {200, NULL, NULL, "{\"status\":\"x\"}", {.kind = VERDICT_PENDING, .state = "x"}},
    {200, "nonsense", NULL, "{\"status\":\"x\"}", {INVALID("poll", "nonsense"), .state = "x"}},
    {200, "nonsense", NULL, "{\"status\":\"done\"}", {SUCCEEDED("done")}},
    {200, "/op/2", "http://h/op/2", "{\"status\":\"done\"}", {SUCCEEDED("done")}},
    {503, "/op/2", "http://h/op/2", "",
     {TRANSIENT(POLL_STATUS, "poll expected HTTP 200, got 503 (polled http://h/runs/7)")}},
};

START_TEST(a_poll_may_name_another_url)
{
    struct rxp_http_plan plan = plan_of(false);
    plan.pending_codes = (struct rxp_codes)CODES(202);
    struct http_reply reply = reply_of_text(poll_rows[_i].code, poll_rows[_i].body);
    reply.wanted_raw = poll_rows[_i].raw;
    reply.wanted_url = poll_rows[_i].url;
    struct verdict verdict = of_poll(&plan, &reply);
    check_verdict(&verdict, &poll_rows[_i].want);
    verdict_deinit(&verdict);
    reply_free(&reply);
}
END_TEST

START_TEST(a_poll_url_has_at_most_16384_bytes)
{
    char url[16384 + 2] = "http://h/";
    memset(url + strlen(url), 'x', sizeof url - 1 - strlen(url));
    url[sizeof url - 1] = '\0';
    const struct rxp_http_plan plan = plan_of(true);
    struct http_reply reply = {.sent = true, .code = 202, .body = "", .wanted_raw = url, .wanted_url = url};
    struct verdict verdict = of_kickoff(&plan, &reply);
    ck_assert_int_eq(verdict.kind, VERDICT_BROKEN);
    ck_assert_int_eq(verdict.error, RXP_ERROR_POLL_URL_INVALID);
    url[16384] = '\0';
    verdict = of_kickoff(&plan, &reply);
    ck_assert_int_eq(verdict.kind, VERDICT_ACCEPTED);
    check_string("poll_url", verdict.poll_url, url);
    verdict_deinit(&verdict);
}
END_TEST

START_TEST(a_header_that_the_plan_does_not_name_is_not_looked_at)
{
    struct rxp_http_plan plan = polling;
    struct http_reply reply = {.sent = true, .code = 202, .body = "", .wanted_raw = "nonsense"};
    const struct verdict verdict = of_kickoff(&plan, &reply);
    check_verdict(&verdict, &(struct want){.kind = VERDICT_ACCEPTED});
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("verdict_url");
    TCase *tcase = tcase_create("verdict_url");
    tcase_add_loop_test(tcase, a_kickoff_names_its_poll_url, 0, ROWS(kickoff_rows));
    tcase_add_test(tcase, a_run_that_ended_at_once_keeps_the_poll_url_for_its_fetch);
    tcase_add_loop_test(tcase, a_poll_may_name_another_url, 0, ROWS(poll_rows));
    tcase_add_test(tcase, a_poll_url_has_at_most_16384_bytes);
    tcase_add_test(tcase, a_header_that_the_plan_does_not_name_is_not_looked_at);
    suite_add_tcase(suite, tcase);
    return suite;
}
