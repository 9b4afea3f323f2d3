/* provisions: what profiles and secrets `run` would have: for config --check, by name alone.
 *
 * Main thread. No broker is asked. */
#ifndef RXP_CLI_PROVISIONS_H
#define RXP_CLI_PROVISIONS_H

#include "ops/options.h"

/* Findings go to stderr. EXIT_OK, EXIT_FATAL where a secret is missing or cannot be used, EXIT_USAGE where a file or setting
 * is wrong. */
int provisions_check(const struct options *options);

#endif
