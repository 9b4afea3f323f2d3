/* interrupt: SIGINT and SIGTERM as a flag, for commands that look and wait; and which of them are one wish to stop.
 *
 * Main thread; the flag may be read by any. */
#ifndef RXP_CLI_INTERRUPT_H
#define RXP_CLI_INTERRUPT_H

#include <stdbool.h>

/* timeout(1) sends its signal to its child, and then to its group, in which the child is: what comes within half a second of the
 * first one is an echo of it. */
enum interrupt_wish { INTERRUPT_FIRST, INTERRUPT_ECHO, INTERRUPT_AGAIN };

/* In a signal's handler: sets the flag, and says what the signal is. */
enum interrupt_wish interrupt_take(void);

/* From now on the first signal sets the flag; another one, but for echoes, ends the process as usual. */
void interrupt_catch(void);
bool interrupt_seen(void);
/* Until the flag is set. */
void interrupt_wait(void);
/* Until the flag is set or fd is readable. True: the flag is set. */
bool interrupt_wait_or(int fd);

#endif
