/* Each special-purpose range, at its edges: what egress says of it. The table is written down here once more, after the
 * registries, so that a slip in either shows. */
#include "engine/special.h"

#include "engine/egress.h"
#include "support/check_main.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(rows) (int)(sizeof(rows) / sizeof((rows)[0]))

/* What becomes of a request to an address: as it is, and with egress-private=deny. */
enum fate {
    PLAIN,    /* allowed; allowed */
    PRIVATE,  /* allowed; refused */
    LOOPBACK, /* refused until it is named; the same */
    NEVER,    /* refused; refused */
};

static const struct {
    const char *range;
    bool is_global;
    enum fate fate;
    enum fate before; /* of the address just below the range */
    enum fate after;
    const char *name;
} ranges[] = {
    /* IANA, IPv4 */
    {"0.0.0.0/8", false, NEVER, PLAIN, PLAIN, "unspecified"},
    {"10.0.0.0/8", false, PRIVATE, PLAIN, PLAIN, "private (RFC 1918)"},
    {"100.64.0.0/10", false, PRIVATE, PLAIN, PLAIN, "shared"},
    {"127.0.0.0/8", false, LOOPBACK, PLAIN, PLAIN, "loopback"},
    {"169.254.0.0/16", false, NEVER, PLAIN, PLAIN, "link-local"},
    {"172.16.0.0/12", false, PRIVATE, PLAIN, PLAIN, "private (RFC 1918)"},
    {"192.0.0.0/24", false, PRIVATE, PLAIN, PLAIN, NULL},
    {"192.0.0.0/29", false, PRIVATE, PLAIN, PRIVATE, "RFC 7335"},
    {"192.0.0.8/32", false, PRIVATE, PRIVATE, PRIVATE, "RFC 7600"},
    {"192.0.0.9/32", true, PRIVATE, PRIVATE, PRIVATE, "RFC 7723"},
    {"192.0.0.10/32", true, PRIVATE, PRIVATE, PRIVATE, "RFC 8155"},
    {"192.0.0.170/32", false, PRIVATE, PRIVATE, PRIVATE, "RFC 7050"},
    {"192.0.0.171/32", false, PRIVATE, PRIVATE, PRIVATE, "RFC 7050"},
    {"192.0.2.0/24", false, PRIVATE, PLAIN, PLAIN, "documentation"},
    {"192.31.196.0/24", true, PRIVATE, PLAIN, PLAIN, "AS112"},
    {"192.52.193.0/24", true, PRIVATE, PLAIN, PLAIN, "RFC 7450"},
    {"192.88.99.0/24", false, PRIVATE, PLAIN, PLAIN, "6to4"},
    {"192.168.0.0/16", false, PRIVATE, PLAIN, PLAIN, "private (RFC 1918)"},
    {"192.175.48.0/24", true, PRIVATE, PLAIN, PLAIN, "AS112"},
    {"198.18.0.0/15", false, PRIVATE, PLAIN, PLAIN, "benchmarks"},
    {"198.51.100.0/24", false, PRIVATE, PLAIN, PLAIN, "documentation"},
    {"203.0.113.0/24", false, PRIVATE, PLAIN, PLAIN, "documentation"},
    {"224.0.0.0/4", false, NEVER, PLAIN, PRIVATE, "multicast"},
    {"240.0.0.0/4", false, PRIVATE, NEVER, PLAIN, NULL},
    {"255.255.255.255/32", false, NEVER, PRIVATE, PLAIN, "broadcast"},
    /* IANA, IPv6 */
    {"::1/128", false, LOOPBACK, NEVER, NEVER, "loopback"}, /* ::2 holds 0.0.0.2 */
    {"::/128", false, NEVER, PLAIN, LOOPBACK, "unspecified"},
    {"64:ff9b:1::/48", false, PRIVATE, PLAIN, PLAIN, "RFC 8215"},
    {"100::/64", false, PRIVATE, PLAIN, PRIVATE, "RFC 6666"},
    {"100:0:0:1::/64", false, PRIVATE, PRIVATE, PLAIN, "RFC 9780"},
    {"2001::/23", false, PRIVATE, PLAIN, PLAIN, NULL},
    {"2001::/32", false, PRIVATE, PLAIN, PRIVATE, "Teredo"},
    {"2001:1::1/128", true, PRIVATE, PRIVATE, PRIVATE, "RFC 7723"},
    {"2001:1::2/128", true, PRIVATE, PRIVATE, PRIVATE, "RFC 8155"},
    {"2001:1::3/128", true, PRIVATE, PRIVATE, PRIVATE, "RFC 9665"},
    {"2001:2::/48", false, PRIVATE, PRIVATE, PRIVATE, "benchmarks"},
    {"2001:3::/32", true, PRIVATE, PRIVATE, PRIVATE, "RFC 7450"},
    {"2001:4:112::/48", true, PRIVATE, PRIVATE, PRIVATE, "AS112"},
    {"2001:10::/28", false, PRIVATE, PRIVATE, PRIVATE, "RFC 4843"},
    {"2001:20::/28", true, PRIVATE, PRIVATE, PRIVATE, "RFC 7343"},
    {"2001:30::/28", true, PRIVATE, PRIVATE, PRIVATE, "RFC 9374"},
    {"2001:db8::/32", false, PRIVATE, PLAIN, PLAIN, "documentation"},
    {"2002::/16", false, PRIVATE, PLAIN, PLAIN, "6to4"},
    {"2620:4f:8000::/48", true, PRIVATE, PLAIN, PLAIN, "AS112"},
    {"3fff::/20", false, PRIVATE, PLAIN, PLAIN, "documentation"},
    {"5f00::/16", false, PRIVATE, PLAIN, PLAIN, "RFC 9602"},
    {"fc00::/7", false, PRIVATE, PLAIN, PLAIN, "private (RFC 4193)"},
    {"fe80::/10", false, NEVER, PLAIN, PRIVATE, "link-local"},
    {"fec0::/10", false, PRIVATE, NEVER, NEVER, "RFC 3879"},
    {"ff00::/8", false, NEVER, PRIVATE, PLAIN, "multicast"},
    /* the clouds */
    {"169.254.169.254/32", false, NEVER, NEVER, NEVER, "metadata"},
    {"169.254.170.2/32", false, NEVER, NEVER, NEVER, "metadata"},
    {"169.254.170.23/32", false, NEVER, NEVER, NEVER, "metadata"},
    {"168.63.129.16/32", false, NEVER, PLAIN, PLAIN, "metadata"},
    {"100.100.100.200/32", false, NEVER, PRIVATE, PRIVATE, "metadata"},
    {"192.0.0.192/32", false, NEVER, PRIVATE, PRIVATE, "metadata"},
    {"fd00:ec2::254/128", false, NEVER, PRIVATE, PRIVATE, "metadata"},
    {"fd00:ec2::23/128", false, NEVER, PRIVATE, PRIVATE, "metadata"},
    {"fd20:ce::254/128", false, NEVER, PRIVATE, PRIVATE, "metadata"},
    {"fd00:c1::a9fe:a9fe/128", false, NEVER, PRIVATE, PRIVATE, "metadata"},
    {"fd00:42::42/128", false, NEVER, PRIVATE, PRIVATE, "metadata"},
};

