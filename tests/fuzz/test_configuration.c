/* What operators write: "file of --config" "--" "lines of the environment" "--" "words of the command line, a line each" "--"
 * "egress-allow" "--" "egress-deny" "--" "secrets-hosts". Refused with a sentence; or each option has a value that it may have,
 * which, given again as a flag, means the same; nothing denied is allowed; and no secret goes to a host that is not named. */
#include "fuzz/fuzz.h"

#include "engine/egress.h"
#include "engine/secrets.h"
#include "ops/log.h"
#include "ops/options.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINES_MAX 24

/* NULL-terminated, in one block. */
struct lines {
    char *line[LINES_MAX + 4];
    size_t n;
    char *block;
};

static struct lines lines_of(struct fuzz_part part)
{
    struct lines lines = {.block = fuzz_text(part)};
    char *save = NULL;
    for (char *at = strtok_r(lines.block, "\n", &save); at != NULL && lines.n < LINES_MAX; at = strtok_r(NULL, "\n", &save))
        lines.line[lines.n++] = at;
    return lines;
}

/* A file may be written in Latin-1, and is quoted as it is. */
static void must_be_line(const char *text)
{
    must(text[0] != '\0');
    for (; *text != '\0'; text++)
        must((unsigned char)*text >= ' ' && *text != 0x7f);
}

/* ---- options ---- */

static void must_be_setting(const struct options *options, const struct option_spec *spec)
{
    const char *text = options_text(options, spec->name);
    must(text != NULL || spec->value == NULL);
    if (text == NULL)
        return;
    must(text[0] != '\0' || spec->may_be_empty || spec->type == OPTION_TEXT || spec->type == OPTION_FLAG ||
         options_source(options, spec->name) == OPTION_DEFAULT);
    must_be_sentence(options_origin(options, spec->name));
    if (text[0] != '\0' && spec->type == OPTION_INT)
        must((double)options_int(options, spec->name) >= spec->min && (double)options_int(options, spec->name) <= spec->max);
    if (text[0] != '\0' && spec->type == OPTION_DECIMAL)
        must(options_decimal(options, spec->name) >= spec->min && options_decimal(options, spec->name) <= spec->max);
    if (spec->type == OPTION_CHOICE && text[0] != '\0')
        must(strstr(spec->choices, text) != NULL && strchr(text, '|') == NULL);
}

/* What was found in the file or the environment, as a flag. */
static void must_mean_the_same(const struct options *options, const struct option_spec *spec)
{
    const char *text = options_text(options, spec->name);
    enum option_source source = options_source(options, spec->name);
    if (spec->type == OPTION_FLAG || text == NULL || (source != OPTION_FILE && source != OPTION_ENVIRONMENT))
        return;
    char why[OPTIONS_WHY_BYTES] = "";
    char name[128];
    bool help = false;
    struct options *again = NULL;
    char *value = strdup(text);
    char *none[] = {NULL};
    snprintf(name, sizeof name, "--%s", spec->name);
    char *argv[] = {name, value, NULL};
    must(value != NULL && options_read(COMMAND_CONFIG, 2, argv, none, &again, &help, why) == 0 && again != NULL);
    must(strcmp(options_text(again, spec->name), text) == 0);
    options_free(again);
    free(value);
}

