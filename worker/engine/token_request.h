/* token_request: one request to a token server, on somebody's curl multi handle: under the egress policy on its name and
 * on its resolved address, without redirects, with a limit on time and on the answer.
 *
 * Owned by the thread that owns the multi handle. Its memory is overwritten before it is freed. */
#ifndef RXP_ENGINE_TOKEN_REQUEST_H
#define RXP_ENGINE_TOKEN_REQUEST_H

#include "engine/egress.h"
#include "engine/oauth_grant.h"
#include "engine/outlet.h"

#include <curl/curl.h>
#include <stdint.h>

struct token_settings {
    const struct egress *egress;
    const struct outlet *outlet; /* NULL: see outlet.h */
    int64_t connect_timeout_ms;
    int64_t timeout_ms;
};

struct token_request;

/* Puts it on the multi handle. The grant is not looked at again. NULL with a sentence. */
struct token_request *token_request_start(CURLM *multi, const struct token_settings *settings,
                                          const struct oauth_grant *grant, void *opaque, char why[OAUTH_WHY_BYTES]);
/* Off the multi handle, wherever it stands. NULL is harmless. */
void token_request_free(struct token_request *request);

/* One that has ended, with what curl says of it; NULL: none. It is still to be freed. */
struct token_request *token_request_next_ended(CURLM *multi, CURLcode *code);
void *token_request_opaque(const struct token_request *request);
/* Of one that has ended. 0, or -1 with a sentence. */
int token_request_read(const struct token_request *request, CURLcode code, const struct oauth_grant *grant,
                       struct oauth_token *out, char why[OAUTH_WHY_BYTES]);

#endif
