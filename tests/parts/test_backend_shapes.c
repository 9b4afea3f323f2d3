#include "base/clock.h"
#include "support/backend_stage.h"
#include "support/check_main.h"

/* What stands behind `before` in the last answer, up to the end of a JSON string or a line; in `out`, behind `path`. */
static void take_from(const char *text, const char *before, const char *path, char out[2048])
{
    const char *found = strstr(text, before);
    ck_assert_msg(found, "'%s' is not in: %s", before, text);
    found += strlen(before);
    snprintf(out, 2048, "%s%.*s", path, (int)strcspn(found, "\"\r\n"), found);
}

START_TEST(speaks_as_apis_of_other_shapes_do)
{
    static const struct {
        const char *kickoff;
        long code;
        const char *answer;
        const char *before; /* the run's URL or id, in the answer or its headers */
        const char *path;   /* where it is polled */
        long early_code;
        const char *early;
        const char *end;
    } rows[] = {
        {"/analyze", 202, "", "Operation-Location: http://127.0.0.1:", NULL, 200, "\"status\":\"Running\"}",
         "\"status\":\"Succeeded\",\"result\":{\"words\":3}}"},
        {"/analyze?outcome=Failed&message=torn", 202, "", "Operation-Location: http://127.0.0.1:", NULL, 200, "\"Running\"}",
         "\"status\":\"Failed\",\"error\":{\"message\":\"torn\"}}"},
        {"/exports", 202, "", "Location: ", "", 202, "not yet", "\"state\":\"finished\",\"download\":\"/files/export.csv\"}"},
        {"/v1/reports:run", 200, "{\"name\":\"operations/", "\"name\":\"", "/v1/", 200, "\"}",
         "\"done\":true,\"response\":{\"rows\":3}}"},
        {"/v1/reports:run?message=quota", 200, "{\"name\":\"operations/", "\"name\":\"", "/v1/", 200, "\"}",
         "\"done\":true,\"error\":{\"message\":\"quota\"}}"},
        {"/renders", 202, "{\"id\":\"", "\"id\":\"", "/renders/", 200, "\"state\":\"running\"}", "\"state\":\"done\"}"},
    };
    ck_assert_uint_eq(sizeof(rows) / sizeof(*rows), 6);
    for (int late = 0; late < 2; late++) {
        char target[2048];
        char url[2048];
        snprintf(target, sizeof(target), "%s%cseconds=%d", rows[_i].kickoff, strchr(rows[_i].kickoff, '?') ? '&' : '?',
                 late ? 0 : 600);
        ask("POST", target);
        expect(rows[_i].code, rows[_i].answer);
        ck_assert(rows[_i].answer[0] || reply.body_bytes == 0);
        take_from(rows[_i].answer[0] ? reply.body : reply.head, rows[_i].before, rows[_i].path ? rows[_i].path : "", url);
        ask("GET", rows[_i].path ? url : strchr(url, '/'));
        expect(late ? 200 : rows[_i].early_code, late ? rows[_i].end : rows[_i].early);
        ck_assert_msg(late || !strstr(reply.body, "done\""), "%s", reply.body);
    }
}
END_TEST

START_TEST(takes_the_slash_of_an_operations_name_as_it_is_only)
{
    char url[2048];
    char coded[2100];
    ask("POST", "/v1/reports:run?seconds=0");
    take_from(reply.body, "\"name\":\"operations/", "", url);
    snprintf(coded, sizeof(coded), "/v1/operations%%2F%s", url);
    ask("GET", coded);
    expect(404, "nothing is at '/v1/operations/");
}
END_TEST

START_TEST(says_when_to_ask_again_until_a_run_has_ended)
{
    char url[2048];
    for (int seconds = 0; seconds <= 600; seconds += 600) {
        char target[64];
        snprintf(target, sizeof(target), "/analyze?seconds=%d", seconds);
        ask("POST", target);
        ck_assert_ptr_nonnull(strstr(reply.head, "Retry-After: 1\r\n"));
        take_from(reply.head, "Operation-Location: http://127.0.0.1:", "", url);
        ask("GET", strchr(url, '/'));
        ck_assert_int_eq(strstr(reply.head, "Retry-After: 1\r\n") != NULL, seconds > 0);
    }
}
END_TEST

START_TEST(has_results_apart_from_the_status)
{
    char url[2048];
    ask("POST", "/renders?seconds=0&result=%7B%22frames%22:%5B1%5D%7D");
    take_from(reply.body, "\"id\":\"", "/renders/", url);
    strcat(url, "/output");
    ask("GET", url);
    expect(200, "{\"frames\":[1]}");
    ask("POST", "/renders?seconds=600");
    take_from(reply.body, "\"id\":\"", "/renders/", url);
    strcat(url, "/output");
    ask("GET", url);
    expect(409, "the run has not ended");
}
END_TEST

