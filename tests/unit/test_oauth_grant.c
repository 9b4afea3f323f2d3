#include "engine/oauth_grant.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINIMAL "\"token_url\":\"https://id/t\",\"client_id\":\"me\",\"client_secret\":\"s3cr3t\""

struct file_row {
    const char *text;
    const char *says; /* NULL: it is taken */
};

static const struct file_row file_rows[] = {
    {"{" MINIMAL "}", NULL},
    {"{" MINIMAL ",\"scope\":\"a b\",\"audience\":\"x\",\"auth\":\"post\"}", NULL},
    {"{" MINIMAL ",\"auth\":\"basic\"}\n", NULL},
    {"", "it is not JSON"},
    {"[]", "it is no JSON object"},
    {"{" MINIMAL "} x", "it is not JSON"},
    {"{" MINIMAL ",\"client_id\":\"b\"}", "it is not JSON"},
    {"{" MINIMAL ",\"scopes\":\"a\"}", "did you mean 'scope'"},
    {"{" MINIMAL ",\"auth\":\"Post\"}", "its auth is neither basic nor post"},
    {"{" MINIMAL ",\"scope\":null}", "its scope is no string"},
    {"{" MINIMAL ",\"scope\":\"\"}", "its scope is no string"},
    {"{\"client_id\":\"me\",\"client_secret\":\"s\"}", "it has no token_url"},
    {"{\"token_url\":\"https://id\",\"client_secret\":\"s\"}", "it has no client_id"},
    {"{\"token_url\":\"https://id\",\"client_id\":\"s\"}", "it has no client_secret"},
    {"{\"token_url\":\"file:///etc/passwd\",\"client_id\":\"me\",\"client_secret\":\"s\"}", "its token_url is no http"},
};

START_TEST(the_file_is_read_strictly)
{
    const struct file_row *row = &file_rows[_i];
    struct oauth_grant grant;
    char why[OAUTH_WHY_BYTES] = "";
    int failed = oauth_grant_read(row->text, strlen(row->text), &grant, why);
    if (row->says == NULL) {
        ck_assert_msg(failed == 0, "%s: %s", row->text, why);
        ck_assert_str_eq(grant.client_id, "me");
    } else {
        ck_assert_msg(failed != 0, "'%s' is taken", row->text);
        ck_assert_msg(strstr(why, row->says) != NULL, "%s: '%s'", row->text, why);
        ck_assert_ptr_null(grant.token_url);
        ck_assert_ptr_null(strstr(why, "s3cr3t"));
    }
    oauth_grant_deinit(&grant);
}
END_TEST

static struct oauth_grant read_grant(const char *text)
{
    struct oauth_grant grant;
    char why[OAUTH_WHY_BYTES] = "";
    ck_assert_msg(oauth_grant_read(text, strlen(text), &grant, why) == 0, "%s", why);
    return grant;
}

static void expect_request(const char *text, const char *form, const char *authorization)
{
    struct oauth_grant grant = read_grant(text);
    char *made_form = oauth_grant_form(&grant);
    char *made = oauth_grant_authorization(&grant);
    ck_assert_str_eq(made_form, form);
    if (authorization == NULL) {
        ck_assert_ptr_null(made);
    } else {
        ck_assert_str_eq(made, authorization);
    }
    oauth_free(made_form);
    oauth_free(made);
    oauth_grant_deinit(&grant);
}

START_TEST(the_request_is_the_one_of_the_rfc)
{
    expect_request("{" MINIMAL "}", "grant_type=client_credentials", "Basic bWU6czNjcjN0");
    expect_request("{" MINIMAL ",\"scope\":\"a/.default b\",\"audience\":\"https://x?y=\\u00e9\"}",
                   "grant_type=client_credentials&scope=a%2F.default%20b&audience=https%3A%2F%2Fx%3Fy%3D%C3%A9",
                   "Basic bWU6czNjcjN0");
    expect_request("{" MINIMAL ",\"auth\":\"post\"}",
                   "grant_type=client_credentials&client_id=me&client_secret=s3cr3t", NULL);
    /* each length of the last group, and what would end a name early */
    expect_request("{\"token_url\":\"https://id\",\"client_id\":\"a:b\",\"client_secret\":\"&\"}",
                   "grant_type=client_credentials", "Basic YSUzQWI6JTI2");
    expect_request("{\"token_url\":\"https://id\",\"client_id\":\"a\",\"client_secret\":\"bc\"}",
                   "grant_type=client_credentials", "Basic YTpiYw==");
    expect_request("{\"token_url\":\"https://id\",\"client_id\":\"a\",\"client_secret\":\"bcd\"}",
                   "grant_type=client_credentials", "Basic YTpiY2Q=");
}
END_TEST