/* Those whose inner address decides. */
static const char *const carriers[] = {"::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96"};

static struct address_range range_of(const char *text)
{
    char base_text[64];
    struct address base;
    struct address_range range;
    snprintf(base_text, sizeof base_text, "%s", text);
    char *slash = strchr(base_text, '/');
    *slash = '\0';
    ck_assert_msg(address_parse(base_text, &base), "%s", text);
    /* not address_range_make, which turns mapped ones into IPv4 */
    range = (struct address_range){.base = base, .prefix_bits = atoi(slash + 1)};
    return range;
}

static int bytes_of(const struct address *address)
{
    return address->family == AF_INET ? 4 : 16;
}

static struct address last_of(const struct address_range *range)
{
    struct address last = range->base;
    for (int bit = range->prefix_bits; bit < 8 * bytes_of(&last); bit++) {
        last.byte[bit / 8] |= (unsigned char)(0x80 >> bit % 8);
    }
    return last;
}

/* The neighbour; past either end it wraps to the other, of which ranges' rows know. False there. */
static bool step(struct address *address, int by)
{
    for (int i = bytes_of(address) - 1; i >= 0; i--) {
        address->byte[i] = (unsigned char)(address->byte[i] + by);
        if (address->byte[i] != (by > 0 ? 0 : 0xff)) {
            return true;
        }
    }
    return false;
}

