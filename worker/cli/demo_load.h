/* demo_load: the demo's invocations: a mixture of courses that a real backend shows.
 *
 * Pure. */
#ifndef RXP_CLI_DEMO_LOAD_H
#define RXP_CLI_DEMO_LOAD_H

#include <stddef.h>

/* The i-th invocation as JSON, for the simulated backend on this port; NULL for want of memory. The caller frees it. One
 * in a hundred is broken on purpose. */
char *demo_load_invocation(size_t i, int backend_port, size_t *bytes);

#define DEMO_LOAD_ID_BYTES 32
void demo_load_id(size_t i, char out[DEMO_LOAD_ID_BYTES]);

#endif
