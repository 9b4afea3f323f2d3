#include "cli/interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_bool seen;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&seen, true);
}

void interrupt_catch(void)
{
    /* SA_RESETHAND: whoever asks twice is not kept waiting. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool interrupt_seen(void)
{
    return atomic_load(&seen);
}
