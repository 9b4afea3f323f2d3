/* token: an access token that is fetched when somebody needs it, used until it ends, and renewed before that while it is
 * in use. What is to be done when; who does it is the keeper's business.
 *
 *   none --token_use--> wanted --token_begin--> fetching --token_ended--> there, or failed: wanted again after a pause
 *   there --in use, and a while before its end--> fetching (and there still)
 *
 * Not thread-safe: its owner guards it. Times are of the monotonic clock. */
#ifndef RXP_ENGINE_TOKEN_H
#define RXP_ENGINE_TOKEN_H

#include "engine/oauth_grant.h"

#include <stdbool.h>
#include <stdint.h>

struct token {
    struct token *next; /* the owner's */
    char *name;
    struct oauth_grant grant;
    void *request; /* the owner's: under way */
    bool fetching;
    bool wanted; /* somebody waits for it */
    bool used;   /* since it was fetched */
    char *value; /* NULL: none */
    int64_t begun_ms;
    int64_t renew_ms;
    int64_t until_ms;
    int failures; /* in a row */
    int64_t retry_ms; /* not before */
    char fault[OAUTH_WHY_BYTES]; /* of the last fetch that failed */
};

/* Takes the grant on success. NULL for want of memory. */
struct token *token_new(const char *name, struct oauth_grant *grant);
void token_free(struct token *token);

enum token_state { TOKEN_THERE, TOKEN_COMING, TOKEN_FAILED };
/* THERE: `value` is good for now. COMING: the keeper is to be woken. FAILED: `fault` says why; it is tried again later. */
enum token_state token_use(struct token *token, int64_t now_ms);
/* When it is to be fetched, or CLOCK_NEVER. */
int64_t token_due_ms(const struct token *token, int64_t now_ms);
void token_begin(struct token *token, int64_t now_ms);
/* `fetched` NULL: it failed, and why says how. Takes the value of what was fetched. */
void token_ended(struct token *token, struct oauth_token *fetched, const char *why, int64_t now_ms);
/* A server refused it. True where it is to be fetched anew: the keeper is to be woken. */
#define TOKEN_YOUNG_MS INT64_C(10000)
bool token_refused(struct token *token, int64_t now_ms);

#endif
