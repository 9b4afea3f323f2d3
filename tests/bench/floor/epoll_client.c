/* epoll_client: the three requests of an invocation with as little as HTTP over TCP takes: a connection that stays for each
 * invocation under way, one write and one read a request, no library. What it takes is the kernel's share, and what nobody
 * who sends these requests one by one can go below.
 *
 *     epoll_client ORIGIN COUNT WARM */
#include "stint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define POLLS 2
#define IDLE (-1)
#define BODY "{\"n\":\"xxxxxxxxxxxxxxxxxxx\"}"
#define AGENT "User-Agent: rxp-worker/0.1.0\r\nAccept: */*\r\n"

struct connection {
    int fd;
    int answered; /* of the invocation's requests; IDLE: there is none */
    char id[128];
    char in[2048];
    size_t n_in;
};

static struct stint stint;
static int port;

static void send_text(struct connection *connection, const char *text, int bytes)
{
    if (send(connection->fd, text, (size_t)bytes, MSG_NOSIGNAL) != bytes) {
        fail("send");
    }
}

static void send_kickoff(struct connection *connection)
{
    char text[512];
    int bytes = snprintf(text, sizeof text,
                         "POST /runs?polls=%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" AGENT "Content-Type: application/json\r\n"
                         "Idempotency-Key: bench-%08llu\r\nContent-Length: %zu\r\n\r\n" BODY,
                         POLLS, port, (unsigned long long)stint.begun, sizeof BODY - 1);
    send_text(connection, text, bytes);
}

static void send_poll(struct connection *connection)
{
    char text[512];
    int bytes = snprintf(text, sizeof text, "GET /runs/%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" AGENT "\r\n", connection->id, port);
    send_text(connection, text, bytes);
}

/* The body, once all of the answer is there; NULL before. */
static const char *whole_body(struct connection *connection)
{
    connection->in[connection->n_in] = '\0';
    const char *end = strstr(connection->in, "\r\n\r\n");
    const char *length = strcasestr(connection->in, "Content-Length:");
    if (end == NULL) {
        return NULL;
    }
    if (length == NULL || length > end) {
        fail("an answer without Content-Length: %s", connection->in);
    }
    return (size_t)(end + 4 - connection->in) + strtoul(length + 15, NULL, 10) <= connection->n_in ? end + 4 : NULL;
}

static void begin(struct connection *connection)
{
    connection->answered = 0;
    if (stint_begin(&stint)) {
        send_kickoff(connection);
    } else {
        connection->answered = IDLE;
    }
}

static void take_answer(struct connection *connection, const char *body)
{
    if (connection->answered++ == 0) {
        if (sscanf(body, "{\"run_id\":\"%127[^\"]\"", connection->id) != 1) {
            fail("no run_id in %s", body);
        }
    } else if (connection->answered > POLLS) {
        if (strstr(body, "\"completed\"") == NULL) {
            fail("not the end: %s", body);
        }
        stint_end(&stint);
        begin(connection);
        return;
    }
    send_poll(connection);
}

static void read_some(struct connection *connection)
{
    ssize_t n = recv(connection->fd, connection->in + connection->n_in, sizeof connection->in - 1 - connection->n_in, 0);
    if (n <= 0) {
        fail("recv gave %zd", n);
    }
    connection->n_in += (size_t)n;
    const char *body = whole_body(connection);
    if (body != NULL) {
        connection->n_in = 0;
        take_answer(connection, body);
    }
}

static void connect_one(struct connection *connection, int epoll_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) {
        fail("connect");
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0) {
        fail("epoll_ctl");
    }
}

int main(int argc, char **argv)
{
    static struct connection connections[ACTIVE];
    if (argc != 4) {
        fail("usage: epoll_client ORIGIN COUNT WARM");
    }
    port = origin_port(argv[1]);
    stint_init(&stint, strtoull(argv[3], NULL, 10), strtoull(argv[2], NULL, 10));
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < ACTIVE; i++) {
        connect_one(&connections[i], epoll_fd);
        begin(&connections[i]);
    }
    bool is_warming = true;
    while (!stint_is_over(&stint)) {
        struct epoll_event events[ACTIVE];
        int n = epoll_wait(epoll_fd, events, ACTIVE, -1);
        for (int i = 0; i < n; i++) {
            read_some(events[i].data.ptr);
        }
        for (size_t i = 0; is_warming && stint.done >= stint.warm && i < ACTIVE; i++) {
            if (connections[i].answered == IDLE) {
                begin(&connections[i]);
            }
        }
        is_warming = stint.done < stint.warm;
    }
    stint_print(&stint);
    return 0;
}
