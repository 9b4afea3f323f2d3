#include "engine/token.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_FIRST_MS INT64_C(2000)
#define RETRY_MAX_MS INT64_C(60000)
#define RENEW_LEAD_MS INT64_C(60000) /* before its end, or a quarter of a short life */
#define END_LEAD_MS INT64_C(10000)   /* it is not sent so shortly before its end, or in the last tenth of a short life */

struct token *token_new(const char *name, struct oauth_grant *grant)
{
    struct token *token = calloc(1, sizeof *token);
    char *copy = strdup(name);
    if (token == NULL || copy == NULL) {
        free(token);
        free(copy);
        return NULL;
    }
    token->name = copy;
    token->grant = *grant;
    *grant = (struct oauth_grant){0};
    return token;
}

void token_free(struct token *token)
{
    if (token == NULL) {
        return;
    }
    oauth_free(token->value);
    oauth_grant_deinit(&token->grant);
    free(token->name);
    free(token);
}

enum token_state token_use(struct token *token, int64_t now_ms)
{
    if (token->value != NULL && now_ms < token->until_ms) {
        token->used = true;
        return TOKEN_THERE;
    }
    token->wanted = true;
    return !token->fetching && now_ms < token->retry_ms ? TOKEN_FAILED : TOKEN_COMING;
}

int64_t token_due_ms(const struct token *token, int64_t now_ms)
{
    int64_t due_ms = CLOCK_NEVER;
    if (token->fetching) {
        return CLOCK_NEVER;
    }
    if (token->wanted) {
        due_ms = now_ms;
    } else if (token->value != NULL && token->used) {
        due_ms = token->renew_ms;
    }
    return due_ms < token->retry_ms ? token->retry_ms : due_ms;
}

void token_begin(struct token *token, int64_t now_ms)
{
    token->fetching = true;
    token->wanted = false;
    token->begun_ms = now_ms;
}

static int64_t at_most(int64_t value, int64_t most)
{
    return value < most ? value : most;
}

void token_ended(struct token *token, struct oauth_token *fetched, const char *why, int64_t now_ms)
{
    token->fetching = false;
    token->wanted = false; /* who still waits asks again */
    if (fetched == NULL) {
        int64_t pause_ms = RETRY_FIRST_MS;
        for (int i = 0; i < token->failures && pause_ms < RETRY_MAX_MS; i++) {
            pause_ms *= 2;
        }
        token->failures++;
        token->retry_ms = now_ms + at_most(pause_ms, RETRY_MAX_MS);
        snprintf(token->fault, sizeof token->fault, "%s", why);
        return;
    }
    oauth_free(token->value);
    token->value = fetched->value;
    fetched->value = NULL;
    token->used = false;
    token->failures = 0;
    token->retry_ms = 0;
    token->renew_ms = token->begun_ms + fetched->life_ms - at_most(RENEW_LEAD_MS, fetched->life_ms / 4);
    token->until_ms = token->begun_ms + fetched->life_ms - at_most(END_LEAD_MS, fetched->life_ms / 10);
    /* However slow the server was: what it gave is used at least once, or it would be asked without end. */
    if (token->until_ms < now_ms + END_LEAD_MS / 10) {
        token->until_ms = now_ms + END_LEAD_MS / 10;
    }
}

bool token_refused(struct token *token, int64_t now_ms)
{
    if (token->value == NULL || token->fetching || now_ms - token->begun_ms < TOKEN_YOUNG_MS) {
        return false;
    }
    oauth_free(token->value);
    token->value = NULL;
    token->wanted = true;
    return true;
}
