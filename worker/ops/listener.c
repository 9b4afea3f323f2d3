#include "ops/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
#define MAX_HOST_BYTES 256

/* Splits "HOST:PORT" and "[HOST]:PORT". False where it is neither, or the port is not 0 to 65535. */
static bool address_split(const char *address, char host[MAX_HOST_BYTES], char port[8])
{
    const char *colon = strrchr(address, ':');
    if (!colon) {
        return false;
    }
    const char *from = address;
    size_t host_bytes = (size_t)(colon - address);
    if (*address == '[') {
        if (host_bytes < 3 || colon[-1] != ']') {
            return false;
        }
        from++;
        host_bytes -= 2;
    } else if (memchr(address, ':', host_bytes)) {
        return false;
    }
    size_t digits = strspn(colon + 1, "0123456789");
    if (digits == 0 || digits > 5 || colon[1 + digits] != '\0' || strtol(colon + 1, NULL, 10) > 65535) {
        return false;
    }
    if (host_bytes >= MAX_HOST_BYTES) {
        return false;
    }
    memcpy(host, from, host_bytes);
    host[host_bytes] = '\0';
    memcpy(port, colon + 1, digits + 1);
    return true;
}

/* A socket bound and listening, or -errno. */
static int socket_listen(const struct addrinfo *at)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    int on = 1;
    int off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (at->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        return fd;
    }
    int error = -errno;
    close(fd);
    return error;
}

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static bool socket_address(int fd, union address *address)
{
    *address = (union address){.in6 = {.sin6_family = AF_UNSPEC}};
    socklen_t bytes = sizeof(*address);
    return getsockname(fd, &address->any, &bytes) == 0;
}

static int socket_port(int fd)
{
    union address address;
    if (!socket_address(fd, &address)) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port : address.in.sin_port);
}

bool listener_is_local(int fd)
{
    union address address;
    if (!socket_address(fd, &address)) {
        return false;
    }
    if (address.any.sa_family == AF_INET) {
        return (ntohl(address.in.sin_addr.s_addr) >> 24) == 127;
    }
    const struct in6_addr *in6 = &address.in6.sin6_addr;
    return address.any.sa_family == AF_INET6 &&
           (IN6_IS_ADDR_LOOPBACK(in6) || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127));
}

int listener_open(const char *address, int *port, char *why, size_t why_bytes)
{
    char host[MAX_HOST_BYTES];
    char service[8];
    if (!address_split(address, host, service)) {
        snprintf(why, why_bytes,
                 "cannot listen on '%s': expected HOST:PORT, as in 127.0.0.1:8080, [::1]:8080 or :8080 "
                 "(port 0 to 65535)",
                 address);
        return -1;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(host[0] ? host : NULL, service, &hints, &found);
    if (rc != 0) {
        snprintf(why, why_bytes, "cannot listen on '%s': %s", address,
                 rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
        return -1;
    }
    /* For every address of the machine IPv6 comes first: its socket takes IPv4 too. */
    int error = -EADDRNOTAVAIL;
    int fd = -1;
    for (int pass = 0; pass < 2 && fd < 0; pass++) {
        for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
            bool now = !host[0] && at->ai_family != AF_INET6 ? pass == 1 : pass == 0;
            if (!now) {
                continue;
            }
            fd = socket_listen(at);
            if (fd < 0 && error != -EADDRINUSE) {
                error = fd;
            }
        }
    }
    freeaddrinfo(found);
    if (fd >= 0) {
        *port = socket_port(fd);
        return fd;
    }
    if (error == -EADDRINUSE) {
        snprintf(why, why_bytes,
                 "cannot listen on '%s': the port is taken by another program; choose another, or 0 for a free one",
                 address);
    } else if (error == -EACCES) {
        snprintf(why, why_bytes, "cannot listen on '%s': ports below 1024 need privileges; choose a higher one",
                 address);
    } else {
        snprintf(why, why_bytes, "cannot listen on '%s': %s", address, strerror(-error));
    }
    return -1;
}
