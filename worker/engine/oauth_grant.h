/* oauth_grant: OAuth2 client credentials (RFC 6749, 4.4): what a NAME.oauth2.json says, the request for a token that comes
 * of it, and how the answer is read.
 *
 * Pure, any thread. Its memory is overwritten before it is freed. No sentence quotes what the token server says but its
 * error code. */
#ifndef RXP_ENGINE_OAUTH_GRANT_H
#define RXP_ENGINE_OAUTH_GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OAUTH_WHY_BYTES 200
#define OAUTH_TOKEN_MAX_BYTES ((size_t)8 * 1024)
/* Where an answer does not say how long its token lives, and the bounds of what it may say. */
#define OAUTH_LIFE_DEFAULT_MS INT64_C(300000)
#define OAUTH_LIFE_MIN_MS INT64_C(10000)
#define OAUTH_LIFE_MAX_MS INT64_C(86400000)

struct oauth_grant {
    char *token_url;
    char *client_id;
    char *client_secret;
    char *scope;    /* NULL: none */
    char *audience; /* NULL: none */
    bool in_body;   /* "auth": "post"; else HTTP Basic (RFC 6749, 2.3.1) */
};

/* {"token_url", "client_id", "client_secret", "scope"?, "audience"?, "auth"?: "basic" | "post"}, strings, strictly. 0, or
 * -1 with a sentence and *out empty. */
int oauth_grant_read(const char *text, size_t bytes, struct oauth_grant *out, char why[OAUTH_WHY_BYTES]);
void oauth_grant_deinit(struct oauth_grant *grant);
bool oauth_grant_is_same(const struct oauth_grant *a, const struct oauth_grant *b);

/* The request: a form, and the value of Authorization. The caller overwrites and frees them (oauth_free). NULL for want of
 * memory; the latter also where the credentials are in the form. */
char *oauth_grant_form(const struct oauth_grant *grant);
char *oauth_grant_authorization(const struct oauth_grant *grant);
/* Overwritten, then freed. NULL is harmless. */
void oauth_free(char *text);

struct oauth_token {
    char *value; /* the caller overwrites and frees it (oauth_free) */
    int64_t life_ms;
};
/* 0, or -1 with a sentence and *out empty. */
int oauth_answer_read(const struct oauth_grant *grant, int code, const char *body, size_t bytes, struct oauth_token *out,
                      char why[OAUTH_WHY_BYTES]);

#endif
