/* config_check: asks the broker whether everything that `run` needs is there, and prints the commands that make what is
 * missing.
 *
 * Main thread. Blocks for at most about 10 seconds a question. Findings go to stderr, commands to stdout. */
#ifndef RXP_CLI_CONFIG_CHECK_H
#define RXP_CLI_CONFIG_CHECK_H

#include "ops/options.h"

/* An exit status: EXIT_OK where all is well, EXIT_FATAL where something is missing or out of reach, EXIT_USAGE. */
int config_check(const struct options *options);

#endif
