#include "engine/egress_list.h"

#include "protocol/refusal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_ENTRIES 4096
#define SHOWN_ENTRY_BYTES 80

static bool parse_number(const char *text, int max, int *out)
{
    size_t bytes = strlen(text);
    if (bytes == 0 || bytes > 5 || strspn(text, "0123456789") != bytes) {
        return false;
    }
    *out = (int)strtol(text, NULL, 10);
    return *out <= max;
}

/* Cuts `text` into host and port in place. False where the port is none or the brackets do not match. */
static bool split_port(char *text, char **host, int *port)
{
    char *colon = NULL;
    *host = text;
    *port = 0;
    if (text[0] == '[') {
        char *close = strchr(text, ']');
        if (close == NULL || (close[1] != '\0' && close[1] != ':')) {
            return false;
        }
        *host = text + 1;
        colon = close[1] == ':' ? close + 1 : NULL;
        *close = '\0';
    } else if (strchr(text, ':') == strrchr(text, ':')) {
        colon = strchr(text, ':');
    }
    if (colon == NULL) {
        return true;
    }
    *colon = '\0';
    return parse_number(colon + 1, 65535, port) && *port > 0;
}

/* A name that ends in a number is read as an address by resolvers: here it can only be a mistyped one. */
static bool ends_in_number(const char *name)
{
    const char *dot = strrchr(name, '.');
    const char *last = dot != NULL ? dot + 1 : name;
    if (last[0] == '0' && (last[1] == 'x' || last[1] == 'X')) {
        return true;
    }
    return strspn(last, "0123456789") == strlen(last);
}

/* A name as a URL can hold it, in ASCII. */
static bool is_name(const char *text)
{
    size_t bytes = strlen(text);
    if (bytes == 0 || bytes > EGRESS_HOST_MAX_BYTES || text[0] == '.' || strstr(text, "..") != NULL) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80 || (!isalnum(c) && c != '-' && c != '_' && c != '.')) {
            return false;
        }
    }
    return !ends_in_number(text);
}

