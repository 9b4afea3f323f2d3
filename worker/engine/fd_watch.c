#include "engine/fd_watch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_ENTRIES 256

void fd_watch_init(struct fd_watch *watch, int epoll_fd)
{
    *watch = (struct fd_watch){.epoll_fd = epoll_fd};
}

void fd_watch_deinit(struct fd_watch *watch)
{
    free(watch->entry);
    fd_watch_init(watch, -1);
}

static struct fd_entry *entry_of(struct fd_watch *watch, int fd)
{
    assert(fd >= 0);
    size_t index = (size_t)fd;
    if (index < watch->n) {
        return &watch->entry[index];
    }
    size_t n = watch->n == 0 ? FIRST_ENTRIES : watch->n;
    while (n <= index) {
        n *= 2;
    }
    struct fd_entry *entry = realloc(watch->entry, n * sizeof *entry);
    if (entry == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    memset(entry + watch->n, 0, (n - watch->n) * sizeof *entry);
    watch->entry = entry;
    watch->n = n;
    return &entry[index];
}

int fd_watch_open(struct fd_watch *watch, int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    if (fd < 0) {
        return -1;
    }
    struct fd_entry *entry = entry_of(watch, fd);
    if (entry == NULL) {
        close(fd);
        errno = ENOMEM;
        return -1;
    }
    *entry = (struct fd_entry){.generation = entry->generation + 1, .ours = true};
    return fd;
}

void fd_watch_close(struct fd_watch *watch, int fd)
{
    struct fd_entry *entry = entry_of(watch, fd);
    if (entry != NULL) {
        *entry = (struct fd_entry){.generation = entry->generation + 1};
    }
    close(fd); /* takes it out of epoll */
}

static int tell(struct fd_watch *watch, int fd, struct fd_entry *entry, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)entry->generation << 32 | (uint32_t)fd};
    int op = EPOLL_CTL_DEL;
    if (events != 0) {
        op = entry->told == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    }
    int failed = epoll_ctl(watch->epoll_fd, op, fd, &event);
    if (failed != 0 && events != 0) {
        /* A number that was closed behind our back, or is still there from before. */
        op = errno == EEXIST ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
        failed = errno == EEXIST || errno == ENOENT ? epoll_ctl(watch->epoll_fd, op, fd, &event) : failed;
    }
    entry->told = failed == 0 ? events : 0;
    return events == 0 ? 0 : failed;
}

int fd_watch_want(struct fd_watch *watch, int fd, uint32_t events)
{
    struct fd_entry *entry = entry_of(watch, fd);
    if (entry == NULL) {
        return -1;
    }
    entry->wanted = events;
    bool must_tell = entry->ours ? (events & ~entry->told) != 0 : events != entry->told;
    return must_tell ? tell(watch, fd, entry, events) : 0;
}

uint32_t fd_watch_match(struct fd_watch *watch, uint64_t data, uint32_t events, int *fd)
{
    uint32_t index = (uint32_t)data;
    if (index >= watch->n || watch->entry[index].generation != data >> 32) {
        return 0;
    }
    struct fd_entry *entry = &watch->entry[index];
    *fd = (int)index;
    uint32_t broken = events & (EPOLLERR | EPOLLHUP);
    uint32_t matched = broken != 0 ? entry->wanted : events & entry->wanted;
    if (matched == 0 || (events & (EPOLLIN | EPOLLOUT) & ~entry->wanted) != 0) {
        tell(watch, *fd, entry, entry->wanted);
    }
    return matched;
}