static void try_options(struct fuzz_part file, struct fuzz_part environment, struct fuzz_part words)
{
    struct lines variables = lines_of(environment);
    struct lines argv = lines_of(words);
    struct options *options = NULL;
    char why[OPTIONS_WHY_BYTES] = "";
    bool help = false;
    static char flag[] = "--config";
    char path[64];
    int fd = memfd_create("worker.conf", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, file.at, file.bytes) == (ssize_t)file.bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    memmove(argv.line + 2, argv.line, argv.n * sizeof argv.line[0]);
    argv.line[0] = flag;
    argv.line[1] = path;
    int read = options_read(COMMAND_CONFIG, (int)argv.n + 2, argv.line, variables.line, &options, &help, why);
    close(fd);
    free(argv.block); /* nothing may point into them */
    free(variables.block);
    must(read == 0 || options == NULL);
    if (read != 0)
        must_be_line(why);
    must(read != 0 || help == (options == NULL));
    if (options == NULL)
        return;
    size_t n;
    const struct option_spec *table = option_table(&n);
    for (size_t i = 0; i < n; i++) {
        if ((table[i].commands & COMMAND_CONFIG) == 0)
            continue;
        must_be_setting(options, &table[i]);
        must_mean_the_same(options, &table[i]);
    }
    const struct option_property *property = options_properties(options, &n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            must(strcmp(property[i].name, property[j].name) != 0);
    options_free(options);
}

/* ---- where requests may go ---- */

static const struct {
    const char *host;
    const char *address;
    bool is_never;
} hosts[] = {
    {"jobs.example", "192.0.2.7", false},   {"a.b.jobs.example", "10.1.2.3", false}, {"10.1.2.3", "10.1.2.3", false},
    {"metadata.example", "169.254.169.254", true}, {"169.254.169.254", "169.254.169.254", true}, {"0.0.0.0", "0.0.0.0", true},
};

static void must_be_policy(const struct egress *egress, const struct egress *all, const struct egress *closed)
{
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        char why[EGRESS_WHY_BYTES] = "";
        struct sockaddr_in address = {.sin_family = AF_INET};
        const struct sockaddr *at = (const struct sockaddr *)(const void *)&address;
        must(inet_pton(AF_INET, hosts[i].address, &address.sin_addr) == 1);
        bool passes = egress_check_host(egress, hosts[i].host, 80, EGRESS_DIRECT, why);
        if (!passes)
            must_be_sentence(why);
        bool connects = egress_check_address(egress, hosts[i].host, 80, at, why);
        if (!connects)
            must_be_sentence(why);
        must(!connects || !hosts[i].is_never);
        /* Denying more allows no more; what is denied alone is denied beside any allowing. */
        must(!connects || all == NULL || egress_check_address(all, hosts[i].host, 80, at, why));
        must(!connects || closed == NULL || egress_check_address(closed, hosts[i].host, 80, at, why));
    }
}

static void try_egress(const char *allow, const char *deny)
{
    char why[EGRESS_WHY_BYTES] = "";
    struct egress *egress = egress_make(&(struct egress_config){.allow = allow, .deny = deny}, why);
    if (egress == NULL) {
        must_be_sentence(why);
        return;
    }
    struct egress *without_deny = egress_make(&(struct egress_config){.allow = allow}, why);
    struct egress *deny_alone = egress_make(&(struct egress_config){.allow = "*", .deny = deny}, why);
    must(without_deny != NULL && deny_alone != NULL);
    must_be_policy(egress, without_deny, deny_alone);
    egress_free(without_deny);
    egress_free(deny_alone);
    egress_free(egress);
}

/* ---- secrets ---- */

static void try_secrets(const char *bindings)
{
    static const char *const environment[] = {"RXP_SECRET_TOKEN=s3cr3t", NULL};
    char why[SECRETS_WHY_BYTES] = "";
    bool is_named = strstr(bindings, "s3cr3t") != NULL; /* by the input itself */
    struct secrets *secrets = secrets_new(&(struct secrets_config){.environment = environment, .hosts = bindings}, why);
    if (secrets == NULL) {
        must_be_sentence(why);
        must(is_named || strstr(why, "s3cr3t") == NULL);
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        char *filled = NULL;
        bool may = secrets_check(secrets, "Bearer ${secret:TOKEN}", hosts[i].host, 8443, NULL, 0, why);
        enum secret_fill fill = secrets_fill(secrets, "Bearer ${secret:TOKEN}", hosts[i].host, 8443, NULL, 0, &filled, why);
        must(may == (fill == SECRET_READY));
        must(!may || (strcasestr(bindings, hosts[i].host) != NULL && strstr(bindings, "TOKEN") != NULL));
        must(!may || strcmp(filled, "Bearer s3cr3t") == 0);
        if (!may) {
            must_be_sentence(why);
            must(is_named || strstr(why, "s3cr3t") == NULL);
        }
        free(filled);
    }
    secrets_free(secrets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_part rest = {(const char *)data, bytes};
    static int quiet = -1;
    if (quiet < 0) {
        quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
        must(quiet >= 0 && log_start(quiet, LOG_TEXT) == 0);
    }
    struct fuzz_part file = fuzz_next(&rest);
    struct fuzz_part environment = fuzz_next(&rest);
    struct fuzz_part words = fuzz_next(&rest);
    try_options(file, environment, words);
    char *allow = fuzz_text(fuzz_next(&rest));
    char *deny = fuzz_text(fuzz_next(&rest));
    char *bindings = fuzz_text(rest);
    try_egress(allow, deny);
    try_secrets(bindings);
    free(bindings);
    free(deny);
    free(allow);
    return 0;
}
