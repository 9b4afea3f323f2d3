#include "engine/egress.h"
#include "support/check_main.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

/* Fills a socket address from its text. */
static const struct sockaddr *socket_address(const char *text, int port)
{
    static union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    memset(&address, 0, sizeof address);
    if (strchr(text, ':') != NULL) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons((uint16_t)port);
        ck_assert_int_eq(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
    } else {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons((uint16_t)port);
        ck_assert_int_eq(inet_pton(AF_INET, text, &address.v4.sin_addr), 1);
    }
    return &address.any;
}

static struct egress *make(const char *allow, const char *deny, bool loopback_allowed)
{
    char why[EGRESS_WHY_BYTES] = "";
    struct egress_config config = {.allow = allow, .deny = deny, .loopback_allowed = loopback_allowed};
    struct egress *egress = egress_make(&config, why);
    ck_assert_msg(egress != NULL, "%s", why);
    return egress;
}

static void expect(bool allowed, const char *says, const char *why, const char *allow, const char *target)
{
    if (says == NULL) {
        ck_assert_msg(allowed, "%s with '%s': %s", target, allow, why);
        return;
    }
    ck_assert_msg(!allowed, "%s passes with '%s'", target, allow);
    ck_assert_msg(strstr(why, says) != NULL, "%s: '%s' does not say '%s'", target, why, says);
}

/* A connection for `host`, resolved to `address`, port 8080. `says` NULL: allowed; else part of the refusal. */
struct address_row {
    const char *allow;
    const char *deny;
    const char *host;
    const char *address;
    const char *says;
};

