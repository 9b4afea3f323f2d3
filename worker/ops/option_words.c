#include "ops/option_set.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const command_words[] = {"run",     "demo",    "exec",   "validate", "submit",
                                            "results", "offsets", "config", "backend"};
enum { N_COMMANDS = sizeof command_words / sizeof command_words[0] };

/* "'run', 'demo' and 'config'" */
static void list_commands(unsigned commands, char *out, size_t bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < N_COMMANDS && used < bytes; i++) {
        if ((commands & (1U << i)) == 0)
            continue;
        unsigned later = commands >> (i + 1);
        const char *before = used == 0 ? "" : later != 0 ? ", " : " and ";
        used += (size_t)snprintf(out + used, bytes - used, "%s'%s'", before, command_words[i]);
    }
}

static const char *command_word(enum option_command command)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (command == 1U << i)
            return command_words[i];
    }
    assert(false);
    return "";
}

static int refuse_flag(const struct options *options, const char *name, char *why)
{
    const struct option_spec *spec = option_find(name);
    if (spec != NULL) {
        char owners[160];
        list_commands(spec->commands, owners, sizeof owners);
        return option_refuse(why, "option '--%s' belongs to %s, not to '%s'", name, owners,
                             command_word(options->command));
    }
    const char *near = option_nearest(name, options->command, false);
    if (near != NULL)
        return option_refuse(why, "unknown option '--%.80s': did you mean '--%s'?", name, near);
    return option_refuse(why, "unknown option '--%.80s'", name);
}

struct words {
    int argc;
    char **argv;
    int next;
};

/* argv[next - 1] is "--name" or "--name=value". */
static int read_flag(struct options *options, struct words *words, char *why)
{
    const char *word = words->argv[words->next - 1] + 2;
    const char *equals = strchr(word, '=');
    char name[OPTION_NAME_BYTES];
    snprintf(name, sizeof name, "%.*s", equals == NULL ? (int)strlen(word) : (int)(equals - word), word);
    const struct option_spec *spec = option_find(name);
    if (spec == NULL || (spec->commands & (unsigned)options->command) == 0)
        return refuse_flag(options, name, why);
    const char *value = equals == NULL ? NULL : equals + 1;
    if (value == NULL && spec->type == OPTION_FLAG) {
        value = "true";
    } else if (value == NULL) {
        value = words->next < words->argc ? words->argv[words->next] : NULL;
        if (value == NULL)
            return option_refuse(why, "option '--%s' wants a value", name);
        if (strncmp(value, "--", 2) == 0)
            return option_refuse(why, "option '--%s' wants a value and is followed by '%.80s'; if that is the value, "
                                      "write --%s=%.80s", name, value, name, value);
        words->next++;
    }
    char origin[OPTION_NAME_BYTES + 2];
    char subject[OPTION_NAME_BYTES + 16];
    snprintf(origin, sizeof origin, "--%s", name);
    snprintf(subject, sizeof subject, "option '--%s'", name);
    return option_apply(options, spec, value, OPTION_FLAG_GIVEN, origin, subject, why);
}

/* argv[next - 1] is "-X" or "-Xname=value". */
static int read_property_flag(struct options *options, struct words *words, char *why)
{
    const char *pair = words->argv[words->next - 1] + 2;
    if (*pair == '\0')
        pair = words->next < words->argc ? words->argv[words->next++] : "";
    const char *equals = strchr(pair, '=');
    /* What was given is not repeated: it may be a password. */
    if (equals == NULL || equals == pair)
        return option_refuse(why, "option '-X' wants a property of librdkafka and its value, as in "
                                  "-X security.protocol=SSL");
    char name[OPTION_NAME_BYTES];
    if ((size_t)(equals - pair) >= sizeof name)
        return option_refuse(why, "option '-X': no property of librdkafka has so long a name");
    snprintf(name, sizeof name, "%.*s", (int)(equals - pair), pair);
    option_apply_property(options, name, equals + 1, OPTION_FLAG_GIVEN, "-X");
    return 0;
}

bool option_words_ask_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
            return true;
    }
    return false;
}

int option_words_read(struct options *options, int argc, char **argv, char *why)
{
    struct words words = {.argc = argc, .argv = argv};
    bool ended = false;
    options->positional = calloc((size_t)argc + 1, sizeof *options->positional);
    assert(options->positional != NULL);
    while (words.next < argc) {
        const char *word = argv[words.next++];
        int failed = 0;
        if (ended || word[0] != '-' || word[1] == '\0')
            options->positional[options->n_positionals++] = option_keep(options, word);
        else if (strcmp(word, "--") == 0)
            ended = true;
        else if (word[1] == '-')
            failed = read_flag(options, &words, why);
        else if (word[1] == 'X')
            failed = read_property_flag(options, &words, why);
        else
            failed = option_refuse(why, "unknown option '%.80s': options are written '--name value', and a word that "
                                        "begins with '-' goes after '--'", word);
        if (failed < 0)
            return -1;
    }
    return 0;
}

