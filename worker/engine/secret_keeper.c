#include "base/clock.h"
#include "engine/secrets_inside.h"
#include "engine/token_request.h"
#include "ops/log.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define LOOK_EACH_MS INT64_C(1000)
#define FETCH_TIMEOUT_MS INT64_C(30000)
#define WAIT_MAX_MS INT64_C(60000)

void secret_keeper_wake(const struct secrets *secrets)
{
    if (secrets->multi != NULL) {
        curl_multi_wakeup(secrets->multi);
    }
}

/* Under the lock. True where it ended at once. */
static bool begin_fetch(struct secrets *secrets, struct token *token, int64_t now_ms)
{
    const struct token_settings settings = {
        .egress = secrets->config.egress,
        .outlet = secrets->config.outlet,
        .connect_timeout_ms = secrets->config.connect_timeout_ms,
        .timeout_ms = secrets->config.fetch_timeout_ms > 0 ? secrets->config.fetch_timeout_ms : FETCH_TIMEOUT_MS,
    };
    char why[OAUTH_WHY_BYTES] = "";
    token_begin(token, now_ms);
    token->request = token_request_start(secrets->multi, &settings, &token->grant, token, why);
    if (token->request != NULL) {
        return false;
    }
    token_ended(token, NULL, why, now_ms);
    log_event(LOG_WARN, "token_failed", "the OAuth2 token of secret '%s' cannot be fetched: %s", token->name, why);
    return true;
}

/* Fetches what is due. True where one ended; *next_ms: when the next is due. */
static bool begin_fetches(struct secrets *secrets, int64_t now_ms, int64_t *next_ms)
{
    bool ended = false;
    pthread_mutex_lock(&secrets->lock);
    for (struct token *token = secrets->tokens; token != NULL; token = token->next) {
        if (token_due_ms(token, now_ms) <= now_ms) {
            ended = begin_fetch(secrets, token, now_ms) || ended;
        }
        int64_t due_ms = token_due_ms(token, now_ms);
        *next_ms = due_ms < *next_ms ? due_ms : *next_ms;
    }
    pthread_mutex_unlock(&secrets->lock);
    return ended;
}

static void end_fetch(struct secrets *secrets, struct token_request *request, CURLcode code)
{
    struct token *token = token_request_opaque(request); /* alive: the request would have gone with it */
    struct oauth_token fetched;
    char why[OAUTH_WHY_BYTES] = "";
    pthread_mutex_lock(&secrets->lock);
    bool had_failed = token->failures > 0;
    bool is_good = token_request_read(request, code, &token->grant, &fetched, why) == 0;
    token_ended(token, is_good ? &fetched : NULL, why, clock_mono_ms());
    token->request = NULL;
    pthread_mutex_unlock(&secrets->lock);
    token_request_free(request);
    if (!is_good) {
        log_event(LOG_WARN, "token_failed", "the OAuth2 token of secret '%s' could not be fetched: %s", token->name, why);
    } else {
        log_event(had_failed ? LOG_INFO : LOG_DEBUG, "token_fetched", "the OAuth2 token of secret '%s' was fetched, for %lld s",
                  token->name, (long long)(fetched.life_ms / 1000));
    }
}

static bool end_fetches(struct secrets *secrets)
{
    bool ended = false;
    CURLcode code;
    struct token_request *request;
    while ((request = token_request_next_ended(secrets->multi, &code)) != NULL) {
        end_fetch(secrets, request, code);
        ended = true;
    }
    return ended;
}

static void drop_request(void *request)
{
    token_request_free(request);
}

static void tell_watch(struct secrets *secrets)
{
    pthread_mutex_lock(&secrets->watch_lock);
    if (secrets->changed != NULL) {
        secrets->changed(secrets->opaque);
    }
    pthread_mutex_unlock(&secrets->watch_lock);
}

/* Whoever waits is told also of files that were changed: the token that it waits for may not be there any more. */
static void turn(struct secrets *secrets)
{
    int64_t now_ms = clock_mono_ms();
    int64_t next_ms = now_ms + WAIT_MAX_MS;
    bool changed = false;
    int running;
    if (secrets->dir != NULL) {
        if (now_ms >= secrets->look_at_ms) {
            secrets->look_at_ms = now_ms + LOOK_EACH_MS;
            changed = secrets_read_files(secrets, false, drop_request);
        }
        next_ms = secrets->look_at_ms;
    }
    changed = begin_fetches(secrets, now_ms, &next_ms) || changed;
    curl_multi_perform(secrets->multi, &running);
    changed = end_fetches(secrets) || changed;
    if (changed) {
        tell_watch(secrets);
        return; /* who was told may want something at once */
    }
    int64_t wait_ms = next_ms - clock_mono_ms();
    curl_multi_poll(secrets->multi, NULL, 0, wait_ms > 0 ? (int)wait_ms : 0, NULL);
}

static void *keep(void *opaque)
{
    struct secrets *secrets = opaque;
    while (!atomic_load_explicit(&secrets->stopping, memory_order_acquire)) {
        turn(secrets);
    }
    return NULL;
}

int secret_keeper_start(struct secrets *secrets, char why[SECRETS_WHY_BYTES])
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        snprintf(why, SECRETS_WHY_BYTES, "libcurl could not be initialised");
        return -1;
    }
    sigset_t all;
    sigset_t before;
    secrets->multi = curl_multi_init();
    secrets->look_at_ms = clock_mono_ms() + LOOK_EACH_MS;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = secrets->multi != NULL && pthread_create(&secrets->thread, NULL, keep, secrets) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started) {
        return 0;
    }
    snprintf(why, SECRETS_WHY_BYTES, "the keeper of secrets could not be started");
    curl_multi_cleanup(secrets->multi);
    secrets->multi = NULL;
    curl_global_cleanup();
    return -1;
}

void secret_keeper_stop(struct secrets *secrets)
{
    if (secrets->multi == NULL) {
        return;
    }
    atomic_store_explicit(&secrets->stopping, true, memory_order_release);
    curl_multi_wakeup(secrets->multi);
    pthread_join(secrets->thread, NULL);
    for (struct token *token = secrets->tokens; token != NULL; token = token->next) {
        token_request_free(token->request);
        token->request = NULL;
    }
    curl_multi_cleanup(secrets->multi);
    secrets->multi = NULL;
    curl_global_cleanup();
}
