#include "support/keeper_stage.h"

static void expect_plain(const char *text)
{
    char *filled = NULL;
    enum secret_fill got = secrets_fill(secrets, "${secret:P}", "api", 443, NULL, 0, &filled, why);
    if (text == NULL) {
        ck_assert_int_eq(got, SECRET_DENIED);
    } else {
        ck_assert_msg(got == SECRET_READY, "%s", why);
        ck_assert_str_eq(filled, text);
    }
    free(filled);
}

START_TEST(a_file_that_changes_is_read_again)
{
    char path[128];
    start(true);
    expect_plain(NULL);
    put("P", "one");
    await_change(1);
    expect_plain("one");
    put("P", "two");
    await_change(2);
    expect_plain("two");
    snprintf(path, sizeof path, "%s/P", dir);
    ck_assert_int_eq(unlink(path), 0);
    await_change(3);
    expect_plain(NULL);
}
END_TEST

/* NAME -> ..data/NAME, ..data -> a directory, which is what is exchanged. */
START_TEST(a_mounted_secret_of_kubernetes_is_read_again)
{
    char command[600];
    start(true);
    snprintf(command, sizeof command, "cd %s && mkdir ..1 ..2 && printf one >..1/P && printf two >..2/P && ln -s ..1 ..data && "
             "ln -s ..data/P P", dir);
    ck_assert_int_eq(system(command), 0);
    await_change(1);
    expect_plain("one");
    snprintf(command, sizeof command, "cd %s && ln -s ..2 ..tmp && mv -T ..tmp ..data && rm -r ..1", dir);
    ck_assert_int_eq(system(command), 0);
    await_change(2);
    expect_plain("two");
}
END_TEST

START_TEST(a_token_outlives_changes_that_are_not_its_own)
{
    char *filled = NULL;
    serve_token(GOOD);
    ck_assert_int_eq(fill(&filled), SECRET_WAIT);
    await_change(1);
    put("P", "x");
    await_change(2);
    expect_filled("Bearer tok-1");
    put_grant("/token?x=1", "other");
    await_change(3);
    want_token();
    await_change(4);
    expect_filled("Bearer tok-1");
    ck_assert_uint_eq(requests(), 2);
}
END_TEST

START_TEST(a_grant_that_goes_while_its_token_is_fetched_wakes_those_who_wait)
{
    char path[128];
    char *filled = NULL;
    const struct rude_step step = {.act = RUDE_STALL};
    server = rude_server_start(RUDE_WHOLE_SERVER, &step, 1);
    put_grant("/", "s3cr3t");
    start(true);
    ck_assert_int_eq(fill(&filled), SECRET_WAIT);
    ck_assert(rude_server_await(server, 1, DEADLINE_MS));
    snprintf(path, sizeof path, "%s/T.oauth2.json", dir);
    ck_assert_int_eq(unlink(path), 0);
    await_change(1);
    ck_assert_int_eq(fill(&filled), SECRET_DENIED);
}
END_TEST

START_TEST(nobody_is_called_after_the_watch_was_taken_away)
{
    start(true);
    ck_assert_int_eq(secrets_watch(secrets, on_change, &changes), -1); /* there is one already */
    ck_assert_int_eq(secrets_watch(secrets, NULL, NULL), 0);
    put("P", "x");
    int64_t deadline_ms = clock_mono_ms() + DEADLINE_MS;
    char *filled = NULL;
    while (secrets_fill(secrets, "${secret:P}", "api", 443, NULL, 0, &filled, why) != SECRET_READY) {
        ck_assert(clock_mono_ms() < deadline_ms);
        usleep(1000);
    }
    free(filled);
    secrets_free(secrets); /* the keeper has ended its turn */
    secrets = NULL;
    ck_assert_int_eq(atomic_load(&changes), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("secrets_files");
    TCase *tcase = tcase_create("secrets_files");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 25);
    tcase_add_test(tcase, a_file_that_changes_is_read_again);
    tcase_add_test(tcase, a_mounted_secret_of_kubernetes_is_read_again);
    tcase_add_test(tcase, a_token_outlives_changes_that_are_not_its_own);
    tcase_add_test(tcase, a_grant_that_goes_while_its_token_is_fetched_wakes_those_who_wait);
    tcase_add_test(tcase, nobody_is_called_after_the_watch_was_taken_away);
    suite_add_tcase(suite, tcase);
    return suite;
}