static const struct address_row address_rows[] = {
    /* ordinary */
    {"*", NULL, "h", "93.184.216.34", NULL},
    {"*", NULL, "h", "2606:2800::1", NULL},
    {"*", NULL, "h", "10.1.2.3", NULL},
    {"*", NULL, "h", "fd00::1", NULL},
    {"*", NULL, "h", "192.168.0.1", NULL},
    {NULL, NULL, "h", "10.1.2.3", NULL},
    /* refused whatever is allowed */
    {"*", NULL, "h", "169.254.169.254", "address 169.254.169.254 (host 'h') is a cloud's metadata address, refused"},
    {"*,169.254.169.254", NULL, "h", "169.254.169.254", "refused whatever is allowed"},
    {"*,h", NULL, "h", "169.254.169.254", "refused whatever is allowed"},
    {"*", NULL, "h", "169.254.170.2", "metadata"},
    {"*", NULL, "h", "169.254.0.1", "link-local"},
    {"*", NULL, "h", "169.254.255.255", "link-local"},
    {"*", NULL, "h", "169.253.255.255", NULL},
    {"*", NULL, "h", "169.255.0.0", NULL},
    {"*", NULL, "h", "168.63.129.16", "metadata"},
    {"*", NULL, "h", "168.63.129.17", NULL},
    {"*", NULL, "h", "100.100.100.200", "metadata"},
    {"*", NULL, "h", "100.100.100.201", NULL},
    {"*", NULL, "h", "192.0.0.192", "metadata"},
    {"*", NULL, "h", "0.0.0.0", "unspecified"},
    {"*,0.0.0.0", NULL, "h", "0.0.0.0", "unspecified"},
    {"*", NULL, "h", "0.1.2.3", "unspecified"},
    {"*", NULL, "h", "1.0.0.1", NULL},
    {"*", NULL, "h", "224.0.0.1", "multicast"},
    {"*", NULL, "h", "239.255.255.255", "multicast"},
    {"*", NULL, "h", "223.255.255.255", NULL},
    {"*", NULL, "h", "255.255.255.255", "broadcast"},
    {"*", NULL, "h", "::", "unspecified"},
    {"*", NULL, "h", "fe80::1", "link-local"},
    {"*", NULL, "h", "febf::1", "link-local"},
    {"*", NULL, "h", "fec0::1", NULL},
    {"*", NULL, "h", "ff02::1", "multicast"},
    {"*", NULL, "h", "fd00:ec2::254", "metadata"},
    {"*,fd00:ec2::254", NULL, "h", "fd00:ec2::254", "metadata"},
    {"*", NULL, "h", "fd00:ec2::23", "metadata"},
    {"*", NULL, "h", "fd20:ce::254", "metadata"},
    {"*", NULL, "h", "fd00:42::42", "metadata"},
    {"*", NULL, "h", "fd00:ec2::255", NULL},
    /* loopback */
    {"*", NULL, "localhost", "127.0.0.1",
     "address 127.0.0.1 (host 'localhost') is loopback; egress-allow=*,127.0.0.1:8080 would allow it"},
    {"*", NULL, "127.0.0.1", "127.0.0.1", "address 127.0.0.1 is loopback; egress-allow=*,127.0.0.1:8080"},
    {"*", NULL, "localhost", "::1", "egress-allow=*,[::1]:8080 would allow it"},
    {"*", NULL, "h", "127.255.255.254", "loopback"},
    {"*", NULL, "h", "128.0.0.1", NULL},
    {"*", NULL, "h", "126.255.255.255", NULL},
    {"*", NULL, "h", "::2", "unspecified"}, /* IPv4-compatible 0.0.0.2 */
    {"10.0.0.0/8,h", NULL, "x.h", "127.0.0.1", "adding 127.0.0.1:8080 to egress-allow would allow it"},
    {"*,localhost", NULL, "localhost", "127.0.0.1", NULL},
    {"localhost", NULL, "LOCALHOST", "::1", NULL},
    {"*,localhost:8080", NULL, "localhost", "127.0.0.1", NULL},
    {"*,localhost:9090", NULL, "localhost", "127.0.0.1", "loopback"},
    {"*,127.0.0.1", NULL, "localhost", "127.0.0.1", NULL},
    {"*,127.0.0.1:8080", NULL, "localhost", "127.0.0.1", NULL},
    {"*,127.0.0.1:9090", NULL, "localhost", "127.0.0.1", "loopback"},
    {"*,127.0.0.2", NULL, "localhost", "127.0.0.1", "loopback"},
    {"*,127.0.0.0/8", NULL, "h", "127.3.2.1", NULL},
    {"*,127.0.0.0/24", NULL, "h", "127.0.0.9", NULL},
    {"*,[::1]:8080", NULL, "localhost", "::1", NULL},
    {"*,::1", NULL, "localhost", "::1", NULL},
    {"*,::1", NULL, "localhost", "127.0.0.1", "loopback"},
    {"*:8080", NULL, "localhost", "127.0.0.1", "loopback"},
    {"*.evil.example", NULL, "a.evil.example", "127.0.0.1", "loopback"},
    {"0.0.0.0/0", NULL, "h", "127.0.0.1", "loopback"},
    {"::/0", NULL, "h", "::1", "loopback"},
    {"126.0.0.0/7", NULL, "h", "127.0.0.1", "loopback"},
    /* unwrapped */
    {"*", NULL, "h", "::ffff:127.0.0.1", "address ::ffff:127.0.0.1, which holds 127.0.0.1 (host 'h') is loopback"},
    {"*,127.0.0.1", NULL, "h", "::ffff:127.0.0.1", NULL},
    {"*,::ffff:127.0.0.1", NULL, "h", "127.0.0.1", NULL},
    {"*", NULL, "h", "::ffff:169.254.169.254", "metadata"},
    {"*", NULL, "h", "::ffff:0.0.0.0", "unspecified"},
    {"*", NULL, "h", "::ffff:93.184.216.34", NULL},
    {"*", NULL, "h", "::127.0.0.1", "loopback"},
    {"*", NULL, "h", "::169.254.169.254", "metadata"},
    {"*", NULL, "h", "::ffff:0:169.254.169.254", "metadata"},
    {"*", NULL, "h", "64:ff9b::169.254.169.254", "which holds 169.254.169.254"},
    {"*", NULL, "h", "64:ff9b::127.0.0.1", "loopback"},
    {"*", NULL, "h", "64:ff9b::93.184.216.34", NULL},
    {"*", NULL, "h", "64:ff9b:1::169.254.169.254", "metadata"},
    {"*", NULL, "h", "64:ff9b:1:a9fe:a9:fe00::", "metadata"},         /* /48 */
    {"*", NULL, "h", "64:ff9b:1:22a9:fe:a9fe::", "metadata"},         /* /56 */
    {"*", NULL, "h", "64:ff9b:1:2233:a9:fea9:fe00:0", "metadata"},    /* /64 */
    {"*", NULL, "h", "64:ff9b:1::93.184.216.34", NULL},
    {"*", NULL, "h", "64:ff9b:1:5db8:d8:2200::", NULL},
    {"*", NULL, "h", "2002:a9fe:a9fe::1", "metadata"},
    {"*", NULL, "h", "2002:7f00:1::1", "refused whatever is allowed"},
    {"*,127.0.0.1", NULL, "h", "2002:7f00:1::1", "refused whatever is allowed"},
    {"*", NULL, "h", "2002:5db8:d822::1", NULL},
    {"*", NULL, "h", "2001:0:a9fe:a9fe::5db8:d822", "metadata"},  /* the server */
    {"*", NULL, "h", "2001:0:5db8:d822::5601:5601", "metadata"},  /* the client, inverted */
    {"*", NULL, "h", "2001:0:5db8:d822::80ff:fffe", "loopback"},
    {"*", NULL, "h", "2001:0:5db8:d822::a247:27dd", NULL},
    {"*", NULL, "h", "2001:1:a9fe:a9fe::1", NULL},
    /* lists */
    {"h", NULL, "h", "10.0.0.1", NULL},
    {"h", NULL, "H.", "10.0.0.1", NULL},
    {"H.", NULL, "h", "10.0.0.1", NULL},
    {"h", NULL, "g", "10.0.0.1", "address 10.0.0.1 (host 'g') is not in egress-allow; adding 10.0.0.1:8080"},
    {"h:8080", NULL, "h", "10.0.0.1", NULL},
    {"h:80", NULL, "h", "10.0.0.1", "not in egress-allow"},
    {"*:8080", NULL, "h", "10.0.0.1", NULL},
    {"*:80", NULL, "h", "10.0.0.1", "not in egress-allow"},
    {"*.example.com", NULL, "a.example.com", "10.0.0.1", NULL},
    {"*.example.com", NULL, "a.b.EXAMPLE.com.", "10.0.0.1", NULL},
    {"*.example.com", NULL, "example.com", "10.0.0.1", "not in egress-allow"},
    {"*.example.com", NULL, "aexample.com", "10.0.0.1", "not in egress-allow"},
    {"*.example.com:80", NULL, "a.example.com", "10.0.0.1", "not in egress-allow"},
    {"10.0.0.0/8", NULL, "h", "10.255.0.1", NULL},
    {"10.0.0.0/8", NULL, "h", "11.0.0.1", "not in egress-allow"},
    {"10.0.0.0/8:8080", NULL, "h", "10.255.0.1", NULL},
    {"10.0.0.0/8:80", NULL, "h", "10.255.0.1", "not in egress-allow"},
    {"10.128.0.0/9", NULL, "h", "10.127.255.255", "not in egress-allow"},
    {"10.1.2.3", NULL, "h", "10.1.2.3", NULL},
    {"10.1.2.3", NULL, "h", "10.1.2.4", "not in egress-allow"},
    {"10.0.0.0/8", NULL, "h", "::ffff:10.0.0.1", NULL},
    {"10.0.0.0/8", NULL, "h", "64:ff9b::10.0.0.1", NULL},
    {"10.0.0.0/8", NULL, "h", "2002:a00:1::1", "not in egress-allow"},
    {"2002::/16", NULL, "h", "2002:a00:1::1", NULL},
    {"fd00::/8", NULL, "h", "fd12::1", NULL},
    {"fd00::/8", NULL, "h", "fc12::1", "adding [fc12::1]:8080 to egress-allow"},
    {"[fd00::/8]:8080", NULL, "h", "fd12::1", NULL},
    {"[fd00::1]:80", NULL, "h", "fd00::1", "not in egress-allow"},
    {"0.0.0.0/0", NULL, "h", "10.0.0.1", NULL},
    {"0.0.0.0/0", NULL, "h", "fd00::1", "not in egress-allow"},
    {" a , h:8080 ,, ", NULL, "h", "10.0.0.1", NULL},
    /* deny wins */
    {"*", "h", "h", "10.0.0.1", "host 'h' port 8080 is refused by 'h' in egress-deny"},
    {"h", "h", "h", "10.0.0.1", "egress-deny"},
    {"*", "h:80", "h", "10.0.0.1", NULL},
    {"*", "*.internal", "db.internal", "10.0.0.1", "'*.internal' in egress-deny"},
    {"*", "*.internal", "db.INTERNAL.", "10.0.0.1", "egress-deny"},
    {"*", "10.0.0.0/8", "h", "10.0.0.1", "'10.0.0.0/8' in egress-deny"},
    {"10.0.0.1", "10.0.0.0/8", "10.0.0.1", "10.0.0.1", "egress-deny"},
    {"*", "10.0.0.0/8", "h", "::ffff:10.0.0.1", "egress-deny"},
    {"*", "10.0.0.0/8", "h", "2002:a00:1::1", "egress-deny"},
    {"*", "10.0.0.0/8", "h", "2001:0:5db8:d822::f5ff:fffe", "egress-deny"},
    {"*", "::ffff:10.0.0.0/104", "h", "10.0.0.1", "egress-deny"},
    {"*", "10.0.0.0/8", "h", "11.0.0.1", NULL},
    {"*,localhost", "127.0.0.1", "localhost", "127.0.0.1", "egress-deny"},
    {"*", "a,*", "h", "10.0.0.1", "'*' in egress-deny"},
    {"*", "xn--bcher-kva.example", "b\xc3\xbc" "cher.example", "10.0.0.1", "write it in ASCII (xn--)"},
    {"*", "10.9.0.0/16", "b\xc3\xbc" "cher.example", "10.0.0.1", NULL},
};

