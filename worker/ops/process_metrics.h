/* process_metrics: what the kernel knows of this process, under the names that Prometheus's own clients use.
 *
 * Any thread. What /proc does not tell is left out. */
#ifndef RXP_OPS_PROCESS_METRICS_H
#define RXP_OPS_PROCESS_METRICS_H

#include "base/buf.h"

void process_metrics_write(struct buf *out);

#endif