static bool may_go(const struct egress *egress, const struct address *address, char *why)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } place = {.any.sa_family = (sa_family_t)address->family};
    char text[ADDRESS_TEXT_BYTES];
    if (address->family == AF_INET) {
        memcpy(&place.v4.sin_addr, address->byte, 4);
    } else {
        memcpy(&place.v6.sin6_addr, address->byte, 16);
    }
    bool resolved = egress_check_address(egress, "h", 443, &place.any, why);
    /* A literal is judged alike before it is sent to a resolver or a proxy. */
    address_write(address, text);
    ck_assert_int_eq(egress_check_host(egress, text, 443, EGRESS_DIRECT, why), resolved);
    ck_assert_int_eq(egress_check_host(egress, text, 443, EGRESS_BY_PROXY, why), resolved);
    return resolved;
}

static struct egress *make(const char *allow, bool private_denied, bool loopback_allowed)
{
    char why[EGRESS_WHY_BYTES] = "";
    const struct egress_config config = {
        .allow = allow, .private_denied = private_denied, .loopback_allowed = loopback_allowed};
    struct egress *egress = egress_make(&config, why);
    ck_assert_msg(egress != NULL, "%s", why);
    return egress;
}

/* `name` NULL: not looked at. */
static void check(const struct address *address, enum fate fate, const char *name)
{
    char text[ADDRESS_TEXT_BYTES];
    char entry[ADDRESS_TEXT_BYTES + 8];
    char why[EGRESS_WHY_BYTES] = "";
    address_write(address, text);
    snprintf(entry, sizeof entry, "*,%s", text);
    struct egress *open = make("*", false, false);
    struct egress *shut = make("*", true, true); /* loopback, too, whatever the command */
    struct egress *named = make(entry, true, false);
    ck_assert_msg(may_go(open, address, why) == (fate == PLAIN || fate == PRIVATE), "%s: %s", text, why);
    bool passes = may_go(shut, address, why);
    ck_assert_msg(passes == (fate == PLAIN), "%s with deny: %s", text, why);
    if (!passes && name != NULL) {
        ck_assert_msg(strstr(why, name) != NULL, "%s: '%s' does not say '%s'", text, why, name);
        const char *way = fate == NEVER ? "refused whatever is allowed"
                                        : "refused by egress-private=deny; egress-allow=*,";
        ck_assert_msg(strstr(why, way) != NULL, "%s: '%s' does not say '%s'", text, why, way);
    }
    ck_assert_msg(may_go(named, address, why) == (fate != NEVER), "%s named: %s", text, why);
    egress_free(open);
    egress_free(shut);
    egress_free(named);
}

START_TEST(a_range_is_judged_alike_from_its_first_address_to_its_last)
{
    struct address_range range = range_of(ranges[_i].range);
    struct address first = range.base;
    struct address last = last_of(&range);
    /* These have other ranges, or other addresses, at an end of theirs. */
    bool is_outer_first = strcmp(ranges[_i].range, "2002::/16") == 0 || strcmp(ranges[_i].range, "2001::/23") == 0 ||
                          strcmp(ranges[_i].range, "2001::/32") == 0;
    bool is_outer_last = strcmp(ranges[_i].range, "240.0.0.0/4") == 0 || strcmp(ranges[_i].range, "2002::/16") == 0 ||
                         strcmp(ranges[_i].range, "64:ff9b:1::/48") == 0 || strcmp(ranges[_i].range, "2001::/32") == 0;
    check(&first, is_outer_first ? NEVER : ranges[_i].fate, is_outer_first ? NULL : ranges[_i].name);
    check(&last, is_outer_last ? NEVER : ranges[_i].fate, is_outer_last ? NULL : ranges[_i].name);
}
END_TEST

