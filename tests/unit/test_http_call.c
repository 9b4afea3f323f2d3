#include "protocol/http_call.h"
#include "protocol/url.h"
#include "support/plan_stage.h"

#include <stdlib.h>

static const struct {
    const char *url_template;
    const char *run_id;
    const char *prepared_id;
    const char *url;         /* NULL: refused … */
    enum rxp_error error;
    const char *sentence;
} urls[] = {
    {"http://h/x", NULL, NULL, "http://h/x", RXP_OK, NULL},
    {"http://h/{run_id}/{prepared_id}", "a/b", "p?", "http://h/a%2Fb/p%3F", RXP_OK, NULL},
    {"http://h/{run_id}", "{prepared_id}", "p", "http://h/%7Bprepared_id%7D", RXP_OK, NULL},
    {"http://h/{run_id}", "../../admin", NULL, "http://h/..%2F..%2Fadmin", RXP_OK, NULL},
    {"http://h/{run_id}", "a\r\nb", NULL, "http://h/a%0D%0Ab", RXP_OK, NULL},
    {"http://h/{run_id}", "..", NULL, NULL, RXP_ERROR_RUN_ID_INVALID,
     "the id '..' makes the path segment '{run_id}' of a URL come out as '..', which would name another resource"},
    {"http://h/.{run_id}/x", ".", NULL, NULL, RXP_ERROR_RUN_ID_INVALID, "'.{run_id}' of a URL come out as '..'"},
    {"http://h/%2e{run_id}/x", ".", NULL, NULL, RXP_ERROR_RUN_ID_INVALID, "come out as '..'"},
    {"http://h/{prepared_id}/x", NULL, ".", NULL, RXP_ERROR_PREPARE_FAILED, "the id '.' makes the path segment"},
    {"http://h/v1/{+run_id}:wait", "projects/p 1/operations/x?y", NULL, "http://h/v1/projects/p%201/operations/x%3Fy:wait", RXP_OK, NULL},
    {"http://h/{+prepared_id}/{prepared_id}", NULL, "a/b", "http://h/a/b/a%2Fb", RXP_OK, NULL},
    {"http://h/{+run_id}", "{prepared_id}", "p", "http://h/%7Bprepared_id%7D", RXP_OK, NULL},
    {"http://h/{+run_id}", "a/../b", NULL, NULL, RXP_ERROR_RUN_ID_INVALID,
     "the id 'a/../b' makes '{+run_id}' of a URL come out with the path segment '..', which would name another resource"},
    {"http://h/v1/{+run_id}", "/operations/x", NULL, NULL, RXP_ERROR_RUN_ID_INVALID, "come out with the path segment ''"},
    {"http://h/v1/{+run_id}", "operations/", NULL, NULL, RXP_ERROR_RUN_ID_INVALID, "come out with the path segment ''"},
    {"http://h/{+run_id}", "..", NULL, NULL, RXP_ERROR_RUN_ID_INVALID, "the path segment '{+run_id}' of a URL come out as '..'"},
    {"http://h/%2e{+run_id}", "./x", NULL, NULL, RXP_ERROR_RUN_ID_INVALID, "'%2e{+run_id}' of a URL come out with the path segment '..'"},
    {"http://h/{+prepared_id}{run_id}", "r", "a/../b", NULL, RXP_ERROR_PREPARE_FAILED, "the id 'a/../b' makes"},
    {"http://h/{run_id}{+prepared_id}", "r", "a/../b", NULL, RXP_ERROR_PREPARE_FAILED, "the id 'a/../b' makes"},
    {"http://h/{+prepared_id}{run_id}", ".", "a/", NULL, RXP_ERROR_RUN_ID_INVALID, "the id '.' makes"},
    {"http://h/x?{run_id}", "..", NULL, "http://h/x?..", RXP_OK, NULL},
};

static struct rxp_http_call call_to(const char *url)
{
    return (struct rxp_http_call){.url = url,
                                  .method = "GET",
                                  .url_has_run_id = strstr(url, "run_id}") != NULL,
                                  .url_has_prepared_id = strstr(url, "prepared_id}") != NULL};
}

START_TEST(a_url_is_filled_when_the_ids_are_known)
{
    struct rxp_http_call call = call_to(urls[_i].url_template);
    const struct rxp_fills fills = {.run_id = urls[_i].run_id, .prepared_id = urls[_i].prepared_id};
    struct rxp_refusal why = {.error = RXP_OK, .text = "none"};

    ck_assert(rxp_http_call_is_ready(&call, &fills));
    char *url = rxp_http_call_url(&call, &fills, &why);
    ck_assert_pstr_eq(url, urls[_i].url);
    ck_assert_int_eq(why.error, urls[_i].error);
    if (url == NULL)
        ck_assert_msg(strstr(why.text, urls[_i].sentence) != NULL, "%s", why.text);
    free(url);
}
END_TEST