START_TEST(judges_a_resolved_address)
{
    const struct address_row *row = &address_rows[_i];
    char why[EGRESS_WHY_BYTES] = "";
    struct egress *egress = make(row->allow, row->deny, false);
    bool allowed = egress_check_address(egress, row->host, 8080, socket_address(row->address, 8080), why);
    expect(allowed, row->says, why, row->allow, row->address);
    egress_free(egress);
}
END_TEST

struct host_row {
    const char *allow;
    const char *deny;
    const char *host;
    const char *says;
};

static const struct host_row host_rows[] = {
    {"*", NULL, "h", NULL},
    {"*", NULL, "localhost", NULL}, /* its address decides */
    {"a.example", NULL, "h", "host 'h' is not in egress-allow; adding h:8080 to egress-allow would allow it"},
    {"*:80", NULL, "h", "adding h:8080"},
    {"a.example", NULL, "A.example.", NULL},
    {"a.example", NULL, "10.0.0.1", "adding 10.0.0.1:8080"},
    {"a.example,10.0.0.0/8", NULL, "h", NULL}, /* its address decides */
    {"a.example,10.0.0.0/8:80", NULL, "h", "not in egress-allow"},
    {"10.0.0.0/8", NULL, "10.0.0.1", NULL},
    {"10.0.0.0/8", NULL, "11.0.0.1", "not in egress-allow"},
    {"*", "h", "h", "egress-deny"},
    {"*", "10.0.0.0/8", "h", NULL},
    {"*", "10.0.0.0/8", "10.0.0.1", "egress-deny"},
    {"*", NULL, "127.0.0.1", "loopback"},
    {"*,127.0.0.1:8080", NULL, "127.0.0.1", NULL},
    {"*", NULL, "[::1]", "address ::1 is loopback; egress-allow=*,[::1]:8080 would allow it"},
    {"*", NULL, "::1", "loopback"},
    {"*", NULL, "127.1", "address 127.0.0.1 (host '127.1') is loopback"},
    {"*", NULL, "0x7f.1", "loopback"},
    {"*", NULL, "2130706433", "loopback"},
    {"*", NULL, "017700000001", "loopback"},
    {"*", NULL, "127.0.0.1.", "loopback"},
    {"*", NULL, "0", "unspecified"},
    {"*", NULL, "169.254.169.254", "metadata"},
    {"*", NULL, "0xa9fea9fe", "metadata"},
    {"*", NULL, "[::ffff:a9fe:a9fe]", "metadata"},
    {"*", NULL, "fe80::1%eth0", "link-local"},
    {"*", NULL, "[fe80::1%25eth0]", "link-local"},
    {"*.example", NULL, ".example", "not in egress-allow"},
    {"a.example", NULL, "10.0.0.1%x", "host '10.0.0.1%x' is not"}, /* IPv4 has no zones: a name */
    {"a.example", NULL, "h\n\xff", "host 'h\\n\\xff' is not"},
};

