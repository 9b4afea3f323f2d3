/* http_call: one kind of HTTP request of a run, as its plan describes it: URL and body may hold placeholders for what
 * is known only later.
 *
 * Pure and thread-safe. A plain value; the strings are the plan's. */
#ifndef RXP_PROTOCOL_HTTP_CALL_H
#define RXP_PROTOCOL_HTTP_CALL_H

#include "protocol/refusal.h"

#include <stdbool.h>
#include <stddef.h>

struct rxp_http_call {
    const char *url; /* with {run_id} and {prepared_id}, percent-encoded when filled, but for slashes where they are written
                        {+run_id} and {+prepared_id}; NULL: it is not made */
    const char *method; /* upper case */
    const char *body; /* NULL: none. JSON text, its fills escaped; or, where nothing is to be filled, as it is sent */
    size_t body_bytes;
    bool body_is_form;  /* to be sent url-encoded; already is, where nothing is to be filled */
    bool url_has_run_id; /* the names of what is still to be filled */
    bool url_has_prepared_id;
    bool body_has_run_id;
    bool body_has_prepared_id;
};

/* What is known by now; NULL: not known. */
struct rxp_fills {
    const char *run_id;
    const char *prepared_id;
};

/* Is everything known that it needs? */
bool rxp_http_call_is_ready(const struct rxp_http_call *call, const struct rxp_fills *fills);

/* The URL, which the caller frees. A path segment with a placeholder must not come out empty, "." or "..", nor may any of
 * those that slashes of a value make of it: NULL with *why then (run_id_invalid, or prepare_failed where the prepared id
 * alone is in it; it names the value), or for want of
 * memory (why->error RXP_OK). It must be ready. */
char *rxp_http_call_url(const struct rxp_http_call *call, const struct rxp_fills *fills, struct rxp_refusal *why);

/* The body as it is sent. Where nothing is to be filled *out is call->body and *owned NULL; else *owned is the memory,
 * which the caller frees. 0, or -1 for want of memory. */
int rxp_http_call_body(const struct rxp_http_call *call, const struct rxp_fills *fills, const char **out,
                       size_t *bytes, char **owned);

/* NULL without a body. */
const char *rxp_http_call_content_type(const struct rxp_http_call *call);
/* Does a header of that name belong to the request? Content-Type does where there is a body. */
bool rxp_http_call_has_use_of(const struct rxp_http_call *call, const char *header);

#endif
