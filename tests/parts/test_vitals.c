#include "base/clock.h"
#include "core/vitals.h"
#include "support/check_main.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOW_MS 1000000
#define DEADLINE_MS 20000

static const struct kafka_property properties[] = {{"fetch.wait.max.ms", "5"}, {"session.timeout.ms", "20000"}};
static const struct worker_config config = {
    .kafka = {.bootstrap_servers = "kafka:9092", .group_id = "g", .properties = properties, .n_properties = 2},
    .max_in_flight = 50,
    .max_in_flight_bytes = 1000,
    .pool = {.max_run_ms = 1500},
};

/* ---- readiness ---- */

static const struct {
    struct standing_whole whole;
    const char *why; /* NULL: it is ready */
} stands[] = {
    {{.joined = true, .broker_seen_mono_ms = NOW_MS - 20000}, NULL},
    {{.joined = true, .broker_seen_mono_ms = 0}, NULL}, /* it joined just now: a broker said so */
    {{.joined = true, .broker_seen_mono_ms = NOW_MS - 20001}, "no broker has answered for 20 s"},
    {{.joined = true, .broker_seen_mono_ms = NOW_MS - 90000, .trouble = "refused"}, "no broker has answered for 90 s: refused"},
    {{.broker_seen_mono_ms = NOW_MS - 90000}, "no broker has answered for 90 s"},
    {{.joined = false}, "no broker of kafka:9092 has answered yet"},
    {{.trouble = "refused"}, "no broker of kafka:9092 has answered yet: refused"},
    {{.broker_seen_mono_ms = NOW_MS - 1}, "it is no member of the group 'g' just now"},
    {{.broker_seen_mono_ms = NOW_MS - 1, .trouble = "denied"}, "it is no member of the group 'g' just now: denied"},
    {{.joined = true, .draining = true, .broker_seen_mono_ms = NOW_MS},
     "it was told to stop: it takes nothing new and brings to an end what is under way"},
};

START_TEST(is_ready_or_says_why_not)
{
    struct standing *standing = standing_new();
    char why[VITALS_WHY_BYTES] = "";
    standing_renew(standing, &stands[_i].whole, NULL, 0);
    ck_assert_int_eq(vitals_ready(standing, &config, NOW_MS, why), stands[_i].why == NULL);
    ck_assert_str_eq(why, stands[_i].why != NULL ? stands[_i].why : "");
    standing_free(standing);
}
END_TEST

START_TEST(brokers_have_fifteen_seconds_at_least)
{
    struct kafka_property brief = {"session.timeout.ms", "1000"};
    struct worker_config other = config;
    other.kafka.properties = &brief;
    other.kafka.n_properties = 1;
    struct standing *standing = standing_new();
    char why[VITALS_WHY_BYTES];
    standing_renew(standing, &(struct standing_whole){.joined = true, .broker_seen_mono_ms = NOW_MS - 15000}, NULL, 0);
    ck_assert(vitals_ready(standing, &other, NOW_MS, why));
    ck_assert(!vitals_ready(standing, &other, NOW_MS + 1, why));
    standing_free(standing);
}
END_TEST

/* ---- as it is served ---- */

static struct standing *standing;
static struct metrics *metrics;
static struct vitals *vitals;
static struct admin *admin;
static char reply[1 << 18];

static void start(void)
{
    char why[256] = "";
    size_t n;
    standing = standing_new();
    metrics = metrics_new(NULL, 0);
    vitals = vitals_new(&(struct vitals_config){.worker_config = &config, .metrics = metrics, .standing = standing,
                                                .curl_version = "7.0"});
    const struct admin_route *routes = vitals_routes(&n);
    const struct admin_config settings = {.listen = "127.0.0.1:0", .routes = routes, .n_routes = n, .opaque = vitals};
    ck_assert_msg(admin_start(&settings, &admin, why, sizeof why) == 0, "%s", why);
}

static void stop(void)
{
    admin_stop(admin);
    vitals_free(vitals);
    metrics_free(metrics);
    standing_free(standing);
}

/* The code; the body is in `reply`. */
static int get(const char *path)
{
    char request[128];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)admin_port(admin));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)(void *)&to, sizeof to), 0);
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", path);
    ck_assert_int_eq(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
    size_t bytes = 0;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    for (ssize_t got = 1; got > 0 && bytes < sizeof reply - 1; bytes += got > 0 ? (size_t)got : 0) {
        ck_assert_int_eq(poll(&wait, 1, DEADLINE_MS), 1);
        got = recv(fd, reply + bytes, sizeof reply - 1 - bytes, 0);
    }
    reply[bytes] = '\0';
    close(fd);
    int code = 0;
    ck_assert_int_eq(sscanf(reply, "HTTP/%*d.%*d %d", &code), 1);
    char *body = strstr(reply, "\r\n\r\n");
    ck_assert_ptr_nonnull(body);
    memmove(reply, body + 4, strlen(body + 4) + 1);
    return code;
}

START_TEST(lives_while_the_kafka_thread_turns)
{
    start();
    ck_assert_int_eq(get("/livez"), 200); /* it has not begun yet */
    ck_assert_str_eq(reply, "{\"alive\":true}\n");
    standing_beat(standing, clock_mono_ms() - 8000);
    ck_assert_int_eq(get("/livez"), 200);
    standing_beat(standing, clock_mono_ms() - 12000);
    ck_assert_int_eq(get("/livez"), 503);
    ck_assert_ptr_nonnull(strstr(reply, "{\"alive\":false,\"reason\":\"the Kafka thread has stood still for 12 s\"}"));
    stop();
}
END_TEST