START_TEST(judges_a_host)
{
    const struct host_row *row = &host_rows[_i];
    char why[EGRESS_WHY_BYTES] = "";
    struct egress *egress = make(row->allow, row->deny, false);
    bool allowed = egress_check_host(egress, row->host, 8080, EGRESS_DIRECT, why);
    expect(allowed, row->says, why, row->allow, row->host);
    egress_free(egress);
}
END_TEST

START_TEST(loopback_may_be_allowed_as_a_whole)
{
    char why[EGRESS_WHY_BYTES] = "";
    struct egress *egress = make("*", NULL, true);
    ck_assert(egress_check_host(egress, "127.0.0.1", 80, EGRESS_DIRECT, why));
    ck_assert(egress_check_address(egress, "localhost", 80, socket_address("::1", 80), why));
    ck_assert(egress_check_address(egress, "h", 80, socket_address("::ffff:127.0.0.1", 80), why));
    ck_assert(!egress_check_address(egress, "h", 80, socket_address("169.254.169.254", 80), why));
    ck_assert(!egress_check_address(egress, "h", 80, socket_address("0.0.0.0", 80), why));
    ck_assert(!egress_check_address(egress, "h", 80, socket_address("2002:7f00:1::", 80), why));
    egress_free(egress);
}
END_TEST

