#include "cli/interrupt.h"

#include "base/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ECHO_MS 500

static atomic_int_fast64_t first_ms; /* when the first signal came, monotonic; 0: none yet */
static int seen_fd = -1; /* readable once seen; a signal may land on any thread, so that pause() would not do */

enum interrupt_wish interrupt_take(void)
{
    int_fast64_t before_ms = 0;
    int64_t now_ms = clock_mono_ms();
    if (atomic_compare_exchange_strong(&first_ms, &before_ms, now_ms)) {
        return INTERRUPT_FIRST;
    }
    return now_ms - before_ms < ECHO_MS ? INTERRUPT_ECHO : INTERRUPT_AGAIN;
}

static void catch_signals(int flags);

static void on_signal(int number)
{
    switch (interrupt_take()) {
    case INTERRUPT_FIRST: {
        uint64_t one = 1;
        ssize_t written = write(seen_fd, &one, sizeof one);
        (void)written;
        catch_signals(SA_RESTART); /* what waits now was begun in spite of the signal, and an echo does not break it off */
        break;
    }
    case INTERRUPT_ECHO:
        break;
    case INTERRUPT_AGAIN: /* whoever asks twice is not kept waiting: it ends as this handler returns */
        signal(number, SIG_DFL);
        raise(number);
        break;
    }
}

static void catch_signals(int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void interrupt_catch(void)
{
    seen_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    catch_signals(0);
}

bool interrupt_seen(void)
{
    return atomic_load(&first_ms) != 0;
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
