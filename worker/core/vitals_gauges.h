/* vitals_gauges: what /metrics shows beside the counters: states, as they are now. For vitals.c alone. */
#ifndef RXP_CORE_VITALS_GAUGES_H
#define RXP_CORE_VITALS_GAUGES_H

#include "base/buf.h"
#include "core/standing.h"
#include "core/worker.h"

#include <stdbool.h>
#include <stddef.h>

void vitals_gauges_about(struct buf *out, const char *curl_version);
/* The partitions that it has, and no others: those of one that left vanish. */
void vitals_gauges_of_standing(struct buf *out, struct standing *standing, const struct worker_config *config, bool ready);
/* NULL: no pool yet, or no more; the families stay. An origin is crowded where more than crowd_above wait to be kicked off. */
void vitals_gauges_of_pool(struct buf *out, struct pool *pool, size_t crowd_above);

#endif
