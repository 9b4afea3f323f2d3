#include "engine/proxy.h"

#include "engine/special.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_ENTRIES 1024
#define BLANKS ", \t"

/* One of no_proxy: an address or range, or a name that stands for itself and all below it. */
struct exception {
    const char *name; /* NULL: the range */
    struct address_range range;
    int port; /* 0: any */
};

struct proxy {
    char *http;
    char *https;
    char *no_proxy; /* the names of the exceptions point in here */
    struct exception *exception;
    size_t n_exceptions;
    bool has_star; /* no_proxy is for all hosts */
};

/* ---- the URL ---- */

static bool part_is(CURLU *url, CURLUPart part, const char *expected)
{
    char *text = NULL;
    bool is = curl_url_get(url, part, &text, 0) == CURLUE_OK ? strcmp(text, expected) == 0 : expected[0] == '\0';
    curl_free(text);
    return is;
}

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

/* Returns 0 with *out, or -1 with why. `source` is where it was given. */
static int copy_url(const char *source, const char *text, char **out, char *why, size_t why_bytes)
{
    size_t room = strlen(text) + sizeof "http://";
    char *whole = malloc(room);
    CURLU *url = curl_url();
    if (whole == NULL || url == NULL) {
        snprintf(why, why_bytes, "%s: out of memory", source);
        goto out;
    }
    snprintf(whole, room, "%s%s", strstr(text, "://") == NULL ? "http://" : "", text);
    /* Without a port curl takes 1080, which nobody expects. With SOCKS names could be looked up here and unchecked. */
    bool is_fit = curl_url_set(url, CURLUPART_URL, whole, 0) == CURLUE_OK &&
                  (part_is(url, CURLUPART_SCHEME, "http") || part_is(url, CURLUPART_SCHEME, "https")) &&
                  has_part(url, CURLUPART_PORT) && part_is(url, CURLUPART_PATH, "/") &&
                  !has_part(url, CURLUPART_QUERY) && !has_part(url, CURLUPART_FRAGMENT);
    curl_url_cleanup(url);
    if (is_fit) {
        *out = whole;
        return 0;
    }
    url = NULL;
    snprintf(why, why_bytes, "%s is no URL of a proxy (it is not shown, it may hold a password): write http://host:3128 or "
                             "http://user:password@host:3128, with http or https and a port, and what is special in a "
                             "password percent-encoded",
             source);
out:
    curl_url_cleanup(url);
    free(whole);
    return -1;
}

/* ---- no_proxy ---- */

/* "host:port", "[::1]:port": cuts the port off. */
static bool split_port(char *text, char **host, int *port)
{
    char *colon = strchr(text, ':');
    *host = text;
    *port = 0;
    if (text[0] == '[') {
        char *close = strchr(text, ']');
        if (close == NULL) {
            return false;
        }
        colon = close[1] == ':' ? close + 1 : NULL;
        *close = '\0';
        *host = text + 1;
    } else if (colon != NULL && colon != strrchr(text, ':')) {
        colon = NULL; /* IPv6 */
    }
    if (colon == NULL) {
        return true;
    }
    *colon = '\0';
    char *end;
    long number = strtol(colon + 1, &end, 10);
    *port = (int)number;
    return colon[1] != '\0' && *end == '\0' && number > 0 && number <= 65535;
}

static bool parse_range(char *text, struct address_range *out)
{
    struct address base;
    char *slash = strchr(text, '/');
    char *end = NULL;
    if (slash != NULL) {
        *slash = '\0';
    }
    if (!address_parse(text, &base)) {
        return false;
    }
    long bits = base.family == AF_INET ? 32 : 128;
    if (slash != NULL) {
        bits = strtol(slash + 1, &end, 10);
        if (slash[1] == '\0' || *end != '\0' || bits < 0 || bits > 128) {
            return false;
        }
        address_mask(&base, (int)bits);
    }
    return address_range_make(&base, (int)bits, out);
}

/* False: it means nothing, and is left out: the request goes through the proxy. */
static bool parse_exception(char *text, struct exception *out)
{
    char *host;
    *out = (struct exception){0};
    if (!split_port(text, &host, &out->port)) {
        return false;
    }
    if (strchr(host, '/') != NULL || strchr(host, ':') != NULL || parse_range(host, &out->range)) {
        return parse_range(host, &out->range);
    }
    host += strncmp(host, "*.", 2) == 0 ? 2 : host[0] == '.';
    size_t bytes = strlen(host);
    if (bytes > 1 && host[bytes - 1] == '.') {
        host[bytes - 1] = '\0';
    }
    out->name = host;
    return host[0] != '\0';
}

