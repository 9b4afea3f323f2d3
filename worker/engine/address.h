/* address: IP addresses and ranges as the egress policy sees them: parsed, compared, unwrapped.
 *
 * Pure, any thread. */
#ifndef RXP_ENGINE_ADDRESS_H
#define RXP_ENGINE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct address {
    int family; /* AF_INET, AF_INET6 */
    unsigned char byte[16]; /* network order; of AF_INET the first 4, the rest 0 */
};

struct address_range {
    struct address base; /* the bits beyond the prefix are 0 */
    int prefix_bits;
};

/* False for a family other than IPv4 and IPv6. */
bool address_from_socket(const struct sockaddr *socket_address, struct address *out);
/* The strict text forms (inet_pton), without brackets; a zone (%eth0) is cut off. */
bool address_parse(const char *text, struct address *out);
/* An address that a resolver would take `text` for without asking DNS: also 127.1, 0x7f000001, 2130706433. */
bool address_parse_loose(const char *text, struct address *out);
#define ADDRESS_TEXT_BYTES INET6_ADDRSTRLEN
void address_write(const struct address *address, char out[ADDRESS_TEXT_BYTES]);

/* An IPv4-mapped range (::ffff:0:0/96 and within) is turned into the IPv4 range that it means. False where the prefix
 * is longer than the address, or bits beyond it are set. */
bool address_range_make(const struct address *base, int prefix_bits, struct address_range *out);
/* Sets the bits beyond the prefix to 0. */
void address_mask(struct address *address, int prefix_bits);
bool address_range_has(const struct address_range *range, const struct address *address);
/* Does `inner` lie wholly in `outer`? */
bool address_range_within(const struct address_range *inner, const struct address_range *outer);

/* An address that another one carries inside. */
struct address_form {
    struct address address;
    /* The form is another spelling of the same host (IPv4-mapped, -compatible, -translated, NAT64): what allows the one
     * allows the other. False for tunnels (6to4, Teredo) and where the place of the inner address is a guess. */
    bool same_host;
};

/* The address itself, and every IPv4 address that it carries inside: IPv4-mapped ::ffff:0:0/96 and -compatible ::/96
 * (RFC 4291), -translated ::ffff:0:0:0/96 (RFC 2765), NAT64 64:ff9b::/96 (RFC 6052) and 64:ff9b:1::/48 (RFC 8215, at
 * each place that RFC 6052 knows), 6to4 2002::/16 (RFC 3056), Teredo 2001::/32 (RFC 4380: server and client).
 * Returns how many forms, at least 1. */
#define ADDRESS_MAX_FORMS 5
size_t address_unwrap(const struct address *address, struct address_form forms[ADDRESS_MAX_FORMS]);

#endif