START_TEST(asks_for_a_key_where_one_is_needed)
{
    static const struct {
        const char *header; /* NULL: none */
        long code;
    } rows[] = {{NULL, 401}, {"X-Api-Key;", 401}, {"X-Api-Key: k", 202}, {"Authorization: Bearer t", 202}};
    ask_with("/keyed/runs?seconds=0", &(struct asking){.method = "POST", .header = rows[_i].header});
    ck_assert_int_eq(reply.code, rows[_i].code);
    if (rows[_i].code == 202) {
        char url[2048];
        take_from(reply.body, "\"run_id\":\"", "/keyed/runs/", url);
        ask("GET", url);
        ck_assert_int_eq(reply.code, 401);
        ask_with(url, &(struct asking){.method = "GET", .header = rows[_i].header});
        expect(200, "completed");
    }
}
END_TEST

static void begin_workflow(const char *parameters, char conversation[2048])
{
    char target[256];
    char body[2100];
    ask("POST", "/conversations");
    expect(201, "{\"id\":\"conv-");
    take_from(reply.body, "\"id\":\"", "", conversation);
    snprintf(target, sizeof(target), "/runs/by-worker/%s", conversation);
    ask("GET", target);
    ck_assert_int_eq(reply.code, 404);
    snprintf(target, sizeof(target), "/workflows/assist/run?%s", parameters);
    snprintf(body, sizeof(body), "{\"conversationId\":\"%s\"}", conversation);
    ask_with(target, &(struct asking){.method = "POST", .body = body});
    expect(200, "{\"accepted\":true,\"status\":\"started\"}");
}

START_TEST(runs_workflows_in_conversations)
{
    char conversation[2048];
    char target[4096];
    char id[2048];
    begin_workflow("seconds=600", conversation); /* not registered for a moment */
    snprintf(target, sizeof(target), "/runs/by-worker/%s", conversation);
    int64_t from_ms = clock_mono_ms();
    int unregistered = 0;
    while (ask("GET", target)->code == 404 && clock_mono_ms() - from_ms < DEADLINE_MS) {
        unregistered++;
    }
    ck_assert_int_gt(unregistered, 0);
    expect(200, "{\"run\":{\"id\":\"");
    expect(200, "\"status\":\"running\"}}");

    begin_workflow("seconds=0", conversation);
    snprintf(target, sizeof(target), "/runs/by-worker/%s", conversation);
    ask("GET", target);
    expect(200, "\"status\":\"completed\"}}");
    take_from(reply.body, "\"id\":\"", "/runs/", id);
    ask("GET", id);
    expect(200, "\"status\":\"completed\"},\"events\":[\"started\",\"ended\"]}");
    snprintf(target, sizeof(target), "%s/abandon", id);
    ask("POST", target);
    expect(200, "completed");
}
END_TEST

START_TEST(knows_no_conversation_that_it_did_not_begin)
{
    static const struct {
        const char *body;
        long code;
        const char *sentence;
    } rows[] = {
        {"{\"message\":\"hi\"}", 400, "the body has no 'conversationId'"},
        {"hi", 400, "the body has no 'conversationId'"},
        {"{\"conversationId\":\"conv-1\"}", 404, "no conversation 'conv-1' is known here"},
        {"{\"conversationId\":\"conv-1-00000000\"}", 404, "no conversation 'conv-1-00000000' is known here"},
        {"{\"conversationId\":\"{prepared_id}\"}", 404, "no conversation '{prepared_id}' is known here"},
    };
    ask("POST", "/conversations");
    ask_with("/workflows/a/run", &(struct asking){.method = "POST", .body = rows[_i].body});
    expect(rows[_i].code, rows[_i].sentence);
}
END_TEST

START_TEST(cancels_a_run_for_good)
{
    char target[4096];
    char id[2048];
    ask("POST", "/runs?seconds=600&result=1");
    snprintf(id, sizeof(id), "%s", poll_target());
    snprintf(target, sizeof(target), "%s/cancel", id);
    ask("POST", target);
    expect(200, "\"status\":\"cancelled\"}");
    ask("GET", id);
    expect(200, "\"status\":\"cancelled\"}");
    ask("POST", "/runs?seconds=0"); /* one that has ended stays as it is */
    snprintf(target, sizeof(target), "%s/cancel", poll_target());
    ask("POST", target);
    expect(200, "\"status\":\"completed\"}");
    ask("POST", "/runs/unknown/cancel");
    ck_assert_int_eq(reply.code, 404);
    ask("POST", "/runs?seconds=0&run_id=a%2Fcancel"); /* an id may look like an action */
    ask("GET", "/runs/a%2Fcancel");
    expect(200, "completed");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("backend_shapes");
    TCase *tests = tcase_create("all");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, start, stop);
    tcase_add_loop_test(tests, speaks_as_apis_of_other_shapes_do, 0, 6);
    tcase_add_test(tests, takes_the_slash_of_an_operations_name_as_it_is_only);
    tcase_add_test(tests, says_when_to_ask_again_until_a_run_has_ended);
    tcase_add_test(tests, has_results_apart_from_the_status);
    tcase_add_loop_test(tests, asks_for_a_key_where_one_is_needed, 0, 4);
    tcase_add_test(tests, runs_workflows_in_conversations);
    tcase_add_loop_test(tests, knows_no_conversation_that_it_did_not_begin, 0, 5);
    tcase_add_test(tests, cancels_a_run_for_good);
    return suite;
}
