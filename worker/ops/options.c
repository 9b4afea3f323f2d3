#include "ops/options.h"

#include "ops/log.h"
#include "ops/option_file.h"
#include "ops/option_set.h"
#include "protocol/vocab.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* A process that has no memory for its settings can't say so in any better way. */
static void *grown(void *memory, size_t n, size_t each)
{
    void *more = realloc(memory, n * each);
    assert(more != NULL);
    return more;
}

const char *option_keep(struct options *options, const char *text)
{
    options->kept = grown(options->kept, options->n_kept + 1, sizeof *options->kept);
    char *copy = strdup(text);
    assert(copy != NULL);
    options->kept[options->n_kept++] = copy;
    return copy;
}

static size_t index_of(const struct option_spec *spec)
{
    size_t n;
    return (size_t)(spec - option_table(&n));
}

static void set_defaults(struct options *options)
{
    size_t n;
    const struct option_spec *table = option_table(&n);
    assert(n <= MAX_OPTIONS);
    for (size_t i = 0; i < n; i++) {
        struct setting *setting = &options->setting[i];
        char why[OPTIONS_WHY_BYTES];
        setting->text = table[i].value;
        setting->origin = "default";
        setting->source = OPTION_DEFAULT;
        if (table[i].value != NULL) {
            int failed = option_value_parse(&table[i], table[i].value, table[i].name, &setting->value, why);
            assert(failed == 0);
        }
    }
}

int option_apply(struct options *options, const struct option_spec *spec, const char *text, enum option_source source,
                 const char *origin, const char *subject, char *why)
{
    struct option_value value;
    if (option_value_parse(spec, text, subject, &value, why) < 0)
        return -1;
    struct setting *setting = &options->setting[index_of(spec)];
    if (source < setting->source)
        return 0;
    setting->text = option_keep(options, text);
    setting->origin = option_keep(options, origin);
    setting->value = value;
    setting->source = source;
    return 0;
}

void option_apply_property(struct options *options, const char *name, const char *value, enum option_source source,
                           const char *origin)
{
    size_t i = 0;
    while (i < options->n_properties && strcmp(options->property[i].name, name) != 0)
        i++;
    if (i < options->n_properties && source < options->property_source[i])
        return;
    if (i == options->n_properties) {
        options->n_properties++;
        options->property = grown(options->property, options->n_properties, sizeof *options->property);
        options->property_source =
            grown(options->property_source, options->n_properties, sizeof *options->property_source);
    }
    options->property[i].name = option_keep(options, name);
    options->property[i].value = option_keep(options, value);
    options->property[i].origin = option_keep(options, origin);
    options->property_source[i] = source;
}

const char *option_nearest(const char *word, unsigned commands, bool file_only)
{
    const char *names[2 * MAX_OPTIONS];
    size_t n_names = 0;
    size_t n;
    const struct option_spec *table = option_table(&n);
    for (size_t i = 0; i < n; i++) {
        if ((table[i].commands & commands) == 0 || (file_only && table[i].flag_only))
            continue;
        names[n_names++] = table[i].name;
        if (table[i].alias != NULL)
            names[n_names++] = table[i].alias;
    }
    return rxp_nearest(word, names, n_names);
}

void option_variable_write(const char *name, char out[OPTION_NAME_BYTES])
{
    size_t n = (size_t)snprintf(out, OPTION_NAME_BYTES, "RXP_%s", name);
    for (size_t i = 0; i < n && i < OPTION_NAME_BYTES; i++)
        out[i] = (char)(out[i] == '-' ? '_' : toupper((unsigned char)out[i]));
}

/* ---- the file ---- */

static int read_line(const char *name, const char *value, const char *place, void *opaque, char *why)
{
    struct options *options = opaque;
    static const char kafka[] = "kafka.";
    if (strncmp(name, kafka, strlen(kafka)) == 0 && name[strlen(kafka)] != '\0') {
        option_apply_property(options, name + strlen(kafka), value, OPTION_FILE, place);
        return 0;
    }
    const struct option_spec *spec = option_find(name);
    if (spec == NULL) {
        const char *near = option_nearest(name, ~0U, true);
        if (near != NULL)
            return option_refuse(why, "%s: unknown key '%.80s': did you mean '%s'?", place, name, near);
        return option_refuse(why, "%s: unknown key '%.80s'; librdkafka's own are written 'kafka.NAME'", place, name);
    }
    if (spec->flag_only || strcmp(spec->name, "config") == 0)
        return option_refuse(why, "%s: '%s' can't be set in a file: give it as --%s", place, name, spec->name);
    char subject[OPTION_NAME_BYTES + 320];
    snprintf(subject, sizeof subject, "%s: '%s'", place, name);
    return option_apply(options, spec, value, OPTION_FILE, place, subject, why);
}