START_TEST(a_call_is_ready_once_all_that_it_needs_is_known)
{
    const struct rxp_fills none = {.run_id = NULL};
    const struct rxp_fills run = {.run_id = "r"};
    const struct rxp_fills both = {.run_id = "r", .prepared_id = "p"};
    struct rxp_http_call call = call_to("http://h/{run_id}");

    ck_assert(!rxp_http_call_is_ready(&call, &none));
    ck_assert(rxp_http_call_is_ready(&call, &run));
    call.body_has_prepared_id = true;
    ck_assert(!rxp_http_call_is_ready(&call, &run));
    ck_assert(rxp_http_call_is_ready(&call, &both));
    call = call_to("http://h/");
    ck_assert(rxp_http_call_is_ready(&call, &none));
    call.body_has_run_id = true;
    ck_assert(!rxp_http_call_is_ready(&call, &none));
    call = call_to("http://h/{prepared_id}");
    ck_assert(!rxp_http_call_is_ready(&call, &run));
    call.url = NULL;
    ck_assert(!rxp_http_call_is_ready(&call, &both));
}
END_TEST

static const struct {
    const char *body;
    bool is_form;
    bool has_run_id;
    bool has_prepared_id;
    const char *sent;
} bodies[] = {
    {"{\"a\":\"{run_id}\",\"b\":\"{prepared_id}\"}", false, true, true, "{\"a\":\"r\\\"1\",\"b\":\"p \\u007brun_id}\"}"},
    {"{\"a\":\"{run_id}\",\"b\":\"{prepared_id}\"}", false, false, true, "{\"a\":\"{run_id}\",\"b\":\"p \\u007brun_id}\"}"},
    {"{\"a\":\"{run_id}\",\"b\":\"{prepared_id}\"}", false, false, false, "{\"a\":\"{run_id}\",\"b\":\"{prepared_id}\"}"},
    {" {\"a\":[\"{run_id}\",true],\"{prepared_id}\":null}", true, true, true, "a=r%221&a=true&p+%7Brun_id%7D="},
    {"a=%7Brun_id%7D", true, false, false, "a=%7Brun_id%7D"},
};

START_TEST(a_body_is_filled_when_the_ids_are_known)
{
    struct rxp_http_call call = call_to("http://h/");
    const struct rxp_fills fills = {.run_id = "r\"1", .prepared_id = "p {run_id}"};
    const char *body;
    size_t bytes;
    char *owned;

    call.body = bodies[_i].body;
    call.body_bytes = strlen(call.body);
    call.body_is_form = bodies[_i].is_form;
    call.body_has_run_id = bodies[_i].has_run_id;
    call.body_has_prepared_id = bodies[_i].has_prepared_id;
    ck_assert_int_eq(rxp_http_call_body(&call, &fills, &body, &bytes, &owned), 0);
    ck_assert_str_eq(body, bodies[_i].sent);
    ck_assert_uint_eq(bytes, strlen(body));
    ck_assert((owned == NULL) == (!call.body_has_run_id && !call.body_has_prepared_id));
    ck_assert(owned == NULL ? body == call.body : body == owned);
    ck_assert_str_eq(rxp_http_call_content_type(&call),
                     call.body_is_form ? "application/x-www-form-urlencoded" : "application/json");
    free(owned);
}
END_TEST

/* What the plan leaves open is no longer than what it counted with. */
START_TEST(the_longest_ids_fit)
{
    char id[RXP_RUN_ID_MAX_BYTES + 1];
    char url_template[256] = "http://h/";
    struct sample sample;
    struct rxp_http_plan plan;
    struct rxp_refusal why;

    for (int i = 0; i < 10; i++)
        strcat(url_template, "{run_id}");
    memset(id, '\x01', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    sample_init(&sample, RXP_KIND_HTTP_ASYNC);
    set(&sample, "http.poll_url_template", url_template);
    assert_made(&sample, &plan);
    char *url = rxp_http_call_url(&plan.poll, &(struct rxp_fills){.run_id = id}, &why);
    ck_assert_uint_eq(strlen(url), 9 + 10 * 3 * RXP_RUN_ID_MAX_BYTES);
    ck_assert_uint_le(strlen(url), URL_MAX_BYTES);
    free(url);
    rxp_http_plan_deinit(&plan);
}
END_TEST

START_TEST(a_content_type_belongs_to_a_body)
{
    struct rxp_http_call call = call_to("http://h/");

    call.body = NULL;
    ck_assert(!rxp_http_call_has_use_of(&call, "Content-Type") && !rxp_http_call_has_use_of(&call, "content-TYPE"));
    ck_assert(rxp_http_call_has_use_of(&call, "Content-Types") && rxp_http_call_has_use_of(&call, "X"));
    call.body = "{}";
    ck_assert(rxp_http_call_has_use_of(&call, "Content-Type"));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("http_call");
    TCase *tcase = tcase_create("http_call");

    tcase_add_loop_test(tcase, a_url_is_filled_when_the_ids_are_known, 0, ROWS(urls));
    tcase_add_test(tcase, a_call_is_ready_once_all_that_it_needs_is_known);
    tcase_add_loop_test(tcase, a_body_is_filled_when_the_ids_are_known, 0, ROWS(bodies));
    tcase_add_test(tcase, the_longest_ids_fit);
    tcase_add_test(tcase, a_content_type_belongs_to_a_body);
    suite_add_tcase(suite, tcase);
    return suite;
}
