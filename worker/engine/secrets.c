#include "engine/secrets.h"

#include "base/clock.h"
#include "engine/secrets_inside.h"
#include "protocol/refusal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILLED_MAX_BYTES ((size_t)64 * 1024)

bool secret_is_in(const char *value)
{
    struct secret_mark mark;
    return secret_next(value, &mark) != SECRET_NONE;
}

/* ---- life ---- */

static int copy_config(struct secrets *secrets, const struct secrets_config *config, char why[SECRETS_WHY_BYTES])
{
    secrets->config = *config;
    snprintf(why, SECRETS_WHY_BYTES, "out of memory");
    if (config->dir != NULL && (secrets->dir = strdup(config->dir)) == NULL) {
        return -1;
    }
    if (config->environment != NULL && secret_store_read_variables(config->environment, &secrets->variables) != 0) {
        return -1;
    }
    return config->hosts != NULL ? secret_bindings_parse(config->hosts, &secrets->bindings, why, SECRETS_WHY_BYTES) : 0;
}

struct secrets *secrets_new(const struct secrets_config *config, char why[SECRETS_WHY_BYTES])
{
    struct secrets *secrets = calloc(1, sizeof *secrets);
    if (secrets == NULL) {
        snprintf(why, SECRETS_WHY_BYTES, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&secrets->lock, NULL);
    pthread_mutex_init(&secrets->watch_lock, NULL);
    if (copy_config(secrets, config, why) != 0) {
        secrets_free(secrets);
        return NULL;
    }
    if (secrets->dir != NULL) {
        secrets_read_files(secrets, true, NULL);
    }
    return secrets;
}

int secrets_start(struct secrets *secrets, char why[SECRETS_WHY_BYTES])
{
    return secrets->dir != NULL ? secret_keeper_start(secrets, why) : 0;
}

void secrets_free(struct secrets *secrets)
{
    if (secrets == NULL) {
        return;
    }
    secret_keeper_stop(secrets);
    while (secrets->tokens != NULL) {
        struct token *next = secrets->tokens->next;
        token_free(secrets->tokens);
        secrets->tokens = next;
    }
    secret_store_deinit(&secrets->files);
    secret_store_deinit(&secrets->variables);
    secret_bindings_deinit(&secrets->bindings);
    pthread_mutex_destroy(&secrets->lock);
    pthread_mutex_destroy(&secrets->watch_lock);
    free(secrets->dir);
    free(secrets);
}

int secrets_watch(struct secrets *secrets, void (*changed)(void *), void *opaque)
{
    if (secrets == NULL) {
        return 0;
    }
    pthread_mutex_lock(&secrets->watch_lock);
    bool taken = changed != NULL && secrets->changed != NULL;
    if (!taken) {
        secrets->changed = changed;
        secrets->opaque = opaque;
    }
    pthread_mutex_unlock(&secrets->watch_lock);
    return taken ? -1 : 0;
}

/* ---- filling ---- */

struct place {
    const char *host;
    int port;
    const struct rxp_pair *bindings; /* of the profile */
    size_t n_bindings;
    int64_t now_ms; /* one moment for all looks at a token */
};

static enum secret_fill deny(char why[SECRETS_WHY_BYTES], const char *name, const char *rest, const char *more)
{
    snprintf(why, SECRETS_WHY_BYTES, "secret '%s' %s%s", name, rest, more);
    return SECRET_DENIED;
}

static enum secret_fill check_bound(const struct secrets *secrets, const char *name, const struct place *place,
                                    char why[SECRETS_WHY_BYTES])
{
    const char *general =
        secrets != NULL ? secret_bindings_find(secrets->bindings.pair, secrets->bindings.n, name) : NULL;
    const char *own = secret_bindings_find(place->bindings, place->n_bindings, name);
    if ((general != NULL && secret_hosts_have(general, place->host, place->port)) ||
        (own != NULL && secret_hosts_have(own, place->host, place->port))) {
        return SECRET_READY;
    }
    if (general == NULL && own == NULL) {
        return deny(why, name, "is bound to no host, so that it is never sent: bind it with secrets-hosts or in a profile",
                    "");
    }
    snprintf(why, SECRETS_WHY_BYTES, "secret '%s' may not be sent to %.120s port %d: neither secrets-hosts nor the run's "
             "profile binds it to that host", name, place->host, place->port);
    return SECRET_DENIED;
}

static struct secret_entry *find(const struct secrets *secrets, const char *name)
{
    struct secret_entry *entry = secret_store_find(&secrets->files, name);
    return entry != NULL ? entry : secret_store_find(&secrets->variables, name);
}

static struct token *find_token(const struct secrets *secrets, const char *name)
{
    struct token *token = secrets->tokens;
    while (token != NULL && strcmp(token->name, name) != 0) {
        token = token->next;
    }
    return token;
}

/* Under the lock. */
static enum secret_fill use_token(struct secrets *secrets, const char *name, int64_t now_ms, const char **value,
                                  char why[SECRETS_WHY_BYTES])
{
    struct token *token = find_token(secrets, name);
    switch (token_use(token, now_ms)) {
    case TOKEN_THERE:
        *value = token->value;
        return SECRET_READY;
    case TOKEN_COMING:
        secret_keeper_wake(secrets);
        return SECRET_WAIT;
    case TOKEN_FAILED:
        snprintf(why, SECRETS_WHY_BYTES, "the token of secret '%s' could not be fetched: %s", name, token->fault);
        return SECRET_UNAVAILABLE;
    }
    return SECRET_UNAVAILABLE;
}

/* Under the lock. READY: *value points into what the lock guards. */
static enum secret_fill look_up(struct secrets *secrets, const struct secret_mark *mark, const struct place *place,
                                const char **value, char why[SECRETS_WHY_BYTES])
{
    if (check_bound(secrets, mark->name, place, why) != SECRET_READY) {
        return SECRET_DENIED;
    }
    struct secret_entry *entry = secrets != NULL ? find(secrets, mark->name) : NULL;
    if (entry == NULL) {
        snprintf(why, SECRETS_WHY_BYTES, "secret '%s' is not known: there is neither a file of that name in secrets-dir nor "
                 "a variable RXP_SECRET_%s", mark->name, mark->name);
        return SECRET_DENIED;
    }
    if (entry->fault[0] != '\0') {
        return deny(why, mark->name, "cannot be used: ", entry->fault);
    }
    if (entry->is_grant) {
        return use_token(secrets, mark->name, place->now_ms, value, why);
    }
    *value = entry->value;
    return SECRET_READY;
}

/* Under the lock. With out NULL it is checked and measured only: *bytes, without the NUL. */
static enum secret_fill walk(struct secrets *secrets, const char *text, const struct place *place, char *out,
                             size_t *bytes, char why[SECRETS_WHY_BYTES])
{
    enum secret_fill worst = SECRET_READY;
    struct secret_mark mark;
    enum secret_next next;
    *bytes = 0;
    while ((next = secret_next(text, &mark)) == SECRET_FOUND) {
        const char *value = "";
        enum secret_fill got = look_up(secrets, &mark, place, &value, why);
        if (got == SECRET_DENIED) {
            return SECRET_DENIED;
        }
        worst = got > worst ? got : worst;
        size_t before = (size_t)(mark.begin - text);
        size_t value_bytes = strlen(value);
        if (out != NULL) {
            memcpy(out + *bytes, text, before);
            stpcpy(out + *bytes + before, value);
        }
        *bytes += before + value_bytes;
        text = mark.end;
    }
    if (next == SECRET_MALFORMED) {
        snprintf(why, SECRETS_WHY_BYTES, "'%s' is not of the form ${secret:NAME}",
                 rxp_show(strstr(text, "${secret:"), strcspn(strstr(text, "${secret:"), "}")).text);
        return SECRET_DENIED;
    }
    size_t rest = strlen(text);
    if (out != NULL) {
        memcpy(out + *bytes, text, rest + 1);
    }
    *bytes += rest;
    if (*bytes > FILLED_MAX_BYTES) {
        snprintf(why, SECRETS_WHY_BYTES, "with its secrets filled in, the header is longer than %zu bytes",
                 FILLED_MAX_BYTES);
        return SECRET_DENIED;
    }
    return worst;
}

static void lock(struct secrets *secrets)
{
    if (secrets != NULL) {
        pthread_mutex_lock(&secrets->lock);
    }
}

static void unlock(struct secrets *secrets)
{
    if (secrets != NULL) {
        pthread_mutex_unlock(&secrets->lock);
    }
}

enum secret_fill secrets_fill(struct secrets *secrets, const char *value, const char *host, int port,
                              const struct rxp_pair *bindings, size_t n_bindings, char **out,
                              char why[SECRETS_WHY_BYTES])
{
    const struct place place = {host, port, bindings, n_bindings, clock_mono_ms()};
    size_t bytes = 0;
    *out = NULL;
    why[0] = '\0';
    lock(secrets);
    enum secret_fill filled = walk(secrets, value, &place, NULL, &bytes, why);
    if (filled == SECRET_READY) {
        *out = malloc(bytes + 1);
        if (*out != NULL) {
            filled = walk(secrets, value, &place, *out, &bytes, why);
        } else {
            snprintf(why, SECRETS_WHY_BYTES, "out of memory");
            filled = SECRET_NO_MEMORY;
        }
    }
    unlock(secrets);
    return filled;
}

bool secrets_check(struct secrets *secrets, const char *value, const char *host, int port,
                   const struct rxp_pair *bindings, size_t n_bindings, char why[SECRETS_WHY_BYTES])
{
    const struct place place = {host, port, bindings, n_bindings, clock_mono_ms()};
    struct secret_mark mark;
    size_t bytes = 0;
    if (secret_next(value, &mark) == SECRET_NONE) {
        return true;
    }
    why[0] = '\0';
    lock(secrets);
    enum secret_fill filled = walk(secrets, value, &place, NULL, &bytes, why);
    unlock(secrets);
    return filled != SECRET_DENIED;
}

void secrets_refused(struct secrets *secrets, const char *value)
{
    struct secret_mark mark;
    if (secrets == NULL || !secret_is_in(value)) {
        return;
    }
    pthread_mutex_lock(&secrets->lock);
    for (; secret_next(value, &mark) == SECRET_FOUND; value = mark.end) {
        struct token *token = find_token(secrets, mark.name);
        if (token != NULL && token_refused(token, clock_mono_ms())) {
            secret_keeper_wake(secrets);
        }
    }
    pthread_mutex_unlock(&secrets->lock);
}

/* ---- what is known ---- */

static void view_store(const struct secrets *secrets, const struct secret_store *store, const char *source,
                       void (*each)(const struct secret_view *view, void *opaque), void *opaque)
{
    for (size_t i = 0; i < store->n; i++) {
        const struct secret_entry *entry = &store->entry[i];
        const struct secret_view view = {
            .name = entry->name,
            .source = entry->is_grant ? "OAuth2 file" : source,
            .fault = entry->fault[0] != '\0' ? entry->fault : NULL,
            .hosts = secret_bindings_find(secrets->bindings.pair, secrets->bindings.n, entry->name),
        };
        each(&view, opaque);
    }
}

void secrets_view(struct secrets *secrets, void (*each)(const struct secret_view *view, void *opaque), void *opaque)
{
    pthread_mutex_lock(&secrets->lock);
    view_store(secrets, &secrets->files, "file", each, opaque);
    view_store(secrets, &secrets->variables, "environment", each, opaque);
    pthread_mutex_unlock(&secrets->lock);
}

void secrets_view_unknown(struct secrets *secrets, void (*each)(const struct secret_view *view, void *opaque),
                          void *opaque)
{
    pthread_mutex_lock(&secrets->lock);
    for (size_t i = 0; i < secrets->bindings.n; i++) {
        const struct rxp_pair *pair = &secrets->bindings.pair[i];
        if (find(secrets, pair->key) == NULL) {
            const struct secret_view view = {.name = pair->key, .hosts = pair->value};
            each(&view, opaque);
        }
    }
    pthread_mutex_unlock(&secrets->lock);
}
