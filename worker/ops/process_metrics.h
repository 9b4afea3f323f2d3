/* process_metrics: what the kernel knows of this process, under the names that Prometheus's own clients use.
 *
 * Any thread. What /proc does not tell is left out. */
#ifndef RXP_OPS_PROCESS_METRICS_H
#define RXP_OPS_PROCESS_METRICS_H

#include "base/buf.h"

/* Unix time; 0: not known. To be asked once: the kernel reckons it from the wall clock, and each step of that would look like a
 * restart. */
double process_started_seconds(void);

/* started_seconds: of process_started_seconds. */
void process_metrics_write(struct buf *out, double started_seconds);

#endif
