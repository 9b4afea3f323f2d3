#include "protocol/http_call.h"

#include "protocol/url.h"

#include <assert.h>
#include <stdlib.h>

bool rxp_http_call_is_ready(const struct rxp_http_call *call, const struct rxp_fills *fills)
{
    bool wants_run_id = call->url_has_run_id || call->body_has_run_id;
    bool wants_prepared_id = call->url_has_prepared_id || call->body_has_prepared_id;
    return call->url != NULL && (!wants_run_id || fills->run_id != NULL) &&
           (!wants_prepared_id || fills->prepared_id != NULL);
}

char *rxp_http_call_url(const struct rxp_http_call *call, const struct rxp_fills *fills, struct rxp_refusal *why)
{
    assert(rxp_http_call_is_ready(call, fills));
    size_t bytes = url_write(NULL, call->url, fills->run_id, NULL);
    char *url = malloc(bytes + 1);
    if (url == NULL) {
        why->error = RXP_OK;
        return NULL;
    }
    url_write(url, call->url, fills->run_id, NULL);
    url[bytes] = '\0';
    return url;
}

int rxp_http_call_body(const struct rxp_http_call *call, const struct rxp_fills *fills, const char **out,
                       size_t *bytes, char **owned)
{
    (void)fills;
    *out = call->body;
    *bytes = call->body_bytes;
    *owned = NULL;
    return 0;
}

const char *rxp_http_call_content_type(const struct rxp_http_call *call)
{
    if (call->body == NULL)
        return NULL;
    return call->body_is_form ? "application/x-www-form-urlencoded" : "application/json";
}
