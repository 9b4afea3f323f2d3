/* options: every setting of every command, from one table (option_table.c): flags over environment over file over
 * default. The table also makes --help, `rxp-worker config` and the reference in the README.
 *
 * Made by main before any thread starts; const afterwards. Names are the flags' without dashes: "max-in-flight". */
#ifndef RXP_OPS_OPTIONS_H
#define RXP_OPS_OPTIONS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_type { OPTION_TEXT, OPTION_INT, OPTION_DECIMAL, OPTION_FLAG, OPTION_CHOICE };

/* Bits: which commands know an option. */
enum option_command {
    COMMAND_RUN = 1 << 0,
    COMMAND_DEMO = 1 << 1,
    COMMAND_EXEC = 1 << 2,
    COMMAND_VALIDATE = 1 << 3,
    COMMAND_SUBMIT = 1 << 4,
    COMMAND_RESULTS = 1 << 5,
    COMMAND_OFFSETS = 1 << 6,
    COMMAND_CONFIG = 1 << 7, /* knows all of run's */
    COMMAND_BACKEND = 1 << 8,
    COMMAND_HEALTH = 1 << 9,
    COMMAND_CANCEL = 1 << 10,
    COMMAND_REDRIVE = 1 << 11,
};

struct option_spec {
    const char *name;
    const char *alias; /* another name, or NULL */
    enum option_type type;
    const char *value;    /* default as text; "" is off or none; NULL: required where it is used */
    const char *metavar;  /* "HOST:PORT,…" */
    const char *choices;  /* OPTION_CHOICE: "input|invocation_id" */
    double min, max;      /* OPTION_INT and OPTION_DECIMAL */
    unsigned commands;    /* enum option_command bits */
    bool may_be_empty;    /* an empty value turns it off */
    bool secret;          /* never printed */
    bool flag_only;       /* of a command line alone: not in file or environment (--follow, --wait) */
    const char *group;    /* heading in --help and the reference: "Kafka", "Runs", "Limits", … */
    const char *help;     /* one sentence; the unit in it */
};
const struct option_spec *option_table(size_t *n);
const struct option_spec *option_find(const char *name_or_alias);

enum option_source { OPTION_DEFAULT, OPTION_FILE, OPTION_ENVIRONMENT, OPTION_FLAG_GIVEN };

struct options;

#define OPTIONS_WHY_BYTES 512

/* Reads flags (argv after the command word), environ and the file of --config. Returns 0 with *out; or -1 with a sentence
 * in why[OPTIONS_WHY_BYTES] that names the wrong flag, key or value and the nearest known one. `-h` and `--help` (before a
 * `--`) set *help instead, with *out NULL. Words that are no options are the positionals; `--` ends the options.
 *
 * Every value is checked, wherever it comes from and even where a stronger source hides it. What the file and the
 * environment say for other commands is no error, so that one file serves all. Unknown RXP_… variables are only warned of
 * (log_event): the log level is set first. An option without a default that is not given is an error, save for config. */
int options_read(enum option_command command, int argc, char **argv, char **environment, struct options **out, bool *help,
                 char *why);
/* The same words, environment and path of a file once more, into a set of its own: what the file says may have changed. */
int options_read_again(const struct options *options, struct options **out, char *why);
void options_free(struct options *options);

/* By name, whatever the command; a name that the table does not have, or of another type, is a programmer's error (assert). */
const char *options_text(const struct options *options, const char *name); /* NULL only where required and not given */
/* An empty number (where that is allowed: off) reads as 0. */
int64_t options_int(const struct options *options, const char *name);
double options_decimal(const struct options *options, const char *name);
bool options_flag(const struct options *options, const char *name);
/* Decimal seconds as milliseconds, rounded. */
int64_t options_ms(const struct options *options, const char *name_in_seconds);
enum option_source options_source(const struct options *options, const char *name);
/* "default", "--max-in-flight", "RXP_MAX_IN_FLIGHT", "worker.conf:12": for `config`. Lives as long as options. */
const char *options_origin(const struct options *options, const char *name);

/* librdkafka's own properties, each name once: -X name=value over RXP_KAFKA_NAME over kafka.name; of equals the last. */
struct option_property {
    const char *name;
    const char *value;
    const char *origin; /* "-X", "RXP_KAFKA_SASL_USERNAME", "worker.conf:12" */
};
const struct option_property *options_properties(const struct options *options, size_t *n);

const char *const *options_positionals(const struct options *options, size_t *n);

/* The options of a command for --help, grouped; and the Markdown table of the README. */
void options_print_help(enum option_command command, FILE *out);
void options_print_reference(FILE *out);

#endif
