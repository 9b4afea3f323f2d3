#include "ops/log.h"
#include "ops/option_set.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char kafka[] = "RXP_KAFKA_";

static void name_of(const char *variable, char separator, char out[OPTION_NAME_BYTES])
{
    snprintf(out, OPTION_NAME_BYTES, "%s", variable);
    for (char *at = out; *at != '\0'; at++)
        *at = (char)(*at == '_' ? separator : tolower((unsigned char)*at));
}

static const char *environment_value(char **environment, const char *variable)
{
    size_t bytes = strlen(variable);
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, variable, bytes) == 0 && (*environment)[bytes] == '=')
            return *environment + bytes + 1;
    }
    return NULL;
}

static int read_variables(struct options *options, char **environment, char *why)
{
    size_t n;
    const struct option_spec *table = option_table(&n);
    for (size_t i = 0; i < n; i++) {
        if (table[i].flag_only)
            continue;
        char variable[OPTION_NAME_BYTES];
        option_variable_write(table[i].name, variable);
        const char *value = environment_value(environment, variable);
        if (value == NULL && table[i].alias != NULL) {
            option_variable_write(table[i].alias, variable);
            value = environment_value(environment, variable);
        }
        if (value != NULL && option_apply(options, &table[i], value, OPTION_ENVIRONMENT, variable, variable, why) < 0)
            return -1;
    }
    return 0;
}

/* Kubernetes puts RXP_KAFKA_SERVICE_HOST, RXP_KAFKA_PORT_9092_TCP_ADDR and so on beside a service named rxp-kafka: these
 * are no properties of librdkafka. */
static bool is_injected(const char *variable, const char *value)
{
    const char *port = strstr(variable, "_PORT");
    size_t bytes = strlen(variable);
    size_t host = strlen("_SERVICE_HOST");
    return (bytes > host && strcmp(variable + bytes - host, "_SERVICE_HOST") == 0) ||
           strstr(variable, "_SERVICE_PORT") != NULL ||
           (port != NULL && (strstr(value, "://") != NULL || (port[5] == '_' && isdigit((unsigned char)port[6]))));
}

static void warn_of_variable(const char *variable)
{
    char name[OPTION_NAME_BYTES];
    name_of(variable + strlen("RXP_"), '-', name);
    const struct option_spec *spec = option_find(name);
    const char *near = option_nearest(name, ~0U, true);
    char nearest[OPTION_NAME_BYTES];
    if (near != NULL)
        option_variable_write(near, nearest);
    if (spec != NULL && spec->flag_only)
        log_event(LOG_WARN, "unknown_variable", "%s is ignored: --%s can be given on the command line alone", variable,
                  spec->name);
    else if (spec == NULL && near != NULL)
        log_event(LOG_WARN, "unknown_variable", "the environment variable %s is not known: did you mean %s?", variable,
                  nearest);
    else if (spec == NULL)
        log_event(LOG_WARN, "unknown_variable", "the environment variable %s is not known and is ignored", variable);
}

/* `*entry` as a variable that begins with RXP_; its value, or NULL for any other. */
static const char *rxp_variable(const char *entry, char variable[OPTION_NAME_BYTES])
{
    const char *equals = strchr(entry, '=');
    if (equals == NULL || strncmp(entry, "RXP_", 4) != 0)
        return NULL;
    snprintf(variable, OPTION_NAME_BYTES, "%.*s", (int)(equals - entry), entry);
    return equals + 1;
}

/* A secret's value (engine/secrets.h), not a setting. */
static bool is_secret(const char *variable)
{
    return strncmp(variable, "RXP_SECRET_", strlen("RXP_SECRET_")) == 0;
}

static bool is_property(const char *variable, const char *value)
{
    return strncmp(variable, kafka, strlen(kafka)) == 0 && variable[strlen(kafka)] != '\0' &&
           !is_injected(variable, value);
}

int option_environment_read(struct options *options, char **environment, char *why)
{
    if (read_variables(options, environment, why) < 0)
        return -1;
    for (; *environment != NULL; environment++) {
        char variable[OPTION_NAME_BYTES];
        const char *value = rxp_variable(*environment, variable);
        if (value == NULL || !is_property(variable, value))
            continue;
        char name[OPTION_NAME_BYTES];
        name_of(variable + strlen(kafka), '.', name);
        option_apply_property(options, name, value, OPTION_ENVIRONMENT, variable);
    }
    return 0;
}

void option_environment_warn(char **environment)
{
    for (; *environment != NULL; environment++) {
        char variable[OPTION_NAME_BYTES];
        const char *value = rxp_variable(*environment, variable);
        if (value != NULL && !is_property(variable, value) && !is_secret(variable))
            warn_of_variable(variable);
    }
}
