/* secret_bindings: the option secrets-hosts: which secret may be sent to which hosts.
 *
 * Immutable after secret_bindings_parse: any thread. */
#ifndef RXP_ENGINE_SECRET_BINDINGS_H
#define RXP_ENGINE_SECRET_BINDINGS_H

#include "protocol/invocation.h"

#include <stddef.h>

struct secret_bindings {
    struct rxp_pair *pair; /* NAME -> "host[:port],…", each name once */
    size_t n;
    char *text; /* what the pairs point into */
};

/* "NAME=host[:port][,host…];NAME2=…". White space around names and hosts is not looked at, and a ';' may end it. 0, or -1
 * with a sentence in why[why_bytes] that names the faulty entry, and *out empty. */
int secret_bindings_parse(const char *text, struct secret_bindings *out, char *why, size_t why_bytes);
void secret_bindings_deinit(struct secret_bindings *bindings);

/* The hosts of a name; NULL: it has none. */
const char *secret_bindings_find(const struct rxp_pair *pairs, size_t n, const char *name);

#endif
