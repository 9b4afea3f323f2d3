/* fault: what strikes instances and brokers, and is healed again. Some faults come at planned times; others are provoked: they
 * strike in the middle of something, where a fault at a random time hardly ever would. */
#ifndef RXP_SIM_FAULT_H
#define RXP_SIM_FAULT_H

#include "sim/instance.h"

void faults_begin(void);
void faults_end(void); /* nothing is provoked any more */
/* So many instances are still to be started in place of others. */
int faults_missing(void);

/* Something is half done: an instance (NULL: none) may be struck now, and is then frozen or cut off when this returns, or crashes
 * before anything else happens. */
void provoke(struct instance *instance, enum moment moment);

#endif