/* curl would make 169.254.169.254 of the first, where the locale lets it. */
START_TEST(a_host_that_is_rewritten_for_a_proxy_is_refused)
{
    char why[EGRESS_WHY_BYTES] = "";
    const struct egress_config config = {.allow = "*"};
    struct egress *egress = egress_make(&config, why);
    ck_assert_ptr_nonnull(egress);
    ck_assert(!egress_check_host(egress, "\xEF\xBC\x91" "69.254.169.254", 80, EGRESS_BY_PROXY, why));
    ck_assert_msg(strstr(why, "before a proxy gets it") != NULL, "%s", why);
    ck_assert(egress_check_host(egress, "xn--bcher-kva.example", 80, EGRESS_BY_PROXY, why));
    ck_assert(egress_check_host(egress, "b\xC3\xBC" "cher.example", 80, EGRESS_DIRECT, why));
    egress_free(egress);
}
END_TEST

START_TEST(loopback_allowed_as_a_whole_is_still_under_the_lists)
{
    char why[EGRESS_WHY_BYTES] = "";
    struct egress *egress = make("a.example", NULL, true);
    ck_assert(!egress_check_host(egress, "127.0.0.1", 80, EGRESS_DIRECT, why));
    egress_free(egress);
    egress = make("*", "127.0.0.0/8", true);
    ck_assert(!egress_check_host(egress, "127.0.0.1", 80, EGRESS_DIRECT, why));
    egress_free(egress);
}
END_TEST

static const char *const wrong_entries[] = {
    "h:", "h:0", "h:65536", "h:http", "h:-1", "h:+1", "a b", "http://h", "h/8", "10.0.0.0/33", "10.0.0.1/8",
    "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/0x8", "10.0.0.256", "127.1", "0x7f000001", "2130706433", "fd00::/129",
    "fd00::1/8", "[fd00::1", "[fd00::1]80", "[h]", "fe80::1%eth0", "*h", "*.", "a.*.b", "**", ".h", "a..b",
    "h,g:x", "b\xc3\xbc" "cher", "user@h", "::/0/0", "1:2:3", "10.0.0.0/08888888",
};

START_TEST(names_an_entry_that_cannot_be_understood)
{
    char why[EGRESS_WHY_BYTES] = "";
    const char *wrong = wrong_entries[_i];
    struct egress_config config = {.allow = wrong, .deny = ""};
    ck_assert_msg(egress_make(&config, why) == NULL, "'%s' passes", wrong);
    const char *item = strcmp(wrong, "h,g:x") == 0 ? "g:x" : wrong;
    ck_assert_msg(strncmp(why, "egress-allow: '", 15) == 0, "%s", why);
    ck_assert_msg(strncmp(why + 15, item, strlen(item)) == 0 && why[15 + strlen(item)] == '\'', "%s", why);
    config = (struct egress_config){.allow = "*", .deny = wrong};
    ck_assert_ptr_null(egress_make(&config, why));
    ck_assert_msg(strncmp(why, "egress-deny: '", 14) == 0, "%s", why);
}
END_TEST

