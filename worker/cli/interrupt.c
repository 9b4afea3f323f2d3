#include "cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static atomic_bool seen;
static int seen_fd = -1; /* readable once seen; a signal may land on any thread, so that pause() would not do */

static void on_signal(int number)
{
    (void)number;
    atomic_store(&seen, true);
    uint64_t one = 1;
    ssize_t written = write(seen_fd, &one, sizeof one);
    (void)written;
}

void interrupt_catch(void)
{
    seen_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    /* SA_RESETHAND: whoever asks twice is not kept waiting. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool interrupt_seen(void)
{
    return atomic_load(&seen);
}

void interrupt_wait(void)
{
    struct pollfd fd = {.fd = seen_fd, .events = POLLIN};
    while (!interrupt_seen()) {
        poll(&fd, 1, -1);
    }
}

bool interrupt_wait_or(int fd)
{
    struct pollfd fds[] = {{.fd = seen_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    while (!interrupt_seen() && fds[1].revents == 0) {
        poll(fds, 2, -1);
    }
    return interrupt_seen();
}
