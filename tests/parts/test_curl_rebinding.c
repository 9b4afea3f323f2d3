/* A name whose address changes between two look-ups (DNS rebinding): what is checked is the address that is connected to.
 *
 * The resolver and connect() stand before the C library's; the resolver answers one list of addresses a look-up, in turn. */
#include "support/fetch_stage.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>

static const char *const (*answers)[4]; /* lists that end with NULL */
static atomic_int look_ups;
static atomic_int wrong_connects; /* to anything but loopback */

/* curl calls it in a thread for each name. The C library makes the list, since it frees it. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    int (*of_library)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&of_library = dlsym(RTLD_NEXT, "getaddrinfo");
    const struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    (void)name, (void)hints;
    const char *const *address = answers[atomic_fetch_add(&look_ups, 1)];
    for (*out = NULL; *address != NULL; address++) {
        ck_assert_int_eq(of_library(*address, service, &numeric, out), 0);
        while (*out != NULL) {
            out = &(*out)->ai_next;
        }
    }
    return 0;
}

int connect(int fd, const struct sockaddr *address, socklen_t bytes)
{
    int (*of_library)(int, const struct sockaddr *, socklen_t);
    struct sockaddr_in v4;
    *(void **)&of_library = dlsym(RTLD_NEXT, "connect");
    memcpy(&v4, address, sizeof v4 < bytes ? sizeof v4 : bytes);
    if (address->sa_family == AF_INET6 || (address->sa_family == AF_INET && ntohl(v4.sin_addr.s_addr) >> 24 != 127)) {
        atomic_fetch_add(&wrong_connects, 1);
        errno = ECONNREFUSED;
        return -1;
    }
    return of_library(fd, address, bytes);
}

static const struct {
    const char *first; /* where the kickoff goes well */
    const char *second[4];
    const char *says;
} rebounds[] = {
    {"127.0.0.1", {"169.254.169.254"}, "address 169.254.169.254 (host 'rebind.example') is a cloud's metadata address"},
    {"127.0.0.1", {"169.254.7.7"}, "link-local"},
    {"127.0.0.1", {"::ffff:169.254.169.254"}, "metadata"},
    {"127.0.0.1", {"64:ff9b::a9fe:a9fe"}, "metadata"},
    {"127.0.0.1", {"fd00:ec2::254"}, "metadata"},
    {"127.0.0.1", {"168.63.129.16"}, "metadata"},
    {"127.0.0.1", {"10.0.0.1"}, "private (RFC 1918), refused by egress-private=deny"},
    {"127.0.0.1", {"10.0.0.1", "fe80::1", "0.0.0.0"}, "refused"},
};

static void set_up_transport(void)
{
    const struct egress_config config = {.allow = "*,127.0.0.0/8", .deny = "", .private_denied = true};
    char why[EGRESS_WHY_BYTES];
    set_up_with("*", true, 8);
    curl_transport_free(transport);
    egress_free(egress);
    egress = egress_make(&config, why);
    ck_assert_msg(egress != NULL, "%s", why);
    const struct curl_transport_config again = {.egress = egress,
                                                .max_response_bytes = MAX_RESPONSE_BYTES,
                                                .origin_max_active = 8,
                                                .max_active = 1000,
                                                .max_connections = 100,
                                                .epoll_fd = epoll_fd};
    transport = curl_transport_new(&again);
    ck_assert_ptr_nonnull(transport);
}

static const char *named(struct rude_server *of, const char *path)
{
    static char url[2][128];
    static int next;
    next = !next;
    snprintf(url[next], sizeof url[next], "http://rebind.example:%d%s", rude_server_port(of), path);
    return url[next];
}

/* `_i` odd: the second look-up is a redirect's, whose port makes it a new one; even: a request's own. */
START_TEST(a_name_that_points_elsewhere_at_its_second_look_up_is_not_followed)
{
    const char *const lists[2][4] = {{rebounds[_i / 2].first},
                                     {rebounds[_i / 2].second[0], rebounds[_i / 2].second[1], rebounds[_i / 2].second[2]}};
    answers = lists;
    other = rude_server_start(RUDE_WHOLE_SERVER, answer_ok, 1);
    char away[256];
    snprintf(away, sizeof away, "HTTP/1.1 307 X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", named(other, "/x"));
    const struct rude_step steps[] = {{.act = RUDE_ANSWER, .answer = _i % 2 != 0 ? away : OK_ANSWER}};
    serve(RUDE_WHOLE_SERVER, steps, 1);
    struct seen seen = {0};
    get(&seen, named(server, "/"));
    if (_i % 2 == 0) {
        ck_assert_msg(seen.error == TRANSPORT_OK, "%s", seen.detail);
        seen = (struct seen){0};
        get(&seen, named(other, "/"));
    }
    ck_assert_int_eq(atomic_load(&look_ups), 2);
    ck_assert_int_eq(seen.error, TRANSPORT_EGRESS);
    ck_assert_msg(strstr(seen.detail, rebounds[_i / 2].says) != NULL, "%s", seen.detail);
    ck_assert_uint_eq(requests_of(server), 1);
    ck_assert_uint_eq(connections_of(other), 0);
    ck_assert_int_eq(atomic_load(&wrong_connects), 0);
}
END_TEST

/* Where only some of its addresses are refused, the others are used. */
START_TEST(of_several_addresses_only_those_that_are_allowed_are_connected_to)
{
    static const char *const lists[][4] = {
        {"169.254.169.254", "127.0.0.1"}, {"10.0.0.1", "127.0.0.1"}, {"127.0.0.1", "169.254.169.254"}};
    answers = &lists[_i];
    serve(RUDE_WHOLE_SERVER, answer_ok, 1);
    struct seen seen = {0};
    get(&seen, named(server, "/"));
    ck_assert_msg(seen.error == TRANSPORT_OK, "%s", seen.detail);
    ck_assert_int_eq(atomic_load(&wrong_connects), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("curl_rebinding");
    TCase *tests = tcase_create("curl_rebinding");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up_transport, teardown);
    tcase_add_loop_test(tests, a_name_that_points_elsewhere_at_its_second_look_up_is_not_followed, 0, 2 * COUNT(rebounds));
    tcase_add_loop_test(tests, of_several_addresses_only_those_that_are_allowed_are_connected_to, 0, 3);
    suite_add_tcase(suite, tests);
    return suite;
}
