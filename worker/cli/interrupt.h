/* interrupt: SIGINT and SIGTERM as a flag, for commands that look and wait.
 *
 * Main thread; the flag may be read by any. */
#ifndef RXP_CLI_INTERRUPT_H
#define RXP_CLI_INTERRUPT_H

#include <stdbool.h>

/* From now on the first signal sets the flag; a second one ends the process as usual. */
void interrupt_catch(void);
bool interrupt_seen(void);
/* Until the flag is set. */
void interrupt_wait(void);
/* Until the flag is set or fd is readable. True: the flag is set. */
bool interrupt_wait_or(int fd);

#endif
