#include "engine/secret_text.h"

#include "protocol/refusal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX_BYTES 253

static const char opening[] = "${secret:";

bool secret_name_is_valid(const char *name, size_t bytes)
{
    if (bytes == 0 || bytes > SECRET_NAME_MAX_BYTES || name[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c > 127 || (!isalnum(c) && c != '_' && c != '-' && c != '.')) {
            return false;
        }
    }
    return true;
}

enum secret_next secret_next(const char *at, struct secret_mark *mark)
{
    const char *begin = strstr(at, opening);
    if (begin == NULL) {
        return SECRET_NONE;
    }
    const char *name = begin + sizeof opening - 1;
    const char *close = strchr(name, '}');
    if (close == NULL || !secret_name_is_valid(name, (size_t)(close - name))) {
        return SECRET_MALFORMED;
    }
    mark->begin = begin;
    mark->end = close + 1;
    memcpy(mark->name, name, (size_t)(close - name));
    mark->name[close - name] = '\0';
    return SECRET_FOUND;
}

/* ---- hosts ---- */

struct entry {
    char host[HOST_MAX_BYTES + 1];
    bool is_ipv6;
    int port; /* 0: any */
};

/* NULL, or what is wrong with it. */
static const char *read_port(const char *text, size_t bytes, int *port)
{
    *port = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (!isdigit((unsigned char)text[i]) || *port > 65535) {
            return "its port is no number from 1 to 65535";
        }
        *port = *port * 10 + (text[i] - '0');
    }
    return *port >= 1 && *port <= 65535 ? NULL : "its port is no number from 1 to 65535";
}

static const char *read_ipv6(const char *text, size_t bytes, struct entry *entry, size_t *taken)
{
    const char *close = memchr(text, ']', bytes);
    size_t host_bytes = close != NULL ? (size_t)(close - text) - 1 : 0;
    struct in6_addr address;
    if (host_bytes == 0 || host_bytes > HOST_MAX_BYTES) {
        return "there is no IPv6 address between its brackets";
    }
    memcpy(entry->host, text + 1, host_bytes);
    entry->host[host_bytes] = '\0';
    entry->is_ipv6 = true;
    *taken = host_bytes + 2;
    return inet_pton(AF_INET6, entry->host, &address) == 1 ? NULL : "there is no IPv6 address between its brackets";
}

static const char *read_name(const char *text, size_t bytes, struct entry *entry, size_t *taken)
{
    size_t n = 0;
    for (; n < bytes && text[n] != ':'; n++) {
        unsigned char c = (unsigned char)text[n];
        if (c == '*') {
            return "patterns are not taken here: name each host";
        }
        if (c > 127 || (!isalnum(c) && c != '-' && c != '.' && c != '_')) {
            return "that is no host name or address (without scheme and path; IPv6 in brackets)";
        }
    }
    if (n == 0 || n > HOST_MAX_BYTES) {
        return "there is no host in it";
    }
    memcpy(entry->host, text, n);
    entry->host[n] = '\0';
    entry->is_ipv6 = false;
    *taken = n;
    return NULL;
}

/* NULL, or what is wrong with it. */
static const char *read_entry(const char *text, size_t bytes, struct entry *entry)
{
    size_t taken = 0;
    entry->port = 0;
    const char *fault = bytes > 0 && text[0] == '[' ? read_ipv6(text, bytes, entry, &taken)
                                                     : read_name(text, bytes, entry, &taken);
    if (fault != NULL || taken == bytes) {
        return fault;
    }
    if (text[taken] != ':') {
        return "after its bracket nothing but :PORT may follow";
    }
    return read_port(text + taken + 1, bytes - taken - 1, &entry->port);
}

/* The entry at *at, trimmed; *at moves behind it, to NULL after the last. */
static const char *cut_entry(const char **at, size_t *bytes)
{
    const char *begin = *at;
    const char *comma = strchr(begin, ',');
    size_t n = comma != NULL ? (size_t)(comma - begin) : strlen(begin);
    *at = comma != NULL ? comma + 1 : NULL;
    while (n > 0 && isspace((unsigned char)*begin)) {
        begin++;
        n--;
    }
    while (n > 0 && isspace((unsigned char)begin[n - 1])) {
        n--;
    }
    *bytes = n;
    return begin;
}

int secret_hosts_check(const char *hosts, char *why, size_t why_bytes)
{
    while (hosts != NULL) {
        struct entry entry;
        size_t bytes = 0;
        const char *text = cut_entry(&hosts, &bytes);
        const char *fault = bytes == 0 ? "an entry is empty" : read_entry(text, bytes, &entry);
        if (fault != NULL) {
            
            snprintf(why, why_bytes, "'%s': %s", rxp_show(text, bytes).text, fault);
            return -1;
        }
    }
    return 0;
}

static bool same_host(const struct entry *entry, const char *host)
{
    if (strcasecmp(entry->host, host) == 0) {
        return true;
    }
    struct in6_addr a;
    struct in6_addr b;
    return entry->is_ipv6 && inet_pton(AF_INET6, entry->host, &a) == 1 && inet_pton(AF_INET6, host, &b) == 1 &&
           memcmp(&a, &b, sizeof a) == 0;
}

bool secret_hosts_have(const char *hosts, const char *host, int port)
{
    while (hosts != NULL) {
        struct entry entry;
        size_t bytes = 0;
        const char *text = cut_entry(&hosts, &bytes);
        if (bytes > 0 && read_entry(text, bytes, &entry) == NULL && (entry.port == 0 || entry.port == port) &&
            same_host(&entry, host)) {
            return true;
        }
    }
    return false;
}

static int hex_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* How much of the text that byte takes there, percent-encoded or not; 0: it is another. */
static size_t length_of(const char *at, unsigned char wanted)
{
    int high = *at == '%' ? hex_of(at[1]) : -1;
    int low = high >= 0 ? hex_of(at[2]) : -1;
    if (low >= 0 && tolower(high * 16 + low) == tolower(wanted)) {
        return 3;
    }
    return tolower((unsigned char)*at) == tolower(wanted) ? 1 : 0;
}

static bool begins_with(const char *text, const char *secret, size_t least)
{
    for (size_t i = 0; i < least; i++) {
        size_t bytes = length_of(text, (unsigned char)secret[i]);
        if (bytes == 0) {
            return false;
        }
        text += bytes;
    }
    return true;
}

bool secret_is_held(const char *text, const char *secret)
{
    size_t bytes = strlen(secret);
    size_t half = (bytes + 1) / 2;
    if (bytes < SECRET_HELD_LEAST_BYTES) {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (begins_with(text, secret, half > SECRET_HELD_LEAST_BYTES ? half : SECRET_HELD_LEAST_BYTES)) {
            return true;
        }
    }
    return false;
}