START_TEST(two_grants_are_the_same_in_all_fields_or_not_at_all)
{
    static const char *const others[] = {
        "{" MINIMAL ",\"scope\":\"a\"}", "{" MINIMAL ",\"audience\":\"a\"}", "{" MINIMAL ",\"auth\":\"post\"}",
        "{\"token_url\":\"https://id/u\",\"client_id\":\"me\",\"client_secret\":\"s3cr3t\"}",
        "{\"token_url\":\"https://id/t\",\"client_id\":\"you\",\"client_secret\":\"s3cr3t\"}",
        "{\"token_url\":\"https://id/t\",\"client_id\":\"me\",\"client_secret\":\"other\"}"};
    struct oauth_grant grant = read_grant("{" MINIMAL "}");
    struct oauth_grant same = read_grant("{\"auth\":\"basic\"," MINIMAL "}");
    ck_assert(oauth_grant_is_same(&grant, &same));
    oauth_grant_deinit(&same);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct oauth_grant other = read_grant(others[i]);
        ck_assert_msg(!oauth_grant_is_same(&grant, &other), "%s", others[i]);
        oauth_grant_deinit(&other);
    }
    oauth_grant_deinit(&grant);
}
END_TEST

#define TOKEN "\"access_token\":\"tok-1\",\"token_type\":\"Bearer\""

struct answer_row {
    int code;
    const char *body;
    int64_t life_s; /* of a token; 0: `says` is part of the refusal */
    const char *says;
};

static const struct answer_row answer_rows[] = {
    {200, "{" TOKEN ",\"expires_in\":3600,\"refresh_token\":\"x\"}", 3600, NULL},
    {200, "{" TOKEN ",\"expires_in\":\"3599\"}", 3599, NULL},
    {200, "{" TOKEN "}", 300, NULL},
    {200, "{" TOKEN ",\"expires_in\":null}", 300, NULL},
    {200, "{" TOKEN ",\"expires_in\":\"soon\"}", 300, NULL},
    {200, "{" TOKEN ",\"expires_in\":\"\"}", 300, NULL},
    {200, "{" TOKEN ",\"expires_in\":{}}", 300, NULL},
    {200, "{" TOKEN ",\"expires_in\":0}", 10, NULL},
    {200, "{" TOKEN ",\"expires_in\":-5}", 10, NULL},
    {200, "{" TOKEN ",\"expires_in\":\"-5\"}", 10, NULL},
    {200, "{" TOKEN ",\"expires_in\":3}", 10, NULL},
    {200, "{" TOKEN ",\"expires_in\":99999999999999999999}", 86400, NULL},
    {200, "{" TOKEN ",\"expires_in\":1e300}", 86400, NULL},
    {200, "{\"access_token\":\"tok-1\",\"token_type\":\"bEARER\",\"expires_in\":60}", 60, NULL},
    {200, "{\"access_token\":\"tok-1\",\"token_type\":\"mac\"}", 0, "no token_type Bearer"},
    {200, "{\"access_token\":\"tok-1\"}", 0, "no token_type Bearer"},
    {200, "{\"token_type\":\"Bearer\"}", 0, "no access_token"},
    {200, "{\"access_token\":\"\",\"token_type\":\"Bearer\"}", 0, "no access_token"},
    {200, "{\"access_token\":17,\"token_type\":\"Bearer\"}", 0, "no access_token"},
    {200, "{\"access_token\":\"a b\",\"token_type\":\"Bearer\"}", 0, "no access_token"},
    {200, "{\"access_token\":\"a\\r\\nX: y\",\"token_type\":\"Bearer\"}", 0, "no access_token"},
    {200, "{\"access_token\":\"\\u00e9\",\"token_type\":\"Bearer\"}", 0, "no access_token"},
    {200, "access_token=tok-1&token_type=Bearer", 0, "no JSON object"},
    {200, "[]", 0, "no JSON object"},
    {200, "", 0, "no JSON object"},
    {201, "{" TOKEN "}", 0, "answered 201"},
    {302, "", 0, "answered 302, and redirects are not followed for it"},
    {401, "{\"error\":\"invalid_client\",\"error_description\":\"no such thing\"}", 0,
     "answered 401 and the error invalid_client"},
    {500, "oops", 0, "answered 500"},
};

