#include "engine/special.h"

#define V4(a, b, c, d, bits) {{AF_INET, {a, b, c, d}}, bits}
#define V6(bits, ...) {{AF_INET6, {__VA_ARGS__}}, bits}
#define METADATA SPECIAL_NEVER, false, "a cloud's metadata address"

/* The narrower range stands before the wider one that holds it. */
static const struct special table[] = {
    /* The clouds: metadata and credentials. */
    {V4(169, 254, 169, 254, 32), METADATA}, /* AWS, Azure, Google, Oracle and others */
    {V4(169, 254, 170, 2, 32), METADATA},   /* AWS ECS task credentials */
    {V4(169, 254, 170, 23, 32), METADATA},  /* AWS EKS pod identity */
    {V4(168, 63, 129, 16, 32), METADATA},   /* Azure WireServer */
    {V4(100, 100, 100, 200, 32), METADATA}, /* Alibaba Cloud */
    {V4(192, 0, 0, 192, 32), METADATA},     /* Oracle Cloud, the older one */
    {V6(128, 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54), METADATA},                         /* AWS: fd00:ec2::254 */
    {V6(128, 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x00, [15] = 0x23), METADATA},                         /* AWS EKS: fd00:ec2::23 */
    {V6(128, 0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54), METADATA},                         /* Google: fd20:ce::254 */
    {V6(128, 0xfd, 0x00, 0x00, 0xc1, [12] = 0xa9, [13] = 0xfe, [14] = 0xa9, [15] = 0xfe), METADATA}, /* Oracle */
    {V6(128, 0xfd, 0x00, 0x00, 0x42, [15] = 0x42), METADATA},                                      /* Scaleway: fd00:42::42 */

    /* IPv4. Linux connects 0.0.0.0 to itself. */
    {V4(0, 0, 0, 0, 8), SPECIAL_NEVER, false, "unspecified"},
    {V4(10, 0, 0, 0, 8), SPECIAL_PRIVATE, false, "private (RFC 1918)"},
    {V4(100, 64, 0, 0, 10), SPECIAL_PRIVATE, false, "shared between carrier and customers (RFC 6598)"},
    {V4(127, 0, 0, 0, 8), SPECIAL_LOOPBACK, false, "loopback"},
    {V4(169, 254, 0, 0, 16), SPECIAL_NEVER, false, "link-local"}, /* RFC 3927 */
    {V4(172, 16, 0, 0, 12), SPECIAL_PRIVATE, false, "private (RFC 1918)"},
    {V4(192, 0, 0, 9, 32), SPECIAL_PRIVATE, true, "the anycast address of port control (RFC 7723)"},
    {V4(192, 0, 0, 10, 32), SPECIAL_PRIVATE, true, "the anycast address of TURN (RFC 8155)"},
    {V4(192, 0, 0, 170, 31), SPECIAL_PRIVATE, false, "for the discovery of NAT64 (RFC 7050)"},
    {V4(192, 0, 0, 8, 32), SPECIAL_PRIVATE, false, "the dummy address of IPv4 (RFC 7600)"},
    {V4(192, 0, 0, 0, 29), SPECIAL_PRIVATE, false, "for IPv4 over IPv6 (RFC 7335)"},
    {V4(192, 0, 0, 0, 24), SPECIAL_PRIVATE, false, "for protocols of the IETF (RFC 6890)"},
    {V4(192, 0, 2, 0, 24), SPECIAL_PRIVATE, false, "for documentation (RFC 5737)"},
    {V4(192, 31, 196, 0, 24), SPECIAL_PRIVATE, true, "for AS112 (RFC 7535)"},
    {V4(192, 52, 193, 0, 24), SPECIAL_PRIVATE, true, "for multicast tunnels (RFC 7450)"},
    {V4(192, 88, 99, 0, 24), SPECIAL_PRIVATE, false, "for relays of 6to4 (RFC 7526)"},
    {V4(192, 168, 0, 0, 16), SPECIAL_PRIVATE, false, "private (RFC 1918)"},
    {V4(192, 175, 48, 0, 24), SPECIAL_PRIVATE, true, "for AS112 (RFC 7534)"},
    {V4(198, 18, 0, 0, 15), SPECIAL_PRIVATE, false, "for benchmarks (RFC 2544)"},
    {V4(198, 51, 100, 0, 24), SPECIAL_PRIVATE, false, "for documentation (RFC 5737)"},
    {V4(203, 0, 113, 0, 24), SPECIAL_PRIVATE, false, "for documentation (RFC 5737)"},
    {V4(224, 0, 0, 0, 4), SPECIAL_NEVER, false, "multicast"}, /* RFC 5771 */
    {V4(255, 255, 255, 255, 32), SPECIAL_NEVER, false, "broadcast"},
    {V4(240, 0, 0, 0, 4), SPECIAL_PRIVATE, false, "reserved (RFC 1112)"},

    /* IPv6. */
    {V6(128, [15] = 1), SPECIAL_LOOPBACK, false, "loopback"},
    {V6(128, 0), SPECIAL_NEVER, false, "unspecified"},
    {V6(96, [10] = 0xff, [11] = 0xff), SPECIAL_CARRIER, false, "IPv4-mapped (RFC 4291)"},
    {V6(96, 0), SPECIAL_CARRIER, false, "IPv4-compatible (RFC 4291)"},
    {V6(96, [8] = 0xff, [9] = 0xff), SPECIAL_CARRIER, false, "IPv4-translated (RFC 2765)"},
    {V6(96, 0x00, 0x64, 0xff, 0x9b), SPECIAL_CARRIER, true, "translated to IPv4 (RFC 6052)"},
    {V6(48, 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01), SPECIAL_PRIVATE, false, "translated to IPv4 locally (RFC 8215)"},
    {V6(64, 0x01, 0x00), SPECIAL_PRIVATE, false, "for what is thrown away (RFC 6666)"},
    {V6(64, 0x01, 0x00, [7] = 0x01), SPECIAL_PRIVATE, false, "a dummy prefix (RFC 9780)"},
    {V6(32, 0x20, 0x01, 0x00, 0x00), SPECIAL_PRIVATE, false, "a Teredo tunnel (RFC 4380)"},
    {V6(128, 0x20, 0x01, 0x00, 0x01, [15] = 1), SPECIAL_PRIVATE, true, "the anycast address of port control (RFC 7723)"},
    {V6(128, 0x20, 0x01, 0x00, 0x01, [15] = 2), SPECIAL_PRIVATE, true, "the anycast address of TURN (RFC 8155)"},
    {V6(128, 0x20, 0x01, 0x00, 0x01, [15] = 3), SPECIAL_PRIVATE, true, "the anycast address of DNS-SD (RFC 9665)"},
    {V6(48, 0x20, 0x01, 0x00, 0x02), SPECIAL_PRIVATE, false, "for benchmarks (RFC 5180)"},
    {V6(32, 0x20, 0x01, 0x00, 0x03), SPECIAL_PRIVATE, true, "for multicast tunnels (RFC 7450)"},
    {V6(48, 0x20, 0x01, 0x00, 0x04, 0x01, 0x12), SPECIAL_PRIVATE, true, "for AS112 (RFC 7535)"},
    {V6(28, 0x20, 0x01, 0x00, 0x10), SPECIAL_PRIVATE, false, "an ORCHID, the older ones (RFC 4843)"},
    {V6(28, 0x20, 0x01, 0x00, 0x20), SPECIAL_PRIVATE, true, "an ORCHID (RFC 7343)"},
    {V6(28, 0x20, 0x01, 0x00, 0x30), SPECIAL_PRIVATE, true, "the tag of a drone (RFC 9374)"},
    {V6(23, 0x20, 0x01, 0x00, 0x00), SPECIAL_PRIVATE, false, "for protocols of the IETF (RFC 2928)"},
    {V6(32, 0x20, 0x01, 0x0d, 0xb8), SPECIAL_PRIVATE, false, "for documentation (RFC 3849)"},
    {V6(16, 0x20, 0x02), SPECIAL_PRIVATE, false, "a 6to4 tunnel (RFC 3056)"},
    {V6(48, 0x26, 0x20, 0x00, 0x4f, 0x80, 0x00), SPECIAL_PRIVATE, true, "for AS112 (RFC 7534)"},
    {V6(20, 0x3f, 0xff), SPECIAL_PRIVATE, false, "for documentation (RFC 9637)"},
    {V6(16, 0x5f, 0x00), SPECIAL_PRIVATE, false, "an identifier of segment routing (RFC 9602)"},
    {V6(7, 0xfc), SPECIAL_PRIVATE, false, "private (RFC 4193)"},
    {V6(10, 0xfe, 0x80), SPECIAL_NEVER, false, "link-local"},
    {V6(10, 0xfe, 0xc0), SPECIAL_PRIVATE, false, "private (RFC 3879)"},
    {V6(8, 0xff), SPECIAL_NEVER, false, "multicast"},
};

#define N_ROWS (sizeof table / sizeof table[0])

const struct special *special_table(size_t *n)
{
    *n = N_ROWS;
    return table;
}

const struct special *special_find(const struct address *address)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (address_range_has(&table[i].range, address)) {
            return &table[i];
        }
    }
    return NULL;
}

bool special_covers(const struct address_range *range, enum special_rule rule)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (table[i].rule == rule && address_range_within(range, &table[i].range)) {
            return true;
        }
    }
    return false;
}
