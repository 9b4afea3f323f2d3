#include "engine/secrets_inside.h"
#include "ops/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tokens of grants ---- */

static struct token *take_token(struct token **tokens, const char *name, const struct oauth_grant *grant)
{
    for (struct token **at = tokens; *at != NULL; at = &(*at)->next) {
        struct token *token = *at;
        if (strcmp(token->name, name) == 0 && oauth_grant_is_same(&token->grant, grant)) {
            *at = token->next;
            token->next = NULL;
            return token;
        }
    }
    return NULL;
}

/* A token for the entry: of the old ones, or a new one. The grant's text is not needed any longer. */
static void make_token(struct secret_entry *entry, struct token **old, struct token **fresh)
{
    struct oauth_grant grant;
    char why[OAUTH_WHY_BYTES] = "";
    if (oauth_grant_read(entry->value, strlen(entry->value), &grant, why) != 0) {
        snprintf(entry->fault, sizeof entry->fault, "%.190s", why);
    } else {
        struct token *token = take_token(old, entry->name, &grant);
        token = token != NULL ? token : token_new(entry->name, &grant);
        if (token != NULL) {
            token->next = *fresh;
            *fresh = token;
        } else {
            snprintf(entry->fault, sizeof entry->fault, "out of memory");
        }
        oauth_grant_deinit(&grant);
    }
    secret_free(entry->value, entry->bytes);
    entry->value = NULL;
}

/* ---- what has changed ---- */

static bool is_same_value(const struct secret_entry *a, const struct secret_entry *b)
{
    return a->is_grant == b->is_grant && strcmp(a->fault, b->fault) == 0 &&
           (a->value == b->value || (a->value != NULL && b->value != NULL && strcmp(a->value, b->value) == 0));
}

static void tell_changes(const struct secret_store *before, const struct secret_store *now)
{
    for (size_t i = 0; i < before->n; i++) {
        if (secret_store_find(now, before->entry[i].name) == NULL) {
            log_event(LOG_WARN, "secret_gone", "the file of secret '%s' is gone, and the secret with it",
                      before->entry[i].name);
        }
    }
    for (size_t i = 0; i < now->n; i++) {
        const struct secret_entry *entry = &now->entry[i];
        const struct secret_entry *old = secret_store_find(before, entry->name);
        if (old != NULL && is_same_value(old, entry)) {
            continue;
        }
        if (entry->fault[0] != '\0') {
            log_event(LOG_WARN, "secret_unusable", "secret '%s' cannot be used: %s", entry->name, entry->fault);
        } else {
            log_event(LOG_INFO, "secret_read", "secret '%s' %s", entry->name, old == NULL ? "is there" : "was read again");
        }
    }
}

static void free_tokens(struct token *tokens, void (*drop)(void *request))
{
    while (tokens != NULL) {
        struct token *next = tokens->next;
        if (tokens->request != NULL) {
            drop(tokens->request);
        }
        token_free(tokens);
        tokens = next;
    }
}

bool secrets_read_files(struct secrets *secrets, bool is_first, void (*drop)(void *request))
{
    char why[SECRETS_WHY_BYTES];
    struct secret_store fresh;
    uint64_t stamp = secret_store_stamp(secrets->dir);
    if (!is_first && stamp == secrets->files.stamp) {
        return false;
    }
    if (secret_store_read_dir(secrets->dir, &fresh, why, sizeof why) != 0) {
        log_event(LOG_WARN, "secrets_unreadable", "%s; no secret of it is known", why);
    }
    pthread_mutex_lock(&secrets->lock);
    struct secret_store before = secrets->files;
    struct token *old = secrets->tokens;
    secrets->tokens = NULL;
    for (size_t i = 0; i < fresh.n; i++) {
        if (fresh.entry[i].is_grant && fresh.entry[i].fault[0] == '\0') {
            make_token(&fresh.entry[i], &old, &secrets->tokens);
        }
    }
    secrets->files = fresh;
    free_tokens(old, drop);
    pthread_mutex_unlock(&secrets->lock);
    if (!is_first) {
        tell_changes(&before, &fresh);
    }
    secret_store_deinit(&before);
    return true;
}
