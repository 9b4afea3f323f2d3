/* plan_call: one call of a plan, read from the keys that describe it: checked, and filled with what is known by now.
 *
 * Not for use outside protocol/. */
#ifndef RXP_PROTOCOL_PLAN_CALL_H
#define RXP_PROTOCOL_PLAN_CALL_H

#include "protocol/http_call.h"
#include "protocol/plan_source.h"

#define PLAN_BODY_MAX_BYTES ((size_t)8 << 20) /* of one that placeholders make longer */

struct plan_call_rules {
    enum plan_key url;
    enum plan_key method;
    enum plan_key body; /* PLAN_KEYS: it has none */
    const char *default_method;
    unsigned url_fills;  /* placeholders that may stand there: enum template_fill */
    unsigned body_fills;
    bool body_is_free; /* a body may have what looks like other placeholders: it stays as it is */
    bool body_is_form;
};

/* Reads the call whose URL is given; else *out is one that is not made, but for its method. Returns 0, or -1 with
 * source->why. Memory is of the source's arena. */
int plan_call_read(struct plan_source *source, const struct plan_call_rules *rules, struct rxp_http_call *out);

#endif
