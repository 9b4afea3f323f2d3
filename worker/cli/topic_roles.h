/* topic_roles: each topic of a worker has one part to play. Two in one come to no good: a result that is an input as well is
 * rejected, which makes the next result, without end.
 *
 * Reads the configuration alone: no broker is asked. */
#ifndef RXP_CLI_TOPIC_ROLES_H
#define RXP_CLI_TOPIC_ROLES_H

#include "core/worker.h"

#include <stddef.h>

/* -1 with a sentence in why[why_bytes], also for a topic named in reply-topics that no reply can go to. */
int topic_roles_check(const struct worker_config *config, char *why, size_t why_bytes);

#endif
