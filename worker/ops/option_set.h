/* option_set: the settings while they are being collected. Internal to options.c, option_words.c (the command line) and
 * option_environment.c; everybody else sees options.h. */
#ifndef RXP_OPS_OPTION_SET_H
#define RXP_OPS_OPTION_SET_H

#include "ops/option_value.h"
#include "ops/options.h"

#define MAX_OPTIONS 96 /* the table has fewer: checked */
#define OPTION_NAME_BYTES 128

struct setting {
    const char *text;
    const char *origin;
    struct option_value value;
    enum option_source source;
};

struct options {
    enum option_command command;
    int argc; /* what it was read from, which lives as long as the process */
    char **argv;
    char **environment;
    struct setting setting[MAX_OPTIONS]; /* in the table's order */
    struct option_property *property;
    enum option_source *property_source;
    size_t n_properties;
    const char **positional;
    size_t n_positionals;
    char **kept; /* every string above */
    size_t n_kept;
};

/* A copy that lives as long as options. */
const char *option_keep(struct options *options, const char *text);

/* Sets spec to text where source is at least as strong as the present one. Every value is checked, also one that a
 * stronger source hides. subject: see option_value_parse. 0, or -1 with why filled. */
int option_apply(struct options *options, const struct option_spec *spec, const char *text, enum option_source source,
                 const char *origin, const char *subject, char *why);
/* The same for a property of librdkafka, whose value librdkafka checks. */
void option_apply_property(struct options *options, const char *name, const char *value, enum option_source source,
                           const char *origin);

/* The nearest name that one of `commands` knows and, where asked, that a file may hold; or NULL. */
const char *option_nearest(const char *word, unsigned commands, bool file_only);
/* max-in-flight -> RXP_MAX_IN_FLIGHT */
void option_variable_write(const char *name, char out[OPTION_NAME_BYTES]);

/* The command line: flags, -X and positionals. 0, or -1 with why filled. */
int option_words_read(struct options *options, int argc, char **argv, char *why);
bool option_words_ask_for_help(int argc, char **argv);

/* RXP_… 0, or -1 with why filled. */
int option_environment_read(struct options *options, char **environment, char *why);
/* Warns of each RXP_… that means nothing here. */
void option_environment_warn(char **environment);

#endif