/* ---- together ---- */

static int check_required(const struct options *options, char *why)
{
    size_t n;
    const struct option_spec *table = option_table(&n);
    if (options->command == COMMAND_CONFIG) /* shows what is not set */
        return 0;
    for (size_t i = 0; i < n; i++) {
        if ((table[i].commands & (unsigned)options->command) == 0 || options->setting[i].text != NULL)
            continue;
        char variable[OPTION_NAME_BYTES];
        option_variable_write(table[i].name, variable);
        return option_refuse(why, "%s is required: give --%s %s, or %s in the environment, or a line of the --config "
                                  "file", table[i].name, table[i].name, table[i].metavar, variable);
    }
    return 0;
}

int options_read(enum option_command command, int argc, char **argv, char **environment, struct options **out, bool *help,
                 char *why)
{
    *out = NULL;
    *help = option_words_ask_for_help(argc, argv);
    if (*help)
        return 0;
    struct options *options = calloc(1, sizeof *options);
    assert(options != NULL);
    options->command = command;
    options->argc = argc;
    options->argv = argv;
    options->environment = environment;
    set_defaults(options);
    int failed = option_words_read(options, argc, argv, why);
    if (failed == 0)
        failed = option_environment_read(options, environment, why);
    if (failed == 0 && *options_text(options, "config") != '\0')
        failed = option_file_read(options_text(options, "config"), read_line, options, why);
    if (failed == 0)
        failed = check_required(options, why);
    if (failed < 0) {
        options_free(options);
        return -1;
    }
    enum log_level level;
    if (log_level_parse(options_text(options, "log-level"), &level))
        log_set_level(level);
    option_environment_warn(environment);
    *out = options;
    return 0;
}

int options_read_again(const struct options *options, struct options **out, char *why)
{
    bool help;
    return options_read(options->command, options->argc, options->argv, options->environment, out, &help, why);
}

void options_free(struct options *options)
{
    if (options == NULL)
        return;
    for (size_t i = 0; i < options->n_kept; i++)
        free(options->kept[i]);
    free(options->kept);
    free(options->property);
    free(options->property_source);
    free(options->positional);
    free(options);
}

static const struct setting *setting_of(const struct options *options, const char *name, unsigned types)
{
    const struct option_spec *spec = option_find(name);
    assert(spec != NULL);
    assert((types & (1U << spec->type)) != 0);
    return &options->setting[index_of(spec)];
}

#define ANY_TYPE ~0U

const char *options_text(const struct options *options, const char *name)
{
    return setting_of(options, name, ANY_TYPE)->text;
}

int64_t options_int(const struct options *options, const char *name)
{
    return setting_of(options, name, 1U << OPTION_INT)->value.integer;
}

double options_decimal(const struct options *options, const char *name)
{
    return setting_of(options, name, 1U << OPTION_DECIMAL | 1U << OPTION_INT)->value.decimal;
}

bool options_flag(const struct options *options, const char *name)
{
    return setting_of(options, name, 1U << OPTION_FLAG)->value.flag;
}

int64_t options_ms(const struct options *options, const char *name_in_seconds)
{
    return (int64_t)(options_decimal(options, name_in_seconds) * 1000.0 + 0.5);
}

enum option_source options_source(const struct options *options, const char *name)
{
    return setting_of(options, name, ANY_TYPE)->source;
}

const char *options_origin(const struct options *options, const char *name)
{
    return setting_of(options, name, ANY_TYPE)->origin;
}

const struct option_property *options_properties(const struct options *options, size_t *n)
{
    *n = options->n_properties;
    return options->property;
}

const char *const *options_positionals(const struct options *options, size_t *n)
{
    *n = options->n_positionals;
    return options->positional;
}