START_TEST(what_lies_beside_a_range_is_not_of_it)
{
    struct address_range range = range_of(ranges[_i].range);
    struct address before = range.base;
    struct address after = last_of(&range);
    if (step(&before, -1)) {
        check(&before, ranges[_i].before, NULL);
    }
    if (step(&after, 1)) {
        check(&after, ranges[_i].after, NULL);
    }
}
END_TEST

START_TEST(the_table_says_the_same_and_nothing_more)
{
    size_t n;
    const struct special *table = special_table(&n);
    for (size_t i = 0; i < n; i++) {
        char text[ADDRESS_TEXT_BYTES + 8];
        address_write(&table[i].range.base, text);
        snprintf(text + strlen(text), 8, "/%d", table[i].range.prefix_bits);
        bool is_known = strcmp(text, "192.0.0.170/31") == 0;
        for (int k = 0; k < COUNT(carriers); k++) {
            struct address_range range = range_of(carriers[k]);
            is_known = is_known || (table[i].rule == SPECIAL_CARRIER && memcmp(&range, &table[i].range, sizeof range) == 0);
        }
        for (int k = 0; k < COUNT(ranges); k++) {
            struct address_range range = range_of(ranges[k].range);
            if (memcmp(&range, &table[i].range, sizeof range) == 0) {
                is_known = true;
                ck_assert_msg(table[i].is_global == ranges[k].is_global, "%s", text);
            }
        }
        ck_assert_msg(is_known, "%s is in the table alone", text);
    }
}
END_TEST

START_TEST(the_narrowest_range_is_found)
{
    size_t n;
    const struct special *table = special_table(&n);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i + 1; k < n; k++) {
            ck_assert_msg(!address_range_within(&table[k].range, &table[i].range), "rows %zu and %zu", i, k);
        }
    }
}
END_TEST

/* An address inside another: what the inner one is decides, and what holds it where that is a tunnel. */
static const struct {
    const char *address;
    enum fate fate;
} wrapped[] = {
    {"::ffff:93.184.216.34", PLAIN},   {"::ffff:10.0.0.1", PRIVATE},      {"::ffff:127.0.0.1", LOOPBACK},
    {"::ffff:169.254.169.254", NEVER}, {"::ffff:168.63.129.16", NEVER},   {"::ffff:100.100.100.200", NEVER},
    {"::93.184.216.34", PLAIN},        {"::10.0.0.1", PRIVATE},           {"::169.254.169.254", NEVER},
    {"::ffff:0:93.184.216.34", PLAIN}, {"::ffff:0:192.168.0.1", PRIVATE}, {"::ffff:0:168.63.129.16", NEVER},
    {"64:ff9b::93.184.216.34", PLAIN}, {"64:ff9b::10.0.0.1", PRIVATE},    {"64:ff9b::127.0.0.1", LOOPBACK},
    {"64:ff9b::203.0.113.1", PRIVATE}, {"64:ff9b::a9fe:a9fe", NEVER},     {"64:ff9b::100.100.100.200", NEVER},
    {"64:ff9b:1::5db8:d822", PRIVATE}, {"64:ff9b:1::a9fe:a9fe", NEVER},   {"64:ff9b:1:a83f:81:1000::", NEVER},
    {"2002:5db8:d822::1", PRIVATE},    {"2002:a9fe:a9fe::1", NEVER},      {"2002:a83f:8110::", NEVER},
    {"2002:a00:1::1", PRIVATE},        {"2001:0:5db8:d822::", NEVER}, /* its client is 255.255.255.255 */
    {"2001:0:5db8:d822::a247:27dd", PRIVATE},
    {"2001:0:5db8:d822::5601:5601", NEVER}, /* 169.254.169.254, inverted */
};

