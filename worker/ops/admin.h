/* admin: the worker's own small HTTP server: who may ask, and who answers what.
 *
 * Knows routes, not what stands behind them. Handlers run on the server's threads; one that asks the loops answers later,
 * from any thread (http_server.h). */
#ifndef RXP_OPS_ADMIN_H
#define RXP_OPS_ADMIN_H

#include "ops/http_server.h"

#include <stdbool.h>
#include <stddef.h>

struct admin;

/* Who may. A listener is local where its address is a loopback one. */
enum admin_access {
    ADMIN_OPEN,      /* everybody */
    ADMIN_PRIVATE,   /* everybody who reaches a local listener; else with the token */
    ADMIN_PROTECTED, /* with the token, always; without one configured: 403 with a sentence that says so */
};

struct admin_route {
    const char *method; /* "GET" also answers HEAD */
    /* "/livez"; "/runs/" with a last '/' also stands for all below it, the longest match wins */
    const char *path;
    enum admin_access access;
    http_handler_fn handler;
    void *opaque; /* the handler's; NULL: the config's */
};

struct admin_config {
    const char *listen;
    bool may_be_taken; /* the address is the default: where it is taken, a warning, and *out is NULL */
    const char *token; /* NULL: none */
    const struct admin_route *routes;
    size_t n_routes;
    void *opaque; /* of the handlers whose route has none */
};

/* 0 with *out, or -1 with a sentence in why[why_bytes]. What config points to must outlive it. */
int admin_start(const struct admin_config *config, struct admin **out, char *why, size_t why_bytes);
/* No handler runs after it, and none may answer later than that: whoever still holds an exchange must have answered.
 * NULL is harmless. */
void admin_stop(struct admin *admin);
int admin_port(const struct admin *admin);

/* Any thread. {"error": SENTENCE} with this code. */
void admin_refuse(struct http_exchange *exchange, int code, const char *sentence);
void admin_send_json(struct http_exchange *exchange, int code, const char *text, size_t bytes);

#endif