static int parse_no_proxy(struct proxy *proxy, const char *text)
{
    proxy->no_proxy = strdup(text);
    proxy->exception = calloc(MAX_ENTRIES, sizeof *proxy->exception);
    if (proxy->no_proxy == NULL || proxy->exception == NULL) {
        return -1;
    }
    char *rest = proxy->no_proxy;
    while (rest != NULL && proxy->n_exceptions < MAX_ENTRIES) {
        char *item = strsep(&rest, BLANKS);
        if (strcmp(item, "*") == 0) {
            proxy->has_star = true;
        } else if (item[0] != '\0' && parse_exception(item, &proxy->exception[proxy->n_exceptions])) {
            proxy->n_exceptions++;
        }
    }
    return 0;
}

static bool name_covers(const char *name, const char *host)
{
    size_t name_bytes = strlen(name);
    size_t host_bytes = strlen(host);
    host_bytes -= host_bytes > 1 && host[host_bytes - 1] == '.';
    if (host_bytes < name_bytes || strncasecmp(host + host_bytes - name_bytes, name, name_bytes) != 0) {
        return false;
    }
    return host_bytes == name_bytes || host[host_bytes - name_bytes - 1] == '.';
}

static bool is_exception(const struct proxy *proxy, const char *host, int port)
{
    struct address address;
    bool is_address = address_parse_loose(host, &address);
    for (size_t i = 0; i < proxy->n_exceptions; i++) {
        const struct exception *exception = &proxy->exception[i];
        if (exception->port != 0 && exception->port != port) {
            continue;
        }
        if (exception->name != NULL ? !is_address && name_covers(exception->name, host)
                                    : is_address && address_range_has(&exception->range, &address)) {
            return true;
        }
    }
    return proxy->has_star;
}

static bool is_loopback(const char *host)
{
    static const char name[] = "localhost";
    struct address address;
    if (!address_parse_loose(host, &address)) {
        return name_covers(name, host);
    }
    struct address_form forms[ADDRESS_MAX_FORMS];
    size_t n = address_unwrap(&address, forms);
    for (size_t i = 0; i < n; i++) {
        const struct special *special = special_find(&forms[i].address);
        if (forms[i].same_host && special != NULL && special->rule == SPECIAL_LOOPBACK) {
            return true;
        }
    }
    return false;
}

/* ---- life ---- */

static const char *read_environment(const char *name, const char *in_capitals)
{
    const char *value = getenv(name);
    if ((value == NULL || value[0] == '\0') && in_capitals != NULL) {
        value = getenv(in_capitals);
    }
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static int take_environment(struct proxy *proxy, char *why, size_t why_bytes)
{
    const char *http = read_environment("http_proxy", NULL);
    const char *https = read_environment("https_proxy", "HTTPS_PROXY");
    const char *all = read_environment("all_proxy", "ALL_PROXY");
    const char *no_proxy = read_environment("no_proxy", "NO_PROXY");
    const char *for_http = http != NULL ? http : all;
    const char *for_https = https != NULL ? https : all;
    if (for_http != NULL && copy_url(http != NULL ? "http_proxy of the environment" : "all_proxy of the environment", for_http,
                                     &proxy->http, why, why_bytes) != 0) {
        return -1;
    }
    if (for_https != NULL && copy_url(https != NULL ? "https_proxy of the environment" : "all_proxy of the environment",
                                      for_https, &proxy->https, why, why_bytes) != 0) {
        return -1;
    }
    if (no_proxy != NULL && parse_no_proxy(proxy, no_proxy) != 0) {
        snprintf(why, why_bytes, "no_proxy: out of memory");
        return -1;
    }
    return 0;
}

int proxy_make(const char *text, struct proxy **out, char *why, size_t why_bytes)
{
    *out = NULL;
    if (text == NULL || text[0] == '\0') {
        return 0;
    }
    struct proxy *proxy = calloc(1, sizeof *proxy);
    if (proxy == NULL) {
        snprintf(why, why_bytes, "proxy: out of memory");
        return -1;
    }
    int failed = strcmp(text, "environment") == 0
                     ? take_environment(proxy, why, why_bytes)
                     : copy_url("proxy", text, &proxy->http, why, why_bytes) != 0 ||
                           copy_url("proxy", text, &proxy->https, why, why_bytes) != 0;
    if (failed) {
        proxy_free(proxy);
        return -1;
    }
    *out = proxy;
    return 0;
}

static void free_secret(char *text)
{
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}

void proxy_free(struct proxy *proxy)
{
    if (proxy == NULL) {
        return;
    }
    free_secret(proxy->http);
    free_secret(proxy->https);
    free(proxy->no_proxy);
    free(proxy->exception);
    free(proxy);
}

const char *proxy_find(const struct proxy *proxy, const char *scheme, const char *host, int port)
{
    if (proxy == NULL) {
        return NULL;
    }
    const char *url = strcmp(scheme, "https") == 0 ? proxy->https : proxy->http;
    return url != NULL && !is_loopback(host) && !is_exception(proxy, host, port) ? url : NULL;
}