static const char *const right_entries[] = {
    "*", "*:1", "h", "h.", "h:65535", "my_service-1.ns.svc:80", "2048.example", "*.example.com:443", "1.2.3.4/32",
    "::", "::/0", "[::1]", "[::1]:80", "[fd00::/8]:443", "::ffff:1.2.3.4", "1.2.3.4:80", "1.2.3.0/24:80", "3scale",
};

START_TEST(understands_an_entry)
{
    egress_free(make(right_entries[_i], right_entries[_i], false));
}
END_TEST

START_TEST(an_empty_allow_list_is_a_mistake_and_says_so)
{
    char why[EGRESS_WHY_BYTES] = "";
    struct egress_config config = {.allow = " ,"};
    ck_assert_ptr_null(egress_make(&config, why));
    ck_assert_ptr_nonnull(strstr(why, "egress-allow is empty"));
}
END_TEST

START_TEST(a_list_without_end_is_refused)
{
    static char list[3 * 4097 + 1];
    char why[EGRESS_WHY_BYTES] = "";
    for (size_t i = 0; i + 3 < sizeof list; i += 3) {
        memcpy(list + i, "ab,", 3);
    }
    struct egress_config config = {.allow = list};
    ck_assert_ptr_null(egress_make(&config, why));
    ck_assert_ptr_nonnull(strstr(why, "more than 4096 entries"));
}
END_TEST

START_TEST(a_host_of_any_length_is_named_in_a_sentence_that_fits)
{
    char host[1000];
    char why[EGRESS_WHY_BYTES] = "";
    memset(host, 'a', sizeof host - 1);
    struct egress *egress = make("10.0.0.1", NULL, false);
    for (size_t bytes = 240; bytes < sizeof host - 1; bytes += 7) {
        host[bytes] = '\0';
        const struct sockaddr *address = socket_address("fd00:1111:2222:3333:4444:5:6:7", 1);
        bool allowed = egress_check_address(egress, host, 65535, address, why);
        ck_assert(!allowed);
        ck_assert_uint_lt(strlen(why), EGRESS_WHY_BYTES);
        ck_assert_ptr_nonnull(strstr(why, bytes > 253 ? "longer than 253 bytes" : "not in egress-allow"));
        host[bytes] = 'a';
    }
    egress_free(egress);
}
END_TEST

START_TEST(other_families_are_refused)
{
    char why[EGRESS_WHY_BYTES] = "";
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
    struct egress *egress = make("*", NULL, true);
    ck_assert(!egress_check_address(egress, "h", 80, (const struct sockaddr *)&local, why));
    ck_assert_ptr_nonnull(strstr(why, "neither IPv4 nor IPv6"));
    egress_free(egress);
    egress_free(NULL);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof(table)[0])

Suite *test_suite(void)
{
    Suite *suite = suite_create("egress");
    TCase *tcase = tcase_create("egress");
    tcase_add_loop_test(tcase, judges_a_resolved_address, 0, ROWS(address_rows));
    tcase_add_loop_test(tcase, judges_a_host, 0, ROWS(host_rows));
    tcase_add_test(tcase, loopback_may_be_allowed_as_a_whole);
    tcase_add_test(tcase, loopback_allowed_as_a_whole_is_still_under_the_lists);
    tcase_add_loop_test(tcase, names_an_entry_that_cannot_be_understood, 0, ROWS(wrong_entries));
    tcase_add_loop_test(tcase, understands_an_entry, 0, ROWS(right_entries));
    tcase_add_test(tcase, an_empty_allow_list_is_a_mistake_and_says_so);
    tcase_add_test(tcase, a_list_without_end_is_refused);
    tcase_add_test(tcase, a_host_of_any_length_is_named_in_a_sentence_that_fits);
    tcase_add_test(tcase, other_families_are_refused);
    tcase_add_test(tcase, a_host_that_is_rewritten_for_a_proxy_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