static bool parse_range(char *host, struct address_range *out)
{
    struct address base;
    char *slash = strchr(host, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    if (strchr(host, '%') != NULL || !address_parse(host, &base)) {
        return false;
    }
    int bits = base.family == AF_INET ? 32 : 128;
    if (slash != NULL && !parse_number(slash + 1, bits, &bits)) {
        return false;
    }
    return address_range_make(&base, bits, out);
}

/* Cuts one trailing dot off: the root of DNS. */
static void trim_host(char *host)
{
    size_t bytes = strlen(host);
    if (bytes > 1 && host[bytes - 1] == '.') {
        host[bytes - 1] = '\0';
    }
}

enum parse_error { PARSE_OK = 0, PARSE_NO_ENTRY = -1, PARSE_NO_MEMORY = -2 };

/* Takes `text` apart in place. entry->text is the caller's, who frees both strings. */
static enum parse_error parse_entry(char *text, struct egress_entry *entry)
{
    struct address address;
    char *host;
    if (!split_port(text, &host, &entry->port)) {
        return PARSE_NO_ENTRY;
    }
    if (strcmp(host, "*") == 0) {
        entry->kind = EGRESS_ANY;
        return PARSE_OK;
    }
    if (strchr(host, ':') != NULL || strchr(host, '/') != NULL || address_parse(host, &address)) {
        entry->kind = EGRESS_RANGE;
        return parse_range(host, &entry->range) ? PARSE_OK : PARSE_NO_ENTRY;
    }
    trim_host(host);
    bool is_suffix = strncmp(host, "*.", 2) == 0;
    bool has_brackets = host != text;
    if (has_brackets || !is_name(is_suffix ? host + 2 : host)) {
        return PARSE_NO_ENTRY;
    }
    entry->kind = is_suffix ? EGRESS_SUFFIX : EGRESS_NAME;
    entry->name = strdup(is_suffix ? host + 1 : host);
    return entry->name != NULL ? PARSE_OK : PARSE_NO_MEMORY;
}

static enum parse_error add_entry(struct egress_list *list, char *item)
{
    struct egress_entry *grown = realloc(list->entry, (list->n + 1) * sizeof *grown);
    if (grown == NULL) {
        return PARSE_NO_MEMORY;
    }
    list->entry = grown;
    struct egress_entry *entry = &grown[list->n];
    *entry = (struct egress_entry){.text = strdup(item)};
    list->n++;
    return entry->text == NULL ? PARSE_NO_MEMORY : parse_entry(item, entry);
}

static char *trim(char *item)
{
    item += strspn(item, " \t");
    size_t bytes = strlen(item);
    while (bytes > 0 && (item[bytes - 1] == ' ' || item[bytes - 1] == '\t')) {
        bytes--;
    }
    item[bytes] = '\0';
    return item;
}

/* The list may come from the environment, which can hold any bytes. */
static struct rxp_shown shown_entry(const char *text)
{
    return rxp_show(text, strnlen(text, SHOWN_ENTRY_BYTES));
}

int egress_list_parse(struct egress_list *list, const char *option, const char *text, char *why, size_t why_bytes)
{
    *list = (struct egress_list){0};
    char *copy = strdup(text);
    enum parse_error error = copy != NULL ? PARSE_OK : PARSE_NO_MEMORY;
    char *rest = copy;
    while (error == PARSE_OK && rest != NULL) {
        char *item = trim(strsep(&rest, ","));
        if (item[0] == '\0') {
            continue;
        }
        if (list->n == MAX_ENTRIES) {
            snprintf(why, why_bytes, "%s has more than %d entries", option, MAX_ENTRIES);
            goto out;
        }
        error = add_entry(list, item);
    }
    switch (error) {
    case PARSE_OK:
        free(copy);
        return 0;
    case PARSE_NO_ENTRY:
        snprintf(why, why_bytes,
                 "%s: '%s' is not an entry; write *, a name, *.name, an address or network/bits, each with :port "
                 "where wanted, IPv6 then as [address]:port",
                 option, shown_entry(list->entry[list->n - 1].text).text);
        break;
    case PARSE_NO_MEMORY:
        snprintf(why, why_bytes, "%s: out of memory", option);
        break;
    }
out:
    free(copy);
    return -1;
}

void egress_list_deinit(struct egress_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->entry[i].text);
        free(list->entry[i].name);
    }
    free(list->entry);
    *list = (struct egress_list){0};
}

static bool has_suffix(const char *host, const char *suffix)
{
    size_t host_bytes = strlen(host);
    size_t suffix_bytes = strlen(suffix);
    return host_bytes > suffix_bytes && strcasecmp(host + host_bytes - suffix_bytes, suffix) == 0;
}

static bool range_has(const struct address_range *range, const struct egress_target *target, enum egress_forms forms)
{
    for (size_t i = 0; i < target->n_forms; i++) {
        const struct address_form *form = &target->forms[i];
        if ((forms == EGRESS_ALL_FORMS || form->same_host) && address_range_has(range, &form->address)) {
            return true;
        }
    }
    return false;
}

bool egress_entry_has(const struct egress_entry *entry, const struct egress_target *target, enum egress_forms forms)
{
    if (entry->port != 0 && entry->port != target->port) {
        return false;
    }
    switch (entry->kind) {
    case EGRESS_ANY:
        return true;
    case EGRESS_NAME:
        return strcasecmp(entry->name, target->host) == 0;
    case EGRESS_SUFFIX:
        return has_suffix(target->host, entry->name);
    case EGRESS_RANGE:
        return range_has(&entry->range, target, forms);
    }
    return false;
}

bool egress_list_has_names(const struct egress_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->entry[i].kind == EGRESS_NAME || list->entry[i].kind == EGRESS_SUFFIX) {
            return true;
        }
    }
    return false;
}
