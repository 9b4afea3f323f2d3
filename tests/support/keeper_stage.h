/* keeper_stage: secrets with a keeper at work, files that it looks at, and a token server.
 *
 * For the test files of secret_keeper. One thread, beside the keeper's. */
#ifndef RXP_TESTS_KEEPER_STAGE_H
#define RXP_TESTS_KEEPER_STAGE_H

#include "base/clock.h"
#include "engine/egress.h"
#include "engine/outlet.h"
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
static struct outlet *outlet;
static struct secrets *secrets;
static char *answer;
static atomic_int changes;
static int64_t fetch_timeout_ms;

static inline void setup(void)
{
    strcpy(dir, "/tmp/test_keeper.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    atomic_store(&changes, 0);
    fetch_timeout_ms = 0; /* 30 s: longer than libcheck waits */
}

static inline void teardown(void)
{
    char command[128];
    secrets_free(secrets);
    egress_free(egress);
    outlet_free(outlet);
    if (server != NULL)
        rude_server_stop(server);
    free(answer);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
    secrets = NULL;
    egress = NULL;
    outlet = NULL;
    server = NULL;
    answer = NULL;
}

static inline void on_change(void *opaque)
{
    atomic_fetch_add((atomic_int *)opaque, 1);
}

static inline void await_change(int n)
{
    int64_t deadline_ms = clock_mono_ms() + DEADLINE_MS;
    while (atomic_load(&changes) < n) {
        ck_assert_msg(clock_mono_ms() < deadline_ms, "change %d did not come", n);
        usleep(1000);
    }
}

/* As an editor, or Kubernetes, puts it: another file under the same name. */
static inline void put(const char *name, const char *text)
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

static inline void put_grant(const char *path, const char *client_secret)
{
    char text[400];
    snprintf(text, sizeof text, "{\"token_url\":\"%s%s\",\"client_id\":\"me\",\"client_secret\":\"%s\",\"scope\":\"runs\"}",
             rude_server_url(server), path, client_secret);
    put("T.oauth2.json", text);
}

static inline void start(bool loopback_allowed)
{
    char why[SECRETS_WHY_BYTES] = "";
    egress = egress_make(&(struct egress_config){.allow = "*", .loopback_allowed = loopback_allowed}, why);
    const struct secrets_config config = {.dir = dir, .hosts = "T=api;P=api", .egress = egress, .outlet = outlet,
                                          .connect_timeout_ms = 5000, .fetch_timeout_ms = fetch_timeout_ms};
    secrets = secrets_new(&config, why);
    ck_assert_msg(secrets != NULL, "%s", why);
    ck_assert_int_eq(secrets_watch(secrets, on_change, &changes), 0);
    ck_assert_int_eq(secrets_start(secrets, why), 0);
}

static inline void serve(const struct rude_step *steps, size_t n)
{
    server = rude_server_start(RUDE_WHOLE_SERVER, steps, n);
    put_grant("/token?x=1", "s3cr3t");
    start(true);
}

static inline void serve_token(const char *body)
{
    answer = rude_answer_make(200, body);
    const struct rude_step step = {.act = RUDE_ANSWER, .answer = answer};
    serve(&step, 1);
}

static char why[SECRETS_WHY_BYTES];

static inline enum secret_fill fill(char **out)
{
    return secrets_fill(secrets, "Bearer ${secret:T}", "api", 443, NULL, 0, out, why);
}

/* A token is under way, or has come just now: who asks need not be quicker than the keeper. */
static inline void want_token(void)
{
    char *filled = NULL;
    enum secret_fill got = fill(&filled);
    ck_assert_msg(got == SECRET_WAIT || got == SECRET_READY, "%s", why);
    free(filled);
}

static inline void expect_filled(const char *text)
{
    char *filled = NULL;
    ck_assert_msg(fill(&filled) == SECRET_READY, "%s", why);
    ck_assert_str_eq(filled, text);
    free(filled);
}

static inline uint64_t requests(void)
{
    struct rude_counts counts;
    rude_server_counts(server, &counts);
    return counts.requests;
}

#define GOOD "{\"access_token\":\"tok-1\",\"token_type\":\"Bearer\",\"expires_in\":3600}"

static inline struct token *lock_token(void)
{
    pthread_mutex_lock(&secrets->lock);
    return secrets->tokens;
}

#endif
