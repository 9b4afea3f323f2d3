/* egress: where a request may go. A message names the URL, so the worker decides.
 *
 * Immutable after egress_make: any thread. The name is checked before a request, every resolved address before
 * connecting (curl_transport's open-socket callback), redirects hop by hop.
 *
 * Refused whatever is allowed: unspecified, link-local, multicast, broadcast and the clouds' metadata addresses (special.h),
 * and addresses that carry one of these inside (address.h). Deny wins over allow, by name or by address. */
#ifndef RXP_ENGINE_EGRESS_H
#define RXP_ENGINE_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct egress;

struct egress_config {
    const char *allow;     /* comma list (egress_list.h); NULL is `*`; a list without an entry is refused */
    const char *deny;      /* the same; wins; NULL and "" are none */
    bool private_denied;   /* egress-private=deny: special-purpose ranges (special.h) only where `allow` names an address or
                            * range of them; not by a name, since its owner decides where it points */
    bool loopback_allowed; /* exec, demo; in run only a host, address or range that `allow` names itself: not by `*`, a
                            * pattern, or a range that is wider than loopback */
};

#define EGRESS_WHY_BYTES 256

/* Copies the strings of the config. NULL with a sentence in why[EGRESS_WHY_BYTES] that names the entry that cannot be
 * understood. */
struct egress *egress_make(const struct egress_config *config, char *why);
void egress_free(struct egress *egress);

enum egress_way {
    EGRESS_DIRECT,
    EGRESS_BY_PROXY, /* which looks the name up: nobody here sees its address */
};

/* May a request name this host (a name or address literal, with or without brackets) and port? Where not, a sentence in
 * why[EGRESS_WHY_BYTES] says which option would allow it. A literal, in any spelling that resolvers take, is decided
 * here. A name that only its address could allow passes here and is decided by egress_check_address; by proxy it is
 * refused. */
bool egress_check_host(const struct egress *egress, const char *host, int port, enum egress_way way, char *why);

/* May a connection for `host`, the host of the URL, go to this address? IPv4-mapped, -compatible, -translated, NAT64,
 * 6to4 and Teredo forms are unwrapped. The port is the URL's. Where not, a sentence in why[EGRESS_WHY_BYTES]. */
bool egress_check_address(const struct egress *egress, const char *host, int port, const struct sockaddr *address,
                          char *why);

#endif
