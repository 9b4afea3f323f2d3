#include "cli/command.h"

#include "base/clock.h"
#include "cli/settings.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_MS 3000
#define ANSWER_BYTES 4096
#define HOST_BYTES 256
#define WHY_BYTES 512

/* HOST:PORT as admin-listen has it; an address that means all of them is asked at its loopback one. */
static int split(const char *listen, char host[HOST_BYTES], const char **port)
{
    const char *colon = strrchr(listen, ':');
    if (colon == NULL || colon - listen >= HOST_BYTES) {
        return -1;
    }
    *port = colon + 1;
    bool bracketed = listen[0] == '[' && colon > listen + 1 && colon[-1] == ']';
    snprintf(host, HOST_BYTES, "%.*s", (int)(colon - listen) - (bracketed ? 2 : 0), listen + (bracketed ? 1 : 0));
    if (strcmp(host, "") == 0 || strcmp(host, "0.0.0.0") == 0) {
        snprintf(host, HOST_BYTES, "127.0.0.1");
    } else if (strcmp(host, "::") == 0) {
        snprintf(host, HOST_BYTES, "::1");
    }
    return 0;
}

/* False where the time is up. */
static bool await(int fd, short events, int64_t until_ms)
{
    struct pollfd wait = {.fd = fd, .events = events};
    int n = -1;
    do {
        int64_t left_ms = until_ms - clock_mono_ms();
        n = left_ms > 0 ? poll(&wait, 1, (int)left_ms) : 0;
    } while (n < 0 && errno == EINTR);
    errno = n == 0 ? ETIMEDOUT : errno;
    return n > 0;
}

/* A connected socket, or -1 with errno. */
static int dial(const struct addrinfo *at, int64_t until_ms)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int error = 0;
    socklen_t bytes = sizeof error;
    if (connect(fd, at->ai_addr, at->ai_addrlen) == 0) {
        return fd;
    }
    if (errno == EINPROGRESS && await(fd, POLLOUT, until_ms) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 &&
        error == 0) {
        return fd;
    }
    error = error != 0 ? error : errno;
    close(fd);
    errno = error;
    return -1;
}

/* Sends the request and reads all that comes. 0, or -1 with errno. */
static int exchange(int fd, const char *request, char answer[ANSWER_BYTES], int64_t until_ms)
{
    size_t bytes = 0;
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request)) {
        return -1;
    }
    for (ssize_t n = 1; n > 0 && bytes < ANSWER_BYTES - 1;) {
        if (!await(fd, POLLIN, until_ms)) {
            return -1;
        }
        n = recv(fd, answer + bytes, ANSWER_BYTES - 1 - bytes, 0);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return -1;
        }
        bytes += n > 0 ? (size_t)n : 0;
        n = n < 0 ? 1 : n;
    }
    answer[bytes] = '\0';
    return 0;
}

/* The code of the answer, which stays in `answer`; or -1 with a sentence. */
static int ask(const char *listen, const char *path, char answer[ANSWER_BYTES], char why[WHY_BYTES])
{
    char host[HOST_BYTES];
    const char *port;
    char request[128];
    int code = -1;
    int64_t until_ms = clock_mono_ms() + TIMEOUT_MS;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int rc = split(listen, host, &port) == 0 ? getaddrinfo(host, port, &hints, &found) : EAI_NONAME;
    if (rc != 0) {
        snprintf(why, WHY_BYTES, "admin-listen '%.200s' cannot be asked: %s", listen, gai_strerror(rc));
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = dial(at, until_ms);
    }
    int error = errno;
    freeaddrinfo(found);
    if (fd < 0) {
        snprintf(why, WHY_BYTES, "no worker answers at %.200s: %s", listen, strerror(error));
        return -1;
    }
    /* The host is this machine's, whatever name admin-listen has. */
    snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
    if (exchange(fd, request, answer, until_ms) != 0) {
        snprintf(why, WHY_BYTES, "the worker at %.200s does not answer: %s", listen, strerror(errno));
    } else if (sscanf(answer, "HTTP/%*d.%*d %d ", &code) != 1) {
        snprintf(why, WHY_BYTES, "what answers at %.200s is no worker's admin server", listen);
        code = -1;
    }
    close(fd);
    return code;
}

/* The reason in {"ready":false,"reason":"…"}, as it stands there; "" where there is none. */
static void read_reason(const char *answer, char out[WHY_BYTES])
{
    static const char key[] = "\"reason\":\"";
    const char *at = strstr(answer, key);
    out[0] = '\0';
    if (at == NULL) {
        return;
    }
    at += sizeof key - 1;
    size_t bytes = 0;
    while (at[bytes] != '\0' && at[bytes] != '"' && bytes < WHY_BYTES - 1) {
        bytes += at[bytes] == '\\' && at[bytes + 1] != '\0' ? 2 : 1;
    }
    snprintf(out, WHY_BYTES, "%.*s", (int)bytes, at);
}

static int health_main(const struct options *options)
{
    bool ready = options_flag(options, "ready");
    const char *listen = settings_text(options, "admin-listen");
    char answer[ANSWER_BYTES];
    char why[WHY_BYTES] = "";
    if (listen == NULL) {
        fputs("rxp-worker health: admin-listen is empty: that worker has no admin server to ask\n", stderr);
        return EXIT_USAGE;
    }
    int code = ask(listen, ready ? "/readyz" : "/livez", answer, why);
    if (code == 200) {
        printf("the worker at %s %s\n", listen, ready ? "is ready" : "lives");
        return EXIT_OK;
    }
    if (code == 503) {
        read_reason(answer, why);
        fprintf(stderr, "rxp-worker health: the worker at %s %s: %s\n", listen, ready ? "is not ready" : "is stuck", why);
    } else if (code > 0) {
        fprintf(stderr, "rxp-worker health: what answers at %s is no worker's admin server: HTTP %d\n", listen, code);
    } else {
        fprintf(stderr, "rxp-worker health: %s\n", why);
    }
    return EXIT_FATAL;
}

const struct command command_health = {
    .name = "health",
    .bit = COMMAND_HEALTH,
    .arguments = "",
    .summary = "ask the admin server of a running worker how it is",
    .about =
        "Asks /livez of the worker whose configuration this is (the same environment, file or flags), or with\n"
        "--ready /readyz, and prints a sentence. It waits 3 s at most. /livez says whether its threads turn, and\n"
        "never depends on the broker: it is what restarts should depend on. Made for a container's HEALTHCHECK:\n"
        "  HEALTHCHECK CMD [\"rxp-worker\", \"health\"]\n"
        "\n"
        "Exit status: 0 well, 1 not, or nobody answers, 2 usage or configuration.\n",
    .main = health_main,
};
