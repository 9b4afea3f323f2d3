/* fd_watch: which of curl's sockets epoll watches for what, with as few system calls as can be.
 *
 * Owned by one loop thread. curl takes its wish back after every request and utters it again with the next one; epoll
 * is told only when it lacks a wanted event, or has reported one that nobody wants (level-triggered, so that none is
 * lost). That needs to know when a socket is closed, since its number is used again: it holds for the sockets opened
 * through fd_watch_open. Others (those of curl's resolver) are told to epoll at once. */
#ifndef RXP_ENGINE_FD_WATCH_H
#define RXP_ENGINE_FD_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fd_entry {
    uint32_t generation; /* of the number: an event of a socket that is gone does not reach its successor */
    uint32_t wanted;     /* EPOLLIN, EPOLLOUT */
    uint32_t told;       /* what epoll was told; 0: not registered */
    bool ours;
};

struct fd_watch {
    int epoll_fd;
    struct fd_entry *entry; /* by file descriptor */
    size_t n;
};

void fd_watch_init(struct fd_watch *watch, int epoll_fd);
void fd_watch_deinit(struct fd_watch *watch);

/* Opens a socket, close-on-exec. The file descriptor, or -1 with errno. */
int fd_watch_open(struct fd_watch *watch, int family, int type, int protocol);
void fd_watch_close(struct fd_watch *watch, int fd);
/* events: EPOLLIN and EPOLLOUT, or 0. 0, or -1 with errno. */
int fd_watch_want(struct fd_watch *watch, int fd, uint32_t events);

/* What of epoll's events was wanted (errors and hang-ups count as every wanted one); 0: nothing. *fd is the socket's.
 * `data` is epoll_event.data.u64. */
uint32_t fd_watch_match(struct fd_watch *watch, uint64_t data, uint32_t events, int *fd);

/* epoll_event.data.u64 of other owners of the same epoll: never one of a socket here. */
#define FD_WATCH_OTHER UINT64_MAX

#endif
