/* lookout: all that watches the worker of `run` and shows it: counters, standing, the admin server.
 *
 * Main thread. Made before the worker and gone after it; the admin server serves from before its making to its end. */
#ifndef RXP_CLI_LOOKOUT_H
#define RXP_CLI_LOOKOUT_H

#include "core/worker.h"
#include "ops/options.h"

#include <stddef.h>

struct lookout;

#define LOOKOUT_WHY_BYTES 512

/* Fills config's metrics, standing, history and cancels, and serves. config and options must outlive it. NULL with a sentence. */
struct lookout *lookout_start(const struct options *options, struct worker_config *config, char why[LOOKOUT_WHY_BYTES]);
void lookout_use_worker(struct lookout *lookout, struct worker *worker);
/* The port that the admin server listens on; -1: there is none. */
int lookout_port(const struct lookout *lookout);
/* Before worker_free: no more questions, and nobody looks at the worker. */
void lookout_close(struct lookout *lookout);
/* After worker_free. NULL is harmless. */
void lookout_free(struct lookout *lookout);

/* The origins that the operator names, for metrics_new: of the kickoffs of profiles, and of egress-allow what is no pattern and
 * no range. *n of them; the caller frees the array (one block). NULL for want of memory. */
const char **lookout_origins(const char *egress_allow, struct profiles *profiles, size_t *n);

/* admin-token, or what admin-token-file holds; "" where there is none. 0, or -1 with a sentence. */
#define LOOKOUT_TOKEN_BYTES 1024
int lookout_token(const struct options *options, char out[LOOKOUT_TOKEN_BYTES], char why[LOOKOUT_WHY_BYTES]);

#endif