START_TEST(lives_also_where_it_is_not_ready)
{
    start();
    standing_beat(standing, clock_mono_ms());
    standing_renew(standing, &(struct standing_whole){.draining = true}, NULL, 0);
    ck_assert_int_eq(get("/readyz"), 503);
    ck_assert_ptr_nonnull(strstr(reply, "{\"ready\":false,\"reason\":\"it was told to stop"));
    ck_assert_int_eq(get("/livez"), 200);
    stop();
}
END_TEST

static void assert_line(const char *line)
{
    char wanted[300];
    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    ck_assert_msg(strstr(reply, wanted) != NULL, "no line %s in\n%s", line, reply);
}

START_TEST(shows_the_partitions_that_there_are)
{
    static const struct standing_partition partitions[] = {
        {.topic = "a\"b", .partition = 0, .pauses = STANDING_PAUSE_LIMIT | STANDING_PAUSE_CROWD, .waiting = 3, .lag = 11,
         .in_flight = 4, .span = 8, .done_beyond = 5, .frontier_age_ms = 61500},
        {.topic = "a\"b", .partition = 7, .pauses = STANDING_PAUSE_LIMIT, .waiting = 2},
        {.topic = "new", .partition = 1, .end = -1},
    };
    start();
    standing_renew(standing, &(struct standing_whole){.joined = true, .in_flight = 4, .in_flight_bytes = 99}, partitions, 3);
    ck_assert_int_eq(get("/metrics"), 200);
    static const char *const lines[] = {
        "rxp_partition_waiting{topic=\"a\\\"b\",partition=\"0\"} 3",
        "rxp_partition_lag{topic=\"a\\\"b\",partition=\"0\"} 11",
        "rxp_partition_in_flight{topic=\"a\\\"b\",partition=\"0\"} 4",
        "rxp_partition_window_offsets{topic=\"a\\\"b\",partition=\"0\"} 8",
        "rxp_partition_done_beyond_offsets{topic=\"a\\\"b\",partition=\"0\"} 5",
        "rxp_partition_frontier_age_seconds{topic=\"a\\\"b\",partition=\"0\"} 61.5",
        "rxp_partition_waiting{topic=\"a\\\"b\",partition=\"7\"} 2",
        "rxp_partition_in_flight{topic=\"new\",partition=\"1\"} 0",
        "rxp_assigned_partitions 3",
        "rxp_paused_partitions{reason=\"limit\"} 2",
        "rxp_paused_partitions{reason=\"window\"} 0",
        "rxp_paused_partitions{reason=\"crowd\"} 1",
        "rxp_waiting_invocations 5",
        "rxp_pending_invocations 9",
        "rxp_in_flight_limit 50",
        "rxp_in_flight_bytes 99",
        "rxp_in_flight_bytes_limit 1000",
        "rxp_max_run_seconds 1.5",
        "rxp_draining 0",
        "rxp_ready 1",
        "rxp_origin_breakers_open 0",
        "rxp_errands_in_flight 0",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_line(lines[i]);
    ck_assert_ptr_null(strstr(reply, "rxp_partition_lag{topic=\"new\""));
    ck_assert_ptr_null(strstr(reply, "rxp_partition_waiting{topic=\"new\""));
    standing_renew(standing, &(struct standing_whole){.joined = true}, NULL, 0);
    ck_assert_int_eq(get("/metrics"), 200);
    ck_assert_ptr_null(strstr(reply, "partition=\""));
    assert_line("# TYPE rxp_partition_lag gauge");
    assert_line("rxp_assigned_partitions 0");
    stop();
}
END_TEST

static double number_of(const char *name)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\n%s ", name);
    const char *at = strstr(reply, wanted);
    ck_assert_msg(at != NULL, "no %s", name);
    return strtod(at + strlen(wanted), NULL);
}

START_TEST(tells_of_the_process)
{
    start();
    ck_assert_int_eq(get("/metrics"), 200);
    double age = (double)clock_wall_ms() / 1000 - number_of("process_start_time_seconds");
    ck_assert_msg(age > -2 && age < 3600, "began %f s ago", age);
    double threads = number_of("process_threads");
    ck_assert_msg(threads >= 2 && threads < 100, "%f threads", threads);
    double files = number_of("process_open_fds");
    ck_assert_msg(files > 4 && files < 200, "%f files", files);
    ck_assert(number_of("process_max_fds") >= files);
    ck_assert(number_of("process_resident_memory_bytes") > 1e6);
    ck_assert(number_of("process_virtual_memory_bytes") >= number_of("process_resident_memory_bytes"));
    ck_assert(number_of("process_cpu_seconds_total") >= 0);
    assert_line("rxp_log_lines_total{level=\"error\"} 0");
    stop();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("vitals");
    TCase *tcase = tcase_create("vitals");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, is_ready_or_says_why_not, 0, (int)(sizeof stands / sizeof stands[0]));
    tcase_add_test(tcase, brokers_have_fifteen_seconds_at_least);
    tcase_add_test(tcase, lives_while_the_kafka_thread_turns);
    tcase_add_test(tcase, lives_also_where_it_is_not_ready);
    tcase_add_test(tcase, shows_the_partitions_that_there_are);
    tcase_add_test(tcase, tells_of_the_process);
    suite_add_tcase(suite, tcase);
    return suite;
}
