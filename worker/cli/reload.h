/* reload: on SIGHUP the profiles are read again, and of the configuration the log level, by a thread of its own, since files
 * can be slow. All else that the configuration says holds until the next start.
 *
 * One a process, as signals are; main thread. */
#ifndef RXP_CLI_RELOAD_H
#define RXP_CLI_RELOAD_H

#include "engine/profiles.h"
#include "ops/options.h"

/* From now on SIGHUP does not end the process. One that comes before reload_start is served by it. */
void reload_catch(void);
/* Both outlive reload_stop. 0, or -1 where there are no means for it. */
int reload_start(struct profiles *profiles, const struct options *options);
/* Harmless where it was not started. */
void reload_stop(void);

#endif
