#include "engine/secret_bindings.h"

#include "engine/secret_text.h"
#include "protocol/refusal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1])) {
        *--end = '\0';
    }
    return text;
}

const char *secret_bindings_find(const struct rxp_pair *pairs, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(pairs[i].key, name) == 0) {
            return pairs[i].value;
        }
    }
    return NULL;
}

static int read_entry(struct secret_bindings *out, char *entry, char *why, size_t why_bytes)
{
    char *equals = strchr(entry, '=');
    if (equals == NULL) {
        snprintf(why, why_bytes, "secrets-hosts: '%s' is not of the form NAME=HOST[:PORT],…",
                 rxp_show(entry, strlen(entry)).text);
        return -1;
    }
    *equals = '\0';
    char *name = trim(entry);
    char *hosts = trim(equals + 1);
    if (!secret_name_is_valid(name, strlen(name))) {
        snprintf(why, why_bytes, "secrets-hosts: '%s' cannot be the name of a secret: letters, digits, '_', '-' and '.', "
                 "at most %d", rxp_show(name, strlen(name)).text, SECRET_NAME_MAX_BYTES);
        return -1;
    }
    if (secret_bindings_find(out->pair, out->n, name) != NULL) {
        snprintf(why, why_bytes, "secrets-hosts: '%s' is given twice; name all of its hosts in one place", name);
        return -1;
    }
    char fault[256];
    if (secret_hosts_check(hosts, fault, sizeof fault) != 0) {
        snprintf(why, why_bytes, "secrets-hosts: of %s, %s", name, fault);
        return -1;
    }
    out->pair[out->n++] = (struct rxp_pair){.key = name, .value = hosts};
    return 0;
}

int secret_bindings_parse(const char *text, struct secret_bindings *out, char *why, size_t why_bytes)
{
    size_t most = 1;
    for (const char *at = text; *at != '\0'; at++) {
        most += *at == ';';
    }
    *out = (struct secret_bindings){.pair = calloc(most, sizeof *out->pair), .text = strdup(text)};
    snprintf(why, why_bytes, "out of memory");
    bool failed = out->pair == NULL || out->text == NULL;
    char *rest = out->text;
    char *item;
    while (!failed && (item = strsep(&rest, ";")) != NULL) {
        char *entry = trim(item);
        if (*entry == '\0' && rest == NULL) {
            break;
        }
        failed = read_entry(out, entry, why, why_bytes) != 0;
    }
    if (failed) {
        secret_bindings_deinit(out);
        return -1;
    }
    why[0] = '\0';
    return 0;
}

void secret_bindings_deinit(struct secret_bindings *bindings)
{
    free(bindings->pair);
    free(bindings->text);
    *bindings = (struct secret_bindings){0};
}
