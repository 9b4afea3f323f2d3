#include "cli/settings.h"

#include "base/cpus.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* To wake costs a run 1 to 2 us, a poll 30 to 55: what is polled oftener than this is no memory worth that. */
#define NAP_LEAST_MS 1000
#define LINE_SEATS 256 /* several times what a loop begins in a turn */

#define THREADS_BY_DEFAULT_AT_MOST 4

const char *settings_text(const struct options *options, const char *name)
{
    const char *text = options_text(options, name);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

int settings_kafka(const struct options *options, struct kafka_settings *settings, char why[SETTINGS_WHY_BYTES])
{
    const char *servers = options_text(options, "bootstrap-servers");
    if (servers == NULL || servers[0] == '\0') {
        snprintf(why, SETTINGS_WHY_BYTES,
                 "no broker was named: give --bootstrap-servers HOST:PORT (or RXP_BOOTSTRAP_SERVERS)");
        return -1;
    }
    size_t n = 0;
    const struct option_property *given = options_properties(options, &n);
    struct kafka_property *properties = calloc(n + 1, sizeof *properties);
    if (properties == NULL) {
        snprintf(why, SETTINGS_WHY_BYTES, "out of memory");
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        properties[i] = (struct kafka_property){given[i].name, given[i].value};
    }
    *settings = (struct kafka_settings){
        .bootstrap_servers = servers,
        .group_id = options_text(options, "group-id"),
        .group_instance_id = settings_text(options, "group-instance-id"),
        .client_id = options_text(options, "client-id"),
        .properties = properties,
        .n_properties = n,
    };
    return 0;
}

void settings_free_kafka(struct kafka_settings *settings)
{
    free((void *)settings->properties);
    settings->properties = NULL;
    settings->n_properties = 0;
}

const char **settings_list(const char *text, size_t *n)
{
    size_t most = 1;
    for (const char *at = text; *at != '\0'; at++) {
        most += *at == ',';
    }
    size_t text_bytes = strlen(text) + 1;
    const char **item = malloc((most + 1) * sizeof *item + text_bytes);
    if (item == NULL) {
        return NULL;
    }
    char *rest = memcpy(item + most + 1, text, text_bytes);
    *n = 0;
    char *word;
    while ((word = strsep(&rest, ",")) != NULL) {
        while (isspace((unsigned char)*word)) {
            word++;
        }
        char *end = word + strlen(word);
        while (end > word && isspace((unsigned char)end[-1])) {
            *--end = '\0';
        }
        if (*word != '\0') {
            item[(*n)++] = word;
        }
    }
    item[*n] = NULL;
    return item;
}

const char **settings_replies(const struct options *options, struct reply_policy *policy, char why[SETTINGS_WHY_BYTES])
{
    size_t n = 0;
    const char **patterns = settings_list(options_text(options, "reply-topics"), &n);
    if (patterns == NULL) {
        snprintf(why, SETTINGS_WHY_BYTES, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (!reply_pattern_is_valid(patterns[i])) {
            snprintf(why, SETTINGS_WHY_BYTES, "--reply-topics: '%s' can match no topic: letters, digits, '.', '_', '-' and "
                     "'*', at most 249", patterns[i]);
            free(patterns);
            return NULL;
        }
    }
    policy->patterns = patterns;
    policy->n_patterns = n;
    return patterns;
}

struct egress *settings_egress(const struct options *options, bool loopback_allowed, char why[SETTINGS_WHY_BYTES])
{
    const struct egress_config config = {
        .allow = options_text(options, "egress-allow"),
        .deny = options_text(options, "egress-deny"),
        .private_denied = strcmp(options_text(options, "egress-private"), "deny") == 0,
        .loopback_allowed = loopback_allowed,
    };
    return egress_make(&config, why);
}

struct outlet *settings_outlet(const struct options *options, char why[SETTINGS_WHY_BYTES])
{
    const struct outlet_config config = {
        .ca_file = options_text(options, "ca-file"),
        .client_certificates = options_text(options, "client-certificates"),
        .proxy = options_text(options, "proxy"),
    };
    return outlet_make(&config, why);
}

struct secrets *settings_secrets(const struct options *options, const struct egress *egress, const struct outlet *outlet,
                                 char why[SETTINGS_WHY_BYTES])
{
    char fault[SECRETS_WHY_BYTES] = "";
    const struct secrets_config config = {
        .dir = settings_text(options, "secrets-dir"),
        .environment = (const char *const *)environ,
        .hosts = settings_text(options, "secrets-hosts"),
        .egress = egress,
        .outlet = outlet,
        .connect_timeout_ms = outlet != NULL ? options_ms(options, "connect-timeout-seconds") : 0,
    };
    struct secrets *secrets = secrets_new(&config, fault);
    if (secrets != NULL && outlet != NULL && secrets_start(secrets, fault) != 0) {
        secrets_free(secrets);
        secrets = NULL;
    }
    snprintf(why, SETTINGS_WHY_BYTES, "%s", fault);
    return secrets;
}

struct profiles *settings_profiles(const struct options *options, char why[SETTINGS_WHY_BYTES])
{
    char fault[PROFILES_WHY_BYTES] = "";
    const struct profiles_config config = {
        .dir = settings_text(options, "profiles-dir"),
        .only = strcmp(options_text(options, "profiles"), "only") == 0,
    };
    if (config.only && config.dir == NULL) {
        snprintf(why, SETTINGS_WHY_BYTES, "--profiles only needs profiles: name their directory with --profiles-dir");
        return NULL;
    }
    struct profiles *profiles = profiles_new(&config, fault);
    snprintf(why, SETTINGS_WHY_BYTES, "%.*s", SETTINGS_WHY_BYTES - 1, fault);
    return profiles;
}

static int threads_by_default(void)
{
    int cpus = cpus_usable("");
    return cpus < THREADS_BY_DEFAULT_AT_MOST ? cpus : THREADS_BY_DEFAULT_AT_MOST;
}

void settings_pool(const struct options *options, const struct egress *egress, const struct outlet *outlet,
                   struct pool_config *config)
{
    int threads = (int)options_int(options, "threads");
    *config = (struct pool_config){
        .threads = threads > 0 ? threads : threads_by_default(),
        .max_run_ms = options_ms(options, "max-run-seconds"),
        .connect_timeout_ms = options_ms(options, "connect-timeout-seconds"),
        .poll_timeout_ms = options_ms(options, "poll-timeout-seconds"),
        .poll_min_interval_ms = options_int(options, "poll-min-interval-ms"),
        .nap_least_ms = NAP_LEAST_MS,
        .line_seats = LINE_SEATS,
        .poll_jitter = options_decimal(options, "poll-jitter"),
        .poll_max_failures = (int)options_int(options, "poll-max-failures"),
        .kickoff_max_retries = (int)options_int(options, "kickoff-max-retries"),
        .max_response_bytes = (size_t)options_int(options, "max-response-bytes"),
        .max_result_bytes = (size_t)options_int(options, "max-result-bytes"),
        .origin_max_connections = (int)options_int(options, "origin-max-connections"),
        .origin_kickoffs_per_second = options_decimal(options, "origin-max-kickoffs-per-second"),
        .origin_requests_per_second = options_decimal(options, "origin-max-requests-per-second"),
        .origin_breaker_failures = (int)options_int(options, "origin-breaker-failures"),
        .kickoff_max_wait_ms = options_ms(options, "kickoff-max-wait-seconds"),
        .egress = egress,
        .outlet = outlet,
    };
}