START_TEST(what_an_address_holds_inside_decides_with_it)
{
    struct address address;
    ck_assert_msg(address_parse(wrapped[_i].address, &address), "%s", wrapped[_i].address);
    check(&address, wrapped[_i].fate, NULL);
}
END_TEST

/* With egress-private=deny: which entries of egress-allow let through. */
static const struct {
    const char *allow;
    const char *address;
    bool passes;
} entries[] = {
    {"*", "10.1.2.3", false},
    {"*,h", "10.1.2.3", false}, /* whoever owns the name decides where it points */
    {"h", "10.1.2.3", false},
    {"*,10.1.2.3", "10.1.2.3", true},
    {"*,10.1.2.3:443", "10.1.2.3", true},
    {"*,10.1.2.3:444", "10.1.2.3", false},
    {"10.1.0.0/16", "10.1.2.3", true},
    {"10.1.0.0/16", "10.2.2.3", false},
    {"*,10.1.0.0/16", "10.2.2.3", false},
    {"0.0.0.0/0", "10.1.2.3", false}, /* holds more than what is private */
    {"10.0.0.0/7", "10.1.2.3", false},
    {"*,10.0.0.0/8", "::ffff:10.1.2.3", true},
    {"*,10.0.0.0/8", "64:ff9b::10.1.2.3", true},
    {"*,64:ff9b::/96", "64:ff9b::10.1.2.3", false},
    {"*,fd00::/8", "fd12::1", true},
    {"*,fd12::/16", "fd12::1", true},
    {"*,fd00::/8", "fc12::1", false},
    {"::/0", "fd12::1", false},
    {"*,127.0.0.1", "127.0.0.1", true},
    {"*,h", "127.0.0.1", false},
    {"*,127.0.0.0/8", "127.9.9.9", true},
    {"*,::1", "::1", true},
    {"*,192.0.0.0/24", "192.0.0.9", true},
    {"*,169.254.0.0/16", "169.254.1.1", false},
    {"*,100.64.0.0/10", "100.100.100.200", false},
    {"*,fd00:ec2::254", "fd00:ec2::254", false},
};

START_TEST(with_deny_only_an_address_or_a_range_names_it)
{
    char why[EGRESS_WHY_BYTES] = "";
    struct address address;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } place;
    struct egress *egress = make(entries[_i].allow, true, true);
    ck_assert(address_parse(entries[_i].address, &address));
    memset(&place, 0, sizeof place);
    place.any.sa_family = (sa_family_t)address.family;
    memcpy(address.family == AF_INET ? (void *)&place.v4.sin_addr : (void *)&place.v6.sin6_addr, address.byte,
           (size_t)bytes_of(&address));
    bool passes = egress_check_address(egress, "h", 443, &place.any, why);
    ck_assert_msg(passes == entries[_i].passes, "%s with %s: %s", entries[_i].address, entries[_i].allow, why);
    egress_free(egress);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("special");
    TCase *tests = tcase_create("special");
    tcase_add_loop_test(tests, a_range_is_judged_alike_from_its_first_address_to_its_last, 0, COUNT(ranges));
    tcase_add_loop_test(tests, what_lies_beside_a_range_is_not_of_it, 0, COUNT(ranges));
    tcase_add_test(tests, the_table_says_the_same_and_nothing_more);
    tcase_add_test(tests, the_narrowest_range_is_found);
    tcase_add_loop_test(tests, what_an_address_holds_inside_decides_with_it, 0, COUNT(wrapped));
    tcase_add_loop_test(tests, with_deny_only_an_address_or_a_range_names_it, 0, COUNT(entries));
    suite_add_tcase(suite, tests);
    return suite;
}
