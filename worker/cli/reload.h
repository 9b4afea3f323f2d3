/* reload: on SIGHUP the profiles are read again, by a thread of its own, since files can be slow.
 *
 * One a process, as signals are; main thread. */
#ifndef RXP_CLI_RELOAD_H
#define RXP_CLI_RELOAD_H

#include "engine/profiles.h"

/* From now on SIGHUP does not end the process. One that comes before reload_start is served by it. */
void reload_catch(void);
/* `profiles` outlives reload_stop. 0, or -1 where there are no means for it. */
int reload_start(struct profiles *profiles);
/* Harmless where it was not started. */
void reload_stop(void);

#endif
