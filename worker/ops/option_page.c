#include "ops/option_value.h"
#include "ops/options.h"

#include <stdio.h>
#include <string.h>

enum { PAGE_COLUMNS = 80, HELP_COLUMN = 8 };

/* Prints words from column HELP_COLUMN on, broken before PAGE_COLUMNS. */
static void print_wrapped(FILE *out, const char *text)
{
    int column = 0;
    while (*text != '\0') {
        int bytes = (int)strcspn(text, " ");
        if (column == 0 || column + 1 + bytes > PAGE_COLUMNS) {
            fprintf(out, "%s%*s", column == 0 ? "" : "\n", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", bytes, text);
        column += bytes;
        text += bytes;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void print_option(const struct option_spec *spec, FILE *out)
{
    fprintf(out, "  --%s", spec->name);
    if (spec->alias != NULL)
        fprintf(out, ", --%s", spec->alias);
    if (spec->type != OPTION_FLAG)
        fprintf(out, " %s", spec->type == OPTION_CHOICE ? spec->choices : spec->metavar);
    fputc('\n', out);
    char text[512];
    if (spec->value == NULL)
        snprintf(text, sizeof text, "%s Required.", spec->help);
    else if (spec->type == OPTION_FLAG || *spec->value == '\0')
        snprintf(text, sizeof text, "%s", spec->help);
    else
        snprintf(text, sizeof text, "%s Default: %s.", spec->help, spec->value);
    print_wrapped(out, text);
}

void options_print_help(enum option_command command, FILE *out)
{
    size_t n;
    const struct option_spec *table = option_table(&n);
    const char *group = "";
    bool kafka = false;
    for (int own = 1; own >= 0; own--) { /* the command's own flags come first */
        for (size_t i = 0; i < n; i++) {
            const struct option_spec *spec = &table[i];
            if ((spec->commands & (unsigned)command) == 0 || spec->flag_only != (own == 1))
                continue;
            const char *heading = spec->flag_only ? "Options of this command" : spec->group;
            if (strcmp(group, heading) != 0)
                fprintf(out, "\n%s:\n", heading);
            group = heading;
            kafka = kafka || strcmp(spec->name, "bootstrap-servers") == 0;
            print_option(spec, out);
        }
    }
    if (kafka) {
        fputs("\nAny property of librdkafka:\n  -X NAME=VALUE\n", out);
        print_wrapped(out, "As in -X security.protocol=SASL_SSL; in the environment RXP_KAFKA_SECURITY_PROTOCOL, in "
                           "the file kafka.security.protocol.");
    }
    fputs("\nHelp:\n  -h, --help\n        Print this page.\n", out);
}

/* Text inside a Markdown table: '|' would end the cell. */
static void print_cell(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("|*_<", *text) != NULL)
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_commands(FILE *out, unsigned commands)
{
    static const struct {
        enum option_command bit;
        const char *word;
    } words[] = {
        {COMMAND_RUN, "run"},
        {COMMAND_DEMO, "demo"},
        {COMMAND_EXEC, "exec"},
        {COMMAND_VALIDATE, "validate"},
        {COMMAND_SUBMIT, "submit"},
        {COMMAND_RESULTS, "results"},
        {COMMAND_CANCEL, "cancel"},
        {COMMAND_OFFSETS, "offsets"},
        {COMMAND_REDRIVE, "redrive"},
        {COMMAND_CONFIG, "config"},
        {COMMAND_BACKEND, "backend"},
        {COMMAND_HEALTH, "health"},
    };
    const char *before = "";
    unsigned left = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        left |= words[i].bit & ~commands;
    if (left == 0) {
        fputs("all", out);
        return;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        /* config knows all of run's: not worth repeating */
        if ((commands & words[i].bit) == 0 || (words[i].bit == COMMAND_CONFIG && (commands & COMMAND_RUN) != 0))
            continue;
        fprintf(out, "%s%s", before, words[i].word);
        before = ", ";
    }
}

static void print_values(FILE *out, const struct option_spec *spec)
{
    if (spec->type == OPTION_CHOICE) {
        char choices[160];
        snprintf(choices, sizeof choices, "%s", spec->choices);
        char *rest = choices;
        const char *before = " One of";
        for (char *choice = strsep(&rest, "|"); choice != NULL; choice = strsep(&rest, "|")) {
            fprintf(out, "%s `%s`", before, choice);
            before = ",";
        }
        fputc('.', out);
    } else if (spec->type == OPTION_INT || spec->type == OPTION_DECIMAL) {
        char min[OPTION_NUMBER_BYTES];
        char max[OPTION_NUMBER_BYTES];
        option_number_write(spec->min, min);
        option_number_write(spec->max, max);
        fprintf(out, " From %s to %s.", min, max);
    }
}

void options_print_reference(FILE *out)
{
    size_t n;
    const struct option_spec *table = option_table(&n);
    fputs("| option | default | commands | meaning |\n| --- | --- | --- | --- |\n", out);
    for (size_t i = 0; i < n; i++) {
        const struct option_spec *spec = &table[i];
        fprintf(out, "| `%s%s`", spec->flag_only ? "--" : "", spec->name);
        if (spec->alias != NULL)
            fprintf(out, " (also `%s`)", spec->alias);
        if (spec->value == NULL)
            fputs(" | required | ", out);
        else if (spec->type == OPTION_FLAG || *spec->value == '\0')
            fputs(" | | ", out);
        else
            fprintf(out, " | `%s` | ", spec->value);
        print_commands(out, spec->commands);
        fputs(" | ", out);
        print_cell(out, spec->help);
        print_values(out, spec);
        fputs(" |\n", out);
    }
}