START_TEST(the_answer_is_read_with_care)
{
    const struct answer_row *row = &answer_rows[_i];
    struct oauth_grant grant = read_grant("{" MINIMAL "}");
    struct oauth_token token;
    char why[OAUTH_WHY_BYTES] = "";
    int failed = oauth_answer_read(&grant, row->code, row->body, strlen(row->body), &token, why);
    if (row->says == NULL) {
        ck_assert_msg(failed == 0, "%s: %s", row->body, why);
        ck_assert_str_eq(token.value, "tok-1");
        ck_assert_int_eq(token.life_ms, row->life_s * 1000);
    } else {
        ck_assert_msg(failed != 0 && token.value == NULL, "%s is taken", row->body);
        ck_assert_msg(strstr(why, row->says) != NULL, "%s: '%s'", row->body, why);
    }
    oauth_free(token.value);
    oauth_grant_deinit(&grant);
}
END_TEST

START_TEST(what_the_server_says_is_not_repeated)
{
    static const char *const bodies[] = {
        "{\"error\":\"so_client_secret_it_is\"}", "{\"error\":\"Your password\"}", "{\"error\":[\"client_secret\"]}",
        "{\"error_description\":\"client_secret\"}", "client_secret",
        "{\"error\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"};
    struct oauth_grant grant =
        read_grant("{\"token_url\":\"https://id\",\"client_id\":\"me\",\"client_secret\":\"client_secret\"}");
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct oauth_token token;
        char why[OAUTH_WHY_BYTES] = "";
        ck_assert_int_ne(oauth_answer_read(&grant, 400, bodies[i], strlen(bodies[i]), &token, why), 0);
        ck_assert_str_eq(why, "the token server answered 400");
    }
    oauth_grant_deinit(&grant);
}
END_TEST

START_TEST(a_token_has_8_KiB_at_most)
{
    struct oauth_grant grant = read_grant("{" MINIMAL "}");
    for (size_t more = 0; more < 2; more++) {
        char body[9000];
        int begin = snprintf(body, sizeof body, "{\"token_type\":\"Bearer\",\"access_token\":\"");
        memset(body + begin, 'x', OAUTH_TOKEN_MAX_BYTES + more);
        strcpy(body + begin + OAUTH_TOKEN_MAX_BYTES + more, "\"}");
        struct oauth_token token;
        char why[OAUTH_WHY_BYTES] = "";
        ck_assert_int_eq(oauth_answer_read(&grant, 200, body, strlen(body), &token, why) == 0, more == 0);
        oauth_free(token.value);
    }
    oauth_grant_deinit(&grant);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("oauth_grant");
    TCase *tcase = tcase_create("oauth_grant");
    tcase_add_loop_test(tcase, the_file_is_read_strictly, 0, sizeof file_rows / sizeof file_rows[0]);
    tcase_add_test(tcase, the_request_is_the_one_of_the_rfc);
    tcase_add_test(tcase, two_grants_are_the_same_in_all_fields_or_not_at_all);
    tcase_add_loop_test(tcase, the_answer_is_read_with_care, 0, sizeof answer_rows / sizeof answer_rows[0]);
    tcase_add_test(tcase, what_the_server_says_is_not_repeated);
    tcase_add_test(tcase, a_token_has_8_KiB_at_most);
    suite_add_tcase(suite, tcase);
    return suite;
}
