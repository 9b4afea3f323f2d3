/* special: the special-purpose ranges of IPv4 and IPv6, and what the egress policy does with each.
 *
 * Pure, any thread. Sources: the IANA registries of special-purpose addresses (RFC 6890 and what has come since), IPv4 and IPv6
 * multicast, and the addresses under which the clouds hand out metadata and credentials. */
#ifndef RXP_ENGINE_SPECIAL_H
#define RXP_ENGINE_SPECIAL_H

#include "engine/address.h"

#include <stdbool.h>
#include <stddef.h>

enum special_rule {
    SPECIAL_NEVER,    /* refused whatever is allowed */
    SPECIAL_LOOPBACK, /* refused unless it is named; exec and demo allow it */
    SPECIAL_PRIVATE,  /* allowed; with egress-private=deny refused unless it is named */
    SPECIAL_CARRIER,  /* another spelling of the IPv4 address inside, which decides */
};

struct special {
    struct address_range range;
    enum special_rule rule;
    bool is_global;   /* reachable from all over the internet, as the registry has it. With egress-private=deny refused all the
                       * same: no backend has such an address */
    const char *name; /* "private (RFC 1918)", for a sentence behind "is" */
};

/* The narrowest range that holds the address; NULL: it is an ordinary one. */
const struct special *special_find(const struct address *address);
/* Does the range lie wholly within one that has this rule? */
bool special_covers(const struct address_range *range, enum special_rule rule);

const struct special *special_table(size_t *n);

#endif
