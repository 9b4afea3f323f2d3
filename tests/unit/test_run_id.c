#include "protocol/http_plan.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

static int take(const char *body, const char *path, char **id, struct rxp_refusal *why)
{
    struct json_fault fault;

    ck_assert_int_eq(json_check(body, strlen(body), JSON_KEYS_ANY, &fault), 0);
    const struct rxp_id_source source = {.phase = "kickoff", .noun = "run id", .path = path};
    return rxp_id_take(json_document(body, strlen(body)), &source, id, why);
}

static const struct {
    const char *body;
    const char *path;
    const char *id; /* NULL: refused */
    enum rxp_error error;
    const char *sentence;
} run_ids[] = {
    {"{\"data\":{\"run\":{\"id\":\"r-1\"}}}", "data.run.id", "r-1", RXP_OK, NULL},
    {"{\"id\":9007199254740993}", "id", "9007199254740993", RXP_OK, NULL},
    {"{\"id\":3.0}", "id", "3.0", RXP_OK, NULL},
    {"{\"id\":true}", "id", "true", RXP_OK, NULL},
    {"{\"id\":0}", "id", "0", RXP_OK, NULL},
    {"{\"id\":\"a\\u002fb\"}", "id", "a/b", RXP_OK, NULL},
    {"[{\"id\":\"x\"}]", "0.id", "x", RXP_OK, NULL},
    {"{\"id\":\"...\"}", "id", "...", RXP_OK, NULL},
    {"{}", "data.run.id", NULL, RXP_ERROR_RUN_ID_MISSING, "kickoff response has no field at path 'data.run.id'"},
    {"{\"ID\":1}", "id", NULL, RXP_ERROR_RUN_ID_MISSING, "kickoff response has no field at path 'id'"},
    {"{\"id\":null}", "id", NULL, RXP_ERROR_RUN_ID_INVALID, "kickoff response has null at path 'id', where a run id "
     "is due"},
    {"{\"id\":{}}", "id", NULL, RXP_ERROR_RUN_ID_INVALID, "kickoff response has an object at path 'id', where a run "
     "id is due"},
    {"{\"id\":[1]}", "id", NULL, RXP_ERROR_RUN_ID_INVALID, "kickoff response has an array at path 'id', where a run "
     "id is due"},
    {"{\"id\":\"\"}", "id", NULL, RXP_ERROR_RUN_ID_INVALID, "kickoff response has an empty string at path 'id', where "
     "a run id is due"},
    {"{\"id\":\".\"}", "id", NULL, RXP_ERROR_RUN_ID_INVALID, "kickoff response has '.' at path 'id', which is a step "
     "in a path and no run id"},
    {"{\"id\":\"\\u002e.\"}", "id", NULL, RXP_ERROR_RUN_ID_INVALID, "kickoff response has '..' at path 'id', which is "
     "a step in a path and no run id"},
};

START_TEST(a_run_id_is_taken_as_it_was_written)
{
    char *id = (char *)"";
    struct rxp_refusal why;
    int status = take(run_ids[_i].body, run_ids[_i].path, &id, &why);

    if (run_ids[_i].id != NULL) {
        ck_assert_msg(status == 0, "%s", why.text);
        ck_assert_str_eq(id, run_ids[_i].id);
        free(id);
    } else {
        ck_assert_int_eq(status, -1);
        ck_assert_ptr_null(id);
        ck_assert_int_eq(why.error, run_ids[_i].error);
        ck_assert_str_eq(why.text, run_ids[_i].sentence);
    }
}
END_TEST

START_TEST(a_run_id_has_at_most_512_bytes)
{
    char body[600];
    char *id;
    struct rxp_refusal why;

    snprintf(body, sizeof(body), "{\"id\":\"%0512d\"}", 7);
    ck_assert_int_eq(take(body, "id", &id, &why), 0);
    ck_assert_uint_eq(strlen(id), 512);
    free(id);
    snprintf(body, sizeof(body), "{\"id\":\"%0513d\"}", 7);
    ck_assert_int_eq(take(body, "id", &id, &why), -1);
    ck_assert_int_eq(why.error, RXP_ERROR_RUN_ID_INVALID);
    ck_assert_str_eq(why.text, "kickoff response has more bytes at path 'id' than the 512 that a run id may have");
}
END_TEST

START_TEST(a_sentence_names_the_answer_and_what_was_looked_for)
{
    static const struct {
        const char *body;
        const char *sentence;
    } rows[] = {
        {"{}", "prepare response has no field at path 'id'"},
        {"{\"id\":null}", "prepare response has null at path 'id', where a prepared id is due"},
        {"{\"id\":\"..\"}", "prepare response has '..' at path 'id', which is a step in a path and no prepared id"},
    };
    const struct rxp_id_source source = {.phase = "prepare", .noun = "prepared id", .path = "id"};
    char *id;
    struct rxp_refusal why;

    for (int i = 0; i < ROWS(rows); i++) {
        ck_assert_int_eq(rxp_id_take(json_document(rows[i].body, strlen(rows[i].body)), &source, &id, &why), -1);
        ck_assert_str_eq(why.text, rows[i].sentence);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("run_id");
    TCase *tcase = tcase_create("run_id");

    tcase_add_loop_test(tcase, a_run_id_is_taken_as_it_was_written, 0, ROWS(run_ids));
    tcase_add_test(tcase, a_run_id_has_at_most_512_bytes);
    tcase_add_test(tcase, a_sentence_names_the_answer_and_what_was_looked_for);
    suite_add_tcase(suite, tcase);
    return suite;
}
