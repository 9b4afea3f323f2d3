/* command: what each command of rxp-worker offers to main. One file a command: run.c, exec.c, …
 *
 * Main thread. */
#ifndef RXP_CLI_COMMAND_H
#define RXP_CLI_COMMAND_H

#include "ops/options.h"

struct command {
    const char *name;
    enum option_command bit;
    const char *arguments; /* after the name in the usage line: "[FILE|-]" */
    const char *summary;   /* one line for the overview */
    const char *about;     /* paragraphs and examples for its --help */
    int (*main)(const struct options *options); /* the exit status */
};

/* Exit statuses that all commands share; exec has its own for outcomes. */
enum { EXIT_OK = 0, EXIT_FATAL = 1, EXIT_USAGE = 2 };

extern const struct command command_run;
extern const struct command command_demo;
extern const struct command command_exec;
extern const struct command command_validate;
extern const struct command command_submit;
extern const struct command command_results;
extern const struct command command_cancel;
extern const struct command command_redrive;
extern const struct command command_offsets;
extern const struct command command_config;
extern const struct command command_backend;
extern const struct command command_health;

#endif
