/* errand_inside: what errand.c (turns, requests) and errand_new.c (how one is made, with copies of all that it needs) share.
 * Nobody else includes it. */
#ifndef RXP_ENGINE_ERRAND_INSIDE_H
#define RXP_ENGINE_ERRAND_INSIDE_H

#include "engine/errand.h"

/* What one of its requests needs, copied. */
struct call {
    struct rxp_http_call http;
    const struct rxp_http_header *headers; /* those that may go there */
    size_t n_headers;
    const char *traceparent; /* NULL: no trace goes with it */
    const char *tracestate;  /* NULL: none */
};

struct text {
    struct text *next;
    char at[];
};

struct errand {
    struct list node;
    struct list due_node;
    struct errands *owner;
    const char *name; /* "cancel", "after" */
    struct call look; /* without a url: there is none, or it is over */
    struct call call;
    const char *run_id_path; /* of the look */
    const char *run_id;
    const char *prepared_id;
    struct rxp_pair *bindings;
    size_t n_bindings;
    int64_t ends_ms;
    struct transfer *transfer;
    struct sending *sending;
    struct text *texts; /* every string above */
    struct rxp_http_header *kept_headers[2];
    size_t bytes;
};

/* For this call of the run's plan. In no list, and nobody's. NULL for want of memory. */
struct errand *errand_new(const struct run *run, const struct rxp_http_call *call, const char *name, int64_t now_ms);
void errand_free(struct errand *errand);
/* A copy that lives as long as the errand. 0, or -1 for want of memory. NULL stays NULL. */
int errand_keep(struct errand *errand, const char **out, const char *text);

#endif
