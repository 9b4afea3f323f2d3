#include "cli/command.h"
#include "cli/config_check.h"
#include "cli/provisions.h"
#include "kafka/client_conf.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ORIGIN_COLUMN = 44, NAME_BYTES = 160 };

static bool is_secret_property(const char *name)
{
    static const char *const parts[] = {"password", "secret", "private", "key.pem", "oauthbearer.config",
                                        "token",    "ssl_key"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strstr(name, parts[i]) != NULL && strstr(name, "token.endpoint") == NULL)
            return true;
    }
    return false;
}

/* Would a file's line bring the value back? (See option_file.h.) */
static bool fits_a_line(const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        if (iscntrl((unsigned char)*at) || (*at == '#' && (at == value || at[-1] == ' ')))
            return false;
    }
    size_t bytes = strlen(value);
    return bytes == 0 || (value[0] != ' ' && value[bytes - 1] != ' ');
}

static void print_setting(const char *name, const char *value, bool secret, const char *origin)
{
    bool comment = !secret && !fits_a_line(value);
    int column = printf("%s%s =%s", comment ? "# " : "", name, *value == '\0' ? "" : " ");
    for (const char *at = secret && *value != '\0' ? "******" : value; *at != '\0'; at++, column++)
        putchar(iscntrl((unsigned char)*at) ? '?' : *at);
    printf("%*s# %s%s\n", column < ORIGIN_COLUMN ? ORIGIN_COLUMN - column : 1, "", origin,
           comment ? "; a file can't hold this value" : "");
}

static void print_configuration(const struct options *options)
{
    size_t n;
    const struct option_spec *table = option_table(&n);
    const char *group = "";
    const char *file = options_text(options, "config");
    if (*file != '\0')
        printf("# configuration file: %s (%s)\n", file, options_origin(options, "config"));
    for (size_t i = 0; i < n; i++) {
        const struct option_spec *spec = &table[i];
        if ((spec->commands & COMMAND_CONFIG) == 0 || spec->flag_only || strcmp(spec->name, "config") == 0)
            continue;
        if (strcmp(group, spec->group) != 0)
            printf("%s# %s\n", *group == '\0' && *file == '\0' ? "" : "\n", spec->group);
        group = spec->group;
        const char *value = options_text(options, spec->name);
        if (value == NULL)
            printf("# %s is not set, and required\n", spec->name);
        else
            print_setting(spec->name, value, spec->secret, options_origin(options, spec->name));
    }
    const struct option_property *property = options_properties(options, &n);
    if (n > 0)
        fputs("\n# Properties of librdkafka\n", stdout);
    for (size_t i = 0; i < n; i++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "kafka.%s", property[i].name);
        print_setting(name, property[i].value, is_secret_property(property[i].name), property[i].origin);
    }
    (void)fflush(stdout);
}

/* Properties are librdkafka's to judge: it is asked, without a connection. */
static int check_properties(const struct options *options)
{
    size_t n;
    const struct option_property *given = options_properties(options, &n);
    struct kafka_property *property = calloc(n + 1, sizeof *property);
    if (property == NULL)
        return -1;
    for (size_t i = 0; i < n; i++)
        property[i] = (struct kafka_property){.name = given[i].name, .value = given[i].value};
    const char *servers = options_text(options, "bootstrap-servers");
    const struct kafka_settings settings = {
        .bootstrap_servers = servers != NULL ? servers : "localhost:9092",
        .group_id = options_text(options, "group-id"),
        .client_id = options_text(options, "client-id"),
        .properties = property,
        .n_properties = n,
    };
    static const enum client_role roles[] = {CLIENT_CONSUMER, CLIENT_PRODUCER, CLIENT_ADMIN};
    int result = 0;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0] && result == 0; i++) {
        char why[CLIENT_CONF_WHY_BYTES];
        rd_kafka_conf_t *conf = client_conf_make(&settings, roles[i], why);
        if (conf == NULL) {
            fprintf(stderr, "rxp-worker config: %s\n", why);
            result = -1;
        } else {
            rd_kafka_conf_destroy(conf);
        }
    }
    free(property);
    return result;
}

static int config_main(const struct options *options)
{
    if (options_flag(options, "reference")) {
        options_print_reference(stdout);
        return EXIT_OK;
    }
    print_configuration(options);
    if (check_properties(options) < 0)
        return EXIT_USAGE;
    if (!options_flag(options, "check"))
        return EXIT_OK;
    int provided = provisions_check(options);
    int asked = provided == EXIT_USAGE ? EXIT_OK : config_check(options);
    return provided > asked ? provided : asked;
}

const struct command command_config = {
    .name = "config",
    .bit = COMMAND_CONFIG,
    .arguments = "",
    .summary = "show the settings in force, where each comes from, and what the broker lacks",
    .about =
        "Prints the settings that `run` would have here, each with its origin, on stdout: a file for --config.\n"
        "Secrets are printed as ******. Properties of librdkafka are checked too.\n"
        "\n"
        "With --check the profiles and secrets that are there are named, and the broker is asked whether topics\n"
        "and group are there and may be used: findings on stderr, and on stdout the commands that create what is\n"
        "missing and grant what is not allowed.\n"
        "\n"
        "Examples:\n"
        "  rxp-worker config --config worker.conf --max-in-flight 500\n"
        "  rxp-worker config --check --bootstrap-servers localhost:9092\n"
        "  rxp-worker config --reference\n"
        "\n"
        "Exit status: 0 all is well, 1 --check found something missing or out of reach, 2 usage or a wrong\n"
        "setting.\n",
    .main = config_main,
};
