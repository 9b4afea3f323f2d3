#include "engine/client_certificates.h"

#include "engine/pem_file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OPTION "client-certificates"
#define MAX_ENTRIES 1024
#define SHOWN_BYTES 80

static bool parse_port(const char *text, int *out)
{
    size_t bytes = strlen(text);
    if (bytes == 0 || bytes > 5 || strspn(text, "0123456789") != bytes) {
        return false;
    }
    *out = (int)strtol(text, NULL, 10);
    return *out > 0 && *out <= 65535;
}

static void trim_dot(char *host)
{
    size_t bytes = strlen(host);
    if (bytes > 1 && host[bytes - 1] == '.') {
        host[bytes - 1] = '\0';
    }
}

/* "host", "host:port", "[::1]:port", "::1" */
static bool parse_host(struct client_certificate *entry, char *text)
{
    char *port = NULL;
    if (text[0] == '[') {
        char *close = strchr(text, ']');
        if (close == NULL || (close[1] != '\0' && close[1] != ':')) {
            return false;
        }
        port = close[1] == ':' ? close + 2 : NULL;
        *close = '\0';
        text++;
    } else if (strchr(text, ':') != NULL && strchr(text, ':') == strrchr(text, ':')) {
        port = strchr(text, ':') + 1;
        port[-1] = '\0';
    }
    trim_dot(text);
    entry->host = text;
    return text[0] != '\0' && strpbrk(text, "*/ ") == NULL && (port == NULL || parse_port(port, &entry->port));
}

/* Takes entry->text apart. */
static bool parse_entry(struct client_certificate *entry)
{
    char *equals = strchr(entry->text, '=');
    if (equals == NULL) {
        return false;
    }
    *equals = '\0';
    char *certificate = equals + 1;
    char *colon = strchr(certificate, ':');
    if (colon != NULL) {
        *colon = '\0';
    }
    entry->certificate = certificate;
    entry->key = colon != NULL ? colon + 1 : certificate;
    return parse_host(entry, entry->text) && certificate[0] != '\0' && entry->key[0] != '\0';
}

static bool is_twice(const struct client_certificates *certificates, const struct client_certificate *last)
{
    for (const struct client_certificate *entry = certificates->entry; entry < last; entry++) {
        if (entry->port == last->port && strcasecmp(entry->host, last->host) == 0) {
            return true;
        }
    }
    return false;
}

static int add_entry(struct client_certificates *out, const char *item, size_t bytes, char *why, size_t why_bytes)
{
    char *text = strndup(item, bytes);
    struct client_certificate *grown = realloc(out->entry, (out->n + 1) * sizeof *grown);
    if (grown != NULL) {
        out->entry = grown;
    }
    if (grown == NULL || text == NULL) {
        free(text);
        snprintf(why, why_bytes, OPTION ": out of memory");
        return -1;
    }
    struct client_certificate *entry = &out->entry[out->n++];
    *entry = (struct client_certificate){.text = text};
    if (!parse_entry(entry)) {
        snprintf(why, why_bytes, OPTION ": '%.*s' is not an entry; write host=CERTIFICATE.pem, host:port=CERTIFICATE.pem:KEY.pem",
                 bytes < SHOWN_BYTES ? (int)bytes : SHOWN_BYTES, item);
        return -1;
    }
    if (is_twice(out, entry)) {
        snprintf(why, why_bytes, OPTION " names host '%.*s' twice", SHOWN_BYTES, entry->host);
        return -1;
    }
    return pem_file_check(OPTION, entry->certificate, PEM_CERTIFICATE, why, why_bytes) != 0 ||
                   pem_file_check(OPTION, entry->key, PEM_PRIVATE_KEY, why, why_bytes) != 0
               ? -1
               : 0;
}

int client_certificates_parse(struct client_certificates *out, const char *text, char *why, size_t why_bytes)
{
    *out = (struct client_certificates){0};
    while (*text != '\0') {
        size_t bytes = strcspn(text, ",");
        size_t blanks = strspn(text, " \t");
        size_t skipped = blanks < bytes ? blanks : bytes;
        size_t end = bytes;
        while (end > skipped && strchr(" \t", text[end - 1]) != NULL) {
            end--;
        }
        if (out->n == MAX_ENTRIES) {
            snprintf(why, why_bytes, OPTION " has more than %d entries", MAX_ENTRIES);
            return -1;
        }
        if (end > skipped && add_entry(out, text + skipped, end - skipped, why, why_bytes) != 0) {
            return -1;
        }
        text += bytes + (text[bytes] == ',');
    }
    return 0;
}

void client_certificates_deinit(struct client_certificates *certificates)
{
    for (size_t i = 0; i < certificates->n; i++) {
        free(certificates->entry[i].text);
    }
    free(certificates->entry);
    *certificates = (struct client_certificates){0};
}

static bool same_host(const char *entry, const char *host)
{
    size_t bytes = strlen(host);
    bytes -= bytes > 1 && host[bytes - 1] == '.';
    return strlen(entry) == bytes && strncasecmp(entry, host, bytes) == 0;
}

const struct client_certificate *client_certificates_find(const struct client_certificates *certificates,
                                                          const char *host, int port)
{
    const struct client_certificate *found = NULL;
    for (size_t i = 0; i < certificates->n; i++) {
        const struct client_certificate *entry = &certificates->entry[i];
        if ((entry->port == port || (entry->port == 0 && found == NULL)) && same_host(entry->host, host)) {
            found = entry;
        }
    }
    return found;
}
