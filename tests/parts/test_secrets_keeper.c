#include "base/clock.h"
#include "engine/egress.h"
#include "engine/secrets.h"
#include "engine/secrets_inside.h"
#include "support/check_main.h"
#include "support/rude_server.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE_MS 20000

static char dir[64];
static struct rude_server *server;
static struct egress *egress;
static struct secrets *secrets;
static char *answer;
static atomic_int changes;
static int64_t fetch_timeout_ms;

static void setup(void)
{
    strcpy(dir, "/tmp/test_keeper.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    atomic_store(&changes, 0);
    fetch_timeout_ms = 0; /* 30 s: longer than libcheck waits */
}

static void teardown(void)
{
    char command[128];
    secrets_free(secrets);
    egress_free(egress);
    if (server != NULL)
        rude_server_stop(server);
    free(answer);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
    secrets = NULL;
    egress = NULL;
    server = NULL;
    answer = NULL;
}

static void on_change(void *opaque)
{
    atomic_fetch_add((atomic_int *)opaque, 1);
}

static void await_change(int n)
{
    int64_t deadline_ms = clock_mono_ms() + DEADLINE_MS;
    while (atomic_load(&changes) < n) {
        ck_assert_msg(clock_mono_ms() < deadline_ms, "change %d did not come", n);
        usleep(1000);
    }
}

/* As an editor, or Kubernetes, puts it: another file under the same name. */
static void put(const char *name, const char *text)
{
    char path[128];
    char fresh[140];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    snprintf(fresh, sizeof fresh, "%s/.new", dir);
    FILE *file = fopen(fresh, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(rename(fresh, path), 0);
}

static void put_grant(const char *path, const char *client_secret)
{
    char text[400];
    snprintf(text, sizeof text, "{\"token_url\":\"%s%s\",\"client_id\":\"me\",\"client_secret\":\"%s\",\"scope\":\"runs\"}",
             rude_server_url(server), path, client_secret);
    put("T.oauth2.json", text);
}

static void start(bool loopback_allowed)
{
    char why[SECRETS_WHY_BYTES] = "";
    egress = egress_make(&(struct egress_config){.allow = "*", .loopback_allowed = loopback_allowed}, why);
    const struct secrets_config config = {.dir = dir, .hosts = "T=api;P=api", .egress = egress,
                                          .connect_timeout_ms = 5000, .fetch_timeout_ms = fetch_timeout_ms};
    secrets = secrets_new(&config, why);
    ck_assert_msg(secrets != NULL, "%s", why);
    ck_assert_int_eq(secrets_watch(secrets, on_change, &changes), 0);
    ck_assert_int_eq(secrets_start(secrets, why), 0);
}

static void serve(const struct rude_step *steps, size_t n)
{
    server = rude_server_start(RUDE_WHOLE_SERVER, steps, n);
    put_grant("/token?x=1", "s3cr3t");
    start(true);
}

static void serve_token(const char *body)
{
    answer = rude_answer_make(200, body);
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = answer};
    serve(&step, 1);
}

static char why[SECRETS_WHY_BYTES];

static enum secret_fill fill(char **out)
{
    return secrets_fill(secrets, "Bearer ${secret:T}", "api", 443, NULL, 0, out, why);
}

static void expect_filled(const char *text)
{
    char *filled = NULL;
    ck_assert_msg(fill(&filled) == SECRET_READY, "%s", why);
    ck_assert_str_eq(filled, text);
    free(filled);
}

static uint64_t requests(void)
{
    struct rude_counts counts;
    rude_server_counts(server, &counts);
    return counts.requests;
}

#define GOOD "{\"access_token\":\"tok-1\",\"token_type\":\"Bearer\",\"expires_in\":3600}"

START_TEST(fetches_one_token_for_many_who_wait)
{
    char *filled = NULL;
    serve_token(GOOD);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(fill(&filled), SECRET_WAIT);
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

static struct token *lock_token(void)
{
    pthread_mutex_lock(&secrets->lock);
    return secrets->tokens;
}

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
    ck_assert_int_eq(fill(&filled), SECRET_WAIT);
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
    ck_assert_int_eq(fill(&filled), SECRET_WAIT);
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

/* ---- files that change ---- */

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
    ck_assert_int_eq(fill(&filled), SECRET_WAIT);
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
    tcase_add_test(tcase, a_stop_does_not_wait_for_a_token);
    tcase_add_test(tcase, a_file_that_changes_is_read_again);
    tcase_add_test(tcase, a_mounted_secret_of_kubernetes_is_read_again);
    tcase_add_test(tcase, a_token_outlives_changes_that_are_not_its_own);
    tcase_add_test(tcase, a_grant_that_goes_while_its_token_is_fetched_wakes_those_who_wait);
    tcase_add_test(tcase, nobody_is_called_after_the_watch_was_taken_away);
    suite_add_tcase(suite, tcase);
    return suite;
}
